//! What `global/pg_control` says of a cluster.

use super::CopyError;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Bytes of a page of the write-ahead log (`XLOG_BLCKSZ`).
const WAL_PAGE: u64 = 8192;
/// No record of a checkpoint is longer, in bytes, with the header of a page in its midst: it takes some 150.
const CHECKPOINT_RECORD: u64 = 512;
/// `pg_control_version` of PostgreSQL 13, the oldest supported, and more than any to come: the bytes of a machine that orders
/// them the other way round make a number far beyond.
const CONTROL_VERSIONS: std::ops::Range<u32> = 1300..10_000;

/// The parts of the control file that Seatrial needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// Of the cluster and of every physical copy of it: it does not tell a copy from production.
    pub system_identifier: u64,
    /// Which system catalogs it has; a server reads only its own.
    pub catalog_version: u32,
    /// It was shut down cleanly, and not as a standby.
    pub shut_down: bool,
    /// Its server was a standby.
    pub standby: bool,
    /// When it was last written: at the last checkpoint, or when the server was shut down.
    pub written_at: SystemTime,
    /// `max_prepared_transactions` of its server: recovery needs as many.
    pub prepared_transactions: u32,
    /// Bytes of a file of the write-ahead log.
    pub segment_bytes: u64,
    checkpoint: u64,
    redo: u64,
    timeline: u32,
}

/// Where the write-ahead log ends.
pub(super) struct LogEnd {
    /// Name of the file in which the last checkpoint's record ends.
    pub(super) segment: String,
    /// Bytes of it up to the end of that page. A server that was shut down cleanly reads no further; what comes then is as in
    /// a new file.
    pub(super) used: u64,
}

impl ControlFile {
    /// Reads it from a data directory.
    ///
    /// # Errors
    /// It cannot be read, or was written by a server this machine cannot have.
    pub fn read(data_dir: &Path) -> Result<Self, CopyError> {
        let path = data_dir.join("global/pg_control");
        let bytes = File::open(&path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(8192).read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = bytes.map_err(|error| CopyError::Unreadable { path: path.clone(), error })?;
        Self::parse(&bytes).ok_or(CopyError::Control { path })
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        // The beginning no supported version has ever moved: system_identifier u64, pg_control_version u32,
        // catalog_version_no u32, state u32, time i64, checkPoint u64, then the copy of the checkpoint: redo u64,
        // ThisTimeLineID u32.
        CONTROL_VERSIONS.contains(&u32_at(8)?).then_some(())?;
        let written_at = i64::from_ne_bytes(bytes.get(24..32)?.try_into().ok()?);
        // Fields before this number, by which a server knows its own kind of machine, have moved; those beside it have not:
        // max_prepared_xacts i32, max_locks_per_xact i32, track_commit_timestamp bool, maxAlign u32, floatFormat f64,
        // blcksz u32, relseg_size u32, xlog_blcksz u32, xlog_seg_size u32.
        let float = 1_234_567.0_f64.to_ne_bytes();
        let anchor = (56..bytes.len().checked_sub(24)?).step_by(8).find(|at| bytes[*at..at + 8] == float)?;
        let segment_bytes = u64::from(u32_at(anchor + 20)?);
        (segment_bytes.is_power_of_two() && segment_bytes >= 1 << 20).then_some(())?;
        Some(Self {
            system_identifier: u64_at(0)?,
            catalog_version: u32_at(12)?,
            // DB_SHUTDOWNED, then DB_SHUTDOWNED_IN_RECOVERY and DB_IN_ARCHIVE_RECOVERY.
            shut_down: u32_at(16)? == 1,
            standby: [2, 5].contains(&u32_at(16)?),
            written_at: SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(written_at).ok()?),
            prepared_transactions: u32_at(anchor - 16)?,
            segment_bytes,
            checkpoint: u64_at(32)?,
            redo: u64_at(40)?,
            timeline: u32_at(48)?,
        })
    }

    /// Name of the file of the write-ahead log in which recovery from the last checkpoint begins.
    pub fn first_segment(&self) -> String {
        self.segment_of(self.redo)
    }

    /// Where the log ends, if the cluster was shut down cleanly.
    pub(super) fn log_end(&self) -> LogEnd {
        let end = self.checkpoint + CHECKPOINT_RECORD;
        LogEnd { segment: self.segment_of(end), used: (end % self.segment_bytes / WAL_PAGE + 1) * WAL_PAGE }
    }

    fn segment_of(&self, position: u64) -> String {
        let (high, low) = (position >> 32, (position & 0xffff_ffff) / self.segment_bytes);
        format!("{:08X}{high:08X}{low:08X}", self.timeline)
    }
}

/// A control file for tests: this state, checkpoint and size of the log's files.
#[cfg(test)]
pub(super) fn made_up(state: u32, checkpoint: u64, segment_bytes: u32) -> Vec<u8> {
    let mut bytes = vec![0; 8192];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(8, &1300_u32.to_ne_bytes());
    put(12, &202_209_061_u32.to_ne_bytes());
    put(16, &state.to_ne_bytes());
    put(32, &checkpoint.to_ne_bytes());
    put(40, &checkpoint.to_ne_bytes());
    put(48, &1_u32.to_ne_bytes());
    put(192, &7_u32.to_ne_bytes());
    put(208, &1_234_567.0_f64.to_ne_bytes());
    put(228, &segment_bytes.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_that_ends_in_the_next_file_takes_both_along() {
        let control = ControlFile::parse(&made_up(1, 0x0000_0005_12ff_ffa0, 16 << 20)).expect("parsed");
        let log = control.log_end();
        assert_eq!((log.segment.as_str(), log.used), ("000000010000000500000013", 8192));
        assert_eq!(control.first_segment(), "000000010000000500000012");
        assert_eq!(control.prepared_transactions, 7);
    }

    #[test]
    fn files_of_the_log_have_the_size_the_cluster_was_made_with() {
        let named = |segment_bytes| {
            let control = ControlFile::parse(&made_up(1, 0x0000_0005_1200_0028, segment_bytes)).expect("parsed");
            control.first_segment()
        };
        assert_eq!(named(1 << 20), "000000010000000500000120");
        assert_eq!(named(64 << 20), "000000010000000500000004");
    }

    #[test]
    fn what_another_kind_of_machine_wrote_is_not_read() {
        let mut swapped = made_up(1, 0x28, 16 << 20);
        swapped[8..12].reverse();
        assert_eq!(ControlFile::parse(&swapped), None);
        assert_eq!(ControlFile::parse(&[0; 8192]), None);
        assert_eq!(ControlFile::parse(&made_up(1, 0x28, 16 << 20)[..100]), None, "cut off");
    }
}
