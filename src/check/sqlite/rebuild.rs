//! Tables that were rebuilt, and what they had and have no more.

use super::definition::{self, Definition};
use super::{
    Answer, Check, EmbeddedFacts, Finding, Kind, Rebuild, Rehearsal, Severity, Table, Thresholds, committed, examples,
    kept_column, mentions, rebuilds, same_name,
};
use crate::report::human::list;
use crate::snapshot::Oid;
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use crate::snapshot::sqlite::identity::Kind as Object;
use crate::snapshot::sqlite::{Column, ForeignKey, Index, IndexOrigin, Trigger, quote};
use serde_json::json;

/// What this file finds.
pub(in crate::check) const CHECK: Check =
    Check { kinds: &[&REBUILD_LOST, &REBUILD_LOST_TRIGGER, &REBUILD_COLUMNS], find };

const REBUILD_LOST: Kind = Kind::new(
    "sqlite/rebuild-lost",
    Severity::Error,
    Answer::Slower,
    "
        A table was rebuilt: another one was made, filled, and took its place. Its indexes went with the old one, and nothing
        made them again; each is named with the SQL that does. Its rows of `sqlite_stat1`, from which the planner knows how
        its values are spread, went as well: where only these are missing it is a warning.
    ",
)
.with(examples!("sqlite/rebuild-lost"));

const REBUILD_LOST_TRIGGER: Kind = Kind::new(
    "sqlite/rebuild-lost-trigger",
    Severity::Error,
    Answer::Applies,
    "
        A table was rebuilt, and its triggers went with the old one: nothing does any more what they did. Each is named with the SQL
        that makes it again.
    ",
)
.with(examples!("sqlite/rebuild-lost-trigger"));

const REBUILD_COLUMNS: Kind = Kind::new(
    "sqlite/rebuild-columns",
    Severity::Warning,
    Answer::Applies,
    "
        A rebuilt table has its columns in another order, which changes what `SELECT *` and an `INSERT` without column names mean;
        or it lacks what the old one had: a constraint, `DEFAULT`, `NOT NULL`, `COLLATE`, `AUTOINCREMENT`, `STRICT`,
        `WITHOUT ROWID` or a foreign key. Where one such thing is the only difference between the two tables, the rebuild was
        made for it and nothing is said.
    ",
)
.with(examples!("sqlite/rebuild-columns"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(facts) = &rehearsal.embedded else { return Vec::new() };
    let mut findings = Vec::new();
    for rebuild in rebuilds(rehearsal) {
        indexes(rehearsal, facts, &rebuild, &mut findings);
        triggers(rehearsal, facts, &rebuild, &mut findings);
        statistics(facts, &rebuild, &mut findings);
        moved(facts, &rebuild, &mut findings);
        lost(facts, &rebuild, &mut findings);
    }
    findings
}

/// Whether somebody dropped it by its own statement, so that no rebuild took it along.
fn dropped_by_itself(rehearsal: &Rehearsal, oid: Oid, table: Oid) -> bool {
    committed(rehearsal).any(|(_, embedded)| embedded.gone.contains(&oid) && !embedded.gone.contains(&table))
}

/// Whether it needs a column that did not come along: then it could not.
fn needs_lost_column(facts: &EmbeddedFacts, rebuild: &Rebuild<'_>, sql: &str) -> bool {
    rebuild.lost_columns(facts).any(|column| mentions(sql, column))
}

fn again(sql: &str) -> String {
    format!("after the rebuild, in the same transaction: {};", sql.trim_end().trim_end_matches(';'))
}

fn indexes(rehearsal: &Rehearsal, facts: &EmbeddedFacts, rebuild: &Rebuild<'_>, findings: &mut Vec<Finding>) {
    for index in facts.before.indexes_of(&rebuild.before.name) {
        let (Some(sql), Some(oid)) = (&index.sql, facts.numbers_before.get(Object::Index, &index.name)) else {
            continue;
        };
        let there = |now: &Index| {
            facts.numbers_after.get(Object::Index, &now.name) == Some(oid)
                || (now.columns == index.columns && now.partial == index.partial && now.unique >= index.unique)
        };
        if facts.after.indexes_of(&rebuild.after.name).any(there)
            || dropped_by_itself(rehearsal, oid, rebuild.oid)
            || needs_lost_column(facts, rebuild, sql)
        {
            continue;
        }
        let (table, name) = (qualify(MAIN, &rebuild.after.name), qualify(MAIN, &index.name));
        let unique = if index.unique { ", which kept its values unique" } else { "" };
        findings.push(
            Finding::measured(
                &REBUILD_LOST,
                Some(rebuild.dropped),
                vec![name.clone(), table.clone()],
                format!("{table} was rebuilt, and its index {name} is gone{unique}"),
                again(sql),
            )
            .with(json!({ "table": table, "definition": sql })),
        );
    }
}

fn triggers(rehearsal: &Rehearsal, facts: &EmbeddedFacts, rebuild: &Rebuild<'_>, findings: &mut Vec<Finding>) {
    for trigger in lost_triggers(rehearsal, facts, rebuild) {
        let (table, name) = (qualify(MAIN, &rebuild.after.name), qualify(MAIN, &trigger.name));
        findings.push(
            Finding::measured(
                &REBUILD_LOST_TRIGGER,
                Some(rebuild.dropped),
                vec![name.clone(), table.clone()],
                format!("{table} was rebuilt, and its trigger {name} is gone: what it did nobody does any more"),
                again(&trigger.sql),
            )
            .with(json!({ "table": table, "definition": trigger.sql })),
        );
    }
}

fn lost_triggers<'a>(rehearsal: &Rehearsal, facts: &'a EmbeddedFacts, rebuild: &'a Rebuild<'_>) -> Vec<&'a Trigger> {
    let lost = |trigger: &&Trigger| {
        let there = facts.after.triggers.values().any(|now| same_name(&now.name, &trigger.name));
        let oid = facts.numbers_before.get(Object::Trigger, &trigger.name);
        !there
            && oid.is_some_and(|oid| !dropped_by_itself(rehearsal, oid, rebuild.oid))
            && !needs_lost_column(facts, rebuild, &trigger.sql)
    };
    facts.before.triggers_of(&rebuild.before.name).filter(lost).collect()
}

