//! The address of a running server, with its password kept out of sight.

use crate::engine::postgres::session::{Endpoint, Reach};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use thiserror::Error;

/// A `postgres://` URL. Shown, it is host and database only; the password leaves through [`SecretUrl::password`] alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl {
    user: Option<String>,
    password: Option<String>,
    /// Hosts and ports as written, `[` `]` included.
    hosts: String,
    database: String,
    /// Query parameters but `password`, still percent-encoded.
    parameters: Vec<(String, String)>,
}

/// Why a URL does not say where the database is. The URL itself is never repeated.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// What only libpq can follow.
    #[error(
        "the URL says where its server is by {how}, which only pg_dump can follow: name one host (and its port) in it"
    )]
    Elsewhere {
        /// In which way.
        how: &'static str,
    },
    /// A `%` that no two hexadecimal digits follow.
    #[error("the source URL's {part} has a `%` without two hexadecimal digits: write `%25` for a percent sign")]
    Escape {
        /// Which part.
        part: &'static str,
    },
    /// A part of a password stands where host, port or database should.
    #[error(
        "the source URL has an `@` behind its first `/`, or a port that is no number: where a password or a name holds \
         `/`, `:` or `@`, write `%2F`, `%3A` or `%40`"
    )]
    Slash,
    /// No database.
    #[error("the source URL names no database: write postgres://USER@HOST/DATABASE")]
    NoDatabase,
    /// A secret that could only be handed on where everybody can read it.
    #[error(
        "the source URL carries `{parameter}`, which pg_dump takes only on its command line: put it into a service file"
    )]
    Secret {
        /// The query parameter.
        parameter: String,
    },
}

impl SecretUrl {
    /// Reads a `postgres://` or `postgresql://` URL as libpq does.
    ///
    /// # Errors
    /// No database named, broken percent-encoding, characters that must be percent-encoded, or a secret that cannot be
    /// handed on in private.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority.rsplit_once('@').map_or((None, authority), |(c, h)| (Some(c), h));
        if path.contains('@') || !hosts.split(',').all(has_a_port_or_none) {
            return Err(UrlError::Slash);
        }
        let (user, mut password) = match credentials.map(|text| text.split_once(':').ok_or(text)) {
            Some(Ok((user, password))) => (user, Some(decode(password, "password")?)),
            Some(Err(user)) => (user, None),
            None => ("", None),
        };
        let mut user = Some(decode(user, "user")?).filter(|user| !user.is_empty());
        let mut database = decode(path, "database")?;
        let mut parameters = Vec::new();
        for (name, value) in
            query.split('&').filter(|part| !part.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")))
        {
            match name {
                "password" => password = Some(decode(value, "password")?),
                "user" => user = Some(decode(value, "user")?),
                "dbname" => database = decode(value, "database")?,
                "sslpassword" => return Err(UrlError::Secret { parameter: name.into() }),
                _ => parameters.push((name.to_owned(), value.to_owned())),
            }
        }
        if database.is_empty() {
            database = user.clone().ok_or(UrlError::NoDatabase)?;
        }
        Ok(Self { user, password, hosts: hosts.to_owned(), database, parameters })
    }

