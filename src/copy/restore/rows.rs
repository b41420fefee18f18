//! Rows of a dump: `COPY … FROM stdin`, and text in an encoding other than UTF-8.

use super::{RestoreError, Restoring, error};
use crate::copy::dump::{DumpReader, DumpStatement, encoded_bytes};
use crate::copy::words::Words;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Session, quote_identifier};

impl Restoring {
    pub(super) async fn copy(&mut self, reader: &mut DumpReader, statement: DumpStatement) -> Result<(), RestoreError> {
        self.statements += 1;
        let mut sql = self.in_utf8(statement.sql.clone()).await?;
        let encoding = self.encoding.clone();
        if let Some(encoding) = &encoding {
            let words = Words::new(&sql, usize::MAX);
            if words.is(words.len() - 1, "STDIN") {
                sql.push_str(&format!(" WITH (ENCODING '{encoding}')"));
            } else {
                self.set_session_encoding(encoding).await?;
            }
        }
        match copy_rows(&mut self.session, reader, &sql).await? {
            CopyEnd::Rows(rows) => self.outcome.rows += rows,
            // The rows of a left-out extension's own tables have nowhere to go.
            CopyEnd::NotStarted(error)
                if !self.omitted_extensions.is_empty() && matches!(error.sqlstate.as_str(), "42P01" | "3F000") =>
            {
                self.warn(Some(format!("line {}: rows left out: {}", statement.line, error::shown(&error))));
            }
            CopyEnd::NotStarted(error) | CopyEnd::Failed(error) => {
                let line = statement.line + error::copy_line(&error).unwrap_or(0);
                return Err(RestoreError::statement(reader.name(), &statement, line, &sql, error));
            }
        }
        if encoding.is_some() {
            self.set_session_encoding("UTF8").await?;
        }
        Ok(())
    }

    async fn set_session_encoding(&mut self, encoding: &str) -> Result<(), RestoreError> {
        let set = format!("SET client_encoding = {}", quote_identifier(encoding));
        self.session.execute(&set).await?;
        Ok(())
    }

    /// A statement in UTF-8, whatever the dump's encoding: the server itself translates.
    pub(super) async fn in_utf8(&mut self, sql: String) -> Result<String, RestoreError> {
        let Some(encoding) = self.encoding.as_deref().filter(|_| !sql.is_ascii()) else { return Ok(sql) };
        let bytes = crate::copy::fingerprint::hexadecimal(&encoded_bytes(&sql));
        let translated = self
            .admin
            .query(&format!("SELECT convert_from('\\x{bytes}'::bytea, '{}')", encoding.replace('\'', "")))
            .await?;
        Ok(translated.scalar().unwrap_or_default().to_owned())
    }
}

/// How a `COPY … FROM stdin` ended.
enum CopyEnd {
    Rows(u64),
    NotStarted(ServerError),
    Failed(ServerError),
}

async fn copy_rows(session: &mut Session, reader: &mut DumpReader, sql: &str) -> Result<CopyEnd, RestoreError> {
    let mut copying = match session.copy_in(sql).await {
        Ok(copying) => copying,
        Err(error) => return Ok(CopyEnd::NotStarted(error)),
    };
    while let Some(chunk) = reader.copy_chunk().await? {
        if let Err(error) = copying.send(&chunk).await {
            return Ok(CopyEnd::Failed(error));
        }
    }
    Ok(copying.finish().await.map_or_else(CopyEnd::Failed, CopyEnd::Rows))
}
