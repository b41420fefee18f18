//! What a rehearsal costs, next to the bare minimum that does the same work by hand.
//!
//! `cargo bench --bench floor`: for each scene below the program and the hand take turns on the same database, several
//! rounds; medians and ratios are printed as the table of `docs/performance.md`. By hand means: a server that is running
//! already, with the copies' settings; `CREATE DATABASE … TEMPLATE`, `pg_dump --schema-only`, the same EXPLAINs in one psql
//! session, `psql -f`, the EXPLAINs again, `pg_dump --schema-only` again; and for the proof of the way back another copy,
//! `pg_dump`, `psql -f` with the migration, `psql -f` with a way back somebody has written, `pg_dump`, `cmp`.
//!
//! Exits with 1 when a warm run of the large scenes takes more than 1.25 times the hand's, the first statement comes later
//! than 2 s after a copy's time, the program's own memory reaches 200 MB, or ten times the work costs more than ten times
//! as much. `SEATRIAL_BENCH_SCENES` names the scenes to run, `SEATRIAL_BENCH_ROUNDS` the rounds, `SEATRIAL_BENCH_MB` the
//! size of the large database. Everything lies below `TMPDIR`. Needs a server of version 15 or newer, psql and pg_dump.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "floor/hand.rs"]
mod hand;
#[path = "floor/program.rs"]
mod program;
#[path = "floor/scenes.rs"]
mod scenes;
#[path = "../tests/support/mod.rs"]
mod support;

use hand::Hand;
use program::{Program, Run};
use scenes::Scene;
use std::process::ExitCode;
use std::time::Duration;

const RATIO: f64 = 1.25;
const FIRST_STATEMENT: Duration = Duration::from_secs(2);
const MEMORY_KB: u64 = 200_000;

/// Medians of one scene.
struct Measured {
    /// Times the hand's, for the measure pass alone and for a whole run.
    measure: f64,
    whole: f64,
    /// Seconds of a whole run.
    seconds: f64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let rounds: usize = number("SEATRIAL_BENCH_ROUNDS", 3);
    let asked_for = std::env::var("SEATRIAL_BENCH_SCENES").unwrap_or_default();
    let asked_for: Vec<&str> = asked_for.split(',').filter(|name| !name.is_empty()).collect();
    println!("| scene | cache | passes | program | by hand | ratio | memory |");
    println!("|---|---|---|---|---|---|---|");
    let mut within = true;
    for (small, large) in scenes::all(number("SEATRIAL_BENCH_MB", 1000)) {
        if !asked_for.is_empty() && !asked_for.contains(&large.kind) {
            continue;
        }
        let small = match small {
            Some(scene) => Some(scene_run(&scene, rounds, &mut within).await),
            None => None,
        };
        let large = scene_run(&large, rounds, &mut within).await;
        within &= large.whole <= RATIO && large.measure <= RATIO;
        if let Some(small) = small {
            let growth = large.seconds / small.seconds;
            println!("| ten times as much | warm | all | {growth:.1} times | | | |");
            within &= growth <= 10.0;
        }
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn scene_run(scene: &Scene, rounds: usize, within: &mut bool) -> Measured {
    let program = Program::new(scene);
    let hand = Hand::new(scene).await;
    let cold = program.check(&[]);
    line(scene, "cold", "all", &cold, hand.restore() + hand.measure() + hand.prove());
    let (mut measure, mut whole, mut copies, mut first) = (Turns::default(), Turns::default(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        measure.take(program.check(&["--passes", "measure"]), hand.measure());
        whole.take(program.check(&[]), hand.measure() + hand.prove());
        copies.push(hand.copy());
        first.push(program.until_first_statement());
    }
    let (measure, (whole, seconds)) = (measure.line(scene, "measure").0, whole.line(scene, "all"));
    let (first, copy) = (middle(first), middle(copies));
    println!(
        "| {} | warm | until the first statement | {} | {} | | |",
        scene.name,
        seconds_of(first),
        seconds_of(copy)
    );
    *within &= first.saturating_sub(copy) <= FIRST_STATEMENT && cold.peak_kb < MEMORY_KB;
    Measured { measure, whole, seconds }
}

/// The program and the hand in turns.
#[derive(Default)]
struct Turns {
    program: Vec<Run>,
    hand: Vec<Duration>,
}

impl Turns {
    fn take(&mut self, program: Run, hand: Duration) {
        self.program.push(program);
        self.hand.push(hand);
    }

    /// Prints it; the ratio of the medians, and the program's in seconds.
    fn line(mut self, scene: &Scene, passes: &str) -> (f64, f64) {
        self.program.sort_by_key(|run| run.whole);
        let (ours, theirs) = (&self.program[self.program.len() / 2], middle(self.hand));
        line(scene, "warm", passes, ours, theirs);
        (ours.whole.as_secs_f64() / theirs.as_secs_f64(), ours.whole.as_secs_f64())
    }
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn seconds_of(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn line(scene: &Scene, cache: &str, passes: &str, ours: &Run, theirs: Duration) {
    println!(
        "| {} | {cache} | {passes} | {} | {} | {:.2} | {} MB |",
        scene.name,
        seconds_of(ours.whole),
        seconds_of(theirs),
        ours.whole.as_secs_f64() / theirs.as_secs_f64(),
        ours.peak_kb / 1000
    );
}

fn number<N: std::str::FromStr>(variable: &str, otherwise: N) -> N {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is a number")),
        Err(_) => otherwise,
    }
}
