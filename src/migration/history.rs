//! What the runner's history table says: which files are pending, which were edited after they ran.

use super::layout::{self, MigrationFile, MigrationTree};
use super::{Migration, MigrationError, SourceFile, Statement, script};
use std::collections::HashSet;
use std::sync::Arc;

/// One row of the history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The runner's version.
    pub version: String,
    /// As the runner wrote it.
    pub description: String,
    /// False when the runner began it and never finished.
    pub success: bool,
    /// The runner's checksum in hexadecimal.
    pub checksum: String,
}

/// A file that changed after it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The runner's version.
    pub version: String,
    /// The file as it is now.
    pub file: Arc<SourceFile>,
}

/// What is to be rehearsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// In the order they run, statements numbered from 1 over all of them.
    pub migrations: Vec<Migration>,
    /// What the history says was applied, oldest version first.
    pub applied: Vec<Applied>,
    /// Applied files whose text no longer matches the history. The runner itself stops at the first of them, with what
    /// is pending before it already applied.
    pub edited: Vec<Edited>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// SQL that answers the history table's name, or null when there is no such table on the search path.
pub fn history_exists_query(table: &str) -> String {
    format!("SELECT to_regclass('{}')::text", table.replace('\'', "''"))
}

/// SQL that reads the history table; its rows are for [`parse_history`].
pub fn history_query(table: &str) -> String {
    format!("SELECT version, description, success, encode(checksum, 'hex') FROM {table} ORDER BY version")
}

/// Reads the rows of [`history_query`].
///
/// # Errors
/// A row of another shape: the table is not the runner's.
pub fn parse_history(rows: &[Vec<Option<String>>]) -> Result<Vec<Applied>, MigrationError> {
    let applied = |(index, row): (usize, &Vec<Option<String>>)| {
        let error = |reason| MigrationError::HistoryRow { row: index + 1, reason };
        let value = |column: usize, reason| row.get(column).cloned().flatten().ok_or_else(|| error(reason));
        let success = match value(2, "no success")?.as_str() {
            "t" | "true" => true,
            "f" | "false" => false,
            _ => return Err(error("success is neither true nor false")),
        };
        Ok(Applied {
            version: value(0, "no version")?,
            description: value(1, "no description")?,
            success,
            checksum: value(3, "no checksum")?,
        })
    };
    rows.iter().enumerate().map(applied).collect()
}

/// What is pending, given the history (`None`: the table does not exist, or the layout has none).
///
/// Whether files may be taken for pending without any history is the caller's decision: for an empty source, or for files
/// that were named one by one.
///
/// # Errors
/// A migration that was begun and never finished, an applied one without a file, or a script that cannot be cut into
/// statements.
pub fn pending(tree: &MigrationTree, history: Option<&[Applied]>) -> Result<Pending, MigrationError> {
    let Some(table) = &tree.history_table else {
        let mut pending = Pending { notes: tree.notes.clone(), ..Pending::default() };
        add(tree, tree.files.iter().collect(), &mut pending)?;
        return Ok(pending);
    };
    let applied = history.unwrap_or_default();
    if let Some(dirty) = applied.iter().find(|applied| !applied.success) {
        return Err(MigrationError::Dirty { table: table.clone(), version: dirty.version.clone() });
    }
    let known: HashSet<&str> = tree.files.iter().map(|file| file.version.as_str()).collect();
    let missing: Vec<&str> =
        applied.iter().map(|applied| applied.version.as_str()).filter(|version| !known.contains(version)).collect();
    // Files named one by one never claim to be all there are.
    if tree.directory_given && !missing.is_empty() {
        return Err(MigrationError::VersionMissing { table: table.clone(), versions: missing.join(", ") });
    }
    let mut pending = Pending { applied: applied.to_vec(), notes: tree.notes.clone(), ..Pending::default() };
    let mut files = Vec::new();
    for file in &tree.files {
        match applied.iter().find(|applied| applied.version == file.version) {
            None => files.push(file),
            Some(row) => {
                if file.checksum.as_ref().is_some_and(|checksum| *checksum != row.checksum.to_lowercase()) {
                    pending.edited.push(Edited { version: row.version.clone(), file: Arc::clone(&file.file) });
                }
                if !tree.directory_given {
                    pending.notes.push(format!("{}: applied already", file.file.name));
                }
            }
        }
    }
    let newest = applied.iter().filter_map(|applied| applied.version.parse::<i64>().ok()).max();
    for file in &files {
        if let Some(newest) = newest.filter(|newest| file.version.parse().is_ok_and(|version: i64| version < *newest)) {
            pending.notes.push(format!(
                "{}: older than version {newest}, which is applied already; {} runs it all the same",
                file.file.name, tree.layout
            ));
        }
    }
    add(tree, files, &mut pending)?;
    Ok(pending)
}

