//! The same migrations on every engine: reports say the same, except for what an engine cannot observe or does otherwise,
//! which stands in [`SCENARIOS`] with the reason.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use support::{project, repository, run, seatrial, shared_state};

/// A migration, and what differs between the engines.
struct Scenario {
    name: &'static str,
    /// One file each.
    migrations: &'static [&'static str],
    /// Keys of [`told`] that need not be equal, and why.
    differs: &'static [(&'static str, &'static str)],
}

const OTHER_LOCKS: (&str, &str) =
    ("blocks", "PostgreSQL locks tables, SQLite the whole database while it is written to");
const LIFTED: (&str, &str) = ("columns", "SQLite takes a column out of every row, PostgreSQL hides it");
const LIFTED_LONG: (&str, &str) = ("exit", "and of 20,000 rows that is a rewrite worth an error");
const NO_KEY: (&str, &str) = ("indexes", "an INTEGER PRIMARY KEY is SQLite's table itself, and no index");
const ONE_COLUMN: (&str, &str) =
    ("losses", "of an UPDATE, SQLite's backup has the assigned columns, PostgreSQL's the rows");

const SCENARIOS: [Scenario; 13] = [
    Scenario { name: "nothing changes", migrations: &["SELECT 1;"], differs: &[] },
    Scenario {
        name: "an index in use is dropped",
        migrations: &["DROP INDEX loans_state_idx;"],
        differs: &[OTHER_LOCKS],
    },
    Scenario {
        name: "an index that helps",
        migrations: &["CREATE INDEX books_author_id_title_idx ON books (author_id, title);"],
        differs: &[OTHER_LOCKS],
    },
    Scenario {
        name: "a column is added",
        migrations: &["ALTER TABLE books ADD COLUMN isbn text;"],
        differs: &[OTHER_LOCKS],
    },
    Scenario {
        name: "a column with values is dropped",
        migrations: &["ALTER TABLE books DROP COLUMN shelf;"],
        differs: &[OTHER_LOCKS, LIFTED, LIFTED_LONG],
    },
    Scenario {
        name: "a column is renamed",
        migrations: &["ALTER TABLE loans RENAME COLUMN reader TO borrower;"],
        differs: &[OTHER_LOCKS, VIEWS_FOLLOW],
    },
    Scenario {
        name: "a table is renamed",
        migrations: &["ALTER TABLE notices RENAME TO announcements;"],
        differs: &[OTHER_LOCKS],
    },
    Scenario {
        name: "a table with rows is dropped",
        migrations: &["DROP TABLE notices;"],
        differs: &[OTHER_LOCKS, NO_KEY],
    },
    Scenario {
        name: "rows are changed",
        migrations: &["UPDATE books SET price = price + 1 WHERE price < 500;"],
        differs: &[OTHER_LOCKS, ONE_COLUMN],
    },
    Scenario { name: "rows are deleted", migrations: &["DELETE FROM notices WHERE id > 10;"], differs: &[OTHER_LOCKS] },
    Scenario {
        name: "rows in the way of a unique index",
        migrations: &["CREATE UNIQUE INDEX loans_reader_idx ON loans (reader);"],
        differs: &[OTHER_LOCKS],
    },
    Scenario {
        name: "the second of two fails",
        migrations: &["CREATE TABLE tags (id integer PRIMARY KEY);", "ALTER TABLE nowhere ADD COLUMN a text;"],
        differs: &[OTHER_LOCKS, NO_KEY],
    },
    Scenario {
        name: "a view is made anew",
        migrations: &[
            "DROP VIEW overdue; CREATE VIEW overdue AS SELECT id, reader FROM loans WHERE state = 'overdue';",
        ],
        differs: &[OTHER_LOCKS, VIEW_ANEW],
    },
];

const VIEWS_FOLLOW: (&str, &str) =
    ("findings", "SQLite rewrites a view with its table, and so renames the view's column");
const VIEW_ANEW: (&str, &str) =
    ("findings", "a view made anew is another one to PostgreSQL; on SQLite its columns are compared");

/// The report of one engine.
fn report(engine: &str, scenario: &Scenario) -> Value {
    let project = project();
    std::fs::create_dir(project.path().join("migrations")).unwrap();
    let mut files = Vec::new();
    for (at, sql) in scenario.migrations.iter().enumerate() {
        let file = format!("migrations/{}.sql", at + 1);
        std::fs::write(project.path().join(&file), sql).unwrap();
        files.push(file);
    }
    let here = repository().join("tests/engines");
    let mut command = seatrial(project.path(), &shared_state());
    command.args(["check", "--engine", engine, "--format", "json", "--source"]).arg(here.join("data.sql"));
    command.arg("--queries").arg(here.join("queries.sql")).args(files);
    run(&mut command).report()
}

