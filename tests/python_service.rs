//! Projects whose migrations are written in Python: `examples/python-service` and a small one of Django's. Needs a
//! PostgreSQL server, and Python with pip, which fetches what they need into a cache.

mod support;

use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::server::SUPERUSER;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use support::place::{Place, ROLE};
use support::python::{programs, said};
use support::{Ran, copy_folder, repository, run, seatrial, state_folder};
use tempfile::TempDir;

/// A project of its own, with the environment's programs on the `PATH`.
struct Project {
    folder: TempDir,
    programs: PathBuf,
}

impl Project {
    /// `None` without Python.
    fn copy(of: &str) -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().expect("a folder");
        copy_folder(&repository().join(of), folder.path());
        Some(Self { folder, programs })
    }

    fn command(&self, program: &str) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear().env("PATH", std::env::join_paths(path).expect("a PATH"));
        command.env("HOME", self.folder.path()).env("LANG", "C.UTF-8").env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(folder) = std::env::var_os("TMPDIR") {
            command.env("TMPDIR", folder);
        }
        command
    }

    /// `seatrial check` as its team runs it, the project's command allowed.
    fn check(&self, state: &str) -> Ran {
        let root = self.folder.path().join(".git");
        std::fs::create_dir_all(root).expect("the root of a repository");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        let mut command = seatrial(self.folder.path(), &state_folder(state));
        command.env("PATH", std::env::join_paths(path).expect("a PATH")).env("PYTHONDONTWRITEBYTECODE", "1");
        run(command.args(["check", "--run-command", "--format", "json"]))
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = self.command("bash");
        command.args(["-euo", "pipefail", "-c", line]);
        command
    }
}

