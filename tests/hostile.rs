//! Migrations that mean harm: refused or contained, told in the report, and the machine untouched. Needs a server.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch::confine::ability;
use seatrial::engine::postgres::launch::{RunAs, Tool, run_tool};
use seatrial::engine::postgres::server::{MAX_CONNECTIONS, RESERVED_CONNECTIONS, SUPERUSER};
use seatrial::engine::postgres::session::{Session, quote_literal};
use serde_json::Value;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::place::{Place, ROLE};
use support::{Ran, project, run, seatrial, share_initdb, state_folder};
use tempfile::TempDir;

/// A folder of the machine that everybody may read and write, with a file in it. Not where tests have their servers, nor
/// where servers share memory.
struct Canary {
    folder: TempDir,
}

impl Canary {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("canary-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let canary = Self { folder };
        std::fs::write(canary.secret(), "sings").unwrap();
        std::fs::set_permissions(canary.secret(), PermissionsExt::from_mode(0o666)).unwrap();
        canary
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Nobody made or changed anything there.
    fn assert_untouched(&self) {
        assert_eq!(support::names(self.folder.path()), ["secret"]);
        assert_eq!(std::fs::read_to_string(self.secret()).unwrap(), "sings");
    }
}

/// With what every statement in here tries to leave its copy.
fn ways_out(canary: &Canary) -> Vec<(&'static str, String)> {
    let [secret, made] = ["secret", "made"].map(|name| canary.path(name));
    let touch = quote_literal(&format!("touch {made}"));
    let cat = quote_literal(&format!("cat {secret}"));
    let [secret, made] = [secret, made].map(|path| quote_literal(&path));
    vec![
        ("a program that is told", format!("COPY (SELECT 1) TO PROGRAM {touch}")),
        ("a program that tells", format!("CREATE TABLE told (line text); COPY told FROM PROGRAM {cat}")),
        ("a file read", format!("SELECT pg_read_file({secret})")),
        ("a file copied in", format!("CREATE TABLE lines (line text); COPY lines FROM {secret}")),
        ("a file written", format!("COPY (SELECT 1) TO {made}")),
        ("a file overwritten", format!("COPY (SELECT 1) TO {secret}")),
        ("a folder listed", format!("SELECT * FROM pg_ls_dir({})", quote_literal(&canary.path("")))),
        ("a large object from a file", format!("SELECT lo_import({secret})")),
        ("a large object to a file", format!("SELECT lo_export(lo_from_bytea(0, 'x'), {made})")),
        ("a library", format!("LOAD {secret}")),
        ("a function in C", format!("CREATE FUNCTION f() RETURNS int LANGUAGE c AS {secret}, 'f'")),
        ("a tablespace", format!("CREATE TABLESPACE away LOCATION {}", quote_literal(&canary.path("")))),
    ]
}

/// The same folder is open to the user servers run as, where nothing holds it: else nothing here would mean anything.
async fn assert_reachable(canary: &Canary) {
    let mut tool = Tool::new("/bin/sh".into());
    let (secret, other) = (canary.path("secret"), canary.path("x"));
    tool.args = vec!["-c".into(), format!("cat {secret} && touch {other} && rm {other}").into()];
    tool.run_as = RunAs::ServerUser;
    let output = run_tool(tool).await.unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_str()), (&b"sings"[..], ""));
    canary.assert_untouched();
}

fn binaries() -> Binaries {
    Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server to test with")
}

