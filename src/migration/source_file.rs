//! Reading files of SQL, and the names they bear in reports.

use super::SourceFile;
use std::io;
use std::path::{Path, PathBuf};

/// A file that cannot be read as SQL.
#[derive(Debug, thiserror::Error)]
pub enum SourceFileError {
    /// The operating system's word.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Not UTF-8.
    #[error("{path}:{line}: not UTF-8 text: save the file as UTF-8", path = path.display())]
    Encoding {
        /// Where it was read from.
        path: PathBuf,
        /// 1-based line of the first byte that is not.
        line: usize,
    },
}

/// What some editors put before UTF-8 text, and psql takes away again.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl SourceFile {
    /// Reads `path`; its name becomes relative to `root` where it lies below it.
    ///
    /// # Errors
    /// The file cannot be read or is not UTF-8.
    pub fn read(path: &Path, root: &Path) -> Result<Self, SourceFileError> {
        Self::read_marked(path, root).map(|(file, _)| file)
    }

    /// As [`SourceFile::read`], and whether a byte order mark was taken away.
    pub(crate) fn read_marked(path: &Path, root: &Path) -> Result<(Self, bool), SourceFileError> {
        Self::read_named(path, name_below(path, root))
    }

    /// As [`SourceFile::read_marked`], for a file whose name is known already.
    pub(crate) fn read_named(path: &Path, name: String) -> Result<(Self, bool), SourceFileError> {
        let bytes = std::fs::read(path).map_err(|source| SourceFileError::Read { path: path.to_owned(), source })?;
        let mut text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            SourceFileError::Encoding { path: path.to_owned(), line }
        })?;
        let marked = text.starts_with(BYTE_ORDER_MARK);
        if marked {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        Ok((Self { path: path.to_owned(), name, text }, marked))
    }
}

/// The text of a file that is no script.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, SourceFileError> {
    std::fs::read_to_string(path).map_err(|source| SourceFileError::Read { path: path.to_owned(), source })
}

/// The name reports use: relative to `root` where the file lies below it, else as given; always with `/`.
pub(crate) fn name_below(path: &Path, root: &Path) -> String {
    let relative = path.canonicalize().ok().zip(root.canonicalize().ok()).and_then(|(path, root)| {
        let relative = path.strip_prefix(root).ok()?;
        (!relative.as_os_str().is_empty()).then(|| relative.to_owned())
    });
    let parts: Vec<_> = relative
        .as_deref()
        .unwrap_or(path)
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    parts.join("/").replacen("//", "/", 1)
}

/// The nearest folder at or above `start` that holds `.git`, be it a folder or a linked worktree's file.
pub fn git_root(start: &Path) -> Option<PathBuf> {
    let start = start.canonicalize().ok()?;
    start.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn names_are_relative_to_the_root_even_through_other_spellings() {
        let root = folder();
        std::fs::create_dir_all(root.path().join("db/migrations")).expect("folders");
        std::fs::write(root.path().join("db/migrations/1_x.sql"), "SELECT 1").expect("a file");
        let spelled = root.path().join("db/../db/migrations/1_x.sql");
        let file = SourceFile::read(&spelled, root.path()).expect("readable");
        assert_eq!(file.name, "db/migrations/1_x.sql");
        assert_eq!(file.path, spelled);
        let outside = SourceFile::read(&spelled, folder().path()).expect("readable");
        assert_eq!(outside.name, spelled.display().to_string());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let root = folder();
        let path = root.path().join("x.sql");
        std::fs::write(&path, b"\xef\xbb\xbfSELECT 1").expect("a file");
        let (file, marked) = SourceFile::read_marked(&path, root.path()).expect("readable");
        assert_eq!((file.text.as_str(), marked), ("SELECT 1", true));
    }

    #[test]
    fn other_encodings_are_refused_with_their_line() {
        let root = folder();
        let path = root.path().join("x.sql");
        std::fs::write(&path, b"SELECT 1;\nSELECT '\xe9'").expect("a file");
        let error = SourceFile::read(&path, root.path()).expect_err("latin-1");
        assert_eq!(error.to_string(), format!("{}:2: not UTF-8 text: save the file as UTF-8", path.display()));
    }

    #[test]
    fn the_git_root_is_the_nearest_folder_with_git_in_it() {
        let outer = folder();
        let inner = outer.path().join("sub/deep");
        std::fs::create_dir_all(&inner).expect("folders");
        std::fs::create_dir(outer.path().join(".git")).expect("a folder");
        std::fs::write(outer.path().join("sub/.git"), "gitdir: elsewhere").expect("a file");
        let canonical = outer.path().canonicalize().expect("it exists");
        assert_eq!(git_root(&inner), Some(canonical.join("sub")));
        assert_eq!(git_root(outer.path()), Some(canonical));
    }
}
