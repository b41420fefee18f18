//! What became of each hot query's plan: fingerprints, verdicts by work done, and a diff people can read.

pub mod align;
pub mod baseline;
pub mod calibration;
pub mod fingerprint;
pub mod gate;
pub mod growth;
pub mod names;
mod node;
pub mod picture;
mod reader;
pub mod render;
pub mod sentence;
pub mod verdict;

use crate::snapshot::Snapshot;
use crate::snapshot::plan::{Captured, IndexUse, PlanCapture, PlanKey, PlanMode};
use crate::workload::HotQuery;
use fingerprint::{Fingerprints, accesses};
use gate::Ground;
use growth::SizeGrowth;
use names::Names;
use render::Values;
use sentence::Story;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use verdict::{Evidence, PlanVerdict, Samples, Thresholds, Verdict, judge};

/// A capture together with what names meant at that moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The capture.
    pub capture: &'a PlanCapture,
    /// Indexes by definition, relations and columns by what they were called before.
    pub names: &'a Names,
    /// Where its fingerprints are kept once somebody has asked for them.
    known: Option<&'a OnceLock<Option<Fingerprints>>>,
}

impl<'a> Seen<'a> {
    /// A capture and what names meant then.
    pub fn new(capture: &'a PlanCapture, names: &'a Names) -> Self {
        Self { capture, names, known: None }
    }

    /// How the capture ended.
    pub fn captured(self) -> &'a Captured {
        &self.capture.captured
    }

    /// Fingerprints of its plan; `None` when the server refused the query.
    pub fn fingerprints(self) -> Option<Cow<'a, Fingerprints>> {
        let of = || self.captured().plan().map(|plan| Fingerprints::of(plan, self.names));
        match self.known {
            Some(known) => known.get_or_init(of).as_ref().map(Cow::Borrowed),
            None => of().map(Cow::Owned),
        }
    }
}

/// One plan of one query, before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanDiff {
    /// Which query, with which values, planned how.
    pub key: PlanKey,
    /// What became of it.
    pub verdict: PlanVerdict,
    /// Before the run.
    pub before: PlanSide,
    /// Right after the last statement.
    pub right_after: Option<PlanSide>,
    /// Once the database has settled.
    pub settled: Option<PlanSide>,
    /// Indexes it no longer uses or newly uses, else tables it reads differently or does more work on; qualified.
    /// Empty where nothing changed.
    pub objects: Vec<String>,
    /// The first sentence of `text` as far as the two plans go; empty with it.
    pub headline: String,
    /// [`render::render_diff`], once told with its story; empty when nothing changed that is worth showing.
    pub text: String,
}

impl PlanDiff {
    /// Whether the tree is another one once settled, or right after where nothing settled.
    pub fn plan_changed(&self) -> bool {
        self.settled.as_ref().or(self.right_after.as_ref()).is_some_and(|after| after.shape() != self.before.shape())
    }
}

/// A capture and its fingerprints.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSide {
    /// How the capture ended. Expressions in its plan hold values: [`Captured::redacted`] for artefacts.
    pub captured: Captured,
    /// `None` when the server refused the query.
    pub fingerprints: Option<Fingerprints>,
}

impl PlanDiff {
    /// Adds cause, duration and remedy to the first sentence of the text, where there is one. A second time replaces the
    /// first.
    pub fn tell(&mut self, story: &Story) {
        if !self.text.is_empty() {
            let (_, tree) = self.text.split_once('\n').unwrap_or((&self.text, ""));
            self.text = format!("{}\n{tree}", story.tell(&self.headline));
        }
    }
}

impl PlanSide {
    /// [`Fingerprints::shape`]; `None` when the server refused the query.
    pub fn shape(&self) -> Option<&str> {
        self.fingerprints.as_ref().map(|fingerprints| fingerprints.shape.as_str())
    }
}

impl From<Seen<'_>> for PlanSide {
    fn from(seen: Seen<'_>) -> Self {
        Self { captured: seen.captured().clone(), fingerprints: seen.fingerprints().map(Cow::into_owned) }
    }
}

