//! Plans of hot queries after the rollback: as before, or a reason is given. Every test rehearses with the built program,
//! on a server that has to be installed.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::engine::ServerError;
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::explain::{CaptureOptions, plan_only};
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::report::v1::{Comparison, RollbackVerdict};
use seatrial::rollback::RollbackError;
use seatrial::rollback::generate::{Input, Trust, generate};
use seatrial::rollback::prove::{DownFailure, ProofCopy, ProofGround, ProveOptions, prove};
use seatrial::snapshot::plan::PlanCapture;
use seatrial::workload::HotQuery;
use serde_json::Value;
use std::cell::Cell;
use support::place::{Place, ROLE};
use support::{project, run, seatrial, shared_state};

/// A table whose plans depend on its pages, and one beside it.
const SOURCE: &str = "CREATE ROLE app NOLOGIN;
GRANT CREATE, USAGE ON SCHEMA public TO app;
CREATE TABLE public.items (id integer PRIMARY KEY, k integer, g integer, tag text);
INSERT INTO public.items SELECT i, 1, i % 100, 'tag ' || i % 7 FROM generate_series(1, 20000) AS i;
CREATE INDEX items_g_idx ON public.items (g);
CREATE TABLE public.others (id integer PRIMARY KEY, item integer NOT NULL);
INSERT INTO public.others SELECT i, i * 7 % 20000 + 1 FROM generate_series(1, 500) AS i;
ALTER TABLE public.items OWNER TO app;
ALTER TABLE public.others OWNER TO app;
";

/// One that reads a lot, just below where it is cheaper to read all; a selective one; one that joins.
const QUERIES: &str = "-- name: many :many
SELECT sum(k) FROM items WHERE g < 45;

-- name: few :many
-- params one: g = 3
SELECT id FROM items WHERE g = :g;

-- name: joined :many
SELECT o.id, i.tag FROM others o JOIN items i ON i.id = o.item WHERE o.id < 20;
";

fn rehearse(migration: &str, queries: Option<&str>) -> Value {
    let folder = project();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("source.sql", SOURCE);
    write("1_a.sql", migration);
    let mut command = seatrial(folder.path(), &shared_state());
    command.args(["check", "1_a.sql", "--source", "source.sql", "--fail-on", "never", "--format", "json"]);
    command.args(["--passes", "measure,prove"]);
    if let Some(queries) = queries {
        write("queries.sql", queries);
        command.args(["--queries", "queries.sql"]);
    }
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    ran.report()["rollback"].clone()
}

/// Rehearses a migration after whose rollback nothing differs.
fn comes_back(migration: &str, verdict: &str) {
    let rollback = rehearse(migration, Some(QUERIES));
    assert_eq!(rollback["proof"]["plans"], "equal", "{:#}", rollback["differences"]);
    assert_eq!(rollback["verdict"], verdict, "{:#}", rollback["differences"]);
    let differences = rollback["differences"].as_array().unwrap().iter().map(|each| each.as_str().unwrap());
    let unexplained = differences.filter(|each| each.contains("the plan of") && !each.ends_with("it is as before"));
    assert_eq!(unexplained.count(), 0, "{:#}", rollback["differences"]);
}

#[test]
fn an_index_built_again_is_used_again() {
    comes_back("DROP INDEX items_g_idx; CREATE INDEX items_other_idx ON items (g, k);", "exact");
}

#[test]
fn a_column_converted_there_and_back_is_found_the_same_way() {
    comes_back("ALTER TABLE items ALTER COLUMN g TYPE bigint;", "exact");
}

#[test]
fn a_column_with_its_index_is_found_the_same_way_once_it_is_filled_again() {
    comes_back("ALTER TABLE others DROP COLUMN item;", "restored_from_backup");
}

#[test]
fn a_table_that_comes_back_from_the_backup_is_read_the_same_way() {
    comes_back("DROP TABLE others;", "restored_from_backup");
}

#[test]
fn statistics_the_migration_gathered_are_not_those_from_before() {
    comes_back("UPDATE items SET g = 1000 + id; ANALYZE items;", "restored_from_backup");
}

#[test]
fn room_that_rows_written_twice_leave_is_told_and_costs_no_verdict() {
    let rollback = rehearse("UPDATE items SET k = k + 1;", Some(QUERIES));
    assert_eq!(rollback["proof"]["plans"], "equal", "{:#}", rollback["differences"]);
    assert_eq!(rollback["verdict"], "restored_from_backup");
    let differences = rollback["differences"].as_array().unwrap();
    let told = differences
        .iter()
        .filter_map(Value::as_str)
        .find(|each| each.starts_with("the plan of many: public.items by "));
    let told = told.unwrap_or_else(|| panic!("{differences:#?}"));
    assert!(told.contains("public.items grew from ") && told.ends_with("without which it is as before"), "{told}");
}

