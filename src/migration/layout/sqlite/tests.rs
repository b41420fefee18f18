//! Every layout whose tool runs on SQLite, run there: the history it writes is the history it reads.

use super::*;
use crate::migration::history::{self, Pending, Row, pending};
use crate::migration::layout::tests::folder;
use crate::migration::layout::{LAYOUTS, LayoutOptions, Request, atlas, named, read as read_any, writing};
use crate::migration::script::Dialect;
use crate::migration::{Migration, TransactionMode};
use rusqlite::Connection as Sqlite;

type Files<'a> = &'a [(&'a str, &'a str)];

fn options() -> LayoutOptions {
    LayoutOptions { dialect: Dialect::Sqlite, ..LayoutOptions::default() }
}

fn read_with(options: &LayoutOptions, layout: Option<&str>, files: Files<'_>) -> Result<MigrationTree, MigrationError> {
    let folder = folder(files);
    let paths = [folder.path().to_owned()];
    read_any(&Request { paths: &paths, root: folder.path(), options }, layout).map(|mut trees| trees.remove(0))
}

fn read(layout: &str, files: Files<'_>) -> MigrationTree {
    read_with(&options(), Some(layout), files).expect("readable")
}

fn open() -> Sqlite {
    let connection = Sqlite::open_in_memory().expect("SQLite");
    connection.execute_batch("PRAGMA foreign_keys = OFF").expect("a setting");
    connection
}

