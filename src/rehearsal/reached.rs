//! What a run came to, to be compared with what another one did.

use super::{Ready, Rehearsal, RehearsalError};
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::catalog;
use crate::engine::postgres::schema_dump::schema_text;
use crate::report::v1::Comparison;
use crate::rollback::RollbackError;
use crate::rollback::dump::{Dump, Entry};
use crate::rollback::fingerprint::{Depth, TableFingerprint, fingerprints};
use crate::snapshot::catalog::names_table;
use std::collections::BTreeMap;

/// Schema and rows.
pub(super) struct Reached {
    /// Everything pg_dump has to say, in one order.
    schema: Vec<Entry>,
    /// All rows but those of history tables, which tell when they were written.
    rows: BTreeMap<String, TableFingerprint>,
}

/// In what two runs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Differs {
    Schema,
    Rows,
}

impl Reached {
    pub(super) async fn read(
        plan: &Ready<'_>,
        copy: &ScratchDatabase,
        rehearsal: &Rehearsal,
    ) -> Result<Self, RehearsalError> {
        let target = &copy.target;
        let text = schema_text(&plan.base.binaries, &target.endpoint, &target.database).await;
        let text = text.map_err(|error| RollbackError::Dump(error.to_string()))?;
        let mut schema = Dump::parse(&text).entries;
        schema.sort_by(|left, right| {
            let key = |entry: &Entry| (entry.kind.clone(), entry.schema.clone(), entry.name.clone());
            key(left).cmp(&key(right))
        });
        let mut superuser = copy.superuser("compare").await?;
        let catalog = catalog::read(&mut superuser).await?;
        // Values that differ from run to run anyway say nothing; how many rows there are does.
        let proof = rehearsal.rollback.as_ref().and_then(|rollback| rollback.proof.as_ref());
        let repeats = proof.is_some_and(|proof| proof.reapplied() == Comparison::Equal);
        let depth = if repeats { Depth::Values } else { Depth::Counts };
        let mut rows = fingerprints(&mut superuser, &catalog, None, depth).await?.tables;
        superuser.close().await;
        let history = rehearsal.migrations.iter().filter_map(|migration| migration.history.as_ref());
        let history: Vec<&String> =
            history.flat_map(|history| history.others.iter().chain(std::iter::once(&history.table))).collect();
        rows.retain(|table, _| !history.iter().any(|name| is_history(name, table)));
        Ok(Self { schema, rows })
    }

    /// In what it differs from another; the schema comes first.
    pub(super) fn differs(&self, other: &Self) -> Option<Differs> {
        if self.schema != other.schema {
            Some(Differs::Schema)
        } else if self.rows != other.rows {
            Some(Differs::Rows)
        } else {
            None
        }
    }
}

/// Whether a history table, as its tool spells it, is this one.
fn is_history(spelled: &str, table: &str) -> bool {
    // Some tools quote every name.
    let bare = |name: &str| name.replace('"', "");
    let (spelled, table) = (bare(spelled), bare(table));
    names_table(&spelled, &table) || table.ends_with(&format!(".{spelled}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_table_is_known_however_its_tool_spells_it() {
        for (spelled, table) in [
            ("_sqlx_migrations", "public._sqlx_migrations"),
            ("\"public\".\"pgmigrations\"", "public.pgmigrations"),
            ("\"_prisma_migrations\"", "app._prisma_migrations"),
            ("\"Own\".\"Log\"", "\"Own\".\"Log\""),
            ("sqitch.events", "sqitch.events"),
        ] {
            assert!(is_history(spelled, table), "{spelled} {table}");
        }
        assert!(!is_history("events", "public.my_events"));
    }
}
