//! What tells one source's content from another's, remembered so that a big dump is read once.

use crate::copy::data_directory::DataDirectory;
use crate::copy::source::{Source, SourceError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file changed within this time of being read may change again without a new time stamp: it is not remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// The hashes already computed, kept in one small file. Losing it costs time only.
#[derive(Debug)]
pub struct FingerprintMemory {
    path: PathBuf,
    known: BTreeMap<PathBuf, Known>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    size: u64,
    modified_ns: i128,
    inode: u64,
    device: u64,
    sha256: String,
}

impl FingerprintMemory {
    /// Opens the memory kept in `path`; a missing or damaged one is empty.
    pub fn open(path: PathBuf) -> Self {
        let known = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, known }
    }

    /// SHA-256 of the source's content, in hexadecimal; for a URL of its place, for `empty` a constant.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn fingerprint(&mut self, source: &Source) -> Result<String, SourceError> {
        match source {
            Source::Empty => Ok("empty".into()),
            // Counted where it is received.
            Source::Stdin => Ok("standard input".into()),
            Source::Url(url) => Ok(hexadecimal(Sha256::digest(url.identity()).as_slice())),
            // Files and their times, never their content: see `DataDirectory::fingerprint`.
            Source::DataDirectory { path } => Ok(DataDirectory::look(path)?.fingerprint()?),
            Source::Plain { path, .. } | Source::Archive { path, .. } => {
                let fingerprint = if path.is_dir() { self.directory(path)? } else { self.file(path)? };
                self.save();
                Ok(fingerprint)
            }
        }
    }

    fn directory(&mut self, path: &Path) -> Result<String, SourceError> {
        let unreadable = |error| SourceError::Unreadable { path: path.into(), error };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.path().is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        let mut hash = Sha256::new();
        for file in files {
            hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
            hash.update([0]);
            hash.update(self.file(&file)?);
        }
        Ok(hexadecimal(hash.finalize().as_slice()))
    }

    fn file(&mut self, path: &Path) -> Result<String, SourceError> {
        let unreadable = |error| SourceError::Unreadable { path: path.into(), error };
        let absolute = path.canonicalize().map_err(unreadable)?;
        let before = absolute.metadata().map_err(unreadable)?;
        if let Some(known) = self.known.get(&absolute)
            && *known == Known::new(&before, known.sha256.clone())
        {
            return Ok(known.sha256.clone());
        }
        let mut file = File::open(&absolute).map_err(unreadable)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = file.read(&mut buffer).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
        }
        let sha256 = hexadecimal(hash.finalize().as_slice());
        let settled = before.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if settled.is_some_and(|age| age > SETTLED) {
            self.known.insert(absolute, Known::new(&before, sha256.clone()));
        }
        Ok(sha256)
    }

    fn save(&self) {
        let temporary = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let written = serde_json::to_vec(&self.known).map_err(std::io::Error::other).and_then(|text| {
            write_private(&temporary, &text)?;
            std::fs::rename(&temporary, &self.path)
        });
        if written.is_err() {
            // Only time is lost; a full disk or a read-only folder is reported by whoever needs the space.
            let _ = std::fs::remove_file(&temporary);
        }
    }
}

/// Writes a new file that nobody else may read: names and sizes of dumps are nobody else's business.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

impl Known {
    fn new(metadata: &Metadata, sha256: String) -> Self {
        Self {
            size: metadata.size(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
            sha256,
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &Path) -> Source {
        Source::Plain { path: path.into(), packing: None }
    }

    fn age(path: &Path, seconds: u64) {
        let file = File::options().write(true).open(path).expect("open");
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).expect("set time");
    }

    #[test]
    fn a_known_file_is_not_read_again_and_a_changed_one_is() {
        let folder = tempfile::tempdir().expect("folder");
        let (dump, memory) = (folder.path().join("a.sql"), folder.path().join("memory.json"));
        std::fs::write(&dump, "SELECT 1;").expect("write");
        age(&dump, 100);
        let first = FingerprintMemory::open(memory.clone()).fingerprint(&plain(&dump)).expect("hash");
        let text = std::fs::read_to_string(&memory).expect("memory").replace(&first, "remembered");
        std::fs::write(&memory, text).expect("write");
        assert_eq!(FingerprintMemory::open(memory.clone()).fingerprint(&plain(&dump)).expect("hash"), "remembered");
        std::fs::write(&dump, "SELECT 2;").expect("write");
        age(&dump, 50);
        let second = FingerprintMemory::open(memory.clone()).fingerprint(&plain(&dump)).expect("hash");
        assert_ne!(second, "remembered");
        assert_ne!(second, first);
    }

    #[test]
    fn a_file_written_just_now_is_not_remembered() {
        let folder = tempfile::tempdir().expect("folder");
        let (dump, memory) = (folder.path().join("a.sql"), folder.path().join("memory.json"));
        std::fs::write(&dump, "SELECT 1;").expect("write");
        FingerprintMemory::open(memory.clone()).fingerprint(&plain(&dump)).expect("hash");
        assert_eq!(std::fs::read_to_string(&memory).expect("memory"), "{}");
    }

    #[test]
    fn a_folders_fingerprint_is_that_of_names_and_contents() {
        let folder = tempfile::tempdir().expect("folder");
        let dump = folder.path().join("dump");
        std::fs::create_dir(&dump).expect("folder");
        std::fs::write(dump.join("toc.dat"), "1").expect("write");
        let source = Source::Archive { path: dump.clone(), format: crate::copy::source::ArchiveFormat::Directory };
        let mut memory = FingerprintMemory::open(folder.path().join("memory.json"));
        let first = memory.fingerprint(&source).expect("hash");
        std::fs::rename(dump.join("toc.dat"), dump.join("toc.new")).expect("rename");
        assert_ne!(memory.fingerprint(&source).expect("hash"), first);
    }
}
