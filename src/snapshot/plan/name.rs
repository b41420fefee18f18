//! Names of relations as plans give them, and as SQL spells them.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Schema and name of a table or index, both unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationName {
    /// Schema; empty when not known.
    pub schema: String,
    /// Name.
    pub name: String,
}

impl RelationName {
    /// From unquoted parts.
    pub fn new(schema: &str, name: &str) -> Self {
        Self { schema: schema.to_owned(), name: name.to_owned() }
    }

    /// Schema-qualified, quoted only where SQL needs it.
    pub fn qualified(&self) -> String {
        let name = quote_identifier_if_needed(&self.name);
        if self.schema.is_empty() { name } else { format!("{}.{name}", quote_identifier_if_needed(&self.schema)) }
    }
}

/// Quotes an identifier where `quote_ident` would: unless it is lower-case ASCII and no keyword that needs quotes.
pub fn quote_identifier_if_needed(name: &str) -> String {
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if starts_well && name.chars().all(plain) && !RESERVED.contains(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// [`KEYWORDS`], to look up: names are spelled by the thousand.
static RESERVED: LazyLock<HashSet<&str>> = LazyLock::new(|| KEYWORDS.split_ascii_whitespace().collect());

/// `pg_get_keywords()` of PostgreSQL 15 and 18, without the unreserved ones.
const KEYWORDS: &str = "
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
    cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze
    from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval
    into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar
    json_serialize json_table json_value lateral leading least left like limit localtime localtimestamp
    merge_action national natural nchar none normalize not notnull null nullif numeric offset on only or order out
    outer overlaps overlay placing position precision primary real references returning right row select
    session_user setof similar smallint some substring symmetric system_user table tablesample then time timestamp
    to trailing treat trim true union unique user using values varchar variadic verbose when where window with
    xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize
    xmltable";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_need_quotes_get_them() {
        for (name, quoted) in [
            ("orders", "orders"),
            ("_x1", "_x1"),
            ("1x", "\"1x\""),
            ("Orders", "\"Orders\""),
            ("größe", "\"größe\""),
            ("order", "\"order\""),
            ("user", "\"user\""),
            ("status", "status"),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(quote_identifier_if_needed(name), quoted);
        }
        assert_eq!(RelationName::new("", "t").qualified(), "t");
        assert_eq!(RelationName::new("Sales", "t").qualified(), "\"Sales\".t");
    }
}