/// Whether a trigger went with a rebuild of its table, which is told here.
pub(in crate::check) fn has_lost(rehearsal: &Rehearsal, table: Oid, trigger: &str) -> bool {
    let Some(facts) = &rehearsal.embedded else { return false };
    let found = rebuilds(rehearsal).into_iter().find(|rebuild| rebuild.oid == table);
    found.is_some_and(|rebuild| lost_triggers(rehearsal, facts, &rebuild).iter().any(|each| each.name == trigger))
}

/// Rows of `sqlite_stat1` of the table and of indexes that are still there.
fn statistics(facts: &EmbeddedFacts, rebuild: &Rebuild<'_>, findings: &mut Vec<Finding>) {
    let (was, is) = (rebuild.before.name.to_ascii_lowercase(), rebuild.after.name.to_ascii_lowercase());
    let alive = |index: &str| index.is_empty() || facts.after.indexes.keys().any(|name| same_name(name, index));
    let has_any = facts.statistics_after.iter().any(|(table, _)| *table == is);
    let before = facts.statistics_before.iter().filter(|(table, index)| *table == was && alive(index));
    let missing = before.filter(|(_, index)| !facts.statistics_after.contains(&(is.clone(), index.clone())));
    let missing: Vec<&str> = missing.map(|(_, index)| index.as_str()).collect();
    // Once analysed again, a table without indexes has a row for itself where it had one for each index.
    if missing.is_empty() || has_any {
        return;
    }
    let table = qualify(MAIN, &rebuild.after.name);
    let mut finding = Finding::measured(
        &REBUILD_LOST,
        Some(rebuild.dropped),
        vec![table.clone()],
        format!("{table} was rebuilt, and its statistics (sqlite_stat1) are gone: the planner guesses how its values are spread"),
        format!("after the rebuild: ANALYZE {};", quote(&rebuild.after.name)),
    )
    .with(json!({ "table": table, "statistics_of": missing }));
    finding.severity = Severity::Warning;
    findings.push(finding);
}

