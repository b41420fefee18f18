//! What the net over all system catalogs sees, and what it rightly does not: single changes to one database, and changes
//! that go there and back. Needs a server; what it reads differs from version to version.

mod support;

use seatrial::copy::kept::Kept;
use seatrial::engine::postgres::catalog::{self, net};
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::migration::script::split;
use seatrial::rollback::net::{NetDifferences, compare, is_same};
use seatrial::snapshot::catalog::Catalog;
use std::sync::Arc;
use support::place::{Place, ROLE};

/// One of everything.
const SCHEMA: &str = include_str!("catalog_net/schema.sql");
/// Changes that must be seen, each below a line `--! what must be said about it`.
const SEEN: &str = include_str!("catalog_net/seen.sql");
/// Changes after which everything is the same, each below a line `--! what it is`.
const UNSEEN: &str = include_str!("catalog_net/unseen.sql");

/// The parts of a file, with what stands behind `--!`; `since` some version of the server where it says so.
fn parts(file: &'static str, version: u32) -> Vec<(&'static str, &'static str)> {
    file.split("--! ")
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .filter(|(_, sql)| {
            let since = sql.split_once("-- since ").and_then(|(_, rest)| rest.split_whitespace().next());
            since.is_none_or(|since| version >= since.parse().expect("a version"))
        })
        .collect()
}

async fn shop(place: &Place, name: &str) -> (Session, u32) {
    let created = format!("CREATE DATABASE {name} OWNER {ROLE}");
    place.execute("postgres", SUPERUSER, &created).await.expect("a database");
    let mut session = place.session(name, SUPERUSER).await.expect("a session");
    let version = session.query("SHOW server_version_num").await.expect("a version");
    let version = version.scalar().and_then(|version| version.parse().ok()).expect("a number");
    run(&mut session, SCHEMA).await;
    (session, version)
}

/// Statement by statement; one below `-- fails` is meant to.
async fn run(session: &mut Session, sql: &str) {
    for span in split(sql).expect("statements") {
        let fails = sql[..span.start].trim_end().ends_with("-- fails") || sql[span.clone()].contains("-- fails");
        let done = session.execute(&sql[span.clone()]).await;
        assert_eq!(done.is_err(), fails, "{}: {done:?}", &sql[span]);
    }
}

fn texts(found: &NetDifferences) -> Vec<String> {
    let order = found.column_order.iter().map(|table| format!("order of columns in {table}"));
    found.others.iter().map(|other| other.text.clone()).chain(order).collect()
}

#[tokio::test]
async fn every_single_change_is_seen_and_named() {
    let place = Place::new().await;
    let (mut session, version) = shop(&place, "seen").await;
    let mut reader = net::Reader::new(place.session("seen", SUPERUSER).await.expect("a session"));
    let mut wrong = Vec::new();
    let changes = parts(SEEN, version);
    assert!(changes.len() >= 60, "{} changes", changes.len());
    let mut before = reader.read(&Kept::nothing()).await.expect("a net");
    for (expected, sql) in changes {
        run(&mut session, sql).await;
        let after = reader.read(&Kept::nothing()).await.expect("a net");
        assert_eq!(after, net::read(&mut session).await.expect("a net"), "read again or anew:{sql}");
        assert!(!is_same(&before, &after), "{sql}");
        let found = texts(&compare(&before, &after));
        if !found.iter().any(|text| text.contains(expected)) {
            wrong.push(format!("{}\n  nothing says {expected:?}: {found:#?}", sql.trim()));
        }
        before = after;
    }
    session.close().await;
    reader.close().await;
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_number_the_server_keeps_among_options_is_no_option() {
    let place = Place::new().await;
    let (mut session, _) = shop(&place, "numbered").await;
    // As PostgreSQL 17.12 notes it of every column; servers without it take it for an option they do not know.
    let numbered = "UPDATE pg_attribute SET attoptions = '{pg_attver=29690192,n_distinct=5}' \
                    WHERE attrelid = 'customers'::regclass AND attname = 'note'";
    run(&mut session, numbered).await;
    let read = catalog::read(&mut session).await.expect("a catalog");
    let options: Vec<&String> = read.column_details.values().flat_map(|detail| &detail.options).collect();
    assert_eq!(options, ["n_distinct=5"]);
    session.close().await;
}

#[tokio::test]
async fn what_comes_back_as_it_was_is_the_same() {
    let place = Place::new().await;
    let (mut session, version) = shop(&place, "unseen").await;
    let mut reader = net::Reader::new(place.session("unseen", SUPERUSER).await.expect("a session"));
    let mut wrong = Vec::new();
    let changes = parts(UNSEEN, version);
    assert!(changes.len() >= 25, "{} changes", changes.len());
    let mut before = reader.read(&Kept::nothing()).await.expect("a net");
    let again = reader.read(&Kept::nothing()).await.expect("a net");
    assert_eq!(compare(&before, &again), NetDifferences::default(), "nothing was done");
    assert!(is_same(&before, &again), "nothing was done");
    let mut known = Arc::new(catalog::read(&mut session).await.expect("a catalog"));
    let mut alike = 0;
    for (what, sql) in changes {
        run(&mut session, sql).await;
        let after = reader.read(&Kept::nothing()).await.expect("a net");
        let read = Arc::new(catalog::read(&mut session).await.expect("a catalog"));
        // Where no row differs, nothing differs that is read from rows.
        if is_same(&before, &after) {
            alike += 1;
            let again = catalog::read_again(&mut session, &known).await.expect("a catalog");
            let [again, now] = [&again, &read].map(|read| without_dependencies(read));
            assert!(again == now, "{what}: {:#?}", catalog_differences(&again, &now));
        }
        known = read;
        let found = texts(&compare(&before, &after));
        if !found.is_empty() {
            wrong.push(format!("{what}: {found:#?}"));
        }
        before = after;
    }
    session.close().await;
    reader.close().await;
    assert!(alike >= 12, "{alike} without any row that differs");
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// A catalog's dependencies are also those of temporary and TOAST tables, which are no part of it otherwise.
fn without_dependencies(catalog: &Catalog) -> Catalog {
    Catalog { dependencies: Vec::new(), ..catalog.clone() }
}

/// Lines of both that the other does not have.
fn catalog_differences(one: &Catalog, other: &Catalog) -> Vec<String> {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let missing = |here: &str, there: &str| -> Vec<String> {
        let there: Vec<&str> = there.lines().collect();
        here.lines().filter(|line| !there.contains(line)).map(str::to_owned).collect()
    };
    [missing(&one, &other), missing(&other, &one)].concat()
}

#[tokio::test]
async fn two_sessions_read_what_one_reads_at_the_same_moment() {
    let place = Place::new().await;
    let (mut session, _) = shop(&place, "halves").await;
    let mut beside = place.session("halves", SUPERUSER).await.expect("a session");
    for change in ["", "CREATE TABLE more (id integer PRIMARY KEY, n integer UNIQUE)", "DROP INDEX orders_placed_idx"] {
        run(&mut session, change).await;
        let whole = catalog::read(&mut session).await.expect("a catalog");
        let halves = catalog::read_in_two(&mut session, &mut beside).await.expect("a catalog");
        assert!(!whole.indexes.is_empty() && !whole.dependencies.is_empty());
        assert!(whole == halves, "{change}: {:#?}", catalog_differences(&whole, &halves));
    }
    session.close().await;
    beside.close().await;
}
