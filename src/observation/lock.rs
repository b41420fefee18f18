//! Table-level lock modes and their conflict matrix, as data.
//!
//! Source of the matrix: PostgreSQL documentation, "Explicit Locking", table "Conflicting Lock Modes". SQLite's own modes
//! are about the whole database: SQLite, "File Locking And Concurrency" and "Write-Ahead Logging".

/// A table-level lock mode, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// `SELECT`.
    AccessShare,
    /// `SELECT … FOR UPDATE/SHARE`.
    RowShare,
    /// `INSERT`, `UPDATE`, `DELETE`, `MERGE`.
    RowExclusive,
    /// `VACUUM`, `ANALYZE`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive,
    /// `CREATE INDEX`.
    Share,
    /// `CREATE TRIGGER`, `ADD FOREIGN KEY`.
    ShareRowExclusive,
    /// `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
    Exclusive,
    /// Most forms of `ALTER TABLE`, `DROP`, `TRUNCATE`.
    AccessExclusive,
    /// SQLite's lock of whoever writes, on the whole database: one at a time has it, and others go on reading.
    Reserved,
    /// SQLite's lock of whoever writes to the database file itself: nobody else reads. In WAL mode only few ever take it.
    FileExclusive,
}

use LockMode::{
    AccessExclusive, AccessShare, Exclusive, FileExclusive, Reserved, RowExclusive, RowShare, Share, ShareRowExclusive,
    ShareUpdateExclusive,
};

/// Every mode with its name in `pg_locks`, weakest first; then SQLite's, as its documentation spells them.
pub const LOCK_MODES: [(LockMode, &str); 10] = [
    (AccessShare, "AccessShareLock"),
    (RowShare, "RowShareLock"),
    (RowExclusive, "RowExclusiveLock"),
    (ShareUpdateExclusive, "ShareUpdateExclusiveLock"),
    (Share, "ShareLock"),
    (ShareRowExclusive, "ShareRowExclusiveLock"),
    (Exclusive, "ExclusiveLock"),
    (AccessExclusive, "AccessExclusiveLock"),
    (Reserved, "RESERVED"),
    (FileExclusive, "EXCLUSIVE"),
];

impl LockMode {
    /// From the spelling in `pg_locks`; `None` for a mode this table does not know.
    pub fn from_pg_locks(name: &str) -> Option<Self> {
        LOCK_MODES[..8].iter().find(|(_, known)| *known == name).map(|(mode, _)| *mode)
    }

    /// Whether it is SQLite's, on a whole database.
    pub fn is_of_the_file(self) -> bool {
        matches!(self, Reserved | FileExclusive)
    }

    /// The engine's own spelling.
    pub fn name(self) -> &'static str {
        LOCK_MODES[self as usize].1
    }

    /// Whether two sessions cannot hold these modes on one table at once.
    pub fn conflicts_with(self, other: LockMode) -> bool {
        let conflicts: &[LockMode] = match self {
            AccessShare => &[AccessExclusive],
            RowShare => &[Exclusive, AccessExclusive],
            RowExclusive => &[Share, ShareRowExclusive, Exclusive, AccessExclusive],
            ShareUpdateExclusive => &[ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive],
            Share => &[RowExclusive, ShareUpdateExclusive, ShareRowExclusive, Exclusive, AccessExclusive],
            ShareRowExclusive => {
                &[RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive]
            }
            Exclusive => {
                &[RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive]
            }
            AccessExclusive | FileExclusive => return true,
            Reserved => return !matches!(other, AccessShare | RowShare),
        };
        // On SQLite's side everything that writes asks for the same.
        if matches!(other, Reserved | FileExclusive) {
            return other.conflicts_with(self);
        }
        conflicts.contains(&other)
    }

    /// What it makes wait, in plain words: `reads`, `writes`, or nothing an application does.
    pub fn blocks(self) -> Vec<&'static str> {
        [("reads", AccessShare), ("writes", RowExclusive)]
            .into_iter()
            .filter(|(_, needed)| self.conflicts_with(*needed))
            .map(|(word, _)| word)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conflict_matrix_is_symmetric() {
        for (left, _) in LOCK_MODES {
            for (right, _) in LOCK_MODES {
                assert_eq!(left.conflicts_with(right), right.conflicts_with(left), "{left:?} against {right:?}");
            }
        }
    }

    #[test]
    fn names_round_trip_and_plain_words_follow_the_matrix() {
        for (mode, name) in LOCK_MODES {
            assert_eq!(mode.name(), name);
            let known = !matches!(mode, Reserved | FileExclusive);
            assert_eq!(LockMode::from_pg_locks(name), known.then_some(mode));
        }
        assert_eq!(LockMode::from_pg_locks("SIReadLock"), None);
        assert_eq!(AccessExclusive.blocks(), ["reads", "writes"]);
        assert_eq!(Share.blocks(), ["writes"]);
        assert!(ShareUpdateExclusive.blocks().is_empty());
        assert_eq!(Reserved.blocks(), ["writes"]);
        assert_eq!(FileExclusive.blocks(), ["reads", "writes"]);
    }
}
