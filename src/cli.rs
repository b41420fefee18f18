//! The command line, as the contract spells it. Parsing only: [`crate::config`] merges it with `seatrial.toml`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Takes a database migration on a sea trial before production does.
#[derive(Debug, Parser)]
#[command(name = "seatrial", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rehearse what is pending, print the report, write artefacts.
    Check(Box<CheckArgs>),
    /// `check` on this repository's own sample data and migrations.
    Demo(Box<CheckArgs>),
    /// Look at the project, write a commented seatrial.toml, say what was detected.
    Init(InitArgs),
    /// The registered hot queries: list them, bring them in from where they already are, look for mistakes.
    #[command(subcommand)]
    Queries(QueriesCommand),
    /// Disposable copies to look around in by hand: make one, list them, end one.
    #[command(subcommand)]
    Copy(CopyCommand),
    /// Render a saved report.json in any format, without a database.
    Report(ReportArgs),
    /// What a finding means, an example that causes it, and one that does not.
    Explain {
        /// The finding's id; left out: all ids.
        id: Option<String>,
    },
    /// Bring a portable PostgreSQL server into the cache.
    FetchPostgres(FetchArgs),
    /// Servers and dump tools found, what the cache holds, what is missing and how to get it.
    Doctor(PlaceArgs),
    /// Remove leftover copies, servers and caches.
    Clean(CleanArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// Options of `check`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// A file, several files, or a directory.
    pub migrations: Vec<PathBuf>,
    /// Where real data comes from: a dump, `-` for one on standard input, a stopped data directory, postgres://…,
    /// sqlite:FILE, or `empty`.
    #[arg(long, value_name = "SRC", env = "SEATRIAL_SOURCE", hide_env_values = true)]
    pub source: Option<String>,
    /// File or directory of registered hot queries; repeatable.
    #[arg(long, value_name = "PATH")]
    pub queries: Vec<PathBuf>,
    /// How the migration tool lays out its files; detected when left out.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_LAYOUT")]
    pub layout: Option<String>,
    /// Run the `command` of seatrial.toml: code of the project's own, on this machine, against a copy.
    #[arg(long, value_name = "BOOL", env = "SEATRIAL_RUN_COMMAND", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub run_command: Option<bool>,
    /// An existing server to make copies on: postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "URL", env = "SEATRIAL_COPIES_URL", hide_env_values = true)]
    pub copies_url: Option<String>,
    /// Only migrations new since this revision's merge base.
    #[arg(long, value_name = "REV", env = "SEATRIAL_BASE")]
    pub base: Option<String>,
    /// Stop after this version.
    #[arg(long, value_name = "VERSION", env = "SEATRIAL_TO")]
    pub to: Option<String>,
    /// Nothing pending is exit 3.
    #[arg(long)]
    pub require_pending: bool,
    /// Database engine; default: from the source.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_ENGINE")]
    pub engine: Option<String>,
    /// Role migrations run as; default: the owner of most tables. Never a superuser.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_ROLE")]
    pub role: Option<String>,
    /// Search path for migrations and hot queries.
    #[arg(long, value_name = "LIST", env = "SEATRIAL_SCHEMA")]
    pub schema: Option<String>,
    /// Which `[[database]]` entry of the configuration; if it has none of this name, which database of a cluster dump.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_DATABASE")]
    pub database: Option<String>,
    /// measure, prove, attribute, traffic, queue, retry, or all; default: measure and prove, and attribute when a plan
    /// changed.
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "SEATRIAL_PASSES")]
    pub passes: Vec<String>,
    /// Also run the hot queries that write, on copies of their own, and report what each pays before and after.
    #[arg(long, value_name = "BOOL", env = "SEATRIAL_MEASURE_WRITES", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub measure_writes: Option<bool>,
    /// Also time the hot queries that changed, before and after in turns, on two copies at once; never a verdict.
    #[arg(long, value_name = "BOOL", env = "SEATRIAL_MEASURE_TIME", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub measure_time: Option<bool>,
    /// Ask a source that is a running server how it plans the hot queries (plain EXPLAIN, read-only); on unless `=false`.
    #[arg(long, value_name = "BOOL", env = "SEATRIAL_CALIBRATE", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub calibrate: Option<bool>,
    /// Write safer forms of the migrations to this folder, rehearsed, and show them with the findings they are for.
    #[arg(long, value_name = "DIR", env = "SEATRIAL_SUGGEST")]
    pub suggest: Option<PathBuf>,
    /// Budget of time, such as 90s, 20m or 1h.
    #[arg(long, value_name = "DUR", env = "SEATRIAL_MAX_TIME")]
    pub max_time: Option<String>,
    /// Budget of disk, such as 500MB or 20GB.
    #[arg(long, value_name = "SIZE", env = "SEATRIAL_MAX_DISK")]
    pub max_disk: Option<String>,
    /// Reuse a base made from a URL for this long.
    #[arg(long, value_name = "DUR", env = "SEATRIAL_MAX_AGE")]
    pub max_age: Option<String>,
    /// Disk that bases and dumps taken from URLs may take in the cache, such as 20GB; default: 50GB. What nobody uses goes,
    /// longest unused first.
    #[arg(long, value_name = "SIZE", env = "SEATRIAL_MAX_CACHE")]
    pub max_cache: Option<String>,
    /// Make the base anew.
    #[arg(long)]
    pub refresh: bool,
    /// Write report.json, report.md, report.html and the scripts here.
    #[arg(long, value_name = "DIR", env = "SEATRIAL_OUT")]
    pub out: Option<PathBuf>,
    /// text, json, markdown, html, sarif, junit, github or gitlab, each with =FILE to write a file; repeatable.
    #[arg(long, value_name = "F[=FILE]", env = "SEATRIAL_FORMAT", value_delimiter = ',')]
    pub format: Vec<String>,
    /// Exit 1 from this level on.
    #[arg(long, value_name = "LEVEL", env = "SEATRIAL_FAIL_ON")]
    pub fail_on: Option<FailOn>,
    /// Answers that may not stay unknown: applies, blocks, slower, undoable.
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "SEATRIAL_REQUIRE")]
    pub require: Vec<String>,
    /// Do not redact values of user data.
    #[arg(long)]
    pub show_values: bool,
    /// Colour in the terminal report.
    #[arg(long, value_name = "WHEN", env = "SEATRIAL_COLOR", default_value = "auto")]
    pub color: When,
    /// No progress on stderr, and of a text report only what deserves attention: for hooks.
    #[arg(long, short)]
    pub quiet: bool,
    /// Details of unchanged things too.
    #[arg(long, short)]
    pub verbose: bool,
    /// Where servers and caches are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Options of every command that deals with servers or the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PlaceArgs {
    /// Configuration file; default: seatrial.toml, searched upwards to the git root.
    #[arg(long, value_name = "FILE", env = "SEATRIAL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Server binaries to use; empty means none.
    #[arg(long, value_name = "DIR", env = "SEATRIAL_POSTGRES_BIN")]
    pub postgres_bin: Option<String>,
    /// Where bases and runs are kept.
    #[arg(long, value_name = "DIR", env = "SEATRIAL_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
}

