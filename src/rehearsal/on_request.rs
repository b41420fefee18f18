//! What is measured only when asked for, once the passes are over: on copies of its own, within what is left of the
//! budget. Whatever keeps it from being measured is a note, and no answer depends on it.

use super::budget::{Needs, SAFER, TIMES, WRITES};
use super::{Ready, Rehearsal, RehearsalError, needs, safer, timing, within_time, writes};
use crate::engine::postgres::abilities::Abilities;

/// Measures what was asked for.
pub(super) async fn measure(plan: &Ready<'_>, rehearsal: &mut Rehearsal, abilities: Abilities) {
    if plan.settings.suggest.is_some() {
        let lacking = needs::lacking(abilities, needs::SAFER);
        step(plan, rehearsal, "safer forms", lacking, (SAFER, 1), async |each| safer::measure(plan, each).await).await;
    }
    if plan.settings.measure_writes {
        let what = "what writes pay";
        let lacking = needs::lacking(abilities, needs::WRITES);
        step(plan, rehearsal, what, lacking, (WRITES, 1), async |each| writes::measure(plan, each).await).await;
    }
    if plan.settings.measure_time {
        let what = "the time of changed queries";
        step(plan, rehearsal, what, None, (TIMES, 2), async |each| timing::measure(plan, each).await).await;
    }
}

/// `work` says why there was nothing to measure, if so.
async fn step(
    plan: &Ready<'_>,
    rehearsal: &mut Rehearsal,
    what: &str,
    lacking: Option<String>,
    (needs, side_by_side): (Needs, u64),
    work: impl AsyncFnOnce(&mut Rehearsal) -> Result<Option<String>, RehearsalError>,
) {
    let in_the_way = if rehearsal.failure.is_some() {
        Some("the migration does not apply".to_owned())
    } else if rehearsal.settled.is_none() {
        Some("needs the measure pass".to_owned())
    } else if lacking.is_some() {
        lacking
    } else {
        plan.budget.no_room_for(needs, side_by_side, rehearsal)
    };
    let why = match in_the_way {
        Some(why) => Some(why),
        None => {
            plan.progress.say(&format!("{what} …"));
            let mut nothing = None;
            let worked = within_time(plan, async {
                nothing = work(rehearsal).await?;
                Ok(())
            })
            .await;
            worked.err().map(|error| error.to_string()).or(nothing)
        }
    };
    if let Some(why) = why {
        let note = format!("{what}: not measured, {why}");
        plan.progress.say(&note);
        rehearsal.query_notes.push(note);
    }
}
