//! The way back of each migration by itself, where several are applied: up one by one, and down again in reverse.
//!
//! Scripts need the schema after a migration, and the first of them runs before it. So the way up is walked once to see
//! the schemas, and where something has to be saved once more, on another copy, with every `prepare.sql` in its place.
//! No copy is made for each migration.

use super::super::Rollback;
use super::super::fingerprint::{Fingerprints, values};
use super::super::generate::{ChangedTable, Input, Scripts, Trust, generate};
use super::super::origin::Origin;
use super::witness::{self, Witness};
use super::{ProofCopy, ProofGround, Reader, RollbackError, RollbackProof, State};
use super::{check_conditions, clean_up, prepare, role, roll_back, without};
use crate::copy::kept::Kept;
use crate::engine::postgres::catalog;
use crate::report::v1::RollbackVerdict;
use crate::snapshot::catalog::Catalog;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the run saw of one migration, in the names its tables have when it begins.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Version and name, for the headers.
    pub title: String,
    /// Where its `prepare.sql` saves to: backups of several migrations stand side by side.
    pub backup_schema: String,
    /// Statements that take the runner's rows for it out again.
    pub history: Vec<String>,
    /// Tables whose rows it changed.
    pub changed: Vec<ChangedTable>,
    /// Tables whose values are compared; all when none.
    pub tables: Option<BTreeSet<String>>,
    /// As in [`Input`].
    pub statements: Vec<String>,
    /// As in [`Input`].
    pub stepwise: bool,
    /// As in [`Input`].
    pub origins: Vec<Origin>,
}

/// One migration with what stood before it.
struct Leg {
    step: Step,
    before: State,
    scripts: Scripts,
    proof: RollbackProof,
    /// Copies of what may be lost without its backup.
    witnesses: Vec<Witness>,
    /// Why it was not rolled back.
    unproven: Option<String>,
}

/// Writes and proves the scripts of each of the first `count` pending migrations. `tell` says what is known about one,
/// given its number (from 0) and the schema it meets; `saves`, whether something has to be saved for all of them together; `trust` is [`Input`]'s.
///
/// One copy shows the schemas, and what comes back without a backup. A second one is made where something has to be saved,
/// and one more for those before a migration that does not come back, so that they are not judged by what it leaves behind.
/// Those before a second one of that kind are not attempted.
///
/// # Errors
/// Only what has nothing to do with the rollback, as with [`prove`](super::prove()).
pub async fn prove_each<G: ProofGround>(
    ground: &mut G,
    count: usize,
    saves: bool,
    trust: &Trust<'_>,
    tell: impl Fn(usize, &Catalog) -> Step,
) -> Result<Vec<Rollback>, RollbackError> {
    let copy = ground.fresh().await?;
    let surveyed = survey(&copy, count, saves, trust, tell).await;
    let (mut legs, mut open, mut climbs) = (Vec::new(), 0, 2);
    let surveyed = match surveyed {
        Ok((found, stopped)) => {
            legs = found;
            open = legs.len();
            if !saves && stopped.is_none() && legs.iter().all(|leg| leg.scripts.saved.is_empty()) {
                climbs = 1;
                descend(&copy, &mut legs).await.map(|left| {
                    open = left;
                    stopped
                })
            } else {
                Ok(stopped)
            }
        }
        Err(error) => Err(error),
    };
    copy.destroy().await?;
    let stopped = surveyed?;

    while open > 0 && climbs > 0 {
        climbs -= 1;
        let copy = ground.fresh().await?;
        let left = there_and_back(&copy, &mut legs[..open]).await;
        copy.destroy().await?;
        open = left?;
    }
    if let Some(in_the_way) = legs.get(open).map(|leg| leg.step.title.clone()) {
        for leg in &mut legs[..open] {
            leg.unproven = Some(format!("{in_the_way}, applied after it, does not come back as it was"));
        }
    }
    let mut rollbacks: Vec<Rollback> = legs.into_iter().map(Leg::finish).collect();
    rollbacks.resize_with(count, || Rollback::not_attempted(Scripts::default(), stopped.clone().unwrap_or_default()));
    Ok(rollbacks)
}

impl Leg {
    fn finish(self) -> Rollback {
        match self.unproven {
            Some(reason) => Rollback::not_attempted(self.scripts, reason),
            None => Rollback { scripts: self.scripts, proof: Some(self.proof), reason: None },
        }
    }
}