#[tokio::test]
async fn even_a_superuser_does_not_get_out_of_the_server() {
    let (place, canary) = (Place::new().await, Canary::new());
    assert_reachable(&canary).await;
    let able = ability(&binaries().postgres()).await;
    let confined = place.confined();
    assert_eq!(
        (confined.files, confined.no_network),
        (able.files, able.missing().is_none() || able.network != Default::default())
    );
    // Whether anything is confined or not, the role of migrations does nothing of it.
    let mut migration = place.session("postgres", ROLE).await.unwrap();
    let more = ["ALTER ROLE app SUPERUSER", "SET session_replication_role = replica", "CREATE EXTENSION file_fdw"];
    let more =
        more.into_iter().chain(["CREATE ROLE mighty IN ROLE pg_execute_server_program", "DROP DATABASE template1"]);
    let all = ways_out(&canary).into_iter().chain(more.map(|sql| ("more rights", sql.to_owned())));
    for (what, sql) in all {
        let refused = migration.execute(&sql).await.expect_err(what);
        assert_eq!(refused.sqlstate, "42501", "{what}: {refused}");
    }
    migration.close().await;
    let mut session = place.session("postgres", SUPERUSER).await.unwrap();
    if confined.files {
        for (what, sql) in ways_out(&canary) {
            let refused = session.execute(&sql).await;
            assert!(refused.is_err(), "{what}: {sql}");
        }
        for path in ["/etc/passwd", "/proc/self/environ", "/proc/1/cmdline", "/bin/sh", "/etc/hostname"] {
            let read = session.query(&format!("SELECT pg_read_file({})", quote_literal(path))).await;
            assert!(read.is_err(), "{path}: {read:?}");
        }
        for folder in ["/", "/tmp", "/home", "/root", "/dev/shm", "/proc"] {
            let listed = session.query(&format!("SELECT pg_ls_dir({})", quote_literal(folder))).await;
            assert!(listed.is_err(), "{folder}: {listed:?}");
        }
        // What the server itself would run once it is told to look at its settings.
        let archive = quote_literal(&format!("touch {}", canary.path("made")));
        for setting in ["ssl_passphrase_command", "archive_command", "restore_command"] {
            session.execute(&format!("ALTER SYSTEM SET {setting} = {archive}")).await.unwrap();
        }
        session.execute("SELECT pg_reload_conf(); SELECT pg_switch_wal(); CHECKPOINT").await.unwrap();
    }
    if confined.no_network {
        let [own, its] = ["self".to_owned(), place.pid().to_string()]
            .map(|pid| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap());
        assert_ne!(own, its, "a namespace of its own");
        let devices = std::fs::read_to_string(format!("/proc/{}/net/dev", place.pid())).unwrap();
        assert_eq!(devices.lines().filter(|line| line.contains(':')).count(), 1, "{devices}");
        if session.execute("CREATE EXTENSION dblink").await.is_ok() {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let port = listener.local_addr().unwrap().port();
            let called = session
                .query(&format!(
                    "SELECT dblink_connect('host=127.0.0.1 port={port} user=x password=x connect_timeout=2')"
                ))
                .await;
            assert!(called.is_err(), "{called:?}");
            assert!(listener.accept().is_err(), "nobody called");
        }
    }
    session.close().await;
    canary.assert_untouched();
}

