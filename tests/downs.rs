//! Hand-written down scripts: each is run after its migration, and what it forgets is listed as the lines to add. Every
//! test rehearses with the built program, on a server that has to be installed.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::{Ran, project, run, seatrial, shared_state};

/// A table with rows, what hangs on it, and a second one, owned by the role that runs migrations.
const SOURCE: &str = "CREATE ROLE app NOLOGIN;
GRANT CREATE, USAGE ON SCHEMA public TO app;
CREATE TABLE public.customers (id integer PRIMARY KEY, email text NOT NULL);
INSERT INTO public.customers SELECT i, 'c' || i || '@example.test' FROM generate_series(1, 50) AS i;
CREATE TABLE public.orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES public.customers (id),
    status text DEFAULT 'new',
    fax text,
    note text
);
INSERT INTO public.orders
SELECT i, i % 50 + 1, 'paid', NULL, CASE WHEN i % 3 = 0 THEN 'note ' || i END FROM generate_series(1, 300) AS i;
CREATE INDEX orders_status_idx ON public.orders (status);
COMMENT ON COLUMN public.orders.status IS 'where it is on its way';
ALTER TABLE public.customers OWNER TO app;
ALTER TABLE public.orders OWNER TO app;
";

/// Rehearses these files, named one by one, and gives the report and how it reads.
fn rehearse(layout: &str, files: &[(&str, &str)]) -> (Value, String) {
    let folder = project();
    std::fs::write(folder.path().join("source.sql"), SOURCE).unwrap();
    let mut command = seatrial(folder.path(), &shared_state());
    command.args(["check", "--source", "source.sql", "--layout", layout, "--fail-on", "never"]);
    command.args(["--format", "json", "--format", "text=report.txt"]);
    for (name, sql) in files {
        let path = Path::new("migrations").join(name);
        std::fs::create_dir_all(folder.path().join(&path).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(&path), sql).unwrap();
        command.arg(path);
    }
    let ran: Ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    (ran.report(), std::fs::read_to_string(folder.path().join("report.txt")).unwrap())
}

fn verdicts(report: &Value) -> Vec<&str> {
    let migrations = report["migrations"].as_array().unwrap();
    migrations.iter().map(|migration| migration["down"]["verdict"].as_str().unwrap_or("none")).collect()
}

/// The findings about down scripts: place, message, evidence.
fn findings(report: &Value) -> Vec<(String, &str, &Value)> {
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["id"] == "rollback/down-differs")
        .map(|finding| {
            let place = format!("{}:{}", finding["file"].as_str().unwrap(), finding["line"]);
            (place, finding["message"].as_str().unwrap(), finding)
        })
        .collect()
}

fn lines(report: &Value, migration: usize) -> Vec<&str> {
    let lines = report["migrations"][migration]["down"]["lines"].as_array().unwrap();
    lines.iter().map(|line| line.as_str().unwrap()).collect()
}

#[test]
fn what_a_script_forgets_is_listed_as_the_lines_to_add() {
    let (report, text) = rehearse(
        "golang_migrate",
        &[
            (
                "1_status.up.sql",
                "ALTER TABLE orders ALTER COLUMN status DROP DEFAULT;
                 DROP INDEX orders_status_idx;
                 COMMENT ON COLUMN orders.status IS NULL;
                 ALTER TABLE orders ADD COLUMN paid_at timestamptz;",
            ),
            ("1_status.down.sql", "ALTER TABLE orders DROP COLUMN paid_at;"),
        ],
    );
    assert_eq!(verdicts(&report), ["differs"], "{:#}", report["migrations"]);
    assert_eq!(report["migrations"][0]["down"]["with_lines"], "exact", "{:#}", report["findings"]);
    let mut listed = lines(&report, 0);
    listed.sort();
    assert_eq!(
        listed,
        [
            "ALTER TABLE public.orders ALTER COLUMN status SET DEFAULT 'new'::text;",
            "COMMENT ON COLUMN public.orders.status IS 'where it is on its way';",
            "CREATE INDEX orders_status_idx ON public.orders USING btree (status);",
        ]
    );
    let told = findings(&report);
    assert_eq!(told.len(), 1, "{:#}", report["findings"]);
    assert_eq!(told[0].0, "migrations/1_status.down.sql:1");
    assert!(told[0].2["advice"].as_str().unwrap().contains("SET DEFAULT 'new'::text;"), "{:#}", told[0].2);
    assert_eq!(report["rollback"]["verdict"], "exact", "the generated one is another matter");
    assert!(text.contains("down script migrations/1_status.down.sql: does not bring everything back"), "{text}");
}

