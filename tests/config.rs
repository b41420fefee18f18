//! `seatrial.toml` from outside: its schema, several databases, what is known of production, and `seatrial init`. Needs
//! a PostgreSQL server.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seatrial::cli::CheckArgs;
use seatrial::config::Settings;
use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::parameters;
use seatrial::engine::postgres::server::cluster::create_cluster;
use seatrial::engine::postgres::server::{SUPERUSER, Server, ServerMode};
use seatrial::engine::postgres::session::Session;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Ran, project, repository, run, seatrial, state_folder};
use tempfile::TempDir;

const BLESS: &str = "SEATRIAL_BLESS";

/// Compares a checked-in file with what it should be; writes it when asked to.
fn assert_current(path: &Path, expected: &str) {
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        std::fs::write(path, expected).expect("writable");
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let advice = format!("run `{BLESS}=1 cargo test --test config` and look at the difference");
    assert!(found == expected, "{} is not what the types in src/config/ read: {advice}", path.display());
}

#[test]
fn the_checked_in_schema_is_that_of_the_types() {
    let schema = serde_json::to_string_pretty(&seatrial::config::json_schema()).expect("a schema is JSON") + "\n";
    assert_current(&repository().join("schema/seatrial.schema.json"), &schema);
}

#[test]
fn the_page_names_every_key_parameter_and_default() {
    let page = fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let schema = seatrial::config::json_schema();
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (top, entry) = (&schema["properties"], &schema["$defs"]["Entry"]["properties"]);
    for key in keys(top) {
        assert!(page.contains(&format!("| `{key}`")) || page.contains(&format!(", `{key}` |")), "{key}");
    }
    let only_at_the_top: Vec<String> = keys(top).into_iter().filter(|key| entry.get(key).is_none()).collect();
    assert_eq!(only_at_the_top, ["cache_dir", "out", "format"]);
    for (key, of) in schema["$defs"]["ThresholdKeys"]["properties"].as_object().unwrap() {
        let there = page.replace('\n', " ").contains(&format!("`{key}` ({})", of["default"]));
        assert!(there, "{key} {}", of["default"]);
    }
    for name in
        keys(&schema["$defs"]["ProductionKeys"]["properties"]).iter().map(String::as_str).chain(parameters::NAMES)
    {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    for block in page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let folder = project();
        fs::write(folder.path().join("seatrial.toml"), block).unwrap();
        Settings::resolve(&CheckArgs::default(), folder.path()).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A source, and a migration that it takes or that its rows forbid.
const SHOP: &str = "CREATE ROLE app;
CREATE TABLE orders (id integer PRIMARY KEY, note text);
ALTER TABLE orders OWNER TO app;
INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 4000) n;
";
const LEDGER: &str = "CREATE TABLE entries (id integer, amount integer);
COPY entries (id, amount) FROM stdin;
1\t10
1\t20
\\.
";
const ADDS: &str = "ALTER TABLE orders ADD COLUMN paid boolean;\n";
const FAILS: &str = "ALTER TABLE entries ADD PRIMARY KEY (id);\n";
const TWO: &str = "passes = [\"measure\"]
[[database]]
name = \"shop\"
migrations = \"shop/add.sql\"
source = \"shop/source.sql\"
[[database]]
name = \"ledger\"
migrations = \"ledger/key.sql\"
source = \"ledger/source.sql\"
";

struct Place {
    folder: TempDir,
}

impl Place {
    fn new(config: &str) -> Self {
        let place = Self { folder: project() };
        place.file("seatrial.toml", config);
        place.file("shop/source.sql", SHOP);
        place.file("shop/add.sql", ADDS);
        place.file("ledger/source.sql", LEDGER);
        place.file("ledger/key.sql", FAILS);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = seatrial(self.folder.path(), &state_folder("config"));
        command.args(args);
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Ran {
        let ran = run(&mut self.command(args));
        assert_eq!(ran.code, Some(code), "{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_str(&text).unwrap()
    }
}

fn documents(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().map(|document| document.unwrap()).collect()
}

#[test]
fn several_databases_are_rehearsed_one_after_another_with_one_report_each() {
    let place = Place::new(TWO);
    let ran = place.run(&["check", "--out", "out", "--format", "text,json=all.json"], 1);
    let (shop, ledger) =
        (ran.stdout.find("Database shop\n\n").unwrap(), ran.stdout.find("\nDatabase ledger\n\n").unwrap());
    assert!(shop == 0 && ledger > 0, "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("Applies?").count(), 2);
    for (file, verdict) in [
        ("out/shop/report.json", "yes"),
        ("all-shop.json", "yes"),
        ("out/ledger/report.json", "no"),
        ("all-ledger.json", "no"),
    ] {
        assert_eq!(place.json(file)["answers"]["applies"]["verdict"], verdict, "{file}");
    }
    assert!(!place.path("all.json").exists() && !place.path("out/report.json").exists());

    let ran = place.run(&["check", "--format", "json"], 1);
    let codes: Vec<Value> = documents(&ran.stdout).iter().map(|report| report["exit_code"].clone()).collect();
    assert_eq!(codes, [0, 1]);
}

#[test]
fn the_worst_of_several_databases_is_the_exit_code_and_the_others_are_rehearsed_all_the_same() {
    // 1 would be the ledger's own; 4 is worse, and stands first.
    let place = Place::new(TWO);
    place.file("shop/source.sql", "CREATE TABLE orders (id integer);\nCREATE TABLE nonsense (;\n");
    let ran = place.run(&["check", "--format", "json"], 4);
    assert!(ran.stderr.contains("error: database shop: ") && ran.stderr.contains("source.sql:2"), "{}", ran.stderr);
    let reports = documents(&ran.stdout);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0]["exit_code"], 1);
}

#[test]
fn what_is_wrong_with_one_database_is_known_before_any_is_rehearsed() {
    for (from, to, said) in [
        ("source = \"ledger/source.sql\"\n", "", "database ledger: --source is missing"),
        ("ledger/source.sql", "ledger/nowhere.sql", "database ledger: source "),
        ("ledger/key.sql", "ledger/nowhere.sql", "database ledger: "),
        ("name = \"ledger\"", "name = \"SHOP\"", "seatrial.toml:7:8: the name `SHOP` is taken"),
    ] {
        let place = Place::new(&TWO.replace(from, to));
        let ran = place.run(&["check"], 2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("restoring") && !ran.stderr.contains("measure"));
    }
}

#[test]
fn an_option_for_one_database_needs_to_know_which_one() {
    let place = Place::new(TWO);
    for args in [["check", "shop/add.sql"].as_slice(), &["check", "--source", "shop/source.sql"]] {
        let ran = place.run(args, 2);
        assert!(ran.stderr.contains("shop, ledger; choose one with --database NAME"), "{}", ran.stderr);
    }
    place.file("other.sql", "ALTER TABLE entries ADD COLUMN paid boolean;\n");
    let ran = place.run(&["check", "other.sql", "--database", "ledger", "--out", "out"], 0);
    assert!(ran.stdout.starts_with("Database ledger\n"), "{}", ran.stdout);
    assert_eq!(place.json("out/ledger/report.json")["migrations"][0]["statements"][0]["file"], "other.sql");
}

#[test]
fn an_interrupt_ends_all_of_them() {
    let place = Place::new(TWO);
    place.file("shop/add.sql", "SELECT pg_sleep(600);\n");
    let mut child = place.command(&["check"]).spawn().unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.lines().any(|line| line.starts_with("measure")) {
        assert!(progress.read_line(&mut said).unwrap() > 0, "{said}");
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    progress.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("database shop") && !said.contains("database ledger"), "{said}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("Database shop") && !stdout.contains("Database ledger"), "{stdout}");
}

const PRODUCTION: &str = "passes = [\"measure\"]
migrations = \"shop/add.sql\"
source = \"shop/source.sql\"
queries = [\"queries.sql\"]
[production]
version = \"12.4\"
[production.settings]
work_mem = \"77MB\"
random_page_cost = 1.25
jit = true
lock_timeout = \"9s\"
[production.role_settings.app]
work_mem = \"55MB\"
enable_seqscan = \"off\"
[production.role_settings.nobody_here]
work_mem = \"55MB\"
[production.sizes]
database_bytes = 900000000000
\"public.orders\" = 4000000
public.lines = 5000
";

#[test]
fn plans_are_made_under_productions_settings_and_a_small_copy_is_said_to_be_one() {
    let place = Place::new(PRODUCTION);
    place.file("queries.sql", "-- name: All :many\nSELECT * FROM orders;\n");
    place.file("shop/add.sql", "ALTER TABLE orders ADD COLUMN paid boolean; UPDATE orders SET note = 'y';\n");
    let report = place.run(&["check", "--format", "json"], 0).report();
    let settings = &report["engine"]["settings"];
    let found: Vec<&Value> = ["work_mem", "random_page_cost", "jit", "lock_timeout", "enable_seqscan"]
        .iter()
        .map(|name| &settings[name])
        .collect();
    assert_eq!(found, ["55MB", "1.25", "on", "9s", "off"]);
    assert_eq!(report["queries"][0]["before"]["plan"]["Settings"]["enable_seqscan"], "off", "{}", report["queries"]);
    // A lock_timeout of production's is one.
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["id"] != "lock/no-timeout"));
    let notes = report["source"]["fidelity_notes"].to_string();
    for note in [
        "production runs PostgreSQL 12, the copy ",
        "public.orders has 4,000 rows here, 4,000,000 in production",
        " in production",
        "not in the source, but in production: public.lines",
        "production has settings for role nobody_here, which is not in the source",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
}

#[test]
fn nothing_is_said_of_a_copy_that_is_like_production() {
    let config = PRODUCTION.split("[production]").next().unwrap().to_owned()
        + "[production.sizes]\n\"public.orders\" = 5000\npublic.few = 3\n";
    let place = Place::new(&config);
    place.file("queries.sql", "-- name: All :many\nSELECT * FROM orders;\n");
    let report = place.run(&["check", "--format", "json"], 0).report();
    assert!(!report["source"]["fidelity_notes"].to_string().contains("production"), "{}", report["source"]);
    assert_eq!(report["engine"]["settings"].get("lock_timeout"), None);
}

#[test]
fn a_value_the_server_does_not_take_is_named() {
    let place = Place::new(&PRODUCTION.replace("77MB", "1B"));
    place.file("queries.sql", "-- name: All :many\nSELECT * FROM orders;\n");
    let ran = place.run(&["check"], 4);
    assert!(ran.stderr.contains("[production.settings] work_mem = \"1B\": "), "{}", ran.stderr);
}

#[test]
fn a_parameter_the_copy_s_server_does_not_know_is_left_out_and_said() {
    let config = PRODUCTION.split("[production]").next().unwrap().to_owned()
        + "[production.settings]\nenable_self_join_elimination = false\nwork_mem = \"77MB\"\n";
    let place = Place::new(&config);
    place.file("queries.sql", "-- name: All :many\nSELECT * FROM orders;\n");
    let report = place.run(&["check", "--format", "json"], 0).report();
    let notes = report["source"]["fidelity_notes"].to_string();
    // It is new in 18.
    let version = report["engine"]["version"].as_str().unwrap();
    let major: u32 = version.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap();
    let note = "production sets enable_self_join_elimination, which this server does not know: left out";
    assert_eq!(notes.contains(note), major < 18, "{notes}");
    assert_eq!(report["engine"]["settings"]["work_mem"], "77MB");
}

/// sqlx would hand them on: here every session would be refused.
#[test]
fn options_for_sessions_of_the_user_s_own_do_not_reach_a_copy() {
    let config = PRODUCTION.split("[production]").next().unwrap();
    let place = Place::new(config);
    place.file("queries.sql", "-- name: All :many\nSELECT * FROM orders;\n");
    let ran = run(place.command(&["check", "--format", "json"]).env("PGOPTIONS", "-c parameter_of_nobody=on"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// A server that stands for production, and `psql` to ask it with.
#[tokio::test]
async fn what_production_sql_prints_is_the_section_and_holds_no_user_data() {
    launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
    let state = StateDir::open(Some(&state_folder("config"))).unwrap();
    let run_dir = RunDir::create(&state).unwrap();
    let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).unwrap();
    let data_dir = run_dir.fresh_path("production");
    create_cluster(&binaries, &state, &run_dir, &data_dir, ()).await.unwrap();
    let server = Server::start(&binaries, &data_dir, &run_dir, &ServerMode::Loading.into()).await.unwrap();
    let mut session = Session::connect(server.endpoint(), "postgres", SUPERUSER, "test").await.unwrap();
    for sql in [
        "CREATE SCHEMA shop; CREATE TABLE shop.orders AS SELECT n, 'hunter' || n AS secret FROM generate_series(1, 2500) n",
        "CREATE TABLE shop.\"od.d \"\"na\\me\" AS SELECT n FROM generate_series(1, 30) n; CREATE TABLE shop.nothing ()",
        "CREATE TABLE shop.parts (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE shop.low PARTITION OF shop.parts FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE shop.high PARTITION OF shop.parts FOR VALUES FROM (100) TO (1000)",
        "INSERT INTO shop.parts SELECT generate_series(1, 900); ANALYZE",
        "CREATE ROLE \"odd \"\"Rôle\"\"\" LOGIN; CREATE ROLE reader LOGIN; GRANT CONNECT ON DATABASE postgres TO reader",
        "ALTER ROLE \"odd \"\"Rôle\"\"\" SET lock_timeout = '5s'; ALTER ROLE reader SET search_path = 'hunter'",
        "ALTER ROLE \"odd \"\"Rôle\"\"\" IN DATABASE postgres SET lock_timeout = '7s'",
        "ALTER ROLE reader SET temp_buffers = '16MB'; ALTER DATABASE postgres SET random_page_cost = 1.1",
    ] {
        session.execute(sql).await.unwrap();
    }
    session.close().await;
    let endpoint = server.endpoint();
    let url =
        format!("postgresql:///postgres?host={}&port={}&user=reader", endpoint.socket_dir.display(), endpoint.port);
    let beside = binaries.dir.join("psql");
    let psql = if beside.is_file() { beside } else { "psql".into() };
    let script = repository().join("docs/production.sql");
    let ask = || {
        let mut command = Command::new(&psql);
        command.arg("-XqAt").arg("-f").arg(&script).arg(&url);
        command
    };
    let output = ask().output().unwrap();
    // The script's session, used on: it cannot write.
    let writing = ask().args(["-c", "CREATE TABLE written ()"]).output().unwrap();
    server.destroy().await.unwrap();
    assert!(String::from_utf8_lossy(&writing.stderr).contains("read-only transaction"), "{writing:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("hunter"), "{text}");
    assert!(text.contains("# temp_buffers: set for the role that asked"), "{text}");

    let folder = project();
    fs::write(folder.path().join("seatrial.toml"), &text).unwrap();
    let [settings] = Settings::resolve(&CheckArgs::default(), folder.path())
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .try_into()
        .unwrap();
    let production = settings.production;
    assert_eq!(production.major, Some(binaries.major));
    assert_eq!(production.settings["random_page_cost"], "1.1");
    assert!(production.settings.contains_key("work_mem") && !production.settings.contains_key("temp_buffers"));
    assert_eq!(production.role_settings["odd \"Rôle\""], [("lock_timeout".to_owned(), "7s".to_owned())].into());
    let rows: Vec<(&str, u64)> = production.rows.iter().map(|(table, rows)| (table.as_str(), *rows)).collect();
    assert_eq!(rows, [("shop.\"od.d \"\"na\\me\"", 30), ("shop.orders", 2500), ("shop.parts", 900)]);
    assert!(production.database_bytes.unwrap() > 1_000_000);
}

#[test]
fn what_production_sql_asks_for_is_what_a_copy_can_be_given() {
    let script = fs::read_to_string(repository().join("docs/production.sql")).unwrap();
    let values = script.split("parameter (name) AS (VALUES").nth(1).unwrap().split("    ),\n").next().unwrap();
    let asked: Vec<&str> = values.split('\'').skip(1).step_by(2).collect();
    assert_eq!(asked, parameters::NAMES);
}

#[test]
fn init_writes_a_file_that_check_can_use_and_never_overwrites_one() {
    let folder = project();
    let place = Place { folder };
    place.file("db/migrations/20260101000000_first.sql", "CREATE TABLE orders (id integer PRIMARY KEY);\n");
    place.file("db/queries/orders.sql", "-- name: All :many\nSELECT * FROM orders;\n");
    place.file(".github/workflows/ci.yml", "on: push\n");
    fs::create_dir_all(place.path("deep/below")).unwrap();

    let printed = place.run(&["init", "--print"], 0);
    assert!(!place.path("seatrial.toml").exists());
    assert!(printed.stderr.contains("GitHub Actions"), "{}", printed.stderr);

    let mut below = seatrial(&place.path("deep/below"), &state_folder("config"));
    let ran = run(below.arg("init"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let written = fs::read_to_string(place.path("seatrial.toml")).unwrap();
    assert_eq!(printed.stdout, written);
    for said in ["db/migrations: sqlx, 1 file", "db/queries: 1 query", "In GitHub Actions", "seatrial check --source"] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }

    place.file("seatrial.toml", "# mine\n");
    let ran = place.run(&["init"], 2);
    assert!(ran.stderr.contains("--force") && ran.stdout.is_empty(), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(place.path("seatrial.toml")).unwrap(), "# mine\n");
    place.run(&["init", "--force"], 0);
    assert_eq!(fs::read_to_string(place.path("seatrial.toml")).unwrap(), written);

    let report = place.run(&["check", "--source", "empty", "--passes", "measure", "--format", "json"], 0).report();
    assert_eq!(report["migrations"][0]["layout"], "sqlx");
}

#[test]
fn init_says_what_it_did_not_find_and_leaves_a_choice_to_people() {
    let place = Place { folder: project() };
    let ran = place.run(&["init", "--print"], 0);
    assert_eq!(ran.stderr.matches("not found").count(), 3, "{}", ran.stderr);
    for part in ["ledger", "shop"] {
        place.file(&format!("{part}/migrations/1_first.sql"), "CREATE TABLE orders (id integer);\n");
    }
    let ran = place.run(&["init"], 0);
    assert!(ran.stdout.contains("several folders of migrations"), "{}", ran.stdout);
    let written = fs::read_to_string(place.path("seatrial.toml")).unwrap();
    for part in ["ledger", "shop"] {
        assert!(written.contains(&format!("\n#   migrations = \"{part}/migrations\"\n")), "{written}");
    }
}

#[test]
fn clean_and_doctor_look_where_the_file_says() {
    let project = project();
    fs::write(project.path().join("seatrial.toml"), "cache_dir = \"copies\"\n").unwrap();
    let nowhere = state_folder("nowhere");
    let copies = project.path().join("copies");
    let state = StateDir::open(Some(&copies)).expect("a state folder");
    let cached = state.bases().join("old");
    fs::create_dir(&cached).unwrap();
    let ran = run(seatrial(project.path(), &nowhere).env_remove("SEATRIAL_CACHE_DIR").arg("doctor"));
    assert!(ran.stdout.contains(&copies.display().to_string()), "{}", ran.stdout);
    let ran = run(seatrial(project.path(), &nowhere).env_remove("SEATRIAL_CACHE_DIR").arg("clean"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!cached.exists(), "{}", ran.stdout);
    // An option stands above the file, and a file that is wrong is said to be.
    let ran = run(seatrial(project.path(), &nowhere).arg("doctor"));
    assert!(ran.stdout.contains(&nowhere.display().to_string()), "{}", ran.stdout);
    fs::write(project.path().join("seatrial.toml"), "cache_dri = \"copies\"\n").unwrap();
    let ran = run(seatrial(project.path(), &nowhere).arg("clean"));
    assert!(ran.code == Some(2) && ran.stderr.contains("seatrial.toml:1"), "{}", ran.stderr);
}
