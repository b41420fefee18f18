//! What Liquibase makes of formatted SQL. Checksums are those Liquibase 4.28.0 wrote.

use super::super::tests::{folder, read as read_with, read_named};
use super::*;
use crate::migration::TransactionMode;
use crate::migration::history::pending;

const ROOT: &str = include_str!("../../../../tests/layouts/liquibase/project/changelog/root.sql");

fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
    let folder = folder(files);
    read_with(&Liquibase, &[folder.path().join("changelog")], folder.path())
}

fn one(changesets: &str) -> Result<MigrationTree, MigrationError> {
    read(&[("changelog/root.sql", &format!("--liquibase formatted sql\n{changesets}"))])
}

fn message(changesets: &str) -> String {
    one(changesets).expect_err("stops").to_string()
}

fn versions(tree: &MigrationTree) -> Vec<&str> {
    tree.files.iter().map(|file| file.version.as_str()).collect()
}

fn row(id: &str, path: &str, checksum: &str) -> Row {
    [id, "ada", path, checksum, "EXECUTED"].map(|value| Some(value.to_owned())).to_vec()
}

const CHECKSUMS: [(&str, &str); 5] = [
    ("create-tallies", "9:b0af1ad691ef8550dab0c3226fb886cf"),
    ("add-place", "9:45cc4774022ed3f0ed9bb272030d95b1"),
    ("summary", "9:38371599e84837a857a9689a63ba7213"),
    ("index-place", "9:e6ec43ee2ab376bcc84a25d01ba1bf54"),
    ("trigger", "9:b7802b2db6bfb2a98ab283878a3f097d"),
];

