//! What plans and times of SQLite depend on besides the database.

use super::schema::all;
use crate::engine::ServerError;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// The version that is compiled in.
pub fn version() -> &'static str {
    rusqlite::version()
}

/// Settings of a connection and of the file that plans, locks or times depend on.
const PRAGMAS: [&str; 12] = [
    "analysis_limit",
    "auto_vacuum",
    "automatic_index",
    "cache_size",
    "case_sensitive_like",
    "encoding",
    "foreign_keys",
    "journal_mode",
    "mmap_size",
    "page_size",
    "recursive_triggers",
    "synchronous",
];

/// Options SQLite was compiled with that decide about plans, errors or what SQL there is, as far as libraries differ.
const OPTIONS: [&str; 12] = [
    "DQS",
    "ENABLE_FTS3",
    "ENABLE_FTS4",
    "ENABLE_FTS5",
    "ENABLE_ICU",
    "ENABLE_JSON1",
    "ENABLE_MATH_FUNCTIONS",
    "ENABLE_RTREE",
    "ENABLE_STAT4",
    "ENABLE_UPDATE_DELETE_LIMIT",
    "MAX_VARIABLE_NUMBER",
    "OMIT_AUTOMATIC_INDEX",
];

/// The version that is compiled in, and what it and this connection are set to. An application's own library may be another
/// one, compiled otherwise: `stat4` says whether plans are made with samples of single values.
///
/// # Errors
/// What SQLite says.
pub fn read(connection: &Connection) -> Result<(String, BTreeMap<String, String>), ServerError> {
    let version = connection.query_row("SELECT sqlite_version()", [], |row| row.get(0))?;
    let mut settings = BTreeMap::new();
    for name in PRAGMAS {
        // One that was deprecated away, or left out when SQLite was compiled, answers with no row.
        let value = all(connection, &format!("PRAGMA main.{name}"), |row| row.get::<_, rusqlite::types::Value>(0))?;
        if let Some(value) = value.into_iter().next() {
            settings.insert(name.to_owned(), text(name, value));
        }
    }
    let options: Vec<String> = all(connection, "PRAGMA compile_options", |row| row.get(0))?;
    let named = |option: &String| OPTIONS.contains(&option.split('=').next().unwrap_or(option));
    let stat4 = options.iter().any(|option| option == "ENABLE_STAT4");
    settings.insert("stat4".to_owned(), if stat4 { "yes" } else { "no" }.to_owned());
    settings.insert("compile_options".to_owned(), options.into_iter().filter(named).collect::<Vec<_>>().join(" "));
    Ok((version, settings))
}

fn text(name: &str, value: rusqlite::types::Value) -> String {
    use rusqlite::types::Value;
    const SWITCHES: [&str; 3] = ["automatic_index", "foreign_keys", "recursive_triggers"];
    match value {
        Value::Integer(number) if SWITCHES.contains(&name) => if number == 0 { "off" } else { "on" }.to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Null | Value::Blob(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plans_depend_on_is_told() {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("PRAGMA foreign_keys = on; PRAGMA cache_size = 77").expect("set");
        let (version, settings) = read(&connection).expect("read");
        assert!(version.starts_with("3."), "{version}");
        for (name, value) in [
            ("foreign_keys", "on"),
            ("cache_size", "77"),
            ("stat4", "yes"),
            ("automatic_index", "on"),
            ("encoding", "UTF-8"),
        ] {
            assert_eq!(settings.get(name).map(String::as_str), Some(value), "{settings:?}");
        }
        assert!(settings["compile_options"].contains("ENABLE_FTS5"), "{settings:?}");
    }
}
