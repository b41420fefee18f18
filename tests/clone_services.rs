//! Clone services over HTTP: against servers that do what the published specifications say, and whatever goes wrong on the
//! way. No network is used but loopback.
#![allow(clippy::unwrap_used)]

#[path = "clone_services/fakes.rs"]
mod fakes;
mod support;

use fakes::{Fault, Manner, Real, Scene, TOKEN, dblab, dblab_options, limits, neon, neon_options, pace};
use seatrial::copy::provider::dblab::{Dblab, DblabOptions};
use seatrial::copy::provider::http::{Limits, Secret};
use seatrial::copy::provider::neon::Neon;
use seatrial::copy::provider::service::{CloneName, CloneService, Likeness, ServiceError};
use serde_json::json;
use std::process::Stdio;
use support::http::{Reply, Server};
use support::place::Place;
use tempfile::TempDir;

fn name() -> CloneName {
    CloneName::new("0a1b2c3d", 1)
}

/// Both services, in the same manner.
fn both(manner: &Manner) -> [Scene; 2] {
    [dblab(manner.clone()), neon(manner.clone())]
}

/// Where something is made.
fn making(scene: &Scene) -> &'static str {
    if scene.service.kind() == "dblab" { "POST /clone" } else { "POST /projects" }
}

/// The error of a clone that cannot be made, which tells no secret and leaves nothing.
#[track_caller]
fn refused(scene: &Scene, left: &[&str]) -> String {
    let error = scene.service.create(&name(), &scene.pace).expect_err("no clone");
    let told = format!("{error} {error:?}");
    for secret in scene.secrets() {
        assert!(!told.contains(&secret), "{told}");
    }
    assert_eq!(scene.there(), left, "{told}");
    error.to_string()
}

fn reply(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({ "code": "X", "message": message }))
}

#[test]
fn a_clone_is_made_waited_for_and_destroyed() {
    let scene = dblab(Manner::default());
    let clone = scene.service.create(&name(), &scene.pace).unwrap();
    let password = scene.secrets().remove(0);
    assert_eq!(
        (clone.id.as_str(), clone.likeness, clone.superuser),
        ("seatrial-0a1b2c3d-1", Likeness::Physical, false)
    );
    assert_eq!(clone.taken_at, "2026-11-20T10:00:00Z".parse().ok());
    assert_eq!(clone.url.without_password(""), "postgresql://seatrial@127.0.0.1:6001/app?options=");
    assert_eq!(clone.url.password(), Some(password.as_str()));
    assert_eq!(clone.notes, [""; 0]);
    let asked = scene.server.seen.lock().unwrap()[0].body.clone();
    let db = json!({ "username": "seatrial", "password": password, "restricted": true, "db_name": "app" });
    assert_eq!(asked, json!({ "id": "seatrial-0a1b2c3d-1", "protected": false, "db": db }));
    assert!(!format!("{clone:?} {:?}", scene.service.place()).contains(&password));
    scene.service.destroy(&clone.id, &scene.pace).unwrap();
    assert!(scene.there().is_empty());
    scene.service.destroy(&clone.id, &scene.pace).expect("one that is gone is destroyed");

    let scene = neon(Manner::default());
    let clone = scene.service.create(&name(), &scene.pace).unwrap();
    assert_eq!((clone.id.as_str(), clone.likeness, clone.superuser), ("br-1", Likeness::Physical, false));
    assert_eq!(clone.url.without_password(""), "postgresql://owner@ep-1.example.com/app?sslmode=require&options=");
    assert_eq!(clone.url.password(), Some("p@ss-of-neon"));
    let asked = scene.server.seen.lock().unwrap()[0].body.clone();
    assert_eq!(asked["endpoints"], json!([{ "type": "read_write" }]));
    assert!(asked["branch"]["expires_at"].as_str().unwrap().ends_with('Z'), "{asked}");
    scene.service.destroy(&clone.id, &scene.pace).unwrap();
    assert!(scene.there().is_empty());
    scene.service.destroy(&clone.id, &scene.pace).expect("one that is gone is destroyed");
}

