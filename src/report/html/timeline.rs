//! Statements on an axis of time: how long each ran, whom its locks shut out for how long, and who waited for it.

use super::mark::Mark;
use super::text::{Block, name, prose};
use super::{budget, fitting, human, more, view, written};
use crate::report::v1::{Felt, Migration, Outcome, PassName, Report, Stall, Statement, Traffic};
use askama::Template;
use std::collections::BTreeMap;

/// Units of the drawings' own coordinates from left to right.
const WIDE: f64 = 1000.0;
/// The shortest bar that can be seen.
const SHORTEST: f64 = 2.0;
/// Parts the axis is divided into.
const PARTS: usize = 4;
/// Hot queries named at a glance that stalled behind one statement.
const STALLS: usize = 3;
/// The same where the statement is open.
const NAMED: usize = 50;
/// Statements drawn at most.
const DRAWN: usize = 300;

#[derive(Template)]
#[template(path = "timeline.html")]
struct Timeline {
    ticks: Vec<String>,
    end: String,
    groups: Vec<Group>,
    more: Option<String>,
    stalls: bool,
    bounds: &'static str,
}

struct Group {
    migration: String,
    transaction: String,
    rows: Vec<String>,
}

#[derive(Template)]
#[template(path = "statement.html")]
struct Row<'r> {
    statement: &'r Statement,
    sql_line: String,
    mark: Option<Mark>,
    time: String,
    bars: Vec<Bar>,
    told: String,
    chips: Vec<String>,
    waiting: Vec<String>,
    place: String,
    lines: Vec<String>,
    error: Option<String>,
    speaker: &'static str,
    sql: Block,
}

/// One bar, in units of the drawing.
struct Bar {
    class: &'static str,
    x: f64,
    y: usize,
    width: f64,
    height: usize,
}

/// The axis: from nothing to a round number that everything fits in, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    step: f64,
}

impl Axis {
    fn of(longest: f64) -> Self {
        let wanted = (longest / PARTS as f64).max(0.25);
        let power = 10_f64.powf(wanted.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|by| by * power).find(|step| *step >= wanted);
        Self { step: step.unwrap_or(wanted) }
    }

    fn units(self, milliseconds: f64) -> f64 {
        milliseconds / (self.step * PARTS as f64) * WIDE
    }

    fn bar(self, class: &'static str, (from, length): (f64, f64), (y, height): (usize, usize)) -> Bar {
        let width = self.units(length).clamp(SHORTEST, WIDE);
        Bar { class, x: self.units(from).clamp(0.0, WIDE - width), y, width, height }
    }
}

/// The section; `None` where nothing was pending.
pub(super) fn section(report: &Report) -> Option<String> {
    let mut stalls: BTreeMap<usize, Vec<&Stall>> = BTreeMap::new();
    // What waits behind other transactions waits for them, and not for the statement alone.
    let of_its_own = |felt: &Felt| felt.stalled && felt.pass != PassName::Queue;
    for stall in report.stalls.iter().filter(|stall| stall.felt.as_ref().is_none_or(of_its_own)) {
        if let Some(statement) = stall.statement {
            stalls.entry(statement).or_default().push(stall);
        }
    }
    let mut start = 0.0;
    let mut longest: f64 = 0.0;
    let mut placed: Vec<(usize, f64, &Statement)> = Vec::new();
    for (position, migration) in report.migrations.iter().enumerate() {
        for statement in &migration.statements {
            placed.push((position, start, statement));
            let waited = stalls.get(&statement.index).into_iter().flatten().map(|stall| stall.longest_ms);
            let reach = waited.fold(blocked(statement).max(time(statement)), f64::max);
            longest = longest.max(start + reach);
            start += time(statement);
        }
    }
    if placed.is_empty() {
        return None;
    }
    let axis = Axis::of(longest);
    // Those that hurt or fail come in first, however many there are; then they stand in the order they ran.
    let total = placed.len();
    placed.sort_by(|(_, _, left), (_, _, right)| {
        let failed = |statement: &Statement| statement.outcome != Outcome::Failed;
        let weight = |statement: &Statement| blocked(statement).max(time(statement));
        failed(left).cmp(&failed(right)).then(weight(right).total_cmp(&weight(left)))
    });
    placed.truncate(DRAWN);
    let (mut rows, _) = fitting(placed.iter(), budget::STATEMENTS, |(_, start, statement)| {
        let waiting = stalls.get(&statement.index).map(Vec::as_slice).unwrap_or_default();
        written(&row(statement, *start, axis, waiting, view::speaker(report)))
    });
    let mut shown: Vec<((usize, usize), String)> =
        placed.iter().map(|(position, _, statement)| (*position, statement.index)).zip(rows.drain(..)).collect();
    shown.sort();
    let left = total - shown.len();
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for ((position, _), html) in shown {
        match groups.last_mut() {
            Some((known, group)) if *known == position => group.rows.push(html),
            _ => groups.push((position, group(&report.migrations[position], html))),
        }
    }
    let ticks = (0..PARTS).map(|part| human::duration(axis.step * part as f64)).collect();
    Some(written(&Timeline {
        ticks,
        end: human::duration(axis.step * PARTS as f64),
        groups: groups.into_iter().map(|(_, group)| group).collect(),
        more: more(left, "statement"),
        stalls: !stalls.is_empty(),
        bounds: view::lower_bounds(report),
    }))
}

