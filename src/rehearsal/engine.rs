//! What [`super::rehearse`] asks of an engine: the seam between the one order of a rehearsal and those who carry it out.

use super::{Course, Rehearsal, RehearsalError, budget};
use crate::report::v1::PassName;

/// An engine, with everything a run on it works with.
#[expect(async_fn_in_trait, reason = "passes run on the task that runs the rehearsal")]
pub trait Engine {
    /// Who carries out the passes of one run.
    type Passes<'run>: Passes
    where
        Self: 'run;

    /// What does not depend on the engine.
    fn course(&self) -> &Course<'_>;

    /// What is asked for besides the passes and can be measured on this engine, with the copies it takes.
    fn on_request(&self) -> Vec<(&'static str, u32)> {
        budget::on_request(self.course().settings)
    }

    /// Makes the first copy and finds what is pending on it: fills in who runs migrations, what confines them, what is
    /// pending and what people should know.
    ///
    /// # Errors
    /// See [`RehearsalError`].
    async fn begin(&self, rehearsal: &mut Rehearsal) -> Result<Self::Passes<'_>, RehearsalError>;
}

/// The passes of one run, each on copies of its own. None of them is called twice.
#[expect(async_fn_in_trait, reason = "passes run on the task that runs the rehearsal")]
pub trait Passes {
    /// Gives up the first copy, where the measure pass is not run.
    ///
    /// # Errors
    /// It cannot be removed.
    async fn discard(&mut self) -> Result<(), RehearsalError>;

    /// Snapshot, apply with one observation a statement, snapshot, settle, snapshot; then compare.
    ///
    /// # Errors
    /// What has nothing to do with the migration.
    async fn measure(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError>;

    /// Counts what keeps the failing statement from running.
    ///
    /// # Errors
    /// As above.
    async fn count_violators(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError>;

    /// Why a pass cannot show anything on this engine, or on copies where these are.
    fn lacking(&self, pass: PassName) -> Option<String>;

    /// Writes the way back and runs it.
    ///
    /// # Errors
    /// As above.
    async fn prove(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError>;

    /// Finds the statement behind each plan that changed.
    ///
    /// # Errors
    /// As above.
    async fn attribute(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError>;

    /// Runs one of the passes no answer waits for: traffic, queue or retry.
    ///
    /// # Errors
    /// As above.
    async fn trial(&mut self, pass: PassName, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError>;

    /// Measures what was asked for besides; what keeps it from being measured is a note.
    async fn on_request(&mut self, rehearsal: &mut Rehearsal);
}
