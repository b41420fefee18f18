//! Layouts whose migrations share a file, are listed in one, or are chained: what is written is read back as it was meant.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::migration::history;
use crate::migration::layout::LayoutOptions;
use crate::migration::layout::atlas;
use crate::suggest::{Step, StepTransaction, Suggestion};
use sha1::{Digest, Sha1};

const APART: &[(&str, StepTransaction)] = &[
    ("SET LOCAL lock_timeout = '2s'", StepTransaction::Together),
    ("CREATE INDEX CONCURRENTLY i ON t (a)", StepTransaction::Outside),
    ("DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$", StepTransaction::Outside),
    ("ALTER TABLE t ADD CHECK (a > 0) NOT VALID", StepTransaction::Own),
    ("ALTER TABLE t ALTER a SET NOT NULL", StepTransaction::Together),
];
const TOGETHER: &[(&str, StepTransaction)] = &[
    ("SET LOCAL lock_timeout = '2s'", StepTransaction::Together),
    ("CREATE INDEX i ON t (a)", StepTransaction::Together),
];

fn read_tree(layout: &str, folder: &Path) -> anyhow::Result<MigrationTree> {
    let paths = [folder.to_owned()];
    let request = Request { paths: &paths, root: folder, options: &LayoutOptions::default() };
    Ok(layout::read(&request, Some(layout))?.remove(0))
}

