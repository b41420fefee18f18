//! Two plans of one query side by side, as rows for whoever draws them; `render.rs` makes text of the same.
//!
//! A report keeps plans and no catalog: an index is known by its name alone here, so that a renamed one is another.

use super::align::{Alignment, Line, lines, rows};
use super::names::Names;
use super::node::{conditions, label, own_blocks, row_counts, steps};
use super::reader::Reader;
use super::render::{Picture, Side};
use crate::snapshot::plan::{PlanNode, QueryPlan, total};

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The same node, with the same work.
    Unchanged,
    /// The same node with other work, or at another place.
    OtherWork,
    /// What does its part now is another node.
    Replaced,
    /// It is not there any more.
    Gone,
    /// It was not there before.
    New,
}

/// One node in words and numbers; partitions reached alike are one.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it does, in EXPLAIN's words.
    pub label: String,
    /// How many nodes are above it.
    pub depth: usize,
    /// What it tests and orders by: EXPLAIN's name of it and its text.
    pub conditions: Vec<(&'static str, String)>,
    /// `Total Cost`, with what is below it, in the planner's units; `None` where the plan does not say.
    pub cost: Option<f64>,
    /// The planner's estimate of its rows, in all of its loops; `None` where the plan does not say.
    pub estimated_rows: Option<f64>,
    /// Rows it gave in all of its loops; `None` when it was only planned.
    pub rows: Option<String>,
    /// How often it was run; `None` when it was only planned, or where several partitions are one node.
    pub loops: Option<f64>,
    /// Blocks touched, with what is below it; `None` when it was only planned.
    pub blocks: Option<u64>,
    /// Blocks it touched itself.
    pub own_blocks: Option<u64>,
    /// VM steps of the whole execution, at the root; `None` for servers, and when it was only planned.
    pub steps: Option<u64>,
    /// Temporary blocks read and written, with what is below it.
    pub temp_blocks: Option<u64>,
}

/// One node before and after; one side is `None` where it came or went.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Before.
    pub before: Option<Node>,
    /// After.
    pub after: Option<Node>,
    /// What became of it.
    pub change: Change,
    /// Whether it moved, or its inputs changed places; empty where neither is so.
    pub note: String,
}

/// Every node of both plans once, parents first.
pub fn side_by_side(before: &QueryPlan, after: &QueryPlan) -> Vec<Pair> {
    let names = Names::default();
    let (old_reader, new_reader) = Reader::pair((before, &names), (after, &names));
    let picture = Picture {
        before: Side { lines: lines(&before.root, &old_reader), reader: &old_reader },
        after: Side { lines: lines(&after.root, &new_reader), reader: &new_reader },
    };
    let alignment = Alignment::of(&picture.before.lines, &picture.after.lines);
    let of = |side: &Side<'_>, at: Option<usize>, depth| at.map(|at| node(&side.lines[at], side.reader, depth));
    rows(&picture.before.lines, &picture.after.lines, &alignment)
        .into_iter()
        .map(|row| {
            let note = match (row.before, row.after) {
                (Some(old), Some(new)) => picture.place(old, new, &alignment).trim().to_owned(),
                _ => String::new(),
            };
            let change = match (row.before, row.after) {
                (Some(old), Some(new)) if !picture.is_alike(old, new) => Change::Replaced,
                (Some(old), Some(new)) if note.is_empty() && picture.is_quiet(old, new) => Change::Unchanged,
                (Some(_), Some(_)) => Change::OtherWork,
                (Some(_), None) => Change::Gone,
                (None, _) => Change::New,
            };
            Pair {
                before: of(&picture.before, row.before, row.depth_before),
                after: of(&picture.after, row.after, row.depth),
                change,
                note,
            }
        })
        .collect()
}

/// Every node of one plan, parents first.
pub fn nodes(plan: &QueryPlan) -> Vec<Node> {
    let names = Names::default();
    let reader = Reader::alone(plan, &names);
    lines(&plan.root, &reader).iter().map(|line| node(line, &reader, line.depth)).collect()
}

