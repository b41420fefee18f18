//! Requests to a clone service: one at a time, each on a connection of its own, and no secret in any message.

use base64::Engine;
use rustls::crypto::ring;
use serde_json::Value;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};
use ureq::http::{Method, Request, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

/// A token or a password. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value of an environment variable, which is the only way a token gets in: a configuration file is seen by
    /// everybody who sees the project.
    ///
    /// # Errors
    /// It is not set, empty, or no text that a request could carry.
    pub fn from_environment(variable: &'static str) -> Result<Self, SetupError> {
        let text = std::env::var(variable).map_err(|_| SetupError::NoToken { variable })?;
        let text = text.trim();
        match text {
            "" => Err(SetupError::NoToken { variable }),
            text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self::new(text)),
            _ => Err(SetupError::BadToken { variable }),
        }
    }

    /// A password of 192 random bits, from the operating system.
    ///
    /// # Errors
    /// The system has none to give.
    pub(super) fn random() -> Result<Self, SetupError> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(|error| SetupError::NoRandom { error: error.to_string() })?;
        Ok(Self(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text, for a request and for a connection alone.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// Why there is nothing to talk to.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SetupError {
    /// The variable that holds the token.
    #[error("the clone service asks for a token: set it as {variable} in the environment")]
    NoToken {
        /// Its name.
        variable: &'static str,
    },
    /// A token that no header can hold.
    #[error("{variable} holds spaces or characters outside ASCII, which no token has: set it anew")]
    BadToken {
        /// Its name.
        variable: &'static str,
    },
    /// An address that is none. It may hold a secret and is not repeated.
    #[error("the address of the clone service {problem}: write it as https://HOST[:PORT][/PATH]")]
    Address {
        /// What is wrong.
        problem: &'static str,
    },
    /// A token would travel in the open.
    #[error(
        "the clone service at http://{host} would get its token unencrypted: use https://, or say `insecure = true` \
         where the network between is trusted"
    )]
    Insecure {
        /// Where to.
        host: String,
    },
    /// A part of the configuration that the service cannot take.
    #[error("`{key}` {problem}")]
    Key {
        /// Which.
        key: &'static str,
        /// What is wrong and what to write.
        problem: &'static str,
    },
    /// Nobody could be believed.
    #[error("no certificate authorities were found on this machine: install ca-certificates, or set SSL_CERT_FILE")]
    NoAuthorities,
    /// No password could be made.
    #[error("the operating system has no random numbers to make a password of: {error}")]
    NoRandom {
        /// Its answer.
        error: String,
    },
}

/// How long a request may take, and how large an answer may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a connection, name lookup and TLS included.
    pub connect: Duration,
    /// Until the answer begins.
    pub answer: Duration,
    /// Until it has ended.
    pub whole: Duration,
    /// Bytes of the answer.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            whole: Duration::from_secs(90),
            bytes: 4 << 20,
        }
    }
}

/// A service's address, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    host: String,
    encrypted: bool,
}

impl Address {
    /// Reads `https://HOST[:PORT][/PATH]`; plain `http` only to this machine, or where `insecure` says so.
    ///
    /// # Errors
    /// Another form, a user or a password in it, or a token that would be readable on its way.
    pub fn parse(text: &str, insecure: bool) -> Result<Self, SetupError> {
        let wrong = |problem| SetupError::Address { problem };
        let base = text.trim().trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| wrong("is no URL"))?;
        let authority = uri.authority().ok_or(wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("holds a user or a password, where only the token belongs"));
        }
        if uri.query().is_some() || base.contains('#') {
            return Err(wrong("goes on behind its path"));
        }
        let host = authority.host().to_owned();
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("is neither https:// nor http://")),
        };
        if !encrypted && !insecure && !is_here(&host) {
            return Err(SetupError::Insecure { host });
        }
        Ok(Self { base: base.to_owned(), host, encrypted })
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is this machine.
    pub fn is_here(&self) -> bool {
        is_here(&self.host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.base)
    }
}

/// Whether a host is this machine, by its name or address.
pub(super) fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why a request came to nothing.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Nothing was sent.
    #[error("{request}: cannot reach {host}: {problem}")]
    Unsent {
        /// Method and address.
        request: String,
        /// Where to.
        host: String,
        /// What happened, and what to do.
        problem: String,
    },
    /// It may have been done or not.
    #[error("{request}: no whole answer: {problem}")]
    Lost {
        /// Method and address.
        request: String,
        /// What happened.
        problem: String,
    },
    /// Another server is named instead, which is not to have the token.
    #[error(
        "{request}: the answer is a redirect{to}, which is not followed, as the token must not travel: \
         configure the address that answers"
    )]
    Redirect {
        /// Method and address.
        request: String,
        /// ` to HOST`, if it says so.
        to: String,
    },
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// What was asked: method and address.
    pub request: String,
    body: Vec<u8>,
}

