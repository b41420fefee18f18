//! Writes safer forms that were rehearsed to files, and reads them back as their tool would.

use crate::config::Settings;
use crate::migration::layout::writing::File;
use crate::migration::layout::{self, MigrationTree, Request};
use crate::migration::script::{StatementKind, kind};
use crate::migration::{Migration, Statement, TransactionMode};
use crate::rehearsal::Rehearsal;
use crate::suggest::files::{files, runs_bare};
use crate::suggest::rewrite::{Rewritten, rewrite};
use anyhow::{Context as _, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Refuses a folder in which something stands already: files of another run would be taken for these.
///
/// # Errors
/// What stands in the way.
pub(super) fn make_ready(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("--suggest {}", folder.display()))?;
    if std::fs::read_dir(folder).with_context(|| format!("--suggest {}", folder.display()))?.next().is_some() {
        bail!("--suggest {}: the folder is not empty; name one that is, or a new one", folder.display());
    }
    Ok(())
}

/// Writes every pending migration with its suggestions; returns what there is to say about it, if anything was suggested.
///
/// # Errors
/// A folder that cannot be written to, or files that do not say what was rehearsed.
pub(super) fn write(rehearsal: &Rehearsal, settings: &Settings, folder: &Path) -> anyhow::Result<Option<String>> {
    if rehearsal.safer.is_empty() {
        return Ok(None);
    }
    let rewritten = rewrite(&rehearsal.migrations, &rehearsal.safer);
    let tree = read(rehearsal, settings, &super::check::migrations(settings).map_err(|stop| stop.error)?)?;
    let files = match files(&rehearsal.migrations, &rewritten, &tree) {
        Ok(files) => files,
        Err(why) => return Ok(Some(format!("--suggest: {why}"))),
    };
    for file in &files {
        let path = folder.join(&file.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        std::fs::write(&path, &file.text).with_context(|| path.display().to_string())?;
    }
    let found = read(rehearsal, settings, &[folder.to_owned()])
        .and_then(|found| says_what_was_rehearsed(&rehearsal.migrations, &rewritten, &tree, &found));
    let why = match found {
        Ok(true) => None,
        Ok(false) => Some("they would not run as the statements were rehearsed".to_owned()),
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(why) = why {
        take_back(folder, &files)?;
        return Ok(Some(format!(
            "--suggest: files of layout {} are not written: {why}; the statements stand in the report",
            tree.layout
        )));
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    Ok(Some(format!("safer migrations written to {}: {}", folder.display(), names.join(", "))))
}

/// Removes files that were written, and the folders that were made for them.
fn take_back(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    for file in files {
        std::fs::remove_file(folder.join(&file.name)).with_context(|| file.name.clone())?;
    }
    let made = files.iter().flat_map(|file| Path::new(&file.name).ancestors().skip(1));
    let made: BTreeSet<&Path> = made.filter(|path| !path.as_os_str().is_empty()).collect();
    // A folder comes before what is in it.
    for path in made.into_iter().rev() {
        std::fs::remove_dir(folder.join(path)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A folder as the migrations' layout reads it.
fn read(rehearsal: &Rehearsal, settings: &Settings, paths: &[PathBuf]) -> anyhow::Result<MigrationTree> {
    let request = Request { paths, root: &settings.root, options: &settings.layout_options };
    let name = rehearsal.migrations.first().map(|first| first.layout);
    layout::read(&request, name)?.into_iter().next().context("nothing is left to read")
}

/// Whether files as their layout reads them are the same statements in the same order as were rehearsed, together in a
/// transaction where they were and nowhere else, and none in one that was rehearsed in none and fails in one. What is not
/// pending in `tree`, the folder as it is, does not count.
fn says_what_was_rehearsed(
    migrations: &[Migration],
    rewritten: &Rewritten,
    tree: &MigrationTree,
    written: &MigrationTree,
) -> anyhow::Result<bool> {
    let layout = layout::named(written.layout)?;
    let is_pending = |version: &str| migrations.iter().any(|migration| migration.version == version);
    let kept: BTreeSet<&str> =
        tree.files.iter().map(|file| file.version.as_str()).filter(|version| !is_pending(version)).collect();
    let mut found = Script::default();
    for file in written.files.iter().filter(|file| !kept.contains(file.version.as_str())) {
        let cuts = layout.cut(written, file, &file.up)?;
        let mode = layout.grouping(written, file, &cuts, None)?.transaction;
        found.add(mode, cuts.iter().map(|one| one.sql(&file.up.file)));
    }
    let mut rehearsed = Script::default();
    for part in &rewritten.parts {
        rehearsed.add(part.migration.transaction, part.migration.statements.iter().map(Statement::sql));
    }
    Ok(found.runs_as(&rehearsed))
}

/// What is sent, without what opens and ends transactions.
#[derive(Debug, Default)]
struct Script {
    lines: Vec<Line>,
    transactions: usize,
    /// The last file joined those before it.
    joined: bool,
}

#[derive(Debug)]
struct Line {
    sql: String,
    /// It runs in no transaction but its own.
    bare: bool,
    /// Number of the transaction.
    transaction: usize,
}

impl Script {
    /// Adds a file as its runner sends it.
    fn add<'a>(&mut self, mode: TransactionMode, statements: impl Iterator<Item = &'a str>) {
        let runners = !matches!(mode, TransactionMode::None | TransactionMode::Explicit);
        let joins = mode == TransactionMode::AllPending;
        if !(joins && self.joined) {
            self.transactions += 1;
        }
        self.joined = joins;
        let mut own = false;
        for sql in statements {
            match kind(sql) {
                StatementKind::Begin => (own, self.transactions) = (true, self.transactions + 1),
                StatementKind::Commit => (own, self.transactions) = (false, self.transactions + 1),
                _ => {
                    let bare = !runners && !own;
                    self.transactions += usize::from(bare);
                    let sql = sql.trim_end().to_owned();
                    self.lines.push(Line { sql, bare, transaction: self.transactions });
                }
            }
        }
    }

    /// Whether this does what `rehearsed` did.
    fn runs_as(&self, rehearsed: &Self) -> bool {
        let same = |(written, was): (&Line, &Line)| {
            written.sql == was.sql && (written.bare || !was.bare || !runs_bare(&was.sql))
        };
        self.lines.len() == rehearsed.lines.len()
            && self.lines.iter().zip(&rehearsed.lines).all(same)
            && self.joins() == rehearsed.joins()
    }

    /// For each statement that does more than to set something, whether it runs in the transaction of the one before.
    fn joins(&self) -> Vec<bool> {
        let does = |line: &&Line| !matches!(kind(&line.sql), StatementKind::Set | StatementKind::Reset);
        let lines: Vec<&Line> = self.lines.iter().filter(does).collect();
        lines.windows(2).map(|pair| pair[0].transaction == pair[1].transaction).collect()
    }
}

#[cfg(test)]
#[path = "suggest/tests.rs"]
mod in_each_layout;

#[cfg(test)]
mod tests {
    use super::*;

    fn script(files: &[(TransactionMode, &[&str])]) -> Script {
        let mut script = Script::default();
        for (mode, statements) in files {
            script.add(*mode, statements.iter().copied());
        }
        script
    }

    #[test]
    fn a_statement_runs_in_no_transaction_where_neither_runner_nor_script_has_one() {
        let bare = |mode| {
            let script = script(&[(mode, &["A", "BEGIN", "B", "COMMIT", "C"])]);
            script.lines.iter().map(|line| line.bare).collect::<Vec<_>>()
        };
        assert_eq!(bare(TransactionMode::Explicit), [true, false, true]);
        assert_eq!(bare(TransactionMode::PerMigration), [false; 3]);
        assert!(runs_bare("CREATE INDEX CONCURRENTLY i ON t (a)") && runs_bare("DO $$ BEGIN COMMIT; END $$"));
        assert!(!runs_bare("SET LOCAL lock_timeout = 1") && !runs_bare("ALTER TABLE t ADD a int"));
    }

    #[test]
    fn files_have_to_commit_where_the_rehearsal_did_and_nowhere_else() {
        use TransactionMode::{AllPending, Explicit, None, PerMigration};
        let (first, second) = ("ALTER TABLE t ADD a int", "ALTER TABLE t ADD b int");
        let apart = script(&[(PerMigration, &[first]), (PerMigration, &[second])]);
        let together = script(&[(PerMigration, &[first, second])]);
        assert!(apart.runs_as(&apart) && together.runs_as(&together));
        assert!(!apart.runs_as(&together) && !together.runs_as(&apart));
        assert!(script(&[(AllPending, &[first]), (AllPending, &[second])]).runs_as(&together));
        assert!(script(&[(None, &[first, second])]).runs_as(&apart));
        assert!(script(&[(Explicit, &["BEGIN", first, second, "COMMIT"])]).runs_as(&together));
        // A setting of the session is the same whichever transaction it was made in.
        let set = "SET lock_timeout = '1s'";
        assert!(script(&[(None, &[set, first])]).runs_as(&script(&[(PerMigration, &[set, first])])));
        let index = "CREATE INDEX CONCURRENTLY i ON t (a)";
        assert!(!script(&[(PerMigration, &[index])]).runs_as(&script(&[(None, &[index])])));
    }
}
