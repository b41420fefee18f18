//! What every clone service offers: make a clone under a name, say which there are, destroy one.

use super::http::{Answer, Http, HttpError, Secret};
use crate::copy::url::{SecretUrl, UrlError};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// How the name of every clone begins.
pub const PREFIX: &str = "seatrial-";

/// `seatrial-<run>-<number>`: letters, digits and hyphens alone, which every service takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CloneName(String);

impl CloneName {
    /// The name of a run's clone. `run` is the run's id, eight hexadecimal digits.
    pub fn new(run: &str, number: u32) -> Self {
        let run: String = run.chars().filter(char::is_ascii_alphanumeric).collect();
        Self(format!("{PREFIX}{run}-{number}"))
    }

    /// The same for a copy's name of this run, whose words are put together otherwise.
    pub(super) fn of_copy(name: &str) -> Self {
        let mut words = name.rsplitn(3, '_');
        let (number, run) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Self::new(run, number.parse().unwrap_or_default())
    }

    /// A name read back: nothing that was not made by [`Self::new`].
    pub fn parse(text: &str) -> Option<Self> {
        let (run, number) = text.strip_prefix(PREFIX)?.split_once('-')?;
        let named = !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (named && numbered).then(|| Self(text.to_owned()))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CloneName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// How near a clone is to its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// The same blocks.
    Physical,
    /// Restored from a dump, before it was cloned.
    Logical,
}

/// A clone that can be connected to.
#[derive(Debug, Clone)]
pub struct ThinClone {
    /// What it was made as.
    pub name: CloneName,
    /// What the service calls it.
    pub id: String,
    /// Where it is, password included.
    pub url: SecretUrl,
    /// When its data was like this in the original, as far as the service says.
    pub taken_at: Option<jiff::Timestamp>,
    /// How near it is to its original.
    pub likeness: Likeness,
    /// Whether its user is a superuser there.
    pub superuser: bool,
    /// What a reader of the report has to know.
    pub notes: Vec<String>,
}

/// A clone of ours that the service lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenClone {
    /// Its name.
    pub name: CloneName,
    /// What the service calls it.
    pub id: String,
    /// When it was made, if the service says so.
    pub created_at: Option<jiff::Timestamp>,
}

/// A service that hands out clones. Calls block; [`super::Hosted`] is the asynchronous side.
pub trait CloneService: Send + Sync + 'static {
    /// The contract's name for it, and of the configuration: `dblab`, `neon`.
    fn kind(&self) -> &'static str;

    /// For messages: product and address.
    fn place(&self) -> String;

    /// Makes a clone and waits until it can be used. What fails on the way is taken back; where that fails too, the
    /// error is [`ServiceError::Left`].
    ///
    /// # Errors
    /// See [`ServiceError`].
    fn create(&self, name: &CloneName, pace: &Pace) -> Result<ThinClone, ServiceError>;

    /// Destroys a clone and waits until it is gone; one that is gone already is no error.
    ///
    /// # Errors
    /// See [`ServiceError`].
    fn destroy(&self, id: &str, pace: &Pace) -> Result<(), ServiceError>;

    /// The clones whose names [`CloneName`] may have made, of every run of every machine.
    ///
    /// # Errors
    /// See [`ServiceError`].
    fn list(&self, pace: &Pace) -> Result<Vec<OpenClone>, ServiceError>;
}

/// Why a clone service did not do what it was asked.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The request or its answer was lost.
    #[error("{place}: {error}")]
    Http {
        /// Product and address.
        place: String,
        /// What happened.
        error: HttpError,
    },
    /// It says no.
    #[error("{place} refuses to {doing} (HTTP {status}){said}{advice}")]
    Refused {
        /// Product and address.
        place: String,
        /// What it was asked to do.
        doing: String,
        /// HTTP's status.
        status: u16,
        /// `: ` and its own words, or nothing.
        said: String,
        /// `; ` and the next step, or nothing.
        advice: &'static str,
    },
    /// The clone came to nothing.
    #[error("{place}: {what} {problem}")]
    Failed {
        /// Product and address.
        place: String,
        /// Which clone.
        what: String,
        /// What became of it, and what to do.
        problem: String,
    },
    /// It took too long.
    #[error("{place}: {what} is still `{status}` after {looks} looks: is the service busy? Run again later")]
    Slow {
        /// Product and address.
        place: String,
        /// Which clone.
        what: String,
        /// What the service calls it.
        status: String,
        /// How often it was asked.
        looks: u32,
    },
    /// An answer that lacks what is needed.
    #[error("{place}: the answer to {request} has no `{field}`: is this the address of its API?")]
    Lacks {
        /// Product and address.
        place: String,
        /// Method and address.
        request: String,
        /// What is missing.
        field: String,
    },
    /// Where the clone is cannot be read.
    #[error("{place}: the address of {what} cannot be used: {error}")]
    Url {
        /// Product and address.
        place: String,
        /// Which clone.
        what: String,
        /// What is wrong.
        error: UrlError,
    },
    /// Nobody wants it any more.
    #[error("{place}: given up")]
    GivenUp {
        /// Product and address.
        place: String,
    },
    /// It failed, and so did cleaning up.
    #[error("{error}; clone {name} may be left there and could not be destroyed ({because}): destroy it by hand")]
    Left {
        /// Which.
        name: CloneName,
        /// What failed first.
        error: Box<ServiceError>,
        /// Why it is left.
        because: Box<ServiceError>,
    },
}

