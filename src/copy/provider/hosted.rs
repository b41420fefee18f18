//! Clones of a service over HTTP, as a run asks for them.
//!
//! A clone is made in one blocking task that nothing cancels, and that the runtime waits for at its end: who no longer waits
//! for the clone tells it so, and it takes back what it made. Whoever wants it destroyed meanwhile waits for that.

use super::PlaceError;
use super::clones::Made;
use super::service::{CloneName, CloneService, Likeness, Pace, ServiceError, Stop};
use crate::copy::fidelity::Grade;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A service, and what it said of the first clone. Clones of this value share both.
#[derive(Clone)]
pub struct Hosted {
    service: Arc<dyn CloneService>,
    pace: Pace,
    told: Arc<Mutex<Option<Told>>>,
    /// Held while one is made: what is half made can be neither found nor destroyed.
    making: Arc<Mutex<()>>,
}

/// What a service says of a clone.
#[derive(Debug, Clone)]
struct Told {
    likeness: Likeness,
    taken_at: Option<jiff::Timestamp>,
    notes: Vec<String>,
}

impl fmt::Debug for Hosted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Hosted({})", self.service.place())
    }
}

impl PartialEq for Hosted {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Hosted {}

/// Dropped, it tells that nobody waits for a clone any more.
struct Waiting(Stop);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Hosted {
    /// Clones of this service.
    pub fn new(service: Arc<dyn CloneService>, pace: Pace) -> Self {
        Self { service, pace, told: Arc::default(), making: Arc::default() }
    }

    /// What tells it from every other service.
    pub(super) fn identity(&self) -> String {
        format!("{}\n{}", self.service.kind(), self.service.place())
    }

    /// How near its clones are to the original, once it has made one.
    pub(super) fn fidelity(&self) -> Option<Grade> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.as_ref().map(|told| match told.likeness {
            Likeness::Physical => Grade::Physical,
            Likeness::Logical => Grade::Logical,
        })
    }

    /// When the first clone's data was taken, and what a reader has to know of it.
    pub(super) fn told(&self) -> (Option<jiff::Timestamp>, Vec<String>) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.as_ref().map(|told| (told.taken_at, told.notes.clone())).unwrap_or_default()
    }

    fn failed(&self, why: impl fmt::Display) -> PlaceError {
        PlaceError::Service { what: "copies".to_owned(), why: why.to_string() }
    }

    /// Makes a clone for the copy of this name.
    pub(super) async fn create(&self, name: &str) -> Result<Made, PlaceError> {
        let stop = Stop::default();
        let _waiting = Waiting(stop.clone());
        let (hosted, name) = (self.clone(), CloneName::of_copy(name));
        let made = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = hosted.making.lock().unwrap_or_else(PoisonError::into_inner);
            let made = hosted.service.create(&name, &hosted.pace.until(stop.clone()))?;
            if stop.is_set() {
                hosted.service.destroy(&made.id, &hosted.pace.to_the_end())?;
                return Err(ServiceError::GivenUp { place: hosted.service.place() });
            }
            Ok(made)
        });
        let made = made.await.map_err(|error| self.failed(error))?.map_err(|error| self.failed(error))?;
        let told = Told { likeness: made.likeness, taken_at: made.taken_at, notes: made.notes };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(told);
        Ok(Made { id: made.id, url: made.url })
    }

    /// Destroys the clone for the copy of this name; it is looked for where its id is not known.
    pub(super) async fn destroy(&self, name: &str, id: Option<&str>) -> Result<(), PlaceError> {
        let (hosted, name, id) = (self.clone(), CloneName::of_copy(name), id.map(str::to_owned));
        let destroyed = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = hosted.making.lock().unwrap_or_else(PoisonError::into_inner);
            let pace = hosted.pace.to_the_end();
            let id = match id {
                Some(id) => Some(id),
                None => hosted.service.list(&pace)?.into_iter().find(|open| open.name == name).map(|open| open.id),
            };
            id.map_or(Ok(()), |id| hosted.service.destroy(&id, &pace))
        });
        destroyed.await.map_err(|error| self.failed(error))?.map_err(|error| self.failed(error))
    }
}
