//! The database a dump is restored into: its name, its locale, and what it needs that the server must have.

use super::{DEFAULT_DATABASE, RestoreError, RestoreOutcome, error};
use crate::copy::dump::is_utf8;
use crate::copy::facts::DumpFacts;
use crate::copy::policy;
use crate::copy::words::Words;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Endpoint, Session, quote_identifier, quote_literal};
use std::collections::BTreeSet;

/// Where a dump is restored to.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The server.
    pub endpoint: &'a Endpoint,
    /// A database of it that is there already.
    pub maintenance: &'a str,
    /// The name its database gets; the one in the dump where none is said.
    pub database: Option<&'a str>,
    /// A comment it gets before anything is in it.
    pub comment: Option<&'a str>,
}

impl<'a> Destination<'a> {
    /// A server of our own.
    pub fn private(endpoint: &'a Endpoint) -> Self {
        Self { endpoint, maintenance: "template1", database: None, comment: None }
    }

    pub(super) async fn mark(&self, admin: &mut Session, database: &str) -> Result<(), ServerError> {
        let Some(comment) = self.comment else { return Ok(()) };
        let (database, comment) = (quote_identifier(database), quote_literal(comment));
        admin.execute(&format!("COMMENT ON DATABASE {database} IS {comment}")).await.map(|_| ())
    }
}

/// Encodings of clients that no database can have.
const CLIENT_ONLY: [&str; 7] = ["SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"];

/// Which of the dump's databases is wanted, by its name there; `None` where the dump does not name it.
pub(super) fn source_database(
    facts: &DumpFacts,
    requested: Option<&str>,
    name: &str,
) -> Result<Option<String>, RestoreError> {
    let found = facts.databases.iter().filter(|database| *database != "template1").cloned().collect::<Vec<_>>();
    match requested {
        Some(wanted) if facts.databases.is_empty() || facts.databases.iter().any(|known| known == wanted) => {
            Ok(Some(wanted.to_owned()))
        }
        Some(wanted) => Err(RestoreError::NoSuchDatabase { name: name.to_owned(), wanted: wanted.to_owned(), found }),
        None if facts.cluster => Err(RestoreError::NeedsDatabase { name: name.to_owned(), found }),
        None => Ok(facts.databases.first().cloned()),
    }
}

/// Refuses a dump whose extensions the server does not have, naming them all.
pub(super) async fn refuse_missing_extensions(
    admin: &mut Session,
    facts: &DumpFacts,
    name: &str,
) -> Result<(), RestoreError> {
    let available = admin.query("SELECT name FROM pg_available_extensions").await?;
    let available: BTreeSet<String> = available.rows.into_iter().flatten().flatten().collect();
    let missing: Vec<String> = facts
        .extensions
        .iter()
        .filter(|extension| !available.contains(*extension) && !policy::is_operational(extension))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (version, major) = version(admin).await?;
    Err(RestoreError::MissingExtensions { name: name.to_owned(), version, major, missing })
}

/// Refuses a dump whose collations the server does not have, naming them all.
pub(super) async fn refuse_missing_collations(
    admin: &mut Session,
    facts: &DumpFacts,
    name: &str,
) -> Result<(), RestoreError> {
    let mut missing = Vec::new();
    for create in &facts.collations {
        let words = Words::new(create, usize::MAX);
        let Some(open) = (0..words.len()).find(|index| words.text(*index) == "(").and_then(|index| words.span(index))
        else {
            continue;
        };
        let probe = format!("BEGIN; CREATE COLLATION pg_temp.seatrial_probe {}; ROLLBACK", &create[open.start..]);
        if let Err(refused) = admin.execute(&probe).await {
            missing.push(format!("{} ({})", policy::headline(create), error::shown(&refused)));
            // The failed transaction of the probe is still open.
            admin.execute("ROLLBACK").await?;
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(RestoreError::MissingCollations { name: name.to_owned(), missing })
}

/// Makes the database with the source's name, encoding and locale, as far as this machine has them.
pub(super) async fn create_database(
    admin: &mut Session,
    facts: &DumpFacts,
    name: Option<&str>,
) -> Result<RestoreOutcome, RestoreError> {
    let mut outcome = RestoreOutcome::new(name.unwrap_or(DEFAULT_DATABASE).to_owned());
    if ["template0", "template1"].contains(&outcome.database.as_str()) {
        outcome.database = DEFAULT_DATABASE.to_owned();
    }
    let database = quote_identifier(&outcome.database);
    if outcome.database == "postgres" {
        // A fresh cluster's own, empty one, whose locale is ours.
        admin.execute("DROP DATABASE postgres").await?;
    }
    let encoding = facts
        .encoding
        .clone()
        .filter(|encoding| !CLIENT_ONLY.iter().any(|only| encoding.eq_ignore_ascii_case(only)))
        .unwrap_or_else(|| "UTF8".into());
    let (_, major) = version(admin).await?;
    let dumped = facts.create_database.as_deref().map(|create| policy::locale_clauses(create, major));
    let dumped = dumped.filter(|clauses| !clauses.is_empty());
    let encoding_clause = dumped
        .iter()
        .flatten()
        .find(|clause| clause.starts_with("ENCODING"))
        .cloned()
        .unwrap_or_else(|| format!("ENCODING = {}", quote_literal(&encoding)));
    let mut choices: Vec<Vec<String>> = dumped.clone().into_iter().collect();
    if is_utf8(encoding_clause.trim_start_matches("ENCODING = ")) {
        choices.push(vec![encoding_clause.clone(), "LOCALE = 'C.UTF-8'".into()]);
    }
    choices.push(vec![encoding_clause, "LOCALE = 'C'".into()]);
    let mut refused = None;
    for clauses in choices {
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 {}", clauses.join(" "));
        match admin.execute(&create).await {
            Ok(_) => {
                let locale = clauses.join(", ");
                if let Some(refused) = refused.filter(|_| dumped.is_some()) {
                    outcome.warnings.push(format!(
                        "the source's locale is not on this machine ({}): {locale} taken instead, text sorts \
                         differently",
                        error::shown(&refused)
                    ));
                } else if dumped.is_none() {
                    outcome.notes.push(format!(
                        "the dump does not say how its database sorts text (it was made without --create): {locale} \
                         taken"
                    ));
                }
                return Ok(outcome);
            }
            // A wrong locale, or one that does not go with the encoding; anything else will not get better.
            Err(error) if ["42809", "22023", "42704", "0A000", "42601"].contains(&error.sqlstate.as_str()) => {
                refused.get_or_insert(error);
            }
            Err(error) => {
                return Err(RestoreError::CreateDatabase { database: outcome.database, error: Box::new(error) });
            }
        }
    }
    let error = refused.unwrap_or_default();
    Err(RestoreError::CreateDatabase { database: outcome.database, error: Box::new(error) })
}

async fn version(admin: &mut Session) -> Result<(String, u32), RestoreError> {
    let version = admin.query("SHOW server_version").await?;
    let number = admin.query("SHOW server_version_num").await?;
    let number: u32 = number.scalar().and_then(|number| number.parse().ok()).unwrap_or_default();
    Ok((version.scalar().unwrap_or_default().to_owned(), number / 10_000))
}
