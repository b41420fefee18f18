//! Plans of hot queries: planned through `PREPARE` so that parameter types are the server's own, then run where that
//! cannot write.
//!
//! Every query that is run has a read-only transaction to itself that is always rolled back, so no snapshot stays open and no
//! setting leaks into the next one. A plain EXPLAIN comes first: a run that is cut off still has its plan.

mod bare;
mod measured;
mod reading;
mod string;
pub mod timing;
mod together;
pub mod writes;

use super::session::{Session, quote_identifier, quote_literal};
use crate::diff::plan::baseline::Baseline;
use crate::engine::ServerError;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode, QueryPlan};
use crate::workload::HotQuery;
use bare::bare_text;
use std::time::Duration;

/// Name of the prepared statement, there only while one capture lasts.
const STATEMENT: &str = "seatrial_q";
const PLAN: &str = "FORMAT JSON, VERBOSE, SETTINGS";
const MEASURE: &str = "ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON, VERBOSE, SETTINGS";

/// How queries are planned and run.
#[derive(Debug, Clone, Copy)]
pub struct CaptureOptions<'a> {
    /// `statement_timeout` of every single step, where a query has none of its own ([`crate::workload::Limits`]). A
    /// longer run is [`Captured::DidNotFinish`].
    pub statement_timeout: Duration,
    /// Run reads; otherwise everything is only planned.
    pub run_reads: bool,
    /// What this session captured a moment ago, to be captured once more: no run to warm it up, and only what was
    /// measured then is run now.
    pub again: Option<&'a [PlanCapture]>,
    /// What is known of captures before: what it settles is not run.
    pub baseline: Option<&'a Baseline<'a>>,
    /// The session has a transaction open that must survive: SAVEPOINTs instead of transactions.
    pub inside_transaction: bool,
    /// The session is not one of the role each query runs as, and may become it.
    pub assume_roles: bool,
}

impl Default for CaptureOptions<'_> {
    fn default() -> Self {
        Self {
            statement_timeout: Duration::from_secs(5),
            run_reads: true,
            again: None,
            baseline: None,
            inside_transaction: false,
            assume_roles: false,
        }
    }
}

impl CaptureOptions<'_> {
    /// Only planning, in a transaction the caller has open and keeps.
    pub fn planning_inside_transaction() -> Self {
        Self { run_reads: false, inside_transaction: true, ..Self::default() }
    }
}

/// Captures every plan of every query, in registry order, in a session of the role the queries run as.
///
/// Reads are planned, run once warm and run once measured; what a read-only transaction refuses is only planned.
/// Nothing that goes wrong stops the rest: it is [`Captured::Failed`] of that one capture.
pub async fn capture<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    match options.baseline {
        _ if !options.run_reads => together::plan_together(session, queries, options).await,
        Some(baseline) => capture_unknown(session, queries, options, baseline).await,
        None => measured::measure_together(session, queries, options).await,
    }
}

/// Plans every query, and runs those of which a baseline does not tell how that ends.
async fn capture_unknown<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
    baseline: &Baseline<'_>,
) -> Vec<PlanCapture> {
    let mut planned = Vec::new();
    let queries = queries.into_iter().inspect(|query| planned.push(*query));
    let planning = CaptureOptions { run_reads: false, baseline: None, again: None, ..*options };
    let mut plans = together::plan_together(session, queries, &planning).await.into_iter();
    let known = |capture: PlanCapture| match &capture.captured {
        Captured::Planned(plan) => {
            baseline.known(&capture.key, plan).map(|captured| PlanCapture { key: capture.key, captured })
        }
        _ => None,
    };
    let mut captures = Vec::new();
    for query in planned {
        let mine = plans.by_ref().take(plannings(query).len());
        // All of them are taken, or the next query's would not be its own.
        let mine: Vec<Option<PlanCapture>> = mine.map(known).collect();
        match mine.into_iter().collect::<Option<Vec<_>>>() {
            Some(known) => captures.extend(known),
            None => captures.extend(capture_query(session, query, options).await),
        }
    }
    captures
}

