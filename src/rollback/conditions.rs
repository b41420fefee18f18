//! What rows written between migration and rollback could break: every rule that gets tighter again, as a count.

use super::backup::{Key, Save, SaveKind, SavedColumn, is_base_of, lossless};
use super::names::{column, describe, identifier, identifiers};
use super::planner::Plan;
use crate::engine::postgres::session::quote_literal;
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::script::words::words;
use crate::migration::script::{StatementKind, kind};
use crate::snapshot::Oid;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::object::{Address, Class, Function, TypeKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Something that must hold for the rollback to go through, or to bring everything back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// In words: `no row of public.orders has note null`.
    pub text: String,
    /// A query against the migrated schema that counts offending rows; none where only words can say it.
    pub query: Option<String>,
    /// The part of the backup the query asks, qualified: without it there is nothing to ask.
    pub backup: Option<String>,
}

impl Condition {
    /// One that only words can say.
    pub(super) fn said(text: String) -> Self {
        Self { text, query: None, backup: None }
    }

    fn counted(text: String, query: Option<String>) -> Self {
        Self { text, query, backup: None }
    }

    /// The check as a statement that stops the script.
    pub(super) fn check(&self) -> String {
        let Some(query) = &self.query else { return String::new() };
        let message = quote_literal("%: not so for % rows; nothing was changed");
        let counted = match &self.backup {
            Some(name) => format!(
                "IF pg_catalog.to_regclass({}) IS NOT NULL THEN\n        offending := ({query});\n    END IF;",
                quote_literal(name)
            ),
            None => format!("offending := ({query});"),
        };
        format!(
            "DO $seatrial$\nDECLARE\n    offending bigint;\nBEGIN\n    {counted}\n    IF offending > 0 THEN\n        \
             RAISE EXCEPTION {message}, {}, offending;\n    END IF;\nEND\n$seatrial$;\n",
            quote_literal(&self.text)
        )
    }
}

pub(super) fn conditions(plan: &Plan<'_>, saved: &[Save]) -> Vec<Condition> {
    let mut found = Vec::new();
    let mut replaced = Replaced::new(plan, saved);
    replaced.dropped =
        saved.iter().filter(|save| save.kind == SaveKind::Table).map(|save| (save.table, save)).collect();
    columns(plan, saved, &replaced, &mut found);
    labels(plan, &replaced, &mut found);
    constraints(plan, &replaced, &mut found);
    domains(plan, &replaced, &mut found);
    unique_indexes(plan, &replaced, &mut found);
    contended(saved, &mut found);
    foreign_options(plan, &mut found);
    for save in saved {
        found.extend(save.conditions());
    }
    found
}

/// What blocks, procedures and functions write to is seen on the copy and not read from their text.
pub(super) fn of_unread(plan: &Plan<'_>, statements: &[String]) -> impl Iterator<Item = Condition> {
    let writes = |sql: &String| match kind(sql) {
        StatementKind::Call => true,
        StatementKind::Do => {
            let lower = sql.to_lowercase();
            ["update", "delete", "insert", "truncate", "merge", "execute", "call", "perform"]
                .iter()
                .any(|word| lower.contains(word))
        }
        _ => false,
    };
    let calls = |sql: &String| kind(sql) == StatementKind::Select && calls_volatile(plan, sql);
    let told = [
        (statements.iter().any(writes), "DO blocks and procedures"),
        (statements.iter().any(calls), "functions that are called"),
    ];
    told.into_iter().filter(|(unread, _)| *unread).map(|(_, what)| {
        Condition::said(format!("{what} write to no other tables than on the copy: only those are saved"))
    })
}

/// Whether a query calls a function that people wrote and that may write.
fn calls_volatile(plan: &Plan<'_>, sql: &str) -> bool {
    let all = words(sql);
    let called = all.windows(2).filter(|pair| pair[1].text == "(").filter_map(|pair| pair[0].name());
    let called: BTreeSet<String> = called.collect();
    let may_write = |function: &Function| {
        let says = function.definition.as_deref().unwrap_or_default();
        let harmless = ["\n IMMUTABLE", "\n STABLE", "\n LANGUAGE c\n", "\n LANGUAGE internal\n"];
        called.contains(&function.name) && function.kind == 'f' && !harmless.iter().any(|word| says.contains(word))
    };
    plan.before.functions.values().chain(plan.after.functions.values()).any(may_write)
}

