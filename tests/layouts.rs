//! Each folder below `layouts/` is a project as one migration tool leaves it, and a database it has migrated so far.
//!
//! `project/` is the tree, markers and all; `history.sql` the database with the tool's history rows; `expected.json` what
//! is detected, what is pending, and how it runs. The rehearsal proves that the rollback also takes the history rows out.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::migration::history::pending;
use seatrial::migration::layout::{self, LayoutOptions, Request, Site, detect};
use seatrial::migration::script::Dialect;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use support::{copy_folder, names, project, run, seatrial, shared_state};

/// `expected.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// What the tree shows, for people.
    promise: String,
    /// The folder of migrations within `project/`.
    directory: String,
    layout: String,
    /// Part of the reason that is printed.
    detected: String,
    /// Nothing on disk tells the tools apart, only the history does: every layout that could be meant.
    #[serde(default)]
    twins: Vec<String>,
    /// Versions of all migrations on disk, in the order they run.
    files: Vec<String>,
    /// Statements of the hand-written way back, by version; versions without one are left out.
    #[serde(default)]
    down: BTreeMap<String, Vec<String>>,
    pending: Vec<Waiting>,
    /// Part of each thing people are told about what is pending.
    #[serde(default)]
    notes: Vec<String>,
    /// Files that were edited after they were applied.
    #[serde(default)]
    edited: Vec<String>,
    /// Further options of `check`.
    #[serde(default)]
    args: Vec<String>,
    /// A way back of the tree leaves something undone.
    #[serde(default)]
    down_differs: bool,
    applies: String,
    rollback: String,
}

/// One pending migration.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    version: String,
    name: String,
    transaction: String,
    statements: Vec<String>,
}

/// Two tests for each tree: what reading it gives, and what a rehearsal on its database says.
macro_rules! layouts {
    ($($name:ident),* $(,)?) => {
        mod read { $(#[test] fn $name() { super::reads(stringify!($name)); })* }
        mod rehearsed { $(#[test] fn $name() { super::rehearses(stringify!($name)); })* }

        #[test]
        fn the_folders_on_disk_are_the_trees_tested() {
            let tested: BTreeSet<String> = [$(stringify!($name)),*].map(|name| name.replace('_', "-")).into();
            assert_eq!(tested, names(&folder("")).into_iter().collect());
        }
    };
}

layouts! {
    atlas,
    dbmate,
    diesel,
    drizzle,
    drizzle_folders,
    flyway,
    flyway_or_refinery,
    flyway_toml,
    golang_migrate,
    golang_migrate_bare,
    golang_migrate_dialects,
    goose,
    graphile_migrate,
    liquibase,
    node_pg_migrate,
    prisma,
    prisma_7,
    refinery,
    sqitch,
    sqlx,
    supabase,
    tern,
}

#[test]
fn every_layout_has_a_tree_and_is_on_the_pages() {
    let trees: BTreeSet<String> = names(&folder("")).iter().map(|name| prepared(name).0.layout).collect();
    let page = |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (layouts, readme) = (page("docs/layouts.md"), page("README.md").to_lowercase());
    for name in layout::LAYOUTS.map(|layout| layout.name()) {
        assert!(layouts.contains(&format!("\n| `{name}` | ")), "docs/layouts.md lacks {name}");
        if name != "plain" {
            assert!(trees.contains(name), "no tree of {name}");
            assert!(readme.contains(&name.replace('_', "-")), "the README does not name {name}");
        }
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts").join(name.replace('_', "-"))
}

/// The expectation and the project, in a repository of its own.
fn prepared(name: &str) -> (Expected, tempfile::TempDir) {
    let text = std::fs::read_to_string(folder(name).join("expected.json")).expect("expected.json");
    let expected: Expected = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let project = project();
    copy_folder(&folder(name).join("project"), project.path());
    (expected, project)
}

fn reads(name: &str) {
    let (expected, project) = prepared(name);
    let paths = [project.path().join(&expected.directory)];
    let detected = detect::candidates(&Site::new(&paths).expect("a folder"), Dialect::PostgreSql);
    let found: Vec<&str> = detected.iter().map(|each| each.layout.name()).collect();
    if expected.twins.is_empty() {
        assert_eq!(found, [expected.layout.as_str()], "{}", expected.promise);
        assert!(detected[0].evidence.why.contains(&expected.detected), "{}", detected[0].evidence.why);
    } else {
        assert_eq!(found, expected.twins, "{}", expected.promise);
    }

    let options = LayoutOptions::default();
    let request = Request { paths: &paths, root: project.path(), options: &options };
    let tree = layout::read(&request, Some(&expected.layout)).expect("readable").remove(0);
    let versions: Vec<&str> = tree.files.iter().map(|file| file.version.as_str()).collect();
    assert_eq!(versions, expected.files, "{}", expected.promise);
    let everything = pending(&tree, None, None).expect("everything can be cut");
    let down = everything.migrations.iter().filter_map(|migration| {
        let statements = migration.down.as_ref()?.statements.iter().map(|statement| statement.sql().to_owned());
        Some((migration.version.clone(), statements.collect()))
    });
    assert_eq!(down.collect::<BTreeMap<_, Vec<_>>>(), expected.down, "{}", expected.promise);
}

fn rehearses(name: &str) {
    let (expected, project) = prepared(name);
    let source = folder(name).join("history.sql");
    let mut command = seatrial(project.path(), &shared_state());
    command.args(["check", &expected.directory, "--format", "json", "--source"]).arg(source).args(&expected.args);
    let ran = run(&mut command);
    let report = ran.report();
    let told = |what: &str| format!("{name}, {what}: {}\n{report:#}\n{}", expected.promise, ran.stderr);

    assert!(ran.stderr.contains(&format!("layout {}", expected.layout)), "{}", told("layout"));
    if !expected.args.iter().any(|argument| argument == "--layout") {
        assert!(ran.stderr.contains(&expected.detected), "{}", told("detected"));
    }
    for note in &expected.notes {
        assert!(ran.stderr.contains(note), "{}", told(note));
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pending: Vec<Waiting> = report["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|migration| Waiting {
            version: text(&migration["version"]),
            name: text(&migration["name"]),
            transaction: text(&migration["transaction"]),
            statements: migration["statements"].as_array().unwrap().iter().map(|each| text(&each["sql"])).collect(),
        })
        .collect();
    assert_eq!(pending, expected.pending, "{}", told("pending"));
    assert!(report["migrations"].as_array().unwrap().iter().all(|each| each["layout"] == expected.layout.as_str()));
    let edited: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["id"] == "config/edited-applied")
        .map(|finding| text(&finding["objects"][0]))
        .collect();
    assert_eq!(edited, expected.edited, "{}", told("edited"));
    // Each tree's own way back is run too, as its tool runs it.
    let all = report["findings"].as_array().unwrap();
    let differs = all.iter().any(|finding| finding["id"] == "rollback/down-differs");
    assert_eq!(differs, expected.down_differs, "{}", told("down scripts"));
    assert_eq!(report["answers"]["applies"]["verdict"], expected.applies, "{}", told("applies"));
    assert_eq!(report["rollback"]["verdict"], expected.rollback, "{}", told("rollback"));
    assert_eq!(report["rollback"]["proof"]["rows"], "equal", "{}", told("rows, those of the history too"));
}