/// Columns that stayed, and stand at another place among all.
fn moved(facts: &EmbeddedFacts, rebuild: &Rebuild<'_>, findings: &mut Vec<Finding>) {
    let place = |table: &Table, name: &str| table.columns.iter().position(|column| same_name(&column.name, name));
    let mut expected = 0;
    let mut moved = Vec::new();
    for column in &rebuild.before.columns {
        let Some(now) = kept_column(facts, rebuild.oid, rebuild.after, &column.name) else { continue };
        // A column that went makes those behind it move up, which dropping it in place does as well.
        if place(rebuild.after, &now.name) != Some(expected) {
            moved.push(now.name.as_str());
        }
        expected += 1;
    }
    if moved.is_empty() {
        return;
    }
    let table = qualify(MAIN, &rebuild.after.name);
    let order = |table: &Table| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let (before, after) = (order(rebuild.before), order(rebuild.after));
    findings.push(
        Finding::measured(
            &REBUILD_COLUMNS,
            Some(rebuild.statement()),
            vec![table.clone()],
            format!(
                "{table} was rebuilt with its columns in another order ({}): SELECT * and INSERT without column names mean something else now",
                after.join(", ")
            ),
            "keep the old order and put new columns last; name the columns in INSERT … SELECT, and in what applications send"
                .to_owned(),
        )
        .with(json!({ "before": before, "after": after, "moved": moved })),
    );
}

/// What the new table's text does not say any more, and whether that is all that changed.
fn lost(facts: &EmbeddedFacts, rebuild: &Rebuild<'_>, findings: &mut Vec<Finding>) {
    let differences = Differences::between(facts, rebuild);
    let lost = &differences.lost;
    if lost.is_empty() || (lost.len() == 1 && !differences.others) {
        return;
    }
    let table = qualify(MAIN, &rebuild.after.name);
    findings.push(
        Finding::measured(
            &REBUILD_COLUMNS,
            Some(rebuild.statement()),
            vec![table.clone()],
            format!("{table} was rebuilt without {}", list(lost)),
            "put it into the new CREATE TABLE; where it is meant to go, allow this beside the statement and say why"
                .to_owned(),
        )
        .with(json!({ "lost": lost, "definition_before": rebuild.before.sql, "definition_after": rebuild.after.sql })),
    );
}

/// How the two tables of a rebuild differ.
#[derive(Default)]
struct Differences {
    /// What the old one had and the new one has not.
    lost: Vec<String>,
    /// There is any other difference.
    others: bool,
}

impl Differences {
    fn between(facts: &EmbeddedFacts, rebuild: &Rebuild<'_>) -> Self {
        let (before, after) = (rebuild.before, rebuild.after);
        let mut it = Self::default();
        let (was, is) = (definition::read(&before.sql), definition::read(&after.sql));
        let mut kept = 0;
        for (at, column) in before.columns.iter().enumerate() {
            let Some(now) = kept_column(facts, rebuild.oid, after, &column.name) else {
                it.others = true;
                continue;
            };
            kept += 1;
            let collations = (collation(&was, at), after.columns.iter().position(|each| each.name == now.name));
            it.column(column, now, (collations.0, collations.1.and_then(|at| collation(&is, at))));
        }
        it.others |= kept < after.columns.len();
        it.keys(facts, rebuild);
        it.those(&was.checks, &is.checks);
        let words = |table: &Table| {
            let words = [
                (table.autoincrement, "AUTOINCREMENT"),
                (table.strict, "STRICT"),
                (table.without_rowid, "WITHOUT ROWID"),
            ];
            words.into_iter().filter(|(has, _)| *has).map(|(_, word)| word.to_owned()).collect::<Vec<_>>()
        };
        it.those(&words(before), &words(after));
        it
    }

