//! The layout of Drizzle: files in the order of a journal, or (since 1.0) a folder for each migration; everything
//! pending is one transaction.

use super::writing::{File, Replacement, below, verbatim};
use super::{
    Cut, Evidence, Folder, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Siblings, Site,
    Understands, create_schema, files_in, in_runners_transaction, literal, migration_folders, quoted, sha256, sqlite,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection, value};
use crate::migration::script::Dialect;
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Drizzle, by its journal and by its folders.
#[derive(Debug)]
pub struct Drizzle;

/// With a journal rows are told apart by the moment the journal gives.
const BY_MOMENT: HistoryShape =
    HistoryShape { columns: &["created_at", "hash"], later: &[], foreign: &[], order: "created_at, id" };
/// With folders by name.
const BY_NAME: HistoryShape =
    HistoryShape { columns: &["created_at", "hash", "name"], later: &["name"], foreign: &[], order: "created_at, id" };

const JOURNAL: &str = "meta/_journal.json";
const SCRIPT: &str = "migration.sql";
const BREAKPOINT: &str = "--> statement-breakpoint";

/// Attribute of a tree: the driver that runs SQLite, where it is known.
const DRIVER: &str = "driver";

/// Attribute: milliseconds since 1970, what the history orders by.
const WHEN: &str = "when";

/// `meta/_journal.json`.
#[derive(Debug, Deserialize)]
struct Journal {
    dialect: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    when: i64,
    tag: String,
}

