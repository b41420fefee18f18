//! Flyway's configuration: `flyway.toml` or `flyway.conf`, and `<script>.conf` beside a script. The environment is not
//! read: what it holds here says nothing about where the migration will run.

use super::super::{MigrationError, Site};
use crate::migration::source_file::read_text;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings by their names without `flyway.`, as one reads them in `flyway.conf`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    all: &'a BTreeMap<String, String>,
}

impl<'a> Settings<'a> {
    /// Of what [`load`] gave.
    pub fn new(all: &'a BTreeMap<String, String>) -> Self {
        Self { all }
    }

    /// A setting, if there is one.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.all.get(key).map(String::as_str)
    }

    /// A setting, or Flyway's default.
    pub fn text(&self, key: &str, default: &'a str) -> &'a str {
        self.get(key).unwrap_or(default)
    }

    /// A setting that is on or off.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.get(key).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    /// A setting with several values.
    pub fn list(&self, key: &str) -> Vec<String> {
        self.get(key).map(list).unwrap_or_default()
    }

    /// Settings whose names begin so, without that.
    pub fn starting(&self, prefix: &str) -> BTreeMap<String, String> {
        let of = |(key, value): (&String, &String)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone()));
        self.all.iter().filter_map(of).collect()
    }

    /// What names of scripts end in.
    pub fn suffixes(&self) -> Vec<String> {
        self.get("sqlMigrationSuffixes").map_or_else(|| vec![".sql".to_owned()], list)
    }

    /// The schema of the history table, which also comes first on the search path.
    pub fn schema(&self) -> Option<String> {
        self.get("defaultSchema").map(str::to_owned).or_else(|| self.list("schemas").into_iter().next())
    }

    /// Whether states like `missing` of `versioned` or `repeatable` migrations are ignored.
    pub fn ignores(&self, kind: &str, state: &str) -> bool {
        let patterns = self.get("ignoreMigrationPatterns").map_or_else(|| vec!["*:future".to_owned()], list);
        patterns.iter().any(|pattern| {
            pattern.split_once(':').is_some_and(|(kinds, states)| {
                let is = |wanted: &str, it: &str| wanted.trim() == "*" || wanted.trim().eq_ignore_ascii_case(it);
                is(kinds, kind) && is(states, state)
            })
        })
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|each| !each.is_empty()).map(str::to_owned).collect()
}

/// Where Flyway's configuration lies, nearest to the migrations.
pub(super) fn find(site: &Site) -> Option<PathBuf> {
    ["flyway.toml", "flyway.conf", "conf/flyway.toml", "conf/flyway.conf"].iter().find_map(|name| site.nearest(name))
}

/// Reads `flyway.toml` or `flyway.conf`.
///
/// # Errors
/// A file that cannot be read, or is not what its name says.
pub(super) fn load(path: &Path) -> Result<BTreeMap<String, String>, MigrationError> {
    let text = read_text(path)?;
    let mut all = if path.extension().is_some_and(|extension| extension == "toml") {
        from_toml(&text)
            .map_err(|error| MigrationError::Configuration { path: path.to_owned(), reason: error.to_string() })?
    } else {
        let all = properties(&text).into_iter();
        all.filter_map(|(key, value)| Some((key.strip_prefix("flyway.")?.to_owned(), value))).collect()
    };
    // What the environment would fill in is not known here, and is missing rather than taken as it stands.
    all.retain(|key, value| key.ends_with("Prefix") || !value.contains("${"));
    Ok(all)
}

/// `key=value` lines, `#` before comments, `\` before a line end that does not count.
pub(super) fn properties(text: &str) -> BTreeMap<String, String> {
    let joined = text.replace("\r\n", "\n").replace("\\\n", "");
    let lines = joined.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// The `[flyway]` table, and of the environment it names what decides where the history lies.
fn from_toml(text: &str) -> Result<BTreeMap<String, String>, toml::de::Error> {
    let document: toml::Table = toml::from_str(text)?;
    let mut all = BTreeMap::new();
    if let Some(flyway) = document.get("flyway") {
        flatten("", flyway, &mut all);
    }
    let environment = all.get("environment").map_or("default", String::as_str).to_owned();
    let of_environment = document.get("environments").and_then(|all| all.get(&environment));
    for key in ["url", "user", "schemas"] {
        if let Some(value) = of_environment.and_then(|values| values.get(key)) {
            flatten(key, value, &mut all);
        }
    }
    Ok(all)
}

fn flatten(key: &str, value: &toml::Value, all: &mut BTreeMap<String, String>) {
    let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&below, value, all);
            }
        }
        toml::Value::Array(values) => {
            all.insert(key.to_owned(), values.iter().map(text).collect::<Vec<_>>().join(","));
        }
        value => {
            all.insert(key.to_owned(), text(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::layout::tests::folder;

    #[test]
    fn both_files_say_the_same() {
        let toml = "[flyway]\nlocations = [\"filesystem:sql\", \"filesystem:more\"]\ngroup = true\n\
            [flyway.placeholders]\nowner = \"app\"\nkey = \"${env.KEY}\"\n[flyway.postgresql.transactional]\nlock = false\n\
            [environments.default]\nurl = \"jdbc:postgresql://h/shop\"\nschemas = [\"shop\", \"log\"]\n";
        let conf = "# ours\nflyway.locations = filesystem:sql,\\\nfilesystem:more\r\nflyway.group=true\n\
            flyway.placeholders.owner=app\nflyway.postgresql.transactional.lock=false\nother=1\n\
            flyway.url=jdbc:postgresql://h/shop\nflyway.schemas=shop,log\nflyway.placeholders.key=${KEY}\n";
        let folder = folder(&[("flyway.toml", toml), ("flyway.conf", conf)]);
        let read = ["flyway.toml", "flyway.conf"].map(|name| load(&folder.path().join(name)).expect("readable"));
        assert_eq!(read[0], read[1]);
        let settings = Settings::new(&read[0]);
        assert!(settings.flag("group", false) && !settings.flag("postgresql.transactional.lock", true));
        assert_eq!(settings.list("locations"), ["filesystem:sql", "filesystem:more"]);
        assert_eq!(settings.schema().as_deref(), Some("shop"));
        assert_eq!(settings.get("placeholders.owner"), Some("app"));
        assert_eq!(settings.get("placeholders.key"), None, "only the environment knows");
    }

    #[test]
    fn broken_toml_is_an_error_with_its_path() {
        let folder = folder(&[("flyway.toml", "[flyway\n")]);
        let message = load(&folder.path().join("flyway.toml")).expect_err("broken").to_string();
        assert!(message.contains("flyway.toml: "), "{message}");
    }

    #[test]
    fn patterns_name_kinds_and_states() {
        let none = BTreeMap::new();
        assert!(Settings::new(&none).ignores("versioned", "future"));
        assert!(!Settings::new(&none).ignores("versioned", "missing"));
        let some = BTreeMap::from([("ignoreMigrationPatterns".to_owned(), "repeatable:missing, *:Ignored".to_owned())]);
        let settings = Settings::new(&some);
        assert!(settings.ignores("repeatable", "missing") && settings.ignores("versioned", "ignored"));
        assert!(!settings.ignores("versioned", "missing") && !settings.ignores("versioned", "future"));
    }
}
