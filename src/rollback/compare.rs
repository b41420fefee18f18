//! Is a database as it was? The text of its dump, and its catalog by names instead of OIDs.

use super::dump::Dump;
use super::names::{describe, identifier};
use crate::diff::pairing::addresses;
use crate::engine::postgres::catalog::is_own_schema;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::object::{Address, Class, TypeKind};
use crate::snapshot::shared::{Membership, Shared};
use std::collections::{BTreeMap, BTreeSet};

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Tables in which only the order of columns differs.
    pub column_order: Vec<String>,
    /// Everything else, a sentence each.
    pub others: Vec<String>,
}

impl Differences {
    /// Whether nothing differs at all.
    pub fn is_empty(&self) -> bool {
        self.column_order.is_empty() && self.others.is_empty()
    }
}

/// Compares the texts of two schema dumps entry by entry.
pub fn compare_dumps(before: &str, after: &str) -> Differences {
    let mut found = Differences::default();
    if before == after {
        return found;
    }
    let (before, after) = (entries(before), entries(after));
    for (key, old) in &before {
        match after.get(key) {
            Some(new) if new == old => {}
            // A list of privileges means the same in any order.
            Some(new) if same_lines(old, new) && (key.starts_with("ACL ") || key.starts_with("DEFAULT ACL ")) => {}
            Some(new) if same_lines(old, new) => found.column_order.push(key.clone()),
            Some(new) => found.others.push(format!("{key}: {}", first_difference(old, new))),
            None => found.others.push(format!("{key}: missing")),
        }
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        found.others.push(format!("{key}: left behind"));
    }
    found
}

/// Texts by kind and name; several entries of one name are one text.
fn entries(dump: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in Dump::parse(dump).without_schemas(is_own_schema).entries {
        let schema = entry.schema.map(|schema| format!("{schema}.")).unwrap_or_default();
        let text: Vec<&str> = entry.text.lines().filter(|line| !line.starts_with('\\')).collect();
        found.entry(format!("{} {schema}{}", entry.kind, entry.name)).or_default().push(text.join("\n"));
    }
    found
        .into_iter()
        .map(|(key, mut texts)| {
            texts.sort();
            (key, texts.join("\n"))
        })
        .collect()
}

fn same_lines(left: &str, right: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let mut lines: Vec<String> = text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
        lines.sort();
        lines
    };
    lines(left) == lines(right)
}

fn first_difference(old: &str, new: &str) -> String {
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let missing = old_lines.iter().find(|line| !new_lines.contains(line));
    let added = new_lines.iter().find(|line| !old_lines.contains(line));
    match (missing, added) {
        (Some(missing), Some(added)) => format!("`{}` instead of `{}`", added.trim(), missing.trim()),
        (Some(missing), None) => format!("`{}` is missing", missing.trim()),
        (None, Some(added)) => format!("`{}` was not there", added.trim()),
        (None, None) => "its lines stand in another order".to_owned(),
    }
}

/// Compares two catalogs by identity: names instead of OIDs, columns by name, privileges without their order.
///
/// Nearly all of what may be tens of thousands of objects are as they were, under the OID they had: only what is said of
/// the others is held against each other.
pub fn compare_catalogs(before: &Catalog, after: &Catalog) -> Differences {
    let (mut old, mut new) = (Identities::beside_objects(before), Identities::beside_objects(after));
    let mut come: BTreeSet<Address> = addresses(after).into_iter().collect();
    for address in addresses(before) {
        let was = Identities::of(before, address);
        if come.remove(&address) {
            let is = Identities::of(after, address);
            if was == is {
                continue;
            }
            new.add(is);
        }
        old.add(was);
    }
    for address in come {
        new.add(Identities::of(after, address));
    }
    old.compare(new)
}

/// Facts of a catalog, each under a name that means the same in every database.
#[derive(Default, PartialEq)]
struct Identities {
    facts: Vec<(String, String)>,
    /// Names of tables' columns, in order.
    order: Vec<(String, Vec<String>)>,
}

/// A foreign key to a partitioned table has a part for each partition, whose name is the server's own affair.
fn part_of_key(catalog: &Catalog, address: Address) -> Option<String> {
    let constraint = catalog.constraints.get(&address.oid).filter(|_| address.class == Class::Constraint)?;
    let mut whole = None;
    let mut next = catalog.constraint_details.get(&address.oid)?.parent;
    while let Some(parent) = next.filter(|parent| {
        constraint.kind == 'f' && catalog.constraints.get(parent).is_some_and(|found| found.table == constraint.table)
    }) {
        whole = Some(parent);
        next = catalog.constraint_details.get(&parent).and_then(|detail| detail.parent);
    }
    let whole = describe(catalog, Address::new(Class::Constraint, whole?));
    Some(format!("{whole}, its part for {}", catalog.relation_name(constraint.references?)))
}

