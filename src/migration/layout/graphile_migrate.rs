//! The layout of graphile-migrate: committed migrations chained by their hashes, and the one that is being written.

mod current;
mod settings;
mod write;

use super::writing::{File, Replacement};
use super::{
    Cut, Evidence, Folder, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands,
    files_in, hex, in_runners_transaction, literal, one_directory, sent_as_one_string,
};
use crate::migration::history::{HistoryShape, Row, Selection, value};
use crate::migration::script::Dialect;
use crate::migration::script::StatementKind;
use crate::migration::{HistoryWrite, MigrationError, SourceFile};
use settings::Settings;
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// graphile-migrate 1 and 2.
#[derive(Debug)]
pub struct GraphileMigrate;

/// The table of every release so far.
const HISTORY: HistoryShape =
    HistoryShape { columns: &["filename", "hash", "previous_hash"], later: &[], foreign: &[], order: "filename" };

const TABLE: &str = "graphile_migrate.migrations";

/// Attributes of a file: what its header says, and where it stands.
const HASH: &str = "hash";
const PREVIOUS: &str = "previous";
const MAY_DIFFER: &str = "AllowInvalidHash";
/// Not committed yet.
const CURRENT: &str = "current";

/// With which a migration opts out of its transaction, as its first line.
const NO_TRANSACTION: &str = "no-transaction";

impl Layout for GraphileMigrate {
    fn name(&self) -> &'static str {
        "graphile_migrate"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations"]
    }

    fn supports(&self, dialect: Dialect) -> bool {
        dialect == Dialect::PostgreSql
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "graphile-migrate takes that from each file: `--! no-transaction` as the first line below its header",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        let is_place = site.has("committed") || site.has("current.sql") || site.ends_with("committed");
        let by_contents = site.tool_by_contents().filter(|(tool, _)| *tool == self.name());
        if let Some((_, why)) = by_contents {
            return Some(Evidence::contents(why));
        }
        if !is_place || site.speaks_of_another(self.name()) {
            return None;
        }
        if let Some(settings) = settings::NAMES.iter().find_map(|name| site.nearest(name)) {
            return Some(Evidence::marker(format!("{} is there", settings.display())));
        }
        // Committed migrations lie one folder below, and `current.sql` beside them bears no line of its own.
        let committed = site.directory.join("committed");
        let below = committed.is_dir().then(|| Site::new(std::slice::from_ref(&committed)).ok()).flatten();
        if let Some((tool, why)) = below.as_ref().and_then(Site::tool_by_contents) {
            return (tool == self.name()).then(|| Evidence::contents(format!("{why} of committed/")));
        }
        site.depends_on_in("package.json", &["graphile-migrate"]).map(Evidence::dependency)
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let settings = Settings::near(&Site::new(request.paths)?)?;
        let mut tree = MigrationTree::new(self.name(), request);
        let table = tree.keep_history(HISTORY, TABLE);
        tree.create_history = vec![
            "create schema if not exists graphile_migrate".to_owned(),
            format!(
                "create table if not exists {table} (hash text primary key, previous_hash text references {table}, \
                 filename text not null, date timestamptz not null default now())"
            ),
            "create table if not exists graphile_migrate.current (filename text primary key default 'current.sql', \
             content text not null, date timestamptz not null default now())"
                .to_owned(),
        ];
        settings.describe(&request.options.placeholders, &mut tree);
        match one_directory(self.name(), request)? {
            Some(given) => {
                let alone = given.ends_with("committed");
                let folder = match settings.folder(given) {
                    Some(folder) => folder,
                    None if alone => super::site::parent(given),
                    None => given.to_owned(),
                };
                let committed = folder.join("committed");
                let found = if committed.is_dir() { files_in(&committed)? } else { Vec::new() };
                read_committed(found, &Folder::new(&committed, request.root), &mut tree)?;
                chained(&tree.files)?;
                if !alone {
                    current::read(&folder, request.root, &mut tree)?;
                }
                tree.refuse_empty(&folder, "committed/<number>.sql and current.sql")?;
            }
            None => read_named(request.paths, request.root, &mut tree)?,
        }
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let mut applied = HashMap::new();
        for row in rows.unwrap_or_default().iter().enumerate() {
            applied.insert(value(row, 0, "no filename")?, value(row, 1, "no hash")?);
        }
        let newest = applied.keys().max().copied();
        let mut selection = Selection { newest: newest.map(stem).map(str::to_owned), ..Selection::default() };
        for (at, file) in tree.files.iter().enumerate() {
            let file_name = format!("{}.sql", file.version);
            match (applied.get(file_name.as_str()), newest) {
                _ if file.attribute(CURRENT).is_some() => selection.pending.push(at),
                (Some(was), _) => {
                    selection.applied.push(at);
                    selection.edited.extend((file.checksum.as_deref() != Some(*was)).then_some(at));
                }
                (None, Some(newest)) if file_name.as_str() < newest => selection.notes.push(format!(
                    "{}: not applied and older than {newest}, so graphile-migrate never runs it",
                    file.file().name
                )),
                (None, _) => selection.pending.push(at),
            }
        }
        Ok(selection)
    }

    fn cut(&self, tree: &MigrationTree, file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        settings::fill_in(tree, file, script)?.cut()
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        let mut notes = Vec::new();
        if file.attribute(CURRENT).is_some() {
            tree.refuse_byte_order_mark(file)?;
            notes.push(format!(
                "{}: not committed yet, so `graphile-migrate migrate` leaves it alone: rehearsed as {}.sql, which `commit` will make of it",
                source.name, file.version
            ));
        } else {
            verify(file)?;
        }
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let controls = kinds.iter().any(StatementKind::is_transaction_control);
        let opted_out = opts_out(body(file));
        let transaction = if opted_out {
            if kinds.len() > 1 {
                notes.push(format!(
                    "{}: a file without a transaction is sent as one string, which the server runs as one transaction all the same: graphile-migrate wants exactly one statement there",
                    source.name
                ));
            }
            sent_as_one_string(&kinds)
        } else {
            in_runners_transaction("graphile-migrate", source, cuts, &mut notes)
        };
        if !opted_out && let Some(line) = body(file).lines().position(opts_out) {
            let line = source.position(file.up.parts[0].start).line + line;
            notes.push(format!(
                "{}:{line}: `--! {NO_TRANSACTION}` only counts as the first line below the header: this file runs in a transaction",
                source.name
            ));
        }
        let history = history_write(file, tree.history_table(), !opted_out && !controls);
        Ok(Grouping { transaction, history: Some(history), notes })
    }

    fn write(&self, tree: &MigrationTree, replaced: &[Replacement]) -> Result<Option<Vec<File>>, String> {
        write::files(tree, replaced).map(Some)
    }
}

