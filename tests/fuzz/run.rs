//! Runs a target: its seeds, then its inputs by number.

use crate::random::Random;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Inputs of all targets together, unless more are asked for.
const ORDINARY: u64 = 16_000;
/// What shares are parts of.
const WHOLE: u64 = 1_000;
/// Failures that are collected before a target gives up.
const MOST: usize = 8;
/// Bytes of data this process may have: no input has more than some hundred thousand.
const MEMORY: u64 = 2 << 30;

fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// Where inputs that failed are written, and the number of the one that runs: what ends the process is found there.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What went wrong in a target.
struct Failures<'a> {
    target: &'a str,
    all: Vec<(String, String)>,
}

impl Failures<'_> {
    /// Tries one input.
    fn hold(&mut self, name: &str, input: &str, check: &mut impl FnMut(&str)) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) else { return };
        let said = said(&*panic);
        // The same again, as far as its first words tell.
        let kind: String = said.chars().filter(|c| !c.is_ascii_digit()).take(40).collect();
        if self.all.iter().any(|(known, _)| *known == kind) {
            return;
        }
        let path = folder().join(format!("{}-{}", self.target, name.replace([' ', '/'], "-")));
        fs::write(&path, input).unwrap();
        self.all.push((kind, format!("{name}: {said:.1500}\n  the input is in {}", path.display())));
    }

    fn tell(self) {
        if self.all.is_empty() {
            return;
        }
        let mut text = String::new();
        for (_, failure) in &self.all {
            writeln!(text, "{failure}").unwrap();
        }
        panic!("{}:\n{text}once mended, an input stays as a file in tests/fuzz/seeds/{0}/", self.target);
    }
}

/// Tries every seed of a target, then `share` thousandths of all inputs.
///
/// # Panics
/// `check` did, with what it said, and where the input is.
pub fn fuzz(target: &str, share: u64, mut make: impl FnMut(&mut Random) -> String, mut check: impl FnMut(&str)) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_DATA).unwrap();
    setrlimit(Resource::RLIMIT_DATA, MEMORY.min(soft), hard).unwrap();

    let mut failures = Failures { target, all: Vec::new() };
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut seeds: Vec<PathBuf> =
        fs::read_dir(seeds).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    for seed in seeds {
        let name = seed.file_name().unwrap().to_string_lossy().into_owned();
        failures.hold(&name, &fs::read_to_string(&seed).unwrap(), &mut check);
    }
    let inputs = asked("SEATRIAL_FUZZ_INPUTS");
    let count = inputs.unwrap_or(ORDINARY) * share / WHOLE;
    let first = asked("SEATRIAL_FUZZ_FROM").unwrap_or(0);
    let running = File::create(folder().join(format!("{target}.running"))).unwrap();
    let begun = Instant::now();
    let mut slowest = (Duration::ZERO, 0, 0);
    for number in first..first + count {
        running.write_all_at(format!("{number:12}\n").as_bytes(), 0).unwrap();
        let since = Instant::now();
        let input = make(&mut Random::of(target, number));
        failures.hold(&format!("input {number}"), &input, &mut check);
        if since.elapsed() > slowest.0 {
            slowest = (since.elapsed(), number, input.len());
            if inputs.is_some() {
                fs::write(folder().join(format!("{target}.slowest")), &input).unwrap();
            }
        }
        if failures.all.len() >= MOST {
            break;
        }
    }
    if inputs.is_some() {
        let (time, number, bytes) = slowest;
        let all = begun.elapsed();
        let line = format!(
            "{target}: {count} inputs from {first} in {all:.1?}; the slowest was {number}: {time:.1?} for {bytes} bytes\n"
        );
        fs::write(folder().join(format!("{target}.{first}.done")), line).unwrap();
    }
    failures.tell();
}

/// One input by its number, for whoever looks into a failure.
#[test]
fn the_same_number_is_the_same_input() {
    let texts = crate::sql::texts();
    let make = |number| texts.make(&mut Random::of("splitter", number));
    assert!((0..50).all(|number| make(number) == make(number)));
    assert!((0..50).any(|number| make(number) != make(number + 1)));
}
