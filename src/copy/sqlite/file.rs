//! Takes a copy of a database file, page for page, while others may use it.
//!
//! The source is opened for reading alone, and not by SQLite: even a reader of SQLite's would write to the files beside
//! it. Instead, its own protocol is followed. A shared lock keeps others from writing to the file, except in WAL mode,
//! where checkpoints go on. There, the log is copied after the file: whatever a checkpoint has put into the file meanwhile
//! stands in the log as well, as long as the log did not begin anew, which its header tells. What a crash left half
//! done is copied with its journal, and undone in the copy.
//!
//! Source of the offsets: SQLite, "Database File Format" and "File Locking And Concurrency In SQLite Version 3".

use crate::progress::{Activity, Unit};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The byte a writer locks before it waits for readers to go.
const PENDING_BYTE: i64 = 0x4000_0000;
/// The bytes a reader locks.
const SHARED_FIRST: i64 = PENDING_BYTE + 2;
const SHARED_SIZE: i64 = 510;
/// What every database begins with.
pub const MAGIC: &[u8] = b"SQLite format 3\0";
/// How long a writer or a busy log is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why no copy can be taken.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// Something else, or an encrypted one.
    #[error(
        "{path} does not begin as an SQLite database does: it is another file, or it is encrypted; give a plain copy of it",
        path = path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A writer does not let go, or the log begins anew again and again.
    #[error(
        "{path} was written to without a pause for {} s: try again when there is less going on, or give a copy made with \
         `.backup` of the sqlite3 shell", PATIENCE.as_secs(), path = path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |error| FileError::Io { action, path, error }
}

/// A file beside another one: `app.db-wal`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

/// Copies a database with what belongs to it to `to`, `to-wal` and `to-journal`, which must not be there.
///
/// # Errors
/// No database, one that cannot be read or copied, or one that is never left alone.
pub fn take(source: &Path, to: &Path, activity: &Activity) -> Result<(), FileError> {
    // SQLite keeps log and journal beside the file itself, not beside a link to it.
    let source = source.canonicalize().map_err(failed("find", source))?;
    let until = Instant::now() + PATIENCE;
    loop {
        if attempt(&source, to, activity)? {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(FileError::Busy { path: source });
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// `false`: somebody was writing.
fn attempt(source: &Path, to: &Path, activity: &Activity) -> Result<bool, FileError> {
    let mut file = File::open(source).map_err(failed("open", source))?;
    let mut head = Vec::new();
    (&mut file).take(100).read_to_end(&mut head).map_err(failed("read", source))?;
    // An empty file is an empty database.
    if !head.is_empty() && !head.starts_with(MAGIC) {
        return Err(FileError::NotADatabase { path: source.to_owned() });
    }
    if !lock_shared(&file).map_err(failed("lock", source))? {
        return Ok(false);
    }
    let (log, journal) = (beside(source, "-wal"), beside(source, "-journal"));
    let began = log_header(&log)?;
    copy(source, to, activity)?;
    let parts = [(&log, beside(to, "-wal")), (&journal, beside(to, "-journal"))];
    for (part, to) in &parts {
        if std::fs::metadata(part).is_ok_and(|part| part.len() > 0) {
            copy(part, to, activity)?;
        }
    }
    if log_header(&log)? == began {
        return Ok(true);
    }
    for path in std::iter::once(to).chain(parts.iter().map(|(_, to)| to.as_path())) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", path)(error)),
            _ => {}
        }
    }
    Ok(false)
}

/// Takes a reader's lock, which goes with the file handle; `false` where a writer is at the file itself.
fn lock_shared(file: &File) -> io::Result<bool> {
    // Readers queue behind a writer that waits for them to go.
    let take = |kind: i32, start: i64, length: i64| {
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: start,
            l_len: length,
            l_pid: 0,
        };
        match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
            Ok(_) => Ok(true),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
            Err(error) => Err(io::Error::from(error)),
        }
    };
    if !take(libc::F_RDLCK, PENDING_BYTE, 1)? {
        return Ok(false);
    }
    let shared = take(libc::F_RDLCK, SHARED_FIRST, SHARED_SIZE)?;
    take(libc::F_UNLCK, PENDING_BYTE, 1)?;
    Ok(shared)
}