impl Layout for Drizzle {
    fn name(&self) -> &'static str {
        "drizzle"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["drizzle", "migrations", "src/db/migrations"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "Drizzle runs everything pending in one transaction",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        if site.has(JOURNAL) {
            return Some(Evidence::marker(format!("{JOURNAL} is there")));
        }
        let folders = migration_folders(self.name(), std::slice::from_ref(&site.directory), SCRIPT).ok()?;
        let is_drizzles = |folder: &PathBuf| folder.join(SCRIPT).is_file() && folder.join("snapshot.json").is_file();
        if let Some((name, _)) = folders.iter().find(|(_, folder)| is_drizzles(folder)) {
            return Some(Evidence::marker(format!("{name}/snapshot.json lies beside {SCRIPT}")));
        }
        let holds = folders.iter().any(|(_, folder)| folder.join(SCRIPT).is_file());
        let dependency = site.depends_on(&["drizzle-orm", "drizzle-kit"]);
        dependency.filter(|_| holds && !site.has("migration_lock.toml")).map(Evidence::dependency)
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let site = Site::new(request.paths)?;
        let journal = site.directory.join(JOURNAL);
        let (schema, table) = history_name(&site, &mut tree.notes);
        let name = match request.dialect() {
            Dialect::PostgreSql => format!("{}.{}", quoted(&schema), quoted(&table)),
            Dialect::Sqlite => quoted(&table),
        };
        if !tree.is_sqlite() {
            tree.setup = vec![create_schema(&schema)];
        }
        if tree.is_sqlite() && site.depends_on(&["better-sqlite3"]).is_some() {
            tree.attributes.insert(DRIVER.to_owned(), "better-sqlite3".to_owned());
        }
        if journal.is_file() {
            tree.keep_history(BY_MOMENT, name);
            by_journal(&journal, &site, request, &mut tree)?;
        } else {
            tree.keep_history(BY_NAME, name);
            by_folders(request, &mut tree)?;
            // On SQLite no single statement adds columns only where they are missing.
            let upgrade = Some(upgrade(&tree)).filter(|_| !tree.is_sqlite());
            tree.setup.extend(upgrade);
        }
        tree.create_history = vec![create_table(&tree)];
        tree.refuse_empty(&site.directory, &format!("{JOURNAL} or folders that hold a {SCRIPT}"))?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let rows = rows.unwrap_or_default().iter().enumerate();
        if is_journal(tree) {
            return select_by_moment(tree, rows);
        }
        let is_older = rows.clone().any(|(_, row)| row.len() < BY_NAME.columns.len());
        let selection = select_by_name(tree, rows)?;
        if tree.is_sqlite() && is_older && !selection.pending.is_empty() {
            let reason = format!(
                "{} is of an older release, and Drizzle adds columns to it before anything else, which is not reproduced on SQLite: let `drizzle-kit migrate` of this release run once",
                tree.history_table()
            );
            return Err(MigrationError::Refused { layout: self.name(), reason });
        }
        Ok(selection)
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        tree.refuse_byte_order_mark(file)?;
        let mut notes = Vec::new();
        let commits = cuts.iter().any(|cut| cut.kind(source).is_transaction_control());
        let several = |part: &&Range<usize>| cuts.iter().filter(|cut| part.contains(&cut.span.start)).count() > 1;
        if let Some(part) = file.up.parts.iter().find(several).filter(|_| tree.attributes.contains_key(DRIVER)) {
            let line = source.position(part.start).line;
            notes.push(format!(
                "{}:{line}: better-sqlite3 refuses several statements in one text, and Drizzle stops: put `{BREAKPOINT}` between them",
                source.name
            ));
        }
        let mut in_transaction = true;
        let own = match tree.is_sqlite() {
            true => {
                in_transaction = sqlite::within_runners("Drizzle", source, cuts, &mut notes);
                TransactionMode::PerMigration
            }
            false => in_runners_transaction("Drizzle", source, cuts, &mut notes),
        };
        let transaction = match own {
            TransactionMode::PerMigration if !commits => TransactionMode::AllPending,
            transaction => transaction,
        };
        let table = tree.history_table();
        let hash = literal(file.checksum.as_deref().unwrap_or_default());
        let when = file.attribute(WHEN).unwrap_or_default();
        let mut row = String::new();
        let (applied, same) = if is_journal(tree) {
            (
                format!("insert into {table} (\"hash\", \"created_at\") values({hash}, {when})"),
                format!("created_at = {when} AND hash = {hash}"),
            )
        } else {
            let name = literal(&file.version);
            if tree.is_sqlite() {
                row = format!(
                    "insert into {table} (\"hash\", \"created_at\", \"name\", \"applied_at\") \
                     values({hash}, {when}, {name}, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
                );
            }
            (
                format!("insert into {table} (\"hash\", \"created_at\", \"name\") values({hash}, {when}, {name})"),
                format!("name = {name}"),
            )
        };
        // A column that is SERIAL numbers nothing on SQLite.
        let id = if tree.is_sqlite() { "rowid" } else { "id" };
        let history = HistoryWrite {
            table: table.to_owned(),
            applied: vec![if row.is_empty() { applied } else { row }],
            in_transaction,
            undo: vec![format!("DELETE FROM {table} WHERE {id} = (SELECT max({id}) FROM {table} WHERE {same})")],
            ..HistoryWrite::default()
        };
        Ok(Grouping { transaction, history: Some(history), notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        // better-sqlite3 is compiled with foreign keys on; the client of libSQL turns them off while it migrates.
        let settings = if tree.attributes.contains_key(DRIVER) { sqlite::FOREIGN_KEYS } else { "" };
        Connection { settings, ..Connection::default() }
    }

    /// All is one transaction, so that nothing is cut: names, order and journal stay.
    fn write(&self, tree: &MigrationTree, replaced: &[Replacement]) -> Result<Option<Vec<File>>, String> {
        let mut files = Vec::new();
        let journal = tree.listing.as_ref().map(|journal| (JOURNAL.to_owned(), journal.text.clone()));
        files.extend(journal.map(|(name, text)| File { name, text }));
        for (at, file) in tree.files.iter().enumerate() {
            let text = match Replacement::of(replaced, at) {
                Some(pieces) => {
                    let statements: Vec<String> = pieces
                        .iter()
                        .flat_map(|piece| piece.statements.iter().map(|sql| format!("{};", sql.trim_end())))
                        .collect();
                    format!("{}\n", statements.join(&format!("{BREAKPOINT}\n")))
                }
                None => verbatim(file),
            };
            files.push(File { name: below(tree, file), text });
        }
        Ok(Some(files))
    }
}

fn is_journal(tree: &MigrationTree) -> bool {
    tree.history.as_ref().is_some_and(|(_, shape)| *shape == BY_MOMENT)
}

type Numbered<'a> = std::iter::Enumerate<std::slice::Iter<'a, Row>>;

/// With a journal whatever is younger than the youngest row runs; nothing else ever does.
fn select_by_moment(tree: &MigrationTree, rows: Numbered<'_>) -> Result<Selection, MigrationError> {
    let mut applied: BTreeMap<i64, String> = BTreeMap::new();
    for row in rows {
        let when = value(row, 0, "no created_at")?.parse();
        let when =
            when.map_err(|_| MigrationError::HistoryRow { row: row.0 + 1, reason: "created_at is no number" })?;
        applied.insert(when, value(row, 1, "no hash")?.to_owned());
    }
    let mut selection = Selection::default();
    let youngest = applied.keys().next_back().copied();
    for (at, file) in tree.files.iter().enumerate() {
        let when = file.attribute(WHEN).and_then(|when| when.parse::<i64>().ok());
        let name = &file.file().name;
        match when.and_then(|when| applied.get(&when)) {
            Some(hash) => {
                selection.newest = Some(file.version.clone());
                if file.checksum.as_ref() != Some(hash) {
                    selection.edited.push(at);
                }
                selection.applied.push(at);
            }
            None if youngest.is_some() && when <= youngest => selection.notes.push(format!(
                "{name}: not applied, and its `when` in the journal is not after the newest applied one, so Drizzle never runs it: generate it again"
            )),
            None => selection.pending.push(at),
        }
    }
    Ok(selection)
}

/// With folders whatever is not in the history by name runs.
fn select_by_name(tree: &MigrationTree, rows: Numbered<'_>) -> Result<Selection, MigrationError> {
    let mut applied = Vec::new();
    for row in rows {
        let hash = value(row, 1, "no hash")?;
        let name = match row.1.get(2) {
            // Drizzle passes over rows without a name,
            Some(name) => name.clone(),
            // and fills in the names of a table that has none yet.
            None => Some(named_later(tree, row, hash)?),
        };
        if let Some(version) = name {
            applied.push(Applied { version, checksum: Some(hash.to_owned()) });
        }
    }
    let mut selection = Selection::absent(tree, &applied);
    selection.note_gone(tree, &applied, "folder", "Drizzle");
    selection.note_late(tree, "Drizzle");
    Ok(selection)
}

/// The migration that a row of an older release stands for: by the second it was made in, or else by its text.
fn named_later(tree: &MigrationTree, row: (usize, &Row), hash: &str) -> Result<String, MigrationError> {
    let second = |millis: &str| millis.parse::<i64>().ok().map(|millis| millis.div_euclid(1000));
    let of_row = second(value(row, 0, "no created_at")?);
    let of_file = |file: &&MigrationFile| file.attribute(WHEN).and_then(second) == of_row;
    let same_second: Vec<&MigrationFile> = tree.files.iter().filter(of_file).collect();
    let has_hash = |file: &&&MigrationFile| file.checksum.as_deref() == Some(hash);
    let matched = match same_second.as_slice() {
        [only] => Some(*only),
        [] => tree.files.iter().collect::<Vec<_>>().iter().find(has_hash).copied(),
        several => several.iter().find(has_hash).copied(),
    };
    match matched {
        Some(file) => Ok(file.version.clone()),
        // Of files named one by one it cannot be known: the row is another one's.
        None if !tree.directory_given => Ok(format!("row {}", row.0 + 1)),
        None => Err(MigrationError::Refused {
            layout: "drizzle",
            reason: format!(
                "row {} of {} is of an older release and fits no folder here, neither by its moment nor by its hash: bring the folder back",
                row.0 + 1,
                tree.history_table()
            ),
        }),
    }
}

/// What Drizzle does first to the table of a release that kept no names.
fn upgrade(tree: &MigrationTree) -> String {
    let table = tree.history_table();
    let of_file = |file: &MigrationFile| {
        let when = file.attribute(WHEN).unwrap_or_default();
        let second = format!("created_at / 1000 = {when} / 1000");
        let is_alone = tree.files.iter().filter(|other| other.attribute(WHEN) == file.attribute(WHEN)).count() == 1;
        let hash = format!("hash = {}", literal(file.checksum.as_deref().unwrap_or_default()));
        let row = if is_alone { format!("({second} OR {hash})") } else { hash };
        let name = literal(&file.version);
        format!("UPDATE {table} SET name = {name}, applied_at = NULL WHERE name IS NULL AND {row};")
    };
    let names: Vec<String> = tree.files.iter().map(of_file).collect();
    let relation = literal(table);
    // Only an owner may add columns, even where they are there already.
    let body = format!(
        "BEGIN IF pg_catalog.to_regclass({relation}) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute \
         WHERE attrelid = pg_catalog.to_regclass({relation}) AND attname = 'name' AND NOT attisdropped) THEN \
         ALTER TABLE {table} ADD COLUMN name text, ADD COLUMN IF NOT EXISTS applied_at timestamp with time zone DEFAULT now(); \
         {} END IF; END",
        names.join(" ")
    );
    format!("DO {}", literal(&body))
}

fn create_table(tree: &MigrationTree) -> String {
    if tree.is_sqlite() {
        let (id, more) = match is_journal(tree) {
            true => ("SERIAL", ""),
            false => ("INTEGER", ",\n    name text,\n    applied_at TEXT"),
        };
        return format!(
            "CREATE TABLE IF NOT EXISTS {} (\n    id {id} PRIMARY KEY,\n    hash text NOT NULL,\n    created_at numeric{more}\n)",
            tree.history_table()
        );
    }
    let more =
        if is_journal(tree) { "" } else { ",\n    name text,\n    applied_at timestamp with time zone DEFAULT now()" };
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n    id SERIAL PRIMARY KEY,\n    hash text NOT NULL,\n    created_at bigint{more}\n)",
        tree.history_table()
    )
}