#[test]
fn whatever_happens_to_one_answer_there_is_one_clone_and_it_can_be_used() {
    let faults = [
        Fault::Lost,
        Fault::Cut,
        Fault::Garbled,
        Fault::Silent,
        Fault::Done(reply(502, "Bad Gateway")),
        Fault::Done(reply(504, "Gateway Timeout")),
        Fault::Instead(Reply::Close),
        Fault::Instead(Reply::Hang),
        Fault::Instead(reply(423, "busy")),
        Fault::Instead(reply(503, "busy")),
        Fault::Instead(reply(429, "too many")),
    ];
    for scene in both(&Manner::default()) {
        // What is only read, or destroyed, is asked for again after any fault.
        let reading = if scene.service.kind() == "dblab" {
            ["GET /clone/", "GET /status", "DELETE /clone"]
        } else {
            ["GET /projects/calm-sea-1/operations", "GET /projects/calm-sea-1/connection_uri", "DELETE /projects"]
        };
        for (number, fault) in (1..).zip(&faults) {
            let name = CloneName::new("0a1b2c3d", number);
            scene.fault(making(&scene), fault.clone());
            // One of the four is enough: with all of them, every fault met every other.
            let at = reading[number as usize % reading.len()];
            scene.fault(at, fault.clone());
            let made = scene.fake.lock().unwrap().made;
            let what = format!("{fault:?} at {} and at {at}", making(&scene));
            let clone = scene.service.create(&name, &scene.pace).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(clone.name, name, "{what}");
            assert_eq!(scene.fake.lock().unwrap().made, made + 1, "{what}");
            assert_eq!(scene.there(), [name.as_str()], "{what}");
            if scene.service.kind() == "dblab" {
                assert_eq!(clone.url.password(), scene.secrets().iter().rev().nth(3).map(String::as_str), "{what}");
            }
            scene.service.destroy(&clone.id, &scene.pace).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(scene.there().is_empty(), "{what}");
            assert!(scene.fake.lock().unwrap().faults.is_empty(), "{what}: it happened");
        }
    }
}

#[test]
fn what_a_service_refuses_is_told_with_the_next_step_and_nothing_is_left() {
    for (status, step) in [
        (400, "pool tank is odd"),
        (401, "is the token right"),
        (403, "is the token right"),
        (404, "is the address right"),
        (409, "pool tank is odd"),
        (500, "its log says more"),
    ] {
        for scene in both(&Manner::default()) {
            let message = format!("pool tank is odd, token {TOKEN}, at postgres://a:geheim@h/d");
            // An engine that fails in the end may have made it.
            let fault = if status == 500 { Fault::Done } else { Fault::Instead };
            scene.fault(making(&scene), fault(reply(status, &message)));
            let told = refused(&scene, &[]);
            assert!(told.starts_with(&scene.service.place()), "{told}");
            assert!(told.contains(step) && told.contains(&format!("(HTTP {status})")), "{told}");
            assert!(told.contains("token …, at postgres://…@h/d"), "{told}");
        }
    }
    for scene in both(&Manner::default()) {
        scene.fault(making(&scene), Fault::Instead(Reply::Body(403, String::new())));
        let told = refused(&scene, &[]);
        assert!(told.contains("(HTTP 403); is the token right"), "an empty answer leaves no hole: {told}");
        scene.fault(making(&scene), Fault::Instead(Reply::Body(413, "x".repeat(5000))));
        assert!(refused(&scene, &[]).len() < 450);
    }
}

#[test]
fn a_service_that_stays_busy_or_away_is_given_up_after_so_many_tries() {
    for scene in both(&Manner::default()) {
        for fault in [Fault::Instead(reply(503, "busy")), Fault::Instead(Reply::Close)] {
            for _ in 0..scene.pace.tries {
                scene.fault(making(&scene), fault.clone());
            }
            let told = refused(&scene, &[]);
            assert!(told.contains("HTTP 503") || told.contains("no whole answer"), "{told}");
            assert!(scene.fake.lock().unwrap().faults.is_empty(), "as often as that");
        }
    }
    let gone = Server::start(|_| Reply::Close);
    let url = gone.url();
    drop(gone);
    let service = Dblab::new(dblab_options(&url), Secret::new(TOKEN), limits()).unwrap();
    let told = service.create(&name(), &pace()).expect_err("nobody there").to_string();
    assert!(told.contains("cannot reach 127.0.0.1") && told.contains("is the service running?"), "{told}");
}