    /// A database whose parts are known one by one; the host may be the folder of a socket.
    pub fn from_parts(host: &str, port: u16, user: &str, password: &str, database: &str) -> Self {
        let literal = host.parse::<std::net::Ipv6Addr>().is_ok();
        let host = if literal { format!("[{host}]") } else { encode(host) };
        Self {
            user: Some(user.to_owned()),
            password: Some(password.to_owned()),
            hosts: format!("{host}:{port}"),
            database: database.to_owned(),
            parameters: Vec::new(),
        }
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Host and port as written; a socket directory where the URL names one; `local socket` where it names nothing.
    pub fn host(&self) -> String {
        if !self.hosts.is_empty() {
            // A host may be a percent-encoded socket directory; one that is broken is shown as it stands.
            return decode(&self.hosts, "host").unwrap_or_else(|_| self.hosts.clone());
        }
        let parameter = |name| self.parameters.iter().find(|(key, _)| key == name);
        let host = parameter("host").and_then(|(_, value)| decode(value, "host").ok());
        let port = parameter("port").map(|(_, port)| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", host.unwrap_or_else(|| "local socket".into()))
    }

    /// The password, for `PGPASSWORD` alone: never for an argument, a message or a log.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The URL without its password, with `options` added to what it asks the server for at the start of a session:
    /// what may stand on a command line.
    pub fn without_password(&self, options: &str) -> String {
        let mut asked = String::new();
        let mut query = String::new();
        for (name, value) in &self.parameters {
            if name == "options" {
                asked = format!("{value}%20");
            } else {
                query.push_str(&format!("{name}={value}&"));
            }
        }
        let user = self.user.as_deref().map(|user| format!("{}@", encode(user))).unwrap_or_default();
        format!(
            "postgresql://{user}{}/{}?{query}options={asked}{}",
            self.hosts,
            encode(&self.database),
            encode(options)
        )
    }

    /// What a connection of our own needs: it must be certain to reach the server that pg_dump does.
    ///
    /// # Errors
    /// Broken percent-encoding.
    pub fn parts(&self) -> Result<Reach, UrlError> {
        let parameter = |name: &str| {
            let value = self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| decode(value, "host"));
            value.transpose()
        };
        let how = ["service", "hostaddr"].into_iter().find(|name| self.parameters.iter().any(|(key, _)| key == name));
        if let Some(how) = how.or_else(|| self.hosts.contains(',').then_some("several hosts")) {
            return Err(UrlError::Elsewhere { how });
        }
        let first = self.hosts.as_str();
        let (host, port) = match first.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (first, ""),
        };
        let host = decode(host.trim_start_matches('[').trim_end_matches(']'), "host")?;
        let host = if host.is_empty() { parameter("host")? } else { Some(host) };
        let port = port.parse().ok().or(parameter("port")?.and_then(|port| port.parse().ok()));
        Ok(Reach {
            host,
            port,
            user: self.user.clone(),
            password: self.password.clone(),
            database: self.database.clone(),
            ssl_mode: parameter("sslmode")?,
        })
    }

    /// What tells this source from every other: where and what, without who.
    pub fn identity(&self) -> String {
        let mut place: Vec<_> = self
            .parameters
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "host" | "hostaddr" | "port" | "service"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        place.sort();
        format!("{}?{}/{}", self.hosts, place.join("&"), self.database)
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "database {} on {}", self.database, self.host())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretUrl({self})")
    }
}

/// Whether nothing but a number, or nothing, is behind the colon after a host; `[` `]` hold colons of their own.
fn has_a_port_or_none(host: &str) -> bool {
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    after.split_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn decode(text: &str, part: &'static str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(UrlError::Escape { part })?;
        bytes.push(byte);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Escape { part })
}

/// The URL of a database on a unix socket, for psql and whatever else uses libpq.
pub(super) fn of_socket(role: &str, database: &str, endpoint: &Endpoint) -> String {
    let folder = encode_bytes(endpoint.socket_dir.as_os_str().as_bytes());
    format!("postgresql://{}@/{}?host={folder}&port={}", encode(role), encode(database), endpoint.port)
}

fn encode(text: &str) -> String {
    encode_bytes(text.as_bytes())
}

