//! What the README and the book in `docs/` show is what happens: their commands run, and the report is the demo's. Needs a
//! PostgreSQL server.

mod support;

use seatrial::command::exit;
use seatrial::config::Thresholds;
use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::server::cluster::create_cluster;
use seatrial::engine::postgres::server::{SUPERUSER, Server, ServerMode};
use seatrial::engine::postgres::session::Session;
use sha2::{Digest, Sha384};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{project, repository, run, seatrial, state_folder};
use tempfile::TempDir;

const SEATRIAL: &str = env!("CARGO_BIN_EXE_seatrial");

/// Commands that no test can run, and why: page, command, reason. Whatever else a page shows as `sh` is run below.
const NOT_RUN: [(&str, &str, &str); 10] = [
    ("README.md", "scripts/demo.sh", "builds a release; the_report_shown_is_the_demo_s runs what it ends with"),
    ("README.md", "scripts/test.sh", "is what runs this test"),
    ("docs/ci.md", "docker build --tag seatrial .", "takes Docker; tests/kit.rs looks at the Dockerfile"),
    (
        "docs/ci.md",
        "docker run --rm --network none --volume \"$PWD:/project:ro\" --volume seatrial-cache:/var/cache/seatrial \
         seatrial check --source shop.dump",
        "takes Docker",
    ),
    ("docs/copies.md", "seatrial fetch-postgres 17", "fetches 20 MB; tests/fetch.rs fetches another version"),
    ("docs/commands.md", "seatrial check --run-command", "takes a tool to run; tests/python_service.rs runs Alembic's"),
    (
        "docs/queries.md",
        "seatrial queries import \"$DATABASE_URL\" --top 20 --into queries/hot.sql",
        "takes a server that was started with pg_stat_statements; tests/queries.rs has one",
    ),
    ("docs/data-directories.md", "pg_basebackup --pgdata=backup --checkpoint=fast", "takes a server of one's own"),
    (
        "docs/data-directories.md",
        "seatrial check --source backup --database shop --queries queries/",
        "takes a base backup; tests/datadir.rs has one",
    ),
    ("docs/start-here.md", "cargo install --locked --path .", "builds a release"),
];

