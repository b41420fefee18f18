//! Needs a server. How migrations run on one, where only running them shows it.

mod support;

use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::apply::{Applied, Target, Unwatched, apply};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::server::cluster::create_cluster;
use seatrial::engine::postgres::server::{SUPERUSER, Server, ServerMode};
use seatrial::engine::postgres::session::Session;
use seatrial::engine::postgres::violators::Counter;
use seatrial::migration::history::pending;
use seatrial::migration::layout::{self, LayoutOptions, Request};
use seatrial::migration::{Migration, TransactionMode};
use std::os::unix::fs::PermissionsExt;
use support::share_initdb;

/// Migrations of files `1.sql`, `2.sql`, …, all in one transaction.
fn together(texts: &[&str]) -> Vec<Migration> {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, text) in texts.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{}.sql", at + 1)), text).expect("a file");
    }
    let options = LayoutOptions {
        pattern: Some(r"^(?<version>\d+)\.sql$".to_owned()),
        transaction: Some(TransactionMode::AllPending),
        ..LayoutOptions::default()
    };
    let paths = [folder.path().to_owned()];
    let request = Request { paths: &paths, root: folder.path(), options: &options };
    let tree = layout::read(&request, None).expect("readable").remove(0);
    pending(&tree, None, None).expect("pending").migrations
}

/// A server with nothing in it, and the folder it lives in.
struct Place {
    server: Server,
    target: Target,
    _run: RunDir,
    _folder: tempfile::TempDir,
}

async fn place() -> Place {
    launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
    let folder = tempfile::tempdir().expect("a folder");
    // The user servers run as passes through.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
    let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server");
    let cache = folder.path().join("cache");
    share_initdb(&cache);
    let state = StateDir::open(Some(&cache)).expect("a state folder");
    let run = RunDir::create(&state).expect("a run");
    let data_dir = run.fresh_path("data");
    create_cluster(&binaries, &state, &run, &data_dir, ()).await.expect("a cluster");
    let server = Server::start(&binaries, &data_dir, &run, &ServerMode::Measuring.into()).await.expect("a server");
    let target = Target {
        endpoint: server.endpoint().clone(),
        database: "postgres".to_owned(),
        role: SUPERUSER.to_owned(),
        extensions: Vec::new(),
        search_path: None,
    };
    Place { server, target, _run: run, _folder: folder }
}

impl Place {
    async fn apply(&self, migrations: &[Migration]) -> Applied {
        apply(&self.target, migrations, None, &mut Unwatched).await.expect("the connection holds")
    }

    /// The rows of table `a`, in order.
    async fn rows(&self) -> Vec<String> {
        let mut session = Session::connect(self.server.endpoint(), "postgres", SUPERUSER, "test").await.expect("one");
        let rows = session.query("SELECT x::text FROM a ORDER BY x").await.expect("its rows").rows;
        session.close().await;
        rows.into_iter().flatten().flatten().collect()
    }
}

#[tokio::test]
async fn one_transaction_over_several_files_commits_or_vanishes_as_a_whole() {
    let place = place().await;
    let broken = together(&["CREATE TABLE a (x int)", "INSERT INTO a VALUES (1); SELECT 1 / 0"]);
    let applied = place.apply(&broken).await;
    assert_eq!(applied.failure.expect("a division by zero").statement, 3);
    assert_eq!((applied.committed, applied.migrations), (vec![], 0), "the first file is gone, too");

    let whole = together(&["CREATE TABLE a (x int)", "INSERT INTO a VALUES (1)"]);
    let applied = place.apply(&whole).await;
    assert_eq!((applied.failure, applied.committed, applied.migrations), (None, vec![1, 2], 2));
    assert_eq!(place.rows().await, ["1"]);
}

#[tokio::test]
async fn a_script_that_ends_the_runners_transaction_leaves_the_files_after_it_without_one() {
    let place = place().await;
    let mut files = together(&[
        "CREATE TABLE a (x int); COMMIT; INSERT INTO a VALUES (1)",
        "INSERT INTO a VALUES (2); SELECT 1 / 0",
    ]);
    files.iter_mut().for_each(|file| file.transaction = TransactionMode::AllPending);
    let applied = place.apply(&files).await;
    assert_eq!(applied.failure.expect("a division by zero").statement, 5);
    assert_eq!((applied.committed, applied.migrations), (vec![1, 2, 3, 4], 1), "the runner sent BEGIN once");
    assert_eq!(place.rows().await, ["1", "2"]);
}

