//! Several pending migrations: each has a way back of its own. Every test rehearses with the built program, then takes
//! the scripts it wrote and runs them on another server, migration by migration, up and down again.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::rollback::compare::compare_dumps;
use seatrial::rollback::prove::run_script;
use serde_json::Value;
use std::path::Path;
use support::place::{Place, ROLE};
use support::{Ran, project, run, seatrial, shared_state};
use tempfile::TempDir;

/// Two tables with rows, owned by the role that runs migrations.
const SOURCE: &str = "CREATE TABLE public.customers (id integer PRIMARY KEY, email text NOT NULL, name text);
INSERT INTO public.customers SELECT i, 'c' || i || '@example.test', 'Customer ' || i FROM generate_series(1, 50) AS i;
CREATE TABLE public.orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL CONSTRAINT orders_customer_id_fkey REFERENCES public.customers (id),
    note text
);
INSERT INTO public.orders SELECT i, i % 50 + 1, CASE WHEN i % 3 = 0 THEN 'note ' || i END FROM generate_series(1, 300) AS i;
CREATE TABLE public.events (at integer, what text);
INSERT INTO public.events SELECT i, 'event ' || i FROM generate_series(1, 40) AS i;
";

/// One rehearsal: its folder with `out/`, the migrations in order, and its report.
struct Rehearsed {
    folder: TempDir,
    source: String,
    migrations: Vec<(&'static str, &'static str)>,
    report: Value,
}

/// Rehearses these files, named one by one.
fn rehearse(source: &str, migrations: &[(&'static str, &'static str)], args: &[&str]) -> Rehearsed {
    let folder = project();
    let roles = format!("CREATE ROLE {ROLE} NOLOGIN;\nGRANT CREATE, USAGE ON SCHEMA public TO {ROLE};\n");
    let owners: String = ["customers", "orders", "events"]
        .map(|table| format!("ALTER TABLE public.{table} OWNER TO {ROLE};\n"))
        .concat();
    std::fs::write(folder.path().join("source.sql"), format!("{roles}{source}{owners}")).unwrap();
    std::fs::create_dir(folder.path().join("migrations")).unwrap();
    let mut command = seatrial(folder.path(), &shared_state());
    command.args(["check", "--source", "source.sql", "--format", "json", "--out", "out", "--fail-on", "never"]);
    command.args(args);
    for (name, sql) in migrations {
        std::fs::write(folder.path().join("migrations").join(name), sql).unwrap();
        command.arg(Path::new("migrations").join(name));
    }
    let ran: Ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let report = ran.report();
    Rehearsed { folder, source: source.to_owned(), migrations: migrations.to_vec(), report }
}

impl Rehearsed {
    fn verdicts(&self) -> Vec<&str> {
        let word = |migration: &'_ Value| migration["rollback"]["verdict"].as_str().map(str::to_owned);
        let migrations = self.report["migrations"].as_array().unwrap();
        let words: Vec<Option<String>> = migrations.iter().map(word).collect();
        words.into_iter().map(|word| word.map_or("none", |word| &*word.leak())).collect()
    }

    fn undoable(&self) -> Vec<&str> {
        let migrations = self.report["migrations"].as_array().unwrap();
        migrations.iter().map(|migration| migration["undoable"].as_str().unwrap()).collect()
    }

    fn rollback(&self, index: usize) -> &Value {
        &self.report["migrations"][index]["rollback"]
    }

