//! Runs the scripts of a case and compares by itself what the proof says it compared.

use super::build::{Built, Case, Recipe, build, copy_database};
use crate::support::place::{Place, ROLE};
use seatrial::engine::ServerError;
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::engine::postgres::volatile;
use seatrial::report::v1::RollbackVerdict;
use seatrial::rollback::RollbackError;
use seatrial::rollback::generate::{Input, Scripts, Trust, generate};
use seatrial::rollback::prove::{
    DownFailure, ProofCopy, ProofGround, ProveOptions, Proven, RollbackProof, run_script, write_and_prove,
};
use seatrial::snapshot::catalog::Catalog;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Copies of one case's database.
struct Ground<'a> {
    place: &'a Place,
    base: &'a str,
    migration: &'a [String],
    made: Cell<u32>,
}

struct Copy<'a> {
    ground: &'a Ground<'a>,
    database: String,
}

impl<'a> Ground<'a> {
    async fn copy(&'a self) -> Result<Copy<'a>, ServerError> {
        self.made.set(self.made.get() + 1);
        let database = format!("{}_{}", self.base, self.made.get());
        copy_database(self.place, self.base, &database).await?;
        Ok(Copy { ground: self, database })
    }
}

impl<'a> ProofGround for &'a Ground<'a> {
    type Copy = Copy<'a>;

    async fn fresh(&mut self) -> Result<Copy<'a>, RollbackError> {
        Ok(self.copy().await?)
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
        let mut session = self.migration_role().await?;
        session.execute("SET search_path = ''; BEGIN").await?;
        for sql in self.ground.migration {
            session.execute(sql).await?;
        }
        session.execute("COMMIT").await?;
        session.close().await;
        Ok(())
    }

    async fn migrate_part(&self, statements: usize) -> Result<(), ServerError> {
        let mut session = self.migration_role().await?;
        session.execute("SET search_path = ''").await?;
        for sql in self.ground.migration.iter().take(statements) {
            session.execute(sql).await?;
        }
        session.close().await;
        Ok(())
    }

    async fn apply_one(&self, _: usize) -> Result<Result<(), String>, ServerError> {
        self.migrate().await.map(Ok)
    }

    /// Random migrations have no down scripts.
    async fn take_back(&self, _: usize) -> Result<Result<(), DownFailure>, ServerError> {
        Ok(Ok(()))
    }

    async fn dump(&self) -> Result<String, RollbackError> {
        let dumped = self.ground.place.dump(&self.database).await;
        dumped.map_err(|error| RollbackError::Dump(error.to_string()))
    }

    async fn destroy(self) -> Result<(), RollbackError> {
        Ok(drop_database(self.ground.place, &self.database).await?)
    }
}

