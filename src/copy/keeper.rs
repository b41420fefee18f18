//! Copies by hand outlive the command that made them: a process of their own keeps each of them, this same program in a
//! session of its own. It owns the run's folder and the server, and both end with it.
//!
//! The command and the keeper talk over a pair of sockets. What is said between them is lines of JSON: one [`Order`],
//! then what the keeper tells, then one line that says that the copy is to stay. A command that is gone before that has
//! said nothing, so the keeper takes everything back.

mod inside;

pub use inside::run_if_keeper;

use crate::copy::base::Base;
use crate::copy::origin::OriginSettings;
use crate::copy::scratch::Roles;
use crate::copy::state::{CopyRecord, StateDir};
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::launch::own_executable;
use crate::progress::{Activity, Unit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

/// First argument of the hidden call that becomes a keeper.
const KEEPER: &str = "__keep";
/// What the command says once it has printed the address.
const STAY: &str = "stay";
/// How long a keeper may take to end when nobody wants its copy: its server is given eight seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a keeper is to keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    state: PathBuf,
    base: String,
    server_folder: PathBuf,
    server_version: String,
    server_major: u32,
    role: Option<String>,
    search_path: Option<String>,
    settings: BTreeMap<String, String>,
    role_settings: BTreeMap<String, BTreeMap<String, String>>,
    origin: OriginSettings,
    extensions: Vec<String>,
    source: String,
    name: String,
    name_was_asked_for: bool,
    seconds: u64,
}

impl Order {
    /// A copy of a base, for so long, with roles as `check` would prepare them. `source` is for people; `name` is what the
    /// user wants it to be called, if that was said. `None` where the base is not in the cache.
    pub fn new(
        state: &StateDir,
        base: &Base,
        roles: &Roles,
        source: String,
        name: Option<String>,
        lifetime: Duration,
    ) -> Option<Self> {
        Some(Self {
            state: state.root().to_owned(),
            base: base.key()?,
            server_folder: base.binaries.dir.clone(),
            server_version: base.binaries.version.clone(),
            server_major: base.binaries.major,
            role: roles.requested.clone(),
            search_path: roles.search_path.clone(),
            settings: roles.settings.clone(),
            role_settings: roles.role_settings.clone(),
            origin: roles.origin.clone(),
            extensions: roles.extensions.clone(),
            source,
            name_was_asked_for: name.is_some(),
            name: name.unwrap_or_else(|| name_for(&base.record.database)),
            seconds: lifetime.as_secs(),
        })
    }

    fn binaries(&self) -> Binaries {
        Binaries {
            dir: self.server_folder.clone(),
            version: self.server_version.clone(),
            major: self.server_major,
            // Nothing is dumped by a keeper.
            pg_dump: None,
            pg_restore: None,
        }
    }

    fn roles(&self) -> Roles {
        Roles {
            requested: self.role.clone(),
            search_path: self.search_path.clone(),
            settings: self.settings.clone(),
            role_settings: self.role_settings.clone(),
            origin: self.origin.clone(),
            extensions: self.extensions.clone(),
            ..Roles::default()
        }
    }
}

/// Longest name of a copy.
const LONGEST_NAME: usize = 63;

/// Whether a copy may be called that: what needs no quotes in a shell, and is no run's id.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_id = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let well_begun = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !well_begun || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        return Err(format!(
            "`{name}` is no name for a copy: write letters, digits, `-`, `_` and `.`, beginning with a letter or a digit, \
             at most {LONGEST_NAME}"
        ));
    }
    if is_id {
        return Err(format!("`{name}` looks like the id of a copy: choose another name"));
    }
    Ok(())
}

/// The name of a copy nobody named: its database's, as far as it can be one.
fn name_for(database: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let mut name: String = database.chars().map(plain).take(LONGEST_NAME - 8).collect();
    name = name.trim_matches(['-', '_', '.']).to_owned();
    if name.is_empty() {
        return "copy".to_owned();
    }
    if check_name(&name).is_err() { format!("{name}-copy") } else { name }
}

/// What a keeper tells.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// How much is copied of how much.
    Copied { done: u64, of: Option<u64> },
    /// What differs from production.
    Note(String),
    /// The copy is there.
    Ready { id: String, record: CopyRecord },
    /// There will be none: another one has its name.
    NameTaken(String),
    /// There will be none.
    Failed(String),
}

