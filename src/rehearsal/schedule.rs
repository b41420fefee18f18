//! How each pass is run: under the budget, timed, told.

use super::budget::{self, Load, needs};
use super::watchdog::Watchdog;
use super::{Course, Pass, Rehearsal, RehearsalError};
use crate::report::v1::PassName;
use std::time::{Duration, Instant};

/// Runs a pass under the budget and notes how long it took.
pub(super) async fn timed(
    plan: &Course<'_>,
    rehearsal: &mut Rehearsal,
    name: PassName,
    pass: impl AsyncFnOnce(&mut Rehearsal) -> Result<(), RehearsalError>,
) -> Result<(), RehearsalError> {
    plan.progress.say(&format!("{} …", name.name()));
    let (started, copies) = (Instant::now(), plan.budget.copies_made());
    rehearsal.under_way = Some((name, started));
    let statements = rehearsal.migrations.iter().map(|migration| migration.statements.len()).sum();
    let how = || budget::how_it_goes(name, started, statements, &plan.activity);
    let result = plan.progress.while_waiting(within_time(plan, pass(rehearsal)), how).await;
    let interrupted = plan.activity.running();
    plan.activity.end();
    rehearsal.under_way = None;
    debug_assert!(
        plan.budget.copies_made() - copies <= needs(name, Load::of(&rehearsal.migrations)).copies as usize,
        "{} made more copies than the estimate says",
        name.name()
    );
    let out_of_budget = result.as_ref().is_err_and(RehearsalError::is_spent_budget);
    rehearsal.passes.push(Pass {
        name,
        ran: result.is_ok(),
        reason: result.as_ref().err().map(|error| budget::at_statement(&error.to_string(), interrupted.as_ref())),
        crashed: result.is_err() && !out_of_budget,
        out_of_budget,
        duration_ms: started.elapsed().as_secs_f64() * 1000.0,
    });
    result
}

/// Within the budgets of time and disk. Dropping the work drops its copy, and with it the server and whatever runs there:
/// no setting, no handler of errors and no transaction of a migration's own outlives that.
pub(super) async fn within_time<T>(
    plan: &Course<'_>,
    work: impl Future<Output = Result<T, RehearsalError>>,
) -> Result<T, RehearsalError> {
    let left = plan.budget.deadline().map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
    let watchdog = Watchdog::new(plan.run.path(), plan.settings.max_disk);
    tokio::select! {
        worked = tokio::time::timeout(left, work) => worked.unwrap_or(Err(RehearsalError::OutOfTime)),
        spent = watchdog.spent() => Err(spent),
    }
}

/// A pass after the measured one that breaks leaves its answer unknown and says so; only a spent budget ends the run.
pub(super) fn budget_only(plan: &Course<'_>, result: Result<(), RehearsalError>) -> Result<(), RehearsalError> {
    match result {
        Err(error) if error.is_spent_budget() => Err(error),
        Err(error) => {
            plan.progress.say(&format!("this pass broke off: {error}"));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Why a pass was left out that could have been run.
pub(super) const NOT_ASKED_FOR: &str = "not asked for (--passes)";

pub(super) fn skip(rehearsal: &mut Rehearsal, name: PassName, reason: &str, out_of_budget: bool) {
    let reason = Some(reason.to_owned());
    rehearsal.passes.push(Pass { name, ran: false, reason, crashed: false, out_of_budget, duration_ms: 0.0 });
}
