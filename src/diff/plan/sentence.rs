//! The one sentence about a changed plan: table, old and new access, work, cause, how long it lasts, what to add.

use super::Seen;
use super::align::{Alignment, lines, rows};
use super::fingerprint::{Access, accesses};
use super::node::{grouped, kind};
use super::reader::Reader;
use crate::report::visible::visible;
use crate::snapshot::plan::{Captured, PlanNode, QueryPlan};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How long a change lasts where it passes by itself or by a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// Until the visibility map is back.
    UntilVacuum,
    /// Until statistics are back.
    UntilAnalyze,
    /// Until both are.
    UntilBoth,
}

impl Lasts {
    /// `until VACUUM`, for the middle of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Lasts::UntilVacuum => "until VACUUM",
            Lasts::UntilAnalyze => "until ANALYZE",
            Lasts::UntilBoth => "until VACUUM and ANALYZE",
        }
    }
}

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
        changes.push((more, access_change(alias, known, access)));
    }
    for (alias, access) in was.iter().filter(|(alias, _)| !now.contains_key(*alias)) {
        changes.push((-i128::from(access.buffers), format!("{} is no longer read", subject(alias, access))));
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

fn subject(alias: &str, access: &Access) -> String {
    match (&access.relation, &access.relation_before) {
        (Some(now), Some(was)) if now != was => format!("{now} (was {was})"),
        (Some(now), _) => now.clone(),
        (None, _) => alias.to_owned(),
    }
}

fn access_change(alias: &str, was: Option<&Access>, now: &Access) -> String {
    let subject = subject(alias, now);
    match was {
        None => format!("{subject} is now read by {}", now.title),
        Some(was) if was.title == now.title => format!("{subject}: {} with other conditions or definition", now.title),
        Some(was) => format!("{subject}: {} became {}", was.title, now.title),
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
    let shape = |seen: Seen<'_>| seen.fingerprints().map(|fingerprints| fingerprints.shape);
    if shape(before) != shape(after) {
        return tree_change((old, before), (new, after))
            .unwrap_or_else(|| "Every table is reached as before, the tree above them changed".to_owned());
    }
    let more = |alias: &String, access: &Access| {
        access.buffers.saturating_sub(was.get(alias).map_or(0, |known| known.buffers))
    };
    let most = now.iter().max_by_key(|(alias, access)| more(alias, access));
    match most.filter(|(alias, access)| more(alias, access) >= 100) {
        Some((alias, access)) => format!("{}: {} as before", subject(alias, access), access.title),
        None => "Same plan".to_owned(),
    }
}

/// A join done otherwise, else a node that came or went, the topmost first.
fn tree_change((old, before): (&QueryPlan, Seen<'_>), (new, after): (&QueryPlan, Seen<'_>)) -> Option<String> {
    let (old_reader, new_reader) = Reader::pair((old, before.names), (new, after.names));
    let (old_lines, new_lines) = (lines(&old.root, &old_reader), lines(&new.root, &new_reader));
    let rows = rows(&old_lines, &new_lines, &Alignment::of(&old_lines, &new_lines));
    let tables = |node: &PlanNode, reader: &Reader<'_>| {
        let mut names: Vec<String> = Vec::new();
        for relation in node.nodes().iter().filter_map(|node| node.relation_name()) {
            let name = reader.names.known_as(&relation).qualified();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.len() {
            0 => String::new(),
            1..=3 => format!(" of {}", names.join(", ")),
            more => format!(" of {} and {} more tables", names[..2].join(", "), more - 2),
        }
    };
    let join = rows.iter().find_map(|row| {
        let (was, now) = (old_lines[row.before?].node(), new_lines[row.after?].node());
        let other = was.text("Join Type").is_some() && kind(was) != kind(now);
        other.then(|| format!("{}{} became {}", kind(was), tables(was, &old_reader), kind(now)))
    });
    let came_or_went = || {
        rows.iter().find_map(|row| match (row.before, row.after) {
            (None, Some(new)) => {
                let node = new_lines[new].node();
                Some(format!("{}{} is new", kind(node), tables(node, &new_reader)))
            }
            (Some(old), None) => {
                let node = old_lines[old].node();
                Some(format!("{}{} is gone", kind(node), tables(node, &old_reader)))
            }
            _ => None,
        })
    };
    let otherwise = || {
        rows.iter().find_map(|row| {
            let (was, now) = (old_lines[row.before?].node(), new_lines[row.after?].node());
            (kind(was) != kind(now)).then(|| format!("{}{} became {}", kind(was), tables(was, &old_reader), kind(now)))
        })
    };
    join.or_else(came_or_went).or_else(otherwise).map(|change| format!("{change}, every table is reached as before"))
}

fn work_clause(old: &Captured, new: &Captured) -> String {
    let mut clause = String::new();
    match (old.work(), new.work()) {
        (Some(was), Some(now)) => {
            if was.buffers == now.buffers {
                let _infallible = write!(clause, "; {} blocks as before", grouped(was.buffers));
            } else {
                let factor = times(was.buffers as f64, now.buffers as f64);
                let (was, now) = (grouped(was.buffers), grouped(now.buffers));
                let _infallible = write!(clause, "; {was} blocks became {now}{factor}");
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
            if was_text == now_text {
                let _infallible = write!(clause, "; estimated cost {was_text} as before");
            } else {
                let factor = times(was, now);
                let _infallible = write!(clause, "; estimated cost {was_text} became {now_text}{factor}");
            }
            for (side, when) in [(old, "before"), (new, "after")] {
                if let Captured::DidNotFinish(_) = side {
                    let _infallible = write!(clause, ", cut off by the time limit {when}");
                }
            }
        }
    }
    clause
}

/// ` (376×)`; nothing for less work, where a share says no more than the two numbers.
fn times(before: f64, after: f64) -> String {
    let factor = after / before.max(1.0);
    match factor {
        factor if factor < 1.05 => String::new(),
        factor if factor < 9.95 => format!(" ({factor:.1}×)"),
        factor => format!(" ({}×)", grouped(factor.round() as u64)),
    }
}