#[test]
fn settings_of_the_role_come_back_and_plans_with_them() {
    comes_back("ALTER ROLE app SET enable_bitmapscan = off; ALTER ROLE app SET enable_indexscan = off;", "exact");
}

#[test]
fn without_hot_queries_plans_are_not_compared() {
    let rollback = rehearse("DROP INDEX items_g_idx;", None);
    assert_eq!(rollback["proof"]["plans"], "not_run");
    assert_eq!(rollback["verdict"], "exact");
}

const DROP_INDEX: &str = "DROP INDEX items_g_idx";

/// One database as every copy, with a planner that changes its mind after so many times.
struct Moody<'a> {
    place: &'a Place,
    queries: &'a [HotQuery],
    calm: &'a Cell<u32>,
}

impl<'a> ProofGround for Moody<'a> {
    type Copy = Moody<'a>;

    async fn fresh(&mut self) -> Result<Self::Copy, RollbackError> {
        Ok(Moody { ..*self })
    }
}

impl ProofCopy for Moody<'_> {
    async fn superuser(&self) -> Result<Session, ServerError> {
        self.place.session("shop", SUPERUSER).await
    }

    async fn migration_role(&self) -> Result<Session, ServerError> {
        self.place.session("shop", ROLE).await
    }

    async fn migrate(&self) -> Result<(), ServerError> {
        self.place.execute("shop", ROLE, DROP_INDEX).await
    }

    async fn migrate_part(&self, _: usize) -> Result<(), ServerError> {
        self.migrate().await
    }

    async fn apply_one(&self, _: usize) -> Result<Result<(), String>, ServerError> {
        self.migrate().await.map(Ok)
    }

    async fn take_back(&self, _: usize) -> Result<Result<(), DownFailure>, ServerError> {
        Ok(Ok(()))
    }

    async fn plan(&self) -> Result<Vec<PlanCapture>, ServerError> {
        let mut session = self.migration_role().await?;
        match self.calm.get().checked_sub(1) {
            Some(left) => self.calm.set(left),
            None => {
                session.execute("SET enable_bitmapscan = off; SET enable_indexscan = off").await?;
            }
        }
        let plans = plan_only(&mut session, self.queries, &CaptureOptions::default()).await;
        session.close().await;
        Ok(plans)
    }

    async fn dump(&self) -> Result<String, RollbackError> {
        self.place.dump("shop").await.map_err(|error| RollbackError::Dump(error.to_string()))
    }

    async fn destroy(self) -> Result<(), RollbackError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_back_in_every_other_part_is_not_exact_while_it_is_planned_otherwise() {
    for (calm, plans, verdict) in
        [(9, Comparison::Equal, RollbackVerdict::Exact), (1, Comparison::Differs, RollbackVerdict::Irreversible)]
    {
        let place = Place::new().await;
        place.execute("postgres", SUPERUSER, "CREATE DATABASE shop OWNER app").await.unwrap();
        let source = SOURCE.split_once('\n').unwrap().1;
        place.execute("shop", SUPERUSER, source).await.unwrap();
        place.execute("shop", SUPERUSER, "VACUUM ANALYZE").await.unwrap();
        let mut session = place.session("shop", SUPERUSER).await.unwrap();
        let before = catalog::read(&mut session).await.unwrap();
        let dump = place.dump("shop").await.unwrap();
        session.execute("BEGIN").await.unwrap();
        session.execute(DROP_INDEX).await.unwrap();
        session.execute("COMMIT").await.unwrap();
        let after = catalog::read(&mut session).await.unwrap();
        session.execute("CREATE INDEX items_g_idx ON items (g)").await.unwrap();
        session.close().await;
        let scripts = generate(&Input {
            before: &before,
            after: &after,
            dump_before: &dump,
            history: &[],
            changed: &[],
            statements: &[],
            title: "index",
            backup_schema: catalog::BACKUP_SCHEMA,
            trust: &Trust { casts: true, ..Trust::default() },
            stepwise: false,
            origins: &[],
        });
        let folder = project();
        std::fs::write(folder.path().join("queries.sql"), QUERIES).unwrap();
        let queries = seatrial::workload::source::load(
            &[folder.path().join("queries.sql")],
            folder.path(),
            seatrial::migration::script::Dialect::PostgreSql,
        )
        .unwrap();
        let calm = Cell::new(calm);
        let mut ground = Moody { place: &place, queries: &queries, calm: &calm };
        let proof = prove(&mut ground, &scripts, &ProveOptions::default()).await.unwrap();
        assert_eq!(
            (proof.schema(), proof.catalog(), proof.rows()),
            (Comparison::Equal, Comparison::Equal, Comparison::Equal)
        );
        assert_eq!((proof.plans(), proof.verdict()), (plans, verdict), "{:#?}", proof.differences());
    }
}