impl ServiceError {
    /// A refusal, in the service's words.
    pub(super) fn refused(place: &str, http: &Http, doing: &str, answer: &Answer, secrets: &[&Secret]) -> Self {
        let advice = match answer.status {
            401 | 403 => "; is the token right, and may it do this?",
            404 => "; is the address right, and everything there that the configuration names?",
            407 => "; a proxy stands between: does it know you?",
            423 => "; something else is under way there: run again later",
            429 => "; too many requests: run again later",
            500.. => "; its log says more",
            _ => "",
        };
        let said = http.said(answer, secrets);
        Self::Refused { place: place.to_owned(), doing: doing.to_owned(), status: answer.status, said, advice }
    }
}

/// How patiently a service is waited for.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Between two looks at something that is being made or destroyed.
    pub look: Duration,
    /// How many looks at most.
    pub looks: u32,
    /// Before a request is sent the second time; each further pause is twice as long.
    pub pause: Duration,
    /// How often a request is sent at most.
    pub tries: u32,
    /// Whether nobody wants the result any more.
    pub stop: Stop,
}

/// The longest pause before a request is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            looks: 600,
            pause: Duration::from_millis(500),
            tries: 6,
            stop: Stop::default(),
        }
    }
}

impl Pace {
    /// The same, given up when `stop` says so.
    pub fn until(&self, stop: Stop) -> Self {
        Self { stop, ..self.clone() }
    }

    /// The same, and nothing stops it: for what has to be cleaned up.
    pub fn to_the_end(&self) -> Self {
        Self { stop: Stop::default(), ..self.clone() }
    }

    /// Whether nobody wants the result any more.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// Waits until the next look; false when it was given up.
    pub(super) fn wait_for_look(&self) -> bool {
        !self.stop.wait(self.look)
    }

    /// Waits before try number `next`, from 1; false when it was given up.
    pub(super) fn wait_for_try(&self, next: u32) -> bool {
        let doubled = self.pause.saturating_mul(1 << next.saturating_sub(1).min(16));
        !self.stop.wait(doubled.min(LONGEST_PAUSE))
    }
}

/// Tells whoever waits that nobody wants the result any more.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Says so.
    pub fn set(&self) {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.1.notify_all();
    }

    /// Whether it was said.
    pub fn is_set(&self) -> bool {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits this long, or until it is said; whether it was.
    fn wait(&self, time: Duration) -> bool {
        let stopped = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.inner.1.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_read_back() {
        let name = CloneName::new("0a1b2c3d", 7);
        assert_eq!(name.as_str(), "seatrial-0a1b2c3d-7");
        assert_eq!(CloneName::parse("seatrial-0a1b2c3d-7"), Some(name));
        for other in ["seatrial-", "seatrial-x", "seatrial-x-", "seatrial-x-y", "seatrial--1", "main", "seatrial-a/b-1"]
        {
            assert_eq!(CloneName::parse(other), None, "{other}");
        }
        assert_eq!(CloneName::of_copy(&super::super::marker::copy_name("0a1b2c3d", 7)).as_str(), "seatrial-0a1b2c3d-7");
        assert_eq!(CloneName::new("../x", 1).as_str(), "seatrial-x-1");
    }

    #[test]
    fn who_waits_is_woken_when_nobody_wants_it_any_more() {
        let stop = Stop::default();
        let pace = Pace { look: Duration::from_secs(3600), ..Pace::default() }.until(stop.clone());
        let waiting = std::thread::spawn(move || pace.wait_for_look());
        stop.set();
        assert!(!waiting.join().expect("no panic"));
        assert!(Pace { look: Duration::ZERO, ..Pace::default() }.wait_for_look());
    }
}
