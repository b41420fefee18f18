//! What tables, views, indexes and sequences carry themselves: options, persistence, row security, replica identity,
//! partitioning, trigger states, sequence parameters.

use super::super::generate::Step;
use super::super::names::{describe, identifier, is_table, relation_word};
use super::super::planner::Plan;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Relation, RelationDetail, RelationKind};
use crate::snapshot::object::{Address, Class};
use std::collections::BTreeMap;

pub(super) fn tables(plan: &mut Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut unmodelled = Vec::new();
    for (before, after) in plan.staying() {
        match before.class {
            Class::Relation => {
                let (Some(old), Some(new)) =
                    (plan.before.relations.get(&before.oid), plan.after.relations.get(&after.oid))
                else {
                    continue;
                };
                let (Some(old_detail), Some(new_detail)) =
                    (plan.before.relation_details.get(&before.oid), plan.after.relation_details.get(&after.oid))
                else {
                    continue;
                };
                let pair = Pair { plan, old, old_detail, new, new_detail };
                pair.options(&mut steps);
                if is_table(old.kind) {
                    pair.table(&mut steps, &mut unmodelled);
                }
                if old.kind == RelationKind::MaterializedView {
                    pair.populated(&mut steps);
                }
                if old.kind == RelationKind::Sequence {
                    pair.sequence(&mut steps);
                }
            }
            Class::Trigger | Class::Rule => steps.extend(state(plan, before, after)),
            _ => {}
        }
    }
    for (constraint, states) in &plan.after.enforcement {
        let before = plan.pairing.before(Address::new(Class::Constraint, *constraint));
        if before.is_some_and(|before| plan.before.enforcement.get(&before.oid) != Some(states)) {
            unmodelled.push(format!(
                "the triggers that enforce {} were switched",
                describe(plan.after, Address::new(Class::Constraint, *constraint))
            ));
        }
    }
    for (constraint, states) in &plan.before.enforcement {
        let after = plan.pairing.after(Address::new(Class::Constraint, *constraint));
        if after.is_none_or(|after| plan.after.enforcement.get(&after.oid) != Some(states)) {
            unmodelled.push(format!(
                "the triggers that enforce {} were switched",
                describe(plan.before, Address::new(Class::Constraint, *constraint))
            ));
        }
    }
    plan.unmodelled.extend(unmodelled);
    steps.extend(std::mem::take(&mut plan.late_positions));
    steps
}

struct Pair<'a, 'p> {
    plan: &'a Plan<'p>,
    old: &'a Relation,
    old_detail: &'a RelationDetail,
    new: &'a Relation,
    new_detail: &'a RelationDetail,
}

impl Pair<'_, '_> {
    fn alter(&self) -> String {
        format!("ALTER {} {}", relation_word(self.old.kind), self.old.qualified)
    }

    fn options(&self, steps: &mut Vec<Step>) {
        let mut all = options(&self.alter(), "", &self.old_detail.options, &self.new_detail.options);
        all.extend(options(&self.alter(), "toast.", &self.old_detail.toast_options, &self.new_detail.toast_options));
        steps.extend(all.into_iter().map(|sql| Step::new("Storage parameters and options.", sql)));
    }

    fn table(&self, steps: &mut Vec<Step>, unmodelled: &mut Vec<String>) {
        let (old, new, alter) = (self.old_detail, self.new_detail, self.alter());
        let mut push = |why: &str, sql: String| steps.push(Step::new(why, sql));
        if self.old.persistence != self.new.persistence {
            let word = if self.old.persistence == 'u' { "UNLOGGED" } else { "LOGGED" };
            push("Whether changes are logged. The table is rewritten.", format!("{alter} SET {word};"));
        }
        if old.access_method != new.access_method
            && let Some(method) = &old.access_method
        {
            push(
                "The access method. The table is rewritten.",
                format!("{alter} SET ACCESS METHOD {};", identifier(method)),
            );
        }
        if old.tablespace != new.tablespace {
            let space = old.tablespace.as_deref().unwrap_or("pg_default");
            push("The tablespace. The table is copied.", format!("{alter} SET TABLESPACE {};", identifier(space)));
        }
        if old.row_security != new.row_security {
            let word = if old.row_security { "ENABLE" } else { "DISABLE" };
            push("Row security.", format!("{alter} {word} ROW LEVEL SECURITY;"));
        }
        if old.force_row_security != new.force_row_security {
            let word = if old.force_row_security { "" } else { "NO " };
            push("Row security for the owner.", format!("{alter} {word}FORCE ROW LEVEL SECURITY;"));
        }
        self.parents(&mut push);
        self.replica_identity(&mut push);
        self.clustered(&mut push);
        if old.partition_key != new.partition_key && self.old.qualified == self.new.qualified {
            // A key deparses differently when its columns were renamed; those are back by now.
            let renamed = self.plan.before.columns_of(self.old.oid).any(|column| {
                self.plan.after.columns.get(&(self.new.oid, column.number)).is_some_and(|now| now.name != column.name)
            });
            if !renamed {
                unmodelled.push(format!("the partition key of {} was changed", self.old.qualified));
            }
        }
    }

