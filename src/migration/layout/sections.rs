//! What layouts share that keep both directions of a migration in one file, told apart by lines of their own.

use super::{MigrationError, MigrationFile};
use std::ops::Range;

/// The lines of a text without their ends, each with where it begins.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        (start, line.strip_suffix('\r').unwrap_or(line))
    })
}

/// A range without the whitespace around it.
pub(crate) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + (inside.len() - inside.trim_start().len());
    start..start + inside.trim().len()
}

/// What a runner stops at in a file. It only reads what it is about to run, so a file that is applied already may hold
/// anything: this waits until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Byte of the file.
    pub offset: usize,
    /// What, and the next step.
    pub reason: String,
}

impl Broken {
    /// Remembers it.
    pub fn mark(&self, file: &mut MigrationFile) {
        let line = file.file().position(self.offset).line;
        file.attributes.insert("broken_line".to_owned(), line.to_string());
        file.attributes.insert("broken".to_owned(), self.reason.clone());
    }

    /// Refuses a file that was marked.
    ///
    /// # Errors
    /// What was remembered.
    pub fn refuse(file: &MigrationFile) -> Result<(), MigrationError> {
        let Some(reason) = file.attribute("broken") else { return Ok(()) };
        let line = file.attribute("broken_line").and_then(|line| line.parse().ok()).unwrap_or(1);
        Err(MigrationError::Content { file: file.file().name.clone(), line, reason: reason.to_owned() })
    }
}
