//! What the tests that run the built program share: a clean environment, a cache of their own, and reading what
//! comes back.
// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code, clippy::unwrap_used)]

pub mod browser;
pub mod http;
pub mod place;
pub mod python;
pub mod runs;
pub mod traces;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One finished call of the program.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error: progress, and what went wrong.
    pub stderr: String,
}

impl Ran {
    /// The report on standard output.
    pub fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("no report ({error}), exit {:?}\n{}\n{}", self.code, self.stdout, self.stderr)
        })
    }
}

/// The program, in `directory`, with nothing of this environment but what finds a server.
pub fn seatrial(directory: &Path, state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seatrial"));
    command.current_dir(directory).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for kept in ["PATH", "SEATRIAL_POSTGRES_BIN"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.env("HOME", directory).env("LANG", "C.UTF-8").env("SEATRIAL_CACHE_DIR", state);
    command
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("the built program starts");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("reports are UTF-8"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A folder for the program's state that the user servers run as can reach: in memory where `TMPDIR` is, since every pass
/// makes and removes a thousand files; else below `target/tmp` wherever that can be.
pub fn state_folder(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let open = |folder: &Path| folder.metadata().is_ok_and(|metadata| metadata.mode() & 0o001 != 0);
    let temporary = std::env::temp_dir();
    // Only root's servers belong to somebody else; a checkout below a closed home keeps that user out.
    let root = nix::unistd::geteuid().is_root();
    let folder = if temporary.starts_with("/dev/shm") || (root && !target.ancestors().all(open)) {
        temporary.join("seatrial-tests")
    } else {
        target.to_owned()
    };
    folder.join(name)
}

/// The state folder of every test that does not look into it: what one restored is there for the others.
pub fn shared_state() -> PathBuf {
    state_folder("shared")
}

/// Lets a state folder, which is made if it is not there, have the results of `initdb` in common with the shared one.
/// `clean` there would take them from everybody.
pub fn share_initdb(state: &Path) {
    let common = shared_state();
    for folder in [common.as_path(), &common.join("initdb"), state] {
        std::fs::create_dir_all(folder).unwrap();
        // The user servers run as passes through.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).unwrap();
    }
    std::os::unix::fs::symlink(common.join("initdb"), state.join("initdb")).unwrap();
}

/// An empty working directory that is the root of a repository, so that nothing above it counts.
pub fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    folder
}

/// Copies a folder with everything in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// This repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
