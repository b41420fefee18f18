//! A dump from standard input. It is read more than once, so it is stored first: in the run's folder, which goes with the
//! run however that ends.

use crate::copy::fingerprint::hexadecimal;
use crate::copy::source::{STDIN, Source, SourceError, recognise};
use crate::copy::state::{RunDir, StateError};
use crate::copy::text::TextStream;
use crate::progress::{Activity, Unit};
use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use thiserror::Error;

/// A dump that was received. Dropped, the file is removed.
#[derive(Debug)]
pub struct Received {
    /// The file, and what its content is.
    pub source: Source,
    /// SHA-256 of the content.
    pub fingerprint: String,
    _file: Stored,
}

/// Why there is none.
#[derive(Debug, Error)]
pub enum StdinError {
    /// Nothing came.
    #[error("{STDIN} is empty (0 bytes): did the command before it fail? Nothing was read for --source -")]
    Empty,
    /// It cannot be read on.
    #[error("cannot read {STDIN}: {0}")]
    Read(io::Error),
    /// It cannot be stored.
    #[error(transparent)]
    State(#[from] StateError),
    /// It is no dump.
    #[error(transparent)]
    Source(SourceError),
}

/// Stores what comes to its end, and says what it is.
///
/// # Errors
/// Nothing comes, or no dump, or it cannot be stored.
pub async fn receive(
    from: impl Read + Send + 'static,
    run: &RunDir,
    activity: &Activity,
) -> Result<Received, StdinError> {
    let stored = Stored(run.fresh_path("stdin"));
    let path = &stored.0;
    let counter = activity.count("received", Unit::Bytes, None);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| StateError::Io { action: "create", path: path.clone(), error })?;
    let mut hash = Sha256::new();
    let mut empty = true;
    // In a thread of its own, which nobody has to wait for: whoever sends may never stop.
    let mut stream = TextStream::from_reader(from, STDIN.to_owned());
    while let Some(chunk) = stream.chunk().await.map_err(StdinError::Read)? {
        hash.update(&chunk);
        file.write_all(&chunk).map_err(|error| StateError::Io { action: "write", path: path.clone(), error })?;
        counter.add(chunk.len() as u64);
        empty = false;
    }
    if empty {
        return Err(StdinError::Empty);
    }
    let source = recognise(path).map_err(|error| StdinError::Source(of_stdin(error)))?;
    Ok(Received { source, fingerprint: hexadecimal(&hash.finalize()), _file: stored })
}

/// Nobody knows the file it is stored in.
fn of_stdin(error: SourceError) -> SourceError {
    match error {
        SourceError::NotADump { problem, .. } => SourceError::NotADump { path: STDIN.into(), problem },
        SourceError::Unsupported { what, instead } => {
            let kind = what.rsplit_once(" (").map_or("", |(_, kind)| kind.trim_end_matches(')'));
            SourceError::Unsupported { what: format!("{STDIN} ({kind})"), instead }
        }
        other => other,
    }
}

/// A file of ours. Dropped, it is removed.
#[derive(Debug)]
struct Stored(PathBuf);

impl Drop for Stored {
    fn drop(&mut self) {
        // What cannot be removed now goes with the run's folder.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::state::StateDir;
    use std::os::unix::fs::PermissionsExt;

    async fn received(content: &'static [u8]) -> (tempfile::TempDir, RunDir, Result<Received, StdinError>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
        let state = StateDir::open(Some(&folder.path().join("cache"))).expect("a state folder");
        let run = RunDir::create(&state).expect("a run");
        let received = receive(content, &run, &Activity::default()).await;
        (folder, run, received)
    }

    #[tokio::test]
    async fn what_is_received_is_closed_to_others_and_goes() {
        let (_folder, run, received) = received(b"SELECT 1;\n").await;
        let received = received.expect("a dump");
        let Source::Plain { path, packing: None } = &received.source else { panic!("{:?}", received.source) };
        assert_eq!(std::fs::metadata(path).expect("stored").permissions().mode() & 0o777, 0o600);
        assert_eq!(received.fingerprint, hexadecimal(&Sha256::digest(b"SELECT 1;\n")));
        let path = path.clone();
        assert!(path.starts_with(run.path()));
        drop(received);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_no_dump_is_refused_by_the_name_people_know() {
        for (content, said) in [
            (&b""[..], "standard input is empty (0 bytes)"),
            (b"\x7fELF\0\0", "source standard input is neither SQL text nor a dump"),
            (b"BZh91AY", "source standard input (bzip2) is not supported yet: unpack it with `bunzip2`"),
        ] {
            let (_folder, run, received) = received(content).await;
            let error = received.expect_err("refused").to_string();
            assert!(error.starts_with(said), "{error}");
            assert!(!error.contains(&*run.path().to_string_lossy()), "{error}");
        }
    }
}
