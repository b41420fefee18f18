//! An existing server: a base is a database of its own there that nobody may connect to, and each copy a database made
//! of it. Nothing but databases and roles with Seatrial's marker is ever changed or removed.
//!
//! A run holds a lock as long as it lives, which the server lets go of however it dies. What a run without that lock left
//! is removed when the next one begins.

use super::PlaceError;
use super::logins::{self, Ready, Rules};
use super::marker::{Marker, copy_name, now, run_of_copy};
use super::production::{self, Relation};
use super::shared::{SharedState, set_exactly};
use crate::copy::base::BaseRecord;
use crate::copy::scratch::Roles;
use crate::copy::source::Source;
use crate::copy::url::SecretUrl;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::{Abilities, Ability};
use crate::engine::postgres::apply::Target;
use crate::engine::postgres::session::{Endpoint, Reach, Remote, Session, UNBOUND, quote_identifier, quote_literal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// First halves of the keys of locks: of living runs, of bases that are used, and of bases that are made.
const RUN: i32 = 0x5EA7_0001;
const BASE: i32 = 0x5EA7_0002;
const MAKING: i32 = 0x5EA7_0004;

/// Bases nobody used for so long are dropped, in seconds.
const BASE_LASTS: u64 = 14 * 24 * 60 * 60;

/// The oldest server there is a way for, as `server_version_num`.
const OLDEST: u32 = 130_000;

/// An existing server, as one run uses it. Clones share it.
#[derive(Debug, Clone)]
pub struct ExistingServer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Host and database of the URL, for people.
    place: String,
    reach: Reach,
    abilities: Abilities,
    version: String,
    number: u32,
    run: String,
    copies: AtomicU32,
    /// The one session that lasts as long as the run, with its locks.
    admin: Mutex<Session>,
    /// Its process.
    pid: i32,
    /// What was put back on the server, or has to be looked at.
    remarks: std::sync::Mutex<Vec<String>>,
}

/// A base: a database that nobody may connect to.
#[derive(Debug, Clone)]
pub struct ServerBase {
    pub(in crate::copy) server: ExistingServer,
    database: String,
}

/// One copy of a base.
#[derive(Debug)]
pub struct ServerCopy {
    server: ExistingServer,
    database: String,
    /// Where it is, and who logs in there as whom.
    pub target: Target,
    /// What could not be granted as production would have it.
    pub notes: Vec<String>,
    users: Vec<String>,
    acting: BTreeSet<String>,
    before: SharedState,
}

impl ExistingServer {
    /// Logs in, makes sure that it is not where the source lives, says that the run `run` is alive, and removes what dead
    /// runs left; `tell` is told of each thing removed.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn open(
        url: &SecretUrl,
        run: &str,
        source: Option<&Source>,
        tell: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, PlaceError> {
        let place = url.to_string();
        let (mut admin, reach, facts) = log_in(url).await?;
        if facts.number < OLDEST {
            return Err(PlaceError::TooOld { place, version: facts.version });
        }
        if !facts.superuser && !facts.createdb {
            return Err(PlaceError::NoCreatedb { user: reach.user.unwrap_or_default(), place });
        }
        if let Some(Source::Url(source)) = source {
            let what = match production::relation(&mut admin, source).await? {
                Relation::Apart => None,
                Relation::SameDatabase => Some(format!("the source itself ({source})")),
                Relation::SameServer => Some(format!("the server that the source is on ({source})")),
                Relation::SameOrigin => {
                    Some(format!("a standby, a primary or a clone of the source's server ({source})"))
                }
            };
            if let Some(what) = what {
                return Err(PlaceError::Production { place, what });
            }
        }
        let inner = Inner {
            place,
            reach,
            abilities: if facts.superuser { Abilities::SUPERUSER } else { Abilities::ORDINARY },
            version: facts.version,
            number: facts.number,
            run: run.to_owned(),
            copies: AtomicU32::new(0),
            pid: admin.pid,
            admin: Mutex::new(admin),
            remarks: std::sync::Mutex::default(),
        };
        let server = Self { inner: Arc::new(inner) };
        server.say_that_it_lives().await?;
        server.sweep(tell).await?;
        Ok(server)
    }

    fn refused(&self, doing: &'static str) -> impl Fn(ServerError) -> PlaceError + use<> {
        let place = self.inner.place.clone();
        move |error| PlaceError::Refused { place: place.clone(), doing, error: Box::new(error) }
    }

