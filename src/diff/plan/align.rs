//! Which node of one plan is which of another, in three steps: subtrees that are the same, then nodes of equal keys
//! wherever they stand, then the order in which to show both.
//!
//! Every node is keyed by its class and the set of aliases read below it: a table stays the same table however it is
//! scanned, and a join stays the same join however it is done and whichever side comes first.

use super::fingerprint::hash;
use super::reader::{Level, Reader, is_append, is_bitmap_part, reads};
use crate::snapshot::plan::{PlanNode, sqlite};
use std::collections::{BTreeMap, BTreeSet};

/// A node as one line of a picture of its plan. Bitmaps belong to their heap scan's line, `Hash` to its join's,
/// partitions reached alike share one.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// The node; for partitions all of them.
    pub nodes: Vec<&'a PlanNode>,
    pub depth: usize,
    /// How many lines below it are its subtree.
    pub below: usize,
    pub parent: Option<usize>,
    /// Something above stops reading once it has enough rows.
    pub cut_short: bool,
    key: String,
    /// Equal exactly when the two nodes do the same, values and numbers aside.
    pub signature: String,
    /// The same for everything below as well.
    subtree: String,
}

impl<'a> Line<'a> {
    /// The node, or the first partition's.
    pub(super) fn node(&self) -> &'a PlanNode {
        self.nodes[0]
    }
}

/// The lines of a plan, parents first.
pub(super) fn lines<'a>(root: &'a PlanNode, reader: &Reader<'_>) -> Vec<Line<'a>> {
    let mut found = Vec::new();
    let place = Place { depth: 0, parent: None, cut_short: false };
    collect(root, place, reader, &mut found);
    for at in (0..found.len()).rev() {
        let below: Vec<&str> = children(&found, at).map(|child| found[child].subtree.as_str()).collect();
        let text = format!("{}\n{}\n{}\n{}", found[at].key, found[at].signature, found[at].nodes.len(), below.concat());
        found[at].subtree = hash(&text);
    }
    found
}

#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    parent: Option<usize>,
    cut_short: bool,
}

