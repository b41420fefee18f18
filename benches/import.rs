//! What an import of 2,000 queries costs: read from a log, planned by a server, written.
//!
//! `cargo bench --bench import` prints the time of each part and exits with 1 when all of it, the server's planning
//! included, takes more than 5 s. Needs a server.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use seatrial::engine::postgres::identify::{Identified, identify};
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::workload::HotQuery;
use seatrial::workload::import::{log, registry};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::place::Place;

const QUERIES: usize = 2_000;
const CALLS: usize = 5;
const LIMIT: Duration = Duration::from_secs(5);

/// Queries that differ in their lists of columns, each called several times.
fn written() -> String {
    let mut text = String::new();
    for call in 0..CALLS {
        for n in 0..QUERIES {
            let columns: Vec<String> = (0..11).filter(|bit| n >> bit & 1 == 1).map(|bit| format!("c{bit}")).collect();
            let columns = if columns.is_empty() { "id".to_owned() } else { columns.join(", ") };
            write!(
                text,
                "2026-01-01 00:00:00 UTC [7] LOG:  duration: 0.1 ms  execute <unnamed>: SELECT {columns} FROM wide\n\
                 \tWHERE id = $1 AND note <> $2\n\
                 2026-01-01 00:00:00 UTC [7] DETAIL:  parameters: $1 = '{call}', $2 = 'it''s, $1 = ''{n}'''\n"
            )
            .unwrap();
        }
    }
    text
}

#[tokio::main]
async fn main() -> ExitCode {
    let place = Place::new().await;
    let columns: Vec<String> = (0..11).map(|bit| format!("c{bit} int")).collect();
    let schema = format!("CREATE TABLE wide (id int PRIMARY KEY, note text, {})", columns.join(", "));
    place.execute("postgres", SUPERUSER, &schema).await.unwrap();
    let text = written();

    let started = Instant::now();
    let import = log::read("server.log", &text).unwrap();
    let read = started.elapsed();
    assert_eq!(import.found.len(), QUERIES);
    let queries: Vec<HotQuery> = import
        .found
        .iter()
        .map(|found| HotQuery { parameters: found.parameters.clone(), ..HotQuery::bare("q", &found.sql) })
        .collect();

    let started = Instant::now();
    let mut session = place.session("postgres", SUPERUSER).await.unwrap();
    let identified = identify(&mut session, &queries).await;
    session.close().await;
    let planned = started.elapsed();
    assert!(identified.iter().all(|each| matches!(each, Identified::Planned(_))));

    let started = Instant::now();
    let mut names = registry::Names::default();
    let entries: Vec<String> =
        import.found.iter().map(|found| registry::entry(&names.free("select-wide-by-id-note"), found, true)).collect();
    let merged = registry::merge("", &[], &[], &entries);
    let written = started.elapsed();

    println!(
        "{QUERIES} queries, {} calls: read {read:.1?}, planned {planned:.1?}, written {written:.1?} ({} kB)",
        QUERIES * CALLS,
        merged.text.len() / 1024
    );
    if read + planned + written > LIMIT { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
