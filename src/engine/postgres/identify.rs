//! Whether a server can plan a query, and which query it takes it for: planned with EXPLAIN, never run.

use super::session::{Rows, Session};
use crate::workload::{HotQuery, has_plan};
use serde_json::Value;

const STATEMENT: &str = "seatrial_identity";

/// What a server says of a query without values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identified {
    /// It plans; the identity is `None` on servers before 14, or where it cannot be computed.
    Planned(Option<String>),
    /// It does not.
    Refused {
        /// Five characters; empty where it was not sent.
        sqlstate: String,
        /// Without values of user data.
        message: String,
    },
}

/// Asks for each query, in order.
pub async fn identify<'a>(session: &mut Session, queries: impl IntoIterator<Item = &'a HotQuery>) -> Vec<Identified> {
    // A server before 14 has no such parameter, and a role may lack the right: then there are no identities.
    let may_lack_it = session.execute("SET compute_query_id = on").await;
    let mut identified = Vec::new();
    for query in queries {
        identified.push(match has_plan(&query.sql) {
            Err(message) => Identified::Refused { sqlstate: String::new(), message },
            Ok(()) => one(session, query, may_lack_it.is_ok()).await,
        });
    }
    identified
}

async fn one(session: &mut Session, query: &HotQuery, has_identity: bool) -> Identified {
    let nulls = vec!["NULL"; query.parameters.len()].join(", ");
    let execute =
        if nulls.is_empty() { format!("EXECUTE {STATEMENT}") } else { format!("EXECUTE {STATEMENT}({nulls})") };
    let path = query.search_path.as_deref().map(|path| super::explain::set_local("search_path", path));
    let begin = "BEGIN TRANSACTION READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan";
    let begin = path.map_or_else(|| begin.to_owned(), |path| format!("{begin}; {path}"));
    let asked = async {
        session.execute(&begin).await?;
        session.execute(&query.prepare(STATEMENT)).await?;
        session
            .query(&format!("EXPLAIN (VERBOSE, FORMAT JSON, COSTS OFF) {execute}; ROLLBACK; DEALLOCATE {STATEMENT}"))
            .await
    };
    match asked.await {
        Ok(rows) => Identified::Planned(identity(&rows).filter(|_| has_identity)),
        Err(error) => {
            // What is left of it is taken back; a session that is gone says so to the next query.
            let _rolled_back = session.execute("ROLLBACK").await;
            let _no_longer_prepared = session.execute(&format!("DEALLOCATE {STATEMENT}")).await;
            Identified::Refused { message: error.without_values(), sqlstate: error.sqlstate }
        }
    }
}

fn identity(rows: &Rows) -> Option<String> {
    let plan: Value = serde_json::from_str(rows.scalar()?).ok()?;
    plan[0]["Query Identifier"].as_i64().map(|identity| identity.to_string())
}
