//! Everything that can be wrong with migrations before a server sees them.

use super::script::{ScriptError, ScriptErrorKind};
use super::source_file::SourceFileError;
use super::{LineColumn, SourceFile};
use std::path::PathBuf;

/// Migrations that cannot be read or rehearsed. All of these are wrong usage or configuration.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] SourceFileError),
    /// No path was given.
    #[error("no migrations given: name a file, several files, or a directory")]
    NothingGiven,
    /// A path that is not there.
    #[error("{path}: no such file or directory: check the spelling; paths are relative to the working directory, those in seatrial.toml to its folder", path = path.display())]
    Missing {
        /// As given.
        path: PathBuf,
    },
    /// A directory in which the layout finds no migration.
    #[error("{path}: no migrations here: {hint}", path = path.display())]
    NoMigrations {
        /// The directory.
        path: PathBuf,
        /// What was looked for, and the next step.
        hint: String,
    },
    /// Paths that the layout cannot take together.
    #[error("--layout {layout} takes {takes}")]
    Paths {
        /// Layout's name.
        layout: &'static str,
        /// What it does take.
        takes: &'static str,
    },
    /// A setting that means nothing to the layout, or cannot be met.
    #[error("`{option}` with layout {layout}: {reason}")]
    Option {
        /// Layout's name.
        layout: &'static str,
        /// As in the configuration.
        option: &'static str,
        /// Why, and the next step.
        reason: String,
    },
    /// A file without a single byte.
    #[error("{file}: the file is empty: write the migration or remove the file")]
    EmptyFile {
        /// The file's name for people.
        file: String,
    },
    /// A file given twice.
    #[error("{file}: given twice: name each file once")]
    Twice {
        /// The file's name for people.
        file: String,
    },
    /// A file name that makes the runner stop.
    #[error("{file}: {reason}")]
    FileName {
        /// The file's name for people.
        file: String,
        /// Why, and the next step.
        reason: String,
    },
    /// Two files that claim one version.
    #[error("version {version} belongs to both {first} and {second}: give one of them a version of its own")]
    DuplicateVersion {
        /// The runner's version.
        version: String,
        /// The earlier file.
        first: String,
        /// The later file.
        second: String,
    },
    /// A byte order mark that the runner would send to the server.
    #[error(
        "{file}:1: begins with a byte order mark, which {layout} sends to the server, where it is a syntax error: save the file without it"
    )]
    ByteOrderMark {
        /// The file's name for people.
        file: String,
        /// Layout's name.
        layout: &'static str,
    },
    /// The runner's own configuration file.
    #[error("{path}: {reason}", path = path.display())]
    Configuration {
        /// Where it was read from.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A layout nobody knows.
    #[error("--layout {name}: no such layout: known are {known}")]
    UnknownLayout {
        /// As given.
        name: String,
        /// All names there are.
        known: String,
    },
    /// Files of a tool whose layout is not the one they are read with.
    #[error(
        "{found}: this looks like {tool} ({why}): `--layout plain` runs each file as it stands, undo sections included"
    )]
    ForeignLayout {
        /// The path that gave it away, for people.
        found: String,
        /// The tool.
        tool: String,
        /// What gave it away.
        why: String,
    },
    /// Files that several tools could have written.
    #[error("{path}: these could be {candidates}: say which with --layout", path = path.display())]
    Ambiguous {
        /// The directory.
        path: PathBuf,
        /// Layouts, each with what speaks for it.
        candidates: String,
    },
    /// A placeholder without a value.
    #[error("{file}:{line}: {placeholder} has no value: {advice}")]
    Placeholder {
        /// The file's name for people.
        file: String,
        /// 1-based line.
        line: usize,
        /// As written.
        placeholder: String,
        /// Where to give one.
        advice: String,
    },
    /// Something in a file that the runner stops at.
    #[error("{file}:{line}: {reason}")]
    Content {
        /// The file's name for people.
        file: String,
        /// 1-based line.
        line: usize,
        /// What, and the next step.
        reason: String,
    },
    /// A tool whose migrations another engine than the source's runs.
    #[error(
        "layout {layout}: that tool knows nothing of {engine}, which the source is: name the layout of the tool that runs these files there with --layout, or `--layout plain` for files without a tool"
    )]
    OtherEngine {
        /// The layout's name.
        layout: &'static str,
        /// The engine.
        engine: &'static str,
    },
    /// The runner looks at its history and the files, and stops.
    #[error("{layout} refuses to go on: {reason}")]
    Refused {
        /// Layout's name.
        layout: &'static str,
        /// Why, and the next step.
        reason: String,
    },
    /// A history table that is another tool's.
    #[error("{table} has the columns {columns}: this is not the history of {layout}; name the layout with --layout")]
    ForeignHistory {
        /// Qualified name.
        table: String,
        /// Its columns.
        columns: String,
        /// Layout's name.
        layout: String,
    },
    /// More than one history table, none of them on the search path.
    #[error(
        "several tables could be the history: {tables}; lead there with --schema, or name one with `history_table`"
    )]
    SeveralHistories {
        /// Qualified names.
        tables: String,
    },
    /// What git cannot tell.
    #[error("--base {revision}: {reason}")]
    Git {
        /// As given.
        revision: String,
        /// Why, and the next step.
        reason: String,
    },
    /// A script that cannot be cut into statements.
    #[error("{file}:{line}:{column}: {kind}", line = position.line, column = position.column)]
    Script {
        /// The file's name for people.
        file: String,
        /// Where.
        position: LineColumn,
        /// What.
        kind: ScriptErrorKind,
    },
    /// A transaction that the script begins and never ends.
    #[error(
        "{file}:{line}: this BEGIN is never committed, so everything after it would be undone when the script ends: add COMMIT"
    )]
    UnclosedTransaction {
        /// The file's name for people.
        file: String,
        /// 1-based line.
        line: usize,
    },
    /// A migration that the runner began and never finished.
    #[error(
        "{table}: version {version} was begun and never finished ({mark}), and the runner refuses to go on: repair what it left, then delete or correct that row"
    )]
    Dirty {
        /// The history table.
        table: String,
        /// The runner's version.
        version: String,
        /// How the row says so: `success = false`.
        mark: &'static str,
    },
    /// Applied versions without a file.
    #[error(
        "{table}: applied, but without a file here: {versions}. The runner refuses to go on: bring the files back, or check out the branch they are on"
    )]
    VersionMissing {
        /// The history table.
        table: String,
        /// The runner's versions.
        versions: String,
    },
    /// A file of several migrations changed, and nobody knows which of them ran.
    #[error(
        "{file} changed since --base and holds several migrations: only {table} can say which of them are new, and the source does not have it. Rehearse on a source that has it"
    )]
    GrownFile {
        /// The file's name for people.
        file: String,
        /// The history table.
        table: String,
    },
    /// A row that is not the runner's.
    #[error(
        "row {row} of the history table is not of the expected shape ({reason}): is another tool's table meant? name the layout with --layout"
    )]
    HistoryRow {
        /// Counts from 1.
        row: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl MigrationError {
    /// Gives a script's trouble its file and line.
    pub(crate) fn in_script(file: &SourceFile, error: ScriptError) -> Self {
        Self::Script { file: file.name.clone(), position: file.position(error.offset), kind: error.kind }
    }
}