/// Snapshots to compare plans between. Without any moment after, there is nothing to compare.
#[derive(Debug, Clone, Copy)]
pub struct Moments<'a> {
    /// Before the run.
    pub before: &'a Snapshot,
    /// The same, captured once more before anything was changed: shows queries that are not steady by themselves.
    pub again: &'a [PlanCapture],
    /// Right after the last statement.
    pub right_after: Option<&'a Snapshot>,
    /// After VACUUM, before statistics were repaired: queries that were worse off right after the run.
    pub vacuumed: &'a [PlanCapture],
    /// Once the database has settled.
    pub settled: Option<&'a Snapshot>,
    /// Under fresh samples of the tables, one list a sample: without the migration, and with it.
    pub samples: (&'a [Vec<PlanCapture>], &'a [Vec<PlanCapture>]),
}

impl<'a> Moments<'a> {
    /// Two moments and nothing else.
    pub fn between(before: &'a Snapshot, right_after: &'a Snapshot) -> Self {
        let right_after = Some(right_after);
        Self { before, again: &[], right_after, vacuumed: &[], settled: None, samples: (&[], &[]) }
    }
}

/// What is known against a capture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubt {
    /// Why what was measured deserves less trust than usual.
    pub lowers: Option<String>,
    /// Why it says little about the database the copy stands for.
    pub predicts: Option<String>,
    /// Why nobody may call it unchanged.
    pub forbids: Option<String>,
}

/// Judges every plan captured before and at least once after, in registry order. `doubt` says what is known against a
/// capture before.
pub fn compare_plans(
    moments: Moments<'_>,
    queries: &[HotQuery],
    thresholds: &Thresholds,
    values: Values,
    doubt: impl Fn(&PlanCapture) -> Doubt,
) -> Vec<PlanDiff> {
    let Some(last) = moments.settled.or(moments.right_after) else { return Vec::new() };
    let growth = SizeGrowth::between(moments.before, last);
    let (ground_before, ground_after) = (Ground::of(moments.before), Ground::of(last));
    let read = |snapshot| Captures::of(moments.before, snapshot);
    let before = read(moments.before);
    let again = Captures::like(&before, moments.again);
    let right_after = moments.right_after.map(read);
    let settled = moments.settled.map(|snapshot| match (moments.right_after, &right_after) {
        (Some(right_after), Some(known)) if Arc::ptr_eq(&right_after.catalog, &snapshot.catalog) => {
            Captures::like(known, &snapshot.plans)
        }
        _ => read(snapshot),
    });
    let Some(changed) = settled.as_ref().or(right_after.as_ref()) else { return Vec::new() };
    // What every verdict asks for, and with a thousand queries takes longest: each moment for itself.
    std::thread::scope(|scope| {
        for moment in [Some(&before), right_after.as_ref(), settled.as_ref()].into_iter().flatten() {
            scope.spawn(|| moment.take_fingerprints());
        }
    });
    let vacuumed = Captures::like(changed, moments.vacuumed);
    let sampled_before: Vec<Captures<'_>> = moments.samples.0.iter().map(|one| Captures::like(&before, one)).collect();
    let sampled_after: Vec<Captures<'_>> = moments.samples.1.iter().map(|one| Captures::like(changed, one)).collect();
    let queries: BTreeMap<&str, &HotQuery> = queries.iter().map(|query| (query.name.as_str(), query)).collect();
    let mut diffs = Vec::new();
    for capture in &moments.before.plans {
        let key = &capture.key;
        let samples_before: Vec<Seen<'_>> = sampled_before.iter().filter_map(|sample| sample.find(key)).collect();
        let samples_after: Vec<Seen<'_>> = sampled_after.iter().filter_map(|sample| sample.find(key)).collect();
        let doubt = doubt(capture);
        let query = queries.get(key.query.as_str());
        let evidence = Evidence {
            before: before.find(key).unwrap_or_else(|| Seen::new(capture, &before.names)),
            again: again.find(key),
            right_after: right_after.as_ref().and_then(|captures| captures.find(key)),
            vacuumed: vacuumed.find(key),
            settled: settled.as_ref().and_then(|captures| captures.find(key)),
            samples: Samples { before: &samples_before, after: &samples_after },
            growth: &growth,
            doubt: doubt.lowers.as_deref(),
            predicts: doubt.predicts.as_deref(),
            drawn: query.is_some_and(|query| match key.mode {
                // It is run with the first one.
                PlanMode::Generic => query.sets.first().is_some_and(|set| set.drawn),
                PlanMode::Custom => query.sets.iter().any(|set| set.drawn && set.name == key.parameter_set),
            }),
        };
        let thresholds = query.map_or(*thresholds, |query| thresholds.of(query));
        let Some(mut verdict) = judge(&evidence, &thresholds) else { continue };
        if let (Some(why), Verdict::Unchanged | Verdict::PlanChanged) = (doubt.forbids, verdict.verdict) {
            verdict = PlanVerdict { verdict: Verdict::Unstable, note: Some(why), ..verdict };
        }
        // Nobody chose the extremes of what was drawn: budgets are for values that were given, and for any.
        let budgeted = query.filter(|_| !evidence.drawn || key.mode == PlanMode::Generic);
        if let (Some(query), Some(after)) = (budgeted, evidence.settled.or(evidence.right_after)) {
            let work = capture.captured.work();
            // What was not run again does what it did before.
            let now = match after.captured() {
                Captured::AsBefore(_) => work,
                captured => captured.work(),
            };
            let missed = ground_after.missed(&query.gates, after.captured(), now);
            let missed_before = ground_before.missed(&query.gates, &capture.captured, work);
            verdict = verdict.with_budget(missed, !missed_before.is_empty());
        }
        diffs.push(plan_diff(&evidence, verdict, values));
    }
    diffs
}

