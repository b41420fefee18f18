//! One connection. The single place where SQL text made at run time reaches sqlx.
//!
//! Everything goes through the simple query protocol: results arrive as text, several statements may stand in one
//! string, and nothing is prepared behind the caller's back.

use super::abilities::{Abilities, Ability};
pub use super::endpoint::{Endpoint, Login, Reach, Remote};
use crate::engine::ServerError;
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgErrorPosition, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Either, Row as _, ValueRef};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A result row: column names are shared by [`Rows`], values are text or null.
pub type Row = Vec<Option<String>>;

/// What a string of statements returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Column names of the last statement that returned rows.
    pub columns: Vec<String>,
    /// All rows, in order.
    pub rows: Vec<Row>,
    /// Sum of the rows named in command tags.
    pub affected: u64,
}

impl Rows {
    /// The first value of the first row, if there is one and it is not null.
    pub fn scalar(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

/// Lifts the time limits and modes that a source sets for its database or its cluster: they are not for the sessions that
/// build a copy and look at it. Of the limits, servers before 14 lack one and those before 17 two.
pub const UNBOUND: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
     SET default_transaction_read_only = off; \
     SELECT pg_catalog.set_config(name, '0', false) \
     FROM (VALUES ('idle_session_timeout'), ('transaction_timeout')) AS newer (name) \
     WHERE pg_catalog.current_setting(name, true) IS NOT NULL";

/// `out_of_memory`, which room for locks is part of, and `too_many_connections`.
const TAKEN: [&str; 2] = ["53200", "53300"];
/// How long a new session waits for one that has ended to give back what it took.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it asks.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Temporary objects, which are looked for first where they are not named, come last.
const SAFE_SEARCH_PATH: (&str, &str) = ("search_path", "pg_catalog,pg_temp");

/// One session with a server.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    /// The backend's process id.
    pub pid: i32,
    /// What may be done on its server.
    pub abilities: Abilities,
    /// Statements of [`Session::read`] that are prepared here, each with its number.
    prepared: HashMap<String, usize>,
    /// Statements for which that was tried.
    tried: usize,
}

impl Session {
    /// Connects as `role` to `database` of a server copies are on.
    ///
    /// # Errors
    /// Whatever the server says; an empty SQLSTATE when it cannot be reached.
    pub async fn connect(
        endpoint: &Endpoint,
        database: &str,
        role: &str,
        application_name: &str,
    ) -> Result<Self, ServerError> {
        Self::open(endpoint, database, role, application_name, &[]).await
    }