/// What bears an old name is not what bore it before: it goes with all that is written to it.
pub(super) fn of_stand_ins(stand_ins: &[String]) -> impl Iterator<Item = Condition> + '_ {
    stand_ins.iter().map(|name| {
        Condition::said(format!(
            "what is written to {name} after the migration is lost: it takes the place of what it was before"
        ))
    })
}

/// Tables whose rows go back to what was saved before `NOT NULL` and constraints stand again. What they hold until then
/// says nothing: the migration itself may have written it, under rules it had loosened. Types go back before the rows.
struct Replaced<'a> {
    /// OIDs after.
    tables: BTreeSet<Oid>,
    /// Tables that come back with the rows they had, OIDs before.
    dropped: BTreeMap<Oid, &'a Save>,
}

impl Replaced<'_> {
    fn new(plan: &Plan<'_>, saved: &[Save]) -> Self {
        let rows = saved.iter().filter(|save| matches!(save.kind, SaveKind::Rows { .. } | SaveKind::Written(_)));
        let tables = rows.filter_map(|save| plan.pairing.relation_after(save.table)).collect();
        Self { tables, dropped: BTreeMap::new() }
    }

    /// The query, unless rows of one of these tables (OIDs after) are replaced before its answer matters.
    fn countable(&self, tables: &[Oid], query: Option<String>) -> Option<String> {
        query.filter(|_| !tables.iter().any(|table| self.tables.contains(table)))
    }
}

fn columns(plan: &Plan<'_>, saved: &[Save], replaced: &Replaced<'_>, found: &mut Vec<Condition>) {
    for table in plan.tables.values() {
        for old in plan.before.columns_of(table.before) {
            let number = old.number;
            let name = plan.after.relation_name(table.after);
            if table.dropped.contains(&number) {
                let empty = old.not_null && old.default.is_none() && old.generated.is_none() && old.identity.is_none();
                if empty && !unchecked_not_null(plan, table.before, &old.name) {
                    let save = saved.iter().find(|save| save.table == table.before && save.numbers.contains(&number));
                    found.extend(save.and_then(|save| valued(plan, save, table.after, &name, &old.name)));
                }
                continue;
            }
            let Some(new) = plan.after.columns.get(&(table.after, number)) else { continue };
            let inherited = plan
                .after
                .column_details
                .get(&(table.after, number))
                .is_some_and(|detail| detail.inherited && !detail.local);
            if inherited {
                continue;
            }
            if old.not_null && !new.not_null && !unchecked_not_null(plan, table.before, &old.name) {
                found.push(Condition::counted(
                    format!("no row of {name} has a null in {}", identifier(&new.name)),
                    replaced.countable(
                        &[table.after],
                        Some(format!("SELECT count(*) FROM {name} WHERE {} IS NULL", identifier(&new.name))),
                    ),
                ));
            }
            if table.retyped.contains(&number)
                && lossless(&old.type_name, &new.type_name)
                && let Some(misfit) = misfit(&identifier(&new.name), &old.type_name, &new.type_name)
            {
                found.push(Condition::counted(
                    format!("every value of {} fits {}", column(plan.after, table.after, number), old.type_name),
                    Some(format!("SELECT count(*) FROM {name} WHERE {misfit}")),
                ));
            } else if table.retyped.contains(&number)
                && !is_base_of(plan.before, (table.before, number), &new.type_name)
                && may_misfit(&old.type_name, &new.type_name)
            {
                let name = column(plan.after, table.after, number);
                let text = format!("every value written to {name} since can be read as {}", old.type_name);
                found.push(Condition::said(text));
            }
        }
    }
}

