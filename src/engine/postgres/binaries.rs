//! Finding PostgreSQL's own programs on this machine: a server to start, `pg_dump` and `pg_restore` to go with it.

use crate::engine::postgres::fetch::pins;
use crate::engine::postgres::launch::{LaunchError, ServerUser, server_user};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// Folders where distributions and installers put servers; `*` stands for one path component.
const USUAL_FOLDERS: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// How to get a server, of a major version if one is wanted.
fn how_to_get_one(wanted: Option<u32>) -> String {
    let fetch = pins::to_fetch(wanted).map(|major| format!(", fetch one (seatrial fetch-postgres {major})"));
    format!(
        "install one (Debian and Ubuntu: apt-get install postgresql){}, or name its folder with --postgres-bin DIR",
        fetch.unwrap_or_default()
    )
}

/// How to get client programs of at least a major version; 0 is any.
pub fn how_to_get_tools(at_least: u32) -> String {
    let fetch =
        pins::to_fetch(Some(at_least)).map(|major| format!(", or fetch some (seatrial fetch-postgres {major})"));
    format!(
        "install PostgreSQL's client programs (Debian and Ubuntu: apt-get install postgresql-client){}",
        fetch.unwrap_or_default()
    )
}

/// Where to look, and for what.
#[derive(Debug, Clone, Default)]
pub struct BinaryRequest {
    /// `--postgres-bin`: the server must come from this folder.
    pub explicit: Option<PathBuf>,
    /// `SEATRIAL_POSTGRES_BIN`: the same, weaker; set but empty means that no server may be used at all.
    pub environment: Option<OsString>,
    /// The source's major version: no older server is ever chosen. `None`: the newest found.
    pub wanted_major: Option<u32>,
    /// Production's major version: a server of it goes before others, if it is not older than the source.
    pub preferred_major: Option<u32>,
    /// `PATH`; where it leads to a `pg_config`, that one's `--bindir` is searched too.
    pub path: Option<OsString>,
    /// Folders where packages put servers; `*` stands for any text within one path component.
    pub usual_folders: Vec<String>,
    /// Seatrial's cache, whose `postgres/*/bin` is searched last.
    pub cache_dir: Option<PathBuf>,
}

impl BinaryRequest {
    /// What this process's environment says, with the options given on the command line. `cache_dir` is the opened
    /// state folder.
    pub fn from_environment(explicit: Option<PathBuf>, wanted_major: Option<u32>, cache_dir: Option<PathBuf>) -> Self {
        Self {
            explicit,
            environment: std::env::var_os("SEATRIAL_POSTGRES_BIN"),
            wanted_major,
            preferred_major: None,
            path: std::env::var_os("PATH"),
            usual_folders: USUAL_FOLDERS.map(str::to_owned).to_vec(),
            cache_dir,
        }
    }

    /// The folder the server must come from, and who says so.
    fn demanded(&self) -> Result<Option<(PathBuf, &'static str)>, BinariesError> {
        match (&self.explicit, &self.environment) {
            // The option takes the variable's value too: empty means none, whoever says it.
            (Some(dir), _) if dir.as_os_str().is_empty() => Err(BinariesError::Disabled),
            (Some(dir), _) => Ok(Some((dir.clone(), "--postgres-bin"))),
            (None, Some(dir)) if dir.is_empty() => Err(BinariesError::Disabled),
            (None, Some(dir)) => Ok(Some((dir.into(), "SEATRIAL_POSTGRES_BIN"))),
            (None, None) => Ok(None),
        }
    }

    /// Every folder to look into, best first, without repetition.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        if let Ok(Some((dir, _))) = self.demanded() {
            folders.push(dir);
        }
        let on_path: Vec<PathBuf> = self.path.iter().flat_map(std::env::split_paths).collect();
        let pg_config = on_path.iter().map(|dir| dir.join("pg_config")).find(|program| program.is_file());
        folders.extend(on_path);
        folders.extend(pg_config.and_then(|program| output_of(&program, "--bindir")).map(PathBuf::from));
        let in_cache = self.cache_dir.as_ref().map(|cache| cache.join("postgres/*/bin"));
        for pattern in self.usual_folders.iter().map(PathBuf::from).chain(in_cache) {
            folders.extend(folders_matching(&pattern));
        }
        let mut seen = Vec::new();
        folders.retain(|folder| match folder.canonicalize() {
            Ok(real) if !seen.contains(&real) => {
                seen.push(real);
                true
            }
            _ => false,
        });
        folders
    }
}

