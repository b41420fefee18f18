//! What an application feels while a migration runs beside it. Pure: calls, waits and statements on one clock.
//!
//! All times are milliseconds since the calls began.

use super::Observation;
use super::lock::LockMode;
use crate::engine::ServerError;
use crate::snapshot::Oid;
use std::collections::BTreeMap;

/// One call of a query. It was due whether or not the one before had come back: what a waiting application feels is
/// counted from then.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When it was to be sent.
    pub due_ms: f64,
    /// When its answer was there.
    pub answered_ms: f64,
    /// SQLSTATE of the server's refusal, or SQLite's own name of it.
    pub refused: Option<String>,
}

impl Call {
    /// From when it was due to its answer.
    pub fn took_ms(&self) -> f64 {
        self.answered_ms - self.due_ms
    }
}

/// A session seen waiting for a lock.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// When it was seen.
    pub at_ms: f64,
    /// The relation whose lock it waits for; `None` for a row's or a transaction's.
    pub relation: Option<Oid>,
    /// The mode it asks for, if the relation's.
    pub mode: Option<LockMode>,
}

/// All calls of one query, in the order they were due.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lane {
    /// The query's name.
    pub query: String,
    /// Its calls.
    pub calls: Vec<Call>,
    /// When and for what its session was seen waiting.
    pub waits: Vec<Wait>,
}

/// When a statement of the migration ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// [`crate::migration::Statement::index`].
    pub statement: usize,
    /// It was sent.
    pub sent_ms: f64,
    /// It was answered.
    pub answered_ms: f64,
    /// Its transaction was over, and with it its locks.
    pub ended_ms: f64,
}

/// What one query felt.
#[derive(Debug, Clone, PartialEq)]
pub struct Felt {
    /// Its name.
    pub query: String,
    /// Longest time from when a call was due to its answer, from the first statement on.
    pub longest_ms: f64,
    /// The same for 99 of 100 calls before it.
    pub usual_ms: f64,
    /// The statement whose lock it waited for in its longest call.
    pub statement: Option<usize>,
    /// The relation of that lock.
    pub relation: Option<Oid>,
    /// Calls from the first statement on.
    pub calls: usize,
    /// Refused ones of these, by SQLSTATE.
    pub refused: BTreeMap<String, usize>,
    /// The longest call due in each step of [`Traffic::step_ms`].
    pub timeline: Vec<f64>,
    /// Its longest call is worth a word: long in itself, and long for this query.
    pub stalled: bool,
}

/// One run of a migration beside traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// When the first statement was sent.
    pub began_ms: f64,
    /// When the last one's transaction was over.
    pub ended_ms: f64,
    /// Length of a step of the timelines, which begin with the calls.
    pub step_ms: f64,
    /// What each query felt, as they are registered.
    pub felt: Vec<Felt>,
    /// Queries that could not be run, and why.
    pub left_out: Vec<(String, String)>,
    /// What ended the migration there, though it ran to its end when it was measured alone.
    pub failure: Option<(usize, ServerError)>,
    /// Tables a transaction was open on, and for how long the migration waited for it, in milliseconds.
    pub queued: Vec<Queued>,
}

/// A table with a transaction of somebody else's open on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Queued {
    /// The table.
    pub relation: Oid,
    /// Its qualified name.
    pub name: String,
    /// When the migration was first seen waiting behind that transaction; `None` if it never was.
    pub since_ms: Option<f64>,
    /// When that transaction ended, or the migration gave up.
    pub until_ms: f64,
}

impl Queued {
    /// How long the migration waited.
    pub fn waited_ms(&self) -> f64 {
        self.since_ms.map_or(0.0, |since| (self.until_ms - since).max(0.0))
    }
}

/// Steps a timeline has at the most.
const STEPS: f64 = 48.0;

/// Shortest step of a timeline in milliseconds.
const LEAST_STEP: f64 = 100.0;

/// Length of the steps that cut `total_ms` into few enough.
pub fn step_of(total_ms: f64) -> f64 {
    let step = (total_ms / STEPS).max(LEAST_STEP);
    (step / LEAST_STEP).ceil() * LEAST_STEP
}