fn read(page: &str) -> String {
    std::fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

fn readme() -> String {
    read("README.md")
}

/// The README, then the pages of the book, which go on with its project.
fn pages() -> Vec<String> {
    let docs = support::names(&repository().join("docs"));
    let docs = docs.into_iter().filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    ["README.md".to_owned()].into_iter().chain(docs).collect()
}

/// The contents of every fenced block of one language.
fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let text = read(page);
    let fence = format!("\n```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().expect("a closed block").to_owned()).collect()
}

fn blocks(language: &str) -> Vec<String> {
    blocks_of("README.md", language)
}

/// Every command of a page's shell blocks, in order.
fn commands_of(page: &str) -> Vec<String> {
    blocks_of(page, "sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(str::to_owned)
        .filter(|line| !line.is_empty())
        .collect()
}

/// Every command of the README's shell blocks, in order.
fn commands() -> Vec<String> {
    commands_of("README.md")
}

fn is_run(page: &str, command: &str) -> bool {
    !NOT_RUN.iter().any(|(on, left_out, _)| (*on, *left_out) == (page, command))
}

#[test]
fn what_is_not_run_is_shown_and_has_a_reason() {
    for (page, command, reason) in NOT_RUN {
        assert!(commands_of(page).iter().any(|shown| shown == command), "{page} no longer shows {command}");
        assert!(!reason.is_empty(), "{page}: {command}");
    }
    // A block whose language is another name for a shell would not be run.
    for page in pages() {
        for language in ["bash", "shell", "zsh", "console", "sh "] {
            assert!(!read(&page).contains(&format!("```{language}")), "{page}: a block of {language:?} is not run");
        }
        assert!(!read(&page).contains(env!("CARGO_MANIFEST_DIR")), "{page} names a folder of this machine");
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

const APPLIED: (&str, &str) = (
    "20260601090000_create_orders.sql",
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL,\n  \
     placed_at timestamptz NOT NULL, total_cents int NOT NULL);\n",
);
const PENDING: (&str, &str) = ("20260701090000_add_note.sql", "ALTER TABLE orders ADD COLUMN note text;\n");

/// A project as the README imagines it, and a server that stands for production.
struct Project {
    folder: TempDir,
    state: PathBuf,
    server: Server,
    pg_dump: PathBuf,
}

impl Project {
    async fn new() -> Self {
        launch::set_launcher(SEATRIAL.into());
        let folder = project();
        let cache = state_folder("readme");
        let state = StateDir::open(Some(&cache)).expect("a state folder");
        let run = RunDir::create(&state).expect("a run");
        let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server");
        let data_dir = run.fresh_path("production");
        create_cluster(&binaries, &state, &run, &data_dir, ()).await.expect("a cluster");
        let server = Server::start(&binaries, &data_dir, &run, &ServerMode::Loading.into()).await.expect("a server");
        let pg_dump = binaries.pg_dump.expect("pg_dump").path;
        let project = Self { folder, state: cache, server, pg_dump };
        project.fill().await;
        project
    }

    async fn fill(&self) {
        let connect = |database| Session::connect(self.server.endpoint(), database, SUPERUSER, "test");
        let mut session = connect("template1").await.expect("a session");
        session.execute("CREATE DATABASE shop").await.expect("a database");
        session.close().await;
        let mut session = connect("shop").await.expect("a session");
        let checksum: String = Sha384::digest(APPLIED.1).iter().map(|byte| format!("{byte:02x}")).collect();
        let history = format!(
            "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
             installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
             execution_time bigint NOT NULL); \
             INSERT INTO _sqlx_migrations VALUES (20260601090000, 'create orders', now(), true, '\\x{checksum}', 1); \
             INSERT INTO orders SELECT n, n % 3000, 'delivered', now(), n FROM generate_series(1, 9000) n"
        );
        session.execute(APPLIED.1).await.expect("a table");
        session.execute(&history).await.expect("a history");
        session.close().await;
        let queries = blocks("sql");
        assert_eq!(queries.len(), 1, "the README shows one file of hot queries");
        self.write("queries/checkout.sql", &queries[0]);
        // On the branch everybody starts from is what production has; the pending file is this branch's.
        std::fs::remove_dir(self.folder.path().join(".git")).expect("it only marked the root");
        self.write(&format!("migrations/{}", APPLIED.0), APPLIED.1);
        self.git(&["init", "-q"]);
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", "What production has"]);
        self.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        self.write(&format!("migrations/{}", PENDING.0), PENDING.1);
        // The same on SQLite.
        let database = rusqlite::Connection::open(self.folder.path().join("app.db")).expect("a database");
        let history = format!(
            "{}; CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
             execution_time BIGINT NOT NULL); \
             INSERT INTO _sqlx_migrations VALUES (20260601090000, 'create orders', '2026-06-01', TRUE, x'{checksum}', 1)",
            APPLIED.1
        );
        database.execute_batch(&history).expect("a history");
        // What the book takes for granted: a server's log, and the script that asks production.
        self.write("server.log", "LOG:  statement: SELECT id FROM orders WHERE customer_id = 17\n");
        self.write("docs/production.sql", &read("docs/production.sql"));
    }

    /// Every way of naming what is pending finds the same one migration, and the query shown was measured.
    fn was_rehearsed(&self) {
        let report = std::fs::read_to_string(self.folder.path().join("report/report.json")).expect("report.json");
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(report["migrations"].as_array().expect("a list").len(), 1);
        assert_eq!(report["migrations"][0]["statements"][0]["file"], format!("migrations/{}", PENDING.0));
        assert_eq!(report["queries"][0]["name"], "ListCustomerOrders");
        assert_eq!(report["queries"][0]["verdict"], "unchanged");
    }

    fn git(&self, arguments: &[&str]) {
        let name = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let output = Command::new("git").arg("-C").arg(self.folder.path()).args(name).args(arguments).output();
        let output = output.expect("git");
        assert!(output.status.success(), "{}", said(&output));
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    fn run(&self, line: &str) -> Output {
        let endpoint = self.server.endpoint();
        let socket = endpoint.socket_dir.display();
        let url = format!("postgresql:///shop?host={socket}&port={}&user={SUPERUSER}", endpoint.port);
        let folders =
            [Path::new(SEATRIAL), &self.pg_dump].map(|program| program.parent().expect("a folder").to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", line]).current_dir(self.folder.path()).env_clear();
        let bin = std::env::var_os("SEATRIAL_POSTGRES_BIN").map(|bin| ("SEATRIAL_POSTGRES_BIN", bin));
        command.envs(bin).env("PATH", path).env("HOME", self.folder.path()).env("LANG", "C.UTF-8");
        command.env("DATABASE_URL", &url).env("PRODUCTION_URL", &url);
        command.env("SEATRIAL_CACHE_DIR", &self.state).output().expect("bash")
    }
}

#[tokio::test]
async fn every_command_shown_runs() {
    let project = Project::new().await;
    let mut reports = 0;
    for page in pages() {
        for line in commands_of(&page).into_iter().filter(|line| is_run(&page, line)) {
            let output = project.run(&line);
            assert!(output.status.success(), "{page}: {line}\n{}", said(&output));
            let told = String::from_utf8_lossy(&output.stdout).contains("Applies?");
            reports += usize::from(told && page == "README.md");
        }
        if page == "README.md" {
            project.was_rehearsed();
        }
    }
    assert!(reports >= 3, "the README's commands end with reports");
    for file in ["seatrial.sarif", "seatrial.xml", "copy.json", "comment.md", "gl-code-quality-report.json"] {
        let written =
            std::fs::metadata(project.folder.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(written.len() > 0, "{file}");
    }
    project.server.destroy().await.expect("gone");
}

#[test]
fn scripts_shown_are_there_and_sound() {
    let shown: BTreeSet<String> = commands().into_iter().filter(|line| line.starts_with("scripts/")).collect();
    for expected in ["scripts/demo.sh", "scripts/test.sh"] {
        assert!(shown.contains(expected), "the README shows {expected}");
    }
    let all = std::fs::read_dir(repository().join("scripts")).expect("scripts/").map(|entry| entry.expect("it").path());
    let scripts: Vec<PathBuf> = all.chain([repository().join(".ci/run")]).collect();
    for script in &scripts {
        let mode = script.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{} is executable", script.display());
        let parsed = Command::new("bash").arg("-n").arg(script).output().expect("bash");
        assert!(parsed.status.success() && parsed.stderr.is_empty(), "{}: {}", script.display(), said(&parsed));
    }
    for line in shown {
        let script = repository().join(line.split(' ').next().unwrap_or_default());
        assert!(scripts.contains(&script), "{line}");
    }
    let demo = std::fs::read_to_string(repository().join("scripts/demo.sh")).expect("demo.sh");
    assert!(demo.contains("exec target/release/seatrial demo \"$@\""), "demo.sh runs what the test below runs");
}

#[test]
fn installing_postgresql_where_it_is_does_nothing() {
    // Answers nothing, so that it would fail rather than install anything.
    let output = Command::new(repository().join("scripts/install-postgres.sh"))
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the script");
    assert_eq!(said(&output).trim(), "exit status: 0");
}

/// One line, one space between words: widths of numbers move line ends.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Numbers of time and of the server's version stand for themselves on another machine and on another day.
fn masked(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for word in flowing(text).split(' ') {
        let end = word.trim_end_matches([',', '.', ';']);
        let is_unit = matches!(end, "ms" | "s" | "min");
        let is_number = |word: &String| word.starts_with(|first: char| first.is_ascii_digit());
        if is_unit && out.last().is_some_and(is_number) {
            out.pop();
            if out.last().is_none_or(|last| last != "TIME") {
                out.push("TIME".to_owned());
            }
        } else if out.last().is_some_and(|last| last == "PostgreSQL") {
            out.push("VERSION".to_owned());
        } else {
            out.push(word.to_owned());
        }
    }
    out.join(" ")
}

/// The first paragraph, and the four answers below it.
fn opening(report: &str) -> (String, [String; 4]) {
    let questions = ["Applies?", "Blocks?", "Slower?", "Undoable?"];
    let end = report.find("\nMigrations").expect("the table follows");
    let starts = questions.map(|question| report.find(question).unwrap_or_else(|| panic!("{question} is answered")));
    let verdict = masked(&report[..starts[0]]);
    // A long path is broken where the column ends: without any space it is one again.
    let answers = std::array::from_fn(|index| {
        masked(&report[starts[index]..*starts.get(index + 1).unwrap_or(&end)]).replace(' ', "")
    });
    (verdict, answers)
}

#[test]
fn words_of_time_and_version_are_masked_and_others_are_not() {
    assert_eq!(
        masked("8 migrations with PostgreSQL 15.18 in\n 1 min 22 s, wait for 367 ms or more"),
        "8 migrations with PostgreSQL VERSION in TIME wait for TIME or more"
    );
}

#[test]
fn the_report_shown_is_the_demo_s() {
    let shown = blocks("text").into_iter().find(|block| block.contains("Applies?")).expect("a captured report");
    let ran = run(seatrial(repository(), &state_folder("demo")).arg("demo"));
    assert_eq!(ran.code, Some(i32::from(exit::FINDINGS)), "{}\n{}", ran.stdout, ran.stderr);
    let printed = ran.stdout;

    let (verdict, answers) = opening(&shown);
    let (verdict_now, answers_now) = opening(&printed);
    assert_eq!(verdict, verdict_now);
    // Which of two rewrites of about the same length takes longest is the machine's business.
    let longest = |text: &str| match (text.find("onshop."), text.find("makes")) {
        (Some(from), Some(to)) => format!("{} RELATION {}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    };
    assert_eq!(answers.each_ref().map(|text| longest(text)), answers_now.each_ref().map(|text| longest(text)));

    // Findings that are shown are found, where they are shown.
    let printed = flowing(&printed);
    let mut told = 0;
    for headline in headlines(&shown) {
        assert!(printed.contains(&headline), "the demo does not say: {headline}");
        told += 1;
    }
    assert!(told >= 2, "the README shows findings");
    let counts = shown.lines().find(|line| line.starts_with("Findings:")).expect("a count");
    assert!(printed.contains(counts.trim()), "{counts}");
}

/// `✗ error id file:line`, which may be on two lines.
fn headlines(report: &str) -> Vec<String> {
    let lines: Vec<&str> = report.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if ["✗ error ", "! warning "].iter().any(|mark| line.starts_with(mark)) {
            let next = lines.get(index + 1).copied().unwrap_or_default();
            let whole = if line.contains(".sql:") { (*line).to_owned() } else { format!("{line} {next}") };
            found.push(flowing(&whole));
        }
    }
    found
}

#[test]
fn exit_codes_and_thresholds_shown_are_the_program_s() {
    let text = readme();
    let table = text.split("\n## Exit codes").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let shown: BTreeSet<u8> = rows
        .filter_map(|row| row.split(" |").next())
        .flat_map(|cell| cell.split(", "))
        .filter_map(|code| code.parse().ok())
        .collect();
    let known = [
        exit::CLEAN,
        exit::FINDINGS,
        exit::USAGE,
        exit::NOTHING_PENDING,
        exit::COULD_NOT_REHEARSE,
        101, // What Rust itself ends with after a panic.
        exit::OUT_OF_TIME,
        exit::INTERRUPTED,
        exit::TERMINATED,
    ];
    assert_eq!(shown, BTreeSet::from(known));

    let config = blocks("toml").into_iter().next().expect("a seatrial.toml");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("seatrial.toml"), config).expect("written");
    let all =
        seatrial::config::Settings::resolve(&seatrial::cli::CheckArgs::default(), folder.path()).expect("it is right");
    let [settings] = all.try_into().expect("one database");
    assert_eq!(settings.thresholds, Thresholds::default());
    assert!(settings.source.is_some() && !settings.queries.is_empty());
}
