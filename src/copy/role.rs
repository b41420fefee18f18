//! Whom migrations and hot queries run as: the roles of production, without what would let them out of the copy.

use crate::copy::settle::DEFAULT_OWNER;
use crate::engine::ServerError;
use crate::engine::postgres::server::SUPERUSER;
use crate::engine::postgres::session::{Session, quote_identifier, quote_literal};
use thiserror::Error;

/// The role migrations run as, ready on this copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedRole {
    /// Its name.
    pub role: String,
    /// What could not be given to it.
    pub notes: Vec<String>,
}

/// Why a role cannot be used.
#[derive(Debug, Error)]
pub enum RoleError {
    /// The bootstrap superuser, or one of PostgreSQL's own.
    #[error("role {role} cannot run migrations or queries: name an ordinary role of the source, or leave --role out")]
    Reserved {
        /// The role asked for.
        role: String,
    },
    /// A hot query names a role that is not there.
    #[error("role {role} does not exist in the source: known are {known}", known = known.join(", "))]
    Missing {
        /// The role asked for.
        role: String,
        /// The roles there are.
        known: Vec<String>,
    },
    /// The server refused.
    #[error("cannot prepare role {role}: {error}")]
    Server {
        /// The role; empty while it is being chosen.
        role: String,
        /// The server's answer.
        error: Box<ServerError>,
    },
}

/// The owner of most tables, what extensions brought left out.
pub(super) const OWNER_OF_MOST_TABLES: &str = "
SELECT r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384 AND c.relowner <> 10 AND NOT r.rolsuper
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY r.rolname ORDER BY count(*) DESC, r.rolname LIMIT 1";

