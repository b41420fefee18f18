//! How a statement is written so that a second run gets past it.
//!
//! Only where the first run, had it got so far, left exactly what the statement makes: `IF NOT EXISTS` asks for the name
//! and for nothing else.

use super::lexer::{Lexer, Token, TokenKind};
use super::words::{Word, words};

/// What to send in place of a statement that a second run was refused with this SQLSTATE; `None` where nothing simple
/// does.
pub fn safe_to_run_again(sql: &str, sqlstate: &str) -> Option<Vec<String>> {
    let all = words(sql);
    let first = |keywords: &[&str]| {
        keywords.iter().zip(&all).all(|(keyword, word)| word.is(keyword)) && all.len() > keywords.len()
    };
    let guarded = |keywords: &[&str], guard: &str| Some(vec![behind(sql, keywords, guard)?]);
    match sqlstate {
        // duplicate_table, which an index is as well.
        "42P07" => match () {
            () if first(&["CREATE", "UNIQUE", "INDEX"]) || first(&["CREATE", "INDEX"]) => index_anew(sql, &all),
            () if first(&["CREATE", "VIEW"]) => guarded(&["CREATE"], "OR REPLACE"),
            () => ["TABLE", "SEQUENCE"]
                .iter()
                .find(|kind| first(&["CREATE", kind]))
                .and_then(|kind| guarded(&["CREATE", kind], NOT_EXISTS))
                .or_else(|| guarded(&["CREATE", "UNLOGGED", "TABLE"], NOT_EXISTS))
                .or_else(|| guarded(&["CREATE", "MATERIALIZED", "VIEW"], NOT_EXISTS)),
        },
        "42701" => added_column(sql, &all),
        "42P06" => guarded(&["CREATE", "SCHEMA"], NOT_EXISTS),
        "42723" => ["FUNCTION", "PROCEDURE"]
            .iter()
            .find(|kind| first(&["CREATE", kind]))
            .and_then(|_| guarded(&["CREATE"], "OR REPLACE")),
        "42710" if first(&["CREATE", "EXTENSION"]) => guarded(&["CREATE", "EXTENSION"], NOT_EXISTS),
        "42710" if first(&["ALTER", "TYPE"]) => guarded(&["ADD", "VALUE"], NOT_EXISTS),
        "42710" if first(&["CREATE", "TRIGGER"]) => guarded(&["CREATE"], "OR REPLACE"),
        "42710" if first(&["CREATE", "POLICY"]) => dropped_first(sql, &all),
        "42710" if first(&["ALTER", "TABLE"]) => constraint_anew(sql, &all),
        // undefined_table, undefined_column, undefined_object: it went the first time.
        "42P01" | "42704" | "42703" => gone(sql, &all),
        _ => None,
    }
}

const NOT_EXISTS: &str = "IF NOT EXISTS";
const EXISTS: &str = "IF EXISTS";

/// The text with some words behind the first place where these keywords stand in a row.
fn behind(sql: &str, keywords: &[&str], guard: &str) -> Option<String> {
    let tokens: Vec<Token> = Lexer::new(sql).filter(|token| !token.kind.is_trivia()).collect();
    let is = |token: &Token, keyword: &str| {
        token.kind == TokenKind::Word && sql[token.span.clone()].eq_ignore_ascii_case(keyword)
    };
    let at = tokens
        .windows(keywords.len())
        .find(|row| row.iter().zip(keywords).all(|(token, keyword)| is(token, keyword)))?;
    let end = at.last()?.span.end;
    Some(format!("{} {guard}{}", &sql[..end], &sql[end..]))
}

