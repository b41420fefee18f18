use super::super::LayoutOptions;
use super::super::tests::{folder, read as read_with};
use super::*;

/// Three files and the sum Atlas wrote for them.
const SEALED: [(&str, &str); 4] = [
    (
        "20260801090000_create_readers.sql",
        "-- Create \"readers\" table\nCREATE TABLE \"readers\" (\"id\" bigint NOT NULL GENERATED ALWAYS AS IDENTITY, \"name\" text NOT NULL, PRIMARY KEY (\"id\"));\n",
    ),
    (
        "20260802090000_email.sql",
        "-- atlas:txmode none\n\n-- first\nALTER TABLE readers ADD COLUMN email text;\nCREATE INDEX CONCURRENTLY readers_email ON readers (email);\n",
    ),
    (
        "20260803090000_del.sql",
        "-- atlas:delimiter \\n\\n\\n\nALTER TABLE readers ADD COLUMN a text;\nALTER TABLE readers ADD COLUMN b text;\n\n\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'\n",
    ),
    (
        "atlas.sum",
        "h1:2emZtw0aIsC/Aif23Kfyeo5aPPjCU+0X1ZwMgW4qeDw=\n\
         20260801090000_create_readers.sql h1:F0tRfkeq1/I6k76Wb4lzvCIS0+Qt9y9vr8pspjuvtlk=\n\
         20260802090000_email.sql h1:8/5Z+5uhTty0EUFYjnCwg4Ed/zQy9M6ff9xSV0l8ZRU=\n\
         20260803090000_del.sql h1:gtblLOrR/wJNzEEKfdLoDcgCqeZSE8roW9fIY6c9oMU=\n",
    ),
];

fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
    let folder = folder(files);
    read_with(&Atlas, &[folder.path().to_owned()], folder.path())
}

/// Files named one by one: nobody asks for their sum.
fn unsealed(files: &[(&str, &str)], options: &LayoutOptions) -> MigrationTree {
    let folder = folder(files);
    let paths: Vec<_> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
    let mut tree = Atlas.read(&Request { paths: &paths, root: folder.path(), options }).expect("readable");
    tree.directory_given = true;
    tree
}

fn statements(text: &str) -> Result<Vec<String>, MigrationError> {
    let tree = unsealed(&[("1_a.sql", text)], &LayoutOptions::default());
    let cuts = Atlas.cut(&tree, &tree.files[0], &tree.files[0].up)?;
    Ok(cuts.iter().map(|cut| cut.sql(tree.files[0].file()).to_owned()).collect())
}

fn row(version: &str, applied: &str, total: &str, hash: &str) -> Row {
    [version, applied, total, "", hash].map(|value| Some(value.to_owned())).to_vec()
}

#[test]
fn a_sealed_directory_is_read_with_the_hash_of_each_file() {
    let tree = read(&SEALED).expect("as Atlas left it");
    let found: Vec<(&str, &str)> = tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
    assert_eq!(found, [("20260801090000", "create_readers"), ("20260802090000", "email"), ("20260803090000", "del")]);
    assert_eq!(tree.files[0].checksum.as_deref(), Some("F0tRfkeq1/I6k76Wb4lzvCIS0+Qt9y9vr8pspjuvtlk="));
    assert_eq!(tree.files[1].attribute(MODE), Some("none"));
}

#[test]
fn a_directory_that_is_not_what_its_sum_says_is_refused() {
    let change = |name: &str, text: Option<&str>| {
        let mut files: Vec<(&str, &str)> = SEALED.to_vec();
        match (text, files.iter().position(|file| file.0 == name)) {
            (Some(text), Some(at)) => files[at].1 = text,
            (Some(text), None) => files.push((name, text)),
            (None, Some(at)) => drop(files.remove(at)),
            (None, None) => {}
        }
        let name: String = name.to_owned();
        read(&files).expect_err(&name).to_string()
    };
    let message = change("20260802090000_email.sql", Some("SELECT 1;"));
    assert!(message.contains("(20260802090000_email.sql was changed)"), "{message}");
    assert!(change("20260804090000_new.sql", Some("SELECT 1;")).contains("20260804090000_new.sql is new"));
    assert!(change("20260803090000_del.sql", None).contains("20260803090000_del.sql is gone"));
    assert!(change("20260802090000_email.sql", None).contains("it has 20260802090000_email.sql where"));
    assert!(change("atlas.sum", None).contains("atlas.sum is not there"));
    assert!(change("atlas.sum", Some("h1:x\nnonsense\n")).contains("a line without a hash"));
    let forged = SEALED[3].1.replace("2emZ", "3emZ");
    assert!(change("atlas.sum", Some(&forged)).contains("it was changed itself"));
}