/// What to do with copies by hand.
#[derive(Debug, Subcommand)]
pub enum CopyCommand {
    /// Make a copy of a source and print its URL; it ends when told to, or when its time is over.
    Create(Box<CopyCreateArgs>),
    /// The copies that live.
    List(CopyListArgs),
    /// End copies and remove them.
    Destroy(CopyDestroyArgs),
}

/// Options of `copy create`.
#[derive(Debug, Args)]
pub struct CopyCreateArgs {
    /// Where real data comes from: a dump, `-` for one on standard input, a stopped data directory, postgres://…, or
    /// `empty`.
    #[arg(long, value_name = "SRC", env = "SEATRIAL_SOURCE", hide_env_values = true)]
    pub source: Option<String>,
    /// Role the URL logs in as; default: the owner of most tables. Never a superuser.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_ROLE")]
    pub role: Option<String>,
    /// Search path of its sessions.
    #[arg(long, value_name = "LIST", env = "SEATRIAL_SCHEMA")]
    pub schema: Option<String>,
    /// Which `[[database]]` entry of the configuration; if it has none of this name, which database of a cluster dump.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_DATABASE")]
    pub database: Option<String>,
    /// What to call the copy; default: the name of its database, with a number if that is taken.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How long it lives, such as 30m, 8h or 2d.
    #[arg(long = "for", value_name = "DURATION", default_value = "8h")]
    pub lifetime: String,
    /// Reuse a base made from a URL for this long.
    #[arg(long, value_name = "DUR", env = "SEATRIAL_MAX_AGE")]
    pub max_age: Option<String>,
    /// Make the base anew.
    #[arg(long)]
    pub refresh: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    /// Where servers and caches are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Options of `copy list`.
#[derive(Debug, Args)]
pub struct CopyListArgs {
    /// Only the URLs, a line each.
    #[arg(long)]
    pub urls: bool,
    /// Where servers and caches are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Options of `copy destroy`.
#[derive(Debug, Args)]
pub struct CopyDestroyArgs {
    /// Names or ids, as `copy list` has them.
    #[arg(value_name = "NAME|ID", required_unless_present = "all")]
    pub which: Vec<String>,
    /// All that live.
    #[arg(long, conflicts_with = "which")]
    pub all: bool,
    /// Where servers and caches are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Options of `fetch-postgres`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Major version of the server, such as 17.
    pub major: u32,
    /// An archive fetched elsewhere, instead of fetching it now; repeatable. It must be the very file that is pinned.
    #[arg(long, value_name = "FILE")]
    pub archive: Vec<PathBuf>,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
    /// Where servers and caches are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Options of `clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// End and remove copies by hand that still live, too.
    #[arg(long)]
    pub copies: bool,
    /// Where servers and caches are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What to do with hot queries.
#[derive(Debug, Subcommand)]
pub enum QueriesCommand {
    /// Names, weights, owners, parameters and places of what is registered.
    List(ListArgs),
    /// Bring in queries from logs, pg_stat_statements, and the files of other tools.
    Import(Box<ImportArgs>),
    /// Plan each registered query on a copy of the source, and say what is wrong with it.
    Lint(LintArgs),
}

/// Which queries are meant, and where servers are.
#[derive(Debug, Clone, Default, Args)]
pub struct RegisteredArgs {
    /// File or directory of registered hot queries; repeatable.
    #[arg(long, value_name = "PATH")]
    pub queries: Vec<PathBuf>,
    /// Which `[[database]]` entry of the configuration.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_DATABASE")]
    pub database: Option<String>,
    /// Where servers and caches are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Which copy queries are planned on, and as whom.
#[derive(Debug, Clone, Default, Args)]
pub struct GroundArgs {
    /// Where real data comes from: a dump, `-` for one on standard input, a stopped data directory, postgres://…, or
    /// `empty`.
    #[arg(long, value_name = "SRC", env = "SEATRIAL_SOURCE", hide_env_values = true)]
    pub source: Option<String>,
    /// Role queries are planned as; default: the owner of most tables.
    #[arg(long, value_name = "NAME", env = "SEATRIAL_ROLE")]
    pub role: Option<String>,
    /// Search path.
    #[arg(long, value_name = "LIST", env = "SEATRIAL_SCHEMA")]
    pub schema: Option<String>,
    /// No progress on stderr.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Options of `queries list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// text or json.
    #[arg(long, value_name = "F", default_value = "text")]
    pub format: TextOrJson,
    /// Which queries.
    #[command(flatten)]
    pub registered: RegisteredArgs,
}

/// Options of `queries lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// text or json.
    #[arg(long, value_name = "F", default_value = "text")]
    pub format: TextOrJson,
    /// Which queries.
    #[command(flatten)]
    pub registered: RegisteredArgs,
    /// Which copy.
    #[command(flatten)]
    pub ground: GroundArgs,
}

/// Options of `queries import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Logs, a saved or (by its postgres:// URL) a live pg_stat_statements, files and folders of queries.
    #[arg(required = true)]
    pub from: Vec<String>,
    /// The file to write, merged with what it holds; `-` is standard output. Default: imported.sql in the folder of
    /// registered queries, or queries/imported.sql.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// How many statements of pg_stat_statements, those that took most time in total.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub top: usize,
    /// Owner of the queries that come without one.
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Leave values of parameters and constants out: they are user data.
    #[arg(long)]
    pub no_values: bool,
    /// Which queries.
    #[command(flatten)]
    pub registered: RegisteredArgs,
    /// Which copy.
    #[command(flatten)]
    pub ground: GroundArgs,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Overwrite a seatrial.toml that is there.
    #[arg(long)]
    pub force: bool,
    /// Write to standard output instead of seatrial.toml.
    #[arg(long)]
    pub print: bool,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A saved report.json.
    pub file: PathBuf,
    /// text, json, markdown, html, sarif, junit, github or gitlab, each with =FILE to write a file; repeatable.
    #[arg(long, value_name = "F[=FILE]", value_delimiter = ',')]
    pub format: Vec<String>,
    /// Write report.md, report.html and the scripts here, and report.json anew.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Colour in the terminal report.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Details of unchanged things too.
    #[arg(long, short)]
    pub verbose: bool,
}

/// From which severity on a finding makes the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings too.
    Warning,
    /// Findings never do.
    Never,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
