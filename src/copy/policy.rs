//! What is done with each statement of a dump: sent as it stands, sent changed, or left out; and what its failure
//! means. Pure.

mod elsewhere;

pub use elsewhere::{Elsewhere, decide_elsewhere};

use crate::copy::words::{WordKind, Words};

/// What to do with one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this text.
    Run {
        /// The statement, changed where it must be.
        sql: String,
        /// What a failure means.
        on_failure: OnFailure,
        /// What was changed, for people.
        warning: Option<String>,
    },
    /// Do not send it.
    Skip {
        /// What was left out, for people; `None` when nothing is missing on a copy.
        warning: Option<String>,
    },
    /// `SET client_encoding`: kept by the reader instead.
    ClientEncoding(String),
    /// What follows is made by this role, to be its owner; the statement says so.
    Become {
        /// The role.
        role: String,
        /// The statement.
        sql: String,
    },
    /// The role is made or changed as far as a copy allows.
    Role(RoleDefinition),
}

/// What a statement's failure means for the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The copy would not be what the source is.
    Fatal,
    /// Worth a line, no more.
    Warn,
    /// Nothing, when what it concerns is not there (or, for what every database has, is there already); else a line.
    IgnoreMissing,
}

/// A role as a dump describes it, without what it may not be on a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleDefinition {
    /// Its name.
    pub name: String,
    /// `LOGIN`.
    pub login: Option<bool>,
    /// `INHERIT`.
    pub inherit: Option<bool>,
    /// Roles it becomes a member of.
    pub member_of: Vec<String>,
    /// Roles that become its members.
    pub members: Vec<String>,
    /// Attributes left out, as written: `SUPERUSER`, `PASSWORD`.
    pub left_out: Vec<String>,
}

/// Roles whose members can reach files and programs of the machine: PostgreSQL's own, and our superuser.
const DANGEROUS_ROLES: [&str; 4] =
    ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "seatrial_superuser"];

/// Settings that would keep every session from starting where a library is missing.
const LIBRARY_SETTINGS: [&str; 2] = ["session_preload_libraries", "local_preload_libraries"];

/// Extensions that serve the operation of a server, not its data: a copy does without them.
const OPERATIONAL_EXTENSIONS: [&str; 30] = [
    "adminpack",
    "auto_explain",
    "aws_commons",
    "aws_lambda",
    "aws_s3",
    "azure",
    "google_columnar_engine",
    "google_db_advisor",
    "google_vacuum_mgmt",
    "hypopg",
    "oracle_tools",
    "pg_buffercache",
    "pg_cron",
    "pg_graphql",
    "pg_hint_plan",
    "pg_net",
    "pg_prewarm",
    "pg_proctab",
    "pg_qualstats",
    "pg_repack",
    "pg_squeeze",
    "pg_stat_kcache",
    "pg_stat_monitor",
    "pg_stat_statements",
    "pg_visibility",
    "pg_wait_sampling",
    "pgaudit",
    "pglogical",
    "pgstattuple",
    "rds_tools",
];

/// Whether a copy can do without this extension.
pub fn is_operational(extension: &str) -> bool {
    OPERATIONAL_EXTENSIONS.contains(&extension)
}

