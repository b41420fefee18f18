//! Index changes and what they mean: `index/*`.

use super::{Answer, Check, Finding, Kind, Severity, count, examples};
use crate::config::Thresholds;
use crate::diff::index::{IndexChangeKind, duplicate_indexes, unindexed_foreign_keys};
use crate::diff::plan::verdict::{PlanConfidence, Verdict};
use crate::rehearsal::{IndexEntry, Rehearsal, cause};
use crate::report::human;
use crate::report::v1::{Confidence, EngineName};
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&DROPPED_IN_USE, &INVALID, &DUPLICATE, &FK_UNINDEXED, &UNUSED], find };

pub(crate) const DROPPED_IN_USE: Kind = Kind::new(
    "index/dropped-in-use",
    Severity::Error,
    Answer::Slower,
    "
        The migration drops or redefines an index that plans of hot queries used, no other index answers all that it answered,
        and these queries did not go over to another index of the table without doing more work. On a table of fewer than
        1,000 rows whose queries are no worse it is a note (info). Where the source was asked and plans all of these queries in
        another way than the copy, it is a warning and a prediction; so it is where only the source's own plans went through
        the index.
    ",
)
.with(examples!("index/dropped-in-use"));

const INVALID: Kind = Kind::new(
    "index/invalid",
    Severity::Error,
    Answer::Slower,
    "
        An index is left behind invalid, as after a failed `CREATE INDEX CONCURRENTLY`: no query uses it and every write pays
        for it.
    ",
)
.with(examples!("index/invalid"));

const DUPLICATE: Kind = Kind::new(
    "index/duplicate",
    Severity::Warning,
    Answer::Slower,
    "
        The migration creates an index that another one makes superfluous, or makes another superfluous: the same definition,
        or the first columns of a longer one.
    ",
)
.with(examples!("index/duplicate"));

const FK_UNINDEXED: Kind = Kind::new(
    "index/fk-unindexed",
    Severity::Warning,
    Answer::Slower,
    "
        The migration creates a foreign key whose columns no index of the referencing table begins with, or takes away the index
        an existing one lived on. Raised for large tables, and for new ones, which will grow.
    ",
)
.with(examples!("index/fk-unindexed"));

const UNUSED: Kind = Kind::new(
    "index/unused",
    Severity::Info,
    Answer::Slower,
    "
        The migration creates an index on an existing table that none of the registered hot queries uses. It enforces nothing
        either. Only said when hot queries are registered.
    ",
)
.with(examples!("index/unused"));

fn find(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in &rehearsal.indexes {
        dropped(rehearsal, entry, &mut findings);
        invalid(entry, &mut findings);
        unused(rehearsal, entry, &mut findings);
    }
    duplicates(rehearsal, &mut findings);
    foreign_keys(rehearsal, thresholds, &mut findings);
    findings
}

fn dropped(rehearsal: &Rehearsal, entry: &IndexEntry, findings: &mut Vec<Finding>) {
    let change = &entry.change;
    let gone = matches!(change.kind, IndexChangeKind::Dropped | IndexChangeKind::Redefined);
    if !gone || change.table_dropped || change.replaced_by.is_some() {
        return;
    }
    if change.used_by_before.is_empty() {
        findings.extend(dropped_there(rehearsal, entry));
        return;
    }
    let worse = |query: &&String| {
        rehearsal.plans.iter().any(|plan| plan.diff.key.query == **query && plan.diff.verdict.verdict.is_worse())
    };
    let suffering: Vec<&String> = change.used_by_before.iter().filter(worse).collect();
    // Its users went over to another index of the table and do no more work: the drop is safe.
    let moved = |query: &&String| {
        rehearsal.indexes_used_after(query).any(|(_, table)| table == change.table) && !suffering.contains(query)
    };
    if change.used_by_before.iter().all(|query| moved(&query)) {
        return;
    }
    let name = change.name_before.clone().unwrap_or_else(|| change.name.clone());
    let users = human::list(&change.used_by_before);
    let mut finding = Finding::measured(
        &DROPPED_IN_USE,
        entry.statement,
        vec![name.clone()],
        format!("drops {name}, which {users} used before"),
        "keep it, or create its replacement first and see that these queries use it".to_owned(),
    )
    .with(json!({ "used_by_before": change.used_by_before, "bytes_before": change.bytes_before, "definition": change.definition_before }));
    // On this data a scan is as good: worth knowing, no reason to stop.
    let measured = change.used_by_before.iter().all(|query| {
        rehearsal.plans.iter().filter(|plan| plan.diff.key.query == *query).all(|plan| {
            !plan.diff.verdict.verdict.is_worse() && !matches!(plan.diff.verdict.verdict, Verdict::Transient)
        })
    });
    if measured && rehearsal.rows_of(&change.table) < 1_000 {
        finding.severity = Severity::Info;
    }
    // Where the source goes another way, it may well not miss it.
    let is_predicted = |query: &String| {
        let mut plans = rehearsal.plans.iter().filter(|plan| plan.diff.key.query == *query);
        plans.all(|plan| plan.diff.verdict.confidence == PlanConfidence::Predicted)
    };
    if finding.severity == Severity::Error && change.used_by_before.iter().all(is_predicted) {
        finding.severity = Severity::Warning;
        finding.confidence = Confidence::Predicted;
    }
    findings.push(finding);
}

