//! Foreign keys that are enforced while tables go, and pragmas that come too late.

use super::{
    Answer, Check, EmbeddedFacts, Finding, Kind, Rehearsal, Severity, Thresholds, committed, count, examples, mentions,
    same_name, words,
};
use crate::observation::{Observation, Outcome};
use crate::report::human::list;
use crate::snapshot::Oid;
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use serde_json::json;
use std::collections::BTreeMap;

/// What this file finds.
pub(in crate::check) const CHECK: Check = Check { kinds: &[&FOREIGN_KEYS_ON, &PRAGMA_IN_TRANSACTION], find };

const FOREIGN_KEYS_ON: Kind = Kind::new(
    "sqlite/foreign-keys-on",
    Severity::Error,
    Answer::Applies,
    "
        A table other tables refer to was dropped, for good or to be rebuilt, while `PRAGMA foreign_keys` was on. SQLite then
        deletes its rows first, as `DELETE FROM` would: what refers to them is deleted too, set to NULL, or refuses. Rows
        of other tables that went or changed with it were counted; where none did on this copy it is a warning.
    ",
)
.with(examples!("sqlite/foreign-keys-on"));

const PRAGMA_IN_TRANSACTION: Kind = Kind::new(
    "sqlite/pragma-in-transaction",
    Severity::Warning,
    Answer::Applies,
    "
        `PRAGMA foreign_keys` inside a transaction does nothing and says nothing: what follows runs with the setting as it
        was. So does `PRAGMA journal_mode` once the transaction has written. Migration tools open a transaction around each
        migration, so the statement reads as if it worked. Where foreign keys are already as they are asked for, it is a note
        (info). Other pragmas are refused there, which is `apply/failed`.
    ",
)
.with(examples!("sqlite/pragma-in-transaction"));

/// The way around both.
const OUTSIDE: &str = "PRAGMA foreign_keys = OFF before the transaction begins (mark the migration as one that runs \
                       without a transaction, and write BEGIN and COMMIT into it), PRAGMA foreign_key_check before the \
                       COMMIT, and ON again after it";

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(facts) = &rehearsal.embedded else { return Vec::new() };
    let mut findings = dropped_parents(rehearsal, facts);
    findings.extend(refused(rehearsal, facts));
    findings.extend(rehearsal.observations.iter().filter_map(without_effect));
    findings.extend(rehearsal.observations.iter().filter_map(|observation| mode_unchanged(facts, observation)));
    findings
}

/// Tables that refer to this one, itself left out.
fn referring<'a>(facts: &'a EmbeddedFacts, table: &'a str) -> Vec<&'a str> {
    let refers = |each: &&crate::snapshot::sqlite::Table| {
        !same_name(&each.name, table) && each.foreign_keys.iter().any(|key| same_name(&key.table, table))
    };
    facts.before.tables.values().filter(refers).map(|each| each.name.as_str()).collect()
}

/// Tables of before the run that went with a statement while foreign keys were on and others refer to them.
fn went<'a>(facts: &'a EmbeddedFacts, gone: &[Oid]) -> Vec<(Oid, &'a str)> {
    let before = facts.before.tables.keys().filter_map(|name| Some((facts.numbers_before.relation(name)?, name)));
    let of_others = |(oid, name): &(Oid, &str)| gone.contains(oid) && !referring(facts, name).is_empty();
    before.map(|(oid, name)| (oid, name.as_str())).filter(of_others).collect()
}

fn dropped_parents(rehearsal: &Rehearsal, facts: &EmbeddedFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (observation, embedded) in committed(rehearsal).filter(|(_, embedded)| embedded.foreign_keys) {
        for (oid, name) in went(facts, &embedded.gone) {
            findings.push(of_drop(facts, observation, oid, name));
        }
    }
    findings
}

fn of_drop(facts: &EmbeddedFacts, observation: &Observation, oid: Oid, name: &str) -> Finding {
    let table = qualify(MAIN, name);
    let referring: Vec<String> = referring(facts, name).into_iter().map(|each| qualify(MAIN, each)).collect();
    // Rows of other tables: deleted, and changed without being deleted.
    let mut rows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for work in observation.changed.iter().filter(|work| work.heap != oid) {
        rows.entry(&work.name).or_default().1 += work.rows;
    }
    for work in observation.deleted.iter().filter(|work| work.heap != oid) {
        let known = rows.entry(&work.name).or_default();
        (known.0, known.1) = (known.0 + work.rows, known.1.saturating_sub(work.rows));
    }
    let told: Vec<String> = rows
        .iter()
        .flat_map(|(name, (deleted, changed))| {
            [(*deleted, "deleted"), (*changed, "changed")].map(|(rows, what)| match rows {
                0 => None,
                1 => Some(format!("1 row of {name} is {what}")),
                rows => Some(format!("{} rows of {name} are {what}", count(rows))),
            })
        })
        .flatten()
        .collect();
    let evidence: Vec<_> = rows
        .iter()
        .map(|(name, (deleted, changed))| json!({ "table": name, "deleted": deleted, "changed": changed }))
        .collect();
    let message = match told.as_slice() {
        [] => format!(
            "{table} goes while foreign keys are on, and {} to it: its rows are deleted first; on this copy no other row went",
            refer(&referring)
        ),
        told => format!("{table} goes while foreign keys are on: with it {}", list(told)),
    };
    let objects = std::iter::once(table).chain(rows.keys().map(|name| (*name).to_owned())).collect();
    let mut finding =
        Finding::measured(&FOREIGN_KEYS_ON, Some(observation.statement), objects, message, OUTSIDE.to_owned())
            .with(json!({ "referring": referring, "rows": evidence }));
    if told.is_empty() {
        finding.severity = Severity::Warning;
    }
    finding
}

