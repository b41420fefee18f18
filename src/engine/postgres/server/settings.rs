//! The settings a server of ours is started with: all of them, so that nothing a copied directory brought applies.

use super::{ServerMode, ServerOptions};
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
const ALWAYS: [(&str, &str); 33] = [
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
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

/// The text of `postgresql.conf`.
pub(super) fn postgresql_conf(major: u32, socket_dir: &Path, options: &ServerOptions) -> String {
    let mode = match options.mode {
        ServerMode::Loading => LOADING.as_slice(),
        ServerMode::Measuring => MEASURING.as_slice(),
    };
    let socket_dir = socket_dir.to_string_lossy();
    let mut lines = Vec::new();
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

/// Replaces every file of a data directory that says how a server behaves.
pub(super) fn replace_settings(data_dir: &Path, conf: &str, user: Option<&ServerUser>) -> io::Result<()> {
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
