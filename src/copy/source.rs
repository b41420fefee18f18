//! Where real data comes from: what `--source` names, recognised by content rather than by name.

use crate::copy::data_directory::{DataDirectoryError, tar_format};
use crate::copy::sqlite::file::MAGIC;
use crate::copy::unpack::Packing;
use crate::copy::url::{SecretUrl, UrlError};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A source of real data. Nothing here can write to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A plain SQL dump, as `pg_dump` writes it unless told otherwise.
    Plain {
        /// The file.
        path: PathBuf,
        /// How it is compressed, if it is.
        packing: Option<Packing>,
    },
    /// A dump only `pg_restore` can read.
    Archive {
        /// The file, or the folder of a directory-format dump.
        path: PathBuf,
        /// Which of its formats.
        format: ArchiveFormat,
    },
    /// The files of a stopped server, or a base backup of a running one.
    DataDirectory {
        /// The folder that holds `PG_VERSION`.
        path: PathBuf,
    },
    /// A dump of any of these kinds, from standard input.
    Stdin,
    /// A running server, dumped read-only.
    Url(SecretUrl),
    /// No data at all: an empty database.
    Empty,
}

/// `pg_dump --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// `custom`: one compressed file.
    Custom,
    /// `directory`: a folder with `toc.dat`.
    Directory,
    /// `tar`.
    Tar,
}

/// Why `--source` cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// `--source ''`.
    #[error("--source is empty: give a dump, a data directory, a postgres:// URL, sqlite:FILE, or `empty`")]
    Blank,
    /// `--source -`, and somebody's keyboard there.
    #[error(
        "--source - reads a dump from standard input, which is a terminal here: send one in, as in \
         `pg_dump … | seatrial check --source -`, or give the path of a dump"
    )]
    Terminal,
    /// Nothing is there.
    #[error("source {path} does not exist: give the path of a dump, of a data directory or of an SQLite database, a postgres:// URL, or `empty`", path = path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read source {path}: {error}", path = path.display())]
    Unreadable {
        /// The file at fault.
        path: PathBuf,
        /// Its answer.
        error: std::io::Error,
    },
    /// A file of no bytes.
    #[error("source {path} is empty (0 bytes): was the dump interrupted? Make it anew with pg_dump", path = path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// Something that is no dump.
    #[error("source {path} {problem}", path = path.display())]
    NotADump {
        /// The file or folder.
        path: PathBuf,
        /// What it is instead, and what to do.
        problem: String,
    },
    /// Recognised, but this version cannot do it.
    #[error("source {what} is not supported yet: {instead}")]
    Unsupported {
        /// What was given.
        what: String,
        /// What works today.
        instead: &'static str,
    },
    /// A database of the other engine.
    #[error(
        "source {path} is an SQLite database, and the engine is said to be PostgreSQL: leave that out (`--engine`, or \
         `engine` in seatrial.toml), or give a dump or a postgres:// URL", path = path.display()
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A data directory that cannot be copied.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// A URL that does not say where the database is.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl Source {
    /// Reads what `--source` says. Files are opened and recognised by their first bytes.
    ///
    /// # Errors
    /// A missing, unreadable or empty path, or one that holds no dump; the message says what to do.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SourceError::Blank);
        }
        if text == "empty" {
            return Ok(Self::Empty);
        }
        if text == "-" {
            return if std::io::stdin().is_terminal() { Err(SourceError::Terminal) } else { Ok(Self::Stdin) };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Url(SecretUrl::parse(text)?));
        }
        if let Some(file) = text.strip_prefix("sqlite:") {
            return Err(SourceError::Sqlite { path: file.into() });
        }
        if let Some((scheme, _)) = text.split_once("://") {
            // The rest may carry a password: only the scheme is repeated.
            return Err(SourceError::Unsupported {
                what: format!("{scheme}://…"),
                instead: "give a postgres:// URL, or a dump made with pg_dump",
            });
        }
        recognise(Path::new(text))
    }

    /// The contract's name for this kind of source.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Plain { .. } | Self::Archive { .. } | Self::Stdin => "dump",
            Self::DataDirectory { .. } => "data_directory",
            Self::Url(_) => "url",
            Self::Empty => "empty",
        }
    }

    /// What people call it in messages: a path, or host and database, never a password.
    pub fn name(&self) -> String {
        match self {
            Self::Plain { path, .. } | Self::Archive { path, .. } | Self::DataDirectory { path } => {
                path.display().to_string()
            }
            Self::Stdin => STDIN.into(),
            Self::Url(url) => url.to_string(),
            Self::Empty => "empty".into(),
        }
    }
}

