//! Captures of plans on a real server.

mod support;

use seatrial::copy::state::{RunDir, StateDir};
use seatrial::diff::plan::Seen;
use seatrial::diff::plan::growth::SizeGrowth;
use seatrial::diff::plan::names::Names;
use seatrial::diff::plan::render::{Values, render_diff};
use seatrial::diff::plan::verdict::{Evidence, PlanConfidence, PlanVerdict, Thresholds, Verdict, judge};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::explain::timing::take_turns;
use seatrial::engine::postgres::explain::writes::{Written, run_query};
use seatrial::engine::postgres::explain::{CaptureOptions, capture, capture_query, plan_only};
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::server::cluster::create_cluster;
use seatrial::engine::postgres::server::{SUPERUSER, Server, ServerMode};
use seatrial::engine::postgres::session::Session;
use seatrial::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode};
use seatrial::workload::{HotQuery, ParameterSet};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use support::share_initdb;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A server that lasts as long as a test uses it: those that run at the same time share it.
struct SharedServer {
    server: Server,
    _run: RunDir,
    _folder: TempDir,
}

static SHARED: Mutex<Weak<SharedServer>> = Mutex::const_new(Weak::new());

impl SharedServer {
    async fn get() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&started);
        started
    }

    async fn start() -> Self {
        launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
        let folder = tempfile::tempdir().expect("a folder");
        // The user servers run as passes through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
        let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server");
        let cache = folder.path().join("cache");
        share_initdb(&cache);
        let state = StateDir::open(Some(&cache)).expect("a state folder");
        let run = RunDir::create(&state).expect("a run");
        let data_dir = run.fresh_path("data");
        create_cluster(&binaries, &state, &run, &data_dir, ()).await.expect("a cluster");
        let server = Server::start(&binaries, &data_dir, &run, &ServerMode::Measuring.into()).await.expect("a server");
        Self { server, _run: run, _folder: folder }
    }
}

/// A session with a database of the test's own.
struct Place {
    session: Session,
    _shared: Arc<SharedServer>,
}

impl Place {
    async fn new(database: &str) -> Self {
        let shared = SharedServer::get().await;
        let connect = |database| Session::connect(shared.server.endpoint(), database, SUPERUSER, "test");
        let mut first = connect("postgres").await.expect("a session");
        first.execute(&format!("CREATE DATABASE {database}")).await.expect("a database");
        first.close().await;
        let mut session = connect(database).await.expect("a session");
        session.execute(SCHEMA).await.expect("a schema");
        session.execute("VACUUM (ANALYZE)").await.expect("statistics");
        Self { session, _shared: shared.clone() }
    }
}

const SCHEMA: &str = "
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, created timestamptz NOT NULL, note text, padding text);
    INSERT INTO orders SELECT g, CASE WHEN g % 2 = 0 THEN 0 ELSE g END, '2024-01-01'::timestamptz + g * interval '1 minute', 'n',
      repeat('x', 300) FROM generate_series(1, 20000) g;
    CREATE INDEX orders_customer_id_idx ON orders (customer_id);
    CREATE SEQUENCE tickets;
    CREATE SCHEMA other;
    CREATE TABLE other.orders (id bigint PRIMARY KEY);";

fn query(sql: &str, sets: &[(&str, &[&str])]) -> HotQuery {
    let count = sets.first().map_or(0, |(_, values)| values.len());
    let set = |(name, values): &(&str, &[&str])| ParameterSet {
        name: (*name).to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        drawn: false,
    };
    HotQuery {
        parameters: (1..=count).map(|number| number.to_string()).collect(),
        sets: sets.iter().map(set).collect(),
        ..HotQuery::bare("q", sql)
    }
}

async fn one(session: &mut Session, query: &HotQuery) -> Captured {
    let mut captures = capture_query(session, query, &CaptureOptions::default()).await;
    assert_eq!(captures.len(), 1);
    captures.remove(0).captured
}

/// Nothing a capture leaves behind: no transaction, no prepared statement, no setting.
async fn assert_clean(session: &mut Session) {
    let left = session
        .query(
            "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('plan_cache_mode'), \
             (SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND now() <> statement_timestamp())",
        )
        .await
        .expect("a usable session");
    let texts: Vec<_> = left.rows[0].iter().map(|value| value.clone().unwrap_or_default()).collect();
    assert_eq!(texts, ["0", "auto", "0"]);
}

