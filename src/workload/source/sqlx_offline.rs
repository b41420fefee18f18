//! Queries that sqlx keeps for builds without a database: `.sqlx/query-<sha256>.json`, with the types of their parameters.

use super::{Reading, WorkloadError};
use crate::migration::SourceFile;
use crate::migration::script::Dialect;
use crate::workload::parameter::{self, rewrite_as};
use crate::workload::{HotQuery, has_plan_in, naming};
use serde_json::Value;
use std::sync::Arc;

/// Digits of the hash that make a name unique.
const DIGITS: usize = 8;

pub(super) fn read_each(file: &Arc<SourceFile>, dialect: Dialect) -> Reading {
    let mut reading = Reading::default();
    let offset = file.text.find("\"query\"").unwrap_or_default();
    let place = |reason: &str| WorkloadError::place(file, offset, reason);
    let Ok(json) = serde_json::from_str::<Value>(&file.text) else {
        reading.refused.push(place("not JSON: let `cargo sqlx prepare` write it anew"));
        return reading;
    };
    let (Some(sql), Some(database)) = (json["query"].as_str(), json["db_name"].as_str()) else {
        reading.refused.push(place("not a query of sqlx: `query` or `db_name` is missing"));
        return reading;
    };
    if database != dialect.engine() {
        reading.passed_over.push(place(&format!("a query for {database}")));
        return reading;
    }
    // Its terminating semicolon is no part of what is prepared.
    let sql = sql.trim().trim_end_matches(';').trim_end();
    if let Err(reason) = has_plan_in(sql, dialect) {
        reading.passed_over.push(place(&reason));
        return reading;
    }
    match rewrite_as(sql, &parameter::Dialect::of(dialect)) {
        Ok((rewritten, parameters)) => {
            let types: Vec<String> =
                json["describe"]["parameters"]["Left"].as_array().into_iter().flatten().map(type_name).collect();
            let hash = json["hash"].as_str().unwrap_or_default();
            let digits: String = hash.chars().filter(char::is_ascii_alphanumeric).take(DIGITS).collect();
            let name = format!("{}-{digits}", naming::name_in(&rewritten, dialect));
            // More or fewer types than parameters would shift them.
            let types = if types.len() == parameters.len() { types } else { Vec::new() };
            let query = HotQuery::bare(name.trim_end_matches('-'), &rewritten);
            reading.queries.push(HotQuery { file: Arc::clone(file), offset, parameters, types, ..query });
        }
        Err(error) => reading.refused.push(place(&error.to_string())),
    }
    reading
}

/// PostgreSQL's name of a type that sqlx calls `Int8`, `UuidArray` or `{"Custom": {"name": "mood"}}`.
fn type_name(value: &Value) -> String {
    let own = value["Custom"]["name"].as_str().or_else(|| value["DeclareWithName"].as_str());
    if let Some(name) = own {
        let array = value["Custom"]["kind"]["Array"].is_object() || value["Custom"]["kind"]["Array"].is_string();
        return match name.strip_prefix('_').filter(|_| array) {
            Some(element) => format!("{}[]", quoted(element)),
            None => match name.strip_suffix("[]") {
                Some(element) => format!("{}[]", quoted(element)),
                None => quoted(name),
            },
        };
    }
    match value.as_str() {
        None | Some("Unknown" | "Void") => "unknown".to_owned(),
        Some(name) => match name.strip_suffix("Array") {
            Some(element) => format!("{}[]", builtin(element)),
            None => builtin(name),
        },
    }
}

fn builtin(name: &str) -> String {
    match name {
        // `char` alone would be `character(1)`.
        "Char" => "\"char\"".to_owned(),
        name if name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_') => name.to_lowercase(),
        name => quoted(name),
    }
}

/// A name of the project's own type, quoted where its spelling needs that; a schema before it is kept.
fn quoted(name: &str) -> String {
    let simple = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let written = |part: &str| {
        let inside = part.strip_prefix('"').and_then(|part| part.strip_suffix('"'));
        inside.is_some_and(|inside| !inside.replace("\"\"", "").contains('"'))
    };
    let part = |part: &str| match simple(part) || written(part) {
        true => part.to_owned(),
        false => format!("\"{}\"", part.replace('"', "\"\"")),
    };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> Reading {
        let name = ".sqlx/query-1.json".to_owned();
        read_as(text, Dialect::PostgreSql, name)
    }

    fn read_as(text: &str, dialect: Dialect, name: String) -> Reading {
        read_each(&Arc::new(SourceFile { path: name.clone().into(), name, text: text.to_owned() }), dialect)
    }

    #[test]
    fn each_engine_reads_its_own() {
        let text = "{\"db_name\": \"SQLite\", \"query\": \"SELECT a FROM `my t` WHERE id = ? AND b = ?\", \
            \"describe\": {\"columns\": [], \"parameters\": {\"Right\": 2}, \"nullable\": []}, \"hash\": \"0123456789ab\"}";
        let read = |dialect| read_as(text, dialect, "query-1.json".to_owned());
        let sqlite = read(Dialect::Sqlite);
        let query = &sqlite.queries[0];
        assert_eq!(query.name, "select-myt-by-id-b-01234567");
        assert_eq!((query.sql.as_str(), query.types.len()), ("SELECT a FROM `my t` WHERE id = $1 AND b = $2", 0));
        let said = read(Dialect::PostgreSql).passed_over[0].to_string();
        assert_eq!(said, "query-1.json:1: a query for SQLite");
        let other = read_as(&with("SELECT 1", "[]"), Dialect::Sqlite, "query-1.json".to_owned());
        assert!(other.passed_over[0].to_string().ends_with("a query for PostgreSQL"));
    }

    fn with(query: &str, types: &str) -> String {
        format!(
            "{{\n  \"db_name\": \"PostgreSQL\",\n  \"query\": \"{query}\",\n  \"describe\": {{\"columns\": [], \
             \"parameters\": {{\"Left\": {types}}}, \"nullable\": []}},\n  \"hash\": \"0123456789abcdef\"\n}}"
        )
    }

    #[test]
    fn a_query_has_its_types_and_a_name_that_stays() {
        let types =
            r#"["Int8", "TextArray", "Char", {"Custom": {"name": "Mood", "kind": {"Enum": ["a"]}}}, "Unknown"]"#;
        let sql = "SELECT a FROM t WHERE id = $1 AND b = ANY($2) AND c = $3 AND d = $4 AND e = $5;";
        let reading = reading(&with(sql, types));
        let query = &reading.queries[0];
        assert_eq!(query.types, ["int8", "text[]", "\"char\"", "\"Mood\"", "unknown"]);
        assert_eq!((query.name.as_str(), query.parameters.len()), ("select-t-by-id-b-01234567", 5));
        assert_eq!(query.place(), ".sqlx/query-1.json:3");
        assert!(query.prepare("q").starts_with("PREPARE q (int8, text[], \"char\", \"Mood\", unknown) AS SELECT a"));
    }

    #[test]
    fn what_has_no_plan_is_named_and_no_mistake() {
        let reading = reading(&with("NOTIFY jobs", "[]"));
        assert_eq!((reading.queries.len(), reading.refused.len()), (0, 0));
        let said = reading.passed_over[0].to_string();
        assert_eq!(said, ".sqlx/query-1.json:3: NOTIFY is a utility statement, which has no plan");
    }

    #[test]
    fn other_files_are_mistakes() {
        for text in ["", "{}", "[1]"] {
            assert_eq!(reading(text).refused.len(), 1, "{text}");
        }
    }
}