/// The header of a log, which holds another salt each time the log begins anew; none where there is no log, or nothing in it.
fn log_header(log: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let file = match File::open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed("open", log))?,
    };
    let mut header = Vec::new();
    file.take(32).read_to_end(&mut header).map_err(failed("read", log))?;
    Ok(Some(header).filter(|header| !header.is_empty()))
}

/// Copies one file, sharing blocks where the file system can, and closes the copy to others.
///
/// # Errors
/// It cannot be read or written.
pub fn copy(from: &Path, to: &Path, activity: &Activity) -> Result<(), FileError> {
    let mut source = File::open(from).map_err(failed("open", from))?;
    let size = source.metadata().map_err(failed("read", from))?.size();
    let counter = activity.count("copied", Unit::Bytes, Some(size));
    let mut target =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed("create", to))?;
    target.set_permissions(Permissions::from_mode(0o600)).map_err(failed("close to others", to))?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
        io::copy(&mut source, &mut target).map_err(failed("copy", from))?;
    }
    counter.add(size);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn rows(path: &Path) -> i64 {
        let copy = Connection::open(path).unwrap();
        assert_eq!(copy.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
        copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_committed_and_not_yet_in_the_file_is_taken_along() {
        let folder = tempfile::tempdir().unwrap();
        let (source, to) = (folder.path().join("app.db"), folder.path().join("copy.db"));
        let writer = Connection::open(&source).unwrap();
        writer.execute_batch("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a)").unwrap();
        writer.execute_batch("INSERT INTO t VALUES (1), (2); BEGIN; INSERT INTO t VALUES (3)").unwrap();
        let before: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let bytes = std::fs::read(&source).unwrap();
        take(&source, &to, &Activity::default()).unwrap();
        // The source and what stands beside it is as it was.
        assert_eq!(std::fs::read(&source).unwrap(), bytes);
        assert!(before.iter().all(|path| path.exists()) && before.len() == 3);
        assert_eq!(rows(&to), 2);
    }

    #[test]
    fn what_a_crash_left_half_done_is_undone_in_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (source, crashed, to) =
            (folder.path().join("app.db"), folder.path().join("crashed.db"), folder.path().join("copy.db"));
        let writer = Connection::open(&source).unwrap();
        writer.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(5000))").unwrap();
        // A small cache: pages are written to the file before the commit.
        writer.execute_batch("PRAGMA cache_size = 5; BEGIN; UPDATE t SET a = zeroblob(4000)").unwrap();
        writer
            .execute_batch(
                "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200) INSERT INTO t SELECT zeroblob(3000) FROM n",
            )
            .unwrap();
        std::fs::copy(&source, &crashed).unwrap();
        std::fs::copy(beside(&source, "-journal"), beside(&crashed, "-journal")).unwrap();
        let unfinished = std::fs::read(&crashed).unwrap();
        take(&crashed, &to, &Activity::default()).unwrap();
        assert_eq!(rows(&to), 1);
        assert_eq!(std::fs::read(&crashed).unwrap(), unfinished, "the source is left as it is");
    }

    #[test]
    fn whoever_writes_to_the_file_itself_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("app.db");
        let writer = Connection::open(&source).unwrap();
        writer.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1); BEGIN EXCLUSIVE").unwrap();
        let to = folder.path().join("copy.db");
        assert!(!attempt(&source, &to, &Activity::default()).unwrap());
        writer.execute_batch("COMMIT; BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
        // A writer that has not come to its commit leaves the file alone.
        assert!(attempt(&source, &to, &Activity::default()).unwrap());
        assert_eq!(rows(&to), 1);
    }

    #[test]
    fn another_file_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("notes.txt");
        std::fs::write(&source, "hello").unwrap();
        let refused = take(&source, &folder.path().join("copy.db"), &Activity::default()).unwrap_err().to_string();
        assert!(refused.contains("encrypted"), "{refused}");
    }
}