    /// The written script of a migration.
    fn script(&self, index: usize, name: &str) -> String {
        let version = self.report["migrations"][index]["version"].as_str().unwrap();
        let path = self.folder.path().join("out/rollback").join(version).join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Applies the first `count` on a server of their own with their prepare scripts, then takes back the last ones,
    /// down to `down_to`: is everything as it was when each of them began?
    async fn there_and_back(&self, count: usize, down_to: usize) {
        let place = Place::new().await;
        place.execute("postgres", SUPERUSER, "CREATE DATABASE shop OWNER app").await.unwrap();
        place.execute("shop", SUPERUSER, "GRANT CREATE, USAGE ON SCHEMA public TO app").await.unwrap();
        place.execute("shop", ROLE, &self.source).await.unwrap();
        let send = async |script: &str| {
            let mut session = place.session("shop", ROLE).await.unwrap();
            run_script(&mut session, script).await.unwrap_or_else(|error| panic!("{error}\n{script}"));
            session.close().await;
        };
        let mut states = Vec::new();
        for (index, (_, migration)) in self.migrations.iter().enumerate().take(count) {
            states.push(state(&place).await);
            send(&self.script(index, "prepare.sql")).await;
            send(migration).await;
        }
        for index in (down_to..count).rev() {
            send(&self.script(index, "rollback.sql")).await;
            send(&self.script(index, "cleanup.sql")).await;
            let (dump, rows) = state(&place).await;
            let differences = compare_dumps(&states[index].0, &dump);
            assert!(differences.others.is_empty(), "{}: {:?}", self.migrations[index].0, differences.others);
            assert_eq!(states[index].1, rows, "{}", self.migrations[index].0);
        }
    }
}

/// Schema, and the rows of every table as text, columns by name.
async fn state(place: &Place) -> (String, Vec<String>) {
    let mut session = place.session("shop", SUPERUSER).await.unwrap();
    let tables = session
        .query(
            "SELECT format('SELECT %L || to_jsonb(t)::text FROM %s AS t', c.oid::regclass, c.oid::regclass) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = 'public'",
        )
        .await
        .unwrap();
    let mut rows = Vec::new();
    for query in tables.rows.iter().flatten().flatten() {
        rows.extend(session.query(query).await.unwrap().rows.into_iter().flatten().flatten());
    }
    session.close().await;
    rows.sort();
    (place.dump("shop").await.unwrap(), rows)
}

/// The second run finds what the first one read of untouched copies beside the base.
#[test]
fn a_second_run_on_the_same_base_says_what_the_first_one_said() {
    let source = format!("{SOURCE}-- a base of its own, so that the first run is the first\n");
    let migrations = [
        ("0001_lose.sql", "DELETE FROM events WHERE at > 20;\nALTER TABLE orders DROP COLUMN note;\n"),
        ("0002_add.sql", "ALTER TABLE customers ADD COLUMN vat text;\nUPDATE customers SET name = upper(name);\n"),
    ];
    let told = || {
        let rehearsed = rehearse(&source, &migrations, &["--passes", "measure,prove"]);
        let migrations = rehearsed.report["migrations"].as_array().unwrap();
        let proofs = migrations.iter().map(|each| &each["rollback"]).chain([&rehearsed.report["rollback"]]);
        let without_times = |proof: &Value| {
            let mut proof = proof.clone();
            proof["backup"]["duration_ms"] = Value::Null;
            proof
        };
        (proofs.map(without_times).collect::<Vec<Value>>(), rehearsed.script(0, "rollback.sql"))
    };
    let first = told();
    assert_eq!(first.0.len(), 3);
    assert_eq!(first, told());
}

#[tokio::test]
async fn a_column_with_data_needs_a_backup_and_its_neighbours_do_not() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_index.sql", "CREATE INDEX orders_customer_id_idx ON public.orders (customer_id);"),
            ("2_drop_name.sql", "ALTER TABLE public.customers DROP COLUMN name;"),
            ("3_table.sql", "CREATE TABLE public.labels (id integer PRIMARY KEY, label text);"),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["exact", "restored_from_backup", "exact"], "{:#}", it.report["migrations"]);
    assert_eq!(it.undoable(), ["yes", "with_backup", "yes"]);
    let lost = &it.rollback(1)["losses"];
    assert_eq!(*lost, serde_json::json!([{"object": "public.customers.name", "rows": 50}]));
    for neighbour in [0, 2] {
        assert_eq!(it.rollback(neighbour)["losses"], serde_json::json!([]));
        assert_eq!(it.rollback(neighbour)["differences"], serde_json::json!([]));
    }
    it.there_and_back(3, 0).await;
    // Only the last one, as people do it.
    it.there_and_back(3, 2).await;
}

#[tokio::test]
async fn one_that_builds_on_another_is_taken_back_before_it() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_column.sql", "ALTER TABLE public.orders ADD COLUMN status text;"),
            ("2_table.sql", "CREATE TABLE public.states (name text PRIMARY KEY); INSERT INTO public.states VALUES ('new');"),
            (
                "3_reference.sql",
                "ALTER TABLE public.orders ADD CONSTRAINT orders_status_fkey FOREIGN KEY (status) REFERENCES public.states;
                 CREATE VIEW public.open_orders AS SELECT id, status FROM public.orders;",
            ),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["exact", "exact", "exact"], "{:#}", it.report["migrations"]);
    assert!(!it.script(1, "rollback.sql").contains("open_orders"), "the third one is undone before");
    it.there_and_back(3, 0).await;
}

