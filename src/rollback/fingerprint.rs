//! What rows a database holds, as counts and hashes that do not depend on order.

use super::names::identifiers;
use crate::copy::kept::Kept;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Session, quote_literal};
use crate::snapshot::catalog::{Catalog, Relation, RelationKind};
use std::collections::{BTreeMap, BTreeSet};

/// The name under which large objects are counted: no table can bear it, its own name would be qualified.
pub const LARGE_OBJECTS: &str = "large objects";

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFingerprint {
    /// How many.
    pub rows: u64,
    /// Sum of the hashes of their text, columns by name; none when only counted.
    pub hash: Option<String>,
}

/// Rows of all tables looked at, and where all sequences stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// By qualified name: tables, partitions, materialized views.
    pub tables: BTreeMap<String, TableFingerprint>,
    /// `last_value` and `is_called` by qualified name.
    pub sequences: BTreeMap<String, (i64, bool)>,
}

/// How much of the rows is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Counts alone.
    Counts,
    /// Every value.
    Values,
}

/// Reads the rows of all tables, or of those in `only` (qualified names).
///
/// # Errors
/// Whatever the server says.
pub async fn fingerprints(
    session: &mut Session,
    catalog: &Catalog,
    only: Option<&BTreeSet<String>>,
    depth: Depth,
) -> Result<Fingerprints, ServerError> {
    read(session, catalog, only, depth, &Kept::nothing()).await
}

/// Every value of the same tables. `kept` while nothing was done to the copy: another one may have answered already.
///
/// # Errors
/// Whatever the server says.
pub async fn values(
    session: &mut Session,
    catalog: &Catalog,
    only: Option<&BTreeSet<String>>,
    kept: &Kept,
) -> Result<Fingerprints, ServerError> {
    read(session, catalog, only, Depth::Values, kept).await
}

async fn read(
    session: &mut Session,
    catalog: &Catalog,
    only: Option<&BTreeSet<String>>,
    depth: Depth,
    kept: &Kept,
) -> Result<Fingerprints, ServerError> {
    let mut found = Fingerprints::default();
    let mut queries = Vec::new();
    for relation in catalog.relations.values() {
        if let Some(sequence) = catalog.sequences.get(&relation.oid) {
            found.sequences.insert(relation.qualified.clone(), (sequence.last_value, sequence.is_called));
        }
        let populated = catalog.relation_details.get(&relation.oid).is_some_and(|detail| detail.populated);
        let readable =
            relation.kind == RelationKind::Table || (relation.kind == RelationKind::MaterializedView && populated);
        if readable && only.is_none_or(|only| only.contains(&relation.qualified)) {
            queries.push(table(catalog, relation, depth));
        }
    }
    session.execute("SET search_path = ''").await?;
    let counted = count(session, &queries, depth, kept).await;
    session.execute("RESET search_path").await?;
    found.tables = counted?;
    Ok(found)
}

/// What these queries say of a table each, and the large objects, under an empty `search_path`.
async fn count(
    session: &mut Session,
    queries: &[String],
    depth: Depth,
    kept: &Kept,
) -> Result<BTreeMap<String, TableFingerprint>, ServerError> {
    let mut tables = BTreeMap::new();
    // A question for each of hundreds of tables takes longer than their rows.
    for some in queries.chunks(TABLES_AT_ONCE) {
        let query = some.join(" UNION ALL ");
        let question = format!("rows: {query}");
        let rows = match kept.rows(&question) {
            Some(rows) => rows,
            None => {
                let rows = session.query(&query).await?.rows;
                kept.keep_rows(&question, &rows);
                rows
            }
        };
        for row in rows {
            let mut values = row.into_iter();
            let mut next = || values.next().flatten();
            let (name, count, hash) = (next().unwrap_or_default(), next(), next());
            let rows = count.and_then(|count| count.parse().ok()).unwrap_or_default();
            let hash = (depth == Depth::Values).then(|| hash.unwrap_or_default());
            tables.insert(name, TableFingerprint { rows, hash });
        }
    }
    tables.insert(LARGE_OBJECTS.to_owned(), large_objects(session, depth).await?);
    Ok(tables)
}

/// As many as keep the server's parser and lock table comfortable.
const TABLES_AT_ONCE: usize = 50;