async fn drop_database(place: &Place, name: &str) -> Result<(), ServerError> {
    place.execute("postgres", SUPERUSER, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// Everything a database holds, read without any of the product's own reading.
#[derive(PartialEq, Eq)]
struct Holdings {
    dump: String,
    /// Rows as text, columns by name, sorted.
    rows: BTreeMap<String, Vec<String>>,
    sequences: BTreeMap<String, (i64, bool)>,
}

async fn holdings(place: &Place, database: &str) -> Result<Holdings, String> {
    let text = |error: ServerError| error.to_string();
    let dump = place.dump(database).await.map_err(|error| error.to_string())?;
    let mut session = place.session(database, SUPERUSER).await.map_err(text)?;
    session.execute("SET search_path = ''").await.map_err(text)?;
    let sql = "SELECT quote_ident(nspname) || '.' || quote_ident(relname), relkind, \
        (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute \
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) FROM pg_class c \
        JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname !~ '^(pg_|information_schema|seatrial_)' \
        AND (relkind IN ('r', 'S') OR relkind = 'm' AND relispopulated)";
    let (mut rows, mut sequences) = (BTreeMap::new(), BTreeMap::new());
    for found in session.query(sql).await.map_err(text)?.rows {
        let [Some(name), Some(kind), columns] = &found[..] else { continue };
        if kind == "S" {
            let at = session.query(&format!("SELECT last_value, is_called FROM {name}")).await.map_err(text)?;
            let at = at.rows.into_iter().next().unwrap_or_default();
            let last = at[0].as_deref().and_then(|value| value.parse().ok()).unwrap_or_default();
            sequences.insert(name.clone(), (last, at[1].as_deref() == Some("t")));
            continue;
        }
        let columns = columns.as_deref().unwrap_or_default();
        let read = session.query(&format!("SELECT ROW({columns})::text FROM ONLY {name}")).await.map_err(text)?;
        let mut all: Vec<String> = read.rows.into_iter().map(|row| row[0].clone().unwrap_or_default()).collect();
        all.sort();
        rows.insert(name.clone(), all);
    }
    session.close().await;
    Ok(Holdings { dump, rows, sequences })
}

impl Holdings {
    /// The dump's lines: privileges sorted, because their order means nothing and grantors change it.
    fn schema(&self) -> Vec<&str> {
        let about_rights = |line: &&str| line.starts_with("GRANT") || line.starts_with("REVOKE");
        let counts = |line: &&str| !line.starts_with('\\') && !line.is_empty();
        let mut rights: Vec<&str> = self.dump.lines().filter(about_rights).collect();
        rights.sort_unstable();
        self.dump.lines().filter(counts).filter(|line| !about_rights(line)).chain(rights).collect()
    }

    /// The same whatever order columns stand in.
    fn schema_in_any_order(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.schema().into_iter().map(|line| line.trim_end_matches(',')).collect();
        lines.sort_unstable();
        lines
    }

    fn tables_that_differ<'a>(&'a self, other: &'a Holdings) -> Vec<&'a str> {
        let names: BTreeSet<&str> = self.rows.keys().chain(other.rows.keys()).map(String::as_str).collect();
        names.into_iter().filter(|name| self.rows.get(*name) != other.rows.get(*name)).collect()
    }

    /// Sequences that would give a number twice.
    fn sequences_set_back<'a>(&'a self, back: &'a Holdings) -> Vec<&'a str> {
        let behind = |(name, then): &(&'a String, &'a (i64, bool))| {
            back.sequences.get(*name).is_none_or(|now| {
                now != *then && !(now.0 > then.0 || (now.0 == then.0 && now.1)) && !(now.0 < then.0 && now.1)
            })
        };
        self.sequences.iter().filter(behind).map(|(name, _)| name.as_str()).collect()
    }
}

/// What came of one case.
pub struct Judged {
    pub case: Case,
    /// The verdict, or why there is none.
    pub outcome: String,
    /// What is wrong: its kind, for counting, and all about it.
    pub wrong: Option<(String, String)>,
}

/// Builds a case, rolls it back, and holds what is said about it against what is there.
pub async fn judge(place: &Place, base: &str, recipe: &Recipe<'_>) -> Judged {
    let judged = attempt(place, base, recipe).await;
    let dropped = drop_database(place, base).await;
    dropped.expect("a database nobody needs any more");
    judged
}

async fn attempt(place: &Place, base: &str, recipe: &Recipe<'_>) -> Judged {
    let built = build(place, base, recipe).await.expect("a database to build in");
    let case = built.case.clone();
    let mut judged = Judged { case, outcome: "nothing to undo".to_owned(), wrong: None };
    if built.case.migration.is_empty() {
        return judged;
    }
    let ground = Ground { place, base, migration: &built.case.migration, made: Cell::new(0) };
    let seen = match look(&ground).await {
        Ok(seen) => seen,
        Err(refused) => {
            judged.outcome = format!("not the same twice: {}", kind_of(&refused));
            return judged;
        }
    };
    let (options, trust) = (ProveOptions::default(), Trust::all(&seen.volatile));
    let written = seen.scripts(&built, &trust);
    let write = |trust: &Trust<'_>| seen.scripts(&built, trust);
    let (scripts, proof) = match write_and_prove(&mut &ground, &options, &seen.before, trust, write).await {
        Ok(Proven { scripts, proof, .. }) => (scripts, Ok(proof)),
        Err(error) => (written, Err(error)),
    };
    let complaint = match (proof, round_trip(&ground, &scripts).await) {
        (Err(error), _) => {
            judged.outcome = "no proof".to_owned();
            Some(format!("no proof: {error}"))
        }
        // What the migration added may stay, and may be what the old rules forbid. The script refuses, and that is told.
        (Ok(_), Err(failed)) if adds_rows(&built) && is_about_rows(&failed) => {
            judged.outcome = "added rows stand in the way".to_owned();
            None
        }
        (Ok(_), Err(failed)) => {
            judged.outcome = "a script fails".to_owned();
            Some(failed)
        }
        (Ok(proof), Ok((before, back))) => {
            judged.outcome = proof.verdict().name().to_owned();
            complain(&scripts, &proof, &before, &back)
        }
    };
    judged.wrong = complaint.map(|what| {
        let all = format!(
            "{what}\n--- prepare.sql\n{}\n--- rollback.sql\n{}\nchanged rows: {:?}",
            scripts.prepare, scripts.rollback, built.changed
        );
        (kind_of(&what), all)
    });
    judged
}

fn adds_rows(built: &Built) -> bool {
    built.changed.iter().any(|table| table.inserted > 0)
}

fn is_about_rows(failed: &str) -> bool {
    ["SQLSTATE 22", "SQLSTATE 23", "nothing was changed"].iter().any(|words| failed.contains(words))
}

/// What scripts are written from.
struct Seen {
    before: Catalog,
    after: Catalog,
    dump_before: String,
    volatile: BTreeSet<String>,
}

impl Seen {
    fn scripts(&self, built: &Built, trust: &Trust<'_>) -> Scripts {
        generate(&Input {
            before: &self.before,
            after: &self.after,
            dump_before: &self.dump_before,
            history: &[],
            changed: &built.changed,
            statements: &built.case.migration,
            title: "a random migration",
            backup_schema: catalog::BACKUP_SCHEMA,
            trust,
            stepwise: false,
            origins: &[],
        })
    }
}

async fn look<'a>(ground: &'a Ground<'a>) -> Result<Seen, String> {
    let text = |error: ServerError| error.to_string();
    let copy = ground.copy().await.map_err(text)?;
    let mut superuser = copy.superuser().await.map_err(text)?;
    let before = catalog::read(&mut superuser).await.map_err(text)?;
    let dump_before = copy.dump().await.map_err(|error| error.to_string())?;
    let migrated = copy.migrate().await.map_err(text);
    let after = catalog::read(&mut superuser).await.map_err(text)?;
    let volatile = volatile::read(&mut superuser).await.map_err(text)?;
    superuser.close().await;
    copy.destroy().await.map_err(|error| error.to_string())?;
    migrated?;
    Ok(Seen { before, after, dump_before, volatile })
}

/// Everything before and after, without the proof.
async fn round_trip<'a>(ground: &'a Ground<'a>, scripts: &Scripts) -> Result<(Holdings, Holdings), String> {
    let copy = ground.copy().await.map_err(|error| error.to_string())?;
    let before = holdings(ground.place, &copy.database).await?;
    let went = there_and_back(&copy, scripts).await;
    let back = holdings(ground.place, &copy.database).await?;
    copy.destroy().await.map_err(|error| error.to_string())?;
    went?;
    Ok((before, back))
}

