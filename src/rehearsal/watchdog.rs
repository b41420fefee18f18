//! Holds a run to its disk from outside, where nothing that SQL can set or catch lifts it.
//!
//! Not by `temp_file_limit` or anything else the server enforces: its refusal would read as the migration's own failure.
//! The pass is given up instead, and the server goes with it, as when the time is spent.

use super::RehearsalError;
use crate::report::human;
use nix::sys::statvfs::statvfs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

impl RehearsalError {
    /// Whether a budget of the run is spent: nobody's failure.
    pub fn is_spent_budget(&self) -> bool {
        matches!(self, Self::OutOfTime | Self::OutOfDisk { .. })
    }
}

/// How often free space is looked at, which costs next to nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often the files of the run are added up, which takes a while where there are thousands.
const ADD_UP_AGAIN: Duration = Duration::from_millis(500);
/// Free space nobody may take, at most, in bytes: more than what is written between two looks.
const FLOOR: u64 = 1 << 30;

/// What is watched.
#[derive(Debug)]
pub(super) struct Watchdog {
    run: PathBuf,
    limit: Option<u64>,
    /// Free space that stays free; none where the file system does not tell.
    floor: Option<u64>,
}

impl Watchdog {
    /// For what stands in the run's folder, under `--max-disk`.
    pub fn new(run: &Path, limit: Option<u64>) -> Self {
        // A twentieth of a small disk, and a part of what is left of a nearly full one: the run must be able to begin.
        let floor = statvfs(run).ok().map(|disk| {
            let size = |blocks: u64| blocks * disk.fragment_size();
            FLOOR.min(size(disk.blocks()) / 20).min(size(disk.blocks_available()) / 4)
        });
        Self { run: run.to_owned(), limit, floor }
    }

    /// Waits until the disk is spent; never ends where it is not.
    pub async fn spent(&self) -> RehearsalError {
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut added_up = Instant::now();
        loop {
            looks.tick().await;
            let why = match self.too_little_left() {
                None if self.limit.is_some() && added_up.elapsed() >= ADD_UP_AGAIN => {
                    let why = self.too_much_used().await;
                    added_up = Instant::now();
                    why
                }
                why => why,
            };
            if let Some(why) = why {
                return RehearsalError::OutOfDisk { why };
            }
        }
    }

    fn too_little_left(&self) -> Option<String> {
        let floor = self.floor?;
        let disk = statvfs(&self.run).ok()?;
        let free = disk.blocks_available() * disk.fragment_size();
        (free < floor).then(|| {
            let [free, floor] = [free, floor].map(human::bytes);
            format!("{free} are left free in {}, and {floor} have to stay free", self.run.display())
        })
    }

    async fn too_much_used(&self) -> Option<String> {
        let (limit, run) = (self.limit?, self.run.clone());
        // What cannot be added up now is looked at again; free space is watched meanwhile.
        let used = tokio::task::spawn_blocking(move || bytes_in(&run)).await.ok()?.ok()?;
        (used > limit).then(|| {
            let [used, limit] = [used, limit].map(human::bytes);
            format!("the copy has grown to {used}, and --max-disk is {limit}")
        })
    }
}

/// Bytes that files of a folder take on the disk.
fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            // Servers make and remove files and folders all the time.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                metadata => {
                    let metadata = metadata?;
                    // In blocks of 512 bytes, whatever the file system has.
                    sum += metadata.blocks() * 512;
                    if metadata.is_dir() {
                        folders.push(entry.path());
                    }
                }
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn filled(bytes: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("base")).unwrap();
        std::fs::write(folder.path().join("base/1"), vec![1; bytes]).unwrap();
        folder
    }

    #[tokio::test]
    async fn more_than_the_limit_is_told_with_the_numbers() {
        let folder = filled(3 << 20);
        let why = Watchdog::new(folder.path(), Some(1 << 20)).spent().await.to_string();
        assert!(why.contains("the copy has grown to 3.") && why.contains("--max-disk is 1.0 MB"), "{why}");
    }

    #[tokio::test]
    async fn less_than_the_limit_is_none() {
        let folder = filled(1 << 20);
        assert_eq!(Watchdog::new(folder.path(), Some(100 << 20)).too_much_used().await, None);
        assert_eq!(Watchdog::new(folder.path(), None).too_little_left(), None, "it began with four times as much");
    }

    #[test]
    fn what_has_to_stay_free_is_told() {
        let folder = filled(1);
        let watchdog = Watchdog { run: folder.path().to_owned(), limit: None, floor: Some(u64::MAX) };
        assert!(watchdog.too_little_left().unwrap().contains("have to stay free"));
    }
}
