//! `sqitch.conf`: where the plan and the scripts are, and the variables psql is given.

use crate::migration::MigrationError;
use crate::migration::source_file::{SourceFileError, read_text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A project as its configuration describes it. Paths are below the folder that `sqitch` is started in.
#[derive(Debug)]
pub(super) struct Configuration {
    /// The folder with `sqitch.conf`, or the plan where there is none.
    pub(super) project: PathBuf,
    /// What Sqitch calls the engine: `pg`, `sqlite`.
    engine: &'static str,
    values: Vec<(String, String)>,
}

impl Configuration {
    /// The project that `directory` is part of: the folder with the configuration or the plan, its top folder, or the
    /// folder of its deploy scripts.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub(super) fn near(directory: &Path, engine: &'static str) -> Result<Option<Self>, MigrationError> {
        let unreadable = |source| SourceFileError::Read { path: directory.to_owned(), source };
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let canonical = here.canonicalize().map_err(unreadable)?;
        for (level, folder) in canonical.ancestors().take(4).enumerate() {
            let path = folder.join("sqitch.conf");
            if !path.is_file() && !folder.join("sqitch.plan").is_file() {
                continue;
            }
            // Names of files stay as the user spells the path.
            let mut project = here.to_owned();
            for _ in 0..level {
                project = if project.file_name().is_some() {
                    super::super::site::parent(&project)
                } else {
                    project.join("..")
                };
            }
            let values = if path.is_file() { parse(&path)? } else { Vec::new() };
            let found = Self { project, engine, values };
            let is_here = |path: PathBuf| path.canonicalize().is_ok_and(|path| path == canonical);
            if level == 0 || is_here(found.top()) || is_here(found.directory("deploy", false)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A value of the target, the engine, or the project, whichever speaks first.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let engine = self.engine;
        let own = self.get(&format!("engine.{engine}.target")).filter(|target| !target.contains(':'));
        let target = own.and_then(|target| self.get(&format!("target.{target}.{key}")));
        target.or_else(|| self.get(&format!("engine.{engine}.{key}"))).or_else(|| self.get(&format!("core.{key}")))
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.values.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str())
    }

    /// The engine, if it is said and another.
    pub(super) fn foreign_engine(&self) -> Option<&str> {
        let own = format!("engine.{}.", self.engine);
        let known = self.values.iter().any(|(name, _)| name.starts_with(&own));
        self.get("core.engine").filter(|engine| *engine != self.engine && !known)
    }

    pub(super) fn top(&self) -> PathBuf {
        self.below(self.value("top_dir").unwrap_or("."))
    }

    fn below(&self, path: &str) -> PathBuf {
        if path == "." { self.project.clone() } else { self.project.join(path) }
    }

    pub(super) fn plan(&self) -> PathBuf {
        self.value("plan_file").map_or_else(|| self.top().join("sqitch.plan"), |path| self.below(path))
    }

    /// The folder of the scripts for `deploy` or `revert`; those of reworked changes may have another.
    pub(super) fn directory(&self, direction: &str, reworked: bool) -> PathBuf {
        let plain = || {
            let own = self.value(&format!("{direction}_dir"));
            own.map_or_else(|| self.top().join(direction), |path| self.below(path))
        };
        if !reworked {
            return plain();
        }
        let own = self.value(&format!("reworked_{direction}_dir")).map(|path| self.below(path));
        let shared = || self.value("reworked_dir").map(|path| self.below(path).join(direction));
        own.or_else(shared).unwrap_or_else(plain)
    }

    /// Variables for psql when it deploys or reverts.
    pub(super) fn variables(&self, direction: &str) -> BTreeMap<String, String> {
        let target =
            self.get(&format!("engine.{}.target", self.engine)).map(|target| format!("target.{target}.variables."));
        let mut sections = vec!["core.variables.".to_owned(), format!("engine.{}.variables.", self.engine)];
        sections.extend(target);
        sections.push("deploy.variables.".to_owned());
        sections.push(format!("{direction}.variables."));
        let mut variables = BTreeMap::from([("registry".to_owned(), self.registry().to_owned())]);
        for section in sections {
            let own = self.values.iter().filter_map(|(name, value)| Some((name.strip_prefix(&section)?, value)));
            variables.extend(own.map(|(name, value)| (name.to_owned(), value.clone())));
        }
        variables
    }

    pub(super) fn registry(&self) -> &str {
        self.value("registry").unwrap_or("sqitch")
    }

    /// Whether scripts are verified as they are deployed.
    pub(super) fn verifies(&self) -> bool {
        self.get("deploy.verify").is_some_and(|value| matches!(value, "true" | "yes" | "on" | "1"))
    }
}

/// Reads a file of the form git's configuration has: names with their sections before a dot.
fn parse(path: &Path) -> Result<Vec<(String, String)>, MigrationError> {
    let text = read_text(path)?;
    let mut section = String::new();
    let mut values = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = || MigrationError::Configuration {
            path: path.to_owned(),
            reason: format!("line {} is neither `[section]` nor `name = value`", at + 1),
        };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(inside) = line.strip_prefix('[') {
            let (inside, _) = inside.split_once(']').ok_or_else(wrong)?;
            let (name, below) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
            let below = below.trim().trim_matches('"');
            section = name.to_lowercase();
            if !below.is_empty() {
                section = format!("{section}.{below}");
            }
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, "true"));
        if section.is_empty() {
            return Err(wrong());
        }
        values.push((format!("{section}.{}", name.trim()), unquoted(value.trim())));
    }
    Ok(values)
}

/// A value without quotes and without the comment after it.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    let mut quoted = false;
    let mut characters = value.chars();
    while let Some(each) = characters.next() {
        match each {
            '"' => quoted = !quoted,
            '\\' => text.extend(characters.next().map(|each| if each == 'n' { '\n' } else { each })),
            '#' | ';' if !quoted => break,
            _ => text.push(each),
        }
    }
    if value.starts_with('"') { text } else { text.trim_end().to_owned() }
}