/// What two captures of the same state show of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelfTest {
    /// Plans that were captured twice.
    pub captures: usize,
    /// Those that differed.
    pub differing: Vec<PlanKey>,
}

impl SelfTest {
    /// Compares both captures of the state before the run.
    pub fn of(before: &Snapshot, again: &[PlanCapture], thresholds: &Thresholds) -> Self {
        let first = Captures::of(before, before);
        let again = Captures::like(&first, again);
        let mut test = Self::default();
        for capture in &before.plans {
            let Some(other) = again.find(&capture.key) else { continue };
            test.captures += 1;
            let capture_before = first.find(&capture.key).unwrap_or_else(|| Seen::new(capture, &first.names));
            if !verdict::steady(capture_before, other, thresholds) {
                test.differing.push(capture.key.clone());
            }
        }
        test
    }

    /// Whether so many differed that it is not their own doing: one query may read a clock or roll dice.
    pub fn is_noisy(&self) -> bool {
        self.differing.len() >= 3 && self.differing.len() * 5 >= self.captures
    }
}

struct Captures<'a> {
    names: Cow<'a, Names>,
    plans: BTreeMap<&'a PlanKey, Kept<'a>>,
}

/// A capture, and its fingerprints once they are known.
type Kept<'a> = (&'a PlanCapture, OnceLock<Option<Fingerprints>>);

impl<'a> Captures<'a> {
    fn of(before: &Snapshot, snapshot: &'a Snapshot) -> Self {
        let names = Names::after(&before.catalog, &snapshot.catalog);
        Self { names: Cow::Owned(names), plans: by_key(&snapshot.plans) }
    }

    /// Further captures under the same catalog.
    fn like(other: &'a Captures<'_>, plans: &'a [PlanCapture]) -> Self {
        Self { names: Cow::Borrowed(&other.names), plans: by_key(plans) }
    }

    fn find(&self, key: &PlanKey) -> Option<Seen<'_>> {
        self.plans.get(key).map(|kept| self.seen(kept))
    }

    fn seen<'s>(&'s self, (capture, known): &'s Kept<'a>) -> Seen<'s> {
        Seen { capture, names: &self.names, known: Some(known) }
    }

    /// Has those of every capture known from here on.
    fn take_fingerprints(&self) {
        for kept in self.plans.values() {
            self.seen(kept).fingerprints();
        }
    }
}

