//! Copying a data directory that is not ours: only what makes the cluster, never how its server behaves, and as files of
//! the copy's own whatever links lead out of it.

use super::control::ControlFile;
use super::copy::{CopyError, Log, Owner, Plan, unreadable};
use crate::engine::postgres::launch::ServerUser;
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What makes a cluster. Settings, logs, certificates and `tablespace_map`, from which a server makes links out of its
/// directory, are not among it.
const CLUSTER: [&str; 19] = [
    "PG_VERSION",
    "backup_label",
    "base",
    "global",
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_logical",
    "pg_multixact",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_tblspc",
    "pg_twophase",
    "pg_wal",
    "pg_xact",
];
/// Where tablespaces are, by OID.
const TABLESPACES: &str = "pg_tblspc";
/// What logical decoding keeps for slots and origins, none of which a copy has. A server makes the folders anew.
const DECODING: &str = "pg_logical";
/// Notes to the archiver and for incremental backups, which a copy has no use for.
const LEFT_EMPTY: [&str; 2] = ["pg_wal/archive_status", "pg_wal/summaries"];
/// Settings decide about plans, so they are part of what a copy is made of.
const SETTINGS: [&str; 2] = ["postgresql.conf", "postgresql.auto.conf"];

/// Copies a data directory on which no server runs to `to`, which must not exist, as files of `user` or the caller. A
/// tablespace becomes a folder in the copy. `first` names the first file of the write-ahead log that recovery reads; without
/// `recovers`, the log ends at the last checkpoint. Blocks; nothing is synced. On file systems that can, the copy shares the
/// original's blocks. What cannot be finished is removed.
///
/// # Errors
/// Something cannot be read, does not belong in a data directory, or changes meanwhile; the disk is full.
pub fn import_data_dir(
    stop: &AtomicBool,
    copied: &(dyn Fn(u64) + Sync),
    from: &Path,
    to: &Path,
    (first, recovers): (&str, bool),
    user: Option<&ServerUser>,
) -> Result<(), CopyError> {
    plan(from, to, first, recovers)?.carry_out(stop, copied, Owner::Server(user))
}

/// Bytes such a copy takes where no blocks are shared.
///
/// # Errors
/// As for [`import_data_dir`].
pub fn imported_bytes(from: &Path, (first, recovers): (&str, bool)) -> Result<u64, CopyError> {
    Ok(plan(from, from, first, recovers)?.bytes())
}

/// A digest of what would be copied, by names, sizes and times of the files and by the content of the control file: a server
/// that runs on the directory, or ran in between, changes it. Reading all the data would take as long as copying it.
///
/// # Errors
/// As for [`import_data_dir`].
pub fn state_of(data_dir: &Path, (first, recovers): (&str, bool)) -> Result<String, CopyError> {
    let mut files = plan(data_dir, data_dir, first, recovers)?.files;
    files.sort_by(|one, other| one.1.cmp(&other.1));
    let mut hash = Sha256::new();
    for (_, path, _) in files {
        let metadata = path.symlink_metadata().map_err(unreadable(&path))?;
        hash.update(path.strip_prefix(data_dir).unwrap_or(&path).as_os_str().as_encoded_bytes());
        hash.update(format!("\0{} {} {}\0", metadata.len(), metadata.mtime(), metadata.mtime_nsec()));
    }
    let small = ["global/pg_control", "PG_VERSION", "backup_label"];
    for name in small.iter().chain(&SETTINGS) {
        let path = data_dir.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => hash.update(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path)(error)),
        }
        hash.update([0]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn plan(from: &Path, to: &Path, first: &str, recovers: bool) -> Result<Plan, CopyError> {
    let control = ControlFile::read(from)?;
    let end = (!recovers).then(|| control.log_end());
    let mut plan = Plan::new(Log { end, first: Some(first.to_owned()) });
    plan.left_empty = &LEFT_EMPTY;
    plan.add_empty(from, to);
    for name in CLUSTER {
        let (source, target) = (from.join(name), to.join(name));
        // Followed: the log and other folders are often links to other disks.
        let metadata = match source.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound && source.symlink_metadata().is_err() => continue,
            metadata => metadata.map_err(unreadable(&source))?,
        };
        if name == TABLESPACES {
            plan.add_empty(&source, &target);
            add_tablespaces(&mut plan, &source, &target, from, control.catalog_version)?;
        } else if name == DECODING {
            plan.add_empty(&source, &target);
            for empty in ["mappings", "snapshots"] {
                plan.add_empty(&source, &target.join(empty));
            }
        } else if metadata.is_dir() {
            plan.add_folder(&source, &target)?;
        } else if source.symlink_metadata().map_err(unreadable(&source))?.is_file() {
            plan.add_file(metadata.len(), source, target);
        } else {
            return Err(CopyError::Irregular { path: source });
        }
    }
    Ok(plan)
}

