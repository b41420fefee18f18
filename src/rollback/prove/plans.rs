//! Are hot queries planned as before, once everything is back? Planned only, never run.
//!
//! Tables the migration touched are vacuumed first, and columns that lost their statistics get those from before: what
//! differs then is not chance. Before and after the rollback names are the same, so tables and indexes are told by name and
//! definition here, whatever OID they have by now.

use super::super::generate::Scripts;
use super::{ProofCopy, ProveOptions, RollbackError, State, Touched};
use crate::copy::kept::Kept;
use crate::diff::plan::fingerprint::{Fingerprints, access_by_alias};
use crate::diff::plan::names::Names;
use crate::engine::postgres::catalog;
use crate::engine::postgres::session::Session;
use crate::engine::postgres::settle::{self, RepairMethod, RepairedColumn};
use crate::engine::postgres::statistics::{SavedStatistics, put_back};
use crate::report::human;
use crate::snapshot::Oid;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode};
use std::collections::{BTreeMap, BTreeSet};

/// How plans differ from those before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanDifferences {
    /// What nothing explains, a sentence for each plan.
    pub others: Vec<String>,
    /// What another number of pages or the order of columns explains, a sentence for each plan.
    pub explained: Vec<String>,
}

impl PlanDifferences {
    /// Whether nothing that matters differs.
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }
}

/// Plans before the migration, and what they rest on.
pub(super) struct Planned {
    captures: Vec<PlanCapture>,
    statistics: SavedStatistics,
    /// Blocks of tables and indexes, by qualified name.
    blocks: BTreeMap<String, u64>,
}

/// Plans the hot queries before anything is changed; `None` without any.
pub(super) async fn before<C: ProofCopy>(
    copy: &C,
    superuser: &mut Session,
    catalog: &Catalog,
) -> Result<Option<Planned>, RollbackError> {
    let captures = copy.plan().await?;
    if captures.is_empty() {
        return Ok(None);
    }
    let statistics = SavedStatistics::read(superuser).await?;
    let blocks = blocks(superuser, catalog, &copy.kept()).await?;
    Ok(Some(Planned { captures, statistics, blocks }))
}

/// Plans them again after the rollback by `scripts` and compares.
pub(super) async fn after<C: ProofCopy>(
    copy: &C,
    superuser: &mut Session,
    planned: &Planned,
    (before, back): (&State, &State),
    (options, scripts): (&ProveOptions, &Scripts),
) -> Result<PlanDifferences, RollbackError> {
    let is_touched = |name: &String| options.touched.as_ref().is_none_or(|touched| touched.tables.contains(name));
    let relations = back.catalog.relations.values().filter(|relation| is_touched(&relation.qualified));
    let touched: BTreeSet<Oid> = relations.map(|relation| relation.oid).collect();
    let written = match &options.touched {
        Some(Touched { written, .. }) => {
            let saved = scripts.saved.iter().map(|save| save.table).collect();
            rewritten(&touched, written, (&before.catalog, &back.catalog), &saved)
        }
        // Nobody knows what was written, either.
        None => touched.clone(),
    };
    settle::vacuum(superuser, &written).await?;
    let repaired = settle::repair_statistics(superuser, &touched, &planned.statistics).await?;
    put_back(superuser, &touched, &planned.statistics).await?;

    let names = (Names::of(&before.catalog), Names::of(&back.catalog));
    let mut found = PlanDifferences::default();
    let differing = differing(&planned.captures, &copy.plan().await?, &names);
    if differing.is_empty() {
        return Ok(found);
    }
    let now = blocks(superuser, &back.catalog, &Kept::nothing()).await?;
    let grown = grown(&planned.blocks, &now, &back.catalog, &differing);
    let oids: BTreeSet<Oid> = grown.values().map(|(oid, _)| *oid).collect();
    // Rows that were written twice leave room behind. Without it, is it planned as before?
    settle::compact(superuser, &oids).await?;
    let still: BTreeMap<PlanKey, Differing> = match oids.is_empty() {
        true => differing.clone(),
        false => self::differing(&planned.captures, &copy.plan().await?, &names),
    };
    for (key, difference) in differing {
        let Some(still) = still.get(&key) else {
            let pages: Vec<String> = grown
                .iter()
                .filter(|(table, _)| difference.tables.contains(*table))
                .map(|(_, (_, told))| told.clone())
                .collect();
            found.explained.push(format!("{}: {}, without which it is as before", difference.told, pages.join(", ")));
            continue;
        };
        let smaller = || shrunk(still, &planned.blocks, &now, &back.catalog);
        match explanation(&difference, (before, back), &repaired).or_else(smaller) {
            Some(why) => found.explained.push(format!("{}: {why}", difference.told)),
            None => found.others.push(difference.told),
        }
    }
    Ok(found)
}

