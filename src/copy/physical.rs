//! Making a copied data directory a base: its superusers become ordinary roles, what reaches out of it is cut off, and one
//! of its databases stays. Its tables, indexes and statistics are left as they are.

mod outward;
mod planner;
mod roles;

pub use planner::{PlannerSettings, planner_settings};

use crate::copy::data_directory::{DataDirectory, Left};
use crate::copy::event_triggers::EventTriggers;
use crate::copy::policy;
use crate::copy::restore::RestoreOutcome;
use crate::copy::state::RunDir;
use crate::engine::ServerError;
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::server::single_user::{single_user, told};
use crate::engine::postgres::server::{ClusterError, SUPERUSER, Server, ServerMode, ServerOptions};
use crate::engine::postgres::session::{Session, quote_literal};
use serde_json::Value;
use std::path::Path;
use thiserror::Error;

/// Databases of every cluster, one of which lets the superuser in who is to be renamed.
const ENTRANCES: [&str; 3] = ["template1", "postgres", "template0"];
/// Warnings that are kept; the rest is counted.
const WARNINGS_KEPT: usize = 100;

/// A data directory and the copy of it that is to become a base.
pub(super) struct DataDirectoryCopy<'a> {
    /// What was copied.
    pub(super) directory: &'a DataDirectory,
    /// The copy.
    pub(super) data_dir: &'a Path,
    /// A server of its version.
    pub(super) binaries: &'a Binaries,
    /// The run that makes it.
    pub(super) run: &'a RunDir,
}

/// Why a copied data directory does not become a base.
#[derive(Debug, Error)]
pub enum PhysicalError {
    /// A server, or the lack of one that reads it.
    #[error(transparent)]
    Cluster(ClusterError),
    /// Its log ends before its files are of one moment.
    #[error(
        "{name} lacks a part of its write-ahead log, without which its files are of no one moment: put the missing files into \
         its pg_wal from the archive, or take the base backup with it (pg_basebackup --wal-method=stream)\n{said}"
    )]
    LogMissing {
        /// The directory.
        name: String,
        /// The server's words.
        said: String,
    },
    /// Another build of the same major version.
    #[error(
        "{name} was made by another build of PostgreSQL than the server that is here: name that build's folder with \
         --postgres-bin DIR\n{said}"
    )]
    OtherBuild {
        /// The directory.
        name: String,
        /// The server's words.
        said: String,
    },
    /// A locale this machine, or this build, lacks.
    #[error(
        "the databases of {name} sort text by a locale that is not on this machine: install it (Debian and Ubuntu: \
         dpkg-reconfigure locales), or give a dump instead\n{said}"
    )]
    Locale {
        /// The directory.
        name: String,
        /// The server's words.
        said: String,
    },
    /// Extensions without which its tables cannot be used.
    #[error(
        "{name} needs extensions this PostgreSQL {version} does not have: {missing}; install their packages, or give \
         --postgres-bin of a server that has them",
        missing = missing.join(", ")
    )]
    MissingExtensions {
        /// The directory.
        name: String,
        /// The server's version.
        version: String,
        /// Their names.
        missing: Vec<String>,
    },
    /// Several databases, and none chosen.
    #[error("{name} holds several databases: give --database with one of {found}", found = found.join(", "))]
    NeedsDatabase {
        /// The directory.
        name: String,
        /// Their names.
        found: Vec<String>,
    },
    /// `--database` names none of them.
    #[error("{name} holds no database {wanted}: give --database with one of {found}", found = found.join(", "))]
    NoSuchDatabase {
        /// The directory.
        name: String,
        /// The one asked for.
        wanted: String,
        /// Those there are.
        found: Vec<String>,
    },
    /// The server refuses what the tool itself asks.
    #[error("the server refused while the copy of the data directory was made ready: {0}")]
    Server(#[from] ServerError),
}

