//! Where reports go: standard output, files of one format each, a folder of artefacts.

use super::visible::visible;
use super::{Format, RenderOptions, UnknownFormat, each, markdown, render, v1};
use crate::cli::When;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;

/// One `--format F[=FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// The file; standard output when left out.
    pub file: Option<PathBuf>,
}

/// Why a report cannot be written.
#[derive(Debug, Error)]
pub enum OutputError {
    /// Not a format.
    #[error("--format: {0}")]
    Format(#[from] UnknownFormat),
    /// Two formats would be mixed up in one stream.
    #[error("--format: only one format can go to standard output; give the others a file, such as json=report.json")]
    TwoOnStdout,
    /// One would overwrite the other.
    #[error("--format: two formats are to be written to {}", .0.display())]
    SameFile(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Output {
    /// Parses every `--format`; text on standard output when there is none for it.
    ///
    /// # Errors
    /// An unknown format, a file that cannot be created, two formats on one stream.
    pub fn parse_all(formats: &[String]) -> Result<Vec<Self>, OutputError> {
        let mut outputs = Vec::new();
        for text in formats {
            let (name, file) = match text.split_once('=') {
                Some((name, file)) => (name, Some(PathBuf::from(file))),
                None => (text.as_str(), None),
            };
            let format = Format::from_str(name)?;
            if let Some(path) =
                file.as_ref().filter(|path| outputs.iter().any(|known: &Self| known.file.as_ref() == Some(*path)))
            {
                return Err(OutputError::SameFile(path.clone()));
            }
            outputs.push(Self { format, file });
        }
        match outputs.iter().filter(|output| output.file.is_none()).count() {
            0 => outputs.insert(0, Self { format: Format::Text, file: None }),
            1 => {}
            _ => return Err(OutputError::TwoOnStdout),
        }
        // Now, not after a long run: a path that cannot be written is found at once. And none is made for wrong usage.
        for path in outputs.iter().filter_map(|output| output.file.as_ref()) {
            std::fs::File::create(path).map_err(|source| OutputError::Write { path: path.clone(), source })?;
        }
        Ok(outputs)
    }
}

/// How reports are shown, whatever their format.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Colour on standard output.
    pub color: When,
    /// Whether notes and long lists are shown in full.
    pub verbose: bool,
    /// Whether text has the least of all details.
    pub quiet: bool,
    /// The folder of `--out`.
    pub out_dir: Option<&'a Path>,
    /// The database the report is about, where there are several.
    pub database: Option<&'a str>,
    /// How many databases the run has.
    pub databases: usize,
}

/// Renders a report to every output.
///
/// # Errors
/// A file that cannot be written.
pub fn emit(report: &v1::Report, outputs: &[Output], shown: Shown<'_>) -> Result<(), OutputError> {
    let Shown { color, verbose, quiet, databases, .. } = shown;
    let out_dir = shown.out_dir.map(|dir| dir.display().to_string());
    for output in outputs {
        let terminal = std::io::stdout().is_terminal();
        let mut options = RenderOptions { verbose, quiet, out_dir: out_dir.clone(), databases, ..Default::default() };
        match &output.file {
            None => {
                // Colour is decided by the stream: it strips what the terminal or NO_COLOR does not want.
                options.color = color != When::Never;
                if let Some((terminal_size::Width(columns), _)) = terminal_size::terminal_size().filter(|_| terminal) {
                    options.width = usize::from(columns);
                }
                write_stdout(&render(report, output.format, &options), color)?;
            }
            Some(path) => write_file(path, &render(report, output.format, &options))?,
        }
    }
    match step_summary().filter(|_| outputs.iter().any(|output| output.format == Format::Github)) {
        Some(path) => append_summary(report, &path, shown.database, out_dir),
        None => Ok(()),
    }
}

/// Bytes of a step's summary: of a larger one GitHub shows nothing at all.
const SUMMARY_BYTES: usize = 1 << 20;

/// The file GitHub's runner makes the summary of a step of.
fn step_summary() -> Option<PathBuf> {
    std::env::var_os("GITHUB_STEP_SUMMARY").filter(|name| !name.is_empty()).map(PathBuf::from)
}

/// Adds the report as Markdown to what a step has said already, as far as there is room.
fn append_summary(
    report: &v1::Report,
    path: &Path,
    database: Option<&str>,
    out_dir: Option<String>,
) -> Result<(), OutputError> {
    let failed = |source| OutputError::Write { path: path.to_path_buf(), source };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
    let written = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(usize::MAX);
    let gap = if written > 0 { "\n" } else { "" };
    let heading = database.map(|name| format!("# Database {}\n\n", markdown::code(name))).unwrap_or_default();
    let room = SUMMARY_BYTES.saturating_sub(written + gap.len() + heading.len());
    if room < markdown::LEAST {
        // The runner's log is read by people, and stderr is part of it.
        let told = format!("warning: no room is left in {}: see the full report", path.display());
        return writeln!(anstream::stderr(), "{told}").map_err(failed);
    }
    let options = RenderOptions { byte_budget: room, out_dir, ..Default::default() };
    let text = render(report, Format::Markdown, &options);
    file.write_all(format!("{gap}{heading}{text}").as_bytes()).map_err(failed)
}

/// Names the database a report is about, before the report, where standard output is for people.
///
/// # Errors
/// What the stream says.
pub fn write_heading(database: &str, first: bool, outputs: &[Output], color: When) -> Result<(), OutputError> {
    let Some(output) = outputs.iter().find(|output| output.file.is_none()) else { return Ok(()) };
    let gap = if first { "" } else { "\n" };
    match output.format {
        Format::Text => write_stdout(&format!("{gap}Database {}\n\n", visible(database)), color),
        Format::Markdown => write_stdout(&format!("{gap}# Database {}\n\n", markdown::code(database)), color),
        // One document after another.
        Format::Json | Format::Html | Format::Sarif | Format::Junit | Format::Github | Format::Gitlab => Ok(()),
    }
}

/// Writes report.json, report.md, report.html and the scripts to a folder; the scripts of each migration to folders of their
/// own in it. Scripts of an earlier run go: beside this report they would undo something else.
///
/// # Errors
/// A file that cannot be written.
pub fn write_artefacts(report: &v1::Report, folder: &Path) -> Result<(), OutputError> {
    let options = RenderOptions { out_dir: Some(folder.display().to_string()), ..Default::default() };
    write_file(&folder.join("report.json"), &render(report, Format::Json, &options))?;
    write_file(&folder.join("report.md"), &render(report, Format::Markdown, &options))?;
    write_file(&folder.join("report.html"), &render(report, Format::Html, &options))?;
    remove_scripts(folder)?;
    write_scripts(&report.rollback.scripts, folder)?;
    for single in each::singles(report).iter().filter(|single| single.was_run()) {
        let own = folder.join(&single.folder);
        std::fs::create_dir_all(&own).map_err(|source| OutputError::Write { path: own.clone(), source })?;
        write_scripts(&single.rollback.scripts, &own)?;
    }
    Ok(())
}

/// Removes what [`write_artefacts`] may have written before, by name, and nothing else.
fn remove_scripts(folder: &Path) -> Result<(), OutputError> {
    let mut folders = vec![folder.to_path_buf()];
    if let Ok(entries) = std::fs::read_dir(folder.join("rollback")) {
        folders.extend(entries.flatten().map(|entry| entry.path()));
    }
    for folder in folders {
        for name in ["prepare.sql", "rollback.sql", "cleanup.sql"] {
            let path = folder.join(name);
            match std::fs::remove_file(&path) {
                Err(source) if !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(OutputError::Write { path, source });
                }
                _ => {}
            }
        }
        if folder.parent().is_some_and(|parent| parent.ends_with("rollback")) {
            // Only an empty one goes; whatever else is in it is somebody's.
            let _ = std::fs::remove_dir(&folder);
        }
    }
    Ok(())
}

fn write_scripts(scripts: &v1::Scripts, folder: &Path) -> Result<(), OutputError> {
    scripts.files().try_for_each(|(name, text)| write_file(&folder.join(name), text))
}

fn write_file(path: &Path, text: &str) -> Result<(), OutputError> {
    std::fs::write(path, text).map_err(|source| OutputError::Write { path: path.to_path_buf(), source })
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
///
/// # Errors
/// Anything else the stream says.
pub fn write_stdout(text: &str, color: When) -> Result<(), OutputError> {
    let choice = match color {
        When::Auto => anstream::ColorChoice::Auto,
        When::Always => anstream::ColorChoice::Always,
        When::Never => anstream::ColorChoice::Never,
    };
    let mut stream = anstream::AutoStream::new(std::io::stdout().lock(), choice);
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(OutputError::Write { path: PathBuf::from("standard output"), source }),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_an_earlier_run_do_not_stay_beside_another_report() {
        let folder = tempfile::tempdir().unwrap();
        let report = v1::Report::from_json(include_str!("../../tests/recordings/regressed.json")).unwrap();
        write_artefacts(&report, folder.path()).unwrap();
        assert!(folder.path().join("rollback.sql").is_file());
        let own = folder.path().join("rollback/1");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("rollback.sql"), "-- of before").unwrap();
        std::fs::write(folder.path().join("rollback/notes.txt"), "mine").unwrap();

        let mut unproven = report.clone();
        unproven.rollback.scripts = v1::Scripts::default();
        unproven.migrations.clear();
        write_artefacts(&unproven, folder.path()).unwrap();
        assert!(!folder.path().join("rollback.sql").exists() && !folder.path().join("prepare.sql").exists());
        assert!(!own.exists());
        assert!(folder.path().join("rollback/notes.txt").is_file() && folder.path().join("report.json").is_file());
    }

    #[test]
    fn wrong_usage_leaves_no_empty_file_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.json");
        let formats = [format!("json={}", file.display()), "text".to_owned(), "github".to_owned()];
        assert!(matches!(Output::parse_all(&formats), Err(OutputError::TwoOnStdout)));
        assert!(!file.exists());
    }

