//! Reading a directory of thousands of files without asking the system more than once for what they share.

use super::{MigrationError, Request, Script};
use crate::migration::SourceFile;
use crate::migration::source_file::{SourceFileError, name_below};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the files are called that are read.
#[derive(Debug)]
pub(crate) enum Folder {
    /// Files of one directory: the part of their names they share is worked out once.
    One(String),
    /// Files named one by one: each lies in a folder of its own. What names are relative to.
    Each(PathBuf),
}

impl Folder {
    /// The files of one directory; `root` is what names are relative to.
    pub fn new(directory: &Path, root: &Path) -> Self {
        Self::One(Self::shared(directory, root))
    }

    fn shared(directory: &Path, root: &Path) -> String {
        let same = |left: &Path, right: &Path| {
            left.canonicalize().ok().zip(right.canonicalize().ok()).is_some_and(|(left, right)| left == right)
        };
        let name = if same(directory, root) { String::new() } else { name_below(directory, root) };
        name.strip_suffix('/').map_or(name.clone(), str::to_owned)
    }

    /// Reads a file of the directory; `relative` is its name within it, with `/`. Also tells whether a byte order mark
    /// was taken away.
    ///
    /// # Errors
    /// A file that cannot be read or is not UTF-8.
    pub fn read(&self, relative: &str, path: &Path) -> Result<(Arc<SourceFile>, bool), SourceFileError> {
        self.read_owned(relative, path).map(|(file, marked)| (Arc::new(file), marked))
    }

    /// As [`Folder::read`], for whoever goes on to change what was read.
    pub fn read_owned(&self, relative: &str, path: &Path) -> Result<(SourceFile, bool), SourceFileError> {
        let name = match self {
            Self::One(shared) => below(shared, relative),
            Self::Each(root) => below(&Self::shared(&super::site::parent(path), root), relative),
        };
        SourceFile::read_named(path, name)
    }
}

fn below(folder: &str, relative: &str) -> String {
    if folder.is_empty() { relative.to_owned() } else { format!("{folder}/{relative}") }
}

/// Thousands of folders side by side, as tools make that have one for each migration: what is above them is worked out
/// once.
#[derive(Debug)]
pub(crate) struct Siblings<'a> {
    root: &'a Path,
    above: Option<(PathBuf, String)>,
}

impl<'a> Siblings<'a> {
    /// `root` is what names are relative to.
    pub fn new(root: &'a Path) -> Self {
        Self { root, above: None }
    }

    /// One of them.
    pub fn folder(&mut self, path: &Path) -> Folder {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Folder::new(path, self.root);
        };
        let (_, above) = match self.above.take().filter(|(known, _)| known == parent) {
            Some(known) => self.above.insert(known),
            None => self.above.insert((parent.to_owned(), Folder::shared(&super::site::parent(path), self.root))),
        };
        Folder::One(below(above, &name.to_string_lossy()))
    }
}

