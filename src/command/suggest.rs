//! Writes safer forms that were rehearsed to files, and reads them back as their tool would.

use crate::config::Settings;
use crate::migration::layout::{self, Request, cut::cut};
use crate::migration::script::{StatementKind, kind};
use crate::migration::{Statement, TransactionMode};
use crate::rehearsal::Rehearsal;
use crate::suggest::files::files;
use crate::suggest::rewrite::{Rewritten, rewrite};
use anyhow::{Context as _, bail};
use std::path::Path;

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
    let files = match files(&rehearsal.migrations, &rewritten) {
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
    if !says_what_was_rehearsed(rehearsal, &rewritten, settings, folder)? {
        for file in &files {
            std::fs::remove_file(folder.join(&file.name)).with_context(|| file.name.clone())?;
        }
        return Ok(Some(
            "--suggest: files would not run as the statements were rehearsed, and are not written: these stand in the report"
                .to_owned(),
        ));
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    Ok(Some(format!("safer migrations written to {}: {}", folder.display(), names.join(", "))))
}

/// Reads the files as the migrations' layout does: the same statements in the same order, and none in a transaction that was
/// rehearsed in none and fails in one, or means something else there.
fn says_what_was_rehearsed(
    rehearsal: &Rehearsal,
    rewritten: &Rewritten,
    settings: &Settings,
    folder: &Path,
) -> anyhow::Result<bool> {
    let Some(first) = rehearsal.migrations.first() else { return Ok(false) };
    let paths = [folder.to_owned()];
    let request = Request { paths: &paths, root: &settings.root, options: &settings.layout_options };
    let layout = layout::named(first.layout)?;
    let trees = layout::read(&request, Some(first.layout))?;
    let Some(tree) = trees.first() else { return Ok(false) };
    let mut written: Vec<(String, bool)> = Vec::new();
    for file in &tree.files {
        let cuts = cut(&file.up)?;
        let mode = layout.grouping(tree, file, &cuts, None)?.transaction;
        let statements = each_bare(mode, cuts.iter().map(|one| one.sql(&file.up.file)));
        written.extend(statements.into_iter().map(|(sql, bare)| (sql.to_owned(), bare)));
    }
    let parts = rewritten.parts.iter().map(|part| &part.migration);
    let rehearsed: Vec<(&str, bool)> =
        parts.flat_map(|part| each_bare(part.transaction, part.statements.iter().map(Statement::sql))).collect();
    let same = |(written, bare): &(String, bool), (sql, was_bare): &(&str, bool)| {
        written == *sql && (*bare || !was_bare || !runs_bare(sql))
    };
    Ok(written.len() == rehearsed.len() && written.iter().zip(&rehearsed).all(|(left, right)| same(left, right)))
}

/// The statements of a file that do not open or end a transaction, each with whether it runs in none.
fn each_bare<'a>(mode: TransactionMode, statements: impl Iterator<Item = &'a str>) -> Vec<(&'a str, bool)> {
    let runners = !matches!(mode, TransactionMode::None | TransactionMode::Explicit);
    let (mut own, mut found) = (false, Vec::new());
    for sql in statements {
        match kind(sql) {
            StatementKind::Begin => own = true,
            StatementKind::Commit => own = false,
            _ => found.push((sql.trim_end(), !runners && !own)),
        }
    }
    found
}

/// Whether a statement fails, or means something else, inside a transaction.
fn runs_bare(sql: &str) -> bool {
    let kind = kind(sql);
    // These are about the transaction they stand in.
    !kind.can_wrap() && !matches!(kind, StatementKind::SetLocal | StatementKind::Lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_runs_in_no_transaction_where_neither_runner_nor_script_has_one() {
        let bare = |mode| {
            let script = ["A", "BEGIN", "B", "COMMIT", "C"];
            each_bare(mode, script.into_iter()).into_iter().map(|(_, bare)| bare).collect::<Vec<_>>()
        };
        assert_eq!(bare(TransactionMode::Explicit), [true, false, true]);
        assert_eq!(bare(TransactionMode::PerMigration), [false; 3]);
        assert!(runs_bare("CREATE INDEX CONCURRENTLY i ON t (a)") && runs_bare("DO $$ BEGIN COMMIT; END $$"));
        assert!(!runs_bare("SET LOCAL lock_timeout = 1") && !runs_bare("ALTER TABLE t ADD a int"));
    }
}