/// What is run of a file: all below its header.
fn body(file: &MigrationFile) -> &str {
    file.up.parts.first().map_or("", |part| &file.up.file.text[part.clone()])
}

fn opts_out(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let rest = line.strip_prefix("--!").and_then(|rest| rest.trim_start().strip_prefix(NO_TRANSACTION));
    rest.is_some_and(|rest| !rest.starts_with(|each: char| each.is_ascii_alphanumeric() || each == '_'))
}

fn history_write(file: &MigrationFile, table: &str, in_transaction: bool) -> HistoryWrite {
    let hash = literal(file.attribute(HASH).unwrap_or_default());
    let previous = file.attribute(PREVIOUS).map_or_else(|| "NULL".to_owned(), literal);
    let file_name = literal(&format!("{}.sql", file.version));
    HistoryWrite {
        table: table.to_owned(),
        applied: vec![format!(
            "insert into {table}(hash, previous_hash, filename) values ({hash}, {previous}, {file_name})"
        )],
        in_transaction,
        undo: vec![format!("delete from {table} where hash = {hash}")],
        ..HistoryWrite::default()
    }
}

/// Whether a committed file is what its header says it is.
fn verify(file: &MigrationFile) -> Result<(), MigrationError> {
    let content = |reason: String| MigrationError::Content { file: file.file().name.clone(), line: 1, reason };
    let matches = file.checksum.as_deref() == file.attribute(HASH);
    match file.attribute(MAY_DIFFER) {
        None if !matches => Err(content(format!(
            "the header's hash is not that of the text, which is {}: graphile-migrate refuses to run it; `graphile-migrate uncommit` and commit it again",
            file.checksum.as_deref().unwrap_or_default()
        ))),
        Some(_) if matches => {
            Err(content("the hash is right and `--! AllowInvalidHash` says it is not: take that line out".to_owned()))
        }
        _ => Ok(()),
    }
}

/// SHA-1 over the previous hash and the text.
fn hash(previous: Option<&str>, text: &str) -> String {
    let chained = format!("{}\n{}", previous.unwrap_or_default(), text.trim());
    format!("sha1:{}", hex(&Sha1::digest(format!("{}\n", chained.trim()))))
}

/// The number in a name of the form `<number>[-<slug>].sql`, and the slug.
fn parse_name(file_name: &str) -> Option<(&str, &str)> {
    let stem = file_name.strip_suffix(".sql")?;
    let digits = stem.len() - stem.trim_start_matches(|each: char| each.is_ascii_digit()).len();
    let (number, slug) = stem.split_at(digits);
    let is_slug = slug.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '-' | '_'));
    (digits > 0 && is_slug && (slug.is_empty() || slug.starts_with('-')))
        .then(|| (number, slug.strip_prefix('-').unwrap_or_default()))
}

fn stem(file_name: &str) -> &str {
    file_name.strip_suffix(".sql").unwrap_or(file_name)
}

/// Header lines of a file, `--! Key: value`, and where what is below them begins.
fn header(text: &str) -> (BTreeMap<&str, &str>, usize) {
    let mut found = BTreeMap::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let Some(rest) =
            content.strip_prefix("--! ").filter(|rest| rest.starts_with(|each: char| each.is_ascii_uppercase()))
        else {
            break;
        };
        let length = rest.find(|each: char| !each.is_ascii_alphanumeric() && each != '_').unwrap_or(rest.len());
        let (key, value) = rest.split_at(length);
        if content.contains('\r') || !(value.is_empty() || value.starts_with(':')) {
            break;
        }
        found.insert(key, value.trim_start_matches(':').trim());
        at += line.len();
    }
    (found, at)
}

