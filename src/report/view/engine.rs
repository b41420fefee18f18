//! Words that depend on the engine, one place for each. They are taken from the report, so that a saved one says the same.

use crate::report::v1::{EngineName, Report, Statement};

/// The engine as it writes itself.
pub fn engine(report: &Report) -> &'static str {
    match report.engine.name {
        EngineName::Postgresql => "PostgreSQL",
        EngineName::Sqlite => "SQLite",
    }
}

/// What the engine's line among the assumptions is called.
pub(super) fn label(report: &Report) -> &'static str {
    match report.engine.name {
        EngineName::Postgresql => "Server",
        EngineName::Sqlite => "Engine",
    }
}

/// Heading of refusals.
pub fn refusals_heading(report: &Report) -> &'static str {
    match report.engine.name {
        EngineName::Postgresql => "What the server said",
        EngineName::Sqlite => "What SQLite said",
    }
}

/// Who says what stands behind it.
pub fn speaker(report: &Report) -> &'static str {
    match report.engine.name {
        EngineName::Postgresql => "The server said",
        EngineName::Sqlite => "SQLite said",
    }
}

/// A refusal: the engine's own code, and its message.
pub fn refusal(statement: &Statement) -> String {
    let code = statement.sqlstate.as_deref().or(statement.code.as_deref()).unwrap_or("no SQLSTATE");
    format!("{code}: {}", statement.error.as_deref().unwrap_or("no message"))
}

/// Why production takes at least as long.
pub fn lower_bounds(report: &Report) -> &'static str {
    // A server of others, and a clone, sync to disk.
    let syncs = report.engine.settings.get("fsync").is_some_and(|fsync| fsync == "on");
    match report.engine.name {
        EngineName::Postgresql if !syncs => "the copy was idle and ran without fsync",
        EngineName::Postgresql | EngineName::Sqlite => "nobody else used the copy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_to_be_without_fsync_where_they_were() {
        let mut report = Report::from_json(include_str!("../../../tests/recordings/clean.json")).expect("a report");
        report.engine.settings.insert("fsync".to_owned(), "off".to_owned());
        assert_eq!(lower_bounds(&report), "the copy was idle and ran without fsync");
        report.engine.settings.insert("fsync".to_owned(), "on".to_owned());
        assert_eq!(lower_bounds(&report), "nobody else used the copy");
    }
}
