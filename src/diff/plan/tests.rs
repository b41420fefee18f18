use super::verdict::{Lasts, PlanConfidence};
use super::*;
use crate::snapshot::plan::{PlanMode, QueryPlan, RelationName, Work};

const INDEX: &str = include_str!("../../../tests/plans/15/index_scan.json");
const SEQ: &str = include_str!("../../../tests/plans/15/seq_scan.json");
const HASH: &str = include_str!("../../../tests/plans/15/hash_join.json");
const UPDATE: &str = include_str!("../../../tests/plans/15/write_update.json");

fn plan(text: &str) -> QueryPlan {
    QueryPlan::from_explain_json(text).expect("a plan")
}

fn capture(captured: Captured) -> PlanCapture {
    let key = PlanKey { query: "q".to_owned(), parameter_set: String::new(), mode: PlanMode::Custom };
    PlanCapture { key, captured }
}

/// The plan as it was measured, with other work.
fn measured(text: &str, buffers: u64, temp_blocks: u64) -> PlanCapture {
    capture(Captured::Measured(plan(text), Work::blocks(buffers, temp_blocks)))
}

fn planned(text: &str, cost: f64) -> PlanCapture {
    let mut plan = plan(text);
    std::sync::Arc::make_mut(&mut plan.root).fields.insert("Total Cost".into(), cost.into());
    capture(Captured::Planned(plan))
}

fn cut_off(text: &str, cost: f64) -> PlanCapture {
    match planned(text, cost).captured {
        Captured::Planned(plan) => capture(Captured::DidNotFinish(plan)),
        other => capture(other),
    }
}

fn refused(sqlstate: &str) -> PlanCapture {
    capture(Captured::Failed { sqlstate: sqlstate.to_owned(), message: "no such thing".to_owned() })
}

struct Case {
    before: PlanCapture,
    again: Option<PlanCapture>,
    right_after: Option<PlanCapture>,
    settled: Option<PlanCapture>,
    vacuumed: Option<PlanCapture>,
    samples: (Vec<PlanCapture>, Vec<PlanCapture>),
    growth: SizeGrowth,
    doubt: Option<&'static str>,
    drawn: bool,
    thresholds: Thresholds,
}

impl Case {
    fn new(before: PlanCapture, settled: PlanCapture) -> Self {
        let growth = SizeGrowth::default();
        Self {
            before,
            again: None,
            right_after: None,
            settled: Some(settled),
            vacuumed: None,
            samples: (Vec::new(), Vec::new()),
            growth,
            doubt: None,
            drawn: false,
            thresholds: Thresholds::default(),
        }
    }

    fn grown(mut self, blocks_before: u64, blocks_after: u64) -> Self {
        self.growth.set(RelationName::new("public", "orders"), blocks_before, blocks_after);
        self
    }

    fn judged(&self) -> PlanVerdict {
        let names = Names::default();
        let seen = |capture| Seen::new(capture, &names);
        let evidence = Evidence {
            before: seen(&self.before),
            again: self.again.as_ref().map(seen),
            right_after: self.right_after.as_ref().map(seen),
            settled: self.settled.as_ref().map(seen),
            vacuumed: self.vacuumed.as_ref().map(seen),
            samples: Samples {
                before: &self.samples.0.iter().map(seen).collect::<Vec<_>>(),
                after: &self.samples.1.iter().map(seen).collect::<Vec<_>>(),
            },
            growth: &self.growth,
            doubt: self.doubt,
            predicts: None,
            drawn: self.drawn,
        };
        judge(&evidence, &self.thresholds).expect("a capture after")
    }

    fn verdict(&self) -> Verdict {
        self.judged().verdict
    }
}

#[test]
fn the_same_plan_and_work_is_unchanged() {
    let judged = Case::new(measured(INDEX, 500, 0), measured(INDEX, 500, 0)).judged();
    assert_eq!((judged.verdict, judged.confidence), (Verdict::Unchanged, PlanConfidence::Measured));
    assert_eq!(judged.factor, Some(1.0));
}

