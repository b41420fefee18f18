//! interim
use super::{FoundTable, HistoryShape, Row};
use crate::migration::MigrationError;
pub fn find_query(table: &str) -> String {
    let bare = table.rsplit('.').next().unwrap_or(table).trim_matches(['"', '`']);
    format!(
        "SELECT m.name, 't', (SELECT group_concat(name) FROM pragma_table_info(m.name)) FROM sqlite_schema m WHERE m.type = 'table' AND lower(m.name) = lower('{}')",
        bare.replace('\'', "''")
    )
}
pub fn parse_found(rows: &[Row]) -> Result<Vec<FoundTable>, MigrationError> {
    super::parse_found(rows)
}
pub fn rows_query(shape: &HistoryShape, table: &FoundTable) -> String {
    let columns: Vec<String> = shape
        .columns
        .iter()
        .filter(|c| table.columns.iter().any(|each| each == **c))
        .map(|c| (*c).to_owned())
        .collect();
    format!("SELECT {} FROM \"{}\" ORDER BY {}", columns.join(", "), table.name, shape.order)
}
