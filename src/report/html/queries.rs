//! Hot queries: what became of each, its work in bars, and its plans side by side.

use super::mark::Mark;
use super::text::{json_text, name, prose};
use super::{budget, fitting, human, more, plans, view, written};
use crate::diff::plan::render;
use crate::report::measured;
use crate::report::v1::{PlanSummary, Query, QueryConfidence, QueryVerdict, Report};
use crate::snapshot::plan::{Unit, sqlite};
use askama::Template;
use serde_json::Value;

/// Hot queries whose plans are open when the page is.
const OPEN: usize = 3;
/// Bytes of one plan as JSON.
const JSON: usize = 200_000;
/// Rows of the table of those that did not change.
const UNCHANGED: usize = 300;

#[derive(Template)]
#[template(path = "queries.html")]
struct Queries<'r> {
    changed: usize,
    cards: Vec<String>,
    more: Option<String>,
    unchanged: Option<String>,
    rows: Vec<Row<'r>>,
    /// What `work` of the rows is counted in.
    unit: &'static str,
    /// Whether there are estimated costs.
    costs: bool,
    more_rows: Option<String>,
    notes: Vec<String>,
}

/// One hot query that did not change.
struct Row<'r> {
    label: String,
    owner: &'r str,
    measured: bool,
    work: String,
    cost: String,
}

#[derive(Template)]
#[template(path = "query.html")]
struct Card<'r> {
    number: usize,
    query: &'r Query,
    mark: Mark,
    label: String,
    headline: String,
    sentence: Option<String>,
    cause: Option<String>,
    time: Option<String>,
    works: Vec<Work>,
    open: bool,
    plans: Plans,
}

/// The work of one moment, as a bar.
struct Work {
    name: &'static str,
    mark: Mark,
    width: f64,
    told: String,
}

