//! Telling the files of tools that are not read yet, so that their undo sections are never run by guess.

use super::files_in;
use std::path::Path;

/// Lines that only one tool writes, compared without whitespace at either end.
const LINES: [(&str, &str); 8] = [
    ("-- +goose Up", "goose"),
    ("-- +migrate Up", "sql-migrate"),
    ("-- migrate:up", "dbmate"),
    ("--liquibase formatted sql", "liquibase"),
    ("-- liquibase formatted sql", "liquibase"),
    ("---- create above / drop below ----", "tern"),
    ("--> statement-breakpoint", "drizzle"),
    ("-- Down Migration", "node-pg-migrate"),
];

/// Files beside or above migrations that only one tool writes.
const MARKERS: [(&str, &str); 6] = [
    ("atlas.sum", "atlas"),
    ("meta/_journal.json", "drizzle"),
    ("migration_lock.toml", "prisma"),
    ("sqitch.plan", "sqitch"),
    (".gmrc", "graphile-migrate"),
    ("flyway.toml", "flyway"),
];

/// Which tool a path belongs to, and what gave it away.
pub(super) fn detect(path: &Path) -> Option<(&'static str, String)> {
    if path.is_file() {
        return in_file(path);
    }
    let marker = MARKERS.iter().find(|(marker, _)| path.join(marker).exists());
    if let Some((marker, tool)) = marker {
        return Some((tool, format!("{marker} is there")));
    }
    // A directory that cannot be read is reported when the layout reads it.
    let files = files_in(path).unwrap_or_default();
    let scripts: Vec<_> = files.iter().filter(|(name, _)| name.ends_with(".sql")).collect();
    if !scripts.is_empty() && scripts.iter().all(|(name, _)| is_prefixed_version(name)) {
        return Some(("flyway or refinery", format!("{} and its like", scripts[0].0)));
    }
    if scripts.is_empty() {
        return in_folders(path);
    }
    scripts.iter().find_map(|(_, path)| in_file(path))
}

fn in_file(path: &Path) -> Option<(&'static str, String)> {
    // A file that is no text is reported when the layout reads it.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim_start_matches('\u{feff}').lines().find_map(|line| {
        let (marker, tool) = LINES.iter().find(|(marker, _)| {
            let line = line.trim();
            line.get(..marker.len()).is_some_and(|start| start.eq_ignore_ascii_case(marker))
        })?;
        Some((*tool, format!("`{marker}` in {}", path.file_name()?.to_string_lossy())))
    })
}

/// `V1__x.sql`, `U1.2__x.sql`, `R__x.sql`.
fn is_prefixed_version(name: &str) -> bool {
    name.strip_prefix(['V', 'U', 'R', 'B']).and_then(|rest| rest.split_once("__")).is_some_and(|(version, _)| {
        version.chars().all(|character| character.is_ascii_digit() || matches!(character, '.' | '_'))
    })
}

/// One folder for each migration.
fn in_folders(path: &Path) -> Option<(&'static str, String)> {
    let folders = std::fs::read_dir(path).ok()?.flatten().map(|entry| entry.path());
    folders.into_iter().filter(|folder| folder.is_dir()).find_map(|folder| {
        let name = folder.file_name()?.to_string_lossy().into_owned();
        if folder.join("up.sql").is_file() {
            Some(("diesel", format!("{name}/up.sql is there")))
        } else if folder.join("migration.sql").is_file() {
            Some(("prisma or drizzle", format!("{name}/migration.sql is there")))
        } else {
            None
        }
    })
}
