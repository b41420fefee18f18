//! Each migration runs on a real database and is observed as the measured pass observes it.
#![allow(clippy::unwrap_used)]

use crate::check::{CHECKS, Finding};
use crate::config::Thresholds;
use crate::engine::sqlite::apply::{Target, apply};
use crate::engine::sqlite::connection::Stop;
use crate::engine::sqlite::observe::Observer;
use crate::engine::sqlite::{checks, schema, sizes};
use crate::migration::{Connection, Migration, SourceFile, Statement, TransactionMode};
use crate::progress::Activity;
use crate::rehearsal::{EmbeddedFacts, IndexEntry, Pass, Rehearsal, cause};
use crate::report::redact::Redactor;
use crate::report::v1::{EngineName, PassName, Severity};
use crate::snapshot::Snapshot;
use crate::snapshot::sqlite::catalog::catalog;
use crate::snapshot::sqlite::identity::Identities;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A database with customers, their orders, and everything around them.
const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE, code TEXT UNIQUE);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
        total REAL DEFAULT 0 CHECK (total >= 0), note TEXT
    );
    CREATE TABLE empty (a INTEGER);
    CREATE INDEX orders_total ON orders (total) WHERE total > 10;
    CREATE INDEX orders_customer ON orders (customer);
    CREATE TRIGGER no_shrink BEFORE UPDATE ON orders BEGIN SELECT 1; END;
    CREATE VIEW dear AS SELECT id, total FROM orders WHERE total > 100;
    INSERT INTO customers (name, code) VALUES ('a', '007'), ('b', '8');
    INSERT INTO orders (customer, total, note) VALUES (1, 5, 'x'), (1, 50, NULL), (2, 500, 'z');
    ANALYZE;
";

/// How a migration runs.
#[derive(Clone, Copy)]
pub(in crate::check) struct How {
    pub(in crate::check) foreign_keys: bool,
    pub(in crate::check) transaction: TransactionMode,
    pub(in crate::check) version: Option<(u32, u32, u32)>,
}

const USUAL: How = How { foreign_keys: false, transaction: TransactionMode::PerMigration, version: None };
const ENFORCED: How = How { foreign_keys: true, ..USUAL };

/// A rehearsal of these statements, as far as checks look at it.
pub(in crate::check) fn rehearse(setup: &str, statements: &[&str], how: How) -> Rehearsal {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    let made = rusqlite::Connection::open(&path).unwrap();
    made.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    made.execute_batch(setup).unwrap();
    let file = Arc::new(SourceFile {
        path: "m.sql".into(),
        name: "m.sql".to_owned(),
        text: statements.iter().map(|sql| format!("{sql};\n")).collect(),
    });
    let mut at = 0;
    let statements = statements.iter().enumerate().map(|(index, sql)| {
        let span = at..at + sql.len();
        at = span.end + 2;
        Statement { index: index + 1, file: Arc::clone(&file), span, rendered: None }
    });
    let migration = Migration {
        version: "1".to_owned(),
        name: String::new(),
        layout: "plain",
        transaction: how.transaction,
        connection: Connection::default(),
        session: Vec::new(),
        statements: statements.collect(),
        down: None,
        history: None,
    };
    let before = schema::read(&made).unwrap();
    let mut numbers = Identities::of(&before);
    let snapshot = |schema, numbers: &mut Identities| Snapshot {
        catalog: catalog(schema, numbers).into(),
        sizes: sizes::read(&made, schema, numbers).unwrap(),
        plans: Vec::new(),
    };
    let first = snapshot(&before, &mut numbers);
    let (checks_before, statistics_before) = (checks::run(&made).unwrap(), analysed(&made));
    let mut observer = Observer::new(before.clone(), numbers.clone(), first.sizes.clone(), Activity::default());
    let target = Target { path: path.clone(), foreign_keys: Some(how.foreign_keys) };
    let applied = apply(&target, std::slice::from_ref(&migration), None, &Stop::default(), &mut observer).unwrap();
    let after = schema::read(&made).unwrap();
    observer.identities.follow(&observer.schema, &after);
    let mut numbers_after = observer.identities.rebuilt(&numbers);
    let last = snapshot(&after, &mut numbers_after);
    let mut rehearsal = Rehearsal::new(Redactor::default(), Vec::new());
    rehearsal.engine = EngineName::Sqlite;
    rehearsal.migrations = vec![migration];
    rehearsal.observations = observer.observations;
    rehearsal.committed = applied.committed;
    rehearsal.commits = applied.commits;
    rehearsal.applied = applied.migrations;
    rehearsal.failure = applied.failure;
    rehearsal.changes = crate::diff::catalog::compare(&first.catalog, &last.catalog);
    rehearsal.embedded = Some(EmbeddedFacts {
        before,
        after,
        numbers_before: numbers,
        numbers_after,
        checks_before,
        checks_after: Some(checks::run(&made).unwrap()),
        statistics_before,
        statistics_after: analysed(&made),
        oldest_version: how.version,
        ..EmbeddedFacts::default()
    });
    let changes = crate::diff::index::compare_indexes(&first, &last);
    (rehearsal.before, rehearsal.right_after, rehearsal.settled) = (Some(first), Some(last.clone()), Some(last));
    rehearsal.indexes = changes
        .into_iter()
        .map(|change| IndexEntry { statement: cause::statement_of_index(&rehearsal, &change), change })
        .collect();
    let measure = Pass {
        name: PassName::Measure,
        ran: true,
        reason: None,
        crashed: false,
        out_of_budget: false,
        duration_ms: 0.0,
    };
    rehearsal.passes.push(measure);
    rehearsal
}

