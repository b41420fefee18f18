//! What git says is new: the files that a branch adds or changes since it left another one.

use super::{MigrationError, SourceFile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files of the working tree that are not as at the merge base, by canonical path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Not there at the merge base; untracked files are.
    added: BTreeSet<PathBuf>,
    /// There, with another text.
    modified: BTreeSet<PathBuf>,
}

impl Changed {
    /// Asks git what differs between the working tree below `directory` and the merge base of `HEAD` and `revision`.
    ///
    /// # Errors
    /// No git, no repository, an unknown revision, a clone too shallow to hold the merge base.
    pub fn since(revision: &str, directory: &Path) -> Result<Self, MigrationError> {
        let git = Git { revision, directory };
        let top = PathBuf::from(git.run(&["rev-parse", "--show-toplevel"])?.trim_end_matches('\n'));
        // `--end-of-options`: a revision is never an option.
        let commit = format!("{revision}^{{commit}}");
        if git.try_run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])?.is_none() {
            return Err(git.unknown()?);
        }
        let Some(base) = git.try_run(&["merge-base", "HEAD", revision])? else {
            return Err(git.no_merge_base()?);
        };
        let diff = |filter| git.run(&["diff", "--name-only", "--no-renames", "-z", filter, base.trim_end(), "--"]);
        let untracked = git.run(&["ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/"])?;
        let paths = |listed: String| {
            let listed: Vec<String> = listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
            listed.into_iter().map(|path| canonical(&top.join(path)))
        };
        Ok(Self {
            added: paths(diff("--diff-filter=A")?).chain(paths(untracked)).collect(),
            modified: paths(diff("--diff-filter=MT")?).collect(),
        })
    }

    /// What a test says of canonical paths.
    #[cfg(test)]
    pub(crate) fn of(added: &[PathBuf], modified: &[PathBuf]) -> Self {
        let set = |paths: &[PathBuf]| paths.iter().map(|path| canonical(path)).collect();
        Self { added: set(added), modified: set(modified) }
    }

    /// Whether a file was not there at the merge base.
    pub fn added(&self, file: &SourceFile) -> bool {
        self.added.contains(&canonical(&file.path))
    }

    /// Whether a file is new or has another text.
    pub fn touched(&self, file: &SourceFile) -> bool {
        self.added(file) || self.modified.contains(&canonical(&file.path))
    }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

struct Git<'a> {
    revision: &'a str,
    directory: &'a Path,
}

impl Git<'_> {
    fn error(&self, reason: impl Into<String>) -> MigrationError {
        MigrationError::Git { revision: self.revision.to_owned(), reason: reason.into() }
    }

    /// What git prints; `None` when it says no.
    fn try_run(&self, arguments: &[&str]) -> Result<Option<String>, MigrationError> {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.directory)
            .args(arguments)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.error(format!("cannot run git ({error}): install it, or name the new files")))?;
        if output.status.success() {
            let text = String::from_utf8(output.stdout);
            return text
                .map(Some)
                .map_err(|_| self.error("git answers with a path that is not UTF-8: rename that file"));
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        if complaint.contains("not a git repository") || complaint.contains("dubious ownership") {
            let line = complaint.lines().next().unwrap_or_default();
            return Err(self.error(format!("{}: {line}", self.directory.display())));
        }
        Ok(None)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, MigrationError> {
        let failed = || self.error(format!("git {} failed: is this a repository with commits?", arguments[0]));
        self.try_run(arguments)?.ok_or_else(failed)
    }

    fn is_shallow(&self) -> Result<bool, MigrationError> {
        Ok(self.run(&["rev-parse", "--is-shallow-repository"])?.trim() == "true")
    }

    fn unknown(&self) -> Result<MigrationError, MigrationError> {
        let branch = self.revision.strip_prefix("origin/").unwrap_or(self.revision);
        Ok(if self.is_shallow()? {
            self.error(format!("this shallow clone does not have it: `git fetch --unshallow origin {branch}` (in GitHub Actions: `fetch-depth: 0`)"))
        } else {
            self.error(format!("git knows no such revision: check the spelling, or `git fetch origin {branch}`"))
        })
    }

    fn no_merge_base(&self) -> Result<MigrationError, MigrationError> {
        Ok(if self.is_shallow()? {
            self.error("this clone is too shallow to hold the commit where the branches part: `git fetch --unshallow` (in GitHub Actions: `fetch-depth: 0`)")
        } else {
            self.error("it and HEAD have no commit in common")
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .output()
            .expect("git is there");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `main` with 1 and 2; a branch that adds 3, edits 2 and has an untracked 4; `main` has gone on with 9.
    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        git(folder.path(), &["init", "-q"]);
        write("1_a.sql", "SELECT 1");
        write("2_b ü.sql", "SELECT 2");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "-qm", "first"]);
        git(folder.path(), &["checkout", "-qb", "work"]);
        write("3_c.sql", "SELECT 3");
        write("2_b ü.sql", "SELECT 22");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "-qm", "second"]);
        git(folder.path(), &["checkout", "-q", "main"]);
        write("9_z.sql", "SELECT 9");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "-qm", "third"]);
        git(folder.path(), &["checkout", "-q", "work"]);
        write("4_d.sql", "SELECT 4");
        folder
    }

    #[test]
    fn a_branch_has_added_and_touched_files() {
        let folder = repository();
        let changed = Changed::since("main", folder.path()).unwrap();
        let is = |name: &str| {
            let file = SourceFile::read(&folder.path().join(name), folder.path()).unwrap();
            (changed.added(&file), changed.touched(&file))
        };
        assert_eq!(is("1_a.sql"), (false, false));
        assert_eq!(is("2_b ü.sql"), (false, true));
        assert_eq!(is("3_c.sql"), (true, true));
        assert_eq!(is("4_d.sql"), (true, true));
    }

    #[test]
    fn what_git_cannot_tell_says_how_to_mend_it() {
        let folder = repository();
        let message = |revision: &str, folder: &Path| Changed::since(revision, folder).unwrap_err().to_string();
        assert!(message("nowhere", folder.path()).contains("no such revision"));
        assert!(message("--help", folder.path()).starts_with("--base --help: "));
        let bare = tempfile::tempdir().unwrap();
        assert!(message("main", bare.path()).contains("not a git repository"));

        let shallow = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        git(shallow.path(), &["clone", "-q", "--depth", "1", "--no-single-branch", &url, "clone"]);
        let clone = shallow.path().join("clone");
        assert!(message("origin/main", &clone).contains("git fetch --unshallow"));
        assert!(message("HEAD~1", &clone).contains("shallow clone"));
    }
}
