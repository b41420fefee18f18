//! Never production: that a server or a database is another one than the source is not read from its address, which has
//! many spellings, but asked through both connections.

use super::PlaceError;
use crate::copy::url::SecretUrl;
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;

/// First half of the key of locks that are taken to be looked for.
const NONCE: i32 = 0x5EA7_0003;

/// How sessions with the source begin: they read, wait for no lock for long, and take no time.
const SOURCE_SETTINGS: [(&str, &str); 4] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "10s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
];

/// Server and database of a session, as the server tells them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    /// `system_identifier`: of a physical copy it is the original's.
    system: Option<String>,
    /// `pg_database.oid`.
    database: String,
    /// The database's name.
    name: String,
}

/// How two sessions are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The same server, and the same database of it.
    SameDatabase,
    /// The same server.
    SameServer,
    /// Another server that was copied from the same origin: a standby, a primary, a physical clone.
    SameOrigin,
    /// Nothing in common.
    Apart,
}

/// How the place of the copies is related to the source. `target` is a session there.
///
/// # Errors
/// The source does not answer: what cannot be told is taken for the worst.
pub(super) async fn relation(target: &mut Session, source: &SecretUrl) -> Result<Relation, PlaceError> {
    let unknown = |error: String| PlaceError::CannotTell { source_name: source.to_string(), error };
    let reach = source.parts().map_err(|error| unknown(error.to_string()))?;
    let mut reader = Session::reader(&reach, &SOURCE_SETTINGS).await.map_err(|error| unknown(error.to_string()))?;
    let related = compare(target, &mut reader).await;
    reader.close().await;
    related.map_err(|error| unknown(error.to_string()))
}

async fn compare(target: &mut Session, source: &mut Session) -> Result<Relation, ServerError> {
    let (here, there) = (identity(target).await?, identity(source).await?);
    // A lock taken here is seen by everybody on this server, and by nobody else.
    let nonce = super::random(4)?;
    let nonce = i32::from_str_radix(&nonce[..7], 16).unwrap_or_default();
    target.query(&format!("SELECT pg_catalog.pg_advisory_lock({NONCE}, {nonce})")).await?;
    let seen = source
        .query(&format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks \
             WHERE locktype = 'advisory' AND classid::bigint = {NONCE} AND objid::bigint = {nonce} AND objsubid = 2"
        ))
        .await;
    target.query(&format!("SELECT pg_catalog.pg_advisory_unlock({NONCE}, {nonce})")).await?;
    let same_server = seen?.scalar() != Some("0");
    Ok(match (same_server, here.system.is_some() && here.system == there.system) {
        (true, _) if (here.database, here.name) == (there.database, there.name) => Relation::SameDatabase,
        (true, _) => Relation::SameServer,
        (false, true) => Relation::SameOrigin,
        (false, false) => Relation::Apart,
    })
}

async fn identity(session: &mut Session) -> Result<Identity, ServerError> {
    let database = session
        .query("SELECT oid, datname FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()")
        .await?;
    let text = |column: usize| database.rows.first()?.get(column)?.clone();
    let (oid, name) = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
    let system = match session.query("SELECT system_identifier FROM pg_catalog.pg_control_system()").await {
        Ok(rows) => rows.scalar().map(str::to_owned),
        // Some services take the right away; the lock tells the same server all the same.
        Err(error) if error.sqlstate == "42501" => None,
        Err(error) => return Err(error),
    };
    Ok(Identity { system, database: oid, name })
}

/// The comment on the source's database.
///
/// # Errors
/// It does not answer.
pub(super) async fn comment(source: &SecretUrl) -> Result<Option<String>, PlaceError> {
    let unknown = |error: String| PlaceError::CannotTell { source_name: source.to_string(), error };
    let reach = source.parts().map_err(|error| unknown(error.to_string()))?;
    let mut reader = Session::reader(&reach, &SOURCE_SETTINGS).await.map_err(|error| unknown(error.to_string()))?;
    let comment = reader.query(super::clones::COMMENT).await;
    reader.close().await;
    Ok(comment.map_err(|error| unknown(error.to_string()))?.scalar().map(str::to_owned))
}

/// Whether a database looks as if somebody lived in it: what a fresh clone has nothing of. Returns what was seen.
///
/// # Errors
/// What the server says.
pub(super) async fn signs_of_life(session: &mut Session) -> Result<Option<String>, ServerError> {
    let seen = session
        .query(
            "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity \
                     WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() \
                       AND coalesce(backend_type, 'client backend') = 'client backend'), \
                    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication), \
                    pg_catalog.pg_is_in_recovery()",
        )
        .await?;
    let text = |column: usize| seen.rows.first().and_then(|row| row.get(column)?.clone()).unwrap_or_default();
    Ok(match (text(0).as_str(), text(1).as_str(), text(2).as_str()) {
        (_, _, "t") => Some("it is a standby, which nothing can be written to".to_owned()),
        (_, standbys, _) if standbys != "0" => Some(format!("{standbys} standbys follow it")),
        (sessions, _, _) if sessions != "0" => Some(format!("{sessions} other sessions are connected to it")),
        _ => None,
    })
}