/// Files in the journal's order, whatever they are called.
fn by_journal(
    journal: &Path,
    site: &Site,
    request: &Request<'_>,
    tree: &mut MigrationTree,
) -> Result<(), MigrationError> {
    let text = read_text(journal)?;
    let wrong = |reason: String| MigrationError::Configuration { path: journal.to_owned(), reason };
    let name = journal.display().to_string();
    tree.listing = Some(Arc::new(SourceFile { path: journal.to_owned(), name, text: text.clone() }));
    let read: Journal = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let is_ours = |name: &String| match request.dialect() {
        Dialect::PostgreSql => matches!(name.as_str(), "postgresql" | "pg"),
        Dialect::Sqlite => matches!(name.as_str(), "sqlite" | "turso"),
    };
    if let Some(other) = read.dialect.filter(|name| !is_ours(name)) {
        return Err(wrong(format!("these migrations are for {other}, not for {}", request.dialect().engine())));
    }
    let folder = Folder::new(&site.directory, request.root);
    let given: BTreeSet<&str> = site.files.iter().map(|(name, _)| name.as_str()).collect();
    let mut known = BTreeSet::new();
    let mut youngest: Option<(i64, String)> = None;
    for Entry { when, tag } in read.entries {
        let name = format!("{tag}.sql");
        if !known.insert(name.clone()) {
            let (first, second) = (name.clone(), name);
            return Err(MigrationError::DuplicateVersion { version: tag, first, second });
        }
        match &youngest {
            Some((before, older)) if *before >= when => tree.notes.push(format!(
                "{tag}: its `when` in the journal is not after that of {older}: a database that has run that one never runs it"
            )),
            _ => youngest = Some((when, tag.clone())),
        }
        if !given.contains(name.as_str()) {
            if tree.directory_given {
                return Err(wrong(format!(
                    "Drizzle stops: {tag} has no file {name}: bring it back, or drop the entry"
                )));
            }
            continue;
        }
        let read = folder.read(&name, &site.directory.join(&name))?;
        let title = tag.split_once('_').map_or(tag.as_str(), |(_, title)| title).to_owned();
        tree.files.push(migration(tag, title, read, when));
    }
    for (name, _) in files_in(&site.directory)? {
        if name.ends_with(".sql") && !known.contains(&name) {
            tree.notes.push(format!("{name}: not in {JOURNAL}, so Drizzle never runs it"));
        }
    }
    Ok(())
}