    /// Its version, such as `15.18`.
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        self.inner.number / 10_000
    }

    /// Host and database, for people.
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    /// What may be done there.
    pub fn abilities(&self) -> Abilities {
        self.inner.abilities
    }

    /// The database that the URL names.
    pub(in crate::copy) fn maintenance(&self) -> &str {
        &self.inner.reach.database
    }

    /// As the user of the URL, to whichever database.
    pub(in crate::copy) fn endpoint(&self) -> Endpoint {
        let (reach, abilities) = (self.inner.reach.clone(), self.inner.abilities);
        Endpoint::remote(Remote { reach, abilities, logins: BTreeMap::new() })
    }

    /// What was put back on the server, or has to be looked at; each once.
    pub fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.remarks.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn remark(&self, lines: Vec<String>) {
        self.inner.remarks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(lines);
    }

    async fn say_that_it_lives(&self) -> Result<(), PlaceError> {
        let refused = self.refused("the run was announced");
        let run = number(&self.inner.run);
        let mut admin = self.inner.admin.lock().await;
        admin.query(&format!("SELECT pg_catalog.pg_advisory_lock({RUN}, {run})")).await.map_err(&refused)?;
        // Another session must see it: behind a pool the lock may be anybody's, or gone already.
        let mut other = Session::reader(&self.inner.reach, &[]).await.map_err(&refused)?;
        let seen = is_locked(&mut other, RUN, run).await;
        other.close().await;
        if seen.map_err(&refused)? { Ok(()) } else { Err(PlaceError::Pool { place: self.inner.place.clone() }) }
    }

    /// Drops what dead runs left, and bases that nobody used for long.
    async fn sweep(&self, tell: &mut (dyn FnMut(&str) + Send)) -> Result<(), PlaceError> {
        let refused = self.refused("leftovers were looked for");
        let mut admin = self.inner.admin.lock().await;
        for (name, comment) in databases(&mut admin).await.map_err(&refused)? {
            let marker = Marker::read(comment.as_deref());
            let (dead, what) = match (&marker, run_of_copy(&name)) {
                (Some(Marker::Copy { run, .. }), _) => {
                    (self.is_dead(&mut admin, run).await?, "a copy of an earlier run")
                }
                // Cut off between making it and marking it: the name has a form that nobody chooses.
                (None, Some(run)) if comment.is_none() => {
                    (self.is_dead(&mut admin, run).await?, "a copy of an earlier run")
                }
                (Some(Marker::Base { key, used, record }), _) => {
                    let free = !is_locked(&mut admin, BASE, number(key)).await.map_err(&refused)?
                        && !is_locked(&mut admin, MAKING, number(key)).await.map_err(&refused)?;
                    (free && (record.is_none() || now() > used + BASE_LASTS), "a base that nobody uses")
                }
                _ => (false, ""),
            };
            if dead {
                drop_database(&mut admin, &name).await.map_err(&refused)?;
                tell(&format!("removed {what}: database {name} on {}", self.inner.place));
            }
        }
        for (name, marker) in roles(&mut admin).await.map_err(&refused)? {
            let Marker::Role { run: Some(run), .. } = marker else { continue };
            if self.is_dead(&mut admin, &run).await? {
                admin.execute(&format!("DROP ROLE {}", quote_identifier(&name))).await.map_err(&refused)?;
                tell(&format!("removed a role of an earlier run: {name} on {}", self.inner.place));
            }
        }
        // Another run may just be making a base, whose roles nothing depends on yet.
        let others = format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' \
             AND classid::bigint = {RUN} AND objid::bigint <> {} AND objsubid = 2",
            number(&self.inner.run)
        );
        if admin.query(&others).await.map_err(&refused)?.scalar() == Some("0") {
            drop_unused_roles(&mut admin).await.map_err(&refused)?;
        }
        Ok(())
    }

    async fn is_dead(&self, admin: &mut Session, run: &str) -> Result<bool, PlaceError> {
        let locked = is_locked(admin, RUN, number(run)).await;
        locked.map(|locked| !locked).map_err(self.refused("leftovers were looked for"))
    }

    /// The base of a key, if it is there already and whole. If not, `make` makes it in a new database of the name it is
    /// given, which nobody else does meanwhile.
    ///
    /// # Errors
    /// The server's, and those of `make`.
    pub(in crate::copy) async fn base<E: From<PlaceError>>(
        &self,
        key: &str,
        make: impl AsyncFnOnce(&str) -> Result<BaseRecord, E>,
    ) -> Result<(ServerBase, BaseRecord, bool), E> {
        let refused = self.refused("a base was looked for");
        let name = format!("{}base_{key}", super::marker::PREFIX);
        let base = ServerBase { server: self.clone(), database: name.clone() };
        let lock = number(key);
        let mut admin = self.inner.admin.lock().await;
        admin.query(&format!("SELECT pg_catalog.pg_advisory_lock({MAKING}, {lock})")).await.map_err(&refused)?;
        let found = databases(&mut admin).await.map_err(&refused)?.remove(&name);
        let known = match found.as_ref().map(|comment| Marker::read(comment.as_deref())) {
            Some(Some(Marker::Base { key: of, record, .. })) if of == key => record,
            _ => None,
        };
        let reused = known.is_some();
        let record = match known {
            Some(record) => record,
            None => {
                // Half-made. Whatever says otherwise is somebody's: there CREATE will refuse.
                let ours = |comment: &Option<String>| {
                    comment.is_none() || matches!(Marker::read(comment.as_deref()), Some(Marker::Base { .. }))
                };
                if found.as_ref().is_some_and(ours) {
                    drop_database(&mut admin, &name).await.map_err(&refused)?;
                }
                drop(admin);
                let made = make(&name).await?;
                admin = self.inner.admin.lock().await;
                made
            }
        };
        let marker = Marker::Base { key: key.to_owned(), used: now(), record: Some(record.clone()) };
        let (quoted, text) = (quote_identifier(&name), quote_literal(&marker.text()));
        let closed = format!("ALTER DATABASE {quoted} ALLOW_CONNECTIONS false; COMMENT ON DATABASE {quoted} IS {text}");
        admin.execute(&closed).await.map_err(&refused)?;
        // Only now, when that is committed: two runs must not change the same rows at once.
        let used = format!(
            "SELECT pg_catalog.pg_advisory_lock_shared({BASE}, {lock}); \
             SELECT pg_catalog.pg_advisory_unlock({MAKING}, {lock})"
        );
        admin.execute(&used).await.map_err(&refused)?;
        Ok((base, record, reused))
    }

    /// The comment of a base that is being made.
    pub(in crate::copy) fn half_made(key: &str) -> String {
        Marker::Base { key: key.to_owned(), used: now(), record: None }.text()
    }

    /// Drops everything of this run.
    ///
    /// # Errors
    /// What the server says.
    pub async fn close(&self) -> Result<(), PlaceError> {
        let refused = self.refused("the copies were removed");
        // The session of the run may be in the middle of what was cut off.
        let endpoint = self.endpoint();
        let mut admin =
            Session::connect(&endpoint, self.maintenance(), endpoint.observer(), "seatrial").await.map_err(&refused)?;
        admin.execute(UNBOUND).await.map_err(&refused)?;
        end_session(&mut admin, self.inner.pid).await.map_err(&refused)?;
        let mine = |run: &str| run == self.inner.run;
        for (name, comment) in databases(&mut admin).await.map_err(&refused)? {
            let gone = match Marker::read(comment.as_deref()) {
                Some(Marker::Copy { run, .. }) => mine(&run),
                // Half-made, and nobody is making it any more.
                Some(Marker::Base { key, record: None, .. }) => {
                    !is_locked(&mut admin, MAKING, number(&key)).await.map_err(&refused)?
                }
                None if comment.is_none() => run_of_copy(&name).is_some_and(mine),
                _ => false,
            };
            if gone {
                drop_database(&mut admin, &name).await.map_err(&refused)?;
            }
        }
        for (name, marker) in roles(&mut admin).await.map_err(&refused)? {
            if matches!(&marker, Marker::Role { run: Some(run), .. } if mine(run)) {
                admin.execute(&format!("DROP ROLE {}", quote_identifier(&name))).await.map_err(&refused)?;
            }
        }
        admin.close().await;
        Ok(())
    }
}

