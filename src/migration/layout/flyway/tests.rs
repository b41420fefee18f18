//! Flyway's layout from outside: what reading, selecting and grouping give.

use super::*;
use crate::migration::layout::tests::{folder, read as read_with};
use crate::migration::layout::{LayoutOptions, Site};

fn tree_of(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
    let folder = folder(files);
    read_with(&Flyway, &[folder.path().to_owned()], folder.path())
}

fn message<T: std::fmt::Debug>(result: Result<T, MigrationError>) -> String {
    result.expect_err("refused").to_string()
}

/// A row as Flyway writes it.
fn row(version: Option<&str>, description: &str, kind: &str, checksum: Option<&str>, success: &str) -> Row {
    let text = |text: &str| Some(text.to_owned());
    vec![
        text("1"),
        version.map(str::to_owned),
        text(description),
        text(kind),
        text("x.sql"),
        checksum.map(str::to_owned),
        text(success),
    ]
}

fn applied(version: &str, description: &str) -> Row {
    row(Some(version), description, "SQL", Some(&checksum("SELECT 1").to_string()), "t")
}

fn pending<'t>(tree: &'t MigrationTree, rows: &[Row]) -> Vec<&'t str> {
    let selection = Flyway.select(tree, Some(rows)).expect("selects");
    selection.pending.iter().map(|at| tree.files[*at].version.as_str()).collect()
}

const ONE: &str = "SELECT 1";

#[test]
fn versions_run_by_number_and_repeatable_ones_last_by_description() {
    let tree = tree_of(&[
        ("V10__ten.sql", ONE),
        ("V9__nine.sql", ONE),
        ("V1_5__one_and_a_half.sql", ONE),
        ("deeper/V1.10__later.sql", ONE),
        ("U9__nine.sql", "SELECT 0"),
        ("U8__gone.sql", "SELECT 0"),
        ("R__b.sql", ONE),
        ("R__a.sql", ONE),
        ("afterMigrate.sql", ONE),
        ("Vx__odd.sql", ONE),
        ("notes.sql", ONE),
    ])
    .expect("readable");
    let found: Vec<&str> = tree.files.iter().map(|file| file.version.as_str()).collect();
    assert_eq!(found, ["1.5", "1.10", "9", "10", "R__a.sql", "R__b.sql"]);
    assert_eq!(tree.files[2].down.as_ref().expect("an undo script").file.text, "SELECT 0");
    assert_eq!(tree.files[1].attribute("script"), Some("deeper/V1.10__later.sql"));
    assert_eq!(tree.notes.len(), 3, "{:?}", tree.notes);
    assert!(tree.notes[0].contains("passed over as Flyway does") && tree.notes[1].contains("a callback"));
}

#[test]
fn two_files_of_one_version_or_description_are_refused() {
    assert!(message(tree_of(&[("V1__a.sql", ONE), ("sub/V1.0__b.sql", ONE)])).starts_with("version 1"));
    assert!(message(tree_of(&[("R__a.sql", ONE), ("sub/R__a.sql", ONE)])).starts_with("version a belongs to both"));
    let undo = [("V1__a.sql", ONE), ("U1__a.sql", ONE), ("U1.0__b.sql", ONE)];
    assert!(message(tree_of(&undo)).contains("U1.0__b.sql"));
    assert!(tree_of(&[("V1__a.sql", ONE), ("B1__a.sql", ONE)]).is_ok());
    let strict = [("flyway.conf", "flyway.validateMigrationNaming=true"), ("V1__a.sql", ONE), ("Vx__b.sql", ONE)];
    assert!(message(tree_of(&strict)).contains("Flyway stops at this name"));
}

#[test]
fn checksums_do_not_see_line_ends() {
    // Known answers: CRC-32 of "123456789" is cbf43926.
    assert_eq!(checksum("123456789"), 0xcbf4_3926_u32 as i32);
    assert_eq!(checksum("1234\r\n567\r89\n"), checksum("123456789"));
    let marked = tree_of(&[("V1__a.sql", "\u{feff}123456789")]).expect("readable");
    assert_eq!(marked.files[0].checksum, Some(checksum("123456789").to_string()));
}