#[tokio::test]
async fn one_without_a_way_back_spoils_no_other() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_column.sql", "ALTER TABLE public.orders ADD COLUMN status text;"),
            // Nobody can tell these rows from those the application adds.
            (
                "2_rows.sql",
                "INSERT INTO public.events SELECT (random() * 100)::integer, md5(random()::text) FROM generate_series(1, 2);",
            ),
            ("3_index.sql", "CREATE INDEX events_at_idx ON public.events (at);"),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["exact", "rows_lost", "exact"], "{:#}", it.report["migrations"]);
    assert_eq!(it.undoable(), ["yes", "with_loss", "yes"]);
    assert_eq!(it.rollback(1)["differences"], serde_json::json!(["public.events: 42 rows instead of 40"]));
    it.there_and_back(3, 2).await;
}

#[tokio::test]
async fn one_that_no_script_undoes_spoils_no_other() {
    let moods = "CREATE TYPE public.mood AS ENUM ('calm', 'stormy');
CREATE TABLE public.days (day integer, mood public.mood) PARTITION BY LIST (mood);
ALTER TYPE public.mood OWNER TO app;
ALTER TABLE public.days OWNER TO app;
";
    let it = rehearse(
        &format!("{SOURCE}{moods}"),
        &[
            ("1_drop_name.sql", "ALTER TABLE public.customers DROP COLUMN name;"),
            // Its type cannot be made anew: a table is partitioned by it.
            ("2_label.sql", "ALTER TYPE public.mood ADD VALUE 'foggy';"),
            ("3_index.sql", "CREATE INDEX events_at_idx ON public.events (at);"),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["restored_from_backup", "irreversible", "exact"], "{:#}", it.report["migrations"]);
    assert_eq!(it.undoable(), ["with_backup", "no", "yes"]);
    it.there_and_back(1, 0).await;
    it.there_and_back(3, 2).await;
}

#[tokio::test]
async fn one_that_needs_the_session_of_another_is_not_attempted() {
    let it = rehearse(
        SOURCE,
        &[
            (
                "1_side.sql",
                "CREATE SCHEMA side; CREATE TABLE side.things (id integer); SET search_path TO side, public;",
            ),
            ("2_things.sql", "ALTER TABLE things ADD COLUMN label text;"),
        ],
        &["--layout", "sqlx"],
    );
    assert_eq!(it.report["answers"]["applies"]["verdict"], "yes", "the runner has one session for both");
    assert_eq!(it.verdicts(), ["exact", "not_attempted"], "{:#}", it.report["migrations"]);
    let reason = it.rollback(1)["differences"][0].as_str().unwrap();
    assert!(reason.starts_with("it fails where it is applied by itself") && reason.contains("42P01"), "{reason}");
}

#[tokio::test]
async fn a_migration_that_alters_every_table_finds_nothing_it_may_not_alter() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_drop_name.sql", "ALTER TABLE public.customers DROP COLUMN name;"),
            (
                "2_every_table.sql",
                "DO $$ DECLARE found text; BEGIN
                   FOR found IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
                                WHERE schemaname NOT IN ('pg_catalog', 'information_schema') LOOP
                     EXECUTE format('ALTER TABLE %s ADD COLUMN made timestamptz', found);
                   END LOOP; END $$;",
            ),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["restored_from_backup", "exact"], "{:#}", it.report["migrations"]);
    assert_eq!(it.report["rollback"]["verdict"], "restored_from_backup", "{:#}", it.report["rollback"]);
}

#[tokio::test]
async fn those_before_a_second_one_without_a_way_back_are_not_attempted() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_column.sql", "ALTER TABLE public.orders ADD COLUMN status text;"),
            ("2_rows.sql", "INSERT INTO public.events SELECT (random() * 100)::integer, md5(random()::text);"),
            ("3_rows.sql", "INSERT INTO public.events SELECT (random() * 100)::integer, md5(random()::text);"),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["not_attempted", "rows_lost", "rows_lost"], "{:#}", it.report["migrations"]);
    assert_eq!(it.undoable(), ["unknown", "with_loss", "with_loss"]);
    let reason = it.rollback(0)["differences"][0].as_str().unwrap();
    assert!(reason.starts_with("2_rows.sql") && reason.contains("does not come back as it was"), "{reason}");
    assert!(!it.folder.path().join("out/rollback/1_column.sql").exists(), "what was not run is not handed out");
}

