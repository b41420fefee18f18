//! Rows of the system catalogs as the server keeps them, for digests: two that are equal mean the same.

use super::each;
use super::server::Server;
use crate::engine::ServerError;
use std::collections::BTreeMap;

/// The columns of those catalogs whose rows are digested, which differ from version to version.
pub(super) struct RawColumns(BTreeMap<String, Vec<String>>);

impl RawColumns {
    /// Reads them.
    pub(super) async fn read(server: &mut Server<'_>) -> Result<Self, ServerError> {
        let rows = server
            .read(
                "SELECT attrelid::regclass, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped \
                 AND attrelid IN ('pg_index'::regclass, 'pg_constraint'::regclass, 'pg_type'::regclass, \
                   'pg_proc'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass) \
                 ORDER BY attrelid, attnum",
            )
            .await?;
        let mut found = BTreeMap::<String, Vec<String>>::new();
        each(rows, |row| {
            found.entry(row.text()).or_default().push(row.text());
            Ok(())
        })?;
        Ok(Self(found))
    }

    /// A row expression over the columns of `catalog`, apart from those `left_out`. Unlike a JSON object it names no
    /// column, and costs far less.
    pub(super) fn row(&self, catalog: &str, alias: &str, left_out: &[&str]) -> String {
        let columns = self.0.get(catalog).into_iter().flatten().filter(|column| !left_out.contains(&column.as_str()));
        let columns: Vec<String> = columns.map(|column| format!("{alias}.{column}")).collect();
        format!("ROW({})", columns.join(", "))
    }
}