/// Adds the lines of a node and returns the aliases read below it.
fn collect<'a>(node: &'a PlanNode, place: Place, reader: &Reader<'_>, found: &mut Vec<Line<'a>>) -> BTreeSet<String> {
    let mut aliases: BTreeSet<String> = reader.alias(node).into_iter().collect();
    if is_bitmap_part(node) {
        return aliases;
    }
    let position = found.len();
    let shown = node.node_type != "Hash";
    if shown {
        found.push(Line {
            nodes: vec![node],
            depth: place.depth,
            below: 0,
            parent: place.parent,
            cut_short: place.cut_short,
            key: String::new(),
            signature: reader.node(node, Level::Strict),
            subtree: String::new(),
        });
    }
    let (depth, parent) = if shown { (place.depth + 1, Some(position)) } else { (place.depth, place.parent) };
    let mut previous: Option<usize> = None;
    for child in &node.children {
        let start = found.len();
        let place = Place { depth, parent, cut_short: is_cut_short(node, child, place.cut_short) };
        let read = collect(child, place, reader, found);
        // What subplans read is not what the node above joins or sorts.
        if !matches!(child.text("Parent Relationship"), Some("InitPlan" | "SubPlan")) {
            aliases.extend(read);
        }
        let alike =
            previous.filter(|previous| is_append(node) && is_like(&found[*previous..], start - previous, reader));
        match alike {
            Some(previous) => {
                let again = found.split_off(start);
                found[previous..].iter_mut().zip(again).for_each(|(line, same)| line.nodes.extend(same.nodes));
            }
            None => previous = Some(start).filter(|start| *start < found.len()),
        }
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

/// Whether the lines from `length` on are partitions reached exactly as those before.
fn is_like(lines: &[Line<'_>], length: usize, reader: &Reader<'_>) -> bool {
    let (one, other) = lines.split_at(length);
    one.len() == other.len()
        && one.iter().any(|line| reader.is_partition(line.node()))
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| one.key == other.key && one.depth == other.depth && one.signature == other.signature)
}

/// Whether a child may be left before its last row: then fewer rows than estimated are no mistake of the estimate.
fn is_cut_short(node: &PlanNode, child: &PlanNode, above: bool) -> bool {
    match node.node_type.as_str() {
        "Limit" => true,
        // They read everything before they give the first row.
        "Sort" | "Hash" | "ModifyTable" => false,
        "Aggregate" => above && node.text("Strategy") == Some("Sorted"),
        "Merge Join" => true,
        "Nested Loop" | "Hash Join" if child.text("Parent Relationship") == Some("Inner") => {
            above
                || matches!(node.text("Join Type"), Some("Semi" | "Anti"))
                || node.fields.get("Inner Unique").and_then(serde_json::Value::as_bool) == Some(true)
        }
        _ => above,
    }
}

fn class(node: &PlanNode) -> &str {
    match node.node_type.as_str() {
        _ if reads(node) => "scan",
        "Nested Loop" | "Hash Join" | "Merge Join" => "join",
        "Gather" | "Gather Merge" => "gather",
        "Append" | "Merge Append" => "append",
        "Sort" | "Incremental Sort" => "sort",
        other => sqlite::class(other).unwrap_or(other),
    }
}

/// The lines right below one.
pub(super) fn children<'a>(lines: &'a [Line<'_>], parent: usize) -> impl Iterator<Item = usize> + 'a {
    let end = parent + 1 + lines[parent].below;
    let mut next = parent + 1;
    std::iter::from_fn(move || {
        let child = Some(next).filter(|child| *child < end)?;
        next += 1 + lines[child].below;
        Some(child)
    })
}

/// Which line is which, one to one.
#[derive(Debug)]
pub(super) struct Alignment {
    /// By line of the plan before: its line after.
    pub after: Vec<Option<usize>>,
    /// By line of the plan after: its line before.
    pub before: Vec<Option<usize>>,
}

impl Alignment {
    pub(super) fn of(before: &[Line<'_>], after: &[Line<'_>]) -> Self {
        let mut alignment = Self { after: vec![None; before.len()], before: vec![None; after.len()] };
        alignment.match_equal_subtrees(before, after);
        alignment.match_equal_keys(before, after);
        alignment
    }

    fn pair(&mut self, before: usize, after: usize) {
        self.after[before] = Some(after);
        self.before[after] = Some(before);
    }

    fn match_equal_subtrees(&mut self, before: &[Line<'_>], after: &[Line<'_>]) {
        let mut by_subtree: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, line) in after.iter().enumerate() {
            by_subtree.entry(&line.subtree).or_default().push(at);
        }
        // The largest first, so that no part of one is given away to another.
        let mut order: Vec<usize> = (0..before.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(before[*at].below));
        for old in order {
            if self.after[old].is_some() {
                continue;
            }
            let candidates = by_subtree.get(before[old].subtree.as_str()).into_iter().flatten().copied();
            let free = candidates.filter(|new| self.before[*new].is_none());
            let near = |new: &usize| {
                let key = |lines: &[Line<'_>], at: usize| lines[at].parent.map(|parent| lines[parent].key.clone());
                u8::from(key(before, old) == key(after, *new))
            };
            if let Some(new) = first_best(free, near) {
                (0..=before[old].below).for_each(|offset| self.pair(old + offset, new + offset));
            }
        }
    }

    fn match_equal_keys(&mut self, before: &[Line<'_>], after: &[Line<'_>]) {
        let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, line) in after.iter().enumerate() {
            by_key.entry(&line.key).or_default().push(at);
        }
        for (old, line) in before.iter().enumerate() {
            if self.after[old].is_some() {
                continue;
            }
            let candidates = by_key.get(line.key.as_str()).into_iter().flatten().copied();
            let free = candidates.filter(|new| self.before[*new].is_none());
            let near = |new: &usize| {
                let parent = line.parent.map(|parent| self.after[parent]);
                let below_the_same = parent == after[*new].parent.map(Some);
                let alike = line.signature == after[*new].signature;
                let kind = line.node().node_type == after[*new].node().node_type;
                4 * u8::from(below_the_same) + 2 * u8::from(alike) + u8::from(kind)
            };
            if let Some(new) = first_best(free, near) {
                self.pair(old, new);
            }
        }
    }
}

fn first_best(candidates: impl Iterator<Item = usize>, score: impl Fn(&usize) -> u8) -> Option<usize> {
    candidates.map(|at| (score(&at), at)).max_by_key(|(score, at)| (*score, std::cmp::Reverse(*at))).map(|(_, at)| at)
}

/// One row of a picture of both plans; one side is `None` where a node came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub before: Option<usize>,
    pub after: Option<usize>,
    /// Where it stands among the lines around it: after, or before if it went.
    pub depth: usize,
    /// Where it stood, if what was above it went or others came between.
    pub depth_before: usize,
}

/// Every line of both plans once: those after in their order, those that went where they were.
pub(super) fn rows(before: &[Line<'_>], after: &[Line<'_>], alignment: &Alignment) -> Vec<Row> {
    // Behind how many lines of the plan after each line stands.
    let mut behind = vec![0; before.len()];
    let mut depth = vec![0; before.len()];
    let mut depth_before = vec![0; before.len()];
    let mut removed: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for old in 0..before.len() {
        depth_before[old] = before[old].parent.map_or(0, |parent| depth[parent] + 1);
        if let Some(new) = alignment.after[old] {
            (behind[old], depth[old]) = (new + 1, after[new].depth);
            continue;
        }
        depth[old] = depth_before[old];
        if let Some(parent) = before[old].parent {
            // The last place that is still below the same parent.
            let end = alignment.after[parent].map_or(after.len(), |new| new + 1 + after[new].below);
            let earlier = children(before, parent).take_while(|sibling| *sibling < old);
            let place = earlier.filter_map(|sibling| match alignment.after[sibling] {
                Some(new) => Some(new + 1 + after[new].below),
                None => (sibling..=sibling + before[sibling].below).map(|line| behind[line]).max(),
            });
            let place = place.filter(|place| (behind[parent]..=end).contains(place)).max();
            behind[old] = place.unwrap_or(behind[parent]);
        }
        removed.entry(behind[old]).or_default().push(old);
    }
    let mut rows = Vec::new();
    for place in 0..=after.len() {
        if let Some(new) = place.checked_sub(1) {
            let (old, depth) = (alignment.before[new], after[new].depth);
            rows.push(Row {
                before: old,
                after: Some(new),
                depth,
                depth_before: old.map_or(depth, |old| depth_before[old]),
            });
        }
        for old in removed.remove(&place).unwrap_or_default() {
            let depth = depth[old];
            rows.push(Row { before: Some(old), after: None, depth, depth_before: depth });
        }
    }
    rows
}

/// Whether what is right below a node on both sides stands in another order.
pub(super) fn is_turned(
    before: &[Line<'_>],
    after: &[Line<'_>],
    (old, new): (usize, usize),
    alignment: &Alignment,
) -> bool {
    let inside = |at: &usize| after[*at].parent == Some(new);
    let order: Vec<usize> = children(before, old).filter_map(|child| alignment.after[child]).filter(inside).collect();
    !order.is_sorted()
}

#[cfg(test)]
mod tests;