fn put(folder: &Path, files: &[(String, String)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// What is written for a folder in which all is pending and statement `of` has other steps, once it was read back and
/// found to run as it has to.
fn written(
    layout: &'static str,
    folder: &[(&str, &str)],
    of: usize,
    steps: &[(&str, StepTransaction)],
) -> Result<Vec<(String, String)>, String> {
    let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let place = tempfile::tempdir().unwrap();
    put(place.path(), &folder.iter().map(own).collect::<Vec<_>>());
    let tree = read_tree(layout, place.path()).unwrap();
    let migrations = history::pending(&tree, None, None).unwrap().migrations;
    let step = |(sql, transaction): &(&str, StepTransaction)| Step {
        sql: (*sql).to_owned(),
        transaction: *transaction,
        why: "",
    };
    let steps = steps.iter().map(step).collect();
    let suggestion = Suggestion { statement: of, forms: Vec::new(), answers: Vec::new(), steps };
    let rewritten = rewrite(&migrations, &[suggestion]);
    let files: Vec<(String, String)> =
        files(&migrations, &rewritten, &tree)?.into_iter().map(|file| (file.name, file.text)).collect();
    let place = tempfile::tempdir().unwrap();
    put(place.path(), &files);
    let found = read_tree(layout, place.path()).unwrap();
    assert!(says_what_was_rehearsed(&migrations, &rewritten, &tree, &found).unwrap(), "{files:#?}");
    Ok(files)
}

fn names(files: &[(String, String)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

fn text<'a>(files: &'a [(String, String)], name: &str) -> &'a str {
    &files.iter().find(|(other, _)| other == name).unwrap().1
}

#[test]
fn liquibase_gets_a_changeset_for_each_transaction_and_keeps_the_rest_of_the_file() {
    let log = "--liquibase formatted sql\n\n--changeset ada:1\nCREATE TABLE t (a int);\n--rollback DROP TABLE t;\n\n\
        --changeset ada:2 context:prod splitStatements:false\n--comment: by a\n--property name:x value:y\n\
        CREATE INDEX i ON t (a);\nALTER TABLE t ALTER a SET NOT NULL;\n--rollback DROP INDEX i;\n\n\
        --changeset ada:3 endDelimiter:/\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$\n/\n";
    let files = written("liquibase", &[("db/root.sql", log)], 2, APART).unwrap();
    assert_eq!(names(&files), ["db/root.sql"]);
    assert_eq!(
        files[0].1,
        "--liquibase formatted sql\n\n--changeset ada:1\nCREATE TABLE t (a int);\n--rollback DROP TABLE t;\n\n\
        --property name:x value:y\n\
        --changeset ada:2-1 context:prod\n--comment: by a\nSET LOCAL lock_timeout = '2s';\n--rollback empty\n\n\
        --changeset ada:2-2 context:prod runInTransaction:false\n--comment: by a\n\
        CREATE INDEX CONCURRENTLY i ON t (a);\n--rollback empty\n\n\
        --changeset ada:2-3 context:prod runInTransaction:false splitStatements:false\n--comment: by a\n\
        DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$;\n--rollback empty\n\n\
        --changeset ada:2-4 context:prod\n--comment: by a\nALTER TABLE t ADD CHECK (a > 0) NOT VALID;\n\
        ALTER TABLE t ALTER a SET NOT NULL;\n--rollback empty\n\n\
        --changeset ada:2-5 context:prod\n--comment: by a\nALTER TABLE t ALTER a SET NOT NULL;\n--rollback DROP INDEX i;\n\n\
        --changeset ada:3 endDelimiter:/\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$\n/\n"
    );
    let guarded = log.replace("--comment: by a", "--preconditions onFail:MARK_RAN");
    let refused = written("liquibase", &[("root.sql", &guarded)], 2, APART).unwrap_err();
    assert!(refused.starts_with("root.sql:7: what its preconditions say"), "{refused}");
    let files = written("liquibase", &[("root.sql", &guarded)], 2, TOGETHER).unwrap();
    assert!(files[0].1.contains("--changeset ada:2 context:prod\n--preconditions onFail:MARK_RAN\nSET LOCAL"));
}

#[test]
fn a_change_of_sqitch_that_is_cut_becomes_several_lines_of_the_plan() {
    let plan = "%syntax-version=1.0.0\n%project=tides\n\ngauges 2026-11-23T02:59:54Z Ada Mole <ada@example.org> # Gauges.\n\
        index [gauges] 2026-11-23T02:59:57Z Ada Mole <ada@example.org> # By a.\n@v1 2026-11-23T03:00:00Z Ada Mole <ada@example.org>\n\n\
        last [index] 2026-11-23T03:00:02Z Ada Mole <ada@example.org>\n";
    let project = [
        ("sqitch.plan", plan),
        ("deploy/gauges.sql", "BEGIN;\nCREATE TABLE t (a int);\nCOMMIT;\n"),
        ("deploy/index.sql", "BEGIN;\nCREATE INDEX i ON t (a);\nCOMMIT;\n"),
        ("deploy/last.sql", "-- kept\nSELECT 1;\n"),
        ("revert/index.sql", "DROP INDEX i;\n"),
    ];
    let files = written("sqitch", &project, 5, APART).unwrap();
    assert_eq!(
        names(&files),
        [
            "sqitch.plan",
            "deploy/gauges.sql",
            "deploy/index_1.sql",
            "revert/index_1.sql",
            "deploy/index_2.sql",
            "revert/index_2.sql",
            "deploy/index_3.sql",
            "revert/index_3.sql",
            "deploy/index.sql",
            "revert/index.sql",
            "deploy/last.sql",
        ]
    );
    let planned: Vec<&str> = text(&files, "sqitch.plan").lines().skip(4).collect();
    assert_eq!(
        planned,
        [
            "index_1 [gauges] 2026-11-23T02:59:57Z Ada Mole <ada@example.org> # By a. (1 of 4)",
            "index_2 [index_1] 2026-11-23T02:59:57Z Ada Mole <ada@example.org> # By a. (2 of 4)",
            "index_3 [index_2] 2026-11-23T02:59:57Z Ada Mole <ada@example.org> # By a. (3 of 4)",
            "index [index_3] 2026-11-23T02:59:57Z Ada Mole <ada@example.org> # By a. (4 of 4)",
            "@v1 2026-11-23T03:00:00Z Ada Mole <ada@example.org>",
            "",
            "last [index] 2026-11-23T03:00:02Z Ada Mole <ada@example.org>",
        ]
    );
    assert_eq!(
        text(&files, "deploy/index_2.sql"),
        "-- Deploy tides:index_2 to pg\n\nCREATE INDEX CONCURRENTLY i ON t (a);\n"
    );
    assert!(text(&files, "deploy/index.sql").contains("BEGIN;\n\nALTER TABLE t ADD CHECK"));
    assert_eq!(text(&files, "revert/index.sql"), "DROP INDEX i;\n");
    assert_eq!(text(&files, "deploy/last.sql"), "-- kept\nSELECT 1;\n");
}

#[test]
fn committed_migrations_of_graphile_migrate_are_chained_anew() {
    let committed = |previous: &str, hash: &str, message: &str, body: &str| {
        format!("--! Previous: {previous}\n--! Hash: {hash}\n{message}\n{body}\n")
    };
    // As graphile-migrate hashes them.
    let sha = |previous: &str, text: &str| {
        let chained = format!("{previous}\n{text}\n");
        let bytes = Sha1::digest(format!("{}\n", chained.trim()));
        format!("sha1:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let body = ["CREATE TABLE t (a int);", "CREATE INDEX i ON t (a);"];
    let first = sha("", body[0]);
    let hashes = [first.clone(), sha(&first, body[1])];
    let folder = [
        ("committed/000001.sql", committed("-", &hashes[0], "", body[0])),
        ("committed/000002-by-a.sql", committed(&hashes[0], &hashes[1], "--! Message: by a\n", body[1])),
        ("current.sql", "-- Enter migration here\nSELECT 1;\n".to_owned()),
    ];
    let folder: Vec<(&str, &str)> = folder.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let files = written("graphile_migrate", &folder, 2, APART).unwrap();
    assert_eq!(
        names(&files),
        [
            "committed/000001.sql",
            "committed/000002-by-a-1.sql",
            "committed/000003-by-a-2.sql",
            "committed/000004-by-a-3.sql",
            "committed/000005-by-a-4.sql",
            "current.sql",
        ]
    );
    let index = "--! no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);";
    let before = sha(&hashes[0], "SET LOCAL lock_timeout = '2s';");
    assert_eq!(
        text(&files, "committed/000003-by-a-2.sql"),
        committed(&before, &sha(&before, index), "--! Message: by a (2 of 4)\n", index)
    );
    // What is not committed yet is, as far as it has to be.
    let folder = [folder[0], ("current.sql", "CREATE INDEX i ON t (a);\n")];
    let files = written("graphile_migrate", &folder, 2, APART).unwrap();
    assert_eq!(
        names(&files),
        [
            "committed/000001.sql",
            "committed/000002-1.sql",
            "committed/000003-2.sql",
            "committed/000004-3.sql",
            "current.sql"
        ]
    );
    assert!(text(&files, "current.sql").starts_with("ALTER TABLE t ADD CHECK"));
}

#[test]
fn what_runs_in_one_transaction_is_not_cut() {
    let journal = "{\"dialect\": \"postgresql\", \"entries\": [{\"when\": 1, \"tag\": \"0000_t\"}, {\"when\": 2, \"tag\": \"0001_i\"}]}";
    let drizzle = [
        ("meta/_journal.json", journal),
        ("0000_t.sql", "CREATE TABLE t (a int);--> statement-breakpoint\nSELECT 1;"),
        ("0001_i.sql", "CREATE INDEX i ON t (a);\n"),
    ];
    let files = written("drizzle", &drizzle, 3, TOGETHER).unwrap();
    assert_eq!(names(&files), ["meta/_journal.json", "0000_t.sql", "0001_i.sql"]);
    assert_eq!(text(&files, "meta/_journal.json"), journal);
    assert_eq!(
        text(&files, "0001_i.sql"),
        "SET LOCAL lock_timeout = '2s';--> statement-breakpoint\nCREATE INDEX i ON t (a);\n"
    );
    let node = [
        ("1_t.sql", "CREATE TABLE t (a int);\n"),
        ("2_i.sql", "-- Up Migration\nCREATE INDEX i ON t (a);\n-- Down Migration\nDROP INDEX i;\n"),
    ];
    let files = written("node_pg_migrate", &node, 2, TOGETHER).unwrap();
    assert_eq!(
        text(&files, "2_i.sql"),
        "-- Up Migration\n\nSET LOCAL lock_timeout = '2s';\nCREATE INDEX i ON t (a);\n"
    );
    let refused = written("node_pg_migrate", &node, 2, APART).unwrap_err();
    assert!(
        refused.starts_with("2_i.sql:2: the safer form has to run in no transaction, and node-pg-migrate"),
        "{refused}"
    );
    let own = &APART[3..];
    let refused =
        [written("drizzle", &drizzle, 3, own).unwrap_err(), written("node_pg_migrate", &node, 2, own).unwrap_err()];
    assert!(refused.iter().all(|why| why.contains("commits between its steps, and")), "{refused:?}");
}

#[test]
fn what_is_taken_back_leaves_nothing_in_the_way_of_another_run() {
    let place = tempfile::tempdir().unwrap();
    let names = ["a.sql", "deploy/a.sql", "db/changes/2026/b.sql", "db/changes/c.sql"];
    let files: Vec<File> = names.map(|name| File { name: name.to_owned(), text: String::new() }).to_vec();
    put(place.path(), &names.map(|name| (name.to_owned(), String::new())));
    take_back(place.path(), &files).unwrap();
    make_ready(place.path()).unwrap();
}

#[test]
fn the_sum_of_atlas_is_that_of_what_is_written() {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    let mut sealed = vec![
        file("1_t.sql", "CREATE TABLE t (a int);\n"),
        file("2_i.sql", "CREATE INDEX i ON t (a);\n"),
        file("3_last.sql", "SELECT 1;\n"),
    ];
    atlas::complete(&MigrationTree::default(), &[], &mut sealed);
    let folder: Vec<(&str, &str)> = sealed.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    // The reader refuses a folder that its sum does not fit.
    let written = written("atlas", &folder, 2, APART).unwrap();
    assert_eq!(
        names(&written),
        ["1_t.sql", "2_i_1.sql", "3_i_2.sql", "4_i_3.sql", "5_i_4.sql", "6_last.sql", "atlas.sum"]
    );
}
