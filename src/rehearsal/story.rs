//! What is known of a changed plan besides the two plans: who did it, how long it lasts, what ends it. Pure.

use super::{PlanChange, Rehearsal};
use crate::diff::plan::sentence::Story;
use crate::diff::plan::verdict::Lasts;
use crate::migration::Statement;
use crate::report::human;

/// Of one query with one parameter set.
pub(super) fn of(rehearsal: &Rehearsal, change: &PlanChange) -> Story {
    let statements = change.cause.statements.iter().filter_map(|statement| rehearsal.statement(*statement));
    let places: Vec<String> = statements.map(Statement::place).collect();
    let cause = (!places.is_empty()).then(|| match change.cause.objects.as_slice() {
        [] => human::list(&places),
        objects => format!("{} ({})", human::list(&places), objects.join(", ")),
    });
    Story { cause, lasts: change.diff.verdict.lasts, mend: mend(change).into_iter().collect() }
}

/// The line of SQL that ends a state which passes by itself.
pub(crate) fn mend(change: &PlanChange) -> Option<String> {
    let tables = tables(change).join(", ");
    Some(match change.diff.verdict.lasts? {
        Lasts::UntilVacuum => format!("VACUUM {tables};"),
        // What needs statistics was rewritten most likely, and lost its visibility map as well.
        Lasts::UntilAnalyze => format!("VACUUM (ANALYZE) {tables};"),
    })
}

/// Tables among the causes that the query reads, else all it reads.
fn tables(change: &PlanChange) -> Vec<String> {
    let sides = [change.diff.right_after.as_ref(), Some(&change.diff.before)];
    let plan = sides.into_iter().flatten().find_map(|side| side.captured.plan());
    let read: Vec<String> =
        plan.map_or_else(Vec::new, |plan| plan.relations().iter().map(|relation| relation.qualified()).collect());
    let blamed: Vec<String> = read.iter().filter(|table| change.cause.objects.contains(table)).cloned().collect();
    if blamed.is_empty() { read } else { blamed }
}
