//! Hand-written down scripts: up one by one, and down again in reverse by the scripts people wrote. What a script leaves
//! is turned into the lines it forgets, and those are run as well.

mod adopt;

use super::super::generate::bare;
use super::each::alone_it_fails;
use super::{ProofCopy, ProofGround, Reader, RollbackError, RollbackProof, State, Step, refused};
use crate::engine::postgres::catalog;
use crate::report::v1::{DownVerdict, RollbackVerdict};
use crate::snapshot::catalog::Catalog;
use adopt::adopt;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Copies made at most: one for all, and one more for those before a script after which not everything is back.
pub const COPIES: u32 = 2;

/// The statement of a down script the server refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownFailure {
    /// [`crate::migration::Statement::index`] within the script; 0 when the runner's own note is refused.
    pub statement: usize,
    /// What the server said, as it may be told.
    pub error: String,
}

/// What running a hand-written down script showed.
#[derive(Debug, Clone, Default)]
pub struct DownProof {
    /// Against the state before the migration, right after the script.
    alone: RollbackProof,
    /// Where it stopped.
    failure: Option<DownFailure>,
    /// What it forgets, a statement each.
    lines: Vec<String>,
    /// The same comparison once the lines ran; none where there are none.
    completed: Option<RollbackProof>,
    /// Why it was not run.
    unproven: Option<String>,
}

impl DownProof {
    /// One that was not run, and why.
    pub fn not_run(reason: String) -> Self {
        Self { unproven: Some(reason), ..Self::default() }
    }

    /// What the script brings back by itself.
    pub fn verdict(&self) -> DownVerdict {
        match (&self.unproven, &self.failure) {
            (Some(_), _) => DownVerdict::NotRun,
            (None, Some(_)) => DownVerdict::Fails,
            (None, None) => word(&self.alone),
        }
    }

    /// What it and the lines bring back together; none where there are no lines.
    pub fn with_lines(&self) -> Option<DownVerdict> {
        let completed = self.completed.as_ref()?;
        Some(if completed.failures.is_empty() { word(completed) } else { DownVerdict::Fails })
    }

    /// Where it stopped, if the server refused a statement.
    pub fn failure(&self) -> Option<&DownFailure> {
        self.failure.as_ref()
    }

    /// Statements that do what the script forgets: right after it, on what it leaves.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What is not as before once it ran, a sentence each; or why nobody knows.
    pub fn differences(&self) -> Vec<String> {
        match &self.unproven {
            Some(reason) => vec![reason.clone()],
            None => self.alone.differences(),
        }
    }

    /// The same, each thing once: the catalog knows in more words what the dump's text shows.
    pub fn in_short(&self) -> Vec<String> {
        let shown = self.alone.schema.as_ref().map(|schema| schema.others.clone()).unwrap_or_default();
        if shown.is_empty() {
            return self.differences();
        }
        shown.into_iter().chain(self.alone.differing_rows().map(|(_, told)| told.to_owned())).collect()
    }

    /// What is not as before even with the lines, a sentence each.
    pub fn differences_with_lines(&self) -> Vec<String> {
        self.completed.as_ref().unwrap_or(&self.alone).differences()
    }

    /// Tables whose rows no line brings back, with what to say about each.
    pub fn differing_rows(&self) -> impl Iterator<Item = (&str, &str)> {
        let rows = match &self.completed {
            Some(completed) if completed.rows.is_some() => completed,
            _ => &self.alone,
        };
        rows.differing_rows()
    }

    /// Whether what stood before the migration stands again, but for the order of columns.
    fn is_back(&self) -> bool {
        let last = self.with_lines().unwrap_or_else(|| self.verdict());
        matches!(last, DownVerdict::Exact | DownVerdict::ExactButColumnOrder)
    }
}

/// A down script has no backup to bring rows back from.
fn word(proof: &RollbackProof) -> DownVerdict {
    match proof.verdict() {
        RollbackVerdict::Exact => DownVerdict::Exact,
        RollbackVerdict::ExactButColumnOrder => DownVerdict::ExactButColumnOrder,
        RollbackVerdict::RowsLost => DownVerdict::RowsLost,
        RollbackVerdict::RestoredFromBackup | RollbackVerdict::Irreversible | RollbackVerdict::NotAttempted => {
            DownVerdict::Differs
        }
    }
}

/// Runs the down scripts of the first pending migrations, the last one first: `scripts` says of each whether it has one.
/// `tell` is that of [`prove_each`](super::prove_each).
///
/// Between two scripts the state before the later migration has to stand again, be it with the lines that script forgets.
/// Where it does not, those before are judged on another copy, so that none is blamed for what another one left.
///
/// # Errors
/// Only what has nothing to do with the scripts, as with [`prove`](super::prove()).
pub async fn prove_downs<G: ProofGround>(
    ground: &mut G,
    scripts: &[bool],
    tell: impl Fn(usize, &Catalog) -> Step,
) -> Result<Vec<Option<DownProof>>, RollbackError> {
    let mut proofs: Vec<Option<DownProof>> = scripts.iter().map(|has| has.then(DownProof::default)).collect();
    let mut open = scripts.len();
    let mut in_the_way = String::new();
    for _ in 0..COPIES {
        open = scripts[..open].iter().rposition(|has| *has).map_or(0, |last| last + 1);
        if open == 0 {
            break;
        }
        let copy = ground.fresh().await?;
        let left = there_and_back(&copy, &mut proofs[..open], &tell).await;
        copy.destroy().await?;
        (open, in_the_way) = left?;
    }
    for proof in proofs[..open].iter_mut().flatten() {
        *proof = DownProof::not_run(in_the_way.clone());
    }
    Ok(proofs)
}

