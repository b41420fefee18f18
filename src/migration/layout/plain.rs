//! Plain SQL files, run as `psql -f` or the `sqlite3` shell runs them: each statement commits by itself unless the script says otherwise.

use super::{
    ANY_TRANSACTION, Cut, Evidence, Folder, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site,
    Understands, files_in, hint,
};
use crate::migration::history::{Row, Selection};
use crate::migration::script::StatementKind;
use crate::migration::{Connection, MigrationError, SourceFile, TransactionMode};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The layout without a tool: no versions, no history.
#[derive(Debug)]
pub struct Plain;

impl Layout for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations", "db/migrations", "sql"]
    }

    fn understands(&self) -> Understands {
        Understands { transaction: ANY_TRANSACTION, otherwise: "", out_of_order: false }
    }

    fn detect(&self, _site: &Site) -> Option<Evidence> {
        Some(Evidence {
            strength: super::site::Strength::Fallback,
            why: "SQL files in the order of their names".to_owned(),
        })
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        if let Some(pattern) = &request.options.pattern {
            super::pattern::read(pattern, request, &mut tree)?;
            return Ok(tree);
        }
        for path in request.paths {
            if path.is_dir() {
                read_directory(path, request.root, &mut tree)?;
            } else {
                tree.files.push(file(SourceFile::read_marked(path, request.root)?, None)?);
            }
        }
        // A directory names each of its files once.
        if request.paths.len() == 1 {
            return Ok(tree);
        }
        let mut seen = HashSet::new();
        let twice = tree.files.iter().find(|each| {
            // A file that was just read has a canonical path; without one its own spelling has to do.
            let path = &each.file().path;
            !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
        });
        match twice {
            Some(twice) => Err(MigrationError::Twice { file: twice.file().name.clone() }),
            None => Ok(tree),
        }
    }

    fn select(&self, tree: &MigrationTree, _rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        Ok(Selection::everything(tree))
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let transaction = match (own_transactions(file.file(), cuts)?, tree.options.transaction) {
            (TransactionMode::None, Some(asked_for)) => asked_for,
            (own, _) => own,
        };
        Ok(Grouping { transaction, history: None, notes: Vec::new() })
    }

    fn connection(&self, _tree: &MigrationTree) -> Connection {
        // `psql -f` opens a connection for each file, and so does the `sqlite3` shell, which leaves foreign keys off.
        Connection { fresh_for_each: true, ..Connection::default() }
    }
}

/// How statements run that nobody groups: each by itself, unless the script says otherwise.
///
/// # Errors
/// A transaction that is begun and never ended.
pub(super) fn own_transactions(source: &SourceFile, cuts: &[Cut]) -> Result<TransactionMode, MigrationError> {
    if cuts.iter().any(|cut| cut.dialect.is_sqlite()) {
        return super::sqlite::own_transactions(source, cuts);
    }
    let mut is_explicit = false;
    let mut open = None;
    for cut in cuts {
        match cut.kind(source) {
            StatementKind::Begin => open = open.or(Some(cut.span.start)),
            StatementKind::Commit | StatementKind::Rollback => {
                open = is_chained(cut.sql(source)).then_some(cut.span.start);
            }
            _ => continue,
        }
        is_explicit = true;
    }
    match open {
        Some(offset) => {
            let line = source.position(offset).line;
            Err(MigrationError::UnclosedTransaction { file: source.name.clone(), line })
        }
        None if is_explicit => Ok(TransactionMode::Explicit),
        None => Ok(TransactionMode::None),
    }
}

/// `COMMIT AND CHAIN` begins the next transaction.
fn is_chained(sql: &str) -> bool {
    let words: Vec<&str> = sql.split_whitespace().collect();
    words.last().is_some_and(|last| last.eq_ignore_ascii_case("chain"))
        && !words.iter().any(|word| word.eq_ignore_ascii_case("no"))
}

fn read_directory(directory: &Path, root: &Path, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    let scripts: Vec<(String, PathBuf)> =
        files_in(directory)?.into_iter().filter(|(name, _)| name.ends_with(".sql")).collect();
    let (downs, ups): (Vec<_>, Vec<_>) = scripts.into_iter().partition(|(name, _)| name.ends_with(".down.sql"));
    if ups.is_empty() {
        let hint = hint(directory, "files that end in .sql");
        return Err(MigrationError::NoMigrations { path: directory.to_owned(), hint });
    }
    let folder = Folder::new(directory, root);
    for (name, path) in &ups {
        let stem = name.trim_end_matches(".sql").trim_end_matches(".up");
        let down = downs.iter().find(|(down, _)| down.strip_suffix(".down.sql") == Some(stem));
        let down = down.map(|(name, path)| folder.read(name, path)).transpose()?;
        let (source, marked) = folder.read_owned(name, path)?;
        tree.files.push(file((source, marked), down.map(|(file, _)| Script::whole(file)))?);
    }
    let disordered = ups.windows(2).find(|pair| leading_number(&pair[0].0) > leading_number(&pair[1].0));
    if let Some([(first, _), (second, _)]) = disordered {
        tree.notes.push(format!(
            "files run in the order of their names, so {first} comes before {second}: name them on the command line for another order"
        ));
    }
    Ok(())
}

