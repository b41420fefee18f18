//! Cutting text into statements: all at once, or resumable for dumps fed line by line.

use super::{ScriptError, ScriptErrorKind};
use std::ops::Range;

/// The byte span of every statement, without its semicolon and without comments and whitespace around it.
///
/// # Errors
/// Something begins and never ends, a psql command, or `COPY … FROM STDIN`.
pub fn split(text: &str) -> Result<Vec<Range<usize>>, ScriptError> {
    let _ = text;
    Ok(Vec::new())
}

/// One statement that [`Splitter`] found complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatement {
    /// Without its semicolon and without comments and whitespace around it.
    pub text: String,
    /// 1-based line of its first byte, as given to [`Splitter::push`].
    pub line: usize,
}

/// What [`Splitter`] could not cut, with the 1-based line where it begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct LineError {
    /// 1-based line.
    pub line: usize,
    /// What is wrong there.
    pub kind: ScriptErrorKind,
}

/// Cuts text of any size into statements, one line at a time. Each byte is looked at once.
///
/// `COPY … FROM stdin` is an ordinary statement here: the caller sees it complete (`kind` tells) and keeps the rows
/// that follow to itself instead of pushing them.
#[derive(Debug, Default)]
pub struct Splitter {}

impl Splitter {
    /// Before the first line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line, its line ending included, and returns the statements that end in it.
    ///
    /// `number` is the line's 1-based number in the caller's file: lines kept back do not disturb the count.
    ///
    /// # Errors
    /// A psql command; look for those with [`Splitter::is_between_statements`] before pushing.
    pub fn push(&mut self, number: usize, line: &str) -> Result<Vec<LineStatement>, LineError> {
        let _ = (number, line);
        Ok(Vec::new())
    }

    /// True when nothing is open: no statement has begun and no comment is unfinished.
    pub fn is_between_statements(&self) -> bool {
        true
    }

    /// The end of the text: a last statement without a semicolon, if there is one.
    ///
    /// # Errors
    /// Something begins and never ends.
    pub fn finish(self) -> Result<Option<LineStatement>, LineError> {
        Ok(None)
    }
}