fn analysed(connection: &rusqlite::Connection) -> BTreeSet<(String, String)> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    if connection.query_row(there, [], |row| row.get::<_, i64>(0)).unwrap() == 0 {
        return BTreeSet::new();
    }
    let mut statement = connection.prepare("SELECT lower(tbl), coalesce(lower(idx), '') FROM sqlite_stat1").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Findings of every check that is about the migration, whatever the thresholds.
fn found(statements: &[&str], how: How) -> Vec<Finding> {
    let rehearsal = rehearse(SHOP, statements, how);
    all(&rehearsal)
}

fn all(rehearsal: &Rehearsal) -> Vec<Finding> {
    let findings = CHECKS.iter().flat_map(|check| (check.find)(rehearsal, &Thresholds::default()));
    findings.filter(|finding| !finding.kind.id.starts_with("config/")).collect()
}

/// Id, severity and statement of each finding whose id begins like this.
fn told(findings: &[Finding], of: &str) -> Vec<(&'static str, Severity, Option<usize>)> {
    let ours = findings.iter().filter(|finding| finding.kind.id.starts_with(of));
    ours.map(|finding| (finding.kind.id, finding.severity, finding.statement)).collect()
}

fn message(findings: &[Finding], id: &str) -> String {
    findings.iter().filter(|finding| finding.kind.id == id).map(|finding| format!("{}\n", finding.message)).collect()
}

const NEW_ORDERS: &str = "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, \
     customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE, total REAL DEFAULT 0 CHECK (total >= 0), note TEXT, \
     extra TEXT)";
const FILL: &str = "INSERT INTO new_orders SELECT id, customer, total, note, NULL FROM orders";
const DROP: &str = "DROP TABLE orders";
const RENAME: &str = "ALTER TABLE new_orders RENAME TO orders";
const BACK: [&str; 4] = [
    "CREATE INDEX orders_total ON orders (total) WHERE total > 10",
    "CREATE INDEX by_customer ON orders (customer)",
    "CREATE TRIGGER no_shrink BEFORE UPDATE ON orders BEGIN SELECT 1; END",
    "ANALYZE orders",
];

/// A rebuild that leaves nothing out, with another new table.
fn rebuild_with(new: &str, fill: &str) -> Vec<Finding> {
    found(&[&["DROP VIEW dear", new, fill, DROP, RENAME][..], &BACK[..]].concat(), USUAL)
}

#[test]
fn what_changes_nothing_finds_nothing() {
    for statements in [
        &["SELECT 1"][..],
        &["CREATE TABLE t (a)", "DROP TABLE t"],
        &["UPDATE orders SET note = note WHERE id < 0"],
        &["PRAGMA foreign_keys"],
        &["ANALYZE"],
        &[
            "CREATE TABLE a_table_whose_name_is_longer_than_the_sixty_three_bytes_other_servers_keep (a INTEGER PRIMARY KEY)",
        ],
    ] {
        for how in [USUAL, ENFORCED, How { version: Some((3, 8, 0)), ..USUAL }] {
            assert_eq!(found(statements, how), [], "{statements:?}");
        }
    }
}