/// Applies one migration after the other and writes the scripts of each; with why it stopped before the last one.
async fn survey<C: ProofCopy>(
    copy: &C,
    count: usize,
    saves: bool,
    trust: &Trust<'_>,
    tell: impl Fn(usize, &Catalog) -> Step,
) -> Result<(Vec<Leg>, Option<String>), RollbackError> {
    let mut reader = Reader::of(copy).await?;
    let mut seen: Vec<(Step, State)> = Vec::new();
    let mut stopped = None;
    for index in 0..count {
        // The first one meets a copy nothing was done to.
        let kept = if index == 0 { copy.kept() } else { Kept::nothing() };
        let dump = async { if index == 0 { copy.untouched_dump().await } else { copy.dump().await } };
        let (dump, catalogs) = tokio::join!(dump, reader.catalogs(&kept));
        let (dump, (catalog, net)) = (dump?, catalogs?);
        let step = tell(index, &catalog);
        let rows = if saves {
            // The way down starts on another copy: values are read there.
            Fingerprints::default()
        } else {
            values(&mut reader.superuser, &catalog, step.tables.as_ref(), &kept).await?
        };
        let applied = copy.apply_one(index).await?;
        seen.push((step, State { dump, catalog: Arc::new(catalog), net: Arc::new(net), rows }));
        if let Err(error) = applied {
            stopped = Some(alone_it_fails(&error));
            break;
        }
    }
    let last = catalog::read(&mut reader.superuser).await?;
    reader.close().await;

    let afterwards: Vec<&Catalog> = seen.iter().skip(1).map(|(_, state)| &*state.catalog).chain([&last]).collect();
    let written: Vec<Scripts> = seen
        .iter()
        .zip(afterwards)
        .map(|((step, before), after)| {
            generate(&Input {
                before: &before.catalog,
                after,
                dump_before: &before.dump,
                history: &step.history,
                changed: &step.changed,
                statements: &step.statements,
                title: &step.title,
                backup_schema: &step.backup_schema,
                trust,
                stepwise: step.stepwise,
                origins: &step.origins,
            })
        })
        .collect();
    let mut legs: Vec<Leg> = seen
        .into_iter()
        .zip(written)
        .map(|((step, before), scripts)| {
            let proof = RollbackProof::of(&scripts);
            Leg { step, before, scripts, proof, witnesses: Vec::new(), unproven: None }
        })
        .collect();
    if stopped.is_some() {
        legs.pop();
    }
    Ok((legs, stopped))
}

pub(super) fn alone_it_fails(error: &str) -> String {
    format!("it fails where it is applied by itself: {error}")
}

/// All the way up with every backup made, and down again. How many are still open: they came before one that is not
/// undone.
async fn there_and_back<C: ProofCopy>(copy: &C, legs: &mut [Leg]) -> Result<usize, RollbackError> {
    let mut reader = Reader::of(copy).await?;
    let role = role(copy).await?;
    for (index, leg) in legs.iter_mut().enumerate() {
        leg.proof = RollbackProof::of(&leg.scripts);
        let kept = if index == 0 { copy.kept() } else { Kept::nothing() };
        let (catalog, tables) = (&leg.before.catalog, leg.step.tables.as_ref());
        leg.before.rows = values(&mut reader.superuser, catalog, tables, &kept).await?;
        if leg.scripts.saves_rows() {
            let (catalog, saved) = (&leg.before.catalog, &leg.scripts.saved);
            let prefix = format!("m{index}_");
            let named = (role.as_str(), prefix.as_str());
            leg.witnesses = witness::take(&mut reader.superuser, catalog, saved, &BTreeSet::new(), named).await?;
        }
        prepare(&mut reader, &leg.scripts, &mut leg.proof).await?;
        if let Err(error) = copy.apply_one(index).await? {
            reader.close().await;
            for leg in &mut legs[index..] {
                leg.unproven = Some(alone_it_fails(&error));
            }
            return Ok(index);
        }
    }
    reader.close().await;
    descend(copy, legs).await
}

/// Rolls back the last one first and compares each with what stood before it, until one does not come back. How many
/// are still open.
async fn descend<C: ProofCopy>(copy: &C, legs: &mut [Leg]) -> Result<usize, RollbackError> {
    let mut reader = Reader::of(copy).await?;
    let mut open = legs.len();
    let mut told = BTreeSet::new();
    while let Some(leg) = open.checked_sub(1).and_then(|last| legs.get_mut(last)) {
        open -= 1;
        let (scripts, proof, tables) = (&leg.scripts, &mut leg.proof, leg.step.tables.as_ref());
        if !proof.failures.is_empty() {
            break;
        }
        check_conditions(copy, &mut reader.superuser, scripts, proof).await?;
        if scripts.saves_rows() {
            without::backup(copy, &mut reader.superuser, scripts, &leg.before, &leg.witnesses, tables, proof).await?;
        }
        if roll_back(&mut reader, scripts, &leg.before, tables, proof).await?.is_none() {
            break;
        }
        proof.forget(&mut told);
        clean_up(&mut reader, scripts, proof).await?;
        if matches!(proof.verdict(), RollbackVerdict::Irreversible | RollbackVerdict::RowsLost) {
            break;
        }
    }
    reader.close().await;
    Ok(open)
}