/// Rows that others wrote since have no value for a column that comes back and allows no null: better said before
/// anything is locked. Where the key is called as it was.
fn valued(plan: &Plan<'_>, save: &Save, after: Oid, name: &str, column: &str) -> Option<Condition> {
    let SaveKind::Columns(Key::Columns(keys)) = &save.kind else { return None };
    let stays = |key: &SavedColumn| {
        plan.after.columns_of(after).any(|found| found.name == key.name && found.type_name == key.type_name)
    };
    if !keys.iter().all(stays) {
        return None;
    }
    let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
    let backup = save.backup_name();
    let query = format!(
        "SELECT count(*) FROM {} AS t WHERE NOT EXISTS (SELECT FROM {backup} AS b WHERE {})",
        own_rows(plan, after),
        matched.join(" AND ")
    );
    let text = format!("every row of {name} has a saved value of {}, which allows no null", identifier(column));
    Some(Condition { text, query: Some(query), backup: Some(backup) })
}

/// Whether values of the new type may have no counterpart in the old one; where that can be counted, see [`misfit`].
fn may_misfit(old: &str, new: &str) -> bool {
    let text = ["text", "character varying"];
    old != new && !text.contains(&old) && misfit("x", old, new).is_none()
}

/// A `NOT NULL` that did not hold for all rows before, which it can from version 18 on.
fn unchecked_not_null(plan: &Plan<'_>, table: Oid, column: &String) -> bool {
    plan.before.constraints.values().any(|found| {
        found.kind == 'n' && found.table == Some(table) && found.columns.first() == Some(column) && !found.validated
    })
}

/// A condition that finds values of the wider type that do not fit the narrower one they go back to.
fn misfit(name: &str, old: &str, new: &str) -> Option<String> {
    let limits = match old {
        "smallint" => Some(("-32768", "32767")),
        "integer" => Some(("-2147483648", "2147483647")),
        "bigint" => Some(("-9223372036854775808", "9223372036854775807")),
        _ => None,
    };
    let numbers = ["smallint", "integer", "bigint", "numeric"];
    if let Some((least, most)) = limits {
        return numbers.contains(&new).then(|| format!("{name} NOT BETWEEN {least} AND {most}"));
    }
    if let Some(length) = old.strip_prefix("character varying(").and_then(|rest| rest.strip_suffix(')')) {
        return Some(format!("char_length({name}::text) > {length}"));
    }
    old.starts_with("numeric(").then(|| format!("{name} <> {name}::{old}"))
}

fn labels(plan: &Plan<'_>, replaced: &Replaced<'_>, found: &mut Vec<Condition>) {
    for (before, after) in &plan.replaced_types {
        let (Some(old), Some(new)) = (plan.before.types.get(&before.oid), plan.after.types.get(&after.oid)) else {
            continue;
        };
        let (TypeKind::Enum(old_labels), TypeKind::Enum(new_labels)) = (&old.kind, &new.kind) else { continue };
        let gone: Vec<String> = new_labels
            .iter()
            .filter(|(oid, _)| !old_labels.iter().any(|(kept, _)| kept == oid))
            .map(|(_, label)| quote_literal(label))
            .collect();
        if gone.is_empty() {
            continue;
        }
        for dependency in plan.dependents_of(*after) {
            let dependent = dependency.dependent;
            let detail = plan.after.column_details.get(&(dependent.oid, dependent.column));
            let array = plan
                .after
                .columns
                .get(&(dependent.oid, dependent.column))
                .is_some_and(|column| column.type_name == format!("{}[]", new.qualified));
            if dependent.class != Class::Relation
                || !plan.tables.contains_key(&dependent.oid)
                || detail.is_none_or(|detail| detail.inherited || (detail.type_oid != after.oid && !array))
            {
                continue;
            }
            if plan.tables.get(&dependent.oid).is_some_and(|table| table.added.contains(&dependent.column)) {
                continue;
            }
            let Some(found_column) = plan.after.columns.get(&(dependent.oid, dependent.column)) else { continue };
            let name = identifier(&found_column.name);
            found.push(Condition::counted(
                format!(
                    "no row holds a new label of {} in {}",
                    new.qualified,
                    column(plan.after, dependent.oid, dependent.column)
                ),
                replaced.countable(
                    &[dependent.oid],
                    Some(format!(
                        "SELECT count(*) FROM {} WHERE {}",
                        plan.after.relation_name(dependent.oid),
                        if array {
                            format!("{name}::text[] && ARRAY[{}]", gone.join(", "))
                        } else {
                            format!("{name}::text IN ({})", gone.join(", "))
                        }
                    )),
                ),
            ));
        }
    }
}

