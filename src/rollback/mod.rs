//! The way back: scripts that undo the migration, and what running them showed.

pub mod backup;
pub mod conditions;
pub mod dump;
pub mod generate;
mod inverse;
mod names;
mod order;
mod planner;
mod privileges;
pub mod prove;

/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct RollbackError;
/// x
#[derive(Debug)]
pub struct Rollback;
impl Rollback {
    /// x
    pub fn verdict(&self) -> crate::report::v1::RollbackVerdict {
        unreachable!()
    }
}
