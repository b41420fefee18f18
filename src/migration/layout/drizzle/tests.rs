use super::super::tests::{folder, read as read_with};
use super::*;

fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
    let folder = folder(files);
    read_with(&Drizzle, &[folder.path().to_owned()], folder.path())
}

fn journal(entries: &[(i64, &str)]) -> String {
    let entries: Vec<String> =
        entries.iter().map(|(when, tag)| format!("{{\"idx\": 0, \"when\": {when}, \"tag\": \"{tag}\"}}")).collect();
    format!("{{\"version\": \"7\", \"dialect\": \"postgresql\", \"entries\": [{}]}}", entries.join(", "))
}

fn row(when: i64, hash: &str, name: Option<&str>) -> Row {
    vec![Some(when.to_string()), Some(hash.to_owned()), name.map(str::to_owned)]
}

#[test]
fn the_journal_decides_the_order_and_what_belongs() {
    let journal = journal(&[(100, "0009_b"), (200, "0010_a"), (150, "0011_c")]);
    let tree = read(&[
        ("meta/_journal.json", &journal),
        ("0010_a.sql", "SELECT 1;--> statement-breakpoint\nSELECT 2; SELECT 3;"),
        ("0009_b.sql", "SELECT 0"),
        ("0011_c.sql", ""),
        ("stray.sql", "SELECT 4"),
    ])
    .expect("readable");
    let found: Vec<&str> = tree.files.iter().map(|file| file.version.as_str()).collect();
    assert_eq!(found, ["0009_b", "0010_a", "0011_c"]);
    assert!(tree.notes[0].starts_with("0011_c: its `when` in the journal is not after that of 0010_a"));
    assert_eq!(tree.notes[1], "stray.sql: not in meta/_journal.json, so Drizzle never runs it");
    let cuts = Drizzle.cut(&tree, &tree.files[1], &tree.files[1].up).expect("cut");
    let sent: Vec<&str> = cuts.iter().map(|cut| cut.sql(tree.files[1].file())).collect();
    assert_eq!(sent, ["SELECT 1", "SELECT 2", "SELECT 3"]);
}

#[test]
fn what_drizzle_stops_at_is_an_error() {
    let message = |files: &[(&str, &str)]| read(files).expect_err("Drizzle stops").to_string();
    let gone = journal(&[(1, "0000_a")]);
    assert!(message(&[("meta/_journal.json", &gone)]).contains("0000_a has no file 0000_a.sql"));
    assert!(message(&[("meta/_journal.json", "{")]).contains("_journal.json: "));
    let mysql = "{\"dialect\": \"mysql\", \"entries\": []}";
    assert!(message(&[("meta/_journal.json", mysql)]).contains("these migrations are for mysql"));
    assert!(message(&[("init/migration.sql", "")]).starts_with("init: Drizzle reads a moment"));
    assert!(message(&[("README.md", "")]).contains("no migrations here"));
}

#[test]
fn only_what_is_younger_than_the_history_runs() {
    let journal = journal(&[(100, "0000_a"), (300, "0001_b"), (200, "0002_c"), (400, "0003_d")]);
    let files = ["0000_a.sql", "0001_b.sql", "0002_c.sql", "0003_d.sql"].map(|name| (name, "SELECT 1"));
    let tree = read(&[&files[..], &[("meta/_journal.json", &journal)]].concat()).expect("readable");
    let hash = sha256("SELECT 1", false);
    let selection = Drizzle.select(&tree, Some(&[row(100, &hash, None), row(300, "other", None)])).expect("selects");
    assert_eq!((selection.pending, selection.edited), (vec![3], vec![1]));
    assert!(selection.notes[0].starts_with("0002_c.sql: not applied, and its `when`"), "{:?}", selection.notes);
    assert_eq!(selection.newest.as_deref(), Some("0001_b"));
    assert_eq!(Drizzle.select(&tree, None).expect("selects").pending, [0, 1, 2, 3]);
    assert!(Drizzle.select(&tree, Some(&[vec![Some("x".to_owned()), Some("y".to_owned())]])).is_err());
}

#[test]
fn folders_run_when_their_names_are_not_in_the_history() {
    let tree = read(&[
        ("20260101000000_a/migration.sql", "SELECT 1"),
        ("20260102000000_b/migration.sql", "SELECT 2"),
        ("20260103000000_c/migration.sql", "SELECT 3"),
        ("empty/notes.txt", ""),
    ])
    .expect("readable");
    assert_eq!(tree.files[0].attribute(WHEN), Some("1767225600000"));
    assert_eq!((tree.files[0].version.as_str(), tree.files[0].name.as_str()), ("20260101000000_a", "a"));
    let rows =
        [row(1_767_312_000_000, "edited", Some("20260102000000_b")), row(5, "x", Some("gone")), row(6, "y", None)];
    let selection = Drizzle.select(&tree, Some(&rows)).expect("selects");
    assert_eq!((selection.pending, selection.edited), (vec![0, 2], vec![1]));
    assert!(selection.notes[0].ends_with("which Drizzle lets pass: gone"), "{:?}", selection.notes);
    assert!(selection.notes[1].contains("older than version 20260102000000_b"), "{:?}", selection.notes);
    assert!(tree.create_history[0].contains("applied_at timestamp with time zone"));
}