impl ServerBase {
    /// What may be done on its copies.
    pub fn abilities(&self) -> Abilities {
        self.server.abilities()
    }

    /// A copy for one pass.
    ///
    /// # Errors
    /// The server's.
    pub async fn copy(&self, roles: &Roles) -> Result<ServerCopy, PlaceError> {
        let server = &self.server;
        let inner = &server.inner;
        let refused = server.refused("a copy was made");
        let database = copy_name(&inner.run, inner.copies.fetch_add(1, Ordering::Relaxed) + 1);
        {
            let mut admin = inner.admin.lock().await;
            self.create(&mut admin, &database).await.map_err(&refused)?;
        }
        let endpoint = server.endpoint();
        let mut session = Session::observer(&endpoint, &database, "roles").await.map_err(&refused)?;
        let number = database.rsplit('_').next().unwrap_or_default();
        let rules = Rules { run: &inner.run, place: &inner.place, ours_alone: true, database: &database, number };
        let Ready { logins, role, acting, notes } =
            logins::make_ready(&mut session, &inner.reach, roles, &rules).await?;
        let before = SharedState::read(&mut session, &acting).await.map_err(&refused)?;
        session.close().await;
        let remote = Remote { reach: inner.reach.clone(), abilities: inner.abilities, logins: logins.clone() };
        let target = Target {
            endpoint: Endpoint::remote(remote),
            database: database.clone(),
            role,
            // A superuser's rights are nobody's here.
            extensions: Vec::new(),
            search_path: roles.search_path.clone(),
        };
        logins::try_out(&target, &logins, &inner.place).await?;
        let users = logins::users(&logins);
        Ok(ServerCopy { server: server.clone(), database, target, notes, users, acting, before })
    }

