//! A copy of the source that queries are planned on.

use super::Stop;
use crate::command::bases::{Bases, Elsewhere, roles};
use crate::config::Settings;
use crate::copy::scratch::ScratchDatabase;
use crate::copy::source::Source;
use crate::progress::{Activity, Progress};
use crate::rehearsal::budget;
use crate::workload::HotQuery;
use std::time::Instant;

/// A running copy. The folder it is in goes last.
pub(super) struct Ground {
    pub copy: ScratchDatabase,
    elsewhere: Elsewhere,
    progress: Progress,
    _bases: Bases,
}

impl Ground {
    /// Makes the base of `source`, as `check` does, and a copy of it.
    pub async fn make(
        settings: &Settings,
        source: &str,
        queries: &[&HotQuery],
        progress: Progress,
    ) -> Result<Self, Stop> {
        let source = Source::parse(source).map_err(Stop::usage)?;
        let (activity, started) = (Activity::default(), Instant::now());
        let elsewhere = Elsewhere::default();
        let bases = Bases::open(settings, progress, activity.clone(), elsewhere.clone())?;
        let far = || budget::waiting_for("base:", started, &activity);
        let base = progress.while_waiting(bases.obtain(Some(&source)), far).await.map_err(Stop::environment)?;
        let roles = roles(settings, queries.iter().copied());
        let copy = ScratchDatabase::create(&base, &bases.run, &roles).await.map_err(Stop::environment)?;
        Ok(Self { copy, elsewhere, progress, _bases: bases })
    }

    /// Removes it.
    pub async fn remove(self) -> Result<(), Stop> {
        let gone = self.copy.destroy().await;
        self.elsewhere.close(self.progress).await;
        gone.map_err(Stop::environment)
    }
}
