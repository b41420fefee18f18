//! Copying a stopped cluster, file by file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use thiserror::Error;

/// Two threads copy: one waits for the disk while the other fills pages.
const THREADS: usize = 2;

/// Folders whose content PostgreSQL makes anew at every start; `pg_basebackup` leaves the same ones empty.
const EMPTY_AT_START: [&str; 7] =
    ["pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans"];
/// Files that speak of the server that ran there.
const NOT_COPIED: [&str; 2] = ["postmaster.pid", "postmaster.opts"];
/// Name of folders with temporary files.
const TEMPORARY: &str = "pgsql_tmp";
/// Bytes of a page of the write-ahead log (`XLOG_BLCKSZ`).
const WAL_PAGE: u64 = 8192;
/// No record of a checkpoint is longer, in bytes, with the header of a page in its midst: it takes some 150.
const CHECKPOINT_RECORD: u64 = 512;

/// Why a data directory could not be copied.
#[derive(Debug, Error)]
pub enum CopyError {
    /// It was in use, or its server died.
    #[error("{data_dir} is in use or was not shut down cleanly, so it cannot be copied; stop its server first", data_dir = data_dir.display())]
    NotStopped {
        /// The directory.
        data_dir: PathBuf,
    },
    /// Links lead out of the directory, to what may be production's own files.
    #[error("{path} is neither a file nor a folder; only whole data directories, without tablespaces, can be copied", path = path.display())]
    Irregular {
        /// The link, or whatever it is.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot copy {from} to {to}: {error}{advice}", from = from.display(), to = to.display(), advice = advice(error))]
    Io {
        /// What was read.
        from: PathBuf,
        /// What was written.
        to: PathBuf,
        /// Its answer.
        error: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space (seatrial clean) or keep copies elsewhere with --cache-dir DIR"
        }
        _ => "",
    }
}

/// Copies a cleanly stopped cluster's data directory to `to`, which must not exist. Blocks; nothing is synced. On file
/// systems that can, the copy shares the original's blocks. What cannot be finished is removed.
///
/// # Errors
/// The cluster is running or was not stopped cleanly, the disk is full, or a path cannot be read.
pub fn copy_data_dir(from: &Path, to: &Path) -> Result<(), CopyError> {
    copy_data_dir_unless(&AtomicBool::new(false), &|_| {}, from, to)
}

/// [`copy_data_dir`] that gives up before the next file once `stop` is set, and tells the bytes of each file it made.
///
/// # Errors
/// As there; given up, it is an interrupted input or output.
pub fn copy_data_dir_unless(
    stop: &AtomicBool,
    copied: &(dyn Fn(u64) + Sync),
    from: &Path,
    to: &Path,
) -> Result<(), CopyError> {
    let control = ControlFile::read(from)?;
    if from.join("postmaster.pid").exists() || !control.shut_down {
        return Err(CopyError::NotStopped { data_dir: from.to_owned() });
    }
    let mut plan = Plan::default();
    plan.add_folder(from, to, &control.log)?;
    // Before anything is made, so that what is removed after a failure is ours.
    if to.exists() {
        return Err(failed(from, to)(io::ErrorKind::AlreadyExists.into()));
    }
    plan.carry_out(stop, copied).inspect_err(|_| {
        // The error that is returned matters more; leftovers vanish with the run.
        let _ = std::fs::remove_dir_all(to);
    })
}

/// Bytes a copy of the data directory takes where no blocks are shared.
///
/// # Errors
/// It cannot be read, or holds what cannot be copied.
pub fn copied_bytes(data_dir: &Path) -> Result<u64, CopyError> {
    let control = ControlFile::read(data_dir)?;
    let mut plan = Plan::default();
    plan.add_folder(data_dir, data_dir, &control.log)?;
    Ok(plan.files.iter().map(|(size, ..)| size).sum())
}

fn failed(from: &Path, to: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |error| CopyError::Io { from, to, error }
}

/// The beginning of `global/pg_control`, which no supported version has ever moved.
struct ControlFile {
    shut_down: bool,
    log: LogEnd,
}

/// Where the write-ahead log ends.
struct LogEnd {
    /// Name of the file in which the last checkpoint's record ends.
    segment: String,
    /// Bytes of it up to the end of that page. A server that was shut down cleanly reads no further; what comes then is as in
    /// a new file.
    used: u64,
}

