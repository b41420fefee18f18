//! What graphile-migrate makes of a folder. Hashes are those its `commit` wrote.

use super::super::LayoutOptions;
use super::super::tests::{folder, read as read_with, read_named};
use super::*;
use crate::migration::TransactionMode;
use crate::migration::history::pending;

const FIRST: &str = "--! Previous: -\n--! Hash: sha1:cd62a8e9423d9321ca83810dfb006154d5751f44\n--! Message: beds\n\n\
    DROP SCHEMA IF EXISTS garden CASCADE;\nCREATE SCHEMA garden;\nCREATE TABLE garden.beds (\n    \
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    crop text NOT NULL,\n    square_metres integer NOT NULL\n);\n";
const SECOND: &str = "--! Previous: sha1:cd62a8e9423d9321ca83810dfb006154d5751f44\n\
    --! Hash: sha1:2a4f5b9f0bdc171b63bfa740042897feabfe73f4\n--! Message: reader sees beds\n\n\
    GRANT USAGE ON SCHEMA garden TO :GARDEN_READER;\nGRANT SELECT ON garden.beds TO :GARDEN_READER;\n";
const THIRD: &str = "--! Previous: sha1:2a4f5b9f0bdc171b63bfa740042897feabfe73f4\n\
    --! Hash: sha1:543435222efdc25380234928b4992aba42f54589\n--! Message: index crop\n\n--! no-transaction\n\
    CREATE INDEX CONCURRENTLY IF NOT EXISTS beds_crop_idx ON garden.beds (crop);\n";
const SETTINGS: &str = "{ // comment\n  placeholders: { ':GARDEN_READER': 'garden_reader', },\n  \
    pgSettings: { \"search_path\": \"garden,public\" },\n}";

/// The three committed migrations, with further files or other texts.
fn project(more: &[(&str, &str)]) -> tempfile::TempDir {
    let mut files: BTreeMap<&str, &str> = BTreeMap::from([
        ("migrations/committed/000001-beds.sql", FIRST),
        ("migrations/committed/000002-reader-sees-beds.sql", SECOND),
        ("migrations/committed/000003-index-crop.sql", THIRD),
        (".gmrc", SETTINGS),
        (".git/HEAD", ""),
    ]);
    files.extend(more.iter().copied());
    folder(&files.into_iter().filter(|(_, text)| *text != "gone").collect::<Vec<_>>())
}

fn read(more: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
    let folder = project(more);
    read_with(&GraphileMigrate, &[folder.path().join("migrations")], folder.path())
}

fn message(more: &[(&str, &str)]) -> String {
    read(more).expect_err("stops").to_string()
}

fn row(number: &str, hash: &str) -> Row {
    vec![Some(format!("{number}.sql")), Some(format!("sha1:{hash}")), None]
}

fn applied() -> [Row; 2] {
    [
        row("000001", "cd62a8e9423d9321ca83810dfb006154d5751f44"),
        row("000002", "2a4f5b9f0bdc171b63bfa740042897feabfe73f4"),
    ]
}

fn versions(tree: &MigrationTree) -> Vec<&str> {
    tree.files.iter().map(|file| file.version.as_str()).collect()
}

#[test]
fn hashes_are_those_of_the_tool_and_chain_the_files() {
    let tree = read(&[("migrations/committed/notes.sql", "x")]).expect("readable");
    assert_eq!(versions(&tree), ["000001", "000002", "000003"]);
    assert!(tree.files.iter().all(|file| file.checksum.as_deref() == file.attribute(HASH)));
    assert_eq!(tree.files[1].name, "reader sees beds");
    assert_eq!(tree.session, ["select pg_catalog.set_config('search_path', 'garden,public', false)"]);
    assert!(tree.notes[0].starts_with("notes.sql: passed over"));
}

#[test]
fn what_comes_after_the_newest_row_is_pending() {
    let tree = read(&[]).expect("readable");
    let found = pending(&tree, Some(&applied()), None).expect("pending");
    assert_eq!(found.migrations.len(), 1);
    assert_eq!(found.migrations[0].transaction, TransactionMode::None);
    let history = found.migrations[0].history.as_ref().expect("a row");
    assert!(!history.in_transaction);
    assert_eq!(
        history.applied,
        ["insert into graphile_migrate.migrations(hash, previous_hash, filename) values \
          ('sha1:543435222efdc25380234928b4992aba42f54589', 'sha1:2a4f5b9f0bdc171b63bfa740042897feabfe73f4', '000003.sql')"]
    );
    let [_, second] = applied();
    let gap = pending(&tree, Some(&[second]), None).expect("pending");
    assert_eq!(gap.migrations.len(), 1);
    assert!(gap.notes[0].contains("000001-beds.sql: not applied and older than 000002.sql"), "{:?}", gap.notes);
}

