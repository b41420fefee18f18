//! What tables, views, indexes and sequences carry themselves: options, persistence, row security, replica identity,
//! partitioning, trigger states, sequence parameters.

use super::super::generate::Step;
use super::super::names::{describe, identifier, is_table, relation_word};
use super::super::planner::Plan;
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Relation, RelationDetail, RelationKind};
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
                pair.statistics_targets(&mut steps);
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
    steps.extend(enforcement(plan));
    plan.unmodelled.extend(unmodelled);
    steps.extend(std::mem::take(&mut plan.late_positions));
    steps
}

/// Before foreign keys are put back: a logged table references no unlogged one.
pub(super) fn persistence(plan: &Plan<'_>) -> Vec<Step> {
    let changed = |address: &(Address, Address)| {
        let (old, new) = (plan.before.relations.get(&address.0.oid)?, plan.after.relations.get(&address.1.oid)?);
        let differs = address.0.class == Class::Relation && is_table(old.kind) && old.persistence != new.persistence;
        differs.then_some((old, new.oid))
    };
    let mut left: Vec<_> = plan.staying().iter().filter_map(changed).collect();
    let mut steps = Vec::new();
    while !left.is_empty() {
        let waits = |(old, table): &(&Relation, Oid)| {
            plan.after.constraints.values().any(|key| {
                let (Some(from), Some(to)) = (key.table, key.references) else { return false };
                let stands = from != to && !plan.drop.contains(&Address::new(Class::Constraint, key.oid));
                let unlogged = old.persistence == 'u';
                let (own, other) = if unlogged { (to, from) } else { (from, to) };
                stands
                    && own == *table
                    && left.iter().any(|(found, table)| *table == other && (found.persistence == 'u') == unlogged)
            })
        };
        let (old, _) = left.remove(left.iter().position(|table| !waits(table)).unwrap_or(0));
        let word = if old.persistence == 'u' { "UNLOGGED" } else { "LOGGED" };
        steps.push(Step::new(
            "Whether changes are logged. The table is rewritten.",
            format!("ALTER TABLE {} SET {word};", old.qualified),
        ));
    }
    steps
}

