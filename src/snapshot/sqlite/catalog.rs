//! An SQLite schema as a [`Catalog`]: what every comparison, check and report of the program works with.

use super::identity::{Identities, Kind};
use super::{ColumnKind, Index, IndexOrigin, Schema, Table, TableKind};
use crate::migration::script::Dialect;
use crate::migration::script::words::{Word, words_in};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{self, Catalog, Constraint, Relation, RelationDetail, RelationKind, qualify};
use crate::snapshot::object::TableObject;

/// The one schema of a database file that applications see.
pub const MAIN: &str = "main";

/// The catalog of a schema, its objects numbered by `identities`. Virtual tables are foreign tables: their rows are somebody
/// else's to keep; their shadows are left out.
pub fn catalog(schema: &Schema, identities: &mut Identities) -> Catalog {
    let mut catalog = Catalog::default();
    for table in schema.tables.values().filter(|table| table.kind != TableKind::Shadow) {
        let Some(oid) = identities.relation(&table.name) else { continue };
        let kind = if table.kind == TableKind::Virtual { RelationKind::ForeignTable } else { RelationKind::Table };
        add_relation(&mut catalog, oid, &table.name, kind, table.root_page, RelationDetail::default());
        columns(&mut catalog, oid, table, identities);
        for (kind, definition, key) in constraints(table) {
            let constraint_oid = identities.constraint(oid, &definition);
            let (columns, referenced_columns) = key;
            let references = table.foreign_keys.iter().find(|each| kind == 'f' && each.columns == columns);
            let references = references.and_then(|each| identities.relation(&each.table));
            let constraint = Constraint {
                oid: constraint_oid,
                table: Some(oid),
                name: definition.clone(),
                kind,
                definition,
                validated: true,
                references,
                columns,
                referenced_columns,
                inherited: false,
            };
            catalog.constraints.insert(constraint_oid, constraint);
            catalog.constraint_details.insert(constraint_oid, catalog::ConstraintDetail::default());
        }
    }
    for view in schema.views.values() {
        let Some(oid) = identities.relation(&view.name) else { continue };
        let detail =
            RelationDetail { view: Some(view.sql.clone()), raw: view.sql.clone(), ..RelationDetail::default() };
        add_relation(&mut catalog, oid, &view.name, RelationKind::View, 0, detail);
        for name in &view.columns {
            let Some(number) = identities.column(oid, name) else { continue };
            let told = catalog::Column {
                number,
                name: name.clone(),
                type_name: String::new(),
                not_null: false,
                default: None,
                identity: None,
                generated: None,
                collation: None,
            };
            catalog.columns.insert((oid, number), told);
            catalog.column_details.insert((oid, number), catalog::ColumnDetail::default());
        }
    }
    for index in schema.indexes.values() {
        add_index(&mut catalog, schema, index, identities);
    }
    for trigger in schema.triggers.values() {
        let (Some(oid), Some(table)) =
            (identities.get(Kind::Trigger, &trigger.name), identities.relation(&trigger.table))
        else {
            continue;
        };
        let object = TableObject {
            table,
            name: trigger.name.clone(),
            definition: trigger.sql.clone(),
            raw: trigger.sql.clone(),
            enabled: 'O',
            comment: None,
            parent: None,
        };
        catalog.triggers.insert(oid, object);
    }
    catalog
}

fn add_relation(
    catalog: &mut Catalog,
    oid: Oid,
    name: &str,
    kind: RelationKind,
    root_page: i64,
    detail: RelationDetail,
) {
    let filenode = Oid::try_from(root_page).unwrap_or_default();
    let relation = Relation { filenode, ..Relation::new(oid, MAIN, name, kind) };
    catalog.relations.insert(oid, relation);
    catalog.relation_details.insert(oid, detail);
}

fn columns(catalog: &mut Catalog, oid: Oid, table: &Table, identities: &Identities) {
    for column in &table.columns {
        let Some(number) = identities.column(oid, &column.name) else { continue };
        let generated = match column.kind {
            ColumnKind::VirtualGenerated => Some('v'),
            ColumnKind::StoredGenerated => Some('s'),
            ColumnKind::Ordinary | ColumnKind::Hidden => None,
        };
        let told = catalog::Column {
            number,
            name: column.name.clone(),
            type_name: column.type_name.clone(),
            not_null: column.not_null,
            default: column.default.clone(),
            identity: None,
            generated,
            collation: None,
        };
        catalog.columns.insert((oid, number), told);
        catalog.column_details.insert((oid, number), catalog::ColumnDetail::default());
    }
}

/// Columns of a constraint, and those it refers to.
type KeyColumns = (Vec<String>, Vec<String>);

/// Constraints of a table that SQLite tells of: `contype`, what they say, and their columns. `CHECK` stands in the
/// table's text alone.
fn constraints(table: &Table) -> Vec<(char, String, KeyColumns)> {
    let mut found = Vec::new();
    let names = |names: &[String]| names.iter().map(|name| super::quote(name)).collect::<Vec<_>>().join(", ");
    let key: Vec<String> = table.key().iter().map(|column| column.name.clone()).collect();
    if !key.is_empty() {
        found.push(('p', format!("PRIMARY KEY ({})", names(&key)), (key, Vec::new())));
    }
    for each in &table.foreign_keys {
        let mut definition = format!("FOREIGN KEY ({}) REFERENCES {}", names(&each.columns), super::quote(&each.table));
        if !each.referenced.is_empty() {
            definition += &format!(" ({})", names(&each.referenced));
        }
        for (event, action) in [("DELETE", &each.on_delete), ("UPDATE", &each.on_update)] {
            if action != "NO ACTION" {
                definition += &format!(" ON {event} {action}");
            }
        }
        found.push(('f', definition, (each.columns.clone(), each.referenced.clone())));
    }
    found
}

