//! Who runs migrations and hot queries on a copy that is on a server of others.
//!
//! Where the observers are superusers, each role that something runs as gets a user made for the run, who acts as that role
//! and as nobody else. Roles that were on the server before are never touched, and on a shared server never acted as: they
//! may have rights elsewhere. Where the login is an ordinary user, everything runs as that user.

use super::PlaceError;
use super::marker::{Marker, PREFIX, now};
use super::shared::set_exactly;
use crate::copy::role;
use crate::copy::scratch::{Roles, set_as_in_production};
use crate::copy::settle::DEFAULT_OWNER;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::apply::Target;
use crate::engine::postgres::session::{Login, Reach, Session, quote_identifier, quote_literal};
use std::collections::{BTreeMap, BTreeSet};

/// What holds for a copy.
pub(super) struct Rules<'a> {
    /// The run.
    pub run: &'a str,
    /// Host and database, for people.
    pub place: &'a str,
    /// Only roles that Seatrial made may be acted as: the server has other databases.
    pub ours_alone: bool,
    /// The copy's database.
    pub database: &'a str,
    /// What tells the copy from others of the run.
    pub number: &'a str,
}

/// A copy on which everything can log in.
pub(super) struct Ready {
    /// Who logs in for a role, by role.
    pub logins: BTreeMap<String, Login>,
    /// The role migrations run as.
    pub role: String,
    /// Every role the migration may act as, the users that log in included.
    pub acting: BTreeSet<String>,
    /// What is otherwise than in production.
    pub notes: Vec<String>,
}

/// Makes roles and logins ready. The session is an observer's, connected to the copy.
///
/// # Errors
/// A role that must not be used, or what the server says.
pub(super) async fn make_ready(
    session: &mut Session,
    reach: &Reach,
    roles: &Roles,
    rules: &Rules<'_>,
) -> Result<Ready, PlaceError> {
    let refused = |error: ServerError| PlaceError::Refused {
        place: rules.place.to_owned(),
        doing: "roles were made ready",
        error: Box::new(error),
    };
    // First: who logs in for a role gets that role's settings.
    let set = set_as_in_production(session, rules.database, roles).await.map_err(Box::new)?;
    let mut ready = match session.abilities.has(Ability::Superuser) {
        true => of_superuser(session, roles, rules).await?,
        false => of_ordinary(session, reach, roles).await.map_err(refused)?,
    };
    ready.notes.extend(set);
    Ok(ready)
}

/// Everything runs as the login itself.
async fn of_ordinary(session: &mut Session, reach: &Reach, roles: &Roles) -> Result<Ready, ServerError> {
    let user = reach.user.clone().unwrap_or_default();
    let login = Login { user: user.clone(), password: reach.password.clone() };
    let mut ready = Ready {
        logins: BTreeMap::from([(user.clone(), login.clone())]),
        role: user.clone(),
        acting: BTreeSet::from([user.clone()]),
        notes: vec![format!(
            "migrations and hot queries run as {user}, the user of the server's address, with the rights that user has there"
        )],
    };
    for other in roles.requested.iter().chain(&roles.hot_queries).filter(|role| **role != user) {
        ready.notes.push(format!(
            "role {other} is not used: a user that is no superuser cannot act as others, so {user} stands in for it, and \
             row security may show other rows"
        ));
        ready.logins.insert(other.clone(), login.clone());
    }
    let forced = role::forced_row_security(session, &user).await?;
    ready.notes.extend(forced);
    Ok(ready)
}

