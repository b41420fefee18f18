//! What a finding can be: its id, and all that is true of every finding of that id.

use super::CHECKS;
use crate::report::v1::Severity;

/// The question a finding bears on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Does it run to the end on this data?
    Applies,
    /// Whom does it block?
    Blocks,
    /// What gets slower?
    Slower,
    /// Can it be undone?
    Undoable,
    /// None of the four.
    None,
}

impl Answer {
    const ALL: [Self; 5] = [Self::Applies, Self::Blocks, Self::Slower, Self::Undoable, Self::None];

    /// As in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applies => "applies",
            Self::Blocks => "blocks",
            Self::Slower => "slower",
            Self::Undoable => "undoable",
            Self::None => "none",
        }
    }

    /// Heading of its findings.
    const fn heading(self) -> &'static str {
        match self {
            Self::Applies => "Applies: does it run to the end, and what do others notice?",
            Self::Blocks => "Blocks: whom does it block?",
            Self::Slower => "Slower: what gets slower?",
            Self::Undoable => "Undoable: can it be undone?",
            Self::None => "The rehearsal itself",
        }
    }
}

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Never renamed: people allow findings and set what they count as by it.
    pub id: &'static str,
    /// What it counts as, unless its check or the project knows better.
    pub severity: Severity,
    /// The answer it bears on.
    pub answer: Answer,
    /// From when on it is raised, in Markdown, as deep as its code.
    meaning: &'static str,
    /// A migration that causes it and one that does not, in Markdown; nothing as long as no check raises it.
    pub examples: Option<Examples>,
}

/// What [`examples!`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Examples {
    /// A migration that causes the finding, with what was found.
    pub causes: &'static str,
    /// One that does not.
    pub avoids: &'static str,
}

/// The examples of a finding, which the scenarios write and compare with what they rehearse.
macro_rules! examples {
    ($id:literal) => {
        Some($crate::check::kind::Examples {
            causes: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/", $id, "/causes.md")),
            avoids: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/", $id, "/avoids.md")),
        })
    };
}
pub(super) use examples;

impl Kind {
    /// One without examples yet.
    pub(super) const fn new(id: &'static str, severity: Severity, answer: Answer, meaning: &'static str) -> Self {
        Self { id, severity, answer, meaning, examples: None }
    }

    /// The same with its examples.
    pub(super) const fn with(self, examples: Option<Examples>) -> Self {
        Self { examples, ..self }
    }

    /// From when on it is raised, in Markdown.
    pub fn meaning(&self) -> String {
        self.meaning.trim().lines().map(str::trim_start).collect::<Vec<_>>().join("\n")
    }

    /// Its section below the heading, in Markdown: severity and answer, and what it means.
    pub fn page(&self) -> String {
        format!("{} · {}\n\n{}\n", self.severity.name(), self.answer.name(), self.meaning())
    }
}

/// How many kinds there are.
const COUNT: usize = {
    let (mut count, mut check) = (0, 0);
    while check < CHECKS.len() {
        count += CHECKS[check].kinds.len();
        check += 1;
    }
    count
};

/// Every kind of finding, in the order of the checks.
pub const KINDS: &[&Kind] = &{
    let mut all = [CHECKS[0].kinds[0]; COUNT];
    let (mut at, mut check) = (0, 0);
    while check < CHECKS.len() {
        let mut kind = 0;
        while kind < CHECKS[check].kinds.len() {
            all[at] = CHECKS[check].kinds[kind];
            at += 1;
            kind += 1;
        }
        check += 1;
    }
    all
};

/// Their ids.
pub const IDS: &[&str] = &{
    let mut all = [""; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = KINDS[at].id;
        at += 1;
    }
    all
};

/// What `docs/findings.md` says of them, below its introduction.
pub fn sections() -> String {
    let mut text = String::new();
    for answer in Answer::ALL {
        text += &format!("## {}\n\n", answer.heading());
        for kind in KINDS.iter().filter(|kind| kind.answer == answer) {
            text += &format!("### `{}`\n{}\n", kind.id, kind.page());
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids = IDS.to_vec();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), COUNT);
    }

    #[test]
    fn a_finding_is_explained_and_has_examples_exactly_if_a_check_raises_it() {
        for kind in KINDS {
            let said = kind.page().replace('\n', " ");
            assert!(said.len() > 60, "{}: {said}", kind.id);
            assert_eq!(said.contains("Not raised yet"), kind.examples.is_none(), "{}: {said}", kind.id);
        }
    }
}
