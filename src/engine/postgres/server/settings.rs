//! The settings a server of ours is started with: all of them, so that nothing a copied directory brought applies.

use super::cluster::ControlFile;
use super::{ClusterError, MAX_CONNECTIONS, RESERVED_CONNECTIONS, ServerMode, ServerOptions};
use crate::copy::state::RunDir;
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::launch::ServerUser;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

/// Below this much shared memory in `/dev/shm`, in bytes, parallel queries get theirs from files: containers often have
/// 64 MB there, and a query that fails for want of it would be blamed on the migration.
#[cfg(target_os = "linux")]
const ENOUGH_SHARED_MEMORY: u64 = 512 << 20;

/// What holds in every mode. Nothing reaches out of the server, nothing runs in it by itself, and what is lost in a
/// crash is lost: copies are disposable.
const ALWAYS: [(&str, &str); 32] = [
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("max_locks_per_transaction", "1024"),
    ("fsync", "off"),
    // Off, a VACUUM right after loading finds no page all-visible, and index-only scans vanish from plans.
    ("synchronous_commit", "on"),
    ("archive_mode", "off"),
    ("min_wal_size", "32MB"),
    ("checkpoint_timeout", "1h"),
    // Off, PostgreSQL 18 forgets row counts after a rewrite; with this naptime it never gets to work either.
    ("autovacuum", "on"),
    ("autovacuum_naptime", "2147483"),
    ("synchronize_seqscans", "off"),
    ("jit", "off"),
    ("shared_preload_libraries", ""),
    ("session_preload_libraries", ""),
    ("local_preload_libraries", ""),
    // Subscriptions in a copy would consume production's slots.
    ("max_logical_replication_workers", "0"),
    // What a server answers after one of its processes died is nobody's measurement.
    ("restart_after_crash", "off"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    // With the SQLSTATE, by which a full disk and damaged files are found.
    ("log_line_prefix", "%m [%p] %e "),
    ("log_checkpoints", "off"),
    ("log_statement", "none"),
    // Statements hold values of user data, and whoever sent one is told what became of it.
    ("log_min_error_statement", "panic"),
    ("log_timezone", "UTC"),
    ("TimeZone", "UTC"),
    ("datestyle", "ISO, MDY"),
    ("lc_messages", "C"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("default_text_search_config", "pg_catalog.simple"),
    // Tells whether a backend stands still, without asking it.
    ("update_process_title", "on"),
];

const LOADING: [(&str, &str); 7] = [
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_wal_size", "4GB"),
    // Recycled segments would be copied with every copy of the base.
    ("wal_recycle", "off"),
    ("wal_init_zero", "off"),
    ("maintenance_work_mem", "256MB"),
];

/// WAL as production writes it, so that its bytes can be counted.
const MEASURING: [(&str, &str); 4] =
    [("full_page_writes", "on"), ("wal_level", "replica"), ("max_wal_senders", "10"), ("max_wal_size", "4GB")];

/// Locks for each session where relations are few, four times PostgreSQL's own number: half of the tables for locks is made
/// before a server answers, which with room for all of [`ALWAYS`] is a twentieth of a small rehearsal.
const LOCKS_OF_FEW: &str = "256";

/// Files of a data directory up to which its relations are few: all of them locked at once fill a ninth of the room.
const FEW_FILES: usize = 4000;

/// Writes the settings a server is started with on this directory, in the place of its own.
pub(super) fn write(
    binaries: &Binaries,
    data_dir: &Path,
    run: &RunDir,
    options: &ServerOptions,
) -> Result<(), ClusterError> {
    let mut options = options.clone();
    options.settings.splice(0..0, asked_for(binaries, data_dir)?);
    if options.mode == ServerMode::Measuring && few_relations(data_dir)? {
        options.settings.insert(0, ("max_locks_per_transaction".to_owned(), LOCKS_OF_FEW.to_owned()));
    }
    let conf = postgresql_conf(binaries.major, run.socket_dir(), &options);
    replace_settings(data_dir, &conf, run.user())
        .map_err(|error| ClusterError::file("write the settings of", data_dir, error))
}

/// What a directory asks of its server: without these it would not start on it.
fn asked_for(binaries: &Binaries, data_dir: &Path) -> Result<Vec<(String, String)>, ClusterError> {
    let mut settings = Vec::new();
    let segment_bytes = ControlFile::read(data_dir)?.segment_bytes;
    if segment_bytes > 16 << 20 {
        // At least two files of the log.
        settings.push(("min_wal_size".to_owned(), format!("{}MB", (2 * segment_bytes) >> 20)));
    }
    let tablespaces = data_dir.join("pg_tblspc");
    let mut inside =
        std::fs::read_dir(&tablespaces).map_err(|error| ClusterError::file("read", &tablespaces, error))?;
    if inside.next().is_some() && minds_tablespaces_inside(&binaries.version) {
        settings.push(("allow_in_place_tablespaces".to_owned(), "on".to_owned()));
    }
    Ok(settings)
}

/// Whether a data directory has few relations, by the files of its databases. Where tablespaces are, nobody counts.
fn few_relations(data_dir: &Path) -> Result<bool, ClusterError> {
    let read = |folder: &Path| std::fs::read_dir(folder).map_err(|error| ClusterError::file("read", folder, error));
    if read(&data_dir.join("pg_tblspc"))?.next().is_some() {
        return Ok(false);
    }
    let mut files = 0;
    for database in read(&data_dir.join("base"))? {
        let database = database.map_err(|error| ClusterError::file("read", data_dir, error))?.path();
        if database.is_dir() {
            files += read(&database)?.take(FEW_FILES + 1 - files).count();
        }
        if files > FEW_FILES {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether recovery refuses a tablespace that is a folder of the directory itself unless told otherwise: since 15, and since
/// updates of August 2022 to the versions before it.
fn minds_tablespaces_inside(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    match major {
        13 => minor >= 8,
        14 => minor >= 5,
        // A beta has a major alone, `18beta1`, which is no number.
        _ => major == 0 || major >= 15,
    }
}

/// The text of `postgresql.conf`.
fn postgresql_conf(major: u32, socket_dir: &Path, options: &ServerOptions) -> String {
    let mode = match options.mode {
        ServerMode::Loading => LOADING.as_slice(),
        ServerMode::Measuring => MEASURING.as_slice(),
    };
    let socket_dir = socket_dir.to_string_lossy();
    let mut lines = vec![
        line("max_connections", &MAX_CONNECTIONS.to_string()),
        line("superuser_reserved_connections", &RESERVED_CONNECTIONS.to_string()),
    ];
    for (name, value) in ALWAYS.iter().chain(mode) {
        lines.push(line(name, value));
    }
    lines.push(line("unix_socket_directories", &socket_dir));
    lines.push(line("dynamic_shared_memory_type", shared_memory_type()));
    if major >= 14 {
        lines.push(line("compute_query_id", "on"));
    }
    // The last one of a name wins.
    lines.extend(options.settings.iter().map(|(name, value)| line(name, value)));
    lines.concat()
}

fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(target_os = "linux")]
fn shared_memory_type() -> &'static str {
    let room = nix::sys::statvfs::statvfs("/dev/shm").map(|fs| fs.fragment_size() * fs.blocks());
    if room.is_ok_and(|bytes| bytes < ENOUGH_SHARED_MEMORY) { "mmap" } else { "posix" }
}

#[cfg(not(target_os = "linux"))]
fn shared_memory_type() -> &'static str {
    "posix"
}

/// Whether servers share memory among their processes in files of `/dev/shm`.
pub(super) fn shares_memory_in_files() -> bool {
    cfg!(target_os = "linux") && shared_memory_type() == "posix"
}

/// Replaces every file of a data directory that says how a server behaves.
fn replace_settings(data_dir: &Path, conf: &str, user: Option<&ServerUser>) -> io::Result<()> {
    // Inside a private folder, whoever reaches the socket may be anybody.
    replace(&data_dir.join("pg_hba.conf"), "local all all trust\n", user)?;
    replace(&data_dir.join("pg_ident.conf"), "", user)?;
    replace(&data_dir.join("postgresql.auto.conf"), "", user)?;
    replace(&data_dir.join("postgresql.conf"), conf, user)?;
    // A copied standby would wait for its primary.
    remove_if_there(&data_dir.join("standby.signal"))?;
    remove_if_there(&data_dir.join("recovery.signal"))
}

/// Writes a file anew and never through a link: the directory belongs to a user we trust less than ourselves.
fn replace(path: &Path, text: &str, user: Option<&ServerUser>) -> io::Result<()> {
    remove_if_there(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(user) = user {
        fchown(&file, Some(user.uid), Some(user.gid))?;
    }
    file.write_all(text.as_bytes())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(mode: ServerMode, major: u32, settings: &[(&str, &str)]) -> String {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        postgresql_conf(major, Path::new("/run/it's/s"), &ServerOptions { mode, settings })
    }

    #[test]
    fn no_name_is_set_twice_by_us() {
        for mode in [ServerMode::Loading, ServerMode::Measuring] {
            let text = conf(mode, 18, &[]);
            let mut names: Vec<&str> = text.lines().filter_map(|line| line.split(" = ").next()).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }

    #[test]
    fn what_the_caller_sets_comes_last_and_quoted() {
        let text = conf(ServerMode::Measuring, 15, &[("jit", "on"), ("application_name", r"a'b\c")]);
        assert!(text.ends_with("jit = 'on'\napplication_name = 'a''b\\\\c'\n"), "{text}");
        assert!(text.contains("unix_socket_directories = '/run/it''s/s'\n"), "{text}");
    }

    #[test]
    fn old_servers_are_not_told_of_settings_they_do_not_know() {
        assert!(!conf(ServerMode::Loading, 13, &[]).contains("compute_query_id"));
        assert!(conf(ServerMode::Loading, 14, &[]).contains("compute_query_id = 'on'"));
    }

    #[test]
    fn tablespaces_inside_are_allowed_where_a_server_knows_of_them() {
        for (version, minds) in
            [("13.7", false), ("13.23", true), ("14.4", false), ("14.5", true), ("15.18", true), ("18beta1", true)]
        {
            assert_eq!(minds_tablespaces_inside(version), minds, "{version}");
        }
    }

    #[test]
    fn room_for_locks_is_made_for_many_relations_where_there_are_many_or_nobody_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for made in ["pg_tblspc", "base/1", "base/5"] {
            std::fs::create_dir_all(root.join(made)).expect("made");
        }
        let fill = |database: &str, files: usize| {
            for file in 0..files {
                std::fs::write(root.join("base").join(database).join(file.to_string()), "").expect("written");
            }
        };
        fill("1", 300);
        fill("5", FEW_FILES - 300);
        assert!(few_relations(root).expect("counted"));
        std::fs::create_dir(root.join("pg_tblspc/16384")).expect("a tablespace");
        assert!(!few_relations(root).expect("counted"));
        std::fs::remove_dir(root.join("pg_tblspc/16384")).expect("gone");
        fill("1", 301);
        assert!(!few_relations(root).expect("counted"));
        assert!(few_relations(&root.join("missing")).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_a_settings_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "untouched").expect("written");
        std::os::unix::fs::symlink(&precious, folder.path().join("pg_hba.conf")).expect("a link");
        std::fs::write(folder.path().join("standby.signal"), "").expect("written");
        replace_settings(folder.path(), "x = 'y'\n", None).expect("replaced");
        assert_eq!(std::fs::read_to_string(&precious).expect("there"), "untouched");
        assert!(!folder.path().join("standby.signal").exists());
    }
}