/// No plan of the copy goes through it, and one of the source's own does.
fn dropped_there(rehearsal: &Rehearsal, entry: &IndexEntry) -> Option<Finding> {
    let change = &entry.change;
    let queries: Vec<String> = rehearsal.users_at_the_source(entry)?.iter().cloned().collect();
    let name = change.name_before.clone().unwrap_or_else(|| change.name.clone());
    let mut finding = Finding::measured(
        &DROPPED_IN_USE,
        entry.statement,
        vec![name.clone()],
        format!("drops {name}, which the source's own plans of {} go through, and the copy's do not", human::list(&queries)),
        "see with EXPLAIN on the source what these queries would do without it".to_owned(),
    )
    .with(json!({ "used_by_source": queries, "bytes_before": change.bytes_before, "definition": change.definition_before }));
    finding.severity = Severity::Warning;
    finding.confidence = Confidence::Predicted;
    Some(finding)
}

fn invalid(entry: &IndexEntry, findings: &mut Vec<Finding>) {
    let change = &entry.change;
    if change.kind != IndexChangeKind::Invalid {
        return;
    }
    findings.push(
        Finding::measured(
            &INVALID,
            entry.statement,
            vec![change.name.clone()],
            format!(
                "leaves {} behind invalid: no query uses it, every write pays for it, and a retry trips over it",
                change.name
            ),
            format!("DROP INDEX CONCURRENTLY {}; mend what stopped its build, then build it again", change.name),
        )
        .with(json!({ "bytes": change.bytes_after, "definition": change.definition_after })),
    );
}

fn unused(rehearsal: &Rehearsal, entry: &IndexEntry, findings: &mut Vec<Finding>) {
    let change = &entry.change;
    let idle = change.kind == IndexChangeKind::Created
        && !change.enforces
        && !change.table_created
        && change.used_by_after.is_empty()
        && !rehearsal.queries.is_empty();
    if idle {
        findings.push(
            Finding::measured(
                &UNUSED,
                entry.statement,
                vec![change.name.clone()],
                format!("creates {}, which none of the registered hot queries uses", change.name),
                "register the query it is for, or leave it out".to_owned(),
            )
            .with(json!({ "bytes": change.bytes_after })),
        );
    }
}

fn duplicates(rehearsal: &Rehearsal, findings: &mut Vec<Finding>) {
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.settled) else { return };
    for duplicate in duplicate_indexes(before, after) {
        let how = if duplicate.exact { "the same index as" } else { "covered by the longer" };
        findings.push(
            Finding::measured(
                &DUPLICATE,
                cause::statement_that_made(rehearsal, duplicate.created),
                vec![duplicate.redundant.clone(), duplicate.covered_by.clone()],
                format!("{} is {how} {}: every write pays for both", duplicate.redundant, duplicate.covered_by),
                match duplicate.redundant_is_new {
                    true => format!("leave {} out", duplicate.redundant),
                    false => format!("drop {}: {} does its work", duplicate.redundant, duplicate.covered_by),
                },
            )
            .with(json!({ "table": duplicate.table, "exact": duplicate.exact, "bytes": duplicate.bytes })),
        );
    }
}

fn foreign_keys(rehearsal: &Rehearsal, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.settled) else { return };
    for key in unindexed_foreign_keys(before, after) {
        let rows = key.rows.map_or(0, |rows| rows.max(0.0) as u64);
        // A small or empty table is scanned in no time; a new one will grow.
        if rows < thresholds.rows && !key.table_created {
            continue;
        }
        let statement = if key.created {
            cause::statement_for(rehearsal, None, &[&key.constraint]).or_else(|| {
                let table = after.catalog.relations.values().find(|relation| relation.qualified == key.table);
                // The server gave it its name: then its columns and the other table are in the statement.
                let other = key.references.rsplit('.').next().unwrap_or(&key.references).trim_matches('"');
                let names: Vec<&str> = key.columns.iter().map(String::as_str).chain([other]).collect();
                cause::statement_for(rehearsal, table.map(|table| table.oid), &names)
            })
        } else {
            let gone = |entry: &&IndexEntry| {
                entry.change.table == key.table
                    && matches!(entry.change.kind, IndexChangeKind::Dropped | IndexChangeKind::Redefined)
            };
            rehearsal.indexes.iter().filter(gone).find_map(|entry| entry.statement)
        };
        let has_none = if key.created { "has no index" } else { "has no index any more" };
        findings.push(
            Finding::measured(
                &FK_UNINDEXED,
                statement,
                vec![key.table.clone()],
                format!(
                    "foreign key {} on {} ({}) {has_none}: each DELETE or key UPDATE on {} reads all {} rows",
                    key.constraint,
                    key.table,
                    key.columns.join(", "),
                    key.references,
                    count(rows)
                ),
                match rehearsal.engine {
                    EngineName::Postgresql => {
                        format!("CREATE INDEX CONCURRENTLY ON {} ({})", key.table, key.columns.join(", "))
                    }
                    EngineName::Sqlite => format!("create an index on {} ({})", key.table, key.columns.join(", ")),
                },
            )
            .with(json!({ "columns": key.columns, "references": key.references, "rows": rows })),
        );
    }
}
