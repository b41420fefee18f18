//! Databases that are not like the shop: many partitions and schemas, odd names, row security, event triggers, and every
//! kind of column and relation. Each is rehearsed with a migration that changes nothing and with one that does. Needs a
//! server.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::fmt::Write;
use support::{Ran, project, repository, run, seatrial, shared_state};

/// Rehearses `migration` on `source` with hot queries, if any.
fn check(source: &str, queries: &str, migration: &str, args: &[&str]) -> Ran {
    let project = project();
    std::fs::write(project.path().join("source.sql"), source).unwrap();
    std::fs::write(project.path().join("migration.sql"), migration).unwrap();
    let mut command = seatrial(project.path(), &shared_state());
    command.args(["check", "migration.sql", "--source", "source.sql", "--format", "json"]).args(args);
    if !queries.is_empty() {
        std::fs::write(project.path().join("queries.sql"), queries).unwrap();
        command.args(["--queries", "queries.sql"]);
    }
    run(&mut command)
}

fn file(name: &str) -> String {
    std::fs::read_to_string(repository().join("tests/awkward").join(name)).unwrap()
}

/// On the database of `tests/awkward/source.sql`.
fn change(migration: &str) -> Value {
    check(&file("source.sql"), &file("queries.sql"), migration, &[]).report()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// Ids with their objects, warnings and errors alone.
fn findings(report: &Value) -> Vec<(String, Vec<String>)> {
    let told = list(&report["findings"]).iter().filter(|finding| finding["severity"] != "info");
    told.map(|finding| {
        let objects = list(&finding["objects"]).iter().map(|object| text(object).to_owned());
        (text(&finding["id"]).to_owned(), objects.collect())
    })
    .collect()
}

fn ids(report: &Value) -> Vec<String> {
    findings(report).into_iter().map(|(id, _)| id).collect()
}

fn statement(report: &Value, index: usize) -> &Value {
    let migrations = list(&report["migrations"]).iter();
    migrations.flat_map(|migration| list(&migration["statements"])).nth(index - 1).unwrap()
}

fn query<'a>(report: &'a Value, name: &str) -> &'a Value {
    list(&report["queries"]).iter().find(|query| query["name"] == name).unwrap()
}

fn losses(report: &Value) -> Vec<(&str, u64)> {
    let losses = list(&report["rollback"]["losses"]).iter();
    losses.map(|loss| (text(&loss["object"]), loss["rows"].as_u64().unwrap())).collect()
}

#[track_caller]
fn changes_nothing(ran: &Ran, expected: &[&str]) {
    let report = ran.report();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ids(&report), expected, "{}", report["findings"]);
    for (answer, verdict) in [("applies", "yes"), ("blocks", "no"), ("undoable", "yes")] {
        assert_eq!(report["answers"][answer]["verdict"], verdict, "{answer}");
    }
    assert_eq!(report["rollback"]["verdict"], "exact", "{}", report["rollback"]["differences"]);
}

#[test]
fn unchanged_it_gives_nothing_but_the_view_that_was_never_filled() {
    let ran = check(&file("source.sql"), &file("queries.sql"), "SELECT 1;\n", &[]);
    changes_nothing(&ran, &["config/not-measured"]);
    let report = ran.report();
    let finding = &list(&report["findings"])[0];
    assert_eq!(finding["query"], "never_filled");
    assert!(text(&finding["message"]).contains("has not been populated"), "{finding}");
}

#[test]
fn names_of_63_bytes_in_any_script_and_with_quotes_are_spelled_as_sql_does() {
    let report = change(
        "ALTER TABLE \"Größe mit Leerzeichen\".\"Täßle \"\"x\"\"\" ADD COLUMN \"Ünï \"\"q\"\"\" text;\n\
         UPDATE \"Größe mit Leerzeichen\".\"Täßle \"\"x\"\"\" SET \"näme\" = 'z' WHERE \"Id\" < 10;\n\
         ALTER TABLE \"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123\" DROP COLUMN note;\n",
    );
    let odd = "\"Größe mit Leerzeichen\".\"Täßle \"\"x\"\"\"";
    let long = "public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123";
    assert_eq!(statement(&report, 1)["locks"][0]["relation"], odd);
    assert_eq!(statement(&report, 2)["rows_affected"], 9);
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
    assert_eq!(losses(&report), [(odd, 9), (&format!("{long}.note"), 50)]);
    assert_eq!(query(&report, "odd")["verdict"], "unchanged");
}

