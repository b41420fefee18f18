//! What became of one query: decided by work done, never by cost or clock.
//!
//! Blocks touched by a warm execution, and the steps of SQLite's virtual machine, are the same in every run; estimated costs
//! change with every ANALYZE and time with everything. Cost decides only between plans that cannot be run: writes, and runs cut off on both sides.

use super::Seen;
use super::fingerprint::Fingerprints;
use super::gate::Missed;
use super::growth::SizeGrowth;
use crate::snapshot::plan::{Captured, QueryPlan, Unit, Work, sqlite};
use crate::workload::HotQuery;

/// The contract's classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Same plan, same work.
    Unchanged,
    /// Less work, or it works now and did not before.
    Improved,
    /// Another plan that is no worse.
    PlanChanged,
    /// More work, as much as its tables grew.
    GrewWithTable,
    /// Worse right after the run, no longer once settled.
    Transient,
    /// Same plan, more work than its tables' growth explains.
    SlowerSamePlan,
    /// Another plan that does more work.
    Regressed,
    /// Not the same before twice, too near the time limit, or the server had other troubles.
    Unstable,
    /// Finished before, cut off now under a worse plan.
    DidNotFinish,
    /// Worked before, refused now.
    Broken,
    /// More work than its registered budget allows.
    OverBudget,
}

impl Verdict {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Unchanged => "unchanged",
            Verdict::Improved => "improved",
            Verdict::PlanChanged => "plan_changed",
            Verdict::GrewWithTable => "grew_with_table",
            Verdict::Transient => "transient",
            Verdict::SlowerSamePlan => "slower_same_plan",
            Verdict::Regressed => "regressed",
            Verdict::Unstable => "unstable",
            Verdict::DidNotFinish => "did_not_finish",
            Verdict::Broken => "broken",
            Verdict::OverBudget => "over_budget",
        }
    }

    /// Whether the query is worse off.
    pub fn is_worse(self) -> bool {
        matches!(
            self,
            Verdict::SlowerSamePlan
                | Verdict::Regressed
                | Verdict::DidNotFinish
                | Verdict::Broken
                | Verdict::OverBudget
        )
    }
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanConfidence {
    /// Executions on both sides.
    Measured,
    /// Plans only.
    Planned,
    /// Plans under statistics that are not this database's own.
    Predicted,
}

impl PlanConfidence {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            PlanConfidence::Measured => "measured",
            PlanConfidence::Planned => "planned",
            PlanConfidence::Predicted => "predicted",
        }
    }
}

/// How long a worse state lasts that passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lasts {
    /// Once its tables are vacuumed, the query is as before: their visibility map was lost, or dead rows were in its way.
    UntilVacuum,
    /// VACUUM alone does not help: columns it depends on have no statistics.
    UntilAnalyze,
}

impl Lasts {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Lasts::UntilVacuum => "until_vacuum",
            Lasts::UntilAnalyze => "until_analyze",
        }
    }

    /// `until VACUUM`, for the middle of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Lasts::UntilVacuum => "until VACUUM",
            Lasts::UntilAnalyze => "until ANALYZE",
        }
    }
}

/// Limits of the verdicts: a ratio and a floor, so that trifles never count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Work after, divided by work before and by growth.
    pub work_ratio: f64,
    /// Blocks more than before and growth in one execution.
    pub buffers_floor: u64,
    /// Or so many more a minute: a trifle that is called often enough is none.
    pub buffers_a_minute: f64,
    /// VM steps more than before and growth in one execution.
    pub steps_floor: u64,
    /// Or so many more a minute.
    pub steps_a_minute: f64,
    /// Executions a minute ([`crate::workload::HotQuery::weight`]).
    pub weight: f64,
    /// Temporary blocks after, divided by those before.
    pub temp_ratio: f64,
    /// Temporary blocks more than before.
    pub temp_floor: u64,
    /// Estimated cost after, divided by cost before and by growth; for plans that cannot be run.
    pub cost_ratio: f64,
    /// Cost units more than before.
    pub cost_floor: f64,
    /// Difference two executions of one state may have (parallel plans), as a fraction.
    pub tolerance: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            work_ratio: 1.5,
            buffers_floor: 100,
            buffers_a_minute: 1_000_000.0,
            steps_floor: 50_000,
            steps_a_minute: 500_000_000.0,
            weight: 1.0,
            temp_ratio: 2.0,
            temp_floor: 128,
            cost_ratio: 2.0,
            cost_floor: 100.0,
            tolerance: 0.01,
        }
    }
}

