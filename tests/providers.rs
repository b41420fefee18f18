//! Copies on an existing server, and clones that a command hands out: the same answers as on servers of the run's own,
//! nothing left behind, and never where the source is. Needs a PostgreSQL server, and psql beside it.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::server::SUPERUSER;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Command;
use support::place::Place;
use support::{Ran, project, run, seatrial, shared_state, state_folder};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixStream};

const SHOP: &str = "\
CREATE TABLE public.orders (id bigint PRIMARY KEY, customer bigint NOT NULL, status text, note text);
INSERT INTO public.orders SELECT g, g % 500, CASE WHEN g % 10 = 0 THEN 'open' ELSE 'done' END, 'x' FROM generate_series(1, 20000) g;
CREATE INDEX orders_customer ON public.orders (customer);
ALTER TABLE public.orders OWNER TO shopkeeper;
GRANT SELECT ON public.orders TO bystander;
";

const MIGRATION: &str = "\
ALTER TABLE orders ADD COLUMN total numeric NOT NULL DEFAULT 0;
DROP INDEX orders_customer;
CREATE INDEX orders_status ON orders (status);
";

const QUERIES: &str = "\
-- name: of_customer
SELECT * FROM orders WHERE customer = 7;
-- name: open_orders
SELECT count(*) FROM orders WHERE status = 'open';
";

/// A server of somebody's, with databases and roles that are none of ours, and a project.
struct Case {
    server: Place,
    project: TempDir,
}