fn group(migration: &Migration, first: String) -> Group {
    use crate::report::v1::TransactionMode as T;
    let transaction = match migration.transaction {
        T::PerMigration => "one transaction",
        T::None => "each statement commits by itself",
        T::AllPending => "one transaction for all migrations",
        T::Explicit => "transactions as its script has them",
    };
    Group { migration: name(&view::migration_label(migration)), transaction: transaction.to_owned(), rows: vec![first] }
}

/// A report may hold anything: what is no time takes none.
fn time(statement: &Statement) -> f64 {
    usable(statement.duration_ms)
}

fn usable(milliseconds: f64) -> f64 {
    if milliseconds.is_finite() { milliseconds.clamp(0.0, 1e12) } else { 0.0 }
}

/// The longest time a lock of the statement makes somebody wait, in milliseconds.
fn blocked(statement: &Statement) -> f64 {
    let held = statement.locks.iter().filter(|lock| !lock.blocks.is_empty()).map(|lock| usable(lock.held_ms));
    held.fold(0.0, f64::max)
}

fn row<'r>(statement: &'r Statement, start: f64, axis: Axis, waiting: &[&Stall], speaker: &'static str) -> Row<'r> {
    let ran = statement.outcome != Outcome::NotRun;
    let mut bars = Vec::new();
    let mut chips = Vec::new();
    if ran {
        bars.push(axis.bar("ran", (start, time(statement)), (3, 6)));
    }
    // What shuts out reads as well is drawn over the full height of its lane, other locks over half of it.
    for (reads, class, place) in [(true, "shut", (11, 9)), (false, "half-shut", (15, 5))] {
        let of_kind = statement
            .locks
            .iter()
            .filter(|lock| !lock.blocks.is_empty() && lock.blocks.contains(&Traffic::Reads) == reads);
        if let Some(lock) = of_kind.max_by(|left, right| left.held_ms.total_cmp(&right.held_ms)) {
            bars.push(axis.bar(class, (start, usable(lock.held_ms)), place));
            chips.push(format!("{} {}", view::traffic(&lock.blocks, "+"), human::duration(lock.held_ms)));
        }
    }
    // Writes are shut out by the first already.
    if chips.len() == 2 && bars.len() == 3 && bars[1].width >= bars[2].width {
        bars.pop();
        chips.pop();
    }
    let told = |stall: &&Stall| format!("waited {}: {}", human::duration(stall.longest_ms), name(&stall.query));
    let mut worst: Vec<&Stall> = waiting.to_vec();
    worst.sort_by(|left, right| right.longest_ms.total_cmp(&left.longest_ms));
    if let Some(longest) = waiting.iter().map(|stall| usable(stall.longest_ms)).max_by(f64::total_cmp) {
        bars.push(axis.bar("stalled", (start, longest), (23, 4)));
    }
    let mut lines = view::lock_lines(statement, false);
    lines.extend(worst.iter().take(NAMED).map(|stall| {
        let (query, time) = (name(&stall.query), human::duration(stall.longest_ms));
        format!("{query} waited {time} behind it, beside the migration on another copy")
    }));
    lines.extend(view::work_lines(statement));
    if statement.wal_bytes > 0 {
        lines.push(format!("wrote {} of write-ahead log", human::bytes(statement.wal_bytes)));
    }
    if statement.rows_affected > 0 {
        lines.push(format!("changed {} rows", human::count(statement.rows_affected)));
    }
    let (mark, time) = match statement.outcome {
        Outcome::Ok => (None, human::duration(statement.duration_ms)),
        Outcome::Failed => (Some(Mark::from(view::Tone::Bad)), "failed".to_owned()),
        Outcome::NotRun => (Some(Mark::from(view::Tone::Unknown)), "not run".to_owned()),
    };
    let error = (statement.outcome == Outcome::Failed).then(|| prose(&view::refusal(statement)));
    let mut stalled: Vec<String> = worst.iter().take(STALLS).map(told).collect();
    if worst.len() > STALLS {
        stalled.push(human::more(worst.len() - STALLS, "hot query"));
    }
    let mut spoken = vec![time.clone()];
    spoken.extend(chips.iter().map(|chip| format!("blocks {chip}")));
    Row {
        statement,
        sql_line: view::sql_line(&statement.sql, 120),
        mark,
        time,
        bars,
        told: spoken.join(", "),
        chips,
        waiting: stalled,
        place: view::statement_place(statement),
        lines,
        error,
        speaker,
        sql: Block::of(&statement.sql),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number_that_everything_fits_in() {
        for (longest, step) in
            [(0.0, 0.25), (1.0, 0.25), (3.9, 1.0), (363.0, 100.0), (2331.0, 1000.0), (41_000.0, 20_000.0)]
        {
            let axis = Axis::of(longest);
            assert!((axis.step - step).abs() < 1e-9, "{longest}: {axis:?}");
            assert!(axis.units(longest) <= WIDE);
        }
    }

    #[test]
    fn no_bar_leaves_the_drawing_and_none_is_too_short_to_see() {
        let axis = Axis::of(1000.0);
        for (from, length) in [(0.0, 0.0), (999.0, 500.0), (5000.0, 1.0), (0.0, 1e12)] {
            let bar = axis.bar("ran", (from, length), (0, 1));
            assert!(bar.x >= 0.0 && bar.width >= SHORTEST && bar.x + bar.width <= WIDE + 1e-9, "{from} {length}");
        }
        assert_eq!(usable(f64::NAN), 0.0);
    }
}
