//! Copying a stopped cluster, file by file.

use super::control::{ControlFile, LogEnd};
use crate::engine::postgres::launch::ServerUser;
use std::fs::{DirBuilder, Metadata, OpenOptions};
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
/// Letters of the name of a file of the write-ahead log, and of the timeline it begins with.
const SEGMENT_NAME: usize = 24;
const TIMELINE: usize = 8;
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
    #[error("{path} is neither a file nor a folder: it does not belong in a data directory, so this one is not copied", path = path.display())]
    Irregular {
        /// The link, or whatever it is.
        path: PathBuf,
    },
    /// A tablespace is not where its link says.
    #[error(
        "{path} leads to {target}, which cannot be read: {error}; put the tablespace there, or take a base backup with it \
         (pg_basebackup --tablespace-mapping)",
        path = path.display(), target = target.display()
    )]
    Tablespace {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// The operating system's answer.
        error: io::Error,
    },
    /// Written by a server of another kind.
    #[error(
        "{path} is damaged, or was written by a PostgreSQL for another kind of processor: give a dump of that server instead",
        path = path.display()
    )]
    Control {
        /// The control file.
        path: PathBuf,
    },
    /// The operating system refused to have a file read.
    #[error("cannot read {path}: {error}{advice}", path = path.display(), advice = advice(error))]
    Unreadable {
        /// What was read.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
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
        io::ErrorKind::PermissionDenied => "; run seatrial as the owner of the files, or as root",
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
    let mut plan = Plan::new(Log { end: Some(control.log_end()), first: None });
    plan.add_folder(from, to)?;
    plan.carry_out(stop, copied, Owner::AsBefore)
}

/// Bytes a copy of the data directory takes where no blocks are shared.
///
/// # Errors
/// It cannot be read, or holds what cannot be copied.
pub fn copied_bytes(data_dir: &Path) -> Result<u64, CopyError> {
    let control = ControlFile::read(data_dir)?;
    let mut plan = Plan::new(Log { end: Some(control.log_end()), first: None });
    plan.add_folder(data_dir, data_dir)?;
    Ok(plan.bytes())
}

pub(super) fn failed(from: &Path, to: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |error| CopyError::Io { from, to, error }
}

/// Which files of the write-ahead log are wanted.
pub(super) struct Log {
    /// Where it ends, if the cluster was shut down cleanly: what comes then are old files under new names, without content of
    /// their own.
    pub(super) end: Option<LogEnd>,
    /// Name of the first one that is needed, if the ones before it are left out.
    pub(super) first: Option<String>,
}

impl Log {
    fn wants(&self, name: &str) -> bool {
        // History files and the like go along.
        if name.len() != SEGMENT_NAME || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return true;
        }
        // The timeline comes first in a name, and recovery may go from one to the next.
        let too_old = self.first.as_deref().is_some_and(|first| name[TIMELINE..] < first[TIMELINE..]);
        let recycled = self.end.as_ref().is_some_and(|end| name > end.segment.as_str());
        !too_old && !recycled
    }

    /// How much of a file is wanted.
    fn bytes(&self, name: &str, length: u64) -> u64 {
        self.end.as_ref().filter(|end| end.segment == name).map_or(length, |end| end.used.min(length))
    }
}

/// Whom a copy belongs to.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    /// The owner of the original; only root can give files away, everybody else owns what they copy.
    AsBefore,
    /// This user, or the caller.
    Server(Option<&'a ServerUser>),
}

impl Owner<'_> {
    fn of(self, metadata: &Metadata) -> Option<(u32, u32)> {
        match self {
            Self::AsBefore => nix::unistd::geteuid().is_root().then(|| (metadata.uid(), metadata.gid())),
            Self::Server(user) => user.map(|user| (user.uid, user.gid)),
        }
    }
}

/// What to make, in order: folders first.
pub(super) struct Plan {
    log: Log,
    /// Ends of the paths of further folders that are copied without what is in them.
    pub(super) left_empty: &'static [&'static str],
    folders: Vec<(PathBuf, PathBuf)>,
    pub(super) files: Vec<(u64, PathBuf, PathBuf)>,
}