#[test]
fn a_rebuild_with_all_its_steps_loses_nothing() {
    let findings = rebuild_with(NEW_ORDERS, FILL);
    assert_eq!(told(&findings, "sqlite/"), [], "{findings:#?}");
}

#[test]
fn what_a_rebuild_leaves_behind_is_named_with_the_sql_that_brings_it_back() {
    let findings = found(&["DROP VIEW dear", NEW_ORDERS, FILL, DROP, RENAME], USUAL);
    let lost = told(&findings, "sqlite/");
    assert_eq!(
        lost,
        [
            ("sqlite/rebuild-lost", Severity::Error, Some(4)),
            ("sqlite/rebuild-lost", Severity::Error, Some(4)),
            ("sqlite/rebuild-lost-trigger", Severity::Error, Some(4)),
        ],
        "{findings:#?}"
    );
    let advice: String = findings.iter().map(|finding| finding.advice.as_str()).collect();
    assert!(advice.contains("CREATE INDEX orders_total ON orders (total) WHERE total > 10;"), "{advice}");
    assert!(advice.contains("BEGIN SELECT 1; END;"), "{advice}");
    // It is told once.
    assert_eq!(told(&findings, "schema/protection-off"), []);
    // Dropped by a statement of its own, it was meant to go.
    let findings = found(&["DROP VIEW dear", "DROP INDEX orders_total", NEW_ORDERS, FILL, DROP, RENAME], USUAL);
    assert!(!message(&findings, "sqlite/rebuild-lost").contains("orders_total"), "{findings:#?}");
    // Without a table to take the old one's place it is a drop, and `schema/client-breaking` tells of it.
    assert_eq!(told(&found(&["DROP TABLE orders"], USUAL), "sqlite/"), []);
}

#[test]
fn statistics_that_went_with_a_rebuild_are_a_warning() {
    let findings = found(&[&["DROP VIEW dear", NEW_ORDERS, FILL, DROP, RENAME], &BACK[..3]].concat(), USUAL);
    assert_eq!(told(&findings, "sqlite/"), [("sqlite/rebuild-lost", Severity::Warning, Some(4))], "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.advice.ends_with("ANALYZE \"orders\";")));
}

#[test]
fn a_rebuilt_table_that_says_less_than_the_old_one_is_told() {
    let less = "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, customer INTEGER, total REAL, note TEXT)";
    let findings = rebuild_with(less, "INSERT INTO new_orders SELECT id, customer, total, note FROM orders");
    assert_eq!(told(&findings, "sqlite/"), [("sqlite/rebuild-columns", Severity::Warning, Some(2))], "{findings:#?}");
    let told = message(&findings, "sqlite/rebuild-columns");
    for lost in [
        "NOT NULL of customer",
        "DEFAULT 0 of total",
        "CHECK (total >= 0)",
        "REFERENCES \"customers\" ON DELETE CASCADE",
    ] {
        assert!(told.contains(lost), "{lost}: {told}");
    }
}

#[test]
fn the_one_thing_a_rebuild_is_made_for_is_no_finding() {
    let one = "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, \
        customer INTEGER REFERENCES customers ON DELETE CASCADE, total REAL DEFAULT 0 CHECK ( total>=0 ), note TEXT)";
    let findings = rebuild_with(one, "INSERT INTO new_orders SELECT * FROM orders");
    assert_eq!(told(&findings, "sqlite/"), [], "{findings:#?}");
}

#[test]
fn columns_in_another_order_are_told_and_a_column_that_went_is_not() {
    let turned = "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, note TEXT, \
        customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE, total REAL DEFAULT 0 CHECK (total >= 0))";
    let findings = rebuild_with(turned, "INSERT INTO new_orders SELECT id, note, customer, total FROM orders");
    assert_eq!(told(&findings, "sqlite/"), [("sqlite/rebuild-columns", Severity::Warning, Some(2))], "{findings:#?}");
    let fewer = "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, \
        customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE, total REAL DEFAULT 0 CHECK (total >= 0))";
    let findings = rebuild_with(fewer, "INSERT INTO new_orders SELECT id, customer, total FROM orders");
    assert_eq!(told(&findings, "sqlite/"), [], "{findings:#?}");
}

