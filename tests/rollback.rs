//! Every folder of `tests/rollback/` holds a migration, what the proof of its rollback must say, and a schema with rows:
//! its own (`schema.sql`), or the one beside the folders, with what it has besides (`more.sql`). Scripts are generated from a measured copy and proven on fresh ones, as an unprivileged role.

mod support;

use seatrial::engine::ServerError;
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::engine::postgres::volatile;
use seatrial::migration::script::{StatementKind, kind, split};
use seatrial::rollback::RollbackError;
use seatrial::rollback::generate::{ChangedTable, Input, Scripts, Trust, generate};
use seatrial::rollback::prove::{
    DownFailure, ProofCopy, ProofGround, ProveOptions, Proven, RollbackProof, prove_prefixes, run_script,
    write_and_prove,
};
use seatrial::snapshot::catalog::Catalog;
use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::place::{Place, ROLE};

/// One fixture's database: the first copy of it, and more made as it was.
struct Ground<'a> {
    place: &'a Place,
    folder: &'a Path,
    base: String,
    migration: String,
    /// Who migrates and runs the scripts.
    role: &'a str,
    made: Cell<u32>,
    /// A copy made of the database before the migration was measured there. Each costs more than any script.
    ready: Cell<Option<String>>,
    /// The schema of every copy while it is untouched.
    schema: OnceCell<String>,
    /// The same as it is read, by which the ready copy's objects have their numbers.
    catalog: OnceCell<Arc<Catalog>>,
    /// The schema the migration left where it was measured.
    migrated: OnceCell<Arc<Catalog>>,
}

struct Copy<'a> {
    ground: &'a Ground<'a>,
    database: String,
    /// It is a copy to the number.
    alike: bool,
}

impl<'a> Ground<'a> {
    /// The fixture's database, made from its files.
    async fn make(&self, database: &str) -> Result<(), String> {
        let (place, folder) = (self.place, self.folder);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the fixture");
        let has = |name: &str| folder.join(name).exists();
        let mut schema = if has("schema.sql") { read("schema.sql") } else { read("../schema.sql") };
        if has("more.sql") {
            schema += &read("more.sql");
        }
        let created = format!("CREATE DATABASE \"{database}\" TEMPLATE template0 OWNER {ROLE}{}", place.by_files());
        place.execute("postgres", SUPERUSER, &created).await.map_err(|error| format!("a database: {error}"))?;
        let mut superuser = place.session(database, SUPERUSER).await.map_err(|error| format!("a session: {error}"))?;
        let owns = format!("GRANT CREATE, USAGE ON SCHEMA public TO {ROLE}, archivist");
        superuser.execute(&owns).await.map_err(|error| format!("rights: {error}"))?;
        if has("superuser.sql") {
            let made = superuser.execute(&read("superuser.sql")).await;
            made.map_err(|error| format!("what only a superuser can make: {error}"))?;
        }
        let made = place.execute(database, self.role, &schema).await;
        made.map_err(|error| format!("the schema: {error}"))?;
        superuser.execute(ANALYZE).await.map_err(|error| format!("statistics: {error}"))?;
        superuser.close().await;
        Ok(())
    }

    /// The next copy's name.
    fn name(&self) -> String {
        self.made.set(self.made.get() + 1);
        format!("{}_{}", self.base, self.made.get())
    }

    /// A copy, before anything is done to the database itself.
    async fn get_ready(&self) -> Result<(), ServerError> {
        let database = self.name();
        let sql = format!("CREATE DATABASE \"{database}\" TEMPLATE \"{}\"{}", self.base, self.place.by_files());
        self.place.execute("postgres", SUPERUSER, &sql).await?;
        self.let_create(&database).await?;
        self.ready.set(Some(database));
        Ok(())
    }

    /// It is the superuser's from here on, with nobody else's rights, as a database is that was copied.
    async fn let_create(&self, database: &str) -> Result<(), ServerError> {
        let rights = format!(
            "ALTER DATABASE \"{database}\" OWNER TO {SUPERUSER}; REVOKE ALL ON DATABASE \"{database}\" FROM archivist; \
             GRANT CREATE ON DATABASE \"{database}\" TO {ROLE}"
        );
        self.place.execute("postgres", SUPERUSER, &rights).await
    }
}

impl<'a> ProofGround for &'a Ground<'a> {
    type Copy = Copy<'a>;

    async fn fresh(&mut self) -> Result<Copy<'a>, RollbackError> {
        if let Some(database) = self.ready.take() {
            return Ok(Copy { ground: self, database, alike: true });
        }
        let database = self.name();
        self.make(&database).await.expect("it was made before");
        self.let_create(&database).await?;
        Ok(Copy { ground: self, database, alike: false })
    }
}