impl Answer {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON. What it holds is not repeated: it may be a password.
    ///
    /// # Errors
    /// It is none, or ends early.
    pub fn json(&self) -> Result<Value, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let problem = match error.classify() {
                serde_json::error::Category::Eof if self.body.is_empty() => "it is empty".to_owned(),
                serde_json::error::Category::Eof => "its JSON ends early".to_owned(),
                _ => format!("it is no JSON (line {}, column {})", error.line(), error.column()),
            };
            HttpError::Lost { request: self.request.clone(), problem }
        })
    }

    /// What the service says about a refusal: its own `message`, else the beginning of the body.
    fn said(&self) -> String {
        let value = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
        let own = ["message", "error", "detail"].into_iter().find_map(|key| value.get(key)?.as_str());
        let text = own.map_or_else(|| String::from_utf8_lossy(&self.body), Into::into);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// One service and the token for it.
pub struct Http {
    agent: Agent,
    address: Address,
    header: (&'static str, HeaderValue),
    token: Secret,
    limits: Limits,
    /// Whether a proxy of the environment stands between.
    proxied: bool,
}

impl fmt::Debug for Http {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Http({})", self.address)
    }
}

impl Http {
    /// Talks to `address`, with `header: prefix token` in every request.
    ///
    /// # Errors
    /// No certificate authorities, or a token that no header can hold.
    pub fn new(
        address: Address,
        (header, prefix): (&'static str, &str),
        token: Secret,
        limits: Limits,
    ) -> Result<Self, SetupError> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", token.expose()))
            .map_err(|_| SetupError::BadToken { variable: "the token" })?;
        value.set_sensitive(true);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(address.encrypted)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("seatrial/", env!("CARGO_PKG_VERSION")))
            // A connection that went stale between two requests would look like a lost answer.
            .max_idle_connections(0)
            .timeout_connect(Some(limits.connect))
            .timeout_resolve(Some(limits.connect))
            .timeout_send_request(Some(limits.answer))
            .timeout_send_body(Some(limits.answer))
            .timeout_recv_response(Some(limits.answer))
            .timeout_global(Some(limits.whole));
        let proxy = Proxy::try_from_env().filter(|_| address.encrypted);
        let proxied = proxy.is_some();
        if address.encrypted {
            config = config.tls_config(tls()?).proxy(proxy);
        } else {
            // A proxy would read the token.
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().new_agent(), address, header: (header, value), token, limits, proxied })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// One request and its whole answer, whatever its status but a redirect.
    ///
    /// # Errors
    /// See [`HttpError`]; whether it may have been done all the same is told.
    pub fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, HttpError> {
        let url = format!("{}{path}", self.address.base);
        // What follows the question mark is long and says nothing.
        let request = format!("{method} {}", url.split('?').next().unwrap_or(&url));
        let built = Request::builder()
            .method(method)
            .uri(&url)
            .header(self.header.0, self.header.1.clone())
            .header(ACCEPT, "application/json");
        let sent = match body {
            Some(body) => built
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
            None => built.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        let answer = sent.map_err(|error| self.fault(&request, &error))?;
        let status = answer.status().as_u16();
        if (300..400).contains(&status) {
            let location = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()?.parse::<Uri>().ok());
            let to = location.and_then(|to| Some(format!(" to {}", to.host()?))).unwrap_or_default();
            return Err(HttpError::Redirect { request, to });
        }
        let read = answer.into_body().into_with_config().limit(self.limits.bytes).read_to_vec();
        let body = read.map_err(|error| self.fault(&request, &error))?;
        Ok(Answer { status, request, body })
    }

    fn fault(&self, request: &str, error: &ureq::Error) -> HttpError {
        use ureq::Error as E;
        let (request, host) = (request.to_owned(), self.address.host.clone());
        let problem = self.hide(&error.to_string(), &[]);
        let refused = |kind| matches!(kind, std::io::ErrorKind::ConnectionRefused);
        let unsent = match error {
            E::HostNotFound => Some("there is no such host: is the address right?".to_owned()),
            E::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                Some(format!("no connection within {} s: is there a firewall between?", self.limits.connect.as_secs()))
            }
            E::Io(io) if refused(io.kind()) && self.proxied => Some(format!("{io}: is HTTPS_PROXY right?")),
            E::Io(io) if refused(io.kind()) => Some(format!("{io}: is the service running?")),
            // Who is not believed is told nothing.
            E::Io(io) if untrusted(io) => Some(format!(
                "its certificate is not one this machine trusts ({problem}): name the authority behind it in SSL_CERT_FILE"
            )),
            E::Rustls(_) | E::Tls(_) => Some(problem.clone()),
            E::Http(_) | E::BadUri(_) | E::RequireHttpsOnly(_) | E::ConnectionFailed | E::TlsRequired => {
                Some(problem.clone())
            }
            E::InvalidProxyUrl | E::ConnectProxyFailed(_) => Some(format!("{problem}: is HTTPS_PROXY right?")),
            _ => None,
        };
        if let Some(problem) = unsent {
            return HttpError::Unsent { request, host, problem };
        }
        let problem = match error {
            E::Timeout(_) => format!("none within {} s", self.limits.answer.as_secs().max(1)),
            E::BodyExceedsLimit(limit) => format!("it is larger than {limit} bytes"),
            _ => problem,
        };
        HttpError::Lost { request, problem }
    }

    /// What the service says to a refusal, short and without secrets.
    pub fn said(&self, answer: &Answer, secrets: &[&Secret]) -> String {
        let text = self.hide(&answer.said(), secrets);
        match text.char_indices().nth(300) {
            _ if text.is_empty() => String::new(),
            Some((end, _)) => format!(": {}…", &text[..end]),
            None => format!(": {text}"),
        }
    }

    /// A text without the token, these secrets, and passwords in URLs and connection strings.
    pub fn hide(&self, text: &str, secrets: &[&Secret]) -> String {
        let mut hidden = text.to_owned();
        for secret in secrets.iter().copied().chain([&self.token]) {
            if !secret.expose().is_empty() {
                hidden = hidden.replace(secret.expose(), "…");
            }
        }
        without_passwords(&hidden)
    }
}

