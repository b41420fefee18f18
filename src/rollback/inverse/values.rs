//! Saved values come back, while nothing that belongs to the table stands in their way.

use super::super::backup::Save;
use super::super::generate::Step;
use super::super::names::identifier;
use super::super::planner::Plan;
use super::super::privileges::parse_all;
use super::tables::enabling;
use crate::snapshot::Oid;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::object::{Address, Class, TableObject};
use std::collections::BTreeMap;

/// The statement that brings back one part of the backup, and around it what clears the way.
pub(super) fn values(plan: &Plan<'_>, save: &Save) -> Vec<Step> {
    let mut steps = Vec::new();
    let why = format!("The saved values of {}.", save.objects().join(", "));
    let mut way = Way { plan, open: Vec::new(), close: Vec::new() };
    if let Some(after) = plan.pairing.relation_after(save.table) {
        way.identities(save, after);
        for (table, name) in reached(plan, save, after) {
            way.triggers(table, &name);
            way.rules(table, &name);
            way.row_security(table, &name);
            way.privileges(table, &name);
            way.replica_identity(table, &name);
        }
    }
    if !way.open.is_empty() {
        steps.push(Step::new(
            format!("{why} Triggers and rules are for the application's own changes."),
            way.open.join("\n"),
        ));
    }
    steps.push(Step::new(why.clone(), save.restore_sql()));
    if !way.close.is_empty() {
        way.close.reverse();
        steps.push(Step::new(why, way.close.join("\n")));
    }
    steps
}

/// The tables whose rows are written, as OID after and name before: partitions with their table, while each of those that
/// inherit from one has its own part of the backup.
fn reached(plan: &Plan<'_>, save: &Save, after: Oid) -> Vec<(Oid, String)> {
    let mut found = vec![after];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied().filter(|_| !save.own_rows) {
        for (oid, detail) in &plan.after.relation_details {
            if detail.parents.contains(&parent) && !found.contains(oid) && !plan.is_cut_loose(*oid) {
                found.push(*oid);
            }
        }
        next += 1;
    }
    found
        .into_iter()
        .filter(|oid| !plan.drop.contains(&Address::relation(*oid)))
        .filter_map(|oid| Some((oid, plan.before.relation_name(plan.pairing.relation_before(oid)?))))
        .collect()
}

/// Statements before and after the values; the last one opened is closed first.
struct Way<'a, 'p> {
    plan: &'a Plan<'p>,
    open: Vec<String>,
    close: Vec<String>,
}

impl Way<'_, '_> {
    fn around(&mut self, open: String, close: String) {
        self.open.push(open);
        self.close.push(close);
    }

    fn triggers(&mut self, table: Oid, name: &str) {
        let plan = self.plan;
        for (old, now) in objects_on(plan, Class::Trigger, table, &plan.before.triggers, &plan.after.triggers) {
            if now.parent.is_none() && now.enabled != 'D' {
                let trigger = identifier(&old.name);
                self.around(
                    format!("ALTER TABLE {name} DISABLE TRIGGER {trigger};"),
                    format!("ALTER TABLE {name} {} TRIGGER {trigger};", enabling(now.enabled)),
                );
            }
        }
    }

    fn rules(&mut self, table: Oid, name: &str) {
        let plan = self.plan;
        for (old, now) in objects_on(plan, Class::Rule, table, &plan.before.rules, &plan.after.rules) {
            if now.enabled != 'D' {
                let rule = identifier(&old.name);
                self.around(
                    format!("ALTER TABLE {name} DISABLE RULE {rule};"),
                    format!("ALTER TABLE {name} {} RULE {rule};", enabling(now.enabled)),
                );
            }
        }
    }

    fn row_security(&mut self, table: Oid, name: &str) {
        if self.plan.after.relation_details.get(&table).is_some_and(|detail| detail.force_row_security) {
            self.around(
                format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;"),
                format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"),
            );
        }
    }

