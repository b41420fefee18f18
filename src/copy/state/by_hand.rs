//! Copies by hand: runs that outlive the command that made them. What is known of one lies in its run's folder, and it
//! ends as soon as that is gone.

use super::lock::take_from_the_dead;
use super::run::LOCK;
use super::sweep::{children, dead_runs};
use super::{RunDir, StateDir, StateError, io_error};
use crate::copy::fingerprint::write_private;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the record in the folder of a run.
const RECORD: &str = "copy.json";
/// How long whoever keeps a copy may take to end it: its server is given eight seconds, and a big folder takes a while.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What is known of a copy by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRecord {
    /// Its name among those that live.
    pub name: String,
    /// What it was made from, for people.
    pub source: String,
    /// The database in it.
    pub database: String,
    /// Whom its URL logs in as.
    pub role: String,
    /// Its server's version.
    pub version: String,
    /// Its address, for libpq.
    pub url: String,
    /// When it was made, in seconds since 1970.
    pub made_at: u64,
    /// When it ends by itself.
    pub ends_at: u64,
}

/// A copy somebody may be looking at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivingCopy {
    /// Its run's id.
    pub id: String,
    /// Its run's folder.
    pub folder: PathBuf,
    /// What is known of it.
    pub record: CopyRecord,
}

impl LivingCopy {
    /// Bytes on disk, as far as they are its own to see; shared blocks count as its own.
    pub fn bytes(&self) -> u64 {
        bytes_in(&self.folder)
    }

    /// Whether it is called that.
    pub fn is(&self, name: &str) -> bool {
        self.record.name == name || self.id == name
    }