impl ControlFile {
    fn read(data_dir: &Path) -> Result<Self, CopyError> {
        let path = data_dir.join("global/pg_control");
        let bytes = File::open(&path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(8192).read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = bytes.map_err(failed(&path, data_dir))?;
        Self::parse(&bytes).ok_or_else(|| CopyError::NotStopped { data_dir: data_dir.to_owned() })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        // system_identifier u64, pg_control_version u32, catalog_version_no u32, state u32, time i64, checkPoint u64,
        // then the copy of the checkpoint: redo u64, ThisTimeLineID u32.
        let (state, checkpoint, timeline) = (u32_at(16)?, u64_at(32)?, u32_at(48)?);
        let segment_bytes = 16 << 20;
        let end = checkpoint + CHECKPOINT_RECORD;
        let (high, low) = (end >> 32, (end & 0xffff_ffff) / segment_bytes);
        let segment = format!("{timeline:08X}{high:08X}{low:08X}");
        let used = (end % segment_bytes / WAL_PAGE + 1) * WAL_PAGE;
        Some(Self { shut_down: state == 1, log: LogEnd { segment, used } })
    }
}

/// What to make, in order: folders first.
#[derive(Default)]
struct Plan {
    folders: Vec<(PathBuf, PathBuf)>,
    files: Vec<(u64, PathBuf, PathBuf)>,
}

impl Plan {
    fn add_folder(&mut self, from: &Path, to: &Path, log: &LogEnd) -> Result<(), CopyError> {
        self.folders.push((from.to_owned(), to.to_owned()));
        let name = from.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if EMPTY_AT_START.contains(&name) || name == TEMPORARY {
            return Ok(());
        }
        for entry in std::fs::read_dir(from).map_err(failed(from, to))? {
            let entry = entry.map_err(failed(from, to))?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let metadata = entry.metadata().map_err(failed(&source, &target))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if metadata.is_dir() {
                self.add_folder(&source, &target, log)?;
            } else if !metadata.is_file() {
                return Err(CopyError::Irregular { path: source });
            } else if !NOT_COPIED.contains(&name.as_ref()) && !is_recycled(from, &name, &log.segment) {
                let last = from.ends_with("pg_wal") && *name == log.segment;
                let bytes = if last { log.used.min(metadata.len()) } else { metadata.len() };
                self.files.push((bytes, source, target));
            }
        }
        Ok(())
    }

    fn carry_out(mut self, stop: &AtomicBool, told: &(dyn Fn(u64) + Sync)) -> Result<(), CopyError> {
        for (from, to) in &self.folders {
            let make = || {
                let metadata = from.metadata()?;
                DirBuilder::new().mode(0o700).create(to)?;
                give_to_owner_of(&metadata, |uid, gid| lchown(to, uid, gid))
            };
            make().map_err(failed(from, to))?;
        }
        // Big ones first, so that the threads end together.
        self.files.sort_by_key(|(size, ..)| std::cmp::Reverse(*size));
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((bytes, from, to)) = self.files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let copied = if stop.load(Ordering::Relaxed) {
                    Err(io::ErrorKind::Interrupted.into())
                } else {
                    copy_file(from, to, *bytes)
                };
                if let Err(error) = copied {
                    // The other thread finds nothing left to do.
                    next.store(self.files.len(), Ordering::Relaxed);
                    return Err(failed(from, to)(error));
                }
                told(*bytes);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..THREADS).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                let theirs = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(theirs);
            }
            result
        })
    }
}

/// WAL files after the last checkpoint's are old ones under a new name, without content of their own.
fn is_recycled(folder: &Path, name: &str, last_wal_segment: &str) -> bool {
    folder.ends_with("pg_wal")
        && name.len() == last_wal_segment.len()
        && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        && name > last_wal_segment
}

/// Copies that many bytes, all but the last segment's being the whole file; the rest of it is empty.
fn copy_file(from: &Path, to: &Path, bytes: u64) -> io::Result<()> {
    let mut source = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let metadata = source.metadata()?;
    give_to_owner_of(&metadata, |uid, gid| fchown(&target, uid, gid))?;
    // Between two files this is copy_file_range: within the kernel, sharing blocks where the file system can.
    let copied = io::copy(&mut (&mut source).take(bytes), &mut target)?;
    // Nobody may write to it meanwhile.
    if copied != bytes || source.metadata()?.len() != metadata.len() {
        return Err(io::Error::other("it changed while it was copied"));
    }
    if bytes < metadata.len() { target.set_len(metadata.len()) } else { Ok(()) }
}

