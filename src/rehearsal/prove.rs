//! The prove pass: writes the scripts for everything that was applied, and for each migration of it, and has them proven.

use super::ground::{Ground, untouched_schema};
use super::{Destroyed, Ready, Rehearsal, RehearsalError};
use super::{passes, prefixes};
use crate::copy::scratch::ScratchDatabase;
use crate::diff::catalog::CatalogChange;
use crate::engine::postgres::{catalog, count, volatile};
use crate::migration::script::{StatementKind, kind};
use crate::migration::{Down, Migration, TransactionMode};
use crate::observation::lock::LockMode;
use crate::observation::{Observation, RelationWork};
use crate::report::v1::RollbackVerdict;
use crate::rollback::generate::{ChangedTable, Input, Trust, generate};
use crate::rollback::origin::Origin;
use crate::rollback::prove::{
    DownProof, ProveOptions, Proven, Step, Touched, prove_downs, prove_each, write_and_prove,
};
use crate::rollback::{self, Rollback};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Relation, RelationKind, qualify_column};
use std::collections::{BTreeMap, BTreeSet};

/// Counts what goes, writes the scripts, then runs them: is everything as before? First for all migrations together, as
/// the runner applied them, then for each by itself.
pub(super) async fn prove(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let copy = plan.copy().await?;
    count_destroyed(&copy, rehearsal).await?;
    let dump = untouched_schema(plan, &copy).await?;
    let mut superuser = copy.superuser("functions").await?;
    let volatile = volatile::read(&mut superuser).await?;
    superuser.close().await;
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.right_after) else { return Ok(()) };
    let applied = applied(rehearsal);
    let title: Vec<String> = applied.iter().map(title).collect();
    let all: Vec<&Migration> = rehearsal.migrations.iter().collect();
    let (history, changed) = (history(noted_down(rehearsal)), changed_tables(rehearsal, &all, &before.catalog));
    let write = |trust: &Trust<'_>| {
        generate(&Input {
            before: &before.catalog,
            after: &after.catalog,
            dump_before: &dump,
            history: &history,
            changed: &changed,
            statements: &committed(rehearsal, &all),
            title: &title.join(", "),
            backup_schema: catalog::BACKUP_SCHEMA,
            trust,
            stepwise: stepwise(&all),
            origins: &origins(rehearsal, &all),
        })
    };
    let options = ProveOptions {
        tables: touched_tables(plan, rehearsal, &all, &before.catalog),
        touched: locked_tables(rehearsal, &all, &before.catalog).map(|locked| Touched {
            tables: names(&before.catalog, &locked),
            written: names(&before.catalog, &passes::written_tables(rehearsal, &after.catalog)),
        }),
    };
    let mut ground = Ground { first: Some((copy, dump.clone())), ..Ground::of(plan, rehearsal) };
    // Statements and casts are trusted until the copy shows otherwise.
    let trust = Trust::all(&volatile);
    let proven = write_and_prove(&mut ground, &options, &before.catalog, trust, write).await?;
    let Proven { scripts, mut proof, trust } = proven;
    let points: Vec<usize> = prefixes::points(&rehearsal.migrations)
        .into_iter()
        .filter(|point| rehearsal.committed.iter().any(|later| later > point))
        .collect();
    let comes_back = !matches!(proof.verdict(), RollbackVerdict::Irreversible | RollbackVerdict::RowsLost);
    if stepwise(&all) && comes_back {
        rollback::prove::prove_prefixes(&mut ground, &scripts, &points, &options, &mut proof).await?;
    }
    let saves = !scripts.saved.is_empty();
    let whole = Rollback { scripts, proof: Some(proof), reason: None };
    let alone = applied.len() == 1 && rehearsal.failure.is_none();
    rehearsal.rollbacks = if alone { vec![whole.clone()] } else { Vec::new() };
    rehearsal.rollback = Some(whole);
    if !alone {
        rehearsal.rollbacks = each(plan, rehearsal, saves, &trust).await?;
    }
    rehearsal.downs = downs(plan, rehearsal).await?;
    Ok(())
}

/// Whether any of these migrations has a hand-written way back.
pub(super) fn have_downs(migrations: &[Migration]) -> bool {
    migrations.iter().any(|migration| migration.down.is_some())
}

/// What the hand-written down scripts of the migrations that were applied bring back.
async fn downs(plan: &Ready<'_>, rehearsal: &Rehearsal) -> Result<Vec<Option<DownProof>>, RehearsalError> {
    let applied = applied(rehearsal);
    if !have_downs(applied) {
        return Ok(Vec::new());
    }
    plan.progress.say("the down scripts …");
    let tell = |index: usize, schema: &Catalog| {
        let Some(migration) = rehearsal.migrations.get(index) else { return Step::default() };
        let mut step = step(plan, rehearsal, migration, schema);
        if let (Some(tables), Some(down)) = (&mut step.tables, &migration.down) {
            tables.extend(named(down, schema));
        }
        step
    };
    let scripts: Vec<bool> = applied.iter().map(|migration| migration.down.is_some()).collect();
    let mut ground = Ground::of(plan, rehearsal);
    Ok(prove_downs(&mut ground, &scripts, tell).await?)
}

