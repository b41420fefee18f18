//! For the person who is paged: which hot queries suffer and whose they are, what to do, and the way back, in that order.

use super::mark::Mark;
use super::text::{Block, prose};
use super::{RenderOptions, human, view, written};
use crate::report::v1::Report;
use askama::Template;

/// Hot queries, and things to do; all of them are among the findings.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "paged.html")]
struct Paged {
    heading: &'static str,
    queries: Vec<Affected>,
    more_queries: Option<String>,
    steps: Vec<(String, Option<Block>)>,
    more_steps: Option<String>,
    undo: Mark,
    undo_text: String,
    command: Option<Block>,
}

struct Affected {
    mark: Mark,
    name: String,
    owner: Option<String>,
    expected: String,
}

/// The section; `None` where no hot query is known to suffer.
pub(super) fn section(report: &Report, options: &RenderOptions) -> Option<String> {
    let paged = view::paged::paged(report, options.out_dir.as_deref())?;
    let more = |all: usize, noun| {
        let hidden = all.saturating_sub(SHOWN);
        (hidden > 0).then(|| format!("{} among the findings", human::more(hidden, noun)))
    };
    let (more_queries, more_steps) = (more(paged.queries.len(), "query"), more(paged.steps.len(), "step"));
    let queries = paged.queries.into_iter().take(SHOWN).map(|query| Affected {
        mark: Mark::from(query.tone),
        name: prose(query.name),
        owner: query.owner.map(prose),
        expected: prose(&query.expected),
    });
    let steps = paged.steps.into_iter().take(SHOWN);
    Some(written(&Paged {
        heading: view::paged::HEADING,
        queries: queries.collect(),
        more_queries,
        steps: steps.map(|step| (prose(&step.text), step.sql.as_deref().map(Block::of))).collect(),
        more_steps,
        undo: Mark::from(paged.undo.tone),
        undo_text: prose(&paged.undo.text),
        command: paged.undo.command.as_deref().map(Block::of),
    }))
}
