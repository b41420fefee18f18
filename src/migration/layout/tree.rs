//! What a layout finds on disk, before anybody looks at a database.

use crate::migration::history::HistoryShape;
use crate::migration::script::Dialect;
use crate::migration::{MigrationError, SourceFile, TransactionMode};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the user decides about a layout where its tool takes that from its command line or from code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayoutOptions {
    /// A regular expression over file names, with the groups `version`, `name` and `direction`.
    pub pattern: Option<String>,
    /// The runner's history table, if it is not called what it is called by default.
    pub history_table: Option<String>,
    /// Values of placeholders in scripts.
    pub placeholders: BTreeMap<String, String>,
    /// How the runner was told to group migrations.
    pub transaction: Option<TransactionMode>,
    /// Whether the runner was told to run what is older than the newest applied migration.
    pub out_of_order: Option<bool>,
    /// Whose SQL it is, and so which of a tool's drivers runs it. The engine of the source decides.
    pub dialect: Dialect,
}

/// Which of the user's decisions mean anything to a tool.
#[derive(Debug, Clone, Copy)]
pub struct Understands {
    /// What `transaction` may be.
    pub transaction: &'static [TransactionMode],
    /// Why it is nothing else, and where the tool takes it from.
    pub otherwise: &'static str,
    /// Whether it can be told what becomes of files older than the newest applied migration.
    pub out_of_order: bool,
}

/// Every way of grouping that can be asked for.
pub(crate) const ANY_TRANSACTION: &[TransactionMode] =
    &[TransactionMode::PerMigration, TransactionMode::None, TransactionMode::AllPending];

impl Understands {
    /// Refuses what means nothing to the tool, which would be passed over otherwise.
    ///
    /// # Errors
    /// A decision it does not leave to anybody.
    pub fn check(&self, layout: &'static str, options: &LayoutOptions) -> Result<(), MigrationError> {
        let refuse = |option, reason: String| Err(MigrationError::Option { layout, option, reason });
        if options.transaction.is_some_and(|asked| !self.transaction.contains(&asked)) {
            return refuse("transaction", self.otherwise.to_owned());
        }
        if options.out_of_order.is_some() && !self.out_of_order {
            let reason = "what becomes of files older than the newest applied one is not for anybody to choose there: take it out";
            return refuse("out_of_order", reason.to_owned());
        }
        Ok(())
    }
}

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Files, or directories; never empty, all there.
    pub paths: &'a [PathBuf],
    /// What names of files are relative to.
    pub root: &'a Path,
    /// What the user decides.
    pub options: &'a LayoutOptions,
}

impl Request<'_> {
    /// Whose SQL the scripts are.
    pub fn dialect(&self) -> Dialect {
        self.options.dialect
    }
}

/// Everything a layout found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationTree {
    /// Layout's name as in `--layout`.
    pub layout: &'static str,
    /// Why this layout was chosen, for people; `None` when it was asked for.
    pub detected: Option<String>,
    /// The one directory that was read, if it was one.
    pub directory: Option<PathBuf>,
    /// A directory was among the paths. Without a readable history its files may only be applied to an empty source.
    pub directory_given: bool,
    /// In the order the runner applies them.
    pub files: Vec<MigrationFile>,
    /// The file in which the tool keeps the order of its migrations (a journal, a plan), where there is one.
    pub listing: Option<Arc<SourceFile>>,
    /// The runner's history table as the runner spells it, and what it looks like; `None` for a layout without history.
    pub history: Option<(String, HistoryShape)>,
    /// What its configuration has it send on every session before the scripts, each on its own.
    pub session: Vec<String>,
    /// What the runner runs before anything else, each on its own.
    pub setup: Vec<String>,
    /// What it runs then where its history table is missing.
    pub create_history: Vec<String>,
    /// The runner's own configuration, as its layout read it; nobody else looks here.
    pub attributes: BTreeMap<String, String>,
    /// What the user decides.
    pub options: LayoutOptions,
    /// What people should know about how the files were read.
    pub notes: Vec<String>,
}

impl MigrationTree {
    /// Nothing found yet.
    pub fn new(layout: &'static str, request: &Request<'_>) -> Self {
        Self {
            layout,
            directory: match request.paths {
                [directory] if directory.is_dir() => Some(directory.clone()),
                _ => None,
            },
            directory_given: request.paths.iter().any(|path| path.is_dir()),
            options: request.options.clone(),
            ..Self::default()
        }
    }

    /// Says which table the history is in, if the user has not decided, and what it looks like. Its name.
    pub fn keep_history(&mut self, shape: HistoryShape, by_default: impl Into<String>) -> String {
        let table = self.options.history_table.clone().unwrap_or_else(|| by_default.into());
        self.history = Some((table.clone(), shape));
        table
    }

    /// Whose SQL its scripts are.
    pub fn dialect(&self) -> Dialect {
        self.options.dialect
    }

    /// Whether SQLite runs it.
    pub fn is_sqlite(&self) -> bool {
        self.dialect().is_sqlite()
    }

    /// For a tool that sends a byte order mark along, at which PostgreSQL's server stops; SQLite passes over it.
    ///
    /// # Errors
    /// There is one.
    pub fn refuse_byte_order_mark(&self, file: &MigrationFile) -> Result<(), MigrationError> {
        if !file.byte_order_mark || self.is_sqlite() {
            return Ok(());
        }
        Err(MigrationError::ByteOrderMark { file: file.file().name.clone(), layout: self.layout })
    }

    /// Refuses a place where the tool finds nothing, which may be one level too high. `wanted` is what was looked for.
    ///
    /// # Errors
    /// There are no migrations.
    pub fn refuse_empty(&self, directory: &Path, wanted: &str) -> Result<(), MigrationError> {
        if !self.files.is_empty() {
            return Ok(());
        }
        Err(MigrationError::NoMigrations { path: directory.to_owned(), hint: super::hint(directory, wanted) })
    }

    /// The history table's name, as SQL.
    pub fn history_table(&self) -> &str {
        self.history.as_ref().map_or("", |(table, _)| table)
    }
}

/// The part of a file that runs in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Byte ranges of its text, in order. No statement reaches from one into the next.
    pub parts: Vec<Range<usize>>,
}

impl Script {
    /// All of a file.
    pub fn whole(file: Arc<SourceFile>) -> Self {
        let all = 0..file.text.len();
        Self { file, parts: Vec::from([all]) }
    }
}

/// One migration on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// The runner's version, or the file name where there is none.
    pub version: String,
    /// The description part of the name.
    pub name: String,
    /// What applies it.
    pub up: Script,
    /// The hand-written script that undoes it.
    pub down: Option<Script>,
    /// The runner's checksum, spelled as in its history table.
    pub checksum: Option<String>,
    /// A byte order mark stands before the text.
    pub byte_order_mark: bool,
    /// What else its layout read about it (header lines, a file beside it); nobody else looks here.
    pub attributes: BTreeMap<String, String>,
}

impl MigrationFile {
    /// The file that applies it.
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.up.file
    }

    /// An attribute its layout read.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}
