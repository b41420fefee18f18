//! What was read from a copy of a base before anything was done to it, kept beside the base: the next copy made the same way
//! would answer the same.
//!
//! An answer is found again only under everything it depends on: the base (its folder), this very program, the server and
//! its `pg_dump`, whom the copy was made ready for with which of production's settings, and the question itself. It goes
//! with the base.

use super::scratch::Roles;
use super::state::ReadyBase;
use crate::copy::fingerprint::hexadecimal;
use crate::engine::postgres::binaries::Binaries;
use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Folder of the answers, within the base's.
const FOLDER: &str = "kept";

/// Answers of untouched copies.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    place: Option<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    folder: PathBuf,
    /// Digest of what every answer depends on besides its question.
    under: String,
    /// The first transaction of every copy, as `xmin` has it.
    first_transaction: Option<String>,
    /// Keeps the base from being cleared away.
    _base: Arc<ReadyBase>,
}

impl Kept {
    /// Where nothing is kept: copies that are not all alike, or not known to be.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Answers of copies of this base that were made ready for these roles, with nothing else done to them.
    pub(super) fn of(
        base: &Arc<ReadyBase>,
        binaries: &Binaries,
        first_transaction: Option<&str>,
        roles: &Roles,
    ) -> Self {
        let own = std::env::current_exe().ok().and_then(|path| identity(&path));
        let pg_dump = binaries.pg_dump.as_ref().map(|tool| identity(&tool.path));
        // What cannot be told from its successor is not relied on.
        let (Some(own), None | Some(Some(_))) = (own, pg_dump) else { return Self::nothing() };
        let server = identity(&binaries.postgres());
        let under = format!("{own:?}\n{server:?}\n{pg_dump:?}\n{binaries:?}\n{roles:?}");
        Self {
            place: Some(Place {
                folder: base.folder().join(FOLDER),
                under: hexadecimal(&Sha256::digest(under.as_bytes())),
                first_transaction: first_transaction.map(str::to_owned),
                _base: Arc::clone(base),
            }),
        }
    }

    /// The first transaction of every such copy, as `xmin` has it: what a lower one wrote stood in the base.
    pub fn first_transaction(&self) -> Option<&str> {
        self.place.as_ref()?.first_transaction.as_deref()
    }

    /// The answer to a question, if it was asked before. A file that is damaged is no answer.
    pub fn get(&self, question: &str) -> Option<String> {
        let place = self.place.as_ref()?;
        let mut text = std::fs::read_to_string(place.file(question)).ok()?;
        let (digest, answer) = text.split_at_checked(DIGEST)?;
        let is_whole = digest == digest_of(answer.as_bytes());
        is_whole.then(|| text.split_off(DIGEST))
    }

    /// The rows that answer a question, if it was asked before.
    pub fn rows(&self, question: &str) -> Option<Vec<Vec<Option<String>>>> {
        serde_json::from_str(&self.get(question)?).ok()
    }

    /// Keeps rows.
    pub fn keep_rows(&self, question: &str, rows: &[Vec<Option<String>>]) {
        if self.place.is_some()
            && let Ok(text) = serde_json::to_string(rows)
        {
            self.keep(question, &text);
        }
    }

    /// Keeps an answer.
    pub fn keep(&self, question: &str, answer: &str) {
        let Some(place) = &self.place else { return };
        // Without it the next run asks once more: a full disk, or a cache that cannot be written, is told by what needs it.
        let _ = place.write(&place.file(question), answer);
    }
}

/// Length of a digest in hexadecimal.
const DIGEST: usize = 64;

fn digest_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

impl Place {
    fn file(&self, question: &str) -> PathBuf {
        self.folder.join(digest_of(format!("{}\n{question}", self.under).as_bytes()))
    }