#[test]
fn nested_partitions_count_as_one_table() {
    let report = change(
        "ALTER TABLE nest ADD COLUMN w int;\nUPDATE nest SET v = v + 1 WHERE region = 'eu';\n\
         CREATE INDEX nest_v ON nest (v);\nDROP TABLE nest_us;\n",
    );
    let lock = &statement(&report, 1)["locks"][0];
    assert_eq!([&lock["relation"], &lock["mode"]], ["public.nest", "AccessExclusiveLock"]);
    assert_eq!(lock["partitions"], 6, "below the topmost table stand six");
    assert_eq!(statement(&report, 2)["rows_affected"], 20_000);
    let evidence = |id: &str| {
        let finding = list(&report["findings"]).iter().find(|finding| finding["id"] == id);
        finding.unwrap_or_else(|| panic!("{id}: {:?}", ids(&report)))["evidence"]["rows"].clone()
    };
    assert_eq!(evidence("lock/large-update"), 20_000, "the partitions' rows are added up");
    assert_eq!(evidence("lock/index-build"), 30_000, "and so are those an index is built of");
    assert_eq!(evidence("data/destroyed"), 10_000);
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
}

#[test]
fn row_security_shows_each_role_its_own_rows_and_the_proof_all() {
    // The table's owner is bound as well: without a tenant the migration meets no row, as in production.
    let unseen = change("UPDATE docs SET body = 'x' WHERE id <= 100;\n");
    assert_eq!(statement(&unseen, 1)["rows_affected"], 0);
    assert_eq!(unseen["rollback"]["verdict"], "exact");
    let notes = list(&unseen["source"]["fidelity_notes"]);
    assert!(notes.iter().any(|note| text(note).starts_with("row security is forced on public.docs:")), "{notes:?}");
    // Rows of the plan's top node: an aggregate's one; below it, what the role may see.
    let seen = |name: &str| {
        let plan = query(&unseen, name)["before"]["plan"].to_string();
        plan.contains("\"Actual Rows\":10000")
    };
    assert!(seen("documents_of_a"), "{}", query(&unseen, "documents_of_a"));
    assert!(!seen("documents_of_nobody"));
    // What the role cannot see is saved and compared all the same.
    let report = change(
        "SET app.tenant = 'a';\nUPDATE docs SET body = 'x' WHERE id <= 100;\nALTER TABLE docs DROP COLUMN body;\n",
    );
    assert_eq!(statement(&report, 2)["rows_affected"], 50);
    assert_eq!(losses(&report), [("public.docs.body", 20_000)]);
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
    assert_eq!(report["rollback"]["proof"]["rows"], "equal");
}

#[test]
fn a_large_object_written_over_is_a_loss() {
    let report = change("SELECT lo_put(data, 0, '\\xbeef') FROM files;\n");
    assert_eq!(report["rollback"]["verdict"], "rows_lost");
    assert_eq!(
        report["rollback"]["differences"][0],
        "large objects: as many rows as before, 2, and other values in some"
    );
}

#[test]
fn generated_and_identity_columns_come_back() {
    let report =
        change("UPDATE gen SET a = a + 1;\nALTER TABLE gen ADD COLUMN c int GENERATED ALWAYS AS (a + 1) STORED;\n");
    assert_eq!(statement(&report, 1)["rows_affected"], 5_000);
    assert_eq!(statement(&report, 2)["rewritten"][0], "public.gen");
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
    let report = change(
        "ALTER TABLE gen ALTER COLUMN n DROP IDENTITY;\nALTER TABLE gen ALTER COLUMN id SET GENERATED BY DEFAULT;\n",
    );
    assert_eq!(report["answers"]["applies"]["verdict"], "yes");
    assert_eq!(report["rollback"]["proof"]["schema"], "equal", "{}", report["rollback"]["differences"]);
    assert_eq!(report["rollback"]["proof"]["catalog"], "equal", "{}", report["rollback"]["differences"]);
}

