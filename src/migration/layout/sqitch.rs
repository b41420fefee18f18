//! The layout of Sqitch: a plan says what is deployed in which order, psql runs the scripts, and a registry of several
//! tables keeps what was done.

mod configuration;
mod plan;
mod registry;
mod write;

use super::psql::Psql;
use super::writing::{File, Replacement};
use super::{
    Cut, Evidence, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands, hex,
    one_directory, plain,
};
use crate::migration::history::{HistoryShape, Row, Selection, value};
use crate::migration::script::Dialect;
use crate::migration::source_file::SourceFileError;
use crate::migration::{Connection, MigrationError, SourceFile};
use configuration::Configuration;
use plan::{Change, Plan};
use sha1::{Digest, Sha1};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sqitch 1, with scripts for PostgreSQL or SQLite.
#[derive(Debug)]
pub struct Sqitch;

const HISTORY: HistoryShape = HistoryShape {
    columns: &["change_id", "change", "project", "script_hash"],
    later: &[],
    foreign: &[],
    order: "committed_at",
};

/// Attributes of a file: the change's id; what it writes to the registry and how that is undone, one statement a line;
/// a deploy script that is not there.
const ID: &str = "id";
const MISSING: &str = "missing";
/// Attributes of a tree: where psql is started, and whose changes count.
const FOLDER: &str = "folder";
const PROJECT: &str = "project";

