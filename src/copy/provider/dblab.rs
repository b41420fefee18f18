//! Thin clones of DBLab Engine, over its published API (`dblab_openapi.yaml`, version 4.1; where it and the engine
//! differ, both are understood).

use super::http::{Address, Answer, Http, Limits, Secret, SetupError, is_here, segment};
use super::retry::{Talk, taken_back};
use super::service::{CloneName, CloneService, Likeness, OpenClone, Pace, ServiceError, ThinClone};
use crate::copy::url::SecretUrl;
use serde_json::{Value, json};
use ureq::http::Method;

/// Where its token is.
pub const TOKEN: &str = "SEATRIAL_DBLAB_TOKEN";
/// The user made in each clone unless the configuration names one.
const USER: &str = "seatrial";

/// What is asked of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DblabOptions {
    /// `https://HOST[:PORT][/api]`.
    pub url: String,
    /// Plain `http` to another machine is allowed.
    pub insecure: bool,
    /// The branch to clone from; the engine's own default where it is `None`.
    pub branch: Option<String>,
    /// The snapshot to clone; the newest where it is `None`.
    pub snapshot: Option<String>,
    /// The database to connect to.
    pub database: String,
    /// The user to make in each clone.
    pub user: Option<String>,
    /// Whether that user is a superuser of its clone, or owns what is in it and no more.
    pub superuser: bool,
    /// Where clones are reached, when the engine names an address that only it can use.
    pub host: Option<String>,
}

/// A DBLab Engine.
#[derive(Debug)]
pub struct Dblab {
    http: Http,
    place: String,
    options: DblabOptions,
}

impl Dblab {
    /// An engine with the token of [`TOKEN`].
    ///
    /// # Errors
    /// No token, or an address or a name that cannot be used.
    pub fn new(options: DblabOptions, token: Secret, limits: Limits) -> Result<Self, SetupError> {
        if options.database.is_empty() {
            return Err(SetupError::Key { key: "database", problem: "is missing: name the database in the clones" });
        }
        let address = Address::parse(&options.url, options.insecure)?;
        let place = format!("DBLab Engine at {address}");
        let http = Http::new(address, ("verification-token", ""), token, limits)?;
        Ok(Self { http, place, options })
    }

    fn user(&self) -> &str {
        self.options.user.as_deref().unwrap_or(USER)
    }

