//! Hot queries from where they run: imported from real logs and a live view, listed, looked at, and judged by `check`.
//! Needs a PostgreSQL server.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use support::place::Place;
use support::{project, repository, run, seatrial, state_folder};

const SCHEMA: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL);\n\
    INSERT INTO orders SELECT n, n % 3000, 'paid' FROM generate_series(1, 30000) n;\n\
    CREATE INDEX orders_customer_id_idx ON orders (customer_id);\nANALYZE orders;\n";
/// What an application sends: by the extended protocol, twice with one value and once with another.
const SENT: &str = "SELECT id, status FROM orders WHERE customer_id = $1 AND status <> $2";

/// A project with a source, a migration that makes [`SENT`] slower, and a state folder.
struct Project {
    folder: tempfile::TempDir,
    state: PathBuf,
}

impl Project {
    fn new(name: &str) -> Self {
        let project = Self { folder: project(), state: state_folder(&format!("queries-{name}")) };
        project.write("source.sql", SCHEMA);
        project.write("migrations/1_drop.sql", "DROP INDEX orders_customer_id_idx;\n");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str], code: i32) -> support::Ran {
        let ran = run(seatrial(self.folder.path(), &self.state).args(arguments));
        assert_eq!(ran.code, Some(code), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// The verdict of every plan of the registered queries, by the name of the query.
    fn verdicts(&self, queries: &str) -> Vec<(String, String)> {
        let arguments = [
            "check",
            "migrations/1_drop.sql",
            "--source",
            "source.sql",
            "--queries",
            queries,
            "--format",
            "json",
            "--passes",
            "measure",
            "--quiet",
        ];
        let report = run(seatrial(self.folder.path(), &self.state).args(arguments)).report();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        report["queries"].as_array().unwrap().iter().map(|each| (text(&each["name"]), text(&each["verdict"]))).collect()
    }
}

/// A server that logs in all three formats, or counts statements.
async fn server(settings: &[(&str, &str)]) -> Place {
    let place = Place::with(settings).await;
    place.execute("postgres", "seatrial_superuser", SCHEMA).await.unwrap();
    place
}

async fn send(place: &Place) {
    for (customer, status) in [(17, "a, $2 = 'b'"), (17, "a, $2 = 'b'"), (2400, "new")] {
        place.send("postgres", SENT, customer, status).await.unwrap();
    }
    place.execute("postgres", "seatrial_superuser", "BEGIN; SELECT count(*) FROM orders; COMMIT").await.unwrap();
}

/// The server's `count` log files, once the last statement of [`send`] is in each: their writer comes to it in its own time.
fn logs(place: &Place, count: usize) -> Vec<PathBuf> {
    let started = std::time::Instant::now();
    let whole =
        |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|log| log.contains("SELECT count(*) FROM orders"));
    loop {
        let folder = std::fs::read_dir(place.data_directory().join("log")).into_iter().flatten();
        let mut logs: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).filter(whole).collect();
        if logs.len() == count {
            logs.sort();
            return logs;
        }
        assert!(started.elapsed().as_secs() < 60, "{count} logs were meant to be whole: {logs:?}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_all_formats_become_queries_that_are_judged() {
    let mut settings = vec![
        ("logging_collector", "on"),
        ("log_destination", "stderr,csvlog"),
        ("log_min_duration_statement", "0"),
        ("log_line_prefix", "%m [%p] %q%u@%d LOG: "),
        ("log_filename", "server.log"),
    ];
    let plain = server(&[]).await;
    if plain.major() >= 15 {
        settings[1].1 = "stderr,csvlog,jsonlog";
    }
    drop(plain);
    let place = server(&settings).await;
    send(&place).await;
    for log in logs(&place, if place.major() >= 15 { 3 } else { 2 }) {
        let project = Project::new("logs");
        let log = log.to_str().unwrap().to_owned();
        let ran = project.run(&["queries", "import", &log, "--source", "source.sql"], 0);
        let text = project.read("queries/imported.sql");
        let entry = text
            .split("\n\n")
            .find(|entry| entry.contains("customer_id = $1"))
            .unwrap_or_else(|| panic!("{log}\n{text}\n{}", ran.stderr));
        assert!(entry.contains("-- name: select-orders-by-customer_id-status\n-- weight: 3\n"), "{log}\n{text}");
        assert!(entry.contains("-- params logged_1: $1 = '17', $2 = 'a, $2 = ''b'''\n"), "{text}");
        assert!(entry.contains("-- params logged_2: $1 = '2400', $2 = 'new'\n"), "{text}");
        assert!(ran.stderr.contains("values of parameters and constants were written"), "{}", ran.stderr);
        // Once more: nothing is added, nothing is lost.
        let edited = text.replace("-- weight: 3\n", "-- owner: ada\n-- weight: 3\n");
        project.write("queries/imported.sql", &edited);
        project.run(&["queries", "import", &log, "--source", "source.sql", "--queries", "queries"], 0);
        assert_eq!(project.read("queries/imported.sql"), edited);
        let verdicts = project.verdicts("queries");
        let slower = |(name, verdict): &(String, String)| {
            name == "select-orders-by-customer_id-status" && verdict != "unchanged"
        };
        assert!(verdicts.iter().any(slower), "{verdicts:?}");
        let bare = project.run(&["queries", "import", &log, "--into", "-", "--no-values", "--quiet"], 0).stdout;
        assert!(bare.contains("customer_id = $1") && !bare.contains("17") && !bare.contains("params"), "{bare}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_that_a_server_logs_become_queries_that_are_judged() {
    for format in ["text", "json"] {
        let place = server(&[
            ("logging_collector", "on"),
            ("log_filename", "server.log"),
            ("shared_preload_libraries", "auto_explain"),
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_format", format),
        ])
        .await;
        send(&place).await;
        let project = Project::new("plans");
        let log = logs(&place, 1).remove(0).to_str().unwrap().to_owned();
        project.run(&["queries", "import", &log, "--source", "source.sql"], 0);
        let text = project.read("queries/imported.sql");
        assert!(text.contains("-- name: select-orders-by-customer_id-status\n-- weight: 3\n"), "{format}\n{text}");
        // Earlier servers do not log them.
        let values = text.contains("-- params logged_1: $1 = '17', $2 = 'a, $2 = ''b'''\n");
        assert_eq!(values, place.major() >= 16, "{format}\n{text}");
        let verdicts = project.verdicts("queries");
        assert!(
            verdicts.iter().any(|(name, verdict)| name.ends_with("-status") && verdict != "unchanged"),
            "{verdicts:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_a_server_counted_become_queries_that_are_judged() {
    let place = server(&[("shared_preload_libraries", "pg_stat_statements")]).await;
    place.execute("postgres", "seatrial_superuser", "CREATE EXTENSION pg_stat_statements").await.unwrap();
    send(&place).await;
    place.execute("postgres", "seatrial_superuser", "SELECT now() - interval '1 day' FROM orders").await.unwrap();
    let endpoint = place.endpoint();
    let url = format!(
        "postgresql:///postgres?host={}&port={}&user=seatrial_superuser&password=geheim",
        endpoint.socket_dir.display(),
        endpoint.port
    );
    let project = Project::new("view");
    let ran = project.run(&["queries", "import", &url, "--into", "queries/hot.sql"], 0);
    assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`interval $1` is no SQL"), "{}", ran.stderr);
    let text = project.read("queries/hot.sql");
    assert!(text.contains("-- name: select-orders-by-customer_id-status\n-- weight: 3\n"), "{text}");
    assert!(!text.contains("params") && !text.contains("BEGIN"), "{text}");
    let verdicts = project.verdicts("queries");
    assert!(verdicts.iter().any(|(_, verdict)| verdict != "unchanged"), "{verdicts:?}");
    // Nothing was written there: the session could not.
    let refused = project.run(&["queries", "import", "postgresql://nobody:geheim@127.0.0.1:1/x"], 4);
    assert!(!refused.stderr.contains("geheim"), "{}", refused.stderr);
}

#[test]
fn an_sqlc_file_and_a_sqlx_folder_are_judged_as_they_are() {
    let project = Project::new("files");
    project.write(
        "sqlc/orders.sql",
        "-- name: OrdersOfCustomer :many\nSELECT id FROM orders WHERE customer_id = @customer_id AND status = sqlc.arg(status);\n",
    );
    project.write(
        ".sqlx/query-0011223344.json",
        "{\"db_name\": \"PostgreSQL\", \"query\": \"SELECT id FROM orders WHERE customer_id = $1\", \"describe\": {\"columns\": [], \
         \"parameters\": {\"Left\": [\"Int4\"]}, \"nullable\": []}, \"hash\": \"0011223344\"}",
    );
    project.write(
        ".sqlx/query-55.json",
        "{\"db_name\": \"PostgreSQL\", \"query\": \"NOTIFY jobs\", \"describe\": {\"columns\": [], \"parameters\": {\"Left\": []}, \
         \"nullable\": []}, \"hash\": \"55\"}",
    );
    for (queries, name) in [("sqlc", "OrdersOfCustomer"), (".sqlx", "select-orders-by-customer_id-00112233")] {
        let verdicts = project.verdicts(queries);
        assert!(verdicts.iter().any(|(found, verdict)| found == name && verdict != "unchanged"), "{verdicts:?}");
        let list = project.run(&["queries", "list", "--queries", queries], 0).stdout;
        assert!(list.contains(name), "{list}");
        assert_eq!(list.contains("NOTIFY is a utility statement"), queries == ".sqlx", "{list}");
    }
    let list = project.run(&["queries", "list", "--queries", ".sqlx", "--format", "json"], 0);
    assert_eq!(list.report()["queries"][0]["types"][0], "int4");
}

#[test]
fn the_sqlx_folder_of_the_sample_data_is_as_sqlx_keeps_it_and_judged() {
    use sha2::Digest;
    let (data, project) = (repository().join("sample-data"), Project::new("sample"));
    for entry in std::fs::read_dir(data.join(".sqlx")).unwrap() {
        let (path, json) = (entry.as_ref().unwrap().path(), std::fs::read(entry.unwrap().path()).unwrap());
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let hash = sha2::Sha256::digest(json["query"].as_str().unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(json["hash"], hash, "{}", path.display());
        assert_eq!(path.file_stem().unwrap().to_str(), Some(format!("query-{hash}").as_str()));
    }
    project.write("1_drop.sql", "DROP INDEX shop.products_category_id_price_cents_idx;\n");
    let arguments = ["check", "1_drop.sql", "--format", "json", "--passes", "measure", "--quiet", "--source"];
    // The demo's tests restore the same file.
    let mut check = seatrial(project.folder.path(), &state_folder("demo"));
    let report =
        run(check.args(arguments).arg(data.join("shop.sql")).arg("--queries").arg(data.join(".sqlx"))).report();
    let verdicts: Vec<(&str, &str)> = report["queries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (each["name"].as_str().unwrap(), each["verdict"].as_str().unwrap()))
        .collect();
    let judged = |name: &str, slower: bool| {
        let mut own = verdicts.iter().filter(|(found, _)| found.starts_with(name)).peekable();
        own.peek().is_some() && own.any(|(_, verdict)| (*verdict == "regressed") == slower)
    };
    assert!(judged("select-products-by-category_id-status-", true), "{report:#}");
    assert!(judged("select-orders-by-status-placed_at-", false), "{report:#}");
}

#[test]
fn lint_says_of_each_query_what_is_wrong() {
    let project = Project::new("lint");
    project.write(
        "queries/q.sql",
        "-- name: good\n-- params a: id = 1\nSELECT * FROM orders WHERE id = :id;\n\
         -- name: same\nSELECT * FROM orders WHERE id = :other;\n\
         -- name: gone\nSELECT * FROM order;\n\
         -- name: writes\nUPDATE orders SET status = 'x' WHERE id = 1;\n\
         -- name: wrong-set\n-- params bad: id = 'x'\n-- params fine: id = 2\nSELECT 1 FROM orders WHERE id = :id;\n\
         -- name: broken\n-- weight: often\nSELECT 1;\n",
    );
    let arguments = ["queries", "lint", "--queries", "queries", "--source", "source.sql", "--quiet"];
    let said = project.run(&arguments, 1).stdout;
    for expected in [
        "error: queries/q.sql:15: `often` is no weight",
        "note: queries/q.sql:5: same is the same query as good (queries/q.sql:3)",
        "gone does not plan: syntax error",
        "note: queries/q.sql:9: writes writes: it is planned and not run",
        "wrong-set does not plan with bad: invalid input syntax for type bigint",
        "5 queries, 3 errors, 2 notes",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    project.write("queries/q.sql", "-- name: good\nSELECT * FROM orders WHERE id = :id;\n");
    assert_eq!(project.run(&arguments, 0).stdout, "1 query, 0 errors, 0 notes\n");
    let json = project
        .run(&["queries", "lint", "--queries", "queries", "--source", "source.sql", "--quiet", "--format", "json"], 0);
    assert_eq!(json.report()["queries"], 1);
    project.run(&["queries", "lint", "--queries", "queries"], 2);
    project.run(&["queries", "lint", "--source", "empty"], 2);
}

#[test]
fn a_file_that_cannot_be_merged_with_stays_and_no_password_is_told() {
    let project = Project::new("refused");
    project.write("app.log", "LOG:  statement: SELECT id FROM orders\n");
    let latin = b"-- name: b\xfccher\nSELECT 1;\n";
    std::fs::write(project.path("hot.sql"), latin).unwrap();
    let ran = project.run(&["queries", "import", "app.log", "--into", "hot.sql"], 2);
    assert!(ran.stderr.contains("cannot merge with"), "{}", ran.stderr);
    assert_eq!(std::fs::read(project.path("hot.sql")).unwrap(), latin);
    for address in ["postgresql+psycopg2://app:s3cret@db/shop", "host=db password=s3cret"] {
        let ran = project.run(&["queries", "import", address], 2);
        assert!(ran.stderr.contains("postgres://") && !ran.stderr.contains("s3cret"), "{}", ran.stderr);
    }
    project.write("two.log", "LOG:  statement: SELECT 1; SELECT 2\n");
    let ran = project.run(&["queries", "import", "two.log", "--source", "source.sql"], 2);
    assert!(ran.stderr.contains("several statements in one text"), "{}", ran.stderr);
}

#[test]
fn what_is_no_source_is_refused_and_nothing_is_written() {
    let project = Project::new("nothing");
    project.write("diary.txt", "Dear diary\n");
    let refused = project.run(&["queries", "import", "diary.txt"], 2);
    assert!(refused.stderr.contains("diary.txt is no log of PostgreSQL"), "{}", refused.stderr);
    project.run(&["queries", "import", "nowhere.log"], 2);
    assert!(!Path::new(&project.path("queries")).exists());
}

/// The contents of every fenced block of one language on the page about hot queries.
fn blocks(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(support::repository().join("docs/queries.md")).unwrap();
    let fence = format!("\n```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_and_query_on_the_page_works() {
    let place = server(&[("shared_preload_libraries", "pg_stat_statements")]).await;
    place.execute("postgres", "seatrial_superuser", "CREATE EXTENSION pg_stat_statements").await.unwrap();
    send(&place).await;
    let endpoint = place.endpoint();
    let url = format!(
        "postgresql:///postgres?host={}&port={}&user=seatrial_superuser",
        endpoint.socket_dir.display(),
        endpoint.port
    );
    let project = Project::new("page");
    for source in ["source.sql", "shop.dump"] {
        project.write(source, &format!("{SCHEMA}ALTER TABLE orders ADD placed_at timestamptz;\n"));
    }
    project.write("seatrial.toml", "source = \"source.sql\"\nqueries = [\"queries\"]\n");
    project.write("server.log", &format!("LOG:  statement: {}\n", SENT.replace("$1", "1").replace("$2", "'x'")));
    for (index, block) in blocks("sql").iter().enumerate() {
        project.write(&format!("queries/{index}.sql"), block);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_seatrial"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let commands: Vec<String> = blocks("sh").iter().flat_map(|block| block.lines()).map(str::to_owned).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for line in commands {
        let mut command = std::process::Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &line]).current_dir(project.folder.path()).env_clear();
        let bin = std::env::var_os("SEATRIAL_POSTGRES_BIN").map(|bin| ("SEATRIAL_POSTGRES_BIN", bin));
        command.envs(bin).env("PATH", &path).env("HOME", project.folder.path()).env("LANG", "C.UTF-8");
        let ran = run(command.env("DATABASE_URL", &url).env("SEATRIAL_CACHE_DIR", &project.state));
        assert_eq!(ran.code, Some(0), "{line}\n{}\n{}", ran.stdout, ran.stderr);
    }
}
