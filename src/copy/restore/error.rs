//! Why a dump could not be restored, said without values of user data.

use crate::copy::dump::{DumpError, DumpStatement};
use crate::copy::policy;
use crate::engine::ServerError;
use thiserror::Error;

/// Why a dump could not be restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// It cannot be read.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A statement failed that the copy cannot do without.
    #[error("{name}:{line}: {headline}: {said}{entry}")]
    Statement {
        /// The text.
        name: String,
        /// 1-based line; of the row, where a row is at fault.
        line: usize,
        /// The statement's first line, without rows.
        headline: String,
        /// The server's message, without values.
        said: String,
        /// The dump's heading above it, in words.
        entry: String,
        /// All the server said. Values of user data may stand in it.
        error: Box<ServerError>,
    },
    /// Extensions that this server cannot provide.
    #[error(
        "{name} needs extensions this PostgreSQL {version} does not have: {missing}; install their packages (for \
         example `apt install postgresql-{major}-EXTENSION`), or give --postgres-bin of a server that has them",
        missing = missing.join(", ")
    )]
    MissingExtensions {
        /// The dump.
        name: String,
        /// The server's version.
        version: String,
        /// Its major version.
        major: u32,
        /// Their names.
        missing: Vec<String>,
    },
    /// Collations that this machine cannot provide.
    #[error("{name} needs collations this PostgreSQL does not have: {missing}; install their locales", missing = missing.join("; "))]
    MissingCollations {
        /// The dump.
        name: String,
        /// Their definitions and what the server said.
        missing: Vec<String>,
    },
    /// A dump of several databases, and none chosen.
    #[error("{name} holds several databases: give --database with one of {found}", found = found.join(", "))]
    NeedsDatabase {
        /// The dump.
        name: String,
        /// Their names.
        found: Vec<String>,
    },
    /// `--database` names none of the dump's databases.
    #[error("{name} holds no database {wanted}: give --database with one of {found}", found = found.join(", "))]
    NoSuchDatabase {
        /// The dump.
        name: String,
        /// The one asked for.
        wanted: String,
        /// Those there are.
        found: Vec<String>,
    },
    /// A second database came where one was expected.
    #[error("{name}:{line}: connects to a second database, {second}, after {first}: give --database with one of them")]
    SecondDatabase {
        /// The dump.
        name: String,
        /// 1-based line.
        line: usize,
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// No statement at all.
    #[error("{name} holds no SQL statement: give a dump made with pg_dump, or `--source empty`")]
    Nothing {
        /// The dump.
        name: String,
    },
    /// Statistics of tables that are not in it.
    #[error("{name} holds statistics and no table: make the dump without --statistics-only, with --statistics instead")]
    StatisticsOnly {
        /// The dump.
        name: String,
    },
    /// The database could not be made.
    #[error("cannot create database {database}: {error}")]
    CreateDatabase {
        /// Its name.
        database: String,
        /// The server's answer.
        error: Box<ServerError>,
    },
    /// No room.
    #[error("the disk is full: {said}; free some space, or give --cache-dir on a bigger disk")]
    DiskFull {
        /// The server's message.
        said: String,
    },
    /// The server failed at something of our own.
    #[error("the server that restores the source failed: {}", shown(.0))]
    Server(Box<ServerError>),
}

impl From<ServerError> for RestoreError {
    fn from(error: ServerError) -> Self {
        if is_disk_full(&error) { Self::DiskFull { said: shown(&error) } } else { Self::Server(Box::new(error)) }
    }
}

impl RestoreError {
    pub(super) fn statement(name: &str, statement: &DumpStatement, line: usize, sql: &str, error: ServerError) -> Self {
        if is_disk_full(&error) {
            return Self::DiskFull { said: shown(&error) };
        }
        let headline = policy::headline(sql);
        let mut said = shown(&error);
        if error.sqlstate == "42P01" && headline.starts_with("COPY") {
            said.push_str("; a dump made with --data-only lacks the tables: make it without");
        }
        Self::Statement {
            name: name.to_owned(),
            line,
            headline,
            said,
            entry: statement.entry.as_deref().map(|entry| format!(" [{entry}]")).unwrap_or_default(),
            error: Box::new(error),
        }
    }
}

fn is_disk_full(error: &ServerError) -> bool {
    error.sqlstate == "53100"
}

/// A server's message and detail without values: what stands after `: "` in a message about data, and in the
/// parentheses of a detail.
pub(super) fn shown(error: &ServerError) -> String {
    let about_data = error.sqlstate.starts_with("22") || error.sqlstate.starts_with("23");
    let mut text = match error.message.split_once(": \"") {
        Some((before, _)) if about_data => format!("{before}: …"),
        _ => error.without_values(),
    };
    if about_data && let Some(detail) = &error.detail {
        let marks = [")=(", "contains ("];
        let open = marks.iter().filter_map(|mark| detail.find(mark).map(|at| at + mark.len())).min();
        if let (Some(open), Some(close)) = (open, detail.rfind(')')) {
            text.push_str(&format!(": {}…{}", &detail[..open], &detail[close.max(open)..]));
        }
    }
    if !error.sqlstate.is_empty() {
        text.push_str(&format!(" (SQLSTATE {})", error.sqlstate));
    }
    text
}

/// Which row of a `COPY` is at fault, counted from 1: `COPY t, line 3, column a: "…"`.
pub(super) fn copy_line(error: &ServerError) -> Option<usize> {
    let context = error.context.as_deref()?;
    let at = context.find(", line ")? + ", line ".len();
    let digits = context[at..].find(|character: char| !character.is_ascii_digit()).unwrap_or(context.len() - at);
    context[at..at + digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_what_is_wrong_with_the_dump() {
        let full = ServerError {
            sqlstate: "53100".into(),
            message: "could not extend file \"base/5/16400\": No space left on device".into(),
            ..Default::default()
        };
        let statement = DumpStatement { line: 3, sql: "CREATE INDEX ON t (a)".into(), entry: None };
        let at = |error: ServerError| RestoreError::statement("a.sql", &statement, 3, &statement.sql, error);
        for error in [RestoreError::from(full.clone()), at(full.clone())] {
            assert!(matches!(error, RestoreError::DiskFull { .. }), "{error}");
            let told = error.to_string();
            assert!(told.contains("No space left on device") && told.contains("--cache-dir"), "{told}");
        }
        let other = ServerError { sqlstate: "42P01".into(), ..full };
        assert!(at(other).to_string().starts_with("a.sql:3: "));
    }

    #[test]
    fn messages_carry_no_values() {
        let error = ServerError {
            sqlstate: "23505".into(),
            message: "duplicate key value violates unique constraint \"u\"".into(),
            detail: Some("Key (a, lower(b))=(1, x@example.com (y)) already exists.".into()),
            ..Default::default()
        };
        assert_eq!(
            shown(&error),
            "duplicate key value violates unique constraint \"u\": Key (a, lower(b))=(…) already exists. (SQLSTATE 23505)"
        );
        let error = ServerError {
            sqlstate: "22P02".into(),
            message: "invalid input syntax for type integer: \"secret\"".into(),
            context: Some("COPY t, line 12, column a: \"secret\"".into()),
            ..Default::default()
        };
        assert_eq!(shown(&error), "invalid input syntax for type integer: … (SQLSTATE 22P02)");
        assert_eq!(copy_line(&error), Some(12));
        let raised =
            ServerError { sqlstate: "P0001".into(), message: "no rate for secret".into(), ..Default::default() };
        assert!(!shown(&raised).contains("secret"), "{}", shown(&raised));
    }
}
