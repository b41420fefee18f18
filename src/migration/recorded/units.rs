//! What was sent, put together by the transactions it ran in.

use super::{RecordError, Sent, StatementKind, books, kind, script, told};
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::script::words::{Word, words};
use std::collections::{BTreeMap, BTreeSet};

/// A function may be volatile by the rules and still change nothing.
const HARMLESS: [&str; 19] = [
    "random",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    "pg_sleep",
    "pg_backend_pid",
    "txid_current",
    "pg_is_in_recovery",
    "currval",
    "lastval",
    // Tools that keep each other waiting: on a copy there is only one.
    "pg_advisory_lock",
    "pg_try_advisory_lock",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_xact_lock",
    "pg_try_advisory_xact_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock_shared",
    "pg_try_advisory_lock_shared",
];

/// A statement that changes something, values filled in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Its text.
    pub sql: String,
    /// When it was sent, as [`Sent::at_ms`].
    pub at_ms: f64,
}

/// Statements that belong together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Unit {
    /// They ran in one transaction; else each commits by itself.
    pub transaction: bool,
    /// In the order they ran.
    pub steps: Vec<Step>,
    /// When its end was sent, as [`Sent::at_ms`]; nothing where it has none.
    pub ended_ms: Option<f64>,
    /// Where in the log it begins and ends.
    span: (usize, usize),
    session: String,
}

/// What a session has open.
#[derive(Debug, Default)]
struct Open {
    begun: Option<usize>,
    steps: Vec<Step>,
    aborted: bool,
}

/// Everything that took effect, by the end of its transaction. Where the command `failed`, the last transaction stays if a
/// refusal ended it and nothing came after it.
pub(super) fn units(sent: &[Sent], volatile: &BTreeSet<String>, failed: bool) -> Result<Vec<Unit>, RecordError> {
    let mut open: BTreeMap<&str, Open> = BTreeMap::new();
    let mut units = Vec::new();
    for (at, each) in sent.iter().enumerate() {
        let session = open.entry(&each.session).or_default();
        let full = fill_in(&each.sql, &each.parameters);
        if matches!(kind(&full), StatementKind::Copy { from_stdin: true }) {
            if each.refused.is_none() {
                return Err(RecordError::Streamed { statement: told(&full) });
            }
            session.aborted = session.begun.is_some();
            continue;
        }
        let spans = script::split(&full).map_err(|_| RecordError::Cut { statement: told(&full) })?;
        let statements: Vec<&str> = spans.into_iter().map(|span| &full[span]).collect();
        // Several statements in one message are one transaction, as long as they do not say otherwise.
        let implicit = statements.len() > 1
            && session.begun.is_none()
            && !statements.iter().any(|sql| kind(sql).is_transaction_control());
        if implicit {
            session.begun = Some(at);
        }
        for sql in &statements {
            one(session, at, sql, each, volatile, &mut units);
        }
        if implicit {
            // How long it took is the server's own affair.
            let ended = Sent { at_ms: f64::NAN, ..each.clone() };
            end(session, at, each.refused.is_none(), &ended, &mut units);
        }
    }
    units.extend(refused_at_last(sent, volatile).filter(|_| failed));
    units.sort_by_key(|unit| unit.span.1);
    for pair in units.windows(2) {
        if pair[0].session != pair[1].session
            && pair[1].span.0 < pair[0].span.1
            && let (Some(first), Some(second)) = (pair[0].steps.first(), pair[1].steps.first())
        {
            return Err(RecordError::AtOnce { first: told(&first.sql), second: told(&second.sql) });
        }
    }
    Ok(units)
}

