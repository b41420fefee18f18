//! Which statement, and which object, made something change. Pure.

use super::{Cause, PlanChange, Rehearsal};
use crate::diff::index::{IndexChange, IndexChangeKind};
use crate::diff::plan::baseline::reaches;
use crate::diff::plan::names::Names;
use crate::diff::plan::verdict::Verdict;
use crate::diff::plan::{Seen, causing_statements, changed_objects};
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::script::words::folded;
use crate::observation::embedded::Embedded;
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock};
use crate::snapshot::Oid;
use crate::snapshot::plan::{PlanCapture, PlanKey};
use std::collections::BTreeSet;

impl PlanChange {
    /// Whether something about it changed that a statement must have caused.
    pub fn needs_cause(&self) -> bool {
        let verdict = &self.diff.verdict;
        match verdict.verdict {
            Verdict::Unchanged => false,
            Verdict::Unstable => self.diff.plan_changed(),
            // Over its budget as before, with the same plan and work: nobody did that.
            Verdict::OverBudget => {
                !verdict.missed_before || self.diff.plan_changed() || verdict.factor.is_some_and(|factor| factor >= 1.1)
            }
            _ => true,
        }
    }
}

/// Fills in the cause of every plan that needs one, from the plans seen after each statement.
pub(super) fn assign(rehearsal: &mut Rehearsal, steps: &[(usize, Vec<PlanCapture>)]) {
    let mut plans = std::mem::take(&mut rehearsal.plans);
    for change in plans.iter_mut().filter(|change| change.needs_cause()) {
        change.cause = cause(rehearsal, change, steps);
    }
    rehearsal.plans = plans;
}

fn cause(rehearsal: &Rehearsal, change: &PlanChange, steps: &[(usize, Vec<PlanCapture>)]) -> Cause {
    let key = &change.diff.key;
    let turns = turns(rehearsal, change, steps);
    let mut statements: Vec<usize> = turns.iter().map(|turn| turn.statement).collect();
    let mut objects: BTreeSet<String> = turns.into_iter().flat_map(|turn| turn.objects).collect();
    let no_turn = statements.is_empty();
    for index in &rehearsal.indexes {
        let used =
            index.change.used_by_before.iter().chain(&index.change.used_by_after).any(|query| *query == key.query);
        if used && index.statement.is_some_and(|statement| no_turn || statements.contains(&statement)) {
            objects.insert(index.change.name.clone());
            statements.extend(index.statement.filter(|_| no_turn));
        }
    }
    // The plan is the same and the work is not: whoever rewrote or changed rows of its tables.
    let relations = relations(rehearsal, key);
    for observation in &rehearsal.observations {
        let works = observation.rewritten.iter().chain(&observation.changed).chain(&observation.inserted);
        for work in works.filter(|work| relations.contains(&work.table) || relations.contains(&work.name)) {
            if no_turn || statements.contains(&observation.statement) {
                statements.push(observation.statement);
                objects.insert(work.name.clone());
            }
        }
    }
    if statements.is_empty() {
        for setting in changed_settings(change) {
            statements.extend(statement_for(rehearsal, None, &[&setting]));
            objects.insert(setting);
        }
    }
    // What a function does shows in no plan: functions that have another body, indexes that went.
    if statements.is_empty() || objects.is_empty() {
        for (name, identity) in replaced_functions(rehearsal, &key.query) {
            statements.extend(statement_for(rehearsal, None, &[&name]));
            objects.insert(identity);
        }
    }
    if objects.is_empty() {
        let theirs =
            rehearsal.indexes.iter().filter(|index| index.statement.is_some_and(|one| statements.contains(&one)));
        objects.extend(theirs.map(|index| index.change.name.clone()));
    }
    if objects.is_empty() {
        objects = relations;
    }
    let mut named = BTreeSet::new();
    statements.retain(|statement| named.insert(*statement));
    Cause { statements, objects: objects.into_iter().collect() }
}

/// Planner settings that differ between both sides, as after `ALTER ROLE … SET`: only new sessions have them.
fn changed_settings(change: &PlanChange) -> Vec<String> {
    let after = change.diff.settled.as_ref().or(change.diff.right_after.as_ref());
    let (Some(old), Some(new)) = (change.diff.before.captured.plan(), after.and_then(|after| after.captured.plan()))
    else {
        return Vec::new();
    };
    let names: BTreeSet<&String> = old.settings.keys().chain(new.settings.keys()).collect();
    names.into_iter().filter(|name| old.settings.get(*name) != new.settings.get(*name)).cloned().collect()
}

/// Functions a query calls that have another body now: name and identity. What they do shows in no plan.
fn replaced_functions(rehearsal: &Rehearsal, query: &str) -> Vec<(String, String)> {
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.right_after) else { return Vec::new() };
    let Some(query) = rehearsal.queries.iter().find(|each| each.name == query) else { return Vec::new() };
    let replaced = before.catalog.functions.iter().filter(|(oid, was)| {
        after.catalog.functions.get(oid).is_some_and(|now| now.definition != was.definition)
            && reaches(&before.catalog, &query.sql, &was.name)
    });
    replaced.map(|(_, function)| (function.name.clone(), function.identity.clone())).collect()
}

