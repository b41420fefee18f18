//! Plans of hot queries, and what one execution of them does.
//!
//! A statement is prepared anew for each set of values and bound before its first step: SQLite looks at the values where
//! they matter to the plan, as it does for applications. What it counts of a run is the same in every run, cold or warm, so
//! that one is enough.

use super::connection::Stop;
use crate::engine::ServerError;
use crate::migration::script::words::words;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode, QueryPlan, Steps, Work, sqlite};
use crate::snapshot::sqlite::Schema;
use crate::workload::HotQuery;
use rusqlite::types::Value;
use rusqlite::{Connection, Statement, StatementStatus};
use std::time::Duration;

/// How queries are planned and run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Longest run of a query that has no limit of its own ([`crate::workload::Limits`]); what takes longer is
    /// [`Captured::DidNotFinish`].
    pub timeout: Duration,
    /// Run what reads; otherwise everything is only planned.
    pub run: bool,
    /// Run what writes as well, each in a transaction that is rolled back. Nothing that writes is run where the connection
    /// has a transaction open: cutting it off would take that one back.
    pub measure_writes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), run: true, measure_writes: false }
    }
}

impl Options {
    /// Plans alone: cheap enough to repeat after every statement of a migration, in its transaction.
    pub fn planning() -> Self {
        Self { run: false, ..Self::default() }
    }
}

/// Captures every plan of every query, in their order: one for each set of values, or one with all parameters left NULL
/// where there are none, which is only planned.
///
/// `stop` is the one the connection was opened with. Nothing that goes wrong with a query stops the rest: it is
/// [`Captured::Failed`] of that one capture.
///
/// # Errors
/// It was ended from outside.
pub fn capture(
    connection: &Connection,
    schema: &Schema,
    queries: &[&HotQuery],
    options: &Options,
    stop: &Stop,
) -> Result<Vec<PlanCapture>, ServerError> {
    capture_again(connection, schema, queries, options, &[], stop)
}

/// The same once more: what was cut off in `first` is not run again.
///
/// # Errors
/// As [`capture`].
pub fn capture_again(
    connection: &Connection,
    schema: &Schema,
    queries: &[&HotQuery],
    options: &Options,
    first: &[PlanCapture],
    stop: &Stop,
) -> Result<Vec<PlanCapture>, ServerError> {
    let mut captures = Vec::new();
    for query in queries {
        for Planning { key, values } in plannings(query) {
            let known = first.iter().find(|capture| capture.key == key).map(|capture| &capture.captured);
            let captured = match attempt(connection, schema, query, (values, known), options, stop) {
                Ok(captured) => captured,
                Err(error) if stop.is_due() => return Err(error),
                Err(error) => Captured::Failed { message: error.without_values(), sqlstate: error.sqlstate },
            };
            captures.push(PlanCapture { key, captured });
        }
    }
    Ok(captures)
}

/// One way to plan a query.
struct Planning<'a> {
    key: PlanKey,
    /// `None` where there is nothing to run it with.
    values: Option<&'a [String]>,
}

fn plannings(query: &HotQuery) -> Vec<Planning<'_>> {
    let key = |set: &str, mode| PlanKey { query: query.name.clone(), parameter_set: set.to_owned(), mode };
    if query.parameters.is_empty() {
        return vec![Planning { key: key("", PlanMode::Custom), values: Some(&[]) }];
    }
    if query.sets.is_empty() {
        return vec![Planning { key: key("", PlanMode::Generic), values: None }];
    }
    let sets = query.sets.iter();
    sets.map(|set| Planning { key: key(&set.name, PlanMode::Custom), values: Some(&set.values) }).collect()
}