impl Layout for Sqitch {
    fn name(&self) -> &'static str {
        "sqitch"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["."]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "Sqitch leaves that to each script: `BEGIN` and `COMMIT`",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        // What cannot be read is reported when the layout reads it.
        let found = Configuration::near(&site.directory, engine(Dialect::default())).ok()??;
        found.plan().is_file().then(|| Evidence::marker(format!("{} is there", found.plan().display())))
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let Request { paths, root, options } = *request;
        let directory = one_directory(self.name(), request)?;
        let given = directory.map_or_else(|| super::site::parent(&paths[0]), Path::to_owned);
        let Some(configuration) = Configuration::near(&given, engine(request.dialect()))? else {
            let hint = "looked for sqitch.plan; name the folder it is in".to_owned();
            return Err(MigrationError::NoMigrations { path: given, hint });
        };
        if let Some(engine) = configuration.foreign_engine() {
            let reason =
                format!("core.engine is {engine}: only scripts for {} are read", self::engine(request.dialect()));
            return Err(MigrationError::Configuration { path: configuration.project.join("sqitch.conf"), reason });
        }
        let listing = Arc::new(SourceFile::read(&configuration.plan(), root)?);
        let plan = Plan::parse(&listing)?;
        let mut tree = MigrationTree::new(self.name(), request);
        tree.listing = Some(listing);
        let registry = configuration.registry().to_owned();
        if tree.is_sqlite() {
            let note = "Sqitch keeps its registry in a database of its own (sqitch.db beside the target), which is not read: every change of the plan counts as pending. Name the deploy scripts that are, or give --base";
            tree.notes.push(note.to_owned());
        } else {
            tree.keep_history(HISTORY, format!("{registry}.changes"));
            tree.create_history = registry::create(&registry, &plan);
        }
        tree.attributes.insert(FOLDER.to_owned(), configuration.project.display().to_string());
        tree.attributes.insert(PROJECT.to_owned(), plan.project.clone());
        for direction in ["deploy", "revert"] {
            for (name, value) in configuration.variables(direction).iter().chain(&options.placeholders) {
                tree.attributes.insert(format!("{direction} {name}"), value.clone());
            }
        }
        if configuration.verifies() {
            tree.notes.push("deploy.verify is set: verify scripts are not run here".to_owned());
        }
        let wanted: Option<HashSet<PathBuf>> =
            directory.is_none().then(|| paths.iter().filter_map(|path| path.canonicalize().ok()).collect());
        let mut deploys = Directory::default();
        let mut reverts = Directory::default();
        for at in 0..plan.changes.len() {
            let file = deploys.script(&configuration, "deploy", &plan.changes[at], root)?;
            let path = file.as_ref().map(|(file, _)| file.path.clone());
            if wanted.as_ref().is_some_and(|wanted| {
                !path.and_then(|path| path.canonicalize().ok()).is_some_and(|path| wanted.contains(&path))
            }) {
                continue;
            }
            let down = reverts.script(&configuration, "revert", &plan.changes[at], root)?;
            tree.files.push(migration(&plan, at, &registry, file, down.map(|(file, _)| file), &configuration));
        }
        match wanted {
            Some(wanted) if wanted.len() > tree.files.len() => Err(MigrationError::Refused {
                layout: self.name(),
                reason: format!("a file that was named is no deploy script of {}", configuration.plan().display()),
            }),
            _ if tree.files.is_empty() => {
                let hint = "the plan has no changes: `sqitch add` writes one".to_owned();
                Err(MigrationError::NoMigrations { path: configuration.plan(), hint })
            }
            _ => Ok(tree),
        }
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let project = tree.attributes.get(PROJECT).map_or("", String::as_str);
        let mut deployed = HashMap::new();
        let mut foreign = HashSet::new();
        let mut newest = None;
        for row in rows.unwrap_or_default().iter().enumerate() {
            let (id, change) = (value(row, 0, "no change_id")?, value(row, 1, "no change")?);
            let owner = value(row, 2, "no project")?;
            foreign.insert(format!("{owner}:{change}"));
            if owner == project {
                deployed.insert(id, row.1.get(3).and_then(|hash| hash.as_deref()));
                newest = Some((id, change));
            }
        }
        let at = |id: &str| tree.files.iter().position(|file| file.attribute(ID) == Some(id));
        let last = match newest {
            Some((id, change)) => match at(id) {
                None if tree.directory_given => {
                    let reason = format!(
                        "the change deployed last, {change} ({id}), is not in the plan: bring its line back as it was, or check out the branch it is on"
                    );
                    return Err(MigrationError::Refused { layout: self.name(), reason });
                }
                last => last,
            },
            None => None,
        };
        let mut selection = Selection::default();
        for (at, file) in tree.files.iter().enumerate() {
            match deployed.get(file.attribute(ID).unwrap_or_default()) {
                Some(hash) => {
                    selection.applied.push(at);
                    selection.newest = Some(file.version.clone());
                    if hash.is_some() && file.checksum.is_some() && *hash != file.checksum.as_deref() {
                        selection.edited.push(at);
                    }
                }
                None if last.is_some_and(|last| at < last) => selection.notes.push(format!(
                    "{}: not deployed and planned before what is, so Sqitch never runs it",
                    file.file().name
                )),
                None => selection.pending.push(at),
            }
        }
        let mut there: HashSet<&str> = foreign.iter().map(String::as_str).chain(deployed.into_keys()).collect();
        for file in selection.pending.iter().filter_map(|at| tree.files.get(*at)) {
            dependencies(file, &there).map_err(|reason| MigrationError::Refused { layout: self.name(), reason })?;
            there.extend(file.attribute(ID));
        }
        Ok(selection)
    }

    fn cut(&self, tree: &MigrationTree, file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        if let Some(path) = file.attribute(MISSING) {
            return Err(MigrationError::Missing { path: PathBuf::from(path) });
        }
        if tree.is_sqlite() {
            // The `sqlite3` shell reads it, and fills in no variables.
            return super::cut::cut(script, tree.dialect());
        }
        let direction = if Arc::ptr_eq(&script.file, file.file()) { "deploy " } else { "revert " };
        let own = |(name, value): (&String, &String)| Some((name.strip_prefix(direction)?.to_owned(), value.clone()));
        let variables = tree.attributes.iter().filter_map(own).collect();
        Psql::new(variables, Path::new(tree.attributes.get(FOLDER).map_or("", String::as_str))).cut(script)
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let transaction = plain::own_transactions(file.file(), cuts)?;
        let history = tree.history.is_some().then(|| registry::write(file, tree.history_table(), previous.is_none()));
        Ok(Grouping { transaction, history, notes: Vec::new() })
    }

    fn write(&self, tree: &MigrationTree, replaced: &[Replacement]) -> Result<Option<Vec<File>>, String> {
        write::files(tree, replaced).map(Some)
    }

    fn connection(&self, _tree: &MigrationTree) -> Connection {
        // Each script is a psql of its own, or a `sqlite3`.
        Connection { fresh_for_each: true, ..Connection::default() }
    }
}

