//! The layout of goose: both directions in one file, statements cut at lines that end in a semicolon.

use super::sections::{Broken, lines, trimmed};
use super::{
    Cut, Evidence, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands, files_in,
    found, sort_by_version, sqlite,
};
use crate::migration::history::{HistoryShape, Row, Selection, flag, value};
use crate::migration::script::{Dialect, ScriptErrorKind, StatementKind, split_in};
use crate::migration::{HistoryWrite, MigrationError, SourceFile, TransactionMode};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

mod interpolate;

/// goose 3, its SQL migrations.
#[derive(Debug)]
pub struct Goose;

const HISTORY: HistoryShape =
    HistoryShape { columns: &["version_id", "is_applied"], later: &[], foreign: &[], order: "id" };

/// Attribute of a tree: names of migrations that are Go code, with their versions.
const CODE: &str = "code";

/// Attribute of a file that opted out of its transaction.
const BARE: &str = "no_transaction";

/// The version a file name begins with; `None` where goose finds none.
fn version(file_name: &str) -> Option<(i64, &str)> {
    let (number, rest) = file_name.split_once('_')?;
    let number = number.parse().ok().filter(|number| *number > 0)?;
    Some((number, rest))
}

/// A line that speaks to goose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Annotation {
    Up,
    Down,
    StatementBegin,
    StatementEnd,
    NoTransaction,
    Substitute(bool),
}

impl Annotation {
    /// `None` for an ordinary line.
    fn of(line: &str) -> Option<Result<Self, String>> {
        if !line.trim_start().starts_with("--") || !line.contains("+goose") {
            return None;
        }
        let known = [
            ("Up", Self::Up),
            ("Down", Self::Down),
            ("StatementBegin", Self::StatementBegin),
            ("StatementEnd", Self::StatementEnd),
            ("NO TRANSACTION", Self::NoTransaction),
            ("ENVSUB ON", Self::Substitute(true)),
            ("ENVSUB OFF", Self::Substitute(false)),
        ];
        let words = line.replace("--", "").replacen("+goose", "", 1);
        let words = words.trim();
        if line.starts_with([' ', '\t']) {
            return Some(Err(format!("goose stops at whitespace before `{}`: remove it", line.trim())));
        }
        let found = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(words));
        Some(found.map(|(_, annotation)| annotation).ok_or_else(|| {
            let names = known.map(|(name, _)| name).join(", ");
            format!("goose does not know the annotation `{words}`: it knows {names}")
        }))
    }
}

