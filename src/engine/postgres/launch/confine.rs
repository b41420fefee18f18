//! What a server may reach: its own files alone, by Landlock, and no network, by a network namespace of its own.
//!
//! Both hold for the server's superuser too, and for every program it might start. A launch that cannot do what it was
//! asked for fails, so a server that runs is confined as its [`Confinement`] says. What this machine can do is found out
//! beforehand, by starting the server's own program that way: see [`ability`].

use super::{RunAs, Tool, run_tool};
use crate::engine::postgres::binaries::Binaries;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What keeps a program from networks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing.
    #[default]
    Open,
    /// A network namespace of its own, made by root: nothing but its own loopback is in it.
    Namespace,
    /// The same, made by an ordinary user within a user namespace in which that user stays who it is.
    UserNamespace,
}

const NETWORKS: [(Network, &str); 3] =
    [(Network::Open, "open"), (Network::Namespace, "namespace"), (Network::UserNamespace, "user-namespace")];

/// The files a program may reach; no other can be opened, made, changed, removed or executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Folders in which it may do anything but execute, and make links and devices; they must exist.
    pub write: Vec<PathBuf>,
    /// Folders in which it may make and remove files, without seeing what else is there.
    pub shared: Vec<PathBuf>,
    /// Files and folders it may read; those that are not there are passed over.
    pub read: Vec<PathBuf>,
    /// Files it may read and execute.
    pub execute: Vec<PathBuf>,
}

/// What a program may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Networks.
    pub network: Network,
    /// Files; `None`: whatever its user may.
    pub files: Option<Files>,
}

/// What this machine can confine a server's program to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ability {
    /// Landlock holds files.
    pub files: bool,
    /// How networks are closed.
    pub network: Network,
    /// Why either is not there, as the system said it.
    pub why_not: Vec<String>,
    /// A server has started like this: no later one of the run is held to less.
    pub proven: bool,
}

/// What a server is really held to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confined {
    /// It opens no files but its own.
    pub files: bool,
    /// It reaches no network, by whatever protocol.
    pub no_network: bool,
}

/// Libraries, time zones, locales, dictionaries: what installed software is made of, and holds nothing of the user's. All
/// of it, since extensions keep their data in places of their own, and one that misses them would be the migration's
/// failure. No folder of programs is among it.
const INSTALLED: [&str; 14] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/share",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/local/share",
    // Dictionaries of Debian's text search.
    "/var/cache/postgresql/dicts",
    "/etc/crypto-policies",
    "/sys/devices/system/cpu",
    "/etc/ssl/openssl.cnf",
];

/// Single files that loaders, the C library and the server read.
const SINGLE: [&str; 8] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/pki/tls/openssl.cnf",
    "/proc/meminfo",
    "/dev/urandom",
    "/dev/zero",
];

/// What servers before 15 find `localhost` by: their counters go to themselves over a socket there, and without it they
/// count nothing.
const LOCALHOST: [&str; 2] = ["/etc/hosts", "/etc/nsswitch.conf"];
/// The first one whose counters are in shared memory.
const COUNTS_IN_MEMORY: u32 = 15;

/// What a server may reach on the machine besides its own folders.
fn installed(program: &Path) -> Files {
    let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let mut read: Vec<PathBuf> = INSTALLED.iter().chain(&SINGLE).map(PathBuf::from).collect();
    // A build that stands somewhere else, and one in a store of immutable packages.
    if let Some(tree) = real.parent().and_then(Path::parent) {
        read.extend(["lib", "lib64", "share"].map(|folder| tree.join(folder)));
    }
    let store = Path::new("/nix/store");
    if real.starts_with(store) {
        read.push(store.to_owned());
    }
    let execute = interpreter(&real).into_iter().chain([real]).collect();
    Files { write: vec![PathBuf::from("/dev/null")], shared: Vec::new(), read, execute }
}