/// Plans without running anything: cheap enough to repeat after every statement of a migration.
///
/// With [`CaptureOptions::inside_transaction`] it sees the session's uncommitted changes and leaves its transaction
/// as it was, except for two SAVEPOINT round trips.
pub async fn plan_only<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    capture(session, queries, &CaptureOptions { run_reads: false, ..*options }).await
}

/// Captures one query: a custom plan for each parameter set, and one generic plan if it has parameters.
pub async fn capture_query(session: &mut Session, query: &HotQuery, options: &CaptureOptions<'_>) -> Vec<PlanCapture> {
    capture_plannings(session, query, plannings(query), options).await
}

/// Some of its plans, each by itself.
async fn capture_plannings(
    session: &mut Session,
    query: &HotQuery,
    plannings: impl IntoIterator<Item = Planning<'_>>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    let mut captures = Vec::new();
    for planning in plannings {
        let captured = attempt(session, query, &planning, options).await.unwrap_or_else(Captured::from);
        captures.push(PlanCapture { key: planning.key, captured });
    }
    captures
}

/// One way to plan a query.
struct Planning<'a> {
    key: PlanKey,
    /// Arguments of EXECUTE; `None` where there is nothing to run it with and NULLs do for planning.
    values: Option<&'a [String]>,
}

fn plannings(query: &HotQuery) -> Vec<Planning<'_>> {
    let key = |set: &str, mode| PlanKey { query: query.name.clone(), parameter_set: set.to_owned(), mode };
    if query.parameters.is_empty() {
        return vec![Planning { key: key("", PlanMode::Custom), values: Some(&[]) }];
    }
    let custom = query
        .sets
        .iter()
        .map(|set| Planning { key: key(&set.name, PlanMode::Custom), values: Some(set.values.as_slice()) });
    let generic = Planning {
        key: key("", PlanMode::Generic),
        // A generic plan is the same for all values, so any set will do to run it.
        values: query.sets.first().map(|set| set.values.as_slice()),
    };
    custom.chain([generic]).collect()
}

/// A refusal with the message people may see.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) sqlstate: String,
    pub(super) message: String,
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self { message: error.without_values(), sqlstate: error.sqlstate }
    }
}

impl From<Failure> for Captured {
    fn from(failure: Failure) -> Self {
        Self::Failed { sqlstate: failure.sqlstate, message: failure.message }
    }
}

async fn attempt(
    session: &mut Session,
    query: &HotQuery,
    planning: &Planning<'_>,
    options: &CaptureOptions<'_>,
) -> Result<Captured, Failure> {
    plannable(&query.sql)?;
    for value in planning.values.unwrap_or_default() {
        expression(value)?;
    }
    let (begin, end) = if options.inside_transaction {
        // Read-only for the savepoint's length only: rolling back to it restores the outer transaction's right to write.
        (
            "SAVEPOINT seatrial_plan; SET LOCAL transaction_read_only = on",
            "ROLLBACK TO SAVEPOINT seatrial_plan; RELEASE SAVEPOINT seatrial_plan",
        )
    } else {
        ("BEGIN TRANSACTION READ ONLY", "ROLLBACK")
    };
    session.execute(begin).await?;
    let mut left = Left { transaction: true, prepared: false };
    let captured = inside(session, query, planning, options, end, &mut left).await;
    // PREPARE is not undone by a rollback.
    let end = match (left.transaction, left.prepared) {
        (true, true) => format!("{end}; DEALLOCATE {STATEMENT}"),
        (true, false) => end.to_owned(),
        (false, _) => return captured,
    };
    session.execute(&end).await?;
    captured
}

/// What one attempt has to take back yet.
struct Left {
    transaction: bool,
    prepared: bool,
}