/// What Sqitch calls an engine.
fn engine(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::PostgreSql => "pg",
        Dialect::Sqlite => "sqlite",
    }
}

/// What has to be deployed before a change, or must not be; `there` has ids, and `project:change` of what is deployed.
fn dependencies(file: &MigrationFile, there: &HashSet<&str>) -> Result<(), String> {
    let list = |name: &str| file.attribute(name).unwrap_or_default().lines();
    let is_there = |key: &&str| there.contains(key.split('@').next().unwrap_or_default());
    match (list(registry::REQUIRES_FOREIGN).find(|key| !is_there(key)), list(registry::CONFLICTS).find(is_there)) {
        (Some(required), _) => Err(format!("{} requires {required}, which is not deployed", file.version)),
        (_, Some(conflict)) => Err(format!("{} conflicts with {conflict}, which is deployed", file.version)),
        _ => Ok(()),
    }
}

/// The scripts of one direction, with the names of their folders worked out once.
#[derive(Debug, Default)]
struct Directory {
    names: HashMap<PathBuf, super::Folder>,
}

impl Directory {
    /// The script of a change, and whether a byte order mark stands before it; `None` if it is not there.
    fn script(
        &mut self,
        configuration: &Configuration,
        direction: &str,
        change: &Change,
        root: &Path,
    ) -> Result<Option<(Arc<SourceFile>, bool)>, SourceFileError> {
        let directory = configuration.directory(direction, !change.rework_tags.is_empty());
        let extension = configuration.value("extension").unwrap_or("sql");
        let named = |tag: Option<&String>| {
            format!("{}{}.{extension}", change.name, tag.map_or_else(String::new, |tag| format!("@{tag}")))
        };
        let reworked = change.rework_tags.iter().find(|tag| directory.join(named(Some(tag))).exists());
        let name = named(reworked.or(change.rework_tags.first()));
        let path = directory.join(&name);
        if !path.is_file() {
            return Ok(None);
        }
        let folder = self.names.entry(directory.clone()).or_insert_with(|| super::Folder::new(&directory, root));
        folder.read(&name, &path).map(Some)
    }
}

fn migration(
    plan: &Plan,
    at: usize,
    registry: &str,
    deploy: Option<(Arc<SourceFile>, bool)>,
    revert: Option<Arc<SourceFile>>,
    configuration: &Configuration,
) -> MigrationFile {
    let change = &plan.changes[at];
    let mut attributes = registry::attributes(plan, at, registry);
    attributes.insert(ID.to_owned(), change.id.clone());
    let checksum = deploy.as_ref().map(|(file, marked)| {
        let mark = if *marked { "\u{feff}" } else { "" };
        hex(&Sha1::new().chain_update(mark).chain_update(&file.text).finalize())
    });
    let (file, byte_order_mark) = deploy.unwrap_or_else(|| {
        let path = configuration.directory("deploy", false).join(format!("{}.sql", change.name));
        let name = path.display().to_string();
        attributes.insert(MISSING.to_owned(), name.clone());
        (Arc::new(SourceFile { path, name, text: String::new() }), false)
    });
    attributes.extend(checksum.clone().map(|hash| (registry::HASH.to_owned(), hash)));
    MigrationFile {
        version: change.qualified(),
        name: change.note.lines().next().unwrap_or_default().to_owned(),
        up: Script::whole(file),
        down: revert.map(Script::whole),
        checksum,
        byte_order_mark,
        attributes,
    }
}

#[cfg(test)]
#[path = "sqitch/tests.rs"]
mod tests;
