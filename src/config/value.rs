//! Values of the file that are more than text: each is checked while it is read, so that what is wrong is shown in its
//! place.

use super::{Over, parse_duration, parse_size};
use crate::check;
use crate::cli::FailOn;
use crate::copy::fidelity::Grade;
use crate::migration::TransactionMode;
use crate::report::Format;
use crate::report::v1::{EngineName, Layout, Severity};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Passes this version can run.
pub const PASSES: [&str; 6] = ["measure", "prove", "attribute", "traffic", "queue", "retry"];
/// What stands in `passes`.
const PASS_WORDS: [&str; 7] = ["measure", "prove", "attribute", "traffic", "queue", "retry", "all"];
/// Answers `--require` knows.
pub const ANSWERS: [&str; 4] = ["applies", "blocks", "slower", "undoable"];
/// What `severity` may say of a finding.
const SEVERITIES: [&str; 4] = ["error", "warning", "info", "off"];
/// What `fidelity` may say: only less than what shows by itself.
const GRADES: [&str; 1] = ["subset"];
/// What `fail_on` may say.
const LEVELS: [&str; 3] = ["error", "warning", "never"];
/// How a runner may group statements.
pub const TRANSACTIONS: [&str; 3] = ["per_migration", "none", "all_pending"];

/// Reads text through `make`, whose error is shown in the value's place.
struct Words<'a, F>(&'a str, F);

impl<'de, T, F: FnOnce(&str) -> Result<T, String>> Visitor<'de> for Words<'_, F> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

/// One of a few words. The error is made by the visitor, where the reader knows the place of an array's element too.
struct OneOf(&'static [&'static str]);

impl Visitor<'_> for OneOf {
    type Value = &'static str;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<&'static str, E> {
        self.0.iter().find(|word| **word == text).copied().ok_or_else(|| E::unknown_variant(text, self.0))
    }
}

/// A type that is read from one TOML string.
macro_rules! from_text {
    ($(#[$doc:meta])* $name:ident($type:ty), $expecting:literal, $make:expr, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub $type);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let make: fn(&str) -> Result<$type, String> = $make;
                from.deserialize_str(Words($expecting, make)).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }

        impl Over for $name {}
    };
}

/// A type that is one of a few words.
macro_rules! from_word {
    ($(#[$doc:meta])* $name:ident($type:ty), $words:expr, $make:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub $type);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let make: fn(&'static str) -> $type = $make;
                from.deserialize_str(OneOf($words)).map(make).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": $words })
            }
        }

        impl Over for $name {}
    };
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("an empty string says nothing: leave the key out".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

from_text!(
    /// Text that says something.
    Text(String), "a string", not_empty, { "type": "string", "minLength": 1 }
);
from_text!(
    /// Text that may be empty.
    AnyText(String), "a string", |text| Ok(text.to_owned()), { "type": "string" }
);
from_text!(
    /// A file or folder, relative to the file it is named in.
    FilePath(PathBuf), "a string", |text| not_empty(text).map(PathBuf::from), { "type": "string", "minLength": 1 }
);
from_text!(
    /// A span of time.
    DurationText(Duration), "a string with a duration, such as \"90s\"", parse_duration,
    { "type": "string", "pattern": "^[0-9]+ *(s|m|min|h|d)?$" }
);
from_text!(
    /// An amount of memory or disk, in bytes.
    SizeText(u64), "a string with a size, such as \"20GB\"", parse_size,
    { "type": "string", "pattern": "^[0-9]+ *([kKmMgGtT]?[bB]|[kKmMgGtT])?$" }
);
from_text!(
    /// A format, and the file it goes to.
    FormatText(String), "a string", format_text,
    { "type": "string", "pattern": "^(text|json|markdown|html|sarif|junit|github|gitlab)(=.+)?$" }
);
from_text!(
    /// A server's version.
    VersionText(u32), "a string with a version, such as \"16\" or \"16.4\"", major,
    { "type": "string", "pattern": "^[0-9]+([. ].*)?$" }
);
from_text!(
    /// What a `[[database]]` entry is called, and the folder its artefacts go to.
    DatabaseName(String), "a string", folder_name,
    { "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "maxLength": 64 }
);
from_word!(
    /// An engine.
    EngineWord(EngineName), EngineName::NAMES, |word| EngineName::from_name(word).unwrap_or(EngineName::Postgresql)
);
from_text!(
    /// A version of SQLite, as `sqlite_version()` tells it.
    SqliteVersionText((u32, u32, u32)), "a string with a version of SQLite, such as \"3.31\" or \"3.31.1\"", sqlite_version,
    { "type": "string", "pattern": "^3[.][0-9]+([.][0-9]+)?$" }
);
from_word!(
    /// A pass.
    PassWord(String), &PASS_WORDS, str::to_owned
);
from_word!(
    /// An answer.
    AnswerWord(String), &ANSWERS, str::to_owned
);
/// Layouts of files: all that a report names but the last, [`Layout::Command`].
const FILE_LAYOUTS: &[&str] = Layout::NAMES.split_at(Layout::NAMES.len() - 1).0;

from_word!(
    /// A layout, as a report names it.
    LayoutWord(String), FILE_LAYOUTS, str::to_owned
);
from_word!(
    /// Where copies are made.
    ProviderWord(&'static str), &["private", "server", "command", "dblab", "neon"], |word| word
);
from_word!(
    /// How near a clone is to its original.
    CloneFidelityWord(Grade), &["physical", "logical", "subset", "schema_only"], |word| match word {
        "physical" => Grade::Physical,
        "logical" => Grade::Logical,
        "schema_only" => Grade::SchemaOnly,
        _ => Grade::Subset,
    }
);
from_word!(
    /// How statements are grouped.
    TransactionWord(TransactionMode), &TRANSACTIONS, |word| match word {
        "none" => TransactionMode::None,
        "all_pending" => TransactionMode::AllPending,
        _ => TransactionMode::PerMigration,
    }
);
from_word!(
    /// From which severity on a finding makes the exit code 1.
    Level(FailOn), &LEVELS, |word| match word {
        "warning" => FailOn::Warning,
        "never" => FailOn::Never,
        _ => FailOn::Error,
    }
);

from_word!(
    /// What a finding counts as; nothing where it is switched off.
    SeverityWord(Option<Severity>), &SEVERITIES, |word| match word {
        "error" => Some(Severity::Error),
        "warning" => Some(Severity::Warning),
        "info" => Some(Severity::Info),
        _ => None,
    }
);
from_word!(
    /// How true the source is to production.
    FidelityWord(Grade), &GRADES, |_| Grade::Subset
);
from_word!(
    /// The id of a finding.
    FindingId(&'static str), check::IDS, |id| id
);

impl PartialOrd for FindingId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FindingId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(other.0)
    }
}

impl From<SizeText> for u64 {
    fn from(size: SizeText) -> Self {
        size.0
    }
}

fn format_text(text: &str) -> Result<String, String> {
    let (name, file) = text.split_once('=').unwrap_or((text, "-"));
    Format::from_str(name).map_err(|error| error.to_string())?;
    if file.is_empty() { Err(format!("`{text}` names no file: write {name}=FILE")) } else { Ok(text.to_owned()) }
}

fn major(text: &str) -> Result<u32, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text[..digits].parse() {
        Ok(major) if matches!(text[digits..].chars().next(), None | Some('.' | ' ')) => Ok(major),
        _ => Err(format!("`{text}` is not a version of a server; write it as in \"16\" or \"16.4\"")),
    }
}

/// Letters every file system knows, so that two names are never the same folder by accident.
fn folder_name(text: &str) -> Result<String, String> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) || text.starts_with(['.', '-']) {
        return Err(format!(
            "`{text}` cannot be the name of a folder; use letters, digits, `_`, `-` and `.`, at most 64 of them"
        ));
    }
    Ok(text.to_owned())
}