impl ProofCopy for Copy<'_> {
    async fn superuser(&self) -> Result<Session, ServerError> {
        self.ground.place.session(&self.database, SUPERUSER).await
    }

    async fn migration_role(&self) -> Result<Session, ServerError> {
        self.ground.place.session(&self.database, self.ground.role).await
    }

    /// In one transaction, or statement by statement where the file says so; a statement may be meant to fail.
    async fn migrate(&self) -> Result<(), ServerError> {
        let migration = &self.ground.migration;
        let mut session = self.migration_role().await?;
        let bare = migration.contains("-- no-transaction");
        let fails = migration.contains("-- fails");
        if !bare {
            session.execute("BEGIN").await?;
        }
        for span in split(migration).expect("a migration that can be cut into statements") {
            match session.execute(&migration[span]).await {
                Err(_) if fails => {}
                done => {
                    done?;
                }
            }
        }
        if !bare {
            session.execute("COMMIT").await?;
        }
        session.close().await;
        Ok(())
    }

    async fn migrate_part(&self, statements: usize) -> Result<(), ServerError> {
        let migration = &self.ground.migration;
        let mut session = self.migration_role().await?;
        let fails = migration.contains("-- fails");
        for span in split(migration).expect("a migration that can be cut into statements").into_iter().take(statements)
        {
            match session.execute(&migration[span]).await {
                Err(_) if fails => {}
                done => {
                    done?;
                }
            }
        }
        session.close().await;
        Ok(())
    }

    async fn apply_one(&self, _: usize) -> Result<Result<(), String>, ServerError> {
        self.migrate().await.map(Ok)
    }

    /// Fixtures have no down scripts.
    async fn take_back(&self, _: usize) -> Result<Result<(), DownFailure>, ServerError> {
        Ok(Ok(()))
    }

    async fn dump(&self) -> Result<String, RollbackError> {
        let place = self.ground.place;
        place.dump(&self.database).await.map_err(|error| RollbackError::Dump(error.to_string()))
    }

    async fn untouched_dump(&self) -> Result<String, RollbackError> {
        match self.ground.schema.get() {
            Some(dump) => Ok(dump.clone()),
            None => self.dump().await,
        }
    }

    fn untouched_catalog(&self) -> Option<Arc<Catalog>> {
        self.ground.catalog.get().filter(|_| self.alike).cloned()
    }

    fn migrated_catalog(&self) -> Option<Arc<Catalog>> {
        self.ground.migrated.get().cloned()
    }

    async fn destroy(self) -> Result<(), RollbackError> {
        let sql = format!("DROP DATABASE \"{}\" WITH (FORCE)", self.database);
        Ok(self.ground.place.execute("postgres", SUPERUSER, &sql).await?)
    }
}

/// Statements that may have written to a table: those that write rows, or may run others that do, and name it.
fn writers(migration: &str, table: &str) -> Vec<String> {
    let name = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
    let spans = split(migration).expect("a migration that can be cut into statements");
    let writes = |sql: &&str| {
        use StatementKind as Kind;
        let rows = matches!(kind(sql), Kind::Insert | Kind::Update | Kind::Delete | Kind::Truncate);
        let hidden = matches!(kind(sql), Kind::Merge | Kind::With | Kind::Do | Kind::Call | Kind::Select);
        // What stands before the first of these is what is written to.
        let ends = ["set", "values", "select", "where", "using"];
        let mut words = sql.split(|letter: char| !(letter.is_alphanumeric() || "_$".contains(letter)));
        let mut target = words.by_ref().take_while(|word| !ends.contains(&word.to_lowercase().as_str()));
        let odd = !name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        hidden || (rows && if odd { sql.contains(name) } else { target.any(|word| word == name) })
    };
    spans.into_iter().map(|span| &migration[span]).filter(writes).map(str::to_owned).collect()
}

/// Of what the fixture made: the server's own catalogs would take most of the time.
const ANALYZE: &str = "DO $$ DECLARE one regclass; BEGIN FOR one IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'm', 'p') \
    AND oid >= 16384 LOOP EXECUTE 'ANALYZE ' || one; END LOOP; END $$";

struct Outcome {
    scripts: Scripts,
    proof: RollbackProof,
}

