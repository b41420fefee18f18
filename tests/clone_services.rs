//! Clone services over HTTP: against servers that do what the published specifications say, and whatever goes wrong on the
//! way. No network is used but loopback.
#![allow(clippy::unwrap_used)]

#[path = "clone_services/fakes.rs"]
mod fakes;
mod support;

use fakes::{Fault, Manner, Scene, TOKEN, dblab, dblab_options, limits, neon, neon_options, pace};
use seatrial::copy::provider::dblab::{Dblab, DblabOptions};
use seatrial::copy::provider::http::{Limits, Secret};
use seatrial::copy::provider::neon::Neon;
use seatrial::copy::provider::service::{CloneName, CloneService, Likeness, Pace, ServiceError};
use seatrial::copy::provider::{Keeper, open_records, sweep_clones};
use seatrial::copy::state::{RunDir, StateDir};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::http::{Reply, Server};
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

/// A state folder with a run in it, and what is told on stderr.
struct Run {
    _folder: TempDir,
    state: StateDir,
    run: RunDir,
    told: Arc<Mutex<Vec<String>>>,
}

impl Run {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let state = StateDir::open(Some(&folder.path().join("state"))).unwrap();
        let run = RunDir::create(&state).unwrap();
        Self { _folder: folder, state, run, told: Arc::default() }
    }

    fn keeper(&self, scene: &Scene, pace: Pace) -> Keeper {
        let told = Arc::clone(&self.told);
        let tell = Arc::new(move |line: &str| told.lock().unwrap().push(line.to_owned()));
        Keeper::new(Arc::clone(&scene.service), self.state.clone(), &self.run, pace, tell)
    }

    fn records(&self) -> usize {
        let folder = self.state.root().join("clones");
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_run_holds_a_clone_until_it_says_otherwise() {
    for scene in both(&Manner::default()) {
        let place = Run::new();
        let keeper = place.keeper(&scene, pace());
        runtime().block_on(async {
            let one = keeper.create().await.unwrap();
            let two = keeper.create().await.unwrap();
            assert_ne!(one.clone.name, two.clone.name);
            assert_eq!((scene.there().len(), place.records()), (2, 4), "a record and its lock each");
            one.destroy().await.unwrap();
            assert_eq!(scene.there(), [two.clone.name.as_str()]);
            two.destroy().await.unwrap();
        });
        assert_eq!((scene.there().len(), place.records()), (0, 0));
        assert_eq!(*place.told.lock().unwrap(), [""; 0]);
    }
}

#[test]
fn a_run_that_ends_takes_its_clones_along_also_one_that_is_being_made() {
    // Hours are waited, unless somebody says that nobody wants it any more.
    let slow = Pace { look: Duration::from_secs(3600), ..pace() };
    for scene in both(&Manner { lingers: 0, ..Manner::default() }) {
        let place = Run::new();
        let keeper = place.keeper(&scene, slow.clone());
        let runtime = runtime();
        runtime.block_on(async {
            let there = async {
                while scene.there().is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                made = keeper.create() => panic!("it is never ready: {made:?}"),
                () = there => {}
            }
        });
        drop(runtime);
        assert_eq!((scene.there(), place.records()), (vec![], 0));
    }
    for scene in both(&Manner::default()) {
        let place = Run::new();
        let keeper = place.keeper(&scene, pace());
        let runtime = runtime();
        let held = runtime.block_on(keeper.create()).unwrap();
        drop(held);
        drop(runtime);
        assert_eq!((scene.there(), place.records()), (vec![], 0));
        assert_eq!(*place.told.lock().unwrap(), [""; 0]);
    }
}

#[test]
fn a_clone_that_cannot_be_destroyed_is_told_of_and_destroyed_by_the_next_run() {
    for scene in both(&Manner::default()) {
        let place = Run::new();
        let keeper = place.keeper(&scene, pace());
        let runtime = runtime();
        let held = runtime.block_on(keeper.create()).unwrap();
        let name = held.clone.name.clone();
        for _ in 0..pace().tries {
            scene.fault("DELETE", Fault::Instead(reply(500, "not now")));
        }
        let told = runtime.block_on(held.destroy()).expect_err("not now").to_string();
        assert!(told.contains("not now"), "{told}");
        // Nobody asks any more: it is told.
        let held = runtime.block_on(keeper.create()).unwrap();
        for _ in 0..pace().tries {
            scene.fault("DELETE", Fault::Instead(reply(500, "not now")));
        }
        drop(held);
        drop(runtime);
        let told = place.told.lock().unwrap().join("\n");
        assert!(told.contains("is left: ") && told.contains("the next start tries again"), "{told}");
        assert_eq!(scene.there().len(), 2);
        // What the dead left is destroyed, a clone of another machine is not.
        scene.fake.lock().unwrap().add("seatrial-other-1", "seatrial-other-1");
        assert_eq!(open_records(&place.state).unwrap().len(), 2);
        let done = sweep_clones(&place.state, scene.service.as_ref(), &pace()).unwrap();
        assert_eq!(done.len(), 2, "{done:?}");
        assert!(done[0].starts_with(&format!("destroyed a clone of an earlier run: {name} at ")), "{done:?}");
        assert_eq!((scene.there(), place.records()), (vec!["seatrial-other-1".to_owned()], 0));
    }
}

#[test]
fn a_sweep_leaves_alone_what_lives_and_what_is_elsewhere() {
    let (here, there) = (dblab(Manner::default()), neon(Manner::default()));
    let place = Run::new();
    let runtime = runtime();
    let held = runtime.block_on(place.keeper(&here, pace()).create()).unwrap();
    assert_eq!(sweep_clones(&place.state, here.service.as_ref(), &pace()).unwrap(), [""; 0]);
    assert_eq!(here.there().len(), 1, "its run lives");
    runtime.block_on(held.destroy()).unwrap();
    // A run that was killed before it knew what the service calls its clone.
    let left = CloneName::new("dead", 3);
    there.fake.lock().unwrap().add("br-left", left.as_str());
    let record = json!({ "kind": "neon", "place": there.service.place(), "name": left.as_str(), "id": null });
    let path = place.state.root().join("clones").join(format!("{left}.json"));
    std::fs::write(&path, record.to_string()).unwrap();
    let done = sweep_clones(&place.state, here.service.as_ref(), &pace()).unwrap();
    assert_eq!(done.len(), 1);
    assert!(done[0].contains(&format!("an earlier run left clone {left} at Neon project calm-sea-1")), "{done:?}");
    assert!(path.exists());
    let done = sweep_clones(&place.state, there.service.as_ref(), &pace()).unwrap();
    assert!(done[0].starts_with("destroyed a clone of an earlier run"), "{done:?}");
    assert_eq!((there.there(), place.records()), (vec![], 0));
    // A record of one that is gone by itself needs no words; one that is damaged does.
    std::fs::write(&path, record.to_string()).unwrap();
    assert_eq!(sweep_clones(&place.state, there.service.as_ref(), &pace()).unwrap(), [""; 0]);
    std::fs::write(&path, "{").unwrap();
    let done = sweep_clones(&place.state, there.service.as_ref(), &pace()).unwrap();
    assert!(done[0].contains("is damaged"), "{done:?}");
}
