//! The registry: the tables Sqitch makes, and the rows one change writes to them.

use super::super::literal;
use super::plan::{Change, Plan, find};
use super::{ID, MigrationFile};
use crate::migration::HistoryWrite;
use std::collections::BTreeMap;

/// Attributes of a file: statements, one a line, and what it depends on elsewhere, one a line.
const ROWS: &str = "rows";
const REGISTER: &str = "register";
const EVENT: &str = "event";
const HEAD: &str = "head";
const NOT_PROJECT: &str = "forget";
const REGISTRY: &str = "registry";
/// SHA-1 of the deploy script.
pub(super) const HASH: &str = "script hash";
/// `project:change` of what other projects have to have.
pub(super) const REQUIRES_FOREIGN: &str = "requires";
/// `project:change`, or the id of a change of this project.
pub(super) const CONFLICTS: &str = "conflicts";

/// A statement's line ends would end it in an attribute.
const SEPARATOR: char = '\u{1e}';

/// What Sqitch runs where there is no registry yet.
pub(super) fn create(registry: &str, plan: &Plan) -> Vec<String> {
    let who = "committed_at timestamptz NOT NULL DEFAULT clock_timestamp(), committer_name text NOT NULL, \
        committer_email text NOT NULL, planned_at timestamptz NOT NULL, planner_name text NOT NULL, planner_email text NOT NULL";
    let project = format!("project text NOT NULL REFERENCES {registry}.projects (project) ON UPDATE CASCADE");
    let change = format!("REFERENCES {registry}.changes (change_id) ON UPDATE CASCADE");
    vec![
        format!("CREATE SCHEMA IF NOT EXISTS {registry}"),
        format!(
            "CREATE TABLE {registry}.releases (version real PRIMARY KEY, installed_at timestamptz NOT NULL DEFAULT \
             clock_timestamp(), installer_name text NOT NULL, installer_email text NOT NULL)"
        ),
        format!(
            "CREATE TABLE {registry}.projects (project text PRIMARY KEY, uri text NULL UNIQUE, created_at timestamptz NOT \
             NULL DEFAULT clock_timestamp(), creator_name text NOT NULL, creator_email text NOT NULL)"
        ),
        format!(
            "CREATE TABLE {registry}.changes (change_id text PRIMARY KEY, script_hash text NULL, change text NOT NULL, \
             {project}, note text NOT NULL DEFAULT '', {who}, UNIQUE (project, script_hash))"
        ),
        format!(
            "CREATE TABLE {registry}.tags (tag_id text PRIMARY KEY, tag text NOT NULL, {project}, change_id text NOT NULL \
             {change}, note text NOT NULL DEFAULT '', {who}, UNIQUE (project, tag))"
        ),
        format!(
            "CREATE TABLE {registry}.dependencies (change_id text NOT NULL {change} ON DELETE CASCADE, type text NOT NULL, \
             dependency text NOT NULL, dependency_id text NULL {change} CONSTRAINT dependencies_check CHECK ((type = \
             'require' AND dependency_id IS NOT NULL) OR (type = 'conflict' AND dependency_id IS NULL)), \
             PRIMARY KEY (change_id, dependency))"
        ),
        format!(
            "CREATE TABLE {registry}.events (event text NOT NULL CONSTRAINT events_event_check CHECK (event IN ('deploy', \
             'revert', 'fail', 'merge')), change_id text NOT NULL, change text NOT NULL, {project}, note text NOT NULL \
             DEFAULT '', requires text[] NOT NULL DEFAULT '{{}}', conflicts text[] NOT NULL DEFAULT '{{}}', tags text[] NOT \
             NULL DEFAULT '{{}}', {who}, PRIMARY KEY (change_id, committed_at))"
        ),
        register(registry, plan),
    ]
}

/// The project's own row.
fn register(registry: &str, plan: &Plan) -> String {
    let (name, email) = plan.changes.first().map_or(("", ""), |change| (&change.planner.0, &change.planner.1));
    format!(
        "INSERT INTO {registry}.projects (project, uri, creator_name, creator_email) VALUES ({}, {}, {}, {}) \
         ON CONFLICT (project) DO NOTHING",
        literal(&plan.project),
        plan.uri.as_ref().map_or_else(|| "NULL".to_owned(), |uri| literal(uri)),
        literal(name),
        literal(email)
    )
}

fn array(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|item| literal(&item)).collect();
    format!("ARRAY[{}]::text[]", items.join(", "))
}

/// Values for committer and planner.
fn signed(planned_at: &str, (name, email): &(String, String)) -> String {
    let (name, email) = (literal(name), literal(email));
    format!("{name}, {email}, {}, {name}, {email}", literal(planned_at))
}

const SIGNED: &str = "committer_name, committer_email, planned_at, planner_name, planner_email";

