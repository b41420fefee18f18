//! Every file of `tests/rollback_sqlite/` holds a migration and what the proof of its rollback must say: a schema with
//! rows (its own, or else that of `schema.sql`), and behind the line `-- migration` what is undone. Scripts are written from
//! a measured copy and proven on fresh ones.

use rusqlite::Batch;
use rusqlite::fallible_iterator::FallibleIterator;
use seatrial::engine::ServerError;
use seatrial::engine::sqlite::connection::{Purpose, Stop, open};
use seatrial::engine::sqlite::{digest, schema};
use seatrial::rollback::RollbackError;
use seatrial::rollback::generate::Scripts;
use seatrial::rollback::prove::RollbackProof;
use seatrial::rollback::sqlite::prove::{ProofCopy, ProofGround, Step, prove_each, write_and_prove};
use seatrial::rollback::sqlite::{BACKUP, Input, generate};
use seatrial::snapshot::sqlite::identity::Identities;
use std::path::{Path, PathBuf};

/// One file of the corpus.
struct Case {
    setup: String,
    migration: String,
    verdict: String,
    losses: Vec<String>,
    foreign_keys: bool,
    /// Every statement by itself, up to the first that is refused.
    stepwise: bool,
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a file of the corpus");
        let (head, migration) = text.split_once("-- migration\n").expect("a migration");
        let told = |word: &str| {
            let lines = head.lines().filter_map(|line| line.strip_prefix(&format!("-- {word}: ")).map(str::to_owned));
            lines.collect::<Vec<String>>()
        };
        let own = head.lines().any(|line| line == "-- own schema");
        let shop = path.with_file_name("schema.sql");
        let shop = if own { String::new() } else { std::fs::read_to_string(shop).expect("the shop") };
        Self {
            setup: shop + head,
            migration: migration.to_owned(),
            verdict: told("verdict").pop().expect("a verdict"),
            losses: told("loses"),
            foreign_keys: head.contains("-- foreign keys on"),
            stepwise: head.contains("-- stepwise"),
        }
    }
}

struct Ground<'a> {
    folder: &'a Path,
    case: &'a Case,
    migrations: Vec<String>,
    made: u32,
}

struct Copy<'a> {
    path: PathBuf,
    case: &'a Case,
    migrations: Vec<String>,
}

impl<'a> Ground<'a> {
    fn new(folder: &'a Path, case: &'a Case) -> Self {
        let base = folder.join("base.db");
        let made = rusqlite::Connection::open(&base).expect("a file");
        made.execute_batch("PRAGMA foreign_keys = OFF").expect("off");
        made.execute_batch(&case.setup).expect("the schema");
        let migrations = case.migration.split("-- next migration\n").map(str::to_owned).collect();
        Self { folder, case, migrations, made: 0 }
    }
}

impl<'a> ProofGround for Ground<'a> {
    type Copy = Copy<'a>;

    fn fresh(&mut self) -> Result<Copy<'a>, RollbackError> {
        self.made += 1;
        let path = self.folder.join(format!("{}.db", self.made));
        std::fs::copy(self.folder.join("base.db"), &path).map_err(|error| RollbackError::Copy(error.to_string()))?;
        Ok(Copy { path, case: self.case, migrations: self.migrations.clone() })
    }
}

impl Copy<'_> {
    fn connection(&self) -> Result<rusqlite::Connection, ServerError> {
        open(&self.path, Purpose::Migration { foreign_keys: self.case.foreign_keys }, &Stop::default())
    }

    /// Runs one; `each` is called with every statement that was committed.
    fn run(&self, sql: &str, mut each: impl FnMut(&rusqlite::Connection, &str)) -> Result<(), ServerError> {
        let connection = self.connection()?;
        if !self.case.stepwise {
            connection.execute_batch("BEGIN")?;
        }
        let mut statements = Batch::new(&connection, sql);
        loop {
            let done = (|| {
                let Some(mut statement) = statements.next()? else { return Ok(None) };
                let text = statement.expanded_sql().unwrap_or_default();
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
                Ok::<_, rusqlite::Error>(Some(text))
            })();
            match done {
                Ok(None) => break,
                Ok(Some(text)) => each(&connection, text.trim()),
                Err(_) if self.case.stepwise => break,
                Err(error) => return Err(error.into()),
            }
        }
        if !self.case.stepwise {
            connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }
}

impl ProofCopy for Copy<'_> {
    fn path(&self) -> &Path {
        &self.path
    }

    fn stop(&self) -> Stop {
        Stop::default()
    }

    fn foreign_keys(&self) -> bool {
        self.case.foreign_keys
    }

    fn migrate(&self) -> Result<(), ServerError> {
        self.migrations.iter().try_for_each(|sql| self.run(sql, |_, _| ()))
    }

    fn apply_one(&self, index: usize) -> Result<Result<(), String>, ServerError> {
        Ok(self.run(&self.migrations[index], |_, _| ()).map_err(|error| error.to_string()))
    }

    fn destroy(self) -> Result<(), RollbackError> {
        std::fs::remove_file(&self.path).map_err(|error| RollbackError::Copy(error.to_string()))
    }
}

