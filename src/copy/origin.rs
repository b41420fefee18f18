//! A running server that is asked what it is like: how its planner is set, and how it plans the hot queries. Nothing is
//! run there and nothing written.

use super::url::{SecretUrl, UrlError};
use crate::engine::ServerError;
use crate::engine::postgres::explain::{self, CaptureOptions};
use crate::engine::postgres::parameters::NAMES;
use crate::engine::postgres::session::{Session, quote_literal};
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::snapshot::plan::PlanCapture;
use crate::workload::HotQuery;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

/// Limits of the session, with which it begins; nothing of it writes. Not set later on: a pooler may hand the server's
/// session on to others, who would keep them. Strings mean what the reader of their text takes them for.
const LIMITS: [(&str, &str); 5] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("standard_conforming_strings", "on"),
];

/// How long the source may take to plan one query: planning runs no query, but may call functions.
const PLANNING: Duration = Duration::from_secs(5);

/// What is set for the role that asks hides what holds for everybody else.
const HIDDEN: [&str; 4] = ["user", "database user", "client", "session"];

/// Why a running server cannot be asked. No message holds a password.
#[derive(Debug, Error)]
pub enum OriginError {
    /// The URL is not one this can be done with.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// It cannot be reached, or refuses.
    #[error("cannot read {what}: {said}{next}")]
    Server {
        /// Database and host.
        what: String,
        /// The server's answer.
        said: String,
        /// What to do.
        next: &'static str,
    },
}

impl OriginError {
    /// A server's refusal, without what must not be told.
    pub fn of(url: &SecretUrl, error: &ServerError) -> Self {
        let mut said = error.without_values();
        if let Some(password) = url.password().filter(|password| !password.is_empty()) {
            said = said.replace(password, "…");
        }
        let next = match () {
            () if said.contains("shared_preload_libraries") => {
                "; set it there and restart that server, or import a log"
            }
            () if said.contains("TLS") || said.contains("certificate") => {
                "; see sslmode in the address, and which authorities this machine trusts"
            }
            () => "",
        };
        Self::Server { what: url.to_string(), said, next }
    }
}

/// A session with a running server that only reads. Names mean what they mean to an application.
///
/// # Errors
/// It cannot be reached.
pub async fn connect(url: &SecretUrl) -> Result<Session, OriginError> {
    open(url, &LIMITS).await
}

async fn open(url: &SecretUrl, settings: &[(&str, &str)]) -> Result<Session, OriginError> {
    Session::reader(&url.parts()?, settings).await.map_err(|error| OriginError::of(url, &error))
}

/// The parameters that decide about plans, memory and waiting, as a running server has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginSettings {
    /// Of the server and the database, by name; those at their default are left out.
    pub settings: BTreeMap<String, String>,
    /// Of single roles, by role.
    pub roles: BTreeMap<String, BTreeMap<String, String>>,
    /// What could not be seen.
    pub notes: Vec<String>,
    /// The server was asked, and answered.
    pub is_known: bool,
}

impl OriginSettings {
    /// Asks a running server. What it does not tell is a note: a copy without them is a copy all the same.
    pub async fn ask(url: &SecretUrl) -> Self {
        Self::try_ask(url).await.unwrap_or_else(|error| Self {
            notes: vec![format!("the source's settings of its planner are not known: {error}")],
            ..Self::default()
        })
    }

    async fn try_ask(url: &SecretUrl) -> Result<Self, OriginError> {
        let refused = |error: ServerError| OriginError::of(url, &error);
        // Unqualified names mean the server's own here: whoever may create something there could otherwise be called under
        // the name of an operator, every time.
        let safe: Vec<(&str, &str)> = LIMITS.into_iter().chain([("search_path", "pg_catalog,pg_temp")]).collect();
        let mut session = open(url, &safe).await?;
        let known = NAMES.map(quote_literal).join(", ");
        let of_the_server = session
            .query(&format!(
                "SELECT name, source, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings \
                 WHERE source <> 'default' AND name IN ({known}) ORDER BY 1"
            ))
            .await
            .map_err(refused)?;
        // What is set for a role in this database stands above what is set for it everywhere.
        let of_roles = session
            .query(&format!(
                "SELECT r.rolname, pg_catalog.split_part(c.item, '=', 1), \
                        pg_catalog.substr(c.item, pg_catalog.strpos(c.item, '=') + 1) \
                 FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
                 CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (item) \
                 WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d \
                                             WHERE d.datname = pg_catalog.current_database())) \
                   AND pg_catalog.split_part(c.item, '=', 1) IN ({known}) AND r.rolname !~ '^pg_' \
                 ORDER BY r.rolname, s.setdatabase <> 0"
            ))
            .await
            .map_err(refused)?;
        session.close().await;
        let mut asked = Self { is_known: true, ..Self::default() };
        for row in of_the_server.rows {
            let [Some(name), Some(source), Some(value)] = row.as_slice() else { continue };
            if !HIDDEN.contains(&source.as_str()) {
                asked.settings.insert(name.clone(), value.clone());
            } else if LIMITS.iter().all(|(ours, _)| ours != name) {
                asked.notes.push(format!(
                    "the source's {name} is not known: it is set for the role that asked, which hides what others have"
                ));
            }
        }
        for row in of_roles.rows {
            let [Some(role), Some(name), Some(value)] = row.as_slice() else { continue };
            asked.roles.entry(role.clone()).or_default().insert(name.clone(), value.clone());
        }
        Ok(asked)
    }
}

