//! Counts what a migration will take away, on a copy it has not touched yet.

use super::session::{Session, quote_identifier};
use crate::engine::ServerError;
use crate::snapshot::Oid;

/// Rows of a table, or non-null values of one of its columns.
///
/// # Errors
/// What the server says.
pub async fn values(session: &mut Session, table: Oid, column: Option<&str>) -> Result<u64, ServerError> {
    // The name as the server spells it now: the catalog's names are for people.
    let name = session.query(&format!("SELECT {table}::pg_catalog.regclass::pg_catalog.text")).await?;
    let Some(name) = name.scalar() else { return Ok(0) };
    let what = column.map_or_else(|| "*".to_owned(), quote_identifier);
    let counted = session.query(&format!("SELECT pg_catalog.count({what}) FROM {name}")).await?;
    Ok(counted.scalar().and_then(|count| count.parse().ok()).unwrap_or(0))
}
