//! interim
use crate::engine::ServerError;
use rusqlite::Connection;
use std::collections::BTreeMap;
pub fn read(connection: &Connection) -> Result<(String, BTreeMap<String, String>), ServerError> {
    let version = connection.query_row("SELECT sqlite_version()", [], |row| row.get(0))?;
    Ok((version, BTreeMap::new()))
}