/// Of `touched` tables those with rows that were `written` (names) or put back from what was `saved` (tables before), or with
/// other files than before: in the others VACUUM would find nothing.
fn rewritten(
    touched: &BTreeSet<Oid>,
    written: &BTreeSet<String>,
    (before, back): (&Catalog, &Catalog),
    saved: &BTreeSet<Oid>,
) -> BTreeSet<Oid> {
    let put_back = before.relations.values().filter(|relation| before.is_within(relation.oid, saved));
    let put_back: BTreeSet<&str> = put_back.map(|relation| relation.qualified.as_str()).collect();
    let files: BTreeMap<&str, Oid> =
        before.relations.values().map(|relation| (relation.qualified.as_str(), relation.filenode)).collect();
    let others = back.relations.values().filter(|now| files.get(now.qualified.as_str()) != Some(&now.filenode));
    let tables = others.map(|now| back.indexes.get(&now.oid).map_or(now.oid, |index| index.table));
    let mut found: BTreeSet<Oid> = tables.collect();
    let named = back
        .relations
        .values()
        .filter(|relation| written.contains(&relation.qualified) || put_back.contains(relation.qualified.as_str()));
    found.extend(named.map(|relation| relation.oid));
    found.intersection(touched).copied().collect()
}

/// One plan that is not as before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Differing {
    /// In a sentence.
    told: String,
    /// Qualified names of the tables it reads.
    tables: BTreeSet<String>,
    /// The planner expects no more work of it than of the one before.
    cheaper: bool,
}

/// Plans whose access to tables differs, or that there are no more.
fn differing(
    before: &[PlanCapture],
    after: &[PlanCapture],
    (old_names, new_names): &(Names, Names),
) -> BTreeMap<PlanKey, Differing> {
    let now: BTreeMap<&PlanKey, &Captured> = after.iter().map(|capture| (&capture.key, &capture.captured)).collect();
    let mut found = BTreeMap::new();
    for capture in before {
        let (old, new) = (&capture.captured, now.get(&capture.key).copied());
        let how = match (old.plan(), new.and_then(Captured::plan), new) {
            (Some(was), Some(is), _) => {
                if Fingerprints::of(was, old_names).access == Fingerprints::of(is, new_names).access {
                    continue;
                }
                let (was, is) = (access_by_alias(was, old_names), access_by_alias(is, new_names));
                let changed =
                    was.iter().filter(|(alias, access)| is.get(*alias).is_none_or(|now| now.access != access.access));
                let each: Vec<String> = changed
                    .map(|(alias, access)| match is.get(alias) {
                        Some(now) if now.title == access.title => {
                            format!("{alias} by {} with other conditions", now.title)
                        }
                        Some(now) => format!("{alias} by {} instead of {}", now.title, access.title),
                        None => format!("{alias} is not read"),
                    })
                    .collect();
                if each.is_empty() { "it reads more than before".to_owned() } else { each.join(", ") }
            }
            (Some(_), None, Some(Captured::Failed { sqlstate, .. })) => {
                format!("the server refuses it (SQLSTATE {sqlstate})")
            }
            (Some(_), None, _) => "there is none".to_owned(),
            (None, Some(_), _) => "there is one, and the server refused the query before".to_owned(),
            (None, None, _) => continue,
        };
        let plans = [old.plan(), new.and_then(Captured::plan)];
        let cheaper = matches!(plans, [Some(was), Some(is)] if is.root.total_cost() <= was.root.total_cost());
        let tables =
            plans.into_iter().flatten().flat_map(|plan| plan.relations()).map(|name| name.qualified()).collect();
        found.insert(
            capture.key.clone(),
            Differing { told: format!("the plan of {}: {how}", label(&capture.key)), tables, cheaper },
        );
    }
    found
}

