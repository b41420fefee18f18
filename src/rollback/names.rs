//! How scripts spell objects, and how their comments speak of them.

use crate::snapshot::Oid;
pub(super) use crate::snapshot::catalog::qualify as qualified;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::{Address, Class, TypeKind};
pub(super) use crate::snapshot::plan::quote_identifier_if_needed as identifier;

/// A list of identifiers.
pub(super) fn identifiers<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| identifier(name)).collect();
    names.join(", ")
}

/// What `ALTER`, `DROP` and `COMMENT ON` call a relation of this kind.
pub(super) fn relation_word(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Index | RelationKind::PartitionedIndex => "INDEX",
        RelationKind::Sequence => "SEQUENCE",
        RelationKind::View => "VIEW",
        RelationKind::MaterializedView => "MATERIALIZED VIEW",
        RelationKind::CompositeType => "TYPE",
        RelationKind::ForeignTable => "FOREIGN TABLE",
        RelationKind::Table | RelationKind::PartitionedTable | RelationKind::ToastTable => "TABLE",
    }
}

/// What `ALTER`, `DROP` and `COMMENT ON` call a function of this kind.
pub(super) fn function_word(kind: char) -> &'static str {
    match kind {
        'p' => "PROCEDURE",
        'a' => "AGGREGATE",
        _ => "FUNCTION",
    }
}

/// Whether a relation holds rows of its own or its partitions'.
pub(super) fn is_table(kind: RelationKind) -> bool {
    matches!(kind, RelationKind::Table | RelationKind::PartitionedTable | RelationKind::ForeignTable)
}

/// `TABLE public.t`, `FUNCTION public.f(integer)`, …: what `DROP`, `COMMENT ON` and `ALTER … OWNER TO` take.
/// None for what is only reached through its table.
pub(super) fn object(catalog: &Catalog, address: Address) -> Option<String> {
    let oid = address.oid;
    Some(match address.class {
        Class::Schema => format!("SCHEMA {}", identifier(&catalog.schemas.get(&oid)?.name)),
        Class::Type => {
            let found = catalog.types.get(&oid)?;
            let word = if matches!(found.kind, TypeKind::Domain { .. }) { "DOMAIN" } else { "TYPE" };
            format!("{word} {}", found.qualified)
        }
        Class::Function => {
            let function = catalog.functions.get(&oid)?;
            format!("{} {}", function_word(function.kind), function.identity)
        }
        Class::Relation => {
            let relation = catalog.relations.get(&oid)?;
            format!("{} {}", relation_word(relation.kind), relation.qualified)
        }
        Class::Rule | Class::Trigger | Class::Policy => {
            let (word, object) = match address.class {
                Class::Rule => ("RULE", catalog.rules.get(&oid)?),
                Class::Trigger => ("TRIGGER", catalog.triggers.get(&oid)?),
                _ => ("POLICY", catalog.policies.get(&oid)?),
            };
            format!("{word} {} ON {}", identifier(&object.name), catalog.relation_name(object.table))
        }
        Class::Constraint => {
            let constraint = catalog.constraints.get(&oid)?;
            let on = match (constraint.table, catalog.constraint_details.get(&oid).and_then(|detail| detail.domain)) {
                (Some(table), _) => catalog.relation_name(table),
                (None, Some(domain)) => format!("DOMAIN {}", catalog.types.get(&domain)?.qualified),
                (None, None) => return None,
            };
            format!("CONSTRAINT {} ON {on}", identifier(&constraint.name))
        }
        Class::Other(_) => {
            let other = catalog.others.get(&address)?;
            format!("{} {}", other_word(&other.type_name), other.identity)
        }
        Class::Default => return None,
    })
}

/// What `ALTER`, `DROP` and `COMMENT ON` call an object of this type of `pg_identify_object`.
pub(super) fn other_word(type_name: &str) -> String {
    match type_name {
        "statistics object" => "STATISTICS".to_owned(),
        "foreign-data wrapper" => "FOREIGN DATA WRAPPER".to_owned(),
        word => word.to_uppercase(),
    }
}

/// The object in a sentence: `column public.orders.note`, `index public.orders_idx`.
pub(super) fn describe(catalog: &Catalog, address: Address) -> String {
    if address.class == Class::Default {
        return format!("the default of {}", column(catalog, address.oid, address.column));
    }
    if address.class == Class::Relation && address.column != 0 {
        return format!("column {}", column(catalog, address.oid, address.column));
    }
    if let Some(other) = catalog.others.get(&address) {
        return format!("{} {}", other_word(&other.type_name).to_lowercase(), other.identity);
    }
    match object(catalog, address) {
        Some(name) => match name.split_once(' ') {
            _ if name.starts_with("MATERIALIZED VIEW ") || name.starts_with("FOREIGN TABLE ") => {
                let words = if name.starts_with('M') { 17 } else { 13 };
                format!("{}{}", name[..words].to_lowercase(), &name[words..])
            }
            Some((word, rest)) => format!("{} {rest}", word.to_lowercase()),
            None => name,
        },
        None => format!("an object of {:?}", address.class),
    }
}

/// `schema.table.column`.
pub(super) fn column(catalog: &Catalog, table: Oid, number: i16) -> String {
    let name = catalog.columns.get(&(table, number)).map_or("?", |column| column.name.as_str());
    format!("{}.{}", catalog.relation_name(table), identifier(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted_where_sql_needs_it() {
        assert_eq!(identifier("orders"), "orders");
        assert_eq!(identifier("Orders"), "\"Orders\"");
        assert_eq!(identifier("user"), "\"user\"");
        assert_eq!(identifier("1st"), "\"1st\"");
        assert_eq!(identifier("a b"), "\"a b\"");
    }
}