#[test]
fn a_table_dropped_while_foreign_keys_are_on_takes_rows_of_others_with_it() {
    let drop = [
        "CREATE TABLE new_customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE, code TEXT UNIQUE, extra)",
        "INSERT INTO new_customers SELECT *, NULL FROM customers",
        "DROP TABLE customers",
        "ALTER TABLE new_customers RENAME TO customers",
        "ANALYZE",
    ];
    let findings = found(&drop, ENFORCED);
    assert_eq!(told(&findings, "sqlite/"), [("sqlite/foreign-keys-on", Severity::Error, Some(3))], "{findings:#?}");
    assert!(
        message(&findings, "sqlite/foreign-keys-on").contains("3 rows of main.orders are deleted"),
        "{findings:#?}"
    );
    assert_eq!(told(&found(&drop, USUAL), "sqlite/"), []);
    let alone = ["DROP VIEW dear", "DROP TABLE orders"];
    assert_eq!(told(&found(&alone, ENFORCED), "sqlite/"), []);
}

#[test]
fn a_drop_that_foreign_keys_refuse_is_explained() {
    let setup = SHOP.replace(" ON DELETE CASCADE", "");
    let deferred = SHOP.replace(" ON DELETE CASCADE", " DEFERRABLE INITIALLY DEFERRED");
    for setup in [setup, deferred] {
        let rehearsal = rehearse(&setup, &["SELECT 1", "DROP TABLE customers", "SELECT 2"], ENFORCED);
        let findings = all(&rehearsal);
        assert!(told(&findings, "apply/failed").len() == 1, "{findings:#?}");
        assert_eq!(told(&findings, "sqlite/"), [("sqlite/foreign-keys-on", Severity::Error, Some(2))], "{findings:#?}");
    }
}

#[test]
fn a_pragma_that_comes_too_late_is_told_and_one_in_time_is_not() {
    let sql = ["PRAGMA foreign_keys = OFF", "UPDATE orders SET note = 'y' WHERE id = 1", "PRAGMA foreign_keys = ON"];
    let findings = found(&sql, ENFORCED);
    let id = "sqlite/pragma-in-transaction";
    assert_eq!(told(&findings, "sqlite/"), [(id, Severity::Warning, Some(1)), (id, Severity::Info, Some(3))]);
    let findings = found(&sql, USUAL);
    assert_eq!(told(&findings, "sqlite/"), [(id, Severity::Info, Some(1)), (id, Severity::Warning, Some(3))]);
    let outside = How { transaction: TransactionMode::None, ..ENFORCED };
    assert_eq!(told(&found(&sql, outside), "sqlite/"), []);
}

#[test]
fn a_journal_mode_that_stays_as_it_was_is_told() {
    let id = "sqlite/pragma-in-transaction";
    let sql = ["UPDATE orders SET note = 'y' WHERE id = 1", "PRAGMA journal_mode = WAL"];
    let findings = found(&sql, USUAL);
    assert_eq!(told(&findings, ""), [(id, Severity::Warning, Some(2))], "{findings:#?}");
    assert_eq!(told(&found(&sql, How { transaction: TransactionMode::None, ..USUAL }), ""), []);
}

#[test]
fn another_affinity_is_told_and_another_spelling_is_not() {
    let new = NEW_ORDERS.replace("total REAL", "total TEXT").replace(", extra TEXT", "");
    let findings = rebuild_with(&new, "INSERT INTO new_orders SELECT * FROM orders");
    assert_eq!(told(&findings, "sqlite/"), [("sqlite/affinity-changed", Severity::Warning, Some(2))], "{findings:#?}");
    let same = NEW_ORDERS.replace("total REAL", "total DOUBLE").replace(", extra TEXT", "");
    let findings = rebuild_with(&same, "INSERT INTO new_orders SELECT * FROM orders");
    assert_eq!(told(&findings, "sqlite/"), [], "{findings:#?}");
}

