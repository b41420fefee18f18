//! What other sessions saw of a statement: locks, the disk, tables gone through by VACUUM.

use super::{FIRST_USER_OID, Known, Observer};
use crate::engine::ServerError;
use crate::engine::postgres::probe::{VACUUM_COUNTS, number, position};
use crate::engine::postgres::sample::{SampledRelation, Samples, disk};
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock};
use crate::snapshot::Oid;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

impl Observer<'_> {
    /// Adds what only the sampling session saw.
    pub(super) fn add_samples(&mut self, observation: &mut Observation, samples: &Samples, started: Instant) {
        for SampledRelation { oid, name, kind, parent, table } in samples.relations.iter().cloned() {
            self.known.entry(oid).or_insert(Known {
                name,
                kind,
                filenode: 0,
                summary: String::new(),
                table,
                parent,
                rows: 0,
                created_in_run: true,
                toast: false,
            });
        }
        if samples.every_commit && samples.commits > 0 {
            observation.committed_within &= samples.commits > 1;
        }
        for exact in [true, false] {
            let these = samples
                .locks
                .iter()
                .filter(|((oid, _), seen)| *oid >= FIRST_USER_OID && seen.granted && seen.exact == exact);
            let these: BTreeSet<(Oid, LockMode)> = these.map(|(lock, _)| *lock).collect();
            for mut lock in self.group_locks(&these, exact) {
                let seen =
                    observation.locks.iter().any(|known| known.relation == lock.relation && known.mode == lock.mode);
                if !seen {
                    lock.held_ms = held(samples, &these, &lock, started, |oid| self.topmost(oid));
                    observation.locks.push(lock);
                }
            }
        }
        for ((oid, mode), seen) in &samples.locks {
            let top = self.topmost(*oid);
            let waited_ms = seen.waited.as_secs_f64() * 1000.0;
            for lock in observation.locks.iter_mut().filter(|lock| lock.relation == top && lock.mode == *mode) {
                lock.waited_ms = lock.waited_ms.max(waited_ms);
            }
        }
    }

    pub(super) async fn vacuum_counts(&mut self) -> Result<BTreeMap<Oid, u64>, ServerError> {
        let rows = self.session.query(VACUUM_COUNTS).await?.rows;
        Ok(rows.iter().filter_map(|row| Some((number(row, 0)?, number(row, 1)?))).collect())
    }

    /// A VACUUM without FULL writes nothing that its commit would stand still for. The server counts the tables it has
    /// gone through, and it does so under SHARE UPDATE EXCLUSIVE (PostgreSQL documentation, "Explicit Locking").
    pub(super) async fn add_vacuumed(&mut self, observation: &mut Observation) -> Result<(), ServerError> {
        let before = std::mem::take(&mut self.vacuumed);
        let now = self.vacuum_counts().await?;
        let done = now.into_iter().filter(|(oid, count)| before.get(oid).is_none_or(|before| before < count));
        let locks: BTreeSet<_> = done.map(|(oid, _)| (oid, LockMode::ShareUpdateExclusive)).collect();
        for mut lock in self.group_locks(&locks, false) {
            if !observation.locks.iter().any(|known| known.relation == lock.relation && known.mode >= lock.mode) {
                lock.held_ms = observation.duration_ms;
                observation.locks.push(lock);
            }
        }
        Ok(())
    }

    /// How much of the disk a statement took that ran long enough to be looked at.
    pub(super) async fn add_disk(
        &mut self,
        observation: &mut Observation,
        samples: &Samples,
    ) -> Result<(), ServerError> {
        let Some(peak) = samples.peak_bytes else { return Ok(()) };
        let before = self.bytes.0;
        self.count_bytes().await?;
        observation.peak_bytes = peak.max(self.bytes.0).saturating_sub(before);
        observation.temp_bytes = samples.temp_bytes;
        Ok(())
    }

    pub(super) async fn count_bytes(&mut self) -> Result<(), ServerError> {
        self.bytes = (disk(&mut self.session).await?.0, position(&self.wal_before));
        Ok(())
    }
}

/// How long the sampling session saw a lock held, at most, in milliseconds; of several partitions the longest.
fn held(
    samples: &Samples,
    these: &BTreeSet<(Oid, LockMode)>,
    lock: &ObservedLock,
    started: Instant,
    topmost: impl Fn(Oid) -> Oid,
) -> f64 {
    let same = these.iter().filter(|(oid, mode)| topmost(*oid) == lock.relation && *mode == lock.mode);
    let held = same.filter_map(|key| samples.locks.get(key)).map(|seen| {
        let until = seen.until.unwrap_or_else(Instant::now);
        until.saturating_duration_since(seen.since.unwrap_or(started)).saturating_sub(samples.held_up)
    });
    held.max().unwrap_or_default().as_secs_f64() * 1000.0
}
