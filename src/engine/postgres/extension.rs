//! Extensions that only a superuser may create, created by a migration all the same, as production's runner would.

use super::apply::Target;
use super::session::{Session, quote_identifier};
use crate::copy::policy::created_extension;
use crate::engine::ServerError;

/// The migration's role, a superuser for one `CREATE EXTENSION` whose extension the project named. Neither a statement of
/// our own in its place nor one before it: the migration's own runs, where it stands and in its transaction.
pub(super) struct Allowed {
    superuser: Session,
    role: String,
}

impl Allowed {
    /// Gives the rights, if this is such a statement.
    ///
    /// # Errors
    /// What the server says.
    pub async fn to_create(target: &Target, sql: &str) -> Result<Option<Self>, ServerError> {
        if !created_extension(sql).is_some_and(|extension| target.extensions.contains(&extension)) {
            return Ok(None);
        }
        let role = quote_identifier(&target.role);
        let mut superuser = Session::observer(&target.endpoint, &target.database, "extensions").await?;
        superuser.execute(&format!("ALTER ROLE {role} SUPERUSER")).await?;
        Ok(Some(Self { superuser, role }))
    }

    /// Takes them away again.
    ///
    /// # Errors
    /// What the server says.
    pub async fn no_more(mut self) -> Result<(), ServerError> {
        self.superuser.execute(&format!("ALTER ROLE {} NOSUPERUSER", self.role)).await?;
        self.superuser.close().await;
        Ok(())
    }
}