/// One program outside the server: `pg_dump` or `pg_restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolBinary {
    /// Absolute path.
    pub path: PathBuf,
    /// Its major version.
    pub major: u32,
}

/// A server's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Folder of `postgres` and `initdb`.
    pub dir: PathBuf,
    /// As `postgres --version` says it: `15.18`, `18beta1`.
    pub version: String,
    /// Its major version.
    pub major: u32,
    /// The `pg_dump` to use with it, of at least its major: from the same folder, else the nearest found.
    pub pg_dump: Option<ToolBinary>,
    /// The `pg_restore` to use with it, likewise.
    pub pg_restore: Option<ToolBinary>,
}

/// Why there is no server to start, or no program to dump and restore with.
#[derive(Debug, Error)]
pub enum BinariesError {
    /// `SEATRIAL_POSTGRES_BIN` is empty.
    #[error(
        "PostgreSQL servers are switched off: SEATRIAL_POSTGRES_BIN is set but empty; \
         unset it, or name a folder with --postgres-bin DIR"
    )]
    Disabled,
    /// The folder asked for does not serve.
    #[error("{option} {dir}: {reason}", dir = dir.display())]
    Unusable {
        /// Who asked for it.
        option: &'static str,
        /// The folder.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No server anywhere.
    #[error(
        "no PostgreSQL server found (looked into {count} folders: PATH, pg_config, the usual ones, the cache); {how}",
        count = searched.len(), how = how_to_get_one(*wanted)
    )]
    NoneFound {
        /// The source's major version, if it has one.
        wanted: Option<u32>,
        /// Every folder that was looked into.
        searched: Vec<PathBuf>,
    },
    /// Only servers older than the source.
    #[error("the source needs a PostgreSQL {wanted} server or newer; found only {}; {}", majors(found), how_to_get_one(Some(*wanted)))]
    TooOld {
        /// The source's major version.
        wanted: u32,
        /// What is there.
        found: Vec<(u32, PathBuf)>,
    },
    /// No server of exactly the major version that a data directory needs.
    #[error(
        "a data directory of PostgreSQL {wanted} is read by no other major version; found {}; install that version \
         (Debian and Ubuntu: apt-get install postgresql-{wanted}), bring it with `seatrial fetch-postgres {wanted}`, or name \
         its folder with --postgres-bin DIR",
        majors(found)
    )]
    OtherMajor {
        /// The directory's major version.
        wanted: u32,
        /// What is there.
        found: Vec<(u32, PathBuf)>,
    },
    /// This process is root, and the user servers run as cannot reach the server.
    #[error(
        "the user `{user}`, whom servers run as when seatrial is root, cannot use {program}: {blocked} is closed to it; \
         open it (chmod o+x) or name another server with --postgres-bin DIR",
        program = program.display(), blocked = blocked.display()
    )]
    Blocked {
        /// Who cannot.
        user: String,
        /// What.
        program: PathBuf,
        /// The folder or file that keeps it out.
        blocked: PathBuf,
    },
    /// No user to run servers as.
    #[error(transparent)]
    User(#[from] LaunchError),
    /// No `pg_dump` or `pg_restore` that is new enough.
    #[error(
        "needed: {tool} {at_least} or newer; found {}; {}", majors(found), how_to_get_tools(*at_least)
    )]
    NoTool {
        /// Its name.
        tool: String,
        /// The lowest major version that serves.
        at_least: u32,
        /// What is there.
        found: Vec<(u32, PathBuf)>,
    },
}

fn majors(found: &[(u32, PathBuf)]) -> String {
    if found.is_empty() {
        return "none".into();
    }
    let each: Vec<String> = found.iter().map(|(major, dir)| format!("{major} in {}", dir.display())).collect();
    each.join(", ")
}