    /// Whole or not at all: others may read meanwhile.
    fn write(&self, path: &Path, answer: &str) -> io::Result<()> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        match std::fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let fresh = path.with_extension(format!("{}-{number}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        let digest = digest_of(answer.as_bytes());
        let written = file.write_all(digest.as_bytes()).and_then(|()| file.write_all(answer.as_bytes()));
        let done = written.and_then(|()| std::fs::rename(&fresh, path));
        if done.is_err() {
            // The error that is returned matters more; what is left is a file nobody reads.
            let _ = std::fs::remove_file(&fresh);
        }
        done
    }
}

/// This very file: a later build may ask the same and understand the answer differently.
fn identity(program: &Path) -> Option<[i64; 7]> {
    let file = program.metadata().ok()?;
    let (device, inode, length) = (file.dev().cast_signed(), file.ino().cast_signed(), file.len().cast_signed());
    Some([device, inode, length, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()])
}

#[cfg(test)]
mod tests {
    use super::super::state::{BaseSlot, StateDir};
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    async fn base() -> (tempfile::TempDir, Arc<ReadyBase>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
        let state = StateDir::open(Some(&folder.path().join("cache"))).expect("a state folder");
        let slot = state.base("shop", |_| Some(())).await.expect("a place");
        let BaseSlot::Missing(partial) = slot else { panic!("nobody made it") };
        (folder, Arc::new(partial.publish().expect("published")))
    }

    fn binaries(version: &str) -> Binaries {
        Binaries { dir: "/nowhere".into(), version: version.into(), major: 15, pg_dump: None, pg_restore: None }
    }

    /// Answers of a base under other circumstances: the server's version, and a setting of production.
    fn kept(base: &Arc<ReadyBase>, version: &str, date_style: &str) -> Kept {
        let settings = [("datestyle".to_owned(), date_style.to_owned())].into();
        Kept::of(base, &binaries(version), Some("731"), &Roles { settings, ..Roles::default() })
    }

    #[tokio::test]
    async fn an_answer_is_found_again_under_all_it_depends_on_and_under_nothing_else() {
        let (_folder, base) = base().await;
        kept(&base, "15.1", "ISO").keep("rows", "3");
        let found = |kept: Kept, question: &str| kept.get(question);
        assert_eq!(found(kept(&base, "15.1", "ISO"), "rows").as_deref(), Some("3"));
        assert_eq!(found(kept(&base, "15.1", "ISO"), "other rows"), None);
        assert_eq!(found(kept(&base, "15.2", "ISO"), "rows"), None);
        assert_eq!(found(kept(&base, "15.1", "German"), "rows"), None);
        assert_eq!(found(Kept::nothing(), "rows"), None);
    }

    #[tokio::test]
    async fn a_damaged_answer_is_none() {
        let (_folder, base) = base().await;
        let kept = kept(&base, "15.1", "ISO");
        kept.keep("schema", "CREATE TABLE t ();");
        let file = std::fs::read_dir(base.folder().join(FOLDER)).expect("a folder").next().expect("a file");
        let file = file.expect("an entry").path();
        let whole = std::fs::read_to_string(&file).expect("its text");
        for damaged in [&whole[..whole.len() - 1], &whole[..DIGEST - 1], &whole.replace("TABLE", "VIEWS")] {
            std::fs::write(&file, damaged).expect("damaged");
            assert_eq!(kept.get("schema"), None, "{damaged}");
        }
        std::fs::write(&file, &whole).expect("mended");
        assert_eq!(kept.get("schema").as_deref(), Some("CREATE TABLE t ();"));
    }

    #[test]
    fn another_build_of_a_program_is_another_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("program");
        std::fs::write(&program, "one").expect("written");
        let one = identity(&program);
        assert!(one.is_some() && one == identity(&program));
        std::fs::write(folder.path().join("new"), "two").expect("written");
        std::fs::rename(folder.path().join("new"), &program).expect("replaced");
        assert_ne!(one, identity(&program));
        assert_eq!(identity(&folder.path().join("missing")), None);
    }
}
