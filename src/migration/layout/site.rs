//! The place where migrations lie, as detection looks at it: names, contents, and the project around them.

use super::super::source_file::git_root;
use super::{MigrationError, files_in};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How strongly something speaks for a layout, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Nothing speaks against it.
    Fallback,
    /// Every name has the tool's shape.
    Names,
    /// Lines only this tool writes.
    Contents,
    /// The project depends on the tool.
    Dependency,
    /// A file only this tool has.
    Marker,
}

/// What speaks for a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// How strongly.
    pub strength: Strength,
    /// For people: `sqlx.toml names it`.
    pub why: String,
}

impl Evidence {
    /// Every name has the tool's shape.
    pub fn names(why: impl Into<String>) -> Self {
        Self { strength: Strength::Names, why: why.into() }
    }

    /// Lines only this tool writes.
    pub fn contents(why: impl Into<String>) -> Self {
        Self { strength: Strength::Contents, why: why.into() }
    }

    /// The project depends on the tool.
    pub fn dependency(why: impl Into<String>) -> Self {
        Self { strength: Strength::Dependency, why: why.into() }
    }

    /// A file only this tool has.
    pub fn marker(why: impl Into<String>) -> Self {
        Self { strength: Strength::Marker, why: why.into() }
    }
}

/// Files in which projects name what they depend on.
const MANIFESTS: [&str; 16] = [
    "Cargo.toml",
    "go.mod",
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "build.sbt",
    "Gemfile",
    "composer.json",
    "mix.exs",
    "Makefile",
    "docker-compose.yml",
    "compose.yml",
    "docker-compose.yaml",
];

/// Lines that only one tool writes: how they begin, in lower case and without whitespace around, and whose they are.
const LINES: [(&str, &str); 16] = [
    ("-- +goose ", "goose"),
    ("--+goose ", "goose"),
    ("-- +migrate ", "sql-migrate"),
    ("-- migrate:up", "dbmate"),
    ("-- migrate:down", "dbmate"),
    ("--migrate:up", "dbmate"),
    ("--migrate:down", "dbmate"),
    ("--liquibase formatted sql", "liquibase"),
    ("-- liquibase formatted sql", "liquibase"),
    ("---- create above / drop below ----", "tern"),
    ("---- tern: disable-tx ----", "tern"),
    ("--> statement-breakpoint", "drizzle"),
    ("-- up migration", "node_pg_migrate"),
    ("-- down migration", "node_pg_migrate"),
    ("--! previous: ", "graphile_migrate"),
    ("-- atlas:", "atlas"),
];

/// Scripts whose contents detection reads, spread over all there are: a directory of thousands is not read twice.
const SAMPLE: usize = 48;

/// A directory of migrations, looked at once.
#[derive(Debug)]
pub struct Site {
    /// The directory.
    pub directory: PathBuf,
    /// Regular files with their paths, sorted by name.
    pub files: Vec<(String, PathBuf)>,
    /// Names of the folders in it, sorted.
    pub folders: Vec<String>,
    /// This directory and those above it up to the repository's root, nearest first.
    above: Vec<PathBuf>,
    manifests: OnceCell<Vec<(String, String)>>,
    tool_by_contents: OnceCell<Option<(&'static str, String)>>,
}

impl Site {
    /// Looks at a directory, or at the files named one by one, which are all that counts of their directory then.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn new(paths: &[PathBuf]) -> Result<Self, MigrationError> {
        let first = paths.first().ok_or(MigrationError::NothingGiven)?;
        let directory = if first.is_dir() { first.clone() } else { parent(first) };
        let (files, folders) = if first.is_dir() {
            (files_in(&directory)?, folders_in(&directory)?)
        } else {
            let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (paths.iter().map(|path| (name(path), path.clone())).collect(), Vec::new())
        };
        let canonical = directory.canonicalize().unwrap_or_else(|_| directory.clone());
        // Without a repository nothing says where the project begins: a few folders up is as far as tools look.
        let root = git_root(&canonical);
        let above = canonical
            .ancestors()
            .take_while(|folder| root.as_ref().is_none_or(|root| folder.starts_with(root)))
            .take(if root.is_some() { usize::MAX } else { 3 })
            .map(Path::to_owned)
            .collect();
        Ok(Self { directory, files, folders, above, manifests: OnceCell::new(), tool_by_contents: OnceCell::new() })
    }

