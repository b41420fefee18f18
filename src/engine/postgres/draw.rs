//! Draws parameter sets for hot queries that have none: asks the copy what parameters are compared with and what its
//! statistics know, plans what [`crate::workload::draw`] makes of it, and keeps what plans differently.
//!
//! Nothing is run: queries are only planned, and columns are read only to be sure that a value is absent.

mod statistics;

use super::explain::{self, CaptureOptions};
use super::session::{Session, quote_literal};
use crate::diff::plan::fingerprint::Fingerprints;
use crate::diff::plan::names::Names;
use crate::engine::ServerError;
use crate::snapshot::plan::{Captured, PlanMode, QueryPlan};
use crate::workload::draw::binding::{Binding, Comparison, bindings};
use crate::workload::draw::candidate::{ColumnStatistics, counts};
use crate::workload::draw::combine::{Combination, Slot, combine};
use crate::workload::draw::written::written;
use crate::workload::draw::{MOST_SETS, Undrawn, shown, text};
use crate::workload::{HotQuery, ParameterSet};
use statistics::Statistics;
use std::collections::BTreeSet;

/// Most combinations that are planned for one query, to keep [`MOST_SETS`] of them at most.
const MOST_TRIED: usize = 24;
/// Parameters beyond these have one value in all sets, or pairs of them would be too many.
const MOST_VARIED: usize = 12;

/// Gives sets to every query that has parameters and no sets; returns those for which nothing could be drawn.
///
/// `session` is one of the role that the queries run as, `superuser` one that may read statistics. A query that the
/// server refuses is left as it is: its capture says why. Two calls on one copy draw the same.
///
/// # Errors
/// The server cannot be asked for statistics, or is gone.
pub async fn draw(
    superuser: &mut Session,
    session: &mut Session,
    queries: impl IntoIterator<Item = &mut HotQuery>,
    options: &CaptureOptions<'_>,
) -> Result<Vec<Undrawn>, ServerError> {
    let mut statistics = Statistics::default();
    let mut undrawn = Vec::new();
    for query in queries {
        if query.parameters.is_empty() || !query.sets.is_empty() {
            continue;
        }
        let Some(plan) = generic_plan(session, query, options).await else { continue };
        let sets = match slots(superuser, session, query, &plan, &mut statistics).await? {
            Ok(slots) => distinct(session, query, combine(&slots, MOST_TRIED), options).await,
            Err(reason) => Err(reason),
        };
        match sets {
            Ok(sets) => query.sets = sets,
            Err(reason) => undrawn.push(Undrawn { query: query.name.clone(), reason }),
        }
    }
    Ok(undrawn)
}

/// The plan for any values, with all partitions in it; `None` if the server refuses the query.
async fn generic_plan(session: &mut Session, query: &HotQuery, options: &CaptureOptions<'_>) -> Option<QueryPlan> {
    let mut unpruned = query.clone();
    // Partitions pruned when execution starts would take their conditions with them.
    unpruned.settings.push(("enable_partition_pruning".to_owned(), "off".to_owned()));
    let captures = explain::plan_only(session, [&unpruned], options).await;
    captures.into_iter().find_map(|capture| capture.captured.plan().cloned())
}

