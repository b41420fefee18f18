//! What is pending, by rows of history tables and by what git says is new.

use super::*;
use crate::migration::layout::tests::{folder, read_named};
use crate::migration::{Statement, TransactionMode};

fn tree(files: &[(&str, &str)], layout: &str) -> MigrationTree {
    let folder = folder(files);
    read_named(&[folder.path().to_owned()], Some(layout), folder.path()).expect("readable")
}

const FILES: [(&str, &str); 3] = [
    ("1_a.sql", "CREATE TABLE a (x int);"),
    ("2_b.sql", "ALTER TABLE a ADD y int; -- why\nSELECT 1;"),
    ("3_c.sql", "SELECT 2;\nSELECT 3;"),
];

fn row(version: &str, success: &str, checksum: &str) -> Vec<Option<String>> {
    [version, success, checksum].map(|value| Some(value.to_owned())).to_vec()
}

/// A history in which these versions of the tree were applied as they stand.
fn applied(tree: &MigrationTree, versions: &[&str]) -> Vec<Row> {
    let files = tree.files.iter().filter(|file| versions.contains(&file.version.as_str()));
    files.map(|file| row(&file.version, "t", file.checksum.as_deref().expect("a checksum"))).collect()
}

fn versions(pending: &Pending) -> Vec<&str> {
    pending.migrations.iter().map(|migration| migration.version.as_str()).collect()
}

/// How the way back of the only migration is run: transaction, whether the runner's row goes in it, its place.
fn down(files: &[(&str, &str)], layout: &str) -> (TransactionMode, bool, usize) {
    let pending = pending(&tree(files, layout), None, None).expect("pending");
    let down = pending.migrations[0].down.as_ref().expect("a way back");
    let back = pending.migrations[0].way_back().expect("a way back");
    assert_eq!(back.statements, down.statements);
    let (mine, written) = (pending.migrations[0].history.as_ref(), back.history.as_ref());
    assert_eq!(mine.map(|mine| &mine.undo), written.map(|written| &written.applied));
    (down.transaction, down.in_transaction, down.file.position(down.start).line)
}

#[test]
fn a_down_script_runs_in_the_mode_its_runner_has_for_it() {
    use TransactionMode::{None, PerMigration};
    let sqlx = |text| down(&[("1_a.up.sql", "SELECT 1;"), ("1_a.down.sql", text)], "sqlx");
    assert_eq!(sqlx("SELECT 2;"), (PerMigration, true, 1));
    assert_eq!(sqlx("-- no-transaction\nSELECT 2;"), (None, false, 1));
    let golang = |text| down(&[("1_a.up.sql", "SELECT 1;\nSELECT 2;"), ("1_a.down.sql", text)], "golang_migrate");
    assert_eq!(golang("SELECT 2;").0, None, "one string of one statement");
    assert_eq!(golang("SELECT 2; SELECT 3;").0, PerMigration);
    let dbmate = |options: &str| {
        let text = format!("-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down{options}\nSELECT 2;\n");
        down(&[("1_a.sql", text.as_str())], "dbmate")
    };
    assert_eq!(dbmate(""), (PerMigration, true, 3));
    assert_eq!(dbmate(" transaction:false"), (None, false, 3));
    let goose = |first: &str| {
        let text = format!("{first}-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n");
        down(&[("1_a.sql", text.as_str())], "goose")
    };
    assert_eq!(goose(""), (PerMigration, true, 4));
    assert_eq!(goose("-- +goose NO TRANSACTION\n"), (None, false, 5));
    let diesel = |metadata: &str| {
        let file = |name: &str| format!("1_a/{name}");
        let (up, back, options) = (file("up.sql"), file("down.sql"), file("metadata.toml"));
        down(&[(&up, "SELECT 1;"), (&back, "SELECT 2;"), (&options, metadata)], "diesel")
    };
    assert_eq!(diesel("run_in_transaction = true").0, PerMigration);
    assert_eq!(diesel("run_in_transaction = false").0, None);
}

#[test]
fn a_down_script_its_runner_stops_at_does_not_keep_the_way_forward_from_being_rehearsed() {
    let files = [("1_a.up.sql", "SELECT 1;"), ("1_a.down.sql", "")];
    assert_eq!(down(&files, "sqlx"), (TransactionMode::PerMigration, false, 1));
}

#[test]
fn only_what_the_history_lacks_is_pending_and_statements_count_over_all() {
    let tree = tree(&FILES, "sqlx");
    let pending = pending(&tree, Some(&applied(&tree, &["1"])), None).expect("pending");
    assert_eq!(versions(&pending), ["2", "3"]);
    let found: Vec<(usize, &str, usize)> = pending
        .migrations
        .iter()
        .flat_map(|migration| &migration.statements)
        .map(|statement| (statement.index, statement.sql(), statement.start().line))
        .collect();
    assert_eq!(found, [(1, "ALTER TABLE a ADD y int", 1), (2, "SELECT 1", 2), (3, "SELECT 2", 1), (4, "SELECT 3", 2)]);
    assert!(pending.edited.is_empty() && pending.notes.is_empty());
}