#[tokio::test]
async fn a_read_is_planned_for_each_set_and_for_all_values_and_measured() {
    let mut place = Place::new("measured").await;
    let session = &mut place.session;
    let sql = "SELECT count(*) FROM orders WHERE customer_id = $1 AND note = $2";
    let query = query(sql, &[("rare", &["7", "'n'"]), ("common", &["0", "'it''s'"])]);
    let captures = capture(session, [&query], &CaptureOptions::default()).await;
    let keys: Vec<_> = captures.iter().map(|one| (one.key.parameter_set.as_str(), one.key.mode)).collect();
    assert_eq!(keys, [("rare", PlanMode::Custom), ("common", PlanMode::Custom), ("", PlanMode::Generic)]);
    let mut indexes = Vec::new();
    for capture in &captures {
        let Captured::Measured(plan, work) = &capture.captured else { panic!("{capture:?}") };
        assert!(work.buffers > 0);
        assert_eq!(plan.relations().iter().map(|name| name.qualified()).collect::<Vec<_>>(), ["public.orders"]);
        assert!(!plan.settings.contains_key("plan_cache_mode"));
        indexes.push(plan.indexes().len());
    }
    // Half of all rows have customer 0: no index helps there.
    assert_eq!(indexes[..2], [1, 0]);
    let Captured::Measured(generic, _) = &captures[2].captured else { panic!("{captures:?}") };
    let conditions = generic.to_json().to_string();
    assert!(conditions.contains("$1"), "{conditions}");
    assert_clean(session).await;
}

#[tokio::test]
async fn measured_work_is_the_same_every_time() {
    let mut place = Place::new("steady").await;
    let session = &mut place.session;
    let query = query("SELECT count(*) FROM orders WHERE customer_id < 500", &[]);
    let first = one(session, &query).await.work();
    assert!(first.is_some());
    assert_eq!(first, one(session, &query).await.work());
}

#[tokio::test]
async fn what_would_write_is_only_planned() {
    let mut place = Place::new("writes").await;
    let session = &mut place.session;
    for sql in [
        "UPDATE orders SET note = 'x' WHERE id = 5",
        "DELETE FROM orders WHERE id = 5",
        "INSERT INTO orders (id, customer_id, created, note) SELECT 99999, 1, now(), nextval('tickets')::text",
        "SELECT * FROM orders WHERE id = 5 FOR UPDATE",
        "SELECT nextval('tickets')",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone",
    ] {
        let captured = one(session, &query(sql, &[])).await;
        assert!(matches!(captured, Captured::Planned(_)), "{sql}: {captured:?}");
    }
    let state = session.query("SELECT count(*), (SELECT is_called FROM tickets), max(note) FROM orders").await;
    let state = state.expect("readable").rows.remove(0);
    assert_eq!(state, [Some("20000".to_owned()), Some("f".to_owned()), Some("n".to_owned())]);
    assert_clean(session).await;
}

#[tokio::test]
async fn a_run_cut_off_keeps_its_plan() {
    let mut place = Place::new("slow").await;
    let session = &mut place.session;
    let options = CaptureOptions { statement_timeout: Duration::from_millis(200), ..CaptureOptions::default() };
    let slow = query("SELECT pg_sleep(600) FROM orders WHERE id = 5", &[]);
    let captures = capture_query(session, &slow, &options).await;
    let Captured::DidNotFinish(plan) = &captures[0].captured else { panic!("{captures:?}") };
    assert_eq!(plan.indexes().len(), 1);
    assert_clean(session).await;
}