/// What standard input is called in messages.
pub const STDIN: &str = "standard input";

const RESTORE_HINT: &str = "make a dump with `pg_dump --format=custom --file=app.dump`";

/// What a file or folder is, by its content.
///
/// # Errors
/// As [`Source::parse`].
pub(super) fn recognise(path: &Path) -> Result<Source, SourceError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => SourceError::Missing { path: path.into() },
        _ => SourceError::Unreadable { path: path.into(), error },
    };
    let not_a_dump = |problem: String| SourceError::NotADump { path: path.into(), problem };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return recognise_directory(path);
    }
    if !metadata.is_file() {
        return Err(not_a_dump("is neither a file nor a folder: save the dump to a file first".into()));
    }
    if metadata.len() == 0 {
        return Err(SourceError::EmptyFile { path: path.into() });
    }
    let file = File::open(path).map_err(unreadable)?;
    let head = read_head(file).map_err(unreadable)?;
    if let Some(packing) = Packing::of(&head) {
        let (name, by) = (packing.name(), packing.unpacked_by());
        let file = File::open(path).map_err(unreadable)?;
        let inner = read_head(packing.unpack(file))
            .map_err(|error| not_a_dump(format!("is a damaged {name} file: {error}; {RESTORE_HINT}")))?;
        if inner.starts_with(b"PGDMP") || is_dump_tar(&inner) {
            return Err(not_a_dump(format!("is an archive compressed with {name}: unpack it with `{by}` first")));
        }
        if Packing::of(&inner).is_some() {
            return Err(not_a_dump(format!("is compressed twice: unpack it with `{by}` first")));
        }
        if inner.is_empty() {
            return Err(not_a_dump("holds nothing once unpacked: was the dump interrupted?".into()));
        }
        check_text(&inner).map_err(not_a_dump)?;
        return Ok(Source::Plain { path: path.into(), packing: Some(packing) });
    }
    if head.starts_with(b"PGDMP") {
        return Ok(Source::Archive { path: path.into(), format: ArchiveFormat::Custom });
    }
    if is_dump_tar(&head) {
        return Ok(Source::Archive { path: path.into(), format: ArchiveFormat::Tar });
    }
    if head.get(257..262) == Some(b"ustar") {
        return Err(not_a_dump("is a tar file without toc.dat, so pg_dump did not make it: unpack it first".into()));
    }
    let unsupported =
        |what: &str, instead| Err(SourceError::Unsupported { what: format!("{} ({what})", path.display()), instead });
    match head.as_slice() {
        [b'B', b'Z', b'h', ..] => unsupported("bzip2", "unpack it with `bunzip2` first"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => unsupported("xz", "unpack it with `unxz` first"),
        [b'P', b'K', 3, 4, ..] => unsupported("zip", "unpack it with `unzip` first"),
        [0x04, 0x22, 0x4d, 0x18, ..] => unsupported("lz4", "unpack it with `lz4 -d` first"),
        head if head.starts_with(MAGIC) => Err(SourceError::Sqlite { path: path.into() }),
        head => {
            check_text(head).map_err(not_a_dump)?;
            Ok(Source::Plain { path: path.into(), packing: None })
        }
    }
}

fn recognise_directory(path: &Path) -> Result<Source, SourceError> {
    // One that is closed to us would look as if it were empty.
    std::fs::read_dir(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => SourceError::NotADump {
            path: path.into(),
            problem: "is closed to this user: run seatrial as the owner of the folder, or as root".into(),
        },
        _ => SourceError::Unreadable { path: path.into(), error },
    })?;
    if path.join("toc.dat").is_file() {
        return Ok(Source::Archive { path: path.into(), format: ArchiveFormat::Directory });
    }
    if path.join("PG_VERSION").is_file() {
        return Ok(Source::DataDirectory { path: path.into() });
    }
    Err(tar_format(path).unwrap_or_else(|| SourceError::NotADump {
        path: path.into(),
        problem: "is a folder without toc.dat, so no directory-format dump, and without PG_VERSION, so no data directory: \
                  give a dump file, the folder `pg_dump --format=directory` wrote, or the folder a server keeps its files in"
            .into(),
    }))
}

pub(super) fn read_head(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(8192).read_to_end(&mut head)?;
    Ok(head)
}

fn is_dump_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") && head.starts_with(b"toc.dat\0")
}