impl Binaries {
    /// Chooses a server: the folder asked for, else the preferred major, else the found one nearest to the wanted major from above, else the
    /// newest. The programs must be executable for the user servers run as.
    ///
    /// # Errors
    /// None found, only older ones, or a folder that does not serve; the message says how to get one.
    pub fn find(request: &BinaryRequest) -> Result<Self, BinariesError> {
        let user = server_user()?;
        let new_enough = |server: &Self| request.wanted_major.is_none_or(|wanted| server.major >= wanted);
        let too_old = |servers: &[Self]| BinariesError::TooOld {
            wanted: request.wanted_major.unwrap_or_default(),
            found: servers.iter().map(|server| (server.major, server.dir.clone())).collect(),
        };
        if let Some((dir, option)) = request.demanded()? {
            let server = Self::in_folder(&dir).map_err(|reason| BinariesError::Unusable { option, dir, reason })?;
            server.open_to(user.as_ref())?;
            return if new_enough(&server) { Ok(server.with_tools(request)) } else { Err(too_old(&[server])) };
        }
        let servers = Self::servers(request);
        if servers.is_empty() {
            return Err(BinariesError::NoneFound { wanted: request.wanted_major, searched: request.folders() });
        }
        let mut blocked = None;
        let mut chosen: Option<&Self> = None;
        for server in servers.iter().filter(|server| new_enough(server)) {
            if let Err(error) = server.open_to(user.as_ref()) {
                blocked.get_or_insert(error);
                continue;
            }
            let preferred = |server: &Self| Some(server.major) == request.preferred_major;
            let better = chosen.is_none_or(|chosen| match request.wanted_major {
                _ if preferred(server) != preferred(chosen) => preferred(server),
                Some(_) => server.major < chosen.major,
                None => server.major > chosen.major,
            });
            if better {
                chosen = Some(server);
            }
        }
        match (chosen, blocked) {
            (Some(server), _) => Ok(server.clone().with_tools(request)),
            (None, Some(error)) => Err(error),
            (None, None) => Err(too_old(&servers)),
        }
    }

    /// A server of exactly this major version: the one in the folder asked for, else the first found.
    ///
    /// # Errors
    /// There is none, or the folder asked for has another; the message says how to get one.
    pub fn of_major(request: &BinaryRequest, major: u32) -> Result<Self, BinariesError> {
        let user = server_user()?;
        let servers = match request.demanded()? {
            Some((dir, option)) => {
                vec![Self::in_folder(&dir).map_err(|reason| BinariesError::Unusable { option, dir, reason })?]
            }
            None => Self::servers(request),
        };
        let mut blocked = None;
        for server in servers.iter().filter(|server| server.major == major) {
            match server.open_to(user.as_ref()) {
                Ok(()) => return Ok(server.clone().with_tools(request)),
                Err(error) => blocked = blocked.or(Some(error)),
            }
        }
        let found = || servers.iter().map(|server| (server.major, server.dir.clone())).collect();
        Err(blocked.unwrap_or_else(|| BinariesError::OtherMajor { wanted: major, found: found() }))
    }

    /// Every server found, best place first: for a list of what is on the machine.
    pub fn all_found(request: &BinaryRequest) -> Vec<Self> {
        Self::servers(request).into_iter().map(|server| server.with_tools(request)).collect()
    }

