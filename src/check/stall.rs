//! What the application would have felt: `lock/stall` and `lock/queue-behind`, from runs beside hot queries.

use super::{Answer, Check, Finding, Kind, Severity, examples};
use crate::config::Thresholds;
use crate::observation::traffic::{Felt, Traffic};
use crate::rehearsal::Rehearsal;
use crate::report::human;
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&STALL, &QUEUE_BEHIND], find };

const STALL: Kind = Kind::new(
    "lock/stall",
    Severity::Error,
    Answer::Blocks,
    "
        A hot query that ran beside the migration (`--passes traffic`) waited for it: a call took at least
        `thresholds.stall_ms` (half a second) and three times what 99 of 100 calls took before, counted from when it was due.
        Or the two were in each other's way for good, and the server ended the migration (deadlock). Said once for each
        statement, by the query that waited longest. Without hot queries, reads and writes of single rows stand for them.
    ",
)
.with(examples!("lock/stall"));

const QUEUE_BEHIND: Kind = Kind::new(
    "lock/queue-behind",
    Severity::Error,
    Answer::Blocks,
    "
        The migration waits for a lock behind one long transaction, and hot queries queue up behind the migration, until that
        transaction ends: seen in a run in which a transaction that has written to the table stays open for
        `thresholds.transaction_ms` (`--passes queue`). A `lock_timeout` that fires before ends the waiting of all, and then
        there is no finding.
    ",
)
.with(examples!("lock/queue-behind"));

/// Part of a transaction's length from which on it has been waited for to its end, looking every few milliseconds.
const TO_ITS_END: f64 = 0.9;

fn find(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(traffic) = &rehearsal.traffic {
        findings
            .extend(each_statement(traffic).into_iter().map(|(statement, felt)| stall(rehearsal, statement, &felt)));
        findings.extend(deadlock(rehearsal, traffic));
    }
    // By lock_timeout or statement_timeout: what the migration waits for, others wait for no longer.
    let to_its_end = |queue: &&Traffic| queue.failure.as_ref().is_none_or(|(_, error)| !is_timeout(&error.sqlstate));
    if let Some(queue) = rehearsal.queue.as_ref().filter(to_its_end) {
        let longest = queue.queued.iter().max_by(|left, right| left.waited_ms().total_cmp(&right.waited_ms()));
        if let Some(longest) = longest.filter(|longest| longest.waited_ms() >= TO_ITS_END * thresholds.transaction_ms) {
            let behind = (longest.name.as_str(), longest.waited_ms());
            let stalled = each_statement(queue).into_iter();
            findings.extend(stalled.map(|(statement, felt)| queued(rehearsal, statement, &felt, behind)));
        }
    }
    findings
}

fn is_timeout(sqlstate: &str) -> bool {
    matches!(sqlstate, "55P03" | "57014")
}

/// The queries that stalled, by the statement they waited for, the longest first.
fn each_statement(traffic: &Traffic) -> Vec<(Option<usize>, Vec<&Felt>)> {
    let mut found: Vec<(Option<usize>, Vec<&Felt>)> = Vec::new();
    for felt in traffic.felt.iter().filter(|felt| felt.stalled) {
        match found.iter_mut().find(|(statement, _)| *statement == felt.statement) {
            Some((_, known)) => known.push(felt),
            None => found.push((felt.statement, vec![felt])),
        }
    }
    for (_, felt) in &mut found {
        felt.sort_by(|left, right| right.longest_ms.total_cmp(&left.longest_ms));
    }
    found
}

/// `checkout waits 3.1 s (2.0 ms otherwise), and 4 more hot queries 1.2 s or longer`.
fn who_waits(felt: &[&Felt]) -> String {
    let (Some(worst), Some(least)) = (felt.first(), felt.last()) else { return String::new() };
    let mut text = format!(
        "{} waits {} ({} otherwise)",
        worst.query,
        human::duration(worst.longest_ms),
        human::duration(worst.usual_ms)
    );
    match felt.len() - 1 {
        0 => {}
        1 => text += &format!(", and {} {}", least.query, human::duration(least.longest_ms)),
        more => text += &format!(", and {more} more {} or longer", human::duration(least.longest_ms)),
    }
    text
}