#[test]
fn another_plan_with_half_as_much_again_is_a_regression_and_less_is_not() {
    assert_eq!(Case::new(measured(INDEX, 200, 0), measured(SEQ, 300, 0)).verdict(), Verdict::Regressed);
    assert_eq!(Case::new(measured(INDEX, 200, 0), measured(SEQ, 299, 0)).verdict(), Verdict::PlanChanged);
    // Ten times as much, and still a trifle.
    assert_eq!(Case::new(measured(INDEX, 10, 0), measured(SEQ, 109, 0)).verdict(), Verdict::PlanChanged);
    assert_eq!(Case::new(measured(SEQ, 3000, 0), measured(INDEX, 13, 0)).verdict(), Verdict::Improved);
}

#[test]
fn more_work_under_the_same_plan_is_its_own_class() {
    assert_eq!(Case::new(measured(INDEX, 200, 0), measured(INDEX, 400, 0)).verdict(), Verdict::SlowerSamePlan);
}

#[test]
fn a_sort_that_begins_to_spill_is_a_regression_of_the_same_plan() {
    assert_eq!(Case::new(measured(INDEX, 50, 0), measured(INDEX, 50, 128)).verdict(), Verdict::SlowerSamePlan);
    assert_eq!(Case::new(measured(INDEX, 50, 0), measured(INDEX, 50, 127)).verdict(), Verdict::Unchanged);
    assert_eq!(Case::new(measured(INDEX, 50, 200), measured(SEQ, 50, 400)).verdict(), Verdict::Regressed);
}

#[test]
fn work_that_grows_with_its_table_is_no_regression() {
    let grown = Case::new(measured(SEQ, 1000, 0), measured(SEQ, 3000, 0)).grown(1000, 3000);
    assert_eq!(grown.verdict(), Verdict::GrewWithTable);
    let beyond = Case::new(measured(SEQ, 1000, 0), measured(SEQ, 6000, 0)).grown(1000, 3000);
    assert_eq!(beyond.verdict(), Verdict::SlowerSamePlan);
    assert!((beyond.judged().factor.expect("a factor") - 2.0).abs() < 0.01);
}

#[test]
fn worse_at_once_and_well_once_settled_is_transient() {
    let mut case = Case::new(measured(INDEX, 64, 0), measured(INDEX, 64, 0));
    case.right_after = Some(measured(SEQ, 17_617, 0));
    let judged = case.judged();
    assert_eq!(judged.verdict, Verdict::Transient);
    assert!(judged.factor.expect("a factor") > 200.0);
    case.settled = None;
    assert_eq!(case.verdict(), Verdict::Regressed);
}

#[test]
fn writes_are_judged_by_plan_and_cost_together() {
    let other = UPDATE.replace("Index Scan", "Seq Scan");
    let judged = Case::new(planned(UPDATE, 8.0), planned(&other, 5000.0)).judged();
    assert_eq!((judged.verdict, judged.confidence), (Verdict::Regressed, PlanConfidence::Planned));
    assert_eq!(Case::new(planned(UPDATE, 8.0), planned(UPDATE, 5000.0)).verdict(), Verdict::Unchanged);
    assert_eq!(Case::new(planned(UPDATE, 8.0), planned(&other, 20.0)).verdict(), Verdict::PlanChanged);
}

#[test]
fn a_read_is_never_judged_by_cost() {
    let dear = |text: &str| {
        let mut plan = plan(text);
        std::sync::Arc::make_mut(&mut plan.root).fields.insert("Total Cost".into(), 1e9.into());
        capture(Captured::Measured(plan, Work::blocks(200, 0)))
    };
    assert_eq!(Case::new(measured(INDEX, 200, 0), dear(INDEX)).verdict(), Verdict::Unchanged);
    assert_eq!(Case::new(measured(INDEX, 200, 0), dear(SEQ)).verdict(), Verdict::PlanChanged);
}

