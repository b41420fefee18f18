//! Writes the three scripts.

use super::again::again;
use super::backup::{self, Save, SaveKind};
use super::conditions::{self, Condition};
use super::dump::Dump;
use super::inverse;
use super::names::identifier;
use super::origin::{self, Origin};
use super::planner::Plan;
use super::trace;
use crate::copy::settle::DEFAULT_OWNER;
use crate::engine::postgres::catalog::BACKUP_SCHEMA;
use crate::engine::postgres::session::quote_literal;
use crate::migration::script::split;
use crate::migration::script::words::words;
use crate::snapshot::catalog::Catalog;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What the scripts are made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The schema before the migration.
    pub before: &'a Catalog,
    /// The committed schema after it.
    pub after: &'a Catalog,
    /// `pg_dump --schema-only` of before, owners and privileges included.
    pub dump_before: &'a str,
    /// Complete statements that take the runner's own rows out again, such as `DELETE FROM _sqlx_migrations WHERE …`;
    /// they run with the session's own `search_path`.
    pub history: &'a [String],
    /// Tables whose rows the migration changed on the copy.
    pub changed: &'a [ChangedTable],
    /// Every statement that was committed, in order: they may change other rows in production than on the copy.
    pub statements: &'a [String],
    /// What is undone, for the headers: versions and names.
    pub title: &'a str,
    /// The schema `prepare.sql` saves into: [`BACKUP_SCHEMA`](crate::engine::postgres::catalog::BACKUP_SCHEMA), with
    /// more behind it where backups of several migrations stand side by side.
    pub backup_schema: &'a str,
    /// What they may take for granted.
    pub trust: &'a Trust<'a>,
    /// The migration commits on its way and can stop anywhere: the rollback must undo whatever there is.
    pub stepwise: bool,
    /// The statements that are undone, for the comments.
    pub origins: &'a [Origin],
}

/// What scripts take for granted, until the copy shows otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust<'a> {
    /// Names of functions that may give another answer the next time, see
    /// [`volatile::read`](crate::engine::postgres::volatile::read). None where nothing may be told from the statements:
    /// then whole tables are saved.
    pub volatile: Option<&'a BTreeSet<String>>,
    /// Converted values come back by casts where those are known to lead back. A migration that converts by an expression
    /// of its own may have made values that no cast takes: then all of them are saved.
    pub casts: bool,
    /// Qualified names, before the migration, of tables of which nothing may be told from the statements.
    pub doubted: BTreeSet<String>,
    /// The same of tables about which more changes than statements say: whole rows of them are saved.
    pub unread: BTreeSet<String>,
}

impl<'a> Trust<'a> {
    /// Everything.
    pub fn all(volatile: &'a BTreeSet<String>) -> Self {
        Self { volatile: Some(volatile), casts: true, ..Self::default() }
    }

    /// The names of volatile functions, where something may be told from the statements that change a table.
    pub(super) fn of(&self, table: &str) -> Option<&'a BTreeSet<String>> {
        self.volatile.filter(|_| !self.doubted.contains(table) && !self.unread.contains(table))
    }
}

/// What a migration did to the rows of one table that survives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedTable {
    /// Qualified name, as in [`crate::snapshot::catalog::Relation::qualified`], before the migration.
    pub name: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted; a truncated table counts all it had.
    pub deleted: u64,
    /// The statements that did it, in order; none where something ran whose doings its text does not tell.
    pub statements: Option<Vec<String>>,
}

/// The scripts, and what is known about them before they ever ran.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    /// Run before the migration: saves what it destroys.
    pub prepare: String,
    /// Run to undo the migration.
    pub rollback: String,
    /// Run once no way back is needed any more: drops what `prepare` saved.
    pub cleanup: String,
    /// What `prepare` saves.
    pub saved: Vec<Save>,
    /// The schema it saves into, unquoted.
    pub backup_schema: String,
    /// What must hold for the rollback to go through; each was false on no row of the copy if the proof says so.
    pub conditions: Vec<Condition>,
    /// Changes no script undoes. With any of them the verdict is never `exact`.
    pub unmodelled: Vec<String>,
}

impl Scripts {
    /// Whether `prepare` saves rows, as against positions of sequences alone.
    pub(super) fn saves_rows(&self) -> bool {
        self.saved.iter().any(|save| !matches!(save.kind, SaveKind::Positions(_)))
    }
}

/// One statement or a few that belong together, with the reason they are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub why: String,
    pub sql: String,
}

impl Step {
    pub(super) fn new(why: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { why: why.into(), sql: sql.into() }
    }
}

