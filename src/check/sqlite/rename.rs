//! What renames carry along, and what they leave behind.

use super::{
    Answer, Check, EmbeddedFacts, Finding, Kind, Rehearsal, Severity, Thresholds, committed, examples, mentions,
    object, same_name, words,
};
use crate::migration::script::sqlite::unquoted;
use crate::migration::script::words::Word;
use crate::report::human::list;
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use serde_json::json;

/// What this file finds.
pub(in crate::check) const CHECK: Check = Check { kinds: &[&RENAME_REWRITES], find };

const RENAME_REWRITES: Kind = Kind::new(
    "sqlite/rename-rewrites",
    Severity::Warning,
    Answer::Applies,
    "
        A rename changes more than the table: SQLite rewrites the text of views, triggers and foreign keys that name it (a note,
        info). It is a warning where they name something that does not exist once the run is over: because
        `PRAGMA legacy_alter_table` was on and nothing was rewritten, or because the table they were made to follow was dropped,
        as when the old table is renamed out of the way before a rebuild.
    ",
)
.with(examples!("sqlite/rename-rewrites"));

/// A rename of a table or of one of its columns.
struct Rename {
    statement: usize,
    /// The table's name in the statement.
    table: String,
    /// What it was called before and after: the table, or its column.
    from: String,
    to: String,
    of_column: bool,
}

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(facts) = &rehearsal.embedded else { return Vec::new() };
    let mut findings = Vec::new();
    let mut told = Vec::new();
    for (observation, embedded) in committed(rehearsal) {
        let Some(rename) = rehearsal.sql(observation.statement).and_then(|sql| read(observation.statement, sql)) else {
            continue;
        };
        let broken: Vec<Broken> = broken(facts, &rename).into_iter().filter(|each| !told.contains(each)).collect();
        if !broken.is_empty() {
            findings.push(left_behind(&rename, &broken, embedded.legacy_alter_table));
            told.extend(broken);
        }
        let own = |name: &str| [&rename.table, &rename.to].iter().any(|known| same_name(known, name));
        let others: Vec<(&str, &str)> = embedded
            .rewritten_text
            .iter()
            .filter_map(|oid| object(facts, *oid))
            // Its indexes and triggers are part of it.
            .filter(|(what, name, table)| !own(name) && (*what == "view" || !own(table)))
            .map(|(what, name, _)| (what, name))
            .filter(|(what, name)| !told.iter().any(|broken| broken.what == *what && broken.name == *name))
            .collect();
        if !others.is_empty() {
            findings.push(carried_along(&rename, &others));
        }
    }
    findings
}

/// `ALTER TABLE t RENAME TO u`, `ALTER TABLE t RENAME [COLUMN] a TO b`.
fn read(statement: usize, sql: &str) -> Option<Rename> {
    let all = words(sql);
    let at = all.iter().position(|word| word.depth == 0 && word.is("RENAME"))?;
    if !matches!(all.as_slice(), [first, second, ..] if first.is("ALTER") && second.is("TABLE")) {
        return None;
    }
    let to = at + all[at..].iter().position(|word| word.depth == 0 && word.is("TO"))?;
    let table = name(&all[2..at])?;
    let new = name(&all[to + 1..])?;
    let middle: Vec<Word<'_>> = all[at + 1..to].to_vec();
    let column = match middle.as_slice() {
        [] => None,
        [first, rest @ ..] if first.is("COLUMN") && !rest.is_empty() => Some(name(rest)?),
        rest => Some(name(rest)?),
    };
    let of_column = column.is_some();
    Some(Rename { statement, from: column.unwrap_or_else(|| table.clone()), table, to: new, of_column })
}

