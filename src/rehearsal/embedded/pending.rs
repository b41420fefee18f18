//! What is pending, by the history on the copy.

use super::super::pending::{self, Found, Histories};
use super::{Before, Plan};
use crate::engine::ServerError;
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::migration::history::{FoundTable, HistoryShape, Row, parse_found, sqlite};
use crate::migration::layout::hex;
use crate::rehearsal::{Rehearsal, RehearsalError};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::path::Path;

/// Finds what is pending; the copy is only read.
pub(super) async fn find(plan: &Plan<'_>, copy: &Path, rehearsal: &mut Rehearsal) -> Result<Before, RehearsalError> {
    if plan.settings.command.is_some() {
        return Err(RehearsalError::NoCommand);
    }
    let mut asked = Asked(connection::open(copy, Purpose::Observer, &Stop::default())?);
    let Found { setup, earlier } = pending::by_history(plan, &mut asked, rehearsal).await?;
    Ok(Before { setup, earlier })
}

/// A copy that is asked for history tables.
struct Asked(Connection);

impl Asked {
    fn query(&self, sql: &str) -> Result<Vec<Row>, ServerError> {
        let mut statement = self.0.prepare(sql)?;
        let columns = statement.column_count();
        let mut found = Vec::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text = |column| row.get_ref(column).map(text);
            found.push((0..columns).map(text).collect::<rusqlite::Result<Row>>()?);
        }
        Ok(found)
    }
}

/// A value as history tables are read.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(format!("\\x{}", hex(bytes))),
    }
}

impl Histories for Asked {
    async fn tables(&mut self, name: &str) -> Result<Vec<FoundTable>, RehearsalError> {
        Ok(parse_found(&self.query(&sqlite::find_query(name))?)?)
    }

    async fn rows(&mut self, shape: &HistoryShape, table: &FoundTable) -> Result<Vec<Row>, RehearsalError> {
        Ok(self.query(&sqlite::rows_query(shape, table))?)
    }
}