/// Writes the scripts that undo what happened between two catalogs.
pub fn generate(input: &Input<'_>) -> Scripts {
    // A file may have neither version nor name.
    let input = &Input { title: if input.title.is_empty() { "the migration" } else { input.title }, ..*input };
    let mut plan = Plan::new(input.before, input.after, Dump::parse(input.dump_before));
    plan.casts = input.trust.casts;
    if input.stepwise {
        plan.indexes_on_the_way = input.statements.iter().filter_map(|sql| index_used(sql)).collect();
    }
    let saved = backup::saves(&mut plan, input);
    let mut conditions = conditions::conditions(&plan, &saved);
    conditions.extend(conditions::of_unread(&plan, input.statements));
    let inverse = inverse::inverse(&mut plan, &saved);
    let mut unmodelled = std::mem::take(&mut plan.unmodelled);
    unmodelled.sort();
    unmodelled.dedup();
    let traces = trace::traces(&plan);
    let stand_ins = trace::stand_ins(&plan);
    conditions.extend(conditions::of_stand_ins(&stand_ins));
    // Two parts of a backup may say the same of their table.
    let mut said = BTreeSet::new();
    conditions.retain(|condition| said.insert(condition.text.clone()));
    let rollback = rollback(
        input,
        &inverse,
        &conditions,
        &unmodelled,
        (&traces, if saved.is_empty() { &[] } else { &stand_ins }, !saved.is_empty()),
        plan.evaluates_functions(),
    );
    Scripts {
        prepare: quoted(prepare(input, &saved, &traces)),
        rollback: quoted(for_production(rollback)),
        cleanup: quoted(cleanup(input, &saved)),
        saved,
        backup_schema: input.backup_schema.to_owned(),
        conditions,
        unmodelled,
    }
}

/// `ADD CONSTRAINT … USING INDEX …`: the constraint and the index, unquoted.
fn index_used(sql: &str) -> Option<(String, String)> {
    let all = words(sql);
    let at = |first: &str, second: &str| all.windows(2).position(|pair| pair[0].is(first) && pair[1].is(second));
    let (constraint, index) = (at("ADD", "CONSTRAINT")?, at("USING", "INDEX")?);
    Some((all.get(constraint + 2)?.name()?, all.get(index + 2)?.name()?))
}

/// Statements that bring the schema back in one transaction, and nothing around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bare {
    /// In order, each with its semicolon.
    pub statements: Vec<String>,
    /// Changes no statement undoes.
    pub unmodelled: Vec<String>,
}

/// The statements of `rollback.sql` alone, as they are without a backup.
pub(super) fn bare(before: &Catalog, after: &Catalog, dump_before: &str) -> Bare {
    let mut plan = Plan::new(before, after, Dump::parse(dump_before));
    plan.indexes_outside = false;
    let inverse = inverse::inverse(&mut plan, &[]);
    let steps = inverse.sections.into_iter().flat_map(|(_, steps)| steps).chain(inverse.outside);
    let mut statements = Vec::new();
    for mut step in steps {
        step.sql = quoted(for_production(step.sql));
        match split(&step.sql) {
            Ok(spans) => statements.extend(spans.into_iter().map(|span| format!("{};", &step.sql[span]))),
            Err(_) => statements.push(step.sql),
        }
    }
    Bare { statements, unmodelled: plan.unmodelled }
}

/// What nobody owns in the source belongs to a role that only copies have. Production has nobody of that name to give it to:
/// there it belongs to whoever runs the script, who may do everything with it.
fn for_production(script: String) -> String {
    if !script.contains(DEFAULT_OWNER) {
        return script;
    }
    let ends = ["OWNER TO", "TO", "FROM"].map(|word| format!(" {word} {DEFAULT_OWNER};"));
    let about_it = |line: &&str| {
        let given = ["ALTER ", "GRANT ", "REVOKE "].iter().zip(&ends);
        !given.into_iter().any(|(begin, end)| line.starts_with(begin) && line.ends_with(end.as_str()))
    };
    script.split('\n').filter(about_it).collect::<Vec<_>>().join("\n")
}

/// A script whose bodies stand in a tag that occurs in none of them: names may hold the one they are written with.
fn quoted(script: String) -> String {
    const TAG: &str = "$seatrial$";
    let bounds = script.matches(&format!("DO {TAG}\n")).count() + script.matches(&format!("\n{TAG}")).count();
    if script.matches(TAG).count() == bounds {
        return script;
    }
    let mut number = 1;
    while script.contains(&format!("$seatrial_{number}$")) {
        number += 1;
    }
    let tag = format!("$seatrial_{number}$");
    script.replace(&format!("DO {TAG}\n"), &format!("DO {tag}\n")).replace(&format!("\n{TAG}"), &format!("\n{tag}"))
}

