//! A server's log in CSV, as far as it tells what was sent (PostgreSQL documentation, "Using CSV-Format Log Output").

use super::Sent;

/// Columns, counted from 0.
const USER: usize = 1;
const SESSION: usize = 5;
const SEVERITY: usize = 11;
const SQLSTATE: usize = 12;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;
const QUERY: usize = 19;

/// What sessions of `role` sent, in order, with `log_statement = all` and `log_min_error_statement = error`.
pub fn sent(csv: &str, role: &str) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    for row in rows(csv) {
        let field = |column: usize| row.get(column).map_or("", String::as_str);
        if field(USER) != role {
            continue;
        }
        let session = field(SESSION);
        if let Some(sql) = statement(field(MESSAGE)).filter(|_| field(SEVERITY) == "LOG") {
            let parameters = parameters(field(DETAIL));
            all.push(Sent { session: session.to_owned(), sql: sql.to_owned(), parameters, refused: None });
        } else if matches!(field(SEVERITY), "ERROR" | "FATAL") {
            let refused = Some(field(SQLSTATE).to_owned());
            let query = field(QUERY);
            match all.iter_mut().rev().find(|sent| sent.session == session) {
                Some(last) if query.is_empty() || last.sql == query => last.refused = refused,
                // It was refused before it was run, and so before it was logged.
                _ if !query.is_empty() => {
                    let (session, sql) = (session.to_owned(), query.to_owned());
                    all.push(Sent { session, sql, parameters: Vec::new(), refused });
                }
                _ => {}
            }
        }
    }
    all
}

/// The text behind `statement: ` or `execute name: `.
fn statement(message: &str) -> Option<&str> {
    if let Some(sql) = message.strip_prefix("statement: ") {
        return Some(sql);
    }
    let (name, sql) = message.strip_prefix("execute ")?.split_once(": ")?;
    (!name.starts_with("fetch from ")).then_some(sql)
}

/// The values in `parameters: $1 = '5', $2 = NULL`; quotes in them are doubled, and whatever else stands in them.
pub fn parameters(detail: &str) -> Vec<Option<String>> {
    let list = detail.strip_prefix("parameters: ").or_else(|| detail.strip_prefix("Parameters: "));
    let mut rest = list.unwrap_or_default();
    let mut values = Vec::new();
    while let Some((_, value)) = rest.strip_prefix('$').and_then(|rest| rest.split_once(" = ")) {
        let Some(quoted) = value.strip_prefix('\'') else {
            values.push(None);
            rest = value.strip_prefix("NULL").unwrap_or_default().trim_start_matches(", ");
            continue;
        };
        let mut text = String::new();
        let mut after = quoted;
        while let Some((part, more)) = after.split_once('\'') {
            text.push_str(part);
            after = more;
            match after.strip_prefix('\'') {
                Some(doubled) => {
                    text.push('\'');
                    after = doubled;
                }
                None => break,
            }
        }
        values.push(Some(text));
        rest = after.trim_start_matches(", ");
    }
    values
}

/// Rows of a text in CSV, quotes undone.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, session: &str, severity: &str, message: &str, detail: &str, query: &str) -> String {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut fields = vec![String::new(); 24];
        fields[USER] = quote(user);
        fields[SESSION] = session.to_owned();
        fields[SEVERITY] = severity.to_owned();
        fields[SQLSTATE] = "42601".to_owned();
        fields[MESSAGE] = quote(message);
        fields[DETAIL] = quote(detail);
        fields[QUERY] = quote(query);
        fields.join(",") + "\n"
    }

    #[test]
    fn statements_of_the_role_come_in_order_with_their_parameters_and_refusals() {
        let csv = [
            line("app", "1", "LOG", "statement: SELECT \"a,b\"\nFROM t", "", ""),
            line("other", "2", "LOG", "statement: SELECT 2", "", ""),
            line(
                "app",
                "1",
                "LOG",
                "execute <unnamed>: INSERT INTO t VALUES ($1, $2)",
                "Parameters: $1 = '5', $2 = NULL",
                "",
            ),
            line("app", "1", "LOG", "execute fetch from c: SELECT 1", "", ""),
            line("app", "1", "LOG", "disconnection: session time: 0:00:00.1", "", ""),
            line("app", "1", "LOG", "statement: SELECT 1/0", "", ""),
            line("app", "1", "ERROR", "division by zero", "", "SELECT 1/0"),
            line("app", "1", "ERROR", "syntax error", "", "SELEC"),
        ]
        .concat();
        let sent = sent(&csv, "app");
        let texts: Vec<(&str, bool)> = sent.iter().map(|each| (each.sql.as_str(), each.refused.is_some())).collect();
        assert_eq!(
            texts,
            [
                ("SELECT \"a,b\"\nFROM t", false),
                ("INSERT INTO t VALUES ($1, $2)", false),
                ("SELECT 1/0", true),
                ("SELEC", true)
            ]
        );
        assert_eq!(sent[1].parameters, [Some("5".to_owned()), None]);
    }

    #[test]
    fn values_hold_commas_quotes_and_what_looks_like_the_next_one() {
        let detail = "parameters: $1 = 'a, $2 = ''x'', b', $2 = '', $3 = NULL, $4 = '''', $5 = 'NULL'";
        let expected = [Some("a, $2 = 'x', b"), Some(""), None, Some("'"), Some("NULL")];
        assert_eq!(parameters(detail), expected.map(|value| value.map(str::to_owned)));
        assert_eq!(parameters("prepare: PREPARE p AS SELECT 1"), []);
    }
}