/// Decides about one statement.
pub fn decide(sql: &str) -> Action {
    let words = Words::new(sql, 24);
    let upper = |index: usize| words.text(index).to_ascii_uppercase();
    let run = |on_failure| Action::Run { sql: sql.to_owned(), on_failure, warning: None };
    let skip = |warning: String| Action::Skip { warning: Some(warning) };
    let silently = Action::Skip { warning: None };
    match (upper(0).as_str(), upper(1).as_str(), upper(2).as_str()) {
        ("SET" | "RESET", ..) => set(sql, &words),
        ("CREATE" | "DROP", "DATABASE", _) => silently,
        ("ALTER", "DATABASE", _) => database(sql, &words),
        ("CREATE" | "ALTER", "ROLE" | "USER" | "GROUP", third) if !(upper(1) == "USER" && third == "MAPPING") => {
            role(sql, &words)
        }
        ("DROP", "ROLE" | "USER" | "GROUP" | "TABLESPACE" | "SUBSCRIPTION", _) => silently,
        ("CREATE", "TABLESPACE", _) => skip(format!("tablespace {} left out", words.text(2))),
        ("ALTER", "TABLESPACE", _) => silently,
        ("CREATE", "SUBSCRIPTION", _) => {
            skip(format!("subscription {} left out: a copy listens to nobody", words.text(2)))
        }
        ("ALTER", "SUBSCRIPTION", _) | ("COMMENT", "ON", "SUBSCRIPTION" | "TABLESPACE") => silently,
        ("SECURITY", "LABEL", _) => {
            let on = words.find(2, "ON").unwrap_or(2);
            skip(format!("security label on {} left out", phrase(&words, on + 1, 4)))
        }
        ("GRANT" | "REVOKE", ..) => grant(sql),
        ("CREATE", "SERVER", _) => unreachable_server(sql),
        ("ALTER", "SERVER", _) if words.find(3, "OPTIONS").is_some() => {
            skip(format!("options of foreign server {} left out", words.text(2)))
        }
        ("CREATE", "USER", "MAPPING") => empty_user_mapping(sql),
        ("ALTER", "USER", "MAPPING") => silently,
        ("CREATE", "FOREIGN", "TABLE") => foreign_table(sql),
        ("DROP", ..) => run(OnFailure::IgnoreMissing),
        ("ALTER", "TABLE", _) if is_clean_up(&words) => run(OnFailure::IgnoreMissing),
        // `pg_dump --clean` of large objects.
        ("SELECT", ..) if words.is(1, "pg_catalog") && words.is(3, "lo_unlink") => run(OnFailure::IgnoreMissing),
        ("CREATE", "SCHEMA", _) if words.name(2).as_deref() == Some("public") => run(OnFailure::IgnoreMissing),
        ("CREATE", "EXTENSION", _) => extension(sql, &words),
        _ if is_minor(&words) => run(OnFailure::Warn),
        _ => run(OnFailure::Fatal),
    }
}

/// [`decide`] for `SET` alone; anything else is left out.
pub fn decide_setting(sql: &str, words: &Words<'_>) -> Action {
    if words.is(0, "SET") { set(sql, words) } else { Action::Skip { warning: None } }
}

/// The name of the extension that a `CREATE EXTENSION` makes.
pub fn created_extension(sql: &str) -> Option<String> {
    let words = Words::new(sql, 8);
    if !words.start_with("CREATE EXTENSION") {
        return None;
    }
    words.name(if words.is(2, "IF") { 5 } else { 2 })
}

/// The statement without its values: what may be shown when it fails.
pub fn headline(sql: &str) -> String {
    let words = Words::new(sql, 64);
    let end = if words.is(0, "INSERT") || words.is(0, "UPDATE") || words.is(0, "DELETE") {
        ["VALUES", "SELECT", "SET", "WHERE", "USING"].iter().filter_map(|keyword| words.find(1, keyword)).min()
    } else {
        None
    };
    let end = end.and_then(|index| words.span(index)).map_or(sql.len(), |span| span.end);
    let line = sql[..end].lines().next().unwrap_or_default().trim_end();
    let short: String = line.chars().take(120).collect();
    if short.len() < sql.len() { format!("{short} …") } else { short }
}

fn phrase(words: &Words<'_>, from: usize, count: usize) -> String {
    let mut phrase = String::new();
    for index in from..words.len().min(from + count) {
        let text = words.text(index);
        if words.is(index, "IS") {
            break;
        }
        if !phrase.is_empty() && text != "." && !phrase.ends_with('.') {
            phrase.push(' ');
        }
        phrase.push_str(text);
    }
    phrase
}

fn set(sql: &str, words: &Words<'_>) -> Action {
    let at = if words.is(1, "SESSION") || words.is(1, "LOCAL") { 2 } else { 1 };
    let name = words.name(at).unwrap_or_default();
    let value = words.value(at + 2);
    if words.start_with("SET SESSION AUTHORIZATION") || words.start_with("SET ROLE") {
        let at = if words.is(1, "ROLE") { 2 } else { 3 };
        return match words.value(at).filter(|role| role != "default" && role != "none") {
            Some(role) => Action::Become { role, sql: sql.to_owned() },
            None => Action::Run { sql: sql.to_owned(), on_failure: OnFailure::Fatal, warning: None },
        };
    }
    match name.as_str() {
        "client_encoding" if words.is(0, "SET") => Action::ClientEncoding(value.unwrap_or_default()),
        "names" if words.is(0, "SET") => Action::ClientEncoding(words.value(at + 1).unwrap_or_default()),
        // Ours are kept: a message more than asked for would wait in a queue nobody reads while rows are sent.
        "client_min_messages" | "statement_timeout" | "lock_timeout" | "idle_in_transaction_session_timeout" => {
            Action::Skip { warning: None }
        }
        "default_tablespace" if value.as_deref().is_some_and(|name| !name.is_empty()) => Action::Skip {
            warning: Some(format!("tablespace {} replaced by the default one", value.unwrap_or_default())),
        },
        _ => Action::Run { sql: sql.to_owned(), on_failure: OnFailure::Warn, warning: None },
    }
}