#[test]
fn what_refresh_writes_is_nobodys_row() {
    let report = change("REFRESH MATERIALIZED VIEW unfilled;\nREFRESH MATERIALIZED VIEW CONCURRENTLY filled;\n");
    assert_eq!(report["answers"]["applies"]["verdict"], "yes");
    assert!(!ids(&report).iter().any(|id| id.starts_with("data/")), "{}", report["findings"]);
    let stale = change("DELETE FROM nest WHERE region = 'us';\nREFRESH MATERIALIZED VIEW CONCURRENTLY filled;\n");
    let destroyed: Vec<_> = findings(&stale).into_iter().filter(|(id, _)| id == "data/destroyed").collect();
    assert_eq!(destroyed, [("data/destroyed".to_owned(), vec!["public.nest_us".to_owned()])]);
    assert_eq!(query(&stale, "filled")["verdict"], "unchanged");
}

#[test]
fn domains_exclusion_constraints_and_empty_tables_come_back() {
    let report = change(
        "ALTER DOMAIN posint ADD CONSTRAINT small CHECK (VALUE < 100000);\nUPDATE dom SET q = q + 1;\n\
         ALTER TABLE booking DROP CONSTRAINT booking_room_during_excl;\n\
         ALTER TABLE empty1 ALTER COLUMN x TYPE varchar(10);\n",
    );
    assert_eq!(statement(&report, 1)["scanned"][0]["rows"], 1_000, "each value of the domain is checked");
    assert_eq!(statement(&report, 2)["rows_affected"], 1_000);
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
    assert_eq!(losses(&report), [("public.dom", 1_000)]);
}

#[test]
fn heirs_are_tables_of_their_own() {
    let report = change(
        "ALTER TABLE animal ADD COLUMN age int DEFAULT 3;\nUPDATE animal SET name = upper(name);\n\
         DELETE FROM dog WHERE id < 210;\n",
    );
    let locked: Vec<&str> = list(&statement(&report, 1)["locks"]).iter().map(|lock| text(&lock["relation"])).collect();
    assert_eq!(locked, ["public.animal", "public.dog"]);
    assert_eq!(statement(&report, 2)["rows_affected"], 500);
    assert_eq!(statement(&report, 3)["rows_affected"], 9);
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
}

#[test]
fn columns_generated_when_read_come_back_where_the_server_has_them() {
    let source = "CREATE TABLE gen (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL);\n\
                  INSERT INTO gen (id, a) SELECT g, g FROM generate_series(1, 1000) AS g;\n";
    let version =
        check("CREATE TABLE t ();\n", "", "SELECT 1;\n", &["--passes", "measure"]).report()["engine"]["version"]
            .as_str()
            .and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if version < Some(18) {
        return;
    }
    changes_nothing(&check(source, "-- name: b\nSELECT b FROM gen WHERE id = 7;\n", "SELECT 1;\n", &[]), &[]);
    let report = check(source, "", "UPDATE gen SET a = a + 1;\nALTER TABLE gen DROP COLUMN b;\n", &[]).report();
    assert_eq!(report["rollback"]["proof"]["rows"], "equal", "{}", report["rollback"]["differences"]);
    assert_eq!(losses(&report), [("public.gen", 1_000)]);
}

