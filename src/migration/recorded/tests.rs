#![allow(clippy::unwrap_used)]

use super::*;

fn sent(session: &str, sql: &str) -> Sent {
    Sent { session: session.to_owned(), sql: sql.to_owned(), ..Sent::default() }
}

fn refused(session: &str, sql: &str) -> Sent {
    Sent { refused: Some("23505".to_owned()), ..sent(session, sql) }
}

fn all(statements: &[&str]) -> Vec<Sent> {
    statements.iter().map(|sql| sent("1", sql)).collect()
}

fn recorded(sent: &[Sent]) -> Result<Recorded, RecordError> {
    recorded_from(sent, false)
}

fn recorded_from(sent: &[Sent], failed: bool) -> Result<Recorded, RecordError> {
    let volatile = BTreeSet::from(["setval".to_owned(), "set_config".to_owned()]);
    let file_of = |version: &str| Some(format!("versions/{version}.py"));
    assemble(
        sent,
        &Circumstances { failed, volatile: &volatile, show_values: false, last_named: Some("last"), file_of: &file_of },
    )
}

/// Version, mode, what is sent, and rows of the history in its transaction.
fn parts(recorded: &Recorded) -> Vec<(&str, TransactionMode, Vec<&str>, Option<bool>)> {
    let parts = recorded.migrations.iter().map(|each| {
        let statements = each.statements.iter().map(Statement::sql).collect();
        let history = each.history.as_ref().map(|history| history.in_transaction);
        (each.version.as_str(), each.transaction, statements, history)
    });
    parts.collect()
}

const TO_A: &str = "INSERT INTO alembic_version (version_num) VALUES ('a')";
const TO_B: &str = "UPDATE alembic_version SET version_num='b' WHERE alembic_version.version_num = 'a'";

#[test]
fn versions_that_share_a_transaction_are_told_apart_by_their_rows() {
    let made = recorded(&all(&[
        "BEGIN",
        "select pg_catalog.version()",
        "CREATE TABLE alembic_version (version_num text)",
        "CREATE TABLE one (id int)",
        TO_A,
        "ALTER TABLE one ADD two int",
        "SELECT id FROM one",
        TO_B,
        "COMMIT",
    ]))
    .unwrap();
    use TransactionMode::AllPending;
    assert_eq!(made.setup, ["CREATE TABLE alembic_version (version_num text)"]);
    let expected = [
        ("a", AllPending, vec!["CREATE TABLE one (id int)"], Some(true)),
        ("b", AllPending, vec!["ALTER TABLE one ADD two int"], Some(true)),
    ];
    assert_eq!(parts(&made), expected);
    assert_eq!(made.migrations[1].name, "versions/b.py");
    assert_eq!(made.migrations[1].statements[0].index, 2);
}

