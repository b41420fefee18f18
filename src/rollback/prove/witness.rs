//! Copies of what may be lost, to count afterwards what was. Values are kept as plain text, so that nothing depends on a
//! type or a collation the migration drops.

use super::super::backup::{Key, Save, SaveKind};
use super::super::names::identifier;
use super::Loss;
use crate::engine::ServerError;
use crate::engine::postgres::catalog::WITNESS_SCHEMA;
use crate::engine::postgres::session::Session;
use crate::snapshot::catalog::{Catalog, RelationKind};
use std::collections::BTreeSet;

/// One question: which of these values are still there?
pub(super) struct Witness {
    object: String,
    copy: String,
    /// Columns that must be found together, as text.
    columns: Vec<String>,
    /// Where to look afterwards.
    origin: String,
    /// Only rows with a value in this column count.
    value: Option<String>,
}

/// Copies the tables concerned, before the migration, under names that begin with `prefix`. The copies belong to `role`
/// (quoted), as a backup does: a migration that alters every table it finds may alter these.
pub(super) async fn take(
    superuser: &mut Session,
    catalog: &Catalog,
    saved: &[Save],
    differing: &BTreeSet<String>,
    (role, prefix): (&str, &str),
) -> Result<Vec<Witness>, ServerError> {
    superuser.execute(&format!("CREATE SCHEMA IF NOT EXISTS {WITNESS_SCHEMA} AUTHORIZATION {role}")).await?;
    let mut witnesses = Vec::new();
    let mut covered = BTreeSet::new();
    let mut copied: Vec<(String, String)> = Vec::new();
    let of_columns = saved.iter().filter(|save| matches!(save.kind, SaveKind::Columns(_)));
    let apart: BTreeSet<(&String, &String)> =
        of_columns.flat_map(|save| save.columns.iter().map(move |column| (&save.origin, &column.name))).collect();
    for save in saved {
        // Rows that are added are nobody's loss.
        if matches!(save.kind, SaveKind::Positions(_) | SaveKind::Added(_)) {
            continue;
        }
        covered.insert(save.origin.clone());
        match &save.kind {
            SaveKind::Columns(key) => {
                let copy = copy_table(superuser, catalog, &save.origin, &save.scanned(), prefix, &mut copied).await?;
                let keys: Vec<String> = match key {
                    Key::Columns(keys) => keys.iter().map(|key| key.name.clone()).collect(),
                    Key::Occurrence(names) => names.clone(),
                };
                for column in &save.columns {
                    let mut columns = keys.clone();
                    columns.push(column.name.clone());
                    witnesses.push(Witness {
                        object: format!("{}.{}", save.origin, identifier(&column.name)),
                        copy: copy.clone(),
                        columns,
                        origin: save.scanned(),
                        value: Some(column.name.clone()),
                    });
                }
            }
            _ => {
                let mut all = whole(superuser, catalog, &save.origin, prefix, &mut copied).await?;
                // Columns that are saved by themselves are counted by themselves.
                all.columns.retain(|name| !apart.contains(&(&save.origin, name)));
                witnesses.push(all);
            }
        }
    }
    for origin in differing {
        let in_save =
            covered.contains(origin) || parent_of(catalog, origin).is_some_and(|parent| covered.contains(&parent));
        if !in_save {
            witnesses.push(whole(superuser, catalog, origin, prefix, &mut copied).await?);
        }
    }
    for (_, copy) in copied {
        superuser.execute(&format!("ALTER TABLE {copy} OWNER TO {role}")).await?;
    }
    Ok(witnesses)
}

fn parent_of(catalog: &Catalog, name: &str) -> Option<String> {
    let relation = catalog.relations.values().find(|relation| relation.qualified == name)?;
    relation.parent.map(|parent| catalog.relation_name(parent))
}

fn names(catalog: &Catalog, origin: &str) -> Vec<String> {
    let relation = catalog.relations.values().find(|relation| {
        relation.qualified == origin && !matches!(relation.kind, RelationKind::Index | RelationKind::PartitionedIndex)
    });
    let oid = relation.map_or(0, |relation| relation.oid);
    catalog.columns_of(oid).map(|column| column.name.clone()).collect()
}

/// All rows of a table: of a plain one without those of tables that inherit from it, which have a part of their own.
async fn whole(
    superuser: &mut Session,
    catalog: &Catalog,
    origin: &str,
    prefix: &str,
    copied: &mut Vec<(String, String)>,
) -> Result<Witness, ServerError> {
    let plain =
        catalog.relations.values().any(|relation| relation.qualified == origin && relation.kind == RelationKind::Table);
    let scanned = format!("{}{origin}", if plain { "ONLY " } else { "" });
    let copy = copy_table(superuser, catalog, origin, &scanned, prefix, copied).await?;
    Ok(Witness { object: origin.to_owned(), copy, columns: names(catalog, origin), origin: scanned, value: None })
}

async fn copy_table(
    superuser: &mut Session,
    catalog: &Catalog,
    origin: &str,
    scanned: &str,
    prefix: &str,
    copied: &mut Vec<(String, String)>,
) -> Result<String, ServerError> {
    if let Some((_, copy)) = copied.iter().find(|(from, _)| from == scanned) {
        return Ok(copy.clone());
    }
    let copy = format!("{WITNESS_SCHEMA}.{prefix}{}", copied.len());
    superuser
        .execute(&format!("CREATE TABLE {copy} AS SELECT {} FROM {scanned}", as_text(&names(catalog, origin))))
        .await?;
    copied.push((scanned.to_owned(), copy.clone()));
    Ok(copy)
}

fn as_text(columns: &[String]) -> String {
    let each: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = identifier(column);
            // As the type itself prints it: `::text` may be a cast somebody made, which is a function of theirs.
            format!("NULLIF(ROW({name})::pg_catalog.text, '()') COLLATE pg_catalog.\"default\" AS {name}")
        })
        .collect();
    each.join(", ")
}

/// Counts, after the rollback without a backup, the rows whose values are not there any more. The session must be in a
/// transaction.
pub(super) async fn losses(superuser: &mut Session, witnesses: &[Witness]) -> Result<Vec<Loss>, ServerError> {
    let mut found = Vec::new();
    for witness in witnesses {
        let columns = as_text(&witness.columns);
        let kept: Vec<String> = witness.columns.iter().map(|column| identifier(column)).collect();
        let worth =
            witness.value.as_ref().map(|value| format!(" WHERE {} IS NOT NULL", identifier(value))).unwrap_or_default();
        superuser.execute("SAVEPOINT counting").await?;
        let compared = superuser
            .query(&format!(
                "SELECT count(*) FROM (SELECT {} FROM {}{worth} EXCEPT ALL SELECT {columns} FROM {}) AS lost",
                kept.join(", "),
                witness.copy,
                witness.origin
            ))
            .await;
        // Where the table or the column is not there, nothing of it is.
        let counted = match compared {
            Ok(rows) => rows,
            Err(error) if error.sqlstate.starts_with("42") || error.sqlstate == "55000" => {
                superuser.execute("ROLLBACK TO SAVEPOINT counting").await?;
                superuser.query(&format!("SELECT count(*) FROM {}{worth}", witness.copy)).await?
            }
            Err(error) => return Err(error),
        };
        let rows = counted.scalar().and_then(|count| count.parse().ok()).unwrap_or_default();
        if rows > 0 {
            found.push(Loss { object: witness.object.clone(), rows });
        }
    }
    Ok(found)
}
