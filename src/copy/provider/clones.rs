//! Clones that somebody else makes: each copy is a database at an address that a service hands out and takes back.
//!
//! A clone is written down before it is asked for, in a file that this run holds a lock on; so it is taken back however the
//! run ends, if need be by the next one. Nothing is written to it before it looks like what it should be: a fresh database
//! that nobody uses and that is not the source.

use super::PlaceError;
use super::command::Commands;
use super::hosted::Hosted;
use super::logins::{self, Ready, Rules};
use super::marker::{Marker, copy_name, now};
use super::production::{self, Relation};
use super::server::enter;
use super::shared::SharedState;
use crate::copy::fidelity::Grade;
use crate::copy::scratch::Roles;
use crate::copy::settle;
use crate::copy::state::ClaimedFile;
use crate::copy::url::SecretUrl;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::{Abilities, Ability};
use crate::engine::postgres::apply::Target;
use crate::engine::postgres::session::{Endpoint, Reach, Remote, Session, quote_identifier, quote_literal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who makes clones. A further one is a variant here with its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// Two commands of the project.
    Command(Commands),
    /// A service that is talked to over HTTP.
    Hosted(Hosted),
}

/// Who makes clones, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Who.
    pub kind: ServiceKind,
    /// How near they are to the original; the least where nobody says.
    pub fidelity: Option<Grade>,
    /// The database they are clones of, if it is named: never to be written to.
    pub origin: Option<SecretUrl>,
}

/// What a service made.
#[derive(Debug, Clone)]
pub struct Made {
    /// By which it is taken back.
    pub id: String,
    /// Where it is.
    pub url: SecretUrl,
}

/// A clone as it is written down, for whoever has to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Which service of which project.
    service: String,
    /// Its name, as it was asked for.
    name: String,
    /// Its id, once it is known.
    id: Option<String>,
    /// Its address without the password.
    address: Option<String>,
}

impl Service {
    /// How near the clones are to the original: as the project says, else as the service says once it has made one.
    pub fn likeness(&self) -> Option<Grade> {
        self.fidelity.or(match &self.kind {
            ServiceKind::Command(_) => None,
            ServiceKind::Hosted(hosted) => hosted.fidelity(),
        })
    }

    /// What the service says of the first clone: when its data was taken, and what a reader has to know.
    pub fn told(&self) -> (Option<jiff::Timestamp>, Vec<String>) {
        match &self.kind {
            ServiceKind::Command(_) => (None, Vec::new()),
            ServiceKind::Hosted(hosted) => hosted.told(),
        }
    }

    fn identity(&self) -> String {
        match &self.kind {
            ServiceKind::Command(commands) => format!("command\n{}", commands.identity()),
            ServiceKind::Hosted(hosted) => hosted.identity(),
        }
    }

    fn name(&self) -> &'static str {
        match &self.kind {
            ServiceKind::Command(_) => "the command that makes clones",
            ServiceKind::Hosted(_) => "the service that makes clones",
        }
    }

    async fn create(&self, name: &str) -> Result<Made, PlaceError> {
        match &self.kind {
            ServiceKind::Command(commands) => commands.create(name).await,
            ServiceKind::Hosted(hosted) => hosted.create(name).await,
        }
    }

    async fn destroy(&self, record: &Record) -> Result<(), PlaceError> {
        match &self.kind {
            ServiceKind::Command(commands) => {
                commands.destroy(&record.name, record.address.as_deref().unwrap_or_default()).await
            }
            ServiceKind::Hosted(hosted) => hosted.destroy(&record.name, record.id.as_deref()).await,
        }
    }
}

/// A service as one run uses it. Clones of this value share it.
#[derive(Debug, Clone)]
pub struct Clones {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    service: Service,
    run: String,
    folder: PathBuf,
    numbers: AtomicU32,
    /// What is written down and not taken back yet, by name.
    open: Mutex<BTreeMap<String, (Record, ClaimedFile)>>,
    /// Made to see what clones are like, and not used yet.
    first: Mutex<Option<Fresh>>,
    /// Whether its address is a superuser's.
    of_superuser: AtomicBool,
    remarks: Mutex<Vec<String>>,
}