/// A number that is not negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount(f64);

/// A number from 1 on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

fn at_least<'de, D: Deserializer<'de>>(from: D, least: f64, expected: &str) -> Result<f64, D::Error> {
    let number = f64::deserialize(from)?;
    if number.is_finite() && number >= least {
        Ok(number)
    } else {
        Err(D::Error::invalid_value(Unexpected::Float(number), &expected))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        at_least(from, 0.0, "a number, 0 or more").map(Self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        at_least(from, 1.0, "a number, 1 or more").map(Self)
    }
}

impl From<Amount> for f64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        ratio.0
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

impl JsonSchema for Ratio {
    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 1 })
    }
}

impl Over for Amount {}
impl Over for Ratio {}
impl Over for bool {}
impl Over for u64 {}
impl Over for usize {}
impl<T> Over for Vec<T> {}

/// `3.31.1`: the library's own versions have three numbers.
fn sqlite_version(text: &str) -> Result<(u32, u32, u32), String> {
    let numbers: Vec<Option<u32>> = text.trim().split('.').map(|number| number.parse().ok()).collect();
    match numbers.as_slice() {
        [Some(3), Some(minor)] => Ok((3, *minor, 0)),
        [Some(3), Some(minor), Some(patch)] => Ok((3, *minor, *patch)),
        _ => Err(format!(
            "`{text}` is not a version of SQLite; write what `sqlite3 --version` begins with, such as 3.31.1"
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::migration::layout;
    use std::collections::BTreeSet;

    #[test]
    fn every_layout_that_is_read_can_be_named_and_reported() {
        let read: BTreeSet<&str> = layout::LAYOUTS.iter().map(|layout| layout.name()).collect();
        assert_eq!(read, FILE_LAYOUTS.iter().copied().collect(), "report::v1::Layout has a variant for each");
    }

    #[test]
    fn every_pass_can_be_named() {
        assert_eq!(PASS_WORDS[..PASSES.len()], PASSES);
    }

    #[test]
    fn names_of_databases_are_names_of_folders() {
        for right in ["shop", "shop-eu.2", "_x"] {
            assert!(folder_name(right).is_ok(), "{right}");
        }
        for wrong in ["", ".", "..", "-x", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(folder_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_are_majors_or_full() {
        assert_eq!(major("16"), Ok(16));
        assert_eq!(major("15.18 (Debian 15.18-0+deb12u1)"), Ok(15));
        for wrong in ["", "v16", "16beta", "latest"] {
            assert!(major(wrong).is_err(), "{wrong}");
        }
    }
}