    /// Files that end in `.sql`.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str()).filter(|name| name.ends_with(".sql"))
    }

    /// Whether there are scripts and each one's name is as `is_mine` wants it.
    pub fn every_script(&self, is_mine: impl Fn(&str) -> bool) -> bool {
        let mut scripts = self.scripts().peekable();
        scripts.peek().is_some() && scripts.all(is_mine)
    }

    /// Whether this is there, relative to the directory.
    pub fn has(&self, relative: &str) -> bool {
        self.directory.join(relative).exists()
    }

    /// The nearest file of this name, relative to the directory or one above it.
    pub fn nearest(&self, relative: &str) -> Option<PathBuf> {
        self.all_above(relative).next()
    }

    /// Every file of this name, relative to the directory or one above it, nearest first.
    pub fn all_above(&self, relative: &str) -> impl Iterator<Item = PathBuf> {
        self.above.iter().map(move |folder| folder.join(relative)).filter(|path| path.is_file())
    }

    /// The last folders of the path, joined with `/`, when it ends in them: `prisma/migrations`.
    pub fn ends_with(&self, folders: &str) -> bool {
        self.above.first().is_some_and(|directory| directory.ends_with(folders))
    }

    /// Whether a folder is the directory, however it is spelled.
    pub fn is_here(&self, folder: &Path) -> bool {
        let here = self.above.first();
        here.is_some_and(|here| folder.canonicalize().is_ok_and(|folder| folder == *here))
    }

    /// The value a project gives to a variable of its migration tool in the nearest `.env`.
    pub fn dotenv(&self, variable: &str) -> Option<String> {
        // Whatever else is wrong with the file is not ours to say.
        let text = self.all_above(".env").find_map(|path| std::fs::read_to_string(path).ok())?;
        let value = text.lines().find_map(|line| {
            let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
            let (name, value) = line.split_once('=')?;
            (name.trim() == variable).then(|| value.trim().trim_matches(['"', '\'']).to_owned())
        });
        value.filter(|value| !value.is_empty())
    }

    /// Which of the project's own dependency files names one of these, and which one: words are compared whole.
    pub fn depends_on(&self, names: &[&str]) -> Option<String> {
        self.named_in(|_| true, names)
    }

    /// The same of files called `manifest`, whatever else lies nearer.
    pub fn depends_on_in(&self, manifest: &str, names: &[&str]) -> Option<String> {
        self.named_in(|file| file == manifest, names)
    }

    fn named_in(&self, counts: impl Fn(&str) -> bool, names: &[&str]) -> Option<String> {
        let manifests = self.manifests.get_or_init(|| {
            let read = |folder: &PathBuf| {
                let text = |name: &&str| Some(((*name).to_owned(), std::fs::read_to_string(folder.join(name)).ok()?));
                MANIFESTS.iter().filter_map(text).collect::<Vec<_>>()
            };
            self.above.iter().flat_map(read).collect()
        });
        manifests.iter().filter(|(file, _)| counts(file)).find_map(|(file, text)| {
            let name = names.iter().find(|name| has_word(text, name))?;
            Some(format!("{file} names {name}"))
        })
    }

    /// The tool that alone writes lines found in the scripts, and where.
    pub fn tool_by_contents(&self) -> Option<(&'static str, &str)> {
        let found = self.tool_by_contents.get_or_init(|| {
            let scripts: Vec<_> = self.files.iter().filter(|(name, _)| name.ends_with(".sql")).collect();
            let step = scripts.len().div_ceil(SAMPLE).max(1);
            scripts.iter().step_by(step).find_map(|(name, path)| {
                // A file that is no text is reported when the layout reads it.
                let text = std::fs::read_to_string(path).ok()?;
                let (line, tool) = tool_of(&text)?;
                Some((tool, format!("`{}` in {name}", line.trim())))
            })
        });
        found.as_ref().map(|(tool, why)| (*tool, why.as_str()))
    }

    /// Whether the scripts hold lines of another tool than this.
    pub fn speaks_of_another(&self, layout: &str) -> bool {
        self.tool_by_contents().is_some_and(|(tool, _)| tool != layout)
    }
}

/// The tool whose line is the first in `text` that only one tool writes.
fn tool_of(text: &str) -> Option<(&str, &'static str)> {
    text.trim_start_matches('\u{feff}').lines().find_map(|line| {
        let trimmed = line.trim();
        let is = |start: &str| trimmed.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
        LINES
            .iter()
            .find(|(start, _)| is(start.trim_end()) && (is(start) || trimmed.len() < start.len()))
            .map(|(_, tool)| (line, *tool))
    })
}

/// Names of folders in a directory, sorted.
pub(crate) fn folders_in(directory: &Path) -> Result<Vec<String>, MigrationError> {
    let unreadable = |source| super::super::source_file::SourceFileError::Read { path: directory.to_owned(), source };
    let mut folders = BTreeSet::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()) {
            folders.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(folders.into_iter().collect())
}

/// The folder a file lies in.
pub(crate) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether `text` holds `word` with no letter, digit, `_` or `-` on either side.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}
