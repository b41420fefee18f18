//! Migrations that are code: a tool of ours, which is this very program, is run by `command`, and what it sends is
//! rehearsed. Needs a server.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use support::{Ran, project, run, seatrial, shared_state};

/// What tells the tool which of its stories it is.
const STORY: &str = "TOOL_STORY";

const SOURCE: &str = "
CREATE ROLE app LOGIN;
ALTER ROLE app SET log_statement = 'none';
CREATE TABLE crew (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO crew SELECT n, 'sailor ' || n FROM generate_series(1, 2000) n;
CREATE TABLE schema_migrations (version text PRIMARY KEY);
INSERT INTO schema_migrations VALUES ('1');
ALTER TABLE crew OWNER TO app;
ALTER TABLE schema_migrations OWNER TO app;
";

/// The tool. It is no test: only where it is told its story it does anything.
#[tokio::test]
#[allow(clippy::print_stdout, clippy::print_stderr)]
async fn the_tool_itself() {
    let Ok(story) = std::env::var(STORY) else { return };
    if story == "elsewhere" {
        return;
    }
    if story == "broken" {
        eprintln!("broken before it began");
        std::process::exit(3);
    }
    assert_eq!(std::env::var("OTHER_DATABASE"), Err(std::env::VarError::NotPresent), "it is production's");
    let url = std::env::var("TOOL_DATABASE").unwrap();
    assert_eq!(std::env::var("DATABASE_URL").unwrap(), url);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    match story.as_str() {
        "good" => good(&mut connection).await,
        "locking" => {
            // As Ecto keeps others waiting, while another connection migrates.
            connection.execute("BEGIN; LOCK TABLE schema_migrations IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
            let mut other = PgConnection::connect(&url).await.unwrap();
            other.execute("BEGIN; ALTER TABLE crew ADD COLUMN rank text; COMMIT").await.unwrap();
            other.execute("DISCARD ALL").await.unwrap();
            connection.execute("COMMIT").await.unwrap();
        }
        "fickle" => {
            let only_while_logged = "DO $$ BEGIN IF current_setting('log_statement') = 'all' THEN \
                                     RAISE EXCEPTION 'not now'; END IF; END $$";
            connection.execute("ALTER TABLE crew ADD COLUMN rank text").await.unwrap();
            connection.execute(only_while_logged).await.map(|_| ()).unwrap();
        }
        "slow" => {
            connection.execute("BEGIN").await.unwrap();
            connection.execute("ALTER TABLE crew ADD COLUMN rank text").await.unwrap();
            // Nothing of it is sent again: it stands for what a program does by itself.
            connection.execute("SELECT pg_sleep(0.7)").await.unwrap();
            connection.execute("COMMIT").await.unwrap();
        }
        "nothing" => {
            connection.execute("SELECT version FROM schema_migrations").await.unwrap();
        }
        "streamed" => {
            let mut rows = connection.copy_in_raw("COPY crew FROM STDIN").await.unwrap();
            rows.send("5000\tnew\n".as_bytes()).await.unwrap();
            rows.finish().await.unwrap();
        }
        "refused" => {
            println!("== 2 AddUnique: migrating ====");
            connection.execute("BEGIN").await.unwrap();
            connection.execute("UPDATE crew SET name = 'the same' WHERE id < 3").await.unwrap();
            let refused = connection.execute("ALTER TABLE crew ADD UNIQUE (name)").await;
            refused.map(|_| ()).unwrap();
        }
        "adrift" => {
            // What it does depends on what only its first run finds.
            connection.execute("SELECT nextval('pg_catalog.pg_class_oid_index')").await.unwrap_err();
            connection
                .execute(
                    "DO $$ BEGIN IF current_setting('log_statement') = 'all' THEN DELETE FROM crew; END IF; END $$",
                )
                .await
                .unwrap();
        }
        other => panic!("no such story: {other}"),
    }
}

async fn good(connection: &mut PgConnection) {
    connection.execute("BEGIN").await.unwrap();
    connection.execute("ALTER TABLE crew ADD COLUMN rank text").await.unwrap();
    let names: Vec<(i32, String)> = sqlx::query_as("SELECT id, name FROM crew WHERE id <= 2 ORDER BY id")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    for (id, name) in names {
        let write = sqlx::query("UPDATE crew SET rank = $1 WHERE id = $2").bind(format!("{name}, 'first'")).bind(id);
        write.execute(&mut *connection).await.unwrap();
    }
    sqlx::query("INSERT INTO schema_migrations (version) VALUES ($1)")
        .bind("2")
        .execute(&mut *connection)
        .await
        .unwrap();
    connection.execute("COMMIT").await.unwrap();
    connection.execute("CREATE INDEX CONCURRENTLY crew_rank_idx ON crew (rank)").await.unwrap();
    sqlx::query("INSERT INTO schema_migrations (version) VALUES ($1)")
        .bind("3")
        .execute(&mut *connection)
        .await
        .unwrap();
}

/// Runs the tool's story by `command`.
fn check(story: &str, args: &[&str]) -> Ran {
    let project = project();
    let program = std::env::current_exe().unwrap();
    std::fs::write(project.path().join("source.sql"), SOURCE).unwrap();
    std::fs::write(
        project.path().join("seatrial.toml"),
        format!(
            "command = \"{} --exact the_tool_itself --nocapture\"\ncommand_variable = \"TOOL_DATABASE\"\n\
             command_url = \"postgres://{{role}}@localhost:{{port}}/{{database}}?host={{host}}\"\nsource = \"source.sql\"\n",
            program.display()
        ),
    )
    .unwrap();
    let mut command = seatrial(project.path(), &shared_state());
    command.env(STORY, story).env("OTHER_DATABASE", "postgres://app:secret@db/production").env("PGHOST", "production");
    run(command.args(["check", "--format", "json"]).args(args))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn a_project_s_own_code_does_not_run_unless_that_is_allowed() {
    let ran = check("good", &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("allow it with --run-command") && !ran.stderr.contains("running"), "{}", ran.stderr);
    let ran = check("good", &["--run-command=false"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn what_a_tool_sends_is_rehearsed_version_by_version_and_values_it_read_are_not_shown() {
    let ran = check("good", &["--run-command"]);
    let report = ran.report();
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let migrations = list(&report["migrations"]);
    let told: Vec<(&str, &str, &str)> = migrations
        .iter()
        .map(|each| {
            let text = |key: &str| each[key].as_str().unwrap();
            (text("version"), text("layout"), text("transaction"))
        })
        .collect();
    assert_eq!(told, [("2", "command", "per_migration"), ("3", "command", "none")]);
    let sent: Vec<&str> = migrations
        .iter()
        .flat_map(|each| list(&each["statements"]))
        .map(|each| each["sql"].as_str().unwrap())
        .collect();
    let update = "UPDATE crew SET rank = ? WHERE id = ?";
    let index = "CREATE INDEX CONCURRENTLY crew_rank_idx ON crew (rank)";
    assert_eq!(sent, ["ALTER TABLE crew ADD COLUMN rank text", update, update, index]);
    assert!(!ran.stdout.contains("sailor"), "{}", ran.stdout);
    let locks = list(&migrations[0]["statements"][0]["locks"]);
    assert_eq!(
        (locks[0]["mode"].as_str(), locks[0]["observed"].as_str()),
        (Some("AccessExclusiveLock"), Some("exact"))
    );
    assert_eq!(report["rollback"]["verdict"], "exact");
    assert_eq!(report["answers"]["applies"]["verdict"], "yes");
    let notes = report["notes"].to_string();
    assert!(notes.contains("outside of what confines the copy's server"), "{notes}");
    let ran = check("good", &["--run-command", "--show-values", "--passes", "measure"]);
    assert!(ran.stdout.contains("rank = 'sailor 1, ''first'''"), "{}", ran.stdout);
}

#[test]
fn a_tool_that_keeps_others_waiting_in_another_connection_is_rehearsed() {
    let ran = check("locking", &["--run-command", "--passes", "measure"]);
    let report = ran.report();
    let statements = list(&report["migrations"][0]["statements"]);
    let sent: Vec<&str> = statements.iter().map(|each| each["sql"].as_str().unwrap()).collect();
    assert_eq!(sent, ["ALTER TABLE crew ADD COLUMN rank text"], "{}", ran.stderr);
}

#[test]
fn locks_are_held_as_long_as_the_program_keeps_its_transaction_open() {
    let ran = check("slow", &["--run-command", "--passes", "measure"]);
    let report = ran.report();
    let statements = list(&report["migrations"][0]["statements"]);
    let lock = &statements[0]["locks"][0];
    assert_eq!((statements.len(), lock["mode"].as_str()), (1, Some("AccessExclusiveLock")), "{}", ran.stdout);
    assert!(lock["held_ms"].as_f64().unwrap() >= 650.0, "{lock}");
    assert!(statements[0]["duration_ms"].as_f64().unwrap() < 650.0, "{statements:?}");
}

#[test]
fn what_the_server_refuses_is_a_finding_with_the_version_the_tool_had_come_to() {
    let ran = check("refused", &["--run-command"]);
    assert_eq!(ran.code, Some(1), "{}\n{}", ran.stdout, ran.stderr);
    let report = ran.report();
    let migration = &report["migrations"][0];
    assert_eq!((migration["version"].as_str(), migration["applies"].as_str()), (Some("2"), Some("no")));
    assert_eq!(migration["statements"][1]["sqlstate"], "23505");
    assert!(list(&report["findings"]).iter().any(|finding| finding["id"] == "apply/violating-rows"), "{}", ran.stdout);
}

#[test]
fn a_tool_with_nothing_to_do_has_nothing_pending() {
    let ran = check("nothing", &["--run-command", "--require-pending"]);
    assert_eq!((ran.code, list(&ran.report()["migrations"]).len()), (Some(3), 0), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_rehearsed_ends_the_run_and_says_why() {
    for (story, said) in [
        ("elsewhere", "sent nothing to the copy: it has to connect with what is in DATABASE_URL or TOOL_DATABASE"),
        ("broken", "ended with exit status: 3 before it had sent anything that the server refused"),
        ("streamed", "`COPY crew FROM STDIN` streams rows that the server does not log"),
        ("fickle", "the server refused its last statement (SQLSTATE P0001) and takes it now"),
        ("adrift", "it leaves 0 rows in public.crew, and its statements alone 2000"),
    ] {
        let ran = check(story, &["--run-command"]);
        assert_eq!(ran.code, Some(4), "{story}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{story}: {}", ran.stderr);
        assert_eq!(ran.report()["complete"], false, "{story}");
    }
}

#[test]
fn a_command_that_is_interrupted_leaves_no_process_behind() {
    let project = project();
    // Nobody else sleeps for so long.
    let told = format!("{}.5", 100_000 + std::process::id());
    std::fs::write(project.path().join("source.sql"), SOURCE).unwrap();
    let config = format!("command = \"sleep {told}; true\"\nsource = \"source.sql\"\n");
    std::fs::write(project.path().join("seatrial.toml"), config).unwrap();
    let mut command = seatrial(project.path(), &shared_state());
    let mut child = command.args(["check", "--run-command"]).spawn().unwrap();
    let sleeps = || {
        let running = std::fs::read_dir("/proc").unwrap().flatten();
        running.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.trim_end() == format!("sleep {told}")
        })
    };
    while !sleeps() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the command began");
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!sleeps());
}

#[test]
fn a_command_and_files_are_not_mixed_up() {
    let ran = check("good", &["--run-command", "--base", "main"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("its tool decides what is pending: leave out --base"), "{}", ran.stderr);
    let project = project();
    let mut command = seatrial(project.path(), &shared_state());
    let ran = run(command.args(["check", "--run-command", "--source", "empty"]));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no `command` in seatrial.toml to run"), "{}", ran.stderr);
}