    fn parents(&self, push: &mut impl FnMut(&str, String)) {
        let (old, new) = (self.old_detail, self.new_detail);
        let kept = |parent: &Oid| {
            self.plan.pairing.relation_after(*parent).is_some_and(|after| new.parents.contains(&after))
                && old.partition_bound == new.partition_bound
        };
        for parent in old.parents.iter().filter(|parent| !kept(parent)) {
            let parent = self.plan.before.relation_name(*parent);
            match &old.partition_bound {
                Some(bound) => push(
                    "Detached by the migration.",
                    format!("ALTER TABLE {parent} ATTACH PARTITION {} {bound};", self.old.qualified),
                ),
                None => push(
                    "No longer inherits since the migration.",
                    format!("ALTER TABLE {} INHERIT {parent};", self.old.qualified),
                ),
            }
        }
    }

    fn replica_identity(&self, push: &mut impl FnMut(&str, String)) {
        let index = |catalog: &crate::snapshot::catalog::Catalog, table: Oid| {
            catalog
                .indexes
                .values()
                .find(|index| {
                    index.table == table
                        && catalog.index_details.get(&index.oid).is_some_and(|detail| detail.replica_identity)
                })
                .map(|index| Address::relation(index.oid))
        };
        // Only tables that say so have such an index, and few do.
        let of =
            |detail: &RelationDetail, catalog, table| (detail.replica_identity == 'i').then(|| index(catalog, table));
        let old_index = of(self.old_detail, self.plan.before, self.old.oid).flatten();
        let new_index = of(self.new_detail, self.plan.after, self.new.oid).flatten();
        let same_index = match (old_index, new_index) {
            (Some(old), Some(new)) => self.plan.pairing.after(old) == Some(new),
            (None, None) => true,
            _ => false,
        };
        let restored = old_index.is_some_and(|old| self.plan.restore.contains(&old));
        if (self.old_detail.replica_identity == self.new_detail.replica_identity && same_index) || restored {
            return;
        }
        let what = match (self.old_detail.replica_identity, old_index) {
            ('n', _) => "NOTHING".to_owned(),
            ('f', _) => "FULL".to_owned(),
            ('i', Some(index)) => match self.plan.before.relations.get(&index.oid) {
                Some(index) => format!("USING INDEX {}", identifier(&index.name)),
                None => return,
            },
            _ => "DEFAULT".to_owned(),
        };
        push("What replication tells rows by.", format!("ALTER TABLE {} REPLICA IDENTITY {what};", self.old.qualified));
    }

    fn clustered(&self, push: &mut impl FnMut(&str, String)) {
        let [before, after] = &self.plan.clustered;
        let old_index = before.get(&self.old.oid).copied().map(Address::relation);
        let new_index = after.get(&self.new.oid).copied().map(Address::relation);
        if old_index.and_then(|old| self.plan.pairing.after(old)) == new_index
            || old_index.is_some_and(|old| self.plan.restore.contains(&old))
        {
            return;
        }
        let what = match old_index.and_then(|index| self.plan.before.relations.get(&index.oid)) {
            Some(index) => format!("CLUSTER ON {}", identifier(&index.name)),
            None => "SET WITHOUT CLUSTER".to_owned(),
        };
        push("The index it is clustered on.", format!("ALTER TABLE {} {what};", self.old.qualified));
    }

    fn populated(&self, steps: &mut Vec<Step>) {
        if self.old_detail.populated != self.new_detail.populated {
            let without = if self.old_detail.populated { "" } else { " WITH NO DATA" };
            steps.push(Step::new(
                "Whether it holds anything.",
                format!("REFRESH MATERIALIZED VIEW {}{without};", self.old.qualified),
            ));
        }
    }

