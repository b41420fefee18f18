//! A plan diff for people: one sentence, then the tree with what is unchanged folded away.

use super::Seen;
use super::align::{Line, align, lines};
use super::fingerprint::{Access, Reader, access_by_alias, bitmap_indexes};
use crate::snapshot::plan::{Captured, PlanNode};
use std::fmt::Write as _;

/// Whether values of user data may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Every literal is `?`.
    Redacted,
    /// As the server deparsed them.
    Shown,
}

/// Longest line of a tree, in characters.
const WIDTH: usize = 160;

/// One sentence naming table, old and new access and work, then the aligned tree: `-` before, `+` after, subtrees
/// that are the same and do the same work folded into one line.
pub fn render_diff(before: Seen<'_>, after: Seen<'_>, values: Values) -> String {
    let mut text = headline(before, after);
    if let (Some(old), Some(new)) = (before.captured().plan(), after.captured().plan()) {
        let (old_reader, new_reader) = (Reader::new(old, before.indexes), Reader::new(new, after.indexes));
        let (old_redacted, new_redacted) = match values {
            Values::Redacted => (old.redacted(), new.redacted()),
            Values::Shown => (old.clone(), new.clone()),
        };
        let old_lines = lines(&old_redacted.root, &old_reader);
        let new_lines = lines(&new_redacted.root, &new_reader);
        text.push('\n');
        text.push_str(&tree(&old_lines, &new_lines));
    }
    text
}

/// The sentence alone.
pub fn headline(before: Seen<'_>, after: Seen<'_>) -> String {
    let (old, new) = match (before.captured(), after.captured()) {
        (Captured::Failed { message, .. }, Captured::Failed { .. }) => {
            return format!("Refused before and after: {message}");
        }
        (_, Captured::Failed { sqlstate, message }) => return format!("No longer runs: {message} ({sqlstate})"),
        (Captured::Failed { message, .. }, _) => return format!("Runs now; refused before: {message}"),
        (old, new) => (old, new),
    };
    let (Some(old_plan), Some(new_plan)) = (old.plan(), new.plan()) else { return String::new() };
    let was = access_by_alias(old_plan, before.indexes);
    let now = access_by_alias(new_plan, after.indexes);
    let mut changes: Vec<(i128, String)> = Vec::new();
    for (alias, access) in &now {
        let known = was.get(alias);
        if known.is_some_and(|known| known.access == access.access) {
            continue;
        }
        let more = i128::from(access.buffers) - known.map_or(0, |known| i128::from(known.buffers));
        changes.push((more, access_change(alias, known, access)));
    }
    for (alias, access) in was.iter().filter(|(alias, _)| !now.contains_key(*alias)) {
        changes.push((-i128::from(access.buffers), format!("{} is no longer read", subject(alias, access))));
    }
    changes.sort_by(|(one, _), (other, _)| other.cmp(one));
    let mut sentence = match changes.first() {
        Some((_, worst)) => worst.clone(),
        None if before.fingerprints() == after.fingerprints() => "Same plan".to_owned(),
        None => "Every table is reached as before, the tree above them changed".to_owned(),
    };
    if changes.len() > 1 {
        let others = changes.len() - 1;
        let _infallible = write!(sentence, " (and {others} more {})", if others == 1 { "change" } else { "changes" });
    }
    sentence.push_str(&work_clause(old, new));
    sentence
}

fn subject(alias: &str, access: &Access) -> String {
    access.relation.clone().unwrap_or_else(|| alias.to_owned())
}

fn access_change(alias: &str, was: Option<&Access>, now: &Access) -> String {
    let subject = subject(alias, now);
    match was {
        None => format!("{subject} is now read by {}", now.title),
        Some(was) if was.title == now.title => format!("{subject}: {} with other conditions or definition", now.title),
        Some(was) => format!("{subject}: {} became {}", was.title, now.title),
    }
}

fn work_clause(old: &Captured, new: &Captured) -> String {
    let mut clause = String::new();
    match (old.work(), new.work()) {
        (Some(was), Some(now)) => {
            if was.buffers == now.buffers {
                let _infallible = write!(clause, "; {} blocks as before", grouped(was.buffers));
            } else {
                let factor = now.buffers as f64 / was.buffers.max(1) as f64;
                let (was, now) = (grouped(was.buffers), grouped(now.buffers));
                let _infallible = write!(clause, "; {was} blocks became {now} ({})", times(factor));
            }
            if was.temp_blocks != now.temp_blocks {
                let (was, now) = (grouped(was.temp_blocks), grouped(now.temp_blocks));
                let _infallible = write!(clause, ", temporary blocks {was} became {now}");
            }
        }
        _ => {
            let cost = |side: &Captured| side.plan().map_or(0.0, |plan| plan.root.total_cost());
            let _infallible = write!(clause, "; estimated cost {:.0} became {:.0}", cost(old), cost(new));
            for (side, when) in [(old, "before"), (new, "after")] {
                if let Captured::DidNotFinish(_) = side {
                    let _infallible = write!(clause, ", cut off by the time limit {when}");
                }
            }
        }
    }
    clause
}

