//! How scripts spell objects, and how their comments speak of them.

use crate::engine::postgres::session::quote_identifier;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::{Address, Class, TypeKind};

/// Words `quote_ident` would quote: everything the server's parser does not take as a plain name everywhere.
const KEYWORDS: &str = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit \
boolean both case cast char character check coalesce collate collation column concurrently constraint create cross \
current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal \
default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full \
grant greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join \
json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table \
json_value lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none \
normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position \
precision primary real references returning right row select session_user setof similar smallint some substring \
symmetric system_user table tablesample then time timestamp to trailing treat trim true union unique user using \
values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest \
xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable ";

/// Quotes an identifier where SQL needs it.
pub(super) fn identifier(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !KEYWORDS.contains(&format!(" {name} "));
    if plain { name.to_owned() } else { quote_identifier(name) }
}

/// A list of identifiers.
pub(super) fn identifiers<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| identifier(name)).collect();
    names.join(", ")
}

/// `schema.name`.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
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
