//! Migrations written in code: what their tool sent, as the log of a server tells it, becomes migrations that can be run
//! statement by statement.

mod books;
pub mod log;
mod units;

use super::script::words::words;
use super::script::{self, StatementKind, kind, mask_literals};
use super::{Connection, HistoryWrite, Migration, SourceFile, Statement, TransactionMode};
use books::Noted;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use units::{Step, Unit};

/// The name of what is made here, where others have their layout's.
pub const LAYOUT: &str = "command";

/// A command of the project's own, which runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// For `sh -c`.
    pub line: String,
    /// The variables that get the copy's address, beside those of PostgreSQL's own programs.
    pub variables: Vec<String>,
    /// The address, with `{role}`, `{database}`, `{host}` and `{port}`.
    pub url: String,
    /// Where it runs.
    pub directory: PathBuf,
}

/// As libpq and most drivers take it: a unix socket in a private folder.
pub const URL: &str = "postgresql://{role}@/{database}?host={host}&port={port}";

/// A text that a session sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    /// When, in milliseconds since some moment.
    pub at_ms: f64,
    /// Which session, in the server's own spelling.
    pub session: String,
    /// As it was sent, parameters as `$n`.
    pub sql: String,
    /// Values of `$1` and on, as literals.
    pub parameters: Vec<String>,
    /// The SQLSTATE with which it was refused.
    pub refused: Option<String>,
}

/// What a command did, to be done again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// What makes the tool's own history table.
    pub setup: Vec<String>,
    /// In the order they ran.
    pub migrations: Vec<Migration>,
    /// From when a statement was sent to when the end of its transaction was, in milliseconds, by its index: what a program
    /// does in between keeps locks.
    pub open_ms: BTreeMap<usize, f64>,
}

/// What is known beside the log.
pub struct Circumstances<'a> {
    /// The command failed: what the server refused last is what ended it.
    pub failed: bool,
    /// Functions that may do something, by their bare names.
    pub volatile: &'a BTreeSet<String>,
    /// Show values in statements that change rows.
    pub show_values: bool,
    /// The version the tool named last, for what it did not come to note down.
    pub last_named: Option<&'a str>,
    /// The file that holds a version, for people.
    pub file_of: &'a dyn Fn(&str) -> Option<String>,
}

/// Why what was sent cannot be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Two sessions changed something at the same time.
    #[error("it changes the database from two sessions at the same time, in `{first}` and `{second}`")]
    AtOnce {
        /// The statement of the one, without values.
        first: String,
        /// The statement of the other.
        second: String,
    },
    /// Rows that are in no log.
    #[error("`{statement}` streams rows that the server does not log")]
    Streamed {
        /// The statement, without values.
        statement: String,
    },
    /// A text that cannot be told apart into statements.
    #[error("`{statement}` cannot be cut into statements")]
    Cut {
        /// The text, without values.
        statement: String,
    },
}

/// Statements of one version in one transaction.
#[derive(Debug, Default)]
struct Piece {
    unit: usize,
    in_transaction: bool,
    /// Opens and closes transactions itself.
    explicit: bool,
    statements: Vec<Written>,
    noted: Vec<Noted>,
    version: Option<String>,
}

/// The SQLSTATE of the refusal that ended the command if it failed: nothing came after it but what tidies up.
/// `volatile`: see [`Circumstances`].
pub fn ends_refused(sent: &[Sent], volatile: &BTreeSet<String>) -> Option<String> {
    units::refused_at_last(sent, volatile)?;
    sent.iter().rev().find_map(|each| each.refused.clone())
}

/// One of its statements.
#[derive(Debug)]
struct Written {
    /// As people see it.
    shown: String,
    /// As it is sent.
    sql: String,
    /// How long its transaction went on from there, in milliseconds.
    open_ms: Option<f64>,
}

/// Makes migrations of what was sent, in the order of the log.
///
/// Reads, transactions that were rolled back, and what was refused without an end to the whole have no effect and are
/// left out. A version ends with the row its tool writes about it.
///
/// # Errors
/// See [`RecordError`].
pub fn assemble(sent: &[Sent], known: &Circumstances<'_>) -> Result<Recorded, RecordError> {
    let units = units::units(sent, known.volatile, known.failed)?;
    let (session, units) = units::session_settings(units);
    let mut setup = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, unit) in units.into_iter().enumerate() {
        cut_into_versions(at, unit, known, &mut setup, &mut pieces);
    }
    name_versions(&mut pieces, known);
    let (migrations, open_ms) = migrations(as_one_script(pieces), &session, known);
    Ok(Recorded { setup, migrations, open_ms })
}

