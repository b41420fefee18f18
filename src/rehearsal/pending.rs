//! What is rehearsed: which layout it is, and what its runner would run now.

use super::{Course, Plan, Ready, Rehearsal, RehearsalError, command};
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::session::Session;
use crate::migration::Migration;
use crate::migration::history::{self, FoundTable, HistoryShape, Pending, Row};
use crate::migration::layout::{MigrationTree, detect};
use crate::report::human;
use crate::report::v1::SourceKind;
use std::collections::BTreeMap;

/// Whoever can be asked what migration tools have noted down on the copy.
pub(super) trait Histories {
    /// Tables that bear a history table's name.
    async fn tables(&mut self, name: &str) -> Result<Vec<FoundTable>, RehearsalError>;
    /// The rows of one.
    async fn rows(&mut self, shape: &HistoryShape, table: &FoundTable) -> Result<Vec<Row>, RehearsalError>;
}

impl Histories for Session {
    async fn tables(&mut self, name: &str) -> Result<Vec<FoundTable>, RehearsalError> {
        Ok(history::parse_found(&self.query(&history::find_query(name)).await?.rows)?)
    }

    async fn rows(&mut self, shape: &HistoryShape, table: &FoundTable) -> Result<Vec<Row>, RehearsalError> {
        Ok(self.query(&shape.rows_query(table)).await?.rows)
    }
}

/// Finds what is pending and makes the copy ready for it.
pub(super) async fn find<'run>(
    plan: &'run Plan<'run>,
    copy: &ScratchDatabase,
    rehearsal: &mut Rehearsal,
) -> Result<Ready<'run>, RehearsalError> {
    let to = plan.settings.to.as_deref();
    if let Some(command) = &plan.settings.command {
        let recorded = command::record(plan, command).await?;
        rehearsal.migrations = up_to(recorded.migrations, to)?;
        rehearsal.notes = vec![command::announce(command, rehearsal)];
        let ready = Ready { plan, setup: recorded.setup, earlier: Vec::new(), open_ms: recorded.open_ms };
        ready.set_up(copy).await?;
        return Ok(ready);
    }
    // As the migration's role sees it: the history table is found along its search path.
    let mut session = copy.target.session("history").await?;
    let Found { setup, earlier } = by_history(plan, &mut session, rehearsal).await?;
    session.close().await;
    let ready = Ready { plan, setup, earlier, open_ms: BTreeMap::new() };
    ready.set_up(copy).await?;
    Ok(ready)
}

/// What comes before what is rehearsed.
pub(super) struct Found {
    /// What the runner sends before anything else.
    pub setup: Vec<String>,
    /// Pending, but not what is rehearsed.
    pub earlier: Vec<Migration>,
}

/// Finds what is pending by the history on a copy, and notes it down in `rehearsal`.
pub(super) async fn by_history(
    plan: &Course<'_>,
    histories: &mut impl Histories,
    rehearsal: &mut Rehearsal,
) -> Result<Found, RehearsalError> {
    let (tree, rows) = choose_tree(plan, histories).await?;
    let pending = pending(plan, &tree, rows.as_deref(), rehearsal)?;
    let create_history = tree.create_history.iter().filter(|_| rows.is_none());
    let setup = tree.setup.iter().chain(create_history).cloned().collect();
    rehearsal.edited = pending.edited.iter().map(|edited| (edited.version.clone(), edited.file.name.clone())).collect();
    rehearsal.migrations = up_to(pending.migrations, plan.settings.to.as_deref())?;
    rehearsal.notes = vec![announce(&tree, rehearsal)];
    rehearsal.notes.extend(pending.notes);
    Ok(Found { setup, earlier: pending.earlier })
}

