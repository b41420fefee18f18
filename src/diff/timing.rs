//! Whether a query takes longer, from runs in turns: advice, since time depends on everything the machine does.

/// Middle and ends of some times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of the runs took less.
    pub median: f64,
    /// The quickest.
    pub min: f64,
    /// The slowest.
    pub max: f64,
}

impl Spread {
    /// `None` of no times at all.
    pub fn of(times: &[f64]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }
}

/// Differences this likely by chance alone are noise.
const CHANCE: f64 = 0.05;
/// With more turns than this, trying every outcome takes too long.
const MOST_TURNS: usize = 16;

/// Whether chance explains the differences between the two sides of each turn: Wilcoxon's signed ranks, and as a
/// permutation test over every way the turns could have gone, so that there is nothing random about it.
///
/// Only the first 16 turns count; fewer than six are always noise, as not even six of six tell.
pub fn inside_the_noise(before: &[f64], after: &[f64]) -> bool {
    let mut differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    differences.truncate(MOST_TURNS);
    // A turn without a difference speaks for neither side.
    differences.retain(|difference| *difference != 0.0);
    differences.sort_by(|left, right| left.abs().total_cmp(&right.abs()));
    let ranks = doubled_ranks(&differences);
    let signed = |positive: &dyn Fn(usize) -> bool| -> i64 {
        ranks.iter().enumerate().map(|(at, rank)| if positive(at) { *rank } else { -rank }).sum()
    };
    let seen = signed(&|at| differences[at] > 0.0).abs();
    let outcomes = 1_u32 << differences.len();
    let as_extreme = (0..outcomes).filter(|outcome| signed(&|at| outcome >> at & 1 == 1).abs() >= seen).count();
    as_extreme as f64 / f64::from(outcomes) > CHANCE
}

/// Twice the rank of each, so that those of equal size share whole numbers. `sorted` by size without sign.
fn doubled_ranks(sorted: &[f64]) -> Vec<i64> {
    let mut ranks = Vec::with_capacity(sorted.len());
    for group in sorted.chunk_by(|left, right| left.abs() == right.abs()) {
        let (first, last) = (ranks.len() + 1, ranks.len() + group.len());
        ranks.extend(group.iter().map(|_| (first + last) as i64));
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEADY: [f64; 9] = [1.2, 1.1, 1.3, 1.2, 1.4, 1.2, 1.1, 1.3, 1.2];

    fn shifted(by: f64) -> Vec<f64> {
        STEADY.iter().map(|time| time + by).collect()
    }

    #[test]
    fn a_shift_of_every_turn_is_no_noise_in_either_direction() {
        assert!(!inside_the_noise(&STEADY, &shifted(7.0)));
        assert!(!inside_the_noise(&shifted(7.0), &STEADY));
        assert!(!inside_the_noise(&STEADY[..6], &shifted(0.1)[..6]), "six of six: 2 of 64 outcomes");
    }

    #[test]
    fn turns_that_go_both_ways_are_noise() {
        let after = [1.3, 1.0, 1.4, 1.1, 1.5, 1.1, 1.2, 1.2, 1.2];
        assert!(inside_the_noise(&STEADY, &after));
        assert!(inside_the_noise(&STEADY, &STEADY));
        assert!(inside_the_noise(&STEADY[..5], &shifted(7.0)[..5]), "five of five: 2 of 32 outcomes");
        assert!(inside_the_noise(&[], &[]));
    }

    #[test]
    fn one_turn_that_was_disturbed_does_not_hide_a_shift() {
        let mut before = STEADY;
        before[4] = 2.5;
        assert!(!inside_the_noise(&before, &shifted(1.0)));
        before[4] = 250.0;
        assert!(inside_the_noise(&before, &shifted(0.2)), "rank 9 of 45 against it: 66 of 512 outcomes");
    }

    #[test]
    fn equal_sizes_share_their_ranks() {
        assert_eq!(doubled_ranks(&[1.0, -2.0, 2.0, 3.0]), [2, 5, 5, 8]);
    }

    #[test]
    fn the_spread_is_middle_and_ends() {
        assert_eq!(Spread::of(&[3.0, 1.0, 9.0]), Some(Spread { median: 3.0, min: 1.0, max: 9.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of(&[]), None);
    }
}