impl Thresholds {
    /// The same with what a query sets for itself.
    pub fn of(self, query: &HotQuery) -> Self {
        Self {
            work_ratio: query.limits.plan_ratio.unwrap_or(self.work_ratio),
            buffers_floor: query.limits.plan_blocks.unwrap_or(self.buffers_floor),
            steps_floor: query.limits.plan_steps.unwrap_or(self.steps_floor),
            weight: query.weight,
            ..self
        }
    }

    /// How much more of a unit counts in one execution, and in a minute.
    fn floors(&self, unit: Unit) -> (f64, f64) {
        match unit {
            Unit::Blocks => (self.buffers_floor as f64, self.buffers_a_minute),
            Unit::VmSteps => (self.steps_floor as f64, self.steps_a_minute),
        }
    }
}

/// The plans of one query under fresh samples of its tables.
#[derive(Debug, Clone, Copy, Default)]
pub struct Samples<'a> {
    /// Without the migration.
    pub before: &'a [Seen<'a>],
    /// With it, once settled.
    pub after: &'a [Seen<'a>],
}

/// Everything one verdict is made from.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Before the run.
    pub before: Seen<'a>,
    /// The same state captured once more, if it was.
    pub again: Option<Seen<'a>>,
    /// Right after the last statement.
    pub right_after: Option<Seen<'a>>,
    /// After VACUUM, before statistics were repaired; `None` where there was nothing to repair, or the query was not worse
    /// off right after the run.
    pub vacuumed: Option<Seen<'a>>,
    /// Once the database has settled.
    pub settled: Option<Seen<'a>>,
    /// Under fresh statistics, where its plan changed.
    pub samples: Samples<'a>,
    /// How the relations grew.
    pub growth: &'a SizeGrowth,
    /// Why what was measured deserves less trust than usual.
    pub doubt: Option<&'a str>,
    /// Why it says little about the database the copy stands for.
    pub predicts: Option<&'a str>,
    /// Its values were drawn, and not given.
    pub drawn: bool,
}