/// The words of a name that begins there, schema and all.
fn name_at(all: &[Word<'_>], mut at: usize) -> Option<String> {
    let mut name = String::new();
    loop {
        let word = all.get(at)?;
        word.name()?;
        name += word.text;
        if all.get(at + 1).is_none_or(|dot| dot.text != ".") {
            return Some(name);
        }
        name.push('.');
        at += 2;
    }
}

/// The schema a name is qualified with, with its dot.
fn schema_of(name: &str) -> &str {
    name.rfind('.').map_or("", |dot| &name[..=dot])
}

/// A build that failed leaves an invalid index under the name: `IF NOT EXISTS` would keep that one.
fn index_anew(sql: &str, all: &[Word<'_>]) -> Option<Vec<String>> {
    let concurrently = all.iter().any(|word| word.depth == 0 && word.is("CONCURRENTLY"));
    let on = all.iter().position(|word| word.is("ON"))?;
    let named = all.get(on.checked_sub(1)?)?;
    if named.is("INDEX") || named.is("CONCURRENTLY") {
        return None;
    }
    let table = name_at(all, on + 1 + usize::from(all.get(on + 1)?.is("ONLY")))?;
    let drop = if concurrently { "DROP INDEX CONCURRENTLY" } else { "DROP INDEX" };
    Some(vec![format!("{drop} {EXISTS} {}{}", schema_of(&table), named.text), sql.to_owned()])
}

/// `ADD COLUMN a`, as often as it stands there; the keyword COLUMN may be left out.
fn added_column(sql: &str, all: &[Word<'_>]) -> Option<Vec<String>> {
    let adds = all.iter().filter(|word| word.depth == 0 && word.is("ADD")).count();
    let spelled = all.windows(2).filter(|two| two[0].depth == 0 && two[0].is("ADD") && two[1].is("COLUMN")).count();
    if adds != 1 || spelled != 1 {
        return None;
    }
    Some(vec![behind(sql, &["ADD", "COLUMN"], NOT_EXISTS)?])
}

/// `ALTER TABLE t ADD CONSTRAINT c …` alone: the constraint goes first.
fn constraint_anew(sql: &str, all: &[Word<'_>]) -> Option<Vec<String>> {
    let only = usize::from(all.get(2)?.is("ONLY"));
    let table = name_at(all, 2 + only)?;
    let adds: Vec<usize> = (0..all.len()).filter(|at| all[*at].depth == 0 && all[*at].is("ADD")).collect();
    let [add] = adds[..] else { return None };
    if !all.get(add + 1)?.is("CONSTRAINT") {
        return None;
    }
    let name = all.get(add + 2)?;
    name.name()?;
    Some(vec![format!("ALTER TABLE {table} DROP CONSTRAINT {EXISTS} {}", name.text), sql.to_owned()])
}

/// `CREATE POLICY p ON t …`, which cannot be replaced.
fn dropped_first(sql: &str, all: &[Word<'_>]) -> Option<Vec<String>> {
    let table = name_at(all, 4).filter(|_| all.get(3).is_some_and(|word| word.is("ON")))?;
    Some(vec![format!("DROP POLICY {EXISTS} {} ON {table}", all.get(2)?.text), sql.to_owned()])
}

/// What drops or renames something that is gone already.
fn gone(sql: &str, all: &[Word<'_>]) -> Option<Vec<String>> {
    if all.first()?.is("DROP") {
        let two: &[&str] = if all.get(2)?.is("CONCURRENTLY") { &["INDEX", "CONCURRENTLY"] } else { &[] };
        if two.is_empty() {
            // MATERIALIZED VIEW, FOREIGN TABLE: the kind is the last keyword before the name.
            let kind = if all.get(1)?.is("MATERIALIZED") || all[1].is("FOREIGN") { 2 } else { 1 };
            let keywords: Vec<&str> = all.get(..=kind)?.iter().map(|word| word.text).collect();
            return Some(vec![behind(sql, &keywords, EXISTS)?]);
        }
        return Some(vec![behind(sql, two, EXISTS)?]);
    }
    if !(all.first()?.is("ALTER") && all.get(1)?.is("TABLE")) {
        return None;
    }
    let drops = all.iter().filter(|word| word.depth == 0 && word.is("DROP")).count();
    if drops == 1 {
        let what = ["COLUMN", "CONSTRAINT"];
        return what.iter().find_map(|what| behind(sql, &["DROP", what], EXISTS)).map(|text| vec![text]);
    }
    // A column's or a constraint's new name takes a DO block.
    let to = all.windows(2).any(|two| two[0].is("RENAME") && two[1].is("TO"));
    to.then(|| behind(sql, &["ALTER", "TABLE"], EXISTS).map(|text| vec![text]))?
}

#[cfg(test)]
mod tests {
    use super::safe_to_run_again;

    fn again(sql: &str, sqlstate: &str) -> String {
        safe_to_run_again(sql, sqlstate).map_or_else(|| "-".to_owned(), |texts| texts.join("; "))
    }

    #[test]
    fn what_is_there_already_is_passed_over_or_made_anew() {
        for (sqlstate, sql, expected) in [
            ("42P07", "create table s.t (a int)", "create table IF NOT EXISTS s.t (a int)"),
            ("42P07", "CREATE UNLOGGED TABLE t ()", "CREATE UNLOGGED TABLE IF NOT EXISTS t ()"),
            ("42P07", "CREATE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW v AS SELECT 1"),
            ("42P07", "CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 1"),
            (
                "42P07",
                "CREATE UNIQUE INDEX CONCURRENTLY \"I x\" ON s.t (a)",
                "DROP INDEX CONCURRENTLY IF EXISTS s.\"I x\"; CREATE UNIQUE INDEX CONCURRENTLY \"I x\" ON s.t (a)",
            ),
            ("42P07", "CREATE INDEX i ON ONLY t (a)", "DROP INDEX IF EXISTS i; CREATE INDEX i ON ONLY t (a)"),
            ("42701", "ALTER TABLE t ADD COLUMN a int /* x */", "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int /* x */"),
            ("42P06", "CREATE SCHEMA s", "CREATE SCHEMA IF NOT EXISTS s"),
            ("42723", "CREATE FUNCTION f() RETURNS int …", "CREATE OR REPLACE FUNCTION f() RETURNS int …"),
            ("42710", "ALTER TYPE mood ADD VALUE 'x'", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x'"),
            ("42710", "CREATE EXTENSION pg_trgm", "CREATE EXTENSION IF NOT EXISTS pg_trgm"),
            (
                "42710",
                "ALTER TABLE ONLY s.t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
                "ALTER TABLE s.t DROP CONSTRAINT IF EXISTS c; ALTER TABLE ONLY s.t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            ),
            (
                "42710",
                "CREATE POLICY p ON s.t USING (true)",
                "DROP POLICY IF EXISTS p ON s.t; CREATE POLICY p ON s.t USING (true)",
            ),
        ] {
            assert_eq!(again(sql, sqlstate), expected);
        }
    }

    #[test]
    fn what_is_gone_already_is_passed_over() {
        for (sqlstate, sql, expected) in [
            ("42P01", "DROP TABLE t", "DROP TABLE IF EXISTS t"),
            ("42P01", "DROP MATERIALIZED VIEW v", "DROP MATERIALIZED VIEW IF EXISTS v"),
            ("42704", "DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY IF EXISTS i"),
            ("42703", "ALTER TABLE t DROP COLUMN a", "ALTER TABLE t DROP COLUMN IF EXISTS a"),
            ("42704", "ALTER TABLE t DROP CONSTRAINT c", "ALTER TABLE t DROP CONSTRAINT IF EXISTS c"),
            ("42P01", "ALTER TABLE t RENAME TO u", "ALTER TABLE IF EXISTS t RENAME TO u"),
        ] {
            assert_eq!(again(sql, sqlstate), expected);
        }
    }

    #[test]
    fn where_a_guard_would_hide_something_there_is_none() {
        for (sqlstate, sql) in [
            ("23505", "INSERT INTO t VALUES (1)"),
            ("42P07", "CREATE INDEX ON t (a)"),
            ("42701", "ALTER TABLE t ADD a int"),
            ("42701", "ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int"),
            ("42703", "ALTER TABLE t RENAME COLUMN a TO b"),
            ("42710", "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ADD CONSTRAINT d CHECK (a > 1)"),
            ("42P01", "SELECT * FROM t"),
            ("22012", "CREATE TABLE t ()"),
        ] {
            assert_eq!(again(sql, sqlstate), "-", "{sql}");
        }
    }
}
