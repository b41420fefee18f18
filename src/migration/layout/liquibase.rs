//! The layout of Liquibase, as far as its changelogs are formatted SQL: several changesets in a file, each of them a
//! migration.

mod changelog;
mod split;
mod write;

use super::cut::Rendered;
use super::writing::{File, Replacement};
use super::{
    Cut, Evidence, Folder, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands,
    files_below, files_in, hex, in_runners_transaction, literal, plain, sent_as_one_string, sqlite,
};
use crate::migration::history::{HistoryShape, Row, Selection, value};
use crate::migration::script::{self, Dialect, ScriptErrorKind, StatementKind};
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use changelog::{ChangeSet, Changelog};
use md5::{Digest, Md5};
use split::Delimiter;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Liquibase 4, formatted SQL.
#[derive(Debug)]
pub struct Liquibase;

const HISTORY: HistoryShape = HistoryShape {
    columns: &["id", "author", "filename", "md5sum", "exectype"],
    later: &[],
    foreign: &[],
    order: "dateexecuted, orderexecuted",
};

const TABLE: &str = "databasechangelog";

/// Attributes of a file: its identity, and those that liquibase calls the same.
const ID: &str = "id";
const AUTHOR: &str = "author";
const PATH: &str = "path";
const LINE: &str = "line";
const VALID: &str = "valid checksums";
const PRECONDITIONS: &str = "preconditions";

/// Begins the name of the attribute that holds a property's value.
const VALUE: &str = "property ";

/// What `deployment_id` says of rows written here, so that they are told from those of earlier runs.
const DEPLOYMENT: &str = "0000000000";

impl Layout for Liquibase {
    fn name(&self) -> &'static str {
        "liquibase"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["src/main/resources/db/changelog", "db/changelog", "changelog"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "Liquibase takes that from each changeset: `runInTransaction:false`",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        match site.tool_by_contents() {
            Some((tool, why)) => (tool == self.name()).then(|| Evidence::contents(why)),
            None if site.scripts().next().is_some() => None,
            None => {
                let properties = site.nearest("liquibase.properties")?;
                let below = scripts_below(&site.directory).ok()?;
                let is_one = |(_, path): &(String, PathBuf)| {
                    std::fs::read_to_string(path).is_ok_and(|text| changelog::is_formatted(&text))
                };
                below.iter().any(is_one).then(|| Evidence::marker(format!("{} is there", properties.display())))
            }
        }
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let Request { paths, root, options } = *request;
        let mut tree = MigrationTree::new(self.name(), request);
        let settings = match Site::new(paths)?.nearest("liquibase.properties") {
            Some(path) => {
                let text = read_text(&path)?;
                changelog::properties(&text)
            }
            None => BTreeMap::new(),
        };
        let named = settings.get("databasechangelogtablename").cloned();
        let schema = settings.get("liquibaseschemaname").filter(|_| !request.dialect().is_sqlite());
        let schema = schema.map_or_else(String::new, |schema| format!("{schema}."));
        let table = named.unwrap_or_else(|| TABLE.to_owned());
        let table = tree.keep_history(HISTORY, format!("{schema}{table}"));
        tree.create_history = vec![create_table(&table, request.dialect())];
        let given = options.placeholders.iter().map(|(name, value)| (name.as_str(), value));
        let configured = settings.iter().filter_map(|(name, value)| Some((name.strip_prefix("parameter.")?, value)));
        for (name, value) in given.chain(configured) {
            tree.attributes.entry(format!("{VALUE}{name}")).or_insert_with(|| value.clone());
        }
        for path in paths {
            if path.is_dir() {
                let masters: Vec<String> = files_in(path)?
                    .into_iter()
                    .filter_map(|(name, path)| changelog::is_master(&path).then_some(name))
                    .collect();
                if !masters.is_empty() {
                    tree.notes.push(format!(
                        "{} not read: formatted SQL below {} runs in the order of its names; name the files one by one for another",
                        masters.join(", "),
                        path.display()
                    ));
                }
                let folder = Folder::new(path, root);
                for (name, path) in scripts_below(path)? {
                    let (source, marked) = folder.read(&name, &path)?;
                    read_changelog(source, marked, &settings, &mut tree)?;
                }
            } else {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let (source, marked) = Folder::new(&super::site::parent(path), root).read(&name, path)?;
                read_changelog(source, marked, &settings, &mut tree)?;
            }
        }
        tree.refuse_empty(&paths[0], "files that begin with `--liquibase formatted sql`")?;
        name_apart(&mut tree.files)?;
        let checksums: Vec<String> = tree.files.iter().map(|file| checksum(&tree, file)).collect();
        for (file, checksum) in tree.files.iter_mut().zip(checksums) {
            file.checksum = Some(checksum);
        }
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        // Paths and checksums, by id and author.
        let mut ran = HashMap::<_, Vec<_>>::new();
        for row in rows.unwrap_or_default().iter().enumerate() {
            let (id, author) = (value(row, 0, "no id")?, value(row, 1, "no author")?);
            let (path, checksum) = (value(row, 2, "no filename")?, row.1.get(3).and_then(|sum| sum.as_deref()));
            if row.1.get(4).and_then(|kind| kind.as_deref()) != Some("FAILED") {
                ran.entry((id, author)).or_default().push((path, checksum));
            }
        }
        let mut selection = Selection::default();
        let mut unknown = 0usize;
        for (at, file) in tree.files.iter().enumerate() {
            let attribute = |name: &str| file.attribute(name).unwrap_or_default();
            let rows = ran.get(&(attribute(ID), attribute(AUTHOR))).map_or(&[][..], Vec::as_slice);
            let Some((_, was)) = rows.iter().find(|(path, _)| changelog::is_same_path(path, attribute(PATH))) else {
                selection.pending.push(at);
                continue;
            };
            selection.newest = Some(file.version.clone());
            let known = was.filter(|was| was.starts_with("9:"));
            unknown += usize::from(was.is_some() && known.is_none());
            let differs = known.is_some() && known != file.checksum.as_deref();
            let is_valid = |was: &str| {
                attribute(VALID)
                    .lines()
                    .any(|valid| valid == was || matches!(valid.to_lowercase().as_str(), "any" | "1:any"))
            };
            if is(file, "runalways") || (differs && is(file, "runonchange")) {
                selection.pending.push(at);
                continue;
            }
            selection.applied.push(at);
            if differs && !known.is_some_and(is_valid) {
                selection.edited.push(at);
            }
        }
        if unknown > 0 {
            let plural = if unknown == 1 { "changeset has a checksum" } else { "changesets have checksums" };
            selection.notes.push(format!(
                "{unknown} {plural} of another version than 9: whether the text is still the same was not checked"
            ));
        }
        Ok(selection)
    }

