//! Roles, memberships, settings and the database itself.

use super::cursor::Cursor;
use super::each;
use super::server::Server;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::net::FIRST_NORMAL_OID;
use crate::snapshot::shared::{Database, Membership, Role, Scope, Shared};

pub(super) async fn read_shared(server: &mut Server<'_>, catalog: &mut Catalog) -> Result<(), ServerError> {
    let shared = &mut catalog.shared;
    // On a server of others they change roles while we look, and a migration there may not: see `copy/provider/shared.rs`.
    let mine = server.abilities().has(Ability::PrivateServer);
    if mine {
        read_roles(server, shared, catalog.version).await?;
    }
    let everywhere = if mine { "0, " } else { "" };
    let rows = server
        .read(&format!(
            "SELECT CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END, s.setdatabase <> 0, unnest(s.setconfig) \
             FROM pg_db_role_setting s \
             WHERE s.setdatabase IN ({everywhere}(SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))"
        ))
        .await?;
    each(rows, |row| {
        let scope = Scope { role: row.optional(), in_database: row.flag() };
        let setting = row.text();
        let (name, value) = setting.split_once('=').unwrap_or((&setting, ""));
        shared.settings.entry(scope).or_default().insert(name.to_owned(), value.to_owned());
        Ok(())
    })?;
    let rows = server
        .read(
            "SELECT pg_get_userbyid(d.datdba), array_to_string(coalesce(d.datacl, acldefault('d', d.datdba)), E'\\x1f'), \
             d.datconnlimit, shobj_description(d.oid, 'pg_database') FROM pg_database d \
             WHERE d.datname = current_database()",
        )
        .await?;
    each(rows, |row| {
        let (owner, acl) = (row.text(), row.sorted_list());
        shared.database = Database { owner, acl, connection_limit: row.number()?, comment: row.optional() };
        Ok(())
    })
}

async fn read_roles(server: &mut Server<'_>, shared: &mut Shared, version: u32) -> Result<(), ServerError> {
    let rows = server
        .read(&format!(
            "SELECT r.oid, r.rolname, concat_ws(E'\\x1f', \
               CASE WHEN r.rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END, \
               CASE WHEN r.rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, \
               CASE WHEN r.rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, \
               CASE WHEN r.rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END, \
               CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, \
               CASE WHEN r.rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END, \
               CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END, \
               'CONNECTION LIMIT ' || r.rolconnlimit, \
               'VALID UNTIL ' || quote_literal(coalesce(r.rolvaliduntil, 'infinity'))), \
             md5(r.rolpassword), shobj_description(r.oid, 'pg_authid') \
             FROM pg_authid r WHERE r.oid >= {FIRST_NORMAL_OID}"
        ))
        .await?;
    each(rows, |row: &mut Cursor| {
        let (oid, name) = (row.number()?, row.text());
        let attributes = row.list().into_iter().collect();
        shared.roles.insert(oid, Role { name, attributes, password: row.optional(), comment: row.optional() });
        Ok(())
    })?;
    let later = if version >= 160_000 { "m.inherit_option, m.set_option" } else { "NULL, NULL" };
    let rows = server
        .read(&format!(
            "SELECT pg_get_userbyid(m.roleid), pg_get_userbyid(m.member), pg_get_userbyid(m.grantor), m.admin_option, \
             {later} FROM pg_auth_members m WHERE m.roleid >= {FIRST_NORMAL_OID} OR m.member >= {FIRST_NORMAL_OID}"
        ))
        .await?;
    each(rows, |row| {
        let (role, member, grantor) = (row.text(), row.text(), row.text());
        let mut options = vec![("ADMIN".to_owned(), row.flag())];
        for word in ["INHERIT", "SET"] {
            options.extend(row.optional().map(|given| (word.to_owned(), given == "t")));
        }
        shared.memberships.insert(Membership { role, member, grantor, options });
        Ok(())
    })?;
    Ok(())
}