/// What is written when a change is deployed, as far as the plan alone decides it.
pub(super) fn attributes(plan: &Plan, at: usize, registry: &str) -> BTreeMap<String, String> {
    let change: &Change = &plan.changes[at];
    let (id, name, project) = (literal(&change.id), literal(&change.name), literal(&plan.project));
    let by = signed(&change.planned_at, &change.planner);
    let mut rows = Vec::new();
    for required in &change.requires {
        let found = match (&required.project, find(&plan.changes[..at], &required.key)) {
            (None, Some(own)) => literal(&own.id),
            (other, _) => {
                let (name, _) = required.key.split_once('@').unwrap_or((&required.key, ""));
                format!(
                    "(SELECT change_id FROM {registry}.changes WHERE project = {} AND {} IN (change, change_id) \
                     ORDER BY committed_at DESC LIMIT 1)",
                    literal(other.as_ref().unwrap_or(&plan.project)),
                    literal(name)
                )
            }
        };
        rows.push(format!(
            "INSERT INTO {registry}.dependencies (change_id, type, dependency, dependency_id) VALUES ({id}, 'require', {}, {found})",
            literal(&required.spelled())
        ));
    }
    for conflict in &change.conflicts {
        rows.push(format!(
            "INSERT INTO {registry}.dependencies (change_id, type, dependency, dependency_id) VALUES ({id}, 'conflict', {}, NULL)",
            literal(&conflict.spelled())
        ));
    }
    for tag in &change.tags {
        rows.push(format!(
            "INSERT INTO {registry}.tags (tag_id, tag, project, change_id, note, {SIGNED}) VALUES ({}, {}, {project}, {id}, {}, {})",
            literal(&tag.id),
            literal(&format!("@{}", tag.name)),
            literal(&tag.note),
            signed(&tag.planned_at, &tag.planner)
        ));
    }
    let event = format!(
        "INSERT INTO {registry}.events (event, change_id, change, project, note, tags, requires, conflicts, {SIGNED}) \
         VALUES ('deploy', {id}, {name}, {project}, {}, {}, {}, {}, {by})",
        literal(&change.note),
        array(change.tags.iter().map(|tag| format!("@{}", tag.name))),
        array(change.requires.iter().map(|each| each.spelled())),
        array(change.conflicts.iter().map(|each| each.spelled()))
    );
    let foreign = change.requires.iter().filter(|each| each.project.is_some()).map(|each| each.spelled());
    let conflicts = change.conflicts.iter().map(|each| match (&each.project, find(&plan.changes, &each.key)) {
        (None, Some(own)) => own.id.clone(),
        _ => each.spelled(),
    });
    let lines = |items: Vec<String>| items.join("\n");
    let forget = format!(
        "DELETE FROM {registry}.projects WHERE project = {project} \
         AND NOT EXISTS (SELECT FROM {registry}.events WHERE project = {project})"
    );
    let own = [
        (ROWS, rows.join(&SEPARATOR.to_string())),
        (EVENT, event),
        (HEAD, format!("{name}, {project}, {}, {by}", literal(&change.note))),
        (REGISTER, register(registry, plan)),
        (NOT_PROJECT, forget),
        (REGISTRY, registry.to_owned()),
        (REQUIRES_FOREIGN, lines(foreign.collect())),
        (CONFLICTS, lines(conflicts.collect())),
    ];
    own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The rows of a change, once its script has run; `first` is the first one of its project.
pub(super) fn write(file: &MigrationFile, table: &str, first: bool) -> HistoryWrite {
    let attribute = |name: &str| file.attribute(name).unwrap_or_default();
    let id = literal(attribute(ID));
    let registry = attribute(REGISTRY);
    let hash = file.attribute(HASH).map_or_else(|| "NULL".to_owned(), literal);
    let mut applied = vec![format!(
        "INSERT INTO {table} (change_id, script_hash, change, project, note, {SIGNED}) VALUES ({id}, {hash}, {})",
        attribute(HEAD)
    )];
    applied.extend(attribute(ROWS).split(SEPARATOR).filter(|row| !row.is_empty()).map(str::to_owned));
    applied.push(attribute(EVENT).to_owned());
    let mut undo = vec![
        // The same change may have been deployed and reverted before.
        format!(
            "DELETE FROM {registry}.events WHERE change_id = {id} AND committed_at = \
             (SELECT max(committed_at) FROM {registry}.events WHERE change_id = {id} AND event = 'deploy')"
        ),
        format!("DELETE FROM {registry}.tags WHERE change_id = {id}"),
        format!("DELETE FROM {table} WHERE change_id = {id}"),
    ];
    let mut begun = Vec::new();
    if first {
        begun.push(attribute(REGISTER).to_owned());
        undo.push(attribute(NOT_PROJECT).to_owned());
    }
    let others = ["projects", "tags", "dependencies", "events"].map(|name| format!("{registry}.{name}")).to_vec();
    HistoryWrite { table: table.to_owned(), others, begun, applied, undo, ..HistoryWrite::default() }
}
