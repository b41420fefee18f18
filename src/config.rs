//! `seatrial.toml` and the command line, merged: option, then `SEATRIAL_*`, then the file, then the default.

use crate::cli::{CheckArgs, FailOn};
use crate::migration::layout::LayoutOptions;
use crate::migration::source_file::git_root;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be; the message shows line and caret.
    #[error("{}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, caret and the known keys.
        message: String,
    },
    /// A value makes no sense.
    #[error("{option}: {message}")]
    Value {
        /// The option or key.
        option: &'static str,
        /// What is expected.
        message: String,
    },
}

/// From which size on something is worth a finding.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Rewrites, scans and index builds of tables with fewer rows are not reported.
    pub rows: u64,
    /// A blocking lock held longer than this is reported, in milliseconds.
    pub held_ms: f64,
    /// Rows updated or deleted by one statement before it counts as large.
    pub update_rows: u64,
    /// Existing tables locked against reads and writes in one transaction.
    pub tables: usize,
    /// Work after, divided by work before, from which on a query counts as slower.
    pub plan_ratio: f64,
    /// And at least so many more blocks.
    pub plan_blocks: u64,
    /// Longest one hot query may run, in milliseconds.
    pub query_ms: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            rows: 10_000,
            held_ms: 1_000.0,
            update_rows: 10_000,
            tables: 5,
            plan_ratio: 1.5,
            plan_blocks: 100,
            query_ms: 30_000,
        }
    }
}

/// The file's keys: the names of the options, with underscores.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    migrations: Option<PathBuf>,
    source: Option<String>,
    queries: Vec<PathBuf>,
    layout: Option<String>,
    role: Option<String>,
    schema: Option<String>,
    database: Option<String>,
    postgres_bin: Option<String>,
    passes: Vec<String>,
    max_time: Option<String>,
    max_disk: Option<String>,
    max_age: Option<String>,
    cache_dir: Option<PathBuf>,
    out: Option<PathBuf>,
    format: Vec<String>,
    fail_on: Option<FailOn>,
    require: Vec<String>,
    require_pending: bool,
    thresholds: Thresholds,
}

/// Everything `check` needs to know, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Migration files or one directory.
    pub migrations: Vec<PathBuf>,
    /// As given.
    pub source: Option<String>,
    /// Files and directories of hot queries.
    pub queries: Vec<PathBuf>,
    /// Layout's name, if given.
    pub layout: Option<String>,
    /// What the user decides about the layout.
    pub layout_options: LayoutOptions,
    /// Only what is new since this revision.
    pub base: Option<String>,
    /// Last version to run.
    pub to: Option<String>,
    /// Nothing pending is exit 3.
    pub require_pending: bool,
    /// Migration role, if given.
    pub role: Option<String>,
    /// Search path, if given.
    pub schema: Option<String>,
    /// Database of a cluster dump.
    pub database: Option<String>,
    /// Server binaries, if given; empty means none.
    pub postgres_bin: Option<String>,
    /// Passes asked for; empty is the default set.
    pub passes: Vec<String>,
    /// Budget of time.
    pub max_time: Option<Duration>,
    /// Budget of disk, in bytes.
    pub max_disk: Option<u64>,
    /// How long a base made from a URL may be reused.
    pub max_age: Duration,
    /// Make the base anew.
    pub refresh: bool,
    /// State folder, if given.
    pub cache_dir: Option<PathBuf>,
    /// Folder for artefacts.
    pub out: Option<PathBuf>,
    /// Formats as given.
    pub format: Vec<String>,
    /// Exit 1 from here on.
    pub fail_on: FailOn,
    /// Answers that may not stay unknown.
    pub require: Vec<String>,
    /// No redaction.
    pub show_values: bool,
    /// Thresholds.
    pub thresholds: Thresholds,
    /// Names in reports are relative to this folder.
    pub root: PathBuf,
}

/// Answers `--require` knows.
const ANSWERS: [&str; 4] = ["applies", "blocks", "slower", "undoable"];
/// Passes this version can run.
const PASSES: [&str; 3] = ["measure", "prove", "attribute"];

