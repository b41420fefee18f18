//! What the server said of one query is taken apart while it is at work on the next.

use crate::snapshot::plan::PlanCapture;
use tokio::task::JoinHandle;

/// Captures in the order of their queries, some of them still being read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Known(Vec<PlanCapture>),
    Reading(JoinHandle<Vec<PlanCapture>>),
}

impl Reading {
    /// The next captures, which are known.
    pub(super) fn known(&mut self, captures: Vec<PlanCapture>) {
        self.parts.push(Part::Known(captures));
    }

    /// The next captures, once they are read, which begins now.
    pub(super) fn read(&mut self, read: impl FnOnce() -> Vec<PlanCapture> + Send + 'static) {
        self.parts.push(Part::Reading(tokio::spawn(async { read() })));
    }

    /// All of them, in order.
    pub(super) async fn all(self) -> Vec<PlanCapture> {
        let mut captures = Vec::new();
        for part in self.parts {
            captures.extend(match part {
                Part::Known(captures) => captures,
                Part::Reading(reading) => match reading.await {
                    Ok(captures) => captures,
                    Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
                },
            });
        }
        captures
    }
}