#[test]
fn a_clone_that_comes_to_nothing_is_destroyed() {
    for (end, kind, said) in [
        ("FATAL", "dblab", "clone seatrial-0a1b2c3d-1 could not be made: pool is full"),
        ("DELETING", "dblab", "is being deleted by somebody else"),
        ("failed", "neon", "branch br-1 came to nothing: its `create_timeline` is failed"),
        ("cancelled", "neon", "is cancelled"),
        ("EXPORTING", "dblab", "is still `EXPORTING` after 20 looks"),
        ("cancelling", "neon", "is still `cancelling` after 20 looks"),
    ] {
        let manner = Manner { end, ..Manner::default() };
        let scene = if kind == "dblab" { dblab(manner) } else { neon(manner) };
        let told = refused(&scene, &[]);
        assert!(told.contains(said), "{end}: {told}");
        assert_eq!(scene.fake.lock().unwrap().made, 1);
    }
    let scene = dblab(Manner::default());
    scene.fault("GET /clone/", Fault::Instead(reply(404, "")));
    let told = refused(&scene, &[]);
    assert!(told.contains("is gone while it was waited for"), "{told}");
}

#[test]
fn a_clone_with_a_warning_is_used_and_that_is_noted() {
    let scene = dblab(Manner { end: "WARNING", mode: "logical", ..Manner::default() });
    let clone = scene.service.create(&name(), &scene.pace).unwrap();
    assert_eq!(clone.likeness, Likeness::Logical);
    let restored = "the engine restored a dump: bloat and row order of the original are gone";
    assert_eq!(clone.notes, ["the engine warns of the clone", restored]);
    scene.fault("GET /status", Fault::Instead(Reply::json(200, json!({}))));
    let clone = scene.service.create(&CloneName::new("0a1b2c3d", 2), &scene.pace).unwrap();
    assert_eq!(clone.likeness, Likeness::Logical, "nothing is promised that the engine does not say");
    assert!(clone.notes[1].contains("does not say how it got its data"), "{:?}", clone.notes);
}

#[test]
fn an_answer_that_lacks_something_says_what() {
    let lacking = [
        (json!({}), "no `id`"),
        (json!({ "id": "seatrial-0a1b2c3d-1" }), "no `status.code`"),
        (json!([]), "no `id`"),
        (json!({ "id": 7, "status": { "code": "OK" } }), "no `id`"),
        (json!({ "id": "x", "status": { "code": "OK" } }), "without `db.host`"),
        (json!({ "id": "x", "status": { "code": "OK" }, "db": { "host": "127.0.0.1", "port": "99999" } }), "`db.port`"),
    ];
    for (answer, lacks) in lacking {
        let scene = dblab(Manner::default());
        // The clone the answer names is not there, and nothing but what was asked for is destroyed.
        scene.fake.lock().unwrap().add("x", "x");
        for _ in 0..6 {
            scene.fault("POST /clone", Fault::Instead(Reply::json(201, answer.clone())));
        }
        let told = refused(&scene, &["x"]);
        assert!(told.contains(lacks), "{answer}: {told}");
    }
    let scene = neon(Manner { databases: vec!["app", "other"], ..Manner::default() });
    assert!(refused(&scene, &[]).contains("has several databases: say with `database` which of app, other"));
    let scene = neon(Manner { databases: vec![], ..Manner::default() });
    assert!(refused(&scene, &[]).contains("has no database"));
    let scene = neon(Manner::default());
    scene.fault("GET /projects/calm-sea-1/connection_uri", Fault::Instead(Reply::json(200, json!({ "url": "x" }))));
    assert!(refused(&scene, &[]).contains("no `uri`"));
    let broken = json!({ "uri": "postgres://o:p@ss-of-neon@h:p%40ss/d/e@f" });
    scene.fault("GET /projects/calm-sea-1/connection_uri", Fault::Instead(Reply::json(200, broken)));
    assert!(refused(&scene, &[]).contains("the address of branch br-2 cannot be used"));
}