/// A script of what stands in `text` from `start` on, without whitespace around it.
fn below(file: &Arc<SourceFile>, start: usize) -> Script {
    let rest = &file.text[start..];
    let start = start + rest.len() - rest.trim_start().len();
    let rest = start..start.max(file.text.trim_end().len());
    Script { file: Arc::clone(file), parts: Vec::from([rest]) }
}

fn read_committed(
    found: Vec<(String, PathBuf)>,
    folder: &Folder,
    tree: &mut MigrationTree,
) -> Result<(), MigrationError> {
    let mut files = Vec::new();
    for (file_name, path) in found {
        match parse_name(&file_name) {
            Some(_) => {
                let (source, byte_order_mark) = folder.read(&file_name, &path)?;
                files.push(committed(&file_name, source, byte_order_mark)?);
            }
            None if file_name.ends_with(".sql") => {
                tree.notes
                    .push(format!("{file_name}: passed over as graphile-migrate does: not named <number>-<name>.sql"));
            }
            None => {}
        }
    }
    let mut files: Vec<_> = files.into_iter().map(|file| (format!("{}.sql", file.version), file)).collect();
    super::sort_by_version(&mut files)?;
    tree.files.extend(files.into_iter().map(|(_, file)| file));
    Ok(())
}

fn committed(file_name: &str, source: Arc<SourceFile>, byte_order_mark: bool) -> Result<MigrationFile, MigrationError> {
    let content =
        |reason: &str| MigrationError::Content { file: source.name.clone(), line: 1, reason: reason.to_owned() };
    let (header, end) = header(&source.text);
    if byte_order_mark || !(source.text[end..].starts_with('\n') || source.text.len() == end) {
        return Err(content(
            "graphile-migrate wants header lines and an empty line below them, with line feeds alone: `path/to/committed/*.sql -text` in .gitattributes keeps git from changing line ends",
        ));
    }
    let Some(previous) = header.get("Previous").filter(|previous| !previous.is_empty()) else {
        return Err(content("there is no `--! Previous:` line, without which graphile-migrate stops"));
    };
    let Some(declared) = header.get("Hash").filter(|hash| !hash.is_empty()) else {
        return Err(content("there is no `--! Hash:` line, without which graphile-migrate stops"));
    };
    let previous = (*previous != "-").then(|| (*previous).to_owned());
    let up = below(&source, end);
    let checksum = hash(previous.as_deref(), &source.text[end..]);
    let mut attributes = BTreeMap::from([(HASH.to_owned(), (*declared).to_owned())]);
    attributes.extend(previous.map(|previous| (PREVIOUS.to_owned(), previous)));
    attributes.extend(header.contains_key(MAY_DIFFER).then(|| (MAY_DIFFER.to_owned(), String::new())));
    let (number, slug) = parse_name(file_name).unwrap_or_default();
    let name = header.get("Message").map_or_else(|| slug.to_owned(), |message| (*message).to_owned());
    let version = number.to_owned();
    Ok(MigrationFile { version, name, up, down: None, checksum: Some(checksum), byte_order_mark, attributes })
}

/// Each file names the hash of the one before it.
fn chained(files: &[MigrationFile]) -> Result<(), MigrationError> {
    let mut before: Option<&MigrationFile> = None;
    for file in files {
        let expected = before.and_then(|before| before.attribute(HASH));
        if file.attribute(PREVIOUS) != expected {
            return Err(MigrationError::Content {
                file: file.file().name.clone(),
                line: 1,
                reason: format!(
                    "the migration before it is to have the hash {}, and {}: graphile-migrate stops at a broken chain; \
                     after a merge, `uncommit` the later one and commit it again",
                    file.attribute(PREVIOUS).unwrap_or("-"),
                    before.map_or_else(
                        || "there is none".to_owned(),
                        |before| format!("{} has {}", before.file().name, expected.unwrap_or("-"))
                    )
                ),
            });
        }
        before = Some(file);
    }
    Ok(())
}

/// Files named one by one need not be all there are: their chain is not looked at.
fn read_named(paths: &[PathBuf], root: &Path, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    let mut current = None;
    for path in paths {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let directory = super::site::parent(path);
        let folder = Folder::new(&directory, root);
        if file_name == "current.sql" {
            current = Some(directory);
        } else if parse_name(&file_name).is_some() {
            read_committed(vec![(file_name, path.clone())], &folder, tree)?;
        } else {
            let reason = "graphile-migrate has no such file: committed ones are named <number>-<name>.sql".to_owned();
            return Err(MigrationError::FileName { file: file_name, reason });
        }
    }
    tree.files.sort_by(|left, right| left.version.cmp(&right.version));
    match current {
        Some(directory) => current::read(&directory, root, tree),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "graphile_migrate/tests.rs"]
mod tests;