fn attempt(
    connection: &Connection,
    schema: &Schema,
    query: &HotQuery,
    (values, known): (Option<&[String]>, Option<&Captured>),
    options: &Options,
    stop: &Stop,
) -> Result<Captured, ServerError> {
    plannable(&query.sql)?;
    let bound = evaluate(connection, values.unwrap_or_default())?;
    let plan = plan(connection, schema, query, &bound)?;
    if !options.run || values.is_none() {
        return Ok(Captured::Planned(plan));
    }
    if let Some(Captured::DidNotFinish(_)) = known {
        return Ok(Captured::DidNotFinish(plan));
    }
    let mut statement = connection.prepare(&query.sql)?;
    bind(&mut statement, &bound)?;
    let writes = !statement.readonly();
    let may_write = options.measure_writes && connection.is_autocommit() && !connection.is_readonly("main")?;
    if writes && !may_write {
        return Ok(Captured::Planned(plan));
    }
    if writes {
        connection.execute_batch("BEGIN IMMEDIATE")?;
    }
    let timeout = query.limits.query_ms.map_or(options.timeout, Duration::from_millis);
    let ran = run(&mut statement, timeout, stop);
    drop(statement);
    // Whatever is cut off while it writes takes its transaction back by itself.
    if writes && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(match ran? {
        Some(steps) => Captured::Measured(sqlite::measured(plan, &steps), Work::steps(steps)),
        None => Captured::DidNotFinish(plan),
    })
}

/// Runs a statement to its last row; `None` where its time was up before.
fn run(statement: &mut Statement<'_>, timeout: Duration, stop: &Stop) -> Result<Option<Steps>, ServerError> {
    let limit = stop.limit(timeout);
    let mut rows = statement.raw_query();
    loop {
        match rows.next() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) if limit.is_over() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    drop(rows);
    let counted = |of: StatementStatus| u64::from(statement.get_status(of).cast_unsigned());
    Ok(Some(Steps {
        vm: unwrapped(counted(StatementStatus::VmStep), limit.instructions()),
        full_scan: counted(StatementStatus::FullscanStep),
        sorts: counted(StatementStatus::Sort),
        automatic_indexes: counted(StatementStatus::AutoIndex),
    }))
}

/// SQLite counts to 2^32 and begins again: the number nearest to what was seen that ends like `counted`.
fn unwrapped(counted: u64, seen: u64) -> u64 {
    const TURN: u64 = 1 << 32;
    let number = seen - seen % TURN + counted;
    if number + TURN / 2 < seen {
        number + TURN
    } else if number > seen + TURN / 2 && number >= TURN {
        number - TURN
    } else {
        number
    }
}

fn plan(
    connection: &Connection,
    schema: &Schema,
    query: &HotQuery,
    values: &[Value],
) -> Result<QueryPlan, ServerError> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql))?;
    bind(&mut statement, values)?;
    let mut lines = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        lines.push(sqlite::Line { id: row.get(0)?, parent: row.get(1)?, detail: row.get(3)? });
    }
    Ok(sqlite::plan(&lines, &query.sql, schema))
}

/// Values of SQL expressions, each asked for by itself.
pub(super) fn evaluate(connection: &Connection, expressions: &[String]) -> Result<Vec<Value>, ServerError> {
    let each = expressions.iter().map(|expression| {
        // On a line of its own: it may end with a comment.
        let mut statement = connection.prepare(&format!("SELECT (\n{expression}\n)"))?;
        Ok(statement.query_row([], |row| row.get(0))?)
    });
    each.collect()
}

/// Binds `$1`, `$2`, …, which are names to SQLite.
pub(super) fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), ServerError> {
    for (at, value) in values.iter().enumerate() {
        if let Some(index) = statement.parameter_index(&format!("${}", at + 1))? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    Ok(())
}

/// Whether the text begins like a statement that has a plan. `prepare` refuses a second one behind it.
pub(super) fn plannable(sql: &str) -> Result<(), ServerError> {
    const PLANNED: [&str; 7] = ["SELECT", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE"];
    let first = words(sql).first().map(|word| word.text.to_ascii_uppercase());
    let message = match first {
        Some(word) if PLANNED.contains(&word.as_str()) => return Ok(()),
        Some(word) => format!("{word} has no plan: only SELECT, VALUES, WITH, INSERT, REPLACE, UPDATE and DELETE have"),
        None => "no statement that can be planned".to_owned(),
    };
    Err(ServerError { sqlstate: "0A000".to_owned(), message, ..ServerError::default() })
}

#[cfg(test)]
mod tests;
