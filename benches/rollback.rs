//! What writing and proving a rollback costs on a schema of 500 tables, outside copying rows.
//!
//! `cargo bench --bench rollback`: each table has four indexes, a foreign key, a check, a serial key and a few rows; the
//! migration touches several. Prints the parts, and the whole without the making of copies, several rounds; exits with 1
//! when the median is 2 s or more. Needs a server with its dump tools.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use seatrial::engine::ServerError;
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::report::v1::RollbackVerdict;
use seatrial::rollback::RollbackError;
use seatrial::rollback::compare::{compare_catalogs, compare_dumps};
use seatrial::rollback::fingerprint::{Depth, fingerprints};
use seatrial::rollback::generate::{Input, Scripts, Trust, generate};
use seatrial::rollback::net;
use seatrial::rollback::prove::{DownFailure, ProofCopy, ProofGround, ProveOptions, prove};
use std::cell::Cell;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::place::{Place, ROLE};

const ROUNDS: usize = 5;
const LIMIT: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
    DO $$ BEGIN FOR i IN 1..500 LOOP
        EXECUTE format('CREATE TABLE t%1$s (id serial PRIMARY KEY, parent int%2$s, amount int NOT NULL CHECK (amount > 0),
            note text, price numeric DEFAULT 0, made timestamptz DEFAULT now());
            CREATE INDEX ON t%1$s (parent); CREATE INDEX ON t%1$s (amount); CREATE INDEX ON t%1$s (lower(note));
            INSERT INTO t%1$s (amount, note) SELECT g, g FROM generate_series(1, 5) g',
            i, CASE WHEN i > 1 THEN ' REFERENCES t' || i - 1 END);
    END LOOP; END $$;";

const MIGRATION: &str = "
    ALTER TABLE t1 ADD COLUMN memo text;
    ALTER TABLE t2 DROP COLUMN made;
    ALTER TABLE t3 ALTER COLUMN amount TYPE bigint;
    DROP INDEX t4_amount_idx;
    ALTER TABLE t5 RENAME TO t5_renamed;
    CREATE TABLE extra (id serial PRIMARY KEY, t6 int REFERENCES t6);
    DROP TABLE t500;
    ALTER TABLE t7 DROP CONSTRAINT t7_amount_check;
    CREATE VIEW few AS SELECT id, note FROM t8;";

struct Ground<'a> {
    place: &'a Place,
    made: Cell<u32>,
    copying: Cell<Duration>,
}

struct Copy<'a> {
    ground: &'a Ground<'a>,
    database: String,
}

impl<'a> ProofGround for &'a Ground<'a> {
    type Copy = Copy<'a>;

    async fn fresh(&mut self) -> Result<Copy<'a>, RollbackError> {
        let started = Instant::now();
        self.made.set(self.made.get() + 1);
        let database = format!("copy_{}", self.made.get());
        let sql = format!("CREATE DATABASE {database} TEMPLATE base OWNER {ROLE}");
        self.place.execute("postgres", SUPERUSER, &sql).await?;
        self.copying.set(self.copying.get() + started.elapsed());
        Ok(Copy { ground: self, database })
    }
}

impl ProofCopy for Copy<'_> {
    async fn superuser(&self) -> Result<Session, ServerError> {
        self.ground.place.session(&self.database, SUPERUSER).await
    }

    async fn migration_role(&self) -> Result<Session, ServerError> {
        self.ground.place.session(&self.database, ROLE).await
    }

    async fn migrate(&self) -> Result<(), ServerError> {
        self.ground.place.execute(&self.database, ROLE, MIGRATION).await
    }

    async fn migrate_part(&self, _: usize) -> Result<(), ServerError> {
        self.migrate().await
    }

    async fn apply_one(&self, _: usize) -> Result<Result<(), String>, ServerError> {
        self.migrate().await.map(Ok)
    }

    /// The bench has no down scripts.
    async fn take_back(&self, _: usize) -> Result<Result<(), DownFailure>, ServerError> {
        Ok(Ok(()))
    }

    async fn dump(&self) -> Result<String, RollbackError> {
        self.ground.place.dump(&self.database).await.map_err(|error| RollbackError::Dump(error.to_string()))
    }

    async fn destroy(self) -> Result<(), RollbackError> {
        let started = Instant::now();
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        let dropped = self.ground.place.execute("postgres", SUPERUSER, &sql).await;
        self.ground.copying.set(self.ground.copying.get() + started.elapsed());
        Ok(dropped?)
    }
}

