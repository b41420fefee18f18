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

/// What a layout's folder holds while its only migration is pending, and the names that are written for it.
struct Case {
    layout: &'static str,
    files: &'static [(&'static str, &'static str)],
    written: &'static [&'static str],
}

/// Rehearses the scripts of a folder, named one by one, on a source that their tool has never touched.
fn from_nothing(project: &Path, layout: &str, migrations: &str, out: &str) -> Ran {
    // The tool makes its history table, perhaps in a schema of its own.
    let may = "GRANT CREATE ON SCHEMA public TO app;
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO app', current_database()); END $$;\n";
    std::fs::write(project.join("source.sql"), format!("{SOURCE}{may}")).unwrap();
    let mut command = seatrial(project, &shared_state());
    command.args(["check", "--source", "source.sql", "--format", "json", "--passes", "measure", "--layout", layout]);
    for folder in ["", "committed", "deploy"] {
        let folder = Path::new(migrations).join(folder);
        if project.join(&folder).is_dir() {
            let scripts = names(&project.join(&folder)).into_iter().filter(|name| name.ends_with(".sql"));
            command.args(scripts.map(|name| folder.join(name)));
        }
    }
    run(command.args(["--suggest", out]))
}

#[test]
fn what_is_written_for_each_layout_that_lists_or_chains_its_migrations_keeps_nobody_waiting() {
    let cases = [
        Case {
            layout: "liquibase",
            files: &[(
                "root.sql",
                "--liquibase formatted sql\n\n--changeset ada:1\nSET LOCAL lock_timeout = '2s';\nCREATE INDEX orders_code ON orders (code);\n",
            )],
            written: &["root.sql"],
        },
        Case {
            layout: "sqitch",
            files: &[
                ("sqitch.plan", "%project=shop\n\ncode 2026-11-23T02:59:54Z Ada Mole <ada@example.org> # By code.\n"),
                (
                    "deploy/code.sql",
                    "BEGIN;\nSET LOCAL lock_timeout = '2s';\nCREATE INDEX orders_code ON orders (code);\nCOMMIT;\n",
                ),
            ],
            written: &["deploy", "sqitch.plan"],
        },
        Case {
            layout: "graphile_migrate",
            files: &[("current.sql", "SET LOCAL lock_timeout = '2s';\nCREATE INDEX orders_code ON orders (code);\n")],
            written: &["committed", "current.sql"],
        },
        Case {
            layout: "atlas",
            files: &[("1_code.sql", "SET LOCAL lock_timeout = '2s';\nCREATE INDEX orders_code ON orders (code);\n")],
            written: &["1_code_1.sql", "2_code_2.sql", "atlas.sum"],
        },
    ];
    for Case { layout, files, written } in cases {
        let project = place(&[]);
        for (name, text) in files {
            let path = project.path().join("migrations").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let ran = from_nothing(project.path(), layout, "migrations", "safer");
        assert_eq!(blocking(&ran.report()), ["lock/index-build"], "{layout}: {}", ran.stderr);
        assert_eq!(names(&project.path().join("safer")), written, "{layout}: {}", ran.stderr);
        let again = from_nothing(project.path(), layout, "safer", "safer-still");
        assert_eq!(blocking(&again.report()), [""; 0], "{layout}: {}", again.stdout);
        assert_eq!(again.report()["answers"]["applies"]["verdict"], "yes", "{layout}: {}", again.stderr);
    }
}

#[test]
fn what_a_tool_could_not_run_is_not_written_and_says_why() {
    let text = "SET LOCAL lock_timeout = '2s';\nCREATE INDEX orders_code ON orders (code);\n";
    let project = place(&[("1_code.sql", text)]);
    let ran = from_nothing(project.path(), "node_pg_migrate", "migrations", "safer");
    assert_eq!(blocking(&ran.report()), ["lock/index-build"], "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("migrations/1_code.sql:2: the safer form has to run in no transaction, and node-pg-migrate"),
        "{}",
        ran.stderr
    );
    assert_eq!(names(&project.path().join("safer")), [""; 0]);
}

#[test]
fn a_tool_with_one_transaction_for_everything_gets_what_needs_no_other() {
    let journal = "{\"dialect\": \"postgresql\", \"entries\": [{\"when\": 1, \"tag\": \"0000_note\"}]}";
    for (layout, name, files) in
        [("drizzle", "0000_note.sql", vec![("meta/_journal.json", journal)]), ("node_pg_migrate", "1_note.sql", vec![])]
    {
        let project = place(&[(name, "ALTER TABLE orders ADD COLUMN note text;\n")]);
        for (name, text) in files {
            let path = project.path().join("migrations").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let ran = from_nothing(project.path(), layout, "migrations", "safer");
        assert_eq!(blocking(&ran.report()), ["lock/no-timeout"], "{layout}: {}", ran.stderr);
        let written = std::fs::read_to_string(project.path().join("safer").join(name));
        let written = written.unwrap_or_else(|error| panic!("{layout}: {error}\n{}", ran.stderr));
        assert!(written.contains("lock_timeout"), "{layout}: {written}");
        let again = from_nothing(project.path(), layout, "safer", "safer-still");
        assert_eq!(blocking(&again.report()), [""; 0], "{layout}: {}", again.stdout);
    }
}

#[test]
fn values_that_differ_by_chance_do_not_hide_that_the_rest_is_the_same() {
    let text = "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();\n";
    let project = place(&[("1_token.sql", text), ("2_index.sql", "CREATE INDEX parts_code ON shop.parts (code);\n")]);
    let mut command = seatrial(project.path(), &shared_state());
    command.args(["check", "migrations/1_token.sql", "migrations/2_index.sql", "--source", "source.sql"]);
    command.args(["--layout", "plain", "--format", "json", "--passes", "measure,prove", "--suggest", "safer"]);
    let ran = run(&mut command);
    assert!(ran.stderr.contains("safer migrations written to safer"), "{}", ran.stderr);
    let written = files(&project.path().join("safer"));
    assert!(written.iter().any(|(_, text)| text.contains("CREATE INDEX CONCURRENTLY parts_code")), "{written:?}");
    assert!(written.iter().any(|(_, text)| text.contains("SET DEFAULT gen_random_uuid()")), "{written:?}");
}
