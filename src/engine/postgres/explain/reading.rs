//! What the server said of some queries is taken apart while it is at work on the next.

use crate::snapshot::plan::PlanCapture;
use std::sync::mpsc::{Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

/// Taking apart what was said of one query.
type Work = Box<dyn FnOnce() -> Vec<PlanCapture> + Send>;

/// Captures in the order of their queries, some of them still being read: on one other thread, as there is one session.
#[derive(Default)]
pub(super) struct Reading {
    parts: Vec<Part>,
    reader: Option<Reader>,
}

struct Reader {
    work: Sender<Work>,
    /// What it has read, one after the other, once there is no more work.
    read: JoinHandle<Vec<Vec<PlanCapture>>>,
}

enum Part {
    Known(Vec<PlanCapture>),
    /// The reader's next.
    Read,
}

impl Reading {
    /// The next captures, which are known.
    pub(super) fn known(&mut self, captures: Vec<PlanCapture>) {
        self.parts.push(Part::Known(captures));
    }

    /// The next captures, once they are read, which begins now.
    pub(super) fn read(&mut self, read: impl FnOnce() -> Vec<PlanCapture> + Send + 'static) {
        let reader = self.reader.get_or_insert_with(|| {
            let (work, queue) = channel::<Work>();
            Reader { work, read: spawn_blocking(move || queue.into_iter().map(|read| read()).collect()) }
        });
        // A reader that is gone has panicked: [`Self::all`] passes that on.
        let _ = reader.work.send(Box::new(read));
        self.parts.push(Part::Read);
    }

    /// All of them, in order.
    pub(super) async fn all(self) -> Vec<PlanCapture> {
        let mut read = match self.reader {
            Some(Reader { work, read }) => {
                drop(work);
                match read.await {
                    Ok(read) => read.into_iter(),
                    Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
                }
            }
            None => Vec::new().into_iter(),
        };
        let parts = self.parts.into_iter().map(|part| match part {
            Part::Known(captures) => captures,
            Part::Read => read.next().unwrap_or_default(),
        });
        parts.flatten().collect()
    }
}