/// Each tablespace as a folder where the link to it would be, which a server takes as well; of its content what belongs to
/// this version, since several may share one.
fn add_tablespaces(plan: &mut Plan, from: &Path, to: &Path, data_dir: &Path, catalog: u32) -> Result<(), CopyError> {
    let version_path = data_dir.join("PG_VERSION");
    let version = std::fs::read_to_string(&version_path).map_err(unreadable(&version_path))?;
    let content = format!("PG_{}_{catalog}", version.trim());
    for entry in std::fs::read_dir(from).map_err(unreadable(from))? {
        let entry = entry.map_err(unreadable(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CopyError::Irregular { path: source });
        }
        if let Err(error) = std::fs::read_dir(source.join(&content)) {
            let target = std::fs::read_link(&source).unwrap_or_else(|_| source.clone());
            return Err(CopyError::Tablespace { path: source, target, error });
        }
        plan.add_empty(&source, &target);
        plan.add_folder(&source.join(&content), &target.join(&content))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::control::made_up;
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    const NEEDED: &str = "000000010000000500000012";

    /// A cluster that was shut down, with its log and a tablespace elsewhere.
    fn cluster() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let from = folder.path().join("from");
        for file in [
            "from/base/5/112",
            "from/global/1262",
            "from/pg_logical/replorigin_checkpoint",
            "from/pg_replslot/slot/state",
            "from/pg_twophase/00000300",
            "from/postgresql.conf",
            "from/server.key",
            "from/log/today",
            "wal/archive_status/000000010000000500000012.ready",
            "from/tablespace_map",
            "wal/000000010000000500000011",
            "wal/000000010000000500000012",
            "wal/000000010000000500000013",
            "wal/00000002.history",
            "fast/PG_15_202209061/5/200",
            "fast/PG_14_202107181/5/100",
        ] {
            let path = folder.path().join(file);
            create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write(path, file).expect("written");
        }
        create_dir_all(from.join("pg_tblspc")).expect("a folder");
        symlink(folder.path().join("wal"), from.join("pg_wal")).expect("a link");
        symlink(folder.path().join("fast"), from.join("pg_tblspc/16400")).expect("a link");
        write(from.join("global/pg_control"), made_up(1, 0x0000_0005_1200_0028, 16 << 20)).expect("written");
        write(from.join("PG_VERSION"), "15\n").expect("written");
        folder
    }

    fn import(folder: &Path, recovers: bool) -> Result<(), CopyError> {
        let (from, to) = (folder.join("from"), folder.join("to"));
        import_data_dir(&AtomicBool::new(false), &|_| {}, &from, &to, (NEEDED, recovers), None)
    }

    #[test]
    fn the_cluster_is_copied_and_nothing_of_how_its_server_behaves() {
        let folder = cluster();
        import(folder.path(), false).expect("copied");
        let to = folder.path().join("to");
        for there in ["base/5/112", "global/1262", "pg_twophase/00000300", "PG_VERSION", "pg_logical/snapshots"] {
            assert!(to.join(there).exists(), "{there}");
        }
        let absent = ["postgresql.conf", "server.key", "log", "tablespace_map", "pg_replslot/slot"];
        let ready = "pg_wal/archive_status/000000010000000500000012.ready";
        for absent in absent.iter().chain(&["pg_logical/replorigin_checkpoint", ready]) {
            assert!(!to.join(absent).exists(), "{absent}");
        }
    }

    #[test]
    fn links_become_folders_of_the_copy_s_own() {
        let folder = cluster();
        import(folder.path(), false).expect("copied");
        let to = folder.path().join("to");
        for place in ["pg_wal", "pg_tblspc/16400"] {
            assert!(to.join(place).symlink_metadata().expect("there").is_dir(), "{place}");
        }
        assert!(to.join("pg_tblspc/16400/PG_15_202209061/5/200").is_file());
        assert!(!to.join("pg_tblspc/16400/PG_14_202107181").exists(), "another version's");
        std::fs::remove_dir_all(folder.path().join("fast")).expect("removed");
        std::fs::remove_dir_all(&to).expect("removed");
        let refused = import(folder.path(), false).expect_err("no tablespace").to_string();
        assert!(refused.contains("pg_tblspc/16400 leads to ") && refused.contains("--tablespace-mapping"), "{refused}");
    }

    #[test]
    fn the_log_is_copied_from_where_recovery_begins() {
        let folder = cluster();
        import(folder.path(), true).expect("copied");
        let wal = |name: &str| folder.path().join("to/pg_wal").join(name).exists();
        assert!(wal(NEEDED) && wal("000000010000000500000013") && wal("00000002.history"));
        assert!(!wal("000000010000000500000011"));
        std::fs::remove_dir_all(folder.path().join("to")).expect("removed");
        import(folder.path(), false).expect("copied");
        assert!(!wal("000000010000000500000013"), "after a clean shutdown it is an old one under a new name");
    }

    #[test]
    fn a_link_in_the_midst_is_not_followed() {
        let folder = cluster();
        symlink("/etc/passwd", folder.path().join("from/base/5/113")).expect("a link");
        let refused = import(folder.path(), false);
        assert!(matches!(refused, Err(CopyError::Irregular { .. })), "{refused:?}");
        assert!(!folder.path().join("to").exists());
    }

    #[test]
    fn a_file_that_changes_changes_the_digest() {
        let folder = cluster();
        let from = folder.path().join("from");
        let digest = || state_of(&from, (NEEDED, false)).expect("a digest");
        let before = digest();
        assert_eq!(digest(), before);
        write(from.join("base/5/112"), "longer than before").expect("written");
        let after = digest();
        assert_ne!(after, before);
        write(from.join("postgresql.conf"), "work_mem = '1GB'").expect("written");
        assert_ne!(digest(), after);
    }
}
