//! What is rehearsed: which layout it is, and what its runner would run now.

use super::{Plan, Rehearsal, RehearsalError};
use crate::copy::scratch::ScratchDatabase;
use crate::migration::Migration;
use crate::migration::history::{self, Pending, Row};
use crate::migration::layout::{MigrationTree, detect};
use crate::report::human;
use crate::report::v1::SourceKind;

/// The one of the trees whose history the copy has, with that history's rows. A single tree needs no history.
pub(super) async fn choose_tree(
    plan: &Plan<'_>,
    copy: &ScratchDatabase,
) -> Result<(MigrationTree, Option<Vec<Row>>), RehearsalError> {
    // As the migration's role sees it: the history table is found along its search path.
    let mut session = copy.target.session("history").await?;
    let several = plan.trees.len() > 1;
    let mut found = Vec::new();
    for tree in &plan.trees {
        let Some((table, shape)) = &tree.history else { continue };
        let tables = history::parse_found(&session.query(&history::find_query(table)).await?.rows)?;
        // Another tool's table only speaks against this one when nobody else can be meant.
        let chosen = if several {
            shape.choose(tree.layout, &tables).unwrap_or(None)
        } else {
            shape.choose(tree.layout, &tables)?
        };
        if let Some(chosen) = chosen {
            found.push((tree.clone(), *shape, chosen.clone()));
        }
    }
    let chosen = match (found.len(), plan.trees.as_slice()) {
        (1, _) => {
            let (mut tree, shape, table) = found.remove(0);
            let rows = session.query(&shape.rows_query(&table.name)).await?.rows;
            if !table.visible {
                tree.notes.push(format!("history read from {}, which is not on the search path", table.name));
                tree.history = Some((table.name, shape));
            }
            if several {
                tree.detected = Some(format!("its history is in {}", tree.history_table()));
            }
            (tree, Some(rows))
        }
        (0, [only]) => (only.clone(), None),
        _ => {
            let names = plan.trees.iter().map(|tree| (tree.layout, tree.detected.as_deref().unwrap_or_default()));
            let path = plan.settings.migrations.first().cloned().unwrap_or_default();
            return Err(detect::ambiguous(&path, names).into());
        }
    };
    session.close().await;
    Ok(chosen)
}

/// What the runner would run now, by the history on the copy.
pub(super) fn pending(
    plan: &Plan<'_>,
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
pub(super) fn up_to(mut migrations: Vec<Migration>, to: Option<&str>) -> Result<Vec<Migration>, RehearsalError> {
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
pub(super) fn announce(tree: &MigrationTree, rehearsal: &Rehearsal) -> String {
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