fn database(sql: &str, words: &Words<'_>) -> Action {
    if words.is(3, "SET") && words.is(4, "TABLESPACE") {
        return Action::Skip { warning: None };
    }
    setting(sql, words, 3, &format!("database {}", words.text(2)))
}

/// `… SET name …`, for a database or a role; other forms as they stand.
fn setting(sql: &str, words: &Words<'_>, at: usize, of: &str) -> Action {
    if words.is(at, "SET")
        && let Some(name) = words.name(at + 1)
        && LIBRARY_SETTINGS.contains(&name.as_str())
    {
        return Action::Skip { warning: Some(format!("{name} of {of} left out: the library may be missing here")) };
    }
    // How many sessions production allows, or whether it takes any, must not keep ours out.
    if ["WITH", "CONNECTION", "ALLOW_CONNECTIONS", "IS_TEMPLATE"].iter().any(|word| words.is(at, word)) {
        return Action::Skip { warning: None };
    }
    Action::Run { sql: sql.to_owned(), on_failure: OnFailure::Warn, warning: None }
}

fn role(sql: &str, first: &Words<'_>) -> Action {
    let name = first.name(2).unwrap_or_default();
    if first.is(0, "ALTER") {
        let in_database = if first.is(3, "IN") && first.is(4, "DATABASE") { 6 } else { 3 };
        if ["SET", "RESET"].iter().any(|word| first.is(in_database, word)) {
            return setting(sql, first, in_database, &format!("role {name}"));
        }
        if first.is(3, "RENAME") || (first.is(1, "GROUP") && (first.is(3, "ADD") || first.is(3, "DROP"))) {
            return Action::Run { sql: sql.to_owned(), on_failure: OnFailure::Warn, warning: None };
        }
    }
    let words = Words::new(sql, usize::MAX);
    let mut role = RoleDefinition { name, ..Default::default() };
    if words.is(0, "CREATE") {
        role.login = Some(words.is(1, "USER"));
    }
    let mut at = 3;
    while at < words.len() {
        let keyword = words.text(at).to_ascii_uppercase();
        at += 1;
        match keyword.as_str() {
            "LOGIN" => role.login = Some(true),
            "NOLOGIN" => role.login = Some(false),
            "INHERIT" => role.inherit = Some(true),
            "NOINHERIT" => role.inherit = Some(false),
            "SUPERUSER" | "CREATEROLE" | "CREATEDB" | "REPLICATION" | "BYPASSRLS" => role.left_out.push(keyword),
            "PASSWORD" => {
                if !words.is(at, "NULL") {
                    role.left_out.push(keyword);
                }
                at += 1;
            }
            "VALID" => at += 2,
            "CONNECTION" => at += if words.text(at + 1) == "-" { 3 } else { 2 },
            "SYSID" => at += 1,
            "IN" => {
                at += 1;
                at = names(&words, at, &mut role.member_of);
            }
            "ROLE" | "USER" | "ADMIN" => at = names(&words, at, &mut role.members),
            _ => {}
        }
    }
    Action::Role(role)
}

fn names(words: &Words<'_>, mut at: usize, into: &mut Vec<String>) -> usize {
    loop {
        into.extend(words.name(at));
        at += 1;
        if words.text(at) != "," {
            return at;
        }
        at += 1;
    }
}

fn grant(sql: &str) -> Action {
    let words = Words::new(sql, usize::MAX);
    let run = |sql: &str| Action::Run { sql: sql.to_owned(), on_failure: OnFailure::Warn, warning: None };
    if let Some(on) = words.find(1, "ON") {
        let skipped = words.is(on + 1, "TABLESPACE") || words.is(on + 1, "PARAMETER");
        return if skipped { Action::Skip { warning: None } } else { run(sql) };
    }
    if words.is(0, "REVOKE") {
        return run(sql);
    }
    let to = words.find(1, "TO").unwrap_or(words.len());
    if let Some(role) =
        (1..to).filter_map(|index| words.name(index)).find(|role| DANGEROUS_ROLES.contains(&role.as_str()))
    {
        return Action::Skip {
            warning: Some(format!("membership in {role} left out: it reaches files and programs of this machine")),
        };
    }
    // Who granted it says nothing on a copy, and that role may no longer be allowed to.
    let granted = (to + 2..words.len()).find(|index| words.is(*index, "GRANTED") && words.is(index + 1, "BY"));
    match granted.and_then(|granted| words.span(granted)) {
        Some(span) => run(sql[..span.start].trim_end()),
        None => run(sql),
    }
}

