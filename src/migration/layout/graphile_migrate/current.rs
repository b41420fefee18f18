//! The migration that is being written: `current.sql` or `current/`, with the files it includes.

use super::super::{Folder, MigrationFile, MigrationTree, files_in};
use super::{CURRENT, HASH, PREVIOUS, below, hash, header, opts_out, parse_name};
use crate::migration::source_file::read_text;
use crate::migration::{MigrationError, SourceFile, script};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Begins the name of the attribute that holds what an include stands for.
pub(super) const INCLUDE: &str = "include ";

/// Adds what is not committed yet to `tree`, as `commit` would: with the next number, chained to the last.
///
/// # Errors
/// What the tool stops at, and several files in `current/`.
pub(super) fn read(folder: &Path, root: &Path, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    let (file, directory) = (folder.join("current.sql"), folder.join("current"));
    let names = Folder::new(folder, root);
    match (file.is_file(), directory.is_dir()) {
        (true, true) => Err(MigrationError::Refused {
            layout: "graphile_migrate",
            reason: format!("both {} and {} are there: keep one of them", file.display(), directory.display()),
        }),
        (true, false) => {
            let (source, marked) = names.read("current.sql", &file)?;
            add(folder, source, marked, "", tree)
        }
        (false, true) => read_directory(folder, &directory, &names, tree),
        (false, false) => Ok(()),
    }
}

/// The parts of `current/` run as one. Statements of several files in one migration have no place here, so that only
/// one of them may hold any.
fn read_directory(
    folder: &Path,
    directory: &Path,
    names: &Folder,
    tree: &mut MigrationTree,
) -> Result<(), MigrationError> {
    let mut parts = Vec::new();
    for (file_name, path) in files_in(directory)? {
        if file_name.starts_with('.') || !file_name.ends_with(".sql") {
            continue;
        }
        let (source, marked) = names.read(&format!("current/{file_name}"), &path)?;
        let number = parse_name(&file_name).and_then(|(number, _)| number.parse::<u64>().ok()).filter(|id| *id > 0);
        let Some(number) = number else {
            let reason = "graphile-migrate stops at this name: call it <number>-<name>.sql, from 1 on".to_owned();
            return Err(MigrationError::FileName { file: source.name.clone(), reason });
        };
        if opts_out(&source.text[header(&source.text).1..]) {
            let reason = "`--! no-transaction` cannot be used in current/: write current.sql instead".to_owned();
            return Err(MigrationError::Content { file: source.name.clone(), line: 1, reason });
        }
        parts.push((number, file_name, source, marked));
    }
    parts.sort_by_key(|(number, ..)| *number);
    if let Some([(number, _, first, _), (_, _, second, _)]) = parts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (first, second) = (first.name.clone(), second.name.clone());
        return Err(MigrationError::DuplicateVersion { version: number.to_string(), first, second });
    }
    parts.retain(|(_, _, source, _)| !is_blank(&source.text));
    match parts.as_slice() {
        [] => Ok(()),
        [(_, file_name, source, marked)] => {
            add(folder, Arc::clone(source), *marked, &format!("--! split: {file_name}\n"), tree)
        }
        [_, (_, _, second, _), ..] => Err(MigrationError::Content {
            file: second.name.clone(),
            line: 1,
            reason: "several files of current/ run as one migration, which is not rehearsed: `graphile-migrate commit` first, or name committed/ to leave current/ out"
                .to_owned(),
        }),
    }
}

/// Whether there is nothing but comments; what cannot be cut is something.
fn is_blank(text: &str) -> bool {
    !text.lines().any(|line| include(line).is_some())
        && script::split(text).is_ok_and(|statements| statements.is_empty())
}

fn add(
    folder: &Path,
    source: Arc<SourceFile>,
    byte_order_mark: bool,
    split: &str,
    tree: &mut MigrationTree,
) -> Result<(), MigrationError> {
    if is_blank(&source.text) {
        return Ok(());
    }
    let (header, end) = header(&source.text);
    let mut attributes = BTreeMap::from([(CURRENT.to_owned(), String::new())]);
    let fixtures = Fixtures { folder: folder.join("fixtures"), by: &source };
    let compiled = fixtures.compile(&source.text, &mut vec![], &mut attributes)?;
    let last = tree.files.last();
    let previous = last.and_then(|last| last.attribute(HASH)).map(str::to_owned);
    let number = last.and_then(|last| last.version.parse::<u64>().ok()).unwrap_or_default() + 1;
    let body = compiled.get(end..).unwrap_or_default();
    attributes.insert(HASH.to_owned(), hash(previous.as_deref(), &format!("{split}{}", body.trim())));
    attributes.extend(previous.map(|previous| (PREVIOUS.to_owned(), previous)));
    tree.files.push(MigrationFile {
        version: format!("{number:06}"),
        name: header.get("Message").map_or_else(|| "current".to_owned(), |message| (*message).to_owned()),
        up: below(&source, end),
        down: None,
        checksum: None,
        byte_order_mark,
        attributes,
    });
    Ok(())
}

/// The path that a line includes, as written.
pub(super) fn include(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("--!")?.trim_start_matches([' ', '\t']).strip_prefix("include")?;
    let path = rest.trim_matches([' ', '\t', '\r', '\n']);
    (rest.starts_with([' ', '\t']) && path.ends_with(".sql")).then_some(path)
}

/// The lines of `text` that include a file: where each stands, without its line end, and the path as written.
pub(super) fn includes(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(path) = include(line) {
            found.push((at..at + line.trim_end_matches(['\r', '\n']).len(), path));
        }
        at += line.len();
    }
    found
}

struct Fixtures<'a> {
    folder: PathBuf,
    by: &'a SourceFile,
}

impl Fixtures<'_> {
    /// The text with what it includes in place; `trail` is what led here. What the outermost text includes is kept in
    /// `attributes` by the path as written.
    fn compile(
        &self,
        text: &str,
        trail: &mut Vec<PathBuf>,
        attributes: &mut BTreeMap<String, String>,
    ) -> Result<String, MigrationError> {
        let mut out = String::new();
        let mut at = 0;
        for (line, path) in includes(text) {
            let error = |reason: String| MigrationError::Content {
                file: self.by.name.clone(),
                line: if trail.is_empty() { self.by.position(line.start).line } else { 1 },
                reason,
            };
            let missing = |_| error(format!("it includes {path}, which is not in {}", self.folder.display()));
            let full = self.folder.join(path).canonicalize().map_err(missing)?;
            if !self.folder.canonicalize().is_ok_and(|folder| full.starts_with(folder)) {
                return Err(error(format!("it includes {path}, which is not below {}", self.folder.display())));
            }
            if trail.contains(&full) {
                return Err(error(format!("{path} includes itself: take one of the include lines out")));
            }
            let contents = read_text(&full)?;
            trail.push(full);
            let included = self.compile(&contents, trail, &mut BTreeMap::new())?;
            trail.pop();
            let included = format!("--! Included {path}\n{}\n--! EndIncluded {path}", included.trim());
            out.push_str(&text[at..line.start]);
            out.push_str(&included);
            at = line.end;
            attributes.insert(format!("{INCLUDE}{path}"), included);
        }
        out.push_str(&text[at..]);
        Ok(out)
    }
}
