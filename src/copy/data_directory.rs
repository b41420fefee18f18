//! A stopped data directory or a base backup as a source: what it is, whether it can be copied, and how it is told from
//! what it was before. Nothing here writes, locks or starts anything.

use crate::copy::source::SourceError;
use crate::engine::postgres::server::cluster::{ControlFile, CopyError, state_of};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The oldest major version whose data directories are read.
const OLDEST: u32 = 13;
/// How names of a server's processes contain it, whoever packaged it.
const SERVER_NAMES: [&str; 2] = ["postgres", "postmaster"];

/// A data directory that can be copied.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    /// Its real path.
    pub path: PathBuf,
    /// Major version of its server.
    pub major: u32,
    /// What its control file says.
    pub control: ControlFile,
    /// How it was left.
    pub left: Left,
    /// Name of the first file of the write-ahead log that its copy needs.
    first_segment: String,
}

/// How a data directory was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// By a server that was shut down.
    ShutDown,
    /// By a server that was not: recovery goes on from the last checkpoint.
    Crashed,
    /// By a standby: recovery goes on from its last checkpoint as far as the log goes.
    Standby,
    /// By a base backup: recovery goes from its beginning to its end.
    Backup,
}

/// Why a data directory cannot be copied.
#[derive(Debug, Error)]
pub enum DataDirectoryError {
    /// Of a version that is not supported.
    #[error("{path} is a data directory of PostgreSQL {version}: 13 and newer are read; give a dump of it instead", path = path.display())]
    Version {
        /// The directory.
        path: PathBuf,
        /// What `PG_VERSION` says.
        version: String,
    },
    /// A server runs on it.
    #[error(
        "a server runs on {path} (process {pid}), and files that change meanwhile make no copy: stop it, or take a base \
         backup of it (pg_basebackup --pgdata=backup --checkpoint=fast) and give that",
        path = path.display()
    )]
    Running {
        /// The directory.
        path: PathBuf,
        /// The server's process, as its own machine or container counts.
        pid: i32,
    },
    /// An incremental backup, which is no data directory by itself.
    #[error(
        "{path} is an incremental backup: put it together with the ones before it (pg_combinebackup --output=whole FULL {path}) \
         and give the result",
        path = path.display()
    )]
    Incremental {
        /// The directory.
        path: PathBuf,
    },
    /// Tablespaces that were not copied along.
    #[error(
        "{path} is a backup without its tablespaces: tablespace_map names {missing}, which pg_tblspc lacks; link each from there \
         to its copy, or take the backup with pg_basebackup",
        path = path.display()
    )]
    TablespaceMissing {
        /// The directory.
        path: PathBuf,
        /// OID of the first one that is missing.
        missing: String,
    },
    /// A part of the log is not there.
    #[error(
        "{path} lacks a part of its write-ahead log, pg_wal/{segment}, without which no server reads it: put it there from \
         the archive, or take the base backup with it (pg_basebackup --wal-method=stream)",
        path = path.display()
    )]
    LogMissing {
        /// The directory.
        path: PathBuf,
        /// The file.
        segment: String,
    },
    /// Something cannot be read.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl DataDirectory {
    /// Looks at a directory that holds `PG_VERSION`.
    ///
    /// # Errors
    /// A server runs on it, a part of it is missing, or it cannot be read.
    pub fn look(path: &Path) -> Result<Self, DataDirectoryError> {
        let unreadable = |path: &Path, error| CopyError::Unreadable { path: path.to_owned(), error };
        let path = path.canonicalize().map_err(|error| unreadable(path, error))?;
        let version_file = path.join("PG_VERSION");
        let version = std::fs::read_to_string(&version_file).map_err(|error| unreadable(&version_file, error))?;
        let version = version.trim();
        let major = match version.parse() {
            Ok(major) if major >= OLDEST => major,
            _ => return Err(DataDirectoryError::Version { version: version.to_owned(), path }),
        };
        if let Some(pid) = server_on(&path)? {
            return Err(DataDirectoryError::Running { path, pid });
        }
        let control = ControlFile::read(&path)?;
        let label = read_if_there(&path.join("backup_label"))?;
        if label.as_deref().is_some_and(|label| label.lines().any(|line| line.starts_with("INCREMENTAL FROM "))) {
            return Err(DataDirectoryError::Incremental { path });
        }
        let left = match &label {
            Some(_) => Left::Backup,
            None if control.shut_down => Left::ShutDown,
            None if control.standby => Left::Standby,
            None => Left::Crashed,
        };
        let begun = label.as_deref().and_then(first_segment_of);
        let first_segment = begun.unwrap_or_else(|| control.first_segment());
        for line in read_if_there(&path.join("tablespace_map"))?.unwrap_or_default().lines() {
            let oid = line.split(' ').next().unwrap_or_default();
            if !oid.is_empty() && !path.join("pg_tblspc").join(oid).is_dir() {
                return Err(DataDirectoryError::TablespaceMissing { missing: oid.to_owned(), path });
            }
        }
        if !path.join("pg_wal").join(&first_segment).is_file() {
            return Err(DataDirectoryError::LogMissing { segment: first_segment, path });
        }
        Ok(Self { path, major, control, left, first_segment })
    }

    /// Which part of the log belongs to it: the first file, and whether recovery reads on from there.
    pub fn log(&self) -> (&str, bool) {
        (&self.first_segment, self.left != Left::ShutDown)
    }

    /// What tells its content from another's: names, sizes and times of its files, its control file and its settings.
    ///
    /// # Errors
    /// A server runs on it by now, or it cannot be read.
    pub fn fingerprint(&self) -> Result<String, DataDirectoryError> {
        if let Some(pid) = server_on(&self.path)? {
            return Err(DataDirectoryError::Running { path: self.path.clone(), pid });
        }
        Ok(state_of(&self.path, self.log())?)
    }
}