/// Triggers that enforce a foreign key fire as they did. Their names hold the OIDs of one database.
fn enforcement(plan: &Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (address, constraint) in &plan.before.constraints {
        let address = Address::new(Class::Constraint, *address);
        let after = plan.pairing.after(address).filter(|_| !plan.restore.contains(&address));
        let wanted = plan.before.enforcement.get(&address.oid);
        let current = after.and_then(|after| plan.after.enforcement.get(&after.oid));
        let Some(table) = constraint.table.filter(|_| constraint.kind == 'f' && wanted != current) else { continue };
        steps.push(Step::new(
            format!("Whether {} is enforced.", describe(plan.before, address)),
            format!(
                "DO $seatrial$\nDECLARE\n    enforcing record;\nBEGIN\n    FOR enforcing IN SELECT \
                 t.tgrelid::regclass AS place, t.tgname AS name, pg_catalog.substr({}, (pg_catalog.row_number() OVER \
                 (ORDER BY t.tgtype, t.tgfoid))::integer, 1) AS state\n        FROM pg_catalog.pg_trigger AS t JOIN \
                 pg_catalog.pg_constraint AS c ON c.oid = t.tgconstraint\n        WHERE t.tgisinternal AND c.conrelid = \
                 {}::regclass AND c.conname = {}\n    LOOP\n        EXECUTE pg_catalog.format('ALTER TABLE %s %s TRIGGER \
                 %I', enforcing.place, CASE enforcing.state WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' \
                 WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, enforcing.name);\n    END LOOP;\nEXCEPTION WHEN \
                 insufficient_privilege THEN\n    RAISE WARNING 'only a superuser may switch the triggers that enforce \
                 %', {};\nEND\n$seatrial$;",
                quote_literal(wanted.map_or("", String::as_str)),
                quote_literal(&plan.before.relation_name(table)),
                quote_literal(&constraint.name),
                quote_literal(&constraint.name),
            ),
        ));
    }
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
        all.extend(foreign_options(&self.alter(), &self.old_detail.foreign_options, &self.new_detail.foreign_options));
        steps.extend(all.into_iter().map(|sql| Step::new("Storage parameters and options.", sql)));
    }

    /// Of expressions in indexes and of columns of materialized views; a table's go with its columns.
    fn statistics_targets(&self, steps: &mut Vec<Step>) {
        let targets = |catalog: &Catalog, relation: &Relation| -> BTreeMap<String, i32> {
            let of_index =
                catalog.index_details.get(&relation.oid).into_iter().flat_map(|detail| &detail.statistics_targets);
            let mut found: BTreeMap<String, i32> =
                of_index.map(|(number, target)| (number.to_string(), *target)).collect();
            if relation.kind == RelationKind::MaterializedView {
                found.extend(catalog.columns_of(relation.oid).filter_map(|column| {
                    let target = catalog.column_details.get(&(relation.oid, column.number))?.statistics_target?;
                    Some((identifier(&column.name), target))
                }));
            }
            found
        };
        let (old, new) = (targets(self.plan.before, self.old), targets(self.plan.after, self.new));
        for column in old.keys().chain(new.keys().filter(|column| !old.contains_key(*column))) {
            let (wanted, current) = (old.get(column), new.get(column));
            if wanted != current {
                let target = wanted.copied().unwrap_or(-1);
                steps.push(Step::new(
                    "What is gathered about it.",
                    format!("{} ALTER COLUMN {column} SET STATISTICS {target};", self.alter()),
                ));
            }
        }
    }

    fn table(&self, steps: &mut Vec<Step>, unmodelled: &mut Vec<String>) {
        let (old, new, alter) = (self.old_detail, self.new_detail, self.alter());
        let mut push = |why: &str, sql: String| steps.push(Step::new(why, sql));
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
        self.of_type(&mut push);
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

    fn of_type(&self, push: &mut impl FnMut(&str, String)) {
        let [before, after] = &self.plan.of_type;
        let (old, new) = (before.get(&self.old.oid).copied(), after.get(&self.new.oid).copied());
        if old.and_then(|old| self.plan.pairing.after(old)) == new && old.is_some() == new.is_some() {
            return;
        }
        match old.and_then(|old| self.plan.before.types.get(&old.oid)) {
            Some(old) => push("Of its type again.", format!("{} OF {};", self.alter(), old.qualified)),
            None => push("Of no type.", format!("{} NOT OF;", self.alter())),
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
        let index = |catalog: &Catalog, table: Oid| {
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

/// `name=value`, cut apart.
fn split_options(list: &[String]) -> Vec<(&str, &str)> {
    list.iter().filter_map(|item| item.split_once('=')).collect()
}

/// What has to go and what has to be set so that `current` becomes `wanted`, in its order: what is set anew stands last.
type OptionChanges<'a> = (Vec<&'a str>, Vec<(&'a str, &'a str)>);

fn option_changes<'a>(wanted: &'a [String], current: &'a [String]) -> OptionChanges<'a> {
    let (wanted, current) = (split_options(wanted), split_options(current));
    let gone: Vec<&str> =
        current.iter().map(|(name, _)| *name).filter(|name| !wanted.iter().any(|(kept, _)| kept == name)).collect();
    let set: Vec<(&str, &str)> = wanted.iter().copied().filter(|pair| !current.contains(pair)).collect();
    let stays = current.iter().copied().filter(|pair| wanted.contains(pair));
    let outcome: Vec<(&str, &str)> = stays.chain(set.iter().copied()).collect();
    if outcome == wanted { (gone, set) } else { (current.iter().map(|(name, _)| *name).collect(), wanted) }
}

/// `SET` and `RESET` that lead from one list of `name=value` to another.
pub(super) fn options(alter: &str, prefix: &str, wanted: &[String], current: &[String]) -> Vec<String> {
    let (gone, set) = option_changes(wanted, current);
    let reset: Vec<String> = gone.iter().map(|name| format!("{prefix}{name}")).collect();
    let set: Vec<String> = set.iter().map(|(name, value)| format!("{prefix}{name}={}", quote_literal(value))).collect();
    let mut found = Vec::new();
    if !reset.is_empty() {
        found.push(format!("{alter} RESET ({});", reset.join(", ")));
    }
    if !set.is_empty() {
        found.push(format!("{alter} SET ({});", set.join(", ")));
    }
    found
}

/// `OPTIONS` of a foreign table or a column of one.
pub(super) fn foreign_options(alter: &str, wanted: &[String], current: &[String]) -> Option<String> {
    let (mut gone, set) = option_changes(wanted, current);
    let current = split_options(current);
    // What is set in place would keep its place; what goes first is added anew.
    gone.extend(set.iter().map(|(name, _)| *name).filter(|name| current.iter().any(|(known, _)| known == name)));
    gone.sort_unstable();
    gone.dedup();
    let drops = gone.iter().map(|name| format!("DROP {}", identifier(name)));
    let adds = set.iter().map(|(name, value)| format!("ADD {} {}", identifier(name), quote_literal(value)));
    let all: Vec<String> = drops.chain(adds).collect();
    (!all.is_empty()).then(|| format!("{alter} OPTIONS ({});", all.join(", ")))
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
    use super::{foreign_options, options};

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn options_are_reset_and_set() {
        let wanted = list(&["fillfactor=70"]);
        let current = list(&["fillfactor=90", "autovacuum_enabled=false"]);
        assert_eq!(
            options("ALTER TABLE public.t", "", &wanted, &current),
            ["ALTER TABLE public.t RESET (autovacuum_enabled);", "ALTER TABLE public.t SET (fillfactor='70');",]
        );
    }

    #[test]
    fn options_come_back_in_their_order() {
        let (wanted, current) = (list(&["fillfactor=70", "parallel_workers=2"]), list(&["parallel_workers=2"]));
        assert_eq!(
            options("ALTER TABLE public.t", "", &wanted, &current),
            [
                "ALTER TABLE public.t RESET (parallel_workers);",
                "ALTER TABLE public.t SET (fillfactor='70', parallel_workers='2');"
            ]
        );
    }

    #[test]
    fn foreign_options_are_dropped_and_added() {
        let (wanted, current) = (list(&["table=a", "Batch=5"]), list(&["table=b", "fetch=1"]));
        assert_eq!(
            foreign_options("ALTER FOREIGN TABLE public.t", &wanted, &current).as_deref(),
            Some(
                "ALTER FOREIGN TABLE public.t OPTIONS (DROP \"fetch\", DROP \"table\", ADD \"table\" 'a', ADD \"Batch\" '5');"
            )
        );
        assert_eq!(foreign_options("ALTER FOREIGN TABLE public.t", &wanted, &wanted), None);
    }
}
