//! Scripts that take something for granted, until a copy shows otherwise.

use super::super::generate::{Scripts, Trust};
use super::{ProofGround, ProveOptions, RollbackError, RollbackProof, prove};
use crate::report::v1::RollbackVerdict;
use crate::snapshot::catalog::Catalog;

/// How many copies more than [`prove()`] this takes at most, where something is not as it was taken for.
pub(crate) const MORE_COPIES: u32 = 4;

/// Scripts with their proof, and what they take for granted.
#[derive(Debug, Clone)]
pub struct Proven<'a> {
    /// The scripts.
    pub scripts: Scripts,
    /// What running them showed.
    pub proof: RollbackProof,
    /// What they were written with.
    pub trust: Trust<'a>,
}

/// Writes the scripts and proves them. Where a table is not as they foretell, they are written again without telling
/// anything of it; where that does not do, or a script fails, without foretelling anything. The best of them stay.
/// `before` is the catalog `write` has them written for.
///
/// # Errors
/// As with [`prove()`].
pub async fn write_and_prove<'a, G: ProofGround>(
    ground: &mut G,
    options: &ProveOptions,
    before: &Catalog,
    trust: Trust<'a>,
    write: impl Fn(&Trust<'a>) -> Scripts,
) -> Result<Proven<'a>, RollbackError> {
    let scripts = write(&trust);
    let proof = prove(ground, &scripts, options).await?;
    let mut last = Proven { scripts, proof, trust };
    let mut best = last.clone();
    for again in [false, true] {
        let Some(trust) = last.less(before, again) else { break };
        let scripts = write(&trust);
        // The same scripts would do the same again.
        if scripts.rollback == last.scripts.rollback && scripts.prepare == last.scripts.prepare {
            continue;
        }
        let proof = prove(ground, &scripts, options).await?;
        last = Proven { scripts, proof, trust };
        if !best.is_better_than(&last) {
            best = last.clone();
        }
    }
    Ok(best)
}

impl<'a> Proven<'a> {
    /// What is left to be trusted; none where nothing speaks against any of it.
    fn less(&self, before: &Catalog, again: bool) -> Option<Trust<'a>> {
        if self.proof.failed() {
            let trusts = self.trust.volatile.is_some() || self.trust.casts;
            return trusts.then(|| Trust { volatile: None, casts: false, ..self.trust.clone() });
        }
        let mut less = self.trust.clone();
        let taken = self.proof.take_from(&mut less, &self.scripts, before);
        less.volatile = less.volatile.filter(|_| !again);
        taken.then_some(less)
    }

    /// Of two that bring back as much, the one that was right about the rows stays.
    fn is_better_than(&self, other: &Self) -> bool {
        let rank = |proof: &RollbackProof| match proof.verdict() {
            RollbackVerdict::Irreversible | RollbackVerdict::NotAttempted => 2,
            RollbackVerdict::RowsLost => 1,
            _ => 0,
        };
        let (own, theirs) = (rank(&self.proof), rank(&other.proof));
        own < theirs || (own == theirs && !self.proof.failed() && self.proof.left_alone.is_empty())
    }
}
