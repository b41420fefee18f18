//! What queries that write pay: run on a copy of their own, each time in a transaction that is rolled back.
//!
//! Rolled back is not undone: dead rows and index entries stay, and sequences move on. So nothing else is measured on
//! such a copy, and both sides run the same queries in the same order.

use super::{
    CaptureOptions, Failure, Planning, STATEMENT, execute_statement, expression, plannable, plannings, prepare,
};
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::snapshot::plan::{PlanKey, PlanMode, PlanNode, QueryPlan, RelationName};
use crate::snapshot::write::{TableWrites, Write};
use crate::workload::HotQuery;
use std::collections::BTreeMap;

/// Settings of the server writes are measured on. Page images come once after each checkpoint, and would be most of the
/// bytes of whatever happens to be the first write to a page.
pub const SERVER_SETTINGS: [(&str, &str); 1] = [("full_page_writes", "off")];

/// Runs after one that warms up. The cheapest counts: one call in many splits a page, prunes one, or takes the next 32
/// numbers of a sequence.
const RUNS: usize = 3;

const PROBE: &str = "ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON";
const MEASURE: &str = "ANALYZE, BUFFERS, WAL, TIMING OFF, SUMMARY OFF, FORMAT JSON";

/// Rows written so far by this transaction (and by earlier ones the session has not told the server of yet, so that
/// only differences count), and how many indexes each table keeps up to date.
const COUNTS: &str = "
SELECT s.relid, n.nspname, c.relname, s.n_tup_ins, s.n_tup_upd, s.n_tup_hot_upd, s.n_tup_del, i.all_of_them, i.selective
FROM pg_catalog.pg_stat_xact_user_tables s
JOIN pg_catalog.pg_class c ON c.oid = COALESCE(pg_catalog.pg_partition_root(s.relid), s.relid)
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT count(*) AS all_of_them, count(*) FILTER (WHERE x.indpred IS NOT NULL OR a.amname = 'brin') AS selective
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class xc ON xc.oid = x.indexrelid
    JOIN pg_catalog.pg_am a ON a.oid = xc.relam
    WHERE x.indrelid = s.relid AND x.indisready) i
WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0
ORDER BY s.relid";

/// How running one write went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It ran.
    Ran(Write),
    /// It did not, and why; without values of user data.
    Refused(String),
    /// It only reads.
    Reads,
}

/// Runs one query with each of its parameter sets, in a session of the role it runs as. What only reads is run once,
/// read-only, to find that out.
///
/// Nothing that goes wrong stops the rest: it is [`Written::Refused`] of that one.
pub async fn run_query(
    session: &mut Session,
    query: &HotQuery,
    options: &CaptureOptions<'_>,
) -> Vec<(PlanKey, Written)> {
    let mut found = Vec::new();
    for planning in plannings(query).into_iter().filter(|each| each.key.mode == PlanMode::Custom) {
        let written = match attempt(session, query, &planning, options).await {
            Ok(written) => written,
            Err(failure) => Written::Refused(failure.message),
        };
        found.push((planning.key, written));
    }
    found
}

async fn attempt(
    session: &mut Session,
    query: &HotQuery,
    planning: &Planning<'_>,
    options: &CaptureOptions<'_>,
) -> Result<Written, Failure> {
    plannable(&query.sql)?;
    for value in planning.values.unwrap_or_default() {
        expression(value)?;
    }
    let ask = In { query, planning, options };
    // The transaction's refusal is the classifier, as it is where plans are captured.
    let probe = ask.transaction(session, "READ ONLY", async |session, execute| {
        match session.query(&format!("EXPLAIN ({PROBE}) {execute}")).await {
            Ok(_) => Ok(false),
            Err(error) if error.sqlstate == "25006" => Ok(true),
            Err(error) => Err(refusal(&error)),
        }
    });
    if !probe.await? {
        return Ok(Written::Reads);
    }
    ask.transaction(session, "READ WRITE", async |session, execute| measured(session, execute).await).await?;
    let mut cheapest: Option<Write> = None;
    for _ in 0..RUNS {
        let write =
            ask.transaction(session, "READ WRITE", async |session, execute| measured(session, execute).await).await?;
        if cheapest.as_ref().is_none_or(|known| write.wal_bytes < known.wal_bytes) {
            cheapest = Some(write);
        }
    }
    Ok(cheapest.map_or(Written::Reads, Written::Ran))
}

/// One query with one set of values.
struct In<'a> {
    query: &'a HotQuery,
    planning: &'a Planning<'a>,
    options: &'a CaptureOptions<'a>,
}

