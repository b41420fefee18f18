//! Roles of a copied cluster: none of them may do more than one of a restored dump, and what the bootstrap superuser owned
//! and was belongs to an ordinary role of its name.

use super::{Found, column};
use crate::copy::policy::{self, DANGEROUS_ROLES};
use crate::copy::restore::RestoreOutcome;
use crate::copy::role;
use crate::copy::settle::{DEFAULT_OWNER, give_away_unowned};
use crate::engine::ServerError;
use crate::engine::postgres::server::SUPERUSER;
use crate::engine::postgres::session::{Session, quote_identifier, quote_literal};

/// What a bootstrap superuser is, besides its password.
const ALL_ATTRIBUTES: [&str; 5] = ["BYPASSRLS", "CREATEDB", "CREATEROLE", "REPLICATION", "SUPERUSER"];

/// Roles with attributes that they may not have on a copy.
const ATTRIBUTES: &str = "
SELECT rolname, concat_ws(',',
    CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
    CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolpassword IS NOT NULL THEN 'PASSWORD' END,
    CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolsuper THEN 'SUPERUSER' END)
FROM pg_authid WHERE oid >= 16384 ORDER BY 1";

/// How many sessions production allows, and until when, must not keep ours out.
const CONFINE: &str = "
UPDATE pg_authid SET rolsuper = false, rolcreaterole = false, rolcreatedb = false, rolreplication = false,
    rolbypassrls = false, rolpassword = NULL, rolconnlimit = -1, rolvaliduntil = NULL
WHERE oid >= 16384";

/// Makes the roles harmless. The session is the bootstrap superuser's, in the database that stays.
pub(super) async fn tame(
    session: &mut Session,
    found: &Found,
    outcome: &mut RestoreOutcome,
) -> Result<(), ServerError> {
    for row in session.query(ATTRIBUTES).await?.rows {
        if let [Some(role), Some(attributes)] = row.as_slice()
            && !attributes.is_empty()
        {
            outcome.warnings.push(policy::attributes_left_out(role, attributes.split(',')));
        }
    }
    session.execute(CONFINE).await?;
    // A cluster of our own making has no other name to give.
    let renamed = found.superuser != SUPERUSER;
    let owner = if renamed { found.superuser.as_str() } else { DEFAULT_OWNER };
    if renamed {
        let mut attributes = ALL_ATTRIBUTES.to_vec();
        attributes.extend(found.password.then_some("PASSWORD"));
        attributes.sort_unstable();
        outcome.warnings.push(policy::attributes_left_out(owner, attributes));
    }
    if !role::exists(session, owner).await? {
        session.execute(&format!("CREATE ROLE {} LOGIN INHERIT", quote_identifier(owner))).await?;
    }
    move_memberships(session, owner, outcome).await?;
    move_settings(session, owner).await?;
    give_everything(session, owner, outcome).await
}

/// Memberships of the bootstrap superuser become those of the role that bears its name, and the dangerous ones nobody's.
async fn move_memberships(session: &mut Session, owner: &str, outcome: &mut RestoreOutcome) -> Result<(), ServerError> {
    let number = session.query("SHOW server_version_num").await?;
    // Since 16 a membership is revoked only for whoever granted it.
    let by_grantor = number.scalar().and_then(|number| number.parse::<u32>().ok()).is_some_and(|it| it >= 160_000);
    let dangerous = DANGEROUS_ROLES.map(quote_literal).join(", ");
    let memberships = format!(
        "SELECT r.rolname, m.rolname, g.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid \
         JOIN pg_roles m ON m.oid = a.member LEFT JOIN pg_roles g ON g.oid = a.grantor \
         WHERE r.rolname IN ({dangerous}) OR a.member = 10 OR a.roleid = 10 ORDER BY 1, 2, 3"
    );
    for row in session.query(&memberships).await?.rows {
        let [Some(role), Some(member), grantor] = row.as_slice() else { continue };
        let grantor = grantor.as_ref().filter(|_| by_grantor);
        let by = grantor.map(|grantor| format!(" GRANTED BY {}", quote_identifier(grantor))).unwrap_or_default();
        let quoted = [role, member].map(|name| quote_identifier(name));
        session.execute(&format!("REVOKE {} FROM {}{by} CASCADE", quoted[0], quoted[1])).await?;
        let ours = |name: &str| quote_identifier(if name == SUPERUSER { owner } else { name });
        if DANGEROUS_ROLES.contains(&role.as_str()) && role != SUPERUSER {
            let warning = policy::membership_left_out(role);
            if !outcome.warnings.contains(&warning) {
                outcome.warnings.push(warning);
            }
        } else if let Err(error) = session.execute(&format!("GRANT {} TO {}", ours(role), ours(member))).await {
            outcome.warnings.push(format!("membership of {member} in {role} left out: {error}"));
        }
    }
    Ok(())
}

/// What was set for the bootstrap superuser, and what it grants by default on what it makes.
async fn move_settings(session: &mut Session, owner: &str) -> Result<(), ServerError> {
    let oid = format!("(SELECT oid FROM pg_roles WHERE rolname = {})", quote_literal(owner));
    // In an item of an access list a name is quoted as an identifier is, and in what replaces a pattern a backslash is special.
    let quoted = quote_identifier(owner).replace('\\', "\\\\");
    let (grantee, grantor) = (quote_literal(&format!("{quoted}=")), quote_literal(&format!("/{quoted}")));
    session
        .execute(&format!(
            "UPDATE pg_db_role_setting SET setrole = {oid} WHERE setrole = 10; \
             UPDATE pg_user_mapping SET umuser = {oid} WHERE umuser = 10; \
             UPDATE pg_default_acl SET defaclrole = {oid}, defaclacl = ARRAY(SELECT regexp_replace(regexp_replace( \
                 item::text, '^{SUPERUSER}=', {grantee}), '/{SUPERUSER}$', {grantor})::aclitem FROM unnest(defaclacl) AS u (item)) \
             WHERE defaclrole = 10; \
             INSERT INTO pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype) \
             SELECT b.oid, 'pg_default_acl'::regclass, d.oid, 0, 'pg_authid'::regclass, d.defaclrole, 'o' \
             FROM pg_default_acl d JOIN pg_database b ON b.datname = current_database() \
             WHERE d.defaclrole = {oid} AND NOT EXISTS (SELECT FROM pg_shdepend s \
                 WHERE s.dbid = b.oid AND s.classid = 'pg_default_acl'::regclass AND s.objid = d.oid AND s.deptype = 'o')"
        ))
        .await
        .map(|_| ())
}

/// What the bootstrap superuser owned, of what a system does not need itself.
async fn give_everything(session: &mut Session, owner: &str, outcome: &mut RestoreOutcome) -> Result<(), ServerError> {
    let (given, refused) = give_away_unowned(session, owner).await?;
    outcome.notes.push(format!(
        "role {owner} stands for the superuser of the source and is an ordinary role: {given} objects belong to it"
    ));
    outcome.warnings.extend(refused);
    let name = quote_identifier(owner);
    // Before 15, `public` is the bootstrap superuser's, and has a number of the system's own.
    let public = "SELECT nspname FROM pg_namespace WHERE nspname = 'public' AND nspowner = 10";
    for schema in column(session, public).await? {
        session.execute(&format!("ALTER SCHEMA {} OWNER TO {name}", quote_identifier(&schema))).await?;
    }
    let database = "SELECT datname FROM pg_database WHERE datname = current_database() AND datdba = 10";
    for database in column(session, database).await? {
        session.execute(&format!("ALTER DATABASE {} OWNER TO {name}", quote_identifier(&database))).await?;
    }
    Ok(())
}