    fn column(&mut self, was: &Column, is: &Column, collations: (Option<&str>, Option<&str>)) {
        let name = &is.name;
        self.others |= !was.type_name.eq_ignore_ascii_case(&is.type_name) || was.name != is.name;
        // An INTEGER PRIMARY KEY needs no NOT NULL of its own.
        match (was.not_null, is.not_null || is.key > 0) {
            (true, false) => self.lost.push(format!("NOT NULL of {name}")),
            (false, true) => self.others |= is.not_null,
            _ => {}
        }
        match (&was.default, &is.default) {
            (Some(default), None) => self.lost.push(format!("DEFAULT {default} of {name}")),
            (was, is) => self.others |= was != is,
        }
        match collations {
            (Some(collation), None) => self.lost.push(format!("COLLATE {collation} of {name}")),
            (was, is) => self.others |= was != is,
        }
        match (was.kind.is_written(), is.kind.is_written()) {
            (false, true) => self.lost.push(format!("GENERATED of {name}")),
            _ => self.others |= was.kind != is.kind,
        }
    }

    fn keys(&mut self, facts: &EmbeddedFacts, rebuild: &Rebuild<'_>) {
        let (before, after) = (rebuild.before, rebuild.after);
        // Names as they are now, so that a renamed column is no difference; what needs a column that went is not lost.
        let now = |name: &String| kept_column(facts, rebuild.oid, after, name).map(|column| column.name.clone());
        let names = |names: Vec<String>| names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let key = |columns: Vec<String>| format!("PRIMARY KEY ({})", names(columns));
        let was: Option<Vec<String>> = before.key().iter().map(|column| now(&column.name)).collect();
        let was = was.filter(|columns| !columns.is_empty()).map(key);
        let is: Vec<String> = after.key().iter().map(|column| column.name.clone()).collect();
        let is = if is.is_empty() { Vec::new() } else { vec![key(is)] };
        self.those(&was.into_iter().collect::<Vec<_>>(), &is);

        let unique = |index: &Index| index.unique && !index.partial;
        let columns =
            |index: &Index| index.columns.iter().map(|(name, ..)| name.clone()).collect::<Option<Vec<String>>>();
        let text = |columns: Vec<String>| format!("UNIQUE ({})", names(columns));
        let of_before = facts.before.indexes_of(&before.name).filter(|index| index.origin == IndexOrigin::Unique);
        let was: Vec<String> = of_before
            .filter_map(|index| columns(index)?.iter().map(now).collect::<Option<Vec<String>>>())
            .map(text)
            .collect();
        let is: Vec<String> =
            facts.after.indexes_of(&after.name).filter(|index| unique(index)).filter_map(columns).map(text).collect();
        self.lost.extend(was.iter().filter(|each| !is.contains(each)).cloned());

        let foreign = |key: &ForeignKey, columns: Vec<String>| {
            let actions = [("DELETE", &key.on_delete), ("UPDATE", &key.on_update)];
            let actions = actions.into_iter().filter(|(_, action)| *action != "NO ACTION");
            let actions: String = actions.map(|(event, action)| format!(" ON {event} {action}")).collect();
            format!("FOREIGN KEY ({}) REFERENCES {}{actions}", names(columns), quote(&key.table))
        };
        let was: Vec<String> = before
            .foreign_keys
            .iter()
            .filter_map(|key| Some(foreign(key, key.columns.iter().map(now).collect::<Option<Vec<_>>>()?)))
            .collect();
        let is: Vec<String> = after.foreign_keys.iter().map(|key| foreign(key, key.columns.clone())).collect();
        self.those(&was, &is);
    }

    /// Compares two lists in any order and any case.
    fn those(&mut self, was: &[String], is: &[String]) {
        let within = |all: &[String], one: &String| all.iter().any(|each| each.eq_ignore_ascii_case(one));
        self.lost.extend(was.iter().filter(|each| !within(is, each)).cloned());
        self.others |= is.iter().any(|each| !within(was, each));
    }
}

fn collation(definition: &Definition, at: usize) -> Option<&str> {
    definition.collations.get(at)?.as_deref()
}
