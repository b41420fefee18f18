//! The index ledger: what changed, how large it is, and which hot queries use it.

use super::mark::Mark;
use super::text::prose;
use super::{budget, fitting, human, more, view, written};
use crate::report::measured;
use crate::report::v1::{IndexChange, IndexChangeKind, Report};
use askama::Template;

#[derive(Template)]
#[template(path = "indexes.html")]
struct Indexes {
    changed: usize,
    entries: Vec<String>,
    more: Option<String>,
}

#[derive(Template)]
#[template(path = "index.html")]
struct Entry<'r> {
    index: &'r IndexChange,
    mark: Mark,
    sizes: Vec<Size>,
    usage: String,
    price: Option<String>,
    definitions: Vec<(char, String)>,
}

/// One size as a bar, against the largest of all changed indexes.
struct Size {
    name: &'static str,
    width: f64,
    told: String,
}

/// The section; `None` where no index changed.
pub(super) fn section(report: &Report) -> Option<String> {
    if report.indexes.is_empty() {
        return None;
    }
    // Those that hurt first, and last those that are what they were.
    let mut indexes: Vec<&IndexChange> = report.indexes.iter().collect();
    indexes.sort_by_key(|index| {
        (view::index_tone(report, index) != view::Tone::Bad, index.change == IndexChangeKind::Rebuilt)
    });
    let sizes = report.indexes.iter().flat_map(|index| [index.bytes_before, index.bytes_after]).flatten();
    let largest = sizes.max().unwrap_or_default();
    let (entries, left) =
        fitting(indexes.into_iter(), budget::INDEXES, |index| written(&entry(report, index, largest)));
    Some(written(&Indexes { changed: report.indexes.len(), entries, more: more(left, "index") }))
}

fn entry<'r>(report: &Report, index: &'r IndexChange, largest: u64) -> Entry<'r> {
    let size = |name, bytes: Option<u64>| {
        bytes.map(|bytes| Size {
            name,
            width: if largest > 0 { bytes as f64 / largest as f64 * 1000.0 } else { 0.0 },
            told: human::bytes(bytes),
        })
    };
    Entry {
        index,
        mark: Mark::from(view::index_tone(report, index)),
        sizes: [size("before", index.bytes_before), size("after", index.bytes_after)].into_iter().flatten().collect(),
        usage: prose(&view::index_usage(index)),
        price: measured::index_price(report, index).map(|price| prose(&price)),
        definitions: view::index_definitions(index).into_iter().map(|(sign, sql)| (sign, prose(sql))).collect(),
    }
}
