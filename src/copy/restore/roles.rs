//! Roles a dump speaks of: which are made, as far as a copy allows, and superusers only while what they own is made.

use super::{RestoreError, Restoring};
use crate::copy::policy::RoleDefinition;
use crate::copy::provider;
use crate::engine::postgres::server::SUPERUSER;
use crate::engine::postgres::session::quote_identifier;
use std::collections::BTreeSet;

/// Which of the dump's roles are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RoleRule {
    /// All of them.
    All,
    /// Those that are missing; only these, which Seatrial made now or before, are changed.
    Ours(BTreeSet<String>),
    /// None.
    None,
}

impl Restoring {
    /// `pg_dump --use-set-session-authorization` makes each object as its owner, who on a fresh server has no rights
    /// yet: until the end of restoring it has all.
    pub(super) async fn elevate(&mut self, role: String) -> Result<(), RestoreError> {
        self.define_role(RoleDefinition { name: role.clone(), ..Default::default() }).await?;
        if role != SUPERUSER && !self.elevated.contains(&role) {
            let session = if self.in_transaction { &mut self.session } else { &mut self.admin };
            session.execute(&format!("ALTER ROLE {} SUPERUSER", quote_identifier(&role))).await?;
            self.elevated.insert(role);
        }
        Ok(())
    }

    pub(super) async fn define_role(&mut self, role: RoleDefinition) -> Result<(), RestoreError> {
        if role.name.starts_with("pg_") || role.name == SUPERUSER || role.name.is_empty() {
            return Ok(());
        }
        if self.rule != RoleRule::All {
            return self.define_role_elsewhere(role).await;
        }
        if !role.left_out.is_empty() {
            self.left_out.entry(role.name.clone()).or_default().extend(role.left_out);
        }
        let name = quote_identifier(&role.name);
        let mut statements = Vec::new();
        for other in std::iter::once(&role.name).chain(&role.member_of).chain(&role.members) {
            if !other.starts_with("pg_") && self.known_roles.insert(other.clone()) {
                statements.push(format!("CREATE ROLE {} NOLOGIN", quote_identifier(other)));
                self.outcome.created_roles.push(other.clone());
            }
        }
        let attribute = |value: Option<bool>, on, off| value.map(|value| if value { on } else { off });
        for attribute in [attribute(role.login, "LOGIN", "NOLOGIN"), attribute(role.inherit, "INHERIT", "NOINHERIT")] {
            statements.extend(attribute.map(|attribute| format!("ALTER ROLE {name} {attribute}")));
        }
        statements.extend(role.member_of.iter().map(|of| format!("GRANT {} TO {name}", quote_identifier(of))));
        statements.extend(role.members.iter().map(|member| format!("GRANT {name} TO {}", quote_identifier(member))));
        for statement in statements {
            // Quoted names in statements of our own: a refusal means that the server itself is in trouble.
            // Inside a transaction only what it does itself is certain to be seen by it.
            let session = if self.in_transaction { &mut self.session } else { &mut self.admin };
            session.execute(&statement).await?;
        }
        Ok(())
    }

    /// On a server of others: made if it is missing, and changed only if it was made for a dump.
    async fn define_role_elsewhere(&mut self, role: RoleDefinition) -> Result<(), RestoreError> {
        let RoleRule::Ours(ours) = &mut self.rule else { return Ok(()) };
        // Each in a transaction of its own, with its marker: not in one that the dump has open.
        let session = &mut self.admin;
        for name in std::iter::once(&role.name).chain(&role.member_of).chain(&role.members) {
            if !name.starts_with("pg_") && self.known_roles.insert(name.clone()) {
                let name = name.clone();
                provider::make_role(session, &name, None, "NOLOGIN").await?;
                ours.insert(name.clone());
                self.outcome.created_roles.push(name);
            }
        }
        if !self.outcome.created_roles.contains(&role.name) {
            if !ours.contains(&role.name) {
                let warning = format!("role {} was on the server before: it owns nothing on the copy", role.name);
                self.warn(Some(warning));
            }
            return Ok(());
        }
        let memberships = role.member_of.iter().map(|of| (of, &role.name));
        let memberships = memberships.chain(role.members.iter().map(|member| (&role.name, member)));
        for (of, member) in memberships.filter(|(of, member)| ours.contains(*of) && ours.contains(*member)) {
            let grant = format!("GRANT {} TO {}", quote_identifier(of), quote_identifier(member));
            session.execute(&grant).await?;
        }
        Ok(())
    }
}
