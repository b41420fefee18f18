//! What people and machines read. Only this module writes stdout.
//!
//! Every format is a view of one [`v1::Report`]: what a saved `report.json` does not hold, no format can show.

pub mod build;
mod colour;
mod copyable;
pub mod each;
pub mod github;
pub mod gitlab;
pub mod html;
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
    /// For a browser.
    Html,
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit XML.
    Junit,
    /// Annotations of GitHub's runner.
    Github,
    /// GitLab's code quality report.
    Gitlab,
}

/// Every format by its name.
pub const FORMATS: [(&str, Format); 8] = [
    ("text", Format::Text),
    ("json", Format::Json),
    ("markdown", Format::Markdown),
    ("html", Format::Html),
    ("sarif", Format::Sarif),
    ("junit", Format::Junit),
    ("github", Format::Github),
    ("gitlab", Format::Gitlab),
];

/// A name that is no format's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no format \"{name}\"; available are {available}", name = visible::visible(.0), available = available())]
pub struct UnknownFormat(String);

fn available() -> String {
    human::list(&FORMATS.map(|(name, _)| name))
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = FORMATS.iter().find(|(known, _)| *known == name);
        known.map(|(_, format)| *format).ok_or_else(|| UnknownFormat(name.to_owned()))
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
        Format::Html => html::render(report, options),
        Format::Sarif => sarif::render(report),
        Format::Junit => junit::render(report),
        Format::Github => github::render(report, options),
        Format::Gitlab => gitlab::render(report),
    }
}