fn node(line: &Line<'_>, reader: &Reader<'_>, depth: usize) -> Node {
    let sum = |of: fn(&PlanNode) -> Option<u64>| {
        line.nodes.iter().map(|node| of(node)).collect::<Option<Vec<u64>>>().map(total)
    };
    let (estimated_rows, rows) = row_counts(line);
    let said = |field: &str| line.nodes.iter().all(|node| node.number(field).is_some());
    let blocks = sum(PlanNode::buffers);
    Node {
        label: label(line, reader),
        depth,
        conditions: conditions(line, reader, false).into_iter().map(|each| (each.name, each.shown)).collect(),
        cost: said("Total Cost").then(|| line.nodes.iter().map(|node| node.total_cost()).sum()),
        estimated_rows: said("Plan Rows").then_some(estimated_rows),
        rows,
        loops: line.node().actual_loops().filter(|_| line.nodes.len() == 1),
        blocks,
        own_blocks: blocks.map(|_| own_blocks(line)),
        steps: sum(steps),
        temp_blocks: sum(PlanNode::temp_blocks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> QueryPlan {
        QueryPlan::from_explain_json(text).expect("a plan")
    }

    const INDEX: &str = include_str!("../../../tests/plans/15/index_scan.json");
    const SEQ: &str = include_str!("../../../tests/plans/15/seq_scan.json");
    const BITMAP: &str = include_str!("../../../tests/plans/15/bitmap_or.json");
    const PARTITIONS: &str = include_str!("../../../tests/plans/15/partitions.json");

    #[test]
    fn a_plan_beside_itself_is_unchanged_node_by_node() {
        for text in [INDEX, SEQ, BITMAP, PARTITIONS] {
            let plan = plan(text);
            let pairs = side_by_side(&plan, &plan);
            assert!(
                pairs.iter().all(|pair| pair.change == Change::Unchanged && pair.before == pair.after),
                "{pairs:?}"
            );
            let alone: Vec<String> = nodes(&plan).into_iter().map(|node| node.label).collect();
            let beside: Vec<String> = pairs.into_iter().filter_map(|pair| Some(pair.after?.label)).collect();
            assert_eq!(alone, beside);
        }
    }

    #[test]
    fn another_access_to_a_table_is_one_pair_with_its_work_on_both_sides() {
        let (before, after) = (plan(INDEX), plan(SEQ));
        let pairs = side_by_side(&before, &after);
        let replaced: Vec<&Pair> = pairs.iter().filter(|pair| pair.change == Change::Replaced).collect();
        assert_eq!(replaced.len(), 1, "{pairs:#?}");
        let (old, new) = (replaced[0].before.as_ref().expect("before"), replaced[0].after.as_ref().expect("after"));
        assert!(
            old.label.starts_with("Bitmap Heap Scan using ") && new.label.starts_with("Seq Scan on "),
            "{pairs:#?}"
        );
        assert!(old.blocks < new.blocks && new.own_blocks == new.blocks, "{pairs:#?}");
        assert!(old.rows.is_some() && old.loops == Some(1.0) && old.estimated_rows.is_some(), "{old:?}");
    }

    #[test]
    fn what_a_plan_does_not_say_is_no_zero() {
        let bare = nodes(&plan(r#"[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "t"}}]"#)).remove(0);
        assert_eq!(
            (bare.cost, bare.estimated_rows, bare.rows, bare.blocks, bare.own_blocks),
            (None, None, None, None, None)
        );
    }

    #[test]
    fn a_bitmap_is_told_with_its_heap_scan_and_all_work_is_somebodys() {
        let plan = plan(BITMAP);
        let all = nodes(&plan);
        assert!(all.iter().all(|node| !node.label.starts_with("Bitmap Index")), "{all:#?}");
        let own: u64 = all.iter().filter_map(|node| node.own_blocks).sum();
        assert_eq!(Some(own), plan.root.buffers());
    }
}