#[test]
fn a_project_without_expiry_gets_branches_all_the_same() {
    let scene = neon(Manner { eternal: true, ..Manner::default() });
    scene.service.create(&name(), &scene.pace).unwrap();
    assert_eq!(scene.there(), [name().as_str()]);
}

#[test]
fn clones_of_others_are_never_destroyed() {
    let scene = dblab(Manner::default());
    scene.fake.lock().unwrap().add("seatrial-0a1b2c3d-1", "seatrial-0a1b2c3d-1");
    let told = refused(&scene, &["seatrial-0a1b2c3d-1"]);
    assert!(told.contains("already exists"), "{told}");
    let scene = neon(Manner::default());
    scene.fake.lock().unwrap().add("br-main", "seatrial-0a1b2c3d-1");
    assert!(refused(&scene, &["seatrial-0a1b2c3d-1"]).contains("already exists"));
    for (kind, scene) in [("dblab", dblab(Manner::default())), ("neon", neon(Manner::default()))] {
        for other in ["main", "seatrial-a-1", "seatrial-production", "seatrial-b-2"] {
            scene.fake.lock().unwrap().add(other, other);
        }
        let listed = scene.service.list(&scene.pace).unwrap();
        let names: Vec<&str> = listed.iter().map(|open| open.name.as_str()).collect();
        assert_eq!(names, ["seatrial-a-1", "seatrial-b-2"], "{kind}");
    }
}