    /// The database, with what `TEMPLATE` does not take along: settings of the database and of roles in it.
    async fn create(&self, admin: &mut Session, database: &str) -> Result<(), ServerError> {
        let number = self.server.inner.number;
        // Copied through the WAL, as is the default, a large database takes several times as long.
        let strategy = if number >= 150_000 { " STRATEGY FILE_COPY" } else { "" };
        let (base, quoted) = (quote_identifier(&self.database), quote_identifier(database));
        let create = format!("CREATE DATABASE {quoted} TEMPLATE {base}{strategy}");
        let mut created = Err(ServerError::default());
        if number >= 180_000 {
            // Shares blocks where the file system can; where it cannot, files are copied.
            admin.execute("SET file_copy_method = 'clone'").await?;
            created = admin.execute(&create).await;
            admin.execute("RESET file_copy_method").await?;
        }
        if created.is_err() {
            admin.execute(&create).await?;
        }
        let marker = Marker::Copy { run: self.server.inner.run.clone(), made: now() };
        admin
            .execute(&format!(
                "COMMENT ON DATABASE {quoted} IS {}; REVOKE ALL ON DATABASE {quoted} FROM PUBLIC",
                quote_literal(&marker.text())
            ))
            .await?;
        let settings = admin
            .query(&format!(
                "SELECT r.rolname, unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s \
                 LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
                 WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = {})",
                quote_literal(&self.database)
            ))
            .await?;
        for row in settings.rows {
            let [role, Some(setting)] = row.as_slice() else { continue };
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            let whose = match role {
                Some(role) => format!("ROLE {} IN DATABASE {quoted}", quote_identifier(role)),
                None => format!("DATABASE {quoted}"),
            };
            set_exactly(admin, &whose, name, value).await?;
        }
        Ok(())
    }
}

impl ServerCopy {
    /// Puts back what the migration changed for the whole server, and drops the copy.
    ///
    /// # Errors
    /// The server's.
    pub async fn destroy(self) -> Result<(), PlaceError> {
        let refused = self.server.refused("a copy was removed");
        let mut session = Session::observer(&self.target.endpoint, &self.database, "roles").await.map_err(&refused)?;
        let now = SharedState::read(&mut session, &self.acting).await.map_err(&refused)?;
        let told = self.before.restore(&mut session, &now).await?;
        session.close().await;
        self.server.remark(told);
        let mut admin = self.server.inner.admin.lock().await;
        drop_database(&mut admin, &self.database).await.map_err(&refused)?;
        for login in &self.users {
            admin.execute(&format!("DROP ROLE {}", quote_identifier(login))).await.map_err(&refused)?;
        }
        Ok(())
    }
}

/// What a login is.
struct Facts {
    superuser: bool,
    createdb: bool,
    version: String,
    number: u32,
}

/// A session with the user it turned out to be.
async fn log_in(url: &SecretUrl) -> Result<(Session, Reach, Facts), PlaceError> {
    let place = url.to_string();
    let unreachable = |error: ServerError| PlaceError::Unreachable { place: place.clone(), error: Box::new(error) };
    let bad = |error: crate::copy::url::UrlError| {
        unreachable(ServerError { message: error.to_string(), ..ServerError::default() })
    };
    let mut reach = url.parts().map_err(bad)?;
    let (session, superuser, createdb, version, number) = enter(&mut reach).await.map_err(unreachable)?;
    Ok((session, reach, Facts { superuser, createdb, version, number }))
}

