//! `seatrial.toml` and the command line, merged: option, then `SEATRIAL_*`, then the file, then the default.

mod copies;
mod file;
mod place;
pub mod production;
mod sqlite;
mod value;

pub use file::{Thresholds, json_schema};
pub use production::Production;
pub use sqlite::Sqlite;

use crate::cli::{CheckArgs, FailOn, PlaceArgs};
use crate::copy::base::MAX_CACHE;
use crate::copy::fidelity::Grade;
use crate::copy::provider::Provider;
use crate::migration::SourceFile;
use crate::migration::layout::LayoutOptions;
use crate::migration::recorded::{Command, URL};
use crate::migration::source_file::{SourceFileError, git_root};
use crate::report::v1::{EngineName, Severity};
use crate::report::visible::visible;
use file::{Databases, Entry, File};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use value::{ANSWERS, PASSES};

/// The configuration file, looked for from the working directory up to the root of the repository.
pub const FILE_NAME: &str = "seatrial.toml";
/// Longest duration that makes sense, in seconds: ten years.
const LONGEST: u64 = 10 * 366 * 86_400;

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] SourceFileError),
    /// The file is not what it should be.
    #[error("{file}:{line}:{column}: {message}\n{excerpt}")]
    Place {
        /// The file's name for people.
        file: String,
        /// 1-based line.
        line: usize,
        /// 1-based column, in characters.
        column: usize,
        /// What is wrong there, and the next step.
        message: String,
        /// The line, and a caret under the place.
        excerpt: String,
    },
    /// An option that does not say for which of several databases it is meant.
    #[error(
        "{option} is for one database, and {file} has {}: {}; choose one with --database NAME",
        names.len(), names.join(", ")
    )]
    WhichDatabase {
        /// The option.
        option: &'static str,
        /// The file's name for people.
        file: String,
        /// The entries there are.
        names: Vec<String>,
    },
    /// A value makes no sense.
    #[error("{option}: {message}", message = visible(message))]
    Value {
        /// The option or key.
        option: &'static str,
        /// What is expected.
        message: String,
    },
}

/// Everything `check` needs to know, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name of the `[[database]]` entry; `None` where the file has none.
    pub name: Option<String>,
    /// Migration files or one directory.
    pub migrations: Vec<PathBuf>,
    /// As given.
    pub source: Option<String>,
    /// Files and directories of hot queries.
    pub queries: Vec<PathBuf>,
    /// The project's own migration tool, where it is to be run.
    pub command: Option<Command>,
    /// Layout's name, if given.
    pub layout: Option<String>,
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
    /// Extensions that only a superuser may create, and that migrations may create all the same.
    pub extensions: Vec<String>,
    /// Database of a cluster dump.
    pub database: Option<String>,
    /// Server binaries, if given; empty means none.
    pub postgres_bin: Option<String>,
    /// Passes asked for; empty is the default set.
    pub passes: Vec<String>,
    /// Run hot queries that write, too.
    pub measure_writes: bool,
    /// Time hot queries that changed, too.
    pub measure_time: bool,
    /// Ask a running source how it plans the hot queries.
    pub calibrate: bool,
    /// Rehearse safer forms, too, and write them to this folder.
    pub suggest: Option<PathBuf>,
    /// Budget of time.
    pub max_time: Option<Duration>,
    /// Budget of disk, in bytes.
    pub max_disk: Option<u64>,
    /// How long a base made from a URL may be reused.
    pub max_age: Duration,
    /// Bytes of bases and dumps that are kept.
    pub max_cache: u64,
    /// What the project says the source is.
    pub fidelity: Option<Grade>,
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
    /// What findings count as, by their ids; nothing for those switched off.
    pub severity: BTreeMap<&'static str, Option<Severity>>,
    /// What the layout is told beside its name.
    pub layout_options: LayoutOptions,
    /// Where copies are made.
    pub copies: Provider,
    /// The engine, if given.
    pub engine: Option<EngineName>,
    /// How applications open an SQLite database.
    pub sqlite: Sqlite,
    /// What is known of production.
    pub production: Production,
    /// Names in reports are relative to this folder.
    pub root: PathBuf,
}

