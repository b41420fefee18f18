//! Runs of the program that are watched, disturbed and ended while they work.

use super::traces::left_behind;
use super::{copy_folder, project, repository, seatrial, share_initdb, state_folder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr};
use tempfile::TempDir;

/// A shop, and a migration that makes a plan worse, so that every pass runs.
pub struct Place {
    /// Where its files are.
    pub project: TempDir,
    /// Its state folder.
    pub state: PathBuf,
}

impl Place {
    /// With a state folder nobody else uses, but for the results of `initdb`.
    pub fn new(name: &str) -> Self {
        let place = Self::cold(name);
        share_initdb(&place.state);
        place
    }

    /// With an empty state folder nobody else uses: for what happens while clusters are made, and for `clean`.
    pub fn cold(name: &str) -> Self {
        let state = state_folder(&format!("leftovers-{name}"));
        if state.exists() {
            std::fs::remove_dir_all(&state).unwrap();
        }
        let project = project();
        let shop = repository().join("tests/shop");
        std::fs::copy(shop.join("source.sql"), project.path().join("source.sql")).unwrap();
        copy_folder(&shop.join("queries"), &project.path().join("queries"));
        std::fs::write(project.path().join("quick.sql"), "DROP INDEX orders_status_idx;\n").unwrap();
        // Longer than any test waits: who ends this run is the test.
        std::fs::write(
            project.path().join("endless.sql"),
            "ALTER TABLE orders ADD COLUMN region text;\nSELECT pg_sleep(3600);\n",
        )
        .unwrap();
        Self { project, state }
    }

    /// A run of a migration on it, to be started.
    pub fn check(&self, migration: &str) -> std::process::Command {
        let mut command = seatrial(self.project.path(), &self.state);
        command.args(["check", migration, "--source", "source.sql", "--queries", "queries"]);
        command
    }

    /// Starts it.
    pub fn start(&self, migration: &str, args: &[&str]) -> Running {
        let mut child = self.check(migration).args(args).stdout(std::process::Stdio::null()).spawn().unwrap();
        let progress = BufReader::new(child.stderr.take().unwrap());
        Running { child, progress }
    }

    /// Looks for everything a run may leave.
    #[track_caller]
    pub fn assert_nothing_left(&self, when: &str) {
        let left = left_behind(&self.state);
        assert!(left.is_empty(), "{when}:\n{}", left.join("\n"));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Tens of megabytes; what stays after a failure is removed by the next run of the test.
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

/// A run that is under way.
pub struct Running {
    /// The process.
    pub child: Child,
    progress: BufReader<ChildStderr>,
}

impl Running {
    /// The next line of progress; `None` when the run is over.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.progress.read_line(&mut line).unwrap();
        (read > 0).then_some(line)
    }

    /// Waits for a line that begins like this.
    #[track_caller]
    pub fn until(&mut self, beginning: &str) {
        let mut seen = Vec::new();
        while let Some(line) = self.line() {
            if line.starts_with(beginning) {
                return;
            }
            seen.push(line);
        }
        panic!("no line of progress begins with `{beginning}`: {seen:?}");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Exit code, and what it said since.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.progress.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}
