//! A migration that commits on its way can stop anywhere: the rollback is tried from every such place.
//!
//! Where it brings everything back the same copy serves for the next place, so that one copy is enough as long as all
//! is well.

use super::super::generate::Scripts;
use super::{ProofCopy, ProofGround, ProveOptions, Reader, RollbackError, RollbackProof, State};
use super::{clean_up, prepare, roll_back};
use crate::report::v1::RollbackVerdict;

/// Fresh copies that are made at most.
pub(crate) const COPIES: usize = 2;

/// Places that are tried at most; the rest lies between them.
const MOST: usize = 12;

/// Tries the rollback after the first `points` statements each, in ascending order, and notes in the proof where it does
/// not bring back what was before.
///
/// # Errors
/// Only what has nothing to do with the rollback, as with [`prove`](super::prove()).
pub async fn prove_prefixes<G: ProofGround>(
    ground: &mut G,
    scripts: &Scripts,
    points: &[usize],
    options: &ProveOptions,
    proof: &mut RollbackProof,
) -> Result<(), RollbackError> {
    let mut open = spread(points).into_iter().peekable();
    let mut copies = 0;
    while open.peek().is_some() {
        if copies == COPIES {
            let left: Vec<String> = open.map(|point| point.to_string()).collect();
            proof.conditions.push(format!("not tried: a migration that stops after statement {}", left.join(", ")));
            return Ok(());
        }
        copies += 1;
        let copy = ground.fresh().await?;
        let tried = some(&copy, scripts, &mut open, options, proof).await;
        copy.destroy().await?;
        tried?;
    }
    Ok(())
}

/// As many as are tried, first and last among them.
fn spread(points: &[usize]) -> Vec<usize> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    (0..MOST).map(|index| points[index * (points.len() - 1) / (MOST - 1)]).collect()
}

/// Goes on until one place leaves something behind.
async fn some<C: ProofCopy>(
    copy: &C,
    scripts: &Scripts,
    points: &mut impl Iterator<Item = usize>,
    options: &ProveOptions,
    proof: &mut RollbackProof,
) -> Result<(), RollbackError> {
    let tables = options.tables.as_ref();
    let mut reader = Reader::of(copy).await?;
    let before = reader.untouched(tables).await?;
    for point in points {
        if let Some(differences) = one(&mut reader, scripts, &before, point, options).await? {
            proof.conditions.push(format!(
                "the migration does not stop after statement {point}: from there rollback.sql does not bring everything back: {}",
                differences.join("; ")
            ));
            break;
        }
    }
    reader.close().await;
    Ok(())
}

/// There and back from one place; what is not as before, if anything.
async fn one<C: ProofCopy>(
    reader: &mut Reader<'_, C>,
    scripts: &Scripts,
    before: &State,
    point: usize,
    options: &ProveOptions,
) -> Result<Option<Vec<String>>, RollbackError> {
    let mut proof = RollbackProof::of(scripts);
    // What no script undoes is told of the whole migration.
    proof.unmodelled.clear();
    prepare(reader, scripts, &mut proof).await?;
    reader.copy.migrate_part(point).await?;
    roll_back(reader, scripts, before, options.tables.as_ref(), &mut proof).await?;
    clean_up(reader, scripts, &mut proof).await?;
    let comes_back = !matches!(proof.verdict(), RollbackVerdict::Irreversible | RollbackVerdict::RowsLost);
    Ok((!comes_back).then(|| proof.differences().into_iter().take(3).collect()))
}

#[cfg(test)]
mod tests {
    use super::{MOST, spread};

    #[test]
    fn the_first_and_the_last_place_are_always_tried() {
        let many: Vec<usize> = (1..=100).collect();
        let tried = spread(&many);
        assert_eq!((tried.len(), tried.first(), tried.last()), (MOST, Some(&1), Some(&100)));
        assert_eq!(spread(&[3, 7]), [3, 7]);
    }
}
