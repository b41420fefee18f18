//! Random migrations over random schemas: what the proof says of their rollback is held against what is there.
//!
//! Each case is decided by one number. `SEATRIAL_RANDOM_CASES=500` runs more of them than the tests usually do,
//! `SEATRIAL_RANDOM_SEED=7` others; with the number of a case as the seed and one case, that case alone. What goes wrong
//! is told once for each kind, with the fewest statements that show it.

mod support;

#[path = "rollback_random/build.rs"]
mod build;
#[path = "rollback_random/change.rs"]
mod change;
#[path = "rollback_random/create.rs"]
mod create;
#[path = "rollback_random/dice.rs"]
mod dice;
#[path = "rollback_random/judge.rs"]
mod judge;
#[path = "rollback_random/shrink.rs"]
mod shrink;
#[path = "rollback_random/state.rs"]
mod state;

use build::{Recipe, make_template};
use judge::judge;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::io::Write as _;
use support::place::Place;

const CASES: u64 = 20;
const SEED: u64 = 1;

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is a number")),
        Err(_) => otherwise,
    }
}

/// Numbers that make a schema, and numbers that make a migration.
fn numbers(seed: u64) -> (Vec<u64>, Vec<u64>) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = (vec(any::<u64>(), 10..36), vec(any::<u64>(), 1..=12));
    strategy.new_tree(&mut runner).expect("numbers").current()
}

#[tokio::test]
async fn a_random_migration_comes_back_or_the_verdict_says_what_does_not() {
    let place = Place::new().await;
    make_template(&place).await.expect("a database to copy");
    let (cases, seed) = (number("SEATRIAL_RANDOM_CASES", CASES), number("SEATRIAL_RANDOM_SEED", SEED));
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong: BTreeMap<String, u64> = BTreeMap::new();
    let mut statements = 0;
    for case in seed..seed + cases {
        let (schema, migration) = numbers(case);
        let base = format!("case_{case}");
        let judged = judge(&place, &base, &Recipe::Numbers { schema: &schema, migration: &migration }).await;
        statements += judged.case.migration.len();
        *outcomes.entry(judged.outcome).or_default() += 1;
        let Some((kind, all)) = judged.wrong else { continue };
        let count = wrong.entry(kind.clone()).or_default();
        *count += 1;
        if *count > 1 {
            continue;
        }
        let (smallest, text) = shrink::smallest(&place, &base, &judged.case, &kind).await;
        let text = if text.is_empty() { all } else { text };
        tell(&format!("==== case {case}: {kind}\n{smallest}\n{text}\n"));
    }
    let each: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
    tell(&format!("{cases} random migrations, {statements} statements. {}\n", each.join(", ")));
    for (kind, count) in &wrong {
        tell(&format!("{count} times: {kind}\n"));
    }
    assert!(wrong.is_empty(), "{:#?}", wrong.keys());
}

/// What a long run has found stays readable while it goes on.
fn tell(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).expect("a place to tell it");
}