#[test]
fn a_clone_somebody_protected_stays_and_that_is_told() {
    let scene = dblab(Manner { protected: true, ..Manner::default() });
    let clone = scene.service.create(&name(), &scene.pace).unwrap();
    let told = scene.service.destroy(&clone.id, &scene.pace).expect_err("protected").to_string();
    assert!(told.contains("was protected from deletion by somebody: take the protection off"), "{told}");
    // The same while a clone comes to nothing.
    let scene = dblab(Manner { protected: true, end: "FATAL", ..Manner::default() });
    let error = scene.service.create(&name(), &scene.pace).expect_err("fatal");
    assert!(matches!(error, ServiceError::Left { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("clone seatrial-0a1b2c3d-1 may be left there") && told.contains("pool is full"), "{told}");
}

#[test]
fn the_token_does_not_follow_a_redirect_and_no_answer_is_without_end() {
    let elsewhere = Server::start(|_| Reply::json(200, json!({})));
    for scene in both(&Manner::default()) {
        scene.fault(making(&scene), Fault::Instead(Reply::Redirect(format!("{}/clone", elsewhere.url()))));
        let told = refused(&scene, &[]);
        assert!(told.contains("is a redirect to 127.0.0.1, which is not followed"), "{told}");
        for _ in 0..20 {
            scene.fault("GET", Fault::Instead(Reply::Body(200, "x".repeat(100 << 10))));
        }
        let told = scene.service.list(&scene.pace).expect_err("too large").to_string();
        assert!(told.contains("larger than 65536 bytes"), "{told}");
    }
    assert!(elsewhere.seen.lock().unwrap().is_empty());
}

#[test]
fn clones_only_the_engine_reaches_are_told_of_before_anybody_tries() {
    // From here the engine is another machine, by its name.
    let manner = Manner { host: "localhost", ..Manner::default() };
    let scene = dblab(manner);
    let away = |host: Option<&str>| {
        let port = scene.server.address.port();
        // An address of this machine that is no loopback is the nearest there is to another machine.
        let options = DblabOptions {
            url: format!("http://0.0.0.0:{port}"),
            insecure: true,
            host: host.map(str::to_owned),
            ..dblab_options("")
        };
        Dblab::new(options, Secret::new(TOKEN), limits()).unwrap()
    };
    let told = away(None).create(&name(), &scene.pace).expect_err("out of reach").to_string();
    assert!(told.contains("listens on localhost of the engine's own machine: set `cloneAccessAddresses`"), "{told}");
    assert!(scene.there().is_empty());
    let clone = away(Some("clones.example.com")).create(&name(), &scene.pace).unwrap();
    assert_eq!(clone.url.host(), "clones.example.com:6001");
}

#[test]
fn what_is_missing_in_the_configuration_is_named() {
    let token = || Secret::new(TOKEN);
    let options = DblabOptions { database: String::new(), ..dblab_options("http://127.0.0.1:1") };
    let told = Dblab::new(options, token(), Limits::default()).expect_err("no database").to_string();
    assert_eq!(told, "`database` is missing: name the database in the clones");
    let mut options = neon_options("https://neon.example.com");
    options.project = String::new();
    let told = Neon::new(options, token(), Limits::default()).expect_err("no project").to_string();
    assert_eq!(told, "`project` is missing: name the id of a Neon project");
    let told =
        Dblab::new(dblab_options("http://dblab.example.com"), token(), Limits::default()).expect_err("in the open");
    assert!(told.to_string().contains("use https://"), "{told}");
    Neon::new(neon_options("https://neon.example.com"), token(), Limits::default())
        .expect("authorities of this machine");
    let told = Secret::from_environment("SEATRIAL_TOKEN_NOBODY_SET").expect_err("not set").to_string();
    assert!(told.ends_with("set it as SEATRIAL_TOKEN_NOBODY_SET in the environment"), "{told}");
}

/// A server with a database, a service whose branches are copies of it, and a project that uses them.
struct World {
    scene: Scene,
    project: TempDir,
    state: std::path::PathBuf,
    // The last to go.
    place: Place,
}

impl World {
    async fn new(name: &str) -> Self {
        let place = Place::new().await;
        place.execute("postgres", "seatrial_superuser", "CREATE DATABASE shop OWNER app").await.unwrap();
        let schema = "CREATE TABLE orders (id int PRIMARY KEY, note text); \
             INSERT INTO orders SELECT g, 'note ' || g FROM generate_series(1, 2000) AS g";
        place.execute("shop", "app", schema).await.unwrap();
        let endpoint = place.endpoint();
        let (folder, port) = (endpoint.socket_dir.to_str().unwrap().to_owned(), endpoint.port);
        let scene = neon(Manner { real: Some(Real { folder, port }), ..Manner::default() });
        let project = support::project();
        let state = support::state_folder(&format!("services-{name}"));
        let _ = std::fs::remove_dir_all(&state);
        let keys = "[copies]\nprovider = \"neon\"\nproject = \"calm-sea-1\"\n";
        std::fs::write(project.path().join("seatrial.toml"), keys).unwrap();
        std::fs::write(project.path().join("add.sql"), "ALTER TABLE orders ADD COLUMN region text;\n").unwrap();
        std::fs::write(project.path().join("endless.sql"), "SELECT pg_sleep(3600);\n").unwrap();
        Self { scene, project, state, place }
    }

    fn check(&self, migration: &str) -> std::process::Command {
        let mut command = support::seatrial(self.project.path(), &self.state);
        command.args(["check", migration, "--format", "json", "--passes", "measure,prove"]);
        command.env("NEON_API_KEY", TOKEN).env("SEATRIAL_COPIES_URL", self.scene.server.url());
        command
    }

    /// Starts it, and waits until the service was asked for this.
    fn start_until(&self, migration: &str, asked: &str) -> std::process::Child {
        let child = self.check(migration).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !self.scene.server.seen.lock().unwrap().iter().any(|request| request.path.contains(asked)) {
            std::thread::yield_now();
        }
        child
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

fn signal(child: &std::process::Child, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_rehearsed_on_clones_of_a_service_and_they_go_however_the_run_ends() {
    let world = World::new("whole").await;
    let ran = support::run(&mut world.check("add.sql"));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let report = ran.report();
    assert_eq!(report["answers"]["applies"]["verdict"], "yes");
    assert_eq!(report["answers"]["undoable"]["verdict"], "unknown", "a role of Neon is no superuser");
    assert_eq!([&report["source"]["kind"], &report["source"]["fidelity"]], ["clone", "physical"]);
    assert_eq!(report["source"]["taken_at"], "2026-11-20T10:00:00Z");
    let notes = report["source"]["fidelity_notes"].to_string();
    assert!(notes.contains("the branch's storage is remote"), "{notes}");
    for secret in world.scene.secrets() {
        assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret), "{}", ran.stderr);
    }
    assert!(world.scene.fake.lock().unwrap().made >= 1);
    assert_eq!(world.scene.there(), [""; 0]);

    // Stopped while a branch is made: it is never ready.
    world.scene.server.seen.lock().unwrap().clear();
    world.scene.fake.lock().unwrap().manner.slow = 100_000;
    let mut child = world.start_until("add.sql", "/operations/make-");
    assert_eq!(world.scene.there().len(), 1);
    signal(&child, nix::sys::signal::Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(world.scene.there(), [""; 0]);

    // Killed, it leaves one, and the next run finds it by what was written down.
    world.scene.server.seen.lock().unwrap().clear();
    let mut child = world.start_until("add.sql", "/operations/make-");
    signal(&child, nix::sys::signal::Signal::SIGKILL);
    child.wait().unwrap();
    let left = world.scene.there();
    assert_eq!(left.len(), 1);
    world.scene.fake.lock().unwrap().manner.slow = 0;
    world.scene.fake.lock().unwrap().add("br-other", "seatrial-0ther-1");
    let ran = support::run(&mut world.check("add.sql"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("removed a clone of an earlier run"), "{}", ran.stderr);
    assert_eq!(world.scene.there(), ["seatrial-0ther-1"], "that of another machine stays");
    assert_eq!(
        world.place.session("shop", "app").await.unwrap().query("SELECT count(*) FROM orders").await.unwrap().scalar(),
        Some("2000")
    );
}

#[test]
fn a_configuration_sends_no_token_anywhere() {
    let project = support::project();
    std::fs::write(project.path().join("add.sql"), "SELECT 1;\n").unwrap();
    let check = |keys: &str, environment: &[(&str, &str)]| {
        std::fs::write(project.path().join("seatrial.toml"), format!("[copies]\n{keys}\n")).unwrap();
        let mut command = support::seatrial(project.path(), &support::shared_state());
        let ran = support::run(command.args(["check", "add.sql"]).envs(environment.iter().copied()));
        assert_eq!(ran.code, Some(2), "{keys}: {}", ran.stderr);
        assert!(!ran.stderr.contains(TOKEN), "{}", ran.stderr);
        ran.stderr
    };
    let elsewhere = Server::start(|_| Reply::Close);
    let token = [("SEATRIAL_DBLAB_TOKEN", TOKEN), ("NEON_API_KEY", TOKEN)];
    let file = |provider: &str| {
        format!("provider = \"{provider}\"\nurl = \"{}\"\ndatabase = \"a\"\nproject = \"p\"", elsewhere.url())
    };
    for provider in ["dblab", "neon"] {
        let told = check(&file(provider), &token);
        assert!(told.contains("leave `url` out, and set SEATRIAL_COPIES_URL"), "{told}");
    }
    assert!(elsewhere.seen.lock().unwrap().is_empty());
    let told = check("provider = \"dblab\"\ndatabase = \"a\"", &token);
    assert!(told.contains("needs the address of an engine"), "{told}");
    let url = ("SEATRIAL_COPIES_URL", "http://dblab.example.com");
    let told = check("provider = \"dblab\"\ndatabase = \"a\"", &[url, token[0]]);
    assert!(told.contains("would get its token unencrypted"), "{told}");
    let told = check("provider = \"dblab\"\ndatabase = \"a\"", &[("SEATRIAL_COPIES_URL", "https://dblab.example.com")]);
    assert!(told.contains("set it as SEATRIAL_DBLAB_TOKEN"), "{told}");
    let told = check("provider = \"neon\"", &token);
    assert!(told.contains("`project` is missing"), "{told}");
}
