//! Data directories: made by `initdb` once and copied ever after.

mod control;
mod copy;
mod import;
mod remove;

pub use control::ControlFile;
pub use copy::{CopyError, copied_bytes, copy_data_dir, copy_data_dir_unless};
pub use import::{import_data_dir, imported_bytes, state_of};
pub use remove::remove_data_dir;

use super::{ClusterError, SUPERUSER};
use crate::copy::state::{RunDir, StateDir};
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::launch::{RunAs, Tool, run_tool};
use crate::engine::postgres::wanted::while_wanted;
use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

const DATA: &str = "data";

/// Makes a fresh, stopped cluster at `data_dir` (which must not exist) from the cached result of `initdb`. Its template
/// databases are in UTF8 and sort as the locale `C` does, which every machine has; a source's own locale is its database's.
/// `goes_last` owns the folder it is in, as for [`while_wanted`](crate::engine::postgres::wanted::while_wanted).
///
/// # Errors
/// `initdb` fails, or the copy does.
pub async fn create_cluster(
    binaries: &Binaries,
    state: &StateDir,
    run: &RunDir,
    data_dir: &Path,
    goes_last: impl Send + 'static,
) -> Result<(), ClusterError> {
    let cached = state.initdb().join(cache_key(binaries));
    if !cached.join(DATA).is_dir() {
        // Made in the run's own folder, so that a half-made one vanishes with the run.
        let fresh = run.fresh_path("initdb");
        state.make_passage(&fresh)?;
        initdb(binaries, state, &fresh.join(DATA)).await?;
        match std::fs::rename(&fresh, &cached) {
            // Another run was faster, with the same result.
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {}
            renamed => renamed.map_err(|error| ClusterError::file("create", &cached, error))?,
        }
    }
    let (from, to) = (cached.join(DATA), data_dir.to_owned());
    Ok(while_wanted(goes_last, move |given_up| copy_data_dir_unless(given_up, &|_| {}, &from, &to)).await?)
}

/// One name for everything the result depends on. The folder is part of it: two builds of one version may differ in
/// what they sort with.
fn cache_key(binaries: &Binaries) -> String {
    let text = format!("{}\n{}", binaries.dir.display(), binaries.version);
    let digest = Sha256::digest(text.as_bytes());
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{short}", binaries.major)
}

async fn initdb(binaries: &Binaries, state: &StateDir, data_dir: &Path) -> Result<(), ClusterError> {
    state.make_private(data_dir)?;
    let mut tool = Tool::new(binaries.initdb());
    let fixed = ["--no-sync", "--auth=trust", "--locale=C", "--encoding=UTF8", "--username", SUPERUSER, "--pgdata"];
    tool.args = fixed.map(OsString::from).to_vec();
    tool.args.push(data_dir.into());
    if binaries.major >= 15 {
        // The default differs between versions and builds, so it is said where it can be.
        tool.args.push("--locale-provider=libc".into());
    }
    tool.run_as = RunAs::ServerUser;
    tool.directory = data_dir.to_owned();
    tool.death_signal = Signal::SIGKILL;
    let output = run_tool(tool).await?;
    if output.status.success() {
        return Ok(());
    }
    Err(ClusterError::Initdb {
        program: binaries.initdb(),
        message: error_lines(&output.stderr),
        advice: passwd_advice(&output.stderr),
    })
}

fn error_lines(stderr: &str) -> String {
    let errors: Vec<&str> = stderr.lines().filter(|line| line.contains("error:") || line.contains("FATAL:")).collect();
    if errors.is_empty() { stderr.trim().to_owned() } else { errors.join("\n") }
}

fn passwd_advice(stderr: &str) -> &'static str {
    if stderr.contains("could not look up effective user ID") {
        "; initdb needs the user in /etc/passwd: add it there, or run as root"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_matters_changes_the_cache_key() {
        let binaries = |dir: &str, version: &str| Binaries {
            dir: dir.into(),
            version: version.into(),
            major: 15,
            pg_dump: None,
            pg_restore: None,
        };
        let keys =
            [("/a", "15.1"), ("/b", "15.1"), ("/a", "15.2")].map(|(dir, version)| cache_key(&binaries(dir, version)));
        for (index, key) in keys.iter().enumerate() {
            assert!(key.starts_with("15-") && !keys[..index].contains(key), "{keys:?}");
        }
    }
}
