//! The one sentence about a changed plan: table, old and new access, work, cause, how long it lasts, what to add.

use super::Seen;
use super::align::{Alignment, Line, is_turned, lines, rows};
use super::fingerprint::{Access, accesses};
use super::node::{grouped, kind, table};
use super::reader::Reader;
use super::verdict::Lasts;
use crate::report::visible::visible;
use crate::snapshot::plan::{Captured, PlanNode, QueryPlan, quote_identifier_if_needed, sqlite};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What two plans do not tell about their difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// Place of the statement and what it did: `migrations/3_x.sql:1 (drops public.orders_customer_id_idx)`.
    pub cause: Option<String>,
    /// How long it lasts; `None` where it stays.
    pub lasts: Option<Lasts>,
    /// Lines of SQL that end it, to add after the migration.
    pub mend: Vec<String>,
}

impl Story {
    /// A [`headline`] with what is known besides: one sentence in one line.
    pub fn tell(&self, headline: &str) -> String {
        let mut text = headline.trim_end_matches('.').to_owned();
        if let Some(cause) = &self.cause {
            let _infallible = write!(text, "; since {cause}");
        }
        if let Some(lasts) = self.lasts {
            let _infallible = write!(text, "; {}", lasts.words());
        }
        if !self.mend.is_empty() {
            let lines: Vec<String> = self.mend.iter().map(|line| format!("`{line}`")).collect();
            let joint = if self.lasts.is_some() { ":" } else { ";" };
            let _infallible = write!(text, "{joint} add {} after the migration", lines.join(" and "));
        }
        if !text.is_empty() {
            text.push('.');
        }
        visible(&text).into_owned()
    }
}

/// The whole sentence.
pub fn sentence(before: Seen<'_>, after: Seen<'_>, story: &Story) -> String {
    if *story == Story::default() { headline(before, after) } else { story.tell(&headline(before, after)) }
}

/// The sentence as far as two plans go, without its full stop; empty where neither is there. One line.
pub fn headline(before: Seen<'_>, after: Seen<'_>) -> String {
    let text = match (before.captured(), after.captured()) {
        (Captured::Failed { message, .. }, Captured::Failed { .. }) => format!("Refused before and after: {message}"),
        (_, Captured::Failed { sqlstate, message }) => format!("No longer runs: {message} ({sqlstate})"),
        (Captured::Failed { message, .. }, _) => format!("Runs now; refused before: {message}"),
        (old, new) => what(before, after).unwrap_or_default() + &work_clause(old, new),
    };
    visible(&text).into_owned()
}

fn what(before: Seen<'_>, after: Seen<'_>) -> Option<String> {
    let [was, now] = accesses(before, after)?;
    let mut changes: Vec<(i128, String)> = Vec::new();
    for (alias, access) in &now {
        let known = was.get(alias);
        if known.is_some_and(|known| known.access == access.access) {
            continue;
        }
        let more = i128::from(access.buffers) - known.map_or(0, |known| i128::from(known.buffers));
        changes.push((more, access_change(&subject(alias, access, &now), known, access)));
    }
    for (alias, access) in was.iter().filter(|(alias, _)| !now.contains_key(*alias)) {
        changes.push((-i128::from(access.buffers), format!("{} is no longer read", subject(alias, access, &was))));
    }
    changes.sort_by(|(one, _), (other, _)| other.cmp(one));
    let Some((_, worst)) = changes.first() else { return Some(above_the_tables(before, after, &was, &now)) };
    let mut sentence = worst.clone();
    if changes.len() > 1 {
        let others = changes.len() - 1;
        let _infallible = write!(sentence, " (and {others} more {})", if others == 1 { "change" } else { "changes" });
    }
    Some(sentence)
}

/// The table, with its alias where the query reads it more than once.
fn subject(alias: &str, access: &Access, all: &BTreeMap<String, Access>) -> String {
    let Some(now) = &access.relation else { return alias.to_owned() };
    let mut text = now.clone();
    let own_name = now.ends_with(&format!(".{}", quote_identifier_if_needed(alias)));
    if !own_name && all.values().filter(|other| other.relation == access.relation).count() > 1 {
        let _infallible = write!(text, " {}", quote_identifier_if_needed(alias));
    }
    if let Some(was) = access.relation_before.as_ref().filter(|was| *was != now) {
        let _infallible = write!(text, " (was {was})");
    }
    text
}

fn access_change(subject: &str, was: Option<&Access>, now: &Access) -> String {
    let Some(was) = was else { return format!("{subject} is now read by {}", now.title) };
    match (was.title.split_once(" using "), now.title.split_once(" using ")) {
        _ if was.title == now.title && was.indexes != now.indexes => {
            format!("{subject}: {}, which has another definition", now.title)
        }
        _ if was.title == now.title => format!("{subject}: {} under other conditions", now.title),
        (Some((was, index)), Some((now, same))) if index == same => {
            format!("{subject}: {was} became {now}, both using {index}")
        }
        _ => format!("{subject}: {} became {}", was.title, now.title),
    }
}

/// Every table is reached as before: what else differs.
fn above_the_tables(
    before: Seen<'_>,
    after: Seen<'_>,
    was: &BTreeMap<String, Access>,
    now: &BTreeMap<String, Access>,
) -> String {
    let (Some(old), Some(new)) = (before.captured().plan(), after.captured().plan()) else { return String::new() };
    let shape = |seen: Seen<'_>| seen.fingerprints().map(|fingerprints| fingerprints.shape.clone());
    if shape(before) != shape(after) {
        return tree_change((old, before), (new, after))
            .unwrap_or_else(|| "Tables reached as before, the tree above them changed".to_owned());
    }
    let more = |alias: &String, access: &Access| {
        access.buffers.saturating_sub(was.get(alias).map_or(0, |known| known.buffers))
    };
    let most = now.iter().max_by_key(|(alias, access)| more(alias, access));
    match most.filter(|(alias, access)| more(alias, access) >= 100) {
        Some((alias, access)) => format!("{}: {} as before", subject(alias, access, now), access.title),
        None => "Same plan".to_owned(),
    }
}