/// The number a name begins with; names without one are in nobody's way.
pub(super) fn leading_number(name: &str) -> Option<u128> {
    let digits = name.len() - name.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    name[..digits].parse().ok()
}

/// A file that bears its own name as version.
pub(super) fn file(
    (file, byte_order_mark): (SourceFile, bool),
    down: Option<Script>,
) -> Result<MigrationFile, MigrationError> {
    if file.text.is_empty() {
        return Err(MigrationError::EmptyFile { file: file.name });
    }
    let version = file.path.file_name().unwrap_or(file.path.as_os_str()).to_string_lossy().into_owned();
    let name = version.trim_end_matches(".sql").trim_end_matches(".up").to_owned();
    let up = Script::whole(Arc::new(file));
    Ok(MigrationFile { version, name, up, down, checksum: None, byte_order_mark, attributes: BTreeMap::new() })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read};
    use super::*;

    fn grouping(text: &str) -> Result<TransactionMode, MigrationError> {
        let folder = folder(&[("a.sql", text)]);
        let tree = read(&Plain, &[folder.path().to_owned()], folder.path())?;
        let cuts = Plain.cut(&tree, &tree.files[0], &tree.files[0].up).expect("SQL");
        Plain.grouping(&tree, &tree.files[0], &cuts, None).map(|grouping| grouping.transaction)
    }

    fn names(tree: &MigrationTree) -> Vec<&str> {
        tree.files.iter().map(|file| file.file().name.as_str()).collect()
    }

    #[test]
    fn files_keep_the_order_given_and_directories_that_of_their_names() {
        let folder = folder(&[
            ("d/10_x.sql", "SELECT 1"),
            ("d/9_x.sql", "SELECT 1"),
            ("d/9_x.down.sql", "SELECT 0"),
            ("d/notes.txt", ""),
            ("d/deeper/1.sql", "SELECT 1"),
            ("b.sql", "SELECT 1"),
            ("a.sql", "SELECT 1"),
        ]);
        let paths = ["b.sql", "d", "a.sql"].map(|name| folder.path().join(name));
        let tree = read(&Plain, &paths, folder.path()).expect("readable");
        assert_eq!(names(&tree), ["b.sql", "d/10_x.sql", "d/9_x.sql", "a.sql"]);
        assert_eq!(tree.files[2].down.as_ref().expect("an undo script").file.text, "SELECT 0");
        assert!(tree.notes[0].contains("10_x.sql comes before 9_x.sql"));
        assert!(tree.directory_given);
        assert_eq!((tree.files[1].version.as_str(), tree.files[1].name.as_str()), ("10_x.sql", "10_x"));
    }

    #[test]
    fn a_file_is_not_taken_twice_and_never_empty() {
        let folder = folder(&[("a.sql", "SELECT 1"), ("empty.sql", "")]);
        let twice = [folder.path().join("a.sql"), folder.path().join("./a.sql")];
        assert!(matches!(read(&Plain, &twice, folder.path()), Err(MigrationError::Twice { .. })));
        let empty = read(&Plain, &[folder.path().join("empty.sql")], folder.path());
        assert_eq!(
            empty.expect_err("empty").to_string(),
            "empty.sql: the file is empty: write the migration or remove the file"
        );
    }

    #[test]
    fn a_script_with_its_own_transaction_is_explicit() {
        assert_eq!(grouping("CREATE TABLE t ()").ok(), Some(TransactionMode::None));
        assert_eq!(grouping("BEGIN; CREATE TABLE t (); COMMIT").ok(), Some(TransactionMode::Explicit));
        assert_eq!(grouping("DO $$ BEGIN END $$; SAVEPOINT a").ok(), Some(TransactionMode::None));
    }

    #[test]
    fn a_transaction_that_never_ends_is_refused_where_it_begins() {
        for text in ["SELECT 1;\nBEGIN;\nSELECT 2;", "BEGIN;\nCOMMIT AND CHAIN;\nSELECT 1"] {
            let message = grouping(text).expect_err("never committed").to_string();
            assert!(message.starts_with("a.sql:2: this BEGIN is never committed"), "{message}");
        }
        assert!(grouping("BEGIN; COMMIT AND NO CHAIN").is_ok());
    }
}
