//! Branches of a Neon project, over its published API (version 2).

use super::http::{Address, Answer, Http, Limits, Secret, SetupError, segment};
use super::retry::{Talk, taken_back};
use super::service::{CloneName, CloneService, Likeness, OpenClone, PREFIX, Pace, ServiceError, ThinClone};
use crate::copy::url::SecretUrl;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

/// Where its key is; Neon's own tools look there too.
pub const TOKEN: &str = "NEON_API_KEY";
/// Where the API is.
pub const URL: &str = "https://console.neon.tech/api/v2";
/// How long the service keeps a branch that nobody destroyed.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Most pages of a list that are read: a service that goes round in circles ends somewhere.
const PAGES: u32 = 100;

/// What is asked of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NeonOptions {
    /// Another address than [`URL`].
    pub url: Option<String>,
    /// Plain `http` to another machine is allowed.
    pub insecure: bool,
    /// The project's id.
    pub project: String,
    /// The id of the branch to branch from; the project's default where it is `None`.
    pub parent: Option<String>,
    /// The database; needed where a branch has several.
    pub database: Option<String>,
    /// The role to connect as; the database's owner where it is `None`.
    pub role: Option<String>,
}

/// A project on Neon.
#[derive(Debug)]
pub struct Neon {
    http: Http,
    place: String,
    options: NeonOptions,
}

/// A branch of ours, as far as it is known.
#[derive(Debug)]
struct Branch {
    id: String,
    /// What has to be over before it can be used; not known of one that was found by its name.
    operations: Option<Vec<String>>,
    value: Value,
}

impl Neon {
    /// A project, with the key of [`TOKEN`].
    ///
    /// # Errors
    /// No key, or an address or a project that cannot be used.
    pub fn new(options: NeonOptions, token: Secret, limits: Limits) -> Result<Self, SetupError> {
        if options.project.is_empty() {
            return Err(SetupError::Key { key: "project", problem: "is missing: name the id of a Neon project" });
        }
        let address = Address::parse(options.url.as_deref().unwrap_or(URL), options.insecure)?;
        let place = format!("Neon project {}", options.project);
        let http = Http::new(address, ("authorization", "Bearer "), token, limits)?;
        Ok(Self { http, place, options })
    }

