//! How a word should be taken, for eyes, for those who see no colours, and for those who listen.

use crate::report::view::Tone;

/// A tone on the page: its colour is the class, its mark and its word say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Class of the style sheet.
    pub class: &'static str,
    /// `✓`, `!`, `✗`, `?`.
    pub sign: char,
}

impl From<Tone> for Mark {
    fn from(tone: Tone) -> Self {
        let class = match tone {
            Tone::Good => "good",
            Tone::Caution => "caution",
            Tone::Bad => "bad",
            Tone::Unknown => "unknown",
        };
        Self { class, sign: tone.mark() }
    }
}

impl Mark {
    /// Neither good nor bad.
    pub const NOTE: Self = Self { class: "note", sign: '·' };
}
