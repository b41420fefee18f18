//! Whose catalogs are read.

use crate::copy::kept::Kept;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Abilities;
use crate::engine::postgres::session::{Rows, Session};

/// A server, and what copies like this one answered before anything was done to them.
pub(super) struct Server<'s> {
    pub(super) session: &'s mut Session,
    /// Nothing, once something was done to this copy.
    pub(super) kept: &'s Kept,
}

impl Server<'_> {
    /// What the session may do.
    pub(super) fn abilities(&self) -> Abilities {
        self.session.abilities
    }

    /// Asks what is asked whenever a schema is read, see [`Session::read`].
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn read(&mut self, sql: &str) -> Result<Rows, ServerError> {
        match self.known(sql) {
            Some(rows) => Ok(rows),
            None => {
                let rows = self.session.read(sql).await?;
                Ok(self.told(sql, rows))
            }
        }
    }

    /// Asks what is asked of this schema alone.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Rows, ServerError> {
        match self.known(sql) {
            Some(rows) => Ok(rows),
            None => {
                let rows = self.session.query(sql).await?;
                Ok(self.told(sql, rows))
            }
        }
    }

    fn known(&self, sql: &str) -> Option<Rows> {
        Some(Rows { rows: self.kept.rows(&format!("catalog: {sql}"))?, ..Rows::default() })
    }

    fn told(&self, sql: &str, rows: Rows) -> Rows {
        self.kept.keep_rows(&format!("catalog: {sql}"), &rows.rows);
        rows
    }
}
