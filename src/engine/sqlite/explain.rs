//! interim
use super::connection::Stop;
use crate::engine::ServerError;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode, PlanNode, QueryPlan, Work};
use crate::snapshot::sqlite::Schema;
use crate::workload::HotQuery;
use rusqlite::{Connection, StatementStatus};
use std::collections::BTreeMap;
use std::time::Duration;
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub timeout: Duration,
}
pub fn capture(
    connection: &Connection,
    _: &Schema,
    queries: &[&HotQuery],
    _: &Options,
    _: &Stop,
) -> Result<Vec<PlanCapture>, ServerError> {
    let mut all = Vec::new();
    for query in queries {
        for set in &query.sets {
            let key = PlanKey { query: query.name.clone(), parameter_set: set.name.clone(), mode: PlanMode::Custom };
            let run = || -> Result<(String, u64), rusqlite::Error> {
                let mut eqp = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql))?;
                let lines: Vec<String> = eqp.query_map([], |row| row.get(3))?.collect::<Result<_, _>>()?;
                let mut statement = connection.prepare(&query.sql)?;
                for (at, value) in set.values.iter().enumerate() {
                    let value: rusqlite::types::Value =
                        connection.query_row(&format!("SELECT {value}"), [], |row| row.get(0))?;
                    if let Some(index) = statement.parameter_index(&format!("${}", at + 1))? {
                        statement.raw_bind_parameter(index, value)?;
                    }
                }
                if statement.readonly() {
                    let mut rows = statement.raw_query();
                    while rows.next()?.is_some() {}
                }
                Ok((lines.join("; "), statement.get_status(StatementStatus::VmStep) as u64))
            };
            let captured = match run() {
                Ok((text, steps)) => {
                    let root = PlanNode { node_type: text, fields: BTreeMap::new(), children: vec![] };
                    Captured::Measured(
                        QueryPlan { root, settings: BTreeMap::new() },
                        Work { buffers: steps, temp_blocks: 0 },
                    )
                }
                Err(error) => {
                    let e = ServerError::from(error);
                    Captured::Failed { sqlstate: e.sqlstate, message: e.message }
                }
            };
            all.push(PlanCapture { key, captured });
        }
    }
    Ok(all)
}
