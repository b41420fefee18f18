//! Why a measured difference deserves less trust than usual. Pure.

use super::Rehearsal;
use crate::engine::postgres::settle::{RepairMethod, RepairedColumn};
use crate::snapshot::catalog::Catalog;
use crate::snapshot::plan::PlanCapture;
use std::collections::BTreeSet;

/// For a write that was planned and not run: triggers of its table are others now, and what they do shows in no plan.
pub(super) fn of_triggers(rehearsal: &Rehearsal, capture: &PlanCapture) -> Option<String> {
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.right_after) else { return None };
    let plan = capture.captured.plan()?;
    let written = plan.nodes().into_iter().filter(|node| node.node_type == "ModifyTable");
    let written: BTreeSet<String> = written.filter_map(|node| node.relation()).collect();
    // With the bodies of the functions they call: a trigger is as good as its function.
    let triggers = |catalog: &Catalog| -> BTreeSet<(String, String)> {
        let mine = catalog.triggers.values().filter(|trigger| written.contains(&catalog.relation_name(trigger.table)));
        mine.map(|trigger| {
            let named = |name: &str| trigger.definition.contains(&format!("{name}("));
            let functions = catalog.functions.values().filter(|function| named(&function.name));
            let bodies: Vec<&str> = functions.filter_map(|function| function.definition.as_deref()).collect();
            (trigger.name.clone(), format!("{} {}", trigger.definition, bodies.join(" ")))
        })
        .collect()
    };
    let (was, now) = (triggers(&before.catalog), triggers(&after.catalog));
    let (name, _) = now.difference(&was).next()?;
    let tables = written.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!("what the trigger {name} on {tables} does shows in no plan: --measure-writes runs it"))
}

/// For one capture before the run: the machine was noisy, or statistics its plan rests on could not be kept.
pub(super) fn of(
    capture: &PlanCapture,
    repaired: &[RepairedColumn],
    disturbed: &[String],
    noisy: bool,
) -> Option<String> {
    if noisy {
        return Some("too many queries differed between two captures of the same state".to_owned());
    }
    let plan = capture.captured.plan()?;
    let relations: Vec<String> = plan.relations().iter().map(|relation| relation.qualified()).collect();
    if let Some(table) = disturbed.iter().find(|table| relations.contains(table)) {
        return Some(format!("autovacuum of the server worked on {table} while it was measured"));
    }
    repaired.iter().filter(|column| relations.contains(&column.table)).find_map(|column| match &column.method {
        RepairMethod::SampledInstead(why) => Some(format!(
            "the statistics of {}.{} are a fresh sample, not those from before: {why}",
            column.table, column.column
        )),
        RepairMethod::Transplanted | RepairMethod::Sampled => None,
    })
}