/// `orders_of_day (busy)`.
fn label(key: &PlanKey) -> String {
    match (key.parameter_set.as_str(), key.mode) {
        ("", PlanMode::Generic) => format!("{} (generic)", key.query),
        ("", PlanMode::Custom) => key.query.clone(),
        (set, _) => format!("{} ({set})", key.query),
    }
}

/// Blocks of tables, materialized views and indexes, by qualified name.
/// `kept` while nothing was done to the copy.
async fn blocks(
    superuser: &mut Session,
    catalog: &Catalog,
    kept: &Kept,
) -> Result<BTreeMap<String, u64>, RollbackError> {
    let sizes = catalog::read_sizes_kept(superuser, kept).await?;
    Ok(sizes.into_iter().map(|(oid, size)| (catalog.relation_name(oid), size.blocks)).collect())
}

/// Tables these plans read that have more blocks than before, or an index with more: OID, and what to say about it.
fn grown(
    before: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    catalog: &Catalog,
    plans: &BTreeMap<PlanKey, Differing>,
) -> BTreeMap<String, (Oid, String)> {
    let growth = |name: &String| {
        let (was, is) = (before.get(name).copied()?, now.get(name).copied()?);
        (is > was).then(|| format!("{name} grew from {} to {} pages", human::count(was), human::count(is)))
    };
    let mut found = BTreeMap::new();
    for relation in catalog.relations.values() {
        if !plans.values().any(|plan| plan.tables.contains(&relation.qualified)) {
            continue;
        }
        let indexes = catalog.indexes.values().filter(|index| index.table == relation.oid);
        let told = growth(&relation.qualified)
            .or_else(|| indexes.map(|index| catalog.relation_name(index.oid)).find_map(|index| growth(&index)));
        if let Some(told) = told {
            found.insert(relation.qualified.clone(), (relation.oid, told));
        }
    }
    found
}

/// What was written anew is denser, and a plan over fewer pages may be another one. Nothing is missing for it: schema and
/// statistics are as before, and it is to cost no more.
fn shrunk(
    difference: &Differing,
    before: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    catalog: &Catalog,
) -> Option<String> {
    let read = catalog.relations.values().filter(|relation| difference.tables.contains(&relation.qualified));
    let oids: BTreeSet<Oid> = read.map(|relation| relation.oid).collect();
    let indexes = catalog.indexes.values().filter(|index| oids.contains(&index.table)).map(|index| index.oid);
    let names = oids.iter().copied().chain(indexes).map(|oid| catalog.relation_name(oid));
    names.filter(|_| difference.cheaper).find_map(|name| {
        let (was, is) = (before.get(&name).copied()?, now.get(&name).copied()?);
        (is < was).then(|| format!("{name} has {} pages instead of {}", human::count(is), human::count(was)))
    })
}

/// What about the tables a plan reads lets it differ although nothing is missing.
fn explanation(
    difference: &Differing,
    (before, back): (&State, &State),
    repaired: &[RepairedColumn],
) -> Option<String> {
    let sampled = repaired.iter().find_map(|column| match column.method {
        RepairMethod::SampledInstead(why) if difference.tables.contains(&column.table) => {
            Some(format!("{}.{} has new statistics: {why}", column.table, column.column))
        }
        _ => None,
    });
    sampled.or_else(|| {
        let order = |catalog: &Catalog, table: &str| -> Vec<String> {
            let relation = catalog.relations.values().find(|relation| relation.qualified == table);
            relation
                .into_iter()
                .flat_map(|relation| catalog.columns_of(relation.oid))
                .map(|column| column.name.clone())
                .collect()
        };
        let moved =
            difference.tables.iter().find(|table| order(&before.catalog, table) != order(&back.catalog, table))?;
        Some(format!("columns of {moved} stand in another order"))
    })
}

#[cfg(test)]
#[path = "plans/tests.rs"]
mod tests;
