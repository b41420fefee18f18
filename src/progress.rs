//! Progress for people, on stderr: one plain line for each thing begun.

use std::io::Write;

/// Where progress goes.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// Says nothing when `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// One line.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            // A closed stderr is no reason to stop rehearsing.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }
}