async fn of_superuser(session: &mut Session, roles: &Roles, rules: &Rules<'_>) -> Result<Ready, PlaceError> {
    let refused = |error: ServerError| PlaceError::Refused {
        place: rules.place.to_owned(),
        doing: "roles were made ready",
        error: Box::new(error),
    };
    session.execute(super::server::QUIET_LOG).await.map_err(refused)?;
    if !rules.ours_alone {
        drop_old_users(session).await.map_err(refused)?;
    }
    let owner = session.query(role::OWNER_OF_MOST_TABLES).await.map_err(refused)?;
    let role = roles.requested.clone().or_else(|| owner.scalar().map(str::to_owned));
    let role = role.unwrap_or_else(|| DEFAULT_OWNER.to_owned());
    let mut notes = Vec::new();
    for name in std::iter::once(&role).chain(&roles.hot_queries) {
        let made = name == &role && !role::exists(session, name).await.map_err(refused)?;
        if made {
            make_role(session, name, None, "NOLOGIN").await.map_err(refused)?;
            if roles.requested.is_some() {
                notes.push(format!(
                    "role {name} is not in the source: it was made for this run, as a member of every role that owns something"
                ));
            }
        }
        may_act_as(session, name, rules).await?;
    }
    let granted = role::grant_on_a_shared_server(session, &role, rules.ours_alone).await.map_err(refused)?;
    notes.extend(granted);
    notes.extend(role::forced_row_security(session, &role).await.map_err(refused)?);
    let mut ready = Ready { logins: BTreeMap::new(), acting: BTreeSet::new(), role: role.clone(), notes };
    let acting: BTreeSet<&String> = std::iter::once(&role).chain(&roles.hot_queries).collect();
    for (index, name) in acting.into_iter().enumerate() {
        let user = user_name(rules, index);
        let password = super::random(16).map_err(refused)?;
        log_in_as(session, name, &user, &password, rules).await.map_err(refused)?;
        ready.acting.extend([name.clone(), user.clone()]);
        ready.logins.insert(name.clone(), Login { user, password: Some(password) });
    }
    Ok(ready)
}

/// The run, the copy's own number, and a number.
fn user_name(rules: &Rules<'_>, index: usize) -> String {
    format!("{PREFIX}run_{}_{}_{index}", rules.run, rules.number)
}

/// Those of the logins that were made for the run.
pub(super) fn users(logins: &BTreeMap<String, Login>) -> Vec<String> {
    let made = format!("{PREFIX}run_");
    logins.values().map(|login| &login.user).filter(|user| user.starts_with(&made)).cloned().collect()
}

/// Makes a role that carries its marker from the first moment on.
pub(in crate::copy) async fn make_role(
    session: &mut Session,
    name: &str,
    run: Option<&str>,
    attributes: &str,
) -> Result<(), ServerError> {
    let marker = Marker::Role { run: run.map(str::to_owned), made: now() };
    let (name, text) = (quote_identifier(name), quote_literal(&marker.text()));
    let made = session
        .execute(&format!("BEGIN; CREATE ROLE {name} {attributes}; COMMENT ON ROLE {name} IS {text}; COMMIT"))
        .await;
    if made.is_err() {
        session.execute("ROLLBACK").await?;
    }
    made.map(|_| ())
}

/// Names of the roles that Seatrial made for bases.
pub(in crate::copy) async fn ours(session: &mut Session) -> Result<BTreeSet<String>, ServerError> {
    let rows = session
        .query("SELECT rolname, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles WHERE oid >= 16384")
        .await?;
    let marked = |mut row: Vec<Option<String>>| {
        let comment = row.pop()?;
        let ours = matches!(Marker::read(comment.as_deref()), Some(Marker::Role { run: None, .. }));
        row.pop()?.filter(|_| ours)
    };
    Ok(rows.rows.into_iter().filter_map(marked).collect())
}

/// Users that runs which were cut off left on a server that outlives its clones: a day later nobody uses them.
async fn drop_old_users(session: &mut Session) -> Result<(), ServerError> {
    let rows = session
        .query("SELECT rolname, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles WHERE oid >= 16384")
        .await?;
    for row in rows.rows {
        let [Some(name), Some(comment)] = row.as_slice() else { continue };
        let Some(Marker::Role { run: Some(_), made }) = Marker::read(Some(comment)) else { continue };
        if made + 24 * 60 * 60 > now() {
            continue;
        }
        match session.execute(&format!("DROP ROLE {}", quote_identifier(name))).await {
            // A clone that is still there needs it.
            Err(error) if error.sqlstate == "2BP01" => {}
            dropped => drop(dropped?),
        }
    }
    Ok(())
}