#[test]
fn a_required_column_that_only_an_empty_table_takes_is_told() {
    let findings = found(&["ALTER TABLE empty ADD COLUMN b TEXT NOT NULL"], USUAL);
    let id = "sqlite/not-null-without-default";
    assert_eq!(told(&findings, "sqlite/"), [(id, Severity::Warning, Some(1))], "{findings:#?}");
    assert_eq!(told(&found(&["ALTER TABLE empty ADD COLUMN b TEXT NOT NULL DEFAULT ''"], USUAL), "sqlite/"), []);
    let later =
        ["ALTER TABLE orders ADD b TEXT", "UPDATE orders SET b = ''", "ALTER TABLE orders ALTER b SET NOT NULL"];
    assert_eq!(told(&found(&later, USUAL), ""), []);
    let findings = found(&["ALTER TABLE orders ADD COLUMN b TEXT NOT NULL"], USUAL);
    assert_eq!(told(&findings, ""), [("apply/failed", Severity::Error, Some(1))], "{findings:#?}");
}

#[test]
fn what_an_older_version_lacks_is_told_once_and_only_where_one_is_named() {
    let sql = ["ALTER TABLE orders RENAME COLUMN note TO remark", "ALTER TABLE orders RENAME COLUMN remark TO note"];
    let old = |version| How { version: Some(version), ..USUAL };
    let id = "sqlite/older-version";
    assert_eq!(told(&found(&sql, old((3, 24, 0))), id), [(id, Severity::Warning, Some(1))]);
    assert_eq!(told(&found(&sql, old((3, 25, 0))), id), []);
    assert_eq!(told(&found(&sql, USUAL), id), []);
}

#[test]
fn a_rename_that_rewrites_others_is_a_note_and_one_that_leaves_them_behind_a_warning() {
    let id = "sqlite/rename-rewrites";
    let rename = "ALTER TABLE orders RENAME TO purchases";
    let findings = found(&[rename], USUAL);
    assert_eq!(told(&findings, "sqlite/"), [(id, Severity::Info, Some(1))], "{findings:#?}");
    assert!(message(&findings, id).contains("view main.dear"), "{findings:#?}");
    let findings = found(&["PRAGMA legacy_alter_table = ON", rename], USUAL);
    assert_eq!(told(&findings, "sqlite/"), [(id, Severity::Warning, Some(2))], "{findings:#?}");
    assert!(message(&findings, id).contains("view main.dear names orders"), "{findings:#?}");
    let out_of_the_way = [
        "ALTER TABLE customers RENAME TO old_customers",
        "CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE, code TEXT UNIQUE, extra)",
        "INSERT INTO customers SELECT *, NULL FROM old_customers",
        "DROP TABLE old_customers",
        "ANALYZE",
    ];
    let findings = found(&out_of_the_way, USUAL);
    assert!(told(&findings, id).contains(&(id, Severity::Warning, Some(1))), "{findings:#?}");
    assert!(message(&findings, id).contains("a foreign key of main.orders names old_customers"), "{findings:#?}");
    assert_eq!(told(&found(&["ALTER TABLE empty RENAME TO full"], USUAL), "sqlite/"), []);
}

#[test]
fn rows_that_refer_to_nothing_are_counted_and_old_ones_are_not_held_against_the_run() {
    let id = "sqlite/integrity";
    let sql = ["DELETE FROM customers WHERE id = 1"];
    let findings = found(&sql, USUAL);
    assert_eq!(told(&findings, "sqlite/"), [(id, Severity::Error, None)], "{findings:#?}");
    assert!(
        message(&findings, id).starts_with("2 rows of main.orders refer to rows of main.customers"),
        "{findings:#?}"
    );
    let setup = format!("{SHOP} DELETE FROM customers WHERE id = 1;");
    let findings = all(&rehearse(&setup, &["UPDATE orders SET note = 'y' WHERE id = 3"], USUAL));
    assert_eq!(told(&findings, "sqlite/"), [], "{findings:#?}");
    assert_eq!(told(&found(&sql, ENFORCED), "sqlite/"), []);
}

#[test]
fn names_in_any_quotes_are_followed() {
    let setup = "CREATE TABLE \"Ünï \"\"o\"\"\" ([a b] INTEGER PRIMARY KEY, `c` TEXT NOT NULL, d INT NOT NULL);
                 CREATE INDEX \"i;x\" ON \"Ünï \"\"o\"\"\" (`c`);";
    let sql = [
        "CREATE TABLE n ([a b] INTEGER PRIMARY KEY, `c` TEXT, d INT)",
        "DROP TABLE \"Ünï \"\"o\"\"\"",
        "ALTER TABLE n RENAME TO \"Ünï \"\"o\"\"\"",
    ];
    let findings = all(&rehearse(setup, &sql, USUAL));
    assert_eq!(
        told(&findings, "sqlite/"),
        [("sqlite/rebuild-lost", Severity::Error, Some(2)), ("sqlite/rebuild-columns", Severity::Warning, Some(1))],
        "{findings:#?}"
    );
    let advice: String = findings.iter().map(|finding| finding.advice.as_str()).collect();
    assert!(advice.contains("CREATE INDEX \"i;x\" ON \"Ünï \"\"o\"\"\" (`c`);"), "{advice}");
}