#[test]
fn what_is_not_in_the_history_runs_and_edited_files_are_named() {
    let tree = tree_of(&[("V1__a.sql", ONE), ("V2__b.sql", ONE), ("V3__c.sql", ONE)]).expect("readable");
    assert_eq!(pending(&tree, &[applied("1", "a")]), ["2", "3"]);
    assert_eq!(pending(&tree, &[applied("01.0", "a"), applied("2", "b"), applied("3", "c")]), [""; 0]);
    let edited = [row(Some("1"), "a", "SQL", Some("5"), "t")];
    assert_eq!(Flyway.select(&tree, Some(&edited)).expect("selects").edited, [0]);
    assert_eq!(Flyway.select(&tree, None).expect("selects").pending, [0, 1, 2]);
}

#[test]
fn validation_stops_flyway_unless_it_is_told_to_look_away() {
    let files = [("V1__a.sql", ONE), ("V3__c.sql", ONE)];
    let tree = tree_of(&files).expect("readable");
    let renamed = message(Flyway.select(&tree, Some(&[applied("1", "other")])));
    assert!(renamed.contains("V1__a.sql was applied as \"other\""), "{renamed}");
    let gone = message(Flyway.select(&tree, Some(&[applied("1", "a"), applied("2", "b")])));
    assert!(gone.contains("without a file here: 2."), "{gone}");
    let future =
        Flyway.select(&tree, Some(&[applied("1", "a"), applied("3", "c"), applied("4", "d")])).expect("ignored");
    assert!(future.notes[0].contains("version 4 is applied and has no file"), "{:?}", future.notes);
    let code = message(Flyway.select(&tree, Some(&[row(Some("1"), "a", "JDBC", None, "t")])));
    assert!(code.contains("V1__a.sql is SQL, and what was applied as this version is of type JDBC"), "{code}");
    let repeatable = row(None, "list", "SQL", Some("1"), "t");
    let gone = message(Flyway.select(&tree, Some(&[applied("1", "a"), repeatable.clone()])));
    assert!(gone.contains("without a file here: \"list\"."), "{gone}");
    let failed = [row(Some("1"), "a", "SQL", None, "f")];
    assert!(message(Flyway.select(&tree, Some(&failed))).contains("version 1 was begun and never finished"));

    let off = [&files[..], &[("flyway.conf", "flyway.validateOnMigrate=false")]].concat();
    let tree = tree_of(&off).expect("readable");
    let selection =
        Flyway.select(&tree, Some(&[row(Some("1"), "x", "SQL", Some("5"), "t"), applied("2", "b"), repeatable]));
    let selection = selection.expect("not validated");
    assert_eq!((selection.pending.as_slice(), selection.edited.len()), (&[1][..], 0));
}

#[test]
fn older_versions_are_refused_run_or_left_as_the_settings_say() {
    let files = [("V1__a.sql", ONE), ("V2__b.sql", ONE)];
    let rows = [applied("2", "b")];
    let with = |conf: &str| tree_of(&[&files[..], &[("flyway.conf", conf)]].concat()).expect("readable");
    assert!(
        message(Flyway.select(&with(""), Some(&rows))).contains("V1__a.sql is not applied and older than version 2")
    );
    assert_eq!(pending(&with("flyway.outOfOrder=true"), &rows), ["1"]);
    assert_eq!(pending(&with("flyway.ignoreMigrationPatterns=versioned:ignored"), &rows), [""; 0]);
    let mut asked = with("");
    asked.options.out_of_order = Some(true);
    assert_eq!(pending(&asked, &rows), ["1"]);
}