#[test]
fn without_a_history_everything_is_pending() {
    let tree = tree(&FILES, "sqlx");
    assert_eq!(versions(&pending(&tree, None, None).expect("pending")), ["1", "2", "3"]);
    assert_eq!(versions(&pending(&tree, Some(&applied(&tree, &["1", "2", "3"])), None).expect("none")), [""; 0]);
}

#[test]
fn a_version_older_than_the_newest_applied_runs_and_is_noted() {
    let tree = tree(&FILES, "sqlx");
    let pending = pending(&tree, Some(&applied(&tree, &["1", "3"])), None).expect("pending");
    assert_eq!(versions(&pending), ["2"]);
    assert!(pending.notes[0].starts_with("2_b.sql: older than version 3"));
}

#[test]
fn an_edited_file_is_named_and_not_pending() {
    let tree = tree(&FILES, "sqlx");
    let mut history = applied(&tree, &["1", "2", "3"]);
    history[1][2] = Some("00".into());
    let pending = pending(&tree, Some(&history), None).expect("pending");
    assert!(pending.migrations.is_empty());
    let edited: Vec<_> =
        pending.edited.iter().map(|edited| (edited.version.as_str(), edited.file.name.as_str())).collect();
    assert_eq!(edited, [("2", "2_b.sql")]);
}

#[test]
fn a_row_without_a_checksum_is_applied_and_its_text_unchecked() {
    let tree = tree(&FILES, "sqlx");
    let mut history = applied(&tree, &["1", "2"]);
    history[0][2] = None;
    let pending = pending(&tree, Some(&history), None).expect("pending");
    assert_eq!(versions(&pending), ["3"]);
    assert!(pending.edited.is_empty());
    let note = "_sqlx_migrations has no checksum of 1: whether the text is still the same was not checked";
    assert_eq!(pending.notes, [note]);
}

#[test]
fn an_unfinished_migration_stops_the_runner() {
    let tree = tree(&FILES, "sqlx");
    let history = [row("1", "f", "00")];
    let message = pending(&tree, Some(&history), None).expect_err("dirty").to_string();
    assert!(message.starts_with("_sqlx_migrations: version 1 was begun and never finished"), "{message}");
}

#[test]
fn an_applied_version_without_a_file_stops_the_runner() {
    let tree = tree(&FILES, "sqlx");
    let mut history = applied(&tree, &["1"]);
    history.extend([row("7", "t", "00"), row("8", "true", "00")]);
    let message = pending(&tree, Some(&history), None).expect_err("missing").to_string();
    assert!(message.contains("without a file here: 7, 8."), "{message}");
}

#[test]
fn files_named_one_by_one_need_not_be_all_there_are() {
    let folder = folder(&FILES);
    let paths = ["2_b.sql", "3_c.sql"].map(|name| folder.path().join(name));
    let tree = read_named(&paths, Some("sqlx"), folder.path()).expect("readable");
    let mut history = applied(&tree, &["2"]);
    history.extend([row("1", "t", "00")]);
    let pending = pending(&tree, Some(&history), None).expect("pending");
    assert_eq!(versions(&pending), ["3"]);
    assert_eq!(pending.notes, ["2_b.sql: applied already"]);
}

#[test]
fn rows_of_another_table_are_refused() {
    for bad in [vec![], row("1", "maybe", "00"), vec![None, None, None, None]] {
        let tree = tree(&FILES, "sqlx");
        let message = pending(&tree, Some(&[row("1", "t", "00"), bad]), None).expect_err("another table").to_string();
        assert!(message.starts_with("row 2 of the history table"), "{message}");
    }
}

#[test]
fn plain_files_are_all_pending_and_say_where_they_break() {
    let plain = tree(&[("a.sql", "-- only this\n"), ("b.sql", "BEGIN;\nSELECT 1;\nCOMMIT;")], "plain");
    let found = pending(&plain, None, None).expect("pending");
    let modes: Vec<_> = found.migrations.iter().map(|migration| migration.transaction).collect();
    assert_eq!(modes, [TransactionMode::None, TransactionMode::Explicit]);
    assert_eq!(found.notes, ["a.sql: nothing in it but comments"]);
    let broken = tree(&[("a.sql", "SELECT 1;\n  SELECT 'x;\n")], "plain");
    assert_eq!(
        pending(&broken, None, None).expect_err("unterminated").to_string(),
        "a.sql:2:10: a string begins here and never ends: add the closing '"
    );
}

fn found(name: &str, visible: bool, columns: &[&str]) -> FoundTable {
    FoundTable { name: name.to_owned(), visible, columns: columns.iter().map(|name| (*name).to_owned()).collect() }
}