/// A name without the schema, which is the engine's own.
fn bare(name: &str) -> String {
    name.replace("public.", "").replace("main.", "")
}

fn text(value: &Value) -> String {
    bare(value.as_str().unwrap_or_default())
}

/// What both engines have to say alike.
fn told(report: &Value) -> BTreeMap<&'static str, BTreeSet<String>> {
    let list = |key: &str| report[key].as_array().unwrap().clone();
    let statements: Vec<Value> =
        list("migrations").iter().flat_map(|migration| migration["statements"].as_array().unwrap().clone()).collect();
    let one = |text: String| BTreeSet::from([text]);
    let answer = |name: &str| one(text(&report["answers"][name]["verdict"]));
    let findings = |lock: bool| -> BTreeSet<String> {
        list("findings")
            .iter()
            // What goes wrong on one engine alone is told on that one alone.
            .filter(|finding| !text(&finding["id"]).starts_with("sqlite/"))
            .filter(|finding| text(&finding["id"]).starts_with("lock/") == lock)
            .map(|finding| {
                let mut objects: Vec<String> = finding["objects"].as_array().unwrap().iter().map(text).collect();
                objects.sort();
                format!(
                    "{} {} {} {}",
                    text(&finding["id"]),
                    finding["statement"],
                    objects.join(" "),
                    text(&finding["query"])
                )
            })
            .collect()
    };
    let mut blocks = findings(true);
    blocks.extend(answer("blocks"));
    BTreeMap::from([
        ("applies", answer("applies")),
        ("slower", answer("slower")),
        ("undoable", answer("undoable")),
        ("exit", one(report["exit_code"].to_string())),
        ("blocks", blocks),
        ("findings", findings(false)),
        ("columns", statements.iter().map(|each| each["rewritten"].to_string()).map(|text| bare(&text)).collect()),
        ("outcomes", statements.iter().map(|each| format!("{} {}", each["index"], text(&each["outcome"]))).collect()),
        ("rows", statements.iter().map(|each| format!("{} {}", each["index"], each["rows_affected"])).collect()),
        (
            "indexes",
            list("indexes").iter().map(|each| format!("{} {}", text(&each["change"]), text(&each["name"]))).collect(),
        ),
        (
            "queries",
            list("queries").iter().map(|each| format!("{} {}", text(&each["name"]), text(&each["verdict"]))).collect(),
        ),
        ("rollback", one(text(&report["rollback"]["verdict"]))),
        (
            "losses",
            report["rollback"]["losses"]
                .as_array()
                .unwrap()
                .iter()
                .map(|loss| format!("{} {}", text(&loss["object"]), loss["rows"]))
                .collect(),
        ),
    ])
}

#[test]
fn engines_say_the_same_of_the_same_migration() {
    let mut wrong = Vec::new();
    for scenario in &SCENARIOS {
        let [postgres, sqlite] = ["postgresql", "sqlite"].map(|engine| told(&report(engine, scenario)));
        for (key, one) in &postgres {
            let other = &sqlite[key];
            let expected = scenario.differs.iter().find(|(differing, _)| differing == key);
            if one != other && expected.is_none() {
                wrong.push(format!("{}: {key}\n    postgresql {one:?}\n    sqlite     {other:?}", scenario.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_an_engine_cannot_observe_is_said() {
    let scenario = &SCENARIOS[1];
    let project = project();
    std::fs::write(project.path().join("1.sql"), scenario.migrations[0]).unwrap();
    let here = repository().join("tests/engines");
    let mut command = seatrial(project.path(), &shared_state());
    command.args(["check", "--engine", "sqlite", "--format", "json", "--passes", "all", "--source"]);
    command.arg(here.join("data.sql")).arg("--queries").arg(here.join("queries.sql")).arg("1.sql");
    let report = run(&mut command).report();
    assert_eq!(report["engine"]["name"], "sqlite");
    let queue = report["passes"].as_array().unwrap().iter().find(|pass| pass["name"] == "queue").unwrap();
    assert_eq!(queue["ran"], false);
    assert!(queue["reason"].as_str().unwrap().contains("SQLite has no queue"), "{queue}");
    assert!(Path::new(project.path()).join("1.sql").exists());
}
