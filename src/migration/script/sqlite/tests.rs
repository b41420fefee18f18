//! What statements do, by their words.

use super::SqliteAlteration as A;
use super::SqliteStatement as S;
use super::*;
use crate::migration::script::{StatementKind, kind_in};

fn name(text: &str) -> SqliteName {
    let (schema, name) = text.split_once('.').map_or((None, text), |(schema, name)| (Some(schema.to_owned()), name));
    SqliteName { schema, name: name.to_owned() }
}

fn told(sql: &str) -> S {
    let found = kind(sql);
    assert_eq!(kind(&format!("/* a */ -- b\n{sql}")), found, "comments before {sql}");
    found
}

#[test]
fn transactions_and_savepoints() {
    for (sql, expected) in [
        ("BEGIN IMMEDIATE TRANSACTION", S::Begin),
        ("END", S::Commit),
        ("commit transaction", S::Commit),
        ("ROLLBACK", S::Rollback),
        ("ROLLBACK TRANSACTION", S::Rollback),
        ("ROLLBACK TRANSACTION TO SAVEPOINT \"a b\"", S::RollbackTo { name: "a b".into() }),
        ("rollback to x", S::RollbackTo { name: "x".into() }),
        ("SAVEPOINT [x]", S::Savepoint { name: "x".into() }),
        ("RELEASE SAVEPOINT x", S::Release { name: "x".into() }),
        ("RELEASE savepoint", S::Release { name: "savepoint".into() }),
    ] {
        assert_eq!(told(sql), expected, "{sql}");
    }
}

#[test]
fn tables_indexes_views_and_triggers_bear_their_names() {
    let table = |temporary, text| S::CreateTable { temporary, name: name(text) };
    for (sql, expected) in [
        ("CREATE TABLE t (a)", table(false, "t")),
        ("create table if not exists main.\"My t\" (a)", table(false, "main.My t")),
        ("CREATE TEMP TABLE `t` AS SELECT 1", table(true, "t")),
        ("CREATE TABLE Temp.[t 1](a)", table(true, "Temp.t 1")),
        ("CREATE TABLE \"if\" (a)", table(false, "if")),
        ("DROP TABLE IF EXISTS \"a\"\"b\"", S::DropTable { name: name("a\"b") }),
        ("DROP VIEW main.v", S::DropView { name: name("main.v") }),
        ("DROP INDEX i", S::DropIndex { name: name("i") }),
        ("DROP TRIGGER IF EXISTS 'tr'", S::DropTrigger { name: name("tr") }),
        (
            "CREATE UNIQUE INDEX IF NOT EXISTS main.i ON \"t\" (lower(a)) WHERE b",
            S::CreateIndex { unique: true, name: name("main.i"), table: "t".into() },
        ),
        ("CREATE TEMPORARY VIEW v(a) AS SELECT 1", S::CreateView { temporary: true, name: name("v") }),
        (
            "CREATE TRIGGER tr INSTEAD OF UPDATE OF a, \"on\" ON main.v BEGIN SELECT 1; END",
            S::CreateTrigger { temporary: false, name: name("tr"), table: name("main.v") },
        ),
        ("CREATE VIRTUAL TABLE f USING fts5(body)", S::CreateVirtualTable { name: name("f"), module: "fts5".into() }),
    ] {
        assert_eq!(told(sql), expected, "{sql}");
    }
}

#[test]
fn alterations_say_what_they_change() {
    let of = |table: &str, action| S::AlterTable { table: name(table), action };
    for (sql, expected) in [
        ("ALTER TABLE main.t RENAME TO \"new t\"", of("main.t", A::RenameTable { to: "new t".into() })),
        ("ALTER TABLE t RENAME a TO b", of("t", A::RenameColumn { from: "a".into(), to: "b".into() })),
        ("ALTER TABLE t RENAME COLUMN [a] TO `b`", of("t", A::RenameColumn { from: "a".into(), to: "b".into() })),
        ("ALTER TABLE t RENAME \"to\" TO b", of("t", A::RenameColumn { from: "to".into(), to: "b".into() })),
        ("ALTER TABLE t RENAME column TO b", of("t", A::RenameColumn { from: "column".into(), to: "b".into() })),
        (
            "ALTER TABLE t ADD COLUMN n text NOT NULL DEFAULT '' ;",
            of("t", A::AddColumn { name: "n".into(), definition: "text NOT NULL DEFAULT ''".into() }),
        ),
        ("ALTER TABLE t ADD n", of("t", A::AddColumn { name: "n".into(), definition: String::new() })),
        ("ALTER TABLE t DROP COLUMN \"a\"", of("t", A::DropColumn { name: "a".into() })),
        ("ALTER TABLE t DROP a", of("t", A::DropColumn { name: "a".into() })),
        ("ALTER TABLE t DROP CONSTRAINT c", of("t", A::Other)),
        ("ALTER TABLE t ADD CHECK (a > 0)", of("t", A::Other)),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", of("t", A::Other)),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", of("t", A::Other)),
    ] {
        assert_eq!(told(sql), expected, "{sql}");
    }
}