#[test]
fn values_stand_where_placeholders_stood() {
    let found = pending(&read(&[]).expect("readable"), None, None).expect("pending");
    let grant = &found.migrations[1].statements[1];
    assert_eq!(grant.sql(), "GRANT SELECT ON garden.beds TO garden_reader");
    assert_eq!(grant.start().line, 6);
    assert_eq!(&grant.file.text[grant.span.clone()], "GRANT SELECT ON garden.beds TO :GARDEN_READER");
    assert_eq!(found.migrations[0].history.as_ref().expect("a row").applied[0].matches("NULL").count(), 1);
}

#[test]
fn a_placeholder_without_a_value_is_named_with_its_line() {
    let settings = SETTINGS.replace("'garden_reader'", "'!ENV'");
    let tree = read(&[(".gmrc", &settings)]).expect("readable");
    let error = pending(&tree, None, None).expect_err("no value").to_string();
    assert!(
        error.starts_with("migrations/committed/000002-reader-sees-beds.sql:5: :GARDEN_READER has no value"),
        "{error}"
    );
    let tree = read(&[("migrations/current.sql", "GRANT CONNECT ON DATABASE :DATABASE_NAME TO :GARDEN_READER::x")])
        .expect("readable");
    let error = pending(&tree, None, None).expect_err("no value").to_string();
    assert!(error.contains(":DATABASE_NAME has no value: graphile-migrate takes it from its connection"), "{error}");
    let folder = project(&[(".gmrc", &settings)]);
    let options = LayoutOptions {
        placeholders: BTreeMap::from([("GARDEN_READER".to_owned(), "r".to_owned())]),
        ..LayoutOptions::default()
    };
    let paths = [folder.path().join("migrations")];
    let request = Request { paths: &paths, root: folder.path(), options: &options };
    let tree = GraphileMigrate.read(&request).expect("readable");
    assert_eq!(
        pending(&tree, None, None).expect("given").migrations[1].statements[0].sql(),
        "GRANT USAGE ON SCHEMA garden TO r"
    );
    assert!(message(&[(".gmrc", "{placeholders: {reader: 'x'}}")]).contains("reader is not written as :ABC_DEF"));
    assert!(message(&[(".gmrc", "{placeholders: ")]).contains(".gmrc: "));
}

#[test]
fn current_is_rehearsed_as_commit_would_write_it() {
    let current = "--! Message: harvests\n\nALTER TABLE beds ADD COLUMN IF NOT EXISTS harvested date;\n--!include harvest.sql\n\
        COMMENT ON COLUMN beds.harvested IS 'for :GARDEN_READER';\n";
    let harvest = "CREATE OR REPLACE VIEW ripe AS SELECT id, crop FROM beds WHERE harvested IS NULL;\nGRANT SELECT ON ripe TO :GARDEN_READER;\n";
    let tree =
        read(&[("migrations/current.sql", current), ("migrations/fixtures/harvest.sql", harvest)]).expect("readable");
    assert_eq!(tree.files[3].attribute(HASH), Some("sha1:c7152781912b3c4e9f89e0a62b81081342ec88ab"));
    let found = pending(&tree, Some(&applied()), None).expect("pending");
    let last = &found.migrations[1];
    assert_eq!((last.version.as_str(), last.name.as_str()), ("000004", "harvests"));
    assert_eq!(last.transaction, TransactionMode::PerMigration);
    let sent: Vec<(usize, &str)> = last.statements.iter().map(|each| (each.start().line, each.sql())).collect();
    assert_eq!(
        sent,
        [
            (3, "ALTER TABLE beds ADD COLUMN IF NOT EXISTS harvested date"),
            (4, "CREATE OR REPLACE VIEW ripe AS SELECT id, crop FROM beds WHERE harvested IS NULL"),
            (4, "GRANT SELECT ON ripe TO garden_reader"),
            (5, "COMMENT ON COLUMN beds.harvested IS 'for garden_reader'"),
        ]
    );
    assert!(found.notes[0].contains("not committed yet"), "{:?}", found.notes);
}

#[test]
fn an_empty_current_is_nothing_and_several_parts_are_refused() {
    assert_eq!(read(&[("migrations/current.sql", "-- Enter migration here\n")]).expect("readable").files.len(), 3);
    let one = [("migrations/current/1-current.sql", "-- nothing\n"), ("migrations/current/2-b.sql", "SELECT 1;")];
    assert_eq!(read(&one).expect("readable").files[3].file().name, "migrations/current/2-b.sql");
    let message_of = |more: &[(&str, &str)]| message(&[&one[1..], more].concat());
    assert!(
        message_of(&[("migrations/current/3-c.sql", "SELECT 2;")]).contains("3-c.sql:1: several files of current/")
    );
    assert!(message_of(&[("migrations/current/02.sql", "SELECT 2;")]).starts_with("version 2 belongs to both"));
    assert!(
        message_of(&[("migrations/current/x.sql", "SELECT 2;")]).contains("x.sql: graphile-migrate stops at this name")
    );
    assert!(message_of(&[("migrations/current.sql", "SELECT 2;")]).contains("keep one of them"));
}

