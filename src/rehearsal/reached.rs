//! What a run came to, to be compared with what another one did.

use super::writes::apply_again;
use super::{Ready, Rehearsal, RehearsalError};
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::catalog;
use crate::engine::postgres::schema_dump::schema_text;
use crate::rollback::RollbackError;
use crate::rollback::dump::{Dump, Entry};
use crate::rollback::fingerprint::{Depth, TableFingerprint, fingerprints};
use crate::snapshot::catalog::names_table;
use std::collections::{BTreeMap, BTreeSet};

/// Schema and rows.
pub(super) struct Reached {
    /// Everything pg_dump has to say, in one order.
    schema: Vec<Entry>,
    /// All rows but those of history tables, which tell when they were written.
    rows: BTreeMap<String, TableFingerprint>,
    /// Tables in which two runs of the same leave other values, such as random ones or the time: their rows are counted.
    by_chance: BTreeSet<String>,
}

/// In what two runs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Differs {
    Schema,
    Rows,
}

impl Reached {
    /// What the migrations come to as they are. They run twice, on a copy each, so that what differs by chance is known.
    pub(super) async fn plain(plan: &Ready<'_>, rehearsal: &Rehearsal) -> Result<Self, RehearsalError> {
        let first = Self::once(plan, rehearsal).await?;
        let second = Self::once(plan, rehearsal).await?;
        let other =
            |(table, rows): (&String, &TableFingerprint)| (second.rows.get(table) != Some(rows)).then(|| table.clone());
        let by_chance = first.rows.iter().filter_map(other).collect();
        Ok(Self { by_chance, ..first })
    }

    async fn once(plan: &Ready<'_>, rehearsal: &Rehearsal) -> Result<Self, RehearsalError> {
        let copy = plan.copy().await?;
        apply_again(&copy, rehearsal).await?;
        let reached = Self::read(plan, &copy, rehearsal).await?;
        copy.destroy().await?;
        Ok(reached)
    }

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
        let mut rows = fingerprints(&mut superuser, &catalog, None, Depth::Values).await?.tables;
        superuser.close().await;
        let history = rehearsal.migrations.iter().filter_map(|migration| migration.history.as_ref());
        let history: Vec<&String> =
            history.flat_map(|history| history.others.iter().chain(std::iter::once(&history.table))).collect();
        rows.retain(|table, _| !history.iter().any(|name| is_history(name, table)));
        Ok(Self { schema, rows, by_chance: BTreeSet::new() })
    }

    /// In what it differs from [`Reached::plain`]; the schema comes first.
    pub(super) fn differs(&self, plain: &Self) -> Option<Differs> {
        let same = |table: &String, rows: &TableFingerprint| {
            plain.rows.get(table).is_some_and(|known| {
                if plain.by_chance.contains(table) { known.rows == rows.rows } else { known == rows }
            })
        };
        if self.schema != plain.schema {
            Some(Differs::Schema)
        } else if self.rows.len() != plain.rows.len() || !self.rows.iter().all(|(table, rows)| same(table, rows)) {
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
