//! Table-level lock modes and their conflict matrix, as data.
//!
//! Source of the matrix: PostgreSQL documentation, "Explicit Locking", table "Conflicting Lock Modes".

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
}

use LockMode::{
    AccessExclusive, AccessShare, Exclusive, RowExclusive, RowShare, Share, ShareRowExclusive, ShareUpdateExclusive,
};

/// Every mode with its name in `pg_locks`, weakest first.
pub const LOCK_MODES: [(LockMode, &str); 8] = [
    (AccessShare, "AccessShareLock"),
    (RowShare, "RowShareLock"),
    (RowExclusive, "RowExclusiveLock"),
    (ShareUpdateExclusive, "ShareUpdateExclusiveLock"),
    (Share, "ShareLock"),
    (ShareRowExclusive, "ShareRowExclusiveLock"),
    (Exclusive, "ExclusiveLock"),
    (AccessExclusive, "AccessExclusiveLock"),
];

impl LockMode {
    /// From the spelling in `pg_locks`; `None` for a mode this table does not know.
    pub fn from_pg_locks(name: &str) -> Option<Self> {
        LOCK_MODES.iter().find(|(_, known)| *known == name).map(|(mode, _)| *mode)
    }

    /// The spelling in `pg_locks`.
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
            AccessExclusive => return true,
        };
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
            assert_eq!(LockMode::from_pg_locks(name), Some(mode));
        }
        assert_eq!(LockMode::from_pg_locks("SIReadLock"), None);
        assert_eq!(AccessExclusive.blocks(), ["reads", "writes"]);
        assert_eq!(Share.blocks(), ["writes"]);
        assert!(ShareUpdateExclusive.blocks().is_empty());
    }
}