#[test]
fn includes_stay_within_fixtures_and_end() {
    let including = |text| {
        message(&[
            ("migrations/current.sql", "SELECT 1;\n--!include a.sql\n"),
            ("migrations/fixtures/a.sql", text),
            ("migrations/x.sql", ""),
        ])
    };
    assert!(including("gone").contains("current.sql:2: it includes a.sql, which is not in"));
    assert!(including("--! include a.sql").contains("a.sql includes itself"));
    assert!(including("--!include ../x.sql").contains("which is not below"));
}

#[test]
fn what_the_tool_stops_at_is_an_error() {
    let third = "migrations/committed/000003-index-crop.sql";
    assert!(
        message(&[("migrations/committed/000002-reader-sees-beds.sql", "gone")]).contains("stops at a broken chain")
    );
    let twice = THIRD.replace("index crop", "x");
    assert!(message(&[("migrations/committed/000003-x.sql", &twice)]).starts_with("version 000003 belongs to both"));
    for broken in [THIRD.replace('\n', "\r\n"), format!("\u{feff}{THIRD}"), THIRD.replace("\n\n", "\n")] {
        assert!(message(&[(third, &broken)]).contains("an empty line below them"), "{broken:?}");
    }
    assert!(message(&[(third, "SELECT 1;")]).contains("an empty line below them"));
    assert!(message(&[(third, "\nSELECT 1;")]).contains("no `--! Previous:` line"));
    let edited = read(&[(third, &THIRD.replace("(crop)", "(id)"))]).expect("only looked at when it runs");
    assert!(
        pending(&edited, None, None)
            .expect_err("tampered")
            .to_string()
            .contains("the header's hash is not that of the text")
    );
    let allowed = THIRD.replace("--! Message", "--! AllowInvalidHash\n--! Message");
    let tree = read(&[(third, &allowed)]).expect("readable");
    assert!(pending(&tree, None, None).expect_err("right").to_string().contains("take that line out"));
}

#[test]
fn an_applied_file_that_was_edited_is_named() {
    let tree =
        read(&[("migrations/committed/000001-beds.sql", &FIRST.replace("integer", "bigint"))]).expect("readable");
    let found = pending(&tree, Some(&applied()), None).expect("pending");
    assert_eq!(found.edited.iter().map(|each| each.version.as_str()).collect::<Vec<_>>(), ["000001"]);
}

#[test]
fn the_opt_out_counts_as_the_first_line_and_wants_one_statement() {
    let group = |text: &str| {
        let found = pending(&read(&[("migrations/current.sql", text)]).expect("readable"), Some(&applied()), None)
            .expect("pending");
        (found.migrations[1].transaction, found.notes.last().cloned().unwrap_or_default())
    };
    assert_eq!(group("--! no-transaction\nVACUUM beds;").0, TransactionMode::None);
    let several = group("--!no-transaction\nSELECT 1;\nSELECT 2;");
    assert_eq!(several.0, TransactionMode::PerMigration);
    assert!(several.1.contains("exactly one statement"));
    let late = group("-- header\n--! no-transaction\nSELECT 1;");
    assert_eq!(late.0, TransactionMode::PerMigration);
    assert!(late.1.contains("current.sql:2: `--! no-transaction` only counts"), "{}", late.1);
    assert!(group("SELECT 1;\nCOMMIT;\n").1.contains("inside the transaction graphile-migrate opened"));
}

#[test]
fn its_settings_beside_its_folders_give_it_away() {
    let of = |more: &[(&str, &str)], path: &str| {
        let folder = project(more);
        let tree = read_named(&[folder.path().join(path)], None, folder.path()).expect("readable");
        (tree.layout, tree.files.len(), tree.detected.unwrap_or_default())
    };
    let (layout, files, why) = of(&[], "migrations");
    assert_eq!((layout, files), ("graphile_migrate", 3));
    assert!(why.ends_with(".gmrc is there"), "{why}");
    assert_eq!(of(&[], "migrations/committed").0, "graphile_migrate");
    assert_eq!(of(&[(".gmrc", "gone")], "migrations/committed").0, "graphile_migrate");
    let code = of(&[(".gmrc", "gone"), (".gmrc.js", "module.exports = {}")], "migrations");
    assert_eq!(code.0, "graphile_migrate");
    let current = ("migrations/current.sql", "SELECT 1;");
    assert_eq!(of(&[current], "migrations/current.sql").1, 1);
    let whole = project(&[]);
    assert_eq!(
        read_with(&GraphileMigrate, &[whole.path().to_owned()], whole.path()).expect("the project").files.len(),
        3
    );
}

#[test]
fn committed_migrations_give_the_layout_away_without_settings() {
    let files = |line: &'static str| [("committed/000001.sql", line), ("current.sql", "-- idempotent\n")];
    let detected = |line| {
        let folder = folder(&files(line));
        let evidence = GraphileMigrate.detect(&Site::new(&[folder.path().to_owned()]).expect("a folder"));
        evidence.map(|evidence| evidence.why)
    };
    assert_eq!(detected("--! Previous: -\n"), Some("`--! Previous: -` in 000001.sql of committed/".to_owned()));
    assert_eq!(detected("-- +goose Up\n"), None);
    assert_eq!(detected("SELECT 1;\n"), None);
}