/// Why there is no copy.
#[derive(Debug, Error)]
pub enum KeeperError {
    /// It cannot be started.
    #[error("cannot start the process that keeps the copy: {0}")]
    Start(io::Error),
    /// It ended without a word.
    #[error("the process that keeps the copy ended before it was there: run again")]
    Gone,
    /// The name is another one's.
    #[error("{0}")]
    NameTaken(String),
    /// What went wrong in it.
    #[error("{0}")]
    Failed(String),
}

/// A keeper at work. Whoever drops it without [`Keeper::stay`] wants no copy; [`Keeper::give_up`] also waits until nothing
/// is left of it.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Keeper {
    /// Starts one. It inherits nothing of this process but a socket: no terminal, no environment, no working directory.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn start(order: &Order) -> Result<Self, KeeperError> {
        let program = own_executable().ok_or_else(|| {
            KeeperError::Start(io::Error::new(io::ErrorKind::NotFound, "this program does not know where it lies"))
        })?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(KeeperError::Start)?;
        ours.set_nonblocking(true).map_err(KeeperError::Start)?;
        let mut command = Command::new(program);
        command
            .arg0("seatrial")
            .arg(KEEPER)
            .arg(&order.name)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C")
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().map_err(KeeperError::Start)?;
        // Its end of the pair, or its death would not be seen.
        drop(command);
        let (reader, writer) = UnixStream::from_std(ours).map_err(KeeperError::Start)?.into_split();
        let mut keeper = Self { child, lines: BufReader::new(reader).lines(), writer };
        let mut line = serde_json::to_vec(order).map_err(|error| KeeperError::Start(error.into()))?;
        line.push(b'\n');
        keeper.writer.write_all(&line).await.map_err(|_| KeeperError::Gone)?;
        Ok(keeper)
    }

    /// Waits until the copy is there: its id, and what is known of it. `activity` is told how far it is, `say` what
    /// differs from production.
    ///
    /// # Errors
    /// There is none.
    pub async fn until_ready(
        &mut self,
        activity: &Activity,
        mut say: impl FnMut(&str),
    ) -> Result<(String, CopyRecord), KeeperError> {
        let mut counter = None;
        let mut so_far = 0;
        loop {
            let line = self.lines.next_line().await.ok().flatten().ok_or(KeeperError::Gone)?;
            match serde_json::from_str(&line).map_err(|_| KeeperError::Gone)? {
                Told::Copied { done, of } => {
                    let counter = counter.get_or_insert_with(|| activity.count("copied", Unit::Bytes, of));
                    counter.add(done.saturating_sub(so_far));
                    so_far = done;
                }
                Told::Note(text) => say(&text),
                Told::Ready { id, record } => return Ok((id, record)),
                Told::NameTaken(why) => return Err(KeeperError::NameTaken(why)),
                Told::Failed(why) => return Err(KeeperError::Failed(why)),
            }
        }
    }

    /// From here on the copy lives without this process.
    ///
    /// # Errors
    /// The keeper is gone.
    pub async fn stay(mut self) -> Result<(), KeeperError> {
        self.writer.write_all(format!("{STAY}\n").as_bytes()).await.map_err(|_| KeeperError::Gone)
    }

    /// Wants no copy any more, and waits until nothing is left of it.
    pub async fn give_up(self) {
        let Self { mut child, lines, writer } = self;
        drop((lines, writer));
        // One that does not end is the next sweep's, as soon as it does.
        let _ = tokio::time::timeout(PATIENCE, child.wait()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quotes_and_are_no_ids() {
        for good in ["shop", "9-lives", "a.b_c", &"x".repeat(63), "0123abcde"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "-rf", "../x", "a b", "ü", "a/b", "0123abcd", "DEADBEEF", &"x".repeat(64), ".hidden", "a\nb"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn any_database_gives_a_name() {
        for (database, name) in [
            ("shop", "shop"),
            ("my shop", "my-shop"),
            ("Größe", "Gr--e"),
            ("\"; DROP", "DROP"),
            ("日本", "copy"),
            ("deadbeef", "deadbeef-copy"),
            (&"x".repeat(63), &"x".repeat(55)),
        ] {
            assert_eq!(name_for(database), name);
            check_name(&name_for(database)).expect("one that may be");
        }
    }
}
