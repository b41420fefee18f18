//! Needs a server. How migrations run on one, where only running them shows it.

use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::apply::{Target, Unwatched, apply};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::server::cluster::{ClusterLocale, create_cluster};
use seatrial::engine::postgres::server::{SUPERUSER, Server, ServerMode};
use seatrial::engine::postgres::session::Session;
use seatrial::migration::history::pending;
use seatrial::migration::layout::{self, LayoutOptions, Request};
use seatrial::migration::{Migration, TransactionMode};
use std::os::unix::fs::PermissionsExt;

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

#[tokio::test]
async fn one_transaction_over_several_files_commits_or_vanishes_as_a_whole() {
    launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
    let folder = tempfile::tempdir().expect("a folder");
    // The user servers run as passes through.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
    let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server");
    let state = StateDir::open(Some(&folder.path().join("cache"))).expect("a state folder");
    let run = RunDir::create(&state).expect("a run");
    let data_dir = run.fresh_path("data");
    create_cluster(&binaries, &state, &run, &ClusterLocale::default(), &data_dir).await.expect("a cluster");
    let server = Server::start(&binaries, &data_dir, &run, &ServerMode::Measuring.into()).await.expect("a server");
    let target = Target {
        endpoint: server.endpoint().clone(),
        database: "postgres".to_owned(),
        role: SUPERUSER.to_owned(),
        search_path: None,
    };

    let broken = together(&["CREATE TABLE a (x int)", "INSERT INTO a VALUES (1); SELECT 1 / 0"]);
    let applied = apply(&target, &broken, None, &mut Unwatched).await.expect("the connection holds");
    assert_eq!(applied.failure.expect("a division by zero").statement, 3);
    assert_eq!((applied.committed, applied.migrations), (vec![], 0), "the first file is gone, too");

    let whole = together(&["CREATE TABLE a (x int)", "INSERT INTO a VALUES (1)"]);
    let applied = apply(&target, &whole, None, &mut Unwatched).await.expect("the connection holds");
    assert_eq!((applied.failure, applied.committed, applied.migrations), (None, vec![1, 2], 2));
    let mut session = Session::connect(server.endpoint(), "postgres", SUPERUSER, "test").await.expect("a session");
    assert_eq!(session.query("SELECT x::text FROM a").await.expect("its rows").rows, [vec![Some("1".to_owned())]]);
}