impl From<ClusterError> for PhysicalError {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

/// What a cluster said of itself before its superuser was renamed.
#[derive(Debug, Default)]
struct Found {
    /// A database that lets in.
    entrance: &'static str,
    /// Name of the bootstrap superuser.
    superuser: String,
    /// It had a password.
    password: bool,
    warnings: Vec<String>,
}

/// Makes a base of a copied data directory, and returns the server that runs on it: recovered if it has to be, with one
/// database to keep, whose name is in the outcome.
///
/// # Errors
/// No server reads it, a part of it is missing, it is not clear which database is meant, or the server refuses.
pub(super) async fn make_base(
    copy: &DataDirectoryCopy<'_>,
    requested: Option<&str>,
) -> Result<(Server, RestoreOutcome), PhysicalError> {
    let name = copy.directory.path.display().to_string();
    let options = ServerOptions { mode: ServerMode::Loading, settings: settings(copy) };
    let found = rename_superuser(copy, &name, &options).await?;
    let server = Server::start(copy.binaries, copy.data_dir, copy.run, &options).await;
    let server = server.map_err(|error| in_words(error, &name))?;
    let mut outcome = RestoreOutcome { warnings: found.warnings.clone(), ..RestoreOutcome::new(String::new()) };
    let mut session = connect(&server, found.entrance, &name).await?;
    outcome.database = choose(&mut session, requested, &name).await?;
    roll_back_prepared(&server, &mut session, &name, &mut outcome).await?;
    session.close().await;

    let mut session = connect(&server, &outcome.database, &name).await?;
    refuse_missing_extensions(&mut session, &copy.binaries.version, &name).await?;
    let mut event_triggers = EventTriggers::default();
    event_triggers.hush(&mut session).await?;
    roles::tame(&mut session, &found, &mut outcome).await?;
    outward::cut_off(&mut session, &mut outcome).await?;
    tell_what_differs(&mut session, copy, &mut outcome).await?;
    event_triggers.rouse(&mut session).await?;
    outward::quiet_event_triggers(&mut session, &mut outcome).await?;
    outcome.rows = number(
        &mut session,
        "SELECT sum(greatest(reltuples, 0))::int8 FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384",
    )
    .await?;
    outcome.bytes = number(&mut session, "SELECT pg_database_size(current_database())").await?;
    session.close().await;
    let more = outcome.warnings.len().saturating_sub(WARNINGS_KEPT);
    if more > 0 {
        outcome.warnings.truncate(WARNINGS_KEPT);
        outcome.warnings.push(format!("{more} further warnings"));
    }
    Ok((server, outcome))
}

/// What the server needs to take what it finds, and to let us in.
fn settings(copy: &DataDirectoryCopy<'_>) -> Vec<(String, String)> {
    let mut settings = vec![
        // Recovery stops where it meets more of these than fit.
        ("max_prepared_transactions", copy.directory.control.prepared_transactions.to_string()),
        ("max_replication_slots", "1000".to_owned()),
    ];
    if copy.binaries.major >= 17 {
        // One that fires at login could turn us away.
        settings.push(("event_triggers", "off".to_owned()));
    }
    if copy.binaries.major >= 18 {
        settings.push(("max_active_replication_origins", "1000".to_owned()));
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Recovers the cluster if need be; then, before anybody connects to it, gives its bootstrap superuser our name, opens its
/// databases to us and removes what could keep a session from starting, or send one out.
async fn rename_superuser(
    copy: &DataDirectoryCopy<'_>,
    name: &str,
    options: &ServerOptions,
) -> Result<Found, PhysicalError> {
    let ours = quote_literal(SUPERUSER);
    let libraries = policy::LIBRARY_SETTINGS.map(quote_literal).join(", ");
    let of_library = format!("lower(split_part(item, '=', 1)) IN ({libraries})");
    let json =
        |what: &str, from: &str| format!("SELECT {} FROM {from}", told(&format!("json_build_object({what})::text")));
    let statements = [
        json("'superuser', rolname, 'password', rolpassword IS NOT NULL", "pg_authid WHERE oid = 10"),
        json(
            "'library', lower(split_part(item, '=', 1)), 'role', rolname, 'database', datname",
            &format!(
                "pg_db_role_setting CROSS JOIN LATERAL unnest(setconfig) AS u (item) \
                 LEFT JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole WHERE {of_library}"
            ),
        ),
        json("'subscription', subname", "pg_subscription"),
        json("'namesake', rolname || '_' || oid", &format!("pg_authid WHERE rolname = {ours} AND oid <> 10")),
        format!(
            "UPDATE pg_db_role_setting SET setconfig = ARRAY(SELECT item FROM unnest(setconfig) WITH ORDINALITY AS u (item, n) \
             WHERE NOT {of_library} ORDER BY n) \
             WHERE EXISTS (SELECT FROM unnest(setconfig) AS u (item) WHERE {of_library})"
        ),
        "DELETE FROM pg_db_role_setting WHERE setconfig = '{}'".to_owned(),
        format!("UPDATE pg_authid SET rolname = {ours} || '_' || oid WHERE rolname = {ours} AND oid <> 10"),
        format!(
            "UPDATE pg_authid SET rolname = {ours}, rolsuper = true, rolcanlogin = true, rolbypassrls = true, \
             rolreplication = true, rolpassword = NULL, rolconnlimit = -1, rolvaliduntil = NULL WHERE oid = 10"
        ),
        // -2 is one whose DROP DATABASE was interrupted.
        "UPDATE pg_database SET datallowconn = true, datconnlimit = -1 WHERE datconnlimit <> -2".to_owned(),
        // Dropped by command, one that is not through with its tables would call its publisher.
        "DELETE FROM pg_shdepend WHERE classid = 'pg_subscription'::regclass".to_owned(),
        "DELETE FROM pg_shdescription WHERE classoid = 'pg_subscription'::regclass".to_owned(),
        "DELETE FROM pg_subscription".to_owned(),
        "DELETE FROM pg_replication_origin".to_owned(),
    ];
    let mut found = Found::default();
    for entrance in ENTRANCES {
        let ran = single_user(copy.binaries, copy.data_dir, copy.run, options, entrance, &statements).await;
        let values = match ran {
            Err(ClusterError::SingleUser { said, .. })
                if said.contains(&format!("database \"{entrance}\" does not exist")) =>
            {
                continue;
            }
            Err(error) => return Err(in_words(error, name)),
            Ok(values) => values,
        };
        found.entrance = entrance;
        for value in values {
            let value: Value = serde_json::from_str(&value).unwrap_or_default();
            let text = |key: &str| value.get(key).and_then(Value::as_str);
            if let Some(superuser) = text("superuser") {
                found.superuser = superuser.to_owned();
                found.password = value.get("password") == Some(&Value::Bool(true));
            }
            if let Some(library) = text("library") {
                let of = match (text("role"), text("database")) {
                    (Some(role), _) => format!("role {role}"),
                    (None, Some(database)) => format!("database {database}"),
                    (None, None) => "all databases".to_owned(),
                };
                found.warnings.push(policy::library_left_out(library, &of));
            }
            found.warnings.extend(text("subscription").map(policy::subscription_left_out));
            let renamed = |name| format!("role {SUPERUSER} of the source is called {name} on the copy");
            found.warnings.extend(text("namesake").map(renamed));
        }
        break;
    }
    if found.superuser.is_empty() {
        let said = format!("it has none of the databases {}", ENTRANCES.join(", "));
        let version = copy.binaries.version.clone();
        return Err(ClusterError::SingleUser { version, said }.into());
    }
    Ok(found)
}

/// What a server says of a directory it does not take, told with what to do.
fn in_words(error: ClusterError, name: &str) -> PhysicalError {
    let said = match &error {
        ClusterError::SingleUser { said, .. } | ClusterError::NotReady { reason: said, .. } => said.clone(),
        _ => return error.into(),
    };
    let name = name.to_owned();
    let says = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    if says(&[
        "checkpoint record",
        "WAL ends before",
        "could not find redo location",
        "requested timeline",
        "requested WAL segment",
    ]) {
        PhysicalError::LogMissing { name, said }
    } else if says(&["incompatible with server", "initialized by PostgreSQL version"]) {
        PhysicalError::OtherBuild { name, said }
    } else if is_about_locale(&said) {
        PhysicalError::Locale { name, said }
    } else {
        error.into()
    }
}

fn is_about_locale(said: &str) -> bool {
    ["locale is incompatible", "could not create locale", "ICU is not supported", "could not open collator"]
        .iter()
        .any(|sign| said.contains(sign))
}

async fn connect(server: &Server, database: &str, name: &str) -> Result<Session, PhysicalError> {
    Session::observer(server.endpoint(), database, "seatrial restore").await.map_err(|error| {
        let detail = error.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        let said = format!("database {database}: {}{detail}", error.message);
        if is_about_locale(&said) { PhysicalError::Locale { name: name.to_owned(), said } } else { error.into() }
    })
}

/// The database to keep: the one asked for, else the only one that is no template, `postgres` not counted where there are
/// others.
async fn choose(session: &mut Session, requested: Option<&str>, name: &str) -> Result<String, PhysicalError> {
    let all = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datconnlimit <> -2 ORDER BY datname";
    let mut found = column(session, all).await?;
    if found.len() > 1 && requested.is_none() {
        found.retain(|database| database != "postgres");
    }
    let name = name.to_owned();
    match requested {
        Some(wanted) if found.iter().any(|database| database == wanted) => Ok(wanted.to_owned()),
        Some(wanted) => Err(PhysicalError::NoSuchDatabase { name, wanted: wanted.to_owned(), found }),
        None if found.len() == 1 => Ok(found.remove(0)),
        None if found.is_empty() => Err(PhysicalError::NoSuchDatabase { name, wanted: "postgres".to_owned(), found }),
        None => Err(PhysicalError::NeedsDatabase { name, found }),
    }
}

/// Transactions that wait for the second word of a coordinator hold locks for ever, in other databases too, which could not be
/// dropped.
async fn roll_back_prepared(
    server: &Server,
    session: &mut Session,
    name: &str,
    outcome: &mut RestoreOutcome,
) -> Result<(), PhysicalError> {
    for row in session.query("SELECT gid, database FROM pg_prepared_xacts ORDER BY 1").await?.rows {
        let [Some(transaction), Some(database)] = row.as_slice() else { continue };
        let mut there = connect(server, database, name).await?;
        there.execute(&format!("ROLLBACK PREPARED {}", quote_literal(transaction))).await?;
        there.close().await;
        if *database == outcome.database {
            outcome.warnings.push(format!("prepared transaction {transaction} was rolled back"));
        }
    }
    Ok(())
}

/// What tables may be made of has to be there. What serves operation alone may be missing, and fails where it is called.
async fn refuse_missing_extensions(session: &mut Session, version: &str, name: &str) -> Result<(), PhysicalError> {
    let missing =
        "SELECT extname FROM pg_extension WHERE extname NOT IN (SELECT name FROM pg_available_extensions) ORDER BY 1";
    let mut missing = column(session, missing).await?;
    missing.retain(|extension| !policy::is_operational(extension));
    if missing.is_empty() {
        return Ok(());
    }
    Err(PhysicalError::MissingExtensions { name: name.to_owned(), version: version.to_owned(), missing })
}

/// Says where the copy is not what the source is although its files are the same.
async fn tell_what_differs(
    session: &mut Session,
    copy: &DataDirectoryCopy<'_>,
    outcome: &mut RestoreOutcome,
) -> Result<(), PhysicalError> {
    outcome
        .notes
        .push("a copy of the source's own files, bloat and statistics included; nothing was analysed".to_owned());
    let how = match copy.directory.left {
        Left::ShutDown => None,
        Left::Crashed => Some("the source was not shut down cleanly: the copy was recovered from its write-ahead log"),
        Left::Standby => {
            Some("the source is a standby: the copy was recovered as far as its write-ahead log goes, and is none")
        }
        Left::Backup => Some("the source is a base backup: the copy was recovered to the backup's end"),
    };
    if let Some(how) = how {
        outcome.notes.push(how.to_owned());
        let emptied =
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relpersistence = 'u' ORDER BY 1";
        for table in column(session, emptied).await? {
            outcome.warnings.push(format!("unlogged table {table} is empty: recovery keeps no rows of such tables"));
        }
    }
    let tablespaces = "SELECT spcname FROM pg_tablespace WHERE oid >= 16384 ORDER BY 1";
    let tablespaces = column(session, tablespaces).await?;
    if !tablespaces.is_empty() {
        outcome.notes.push(format!("tablespaces are folders of the copy, on one disk: {}", tablespaces.join(", ")));
    }
    let mut resorted = column(session, OTHER_COLLATIONS).await?;
    if copy.binaries.major >= 15 {
        resorted.extend(column(session, OTHER_DATABASE_COLLATION).await?);
    }
    for line in resorted {
        outcome.warnings.push(format!(
            "{line}: indexes on text may be out of order on this machine, and queries that use them may miss rows"
        ));
    }
    Ok(())
}

/// Collations in use whose version was another one where the source ran.
const OTHER_COLLATIONS: &str = "
SELECT format('collation %s has version %s in the source and %s here', oid::regcollation, collversion,
              pg_collation_actual_version(oid))
FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid)
  AND (oid >= 16384 OR oid IN (SELECT attcollation FROM pg_attribute WHERE attrelid >= 16384)) ORDER BY 1";

/// The same of what the database sorts by; servers before 15 do not keep it.
const OTHER_DATABASE_COLLATION: &str = "
SELECT format('the database''s collation has version %s in the source and %s here', datcollversion,
              pg_database_collation_actual_version(oid))
FROM pg_database WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)";

async fn column(session: &mut Session, sql: &str) -> Result<Vec<String>, ServerError> {
    Ok(session.query(sql).await?.rows.into_iter().flatten().flatten().collect())
}

async fn number(session: &mut Session, sql: &str) -> Result<u64, ServerError> {
    Ok(session.query(sql).await?.scalar().and_then(|text| text.parse().ok()).unwrap_or_default())
}