/// Tables a script names, and those whose rows may go with theirs: nobody watched what it writes to.
fn named(down: &Down, schema: &Catalog) -> BTreeSet<String> {
    let text: Vec<String> = down.statements.iter().map(|statement| statement.sql().to_lowercase()).collect();
    let is_named = |relation: &&Relation| text.iter().any(|sql| sql.contains(&relation.name.to_lowercase()));
    let mut tops: BTreeSet<Oid> = schema.relations.values().filter(is_named).map(|relation| relation.oid).collect();
    let mut grew = true;
    while grew {
        let referencing =
            schema.constraints.values().filter(|each| each.references.is_some_and(|oid| tops.contains(&oid)));
        let more: Vec<Oid> = referencing.filter_map(|each| each.table).filter(|oid| !tops.contains(oid)).collect();
        grew = !more.is_empty();
        tops.extend(more);
    }
    let within = schema.relations.values().filter(|relation| schema.is_within(relation.oid, &tops));
    within.map(|relation| relation.qualified.clone()).collect()
}

/// What the proof of one migration needs to know.
fn step(plan: &Ready<'_>, rehearsal: &Rehearsal, migration: &Migration, schema: &Catalog) -> Step {
    Step {
        title: title(migration),
        backup_schema: catalog::BACKUP_SCHEMA.to_owned(),
        history: history(std::slice::from_ref(migration)),
        changed: changed_tables(rehearsal, &[migration], schema),
        statements: committed(rehearsal, &[migration]),
        tables: touched_tables(plan, rehearsal, &[migration], schema),
        stepwise: stepwise(&[migration]),
        origins: origins(rehearsal, &[migration]),
    }
}

/// The scripts of each migration that was applied.
async fn each(
    plan: &Ready<'_>,
    rehearsal: &Rehearsal,
    saves: bool,
    trust: &Trust<'_>,
) -> Result<Vec<Rollback>, RehearsalError> {
    let schemas = backup_schemas(&rehearsal.migrations, catalog::BACKUP_SCHEMA);
    let tell = |index: usize, schema: &Catalog| {
        let Some(migration) = rehearsal.migrations.get(index) else { return Step::default() };
        let backup_schema = schemas.get(index).cloned().unwrap_or_default();
        Step { backup_schema, ..step(plan, rehearsal, migration, schema) }
    };
    let applied = applied(rehearsal).len();
    if applied == 0 {
        return Ok(Vec::new());
    }
    plan.progress.say("each migration by itself …");
    let mut ground = Ground::of(plan, rehearsal);
    Ok(prove_each(&mut ground, applied, saves, trust, tell).await?)
}

/// The migrations that were applied as a whole.
pub(super) fn applied(rehearsal: &Rehearsal) -> &[Migration] {
    rehearsal.migrations.get(..rehearsal.applied).unwrap_or_default()
}

/// The migrations that left something in the runner's history: those applied, and the one that failed where the runner
/// notes down that it begins.
pub(super) fn noted_down(rehearsal: &Rehearsal) -> &[Migration] {
    let begun = |migration: &Migration| migration.history.as_ref().is_some_and(|history| !history.begun.is_empty());
    let failed = rehearsal.failure.is_some() && rehearsal.migrations.get(rehearsal.applied).is_some_and(begun);
    rehearsal.migrations.get(..rehearsal.applied + usize::from(failed)).unwrap_or_default()
}

/// The text of what was committed of these migrations.
pub(super) fn committed(rehearsal: &Rehearsal, migrations: &[&Migration]) -> Vec<String> {
    let statements = migrations.iter().flat_map(|migration| &migration.statements);
    let committed = statements.filter(|statement| rehearsal.committed.contains(&statement.index));
    committed.map(|statement| statement.sql().to_owned()).collect()
}

/// What was committed of these migrations, for the comments of the scripts.
pub(super) fn origins(rehearsal: &Rehearsal, migrations: &[&Migration]) -> Vec<Origin> {
    let statements = migrations.iter().flat_map(|migration| &migration.statements);
    let committed = statements.filter(|statement| rehearsal.committed.contains(&statement.index));
    committed.map(|statement| Origin::new(statement.index, statement.place(), statement.sql())).collect()
}