/// The project's command, if there is one and it may run.
fn command(args: &CheckArgs, file: &File, folder: &Path) -> Result<Option<Command>, ConfigError> {
    let Some(line) = &file.command else {
        let makes_clones = file.copies.as_ref().is_some_and(|copies| copies.create.is_some());
        if args.run_command == Some(true) && !makes_clones {
            let message = "there is no `command` in seatrial.toml to run".to_owned();
            return Err(ConfigError::Value { option: "--run-command", message });
        }
        return Ok(None);
    };
    if !args.migrations.is_empty() {
        // Files that are named are what is rehearsed.
        return Ok(None);
    }
    let refused = |message: String| Err(ConfigError::Value { option: "command", message });
    if args.run_command == Some(true) && args.base.is_some() {
        return refused("with a `command` its tool decides what is pending: leave out --base".to_owned());
    }
    if args.run_command != Some(true) {
        if file.migrations.is_some() {
            return Ok(None);
        }
        return refused(format!(
            "`{}` is the project's own code and would run on this machine with your rights, outside of what confines the \
             copy's server: allow it with --run-command (or SEATRIAL_RUN_COMMAND=true), or name migration files",
            line.0
        ));
    }
    let variables =
        ["DATABASE_URL".to_owned()].into_iter().chain(file.command_variable.iter().map(|name| name.0.clone()));
    Ok(Some(Command {
        line: line.0.clone(),
        variables: variables.collect(),
        url: file.command_url.as_ref().map_or_else(|| URL.to_owned(), |url| url.0.clone()),
        directory: folder.to_owned(),
    }))
}

/// A value over the one it stands above.
trait Over: Sized {
    /// What counts of the two: this one, unless a type says that they are merged.
    fn over(self, _below: Self) -> Self {
        self
    }
}

fn over<T: Over>(above: Option<T>, below: Option<T>) -> Option<T> {
    match (above, below) {
        (Some(above), Some(below)) => Some(above.over(below)),
        (above, below) => above.or(below),
    }
}

/// The configuration file, read, and where everything named in it is.
struct Config {
    file: File,
    /// The file's name for people; empty where there is none.
    name: String,
    /// Its folder.
    folder: PathBuf,
    /// Names in reports are relative to this folder.
    root: PathBuf,
    /// Migrations are applied, and so the project's command may be run.
    applies: bool,
}

impl Settings {
    /// Merges the command line with the configuration file found from `cwd` upwards: one for each database, at least
    /// one.
    ///
    /// # Errors
    /// An unreadable or wrong file, a value that makes no sense, an option that could mean several databases.
    pub fn resolve(args: &CheckArgs, cwd: &Path) -> Result<Vec<Self>, ConfigError> {
        Config::find(&args.place, cwd)?.resolve(args)
    }

    /// The same for what needs a copy and applies no migrations: the project's own command is none of its business.
    ///
    /// # Errors
    /// As [`Settings::resolve`].
    pub fn resolve_without_migrations(args: &CheckArgs, cwd: &Path) -> Result<Vec<Self>, ConfigError> {
        let mut config = Config::find(&args.place, cwd)?;
        config.applies = false;
        config.resolve(args)
    }

    /// The same without any `[[database]]` entries.
    ///
    /// # Errors
    /// As [`Settings::resolve`].
    pub fn resolve_top(args: &CheckArgs, cwd: &Path) -> Result<Self, ConfigError> {
        let config = Config::find(&args.place, cwd)?;
        config.settings(args, config.file.clone(), None)
    }

