//! Names for queries that have none: what they do, to which table, by which columns.

use crate::migration::script::Dialect;
use crate::migration::script::lexer::{Lexer, TokenKind};

/// Columns a name speaks of at most.
const COLUMNS: usize = 2;
/// Letters of a table's or a column's name at most, as PostgreSQL has it.
const LETTERS: usize = 63;

/// A name such as `select-orders-by-customer_id`: letters, digits, `_` and `-` alone, and not yet unique.
pub fn name(sql: &str) -> String {
    name_in(sql, Dialect::PostgreSql)
}

/// The same for the SQL of an engine.
pub fn name_in(sql: &str, dialect: Dialect) -> String {
    let tokens = Lexer::new_in(sql, dialect).filter(|token| !token.kind.is_trivia());
    let words: Vec<(TokenKind, &str)> = tokens.map(|token| (token.kind, &sql[token.span])).collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|(_, text)| text.eq_ignore_ascii_case(word));
    let verb = (0..words.len())
        .find(|at| {
            let verbs = ["select", "insert", "update", "delete", "merge", "values", "table"];
            verbs.iter().any(|word| is(*at, word)) || dialect.is_sqlite() && is(*at, "replace")
        })
        .map_or_else(|| "query".to_owned(), |at| words[at].1.to_lowercase());
    let mut name = verb.clone();
    if let Some(table) = table(&words, &verb) {
        name = format!("{name}-{table}");
    }
    let mut columns: Vec<String> = Vec::new();
    let from = (0..words.len()).find(|at| is(*at, "where")).unwrap_or(words.len());
    for (at, (kind, text)) in
        words.iter().enumerate().skip(from).filter(|_| !["insert", "replace"].contains(&verb.as_str()))
    {
        let column = plain(text);
        let compared = words.get(at + 1).is_some_and(|(kind, text)| {
            *kind == TokenKind::Operator && !text.starts_with('*')
                || ["in", "like", "ilike", "between"].iter().any(|word| text.eq_ignore_ascii_case(word))
        });
        let is_name = matches!(kind, TokenKind::Word | TokenKind::QuotedIdentifier);
        if is_name && compared && !column.is_empty() && columns.len() < COLUMNS && !columns.contains(&column) {
            columns.push(column);
        }
    }
    if !columns.is_empty() {
        name = format!("{name}-by-{}", columns.join("-"));
    }
    name
}

/// The first table read or written, without its schema.
fn table(words: &[(TokenKind, &str)], verb: &str) -> Option<String> {
    let before: &[&str] = match verb {
        "insert" | "merge" | "replace" => &["into"],
        "update" => &["update"],
        "table" => &["table"],
        _ => &["from"],
    };
    let is_name = |at: usize| {
        words.get(at).is_some_and(|(kind, _)| matches!(kind, TokenKind::Word | TokenKind::QuotedIdentifier))
    };
    let starts =
        words.iter().enumerate().filter(|(_, (_, text))| before.iter().any(|word| text.eq_ignore_ascii_case(word)));
    for (start, _) in starts {
        let mut at = start + 1;
        while words.get(at).is_some_and(|(_, text)| text.eq_ignore_ascii_case("only")) {
            at += 1;
        }
        while is_name(at) && words.get(at + 1).is_some_and(|(_, text)| *text == ".") && is_name(at + 2) {
            at += 2;
        }
        if is_name(at) {
            return Some(plain(words[at].1)).filter(|name| !name.is_empty());
        }
    }
    None
}

fn plain(text: &str) -> String {
    // In this order: `İ` becomes two characters, of which one is no letter.
    text.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == '_').take(LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::{name, name_in};
    use crate::migration::script::Dialect;

    #[test]
    fn names_in_any_of_sqlites_quotes_are_read() {
        for (sql, expected) in [
            ("SELECT * FROM main.`my orders` WHERE [Id] = $1", "select-myorders-by-id"),
            ("REPLACE INTO [t] VALUES ($1)", "replace-t"),
            ("INSERT OR IGNORE INTO \"T\" VALUES ($1)", "insert-t"),
        ] {
            assert_eq!(name_in(sql, Dialect::Sqlite), expected, "{sql}");
        }
    }

    #[test]
    fn names_say_what_is_done_to_which_table_by_which_columns() {
        for (sql, expected) in [
            (
                "SELECT * FROM app.orders o WHERE o.customer_id = $1 AND status IN ($2)",
                "select-orders-by-customer_id-status",
            ),
            ("select now()", "select"),
            ("INSERT INTO \"Odd Ones\" (a) VALUES ($1)", "insert-oddones"),
            ("UPDATE ONLY t SET a = 1 WHERE id = $1", "update-t-by-id"),
            ("DELETE FROM t WHERE at < now()", "delete-t-by-at"),
            ("WITH x AS (SELECT 1 FROM a) SELECT * FROM x", "select-a"),
            ("SELECT extract(epoch from at) FROM t", "select-at"),
        ] {
            assert_eq!(name(sql), expected, "{sql}");
        }
    }
}