fn check_text(head: &[u8]) -> Result<(), String> {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err("is UTF-16 text, as a redirect in PowerShell writes it: use `pg_dump --file=app.sql`".into());
    }
    if head.contains(&0) {
        return Err(format!("is neither SQL text nor a dump pg_restore knows: {RESTORE_HINT}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::unpack::tests::zstd;
    use std::io::Write;

    fn parsed(name: &str, content: &[u8]) -> Result<Source, SourceError> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("write");
        Source::parse(path.to_str().expect("utf-8"))
    }

    fn gzipped(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).expect("gzip");
        encoder.finish().expect("gzip")
    }

    fn tar(name: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[257..262].copy_from_slice(b"ustar");
        block
    }

    #[test]
    fn dumps_are_recognised_by_content_whatever_their_name() {
        assert!(matches!(parsed("a.dump", b"-- hello\n"), Ok(Source::Plain { packing: None, .. })));
        assert!(matches!(
            parsed("a.sql", &gzipped(b"SELECT 1;")),
            Ok(Source::Plain { packing: Some(Packing::Gzip), .. })
        ));
        assert!(matches!(parsed("a", &zstd(b"SELECT 1;")), Ok(Source::Plain { packing: Some(Packing::Zstd), .. })));
        assert!(matches!(parsed("a.sql", b"PGDMP\x01\x0e"), Ok(Source::Archive { format: ArchiveFormat::Custom, .. })));
        assert!(matches!(parsed("a", &tar("toc.dat")), Ok(Source::Archive { format: ArchiveFormat::Tar, .. })));
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("toc.dat"), b"PGDMP").expect("write");
        let source = Source::parse(folder.path().to_str().expect("utf-8"));
        assert!(matches!(source, Ok(Source::Archive { format: ArchiveFormat::Directory, .. })));
        assert_eq!(Source::parse("empty").expect("empty").kind(), "empty");
    }

    #[test]
    fn what_is_no_dump_is_refused_with_the_next_step() {
        let message = |name: &str, content: &[u8]| parsed(name, content).expect_err("refused").to_string();
        assert!(message("a.sql", b"").contains("0 bytes"));
        assert!(message("a.tar", &tar("readme.txt")).contains("without toc.dat"));
        assert!(message("a.sql.gz", &gzipped(b"PGDMP\x01")).contains("gunzip"));
        assert!(message("a.sql.gz", &gzipped(b"-- a longer text\n")[..12]).contains("damaged gzip"));
        assert!(message("a.sql", b"\xff\xfe-\0-\0").contains("UTF-16"));
        assert!(message("a.sql", b"\x7fELF\0\0").contains("pg_dump --format=custom"));
        assert!(message("a.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0]).contains("damaged zstd file: the zstd data is cut off"));
        assert!(message("a.dump.zst", &zstd(b"PGDMP\x01")).contains("unpack it with `zstd -d`"));
        assert!(message("a.tar.zst", &zstd(&tar("toc.dat"))).contains("unpack it with `zstd -d`"));
        assert!(message("a.sql.gz.zst", &zstd(&gzipped(b"SELECT 1;"))).contains("compressed twice"));
        assert!(message("a.sql.zst", &zstd(b"")).contains("holds nothing once unpacked"));
        assert!(message("a.db", b"SQLite format 3\0").contains("is an SQLite database"));
        for (given, expected) in [
            ("", "sqlite:FILE, or `empty`"),
            ("/nowhere/at/all.sql", "does not exist"),
            ("sqlite:app.db", "app.db is an SQLite database"),
            ("mysql://u:secret@h/d", "mysql://…"),
        ] {
            let message = Source::parse(given).expect_err("refused").to_string();
            assert!(message.contains(expected) && !message.contains("secret"), "{message}");
        }
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path().to_str().expect("utf-8");
        assert!(Source::parse(at).expect_err("no dump").to_string().contains("without toc.dat"));
        std::fs::write(folder.path().join("PG_VERSION"), "15\n").expect("write");
        assert_eq!(Source::parse(at).expect("a data directory").kind(), "data_directory");
        let backup = tempfile::tempdir().expect("folder");
        std::fs::write(backup.path().join("base.tar.gz"), "").expect("write");
        let refused = Source::parse(backup.path().to_str().expect("utf-8")).expect_err("packed").to_string();
        assert!(refused.contains("tar format") && refused.contains("tar -xf base.tar.gz"), "{refused}");
    }
}