#[test]
fn baselines_undo_and_deletions_count() {
    let files = [("V1__a.sql", ONE), ("V2__b.sql", ONE), ("B2__start.sql", ONE), ("V3__c.sql", ONE)];
    let tree = tree_of(&files).expect("readable");
    // In a new database the baseline migration takes the place of 1 and 2.
    let start = Flyway.select(&tree, Some(&[])).expect("selects");
    let kinds: Vec<(&str, &str)> =
        start.pending.iter().map(|at| (tree.files[*at].version.as_str(), kind_of(&tree.files[*at]))).collect();
    assert_eq!(kinds, [("2", "baseline"), ("3", "versioned")]);
    assert_eq!(pending(&tree, &[row(Some("2"), "start", "SQL_BASELINE", Some("1"), "t")]), ["3"]);
    assert_eq!(pending(&tree, &[row(Some("2"), "<< Flyway Baseline >>", "BASELINE", None, "t")]), ["3"]);
    assert_eq!(pending(&tree, &[applied("1", "a")]), ["2", "3"]);
    let undone = [applied("1", "a"), applied("2", "b"), row(Some("2"), "b", "UNDO_SQL", None, "t")];
    assert_eq!(pending(&tree, &undone), ["2", "3"]);
    let schema = row(None, "<< Flyway Schema Creation >>", "SCHEMA", None, "t");
    assert_eq!(pending(&tree, &[schema, applied("1", "a")]), ["2", "3"]);
    let code = [applied("1", "a"), row(Some("1.5"), "code", "JDBC", None, "t")];
    assert!(Flyway.select(&tree, Some(&code)).expect("selects").notes[0].contains("type JDBC"));
}

#[test]
fn repeatable_ones_run_again_when_what_they_say_changes() {
    let conf = ("flyway.conf", "flyway.placeholders.who=ann");
    let tree = tree_of(&[("R__list.sql", "SELECT '${who}'"), conf]).expect("readable");
    let ran = |text: &str| [row(None, "list", "SQL", Some(&checksum(text).to_string()), "t")];
    assert_eq!(pending(&tree, &[]), ["R__list.sql"]);
    assert_eq!(pending(&tree, &ran("SELECT 'ann'")), [""; 0]);
    assert_eq!(pending(&tree, &ran("SELECT '${who}'")), [""; 0]);
    let again = Flyway.select(&tree, Some(&ran("SELECT 'bob'"))).expect("selects");
    assert_eq!(again.pending, [0]);
    assert!(again.notes[0].contains("runs again") && again.edited.is_empty());
}

#[test]
fn targets_leave_out_what_is_beyond() {
    let files = [("V1__a.sql", ONE), ("V2__b.sql", ONE), ("V3__c.sql", ONE), ("R__r.sql", ONE)];
    for (target, expected) in [
        ("2", &["1", "2", "R__r.sql"][..]),
        ("next", &["1", "R__r.sql"]),
        ("current", &["R__r.sql"]),
        ("latest", &["1", "2", "3", "R__r.sql"]),
    ] {
        let conf = format!("flyway.target={target}");
        let tree = tree_of(&[&files[..], &[("flyway.conf", conf.as_str())]].concat()).expect("readable");
        assert_eq!(pending(&tree, &[]), expected, "{target}");
    }
}

fn grouped(files: &[(&str, &str)]) -> Result<Grouping, MigrationError> {
    let tree = tree_of(files)?;
    let cuts = Flyway.cut(&tree, &tree.files[0], &tree.files[0].up)?;
    Flyway.grouping(&tree, &tree.files[0], &cuts, None)
}