    /// With settings that no setting of the role or the database outdoes, and that `RESET` comes back to.
    async fn open(
        endpoint: &Endpoint,
        database: &str,
        role: &str,
        application_name: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self, ServerError> {
        let options = match endpoint.as_remote() {
            None => PgConnectOptions::new_without_pgpass()
                .socket(&endpoint.socket_dir)
                // PGSSLMODE is about other servers.
                .ssl_mode(PgSslMode::Disable)
                .port(endpoint.port)
                .username(role),
            Some(remote) => {
                let Reach { user, password, .. } = &remote.reach;
                let (user, password) = match remote.logins.get(role) {
                    Some(login) => (login.user.as_str(), login.password.as_deref()),
                    None if user.as_deref() == Some(role) => (role, password.as_deref()),
                    None => {
                        let message = format!("nobody can log in as {role} on the server of the copies");
                        return Err(ServerError { sqlstate: "28000".to_owned(), message, ..Default::default() });
                    }
                };
                let options = place(&remote.reach)?.username(user);
                password.into_iter().fold(options, PgConnectOptions::password)
            }
        };
        let mut options = bare(options.database(database).application_name(application_name));
        if !settings.is_empty() {
            options = options.options(settings.iter().copied());
        }
        let deadline = Instant::now() + PATIENCE;
        let connection = loop {
            match PgConnection::connect_with(&options).await.map_err(server_error) {
                // A session that took all there is may be about to go.
                Err(error) if TAKEN.contains(&error.sqlstate.as_str()) && Instant::now() < deadline => {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                connected => break connected?,
            }
        };
        let mut session =
            Self { connection, pid: 0, abilities: endpoint.abilities(), prepared: HashMap::new(), tried: 0 };
        let pid = session.query("SELECT pg_catalog.pg_backend_pid()").await?;
        session.pid = pid.scalar().and_then(|pid| pid.parse().ok()).unwrap_or_default();
        Ok(session)
    }

    /// Connects to a server that is not ours, to read, in a session that begins with these settings.
    ///
    /// # Errors
    /// Whatever the server says; an empty SQLSTATE when it cannot be reached.
    pub async fn reader(reach: &Reach, settings: &[(&str, &str)]) -> Result<Self, ServerError> {
        let mut options = place(reach)?.database(&reach.database).options(settings.iter().copied());
        if let Some(user) = &reach.user {
            options = options.username(user);
        }
        if let Some(password) = &reach.password {
            options = options.password(password);
        }
        let options = bare(options.application_name("seatrial"));
        let connection = PgConnection::connect_with(&options).await.map_err(server_error)?;
        Ok(Self { connection, pid: 0, abilities: Abilities::of(&[]), prepared: HashMap::new(), tried: 0 })
    }

    /// Connects as the bootstrap superuser, or as the user of the URL on a server of others, to look and to set up: time
    /// limits and modes that the source set for its database are not for the tool's own sessions, nor are its event
    /// triggers, which are there for the migration. Unqualified names mean the server's own, and views of others are not
    /// looked through, where the server knows how to refuse that (in the minor releases of August 2024): what somebody made
    /// must not run with these rights.
    ///
    /// # Errors
    /// Whatever the server says; an empty SQLSTATE when it cannot be reached.
    pub async fn observer(endpoint: &Endpoint, database: &str, application_name: &str) -> Result<Self, ServerError> {
        let mut session =
            Self::open(endpoint, database, endpoint.observer(), application_name, &[SAFE_SEARCH_PATH]).await?;
        let quiet = match endpoint.abilities().has(Ability::EventTriggers) {
            true => {
                "; SET session_replication_role = replica; \
                 SELECT pg_catalog.set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name = 'event_triggers'"
            }
            false => "",
        };
        session
            .execute(&format!(
                "{UNBOUND}; SET default_transaction_isolation = 'read committed'; SET role = none{quiet}; \
                 SELECT pg_catalog.set_config(name, 'view, foreign-table', false) FROM pg_catalog.pg_settings \
                 WHERE name = 'restrict_nonsystem_relation_kind'"
            ))
            .await?;
        Ok(session)
    }

    /// Sends one string of statements and waits for all of it; rows are dropped.
    ///
    /// # Errors
    /// What the server refused first.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, ServerError> {
        let mut affected = 0;
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).execute_many(&mut self.connection);
        while let Some(result) = results.try_next().await.map_err(server_error)? {
            affected += result.rows_affected();
        }
        Ok(affected)
    }

    /// Sends one string of statements and collects what they return, as text.
    ///
    /// # Errors
    /// What the server refused first.
    pub async fn query(&mut self, sql: &str) -> Result<Rows, ServerError> {
        let (rows, refused) = self.query_as_far_as_it_goes(sql).await;
        refused.map(|()| rows)
    }

    /// [`Session::query`] that keeps what came before the server refused anything: what the statements before the refused one
    /// returned.
    pub async fn query_as_far_as_it_goes(&mut self, sql: &str) -> (Rows, Result<(), ServerError>) {
        let mut rows = Rows::default();
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut self.connection);
        let mut is_first = true;
        let refused = loop {
            match results.try_next().await.map_err(server_error) {
                Ok(Some(Either::Left(done))) => {
                    rows.affected += done.rows_affected();
                    is_first = true;
                }
                Ok(Some(Either::Right(row))) => {
                    if std::mem::take(&mut is_first) {
                        rows.columns = row.columns().iter().map(|column| column.name().to_owned()).collect();
                    }
                    match text_row(&row) {
                        Ok(row) => rows.rows.push(row),
                        Err(unreadable) => break Err(unreadable),
                    }
                }
                Ok(None) => break Ok(()),
                Err(refused) => break Err(refused),
            }
        };
        drop(results);
        (rows, refused)
    }