/// Folders in the order of their names, each of which begins with a moment.
fn by_folders(request: &Request<'_>, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    tree.directory_given = matches!(request.paths, [all] if all.is_dir() && !all.join(SCRIPT).is_file());
    let mut siblings = Siblings::new(request.root);
    for (name, path) in migration_folders("drizzle", request.paths, SCRIPT)? {
        let script = path.join(SCRIPT);
        if !script.is_file() {
            continue;
        }
        let when = name.get(..14).and_then(milliseconds).ok_or_else(|| MigrationError::FileName {
            file: name.clone(),
            reason: "Drizzle reads a moment from the first 14 digits of this name and finds none: name it <YYYYMMDDhhmmss>_<name>".to_owned(),
        })?;
        let read = siblings.folder(&path).read(SCRIPT, &script)?;
        let title = name.split_once('_').map_or(name.as_str(), |(_, title)| title).to_owned();
        tree.files.push(migration(name, title, read, when));
    }
    tree.files.sort_by(|left, right| left.version.cmp(&right.version));
    Ok(())
}

/// The moment that 14 digits stand for, in UTC.
fn milliseconds(digits: &str) -> Option<i64> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let moment = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).ok().filter(|_| all_digits)?;
    Some(moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn migration(
    version: String,
    name: String,
    (file, byte_order_mark): (Arc<SourceFile>, bool),
    when: i64,
) -> MigrationFile {
    let checksum = Some(sha256(&file.text, byte_order_mark));
    let parts = between_breakpoints(&file.text);
    MigrationFile {
        version,
        name,
        up: Script { file, parts },
        down: None,
        checksum,
        byte_order_mark,
        attributes: BTreeMap::from([(WHEN.to_owned(), when.to_string())]),
    }
}

fn between_breakpoints(text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut at = 0;
    for (found, _) in text.match_indices(BREAKPOINT) {
        parts.push(at..found);
        at = found + BREAKPOINT.len();
    }
    parts.push(at..text.len());
    parts
}

/// Schema and table of the history, by `migrations: { table, schema }` of `drizzle.config`, which is code: only plain
/// strings are understood.
fn history_name(site: &Site, notes: &mut Vec<String>) -> (String, String) {
    let defaults = || ("drizzle".to_owned(), "__drizzle_migrations".to_owned());
    let configuration =
        ["ts", "js", "mjs", "cjs", "json"].iter().find_map(|ending| site.nearest(&format!("drizzle.config.{ending}")));
    // What cannot be read says nothing, as if it were not there: it is no part of what runs.
    let text = configuration.as_deref().and_then(|path| std::fs::read_to_string(path).ok());
    let Some(inside) = text.as_deref().and_then(migrations_block) else { return defaults() };
    let (schema, table) = defaults();
    let named = |key| string_of(inside, key);
    let found = (named("schema").unwrap_or(schema), named("table").unwrap_or(table));
    if found != defaults() {
        notes.push(format!("the history is {}.{}, as drizzle.config says", found.0, found.1));
    }
    found
}

fn migrations_block(text: &str) -> Option<&str> {
    text.match_indices("migrations").find_map(|(at, word)| {
        let rest = text[at + word.len()..].trim_start_matches(['"', '\'']).trim_start();
        let inside = rest.strip_prefix(':')?.trim_start().strip_prefix('{')?;
        Some(&inside[..inside.find('}')?])
    })
}

fn string_of(inside: &str, key: &str) -> Option<String> {
    inside.split([',', '\n']).find_map(|pair| {
        let (name, value) = pair.split_once(':')?;
        let is_mine = name.trim().trim_matches(['"', '\'']) == key;
        let value = value.trim();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'))?;
        is_mine.then(|| value[1..].split(quote).next().map(str::to_owned)).flatten()
    })
}

#[cfg(test)]
mod tests;