#[test]
fn a_script_that_brings_everything_back_is_no_finding() {
    let (report, text) = rehearse(
        "sqlx",
        &[
            ("1_paid_at.up.sql", "ALTER TABLE orders ADD COLUMN paid_at timestamptz;"),
            ("1_paid_at.down.sql", "ALTER TABLE orders DROP COLUMN paid_at;"),
            ("2_note_idx.up.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY orders_note_idx ON orders (note);"),
            ("2_note_idx.down.sql", "-- no-transaction\nDROP INDEX CONCURRENTLY orders_note_idx;"),
        ],
    );
    assert_eq!(verdicts(&report), ["exact", "exact"], "{:#}", report["migrations"]);
    assert_eq!(findings(&report), []);
    assert_eq!(
        report["migrations"][1]["down"],
        json!({
            "verdict": "exact", "file": "migrations/2_note_idx.down.sql", "line": 1,
            "differences": [], "lines": [], "with_lines": null,
        })
    );
    assert!(text.contains("down script migrations/1_paid_at.down.sql: brings everything back"), "{text}");
}

#[test]
fn another_order_of_columns_is_told_and_is_no_finding() {
    let (report, text) = rehearse(
        "sqlx",
        &[
            ("1_fax.up.sql", "ALTER TABLE orders DROP COLUMN fax;"),
            ("1_fax.down.sql", "ALTER TABLE orders ADD COLUMN fax text;"),
        ],
    );
    assert_eq!(verdicts(&report), ["exact_but_column_order"], "{:#}", report["migrations"]);
    assert_eq!(findings(&report), []);
    assert_eq!(lines(&report, 0), [""; 0]);
    assert!(text.contains("columns stand in another order"), "{text}");
}

#[test]
fn rows_that_no_line_brings_back_are_told_by_table() {
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            ("1_old.up.sql", "DELETE FROM orders WHERE id > 290;"),
            ("1_old.down.sql", "SELECT 1;"),
            ("2_kind.up.sql", "ALTER TABLE orders ADD COLUMN kind text;"),
            ("2_kind.down.sql", "ALTER TABLE orders DROP COLUMN kind;"),
        ],
    );
    assert_eq!(verdicts(&report), ["rows_lost", "exact"], "{:#}", report["migrations"]);
    let told = findings(&report);
    assert_eq!(told.len(), 1);
    assert!(told[0].1.ends_with("public.orders: 290 rows instead of 300"), "{}", told[0].1);
    assert_eq!(told[0].2["objects"], json!(["public.orders"]));
    assert_eq!(told[0].2["evidence"]["lines"], json!([]));
}

#[test]
fn a_column_made_again_is_not_made_a_third_time() {
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            ("1_status.up.sql", "ALTER TABLE orders DROP COLUMN status;"),
            ("1_status.down.sql", "ALTER TABLE orders ADD COLUMN status text;"),
        ],
    );
    assert_eq!(verdicts(&report), ["differs"], "{:#}", report["migrations"]);
    let listed = lines(&report, 0);
    assert_eq!(listed.len(), 3, "the default, the index and the comment: {listed:#?}");
    assert!(listed.iter().all(|line| !line.contains("COLUMN status text") && !line.contains("DROP")), "{listed:#?}");
    let down = &report["migrations"][0]["down"];
    assert_eq!(down["with_lines"], "rows_lost", "its values are gone: {:#}", report["findings"]);
}

#[test]
fn a_table_made_again_lacks_only_what_the_script_forgets() {
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            ("1_drop.up.sql", "DROP TABLE orders;"),
            (
                "1_drop.down.sql",
                "CREATE TABLE orders (id integer PRIMARY KEY, status text, fax text, customer_id integer NOT NULL);",
            ),
        ],
    );
    assert_eq!(verdicts(&report), ["differs"], "{:#}", report["migrations"]);
    let mut listed = lines(&report, 0);
    listed.sort();
    assert_eq!(
        listed,
        [
            "ALTER TABLE ONLY public.orders\n    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers(id) NOT VALID;",
            "ALTER TABLE public.orders ADD COLUMN note text;",
            "ALTER TABLE public.orders ALTER COLUMN status SET DEFAULT 'new'::text;",
            "ALTER TABLE public.orders VALIDATE CONSTRAINT orders_customer_id_fkey;",
            "COMMENT ON COLUMN public.orders.status IS 'where it is on its way';",
            "CREATE INDEX orders_status_idx ON public.orders USING btree (status);",
        ]
    );
    assert_eq!(report["migrations"][0]["down"]["with_lines"], "rows_lost", "{:#}", report["findings"]);
}

#[test]
fn the_ones_before_are_judged_from_the_state_they_belong_to() {
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            ("1_kind.up.sql", "ALTER TABLE orders ADD COLUMN kind text DEFAULT 'small';"),
            ("1_kind.down.sql", "ALTER TABLE orders DROP COLUMN kind;"),
            ("2_index.up.sql", "DROP INDEX orders_status_idx; CREATE INDEX orders_kind_idx ON orders (kind);"),
            ("2_index.down.sql", "DROP INDEX orders_kind_idx;"),
            ("3_view.up.sql", "CREATE VIEW kinds AS SELECT DISTINCT kind FROM orders;"),
        ],
    );
    // The last one has none and is taken back all the same; the second one's forgotten index is not the first one's.
    assert_eq!(verdicts(&report), ["exact", "differs", "none"], "{:#}", report["migrations"]);
    assert_eq!(lines(&report, 1), ["CREATE INDEX orders_status_idx ON public.orders USING btree (status);"]);
}