    fn talk(&self) -> Talk<'_> {
        Talk { http: &self.http, place: &self.place, secrets: &[] }
    }

    fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", segment(&self.options.project))
    }

    fn branch_path(&self, id: &str, rest: &str) -> String {
        self.path(&format!("/branches/{}{rest}", segment(id)))
    }

    /// Branches whose names begin like this; the service may know how to look for them, and is not relied on.
    fn branches(&self, beginning: &str, pace: &Pace) -> Result<Vec<Value>, ServiceError> {
        let talk = self.talk();
        let mut found = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let page = if cursor.is_empty() { String::new() } else { format!("&cursor={}", segment(&cursor)) };
            let path = self.path(&format!("/branches?search={}{page}", segment(beginning)));
            let Some((answer, value)) = talk.read("list branches", &path, pace)? else {
                return Err(talk.failed("the project", "is not there: is its id right, and the key one for it?"));
            };
            let branches = value.get("branches").and_then(Value::as_array);
            let branches = branches.ok_or_else(|| talk.lacks(&answer, "branches"))?;
            found.extend(branches.iter().filter(|branch| text(branch, "/name").starts_with(beginning)).cloned());
            let next = text(&value, "/pagination/next");
            if next.is_empty() || next == cursor || branches.is_empty() {
                break;
            }
            next.clone_into(&mut cursor);
        }
        Ok(found)
    }

    fn find(&self, name: &CloneName, pace: &Pace) -> Result<Option<Branch>, ServiceError> {
        let found = self.branches(name.as_str(), pace)?;
        let exactly = found.into_iter().find(|branch| text(branch, "/name") == name.as_str());
        Ok(exactly.and_then(|branch| {
            let id = text(&branch, "/id").to_owned();
            (!id.is_empty()).then(|| Branch { id, operations: None, value: json!({ "branch": branch }) })
        }))
    }

    fn read_made(&self, answer: &Answer) -> Result<Branch, ServiceError> {
        let talk = self.talk();
        let value = answer.json().map_err(|error| talk.lost(error))?;
        let id = text(&value, "/branch/id").to_owned();
        if id.is_empty() {
            return Err(talk.lacks(answer, "branch.id"));
        }
        Ok(Branch { id, operations: Some(operations(&value)), value })
    }

    /// Waits until everything that was begun is over.
    fn wait_for(&self, what: &str, operations: &[String], pace: &Pace) -> Result<(), ServiceError> {
        let talk = self.talk();
        let mut looks = 0;
        for id in operations {
            loop {
                let read = talk.read("show an operation", &self.path(&format!("/operations/{}", segment(id))), pace)?;
                // One that is forgotten is over.
                let Some((answer, value)) = read else { break };
                let status = text(&value, "/operation/status");
                match status {
                    "finished" | "skipped" => break,
                    "failed" | "error" | "cancelled" => {
                        let said = talk.http.hide(text(&value, "/operation/error"), &[]);
                        let said = if said.is_empty() { said } else { format!(": {said}") };
                        let action = text(&value, "/operation/action").to_owned();
                        return Err(talk.failed(what, format!("came to nothing: its `{action}` is {status}{said}")));
                    }
                    "" => return Err(talk.lacks(&answer, "operation.status")),
                    _ => {}
                }
                looks += 1;
                if looks > pace.looks {
                    let (place, what, status) = (self.place.clone(), what.to_owned(), status.to_owned());
                    return Err(ServiceError::Slow { place, what, status, looks: pace.looks });
                }
                if !pace.wait_for_look() {
                    return Err(talk.given_up());
                }
            }
        }
        Ok(())
    }

    fn wait_until_ready(&self, branch: &Branch, pace: &Pace) -> Result<(), ServiceError> {
        let talk = self.talk();
        let what = format!("branch {}", branch.id);
        if let Some(operations) = &branch.operations {
            return self.wait_for(&what, operations, pace);
        }
        let mut state = String::new();
        for _ in 0..=pace.looks {
            let gone = || talk.failed(&what, "is gone while it was waited for: did somebody delete it? Run again");
            let read = talk.read("show a branch", &self.branch_path(&branch.id, ""), pace)?;
            let (answer, value) = read.ok_or_else(gone)?;
            match text(&value, "/branch/current_state") {
                "ready" => return Ok(()),
                "" => return Err(talk.lacks(&answer, "branch.current_state")),
                other => other.clone_into(&mut state),
            }
            if !pace.wait_for_look() {
                return Err(talk.given_up());
            }
        }
        Err(ServiceError::Slow { place: self.place.clone(), what, status: state, looks: pace.looks })
    }

    /// Database and role: what the configuration names, else the one there is, and its owner.
    fn names(&self, branch: &Branch, pace: &Pace) -> Result<(String, String), ServiceError> {
        let talk = self.talk();
        let what = format!("branch {}", branch.id);
        if let (Some(database), Some(role)) = (&self.options.database, &self.options.role) {
            return Ok((database.clone(), role.clone()));
        }
        let told = branch.value.get("databases").and_then(Value::as_array).cloned();
        let databases = match told {
            Some(databases) if !databases.is_empty() => databases,
            _ => {
                let read = talk.read("list databases", &self.branch_path(&branch.id, "/databases"), pace)?;
                let listed = read.and_then(|(_, value)| value.get("databases")?.as_array().cloned());
                listed.unwrap_or_default()
            }
        };
        let names: Vec<&str> = databases.iter().map(|database| text(database, "/name")).collect();
        let chosen = match &self.options.database {
            Some(name) => databases.iter().find(|database| text(database, "/name") == name),
            None if databases.len() == 1 => databases.first(),
            None if databases.is_empty() => return Err(talk.failed(&what, "has no database")),
            None => {
                let problem = format!("has several databases: say with `database` which of {}", names.join(", "));
                return Err(talk.failed(&what, problem));
            }
        };
        let chosen = chosen.ok_or_else(|| {
            let wanted = self.options.database.as_deref().unwrap_or_default();
            talk.failed(&what, format!("has no database {wanted}: say with `database` which of {}", names.join(", ")))
        })?;
        let owner = text(chosen, "/owner_name");
        let role = self.options.role.clone().unwrap_or_else(|| owner.to_owned());
        if role.is_empty() {
            return Err(talk.failed(&what, "does not say who owns its database: name a role with `role`"));
        }
        Ok((text(chosen, "/name").to_owned(), role))
    }

    fn connection(&self, branch: &Branch, pace: &Pace) -> Result<SecretUrl, ServiceError> {
        let talk = self.talk();
        let (database, role) = self.names(branch, pace)?;
        // Of the two hosts the one that is no pooler: a pooler hands a session's settings to others.
        let path = self.path(&format!(
            "/connection_uri?branch_id={}&database_name={}&role_name={}&pooled=false",
            segment(&branch.id),
            segment(&database),
            segment(&role)
        ));
        let what = format!("branch {}", branch.id);
        let gone = || talk.failed(&what, format!("has no database {database} with a role {role}"));
        let (answer, value) = talk.read("say where a branch is", &path, pace)?.ok_or_else(gone)?;
        let uri = value.get("uri").and_then(Value::as_str).ok_or_else(|| talk.lacks(&answer, "uri"))?;
        SecretUrl::parse(uri).map_err(|error| ServiceError::Url { place: self.place.clone(), what, error })
    }

    fn describe(&self, name: &CloneName, branch: &Branch, pace: &Pace) -> Result<ThinClone, ServiceError> {
        self.wait_until_ready(branch, pace)?;
        let url = self.connection(branch, pace)?;
        let at = |path: &str| text(&branch.value, path).parse().ok();
        Ok(ThinClone {
            name: name.clone(),
            id: branch.id.clone(),
            url,
            taken_at: at("/branch/parent_timestamp").or_else(|| at("/branch/created_at")),
            likeness: Likeness::Physical,
            superuser: false,
            notes: vec!["the branch's storage is remote: durations compare with nothing else".to_owned()],
        })
    }
}

