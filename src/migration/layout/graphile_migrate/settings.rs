//! `.gmrc`: placeholders, settings of the session, and what is run around migrations.

use super::super::cut::Rendered;
use super::super::site::parent;
use super::super::{MigrationFile, MigrationTree, Script, Site, json5, literal};
use super::current::{INCLUDE, includes};
use crate::migration::MigrationError;
use crate::migration::source_file::read_text;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What it is called, best first; only the first is data.
pub(super) const NAMES: [&str; 3] = [".gmrc", ".gmrc.js", ".gmrc.cjs"];

/// Placeholders of its own, which tell where it is connected to.
const RESERVED: [&str; 2] = ["DATABASE_NAME", "DATABASE_OWNER"];

/// Begins the name of the attribute that holds a placeholder's value.
const VALUE: &str = "placeholder ";
/// Begins the name of the attribute of a placeholder without one.
const NO_VALUE: &str = "missing ";

/// The settings of a project.
#[derive(Debug, Default)]
pub(super) struct Settings {
    path: Option<PathBuf>,
    values: Map<String, Value>,
}

impl Settings {
    /// The nearest settings file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn near(site: &Site) -> Result<Self, MigrationError> {
        let Some(path) = NAMES.iter().find_map(|name| site.nearest(name)) else { return Ok(Self::default()) };
        let mut values = Map::new();
        if path.ends_with(NAMES[0]) {
            let text = read_text(&path)?;
            let wrong = |reason: String| MigrationError::Configuration { path: path.clone(), reason };
            values = match json5::parse(&text) {
                Ok(Value::Object(values)) => values,
                Ok(_) => return Err(wrong("not an object: begin with {".to_owned())),
                Err(error) => return Err(wrong(error.to_string())),
            };
            if let Some(name) = values
                .get("placeholders")
                .and_then(Value::as_object)
                .and_then(|all| all.keys().find(|name| !is_name(name)))
            {
                return Err(wrong(format!(
                    "placeholders: {name} is not written as :ABC_DEF, and graphile-migrate stops"
                )));
            }
        }
        Ok(Self { path: Some(path), values })
    }

    /// The folder of migrations, where `given` is the project that has the settings.
    pub(super) fn folder(&self, given: &Path) -> Option<PathBuf> {
        let project = parent(self.path.as_ref()?);
        let is_project = given.canonicalize().is_ok_and(|given| given == project);
        (is_project && !given.join("committed").exists())
            .then(|| given.join(self.values.get("migrationsFolder").and_then(Value::as_str).unwrap_or("migrations")))
    }

    /// What it says about sessions and placeholders, and what people should know of it. Values that the user gives come
    /// first.
    pub(super) fn describe(&self, given: &BTreeMap<String, String>, tree: &mut MigrationTree) {
        let object = |key: &str| self.values.get(key).and_then(Value::as_object).into_iter().flatten();
        for (name, value) in object("pgSettings") {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            tree.session.push(format!("select pg_catalog.set_config({}, {}, false)", literal(name), literal(&value)));
        }
        for name in RESERVED {
            tree.attributes.insert(format!("{NO_VALUE}{name}"), String::new());
        }
        for (name, value) in object("placeholders") {
            let name = name.trim_start_matches(':');
            let value = value.as_str().unwrap_or_default();
            let value = if value == "!ENV" { std::env::var(name).ok() } else { Some(value.to_owned()) };
            match value {
                Some(value) => tree.attributes.insert(format!("{VALUE}{name}"), value),
                None => tree.attributes.insert(format!("{NO_VALUE}{name}"), String::new()),
            };
        }
        for (name, value) in given {
            tree.attributes.insert(format!("{VALUE}{}", name.trim_start_matches(':')), value.clone());
        }
        let Some(path) = &self.path else { return };
        if !path.ends_with(NAMES[0]) {
            tree.notes.push(format!(
                "{}: settings written in code are not read: placeholders and pgSettings in it are unknown here",
                path.display()
            ));
        }
        for key in ["beforeAllMigrations", "afterAllMigrations", "beforeCurrent", "afterCurrent"] {
            // Only those that are not for the shadow database alone would run.
            let is_run = |action: &Value| action.get("shadow").and_then(Value::as_bool) != Some(true);
            let runs = match self.values.get(key) {
                Some(Value::Array(actions)) => actions.iter().any(is_run),
                Some(action) => !action.is_null() && is_run(action),
                None => false,
            };
            if runs {
                tree.notes.push(format!("{}: {key} is not run here", path.display()));
            }
        }
    }
}