/// Longer than so many times its usual call, a call is longer than chance makes it.
const UNUSUAL: f64 = 3.0;

/// What a lane felt from `began_ms` on; what it did before is what it is used to. A call of `stall_ms` or longer is a stall.
/// `None` without a call on either side.
pub fn felt(
    lane: &Lane,
    (began_ms, step_ms, stall_ms): (f64, f64, f64),
    spans: &[Span],
    observations: &[Observation],
) -> Option<Felt> {
    // A call that is still under way as the migration begins is the migration's to delay.
    let (before, beside): (Vec<&Call>, Vec<&Call>) = lane.calls.iter().partition(|call| call.answered_ms < began_ms);
    let longest = beside.iter().max_by(|left, right| left.took_ms().total_cmp(&right.took_ms()))?;
    let usual_ms = usual(&before)?;
    let wait = lane.waits.iter().find(|wait| (longest.due_ms..=longest.answered_ms).contains(&wait.at_ms));
    let mut refused = BTreeMap::new();
    for sqlstate in beside.iter().filter_map(|call| call.refused.clone()) {
        *refused.entry(sqlstate).or_insert(0) += 1;
    }
    let last = lane.calls.last().map_or(0.0, |call| call.due_ms);
    let mut timeline = vec![0.0; (last / step_ms) as usize + 1];
    for call in &lane.calls {
        if let Some(step) = timeline.get_mut((call.due_ms / step_ms) as usize) {
            *step = call.took_ms().max(*step);
        }
    }
    Some(Felt {
        query: lane.query.clone(),
        stalled: longest.took_ms() >= stall_ms && longest.took_ms() > UNUSUAL * usual_ms,
        longest_ms: longest.took_ms(),
        usual_ms,
        statement: wait.and_then(|wait| blamed(wait, spans, observations)),
        relation: wait.and_then(|wait| wait.relation),
        calls: beside.len(),
        refused,
        timeline,
    })
}

/// What 99 of 100 calls stay below.
fn usual(calls: &[&Call]) -> Option<f64> {
    let mut took: Vec<f64> = calls.iter().map(|call| call.took_ms()).collect();
    took.sort_by(f64::total_cmp);
    took.get((took.len() * 99).div_ceil(100).checked_sub(1)?).copied()
}