    /// Where servers and copies are, for commands that need to know no more: the options, or else the file's two keys.
    ///
    /// # Errors
    /// An unreadable or wrong file.
    pub fn place(args: &PlaceArgs, cwd: &Path) -> Result<PlaceArgs, ConfigError> {
        let config = Config::find(args, cwd)?;
        Ok(config.place(args, &config.file))
    }
}

impl Config {
    fn find(args: &PlaceArgs, cwd: &Path) -> Result<Self, ConfigError> {
        let root = git_root(cwd).unwrap_or_else(|| cwd.to_path_buf());
        let path = match &args.config {
            Some(path) => Some(path.clone()),
            None => find_upwards(cwd, &root),
        };
        let Some(path) = path else {
            return Ok(Self {
                file: File::default(),
                name: String::new(),
                folder: PathBuf::new(),
                root,
                applies: true,
            });
        };
        let source = SourceFile::read(&path, &root)?;
        let file = parse(&source)?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { file, name: source.name, folder, root, applies: true })
    }

    /// One for each database, at least one.
    fn resolve(mut self, args: &CheckArgs) -> Result<Vec<Settings>, ConfigError> {
        let entries = match std::mem::take(&mut self.file.database) {
            Databases::Entries(entries) => entries,
            other => {
                self.file.database = other;
                return Ok(vec![self.settings(args, self.file.clone(), None)?]);
            }
        };
        let chosen = args.database.as_deref();
        if let Some(entry) = entries.iter().find(|entry| Some(entry.name.as_ref().0.as_str()) == chosen) {
            // The option chose the entry: it does not also choose among the databases of a dump.
            let args = CheckArgs { database: None, ..args.clone() };
            return Ok(vec![self.entry(&args, entry.clone())?]);
        }
        let ambiguous = [("MIGRATIONS", !args.migrations.is_empty()), ("--source", args.source.is_some())];
        if let Some((option, _)) = ambiguous.into_iter().find(|(_, given)| *given && entries.len() > 1) {
            let names = entries.iter().map(|entry| entry.name.as_ref().0.clone()).collect();
            return Err(ConfigError::WhichDatabase { option, file: self.name, names });
        }
        entries.into_iter().map(|entry| self.entry(args, entry)).collect()
    }

    fn entry(&self, args: &CheckArgs, entry: Entry) -> Result<Settings, ConfigError> {
        let name = entry.name.as_ref().0.clone();
        self.settings(args, entry.over(&self.file), Some(name))
    }

    /// What `file` says under the options; its paths are beside it.
    fn place(&self, args: &PlaceArgs, file: &File) -> PlaceArgs {
        PlaceArgs {
            postgres_bin: args.postgres_bin.clone().or(file.postgres_bin.as_ref().map(|folder| {
                // Empty is a word of its own: no server at all.
                match folder.0.as_str() {
                    "" => String::new(),
                    folder => self.folder.join(folder).to_string_lossy().into_owned(),
                }
            })),
            cache_dir: args.cache_dir.clone().or(file.cache_dir.as_ref().map(|folder| self.folder.join(&folder.0))),
            config: args.config.clone(),
        }
    }

    /// `file` is this one, or what it is for one of its entries, which is called `name`.
    fn settings(&self, args: &CheckArgs, file: File, name: Option<String>) -> Result<Settings, ConfigError> {
        let beside = |path: value::FilePath| self.folder.join(path.0);
        let engine = args.engine.as_deref().map(|engine| {
            EngineName::from_name(engine).ok_or_else(|| ConfigError::Value {
                option: "--engine",
                message: format!("`{engine}` is not an engine; known: postgresql, sqlite"),
            })
        });
        let engine = engine.transpose()?.or(file.engine.as_ref().map(|engine| engine.0));
        let known = |pass: &String| pass == "all" || PASSES.contains(&pass.as_str());
        if let Some(pass) = args.passes.iter().find(|pass| !known(pass)) {
            let message = format!("`{pass}` is not a pass this version can run; known: {}, all", PASSES.join(", "));
            return Err(ConfigError::Value { option: "--passes", message });
        }
        if let Some(answer) = args.require.iter().find(|answer| !ANSWERS.contains(&answer.as_str())) {
            let message = format!("`{answer}` is not an answer; known: {}", ANSWERS.join(", "));
            return Err(ConfigError::Value { option: "--require", message });
        }
        let copies = file.copies.clone().unwrap_or_default().resolve(args, &self.folder)?;
        let command = if self.applies { command(args, &file, &self.folder)? } else { None };
        let or = |given: &[String], file: Vec<String>| if given.is_empty() { file } else { given.to_vec() };
        let texts = |file: Option<Vec<String>>| file.unwrap_or_default();
        let place = self.place(&args.place, &file);
        let database = match file.database {
            Databases::OfCluster(database) => Some(database.0),
            Databases::None | Databases::Entries(_) => None,
        };
        let out = args.out.clone().or(file.out.map(beside));
        let format = match file.format {
            Some(formats) => formats.iter().map(|format| output_below(&format.0, &self.folder)).collect(),
            None => vec!["text".to_owned()],
        };
        let format = or(&args.format, format);
        Ok(Settings {
            command,
            migrations: if args.migrations.is_empty() {
                file.migrations.into_iter().map(beside).collect()
            } else {
                args.migrations.clone()
            },
            source: args.source.clone().or_else(|| file.source.map(|source| relative_source(&source.0, &self.folder))),
            queries: if args.queries.is_empty() {
                file.queries.unwrap_or_default().into_iter().map(beside).collect()
            } else {
                args.queries.clone()
            },
            layout: args.layout.clone().or(file.layout.map(|layout| layout.0)),
            base: args.base.clone(),
            to: args.to.clone(),
            require_pending: args.require_pending || file.require_pending.unwrap_or_default(),
            role: args.role.clone().or(file.role.map(|role| role.0)),
            schema: args.schema.clone().or(file.schema.map(|schema| schema.0)),
            extensions: file.extensions.unwrap_or_default().into_iter().map(|extension| extension.0).collect(),
            database: args.database.clone().or(database),
            postgres_bin: place.postgres_bin,
            passes: or(&args.passes, texts(file.passes.map(|all| all.into_iter().map(|each| each.0).collect()))),
            measure_writes: args.measure_writes.or(file.measure_writes).unwrap_or_default(),
            calibrate: args.calibrate.or(file.calibrate).unwrap_or(true),
            measure_time: args.measure_time.or(file.measure_time).unwrap_or_default(),
            suggest: name.iter().fold(args.suggest.clone(), |folder, name| folder.map(|folder| folder.join(name))),
            max_time: option("--max-time", args.max_time.as_deref(), parse_duration)?
                .or(file.max_time.map(|time| time.0)),
            max_disk: option("--max-disk", args.max_disk.as_deref(), parse_size)?.or(file.max_disk.map(|size| size.0)),
            max_age: option("--max-age", args.max_age.as_deref(), parse_duration)?
                .or(file.max_age.map(|age| age.0))
                .unwrap_or(Duration::from_secs(24 * 60 * 60)),
            max_cache: option("--max-cache", args.max_cache.as_deref(), parse_size)?
                .or(file.max_cache.map(|size| size.0))
                .unwrap_or(MAX_CACHE),
            fidelity: file.fidelity.map(|grade| grade.0),
            refresh: args.refresh,
            cache_dir: place.cache_dir,
            out: name.iter().fold(out, |out, name| out.map(|folder| folder.join(name))),
            format: name.iter().fold(format, |all, name| all.iter().map(|each| named_output(each, name)).collect()),
            fail_on: args.fail_on.or(file.fail_on.map(|level| level.0)).unwrap_or(FailOn::Error),
            require: or(&args.require, texts(file.require.map(|all| all.into_iter().map(|each| each.0).collect()))),
            show_values: args.show_values,
            thresholds: file.thresholds.unwrap_or_default().into(),
            severity: file
                .severity
                .unwrap_or_default()
                .0
                .into_iter()
                .map(|(id, severity)| (id.0, severity.0))
                .collect(),
            layout_options: LayoutOptions {
                pattern: file.pattern.map(|pattern| pattern.0),
                history_table: file.history_table.map(|table| table.0),
                placeholders: file.placeholders.unwrap_or_default().0,
                transaction: file.transaction.map(|mode| mode.0),
                out_of_order: file.out_of_order,
                ..LayoutOptions::default()
            },
            copies,
            engine,
            sqlite: file.sqlite.unwrap_or_default().into(),
            production: file.production.unwrap_or_default().into(),
            root: self.root.clone(),
            name,
        })
    }
}

