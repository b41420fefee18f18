//! What applications and subscribers notice: `schema/*`.

use super::{Answer, Check, Finding, Kind, Severity, examples, sqlite};
use crate::config::Thresholds;
use crate::diff::catalog::CatalogChange;
use crate::rehearsal::{Rehearsal, cause};
use crate::report::human::list;
use crate::report::v1::EngineName;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{RelationKind, qualify_column};
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check =
    Check { kinds: &[&CLIENT_BREAKING, &REPLICA_IDENTITY, &PRIVILEGES, &PROTECTION_OFF], find };

const CLIENT_BREAKING: Kind = Kind::new(
    "schema/client-breaking",
    Severity::Warning,
    Answer::Applies,
    "
        A table, view, column or function that clients may name was dropped, renamed, or has another type. The application
        must no longer need it. Where something else takes the name in the same run, as a view does that stands in for a renamed
        table, what counts is which of the columns it lacks.
    ",
)
.with(examples!("schema/client-breaking"));

const REPLICA_IDENTITY: Kind = Kind::new(
    "schema/replica-identity",
    Severity::Warning,
    Answer::Applies,
    "
        A published table has lost its replica identity: UPDATE and DELETE on it will fail in production.
    ",
)
.with(examples!("schema/replica-identity"));

const PRIVILEGES: Kind = Kind::new(
    "schema/privileges",
    Severity::Warning,
    Answer::Applies,
    "
        Owner or privileges of an existing object change: somebody who had access may lose it, or somebody may gain it.
    ",
)
.with(examples!("schema/privileges"));

const PROTECTION_OFF: Kind = Kind::new(
    "schema/protection-off",
    Severity::Warning,
    Answer::Applies,
    "
        Row-level security was switched off, a policy dropped, or a trigger dropped or disabled on a table that stays.
    ",
)
.with(examples!("schema/protection-off"));

pub(super) fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    rehearsal.changes.iter().filter_map(|change| finding(rehearsal, change)).collect()
}