#[tokio::test]
async fn what_a_server_needs_it_still_reaches() {
    let place = Place::new().await;
    let mut session = place.session("postgres", SUPERUSER).await.unwrap();
    for sql in [
        // Shared memory among parallel workers, and files for what does not fit into memory.
        "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; \
         SET min_parallel_table_scan_size = 0; SET work_mem = '64kB'; \
         CREATE TABLE t AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 50000) g; \
         SELECT count(*) FROM (SELECT text FROM t ORDER BY text, id DESC OFFSET 0) AS sorted",
        "CREATE INDEX CONCURRENTLY ON t (text)",
        "REINDEX TABLE CONCURRENTLY t",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX ON t USING gin (text gin_trgm_ops)",
        "CREATE EXTENSION pgcrypto; SELECT digest('x', 'sha256'), gen_random_uuid(), gen_random_bytes(3)",
        "SELECT now() AT TIME ZONE 'Europe/Berlin', now() AT TIME ZONE 'Pacific/Chatham'",
        "SELECT to_tsvector('english', 'ran running'), ts_lexize('english_stem', 'running')",
        "CREATE COLLATION plain (provider = libc, locale = 'C.utf8'); SELECT 'a' < 'B' COLLATE plain",
        "CREATE DATABASE another",
        "DROP DATABASE another",
        "VACUUM (FULL, ANALYZE) t",
    ] {
        session.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let plan = session.query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT sum(length(text)) FROM t").await.unwrap();
    let plan: Vec<String> = plan.rows.into_iter().flatten().flatten().collect();
    assert!(plan.iter().any(|line| line.contains("Workers Launched: 2")), "{plan:#?}");
    session.close().await;
}

#[tokio::test]
async fn who_looks_on_gets_in_however_many_sessions_a_migration_holds() {
    let place = Place::new().await;
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS - RESERVED_CONNECTIONS - 1 {
        held.push(place.session("postgres", ROLE).await.unwrap());
    }
    for _ in 0..5 {
        let mut observer = Session::observer(place.endpoint(), "postgres", "test").await.unwrap();
        let sessions = observer.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").await.unwrap();
        assert_eq!(sessions.scalar(), Some(held.len().to_string().as_str()));
        observer.close().await;
    }
}

/// A project with rows that are nobody's business, migrations to run and a state folder of its own.
struct Sea {
    project: TempDir,
    state: PathBuf,
    own: bool,
}

const SOURCE: &str = "CREATE ROLE app LOGIN CREATEROLE CREATEDB;
CREATE ROLE other LOGIN;
CREATE TABLE public.notes (id integer PRIMARY KEY, note text);
ALTER TABLE public.notes OWNER TO app;
INSERT INTO public.notes VALUES (1, 'hush-rows'), (2, 'hush-rows');
CREATE FUNCTION public.fair(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
ALTER FUNCTION public.fair(text) OWNER TO app;
CREATE TABLE public.votes (id integer PRIMARY KEY, vote text, CONSTRAINT fair CHECK (public.fair(vote)));
ALTER TABLE public.votes OWNER TO app;
INSERT INTO public.votes VALUES (1, 'aye');
";

impl Sea {
    fn new(name: &str) -> Self {
        let state = state_folder(&format!("hostile-{name}"));
        if state.exists() {
            std::fs::remove_dir_all(&state).unwrap();
        }
        share_initdb(&state);
        let sea = Self { project: project(), state, own: true };
        sea.write("source.sql", SOURCE);
        sea
    }

    /// With the state folder of all tests that do not look into it.
    fn shared() -> Self {
        let sea = Self { project: project(), state: support::shared_state(), own: false };
        sea.write("source.sql", SOURCE);
        sea
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.project.path().join(name), text).unwrap();
    }

    fn check(&self, migration: &str, args: &[&str]) -> Ran {
        self.write("migration.sql", migration);
        let mut command = seatrial(self.project.path(), &self.state);
        run(command.args(["check", "migration.sql", "--source", "source.sql", "--format", "json"]).args(args))
    }
}

impl Drop for Sea {
    fn drop(&mut self) {
        if self.own {
            // What stays after a failure is removed by the next run of the test.
            let _ = std::fs::remove_dir_all(&self.state);
        }
    }
}

fn ids(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().filter_map(|finding| finding["id"].as_str()).collect()
}

#[test]
fn what_reaches_out_is_refused_with_a_finding() {
    let (sea, canary) = (Sea::shared(), Canary::new());
    let kept = ["a program that is told", "a file read", "a large object to a file", "a function in C"];
    let mut attempts = ways_out(&canary);
    attempts.retain(|(what, _)| kept.contains(what));
    for (what, sql) in [
        ("another server", "CREATE EXTENSION dblink"),
        ("the server's settings", "ALTER SYSTEM SET archive_command = 'true'"),
        ("being the superuser", "SET ROLE seatrial_superuser"),
        ("running programs", "GRANT pg_execute_server_program TO app"),
        ("another's database", "DROP DATABASE template1"),
    ] {
        attempts.push((what, sql.to_owned()));
    }
    for (what, sql) in attempts {
        let ran = sea.check(&format!("{sql};\n"), &["--passes", "measure"]);
        let report = ran.report();
        let found = ids(&report);
        let told = found.contains(&"apply/needs-privilege") || found.contains(&"apply/failed");
        assert!(told && report["answers"]["applies"]["verdict"] != "yes", "{what}: {found:?}\n{}", ran.stderr);
        // There is no other database on a copy.
        assert!(what == "another's database" || found.contains(&"apply/needs-privilege"), "{what}: {found:?}");
        assert!(!report["engine"]["role"].as_str().unwrap().starts_with("seatrial"));
        canary.assert_untouched();
    }
}

#[test]
fn what_is_in_force_is_listed_and_an_extension_is_created_only_if_it_is_named() {
    let sea = Sea::shared();
    let migration = "CREATE EXTENSION file_fdw;\nCREATE TABLE public.extra (id integer);\n";
    let refused = sea.check(migration, &["--passes", "measure"]).report();
    let finding = &refused["findings"].as_array().unwrap().iter().find(|f| f["id"] == "apply/needs-privilege").unwrap();
    assert!(finding["advice"].as_str().unwrap().contains("extensions = [\"file_fdw\"]"), "{finding}");

    sea.write("seatrial.toml", "extensions = [\"file_fdw\"]\n");
    let ran = sea.check(migration, &["--passes", "measure,prove"]);
    let report = ran.report();
    assert_eq!(report["answers"]["applies"]["verdict"], "yes", "{}", ran.stderr);
    assert_eq!(report["rollback"]["proof"]["schema"], "equal", "{}", report["rollback"]);
    assert!(report["notes"].to_string().contains("file_fdw"), "{}", report["notes"]);
    // The rights are gone again.
    let ran = sea.check("CREATE EXTENSION file_fdw;\nCREATE EXTENSION dblink;\n", &["--passes", "measure"]);
    assert!(ids(&ran.report()).contains(&"apply/needs-privilege"), "{}", ran.stdout);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    seatrial::engine::postgres::launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
    let able = runtime.block_on(ability(&binaries().postgres()));
    let listed = report["engine"]["confinement"].to_string();
    assert!(listed.contains("no_tcp_listener") && listed.contains("unprivileged_role"), "{listed}");
    assert_eq!(listed.contains("filesystem_landlock"), able.files, "{listed}");
    assert_eq!(listed.contains("no_outbound_network"), able.network != Default::default(), "{listed}");
    assert_eq!(report["notes"].to_string().contains("on this machine"), able.missing().is_some());
}

#[test]
fn what_never_ends_is_ended_from_outside() {
    let sea = Sea::new("endless");
    // The base is there: the time goes to the migration.
    assert_eq!(sea.check("SELECT 1;\n", &["--passes", "measure"]).code, Some(0));
    // Catches its own cancellation, and has lifted every limit of time.
    let migration = "SET statement_timeout = 0;\nDO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled \
         OR OTHERS THEN NULL; END; END LOOP; END $$;\n";
    let ran = sea.check(migration, &["--passes", "measure", "--max-time", "2s"]);
    let report = ran.report();
    assert_eq!(ran.code, Some(124), "{}", ran.stderr);
    assert_eq!(report["answers"]["applies"]["verdict"], "unknown");
    assert!(!ids(&report).contains(&"apply/failed"), "{:?}", ids(&report));
    assert_eq!(support::traces::left_behind(&sea.state), Vec::<String>::new());
}

#[test]
fn what_fills_the_disk_is_ended_from_outside_and_blamed_on_the_budget() {
    let sea = Sea::new("disk");
    let filler = "SET temp_tablespaces = '';\nCREATE TABLE public.much AS SELECT repeat(md5(g::text), 200) AS text FROM \
         generate_series(1, 1000000000) AS g;\n";
    let ran = sea.check(filler, &["--passes", "measure,prove", "--max-disk", "200MB"]);
    let report = ran.report();
    assert_eq!(ran.code, Some(124), "{}\n{}", ran.stderr, report["passes"]);
    let reason = report["passes"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("budget of disk is spent: the copy has grown to"), "{reason}");
    assert_eq!(report["answers"]["applies"]["verdict"], "unknown");
    assert!(!ids(&report).contains(&"apply/failed") && ids(&report).contains(&"config/not-measured"));
    assert_eq!(support::traces::left_behind(&sea.state), Vec::<String>::new());
}

#[test]
fn locks_without_end_are_the_migration_s_failure_and_the_report_s_whole() {
    let sea = Sea::shared();
    let flood = "SELECT pg_advisory_lock(g) FROM generate_series(1, 10000000) AS g;\n";
    let ran = sea.check(flood, &["--passes", "measure"]);
    let report = ran.report();
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ids(&report).contains(&"apply/failed") && report["complete"] == true, "{:?}", ids(&report));
}