#[test]
fn twins_are_told_apart_by_columns_and_the_search_path_decides() {
    let shape = HistoryShape { columns: &["version"], later: &[], foreign: &["dirty"], order: "version" };
    let other = found("public.schema_migrations", true, &["version", "dirty"]);
    let hidden = found("app.schema_migrations", false, &["version"]);
    let hidden_too = found("web.schema_migrations", false, &["version"]);
    let name = |tables: &[FoundTable]| {
        shape
            .choose("dbmate", tables)
            .map(|found| found.map(|table| table.name.clone()))
            .map_err(|error| error.to_string())
    };
    assert_eq!(name(&[]), Ok(None));
    assert_eq!(name(&[other.clone(), hidden.clone()]), Ok(Some("app.schema_migrations".to_owned())));
    assert!(name(&[other]).expect_err("another tool's").contains("has the columns version, dirty"));
    assert!(name(&[hidden.clone(), hidden_too]).expect_err("two").contains("several tables could be"));
    let visible = found("public.schema_migrations", true, &["version"]);
    assert_eq!(name(&[visible, hidden]), Ok(Some("public.schema_migrations".to_owned())));
}

#[test]
fn table_names_are_quoted_as_text_where_they_are_text() {
    assert!(find_query("m.\"it's\"").contains("to_regclass('m.\"it''s\"')"));
    let shape = HistoryShape { columns: &["version", "hash"], later: &["hash"], foreign: &[], order: "id" };
    let table = |columns: &[&str]| FoundTable {
        name: "m.t".to_owned(),
        visible: true,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    };
    let (new, old) = (table(&["id", "version", "hash"]), table(&["id", "version"]));
    assert_eq!(shape.rows_query(&new), "SELECT version::text, hash::text FROM m.t ORDER BY id");
    assert_eq!(shape.rows_query(&old), "SELECT version::text FROM m.t ORDER BY id");
    assert!(shape.fits(&new) && shape.fits(&old) && !shape.fits(&table(&["id", "hash"])));
}

#[test]
fn a_file_that_changed_is_never_passed_over_in_silence_where_there_is_no_history() {
    let folder = folder(&FILES);
    let tree = read_named(&[folder.path().to_owned()], Some("sqlx"), folder.path()).expect("readable");
    let at = |name: &str| folder.path().join(name);
    let changed = Changed::of(&[at("3_c.sql")], &[at("2_b.sql")]);
    let found = pending(&tree, None, Some(&changed)).expect("pending");
    assert_eq!(versions(&found), ["3"]);
    assert_eq!(found.notes, ["2_b.sql: changed since --base; there is no history, so it is taken for applied"]);
    let found = pending(&tree, Some(&applied(&tree, &["1"])), Some(&changed)).expect("pending");
    assert_eq!(versions(&found), ["2", "3"]);
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

#[test]
fn a_changelog_that_grew_needs_a_history_to_tell_what_is_new_in_it() {
    let text = "--liquibase formatted sql\n--changeset ada:1\nSELECT 1;\n--changeset ada:2\nSELECT 2;\n";
    let folder = folder(&[("x.sql", text)]);
    let tree = read_named(&[folder.path().to_owned()], Some("liquibase"), folder.path()).expect("readable");
    let changed = Changed::of(&[], &[folder.path().join("x.sql")]);
    let error = pending(&tree, None, Some(&changed)).expect_err("nobody knows").to_string();
    assert!(error.starts_with("x.sql changed since --base") && error.contains("databasechangelog"), "{error}");
    // A new file is new as a whole.
    let added = Changed::of(&[folder.path().join("x.sql")], &[]);
    assert_eq!(versions(&pending(&tree, None, Some(&added)).expect("pending")).len(), 2);
}

#[test]
fn tern_asks_each_direction_whether_it_opts_out() {
    let function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;";
    let text =
        format!("---- tern: disable-tx ----\nSELECT 1;\n---- create above / drop below ----\n{function}\nSELECT 2;\n");
    let found = pending(&tree(&[("1_a.sql", &text)], "tern"), None, None).expect("pending");
    let down = found.migrations[0].down.as_ref().expect("a way back");
    let sent: Vec<&str> = down.statements.iter().map(Statement::sql).collect();
    assert_eq!(
        (down.transaction, sent),
        (TransactionMode::PerMigration, vec![function.trim_end_matches(';'), "SELECT 2"])
    );
    let text = format!("{function}\n---- create above / drop below ----\n---- tern: disable-tx ----\nSELECT 2;\n");
    let found = pending(&tree(&[("1_a.sql", &text)], "tern"), None, None).expect("pending");
    assert_eq!(found.migrations[0].transaction, TransactionMode::PerMigration);
    assert_eq!(found.migrations[0].down.as_ref().expect("a way back").transaction, TransactionMode::None);
}
