//! What the settings files of a data directory say about plans. Nothing else of them is taken: a copy is started with
//! settings of our own.

use crate::engine::postgres::parameters::{self, ParameterKind};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// The files, the stronger one last.
const FILES: [&str; 2] = ["postgresql.conf", "postgresql.auto.conf"];

/// Parameters that decide about plans, as a server would have them from these files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannerSettings {
    /// Names and values.
    pub settings: Vec<(String, String)>,
    /// What was taken, and what could not be.
    pub notes: Vec<String>,
}

/// Reads the settings files of a data directory. A file that is not there or cannot be read is noted.
pub fn planner_settings(data_dir: &Path) -> PlannerSettings {
    let mut found = PlannerSettings::default();
    let mut settings = BTreeMap::new();
    for file in FILES {
        let text = match std::fs::read(data_dir.join(file)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // Packages keep it elsewhere.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                found.notes.extend((file == FILES[0]).then(|| {
                    "the source has no postgresql.conf in its data directory: settings that decide about plans are the \
                     defaults unless [production] says otherwise"
                        .to_owned()
                }));
                continue;
            }
            Err(error) => {
                found.notes.push(format!("the source's {file} cannot be read ({error}): nothing of it was taken"));
                continue;
            }
        };
        read(&text, file, &mut settings, &mut found.notes);
    }
    if !settings.is_empty() {
        let each: Vec<String> = settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        found.notes.push(format!("taken from the source's settings: {}", each.join(", ")));
    }
    found.settings = settings.into_iter().collect();
    found
}

fn read(text: &str, file: &str, settings: &mut BTreeMap<String, String>, notes: &mut Vec<String>) {
    for (name, value) in text.lines().filter_map(setting) {
        if name.starts_with("include") {
            let note = format!("the source's {file} includes other files, which were not read");
            if !notes.contains(&note) {
                notes.push(note);
            }
        } else if let Some((name, kind)) = parameters::find(&name) {
            match plain(kind, &value) {
                Some(value) => drop(settings.insert(name.to_owned(), value)),
                None => notes.push(format!("{name} in the source's {file} was not understood and not taken")),
            }
        }
    }
}

/// A switch may be said in more words than we take.
fn plain(kind: ParameterKind, value: &str) -> Option<String> {
    let value = match (kind, value.to_ascii_lowercase().as_str()) {
        (ParameterKind::Switch, "on" | "true" | "yes" | "1") => "on".to_owned(),
        (ParameterKind::Switch, "off" | "false" | "no" | "0") => "off".to_owned(),
        _ => value.to_owned(),
    };
    kind.accepts(&value).then_some(value)
}

/// `name = value`, `name value` or `name = 'it''s'`, with or without a comment; names in lower case.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let end = line.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_.".contains(letter)))?;
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let value = match rest.strip_prefix('\'') {
        Some(quoted) => {
            let mut value = String::new();
            let mut letters = quoted.chars().peekable();
            loop {
                match letters.next()? {
                    '\'' if letters.peek() == Some(&'\'') => value.extend(letters.next()),
                    '\'' => break,
                    letter => value.push(letter),
                }
            }
            value
        }
        None => rest.split('#').next().unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned(),
    };
    (!name.is_empty() && !value.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_both(conf: Option<&str>, auto: &str) -> PlannerSettings {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(conf) = conf {
            std::fs::write(folder.path().join("postgresql.conf"), conf).expect("written");
        }
        std::fs::write(folder.path().join("postgresql.auto.conf"), auto).expect("written");
        planner_settings(folder.path())
    }

    #[test]
    fn settings_that_decide_about_plans_are_taken_and_no_others() {
        let found = read_both(
            Some(
                "# work_mem = 1MB\nwork_mem = 64MB\t# more\nWork_Mem=32MB\nrandom_page_cost 1.1\n  enable_seqscan = No\n\
                 archive_command = 'touch it''s'\nshared_preload_libraries = 'x'\nlisten_addresses = '*'\n",
            ),
            "# by ALTER SYSTEM\nrandom_page_cost = '1.25'\neffective_cache_size = '8GB'\n",
        );
        let pairs: Vec<_> = found.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("effective_cache_size", "8GB"),
                ("enable_seqscan", "off"),
                ("random_page_cost", "1.25"),
                ("work_mem", "32MB")
            ]
        );
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    }

    #[test]
    fn what_was_not_read_is_said() {
        let found = read_both(Some("include_dir = 'conf.d'\nwork_mem = '1.5GB'\n"), "");
        assert_eq!(found.settings, []);
        assert_eq!(
            found.notes,
            [
                "the source's postgresql.conf includes other files, which were not read",
                "work_mem in the source's postgresql.conf was not understood and not taken"
            ]
        );
        assert!(read_both(None, "").notes[0].contains("[production]"));
    }
}