/// Adds the pieces of one transaction, or of statements that commit by themselves.
fn cut_into_versions(
    at: usize,
    unit: Unit,
    known: &Circumstances<'_>,
    setup: &mut Vec<String>,
    pieces: &mut Vec<Piece>,
) {
    let fresh = || Piece { unit: at, in_transaction: unit.transaction, ..Piece::default() };
    let mut piece = fresh();
    for Step { sql, at_ms } in unit.steps {
        if books::creates(&sql) {
            setup.push(sql);
        } else if let Some(noted) = books::noted(&sql) {
            piece.version = Some(noted.version.clone());
            piece.noted.push(noted);
            if piece.statements.iter().all(|each| units::is_setting_up(&each.sql)) {
                piece.statements.clear();
            }
            pieces.push(std::mem::replace(&mut piece, fresh()));
        } else {
            let open_ms = unit.ended_ms.map(|ended| ended - at_ms).filter(|open| open.is_finite());
            piece.statements.push(Written { shown: shown(&sql, known.show_values), sql, open_ms });
        }
    }
    if !piece.statements.is_empty() {
        pieces.push(piece);
    }
}

/// What people see of a statement: rows that a program writes may come from rows it has read.
fn shown(sql: &str, show_values: bool) -> String {
    let is_schema = match kind(sql) {
        StatementKind::CreateIndex { .. }
        | StatementKind::DropIndex { .. }
        | StatementKind::Reindex { .. }
        | StatementKind::AlterTable { .. }
        | StatementKind::AlterType { .. }
        | StatementKind::Set
        | StatementKind::SetLocal => true,
        StatementKind::Other(leading) => {
            ["CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE"].iter().any(|word| leading.starts_with(word))
                && leading != "CREATE TABLE"
                || leading == "CREATE TABLE" && !words(sql).iter().any(|word| word.is("AS") && word.depth == 0)
        }
        _ => false,
    };
    if is_schema || show_values { sql.to_owned() } else { mask_literals(sql) }
}

/// What a version did before its row belongs to it. A row that stands alone belongs to what came just before.
fn name_versions(pieces: &mut Vec<Piece>, known: &Circumstances<'_>) {
    let mut version: Option<String> = None;
    for piece in pieces.iter_mut().rev() {
        match &piece.version {
            Some(own) => version = Some(own.clone()),
            None => piece.version = version.clone().or_else(|| known.last_named.map(str::to_owned)),
        }
    }
    let mut at = 1;
    while at < pieces.len() {
        let [before, piece] = &pieces[at - 1..=at] else { break };
        let alone = piece.statements.is_empty() && in_unit(pieces, piece.unit) == 1;
        if alone && before.version == piece.version && before.noted.is_empty() {
            // Written on its own, once what it is about was over.
            let noted = pieces.remove(at).noted;
            pieces[at - 1].noted = noted.into_iter().map(|noted| Noted { afterwards: true, ..noted }).collect();
        } else {
            at += 1;
        }
    }
}

fn in_unit(pieces: &[Piece], unit: usize) -> usize {
    pieces.iter().filter(|piece| piece.unit == unit).count()
}

/// A version that runs in several transactions, and in nobody else's, is one script that opens and closes them itself.
fn as_one_script(pieces: Vec<Piece>) -> Vec<Piece> {
    let own = |piece: &Piece| in_unit(&pieces, piece.unit) == 1;
    let alone: Vec<bool> = pieces.iter().map(own).collect();
    let mut made: Vec<(bool, Piece)> = Vec::new();
    for (piece, alone) in pieces.into_iter().zip(alone) {
        match made.last_mut() {
            Some((true, last)) if alone && last.version == piece.version && last.noted.is_empty() => {
                let (first, second) = (std::mem::take(last).bracketed(), piece.bracketed());
                let statements = first.statements.into_iter().chain(second.statements).collect();
                *last = Piece { statements, explicit: true, ..second };
            }
            _ => made.push((alone, piece)),
        }
    }
    made.into_iter().map(|(_, piece)| piece).collect()
}

impl Piece {
    /// With its own `BEGIN` and `COMMIT`, if it runs in a transaction.
    fn bracketed(mut self) -> Self {
        if std::mem::take(&mut self.in_transaction) {
            let word = |word: &str| Written { shown: word.to_owned(), sql: word.to_owned(), open_ms: None };
            self.statements.insert(0, word("BEGIN"));
            self.statements.push(word("COMMIT"));
        }
        self
    }
}

