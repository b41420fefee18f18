//! What Flyway's history holds against the files: what runs now, and what makes Flyway stop before anything runs.

use super::name::{Kind, Version};
use super::settings::Settings;
use super::{Flyway, Layout, kind_of, version_of};
use crate::migration::MigrationError;
use crate::migration::history::{Row, Selection, flag, value};
use crate::migration::layout::{MigrationFile, MigrationTree};
use std::collections::BTreeMap;

/// A row that counts.
struct Past<'a> {
    kind: &'a str,
    description: &'a str,
    checksum: Option<&'a str>,
}

/// Everything applied, as the history's rows add up.
#[derive(Default)]
struct History<'a> {
    versions: BTreeMap<Version, Past<'a>>,
    repeatables: BTreeMap<&'a str, Past<'a>>,
    baseline: Option<Version>,
    failed: Vec<(Option<Version>, &'a str)>,
}

impl<'a> History<'a> {
    /// Adds the rows up in the order they were written: undone and deleted ones fall out again.
    fn of(rows: &'a [Row]) -> Result<Self, MigrationError> {
        let mut history = Self::default();
        for (index, row) in rows.iter().enumerate() {
            let row_of = |column, missing| value((index, row), column, missing);
            let wrong = |reason| MigrationError::HistoryRow { row: index + 1, reason };
            let kind = row_of(3, "no type")?;
            let description = row_of(2, "no description")?;
            let script = row_of(4, "no script")?;
            let checksum = row.get(5).and_then(Option::as_deref);
            let version = match row.get(1).and_then(Option::as_deref) {
                Some(text) => Some(Version::parse(text).ok_or(wrong("version is not a version"))?),
                None => None,
            };
            if !flag((index, row), 6, "no success", "success is neither true nor false")? {
                history.failed.push((version, script));
                continue;
            }
            match (kind, version) {
                ("SCHEMA", _) => {}
                ("DELETE", None) => drop(history.repeatables.remove(description)),
                (kind, None) => drop(history.repeatables.insert(description, Past { kind, description, checksum })),
                (kind, Some(version)) if kind == "DELETE" || kind.starts_with("UNDO") => {
                    history.versions.remove(&version);
                }
                (kind, Some(version)) => {
                    if kind.ends_with("BASELINE") {
                        history.baseline = history.baseline.max(Some(version.clone()));
                    }
                    history.versions.insert(version, Past { kind, description, checksum });
                }
            }
        }
        Ok(history)
    }
}

/// What Flyway would run now.
pub(super) fn select(tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
    let settings = Settings::new(&tree.attributes);
    let history = History::of(rows.unwrap_or_default())?;
    let newest = history.versions.keys().next_back();
    let versions: Vec<Option<Version>> = tree.files.iter().map(version_of).collect();
    let last_file = versions.iter().flatten().max();
    let is_future = |version: &Version| last_file.is_none_or(|last| version > last);
    for (version, script) in &history.failed {
        let ignored = version.as_ref().is_some_and(is_future) && settings.ignores("versioned", "future");
        if !ignored {
            let version = version.as_ref().map_or_else(|| (*script).to_owned(), |version| version.text.clone());
            let (table, mark) = (tree.history_table().to_owned(), "success = false");
            return Err(MigrationError::Dirty { table, version, mark });
        }
    }
    let validates = settings.flag("validateOnMigrate", true);
    let mut selection = Selection { newest: newest.map(|version| version.text.clone()), ..Selection::default() };
    if tree.directory_given {
        missing(tree, &history, &versions, &is_future, &mut selection.notes)?;
    }
    // In a new database the newest baseline stands for everything before it.
    let start = (newest.is_none())
        .then(|| tree.files.iter().rposition(|file| kind_of(file) == Kind::Baseline.name()))
        .flatten();
    let below = start.and_then(|at| versions[at].clone()).max(history.baseline.clone());
    for (at, (file, version)) in tree.files.iter().zip(&versions).enumerate() {
        let Some(version) = version else {
            repeatable(file, at, &history, &mut selection);
            continue;
        };
        if kind_of(file) == Kind::Baseline.name() {
            selection.pending.extend((start == Some(at)).then_some(at));
            continue;
        }
        match history.versions.get(version).filter(|past| !past.kind.ends_with("BASELINE")) {
            _ if below.as_ref().is_some_and(|below| version <= below) => {}
            Some(past) => {
                if validates {
                    same(file, past)?;
                    if file.checksum.as_deref() != past.checksum {
                        selection.edited.push(at);
                    }
                }
                selection.applied.push(at);
            }
            None if newest.is_some_and(|newest| version < newest) => {
                older(tree, file, at, validates, &mut selection)?;
            }
            None => selection.pending.push(at),
        }
    }
    target(tree, &versions, newest, &mut selection)?;
    Ok(selection)
}