fn tree(before: &[Line<'_>], after: &[Line<'_>]) -> String {
    let rows = align(before, after);
    let mut text = String::new();
    let mut at = 0;
    while at < rows.len() {
        let mut folded = 0;
        match rows[at] {
            (Some(old), Some(new)) if quiet(&before[old], &after[new]) => {
                folded = unchanged_below(&rows, at, before, after);
                let note = match folded {
                    0 => String::new(),
                    1 => "  … 1 node below unchanged".to_owned(),
                    several => format!("  … {several} nodes below unchanged"),
                };
                push_line(&mut text, ' ', &after[new], &(numbers(Some(before[old].node), after[new].node) + &note));
            }
            (Some(old), Some(new)) if before[old].signature == after[new].signature => {
                push_line(&mut text, '~', &after[new], &numbers(Some(before[old].node), after[new].node));
            }
            (old, new) => {
                for (mark, line) in [('-', old.map(|old| &before[old])), ('+', new.map(|new| &after[new]))] {
                    if let Some(line) = line {
                        push_line(&mut text, mark, line, &numbers(None, line.node));
                    }
                }
            }
        }
        at += 1 + folded;
    }
    text
}

/// Same node, and its work differs by nothing worth a look.
fn quiet(before: &Line<'_>, after: &Line<'_>) -> bool {
    let (was, now) = (before.node.own_buffers().unwrap_or_default(), after.node.own_buffers().unwrap_or_default());
    let noisy = was.abs_diff(now) >= 100 && was.max(now) as f64 >= 1.5 * was.min(now) as f64;
    before.signature == after.signature && !noisy
}

/// How many rows after this one belong to its subtree, if all of it is unchanged on both sides.
fn unchanged_below(
    rows: &[(Option<usize>, Option<usize>)],
    at: usize,
    before: &[Line<'_>],
    after: &[Line<'_>],
) -> usize {
    let (Some(old), Some(new)) = rows[at] else { return 0 };
    let below = after[new].below;
    let same = |(offset, row): (usize, &(Option<usize>, Option<usize>))| {
        *row == (Some(old + 1 + offset), Some(new + 1 + offset))
            && quiet(&before[old + 1 + offset], &after[new + 1 + offset])
    };
    let all = before[old].below == below && rows[at + 1..].iter().take(below).enumerate().all(same);
    if all { below } else { 0 }
}

fn push_line(text: &mut String, mark: char, line: &Line<'_>, numbers: &str) {
    // Numbers first: a long condition may be cut off, they may not.
    let (indent, node) = ("  ".repeat(line.depth), line.node);
    let whole = format!("{mark} {indent}{}{numbers}{}", label(node), conditions(node));
    let mut shown: String = whole.chars().take(WIDTH).collect();
    if shown.len() < whole.len() {
        shown.push('…');
    }
    text.push_str(shown.trim_end());
    text.push('\n');
}

/// What the node does, in EXPLAIN's words.
fn label(node: &PlanNode) -> String {
    let mut text = match node.text("Subplan Name") {
        Some(name) => format!("{name}: "),
        None => String::new(),
    };
    match (node.node_type.as_str(), node.text("Operation"), node.text("Join Type"), node.text("Strategy")) {
        ("ModifyTable", Some(operation), ..) => text.push_str(operation),
        (kind, _, Some(join), _) if join != "Inner" => {
            let _infallible = write!(text, "{kind} ({join})");
        }
        (kind, _, _, Some(strategy)) if strategy != "Plain" => {
            let _infallible = write!(text, "{kind} ({strategy})");
        }
        (kind, ..) => {
            let parallel = node.fields.get("Parallel Aware").and_then(serde_json::Value::as_bool) == Some(true);
            let _infallible = write!(text, "{}{kind}", if parallel { "Parallel " } else { "" });
        }
    }
    if node.text("Scan Direction") == Some("Backward") {
        text.push_str(" Backward");
    }
    let indexes = bitmap_indexes(node);
    let names: Vec<&str> = indexes.iter().filter_map(|index| index.index_name()).collect();
    if !names.is_empty() {
        let _infallible = write!(text, " using {}", names.join(", "));
    }
    let name = node.relation().or_else(|| node.text("CTE Name").map(str::to_owned));
    match (name, node.alias()) {
        (Some(name), Some(alias)) if name.rsplit('.').next() != Some(alias) => {
            let _infallible = write!(text, " on {name} {alias}");
        }
        (Some(name), _) => {
            let _infallible = write!(text, " on {name}");
        }
        (None, Some(alias)) => {
            let _infallible = write!(text, " on {alias}");
        }
        (None, None) => {}
    }
    text
}

/// What it tests and orders by.
fn conditions(node: &PlanNode) -> String {
    let mut text = String::new();
    let fields = ["Hash Cond", "Merge Cond", "Join Filter", "Filter", "Sort Key", "Group Key"];
    let own = fields.iter().filter_map(|field| Some((*field, node.list(field)?)));
    let indexes = bitmap_indexes(node);
    let of_indexes = indexes.iter().filter_map(|index| Some(("Index Cond", index.list("Index Cond")?)));
    for (field, expression) in of_indexes.chain(own) {
        let _infallible = write!(text, "  [{field}: {expression}]");
    }
    text
}

/// Rows and blocks, `before → after` where they differ.
fn numbers(before: Option<&PlanNode>, after: &PlanNode) -> String {
    let rows = |node: &PlanNode| match (node.actual_rows(), node.actual_loops()) {
        (Some(rows), Some(loops)) => (rows * loops).round() as u64,
        _ => node.plan_rows().round() as u64,
    };
    let mut text = "  rows=".to_owned();
    text.push_str(&both(before.map(rows), rows(after)));
    if let Some(blocks) = after.buffers() {
        text.push_str(" blocks=");
        text.push_str(&both(before.and_then(PlanNode::buffers), blocks));
    }
    text
}

fn both(before: Option<u64>, after: u64) -> String {
    match before {
        Some(before) if before != after => format!("{} → {}", grouped(before), grouped(after)),
        _ => grouped(after),
    }
}

fn times(factor: f64) -> String {
    if factor >= 10.0 { format!("{factor:.0}×") } else { format!("{factor:.2}×") }
}

/// `17617` as `17,617`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
