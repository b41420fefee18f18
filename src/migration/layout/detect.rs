//! Which layout a place has: by marker files and the project's own dependencies, then contents, then names. Never by
//! guess: what several tools could have written is told apart by the history table on the copy, or by the user.

use super::site::{Strength, folders_in};
use super::{Evidence, LAYOUTS, Layout, MigrationError, MigrationTree, Request, Site, plain, sqlx};
use crate::migration::script::Dialect;
use crate::migration::source_file::name_below;
use std::path::{Path, PathBuf};

/// Folders in which projects keep the same migrations for several databases: those of each engine, and everybody else's.
const POSTGRES: [&str; 5] = ["postgres", "postgresql", "pg", "psql", "pgsql"];
const SQLITE: [&str; 2] = ["sqlite", "sqlite3"];
const OTHERS: [&str; 12] = [
    "mysql",
    "mariadb",
    "mssql",
    "sqlserver",
    "oracle",
    "cockroach",
    "cockroachdb",
    "crdb",
    "clickhouse",
    "spanner",
    "snowflake",
    "h2",
];

/// Whether a folder or a part of a file name stands for this engine.
pub(super) fn is_ours(name: &str, dialect: Dialect) -> bool {
    let names: &[&str] = match dialect {
        Dialect::PostgreSql => &POSTGRES,
        Dialect::Sqlite => &SQLITE,
    };
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a folder or a part of a file name stands for another database.
pub(super) fn is_others(name: &str, dialect: Dialect) -> bool {
    let all = POSTGRES.iter().chain(&SQLITE).chain(&OTHERS);
    !is_ours(name, dialect) && all.into_iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Refuses a tool that knows nothing of the engine.
///
/// # Errors
/// It does not.
pub(super) fn refuse_unsupported(layout: &dyn Layout, dialect: Dialect) -> Result<(), MigrationError> {
    if layout.supports(dialect) {
        return Ok(());
    }
    Err(MigrationError::OtherEngine { layout: layout.name(), engine: dialect.engine() })
}

/// Tools whose lines are known and whose files are not read.
const UNREAD: [&str; 1] = ["sql-migrate"];

/// What a place turned out to be.
pub struct Detected {
    /// The layout.
    pub layout: &'static dyn Layout,
    /// Why.
    pub evidence: Evidence,
}

/// The layouts for which most speaks; several when nothing on disk tells them apart.
pub fn candidates(site: &Site, dialect: Dialect) -> Vec<Detected> {
    let mut found: Vec<Detected> =
        LAYOUTS.into_iter().filter_map(|layout| Some(Detected { layout, evidence: layout.detect(site)? })).collect();
    // Names alone may always be another tool's, one that knows the engine.
    found.retain(|each| each.evidence.strength > Strength::Names || each.layout.supports(dialect));
    let strongest = found.iter().map(|each| each.evidence.strength).max();
    found.retain(|each| Some(each.evidence.strength) == strongest);
    found
}

/// A folder in which a project keeps migrations, and what it could be.
pub struct Home {
    /// The folder.
    pub directory: PathBuf,
    /// For which layouts most speaks; never empty.
    pub candidates: Vec<Detected>,
}

/// The folders below a project's root that are some tool's default and hold something that is that tool's; folders
/// within a found one are part of it.
///
/// # Errors
/// A folder that cannot be read.
pub fn homes(root: &Path, dialect: Dialect) -> Result<Vec<Home>, MigrationError> {
    let mut names: Vec<&str> = LAYOUTS.into_iter().flat_map(Layout::homes).copied().collect();
    names.sort_unstable();
    names.dedup();
    let mut found: Vec<Home> = Vec::new();
    for directory in names.into_iter().map(|name| (name, root.join(name))).filter(|(_, path)| path.is_dir()) {
        let (name, directory) = directory;
        let below = dialect_of(&directory, dialect).ok().flatten().map(|(below, _)| below);
        let mut candidates = candidates(&Site::new(&[below.unwrap_or_else(|| directory.clone())])?, dialect);
        // What merely looks like a tool's files has to lie where that tool looks for them.
        candidates.retain(|each| each.evidence.strength >= Strength::Contents || each.layout.homes().contains(&name));
        candidates.retain(|each| each.evidence.strength > Strength::Fallback);
        if !candidates.is_empty() && !found.iter().any(|home| directory.starts_with(&home.directory)) {
            found.push(Home { directory, candidates });
        }
    }
    Ok(found)
}

/// Reads what the request names with the layout it has.
pub(super) fn detect(request: &Request<'_>) -> Result<Vec<MigrationTree>, MigrationError> {
    if let [directory] = request.paths
        && directory.is_dir()
    {
        return match dialect_of(directory, request.dialect())? {
            Some((below, note)) => {
                let mut trees = in_directory(&Request { paths: &[below], ..*request })?;
                trees.iter_mut().for_each(|tree| tree.notes.push(note.clone()));
                Ok(trees)
            }
            None => match home_below(directory, request.dialect())? {
                Some(home) => {
                    let note = kept_in(&home);
                    let mut trees = in_directory(&Request { paths: &[home], ..*request })?;
                    trees.iter_mut().for_each(|tree| tree.notes.push(note.clone()));
                    Ok(trees)
                }
                None => in_directory(request),
            },
        };
    }
    named_one_by_one(request)
}

/// Reads with the layout that was asked for. A directory that it cannot read may be the project, whose migrations lie
/// where the tool looks for them.
///
/// # Errors
/// As [`Layout::read`] for what was named; several folders below that could be meant.
pub(super) fn as_asked(layout: &dyn Layout, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
    let error = match (layout.read(request), request.paths) {
        // Plain files are those that were named, and no others.
        (Err(error), [directory]) if directory.is_dir() && layout.name() != plain::Plain.name() => error,
        (read, _) => return read,
    };
    let directory = &request.paths[0];
    let full = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    // Of `db/migrations` the project lies above `db`, which may be what was named.
    let parts = |home: &'static str| home.match_indices('/').map(move |(at, _)| (&home[..at], &home[at + 1..]));
    let within = |home| parts(home).filter(|(above, _)| full.ends_with(above)).map(|(_, below)| below);
    let mut places: Vec<&str> =
        layout.homes().iter().flat_map(|home| std::iter::once(*home).chain(within(home))).collect();
    places.retain(|place| *place != ".");
    places.sort_unstable();
    places.dedup();
    let mut found = Vec::new();
    for home in places.into_iter().map(|place| directory.join(place)).filter(|home| home.is_dir()) {
        if let Ok(mut tree) = layout.read(&Request { paths: std::slice::from_ref(&home), ..*request }) {
            tree.notes.push(kept_in(&home));
            found.push((home, tree));
        }
    }
    match found.len() {
        0 => Err(error),
        1 => Ok(found.remove(0).1),
        _ => Err(in_several(directory, found.iter().map(|(home, _)| home))),
    }
}

fn kept_in(home: &Path) -> String {
    format!("{} is where this project keeps its migrations", home.display())
}

fn in_several<'a>(directory: &Path, homes: impl Iterator<Item = &'a PathBuf>) -> MigrationError {
    let homes: Vec<String> = homes.map(|home| home.display().to_string()).collect();
    MigrationError::NoMigrations {
        path: directory.to_owned(),
        hint: format!("they are in several folders below: {}; name one of them", homes.join(", ")),
    }
}

/// The one folder in which the project in `directory` keeps migrations, when `directory` itself holds none: scripts
/// that bear no tool's names or lines, such as a dump, do not count.
fn home_below(directory: &Path, dialect: Dialect) -> Result<Option<PathBuf>, MigrationError> {
    let site = Site::new(&[directory.to_owned()])?;
    if site.tool_by_contents().is_some()
        || candidates(&site, dialect).iter().any(|each| each.evidence.strength > Strength::Fallback)
    {
        return Ok(None);
    }
    let mut found = homes(directory, dialect)?;
    match found.len() {
        0 => Ok(None),
        1 => Ok(Some(found.remove(0).directory)),
        _ => Err(in_several(directory, found.iter().map(|home| &home.directory))),
    }
}

fn in_directory(request: &Request<'_>) -> Result<Vec<MigrationTree>, MigrationError> {
    let site = Site::new(request.paths)?;
    refuse_unread(&site, request)?;
    let candidates = candidates(&site, request.dialect());
    // Where the history may still say that it is another tool, it is asked first.
    if let [Detected { layout, evidence }] = candidates.as_slice()
        && evidence.strength > Strength::Names
    {
        layout.understands().check(layout.name(), request.options)?;
    }
    if let Some(first) = candidates.first()
        && !candidates.iter().any(|each| each.layout.supports(request.dialect()))
    {
        refuse_unsupported(first.layout, request.dialect())?;
    }
    let mut trees = Vec::new();
    let mut refusals = Vec::new();
    for Detected { layout, evidence } in candidates.into_iter().filter(|each| each.layout.supports(request.dialect())) {
        match layout.read(request) {
            Ok(tree) => trees.push(MigrationTree { detected: Some(below(&evidence.why, request.root)), ..tree }),
            Err(error) => refusals.push(error),
        }
    }
    match refusals.into_iter().next() {
        // Whatever one of several candidates cannot read is not its own.
        Some(error) if trees.is_empty() => Err(error),
        _ => Ok(trees),
    }
}

/// Files named one by one are run as they stand, unless it is certain whose they are.
fn named_one_by_one(request: &Request<'_>) -> Result<Vec<MigrationTree>, MigrationError> {
    let plain = || -> Result<Vec<MigrationTree>, MigrationError> {
        let mut tree = plain::Plain.read(request)?;
        tree.detected = Some("files in the order given".to_owned());
        if tree.files.iter().all(|file| sqlx::is_versioned(&file.version)) {
            let note = "read as plain SQL, where each statement commits by itself: `--layout sqlx` groups these files as sqlx does";
            tree.notes.push(note.to_owned());
        }
        Ok(vec![tree])
    };
    let mut folders: Vec<PathBuf> = request.paths.iter().map(|path| super::site::parent(path)).collect();
    folders.dedup();
    if folders.len() != 1 || request.paths.iter().any(|path| path.is_dir()) {
        for path in request.paths {
            let site = Site::new(std::slice::from_ref(path))?;
            refuse_unread(&site, request)?;
            if let Some((tool, why)) = site.tool_by_contents() {
                return Err(foreign(request, tool, why));
            }
        }
        return plain();
    }
    let site = Site::new(request.paths)?;
    refuse_unread(&site, request)?;
    let mut certain = candidates(&site, request.dialect());
    certain.retain(|each| each.evidence.strength >= Strength::Contents);
    match certain.as_slice() {
        [] => plain(),
        [Detected { layout, evidence }] => {
            refuse_unsupported(*layout, request.dialect())?;
            layout.understands().check(layout.name(), request.options)?;
            let tree = layout.read(request)?;
            Ok(vec![MigrationTree { detected: Some(below(&evidence.why, request.root)), ..tree }])
        }
        several => Err(ambiguous(
            &request.paths[0],
            several.iter().map(|each| (each.layout.name(), each.evidence.why.as_str())),
        )),
    }
}

/// Every other way to read a directory of which nothing but file names was known: what the copy's history tables choose
/// from when `tree` has none there. Empty where more than names spoke for `tree`.
pub fn alternatives(tree: &MigrationTree, root: &Path) -> Vec<MigrationTree> {
    let (Some(directory), Some(_)) = (&tree.directory, &tree.detected) else { return Vec::new() };
    let paths = std::slice::from_ref(directory);
    // What cannot be read a second time speaks for nobody else.
    let Ok(site) = Site::new(paths) else { return Vec::new() };
    if tree.options.pattern.is_some()
        || site.tool_by_contents().is_some()
        || candidates(&site, tree.dialect()).iter().any(|each| each.evidence.strength > Strength::Names)
    {
        return Vec::new();
    }
    let request = Request { paths, root, options: &tree.options };
    let others = LAYOUTS.into_iter().filter(|layout| layout.name() != tree.layout && layout.supports(tree.dialect()));
    others.filter_map(|layout| layout.read(&request).ok()).filter(|other| other.history.is_some()).collect()
}

/// A reason with the paths in it relative to the project.
pub fn below(why: &str, root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    why.replace(&format!("{}/", root.display()), "")
}

fn foreign(request: &Request<'_>, tool: &str, why: &str) -> MigrationError {
    MigrationError::ForeignLayout {
        found: name_below(&request.paths[0], request.root),
        tool: tool.to_owned(),
        why: why.to_owned(),
    }
}

/// What no layout reads is refused, and so is what only the fallback would read although it bears a tool's lines.
fn refuse_unread(site: &Site, request: &Request<'_>) -> Result<(), MigrationError> {
    let fallback =
        || candidates(site, request.dialect()).iter().all(|each| each.evidence.strength == Strength::Fallback);
    match site.tool_by_contents() {
        Some((tool, why)) if UNREAD.contains(&tool) || fallback() => Err(MigrationError::ForeignLayout {
            found: name_below(&site.directory, request.root),
            tool: tool.to_owned(),
            why: why.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// That several layouts fit, and what decides.
pub fn ambiguous<'a>(path: &Path, candidates: impl Iterator<Item = (&'a str, &'a str)>) -> MigrationError {
    let candidates: Vec<String> = candidates.map(|(layout, why)| format!("{layout} ({why})")).collect();
    MigrationError::Ambiguous { path: path.to_owned(), candidates: candidates.join(" or ") }
}

/// The folder for an engine below one that holds nothing but folders for several databases, and what to say about it.
///
/// # Errors
/// Folders for other databases only.
pub fn dialect_of(directory: &Path, dialect: Dialect) -> Result<Option<(PathBuf, String)>, MigrationError> {
    if super::files_in(directory)?.iter().any(|(name, _)| name.ends_with(".sql")) {
        return Ok(None);
    }
    let folders = folders_in(directory)?;
    let others: Vec<&str> = folders.iter().map(String::as_str).filter(|name| is_others(name, dialect)).collect();
    let ours: Vec<&str> = folders.iter().map(String::as_str).filter(|name| is_ours(name, dialect)).collect();
    match (ours.as_slice(), others.as_slice()) {
        ([ours], _) => {
            let beside = if others.is_empty() { String::new() } else { format!("; {} left alone", others.join(", ")) };
            let engine = dialect.engine();
            Ok(Some((directory.join(ours), format!("{ours}/ is {engine}'s part of {}{beside}", directory.display()))))
        }
        ([], []) => Ok(None),
        ([], others) => Err(MigrationError::NoMigrations {
            path: directory.to_owned(),
            hint: format!("these are for other databases: {}", others.join(", ")),
        }),
        (several, _) => Err(MigrationError::NoMigrations {
            path: directory.to_owned(),
            hint: format!("several folders could be {}'s: {}; name one of them", dialect.engine(), several.join(", ")),
        }),
    }
}