fn by_key(plans: &[PlanCapture]) -> BTreeMap<&PlanKey, Kept<'_>> {
    plans.iter().map(|capture| (&capture.key, (capture, OnceLock::new()))).collect()
}

fn plan_diff(evidence: &Evidence<'_>, verdict: PlanVerdict, values: Values) -> PlanDiff {
    let before = evidence.before;
    // A transient state is over once settled: what people want to see is the state that was bad.
    let shown = match verdict.verdict {
        Verdict::Transient => evidence.right_after,
        _ => evidence.settled.or(evidence.right_after),
    };
    let worth_showing = !matches!(verdict.verdict, Verdict::Unchanged | Verdict::GrewWithTable | Verdict::OverBudget)
        || shown.is_some_and(|shown| shape(before) != shape(shown));
    let changed = verdict.verdict != Verdict::Unchanged;
    let text =
        shown.filter(|_| worth_showing).map(|shown| render::render_diff(before, shown, values)).unwrap_or_default();
    PlanDiff {
        key: before.capture.key.clone(),
        before: before.into(),
        right_after: evidence.right_after.map(PlanSide::from),
        settled: evidence.settled.map(PlanSide::from),
        objects: shown.filter(|_| changed).map(|shown| changed_objects(before, shown)).unwrap_or_default(),
        headline: text.lines().next().unwrap_or_default().to_owned(),
        text,
        verdict,
    }
}

fn shape(seen: Seen<'_>) -> Option<String> {
    seen.fingerprints().map(|fingerprints| fingerprints.shape.clone())
}

/// Indexes used on one side only, else tables read differently, else tables that cost more blocks: qualified names.
pub fn changed_objects(before: Seen<'_>, after: Seen<'_>) -> Vec<String> {
    let (Some(old), Some(new)) = (before.captured().plan(), after.captured().plan()) else { return Vec::new() };
    let old_indexes = old.indexes();
    let new_indexes = new.indexes();
    // The same index on the same table, whatever both are called now.
    let identity = |side: Seen<'_>, used: &IndexUse| -> (String, String) {
        let table = side.names.before(&used.relation).unwrap_or(&used.relation);
        (table.qualified(), side.names.definition(&used.index))
    };
    let all = |side: Seen<'_>, used: &[IndexUse]| -> BTreeSet<(String, String)> {
        used.iter().map(|used| identity(side, used)).collect()
    };
    let (old_shapes, new_shapes) = (all(before, &old_indexes), all(after, &new_indexes));
    let mut objects: Vec<String> = Vec::new();
    for (side, used, others) in [(before, &old_indexes, &new_shapes), (after, &new_indexes, &old_shapes)] {
        let only_here = used.iter().filter(|used| !others.contains(&identity(side, used)));
        objects.extend(only_here.map(|used| used.index.qualified()));
    }
    if objects.is_empty()
        && let Some([old_access, new_access]) = accesses(before, after)
    {
        let changed = new_access.iter().filter(|(alias, now)| {
            old_access.get(*alias).is_none_or(|was| was.access != now.access || now.buffers > was.buffers)
        });
        objects.extend(changed.filter_map(|(_, now)| now.relation.clone()));
    }
    let mut seen = BTreeSet::new();
    objects.retain(|object| seen.insert(object.clone()));
    objects
}

/// Statements after which the plan is another one than before them, from plans made after each statement.
///
/// `stages` are in the order the statements ran. A query that stops or starts working counts as changed, unless it has
/// its old plan when it works again: between a rename and the view under the old name nobody runs it.
pub fn causing_statements(before: Seen<'_>, stages: &[(usize, Seen<'_>)]) -> Vec<usize> {
    let mut previous = shape(before);
    let mut broken_since = None;
    let mut causes = Vec::new();
    for (statement, stage) in stages {
        match shape(*stage) {
            None if previous.is_some() => broken_since = broken_since.or(Some(*statement)),
            None => {}
            now if now == previous => broken_since = None,
            now => {
                causes.extend(broken_since.take());
                causes.push(*statement);
                previous = now;
            }
        }
    }
    causes.extend(broken_since);
    causes
}

#[cfg(test)]
mod tests;