#[test]
fn checksums_are_those_of_liquibase_whatever_the_line_ends() {
    for text in [ROOT.to_owned(), ROOT.replace('\n', "\r\n"), format!("\u{feff}{ROOT}")] {
        let tree = read(&[("changelog/root.sql", &text)]).expect("readable");
        let found: Vec<(&str, &str)> = tree
            .files
            .iter()
            .map(|file| (file.attribute(ID).unwrap_or_default(), file.checksum.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(found, CHECKSUMS);
    }
}

#[test]
fn each_changeset_is_a_migration() {
    let tree = read(&[("changelog/root.sql", ROOT)]).expect("readable");
    let rows: Vec<Row> = CHECKSUMS[..2].iter().map(|(id, sum)| row(id, "classpath:changelog/root.sql", sum)).collect();
    let found = pending(&tree, Some(&rows), None).expect("pending");
    let told: Vec<(&str, TransactionMode, usize)> =
        found.migrations.iter().map(|each| (each.version.as_str(), each.transaction, each.statements.len())).collect();
    assert_eq!(
        told,
        [
            ("ada:summary", TransactionMode::PerMigration, 1),
            ("ada:index-place", TransactionMode::None, 1),
            ("ada:trigger", TransactionMode::PerMigration, 2),
        ]
    );
    assert!(found.edited.is_empty());
    let history = found.migrations[1].history.as_ref().expect("a row");
    assert!(!history.in_transaction);
    assert!(
        history.applied[0].contains("SELECT 'index-place', 'ada', 'changelog/root.sql', NOW()"),
        "{}",
        history.applied[0]
    );
    assert!(
        history.applied[0]
            .contains("'9:e6ec43ee2ab376bcc84a25d01ba1bf54', 'sql', '', 'EXECUTED', NULL, NULL, NULL, '0000000000'")
    );
    assert!(history.undo[0].ends_with("AND DEPLOYMENT_ID = '0000000000'"));
    assert!(found.notes.iter().any(|note| note.contains("left out as Liquibase does: dbms:h2")), "{:?}", found.notes);
}

#[test]
fn properties_stand_where_they_are_named() {
    let tree = read(&[("changelog/root.sql", ROOT)]).expect("readable");
    let found = pending(&tree, None, None).expect("pending");
    let comment = &found.migrations[1].statements[1];
    assert_eq!(comment.sql(), "COMMENT ON COLUMN tallies.place IS 'where; by tally'");
    assert_eq!(comment.start().line, 16);
    let unfilled = one("--changeset a:1\nSELECT '${gone}';\n").expect("readable");
    let found = pending(&unfilled, None, None).expect("sent as it stands");
    assert_eq!(found.migrations[0].statements[0].sql(), "SELECT '${gone}'");
    assert!(found.notes[0].contains("${gone} has no value"), "{:?}", found.notes);
    let given = read(&[
        (
            "changelog/root.sql",
            "--liquibase formatted sql\n--property name:x value:second\n--changeset a:1\nSELECT ${x};\n",
        ),
        ("liquibase.properties", "parameter.x=first\n"),
        (".git/HEAD", ""),
    ]);
    let found = pending(&given.expect("readable"), None, None).expect("pending");
    assert_eq!(found.migrations[0].statements[0].sql(), "SELECT first");
}

#[test]
fn what_undoes_a_changeset_may_span_lines() {
    let tree = one(
        "--changeset a:1\nDROP TABLE t;\n--rollback CREATE TABLE t (\n--rollback     x int);\n--rollback SELECT 2;\n\
         --changeset a:2\nSELECT 3;\n/* liquibase rollback\nSELECT 4;\nSELECT 5; */\n--changeset a:3\nSELECT 6;\n--rollback empty\n",
    )
    .expect("readable");
    let found = pending(&tree, None, None).expect("pending");
    let down = |at: usize| -> Option<Vec<String>> {
        Some(found.migrations[at].down.as_ref()?.statements.iter().map(|each| each.sql().to_owned()).collect())
    };
    assert_eq!(down(0), Some(vec!["CREATE TABLE t (\n    x int)".to_owned(), "SELECT 2".to_owned()]));
    assert_eq!(down(1), Some(vec!["SELECT 4".to_owned(), "SELECT 5".to_owned()]));
    assert_eq!(down(2), None);
    assert_eq!(found.migrations[1].statements.len(), 1);
}

#[test]
fn a_cut_through_dollar_quotes_is_an_error_with_its_line() {
    let body = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n    SELECT 1; SELECT 2;\n$$;\n";
    let tree = one(&format!("--changeset a:1\n{body}")).expect("readable");
    let error = pending(&tree, None, None).expect_err("cut in two").to_string();
    assert!(
        error.starts_with("changelog/root.sql:3: Liquibase cuts at semicolons within this dollar-quoted string"),
        "{error}"
    );
    for attribute in ["splitStatements:false", "endDelimiter:\\n//"] {
        let tree = one(&format!("--changeset a:1 {attribute}\n{body}")).expect("readable");
        assert_eq!(pending(&tree, None, None).expect("whole").migrations[0].statements.len(), 1, "{attribute}");
    }
    let odd = one("--changeset a:1 endDelimiter:\\s*go\nSELECT 1;\n").expect("readable");
    assert!(pending(&odd, None, None).expect_err("a pattern").to_string().contains("which is not reproduced"));
}

#[test]
fn changesets_that_run_again_are_pending_again() {
    let text = "--changeset ada:always runAlways:true\nSELECT 1;\n--changeset ada:changed runOnChange:true\nSELECT 2;\n\
        --changeset ada:edited\nSELECT 3;\n--changeset ada:blessed\n--validCheckSum: 9:00\nSELECT 4;\n--changeset ada:old\nSELECT 5;\n";
    let tree = one(text).expect("readable");
    let mut rows: Vec<Row> =
        ["always", "changed", "edited", "blessed"].map(|id| row(id, "changelog/root.sql", "9:00")).to_vec();
    rows.push(row("old", "root.sql", "8:00"));
    let selection = Liquibase.select(&tree, Some(&rows)).expect("selects");
    assert_eq!((selection.pending, selection.edited), (vec![0, 1], vec![2]));
    assert!(selection.notes[0].starts_with("1 changeset has a checksum of another version than 9"));
    let elsewhere = Liquibase.select(&tree, Some(&[row("edited", "other/boot.sql", "9:00")])).expect("selects");
    assert_eq!(elsewhere.pending.len(), 5, "the same id in another file is another changeset");
}

#[test]
fn filters_are_those_of_the_run() {
    let text = "--liquibase formatted sql\n--changeset a:1 context:test\nSELECT 1;\n--changeset a:2 context:\"prod and !slow\"\nSELECT 2;\n\
        --changeset a:3 dbms:!postgresql\nSELECT 3;\n--changeset a:4 ignore:true\nSELECT 4;\n--changeset a:5 labels:later\nSELECT 5;\n";
    let of = |properties: &str| {
        let files = [("changelog/a.sql", text), ("liquibase.properties", properties), (".git/HEAD", "")];
        read(&files).map(|tree| versions(&tree).join(" ")).map_err(|error| error.to_string())
    };
    assert_eq!(of(""), Ok("a:1 a:2 a:5".to_owned()));
    assert_eq!(of("liquibase.command.contexts: prod\nlabel-filter=!later\n"), Ok("a:2".to_owned()));
    assert!(of("labelFilter=(a or b) and c\n").expect_err("parentheses").contains("parentheses are not reproduced"));
}

#[test]
fn mistakes_are_named_with_their_lines() {
    assert!(message("--changeset nobody\nSELECT 1;").contains("root.sql:2: a changeset is written"));
    assert!(
        message("--changeset a:1\n--changeset a:2\nSELECT 1;")
            .contains("root.sql:2: there is no SQL in this changeset")
    );
    assert!(message("--property name:x\n--changeset a:1\nSELECT 1;").contains("root.sql:2: a property is written"));
    assert!(message("--comment: early\n").contains("stops at a comment line before the first changeset"));
    assert!(
        message("--changeset a:1\nSELECT 1;\n--changeset a:1\nSELECT 2;")
            .starts_with("version a:1 belongs to both changelog/root.sql:2")
    );
    assert!(message("--changeset a:1\n--ignoreLines:all\nSELECT 1;").contains("comes a number, `start` or `end`"));
    let ignored = one(
        "--ignoreLines:start\nnot SQL\n--ignoreLines:end\n--changeset \"a b\":\"c d\"\n--ignoreLines:1\nnot SQL\nSELECT 1;",
    );
    let ignored = ignored.expect("readable");
    assert_eq!(versions(&ignored), ["a b:c d"]);
    assert_eq!(pending(&ignored, None, None).expect("pending").migrations[0].statements[0].sql(), "SELECT 1");
}

#[test]
fn preconditions_are_said_not_to_be_evaluated() {
    let text = "--changeset a:1\n--preconditions onFail:MARK_RAN\n--precondition-sql-check expectedResult:0 SELECT count(*) FROM t\nSELECT 1;\n";
    let found = pending(&one(text).expect("readable"), None, None).expect("pending");
    assert!(
        found.notes[0].starts_with("changelog/root.sql:2: its preconditions are not evaluated"),
        "{:?}",
        found.notes
    );
    assert_eq!(found.migrations[0].statements.len(), 1);
}

#[test]
fn folders_are_read_by_the_order_of_their_paths() {
    let formatted = |id: &str| format!("-- Liquibase formatted SQL\n--changeset a:{id}\nSELECT 1;\n");
    let (one, two) = (formatted("1"), formatted("1"));
    let files = [
        ("changelog/v2/a.sql", two.as_str()),
        ("changelog/v1/b.sql", one.as_str()),
        ("changelog/raw.sql", "SELECT 1;"),
        ("changelog/root.xml", "<databaseChangeLog/>"),
    ];
    let tree = read(&files).expect("readable");
    assert_eq!(versions(&tree), ["changelog/v1/b.sql::a:1", "changelog/v2/a.sql::a:1"]);
    assert!(tree.notes[0].starts_with("root.xml not read"), "{:?}", tree.notes);
    assert!(tree.notes[1].starts_with("changelog/raw.sql: passed over"), "{:?}", tree.notes);
}

#[test]
fn its_first_line_gives_it_away() {
    let layout = |files: &[(&str, &str)]| {
        let folder = folder(files);
        read_named(&[folder.path().join("changelog")], None, folder.path()).expect("readable").layout
    };
    assert_eq!(layout(&[("changelog/root.sql", ROOT)]), "liquibase");
    let below = [("changelog/v1/root.sql", ROOT), ("liquibase.properties", ""), (".git/HEAD", "")];
    assert_eq!(layout(&below), "liquibase");
    assert_eq!(layout(&[("changelog/1_a.sql", "SELECT 1"), ("liquibase.properties", ""), (".git/HEAD", "")]), "sqlx");
}

#[test]
fn links_to_folders_and_hidden_folders_are_not_followed() {
    let text = "--liquibase formatted sql\n--changeset ada:1\nSELECT 1;\n";
    let folder = folder(&[("changelog/x.sql", text), ("changelog/.old/x.sql", text), ("changelog/sub/y.sql", text)]);
    std::os::unix::fs::symlink(".", folder.path().join("changelog/again")).expect("a link");
    let tree = read_with(&Liquibase, &[folder.path().join("changelog")], folder.path()).expect("readable");
    let names: Vec<&str> = tree.files.iter().map(|file| file.file().name.as_str()).collect();
    assert_eq!(names, ["changelog/sub/y.sql", "changelog/x.sql"]);
}
