//! Needs a server. `tests/locks/` holds a table of statements with what the observer measures of each: locks, rewrites,
//! scans, index builds, rows. `SEATRIAL_BLESS=1` writes down what this server's version shows, and `docs/locks.md` anew.
#![allow(clippy::unwrap_used)]

mod support;

#[path = "locks/page.rs"]
mod page;
#[path = "locks/table.rs"]
mod table;

use seatrial::engine::ServerError;
use seatrial::engine::postgres::apply::{Applied, Target, apply};
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::observe::Observer;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::migration::script::split;
use seatrial::migration::{Connection, Migration, SourceFile, Statement, TransactionMode};
use seatrial::observation::lock::LockMode;
use seatrial::observation::{Observation, ObservedLock, Outcome, RelationWork};
use seatrial::progress::Activity;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use support::place::{Place, ROLE};
use table::Case;

const PAGE: &str = "docs/locks.md";

fn folder() -> PathBuf {
    support::repository().join("tests/locks")
}

fn blessing() -> bool {
    std::env::var_os("SEATRIAL_BLESS").is_some()
}

fn migration(case: &Case) -> Migration {
    let file = Arc::new(SourceFile { path: "case.sql".into(), name: "case.sql".to_owned(), text: case.sql.clone() });
    let spans = split(&case.sql).expect("statements");
    let statement = |(at, span)| Statement { index: at + 1, file: Arc::clone(&file), span, rendered: None };
    Migration {
        version: "1".to_owned(),
        name: String::new(),
        layout: "plain",
        transaction: if case.together { TransactionMode::PerMigration } else { TransactionMode::None },
        connection: Connection::default(),
        session: Vec::new(),
        statements: spans.into_iter().enumerate().map(statement).collect(),
        down: None,
        history: None,
    }
}

/// Runs a case on a database of its own, as the measured run does.
async fn measure(place: &Place, case: &Case, database: &str) -> Result<Vec<String>, ServerError> {
    let create = format!("CREATE DATABASE {database} TEMPLATE shop OWNER {ROLE}{}", place.by_files());
    place.execute("postgres", SUPERUSER, &create).await?;
    for before in &case.before {
        place.execute(database, ROLE, before).await.unwrap_or_else(|error| panic!("{}: {before}: {error}", case.title));
    }
    if !case.before.is_empty() {
        place.execute(database, SUPERUSER, "ANALYZE").await?;
    }
    let migration = migration(case);
    let (applied, observations) = observe(place, database, &migration).await?;
    place.execute("postgres", SUPERUSER, &format!("DROP DATABASE {database}")).await?;
    let last = migration.statements.len();
    if let Some(failure) = applied.failure.filter(|failure| failure.statement != last) {
        panic!("{}: statement {}: {}", case.title, failure.statement, failure.error);
    }
    let observation = observations.iter().find(|observation| observation.statement == last).expect("it ran");
    Ok(facts(observation, place.major()))
}

/// Runs a migration under the observer, as the measured run does.
async fn observe(
    place: &Place,
    database: &str,
    migration: &Migration,
) -> Result<(Applied, Vec<Observation>), ServerError> {
    let mut superuser = place.session(database, SUPERUSER).await?;
    let catalog = catalog::read(&mut superuser).await?;
    let sizes = catalog::read_sizes(&mut superuser).await?;
    superuser.close().await;
    let target = Target {
        endpoint: place.endpoint().clone(),
        database: database.to_owned(),
        role: ROLE.to_owned(),
        extensions: Vec::new(),
        search_path: None,
    };
    let mut observations = Vec::new();
    let mut observer =
        Observer::new(&target.endpoint, database, &catalog, &sizes, Activity::default(), &mut observations).await?;
    let applied = apply(&target, std::slice::from_ref(migration), None, &mut observer).await?;
    observer.finish().await?;
    Ok((applied, observations))
}

