//! What a running server's `pg_stat_statements` counted: read in a session that can write nothing and waits for nothing
//! long.

use super::origin::OriginError;
use super::url::SecretUrl;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Session, quote_identifier};
use crate::workload::import::view::Row;
use thiserror::Error;

/// Where the view is, and what it has in this version.
const VIEW: &str = "SELECT n.nspname, \
    EXISTS (SELECT FROM pg_catalog.pg_class i WHERE i.relnamespace = n.oid AND i.relname = 'pg_stat_statements_info'), \
    EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class v ON v.oid = a.attrelid \
            WHERE v.relnamespace = n.oid AND v.relname = 'pg_stat_statements' AND a.attname = 'stats_since') \
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
    WHERE e.extname = 'pg_stat_statements'";

/// Why a server's statements cannot be read. No message holds a password.
#[derive(Debug, Error)]
pub enum StatementsError {
    /// It cannot be reached, or refuses.
    #[error(transparent)]
    Origin(#[from] OriginError),
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

/// Rows of the database's view, those of several users added up.
///
/// # Errors
/// There is no view, or it may not be read.
pub async fn read(session: &mut Session, url: &SecretUrl) -> Result<Vec<Row>, StatementsError> {
    let failed = |error: ServerError| OriginError::of(url, &error);
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
