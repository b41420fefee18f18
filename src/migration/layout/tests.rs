//! Layouts from outside: what a folder is taken for, and what reading it gives.

use super::*;
use std::path::{Path, PathBuf};

/// Names and texts.
type Files<'a> = &'a [(&'a str, &'a str)];

/// A temporary folder with these files in it.
pub(crate) fn folder(files: Files<'_>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

/// Reads with one layout and no options.
pub(crate) fn read(layout: &dyn Layout, paths: &[PathBuf], root: &Path) -> Result<MigrationTree, MigrationError> {
    layout.read(&Request { paths, root, options: &LayoutOptions::default() })
}

/// Reads as `check` does, with the layout called `name` or the one that is detected.
pub(crate) fn read_named(paths: &[PathBuf], name: Option<&str>, root: &Path) -> Result<MigrationTree, MigrationError> {
    let mut trees = super::read(&Request { paths, root, options: &LayoutOptions::default() }, name)?;
    assert_eq!(trees.len(), 1, "one layout: {trees:?}");
    Ok(trees.remove(0))
}

fn detected(files: Files<'_>) -> Result<MigrationTree, MigrationError> {
    let folder = folder(files);
    read_named(&[folder.path().to_owned()], None, folder.path())
}

#[test]
fn every_layout_has_its_own_name_and_is_found_by_it() {
    for layout in LAYOUTS {
        assert_eq!(named(layout.name()).expect("known").name(), layout.name());
    }
}

#[test]
fn unknown_layouts_are_answered_with_the_known_ones() {
    let folder = folder(&[("1_a.sql", "SELECT 1")]);
    let message =
        |name| read_named(&[folder.path().to_owned()], Some(name), folder.path()).expect_err("unknown").to_string();
    let known = LAYOUTS.map(Layout::name).join(", ");
    assert_eq!(message("sqlite"), format!("--layout sqlite: no such layout: known are {known}"));
}

#[test]
fn directories_are_told_apart_and_say_why() {
    let sqlx =
        detected(&[("1_a.sql", "SELECT 1"), ("20240101_b.up.sql", "SELECT 2"), ("README.md", "")]).expect("versions");
    assert_eq!(sqlx.layout, "sqlx");
    assert!(sqlx.detected.expect("a reason").contains("<number>_<description>.sql"));
    let plain = detected(&[("a.sql", "SELECT 1"), ("1_b.sql", "SELECT 2")]).expect("plain files");
    assert_eq!(plain.layout, "plain");
    assert!(plain.directory_given && plain.detected.is_some());
}

#[test]
fn other_tools_files_are_never_run_by_guess() {
    let files = [("a.sql", "-- +migrate Up\nCREATE TABLE t ();\n-- +migrate Down\nDROP TABLE t;")];
    match detected(&files) {
        Err(MigrationError::ForeignLayout { tool, .. }) => assert_eq!(tool, "sql-migrate"),
        other => panic!("taken for {other:?}"),
    }
    let folder = folder(&files);
    assert!(read_named(&[folder.path().join("a.sql")], None, folder.path()).is_err());
    let asked = read_named(&[folder.path().join("a.sql")], Some("plain"), folder.path());
    assert_eq!(asked.expect("asked for").files.len(), 1);
}

#[test]
fn a_project_is_searched_for_its_migrations() {
    let tree = detected(&[("Cargo.toml", "[dependencies]\nsqlx = \"0.9\"\n"), ("migrations/1_a.sql", "SELECT 1")]);
    let tree = tree.expect("sqlx's own folder");
    assert_eq!((tree.layout, tree.files[0].file().name.as_str()), ("sqlx", "migrations/1_a.sql"));
    assert!(tree.notes[0].ends_with("migrations is where this project keeps its migrations"), "{:?}", tree.notes);
}

#[test]
fn the_folder_for_postgresql_is_told_from_those_for_other_databases() {
    let files = [("postgres/1_a.sql", "SELECT 1"), ("mysql/1_a.sql", "SELECT `1`"), ("sqlite/1_a.sql", "SELECT 1")];
    let tree = detected(&files).expect("PostgreSQL's");
    assert_eq!(tree.files[0].file().name, "postgres/1_a.sql");
    assert!(
        tree.notes[0].contains("postgres/ is PostgreSQL's part of")
            && tree.notes[0].contains("mysql, sqlite left alone")
    );
    let message = detected(&files[1..]).expect_err("none for PostgreSQL").to_string();
    assert!(message.contains("these are for other databases: mysql, sqlite"), "{message}");
}

#[test]
fn paths_that_hold_nothing_are_refused() {
    let folder = folder(&[("empty/README.md", ""), ("migrations/1_a.sql", "SELECT 1")]);
    let message = |path: &str, layout| {
        let path = if path.is_empty() { PathBuf::new() } else { folder.path().join(path) };
        read_named(&[path], layout, folder.path()).expect_err("nothing there").to_string()
    };
    assert!(message("", None).starts_with("no migrations given"));
    assert!(read_named(&[], None, folder.path()).is_err());
    assert!(message("nowhere.sql", None).contains("nowhere.sql: no such file or directory"));
    for layout in [None, Some("plain"), Some("sqlx")] {
        assert!(message("empty", layout).contains("no migrations here: looked for"), "{layout:?}");
    }
    assert!(message(".", Some("plain")).contains("did you mean"));
}

#[test]
fn a_project_is_read_where_its_tool_keeps_migrations_whatever_else_lies_in_it() {
    let folder = folder(&[("dump.sql", "SELECT 1"), ("db/migrations/1_a.sql", "-- migrate:up\n-- migrate:down\n")]);
    for (given, name) in [("", None), ("", Some("dbmate")), ("db", Some("dbmate")), ("db/migrations", Some("dbmate"))] {
        let tree = read_named(&[folder.path().join(given)], name, folder.path()).expect("found");
        assert_eq!((tree.layout, tree.files.len()), ("dbmate", 1), "{given} {name:?}");
        let told = tree.notes.iter().any(|note| note.ends_with("is where this project keeps its migrations"));
        assert_eq!(told, given != "db/migrations", "{given} {name:?}: {:?}", tree.notes);
    }
    let message = read_named(&[folder.path().to_owned()], Some("sqlx"), folder.path()).expect_err("none").to_string();
    assert!(message.contains("no migrations here"), "{message}");
}

#[test]
fn scripts_of_a_project_without_other_migrations_stay_plain_ones() {
    let tree = detected(&[("dump.sql", "SELECT 1"), ("docs/x.sql", "SELECT 2")]).expect("plain");
    assert_eq!((tree.layout, tree.files.len()), ("plain", 1));
}

/// What is said to a layout that is asked for by name, or that is found, when it is told this.
fn told(name: Option<&str>, files: Files<'_>, options: &LayoutOptions) -> Result<(), String> {
    let folder = folder(files);
    let request = Request { paths: &[folder.path().to_owned()], root: folder.path(), options };
    let tree = super::read(&request, name).map_err(|error| error.to_string())?.remove(0);
    crate::migration::history::pending(&tree, None, None).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn a_setting_that_means_nothing_to_a_tool_is_refused() {
    use TransactionMode::{AllPending, None as Bare, PerMigration};
    let goose: Files<'_> = &[("1_a.sql", "-- +goose Up\nSELECT 1;\n")];
    let dbmate: Files<'_> = &[("1_a.sql", "-- migrate:up\n-- migrate:down\n")];
    let diesel: Files<'_> = &[("1_a/up.sql", "SELECT 1;")];
    let prisma: Files<'_> = &[("1_a/migration.sql", "SELECT 1;")];
    let drizzle: Files<'_> = &[("20240101000000_a/migration.sql", "SELECT 1;")];
    let graphile: Files<'_> = &[(".gmrc", "{}"), ("current.sql", "SELECT 1;")];
    let liquibase: Files<'_> = &[("1.sql", "--liquibase formatted sql\n--changeset ada:1\nSELECT 1;\n")];
    let numbered: Files<'_> = &[("1_a.sql", "SELECT 1;")];
    let golang: Files<'_> = &[("1_a.up.sql", "SELECT 1;")];
    let versions: Files<'_> = &[("V1__a.sql", "SELECT 1;")];
    let sqitch: Files<'_> = &[
        ("sqitch.plan", "%syntax-version=1.0.0\n%project=p\n\na 2024-01-01T00:00:00Z A <a@example.org> # a\n"),
        ("deploy/a.sql", "SELECT 1;"),
    ];
    // Files, what `transaction` may be, and whether the tool can be told of late files.
    let tools: [(&str, Files<'_>, &[TransactionMode], bool); 16] = [
        ("atlas", &[("1_a.sql", "SELECT 1;"), ("atlas.sum", "")], &[Bare, PerMigration, AllPending], true),
        ("dbmate", dbmate, &[], true),
        ("diesel", diesel, &[], false),
        ("drizzle", drizzle, &[], false),
        ("flyway", versions, &[Bare, PerMigration, AllPending], true),
        ("golang_migrate", golang, &[Bare, PerMigration], false),
        ("goose", goose, &[], true),
        ("graphile_migrate", graphile, &[], false),
        ("liquibase", liquibase, &[], false),
        ("node_pg_migrate", numbered, &[PerMigration, AllPending], true),
        ("prisma", prisma, &[Bare, PerMigration], false),
        ("refinery", versions, &[PerMigration, AllPending], false),
        ("sqitch", sqitch, &[], false),
        ("sqlx", numbered, &[], false),
        ("supabase", numbered, &[], true),
        ("tern", numbered, &[], false),
    ];
    let named: Vec<&str> = LAYOUTS.iter().map(|layout| layout.name()).filter(|name| *name != "plain").collect();
    assert_eq!(named, tools.map(|(name, ..)| name), "every layout is asked");
    for (name, files, modes, late) in tools {
        for mode in [Bare, PerMigration, AllPending] {
            let options = LayoutOptions { transaction: Some(mode), ..LayoutOptions::default() };
            let said = told(Some(name), files, &options);
            let refused =
                said.as_ref().is_err_and(|said| said.starts_with(&format!("`transaction` with layout {name}: ")));
            assert_eq!(refused, !modes.contains(&mode), "{name} {mode:?}: {said:?}");
        }
        for order in [true, false] {
            let options = LayoutOptions { out_of_order: Some(order), ..LayoutOptions::default() };
            let said = told(Some(name), files, &options);
            let refused =
                said.as_ref().is_err_and(|said| said.starts_with(&format!("`out_of_order` with layout {name}: ")));
            assert_eq!(refused, !late, "{name} {order}: {said:?}");
        }
    }
    let options = LayoutOptions { transaction: Some(Bare), ..LayoutOptions::default() };
    assert_eq!(told(None, &[("a.sql", "SELECT 1;")], &options), Ok(()), "plain files run as they are told");
    let found = told(None, goose, &options).expect_err("found, not asked for");
    assert!(found.starts_with("`transaction` with layout goose"), "{found}");
}

#[test]
fn a_setting_does_not_decide_which_tool_it_is() {
    // Both fit by name; only one of them knows the setting, and the history is to say which it is.
    let folder = folder(&[("1_a.up.sql", "SELECT 1;"), ("1_a.down.sql", "SELECT 2;")]);
    let options = LayoutOptions { transaction: Some(TransactionMode::None), ..LayoutOptions::default() };
    let request = Request { paths: &[folder.path().to_owned()], root: folder.path(), options: &options };
    let trees = super::read(&request, None).expect("readable");
    let layouts: Vec<&str> = trees.iter().map(|tree| tree.layout).collect();
    assert_eq!(layouts, ["golang_migrate", "sqlx"]);
}

/// A project of each tool, with two migrations in files of their own.
const PROJECTS: [(&str, Files<'_>); 12] = [
    ("atlas", &[("a/1_x.sql", "SELECT 1;"), ("b/2_y.sql", "SELECT 2;")]),
    ("dbmate", &[("a/1_x.sql", "-- migrate:up\n-- migrate:down\n"), ("b/2_y.sql", "-- migrate:up\n-- migrate:down\n")]),
    ("flyway", &[("a/V1__x.sql", "SELECT 1;"), ("b/V2__y.sql", "SELECT 2;")]),
    ("golang_migrate", &[("a/1_x.up.sql", "SELECT 1;"), ("b/2_y.up.sql", "SELECT 2;")]),
    ("goose", &[("a/1_x.sql", "-- +goose Up\nSELECT 1;\n"), ("b/2_y.sql", "-- +goose Up\nSELECT 2;\n")]),
    (
        "liquibase",
        &[
            ("a/1.sql", "--liquibase formatted sql\n--changeset ada:1\nSELECT 1;\n"),
            ("b/2.sql", "--liquibase formatted sql\n--changeset ada:2\nSELECT 2;\n"),
        ],
    ),
    ("node_pg_migrate", &[("a/1_x.sql", "SELECT 1;"), ("b/2_y.sql", "SELECT 2;")]),
    ("plain", &[("a/1_x.sql", "SELECT 1;"), ("b/2_y.sql", "SELECT 2;")]),
    ("refinery", &[("a/V1__x.sql", "SELECT 1;"), ("b/V2__y.sql", "SELECT 2;")]),
    ("sqlx", &[("a/1_x.sql", "SELECT 1;"), ("b/2_y.sql", "SELECT 2;")]),
    ("supabase", &[("a/1_x.sql", "SELECT 1;"), ("b/2_y.sql", "SELECT 2;")]),
    ("tern", &[("a/1_x.sql", "SELECT 1;"), ("b/2_y.sql", "SELECT 2;")]),
];

#[test]
fn files_named_one_by_one_are_called_by_the_folders_they_are_in() {
    for (layout, files) in PROJECTS {
        let folder = folder(files);
        let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
        let tree = read_named(&paths, Some(layout), folder.path()).expect(layout);
        let names: Vec<&str> = tree.files.iter().map(|file| file.file().name.as_str()).collect();
        let given: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, given, "{layout}");
    }
}

#[test]
fn a_dependency_counts_in_the_tools_own_file_whatever_lies_nearer() {
    let files: [(&str, &str); 5] = [
        ("Cargo.toml", "[workspace.dependencies]\nsqlx = \"0.9\"\n"),
        ("crates/db/Makefile", "migrate:\n\tsqlx migrate run\n"),
        ("crates/db/migrations/1_a.up.sql", "SELECT 1;"),
        ("crates/db/migrations/1_a.down.sql", "SELECT 2;"),
        (".git/HEAD", ""),
    ];
    let folder = folder(&files);
    let site = Site::new(&[folder.path().join("crates/db/migrations")]).expect("a folder");
    let found = sqlx::Sqlx.detect(&site).expect("sqlx's names");
    assert_eq!(found, Evidence::dependency("Cargo.toml names sqlx"));
    assert_eq!(site.depends_on(&["sqlx"]).as_deref(), Some("Makefile names sqlx"));
}

#[test]
fn a_file_that_is_named_and_applied_already_is_said_to_be() {
    let text = |values: &[&str]| vec![values.iter().map(|value| Some((*value).to_owned())).collect::<Row>()];
    let hash = "sha1:2c4ebbd4c4f9a3ad6c1b0c1d7dbb8c2e1ff12b6b";
    let committed = format!("--! Previous: -\n--! Hash: {hash}\n\nSELECT 1;\n");
    let changeset = "--liquibase formatted sql\n--changeset ada:1\nSELECT 1;\n";
    let plan = "%syntax-version=1.0.0\n%project=p\n\na 2024-01-01T00:00:00Z A <a@example.org> # a\n";
    let cases: [(&str, Files<'_>, &str); 4] = [
        ("tern", &[("1_a.sql", "SELECT 1;")], "1_a.sql"),
        ("graphile_migrate", &[("committed/000001.sql", committed.as_str())], "committed/000001.sql"),
        ("liquibase", &[("1.sql", changeset)], "1.sql"),
        ("sqitch", &[("deploy/a.sql", "SELECT 1;"), ("sqitch.plan", plan)], "deploy/a.sql"),
    ];
    for (layout, files, name) in cases {
        let folder = folder(files);
        let tree = read_named(&[folder.path().join(name)], Some(layout), folder.path()).expect(layout);
        let file = &tree.files[0];
        let rows = match layout {
            "tern" => text(&["1"]),
            "graphile_migrate" => text(&["000001.sql", file.checksum.as_deref().unwrap_or_default(), ""]),
            "liquibase" => text(&["1", "ada", "1.sql", file.checksum.as_deref().unwrap_or_default(), "EXECUTED"]),
            _ => text(&[
                file.attribute("id").unwrap_or_default(),
                "a",
                "p",
                file.checksum.as_deref().unwrap_or_default(),
            ]),
        };
        let found = crate::migration::history::pending(&tree, Some(&rows), None).expect(layout);
        assert!(found.migrations.is_empty(), "{layout}");
        assert_eq!(found.notes, [format!("{name}: applied already")], "{layout}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_an_error_and_not_a_default() {
    let folder = folder(&[("atlas.hcl", ""), ("migrations/1_a.sql", "SELECT 1;")]);
    std::fs::write(folder.path().join("atlas.hcl"), [0xff, 0xfe]).expect("a file");
    let error = read_named(&[folder.path().join("migrations/1_a.sql")], Some("atlas"), folder.path());
    assert!(error.expect_err("unreadable").to_string().contains("atlas.hcl"));
}