#[test]
fn each_file_is_a_transaction_unless_its_statements_or_its_conf_refuse_one() {
    let plain = grouped(&[("V1__it's.sql", "CREATE TABLE t ();\nSELECT 1")]).expect("groups");
    assert_eq!(plain.transaction, TransactionMode::PerMigration);
    let history = plain.history.expect("a row");
    assert!(!history.in_transaction && history.applied[0].contains("'1', 'it''s', 'SQL', 'V1__it''s.sql', "));
    let index = "CREATE INDEX CONCURRENTLY i ON t (a)";
    let concurrent = grouped(&[("V1__i.sql", index)]).expect("groups");
    assert_eq!(concurrent.transaction, TransactionMode::None);
    assert!(concurrent.notes[0].contains("postgresql.transactional.lock=false"));
    let session_lock = [("V1__i.sql", index), ("flyway.conf", "flyway.postgresql.transactional.lock=false")];
    assert!(grouped(&session_lock).expect("groups").notes.is_empty());
    for (text, expected) in [
        ("VACUUM t", TransactionMode::None),
        ("REINDEX DATABASE d", TransactionMode::None),
        ("REINDEX TABLE CONCURRENTLY t", TransactionMode::PerMigration),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", TransactionMode::PerMigration),
        ("BEGIN; SELECT 1; COMMIT", TransactionMode::Explicit),
    ] {
        assert_eq!(grouped(&[("V1__a.sql", text)]).expect("groups").transaction, expected, "{text}");
    }
    let conf = [("V1__a.sql", ONE), ("V1__a.sql.conf", "executeInTransaction=false")];
    assert_eq!(grouped(&conf).expect("groups").transaction, TransactionMode::None);
}

#[test]
fn statements_of_both_kinds_in_one_file_need_mixed() {
    let text = "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a)";
    assert!(message(grouped(&[("V1__a.sql", text)])).contains("V1__a.sql:2: Flyway refuses a file"));
    let mixed = grouped(&[("V1__a.sql", text), ("flyway.conf", "flyway.mixed=true")]).expect("mixed");
    assert_eq!(mixed.transaction, TransactionMode::None);
}

#[test]
fn a_group_is_one_transaction_or_refused() {
    let group = ("flyway.conf", "flyway.group=true");
    assert_eq!(grouped(&[("V1__a.sql", ONE), group]).expect("groups").transaction, TransactionMode::AllPending);
    let tree = tree_of(&[("V1__a.sql", ONE), ("V2__v.sql", "VACUUM"), group]).expect("readable");
    assert!(message(Flyway.select(&tree, Some(&[]))).contains("V2__v.sql:1: Flyway refuses a group"));
    assert_eq!(pending(&tree, &[applied("1", "a")]), ["2"]);
}

#[test]
fn placeholders_are_filled_in_from_the_configuration() {
    let conf =
        "flyway.placeholders.owner=app\nflyway.url=jdbc:postgresql://db:5432/shop?x=1\nflyway.defaultSchema=sales\n";
    let text = "-- ${flyway:filename}\nGRANT SELECT ON t TO ${owner};\nSELECT '${flyway:database} ${flyway:table} ${flyway:defaultSchema}'";
    let tree = tree_of(&[("V1__a.sql", text), ("flyway.conf", conf)]).expect("readable");
    let file = &tree.files[0];
    let cuts = Flyway.cut(&tree, file, &file.up).expect("filled in");
    let sent: Vec<&str> = cuts.iter().map(|cut| cut.sql(file.file())).collect();
    assert_eq!(sent, ["GRANT SELECT ON t TO app", "SELECT 'shop flyway_schema_history sales'"]);
    assert_eq!(file.checksum, Some(checksum(text).to_string()));

    let without = tree_of(&[("V1__a.sql", "SELECT\n${flyway:user}")]).expect("readable");
    let missing = message(Flyway.cut(&without, &without.files[0], &without.files[0].up));
    assert!(missing.starts_with("V1__a.sql:2: ${flyway:user} has no value: give it one"), "{missing}");
    for off in
        [("V1__a.sql.conf", "placeholderReplacement=false"), ("flyway.conf", "flyway.placeholderReplacement=false")]
    {
        let tree = tree_of(&[("V1__a.sql", "SELECT '${x}'"), off]).expect("readable");
        assert_eq!(Flyway.cut(&tree, &tree.files[0], &tree.files[0].up).expect("as it is").len(), 1);
    }
}

