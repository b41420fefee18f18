//! The layout of refinery: `V<version>__<name>.sql`, and `U` for those whose order does not matter.

use super::{
    Cut, Evidence, Folder, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands,
    files_below, found, in_runners_transaction, literal, sort_by_version, sqlite,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection, missing, refuse_missing, value};
use crate::migration::script::Dialect;
use crate::migration::{Connection, HistoryWrite, MigrationError, TransactionMode};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

/// refinery 0.8 and newer.
#[derive(Debug)]
pub struct Refinery;

const HISTORY: HistoryShape = HistoryShape {
    columns: &["version", "name", "applied_on", "checksum"],
    later: &[],
    foreign: &[],
    order: "version",
};

/// Attribute: the file may run after newer ones did.
const UNVERSIONED: &str = "unversioned";
/// Attribute of a file: the checksum that refinery counts when its versions have 64 bits.
const WIDE_CHECKSUM: &str = "wide_checksum";
/// Attributes of the tree: versions have 64 bits; rows are written in the migration's transaction.
const WIDE: &str = "int8-versions";
const ASYNC: &str = "tokio-postgres";
/// Attribute of the tree: versions whose migrations are Rust.
const CODE: &str = "code";

/// A file name taken apart as refinery does.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    is_unversioned: bool,
    version: &'a str,
    name: &'a str,
    is_code: bool,
}

impl<'a> Name<'a> {
    /// `None` for files that refinery passes over.
    fn parse(file_name: &'a str) -> Option<Self> {
        let is_code = file_name.ends_with(".rs");
        let stem = file_name.strip_suffix(".sql").or_else(|| file_name.strip_suffix(".rs"))?;
        let is_unversioned = stem.starts_with('U');
        let (version, name) = stem.strip_prefix(['U', 'V'])?.split_once("__")?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_version = match version.split_once('.') {
            Some((whole, part)) => digits(whole) && digits(part),
            None => digits(version),
        };
        let is_name = !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_');
        (is_version && is_name).then_some(Self { is_unversioned, version, name, is_code })
    }
}