    fn talk<'a>(&'a self, secrets: &'a [&'a Secret]) -> Talk<'a> {
        Talk { http: &self.http, place: &self.place, secrets }
    }

    /// The clone as it is now; `None` where there is none.
    fn look(&self, talk: &Talk<'_>, id: &str, pace: &Pace) -> Result<Option<State>, ServiceError> {
        let found = talk.read("show a clone", &format!("/clone/{}", segment(id)), pace)?;
        found.map(|(answer, value)| State::of(talk, &answer, value)).transpose()
    }

    fn wait_until_ready(&self, talk: &Talk<'_>, mut state: State, pace: &Pace) -> Result<State, ServiceError> {
        let what = format!("clone {}", state.id);
        for _ in 0..=pace.looks {
            match state.code.as_str() {
                "OK" | "WARNING" => return Ok(state),
                "FATAL" => {
                    let said = talk.http.hide(&state.said(), talk.secrets);
                    return Err(talk.failed(&what, format!("could not be made{said}")));
                }
                "DELETING" => return Err(talk.failed(&what, "is being deleted by somebody else: run again")),
                // A word of a newer version is waited for like the ones that are known.
                _ => {}
            }
            if !pace.wait_for_look() {
                return Err(talk.given_up());
            }
            let gone = || talk.failed(&what, "is gone while it was waited for: did somebody delete it? Run again");
            state = self.look(talk, &state.id, pace)?.ok_or_else(gone)?;
        }
        Err(ServiceError::Slow { place: self.place.clone(), what, status: state.code, looks: pace.looks })
    }

    fn connection(&self, talk: &Talk<'_>, state: &State, password: &Secret) -> Result<SecretUrl, ServiceError> {
        let what = format!("clone {}", state.id);
        let lacks = |field: &str| talk.failed(&what, format!("is told without `{field}`: is this the API of DBLab?"));
        let told = state.text("/db/host").filter(|host| !host.is_empty());
        let host = self.options.host.clone().or(told).ok_or_else(|| lacks("db.host"))?;
        if self.options.host.is_none() && is_here(&host) && !self.http.address().is_here() {
            return Err(talk.failed(
                &what,
                format!(
                    "listens on {host} of the engine's own machine: set `cloneAccessAddresses` there, or name with \
                     `host` where clones are reached from here"
                ),
            ));
        }
        // The specification has a text, and a number is as good.
        let port = state.value.pointer("/db/port");
        let port = port.and_then(|port| port.as_u64().or_else(|| port.as_str()?.trim().parse().ok()));
        let port = port.and_then(|port| u16::try_from(port).ok()).ok_or_else(|| lacks("db.port"))?;
        let user = state.text("/db/username").filter(|user| !user.is_empty());
        let user = user.as_deref().unwrap_or_else(|| self.user());
        Ok(SecretUrl::from_parts(&host, port, user, password.expose(), &self.options.database))
    }

    /// How the engine got its data, which only its status says.
    fn likeness(&self, talk: &Talk<'_>, notes: &mut Vec<String>, pace: &Pace) -> Result<Likeness, ServiceError> {
        let status = talk.read("show its status", "/status", pace)?;
        let mode = status.and_then(|(_, value)| Some(value.pointer("/retrieving/mode")?.as_str()?.to_owned()));
        let (likeness, note) = match mode.as_deref() {
            Some("physical") => (Likeness::Physical, None),
            Some("logical") => {
                (Likeness::Logical, Some("the engine restored a dump: bloat and row order of the original are gone"))
            }
            _ => (Likeness::Logical, Some("the engine does not say how it got its data, so a dump is assumed")),
        };
        notes.extend(note.map(str::to_owned));
        Ok(likeness)
    }

    fn describe(
        &self,
        name: &CloneName,
        state: &State,
        password: &Secret,
        pace: &Pace,
    ) -> Result<ThinClone, ServiceError> {
        let secrets = [password];
        let talk = self.talk(&secrets);
        let url = self.connection(&talk, state, password)?;
        let mut notes = Vec::new();
        if state.code == "WARNING" {
            notes.push(talk.http.hide(&format!("the engine warns of the clone{}", state.said()), talk.secrets));
        }
        let likeness = self.likeness(&talk, &mut notes, pace)?;
        Ok(ThinClone {
            name: name.clone(),
            id: state.id.clone(),
            url,
            taken_at: state.text("/snapshot/dataStateAt").and_then(|text| moment(&text)),
            likeness,
            superuser: self.options.superuser,
            notes,
        })
    }
}

impl CloneService for Dblab {
    fn kind(&self) -> &'static str {
        "dblab"
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn create(&self, name: &CloneName, pace: &Pace) -> Result<ThinClone, ServiceError> {
        // One for all tries: whichever of them made the clone, this is the password it has.
        let password = Secret::random().map_err(|error| self.talk(&[]).failed("a clone", error.to_string()))?;
        let secrets = [&password];
        let talk = self.talk(&secrets);
        let mut body = json!({
            "id": name.as_str(),
            "protected": false,
            "db": {
                "username": self.user(),
                "password": password.expose(),
                "restricted": !self.options.superuser,
                "db_name": self.options.database,
            },
        });
        if let Some(branch) = &self.options.branch {
            body["branch"] = json!(branch);
        }
        if let Some(snapshot) = &self.options.snapshot {
            body["snapshot"] = json!({ "id": snapshot });
        }
        let made = talk.make(
            "make a clone",
            ("/clone", &body),
            pace,
            |answer| {
                let value = answer.json().map_err(|error| talk.lost(error))?;
                State::of(&talk, answer, value)
            },
            || self.look(&talk, name.as_str(), pace),
        );
        let ready = match made {
            Ok(state) => self.wait_until_ready(&talk, state, pace),
            Err(not_made) if not_made.maybe => Err(not_made.error),
            Err(not_made) => return Err(not_made.error),
        };
        let described = ready.and_then(|state| self.describe(name, &state, &password, pace));
        described.map_err(|error| taken_back(name, error, self.destroy(name.as_str(), &pace.to_the_end())))
    }

