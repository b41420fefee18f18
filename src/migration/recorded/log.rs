//! A server's log in CSV, as far as it tells what was sent (PostgreSQL documentation, "Using CSV-Format Log Output").

use super::Sent;
use crate::workload::import::{csv, message};

/// Columns, counted from 0.
const TIME: usize = 0;
/// The class of what is said when a client is gone: no statement was refused for it.
const CONNECTION_LOST: &str = "08";
const USER: usize = 1;
const SESSION: usize = 5;
const SEVERITY: usize = 11;
const SQLSTATE: usize = 12;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;
const QUERY: usize = 19;

/// What sessions of `role` sent, in order, with `log_statement = all` and `log_min_error_statement = error`.
pub fn sent(log: &str, role: &str) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    for (_, row) in csv::records(log) {
        let field = |column: usize| row.get(column).map_or("", String::as_str);
        if field(USER) != role {
            continue;
        }
        let (session, at_ms) = (field(SESSION), moment(field(TIME)).unwrap_or(f64::NAN));
        if field(SEVERITY) == "LOG" {
            let Some(Ok(ran)) = message::read(field(MESSAGE), field(DETAIL)) else { continue };
            let parameters = ran.values.unwrap_or_default();
            all.push(Sent { session: session.to_owned(), sql: ran.sql, parameters, refused: None, at_ms });
        } else if matches!(field(SEVERITY), "ERROR" | "FATAL") && !field(SQLSTATE).starts_with(CONNECTION_LOST) {
            let refused = Some(field(SQLSTATE).to_owned());
            let query = field(QUERY);
            match all.iter_mut().rev().find(|sent| sent.session == session) {
                Some(last) if last.refused.is_some() && query.is_empty() => {}
                Some(last) if query.is_empty() || last.sql == query => last.refused = refused,
                // It was refused before it was run, and so before it was logged.
                _ if !query.is_empty() => {
                    let (session, sql) = (session.to_owned(), query.to_owned());
                    all.push(Sent { session, sql, parameters: Vec::new(), refused, at_ms });
                }
                _ => {}
            }
        }
    }
    all
}

/// `2026-11-26 16:04:05.123 UTC` in milliseconds.
fn moment(spelled: &str) -> Option<f64> {
    let moment: jiff::civil::DateTime = spelled.strip_suffix(" UTC")?.parse().ok()?;
    let since = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(since.as_millisecond() as f64)
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
    fn moments_are_told_to_the_millisecond() {
        let later = moment("2026-11-26 16:04:05.123 UTC").zip(moment("2026-11-27 16:04:06.125 UTC"));
        assert_eq!(later.map(|(one, other)| other - one), Some(86_401_002.0));
        assert_eq!(moment("2026-11-26 16:04:05.123 CET"), None);
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
        assert_eq!(sent[1].parameters, ["'5'", "NULL"]);
    }
}