impl Case {
    async fn new() -> Self {
        let server = Place::new().await;
        let roles = "CREATE ROLE bystander LOGIN; ALTER ROLE bystander SET work_mem = '9MB'; \
                     CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE plain LOGIN";
        server.execute("postgres", SUPERUSER, roles).await.unwrap();
        let project = project();
        let case = Self { server, project };
        case.write("shop.sql", SHOP);
        case.write("migration.sql", MIGRATION);
        case.write("queries/orders.sql", QUERIES);
        case
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.project.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn url(&self, user: &str, database: &str) -> String {
        let endpoint = self.server.endpoint();
        format!("postgres://{user}@/{database}?host={}&port={}", endpoint.socket_dir.display(), endpoint.port)
    }

    fn check(&self, args: &[&str]) -> Command {
        let mut command = seatrial(self.project.path(), &shared_state());
        command.args(["check", "migration.sql", "--queries", "queries", "--format", "json"]).args(args);
        command
    }

    /// With copies on the server, as this user.
    fn check_on_server(&self, user: &str, args: &[&str]) -> Ran {
        let url = self.url(user, "postgres");
        run(self.check(&["--source", "shop.sql"]).args(args).env("SEATRIAL_COPIES_URL", url))
    }

    async fn rows(&self, database: &str, sql: &str) -> BTreeSet<String> {
        let mut session = self.server.session(database, SUPERUSER).await.unwrap();
        let rows = session.query(sql).await.unwrap().rows;
        session.close().await;
        let text =
            |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(" | ");
        rows.into_iter().map(text).collect()
    }

    async fn databases(&self) -> BTreeSet<String> {
        self.rows("postgres", "SELECT datname FROM pg_database").await
    }

    /// Roles, their attributes, memberships and settings: what everybody on the server shares.
    async fn shared(&self) -> BTreeSet<String> {
        let mut shared = self
            .rows("postgres", "SELECT rolname, rolsuper, rolcanlogin, rolcreatedb, rolcreaterole FROM pg_roles")
            .await;
        shared.extend(self.rows("postgres", "SELECT roleid::regrole, member::regrole FROM pg_auth_members").await);
        shared.extend(
            self.rows("postgres", "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting").await,
        );
        shared
    }
}

fn words(report: &Value) -> (String, Vec<String>, BTreeSet<String>) {
    let answers = ["applies", "blocks", "slower", "undoable"];
    let answers = answers.map(|answer| format!("{answer} {}", report["answers"][answer]["verdict"].as_str().unwrap()));
    let findings = report["findings"].as_array().unwrap().iter();
    let findings = findings.map(|finding| format!("{} {}", finding["id"], finding["statement"]));
    (report["verdict"].as_str().unwrap().to_owned(), answers.into(), findings.collect())
}

fn notes(report: &Value) -> String {
    report["source"]["fidelity_notes"].to_string()
}

#[track_caller]
fn assert_refused(ran: &Ran, why: &str) {
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
}

#[tokio::test]
async fn an_existing_server_gives_the_same_answers_and_is_left_as_it_was() {
    let case = Case::new().await;
    // What would give the copy's owner rights beyond it is left out.
    let boss = "CREATE ROLE boss SUPERUSER; CREATE ROLE owner_elsewhere";
    case.server.execute("postgres", SUPERUSER, boss).await.unwrap();
    let beyond = "GRANT boss TO shopkeeper;\nALTER GROUP owner_elsewhere ADD USER shopkeeper;\n";
    case.write("shop.sql", &[SHOP, beyond].concat());
    let private = run(&mut case.check(&["--source", "shop.sql"])).report();
    let before = case.shared().await;
    let report = case.check_on_server(SUPERUSER, &[]).report();
    assert_eq!(words(&report), words(&private));
    assert_eq!(report["engine"]["role"], "shopkeeper", "the owner, whoever logs in");
    assert_eq!(report["engine"]["confinement"].to_string(), "[\"unprivileged_role\"]");
    assert_eq!(report["rollback"]["verdict"], "exact");
    let mut after = case.shared().await;
    assert!(after.remove("shopkeeper | f | f | f | f"), "the base needs it: {after:?}");
    assert_eq!(after, before);
    let ours: Vec<String> = case.databases().await.into_iter().filter(|name| name.starts_with("seatrial_")).collect();
    assert!(matches!(ours.as_slice(), [base] if base.starts_with("seatrial_base_")), "{ours:?}");
    let closed = case.rows("postgres", "SELECT datname FROM pg_database WHERE NOT datallowconn").await;
    assert!(closed.contains(&ours[0]), "nobody connects to a base: {closed:?}");

    // The second run finds the base, and an unchanged database gives nothing.
    case.write("migration.sql", "SELECT 1;\n");
    let ran = case.check_on_server(SUPERUSER, &[]);
    assert!(!ran.stderr.contains("restoring"), "{}", ran.stderr);
    let estimate = ran.stderr.lines().find(|line| line.contains("copies, one at a time")).unwrap_or_default();
    assert!(estimate.ends_with(" MB and made on another server"), "{}", ran.stderr);
    assert_eq!(words(&ran.report()).2, BTreeSet::new());

    // What a migration changes for the whole server is put back.
    case.write("migration.sql", "ALTER ROLE shopkeeper SET work_mem = '7MB';\nSELECT 1;\n");
    let ran = case.check_on_server(SUPERUSER, &["--passes", "measure"]);
    assert!(ran.stderr.contains("changed settings of role shopkeeper"), "{}", ran.stderr);
    let settings =
        case.rows("postgres", "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'shopkeeper'::regrole").await;
    assert_eq!(settings, BTreeSet::new());

    // Somebody may give them later: then nothing is run any more.
    case.server.execute("postgres", SUPERUSER, "GRANT owner_elsewhere TO shopkeeper").await.unwrap();
    assert_refused(&case.check_on_server(SUPERUSER, &[]), "is a member of owner_elsewhere");
    case.server.execute("postgres", SUPERUSER, "REVOKE owner_elsewhere FROM shopkeeper").await.unwrap();

    // Rights of others are out of reach: nothing is run as a role that was there before.
    let ran = case.check_on_server(SUPERUSER, &["--role", "bystander"]);
    assert_refused(&ran, "bystander was on database postgres");
    let leftovers = case.rows("postgres", "SELECT rolname FROM pg_roles WHERE rolname ~ '^seatrial_run_'").await;
    assert_eq!(leftovers, BTreeSet::new());
}

#[tokio::test]
async fn a_user_that_may_make_databases_is_enough_and_what_it_cannot_tell_is_unknown() {
    let case = Case::new().await;
    let private = words(&run(&mut case.check(&["--source", "shop.sql"])).report());
    let before = case.shared().await;
    let ran = case.check_on_server("maker", &[]);
    let report = ran.report();
    let (verdict, answers, findings) = words(&report);
    assert_eq!((&verdict, &answers[..3]), (&private.0, &private.1[..3]), "{}", ran.stderr);
    assert_eq!(answers[3], "undoable unknown");
    let of_measure = |findings: &BTreeSet<String>| -> BTreeSet<String> {
        findings
            .iter()
            .filter(|finding| !finding.contains("config/") && !finding.contains("rollback/"))
            .cloned()
            .collect()
    };
    assert_eq!(of_measure(&findings), of_measure(&private.2));
    let prove = report["passes"].as_array().unwrap().iter().find(|pass| pass["name"] == "prove").unwrap();
    assert!(prove["ran"] == false && prove["reason"].as_str().unwrap().contains("pg_authid"), "{prove}");
    let notes = notes(&report);
    for said in ["run as maker", "fresh sample", "others did on the server"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    assert!(report["source"]["restore_warnings"].to_string().contains("owners and privileges are left out"));
    assert_eq!(report["engine"]["confinement"], serde_json::json!([]));
    assert_eq!(case.shared().await, before);

    case.write("migration.sql", "SELECT 1;\n");
    let (verdict, _, findings) = words(&case.check_on_server("maker", &[]).report());
    assert_eq!((verdict.as_str(), of_measure(&findings)), ("warn", BTreeSet::new()), "undoable alone is unknown");

    // Its own settings hold everywhere, and a migration that runs as it may change them.
    case.write("migration.sql", "ALTER ROLE maker SET search_path = nowhere, \"odd \"\"one\";\n");
    let path = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'maker'::regrole AND setdatabase = 0";
    case.server
        .execute("postgres", SUPERUSER, "ALTER ROLE maker SET search_path = public, \"odd \"\"two\"")
        .await
        .unwrap();
    let kept = case.rows("postgres", path).await;
    case.check_on_server("maker", &["--passes", "measure"]).report();
    assert_eq!(case.rows("postgres", path).await, kept);

    let ran = case.check_on_server("plain", &[]);
    assert_refused(&ran, "user plain of database postgres");
}

#[tokio::test]
async fn no_copy_is_made_where_the_source_is_however_it_is_spelled() {
    let case = Case::new().await;
    case.server.execute("postgres", SUPERUSER, "CREATE DATABASE production").await.unwrap();
    let endpoint = case.server.endpoint();
    // A port that is forwarded: the server itself sees its socket alone.
    let forward = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = forward.local_addr().unwrap().port();
    let socket = endpoint.socket_dir.join(format!(".s.PGSQL.{}", endpoint.port));
    tokio::spawn(async move {
        while let Ok((mut here, _)) = forward.accept().await {
            let mut there = UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut here, &mut there).await });
        }
    });
    let encoded = endpoint.socket_dir.display().to_string().replace('/', "%2F");
    let before = case.databases().await;
    let source = case.url(SUPERUSER, "production");
    for copies in [
        case.url("maker", "production"),
        case.url("maker", "postgres"),
        format!("postgresql://maker@{encoded}:{}/postgres", endpoint.port),
        format!("postgres://maker@127.0.0.1:{port}/production"),
        format!("postgres://maker@localhost:{port}/postgres?sslmode=disable"),
    ] {
        let mut command = case.check(&["--source", &source]);
        command.env("SEATRIAL_COPIES_URL", &copies);
        // The forwarder is this test's own task.
        let ran = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
        assert_refused(&ran, "nothing is ever rehearsed there");
        let same = copies.contains("/production");
        let what = if same { "is the source itself" } else { "is the server that the source is on" };
        assert!(ran.stderr.contains(what), "{copies}: {}", ran.stderr);
    }
    assert_eq!(case.databases().await, before);
    // Who cannot be asked is taken for the same.
    let gone = "postgres://app@127.0.0.1:1/production";
    let ran = run(case.check(&["--source", gone]).env("SEATRIAL_COPIES_URL", case.url("maker", "postgres")));
    assert_refused(&ran, "cannot be told, so none is made");
}