fn constraints(plan: &Plan<'_>, replaced: &Replaced<'_>, found: &mut Vec<Condition>) {
    for address in plan.restore.iter().filter(|address| address.class == Class::Constraint) {
        let Some(constraint) = plan.before.constraints.get(&address.oid) else { continue };
        let Some(table) = constraint.table.and_then(|table| plan.pairing.relation_after(table)) else { continue };
        // What still stands after the migration needs no check, and where names changed the old words would not do.
        // A referenced table that comes back holds what was saved of it, and nothing else.
        let from_backup =
            constraint.references.and_then(|before| replaced.dropped.get(&before)).filter(|_| constraint.kind == 'f');
        let stands = from_backup.is_none() && plan.pairing.after(*address).is_some();
        if stands || constraint.inherited || !constraint.validated {
            continue;
        }
        let same_names = constraint.columns.iter().all(|name| {
            let number = |catalog: &crate::snapshot::catalog::Catalog, table| {
                catalog.columns_of(table).find(|column| column.name == *name).map(|column| column.number)
            };
            constraint.table.and_then(|before| number(plan.before, before)) == number(plan.after, table)
        });
        if !same_names || (from_backup.is_none() && still_there(plan, table, constraint)) {
            continue;
        }
        let name = plan.after.relation_name(table);
        let own = own_rows(plan, table);
        let query = match constraint.kind {
            'c' if !is_understood(plan, *address, None) => None,
            'c' if constraint.definition.ends_with("NO INHERIT") => check_query(&own, &constraint.definition),
            'c' => check_query(&name, &constraint.definition),
            'p' | 'u' => {
                let columns = identifiers(&constraint.columns);
                let known = constraint
                    .columns
                    .iter()
                    .map(|column| format!("{} IS NOT NULL", identifier(column)))
                    .collect::<Vec<_>>()
                    .join(" AND ");
                Some(format!(
                    "SELECT count(*) FROM (SELECT FROM {own} WHERE {known} GROUP BY {columns} HAVING count(*) > 1) AS twice"
                ))
            }
            'f' => foreign_key_query(plan, &own, constraint),
            _ => None,
        };
        let referenced = constraint.references.and_then(|referenced| plan.pairing.relation_after(referenced));
        let tables: Vec<Oid> = referenced.into_iter().chain([table]).collect();
        let backup = from_backup.map(|save| save.backup_name());
        let query = match from_backup {
            Some(save) => reference_to(&own, constraint, &save.backup_name(), &save.columns),
            None => query,
        };
        let query = replaced.countable(&tables, query);
        let mut text = format!("{name} satisfies {}", identifier(&constraint.name));
        let _ = write!(text, ": {}", constraint.definition);
        found.push(Condition { text, query, backup });
    }
}

/// `CHECK` of domains that come back, or get it back, on columns that stay.
fn domains(plan: &Plan<'_>, replaced: &Replaced<'_>, found: &mut Vec<Condition>) {
    for address in plan.restore.iter().filter(|address| address.class == Class::Constraint) {
        let Some(constraint) = plan.before.constraints.get(&address.oid).filter(|found| found.kind == 'c') else {
            continue;
        };
        let detail = plan.before.constraint_details.get(&address.oid);
        let Some(domain) = detail.and_then(|detail| detail.domain) else { continue };
        if plan.pairing.after(*address).is_some() || !constraint.validated {
            continue;
        }
        let Some(of) = plan.before.types.get(&domain) else { continue };
        for table in plan.tables.values() {
            for old in plan.before.columns_of(table.before) {
                let is_of = plan
                    .before
                    .column_details
                    .get(&(table.before, old.number))
                    .is_some_and(|detail| detail.type_oid == domain);
                let now = plan.after.columns.get(&(table.after, old.number));
                let Some(now) = now.filter(|_| is_of && !table.dropped.contains(&old.number)) else { continue };
                // Under another type the old words may mean something else.
                let same = matches!(&of.kind, TypeKind::Domain { base, .. } if *base == now.type_name)
                    || now.type_name == old.type_name;
                let name = plan.after.relation_name(table.after);
                let about = of_value(&constraint.definition, &identifier(&now.name));
                let query =
                    (same && is_understood(plan, *address, Some(domain))).then(|| check_query(&name, &about)).flatten();
                found.push(Condition::counted(
                    format!(
                        "every value of {} satisfies {} of {}: {}",
                        column(plan.after, table.after, old.number),
                        identifier(&constraint.name),
                        of.qualified,
                        constraint.definition
                    ),
                    replaced.countable(&[table.after], query),
                ));
            }
        }
    }
}

