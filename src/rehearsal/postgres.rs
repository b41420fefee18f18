//! The passes on PostgreSQL.

use super::schedule::within_time;
use super::{
    Course, Engine, Passes, Plan, Ready, Rehearsal, RehearsalError, attribute, beside, confinement, needs, on_request,
    passes, pending, prove, retry,
};
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::abilities::Abilities;
use crate::report::v1::PassName;

/// A run whose first copy stands, and of which it is known what is pending.
pub struct Begun<'run> {
    ready: Ready<'run>,
    /// Untouched, until the measure pass takes it.
    copy: Option<ScratchDatabase>,
    /// What sessions on copies may do.
    abilities: Abilities,
}

impl Engine for Plan<'_> {
    type Passes<'run>
        = Begun<'run>
    where
        Self: 'run;

    fn course(&self) -> &Course<'_> {
        &self.course
    }

    async fn begin(&self, rehearsal: &mut Rehearsal) -> Result<Begun<'_>, RehearsalError> {
        let copy = self.bare_copy().await?;
        rehearsal.role.clone_from(&copy.target.role);
        rehearsal.confinement = confinement::in_force(copy.confined(), self.base.makes_roles());
        if let Some(source) = &mut rehearsal.source {
            source.fidelity_notes.extend(copy.notes.iter().cloned());
            source.fidelity_notes.extend(needs::weaker(copy.abilities()));
        }
        let abilities = copy.abilities();
        // What comes first may take long, too.
        let ready = within_time(self, pending::find(self, &copy, rehearsal)).await?;
        rehearsal.notes.extend(confinement::notes(self).await);
        Ok(Begun { ready, copy: Some(copy), abilities })
    }
}

impl Passes for Begun<'_> {
    async fn discard(&mut self) -> Result<(), RehearsalError> {
        match self.copy.take() {
            Some(copy) => Ok(copy.destroy().await?),
            None => Ok(()),
        }
    }

    async fn measure(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        let copy = match self.copy.take() {
            Some(copy) => copy,
            None => self.ready.copy().await?,
        };
        passes::measure(&self.ready, copy, rehearsal).await
    }

    async fn count_violators(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        passes::count_violators(&self.ready, rehearsal).await
    }

    fn lacking(&self, pass: PassName) -> Option<String> {
        needs::lacking(self.abilities, needs::needs(pass))
    }

    async fn prove(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        prove::prove(&self.ready, rehearsal).await
    }

    async fn attribute(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        attribute::attribute(&self.ready, rehearsal).await
    }

    async fn trial(&mut self, pass: PassName, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        match pass {
            PassName::Queue => beside::queue(&self.ready, rehearsal).await,
            PassName::Retry => retry::retry(&self.ready, rehearsal).await,
            _ => beside::traffic(&self.ready, rehearsal).await,
        }
    }

    async fn on_request(&mut self, rehearsal: &mut Rehearsal) {
        on_request::measure(&self.ready, rehearsal, self.abilities).await;
    }
}