    /// [`Session::query`] for one statement that is asked whenever a schema is read: on a server of ours it is analysed and planned the
    /// first time only, which takes longer than the answer. On others a pooler may hand out another backend next time.
    ///
    /// # Errors
    /// As there.
    pub async fn read(&mut self, sql: &str) -> Result<Rows, ServerError> {
        if !self.abilities.has(Ability::PrivateServer) {
            return self.query(sql).await;
        }
        if let Some(number) = self.prepared.get(sql) {
            return self.query(&format!("EXECUTE seatrial_read_{number}")).await;
        }
        self.tried += 1;
        let number = self.tried;
        let rows =
            self.query(&format!("PREPARE seatrial_read_{number} AS {sql}; EXECUTE seatrial_read_{number}")).await?;
        self.prepared.insert(sql.to_owned(), number);
        Ok(rows)
    }

    /// Starts `COPY … FROM STDIN`; the caller sends chunks and finishes.
    ///
    /// # Errors
    /// What the server says to the statement.
    pub async fn copy_in(&mut self, statement: &str) -> Result<CopyIn<'_>, ServerError> {
        Ok(CopyIn { inner: self.connection.copy_in_raw(statement).await.map_err(server_error)? })
    }

    /// Says goodbye, so that the backend is gone when this returns as far as the protocol allows.
    pub async fn close(self) {
        // A connection that is already broken has nothing left to close.
        let _ = self.connection.close().await;
    }
}

/// A `COPY … FROM STDIN` under way.
pub struct CopyIn<'session> {
    inner: sqlx::postgres::PgCopyIn<&'session mut PgConnection>,
}

impl CopyIn<'_> {
    /// Sends a chunk of data, any number of rows or part of one.
    ///
    /// # Errors
    /// A broken connection.
    pub async fn send(&mut self, data: &[u8]) -> Result<(), ServerError> {
        self.inner.send(data).await.map(|_| ()).map_err(server_error)
    }

    /// Ends the data; returns the rows the server took.
    ///
    /// # Errors
    /// What the server says to the data.
    pub async fn finish(self) -> Result<u64, ServerError> {
        self.inner.finish().await.map_err(server_error)
    }
}

/// Host, port and encryption of a server of others; the rest is the client's default until it is said.
fn place(reach: &Reach) -> Result<PgConnectOptions, ServerError> {
    // Where the address names no place it is the usual one, as for pg_dump, which is not handed PGHOST and PGPORT either.
    let usual = || ["/var/run/postgresql", "/tmp"].into_iter().find(|folder| std::path::Path::new(folder).is_dir());
    let mut options = PgConnectOptions::new().port(reach.port.unwrap_or(5432));
    match reach.host.as_deref().or_else(usual) {
        Some(folder) if folder.starts_with('/') => options = options.socket(folder),
        Some(host) => options = options.host(host),
        None => options = options.host("localhost"),
    }
    if let Some(mode) = &reach.ssl_mode {
        let mode = mode.parse::<PgSslMode>();
        let mode = mode.map_err(|error| ServerError { message: error.to_string(), ..Default::default() })?;
        options = options.ssl_mode(mode);
    }
    Ok(options)
}

/// What every session of ours begins with.
fn bare(options: PgConnectOptions) -> PgConnectOptions {
    options.extra_float_digits(None).statement_cache_capacity(0).disable_statement_logging()
}

fn text_row(row: &PgRow) -> Result<Row, ServerError> {
    (0..row.columns().len())
        .map(|index| {
            let value = row.try_get_raw(index).map_err(server_error)?;
            if value.is_null() {
                return Ok(None);
            }
            let text =
                value.as_str().map_err(|error| ServerError { message: error.to_string(), ..Default::default() })?;
            Ok(Some(text.to_owned()))
        })
        .collect()
}

fn server_error(error: sqlx::Error) -> ServerError {
    let Some(database) =
        error.as_database_error().and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
    else {
        return ServerError { message: error.to_string(), ..Default::default() };
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    ServerError {
        result_code: None,
        sqlstate: database.code().to_owned(),
        message: database.message().to_owned(),
        detail: owned(database.detail()),
        hint: owned(database.hint()),
        context: owned(database.r#where()),
        position: match database.position() {
            Some(PgErrorPosition::Original(position)) => Some(position),
            _ => None,
        },
        schema: owned(database.schema()),
        table: owned(database.table()),
        column: owned(database.column()),
        constraint: owned(database.constraint()),
    }
}

/// Quotes an identifier, always.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string as an SQL literal that means the same whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_quotes_and_backslashes() {
        assert_eq!(quote_identifier("we\"ird"), "\"we\"\"ird\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b'c"), "E'a\\\\b''c'");
    }
}
