//! Passes that are run when they are asked for, each under the budget: what they find besides, no answer waits for.

use super::schedule::{NOT_ASKED_FOR, budget_only, skip, timed};
use super::wanted::Wanted;
use super::{Course, Passes, Rehearsal, RehearsalError, beside, retry};
use crate::report::v1::PassName;

/// Runs them, one after the other.
pub(super) async fn run(
    plan: &Course<'_>,
    passes: &mut impl Passes,
    rehearsal: &mut Rehearsal,
    wanted: &Wanted,
) -> Result<(), RehearsalError> {
    for (name, wanted) in wanted.trials() {
        if !wanted {
            skip(rehearsal, name, NOT_ASKED_FOR, false);
        } else if let Some(why) = passes.lacking(name) {
            skip(rehearsal, name, &why, false);
        } else if let Some(why) = in_the_way(name, rehearsal) {
            skip(rehearsal, name, why, false);
        } else if let Some(why) = plan.budget.in_the_way(name, rehearsal) {
            skip(rehearsal, name, &why, true);
        } else {
            let tried = timed(plan, rehearsal, name, async |each| passes.trial(name, each).await);
            let tried = tried.await;
            budget_only(plan, tried)?;
        }
    }
    Ok(())
}

/// What keeps a pass from showing anything, whatever the budget.
fn in_the_way(name: PassName, rehearsal: &Rehearsal) -> Option<&'static str> {
    if rehearsal.settled.is_none() {
        return Some("needs the measure pass");
    }
    if name == PassName::Retry {
        return retry::nothing_to_try(rehearsal);
    }
    let failed = rehearsal.failure.is_some().then_some("the migration does not run to its end here");
    failed.or_else(|| beside::nothing_to_call(name, rehearsal))
}