#[test]
fn a_file_may_ask_to_be_left_out_of_the_sum() {
    let tree =
        unsealed(&[("1_a.sql", "-- atlas:sum ignore\nSELECT 1;"), ("2_b.sql", "SELECT 2;")], &LayoutOptions::default());
    let folder = folder(&[("atlas.sum", "h1:x\n")]);
    let message = sum::verify(&folder.path().join("atlas.sum"), &tree.files).expect_err("another sum").to_string();
    assert!(message.contains("2_b.sql is new"), "{message}");
}

#[test]
fn files_that_atlas_writes_for_other_tools_are_theirs() {
    let detect = |files: &[(&str, &str)]| {
        let folder = folder(files);
        Atlas.detect(&Site::new(&[folder.path().to_owned()]).expect("readable")).map(|evidence| evidence.why)
    };
    assert_eq!(detect(&SEALED).as_deref(), Some("atlas.sum is in the directory"));
    assert_eq!(detect(&[("1_a.up.sql", "SELECT 1;"), ("1_a.down.sql", ""), ("atlas.sum", "")]), None);
    assert_eq!(detect(&[("1_a.sql", "-- +goose Up\nSELECT 1;"), ("atlas.sum", "")]), None);
    assert_eq!(detect(&[("1_a.sql", "-- atlas:nolint\nSELECT 1;")]).as_deref(), Some("`-- atlas:nolint` in 1_a.sql"));
    assert_eq!(detect(&[("1_a.sql", "SELECT 1;")]), None);
}

#[test]
fn a_delimiter_of_its_own_keeps_statements_together() {
    assert_eq!(
        statements(SEALED[2].1).expect("two"),
        [
            "ALTER TABLE readers ADD COLUMN a text;\nALTER TABLE readers ADD COLUMN b text;",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
        ]
    );
    assert_eq!(
        statements("-- atlas:delimiter -- end\nSELECT '-- end';\n-- end\nDO $x$ -- end $x$;\n-- end\n-- c\n-- end\n")
            .expect("two"),
        ["SELECT '-- end';", "DO $x$ -- end $x$;"]
    );
    assert_eq!(
        statements("-- first\n-- atlas:delimiter \\n\nSELECT 1; SELECT 2;").expect("not the first line").len(),
        2
    );
    assert!(
        statements("-- atlas:delimiter \nSELECT 1").expect_err("empty").to_string().contains("1_a.sql:1: Atlas stops")
    );
    assert!(statements("-- atlas:delimiter x").is_err());
}

#[test]
fn everything_after_the_newest_revision_is_pending() {
    let files = [("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2"), ("3_c.sql", "SELECT 3"), ("4_d.sql", "SELECT 4")];
    let mut tree = unsealed(&files, &LayoutOptions::default());
    let select = |tree: &MigrationTree, rows: &[Row]| Atlas.select(tree, Some(rows));
    let identifier = row(".atlas_cloud_identifier", "0", "0", "");
    let pending = |tree: &MigrationTree, versions: &[&str]| {
        let mut rows: Vec<Row> = versions.iter().map(|version| row(version, "1", "1", "")).collect();
        rows.insert(0, identifier.clone());
        select(tree, &rows).map(|selection| selection.pending)
    };
    assert_eq!(pending(&tree, &[]).expect("all"), [0, 1, 2, 3]);
    assert_eq!(pending(&tree, &["1", "2"]).expect("two"), [2, 3]);
    assert_eq!(pending(&tree, &["2"]).expect("a baseline"), [2, 3]);
    let message = pending(&tree, &["0", "9"]).expect_err("all of them came late").to_string();
    assert!(message.contains(": 1_a.sql, 2_b.sql, 3_c.sql, 4_d.sql."), "{message}");
    let message = pending(&tree, &["1", "3"]).expect_err("late").to_string();
    assert!(message.contains("older than version 3, which is applied already: 2_b.sql."), "{message}");
    tree.attributes.insert(ORDER.to_owned(), "linear_skip".to_owned());
    assert_eq!(pending(&tree, &["1", "3"]).expect("left out"), [3]);
    tree.options.out_of_order = Some(true);
    assert_eq!(pending(&tree, &["1", "3"]).expect("late first"), [1, 3]);
    let message = select(&tree, &[row("1", "1", "3", "")]).expect_err("halfway").to_string();
    assert!(message.contains("version 1 stopped after 1 of 3 statements"), "{message}");
}

