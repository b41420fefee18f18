//! Plain SQL files, run as `psql -f` runs them: each statement commits by itself unless the script says otherwise.

use super::{Grouping, Layout, MigrationFile, MigrationTree, files_in, hint};
use crate::migration::script::{StatementKind, kind};
use crate::migration::{MigrationError, SourceFile, TransactionMode};
use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The layout without a tool: no versions, no history.
#[derive(Debug)]
pub struct Plain;

impl Layout for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn detect(&self, _directory: &Path) -> Option<String> {
        Some("SQL files in the order of their names".to_owned())
    }

    fn read(&self, paths: &[PathBuf], root: &Path) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree {
            layout: self.name(),
            detected: None,
            directory_given: false,
            files: Vec::new(),
            history_table: None,
            setup: Vec::new(),
            notes: Vec::new(),
        };
        for path in paths {
            if path.is_dir() {
                tree.directory_given = true;
                read_directory(path, root, &mut tree)?;
            } else {
                tree.files.push(read_file(path, None, root)?);
            }
        }
        let mut seen = HashSet::new();
        let twice = tree.files.iter().find(|file| {
            // A file that was just read has a canonical path; without one its own spelling has to do.
            !seen.insert(file.file.path.canonicalize().unwrap_or_else(|_| file.file.path.clone()))
        });
        match twice {
            Some(twice) => Err(MigrationError::Twice { file: twice.file.name.clone() }),
            None => Ok(tree),
        }
    }

    fn grouping(
        &self,
        _tree: &MigrationTree,
        file: &MigrationFile,
        spans: &[Range<usize>],
    ) -> Result<Grouping, MigrationError> {
        let text = &file.file.text;
        let mut is_explicit = false;
        let mut open = None;
        for span in spans {
            match kind(&text[span.clone()]) {
                StatementKind::Begin => open = open.or(Some(span.start)),
                StatementKind::Commit | StatementKind::Rollback => {
                    open = is_chained(&text[span.clone()]).then_some(span.start);
                }
                _ => continue,
            }
            is_explicit = true;
        }
        if let Some(offset) = open {
            let line = file.file.position(offset).line;
            return Err(MigrationError::UnclosedTransaction { file: file.file.name.clone(), line });
        }
        let transaction = if is_explicit { TransactionMode::Explicit } else { TransactionMode::None };
        Ok(Grouping { transaction, history: None, notes: Vec::new() })
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
    for (name, path) in &ups {
        let stem = name.trim_end_matches(".sql").trim_end_matches(".up");
        let down = downs.iter().find(|(down, _)| down.strip_suffix(".down.sql") == Some(stem));
        tree.files.push(read_file(path, down.map(|(_, path)| path.as_path()), root)?);
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
fn leading_number(name: &str) -> Option<u128> {
    let digits = name.len() - name.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    name[..digits].parse().ok()
}

fn read_file(path: &Path, down: Option<&Path>, root: &Path) -> Result<MigrationFile, MigrationError> {
    let (file, byte_order_mark) = SourceFile::read_marked(path, root)?;
    if file.text.is_empty() {
        return Err(MigrationError::EmptyFile { file: file.name });
    }
    let version = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let name = version.trim_end_matches(".sql").trim_end_matches(".up").to_owned();
    let down = down.map(|down| SourceFile::read(down, root)).transpose()?.map(Arc::new);
    Ok(MigrationFile { file: Arc::new(file), version, name, down, checksum: None, byte_order_mark })
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;
    use crate::migration::script::split;

    fn grouping(text: &str) -> Result<TransactionMode, MigrationError> {
        let folder = folder(&[("a.sql", text)]);
        let tree = Plain.read(&[folder.path().to_owned()], folder.path())?;
        let spans = split(text).expect("SQL");
        Plain.grouping(&tree, &tree.files[0], &spans).map(|grouping| grouping.transaction)
    }

    fn names(tree: &MigrationTree) -> Vec<&str> {
        tree.files.iter().map(|file| file.file.name.as_str()).collect()
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
        let tree = Plain.read(&paths, folder.path()).expect("readable");
        assert_eq!(names(&tree), ["b.sql", "d/10_x.sql", "d/9_x.sql", "a.sql"]);
        assert_eq!(tree.files[2].down.as_ref().expect("an undo script").text, "SELECT 0");
        assert!(tree.notes[0].contains("10_x.sql comes before 9_x.sql"));
        assert!(tree.directory_given);
        assert_eq!((tree.files[1].version.as_str(), tree.files[1].name.as_str()), ("10_x.sql", "10_x"));
    }

    #[test]
    fn a_file_is_not_taken_twice_and_never_empty() {
        let folder = folder(&[("a.sql", "SELECT 1"), ("empty.sql", "")]);
        let twice = [folder.path().join("a.sql"), folder.path().join("./a.sql")];
        assert!(matches!(Plain.read(&twice, folder.path()), Err(MigrationError::Twice { .. })));
        let empty = Plain.read(&[folder.path().join("empty.sql")], folder.path());
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