fn find_upwards(cwd: &Path, root: &Path) -> Option<PathBuf> {
    cwd.ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(|folder| folder.join(FILE_NAME))
        .find(|path| path.is_file())
}

/// Reads the file's text.
fn parse(source: &SourceFile) -> Result<File, ConfigError> {
    let file: File = toml::from_str(&source.text).map_err(|error| place::explain(source, &error))?;
    if let Databases::Entries(entries) = &file.database {
        for (index, entry) in entries.iter().enumerate() {
            let name = &entry.name.as_ref().0;
            // Names are folders, and not every file system tells cases apart.
            let same = |other: &&Entry| other.name.as_ref().0.eq_ignore_ascii_case(name);
            if let Some(first) = entries[..index].iter().find(same) {
                let first = source.position(first.name.span().start).line;
                let message = format!("the name `{name}` is taken by the entry at line {first}: rename one of them");
                return Err(place::at(source, entry.name.span(), &message));
            }
        }
    }
    Ok(file)
}

/// A source that is a file is named relative to the configuration file.
fn relative_source(source: &str, folder: &Path) -> String {
    if let Some(file) = source.strip_prefix("sqlite:").filter(|file| !file.starts_with("//")) {
        format!("sqlite:{}", folder.join(file).display())
    } else if ["empty", "-"].contains(&source) || source.contains("://") {
        source.to_owned()
    } else {
        folder.join(source).to_string_lossy().into_owned()
    }
}

