//! Clones as the asynchronous part of a run holds them.
//!
//! One blocking task owns a clone from before it is asked for until it is gone. It cannot be cancelled, and the runtime
//! waits for it at its end: so whatever ends a run, the clone is destroyed, also one that was just being made.

use super::record::OpenRecord;
use super::service::{CloneName, CloneService, Pace, ServiceError, Stop, ThinClone};
use crate::copy::state::{RunDir, StateDir, StateError};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use thiserror::Error;
use tokio::sync::oneshot;

/// Why there is no clone, or why it is still there.
#[derive(Debug, Error)]
pub enum KeeperError {
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The record of the clone cannot be kept, and without it nobody would find a clone of a killed run.
    #[error(transparent)]
    State(#[from] StateError),
    /// The task ended without an answer, which is a bug.
    #[error("the task that keeps a clone ended early: what it left is destroyed at the next start")]
    Lost,
}

/// Where it is told what goes wrong when nobody waits for an answer.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Makes clones for one run.
#[derive(Clone)]
pub struct Keeper {
    service: Arc<dyn CloneService>,
    state: StateDir,
    run: String,
    next: Arc<AtomicU32>,
    pace: Pace,
    tell: Tell,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Keeper({})", self.service.place())
    }
}

/// A clone of this run. Dropped, it is destroyed beside whatever goes on; [`Held::destroy`] waits and says how it went.
#[derive(Debug)]
pub struct Held {
    /// What it is.
    pub clone: ThinClone,
    order: mpsc::Sender<oneshot::Sender<Result<(), KeeperError>>>,
}

/// Dropped, it tells the task that nobody waits for the clone.
struct Waiting(Stop);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Keeper {
    /// For the clones of `run`.
    pub fn new(service: Arc<dyn CloneService>, state: StateDir, run: &RunDir, pace: Pace, tell: Tell) -> Self {
        let run = run.path().file_name().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default();
        Self { service, state, run, next: Arc::new(AtomicU32::new(1)), pace, tell }
    }

    /// The service.
    pub fn service(&self) -> &dyn CloneService {
        self.service.as_ref()
    }

    /// A fresh clone that can be connected to.
    ///
    /// # Errors
    /// See [`KeeperError`]; nothing is left of the clone unless the error says so.
    pub async fn create(&self) -> Result<Held, KeeperError> {
        let name = CloneName::new(&self.run, self.next.fetch_add(1, Ordering::Relaxed));
        let stop = Stop::default();
        let _waiting = Waiting(stop.clone());
        let (hand, taken) = oneshot::channel();
        // Dropped with this future or with the clone: then nobody wants it.
        let (order, orders) = mpsc::channel();
        let keeper = self.clone();
        tokio::task::spawn_blocking(move || keeper.keep(&name, stop, hand, &orders));
        let clone = taken.await.map_err(|_| KeeperError::Lost)??;
        Ok(Held { clone, order })
    }

    fn keep(
        &self,
        name: &CloneName,
        stop: Stop,
        hand: oneshot::Sender<Result<ThinClone, KeeperError>>,
        orders: &mpsc::Receiver<oneshot::Sender<Result<(), KeeperError>>>,
    ) {
        let (clone, record) = match self.make(name, stop) {
            Ok(made) => made,
            Err(error) => {
                if let Err(Err(unheard)) = hand.send(Err(error)) {
                    self.tell_unless_expected(&unheard);
                }
                return;
            }
        };
        let id = clone.id.clone();
        let order = hand.send(Ok(clone)).ok().and_then(|()| orders.recv().ok());
        let destroyed = self.service.destroy(&id, &self.pace.to_the_end()).map_err(KeeperError::from);
        let destroyed = destroyed.and_then(|()| Ok(record.done()?));
        // An answer nobody waits for is told.
        let unheard = match order {
            Some(answer) => answer.send(destroyed).err(),
            None => Some(destroyed),
        };
        if let Some(Err(error)) = unheard {
            (self.tell)(&format!("clone {name} is left: {error}; the next start tries again"));
        }
    }

    fn make(&self, name: &CloneName, stop: Stop) -> Result<(ThinClone, OpenRecord), KeeperError> {
        let mut record = OpenRecord::begin(&self.state, self.service.as_ref(), name)?;
        match self.service.create(name, &self.pace.until(stop)) {
            Ok(clone) => match record.made(&clone.id) {
                Ok(()) => Ok((clone, record)),
                Err(error) => {
                    self.service.destroy(&clone.id, &self.pace.to_the_end())?;
                    record.done()?;
                    Err(error.into())
                }
            },
            // The record stays, and the next start tries again.
            Err(error @ ServiceError::Left { .. }) => Err(error.into()),
            Err(error) => {
                record.done()?;
                Err(error.into())
            }
        }
    }

    fn tell_unless_expected(&self, error: &KeeperError) {
        if !matches!(error, KeeperError::Service(ServiceError::GivenUp { .. })) {
            (self.tell)(&error.to_string());
        }
    }
}

impl Held {
    /// Destroys it, and waits until it is gone.
    ///
    /// # Errors
    /// See [`KeeperError`]; the next start tries again.
    pub async fn destroy(self) -> Result<(), KeeperError> {
        let (answer, answered) = oneshot::channel();
        self.order.send(answer).map_err(|_| KeeperError::Lost)?;
        answered.await.map_err(|_| KeeperError::Lost)?
    }
}