fn finding(
    rehearsal: &Rehearsal,
    kind: &'static Kind,
    statement: Option<usize>,
    felt: &[&Felt],
    (message, advice): (String, &str),
) -> Finding {
    let relations = felt.iter().filter_map(|felt| felt.relation);
    let before = rehearsal.before.as_ref();
    let mut objects: Vec<String> =
        relations.filter_map(|relation| Some(before?.catalog.relations.get(&relation)?.qualified.clone())).collect();
    objects.sort_unstable();
    objects.dedup();
    let stalls: Vec<_> = felt
        .iter()
        .map(|felt| json!({ "query": felt.query, "longest_ms": felt.longest_ms, "usual_ms": felt.usual_ms }))
        .collect();
    let mut finding = Finding::measured(kind, statement, objects, message, advice.to_owned())
        .with(json!({ "longest_ms": felt.first().map(|felt| felt.longest_ms), "stalls": stalls }));
    finding.query = felt.first().map(|felt| felt.query.clone());
    finding
}

fn stall(rehearsal: &Rehearsal, statement: Option<usize>, felt: &[&Felt]) -> Finding {
    let message = match statement {
        Some(_) => format!("beside it, {}", who_waits(felt)),
        None => format!("beside the migration, {}; what for was not seen", who_waits(felt)),
    };
    let advice = "take the lock for a moment only: do the slow work before, in a form that lets others go on";
    finding(rehearsal, &STALL, statement, felt, (message, advice))
}

fn queued(rehearsal: &Rehearsal, statement: Option<usize>, felt: &[&Felt], (table, waited): (&str, f64)) -> Finding {
    let message = format!(
        "behind an open transaction on {table} it waits {} for its lock, and behind it {}: nothing but that transaction's \
         end ends it",
        human::duration(waited),
        who_waits(felt)
    );
    let advice = "SET lock_timeout = '1s' before it, shorter than callers can wait, and try again when it fires";
    finding(rehearsal, &QUEUE_BEHIND, statement, felt, (message, advice))
}

/// The server ends one of those that wait for each other; that it was the migration is chance, that they do is not.
fn deadlock(rehearsal: &Rehearsal, traffic: &Traffic) -> Option<Finding> {
    let (statement, error) = traffic.failure.as_ref().filter(|(_, error)| error.sqlstate == "40P01")?;
    let message = format!(
        "beside the hot queries it fails: {}",
        rehearsal.redactor.error_message(error, rehearsal.sql(*statement).unwrap_or_default())
    );
    let advice = "lock its tables in the order the application does, or one table in each migration".to_owned();
    let evidence = json!({ "sqlstate": error.sqlstate });
    Some(Finding::measured(&STALL, Some(*statement), Vec::new(), message, advice).with(evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn felt(query: &str, longest_ms: f64, statement: Option<usize>, stalled: bool) -> Felt {
        Felt {
            query: query.to_owned(),
            longest_ms,
            usual_ms: 2.0,
            statement,
            relation: None,
            calls: 10,
            refused: BTreeMap::new(),
            timeline: Vec::new(),
            stalled,
        }
    }

    #[test]
    fn one_finding_for_a_statement_names_the_query_that_waits_longest() {
        let all = [
            felt("a", 600.0, Some(2), true),
            felt("b", 3_100.0, Some(2), true),
            felt("c", 900.0, None, true),
            felt("d", 5.0, Some(2), false),
            felt("e", 700.0, Some(2), true),
        ];
        let traffic = Traffic {
            began_ms: 0.0,
            ended_ms: 1.0,
            step_ms: 100.0,
            felt: all.to_vec(),
            left_out: Vec::new(),
            failure: None,
            queued: Vec::new(),
        };
        let found = each_statement(&traffic);
        let said: Vec<_> = found.iter().map(|(statement, felt)| (*statement, who_waits(felt))).collect();
        assert_eq!(
            said,
            [
                (Some(2), "b waits 3.1 s (2.0 ms otherwise), and 2 more 0.6 s or longer".to_owned()),
                (None, "c waits 0.9 s (2.0 ms otherwise)".to_owned()),
            ]
        );
    }
}