/// `json=report.json` with the file's path below a folder.
fn output_below(format: &str, folder: &Path) -> String {
    match format.split_once('=') {
        Some((kind, file)) => format!("{kind}={}", folder.join(file).display()),
        None => format.to_owned(),
    }
}

/// `json=out/report.json` for the database `shop` is `json=out/report-shop.json`.
fn named_output(format: &str, name: &str) -> String {
    let Some((kind, file)) = format.split_once('=') else { return format.to_owned() };
    let path = Path::new(file);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(String::new, |extension| format!(".{}", extension.to_string_lossy()));
    format!("{kind}={}", path.with_file_name(format!("{stem}-{name}{extension}")).display())
}

fn option<T>(
    option: &'static str,
    text: Option<&str>,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    text.map(parse).transpose().map_err(|message| ConfigError::Value { option, message })
}

/// `90s`, `20m`, `1h`; seconds without a unit.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match text[digits..].trim() {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    match text[..digits].parse::<u64>().map(|number| number.saturating_mul(unit)) {
        Ok(seconds) if unit > 0 && seconds <= LONGEST => Ok(Duration::from_secs(seconds)),
        Ok(_) if unit > 0 => Err(format!("`{text}` is longer than ten years")),
        _ => Err(format!("`{text}` is not a duration; write a whole number and s, m, h or d, such as 90s")),
    }
}

/// `500MB`, `20GB`; bytes without a unit.
fn parse_size(text: &str) -> Result<u64, String> {
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
        _ => Err(format!("`{text}` is not a size; write a whole number and kB, MB, GB or TB, such as 20GB")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