async fn inside(
    session: &mut Session,
    query: &HotQuery,
    planning: &Planning<'_>,
    options: &CaptureOptions<'_>,
    end: &str,
    left: &mut Left,
) -> Result<Captured, Failure> {
    prepare(session, query, planning.key.mode, options).await?;
    left.prepared = true;
    let execute = execute_statement(query, planning);
    if !options.run_reads || planning.values.is_none() {
        // Most captures by far: what it costs is round trips.
        let text = format!("EXPLAIN ({PLAN}) {execute}; {end}; DEALLOCATE {STATEMENT}");
        let rows = session.query(&text).await?;
        left.transaction = false;
        return Ok(Captured::Planned(read_plan(rows.scalar())?));
    }
    let plan = explain(session, PLAN, &execute).await?;
    if let Some(known) = options.baseline.and_then(|baseline| baseline.known(&planning.key, &plan)) {
        return Ok(known);
    }
    let run = Run::of(planning, options);
    let measured = match run.times() {
        0 => return Ok(run.not_run(plan)),
        // The first run warms caches and index metapages; only the second one is measured.
        1 => explain(session, MEASURE, &execute).await,
        _ => match explain(session, MEASURE, &execute).await {
            Ok(_) => explain(session, MEASURE, &execute).await,
            failed => failed,
        },
    };
    match measured {
        Ok(measured) => Ok(ran(plan, measured)),
        Err(failure) => broken_off(plan, failure),
    }
}

/// How often a query is run to measure it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Not at all: it is only planned.
    Never,
    /// Not at all: it did not come to an end a moment ago.
    NeverAgain,
    /// It is warm from a moment ago.
    Once,
    /// To warm it up, and to measure it.
    Twice,
}

impl Run {
    fn of(planning: &Planning<'_>, options: &CaptureOptions<'_>) -> Self {
        if !options.run_reads || planning.values.is_none() {
            return Self::Never;
        }
        let first = options.again.and_then(|first| first.iter().find(|capture| capture.key == planning.key));
        match first.map(|first| &first.captured) {
            Some(Captured::DidNotFinish(_)) => Self::NeverAgain,
            Some(Captured::Planned(_)) => Self::Never,
            Some(_) => Self::Once,
            None => Self::Twice,
        }
    }

    fn times(self) -> usize {
        match self {
            Self::Never | Self::NeverAgain => 0,
            Self::Once => 1,
            Self::Twice => 2,
        }
    }

    fn not_run(self, plan: QueryPlan) -> Captured {
        if self == Self::NeverAgain { Captured::DidNotFinish(plan) } else { Captured::Planned(plan) }
    }
}

fn ran(plan: QueryPlan, measured: QueryPlan) -> Captured {
    match measured.work() {
        Some(work) => Captured::Measured(measured, work),
        None => Captured::Planned(plan),
    }
}

/// How a capture ends whose run was refused or cut off.
fn broken_off(plan: QueryPlan, failure: Failure) -> Result<Captured, Failure> {
    match failure.sqlstate.as_str() {
        // A write, FOR UPDATE, nextval, …: the transaction's refusal is the classifier.
        "25006" => Ok(Captured::Planned(plan)),
        "57014" => Ok(Captured::DidNotFinish(plan)),
        _ => Err(failure),
    }
}

async fn explain(session: &mut Session, options: &str, execute: &str) -> Result<QueryPlan, Failure> {
    read_plan(session.query(&format!("EXPLAIN ({options}) {execute}")).await?.scalar())
}

/// The plan in EXPLAIN's one value.
fn read_plan(json: Option<&str>) -> Result<QueryPlan, Failure> {
    let mut plan = QueryPlan::from_explain_json(json.unwrap_or_default())
        .map_err(|error| Failure { sqlstate: String::new(), message: error.to_string() })?;
    // Ours, not the database's.
    plan.settings.remove("plan_cache_mode");
    Ok(plan)
}

fn execute_statement(query: &HotQuery, planning: &Planning<'_>) -> String {
    let values = match planning.values {
        Some(values) => values.join(", "),
        None => vec!["NULL"; query.parameters.len()].join(", "),
    };
    if values.is_empty() { format!("EXECUTE {STATEMENT}") } else { format!("EXECUTE {STATEMENT}({values})") }
}