/// A statement after which the plan was another one.
struct Turn {
    statement: usize,
    /// How many blocks it touched more than before that statement where it was run, else how much it cost more; infinite
    /// where it stopped working.
    harm: f64,
    /// Indexes and tables that made the difference.
    objects: Vec<String>,
}

/// Every statement that changed the plan, the one that matters most first: findings point there. For a query that is
/// worse off those that made it worse, if any did.
fn turns(rehearsal: &Rehearsal, change: &PlanChange, steps: &[(usize, Vec<PlanCapture>)]) -> Vec<Turn> {
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.right_after) else { return Vec::new() };
    // Indexes count by definition: those that go are known from before, those that come from after.
    let names = Names::between(&before.catalog, &after.catalog);
    let key = &change.diff.key;
    let stages = steps.iter().filter_map(|(statement, captures)| {
        let capture = captures.iter().find(|capture| capture.key == *key)?;
        Some((*statement, Seen::new(capture, &names)))
    });
    let stages: Vec<(usize, Seen<'_>)> = stages.collect();
    let Some((first, rest)) = stages.split_first() else { return Vec::new() };
    // Where it failed in between, what came and went shows at the ends alone.
    let whole = &change.diff.objects;
    let failed = rest.iter().any(|(_, seen)| seen.captured().plan().is_none()) && !whole.is_empty();
    let changing: BTreeSet<usize> = causing_statements(first.1, rest).into_iter().collect();
    let mut turns: Vec<Turn> = stages
        .windows(2)
        .filter(|pair| changing.contains(&pair[1].0) || other_work(pair[0].1, pair[1].1))
        .map(|pair| Turn {
            statement: pair[1].0,
            harm: harm(pair[0].1, pair[1].1),
            // Under the same plan the tables that cost more need not be those that changed: functions read others.
            objects: match changing.contains(&pair[1].0) {
                true if failed => whole.clone(),
                true => changed_objects(pair[0].1, pair[1].1),
                false => Vec::new(),
            },
        })
        .collect();
    let verdict = change.diff.verdict.verdict;
    let improved = verdict == Verdict::Improved;
    if improved {
        turns.iter_mut().for_each(|turn| turn.harm = -turn.harm);
    }
    if (improved || verdict.is_worse() || verdict == Verdict::Transient) && turns.iter().any(|turn| turn.harm > 0.0) {
        turns.retain(|turn| turn.harm > 0.0);
    }
    turns.sort_by(|one, other| other.harm.total_cmp(&one.harm));
    turns
}

/// Whether a query that was run did a tenth more or less work, and more than a trifle.
fn other_work(before: Seen<'_>, after: Seen<'_>) -> bool {
    let (Some(was), Some(now)) = (before.captured().work(), after.captured().work()) else { return false };
    let trifle = was.unit().trifle();
    let other = |was: u64, now: u64| was.abs_diff(now) >= trifle && 10 * was.abs_diff(now) >= was.min(now);
    other(was.amount(), now.amount()) || other(was.temp_blocks, now.temp_blocks)
}

fn harm(before: Seen<'_>, after: Seen<'_>) -> f64 {
    match (before.captured().work(), after.captured().work()) {
        (Some(was), Some(now)) => now.amount() as f64 - was.amount() as f64,
        _ => cost(after) - cost(before),
    }
}

