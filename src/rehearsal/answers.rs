//! The four answers, from what was measured. Pure.

use super::cut_short::{CutShort, Obstacle, cut_short, leaves_unseen};
use super::{Pass, PlanChange, Rehearsal, foreign};
use crate::check::{Answer as Bears, DROPPED_IN_USE, Finding, PREDICTED, SLOWER_SAME_PLAN, TRANSIENT};
use crate::diff::plan::verdict::{PlanConfidence, Verdict};
use crate::migration::Statement;
use crate::report::v1::{
    Applies, Blocks, Confidence, EngineName, PassName, QueryVerdict, RollbackVerdict, Slower, Undoable,
};

/// An answer nobody can give, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The contract's word.
    pub answer: &'static str,
    /// Why.
    pub reason: String,
    /// What would make it known.
    pub advice: &'static str,
    /// A pass broke, as against not being asked for.
    pub crashed: bool,
    /// The statement in the way, if there is one.
    pub statement: Option<usize>,
    /// Qualified names of what is in the way.
    pub objects: Vec<String>,
}

/// Every answer that is unknown.
pub fn unknown(rehearsal: &Rehearsal) -> Vec<Unknown> {
    let mut found = Vec::new();
    let missing = |pass: PassName| rehearsal.passes.iter().find(|each| each.name == pass).filter(|each| !each.ran);
    let say = |answer, pass: Option<&Pass>, advice| Unknown {
        answer,
        reason: pass.and_then(|pass| pass.reason.clone()).unwrap_or_else(|| "the run ended before".to_owned()),
        advice,
        crashed: pass.is_some_and(|pass| pass.crashed),
        statement: None,
        objects: Vec::new(),
    };
    if !rehearsal.ran(PassName::Measure) {
        for answer in ["applies", "blocks"] {
            found.push(say(answer, missing(PassName::Measure), "let the measure pass come to its end"));
        }
    } else if let Some(cut) = cut_short(rehearsal) {
        found.extend(behind(rehearsal, &cut));
    }
    if slower_unknown(rehearsal) {
        let mut unknown = say("slower", missing(PassName::Measure), "let the measure pass come to its end");
        if rehearsal.queries.is_empty() {
            unknown.advice = "see config/no-hot-queries";
            "no hot queries are registered".clone_into(&mut unknown.reason);
            unknown.crashed = false;
        } else if rehearsal.ran(PassName::Measure) {
            let planned = rehearsal.plans.iter().any(|change| !change.diff.verdict.failed_before);
            let reason = if planned { "no hot query could be judged" } else { "no hot query could be planned" };
            reason.clone_into(&mut unknown.reason);
            unknown.advice = "see in the report why each hot query could not be judged";
        }
        found.push(unknown);
    } else if let Some(predicted) = predicted(rehearsal) {
        found.push(predicted);
    }
    if rehearsal.rollback.is_none() {
        found.push(say("undoable", missing(PassName::Prove), "let the prove pass run to its end"));
    }
    found
}

/// The copy was in the way of a statement, and the run ended there: whether it applies, and what the ones behind it would
/// have done, is production's to say.
fn behind(rehearsal: &Rehearsal, cut: &CutShort) -> Vec<Unknown> {
    let place = rehearsal.statement(cut.statement).map_or_else(|| "a statement".to_owned(), Statement::place);
    let (reason, advice, objects) = match &cut.obstacle {
        Obstacle::NoRight => (
            match rehearsal.engine {
                EngineName::Postgresql => format!("the role `{}` lacks a right on the copy", rehearsal.role),
                EngineName::Sqlite => format!("{place} reaches outside the database, which no copy may"),
            },
            "see apply/needs-privilege",
            Vec::new(),
        ),
        Obstacle::OutOfReach(reached) => (
            format!("{place} touches {}, which no copy can reach", reached.what()),
            "a copy reaches no other server and no file: rehearse the rest by itself, and try this statement where its \
             foreign table can be reached",
            reached.tables.clone(),
        ),
    };
    let unknown = |answer, reason| Unknown {
        answer,
        reason,
        advice,
        crashed: false,
        statement: Some(cut.statement),
        objects: objects.clone(),
    };
    let mut found = vec![unknown("applies", reason)];
    if cut.unseen > 0 {
        let rest = crate::report::human::plural(cut.unseen, "statement");
        for answer in ["blocks", "slower", "undoable"] {
            let measured_otherwise = answer == "slower" && slower_unknown(rehearsal);
            if !measured_otherwise {
                found.push(unknown(answer, format!("{rest} behind {place} did not run")));
            }
        }
    }
    found
}