#[tokio::test]
async fn what_the_server_or_we_refuse_says_why_and_stops_nothing_else() {
    let mut place = Place::new("refused").await;
    let session = &mut place.session;
    let queries = [
        query("SELECT gone FROM orders", &[]),
        query("VACUUM orders", &[]),
        query("SELECT 1; COMMIT; DROP TABLE orders", &[]),
        query("SELECT $1::int", &[("wrong", &["'anna@example.org'"])]),
        query("SELECT count(*) FROM orders", &[]),
    ];
    let captures = capture(session, &queries, &CaptureOptions::default()).await;
    let refusal = |position: usize| match &captures[position].captured {
        Captured::Failed { sqlstate, message } => (sqlstate.as_str(), message.as_str()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(0), ("42703", "column \"gone\" does not exist"));
    assert_eq!(refusal(1).0, "0A000");
    assert!(refusal(2).1.starts_with("more than one statement"));
    assert_eq!(refusal(3), ("22P02", "invalid input syntax for type integer: \"…\""));
    assert!(matches!(captures.last().expect("five").captured, Captured::Measured(..)));
    assert_clean(session).await;
}

#[tokio::test]
async fn parameters_have_the_types_the_server_gives_them() {
    let mut place = Place::new("typed").await;
    let session = &mut place.session;
    // As literals these would compare as text or fail; as parameters they are bigint and timestamptz.
    let query = query("SELECT * FROM orders WHERE id = $1 AND created > $2", &[("one", &["'5'", "'2024-01-01'"])]);
    let captures = capture_query(session, &query, &CaptureOptions::default()).await;
    let Captured::Measured(plan, _) = &captures[0].captured else { panic!("{captures:?}") };
    let text = plan.to_json().to_string();
    assert!(text.contains("timestamp with time zone") && text.contains("'5'::bigint"), "{text}");
}

#[tokio::test]
async fn settings_and_search_path_apply_to_the_query_alone() {
    let mut place = Place::new("settings").await;
    let session = &mut place.session;
    let mut spilling = query("SELECT id FROM orders ORDER BY note, created", &[]);
    assert_eq!(one(session, &spilling).await.work().expect("measured").temp_blocks, 0);
    spilling.settings = vec![("work_mem".to_owned(), "64kB".to_owned())];
    let captured = one(session, &spilling).await;
    assert!(captured.work().expect("measured").temp_blocks > 0);
    assert_eq!(captured.plan().expect("a plan").settings.get("work_mem").map(String::as_str), Some("64kB"));
    let mut elsewhere = query("SELECT * FROM orders", &[]);
    elsewhere.search_path = Some("'other', public".to_owned());
    let captured = one(session, &elsewhere).await;
    assert_eq!(captured.plan().expect("a plan").root.relation().as_deref(), Some("other.orders"));
    elsewhere.settings = vec![("work_mem".to_owned(), "plenty".to_owned())];
    let Captured::Failed { message, .. } = one(session, &elsewhere).await else { panic!("it is no size") };
    assert_eq!(message, "set work_mem: invalid value for parameter \"work_mem\": \"plenty\"");
    assert_clean(session).await;
}

#[tokio::test]
async fn planning_inside_a_transaction_sees_its_changes_and_leaves_it_alone() {
    let mut place = Place::new("inside").await;
    let session = &mut place.session;
    let used = |captured: &Captured| captured.plan().expect("a plan").indexes().len();
    let hot = query("SELECT * FROM orders WHERE customer_id = $1", &[("rare", &["7"])]);
    let broken = query("SELECT gone FROM orders", &[]);
    let options = CaptureOptions::planning_inside_transaction();
    session.execute("BEGIN").await.expect("begins");
    assert_eq!(used(&plan_only(session, [&hot], &options).await[0].captured), 1);
    session.execute("DROP INDEX orders_customer_id_idx").await.expect("drops");
    let captures = plan_only(session, [&hot, &broken], &options).await;
    assert!(matches!(captures[0].captured, Captured::Planned(_)), "{captures:?}");
    assert_eq!(used(&captures[0].captured), 0);
    assert!(matches!(captures[2].captured, Captured::Failed { .. }), "{captures:?}");
    session.execute("INSERT INTO orders VALUES (99999, 1, now())").await.expect("it may still write");
    session.execute("ROLLBACK").await.expect("rolls back");
    assert_clean(session).await;
    assert_eq!(used(&plan_only(session, [&hot], &CaptureOptions::default()).await[0].captured), 1);
}

/// An expression that divides by zero unless a setting has this value where it runs.
fn holds(setting: &str, value: &str) -> String {
    format!("1 / (current_setting('{setting}') = '{value}')::int")
}

#[tokio::test]
async fn a_write_runs_in_its_plan_mode_and_under_the_time_limit() {
    let mut place = Place::new("limited_writes").await;
    let session = &mut place.session;
    let options = CaptureOptions { statement_timeout: Duration::from_millis(71_234), ..CaptureOptions::default() };
    for (setting, value) in [("plan_cache_mode", "force_custom_plan"), ("statement_timeout", "71234ms")] {
        let sql = format!("UPDATE orders SET note = $1 WHERE id = {}", holds(setting, value));
        let (_, written) = run_query(session, &query(&sql, &[("one", &["'n'"])]), &options).await.remove(0);
        assert!(matches!(&written, Written::Ran(write) if write.wal_bytes > 0), "{setting}: {written:?}");
    }
    assert_clean(session).await;
}

#[tokio::test]
async fn times_are_taken_in_the_mode_of_their_plan_and_under_the_time_limit() {
    let (mut before, mut after) = (Place::new("time_before").await, Place::new("time_after").await);
    let options = CaptureOptions { statement_timeout: Duration::from_millis(71_234), ..CaptureOptions::default() };
    for (set, mode, setting, value) in [
        ("one", PlanMode::Custom, "plan_cache_mode", "force_custom_plan"),
        ("", PlanMode::Generic, "plan_cache_mode", "force_generic_plan"),
        ("one", PlanMode::Custom, "statement_timeout", "71234ms"),
    ] {
        let hot = query(&format!("SELECT {} WHERE $1 > 0", holds(setting, value)), &[("one", &["1"])]);
        let key = PlanKey { query: hot.name.clone(), parameter_set: set.to_owned(), mode };
        let sessions = (&mut before.session, &mut after.session);
        let turns = take_turns(sessions, &hot, &key, &options, 3).await;
        assert_eq!(turns.map(|turns| (turns.before.len(), turns.after.len())), Some((3, 3)), "{setting} {mode:?}");
    }
    assert_clean(&mut before.session).await;
    assert_clean(&mut after.session).await;
}

/// What becomes of one query between two states, each reached by a string of statements.
async fn verdict(session: &mut Session, query: &HotQuery, migration: &str, settle: &str) -> (PlanVerdict, String) {
    let names = Names::default();
    let options = CaptureOptions::default();
    let before = capture_query(session, query, &options).await.remove(0);
    for statement in migration.split(';') {
        session.execute(statement).await.expect("the migration");
    }
    let right_after = capture_query(session, query, &options).await.remove(0);
    session.execute(settle).await.expect("settles");
    let settled = capture_query(session, query, &options).await.remove(0);
    let seen = |capture| Seen::new(capture, &names);
    let growth = SizeGrowth::default();
    let evidence =
        Evidence { right_after: Some(seen(&right_after)), ..Evidence::new(seen(&before), seen(&settled), &growth) };
    let verdict = judge(&evidence, &Thresholds::default()).expect("captures after");
    (verdict, render_diff(seen(&before), seen(&right_after), Values::Redacted))
}

#[tokio::test]
async fn verdicts_hold_on_a_real_server() {
    let mut place = Place::new("verdicts").await;
    let session = &mut place.session;
    let covered = query("SELECT count(*) FROM orders WHERE customer_id BETWEEN 1 AND 9000", &[]);
    let (untouched, _) = verdict(session, &covered, "SELECT 1", "VACUUM orders").await;
    assert_eq!(untouched.verdict, Verdict::Unchanged, "{untouched:?}");
    // A rewrite loses the visibility map: index-only scans visit the table until VACUUM.
    let (rewritten, text) = verdict(session, &covered, "VACUUM FULL orders", "VACUUM orders").await;
    assert_eq!(rewritten.verdict, Verdict::Transient, "{rewritten:?} {text}");
    let point = query("SELECT * FROM orders WHERE customer_id = 77", &[]);
    let (unindexed, text) = verdict(session, &point, "DROP INDEX orders_customer_id_idx", "VACUUM orders").await;
    assert_eq!((unindexed.verdict, unindexed.confidence), (Verdict::Regressed, PlanConfidence::Measured), "{text}");
    assert!(text.starts_with("public.orders: ") && text.contains(" became Seq Scan; "), "{text}");
    let write = query("DELETE FROM orders WHERE id = 5", &[]);
    let (planned, _) = verdict(session, &write, "ALTER TABLE orders DROP CONSTRAINT orders_pkey", "SELECT 1").await;
    assert_eq!((planned.verdict, planned.confidence), (Verdict::Regressed, PlanConfidence::Planned));
    let (gone, _) = verdict(session, &point, "ALTER TABLE orders RENAME customer_id TO client_id", "SELECT 1").await;
    assert_eq!(gone.verdict, Verdict::Broken);
}

#[tokio::test]
async fn planned_together_each_query_fails_or_works_by_itself() {
    let mut place = Place::new("together").await;
    let session = &mut place.session;
    session.execute("BEGIN; ALTER TABLE orders ADD COLUMN fresh int").await.expect("a transaction");
    let of = |sql: &str, sets: &[(&str, &[&str])], name: &str| HotQuery { name: name.to_owned(), ..query(sql, sets) };
    let mut own_settings = of("SELECT count(*) FROM orders", &[], "own settings");
    own_settings.settings.push(("enable_seqscan".to_owned(), "off".to_owned()));
    let queries = [
        of("SELECT fresh FROM orders WHERE id = 5 -- uncommitted", &[], "sees it"),
        of("SELECT FROM WHERE", &[], "syntax error"),
        of("SELECT gone FROM orders", &[], "no such column"),
        of("SELECT * FROM orders WHERE customer_id = $1 -- both", &[("good", &["7"]), ("bad", &["'x'"])], "sets"),
        own_settings,
        of("SELECT 1; SELECT 2", &[], "two statements"),
        of("UPDATE orders SET note = 'y' WHERE id = $1", &[("one", &["5"])], "write"),
    ];
    let options = CaptureOptions::planning_inside_transaction();
    let together = plan_only(session, &queries, &options).await;
    let mut alone = Vec::new();
    for query in &queries {
        alone.extend(capture_query(session, query, &options).await);
    }
    assert_eq!(together, alone);
    let planned = |at: usize| matches!(together[at].captured, Captured::Planned(_));
    let planned: Vec<bool> = (0..together.len()).map(planned).collect();
    // The last three: own settings, two statements, and the write with its set and for any value.
    assert_eq!(planned, [true, false, false, true, false, true, true, false, true, true]);
    assert!(!together[6].captured.plan().expect("a plan").settings.is_empty());
    session.execute("UPDATE orders SET fresh = 1 WHERE id = 5; COMMIT").await.expect("the transaction is as it was");
    assert_clean(session).await;
}

/// Captures them together; each ends as it does by itself.
async fn told_as_alone(session: &mut Session, queries: &[HotQuery], options: &CaptureOptions<'_>) -> Vec<PlanCapture> {
    let together = capture(session, queries, options).await;
    let mut alone = Vec::new();
    for query in queries {
        alone.extend(capture_query(session, query, options).await);
    }
    assert_eq!(told(&together), told(&alone));
    together
}

#[tokio::test]
async fn more_queries_than_a_string_holds_are_each_told_for_itself() {
    let mut place = Place::new("many").await;
    let session = &mut place.session;
    let queries: Vec<HotQuery> = (0..70)
        .map(|n| {
            let sql = match n % 23 {
                5 => format!("SELECT {n} / (id - id) FROM orders WHERE id = {n}"),
                11 => format!("SELECT gone FROM orders WHERE id = {n}"),
                _ => format!("SELECT id + {n} FROM orders WHERE id = $1 -- {n}"),
            };
            let sets: &[(&str, &[&str])] = if sql.contains('$') { &[("one", &["5"])] } else { &[] };
            HotQuery { name: format!("query {n}"), ..query(&sql, sets) }
        })
        .collect();
    for options in [CaptureOptions::default(), CaptureOptions { run_reads: false, ..CaptureOptions::default() }] {
        let together = told_as_alone(session, &queries, &options).await;
        let failed = together.iter().filter(|capture| matches!(capture.captured, Captured::Failed { .. })).count();
        assert_eq!(failed, if options.run_reads { 6 } else { 3 });
        assert_clean(session).await;
    }
}

#[tokio::test]
async fn where_backslashes_escape_no_query_runs_into_the_next() {
    let mut place = Place::new("backslashes").await;
    let session = &mut place.session;
    session.execute("SET standard_conforming_strings = off; SET escape_string_warning = off").await.expect("settings");
    // To this session a comment that the next query ends.
    let opens = query("SELECT $1::int, 'a\\'' /*'", &[("one", &["7"])]);
    let closes = query("SELECT $1::int + 1 -- */", &[("one", &["7"]), ("two", &["8"])]);
    let queries = [HotQuery { name: "opens".to_owned(), ..opens }, HotQuery { name: "closes".to_owned(), ..closes }];
    for options in [CaptureOptions::default(), CaptureOptions { run_reads: false, ..CaptureOptions::default() }] {
        let together = told_as_alone(session, &queries, &options).await;
        let planned: Vec<bool> = together.iter().map(|capture| capture.captured.plan().is_some()).collect();
        assert_eq!(planned, [false, false, true, true, true], "{together:?}");
    }
}

/// Captures, whether their blocks were found in the buffers or not: other tests on the server share these.
fn told(captures: &[PlanCapture]) -> Vec<String> {
    let found =
        regex_lite::Regex::new(r#""Shared (Hit|Read|Written|Dirtied) Blocks": Number\(\d+\)"#).expect("a pattern");
    captures.iter().map(|capture| found.replace_all(&format!("{capture:?}"), "").into_owned()).collect()
}

#[tokio::test]
async fn measured_in_one_string_each_plan_ends_as_it_does_by_itself() {
    let mut place = Place::new("strings").await;
    let session = &mut place.session;
    session.execute("PREPARE theirs AS SELECT 1").await.expect("a statement of the session's own");
    let of = |sql: &str, sets: &[(&str, &[&str])], name: &str| HotQuery { name: name.to_owned(), ..query(sql, sets) };
    let mut own_limit = of("SELECT pg_sleep(600) FROM orders WHERE id = 6", &[], "own limit");
    own_limit.limits.query_ms = Some(100);
    let division = "SELECT 1 / $1 FROM orders WHERE id = 5 -- fails as it runs";
    let naps = "SELECT pg_sleep($1) FROM orders WHERE id = 5";
    let queries = [
        of("SELECT count(*) FROM orders WHERE id < 50 -- done", &[], "read"),
        of("SELECT FROM WHERE", &[], "syntax error"),
        of("SELECT gone FROM orders", &[], "no such column"),
        of("SELECT * FROM orders WHERE customer_id = $1", &[("good", &["7"]), ("bad", &["'x'"])], "no such value"),
        of(division, &[("one", &["1"]), ("zero", &["0"]), ("two", &["2"])], "division"),
        of(naps, &[("none", &["0"]), ("long", &["600"])], "too long"),
        of("UPDATE orders SET note = 'y' WHERE id = $1", &[("one", &["5"]), ("two", &["6"])], "write"),
        HotQuery { parameters: vec!["1".to_owned()], ..of("SELECT * FROM orders WHERE id = $1", &[], "no values") },
        of("SELECT $1 || '", &[("open", &["'); COMMIT; DROP TABLE orders; --"])], "a quote that does not end"),
        own_limit,
    ];
    let options = CaptureOptions { statement_timeout: Duration::from_millis(300), ..CaptureOptions::default() };
    let first = capture(session, &queries, &options).await;
    let again = CaptureOptions { again: Some(&first), ..options };
    let second = capture(session, &queries, &again).await;
    let (mut first_alone, mut second_alone) = (Vec::new(), Vec::new());
    for query in &queries {
        first_alone.extend(capture_query(session, query, &options).await);
        second_alone.extend(capture_query(session, query, &again).await);
    }
    assert_eq!((told(&first), told(&second)), (told(&first_alone), told(&second_alone)));
    assert_eq!(told(&first), told(&second));
    let ends: Vec<&str> = first
        .iter()
        .map(|capture| match &capture.captured {
            Captured::Measured(..) => "measured",
            Captured::Planned(_) => "planned",
            Captured::DidNotFinish(_) => "did not finish",
            Captured::Failed { sqlstate, .. } => sqlstate,
            Captured::AsBefore(_) => "as before",
        })
        .collect();
    let mut expected = vec!["measured", "42601", "42703", "measured", "22P02", "measured"];
    expected.extend(["measured", "22012", "measured", "measured"]);
    expected.extend(["measured", "did not finish", "measured"]);
    expected.extend(["planned", "planned", "planned", "planned", "0A000", "0A000", "did not finish"]);
    assert_eq!(ends, expected);
    session.execute("EXECUTE theirs; DEALLOCATE theirs").await.expect("it is there yet");
    assert_clean(session).await;
    let kept = session.query("SELECT count(*) FROM orders WHERE note = 'n'").await.expect("the table");
    assert_eq!(kept.scalar(), Some("20000"));
}