    fn servers(request: &BinaryRequest) -> Vec<Self> {
        let mut servers: Vec<Self> = Vec::new();
        for server in each_at_once(&request.folders(), |dir| Self::in_folder(dir).ok()).into_iter().flatten() {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        servers
    }

    fn in_folder(dir: &Path) -> Result<Self, String> {
        // A server's working directory is not ours, so its path must be absolute.
        let dir = std::path::absolute(dir).map_err(|error| error.to_string())?;
        for program in ["postgres", "initdb"] {
            if !dir.join(program).is_file() {
                return Err(format!(
                    "there is no `{program}`; a server's folder holds both `postgres` and `initdb`; {}",
                    how_to_get_one(None)
                ));
            }
        }
        // A folder of links is not where the server lives: its tools and libraries are beside the real one.
        let real = dir.join("postgres").canonicalize().ok().and_then(|program| Some(program.parent()?.to_owned()));
        let dir = real.filter(|real| real.join("initdb").is_file()).unwrap_or(dir);
        let said = output_of(&dir.join("postgres"), "--version").ok_or("`postgres --version` does not run")?;
        let (version, major) = version(&said).ok_or_else(|| format!("`postgres --version` says `{said}`"))?;
        Ok(Self { dir, version, major, pg_dump: None, pg_restore: None })
    }

    /// The tools of its own folder, else the nearest ones that are not older than it.
    fn with_tools(mut self, request: &BinaryRequest) -> Self {
        let tool = |name| tool_in(&self.dir, name).or_else(|| find_tool(request, name, self.major).ok());
        let tools = each_at_once(&["pg_dump", "pg_restore"], |name| tool(name));
        if let [pg_dump, pg_restore] = tools.as_slice() {
            (self.pg_dump, self.pg_restore) = (pg_dump.clone(), pg_restore.clone());
        }
        self
    }

    fn open_to(&self, user: Option<&ServerUser>) -> Result<(), BinariesError> {
        let Some(user) = user else { return Ok(()) };
        for program in [self.postgres(), self.initdb()] {
            if let Some(blocked) = user.blocked_at(&program) {
                return Err(BinariesError::Blocked { user: user.name.clone(), program, blocked });
            }
        }
        Ok(())
    }

    /// Path of `postgres`.
    pub fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    /// Path of `initdb`.
    pub fn initdb(&self) -> PathBuf {
        self.dir.join("initdb")
    }
}

/// The nearest `name` (`pg_dump`, `pg_restore`) found whose major is at least `at_least`.
///
/// The nearest, because a dump made by a newer `pg_dump` speaks of settings an older server does not know.
///
/// # Errors
/// None found; the message says which are there and how to get one.
pub fn find_tool(request: &BinaryRequest, name: &str, at_least: u32) -> Result<ToolBinary, BinariesError> {
    let found: Vec<ToolBinary> = request.folders().iter().filter_map(|dir| tool_in(dir, name)).collect();
    let nearest = found.iter().filter(|tool| tool.major >= at_least).min_by_key(|tool| tool.major);
    nearest.cloned().ok_or_else(|| BinariesError::NoTool {
        tool: name.to_owned(),
        at_least,
        found: found.into_iter().map(|tool| (tool.major, tool.path)).collect(),
    })
}

/// The newest `name` (`pg_dump`) found, wherever servers are.
///
/// # Errors
/// None found; the message says how to get one.
pub fn newest_tool(request: &BinaryRequest, name: &str) -> Result<ToolBinary, BinariesError> {
    let found = request.folders().into_iter().filter_map(|dir| tool_in(&dir, name)).max_by_key(|tool| tool.major);
    found.ok_or_else(|| BinariesError::NoTool { tool: name.to_owned(), at_least: 0, found: Vec::new() })
}

fn tool_in(dir: &Path, name: &str) -> Option<ToolBinary> {
    let path = std::path::absolute(dir.join(name)).ok()?;
    // Debian's /usr/bin/pg_dump is a wrapper that picks a version by the machine's own clusters.
    if path.canonicalize().ok()?.file_name()? == "pg_wrapper" {
        return None;
    }
    let (_, major) = version(&output_of(&path, "--version")?)?;
    Some(ToolBinary { path, major })
}

/// Asks each of them at the same time: most of it is waiting for programs to start.
fn each_at_once<T: Sync, R: Send>(of: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = of.iter().map(|each| scope.spawn(|| ask(each))).collect();
        let answer = |asked: std::thread::ScopedJoinHandle<'_, R>| {
            asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        asked.into_iter().map(answer).collect()
    })
}

/// What a program prints on standard output when called with one argument; `None` when it fails.
fn output_of(program: &Path, argument: &str) -> Option<String> {
    // No secret of the caller's is a server's to know, not even for this.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let output = Command::new(program).arg(argument).env_clear().env("PATH", path).env("LC_ALL", "C").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// What a program of PostgreSQL says of its version, whole and major; `None` when it does not run.
pub(super) fn version_said_by(program: &Path) -> Option<(String, u32)> {
    version(&output_of(program, "--version")?)
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is version `15.18`, major 15.
fn version(said: &str) -> Option<(String, u32)> {
    let version = said.split_once("(PostgreSQL) ")?.1.split(' ').next()?;
    let digits = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    Some((version.to_owned(), version[..digits].parse().ok()?))
}

/// Existing folders that match a pattern, the highest number first where `*` stands for one.
fn folders_matching(pattern: &Path) -> Vec<PathBuf> {
    let mut matching = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy().into_owned();
        let Some((before, after)) = name.split_once('*') else {
            matching.iter_mut().for_each(|folder| folder.push(component));
            continue;
        };
        matching = matching.iter().flat_map(|folder| children_between(folder, before, after)).collect();
    }
    matching.retain(|folder| folder.is_dir());
    matching
}

fn children_between(folder: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut between: Vec<(u32, String)> = names
        .filter_map(|name| {
            let name = name.into_string().ok()?;
            let middle = name.strip_prefix(before)?.strip_suffix(after)?;
            Some((middle.parse().unwrap_or_default(), name))
        })
        .collect();
    between.sort();
    between.into_iter().rev().map(|(_, name)| folder.join(name)).collect()
}

#[cfg(test)]
mod tests;
