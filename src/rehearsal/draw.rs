//! Parameter sets for hot queries that were registered without.

use super::{Ready, Rehearsal, RehearsalError, passes};
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::draw;
use crate::engine::postgres::session::Session;
use crate::workload::HotQuery;
use std::collections::BTreeSet;

/// Draws them as the role each query runs as, before anything is migrated, so that all that follows uses the same
/// sets; notes down for which queries there is nothing to draw.
pub(super) async fn draw(
    plan: &Ready<'_>,
    copy: &ScratchDatabase,
    superuser: &mut Session,
    rehearsal: &mut Rehearsal,
) -> Result<(), RehearsalError> {
    let options = passes::options(plan);
    let wanting = |query: &HotQuery| !query.parameters.is_empty() && query.sets.is_empty();
    let roles: BTreeSet<Option<String>> =
        rehearsal.queries.iter().filter(|query| wanting(query)).map(|query| query.role.clone()).collect();
    for role in roles {
        let name = role.as_deref().unwrap_or(&copy.target.role);
        let mut session = copy.target.session_as(name, "parameter sets").await?;
        let mine = rehearsal.queries.iter_mut().filter(|query| query.role == role);
        let undrawn = draw::draw(superuser, &mut session, mine, &options).await?;
        session.close().await;
        let note = |one: crate::workload::draw::Undrawn| {
            format!("{} is judged by its generic plan alone, without values: {}", one.query, one.reason)
        };
        rehearsal.query_notes.extend(undrawn.into_iter().map(note));
    }
    Ok(())
}
