//! Which statement, and which object, made something change. Pure.

use super::{Cause, PlanChange, Rehearsal};
use crate::diff::plan::strict_fingerprint;
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::observation::Observation;
use crate::observation::lock::LockMode;
use crate::snapshot::Oid;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey};
use std::collections::BTreeSet;

/// Fills in the cause of every plan that needs one, from the plans seen after each statement.
pub(super) fn assign(rehearsal: &mut Rehearsal, steps: &[(usize, Vec<PlanCapture>)]) {
    let mut plans = std::mem::take(&mut rehearsal.plans);
    for change in plans.iter_mut().filter(|change| change.verdict.needs_cause()) {
        change.cause = cause(rehearsal, change, steps);
    }
    rehearsal.plans = plans;
}

fn cause(rehearsal: &Rehearsal, change: &PlanChange, steps: &[(usize, Vec<PlanCapture>)]) -> Cause {
    let mut statements: BTreeSet<usize> = steps
        .windows(2)
        .filter(|pair| fingerprint(&pair[0].1, &change.key) != fingerprint(&pair[1].1, &change.key))
        .map(|pair| pair[1].0)
        .collect();
    let relations = relations(rehearsal, &change.key);
    let mut objects = BTreeSet::new();
    for index in &rehearsal.indexes {
        let used = index.used_by_before.iter().chain(&index.used_by_after).any(|query| *query == change.key.query);
        if used && index.statement.is_some_and(|statement| statements.is_empty() || statements.contains(&statement)) {
            objects.insert(index.name.clone());
            statements.extend(index.statement);
        }
    }
    // The plan is the same and the work is not: whoever rewrote or changed rows of its tables.
    for observation in &rehearsal.observations {
        let works = observation.rewritten.iter().chain(&observation.changed);
        for work in works.filter(|work| relations.contains(&work.table) || relations.contains(&work.name)) {
            if statements.is_empty() || statements.contains(&observation.statement) || objects.is_empty() {
                statements.insert(observation.statement);
                objects.insert(work.name.clone());
            }
        }
    }
    if objects.is_empty() {
        objects = relations;
    }
    Cause { statements: statements.into_iter().collect(), objects: objects.into_iter().collect() }
}

fn fingerprint(captures: &[PlanCapture], key: &PlanKey) -> Option<String> {
    captures.iter().find(|capture| capture.key == *key).and_then(|capture| match &capture.captured {
        Captured::Failed { sqlstate, .. } => Some(sqlstate.clone()),
        captured => captured.plan().map(strict_fingerprint),
    })
}

/// Tables the query read before or after, as locks name them.
fn relations(rehearsal: &Rehearsal, key: &PlanKey) -> BTreeSet<String> {
    [&rehearsal.before, &rehearsal.right_after]
        .into_iter()
        .flatten()
        .flat_map(|snapshot| &snapshot.plans)
        .filter(|capture| capture.key == *key)
        .filter_map(|capture| capture.captured.plan())
        .flat_map(|plan| plan.relations())
        .map(|relation| relation.qualified())
        .collect()
}

/// The statement that changed a relation: one that took a strong lock on it and names what changed, else the first
/// that took the lock.
pub(crate) fn statement_for(rehearsal: &Rehearsal, relation: Option<Oid>, names: &[&str]) -> Option<usize> {
    let committed = |observation: &&Observation| rehearsal.committed.contains(&observation.statement);
    let locked = |observation: &&Observation| {
        relation.is_none_or(|relation| {
            observation.locks.iter().any(|lock| lock.relation == relation && lock.mode >= LockMode::ShareUpdateExclusive)
        })
    };
    let mut best: Option<(usize, usize)> = None;
    for observation in rehearsal.observations.iter().filter(committed).filter(locked) {
        let Some(sql) = sql(rehearsal, observation.statement) else { continue };
        let score = names.iter().filter(|name| mentions(sql, name)).count();
        if best.is_none_or(|(_, known)| score > known) {
            best = Some((observation.statement, score));
        }
    }
    best.filter(|(_, score)| relation.is_some() || *score > 0).map(|(statement, _)| statement)
}

fn sql(rehearsal: &Rehearsal, statement: usize) -> Option<&str> {
    let statements = rehearsal.migrations.iter().flat_map(|migration| &migration.statements);
    statements.into_iter().find(|each| each.index == statement).map(|each| each.sql())
}

/// Whether a statement names an identifier, quoted or folded to lower case.
fn mentions(sql: &str, name: &str) -> bool {
    Lexer::new(sql).any(|token| {
        let text = &sql[token.span.clone()];
        match token.kind {
            TokenKind::Word => text.to_lowercase() == name,
            TokenKind::QuotedIdentifier => text.trim_matches('"').replace("\"\"", "\"") == name,
            // A DO block's body is text to the lexer.
            TokenKind::DollarString | TokenKind::String => text.contains(name),
            _ => false,
        }
    })
}
