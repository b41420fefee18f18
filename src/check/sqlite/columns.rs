//! Columns whose values are stored otherwise, or which came to an empty table only by luck.

use super::{
    Answer, Check, EmbeddedFacts, Finding, Kind, Rehearsal, Severity, Thresholds, committed, examples, kept_column,
    mentions, rebuilds,
};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{qualify, qualify_column};
use crate::snapshot::sqlite::catalog::MAIN;
use crate::snapshot::sqlite::{ColumnKind, Table, TableKind};
use serde_json::json;

/// What this file finds.
pub(in crate::check) const CHECK: Check = Check { kinds: &[&AFFINITY_CHANGED, &NOT_NULL_WITHOUT_DEFAULT], find };

const AFFINITY_CHANGED: Kind = Kind::new(
    "sqlite/affinity-changed",
    Severity::Warning,
    Answer::Applies,
    "
        A column's declared type gives it another affinity. Values are stored otherwise from then on: `'007'` becomes 7 in a
        column of INTEGER affinity, and 7 becomes `'7'` in one of TEXT affinity. They compare and sort otherwise, and an index
        may no longer serve a comparison with the other type.
    ",
)
.with(examples!("sqlite/affinity-changed"));

const NOT_NULL_WITHOUT_DEFAULT: Kind = Kind::new(
    "sqlite/not-null-without-default",
    Severity::Warning,
    Answer::Applies,
    "
        A column was added as `NOT NULL` without a default, which SQLite refuses unless the table is empty. On this copy it was;
        wherever it holds a row, the migration fails. (Where the table is not empty on the copy, it is `apply/failed`.)
    ",
)
.with(examples!("sqlite/not-null-without-default"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(facts) = &rehearsal.embedded else { return Vec::new() };
    let mut findings = Vec::new();
    for before in facts.before.tables.values().filter(|table| table.kind == TableKind::Ordinary) {
        let Some(oid) = facts.numbers_before.relation(&before.name) else { continue };
        let is_it = |table: &&Table| facts.numbers_after.relation(&table.name) == Some(oid);
        let Some(after) = facts.after.tables.values().find(is_it) else { continue };
        affinities(rehearsal, facts, oid, (before, after), &mut findings);
        required(rehearsal, facts, oid, (before, after), &mut findings);
    }
    findings
}

/// The statement behind a change of a table's columns: the one that made the table it is now, or altered it last.
fn statement(rehearsal: &Rehearsal, table: Oid, column: &str) -> Option<usize> {
    if let Some(rebuild) = rebuilds(rehearsal).into_iter().find(|rebuild| rebuild.oid == table) {
        return Some(rebuild.statement());
    }
    let altering = committed(rehearsal).filter(|(_, embedded)| embedded.rewritten_text.contains(&table));
    let altering: Vec<usize> = altering.map(|(observation, _)| observation.statement).collect();
    let naming = altering.iter().rfind(|each| rehearsal.sql(**each).is_some_and(|sql| mentions(sql, column)));
    naming.or(altering.last()).copied()
}

fn affinities(
    rehearsal: &Rehearsal,
    facts: &EmbeddedFacts,
    oid: Oid,
    (before, after): (&Table, &Table),
    findings: &mut Vec<Finding>,
) {
    let table = qualify(MAIN, &after.name);
    for column in &before.columns {
        let Some(now) = kept_column(facts, oid, after, &column.name) else { continue };
        let (from, to) = (column.affinity(), now.affinity());
        if from == to {
            continue;
        }
        let object = qualify_column(&table, &now.name);
        let declared = |type_name: &str| if type_name.is_empty() { "no type".to_owned() } else { type_name.to_owned() };
        findings.push(
            Finding::measured(
                &AFFINITY_CHANGED,
                statement(rehearsal, oid, &now.name),
                vec![object.clone()],
                format!(
                    "{object} has {} affinity now ({}), not {} ({}): values are stored and compared otherwise",
                    to.name(),
                    declared(&now.type_name),
                    from.name(),
                    declared(&column.type_name)
                ),
                "see with typeof() what the values become, and that queries and bound parameters compare with the same type"
                    .to_owned(),
            )
            .with(json!({ "from": from.name(), "to": to.name(), "type_before": column.type_name, "type_after": now.type_name })),
        );
    }
}

fn required(
    rehearsal: &Rehearsal,
    facts: &EmbeddedFacts,
    oid: Oid,
    (before, after): (&Table, &Table),
    findings: &mut Vec<Finding>,
) {
    // The new table of a rebuild may ask for what it likes: what fills it shows whether it is there.
    // One that was filled and made NOT NULL afterwards, as newer versions can, was held against the rows there are.
    if facts.numbers_after.in_place_of(oid).is_some() || rehearsal.rows_before(oid) > 0 {
        return;
    }
    let table = qualify(MAIN, &after.name);
    let known = |name: &str| {
        let number = facts.numbers_after.column(oid, name);
        before.columns.iter().any(|column| facts.numbers_before.column(oid, &column.name) == number)
    };
    for column in after.columns.iter().filter(|column| !known(&column.name)) {
        let no_default = column.default.as_ref().is_none_or(|default| default.eq_ignore_ascii_case("NULL"));
        if !column.not_null || !no_default || column.kind != ColumnKind::Ordinary {
            continue;
        }
        let object = qualify_column(&table, &column.name);
        findings.push(Finding::measured(
            &NOT_NULL_WITHOUT_DEFAULT,
            statement(rehearsal, oid, &column.name),
            vec![object.clone()],
            format!(
                "{object} is NOT NULL without a default, which was possible only because {table} is empty on this copy"
            ),
            "give it a constant DEFAULT, or rebuild the table and say what existing rows get".to_owned(),
        ));
    }
}