fn untrusted(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// `user:password@` of URLs, and `password=` of connection strings, are cut out.
fn without_passwords(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let lower = word.to_ascii_lowercase();
        if let Some(at) = lower.find("password=") {
            return format!("{}…", &word[..at + "password=".len()]);
        }
        match (word.find("://"), word.rfind('@')) {
            (Some(start), Some(end)) if start < end => format!("{}…{}", &word[..start + 3], &word[end..]),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The authorities of this machine: a service at home has a certificate of its own house.
fn tls() -> Result<TlsConfig, SetupError> {
    let found = rustls_native_certs::load_native_certs();
    let authorities: Vec<_> =
        found.certs.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()).collect();
    if authorities.is_empty() {
        return Err(SetupError::NoAuthorities);
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&authorities))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}

/// One segment of a path, whatever is in it.
pub(super) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_the_network_encrypted_or_not_at_all() {
        for (text, insecure) in [
            ("https://dblab.example.com:2346/api/", false),
            ("http://localhost:2345", false),
            ("http://127.0.0.1:2345", false),
            ("http://127.8.8.8:2345", false),
            ("http://[::1]:2345", false),
            ("http://dblab.internal:2345", true),
        ] {
            let address = Address::parse(text, insecure).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.to_string(), text.trim_end_matches('/'));
        }
        for text in ["http://dblab.internal:2345", "http://128.0.0.1", "http://localhost.example.com", "http://[::2]"] {
            let refused = Address::parse(text, false).expect_err(text);
            assert!(matches!(refused, SetupError::Insecure { .. }), "{text}: {refused}");
        }
        for text in [
            "",
            "dblab",
            "ftp://h",
            "https://",
            "https://u:geheim@h",
            "https://h/?a=geheim",
            "/path",
            "https://h#geheim",
            "http://127.0.0.1@geheim.example.com/",
        ] {
            let refused = Address::parse(text, false).expect_err(text).to_string();
            assert!(refused.contains("https://HOST") && !refused.contains("geheim"), "{text}: {refused}");
        }
    }

    #[test]
    fn secrets_are_in_no_text() {
        let address = Address::parse("http://127.0.0.1:1", false).expect("an address");
        let token = Secret::new("tok3n-of-mine");
        let http = Http::new(address, ("authorization", "Bearer "), token, Limits::default()).expect("a client");
        let password = Secret::random().expect("random");
        assert_eq!(password.expose().len(), 32);
        assert_ne!(password, Secret::random().expect("random"));
        let told = format!(
            "no tok3n-of-mine, {} or postgres://app:p@ss@db/shop or host=db Password=geheim",
            password.expose()
        );
        assert_eq!(http.hide(&told, &[&password]), "no …, … or postgres://…@db/shop or host=db Password=…");
        assert_eq!(format!("{http:?} {password:?}"), "Http(http://127.0.0.1:1) Secret(…)");
    }

    #[test]
    fn what_a_service_says_is_short_and_one_line() {
        let answer = |body: &str| Answer { status: 400, request: "GET /".into(), body: body.into() };
        assert_eq!(answer("{\"code\":\"BAD\",\"message\":\"no\\n way\"}").said(), "no way");
        assert_eq!(answer("<html>\r\n no </html>").said(), "<html> no </html>");
        assert_eq!(answer("[1]").said(), "[1]");
        let problem = |body: &str| answer(body).json().expect_err(body).to_string();
        assert!(problem("").ends_with("it is empty"));
        assert!(problem("{\"password\":\"geheim\"").ends_with("its JSON ends early"));
        let garbage = problem("{\"password\": geheim}");
        assert!(garbage.ends_with("it is no JSON (line 1, column 14)"), "{garbage}");
    }

    #[test]
    fn no_name_leaves_its_place_in_a_path() {
        assert_eq!(segment("a/../b?c=ü"), "a%2F..%2Fb%3Fc%3D%C3%BC");
    }
}
