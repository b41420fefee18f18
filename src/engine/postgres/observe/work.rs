//! What statements did to tables: files given anew, rows read and changed.

use super::{Counters, Files, Observer};
use crate::migration::script::StatementKind;
use crate::observation::{Observation, RelationWork};
use crate::snapshot::Oid;
use std::collections::{BTreeMap, BTreeSet};

impl Observer<'_> {
    pub(super) fn work(&self, oid: Oid, rows: u64) -> RelationWork {
        let name = self.known.get(&oid).map_or_else(|| oid.to_string(), |known| known.name.clone());
        let own = self.known.get(&oid).and_then(|known| known.table).unwrap_or(oid);
        let table = self.known.get(&self.topmost(own)).map_or_else(|| name.clone(), |top| top.name.clone());
        RelationWork { relation: oid, name, table, heap: own, rows, created_in_run: self.created_in_run(oid) }
    }

    /// Relations that were given another file: rewritten and emptied tables, and indexes built, old or new.
    pub(super) fn files_changed(
        &mut self,
        files: &Files,
        new: &BTreeSet<Oid>,
        observation: &mut Observation,
        kind: &StatementKind,
    ) {
        let rows = |oid: &Oid| self.known.get(oid).map_or(0, |known| known.rows);
        let before = if new.is_empty() { None } else { Some(&self.known) };
        let others: BTreeSet<Oid> = before
            .into_iter()
            .flatten()
            .filter(|(oid, _)| !new.contains(oid))
            .map(|(_, known)| known.filenode)
            .collect();
        let (mut rewritten, mut emptied) = (BTreeSet::new(), BTreeSet::new());
        for (oid, filenode) in &files.nodes {
            let Some(known) = self.known.get(oid).filter(|known| matches!(known.kind, 'r' | 'm') && !known.toast)
            else {
                continue;
            };
            if known.filenode == *filenode || known.filenode == 0 || *filenode == 0 || new.contains(oid) {
                continue;
            }
            // Nothing else than TRUNCATE, in a function as well, leaves nothing of a table that had rows; unless they were
            // deleted before, and what is rewritten now are none.
            let vanished = known.rows > 0 && files.empty.contains(oid) && !rewrites(kind);
            let truncated = matches!(kind, StatementKind::Truncate) || vanished;
            let set = if truncated && known.kind == 'r' { &mut emptied } else { &mut rewritten };
            set.insert(*oid);
        }
        for (oid, filenode) in &files.nodes {
            let Some(known) = self.known.get(oid).filter(|known| known.kind == 'i') else { continue };
            let Some(table) = known.table else { continue };
            // A type change that leaves values as they are makes the index anew, under a new OID, with the same file.
            let built = if new.contains(oid) { !others.contains(filenode) } else { known.filenode != *filenode };
            if built && ![&rewritten, &emptied, new].iter().any(|without| without.contains(&table)) {
                // An index of a partition is told as its parent's, as its table is.
                let built = self.work(self.topmost(*oid), rows(&table));
                observation.indexes_built.push(RelationWork { heap: table, ..built });
            }
        }
        observation.rewritten = rewritten.iter().map(|oid| self.work(*oid, rows(oid))).collect();
        // TRUNCATE counts nothing: what was there is what the statistics knew.
        observation.deleted = emptied.iter().map(|oid| self.work(*oid, rows(oid))).collect();
        for oid in emptied {
            if let Some(known) = self.known.get_mut(&oid) {
                self.given_up.insert((oid, known.filenode), std::mem::take(&mut known.rows));
            }
        }
        for (oid, filenode) in &files.nodes {
            if let Some(known) = self.known.get_mut(oid) {
                known.filenode = *filenode;
            }
        }
    }

    /// Work since the last reading, from the backend's own counters.
    pub(super) fn count(&mut self, now: BTreeMap<Oid, Counters>, observation: &mut Observation) {
        let before = |oid: &Oid, now: Counters| self.counters.get(oid).copied().unwrap_or_default().unless_flushed(now);
        // Entries read from the indexes of each table.
        let mut entries: BTreeMap<Oid, u64> = BTreeMap::new();
        for (oid, counters) in &now {
            let index = self.known.get(oid).filter(|known| known.kind == 'i' && !known.toast);
            if let Some(table) = index.and_then(|known| known.table) {
                *entries.entry(table).or_default() += counters.seq_read.saturating_sub(before(oid, *counters).seq_read);
            }
        }
        let is_table = |oid: &&Oid| !self.known.get(oid).is_some_and(|known| known.kind == 'i' || known.toast);
        let tables: BTreeSet<Oid> = now.keys().chain(entries.keys()).filter(is_table).copied().collect();
        for oid in &tables {
            let counters = &now.get(oid).copied().unwrap_or_default();
            let before = before(oid, *counters);
            let scans = counters.seq_scan.saturating_sub(before.seq_scan);
            let known = self.known.get(oid).map_or(0, |known| known.rows);
            if let Some(read) = counters.seq_read.saturating_sub(before.seq_read).checked_div(scans) {
                // What is read of a table just emptied are the indexes of nothing.
                if read > 0 || !observation.deleted.iter().any(|work| work.relation == *oid) {
                    observation.scanned.push(self.work(*oid, read.max(if read == 0 { 0 } else { known })));
                }
            }
            // A foreign key whose columns are indexed is proved by reading whole indexes. Statements that merely use an
            // index, as often as there are rows, take no such lock by themselves.
            let whole_index = known > 0 && entries.get(oid).is_some_and(|entries| *entries >= known);
            if scans == 0 && whole_index && self.locked_here(*oid, observation) {
                observation.scanned.push(self.work(*oid, known));
            }
            // What REFRESH writes is nobody's row.
            if self.known.get(oid).is_some_and(|known| known.kind == 'm') {
                continue;
            }
            // Inserts make nobody wait.
            let changed =
                counters.updated.saturating_sub(before.updated) + counters.deleted.saturating_sub(before.deleted);
            if changed > 0 {
                observation.changed.push(self.work(*oid, changed));
            }
            // A rewrite counts its rows as inserted.
            let rewritten = observation.rewritten.iter().any(|work| work.relation == *oid);
            let inserted = counters.inserted.saturating_sub(before.inserted);
            if inserted > 0 && !rewritten {
                observation.inserted.push(self.work(*oid, inserted));
            }
            let deleted = counters.deleted.saturating_sub(before.deleted);
            if deleted > 0 {
                observation.deleted.push(self.work(*oid, deleted));
            }
        }
        self.counters = now;
    }

    /// Whether the statement itself took a lock on the relation that makes others wait.
    fn locked_here(&self, oid: Oid, observation: &Observation) -> bool {
        let top = self.topmost(oid);
        let mut locks = observation.locks.iter();
        locks.any(|lock| lock.relation == top && lock.taken_here && !lock.blocks().is_empty())
    }
}

/// Whether statements of this kind give tables new files and leave them all their rows.
fn rewrites(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::AlterTable { .. } | StatementKind::Vacuum => true,
        StatementKind::Other(words) => words.starts_with("CLUSTER"),
        _ => false,
    }
}
