//! A schema without rows, in memory: what a statement would make of it.

use super::connection;
use super::schema::read;
use crate::engine::ServerError;
use crate::snapshot::sqlite::{Schema, TableKind};

/// A database that holds a schema and nothing else.
pub struct Sketch {
    connection: rusqlite::Connection,
}

impl Sketch {
    /// Makes it. What SQLite refuses to make here, such as an index that calls a function of the application, is left out.
    ///
    /// # Errors
    /// No memory.
    pub fn of(schema: &Schema) -> Result<Self, ServerError> {
        let connection = connection::in_memory()?;
        let tables = schema.tables.values().filter(|table| table.kind != TableKind::Shadow).map(|table| &table.sql);
        let indexes = schema.indexes.values().filter_map(|index| index.sql.as_ref());
        let views = schema.views.values().map(|view| &view.sql);
        let triggers = schema.triggers.values().map(|trigger| &trigger.sql);
        for sql in tables.chain(indexes).chain(views).chain(triggers) {
            // Left out, as said above: whoever asks for it is refused below.
            let _ = connection.execute_batch(sql);
        }
        Ok(Self { connection })
    }

    /// Runs a statement on it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn run(&self, sql: &str) -> Result<(), ServerError> {
        Ok(self.connection.execute_batch(sql)?)
    }

    /// What it holds now.
    ///
    /// # Errors
    /// As with [`read`].
    pub fn schema(&self) -> Result<Schema, ServerError> {
        read(&self.connection)
    }
}