impl<'a> Evidence<'a> {
    /// Two captures and nothing else.
    pub fn new(before: Seen<'a>, settled: Seen<'a>, growth: &'a SizeGrowth) -> Self {
        let (again, right_after, vacuumed, settled) = (None, None, None, Some(settled));
        Self {
            before,
            again,
            right_after,
            vacuumed,
            settled,
            samples: Samples::default(),
            growth,
            doubt: None,
            predicts: None,
            drawn: false,
        }
    }
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanVerdict {
    /// The class.
    pub verdict: Verdict,
    /// What it rests on.
    pub confidence: PlanConfidence,
    /// Work (or, where planned only, cost) after divided by before and by growth; `None` where not comparable.
    pub factor: Option<f64>,
    /// By how much the work was expected to grow with the relations.
    pub growth: f64,
    /// How long it lasts, for [`Verdict::Transient`].
    pub lasts: Option<Lasts>,
    /// Absolute budgets it misses, whatever else is true.
    pub missed: Vec<Missed>,
    /// It missed one of them before the run already.
    pub missed_before: bool,
    /// The server refused it before the run: nothing was compared.
    pub failed_before: bool,
    /// What the numbers do not say.
    pub note: Option<String>,
}

/// Judges the settled state, or the one right after where nothing settled; `None` without any capture after. Budgets are
/// another matter: see [`PlanVerdict::with_budget`].
pub fn judge(evidence: &Evidence<'_>, thresholds: &Thresholds) -> Option<PlanVerdict> {
    let last = evidence.settled.or(evidence.right_after)?;
    let comparison = |before: Seen<'_>, after: Seen<'_>| compare(before, after, evidence.growth, thresholds);
    let mut judged = comparison(evidence.before, last);
    // No text of that type, out of its range, no moment: nobody sends a value that was made up and is none of the
    // parameter's new type.
    if let Captured::Failed { sqlstate, .. } = last.captured()
        && evidence.drawn
        && judged.verdict == Verdict::Broken
        && matches!(sqlstate.as_str(), "22P02" | "22003" | "22007" | "22008")
    {
        let note = "the value that was drawn for it is none of its parameter's type any more";
        judged = judged.with(Verdict::PlanChanged, note);
    }
    if let Some(again) = evidence.again
        // Nothing was done to it, whatever it rolls or reads off a clock.
        && !matches!(last.captured(), Captured::AsBefore(_))
        && !steady(evidence.before, again, thresholds)
    {
        // Only what is worse than the worst of both counts.
        let other = comparison(again, last);
        let worse = judged.verdict.is_worse() && other.verdict.is_worse();
        judged.confidence = PlanConfidence::Planned;
        if !worse {
            judged = judged.with(Verdict::Unstable, "its plan or work differed between two captures before the run");
        }
    }
    judged = sampled(evidence, judged, comparison);
    let mut lasts = judged.lasts;
    if let (Some(right_after), Some(_)) = (evidence.right_after, evidence.settled)
        && !judged.verdict.is_worse()
        && !matches!(judged.verdict, Verdict::Unstable | Verdict::Transient)
    {
        let at_once = comparison(evidence.before, right_after);
        if at_once.verdict.is_worse() {
            // SQLite loses nothing but statistics.
            let of_sqlite = right_after.captured().plan().is_some_and(|plan| plan.root.node_type == sqlite::ROOT);
            let still = of_sqlite
                || evidence.vacuumed.is_some_and(|after| comparison(evidence.before, after).verdict.is_worse());
            lasts = Some(if still { Lasts::UntilAnalyze } else { Lasts::UntilVacuum });
            judged = Comparison { verdict: Verdict::Transient, ..at_once };
        }
    }
    let doubts = [(evidence.doubt, PlanConfidence::Planned), (evidence.predicts, PlanConfidence::Predicted)];
    for (doubt, confidence) in doubts.into_iter().filter_map(|(doubt, confidence)| Some((doubt?, confidence))) {
        judged.confidence = judged.confidence.max(confidence);
        judged.note = Some(judged.note.map_or_else(|| doubt.to_owned(), |note| format!("{note}; {doubt}")));
    }
    Some(PlanVerdict {
        verdict: judged.verdict,
        confidence: judged.confidence,
        factor: judged.factor,
        growth: judged.growth,
        lasts,
        missed: Vec::new(),
        missed_before: false,
        failed_before: matches!(evidence.before.captured(), Captured::Failed { .. }),
        note: judged.note,
    })
}

/// Whether a verdict holds under other samples of the rows: production draws one before long. What most of them mend lasts
/// until ANALYZE, and what most of them make worse is worse; a plan that was on the edge before is no regression of this
/// run, and one that is good only by some samples is not safe.
fn sampled(
    evidence: &Evidence<'_>,
    judged: Comparison,
    comparison: impl Fn(Seen<'_>, Seen<'_>) -> Comparison,
) -> Comparison {
    let Some(last) = evidence.settled else { return judged };
    let Samples { before, after } = evidence.samples;
    // A sample that gives the known plan says nothing new, and was not run.
    let other = |sample: &Seen<'_>, known: Seen<'_>| Change::between(known, *sample) != Change::None;
    let not_worse_than = |after: Seen<'_>| {
        let others = before.iter().filter(|sample| other(sample, evidence.before));
        others.filter(|sample| !comparison(**sample, after).verdict.is_worse()).count()
    };
    // Most of them, so that a plan which comes up once in a while does not decide.
    let most = |some: usize, all: usize| 2 * some > all;
    let new: Vec<Seen<'_>> = after.iter().copied().filter(|sample| other(sample, last)).collect();
    let good = new.iter().filter(|sample| !comparison(evidence.before, **sample).verdict.is_worse()).count();
    if matches!(judged.verdict, Verdict::Regressed | Verdict::SlowerSamePlan) && most(good, after.len()) {
        return Comparison { verdict: Verdict::Transient, lasts: Some(Lasts::UntilAnalyze), ..judged };
    }
    if judged.verdict == Verdict::Regressed {
        return match not_worse_than(last) {
            some if !most(some, before.len()) => judged,
            some => {
                let note = format!(
                    "it was on the edge before the run: {some} of {} fresh samples (ANALYZE) alone gave as much work",
                    before.len()
                );
                judged.with(Verdict::Unstable, &note)
            }
        };
    }
    if matches!(judged.verdict, Verdict::Broken | Verdict::DidNotFinish | Verdict::Unstable) {
        return judged;
    }
    let worse: Vec<Comparison> = new
        .iter()
        .filter(|sample| !most(not_worse_than(**sample), before.len()))
        .map(|sample| comparison(evidence.before, *sample))
        .filter(|compared| compared.verdict == Verdict::Regressed)
        .collect();
    match (worse.len(), judged.verdict) {
        (some, _) if most(some, after.len()) => {
            let factor = worse.iter().filter_map(|compared| compared.factor).fold(0.0, f64::max);
            let note = format!("once ANALYZE has run, it gets another plan and does {factor:.1} times the work");
            Comparison { factor: Some(factor), ..judged.with(Verdict::Regressed, &note) }
        }
        (0 | 1, _) | (_, Verdict::SlowerSamePlan) => judged,
        (some, _) => {
            let note = format!(
                "its new plan is on the edge: {some} of {} fresh samples (ANALYZE) give more work",
                after.len()
            );
            judged.with(Verdict::Unstable, &note)
        }
    }
}

