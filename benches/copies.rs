//! How soon a second run on the same source sends its first statement, what a copy costs against PostgreSQL's own, and how
//! much memory the program takes meanwhile.
//!
//! `cargo bench --bench copies`: a database of 300 MB, or of as many as `SEATRIAL_BENCH_MB` says, below `TMPDIR`. Prints
//! medians and exits with 1 when the first statement comes later than 1.5 s after a copy's time, a copy takes more than 1.3
//! times as long as `CREATE DATABASE … TEMPLATE … STRATEGY FILE_COPY`, or the program's memory peaks at 200 MB or more.
//! Needs a server of version 15 or newer.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::server::cluster::copy_data_dir;
use seatrial::engine::postgres::server::{Server, ServerMode};
use seatrial::engine::postgres::session::Session;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ROUNDS: usize = 5;
const START: Duration = Duration::from_millis(1500);
const RATIO: f64 = 1.3;
const MEMORY_KB: u64 = 200 * 1000;

/// A row takes some 330 bytes with its part of the indexes.
const SOURCE: &str = "
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, status text NOT NULL, note text);
INSERT INTO orders SELECT n, n % 50000, CASE n % 7 WHEN 0 THEN 'open' ELSE 'done' END, repeat(md5(n::text), 6)
  FROM generate_series(1, :rows) n;
CREATE INDEX ON orders (customer);
CREATE INDEX ON orders (status, id);
";

/// Says when it ran, in the one way a statement can tell the report.
const MIGRATION: &str = "DO $$ BEGIN RAISE EXCEPTION 'begun at %', extract(epoch FROM clock_timestamp()); END $$;";

/// One run of the program.
struct Run {
    /// From its start to its first statement.
    until_statement: Duration,
    whole: Duration,
    /// Peak of its own memory.
    peak_kb: u64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
    let megabytes: u64 = std::env::var("SEATRIAL_BENCH_MB").map_or(300, |text| text.parse().expect("megabytes"));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    let rows = megabytes * 1_000_000 / 330;
    std::fs::write(folder.path().join("source.sql"), SOURCE.replace(":rows", &rows.to_string())).unwrap();
    std::fs::write(folder.path().join("1.sql"), MIGRATION).unwrap();
    let cache = folder.path().join("cache");

    let first = check(folder.path(), &cache);
    println!("first run, restoring   {:>8.2?}, memory {:>4} MB", first.whole, first.peak_kb / 1000);
    let mut runs: Vec<Run> = (0..ROUNDS).map(|_| check(folder.path(), &cache)).collect();
    runs.sort_by_key(|run| run.until_statement);
    let peak_kb = runs.iter().chain([&first]).map(|run| run.peak_kb).max().unwrap();
    let statement = runs[ROUNDS / 2].until_statement;

    let base = base(&cache);
    let state = StateDir::open(Some(&cache)).unwrap();
    let run = RunDir::create(&state).unwrap();
    let ours = median(ROUNDS, async || {
        let to = run.fresh_path("copy");
        let started = Instant::now();
        copy_data_dir(&base, &to).unwrap();
        let took = started.elapsed();
        std::fs::remove_dir_all(to).unwrap();
        took
    })
    .await;
    let theirs = file_copy(&base, &run).await;
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let beyond = statement.saturating_sub(ours);
    println!("a copy                 {ours:>8.2?}");
    println!("TEMPLATE, FILE_COPY    {theirs:>8.2?}, ratio {ratio:.2} (at most {RATIO})");
    println!("until first statement  {statement:>8.2?}, beyond a copy {beyond:.2?} (at most {START:?})");
    println!("memory                 {:>5} MB (less than {})", peak_kb / 1000, MEMORY_KB / 1000);
    if ratio > RATIO || beyond > START || peak_kb >= MEMORY_KB { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn check(project: &Path, cache: &Path) -> Run {
    let mut command = support::seatrial(project, cache);
    command.args(["check", "1.sql", "--source", "source.sql", "--passes", "measure", "--show-values"]);
    command.args(["--format", "json=report.json"]).stdout(Stdio::null()).stderr(Stdio::null());
    let (epoch, started) = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap(), Instant::now());
    let mut child = command.spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak_kb = 0;
    let code = loop {
        // Only rises: the last look before the end is the peak, but for what came after it.
        peak_kb = peak(&status).map_or(peak_kb, |kb| kb.max(peak_kb));
        if let Some(code) = child.try_wait().unwrap() {
            break code;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let whole = started.elapsed();
    assert_eq!(code.code(), Some(1), "the migration fails, and says when");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(project.join("report.json")).unwrap()).unwrap();
    let said = report["migrations"][0]["statements"][0]["error"].as_str().unwrap().to_owned();
    let begun = said.split("begun at ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let number: String = begun.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let until_statement = Duration::from_secs_f64(number.parse().unwrap()).checked_sub(epoch).expect("after its start");
    Run { until_statement, whole, peak_kb }
}

fn peak(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// The data directory of the one base there is.
fn base(cache: &Path) -> PathBuf {
    let folders = std::fs::read_dir(cache.join("bases")).unwrap().map(|entry| entry.unwrap().path().join("data"));
    let mut bases = folders.filter(|data| data.is_dir());
    let base = bases.next().expect("a base");
    assert!(bases.next().is_none(), "only one source was restored");
    base
}

/// What PostgreSQL itself takes for a copy of the same database on the same disk.
async fn file_copy(base: &Path, run: &RunDir) -> Duration {
    let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).unwrap();
    let data_dir = run.fresh_path("template");
    copy_data_dir(base, &data_dir).unwrap();
    let server = Server::start(&binaries, &data_dir, run, &ServerMode::Measuring.into()).await.unwrap();
    let mut session = Session::observer(server.endpoint(), "seatrial", "bench").await.unwrap();
    // A base has no other database, and its own may have no session while it is copied.
    session.execute("CREATE DATABASE keeper TEMPLATE seatrial STRATEGY FILE_COPY").await.unwrap();
    session.close().await;
    let mut session = Session::observer(server.endpoint(), "keeper", "bench").await.unwrap();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        session.execute("CHECKPOINT").await.unwrap();
        let started = Instant::now();
        session.execute("CREATE DATABASE copy TEMPLATE seatrial STRATEGY FILE_COPY").await.unwrap();
        times.push(started.elapsed());
        session.execute("DROP DATABASE copy").await.unwrap();
    }
    session.close().await;
    server.destroy().await.unwrap();
    times.sort();
    times[ROUNDS / 2]
}

async fn median(rounds: usize, once: impl AsyncFn() -> Duration) -> Duration {
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(once().await);
    }
    times.sort();
    times[rounds / 2]
}
