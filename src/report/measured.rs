//! What was measured on request: from a rehearsal to the report, and from there to words.

use super::human;
use super::v1::{self, IndexChangeKind, Query, Report};
use super::view::query_label;
use crate::diff::timing::{self, inside_the_noise};
use crate::rehearsal::Rehearsal;
use crate::snapshot::plan::PlanKey;
use crate::snapshot::write::Write;

/// What a query pays, where that was measured.
pub(super) fn writes(rehearsal: &Rehearsal, key: &PlanKey) -> Option<v1::Writes> {
    let cost = rehearsal.writes.iter().find(|cost| cost.key == *key)?;
    let side = |write: &Write| v1::Write {
        wal_bytes: write.wal_bytes,
        wal_records: write.wal_records,
        index_entries: write.index_entries(),
        at_most: write.at_most(),
        rows: write.rows(),
        hot_updates: write.hot_updates(),
        buffers: write.buffers,
        tables: write.table_names(),
    };
    Some(v1::Writes {
        before: cost.before.as_ref().map(side),
        after: cost.after.as_ref().map(side),
        reason: cost.reason.clone(),
    })
}

/// How long a query takes, where that was measured.
pub(super) fn time(rehearsal: &Rehearsal, key: &PlanKey) -> Option<v1::Time> {
    let turns = &rehearsal.times.iter().find(|time| time.key == *key)?.turns;
    let spread = |times: &[f64]| {
        let timing::Spread { median, min, max } = timing::Spread::of(times)?;
        Some(v1::Spread { median, min, max })
    };
    Some(v1::Time {
        before_ms: spread(&turns.before)?,
        after_ms: spread(&turns.after)?,
        runs: turns.before.len(),
        inside_the_noise: inside_the_noise(&turns.before, &turns.after),
    })
}

/// What the numbers below "What writes pay" are.
pub const WRITES_FOOTNOTE: &str = "One warm call each, on fresh copies, taken back. Page images after a checkpoint, and \
    what AFTER triggers and foreign keys write to the log, come on top.";

/// A row of "What writes pay": the query, its WAL, its index entries, its HOT updates; or why there is nothing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRow {
    /// The query.
    pub label: String,
    /// `412 → 655 WAL bytes (+59 %)`, and so on; one item where it did not run on both sides.
    pub cells: Vec<String>,
}

impl WriteRow {
    /// One of its cells; empty where it has fewer.
    pub fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map(String::as_str).unwrap_or_default()
    }
}

/// One row for each query that writes; empty where nothing was measured.
pub fn write_rows(report: &Report) -> Vec<WriteRow> {
    let measured = report.queries.iter().filter_map(|query| Some((query, query.writes.as_ref()?)));
    measured.map(|(query, writes)| WriteRow { label: query_label(query), cells: cells(writes) }).collect()
}

fn cells(writes: &v1::Writes) -> Vec<String> {
    if let (Some(before), Some(after)) = (&writes.before, &writes.after) {
        let mut cells = vec![wal(before, after), entries(before, after)];
        if before.hot_updates != after.hot_updates {
            cells.push(change(before.hot_updates, after.hot_updates, "HOT update"));
        }
        // Reads of a trigger, say: a few blocks more come with each index.
        if 2 * after.buffers >= 3 * before.buffers && after.buffers - before.buffers >= 20 {
            cells.push(change(before.buffers, after.buffers, "block touched"));
        }
        return cells;
    }
    let mut cells = vec![writes.reason.clone().unwrap_or_else(|| "not measured".to_owned())];
    for (when, side) in [("before", &writes.before), ("after", &writes.after)] {
        cells.extend(side.iter().map(|side| {
            format!("{when}: {}, {}", amount(side.wal_bytes, "WAL byte"), amount(side.index_entries, "index entry"))
        }));
    }
    cells
}

fn wal(before: &v1::Write, after: &v1::Write) -> String {
    let text = change(before.wal_bytes, after.wal_bytes, "WAL byte");
    if before.wal_bytes == 0 || before.wal_bytes == after.wal_bytes {
        return text;
    }
    let percent = (after.wal_bytes as f64 / before.wal_bytes as f64 - 1.0) * 100.0;
    format!("{text} ({percent:+.0} %)").replace('-', "−")
}

fn entries(before: &v1::Write, after: &v1::Write) -> String {
    let at_most = if before.at_most || after.at_most { "at most " } else { "" };
    format!("{at_most}{}", change(before.index_entries, after.index_entries, "index entry"))
}

