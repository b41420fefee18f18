//! The only code that talks to databases. What every engine tells the rest of the program is defined here.

pub mod applied;
pub mod postgres;
pub mod sqlite;

use thiserror::Error;

/// What a server said when it refused a statement. Values of user data may stand in `detail`, `context` and `message`: as
/// text it is [`Self::without_values`], and all the rest goes through the redactor of `report`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Error)]
#[error("{} ({})", self.without_values(), self.code())]
pub struct ServerError {
    /// Five characters; empty when the client or the connection failed.
    pub sqlstate: String,
    /// SQLite's own name of its result code, such as `SQLITE_CONSTRAINT_UNIQUE`; `None` for a server, which has none. Its
    /// `sqlstate` is that of the same trouble.
    pub result_code: Option<&'static str>,
    /// The primary message.
    pub message: String,
    /// `DETAIL`, often with values.
    pub detail: Option<String>,
    /// `HINT`.
    pub hint: Option<String>,
    /// `CONTEXT`, such as the line of a `COPY`; often with values.
    pub context: Option<String>,
    /// 1-based character position in the statement sent.
    pub position: Option<usize>,
    /// Schema of the object concerned.
    pub schema: Option<String>,
    /// Table concerned.
    pub table: Option<String>,
    /// Column concerned.
    pub column: Option<String>,
    /// Constraint concerned.
    pub constraint: Option<String>,
}

impl ServerError {
    /// The primary message as far as it cannot hold values of user data.
    ///
    /// Names are quoted like values in messages; the error's class tells which it is.
    pub fn without_values(&self) -> String {
        let raised = self.context.as_deref().and_then(|context| context.lines().next());
        if raised.is_some_and(|line| line.ends_with(" RAISE")) {
            return RAISED.to_owned();
        }
        if self.result_code == Some("SQLITE_CONSTRAINT_TRIGGER") {
            return RAISED_BY_TRIGGER.to_owned();
        }
        let class = self.sqlstate.get(..2).unwrap_or_default();
        // What a function has put into SQL of its own may be a value that it took for a name.
        if self.context.is_some() && matches!(class, "3F" | "42") {
            return mask_quoted(&self.message);
        }
        match class {
            // Names, rights, limits, the connection, the disk; of broken constraints the details alone tell values.
            "" | "08" | "0A" | "23" | "25" | "26" | "2B" | "2D" | "3D" | "3F" | "40" | "42" | "53" | "54" | "55"
            | "57" | "58" => self.message.clone(),
            // The server's other classes.
            class if class.starts_with(['0', '2', '3', '4', '7', 'F', 'H', 'X']) => mask_quoted(&self.message),
            // RAISE, under its own class or one the server does not use: whatever the function wanted to say.
            _ => RAISED.to_owned(),
        }
    }
}

impl ServerError {
    /// The engine's own code of it, for people: `SQLSTATE 23505`, `SQLITE_CONSTRAINT_UNIQUE`.
    pub fn code(&self) -> String {
        self.result_code.map_or_else(|| format!("SQLSTATE {}", self.sqlstate), str::to_owned)
    }

    /// Whether nobody refused anything: the session or the server is gone, its disk is full, its files are damaged. What
    /// was sent says nothing then, and what became of it is not known.
    pub fn is_outage(&self) -> bool {
        // A table of locks that is full is the migration's doing; memory of the machine that is used up is not.
        let memory = self.sqlstate == "53200" && !self.message.contains("shared memory");
        self.sqlstate.is_empty() || memory || OUTAGES.iter().any(|(code, _)| *code == self.sqlstate)
    }

    /// What to do about an outage, to be put behind the message; empty where it is none, or only the session is gone.
    pub fn advice(&self) -> &'static str {
        OUTAGES.iter().find(|(code, _)| *code == self.sqlstate).map_or("", |(_, advice)| advice)
    }
}

/// SQLSTATEs of outages, and what to do about each.
pub const OUTAGES: [(&str, &str); 8] = [
    // admin_shutdown, crash_shutdown, cannot_connect_now
    ("57P01", "; it was ended from outside, perhaps for want of memory: run again"),
    ("57P02", "; it was ended from outside, perhaps for want of memory: run again"),
    ("57P03", "; it was ended from outside, perhaps for want of memory: run again"),
    // too_many_connections
    ("53300", "; others take all its sessions: run again when there are fewer"),
    // disk_full
    ("53100", "; free some space (seatrial clean), or give --cache-dir on a bigger disk"),
    // io_error
    ("58030", "; the disk is at fault: give --cache-dir on another one"),
    // data_corrupted, index_corrupted
    ("XX001", "; the copy's files are damaged: remove the cached base with `seatrial clean`, and run again"),
    ("XX002", "; the copy's files are damaged: remove the cached base with `seatrial clean`, and run again"),
];

const RAISED_BY_TRIGGER: &str = "a trigger refused it; its message may hold values and is not shown";
const RAISED: &str = "a function raised an exception; its message may hold values and is not shown";

/// From the first quotation mark to the last, as a value may hold some itself.
fn mask_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}\"…\"{}", &message[..first], &message[last + 1..]),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_without_values() {
        let shown = |sqlstate: &str, message: &str, context: Option<&str>| {
            let (sqlstate, message) = (sqlstate.to_owned(), message.to_owned());
            let context = context.map(str::to_owned);
            ServerError { sqlstate, message, context, ..Default::default() }.to_string()
        };
        for (sqlstate, message, context) in [
            ("P0001", "no rate for anna@example.org", None),
            ("22P02", "invalid input syntax for type integer: \"anna@example.org\"", None),
            ("22007", "invalid input syntax for type date: \"anna@\"example.org\"", None),
            ("42501", "not for anna@example.org", Some("PL/pgSQL function rate(text) line 3 at RAISE")),
            ("ZZ001", "not for anna@example.org", None),
            ("42P07", "relation \"anna@example.org\" already exists", Some("SQL statement \"CREATE TABLE …\"")),
            ("3F000", "schema \"anna@example.org\" does not exist", Some("SQL statement \"CREATE TABLE …\"")),
        ] {
            let shown = shown(sqlstate, message, context);
            assert!(!shown.contains("anna") && !shown.contains("example"), "{shown}");
            assert!(shown.ends_with(&format!("(SQLSTATE {sqlstate})")), "{shown}");
        }
        assert_eq!(
            shown("42P01", "relation \"orders\" does not exist", None),
            "relation \"orders\" does not exist (SQLSTATE 42P01)"
        );
        assert_eq!(
            shown("23505", "could not create unique index \"orders_pkey\"", None),
            "could not create unique index \"orders_pkey\" (SQLSTATE 23505)"
        );
    }
}
