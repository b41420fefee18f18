//! Sets from candidates of several parameters: every pair of candidates meets in one set, as far as there is room.

use super::candidate::Candidate;
use std::collections::BTreeSet;

/// Parameters that get their values together, and what they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Indexes of the parameters, in the order of the candidates' values.
    pub parameters: Vec<usize>,
    /// What people call them.
    pub label: String,
    /// Never empty; the commonest first.
    pub candidates: Vec<Candidate>,
}

/// Name and values of a set; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combination {
    /// Kinds of the values: unique among the combinations of one query.
    pub name: String,
    /// One for each parameter.
    pub values: Vec<Option<String>>,
}

/// At most `most` combinations, the one of each slot's first candidates at the front; the same slots give the same.
pub fn combine(slots: &[Slot], most: usize) -> Vec<Combination> {
    let mut open = pairs(slots);
    let mut chosen: Vec<Vec<usize>> = Vec::new();
    let mut next = Some(vec![0; slots.len()]);
    while let Some(picks) = next.filter(|_| chosen.len() < most) {
        open.retain(|pair| !pair.is_in(&picks));
        if !chosen.contains(&picks) {
            chosen.push(picks);
        }
        next = open.first().map(|pair| fill(slots, *pair, &open));
    }
    let mut names = BTreeSet::new();
    chosen.iter().map(|picks| combination(slots, picks)).filter(|one| names.insert(one.name.clone())).collect()
}

/// Two slots and a candidate of each; with a single slot it is paired with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    first: (usize, usize),
    second: (usize, usize),
}

impl Pair {
    fn is_in(&self, picks: &[usize]) -> bool {
        picks[self.first.0] == self.first.1 && picks[self.second.0] == self.second.1
    }
}

/// Candidates at the front of their slots come first: they are the likelier ones.
fn pairs(slots: &[Slot]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (a, left) in slots.iter().enumerate() {
        for (b, right) in slots.iter().enumerate().skip(a) {
            if (a == b) != (slots.len() == 1) {
                continue;
            }
            for first in 0..left.candidates.len() {
                for second in 0..right.candidates.len() {
                    if a != b || first == second {
                        pairs.push(Pair { first: (a, first), second: (b, second) });
                    }
                }
            }
        }
    }
    pairs.sort_by_key(|pair| (pair.first.1 + pair.second.1, pair.first, pair.second));
    pairs
}

/// The pair, and in every other slot the candidate that makes most open pairs meet.
fn fill(slots: &[Slot], pair: Pair, open: &[Pair]) -> Vec<usize> {
    let mut picks = vec![0; slots.len()];
    picks[pair.first.0] = pair.first.1;
    picks[pair.second.0] = pair.second.1;
    for slot in (0..slots.len()).filter(|slot| *slot != pair.first.0 && *slot != pair.second.0) {
        let met = |candidate: usize, picks: &[usize]| {
            let mut tried = picks.to_vec();
            tried[slot] = candidate;
            open.iter().filter(|one| one.is_in(&tried)).count()
        };
        let best = (0..slots[slot].candidates.len()).rev().max_by_key(|candidate| met(*candidate, &picks));
        picks[slot] = best.unwrap_or_default();
    }
    picks
}

fn combination(slots: &[Slot], picks: &[usize]) -> Combination {
    let parameters = slots.iter().flat_map(|slot| &slot.parameters).max().map_or(0, |last| last + 1);
    let mut values = vec![None; parameters];
    let mut kinds = Vec::new();
    for (slot, pick) in slots.iter().zip(picks) {
        let Some(candidate) = slot.candidates.get(*pick) else { continue };
        for (parameter, value) in slot.parameters.iter().zip(&candidate.values) {
            values[*parameter].clone_from(value);
        }
        kinds.push(if slots.len() == 1 {
            candidate.kind.clone()
        } else {
            format!("{} {}", slot.label, candidate.kind)
        });
    }
    Combination { name: kinds.join("; "), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(parameter: usize, label: &str, kinds: &[&str]) -> Slot {
        let candidate =
            |kind: &&str| Candidate { kind: (*kind).to_owned(), values: vec![Some(format!("{label}-{kind}"))] };
        Slot { parameters: vec![parameter], label: label.to_owned(), candidates: kinds.iter().map(candidate).collect() }
    }

    fn names(slots: &[Slot], most: usize) -> Vec<String> {
        combine(slots, most).into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn one_parameter_has_a_set_for_each_candidate_named_by_its_kind() {
        let slots = [slot(0, "id", &["common", "rare", "absent"])];
        assert_eq!(names(&slots, 9), ["common", "rare", "absent"]);
        assert_eq!(combine(&slots, 9)[1].values, [Some("id-rare".to_owned())]);
    }

    #[test]
    fn every_pair_of_candidates_meets_once_there_is_room() {
        let slots = [slot(1, "a", &["x", "y"]), slot(0, "b", &["x", "y"]), slot(2, "c", &["x", "y"])];
        let sets = combine(&slots, 24);
        assert_eq!(sets[0].name, "a x; b x; c x");
        assert_eq!(sets[0].values, [Some("b-x".to_owned()), Some("a-x".to_owned()), Some("c-x".to_owned())]);
        for (one, other) in [("a", "b"), ("a", "c"), ("b", "c")] {
            for (first, second) in [("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")] {
                let met = |name: &str| {
                    let parts: Vec<&str> = name.split("; ").collect();
                    parts.contains(&format!("{one} {first}").as_str())
                        && parts.contains(&format!("{other} {second}").as_str())
                };
                assert!(sets.iter().any(|set| met(&set.name)), "{one} {first} with {other} {second}");
            }
        }
        assert!(sets.len() < 8, "fewer than all combinations: {sets:?}");
        assert_eq!(combine(&slots, 24), sets);
    }

    #[test]
    fn there_are_never_more_than_asked_for() {
        let slots = [slot(0, "a", &["1", "2", "3", "4", "5"]), slot(1, "b", &["1", "2", "3", "4", "5"])];
        assert_eq!(names(&slots, 7).len(), 7);
    }
}
