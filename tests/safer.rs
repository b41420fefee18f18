//! `--suggest`: safer forms are rehearsed, shown with the findings they are for, and written in the project's layout. Needs
//! a PostgreSQL server.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::path::Path;
use support::{Ran, names, project, run, seatrial, shared_state};

const SOURCE: &str = "CREATE ROLE app LOGIN;
CREATE SCHEMA shop AUTHORIZATION app;
CREATE TABLE orders (id integer PRIMARY KEY, status text, code varchar(20) NOT NULL);
CREATE TABLE shop.parts (id integer PRIMARY KEY, code text);
ALTER TABLE orders OWNER TO app;
ALTER TABLE shop.parts OWNER TO app;
INSERT INTO orders SELECT n, 'open', 'code-' || n FROM generate_series(1, 20000) n;
INSERT INTO shop.parts SELECT n, 'code-' || n FROM generate_series(1, 20000) n;
";

/// Rehearses the files of `migrations` in `project`, safer forms to `out`.
fn rehearse(project: &Path, layout: &str, migrations: &str, out: &str) -> Ran {
    let mut command = seatrial(project, &shared_state());
    command.args(["check", "--source", "source.sql", "--format", "json", "--passes", "measure", "--layout", layout]);
    let files = names(&project.join(migrations)).into_iter().map(|name| Path::new(migrations).join(name));
    if layout == "plain" {
        command.args(files)
    } else {
        command.arg(migrations)
    };
    run(command.args(["--suggest", out]))
}

fn place(files: &[(&str, &str)]) -> tempfile::TempDir {
    let project = project();
    std::fs::write(project.path().join("source.sql"), SOURCE).unwrap();
    std::fs::create_dir(project.path().join("migrations")).unwrap();
    for (name, text) in files {
        std::fs::write(project.path().join("migrations").join(name), text).unwrap();
    }
    project
}

/// Ids of the findings about whom it keeps waiting.
fn blocking(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.filter_map(|finding| finding["id"].as_str()).filter(|id| id.starts_with("lock/")).collect()
}

fn files(folder: &Path) -> Vec<(String, String)> {
    names(folder).into_iter().map(|name| (name.clone(), std::fs::read_to_string(folder.join(name)).unwrap())).collect()
}

#[test]
fn a_plain_script_is_written_anew_and_what_was_found_is_gone() {
    let text = "SET lock_timeout = '2s';\nCREATE INDEX orders_code ON orders (code);\nALTER TABLE orders ALTER status SET NOT NULL;\n";
    let project = place(&[("1_all.sql", text)]);
    let ran = rehearse(project.path(), "plain", "migrations", "safer");
    let report = ran.report();
    assert_eq!(blocking(&report), ["lock/index-build", "lock/full-scan"], "{}", ran.stderr);
    for finding in report["findings"].as_array().unwrap() {
        let steps = finding["suggestion"]["steps"].as_array();
        assert_eq!(steps.is_some(), finding["id"].as_str().unwrap().starts_with("lock/"), "{finding}");
    }
    assert!(ran.stderr.contains("safer migrations written to safer: 1_all.sql"), "{}", ran.stderr);
    let written = files(&project.path().join("safer"));
    assert!(written[0].1.contains("CREATE INDEX CONCURRENTLY orders_code ON orders (code);"), "{written:?}");
    let again = rehearse(project.path(), "plain", "safer", "safer-still");
    assert_eq!(blocking(&again.report()), [""; 0], "{}", again.stdout);
    assert!(again.stderr.contains("safer forms: not measured, nothing that was found has a safer form"));
}

#[test]
fn a_migration_in_one_transaction_becomes_several_files_of_its_layout() {
    let project = place(&[
        ("0001_index.sql", "SET LOCAL lock_timeout = '2s';\nCREATE INDEX orders_code ON orders (code);\n"),
        ("0002_note.sql", "SET LOCAL lock_timeout = '2s';\nALTER TABLE orders ADD COLUMN note text;\n"),
    ]);
    // Neither has been applied: the source has no history, so all are pending on it as on an empty one.
    let source = format!(
        "{SOURCE}CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
        installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
        execution_time bigint NOT NULL);\nALTER TABLE _sqlx_migrations OWNER TO app;\n"
    );
    std::fs::write(project.path().join("source.sql"), source).unwrap();
    let ran = rehearse(project.path(), "sqlx", "migrations", "safer");
    assert_eq!(blocking(&ran.report()), ["lock/index-build"], "{}", ran.stderr);
    let written = files(&project.path().join("safer"));
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(
        written,
        [
            pair("0001_index_1.sql", "SET LOCAL lock_timeout = '2s';\n"),
            pair("0002_index_2.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY orders_code ON orders (code);\n"),
            pair("0003_note.sql", "SET LOCAL lock_timeout = '2s';\nALTER TABLE orders ADD COLUMN note text;\n"),
        ],
        "{}",
        ran.stderr
    );
    let again = rehearse(project.path(), "sqlx", "safer", "safer-still");
    assert_eq!(blocking(&again.report()), [""; 0], "{}", again.stdout);
}

#[test]
fn what_does_not_hold_on_a_copy_is_not_shown() {
    // Once it is cut, nothing tells the rest where its tables are.
    let text = "BEGIN;\nSET LOCAL lock_timeout = '2s';\nSET LOCAL search_path = shop;\n\
        CREATE INDEX parts_code ON parts (code);\nCOMMIT;\n";
    let project = place(&[("1_index.sql", text)]);
    let ran = rehearse(project.path(), "plain", "migrations", "safer");
    let report = ran.report();
    assert_eq!(blocking(&report), ["lock/index-build"], "{}", ran.stderr);
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["suggestion"].is_null()));
    assert!(ran.stderr.contains("no safer form reached the same"), "{}", ran.stderr);
    assert_eq!(names(&project.path().join("safer")), [""; 0]);
}

#[test]
fn a_folder_in_which_something_stands_is_left_alone() {
    let project = place(&[("1_all.sql", "SELECT 1;\n")]);
    std::fs::create_dir(project.path().join("safer")).unwrap();
    std::fs::write(project.path().join("safer/mine.sql"), "mine").unwrap();
    let ran = rehearse(project.path(), "plain", "migrations", "safer");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("--suggest safer: the folder is not empty"), "{}", ran.stderr);
    assert_eq!(files(&project.path().join("safer")), [("mine.sql".to_owned(), "mine".to_owned())]);
}