#[tokio::test]
async fn a_script_that_commits_and_begins_anew_is_committed_by_its_runner() {
    let place = place().await;
    let begun_anew = |mode| {
        let mut files = together(&["CREATE TABLE a (x int); COMMIT; BEGIN; INSERT INTO a VALUES (1); COMMIT"]);
        files[0].statements.pop();
        files[0].transaction = mode;
        files
    };
    for mode in [TransactionMode::AllPending, TransactionMode::PerMigration] {
        let applied = place.apply(&begun_anew(mode)).await;
        assert_eq!((applied.failure, applied.migrations), (None, 1), "{mode:?}");
        assert_eq!(place.rows().await, ["1"], "{mode:?}");
        place.apply(&together(&["DROP TABLE a"])).await;
    }
    let failure = place.apply(&begun_anew(TransactionMode::Explicit)).await.failure.expect("nobody commits the rest");
    assert_eq!(failure.error.sqlstate, "25P01");
    assert!(place.rows().await.is_empty());
}

#[tokio::test]
async fn rows_in_the_way_are_counted_as_the_server_compares_them() {
    let place = place().await;
    let rows = "INSERT INTO a VALUES (1, 'a'), (1, 'b'), (NULL, 'c'), (NULL, 'd'), (NULL, NULL), (3, 'c')";
    place.apply(&together(&[&format!("CREATE TABLE a (x int, y text); {rows}")])).await;
    let endpoint = place.server.endpoint();
    let mut session = Session::connect(endpoint, "postgres", SUPERUSER, "test").await.expect("a session");
    let version = session.query("SHOW server_version_num").await.expect("a number");
    let nulls_compare = version.scalar().is_some_and(|version| version >= "150000");
    for (sql, found, possible) in [
        ("CREATE UNIQUE INDEX u ON a (x)", 1, true),
        ("CREATE UNIQUE INDEX u ON a (x) WHERE y > 'a' OR x = 1 -- some\n;", 1, true),
        ("CREATE UNIQUE INDEX u ON a (x) NULLS NOT DISTINCT", 2, nulls_compare),
        ("ALTER TABLE a ADD UNIQUE NULLS NOT DISTINCT (x)", 2, nulls_compare),
        ("ALTER TABLE a ADD CHECK (x = 1) -- the first\n;", 1, true),
    ] {
        let migrations = together(&[sql]);
        if possible {
            let error = place.apply(&migrations).await.failure.expect("rows are in its way").error;
            let mut counter = Counter { statement: 1, error, found: None };
            apply(&place.target, &migrations, Some(1), &mut counter).await.expect("it runs up to there");
            assert_eq!(counter.found.map(|found| found.rows), Some(found), "{sql}");
        }
    }
}

#[tokio::test]
async fn a_block_that_a_commit_chains_is_open_until_it_is_committed_as_well() {
    let place = place().await;
    // What nobody closes is refused where files are read: here it is cut off.
    let cut_off = |text: &str, mode| {
        let mut files = together(&[&format!("{text}; COMMIT")]);
        files[0].statements.pop();
        files[0].transaction = mode;
        files
    };
    let files =
        cut_off("CREATE TABLE a (x int); COMMIT AND CHAIN; INSERT INTO a VALUES (1)", TransactionMode::PerMigration);
    let applied = place.apply(&files).await;
    assert_eq!((applied.failure, applied.committed), (None, vec![1, 2, 3]));
    assert_eq!(place.rows().await, ["1"], "the runner's own COMMIT ends it");
    let files = cut_off(
        "BEGIN; INSERT INTO a VALUES (2); COMMIT AND CHAIN; INSERT INTO a VALUES (3)",
        TransactionMode::Explicit,
    );
    let applied = place.apply(&files).await;
    assert_eq!(applied.failure.expect("nobody commits the rest").error.sqlstate, "25P01");
    assert_eq!(applied.committed, [1, 2, 3]);
    assert_eq!(place.rows().await, ["1", "2"]);
}

#[tokio::test]
async fn a_server_that_breaks_down_at_commit_is_no_failure_of_the_migration() {
    let place = place().await;
    let migration = "CREATE TABLE a (x int); \
        CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
        CREATE CONSTRAINT TRIGGER break AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
        EXECUTE FUNCTION break(); \
        INSERT INTO a VALUES (1)";
    let applied = apply(&place.target, &together(&[migration]), None, &mut Unwatched).await;
    let error = applied.expect_err("the connection is gone");
    assert!(error.is_outage(), "{error:?}");
}