fn add_index(catalog: &mut Catalog, schema: &Schema, index: &Index, identities: &mut Identities) {
    let (Some(oid), Some(table)) = (identities.get(Kind::Index, &index.name), identities.relation(&index.table)) else {
        return;
    };
    add_relation(catalog, oid, &index.name, RelationKind::Index, index.root_page, RelationDetail::default());
    let constraint = match index.origin {
        IndexOrigin::Created => None,
        IndexOrigin::PrimaryKey | IndexOrigin::Unique => {
            let key = schema.table(&index.table).map(constraints).unwrap_or_default();
            let primary = index.origin == IndexOrigin::PrimaryKey;
            let definition = match key.into_iter().find(|(kind, ..)| primary && *kind == 'p') {
                Some((_, definition, _)) => definition,
                None => format!("UNIQUE ({})", keys(index).join(", ")),
            };
            let constraint = identities.constraint(table, &definition);
            catalog.constraints.entry(constraint).or_insert_with(|| Constraint {
                oid: constraint,
                table: Some(table),
                name: definition.clone(),
                kind: 'u',
                definition,
                validated: true,
                references: None,
                columns: index.columns.iter().filter_map(|(name, ..)| name.clone()).collect(),
                referenced_columns: Vec::new(),
                inherited: false,
            });
            catalog.constraint_details.entry(constraint).or_default().index = Some(oid);
            Some(constraint)
        }
    };
    let table_name = qualify(MAIN, &index.table);
    let what = format!(
        "({}){}",
        keys(index).join(", "),
        predicate(index).map_or_else(String::new, |predicate| format!(" WHERE {predicate}"))
    );
    let unique = if index.unique { "UNIQUE " } else { "" };
    let told = catalog::Index {
        oid,
        table,
        definition: format!("CREATE {unique}INDEX {} ON {table_name} {what}", qualify(MAIN, &index.name)),
        // With a method, as a server spells it: what compares plans leaves out the table in front of it.
        shape: format!("CREATE {unique}INDEX _ ON {table_name} USING btree {what}"),
        keys: keys(index),
        key_count: index.columns.len(),
        unique: index.unique,
        primary: index.origin == IndexOrigin::PrimaryKey,
        valid: true,
        constraint,
        predicate: predicate(index),
        method: "btree".to_owned(),
    };
    catalog.indexes.insert(oid, told);
    let has_expressions = index.columns.iter().any(|(name, ..)| name.is_none());
    let attributes = index
        .columns
        .iter()
        .map(|(name, ..)| name.as_ref().and_then(|name| identities.column(table, name)).unwrap_or_default());
    let detail = catalog::IndexDetail {
        ready: true,
        has_expressions,
        attributes: attributes.collect(),
        ..catalog::IndexDetail::default()
    };
    catalog.index_details.insert(oid, detail);
}

/// Key columns and expressions of an index as SQL, with what is not the default.
fn keys(index: &Index) -> Vec<String> {
    let mut written = index.sql.as_deref().map(written_keys).unwrap_or_default().into_iter();
    let each = index.columns.iter().map(|(name, descending, collation)| {
        // Expressions stand in the text alone.
        let text = written.next();
        let mut key = match name {
            Some(name) => crate::snapshot::plan::quote_identifier_if_needed(name),
            None => return text.unwrap_or_else(|| "(expression)".to_owned()),
        };
        if !collation.eq_ignore_ascii_case("BINARY") {
            key += &format!(" COLLATE {collation}");
        }
        if *descending {
            key += " DESC";
        }
        key
    });
    each.collect()
}

/// What stands between the commas of the first parentheses of `CREATE INDEX`.
pub(crate) fn written_keys(sql: &str) -> Vec<String> {
    let Some((inside, _)) = parenthesised(sql) else { return Vec::new() };
    let (mut found, mut depth, mut from) = (Vec::new(), 0usize, 0usize);
    for word in words(inside) {
        let at = word.start;
        match word.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                found.push(inside[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(inside[from..].trim().to_owned());
    found
}

/// The `WHERE` of a partial index.
fn predicate(index: &Index) -> Option<String> {
    written_predicate(index.sql.as_deref().filter(|_| index.partial)?)
}

/// What stands behind `WHERE` in `CREATE INDEX`.
pub(crate) fn written_predicate(sql: &str) -> Option<String> {
    let (_, rest) = parenthesised(sql)?;
    let rest = rest.trim_start();
    let predicate = rest.get(..5).filter(|word| word.eq_ignore_ascii_case("WHERE")).and_then(|_| rest.get(5..))?;
    Some(predicate.trim().to_owned())
}

fn words(sql: &str) -> Vec<Word<'_>> {
    words_in(sql, Dialect::Sqlite)
}

/// The text inside the first parentheses of a statement, and the text behind them.
fn parenthesised(sql: &str) -> Option<(&str, &str)> {
    let (mut depth, mut from) = (0usize, None);
    for word in words(sql) {
        let at = word.start;
        match word.text {
            "(" => {
                depth += 1;
                from = from.or(Some(at + 1));
            }
            ")" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some((&sql[from?..at], &sql[at + 1..]));
                }
            }
            _ => {}
        }
    }
    None
}