impl Settings {
    /// Merges the command line with the configuration file found from `cwd` upwards.
    ///
    /// # Errors
    /// An unreadable or wrong file, a value that makes no sense.
    pub fn resolve(args: &CheckArgs, cwd: &Path) -> Result<Self, ConfigError> {
        let root = git_root(cwd).unwrap_or_else(|| cwd.to_path_buf());
        let path = match &args.config {
            Some(path) => Some(path.clone()),
            None => find_upwards(cwd, &root),
        };
        let (file, folder) = match &path {
            Some(path) => (read(path)?, path.parent().map(Path::to_path_buf).unwrap_or_default()),
            None => (File::default(), PathBuf::new()),
        };
        let beside = |paths: Vec<PathBuf>| paths.into_iter().map(|path| folder.join(path)).collect::<Vec<_>>();
        let or = |given: &Vec<String>, file: Vec<String>| if given.is_empty() { file } else { given.clone() };
        if let Some(engine) = args.engine.as_deref().filter(|engine| *engine != "postgresql") {
            return Err(ConfigError::Value {
                option: "--engine",
                message: format!("`{engine}` is not available in this version; use postgresql"),
            });
        }
        let passes = or(&args.passes, file.passes);
        let known = |pass: &String| pass == "all" || PASSES.contains(&pass.as_str());
        if let Some(pass) = passes.iter().find(|pass| !known(pass)) {
            let message = format!("`{pass}` is not a pass this version can run; known: {}, all", PASSES.join(", "));
            return Err(ConfigError::Value { option: "--passes", message });
        }
        let require = or(&args.require, file.require);
        if let Some(answer) = require.iter().find(|answer| !ANSWERS.contains(&answer.as_str())) {
            let message = format!("`{answer}` is not an answer; known: {}", ANSWERS.join(", "));
            return Err(ConfigError::Value { option: "--require", message });
        }
        let duration = |option, text: Option<String>| text.map(|text| parse_duration(option, &text)).transpose();
        Ok(Self {
            migrations: if args.migrations.is_empty() {
                beside(file.migrations.into_iter().collect())
            } else {
                args.migrations.clone()
            },
            source: args.source.clone().or_else(|| file.source.map(|source| relative_source(&source, &folder))),
            queries: if args.queries.is_empty() { beside(file.queries) } else { args.queries.clone() },
            layout: args.layout.clone().or(file.layout),
            layout_options: LayoutOptions::default(),
            base: args.base.clone(),
            to: args.to.clone(),
            require_pending: args.require_pending || file.require_pending,
            role: args.role.clone().or(file.role),
            schema: args.schema.clone().or(file.schema),
            database: args.database.clone().or(file.database),
            postgres_bin: args.place.postgres_bin.clone().or(file.postgres_bin),
            passes,
            max_time: duration("--max-time", args.max_time.clone().or(file.max_time))?,
            max_disk: args
                .max_disk
                .clone()
                .or(file.max_disk)
                .map(|text| parse_size("--max-disk", &text))
                .transpose()?,
            max_age: duration("--max-age", args.max_age.clone().or(file.max_age))?
                .unwrap_or(Duration::from_secs(24 * 60 * 60)),
            refresh: args.refresh,
            cache_dir: args.place.cache_dir.clone().or(file.cache_dir.map(|path| folder.join(path))),
            out: args.out.clone().or(file.out.map(|path| folder.join(path))),
            format: or(&args.format, file.format),
            fail_on: args.fail_on.or(file.fail_on).unwrap_or(FailOn::Error),
            require,
            show_values: args.show_values,
            thresholds: file.thresholds,
            root,
        })
    }
}

fn find_upwards(cwd: &Path, root: &Path) -> Option<PathBuf> {
    cwd.ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(|folder| folder.join("seatrial.toml"))
        .find(|path| path.is_file())
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Parse { path: path.to_path_buf(), message: error.to_string() })
}

/// A source that is a file is named relative to the configuration file.
fn relative_source(source: &str, folder: &Path) -> String {
    if source == "empty" || source.contains("://") || source.starts_with("sqlite:") {
        source.to_owned()
    } else {
        folder.join(source).to_string_lossy().into_owned()
    }
}

fn parse_duration(option: &'static str, text: &str) -> Result<Duration, ConfigError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match text[digits..].trim() {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    match text[..digits].parse::<u64>() {
        Ok(number) if unit > 0 => Ok(Duration::from_secs(number * unit)),
        _ => Err(ConfigError::Value {
            option,
            message: format!("`{text}` is not a duration; write a whole number and s, m, h or d, such as 90s"),
        }),
    }
}

fn parse_size(option: &'static str, text: &str) -> Result<u64, ConfigError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit: u64 = match text[digits..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" | "K" => 1 << 10,
        "MB" | "M" => 1 << 20,
        "GB" | "G" => 1 << 30,
        "TB" | "T" => 1 << 40,
        _ => 0,
    };
    match text[..digits].parse::<u64>() {
        Ok(number) if unit > 0 => Ok(number.saturating_mul(unit)),
        _ => Err(ConfigError::Value {
            option,
            message: format!("`{text}` is not a size; write a whole number and kB, MB, GB or TB, such as 20GB"),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units_and_refuse_the_rest() {
        assert_eq!(parse_duration("--max-time", "90s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("--max-time", "2h").unwrap(), Duration::from_secs(7200));
        assert!(parse_duration("--max-time", "soon").is_err());
        assert_eq!(parse_size("--max-disk", "20GB").unwrap(), 20 << 30);
        assert!(parse_size("--max-disk", "20 parsecs").is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_shows_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seatrial.toml");
        std::fs::write(&path, "source = \"x.sql\"\nqueris = [\"q\"]\n").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("queris"), "{message}");
    }

    #[test]
    fn the_command_line_beats_the_file_and_paths_are_relative_to_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join("seatrial.toml"), "source = \"data/x.sql\"\nrole = \"app\"\n").unwrap();
        let args = CheckArgs { role: Some("other".to_owned()), ..CheckArgs::default() };
        let settings = Settings::resolve(&args, folder.path()).unwrap();
        assert_eq!(settings.role.as_deref(), Some("other"));
        assert!(settings.source.unwrap().ends_with("/data/x.sql"));
        assert_eq!(settings.fail_on, FailOn::Error);
    }
}
