//! What all databases of a server share, and the database itself: what a migration can change outside its own schema.

use super::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// Roles, memberships, settings, and what the database is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared {
    /// By `pg_authid.oid`, the server's own left out.
    pub roles: BTreeMap<Oid, Role>,
    /// `pg_auth_members`.
    pub memberships: BTreeSet<Membership>,
    /// `pg_db_role_setting`: value by name.
    pub settings: BTreeMap<Scope, BTreeMap<String, String>>,
    /// The row of `pg_database`.
    pub database: Database,
}

/// A row of `pg_authid`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// Name, unquoted.
    pub name: String,
    /// `ALTER ROLE`'s words for what it may do, such as `LOGIN` and `NOCREATEDB`; with `CONNECTION LIMIT` and
    /// `VALID UNTIL`.
    pub attributes: BTreeSet<String>,
    /// Digest of its password, as it is stored: only good for telling whether it is another.
    pub password: Option<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// A row of `pg_auth_members`, by names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// The role one is a member of.
    pub role: String,
    /// The member.
    pub member: String,
    /// Who granted it.
    pub grantor: String,
    /// `WITH ADMIN OPTION`, and from version 16 on `INHERIT` and `SET`: word and whether it is given.
    pub options: Vec<(String, bool)>,
}

/// Whom a setting is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// A role, or everybody.
    pub role: Option<String>,
    /// In this database alone.
    pub in_database: bool,
}

/// A row of `pg_database`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Owner's name.
    pub owner: String,
    /// Effective privileges, sorted.
    pub acl: Vec<String>,
    /// `datconnlimit`.
    pub connection_limit: i32,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}