fn finding(rehearsal: &Rehearsal, change: &CatalogChange) -> Option<Finding> {
    let make = |kind, relation: Option<Oid>, names: &[&str], object: String, message: String, advice: &str| {
        let statement = cause::statement_for(rehearsal, relation, names);
        Finding::measured(kind, statement, vec![object], message, advice.to_owned())
    };
    let breaking = |relation: Option<Oid>, names: &[&str], object: String, message: String| {
        let advice = "deploy the application that no longer needs it first; keep the old form alive until then";
        make(&CLIENT_BREAKING, relation, names, object, message, advice)
    };
    // Clients name the partitioned table, not its partitions.
    let named_by_clients = |relation: &Oid| {
        let found = rehearsal.before.as_ref().and_then(|before| before.catalog.relations.get(relation));
        found.is_some_and(|found| {
            let visible = matches!(
                found.kind,
                RelationKind::Table
                    | RelationKind::PartitionedTable
                    | RelationKind::View
                    | RelationKind::MaterializedView
                    | RelationKind::ForeignTable
            );
            visible && !found.is_partition
        })
    };
    Some(match change {
        CatalogChange::RelationDropped { relation, name, replaced, .. } => {
            if *replaced || !named_by_clients(relation) {
                return None;
            }
            breaking(
                Some(*relation),
                &[bare(name)],
                name.clone(),
                format!("{name} is gone: whoever still names it fails"),
            )
        }
        CatalogChange::ColumnDropped { relation, table, column, replaced: false } => breaking(
            Some(*relation),
            &[column],
            qualify_column(table, column),
            format!("column {column} of {table} is gone: whoever still names it fails"),
        ),
        // There a type is what values are converted to: `sqlite/affinity-changed` tells where that is another.
        CatalogChange::ColumnTypeChanged { .. } if rehearsal.engine == EngineName::Sqlite => return None,
        CatalogChange::ColumnTypeChanged { relation, table, column, from, to } => breaking(
            Some(*relation),
            &[column],
            qualify_column(table, column),
            format!("column {column} of {table} is {to} now, not {from}: clients that decode by type must know"),
        )
        .with(json!({ "from": from, "to": to })),
        CatalogChange::NameTakenOver { relation, name, missing, retyped } => {
            if !named_by_clients(relation) {
                return None;
            }
            let mut told: Vec<String> = missing.iter().map(|column| format!("has no column {column}")).collect();
            told.extend(retyped.iter().map(|(column, from, to)| format!("has {column} as {to}, not {from}")));
            breaking(
                Some(*relation),
                &[bare(name)],
                name.clone(),
                format!("{name} is another relation now, which {}", list(&told)),
            )
            .with(json!({ "missing": missing, "retyped": retyped }))
        }
        CatalogChange::RelationRenamed { relation, from, to, kind, replaced } => {
            if *replaced || matches!(kind, RelationKind::Sequence | RelationKind::CompositeType) {
                return None;
            }
            breaking(Some(*relation), &[bare(from), bare(to)], from.clone(), format!("{from} is called {to} now"))
                .with(json!({ "from": from, "to": to }))
        }
        CatalogChange::ColumnRenamed { relation, table, from, to } => breaking(
            Some(*relation),
            &[from, to],
            qualify_column(table, from),
            format!("column {from} of {table} is called {to} now"),
        )
        .with(json!({ "from": from, "to": to })),
        CatalogChange::FunctionDropped { identity } => {
            let name = identity.split('(').next().unwrap_or(identity);
            breaking(
                None,
                &[bare(name)],
                identity.clone(),
                format!("function {identity} is gone, or returns something else"),
            )
        }
        CatalogChange::LabelsGone { type_name, labels } => {
            let renamed =
                labels.iter().filter_map(|(label, to)| Some(format!("label {label} is called {} now", to.as_ref()?)));
            let gone: Vec<&str> =
                labels.iter().filter(|(_, to)| to.is_none()).map(|(label, _)| label.as_str()).collect();
            let mut said: Vec<String> = renamed.collect();
            match gone.as_slice() {
                [] => {}
                [one] => said.push(format!("label {one} is gone: whoever still writes or expects it fails")),
                some => said.push(format!("labels {} are gone: whoever still writes or expects one fails", list(some))),
            }
            let names: Vec<&str> = labels.iter().map(|(label, _)| label.as_str()).collect();
            breaking(
                None,
                &[&[bare(type_name)], names.as_slice()].concat(),
                type_name.clone(),
                format!("{type_name}: {}", said.join("; ")),
            )
            .with(json!({ "labels": labels.iter().map(|(label, to)| json!({ "label": label, "to": to })).collect::<Vec<_>>() }))
        }
        CatalogChange::PrivilegesChanged { relation, object, granted, revoked, owner } => {
            let mut parts = Vec::new();
            if let Some((from, to)) = owner {
                parts.push(format!("belongs to {to} now, not {from}"));
            }
            if !granted.is_empty() {
                parts.push(format!("granted: {}", granted.join(", ")));
            }
            if !revoked.is_empty() {
                parts.push(format!("revoked: {}", revoked.join(", ")));
            }
            make(
                &PRIVILEGES,
                *relation,
                &[bare(object)],
                object.clone(),
                format!("privileges on {object} change: {}", parts.join("; ")),
                "see that everybody who needs it keeps access, and nobody else gets it",
            )
            .with(json!({ "granted": granted, "revoked": revoked }))
        }
        CatalogChange::RowSecurityLoosened { relation, table, policy } => {
            let what = policy.as_ref().map_or_else(
                || format!("row-level security of {table} is off"),
                |policy| format!("policy {policy} of {table} is gone"),
            );
            let names: Vec<&str> = policy.iter().map(String::as_str).collect();
            make(
                &PROTECTION_OFF,
                Some(*relation),
                &names,
                table.clone(),
                what,
                "switch it on again in the same migration, or say why nobody needs it",
            )
        }
        // Told with the rebuild that lost it.
        CatalogChange::TriggerOff { relation, trigger, dropped: true, .. }
            if sqlite::rebuild::has_lost(rehearsal, *relation, trigger) =>
        {
            return None;
        }
        CatalogChange::TriggerOff { relation, table, trigger, dropped } => make(
            &PROTECTION_OFF,
            Some(*relation),
            &[trigger],
            table.clone(),
            format!("trigger {trigger} of {table} is {}", if *dropped { "gone" } else { "disabled" }),
            "what it checked or filled in is no longer checked or filled in: enable it again in the same migration",
        ),
        CatalogChange::ReplicaIdentityLost { relation, table } => make(
            &REPLICA_IDENTITY,
            Some(*relation),
            &[],
            table.clone(),
            format!("{table} is published and has no replica identity any more: UPDATE and DELETE on it will fail"),
            "ALTER TABLE … REPLICA IDENTITY USING INDEX another unique index, or FULL, before the key goes",
        ),
        CatalogChange::ColumnDropped { replaced: true, .. } => return None,
    })
}

fn bare(qualified: &str) -> &str {
    qualified.rsplit('.').next().unwrap_or(qualified).trim_matches('"')
}