/// Whether one of these commits before its own end.
fn stepwise(migrations: &[&Migration]) -> bool {
    migrations.iter().any(|migration| !prefixes::points(std::slice::from_ref(migration)).is_empty())
}

pub(super) fn title(migration: &Migration) -> String {
    format!("{} {}", migration.version, migration.name).trim_end().to_owned()
}

/// The runner's rows go in the order opposite to the one they came in.
pub(super) fn history(migrations: &[Migration]) -> Vec<String> {
    migrations.iter().rev().filter_map(|each| each.history.as_ref()).flat_map(|history| history.undo.clone()).collect()
}

/// A schema for the backup of each migration, by its version: they stand side by side until each is cleaned up.
pub(super) fn backup_schemas(migrations: &[Migration], begin: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for migration in migrations {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
        // Names of schemas end after 63 bytes.
        let version: String = migration.version.chars().take(40).map(plain).collect();
        let mut name = format!("{begin}_{version}");
        if found.contains(&name) {
            name = format!("{name}_{}", found.len() + 1);
        }
        found.push(name);
    }
    found
}

/// What was committed of these migrations.
fn observed<'r>(rehearsal: &'r Rehearsal, migrations: &[&Migration]) -> impl Iterator<Item = &'r Observation> {
    let statements: BTreeSet<usize> =
        migrations.iter().flat_map(|migration| &migration.statements).map(|statement| statement.index).collect();
    rehearsal.observations.iter().filter(move |observation| statements.contains(&observation.statement))
}

/// A relation the measured run saw, as another copy has it in `schema`. Those from before the run have the same OID on
/// every copy, whatever they are called by then; those that came with it are told by their name.
fn relation_in<'c>(rehearsal: &Rehearsal, schema: &'c Catalog, oid: Oid, name: &str) -> Option<&'c Relation> {
    let old = |oid: &Oid| rehearsal.before.as_ref().is_some_and(|before| before.catalog.relations.contains_key(oid));
    if old(&oid) {
        return schema.relations.get(&oid);
    }
    schema.relations.values().find(|relation| relation.qualified == name && !old(&relation.oid))
}

/// What these migrations did to the rows of tables that were there before them, added up over their statements, with the
/// names the tables have in `schema`.
pub(super) fn changed_tables(rehearsal: &Rehearsal, migrations: &[&Migration], schema: &Catalog) -> Vec<ChangedTable> {
    let mut tables: BTreeMap<&str, ChangedTable> = BTreeMap::new();
    for observation in observed(rehearsal, migrations).filter(|each| rehearsal.committed.contains(&each.statement)) {
        let rows = |works: &[RelationWork], oid: Oid| -> u64 {
            works.iter().filter(|work| work.relation == oid).map(|work| work.rows).sum()
        };
        let works = observation.changed.iter().chain(&observation.inserted).chain(&observation.deleted);
        let seen: BTreeMap<Oid, &str> = works.map(|work| (work.relation, work.name.as_str())).collect();
        for (oid, name) in seen {
            let Some(relation) = relation_in(rehearsal, schema, oid, name) else { continue };
            let table = tables.entry(&relation.qualified).or_insert_with(|| ChangedTable {
                name: relation.qualified.clone(),
                statements: Some(Vec::new()),
                ..Default::default()
            });
            match (&mut table.statements, rehearsal.sql(observation.statement)) {
                (Some(statements), Some(sql)) => statements.push(sql.to_owned()),
                (told, _) => *told = None,
            }
            let deleted = rows(&observation.deleted, oid);
            table.inserted += rows(&observation.inserted, oid);
            table.deleted += deleted;
            table.updated += rows(&observation.changed, oid).saturating_sub(deleted);
        }
    }
    tables.into_values().collect()
}

/// Below this size the proof compares every table: it takes no longer than deciding.
const SMALL_DATABASE: u64 = 64 << 20;

/// Names, in `schema`, of the tables whose values the proof compares; `None` for all of them.
fn touched_tables(
    plan: &Ready<'_>,
    rehearsal: &Rehearsal,
    migrations: &[&Migration],
    schema: &Catalog,
) -> Option<BTreeSet<String>> {
    if plan.base.record.bytes < SMALL_DATABASE {
        return None;
    }
    locked_tables(rehearsal, migrations, schema).map(|locked| names(schema, &changed_along(schema, locked)))
}

/// Names of tables and of their partitions.
fn names(schema: &Catalog, tables: &BTreeSet<Oid>) -> BTreeSet<String> {
    let within = schema.relations.values().filter(|relation| schema.is_within(relation.oid, tables));
    within.map(|relation| relation.qualified.clone()).collect()
}

