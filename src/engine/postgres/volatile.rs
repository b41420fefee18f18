//! Functions whose answer is not told by their arguments.

use super::session::Session;
use crate::engine::ServerError;
use std::collections::BTreeSet;

/// Names of functions that may give another answer the next time, whatever the overload: volatile ones, stable ones that
/// people made, and of the server's own stable ones those that tell the time, the session or what the catalogs hold.
/// What is left of those only depends on settings, such as `to_char`.
///
/// # Errors
/// Whatever the server says.
pub async fn read(session: &mut Session) -> Result<BTreeSet<String>, ServerError> {
    let rows = session
        .query(
            "SELECT DISTINCT p.proname FROM pg_catalog.pg_proc AS p WHERE p.provolatile = 'v' OR (p.provolatile = 's' AND \
             (p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace OR p.pronargs = 0 OR p.proname IN ('age', \
             'current_setting', 'current_schemas', 'obj_description', 'col_description', 'shobj_description') \
             OR p.proname ~ '^(pg_|has_|to_reg|row_security|query_to|table_to|schema_to|database_to|cursor_to|txid_)'))",
        )
        .await?;
    Ok(rows.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}