/// Cuts every file into statements and numbers them.
fn add(tree: &MigrationTree, files: Vec<&MigrationFile>, pending: &mut Pending) -> Result<(), MigrationError> {
    let layout = layout::named(tree.layout)?;
    let mut index = 0;
    for file in files {
        let source = &file.file;
        let spans = script::split(&source.text).map_err(|error| MigrationError::in_script(source, error))?;
        let grouping = layout.grouping(tree, file, &spans)?;
        pending.notes.extend(grouping.notes);
        if spans.is_empty() {
            pending.notes.push(format!("{}: nothing in it but comments", source.name));
        }
        let statements = spans.into_iter().map(|span| {
            index += 1;
            Statement { index, file: Arc::clone(source), span }
        });
        pending.migrations.push(Migration {
            version: file.version.clone(),
            name: file.name.clone(),
            layout: tree.layout,
            transaction: grouping.transaction,
            statements: statements.collect(),
            down: file.down.clone(),
            history: grouping.history,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::TransactionMode;
    use crate::migration::layout::tests::folder;

    fn tree(files: &[(&str, &str)], layout: &str) -> MigrationTree {
        let folder = folder(files);
        layout::read(&[folder.path().to_owned()], Some(layout), folder.path()).expect("readable")
    }

    const FILES: [(&str, &str); 3] = [
        ("1_a.sql", "CREATE TABLE a (x int);"),
        ("2_b.sql", "ALTER TABLE a ADD y int; -- why\nSELECT 1;"),
        ("3_c.sql", "SELECT 2;\nSELECT 3;"),
    ];

    fn row(version: &str, success: &str, checksum: &str) -> Vec<Option<String>> {
        [version, "a", success, checksum].map(|value| Some(value.to_owned())).to_vec()
    }

    /// A history in which these versions of the tree were applied as they stand.
    fn applied(tree: &MigrationTree, versions: &[&str]) -> Vec<Applied> {
        let files = tree.files.iter().filter(|file| versions.contains(&file.version.as_str()));
        let rows: Vec<_> =
            files.map(|file| row(&file.version, "t", file.checksum.as_deref().expect("a checksum"))).collect();
        parse_history(&rows).expect("the expected shape")
    }

    fn versions(pending: &Pending) -> Vec<&str> {
        pending.migrations.iter().map(|migration| migration.version.as_str()).collect()
    }

    #[test]
    fn only_what_the_history_lacks_is_pending_and_statements_count_over_all() {
        let tree = tree(&FILES, "sqlx");
        let pending = pending(&tree, Some(&applied(&tree, &["1"]))).expect("pending");
        assert_eq!(versions(&pending), ["2", "3"]);
        let found: Vec<(usize, &str, usize)> = pending
            .migrations
            .iter()
            .flat_map(|migration| &migration.statements)
            .map(|statement| (statement.index, statement.sql(), statement.start().line))
            .collect();
        assert_eq!(
            found,
            [(1, "ALTER TABLE a ADD y int", 1), (2, "SELECT 1", 2), (3, "SELECT 2", 1), (4, "SELECT 3", 2)]
        );
        assert_eq!(pending.applied.len(), 1);
        assert!(pending.edited.is_empty() && pending.notes.is_empty());
    }

    #[test]
    fn without_a_history_everything_is_pending() {
        let tree = tree(&FILES, "sqlx");
        assert_eq!(versions(&pending(&tree, None).expect("pending")), ["1", "2", "3"]);
        assert_eq!(versions(&pending(&tree, Some(&applied(&tree, &["1", "2", "3"]))).expect("none")), [""; 0]);
    }

    #[test]
    fn a_version_older_than_the_newest_applied_runs_and_is_noted() {
        let tree = tree(&FILES, "sqlx");
        let pending = pending(&tree, Some(&applied(&tree, &["1", "3"]))).expect("pending");
        assert_eq!(versions(&pending), ["2"]);
        assert!(pending.notes[0].starts_with("2_b.sql: older than version 3"));
    }

    #[test]
    fn an_edited_file_is_named_and_not_pending() {
        let tree = tree(&FILES, "sqlx");
        let mut history = applied(&tree, &["1", "2", "3"]);
        history[1].checksum = "00".into();
        let pending = pending(&tree, Some(&history)).expect("pending");
        assert!(pending.migrations.is_empty());
        let edited: Vec<_> =
            pending.edited.iter().map(|edited| (edited.version.as_str(), edited.file.name.as_str())).collect();
        assert_eq!(edited, [("2", "2_b.sql")]);
    }

    #[test]
    fn an_unfinished_migration_stops_the_runner() {
        let tree = tree(&FILES, "sqlx");
        let history = parse_history(&[row("1", "f", "00")]).expect("the expected shape");
        let message = pending(&tree, Some(&history)).expect_err("dirty").to_string();
        assert!(message.starts_with("_sqlx_migrations: version 1 was begun and never finished"), "{message}");
    }

    #[test]
    fn an_applied_version_without_a_file_stops_the_runner() {
        let tree = tree(&FILES, "sqlx");
        let mut history = applied(&tree, &["1"]);
        history.extend(parse_history(&[row("7", "t", "00"), row("8", "true", "00")]).expect("the expected shape"));
        let message = pending(&tree, Some(&history)).expect_err("missing").to_string();
        assert!(message.contains("without a file here: 7, 8."), "{message}");
    }

    #[test]
    fn files_named_one_by_one_need_not_be_all_there_are() {
        let folder = folder(&FILES);
        let paths = ["2_b.sql", "3_c.sql"].map(|name| folder.path().join(name));
        let tree = layout::read(&paths, Some("sqlx"), folder.path()).expect("readable");
        let mut history = applied(&tree, &["2"]);
        history.extend(parse_history(&[row("1", "t", "00")]).expect("the expected shape"));
        let pending = pending(&tree, Some(&history)).expect("pending");
        assert_eq!(versions(&pending), ["3"]);
        assert_eq!(pending.notes, ["2_b.sql: applied already"]);
    }

    #[test]
    fn rows_of_another_table_are_refused() {
        for bad in [vec![], row("1", "maybe", "00"), vec![None, None, None, None]] {
            let message = parse_history(&[row("1", "t", "00"), bad]).expect_err("another table").to_string();
            assert!(message.starts_with("row 2 of the history table"), "{message}");
        }
    }

    #[test]
    fn plain_files_are_all_pending_and_say_where_they_break() {
        let plain = tree(&[("a.sql", "-- only this\n"), ("b.sql", "BEGIN;\nSELECT 1;\nCOMMIT;")], "plain");
        let found = pending(&plain, None).expect("pending");
        let modes: Vec<_> = found.migrations.iter().map(|migration| migration.transaction).collect();
        assert_eq!(modes, [TransactionMode::None, TransactionMode::Explicit]);
        assert_eq!(found.notes, ["a.sql: nothing in it but comments"]);
        let broken = tree(&[("a.sql", "SELECT 1;\n  SELECT 'x;\n")], "plain");
        assert_eq!(
            pending(&broken, None).expect_err("unterminated").to_string(),
            "a.sql:2:10: a string begins here and never ends: add the closing '"
        );
    }

    #[test]
    fn table_names_are_quoted_as_text_where_they_are_text() {
        assert_eq!(history_exists_query("m.\"it's\""), "SELECT to_regclass('m.\"it''s\"')::text");
        assert!(history_query("m.t").contains(" FROM m.t ORDER BY version"));
    }
}
