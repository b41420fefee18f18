//! The layout of Atlas: a directory sealed by `atlas.sum`, and revisions with a hash for each file.

use super::golang_migrate::LIB_PQ;
use super::writing::{File, below, verbatim};
use super::{
    ANY_TRANSACTION, Cut, Evidence, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site,
    Understands, files_in, found, literal, sqlite,
};
use crate::migration::history::{HistoryShape, Row, Selection, value};
use crate::migration::script::Dialect;
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, TransactionMode};
use std::collections::{BTreeMap, BTreeSet};

mod delimiter;
mod sum;

/// Atlas, its own format of versioned migrations, as `atlas migrate apply` runs them.
#[derive(Debug)]
pub struct Atlas;

const HISTORY: HistoryShape = HistoryShape {
    columns: &["version", "applied", "total", "error", "hash"],
    later: &[],
    foreign: &[],
    order: "version COLLATE \"C\"",
};

const TABLE: &str = "atlas_schema_revisions.atlas_schema_revisions";

/// The same where there are no schemas.
const BARE_TABLE: &str = "atlas_schema_revisions";

/// A row that is no migration.
const IDENTIFIER: &str = ".atlas_cloud_identifier";

/// Attributes of a file: a checkpoint holds the state of everything before it; how it asks to be run.
const CHECKPOINT: &str = "checkpoint";
const MODE: &str = "txmode";

/// Attribute of a tree: what `atlas.hcl` says about files that came late.
const ORDER: &str = "exec_order";

/// The values of a directive in the lines a file begins with. They count only when an empty line ends them.
fn directives<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for line in text.lines() {
        if !line.starts_with('#') && !line.starts_with("--") {
            return if line.is_empty() { found } else { Vec::new() };
        }
        found.extend(directive(line.trim_end(), name));
    }
    found
}

/// What follows `atlas:<name>` in a line.
fn directive<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let after = line.split_once("atlas:")?.1.strip_prefix(name)?;
    (after.is_empty() || after.starts_with(' ')).then(|| after.trim_start_matches(' '))
}

/// What others call `<version>_<title>.up.sql`: Atlas writes that too, for them to run.
fn is_for_another(name: &str) -> bool {
    name.ends_with(".up.sql") || name.ends_with(".down.sql")
}

/// Adds the migrations that stay as they are to those written anew, and the sum of all of them. `written`: versions that
/// are among `files` in another form.
pub(crate) fn complete(tree: &MigrationTree, written: &[&str], files: &mut Vec<File>) {
    let kept = tree.files.iter().filter(|file| !written.contains(&file.version.as_str()));
    files.extend(kept.map(|file| File { name: below(tree, file), text: verbatim(file) }));
    files.sort_by(|left, right| left.name.cmp(&right.name));
    files.push(File { name: sum::NAME.to_owned(), text: sum::write(files) });
}