impl In<'_> {
    /// Prepares the query in a transaction that is always rolled back, and there does what `work` does with EXECUTE.
    async fn transaction<T>(
        &self,
        session: &mut Session,
        mode: &str,
        work: impl AsyncFnOnce(&mut Session, &str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        session.execute(&format!("BEGIN TRANSACTION {mode}")).await?;
        let mut prepared = false;
        let result = self.inside(session, &mut prepared, work).await;
        // PREPARE is not undone by a rollback.
        let deallocate = if prepared { format!("; DEALLOCATE {STATEMENT}") } else { String::new() };
        session.execute(&format!("ROLLBACK{deallocate}")).await?;
        result
    }

    async fn inside<T>(
        &self,
        session: &mut Session,
        prepared: &mut bool,
        work: impl AsyncFnOnce(&mut Session, &str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        prepare(session, self.query, self.planning.key.mode, self.options).await?;
        *prepared = true;
        work(session, &execute_statement(self.query, self.planning)).await
    }
}

async fn measured(session: &mut Session, execute: &str) -> Result<Write, Failure> {
    let before = counts(session).await?;
    let answer = session.query(&format!("EXPLAIN ({MEASURE}) {execute}")).await.map_err(|error| refusal(&error))?;
    let plan = QueryPlan::from_explain_json(answer.scalar().unwrap_or_default())
        .map_err(|error| Failure { sqlstate: String::new(), message: error.to_string() })?;
    let after = counts(session).await?;
    let number = |field: &'static str| total(&plan, |node| node.number(field).map(|number| number as u64));
    Ok(Write {
        wal_bytes: number("WAL Bytes"),
        wal_records: number("WAL Records"),
        buffers: total(&plan, PlanNode::buffers),
        tables: after
            .into_iter()
            .map(|(relation, now)| less(now, before.get(&relation)))
            .filter(|table| table.inserted + table.updated + table.deleted > 0)
            .collect(),
    })
}

/// A number of the whole execution. The top node's includes everything below it but data-modifying CTEs nobody reads:
/// those run after it.
fn total(plan: &QueryPlan, read: impl Fn(&PlanNode) -> Option<u64>) -> u64 {
    // What a rule turned into several statements has no numbers of its own.
    let top = read(&plan.root).unwrap_or_else(|| plan.root.children.iter().filter_map(&read).sum());
    let nodes = plan.nodes();
    let is_read =
        |cte: &str| nodes.iter().any(|node| node.node_type == "CTE Scan" && node.text("CTE Name") == Some(cte));
    let unread = nodes.iter().filter(|node| {
        node.text("Subplan Name").and_then(|name| name.strip_prefix("CTE ")).is_some_and(|cte| !is_read(cte))
    });
    top + unread.filter_map(|node| read(node)).sum::<u64>()
}

async fn counts(session: &mut Session) -> Result<BTreeMap<String, TableWrites>, Failure> {
    let rows = session.query(COUNTS).await?;
    let mut tables = BTreeMap::new();
    for row in rows.rows {
        let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let number = |at: usize| text(at).parse::<u64>().unwrap_or_default();
        let table = TableWrites {
            table: RelationName::new(&text(1), &text(2)).qualified(),
            inserted: number(3),
            updated: number(4),
            hot_updated: number(5),
            deleted: number(6),
            indexes: number(7),
            selective: number(8) > 0,
        };
        tables.insert(text(0), table);
    }
    Ok(tables)
}

fn less(now: TableWrites, before: Option<&TableWrites>) -> TableWrites {
    let Some(before) = before else { return now };
    TableWrites {
        inserted: now.inserted.saturating_sub(before.inserted),
        updated: now.updated.saturating_sub(before.updated),
        hot_updated: now.hot_updated.saturating_sub(before.hot_updated),
        deleted: now.deleted.saturating_sub(before.deleted),
        ..now
    }
}

/// Why a write did not run, for people: names of constraints are no values, keys are.
fn refusal(error: &ServerError) -> Failure {
    let state = &error.sqlstate;
    let by = error.constraint.as_deref().map_or_else(String::new, |name| format!(" ({name})"));
    let message = match state.as_str() {
        "23505" => format!("these values name a key that is there already{by}"),
        "23503" => format!("these values break a foreign key{by}"),
        "23514" => format!("these values break a CHECK constraint{by}"),
        "57014" => "it did not finish within the time limit".to_owned(),
        _ => error.without_values(),
    };
    Failure { sqlstate: state.clone(), message: format!("{message}, SQLSTATE {state}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cte_nobody_reads_is_counted_and_one_that_is_read_is_not_counted_twice() {
        let plan = |scan: &str| {
            let text = format!(
                r#"[{{"Plan": {{"Node Type": "{scan}", "CTE Name": "moved", "WAL Bytes": 100, "Plans": [
                    {{"Node Type": "ModifyTable", "Parent Relationship": "InitPlan", "Subplan Name": "CTE moved",
                      "WAL Bytes": 70}}]}}}}]"#
            );
            QueryPlan::from_explain_json(&text).expect("a plan")
        };
        let bytes = |plan: &QueryPlan| total(plan, |node| node.number("WAL Bytes").map(|number| number as u64));
        assert_eq!(bytes(&plan("CTE Scan")), 100);
        assert_eq!(bytes(&plan("Result")), 170);
    }

    #[test]
    fn a_refusal_names_the_constraint_and_no_key() {
        let error = ServerError {
            sqlstate: "23505".to_owned(),
            message: "duplicate key value violates unique constraint \"orders_pkey\"".to_owned(),
            detail: Some("Key (id)=(4711) already exists.".to_owned()),
            constraint: Some("orders_pkey".to_owned()),
            ..Default::default()
        };
        let told = refusal(&error).message;
        assert_eq!(told, "these values name a key that is there already (orders_pkey), SQLSTATE 23505");
    }
}