/// The query with those of its sets whose values are written out. The server works out the others before it plans: what
/// they call would run there, and no read-only transaction holds all that back.
fn with_literals_alone(query: &HotQuery) -> HotQuery {
    let mut query = query.clone();
    query.sets.retain(|set| set.values.iter().all(|value| is_literal(value)));
    query
}

/// A number, a string, NULL, TRUE or FALSE, or several in ARRAY[…]; each with casts to types by name.
fn is_literal(value: &str) -> bool {
    let tokens: Vec<(TokenKind, &str)> = Lexer::new(value)
        .filter(|token| !token.kind.is_trivia())
        .map(|token| (token.kind, &value[token.span]))
        .collect();
    let (mut cast, mut modifier) = (false, false);
    tokens.iter().enumerate().all(|(at, (kind, text))| {
        let before = at.checked_sub(1).map(|before| tokens[before].1);
        if modifier {
            // As in numeric(10, 2): a type's, never a call's.
            modifier = *text != ")";
            return !modifier || *kind == TokenKind::Number || *text == ",";
        }
        match kind {
            TokenKind::Number | TokenKind::String => true,
            TokenKind::Word | TokenKind::QuotedIdentifier => {
                let constant = ["null", "true", "false", "array"].iter().any(|each| text.eq_ignore_ascii_case(each));
                // Types may be of several words, and of several names.
                let of_type = cast && before.is_some_and(|before| before != ")" && before != "]");
                (constant && !cast) || of_type
            }
            _ => {
                match *text {
                    "::" => cast = true,
                    "," => cast = false,
                    "[" | "]" | "-" | "+" | "." => {}
                    "(" if cast => modifier = true,
                    _ => return false,
                }
                true
            }
        }
    })
}

/// How a running server plans the hot queries: plain EXPLAIN in a read-only transaction, as the role each query names where
/// the session may become it. `search_path` as copies get it. What it refuses is [`crate::snapshot::plan::Captured::Failed`]
/// of that one plan.
///
/// # Errors
/// It cannot be reached, or refuses the search path.
pub async fn plans(
    url: &SecretUrl,
    queries: &[HotQuery],
    search_path: Option<&str>,
) -> Result<Vec<PlanCapture>, OriginError> {
    let mut session = connect(url).await?;
    if let Some(path) = search_path {
        let set = format!("SET search_path TO {path}");
        session.execute(&set).await.map_err(|error| OriginError::of(url, &error))?;
    }
    let options = CaptureOptions { statement_timeout: PLANNING, assume_roles: true, ..CaptureOptions::default() };
    let queries: Vec<HotQuery> = queries.iter().map(with_literals_alone).collect();
    let plans = explain::plan_only(&mut session, &queries, &options).await;
    session.close().await;
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_are_written_out_are_sent_to_the_source() {
        for literal in [
            "1",
            "-1.5",
            "'a''b'",
            "NULL",
            "true",
            "'2026-01-01'::date",
            "'1'::numeric(10, 2)",
            "ARRAY[1, 2]::int[]",
            "'x'::double precision",
            "'y'::public.\"Mood\"",
            "'a'::character varying(3)",
        ] {
            assert!(is_literal(literal), "{literal}");
        }
        for other in [
            "now()",
            "pg_terminate_backend(1)",
            "current_user",
            "(SELECT 1)",
            "1 + f(2)",
            "'a'::regclass::text || f('x')",
            "ARRAY[f(1)]",
            "'1'::numeric(f(1))",
            "\"f\"(1)",
            "public.f('a')",
            "'x'::text, f(1)",
            "1::int, (2)",
        ] {
            assert!(!is_literal(other), "{other}");
        }
    }
}