/// Prepares the query under its own settings, its plan mode and its time limit, for as long as the transaction lasts.
async fn prepare(
    session: &mut Session,
    query: &HotQuery,
    mode: PlanMode,
    options: &CaptureOptions<'_>,
) -> Result<(), Failure> {
    if let Some(role) = query.role.as_ref().filter(|_| options.assume_roles) {
        session.execute(&format!("SET LOCAL ROLE {}", quote_identifier(role))).await?;
    }
    let path = query.search_path.as_ref().map(|path| ("search_path".to_owned(), path.clone()));
    for (name, value) in query.settings.iter().cloned().chain(path) {
        session.execute(&set_local(&name, &value)).await.map_err(|error| Failure {
            sqlstate: error.sqlstate,
            // The value is the registry's own, never user data.
            message: format!("set {name}: {}", error.message),
        })?;
    }
    let mode = match mode {
        PlanMode::Custom => "force_custom_plan",
        PlanMode::Generic => "force_generic_plan",
    };
    // After the query's own settings, so that these two win. 0 would mean no limit at all.
    let own = query.limits.query_ms.map(Duration::from_millis);
    let timeout = own.unwrap_or(options.statement_timeout).as_millis().max(1);
    // PREPARE is last in its string, so that no text of the registry's stands before a statement of ours; and not in that
    // of SAVEPOINT, as a syntax error takes back all of a string.
    let ours = format!("SET LOCAL plan_cache_mode = {mode}; SET LOCAL statement_timeout = {timeout}");
    session.execute(&format!("{ours}; {}", query.prepare(STATEMENT))).await?;
    Ok(())
}

/// Takes back what a string that broke off may have left: PREPARE is not undone by a rollback. Nothing else of the session's is
/// touched, which may have statements of its own.
async fn forget(session: &mut Session) -> Result<(), ServerError> {
    let left = format!("SELECT FROM pg_catalog.pg_prepared_statements WHERE name = '{STATEMENT}'");
    if !session.query(&left).await?.rows.is_empty() {
        session.execute(&format!("DEALLOCATE {STATEMENT}")).await?;
    }
    Ok(())
}

/// Prepares the query for as long as the session lasts, as an application does, and returns what runs it: one `EXECUTE`
/// for each set of values.
pub(super) async fn ready_to_execute(session: &mut Session, query: &HotQuery) -> Result<Vec<String>, Failure> {
    plannable(&query.sql)?;
    for value in query.sets.iter().flat_map(|set| &set.values) {
        expression(value)?;
    }
    let plannings = plannings(query);
    let custom = plannings.iter().filter(|each| each.key.mode == PlanMode::Custom && each.values.is_some());
    let texts: Vec<String> = custom.map(|planning| execute_statement(query, planning)).collect();
    if texts.is_empty() {
        let message = "no values are registered for its parameters".to_owned();
        return Err(Failure { sqlstate: String::new(), message });
    }
    let path = query.search_path.as_ref().map(|path| ("search_path".to_owned(), path.clone()));
    for (name, value) in query.settings.iter().cloned().chain(path) {
        session.execute(&set(&name, &value, Scope::Session)).await?;
    }
    session.execute(&query.prepare(STATEMENT)).await?;
    Ok(texts)
}

/// How long a setting lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Transaction,
    Session,
}

/// `SET LOCAL` for a value as people write it: `64MB`, `'64MB'`, `on`, `app, public`, `'Mixed Case', public`.
pub(super) fn set_local(name: &str, value: &str) -> String {
    set(name, value, Scope::Transaction)
}

fn set(name: &str, value: &str, scope: Scope) -> String {
    let value = value.trim();
    let local = scope == Scope::Transaction;
    if value.eq_ignore_ascii_case("default") {
        let name: Vec<String> = name.split('.').map(quote_identifier).collect();
        return format!("SET {}{} TO DEFAULT", if local { "LOCAL " } else { "" }, name.join("."));
    }
    let text = if name.eq_ignore_ascii_case("search_path") { schema_list(value) } else { unquoted(value) };
    format!("SELECT pg_catalog.set_config({}, {}, {local})", quote_literal(name), quote_literal(&text))
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace("''", "'"))
}

/// `SET search_path = 'A', b` takes strings where `set_config` wants identifiers.
fn schema_list(value: &str) -> String {
    let items = value.split(',').map(str::trim).map(|item| {
        let string = item.len() > 1 && item.starts_with('\'') && item.ends_with('\'');
        if string { quote_identifier(&unquoted(item)) } else { item.to_owned() }
    });
    items.collect::<Vec<_>>().join(", ")
}

