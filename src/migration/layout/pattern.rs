//! File names as the user describes them, for tools that have no layout of their own.

use super::plain::file;
use super::{Folder, MigrationFile, MigrationTree, Request, Script, files_in, take_back};
use crate::migration::MigrationError;
use regex_lite::{Captures, Regex};
use std::cmp::Ordering;
use std::path::PathBuf;

/// Words that stand for either direction, in lower case.
const UP: [&str; 8] = ["", "up", "do", "apply", "deploy", "forward", "forwards", "v"];
const DOWN: [&str; 8] = ["down", "undo", "revert", "rollback", "back", "backward", "backwards", "u"];

/// Names that are listed before the rest is only counted.
const LISTED: usize = 5;

/// A file name taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    version: String,
    name: String,
    is_down: bool,
}

fn wrong(reason: String) -> MigrationError {
    MigrationError::Option { layout: "plain", option: "pattern", reason }
}

fn compile(pattern: &str) -> Result<Regex, MigrationError> {
    let regex = Regex::new(pattern).map_err(|error| wrong(format!("{pattern}: {error}")))?;
    let groups: Vec<&str> = regex.capture_names().flatten().collect();
    if let Some(unknown) = groups.iter().find(|group| !["version", "name", "direction"].contains(group)) {
        return Err(wrong(format!("{pattern}: there is no group `{unknown}`: known are version, name and direction")));
    }
    if !groups.contains(&"version") {
        return Err(wrong(format!("{pattern}: the group `version` is missing: write (?<version>…) around that part")));
    }
    Ok(regex)
}

fn take_apart(file_name: &str, captures: &Captures<'_>) -> Result<Name, MigrationError> {
    let group = |name: &str| captures.name(name).map(|found| found.as_str());
    let refuse = |reason: String| MigrationError::FileName { file: file_name.to_owned(), reason };
    let version = group("version").filter(|version| !version.is_empty());
    let version = version.ok_or_else(|| refuse("`pattern` matches, but finds no version in this name".to_owned()))?;
    let word = group("direction").unwrap_or_default().to_lowercase();
    let is_down = DOWN.contains(&word.as_str());
    if !is_down && !UP.contains(&word.as_str()) {
        let known =
            |words: &[&str]| words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(", ");
        return Err(refuse(format!(
            "`pattern` finds the direction `{word}`, which is neither up ({}) nor down ({})",
            known(&UP),
            known(&DOWN)
        )));
    }
    let name = group("name").unwrap_or_else(|| file_name.trim_end_matches(".sql")).to_owned();
    Ok(Name { version: version.to_owned(), name, is_down })
}

