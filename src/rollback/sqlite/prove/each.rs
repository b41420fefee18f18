//! The way back of each migration by itself, where several are applied: up one by one, and down again in reverse.

use super::state::State;
use super::{ProofCopy, ProofGround, clean_up, of, open, prepare, roll_back};
use crate::engine::sqlite::{digest, schema};
use crate::report::v1::RollbackVerdict;
use crate::rollback::generate::{ChangedTable, Scripts};
use crate::rollback::origin::Origin;
use crate::rollback::prove::RollbackProof;
use crate::rollback::sqlite::{Input, generate};
use crate::rollback::{Rollback, RollbackError};
use crate::snapshot::sqlite::Schema;
use crate::snapshot::sqlite::identity::Identities;
use std::collections::BTreeSet;

/// What the run saw of one migration, in the names its tables have when it begins.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Version and name, for the headers.
    pub title: String,
    /// What names of its backup begin with.
    pub backup_schema: String,
    /// Statements that take the runner's rows for it out again.
    pub history: Vec<String>,
    /// Tables whose rows it changed.
    pub changed: Vec<ChangedTable>,
    /// As in [`Input`].
    pub statements: Vec<String>,
    /// As in [`Input`].
    pub origins: Vec<Origin>,
    /// Numbers of the objects before it, and after it, rebuilt ones with the number they had.
    pub identities: (Identities, Identities),
}

/// What stands before a migration.
struct Seen {
    schema: Schema,
    statistics: Vec<String>,
}

/// Writes and proves the scripts of each of the first `count` pending migrations. `tell` says what is known about one,
/// given its number (from 0). One copy shows the schemas, a second one is walked up and down again; where one does not
/// come back, those before it are walked once more by themselves.
///
/// # Errors
/// Only what has nothing to do with the rollback.
pub fn prove_each<G: ProofGround>(
    ground: &mut G,
    count: usize,
    tell: impl Fn(usize) -> Step,
) -> Result<Vec<Rollback>, RollbackError> {
    let copy = ground.fresh()?;
    let foreign_keys = copy.foreign_keys();
    let seen = survey(&copy, count);
    copy.destroy()?;
    let (seen, stopped) = seen?;
    let (steps, doubted): (Vec<Step>, BTreeSet<String>) = ((0..count).map(tell).collect(), BTreeSet::new());
    let legs = seen.windows(2).zip(&steps).map(|(around, step)| {
        let [before, after] = around else { return Scripts::default() };
        generate(&Input {
            before: &before.schema,
            after: &after.schema,
            before_ids: &step.identities.0,
            after_ids: &step.identities.1,
            statistics: (&before.statistics, &after.statistics),
            changed: &step.changed,
            history: &step.history,
            statements: &step.statements,
            title: &step.title,
            backup_schema: &step.backup_schema,
            origins: &step.origins,
            foreign_keys,
            doubted: &doubted,
        })
    });
    let scripts: Vec<Scripts> = legs.collect();
    let mut proofs: Vec<RollbackProof> = scripts.iter().map(of).collect();
    let (mut open_legs, mut climbs) = (scripts.len(), 2);
    while open_legs > 0 && climbs > 0 {
        climbs -= 1;
        let copy = ground.fresh()?;
        let left = there_and_back(&copy, &scripts[..open_legs], &mut proofs);
        copy.destroy()?;
        open_legs = left?;
    }
    let in_the_way =
        steps.get(open_legs).map(|step| format!("{}, applied after it, does not come back as it was", step.title));
    let mut rollbacks = Vec::new();
    for (index, (scripts, proof)) in scripts.into_iter().zip(proofs).enumerate() {
        rollbacks.push(if index < open_legs {
            Rollback::not_attempted(scripts, in_the_way.clone().unwrap_or_default())
        } else {
            Rollback { scripts, proof: Some(proof), reason: None }
        });
    }
    rollbacks.resize_with(count, || Rollback::not_attempted(Scripts::default(), stopped.clone().unwrap_or_default()));
    Ok(rollbacks)
}

/// The schema before each migration and after the last; and why it goes no further, if it does not.
fn survey<C: ProofCopy>(copy: &C, count: usize) -> Result<(Vec<Seen>, Option<String>), RollbackError> {
    let look = || -> Result<Seen, RollbackError> {
        let connection = open(copy)?;
        Ok(Seen { schema: schema::read(&connection)?, statistics: digest::statistics(&connection)? })
    };
    let mut seen = vec![look()?];
    for index in 0..count {
        if let Err(error) = copy.apply_one(index)? {
            return Ok((seen, Some(format!("by itself, with what comes before it, it fails: {error}"))));
        }
        seen.push(look()?);
    }
    Ok((seen, None))
}

/// Up with every `prepare.sql` in its place and down again, until one does not come back. How many are still open.
fn there_and_back<C: ProofCopy>(
    copy: &C,
    scripts: &[Scripts],
    proofs: &mut [RollbackProof],
) -> Result<usize, RollbackError> {
    let mut before = Vec::new();
    for (index, scripts) in scripts.iter().enumerate() {
        proofs[index] = of(scripts);
        before.push(State::read(&open(copy)?)?);
        if !prepare(copy, scripts, &mut proofs[index])? {
            break;
        }
        if let Err(error) = copy.apply_one(index)? {
            proofs[index].failures.push(format!("by itself, with what comes before it, it fails: {error}"));
            break;
        }
    }
    for index in (0..before.len()).rev() {
        let (scripts, proof) = (&scripts[index], &mut proofs[index]);
        if !proof.failures.is_empty() || !roll_back(copy, scripts, &before[index], proof)? {
            return Ok(index);
        }
        clean_up(copy, scripts, proof)?;
        if matches!(proof.verdict(), RollbackVerdict::Irreversible | RollbackVerdict::RowsLost) {
            return Ok(index);
        }
    }
    Ok(0)
}
