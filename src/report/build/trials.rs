//! What was tried on request, for the report.

use super::v1::{self, PassName, RetryEnd, StepTransaction, StoppedAt};
use crate::check::Finding;
use crate::engine::ServerError;
use crate::observation::traffic::{Felt, Traffic};
use crate::rehearsal::Rehearsal;
use crate::rehearsal::retry::{End, Stopped};
use crate::snapshot::Oid;
use crate::suggest;

/// The passes that run the migration beside something, and what was seen.
fn beside(rehearsal: &Rehearsal) -> impl Iterator<Item = (PassName, &Traffic)> {
    let passes = [(PassName::Traffic, &rehearsal.traffic), (PassName::Queue, &rehearsal.queue)];
    passes.into_iter().filter_map(|(pass, traffic)| Some((pass, traffic.as_ref()?)))
}

/// One for each hot query and pass, the longest first.
pub(super) fn stalls(rehearsal: &Rehearsal) -> Vec<v1::Stall> {
    let mut stalls = Vec::new();
    for (pass, traffic) in beside(rehearsal) {
        let mut felt: Vec<&Felt> = traffic.felt.iter().collect();
        felt.sort_by(|left, right| right.longest_ms.total_cmp(&left.longest_ms));
        stalls.extend(felt.into_iter().map(|felt| stall(rehearsal, pass, traffic, felt)));
    }
    stalls
}

fn stall(rehearsal: &Rehearsal, pass: PassName, traffic: &Traffic, felt: &Felt) -> v1::Stall {
    let name = |relation: Oid| {
        let catalog = &rehearsal.before.as_ref()?.catalog;
        catalog.relations.get(&relation).map(|relation| relation.qualified.clone())
    };
    v1::Stall {
        query: felt.query.clone(),
        statement: felt.statement,
        longest_ms: super::round(felt.longest_ms),
        felt: Some(v1::Felt {
            pass,
            stalled: felt.stalled,
            usual_ms: super::round(felt.usual_ms),
            relation: felt.relation.and_then(name),
            calls: felt.calls as u64,
            refused: felt.refused.iter().map(|(sqlstate, calls)| (sqlstate.clone(), *calls as u64)).collect(),
            began_ms: super::round(traffic.began_ms),
            ended_ms: super::round(traffic.ended_ms),
            step_ms: traffic.step_ms,
            timeline_ms: felt.timeline.iter().map(|longest| super::round(*longest)).collect(),
        }),
    }
}

/// Each table a transaction was open on.
pub(super) fn queued(rehearsal: &Rehearsal) -> Vec<v1::Queued> {
    let queued = rehearsal.queue.iter().flat_map(|queue| &queue.queued);
    let told = queued.map(|each| v1::Queued { table: each.name.clone(), waited_ms: super::round(each.waited_ms()) });
    told.collect()
}

/// Passes in which the migration did not come to its end.
pub(super) fn broken_off(rehearsal: &Rehearsal) -> Vec<v1::BrokenOff> {
    let failures = beside(rehearsal).filter_map(|(pass, traffic)| Some((pass, traffic.failure.as_ref()?)));
    let told = failures.map(|(pass, (statement, error))| v1::BrokenOff {
        pass,
        statement: *statement,
        sqlstate: error.sqlstate.clone(),
        code: error.result_code.map(str::to_owned),
        error: tellable(rehearsal, *statement, error),
    });
    told.collect()
}

fn tellable(rehearsal: &Rehearsal, statement: usize, error: &ServerError) -> String {
    rehearsal.redactor.error_message(error, rehearsal.sql(statement).unwrap_or_default())
}

/// Each second run.
pub(super) fn retries(rehearsal: &Rehearsal) -> Vec<v1::Retry> {
    let told = rehearsal.retries.iter().map(|retry| v1::Retry {
        stopped: match retry.stopped {
            Stopped::Behind(_) => StoppedAt::Behind,
            Stopped::At(_) => StoppedAt::At,
        },
        statement: retry.stopped.statement(),
        met: retry
            .met
            .iter()
            .map(|met| v1::Met {
                statement: met.statement,
                sqlstate: met.error.sqlstate.clone(),
                code: met.error.result_code.map(str::to_owned),
                error: tellable(rehearsal, met.statement, &met.error),
                sql: met.mend.clone(),
            })
            .collect(),
        end: match retry.end {
            End::Same => RetryEnd::Same,
            End::OtherSchema => RetryEnd::OtherSchema,
            End::OtherRows => RetryEnd::OtherRows,
            End::Stuck => RetryEnd::Stuck,
        },
    });
    told.collect()
}

/// The safer form that was rehearsed and that a finding goes away with.
pub(super) fn suggestion(rehearsal: &Rehearsal, finding: &Finding) -> Option<v1::Suggestion> {
    let of_finding = |safer: &&suggest::Suggestion| {
        finding.statement == Some(safer.statement) && safer.answers.iter().any(|id| id == finding.kind.id)
    };
    let safer = rehearsal.safer.iter().find(of_finding)?;
    let step = |step: &suggest::Step| v1::Step {
        sql: step.sql.clone(),
        transaction: match step.transaction {
            suggest::StepTransaction::Together => StepTransaction::Together,
            suggest::StepTransaction::Own => StepTransaction::Own,
            suggest::StepTransaction::Outside => StepTransaction::Outside,
        },
        why: step.why.to_owned(),
    };
    Some(v1::Suggestion {
        forms: safer.forms.iter().map(|form| (*form).to_owned()).collect(),
        steps: safer.steps.iter().map(step).collect(),
    })
}