/// Options of `OPTIONS ( … )`: index of the keyword, then index pairs of name and value.
fn options(words: &Words<'_>) -> Option<(usize, Vec<(usize, usize)>)> {
    let keyword = words.find(3, "OPTIONS")?;
    let mut pairs = Vec::new();
    let mut at = keyword + 2;
    while at + 1 < words.len() && words.text(at) != ")" {
        pairs.push((at, at + 1));
        at += if words.text(at + 2) == "," { 3 } else { 2 };
    }
    Some((keyword, pairs))
}

/// Options that say where a foreign server is, in the words of the wrappers in use.
const PLACES: [&str; 20] = [
    "host",
    "hostname",
    "hosts",
    "address",
    "addr",
    "server",
    "servername",
    "dbserver",
    "url",
    "uri",
    "endpoint",
    "endpoint_url",
    "connection_string",
    "conn_str",
    "connstr",
    "connection",
    "dsn",
    "jdbc_url",
    "brokers",
    "address_list",
];

/// Options left out: they lead around the host, or are secret.
fn is_left_out(name: &str) -> bool {
    ["hostaddr", "service", "passfile"].contains(&name)
        || ["password", "passwd", "secret", "token", "credential", "key"].iter().any(|part| name.contains(part))
}

const NOWHERE: &str = "'/nonexistent'";

fn unreachable_server(sql: &str) -> Action {
    let words = Words::new(sql, usize::MAX);
    let name_at = if words.is(2, "IF") { 5 } else { 2 };
    let wrapper = words.find(3, "WRAPPER").and_then(|index| words.name(index + 1)).unwrap_or_default();
    let (head, pairs) = match options(&words) {
        Some((keyword, pairs)) => (words.span(keyword).map_or(sql, |span| &sql[..span.start]), pairs),
        None => (sql, Vec::new()),
    };
    let mut kept = Vec::new();
    let mut placed = false;
    for (name_at, value_at) in pairs {
        let name = words.name(name_at).unwrap_or_default();
        if PLACES.contains(&name.as_str()) {
            placed = true;
            kept.push(format!("{} {NOWHERE}", words.text(name_at)));
        } else if !is_left_out(&name) {
            kept.push(format!("{} {}", words.text(name_at), words.text(value_at)));
        }
    }
    if !placed && ["postgres_fdw", "dblink_fdw"].contains(&wrapper.as_str()) {
        kept.push(format!("host {NOWHERE}"));
    }
    let options = if kept.is_empty() { String::new() } else { format!(" OPTIONS ({})", kept.join(", ")) };
    Action::Run {
        sql: format!("{}{options}", head.trim_end()),
        on_failure: OnFailure::Warn,
        warning: Some(format!("foreign server {} made unreachable", words.text(name_at))),
    }
}

fn empty_user_mapping(sql: &str) -> Action {
    let words = Words::new(sql, usize::MAX);
    let Some(span) = words.find(3, "OPTIONS").and_then(|index| words.span(index)) else {
        return Action::Run { sql: sql.to_owned(), on_failure: OnFailure::Warn, warning: None };
    };
    let head = sql[..span.start].trim_end();
    let whom = head.split_once("FOR ").map_or(head, |(_, whom)| whom);
    Action::Run {
        sql: head.to_owned(),
        on_failure: OnFailure::Warn,
        warning: Some(format!("user mapping for {whom} emptied")),
    }
}

/// A foreign table that reads a file or a program of the machine reads nothing on a copy.
fn foreign_table(sql: &str) -> Action {
    let words = Words::new(sql, usize::MAX);
    let mut changed = String::new();
    let mut copied = 0;
    if let Some((_, pairs)) = words.find(3, "SERVER").and_then(|_| options(&words)) {
        for (name_at, value_at) in pairs {
            let name = words.name(name_at).unwrap_or_default();
            if ["program", "filename"].contains(&name.as_str())
                && let (Some(name), Some(value)) = (words.span(name_at), words.span(value_at))
            {
                changed.push_str(&sql[copied..name.start]);
                changed.push_str(&format!("filename {NOWHERE}"));
                copied = value.end;
            }
        }
    }
    let warning = (copied > 0).then(|| format!("foreign table {} reads no file", phrase(&words, 3, 3)));
    changed.push_str(&sql[copied..]);
    Action::Run { sql: changed, on_failure: OnFailure::Fatal, warning }
}

