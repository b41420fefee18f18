use super::*;
use crate::engine::sqlite::connection::{Purpose, open as connect};
use crate::observation::traffic::Felt;
use std::sync::mpsc;

const QUICK: Options = Options {
    busy: Duration::from_millis(400),
    timeout: Duration::from_secs(5),
    period: Duration::from_millis(5),
    baseline: 3,
    writes: true,
    foreign_keys: false,
};

fn shop(journal_mode: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("shop.db");
    let made = rusqlite::Connection::open(&path).expect("made");
    made.execute_batch(&format!(
        "PRAGMA journal_mode = {journal_mode}; CREATE TABLE orders (id INTEGER PRIMARY KEY, total INT); \
         INSERT INTO orders VALUES (1, 5), (2, 6)"
    ))
    .expect("filled");
    (folder, path)
}

/// A migration of two statements in one transaction, which is held until a caller has met its lock and given up.
fn beside_a_lock(journal_mode: &str, exclusive: bool, queries: &[&HotQuery]) -> (Seen, Vec<Felt>) {
    let (_folder, path) = shop(journal_mode);
    let stop = Stop::default();
    let migrate = |path: &Path, stop: &Stop, tell: &mut dyn FnMut(Event)| {
        let connection = connect(path, Purpose::Migration { foreign_keys: false }, stop)?;
        tell(Event::Sent(1));
        connection.execute_batch("CREATE TABLE first (a)")?;
        tell(Event::Answered { in_transaction: false });
        tell(Event::Sent(2));
        connection.execute_batch(if exclusive { "BEGIN EXCLUSIVE" } else { "BEGIN IMMEDIATE" })?;
        connection.execute_batch("ALTER TABLE orders ADD COLUMN note")?;
        tell(Event::Answered { in_transaction: true });
        let (_never, held) = mpsc::channel::<()>();
        // A transaction that takes its time: longer than callers wait for a lock.
        let _over = held.recv_timeout(3 * QUICK.busy);
        connection.execute_batch("COMMIT")?;
        tell(Event::TransactionEnded);
        Ok(())
    };
    let (seen, ()) = beside(&path, queries, &QUICK, &stop, migrate).expect("run");
    let observations: [Observation; 0] = [];
    let lanes = Seen {
        lanes: seen.lanes.clone(),
        spans: seen.spans.clone(),
        left_out: Vec::new(),
        journal_mode: String::new(),
        ..seen
    };
    let felt = lanes.felt(300.0, &observations, None).felt;
    (seen, felt)
}

fn read() -> HotQuery {
    HotQuery::bare("read", "SELECT * FROM orders WHERE id = 1")
}

#[test]
fn in_wal_mode_writers_wait_and_readers_do_not() {
    let (seen, felt) = beside_a_lock("wal", true, &[&read()]);
    assert_eq!((seen.journal_mode.as_str(), seen.spans.len()), ("wal", 2));
    assert!(seen.left_out.is_empty(), "{:?}", seen.left_out);
    let (reader, writer) = (&felt[0], &felt[1]);
    assert_eq!(reader.query, "read");
    assert!(reader.refused.is_empty() && reader.statement.is_none(), "{reader:?}");
    assert!(seen.lanes[0].waits.is_empty());
    // It gave up: refused as an application would be.
    assert!(writer.refused.get("SQLITE_BUSY").is_some_and(|count| *count > 0), "{writer:?}");
    assert_eq!(writer.statement, Some(2));
    assert!(seen.about_the_journal().contains("with a rollback journal readers would wait"));
}

#[test]
fn in_a_rollback_journal_readers_wait_for_the_file() {
    let (seen, felt) = beside_a_lock("delete", true, &[&read()]);
    let (reader, writer) = (&felt[0], &felt[1]);
    assert_eq!((reader.statement, writer.statement), (Some(2), Some(2)), "{felt:?}");
    assert!(reader.refused.contains_key("SQLITE_BUSY"), "{reader:?}");
    assert!(seen.about_the_journal().starts_with("in journal mode delete: readers wait"));
    let (_, felt) = beside_a_lock("delete", false, &[&read()]);
    assert!(felt[0].refused.is_empty(), "until the transaction is written readers go on: {:?}", felt[0]);
}

#[test]
fn hot_queries_that_write_take_the_lock_themselves_and_are_rolled_back() {
    let (_folder, path) = shop("wal");
    let write = HotQuery::bare("write", "UPDATE orders SET total = total + 1");
    let refused = HotQuery::bare("absent", "SELECT * FROM absent");
    let read = read();
    let queries = [&write, &refused, &read];
    let (seen, total) = beside(&path, &queries, &QUICK, &Stop::default(), |path, stop, _| {
        let connection = connect(path, Purpose::Observer, stop)?;
        Ok(connection.query_row("SELECT sum(total) FROM orders", [], |row| row.get::<_, i64>(0))?)
    })
    .expect("run");
    assert_eq!(total, 11);
    let names: Vec<&str> = seen.lanes.iter().map(|lane| lane.query.as_str()).collect();
    assert_eq!(names, ["read", "write"]);
    assert_eq!(seen.left_out, [("absent".to_owned(), "no such table: absent".to_owned())]);
    assert!(seen.lanes.iter().all(|lane| lane.calls.len() > QUICK.baseline));
    let unasked = Options { writes: false, ..QUICK };
    let (seen, ()) = beside(&path, &[&write], &unasked, &Stop::default(), |_, _, _| Ok(())).expect("run");
    assert_eq!(seen.lanes[0].query, "a write (BEGIN IMMEDIATE)");
    assert!(seen.left_out[0].1.contains("--measure-writes"));
}

#[test]
fn a_migration_that_fails_ends_the_calls_and_so_does_the_end_of_all() {
    let (_folder, path) = shop("wal");
    let failed = beside(&path, &[&read()], &QUICK, &Stop::default(), |_, _, _| -> Result<(), ServerError> {
        Err(ServerError { sqlstate: "42P01".to_owned(), ..ServerError::default() })
    });
    assert_eq!(failed.map(|_| ()).expect_err("failed").sqlstate, "42P01");
    let stop = Stop::default();
    let (seen, ()) = beside(&path, &[&read()], &QUICK, &stop, |_, stop, _| {
        stop.now();
        Ok(())
    })
    .expect("ended");
    assert!(seen.lanes.iter().all(|lane| lane.calls.iter().all(|call| call.refused.is_none())));
}
