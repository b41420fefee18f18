//! Which requests are sent again, and when. A request that makes something is sent again only where the service says that
//! it did nothing, or where looking by name shows it.

use super::http::{Answer, Http, HttpError, Secret};
use super::service::{CloneName, Pace, ServiceError};
use serde_json::Value;
use ureq::http::Method;

/// One service, as the clients of both talk to it.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    pub http: &'a Http,
    /// Product and address.
    pub place: &'a str,
    /// What no message may hold, besides the token.
    pub secrets: &'a [&'a Secret],
}

/// What is wrong with an answer that says the service is busy for a moment, and did nothing.
const BUSY: [u16; 2] = [423, 503];
/// What a gateway says when it does not know what the service did, or a service that counts requests.
const UNCERTAIN: [u16; 4] = [408, 429, 502, 504];

/// Nothing came of a request that makes something.
#[derive(Debug)]
pub(super) struct NotMade {
    pub error: ServiceError,
    /// It may be there all the same.
    pub maybe: bool,
}

/// The error of a clone that came to nothing, once what is there of it was destroyed, or could not be.
pub(super) fn taken_back(name: &CloneName, error: ServiceError, destroyed: Result<(), ServiceError>) -> ServiceError {
    match destroyed {
        Ok(()) => error,
        Err(because) => ServiceError::Left { name: name.clone(), error: Box::new(error), because: Box::new(because) },
    }
}

impl Talk<'_> {
    pub fn lost(&self, error: HttpError) -> ServiceError {
        ServiceError::Http { place: self.place.to_owned(), error }
    }

    pub fn refused(&self, doing: &str, answer: &Answer) -> ServiceError {
        ServiceError::refused(self.place, self.http, doing, answer, self.secrets)
    }

    pub fn given_up(&self) -> ServiceError {
        ServiceError::GivenUp { place: self.place.to_owned() }
    }

    pub fn failed(&self, what: &str, problem: impl Into<String>) -> ServiceError {
        ServiceError::Failed { place: self.place.to_owned(), what: what.to_owned(), problem: problem.into() }
    }

    pub fn lacks(&self, answer: &Answer, field: &str) -> ServiceError {
        let place = self.place.to_owned();
        ServiceError::Lacks { place, request: answer.request.clone(), field: field.to_owned() }
    }

    /// A request that may be sent any number of times: reads, and destroying by id. The answer is one that says
    /// something, whether yes or no.
    pub fn ask(&self, method: &Method, path: &str, pace: &Pace) -> Result<Answer, ServiceError> {
        let mut tried = 0;
        loop {
            let sent = self.http.send(method.clone(), path, None);
            tried += 1;
            let again = match &sent {
                Ok(answer) => {
                    answer.status >= 500 || BUSY.contains(&answer.status) || UNCERTAIN.contains(&answer.status)
                }
                Err(HttpError::Redirect { .. }) => false,
                Err(HttpError::Unsent { .. } | HttpError::Lost { .. }) => true,
            };
            if !again || tried >= pace.tries {
                return sent.map_err(|error| self.lost(error));
            }
            if !pace.wait_for_try(tried) {
                return Err(self.given_up());
            }
        }
    }

    /// The same, for JSON: an answer cut short or garbled on its way is asked for again.
    pub fn read(&self, doing: &str, path: &str, pace: &Pace) -> Result<Option<(Answer, Value)>, ServiceError> {
        let mut tried = 0;
        loop {
            let answer = self.ask(&Method::GET, path, pace)?;
            if answer.status == 404 {
                return Ok(None);
            }
            if !answer.is_success() {
                return Err(self.refused(doing, &answer));
            }
            tried += 1;
            match answer.json() {
                Ok(value) => return Ok(Some((answer, value))),
                Err(error) if tried >= pace.tries => return Err(self.lost(error)),
                Err(_) if !pace.wait_for_try(tried) => return Err(self.given_up()),
                Err(_) => {}
            }
        }
    }

    /// A request that makes something. `read` takes what is needed from its answer, `find` looks for the thing by its
    /// name, after an answer that was lost: what is there was made by the lost request, as names are never used twice.
    pub fn make<T>(
        &self,
        doing: &str,
        (path, body): (&str, &Value),
        pace: &Pace,
        mut read: impl FnMut(&Answer) -> Result<T, ServiceError>,
        mut find: impl FnMut() -> Result<Option<T>, ServiceError>,
    ) -> Result<T, NotMade> {
        let mut maybe = false;
        let mut tried = 0;
        loop {
            if pace.is_stopped() {
                return Err(NotMade { error: self.given_up(), maybe });
            }
            let sent = self.http.send(Method::POST, path, Some(body));
            tried += 1;
            let error = match sent {
                Ok(answer) if answer.is_success() => match read(&answer) {
                    Ok(made) => return Ok(made),
                    Err(error) => {
                        maybe = true;
                        error
                    }
                },
                Ok(answer) if BUSY.contains(&answer.status) => self.refused(doing, &answer),
                Ok(answer) => {
                    maybe |= answer.status >= 500 || UNCERTAIN.contains(&answer.status);
                    let error = self.refused(doing, &answer);
                    // After a request that was lost, a name that is taken is what that one made.
                    let taken = maybe && [400, 409].contains(&answer.status);
                    if !taken && !UNCERTAIN.contains(&answer.status) {
                        return Err(NotMade { error, maybe });
                    }
                    error
                }
                Err(error @ HttpError::Redirect { .. }) => return Err(NotMade { error: self.lost(error), maybe }),
                Err(error @ HttpError::Unsent { .. }) => self.lost(error),
                Err(error @ HttpError::Lost { .. }) => {
                    maybe = true;
                    self.lost(error)
                }
            };
            if maybe {
                match find() {
                    Ok(Some(found)) => return Ok(found),
                    Ok(None) => {}
                    Err(error) => return Err(NotMade { error, maybe }),
                }
            }
            if tried >= pace.tries {
                return Err(NotMade { error, maybe });
            }
            if !pace.wait_for_try(tried) {
                return Err(NotMade { error: self.given_up(), maybe });
            }
        }
    }
}