fn told(what: &str, started: Instant) {
    println!("  {what:<32}{:>7.0} ms", started.elapsed().as_secs_f64() * 1000.0);
}

/// Reads both states part by part, prints what each part took, and writes the scripts.
async fn parts(mut ground: &Ground<'_>) -> Result<(Scripts, Duration), RollbackError> {
    let copy = ground.fresh().await?;
    let mut session = copy.superuser().await?;
    let mut states = Vec::new();
    for moment in ["before", "after"] {
        println!("{moment}:");
        if moment == "after" {
            copy.migrate().await?;
        }
        let started = Instant::now();
        let typed = catalog::read(&mut session).await?;
        told("catalog as it is modelled", started);
        let started = Instant::now();
        let net = catalog::net::read(&mut session).await?;
        told("rows of all system catalogs", started);
        let started = Instant::now();
        let dump = copy.dump().await?;
        told("pg_dump", started);
        let started = Instant::now();
        fingerprints(&mut session, &typed, None, Depth::Values).await?;
        told("fingerprints of all rows", started);
        states.push((typed, net, dump));
    }
    session.close().await;
    copy.destroy().await?;
    let [(before, net_before, dump_before), (after, net_after, dump_after)] = &states[..] else { unreachable!() };
    println!("compared:");
    let started = Instant::now();
    compare_catalogs(before, after);
    told("catalogs as they are modelled", started);
    let started = Instant::now();
    net::compare(net_before, net_after);
    told("rows of all system catalogs", started);
    let started = Instant::now();
    compare_dumps(dump_before, dump_after);
    told("dumps", started);
    let started = Instant::now();
    let scripts = generate(&Input {
        before,
        after,
        dump_before,
        history: &[],
        changed: &[],
        statements: &[],
        title: "the bench",
        backup_schema: catalog::BACKUP_SCHEMA,
        trust: &Trust { casts: true, ..Trust::default() },
        stepwise: false,
        origins: &[],
    });
    told("scripts written", started);
    Ok((scripts, started.elapsed()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let place = Place::new().await;
    let created = format!("CREATE DATABASE base OWNER {ROLE}");
    place.execute("postgres", SUPERUSER, &created).await.unwrap();
    place.execute("base", SUPERUSER, &format!("GRANT CREATE ON SCHEMA public TO {ROLE}")).await.unwrap();
    place.execute("base", ROLE, SCHEMA).await.unwrap();
    place.execute("base", SUPERUSER, "VACUUM (ANALYZE)").await.unwrap();
    let ground = Ground { place: &place, made: Cell::new(0), copying: Cell::new(Duration::ZERO) };
    let (scripts, writing) = parts(&ground).await.unwrap();
    let mut took = Vec::new();
    for round in 1..=ROUNDS {
        ground.copying.set(Duration::ZERO);
        let started = Instant::now();
        let proof = prove(&mut &ground, &scripts, &ProveOptions::default()).await.unwrap();
        let whole = started.elapsed() + writing - ground.copying.get();
        assert_eq!(proof.verdict(), RollbackVerdict::RestoredFromBackup, "{:#?}", proof.differences());
        println!(
            "round {round}: written and proven in {:.2} s, and {:.2} s for copies",
            whole.as_secs_f64(),
            ground.copying.get().as_secs_f64()
        );
        took.push(whole);
    }
    took.sort();
    let median = took[took.len() / 2];
    println!("median {:.2} s, limit {:.0} s", median.as_secs_f64(), LIMIT.as_secs_f64());
    if median < LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
