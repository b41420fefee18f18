//! Which node of one plan is which of another.
//!
//! Every node is keyed by its class and the set of aliases read below it: a table stays the same table however it is
//! scanned, and a join stays the same join however it is done.

use super::fingerprint::{Level, Reader, is_bitmap_part, is_scan};
use crate::snapshot::plan::PlanNode;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::BTreeSet;

/// A node as one line of a picture of its plan. Bitmaps belong to their heap scan's line, `Hash` to its join's.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub node: &'a PlanNode,
    pub depth: usize,
    /// How many lines below it are its subtree.
    pub below: usize,
    key: String,
    /// Equal exactly when the two nodes do the same, values and numbers aside.
    pub signature: String,
}

/// The lines of a plan, parents first.
pub(super) fn lines<'a>(root: &'a PlanNode, reader: &Reader<'_>) -> Vec<Line<'a>> {
    let mut found = Vec::new();
    collect(root, 0, reader, &mut found);
    found
}

fn collect<'a>(node: &'a PlanNode, depth: usize, reader: &Reader<'_>, found: &mut Vec<Line<'a>>) -> BTreeSet<String> {
    let mut aliases: BTreeSet<String> = reader.alias(node).into_iter().collect();
    if is_bitmap_part(node) {
        return aliases;
    }
    let shown = node.node_type != "Hash";
    let position = found.len();
    if shown {
        found.push(Line { node, depth, below: 0, key: String::new(), signature: reader.node(node, Level::Strict) });
    }
    for child in &node.children {
        aliases.extend(collect(child, depth + usize::from(shown), reader, found));
    }
    let below = (found.len() - position).saturating_sub(1);
    if shown && let Some(line) = found.get_mut(position) {
        line.below = below;
        // Subplans are listed below a scan that uses them, yet are no part of what it reads.
        let key = reader.alias(node).unwrap_or_else(|| aliases.iter().cloned().collect::<Vec<_>>().join(", "));
        line.key = format!("{} of {key}", class(node));
    }
    aliases
}

fn class(node: &PlanNode) -> &str {
    match node.node_type.as_str() {
        _ if is_scan(node) => "scan",
        "Nested Loop" | "Hash Join" | "Merge Join" => "join",
        "Gather" | "Gather Merge" => "gather",
        "Append" | "Merge Append" => "append",
        "Sort" | "Incremental Sort" => "sort",
        other => other,
    }
}

/// Pairs of line numbers in display order; one side is `None` where a node came or went.
pub(super) fn align(before: &[Line<'_>], after: &[Line<'_>]) -> Vec<(Option<usize>, Option<usize>)> {
    let keys = |lines: &[Line<'_>]| lines.iter().map(|line| line.key.clone()).collect::<Vec<_>>();
    let mut rows = Vec::new();
    for operation in capture_diff_slices(Algorithm::Myers, &keys(before), &keys(after)) {
        let (old, new) = (operation.old_range(), operation.new_range());
        if let DiffOp::Equal { .. } = operation {
            rows.extend(old.map(Some).zip(new.map(Some)));
        } else {
            rows.extend(old.map(|line| (Some(line), None)));
            rows.extend(new.map(|line| (None, Some(line))));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::plan::fingerprint::IndexDefinitions;
    use crate::snapshot::plan::QueryPlan;

    #[test]
    fn a_join_done_otherwise_aligns_and_a_new_node_stands_alone() {
        let read = |text: &str| QueryPlan::from_explain_json(text).expect("a plan");
        let scan = |alias: &str, kind: &str| format!(r#"{{"Node Type": "{kind}", "Alias": "{alias}"}}"#);
        let join = |kind: &str, left: String, right: String| {
            format!(r#"{{"Node Type": "{kind}", "Plans": [{left}, {right}]}}"#)
        };
        let before =
            read(&format!(r#"[{{"Plan": {}}}]"#, join("Nested Loop", scan("a", "Seq Scan"), scan("b", "Index Scan"))));
        let hashed = format!(r#"{{"Node Type": "Hash", "Plans": [{}]}}"#, scan("b", "Seq Scan"));
        let after = read(&format!(
            r#"[{{"Plan": {{"Node Type": "Sort", "Plans": [{}]}}}}]"#,
            join("Hash Join", scan("a", "Seq Scan"), hashed)
        ));
        let definitions = IndexDefinitions::default();
        let old = lines(&before.root, &Reader::new(&before, &definitions));
        let new = lines(&after.root, &Reader::new(&after, &definitions));
        assert_eq!(align(&old, &new), [(None, Some(0)), (Some(0), Some(1)), (Some(1), Some(2)), (Some(2), Some(3))]);
        assert_eq!(new[0].below, 3);
    }
}
