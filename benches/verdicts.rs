//! Which verdicts the program gives that it should not, and which it should and does not: 20 hot queries under each of
//! 17 kinds of migration, on PostgreSQL 15 and 18.
//!
//! `cargo bench --bench verdicts` makes one database, rehearses every migration on it with the built program, and
//! compares the verdict of each query (the worst of its plans) with [`migrations`]. Exit code 1 unless none is false
//! and none missed.
//!
//! Environment: `SEATRIAL_BENCH_POSTGRES=DIR:DIR` (servers), `SEATRIAL_BENCH_ORDERS=N` (size, 300,000),
//! `SEATRIAL_BENCH_ONLY=TEXT` (migrations whose name contains it), `SEATRIAL_BENCH_COST_GATE=1` (also count what a gate
//! at +10 % of estimated cost after ANALYZE says), `SEATRIAL_BENCH_RUNS=N` (instead, the neutral migrations N times:
//! how many plan findings, and whether all runs agree), `SEATRIAL_BENCH_LOAD=N` (N threads busy meanwhile).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;
#[path = "verdicts/table.rs"]
mod table;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use support::{project, run, seatrial, state_folder};
use table::{Migration, QUERIES, migrations, rank};

const SOURCE: &str = include_str!("verdicts/source.sql");
const HOT_QUERIES: &str = include_str!("verdicts/queries.sql");

fn main() -> ExitCode {
    let orders = number("SEATRIAL_BENCH_ORDERS").unwrap_or(300_000);
    let load = number("SEATRIAL_BENCH_LOAD").unwrap_or(0);
    let only = std::env::var("SEATRIAL_BENCH_ONLY").unwrap_or_default();
    let chosen: Vec<Migration> = migrations().into_iter().filter(|one| one.name.contains(&only)).collect();
    let project = project();
    std::fs::write(project.path().join("source.sql"), SOURCE.replace("{orders}", &orders.to_string())).unwrap();
    std::fs::write(project.path().join("queries.sql"), HOT_QUERIES).unwrap();
    let mut wrong = 0;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..load {
            scope.spawn(|| {
                let mut spun = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    spun = std::hint::black_box(spun.wrapping_mul(31).wrapping_add(7));
                }
            });
        }
        // Also ends the busy threads when a run panics: the scope waits for them.
        let _ends = StopAtEnd(&stop);
        for server in servers() {
            let bench = Bench { project: project.path(), server: &server };
            println!("\n{}, {orders} orders, {load} busy threads", server.display());
            wrong += match number("SEATRIAL_BENCH_RUNS") {
                Some(runs) => bench.repeat(&chosen, runs),
                None => bench.judge(&chosen),
            };
        }
    });
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

/// The servers named, else one of 15 and one of 18 where `scripts/fetch-postgres.sh` or Debian puts them.
fn servers() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("SEATRIAL_BENCH_POSTGRES") {
        return std::env::split_paths(&named).collect();
    }
    if let Some(one) = std::env::var_os("SEATRIAL_POSTGRES_BIN") {
        return vec![one.into()];
    }
    let places = |major| {
        [
            PathBuf::from(format!("/var/cache/seatrial-test-postgres/{major}/bin")),
            PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")),
        ]
    };
    let found: Vec<PathBuf> =
        [15, 18].into_iter().filter_map(|major| places(major).into_iter().find(|place| place.is_dir())).collect();
    assert!(!found.is_empty(), "no server: name one with SEATRIAL_BENCH_POSTGRES");
    found
}

/// What one rehearsal said.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The worst verdict of each query, by name.
    verdicts: BTreeMap<String, String>,
    /// Each finding about a plan: id and query.
    findings: Vec<(String, String)>,
    /// Queries with a plan that costs more than 1.1 times as much right after the run.
    costlier: usize,
}

struct Bench<'a> {
    project: &'a Path,
    server: &'a Path,
}