#[test]
fn the_lock_is_on_the_whole_database_and_the_advice_fits() {
    let small = Thresholds { rows: 2, update_rows: 2, held_ms: 0.0, ..Thresholds::default() };
    let told = |statements: &[&str], how: How| {
        let rehearsal = rehearse(SHOP, statements, how);
        crate::check::blocking(&rehearsal, &small)
    };
    let ids = |findings: &[Finding]| -> Vec<_> {
        findings.iter().map(|finding| (finding.kind.id, finding.statement, finding.objects.clone())).collect()
    };
    let orders = || vec!["main.orders".to_owned()];
    let rebuild = told(&["DROP VIEW dear", NEW_ORDERS, FILL, DROP, RENAME], USUAL);
    assert_eq!(ids(&rebuild), [("lock/table-rewrite", Some(3), orders())], "{rebuild:#?}");
    let index = told(&["CREATE INDEX by_note ON orders (note)"], USUAL);
    assert_eq!(ids(&index), [("lock/index-build", Some(1), vec!["main.orders".to_owned(), "main.by_note".to_owned()])]);
    let update = told(&["UPDATE orders SET note = 'y'"], USUAL);
    assert_eq!(
        ids(&update),
        [("lock/large-update", Some(1), orders()), ("lock/held-long", Some(1), vec!["main".to_owned()])],
        "{update:#?}"
    );
    // A table of the same run is nobody's yet; the database's lock keeps others waiting all the same.
    let own =
        told(&["CREATE TABLE t AS SELECT * FROM orders", "CREATE INDEX i ON t (note)", "UPDATE t SET note = 1"], USUAL);
    assert_eq!(ids(&own), [("lock/held-long", Some(1), vec!["main".to_owned()])], "{own:#?}");
    for finding in rebuild.iter().chain(&index).chain(&update).chain(&own) {
        let said = format!("{} {}", finding.message, finding.advice);
        assert!(said.contains("write to the database") || said.contains("read or write the database"), "{said}");
        assert!(!said.contains("CONCURRENTLY") && !said.contains("NOT VALID") && !said.contains("Lock"), "{said}");
    }
}

#[test]
fn changes_are_pinned_to_the_statement_that_made_them() {
    let statements = [
        "CREATE INDEX by_note ON orders (note)",
        "DROP INDEX orders_total",
        "DROP VIEW dear",
        "ALTER TABLE Orders RENAME COLUMN Note TO remark",
    ];
    let rehearsal = rehearse(SHOP, &statements, USUAL);
    let of =
        |name: &str| rehearsal.indexes.iter().find(|entry| entry.change.name == name).and_then(|entry| entry.statement);
    assert_eq!((of("main.by_note"), of("main.orders_total")), (Some(1), Some(2)));
    let breaking = told(&all(&rehearsal), "schema/client-breaking");
    let statements: BTreeSet<Option<usize>> = breaking.into_iter().map(|(.., statement)| statement).collect();
    assert_eq!(statements, BTreeSet::from([Some(3), Some(4)]));
}

#[test]
fn what_reaches_outside_the_database_leaves_the_answer_unknown() {
    let rehearsal =
        rehearse(SHOP, &["ATTACH '/tmp/other.db' AS other"], How { transaction: TransactionMode::None, ..USUAL });
    let findings = all(&rehearsal);
    assert_eq!(told(&findings, "apply/"), [("apply/needs-privilege", Severity::Warning, Some(1))], "{findings:#?}");
    assert!(message(&findings, "apply/needs-privilege").starts_with("reaches outside the database"), "{findings:#?}");
    let unknown = crate::rehearsal::answers::unknown(&rehearsal);
    assert!(unknown.iter().any(|each| each.answer == "applies" && !each.reason.contains("role")), "{unknown:?}");
}