impl Layout for Goose {
    fn name(&self) -> &'static str {
        "goose"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations", "db/migrations", "sql/schema", "internal/database/migrations"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "goose takes that from each file: `-- +goose NO TRANSACTION`",
            out_of_order: true,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        let (_, why) = site.tool_by_contents().filter(|(tool, _)| *tool == self.name())?;
        Some(match site.depends_on(&["pressly/goose"]) {
            Some(dependency) => Evidence::dependency(format!("{dependency}, {why}")),
            None => Evidence::contents(why),
        })
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let Found { directory, files, folder } = found(self.name(), request, files_in)?;
        let named = Site::new(request.paths)?.dotenv("GOOSE_TABLE");
        let table = tree.keep_history(HISTORY, named.unwrap_or_else(|| "goose_db_version".to_owned()));
        tree.create_history = create_history(&table, tree.dialect());
        let mut read = Vec::new();
        let mut code = Vec::new();
        for (file_name, path) in files {
            let is_sql = file_name.ends_with(".sql");
            match version(&file_name) {
                Some((version, _)) if file_name.ends_with(".go") && !file_name.ends_with("_test.go") => {
                    code.push(format!("{version} {file_name}"));
                }
                Some((version, rest)) if is_sql => {
                    let (source, marked) = folder.read(&file_name, &path)?;
                    let name = rest.trim_end_matches(".sql").to_owned();
                    read.push((version, migration(version, name, source, marked, &mut tree.notes)));
                }
                None if is_sql => tree.notes.push(format!(
                    "{file_name}: passed over as goose's library does, while its command would stop: no version above zero before `_`"
                )),
                _ => {}
            }
        }
        sort_by_version(&mut read)?;
        tree.files.extend(read.into_iter().map(|(_, file)| file));
        tree.attributes.insert(CODE.to_owned(), code.join("\n"));
        tree.refuse_empty(&directory, "files named <number>_<name>.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let applied = applied(rows.unwrap_or_default())?;
        let newest = applied.iter().max().copied().unwrap_or(0);
        let mut selection = Selection { newest: (newest > 0).then(|| newest.to_string()), ..Selection::default() };
        let mut older = Vec::new();
        for (at, file) in tree.files.iter().enumerate() {
            let version = file.version.parse().unwrap_or(0);
            if applied.contains(&version) {
                selection.applied.push(at);
                continue;
            }
            if version < newest {
                older.push(file.file().name.as_str());
            }
            selection.pending.push(at);
        }
        if !older.is_empty() && tree.options.out_of_order != Some(true) {
            return Err(MigrationError::Refused {
                layout: self.name(),
                reason: format!(
                    "older than version {newest}, which is applied already: {}. Give them newer versions, or set `out_of_order` if goose runs with -allow-missing",
                    older.join(", ")
                ),
            });
        }
        if !older.is_empty() {
            selection.notes.push(format!("older than version {newest}, run all the same: {}", older.join(", ")));
        }
        let code = tree.attributes.get(CODE).map_or("", String::as_str);
        let waiting = code.lines().filter_map(|line| line.split_once(' ')).filter(|(version, _)| {
            version.parse().is_ok_and(|version: i64| !applied.contains(&version)) && tree.directory_given
        });
        let waiting: Vec<&str> = waiting.map(|(_, name)| name).collect();
        match waiting.as_slice() {
            [] => Ok(selection),
            _ => Err(MigrationError::Refused {
                layout: self.name(),
                reason: format!(
                    "{} is pending and is Go code, which is not run here: apply it to the source first, or name the SQL files to rehearse one by one",
                    waiting.join(", ")
                ),
            }),
        }
    }

    fn cut(&self, tree: &MigrationTree, file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        Broken::refuse(file)?;
        let mut cuts = Vec::new();
        for chunk in interpolate::chunks(script, &tree.options.placeholders)? {
            let chunk = chunk.in_dialect(tree.dialect());
            let whole = trimmed(chunk.text(), 0..chunk.text().len());
            match chunk.cut() {
                Ok(several) if several.len() > 1 && file.attribute(BARE).is_some() && !tree.is_sqlite() => {
                    cuts.push(chunk.place(whole))
                }
                Ok(statements) => cuts.extend(statements),
                // Cut in the wrong place: that is what goose sends, and the server's to refuse.
                Err(MigrationError::Script { kind, .. }) if is_cut_off(&kind) => cuts.push(chunk.place(whole)),
                Err(error) => return Err(error),
            }
        }
        Ok(cuts)
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
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let control = kinds.iter().position(StatementKind::is_transaction_control);
        let is_bare = file.attribute(BARE).is_some();
        let torn = |cut: &&Cut| {
            let sql = cut.sql(source);
            split_in(sql, cut.dialect).is_err() || cut.dialect.is_sqlite() && sqlite::is_torn(sql)
        };
        let torn = cuts.iter().find(torn);
        let mut row_in_transaction = !is_bare && control.is_none();
        let transaction = match control {
            _ if tree.is_sqlite() && is_bare => sqlite::one_by_one(source, cuts),
            _ if tree.is_sqlite() => {
                let mut said = Vec::new();
                row_in_transaction = sqlite::within_runners("goose", source, cuts, &mut said);
                // The END of a trigger that is cut off ends no transaction.
                notes.extend(said.into_iter().filter(|_| torn.is_none()));
                TransactionMode::PerMigration
            }
            Some(0) => TransactionMode::Explicit,
            Some(_) if is_bare => TransactionMode::Explicit,
            None if is_bare => TransactionMode::None,
            _ => TransactionMode::PerMigration,
        };
        if let Some(at) = control.filter(|_| !is_bare && torn.is_none() && !tree.is_sqlite()) {
            let line = source.position(cuts[at].span.start).line;
            notes.push(format!(
                "{}:{line}: the script commits by itself, so goose writes its history row outside the script's transaction",
                source.name
            ));
        }
        if let Some(cut) = torn {
            let line = source.position(cut.span.start).line;
            notes.push(format!(
                "{}:{line}: goose ends a statement at each line that ends in a semicolon: put this one between `-- +goose StatementBegin` and `-- +goose StatementEnd`",
                source.name
            ));
        }
        let table = tree.history_table();
        let version = &file.version;
        let max = if tree.is_sqlite() { "max" } else { "pg_catalog.max" };
        let history = HistoryWrite {
            table: table.to_owned(),
            applied: vec![format!("INSERT INTO {table} (version_id, is_applied) VALUES ({version}, true)")],
            in_transaction: row_in_transaction,
            // Rows of earlier ups and downs may stay.
            undo: vec![format!(
                "DELETE FROM {table} WHERE id = (SELECT {max}(id) FROM {table} WHERE version_id = {version})"
            )],
            ..HistoryWrite::default()
        };
        Ok(Grouping { transaction, history: Some(history), notes })
    }
}

