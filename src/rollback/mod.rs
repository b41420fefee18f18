//! The way back: scripts that undo the migration, and what running them showed.
//!
//! [`generate::generate`] writes the scripts from two catalogs and a dump; [`prove::prove`] runs them on fresh copies.
//! A verdict comes only from that run.

mod again;
pub mod backup;
pub mod compare;
pub mod conditions;
pub mod dump;
pub mod fingerprint;
pub mod generate;
mod inverse;
mod names;
pub mod net;
mod order;
pub mod origin;
mod planner;
mod privileges;
pub mod prove;
pub mod sqlite;
mod trace;

use crate::engine::ServerError;
use crate::report::v1::RollbackVerdict;
use thiserror::Error;

/// The scripts and what running them showed.
#[derive(Debug, Clone)]
pub struct Rollback {
    /// The three scripts.
    pub scripts: generate::Scripts,
    /// What the run showed; none when they were not run.
    pub proof: Option<prove::RollbackProof>,
    /// Why they were not run.
    pub reason: Option<String>,
}

impl Rollback {
    /// Scripts that were not run, and why.
    pub fn not_attempted(scripts: generate::Scripts, reason: String) -> Self {
        Self { scripts, proof: None, reason: Some(reason) }
    }

    /// One that was run and brought everything back.
    #[cfg(test)]
    pub(crate) fn proven_for_tests() -> Self {
        let proof = Some(prove::RollbackProof::exact_for_tests());
        Self { scripts: generate::Scripts::default(), proof, reason: None }
    }

    /// What is not as before, a sentence each; or why nobody knows.
    pub fn differences(&self) -> Vec<String> {
        match &self.proof {
            Some(proof) => proof.differences(),
            None => self.reason.iter().cloned().collect(),
        }
    }

    /// The contract's word for it.
    pub fn verdict(&self) -> RollbackVerdict {
        self.proof.as_ref().map_or(RollbackVerdict::NotAttempted, prove::RollbackProof::verdict)
    }
}

/// What keeps a proof from being made; nothing of it says anything about the rollback.
#[derive(Debug, Error)]
pub enum RollbackError {
    /// The server refuses what the proof itself asks.
    #[error("the copy's server refused while the rollback was proven: {0}")]
    Server(#[from] ServerError),
    /// No copy, or one that cannot be removed.
    #[error("no copy to prove the rollback on: {0}")]
    Copy(String),
    /// pg_dump does not print the schema.
    #[error("pg_dump did not print the copy's schema: {0}")]
    Dump(String),
}
