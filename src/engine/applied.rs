//! How far a run of migrations came, whatever the engine.

use super::ServerError;

/// The statement that ended the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// [`crate::migration::Statement::index`]; the last one of the migration when its `COMMIT` failed.
    pub statement: usize,
    /// What the server said.
    pub error: ServerError,
}

/// How far a run came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The refusal that ended it, if one did.
    pub failure: Option<Failure>,
    /// Indexes of the statements whose effect is committed.
    pub committed: Vec<usize>,
    /// The last statement of each transaction that was committed.
    pub commits: Vec<usize>,
    /// How many migrations are applied as a whole.
    pub migrations: usize,
}