fn cost(seen: Seen<'_>) -> f64 {
    seen.captured().plan().map_or(f64::INFINITY, |plan| plan.root.total_cost())
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

/// The statement behind an index change: it built the new one, or was the last to lock the old one against everybody.
pub(crate) fn statement_of_index(rehearsal: &Rehearsal, change: &IndexChange) -> Option<usize> {
    let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_owned();
    let names: Vec<String> =
        std::iter::once(change.name.as_str()).chain(change.name_before.as_deref()).map(bare).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let built = change.oid_after.filter(|oid| change.oid_before != Some(*oid));
    // One made anew under the same name with another definition: what people miss is the old one.
    let missed = change.kind == IndexChangeKind::Redefined && change.oid_before.is_some();
    if let Some(statement) = built.filter(|_| !missed).and_then(|oid| statement_that_made(rehearsal, oid)) {
        return Some(statement);
    }
    let oid = change.oid_before.or(change.oid_after)?;
    // Where the engine tells what went with each statement, nothing has to be guessed.
    if let Some(statement) = statement_that_took(rehearsal, oid) {
        return Some(statement);
    }
    let takes = |observation: &&Observation| {
        let ours = |lock: &&ObservedLock| lock.relation == oid && lock.mode == LockMode::AccessExclusive;
        rehearsal.committed.contains(&observation.statement) && observation.locks.iter().any(|lock| ours(&lock))
    };
    let locking: Vec<&Observation> = rehearsal.observations.iter().filter(takes).collect();
    let named = |observation: &&&Observation| {
        rehearsal.sql(observation.statement).is_some_and(|sql| names.iter().any(|name| mentions(sql, name)))
    };
    // Inherited locks say nothing: whoever took it anew last is who dropped or rebuilt it.
    let anew =
        |observation: &&&Observation| observation.locks.iter().any(|lock| lock.relation == oid && lock.taken_here);
    let found = locking.iter().rfind(named).or_else(|| locking.iter().rfind(anew));
    // A concurrent build that failed left this one behind.
    let failed = rehearsal.failure.as_ref().filter(|_| change.kind == IndexChangeKind::Invalid);
    let found = found.map(|observation| observation.statement).or_else(|| statement_for(rehearsal, None, &names));
    found.or_else(|| failed.map(|failure| failure.statement))
}

/// The statement that built a relation, by its OID.
pub(crate) fn statement_that_made(rehearsal: &Rehearsal, oid: Oid) -> Option<usize> {
    // What took the place of something was made under a number of its own.
    let own = rehearsal.embedded.as_ref().and_then(|facts| facts.numbers_after.in_place_of(oid)).unwrap_or(oid);
    let made = |observation: &&Observation| {
        if let Some(embedded) = &observation.embedded {
            return embedded.made.contains(&own) && rehearsal.committed.contains(&observation.statement);
        }
        observation.indexes_built.iter().any(|work| work.relation == oid)
            || observation.locks.iter().any(|lock| lock.relation == oid && lock.taken_here && lock.created_in_run)
    };
    rehearsal.observations.iter().find(made).map(|observation| observation.statement)
}

/// The statement a relation, an index or a trigger went with, on an engine that tells.
fn statement_that_took(rehearsal: &Rehearsal, oid: Oid) -> Option<usize> {
    let took = |observation: &&Observation| {
        let gone = observation.embedded.as_ref().is_some_and(|embedded| embedded.gone.contains(&oid));
        gone && rehearsal.committed.contains(&observation.statement)
    };
    rehearsal.observations.iter().rfind(took).map(|observation| observation.statement)
}

/// The same of [`statement_for`], where the engine tells what each statement made, took away or wrote otherwise: of those the
/// one that names most of it, the later of several.
fn statement_that_touched(rehearsal: &Rehearsal, relation: Oid, names: &[&str]) -> Option<usize> {
    let own = rehearsal.embedded.as_ref()?.numbers_after.in_place_of(relation);
    let about = |oid: &Oid| *oid == relation || Some(*oid) == own;
    let touched = |observation: &&Observation| {
        let told = |embedded: &Embedded| {
            let mut all = embedded.gone.iter().chain(&embedded.made).chain(&embedded.rewritten_text);
            all.any(about)
        };
        observation.embedded.as_ref().is_some_and(told) && rehearsal.committed.contains(&observation.statement)
    };
    let named = |observation: &&Observation| {
        let sql = rehearsal.sql(observation.statement).unwrap_or_default();
        // Names mean the same in either case there.
        let folded = sql.to_ascii_lowercase();
        names.iter().filter(|name| mentions(&folded, &name.to_ascii_lowercase())).count()
    };
    let found = rehearsal.observations.iter().filter(touched).max_by_key(named);
    found.map(|observation| observation.statement)
}

/// The statement that changed a relation: one that took a strong lock on it and names what changed, else the first
/// that took the lock. Of several that name as much, the one with the strongest lock.
pub(crate) fn statement_for(rehearsal: &Rehearsal, relation: Option<Oid>, names: &[&str]) -> Option<usize> {
    if let Some(statement) = relation.and_then(|relation| statement_that_touched(rehearsal, relation, names)) {
        return Some(statement);
    }
    let committed = |observation: &&Observation| rehearsal.committed.contains(&observation.statement);
    let strongest = |observation: &Observation| {
        let of_it = observation.locks.iter().filter(|lock| Some(lock.relation) == relation);
        of_it.map(|lock| lock.mode).filter(|mode| *mode >= LockMode::ShareUpdateExclusive).max()
    };
    let mut best: Option<(usize, (usize, Option<LockMode>))> = None;
    for observation in rehearsal.observations.iter().filter(committed) {
        let mode = strongest(observation);
        if relation.is_some() && mode.is_none() {
            continue;
        }
        let Some(sql) = rehearsal.sql(observation.statement) else { continue };
        let score = (names.iter().filter(|name| mentions(sql, name)).count(), mode);
        if best.is_none_or(|(_, known)| score > known) {
            best = Some((observation.statement, score));
        }
    }
    let found = best.filter(|(_, (named, _))| relation.is_some() || *named > 0).map(|(statement, _)| statement);
    // GRANT and REVOKE lock no relation at all: then the name alone has to do.
    found.or_else(|| relation.and_then(|_| statement_for(rehearsal, None, names)))
}

/// Whether a statement names an identifier, quoted or folded to lower case.
fn mentions(sql: &str, name: &str) -> bool {
    Lexer::new(sql).any(|token| {
        let text = &sql[token.span.clone()];
        match token.kind {
            TokenKind::Word => folded(text) == name,
            TokenKind::QuotedIdentifier => text.trim_matches('"').replace("\"\"", "\"") == name,
            // A DO block's body is text to the lexer.
            TokenKind::DollarString | TokenKind::String => text.contains(name),
            _ => false,
        }
    })
}