#[test]
fn a_refused_query_is_broken_only_if_it_worked_before() {
    assert_eq!(Case::new(measured(INDEX, 5, 0), refused("42703")).verdict(), Verdict::Broken);
    let both = Case::new(refused("42P01"), refused("42P01")).judged();
    assert_eq!((both.verdict, both.failed_before), (Verdict::Unchanged, true));
    assert_eq!(both.note.as_deref(), Some("failed before the run already: no such thing"));
    assert_eq!(Case::new(refused("42P01"), measured(INDEX, 5, 0)).verdict(), Verdict::Improved);
    // A full disk or a broken connection is not the migration's doing.
    assert_eq!(Case::new(measured(INDEX, 5, 0), refused("53100")).verdict(), Verdict::Unstable);
    assert_eq!(Case::new(measured(INDEX, 5, 0), refused("")).verdict(), Verdict::Unstable);
}

#[test]
fn a_run_cut_off_counts_only_under_a_worse_plan() {
    assert_eq!(Case::new(measured(INDEX, 5, 0), cut_off(SEQ, 50.0)).verdict(), Verdict::DidNotFinish);
    assert_eq!(Case::new(measured(INDEX, 5, 0), cut_off(INDEX, 1e6)).verdict(), Verdict::DidNotFinish);
    assert_eq!(Case::new(measured(INDEX, 5, 0), cut_off(INDEX, 42.0)).verdict(), Verdict::Unstable);
    assert_eq!(Case::new(cut_off(SEQ, 9.0), cut_off(SEQ, 9.0)).verdict(), Verdict::Unchanged);
    assert_eq!(Case::new(cut_off(INDEX, 9.0), cut_off(SEQ, 900.0)).verdict(), Verdict::Regressed);
    assert_eq!(Case::new(cut_off(SEQ, 900.0), measured(INDEX, 5, 0)).verdict(), Verdict::Improved);
}

#[test]
fn a_query_that_differs_from_itself_is_unstable_unless_worse_than_its_worst() {
    let mut case = Case::new(measured(INDEX, 100, 0), measured(SEQ, 1000, 0));
    case.again = Some(measured(SEQ, 1000, 0));
    assert_eq!(case.verdict(), Verdict::Unstable);
    case.settled = Some(measured(SEQ, 9000, 0));
    assert_eq!(case.verdict(), Verdict::Regressed);
}

#[test]
fn a_missed_budget_needs_no_before_and_yields_to_graver_verdicts() {
    let miss = || vec![gate::Missed::MaxBuffers { limit: 400, buffers: 500 }];
    let kept = Case::new(measured(INDEX, 500, 0), measured(INDEX, 500, 0)).judged().with_budget(Vec::new(), true);
    assert_eq!(kept.verdict, Verdict::Unchanged);
    let missed = Case::new(measured(INDEX, 500, 0), measured(INDEX, 500, 0)).judged().with_budget(miss(), true);
    assert_eq!((missed.verdict, missed.missed_before), (Verdict::OverBudget, true));
    let worse = Case::new(measured(INDEX, 50, 0), measured(SEQ, 5000, 0)).judged().with_budget(miss(), false);
    assert_eq!((worse.verdict, worse.missed), (Verdict::Regressed, miss()));
}

#[test]
fn a_trifle_counts_where_it_is_called_often_enough() {
    let mut case = Case::new(measured(INDEX, 10, 0), measured(SEQ, 60, 0));
    case.thresholds.weight = 19_999.0;
    assert_eq!(case.verdict(), Verdict::PlanChanged);
    case.thresholds.weight = 20_000.0;
    assert_eq!(case.verdict(), Verdict::Regressed);
}

#[test]
fn what_was_not_run_again_is_unchanged_and_only_planned() {
    let judged = Case::new(measured(INDEX, 500, 0), capture(Captured::AsBefore(plan(INDEX)))).judged();
    assert_eq!((judged.verdict, judged.confidence), (Verdict::Unchanged, PlanConfidence::Planned));
}