/// Statements of one migration with the numbers before and after it.
fn follow(copy: &Copy<'_>, sql: &str) -> (Vec<String>, Identities, Identities) {
    let connection = copy.connection().expect("open");
    let mut before = schema::read(&connection).expect("read");
    let first = Identities::of(&before);
    let (mut now, mut statements) = (first.clone(), Vec::new());
    copy.run(sql, |connection, text| {
        let after = schema::read(connection).expect("read");
        now.follow(&before, &after);
        before = after;
        statements.push(text.to_owned());
    })
    .expect("the migration");
    let end = now.rebuilt(&first);
    (statements, first, end)
}

fn rehearse(case: &Case, folder: &Path) -> (Scripts, RollbackProof) {
    let mut ground = Ground::new(folder, case);
    let copy = ground.fresh().expect("a copy");
    let look = |copy: &Copy<'_>| {
        let connection = copy.connection().expect("open");
        (schema::read(&connection).expect("read"), digest::statistics(&connection).expect("statistics"))
    };
    let (before, statistics_before) = look(&copy);
    let (statements, before_ids, after_ids) = follow(&copy, &case.migration);
    let (after, statistics_after) = look(&copy);
    copy.destroy().expect("removed");
    write_and_prove(&mut ground, |doubted| {
        generate(&Input {
            before: &before,
            after: &after,
            before_ids: &before_ids,
            after_ids: &after_ids,
            statistics: (&statistics_before, &statistics_after),
            changed: &[],
            history: &[],
            statements: &statements,
            title: "a migration",
            backup_schema: BACKUP,
            origins: &[],
            foreign_keys: case.foreign_keys,
            doubted,
        })
    })
    .expect("a proof")
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rollback_sqlite");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.file_name().is_some_and(|name| name != "schema.sql"));
    found.sort();
    found
}

#[test]
fn every_rollback_of_the_corpus_is_proven_and_says_what_it_should() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    let only = std::env::var("SEATRIAL_CASE").ok();
    for path in corpus() {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        count += 1;
        let case = Case::read(&path);
        let folder = tempfile::tempdir().expect("a folder");
        let (scripts, proof) = rehearse(&case, folder.path());
        let verdict = serde_json::to_value(proof.verdict()).expect("a word");
        let losses: Vec<String> = proof.losses().iter().map(|loss| format!("{} {}", loss.object, loss.rows)).collect();
        let moved_on = proof.differences();
        let exact = !matches!(case.verdict.as_str(), "exact" | "restored_from_backup") || moved_on.is_empty();
        if verdict != case.verdict.as_str() || losses != case.losses || !exact {
            wrong.push(format!(
                "== {name}: {verdict}, loses {losses:?}\n{:#?}\n{}\n{}",
                proof.differences(),
                scripts.prepare,
                scripts.rollback
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} are not as expected:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 40 || only.is_some(), "{count}");
}

#[test]
fn each_migration_is_undone_by_itself_with_a_backup_of_its_own() {
    let case = Case {
        setup: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT); INSERT INTO t VALUES (1, 'x', 'y'), (2, 'z', NULL);"
            .to_owned(),
        migration: "ALTER TABLE t ADD COLUMN c INT;\n-- next migration\nALTER TABLE t DROP COLUMN b;\n-- next migration\n\
                    UPDATE t SET a = 'w' WHERE id = 2; CREATE INDEX t_a ON t (a);"
            .to_owned(),
        verdict: String::new(),
        losses: Vec::new(),
        foreign_keys: false,
        stepwise: false,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut ground = Ground::new(folder.path(), &case);
    let copy = ground.fresh().expect("a copy");
    let steps: Vec<Step> = (0..3)
        .map(|index| {
            let (statements, first, end) = follow(&copy, &copy.migrations[index]);
            Step {
                title: format!("migration {index}"),
                backup_schema: format!("{BACKUP}_{index}"),
                statements,
                identities: (first, end),
                ..Step::default()
            }
        })
        .collect();
    let rollbacks = prove_each(&mut ground, 3, |index| steps[index].clone()).expect("proven");
    let verdicts: Vec<String> = rollbacks
        .iter()
        .map(|rollback| serde_json::to_value(rollback.verdict()).expect("a word").as_str().expect("text").to_owned())
        .collect();
    assert_eq!(verdicts, ["exact", "restored_from_backup", "restored_from_backup"], "{:?}", rollbacks[0].differences());
    assert!(rollbacks[1].scripts.prepare.contains("\"seatrial_backup_1_t\""), "{}", rollbacks[1].scripts.prepare);
}
