//! Removing a cluster, whose databases may be tens of thousands of files.

use nix::dir::{Dir, Type};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// To give a file's pages back takes longer than to take its name away, and only that is done by one thread at a time.
const THREADS: usize = 2;

/// Where a cluster has a folder for each of its databases.
const DATABASES: &str = "base";

/// A link is not followed: whoever could write to the cluster may have put one there.
const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Removes a data directory and all in it. Blocks.
///
/// # Errors
/// What cannot be removed.
pub fn remove_data_dir(data_dir: &Path) -> io::Result<()> {
    // What stays for whatever reason is met again below, and told there.
    let _ = empty_databases(data_dir);
    std::fs::remove_dir_all(data_dir)
}

fn empty_databases(data_dir: &Path) -> nix::Result<()> {
    let cluster = Dir::open(data_dir, FOLDER, Mode::empty())?;
    let mut databases = Dir::openat(&cluster, DATABASES, FOLDER, Mode::empty())?;
    let names: Vec<CString> = names(&mut databases, |kind| kind == Some(Type::Directory))?;
    for name in names {
        empty(Dir::openat(&databases, name.as_c_str(), FOLDER, Mode::empty())?)?;
    }
    Ok(())
}

/// Removes the files of a folder.
fn empty(mut folder: Dir) -> nix::Result<()> {
    let files = names(&mut folder, |kind| kind != Some(Type::Directory))?;
    let (folder, next) = (folder.as_fd(), AtomicUsize::new(0));
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let _ = unlinkat(folder, file.as_c_str(), UnlinkatFlags::NoRemoveDir);
        }
    };
    std::thread::scope(|scope| {
        (1..THREADS).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    Ok(())
}

/// Names of what is in a folder, of the kinds that are wanted.
fn names(folder: &mut Dir, wanted: impl Fn(Option<Type>) -> bool) -> nix::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in folder.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." && wanted(entry.file_type()) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_cluster_goes_whole_and_nothing_that_a_link_in_it_leads_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
        let precious = elsewhere.join("5/precious");
        let fill = |database: &Path| {
            fs::create_dir_all(database.join("pgsql_tmp/below")).expect("folders");
            (0..300).for_each(|file| fs::write(database.join(file.to_string()), "x").expect("a file"));
        };
        let made = || {
            fill(&data.join("base/5"));
            fs::create_dir_all(data.join("pg_wal")).expect("a folder");
            fs::create_dir_all(elsewhere.join("5")).expect("a folder");
            fs::write(&precious, "x").expect("a file");
        };
        let links: [&dyn Fn(); 4] = [
            &|| {},
            &|| symlink(&precious, data.join("base/5/link")).expect("a link"),
            &|| symlink(elsewhere.join("5"), data.join("base/6")).expect("a link"),
            &|| {
                fs::remove_dir_all(data.join("base")).expect("removed");
                symlink(&elsewhere, data.join("base")).expect("a link");
            },
        ];
        for (number, link) in links.iter().enumerate() {
            made();
            link();
            remove_data_dir(&data).expect("removed");
            assert!(!data.exists() && precious.is_file(), "{number}");
        }
        assert_eq!(remove_data_dir(&data).expect_err("it is gone").kind(), io::ErrorKind::NotFound);
    }
}
