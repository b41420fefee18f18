//! A script run by psql, to compare with.

use crate::support::place::Place;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long psql (`SEATRIAL_BENCH_PSQL`, or the one on the path) takes for a script.
pub fn takes(place: &Place, role: &str, database: &str, script: &Path) -> Duration {
    let psql = std::env::var_os("SEATRIAL_BENCH_PSQL").unwrap_or_else(|| "psql".into());
    let endpoint = place.endpoint();
    let started = Instant::now();
    let mut command = Command::new(psql);
    command.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", database, "-f"]).arg(script);
    command.arg("-h").arg(&endpoint.socket_dir).args(["-p", &endpoint.port.to_string()]);
    let status = command.stdout(Stdio::null()).status().expect("psql starts");
    assert!(status.success(), "psql: {status}");
    started.elapsed()
}

/// The time in the middle, in milliseconds.
pub fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
