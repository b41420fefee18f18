//! Projects of every migration tool, with one file that is not as the tool left it.

use crate::config::bytes;
use crate::corpus::{self, root};
use crate::random::Random;
use crate::run::fuzz;
use crate::sql::DIALECTS;
use crate::text::{SQL, Texts};
use seatrial::migration::Migration;
use seatrial::migration::history::pending;
use seatrial::migration::layout::{self, LayoutOptions, Request};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What tools read in files of theirs.
const MARKS: &[&str] = &[
    "-- +goose Up\n",
    "-- +goose Down\n",
    "-- +goose StatementBegin\n",
    "-- +goose StatementEnd\n",
    "-- +goose NO TRANSACTION\n",
    "-- +goose ENVSUB ON\n",
    "${VAR:-x}",
    "-- migrate:up\n",
    "-- migrate:down\n",
    "-- migrate:up transaction:false\n",
    "--liquibase formatted sql\n",
    "--changeset a:1 splitStatements:false endDelimiter:/ runOnChange:true\n",
    "--changeset a:1\n",
    "--rollback DROP TABLE t;\n",
    "--precondition-sql-check expectedResult:0 SELECT 1\n",
    "--preconditions onFail:HALT\n",
    "/* liquibase rollback\n",
    "${schema}",
    "${",
    "}",
    "-- atlas:delimiter \\n\\n\n",
    "-- atlas:txmode none\n",
    "-- atlas:checkpoint\n",
    "-- no-transaction\n",
    "-- seatrial: \n",
    "---- create above / drop below ----\n",
    "--! Previous: sha1:0\n",
    "--! Hash: sha1:0\n",
    "--! split: 1-x.sql\n",
    "--! no-transaction\n",
    "--! include a.sql\n",
    "--> statement-breakpoint\n",
    "-- Up Migration\n",
    "-- Down Migration\n",
    "-- pgm-no-transaction\n",
    "{{ template \"x\" . }}",
    "%syntax-version=1.0.0\n",
    "%project=x\n",
    "a 2026-01-01T00:00:00Z A <a@b.c> # n\n",
    "b [a] 2026-01-01T00:00:00Z A <a@b.c>\n",
    "@v1\n",
    "-- Deploy x:a to pg\n",
    "{\"version\":\"7\",\"dialect\":\"postgresql\",\"entries\":[]}",
    "\"idx\":-1",
    "\"when\":1e99",
    "h1:x=\n",
    "[database]\n",
    "version_table = x\n",
    "locations = [\"filesystem:x\"]\n",
    "executeInTransaction=false\n",
    "outOfOrder=true\n",
    "\\ir x.sql\n",
    "\\if true\n",
    "\\endif\n",
    "\\c x\n",
    "\\connect -\n",
    "\\echo :x\n",
    "\\set ON_ERROR_STOP 1\n",
    "provider = \"sqlite\"",
    "dialect: 'sqlite'",
];

/// One project: a copy that may be changed.
struct Project {
    name: String,
    layout: String,
    /// Of the migrations, below the copy.
    directory: String,
    /// Files that people write, below the copy.
    files: Vec<(String, String)>,
}

fn projects(copies: &Path) -> Vec<Project> {
    let mut all = Vec::new();
    let mut names: Vec<PathBuf> =
        fs::read_dir(root().join("tests/layouts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for folder in names {
        let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
        let text = |key: &str| expected[key].as_str().unwrap().to_owned();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let project = folder.join("project");
        let mut files = Vec::new();
        for path in corpus::files(&[project.strip_prefix(root()).unwrap().to_str().unwrap()], "") {
            let below = path.strip_prefix(&project).unwrap().to_string_lossy().into_owned();
            let copy = copies.join(&name).join(&below);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(&path, copy).unwrap();
            if let Ok(content) = fs::read_to_string(&path) {
                files.push((below, content));
            }
        }
        fs::create_dir_all(copies.join(&name).join(".git")).unwrap();
        all.push(Project { name, layout: text("layout"), directory: text("directory"), files });
    }
    all
}

/// The first line names project and file, the second what the file is called instead; its content follows.
fn made(projects: &[Project], texts: &Texts, random: &mut Random) -> String {
    let project = random.pick(projects);
    let (file, content) = random.pick(&project.files);
    let content = texts.mutate(content, random);
    let (folder, name) = file.rsplit_once('/').map_or(("", file.as_str()), |(folder, name)| (folder, name));
    let other = if random.once_in(5) { texts.mutate(name, random).chars().take(60).collect() } else { name.to_owned() };
    let other: String = other.chars().filter(|c| !matches!(c, '/' | '\0' | '\n')).collect();
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{}/{file}\n{folder}{slash}{other}\n{content}", project.name)
}

fn hold(migration: &Migration) {
    let down = migration.down.iter().flat_map(|down| &down.statements);
    for statement in migration.statements.iter().chain(down) {
        let text = &statement.file.text;
        assert!(text.get(statement.span.clone()).is_some(), "{:?} of {}", statement.span, text.len());
        // What else is blank, such as a no-break space, the server takes for a name, and refuses.
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c');
        assert!(!statement.sql().trim_matches(blank).is_empty(), "an empty statement at {}", statement.place());
        assert!(statement.start().line <= statement.end_line() && statement.end_line() <= text.split('\n').count());
    }
    let numbers = migration.statements.windows(2).all(|pair| pair[0].index + 1 == pair[1].index);
    assert!(numbers, "statements are numbered in order");
    let _ = migration.way_back();
}

fn reads(copies: &Path, projects: &[Project], input: &str) {
    let mut parts = input.splitn(3, '\n');
    let (Some(file), Some(other), Some(content)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Some((name, file)) = file.split_once('/') else { return };
    let Some(project) = projects.iter().find(|project| project.name == name) else { return };
    let folder = copies.join(name);
    let (path, other) = (folder.join(file), folder.join(other));
    let original = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // Names that are no file's, such as `..`, are not tried; neither is one that is taken.
    let written = !other.exists() && fs::write(&other, bytes(content)).is_ok();
    let result = std::panic::catch_unwind(|| {
        for dialect in DIALECTS {
            let placeholders = [("schema".to_owned(), "s;é".to_owned())].into();
            let options = LayoutOptions { dialect, placeholders, ..LayoutOptions::default() };
            let paths = [folder.join(&project.directory)];
            let request = Request { paths: &paths, root: &folder, options: &options };
            for layout in [Some(project.layout.as_str()), None] {
                let trees = match layout::read(&request, layout) {
                    Ok(trees) => trees,
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        continue;
                    }
                };
                for tree in trees {
                    match pending(&tree, None, None) {
                        Ok(pending) => pending.migrations.iter().chain(&pending.earlier).for_each(hold),
                        Err(error) => assert!(!error.to_string().is_empty()),
                    }
                }
            }
        }
    });
    if written {
        fs::remove_file(&other).unwrap();
    }
    fs::write(&path, original).unwrap();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn layouts() {
    let copies = tempfile::tempdir().unwrap();
    let projects = projects(copies.path());
    let texts = Texts::new(&corpus::texts(&["tests/layouts"], ".sql", 20_000), 400, 2, &[MARKS, MARKS, SQL]);
    fuzz("layouts", 3, |random| made(&projects, &texts, random), |input| reads(copies.path(), &projects, input));
}