fn run<'a>(connection: &Sqlite, statements: impl IntoIterator<Item = &'a String>) {
    for sql in statements {
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// The rows of a query as text.
fn query(connection: &Sqlite, sql: &str) -> Vec<Row> {
    let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect::<Result<Row, _>>();
    statement.query_map([], row).expect("a query").collect::<Result<_, _>>().expect("rows of text")
}

/// The history as whoever has the copy reads it.
fn rows(connection: &Sqlite, tree: &MigrationTree) -> Option<Vec<Row>> {
    assert!(tree.history.is_some(), "a history");
    history::sqlite::read(tree, |sql| Ok::<_, MigrationError>(query(connection, sql))).expect("its own")
}

/// Runs migrations as their runner would.
fn migrate(connection: &Sqlite, migrations: &[Migration]) {
    let end = || connection.execute_batch("COMMIT").expect("commits");
    for migration in migrations {
        let history = migration.history.as_ref().expect("a history");
        run(connection, &history.begun);
        let groups = matches!(migration.transaction, TransactionMode::PerMigration | TransactionMode::AllPending);
        if groups && connection.is_autocommit() {
            connection.execute_batch("BEGIN").expect("begins");
        }
        for statement in &migration.statements {
            connection.execute_batch(statement.sql()).unwrap_or_else(|error| panic!("{}: {error}", statement.sql()));
        }
        if !history.in_transaction && !connection.is_autocommit() {
            end();
        }
        run(connection, &history.applied);
        if migration.transaction != TransactionMode::AllPending && !connection.is_autocommit() {
            end();
        }
        run(connection, &history.finished);
    }
    if !connection.is_autocommit() {
        end();
    }
}

/// The versions that are pending, and those that were edited.
fn told(pending: &Pending) -> (Vec<&str>, Vec<&str>) {
    let migrations = pending.migrations.iter().map(|migration| migration.version.as_str()).collect();
    (migrations, pending.edited.iter().map(|edited| edited.version.as_str()).collect())
}

/// What every tool must get right: nothing there, all pending; all run, none pending and none edited; the last one's row
/// taken back, it alone pending.
fn round_trip(layout: &str, files: Files<'_>) -> (MigrationTree, Sqlite) {
    let (tree, connection) = (read(layout, files), open());
    assert!(rows(&connection, &tree).is_none(), "{layout}");
    let all = pending(&tree, None, None).expect("all pending");
    let versions: Vec<&str> = tree.files.iter().map(|file| file.version.as_str()).collect();
    assert_eq!(told(&all), (versions.clone(), vec![]), "{layout}");
    run(&connection, tree.setup.iter().chain(&tree.create_history));
    assert_eq!(pending(&tree, rows(&connection, &tree).as_deref(), None).expect("pending").migrations.len(), 2);
    migrate(&connection, &all.migrations);
    let after = rows(&connection, &tree);
    assert!(after.is_some(), "{layout}");
    assert_eq!(told(&pending(&tree, after.as_deref(), None).expect("none")), (vec![], vec![]), "{layout}");
    let last = all.migrations.last().expect("a migration");
    run(&connection, &last.history.as_ref().expect("a history").undo);
    let back = pending(&tree, rows(&connection, &tree).as_deref(), None).expect("one");
    assert_eq!(told(&back), (vec![*versions.last().expect("two")], vec![]), "{layout}");
    migrate(&connection, &back.migrations[..0]);
    run(&connection, &back.migrations[0].history.as_ref().expect("a history").applied);
    (tree, connection)
}

const TABLE: &str = "CREATE TABLE [my t] (a INTEGER PRIMARY KEY, \"b;\" TEXT);";
const TRIGGER: &str = "CREATE TRIGGER tr AFTER INSERT ON [my t] BEGIN\n  UPDATE [my t] SET \"b;\" = CASE WHEN new.a > 1 THEN 'x;' ELSE '' END;\nEND;\nINSERT INTO [my t] VALUES (1, 'it''s'); -- end";

#[test]
fn sqlx_reads_what_it_wrote() {
    let (tree, connection) = round_trip("sqlx", &[("1_a.sql", TABLE), ("2_it's_b.sql", TRIGGER)]);
    let kept = query(
        &connection,
        "SELECT typeof(checksum), typeof(installed_on), CAST(success AS TEXT), description FROM _sqlx_migrations",
    );
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(kept[0], [text("blob"), text("text"), text("1"), text("a")]);
    assert_eq!(kept[1][3].as_deref(), Some("it's b"));
    connection.execute_batch("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").expect("an edit");
    let edited = pending(&tree, rows(&connection, &tree).as_deref(), None).expect("pending");
    assert_eq!(told(&edited).1, ["1"]);
    let migration = &pending(&tree, None, None).expect("all").migrations[0];
    assert_eq!(migration.connection.settings, FOREIGN_KEYS);
}

#[test]
fn diesel_reads_what_it_wrote() {
    let files = [("2026-01-01-000000_a/up.sql", TABLE), ("2026-01-02-000000_b/up.sql", TRIGGER)];
    let (tree, _) = round_trip("diesel", &files);
    assert_eq!(pending(&tree, None, None).expect("all").migrations[0].connection.settings, "");
    let bundled = "[dependencies]\ndiesel = \"2\"\nlibsqlite3-sys = { version = \"0.30\", features = [\"bundled\"] }\n";
    let tree = read("diesel", &[files[0], ("Cargo.toml", bundled)][..]);
    assert_eq!(pending(&tree, None, None).expect("all").migrations[0].connection.settings, FOREIGN_KEYS);
    assert!(tree.notes[0].starts_with("Cargo.toml names bundled: the SQLite that Diesel brings"), "{:?}", tree.notes);
}

#[test]
fn refinery_reads_what_it_wrote() {
    let (_, connection) = round_trip("refinery", &[("V1__a.sql", TABLE), ("V2__b.sql", TRIGGER)]);
    let when = query(&connection, "SELECT applied_on FROM refinery_schema_history")[0][0].clone().expect("a moment");
    assert!(when.parse::<jiff::Timestamp>().is_ok(), "{when}");
}

#[test]
fn goose_reads_what_it_wrote() {
    let up =
        |sql: &str| format!("-- +goose Up\n-- +goose StatementBegin\n{sql}\n-- +goose StatementEnd\n-- +goose Down\n");
    let (table, trigger) = (up(TABLE), up(TRIGGER));
    let (tree, _) = round_trip("goose", &[("1_a.sql", &table), ("2_b.sql", &trigger)]);
    let several = pending(&tree, None, None).expect("all").migrations[1].statements.len();
    assert_eq!(several, 2, "its driver takes a block's statements one by one");
    let torn = format!("-- +goose Up\n{TRIGGER}\n");
    let tree = read("goose", &[("1_a.sql", &torn)]);
    let notes = pending(&tree, None, None).expect("all").notes;
    assert!(notes[0].contains("put this one between `-- +goose StatementBegin`"), "{notes:?}");
}

#[test]
fn dbmate_reads_what_it_wrote() {
    let both = |sql: &str| format!("-- migrate:up\n{sql}\n-- migrate:down\nSELECT 1;\n");
    let (tree, _) = round_trip("dbmate", &[("1_a.sql", &both(TABLE)), ("2_b.sql", &both(TRIGGER))]);
    assert_eq!(tree.history_table(), "\"schema_migrations\"");
    let bare = "-- migrate:up transaction:false\nPRAGMA foreign_keys = ON;\nVACUUM;\n-- migrate:down\n";
    let tree = read("dbmate", &[("1_a.sql", bare)]);
    let migration = &pending(&tree, None, None).expect("all").migrations[0];
    assert_eq!((migration.transaction, migration.connection.settings), (TransactionMode::None, ""));
}

#[test]
fn golang_migrate_reads_what_it_wrote() {
    let files = [("1_a.up.sql", TABLE), ("2_b.sqlite3.up.sql", TRIGGER), ("2_b.postgres.up.sql", "SELECT 1::int")];
    let (tree, connection) = round_trip("golang_migrate", &files);
    assert_eq!(query(&connection, "SELECT name FROM sqlite_schema WHERE name = 'version_unique'").len(), 1);
    assert_eq!(tree.notes, ["1 files for other databases left alone: postgres"]);
    connection.execute_batch("UPDATE schema_migrations SET dirty = 1").expect("an edit");
    assert!(matches!(pending(&tree, rows(&connection, &tree).as_deref(), None), Err(MigrationError::Dirty { .. })));
    let bare = LayoutOptions { transaction: Some(TransactionMode::None), ..options() };
    let tree = read_with(&bare, Some("golang_migrate"), &[("1_a.up.sql", TRIGGER)]).expect("readable");
    let migration = &pending(&tree, None, None).expect("all").migrations[0];
    assert_eq!((migration.transaction, migration.statements.len()), (TransactionMode::None, 2));
}

#[test]
fn atlas_reads_what_it_wrote() {
    let file = |name: &str, text: &str| writing::File { name: name.to_owned(), text: text.to_owned() };
    let mut sealed = vec![file("1_a.sql", TABLE), file("2_b.sql", TRIGGER)];
    atlas::complete(&MigrationTree::default(), &[], &mut sealed);
    let files: Vec<(&str, &str)> = sealed.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    let (tree, connection) = round_trip("atlas", &files);
    assert_eq!(tree.history_table(), "atlas_schema_revisions");
    connection.execute_batch("UPDATE atlas_schema_revisions SET applied = 0 WHERE version = '2'").expect("an edit");
    let stopped = pending(&tree, rows(&connection, &tree).as_deref(), None).expect_err("half").to_string();
    assert!(stopped.contains("stopped after 0 of 2 statements"), "{stopped}");
    let dollars = "-- atlas:delimiter \\n\\n\\n\nSELECT '$a$';\n\n\nSELECT $$;\n\n\nSELECT 3;\n";
    let folder = folder(&[("1_a.sql", dollars)]);
    let paths = [folder.path().join("1_a.sql")];
    let request = Request { paths: &paths, root: folder.path(), options: &options() };
    let tree = read_any(&request, Some("atlas")).expect("readable").remove(0);
    assert_eq!(pending(&tree, None, None).expect("all").migrations[0].statements.len(), 3, "no dollar quotes");
}

#[test]
fn prisma_reads_what_it_wrote() {
    let files = [
        ("1_a/migration.sql", TABLE),
        ("2_b/migration.sql", "PRAGMA foreign_keys=OFF;\nINSERT INTO [my t] VALUES (2, 'x');\nPRAGMA foreign_keys=ON;"),
        ("migration_lock.toml", "provider = \"sqlite\""),
    ];
    let (tree, connection) = round_trip("prisma", &files);
    let kept = query(&connection, "SELECT typeof(started_at), typeof(finished_at), id FROM _prisma_migrations");
    assert_eq!(kept[0][..2], [Some("integer".to_owned()), Some("integer".to_owned())]);
    assert_eq!(kept[0][2].as_deref().map(str::len), Some(36));
    let migration = &pending(&tree, None, None).expect("all").migrations[1];
    assert_eq!((migration.transaction, migration.connection.settings), (TransactionMode::None, FOREIGN_KEYS));
    let other = [files[0], ("migration_lock.toml", "provider = \"postgresql\"")];
    let error = read_with(&options(), Some("prisma"), &other).expect_err("PostgreSQL's").to_string();
    assert!(error.ends_with("these migrations are for postgresql, not for SQLite"), "{error}");
    let grouped = LayoutOptions { transaction: Some(TransactionMode::PerMigration), ..options() };
    let error = read_with(&grouped, Some("prisma"), &files).expect_err("never grouped").to_string();
    assert!(error.contains("one by one"), "{error}");
}

#[test]
fn drizzle_reads_what_it_wrote() {
    let journal = "{\"dialect\": \"sqlite\", \"entries\": [{\"when\": 100, \"tag\": \"0000_a\"}, {\"when\": 200, \"tag\": \"0001_b\"}]}";
    let second = TRIGGER.replace("INSERT INTO", "--> statement-breakpoint\nINSERT INTO");
    let files = [("meta/_journal.json", journal), ("0000_a.sql", TABLE), ("0001_b.sql", &second)];
    let (tree, connection) = round_trip("drizzle", &files);
    assert_eq!(query(&connection, "SELECT id FROM __drizzle_migrations")[0], [None], "SERIAL numbers nothing there");
    assert_eq!(pending(&tree, None, None).expect("all").migrations[0].connection.settings, "");
    let folders = [("20260101000000_a/migration.sql", TABLE), ("20260102000000_b/migration.sql", TRIGGER)];
    let package = ("package.json", "{\"dependencies\": {\"better-sqlite3\": \"12\", \"drizzle-orm\": \"1\"}}");
    let (tree, _) = round_trip("drizzle", &[folders[0], folders[1], package]);
    let all = pending(&tree, None, None).expect("all");
    assert_eq!(all.migrations[0].connection.settings, FOREIGN_KEYS);
    assert!(all.notes[0].contains("better-sqlite3 refuses several statements in one text"), "{:?}", all.notes);
    // The table of a release that kept no names.
    let row: Row = ["1", "x"].map(|value| Some(value.to_owned())).to_vec();
    let error = pending(&tree, Some(&[row]), None).expect_err("older").to_string();
    assert!(error.contains("of an older release"), "{error}");
    let error =
        read_with(&options(), Some("drizzle"), &[("meta/_journal.json", &journal.replace("sqlite", "postgresql"))]);
    assert!(error.expect_err("PostgreSQL's").to_string().ends_with("for postgresql, not for SQLite"));
}

#[test]
fn flyway_reads_what_it_wrote() {
    let (tree, connection) = round_trip("flyway", &[("V1__a.sql", TABLE), ("V2__b.sql", TRIGGER)]);
    assert_eq!(tree.history_table(), "\"main\".\"flyway_schema_history\"");
    assert_eq!(
        query(&connection, "SELECT name FROM sqlite_schema WHERE name = 'flyway_schema_history_s_idx'").len(),
        1
    );
    let mode = |text: &str| {
        let tree = read("flyway", &[("V1__a.sql", text)]);
        pending(&tree, None, None).map(|all| {
            let history = all.migrations[0].history.as_ref().expect("a row").in_transaction;
            (all.migrations[0].transaction, history)
        })
    };
    assert_eq!(mode(TRIGGER).expect("a file"), (TransactionMode::PerMigration, true));
    assert_eq!(mode("PRAGMA foreign_keys = OFF").expect("a file"), (TransactionMode::None, false));
    let mixed = mode("PRAGMA foreign_keys = OFF; SELECT 1").expect_err("mixed").to_string();
    assert!(mixed.contains("Flyway refuses a file in which some statements can run in a transaction"), "{mixed}");
    assert_eq!(mode("PRAGMA user_version = 2; SELECT 1").expect("a file").0, TransactionMode::PerMigration);
}

#[test]
fn liquibase_reads_what_it_wrote() {
    let log = |sets: &str| format!("--liquibase formatted sql\n{sets}");
    let first = log(&format!("--changeset ada:1\n{TABLE}\n--changeset ada:x dbms:postgresql\nSELECT 1::int;\n"));
    let second = log(&format!("--changeset ada:2 splitStatements:false dbms:sqlite\n{TRIGGER}\n"));
    let (tree, _) = round_trip("liquibase", &[("a.sql", &first), ("b.sql", &second)]);
    assert!(tree.notes[0].ends_with("left out as Liquibase does: dbms:postgresql"), "{:?}", tree.notes);
    let torn = read("liquibase", &[("a.sql", &log(&format!("--changeset ada:2\n{TRIGGER}\n")))]);
    let error = pending(&torn, None, None).expect_err("torn").to_string();
    assert!(error.starts_with("a.sql:3: ") && error.contains("within this trigger's body"), "{error}");
}

#[test]
fn sqitch_keeps_its_registry_elsewhere() {
    let plan = "%syntax-version=1.0.0\n%project=p\n\na 2026-11-23T02:59:54Z Ada <a@example.org> # A\n";
    let files = [
        ("sqitch.plan", plan),
        ("sqitch.conf", "[core]\n\tengine = sqlite\n"),
        ("deploy/a.sql", "BEGIN;\nCREATE TABLE t (a);\nCOMMIT;\n"),
    ];
    let tree = read("sqitch", &files);
    assert!(tree.history.is_none() && tree.create_history.is_empty());
    let all = pending(&tree, None, None).expect("all");
    assert!(all.notes[0].contains("sqitch.db beside the target"), "{:?}", all.notes);
    assert_eq!((all.migrations[0].transaction, all.migrations[0].history.is_none()), (TransactionMode::Explicit, true));
    let other = [files[0], ("sqitch.conf", "[core]\n\tengine = pg\n"), files[2]];
    let error = read_with(&options(), Some("sqitch"), &other).expect_err("PostgreSQL's").to_string();
    assert!(error.ends_with("core.engine is pg: only scripts for sqlite are read"), "{error}");
}

#[test]
fn plain_files_run_as_the_shell_runs_them() {
    let mode = |text: &str| {
        let tree = read("plain", &[("a.sql", text)]);
        pending(&tree, None, None).map(|pending| pending.migrations[0].transaction).map_err(|error| error.to_string())
    };
    assert_eq!(mode(TRIGGER), Ok(TransactionMode::None));
    assert_eq!(mode("BEGIN; SELECT 1; END"), Ok(TransactionMode::Explicit));
    assert_eq!(mode("SAVEPOINT \"a\"; SELECT 1; RELEASE A"), Ok(TransactionMode::Explicit));
    assert_eq!(mode("BEGIN; SAVEPOINT a; RELEASE a; COMMIT"), Ok(TransactionMode::Explicit));
    assert!(mode("SELECT 1;\nSAVEPOINT a;\nRELEASE b").expect_err("open").starts_with("a.sql:2: this BEGIN"));
    assert!(mode(".read b.sql").expect_err("a command").contains(".read is a command of the sqlite3 shell"));
    assert_eq!(mode("\u{feff}SELECT 1 /* open"), Ok(TransactionMode::None));
}

#[test]
fn what_a_script_does_to_its_runners_transaction_is_said() {
    let within = |text: &str| {
        let pending = pending(&read("sqlx", &[("1_a.sql", text)]), None, None).expect("pending");
        let history = pending.migrations[0].history.as_ref().expect("a row").in_transaction;
        (pending.migrations[0].transaction, history, pending.notes.join("\n"))
    };
    let (mode, in_transaction, notes) = within("BEGIN;\nSELECT 1;\nCOMMIT;");
    assert_eq!((mode, in_transaction), (TransactionMode::PerMigration, false));
    assert!(
        notes.starts_with("1_a.sql:1: sqlx opened a transaction, and SQLite begins none within another"),
        "{notes}"
    );
    // The way around that people take for pragmas that do nothing within a transaction.
    let around = "COMMIT;\nPRAGMA foreign_keys = OFF;\nBEGIN;\nSELECT 1;\nCOMMIT;\nPRAGMA foreign_keys = ON;\nBEGIN;";
    let (mode, in_transaction, notes) = within(around);
    assert_eq!((mode, in_transaction), (TransactionMode::PerMigration, true));
    assert_eq!(notes, "1_a.sql:1: the script ends the transaction sqlx opened, and begins another at its end");
    let (_, in_transaction, notes) = within("SELECT 1;\nCOMMIT;");
    assert!(
        !in_transaction && notes.starts_with("1_a.sql:2: ") && notes.contains("sqlx's own COMMIT finds none"),
        "{notes}"
    );
    assert!(within("SAVEPOINT a; SELECT 1; RELEASE a").1);
    let (mode, in_transaction, notes) = within("-- no-transaction\nVACUUM; SELECT 1;");
    assert_eq!((mode, in_transaction, notes.as_str()), (TransactionMode::None, false, ""));
}

#[test]
fn tools_that_know_no_sqlite_are_refused_in_plain_words() {
    for layout in ["supabase", "graphile_migrate", "tern", "node_pg_migrate"] {
        let error = read_with(&options(), Some(layout), &[("1_a.sql", "SELECT 1")]).expect_err(layout).to_string();
        assert!(error.starts_with(&format!("layout {layout}: that tool knows nothing of SQLite")), "{error}");
        assert!(!named(layout).expect("a layout").supports(Dialect::Sqlite));
    }
    assert_eq!(LAYOUTS.iter().filter(|layout| layout.supports(Dialect::Sqlite)).count(), 13);
    let certain =
        read_with(&options(), None, &[("001_a.sql", "SELECT 1\n---- create above / drop below ----\nSELECT 2")]);
    assert!(certain.expect_err("tern's").to_string().starts_with("layout tern: "));
}

#[test]
fn the_folder_for_sqlite_is_told_from_those_for_other_databases() {
    let files = [("postgres/1_a.sql", "SELECT 1::int"), ("sqlite3/1_a.sql", "SELECT 1")];
    let tree = read_with(&options(), None, &files).expect("SQLite's");
    assert_eq!(tree.files[0].file().name, "sqlite3/1_a.sql");
    assert!(tree.notes[0].starts_with("sqlite3/ is SQLite's part of "), "{:?}", tree.notes);
    let error = read_with(&options(), None, &files[..1]).expect_err("PostgreSQL's").to_string();
    assert!(error.contains("these are for other databases: postgres"), "{error}");
}

#[test]
fn a_history_is_found_as_sqlite_compares_names() {
    let connection = open();
    connection
        .execute_batch("CREATE TABLE \"My \"\"Table\"(VERSION, b); CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE x (a)")
        .expect("a schema");
    let found =
        |table: &str| history::parse_found(&query(&connection, &history::sqlite::find_query(table))).expect("tables");
    for spelled in ["\"my \"\"table\"", "main.[My \"Table]", "`My \"Table`"] {
        let tables = found(spelled);
        assert_eq!(tables.len(), 1, "{spelled}");
        assert_eq!((tables[0].name.as_str(), tables[0].visible), ("\"main\".\"My \"\"Table\"", true));
        assert_eq!(tables[0].columns, ["version", "b"]);
    }
    for none in ["v", "x", "temp.x", "other.t", "it's"] {
        assert!(found(none).is_empty(), "{none}");
    }
}

#[test]
fn another_tools_table_of_the_same_name_is_no_history() {
    let connection = open();
    connection.execute_batch("CREATE TABLE schema_migrations (version TEXT, inserted_at TEXT)").expect("Ecto's");
    let tree = read("dbmate", &[("1_a.sql", "-- migrate:up\n-- migrate:down\n")]);
    let read = history::sqlite::read(&tree, |sql| Ok::<_, MigrationError>(query(&connection, sql)));
    assert!(matches!(read, Err(MigrationError::ForeignHistory { .. })), "{read:?}");
}
