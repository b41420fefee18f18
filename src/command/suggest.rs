//! Writes safer forms that were rehearsed to files, and reads them back as their tool would.

use crate::config::Settings;
use crate::migration::TransactionMode;
use crate::migration::layout::{self, Request, cut::cut};
use crate::migration::script::{StatementKind, kind};
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

/// Reads the files as the migrations' layout does: the same statements in the same order, outside a transaction where they
/// were.
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
        let bare = matches!(mode, TransactionMode::None | TransactionMode::Explicit);
        written.extend(cuts.iter().map(|one| (one.sql(&file.up.file).to_owned(), bare)));
    }
    // What a script opens and ends itself is its own transaction.
    let mut own = false;
    written.retain_mut(|(sql, bare)| {
        match kind(sql) {
            StatementKind::Begin => own = true,
            StatementKind::Commit => own = false,
            _ => {
                *bare &= !own;
                return true;
            }
        }
        false
    });
    let mut rehearsed: Vec<(String, bool)> = Vec::new();
    let mut own = false;
    for part in &rewritten.parts {
        let bare = part.migration.transaction == TransactionMode::None;
        // Alone in its transaction, a statement is one that commits by itself.
        let alone = part.migration.statements.len() == 1;
        for statement in &part.migration.statements {
            match kind(statement.sql()) {
                StatementKind::Begin => own = true,
                StatementKind::Commit => own = false,
                _ => rehearsed.push((statement.sql().trim_end().to_owned(), (bare || alone) && !own)),
            }
        }
    }
    let same = |(written, bare): &(String, bool), (sql, was_bare): &(String, bool)| {
        written.trim_end() == sql && (*bare || !was_bare || !sends_bare_only(sql))
    };
    Ok(written.len() == rehearsed.len() && written.iter().zip(&rehearsed).all(|(left, right)| same(left, right)))
}

/// Statements that fail, or mean something else, inside a transaction.
fn sends_bare_only(sql: &str) -> bool {
    !kind(sql).can_wrap() && !matches!(kind(sql), StatementKind::SetLocal | StatementKind::Lock)
}