async fn rehearse(place: &Place, folder: &Path, expected: &serde_json::Value) -> Result<Outcome, String> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the fixture");
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let base = format!("base_{name}");
    // Some objects only a superuser may make or drop.
    let role = if expected["superuser"] == true { SUPERUSER } else { ROLE };
    let ground = Ground {
        place,
        folder,
        base: base.clone(),
        migration: read("migration.sql"),
        role,
        made: Cell::new(0),
        ready: Cell::new(None),
        schema: OnceCell::new(),
        catalog: OnceCell::new(),
        migrated: OnceCell::new(),
    };
    ground.make(&base).await?;
    ground.get_ready().await.map_err(|error| format!("a copy: {error}"))?;
    ground.let_create(&base).await.map_err(|error| format!("rights: {error}"))?;
    // What the copy has too is read; then the migration is measured here.
    let copy = Copy { ground: &ground, database: base, alike: true };
    let mut superuser = copy.superuser().await.map_err(|error| format!("a session: {error}"))?;
    let before = catalog::read(&mut superuser).await.map_err(|error| format!("the catalog before: {error}"))?;
    ground.catalog.get_or_init(|| Arc::new(before.clone()));
    let dump_before = copy.dump().await.map_err(|error| format!("a dump: {error}"))?;
    ground.schema.get_or_init(|| dump_before.clone());
    copy.migrate().await.map_err(|error| format!("the migration: {error}"))?;
    let after = catalog::read(&mut superuser).await.map_err(|error| format!("the catalog after: {error}"))?;
    ground.migrated.get_or_init(|| Arc::new(after.clone()));
    let volatile = volatile::read(&mut superuser).await.map_err(|error| format!("functions: {error}"))?;
    superuser.close().await;
    copy.destroy().await.map_err(|error| format!("a copy that goes: {error}"))?;

    let migration = read("migration.sql");
    let changed: Vec<ChangedTable> = expected["changed"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|table| ChangedTable {
            name: table["name"].as_str().expect("a table").to_owned(),
            inserted: table["inserted"].as_u64().unwrap_or(0),
            updated: table["updated"].as_u64().unwrap_or(0),
            deleted: table["deleted"].as_u64().unwrap_or(0),
            statements: Some(writers(&migration, table["name"].as_str().expect("a table"))),
        })
        .collect();
    let history: Vec<String> =
        expected["history"].as_array().into_iter().flatten().map(|sql| sql.as_str().expect("SQL").to_owned()).collect();
    let statements: Vec<String> = split(&migration)
        .expect("a migration that can be cut into statements")
        .into_iter()
        .map(|span| migration[span].to_owned())
        .collect();
    let write = |trust: &Trust<'_>| {
        generate(&Input {
            before: &before,
            after: &after,
            dump_before: &dump_before,
            history: &history,
            changed: &changed,
            statements: &statements,
            title: &name,
            backup_schema: catalog::BACKUP_SCHEMA,
            trust,
            stepwise: migration.contains("-- no-transaction"),
            origins: &[],
        })
    };
    let options = ProveOptions::default();
    let proven = write_and_prove(&mut &ground, &options, &before, Trust::all(&volatile), write).await;
    let Proven { scripts, mut proof, .. } = proven.map_err(|error| error.to_string())?;
    if migration.contains("-- no-transaction") {
        let statements = split(&migration).expect("statements").len();
        let points: Vec<usize> = (1..statements).collect();
        let tried = prove_prefixes(&mut &ground, &scripts, &points, &options, &mut proof).await;
        tried.map_err(|error| error.to_string())?;
    }
    if let Some(database) = ground.ready.take() {
        // Nobody asked for it.
        return Err(format!("{database} was made for nothing"));
    }
    Ok(Outcome { scripts, proof })
}

