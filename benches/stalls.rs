//! Whether the stalls that are told are those that somebody else feels, and whether the form that makes nobody wait makes
//! nobody wait.
//!
//! `cargo bench --bench stalls`: a rewrite of a table, beside which a psql that asks for one row again and again is connected to
//! the copy on which hot queries are called; the longest wait of each, in turns, several rounds. Then the same table gets an index
//! concurrently: the longest call of the hot query, next to what 99 of 100 took before. Exits with 1 when the two stalls differ by
//! more than a tenth, or a call beside the build takes more than three times as long. `SEATRIAL_BENCH_ROUNDS` says how often,
//! `SEATRIAL_BENCH_ROWS` how large the table is. Needs a server and psql (`SEATRIAL_BENCH_PSQL`, or the one on the path).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use seatrial::engine::postgres::server::SUPERUSER;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const DATABASE: &str = "shop";
const REWRITE: &str = "ALTER TABLE orders ALTER COLUMN id TYPE bigint;\n";
const CONCURRENTLY: &str = "CREATE INDEX CONCURRENTLY orders_code_idx ON orders (code);\n";
const READ: &str = "SELECT id, code FROM orders WHERE id = 77";
/// Between two questions of the other observer.
const PAUSE: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let (rounds, rows) = (number("SEATRIAL_BENCH_ROUNDS", 5), number("SEATRIAL_BENCH_ROWS", 2_000_000));
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "source.sql",
        &format!(
            "CREATE TABLE orders (id integer PRIMARY KEY, status text NOT NULL, code varchar(20) NOT NULL);\n\
             INSERT INTO orders SELECT n, 'open', 'code-' || n FROM generate_series(1, {rows}) n;\n"
        ),
    );
    write("queries.sql", &format!("-- name: read_order\n{READ};\n"));
    write("1_rewrite.sql", REWRITE);
    write("1_concurrently.sql", CONCURRENTLY);
    // The base is made before anything is measured.
    check(folder.path(), "1_rewrite.sql", "measure");

    let mut within = true;
    println!("| migration | longest call | seen by psql | differs by |");
    println!("|---|---|---|---|");
    for _ in 0..rounds {
        let (told, seen) = beside(folder.path());
        let off = (told / seen - 1.0).abs();
        println!("| rewrite | {told:.0} ms | {seen:.0} ms | {:.1} % |", off * 100.0);
        within &= off <= 0.1;
    }
    println!("\n| migration | longest call | 99 of 100 before | times |");
    println!("|---|---|---|---|");
    for _ in 0..rounds {
        let report = check(folder.path(), "1_concurrently.sql", "traffic");
        let stall = &report["stalls"][0];
        let (longest, usual) = (stall["longest_ms"].as_f64().unwrap(), stall["felt"]["usual_ms"].as_f64().unwrap());
        let times = longest / usual;
        println!("| concurrently | {longest:.2} ms | {usual:.2} ms | {times:.1} |");
        within &= times <= 3.0;
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn check(project: &Path, migration: &str, passes: &str) -> Value {
    let mut command = support::seatrial(project, &project.join("cache"));
    command.args(["check", migration, "--source", "source.sql", "--database", DATABASE, "--queries", "queries.sql"]);
    let ran = command.args(["--passes", passes, "--format", "json"]).output().unwrap();
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The stall that is told beside the rewrite, and the longest wait of a psql on the same copy, in milliseconds.
fn beside(project: &Path) -> (f64, f64) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let observer = scope.spawn(|| longest_wait(&project.join("cache/runs"), &over));
        let report = check(project, "1_rewrite.sql", "traffic");
        over.store(true, Ordering::Relaxed);
        let told = report["stalls"][0]["longest_ms"].as_f64().unwrap();
        (told, observer.join().unwrap().as_secs_f64() * 1000.0)
    })
}

/// Follows the servers of a run: the last one is that of the pass the bench is about.
fn longest_wait(runs: &Path, over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    let mut known: Option<PathBuf> = None;
    while !over.load(Ordering::Relaxed) {
        match socket(runs).filter(|newest| known.as_ref() != Some(newest)) {
            Some(newest) => {
                if let Some(wait) = ask_until_it_ends(&newest) {
                    longest = wait;
                    known = Some(newest);
                }
            }
            None => std::thread::sleep(PAUSE),
        }
    }
    longest
}

/// The newest server's socket.
fn socket(runs: &Path) -> Option<PathBuf> {
    let inside = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let sockets = inside(runs.to_owned()).flat_map(|run| inside(run.join("s")));
    // Beside each lies a lock, of another extension.
    sockets
        .filter(|path| path.extension().and_then(OsStr::to_str).is_some_and(|port| port.parse::<u16>().is_ok()))
        .max()
}

/// Asks one server for the row until it is stopped; `None` where nobody answered at all.
fn ask_until_it_ends(socket: &Path) -> Option<Duration> {
    let psql = std::env::var("SEATRIAL_BENCH_PSQL").unwrap_or_else(|_| "psql".to_owned());
    let port = socket.extension()?.to_str()?;
    let mut command = Command::new(psql);
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h"]).arg(socket.parent()?);
    command.args(["-p", port, "-U", SUPERUSER, "-d", DATABASE]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("psql");
    let (mut to, mut from) =
        (child.stdin.take().expect("a pipe"), BufReader::new(child.stdout.take().expect("a pipe")));
    let mut longest = None;
    loop {
        let asked = Instant::now();
        let mut answer = String::new();
        let sent = writeln!(to, "{READ};");
        if sent.is_err() || from.read_line(&mut answer).is_err() || answer.is_empty() {
            break;
        }
        longest = longest.max(Some(asked.elapsed()));
        std::thread::sleep(PAUSE);
    }
    drop(to);
    child.wait().expect("psql ends");
    longest
}