fn refer(tables: &[String]) -> String {
    format!("{} {}", list(tables), if tables.len() == 1 { "refers" } else { "refer" })
}

/// The drop, or the COMMIT after it, was refused because others refer to the rows.
fn refused(rehearsal: &Rehearsal, facts: &EmbeddedFacts) -> Option<Finding> {
    let failure = rehearsal.failure.as_ref().filter(|failure| failure.error.sqlstate == "23503")?;
    let undone = |each: &&Observation| !rehearsal.committed.contains(&each.statement);
    let on = rehearsal.observations.iter().filter(undone).filter_map(|each| Some((each, each.embedded.as_ref()?)));
    let (statement, name) = on.filter(|(_, embedded)| embedded.foreign_keys).find_map(|(each, embedded)| {
        let gone = went(facts, &embedded.gone).into_iter().map(|(_, name)| name).next();
        let sql = rehearsal.sql(each.statement).unwrap_or_default();
        let meant = || {
            let drops = each.statement == failure.statement && drops_table(sql);
            let named = |name: &&String| mentions(sql, name) && !referring(facts, name).is_empty();
            facts.before.tables.keys().filter(|_| drops).find(named).map(String::as_str)
        };
        Some((each.statement, gone.or_else(meant)?))
    })?;
    let referring: Vec<String> = referring(facts, name).into_iter().map(|each| qualify(MAIN, each)).collect();
    let table = qualify(MAIN, name);
    let message = format!(
        "{table} is dropped while foreign keys are on, which deletes its rows first, and {} to them",
        refer(&referring)
    );
    Some(
        Finding::measured(&FOREIGN_KEYS_ON, Some(statement), vec![table], message, OUTSIDE.to_owned())
            .with(json!({ "referring": referring, "rows": [] })),
    )
}

fn drops_table(sql: &str) -> bool {
    matches!(words(sql).as_slice(), [first, second, ..] if first.is("DROP") && second.is("TABLE"))
}

fn without_effect(observation: &Observation) -> Option<Finding> {
    let embedded = observation.embedded.as_ref().filter(|embedded| embedded.in_transaction)?;
    let (name, value) = embedded.pragma.as_ref().filter(|(name, _)| name == "foreign_keys")?;
    let asked = is_on(value.as_ref()?);
    let word = |on: bool| if on { "on" } else { "off" };
    let stay = word(embedded.foreign_keys);
    let mut finding = Finding::measured(
        &PRAGMA_IN_TRANSACTION,
        Some(observation.statement),
        Vec::new(),
        format!("PRAGMA {name} does nothing inside a transaction: foreign keys stay {stay}"),
        OUTSIDE.to_owned(),
    )
    .with(json!({ "pragma": name, "asked": word(asked), "in_effect": stay }));
    if asked == embedded.foreign_keys {
        finding.severity = Severity::Info;
    }
    Some(finding)
}

/// Into WAL mode or out of it: refused at the beginning of a transaction, and passed over in silence behind a write.
fn mode_unchanged(facts: &EmbeddedFacts, observation: &Observation) -> Option<Finding> {
    let embedded = observation.embedded.as_ref().filter(|embedded| embedded.in_transaction)?;
    let (_, value) = embedded.pragma.as_ref().filter(|(name, _)| name == "journal_mode")?;
    let asked = value.as_ref()?.trim_matches(['\'', '"']).to_ascii_lowercase();
    let is_wal = |mode: &str| mode.eq_ignore_ascii_case("wal");
    let (was, is) = (&facts.before.header.journal_mode, &facts.after.header.journal_mode);
    if observation.outcome != Outcome::Ok || is_wal(&asked) == is_wal(was) || is_wal(&asked) == is_wal(is) {
        return None;
    }
    Some(
        Finding::measured(
            &PRAGMA_IN_TRANSACTION,
            Some(observation.statement),
            Vec::new(),
            format!("PRAGMA journal_mode does nothing inside a transaction that has written: it stays {was}"),
            "change the journal mode outside a transaction, once: it stays with the file".to_owned(),
        )
        .with(json!({ "pragma": "journal_mode", "asked": asked, "in_effect": was })),
    )
}

/// As SQLite reads a boolean of a pragma.
fn is_on(value: &str) -> bool {
    let value = value.trim_matches(['\'', '"']);
    ["on", "yes", "true"].iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.parse::<i64>().is_ok_and(|number| number != 0)
}