impl Layout for Atlas {
    fn name(&self) -> &'static str {
        "atlas"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations"]
    }

    fn understands(&self) -> Understands {
        Understands { transaction: ANY_TRANSACTION, otherwise: "", out_of_order: true }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        if site.speaks_of_another(self.name()) || site.every_script(is_for_another) {
            return None;
        }
        if site.has(sum::NAME) && site.scripts().next().is_some() {
            return Some(Evidence::marker("atlas.sum is in the directory"));
        }
        site.tool_by_contents().map(|(_, why)| Evidence::contents(why))
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let Found { directory, files, folder } = found(self.name(), request, files_in)?;
        let settings = settings(&Site::new(request.paths)?)?;
        let in_schema = settings.get("revisions_schema").map(|schema| format!("{schema}.atlas_schema_revisions"));
        let by_default = match request.dialect() {
            Dialect::PostgreSql => in_schema.unwrap_or_else(|| TABLE.to_owned()),
            Dialect::Sqlite => BARE_TABLE.to_owned(),
        };
        let table = tree.keep_history(HISTORY, by_default);
        tree.create_history = match request.dialect() {
            Dialect::PostgreSql => create_history(&table),
            Dialect::Sqlite => vec![create_on_sqlite(&table)],
        };
        tree.attributes.extend(settings.get(ORDER).map(|order| (ORDER.to_owned(), order.clone())));
        for (file_name, path) in files.iter().filter(|(name, _)| name.ends_with(".sql")) {
            let (source, byte_order_mark) = folder.read(file_name, path)?;
            let stem = file_name.trim_end_matches(".sql");
            let (version, name) = stem.split_once('_').unwrap_or((stem, ""));
            let mut attributes = BTreeMap::new();
            attributes
                .extend(directives(&source.text, CHECKPOINT).first().map(|_| (CHECKPOINT.to_owned(), String::new())));
            let modes = directives(&source.text, MODE);
            attributes.extend((!modes.is_empty()).then(|| (MODE.to_owned(), modes.join(" "))));
            tree.files.push(MigrationFile {
                version: version.to_owned(),
                name: name.to_owned(),
                up: Script::whole(source),
                down: None,
                checksum: None,
                byte_order_mark,
                attributes,
            });
        }
        tree.refuse_empty(&directory, "files that end in .sql")?;
        tree.files.sort_by(|left, right| left.file().path.file_name().cmp(&right.file().path.file_name()));
        let mut sorted: Vec<&MigrationFile> = tree.files.iter().collect();
        sorted.sort_by(|left, right| left.version.cmp(&right.version));
        if let Some([first, second]) = sorted.windows(2).find(|pair| pair[0].version == pair[1].version) {
            return Err(MigrationError::DuplicateVersion {
                version: first.version.clone(),
                first: first.file().name.clone(),
                second: second.file().name.clone(),
            });
        }
        if tree.directory_given {
            let hashes = sum::verify(&directory.join(sum::NAME), &tree.files)?;
            for (file, hash) in tree.files.iter_mut().zip(hashes) {
                file.checksum = hash;
            }
        }
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let mut applied: BTreeMap<&str, &str> = BTreeMap::new();
        for row in rows.unwrap_or_default().iter().enumerate() {
            let version = value(row, 0, "no version")?;
            if version == IDENTIFIER {
                continue;
            }
            let (done, total) = (value(row, 1, "no applied")?, value(row, 2, "no total")?);
            if done != total {
                let because = row.1.get(3).and_then(Option::as_deref).filter(|error| !error.is_empty());
                let because = because.map_or_else(String::new, |error| format!(" ({error})"));
                let reason = format!(
                    "version {version} stopped after {done} of {total} statements{because}; Atlas would go on with the next one, which cannot be rehearsed: repair it, then correct its row in {}",
                    tree.history_table()
                );
                return Err(MigrationError::Refused { layout: self.name(), reason });
            }
            applied.insert(version, value(row, 4, "no hash")?);
        }
        let place = |at: &usize| &tree.files[*at];
        let is_checkpoint = |at: &usize| place(at).attribute(CHECKPOINT).is_some();
        let all = 0..tree.files.len();
        let (Some(oldest), Some(newest)) = (applied.keys().next(), applied.keys().next_back()) else {
            // A new database begins with the last checkpoint.
            let first = all.clone().rev().find(is_checkpoint).unwrap_or(0);
            return Ok(Selection { pending: (first..tree.files.len()).collect(), ..Selection::default() });
        };
        let mut selection = Selection { newest: Some((*newest).to_owned()), ..Selection::default() };
        let unsealed = |at: &usize| !applied.contains_key(place(at).version.as_str());
        let (late, fresh): (Vec<usize>, Vec<usize>) = all
            .clone()
            .filter(|at| unsealed(at) && !is_checkpoint(at))
            .partition(|at| place(at).version.as_str() < *newest);
        // What is older than everything applied was there before Atlas.
        let late: Vec<usize> = late.into_iter().filter(|at| place(at).version.as_str() > *oldest).collect();
        let names = late.iter().map(|at| place(at).file().name.as_str()).collect::<Vec<_>>().join(", ");
        let order = match tree.options.out_of_order {
            Some(true) => "non_linear",
            Some(false) => "linear",
            None => tree.attributes.get(ORDER).map_or("linear", String::as_str),
        };
        match (late.is_empty(), order) {
            (true, _) => selection.pending = fresh,
            (_, "non_linear") => {
                selection.notes.push(format!("older than version {newest}, run all the same: {names}"));
                selection.pending = [late, fresh].concat();
            }
            (_, "linear_skip") => {
                selection.notes.push(format!("older than version {newest}, so Atlas never runs it: {names}"));
                selection.pending = fresh;
            }
            _ => {
                let reason = format!(
                    "older than version {newest}, which is applied already: {names}. Give it a newer version (`atlas migrate rebase`), or set `out_of_order` if --exec-order non-linear is given"
                );
                return Err(MigrationError::Refused { layout: self.name(), reason });
            }
        }
        // A hash covers all files before its own, so that only the first that differs is known to be edited, and only
        // where no file came in between.
        let edited = all.clone().take_while(|at| !unsealed(at)).find(|at| {
            let was = applied.get(place(at).version.as_str()).filter(|hash| !hash.is_empty());
            matches!((was, &place(at).checksum), (Some(was), Some(is)) if was != is)
        });
        selection.edited.extend(edited);
        selection.applied = all.filter(|at| !unsealed(at)).collect();
        Ok(selection)
    }

    fn cut(&self, tree: &MigrationTree, _file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        match delimiter::of(&script.file)? {
            Some(delimiter) => Ok(delimiter.cut(&script.file, tree.dialect())),
            None => super::cut::cut(script, tree.dialect()),
        }
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        if !cuts.is_empty() {
            tree.refuse_byte_order_mark(file)?;
        }
        let transaction = mode(tree, file)?;
        let mut notes = Vec::new();
        if tree.is_sqlite() {
            let (transaction, in_transaction) = match transaction {
                TransactionMode::None => (sqlite::one_by_one(source, cuts), false),
                mode => (mode, sqlite::within_runners("Atlas", source, cuts, &mut notes)),
            };
            let history = Some(history_write(tree, file, cuts.len(), in_transaction));
            return Ok(Grouping { transaction, history, notes });
        }
        let is_control = |cut: &Cut| cut.kind(source).is_transaction_control();
        let control = cuts.iter().position(is_control);
        if let Some(at) = control.filter(|_| transaction != TransactionMode::None) {
            let line = source.position(cuts[at].span.start).line;
            notes.push(format!(
                "{}:{line}: the script commits by itself, and Atlas's revision with it: `-- atlas:txmode none` leaves transactions to the script",
                source.name
            ));
        }
        let transaction = match (control, transaction) {
            (Some(0), _) | (Some(_), TransactionMode::None) => TransactionMode::Explicit,
            (_, transaction) => transaction,
        };
        let in_transaction = matches!(transaction, TransactionMode::PerMigration | TransactionMode::AllPending);
        let history = Some(history_write(tree, file, cuts.len(), in_transaction));
        Ok(Grouping { transaction, history, notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        // With SQLite it turns foreign keys off for its transactions, should the URL have turned them on.
        Connection { settings: if tree.is_sqlite() { "" } else { LIB_PQ }, ..Connection::default() }
    }
}

/// `--tx-mode`, and what the file says against it.
fn mode(tree: &MigrationTree, file: &MigrationFile) -> Result<TransactionMode, MigrationError> {
    let overall = tree.options.transaction.unwrap_or(TransactionMode::PerMigration);
    let wrong = |reason: String| {
        let name = file.file().name.clone();
        Err(MigrationError::Content { file: name, line: 1, reason })
    };
    match file.attribute(MODE) {
        None => Ok(overall),
        Some("all") if overall == TransactionMode::AllPending => Ok(overall),
        Some(mode @ ("none" | "file")) if overall == TransactionMode::AllPending => {
            wrong(format!("Atlas stops at `atlas:txmode {mode}` when everything runs in one transaction: remove it"))
        }
        Some("none") => Ok(TransactionMode::None),
        Some("file") => Ok(TransactionMode::PerMigration),
        Some(other) => wrong(format!("Atlas stops at `atlas:txmode {other}`: a file can say `none` or `file`, once")),
    }
}

/// The revision is there from the beginning and counts the statements; in a transaction nobody sees it grow.
fn history_write(tree: &MigrationTree, file: &MigrationFile, total: usize, in_transaction: bool) -> HistoryWrite {
    let table = tree.history_table();
    let (version, description) = (literal(&file.version), literal(&file.name));
    let hash = literal(file.checksum.as_deref().unwrap_or_default());
    let now = match tree.dialect() {
        Dialect::PostgreSql => "now()",
        Dialect::Sqlite => "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')",
    };
    let insert = |applied: usize| {
        format!(
            "INSERT INTO {table} (\"version\", \"description\", \"type\", \"applied\", \"total\", \"executed_at\", \
             \"execution_time\", \"error\", \"error_stmt\", \"hash\", \"partial_hashes\", \"operator_version\") \
             VALUES ({version}, {description}, 2, {applied}, {total}, {now}, 0, '', '', {hash}, 'null', 'Atlas CLI') \
             ON CONFLICT (\"version\") DO UPDATE SET \"applied\" = excluded.\"applied\""
        )
    };
    HistoryWrite {
        table: table.to_owned(),
        begun: if in_transaction { Vec::new() } else { vec![insert(0)] },
        applied: vec![insert(total)],
        in_transaction,
        undo: vec![format!("DELETE FROM {table} WHERE version = {version}")],
        ..HistoryWrite::default()
    }
}

fn create_on_sqlite(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (`version` text NOT NULL, `description` text NOT NULL, \
         `type` integer NOT NULL DEFAULT 2, `applied` integer NOT NULL DEFAULT 0, `total` integer NOT NULL DEFAULT 0, \
         `executed_at` datetime NOT NULL, `execution_time` integer NOT NULL, `error` text NULL, `error_stmt` text NULL, \
         `hash` text NOT NULL, `partial_hashes` json NULL, `operator_version` text NOT NULL, PRIMARY KEY (`version`))"
    )
}