impl CloneService for Neon {
    fn kind(&self) -> &'static str {
        "neon"
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn create(&self, name: &CloneName, pace: &Pace) -> Result<ThinClone, ServiceError> {
        let talk = self.talk();
        let mut body = json!({ "endpoints": [{ "type": "read_write" }], "branch": { "name": name.as_str() } });
        if let Some(parent) = &self.options.parent {
            body["branch"]["parent_id"] = json!(parent);
        }
        let plain = body.clone();
        // Not every project may set it, and nothing relies on it.
        if let Ok(end) = jiff::Timestamp::now().checked_add(LIFE) {
            body["branch"]["expires_at"] = json!(end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        let send = |body: &Value| {
            let path = self.path("/branches");
            talk.make("make a branch", (&path, body), pace, |answer| self.read_made(answer), || self.find(name, pace))
        };
        let made = match send(&body) {
            Err(not_made)
                if !not_made.maybe
                    && matches!(&not_made.error, ServiceError::Refused { status: 400 | 403 | 422, said, .. }
                        if said.contains("expires_at") || said.contains("expiration")) =>
            {
                send(&plain)
            }
            made => made,
        };
        let clean = pace.to_the_end();
        match made {
            Ok(branch) => {
                let described = self.describe(name, &branch, pace);
                described.map_err(|error| taken_back(name, error, self.destroy(&branch.id, &clean)))
            }
            Err(not_made) if !not_made.maybe => Err(not_made.error),
            Err(not_made) => {
                let destroyed = self.find(name, &clean).and_then(|found| match found {
                    Some(branch) => self.destroy(&branch.id, &clean),
                    None => Ok(()),
                });
                Err(taken_back(name, not_made.error, destroyed))
            }
        }
    }

    fn destroy(&self, id: &str, pace: &Pace) -> Result<(), ServiceError> {
        let talk = self.talk();
        let mut tried = 0;
        loop {
            let answer = talk.ask(&Method::DELETE, &self.branch_path(id, ""), pace)?;
            tried += 1;
            match answer.status {
                204 | 404 => return Ok(()),
                _ if !answer.is_success() => return Err(talk.refused("destroy a branch", &answer)),
                _ => {}
            }
            match answer.json() {
                Ok(value) => return self.wait_for(&format!("branch {id}"), &operations(&value), pace),
                // What was begun is not known: asked again, the service says that it is gone.
                Err(error) if tried >= pace.tries => return Err(talk.lost(error)),
                Err(_) if !pace.wait_for_try(tried) => return Err(talk.given_up()),
                Err(_) => {}
            }
        }
    }

    fn list(&self, pace: &Pace) -> Result<Vec<OpenClone>, ServiceError> {
        let ours = self.branches(PREFIX, pace)?.into_iter().filter_map(|branch| {
            let name = CloneName::parse(text(&branch, "/name"))?;
            let id = text(&branch, "/id").to_owned();
            Some(OpenClone { name, id, created_at: text(&branch, "/created_at").parse().ok() })
        });
        Ok(ours.filter(|open| !open.id.is_empty()).collect())
    }
}

fn text<'value>(value: &'value Value, path: &str) -> &'value str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The ids of what was begun.
fn operations(value: &Value) -> Vec<String> {
    let all = value.get("operations").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|operation| text(operation, "/id").to_owned()).filter(|id| !id.is_empty()).collect()
}