#[test]
fn a_worse_state_lasts_until_what_ends_it() {
    let mut case = Case::new(measured(INDEX, 50, 0), measured(INDEX, 50, 0));
    case.right_after = Some(measured(SEQ, 5000, 0));
    let judged = case.judged();
    assert_eq!((judged.verdict, judged.lasts), (Verdict::Transient, Some(Lasts::UntilVacuum)));
    case.vacuumed = Some(measured(INDEX, 50, 0));
    assert_eq!(case.judged().lasts, Some(Lasts::UntilVacuum));
    case.vacuumed = Some(measured(SEQ, 5000, 0));
    assert_eq!(case.judged().lasts, Some(Lasts::UntilAnalyze));
    case.settled = case.right_after.clone();
    let judged = case.judged();
    assert_eq!((judged.verdict, judged.lasts), (Verdict::Regressed, None));
}

#[test]
fn a_plan_that_fresh_samples_alone_give_is_no_regression() {
    let mut case = Case::new(measured(INDEX, 50, 0), measured(SEQ, 5000, 0));
    case.samples.0 = vec![planned(INDEX, 9.0), planned(INDEX, 9.0)];
    assert_eq!(case.verdict(), Verdict::Regressed);
    // Another plan, but not as bad.
    case.samples.0.push(measured(SEQ, 3000, 0));
    assert_eq!(case.verdict(), Verdict::Regressed);
    // As bad once in a while decides nothing.
    case.samples.0 = vec![planned(INDEX, 9.0), planned(INDEX, 9.0), measured(SEQ, 4900, 0)];
    assert_eq!(case.verdict(), Verdict::Regressed);
    case.samples.0[0] = measured(SEQ, 4900, 0);
    let judged = case.judged();
    assert_eq!(judged.verdict, Verdict::Unstable);
    assert!(judged.note.is_some_and(|note| note.contains("2 of 3 fresh samples")));
}

#[test]
fn a_plan_that_is_good_by_this_sample_alone_is_unstable() {
    let mut case = Case::new(measured(INDEX, 50, 0), measured(HASH, 60, 0));
    case.samples.1 = vec![planned(HASH, 9.0), measured(SEQ, 60, 0)];
    assert_eq!(case.verdict(), Verdict::PlanChanged);
    case.samples.1 = vec![planned(HASH, 9.0); 2];
    case.samples.1.push(measured(SEQ, 5000, 0));
    assert_eq!(case.verdict(), Verdict::PlanChanged);
    case.samples.1.extend([measured(SEQ, 5000, 0), planned(HASH, 9.0)]);
    assert_eq!(case.verdict(), Verdict::Unstable);
    // The same was to be had without the run.
    case.samples.0 = vec![measured(SEQ, 5000, 0)];
    assert_eq!(case.verdict(), Verdict::PlanChanged);
    // Not by this one alone: all of them agree.
    case.samples = (Vec::new(), vec![measured(SEQ, 5000, 0), measured(SEQ, 5000, 0)]);
    let judged = case.judged();
    assert_eq!((judged.verdict, judged.factor), (Verdict::Regressed, Some(100.0)));
}

#[test]
fn what_every_fresh_sample_mends_lasts_until_analyze() {
    let mut case = Case::new(measured(INDEX, 50, 0), measured(INDEX, 5000, 0));
    case.samples.1 = vec![measured(HASH, 60, 0), measured(INDEX, 5000, 0)];
    assert_eq!(case.verdict(), Verdict::SlowerSamePlan);
    case.samples.1.remove(1);
    let judged = case.judged();
    assert_eq!((judged.verdict, judged.lasts), (Verdict::Transient, Some(Lasts::UntilAnalyze)));
    case.samples.1[0] = measured(HASH, 5000, 0);
    assert_eq!(case.verdict(), Verdict::Regressed);
}

#[test]
fn doubt_lowers_the_confidence_and_says_why() {
    let mut case = Case::new(measured(INDEX, 50, 0), measured(SEQ, 5000, 0));
    case.doubt = Some("a busy machine");
    let judged = case.judged();
    assert_eq!((judged.verdict, judged.confidence), (Verdict::Regressed, PlanConfidence::Planned));
    assert_eq!(judged.note.as_deref(), Some("a busy machine"));
}

