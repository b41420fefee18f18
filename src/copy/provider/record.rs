//! What is open at a clone service, in the state folder: what a run that was killed left there is found by the next one.
//! No secret is in it; the token comes from the environment, as ever.

use super::service::{CloneName, CloneService, Pace, ServiceError};
use crate::copy::fingerprint::write_private;
use crate::copy::state::{StateDir, StateError, io_error, open_lock, sign, take_from_the_dead};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// One clone that was asked for and is not known to be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneRecord {
    /// [`CloneService::kind`].
    pub kind: String,
    /// [`CloneService::place`].
    pub place: String,
    /// Its name.
    pub name: String,
    /// What the service calls it, once it has said so.
    pub id: Option<String>,
}

/// The record of a clone of this run, written before the clone is asked for.
#[derive(Debug)]
pub(super) struct OpenRecord {
    path: PathBuf,
    record: CloneRecord,
    /// Held as long as this process answers for the clone.
    _lock: File,
}

impl OpenRecord {
    pub fn begin(state: &StateDir, service: &dyn CloneService, name: &CloneName) -> Result<Self, StateError> {
        let folder = folder(state);
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(io_error("create", &folder)(error)),
            _ => {}
        }
        let path = folder.join(format!("{name}.json"));
        let lock_path = path.with_extension("lock");
        let lock = open_lock(&lock_path)?;
        lock.lock().map_err(io_error("lock", &lock_path))?;
        sign(&lock, &lock_path)?;
        let record =
            CloneRecord { kind: service.kind().into(), place: service.place(), name: name.to_string(), id: None };
        write(&path, &record)?;
        Ok(Self { path, record, _lock: lock })
    }

    /// The service has named it.
    pub fn made(&mut self, id: &str) -> Result<(), StateError> {
        self.record.id = Some(id.to_owned());
        write(&self.path, &self.record)
    }

    /// It is gone.
    pub fn done(self) -> Result<(), StateError> {
        forget(&self.path)
    }
}

fn folder(state: &StateDir) -> PathBuf {
    state.root().join("clones")
}

/// In one step: a record cut short would hide a clone.
fn write(path: &Path, record: &CloneRecord) -> Result<(), StateError> {
    let fresh = path.with_extension("new");
    let text = serde_json::to_vec_pretty(record).map_err(std::io::Error::other).map_err(io_error("write", path))?;
    write_private(&fresh, &text).map_err(io_error("write", &fresh))?;
    std::fs::rename(&fresh, path).map_err(io_error("rename", &fresh))
}

fn forget(path: &Path) -> Result<(), StateError> {
    for file in [path.to_owned(), path.with_extension("new"), path.with_extension("lock")] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error("remove", &file)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Records of runs that are dead, each with its path and with the lock that keeps other sweeps away.
fn of_the_dead(state: &StateDir) -> Result<Vec<(PathBuf, File, Option<CloneRecord>)>, StateError> {
    let folder = folder(state);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &folder)(error)),
    };
    let mut dead = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error("read", &folder))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let lock_path = path.with_extension("lock");
        let Some(lock) = take_from_the_dead(open_lock(&lock_path)?, &lock_path)? else { continue };
        match std::fs::read(&path) {
            Ok(text) => dead.push((path, lock, serde_json::from_slice(&text).ok())),
            // Its owner was just done with it; the lock that was made anew goes too.
            Err(error) if error.kind() == ErrorKind::NotFound => forget(&path)?,
            Err(error) => return Err(io_error("read", &path)(error)),
        }
    }
    dead.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(dead)
}

/// What dead runs left at any service, for `doctor` and `clean` to tell.
///
/// # Errors
/// The state folder cannot be read.
pub fn open_records(state: &StateDir) -> Result<Vec<CloneRecord>, StateError> {
    Ok(of_the_dead(state)?.into_iter().filter_map(|(.., record)| record).collect())
}

/// Destroys what dead runs left at this service; returns a line for each clone that is gone or could not be destroyed, and
/// for each that is at another service. Only what is recorded here is destroyed: other machines' runs live there too.
///
/// # Errors
/// The state folder cannot be read.
pub fn sweep_clones(state: &StateDir, service: &dyn CloneService, pace: &Pace) -> Result<Vec<String>, StateError> {
    let mut done = Vec::new();
    for (path, _lock, record) in of_the_dead(state)? {
        let name = record.as_ref().and_then(|record| CloneName::parse(&record.name));
        let (Some(record), Some(name)) = (record, name) else {
            done.push(format!("{} is damaged: look for leftover clones by hand, then remove it", path.display()));
            continue;
        };
        if (record.kind.as_str(), record.place.as_str()) != (service.kind(), service.place().as_str()) {
            done.push(format!(
                "an earlier run left clone {name} at {}: run with that service configured, or destroy it by hand and \
                 remove {}",
                record.place,
                path.display()
            ));
            continue;
        }
        match destroy_recorded(service, &record, &name, pace) {
            Ok(true) => {
                forget(&path)?;
                done.push(format!("destroyed a clone of an earlier run: {name} at {}", record.place));
            }
            // It was never made, or is gone by itself.
            Ok(false) => forget(&path)?,
            Err(error) => done.push(format!("could not destroy clone {name} of an earlier run: {error}")),
        }
    }
    Ok(done)
}

/// Whether there was anything to destroy.
fn destroy_recorded(
    service: &dyn CloneService,
    record: &CloneRecord,
    name: &CloneName,
    pace: &Pace,
) -> Result<bool, ServiceError> {
    let listed = service.list(pace)?.into_iter().find(|open| open.name == *name);
    // The list may be one page of several; an id is certain.
    let id = record.id.clone().or_else(|| listed.as_ref().map(|open| open.id.clone()));
    if let Some(id) = &id {
        service.destroy(id, pace)?;
    }
    Ok(listed.is_some())
}