/// A clone that turned out to be one.
#[derive(Debug)]
struct Fresh {
    name: String,
    reach: Reach,
    abilities: Abilities,
    place: String,
}

/// What the first clone is like.
#[derive(Debug, Clone)]
pub struct CloneFacts {
    /// The database's name.
    pub database: String,
    /// The server's version.
    pub version: String,
    /// Its major.
    pub major: u32,
    /// Rows, as the statistics count them.
    pub rows: u64,
    /// Size of the database.
    pub bytes: u64,
}

/// One copy: a clone on which everybody can log in.
#[derive(Debug)]
pub struct CloneCopy {
    clones: Clones,
    name: String,
    place: String,
    /// Where it is, and who logs in there as whom.
    pub target: Target,
    /// What is otherwise than in production.
    pub notes: Vec<String>,
    users: Vec<String>,
    acting: BTreeSet<String>,
    before: SharedState,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(place: &str, doing: &'static str) -> impl Fn(ServerError) -> PlaceError + use<> {
    let place = place.to_owned();
    move |error| PlaceError::Refused { place: place.clone(), doing, error: Box::new(error) }
}

impl Clones {
    /// Takes back what dead runs left, then makes the first clone to see what they are like. `state`: where is written down
    /// what has to be taken back; `tell` is told of each that was. `keep` gets this value before anything is made: whoever it
    /// belongs to closes it, however this ends.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn open(
        service: Service,
        run: &str,
        state: &Path,
        tell: &mut (dyn FnMut(&str) + Send),
        keep: &(dyn Fn(Self) + Sync),
    ) -> Result<(Self, CloneFacts), PlaceError> {
        let folder = state.join("clones");
        sweep(&service, &folder, tell).await?;
        let inner = Inner {
            service,
            run: run.to_owned(),
            folder,
            numbers: AtomicU32::new(0),
            open: Mutex::default(),
            first: Mutex::default(),
            of_superuser: AtomicBool::new(false),
            remarks: Mutex::default(),
        };
        let clones = Self { inner: Arc::new(inner) };
        keep(clones.clone());
        let (fresh, facts) = clones.fresh().await?;
        clones.inner.of_superuser.store(fresh.abilities.has(Ability::Superuser), Ordering::Relaxed);
        *locked(&clones.inner.first) = Some(fresh);
        Ok((clones, facts))
    }

    /// Whether the address of a clone is a superuser's, as the first one's is.
    pub fn are_of_superusers(&self) -> bool {
        self.inner.of_superuser.load(Ordering::Relaxed)
    }