impl PlanVerdict {
    /// The same with what it misses of its absolute budgets, which outdo all but graver verdicts.
    pub fn with_budget(mut self, missed: Vec<Missed>, missed_before: bool) -> Self {
        let graver =
            matches!(self.verdict, Verdict::Broken | Verdict::DidNotFinish | Verdict::Regressed | Verdict::Unstable);
        if !missed.is_empty() && !graver {
            self.verdict = Verdict::OverBudget;
            // What passes is said of its work alone.
            self.lasts = None;
            self.note = Some(missed.iter().map(Missed::to_string).collect::<Vec<_>>().join("; "));
        }
        self.missed = missed;
        self.missed_before = missed_before;
        self
    }

    /// More work a minute than before, from how often the query runs; 0 where nothing was measured.
    pub fn added_a_minute(&self, before: Option<Work>, after: Option<Work>, weight: f64) -> f64 {
        let (Some(before), Some(after)) = (before, after) else { return 0.0 };
        (after.amount() as f64 - before.amount() as f64 * self.growth).max(0.0) * weight
    }
}

/// Two states against each other.
struct Comparison {
    verdict: Verdict,
    confidence: PlanConfidence,
    factor: Option<f64>,
    growth: f64,
    lasts: Option<Lasts>,
    note: Option<String>,
}

impl Comparison {
    fn without_numbers(verdict: Verdict, note: Option<String>) -> Self {
        Self { verdict, confidence: PlanConfidence::Measured, factor: None, growth: 1.0, lasts: None, note }
    }

    fn with(self, verdict: Verdict, note: &str) -> Self {
        Self { verdict, note: Some(note.to_owned()), ..self }
    }
}

fn compare(before: Seen<'_>, after: Seen<'_>, growth: &SizeGrowth, thresholds: &Thresholds) -> Comparison {
    let change = match after.captured() {
        // Its plan is the one before: nothing is to be read out of it.
        Captured::AsBefore(_) => Change::None,
        _ => Change::between(before, after),
    };
    match (before.captured(), after.captured()) {
        (Captured::Failed { message, .. }, Captured::Failed { .. }) => {
            Comparison::without_numbers(Verdict::Unchanged, Some(format!("failed before the run already: {message}")))
        }
        (Captured::Failed { message, .. }, _) => {
            Comparison::without_numbers(Verdict::Improved, Some(format!("works now, failed before the run: {message}")))
        }
        (_, Captured::Failed { sqlstate, message }) => {
            let verdict = if is_circumstance(sqlstate) { Verdict::Unstable } else { Verdict::Broken };
            Comparison::without_numbers(verdict, Some(message.clone()))
        }
        (_, Captured::AsBefore(_)) => Comparison {
            confidence: PlanConfidence::Planned,
            factor: Some(1.0),
            ..Comparison::without_numbers(Verdict::Unchanged, None)
        },
        (Captured::Measured(old, was), Captured::Measured(_, now)) => {
            by_work(*was, *now, growth.factor(old), change, thresholds)
        }
        (Captured::Measured(old, _), Captured::DidNotFinish(new)) => {
            let cost = cost(old, new, growth, thresholds);
            if change != Change::None || cost.worse {
                let comparison = Comparison::without_numbers(Verdict::DidNotFinish, None);
                Comparison { factor: None, growth: cost.growth, ..comparison }
            } else {
                let note = "cut off by the time limit under the same plan and cost as before";
                Comparison::without_numbers(Verdict::Unstable, Some(note.to_owned()))
            }
        }
        (Captured::DidNotFinish(old), Captured::Measured(new, _)) => {
            let cost = cost(old, new, growth, thresholds);
            if change != Change::None || cost.better {
                let note = "finishes now, was cut off by the time limit before the run";
                Comparison::without_numbers(Verdict::Improved, Some(note.to_owned()))
            } else {
                let note = "was cut off by the time limit before the run under the same plan and cost";
                Comparison::without_numbers(Verdict::Unstable, Some(note.to_owned()))
            }
        }
        (
            Captured::Planned(old) | Captured::Measured(old, _) | Captured::AsBefore(old) | Captured::DidNotFinish(old),
            Captured::Planned(new) | Captured::Measured(new, _) | Captured::DidNotFinish(new),
        ) => by_plan(cost(old, new, growth, thresholds), change),
    }
}