/// All the way up, and down again. How many are still open, and what is in their way.
async fn there_and_back<C: ProofCopy>(
    copy: &C,
    proofs: &mut [Option<DownProof>],
    tell: &impl Fn(usize, &Catalog) -> Step,
) -> Result<(usize, String), RollbackError> {
    let mut reader = Reader::of(copy).await?;
    let mut before: Vec<(Step, State)> = Vec::new();
    for index in 0..proofs.len() {
        let catalog = catalog::read(&mut reader.superuser).await?;
        let step = tell(index, &catalog);
        let stands = reader.state(catalog, step.tables.as_ref()).await?;
        if let Err(error) = copy.apply_one(index).await? {
            reader.close().await;
            let reason = alone_it_fails(&error);
            for proof in proofs[index..].iter_mut().flatten() {
                *proof = DownProof::not_run(reason.clone());
            }
            return Ok((index, reason));
        }
        before.push((step, stands));
    }
    let mut told = BTreeSet::new();
    let mut left = (0, String::new());
    for (index, (step, before)) in before.iter().enumerate().rev() {
        let proof = match &proofs[index] {
            Some(_) => by_script(&mut reader, index, (step, before), &mut told).await?,
            None => by_lines(&mut reader, None, (step, before), &mut told).await?,
        };
        let is_back = proof.is_back();
        if let Some(kept) = &mut proofs[index] {
            *kept = proof;
        }
        if !is_back {
            left = (index, format!("{}, applied after it, does not come back as it was", step.title));
            break;
        }
    }
    reader.close().await;
    Ok(left)
}

/// Runs one script, and where something is left, the lines it forgets.
async fn by_script<C: ProofCopy>(
    reader: &mut Reader<'_, C>,
    index: usize,
    (step, before): (&Step, &State),
    told: &mut BTreeSet<String>,
) -> Result<DownProof, RollbackError> {
    let ran = reader.copy.take_back(index).await?;
    let back = reader.back(before, step.tables.as_ref()).await?;
    let mut proof = DownProof { failure: ran.err(), ..DownProof::default() };
    before.compare(&back, &mut proof.alone);
    proof.alone.forget(told);
    if proof.failure.is_none() && word(&proof.alone) != DownVerdict::Differs {
        return Ok(proof);
    }
    by_lines(reader, Some((proof, back)), (step, before), told).await
}

/// Writes the statements that bring the schema back from where it is now, runs them and compares. `left` is what a script
/// left, if there was one.
async fn by_lines<C: ProofCopy>(
    reader: &mut Reader<'_, C>,
    left: Option<(DownProof, State)>,
    (step, before): (&Step, &State),
    told: &mut BTreeSet<String>,
) -> Result<DownProof, RollbackError> {
    let (mut proof, now) = match left {
        Some((proof, back)) => (proof, back.catalog),
        None => (DownProof::default(), Arc::new(catalog::read(&mut reader.superuser).await?)),
    };
    // Where the script ran to its end, the runner took its row out.
    let noted_down = proof.failure.is_some() || proof.alone.schema.is_none();
    let history = if noted_down { step.history.as_slice() } else { &[] };
    let lines = bare(&adopt(&before.catalog, &now), &now, &before.dump);
    let mut completed = RollbackProof { unmodelled: lines.unmodelled, ..RollbackProof::default() };
    if let Err(error) = run(reader.copy, &lines.statements, history).await? {
        completed.failures.push(format!("the lines do not run: {error}"));
    }
    let back = reader.back(before, step.tables.as_ref()).await?;
    before.compare(&back, &mut completed);
    completed.forget(told);
    proof.lines = lines.statements;
    proof.completed = Some(completed);
    Ok(proof)
}

/// Runs the lines in one transaction, and with them what takes the runner's rows out.
async fn run<C: ProofCopy>(
    copy: &C,
    lines: &[String],
    history: &[String],
) -> Result<Result<(), String>, RollbackError> {
    let mut session = copy.migration_role().await?;
    let opening = ["BEGIN", "SET LOCAL search_path = ''", "SET LOCAL check_function_bodies = off"];
    let between = ["SET LOCAL search_path TO DEFAULT"];
    let (lines, history) = (lines.iter().map(String::as_str), history.iter().map(String::as_str));
    let mut outcome = Ok(());
    for statement in opening.into_iter().chain(lines).chain(between).chain(history).chain(["COMMIT"]) {
        if let Err(error) = session.execute(statement).await {
            outcome = Err(refused(statement, &(0..statement.len()), &error));
            break;
        }
    }
    // A transaction that is open goes with the session.
    session.close().await;
    Ok(outcome)
}

#[cfg(test)]
#[path = "downs/tests.rs"]
mod tests;