#[test]
fn the_identity_of_every_real_plan_is_unchanged() {
    for text in [INDEX, SEQ, HASH, include_str!("../../../tests/plans/18/subplans.json")] {
        let real = capture(Captured::Measured(plan(text), plan(text).work().expect("measured")));
        assert_eq!(Case::new(real.clone(), real).verdict(), Verdict::Unchanged);
    }
}

fn snapshot(plans: Vec<PlanCapture>) -> Snapshot {
    Snapshot { catalog: Default::default(), sizes: BTreeMap::new(), plans }
}

fn compared(before: &Snapshot, right_after: Option<&Snapshot>, settled: Option<&Snapshot>) -> Vec<PlanDiff> {
    let moments = Moments { right_after, settled, ..Moments::between(before, before) };
    compare_plans(moments, &[], &Thresholds::default(), Values::Redacted, |_| Doubt::default())
}

#[test]
fn snapshots_are_compared_by_key_and_a_transient_shows_the_bad_moment() {
    let other = |mut capture: PlanCapture, query: &str| {
        query.clone_into(&mut capture.key.query);
        capture
    };
    let before = snapshot(vec![measured(INDEX, 64, 0), other(measured(SEQ, 9, 0), "steady")]);
    let right_after = snapshot(vec![other(measured(SEQ, 9, 0), "steady"), measured(SEQ, 6400, 0)]);
    let diffs = compared(&before, Some(&right_after), Some(&before));
    let verdicts: Vec<_> = diffs.iter().map(|diff| (diff.key.query.as_str(), diff.verdict.verdict)).collect();
    assert_eq!(verdicts, [("q", Verdict::Transient), ("steady", Verdict::Unchanged)]);
    assert!(diffs[0].text.contains("64 blocks became 6,400 (100×)"), "{}", diffs[0].text);
    assert_eq!(diffs[0].objects, ["public.orders_customer_id_idx"]);
    assert_eq!((diffs[1].text.as_str(), diffs[1].objects.len()), ("", 0));
    assert_eq!(diffs[0].before.fingerprints, diffs[0].settled.as_ref().expect("settled").fingerprints);
    // A run that broke off before anything was captured has nothing to compare.
    assert!(compared(&before, None, None).is_empty());
}

fn rendered(before: &str, after: &str, values: Values) -> String {
    let real = |text| {
        let plan = plan(text);
        let work = plan.work();
        capture(work.map_or(Captured::Planned(plan.clone()), |work| Captured::Measured(plan, work)))
    };
    let names = Names::default();
    let (before, after) = (real(before), real(after));
    render::render_diff(Seen::new(&before, &names), Seen::new(&after, &names), values)
}

