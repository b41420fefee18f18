//! interim
use super::Begun;
use crate::rehearsal::{Rehearsal, RehearsalError};
pub(super) async fn prove(_: &Begun<'_>, _: &mut Rehearsal) -> Result<(), RehearsalError> {
    Ok(())
}