/// Every role that owns something in this database, and the owner of the database itself.
const OWNERS: &str = "
SELECT r.rolname FROM pg_roles r
WHERE r.oid >= 16384 AND (
    r.oid IN (SELECT refobjid FROM pg_shdepend WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass
              AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
    OR r.oid = (SELECT datdba FROM pg_database WHERE datname = current_database()))
ORDER BY 1";

/// Schemas of the source (`public` included) where a role may not both look up and create.
const CLOSED_SCHEMAS: &str = "
SELECT n.nspname FROM pg_namespace n
WHERE (n.oid >= 16384 OR n.nspname = 'public') AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
  AND NOT (has_schema_privilege($role, n.oid, 'USAGE') AND has_schema_privilege($role, n.oid, 'CREATE'))
ORDER BY 1";

/// Tables whose owners are bound by row security as well.
const FORCED_ROW_SECURITY: &str = "
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND c.relforcerowsecurity AND c.oid >= 16384 ORDER BY 1";

/// Makes the role migrations run as ready on a copy: `requested`, else the owner of most tables, else a plain role made
/// for it. It may log in, is a member of every owning role, owns a database nobody owned, and may create in the
/// database and its schemas. It is no superuser and can make no roles. The session is the bootstrap superuser's,
/// connected to the copy.
///
/// # Errors
/// A role that must not be used, or what the server says.
pub async fn prepare_roles(session: &mut Session, requested: Option<&str>) -> Result<PreparedRole, RoleError> {
    let role = match requested {
        Some(role) => role.to_owned(),
        None => {
            let owner = session.query(OWNER_OF_MOST_TABLES).await.map_err(refused(""))?;
            owner.scalar().unwrap_or(DEFAULT_OWNER).to_owned()
        }
    };
    refuse_reserved(&role)?;
    let mut prepared = PreparedRole { role: role.clone(), notes: Vec::new() };
    // A slip of the pen, or a dump made without owners: only whoever typed it can tell.
    if requested.is_some() && !exists(session, &role).await.map_err(refused(&role))? {
        prepared.notes.push(format!(
            "role {role} is not in the source: it was made for this run, as a member of every role that owns something"
        ));
    }
    grant_what_owners_have(session, &mut prepared).await.map_err(refused(&role))?;
    prepared.notes.extend(forced_row_security(session, &role).await.map_err(refused(&role))?);
    Ok(prepared)
}

/// What is granted on a server of others, where the database belongs to the observer: rights within the copy, and to roles
/// that Seatrial made (`ours`) each other's, as on a server of its own. A clone has production's memberships.
///
/// # Errors
/// What the server says.
pub(super) async fn grant_on_a_shared_server(
    session: &mut Session,
    role: &str,
    ours: bool,
) -> Result<Vec<String>, ServerError> {
    let mut prepared = PreparedRole { role: role.to_owned(), notes: Vec::new() };
    if ours {
        session.execute(&format!("ALTER ROLE {} INHERIT", quote_identifier(role))).await?;
        let known = super::provider::ours(session).await?;
        let owners = column(session, OWNERS).await?.into_iter().filter(|owner| known.contains(owner)).collect();
        grant_owners(session, &mut prepared, owners).await?;
    }
    grant_within(session, role).await?;
    Ok(prepared.notes)
}

/// Says so where the role may meet fewer rows than production's: whoever migrates there may be above row security.
pub(super) async fn forced_row_security(session: &mut Session, role: &str) -> Result<Option<String>, ServerError> {
    let forced = column(session, FORCED_ROW_SECURITY).await?;
    let more = match forced.len() {
        0 => return Ok(None),
        1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    Ok(Some(format!(
        "row security is forced on {}{more}: as in production, role {role} meets only the rows its policies show; a \
         superuser, or a role with BYPASSRLS, would meet all",
        forced[0]
    )))
}

/// Lets a role that hot queries name log in on a copy, as no superuser.
///
/// # Errors
/// The role does not exist or must not be used, or what the server says.
pub async fn prepare_login(session: &mut Session, role: &str) -> Result<(), RoleError> {
    refuse_reserved(role)?;
    if !exists(session, role).await.map_err(refused(role))? {
        let known = session
            .query("SELECT rolname FROM pg_roles WHERE oid >= 16384 ORDER BY 1")
            .await
            .map_err(refused(role))?
            .rows
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        return Err(RoleError::Missing { role: role.to_owned(), known });
    }
    confine(session, role).await.map_err(refused(role))
}

fn refused(role: &str) -> impl Fn(ServerError) -> RoleError {
    move |error| RoleError::Server { role: role.to_owned(), error: Box::new(error) }
}

fn refuse_reserved(role: &str) -> Result<(), RoleError> {
    let reserved =
        role == SUPERUSER || role.starts_with("pg_") || role == "public" || role == "none" || role.is_empty();
    if reserved { Err(RoleError::Reserved { role: role.to_owned() }) } else { Ok(()) }
}

/// Whether there is a role of this name.
///
/// # Errors
/// What the server says.
pub async fn exists(session: &mut Session, role: &str) -> Result<bool, ServerError> {
    let found = session.query(&format!("SELECT 1 FROM pg_roles WHERE rolname = {}", quote_literal(role))).await?;
    Ok(!found.rows.is_empty())
}

async fn confine(session: &mut Session, role: &str) -> Result<(), ServerError> {
    let role = quote_identifier(role);
    session
        .execute(&format!("ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS"))
        .await
        .map(|_| ())
}

async fn grant_what_owners_have(session: &mut Session, prepared: &mut PreparedRole) -> Result<(), ServerError> {
    let role = quote_identifier(&prepared.role);
    if !exists(session, &prepared.role).await? {
        session.execute(&format!("CREATE ROLE {role}")).await?;
    }
    confine(session, &prepared.role).await?;
    // Up to 15 a member uses what it was given only if it inherits; from 16 each membership says so.
    session.execute(&format!("ALTER ROLE {role} INHERIT")).await?;
    let owned_by_nobody = "SELECT 1 FROM pg_database WHERE datname = current_database() AND datdba = 10";
    if !session.query(owned_by_nobody).await?.rows.is_empty() {
        let name = session.query("SELECT current_database()").await?;
        let database = quote_identifier(name.scalar().unwrap_or_default());
        session.execute(&format!("ALTER DATABASE {database} OWNER TO {role}")).await?;
    }
    let owners = column(session, OWNERS).await?;
    grant_owners(session, prepared, owners).await?;
    grant_within(session, &prepared.role).await
}

/// Makes the role a member of each of these.
async fn grant_owners(
    session: &mut Session,
    prepared: &mut PreparedRole,
    owners: Vec<String>,
) -> Result<(), ServerError> {
    let role = quote_identifier(&prepared.role);
    let number = session.query("SHOW server_version_num").await?;
    let with = match number.scalar().and_then(|number| number.parse::<u32>().ok()) {
        Some(160_000..) => " WITH INHERIT TRUE, SET TRUE",
        _ => "",
    };
    for owner in owners {
        if owner == prepared.role {
            continue;
        }
        let granted = session.execute(&format!("GRANT {} TO {role}{with}", quote_identifier(&owner))).await;
        match granted {
            Ok(_) => {}
            // Membership in a circle: that role is already a member of this one.
            Err(error) if error.sqlstate == "0LP01" => prepared.notes.push(format!(
                "role {} cannot become a member of {owner}, which is a member of it: what {owner} owns may be refused",
                prepared.role
            )),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What the role gets in the copy itself: the database, and its schemas.
async fn grant_within(session: &mut Session, name: &str) -> Result<(), ServerError> {
    let role = quote_identifier(name);
    let database = session.query("SELECT current_database()").await?;
    let database = quote_identifier(database.scalar().unwrap_or_default());
    session.execute(&format!("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {role}")).await?;
    let closed = CLOSED_SCHEMAS.replace("$role", &quote_literal(name));
    for schema in column(session, &closed).await? {
        session.execute(&format!("GRANT USAGE, CREATE ON SCHEMA {} TO {role}", quote_identifier(&schema))).await?;
    }
    Ok(())
}

async fn column(session: &mut Session, sql: &str) -> Result<Vec<String>, ServerError> {
    Ok(session.query(sql).await?.rows.into_iter().flatten().flatten().collect())
}