    #[test]
    fn text_goes_to_standard_output_unless_something_else_does() {
        let formats = |formats: &[&str]| -> Vec<String> { formats.iter().map(|text| (*text).to_owned()).collect() };
        assert_eq!(Output::parse_all(&[]).unwrap(), [Output { format: Format::Text, file: None }]);
        assert_eq!(Output::parse_all(&formats(&["json"])).unwrap(), [Output { format: Format::Json, file: None }]);
        assert!(matches!(Output::parse_all(&formats(&["json", "text"])), Err(OutputError::TwoOnStdout)));
        assert!(Output::parse_all(&formats(&["json=/nowhere/at/all/report.json"])).is_err());
    }

    #[test]
    fn each_database_has_its_heading_in_the_summary_of_a_step() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/clean.json");
        let report = v1::Report::from_json(&std::fs::read_to_string(path).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let summary = folder.path().join("summary");
        for database in ["shop", "led`ger"] {
            append_summary(&report, &summary, Some(database), None).unwrap();
        }
        let written = std::fs::read_to_string(&summary).unwrap();
        let headings: Vec<&str> = written.lines().filter(|line| line.starts_with("# ")).collect();
        assert_eq!(headings, ["# Database `shop`", "# Database ``led`ger``"]);
        assert_eq!(written.matches("## ✓ Seatrial: pass").count(), 2);
    }
}