fn by_work(was: Work, now: Work, growth: f64, change: Change, thresholds: &Thresholds) -> Comparison {
    let (before, after) = (was.amount() as f64, now.amount() as f64);
    let expected = before * growth;
    let temp = |now: u64, was: u64| {
        let (now, was) = (now as f64, was as f64);
        now >= thresholds.temp_ratio * was && now - was >= thresholds.temp_floor as f64
    };
    let (floor, a_minute) = thresholds.floors(now.unit());
    let more = |now: f64, was: f64| {
        let often = (now - was) * thresholds.weight >= a_minute;
        now >= thresholds.work_ratio * was && (now - was >= floor || often)
    };
    let temp_before = (was.temp_blocks as f64 * growth) as u64;
    let worse = more(after, expected) || temp(now.temp_blocks, temp_before);
    let better = more(before, after) || temp(was.temp_blocks, now.temp_blocks);
    let factor = after / expected.max(1.0);
    let explained = growth > 1.0 + thresholds.tolerance
        && after > before * 1.1
        && (more(after, before) || (factor - 1.0).abs() <= 0.1);
    let verdict = match (worse, change) {
        (true, Change::None) => Verdict::SlowerSamePlan,
        (true, _) => Verdict::Regressed,
        _ if better => Verdict::Improved,
        (_, Change::Access | Change::Shape) => Verdict::PlanChanged,
        _ if explained => Verdict::GrewWithTable,
        _ => Verdict::Unchanged,
    };
    Comparison { verdict, confidence: PlanConfidence::Measured, factor: Some(factor), growth, lasts: None, note: None }
}

fn by_plan(cost: Cost, change: Change) -> Comparison {
    let verdict = match change {
        Change::None => Verdict::Unchanged,
        Change::Access if cost.worse => Verdict::Regressed,
        _ if cost.better => Verdict::Improved,
        _ => Verdict::PlanChanged,
    };
    Comparison {
        verdict,
        confidence: PlanConfidence::Planned,
        factor: Some(cost.factor),
        growth: cost.growth,
        lasts: None,
        note: None,
    }
}

struct Cost {
    factor: f64,
    growth: f64,
    worse: bool,
    better: bool,
}

fn cost(old: &QueryPlan, new: &QueryPlan, growth: &SizeGrowth, thresholds: &Thresholds) -> Cost {
    let growth = growth.factor(old);
    let (before, after) = (old.root.total_cost(), new.root.total_cost());
    let expected = before * growth;
    let exceeds = |now: f64, was: f64| now >= thresholds.cost_ratio * was && now - was >= thresholds.cost_floor;
    Cost {
        factor: after / expected.max(f64::MIN_POSITIVE),
        growth,
        worse: exceeds(after, expected),
        better: exceeds(before, after),
    }
}

/// How far two plans differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Shape,
    Access,
}

impl Change {
    fn between(before: Seen<'_>, after: Seen<'_>) -> Self {
        // Twice in the same state: mostly the same to the last number.
        if std::ptr::eq(before.names, after.names) && before.captured().plan() == after.captured().plan() {
            return Self::None;
        }
        let same = |part: fn(&Fingerprints) -> &String| match (before.fingerprints(), after.fingerprints()) {
            (Some(old), Some(new)) => part(&old) == part(&new),
            _ => true,
        };
        if !same(|fingerprints| &fingerprints.access) {
            Change::Access
        } else if !same(|fingerprints| &fingerprints.shape) {
            Change::Shape
        } else {
            Change::None
        }
    }
}

/// Whether two captures of the same state agree: same plan, and work within what parallel plans differ by.
pub(super) fn steady(before: Seen<'_>, again: Seen<'_>, thresholds: &Thresholds) -> bool {
    let close = match (before.captured(), again.captured()) {
        (Captured::Measured(_, one), Captured::Measured(_, other)) => {
            let near = |one: u64, other: u64| {
                one.abs_diff(other) as f64 <= (one.max(other) as f64 * thresholds.tolerance).max(1.0)
            };
            near(one.amount(), other.amount()) && near(one.temp_blocks, other.temp_blocks)
        }
        (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
    };
    close && Change::between(before, again) == Change::None
}

/// Errors that say something about the server or the session, not about the query.
fn is_circumstance(sqlstate: &str) -> bool {
    let class = sqlstate.get(..2).unwrap_or_default();
    // 2F003 and HV: a foreign table that no copy reaches. Of class 55, what others hold: a materialized view that has never
    // been filled is the migration's doing.
    matches!(class, "" | "08" | "40" | "53" | "57" | "58" | "HV" | "XX")
        || matches!(sqlstate, "2F003" | "55006" | "55P03")
}
