//! What `--source` names, where that is SQLite's.

use super::file::MAGIC;
use crate::copy::source::{Source, SourceError, read_head};
use crate::copy::unpack::Packing;
use crate::report::v1::EngineName;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where the data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteSource {
    /// A database file.
    File(PathBuf),
    /// SQL text, as `.dump` of the sqlite3 shell writes it.
    Script {
        /// The file.
        path: PathBuf,
        /// How it is compressed, if it is.
        packing: Option<Packing>,
    },
    /// No data at all.
    Empty,
}

/// How a dump of the sqlite3 shell begins, behind comments somebody put before it, and no dump of PostgreSQL.
const DUMP: &[u8] = b"PRAGMA foreign_keys=OFF;";

impl SqliteSource {
    /// What `--source` says, if it means SQLite: it says so, it is a database of SQLite's, it begins as a dump of one does,
    /// or `engine` says so. `None`: it is PostgreSQL's to read.
    ///
    /// # Errors
    /// It means SQLite, and is missing or neither a database nor a dump of one.
    pub fn parse(text: &str, engine: Option<EngineName>) -> Result<Option<Self>, SourceError> {
        let text = text.trim();
        let named = text.strip_prefix("sqlite:").map(|file| {
            // As other tools write it: `sqlite://app.db?mode=ro`.
            let file = file.strip_prefix("//").unwrap_or(file);
            file.split_once('?').map_or(file, |(file, _)| file)
        });
        let asked = named.is_some() || engine == Some(EngineName::Sqlite);
        if engine == Some(EngineName::Postgresql) || text.contains("://") && named.is_none() {
            return Ok(None);
        }
        match named.unwrap_or(text) {
            "" if asked => Err(SourceError::Blank),
            "empty" if asked && named.is_none() => Ok(Some(Self::Empty)),
            "" | "empty" | "-" => Ok(None),
            path => Self::recognise(Path::new(path), asked),
        }
    }

    fn recognise(path: &Path, asked: bool) -> Result<Option<Self>, SourceError> {
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::Missing { path: path.into() },
            _ => SourceError::Unreadable { path: path.into(), error },
        };
        let refused = |problem: &str| SourceError::NotADump { path: path.into(), problem: problem.into() };
        let head = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => File::open(path).and_then(read_head),
            Ok(_) | Err(_) if !asked => return Ok(None),
            Ok(_) => {
                return Err(refused(
                    "is no file: name an SQLite database, or a dump made with `.dump` of the sqlite3 shell",
                ));
            }
            Err(error) => return Err(unreadable(error)),
        };
        let head = match head {
            Err(_) if !asked => return Ok(None),
            head => head.map_err(unreadable)?,
        };
        if head.starts_with(MAGIC) || (asked && head.is_empty()) {
            // An empty file is an empty database.
            return Ok(Some(Self::File(path.to_owned())));
        }
        let packing = Packing::of(&head);
        let text = match packing {
            Some(packing) => {
                let file = File::open(path).map_err(unreadable)?;
                read_head(packing.unpack(file)).unwrap_or_default()
            }
            None => head,
        };
        let is_dump = behind_comments(&text).starts_with(DUMP);
        if !asked {
            return Ok(is_dump.then(|| Self::Script { path: path.to_owned(), packing }));
        }
        match Source::parse(&path.to_string_lossy()) {
            Ok(Source::Plain { path, packing }) => Ok(Some(Self::Script { path, packing })),
            _ => {
                Err(refused("is neither an SQLite database nor SQL text: if it is encrypted, give a plain copy of it"))
            }
        }
    }

    /// The contract's name for this kind of source.
    pub fn kind(&self) -> crate::report::v1::SourceKind {
        use crate::report::v1::SourceKind;
        match self {
            Self::File(_) => SourceKind::Sqlite,
            Self::Script { .. } => SourceKind::Dump,
            Self::Empty => SourceKind::Empty,
        }
    }

    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Script { path, .. } => path.display().to_string(),
            Self::Empty => "empty".to_owned(),
        }
    }
}

/// The text from its first statement on; nothing where a comment does not end in it.
fn behind_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let end: &[u8] = match text {
            [b'-', b'-', ..] => b"\n",
            [b'/', b'*', ..] => b"*/",
            _ => return text,
        };
        // `/*/` does not end the comment it begins.
        let rest = text.get(2..).unwrap_or_default();
        let at = rest.windows(end.len()).position(|part| part == end);
        text = at.and_then(|at| rest.get(at + end.len()..)).unwrap_or_default();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn databases_and_their_dumps_are_recognised_and_everything_else_is_postgresqls() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let parse = |text: &str, engine| SqliteSource::parse(text, engine);
        let database = file("app.db", b"SQLite format 3\0...");
        let dump = file("app.sql", b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
        let plain = file("plain.sql", b"CREATE TABLE t (a);");
        let told = file("told.sql", b"-- Made by hand.\n\n/* PRAGMA; */ -- twice\nPRAGMA foreign_keys=OFF;\n");
        for not in [&b"-- PRAGMA foreign_keys=OFF;"[..], b"/* PRAGMA foreign_keys=OFF;", b"/*/PRAGMA foreign_keys=OFF;"]
        {
            assert_eq!(parse(&file("not.sql", not), None).unwrap(), None);
        }
        let other = file("app.bin", b"\x7fELF\0\0");
        let (sqlite, postgresql) = (Some(EngineName::Sqlite), Some(EngineName::Postgresql));
        assert_eq!(parse(&database, None).unwrap(), Some(SqliteSource::File(database.clone().into())));
        assert_eq!(parse(&format!("sqlite:{database}"), None).unwrap(), parse(&database, sqlite).unwrap());
        assert_eq!(parse(&format!("sqlite://{database}?mode=ro"), None).unwrap(), parse(&database, None).unwrap());
        assert!(matches!(parse(&dump, None).unwrap(), Some(SqliteSource::Script { packing: None, .. })));
        assert!(matches!(parse(&told, None).unwrap(), Some(SqliteSource::Script { packing: None, .. })));
        assert_eq!(parse(&plain, None).unwrap(), None);
        assert!(matches!(parse(&plain, sqlite).unwrap(), Some(SqliteSource::Script { .. })));
        assert_eq!(parse("empty", None).unwrap(), None);
        assert_eq!(parse("empty", sqlite).unwrap(), Some(SqliteSource::Empty));
        assert_eq!(parse(&database, postgresql).unwrap(), None);
        assert_eq!(parse("postgres://u:secret@h/d", sqlite).unwrap(), None);
        assert_eq!(parse("/nowhere/at/all.db", None).unwrap(), None);
        for (text, told) in [
            ("sqlite:/nowhere/at/all.db", "does not exist"),
            ("sqlite:", "--source is empty"),
            ("sqlite:/", "is no file"),
            (other.as_str(), "encrypted"),
        ] {
            let refused = parse(text, sqlite).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