/// Only root can give files away; everybody else owns what they copy.
fn give_to_owner_of(
    metadata: &std::fs::Metadata,
    give: impl FnOnce(Option<u32>, Option<u32>) -> io::Result<()>,
) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() { give(Some(metadata.uid()), Some(metadata.gid())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    /// A data directory with a control file that says `state`, its last checkpoint at 5/12000028.
    fn cluster(state: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let mut control = vec![0; 8192];
        control[16..20].copy_from_slice(&state.to_ne_bytes());
        control[32..40].copy_from_slice(&0x0000_0005_1200_0028_u64.to_ne_bytes());
        control[48..52].copy_from_slice(&1_u32.to_ne_bytes());
        for file in [
            "base/1/112",
            "pg_wal/000000010000000500000012",
            "pg_wal/000000010000000500000013",
            "pg_wal/archive_status/x",
            "pg_replslot/slot/state",
            "base/pgsql_tmp/t1",
            "postmaster.opts",
            "PG_VERSION",
        ] {
            let path = folder.path().join("from").join(file);
            create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write(path, file).expect("written");
        }
        create_dir_all(folder.path().join("from/global")).expect("a folder");
        write(folder.path().join("from/global/pg_control"), control).expect("written");
        folder
    }

    #[test]
    fn what_a_server_needs_is_copied_and_nothing_else() {
        let folder = cluster(1);
        let to = folder.path().join("to");
        copy_data_dir(&folder.path().join("from"), &to).expect("copied");
        for there in ["base/1/112", "pg_wal/000000010000000500000012", "pg_wal/archive_status/x", "PG_VERSION"] {
            assert_eq!(std::fs::read_to_string(to.join(there)).expect("copied"), there);
        }
        assert!(to.join("pg_replslot").is_dir() && to.join("base/pgsql_tmp").is_dir());
        for absent in ["pg_wal/000000010000000500000013", "pg_replslot/slot", "base/pgsql_tmp/t1", "postmaster.opts"] {
            assert!(!to.join(absent).exists(), "{absent}");
        }
        assert_eq!(to.metadata().expect("made").mode() & 0o777, 0o700);
        assert_eq!(to.join("PG_VERSION").metadata().expect("made").mode() & 0o777, 0o600);
    }

    #[test]
    fn the_log_is_copied_up_to_the_page_its_last_checkpoint_ends_on() {
        let folder = cluster(1);
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let wal = "pg_wal/000000010000000500000012";
        // At 5/12000028, and its record ends on the first page.
        write(from.join(wal), vec![7_u8; 1 << 20]).expect("written");
        assert!(copied_bytes(&from).expect("counted") < 1 << 20);
        copy_data_dir(&from, &to).expect("copied");
        let copied = std::fs::read(to.join(wal)).expect("copied");
        assert_eq!(copied.len(), 1 << 20, "as long as before");
        let (used, rest) = copied.split_at(8192);
        assert!(used.iter().all(|byte| *byte == 7) && rest.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_checkpoint_that_ends_in_the_next_file_takes_both_along() {
        let mut control = vec![0; 8192];
        control[16..20].copy_from_slice(&1_u32.to_ne_bytes());
        control[32..40].copy_from_slice(&0x0000_0005_12ff_ffa0_u64.to_ne_bytes());
        control[48..52].copy_from_slice(&1_u32.to_ne_bytes());
        let log = ControlFile::parse(&control).expect("parsed").log;
        assert_eq!((log.segment.as_str(), log.used), ("000000010000000500000013", 8192));
    }

    #[test]
    fn a_cluster_in_use_or_crashed_is_refused() {
        let in_production = cluster(6);
        let from = in_production.path().join("from");
        let refused = copy_data_dir(&from, &in_production.path().join("to"));
        assert!(matches!(refused, Err(CopyError::NotStopped { .. })), "{refused:?}");

        let running = cluster(1);
        let from = running.path().join("from");
        write(from.join("postmaster.pid"), "1").expect("written");
        let refused = copy_data_dir(&from, &running.path().join("to"));
        assert!(matches!(refused, Err(CopyError::NotStopped { .. })), "{refused:?}");
        assert!(!running.path().join("to").exists());
    }

    #[test]
    fn links_are_refused_and_an_existing_target_stays_as_it_is() {
        let folder = cluster(1);
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        create_dir_all(&to).expect("a folder");
        write(to.join("precious"), "x").expect("written");
        assert!(matches!(copy_data_dir(&from, &to), Err(CopyError::Io { .. })));
        assert!(to.join("precious").is_file());

        create_dir_all(from.join("pg_tblspc")).expect("a folder");
        std::os::unix::fs::symlink("/etc", from.join("pg_tblspc/16400")).expect("a link");
        let refused = copy_data_dir(&from, &folder.path().join("other"));
        assert!(matches!(refused, Err(CopyError::Irregular { .. })), "{refused:?}");
    }
}
