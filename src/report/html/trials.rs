//! What was tried and measured on request: the migration beside hot queries, run again where it stopped, and writes.

use super::mark::Mark;
use super::text::{Block, name, prose};
use super::{budget, fitting, human, more, view, written};
use crate::report::measured::{self, WriteRow};
use crate::report::v1::{Felt, PassName, Report, Stall};
use askama::Template;

#[derive(Template)]
#[template(path = "trials.html")]
struct Trials {
    sections: Vec<Told>,
    figures: Vec<String>,
    more_figures: Option<String>,
    writes: Vec<WriteRow>,
    more_writes: Option<String>,
    footnote: &'static str,
}

struct Told {
    heading: &'static str,
    rows: Vec<(Mark, String, Option<Block>)>,
    more: Option<String>,
}

/// The longest call of each moment, as columns.
#[derive(Template)]
#[template(path = "calls.html")]
struct Calls {
    query: String,
    told: String,
    longest: String,
    columns: Vec<(f64, f64, f64)>,
    from: f64,
    until: f64,
    seconds: String,
}

impl Calls {
    /// Nine tenths of a step, so that columns can be told apart.
    fn wide(&self) -> f64 {
        WIDE / self.columns.len().max(1) as f64 * 0.9
    }
}

/// Rows of one list.
const ROWS: usize = 100;
/// Columns of one figure.
const COLUMNS: usize = 600;
/// Units of a drawing, across.
const WIDE: f64 = 1000.0;
/// Units of a drawing, down.
const HIGH: f64 = 60.0;

/// The section; `None` where nothing was asked for.
pub(super) fn section(report: &Report) -> Option<String> {
    let tried = view::trials::sections(report);
    let writes = measured::write_rows(report);
    if tried.is_empty() && writes.is_empty() {
        return None;
    }
    let sections = tried.into_iter().map(|section| Told {
        heading: section.heading,
        more: more(section.rows.len().saturating_sub(ROWS), "line"),
        rows: section
            .rows
            .into_iter()
            .take(ROWS)
            .map(|row| {
                let sql = (!row.sql.is_empty()).then(|| Block::of(&(row.sql.join("\n") + "\n")));
                (Mark::from(row.tone), prose(&row.text), sql)
            })
            .collect(),
    });
    let mut stalls: Vec<(&Stall, &Felt)> =
        report.stalls.iter().filter_map(|stall| Some((stall, stall.felt.as_ref()?))).collect();
    stalls.retain(|(_, felt)| felt.stalled && !felt.timeline_ms.is_empty());
    stalls.sort_by(|(left, _), (right, _)| right.longest_ms.total_cmp(&left.longest_ms));
    let (figures, left) = fitting(stalls.into_iter(), budget::TRIALS, |(stall, felt)| written(&calls(stall, felt)));
    Some(written(&Trials {
        sections: sections.collect(),
        figures,
        more_figures: more(left, "hot query"),
        more_writes: more(writes.len().saturating_sub(ROWS), "query"),
        writes: writes.into_iter().take(ROWS).collect(),
        footnote: measured::WRITES_FOOTNOTE,
    }))
}

fn calls(stall: &Stall, felt: &Felt) -> Calls {
    // Several steps are one column where there are more than can be told apart.
    let together = felt.timeline_ms.len().div_ceil(COLUMNS).max(1);
    let longest_of = |steps: &[f64]| steps.iter().copied().fold(0.0, f64::max);
    let columns: Vec<f64> = felt.timeline_ms.chunks(together).map(longest_of).collect();
    let most = longest_of(&columns).max(1e-9);
    let wide = WIDE / columns.len() as f64;
    let column = |(at, longest): (usize, &f64)| {
        let high = (longest / most * HIGH).clamp(0.0, HIGH);
        (at as f64 * wide, HIGH - high, high)
    };
    let whole = felt.step_ms * (columns.len() * together) as f64;
    let at = |milliseconds: f64| if whole > 0.0 { (milliseconds / whole * WIDE).clamp(0.0, WIDE) } else { 0.0 };
    let beside = match felt.pass {
        PassName::Queue => "with transactions open on the migration's tables",
        _ => "beside the migration",
    };
    Calls {
        query: name(&stall.query),
        told: format!(
            "longest call in each {} {beside}: {}, {} otherwise",
            human::duration(felt.step_ms),
            human::duration(stall.longest_ms),
            human::duration(felt.usual_ms)
        ),
        longest: human::duration(most),
        columns: columns.iter().enumerate().map(column).collect(),
        from: at(felt.began_ms),
        until: at(felt.ended_ms),
        seconds: human::duration(whole),
    }
}