fn extension(sql: &str, words: &Words<'_>) -> Action {
    let name = created_extension(sql).unwrap_or_default();
    let plain = if words.is(2, "IF") {
        sql.to_owned()
    } else {
        let at = words.span(1).map_or(0, |span| span.end);
        format!("{} IF NOT EXISTS{}", &sql[..at], &sql[at..])
    };
    let on_failure = if is_operational(&name) { OnFailure::Warn } else { OnFailure::Fatal };
    Action::Run { sql: plain, on_failure, warning: None }
}

/// `pg_dump --clean` takes constraints and defaults off tables before it drops them.
fn is_clean_up(words: &Words<'_>) -> bool {
    let dropped = words.find(3, "DROP");
    dropped.is_some_and(|drop| {
        words.is(drop + 1, "CONSTRAINT")
            || words.is(drop + 1, "DEFAULT")
            || words.is(drop + 1, "IDENTITY")
            || words.is(drop + 1, "EXPRESSION")
    }) || words.find(3, "DETACH").is_some()
}

/// Statements whose failure leaves tables, rows, indexes, constraints, views, functions and types what they are.
fn is_minor(words: &Words<'_>) -> bool {
    const KINDS: [&str; 15] = [
        "COMMENT",
        "ALTER DEFAULT PRIVILEGES",
        "PUBLICATION",
        "EVENT TRIGGER",
        "SERVER",
        "USER MAPPING",
        "FOREIGN DATA WRAPPER",
        "LANGUAGE",
        "TEXT SEARCH",
        "STATISTICS",
        "TRANSFORM",
        "CONVERSION",
        "ACCESS METHOD",
        "SYSTEM",
        "LARGE OBJECT",
    ];
    let mut at = 0;
    if words.is(0, "CREATE") || words.is(0, "ALTER") {
        if words.start_with("ALTER DEFAULT PRIVILEGES") {
            return true;
        }
        at = 1;
        if words.start_with("CREATE OR REPLACE") {
            at = 3;
        }
        while words.is(at, "TRUSTED") || words.is(at, "PROCEDURAL") || words.is(at, "DEFAULT") {
            at += 1;
        }
    }
    KINDS.iter().any(|kind| kind.split(' ').enumerate().all(|(offset, word)| words.is(at + offset, word)))
        || words.is(0, "IMPORT")
        || words.is(0, "NOTIFY")
        || words.is(0, "LISTEN")
}

/// A statement without its `TABLESPACE name` clauses.
pub fn without_tablespace(sql: &str) -> String {
    let words = Words::new(sql, usize::MAX);
    let mut kept = String::new();
    let mut copied = 0;
    for index in 0..words.len() {
        if words.is(index, "TABLESPACE")
            && let (Some(keyword), Some(name)) = (words.span(index), words.span(index + 1))
            && words.name(index + 1).is_some()
        {
            kept.push_str(sql[copied..keyword.start].trim_end());
            copied = name.end;
        }
    }
    kept.push_str(&sql[copied..]);
    kept
}

/// Encoding and locale clauses of a dump's `CREATE DATABASE`, each as `KEY = value`, for a server of this major.
pub fn locale_clauses(create_database: &str, major: u32) -> Vec<String> {
    let words = Words::new(create_database, usize::MAX);
    let mut clauses = Vec::new();
    for index in 3..words.len() {
        let key = words.text(index).to_ascii_uppercase();
        let from = match key.as_str() {
            "ENCODING" | "LOCALE" | "LC_COLLATE" | "LC_CTYPE" => 13,
            "LOCALE_PROVIDER" | "ICU_LOCALE" => 15,
            "ICU_RULES" => 16,
            "BUILTIN_LOCALE" => 17,
            _ => continue,
        };
        let value_at = if words.text(index + 1) == "=" { index + 2 } else { index + 1 };
        if major >= from && words.kind(index) == Some(WordKind::Plain) {
            clauses.push(format!("{key} = {}", words.text(value_at)));
        }
    }
    clauses
}

#[cfg(test)]
mod tests;
