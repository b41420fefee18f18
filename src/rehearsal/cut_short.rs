//! A run that ended for a reason of the copy's own: production may well go on where it stopped. Pure.

use super::Rehearsal;
use super::foreign::{self, OutOfReach};

/// What only the copy stumbled over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The role lacks a right there (42501); whether production's role has it is unknown.
    NoRight,
    /// No copy can reach it.
    OutOfReach(OutOfReach),
}

/// Where a run ended that says nothing of production from there on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CutShort {
    /// The statement it ended at.
    pub statement: usize,
    /// Why.
    pub obstacle: Obstacle,
    /// Statements behind it: nothing is known about them.
    pub unseen: usize,
}

/// Whether the run was cut short; `None` when it ran to its end, or failed as it would anywhere.
pub(crate) fn cut_short(rehearsal: &Rehearsal) -> Option<CutShort> {
    let failure = rehearsal.failure.as_ref()?;
    let obstacle = match foreign::failure(rehearsal) {
        Some(reached) => Obstacle::OutOfReach(reached),
        None if failure.error.sqlstate == "42501" => Obstacle::NoRight,
        None => return None,
    };
    let statements = rehearsal.migrations.iter().flat_map(|migration| &migration.statements);
    let unseen = statements.filter(|statement| statement.index > failure.statement).count();
    Some(CutShort { statement: failure.statement, obstacle, unseen })
}

/// Whether there are statements nothing is known about.
pub(crate) fn leaves_unseen(rehearsal: &Rehearsal) -> bool {
    cut_short(rehearsal).is_some_and(|cut| cut.unseen > 0)
}