#[tokio::test]
async fn the_ones_before_a_failure_have_theirs_and_it_has_none() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_drop_note.sql", "ALTER TABLE public.orders DROP COLUMN note;"),
            ("2_index.sql", "CREATE INDEX events_at_idx ON public.events (at);"),
            ("3_fails.sql", "CREATE UNIQUE INDEX ON public.orders (customer_id);"),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["restored_from_backup", "exact", "none"], "{:#}", it.report["migrations"]);
    assert_eq!(it.undoable(), ["with_backup", "yes", "yes"]);
    it.there_and_back(2, 0).await;
}

#[tokio::test]
async fn a_column_added_filled_and_dropped_again_comes_back_at_every_stage() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_add.sql", "ALTER TABLE public.orders ADD COLUMN kind text;"),
            ("2_fill.sql", "UPDATE public.orders SET kind = 'small' WHERE id > 100;"),
            ("3_drop.sql", "ALTER TABLE public.orders DROP COLUMN kind;"),
        ],
        &[],
    );
    // The values only the second one wrote: all of them together lose nothing, it alone would.
    assert_eq!(it.report["rollback"]["verdict"], "exact", "{:#}", it.report["rollback"]);
    assert_eq!(
        it.verdicts(),
        ["exact", "restored_from_backup", "restored_from_backup"],
        "{:#}",
        it.report["migrations"]
    );
    assert_eq!(it.rollback(2)["losses"], serde_json::json!([{"object": "public.orders.kind", "rows": 200}]));
    assert_eq!(it.rollback(1)["losses"], serde_json::json!([{"object": "public.orders", "rows": 200}]));
    it.there_and_back(3, 0).await;
}

#[tokio::test]
async fn a_table_made_by_one_and_changed_by_the_next_is_saved_under_its_name_then() {
    let it = rehearse(
        SOURCE,
        &[
            (
                "1_make.sql",
                "CREATE TABLE public.labels (id integer PRIMARY KEY, label text);
                 INSERT INTO public.labels SELECT i, 'label ' || i FROM generate_series(1, 20) AS i;
                 ALTER TABLE public.events RENAME TO happenings;",
            ),
            (
                "2_change.sql",
                "UPDATE public.labels SET label = upper(label); DELETE FROM public.happenings WHERE at > 30;",
            ),
        ],
        &[],
    );
    assert_eq!(it.verdicts(), ["exact", "restored_from_backup"], "{:#}", it.report["migrations"]);
    it.there_and_back(2, 0).await;
}

#[tokio::test]
async fn a_table_without_a_key_that_is_renamed_and_changed_is_saved_under_its_old_name() {
    let it = rehearse(
        SOURCE,
        &[(
            "1_rename.sql",
            "ALTER TABLE public.events RENAME TO happenings; UPDATE public.happenings SET what = upper(what) WHERE at > 30;",
        )],
        &[],
    );
    assert_eq!(it.report["rollback"]["verdict"], "restored_from_backup", "{:#}", it.report["rollback"]);
    assert_eq!(it.report["rollback"]["losses"], serde_json::json!([{"object": "public.events", "rows": 10}]));
}

#[tokio::test]
async fn the_runner_s_row_goes_with_its_migration_alone() {
    let it = rehearse(
        SOURCE,
        &[
            ("1_column.sql", "ALTER TABLE public.orders ADD COLUMN status text;"),
            ("2_drop_name.sql", "ALTER TABLE public.customers DROP COLUMN name;"),
            ("3_index.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY events_at_idx ON public.events (at);"),
        ],
        &["--layout", "sqlx"],
    );
    assert_eq!(it.verdicts(), ["exact", "restored_from_backup", "exact"], "{:#}", it.report["migrations"]);
    for (index, own) in [(0, "version = 1"), (1, "version = 2"), (2, "version = 3")] {
        let script = it.script(index, "rollback.sql");
        assert_eq!(script.matches("DELETE FROM _sqlx_migrations").count(), 1, "{script}");
        assert!(script.contains(own), "{script}");
    }
}

#[tokio::test]
async fn one_migration_alone_has_the_scripts_of_the_whole() {
    let it = rehearse(SOURCE, &[("1_drop_name.sql", "ALTER TABLE public.customers DROP COLUMN name;")], &[]);
    assert_eq!(it.verdicts(), ["restored_from_backup"]);
    assert_eq!(it.rollback(0)["scripts"], it.report["rollback"]["scripts"]);
    assert!(!it.folder.path().join("out/rollback").exists());
    assert!(it.folder.path().join("out/rollback.sql").exists());
}