/// Whether the text is one statement that can be planned.
fn plannable(sql: &str) -> Result<(), Failure> {
    let refused = |message: String| Err(Failure { sqlstate: "0A000".to_owned(), message });
    let Some(bare) = bare_text(sql) else { return refused("a quote or a comment that does not end".to_owned()) };
    if let Some((_, rest)) = bare.split_once(';')
        && !rest.trim().is_empty()
    {
        return refused("more than one statement: give each its own name".to_owned());
    }
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let start = bare.trim_start_matches(|c: char| c == '(' || c.is_whitespace());
    let first: String = start.chars().take_while(|c| is_letter(*c)).collect();
    match first.to_ascii_uppercase().as_str() {
        "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "VALUES" | "TABLE" | "WITH" => Ok(()),
        "" => refused("no statement that can be planned".to_owned()),
        word => refused(format!(
            "{word} is a utility statement: only SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE and WITH have plans"
        )),
    }
}

/// Whether a parameter's value can stand between the parentheses of EXECUTE without leaving them.
fn expression(value: &str) -> Result<(), Failure> {
    if !value.trim().is_empty() && bare_text(value).is_some_and(|bare| stays_inside(&bare)) {
        return Ok(());
    }
    let message = "a parameter's value is not one SQL expression".to_owned();
    Err(Failure { sqlstate: "42601".to_owned(), message })
}

/// Whether every parenthesis closes what was opened before it, and no statement ends.
fn stays_inside(bare: &str) -> bool {
    let mut depth = 0_u32;
    for c in bare.chars() {
        match (c, depth) {
            (';', _) | (')', 0) => return false,
            (')', _) => depth -= 1,
            ('(', _) => depth += 1,
            _ => {}
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(sql: &str) -> String {
        plannable(sql).err().map(|failure| failure.message).unwrap_or_default()
    }

    #[test]
    fn only_single_statements_with_plans_are_let_through() {
        for sql in [
            "SELECT 1",
            "  -- a note; with a semicolon\n select 1",
            "/* a; /* nested; */ b */ (SELECT 1) UNION (SELECT 2);  -- end; of file",
            "with x as (select ';') table x",
            "SELECT $q$; DROP TABLE t$q$, \"a;b\"",
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING",
        ] {
            assert_eq!(refusal(sql), "", "{sql}");
        }
        assert!(refusal("CREATE TABLE t ()").starts_with("CREATE is a utility statement"));
        assert!(refusal("VACUUM").starts_with("VACUUM is"));
        assert_eq!(refusal(" -- nothing"), "no statement that can be planned");
        assert!(refusal("SELECT 1; COMMIT").starts_with("more than one statement"));
        assert!(refusal("SELECT 'a'';'; COMMIT").starts_with("more than one statement"));
        assert_eq!(refusal("SELECT $1 || '"), "a quote or a comment that does not end");
    }

    #[test]
    fn a_parameter_value_cannot_leave_its_place() {
        for value in ["7", "'a);b'", "now() - interval '1 day'", "ARRAY[1,2]", "(1 + (2))"] {
            assert!(expression(value).is_ok(), "{value}");
        }
        for value in ["", "1); COMMIT; SELECT (1", "1)", "(1", "1; 2", "'); COMMIT; --"] {
            assert!(expression(value).is_err(), "{value}");
        }
    }

    #[test]
    fn settings_are_taken_as_people_write_them() {
        let set = |name, value| set_local(name, value);
        assert_eq!(set("work_mem", "64MB"), "SELECT pg_catalog.set_config('work_mem', '64MB', true)");
        assert_eq!(set("work_mem", "'64MB'"), "SELECT pg_catalog.set_config('work_mem', '64MB', true)");
        assert_eq!(
            set("search_path", "'Sales', public, \"$user\""),
            "SELECT pg_catalog.set_config('search_path', '\"Sales\", public, \"$user\"', true)"
        );
        assert_eq!(set("app.tenant", "default"), "SET LOCAL \"app\".\"tenant\" TO DEFAULT");
    }
}
