//! How long reading a directory of 5,000 migrations takes: found, read, checksummed, and told pending from applied.
//!
//! `cargo bench --bench migrations` prints the median and the slowest of twenty runs for each layout tried. Needs no
//! server.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use seatrial::migration::history::{Row, pending};
use seatrial::migration::layout::{self, LayoutOptions, MigrationTree, Request};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILES: usize = 5_000;
const RUNS: usize = 20;

/// A migration's file, by its number.
type Name = fn(usize) -> String;

/// Layouts with the names of their files, by number: flat and one folder each, with and without checksums.
const LAYOUTS: [(&str, Name); 5] = [
    ("plain", |number| format!("{number:08}_step_{number}.sql")),
    ("flyway", |number| format!("V{number}__step_{number}.sql")),
    ("refinery", |number| format!("V{number}__step_{number}.sql")),
    ("prisma", |number| format!("{number:014}_step/migration.sql")),
    ("diesel", |number| format!("{number:08}_step/up.sql")),
];

/// A migration as people write them: a table, an index, a comment.
fn script(number: usize) -> String {
    format!(
        "-- Adds what step {number} of the ledger needs.\n\
         CREATE TABLE ledger_{number} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
         account_id bigint NOT NULL,\n    amount numeric(12, 2) NOT NULL,\n    booked_at timestamptz NOT NULL DEFAULT now()\n);\n\
         CREATE INDEX ledger_{number}_account_idx ON ledger_{number} (account_id, booked_at);\n\
         COMMENT ON TABLE ledger_{number} IS 'entries; one a booking';\n"
    )
}

/// Writes the tree of one layout below `folder` and answers with the directory of migrations.
fn write(folder: &Path, name: impl Fn(usize) -> String) -> PathBuf {
    std::fs::create_dir_all(folder.join(".git")).unwrap();
    let directory = folder.join("migrations");
    for number in 1..=FILES {
        let path = directory.join(name(number));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, script(number)).unwrap();
    }
    directory
}

fn read(directory: &Path, layout: &str) -> MigrationTree {
    let (paths, options) = ([directory.to_owned()], LayoutOptions::default());
    let request = Request { paths: &paths, root: directory.parent().unwrap(), options: &options };
    layout::read(&request, (!layout.is_empty()).then_some(layout)).unwrap().remove(0)
}

/// Every migration but the last five is applied.
fn sqlx_history(tree: &MigrationTree) -> Vec<Row> {
    let applied = &tree.files[..FILES - 5];
    let row =
        |file: &layout::MigrationFile| vec![Some(file.version.clone()), Some("t".to_owned()), file.checksum.clone()];
    applied.iter().map(row).collect()
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    let directory = write(&folder.path().join("sqlx"), |number| format!("{number:08}_step_{number}.sql"));
    let rows = sqlx_history(&read(&directory, "sqlx"));
    all.push((
        "sqlx, detected, 5 pending".to_owned(),
        measure(|| {
            let tree = read(&directory, "");
            assert_eq!((tree.layout, tree.files.len()), ("sqlx", FILES));
            assert_eq!(pending(&tree, Some(&rows), None).unwrap().migrations.len(), 5);
        }),
    ));
    for (layout, name) in LAYOUTS {
        let directory = write(&folder.path().join(layout), name);
        let all_pending = || {
            let tree = read(&directory, layout);
            assert_eq!(pending(&tree, None, None).unwrap().migrations.len(), FILES);
        };
        all.push((format!("{layout}, all pending"), measure(all_pending)));
    }
    for (what, mut times) in all {
        times.sort();
        println!(
            "{what:32} median {:6.1} ms   slowest {:6.1} ms",
            milliseconds(times[RUNS / 2]),
            milliseconds(times[RUNS - 1])
        );
    }
}

fn measure(mut run: impl FnMut()) -> Vec<Duration> {
    let time = |_| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..RUNS).map(time).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
