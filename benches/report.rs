//! What it costs to render the largest report: 10,000 findings and 5 MB of plans, in every format.
//!
//! `cargo bench --bench report` prints the time and the size of each and exits with 1 when one takes more than 2 s. Needs no
//! server. That what is rendered is within the limits of each place is a test (`tests/machines.rs`).
#![allow(clippy::print_stdout)]

#[path = "../tests/support/large.rs"]
mod large;

use seatrial::report::{FORMATS, RenderOptions, render};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let report = large::report();
    let mut slow = false;
    for (name, format) in FORMATS {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            let started = Instant::now();
            bytes = render(&report, format, &RenderOptions::default()).len();
            times.push(started.elapsed());
        }
        times.sort();
        println!(
            "{name:<9} {:>8.1?} at the median of {ROUNDS}, {:>8.1?} at most, {:>6} kB",
            times[ROUNDS / 2],
            times[ROUNDS - 1],
            bytes / 1_000
        );
        slow |= times[ROUNDS - 1] > LIMIT;
    }
    if slow { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
