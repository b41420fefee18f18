//! Event triggers of a source are part of the copy, and fire for the migration as in production. While the copy is made
//! they keep still: pg_dump makes them before it refreshes materialized views, and one that refuses every DDL would
//! refuse that.

use crate::engine::ServerError;
use crate::engine::postgres::session::{Session, quote_identifier};
use std::collections::BTreeMap;

/// Event triggers that were told to keep still, with `evtenabled` as the source has it.
#[derive(Debug, Default)]
pub(super) struct EventTriggers {
    states: BTreeMap<String, String>,
}

impl EventTriggers {
    /// Disables whatever is enabled now.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn hush(&mut self, session: &mut Session) -> Result<(), ServerError> {
        let enabled = "SELECT evtname, evtenabled FROM pg_event_trigger WHERE evtenabled <> 'D'";
        for row in session.query(enabled).await?.rows {
            if let [Some(name), Some(state)] = row.as_slice() {
                session.execute(&format!("ALTER EVENT TRIGGER {} DISABLE", quote_identifier(name))).await?;
                self.states.insert(name.clone(), state.clone());
            }
        }
        Ok(())
    }

    /// The source itself disables one.
    pub(super) fn is_disabled(&mut self, name: &str) {
        self.states.remove(name);
    }

    /// Enables each as the source has it.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn rouse(self, session: &mut Session) -> Result<(), ServerError> {
        for (name, state) in self.states {
            let how = match state.as_str() {
                "A" => "ENABLE ALWAYS",
                "R" => "ENABLE REPLICA",
                _ => "ENABLE",
            };
            session.execute(&format!("ALTER EVENT TRIGGER {} {how}", quote_identifier(&name))).await?;
        }
        Ok(())
    }
}