impl Plan {
    pub(super) fn new(log: Log) -> Self {
        Self { log, left_empty: &[], folders: Vec::new(), files: Vec::new() }
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|(size, ..)| size).sum()
    }

    /// Makes this folder, without anything in it.
    pub(super) fn add_empty(&mut self, from: &Path, to: &Path) {
        self.folders.push((from.to_owned(), to.to_owned()));
    }

    /// Copies this file, whole.
    pub(super) fn add_file(&mut self, bytes: u64, from: PathBuf, to: PathBuf) {
        self.files.push((bytes, from, to));
    }

    /// Copies this folder and what is in it. It may be a link itself; nothing in it may be one.
    pub(super) fn add_folder(&mut self, from: &Path, to: &Path) -> Result<(), CopyError> {
        self.add_empty(from, to);
        let name = from.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let left_empty = self.left_empty.iter().any(|end| from.ends_with(end));
        if left_empty || EMPTY_AT_START.contains(&name) || name == TEMPORARY {
            return Ok(());
        }
        let of_log = from.ends_with("pg_wal");
        for entry in std::fs::read_dir(from).map_err(unreadable(from))? {
            let entry = entry.map_err(unreadable(from))?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let metadata = entry.metadata().map_err(unreadable(&source))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if metadata.is_dir() {
                self.add_folder(&source, &target)?;
            } else if !metadata.is_file() {
                return Err(CopyError::Irregular { path: source });
            } else if of_log {
                if self.log.wants(&name) {
                    let bytes = self.log.bytes(&name, metadata.len());
                    self.add_file(bytes, source, target);
                }
            } else if !NOT_COPIED.contains(&name.as_ref()) {
                self.add_file(metadata.len(), source, target);
            }
        }
        Ok(())
    }

    /// Does it all. The first folder, in which all others are, must not exist; what cannot be finished is removed.
    pub(super) fn carry_out(
        mut self,
        stop: &AtomicBool,
        told: &(dyn Fn(u64) + Sync),
        owner: Owner<'_>,
    ) -> Result<(), CopyError> {
        let Some((from, to)) = self.folders.first().cloned() else { return Ok(()) };
        // Before anything is made, so that what is removed after a failure is ours.
        if to.exists() {
            return Err(failed(&from, &to)(io::ErrorKind::AlreadyExists.into()));
        }
        self.make(stop, told, owner).inspect_err(|_| {
            // The error that is returned matters more; leftovers vanish with the run.
            let _ = std::fs::remove_dir_all(to);
        })
    }

    fn make(&mut self, stop: &AtomicBool, told: &(dyn Fn(u64) + Sync), owner: Owner<'_>) -> Result<(), CopyError> {
        for (from, to) in &self.folders {
            let make = || {
                let owner = owner.of(&from.metadata()?);
                DirBuilder::new().mode(0o700).create(to)?;
                owner.map_or(Ok(()), |(uid, gid)| lchown(to, Some(uid), Some(gid)))
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
                    copy_file(from, to, *bytes, owner)
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

pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    move |error| CopyError::Unreadable { path, error }
}

/// Copies that many bytes, all but the last segment's being the whole file; the rest of it is empty.
fn copy_file(from: &Path, to: &Path, bytes: u64, owner: Owner<'_>) -> io::Result<()> {
    let mut source = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let metadata = source.metadata()?;
    if let Some((uid, gid)) = owner.of(&metadata) {
        fchown(&target, Some(uid), Some(gid))?;
    }
    // Between two files this is copy_file_range: within the kernel, sharing blocks where the file system can.
    let copied = io::copy(&mut (&mut source).take(bytes), &mut target)?;
    // Nobody may write to it meanwhile.
    if copied != bytes || source.metadata()?.len() != metadata.len() {
        return Err(io::Error::other("it changed while it was copied"));
    }
    if bytes < metadata.len() { target.set_len(metadata.len()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::control::made_up;
    use super::*;
    use std::fs::{create_dir_all, write};

    /// A data directory with a control file that says `state`, its last checkpoint at 5/12000028.
    fn cluster(state: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let control = made_up(state, 0x0000_0005_1200_0028, 16 << 20);
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