/// Versions whose newest row says they are applied. The first row of all is version 0.
fn applied(rows: &[Row]) -> Result<HashSet<i64>, MigrationError> {
    let mut applied = HashSet::new();
    for row in rows.iter().enumerate() {
        let odd = |_| MigrationError::HistoryRow { row: row.0 + 1, reason: "version_id is not a whole number" };
        let version: i64 = value(row, 0, "no version_id")?.parse().map_err(odd)?;
        match flag(row, 1, "no is_applied", "is_applied is neither true nor false")? {
            true => applied.insert(version),
            false => applied.remove(&version),
        };
    }
    Ok(applied)
}

fn create_history(table: &str, dialect: Dialect) -> Vec<String> {
    let columns = match dialect {
        Dialect::PostgreSql => {
            "id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,\n    version_id bigint NOT NULL,\n    \
             is_applied boolean NOT NULL,\n    tstamp timestamp NOT NULL DEFAULT now()"
        }
        Dialect::Sqlite => {
            "id INTEGER PRIMARY KEY AUTOINCREMENT,\n    version_id INTEGER NOT NULL,\n    \
             is_applied INTEGER NOT NULL,\n    tstamp TIMESTAMP DEFAULT (datetime('now'))"
        }
    };
    vec![
        "BEGIN".to_owned(),
        format!("CREATE TABLE {table} (\n    {columns}\n)"),
        format!("INSERT INTO {table} (version_id, is_applied) VALUES (0, true)"),
        "COMMIT".to_owned(),
    ]
}

fn is_cut_off(kind: &ScriptErrorKind) -> bool {
    matches!(
        kind,
        ScriptErrorKind::UnterminatedComment
            | ScriptErrorKind::UnterminatedString
            | ScriptErrorKind::UnterminatedIdentifier
            | ScriptErrorKind::UnterminatedQuote(_)
            | ScriptErrorKind::UnterminatedDollarQuote(_)
    )
}

fn migration(
    version: i64,
    name: String,
    source: Arc<SourceFile>,
    byte_order_mark: bool,
    notes: &mut Vec<String>,
) -> MigrationFile {
    let mut parsed = Parsed::default();
    let mut broken = parsed.parse(&source.text).err();
    if byte_order_mark {
        let reason = "begins with a byte order mark, at which goose stops: save the file without it".to_owned();
        broken = Some(Broken { offset: 0, reason });
    }
    if let Some(offset) = parsed.torn_down {
        let line = source.position(offset).line;
        notes.push(format!(
            "{}:{line}: goose refuses to run Down, since no line ends this with a semicolon",
            source.name
        ));
    }
    let down = (parsed.has_down && parsed.torn_down.is_none())
        .then(|| Script { file: Arc::clone(&source), parts: parsed.down });
    let mut file = MigrationFile {
        version: version.to_string(),
        name,
        up: Script { file: source, parts: parsed.up },
        down,
        checksum: None,
        byte_order_mark,
        attributes: BTreeMap::new(),
    };
    if parsed.is_bare {
        file.attributes.insert(BARE.to_owned(), "true".to_owned());
    }
    if let Some(broken) = broken {
        broken.mark(&mut file);
    }
    file
}