fn migrations(
    pieces: Vec<Piece>,
    session: &[String],
    known: &Circumstances<'_>,
) -> (Vec<Migration>, BTreeMap<usize, f64>) {
    let mut open_ms = BTreeMap::new();
    let mut made: Vec<(usize, Migration)> = Vec::new();
    let mut index = 1;
    for piece in &pieces {
        let version = piece.version.clone().unwrap_or_else(|| LAYOUT.to_owned());
        // Two transactions of several versions each: the second would go on in the first.
        let runs_on = made
            .last()
            .is_some_and(|(unit, last)| last.transaction == TransactionMode::AllPending && *unit != piece.unit);
        let transaction = match (piece.in_transaction, in_unit(&pieces, piece.unit)) {
            _ if piece.explicit => TransactionMode::Explicit,
            (false, _) => TransactionMode::None,
            (true, 1) => TransactionMode::PerMigration,
            (true, _) if runs_on => TransactionMode::PerMigration,
            (true, _) => TransactionMode::AllPending,
        };
        let file = written_down(&version, made.len(), &piece.statements);
        let statements = number(&file, &piece.statements, index);
        let opened = statements.iter().zip(&piece.statements);
        open_ms.extend(opened.filter_map(|(statement, each)| Some((statement.index, each.open_ms?))));
        index += statements.len();
        let history = history(piece);
        if let Some((_, last)) = made.last_mut().filter(|(unit, last)| {
            *unit == piece.unit && last.transaction == TransactionMode::PerMigration && piece.in_transaction
        }) {
            last.version = format!("{} + {version}", last.version);
            last.statements.extend(statements);
            last.history = joined(last.history.take(), history);
            continue;
        }
        let migration = Migration {
            name: (known.file_of)(&version).unwrap_or_default(),
            version,
            layout: LAYOUT,
            transaction,
            connection: Connection::default(),
            session: session.to_vec(),
            statements,
            down: None,
            history,
        };
        made.push((piece.unit, migration));
    }
    (made.into_iter().map(|(_, migration)| migration).collect(), open_ms)
}

/// The statements of a piece as a file that is nowhere but in the report.
fn written_down(version: &str, at: usize, statements: &[Written]) -> Arc<SourceFile> {
    let text: String = statements.iter().map(|each| format!("{};\n", each.shown)).collect();
    let word: String =
        version.chars().map(|each| if each.is_alphanumeric() || "._-".contains(each) { each } else { '_' }).collect();
    let name = format!("recorded/{:02}_{word}.sql", at + 1);
    Arc::new(SourceFile { path: PathBuf::from(&name), name, text })
}

fn number(file: &Arc<SourceFile>, statements: &[Written], first: usize) -> Vec<Statement> {
    let mut start = 0;
    let number = |(at, Written { shown, sql, .. }): (usize, &Written)| {
        let span = start..start + shown.len();
        start = span.end + ";\n".len();
        let rendered = (shown != sql).then(|| sql.clone());
        Statement { index: first + at, file: Arc::clone(file), span, rendered }
    };
    statements.iter().enumerate().map(number).collect()
}

fn history(piece: &Piece) -> Option<HistoryWrite> {
    let first = piece.noted.first()?;
    Some(HistoryWrite {
        table: first.table.clone(),
        applied: piece.noted.iter().map(|noted| noted.sql.clone()).collect(),
        in_transaction: piece.in_transaction && !first.afterwards,
        undo: piece.noted.iter().rev().map(|noted| noted.undo.clone()).collect(),
        ..HistoryWrite::default()
    })
}

fn joined(first: Option<HistoryWrite>, second: Option<HistoryWrite>) -> Option<HistoryWrite> {
    match (first, second) {
        (Some(mut first), Some(second)) => {
            first.applied.extend(second.applied);
            first.undo = second.undo.into_iter().chain(first.undo).collect();
            Some(first)
        }
        (first, second) => first.or(second),
    }
}

/// The version a tool says it has come to, by what it wrote: Alembic, Django, Rails.
pub fn last_named(said: &str) -> Option<String> {
    said.lines()
        .filter_map(|line| {
            let word =
                |text: &str| text.split_whitespace().next().map(|word| word.trim_matches([',', ':', '.']).to_owned());
            let line = line.trim();
            if let Some((_, rest)) = line.split_once("Running upgrade ") {
                return word(rest.split_once("-> ")?.1);
            }
            if let Some((_, rest)) = line.split_once("Applying ") {
                return word(rest.trim_end_matches("OK").trim_end_matches('.'));
            }
            line.strip_prefix("== ").filter(|rest| rest.contains(": migrating")).and_then(word)
        })
        .next_back()
        .filter(|version| !version.is_empty())
}

/// A text on one line and without values, for messages.
fn told(sql: &str) -> String {
    let masked = mask_literals(sql);
    masked.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
