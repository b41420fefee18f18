//! What a dump says of itself, read before anything is restored.

use crate::copy::dump::{DumpError, DumpReader, Item};
use crate::copy::policy;
use crate::copy::source::{Source, SourceError};
use crate::copy::text::{Extent, TextStream};
use crate::copy::words::Words;
use crate::engine::postgres::binaries::ToolBinary;

/// What a dump says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpFacts {
    /// The server it was made from, `15.18 (Debian 15.18-0+deb12u1)`; `None` where no pg_dump says so.
    pub server_version: Option<String>,
    /// `SET client_encoding`, else `None`.
    pub encoding: Option<String>,
    /// Its `CREATE DATABASE`, of the database to be restored.
    pub create_database: Option<String>,
    /// The databases it creates or connects to, in order.
    pub databases: Vec<String>,
    /// Made by pg_dumpall.
    pub cluster: bool,
    /// Extensions it creates, in the database to be restored.
    pub extensions: Vec<String>,
    /// `CREATE COLLATION` statements, likewise.
    pub collations: Vec<String>,
}

impl DumpFacts {
    /// Reads as much of a dump, called `name` in messages, as is needed. `requested` is the database of a cluster dump to look at.
    ///
    /// # Errors
    /// The dump cannot be read, or holds what no dump holds.
    pub async fn inspect(
        source: &Source,
        name: &str,
        pg_restore: Option<&ToolBinary>,
        requested: Option<&str>,
    ) -> Result<Self, InspectError> {
        let mut reader = DumpReader::new(TextStream::open(source, name, pg_restore, Extent::SchemaOnly).await?);
        let whole = matches!(source, Source::Archive { .. });
        let mut facts = Self::default();
        let mut in_database = None;
        while let Some(item) = reader.next().await? {
            let statement = match item {
                Item::Connect { database, .. } => {
                    facts.see_database(&database);
                    in_database = Some(database);
                    continue;
                }
                // Extensions and collations come before the first table. Only a cluster dump starts over again.
                Item::Copy(_) if !whole && !reader.header.cluster => break,
                Item::Copy(_) => continue,
                Item::Statement(statement) => statement.sql,
            };
            let words = Words::new(&statement, 8);
            if !whole && !reader.header.cluster && is_past_extensions(&words) {
                break;
            }
            if let policy::Action::ClientEncoding(encoding) = policy::decide_setting(&statement, &words) {
                reader.set_encoding(&encoding);
                facts.encoding.get_or_insert(encoding);
            }
            if words.start_with("CREATE DATABASE")
                && let Some(name) = words.name(2)
            {
                facts.see_database(&name);
                if requested.is_none_or(|requested| requested == name) {
                    facts.create_database = Some(statement);
                }
                continue;
            }
            let wanted = requested.is_none() || in_database.is_none() || in_database.as_deref() == requested;
            if wanted && let Some(extension) = policy::created_extension(&statement) {
                facts.extensions.push(extension);
            }
            if wanted && words.start_with("CREATE COLLATION") {
                facts.collations.push(statement);
            }
        }
        facts.server_version = reader.header.server_version.clone();
        facts.cluster = reader.header.cluster;
        Ok(facts)
    }

    /// Major version of the server the dump was made from.
    pub fn server_major(&self) -> Option<u32> {
        let version = self.server_version.as_deref()?;
        let digits = version.find(|character: char| !character.is_ascii_digit()).unwrap_or(version.len());
        version[..digits].parse().ok()
    }

    fn see_database(&mut self, name: &str) {
        if !self.databases.iter().any(|known| known == name) {
            self.databases.push(name.to_owned());
        }
    }
}

/// Why a dump could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It cannot be opened.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It cannot be read.
    #[error(transparent)]
    Dump(#[from] DumpError),
}

fn is_past_extensions(words: &Words<'_>) -> bool {
    words.is(0, "INSERT")
        || (words.is(0, "CREATE")
            && ["TABLE", "VIEW", "FUNCTION", "INDEX", "SEQUENCE"].iter().any(|kind| words.is(1, kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn facts(text: &str, requested: Option<&str>) -> DumpFacts {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.sql");
        std::fs::write(&path, text).expect("write");
        DumpFacts::inspect(&Source::Plain { path, packing: None }, "a.sql", None, requested).await.expect("facts")
    }

    #[tokio::test]
    async fn a_dumps_head_is_enough() {
        let facts = facts(
            "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 14.9 (Debian)\n\n\
             SET client_encoding = 'LATIN1';\nCREATE DATABASE shop WITH ENCODING = 'LATIN1';\n\\connect shop\n\
             CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public;\nCREATE TABLE t ();\n\\! never read\n",
            None,
        )
        .await;
        assert_eq!(facts.server_major(), Some(14));
        assert_eq!(facts.encoding.as_deref(), Some("LATIN1"));
        assert_eq!(facts.databases, ["shop"]);
        assert_eq!(facts.extensions, ["uuid-ossp"]);
        assert!(facts.create_database.is_some_and(|sql| sql.contains("LATIN1")));
    }

    #[tokio::test]
    async fn a_cluster_dump_is_read_for_one_database() {
        let text = "--\n-- PostgreSQL database cluster dump\n--\n\\connect template1\nCREATE TABLE x ();\n\
                    COPY x FROM stdin;\n\\.\nCREATE DATABASE a;\n\\connect a\nCREATE EXTENSION one;\n\
                    CREATE DATABASE b LOCALE = 'C';\n\\connect b\nCREATE EXTENSION two;\n\
                    -- PostgreSQL database cluster dump complete\n";
        let facts = facts(text, Some("b")).await;
        assert!(facts.cluster);
        assert_eq!(facts.databases, ["template1", "a", "b"]);
        assert_eq!(facts.extensions, ["two"]);
        assert!(facts.create_database.is_some_and(|sql| sql.contains("LOCALE")));
    }
}