    fn sequence(&self, steps: &mut Vec<Step>) {
        let (Some(old), Some(new)) =
            (self.plan.before.sequences.get(&self.old.oid), self.plan.after.sequences.get(&self.new.oid))
        else {
            return;
        };
        if old.parameters() != new.parameters() {
            let (kind, start, increment, minimum, maximum, cache, cycle) = old.parameters();
            let cycle = if cycle { "CYCLE" } else { "NO CYCLE" };
            steps.push(Step::new(
                "The sequence's parameters.",
                format!(
                    "ALTER SEQUENCE {} AS {kind} START WITH {start} INCREMENT BY {increment} MINVALUE {minimum} \
                     MAXVALUE {maximum} CACHE {cache} {cycle};",
                    self.old.qualified
                ),
            ));
        }
        let owner_after = old.owned_by.and_then(|(table, column)| {
            let after = self.plan.pairing.relation_after(table)?;
            let again = self.plan.tables.get(&after).is_some_and(|plan| plan.dropped.contains(&column));
            (!again).then_some((after, column))
        });
        if (owner_after != new.owned_by || self.plan.disown.contains(&self.new.oid)) && !old.identity {
            let owner = match old.owned_by {
                Some((table, number)) => {
                    let column =
                        self.plan.before.columns.get(&(table, number)).map_or("", |column| column.name.as_str());
                    format!("{}.{}", self.plan.before.relation_name(table), identifier(column))
                }
                None => "NONE".to_owned(),
            };
            steps.push(Step::new(
                "The column it belongs to.",
                format!("ALTER SEQUENCE {} OWNED BY {owner};", self.old.qualified),
            ));
        }
    }
}

/// `SET` and `RESET` that lead from one list of `name=value` to another.
pub(super) fn options(alter: &str, prefix: &str, wanted: &[String], current: &[String]) -> Vec<String> {
    let split = |list: &[String]| -> BTreeMap<String, String> {
        list.iter()
            .filter_map(|item| item.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    let (wanted, current) = (split(wanted), split(current));
    let reset: Vec<String> =
        current.keys().filter(|name| !wanted.contains_key(*name)).map(|name| format!("{prefix}{name}")).collect();
    let set: Vec<String> = wanted
        .iter()
        .filter(|(name, value)| current.get(*name) != Some(value))
        .map(|(name, value)| format!("{prefix}{name}={}", crate::engine::postgres::session::quote_literal(value)))
        .collect();
    let mut found = Vec::new();
    if !reset.is_empty() {
        found.push(format!("{alter} RESET ({});", reset.join(", ")));
    }
    if !set.is_empty() {
        found.push(format!("{alter} SET ({});", set.join(", ")));
    }
    found
}

/// `tgenabled` and `ev_enabled` in words.
pub(super) fn enabling(state: char) -> &'static str {
    match state {
        'D' => "DISABLE",
        'R' => "ENABLE REPLICA",
        'A' => "ENABLE ALWAYS",
        _ => "ENABLE",
    }
}

fn state(plan: &Plan<'_>, before: Address, after: Address) -> Option<Step> {
    let (objects_before, objects_after, word) = match before.class {
        Class::Trigger => (&plan.before.triggers, &plan.after.triggers, "TRIGGER"),
        _ => (&plan.before.rules, &plan.after.rules, "RULE"),
    };
    let (old, new) = (objects_before.get(&before.oid)?, objects_after.get(&after.oid)?);
    (old.enabled != new.enabled).then(|| {
        Step::new(
            format!("Whether the {} fires.", word.to_lowercase()),
            format!(
                "ALTER TABLE {} {} {word} {};",
                plan.before.relation_name(old.table),
                enabling(old.enabled),
                identifier(&old.name)
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn options_are_reset_and_set() {
        let wanted = ["fillfactor=70".to_owned()];
        let current = ["fillfactor=90".to_owned(), "autovacuum_enabled=false".to_owned()];
        assert_eq!(
            options("ALTER TABLE public.t", "", &wanted, &current),
            ["ALTER TABLE public.t RESET (autovacuum_enabled);", "ALTER TABLE public.t SET (fillfactor='70');",]
        );
    }
}
