//! What a running server's `pg_stat_statements` counted: read in a session that can write nothing and waits for nothing
//! long.

use super::url::{SecretUrl, UrlError};
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::engine::postgres::session::quote_identifier;
use crate::workload::import::view::Row;
use thiserror::Error;

/// Limits of the session, with which it begins; nothing of it writes. Not set later on: a pooler may hand the server's
/// session on to others, who would keep them. Strings mean what the reader of their text takes them for.
const LIMITS: [(&str, &str); 5] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("standard_conforming_strings", "on"),
];

/// Where the view is, and what it has in this version.
const VIEW: &str = "SELECT n.nspname, \
    EXISTS (SELECT FROM pg_catalog.pg_class i WHERE i.relnamespace = n.oid AND i.relname = 'pg_stat_statements_info'), \
    EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class v ON v.oid = a.attrelid \
            WHERE v.relnamespace = n.oid AND v.relname = 'pg_stat_statements' AND a.attname = 'stats_since') \
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
    WHERE e.extname = 'pg_stat_statements'";

/// Why a running server cannot be asked. No message holds a password.
#[derive(Debug, Error)]
pub enum StatementsError {
    /// The URL is not one this can be done with.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// It cannot be reached, or refuses.
    #[error("cannot read {what}: {said}{next}")]
    Server {
        /// Database and host.
        what: String,
        /// The server's answer.
        said: String,
        /// What to do.
        next: &'static str,
    },
    /// No such extension in this database.
    #[error(
        "{what} has no pg_stat_statements: CREATE EXTENSION pg_stat_statements there (it must be in \
        shared_preload_libraries), or import a log"
    )]
    NoView {
        /// Database and host.
        what: String,
    },
}

/// A session with a running server that only reads.
///
/// # Errors
/// It cannot be reached.
pub async fn connect(url: &SecretUrl) -> Result<Session, StatementsError> {
    let failed = |error: ServerError| failed(url, &error);
    Session::reader(&url.parts()?, &LIMITS).await.map_err(failed)
}

/// Rows of the database's view, those of several users added up.
///
/// # Errors
/// There is no view, or it may not be read.
pub async fn read(session: &mut Session, url: &SecretUrl) -> Result<Vec<Row>, StatementsError> {
    let failed = |error: ServerError| failed(url, &error);
    let view = session.query(VIEW).await.map_err(failed)?;
    let Some([Some(schema), info, since]) = view.rows.first().map(Vec::as_slice) else {
        return Err(StatementsError::NoView { what: url.to_string() });
    };
    let schema = quote_identifier(schema);
    let is = |value: &Option<String>| value.as_deref() == Some("t");
    // 17 counts each statement's time by itself, 14 that of the whole view; before that nobody knows.
    let minutes = |since: &str| format!("greatest(extract(epoch FROM now() - {since}) / 60, 1)");
    let weight = if is(since) {
        format!("sum(calls / {})", minutes("stats_since"))
    } else if is(info) {
        format!("sum(calls) / {}", minutes(&format!("(SELECT stats_reset FROM {schema}.pg_stat_statements_info)")))
    } else {
        "sum(calls)".to_owned()
    };
    let rows = session
        .query(&format!(
            "SELECT min(query), queryid::text, ({weight})::float8::text, sum(total_exec_time)::float8::text \
             FROM {schema}.pg_stat_statements \
             WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
             GROUP BY queryid ORDER BY sum(total_exec_time) DESC, queryid"
        ))
        .await
        .map_err(failed)?;
    let number = |value: &Option<String>| value.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let row = |row: &Vec<Option<String>>| {
        let text = |at: usize| row.get(at).cloned().flatten();
        Row {
            query: text(0).unwrap_or_default(),
            identity: text(1),
            calls: number(&text(2)),
            total_ms: number(&text(3)),
        }
    };
    Ok(rows.rows.iter().map(row).collect())
}

fn failed(url: &SecretUrl, error: &ServerError) -> StatementsError {
    let mut said = error.without_values();
    if let Some(password) = url.password().filter(|password| !password.is_empty()) {
        said = said.replace(password, "…");
    }
    let next = match () {
        () if said.contains("shared_preload_libraries") => "; set it there and restart that server, or import a log",
        () if said.contains("TLS") || said.contains("encryption") => {
            "; this command speaks no TLS: save the view with psql (\\copy … TO statements.csv CSV HEADER) and import that"
        }
        () => "",
    };
    StatementsError::Server { what: url.to_string(), said, next }
}
