//! Safer forms of what was found to keep others waiting, rehearsed: what is shown reached the same on a copy, without what
//! was found.

use super::reached::{Differs, Reached};
use super::{Ready, Rehearsal, RehearsalError};
use crate::check::{self, Finding, Policy};
use crate::engine::postgres::apply::apply;
use crate::engine::postgres::catalog;
use crate::engine::postgres::observe::Observer;
use crate::report::v1::Severity;
use crate::snapshot::Snapshot;
use crate::suggest::rewrite::{Rewritten, rewrite};
use crate::suggest::{Suggestion, suggestions};
use std::collections::{BTreeMap, BTreeSet};

/// Findings of passes with hot queries, which a safer form is not run beside.
const BESIDE: [&str; 2] = ["lock/stall", "lock/queue-behind"];

/// Rehearses all that is known at once, and leaves out what does not hold until the rest does. Returns why there is
/// nothing to show.
///
/// # Errors
/// Copies that cannot be made, servers that refuse what the tool asks.
pub(super) async fn measure(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<Option<String>, RehearsalError> {
    let findings = check::run(rehearsal, &Policy::from(plan.settings));
    let mut left = suggestions(rehearsal, &findings);
    if left.is_empty() {
        return Ok(Some("nothing that was found has a safer form that is known".to_owned()));
    }
    let plain = Reached::plain(plan, rehearsal).await?;
    while !left.is_empty() {
        let tried = try_out(plan, rehearsal, &left, &plain).await?;
        if tried.holds() {
            // What is found beside hot queries was not looked for here.
            for suggestion in &mut left {
                suggestion.answers.retain(|id| !BESIDE.contains(&id.as_str()));
            }
            rehearsal.safer = left;
            return Ok(None);
        }
        let guilty = if tried.guilty.is_empty() && left.len() > 1 {
            alone(plan, rehearsal, &left, &plain).await?
        } else {
            tried.guilty
        };
        // Each holds alone and all together do not, or there is only one: nothing is shown that was not seen.
        let all = guilty.is_empty();
        left.retain(|suggestion| !all && !guilty.contains(&suggestion.statement));
    }
    Ok(Some("no safer form reached the same, without what was found".to_owned()))
}

/// Those that do not hold by themselves.
async fn alone(
    plan: &Ready<'_>,
    rehearsal: &Rehearsal,
    suggestions: &[Suggestion],
    plain: &Reached,
) -> Result<BTreeSet<usize>, RehearsalError> {
    let mut guilty = BTreeSet::new();
    for one in suggestions {
        if !try_out(plan, rehearsal, std::slice::from_ref(one), plain).await?.holds() {
            guilty.insert(one.statement);
        }
    }
    Ok(guilty)
}

/// What a run with suggestions came to.
struct Tried {
    /// Statements whose suggestion failed, or is found fault with.
    guilty: BTreeSet<usize>,
    differs: Option<Differs>,
}

impl Tried {
    fn holds(&self) -> bool {
        self.guilty.is_empty() && self.differs.is_none()
    }
}

async fn try_out(
    plan: &Ready<'_>,
    rehearsal: &Rehearsal,
    suggestions: &[Suggestion],
    plain: &Reached,
) -> Result<Tried, RehearsalError> {
    let Rewritten { parts, suggested } = rewrite(&rehearsal.migrations, suggestions);
    let copy = plan.copy().await?;
    let mut superuser = copy.superuser("snapshot").await?;
    let (catalog, sizes) = (catalog::read(&mut superuser).await?, catalog::read_sizes(&mut superuser).await?);
    superuser.close().await;
    let mut tried = Rehearsal::new(rehearsal.redactor, Vec::new());
    tried.role.clone_from(&rehearsal.role);
    tried.migrations = parts.into_iter().map(|part| part.migration).collect();
    let (target, activity) = (&copy.target, plan.activity.clone());
    let mut observer =
        Observer::new(&target.endpoint, &target.database, &catalog, &sizes, activity, &mut tried.observations).await?;
    let applied = apply(target, &tried.migrations, None, &mut observer).await;
    observer.finish().await?;
    plan.activity.end();
    let applied = applied?;
    tried.before = Some(Snapshot { catalog: catalog.into(), sizes, plans: Vec::new() });
    tried.committed = applied.committed;
    if let Some(failure) = applied.failure {
        copy.destroy().await?;
        // What stands behind a suggestion may fail for it; which one it was cannot be told.
        let guilty: BTreeSet<usize> = suggested.get(&failure.statement).copied().into_iter().collect();
        let differs = guilty.is_empty().then_some(Differs::Schema);
        return Ok(Tried { guilty, differs });
    }
    let reached = Reached::read(plan, &copy, rehearsal).await?;
    copy.destroy().await?;
    let found = check::blocking(&tried, &plan.settings.thresholds);
    Ok(Tried { guilty: found_fault_with(suggestions, &suggested, &found), differs: reached.differs(plain) })
}

/// Old numbers of statements whose suggestion raises what it was to make go away, or an error of its own.
fn found_fault_with(
    suggestions: &[Suggestion],
    suggested: &BTreeMap<usize, usize>,
    found: &[Finding],
) -> BTreeSet<usize> {
    let guilty = found.iter().filter_map(|finding| {
        let old = suggested.get(&finding.statement?)?;
        let suggestion = suggestions.iter().find(|each| each.statement == *old)?;
        let meant = suggestion.answers.iter().any(|id| id == finding.kind.id);
        (meant || finding.severity == Severity::Error).then_some(*old)
    });
    guilty.collect()
}
