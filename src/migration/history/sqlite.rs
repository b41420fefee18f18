//! Histories in a SQLite database: SQL that finds a table and reads its rows as the layouts expect them. Whoever has a
//! connection runs it.

use super::{FoundTable, HistoryShape, Row, parse_found};
use crate::migration::MigrationError;
use crate::migration::layout::{MigrationTree, literal};
use crate::migration::script::sqlite::parse_name;

/// The rows of a tree's history, by whoever runs a query and returns its rows as text. `None`: the tool keeps none, or its
/// table is not there.
///
/// # Errors
/// What the query ran into; a table of that name that is another tool's.
pub fn read<E: From<MigrationError>>(
    tree: &MigrationTree,
    mut query: impl FnMut(&str) -> Result<Vec<Row>, E>,
) -> Result<Option<Vec<Row>>, E> {
    let Some((table, shape)) = &tree.history else { return Ok(None) };
    let found = parse_found(&query(&find_query(table))?)?;
    match shape.choose(tree.layout, &found)? {
        Some(chosen) => query(&rows_query(shape, chosen)).map(Some),
        None => Ok(None),
    }
}

/// SQL that lists the tables [`FoundTable`] stands for; its rows are for [`super::parse_found`]. Names are compared as
/// SQLite does, and columns come in lower case.
pub fn find_query(table: &str) -> String {
    let parsed = parse_name(table);
    let is_here = parsed.as_ref().is_none_or(|name| name.is_main());
    let name = parsed.map_or_else(|| table.to_owned(), |name| name.name);
    format!(
        "SELECT '\"main\".\"' || replace(t.name, '\"', '\"\"') || '\"', 't', \
         (SELECT group_concat(name, ',') FROM (SELECT lower(c.name) AS name FROM pragma_table_info(t.name, 'main') AS c ORDER BY c.cid)) \
         FROM main.sqlite_schema AS t WHERE t.type = 'table' AND t.name = {} COLLATE NOCASE{}",
        literal(&name),
        if is_here { "" } else { " AND false" }
    )
}

/// SQL that reads a table's rows, every value as text: of bytes `\x` and hexadecimal digits, of booleans `1` and `0`.
pub fn rows_query(shape: &HistoryShape, table: &FoundTable) -> String {
    let is_there = |column: &&&str| table.columns.iter().any(|each| each == **column);
    let text = |column: &&str| {
        format!(
            "CASE typeof(\"{column}\") WHEN 'blob' THEN '\\x' || lower(hex(\"{column}\")) ELSE CAST(\"{column}\" AS TEXT) END"
        )
    };
    let columns: Vec<String> = shape.columns.iter().filter(is_there).map(text).collect();
    // Bytes decide, as they do in the collation that is called so there.
    let order = shape.order.replace("COLLATE \"C\"", "COLLATE BINARY");
    format!("SELECT {} FROM {} ORDER BY {order}", columns.join(", "), table.name)
}
