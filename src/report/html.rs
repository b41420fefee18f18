//! The report as one page for a browser: self-contained, without network, readable without JavaScript.
//!
//! Everything shown may come from strangers. It reaches the page through [`Visible`], which every template applies
//! unless it says `safe`, and the page's policy lets the browser run and draw nothing but what stands in it.

mod assumptions;
mod findings;
mod indexes;
mod mark;
mod paged;
mod plans;
mod queries;
mod rollback;
mod text;
mod timeline;
mod trials;

pub use text::Visible;

use super::v1::Report;
use super::view::{self, AnswerLine, Tone};
use super::{RenderOptions, human};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mark::Mark;
use sha2::{Digest, Sha256};

/// The page's only style.
const STYLE: &str = include_str!("html/style.css");
/// The page's only script.
const SCRIPT: &str = include_str!("html/script.js");

/// Bytes of the parts that grow with a report. A page of all of them together is about 4 MB, which browsers on phones
/// still scroll well; what does not fit is counted, worst first, and stands in `report.json`.
mod budget {
    /// Findings.
    pub const FINDINGS: usize = 1_200_000;
    /// Statements of the timeline.
    pub const STATEMENTS: usize = 600_000;
    /// Hot queries with their plans.
    pub const QUERIES: usize = 1_500_000;
    /// Indexes.
    pub const INDEXES: usize = 200_000;
    /// Scripts.
    pub const SCRIPTS: usize = 600_000;
    /// Trials and writes.
    pub const TRIALS: usize = 200_000;
    /// Sentences of one list, such as conditions.
    pub const SENTENCES: usize = 200;
}

/// Renders the whole page.
pub fn render(report: &Report, options: &RenderOptions) -> String {
    let parts = [
        ("paged", view::paged::HEADING, paged::section(report, options)),
        ("migrations", "Migrations", migrations(report)),
        ("findings", "Findings", Some(findings::section(report))),
        ("timeline", "Timeline", timeline::section(report)),
        ("queries", "Hot queries", queries::section(report)),
        ("indexes", "Indexes", indexes::section(report)),
        ("trials", "Tried", trials::section(report)),
        ("rollback", "Rollback", Some(rollback::section(report))),
        ("basis", "Basis", Some(assumptions::section(report, options))),
    ];
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        report,
        title: format!("Seatrial: {}, {}", report.verdict.name(), view::tally(report)),
        verdict: Mark::from(Tone::from(report.verdict)),
        verdict_word: report.verdict.name(),
        answers: view::answers(report),
        parts: parts.into_iter().filter_map(|(id, name, part)| Some((id, name, part?))).collect(),
    };
    written(&page)
}

/// What a template makes of its values.
fn written(template: &impl Template) -> String {
    let mut out = template.render().expect("writing to memory cannot fail");
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// What the browser may do with the page: apply the style and run the script whose hashes these are, and nothing else.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'r> {
    policy: String,
    style: &'static str,
    script: &'static str,
    report: &'r Report,
    title: String,
    verdict: Mark,
    verdict_word: &'static str,
    answers: [AnswerLine<'r>; 4],
    /// Its place in the page, its name in the list of places, and its text.
    parts: Vec<(&'static str, &'static str, String)>,
}

impl Page<'_> {
    fn mark(&self, answer: &AnswerLine<'_>) -> Mark {
        Mark::from(answer.tone)
    }

    fn rehearsed(&self) -> String {
        view::rehearsed(self.report)
    }
}

/// Rows of migrations that are shown; the rest is counted.
const MIGRATIONS: usize = 500;

#[derive(Template)]
#[template(path = "migrations.html")]
struct Migrations {
    columns: [&'static str; 4],
    rows: Vec<(String, [(Mark, String); 4])>,
    more: Option<String>,
}

fn migrations(report: &Report) -> Option<String> {
    if report.migrations.is_empty() {
        return None;
    }
    let rows = report.migrations.iter().take(MIGRATIONS).map(|migration| {
        let cells = view::migration_cells(migration).map(|(tone, word)| (Mark::from(tone), word));
        (text::prose(&view::migration_label(migration)), cells)
    });
    Some(written(&Migrations {
        columns: view::MIGRATION_COLUMNS,
        rows: rows.collect(),
        more: more(report.migrations.len().saturating_sub(MIGRATIONS), "migration"),
    }))
}

/// `3 more findings in report.json`.
fn more(number: usize, noun: &str) -> Option<String> {
    (number > 0).then(|| format!("{} in report.json", human::more(number, noun)))
}

/// Items in their order while they fit, and how many did not. One that does not fit ends the list, so that what is
/// there is always worse than what is not.
fn fitting<T>(
    items: impl ExactSizeIterator<Item = T>,
    budget: usize,
    mut html: impl FnMut(T) -> String,
) -> (Vec<String>, usize) {
    let mut left = items.len();
    let mut used = 0;
    let mut shown = Vec::new();
    for item in items {
        let text = html(item);
        used += text.len();
        if used > budget {
            break;
        }
        shown.push(text);
        left -= 1;
    }
    (shown, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_shown_and_the_rest_is_counted() {
        let show = |budget| fitting([3_usize, 2, 4, 1].into_iter(), budget, |length| "x".repeat(length));
        assert_eq!(show(10), (vec!["xxx".to_owned(), "xx".to_owned(), "xxxx".to_owned(), "x".to_owned()], 0));
        assert_eq!(show(8), (vec!["xxx".to_owned(), "xx".to_owned()], 2), "nothing jumps the queue");
        assert_eq!(show(0).1, 4);
    }

    #[test]
    fn style_and_script_can_stand_in_a_page_as_they_are() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--") && !text.contains('\r'));
        }
    }
}
