//! One message of a server's log: which statement it says ran, and with which values.

use super::{explained, values};

/// Where a statement was seen: each source counts by itself, as one execution may be in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// `log_statement` or `log_min_duration_statement`.
    Statement,
    /// `auto_explain`.
    Plan,
}

/// A statement that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Its text as logged.
    pub sql: String,
    /// Values as SQL literals; `None` where none were logged, or not whole.
    pub values: Option<Vec<String>>,
    /// What logged it.
    pub seen: Seen,
}

/// Reads a message and its detail; `None` for everything that is no execution of a statement.
pub fn read(message: &str, detail: &str) -> Option<Result<Executed, String>> {
    // `log_error_verbosity = verbose` puts an SQLSTATE first.
    let message = message.strip_prefix("00000: ").unwrap_or(message);
    let rest = match message.strip_prefix("duration: ") {
        Some(timed) => timed.split_once(" ms")?.1.trim_start(),
        None => message,
    };
    if let Some(plan) = rest.strip_prefix("plan:") {
        return Some(explained::read(plan).map(|(sql, parameters)| Executed {
            sql,
            values: parameters.as_deref().and_then(values::read),
            seen: Seen::Plan,
        }));
    }
    if let Some(sql) = rest.strip_prefix("statement: ") {
        return Some(Ok(Executed { sql: sql.to_owned(), values: None, seen: Seen::Statement }));
    }
    // `execute <name>/<portal>: …`; further rows of the same execution are `execute fetch from …`.
    let (name, sql) = rest.strip_prefix("execute ")?.split_once(": ")?;
    if name.starts_with("fetch from ") {
        return None;
    }
    let logged = detail.strip_prefix("parameters: ").or_else(|| detail.strip_prefix("Parameters: "));
    Some(Ok(Executed { sql: sql.to_owned(), values: logged.and_then(values::read), seen: Seen::Statement }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_told_from_everything_else() {
        let sql =
            |message: &str, detail: &str| read(message, detail).map(|read| read.map(|each| (each.sql, each.values)));
        let ran = |sql: &str, values: Option<&[&str]>| {
            Some(Ok((sql.to_owned(), values.map(|all| all.iter().map(|each| (*each).to_owned()).collect()))))
        };
        assert_eq!(sql("statement: SELECT 1", ""), ran("SELECT 1", None));
        assert_eq!(sql("duration: 0.5 ms  statement: SELECT ': '", ""), ran("SELECT ': '", None));
        assert_eq!(sql("00000: statement: SELECT 1", ""), ran("SELECT 1", None));
        let detail = "parameters: $1 = '5'";
        assert_eq!(sql("duration: 1.2 ms  execute <unnamed>: SELECT $1", detail), ran("SELECT $1", Some(&["'5'"])));
        assert_eq!(sql("execute s/p: SELECT $1", "Parameters: $1 = NULL"), ran("SELECT $1", Some(&["NULL"])));
        for other in [
            "duration: 1 ms  parse s: SELECT 1",
            "duration: 1 ms  bind s: SELECT 1",
            "execute fetch from s: SELECT 1",
            "duration: 1 ms",
            "checkpoint starting: time",
        ] {
            assert_eq!(sql(other, ""), None, "{other}");
        }
        assert!(matches!(read("duration: 1 ms  plan:\n<explain>", ""), Some(Err(_))));
    }
}