/// Whether some foreign key has such parts, which every other reading leaves out.
pub(super) fn has_parts_of_keys(catalog: &Catalog) -> bool {
    let part = |oid: &u32| part_of_key(catalog, Address::new(Class::Constraint, *oid)).is_some();
    catalog.constraints.keys().any(part)
}

impl Identities {
    /// What is said of one object.
    fn of(catalog: &Catalog, address: Address) -> Self {
        let mut found = Self::default();
        // On another table than before, an inherited object has the same name: its table is part of the key.
        let key = part_of_key(catalog, address).unwrap_or_else(|| describe(catalog, address));
        match address.class {
            Class::Relation => found.relation(catalog, address, &key),
            Class::Constraint => found.constraint(catalog, address, &key),
            Class::Type => found.type_(catalog, address, &key),
            Class::Function => found.function(catalog, address, &key),
            Class::Schema => {
                if let Some(schema) = catalog.schemas.get(&address.oid) {
                    found.common(&key, &schema.owner, &schema.acl, schema.comment.as_ref());
                }
            }
            Class::Trigger | Class::Rule | Class::Policy => {
                let objects = match address.class {
                    Class::Trigger => &catalog.triggers,
                    Class::Rule => &catalog.rules,
                    _ => &catalog.policies,
                };
                if let Some(object) = objects.get(&address.oid) {
                    found.fact(&key, "definition", &object.definition);
                    found.fact(&key, "state", &object.enabled.to_string());
                    found.optional(&key, "comment", object.comment.as_ref());
                }
            }
            Class::Other(_) => {
                if let Some(other) = catalog.others.get(&address) {
                    found.fact(&key, "definition", other.definition.as_deref().unwrap_or_default());
                    found.optional(&key, "comment", other.comment.as_ref());
                }
            }
            Class::Default => {}
        }
        found
    }

    /// What is said of none of them.
    fn beside_objects(catalog: &Catalog) -> Self {
        let mut found = Self::default();
        for entry in &catalog.default_privileges {
            let key = format!(
                "default privileges of {} in {} on {}",
                entry.role,
                entry.schema.as_deref().unwrap_or("all schemas"),
                entry.object_type
            );
            found.fact(&key, "privileges", &entry.acl.join(", "));
        }
        for (constraint, states) in &catalog.enforcement {
            found.fact(&describe(catalog, Address::new(Class::Constraint, *constraint)), "its triggers", states);
        }
        found.shared(&catalog.shared);
        found
    }

    fn add(&mut self, other: Self) {
        self.facts.extend(other.facts);
        self.order.extend(other.order);
    }

    /// How `after` differs.
    fn compare(self, after: Self) -> Differences {
        let mut found = Differences::default();
        let (was, mut is): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (self.facts.into_iter().collect(), after.facts.into_iter().collect());
        for (key, old) in was {
            match is.remove(&key) {
                Some(new) if new == old => {}
                Some(new) => found.others.push(format!("{key}: {new} instead of {old}")),
                None => found.others.push(format!("{key}: missing")),
            }
        }
        for (key, new) in is {
            found.others.push(format!("{key}: {new} was not there"));
        }
        let (was, is): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (self.order.into_iter().collect(), after.order.into_iter().collect());
        for (table, order) in was {
            if is.get(&table).is_some_and(|now| *now != order) {
                found.column_order.push(table);
            }
        }
        found
    }

    fn shared(&mut self, shared: &Shared) {
        for role in shared.roles.values() {
            let key = format!("role {}", identifier(&role.name));
            let attributes: Vec<&str> = role.attributes.iter().map(String::as_str).collect();
            self.fact(&key, "attributes", &attributes.join(" "));
            self.fact(&key, "password", if role.password.is_some() { "set" } else { "none" });
            self.optional(&key, "comment", role.comment.as_ref());
        }
        for Membership { role, member, grantor, options } in &shared.memberships {
            let key = format!("membership of {} in {}", identifier(member), identifier(role));
            let given: Vec<&str> = options.iter().filter(|(_, given)| *given).map(|(word, _)| word.as_str()).collect();
            self.fact(&key, &format!("by {}", identifier(grantor)), &format!("with {given:?}"));
        }
        for (scope, settings) in &shared.settings {
            let role = scope.role.as_deref().map_or("everybody".to_owned(), identifier);
            let place = if scope.in_database { " in this database" } else { "" };
            for (name, value) in settings {
                self.fact(&format!("setting for {role}{place}"), name, value);
            }
        }
        let database = &shared.database;
        self.common("this database", &database.owner, &database.acl, database.comment.as_ref());
        self.fact("this database", "connection limit", &database.connection_limit.to_string());
    }

