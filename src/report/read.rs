//! Reading and writing `report.json`, with errors that say where in the file something is wrong.

use super::v1::{Report, SCHEMA_VERSION};
use super::visible::is_unprintable;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use std::fmt::Write as _;
use thiserror::Error;

/// Why a text is not a report this version can render.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReportError {
    /// It is not JSON, or ends too early.
    #[error("line {line}, column {column}: not JSON: {reason}; was the file cut off or edited by hand?")]
    Syntax {
        /// 1-based.
        line: usize,
        /// 1-based, in bytes.
        column: usize,
        /// What the reader met.
        reason: String,
    },
    /// It is JSON of another kind.
    #[error("no \"schema_version\" at the top level: this is not a report.json written by seatrial")]
    NotAReport,
    /// It was written by another version.
    #[error(
        "\"schema_version\" is {found}, this version reads {SCHEMA_VERSION}: render it with the version of seatrial \
         that wrote it (\"tool\" says which)"
    )]
    Version {
        /// What stands there, as JSON.
        found: String,
    },
    /// A known key is missing or holds something else than the contract says.
    #[error("line {line}, column {column}: {path}: {reason}")]
    Shape {
        /// The place in the document: `findings[0].line`.
        path: String,
        /// 1-based.
        line: usize,
        /// 1-based, in bytes.
        column: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Report {
    /// Reads a saved report.
    ///
    /// # Errors
    /// Not JSON, not a report, another `schema_version`, a known key missing or of the wrong kind.
    pub fn from_json(text: &str) -> Result<Self, ReportError> {
        #[derive(Deserialize)]
        struct Probe {
            schema_version: Option<Value>,
        }
        let text = text.trim_start_matches('\u{feff}');
        match serde_json::from_str::<Probe>(text) {
            Ok(Probe { schema_version: None }) => return Err(ReportError::NotAReport),
            Ok(Probe { schema_version: Some(found) }) if found != SCHEMA_VERSION => {
                return Err(ReportError::Version { found: found.to_string() });
            }
            Ok(_) => {}
            Err(error) if error.classify() == Category::Data => return Err(ReportError::NotAReport),
            Err(error) => return Err(locate(text, &error)),
        }
        serde_json::from_str(text).map_err(|error| locate(text, &error))
    }

    /// The text of `report.json`, with a newline at its end. Characters a terminal would act on are written as escapes,
    /// so that the text can be shown as it is.
    pub fn to_json_pretty(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("string keys, and writing to memory cannot fail");
        let mut out = escaped(&text);
        out.push('\n');
        out
    }

    /// The JSON Schema of what [`Report::to_json_pretty`] writes.
    pub fn json_schema() -> Value {
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Self>().to_value()
    }
}

/// JSON in which characters a terminal would act on are escapes.
pub(super) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 1);
    // Nearly all of it is what stays as it is.
    let stays = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    let mut rest = json;
    while let Some(at) = rest.bytes().position(|byte| !stays(byte)) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.bytes().position(stays).unwrap_or(from.len());
        let (special, after) = from.split_at(end);
        escape(special, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        // Outside strings JSON holds printable characters and newlines only.
        if character != '\n' && is_unprintable(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}"); // cannot fail: a String grows
            }
        } else {
            out.push(character);
        }
    }
}

fn locate(text: &str, error: &serde_json::Error) -> ReportError {
    let (line, column) = (error.line(), error.column());
    let mut reason = error.to_string();
    if let Some(end) = reason.rfind(" at line ") {
        reason.truncate(end);
    }
    if reason.starts_with("recursion limit exceeded") {
        let reason = "it is nested deeper than can be read: a plan in it has more than some 60 levels".to_owned();
        return ReportError::Shape { path: json_path(text, line, column, &reason), line, column, reason };
    }
    match error.classify() {
        Category::Data => ReportError::Shape { path: json_path(text, line, column, &reason), line, column, reason },
        Category::Syntax | Category::Eof | Category::Io => ReportError::Syntax { line, column, reason },
    }
}

enum Frame {
    Object { key: Option<String>, key_next: bool },
    Array { index: usize },
}

/// The path of the value a 1-based line and column lie in.
fn json_path(text: &str, line: usize, column: usize, reason: &str) -> String {
    let line_start = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
    let end = (line_start + column.saturating_sub(1)).min(text.len());
    let mut frames: Vec<Frame> = Vec::new();
    let mut bytes = text.bytes().enumerate().take(end);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let mut escaped = false;
                let closing = bytes.find(|(_, byte)| {
                    let closes = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    closes
                });
                if let (Some((close, _)), Some(Frame::Object { key, key_next: key_next @ true })) =
                    (closing, frames.last_mut())
                {
                    *key = text.get(at + 1..close).map(str::to_owned);
                    *key_next = false;
                }
            }
            b'{' => frames.push(Frame::Object { key: None, key_next: true }),
            b'[' => frames.push(Frame::Array { index: 0 }),
            b'}' | b']' => {
                frames.pop();
            }
            b',' => match frames.last_mut() {
                Some(Frame::Object { key, key_next }) => (*key, *key_next) = (None, true),
                Some(Frame::Array { index }) => *index += 1,
                None => {}
            },
            _ => {}
        }
    }
    // A missing key is noticed at the end of its object, when the last key read is still the current one.
    if reason.starts_with("missing field")
        && let Some(Frame::Object { key, .. }) = frames.last_mut()
    {
        *key = None;
    }
    let mut path = String::new();
    for frame in &frames {
        match frame {
            Frame::Object { key: Some(key), .. } if path.is_empty() => path.push_str(key),
            Frame::Object { key: Some(key), .. } => path = format!("{path}.{key}"),
            Frame::Object { key: None, .. } => {}
            Frame::Array { index } => path = format!("{path}[{index}]"),
        }
    }
    if path.is_empty() { "at the top level".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_report_is_told_apart() {
        assert_eq!(Report::from_json("[]"), Err(ReportError::NotAReport));
        assert_eq!(Report::from_json("{\"a\": 1}"), Err(ReportError::NotAReport));
        let newer = Report::from_json("{\"schema_version\": 2}").expect_err("refused").to_string();
        assert!(newer.contains("\"schema_version\" is 2, this version reads 1"), "{newer}");
        let text = Report::from_json("{\"schema_version\": \"1\"}").expect_err("refused").to_string();
        assert!(text.contains("\"schema_version\" is \"1\""), "{text}");
        let cut = Report::from_json("{\n  \"schema_version\": 1,").expect_err("refused").to_string();
        assert!(cut.starts_with("line 2, column 22: not JSON: EOF"), "{cut}");
    }

    #[test]
    fn a_path_leads_to_the_value() {
        let text = "{\"a\": 1, \"b\": [\n {\"c\": \"},{\\\"\"}, {\"d\": \"x\"}\n]}";
        let column = 1 + text.lines().nth(1).expect("two lines").find("\"x").expect("there");
        assert_eq!(json_path(text, 2, column, "invalid type"), "b[1].d");
        assert_eq!(json_path(text, 2, column, "missing field `e`"), "b[1]");
        assert_eq!(json_path(text, 2, column + 3, "invalid value"), "b[1].d", "a text is no key once it is read");
        assert_eq!(json_path(text, 3, 2, "missing field `e`"), "at the top level");
    }
}