fn create_history(table: &str) -> Vec<String> {
    let schema = table.rsplit_once('.').map(|(schema, _)| format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {table} (\"version\" character varying NOT NULL, \
         \"description\" character varying NOT NULL, \"type\" bigint NOT NULL DEFAULT 2, \
         \"applied\" bigint NOT NULL DEFAULT 0, \"total\" bigint NOT NULL DEFAULT 0, \
         \"executed_at\" timestamp with time zone NOT NULL, \"execution_time\" bigint NOT NULL, \"error\" text NULL, \
         \"error_stmt\" text NULL, \"hash\" character varying NOT NULL, \"partial_hashes\" jsonb NULL, \
         \"operator_version\" character varying NOT NULL, PRIMARY KEY (\"version\"))"
    );
    schema.into_iter().chain([create]).collect()
}

/// What the nearest `atlas.hcl` says once, or the same everywhere: it may hold several environments.
fn settings(site: &Site) -> Result<BTreeMap<String, String>, MigrationError> {
    let Some(path) = site.nearest("atlas.hcl") else { return Ok(BTreeMap::new()) };
    let text = read_text(&path)?;
    let mut settings: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if ["revisions_schema", ORDER].contains(&name.trim()) {
            let value = value.trim().trim_matches('"').to_lowercase().replace('-', "_");
            settings.entry(name.trim()).or_default().insert(value);
        }
    }
    let only = |(name, values): (&str, BTreeSet<String>)| {
        let value = values.first().filter(|_| values.len() == 1)?;
        // What a variable holds is not known here.
        let is_plain = value.chars().all(|character| character.is_alphanumeric() || character == '_');
        is_plain.then(|| (name.to_owned(), value.clone()))
    };
    Ok(settings.into_iter().filter_map(only).collect())
}

#[cfg(test)]
#[path = "atlas/tests.rs"]
mod tests;