/// The one of the trees whose history the copy has, with that history's rows. A single tree needs no history.
async fn choose_tree(
    plan: &Course<'_>,
    session: &mut impl Histories,
) -> Result<(MigrationTree, Option<Vec<Row>>), RehearsalError> {
    // Names alone are a weak reason: where their tool has no history here, another one's may.
    let others: Vec<MigrationTree> =
        plan.trees.iter().take(1).flat_map(|tree| detect::alternatives(tree, &plan.settings.root)).collect();
    let alone = plan.trees.len() == 1 && others.is_empty();
    let mut found = histories(session, &plan.trees, alone).await?;
    let several = plan.trees.len() > 1 || (found.is_empty() && !others.is_empty());
    if found.is_empty() {
        found = histories(session, &others, false).await?;
    }
    let chosen = match (found.len(), plan.trees.as_slice()) {
        (1, _) => {
            let (mut tree, shape, table) = found.remove(0);
            let rows = session.rows(&shape, &table).await?;
            if !table.visible {
                tree.notes.push(format!("history read from {}, which is not on the search path", table.name));
                tree.history = Some((table.name, shape));
            }
            if several {
                tree.detected = Some(format!("its history is in {}", tree.history_table()));
            }
            (tree, Some(rows))
        }
        (0, [only]) => {
            // What is said of another tool's table here stays said when no other tool's is found.
            histories(session, std::slice::from_ref(only), true).await?;
            (only.clone(), None)
        }
        _ => {
            let tables: Vec<String> = found.iter().map(|(_, _, table)| format!("{} is there", table.name)).collect();
            let by_history = found.iter().zip(&tables).map(|((tree, ..), why)| (tree.layout, why.as_str()));
            let by_files = plan.trees.iter().map(|tree| (tree.layout, tree.detected.as_deref().unwrap_or_default()));
            let names: Vec<_> = if found.is_empty() { by_files.collect() } else { by_history.collect() };
            let path = plan.settings.migrations.first().cloned().unwrap_or_default();
            return Err(detect::ambiguous(&path, names.into_iter()).into());
        }
    };
    Ok(chosen)
}

/// The trees whose history table is on the copy, each with that table. Another tool's table of the same name only speaks
/// against a tree that is `alone`.
async fn histories(
    session: &mut impl Histories,
    trees: &[MigrationTree],
    alone: bool,
) -> Result<Vec<(MigrationTree, HistoryShape, FoundTable)>, RehearsalError> {
    let mut found = Vec::new();
    for tree in trees {
        let Some((table, shape)) = &tree.history else { continue };
        let tables = session.tables(table).await?;
        let chosen = match shape.choose(tree.layout, &tables) {
            Ok(chosen) => chosen,
            Err(error) if alone => return Err(error.into()),
            Err(_) => None,
        };
        if let Some(chosen) = chosen {
            found.push((tree.clone(), *shape, chosen.clone()));
        }
    }
    Ok(found)
}

/// What the runner would run now, by the history on the copy.
fn pending(
    plan: &Course<'_>,
    tree: &MigrationTree,
    rows: Option<&[Row]>,
    rehearsal: &Rehearsal,
) -> Result<Pending, RehearsalError> {
    let empty = rehearsal.source.as_ref().is_some_and(|source| source.kind == SourceKind::Empty);
    if tree.directory_given && rows.is_none() && !empty && plan.changed.is_none() {
        let directory = plan.settings.migrations.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        return Err(RehearsalError::NoHistory { directory: directory.join(" ") });
    }
    Ok(history::pending(tree, rows, plan.changed.as_ref())?)
}

/// Pending migrations up to the version `--to` names.
fn up_to(mut migrations: Vec<Migration>, to: Option<&str>) -> Result<Vec<Migration>, RehearsalError> {
    let Some(version) = to else { return Ok(migrations) };
    // A version whose file runs in several transactions counts as a whole.
    match migrations.iter().rposition(|migration| migration.version == version) {
        Some(last) => {
            migrations.truncate(last + 1);
            Ok(migrations)
        }
        None => Err(RehearsalError::UnknownVersion {
            version: version.to_owned(),
            pending: migrations.iter().map(|migration| migration.version.as_str()).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// What was detected and what is pending, for people.
fn announce(tree: &MigrationTree, rehearsal: &Rehearsal) -> String {
    let why = tree.detected.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
    let statements: usize = rehearsal.migrations.iter().map(|migration| migration.statements.len()).sum();
    let other = if tree.detected.is_some() { "; override with `layout =`" } else { "" };
    format!(
        "layout {}{why}: {}, {} pending with {}{other}",
        tree.layout,
        human::plural(tree.files.len(), "file"),
        rehearsal.migrations.len(),
        human::plural(statements, "statement"),
    )
}