/// A command that makes clones by `CREATE DATABASE … TEMPLATE`, and one that drops them.
fn commands(case: &Case, create: &str) -> String {
    let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).unwrap();
    let psql = binaries.dir.join("psql");
    let psql = if psql.exists() { psql } else { PathBuf::from("/usr/lib/postgresql/15/bin/psql") };
    let endpoint = case.server.endpoint();
    let psql = format!(
        "{} -XqAt -h {} -p {} -U {SUPERUSER} -d postgres",
        psql.display(),
        endpoint.socket_dir.display(),
        endpoint.port
    );
    let clone = case.url("maker", "'\"$SEATRIAL_COPY_NAME\"'");
    case.write(
        "create.sh",
        &format!("set -e\nPSQL='{psql}'\necho created >&2\n{}\n", create.replace("@CLONE@", &format!("'{clone}'"))),
    );
    case.write(
        "destroy.sh",
        &format!(
            "set -e\nPSQL='{psql}'\necho \"$SEATRIAL_COPY_NAME $SEATRIAL_COPY_URL\" >> destroyed\n\
             $PSQL -c \"DROP DATABASE IF EXISTS \\\"$SEATRIAL_COPY_NAME\\\" WITH (FORCE)\"\n"
        ),
    );
    "[copies]\ncreate = \"sh create.sh\"\ndestroy = \"sh destroy.sh\"\n".to_owned()
}

