//! Python with the packages that the projects written in it need, in a cache that outlives the tests.

use super::repository;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every package, with its version.
const REQUIREMENTS: [&str; 2] = ["examples/python-service/requirements.txt", "tests/fixtures/django/requirements.txt"];

/// The folder of the environment's programs. `None`, which is said, where there is no Python to make one with; only in CI
/// that is a failure.
#[allow(clippy::print_stderr)]
pub fn programs() -> Option<PathBuf> {
    let Some(version) = version() else {
        let missing =
            "python3 (3.11 or newer, with pip and venv) is missing: projects written in Python are not tested";
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{missing}");
        eprintln!("{missing}");
        return None;
    };
    let mut digest = Sha256::new();
    digest.update(&version);
    for name in REQUIREMENTS {
        digest.update(std::fs::read(repository().join(name)).expect("a list of packages"));
    }
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let cache = cache();
    std::fs::create_dir_all(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
    let place = cache.join(&digest);
    // Whoever comes second waits until it is whole.
    let lock = File::create(cache.join(format!("{digest}.lock"))).expect("a lock file");
    lock.lock().expect("a lock");
    let whole = place.join("whole");
    if !whole.exists() {
        make(&place);
        File::create(&whole).expect("a mark");
    }
    Some(place.join("bin"))
}

/// What tells one Python from another; `None` without one that can make an environment.
fn version() -> Option<String> {
    let asked = "import ensurepip, sys, venv; assert sys.version_info >= (3, 11); print(sys.version, sys.prefix)";
    let output = Command::new("python3").args(["-c", asked]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Beside the servers that `scripts/fetch-postgres.sh` fetches.
fn cache() -> PathBuf {
    if let Some(named) = std::env::var_os("SEATRIAL_TEST_PYTHON") {
        return named.into();
    }
    // Of a server that does not run as root.
    let own = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/cache")
    } else {
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(own).expect("a home")
    };
    cache.join("seatrial-test-python")
}

fn make(place: &Path) {
    if place.exists() {
        std::fs::remove_dir_all(place).expect("what was begun goes away");
    }
    let done = |command: &mut Command| {
        let output = command.output().expect("python3 starts");
        assert!(output.status.success(), "{}", said(&output));
    };
    done(Command::new("python3").args(["-m", "venv"]).arg(place));
    let mut pip = Command::new(place.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for name in REQUIREMENTS {
        pip.arg("-r").arg(repository().join(name));
    }
    done(&mut pip);
}

/// How a command ended, and what it said.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}