/// What there is to see of the plans.
enum Plans {
    /// There are none.
    None,
    /// Those of an entry above.
    Above,
    /// They did not fit.
    Left,
    /// The trees, and each plan as JSON.
    Shown(String, Vec<(&'static str, String)>),
}

/// The section; `None` where there are no hot queries.
pub(super) fn section(report: &Report) -> Option<String> {
    if report.queries.is_empty() {
        return None;
    }
    let changed = view::changed_queries(report);
    let mut room = budget::QUERIES;
    let mut seen: Vec<&str> = Vec::new();
    let mut opened: Vec<&str> = Vec::new();
    let (cards, left) = fitting(changed.iter().enumerate(), 2 * budget::QUERIES, |(at, query)| {
        let above = !query.plan_diff.is_empty() && seen.contains(&query.plan_diff.as_str());
        let plans = if above { Plans::Above } else { shown(query, &mut room) };
        if !above && matches!(plans, Plans::Shown(..)) {
            seen.push(&query.plan_diff);
        }
        // The first ones are open, each query once.
        let open = opened.len() < OPEN && !opened.contains(&query.name.as_str());
        if open {
            opened.push(&query.name);
        }
        written(&card(report, at, query, plans, open))
    });
    let unchanged: Vec<&Query> =
        report.queries.iter().filter(|query| query.verdict == QueryVerdict::Unchanged).collect();
    // One engine ran all of them.
    let of_sqlite = |query: &&Query| query.before.as_ref().or(query.after.as_ref()).is_some_and(is_sqlite);
    let steps = report.queries.iter().any(|query| of_sqlite(&query));
    Some(written(&Queries {
        changed: changed.len(),
        cards,
        more: more(left, "hot query"),
        unchanged: view::unchanged(report),
        rows: unchanged.iter().take(UNCHANGED).map(|query| row(query, steps)).collect(),
        unit: if steps { Unit::VmSteps } else { Unit::Blocks }.name(),
        costs: !steps,
        more_rows: more(unchanged.len().saturating_sub(UNCHANGED), "plan"),
        notes: report.query_notes.iter().take(budget::SENTENCES).map(|note| prose(note)).collect(),
    }))
}

fn row(query: &Query, steps: bool) -> Row<'_> {
    let plan = query.after_settling.as_ref().or(query.after.as_ref()).or(query.before.as_ref());
    Row {
        label: name(&view::query_label(query)),
        owner: query.owner.as_deref().unwrap_or_default(),
        measured: query.confidence == QueryConfidence::Measured,
        work: plan.and_then(PlanSummary::amount).map(|(amount, _)| human::count(amount)).unwrap_or_default(),
        cost: plan.filter(|_| !steps).map(|plan| human::cost(plan.total_cost)).unwrap_or_default(),
    }
}

fn is_sqlite(plan: &PlanSummary) -> bool {
    plan.plan.get("Plan").and_then(|plan| plan.get("Node Type")).and_then(Value::as_str) == Some(sqlite::ROOT)
}

/// The plan to hold against the one before: the settled one, but for what passes with settling.
fn plan_after(query: &Query) -> Option<(&'static str, &PlanSummary)> {
    let right_after = query.after.as_ref().map(|plan| ("right after", plan));
    let settled = query.after_settling.as_ref().map(|plan| ("after", plan));
    if query.verdict == QueryVerdict::Transient { right_after.or(settled) } else { settled.or(right_after) }
}

fn shown(query: &Query, room: &mut usize) -> Plans {
    let (before, after) = (query.before.as_ref(), plan_after(query));
    let Some(trees) = plans::trees(before, after) else { return Plans::None };
    let json = |plan: &PlanSummary| json_text(&Value::Array(vec![Value::Object(plan.plan.clone())]));
    let mut texts = Vec::new();
    texts.extend(before.map(|plan| ("before", json(plan))));
    texts.extend(after.map(|(name, plan)| (name, json(plan))));
    texts.retain(|(_, text)| text.len() <= JSON);
    let size = trees.len() + texts.iter().map(|(_, text)| text.len()).sum::<usize>();
    if size > *room {
        return Plans::Left;
    }
    *room -= size;
    Plans::Shown(trees, texts)
}

fn card<'r>(report: &Report, at: usize, query: &'r Query, plans: Plans, open: bool) -> Card<'r> {
    let (sentence, _) = render::parts(&query.plan_diff);
    Card {
        number: at + 1,
        query,
        mark: Mark::from(view::Tone::from(query.verdict)),
        label: name(&view::query_label(query)),
        headline: prose(&view::query_headline(query)),
        sentence: sentence.map(prose),
        cause: view::query_cause(report, query).map(|cause| prose(&cause)),
        time: measured::time_sentence(query),
        works: works(query),
        open,
        plans,
    }
}

/// Blocks of each moment, or estimated costs where they were not counted; nothing where there is nothing to compare.
fn works(query: &Query) -> Vec<Work> {
    let mut moments: Vec<(&'static str, &PlanSummary)> =
        [("before", &query.before), ("right after", &query.after), ("settled", &query.after_settling)]
            .into_iter()
            .filter_map(|(name, plan)| Some((name, plan.as_ref()?)))
            .collect();
    if let [_, (_, after), (name, settled)] = moments.as_mut_slice()
        && (after.amount(), after.total_cost) == (settled.amount(), settled.total_cost)
    {
        *name = "after";
        moments.remove(1);
    }
    let counted = moments.iter().all(|(_, plan)| plan.amount().is_some());
    let amount = |plan: &PlanSummary| plan.amount().filter(|_| counted);
    let work = |plan: &PlanSummary| amount(plan).map_or(plan.total_cost, |(amount, _)| amount as f64);
    let most = moments.iter().map(|(_, plan)| work(plan)).fold(0.0, f64::max);
    if moments.len() < 2 || most.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) || !most.is_finite() {
        return Vec::new();
    }
    let first = moments.first().map_or(0.0, |(_, plan)| work(plan));
    moments
        .iter()
        .map(|(name, plan)| {
            let told = match amount(plan) {
                Some((amount, unit)) => format!("{} {}", human::count(amount), unit.name()),
                None => format!("estimated cost {}", human::cost(plan.total_cost)),
            };
            let worse = work(plan) >= 1.5 * first && *name != "before";
            Work {
                name,
                mark: if worse { Mark::from(view::Tone::from(query.verdict)) } else { Mark::NOTE },
                width: (work(plan) / most * 1000.0).clamp(2.0, 1000.0),
                told,
            }
        })
        .collect()
}