    /// Ends it, and waits until it is gone. Blocks.
    ///
    /// # Errors
    /// Its record cannot be removed, or whoever keeps it does not end.
    pub fn end(&self) -> Result<(), StateError> {
        let path = self.folder.join(RECORD);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error("remove", &path)(error)),
            _ => {}
        }
        let deadline = Instant::now() + PATIENCE;
        while self.folder.exists() && owner_lives(&self.folder)? {
            if Instant::now() > deadline {
                return Err(StateError::Kept { name: self.record.name.clone(), folder: self.folder.clone() });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl StateDir {
    /// The copies by hand that live, oldest first.
    ///
    /// # Errors
    /// The list of runs cannot be read or locked.
    pub fn living_copies(&self) -> Result<Vec<LivingCopy>, StateError> {
        let _runs_stand_still = self.lock_runs()?;
        living(self)
    }

    /// How many dead runs and half-made bases the next sweep removes.
    ///
    /// # Errors
    /// The list of runs cannot be read or locked.
    pub fn leftovers(&self) -> Result<usize, StateError> {
        Ok(dead_runs(self)?.len() + super::sweep::dead_partials(self)?.len())
    }
}

impl RunDir {
    /// Makes this run a copy by hand: writes down what is known of it, under a name no other one that lives has. A name
    /// that was not `asked_for` gets a number instead of being refused. Returns what was written.
    ///
    /// # Errors
    /// The name is taken, or the record cannot be written.
    pub fn announce(
        &self,
        state: &StateDir,
        mut record: CopyRecord,
        asked_for: bool,
    ) -> Result<CopyRecord, StateError> {
        let _runs_stand_still = state.lock_runs()?;
        let others = living(state)?;
        let taken = |name: &str| others.iter().any(|other| other.is(name));
        if asked_for && taken(&record.name) {
            return Err(StateError::NameTaken { name: record.name });
        }
        let stem = record.name.clone();
        let mut number = 2;
        while taken(&record.name) {
            record.name = format!("{stem}-{number}");
            number += 1;
        }
        let (path, new) = (self.path().join(RECORD), self.fresh_path("record"));
        let written = serde_json::to_vec_pretty(&record).map_err(std::io::Error::other).and_then(|text| {
            write_private(&new, &text)?;
            // Whole or not at all, for whoever reads it now.
            std::fs::rename(&new, &path)
        });
        written.map_err(io_error("write", &path))?;
        Ok(record)
    }

    /// Whether it still is wanted as a copy by hand: its record is removed to end it, and so is its whole folder.
    pub fn is_wanted(&self) -> bool {
        self.path().join(RECORD).exists()
    }
}

fn id_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The caller holds the list of runs.
fn living(state: &StateDir) -> Result<Vec<LivingCopy>, StateError> {
    let mut living = Vec::new();
    for folder in children(&state.runs())? {
        // Without a record it is another kind of run, or is ending.
        let Ok(text) = std::fs::read(folder.join(RECORD)) else { continue };
        let Ok(record) = serde_json::from_slice(&text) else { continue };
        if owner_lives(&folder)? {
            living.push(LivingCopy { id: id_of(&folder), folder, record });
        }
    }
    living.sort_by_key(|copy| (copy.record.made_at, copy.id.clone()));
    Ok(living)
}

fn owner_lives(folder: &Path) -> Result<bool, StateError> {
    let path = folder.join(LOCK);
    match File::options().read(true).write(true).open(&path) {
        Ok(lock) => Ok(take_from_the_dead(lock, &path)?.is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("open", &path)(error)),
    }
}

/// Bytes that files below a folder take on disk; what vanishes meanwhile, or cannot be looked at, counts nothing.
pub fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { bytes_in(&entry.path()) } else { metadata.blocks() * 512 })
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> CopyRecord {
        CopyRecord {
            name: name.into(),
            source: "shop.dump".into(),
            database: "shop".into(),
            role: "app".into(),
            version: "15.18".into(),
            url: "postgresql://app@/shop".into(),
            made_at: 1,
            ends_at: 2,
        }
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).expect("mine");
        let state = StateDir::open(Some(&folder.path().join("state"))).expect("a state folder");
        (folder, state)
    }

    #[test]
    fn names_are_unique_among_those_that_live() {
        let (_folder, state) = state();
        let runs: Vec<RunDir> = (0..3).map(|_| RunDir::create(&state).expect("a run")).collect();
        let announced = |run: &RunDir, name, asked_for| run.announce(&state, record(name), asked_for);
        assert_eq!(announced(&runs[0], "shop", false).expect("free").name, "shop");
        assert_eq!(announced(&runs[1], "shop", false).expect("numbered").name, "shop-2");
        let taken = announced(&runs[2], "shop-2", true).expect_err("taken").to_string();
        assert!(taken.contains("shop-2") && taken.contains("copy destroy"), "{taken}");
        let id = runs[0].id().to_owned();
        assert!(announced(&runs[2], &id, true).is_err(), "an id is a name of its run, too");
        // A plain run is no copy by hand.
        let names: Vec<String> =
            state.living_copies().expect("a list").into_iter().map(|copy| copy.record.name).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        let mut runs = runs.into_iter();
        drop(runs.next());
        let again = runs.next_back().expect("the third");
        assert_eq!(announced(&again, "shop", true).expect("free again").name, "shop");
    }

    #[test]
    fn one_whose_keeper_is_dead_is_not_listed_and_counts_as_left_over() {
        let (_folder, state) = state();
        let folder = state.runs().join("0123abcd");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join(LOCK), "").expect("a lock nobody holds");
        std::fs::write(folder.join(RECORD), serde_json::to_vec(&record("shop")).expect("JSON")).expect("a record");
        assert_eq!(state.living_copies().expect("a list"), []);
        assert_eq!(state.leftovers().expect("a number"), 1);
        assert!(folder.exists(), "counted, not removed");
    }

    #[test]
    fn a_copy_is_wanted_until_its_record_is_gone() {
        let (_folder, state) = state();
        let run = RunDir::create(&state).expect("a run");
        run.announce(&state, record("shop"), true).expect("announced");
        let [copy] = state.living_copies().expect("a list").try_into().expect("one");
        assert!(run.is_wanted() && copy.is("shop") && copy.is(run.id()));
        let keeper = std::thread::spawn(move || {
            while run.is_wanted() {
                std::thread::yield_now();
            }
        });
        copy.end().expect("its keeper ends it");
        keeper.join().expect("it saw that");
        assert!(!copy.folder.exists());
    }
}