fn one(session: &mut Open, at: usize, sql: &str, sent: &Sent, volatile: &BTreeSet<String>, units: &mut Vec<Unit>) {
    let refused = sent.refused.is_some();
    let step = |sql: &str| Step { sql: sql.to_owned(), at_ms: sent.at_ms };
    match kind(sql) {
        StatementKind::Begin if !refused && session.begun.is_none() => {
            session.begun = Some(at);
            session.steps.extend(modes(sql).as_deref().map(step));
        }
        StatementKind::Commit if session.begun.is_some() => {
            let committed = !refused && !session.aborted;
            end(session, at, committed, sent, units);
        }
        StatementKind::Rollback if session.begun.is_some() => end(session, at, false, sent, units),
        StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback => {}
        StatementKind::RollbackTo if !refused => {
            session.aborted = false;
            session.steps.push(step(sql));
        }
        _ if refused => session.aborted = session.begun.is_some(),
        kind if without_effect(&kind, sql, volatile) => {}
        _ if session.begun.is_some() => session.steps.push(step(sql)),
        _ => units.push(Unit {
            transaction: false,
            steps: vec![step(sql)],
            ended_ms: None,
            span: (at, at),
            session: sent.session.clone(),
        }),
    }
}

fn end(session: &mut Open, at: usize, committed: bool, sent: &Sent, units: &mut Vec<Unit>) {
    let Open { begun, steps, .. } = std::mem::take(session);
    let span = (begun.unwrap_or(at), at);
    if committed && steps.iter().any(|step| !is_setting_up(&step.sql)) {
        let ended_ms = Some(sent.at_ms).filter(|at| !at.is_nan());
        units.push(Unit { transaction: true, steps, ended_ms, span, session: sent.session.clone() });
    }
}

/// What prepares a transaction and has no effect of its own.
pub(super) fn is_setting_up(sql: &str) -> bool {
    matches!(
        kind(sql),
        StatementKind::Savepoint | StatementKind::Release | StatementKind::RollbackTo | StatementKind::SetLocal
    )
}

/// The refusal that ended the command, with the transaction it ended: whoever runs it again meets it again.
pub(super) fn refused_at_last(sent: &[Sent], volatile: &BTreeSet<String>) -> Option<Unit> {
    let last = sent.iter().rposition(|each| each.refused.is_some())?;
    let own = |each: &Sent| each.session == sent[last].session;
    let goes_on = |each: &Sent| {
        let kind = kind(&each.sql);
        let unlocks = words(&each.sql).iter().filter_map(Word::name).any(|name| name == "knex_migrations_lock");
        !kind.is_transaction_control() && !unlocks && !without_effect(&kind, &each.sql, volatile)
    };
    if sent[last + 1..].iter().any(goes_on) || sent[last + 1..].iter().any(|each| own(each) && recovers(&each.sql)) {
        return None;
    }
    let mut begun = None;
    for (at, each) in sent.iter().enumerate().take(last).filter(|(_, each)| own(each)) {
        match kind(&each.sql) {
            StatementKind::Begin => begun = Some(at),
            StatementKind::Commit | StatementKind::Rollback => begun = None,
            _ => {}
        }
    }
    let from = begun.map_or(last, |begin| begin + 1);
    let sent = sent.iter().enumerate().take(last + 1).skip(from).filter(|(_, each)| own(each));
    let kept = sent.filter(|(at, each)| {
        *at == last || (each.refused.is_none() && !without_effect(&kind(&each.sql), &each.sql, volatile))
    });
    let step = |each: &Sent| Step { sql: fill_in(&each.sql, &each.parameters), at_ms: each.at_ms };
    let steps = kept.map(|(_, each)| step(each)).collect();
    let session = String::new();
    Some(Unit { transaction: begun.is_some(), steps, ended_ms: None, span: (usize::MAX, usize::MAX), session })
}

/// What a program sends that goes on after a refusal.
fn recovers(sql: &str) -> bool {
    matches!(kind(sql), StatementKind::RollbackTo | StatementKind::Commit)
}

