//! The statements of `rollback.sql`, phase by phase. Names are those of after until the renames, those of before from
//! there on.

mod attributes;
mod columns;
mod drops;
mod others;
mod renames;
mod restores;
mod shared;
mod tables;
mod types;
mod values;

use super::backup::Save;
use super::generate::Step;
use super::planner::Plan;
pub(super) use others::is_altered_in_place;

/// All statements, by part.
#[derive(Debug, Default)]
pub(super) struct Inverse {
    /// Title and steps of each part of the transaction.
    pub sections: Vec<(&'static str, Vec<Step>)>,
    /// What runs after it, statement by statement.
    pub outside: Vec<Step>,
}

pub(super) fn inverse(plan: &mut Plan<'_>, saved: &[Save]) -> Inverse {
    let order = plan.drop_order();
    let drops = drops::first(plan, &order);
    let renamed = renames::renames(plan, &order);
    let restored = restores::restores(plan);
    let mut types = types::types(plan);
    types.extend(others::others(plan));
    let columns = columns::columns(plan, saved);
    let last = drops::last(plan, &order, &renamed.away);
    let persistence = tables::persistence(plan);
    let tables = tables::tables(plan);
    let attributes = attributes::attributes(plan);
    let shared = shared::shared(plan);
    Inverse {
        sections: vec![
            ("what the migration made, and what stands in the way", drops),
            ("names", renamed.steps),
            ("types, functions, sequences and tables that were dropped or replaced", restored.early),
            ("types changed in place", types),
            ("columns and their values", columns),
            ("sequences and defaults", restored.after_columns),
            ("logged and unlogged tables", persistence),
            ("views, constraints, indexes, triggers and the like", restored.late),
            ("tables and sequences changed in place", tables),
            ("what only now nothing needs any more", last),
            ("owners, privileges, comments", attributes),
            ("roles and the database", shared),
        ],
        outside: restored.outside,
    }
}