#[test]
fn what_is_written_is_found_behind_with_and_conflict_clauses() {
    let insert = |text| S::Insert { table: name(text) };
    for (sql, expected) in [
        ("INSERT INTO t VALUES (1)", insert("t")),
        ("INSERT OR REPLACE INTO main.\"t\" DEFAULT VALUES", insert("main.t")),
        ("REPLACE INTO [t] SELECT 1", insert("t")),
        ("WITH a AS (SELECT 1), b(x) AS (DELETE FROM z) INSERT OR IGNORE INTO t SELECT 1", insert("t")),
        ("with recursive c(x) as (values(1)) update or rollback t as u set a = 1", S::Update { table: name("t") }),
        ("UPDATE temp.t INDEXED BY i SET a = 1", S::Update { table: name("temp.t") }),
        ("DELETE FROM t", S::Delete { table: name("t") }),
        ("WITH a AS (SELECT 1) SELECT 1", S::Select),
        ("VALUES (1)", S::Select),
    ] {
        assert_eq!(told(sql), expected, "{sql}");
    }
    let SqliteStatement::Update { table } = told("UPDATE temp.t SET a = 1") else { panic!("an update") };
    assert!(table.is_temporary() && !table.is_main() && table.is("T"));
    assert_eq!(table.to_string(), "temp.t");
}

#[test]
fn pragmas_say_what_they_set() {
    let pragma = |name: &str, value: Option<&str>| S::Pragma { name: name.into(), value: value.map(str::to_owned) };
    for (sql, expected) in [
        ("PRAGMA foreign_keys=OFF", pragma("foreign_keys", Some("OFF"))),
        ("pragma main.Foreign_Keys = 'on' -- why", pragma("foreign_keys", Some("on"))),
        ("PRAGMA foreign_keys", pragma("foreign_keys", None)),
        ("PRAGMA foreign_key_check(\"t\")", pragma("foreign_key_check", Some("t"))),
        ("PRAGMA cache_size = -2000", pragma("cache_size", Some("-2000"))),
        ("PRAGMA writable_schema(1);", pragma("writable_schema", Some("1"))),
    ] {
        assert_eq!(told(sql), expected, "{sql}");
    }
}

#[test]
fn the_rest_is_told_by_its_first_words() {
    for (sql, expected) in [
        ("VACUUM INTO 'x'", S::Vacuum),
        ("REINDEX i", S::Reindex),
        ("ANALYZE main", S::Analyze),
        ("EXPLAIN QUERY PLAN DROP TABLE t", S::Explain),
        ("ATTACH 'x' AS y", S::Attach),
        ("DETACH y", S::Detach),
        ("CREATE EXTENSION pg_trgm", S::Other("CREATE EXTENSION".into())),
        ("TRUNCATE t", S::Other("TRUNCATE T".into())),
        ("INSERT t", S::Other("INSERT T".into())),
        ("DROP", S::Other("DROP".into())),
        ("'x'", S::Other(String::new())),
        ("", S::Other(String::new())),
    ] {
        assert_eq!(told(sql), expected, "{sql}");
    }
}

#[test]
fn layouts_are_told_the_same_in_their_own_words() {
    let told = |sql| kind_in(sql, Dialect::Sqlite);
    assert_eq!(told("END"), StatementKind::Commit);
    assert_eq!(told("ROLLBACK TO a"), StatementKind::RollbackTo);
    assert!(!told("SAVEPOINT a").is_transaction_control());
    assert!(!told("VACUUM").can_wrap());
    assert_eq!(told("CREATE INDEX concurrently ON t (a)"), StatementKind::CreateIndex { concurrently: false });
    assert_eq!(told("START TRANSACTION"), StatementKind::Other("START TRANSACTION".to_owned()));
    assert_eq!(kind_in("START TRANSACTION", Dialect::PostgreSql), StatementKind::Begin);
}

#[test]
fn names_are_read_in_every_quoting_style() {
    for (sql, expected) in [("\"a.b\"", ".a.b"), ("main . [x y]", "main.x y"), ("`a``b`", ".a`b"), ("'s'", ".s")] {
        let (schema, name) = expected.split_once('.').expect("both");
        let schema = Some(schema.to_owned()).filter(|schema| !schema.is_empty());
        assert_eq!(parse_name(sql), Some(SqliteName { schema, name: name.to_owned() }), "{sql}");
    }
    assert_eq!(parse_name("a b"), None);
    assert_eq!(parse_name("1"), None);
}