    fn fact(&mut self, key: &str, what: &str, value: &str) {
        self.facts.push((format!("{key}, {what}"), value.to_owned()));
    }

    fn optional(&mut self, key: &str, what: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.fact(key, what, value);
        }
    }

    fn common(&mut self, key: &str, owner: &str, acl: &[String], comment: Option<&String>) {
        self.fact(key, "owner", owner);
        self.fact(key, "privileges", &acl.join(", "));
        self.optional(key, "comment", comment);
    }

    fn relation(&mut self, catalog: &Catalog, address: Address, key: &str) {
        let oid = address.oid;
        let (Some(relation), Some(detail)) = (catalog.relations.get(&oid), catalog.relation_details.get(&oid)) else {
            return;
        };
        let names = |oids: &[u32]| oids.iter().map(|oid| catalog.relation_name(*oid)).collect::<Vec<_>>().join(", ");
        self.common(key, &relation.owner, &detail.acl, detail.comment.as_ref());
        self.fact(key, "options", &format!("{:?} {:?}", detail.options, detail.toast_options));
        self.fact(
            key,
            "kind and state",
            &format!(
                "{:?} persistence {} row security {} {} replica identity {} populated {} method {} tablespace {}",
                relation.kind,
                relation.persistence,
                detail.row_security,
                detail.force_row_security,
                detail.replica_identity,
                detail.populated,
                given(detail.access_method.as_ref()),
                given(detail.tablespace.as_ref())
            ),
        );
        self.fact(key, "parents", &names(&detail.parents));
        self.optional(key, "bound", detail.partition_bound.as_ref());
        self.optional(key, "partition key", detail.partition_key.as_ref());
        self.optional(key, "query", detail.view.as_ref());
        if let (Some(index), Some(detail)) = (catalog.indexes.get(&oid), catalog.index_details.get(&oid)) {
            self.fact(key, "definition", &index.definition);
            self.fact(
                key,
                "state",
                &format!(
                    "valid {} ready {} clustered {} replica identity {} parent {}",
                    index.valid,
                    detail.ready,
                    detail.clustered,
                    detail.replica_identity,
                    detail.parent.map(|parent| catalog.relation_name(parent)).unwrap_or_default()
                ),
            );
        }
        if let Some(sequence) = catalog.sequences.get(&oid) {
            let owner = sequence.owned_by.map(|(table, column)| super::names::column(catalog, table, column));
            self.fact(key, "parameters", &format!("{:?} owned by {owner:?}", sequence.parameters()));
        }
        let mut order = Vec::new();
        for column in catalog.columns_of(oid) {
            order.push(column.name.clone());
            let Some(detail) = catalog.column_details.get(&(oid, column.number)) else { continue };
            let key = format!("column {}.{}", relation.qualified, identifier(&column.name));
            self.fact(
                &key,
                "definition",
                &format!(
                    "{} collation {} not null {} default {} identity {} generated {}",
                    column.type_name,
                    given(column.collation.as_ref()),
                    column.not_null,
                    given(column.default.as_ref()),
                    given(column.identity.as_ref()),
                    given(column.generated.as_ref())
                ),
            );
            self.fact(
                &key,
                "state",
                &format!(
                    "statistics {} storage {} compression {} options {:?} local {} inherited {}",
                    given(detail.statistics_target.as_ref()),
                    detail.storage,
                    given(detail.compression.as_ref()),
                    detail.options,
                    detail.local,
                    detail.inherited
                ),
            );
            self.fact(&key, "privileges", &detail.acl.join(", "));
            self.optional(&key, "comment", detail.comment.as_ref());
        }
        if super::names::is_table(relation.kind) {
            self.order.push((relation.qualified.clone(), order));
        }
    }

    fn constraint(&mut self, catalog: &Catalog, address: Address, key: &str) {
        let (Some(constraint), Some(detail)) =
            (catalog.constraints.get(&address.oid), catalog.constraint_details.get(&address.oid))
        else {
            return;
        };
        let index = detail.index.map(|index| catalog.relation_name(index)).unwrap_or_default();
        self.fact(key, "definition", &constraint.definition);
        self.fact(
            key,
            "state",
            &format!("validated {} inherited {} index {index}", constraint.validated, constraint.inherited),
        );
        self.optional(key, "comment", detail.comment.as_ref());
    }

    fn type_(&mut self, catalog: &Catalog, address: Address, key: &str) {
        let Some(found) = catalog.types.get(&address.oid) else { return };
        self.common(key, &found.owner, &found.acl, found.comment.as_ref());
        let definition = match &found.kind {
            TypeKind::Enum(labels) => {
                let labels: Vec<&str> = labels.iter().map(|(_, label)| label.as_str()).collect();
                format!("{labels:?}")
            }
            TypeKind::Domain { base, default, not_null } => format!("{base} default {default:?} not null {not_null}"),
            TypeKind::Composite(relation) => {
                let attributes: Vec<String> = catalog
                    .columns_of(*relation)
                    .map(|column| format!("{} {} {:?}", column.name, column.type_name, column.collation))
                    .collect();
                attributes.join(", ")
            }
            TypeKind::Range => "range".to_owned(),
            TypeKind::Base => "base".to_owned(),
        };
        self.fact(key, "definition", &definition);
    }

    fn function(&mut self, catalog: &Catalog, address: Address, key: &str) {
        let Some(found) = catalog.functions.get(&address.oid) else { return };
        self.common(key, &found.owner, &found.acl, found.comment.as_ref());
        self.optional(key, "definition", found.definition.as_ref());
    }
}

