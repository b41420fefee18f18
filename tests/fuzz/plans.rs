//! EXPLAIN's answers, and what is said of two of them.

use crate::corpus;
use crate::json::{Trees, written};
use crate::random::Random;
use crate::run::fuzz;
use seatrial::diff::plan::Seen;
use seatrial::diff::plan::fingerprint::{Fingerprints, access_by_alias};
use seatrial::diff::plan::names::Names;
use seatrial::diff::plan::picture::{self, Change};
use seatrial::diff::plan::render::{Values, parts, render_diff};
use seatrial::report::visible::is_unprintable;
use seatrial::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode, QueryPlan, sqlite};
use seatrial::snapshot::sqlite::Schema;
use seatrial::workload::draw::binding::bindings;
use serde_json::Value;

fn capture(plan: &QueryPlan) -> PlanCapture {
    let key = PlanKey { query: "q".to_owned(), parameter_set: String::new(), mode: PlanMode::Custom };
    let captured = match plan.work() {
        Some(work) => Captured::Measured(plan.clone(), work),
        None => Captured::Planned(plan.clone()),
    };
    PlanCapture { key, captured }
}

fn diff(before: &QueryPlan, after: &QueryPlan, values: Values) -> String {
    let names = Names::default();
    let (before, after) = (capture(before), capture(after));
    let text = render_diff(Seen::new(&before, &names), Seen::new(&after, &names), values);
    assert_eq!(text.chars().find(|each| *each != '\n' && is_unprintable(*each)), None, "a control in a diff");
    text
}

/// What holds of one plan, whoever made it.
fn alone(plan: &QueryPlan) {
    let names = Names::default();
    assert_eq!(Fingerprints::of(plan, &names), Fingerprints::of(&plan.clone(), &names));
    let redacted = plan.redacted();
    assert_eq!(redacted.redacted(), redacted, "redacted twice");
    assert_eq!(redacted.nodes().len(), plan.nodes().len());
    let _ = (access_by_alias(plan, &names), bindings(plan), plan.indexes(), plan.relations(), plan.work());
    let nodes = picture::nodes(plan);
    assert!(nodes.len() <= plan.nodes().len());
    let pairs = picture::side_by_side(plan, plan);
    for pair in &pairs {
        assert_eq!((pair.change, pair.note.as_str()), (Change::Unchanged, ""), "beside itself: {pair:?}");
    }
    let text = diff(plan, plan, Values::Shown);
    let (_, tree) = parts(&text);
    assert!(tree.lines().all(|line| !line.starts_with(['-', '+', '~'])), "beside itself:\n{tree}");
}

/// A text is two answers of EXPLAIN, one on each line, or lines of SQLite's, `id|parent|detail`, behind the query.
fn explained(text: &str) {
    if let Some(lines) = text.strip_prefix("sqlite\n") {
        let (sql, lines) = lines.split_once('\n').unwrap_or((lines, ""));
        let line = |(id, line): (usize, &str)| {
            let (parent, detail) = line.split_once('|').unwrap_or(("0", line));
            sqlite::Line { id: id as i64 + 1, parent: parent.parse().unwrap_or_default(), detail: detail.to_owned() }
        };
        let lines: Vec<sqlite::Line> = lines.lines().enumerate().map(line).collect();
        let plan = sqlite::plan(&lines, sql, &Schema::default());
        alone(&plan);
        let again = QueryPlan::from_explain_json(&plan.to_json().to_string()).expect("its own JSON");
        diff(&plan, &again, Values::Shown);
        return;
    }
    let (before, after) = text.split_once('\n').unwrap_or((text, ""));
    let plans = [before, after].map(QueryPlan::from_explain_json);
    for plan in plans.iter().flatten() {
        alone(plan);
        let again = QueryPlan::from_explain_json(&plan.to_json().to_string()).expect("its own JSON");
        assert_eq!(&again, plan, "written and read");
    }
    if let [Ok(before), Ok(after)] = &plans {
        let pairs = picture::side_by_side(before, after);
        let of = |side: fn(&picture::Pair) -> bool| pairs.iter().filter(|pair| side(pair)).count();
        assert_eq!(of(|pair| pair.before.is_some()), picture::nodes(before).len(), "each node once");
        assert_eq!(of(|pair| pair.after.is_some()), picture::nodes(after).len(), "each node once");
        diff(before, after, Values::Shown);
        diff(after, before, Values::Redacted);
    }
}

const DETAILS: [&str; 12] = [
    "SCAN t",
    "SEARCH t USING INDEX i (a=? AND b>?)",
    "SEARCH u USING INTEGER PRIMARY KEY (rowid=?)",
    "SCAN t USING COVERING INDEX i",
    "CO-ROUTINE x",
    "MATERIALIZE v",
    "COMPOUND QUERY",
    "LEFT-MOST SUBQUERY",
    "UNION USING TEMP B-TREE",
    "USE TEMP B-TREE FOR ORDER BY",
    "SEARCH t USING AUTOMATIC PARTIAL COVERING INDEX (x=?)",
    "SCALAR SUBQUERY 1",
];

fn made(trees: &Trees, random: &mut Random) -> String {
    if random.once_in(5) {
        let mut text = "sqlite\nSELECT * FROM t JOIN u AS x ON t.a = x.b WHERE a = $1\n".to_owned();
        for line in 0..random.below(9) {
            let detail = random.pick(&DETAILS);
            let most = if random.once_in(4) { detail.len() } else { 1 };
            let cut = random.below(most);
            let hostile = if random.once_in(6) { *random.pick(crate::json::HOSTILE) } else { "" };
            text.push_str(&format!("{}|{}{hostile}\n", random.below(line + 1), &detail[..detail.len() - cut]));
        }
        return text;
    }
    let wild = random.once_in(2);
    let before = trees.make(random, wild);
    let mut after = before.clone();
    let changes = 1 + random.below(4);
    trees.change(&mut after, changes, wild, random);
    if random.once_in(4) {
        after = trees.make(random, wild);
    }
    format!("{}\n{}", written(&before, random).replace('\n', " "), written(&after, random))
}

#[test]
fn plans() {
    let texts = corpus::texts(&["tests/plans/13", "tests/plans/15", "tests/plans/18"], ".json", 12_000);
    let trees = Trees::new(texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()).collect());
    fuzz("plans", 4, |random| made(&trees, random), explained);
}
