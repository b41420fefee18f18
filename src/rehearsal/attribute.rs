//! The pass that finds out which statement changed which plan, and whether the plan would have changed anyway.

use super::sample::Sampling;
use super::{Ready, Rehearsal, RehearsalError, cause, compare, passes};
use crate::copy::scratch::ScratchDatabase;
use crate::diff::plan::verdict::Verdict;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::apply::apply;
use crate::engine::postgres::attribute::Attributor;
use crate::engine::postgres::session::{Session, quote_identifier};
use crate::engine::postgres::statistics::SavedStatistics;
use crate::workload::HotQuery;
use std::collections::BTreeSet;

/// Statement by statement on a fresh copy: after which one did each changed plan change? Before and after that, the same
/// queries under fresh samples of their tables: would the plan have changed anyway?
pub(super) async fn attribute(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let changed: BTreeSet<&str> = rehearsal
        .plans
        .iter()
        .filter(|change| change.needs_cause())
        .map(|change| change.diff.key.query.as_str())
        .collect();
    let queries: Vec<HotQuery> =
        rehearsal.queries.iter().filter(|query| changed.contains(query.name.as_str())).cloned().collect();
    let copy = plan.copy().await?;
    let mut superuser = copy.superuser("samples").await?;
    let saved = SavedStatistics::read(&mut superuser).await?;
    let sampling = Sampling::new(rehearsal);
    let before = sampling.run(plan, &copy, &mut superuser, rehearsal.before.as_ref()).await?;
    lend_roles(&mut superuser, &copy, &queries).await?;
    let run = same_plan(rehearsal);
    let mut attributor = Attributor::new(&queries, &run, passes::options(plan).statement_timeout);
    apply(&copy.target, &rehearsal.migrations, cut_off(rehearsal), &mut attributor).await?;
    let after = match &rehearsal.settled {
        Some(settled) if rehearsal.failure.is_none() && !sampling.is_idle() => {
            passes::settle_like_measured(&mut superuser, rehearsal, &saved).await?;
            sampling.run(plan, &copy, &mut superuser, Some(settled)).await?
        }
        _ => Vec::new(),
    };
    superuser.close().await;
    copy.destroy().await?;
    rehearsal.samples = (before, after);
    compare::judge(plan, rehearsal);
    cause::assign(rehearsal, &attributor.steps);
    compare::tell(rehearsal);
    Ok(())
}

/// Where the measured run ended, if that was before its end: the transaction is not committed then, and what is to be seen
/// is what a whole run leaves.
fn cut_off(rehearsal: &Rehearsal) -> Option<usize> {
    let last = rehearsal.observations.last().map(|observation| observation.statement);
    let whole = rehearsal.migrations.iter().flat_map(|migration| &migration.statements).next_back();
    last.filter(|last| whole.is_none_or(|whole| whole.index != *last))
}

/// Lets the migration's role become the roles that queries run as: their plans are made in its session, since nobody else
/// sees what it has not committed. On this copy nothing else is looked at.
async fn lend_roles(superuser: &mut Session, copy: &ScratchDatabase, queries: &[HotQuery]) -> Result<(), ServerError> {
    if !superuser.abilities.has(Ability::Superuser) {
        // Everything runs as one user there.
        return Ok(());
    }
    let roles: BTreeSet<&str> = queries.iter().filter_map(|query| query.role.as_deref()).collect();
    for role in roles.into_iter().filter(|role| *role != copy.target.role) {
        // Whoever logs in for it, where that is another one: a user of this run's alone.
        let to = copy.target.endpoint.login_of(&copy.target.role);
        let (role, to) = (quote_identifier(role), quote_identifier(to));
        match superuser.execute(&format!("GRANT {role} TO {to}")).await {
            // A member of the role it would become a member of: its own rights have to do.
            Err(error) if error.sqlstate == "0LP01" => {}
            granted => drop(granted?),
        }
    }
    Ok(())
}

/// Queries that do other work under the same plan: only running them tells after which statement.
fn same_plan(rehearsal: &Rehearsal) -> BTreeSet<String> {
    let changed = rehearsal.plans.iter().filter(|change| change.needs_cause()).map(|change| &change.diff);
    let same = changed.filter(|diff| {
        let shown = if diff.verdict.verdict == Verdict::Transient { &diff.right_after } else { &diff.settled };
        diff.verdict.verdict != Verdict::GrewWithTable
            && diff.before.captured.work().is_some()
            && shown.as_ref().is_some_and(|shown| shown.shape() == diff.before.shape())
    });
    same.map(|diff| diff.key.query.clone()).collect()
}