#[test]
fn the_history_lies_in_the_default_schema() {
    let conf = "flyway.schemas=sales,log\nflyway.table=changes\n";
    let tree = tree_of(&[("V1__a.sql", ONE), ("flyway.conf", conf)]).expect("readable");
    assert_eq!(tree.history_table(), "\"sales\".\"changes\"");
    assert!(tree.setup.len() == 2 && tree.setup[0].contains("CREATE SCHEMA \"sales\""));
    assert!(tree.create_history[1].contains("ADD CONSTRAINT \"changes_pk\""));
    assert!(
        tree.session[0].contains("'\"sales\",' || pg_catalog.current_setting('search_path')"),
        "{:?}",
        tree.session
    );
    let options = LayoutOptions { history_table: Some("x.y".to_owned()), ..LayoutOptions::default() };
    let folder = folder(&[("V1__a.sql", ONE)]);
    let paths = [folder.path().to_owned()];
    let asked = Flyway.read(&Request { paths: &paths, root: folder.path(), options: &options }).expect("readable");
    assert_eq!(asked.history_table(), "x.y");
}

#[test]
fn the_configuration_names_the_folders() {
    let toml = "[flyway]\nlocations = [\"filesystem:db/main\", \"filesystem:db/extra\", \"filesystem:db/none\"]\n";
    let folder = folder(&[
        ("flyway.toml", toml),
        ("db/main/V1__a.sql", ONE),
        ("db/extra/sub/V2__b.sql", ONE),
        (".git/HEAD", ""),
    ]);
    for given in ["", "db/main"] {
        let path = folder.path().join(given);
        let tree = read_with(&Flyway, std::slice::from_ref(&path), folder.path()).expect("readable");
        let names: Vec<&str> = tree.files.iter().map(|file| file.file().name.as_str()).collect();
        assert_eq!(names, ["db/main/V1__a.sql", "db/extra/sub/V2__b.sql"], "{given}");
        let site = Site::new(&[path]).expect("readable");
        assert!(Flyway.detect(&site).expect("named").why.ends_with("flyway.toml is Flyway's"));
    }
}

#[test]
fn names_and_dependencies_give_it_away() {
    let why = |files: &[(&str, &str)], below: &str| {
        let folder = folder(files);
        let site = Site::new(&[folder.path().join(below)]).expect("readable");
        Flyway.detect(&site).map(|evidence| evidence.why)
    };
    let gradle = ("build.gradle", "implementation 'org.flywaydb:flyway-core:11.0.0'");
    assert_eq!(
        why(&[gradle, ("db/V1__a.sql", ONE), (".git/HEAD", "")], "db").expect("found"),
        "build.gradle names flyway-core"
    );
    assert!(why(&[("V1__a.sql", ONE), ("R__b.sql", ONE)], "").expect("found").contains("every file is named"));
    assert!(why(&[("V1__a.sql", ONE), ("b.sql", ONE)], "").is_none());
    assert!(why(&[gradle, ("db/1_a.sql", ONE), (".git/HEAD", "")], "db").is_none());
    assert!(why(&[("V1__a.sql", "-- +goose Up\nSELECT 1")], "").is_none());
}

#[test]
fn a_way_back_runs_on_the_search_path_flyway_sets_on_every_session() {
    let configured = ("flyway.toml", "[flyway]\nschemas = [\"app\"]\n");
    let tree = tree_of(&[configured, ("V1__t.sql", "CREATE TABLE t ()"), ("U1__t.sql", "DROP TABLE t")]);
    let found = crate::migration::history::pending(&tree.expect("readable"), None, None).expect("pending");
    let there = &found.migrations[0];
    let back = there.way_back().expect("an undo script");
    assert!(there.session.iter().any(|sql| sql.contains("'\"app\",' ||")), "{:?}", there.session);
    assert_eq!(back.session, there.session);
    assert!(there.history.as_ref().is_some_and(|history| history.begun.is_empty()), "nothing is noted before a script");
}
