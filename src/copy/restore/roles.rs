//! Roles a dump speaks of: made as far as a copy allows, and superusers only while what they own is made.

use super::{RestoreError, Restoring};
use crate::copy::policy::RoleDefinition;
use crate::engine::postgres::server::SUPERUSER;
use crate::engine::postgres::session::quote_identifier;

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
}