#[test]
fn event_triggers_fire_for_the_migration_and_not_for_the_tool() {
    let source = file("frozen.sql");
    changes_nothing(&check(&source, "", "SELECT 1;\n", &[]), &["config/no-hot-queries", "config/not-measured"]);
    // What the source restores fires none of them: nothing was logged before the migration.
    let logged = check(
        &source,
        "",
        "CREATE INDEX notes_note ON notes (note);\nDELETE FROM ddl_log;\n",
        &["--passes", "measure"],
    );
    let logged = logged.report();
    assert_eq!(statement(&logged, 1)["outcome"], "ok");
    assert_eq!(statement(&logged, 2)["rows_affected"], 1, "the migration's own statement, and none of the tool's");
    // One that raises refuses the migration as it would in production; one that sleeps does not.
    let refused = check(&source, "", "ALTER TABLE notes ADD COLUMN extra int;\n", &[]);
    let report = refused.report();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert_eq!(statement(&report, 1)["sqlstate"], "P0001");
    assert_eq!(ids(&report)[0], "apply/failed");
    assert_eq!(report["complete"], true, "{}", report["passes"]);
}

#[test]
fn three_hundred_schemas_with_the_same_tables_keep_apart() {
    let mut source = String::new();
    for tenant in 0..300 {
        writeln!(
            source,
            "CREATE SCHEMA tenant_{tenant};\n\
             CREATE TABLE tenant_{tenant}.users (id int PRIMARY KEY, name text);\n\
             CREATE TABLE tenant_{tenant}.orders (id int PRIMARY KEY, user_id int REFERENCES tenant_{tenant}.users);\n\
             INSERT INTO tenant_{tenant}.users SELECT g, 'u' FROM generate_series(1, {rows}) AS g;",
            rows = 10 + tenant
        )
        .unwrap();
    }
    let queries = "-- name: user\n-- search_path: tenant_8\nSELECT name FROM users WHERE id = 3;\n";
    let path = ["--schema", "tenant_7,public"];
    changes_nothing(&check(&source, queries, "SELECT 1;\n", &path), &[]);
    let report = check(&source, queries, "UPDATE users SET name = 'x';\nDROP TABLE orders;\n", &path).report();
    assert_eq!(statement(&report, 1)["rows_affected"], 17, "tenant_7 has seventeen");
    assert_eq!(losses(&report), [("tenant_7.users", 17)]);
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
    assert_eq!(query(&report, "user")["verdict"], "unchanged", "the other tenant's table is its own");
}

#[test]
fn many_partitions_are_told_once() {
    let source = "CREATE TABLE events (id int NOT NULL, day int NOT NULL, note text) PARTITION BY RANGE (day);\n\
                  DO $$ BEGIN FOR day IN 0..199 LOOP EXECUTE format('CREATE TABLE events_%s PARTITION OF events \
                  FOR VALUES FROM (%s) TO (%s)', day, day, day + 1); END LOOP; END $$;\n\
                  INSERT INTO events SELECT g, g % 200, 'n' FROM generate_series(1, 40000) AS g;\n";
    let queries = "-- name: one_day\nSELECT count(*) FROM events WHERE day = 7;\n";
    changes_nothing(&check(source, queries, "SELECT 1;\n", &[]), &[]);
    let ran = check(
        source,
        queries,
        "SET lock_timeout = '5s';\nCREATE INDEX events_note ON events (note);\nUPDATE events SET note = 'x' WHERE day < 100;\n",
        &["--format", "text=report.txt"],
    );
    let report = ran.report();
    assert_eq!(
        findings(&report),
        [
            ("lock/index-build".to_owned(), vec!["public.events".to_owned(), "public.events_note".to_owned()]),
            ("lock/large-update".to_owned(), vec!["public.events".to_owned()])
        ],
        "{}",
        report["findings"]
    );
    let lock = &statement(&report, 2)["locks"][0];
    assert_eq!([&lock["relation"], &lock["mode"]], ["public.events", "ShareLock"]);
    assert_eq!(lock["partitions"], 200);
    assert_eq!(report["rollback"]["verdict"], "restored_from_backup", "{}", report["rollback"]["differences"]);
    assert_eq!(query(&report, "one_day")["verdict"], "grew_with_table");
}
