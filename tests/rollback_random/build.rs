//! A case: a schema and a migration that the server took, statement by statement.

use super::change::CHANGES;
use super::create::{CREATES, choose};
use super::dice::Dice;
use super::state::State;
use crate::support::place::{Place, ROLE};
use seatrial::engine::ServerError;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::rollback::generate::ChangedTable;
use std::collections::BTreeMap;
use std::fmt;

/// The database all cases begin with: empty, and the role's own.
pub const TEMPLATE: &str = "template_random";

/// How often one number may try before the server takes something of it.
const ATTEMPTS: usize = 4;

/// Statements of a schema and of a migration.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub schema: Vec<String>,
    pub migration: Vec<String>,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "-- schema.sql\n{};", self.schema.join(";\n"))?;
        writeln!(out, "-- migration.sql\n{};", self.migration.join(";\n"))
    }
}

/// Where statements come from.
pub enum Recipe<'a> {
    /// Each number makes some.
    Numbers { schema: &'a [u64], migration: &'a [u64] },
    /// These, as far as the server takes them.
    Words(&'a Case),
}

/// A database with the schema of a case.
pub struct Built {
    pub case: Case,
    /// What the migration does to rows of tables the schema has.
    pub changed: Vec<ChangedTable>,
}

pub async fn make_template(place: &Place) -> Result<(), ServerError> {
    let sql = format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0 OWNER {ROLE}");
    place.execute("postgres", SUPERUSER, &sql).await?;
    let sql = format!("GRANT CREATE, USAGE ON SCHEMA public TO {ROLE}, archivist");
    place.execute(TEMPLATE, SUPERUSER, &sql).await
}

/// A copy of a database nobody is connected to.
pub async fn copy_database(place: &Place, from: &str, to: &str) -> Result<(), ServerError> {
    let sql = format!("CREATE DATABASE {to} TEMPLATE {from} OWNER {ROLE}{}", place.by_files());
    place.execute("postgres", SUPERUSER, &sql).await?;
    place.execute("postgres", SUPERUSER, &format!("GRANT CREATE ON DATABASE {to} TO archivist")).await
}

/// Makes the database `base` and finds out which statements the server takes. The migration runs in a transaction that
/// is taken back.
pub async fn build(place: &Place, base: &str, recipe: &Recipe<'_>) -> Result<Built, ServerError> {
    copy_database(place, TEMPLATE, base).await?;
    let mut session = place.session(base, ROLE).await?;
    session.execute("SET search_path = ''").await?;
    let mut case = Case::default();
    match recipe {
        Recipe::Numbers { schema, .. } => {
            for number in *schema {
                let (mut dice, had) = (Dice::new(*number), case.schema.len());
                for _ in 0..ATTEMPTS {
                    let state = State::read(&mut session).await?;
                    for sql in choose(&CREATES, &mut dice)(&state, &mut dice).unwrap_or_default() {
                        take(&mut session, &mut case.schema, sql).await;
                    }
                    if case.schema.len() > had {
                        break;
                    }
                }
            }
        }
        Recipe::Words(words) => {
            for sql in &words.schema {
                take(&mut session, &mut case.schema, sql.clone()).await;
            }
        }
    }
    session.execute("BEGIN").await?;
    let state = State::read(&mut session).await?;
    let names = state.relations.into_iter().map(|relation| (relation.oid, relation.full)).collect();
    let mut counted = Counted { names, tables: BTreeMap::new() };
    match recipe {
        Recipe::Numbers { migration, .. } => {
            for number in *migration {
                let (mut dice, had) = (Dice::new(*number), case.migration.len());
                for _ in 0..ATTEMPTS {
                    let state = State::read(&mut session).await?;
                    for sql in choose(&CHANGES, &mut dice)(&state, &mut dice).unwrap_or_default() {
                        counted.take(&mut session, &mut case.migration, sql).await?;
                    }
                    if case.migration.len() > had {
                        break;
                    }
                }
            }
        }
        Recipe::Words(words) => {
            for sql in &words.migration {
                counted.take(&mut session, &mut case.migration, sql.clone()).await?;
            }
        }
    }
    let deferred = session.execute("SET CONSTRAINTS ALL IMMEDIATE").await;
    session.execute("ROLLBACK").await?;
    session.close().await;
    if deferred.is_err() {
        case.migration.clear();
    }
    Ok(Built { case, changed: counted.tables.into_values().collect() })
}

async fn take(session: &mut Session, taken: &mut Vec<String>, sql: String) {
    if session.execute(&sql).await.is_ok() {
        taken.push(sql);
    }
}

/// What a migration's statements do to rows, by the server's own counters.
struct Counted {
    /// Names before, by OID.
    names: BTreeMap<String, String>,
    tables: BTreeMap<String, ChangedTable>,
}

impl Counted {
    async fn take(&mut self, session: &mut Session, taken: &mut Vec<String>, sql: String) -> Result<(), ServerError> {
        session.execute("SAVEPOINT statement").await?;
        let truncates = sql.starts_with("TRUNCATE");
        let changes_rows = ["INSERT", "UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word));
        let before = if truncates { rows(session).await? } else { counters(session).await? };
        if session.execute(&sql).await.is_err() {
            session.execute("ROLLBACK TO SAVEPOINT statement").await?;
            return Ok(());
        }
        taken.push(sql.clone());
        if !truncates && !changes_rows {
            return Ok(());
        }
        let after = if truncates { rows(session).await? } else { counters(session).await? };
        for (oid, now) in if truncates { &before } else { &after } {
            let Some(name) = self.names.get(oid) else { continue };
            let none = [0, 0, 0];
            let [inserted, updated, deleted] = if truncates {
                let left = after.get(oid).unwrap_or(&none);
                [0, 0, now[2] - left[2]]
            } else {
                let then = before.get(oid).unwrap_or(&none);
                [now[0] - then[0], now[1] - then[1], now[2] - then[2]]
            };
            if inserted + updated + deleted > 0 {
                let table = self.tables.entry(oid.clone()).or_default();
                table.name.clone_from(name);
                table.inserted += inserted;
                table.updated += updated;
                table.deleted += deleted;
                table.statements.get_or_insert_default().push(sql.clone());
            }
        }
        Ok(())
    }
}

type Counts = BTreeMap<String, [u64; 3]>;

/// Inserted, updated and deleted in this transaction.
async fn counters(session: &mut Session) -> Result<Counts, ServerError> {
    let sql = "SELECT relid, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables";
    let rows = session.query(sql).await?.rows;
    Ok(rows
        .into_iter()
        .map(|row| {
            let number = |index: usize| row[index].as_deref().and_then(|text| text.parse().ok()).unwrap_or_default();
            (row[0].clone().unwrap_or_default(), [number(1), number(2), number(3)])
        })
        .collect())
}

/// How many rows tables have, in the third place. The server counts no truncated rows.
async fn rows(session: &mut Session) -> Result<Counts, ServerError> {
    let tables = "SELECT oid, oid::regclass FROM pg_class WHERE relkind = 'r' AND oid > 16383 \
        AND has_table_privilege(oid, 'SELECT') AND has_schema_privilege(relnamespace, 'USAGE')";
    let mut found = Counts::new();
    for row in session.query(tables).await?.rows {
        let (oid, name) = (row[0].clone().unwrap_or_default(), row[1].clone().unwrap_or_default());
        let counted = session.query(&format!("SELECT count(*) FROM ONLY {name}")).await?;
        let count = counted.scalar().and_then(|count| count.parse().ok()).unwrap_or_default();
        found.insert(oid, [0, 0, count]);
    }
    Ok(found)
}