impl Bench<'_> {
    /// Rehearses scripts in their order.
    fn rehearse(&self, scripts: &[&str]) -> Outcome {
        let mut command = seatrial(self.project, &state_folder("verdicts"));
        command.env("SEATRIAL_POSTGRES_BIN", self.server);
        command.args(["check", "--source", "source.sql", "--queries", "queries.sql", "--passes", "measure,attribute"]);
        command.args(["--format", "json"]);
        for (index, script) in scripts.iter().enumerate() {
            let name = format!("{:04}_step.sql", index + 1);
            std::fs::write(self.project.join(&name), script).unwrap();
            command.arg(name);
        }
        let ran = run(&mut command);
        assert!(matches!(ran.code, Some(0 | 1)), "{scripts:?}: exit {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        let report = ran.report();
        assert_eq!(report["answers"]["applies"]["verdict"], "yes", "{scripts:?}\n{}", report["findings"]);
        Outcome::read(&report)
    }

    /// Every migration once, against the table. Returns how many verdicts are false or missed.
    fn judge(&self, migrations: &[Migration]) -> usize {
        let (mut wrong, mut false_ones, mut missed) = (Vec::new(), 0, 0);
        let mut gate = (0, 0, 0);
        for migration in migrations {
            let started = Instant::now();
            let outcome = self.rehearse(&migration.scripts);
            let took = started.elapsed().as_secs_f64();
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for query in QUERIES {
                let found = outcome.verdicts[query].as_str();
                *counts.entry(found).or_default() += 1;
                let expected = migration.expected(query);
                if expected.contains(&found) {
                    continue;
                }
                let what = if expected.iter().all(|one| rank(found) < rank(one)) {
                    missed += 1;
                    "missed"
                } else {
                    false_ones += 1;
                    "false"
                };
                wrong.push(format!(
                    "  {what}: {}: {query} is {found}, expected {}",
                    migration.name,
                    expected.join(" or ")
                ));
            }
            let counts: Vec<String> = counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
            println!("{:36} {:6.1} s   {}", migration.name, took, counts.join(", "));
            if migration.neutral && std::env::var_os("SEATRIAL_BENCH_COST_GATE").is_some() {
                let mut scripts = migration.scripts.clone();
                scripts.push("ANALYZE orders, items, customers;");
                let costlier = self.rehearse(&scripts).costlier;
                gate = (gate.0 + 1, gate.1 + usize::from(costlier > 0), gate.2 + costlier);
            }
        }
        println!("false verdicts: {false_ones}, missed verdicts: {missed}");
        wrong.iter().for_each(|line| println!("{line}"));
        if gate.0 > 0 {
            println!(
                "a gate at +10 % of estimated cost after ANALYZE: {} false alarms, in {} of {} neutral migrations",
                gate.2, gate.1, gate.0
            );
        }
        wrong.len()
    }

    /// The neutral migrations again and again. Returns how many findings there were that nothing called for, and runs
    /// that differ from the first.
    fn repeat(&self, migrations: &[Migration], runs: usize) -> usize {
        let (mut findings, mut differing) = (0, 0);
        for migration in migrations.iter().filter(|migration| migration.neutral) {
            let first = self.rehearse(&migration.scripts);
            let uncalled = |outcome: &Outcome| {
                let expected = |query: &str| migration.expected(query).contains(&"transient");
                let uncalled = outcome.findings.iter().filter(|(id, query)| id != "plan/transient" || !expected(query));
                uncalled.count()
            };
            let (mut here, mut other) = (uncalled(&first), 0);
            for _ in 1..runs {
                let next = self.rehearse(&migration.scripts);
                here += uncalled(&next);
                other += usize::from((&next.verdicts, &next.findings) != (&first.verdicts, &first.findings));
            }
            println!(
                "{:36} {runs} runs: {here} plan findings not called for, {other} runs unlike the first",
                migration.name
            );
            (findings, differing) = (findings + here, differing + other);
        }
        println!("plan findings not called for: {findings}, runs that differ: {differing}");
        findings + differing
    }
}

impl Outcome {
    fn read(report: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = |value: &Value| value.as_array().unwrap().clone();
        let (mut verdicts, mut costlier) = (BTreeMap::<String, String>::new(), 0);
        for plan in items(&report["queries"]) {
            let verdict = text(&plan["verdict"]);
            let worst = verdicts.entry(text(&plan["name"])).or_insert_with(|| verdict.clone());
            if rank(&verdict) > rank(worst) {
                *worst = verdict;
            }
            let cost = |state: &str| plan[state]["total_cost"].as_f64();
            costlier += usize::from(cost("before").zip(cost("after")).is_some_and(|(was, is)| is > was * 1.1));
        }
        let mut findings: Vec<(String, String)> = items(&report["findings"])
            .iter()
            .map(|finding| (text(&finding["id"]), text(&finding["query"])))
            .filter(|(id, _)| id.starts_with("plan/"))
            .collect();
        findings.sort();
        Self { verdicts, findings, costlier }
    }
}