const CREATE: &str =
    "$PSQL -c \"CREATE DATABASE \\\"$SEATRIAL_COPY_NAME\\\" TEMPLATE production OWNER maker\"\necho @CLONE@";

#[tokio::test]
async fn a_command_hands_out_clones_and_takes_each_of_them_back() {
    let case = Case::new().await;
    case.server.execute("postgres", SUPERUSER, "CREATE DATABASE production OWNER maker").await.unwrap();
    let shop = SHOP.replace("OWNER TO shopkeeper", "OWNER TO maker");
    case.server.execute("production", SUPERUSER, &shop).await.unwrap();
    case.server.execute("production", SUPERUSER, "ANALYZE").await.unwrap();
    case.write("seatrial.toml", &format!("{}fidelity = \"physical\"\n", commands(&case, CREATE)));
    let before = (case.databases().await, case.shared().await);
    let source = case.url("maker", "production");

    let ran = run(&mut case.check(&[]));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("allow it with --run-command"), "{}", ran.stderr);

    let ran = run(&mut case.check(&["--run-command", "--source", &source]));
    let report = ran.report();
    let (verdict, answers, _) = words(&report);
    assert_eq!(verdict, "fail", "{}", ran.stderr);
    assert_eq!(answers, ["applies yes", "blocks yes", "slower yes", "undoable unknown"]);
    assert_eq!((&report["source"]["kind"], &report["source"]["fidelity"]), (&"clone".into(), &"physical".into()));
    assert_eq!((case.databases().await, case.shared().await), before);
    let destroyed = std::fs::read_to_string(case.project.path().join("destroyed")).unwrap();
    assert_eq!(destroyed.lines().count(), 2, "one for measure, one for attribute: {destroyed}");
    assert!(destroyed.lines().all(|line| line.contains(" postgresql://maker@")), "{destroyed}");

    // What is named as a clone and is none: the source in another spelling, a database somebody uses, the same one twice.
    let endpoint = case.server.endpoint();
    let encoded = endpoint.socket_dir.display().to_string().replace('/', "%2F");
    let other = format!("echo 'postgres://maker@{encoded}:{}/production'", endpoint.port);
    for (create, why) in [
        (other.as_str(), "is the source itself"),
        (&format!("echo '{source}'"), "is the source itself"),
        ("echo nothing", "must be the postgres:// address"),
        ("echo 'postgres://u:geheim@h' >&2; exit 3", "postgres://u:…@h"),
    ] {
        commands(&case, create);
        let ran = run(&mut case.check(&["--run-command", "--source", &source]));
        assert_refused(&ran, why);
        assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
    }
    let comment = "SELECT count(shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = 'production'";
    assert_eq!(case.rows("postgres", comment).await, BTreeSet::from(["0".to_owned()]), "nothing was written to it");
    let somebody = case.server.session("production", SUPERUSER).await.unwrap();
    commands(&case, &other);
    assert_refused(&run(&mut case.check(&["--run-command"])), "1 other sessions are connected to it");
    somebody.close().await;
    case.server.execute("postgres", SUPERUSER, "CREATE DATABASE once OWNER maker TEMPLATE production").await.unwrap();
    commands(&case, &format!("echo '{}'", case.url("maker", "once")));
    let ran = run(&mut case.check(&["--run-command"]));
    assert!(ran.stderr.contains("used it before"), "the second copy is no fresh one: {}", ran.stderr);
    case.server.execute("postgres", SUPERUSER, "DROP DATABASE once").await.unwrap();
    assert_eq!((case.databases().await, case.shared().await), before);
}