    fn cut(&self, tree: &MigrationTree, file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        let rendered = render(tree, script);
        let whole = 0..rendered.text().len();
        let is_up = script.parts == file.up.parts;
        let (splits, delimiter) = if is_up {
            (file.attribute("splitstatements"), file.attribute("enddelimiter"))
        } else {
            (file.attribute("rollbacksplitstatements"), file.attribute("rollbackenddelimiter"))
        };
        let pieces = if splits.is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            vec![whole]
        } else {
            let delimiter = Delimiter::new(delimiter).ok_or_else(|| MigrationError::Content {
                file: script.file.name.clone(),
                line: line(file),
                reason: format!(
                    "endDelimiter:{} is a regular expression, which is not reproduced",
                    delimiter.unwrap_or_default()
                ),
            })?;
            split::split(rendered.text(), &delimiter)
        };
        let mut cuts = Vec::new();
        for piece in pieces {
            // The driver tells statements apart as the server does, in whatever Liquibase hands it.
            let spans = script::split_in(&rendered.text()[piece.clone()], tree.dialect()).map_err(|error| {
                let at = piece.start + error.offset;
                let cut_through = piece.end < rendered.text().len()
                    && matches!(error.kind, ScriptErrorKind::UnterminatedDollarQuote(_));
                let place = rendered.place(at..(at + 1).min(rendered.text().len())).span.start;
                if !cut_through {
                    return MigrationError::in_script(&script.file, script::ScriptError { offset: place, kind: error.kind });
                }
                MigrationError::Content {
                    file: script.file.name.clone(),
                    line: script.file.position(place).line,
                    reason: "Liquibase cuts at semicolons within this dollar-quoted string too: write splitStatements:false or an endDelimiter behind the changeset's id".to_owned(),
                }
            })?;
            let placed = spans.into_iter().map(|span| rendered.place(span.start + piece.start..span.end + piece.start));
            let placed: Vec<Cut> = placed.collect();
            if let Some(torn) = placed.iter().find(|cut| tree.is_sqlite() && sqlite::is_torn(cut.sql(&script.file))) {
                return Err(MigrationError::Content {
                    file: script.file.name.clone(),
                    line: script.file.position(torn.span.start).line,
                    reason: "Liquibase cuts at semicolons within this trigger's body too: write splitStatements:false or an endDelimiter behind the changeset's id".to_owned(),
                });
            }
            cuts.extend(placed);
        }
        Ok(cuts)
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        let mut notes = Vec::new();
        let line = line(file);
        if file.attribute(PRECONDITIONS).is_some() {
            notes.push(format!(
                "{}:{line}: its preconditions are not evaluated: it is rehearsed as if they were met",
                source.name
            ));
        }
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let whole = file.attribute("splitstatements").is_some_and(|value| value.eq_ignore_ascii_case("false"));
        let transaction = if file.attribute("runintransaction").is_some_and(|value| value.eq_ignore_ascii_case("false"))
        {
            if whole && !tree.is_sqlite() { sent_as_one_string(&kinds) } else { plain::own_transactions(source, cuts)? }
        } else if tree.is_sqlite() {
            sqlite::within_runners("Liquibase", source, cuts, &mut notes);
            TransactionMode::PerMigration
        } else {
            in_runners_transaction("Liquibase", source, cuts, &mut notes)
        };
        if let Some(name) = cuts.iter().find_map(|cut| unfilled(cut.sql(source))) {
            notes.push(format!(
                "{}:{line}: ${{{name}}} has no value, so Liquibase sends it as it stands: give {name} under `placeholders`",
                source.name
            ));
        }
        Ok(Grouping { transaction, history: Some(history_write(file, tree)), notes })
    }

    fn write(&self, tree: &MigrationTree, replaced: &[Replacement]) -> Result<Option<Vec<File>>, String> {
        write::files(tree, replaced).map(Some)
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        if tree.is_sqlite() {
            return Connection::default();
        }
        // What the JDBC driver asks for, whatever the role has set; its time zone is that of its machine.
        Connection { settings: "SET DateStyle TO 'ISO'; SET extra_float_digits TO 3", ..Connection::default() }
    }
}