/// A repeatable migration runs when the newest run of its name saw another text.
fn repeatable(file: &MigrationFile, at: usize, history: &History<'_>, selection: &mut Selection) {
    match history.repeatables.get(super::description(&file.name).as_str()) {
        None => selection.pending.push(at),
        Some(was) => {
            let is = |checksum: Option<&str>| checksum.is_some() && checksum == was.checksum;
            if !is(file.checksum.as_deref()) && !is(file.attribute("raw_checksum")) {
                selection.pending.push(at);
                selection.notes.push(format!("{}: runs again, since its text is not what ran last", file.file().name));
            }
        }
    }
}

/// Applied versions without a file.
fn missing(
    tree: &MigrationTree,
    history: &History<'_>,
    versions: &[Option<Version>],
    is_future: &dyn Fn(&Version) -> bool,
    notes: &mut Vec<String>,
) -> Result<(), MigrationError> {
    let settings = Settings::new(&tree.attributes);
    let validates = settings.flag("validateOnMigrate", true);
    let mut gone = Vec::new();
    for (version, past) in &history.versions {
        if versions.iter().flatten().any(|each| each == version) || past.kind == "BASELINE" {
            continue;
        }
        let text = &version.text;
        if !past.kind.starts_with("SQL") {
            notes.push(format!(
                "version {text} is of type {}: only SQL is read here, pending code is not seen",
                past.kind
            ));
            continue;
        }
        let state = if is_future(version) { "future" } else { "missing" };
        if settings.ignores("versioned", state) || !validates {
            notes.push(format!("version {text} is applied and has no file here, which Flyway lets pass ({state})"));
        } else {
            gone.push(text.clone());
        }
    }
    let is_there = |description: &str| {
        tree.files.iter().any(|file| version_of(file).is_none() && super::description(&file.name) == description)
    };
    for (description, past) in history.repeatables.iter().filter(|(description, _)| !is_there(description)) {
        if !past.kind.starts_with("SQL") || settings.ignores("repeatable", "missing") || !validates {
            notes.push(format!("\"{description}\" ran and has no file here, which Flyway lets pass"));
        } else {
            gone.push(format!("\"{description}\""));
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    Err(MigrationError::VersionMissing { table: tree.history_table().to_owned(), versions: gone.join(", ") })
}

/// A migration that was code, or had another name, fails Flyway's validation.
fn same(file: &MigrationFile, past: &Past<'_>) -> Result<(), MigrationError> {
    if past.kind != "SQL" {
        return Err(MigrationError::Refused {
            layout: Flyway.name(),
            reason: format!(
                "{} is SQL, and what was applied as this version is of type {}: give it a version of its own",
                file.file().name,
                past.kind
            ),
        });
    }
    if super::description(&file.name) == past.description {
        return Ok(());
    }
    Err(MigrationError::Refused {
        layout: Flyway.name(),
        reason: format!(
            "{} was applied as \"{}\": give the file its old name back, or repair the history",
            file.file().name,
            past.description
        ),
    })
}

/// A version below the newest applied one.
fn older(
    tree: &MigrationTree,
    file: &MigrationFile,
    at: usize,
    validates: bool,
    selection: &mut Selection,
) -> Result<(), MigrationError> {
    let settings = Settings::new(&tree.attributes);
    let (name, newest) = (&file.file().name, selection.newest.as_deref().unwrap_or_default());
    if tree.options.out_of_order.unwrap_or_else(|| settings.flag("outOfOrder", false)) {
        selection.pending.push(at);
        selection.notes.push(format!("{name}: older than version {newest}, and runs since outOfOrder is on"));
    } else if !validates || settings.ignores("versioned", "ignored") {
        selection.notes.push(format!("{name}: older than version {newest}, so Flyway never runs it"));
    } else {
        return Err(MigrationError::Refused {
            layout: Flyway.name(),
            reason: format!(
                "{name} is not applied and older than version {newest}, which is: give it a newer version, or set outOfOrder"
            ),
        });
    }
    Ok(())
}

/// Leaves out what is beyond the version Flyway was told to stop at.
fn target(
    tree: &MigrationTree,
    versions: &[Option<Version>],
    newest: Option<&Version>,
    selection: &mut Selection,
) -> Result<(), MigrationError> {
    let first = selection.pending.iter().find_map(|at| versions[*at].clone());
    let last = match Settings::new(&tree.attributes).text("target", "latest") {
        "latest" => return Ok(()),
        "current" => newest.cloned(),
        "next" => first,
        text => Some(Version::parse(text.trim_end_matches('?')).ok_or_else(|| MigrationError::Refused {
            layout: Flyway.name(),
            reason: format!("target `{text}` is not a version: name one, or latest"),
        })?),
    };
    let before = selection.pending.len();
    selection.pending.retain(|at| versions[*at].is_none() || versions[*at] <= last);
    let left_out = before - selection.pending.len();
    if left_out > 0 {
        selection.notes.push(format!("{left_out} pending beyond Flyway's target, so left out"));
    }
    Ok(())
}