/// `:ABC_DEF`.
fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix(':').unwrap_or_default();
    let is_part = |each: char| each.is_ascii_uppercase() || each.is_ascii_digit() || each == '_';
    rest.len() > 1 && rest.starts_with(|each: char| each.is_ascii_uppercase()) && rest.chars().all(is_part)
}

/// The text that is sent: what is included in place, and values for placeholders, wherever they stand.
///
/// # Errors
/// A placeholder whose value is not known.
pub(super) fn fill_in<'a>(
    tree: &MigrationTree,
    file: &MigrationFile,
    script: &'a Script,
) -> Result<Rendered<'a>, MigrationError> {
    let mut rendered = Rendered::new(&script.file);
    for part in &script.parts {
        let text = &script.file.text[part.clone()];
        let fill = |span: Range<usize>| placeholders(tree, &text[span.clone()], script, part.start + span.start, false);
        let mut at = 0;
        let included = includes(text)
            .into_iter()
            .filter_map(|(line, path)| Some((line, file.attribute(&format!("{INCLUDE}{path}"))?)));
        for (line, content) in included {
            add(&mut rendered, part.start + at..part.start + line.start, fill(at..line.start)?);
            let begin = part.start + line.start;
            let filled = placeholders(tree, content, script, begin, true)?;
            let mut out = content.to_owned();
            for (span, value) in filled.into_iter().rev() {
                out.replace_range(span, value);
            }
            rendered.replace(begin..part.start + line.end, &out);
            at = line.end;
        }
        add(&mut rendered, part.start + at..part.end, fill(at..text.len())?);
    }
    Ok(rendered)
}

/// Adds bytes of the file with `values` in their places, which count from the first of them.
fn add(rendered: &mut Rendered<'_>, source: Range<usize>, values: Vec<(Range<usize>, &str)>) {
    let mut at = source.start;
    for (span, value) in values {
        rendered.copy(at..source.start + span.start);
        rendered.replace(source.start + span.start..source.start + span.end, value);
        at = source.start + span.end;
    }
    rendered.copy(at..source.end);
}

/// The placeholders in `text`, which begins at a byte of the file or, if `included`, stands for the line there.
fn placeholders<'t>(
    tree: &'t MigrationTree,
    text: &str,
    script: &Script,
    begin: usize,
    included: bool,
) -> Result<Vec<(Range<usize>, &'t str)>, MigrationError> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(':') {
        let rest = &text[at + 1..];
        let length = rest.find(|each: char| !each.is_ascii_alphanumeric() && each != '_').unwrap_or(rest.len());
        let name = &rest[..length];
        if let Some(value) = tree.attributes.get(&format!("{VALUE}{name}")) {
            found.push((at..at + 1 + length, value.as_str()));
        } else if tree.attributes.contains_key(&format!("{NO_VALUE}{name}")) {
            return Err(MigrationError::Placeholder {
                file: script.file.name.clone(),
                line: script.file.position(if included { begin } else { begin + at }).line,
                placeholder: format!(":{name}"),
                advice: if RESERVED.contains(&name) {
                    format!("graphile-migrate takes it from its connection: give {name} under `placeholders`")
                } else {
                    format!("set the environment variable {name}, or give it under `placeholders`")
                },
            });
        }
    }
    Ok(found)
}