/// Whether `dbms:` means an engine.
fn is_ours(dbms: &str, dialect: Dialect) -> bool {
    let (ours, not_ours) = match dialect {
        Dialect::PostgreSql => ("postgresql", "!postgresql"),
        Dialect::Sqlite => ("sqlite", "!sqlite"),
    };
    let names = split::names(dbms);
    let is = |name: &str| names.iter().any(|each| each == name);
    let only_others = names.iter().all(|name| name.starts_with('!'));
    is("all") || is(ours) || (only_others && !is(not_ours)) && !is("none")
}

fn is(file: &MigrationFile, name: &str) -> bool {
    file.attribute(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn line(file: &MigrationFile) -> usize {
    file.attribute(LINE).and_then(|line| line.parse().ok()).unwrap_or(1)
}

/// Scripts in a folder and below it, by the order of their paths.
fn scripts_below(directory: &Path) -> Result<Vec<(String, PathBuf)>, MigrationError> {
    Ok(files_below(directory)?.into_iter().filter(|(name, _)| name.ends_with(".sql")).collect())
}

/// Adds the changesets of a file that would run here.
fn read_changelog(
    source: Arc<SourceFile>,
    byte_order_mark: bool,
    settings: &BTreeMap<String, String>,
    tree: &mut MigrationTree,
) -> Result<(), MigrationError> {
    if !changelog::is_formatted(&source.text) {
        tree.notes.push(format!("{}: passed over: it does not begin with `--liquibase formatted sql`", source.name));
        return Ok(());
    }
    let Changelog { logical_path, change_sets, properties } = changelog::parse(&source, tree.dialect())?;
    for (name, value) in properties {
        tree.attributes.entry(format!("{VALUE}{name}")).or_insert(value);
    }
    let path = logical_path.unwrap_or_else(|| changelog::stored_path(&source.name));
    for set in change_sets {
        if let Some(why) = filtered(&set, settings, &source, tree.dialect())? {
            tree.notes.push(format!("{}:{}: left out as Liquibase does: {why}", source.name, set.line));
            continue;
        }
        tree.files.push(migration(set, &source, &path, byte_order_mark));
    }
    Ok(())
}

/// Why a changeset is not for this run, if it is not.
fn filtered(
    set: &ChangeSet,
    settings: &BTreeMap<String, String>,
    source: &SourceFile,
    dialect: Dialect,
) -> Result<Option<String>, MigrationError> {
    let attribute = |name: &str| set.attributes.get(name).map(String::as_str);
    let unclear = |what: &str| MigrationError::Content {
        file: source.name.clone(),
        line: set.line,
        reason: format!("{what} with parentheses are not reproduced: write them without"),
    };
    if let Some(dbms) = attribute("dbms").filter(|dbms| !is_ours(dbms, dialect)) {
        return Ok(Some(format!("dbms:{dbms}")));
    }
    if set.is("ignore", false) {
        return Ok(Some("ignore:true".to_owned()));
    }
    // Without contexts or labels at run time, none are looked at.
    let of_run = |names: [&str; 2]| names.into_iter().find_map(|name| settings.get(name)).filter(|own| !own.is_empty());
    if let (Some(given), Some(context)) =
        (of_run(["contexts", "contextfilter"]), attribute("contextfilter").or(attribute("context")))
        && !split::holds(context, &split::names(given)).ok_or_else(|| unclear("contexts"))?
    {
        return Ok(Some(format!("context:{context} is not among {given}")));
    }
    if let (Some(wanted), Some(labels)) = (of_run(["labelfilter", "labels"]), attribute("labels"))
        && !split::holds(wanted, &split::names(labels)).ok_or_else(|| unclear("label filters"))?
    {
        return Ok(Some(format!("labels:{labels} are not {wanted}")));
    }
    Ok(None)
}

fn migration(set: ChangeSet, source: &Arc<SourceFile>, path: &str, byte_order_mark: bool) -> MigrationFile {
    let script = |parts| Script { file: Arc::clone(source), parts };
    let text = |parts: &[std::ops::Range<usize>]| {
        let text: String = parts.iter().map(|part| &source.text[part.clone()]).collect();
        text.trim().to_lowercase()
    };
    let undone = text(&set.down);
    let has_down = !matches!(undone.as_str(), "" | "empty" | "not required") && !undone.starts_with("changesetid:");
    let mut attributes = set.attributes;
    let path = attributes.get("logicalfilepath").cloned().unwrap_or_else(|| path.to_owned());
    attributes.extend([
        (ID.to_owned(), set.id.clone()),
        (AUTHOR.to_owned(), set.author.clone()),
        (PATH.to_owned(), path),
        (LINE.to_owned(), set.line.to_string()),
        (VALID.to_owned(), set.valid_checksums.join("\n")),
    ]);
    if set.has_preconditions {
        attributes.insert(PRECONDITIONS.to_owned(), String::new());
    }
    MigrationFile {
        version: format!("{}:{}", set.author, set.id),
        name: set.comment,
        up: script(set.up),
        down: has_down.then(|| script(set.down)),
        checksum: None,
        byte_order_mark,
        attributes,
    }
}

/// Author and id may be the same in several files; then the path tells them apart.
fn name_apart(files: &mut [MigrationFile]) -> Result<(), MigrationError> {
    let mut seen: HashMap<(String, String), String> = HashMap::new();
    let mut paths: HashMap<String, usize> = HashMap::new();
    for file in files.iter() {
        let place = format!("{}:{}", file.file().name, line(file));
        let key = (file.version.clone(), file.attribute(PATH).unwrap_or_default().to_owned());
        *paths.entry(file.version.clone()).or_default() += 1;
        if let Some(first) = seen.insert(key, place.clone()) {
            return Err(MigrationError::DuplicateVersion { version: file.version.clone(), first, second: place });
        }
    }
    for file in files.iter_mut().filter(|file| paths.get(&file.version).is_some_and(|count| *count > 1)) {
        file.version = format!("{}::{}", file.attribute(PATH).unwrap_or_default(), file.version);
    }
    Ok(())
}

/// A script's text with properties filled in; what has no value stays.
fn render<'a>(tree: &MigrationTree, script: &'a Script) -> Rendered<'a> {
    let mut rendered = Rendered::new(&script.file).in_dialect(tree.dialect());
    for part in &script.parts {
        let mut at = part.start;
        let text = &script.file.text[..part.end];
        while let Some(begin) = text[at..].find("${").map(|found| at + found) {
            let Some(end) = text[begin..].find('}').map(|found| begin + found) else { break };
            rendered.copy(at..begin);
            match tree.attributes.get(&format!("{VALUE}{}", &text[begin + 2..end])) {
                Some(value) => rendered.replace(begin..end + 1, value),
                None => rendered.copy(begin..end + 1),
            }
            at = end + 1;
        }
        rendered.copy(at..part.end);
    }
    rendered
}

