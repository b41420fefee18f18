//! What is rehearsed: by the history on the copy, by git with `--base`, up to `--to`; and what is refused because
//! nobody could know. Runs the built program on real servers.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Ran, run, seatrial, state_folder};
use tempfile::TempDir;

const BOOKS: &str = "CREATE TABLE books (id integer PRIMARY KEY, title text NOT NULL);
INSERT INTO books VALUES (1, 'Moby Dick'), (2, 'The Old Man and the Sea');
";
const SQLX_HISTORY: &str = "CREATE TABLE _sqlx_migrations (
    version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(),
    success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
";

/// A repository in which migrations are kept, and a database.
struct Project {
    folder: TempDir,
}

impl Project {
    /// `main` with the table and two migrations, of which a database dumped then has the first.
    fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.git(&["init", "-q"]);
        project.write("migrations/1_create.sql", "CREATE TABLE books (id integer PRIMARY KEY, title text NOT NULL);\n");
        project.write("migrations/2_year.sql", "ALTER TABLE books ADD COLUMN year integer;\n");
        project.write("source.sql", BOOKS);
        project.commit("first");
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let git = Command::new("git")
            .arg("-C")
            .arg(self.folder.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .output()
            .expect("git is there");
        assert!(git.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&git.stderr));
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", message]);
    }

    /// The history says that the first migration is applied, in the words of sqlx.
    fn with_history(&self) {
        let digest =
            Command::new("sha384sum").arg(self.folder.path().join("migrations/1_create.sql")).output().unwrap();
        let digest = String::from_utf8(digest.stdout).unwrap();
        let digest = digest.split(' ').next().unwrap();
        let row = format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (1, 'create', true, '\\x{digest}', 5);\n"
        );
        self.write("source.sql", &format!("{BOOKS}{SQLX_HISTORY}{row}"));
    }

    fn check(&self, arguments: &[&str]) -> Ran {
        let mut command = seatrial(self.folder.path(), &state_folder("pending"));
        run(command
            .args(["check", "--source", "source.sql", "--passes", "measure", "--format", "json"])
            .args(arguments))
    }

    /// Versions of what was rehearsed.
    fn rehearsed(&self, arguments: &[&str]) -> Vec<String> {
        let ran = self.check(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        versions(&ran.report())
    }
}

