//! Data directories: made by `initdb` once and copied ever after.

mod copy;

pub use copy::{CopyError, copied_bytes, copy_data_dir, copy_data_dir_unless};

use super::{ClusterError, SUPERUSER};
use crate::copy::state::{RunDir, StateDir};
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::launch::{RunAs, Tool, ToolOutput, run_tool};
use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Beside a cached data directory: what `initdb` said of the locale when it refused it.
const FALLBACK: &str = "locale-fallback";
const DATA: &str = "data";

/// Who sorts and classifies characters, `pg_database.datlocprovider`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocaleProvider {
    /// The C library.
    Libc,
    /// ICU, with its locale (`und`, `en-US`); servers from 15.
    Icu(String),
    /// PostgreSQL itself, with its locale (`C`, `C.UTF-8`); servers from 17.
    Builtin(String),
}

/// Encoding and locale of a cluster's template databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLocale {
    /// As PostgreSQL names it: `UTF8`, `LATIN1`.
    pub encoding: String,
    /// Who sorts.
    pub provider: LocaleProvider,
    /// `datcollate`, `en_US.UTF-8`.
    pub collate: String,
    /// `datctype`.
    pub ctype: String,
}

impl Default for ClusterLocale {
    /// UTF8, libc, `C`: what every machine has.
    fn default() -> Self {
        Self { encoding: "UTF8".into(), provider: LocaleProvider::Libc, collate: "C".into(), ctype: "C".into() }
    }
}

impl ClusterLocale {
    fn initdb_options(&self, major: u32) -> Vec<String> {
        let mut options = vec![
            format!("--encoding={}", self.encoding),
            format!("--lc-collate={}", self.collate),
            format!("--lc-ctype={}", self.ctype),
        ];
        match &self.provider {
            // The default differs between versions and builds, so it is always said where it can be.
            LocaleProvider::Libc if major >= 15 => options.push("--locale-provider=libc".into()),
            LocaleProvider::Libc => {}
            LocaleProvider::Icu(locale) => {
                options.extend(["--locale-provider=icu".into(), format!("--icu-locale={locale}")]);
            }
            LocaleProvider::Builtin(locale) => {
                options.extend(["--locale-provider=builtin".into(), format!("--builtin-locale={locale}")]);
            }
        }
        options
    }
}

/// A fresh data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCluster {
    /// The directory.
    pub data_dir: PathBuf,
    /// What `initdb` said of the locale when it refused it and `C` was taken instead.
    pub locale_fallback: Option<String>,
}

/// Makes a fresh, stopped cluster at `data_dir` (which must not exist) from the cached result of `initdb`.
///
/// # Errors
/// `initdb` fails even with locale `C`, or the copy does.
pub async fn create_cluster(
    binaries: &Binaries,
    state: &StateDir,
    run: &RunDir,
    locale: &ClusterLocale,
    data_dir: &Path,
) -> Result<NewCluster, ClusterError> {
    let cached = state.initdb().join(cache_key(binaries, locale));
    if !cached.join(DATA).is_dir() {
        // Made in the run's own folder, so that a half-made one vanishes with the run.
        let fresh = run.fresh_path("initdb");
        state.make_passage(&fresh)?;
        let fallback = initialise(binaries, state, locale, &fresh.join(DATA)).await?;
        if let Some(reason) = fallback {
            let path = fresh.join(FALLBACK);
            std::fs::write(&path, reason).map_err(|error| ClusterError::file("write", &path, error))?;
        }
        match std::fs::rename(&fresh, &cached) {
            // Another run was faster, with the same result.
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {}
            renamed => renamed.map_err(|error| ClusterError::file("create", &cached, error))?,
        }
    }
    let (from, to) = (cached.join(DATA), data_dir.to_owned());
    let copied = tokio::task::spawn_blocking(move || copy_data_dir(&from, &to)).await;
    copied.map_err(|error| ClusterError::file("copy to", data_dir, std::io::Error::other(error)))??;
    let locale_fallback = match std::fs::read_to_string(cached.join(FALLBACK)) {
        Ok(reason) => Some(reason),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(ClusterError::file("read", &cached.join(FALLBACK), error)),
    };
    Ok(NewCluster { data_dir: data_dir.to_owned(), locale_fallback })
}