/// The name of a property that stands unfilled in a statement.
fn unfilled(sql: &str) -> Option<&str> {
    let rest = &sql[sql.find("${")? + 2..];
    let name = &rest[..rest.find('}')?];
    let is_name =
        !name.is_empty() && name.chars().all(|each| each.is_alphanumeric() || matches!(each, '_' | '.' | '-'));
    is_name.then_some(name)
}

/// Liquibase's checksum, version 9: MD5 of the text without whitespace, and of that again.
fn checksum(tree: &MigrationTree, file: &MigrationFile) -> String {
    let text: String =
        render(tree, &file.up).text().chars().filter(|each| !matches!(each, ' ' | '\t' | '\r' | '\n')).collect();
    let of_change = format!("9:{}:", hex(&Md5::digest(text)));
    format!("9:{}", hex(&Md5::digest(of_change)))
}

fn history_write(file: &MigrationFile, tree: &MigrationTree) -> HistoryWrite {
    let table = tree.history_table();
    let now = if tree.is_sqlite() { "CURRENT_TIMESTAMP" } else { "NOW()" };
    let attribute = |name: &str| literal(file.attribute(name).unwrap_or_default());
    let (id, author, path) = (attribute(ID), attribute(AUTHOR), attribute(PATH));
    let list = |names: [&str; 2]| {
        names.into_iter().find_map(|name| file.attribute(name)).map_or_else(|| "NULL".to_owned(), literal)
    };
    let (contexts, labels) = (list(["contextfilter", "context"]), list(["labels", "labels"]));
    let checksum = literal(file.checksum.as_deref().unwrap_or_default());
    let same = format!("ID = {id} AND AUTHOR = {author} AND FILENAME = {path}");
    let comments = literal(&file.name);
    HistoryWrite {
        table: table.to_owned(),
        // A changeset that runs again has its row.
        applied: vec![format!(
            "INSERT INTO {table} (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, \
             CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) SELECT {id}, {author}, {path}, {now}, \
             (SELECT coalesce(max(ORDEREXECUTED), 0) + 1 FROM {table}), {checksum}, 'sql', {comments}, 'EXECUTED', {contexts}, \
             {labels}, NULL, '{DEPLOYMENT}' WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same})"
        )],
        in_transaction: false,
        undo: vec![format!("DELETE FROM {table} WHERE {same} AND DEPLOYMENT_ID = '{DEPLOYMENT}'")],
        ..HistoryWrite::default()
    }
}

fn create_table(table: &str, dialect: Dialect) -> String {
    let moment = match dialect {
        Dialect::PostgreSql => "TIMESTAMP WITHOUT TIME ZONE",
        Dialect::Sqlite => "TEXT",
    };
    format!(
        "CREATE TABLE {table} (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL, \
         DATEEXECUTED {moment} NOT NULL, ORDEREXECUTED INTEGER NOT NULL, EXECTYPE VARCHAR(10) NOT NULL, \
         MD5SUM VARCHAR(35), DESCRIPTION VARCHAR(255), COMMENTS VARCHAR(255), TAG VARCHAR(255), LIQUIBASE VARCHAR(20), \
         CONTEXTS VARCHAR(255), LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10))"
    )
}

#[cfg(test)]
#[path = "liquibase/tests.rs"]
mod tests;