/// Candidates for every parameter, or why there are none for one of them.
async fn slots(
    superuser: &mut Session,
    session: &mut Session,
    query: &HotQuery,
    plan: &QueryPlan,
    statistics: &mut Statistics,
) -> Result<Result<Vec<Slot>, String>, ServerError> {
    let counted = text::counts(&query.sql);
    let bound = bindings(plan);
    let stored = written(&query.sql);
    let mut chosen: Vec<(usize, Binding, ColumnStatistics)> = Vec::new();
    let mut slots = Vec::new();
    for (index, name) in query.parameters.iter().enumerate() {
        let label = shown(name);
        if let Some((_, count)) = counted.iter().find(|(number, _)| *number == index + 1) {
            slots.push(Slot { parameters: vec![index], label, candidates: counts(*count) });
            continue;
        }
        let mut best: Option<(Binding, ColumnStatistics)> = None;
        for binding in bound.iter().filter(|binding| binding.parameter == index + 1) {
            let column = statistics.of(superuser, session, query, binding).await?;
            // A join puts the same condition on both sides; the skewed one tells common from rare.
            let better = best
                .as_ref()
                .is_none_or(|(_, known)| (!column.is_empty(), column.skew()) > (!known.is_empty(), known.skew()));
            if better {
                best = Some((binding.clone(), column));
            }
        }
        match (best, stored_in(plan, &stored, index + 1)) {
            (Some((binding, column)), _) => chosen.push((index, binding, column)),
            (None, Some(binding)) => {
                let column = statistics.of(superuser, session, query, &binding).await?;
                let candidates = column.stored();
                if candidates.is_empty() {
                    return Ok(Err(unknown(&binding, "in which", &label, "is stored")));
                }
                slots.push(Slot { parameters: vec![index], label, candidates });
            }
            (None, None) => {
                return Ok(Err(format!(
                    "{label} is compared with no column in a way that tells which values it takes"
                )));
            }
        }
    }
    while !chosen.is_empty() {
        let (index, binding, column) = chosen.remove(0);
        let label = shown(&query.parameters[index]);
        let opposite = match binding.comparison {
            Comparison::Above => Some(Comparison::Below),
            Comparison::Below => Some(Comparison::Above),
            _ => None,
        };
        let other = chosen.iter().position(|(_, other, _)| {
            Some(other.comparison) == opposite
                && (&other.relation, &other.column, &other.around)
                    == (&binding.relation, &binding.column, &binding.around)
        });
        let ranges = column.ranges();
        if let Some(other) = other.filter(|_| !ranges.is_empty()) {
            let (other, _, _) = chosen.remove(other);
            let label = format!("{label}, {}", shown(&query.parameters[other]));
            let above = binding.comparison == Comparison::Above;
            let parameters = if above { vec![index, other] } else { vec![other, index] };
            slots.push(Slot { parameters, label, candidates: ranges });
            continue;
        }
        let candidates = column.candidates(binding.comparison);
        if candidates.is_empty() {
            return Ok(Err(unknown(&binding, "with which", &label, "is compared")));
        }
        slots.push(Slot { parameters: vec![index], label, candidates });
    }
    slots.sort_by_key(|slot| slot.parameters.iter().min().copied());
    slots.iter_mut().skip(MOST_VARIED).for_each(|slot| slot.candidates.truncate(1));
    Ok(Ok(slots))
}

fn unknown(binding: &Binding, how: &str, label: &str, done: &str) -> String {
    let column = format!("{}.{}", binding.relation.qualified(), binding.column);
    format!("the copy has no statistics about {column}, {how} {label} {done}")
}

/// The column of the table written to that a parameter is stored in.
fn stored_in(plan: &QueryPlan, stored: &[(usize, String)], parameter: usize) -> Option<Binding> {
    let (_, column) = stored.iter().find(|(number, _)| *number == parameter)?;
    let target = plan.nodes().into_iter().find(|node| node.node_type == "ModifyTable")?.relation_name()?;
    let (comparison, around) = (Comparison::Equal, (String::new(), String::new()));
    Some(Binding { parameter, comparison, relation: target, column: column.clone(), around })
}

/// One set for each distinct plan and order of magnitude of rows, in the order given.
async fn distinct(
    session: &mut Session,
    query: &HotQuery,
    combinations: Vec<Combination>,
    options: &CaptureOptions<'_>,
) -> Result<Vec<ParameterSet>, String> {
    let literal = |value: &Option<String>| value.as_deref().map_or_else(|| "NULL".to_owned(), quote_literal);
    let sets = combinations.into_iter().map(|combination| ParameterSet {
        name: combination.name,
        values: combination.values.iter().map(literal).collect(),
        drawn: true,
    });
    let tried = HotQuery { sets: sets.collect(), ..query.clone() };
    let captures = explain::plan_only(session, [&tried], options).await;
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    let customs = captures.iter().filter(|capture| capture.key.mode == PlanMode::Custom);
    for (set, capture) in tried.sets.iter().zip(customs) {
        // A value the parameter's type does not take, say: not one the application sends either.
        let Some(plan) = capture.captured.plan() else { continue };
        if kept.len() < MOST_SETS && seen.insert(signature(plan)) {
            kept.push(set.clone());
        }
    }
    if kept.is_empty() {
        let refused = captures.iter().find_map(|capture| match &capture.captured {
            Captured::Failed { sqlstate, .. } => Some(sqlstate.as_str()),
            _ => None,
        });
        return Err(format!("the server takes none of the drawn values (SQLSTATE {})", refused.unwrap_or("unknown")));
    }
    Ok(kept)
}

/// What makes two plans worth looking at apart: their shape, and how many rows the whole and its largest step expect.
fn signature(plan: &QueryPlan) -> (String, i64, i64) {
    let largest = plan.nodes().into_iter().map(|node| node.plan_rows()).fold(1.0, f64::max);
    let shape = Fingerprints::of(plan, &Names::default()).shape;
    (shape, magnitude(plan.root.plan_rows()), magnitude(largest))
}

/// Order of magnitude; nothing counts as one.
fn magnitude(rows: f64) -> i64 {
    // Estimates end at 1e100.
    #[allow(clippy::cast_possible_truncation)]
    let magnitude = rows.max(1.0).log10().floor() as i64;
    magnitude
}