/// The words of a domain's rule about a column.
fn of_value(definition: &str, column: &str) -> String {
    let mut out = String::new();
    for token in Lexer::new(definition) {
        let text = &definition[token.span];
        let value = token.kind == TokenKind::Word && text.eq_ignore_ascii_case("value");
        out.push_str(if value { column } else { text });
    }
    out
}

/// What copies have no options of: servers are made unreachable on them, user mappings emptied.
fn foreign_options(plan: &Plan<'_>, found: &mut Vec<Condition>) {
    for (address, other) in &plan.before.others {
        let changed = plan.pairing.after(*address).and_then(|after| plan.after.others.get(&after));
        let made_again = plan.restore.contains(address);
        let altered = changed.is_some_and(|now| now.raw != other.raw);
        if ["server", "user mapping"].contains(&other.type_name.as_str()) && (made_again || altered) {
            let text = format!(
                "options of {} that lead to another server or are secret are set again by hand: copies have none of them",
                describe(plan.before, *address)
            );
            found.push(Condition::said(text));
        }
    }
}

/// Unique indexes that are no constraint's and come back.
fn unique_indexes(plan: &Plan<'_>, replaced: &Replaced<'_>, found: &mut Vec<Condition>) {
    for address in plan.restore.iter().filter(|address| address.class == Class::Relation) {
        let Some(index) = plan.before.indexes.get(&address.oid) else { continue };
        let gone = plan.pairing.after(*address).is_none() && index.unique && index.constraint.is_none();
        let Some(table) = plan.pairing.relation_after(index.table).filter(|_| gone && index.valid) else { continue };
        let (name, keys) = (plan.after.relation_name(table), &index.keys[..index.key_count.min(index.keys.len())]);
        let expressions = plan.before.index_details.get(&address.oid).is_none_or(|detail| detail.has_expressions);
        let named = keys.iter().all(|key| plan.after.columns_of(table).any(|column| column.name == *key));
        let query = (!expressions && named && index.predicate.is_none()).then(|| {
            let known: Vec<String> = keys.iter().map(|key| format!("{} IS NOT NULL", identifier(key))).collect();
            format!(
                "SELECT count(*) FROM (SELECT FROM {name} WHERE {} GROUP BY {} HAVING count(*) > 1) AS twice",
                known.join(" AND "),
                identifiers(keys)
            )
        });
        found.push(Condition::counted(
            format!("{name} holds no value twice that {} forbids", plan.before.relation_name(address.oid)),
            replaced.countable(&[table], query),
        ));
    }
}

/// Restored rows may need values that somebody wrote elsewhere since, or rows that are gone.
fn contended(saved: &[Save], found: &mut Vec<Condition>) {
    found.extend(saved.iter().filter(|save| save.contended).map(|save| {
        Condition::said(format!(
            "rows of {} are left alone where another row holds a unique value they had, or what they refer to is gone",
            save.origin
        ))
    }));
}

/// The same constraint under a new OID is no tighter than what is there.
fn still_there(plan: &Plan<'_>, table: u32, constraint: &crate::snapshot::catalog::Constraint) -> bool {
    plan.after.constraints.values().any(|now| {
        now.table == Some(table)
            && now.kind == constraint.kind
            && now.definition == constraint.definition
            && plan.drop.contains(&Address::new(Class::Constraint, now.oid))
    })
}