#[test]
fn what_a_migration_does_to_all_databases_reaches_no_other_pass() {
    let sea = Sea::shared();
    let migration = "DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = 'app' AND setconfig::text
               LIKE '%work_mem%') THEN RAISE EXCEPTION 'an earlier pass was here'; END IF;
END $$;
ALTER ROLE app SET work_mem = '77MB';
ALTER TABLE public.notes ADD COLUMN extra integer;
";
    let ran = sea.check(migration, &["--passes", "measure,prove"]);
    let report = ran.report();
    assert_eq!(report["answers"]["applies"]["verdict"], "yes", "{}", report["findings"]);
    for pass in report["passes"].as_array().unwrap().iter().take(2) {
        assert_eq!((&pass["ran"], &pass["reason"]), (&Value::Bool(true), &Value::Null), "{pass}");
    }
    assert_eq!(report["rollback"]["proof"]["catalog"], "equal", "{}", report["rollback"]);
    let rollback = report["rollback"]["scripts"]["rollback"].as_str().unwrap();
    assert!(rollback.contains("work_mem"), "{rollback}");
}

/// Functions, operators, casts and types under names that the tool's own SQL uses, which tell when a superuser calls them.
fn tattletales() -> String {
    let tell = "LANGUAGE plpgsql AS $$ BEGIN IF pg_catalog.current_setting('is_superuser') = 'on' THEN \
                RAISE EXCEPTION 'called by a superuser'; END IF; RETURN NULL; END $$";
    let mut sql = String::new();
    for (name, args, returns) in [
        ("format", "text, text", "text"),
        ("format", "text, name", "text"),
        ("quote_ident", "name", "text"),
        ("lower", "name", "text"),
        ("concat", "text, text", "text"),
        ("to_regclass", "name", "regclass"),
        ("set_config", "text, unknown, boolean", "text"),
        ("pg_backend_pid", "", "integer"),
        ("current_database", "", "name"),
        ("count", "integer", "bigint"),
        ("has_schema_privilege", "text, oid, text", "boolean"),
    ] {
        if args.contains("unknown") {
            continue;
        }
        sql.push_str(&format!("CREATE FUNCTION public.{name}({args}) RETURNS {returns} {tell};\n"));
    }
    let mut operators = 0;
    for (left, right) in
        [("name", "text"), ("name", "varchar"), ("oid", "integer"), ("\"char\"", "text"), ("text", "name")]
    {
        for operator in ["=", "<>", "!~"] {
            operators += 1;
            sql.push_str(&format!(
                "CREATE FUNCTION public.compared_{operators}({left}, {right}) RETURNS boolean {tell};\n\
                 CREATE OPERATOR public.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = \
                 public.compared_{operators});\n"
            ));
        }
    }
    sql.push_str(&format!(
        "CREATE TYPE public.mood AS ENUM ('calm', 'rough');
CREATE FUNCTION public.shown(public.mood) RETURNS text {tell};
CREATE CAST (public.mood AS text) WITH FUNCTION public.shown(public.mood) AS IMPLICIT;
CREATE TABLE public.seas (id integer PRIMARY KEY, mood public.mood, name text);
INSERT INTO public.seas VALUES (1, 'calm', 'a'), (2, 'rough', 'b');
CREATE FUNCTION public.fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF pg_catalog.current_setting('is_superuser') = 'on' THEN RAISE EXCEPTION 'fired by a superuser'; END IF;
    RETURN NEW; END $$;
CREATE TRIGGER fired BEFORE INSERT OR UPDATE ON public.notes FOR EACH ROW EXECUTE FUNCTION public.fired();
UPDATE public.notes SET note = 'other' WHERE id = 1;
DELETE FROM public.notes WHERE id = 2;
ALTER TABLE public.votes DROP CONSTRAINT fair;
CREATE OR REPLACE FUNCTION public.fair(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF pg_catalog.current_setting('is_superuser') = 'on' THEN RAISE EXCEPTION 'counted by a superuser'; END IF;
    RETURN true; END $$;
"
    ));
    sql
}

#[test]
fn what_has_the_name_of_the_server_s_own_is_never_called_with_a_superuser_s_rights() {
    let sea = Sea::shared();
    let migration = format!(
        "ALTER ROLE app SET search_path = public, pg_catalog;\nDO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = \
         public, pg_catalog', current_database()); END $$;\n{}",
        tattletales()
    );
    let ran = sea.check(&migration, &["--passes", "measure,prove"]);
    let report = ran.report();
    assert_eq!(report["answers"]["applies"]["verdict"], "yes", "{}\n{}", ran.stderr, report["findings"]);
    for pass in report["passes"].as_array().unwrap().iter().take(2) {
        assert_eq!((&pass["ran"], &pass["reason"]), (&Value::Bool(true), &Value::Null), "{pass}");
    }
    let conditions = report["rollback"]["conditions"].to_string();
    assert!(
        conditions.contains("on the copy: 0 rows against it") && !conditions.contains("could not be"),
        "{conditions}"
    );
    assert_eq!(report["rollback"]["proof"]["rows"], "equal", "{}", report["rollback"]["differences"]);
}

/// Every file below a folder, data directories left out.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let data = ["data", "initdb"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !data {
            files(&path, found);
        } else if path.is_file() && path.extension().is_none_or(|extension| extension != "dump") {
            found.push(path);
        }
    }
}