/// What a file holds: each range is what goose takes for one statement.
#[derive(Debug, Default)]
struct Parsed {
    up: Vec<Range<usize>>,
    down: Vec<Range<usize>>,
    has_down: bool,
    is_bare: bool,
    /// Where a last statement begins, going down, that no line ends.
    torn_down: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    In { down: bool, block: bool },
}

impl Parsed {
    fn parse(&mut self, text: &str) -> Result<(), Broken> {
        let mut state = State::Start;
        let mut open: Option<usize> = None;
        let unfinished = |open: &mut Option<usize>, end: usize| {
            open.take()
                .map(|start| trimmed(text, start..end))
                .filter(|range| !range.is_empty())
                .map(|range| range.start)
        };
        for (at, line) in lines(text) {
            let stop = |reason: &str| Err(Broken { offset: at, reason: reason.to_owned() });
            let annotation = Annotation::of(line).transpose().map_err(|reason| Broken { offset: at, reason })?;
            match (annotation, state) {
                (Some(Annotation::Up), State::Start) => state = State::In { down: false, block: false },
                (Some(Annotation::Up), _) => return stop("a second `-- +goose Up`: goose allows one"),
                (Some(Annotation::Down), State::In { down: false, block: false }) => {
                    if let Some(offset) = unfinished(&mut open, at) {
                        return Err(missing_semicolon(offset));
                    }
                    self.has_down = true;
                    state = State::In { down: true, block: false };
                }
                (Some(Annotation::Down), _) => return stop("`-- +goose Down` has to follow `-- +goose Up` once"),
                (Some(Annotation::StatementBegin), State::In { down, block: false }) => {
                    state = State::In { down, block: true };
                }
                (Some(Annotation::StatementBegin), _) => {
                    return stop("`-- +goose StatementBegin` has to stand below Up or Down, and not within another");
                }
                (Some(Annotation::StatementEnd), State::In { down, block: true }) => {
                    let range = open.take().map(|start| trimmed(text, start..at));
                    self.side(down).extend(range.filter(|range| !range.is_empty()));
                    state = State::In { down, block: false };
                }
                (Some(Annotation::StatementEnd), _) => {
                    return stop("`-- +goose StatementEnd` without `-- +goose StatementBegin`");
                }
                (Some(Annotation::NoTransaction), _) => self.is_bare = true,
                (Some(Annotation::Substitute(_)), _) => {}
                (None, _) if open.is_none() && (line.is_empty() || line.trim_start().starts_with("--")) => {}
                (None, State::Start) if line.trim().is_empty() => {}
                (None, State::Start) => return stop("goose expects `-- +goose Up` before any statement"),
                (None, State::In { down, block }) => {
                    let start = *open.get_or_insert(at);
                    if !block && ends_statement(line) {
                        self.side(down).push(trimmed(text, start..at + line.len()));
                        open = None;
                    }
                }
            }
        }
        match state {
            State::Start => {
                Err(Broken { offset: 0, reason: "goose stops at a file without `-- +goose Up`: add it".to_owned() })
            }
            State::In { block: true, .. } => {
                let offset = open.unwrap_or(text.len());
                Err(Broken { offset, reason: "no `-- +goose StatementEnd` ends this: add it".to_owned() })
            }
            State::In { down: false, .. } => match unfinished(&mut open, text.len()) {
                Some(offset) => Err(missing_semicolon(offset)),
                None => Ok(()),
            },
            State::In { down: true, .. } => {
                self.torn_down = unfinished(&mut open, text.len());
                Ok(())
            }
        }
    }

    fn side(&mut self, down: bool) -> &mut Vec<Range<usize>> {
        if down { &mut self.down } else { &mut self.up }
    }
}

fn missing_semicolon(offset: usize) -> Broken {
    let reason = "no line ends this statement with a semicolon, at which goose stops: add one".to_owned();
    Broken { offset, reason }
}

/// Whether the last word before a comment ends in a semicolon. goose knows of no strings here.
fn ends_statement(line: &str) -> bool {
    let words = line.split_whitespace().take_while(|word| !word.starts_with("--"));
    words.last().is_some_and(|word| word.ends_with(';'))
}

#[cfg(test)]
#[path = "goose/tests.rs"]
mod tests;