    /// What was put back, or has to be looked at; each once.
    pub fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.inner.remarks))
    }

    fn write_down(&self, record: Record) -> Result<(), PlaceError> {
        let path = self.inner.folder.join(format!("{}.json", record.name));
        let text = serde_json::to_vec(&record).map_err(std::io::Error::other);
        let failed = |error| PlaceError::File { action: "write", path: path.clone(), error };
        let mut open = locked(&self.inner.open);
        let claimed = match open.remove(&record.name) {
            Some((_, claimed)) => claimed,
            None => ClaimedFile::create(&path)?,
        };
        text.and_then(|text| claimed.write(&text)).map_err(failed)?;
        open.insert(record.name.clone(), (record, claimed));
        Ok(())
    }

    async fn fresh(&self) -> Result<(Fresh, CloneFacts), PlaceError> {
        let inner = &self.inner;
        let name = copy_name(&inner.run, inner.numbers.fetch_add(1, Ordering::Relaxed) + 1);
        let service = inner.service.identity();
        let record = Record { service, name: name.clone(), id: None, address: None };
        self.write_down(record.clone())?;
        let made = inner.service.create(&name).await?;
        let address = made.url.without_password("");
        self.write_down(Record { id: Some(made.id.clone()), address: Some(address), ..record })?;
        let place = made.url.to_string();
        let unreachable = |error: ServerError| PlaceError::Unreachable { place: place.clone(), error: Box::new(error) };
        let bad = |error: crate::copy::url::UrlError| {
            unreachable(ServerError { message: error.to_string(), ..ServerError::default() })
        };
        if let Some(origin) = inner.service.origin.as_ref().filter(|origin| origin.identity() == made.url.identity()) {
            return Err(PlaceError::Production { place, what: format!("the source itself ({origin})") });
        }
        let mut reach = made.url.parts().map_err(bad)?;
        let (mut session, superuser, _, version, number) = enter(&mut reach).await.map_err(unreachable)?;
        let accepted = self.accept(&mut session, &reach, &place).await;
        let facts = match accepted {
            Ok(()) => {
                facts(&mut session, &reach, &version, number).await.map_err(refused(&place, "the clone was looked at"))
            }
            Err(error) => Err(error),
        };
        session.close().await;
        let abilities = if superuser { Abilities::SUPERUSER } else { Abilities::ORDINARY };
        Ok((Fresh { name, reach, abilities: abilities.without(Ability::CheapCopy), place }, facts?))
    }

    /// Makes sure that it is a fresh clone and not the source, then marks it.
    async fn accept(&self, session: &mut Session, reach: &Reach, place: &str) -> Result<(), PlaceError> {
        let not_fresh = |why: String| PlaceError::NotFresh {
            place: place.to_owned(),
            from: self.inner.service.name().to_owned(),
            why,
        };
        let looked = refused(place, "it was looked whether the clone is fresh");
        let origin = self.inner.service.origin.as_ref();
        if let Some(origin) = origin
            && production::relation(session, origin).await? == Relation::SameDatabase
        {
            return Err(PlaceError::Production {
                place: place.to_owned(),
                what: format!("the source itself ({origin})"),
            });
        }
        if let Some(seen) = production::signs_of_life(session).await.map_err(&looked)? {
            return Err(not_fresh(seen));
        }
        let comment = session.query(COMMENT).await.map_err(&looked)?;
        if let Some(Marker::Copy { run, .. }) = Marker::read(comment.scalar()) {
            return Err(not_fresh(format!("the run {run} used it before")));
        }
        let marker = Marker::Copy { run: self.inner.run.clone(), made: now() }.text();
        let write = format!("COMMENT ON DATABASE {} IS {}", quote_identifier(&reach.database), quote_literal(&marker));
        session.execute(&write).await.map_err(|error| match error.sqlstate.as_str() {
            "42501" => not_fresh(format!(
                "user {} does not own it, so that it cannot be marked",
                reach.user.as_deref().unwrap_or_default()
            )),
            _ => looked(error),
        })?;
        // Asked anew: an address that leads to one database now and to another later is no clone's.
        let mut again = Session::reader(reach, &[]).await.map_err(&looked)?;
        let found = again.query(COMMENT).await;
        again.close().await;
        if found.map_err(&looked)?.scalar() != Some(marker.as_str()) {
            return Err(not_fresh("its address leads to another database the second time".to_owned()));
        }
        if let Some(origin) = origin
            && production::comment(origin).await?.as_deref() == Some(marker.as_str())
        {
            return Err(PlaceError::Production {
                place: place.to_owned(),
                what: format!("the source itself ({origin})"),
            });
        }
        Ok(())
    }

    /// A copy for one pass.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn copy(&self, roles: &Roles) -> Result<CloneCopy, PlaceError> {
        let first = locked(&self.inner.first).take();
        let Fresh { name, reach, abilities, place } = match first {
            Some(fresh) => fresh,
            None => self.fresh().await?.0,
        };
        let refused = refused(&place, "a copy was made ready");
        let remote = Remote { reach: reach.clone(), abilities, logins: BTreeMap::new() };
        let endpoint = Endpoint::remote(remote.clone());
        let database = reach.database.clone();
        let mut session = Session::observer(&endpoint, &database, "roles").await.map_err(&refused)?;
        let mut notes = Vec::new();
        if abilities.has(Ability::Superuser) {
            let (given, not_given) = settle::give_away_of_superusers(&mut session).await.map_err(&refused)?;
            if given > 0 {
                notes.push(format!("{given} objects of superusers belong to {} on the copy", settle::DEFAULT_OWNER));
            }
            notes.extend(not_given);
        }
        let number = name.rsplit('_').next().unwrap_or_default().to_owned();
        let rules =
            Rules { run: &self.inner.run, place: &place, ours_alone: false, database: &database, number: &number };
        let Ready { logins, role, acting, notes: more } =
            logins::make_ready(&mut session, &reach, roles, &rules).await?;
        notes.extend(more);
        let before = SharedState::read(&mut session, &acting).await.map_err(&refused)?;
        session.close().await;
        let users = logins::users(&logins);
        let endpoint = Endpoint::remote(Remote { logins: logins.clone(), ..remote });
        let target =
            Target { endpoint, database, role, search_path: roles.search_path.clone(), extensions: Vec::new() };
        logins::try_out(&target, &logins, &place).await?;
        Ok(CloneCopy { clones: self.clone(), name, place, target, notes, users, acting, before })
    }

    async fn take_back(&self, name: &str) -> Result<(), PlaceError> {
        let Some((record, claimed)) = locked(&self.inner.open).remove(name) else { return Ok(()) };
        let gone = self.inner.service.destroy(&record).await;
        match gone {
            Ok(()) => {
                claimed.remove();
                Ok(())
            }
            Err(error) => {
                // Another attempt at the end of the run, and another one when the next begins.
                locked(&self.inner.open).insert(name.to_owned(), (record, claimed));
                Err(error)
            }
        }
    }

    /// Takes back everything that is still there.
    ///
    /// # Errors
    /// The first that could not be; all are tried.
    pub async fn close(&self) -> Result<(), PlaceError> {
        let names: Vec<String> = locked(&self.inner.open).keys().cloned().collect();
        let mut result = Ok(());
        for name in names {
            let gone = self.take_back(&name).await;
            result = result.and(gone);
        }
        result
    }
}

