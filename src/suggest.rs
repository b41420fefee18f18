//! Safer ways to the same schema: for each statement that was found to keep others waiting, the statements that reach
//! what it reaches without that, written for exactly this migration.
//!
//! Pure. A form is one file of this folder and one line of [`FORMS`]; those of `ALTER TABLE` are lines of
//! [`alter::ACTIONS`], since one statement may have several. Where nothing safer reaches the same schema, or a statement
//! is not understood for certain, nothing is suggested. Whoever shows a suggestion rehearses it before.

mod alter;
mod batches;
mod context;
mod drop_index;
pub mod files;
mod index;
mod names;
mod partition;
mod partitioned_index;
mod refresh;
mod reindex;
mod timeout;
mod update;

#[cfg(test)]
mod fixture;

use crate::check::Finding;
use crate::rehearsal::Rehearsal;
use context::Context;
use std::collections::BTreeSet;

/// Statements that reach the same as one statement of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// [`crate::migration::Statement::index`] of the statement they take the place of.
    pub statement: usize,
    /// Short names of the forms, for people.
    pub forms: Vec<&'static str>,
    /// Ids of the findings at the statement that are meant to go away.
    pub answers: Vec<String>,
    /// In the order they run. What stands behind the statement in the migration runs in a transaction of its own, unless
    /// every step is [`StepTransaction::Together`].
    pub steps: Vec<Step>,
}

/// One statement of a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Without a semicolon at its end.
    pub sql: String,
    /// Where it runs.
    pub transaction: StepTransaction,
    /// What it is for, in one clause.
    pub why: &'static str,
}

/// The transaction a step runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepTransaction {
    /// That of whatever stands before it: the step before, for the first one the migration's own statements. Outside any
    /// transaction if that is.
    Together,
    /// One that begins with it: what stands before is committed.
    Own,
    /// None: it commits by itself, more than once, and must be sent alone.
    Outside,
}

/// A step before it is known whether it needs a `lock_timeout`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Draft {
    step: Step,
    /// It takes a lock that makes reads or writes wait, if only for a moment.
    blocks: bool,
}

impl Draft {
    fn new(sql: String, transaction: StepTransaction, why: &'static str) -> Self {
        Self { step: Step { sql, transaction, why }, blocks: false }
    }

    /// One that takes such a lock.
    fn blocking(sql: String, transaction: StepTransaction, why: &'static str) -> Self {
        Self { blocks: true, ..Self::new(sql, transaction, why) }
    }
}

/// What a form makes of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    forms: Vec<&'static str>,
    answers: BTreeSet<&'static str>,
    drafts: Vec<Draft>,
}

impl Written {
    fn new(form: &'static str, answers: &[&'static str], drafts: Vec<Draft>) -> Self {
        Self { forms: vec![form], answers: answers.iter().copied().collect(), drafts }
    }
}

/// What is found about any form that lets go of its strong lock early, or takes none.
const SHORTER: [&str; 3] = ["lock/held-long", "lock/stall", "lock/queue-behind"];

/// A form: reads one statement, and writes what is safer if it is the statement the form is for.
type Form = fn(&Context<'_>) -> Option<Written>;

/// Every form; a statement is only ever one for one of them.
#[rustfmt::skip]
const FORMS: &[Form] = &[
    index::write,
    partitioned_index::write,
    drop_index::write,
    reindex::write,
    refresh::write,
    alter::write,
    partition::detach,
    partition::attach,
    update::write,
];

/// Everything safer that is known, in the order of the statements: at most one for each.
pub fn suggestions(rehearsal: &Rehearsal, findings: &[Finding]) -> Vec<Suggestion> {
    let statements = rehearsal.migrations.iter().flat_map(|migration| &migration.statements);
    statements
        .filter_map(|statement| {
            let context = Context::of(rehearsal, statement, findings)?;
            suggestion(&context)
        })
        .collect()
}

fn suggestion(context: &Context<'_>) -> Option<Suggestion> {
    let fits = |written: &Written| written.answers.iter().any(|id| context.found.contains(id));
    let written = FORMS.iter().find_map(|form| form(context).filter(fits)).or_else(|| timeout::write(context))?;
    let mut answers: Vec<String> =
        context.found.iter().filter(|id| written.answers.contains(*id)).map(|id| (*id).to_owned()).collect();
    let steps = timeout::limit(context, written.drafts);
    // Under a limit, or without the lock that needed one.
    if context.found.contains(timeout::NO_TIMEOUT) && !answers.iter().any(|id| id == timeout::NO_TIMEOUT) {
        answers.push(timeout::NO_TIMEOUT.to_owned());
    }
    Some(Suggestion { statement: context.statement.index, forms: written.forms, answers, steps })
}
