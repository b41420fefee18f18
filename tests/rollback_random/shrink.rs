//! The smallest schema and migration in which the same thing goes wrong.

use super::build::{Case, Recipe};
use super::judge::judge;
use crate::support::place::Place;

/// How many smaller cases are tried.
const TRIES: usize = 100;

/// Leaves out statements, many at once and then fewer, as long as the same kind of thing is wrong.
pub async fn smallest(place: &Place, base: &str, case: &Case, kind: &str) -> (Case, String) {
    let mut best = case.clone();
    let mut text = String::new();
    let mut tries = 0;
    let mut chunk = (best.schema.len() + best.migration.len()).div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let mut smaller = false;
        while from < best.schema.len() + best.migration.len() && tries < TRIES {
            tries += 1;
            let candidate = without(&best, from, chunk);
            let judged = judge(place, &format!("{base}_s{tries}"), &Recipe::Words(&candidate)).await;
            match judged.wrong {
                Some((found, all)) if found == kind => {
                    (best, text, smaller) = (judged.case, all, true);
                }
                _ => from += chunk,
            }
        }
        if tries >= TRIES || (chunk == 1 && !smaller) {
            return (best, text);
        }
        if !smaller || chunk > 1 {
            chunk = (chunk / 2).max(1);
        }
    }
}

/// Statements are counted from the end of the migration: what comes last is needed least.
fn without(case: &Case, from: usize, count: usize) -> Case {
    let mut smaller = case.clone();
    let all = case.schema.len() + case.migration.len();
    let (last, first) = (all - from, (all - from).saturating_sub(count));
    for place in (first..last).rev() {
        if place >= case.schema.len() {
            smaller.migration.remove(place - case.schema.len());
        } else {
            smaller.schema.remove(place);
        }
    }
    smaller
}