/// What was measured, without times, bytes, and what came with the run itself.
fn facts(observation: &Observation, major: u32) -> Vec<String> {
    if let Outcome::Failed(error) = &observation.outcome {
        return vec![format!("fails {}", error.sqlstate)];
    }
    // What is read in the transaction itself is complete; a look from outside may or may not come at the right moment.
    let exact = observation.locks.iter().any(|lock| lock.exact);
    // What VACUUM went through is told by servers from 15 on.
    let by_chance =
        |lock: &ObservedLock| !lock.exact && (exact || major < 15 || lock.mode < LockMode::ShareUpdateExclusive);
    let mut locks: Vec<_> = observation.locks.iter().filter(|lock| !lock.created_in_run && !by_chance(lock)).collect();
    locks.sort_by(|a, b| (b.mode, &a.name).cmp(&(a.mode, &b.name)));
    let mut facts: Vec<String> = locks
        .iter()
        .map(|lock| {
            let partitions = match (lock.partitions, lock.partitions_only) {
                (0, _) => String::new(),
                (1, true) => ", 1 partition alone".to_owned(),
                (more, true) => format!(", {more} partitions alone"),
                (1, false) => " and 1 partition".to_owned(),
                (more, false) => format!(" and {more} partitions"),
            };
            let earlier = if lock.taken_here { "" } else { ", held from before" };
            let sampled = if lock.exact { "" } else { ", sampled" };
            format!("lock {} {}{partitions}{earlier}{sampled}", lock.mode.name(), lock.name)
        })
        .collect();
    let mut work = |word: &str, works: &[RelationWork], with_rows: bool| {
        let told: BTreeSet<String> = works
            .iter()
            .filter(|work| !work.created_in_run)
            .map(|work| {
                let rows = if with_rows { format!(" {} rows", work.rows) } else { String::new() };
                format!("{word} {}{rows}", work.name)
            })
            .collect();
        facts.extend(told);
    };
    work("rewrites", &observation.rewritten, false);
    work("reads", &observation.scanned, true);
    work("builds", &observation.indexes_built, false);
    work("inserts into", &observation.inserted, true);
    work("changes", &observation.changed, true);
    work("deletes from", &observation.deleted, true);
    if observation.committed_within {
        facts.push("commits on its way".to_owned());
    }
    facts
}

/// The shop, in a database of its own.
async fn shop(place: &Place) {
    place.execute("postgres", SUPERUSER, &format!("CREATE DATABASE shop OWNER {ROLE}")).await.unwrap();
    let schema = std::fs::read_to_string(folder().join("schema.sql")).unwrap();
    let mut session = place.session("shop", ROLE).await.unwrap();
    for span in split(&schema).unwrap() {
        session.execute(&schema[span.clone()]).await.unwrap_or_else(|error| panic!("{}: {error}", &schema[span]));
    }
    session.execute("VACUUM (ANALYZE)").await.unwrap();
    session.close().await;
    place.execute("postgres", SUPERUSER, &format!("GRANT CREATE ON DATABASE shop TO {ROLE}")).await.unwrap();
}

/// One script, in a mode.
fn script(sql: &str, transaction: TransactionMode) -> Migration {
    let case = Case {
        title: String::new(),
        before: Vec::new(),
        together: false,
        since: 0,
        sql: sql.to_owned(),
        facts: std::collections::BTreeMap::new(),
    };
    Migration { transaction, ..migration(&case) }
}