/// The last name of a dotted one, however it is quoted.
fn name(words: &[Word<'_>]) -> Option<String> {
    words.last().map(|last| unquoted(last.text))
}

/// Something that names what is not there.
#[derive(PartialEq, Eq)]
struct Broken {
    what: &'static str,
    name: String,
    target: String,
}

/// What names the old or the new name, of which nothing bears it, and did not before the run.
fn broken(facts: &EmbeddedFacts, rename: &Rename) -> Vec<Broken> {
    let (before, after) = (&facts.before, &facts.after);
    let is_there = |name: &str| after.table(name).is_some() || after.views.keys().any(|view| same_name(view, name));
    let gone: Vec<&String> = match rename.of_column {
        true => vec![&rename.from],
        false => [&rename.from, &rename.to].into_iter().filter(|name| !is_there(name)).collect(),
    };
    let mut found = Vec::new();
    for target in gone {
        let refers = |schema: &crate::snapshot::sqlite::Schema, table: &str| {
            schema.table(table).is_some_and(|table| table.foreign_keys.iter().any(|key| same_name(&key.table, target)))
        };
        let was_there = before.table(target).is_some();
        let new = |name: &String| was_there || !refers(before, name);
        if !rename.of_column {
            let tables = after.tables.keys().filter(|name| refers(after, name) && new(name));
            found.extend(tables.map(|name| Broken { what: "table", name: name.clone(), target: target.clone() }));
        }
        let views = after.views.values().filter(|view| {
            let worked = before.views.get(&view.name).is_none_or(|before| !before.columns.is_empty());
            view.columns.is_empty() && worked && mentions(&view.sql, target)
        });
        found.extend(views.map(|view| Broken { what: "view", name: view.name.clone(), target: target.clone() }));
        if rename.of_column {
            continue;
        }
        let triggers = after.triggers.values().filter(|trigger| {
            let known = before.triggers.get(&trigger.name).is_some_and(|before| before.sql == trigger.sql);
            writes_or_reads(&trigger.sql, target) && (was_there || !known)
        });
        found.extend(triggers.map(|each| Broken { what: "trigger", name: each.name.clone(), target: target.clone() }));
    }
    found
}

/// Whether a trigger's body names a table where tables stand.
fn writes_or_reads(sql: &str, table: &str) -> bool {
    let all = words(sql);
    all.windows(2).any(|pair| {
        let before = ["FROM", "JOIN", "INTO", "UPDATE", "ON"].iter().any(|word| pair[0].is(word));
        before && name(&pair[1..]).is_some_and(|name| same_name(&name, table))
    })
}

fn left_behind(rename: &Rename, broken: &[Broken], legacy: bool) -> Finding {
    let each: Vec<String> = broken
        .iter()
        .map(|each| {
            let what = if each.what == "table" { "a foreign key of" } else { each.what };
            format!("{what} {} names {}", qualify(MAIN, &each.name), each.target)
        })
        .collect();
    let why = match legacy {
        true => "legacy_alter_table was on, so the rename rewrote nothing",
        false => "the rename made them follow, and then the table went",
    };
    let advice = match legacy {
        true => "PRAGMA legacy_alter_table = OFF, or make views, triggers and foreign keys again with the new name",
        false => "make the new table under another name first, drop the old one, and rename the new one last",
    };
    Finding::measured(
        &RENAME_REWRITES,
        Some(rename.statement),
        broken.iter().map(|each| qualify(MAIN, &each.name)).collect(),
        format!("{}, which is not there any more: {why}", list(&each)),
        advice.to_owned(),
    )
    .with(json!({ "from": rename.from, "to": rename.to, "legacy_alter_table": legacy }))
}

fn carried_along(rename: &Rename, others: &[(&str, &str)]) -> Finding {
    let each: Vec<String> = others.iter().map(|(what, name)| format!("{what} {}", qualify(MAIN, name))).collect();
    let what =
        if rename.of_column { format!("column {} of {}", rename.from, rename.table) } else { rename.from.clone() };
    let mut finding = Finding::measured(
        &RENAME_REWRITES,
        Some(rename.statement),
        others.iter().map(|(_, name)| qualify(MAIN, name)).collect(),
        format!("the rename of {what} to {} also rewrote {}", rename.to, list(&each)),
        "nothing to do: SQLite keeps them working; compare them with what the project's own files say".to_owned(),
    )
    .with(json!({ "from": rename.from, "to": rename.to, "legacy_alter_table": false }));
    finding.severity = Severity::Info;
    finding
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn renames_are_read_with_every_kind_of_quotes() {
        for (sql, table, from, to) in [
            ("ALTER TABLE orders RENAME TO purchases", "orders", "orders", "purchases"),
            ("alter table main.\"my orders\" rename to [old orders]", "my orders", "my orders", "old orders"),
            ("ALTER TABLE `o` RENAME COLUMN note TO \"re\"\"mark\"", "o", "note", "re\"mark"),
            ("ALTER TABLE o RENAME column TO other", "o", "column", "other"),
        ] {
            let Some(rename) = read(1, sql) else { panic!("{sql}") };
            assert_eq!((rename.table.as_str(), rename.from.as_str()), (table, from), "{sql}");
            assert_eq!(rename.to, to, "{sql}");
        }
        assert!(read(1, "ALTER TABLE o ADD COLUMN rename").is_none());
        assert!(read(1, "DROP TABLE rename").is_none());
    }
}