/// The regular files of a directory with their names, sorted by name. Links count as what they lead to.
pub(crate) fn files_in(directory: &Path) -> Result<Vec<(String, PathBuf)>, MigrationError> {
    let unreadable = |source| SourceFileError::Read { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// The regular files of a directory and of the folders below it, each with its name relative to the directory, sorted by
/// that. Hidden folders and links to folders are left out.
pub(crate) fn files_below(directory: &Path) -> Result<Vec<(String, PathBuf)>, MigrationError> {
    let mut files = Vec::new();
    let mut waiting = vec![(String::new(), directory.to_owned())];
    while let Some((above, folder)) = waiting.pop() {
        let unreadable = |source| SourceFileError::Read { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let relative = format!("{above}{name}");
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() && !name.starts_with('.') {
                waiting.push((format!("{relative}/"), entry.path()));
            } else if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
                files.push((relative, entry.path()));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The folders that are a migration each, with their names and in the order of those: folders in which `script` lies.
/// A single directory without one stands for all the folders in it, and then those without `script` are among them.
///
/// # Errors
/// A directory that cannot be read; paths that are neither such folders nor such scripts.
pub(crate) fn migration_folders(
    layout: &'static str,
    paths: &[PathBuf],
    script: &str,
) -> Result<Vec<(String, PathBuf)>, MigrationError> {
    let mut folders = Vec::new();
    match paths {
        [all] if all.is_dir() && !all.join(script).is_file() => {
            let names = super::site::folders_in(all)?.into_iter().filter(|name| !name.starts_with('.'));
            folders.extend(names.map(|name| (name.clone(), all.join(name))));
        }
        _ => {
            for path in paths {
                let is_script = path.file_name().is_some_and(|name| name == script);
                let folder = if is_script { super::site::parent(path) } else { path.clone() };
                let name = folder.canonicalize().ok().and_then(|full| full.file_name().map(|name| name.to_owned()));
                match name.filter(|_| folder.join(script).is_file()) {
                    Some(name) => folders.push((name.to_string_lossy().into_owned(), folder)),
                    None => {
                        let takes = "the directory of migrations, or folders of single ones";
                        return Err(MigrationError::Paths { layout, takes });
                    }
                }
            }
        }
    }
    Ok(folders)
}

/// What a request names, for tools that keep all migrations in one directory.
#[derive(Debug)]
pub(crate) struct Found {
    /// The directory, or the one the first file is in.
    pub directory: PathBuf,
    /// File names, or paths below the directory, with where each is; those of a directory are sorted.
    pub files: Vec<(String, PathBuf)>,
    /// Reads them.
    pub folder: Folder,
}

impl Found {
    /// What `list` finds in a directory.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn within(directory: &Path, root: &Path, list: Lister) -> Result<Self, MigrationError> {
        let folder = Folder::new(directory, root);
        Ok(Self { directory: directory.to_owned(), files: list(directory)?, folder })
    }

    /// The files of a request that names no directory.
    pub fn named(request: &Request<'_>) -> Self {
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            directory: request.paths.first().map_or_else(PathBuf::new, |path| super::site::parent(path)),
            files: request.paths.iter().map(|path| (name(path), path.clone())).collect(),
            folder: Folder::Each(request.root.to_owned()),
        }
    }
}

/// How a directory is searched: [`files_in`] or [`files_below`].
type Lister = fn(&Path) -> Result<Vec<(String, PathBuf)>, MigrationError>;

/// The one directory a request names; `None` where it names files one by one.
///
/// # Errors
/// Several directories, or files and directories.
pub(crate) fn one_directory<'a>(
    layout: &'static str,
    request: &Request<'a>,
) -> Result<Option<&'a Path>, MigrationError> {
    match request.paths {
        [directory] if directory.is_dir() => Ok(Some(directory)),
        paths if paths.iter().any(|path| path.is_dir()) => {
            Err(MigrationError::Paths { layout, takes: "one directory, or only files" })
        }
        _ => Ok(None),
    }
}

/// The directory a request names and what `list` finds there, or the files named one by one.
///
/// # Errors
/// Several directories, or files and directories; a directory that cannot be read.
pub(crate) fn found(layout: &'static str, request: &Request<'_>, list: Lister) -> Result<Found, MigrationError> {
    match one_directory(layout, request)? {
        Some(directory) => Found::within(directory, request.root, list),
        None => Ok(Found::named(request)),
    }
}

/// What to say about a directory without migrations: perhaps they are one level below.
pub(crate) fn hint(directory: &Path, wanted: &str) -> String {
    let below = directory.join("migrations");
    if below.is_dir() {
        format!("looked for {wanted}; did you mean {}?", below.display())
    } else {
        format!("looked for {wanted}; name the directory that holds them")
    }
}

/// Sorts by the key the tool orders by, and refuses two files of one version.
///
/// # Errors
/// Two files that claim one version.
pub(crate) fn sort_by_version<K: Ord + Clone>(files: &mut [(K, super::MigrationFile)]) -> Result<(), MigrationError> {
    files.sort_by(|(left, _), (right, _)| left.cmp(right));
    match files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some([(_, first), (_, second)]) => Err(MigrationError::DuplicateVersion {
            version: first.version.clone(),
            first: first.file().name.clone(),
            second: second.file().name.clone(),
        }),
        _ => Ok(()),
    }
}

/// Gives a migration the script that takes it back. `of` is the one that has the script's version, if there is any.
///
/// # Errors
/// It has one already.
pub(crate) fn take_back(
    of: Option<&mut super::MigrationFile>,
    version: &str,
    down: Script,
    notes: &mut Vec<String>,
) -> Result<(), MigrationError> {
    match of.map(|file| &mut file.down) {
        Some(Some(first)) => {
            let (first, second) = (first.file.name.clone(), down.file.name.clone());
            return Err(MigrationError::DuplicateVersion { version: version.to_owned(), first, second });
        }
        Some(none) => *none = Some(down),
        None => notes.push(format!("{}: undoes a version that has no file", down.file.name)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::layout::tests::folder;

    #[test]
    fn files_below_are_named_from_the_directory_and_hidden_folders_left_out() {
        let folder = folder(&[("b.sql", ""), ("a/c.sql", ""), ("a/b/d.sql", ""), (".git/e.sql", "")]);
        let found = files_below(folder.path()).expect("readable");
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a/b/d.sql", "a/c.sql", "b.sql"]);
    }

    #[test]
    fn folders_of_migrations_are_found_from_above_and_by_name() {
        let folder = folder(&[("all/b/up.sql", ""), ("all/a/up.sql", ""), ("all/c/x.sql", ""), ("all/.d/up.sql", "")]);
        let names = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
            let found = migration_folders("diesel", &paths, "up.sql").map_err(|error| error.to_string())?;
            Ok(found.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        let all = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["all"]), all(&["a", "b", "c"]));
        assert_eq!(names(&["all/b", "all/a/up.sql"]), all(&["b", "a"]));
        assert_eq!(
            names(&["all/a", "all/c"]),
            Err("--layout diesel takes the directory of migrations, or folders of single ones".to_owned())
        );
    }
}