fn encode_bytes(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_s_url_holds_any_name() {
        let endpoint = Endpoint::private(std::path::Path::new("/run/a b?/s"), 5432);
        let url = of_socket("a@b", "ü/'\"? &%", &endpoint);
        assert_eq!(url, "postgresql://a%40b@/%C3%BC%2F%27%22%3F%20%26%25?host=%2Frun%2Fa%20b%3F%2Fs&port=5432");
        let parts = SecretUrl::parse(&url).expect("a URL").parts().expect("its parts");
        assert_eq!((parts.user.as_deref(), parts.database.as_str()), (Some("a@b"), "ü/'\"? &%"));
        assert_eq!((parts.host.as_deref(), parts.port), (Some("/run/a b?/s"), Some(5432)));
    }

    #[test]
    fn a_password_is_in_no_text_but_its_own() {
        for text in [
            "postgres://app:p%40rrot@db.example.com:5433/shop?sslmode=require",
            "postgresql://app@db.example.com:5433/shop?password=p%40rrot&sslmode=require",
        ] {
            let url = SecretUrl::parse(text).expect("url");
            assert_eq!(url.password(), Some("p@rrot"));
            assert_eq!(url.to_string(), "database shop on db.example.com:5433");
            let argument = url.without_password("-c a=b");
            assert_eq!(argument, "postgresql://app@db.example.com:5433/shop?sslmode=require&options=-c%20a%3Db");
            for shown in [format!("{url:?}"), url.to_string(), argument, url.identity()] {
                assert!(!shown.contains("rrot"), "{shown}");
            }
        }
    }

    #[test]
    fn a_password_with_a_slash_is_refused_and_not_repeated() {
        for text in [
            "postgres://app:geheim/4711@db/shop",
            "postgres://app:4711/geheim@db/shop",
            "postgres://app:geh:eim/4711@db:5432/shop",
            "postgres://db:geheim/shop",
            "postgres://[::1]:geheim/shop",
        ] {
            let refused = SecretUrl::parse(text).expect_err(text).to_string();
            assert!(refused.contains("%2F"), "{refused}");
            assert!(!refused.contains("geheim") && !refused.contains("4711"), "{refused}");
        }
        for text in ["postgres://app:a%2Fb@db/shop", "postgres://db:5432,other:5433/shop", "postgres://[::1]/shop"] {
            assert_eq!(SecretUrl::parse(text).expect(text).database(), "shop");
        }
        assert_eq!(SecretUrl::parse("postgres://app@db:/sh%40p?host=a@b").expect("url").database(), "sh@p");
    }

    #[test]
    fn parts_stay_what_they_are_whatever_is_in_them() {
        let of = |host: &str| SecretUrl::from_parts(host, 6001, "a@b:c/d", "p@ss/w:rd", "sh'op é");
        for host in ["db.example.com", "10.0.0.1", "::1", "/run/a b", "evil@other.example.com/x,y?z"] {
            let reach = of(host).parts().expect("parts");
            assert_eq!((reach.host.as_deref(), reach.port), (Some(host), Some(6001)));
            assert_eq!((reach.user.as_deref(), reach.password.as_deref()), (Some("a@b:c/d"), Some("p@ss/w:rd")));
            assert_eq!(reach.database, "sh'op é");
            let again = SecretUrl::parse(&of(host).without_password("")).and_then(|url| url.parts()).expect("parts");
            assert_eq!((again.host.as_deref(), again.port), (Some(host), Some(6001)));
        }
    }

    #[test]
    fn a_hash_is_a_character_like_any_other() {
        let url = SecretUrl::parse("postgres://app:p#1@db/shop").expect("url");
        assert_eq!((url.password(), url.database(), url.host()), (Some("p#1"), "shop", "db".to_owned()));
    }

    #[test]
    fn a_connection_finds_host_port_and_user_in_every_spelling() {
        for (text, host, port) in [
            ("postgres://u:p@db:5433/d", Some("db"), Some(5433)),
            ("postgres://u:p@/d?host=/run/pg&port=5434", Some("/run/pg"), Some(5434)),
            ("postgres://u:p@%2Frun%2Fpg/d", Some("/run/pg"), None),
            ("postgres://u:p@[::1]:1/d", Some("::1"), Some(1)),
            ("postgres://u:p@[::1]/d", Some("::1"), None),
            ("postgres:///d?user=u&password=p", None, None),
        ] {
            let reach = SecretUrl::parse(text).and_then(|url| url.parts()).map_err(|error| error.to_string());
            let reach = reach.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((reach.host.as_deref(), reach.port), (host, port), "{text}");
            assert_eq!((reach.user.as_deref(), reach.password.as_deref()), (Some("u"), Some("p")), "{text}");
        }
    }

    #[test]
    fn a_place_that_only_pg_dump_finds_is_no_place_for_a_connection_of_ours() {
        for text in ["postgres://u@db,other/d", "postgres:///d?service=shop", "postgres://u@db/d?hostaddr=10.0.0.1"] {
            let refused = SecretUrl::parse(text).expect("a URL").parts().err();
            assert!(matches!(refused, Some(UrlError::Elsewhere { .. })), "{text}: {refused:?}");
        }
    }

    #[test]
    fn every_spelling_of_a_place_is_read() {
        let url = SecretUrl::parse("postgres://u@/d%20b?host=/run/pg&port=5434&options=-c%20x%3D1").expect("url");
        assert_eq!(url.to_string(), "database d b on /run/pg:5434");
        assert_eq!(
            url.without_password("-c y=2"),
            "postgresql://u@/d%20b?host=/run/pg&port=5434&options=-c%20x%3D1%20-c%20y%3D2"
        );
        assert_eq!(SecretUrl::parse("postgres://[::1]:5432/d").expect("url").host(), "[::1]:5432");
        assert_eq!(SecretUrl::parse("postgres://%2Frun%2Fpg/d").expect("url").host(), "/run/pg");
        assert_eq!(SecretUrl::parse("postgres://app@h").expect("url").database(), "app");
        assert_eq!(SecretUrl::parse("postgres://h").expect_err("refused"), UrlError::NoDatabase);
        assert_eq!(
            SecretUrl::parse("postgres://a:%zz@h/d").expect_err("refused"),
            UrlError::Escape { part: "password" }
        );
    }
}
