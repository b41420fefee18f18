//! Plan trees side by side, in aligned rows: changed nodes open, unchanged ones folded.

use super::{human, more, written};
use crate::diff::plan::picture::{Change, Node, Pair, nodes, side_by_side};
use crate::report::v1::PlanSummary;
use crate::snapshot::plan::QueryPlan;
use askama::Template;

/// Nodes of one query that are shown.
const NODES: usize = 400;
/// So many unchanged nodes in a row are folded into one line.
const RUN: usize = 3;
/// How deep nodes are indented at most.
const DEEPEST: usize = 12;
/// Characters of one condition.
const CONDITION: usize = 1_000;

#[derive(Template)]
#[template(path = "plans.html")]
struct Trees {
    titles: Vec<&'static str>,
    runs: Vec<Run>,
    more: Option<String>,
}

/// Rows that are folded together, or one that stands alone.
struct Run {
    folded: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    class: &'static str,
    open: bool,
    sides: Vec<Option<Side>>,
    note: String,
}

/// One node of one plan.
struct Side {
    moment: &'static str,
    sign: char,
    said: &'static str,
    indent: usize,
    label: String,
    glance: String,
    bar: Option<f64>,
    facts: Vec<(&'static str, String)>,
    conditions: Vec<(&'static str, String)>,
}

/// Both trees, or the only one there is; `None` where there is no plan.
pub(super) fn trees(before: Option<&PlanSummary>, after: Option<(&'static str, &PlanSummary)>) -> Option<String> {
    let read = |summary: &PlanSummary| QueryPlan::from_saved(&summary.plan).ok();
    let titles: Vec<&'static str> = before.map(|_| "before").into_iter().chain(after.map(|(name, _)| name)).collect();
    let alone = |plan: &QueryPlan| -> Vec<Pair> {
        let pair = |node| Pair { before: Some(node), after: None, change: Change::Unchanged, note: String::new() };
        nodes(plan).into_iter().map(pair).collect()
    };
    let pairs = match (before.and_then(read), after.and_then(|(_, plan)| read(plan))) {
        (Some(old), Some(new)) => side_by_side(&old, &new),
        (Some(only), None) | (None, Some(only)) => alone(&only),
        (None, None) => return None,
    };
    let both = pairs.iter().any(|pair| pair.after.is_some());
    let titles = if both || titles.len() < 2 {
        titles
    } else {
        // One of the two is no plan.
        before.and_then(read).map_or_else(|| vec![titles[1]], |_| vec![titles[0]])
    };
    let most = pairs.iter().flat_map(|pair| [&pair.before, &pair.after]).flatten().filter_map(|node| node.own_blocks);
    let most = most.max().unwrap_or_default();
    let total = pairs.len();
    let rows: Vec<Row> = pairs.into_iter().take(NODES).map(|pair| row(pair, &titles, most)).collect();
    let trees = Trees { titles, runs: runs(rows, both), more: more(total.saturating_sub(NODES), "node") };
    Some(written(&trees))
}

/// Stretches of unchanged rows are folded; the root stays in sight.
fn runs(rows: Vec<Row>, both: bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut quiet: Vec<Row> = Vec::new();
    let flush = |quiet: &mut Vec<Row>, runs: &mut Vec<Run>| {
        let rows = std::mem::take(quiet);
        if rows.len() >= RUN {
            runs.push(Run { folded: Some(format!("{} unchanged", human::plural(rows.len(), "node"))), rows });
        } else {
            runs.extend(rows.into_iter().map(|row| Run { folded: None, rows: vec![row] }));
        }
    };
    for (at, row) in rows.into_iter().enumerate() {
        if both && at > 0 && row.class == "same" {
            quiet.push(row);
            continue;
        }
        flush(&mut quiet, &mut runs);
        runs.push(Run { folded: None, rows: vec![row] });
    }
    flush(&mut quiet, &mut runs);
    runs
}

fn row(pair: Pair, titles: &[&'static str], most: u64) -> Row {
    let (class, signs) = match pair.change {
        Change::Unchanged => ("same", [' ', ' ']),
        Change::OtherWork => ("other", ['~', '~']),
        Change::Replaced => ("other", ['−', '+']),
        Change::Gone => ("other", ['−', ' ']),
        Change::New => ("other", [' ', '+']),
    };
    let sides = titles.iter().zip(signs).zip([pair.before, pair.after]);
    Row {
        class,
        open: pair.change != Change::Unchanged,
        sides: sides.map(|((moment, sign), node)| node.map(|node| side(moment, sign, node, most))).collect(),
        note: pair.note,
    }
}

fn side(moment: &'static str, sign: char, node: Node, most: u64) -> Side {
    let said = match sign {
        '−' => "gone: ",
        '+' => "new: ",
        '~' => "other work: ",
        _ => "",
    };
    let cost = node.cost.map(human::cost);
    let glance = match (node.blocks, node.steps, &cost) {
        (Some(blocks), ..) => format!("{} blocks", human::count(blocks)),
        (None, Some(steps), _) => format!("{} VM steps", human::count(steps)),
        (None, None, Some(cost)) => format!("cost {cost}"),
        (None, None, None) => String::new(),
    };
    let mut facts = Vec::new();
    if let (Some(own), Some(all)) = (node.own_blocks, node.blocks) {
        let all = if own == all { String::new() } else { format!(" of {} with those below", human::count(all)) };
        facts.push(("blocks", format!("{}{all}", human::count(own))));
    }
    facts.extend(node.temp_blocks.filter(|blocks| *blocks > 0).map(|blocks| ("temporary", human::count(blocks))));
    let estimated = node.estimated_rows.map(|rows| human::count(rows.round().clamp(0.0, 1e18) as u64));
    let rows = [node.rows, estimated.map(|rows| format!("estimated {rows}"))].into_iter().flatten().collect::<Vec<_>>();
    if !rows.is_empty() {
        facts.push(("rows", rows.join(", ")));
    }
    facts.extend(node.loops.filter(|loops| *loops > 1.0).map(|loops| ("loops", human::count(loops as u64))));
    facts.extend(cost.map(|cost| ("cost", cost)));
    let conditions = node.conditions.into_iter().map(|(name, text)| (name, text.chars().take(CONDITION).collect()));
    Side {
        moment,
        sign,
        said,
        indent: node.depth.min(DEEPEST),
        label: node.label.chars().take(CONDITION).collect(),
        glance,
        bar: node.own_blocks.filter(|_| most > 0).map(|own| own as f64 / most as f64 * 1000.0),
        facts,
        conditions: conditions.collect(),
    }
}
