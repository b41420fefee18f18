//! What DBLab Engine and Neon do, as far as clones are concerned and as their specifications say it, with faults.

use super::support::http::{Reply, Request, Server};
use seatrial::copy::provider::dblab::{Dblab, DblabOptions};
use seatrial::copy::provider::http::{Limits, Secret};
use seatrial::copy::provider::neon::{Neon, NeonOptions};
use seatrial::copy::provider::service::{CloneService, Pace};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const TOKEN: &str = "tok3n-that-nobody-may-see";

/// What goes wrong, once.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing is done, and this is answered.
    Instead(Reply),
    /// It is done, and the answer is lost.
    Lost,
    /// It is done, and the answer breaks off.
    Cut,
    /// It is done, and the answer is no JSON.
    Garbled,
    /// It is done, and no answer comes.
    Silent,
    /// It is done, and this is answered.
    Done(Reply),
}

/// How the service behaves.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How often a clone is not ready yet.
    pub slow: u32,
    /// What becomes of a clone that was made.
    pub end: &'static str,
    /// How often a clone that was deleted is still there.
    pub lingers: u32,
    /// Somebody protects every clone.
    pub protected: bool,
    /// Its data came from a dump.
    pub mode: &'static str,
    /// Where clones are said to be.
    pub host: &'static str,
    /// What a branch has.
    pub databases: Vec<&'static str>,
    /// `expires_at` is refused.
    pub eternal: bool,
    /// A server of our own, on which each branch is a database.
    pub real: Option<Real>,
}

/// Where branches are real: a folder of a socket and a port.
#[derive(Debug, Clone)]
pub struct Real {
    pub folder: String,
    pub port: u16,
}