#[test]
fn after_one_whose_lines_do_not_run_the_others_have_a_copy_of_their_own() {
    let forgets = "DROP TABLE IF EXISTS nothing;";
    let drop = |column: &'static str| format!("ALTER TABLE orders DROP COLUMN {column};");
    let (customer, email) = (drop("customer_id"), "ALTER TABLE customers DROP COLUMN email;");
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            ("1_kind.up.sql", "ALTER TABLE orders ADD COLUMN kind text;"),
            ("1_kind.down.sql", "ALTER TABLE orders DROP COLUMN kind;"),
            ("2_customer.up.sql", customer.as_str()),
            ("2_customer.down.sql", forgets),
        ],
    );
    assert_eq!(verdicts(&report), ["exact", "differs"], "{:#}", report["migrations"]);
    assert_eq!(report["migrations"][1]["down"]["with_lines"], "fails", "it holds no nulls, and its values are gone");
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            ("1_kind.up.sql", "ALTER TABLE orders ADD COLUMN kind text;"),
            ("1_kind.down.sql", "ALTER TABLE orders DROP COLUMN kind;"),
            ("2_customer.up.sql", customer.as_str()),
            ("2_customer.down.sql", forgets),
            ("3_email.up.sql", email),
            ("3_email.down.sql", forgets),
        ],
    );
    assert_eq!(verdicts(&report), ["not_run", "differs", "differs"], "{:#}", report["migrations"]);
    let reason = &report["migrations"][0]["down"]["differences"][0];
    assert_eq!(*reason, "2 customer, applied after it, does not come back as it was");
}

#[test]
fn a_script_that_fails_is_told_with_its_statement_and_without_values() {
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            ("1_kind.up.sql", "ALTER TABLE orders ADD COLUMN kind text;"),
            ("1_kind.down.sql", "ALTER TABLE orders DROP COLUMN kind;"),
            ("2_note.up.sql", "ALTER TABLE orders ADD COLUMN label text;"),
            (
                "2_note.down.sql",
                "-- Back to what it was.\nALTER TABLE orders DROP COLUMN label;\n\nALTER TABLE orders ALTER COLUMN note TYPE integer USING note::integer;\n",
            ),
        ],
    );
    assert_eq!(verdicts(&report), ["exact", "fails"], "{:#}", report["migrations"]);
    let told = findings(&report);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "migrations/2_note.down.sql:4");
    assert!(told[0].1.contains("it fails at line 4: ") && told[0].1.contains("SQLSTATE 22P02"), "{}", told[0].1);
    assert!(!report.to_string().contains("note 3"), "a value of a row: {:#}", told[0].2);
    // One string is one transaction: all of it is to be done.
    assert_eq!(lines(&report, 1), ["ALTER TABLE public.orders DROP COLUMN IF EXISTS label;"]);
    assert_eq!(report["migrations"][1]["down"]["with_lines"], "exact");
}

#[test]
fn a_section_of_a_file_runs_as_its_options_say_and_an_empty_one_is_found() {
    let (report, _) = rehearse(
        "dbmate",
        &[
            ("1_kind.sql", "-- migrate:up\nALTER TABLE orders ADD COLUMN kind text;\n\n-- migrate:down\n"),
            (
                "2_idx.sql",
                "-- migrate:up\nCREATE INDEX orders_note_idx ON orders (note);\n\n-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY orders_note_idx;\n",
            ),
        ],
    );
    assert_eq!(verdicts(&report), ["differs", "exact"], "{:#}", report["migrations"]);
    let told = findings(&report);
    assert_eq!(told.len(), 1, "{:#}", report["findings"]);
    assert_eq!(told[0].0, "migrations/1_kind.sql:4");
    assert!(told[0].1.starts_with("the down script is empty"), "{}", told[0].1);
    assert_eq!(lines(&report, 0), ["ALTER TABLE public.orders DROP COLUMN IF EXISTS kind;"]);
}

#[test]
fn sections_of_goose_run_in_reverse() {
    let (report, _) = rehearse(
        "goose",
        &[
            (
                "00001_kind.sql",
                "-- +goose Up\nALTER TABLE orders ADD COLUMN kind text;\n-- +goose Down\nALTER TABLE orders DROP COLUMN kind;\n",
            ),
            (
                "00002_idx.sql",
                "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY orders_kind_idx ON orders (kind);\n-- +goose Down\nDROP INDEX CONCURRENTLY orders_kind_idx;\n",
            ),
        ],
    );
    assert_eq!(verdicts(&report), ["exact", "exact"], "{:#}", report["migrations"]);
}

#[test]
fn a_finding_about_a_script_is_allowed_beside_the_migration() {
    let (report, _) = rehearse(
        "golang_migrate",
        &[
            (
                "1_idx.up.sql",
                "-- seatrial: allow(rollback/down-differs) nobody needs it back\nDROP INDEX orders_status_idx;",
            ),
            ("1_idx.down.sql", "SELECT 1;"),
        ],
    );
    let told = findings(&report);
    assert_eq!(told[0].2["suppressed_by"], "nobody needs it back", "{:#}", told[0].2);
}