/// What is wrong with one fixture, or nothing.
fn judge(expected: &serde_json::Value, outcome: &Outcome) -> Option<String> {
    let proof = &outcome.proof;
    let losses: Vec<serde_json::Value> =
        proof.losses().iter().map(|loss| serde_json::json!({"object": loss.object, "rows": loss.rows})).collect();
    let mut wrong = Vec::new();
    let mut check = |what: &str, found: serde_json::Value, fallback: serde_json::Value| {
        let wanted = expected.get(what).cloned().unwrap_or(fallback);
        if found != wanted {
            wrong.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    check("verdict", proof.verdict().name().into(), "exact".into());
    check("reapplied", proof.reapplied().name().into(), "equal".into());
    check("losses", losses.into(), serde_json::json!([]));
    check("unmodelled", outcome.scripts.unmodelled.clone().into(), serde_json::json!([]));
    for needed in expected["conditions"].as_array().into_iter().flatten() {
        let needed = needed.as_str().expect("text");
        if !proof.conditions().iter().any(|condition| condition.contains(needed)) {
            wrong.push(format!("no condition says {needed:?}: {:?}", proof.conditions()));
        }
    }
    for unwanted in expected["no_condition"].as_array().into_iter().flatten() {
        let unwanted = unwanted.as_str().expect("text");
        if proof.conditions().iter().any(|condition| condition.contains(unwanted)) {
            wrong.push(format!("a condition says {unwanted:?}: {:?}", proof.conditions()));
        }
    }
    for (script, text) in [
        ("prepare", &outcome.scripts.prepare),
        ("rollback", &outcome.scripts.rollback),
        ("cleanup", &outcome.scripts.cleanup),
    ] {
        for needed in expected[script].as_array().into_iter().flatten() {
            let needed = needed.as_str().expect("text");
            if !text.contains(needed) {
                wrong.push(format!("{script}.sql does not say {needed:?}"));
            }
        }
        for unwanted in expected[&format!("not_in_{script}")].as_array().into_iter().flatten() {
            let unwanted = unwanted.as_str().expect("text");
            if text.contains(unwanted) {
                wrong.push(format!("{script}.sql says {unwanted:?}"));
            }
        }
    }
    if wrong.is_empty() {
        return None;
    }
    Some(format!(
        "{}\ndifferences: {:#?}\nconditions: {:#?}\n--- prepare.sql\n{}\n--- rollback.sql\n{}",
        wrong.join("\n"),
        proof.differences(),
        proof.conditions(),
        outcome.scripts.prepare,
        outcome.scripts.rollback
    ))
}

/// All fixtures, or those whose name contains one of the words in `SEATRIAL_TEST_FIXTURE`; with `SEATRIAL_TEST_AGAIN` those
/// that `again.txt` names: their scripts, conditions or differences read otherwise on another major version.
fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rollback");
    let only = std::env::var("SEATRIAL_TEST_FIXTURE").unwrap_or_default();
    let again: Option<BTreeSet<String>> = std::env::var_os("SEATRIAL_TEST_AGAIN").map(|_| {
        let listed = std::fs::read_to_string(root.join("again.txt")).expect("the list");
        listed.lines().map(str::to_owned).inspect(|name| assert!(root.join(name).is_dir(), "{name} is gone")).collect()
    });
    let wanted = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        only.split(',').any(|word| name.contains(word)) && again.as_ref().is_none_or(|again| again.contains(&name))
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(&root)
        .expect("fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir() && wanted(path))
        .collect();
    found.sort();
    found
}

/// One of four parts, so that they can run side by side.
async fn rehearse_some(part: usize) {
    let place = Place::new().await;
    let mut failed = Vec::new();
    for folder in fixtures().into_iter().skip(part).step_by(4) {
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("what is expected");
        let expected: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        // What the server does not know yet cannot be undone on it.
        if expected["since"].as_u64().is_some_and(|since| u64::from(place.major()) < since) {
            continue;
        }
        let wrong = match rehearse(&place, &folder, &expected).await {
            Ok(outcome) => judge(&expected, &outcome),
            Err(error) => Some(error),
        };
        if let Some(wrong) = wrong {
            failed.push(format!("==== {}\n{wrong}", folder.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[tokio::test]
async fn every_fourth_fixture_comes_back_as_expected_from_the_first() {
    rehearse_some(0).await;
}

#[tokio::test]
async fn every_fourth_fixture_comes_back_as_expected_from_the_second() {
    rehearse_some(1).await;
}

#[tokio::test]
async fn every_fourth_fixture_comes_back_as_expected_from_the_third() {
    rehearse_some(2).await;
}

#[tokio::test]
async fn every_fourth_fixture_comes_back_as_expected_from_the_fourth() {
    rehearse_some(3).await;
}

#[tokio::test]
async fn prepare_refuses_to_run_twice() {
    let place = Place::new().await;
    let sql = "CREATE SCHEMA seatrial_backup";
    place.execute("postgres", SUPERUSER, sql).await.expect("a backup from before");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rollback/drop_column");
    let outcome = rehearse(&place, &folder, &serde_json::json!({})).await.expect("a rehearsal");
    let mut session = place.session("postgres", SUPERUSER).await.expect("a session");
    let refused = run_script(&mut session, &outcome.scripts.prepare).await.expect_err("it must refuse");
    assert!(refused.contains("was run before"), "{refused}");
    session.close().await;
}

#[tokio::test]
async fn the_catalog_of_five_hundred_tables_is_whole_and_stable() {
    let place = Place::new().await;
    let sql = "DO $$ BEGIN FOR i IN 1..500 LOOP EXECUTE format('CREATE TABLE t%s (id bigserial PRIMARY KEY, a int NOT NULL, \
        b text, c numeric, d timestamptz DEFAULT now(), CHECK (a > 0)); CREATE INDEX ON t%1$s (a); CREATE INDEX ON t%1$s \
        (lower(b))', i); END LOOP; END $$";
    place.execute("postgres", SUPERUSER, sql).await.expect("tables");
    let mut session = place.session("postgres", SUPERUSER).await.expect("a session");
    let catalog = catalog::read(&mut session).await.expect("a catalog");
    assert_eq!(catalog.sequences.len(), 500);
    assert_eq!(catalog.indexes.len(), 1500);
    assert_eq!(catalog.columns.keys().filter(|(table, _)| catalog.relations.contains_key(table)).count(), 2500);
    assert_eq!(catalog, catalog::read(&mut session).await.expect("the same again"));
    session.close().await;
}
