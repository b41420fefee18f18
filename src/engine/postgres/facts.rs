//! What a server says of itself.

use super::parameters;
use super::session::{Session, quote_literal};
use crate::engine::ServerError;
use std::collections::BTreeMap;

/// Settings that decide about plans and about how long work takes; shown in every report.
const SETTINGS: &str = "'work_mem', 'shared_buffers', 'effective_cache_size', 'maintenance_work_mem', 'random_page_cost', \
    'seq_page_cost', 'effective_io_concurrency', 'default_statistics_target', 'max_parallel_workers_per_gather', \
    'max_parallel_maintenance_workers', 'jit', 'plan_cache_mode', 'TimeZone', 'wal_level', 'fsync', \
    'synchronous_commit', 'lc_collate', 'server_encoding'";

/// Version (such as `15.18`) and the settings reports show, with their units, as the session's role has them.
///
/// # Errors
/// What the server says.
pub async fn engine(session: &mut Session) -> Result<(String, BTreeMap<String, String>), ServerError> {
    let version = session.query("SHOW server_version").await?;
    // `15.18 (Debian 15.18-0+deb12u1)`: the packager's note says nothing about plans.
    let version = version.scalar().and_then(|text| text.split_whitespace().next()).unwrap_or_default().to_owned();
    // And what was set for the database or the role of this session.
    let parameters = parameters::NAMES.map(quote_literal).join(", ");
    let rows = session
        .query(&format!(
            "SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings WHERE name IN ({SETTINGS}) \
             OR (name IN ({parameters}) AND source IN ('global', 'database', 'user', 'database user'))"
        ))
        .await?;
    let settings = rows
        .rows
        .into_iter()
        .filter_map(|mut row| {
            let value = row.pop()??;
            Some((row.pop()??, value))
        })
        .collect();
    Ok((version, settings))
}
