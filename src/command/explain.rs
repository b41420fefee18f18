//! `explain ID`: what a finding means, an example that causes it, and one that does not. The examples in
//! `docs/examples/` are rehearsals that were run.

use super::{Stop, exit, print};
use crate::check::{IDS, KINDS, Kind};
use crate::workload::source::spelling::nearest;
use anyhow::anyhow;
use std::fmt::Write;

/// Prints the page of one finding, or the list of all.
pub(super) fn explain(id: Option<&str>) -> Result<u8, Stop> {
    let text = match id {
        None => list(),
        Some(id) => page(KINDS.iter().find(|kind| kind.id == id).ok_or_else(|| {
            let meant = nearest(id, IDS.iter().copied())
                .map_or_else(|| ";".to_owned(), |near| format!(": did you mean `{near}`?"));
            Stop::usage(anyhow!("no finding is called `{id}`{meant} `seatrial explain` lists them all"))
        })?),
    };
    print(&text).map(|()| exit::CLEAN)
}

/// Every id with its severity.
fn list() -> String {
    let width = IDS.iter().map(|id| id.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Kind { id, severity, .. } in KINDS {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{id:width$}  {}", severity.name());
    }
    text
}

fn page(kind: &Kind) -> String {
    let mut text = format!("{}: {}", kind.id, plain(&kind.page()));
    if let Some(examples) = kind.examples {
        let (causes, avoids) = (plain(examples.causes), plain(examples.avoids));
        // Writing into a string cannot fail.
        let _ = write!(text, "\nThis causes it:\n\n{causes}\nThis does not:\n\n{avoids}");
    }
    text
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
mod tests {
    use super::*;

    #[test]
    fn an_id_nobody_knows_is_refused_with_the_one_that_was_meant() {
        let told = |id| explain(Some(id)).map_err(|stop| stop.error.to_string());
        assert_eq!(
            told("lock/full-scam"),
            Err("no finding is called `lock/full-scam`: did you mean `lock/full-scan`? `seatrial explain` lists them all".into())
        );
        assert_eq!(told("x"), Err("no finding is called `x`; `seatrial explain` lists them all".into()));
    }

    #[test]
    fn a_page_shows_no_markdown_fences_and_the_list_has_a_line_for_each() {
        for kind in KINDS {
            let text = page(kind);
            assert_eq!(text.contains("This causes it:"), kind.examples.is_some(), "{}", kind.id);
            assert!(!text.contains("```"), "{}: {text}", kind.id);
        }
        assert_eq!(list().lines().count(), KINDS.len());
    }
}