/// Numbers of any length, leading zeros without meaning.
fn by_number(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Reads the files whose names match into `tree`, lowest version first.
///
/// # Errors
/// A pattern that is none, two files of one version and direction, files that cannot be read.
pub(super) fn read(pattern: &str, request: &Request<'_>, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    let regex = compile(pattern)?;
    let mut ups: Vec<(Name, MigrationFile)> = Vec::new();
    let mut downs: Vec<(Name, Script)> = Vec::new();
    let mut passed: Vec<String> = Vec::new();
    for (folder, files) in places(request)? {
        for (file_name, path) in files {
            let Some(captures) = regex.captures(&file_name) else {
                passed.push(file_name);
                continue;
            };
            let name = take_apart(&file_name, &captures)?;
            let read = folder.read_owned(&file_name, &path)?;
            let file = MigrationFile { version: name.version.clone(), name: name.name.clone(), ..file(read, None)? };
            match name.is_down {
                true => downs.push((name, file.up)),
                false => ups.push((name, file)),
            }
        }
    }
    if ups.is_empty() {
        let path = request.paths[0].clone();
        let hint = format!("looked for names that match {pattern}, going up");
        return Err(MigrationError::NoMigrations { path, hint });
    }
    let all = || ups.iter().map(|(name, _)| name).chain(downs.iter().map(|(name, _)| name));
    let numbers = all().all(|name| name.version.bytes().all(|byte| byte.is_ascii_digit()));
    let order = |left: &Name, right: &Name| match numbers {
        true => by_number(&left.version, &right.version),
        false => left.version.cmp(&right.version),
    };
    ups.sort_by(|left, right| order(&left.0, &right.0));
    if let Some([first, second]) = ups.windows(2).find(|pair| order(&pair[0].0, &pair[1].0).is_eq()) {
        return Err(twice(&first.0, &first.1.up, &second.1.up));
    }
    for (name, script) in downs {
        let of = ups.binary_search_by(|(up, _)| order(up, &name)).ok().and_then(|at| ups.get_mut(at));
        take_back(of.map(|(_, up)| up), &name.version, script, &mut tree.notes)?;
    }
    tree.files.extend(ups.into_iter().map(|(_, file)| file));
    if !passed.is_empty() {
        let more = passed.len().saturating_sub(LISTED);
        passed.truncate(LISTED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        tree.notes.push(format!("passed over, since `pattern` does not match: {}{more}", passed.join(", ")));
    }
    Ok(())
}

/// A folder with those of its files that count.
type Place = (Folder, Vec<(String, PathBuf)>);

fn places(request: &Request<'_>) -> Result<Vec<Place>, MigrationError> {
    let place = |path: &PathBuf| {
        if path.is_dir() {
            return Ok((Folder::new(path, request.root), files_in(path)?));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((Folder::new(&super::site::parent(path), request.root), vec![(name, path.clone())]))
    };
    request.paths.iter().map(place).collect()
}

fn twice(name: &Name, first: &Script, second: &Script) -> MigrationError {
    MigrationError::DuplicateVersion {
        version: name.version.clone(),
        first: first.file.name.clone(),
        second: second.file.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::super::{LayoutOptions, read as read_any};
    use super::*;
    use crate::migration::TransactionMode;
    use crate::migration::history::pending;

    const NUMBERED: &str = r"^(?<version>\d+)_(?<name>.+?)\.(?<direction>up|down)\.sql$";

    fn read(pattern: &str, files: &[(&str, &str)], layout: Option<&str>) -> Result<MigrationTree, MigrationError> {
        with(&LayoutOptions { pattern: Some(pattern.to_owned()), ..LayoutOptions::default() }, files, layout)
    }

    fn with(
        options: &LayoutOptions,
        files: &[(&str, &str)],
        layout: Option<&str>,
    ) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        let paths = [folder.path().to_owned()];
        read_any(&Request { paths: &paths, root: folder.path(), options }, layout).map(|mut trees| trees.remove(0))
    }

    fn versions(tree: &MigrationTree) -> Vec<(&str, &str)> {
        tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect()
    }

    #[test]
    fn numbers_of_any_length_are_ordered_as_numbers() {
        let tree = read(
            NUMBERED,
            &[
                ("010_ten.up.sql", "SELECT 10"),
                ("9_nine.up.sql", "SELECT 9"),
                ("09_nine.down.sql", "SELECT -9"),
                ("20150100000001000000_late.up.sql", "SELECT 1"),
                ("11_gone.down.sql", "SELECT -11"),
                ("README.md", ""),
            ],
            None,
        )
        .expect("readable");
        assert_eq!(tree.layout, "plain");
        assert_eq!(versions(&tree), [("9", "nine"), ("010", "ten"), ("20150100000001000000", "late")]);
        assert_eq!(tree.files[0].down.as_ref().expect("a way back").file.text, "SELECT -9");
        assert_eq!(
            tree.notes,
            [
                "11_gone.down.sql: undoes a version that has no file",
                "passed over, since `pattern` does not match: README.md"
            ]
        );
    }

    #[test]
    fn versions_that_are_no_numbers_are_ordered_as_text() {
        let pattern = r"^(?P<direction>do|undo)-(?P<version>[a-z0-9.]+)\.sql$";
        let tree = read(
            pattern,
            &[
                ("do-10.sql", "SELECT 10"),
                ("do-9.sql", "SELECT 9"),
                ("do-9a.sql", "SELECT 9"),
                ("undo-9.sql", "SELECT 0"),
            ],
            Some("plain"),
        )
        .expect("readable");
        assert_eq!(versions(&tree), [("10", "do-10"), ("9", "do-9"), ("9a", "do-9a")]);
        assert!(tree.files[1].down.is_some());
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong() {
        let files = [("1_a.up.sql", "SELECT 1"), ("01_b.up.sql", "SELECT 2")];
        let message = |pattern: &str, layout| read(pattern, &files, layout).expect_err(pattern).to_string();
        assert!(message("(?<version>[", None).starts_with("`pattern` with layout plain: (?<version>[: "));
        assert!(message(r"^\d+_", None).contains("the group `version` is missing"));
        assert!(message(r"(?<version>\d+)(?<x>_)", None).contains("there is no group `x`"));
        assert!(message(r"^(?<version>x)_", None).contains("no migrations here: looked for names that match"));
        assert!(message(r"^(?<version>\d*?)\d*_", None).contains("finds no version"));
        assert!(message(r"^(?<version>\d+)_(?<direction>\w)", None).contains("the direction `b`, which is neither up"));
        assert!(message(NUMBERED, None).starts_with("version 01 belongs to both"));
        assert!(message(NUMBERED, Some("sqlx")).starts_with("`pattern` with layout sqlx"));
    }

    #[test]
    fn files_named_one_by_one_are_ordered_too() {
        let folder = folder(&[("10_b.up.sql", "SELECT 1"), ("9_a.up.sql", "SELECT 1")]);
        let paths = ["10_b.up.sql", "9_a.up.sql"].map(|name| folder.path().join(name));
        let options = LayoutOptions { pattern: Some(NUMBERED.to_owned()), ..LayoutOptions::default() };
        let request = Request { paths: &paths, root: folder.path(), options: &options };
        let tree = read_any(&request, None).expect("readable").remove(0);
        assert_eq!(versions(&tree), [("9", "a"), ("10", "b")]);
    }

    #[test]
    fn the_transaction_is_the_one_asked_for_unless_a_script_has_its_own() {
        let files = [("1_a.up.sql", "SELECT 1; SELECT 2"), ("2_b.up.sql", "BEGIN; SELECT 3; COMMIT")];
        let modes = |transaction| {
            let options = LayoutOptions { pattern: Some(NUMBERED.to_owned()), transaction, ..LayoutOptions::default() };
            let tree = with(&options, &files, None).expect("readable");
            let pending = pending(&tree, None, None).expect("everything");
            pending.migrations.iter().map(|migration| migration.transaction).collect::<Vec<_>>()
        };
        use TransactionMode::{AllPending, Explicit, None as Bare, PerMigration};
        assert_eq!(modes(None), [Bare, Explicit]);
        assert_eq!(modes(Some(Bare)), [Bare, Explicit]);
        assert_eq!(modes(Some(PerMigration)), [PerMigration, Explicit]);
        assert_eq!(modes(Some(AllPending)), [AllPending, Explicit]);
    }
}
