//! What people and machines read. Only this module writes stdout.
//!
//! Every format is a view of one [`v1::Report`]: what a saved `report.json` does not hold, no format can show.

pub mod build;
mod colour;
pub mod each;
pub mod github;
pub mod gitlab;
pub mod human;
pub mod junit;
pub mod markdown;
pub mod measured;
pub mod output;
pub mod read;
pub mod redact;
pub mod sarif;
pub mod text;
pub mod v1;
pub mod view;
pub mod visible;

pub use output::{Output, Shown, emit, write_artefacts, write_heading, write_stdout};

use std::str::FromStr;
use thiserror::Error;

/// A format this version can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For a terminal.
    Text,
    /// `report.json`.
    Json,
    /// For a pull request.
    Markdown,
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit XML.
    Junit,
    /// Annotations of GitHub's runner.
    Github,
    /// GitLab's code quality report.
    Gitlab,
}

/// Every format of the contract by its name; `None` is not written by this version.
pub const FORMATS: [(&str, Option<Format>); 8] = [
    ("text", Some(Format::Text)),
    ("json", Some(Format::Json)),
    ("markdown", Some(Format::Markdown)),
    ("html", None),
    ("sarif", Some(Format::Sarif)),
    ("junit", Some(Format::Junit)),
    ("github", Some(Format::Github)),
    ("gitlab", Some(Format::Gitlab)),
];

/// Why a name is not a format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// A format of the contract that this version does not write.
    #[error("the format \"{0}\" is not available in this version; available are {available}", available = available())]
    NotAvailable(&'static str),
    /// No format at all.
    #[error("there is no format \"{name}\"; available are {available}", name = visible::visible(.0), available = available())]
    Unknown(String),
}

fn available() -> String {
    let names: Vec<&str> = FORMATS.iter().filter(|(_, format)| format.is_some()).map(|(name, _)| *name).collect();
    human::list(&names)
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match FORMATS.iter().find(|(known, _)| *known == name) {
            Some((_, Some(format))) => Ok(*format),
            Some((known, None)) => Err(FormatError::NotAvailable(known)),
            None => Err(FormatError::Unknown(name.to_owned())),
        }
    }
}

/// What a renderer is told beside the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOptions {
    /// Columns of the terminal; text uses 72 to 100 of them.
    pub width: usize,
    /// Whether text may hold colour.
    pub color: bool,
    /// Whether text shows notes and long lists in full.
    pub verbose: bool,
    /// Whether text is the verdict alone, and, where it is not `pass`, answers and findings.
    pub quiet: bool,
    /// The folder of `--out`, as it should be shown.
    pub out_dir: Option<String>,
    /// Bytes Markdown may have.
    pub byte_budget: usize,
    /// Databases of the run, whose reports share the annotations of one step.
    pub databases: usize,
}

impl Default for RenderOptions {
    /// 80 columns without colour, and what a comment on a pull request can hold.
    fn default() -> Self {
        Self {
            width: 80,
            color: false,
            verbose: false,
            quiet: false,
            out_dir: None,
            byte_budget: markdown::BYTE_BUDGET,
            databases: 1,
        }
    }
}

/// The whole text of a report in one format, with a newline at its end.
pub fn render(report: &v1::Report, format: Format, options: &RenderOptions) -> String {
    match format {
        Format::Text => text::render(report, options),
        Format::Json => report.to_json_pretty(),
        Format::Markdown => markdown::render(report, options),
        Format::Sarif => sarif::render(report),
        Format::Junit => junit::render(report),
        Format::Github => github::render(report, options),
        Format::Gitlab => gitlab::render(report),
    }
}