/// What every transaction of these scripts begins with.
const OPENING: &str = "BEGIN;\n-- Give up rather than make the application wait behind us.\nSET LOCAL lock_timeout = '5s';\n\
    -- Every name below is qualified.\nSET LOCAL search_path = '';\n";

fn header(out: &mut String, file: &str, title: &str, lines: &[&str]) {
    let _ = writeln!(out, "-- {file}: {title}");
    for line in lines {
        let _ = writeln!(out, "-- {line}");
    }
    let _ = writeln!(
        out,
        "-- Run it as the role that runs migrations: psql -X -v ON_ERROR_STOP=1 -f {file}\n\
         -- Generated by seatrial; read it before you run it.\n"
    );
}

fn prepare(input: &Input<'_>, saved: &[Save], traces: &[String]) -> String {
    let mut out = String::new();
    if saved.is_empty() {
        header(
            &mut out,
            "prepare.sql",
            &format!("before {}", input.title),
            &["Nothing has to be saved: the migration destroys no data. This script does nothing."],
        );
        return out;
    }
    header(
        &mut out,
        "prepare.sql",
        &format!("save what {} destroys", input.title),
        &[
            "Run it right before the migration: rows written in between are not saved.",
            &format!(
                "It copies into the schema {}, changes nothing else, and refuses to run twice.",
                identifier(input.backup_schema)
            ),
        ],
    );
    // Tables are saved one after another, while the application goes on.
    out.push_str(&OPENING.replacen(
        "BEGIN;",
        "-- What is saved is of one moment.\nBEGIN ISOLATION LEVEL REPEATABLE READ;",
        1,
    ));
    out.push_str(
        "-- An error is better than a backup that row security made incomplete.\nSET LOCAL row_security = off;\n",
    );
    let schema = input.backup_schema;
    let not_yet = trace::not_yet(traces, input.history);
    let _ = write!(out, "\n{}{not_yet}{}", backup::refuse_twice(schema), backup::place(schema));
    // Rows that are added may be told by others that are.
    let mut ordered: Vec<&Save> = saved.iter().collect();
    ordered.sort_by_key(|save| save.told_after());
    for save in ordered {
        let _ = write!(out, "\n-- {}\n{}\n", save.describe(), save.prepare_sql());
    }
    out.push_str("\nCOMMIT;\n");
    out
}

fn cleanup(input: &Input<'_>, saved: &[Save]) -> String {
    let mut out = String::new();
    let does = if saved.is_empty() {
        "prepare.sql saved nothing: there is nothing to clean up."
    } else {
        "Drops what prepare.sql saved. After it, rollback.sql can no longer bring that data back."
    };
    header(&mut out, "cleanup.sql", &format!("after {} has proven itself", input.title), &[does]);
    if !saved.is_empty() {
        let _ = write!(out, "SET lock_timeout = '5s';\n{}\nRESET lock_timeout;\n", drop_backup(input.backup_schema));
    }
    out
}

/// Where an event trigger refuses drops, at least the rows go.
fn drop_backup(schema: &str) -> String {
    let (name, literal) = (identifier(schema), quote_literal(schema));
    format!(
        "DO $seatrial$\nDECLARE\n    kept regclass;\nBEGIN\n    DROP SCHEMA IF EXISTS {name} CASCADE;\nEXCEPTION WHEN \
         raise_exception THEN\n    FOR kept IN SELECT c.oid::regclass FROM pg_catalog.pg_class AS c JOIN \
         pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace\n        WHERE n.nspname = {literal} AND c.relkind = \
         'r'\n    LOOP\n        EXECUTE pg_catalog.format('TRUNCATE %s', kept);\n    END LOOP;\n    RAISE WARNING '% is \
         empty but stays: an event trigger refuses to drop it (%)', {literal}, SQLERRM;\nEND\n$seatrial$;"
    )
}

/// `prepare.sql` of all migrations saves for the `rollback.sql` of all: without a backup of its own, that of a single one
/// would leave behind what could have been brought back.
fn refuse_other_backup(own: &str) -> String {
    let schema = |name: &str| format!("pg_catalog.to_regnamespace({})", quote_literal(&identifier(name)));
    format!(
        "DO $seatrial$\nBEGIN\n    IF {} IS NULL AND {} IS NOT NULL THEN\n        RAISE EXCEPTION 'the backup of all migrations \
         is there and none of this one: take all of them back, with their rollback.sql';\n    END IF;\nEND\n$seatrial$;\n",
        schema(own),
        schema(BACKUP_SCHEMA)
    )
}