/// Says what is wrong with a folder that holds no dump and no data directory, if it is a base backup all the same.
pub(super) fn tar_format(path: &Path) -> Option<SourceError> {
    let tar =
        ["base.tar", "base.tar.gz", "base.tar.lz4", "base.tar.zst"].iter().find(|tar| path.join(tar).is_file())?;
    Some(SourceError::NotADump {
        path: path.into(),
        problem: format!(
            "is a base backup in tar format: unpack it first (mkdir data; tar -xf {tar} -C data; tar -xf pg_wal.tar -C \
             data/pg_wal; each tablespace's tar into a folder of its own, linked from data/pg_tblspc), or take it with \
             pg_basebackup --format=plain"
        ),
    })
}

fn read_if_there(path: &Path) -> Result<Option<String>, CopyError> {
    match std::fs::read(path) {
        // Its label may be in any encoding.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CopyError::Unreadable { path: path.to_owned(), error }),
    }
}

/// `START WAL LOCATION: 0/2000028 (file 000000010000000000000002)`
fn first_segment_of(label: &str) -> Option<String> {
    let line = label.lines().find(|line| line.starts_with("START WAL LOCATION: "))?;
    let name = line.split_once("(file ")?.1.strip_suffix(')')?;
    (name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.to_owned())
}

/// The process of a server that runs on this directory. A server's processes work inside their data directory, so they are
/// known by that: the number in `postmaster.pid` may be another process's by now, or count in a container of its own.
fn server_on(data_dir: &Path) -> Result<Option<i32>, CopyError> {
    let path = data_dir.join("postmaster.pid");
    let written = read_if_there(&path)?;
    // Negative: a server for a single user.
    let written =
        written.and_then(|text| text.lines().next()?.trim().parse::<i32>().ok()).map(i32::abs).filter(|pid| *pid > 0);
    let own = data_dir.metadata().map_err(|error| CopyError::Unreadable { path: data_dir.to_owned(), error })?;
    if !Path::new("/proc/self/cwd").exists() {
        return Ok(written.filter(|pid| is_alive(*pid)));
    }
    let inside = |pid: i32| works_in(pid, &own);
    if let Some(pid) = written.filter(|pid| inside(*pid) || keeps_its_place_secret(*pid)) {
        return Ok(Some(pid));
    }
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.find(|pid| inside(*pid)))
}

/// Whether this is a server's process in that folder.
fn works_in(pid: i32, folder: &Metadata) -> bool {
    let place = std::fs::metadata(format!("/proc/{pid}/cwd"));
    is_server(pid) && place.is_ok_and(|place| (place.dev(), place.ino()) == (folder.dev(), folder.ino()))
}

/// A server's process of another user does not say where it works: under the number that is written in the directory, it is
/// taken for the one that wrote it.
fn keeps_its_place_secret(pid: i32) -> bool {
    let place = std::fs::metadata(format!("/proc/{pid}/cwd"));
    is_server(pid) && place.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn is_server(pid: i32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    SERVER_NAMES.iter().any(|server| name.contains(server))
}

fn is_alive(pid: i32) -> bool {
    matches!(kill(Pid::from_raw(pid), None), Ok(()) | Err(Errno::EPERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_says_where_its_log_begins() {
        let label = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n";
        assert_eq!(first_segment_of(label).as_deref(), Some("000000010000000000000002"));
        assert_eq!(first_segment_of("START WAL LOCATION: 0/2000028 (file ../../etc/passwd)\n"), None);
    }

    #[test]
    fn a_process_is_a_server_s_only_by_name_and_place() {
        let here = std::env::current_dir().and_then(|folder| folder.metadata()).expect("a folder");
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(!works_in(own, &here), "not by name");
        assert!(is_alive(own));
    }
}