/// A join done otherwise, else a node that came or went, else one that changed; the topmost first.
fn tree_change((old, before): (&QueryPlan, Seen<'_>), (new, after): (&QueryPlan, Seen<'_>)) -> Option<String> {
    let (old_reader, new_reader) = Reader::pair((old, before.names), (new, after.names));
    let (old_lines, new_lines) = (lines(&old.root, &old_reader), lines(&new.root, &new_reader));
    let alignment = Alignment::of(&old_lines, &new_lines);
    let rows = rows(&old_lines, &new_lines, &alignment);
    let matched = || rows.iter().filter_map(|row| Some((row.before?, row.after?)));
    let became = |old: usize, new: usize| {
        let (was, now) = (old_lines[old].node(), new_lines[new].node());
        (kind(was) != kind(now)).then(|| format!("{}{} became {}", kind(was), over(was, &old_reader), kind(now)))
    };
    let join = matched().filter(|(old, _)| is_join(&old_lines[*old])).find_map(|(old, new)| became(old, new));
    let turned = || {
        let (old, _) = matched().find(|(old, new)| is_turned(&old_lines, &new_lines, (*old, *new), &alignment))?;
        let node = old_lines[old].node();
        if node.node_type == sqlite::ROOT {
            return Some(format!("Loops{} in another order", over(node, &old_reader)));
        }
        Some(format!("{}{} has its inputs swapped", kind(node), over(node, &old_reader)))
    };
    let partitions = || {
        matched().find_map(|(old, new)| {
            let (was, now) = (old_lines[old].nodes.len(), new_lines[new].nodes.len());
            let table = table(new_lines[new].node(), &new_reader)?;
            (was != now).then(|| format!("{table}: partitions read {was} became {now}"))
        })
    };
    let came_or_went = || {
        rows.iter().find_map(|row| {
            let (node, reader, change) = match (row.before, row.after) {
                (None, Some(new)) => (new_lines[new].node(), &new_reader, "added"),
                (Some(old), None) => (old_lines[old].node(), &old_reader, "gone"),
                _ => return None,
            };
            Some(format!("{}{} {change}", kind(node), over(node, reader)))
        })
    };
    let otherwise = || matched().find_map(|(old, new)| became(old, new));
    let change = join.or_else(turned).or_else(partitions).or_else(came_or_went).or_else(otherwise)?;
    Some(format!("{change}, tables reached as before"))
}

fn is_join(line: &Line<'_>) -> bool {
    line.node().text("Join Type").is_some()
}

/// ` over public.orders and public.customers`: the tables a node reads, some of them.
fn over(node: &PlanNode, reader: &Reader<'_>) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in node.nodes().into_iter().filter_map(|node| table(node, reader)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" over {one}"),
        [one, other] => format!(" over {one} and {other}"),
        [one, other, rest @ ..] => format!(" over {one}, {other} and {} more", rest.len()),
    }
}

fn work_clause(old: &Captured, new: &Captured) -> String {
    let mut clause = String::new();
    let now = match new {
        Captured::AsBefore(_) => old.work(),
        new => new.work(),
    };
    match (old.work(), now) {
        (Some(was), Some(now)) => {
            let unit = now.unit().name();
            if was.amount() == now.amount() {
                let _infallible = write!(clause, "; {} {unit} as before", grouped(was.amount()));
            } else {
                let factor = times(was.amount() as f64, now.amount() as f64);
                let (was, now) = (grouped(was.amount()), grouped(now.amount()));
                let _infallible = write!(clause, "; {was} {unit} became {now}{factor}");
            }
            if was.temp_blocks != now.temp_blocks {
                let (was, now) = (grouped(was.temp_blocks), grouped(now.temp_blocks));
                let _infallible = write!(clause, ", temporary blocks {was} became {now}");
            }
        }
        _ => {
            let cost = |side: &Captured| side.plan().map_or(0.0, |plan| plan.root.total_cost());
            let (was, now) = (cost(old), cost(new));
            let (was_text, now_text) = (grouped(was.round() as u64), grouped(now.round() as u64));
            // SQLite tells no cost.
            let told =
                [old, new].into_iter().filter_map(Captured::plan).any(|plan| plan.root.node_type != sqlite::ROOT);
            if !told {
                clause.push_str("; only planned");
            } else if was_text == now_text {
                let _infallible = write!(clause, "; estimated cost {was_text} as before");
            } else {
                let factor = times(was, now);
                let _infallible = write!(clause, "; estimated cost {was_text} became {now_text}{factor}");
            }
            for (side, when) in [(old, "before"), (new, "after")] {
                if let Captured::DidNotFinish(_) = side {
                    let _infallible = write!(clause, ", cut off by the time limit {when} the migration");
                }
            }
        }
    }
    clause
}

/// ` (376×)`; nothing for less work, where a share says no more than the two numbers, nor where the first is shown as 0.
fn times(before: f64, after: f64) -> String {
    if before < 0.5 {
        return String::new();
    }
    let factor = after / before.max(1.0);
    match factor {
        factor if factor < 1.05 => String::new(),
        factor if factor < 9.95 => format!(" ({factor:.1}×)"),
        factor => format!(" ({}×)", grouped(factor.round() as u64)),
    }
}