#[test]
fn a_version_that_shares_a_transaction_goes_on_in_others() {
    let made = recorded(&all(&[
        "BEGIN",
        "ALTER TABLE one ADD two int",
        "COMMIT",
        "CREATE INDEX CONCURRENTLY i ON one (two)",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "ALTER TABLE one ADD three int",
        TO_B,
        "ALTER TABLE one ADD four int",
        "INSERT INTO schema_migrations (version) VALUES ('c')",
        "COMMIT",
    ]))
    .unwrap();
    use TransactionMode::{AllPending, Explicit};
    let before = vec!["BEGIN", "ALTER TABLE one ADD two int", "COMMIT", "CREATE INDEX CONCURRENTLY i ON one (two)"];
    let expected = [
        ("b", Explicit, before, None),
        (
            "b",
            AllPending,
            vec!["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "ALTER TABLE one ADD three int"],
            Some(true),
        ),
        ("c", AllPending, vec!["ALTER TABLE one ADD four int"], Some(true)),
    ];
    assert_eq!(parts(&made), expected);
}

#[test]
fn a_version_with_transactions_of_its_own_is_one_script() {
    let made = recorded(&all(&[
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "ALTER TABLE one ADD two int",
        "COMMIT",
        "CREATE INDEX CONCURRENTLY i ON one (two)",
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        TO_B,
        "COMMIT",
    ]))
    .unwrap();
    let script = vec!["BEGIN", "ALTER TABLE one ADD two int", "COMMIT", "CREATE INDEX CONCURRENTLY i ON one (two)"];
    assert_eq!(parts(&made), [("b", TransactionMode::Explicit, script, Some(false))]);
}

#[test]
fn what_had_no_effect_is_left_out_and_settings_begin_each_session() {
    let made = recorded(&[
        sent("1", "SET client_encoding TO 'UTF8'"),
        sent("1", "SELECT set_config('TimeZone', 'UTC', false)"),
        sent("1", "BEGIN"),
        sent("1", "SELECT 1"),
        sent("1", "ROLLBACK"),
        refused("1", "SELECT * FROM not_there"),
        sent("2", "SET client_encoding TO 'UTF8'"),
        sent("2", "BEGIN"),
        sent("2", "SAVEPOINT s"),
        refused("2", "CREATE TABLE there (id int)"),
        sent("2", "ROLLBACK TO SAVEPOINT s"),
        sent("2", "SELECT setval('seq', 5)"),
        sent("2", "COMMIT"),
        sent("2", "INSERT INTO django_migrations (app, name) VALUES ('shop', '0001')"),
        sent("2", "SHOW server_version"),
    ])
    .unwrap();
    let statements = vec!["SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "SELECT setval('seq', 5)"];
    assert_eq!(parts(&made), [("shop.0001", TransactionMode::PerMigration, statements, Some(false))]);
    let session = ["SET client_encoding TO 'UTF8'", "SELECT set_config('TimeZone', 'UTC', false)"];
    assert_eq!(made.migrations[0].session, session);
}

#[test]
fn the_refusal_that_ended_it_stays_with_its_transaction() {
    let went_on = [refused("1", "SELECT * FROM not_there"), sent("1", "CREATE TABLE one (id int)")];
    assert_eq!(ends_refused(&went_on, &BTreeSet::new()), None, "it failed later, by itself");
    let sent = [
        sent("1", "BEGIN"),
        sent("1", "ALTER TABLE one ADD two int"),
        sent("1", "SELECT 1"),
        refused("1", "ALTER TABLE one ADD PRIMARY KEY (two)"),
        sent("1", "ROLLBACK"),
    ];
    assert_eq!(ends_refused(&sent, &BTreeSet::new()).as_deref(), Some("23505"));
    assert_eq!(recorded(&sent).unwrap(), Recorded::default(), "a tool that goes on from it has done nothing");
    let made = recorded_from(&sent, true).unwrap();
    let statements = vec!["ALTER TABLE one ADD two int", "ALTER TABLE one ADD PRIMARY KEY (two)"];
    assert_eq!(parts(&made), [("last", TransactionMode::PerMigration, statements, None)]);
}

#[test]
fn values_of_rows_are_sent_and_not_shown() {
    let mut insert = sent("1", "INSERT INTO one VALUES ($1, $2, 'written') /* $1 */, ($1, $2, 'x')");
    insert.parameters = vec!["'it''s'".to_owned(), "NULL".to_owned()];
    let made = recorded(&[insert, sent("1", "ALTER TABLE one ALTER two SET DEFAULT 'x'")]).unwrap();
    let [first, second] = made.migrations[..].iter().flat_map(|each| &each.statements).collect::<Vec<_>>()[..] else {
        panic!("two statements")
    };
    assert_eq!(first.sql(), "INSERT INTO one VALUES ('it''s', NULL, 'written') /* $1 */, ('it''s', NULL, 'x')");
    assert_eq!(&first.file.text[first.span.clone()], "INSERT INTO one VALUES (?, NULL, ?) , (?, NULL, ?)");
    assert_eq!(second.sql(), &second.file.text[second.span.clone()]);
}

#[test]
fn a_message_of_several_statements_is_one_transaction() {
    let made = recorded(&all(&["ALTER TABLE a ADD b int; ALTER TABLE a ADD c int"])).unwrap();
    let statements = vec!["ALTER TABLE a ADD b int", "ALTER TABLE a ADD c int"];
    assert_eq!(parts(&made), [("last", TransactionMode::PerMigration, statements, None)]);
}

#[test]
fn what_cannot_be_sent_again_is_refused() {
    let streamed = recorded(&all(&["COPY one FROM STDIN"])).unwrap_err();
    assert_eq!(streamed.to_string(), "`COPY one FROM STDIN` streams rows that the server does not log");
    let at_once = recorded(&[
        sent("1", "BEGIN"),
        sent("1", "UPDATE one SET id = 5"),
        sent("2", "UPDATE two SET id = 5"),
        sent("1", "COMMIT"),
    ])
    .unwrap_err();
    assert!(
        at_once.to_string().contains("from two sessions at the same time, in `UPDATE two SET id = ?`"),
        "{at_once}"
    );
}

#[test]
fn tools_say_which_version_they_have_come_to() {
    let alembic = "INFO  [alembic.runtime.migration] Running upgrade  -> a1, first\nINFO  [x] Running upgrade a1 -> b2, next\nTraceback";
    assert_eq!(last_named(alembic).as_deref(), Some("b2"));
    assert_eq!(
        last_named("  Applying shop.0001_initial... OK\n  Applying shop.0002_more...").as_deref(),
        Some("shop.0002_more")
    );
    assert_eq!(
        last_named("== 20260101 AddNotes: migrating ====\n== 20260101 AddNotes: migrated").as_deref(),
        Some("20260101")
    );
    assert_eq!(last_named("nothing of the kind"), None);
}
