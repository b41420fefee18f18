//! The disk that copies lie on: how much room there is, and whether copies can share blocks with what they are copied
//! from.

use super::state::StateDir;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// What is known of the file system of the state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Bytes whoever asks may still use.
    pub free: u64,
    /// Bytes there are.
    pub total: u64,
    /// Its kind, where it is a known one.
    pub kind: Option<&'static str>,
    /// Whether a copy can share its original's blocks; `None` where that could not be tried.
    pub shares_blocks: Option<bool>,
}

/// Looks, and tries with one small file.
///
/// # Errors
/// The system does not say how much room there is.
pub fn look(state: &StateDir) -> io::Result<Room> {
    let disk = nix::sys::statvfs::statvfs(state.root())?;
    Ok(Room {
        free: disk.blocks_available() * disk.fragment_size(),
        total: disk.blocks() * disk.fragment_size(),
        kind: kind(state.root()),
        shares_blocks: shares_blocks(&state.runs()),
    })
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> Option<&'static str> {
    use nix::sys::statfs::{
        BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, NFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs,
    };
    /// As statfs(2) has it; nix knows it with the GNU C library alone.
    const XFS_SUPER_MAGIC: FsType = FsType(0x5846_5342);
    let kind = statfs(path).ok()?.filesystem_type();
    let known = [
        (EXT4_SUPER_MAGIC, "ext4"),
        (XFS_SUPER_MAGIC, "XFS"),
        (BTRFS_SUPER_MAGIC, "btrfs"),
        (TMPFS_MAGIC, "tmpfs"),
        (OVERLAYFS_SUPER_MAGIC, "overlay"),
        (NFS_SUPER_MAGIC, "NFS"),
    ];
    known.into_iter().find(|(magic, _)| *magic == kind).map(|(_, name)| name)
}

#[cfg(not(target_os = "linux"))]
fn kind(_path: &Path) -> Option<&'static str> {
    None
}

/// Clones one block's worth of bytes. Both files have no name, or lose it at once.
#[cfg(target_os = "linux")]
fn shares_blocks(folder: &Path) -> Option<bool> {
    let mut original = nameless(folder, "original").ok()?;
    let copy = nameless(folder, "copy").ok()?;
    original.write_all(&[1; 4096]).ok()?;
    original.sync_all().ok()?;
    Some(rustix::fs::ioctl_ficlone(&copy, &original).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn shares_blocks(_folder: &Path) -> Option<bool> {
    None
}

fn nameless(folder: &Path, name: &str) -> io::Result<File> {
    // Runs are folders: a file here, should it stay, is nobody's, and the next look takes it away.
    let path = folder.join(format!(".{name}-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_leaves_nothing_and_knows_the_room() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).expect("mine");
        let state = StateDir::open(Some(&folder.path().join("state"))).expect("a state folder");
        let room = look(&state).expect("room");
        assert!(room.free > 0 && room.total >= room.free, "{room:?}");
        if cfg!(target_os = "linux") {
            assert!(room.shares_blocks.is_some(), "{room:?}");
        }
        assert_eq!(std::fs::read_dir(state.runs()).expect("runs").count(), 0);
    }
}