/// The statement whose lock a session waits for: the first one of the transaction open then that, when it was measured
/// alone, took a lock on the relation that its own does not go with. For a row's lock it is the statement under way.
fn blamed(wait: &Wait, spans: &[Span], observations: &[Observation]) -> Option<usize> {
    let open = || spans.iter().filter(|span| span.sent_ms <= wait.at_ms && wait.at_ms <= span.ended_ms);
    let takes = |span: &&Span| {
        let (Some(relation), Some(mode)) = (wait.relation, wait.mode) else { return false };
        let observation = observations.iter().find(|each| each.statement == span.statement);
        observation.into_iter().flat_map(|each| &each.locks).any(|lock| {
            lock.taken_here && lock.mode.conflicts_with(mode) && (lock.relation == relation || lock.partitions > 0)
        })
    };
    open().find(takes).or_else(|| open().next_back()).map(|span| span.statement)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::observation::ObservedLock;

    fn call(due_ms: f64, took: f64) -> Call {
        Call { due_ms, answered_ms: due_ms + took, refused: None }
    }

    fn span(statement: usize, sent_ms: f64, answered_ms: f64, ended_ms: f64) -> Span {
        Span { statement, sent_ms, answered_ms, ended_ms }
    }

    fn locks(statement: usize, relation: u32, mode: LockMode) -> Observation {
        let lock = ObservedLock {
            relation,
            name: "public.t".to_owned(),
            table: "public.t".to_owned(),
            partitions: 0,
            partitions_only: false,
            mode,
            held_ms: 0.0,
            waited_ms: 0.0,
            exact: true,
            created_in_run: false,
            index: false,
            read_only: false,
            taken_here: true,
        };
        Observation { locks: vec![lock], ..Observation::of_nothing(statement) }
    }

    fn wait(at_ms: f64, relation: Option<u32>, mode: LockMode) -> Wait {
        Wait { at_ms, relation, mode: relation.map(|_| mode) }
    }

    #[test]
    fn the_longest_call_counts_from_when_it_was_due_and_names_who_took_the_lock() {
        let mut lane = Lane { query: "q".to_owned(), ..Lane::default() };
        lane.calls = (0..20).map(|n| call(f64::from(n) * 50.0, 2.0)).collect();
        lane.calls.push(call(1000.0, 2000.0));
        // Waited its turn in the application.
        lane.calls.push(call(1050.0, 1951.0));
        lane.calls.push(Call { refused: Some("0A000".to_owned()), ..call(3100.0, 1.0) });
        lane.waits = vec![wait(1020.0, Some(7), LockMode::AccessShare)];
        // The first takes the lock at once, the second makes it last.
        let spans = [span(1, 990.0, 995.0, 3000.0), span(2, 996.0, 2990.0, 3000.0)];
        let observed = [locks(1, 7, LockMode::AccessExclusive), locks(2, 8, LockMode::AccessExclusive)];
        let felt = felt(&lane, (990.0, 1000.0, 500.0), &spans, &observed).unwrap();
        assert_eq!((felt.longest_ms, felt.usual_ms), (2000.0, 2.0));
        assert_eq!((felt.statement, felt.relation), (Some(1), Some(7)));
        assert_eq!((felt.calls, felt.stalled), (3, true));
        assert_eq!(felt.refused, BTreeMap::from([("0A000".to_owned(), 1)]));
        assert_eq!(felt.timeline, [2.0, 2000.0, 0.0, 1.0]);
    }

    #[test]
    fn whoever_is_to_blame_held_a_lock_that_does_not_go_with_the_one_asked_for() {
        let spans = [span(1, 0.0, 1.0, 9.0), span(2, 1.0, 2.0, 9.0), span(3, 2.0, 9.0, 9.0)];
        let observed = [
            locks(1, 7, LockMode::ShareUpdateExclusive),
            locks(2, 7, LockMode::Share),
            locks(3, 9, LockMode::AccessExclusive),
        ];
        let asked = |relation, mode| blamed(&wait(5.0, relation, mode), &spans, &observed);
        assert_eq!(asked(Some(7), LockMode::RowExclusive), Some(2));
        // Nobody's as far as is known, and a row's: the one under way.
        assert_eq!(asked(Some(7), LockMode::AccessShare), Some(3));
        assert_eq!(asked(None, LockMode::AccessShare), Some(3));
        assert_eq!(blamed(&wait(50.0, Some(7), LockMode::RowExclusive), &spans, &observed), None);
    }

    #[test]
    fn without_a_call_before_nothing_is_known_of_what_is_usual() {
        let lane = Lane { calls: vec![call(10.0, 5.0)], ..Lane::default() };
        assert_eq!(felt(&lane, (1.0, 100.0, 500.0), &[], &[]), None);
        assert_eq!(felt(&Lane::default(), (1.0, 100.0, 500.0), &[], &[]), None);
    }

    #[test]
    fn a_slow_querys_usual_call_is_no_stall() {
        let stalled = |usual: f64, longest: f64| {
            let calls = vec![call(0.0, usual), call(10_000.0, longest)];
            let lane = Lane { calls, ..Lane::default() };
            felt(&lane, (5_000.0, 100.0, 500.0), &[], &[]).unwrap().stalled
        };
        assert!(stalled(10.0, 500.0) && !stalled(10.0, 499.0));
        assert!(!stalled(400.0, 1_000.0) && stalled(400.0, 1_300.0));
    }

    #[test]
    fn steps_are_round_and_few() {
        assert_eq!(step_of(1.0), 100.0);
        assert_eq!(step_of(4_900.0), 200.0);
        assert_eq!(step_of(600_000.0), 12_500.0);
    }
}