#[test]
fn a_name_that_sql_would_quote_is_quoted_in_sentence_and_tree() {
    let odd = INDEX.replace("orders_customer_id_idx", "orders by customer");
    let text = rendered(&odd, SEQ, Values::Redacted);
    assert_eq!(text.matches(r#"using "orders by customer""#).count(), 2, "{text}");
}

#[test]
fn a_lost_index_reads_as_one_sentence_and_both_scans() {
    insta::assert_snapshot!(rendered(INDEX, SEQ, Values::Redacted), @r"
    public.orders: Bitmap Heap Scan using orders_customer_id_idx became Seq Scan; 12 blocks became 2,858 (238×)
    - Bitmap Heap Scan using orders_customer_id_idx on public.orders o
    -   Index Cond: (o.customer_id = ?)
    -   Filter: (o.status <> ?::text)
    + Seq Scan on public.orders o  rows=10  blocks=12 → 2,858
    +   Filter: ((o.status <> ?::text) AND (o.customer_id = ?))
    ");
}

#[test]
fn unchanged_subtrees_are_folded() {
    let after = HASH.replace("\"Hash Join\"", "\"Merge Join\"");
    insta::assert_snapshot!(rendered(HASH, &after, Values::Redacted), @r"
    Hash Join over public.orders and public.customers became Merge Join, tables reached as before; 3,005 blocks as before
      GroupAggregate  rows=1  blocks=3,005
    -   Hash Join
    +   Merge Join  rows=50,000  blocks=3,005
          Seq Scan on public.orders o  rows=200,000  blocks=2,858
          Seq Scan on public.customers c  rows=5,000  blocks=147
    ");
    insta::assert_snapshot!(rendered(HASH, HASH, Values::Redacted), @r"
    Same plan; 3,005 blocks as before
      GroupAggregate  rows=1  blocks=3,005  … 3 nodes below unchanged
    ");
}

#[test]
fn cause_duration_and_remedy_are_told_later_in_the_same_sentence() {
    let before = snapshot(vec![measured(INDEX, 64, 0)]);
    let mut diffs = compared(&before, Some(&snapshot(vec![measured(SEQ, 6400, 0)])), None);
    let tree = diffs[0].text.split_once('\n').expect("a tree").1.to_owned();
    let story = Story {
        cause: Some("migrations/3_x.sql:1 (drops public.orders_customer_id_idx)".to_owned()),
        lasts: Some(Lasts::UntilVacuum),
        mend: vec!["VACUUM public.orders;".to_owned()],
    };
    diffs[0].tell(&story);
    let (sentence, same_tree) = diffs[0].text.split_once('\n').expect("a tree");
    insta::assert_snapshot!(sentence, @"public.orders: Bitmap Heap Scan using orders_customer_id_idx became Seq Scan; 64 blocks became 6,400 (100×); since migrations/3_x.sql:1 (drops public.orders_customer_id_idx); until VACUUM: add `VACUUM public.orders;` after the migration.");
    assert_eq!(same_tree, tree);
    let mut unchanged = compared(&before, Some(&before), None);
    unchanged[0].tell(&story);
    assert_eq!(unchanged[0].text, "");
}

#[test]
fn values_are_shown_only_when_asked_for() {
    assert!(!rendered(INDEX, SEQ, Values::Redacted).contains("777"));
    assert!(rendered(INDEX, SEQ, Values::Shown).contains("777"));
}

#[test]
fn the_objects_of_a_change_are_the_indexes_that_differ_else_the_tables() {
    let names = Names::default();
    let objects = |before: &PlanCapture, after: &PlanCapture| {
        changed_objects(Seen::new(before, &names), Seen::new(after, &names))
    };
    let (index, seq) = (measured(INDEX, 1, 0), measured(SEQ, 1, 0));
    assert_eq!(objects(&index, &seq), ["public.orders_customer_id_idx"]);
    assert!(objects(&seq, &seq).is_empty());
    let filtered = measured(&SEQ.replace("o.customer_id = 777", "o.customer_id > 777"), 1, 0);
    assert_eq!(objects(&seq, &filtered), ["public.orders"]);
}

#[test]
fn the_statement_after_which_the_plan_is_another_one_is_its_cause() {
    let names = Names::default();
    let (index, seq, gone) = (measured(INDEX, 1, 0), measured(SEQ, 1, 0), refused("42703"));
    let seen = |capture| Seen::new(capture, &names);
    let stages = [(1, seen(&index)), (2, seen(&seq)), (3, seen(&seq)), (4, seen(&gone))];
    assert_eq!(causing_statements(seen(&index), &stages), [2, 4]);
    // Renamed, and found again under the old name: only what came after is to blame.
    let back = [(1, seen(&gone)), (2, seen(&gone)), (3, seen(&index)), (4, seen(&seq))];
    assert_eq!(causing_statements(seen(&index), &back), [4]);
    let otherwise = [(1, seen(&gone)), (2, seen(&seq)), (3, seen(&gone)), (4, seen(&gone))];
    assert_eq!(causing_statements(seen(&index), &otherwise), [1, 2, 3]);
    assert_eq!(causing_statements(seen(&gone), &[(1, seen(&gone)), (2, seen(&seq))]), [2]);
}

#[test]
fn budgets_are_for_given_values_and_for_any_not_for_drawn_ones() {
    let of = |set: &str, mode| PlanCapture {
        key: PlanKey { query: "q".to_owned(), parameter_set: set.to_owned(), mode },
        ..measured(INDEX, 500, 0)
    };
    let plans = || vec![of("set", PlanMode::Custom), of("", PlanMode::Generic)];
    let (before, after) = (snapshot(plans()), snapshot(plans()));
    let missed = |drawn: bool| {
        let set = crate::workload::ParameterSet { name: "set".to_owned(), values: vec!["1".to_owned()], drawn };
        let gates = crate::workload::Gates { max_buffers: Some(400), ..Default::default() };
        let query = HotQuery { sets: vec![set], gates, ..HotQuery::bare("q", "SELECT $1") };
        let moments = Moments::between(&before, &after);
        let diffs = compare_plans(moments, &[query], &Thresholds::default(), Values::Redacted, |_| Doubt::default());
        diffs.iter().map(|diff| diff.verdict.missed.len()).collect::<Vec<_>>()
    };
    assert_eq!(missed(false), [1, 1]);
    assert_eq!(missed(true), [0, 1]);
}

#[test]
fn a_made_up_value_that_no_longer_fits_its_type_breaks_nothing() {
    let mut case = Case::new(measured(INDEX, 50, 0), refused("22P02"));
    assert_eq!(case.verdict(), Verdict::Broken);
    case.drawn = true;
    assert_eq!(case.verdict(), Verdict::PlanChanged);
    // Whatever is asked for, there is a division by zero now, or no such column.
    for broken in ["22012", "42703"] {
        case.settled = Some(refused(broken));
        assert_eq!(case.verdict(), Verdict::Broken, "{broken}");
    }
}

#[test]
fn the_generic_plan_is_run_with_the_first_set_and_excused_with_it() {
    let of = |set: &str, mode, capture: PlanCapture| PlanCapture {
        key: PlanKey { query: "q".to_owned(), parameter_set: set.to_owned(), mode },
        ..capture
    };
    let plans = |capture: &PlanCapture| {
        snapshot(vec![of("set", PlanMode::Custom, capture.clone()), of("", PlanMode::Generic, capture.clone())])
    };
    let (before, after) = (plans(&measured(INDEX, 500, 0)), plans(&refused("22P02")));
    let verdicts = |drawn: bool| {
        let set = crate::workload::ParameterSet { name: "set".to_owned(), values: vec!["x".to_owned()], drawn };
        let query = HotQuery { sets: vec![set], ..HotQuery::bare("q", "SELECT $1") };
        let moments = Moments::between(&before, &after);
        let diffs = compare_plans(moments, &[query], &Thresholds::default(), Values::Redacted, |_| Doubt::default());
        diffs.iter().map(|diff| diff.verdict.verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(false), [Verdict::Broken, Verdict::Broken]);
    assert_eq!(verdicts(true), [Verdict::PlanChanged, Verdict::PlanChanged]);
}

#[test]
fn a_materialized_view_that_nobody_fills_breaks_its_readers_and_a_lock_in_the_way_does_not() {
    assert_eq!(Case::new(measured(INDEX, 50, 0), refused("55000")).verdict(), Verdict::Broken);
    assert_eq!(Case::new(measured(INDEX, 50, 0), refused("55P03")).verdict(), Verdict::Unstable);
}

#[test]
fn what_misses_its_budget_does_not_pass_with_vacuum() {
    let mut case = Case::new(measured(INDEX, 50, 0), measured(INDEX, 50, 0));
    case.right_after = Some(measured(SEQ, 3000, 0));
    let judged = case.judged();
    assert_eq!((judged.verdict, judged.lasts.is_some()), (Verdict::Transient, true));
    let missed = vec![gate::Missed::MaxBuffers { limit: 40, buffers: 50 }];
    let judged = judged.with_budget(missed, true);
    assert_eq!((judged.verdict, judged.lasts), (Verdict::OverBudget, None));
}

#[test]
fn a_query_that_rolls_dice_is_unchanged_where_nothing_was_done_to_it() {
    let mut case = Case::new(measured(INDEX, 500, 0), capture(Captured::AsBefore(plan(INDEX))));
    case.again = Some(measured(INDEX, 900, 0));
    assert_eq!(case.verdict(), Verdict::Unchanged);
    case.settled = Some(measured(INDEX, 510, 0));
    assert_eq!(case.verdict(), Verdict::Unstable);
}