/// The query for one table: its name, how many rows, their hash.
fn table(catalog: &Catalog, relation: &Relation, depth: Depth) -> String {
    let mut names: Vec<&String> = catalog.columns_of(relation.oid).map(|column| &column.name).collect();
    names.sort();
    let hash = match depth {
        Depth::Counts => "NULL".to_owned(),
        Depth::Values => {
            format!(
                "sum(pg_catalog.hashtextextended(ROW({})::pg_catalog.text, 0)::pg_catalog.numeric)::pg_catalog.text",
                identifiers(names)
            )
        }
    };
    format!("SELECT {}, count(*), {hash} FROM ONLY {}", quote_literal(&relation.qualified), relation.qualified)
}

/// Large objects stand in no table of anybody's; a migration can write and remove them all the same.
async fn large_objects(session: &mut Session, depth: Depth) -> Result<TableFingerprint, ServerError> {
    let hash = match depth {
        Depth::Counts => "NULL",
        Depth::Values => {
            "(SELECT sum(pg_catalog.hashtextextended(l::pg_catalog.text, 0)::pg_catalog.numeric)::pg_catalog.text \
             FROM pg_catalog.pg_largeobject AS l)"
        }
    };
    let query = format!("SELECT count(*), {hash} FROM pg_catalog.pg_largeobject_metadata");
    let rows = session.query(&query).await?;
    let row = rows.rows.first();
    Ok(TableFingerprint {
        rows: row.and_then(|row| row.first()?.as_deref()?.parse().ok()).unwrap_or_default(),
        hash: match depth {
            Depth::Counts => None,
            Depth::Values => Some(row.and_then(|row| row.get(1)?.clone()).unwrap_or_default()),
        },
    })
}

/// What differs between two fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowDifferences {
    /// Qualified names of tables whose rows differ, with what to say about it.
    pub tables: BTreeMap<String, String>,
    /// Sequences that do not stand where they stood.
    pub sequences: Vec<String>,
    /// Sequences that only moved on: numbers were handed out, nothing is lost.
    pub moved_on: Vec<String>,
}

impl RowDifferences {
    /// Whether nothing that matters differs.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.sequences.is_empty()
    }
}

/// Compares two fingerprints; `before` decides which tables count.
pub fn compare(before: &Fingerprints, after: &Fingerprints) -> RowDifferences {
    let mut found = RowDifferences::default();
    for (name, old) in &before.tables {
        match after.tables.get(name) {
            Some(new) if new == old => {}
            Some(new) if new.rows == old.rows => {
                found.tables.insert(
                    name.clone(),
                    format!("{name}: as many rows as before, {}, and other values in some", old.rows),
                );
            }
            Some(new) => {
                found.tables.insert(name.clone(), format!("{name}: {} rows instead of {}", new.rows, old.rows));
            }
            None => {
                found.tables.insert(name.clone(), format!("{name}: its {} rows are not there", old.rows));
            }
        }
    }
    for (name, old) in &before.sequences {
        match after.sequences.get(name) {
            Some(new) if new == old => {}
            Some(new) if (new.0 > old.0) || (new.0 == old.0 && new.1) => {
                found.moved_on.push(format!(
                    "{name} moved on from {} to {}: numbers were handed out, none is given twice",
                    old.0, new.0
                ));
            }
            Some(new) => found.sequences.push(format!("{name} stands at {} instead of {}", new.0, old.0)),
            None => found.sequences.push(format!("{name} is not there")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(rows: u64, hash: &str, position: (i64, bool)) -> Fingerprints {
        Fingerprints {
            tables: BTreeMap::from([("public.t".to_owned(), TableFingerprint { rows, hash: Some(hash.to_owned()) })]),
            sequences: BTreeMap::from([("public.s".to_owned(), position)]),
        }
    }

    #[test]
    fn a_changed_value_and_a_missing_row_are_told_apart() {
        let before = one(3, "7", (1, true));
        assert_eq!(compare(&before, &before), RowDifferences::default());
        assert_eq!(
            compare(&before, &one(3, "8", (1, true))).tables["public.t"],
            "public.t: as many rows as before, 3, and other values in some"
        );
        assert_eq!(compare(&before, &one(2, "8", (1, true))).tables["public.t"], "public.t: 2 rows instead of 3");
    }

    #[test]
    fn a_sequence_set_back_counts_and_one_that_moved_on_is_only_mentioned() {
        let before = one(3, "7", (10, true));
        assert!(compare(&before, &one(3, "7", (12, true))).is_empty());
        assert_eq!(compare(&before, &one(3, "7", (12, true))).moved_on.len(), 1);
        assert!(!compare(&before, &one(3, "7", (1, false))).is_empty());
    }
}