#[tokio::test]
async fn every_statement_of_the_table_shows_what_was_written_down() {
    let place = Place::new().await;
    let major = place.major();
    shop(&place).await;
    let wanted = std::env::var("SEATRIAL_TEST_FIXTURE").unwrap_or_default();

    let mut wrong = Vec::new();
    let mut themes = table::read(&folder());
    for theme in &mut themes {
        let name = theme.path.file_name().unwrap().to_string_lossy().into_owned();
        for (at, case) in theme.cases.iter_mut().enumerate().filter(|(_, case)| case.since <= major) {
            if !name.contains(&wanted) && !case.title.contains(&wanted) {
                continue;
            }
            let measured = measure(&place, case, &format!("case_{at}")).await.unwrap();
            if blessing() {
                case.facts.insert(major, measured);
            } else if let Some(known) = case.facts.get(&major).filter(|known| **known != measured) {
                wrong.push(format!("{name}: {}\n  written down: {known:?}\n  measured: {measured:?}", case.title));
            }
        }
        if blessing() {
            std::fs::write(&theme.path, table::write(theme)).unwrap();
        }
    }
    if blessing() {
        std::fs::write(support::repository().join(PAGE), page::render(&themes)).unwrap();
    }
    assert!(wrong.is_empty(), "{} statements on PostgreSQL {major}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_lock_is_held_as_long_as_its_transaction_lasts_whoever_opened_it() {
    let place = Place::new().await;
    shop(&place).await;
    for (mode, begin, commit) in [
        (TransactionMode::PerMigration, "", ""),
        (TransactionMode::AllPending, "", ""),
        (TransactionMode::Explicit, "BEGIN;", "COMMIT;"),
    ] {
        let sql = format!(
            "{begin} ALTER TABLE orders ADD COLUMN IF NOT EXISTS memo text; UPDATE staff SET name = 'name'; \
             SELECT pg_sleep(0.3); {commit}"
        );
        let (applied, observations) = observe(&place, "shop", &script(&sql, mode)).await.unwrap();
        assert_eq!(applied.failure, None, "{mode:?}");
        let alter = observations.iter().find(|each| !each.locks.is_empty()).unwrap();
        let later: f64 =
            observations.iter().filter(|each| each.statement > alter.statement).map(|each| each.duration_ms).sum();
        let lock = &alter.locks[0];
        assert_eq!((lock.name.as_str(), lock.mode), ("public.orders", LockMode::AccessExclusive), "{mode:?}");
        assert!(lock.held_ms >= later && later >= 300.0, "{mode:?}: held {} ms, {later} ms after it", lock.held_ms);
    }
}

#[tokio::test]
async fn standing_still_at_commits_fails_nothing_and_keeps_nobody_waiting_for_good() {
    let place = Place::new().await;
    shop(&place).await;
    let sql = "SET lock_timeout = '1ms'; SET statement_timeout = '30s'; \
               CREATE INDEX CONCURRENTLY orders_status_idx ON orders (status); \
               DO $$ BEGIN FOR n IN 1..300 LOOP UPDATE staff SET name = 'name' WHERE id = 1 + n % 50; COMMIT; END LOOP; END $$; \
               DROP INDEX CONCURRENTLY orders_status_idx; \
               SET synchronous_commit = off; VACUUM FULL staff";
    let (applied, observations) = observe(&place, "shop", &script(sql, TransactionMode::None)).await.unwrap();
    assert_eq!(applied.failure, None);
    let of = |statement: usize| observations.iter().find(|each| each.statement == statement).unwrap();
    assert_eq!((of(3).lock_timeout_ms, of(3).statement_timeout_ms), (1, 30_000));
    let lock = &of(3).locks[0];
    assert_eq!((lock.name.as_str(), lock.mode, lock.exact), ("public.orders", LockMode::ShareUpdateExclusive, true));
    // Before 15 a backend hands its counters over when it likes, and then nothing tells what it counted.
    let counted = of(4).dead_rows == 300 || place.major() < 15 && of(4).dead_rows == 0;
    assert!(of(4).committed_within && counted, "{:?}", of(4));
    assert_eq!(of(7).rewritten[0].name, "public.staff", "a session that waits for no standby is measured as before");
    // Nothing is left of it: what commits now does not wait for anybody.
    place.execute("shop", ROLE, "UPDATE staff SET name = 'other'").await.unwrap();
}

#[tokio::test]
async fn commits_stand_still_whatever_the_database_says_of_its_sessions() {
    let place = Place::new().await;
    shop(&place).await;
    place.execute("postgres", SUPERUSER, "ALTER DATABASE shop SET synchronous_commit = off").await.unwrap();
    let sql = "SET synchronous_commit = on; CREATE INDEX CONCURRENTLY orders_status_idx ON orders (status)";
    let (applied, observations) = observe(&place, "shop", &script(sql, TransactionMode::None)).await.unwrap();
    assert_eq!(applied.failure, None);
    let lock = &observations[1].locks[0];
    assert_eq!((lock.name.as_str(), lock.mode, lock.exact), ("public.orders", LockMode::ShareUpdateExclusive, true));
}

#[tokio::test]
async fn what_a_migration_renames_is_called_by_the_name_each_statement_meets() {
    let place = Place::new().await;
    shop(&place).await;
    // Both schemas are on the path: a name without its schema would not tell which one is meant.
    let sql = "CREATE SCHEMA green; CREATE SCHEMA blue; SET search_path TO blue, green, public; \
               ALTER TABLE staff SET SCHEMA green; UPDATE staff SET name = 'one'; \
               ALTER SCHEMA green RENAME TO \"Old, green\"; SELECT 1; ALTER SCHEMA blue RENAME TO green; \
               ALTER SCHEMA \"Old, green\" RENAME TO blue; UPDATE staff SET name = 'two'; \
               ALTER TABLE staff RENAME TO \"The people\"; UPDATE \"The people\" SET name = 'three'; \
               SAVEPOINT before; ALTER TABLE \"The people\" RENAME TO crew; UPDATE crew SET name = 'four'; \
               ROLLBACK TO before; UPDATE \"The people\" SET name = 'five'";
    let (applied, observations) = observe(&place, "shop", &script(sql, TransactionMode::PerMigration)).await.unwrap();
    assert_eq!(applied.failure, None);
    let changed: Vec<_> = observations.iter().flat_map(|each| &each.changed).map(|work| work.name.as_str()).collect();
    let people = "blue.\"The people\"";
    assert_eq!(changed, ["green.staff", "blue.staff", people, "blue.crew", people]);
    let met = |statement: usize| {
        let of = observations.iter().find(|each| each.statement == statement).unwrap();
        of.locks.iter().find(|lock| lock.mode == LockMode::AccessExclusive).unwrap().name.as_str()
    };
    assert_eq!((met(4), met(11), met(14)), ("public.staff", "blue.staff", people));
}

#[tokio::test]
async fn what_was_rolled_back_is_not_blamed_on_the_next_statement() {
    let place = Place::new().await;
    shop(&place).await;
    let sql = "BEGIN; ALTER TABLE staff ALTER name TYPE varchar(99) USING name || ''; ALTER TABLE staff RENAME TO crew; \
               TRUNCATE order_lines; ROLLBACK; ALTER TABLE staff ADD COLUMN note text; \
               ALTER TABLE order_lines ALTER line TYPE bigint; \
               BEGIN; LOCK TABLE staff; SAVEPOINT before; ALTER TABLE staff ALTER name TYPE varchar(98) USING name || ''; \
               ALTER TABLE order_lines ADD COLUMN memo text; ROLLBACK TO before; \
               ALTER TABLE staff ADD COLUMN memo text; ALTER TABLE order_lines ADD COLUMN memo text; COMMIT";
    let (applied, observations) = observe(&place, "shop", &script(sql, TransactionMode::None)).await.unwrap();
    assert_eq!(applied.failure, None);
    let of = |statement: usize| observations.iter().find(|each| each.statement == statement).unwrap();
    let rewritten: Vec<_> = observations
        .iter()
        .flat_map(|each| each.rewritten.iter().map(|work| (each.statement, work.name.as_str(), work.rows)))
        .collect();
    // TRUNCATE was taken back, so that there is something to rewrite again.
    assert_eq!(rewritten, [(2, "public.staff", 50), (7, "public.order_lines", 800), (11, "public.staff", 50)]);
    assert_eq!(of(6).locks[0].name, "public.staff", "the new name was taken back");
    assert!(!of(14).locks[0].taken_here, "held from before the savepoint");
    assert!(of(12).locks[0].taken_here && of(15).locks[0].taken_here, "ROLLBACK TO let go of it, so it is taken anew");
}

#[tokio::test]
async fn rows_that_were_deleted_are_not_deleted_again_by_the_rewrite_after_it() {
    let place = Place::new().await;
    shop(&place).await;
    let sql =
        "DELETE FROM order_lines; ALTER TABLE order_lines ALTER line TYPE bigint; DELETE FROM staff; VACUUM FULL staff";
    let (applied, observations) = observe(&place, "shop", &script(sql, TransactionMode::None)).await.unwrap();
    assert_eq!(applied.failure, None);
    let rows = |each: &Observation| each.deleted.iter().map(|work| work.rows).sum::<u64>();
    assert_eq!(observations.iter().map(rows).collect::<Vec<_>>(), [800, 0, 50, 0]);
    let rewritten = |each: &Observation| each.rewritten.len();
    assert_eq!(observations.iter().map(rewritten).collect::<Vec<_>>(), [0, 1, 0, 1]);
}

#[tokio::test]
async fn a_role_that_may_not_ask_where_the_wal_stands_is_measured_as_any_other() {
    let place = Place::new().await;
    shop(&place).await;
    let deny = "REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC";
    place.execute("shop", SUPERUSER, deny).await.unwrap();
    let migration = script("ALTER TABLE staff ADD COLUMN memo text", TransactionMode::None);
    let (applied, observations) = observe(&place, "shop", &migration).await.unwrap();
    assert_eq!(applied.failure, None);
    let lock = &observations[0].locks[0];
    assert_eq!((lock.name.as_str(), lock.mode, lock.exact), ("public.staff", LockMode::AccessExclusive, true));
    assert!(observations[0].wal_bytes > 0);
}

#[tokio::test]
async fn time_spent_waiting_for_a_lock_is_measured() {
    let place = Place::new().await;
    shop(&place).await;
    let mut other = place.session("shop", ROLE).await.unwrap();
    other.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE").await.unwrap();
    let release = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND NOT granted";
        let mut seen = 0;
        // Often enough for the observer to have looked many times.
        while seen < 2_000 {
            let rows = other.query(waiting).await.unwrap();
            seen += usize::from(rows.scalar() == Some("1"));
        }
        other.execute("COMMIT").await.unwrap();
    };
    let migration = script("ALTER TABLE orders ADD COLUMN memo text", TransactionMode::None);
    let (ran, ()) = tokio::join!(observe(&place, "shop", &migration), release);
    let (applied, observations) = ran.unwrap();
    assert_eq!(applied.failure, None);
    let lock = &observations[0].locks[0];
    assert_eq!((lock.name.as_str(), lock.exact), ("public.orders", true));
    assert!(lock.waited_ms > 0.0 && lock.waited_ms <= observations[0].duration_ms, "{lock:?}");
}

#[test]
fn the_page_says_what_the_table_says() {
    let page = std::fs::read_to_string(support::repository().join(PAGE)).unwrap();
    assert!(
        page == page::render(&table::read(&folder())),
        "write {PAGE} anew: SEATRIAL_BLESS=1 cargo test --test locks"
    );
}

#[test]
fn the_table_is_written_as_it_is_read_and_complete() {
    let themes = table::read(&folder());
    for theme in &themes {
        assert_eq!(std::fs::read_to_string(&theme.path).unwrap(), table::write(theme), "{}", theme.path.display());
        for case in &theme.cases {
            for major in [13, 15, 18].into_iter().filter(|major| *major >= case.since) {
                assert!(case.facts.contains_key(&major), "{}: {} on {major}", theme.path.display(), case.title);
            }
        }
    }
    assert!(themes.iter().map(|theme| theme.cases.len()).sum::<usize>() >= 130);
}
