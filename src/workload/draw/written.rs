//! Parameters that a write stores: the column each goes to, from the query's text. They bear on no condition, so any
//! typical value will do.

use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::script::words::folded;

/// The number after the dollar sign of each parameter that is stored as it is, and the column it is stored in, unquoted.
pub fn written(sql: &str) -> Vec<(usize, String)> {
    let tokens: Vec<(TokenKind, &str)> = Lexer::new(sql)
        .filter(|token| !token.kind.is_trivia())
        .map(|token| (token.kind, &sql[token.span.clone()]))
        .collect();
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if is(&tokens, at, "SET") {
            assigned(&tokens[at + 1..], &mut found);
        } else if is(&tokens, at, "VALUES") {
            let Some(columns) = columns_before(&tokens[..at]) else { continue };
            inserted(&tokens[at + 1..], &columns, &mut found);
        }
    }
    found
}

fn is(tokens: &[(TokenKind, &str)], at: usize, word: &str) -> bool {
    tokens.get(at).is_some_and(|(kind, text)| *kind == TokenKind::Word && text.eq_ignore_ascii_case(word))
}

/// `column = $1, other = $2::text, …` up to the first thing that is none of that.
fn assigned(tokens: &[(TokenKind, &str)], found: &mut Vec<(usize, String)>) {
    for assignment in items(tokens) {
        if let [(_, name), (_, "="), value @ ..] = assignment
            && let Some(parameter) = alone(until_clause(value))
        {
            found.push((parameter, unquoted(name)));
        }
    }
}

/// The names between the parentheses that end right before `VALUES`: a column list, unless an alias or nothing is there.
fn columns_before(tokens: &[(TokenKind, &str)]) -> Option<Vec<String>> {
    let tokens = match tokens {
        [before @ .., (_, overriding), _, _] if overriding.eq_ignore_ascii_case("OVERRIDING") => before,
        all => all,
    };
    let end = tokens.len().checked_sub(1)?;
    let start = tokens.iter().rposition(|(_, text)| *text == "(")?;
    if tokens[end].1 != ")" || !tokens[..start].iter().rev().take(8).any(|(_, text)| text.eq_ignore_ascii_case("INTO"))
    {
        return None;
    }
    Some(items(&tokens[start + 1..end]).filter_map(|item| item.first()).map(|(_, name)| unquoted(name)).collect())
}

/// `(…), (…)`: the values of each row, in the order of the columns.
fn inserted(tokens: &[(TokenKind, &str)], columns: &[String], found: &mut Vec<(usize, String)>) {
    let mut rest = tokens;
    while let [(_, "("), inside @ ..] = rest {
        let Some(end) = closing(inside) else { return };
        for (value, column) in items(&inside[..end]).zip(columns) {
            found.extend(alone(value).map(|parameter| (parameter, column.clone())));
        }
        rest = match &inside[end + 1..] {
            [(_, ","), rest @ ..] => rest,
            _ => return,
        };
    }
}

/// Where the parenthesis that is open already is closed.
fn closing(tokens: &[(TokenKind, &str)]) -> Option<usize> {
    let mut depth = 1_usize;
    tokens.iter().position(|(_, text)| {
        match *text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// What stands between commas outside of parentheses.
fn items<'a, 'b>(tokens: &'a [(TokenKind, &'b str)]) -> impl Iterator<Item = &'a [(TokenKind, &'b str)]> {
    let mut depth = 0_i32;
    tokens.split(move |(_, text)| {
        match *text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            _ => {}
        }
        depth == 0 && *text == ","
    })
}

/// The last assignment of a list ends where the next clause begins.
fn until_clause<'a, 'b>(value: &'a [(TokenKind, &'b str)]) -> &'a [(TokenKind, &'b str)] {
    let ends = ["WHERE", "FROM", "RETURNING", "ON", "WHEN", ";"];
    let end = value.iter().position(|(_, text)| ends.iter().any(|end| text.eq_ignore_ascii_case(end)));
    &value[..end.unwrap_or(value.len())]
}

/// A parameter and nothing else but a cast.
fn alone(value: &[(TokenKind, &str)]) -> Option<usize> {
    match value {
        [(TokenKind::Parameter, number)] => number.strip_prefix('$')?.parse().ok(),
        [(TokenKind::Parameter, number), (_, "::"), ..] => number.strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}

fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => folded(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sql: &str) -> Vec<(usize, String)> {
        written(sql)
    }

    #[test]
    fn each_stored_parameter_has_its_column() {
        let pairs = |list: &[(usize, &str)]| list.iter().map(|(n, name)| (*n, (*name).to_owned())).collect::<Vec<_>>();
        assert_eq!(
            found("UPDATE orders AS o SET Status = $2, \"Odd, name\" = $3::text WHERE id = $1"),
            pairs(&[(2, "status"), (3, "Odd, name")])
        );
        assert_eq!(
            found(
                "INSERT INTO shop.orders (id, status, total) VALUES ($1, $2, $3 + 1), ($4, lower($5), $6) RETURNING id"
            ),
            pairs(&[(1, "id"), (2, "status"), (4, "id"), (6, "total")])
        );
        assert_eq!(
            found("INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = $2 WHERE t.b <> $3"),
            pairs(&[(1, "a"), (2, "b"), (2, "b")])
        );
        assert_eq!(found("UPDATE t SET a = a + $1, b = $2"), pairs(&[(2, "b")]));
        // What stands between the columns and VALUES is no part of either.
        assert_eq!(found("INSERT INTO t (a, b) OVERRIDING SYSTEM VALUE VALUES ($1, $2)"), pairs(&[(1, "a"), (2, "b")]));
        assert_eq!(found("INSERT INTO t (a) overriding user value VALUES ($1)"), pairs(&[(1, "a")]));
        // As the server folds in UTF-8: letters of ASCII.
        assert_eq!(found("UPDATE t SET ÜBER = $1"), pairs(&[(1, "Über")]));
    }

    #[test]
    fn what_is_no_list_of_columns_gives_none() {
        for sql in [
            "INSERT INTO t VALUES ($1)",
            "SELECT * FROM (VALUES ($1)) AS v (a)",
            "WITH v (a) AS (VALUES ($1)) SELECT a FROM v",
            "SELECT 'SET a = $1'",
            "UPDATE t SET (a, b) = ($1, $2)",
        ] {
            assert_eq!(found(sql), [], "{sql}");
        }
    }
}