/// Whether the old words mean the same to the migrated schema: the types and functions they speak of stand, with the
/// same names and labels. A domain's rule speaks of the domain itself, `own`.
fn is_understood(plan: &Plan<'_>, constraint: Address, own: Option<Oid>) -> bool {
    let spoken_of = plan.before.dependencies.iter().filter(|dependency| dependency.dependent == constraint);
    let spoken_of = spoken_of.map(|dependency| dependency.referenced.whole());
    spoken_of.filter(|found| found.class != Class::Type || Some(found.oid) != own).all(|referenced| {
        let after = plan.pairing.after(referenced);
        match referenced.class {
            Class::Type => {
                let now = after.and_then(|after| plan.after.types.get(&after.oid));
                match (plan.before.types.get(&referenced.oid), now) {
                    (Some(old), Some(new)) => old.qualified == new.qualified && has_labels(&old.kind, &new.kind),
                    (old, _) => old.is_none(),
                }
            }
            Class::Function => {
                let now = after.and_then(|after| plan.after.functions.get(&after.oid));
                let old = plan.before.functions.get(&referenced.oid);
                old.is_none_or(|old| now.is_some_and(|new| old.identity == new.identity))
            }
            _ => true,
        }
    })
}

fn has_labels(old: &TypeKind, new: &TypeKind) -> bool {
    match (old, new) {
        (TypeKind::Enum(old), TypeKind::Enum(new)) => {
            old.iter().all(|(_, label)| new.iter().any(|(_, now)| now == label))
        }
        _ => true,
    }
}

/// A table as keys see it: without the rows of those that inherit from it, unless they are its partitions.
fn own_rows(plan: &Plan<'_>, table: Oid) -> String {
    let ordinary = plan.after.relations.get(&table).is_some_and(|relation| relation.kind == RelationKind::Table);
    let only = if ordinary { "ONLY " } else { "" };
    format!("{only}{}", plan.after.relation_name(table))
}

fn check_query(table: &str, definition: &str) -> Option<String> {
    let expression = definition.strip_prefix("CHECK (")?;
    let expression = &expression[..expression.rfind(')')?];
    Some(format!("SELECT count(*) FROM {table} WHERE NOT ({expression})"))
}

fn foreign_key_query(
    plan: &Plan<'_>,
    table: &str,
    constraint: &crate::snapshot::catalog::Constraint,
) -> Option<String> {
    let referenced = plan.pairing.relation_after(constraint.references?)?;
    let referenced_names: Vec<&String> = plan.after.columns_of(referenced).map(|column| &column.name).collect();
    let all_there = constraint.referenced_columns.iter().all(|name| referenced_names.contains(&name));
    all_there.then(|| reference_to(table, constraint, &own_rows(plan, referenced), &[])).flatten()
}

/// Counts rows of a table that refer to none of `rows`, some columns of which are `saved`.
fn reference_to(
    table: &str,
    constraint: &crate::snapshot::catalog::Constraint,
    rows: &str,
    saved: &[SavedColumn],
) -> Option<String> {
    // Periods contain, they are not equal.
    if constraint.definition.contains(", PERIOD ") {
        return None;
    }
    let as_text = |name: &String| saved.iter().any(|column| column.name == *name && column.as_text);
    if constraint.referenced_columns.iter().any(as_text) {
        return None;
    }
    let joined: Vec<String> = constraint
        .columns
        .iter()
        .zip(&constraint.referenced_columns)
        .map(|(own, other)| format!("r.{} = t.{}", identifier(other), identifier(own)))
        .collect();
    let known: Vec<String> =
        constraint.columns.iter().map(|own| format!("t.{} IS NOT NULL", identifier(own))).collect();
    Some(format!(
        "SELECT count(*) FROM {table} AS t WHERE {} AND NOT EXISTS (SELECT FROM {} AS r WHERE {})",
        known.join(" AND "),
        rows,
        joined.join(" AND ")
    ))
}