fn done(command: &mut Command) -> String {
    let output: Output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where a database is, as programs other than ours are told.
fn url(place: &Place, database: &str) -> String {
    let endpoint = place.endpoint();
    format!("postgresql:///{database}?host={}&port={}&user={ROLE}", endpoint.socket_dir.display(), endpoint.port)
}

async fn database(place: &Place) -> String {
    let own = format!("CREATE DATABASE berths OWNER {ROLE}");
    place.execute("postgres", SUPERUSER, &own).await.expect("a database");
    url(place, "berths")
}

/// The commands a section of a README shows.
fn commands(readme: &str, section: &str) -> Vec<String> {
    let section = readme.split("\n## ").find(|text| text.starts_with(section)).expect("the section");
    let block = section.split("\n```sh\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("its commands");
    block.lines().map(str::to_owned).collect()
}

#[test]
fn the_services_tests_pass_by_the_commands_of_its_readme() {
    let Some(project) = Project::copy("examples/python-service") else { return };
    let readme = std::fs::read_to_string(project.folder.path().join("README.md")).expect("its README");
    let commands = commands(&readme, "Test it");
    assert_eq!(commands, ["ruff check", "ruff format --check", "pytest"]);
    // The server that the other tests run on too.
    let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server");
    for line in &commands {
        let said = done(project.shell(line).env("POSTGRES_BIN", &binaries.dir));
        assert!(line != "pytest" || said.contains(" passed"), "{said}");
    }
}

#[test]
fn without_a_server_the_services_tests_fail_and_say_what_is_missing() {
    let Some(project) = Project::copy("examples/python-service") else { return };
    let output = project.shell("pytest -q tests/test_health.py").env("POSTGRES_BIN", "/nowhere").output();
    let output = output.expect("it starts");
    assert!(
        !output.status.success() && said(&output).contains("no PostgreSQL server: install one"),
        "{}",
        said(&output)
    );
}

/// The service as it is served, ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself; what matters is that it has.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks a service that listens, or will.
fn ask(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("somebody listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: berths\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[tokio::test]
async fn health_tells_pending_migrations_before_they_are_applied_and_none_after() {
    let Some(project) = Project::copy("examples/python-service") else { return };
    let place = Place::new().await;
    let url = database(&place).await;
    let socket = project.folder.path().join("http");
    // It listens before the service does: who asks early is answered later.
    let listener = UnixListener::bind(&socket).expect("a socket");
    let mut serve = project.command("uvicorn");
    serve.args(["berths.main:app", "--fd", "0", "--log-level", "warning"]).env("DATABASE_URL", &url);
    let served = serve.env("BUILD", "7a3").stdin(Stdio::from(OwnedFd::from(listener))).spawn().expect("it starts");
    let _served = Served(served);
    let before = ask(&socket, "/health");
    assert!(before.starts_with("HTTP/1.1 200") && before.contains("\"build\":\"7a3\""), "{before}");
    assert!(before.contains("\"pending\":[\"0001\",\"0002\",\"0003\",\"0004\",\"0005\"]"), "{before}");
    done(project.command("alembic").args(["upgrade", "head"]).env("DATABASE_URL", &url));
    let after = ask(&socket, "/health");
    assert!(after.contains("\"status\":\"ok\",\"database\":true,\"pending\":[]"), "{after}");
}

#[tokio::test]
async fn the_services_source_is_what_its_revisions_go_on_from() {
    let Some(project) = Project::copy("examples/python-service") else { return };
    let place = Place::new().await;
    let url = database(&place).await;
    let readme = std::fs::read_to_string(project.folder.path().join("README.md")).expect("its README");
    let lines = commands(&readme, "Check its migrations");
    done(&mut project.shell(lines.first().expect("what makes the source")));
    let source = std::fs::read_to_string(project.folder.path().join("data/production.sql")).expect("a source");
    place.execute("berths", SUPERUSER, &source).await.expect("it loads");
    let url = url.replace(&format!("user={ROLE}"), "user=harbour");
    let alembic = |arguments: &[&str]| done(project.command("alembic").args(arguments).env("DATABASE_URL", &url));
    alembic(&["upgrade", "head"]);
    assert_eq!(alembic(&["current"]).trim(), "0005 (head)");
    // The bad one can be applied; what it costs is for the check to say.
    let bad = "bad/0006_wide_booking_ids.py";
    std::fs::copy(project.folder.path().join(bad), project.folder.path().join("migrations/versions/0006_bad.py"))
        .expect("copied");
    alembic(&["upgrade", "head"]);
    assert_eq!(alembic(&["current"]).trim(), "0006 (head)");
}

#[tokio::test]
async fn djangos_migrations_run_by_its_own_command() {
    let Some(project) = Project::copy("tests/fixtures/django") else { return };
    let place = Place::new().await;
    let url = database(&place).await;
    let manage =
        |arguments: &[&str]| done(project.command("python").arg("manage.py").args(arguments).env("DATABASE_URL", &url));
    assert!(manage(&["makemigrations", "--check", "--dry-run"]).contains("No changes detected"));
    manage(&["migrate", "--verbosity", "0"]);
    let applied = manage(&["showmigrations", "--plan"]);
    assert_eq!(applied.lines().filter(|line| line.starts_with("[X]")).count(), 2, "{applied}");
    let mut session = place.session("berths", ROLE).await.expect("a session");
    let valid =
        session.query("SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'moorings_depth_idx'::regclass");
    assert_eq!(valid.await.expect("an index").scalar(), Some("true"));
    session.close().await;
}

/// The versions that were rehearsed, each once.
fn versions(report: &Value) -> Vec<&str> {
    let migrations = report["migrations"].as_array().expect("migrations").iter();
    let mut versions: Vec<&str> = migrations.filter_map(|migration| migration["version"].as_str()).collect();
    versions.dedup();
    versions
}

#[test]
fn good_revisions_of_the_service_pass_its_check_and_a_bad_one_fails_it_by_name() {
    let Some(project) = Project::copy("examples/python-service") else { return };
    let readme = std::fs::read_to_string(project.folder.path().join("README.md")).expect("its README");
    let lines = commands(&readme, "Check its migrations");
    let (last, before) = lines.split_last().expect("commands");
    assert_eq!(last, "seatrial check --run-command");
    for line in before {
        done(&mut project.shell(line));
    }
    let ran = project.check("python-service");
    let report = ran.report();
    assert_eq!((ran.code, report["verdict"].as_str()), (Some(0), Some("pass")), "{}", ran.stderr);
    assert_eq!(versions(&report), ["0004", "0005"]);
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{}", report["findings"]);
    let name = "0006_wide_booking_ids.py";
    let folder = project.folder.path();
    std::fs::rename(folder.join("bad").join(name), folder.join("migrations/versions").join(name)).expect("moved");
    let ran = project.check("python-service");
    let report = ran.report();
    assert_eq!((ran.code, report["verdict"].as_str()), (Some(1), Some("fail")), "{}", ran.stderr);
    assert_eq!(versions(&report), ["0004", "0005", "0006"]);
    let last = report["migrations"].as_array().and_then(|all| all.last()).expect("the bad one");
    assert_eq!(last["name"], format!("migrations/versions/{name}"));
    let findings = report["findings"].as_array().expect("findings").iter();
    let errors: Vec<(&str, &str)> = findings
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| (finding["id"].as_str().expect("an id"), finding["file"].as_str().expect("a file")))
        .collect();
    let place = "recorded/03_0006.sql";
    assert_eq!(errors, [("lock/table-rewrite", place), ("plan/regressed", place), ("index/dropped-in-use", place)]);
    // The index that is built again is denser, and a plan over it another one: nothing is missing for that.
    assert_eq!(report["rollback"]["verdict"], "exact", "{}", report["rollback"]["differences"]);
}

#[test]
fn djangos_command_is_rehearsed() {
    let Some(project) = Project::copy("tests/fixtures/django") else { return };
    let ran = project.check("django");
    let report = ran.report();
    assert_eq!(versions(&report), ["moorings.0002_depth_index"], "{}", ran.stderr);
    assert_eq!(report["answers"]["applies"]["verdict"], "yes", "{}", ran.stderr);
    assert_eq!(report["answers"]["undoable"]["verdict"], "yes", "{}", ran.stderr);
    assert_eq!(report["indexes"][0]["name"], "public.moorings_depth_idx", "{}", report["indexes"]);
}