impl Real {
    /// What a superuser says there.
    fn say(&self, sql: &str) {
        let psql = std::process::Command::new("psql")
            .args(["-X", "-q", "-w", "-U", "seatrial_superuser", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .args(["-h", &self.folder, "-p", &self.port.to_string()])
            .output()
            .expect("psql");
        assert!(psql.status.success(), "{sql}: {}", String::from_utf8_lossy(&psql.stderr));
    }
}

impl Default for Manner {
    fn default() -> Self {
        let databases = vec!["app"];
        let (mode, host) = ("physical", "127.0.0.1");
        Self { slow: 2, end: "", lingers: 2, protected: false, mode, host, databases, eternal: false, real: None }
    }
}

/// One clone there.
#[derive(Debug, Default)]
struct Clone {
    name: String,
    user: String,
    left: u32,
    deleting: Option<u32>,
}

/// What is at the service.
#[derive(Default)]
pub struct Fake {
    pub manner: Manner,
    /// `METHOD path-beginning`, and what happens at the next such request.
    pub faults: VecDeque<(&'static str, Fault)>,
    clones: BTreeMap<String, Clone>,
    /// Operations under way: of which branch, and how often it still takes.
    operations: BTreeMap<String, (String, u32)>,
    /// How many were ever made.
    pub made: u32,
}

impl Fake {
    /// Names of what is there.
    pub fn there(&self) -> Vec<String> {
        self.clones.values().map(|clone| clone.name.clone()).collect()
    }

    /// Somebody else's.
    pub fn add(&mut self, id: &str, name: &str) {
        self.clones.insert(id.to_owned(), Clone { name: name.to_owned(), ..Clone::default() });
    }

    fn answer(&mut self, request: &Request, act: fn(&mut Self, &Request) -> Reply) -> Reply {
        let line = format!("{} {}", request.method, request.path);
        let at = self.faults.iter().position(|(at, _)| line.starts_with(at));
        let Some((_, fault)) = at.and_then(|at| self.faults.remove(at)) else { return act(self, request) };
        if let Fault::Instead(reply) = fault {
            return reply;
        }
        let Reply::Body(_, body) = act(self, request) else { panic!("{line} is not answered with a body") };
        match fault {
            Fault::Lost => Reply::Close,
            Fault::Cut => Reply::Cut(body),
            Fault::Garbled => Reply::Body(200, "<html>Gateway</html>".to_owned()),
            Fault::Silent => Reply::Hang,
            Fault::Done(reply) | Fault::Instead(reply) => reply,
        }
    }

    fn dblab(&mut self, request: &Request) -> Reply {
        let refuse =
            |status, code: &str, message: &str| Reply::json(status, json!({ "code": code, "message": message }));
        if request.headers.get("verification-token").map(String::as_str) != Some(TOKEN) {
            return refuse(401, "UNAUTHORIZED", "Check your verification token.");
        }
        let id = request.path.strip_prefix("/clone/").unwrap_or_default().to_owned();
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/status") => Reply::json(200, json!({ "retrieving": { "mode": self.manner.mode } })),
            ("GET", "/clones") => {
                let all = self.clones.keys().map(|id| json!({ "id": id, "createdAt": "2026-11-26 10:00:00 UTC" }));
                Reply::json(200, all.collect())
            }
            ("POST", "/clone") => {
                let text =
                    |path: &str| request.body.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
                let id = text("/id");
                if self.clones.contains_key(&id) {
                    return refuse(400, "BAD_REQUEST", "clone with such ID already exists");
                }
                if text("/db/username").is_empty() || text("/db/password").len() < 20 {
                    return refuse(400, "BAD_REQUEST", "missing username or weak password");
                }
                let clone =
                    Clone { name: id.clone(), user: text("/db/username"), left: self.manner.slow, deleting: None };
                self.clones.insert(id.clone(), clone);
                self.made += 1;
                Reply::json(201, self.dblab_clone(&id))
            }
            ("GET", _) if !id.is_empty() => {
                let Some(clone) = self.clones.get_mut(&id) else { return refuse(404, "NOT_FOUND", "clone not found") };
                match clone.deleting {
                    Some(0) => {
                        self.clones.remove(&id);
                        return refuse(404, "NOT_FOUND", "clone not found");
                    }
                    Some(left) => clone.deleting = Some(left - 1),
                    None => clone.left = clone.left.saturating_sub(1),
                }
                Reply::json(200, self.dblab_clone(&id))
            }
            ("DELETE", _) => {
                let (protected, lingers) = (self.manner.protected, self.manner.lingers);
                let Some(clone) = self.clones.get_mut(&id) else { return refuse(404, "NOT_FOUND", "clone not found") };
                if protected {
                    return refuse(400, "BAD_REQUEST", "clone is protected");
                }
                clone.deleting.get_or_insert(lingers);
                Reply::Body(200, String::new())
            }
            _ => refuse(404, "NOT_FOUND", "Not found."),
        }
    }

    fn dblab_clone(&self, id: &str) -> Value {
        let clone = &self.clones[id];
        let code = match clone {
            Clone { deleting: Some(_), .. } => "DELETING",
            Clone { left: 1.., .. } => "CREATING",
            _ if self.manner.end.is_empty() => "OK",
            _ => self.manner.end,
        };
        json!({
            "id": id, "branch": "main", "protected": self.manner.protected, "new_field": [1],
            "status": { "code": code, "message": if code == "FATAL" { "pool is full" } else { "" } },
            "snapshot": { "id": "s", "dataStateAt": "2026-11-20T10:00:00Z" },
            "db": { "host": self.manner.host, "port": "6001", "username": clone.user, "password": "", "connStr": "x" },
        })
    }

    fn neon(&mut self, request: &Request) -> Reply {
        let refuse = |status, message: &str| Reply::json(status, json!({ "code": "", "message": message }));
        if request.headers.get("authorization").map(String::as_str) != Some(&format!("Bearer {TOKEN}")) {
            return refuse(401, "authentication failed");
        }
        let Some(rest) = request.path.strip_prefix("/projects/calm-sea-1") else { return refuse(404, "no project") };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["branches"]) => {
                // Pages of one.
                let after = query.split_once("cursor=").map_or("", |(_, cursor)| cursor);
                let page = self.clones.iter().find(|(id, _)| id.as_str() > after);
                let branches = page.iter().map(|(id, clone)| json!({ "id": id, "name": clone.name }));
                let next = page.map(|(id, _)| id.as_str()).unwrap_or_default();
                Reply::json(200, json!({ "branches": branches.collect::<Value>(), "pagination": { "next": next } }))
            }
            ("POST", ["branches"]) => {
                let branch = &request.body["branch"];
                let name = branch["name"].as_str().unwrap_or_default().to_owned();
                if self.manner.eternal && !branch["expires_at"].is_null() {
                    return refuse(400, "expires_at is not available for this project");
                }
                if self.there().contains(&name) {
                    return refuse(409, "branch name already exists");
                }
                self.made += 1;
                let id = format!("br-{}", self.made);
                self.clones.insert(id.clone(), Clone { name, left: self.manner.slow, ..Clone::default() });
                if let Some(real) = &self.manner.real {
                    real.say(&format!("CREATE DATABASE \"{id}\" TEMPLATE shop OWNER app"));
                }
                let operation = format!("make-{id}");
                self.operations.insert(operation.clone(), (id.clone(), self.manner.slow));
                let databases: Value =
                    self.manner.databases.iter().map(|name| json!({ "name": name, "owner_name": "owner" })).collect();
                let operations = json!([{ "id": operation, "status": "scheduling" }]);
                let branch = json!({ "id": id, "created_at": "2026-11-20T10:00:00Z" });
                Reply::json(201, json!({ "branch": branch, "operations": operations, "databases": databases }))
            }
            ("GET", ["branches", id]) => {
                let Some(clone) = self.clones.get_mut(*id) else { return refuse(404, "no branch") };
                clone.left = clone.left.saturating_sub(1);
                let state = if clone.left > 0 { "init" } else { "ready" };
                Reply::json(200, json!({ "branch": { "id": id, "current_state": state } }))
            }
            ("GET", ["branches", _, "databases"]) => {
                let all = self.manner.databases.iter().map(|name| json!({ "name": name, "owner_name": "owner" }));
                Reply::json(200, json!({ "databases": all.collect::<Value>() }))
            }
            ("GET", ["connection_uri"]) => {
                let mut uri = "postgresql://owner:p%40ss-of-neon@ep-1.example.com/app?sslmode=require".to_owned();
                if let Some(real) = &self.manner.real {
                    let id = query.split('&').find_map(|part| part.strip_prefix("branch_id=")).unwrap_or_default();
                    uri = format!("postgresql://app:p%40ss-of-neon@/{id}?host={}&port={}", real.folder, real.port);
                }
                let wanted = query.contains("pooled=false") && query.contains("role_name=owner");
                if wanted { Reply::json(200, json!({ "uri": uri })) } else { refuse(400, query) }
            }
            ("GET", ["operations", id]) => {
                let Some((branch, left)) = self.operations.get_mut(*id) else { return refuse(404, "no operation") };
                let over = *left == 0;
                *left = left.saturating_sub(1);
                if over && id.starts_with("drop") {
                    self.clones.remove(branch);
                    if let Some(real) = &self.manner.real {
                        real.say(&format!("DROP DATABASE IF EXISTS \"{branch}\" WITH (FORCE)"));
                    }
                }
                let end =
                    if self.manner.end.is_empty() || id.starts_with("drop") { "finished" } else { self.manner.end };
                let status = if over { end } else { "running" };
                Reply::json(200, json!({ "operation": { "id": id, "action": "create_timeline", "status": status } }))
            }
            ("DELETE", ["branches", id]) => {
                if !self.clones.contains_key(*id) {
                    return Reply::Body(204, String::new());
                }
                let operation = format!("drop-{id}");
                self.operations.insert(operation.clone(), ((*id).to_owned(), self.manner.lingers));
                Reply::json(200, json!({ "branch": { "id": id }, "operations": [{ "id": operation }] }))
            }
            _ => refuse(404, "not found"),
        }
    }
}

