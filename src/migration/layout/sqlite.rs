//! What layouts share where SQLite runs the scripts: statements of one text commit one by one, and no transaction begins
//! within another.

use super::{Cut, MigrationError, MigrationTree, Site, SourceFile, TransactionMode};
use crate::migration::Connection;
use crate::migration::script::Dialect;
use crate::migration::script::sqlite::{SqliteStatement, kind};
use crate::migration::script::words::words_in;

/// What a connection is told on which foreign keys are enforced.
pub(crate) const FOREIGN_KEYS: &str = "PRAGMA foreign_keys = ON";

/// Attribute of a tree: the tool's SQLite enforces foreign keys unless a connection says otherwise.
const ENFORCED: &str = "foreign keys enforced";

/// Features with which crates bring a SQLite of their own, which `libsqlite3-sys` compiles with foreign keys on.
const BUNDLED: [&str; 6] =
    ["bundled", "bundled-full", "bundled-sqlcipher", "rusqlite-bundled", "sqlite-bundled", "sqlite3-bundled"];

/// For a tool written in Rust that says nothing of foreign keys itself: whether they are enforced is its SQLite's default.
pub(crate) fn note_bundled(tree: &mut MigrationTree, site: &Site, tool: &str) {
    let found = if tree.is_sqlite() { site.depends_on_in("Cargo.toml", &BUNDLED) } else { None };
    if let Some(why) = found {
        tree.notes.push(format!(
            "{why}: the SQLite that {tool} brings with it enforces foreign keys, and so they are enforced here"
        ));
        tree.attributes.insert(ENFORCED.to_owned(), "true".to_owned());
    }
}

/// How a tool connects of which [`note_bundled`] found out.
pub(crate) fn connection(tree: &MigrationTree) -> Connection {
    let settings = if tree.attributes.contains_key(ENFORCED) { FOREIGN_KEYS } else { "" };
    Connection { settings, ..Connection::default() }
}

/// What is open after some statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Transaction,
    /// A savepoint outside any transaction begins one, which ends when it is released.
    Savepoint(String),
}

/// Where a script begins and ends transactions: places among its cuts.
#[derive(Debug, Default)]
struct Followed {
    open: Open,
    /// The last that begins one.
    begun: Option<usize>,
    /// The first `BEGIN` within a transaction.
    nested: Option<usize>,
    /// The first that ends one.
    ended: Option<usize>,
}

fn follow(source: &SourceFile, cuts: &[Cut], open: Open) -> Followed {
    let mut followed = Followed { open, ..Followed::default() };
    for (at, cut) in cuts.iter().enumerate() {
        match (kind(cut.sql(source)), &followed.open) {
            (SqliteStatement::Begin, Open::Nothing) => {
                followed.open = Open::Transaction;
                followed.begun = Some(at);
            }
            (SqliteStatement::Savepoint { name }, Open::Nothing) => {
                followed.open = Open::Savepoint(name);
                followed.begun = Some(at);
            }
            (SqliteStatement::Begin, _) => {
                followed.nested = followed.nested.or(Some(at));
            }
            (SqliteStatement::Commit | SqliteStatement::Rollback, _) => {
                followed.open = Open::Nothing;
                followed.ended = followed.ended.or(Some(at));
            }
            (SqliteStatement::Release { name }, Open::Savepoint(outermost)) if name.eq_ignore_ascii_case(outermost) => {
                followed.open = Open::Nothing;
                followed.ended = followed.ended.or(Some(at));
            }
            _ => {}
        }
    }
    followed
}

/// How statements run that no runner groups: each commits by itself, unless the script has transactions of its own.
pub(crate) fn one_by_one(source: &SourceFile, cuts: &[Cut]) -> TransactionMode {
    let followed = follow(source, cuts, Open::Nothing);
    match followed.begun.or(followed.ended) {
        Some(_) => TransactionMode::Explicit,
        None => TransactionMode::None,
    }
}

/// The same for a script behind which nobody would end what it leaves open.
///
/// # Errors
/// A transaction that is begun and never ended.
pub(crate) fn own_transactions(source: &SourceFile, cuts: &[Cut]) -> Result<TransactionMode, MigrationError> {
    let followed = follow(source, cuts, Open::Nothing);
    match followed.begun.filter(|_| followed.open != Open::Nothing) {
        Some(at) => {
            let line = source.position(cuts[at].span.start).line;
            Err(MigrationError::UnclosedTransaction { file: source.name.clone(), line })
        }
        None => Ok(one_by_one(source, cuts)),
    }
}

/// Notes what a script does to the transaction its runner opens for it. Whether one is open when it has run: what the
/// runner sends next is part of that.
pub(crate) fn within_runners(runner: &str, source: &SourceFile, cuts: &[Cut], notes: &mut Vec<String>) -> bool {
    let followed = follow(source, cuts, Open::Transaction);
    let place = |at: usize| format!("{}:{}", source.name, source.position(cuts[at].span.start).line);
    let is_open = followed.open != Open::Nothing;
    if let Some(at) = followed.nested.filter(|at| followed.ended.is_none_or(|ended| ended > *at)) {
        notes.push(format!(
            "{}: {runner} opened a transaction, and SQLite begins none within another: it stops at this BEGIN. Take it out, and the COMMIT that belongs to it",
            place(at)
        ));
    } else if let Some(at) = followed.ended {
        notes.push(match is_open {
            true => format!("{}: the script ends the transaction {runner} opened, and begins another at its end", place(at)),
            false => format!(
                "{}: the script ends the transaction {runner} opened, so {runner}'s own COMMIT finds none and fails once the script has taken effect: begin another at the end of the script, or take this out",
                place(at)
            ),
        });
    }
    is_open
}

/// Whether a trigger was cut off before the END of its body, which follows a semicolon.
pub(crate) fn is_torn(sql: &str) -> bool {
    if !matches!(kind(sql), SqliteStatement::CreateTrigger { .. }) {
        return false;
    }
    let words = words_in(sql, Dialect::Sqlite);
    !matches!(words.as_slice(), [.., semicolon, end] if semicolon.text == ";" && end.is("END"))
}

#[cfg(test)]
#[path = "sqlite/tests.rs"]
mod tests;
