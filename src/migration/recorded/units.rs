//! What was sent, put together by the transactions it ran in.

use super::{RecordError, Sent, StatementKind, kind, script, told};
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::script::words::words;
use std::collections::{BTreeMap, BTreeSet};

/// A function may be volatile by the rules and still change nothing.
const HARMLESS: [&str; 7] =
    ["random", "clock_timestamp", "timeofday", "gen_random_uuid", "pg_sleep", "pg_backend_pid", "txid_current"];

/// Statements that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// They ran in one transaction; else each commits by itself.
    pub transaction: bool,
    /// What changes something, values filled in.
    pub statements: Vec<String>,
    /// Where in the log it begins and ends.
    span: (usize, usize),
    session: String,
}

/// What a session has open.
#[derive(Debug, Default)]
struct Open {
    begun: Option<usize>,
    statements: Vec<String>,
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
            end(session, at, each.refused.is_none(), &each.session, &mut units);
        }
    }
    units.extend(refused_at_last(sent).filter(|_| failed));
    units.sort_by_key(|unit| unit.span.1);
    for pair in units.windows(2) {
        if pair[0].session != pair[1].session
            && pair[1].span.0 < pair[0].span.1
            && let (Some(first), Some(second)) = (pair[0].statements.first(), pair[1].statements.first())
        {
            return Err(RecordError::AtOnce { first: told(first), second: told(second) });
        }
    }
    Ok(units)
}

fn one(session: &mut Open, at: usize, sql: &str, sent: &Sent, volatile: &BTreeSet<String>, units: &mut Vec<Unit>) {
    let refused = sent.refused.is_some();
    match kind(sql) {
        StatementKind::Begin if !refused && session.begun.is_none() => {
            session.begun = Some(at);
            session.statements.extend(modes(sql));
        }
        StatementKind::Commit if session.begun.is_some() => {
            let committed = !refused && !session.aborted;
            end(session, at, committed, &sent.session, units);
        }
        StatementKind::Rollback if session.begun.is_some() => end(session, at, false, &sent.session, units),
        StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback => {}
        StatementKind::RollbackTo => {
            session.aborted = false;
            session.statements.push(sql.to_owned());
        }
        _ if refused => session.aborted = session.begun.is_some(),
        kind if only_reads(&kind, sql, volatile) => {}
        _ if session.begun.is_some() => session.statements.push(sql.to_owned()),
        _ => units.push(Unit {
            transaction: false,
            statements: vec![sql.to_owned()],
            span: (at, at),
            session: sent.session.clone(),
        }),
    }
}

fn end(session: &mut Open, at: usize, committed: bool, name: &str, units: &mut Vec<Unit>) {
    let Open { begun, statements, .. } = std::mem::take(session);
    let span = (begun.unwrap_or(at), at);
    if committed && statements.iter().any(|sql| !is_setting_up(sql)) {
        units.push(Unit { transaction: true, statements, span, session: name.to_owned() });
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
pub(super) fn refused_at_last(sent: &[Sent]) -> Option<Unit> {
    let last = sent.iter().rposition(|each| each.refused.is_some())?;
    let own = |each: &Sent| each.session == sent[last].session;
    let goes_on = |each: &Sent| {
        let kind = kind(&each.sql);
        !kind.is_transaction_control() && !is_read(&kind)
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
    let kept = sent.filter(|(at, each)| *at == last || (each.refused.is_none() && !is_read(&kind(&each.sql))));
    let statements: Vec<String> = kept.map(|(_, each)| fill_in(&each.sql, &each.parameters)).collect();
    let session = String::new();
    Some(Unit { transaction: begun.is_some(), statements, span: (usize::MAX, usize::MAX), session })
}

/// What a program sends that goes on after a refusal.
fn recovers(sql: &str) -> bool {
    matches!(kind(sql), StatementKind::RollbackTo | StatementKind::Commit)
}

fn is_read(kind: &StatementKind) -> bool {
    matches!(kind, StatementKind::Select | StatementKind::Values | StatementKind::Table | StatementKind::Explain)
        || matches!(kind, StatementKind::Other(words) if words.starts_with("SHOW"))
}

/// Whether a statement cannot have changed anything.
fn only_reads(kind: &StatementKind, sql: &str, volatile: &BTreeSet<String>) -> bool {
    if !is_read(kind) {
        return false;
    }
    let words = words(sql);
    let writes = words.iter().any(|word| word.is("INTO") || word.is("FOR"));
    let calls = words.windows(2).any(|two| {
        two[1].text == "("
            && two[0].name().is_some_and(|name| volatile.contains(&name) && !HARMLESS.contains(&name.as_str()))
    });
    !writes && !calls
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
        let sets = !unit.transaction && unit.statements.iter().all(|sql| sets(sql));
        let again = sets && unit.statements.iter().all(|sql| settings.contains(sql));
        if sets && !begun.contains(&unit.session) && (again || rest.is_empty()) {
            settings.extend(unit.statements.into_iter().filter(|_| !again));
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
