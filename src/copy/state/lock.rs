//! Locks that say whether their owner lives.
//!
//! A lock held is not quite a living owner: what the owner is just starting shares its locks until it becomes another
//! program, and lives on for that moment when the owner is killed. So an owner signs its locks too.

use super::{StateError, io_error};
use crate::engine::postgres::launch::process::start_time;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a lock that should be free in a moment is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a moment may last.
const MOMENT: Duration = Duration::from_secs(5);

/// Opens a lock file, making it if it is missing.
pub(super) fn open_lock(path: &Path) -> Result<File, StateError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(io_error("open", path))
}

/// Whether a lock that was just taken is still the file that its path names. What a cache lets go of takes its locks along:
/// whoever waited for one of these meanwhile has what nobody else would find, and opens it again.
pub(super) fn is_current(lock: &File, path: &Path) -> Result<bool, StateError> {
    let mine = lock.metadata().map_err(io_error("read", path))?;
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        there => {
            there.map(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())).map_err(io_error("read", path))
        }
    }
}

/// Writes into a lock that was just taken who took it.
pub(super) fn sign(mut lock: &File, path: &Path) -> Result<(), StateError> {
    // Where the system does not say, the lock alone counts.
    let owner = Owner::myself().map(|owner| owner.to_line()).unwrap_or_default();
    let written = lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0)));
    written.and_then(|_| lock.write_all(owner.as_bytes())).map_err(io_error("write", path))
}

/// Takes a dead owner's lock; `None` when the owner lives.
pub(super) fn take_from_the_dead(lock: File, path: &Path) -> Result<Option<File>, StateError> {
    let deadline = Instant::now() + MOMENT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", path)(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        // A signature that cannot be read is being written, by somebody who lives.
        let owner = std::fs::read_to_string(path).ok().and_then(|line| Owner::from_line(&line));
        if owner.is_none_or(|owner| !owner.is_surely_dead()) || Instant::now() > deadline {
            return Ok(None);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// One process of all machines' that may see the lock, for as long as they run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    /// The running kernel's own name.
    boot: String,
    /// Which processes a pid counts among: containers on one kernel have lists of their own.
    namespace: u64,
    pid: u32,
    started: u64,
}

impl Owner {
    fn myself() -> Option<Self> {
        let pid = std::process::id();
        let (boot, namespace) = here()?;
        Some(Self { boot, namespace, pid, started: start_time(pid)? })
    }

    fn to_line(&self) -> String {
        format!("{} {} {} {}\n", self.boot, self.namespace, self.pid, self.started)
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.strip_suffix('\n')?.split(' ');
        Some(Self {
            boot: words.next()?.to_owned(),
            namespace: words.next()?.parse().ok()?,
            pid: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
        })
    }

    /// False also where this cannot be known from here.
    fn is_surely_dead(&self) -> bool {
        here().is_some_and(|(boot, namespace)| boot == self.boot && namespace == self.namespace)
            && start_time(self.pid) != Some(self.started)
    }
}

fn here() -> Option<(String, u64)> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some((boot.trim().to_owned(), std::fs::metadata("/proc/self/ns/pid").ok()?.ino()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn held(owner: &Owner) -> (tempfile::TempDir, PathBuf, File) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let lock = open_lock(&path).expect("a lock");
        lock.lock().expect("taken");
        std::fs::write(&path, owner.to_line()).expect("signed");
        (folder, path, lock)
    }

    #[test]
    fn a_lock_of_the_living_is_not_taken() {
        let myself = Owner::myself().expect("this system says");
        let (_folder, path, _lock) = held(&myself);
        assert!(take_from_the_dead(open_lock(&path).expect("opened"), &path).expect("looked at").is_none());
        assert!(!myself.is_surely_dead());
    }

    #[test]
    fn a_lock_the_dead_left_to_a_straggler_is_waited_for() {
        let myself = Owner::myself().expect("this system says");
        let dead = Owner { started: myself.started + 1, ..myself };
        let (_folder, path, straggler) = held(&dead);
        let other = open_lock(&path).expect("opened");
        let taker = std::thread::spawn({
            let path = path.clone();
            move || take_from_the_dead(other, &path)
        });
        drop(straggler);
        assert!(taker.join().expect("no panic").expect("looked at").is_some());
    }

    #[test]
    fn nothing_is_concluded_about_other_kernels_and_containers() {
        let myself = Owner::myself().expect("this system says");
        let elsewhere = Owner { namespace: myself.namespace + 1, started: 1, ..myself.clone() };
        let another_boot = Owner { boot: "another".into(), started: 1, ..myself };
        assert!(!elsewhere.is_surely_dead() && !another_boot.is_surely_dead());
    }

    #[test]
    fn a_new_signature_replaces_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        std::fs::write(&path, "x".repeat(500)).expect("written");
        sign(&open_lock(&path).expect("opened"), &path).expect("signed");
        let line = std::fs::read_to_string(&path).expect("there");
        assert_eq!(Owner::from_line(&line), Owner::myself());
    }
}