#[test]
fn a_new_database_begins_with_the_last_checkpoint_and_others_pass_it_over() {
    let checkpoint = "-- atlas:checkpoint\n\nSELECT 2;";
    let tree = unsealed(
        &[("1_a.sql", "SELECT 1"), ("2_all.sql", checkpoint), ("3_c.sql", "-- atlas:checkpoint\nSELECT 3")],
        &LayoutOptions::default(),
    );
    assert_eq!(Atlas.select(&tree, None).expect("from there").pending, [1, 2]);
    assert_eq!(Atlas.select(&tree, Some(&[row("1", "1", "1", "")])).expect("not again").pending, [2]);
}

#[test]
fn the_first_file_whose_hash_differs_was_edited() {
    let mut tree = unsealed(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 2")], &LayoutOptions::default());
    for (file, hash) in tree.files.iter_mut().zip(["x", "y"]) {
        file.checksum = Some(hash.to_owned());
    }
    let edited = |rows: &[Row]| Atlas.select(&tree, Some(rows)).expect("no refusal").edited;
    assert_eq!(edited(&[row("1", "1", "1", "x"), row("2", "1", "1", "y")]), [0; 0]);
    assert_eq!(edited(&[row("1", "1", "1", "was"), row("2", "1", "1", "was")]), [0]);
    assert_eq!(edited(&[row("1", "1", "1", "x"), row("2", "1", "1", "was")]), [1]);
}

#[test]
fn the_mode_is_the_files_within_what_everybody_runs_with() {
    let group = |text: &str, transaction: Option<TransactionMode>| {
        let tree = unsealed(&[("1_a.sql", text)], &LayoutOptions { transaction, ..LayoutOptions::default() });
        let cuts = Atlas.cut(&tree, &tree.files[0], &tree.files[0].up).expect("SQL");
        Atlas.grouping(&tree, &tree.files[0], &cuts, None).map_err(|error| error.to_string())
    };
    let mode = |text: &str, overall| group(text, overall).map(|grouping| grouping.transaction);
    use TransactionMode::{AllPending, Explicit, None as Bare, PerMigration};
    assert_eq!(mode("SELECT 1", None), Ok(PerMigration));
    assert_eq!(mode("SELECT 1", Some(AllPending)), Ok(AllPending));
    assert_eq!(mode("-- atlas:txmode none\n\nSELECT 1", None), Ok(Bare));
    assert_eq!(
        mode("-- atlas:txmode none\nSELECT 1", None),
        Ok(PerMigration),
        "no empty line: it belongs to the statement"
    );
    assert_eq!(mode("-- atlas:txmode file\n\nSELECT 1", Some(Bare)), Ok(PerMigration));
    assert!(
        mode("-- atlas:txmode none\n\nSELECT 1", Some(AllPending))
            .expect_err("stops")
            .contains("1_a.sql:1: Atlas stops")
    );
    assert!(mode("-- atlas:txmode all\n\nSELECT 1", None).expect_err("stops").contains("a file can say"));
    assert_eq!(mode("-- atlas:txmode none\n\nBEGIN; SELECT 1; COMMIT", None), Ok(Explicit));
    let usual = group("SELECT 1; SELECT 2", None).expect("groups").history.expect("a row");
    assert!(usual.in_transaction && usual.begun.is_empty());
    assert!(usual.applied[0].contains("VALUES ('1', 'a', 2, 2, 2, now()"), "{}", usual.applied[0]);
    let bare = group("-- atlas:txmode none\n\nVACUUM", None).expect("groups").history.expect("a row");
    assert!(!bare.in_transaction);
    assert!(bare.begun[0].contains("VALUES ('1', 'a', 2, 0, 1, now()"), "{}", bare.begun[0]);
    assert!(group("\u{feff}SELECT 1", None).is_err());
}

#[test]
fn the_projects_file_names_schema_and_order() {
    let hcl = "env \"local\" {\n  migration {\n    dir = \"file://m\"\n    revisions_schema = \"meta\"\n    exec_order = LINEAR_SKIP\n  }\n}\n\
               env \"ci\" {\n  migration {\n    revisions_schema = \"meta\"\n    exec_order = var.order\n  }\n}\n";
    let mut files: Vec<(String, &str)> = SEALED.iter().map(|(name, text)| (format!("m/{name}"), *text)).collect();
    files.extend([("atlas.hcl".to_owned(), hcl), (".git/HEAD".to_owned(), "")]);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let folder = folder(&files);
    let tree = read_with(&Atlas, &[folder.path().join("m")], folder.path()).expect("readable");
    assert_eq!(tree.history_table(), "meta.atlas_schema_revisions");
    assert_eq!(tree.attributes.get(ORDER), None, "two answers are none");
    assert_eq!(tree.create_history[0], "CREATE SCHEMA IF NOT EXISTS meta");
}