/// The loader of dynamic libraries that a program names, which has to be executable with it.
fn interpreter(program: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::FileExt;
    const LOADER: u32 = 3;
    let file = std::fs::File::open(program).ok()?;
    let bytes = |at: u64, count: usize| {
        let mut bytes = vec![0; count];
        file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
    };
    let header = bytes(0, 64)?;
    // Of 64 bits, in this machine's own order.
    if !header.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let long = |from: &[u8], at: usize| Some(u64::from_ne_bytes(from.get(at..at + 8)?.try_into().ok()?));
    let short = |at: usize| Some(u16::from_ne_bytes(header.get(at..at + 2)?.try_into().ok()?));
    let (table, size, count) = (long(&header, 32)?, short(54)?, short(56)?);
    let mut entries = (0..count).filter_map(|each| bytes(table + u64::from(each) * u64::from(size), 56));
    let named = entries.find(|entry| entry.starts_with(&LOADER.to_ne_bytes()))?;
    let length = usize::try_from(long(&named, 32)?).ok().filter(|length| *length < 4096)?;
    let path = bytes(long(&named, 8)?, length)?;
    let path = path.split(|byte| *byte == 0).next()?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// What was found out so far, by program.
static KNOWN: Mutex<BTreeMap<PathBuf, Ability>> = Mutex::new(BTreeMap::new());

/// What this machine can confine this server's program to: tried once, by letting it say its version so confined.
pub async fn ability(program: &Path) -> Ability {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(program).cloned();
    if let Some(known) = known {
        return known;
    }
    let ability = find_out(program).await;
    remember(program, ability.clone());
    ability
}

/// Replaces what is known: a server started, or did not, as its program had led to expect.
pub(in crate::engine::postgres) fn remember(program: &Path, ability: Ability) {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(program.to_owned(), ability);
}

async fn find_out(program: &Path) -> Ability {
    let networks = if nix::unistd::geteuid().is_root() {
        [Network::Namespace, Network::UserNamespace]
    } else {
        // Where it works is the same, and what an ordinary user may is asked first.
        [Network::UserNamespace, Network::Namespace]
    };
    let files = || Some(installed(program));
    // Nearly always everything works, at the price of one start.
    if tried(program, Confinement { network: networks[0], files: files() }).await.is_ok() {
        return Ability { files: true, network: networks[0], ..Ability::default() };
    }
    let mut ability = Ability::default();
    let mut reasons = Vec::new();
    for network in networks {
        match tried(program, Confinement { network, files: None }).await {
            Ok(()) => {
                ability.network = network;
                break;
            }
            Err(reason) => reasons.push(reason),
        }
    }
    if ability.network == Network::Open {
        ability.why_not.extend(reasons.into_iter().next());
    }
    match tried(program, Confinement { network: ability.network, files: files() }).await {
        Ok(()) => ability.files = true,
        Err(reason) => ability.why_not.push(reason),
    }
    ability
}

async fn tried(program: &Path, confinement: Confinement) -> Result<(), String> {
    let mut tool = Tool::new(program.to_owned());
    tool.args = vec!["--version".into()];
    tool.run_as = RunAs::ServerUser;
    tool.confinement = Some(confinement);
    let output = run_tool(tool).await.map_err(|error| error.to_string())?;
    let said = output.stderr.lines().next().unwrap_or_default();
    let said = said.trim_start_matches("seatrial: ");
    match (output.status.success(), said) {
        (true, _) => Ok(()),
        (false, "") => Err(format!("{} --version so confined: {}", program.display(), output.status)),
        (false, said) => Err(said.to_owned()),
    }
}

impl Ability {
    /// All this machine can do, for a server with these folders of its own.
    pub fn for_server(&self, binaries: &Binaries, folders: &[&Path], shared_memory_in_files: bool) -> Confinement {
        let files = self.files.then(|| {
            let mut files = installed(&binaries.postgres());
            if binaries.major < COUNTS_IN_MEMORY {
                files.read.extend(LOCALHOST.map(PathBuf::from));
            }
            files.write.extend(folders.iter().map(|folder| (*folder).to_owned()));
            if shared_memory_in_files {
                files.shared.push("/dev/shm".into());
            }
            files
        });
        Confinement { network: self.network, files }
    }

    /// What is missing, for people; `None` where nothing is.
    pub fn missing(&self) -> Option<String> {
        let what = match (self.files, self.network) {
            (true, Network::Open) => "servers are not kept from networks",
            (false, Network::Open) => "servers are kept neither from other files of their user nor from networks",
            (false, _) => "servers are not kept from other files of their user",
            (true, _) => return None,
        };
        Some(format!("{what} on this machine: {}", self.why_not.join("; ")))
    }
}

impl Confinement {
    /// What a program that runs is held to.
    pub fn confined(&self) -> Confined {
        Confined { files: self.files.is_some(), no_network: self.network != Network::Open }
    }

    /// As words of a command line, the number of those that follow first.
    pub(super) fn words(confinement: Option<&Self>) -> Vec<OsString> {
        let Some(confinement) = confinement else { return vec!["0".into()] };
        let network = NETWORKS.iter().find(|(network, _)| *network == confinement.network).map_or("", |(_, word)| word);
        let mut words = vec![OsString::from(network)];
        if let Some(files) = &confinement.files {
            words.push("files".into());
            for (mark, paths) in files.kinds() {
                words.extend(paths.iter().map(|path| {
                    let mut word = OsString::from(mark);
                    word.push(path);
                    word
                }));
            }
        }
        words.insert(0, words.len().to_string().into());
        words
    }

    /// What [`Confinement::words`] says; `None` when that is nothing it writes.
    pub(super) fn from_words(mut words: impl Iterator<Item = OsString>) -> Option<Option<Self>> {
        let count: usize = words.next()?.into_string().ok()?.parse().ok()?;
        if count == 0 {
            return Some(None);
        }
        let mut words = words.take(count);
        let network = words.next()?;
        let network = NETWORKS.iter().find(|(_, word)| *word == network)?.0;
        let files = match words.next() {
            None => None,
            Some(word) if word == "files" => {
                let mut files = Files::default();
                for word in words {
                    let bytes = word.into_vec();
                    let (mark, path) = bytes.split_at_checked(1)?;
                    let path = PathBuf::from(OsStr::from_bytes(path));
                    match mark {
                        b"w" => files.write.push(path),
                        b"s" => files.shared.push(path),
                        b"r" => files.read.push(path),
                        b"x" => files.execute.push(path),
                        _ => return None,
                    }
                }
                Some(files)
            }
            Some(_) => return None,
        };
        Some(Some(Self { network, files }))
    }
}

impl Files {
    fn kinds(&self) -> [(&'static str, &[PathBuf]); 4] {
        [("w", &self.write), ("s", &self.shared), ("r", &self.read), ("x", &self.execute)]
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{close_network, close_network_as_user, give_way, restrict};

#[cfg(target_os = "linux")]
mod linux {
    use super::Files;
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
    };
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
    use std::fs::File;
    use std::io::{self, Read, Write};

    /// What is handled, where the kernel knows it. Not the version that knows UDP: servers before 15 send their counters
    /// to themselves that way, and the network namespace closes it besides.
    const RULES: ABI = ABI::V9;

    /// Where root may.
    pub(in crate::engine::postgres::launch) fn close_network() -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        loopback_up()
    }

    /// Where an ordinary user may: in a user namespace in which this user and group, and no others, are themselves, so that
    /// files keep their owner. The rights that come with it are gone when this process becomes the program.
    pub(in crate::engine::postgres::launch) fn close_network_as_user() -> io::Result<()> {
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
        std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
        loopback_up()
    }

    /// Servers before 15 send their counters to themselves over UDP.
    fn loopback_up() -> io::Result<()> {
        let socket =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, Some(SockProtocol::NetlinkRoute))?;
        let mut socket = File::from(socket);
        // rtnetlink(7): RTM_NEWLINK with NLM_F_REQUEST and NLM_F_ACK, for interface 1, with IFF_UP set.
        let mut message = Vec::new();
        message.extend(32_u32.to_ne_bytes());
        message.extend(16_u16.to_ne_bytes());
        message.extend(5_u16.to_ne_bytes());
        message.extend([0; 8]);
        message.extend([0; 4]);
        message.extend(1_i32.to_ne_bytes());
        message.extend(1_u32.to_ne_bytes());
        message.extend(1_u32.to_ne_bytes());
        socket.write_all(&message)?;
        let mut answer = [0; 512];
        let length = socket.read(&mut answer)?;
        let error = answer.get(16..20).filter(|_| length >= 20).and_then(|error| error.try_into().ok());
        match error.map(i32::from_ne_bytes) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(-error)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Memory that nobody limits is the machine's: where it gets short, a disposable server goes before anything else. And
    /// what was in its memory is written nowhere.
    pub(in crate::engine::postgres::launch) fn give_way() -> io::Result<()> {
        // A wish, which some containers do not take: nothing that is reported depends on it.
        let _ = std::fs::write("/proc/self/oom_score_adj", "800");
        Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
    }

    /// Holds this process, and all that come of it, to these files; no TCP, no signals and no abstract sockets to the
    /// outside, as far as the kernel knows of these.
    pub(in crate::engine::postgres::launch) fn restrict(files: &Files) -> Result<(), String> {
        let status = build(files).map_err(|error| format!("Landlock: {error}"))?;
        match status {
            RulesetStatus::NotEnforced => Err("the kernel has no Landlock".to_owned()),
            _ => Ok(()),
        }
    }

    fn build(files: &Files) -> Result<RulesetStatus, Box<dyn std::error::Error>> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let change =
            AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
        let own = change
            | AccessFs::ReadDir
            | AccessFs::MakeDir
            | AccessFs::RemoveDir
            | AccessFs::MakeSock
            | AccessFs::Refer
            | AccessFs::ResolveUnix;
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(RULES))?
            .handle_access(AccessNet::from_all(RULES))?
            .scope(Scope::from_all(RULES))?
            .create()?;
        for path in &files.write {
            let access = if path.is_dir() { own } else { AccessFs::ReadFile | AccessFs::WriteFile };
            ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(path)?, access))?;
        }
        let status = ruleset
            .add_rules(path_beneath_rules(&files.shared, change))?
            .add_rules(path_beneath_rules(&files.read, read))?
            .add_rules(path_beneath_rules(&files.execute, AccessFs::ReadFile | AccessFs::Execute))?
            .restrict_self()?;
        Ok(status.ruleset)
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::Files;
    use std::io;

    pub(in crate::engine::postgres::launch) fn close_network() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::engine::postgres::launch) fn close_network_as_user() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::engine::postgres::launch) fn give_way() -> io::Result<()> {
        Ok(())
    }

    pub(in crate::engine::postgres::launch) fn restrict(_: &Files) -> Result<(), String> {
        Err("this system has no Landlock".to_owned())
    }
}
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{close_network, close_network_as_user, give_way, restrict};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_was_meant_whatever_the_paths() {
        let odd = PathBuf::from(OsStr::from_bytes(b"/a b/\xff\n"));
        let files = Files {
            write: vec![odd.clone()],
            shared: vec!["/dev/shm".into()],
            read: vec!["/lib".into(), odd],
            execute: vec!["/bin/postgres".into()],
        };
        for confinement in [
            None,
            Some(Confinement::default()),
            Some(Confinement { network: Network::UserNamespace, files: Some(Files::default()) }),
            Some(Confinement { network: Network::Namespace, files: Some(files) }),
        ] {
            let mut words = Confinement::words(confinement.as_ref());
            words.push("next".into());
            let mut words = words.into_iter();
            assert_eq!(Confinement::from_words(&mut words), Some(confinement));
            assert_eq!(words.next(), Some("next".into()));
        }
        for nonsense in [&["1", "everything"][..], &["3", "open", "files", "q/x"], &["2", "open", "what"], &["x"], &[]]
        {
            assert_eq!(Confinement::from_words(nonsense.iter().map(OsString::from)), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_server_that_counts_over_a_socket_finds_localhost_and_no_other_may_look() {
        let ability = Ability { files: true, ..Ability::default() };
        let read = |major, version: &str| {
            let dir = PathBuf::from("/opt/postgresql/bin");
            let binaries = Binaries { dir, major, version: version.into(), pg_dump: None, pg_restore: None };
            ability.for_server(&binaries, &[], false).files.unwrap().read
        };
        let (older, newer) = (read(14, "14.23"), read(15, "15.18"));
        for file in LOCALHOST.map(PathBuf::from) {
            assert!(older.contains(&file) && !newer.contains(&file), "{}", file.display());
        }
    }

    #[test]
    fn a_program_names_its_loader_and_a_script_none() {
        let own = std::env::current_exe().unwrap();
        let loader = interpreter(&own).unwrap();
        assert!(loader.is_file(), "{}", loader.display());
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(script.path(), "#!/bin/sh\nexec postgres\n").unwrap();
        assert_eq!(interpreter(script.path()), None);
    }

    #[test]
    fn what_is_missing_is_said_with_the_reason() {
        let reason = || vec!["the kernel has no Landlock".to_owned()];
        let ability = |files, network| Ability { files, network, why_not: reason(), proven: false }.missing();
        assert_eq!(ability(true, Network::Namespace), None);
        let told = ability(false, Network::Namespace).unwrap();
        assert_eq!(
            told,
            "servers are not kept from other files of their user on this machine: the kernel has no Landlock"
        );
        assert!(ability(true, Network::Open).unwrap().starts_with("servers are not kept from networks on"));
        assert!(ability(false, Network::Open).unwrap().contains("neither"));
    }
}
