//! What all databases of a server share, before a pass and after it: what the migration changed there is put back, since
//! the next pass, and everybody else, would meet it.
//!
//! Its role makes no roles and gives no memberships; what is left to it are settings of the roles it acts as.

use super::PlaceError;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Session, quote_identifier, quote_literal};
use std::collections::{BTreeMap, BTreeSet};

/// Whose settings they are: the role, and the database if they are for one.
type Whose = (String, Option<String>);

/// Settings of roles and databases, and the databases there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SharedState {
    /// Of the roles the migration may act as: value by name, as `pg_db_role_setting` has them.
    settings: BTreeMap<Whose, BTreeMap<String, String>>,
    /// Databases of the login's, its copies left out.
    databases: BTreeSet<String>,
}

/// Settings of these roles in databases other than the copy itself.
const SETTINGS: &str = "
SELECT r.rolname, d.datname, unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE r.rolname IN ($roles) AND d.datname IS DISTINCT FROM pg_catalog.current_database()";

/// Databases that a role of these owns.
const DATABASES: &str = "
SELECT d.datname FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
WHERE r.rolname IN ($roles) AND d.datname !~ '^seatrial_run_'";

impl SharedState {
    /// Reads it, for these roles. The session is connected to the copy.
    pub(super) async fn read(session: &mut Session, roles: &BTreeSet<String>) -> Result<Self, ServerError> {
        let roles: Vec<String> = roles.iter().map(|role| quote_literal(role)).collect();
        // A list must not be empty; nobody has this name.
        let roles = if roles.is_empty() { "''".to_owned() } else { roles.join(", ") };
        let mut state = Self::default();
        for row in session.query(&SETTINGS.replace("$roles", &roles)).await?.rows {
            let [Some(role), database, Some(setting)] = row.as_slice() else { continue };
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            let whose = (role.clone(), database.clone());
            state.settings.entry(whose).or_default().insert(name.to_owned(), value.to_owned());
        }
        let databases = session.query(&DATABASES.replace("$roles", &roles)).await?;
        state.databases = databases.rows.into_iter().flatten().flatten().collect();
        Ok(state)
    }

    /// Puts back what is otherwise `now`; a line for each thing that was, or that somebody has to look at.
    pub(super) async fn restore(&self, session: &mut Session, now: &Self) -> Result<Vec<String>, PlaceError> {
        let mut told = Vec::new();
        let whose: BTreeSet<&Whose> = self.settings.keys().chain(now.settings.keys()).collect();
        for (role, database) in whose.into_iter().filter(|whose| self.settings.get(whose) != now.settings.get(whose)) {
            let before = self.settings.get(&(role.clone(), database.clone()));
            let result = put_back(session, role, database.as_deref(), before).await;
            let place = database.as_ref().map_or_else(String::new, |name| format!(" in database {name}"));
            told.push(match result {
                Ok(()) => format!(
                    "the migration changed settings of role {role}{place} on the server of the copies: put back"
                ),
                Err(error) => format!(
                    "settings of role {role}{place} on the server of the copies changed while the migration ran, and \
                     could not be put back: {error}"
                ),
            });
        }
        for name in now.databases.difference(&self.databases) {
            told.push(format!(
                "database {name} came up on the server of the copies while the migration ran: look whether it is the \
                 migration's, and drop it if so"
            ));
        }
        for name in self.databases.difference(&now.databases) {
            told.push(format!("database {name} of the server of the copies was dropped while the migration ran"));
        }
        Ok(told)
    }
}

async fn put_back(
    session: &mut Session,
    role: &str,
    database: Option<&str>,
    before: Option<&BTreeMap<String, String>>,
) -> Result<(), ServerError> {
    let place = database.map_or_else(String::new, |name| format!(" IN DATABASE {}", quote_identifier(name)));
    let whose = format!("ROLE {}{place}", quote_identifier(role));
    session.execute(&format!("ALTER {whose} RESET ALL")).await?;
    for (name, value) in before.into_iter().flatten() {
        set_exactly(session, &whose, name, value).await?;
    }
    Ok(())
}

/// `ALTER whose SET name`, to the very text the server has for it: lists of names cannot be written as one literal.
///
/// # Errors
/// What the server says.
pub(super) async fn set_exactly(
    session: &mut Session,
    whose: &str,
    name: &str,
    value: &str,
) -> Result<(), ServerError> {
    let quoted = quote_identifier(name);
    let (name, value) = (quote_literal(name), quote_literal(value));
    let set = session
        .execute(&format!(
            "BEGIN; SELECT pg_catalog.set_config({name}, {value}, true); ALTER {whose} SET {quoted} FROM CURRENT; COMMIT"
        ))
        .await;
    if set.is_err() {
        session.execute("ROLLBACK").await?;
    }
    set.map(|_| ())
}