    /// A column that is `GENERATED ALWAYS` takes values from an `INSERT` that insists, and from no `UPDATE`.
    fn identities(&mut self, save: &Save, after: Oid) {
        for number in &save.numbers {
            let again = self.plan.tables.get(&after).is_some_and(|table| table.dropped.contains(number));
            let always = self.plan.after.columns.get(&(after, *number)).is_some_and(|now| now.identity == Some('a'));
            let Some(old) = self.plan.before.columns.get(&(save.table, *number)) else { continue };
            // One that is an identity only since the migration is none any more at this point.
            if always && !again && old.identity.is_some() {
                let column = format!("ALTER TABLE {} ALTER COLUMN {}", save.origin, identifier(&old.name));
                self.around(format!("{column} SET GENERATED BY DEFAULT;"), format!("{column} SET GENERATED ALWAYS;"));
            }
        }
    }

    /// An owner can give away even what owners have by right. Privileges as they were come at the very end.
    fn privileges(&mut self, table: Oid, name: &str) {
        let plan = self.plan;
        let (Some(relation), Some(detail)) =
            (plan.after.relations.get(&table), plan.after.relation_details.get(&table))
        else {
            return;
        };
        let held: Vec<char> = parse_all(&detail.acl)
            .into_iter()
            .filter(|item| item.grantee == relation.owner)
            .flat_map(|item| item.privileges.into_iter().map(|(letter, _)| letter))
            .collect();
        let lacking: Vec<&str> = [('r', "SELECT"), ('a', "INSERT"), ('w', "UPDATE"), ('d', "DELETE")]
            .into_iter()
            .filter(|(letter, _)| !held.contains(letter))
            .map(|(_, word)| word)
            .collect();
        if !lacking.is_empty() {
            let (words, owner) = (lacking.join(", "), identifier(&relation.owner));
            self.around(
                format!("GRANT {words} ON TABLE {name} TO {owner};"),
                format!("REVOKE {words} ON TABLE {name} FROM {owner};"),
            );
        }
    }

    /// A published table whose rows cannot be told apart takes no `UPDATE` and no `DELETE`. Its key may be one the
    /// migration dropped, which is put back once the values are.
    fn replica_identity(&mut self, table: Oid, name: &str) {
        let plan = self.plan;
        let is_publication = |(address, other): (&Address, &crate::snapshot::object::OtherObject)| {
            other.type_name == "publication" && !plan.drop.contains(address)
        };
        let (Some(relation), Some(detail)) =
            (plan.after.relations.get(&table), plan.after.relation_details.get(&table))
        else {
            return;
        };
        if relation.kind != RelationKind::Table || !plan.after.others.iter().any(is_publication) {
            return;
        }
        let stands = |index: &crate::snapshot::catalog::Index| {
            let constraint = index.constraint.map(|found| Address::new(Class::Constraint, found));
            !plan.drop.contains(&Address::relation(index.oid))
                && constraint.is_none_or(|found| !plan.drop.contains(&found))
        };
        let mut standing = plan.after.indexes.values().filter(|index| index.table == table && stands(index));
        let chosen = |index: Oid| plan.after.index_details.get(&index).is_some_and(|detail| detail.replica_identity);
        let (told_apart, close) = match detail.replica_identity {
            'f' => (true, None),
            'i' => match standing.find(|index| chosen(index.oid)) {
                Some(_) => (true, None),
                None => (false, None),
            },
            'n' => (false, Some("NOTHING")),
            _ => (standing.any(|index| index.primary), Some("DEFAULT")),
        };
        if !told_apart {
            self.open.push(format!("ALTER TABLE {name} REPLICA IDENTITY FULL;"));
            // An index that is gone cannot be chosen again: the one before comes with its own words.
            self.close.extend(close.map(|word| format!("ALTER TABLE {name} REPLICA IDENTITY {word};")));
        }
    }
}

/// Triggers or rules of a table that stay what they were, before and after.
fn objects_on<'a>(
    plan: &'a Plan<'_>,
    class: Class,
    table: Oid,
    before: &'a BTreeMap<Oid, TableObject>,
    after: &'a BTreeMap<Oid, TableObject>,
) -> Vec<(&'a TableObject, &'a TableObject)> {
    plan.pairing
        .iter()
        .filter(|(_, now)| now.class == class && !plan.drop.contains(now))
        .filter_map(|(old, now)| Some((before.get(&old.oid)?, after.get(&now.oid)?)))
        .filter(|(_, now)| now.table == table)
        .collect()
}