/// These tables, and those whose rows change with theirs, through foreign keys that act: a rollback that takes rows out
/// may reach them.
fn changed_along(schema: &Catalog, mut tables: BTreeSet<Oid>) -> BTreeSet<Oid> {
    let acts = |definition: &str| {
        let actions = [" ON DELETE ", " ON UPDATE "].iter().flat_map(|on| definition.split_once(on));
        actions.into_iter().any(|(_, action)| action.starts_with("CASCADE") || action.starts_with("SET "))
    };
    loop {
        let keys = schema.constraints.values().filter(|key| key.kind == 'f' && acts(&key.definition));
        let reached = keys
            .filter(|key| key.references.is_some_and(|oid| tables.contains(&oid) || schema.is_within(oid, &tables)));
        let more: Vec<Oid> = reached.filter_map(|key| key.table).filter(|oid| !tables.contains(oid)).collect();
        if more.is_empty() {
            return tables;
        }
        tables.extend(more);
    }
}

/// The tables these migrations may have changed; `None` for all of them, where something ran that could commit halfway and let
/// go of its locks before anybody saw them.
fn locked_tables(rehearsal: &Rehearsal, migrations: &[&Migration], schema: &Catalog) -> Option<BTreeSet<Oid>> {
    let bare =
        |migration: &&&Migration| matches!(migration.transaction, TransactionMode::None | TransactionMode::Explicit);
    let unseen = migrations
        .iter()
        .filter(bare)
        .flat_map(|migration| &migration.statements)
        .any(|statement| matches!(kind(statement.sql()), StatementKind::Do | StatementKind::Call));
    if unseen {
        return None;
    }
    let locked: BTreeSet<Oid> = observed(rehearsal, migrations)
        .flat_map(|observation| &observation.locks)
        .filter(|lock| lock.mode >= LockMode::RowExclusive)
        .filter_map(|lock| relation_in(rehearsal, schema, lock.relation, &lock.name))
        .map(|relation| relation.oid)
        .collect();
    Some(locked)
}

/// Counts what the migration takes away, on a copy it has not touched.
async fn count_destroyed(copy: &ScratchDatabase, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let mut found = Vec::new();
    let mut superuser = copy.superuser("count").await?;
    for change in &rehearsal.changes {
        let (relation, table, column) = match change {
            CatalogChange::RelationDropped {
                relation,
                name,
                kind: RelationKind::Table | RelationKind::PartitionedTable,
                replaced: false,
            } => (*relation, name, None),
            CatalogChange::ColumnDropped { relation, table, column, .. } => (*relation, table, Some(column)),
            _ => continue,
        };
        let rows = count::values(&mut superuser, relation, column.map(String::as_str)).await?;
        let bare = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
        found.push(Destroyed {
            object: column.map_or_else(|| table.clone(), |column| qualify_column(table, column)),
            table: table.clone(),
            what: if column.is_some() { "column" } else { "table" },
            rows,
            statement: super::cause::statement_for(rehearsal, Some(relation), &[column.map_or(bare, String::as_str)]),
        });
    }
    superuser.close().await;
    for observation in rehearsal.observations.iter().filter(|each| rehearsal.committed.contains(&each.statement)) {
        let truncate = rehearsal.sql(observation.statement).is_some_and(|sql| kind(sql) == StatementKind::Truncate);
        found.extend(observation.deleted.iter().filter(|work| !work.created_in_run).map(|work| Destroyed {
            object: work.name.clone(),
            table: work.table.clone(),
            what: if truncate { "truncated rows" } else { "deleted rows" },
            rows: work.rows,
            statement: Some(observation.statement),
        }));
    }
    rehearsal.destroyed = found;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::changed_along;
    use crate::snapshot::catalog::{Catalog, Constraint};
    use std::collections::BTreeSet;

    #[test]
    fn tables_whose_rows_go_with_others_are_looked_at_and_those_that_only_refer_are_not() {
        let key = |oid, table, references, definition: &str| Constraint {
            oid,
            table: Some(table),
            name: "key".to_owned(),
            kind: 'f',
            definition: format!("FOREIGN KEY (a) REFERENCES t(b){definition}"),
            validated: true,
            references: Some(references),
            columns: Vec::new(),
            referenced_columns: Vec::new(),
            inherited: false,
        };
        let keys = [
            key(1, 11, 10, " ON DELETE CASCADE"),
            key(2, 12, 11, " ON UPDATE CASCADE ON DELETE SET NULL"),
            key(3, 13, 10, ""),
            key(4, 14, 10, " ON DELETE RESTRICT"),
            key(5, 16, 15, " ON DELETE CASCADE"),
        ];
        let catalog =
            Catalog { constraints: keys.into_iter().map(|key| (key.oid, key)).collect(), ..Catalog::default() };
        assert_eq!(changed_along(&catalog, BTreeSet::from([10])), BTreeSet::from([10, 11, 12]));
    }
}