async fn may_act_as(session: &mut Session, name: &str, rules: &Rules<'_>) -> Result<(), PlaceError> {
    let no = |why: String| PlaceError::Role { role: name.to_owned(), why };
    let refused = |error: ServerError| PlaceError::Refused {
        place: rules.place.to_owned(),
        doing: "roles were made ready",
        error: Box::new(error),
    };
    if name.starts_with("pg_") || ["public", "none", ""].contains(&name) {
        return Err(no(
            "cannot run migrations or queries: name an ordinary role of the source, or leave --role out".into()
        ));
    }
    let found = session
        .query(&format!(
            "SELECT rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = {}",
            quote_literal(name)
        ))
        .await
        .map_err(refused)?;
    match found.scalar() {
        None => return Err(no("does not exist in the source".to_owned())),
        Some("f") => {}
        Some(_) => {
            return Err(no(format!("has special rights on {}: nothing is ever run as such a role", rules.place)));
        }
    }
    let beyond = beyond_itself(session, name, rules).await.map_err(refused)?;
    if let Some(other) = beyond {
        return Err(no(format!(
            "is a member of {other} on {}, and so has rights there beyond the copy: nothing is run as such a role",
            rules.place
        )));
    }
    if rules.ours_alone && !ours(session).await.map_err(refused)?.contains(name) {
        return Err(no(format!(
            "was on {} already, and may have rights in other databases there: nothing is run as it; name another role, \
             or use a server of its own",
            rules.place
        )));
    }
    Ok(())
}

/// A role that this one can become and that has rights beyond the copy: on a shared server any that Seatrial did not make, on
/// a clone one with special rights.
async fn beyond_itself(session: &mut Session, name: &str, rules: &Rules<'_>) -> Result<Option<String>, ServerError> {
    let reachable = session
        .query(&format!(
            "SELECT rolname, rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls \
             OR rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files') \
             FROM pg_catalog.pg_roles WHERE rolname <> {name} AND pg_catalog.pg_has_role({name}, oid, 'MEMBER')",
            name = quote_literal(name)
        ))
        .await?;
    let ours = if rules.ours_alone { ours(session).await? } else { BTreeSet::new() };
    let beyond = reachable.rows.into_iter().find_map(|mut row| {
        let special = row.pop()?.as_deref() == Some("t");
        row.pop()?.filter(|other| special || rules.ours_alone && !ours.contains(other))
    });
    Ok(beyond)
}

/// A user that logs in and is `role` from then on, with the settings that role has.
async fn log_in_as(
    session: &mut Session,
    role: &str,
    user: &str,
    password: &str,
    rules: &Rules<'_>,
) -> Result<(), ServerError> {
    let number = session.query("SHOW server_version_num").await?;
    let number: u32 = number.scalar().and_then(|number| number.parse().ok()).unwrap_or_default();
    let attributes = format!(
        "LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS",
        quote_literal(password)
    );
    make_role(session, user, Some(rules.run), &attributes).await?;
    let (quoted, database) = (quote_identifier(user), quote_identifier(rules.database));
    let with = if number >= 160_000 { " WITH INHERIT TRUE, SET TRUE" } else { "" };
    session
        .execute(&format!(
            "GRANT {} TO {quoted}{with}; GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {quoted}",
            quote_identifier(role)
        ))
        .await?;
    // Weakest first, so that the strongest is the one that stays.
    let settings = session
        .query(&format!(
            "SELECT unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s \
             WHERE s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {}) \
               AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = {})) \
             ORDER BY s.setdatabase <> 0",
            quote_literal(role),
            quote_literal(rules.database)
        ))
        .await?;
    let whose = format!("ROLE {quoted} IN DATABASE {database}");
    for setting in settings.rows.into_iter().flatten().flatten() {
        let (name, value) = setting.split_once('=').unwrap_or((&setting, ""));
        set_exactly(session, &whose, name, value).await?;
    }
    session.execute(&format!("ALTER {whose} SET role = {}", quote_literal(role))).await?;
    Ok(())
}

/// Whether everybody is let in: better known now than in the middle of a pass.
///
/// # Errors
/// Who is not.
pub(super) async fn try_out(target: &Target, logins: &BTreeMap<String, Login>, place: &str) -> Result<(), PlaceError> {
    for role in logins.keys() {
        let not_let_in = |error: ServerError| PlaceError::NotLetIn { place: place.to_owned(), error: Box::new(error) };
        target.session_as(role, "roles").await.map_err(not_let_in)?.close().await;
    }
    Ok(())
}