/// The comment on the database one is connected to.
pub(super) const COMMENT: &str = "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database \
     WHERE datname = pg_catalog.current_database()";

async fn facts(session: &mut Session, reach: &Reach, version: &str, number: u32) -> Result<CloneFacts, ServerError> {
    let rows = session
        .query(
            "SELECT pg_catalog.pg_database_size(pg_catalog.current_database()), \
             (SELECT coalesce(pg_catalog.sum(c.reltuples) FILTER (WHERE c.reltuples > 0), 0)::bigint \
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
              WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')",
        )
        .await?;
    let count = |column: usize| rows.rows.first().and_then(|row| row.get(column)?.as_ref()?.parse().ok()).unwrap_or(0);
    let (bytes, rows) = (count(0), count(1));
    Ok(CloneFacts {
        database: reach.database.clone(),
        version: version.to_owned(),
        major: number / 10_000,
        rows,
        bytes,
    })
}

/// Takes back clones of this service that dead runs wrote down.
async fn sweep(service: &Service, folder: &Path, tell: &mut (dyn FnMut(&str) + Send)) -> Result<(), PlaceError> {
    ClaimedFile::folder(folder).map_err(|error| PlaceError::File {
        action: "create",
        path: folder.to_owned(),
        error,
    })?;
    for claimed in ClaimedFile::of_the_dead(folder)? {
        // One that was cut off while it was written is of a clone that nobody asked for yet.
        let Some(record) = claimed.read().ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok()) else {
            claimed.remove();
            continue;
        };
        if record.service != service.identity() {
            continue;
        }
        match service.destroy(&record).await {
            Ok(()) => {
                claimed.remove();
                tell(&format!("removed a clone of an earlier run: {}", record.name));
            }
            Err(error) => tell(&format!("could not remove a clone of an earlier run, {}: {error}", record.name)),
        }
    }
    Ok(())
}

impl CloneCopy {
    /// Puts back what the migration changed beside the clone, removes what was made for it, and gives it back.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn destroy(self) -> Result<(), PlaceError> {
        let refused = refused(&self.place, "a copy was removed");
        let (endpoint, database) = (&self.target.endpoint, &self.target.database);
        let mut session = Session::observer(endpoint, database, "roles").await.map_err(&refused)?;
        let now = SharedState::read(&mut session, &self.acting).await.map_err(&refused)?;
        let told = self.before.restore(&mut session, &now).await?;
        locked(&self.clones.inner.remarks).extend(told);
        for user in &self.users {
            let user = quote_identifier(user);
            session.execute(&format!("DROP OWNED BY {user} CASCADE; DROP ROLE {user}")).await.map_err(&refused)?;
        }
        session.close().await;
        self.clones.take_back(&self.name).await
    }
}
