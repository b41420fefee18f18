//! What is pending: migrations, their statements with byte spans, and how the runner groups them.

pub mod git;
pub mod history;
pub mod layout;
pub mod recorded;
pub mod script;
pub mod source_file;

mod error;

pub use error::MigrationError;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file of SQL, read once. Every position in it is a byte offset into `text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// The name reports use: relative to the git root (or the working directory), with `/`.
    pub name: String,
    /// The whole text, a leading byte order mark removed.
    pub text: String,
}

/// A 1-based position for people: the only place where byte offsets become lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineColumn {
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
}

impl SourceFile {
    /// Line and column of a byte offset; an offset past the end is the end.
    pub fn position(&self, offset: usize) -> LineColumn {
        let before = &self.text[..self.text.floor_char_boundary(offset.min(self.text.len()))];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        LineColumn {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// How the runner groups a migration's statements. The report's names are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionMode {
    /// One transaction for each migration.
    PerMigration,
    /// Each statement commits by itself.
    None,
    /// One transaction for everything pending.
    AllPending,
    /// The script carries its own `BEGIN` and `COMMIT`.
    Explicit,
}

/// One statement of a migration, as a byte span into its file (terminating semicolon left out).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Counts from 1 over all pending statements in the order they run.
    pub index: usize,
    /// The file it stands in.
    pub file: Arc<SourceFile>,
    /// Bytes of `file.text`.
    pub span: Range<usize>,
    /// What the runner sends where that is not what the file says: its placeholders are filled in.
    pub rendered: Option<String>,
}

impl Statement {
    /// The statement's text, as the server gets it.
    pub fn sql(&self) -> &str {
        self.rendered.as_deref().unwrap_or(&self.file.text[self.span.clone()])
    }

    /// Position of its first byte.
    pub fn start(&self) -> LineColumn {
        self.file.position(self.span.start)
    }

    /// `file:line` of its first byte.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.name, self.start().line)
    }

    /// 1-based line of its last byte.
    pub fn end_line(&self) -> usize {
        self.file.position(self.span.end.saturating_sub(1)).line
    }
}

/// What the runner writes to its history table for one migration. Each entry is one complete SQL statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryWrite {
    /// The table it writes to, as the runner spells it.
    pub table: String,
    /// Other tables it writes to.
    pub others: Vec<String>,
    /// Before the script, committed by itself: `golang-migrate` marks itself dirty, Prisma notes that it began.
    pub begun: Vec<String>,
    /// Once the script has run.
    pub applied: Vec<String>,
    /// Whether `applied` belongs to the migration's own transaction, or is committed by itself afterwards.
    pub in_transaction: bool,
    /// After everything is committed.
    pub finished: Vec<String>,
    /// Brings the table back to what it held before.
    pub undo: Vec<String>,
}

/// How the runner connects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// A session of its own for each file, so that settings do not leak from one to the next.
    pub fresh_for_each: bool,
    /// What its driver sets on every session, whatever the role has; may be empty.
    pub settings: &'static str,
    /// What it sends after each migration; may be empty.
    pub reset: &'static str,
}

/// One pending migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The runner's version, or the file name where there is none.
    pub version: String,
    /// The description part of the name.
    pub name: String,
    /// Layout's name as in `--layout`.
    pub layout: &'static str,
    /// How the runner groups it.
    pub transaction: TransactionMode,
    /// How the runner connects.
    pub connection: Connection,
    /// What the tool's configuration has it send on every session, after [`Connection::settings`]; each on its own.
    pub session: Vec<String>,
    /// In the order they run.
    pub statements: Vec<Statement>,
    /// The hand-written script that undoes it, if the layout has one.
    pub down: Option<Down>,
    /// What the runner notes down.
    pub history: Option<HistoryWrite>,
}

/// The hand-written script that undoes a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// The file it stands in.
    pub file: Arc<SourceFile>,
    /// Byte offset of `file.text` where it begins: a file may hold both directions.
    pub start: usize,
    /// How the runner groups it.
    pub transaction: TransactionMode,
    /// Whether the runner takes its history row out in the script's own transaction.
    pub in_transaction: bool,
    /// In the order they run, numbered from 1 on their own.
    pub statements: Vec<Statement>,
}

impl Migration {
    /// The way back as its runner runs it: the script, then its history row goes. `None` without a script.
    pub fn way_back(&self) -> Option<Self> {
        let down = self.down.as_ref()?;
        let history = self.history.as_ref().map(|history| HistoryWrite {
            table: history.table.clone(),
            applied: history.undo.clone(),
            in_transaction: down.in_transaction,
            ..HistoryWrite::default()
        });
        Some(Self {
            transaction: down.transaction,
            statements: down.statements.clone(),
            down: None,
            history,
            ..self.clone()
        })
    }
}