/// Starts a run and waits until its migration is under way.
fn start(mut command: Command) -> std::process::Child {
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("measure …") {
        assert!(progress.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    std::thread::spawn(move || progress.read_to_string(&mut String::new()));
    child
}

#[tokio::test]
async fn what_a_killed_run_left_goes_with_the_next_and_a_signal_leaves_nothing() {
    let case = Case::new().await;
    let state = state_folder("providers-killed");
    case.server.execute("postgres", SUPERUSER, "CREATE DATABASE production OWNER maker").await.unwrap();
    case.server.execute("production", SUPERUSER, &SHOP.replace("OWNER TO shopkeeper", "OWNER TO maker")).await.unwrap();
    case.write("migration.sql", "SELECT pg_sleep(3600);\n");
    let toml = commands(&case, CREATE);
    let ours = "SELECT datname FROM pg_database WHERE datname ~ '^seatrial_run' \
                UNION ALL SELECT rolname FROM pg_roles WHERE rolname ~ '^seatrial_run'";
    for clones in [false, true] {
        let command = || {
            let mut command = seatrial(case.project.path(), &state);
            command.args(["check", "migration.sql", "--passes", "measure"]);
            match clones {
                true => command.arg("--run-command"),
                false => command.args(["--source", "shop.sql", "--copies-url", &case.url(SUPERUSER, "postgres")]),
            };
            command
        };
        if clones {
            case.write("seatrial.toml", &toml);
        }
        let mut killed = start(command());
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(!case.rows("postgres", ours).await.is_empty(), "it had no time to tidy up");
        // A run that lives is left alone by the one that sweeps up after the dead.
        let mut living = start(command());
        let left = case.rows("postgres", ours).await;
        case.write("migration.sql", "SELECT 1;\n");
        let ran = run(&mut command());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(case.rows("postgres", ours).await, left, "clones {clones}: {}", ran.stderr);
        kill(Pid::from_raw(living.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(living.wait().unwrap().code(), Some(143));
        assert_eq!(case.rows("postgres", ours).await, BTreeSet::new(), "clones {clones}");
        case.write("migration.sql", "SELECT pg_sleep(3600);\n");
    }
    std::fs::remove_dir_all(&state).unwrap();
}