/// More work on a copy that says little about the database it stands for, and none that is certain.
fn predicted(rehearsal: &Rehearsal) -> Option<Unknown> {
    let worse = |change: &&PlanChange| {
        matches!(change.diff.verdict.verdict, Verdict::Regressed | Verdict::SlowerSamePlan | Verdict::DidNotFinish)
    };
    let is_predicted = |change: &PlanChange| change.diff.verdict.confidence == PlanConfidence::Predicted;
    let mut worse = rehearsal.plans.iter().filter(worse);
    if worse.clone().any(|change| !is_predicted(change)) {
        return None;
    }
    let unknown = |reason, advice, statement| Unknown {
        answer: "slower",
        reason,
        advice,
        crashed: false,
        statement,
        objects: Vec::new(),
    };
    if let Some(first) = worse.next() {
        let reason = format!("{} does more work on the copy, and that is a prediction only", first.diff.key.query);
        return Some(unknown(reason, "see plan/predicted", first.cause.statements.first().copied()));
    }
    let missed = rehearsal.indexes.iter().find(|index| rehearsal.users_at_the_source(index).is_some())?;
    let reason = format!("only the source's own plans go through {}, which is dropped", missed.change.name);
    Some(unknown(reason, "see index/dropped-in-use", missed.statement))
}

fn slower_unknown(rehearsal: &Rehearsal) -> bool {
    let out_of_reach = |name: &str| {
        let query = rehearsal.queries.iter().find(|query| query.name == name);
        query.is_some_and(|query| foreign::query(rehearsal, query).is_some())
    };
    !rehearsal.ran(PassName::Measure)
        || rehearsal.plans.iter().all(|change| {
            let verdict = &change.diff.verdict;
            let nothing = verdict.failed_before || verdict.verdict == Verdict::Unstable;
            nothing || out_of_reach(&change.diff.key.query)
        })
}

/// Does it run to the end?
pub fn applies(rehearsal: &Rehearsal) -> Applies {
    match &rehearsal.failure {
        Some(_) if cut_short(rehearsal).is_some() => Applies::Unknown,
        Some(_) => Applies::No,
        None if rehearsal.ran(PassName::Measure) => Applies::Yes,
        None => Applies::Unknown,
    }
}

/// Whom does it block? `statements`: only these, or all.
pub fn blocks(rehearsal: &Rehearsal, findings: &[Finding], only: Option<&[usize]>) -> Blocks {
    if !rehearsal.ran(PassName::Measure) {
        return Blocks::Unknown;
    }
    let within = |statement: Option<usize>| only.is_none_or(|only| statement.is_some_and(|each| only.contains(&each)));
    if findings
        .iter()
        .any(|finding| finding.kind.answer == Bears::Blocks && is_error(finding) && within(finding.statement))
    {
        return Blocks::Yes;
    }
    if leaves_unseen(rehearsal) {
        return Blocks::Unknown;
    }
    let briefly = rehearsal
        .observations
        .iter()
        .filter(|observation| within(Some(observation.statement)))
        .flat_map(|observation| &observation.locks)
        .any(|lock| lock.makes_wait());
    if briefly { Blocks::Briefly } else { Blocks::No }
}

/// What gets slower?
pub fn slower(rehearsal: &Rehearsal, findings: &[Finding], only: Option<&[usize]>) -> Slower {
    if slower_unknown(rehearsal) {
        return Slower::Unknown;
    }
    // What no statement is known to have done is the doing of the only migration there is, or of one nobody knows.
    let alone = only.is_none() || rehearsal.migrations.len() == 1;
    let within = |statement: Option<usize>| match (statement, only) {
        (Some(statement), Some(only)) => only.contains(&statement),
        (Some(_), None) => true,
        (None, _) => alone,
    };
    let mut counting = findings.iter().filter(|each| each.kind.answer == Bears::Slower && each.suppressed_by.is_none());
    let slower = |finding: &Finding| is_error(finding) || *finding.kind == SLOWER_SAME_PLAN;
    let mine: Vec<&Finding> = counting.clone().filter(|finding| within(finding.statement)).collect();
    if mine.iter().any(|finding| slower(finding)) {
        Slower::Yes
    } else if mine.iter().any(|finding| *finding.kind == TRANSIENT) {
        Slower::Transient
    } else if leaves_unseen(rehearsal)
        || mine.iter().any(|finding| is_prediction(finding))
        || (!alone && counting.any(|each| each.statement.is_none() && slower(each)))
    {
        Slower::Unknown
    } else {
        Slower::No
    }
}

/// Can it be undone?
pub fn undoable(verdict: RollbackVerdict) -> Undoable {
    match verdict {
        RollbackVerdict::Exact | RollbackVerdict::ExactButColumnOrder => Undoable::Yes,
        RollbackVerdict::RestoredFromBackup => Undoable::WithBackup,
        RollbackVerdict::RowsLost => Undoable::WithLoss,
        RollbackVerdict::Irreversible => Undoable::No,
        RollbackVerdict::NotAttempted => Undoable::Unknown,
    }
}

/// Queries whose verdict is one of these.
pub fn count_queries(rehearsal: &Rehearsal, verdicts: &[QueryVerdict]) -> usize {
    let names: std::collections::BTreeSet<&str> = rehearsal
        .plans
        .iter()
        .filter(|change| verdicts.contains(&crate::report::build::verdict(change)))
        .map(|change| change.diff.key.query.as_str())
        .collect();
    names.len()
}

/// What the copy shows says little of the source here.
fn is_prediction(finding: &Finding) -> bool {
    *finding.kind == PREDICTED || (*finding.kind == DROPPED_IN_USE && finding.confidence == Confidence::Predicted)
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == crate::report::v1::Severity::Error && finding.suppressed_by.is_none()
}
