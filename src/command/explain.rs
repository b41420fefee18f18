//! `explain ID`: what a finding means, an example that causes it, and one that does not. The meaning is the section of
//! `docs/findings.md`; the examples in `docs/examples/` are rehearsals that were run.

use super::{Stop, exit, print};
use crate::check::{IDS, ids};
use crate::workload::source::spelling::nearest;
use anyhow::anyhow;
use std::fmt::Write;

const FINDINGS: &str = include_str!("../../docs/findings.md");

/// An id, what causes it, and what does not.
type Example = (&'static str, &'static str, &'static str);

macro_rules! examples {
    ($($id:literal),* $(,)?) => {
        &[$((
            $id,
            include_str!(concat!("../../docs/examples/", $id, "/causes.md")),
            include_str!(concat!("../../docs/examples/", $id, "/avoids.md")),
        )),*]
    };
}

/// Every finding that is raised.
const EXAMPLES: &[Example] = examples![
    "apply/failed",
    "apply/violating-rows",
    "apply/needs-privilege",
    "apply/not-retryable",
    "lock/table-rewrite",
    "lock/full-scan",
    "lock/index-build",
    "lock/held-long",
    "lock/many-tables",
    "lock/no-timeout",
    "lock/large-update",
    "plan/regressed",
    "plan/query-broken",
    "plan/over-budget",
    "plan/did-not-finish",
    "plan/slower-same-plan",
    "plan/transient",
    "plan/unstable",
    "index/dropped-in-use",
    "index/invalid",
    "index/duplicate",
    "index/fk-unindexed",
    "index/unused",
    "data/destroyed",
    "data/narrowed",
    "schema/client-breaking",
    "schema/replica-identity",
    "schema/privileges",
    "schema/protection-off",
    "schema/identifier-truncated",
    "schema/key-near-limit",
    "rollback/irreversible",
    "rollback/rows-lost",
    "rollback/unmodelled",
    "rollback/down-differs",
    "config/not-measured",
    "config/unused-allow",
    "config/unknown-allow",
    "config/edited-applied",
    "config/no-hot-queries",
];

/// Prints the page of one finding, or the list of all.
pub(super) fn explain(id: Option<&str>) -> Result<u8, Stop> {
    let text = match id {
        None => list(),
        Some(id) => page(id).ok_or_else(|| {
            let meant =
                nearest(id, ids().iter().copied()).map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
            Stop::usage(anyhow!("no finding is called `{id}`{meant}; `seatrial explain` lists them all"))
        })?,
    };
    print(&text).map(|()| exit::CLEAN)
}

/// Every id with its severity.
fn list() -> String {
    let width = ids().iter().map(|id| id.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (id, severity, _) in IDS {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{id:width$}  {}", severity.name());
    }
    text
}

fn page(id: &str) -> Option<String> {
    let section = FINDINGS.split("\n### ").find(|section| section.starts_with(&format!("`{id}`\n")))?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let (heading, meaning) = section.split_once('\n')?;
    let mut text = format!("{}: {}\n", heading.trim_matches('`'), plain(meaning.trim()).trim_end());
    if let Some((_, causes, avoids)) = EXAMPLES.iter().find(|(known, ..)| *known == id) {
        // Writing into a string cannot fail.
        let _ = write!(text, "\nThis causes it:\n\n{}\nThis does not:\n\n{}", plain(causes), plain(avoids));
    }
    Some(text)
}

/// A page for a terminal: what is fenced is indented.
fn plain(markdown: &str) -> String {
    let mut fenced = false;
    let mut text = String::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else {
            text += if fenced && !line.is_empty() { "    " } else { "" };
            text += line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_a_page_and_every_one_that_is_raised_its_examples() {
        for id in ids() {
            let text = page(id).unwrap();
            let raised = !text.replace('\n', " ").contains("Not raised yet");
            assert_eq!(text.contains("This causes it:"), raised, "{id}");
            assert!(!text.contains("```"), "{id}: {text}");
        }
        assert_eq!(page("lock/table"), None);
        assert_eq!(list().lines().count(), ids().len());
    }
}