fn versions(report: &Value) -> Vec<String> {
    let versions = report["migrations"].as_array().unwrap().iter();
    versions.map(|migration| migration["version"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn base_without_a_history_takes_the_files_a_branch_adds() {
    let project = Project::new();
    project.git(&["checkout", "-qb", "work"]);
    project.write("migrations/3_note.sql", "ALTER TABLE books ADD COLUMN note text;\n");
    project.commit("second");
    project.write("migrations/4_price.sql", "ALTER TABLE books ADD COLUMN price integer;\n");
    assert_eq!(project.rehearsed(&["migrations", "--base", "main"]), ["3", "4"]);
    assert_eq!(project.rehearsed(&["migrations", "--base", "main", "--to", "3"]), ["3"]);
    assert_eq!(project.rehearsed(&["migrations", "--base", "HEAD"]), ["4"]);
}

#[test]
fn base_with_a_history_applies_first_what_is_pending_and_not_new() {
    let project = Project::new();
    project.with_history();
    project.commit("a database");
    project.git(&["checkout", "-qb", "work"]);
    project.write("migrations/3_note.sql", "UPDATE books SET year = 1851;\nALTER TABLE books ADD COLUMN note text;\n");
    let ran = project.check(&["migrations", "--base", "main"]);
    assert_eq!((ran.code, versions(&ran.report())), (Some(0), vec!["3".to_owned()]), "{}", ran.stderr);
    let notes = ran.report()["notes"].to_string();
    assert!(notes.contains("applied first: migrations/2_year.sql"), "{notes}");
    let locks = ran.report()["migrations"][0]["statements"].to_string();
    assert!(!locks.contains("ADD COLUMN year"), "what came first is not rehearsed: {locks}");

    project.write("migrations/2_year.sql", "ALTER TABLE books ADD COLUMN year integer;\nSELECT 1 / 0;\n");
    project.commit("an error nobody saw");
    let ran = project.check(&["migrations", "--base", "HEAD"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 is pending and not new since --base"), "{}", ran.stderr);

    project.write("migrations/2_year.sql", "SELECT title::integer FROM books;\n");
    project.commit("an error that quotes a row");
    let ran = project.check(&["migrations", "--base", "HEAD"]);
    assert!(ran.stderr.contains("invalid input syntax for type integer"), "{}", ran.stderr);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("Moby"), "{}\n{}", ran.stdout, ran.stderr);
    let ran = project.check(&["migrations", "--base", "HEAD", "--show-values"]);
    assert!(ran.stderr.contains("Moby Dick"), "{}", ran.stderr);

    project.write("migrations/2_year.sql", "SELECT pg_sleep(3600);\n");
    project.commit("no end");
    let ran = project.check(&["migrations", "--base", "HEAD", "--max-time", "4s"]);
    assert_eq!(ran.code, Some(124), "{}", ran.stderr);
    assert!(ran.report()["passes"].to_string().contains("--max-time"), "{}", ran.stdout);
}

#[test]
fn nothing_new_is_nothing_pending() {
    let project = Project::new();
    assert_eq!(project.rehearsed(&["migrations", "--base", "main"]), [""; 0]);
    assert_eq!(project.check(&["migrations", "--base", "main", "--require-pending"]).code, Some(3));
}

#[test]
fn base_says_how_to_mend_a_shallow_clone() {
    let project = Project::new();
    project.write("migrations/3_note.sql", "SELECT 3;\n");
    project.commit("second");
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", project.folder.path().display());
    let cloned = Command::new("git").args(["clone", "-q", "--depth", "1", &url]).arg(clone.path().join("c")).status();
    assert!(cloned.expect("git is there").success());
    let mut command = seatrial(&clone.path().join("c"), &state_folder("pending"));
    let ran = run(command.args(["check", "migrations", "--source", "source.sql", "--base", "main~1"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--base main~1: this shallow clone does not have it: `git fetch --unshallow"),
        "{}",
        ran.stderr
    );
}

#[test]
fn without_a_path_the_folder_of_the_tool_is_taken() {
    let project = Project::new();
    project.with_history();
    assert_eq!(project.rehearsed(&[]), ["2"]);
    fs::rename(project.folder.path().join("migrations"), project.folder.path().join("changes")).unwrap();
    let ran = project.check(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("no migrations: none of the folders"), "{}", ran.stderr);
}

#[test]
fn a_directory_without_a_history_is_never_applied_by_guess() {
    let ran = Project::new().check(&["migrations"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("--base origin/main") && ran.stderr.contains("--source empty"), "{}", ran.stderr);
}

#[test]
fn a_history_off_the_search_path_is_found_and_named() {
    let project = Project::new();
    project.with_history();
    let source = fs::read_to_string(project.folder.path().join("source.sql")).unwrap();
    project
        .write("source.sql", &format!("{source}CREATE SCHEMA meta; ALTER TABLE _sqlx_migrations SET SCHEMA meta;\n"));
    let ran = project.check(&["migrations"]);
    assert_eq!((ran.code, versions(&ran.report())), (Some(0), vec!["2".to_owned()]), "{}", ran.stderr);
    assert!(ran.stderr.contains("history read from meta._sqlx_migrations, which is not on the search path"));
}

#[test]
fn git_is_asked_about_the_project_wherever_the_command_runs() {
    let project = Project::new();
    project.write("migrations/3_note.sql", "SELECT 3;\n");
    let below: &Path = &project.folder.path().join("migrations");
    let mut command = seatrial(below, &state_folder("pending"));
    let arguments =
        ["check", ".", "--source", "../source.sql", "--passes", "measure", "--format", "json", "--base", "main"];
    let ran = run(command.args(arguments));
    assert_eq!(versions(&ran.report()), ["3"], "{}", ran.stderr);
}

#[test]
fn a_history_that_cannot_be_made_is_told_with_what_decides_it() {
    let ran = Project::new().check(&["migrations/2_year.sql", "--layout", "sqlx", "--schema", "nowhere"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot prepare the migration tool's history"), "{}", ran.stderr);
    assert!(ran.stderr.contains("its search path with --schema"), "{}", ran.stderr);
}

#[test]
fn where_only_names_speak_for_a_layout_another_tools_history_decides() {
    let project = Project::new();
    let histories = [
        ("tern", "CREATE TABLE schema_version (version integer NOT NULL); INSERT INTO schema_version VALUES (1);", "2"),
        (
            "node_pg_migrate",
            "CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
             INSERT INTO pgmigrations (name, run_on) VALUES ('1_create', now());",
            "2_year",
        ),
    ];
    for (layout, history, pending) in histories {
        project.write("source.sql", &format!("{BOOKS}{history}\n"));
        let ran = project.check(&["migrations"]);
        assert_eq!(versions(&ran.report()), [pending], "{layout}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("layout {layout} (its history is in ")), "{}", ran.stderr);
    }
    // Both at once: nobody knows.
    let both: String = histories.map(|(_, history, _)| history).concat();
    project.write("source.sql", &format!("{BOOKS}{both}\n"));
    let ran = project.check(&["migrations"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for told in ["node_pg_migrate (public.pgmigrations is there)", "tern (public.schema_version is there)", "--layout"]
    {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
}

#[test]
fn twins_on_an_empty_source_are_refused_before_a_server_starts() {
    let project = Project::new();
    project.write("twins/1_a.up.sql", "SELECT 1;\n");
    let mut command = seatrial(project.folder.path(), &state_folder("pending-twins"));
    let ran = run(command.args(["check", "twins", "--source", "empty"]));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("golang_migrate") && ran.stderr.contains("sqlx"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--layout") && !ran.stderr.contains("restoring"), "{}", ran.stderr);
}

#[test]
fn what_the_configuration_says_of_a_layout_reaches_it() {
    let project = Project::new();
    let config = |text: &str| project.write("seatrial.toml", text);
    let report = |folder: &str| {
        let ran = project.check(&[folder]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.report()["migrations"].clone()
    };
    let of = |migrations: &Value, key: &str| {
        migrations.as_array().unwrap().iter().map(|each| each[key].clone()).collect::<Vec<_>>()
    };

    // The table's name, and that late migrations run.
    project.write("goose/1_a.sql", "-- +goose Up\nALTER TABLE books ADD COLUMN a integer;\n");
    project.write("goose/2_b.sql", "-- +goose Up\nALTER TABLE books ADD COLUMN b integer;\n");
    let history =
        "CREATE SCHEMA ops; CREATE TABLE ops.ran (id serial PRIMARY KEY, version_id bigint, is_applied boolean,
        tstamp timestamp); INSERT INTO ops.ran (version_id, is_applied) VALUES (0, true), (2, true);";
    project.write("source.sql", &format!("{BOOKS}{history}\n"));
    config("layout = \"goose\"\nhistory_table = \"ops.ran\"\n");
    let ran = project.check(&["goose"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("`out_of_order`"), "{}", ran.stderr);
    config("layout = \"goose\"\nhistory_table = \"ops.ran\"\nout_of_order = true\n");
    assert_eq!(of(&report("goose"), "version"), ["1"]);

    // Placeholders and the transaction.
    let history = "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255),
        applied_on varchar(255), checksum varchar(255));";
    project.write("source.sql", &format!("{BOOKS}{history}\n"));
    project.write("versions/V1__a.sql", "ALTER TABLE books ADD COLUMN a integer;\n");
    config("layout = \"refinery\"\ntransaction = \"all_pending\"\n");
    assert_eq!(of(&report("versions"), "transaction"), ["all_pending"]);
    project.write("versions/V1__a.sql", "ALTER TABLE books ADD COLUMN ${column} integer;\n");
    project.write("source.sql", BOOKS);
    config("layout = \"flyway\"\n[placeholders]\ncolumn = \"pages\"\n");
    let ran = project.check(&["versions/V1__a.sql"]);
    assert_eq!(ran.report()["migrations"][0]["statements"][0]["sql"], "ALTER TABLE books ADD COLUMN pages integer");

    // Names that are nobody's.
    project.write("own/7-pages.up.sql", "ALTER TABLE books ADD COLUMN pages integer;\n");
    config("pattern = '^(?<version>\\d+)-(?<name>.+)\\.(?<direction>up|down)\\.sql$'\n");
    let ran = project.check(&["own/7-pages.up.sql"]);
    let migrations = ran.report()["migrations"].clone();
    assert_eq!((of(&migrations, "version"), of(&migrations, "name")), (vec!["7".into()], vec!["pages".into()]));
}