/// Whether a statement cannot have changed anything that lasts: it reads, tidies up a session, or keeps other runs of the
/// same tool waiting, of which there are none on a copy.
fn without_effect(kind: &StatementKind, sql: &str, volatile: &BTreeSet<String>) -> bool {
    let words = words(sql);
    let has = |any: &[&str]| words.iter().any(|word| any.iter().any(|each| word.is(each)));
    let locks_rows = words
        .windows(2)
        .any(|two| two[0].is("FOR") && ["UPDATE", "NO", "SHARE", "KEY"].iter().any(|each| two[1].is(each)));
    let about_a_book = words.iter().filter_map(Word::name).any(|name| books::is_book(&name));
    let calls = words.windows(2).any(|two| {
        two[1].text == "("
            && two[0].name().is_some_and(|name| volatile.contains(&name) && !HARMLESS.contains(&name.as_str()))
    });
    let reads = !has(&["INTO"]) && !calls && (!locks_rows || about_a_book);
    match kind {
        StatementKind::Select | StatementKind::Values | StatementKind::Table => reads,
        StatementKind::With => {
            reads && !has(&["INSERT", "UPDATE", "DELETE", "MERGE"])
                || reads && locks_rows && !has(&["INSERT", "DELETE", "MERGE"])
        }
        StatementKind::Explain => !has(&["ANALYZE", "ANALYSE"]),
        StatementKind::Lock => about_a_book,
        StatementKind::Fetch | StatementKind::Close => true,
        StatementKind::Declare => reads,
        StatementKind::Other(leading) | StatementKind::OutsideTransaction(leading) => {
            ["SHOW", "DISCARD", "UNLISTEN", "LISTEN", "DEALLOCATE"].iter().any(|word| leading.starts_with(word))
        }
        _ => false,
    }
}

/// `SET TRANSACTION` for what a `BEGIN` asks for beside the transaction itself, where that is not what there is anyhow.
fn modes(begin: &str) -> Option<String> {
    let all = words(begin);
    let first = all.iter().find(|word| !["BEGIN", "START", "WORK", "TRANSACTION"].iter().any(|each| word.is(each)))?;
    let asked = &begin[first.start..];
    (!asked.eq_ignore_ascii_case("ISOLATION LEVEL READ COMMITTED")).then(|| format!("SET TRANSACTION {asked}"))
}

/// What each session begins with, taken out of the units: settings before anything else of theirs.
pub(super) fn session_settings(units: Vec<Unit>) -> (Vec<String>, Vec<Unit>) {
    let mut settings: Vec<String> = Vec::new();
    let mut begun: BTreeSet<String> = BTreeSet::new();
    let mut rest = Vec::new();
    for unit in units {
        let sets = !unit.transaction && unit.steps.iter().all(|step| sets(&step.sql));
        let again = sets && unit.steps.iter().all(|step| settings.contains(&step.sql));
        if sets && !begun.contains(&unit.session) && (again || rest.is_empty()) {
            settings.extend(unit.steps.into_iter().map(|step| step.sql).filter(|_| !again));
        } else {
            begun.insert(unit.session.clone());
            rest.push(unit);
        }
    }
    (settings, rest)
}

fn sets(sql: &str) -> bool {
    let words = words(sql);
    kind(sql) == StatementKind::Set
        || (words.len() > 2 && words[0].is("SELECT") && words.iter().any(|word| word.is("set_config")))
}

/// The text with values in the place of `$n`, as literals whose type the server finds as it did for the parameters.
pub(super) fn fill_in(sql: &str, parameters: &[String]) -> String {
    if parameters.is_empty() {
        return sql.to_owned();
    }
    let mut filled = String::with_capacity(sql.len());
    for token in Lexer::new(sql) {
        let text = &sql[token.span.clone()];
        let number = text.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let value = number.filter(|_| token.kind == TokenKind::Parameter).and_then(|number| parameters.get(number - 1));
        filled.push_str(value.map_or(text, String::as_str));
    }
    filled
}