fn rollback(
    input: &Input<'_>,
    inverse: &inverse::Inverse,
    conditions: &[Condition],
    unmodelled: &[String],
    (traces, stand_ins, saves): (&[String], &[String], bool),
    finds_names: bool,
) -> String {
    let mut out = String::new();
    header(
        &mut out,
        "rollback.sql",
        &format!("undo {}", input.title),
        &[
            "One transaction: it is undone as a whole or not at all. What may not stand in a transaction follows after it;",
            "that last part may be run again by itself until it succeeds.",
        ],
    );
    for what in unmodelled {
        let _ = writeln!(out, "-- NOT UNDONE: {what}");
    }
    if saves {
        out.push_str(&backup::refuse_undone(input.backup_schema));
        if input.backup_schema != BACKUP_SCHEMA {
            out.push_str(&refuse_other_backup(input.backup_schema));
        }
    }
    out.push_str(&trace::still(traces, input.stepwise, input.backup_schema, stand_ins));
    out.push('\n');
    let counted: Vec<&Condition> = conditions.iter().filter(|condition| condition.query.is_some()).collect();
    if !counted.is_empty() {
        out.push_str(
            "-- Before anything is locked: would rows written since the migration stand in the way?\n\
             -- Each check counts them and stops the script if there are any.\n",
        );
        for condition in counted {
            let _ = write!(out, "\n{}", condition.check());
        }
        out.push('\n');
    }
    out.push_str(OPENING);
    if finds_names {
        out.push_str(
            "-- But functions behind rules, indexes and defaults find what they name as the migration's role does.\nSET LOCAL \
             search_path TO DEFAULT;\n",
        );
    }
    out.push_str(
        "-- Bodies of functions may name what is only made further down.\nSET LOCAL check_function_bodies = off;\n",
    );
    for (title, steps) in &inverse.sections {
        if steps.iter().all(|step| step.sql.is_empty()) {
            continue;
        }
        let _ = write!(out, "\n-- {} {title} {}\n", "=".repeat(4), "=".repeat(4));
        write_steps(&mut out, steps, input.origins, input.stepwise);
    }
    if !input.history.is_empty() {
        out.push_str(
            "\n-- The runner's own notes: what is undone counts as pending again.\nSET LOCAL search_path TO DEFAULT;\n",
        );
        for statement in input.history {
            let _ = writeln!(out, "{};", statement.trim().trim_end_matches(';'));
        }
    }
    if saves {
        let _ = write!(out, "\n-- So that it is not run twice.\n{}", backup::note_undone(input.backup_schema));
    }
    out.push_str("\nCOMMIT;\n");
    if !inverse.outside.is_empty() {
        out.push_str("\n-- ==== outside a transaction: nobody waits for these ====\nSET lock_timeout = '5s';\n");
        out.push_str(if finds_names { "RESET search_path;\n" } else { "SET search_path = '';\n" });
        write_steps(&mut out, &inverse.outside, input.origins, false);
        out.push_str("\nRESET search_path;\nRESET lock_timeout;\n");
    }
    out
}

fn write_steps(out: &mut String, steps: &[Step], origins: &[Origin], stepwise: bool) {
    let mut last = String::new();
    for step in steps.iter().filter(|step| !step.sql.is_empty()) {
        let why = format!("{}\n{}", step.why, origin::line(origins, step));
        if why != last {
            out.push('\n');
            for line in why.lines().filter(|line| !line.is_empty()) {
                let _ = writeln!(out, "-- {line}");
            }
            last = why;
        }
        let sql = if stepwise { again(&step.sql) } else { step.sql.clone() };
        let _ = writeln!(out, "{}", sql.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::for_production;

    #[test]
    fn nothing_is_given_to_a_role_that_only_copies_have() {
        let script = "CREATE TABLE public.old ();\nALTER TABLE public.old OWNER TO seatrial_owner;\n\
            GRANT ALL ON TABLE public.old TO seatrial_owner;\nGRANT SELECT ON TABLE public.old TO app;\n\
            ALTER TABLE public.new OWNER TO app;\n";
        assert_eq!(
            for_production(script.to_owned()),
            "CREATE TABLE public.old ();\nGRANT SELECT ON TABLE public.old TO app;\nALTER TABLE public.new OWNER TO app;\n"
        );
    }
}