impl Layout for Refinery {
    fn name(&self) -> &'static str {
        "refinery"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[TransactionMode::PerMigration, TransactionMode::AllPending],
            otherwise: "refinery opens a transaction for every file, or one for all of them",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        if site.speaks_of_another(self.name()) {
            return None;
        }
        let marker = site.nearest("refinery.toml").map(|path| format!("{} is refinery's", path.display()));
        let dependency = site.depends_on_in("Cargo.toml", &["refinery", "refinery-core"]);
        let is_mine = |name: &str| Name::parse(name).is_some();
        if marker.is_some() || dependency.is_some() {
            let found = files_below(&site.directory).ok()?;
            if found.iter().any(|(name, _)| is_mine(last(name))) {
                return marker.map(Evidence::marker).or(dependency.map(Evidence::dependency));
            }
        }
        let is_whole = |name: &str| Name::parse(name).is_some_and(|name| name.version.parse::<i64>().is_ok());
        site.every_script(is_whole)
            .then(|| Evidence::names("every file is named as refinery names them: V<number>__<name>.sql"))
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let Found { directory, files, folder } = found(self.name(), request, files_below)?;
        let site = Site::new(request.paths)?;
        let mut tree = MigrationTree::new(self.name(), request);
        collect(files, &folder, &mut tree)?;
        tree.refuse_empty(&directory, "files named V<number>__<name>.sql")?;
        let is_beyond = |file: &MigrationFile| file.version.parse::<i32>().is_err();
        let is_wide = site.depends_on(&[WIDE]).is_some() || tree.files.iter().any(is_beyond);
        if is_wide {
            tree.attributes.insert(WIDE.to_owned(), "true".to_owned());
        }
        if site.depends_on(&[ASYNC]).is_some() {
            tree.attributes.insert(ASYNC.to_owned(), "true".to_owned());
        }
        sqlite::note_bundled(&mut tree, &site, "refinery");
        let table = tree.keep_history(HISTORY, "refinery_schema_history");
        tree.create_history = vec![format!(
            "CREATE TABLE IF NOT EXISTS {table}(\n             version {} PRIMARY KEY,\n             \
             name VARCHAR(255),\n             applied_on VARCHAR(255),\n             checksum VARCHAR(255))",
            if is_wide { "int8" } else { "int4" }
        )];
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let mut applied = Vec::new();
        for row in rows.unwrap_or_default().iter().enumerate() {
            let version = value(row, 0, "no version")?.to_owned();
            applied.push(Applied { version, checksum: row.1.get(3).cloned().flatten() });
        }
        let code: Vec<&str> = tree.attributes.get(CODE).map(|all| all.split(',').collect()).unwrap_or_default();
        let gone: Vec<String> =
            missing(tree, &applied).into_iter().filter(|version| !code.contains(&version.as_str())).collect();
        refuse_missing(tree, &gone)?;
        let mut selection = Selection::absent(tree, &applied);
        // Either width counts as the same text: which one a binary was built with is not in its files.
        let is_known = |file: &MigrationFile| {
            let row = applied.iter().find(|row| row.version == file.version);
            row.is_some_and(|row| row.checksum.as_deref() == file.attribute(WIDE_CHECKSUM))
        };
        selection.edited.retain(|at| !is_known(&tree.files[*at]));
        for version in code.iter().filter(|version| !applied.iter().any(|row| row.version == **version)) {
            selection.notes.push(format!("version {version} is pending and written in Rust: it is not rehearsed"));
        }
        let newest = applied.last().map(|row| row.version.clone());
        let number = |version: &str| version.parse::<i64>().ok();
        let current = newest.as_deref().and_then(number);
        for file in selection.pending.iter().filter_map(|at| tree.files.get(*at)) {
            if current.is_none_or(|current| number(&file.version).is_none_or(|version| version > current)) {
                continue;
            }
            let (name, newest) = (&file.file().name, newest.as_deref().unwrap_or_default());
            if file.attribute(UNVERSIONED).is_none() {
                return Err(MigrationError::Refused {
                    layout: self.name(),
                    reason: format!(
                        "{name} is not applied and not newer than version {newest}, which is: give it a newer version, or name it U if its order does not matter"
                    ),
                });
            }
            selection.notes.push(format!("{name}: older than version {newest}, which refinery allows for U"));
        }
        selection.newest = newest;
        Ok(selection)
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        tree.refuse_byte_order_mark(file)?;
        let mut notes = Vec::new();
        let own = match tree.is_sqlite() {
            true => {
                sqlite::within_runners("refinery", source, cuts, &mut notes);
                TransactionMode::PerMigration
            }
            false => in_runners_transaction("refinery", source, cuts, &mut notes),
        };
        let transaction = match own {
            TransactionMode::PerMigration if tree.options.transaction == Some(TransactionMode::AllPending) => {
                TransactionMode::AllPending
            }
            transaction => transaction,
        };
        let (table, version) = (tree.history_table(), &file.version);
        let wide = tree.attributes.contains_key(WIDE).then(|| file.attribute(WIDE_CHECKSUM)).flatten();
        let checksum = wide.or(file.checksum.as_deref()).unwrap_or_default();
        let now = match tree.dialect() {
            Dialect::PostgreSql => "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
            Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        };
        let history = HistoryWrite {
            table: table.to_owned(),
            applied: vec![format!(
                "INSERT INTO {table} (version, name, applied_on, checksum) VALUES ({version}, {}, {now}, '{checksum}')",
                literal(&file.name)
            )],
            // With rusqlite a row alone is a transaction, unless all is one.
            in_transaction: match tree.is_sqlite() {
                true => transaction == TransactionMode::AllPending,
                false => tree.attributes.contains_key(ASYNC),
            },
            undo: vec![format!("DELETE FROM {table} WHERE version = {version}")],
            ..HistoryWrite::default()
        };
        Ok(Grouping { transaction, history: Some(history), notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        sqlite::connection(tree)
    }
}

/// The last part of a relative path.
fn last(relative: &str) -> &str {
    Path::new(relative).file_name().and_then(|name| name.to_str()).unwrap_or(relative)
}

/// Reads the migrations among `found` into `tree`, lowest version first.
fn collect(found: Vec<(String, PathBuf)>, folder: &Folder, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    let mut files = Vec::new();
    let mut code = Vec::new();
    for (relative, path) in found {
        let Some(name) = Name::parse(last(&relative)) else {
            if relative.ends_with(".sql") {
                tree.notes.push(format!("{relative}: passed over as refinery does: not V<number>__<name>.sql"));
            }
            continue;
        };
        let Ok(version) = name.version.parse::<i64>() else {
            let reason = format!(
                "refinery stops at this name, since `{}` is not a whole number it can hold: name it V<number>__<name>.sql",
                name.version
            );
            return Err(MigrationError::FileName { file: relative, reason });
        };
        if name.is_code {
            code.push(version.to_string());
            continue;
        }
        let (file, byte_order_mark) = folder.read(&relative, &path)?;
        let sum = |version: &[u8]| checksum(name.name, version, byte_order_mark, &file.text).to_string();
        let wide = sum(&version.to_le_bytes());
        let narrow = i32::try_from(version).map_or_else(|_| wide.clone(), |version| sum(&version.to_le_bytes()));
        let mut attributes = BTreeMap::from([(WIDE_CHECKSUM.to_owned(), wide)]);
        if name.is_unversioned {
            attributes.insert(UNVERSIONED.to_owned(), "true".to_owned());
        }
        let migration = MigrationFile {
            version: version.to_string(),
            name: name.name.to_owned(),
            up: Script::whole(file),
            down: None,
            checksum: Some(narrow),
            byte_order_mark,
            attributes,
        };
        files.push((version, migration));
    }
    sort_by_version(&mut files)?;
    tree.files = files.into_iter().map(|(_, file)| file).collect();
    if !code.is_empty() {
        tree.attributes.insert(CODE.to_owned(), code.join(","));
    }
    Ok(())
}

/// SipHash-1-3 of name, version and text, each as Rust hashes it: strings end in 0xff, numbers are as the machine has them.
fn checksum(name: &str, version: &[u8], byte_order_mark: bool, sql: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(name.as_bytes());
    hasher.write(&[0xff]);
    hasher.write(version);
    if byte_order_mark {
        hasher.write("\u{feff}".as_bytes());
    }
    hasher.write(sql.as_bytes());
    hasher.write(&[0xff]);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with};
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&Refinery, &[folder.path().to_owned()], folder.path())
    }

    fn row(file: &MigrationFile) -> Row {
        let text = |text: &str| Some(text.to_owned());
        vec![text(&file.version), text(&file.name), text("2026-01-01T00:00:00Z"), file.checksum.clone()]
    }

    #[test]
    fn names_are_taken_apart_as_refinery_does() {
        let tree = read(&[
            ("V10__ten.sql", "SELECT 10"),
            ("V9__nine.sql", "SELECT 9"),
            ("sub/U0__merged_late.sql", "SELECT 0"),
            ("V4__dash-name.sql", "SELECT 4"),
            ("V5__héé.sql", "SELECT 5"),
            ("mod.rs", ""),
            ("notes.sql", ""),
        ])
        .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
        assert_eq!(found, [("0", "merged_late"), ("5", "héé"), ("9", "nine"), ("10", "ten")]);
        assert_eq!(tree.notes.len(), 2, "{:?}", tree.notes);
        assert!(tree.notes[0].starts_with("V4__dash-name.sql: passed over as refinery does"));
    }

    #[test]
    fn what_refinery_stops_at_is_an_error() {
        let message = |files: &[(&str, &str)]| read(files).expect_err("refinery stops").to_string();
        assert!(message(&[("V1.2__a.sql", "")]).starts_with("V1.2__a.sql: refinery stops at this name"));
        assert!(message(&[("V1__a.sql", ""), ("U1__b.sql", "")]).starts_with("version 1 belongs to both"));
        assert!(message(&[("a.sql", "")]).contains("no migrations here"));
    }

    #[test]
    fn checksums_are_those_refinery_wrote() {
        let tree = read(&[
            ("V1__create_t.sql", "CREATE TABLE t (a int);\n"),
            ("V3__empty.sql", ""),
            ("U0__merged_late.sql", "SELECT 1\n"),
        ])
        .expect("readable");
        let found: Vec<&str> = tree.files.iter().filter_map(|file| file.checksum.as_deref()).collect();
        assert_eq!(found, ["92682265058766595", "4767832425218674523", "3778979039168287373"]);
    }

    #[test]
    fn only_newer_versions_run_and_unversioned_ones_whenever_they_come() {
        let tree = read(&[
            ("V1__a.sql", "SELECT 1"),
            ("U2__b.sql", "SELECT 2"),
            ("V3__c.sql", "SELECT 3"),
            ("V4__d.sql", "SELECT 4"),
        ])
        .expect("readable");
        let rows = [row(&tree.files[0]), row(&tree.files[2])];
        let selection = Refinery.select(&tree, Some(&rows)).expect("selects");
        assert_eq!(selection.pending, [1, 3]);
        assert!(selection.notes[0].contains("refinery allows for U") && selection.edited.is_empty());
        let message = |rows: &[Row]| Refinery.select(&tree, Some(rows)).expect_err("refused").to_string();
        assert!(message(&rows[1..]).contains("V1__a.sql is not applied and not newer than version 3"));
        let gone = MigrationFile { version: "7".to_owned(), ..tree.files[0].clone() };
        assert!(message(&[row(&gone)]).contains("without a file here: 7."));
        let mut edited = row(&tree.files[0]);
        edited[3] = Some("1".to_owned());
        assert_eq!(Refinery.select(&tree, Some(&[edited.clone()])).expect("selects").edited, [0]);
        edited[3] = tree.files[0].attribute(WIDE_CHECKSUM).map(str::to_owned);
        assert!(Refinery.select(&tree, Some(&[edited])).expect("selects").edited.is_empty());
    }

    #[test]
    fn migrations_in_rust_are_named_and_not_missed() {
        let tree = read(&[("V1__a.sql", "SELECT 1"), ("V2__b.rs", ""), ("V3__c.rs", "")]).expect("readable");
        let code = MigrationFile { version: "2".to_owned(), ..tree.files[0].clone() };
        let selection = Refinery.select(&tree, Some(&[row(&tree.files[0]), row(&code)])).expect("selects");
        assert_eq!(selection.notes, ["version 3 is pending and written in Rust: it is not rehearsed"]);
    }

    fn grouped(files: &[(&str, &str)], transaction: Option<TransactionMode>) -> Result<Grouping, MigrationError> {
        let mut tree = read(files)?;
        tree.options.transaction = transaction;
        let cuts = Refinery.cut(&tree, &tree.files[0], &tree.files[0].up)?;
        Refinery.grouping(&tree, &tree.files[0], &cuts, None)
    }

    #[test]
    fn each_file_is_a_transaction_and_its_row_one_of_its_own() {
        let sync = grouped(&[("V1__a.sql", "SELECT 1")], None).expect("groups");
        let history = sync.history.expect("a row");
        assert_eq!((sync.transaction, history.in_transaction), (TransactionMode::PerMigration, false));
        assert!(
            history.applied[0].starts_with(
                "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (1, 'a', "
            )
        );
        let cargo =
            ("Cargo.toml", "refinery = { version = \"0.9\", features = [\"tokio-postgres\", \"int8-versions\"] }");
        let other = grouped(&[("V1__a.sql", "SELECT 1"), cargo], None).expect("groups").history.expect("a row");
        assert!(other.in_transaction && other.applied[0] != history.applied[0]);
        let all = grouped(&[("V1__a.sql", "SELECT 1")], Some(TransactionMode::AllPending)).expect("groups");
        assert_eq!(all.transaction, TransactionMode::AllPending);
        assert!(grouped(&[("V1__a.sql", "")], None).is_ok(), "refinery runs an empty file");
        assert!(grouped(&[("V1__a.sql", "\u{feff}SELECT 1")], None).is_err());
    }

    #[test]
    fn big_versions_make_a_wide_history() {
        let narrow = read(&[("V1__a.sql", "")]).expect("readable");
        assert!(narrow.create_history[0].contains("version int4"));
        let wide = read(&[("V20260102030405__a.sql", "")]).expect("readable");
        assert!(wide.create_history[0].contains("version int8"));
    }

    #[test]
    fn names_and_dependencies_give_it_away() {
        let why = |files: &[(&str, &str)]| {
            let folder = folder(files);
            Refinery.detect(&Site::new(&[folder.path().to_owned()]).expect("readable")).map(|evidence| evidence.why)
        };
        let cargo = ("Cargo.toml", "refinery = \"0.9\"");
        assert_eq!(why(&[cargo, ("V1__a.sql", "")]).expect("found"), "Cargo.toml names refinery");
        assert!(
            why(&[("refinery.toml", ""), ("V1__a.sql", "")]).expect("found").ends_with("refinery.toml is refinery's")
        );
        assert!(why(&[("V1__a.sql", "")]).expect("found").contains("every file is named"));
        for files in [&[cargo, ("1_a.sql", "")][..], &[("V1.2__a.sql", "")], &[("V1__a.sql", ""), ("R__b.sql", "")]] {
            assert!(why(files).is_none(), "{files:?}");
        }
    }
}