    fn destroy(&self, id: &str, pace: &Pace) -> Result<(), ServiceError> {
        let talk = self.talk(&[]);
        let what = format!("clone {id}");
        let answer = talk.ask(&Method::DELETE, &format!("/clone/{}", segment(id)), pace)?;
        match answer.status {
            404 => return Ok(()),
            // Whoever protected it did so by hand, and wants it.
            400 if self.look(&talk, id, pace)?.is_some_and(|state| state.is_protected()) => {
                return Err(talk.failed(
                    &what,
                    "was protected from deletion by somebody: take the protection off, then delete it",
                ));
            }
            _ if !answer.is_success() => return Err(talk.refused("destroy a clone", &answer)),
            _ => {}
        }
        for _ in 0..=pace.looks {
            match self.look(&talk, id, pace)? {
                None => return Ok(()),
                Some(state) if state.code == "FATAL" => {
                    let said = talk.http.hide(&state.said(), talk.secrets);
                    return Err(talk.failed(&what, format!("could not be deleted{said}")));
                }
                Some(_) => {}
            }
            if !pace.wait_for_look() {
                return Err(talk.given_up());
            }
        }
        Err(ServiceError::Slow { place: self.place.clone(), what, status: "DELETING".to_owned(), looks: pace.looks })
    }

    fn list(&self, pace: &Pace) -> Result<Vec<OpenClone>, ServiceError> {
        let talk = self.talk(&[]);
        let doing = "list its clones";
        let Some((answer, value)) = talk.read(doing, "/clones", pace)? else {
            return Err(talk.failed("the list of clones", "is not there: is this the address of its API?"));
        };
        // `null` is how an empty list is written by some versions.
        let all = match &value {
            Value::Null => return Ok(Vec::new()),
            Value::Array(all) => all,
            _ => return Err(talk.lacks(&answer, "[]")),
        };
        let ours = all.iter().filter_map(|clone| {
            let id = clone.get("id")?.as_str()?;
            let created_at = clone.get("createdAt").and_then(Value::as_str).and_then(moment);
            Some(OpenClone { name: CloneName::parse(id)?, id: id.to_owned(), created_at })
        });
        Ok(ours.collect())
    }
}

/// A clone as the engine describes it.
#[derive(Debug)]
struct State {
    id: String,
    /// `CREATING`, `OK`, `DELETING`, `FATAL` and others.
    code: String,
    value: Value,
}

impl State {
    fn of(talk: &Talk<'_>, answer: &Answer, value: Value) -> Result<Self, ServiceError> {
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let id = text("/id").ok_or_else(|| talk.lacks(answer, "id"))?;
        let code = text("/status/code").ok_or_else(|| talk.lacks(answer, "status.code"))?;
        Ok(Self { id, code, value })
    }

    fn text(&self, path: &str) -> Option<String> {
        self.value.pointer(path)?.as_str().map(str::to_owned)
    }

    fn said(&self) -> String {
        let said = self.text("/status/message").unwrap_or_default();
        if said.is_empty() { said } else { format!(": {}", said.chars().take(300).collect::<String>()) }
    }

    fn is_protected(&self) -> bool {
        self.value.get("protected").and_then(Value::as_bool) == Some(true)
    }
}

/// A moment as the engine writes it: RFC 3339, or the same with spaces in older versions.
fn moment(text: &str) -> Option<jiff::Timestamp> {
    let spaced = || text.strip_suffix(" UTC").and_then(|text| format!("{}Z", text.replacen(' ', "T", 1)).parse().ok());
    text.parse().ok().or_else(spaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_spellings() {
        let expected = "2026-11-20T10:00:00Z".parse().ok();
        assert_eq!(moment("2026-11-20T10:00:00Z"), expected);
        assert_eq!(moment("2026-11-20T12:00:00+02:00"), expected);
        assert_eq!(moment("2026-11-20 10:00:00 UTC"), expected);
        assert_eq!(moment(""), None);
        assert_eq!(moment("yesterday"), None);
    }
}