/// `3 → 4 index entries`, `3 index entries as before`.
fn change(before: u64, after: u64, one: &str) -> String {
    if before == after {
        return format!("{} as before", amount(after, one));
    }
    format!("{} → {}", human::count(before), amount(after, one))
}

fn amount(number: u64, one: &str) -> String {
    let text = human::plural(usize::try_from(number).unwrap_or(usize::MAX), one);
    if number == 0 { text.replacen("no ", "0 ", 1) } else { text }
}

/// What hot queries that write to its table pay since an index is there: `create_order pays 412 → 655 WAL bytes …`.
/// `None` where that was not measured, or nothing pays more.
pub fn index_price(report: &Report, index: &v1::IndexChange) -> Option<String> {
    let on_its_table = |each: &&v1::IndexChange| each.change == IndexChangeKind::Created && each.table == index.table;
    if !on_its_table(&index) {
        return None;
    }
    let prices: Vec<String> = report
        .queries
        .iter()
        .filter_map(|query| {
            let writes = query.writes.as_ref()?;
            let (before, after) = (writes.before.as_ref()?, writes.after.as_ref()?);
            let pays = after.index_entries > before.index_entries && after.tables.contains(&index.table);
            pays.then(|| format!("{} {}, {}", query_label(query), wal(before, after), entries(before, after)))
        })
        .collect();
    if prices.is_empty() {
        return None;
    }
    let others = report.indexes.iter().filter(on_its_table).count() - 1;
    let shared = match others {
        0 => String::new(),
        some => format!(" (with {} of this table)", human::plural(some, "other new index")),
    };
    Some(format!("price a call{shared}: {}", prices.join("; ")))
}

/// `time 1.2 ms → 8.4 ms (9 runs, 1.1–1.4 / 8.0–9.9)`; `None` where it was not taken.
pub fn time_sentence(query: &Query) -> Option<String> {
    let time = query.time.as_ref()?;
    let (before, after) = (&time.before_ms, &time.after_ms);
    let range = |spread: &v1::Spread| format!("{}–{}", milliseconds(spread.min), milliseconds(spread.max));
    let noise = if time.inside_the_noise { ", inside the noise" } else { "" };
    Some(format!(
        "time {} → {} ms ({} runs, {} / {}){noise}",
        milliseconds(before.median),
        milliseconds(after.median),
        time.runs,
        range(before),
        range(after)
    ))
}

fn milliseconds(time: f64) -> String {
    if time < 0.9995 {
        format!("{time:.3}")
    } else if time < 99.95 {
        format!("{time:.1}")
    } else {
        format!("{time:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(wal_bytes: u64, index_entries: u64, hot_updates: u64) -> v1::Write {
        v1::Write {
            wal_bytes,
            wal_records: 1,
            index_entries,
            at_most: false,
            rows: 1,
            hot_updates,
            buffers: 9,
            tables: vec!["public.orders".to_owned()],
        }
    }

    fn writes(before: Option<v1::Write>, after: Option<v1::Write>, reason: Option<&str>) -> Vec<String> {
        cells(&v1::Writes { before, after, reason: reason.map(str::to_owned) })
    }

    #[test]
    fn the_price_of_an_index_is_told_in_bytes_and_entries() {
        assert_eq!(
            writes(Some(write(412, 3, 0)), Some(write(655, 4, 0)), None),
            ["412 → 655 WAL bytes (+59 %)", "3 → 4 index entries"]
        );
        assert_eq!(
            writes(Some(write(655, 4, 0)), Some(write(412, 3, 1)), None),
            ["655 → 412 WAL bytes (−37 %)", "4 → 3 index entries", "0 → 1 HOT update"]
        );
        let partial = v1::Write { at_most: true, ..write(412, 3, 0) };
        assert_eq!(
            writes(Some(partial.clone()), Some(partial), None),
            ["412 WAL bytes as before", "at most 3 index entries as before"]
        );
    }

    #[test]
    fn what_did_not_run_is_told_with_its_reason() {
        assert_eq!(writes(None, None, Some("no values")), ["no values"]);
        assert_eq!(
            writes(None, Some(write(1, 1, 0)), Some("before the migration: no")),
            ["before the migration: no", "after: 1 WAL byte, 1 index entry"]
        );
    }

    #[test]
    fn short_times_keep_their_digits() {
        assert_eq!(
            ["0.034", "0.100", "1.2", "99.9", "1250"],
            [0.0341, 0.1, 1.234, 99.94, 1250.4].map(milliseconds).as_ref()
        );
    }
}
