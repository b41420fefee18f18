//! Why a measured difference deserves less trust than usual. Pure.

use crate::engine::postgres::settle::{RepairMethod, RepairedColumn};
use crate::snapshot::plan::PlanCapture;

/// For one capture before the run: the machine was noisy, or statistics its plan rests on could not be kept.
pub(super) fn of(capture: &PlanCapture, repaired: &[RepairedColumn], noisy: bool) -> Option<String> {
    if noisy {
        return Some("too many queries differed between two captures of the same state".to_owned());
    }
    let plan = capture.captured.plan()?;
    let relations: Vec<String> = plan.relations().iter().map(|relation| relation.qualified()).collect();
    repaired.iter().filter(|column| relations.contains(&column.table)).find_map(|column| match &column.method {
        RepairMethod::SampledInstead(why) => Some(format!(
            "the statistics of {}.{} are a fresh sample, not those from before: {why}",
            column.table, column.column
        )),
        RepairMethod::Transplanted | RepairMethod::Sampled => None,
    })
}
