//! What Flyway's file names say: which kind of migration, which version, which description.

use super::settings::Settings;
use std::cmp::Ordering;

/// A version as Flyway compares them: numbers between dots, zeros at the end without meaning.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// As Flyway writes it to its history.
    pub text: String,
    parts: Vec<u128>,
}

impl Version {
    /// `1_2` and `1.2` are the same; `None` for anything but digits between dots.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.replace('_', ".");
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let mut parts: Vec<u128> = text.split('.').map(digits).collect::<Option<_>>()?;
        while parts.len() > 1 && parts.last() == Some(&0) {
            parts.pop();
        }
        Some(Self { text, parts })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts.cmp(&other.parts)
    }
}

/// What a script is for. Those with a version come first, a baseline before the version it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Stands for everything up to its version in a new database.
    Baseline,
    /// Runs once.
    Versioned,
    /// Takes a versioned one back.
    Undo,
    /// Runs whenever its text changes.
    Repeatable,
}

impl Kind {
    /// As in a file's attributes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Versioned => "versioned",
            Self::Undo => "undo",
            Self::Repeatable => "repeatable",
        }
    }
}

/// A file name taken apart.
#[derive(Debug)]
pub(super) enum Name {
    /// A migration; repeatable ones have no version.
    Migration { kind: Kind, version: Option<Version>, description: String },
    /// Runs at certain moments, and is noted down nowhere.
    Callback,
    /// Begins like a migration's name and goes on otherwise.
    Odd(String),
    /// Nothing to Flyway.
    Other,
}

/// The moments of `migrate` at which scripts of these names run.
const CALLBACKS: [&str; 6] = ["Migrate", "EachMigrate", "Repeatables", "Versioned", "Validate", "CreateSchema"];

impl Name {
    /// Takes the last part of a path apart.
    pub fn parse(file_name: &str, settings: &Settings<'_>) -> Self {
        let Some(stem) = settings.suffixes().iter().find_map(|suffix| file_name.strip_suffix(suffix.as_str())) else {
            return Self::Other;
        };
        if is_callback(stem) {
            return Self::Callback;
        }
        let mut prefixes = [
            (settings.text("sqlMigrationPrefix", "V"), Kind::Versioned),
            (settings.text("undoSqlMigrationPrefix", "U"), Kind::Undo),
            (settings.text("baselineMigrationPrefix", "B"), Kind::Baseline),
            (settings.text("repeatableSqlMigrationPrefix", "R"), Kind::Repeatable),
        ];
        // The longest is the hardest to match.
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let found = prefixes.into_iter().find_map(|(prefix, kind)| Some((prefix, kind, stem.strip_prefix(prefix)?)));
        let Some((prefix, kind, rest)) = found else { return Self::Other };
        let separator = settings.text("sqlMigrationSeparator", "__");
        let (version, description) = rest.split_once(separator).unwrap_or((rest, ""));
        let description = description.replace('_', " ");
        match (kind, Version::parse(version)) {
            (Kind::Repeatable, _) if version.is_empty() => Self::Migration { kind, version: None, description },
            (Kind::Repeatable, _) => Self::Odd(format!("no version may stand between {prefix} and {separator}")),
            (_, Some(version)) => Self::Migration { kind, version: Some(version), description },
            (_, None) => Self::Odd(format!("`{version}` between {prefix} and {separator} is not a version")),
        }
    }
}

fn is_callback(stem: &str) -> bool {
    let event = stem.split_once("__").map_or(stem, |(event, _)| event);
    let moment = event.strip_prefix("before").or_else(|| event.strip_prefix("after"));
    event == "createSchema" || moment.is_some_and(|moment| CALLBACKS.iter().any(|known| moment.starts_with(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn versions_compare_by_number_and_keep_their_spelling() {
        let version = |text| Version::parse(text).expect("a version");
        assert!(version("2") < version("10") && version("1.2") < version("1.10") && version("1") < version("1.0.1"));
        assert_eq!(version("1"), version("001.0"));
        assert_eq!(version("2_1").text, "2.1");
        assert!(version("20261104120000") > version("9"));
        for odd in ["", "1..2", "1a", "-1", "+1", "1."] {
            assert!(Version::parse(odd).is_none(), "{odd}");
        }
    }

    fn shown(name: &str, settings: &[(&str, &str)]) -> String {
        let map: BTreeMap<String, String> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        match Name::parse(name, &Settings::new(&map)) {
            Name::Migration { kind, version, description } => {
                format!("{} {} {description}", kind.name(), version.map_or("-".to_owned(), |version| version.text))
            }
            Name::Callback => "callback".to_owned(),
            Name::Odd(reason) => reason,
            Name::Other => "other".to_owned(),
        }
    }

    #[test]
    fn names_are_taken_apart_as_flyway_does() {
        let found = ["V1_2__add_isbn.sql", "U1.2__add_isbn.sql", "B3__start.sql", "R__book_list.sql", "V7.sql"];
        let expected = [
            "versioned 1.2 add isbn",
            "undo 1.2 add isbn",
            "baseline 3 start",
            "repeatable - book list",
            "versioned 7 ",
        ];
        assert_eq!(found.map(|name| shown(name, &[])), expected);
        assert_eq!(shown("V1__a__b.sql", &[]), "versioned 1 a  b");
        for (name, expected) in [
            ("afterMigrate__grants.sql", "callback"),
            ("beforeEachMigrate.sql", "callback"),
            ("seed.sql", "other"),
            ("V1__a.sql.conf", "other"),
            ("v1__a.sql", "other"),
            ("R1__a.sql", "no version may stand between R and __"),
            ("Vx__a.sql", "`x` between V and __ is not a version"),
            ("V1_add.sql", "`1_add` between V and __ is not a version"),
        ] {
            assert_eq!(shown(name, &[]), expected, "{name}");
        }
    }

    #[test]
    fn prefixes_separator_and_suffixes_are_the_projects() {
        let settings = [
            ("sqlMigrationPrefix", "mig-"),
            ("sqlMigrationSeparator", "-"),
            ("sqlMigrationSuffixes", ".pgsql,.ddl"),
            ("repeatableSqlMigrationPrefix", "again"),
        ];
        assert_eq!(shown("mig-3-add.ddl", &settings), "versioned 3 add");
        assert_eq!(shown("again-list.pgsql", &settings), "repeatable - list");
        assert_eq!(shown("V1__a.sql", &settings), "other");
    }
}