/// Connects, finds out as whom, and quietens the server's log as far as that user may: passwords are made here.
pub(super) async fn enter(reach: &mut Reach) -> Result<(Session, bool, bool, String, u32), ServerError> {
    let mut session = Session::reader(reach, &[]).await?;
    let rows = session
        .query(
            "SELECT r.rolname, r.rolsuper, r.rolcreatedb, pg_catalog.current_setting('server_version'), \
             pg_catalog.current_setting('server_version_num'), pg_catalog.pg_backend_pid() \
             FROM pg_catalog.pg_roles r WHERE r.rolname = session_user",
        )
        .await?;
    let text = |column: usize| rows.rows.first().and_then(|row| row.get(column)?.clone()).unwrap_or_default();
    let superuser = text(1) == "t";
    reach.user = Some(text(0));
    session.pid = text(5).parse().unwrap_or_default();
    session.abilities = if superuser { Abilities::SUPERUSER } else { Abilities::ORDINARY };
    session.execute(&format!("{UNBOUND}; SET role = none")).await?;
    if superuser {
        session.execute(QUIET_LOG).await?;
    }
    let version = text(3).split_whitespace().next().unwrap_or_default().to_owned();
    Ok((session, superuser, text(2) == "t", version, text(4).parse().unwrap_or_default()))
}

/// Passwords of roles that are made must not stand in the server's log.
pub(super) const QUIET_LOG: &str = "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; \
     SET log_min_duration_statement = -1; SET log_min_duration_sample = -1; SET lc_messages = 'C'";

/// How often it is asked whether a session has ended.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// How long that may take: what makes a database is heard at the end of each file.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Ends a session of ours, and whatever it was in the middle of, and waits for its end.
async fn end_session(admin: &mut Session, pid: i32) -> Result<(), ServerError> {
    let started = Instant::now();
    let end = format!("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = {pid}");
    while !admin.query(&end).await?.rows.is_empty() && started.elapsed() < END_LIMIT {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(())
}

/// Seven hexadecimal digits as the second half of a lock's key.
fn number(hexadecimal: &str) -> i32 {
    hexadecimal.get(..7).and_then(|digits| i32::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

async fn is_locked(session: &mut Session, class: i32, key: i32) -> Result<bool, ServerError> {
    let locks = session
        .query(&format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks \
             WHERE locktype = 'advisory' AND classid::bigint = {class} AND objid::bigint = {key} AND objsubid = 2 AND granted"
        ))
        .await?;
    Ok(locks.scalar() != Some("0"))
}

/// Databases of this login with a name of ours, and their comments.
async fn databases(session: &mut Session) -> Result<BTreeMap<String, Option<String>>, ServerError> {
    let rows = session
        .query(
            "SELECT d.datname, pg_catalog.shobj_description(d.oid, 'pg_database') FROM pg_catalog.pg_database d \
             JOIN pg_catalog.pg_roles r ON r.oid = d.datdba \
             WHERE r.rolname = session_user AND d.datname ~ '^seatrial_(run|base)_'",
        )
        .await?;
    Ok(rows.rows.into_iter().filter_map(|mut row| Some((row.first_mut()?.take()?, row.pop()?))).collect())
}

/// Roles of ours; none where the login is no superuser, who makes none.
async fn roles(session: &mut Session) -> Result<Vec<(String, Marker)>, ServerError> {
    if !session.abilities.has(Ability::Superuser) {
        return Ok(Vec::new());
    }
    let rows = session
        .query(
            "SELECT rolname, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles WHERE oid >= 16384",
        )
        .await?;
    let marked = |mut row: Vec<Option<String>>| {
        let marker = Marker::read(row.pop()?.as_deref()).filter(|marker| matches!(marker, Marker::Role { .. }))?;
        Some((row.pop()??, marker))
    };
    Ok(rows.rows.into_iter().filter_map(marked).collect())
}

/// Roles that bases brought and that nothing depends on any more.
async fn drop_unused_roles(admin: &mut Session) -> Result<(), ServerError> {
    for (name, marker) in roles(admin).await? {
        if !matches!(marker, Marker::Role { run: None, .. }) {
            continue;
        }
        match admin.execute(&format!("DROP ROLE {}", quote_identifier(&name))).await {
            // A base needs it still.
            Err(error) if error.sqlstate == "2BP01" => {}
            dropped => drop(dropped?),
        }
    }
    Ok(())
}

/// Drops a database with whoever is connected to it.
async fn drop_database(admin: &mut Session, name: &str) -> Result<(), ServerError> {
    admin.execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(name))).await.map(|_| ())
}