/// One name for everything the result depends on. The folder is part of it: two builds of one version may differ in
/// what they sort with.
fn cache_key(binaries: &Binaries, locale: &ClusterLocale) -> String {
    let text = format!("{}\n{}\n{locale:?}", binaries.dir.display(), binaries.version);
    let digest = Sha256::digest(text.as_bytes());
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{short}", binaries.major)
}

/// Runs `initdb`; where it refuses the locale, once more with `C`. Returns the reason for that.
async fn initialise(
    binaries: &Binaries,
    state: &StateDir,
    locale: &ClusterLocale,
    data_dir: &Path,
) -> Result<Option<String>, ClusterError> {
    let refused = initdb(binaries, state, locale, data_dir).await?;
    if refused.status.success() {
        return Ok(None);
    }
    let failed = |output: &ToolOutput| ClusterError::Initdb {
        program: binaries.initdb(),
        message: error_lines(&output.stderr),
        advice: passwd_advice(&output.stderr),
    };
    let c = ClusterLocale { encoding: locale.encoding.clone(), ..ClusterLocale::default() };
    if *locale == c {
        return Err(failed(&refused));
    }
    // initdb leaves the folder there, empty.
    match std::fs::remove_dir_all(data_dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(ClusterError::file("remove", data_dir, error));
        }
        _ => {}
    }
    if initdb(binaries, state, &c, data_dir).await?.status.success() {
        Ok(Some(error_lines(&refused.stderr)))
    } else {
        Err(failed(&refused))
    }
}

async fn initdb(
    binaries: &Binaries,
    state: &StateDir,
    locale: &ClusterLocale,
    data_dir: &Path,
) -> Result<ToolOutput, ClusterError> {
    state.make_private(data_dir)?;
    let mut tool = Tool::new(binaries.initdb());
    let fixed = ["--no-sync", "--auth=trust", "--locale=C", "--username", SUPERUSER, "--pgdata"];
    tool.args = fixed.map(OsString::from).to_vec();
    tool.args.push(data_dir.into());
    tool.args.extend(locale.initdb_options(binaries.major).into_iter().map(OsString::from));
    tool.run_as = RunAs::ServerUser;
    tool.directory = data_dir.to_owned();
    tool.death_signal = Signal::SIGKILL;
    Ok(run_tool(tool).await?)
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
    fn initdb_is_told_only_what_its_version_knows() {
        let of = |provider, major| ClusterLocale { provider, ..Default::default() }.initdb_options(major).join(" ");
        let common = "--encoding=UTF8 --lc-collate=C --lc-ctype=C";
        assert_eq!(of(LocaleProvider::Libc, 14), common);
        assert_eq!(of(LocaleProvider::Libc, 15), format!("{common} --locale-provider=libc"));
        let icu = of(LocaleProvider::Icu("de-DE".into()), 16);
        assert_eq!(icu, format!("{common} --locale-provider=icu --icu-locale=de-DE"));
    }

    #[test]
    fn everything_that_matters_changes_the_cache_key() {
        let binaries = |dir: &str, version: &str| Binaries {
            dir: dir.into(),
            version: version.into(),
            major: 15,
            pg_dump: None,
            pg_restore: None,
        };
        let c = ClusterLocale::default();
        let latin = ClusterLocale { encoding: "LATIN1".into(), ..c.clone() };
        let keys = [
            cache_key(&binaries("/a", "15.1"), &c),
            cache_key(&binaries("/b", "15.1"), &c),
            cache_key(&binaries("/a", "15.2"), &c),
            cache_key(&binaries("/a", "15.1"), &latin),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(key.starts_with("15-") && !keys[..index].contains(key), "{keys:?}");
        }
    }
}