fn grouped(text: &str) -> Result<Grouping, MigrationError> {
    let journal = journal(&[(100, "0000_a")]);
    let tree = read(&[("meta/_journal.json", &journal), ("0000_a.sql", text)])?;
    let cuts = Drizzle.cut(&tree, &tree.files[0], &tree.files[0].up)?;
    Drizzle.grouping(&tree, &tree.files[0], &cuts, None)
}

#[test]
fn everything_pending_is_one_transaction() {
    let grouping = grouped("SELECT 1").expect("groups");
    assert_eq!(grouping.transaction, TransactionMode::AllPending);
    let history = grouping.history.expect("a row");
    let hash = sha256("SELECT 1", false);
    assert_eq!(
        history.applied,
        [format!("insert into \"drizzle\".\"__drizzle_migrations\" (\"hash\", \"created_at\") values('{hash}', 100)")]
    );
    assert_eq!(grouped("").expect("an empty file runs").transaction, TransactionMode::AllPending);
    let commits = grouped("BEGIN; SELECT 1; COMMIT").expect("groups");
    assert_eq!((commits.transaction, commits.notes.len()), (TransactionMode::Explicit, 1));
    assert_eq!(grouped("SELECT 1; COMMIT").expect("groups").transaction, TransactionMode::PerMigration);
    assert!(matches!(grouped("\u{feff}SELECT 1"), Err(MigrationError::ByteOrderMark { .. })));
}

#[test]
fn the_history_is_where_the_configuration_puts_it() {
    let config = "export default defineConfig({ out: './drizzle',\n  migrations: {\n    table: 'changes', // ours\n    schema: \"public\",\n  },\n});";
    let journal = journal(&[(1, "0000_a")]);
    let files = [("meta/_journal.json", journal.as_str()), ("0000_a.sql", "")];
    let tree = read(&[&files[..], &[("drizzle.config.ts", config)]].concat()).expect("readable");
    assert_eq!(tree.history_table(), "\"public\".\"changes\"");
    assert!(tree.notes[0].contains("as drizzle.config says"));
    let without = read(&[&files[..], &[("drizzle.config.ts", "export default { out: './x' }")]].concat());
    assert_eq!(without.expect("readable").history_table(), "\"drizzle\".\"__drizzle_migrations\"");
}

#[test]
fn journal_snapshot_or_dependency_give_it_away() {
    let why = |files: &[(&str, &str)]| {
        let folder = folder(files);
        Drizzle.detect(&Site::new(&[folder.path().to_owned()]).expect("readable")).map(|evidence| evidence.why)
    };
    assert_eq!(why(&[("meta/_journal.json", "{}")]).expect("found"), "meta/_journal.json is there");
    let script = ("20260101000000_a/migration.sql", "");
    let snapshot = ("20260101000000_a/snapshot.json", "");
    assert!(why(&[script, snapshot]).expect("found").starts_with("20260101000000_a/snapshot.json"));
    let package = ("package.json", "{\"dependencies\": {\"drizzle-orm\": \"1\"}}");
    assert_eq!(why(&[script, package]).expect("found"), "package.json names drizzle-orm");
    assert!(why(&[script]).is_none());
    assert!(why(&[script, package, ("migration_lock.toml", "")]).is_none());
}

#[test]
fn files_named_one_by_one_are_looked_up_in_the_journal() {
    let journal = journal(&[(100, "0000_a"), (200, "0001_b")]);
    let folder = folder(&[("meta/_journal.json", &journal), ("0000_a.sql", "SELECT 1"), ("0001_b.sql", "SELECT 2")]);
    let tree = read_with(&Drizzle, &[folder.path().join("0001_b.sql")], folder.path()).expect("readable");
    assert_eq!(tree.files.iter().map(|file| file.version.as_str()).collect::<Vec<_>>(), ["0001_b"]);
    assert!(!tree.directory_given && tree.notes.is_empty());
}

#[test]
fn rows_of_a_release_that_kept_no_names_are_matched_by_moment_and_then_by_hash() {
    let tree = read(&[
        ("20231114221320_a/migration.sql", "SELECT 1"),
        ("20231114221321_b/migration.sql", "SELECT 2"),
        ("20231114221322_c/migration.sql", "SELECT 3"),
    ])
    .expect("readable");
    let old = |when: i64, hash: &str| row(when, hash, None)[..2].to_vec();
    let hash = tree.files[1].checksum.clone().expect("a hash");
    let rows = [old(1_700_000_000_123, tree.files[0].checksum.as_deref().expect("a hash")), old(5, &hash)];
    let selection = Drizzle.select(&tree, Some(&rows)).expect("selected");
    assert_eq!((selection.pending, selection.edited), (vec![2], vec![]));
    let message = Drizzle.select(&tree, Some(&[old(5, "?")])).expect_err("nobody's").to_string();
    assert!(message.contains("row 1 of \"drizzle\".\"__drizzle_migrations\" is of an older release"), "{message}");
    // In a table with names, a row without one is passed over.
    let selection = Drizzle.select(&tree, Some(&[row(1_700_000_000_123, &hash, None)])).expect("selected");
    assert_eq!(selection.pending, [0, 1, 2]);
}