/// A service with a client for it.
pub struct Scene {
    pub server: Server,
    pub fake: Arc<Mutex<Fake>>,
    pub service: Arc<dyn CloneService>,
    pub pace: Pace,
}

/// Fast, and patient enough for every manner above.
pub fn pace() -> Pace {
    Pace { look: Duration::ZERO, looks: 20, pause: Duration::ZERO, tries: 4, ..Pace::default() }
}

/// Answers that do not come are not waited for longer than this.
pub fn limits() -> Limits {
    Limits { answer: Duration::from_millis(250), bytes: 64 << 10, ..Limits::default() }
}

pub fn dblab_options(url: &str) -> DblabOptions {
    DblabOptions { url: url.to_owned(), database: "app".to_owned(), ..DblabOptions::default() }
}

pub fn neon_options(url: &str) -> NeonOptions {
    NeonOptions { url: Some(url.to_owned()), project: "calm-sea-1".to_owned(), ..NeonOptions::default() }
}

fn serve(manner: Manner, act: fn(&mut Fake, &Request) -> Reply) -> (Server, Arc<Mutex<Fake>>) {
    let fake = Arc::new(Mutex::new(Fake { manner, ..Fake::default() }));
    let behind = Arc::clone(&fake);
    (Server::start(move |request| behind.lock().expect("the fake").answer(request, act)), fake)
}

pub fn dblab(manner: Manner) -> Scene {
    let (server, fake) = serve(manner, Fake::dblab);
    let service = Dblab::new(dblab_options(&server.url()), Secret::new(TOKEN), limits()).expect("a client");
    Scene { server, fake, service: Arc::new(service), pace: pace() }
}

pub fn neon(manner: Manner) -> Scene {
    let (server, fake) = serve(manner, Fake::neon);
    let service = Neon::new(neon_options(&server.url()), Secret::new(TOKEN), limits()).expect("a client");
    Scene { server, fake, service: Arc::new(service), pace: pace() }
}

impl Scene {
    pub fn fault(&self, at: &'static str, fault: Fault) {
        self.fake.lock().expect("the fake").faults.push_back((at, fault));
    }

    pub fn there(&self) -> Vec<String> {
        self.fake.lock().expect("the fake").there()
    }

    /// Every secret that was on the wire.
    pub fn secrets(&self) -> Vec<String> {
        let seen = self.server.seen.lock().expect("requests");
        let passwords = seen.iter().filter_map(|request| request.body.pointer("/db/password")?.as_str());
        passwords.map(str::to_owned).chain([TOKEN.to_owned(), "p@ss-of-neon".to_owned(), "p%40ss".to_owned()]).collect()
    }
}