/// What stands in a catalog, or a dash, which is no expression and no name that needs no quotes.
fn given(value: Option<&impl std::fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::catalog::{Relation, RelationDetail, RelationKind};

    fn dump(columns: &str) -> String {
        format!(
            "--\n-- Name: t; Type: TABLE; Schema: public; Owner: app\n--\n\nCREATE TABLE public.t (\n{columns}\n);\n"
        )
    }

    #[test]
    fn another_order_of_columns_is_a_class_of_its_own() {
        let differences = compare_dumps(&dump("    a integer,\n    b text"), &dump("    b text,\n    a integer"));
        assert_eq!(differences.column_order, ["TABLE public.t"]);
        assert!(differences.others.is_empty());
    }

    #[test]
    fn another_type_is_named() {
        let differences = compare_dumps(&dump("    a integer"), &dump("    a bigint"));
        assert_eq!(differences.others, ["TABLE public.t: `a bigint` instead of `a integer`"]);
    }

    #[test]
    fn what_is_missing_or_left_behind_is_named() {
        assert_eq!(compare_dumps(&dump("    a integer"), "").others, ["TABLE public.t: missing"]);
        assert_eq!(compare_dumps("", &dump("    a integer")).others, ["TABLE public.t: left behind"]);
    }

    /// Tables by OID, name and owner.
    fn catalog(tables: [(u32, &str, &str); 2]) -> Catalog {
        let mut catalog = Catalog::default();
        for (oid, name, owner) in tables {
            let plain = Relation::new(oid, "public", name, RelationKind::Table);
            catalog.relations.insert(oid, Relation { owner: owner.to_owned(), ..plain });
            catalog.relation_details.insert(oid, RelationDetail::default());
        }
        catalog
    }

    #[test]
    fn objects_are_compared_by_name_whatever_their_numbers() {
        let before = catalog([(1, "t", "ann"), (2, "u", "ben")]);
        for same in
            [before.clone(), catalog([(7, "t", "ann"), (8, "u", "ben")]), catalog([(1, "u", "ben"), (9, "t", "ann")])]
        {
            assert_eq!(compare_catalogs(&before, &same), Differences::default());
        }
        // The names are exchanged, and nothing else.
        let exchanged = compare_catalogs(&before, &catalog([(1, "u", "ann"), (2, "t", "ben")]));
        assert_eq!(
            exchanged.others,
            ["table public.t, owner: ben instead of ann", "table public.u, owner: ann instead of ben"]
        );
        let other = compare_catalogs(&before, &catalog([(1, "t", "ann"), (3, "v", "ben")]));
        let told = |what: &str| other.others.iter().filter(|found| found.contains(what)).count();
        assert_eq!(
            (told("public.t"), told("public.u, owner: missing"), told("public.v, owner: ben was not there")),
            (0, 1, 1)
        );
    }
}