/// What other processes than `pid` show of the secrets, the environment of pg_dump and of what becomes it left out: that is
/// where it takes a password from, and what only its own user can read.
fn shown_by_processes(pid: u32, secrets: &[&str]) -> Vec<String> {
    let mut shown = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Ok(each) = name.parse::<u32>() else { continue };
        if each == pid || each == std::process::id() {
            continue;
        }
        let program = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            for secret in secrets {
                if text.contains(secret)
                    && !(file == "environ" && ["pg_dump", "seatrial", "exe", "child"].contains(&program.trim()))
                {
                    shown.push(format!("{secret} in {file} of {program}"));
                }
            }
        }
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_gets_into_anything_that_is_written_or_shown() {
    const SECRETS: [&str; 3] = ["hush-password", "hush-environment", "hush-rows"];
    let (place, sea) = (Place::new().await, Sea::new("secrets"));
    place
        .execute("postgres", SUPERUSER, "CREATE TABLE public.notes (id int, note text); INSERT INTO notes VALUES (1, 'hush-rows'), (2, 'hush-rows')")
        .await
        .unwrap();
    let endpoint = place.endpoint();
    let folder = endpoint.socket_dir.to_str().unwrap().replace('/', "%2F");
    let source = format!("postgres://{SUPERUSER}:hush-password@{folder}:{}/postgres", endpoint.port);
    sea.write("migration.sql", "CREATE INDEX ON public.notes (id);\nCREATE UNIQUE INDEX ON public.notes (note);\n");
    let out = sea.project.path().join("out");
    let mut command = seatrial(sea.project.path(), &sea.state);
    command.env("SEATRIAL_SOURCE", &source).env("AWS_SECRET_ACCESS_KEY", "hush-environment").args([
        "check",
        "migration.sql",
        "--out",
        out.to_str().unwrap(),
        "--verbose",
        "--format",
        "text",
        "--format",
        "markdown=all.md",
        "--format",
        "html=all.html",
        "--format",
        "sarif=all.sarif",
        "--format",
        "junit=all.xml",
        "--format",
        "json=all.json",
    ]);
    let child = command.spawn().unwrap();
    let pid = child.id();
    let watching = tokio::task::spawn_blocking(move || {
        let mut shown = Vec::new();
        while Path::new(&format!("/proc/{pid}/cmdline")).exists()
            && std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|text| !text.is_empty())
        {
            shown.extend(shown_by_processes(pid, &SECRETS));
            std::thread::yield_now();
        }
        shown
    });
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stdout}\n{stderr}");
    assert!(stdout.contains("apply/violating-rows"), "{stdout}");
    assert_eq!(watching.await.unwrap(), Vec::<String>::new());
    let mut written = Vec::new();
    files(sea.project.path(), &mut written);
    files(&sea.state, &mut written);
    assert!(written.len() > 10, "{written:?}");
    for secret in SECRETS {
        assert!(!stdout.contains(secret) && !stderr.contains(secret), "{secret}\n{stdout}\n{stderr}");
        for path in &written {
            if path.ends_with("source.sql") {
                continue;
            }
            let text = std::fs::read(path).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&text).contains(secret), "{secret} in {}", path.display());
        }
    }
    // Where nothing can be reached, what is said of it holds no password either.
    let wrong = source.replace(&folder, "%2Fnowhere");
    let ran =
        run(seatrial(sea.project.path(), &sea.state).env("SEATRIAL_SOURCE", wrong).args(["check", "migration.sql"]));
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hush-password") && !ran.stdout.contains("hush-password"), "{}", ran.stderr);
}
