//! d
use super::Finding;
use crate::config::Thresholds;
use crate::rehearsal::Rehearsal;
pub(super) fn check(_: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    Vec::new()
}