async fn there_and_back(copy: &Copy<'_>, scripts: &Scripts) -> Result<(), String> {
    let mut session = copy.migration_role().await.map_err(|error| error.to_string())?;
    run_script(&mut session, &scripts.prepare).await.map_err(|error| format!("prepare.sql fails: {error}"))?;
    copy.migrate().await.map_err(|error| format!("after prepare.sql the migration fails: {error}"))?;
    run_script(&mut session, &scripts.rollback).await.map_err(|error| format!("rollback.sql fails: {error}"))?;
    run_script(&mut session, &scripts.cleanup).await.map_err(|error| format!("cleanup.sql fails: {error}"))?;
    session.close().await;
    Ok(())
}

/// What a verdict claims and does not hold, or what it should not have come to.
fn complain(scripts: &Scripts, proof: &RollbackProof, before: &Holdings, back: &Holdings) -> Option<String> {
    let verdict = proof.verdict();
    let differences = proof.differences();
    let told = || format!("\nthe proof tells: {differences:#?}\nunmodelled: {:#?}", scripts.unmodelled);
    let schema_is_back = before.schema_in_any_order() == back.schema_in_any_order();
    let tables = before.tables_that_differ(back);
    let in_order = before.schema() == back.schema();
    let claim = |fine: bool, what: &str| (!fine).then(|| format!("{} although {what}{}", verdict.name(), told()));
    let sequences = before.sequences_set_back(back);
    let claims = match verdict {
        RollbackVerdict::Exact => claim(in_order, "the dump differs")
            .or_else(|| claim(tables.is_empty(), &format!("rows differ: {tables:?}")))
            .or_else(|| claim(sequences.is_empty(), &format!("sequences stand behind: {sequences:?}"))),
        RollbackVerdict::ExactButColumnOrder | RollbackVerdict::RestoredFromBackup => {
            claim(schema_is_back, "the dump differs")
                .or_else(|| claim(tables.is_empty(), &format!("rows differ: {tables:?}")))
                .or_else(|| claim(sequences.is_empty(), &format!("sequences stand behind: {sequences:?}")))
        }
        RollbackVerdict::RowsLost => claim(schema_is_back, "the dump differs"),
        _ => None,
    };
    if claims.is_some() {
        return claims;
    }
    let unnamed: Vec<&&str> =
        tables.iter().filter(|name| !differences.iter().any(|told| told.contains(**name))).collect();
    if !unnamed.is_empty() {
        return Some(format!("no difference names {unnamed:?}{}", told()));
    }
    if verdict == RollbackVerdict::Irreversible && scripts.unmodelled.is_empty() {
        let first = differences.first().map_or("", String::as_str);
        return Some(format!("irreversible, and the scripts did not know: {first}{}", told()));
    }
    // Rows that were added and stay may be in the way of being added once more, and so is what was told already.
    if matches!(verdict, RollbackVerdict::RowsLost | RollbackVerdict::Irreversible) {
        return None;
    }
    let again = differences.iter().find(|told| told.starts_with("migrated once more"));
    again.map(|again| format!("{again}{}", told()))
}

/// The first line without names, numbers and quoted text: what two cases with the same mistake have in common.
fn kind_of(what: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    for letter in what.lines().next().unwrap_or_default().chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                kind.push('"');
            }
            _ if quoted => {}
            '0'..='9' => {
                if !kind.ends_with('#') {
                    kind.push('#');
                }
            }
            letter => kind.push(letter),
        }
    }
    kind.split_whitespace()
        .filter(|word| {
            !word.contains('.')
                || word.ends_with('.')
                || word.starts_with("rollback.sql")
                || word.starts_with("prepare.sql")
        })
        .collect::<Vec<_>>()
        .join(" ")
}
