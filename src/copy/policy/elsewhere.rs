//! What else is done with statements of a dump that is restored into a server of others: what would reach beyond the one
//! database, or needs rights nobody has there, is left out. Pure.

use super::{Action, OnFailure, decide, headline};
use crate::copy::words::Words;
use crate::engine::postgres::session::quote_identifier;

/// Where a dump is restored to.
#[derive(Clone, Copy)]
pub struct Elsewhere<'a> {
    /// The login is a superuser there: roles the dump names are made.
    pub superuser: bool,
    /// The database's name in the dump.
    pub source_name: &'a str,
    /// Its name there.
    pub database: &'a str,
    /// Whether a role was made for a dump, and not there before.
    pub is_ours: &'a dyn Fn(&str) -> bool,
}

/// What to do with one statement.
pub fn decide_elsewhere(sql: &str, at: Elsewhere<'_>) -> Action {
    let skip = |warning: Option<String>| Action::Skip { warning };
    let first = Words::new(sql, 8);
    let words = if first.is(0, "INSERT") || first.is(0, "SELECT") { first } else { Words::new(sql, usize::MAX) };
    let on = |what: &str| words.find(1, "ON").is_some_and(|on| words.is(on + 1, what));
    // Rights to the database, its comment and its owner are the tool's own there.
    if (words.is(0, "GRANT") || words.is(0, "REVOKE")) && on("DATABASE") || words.start_with("COMMENT ON DATABASE") {
        return skip(None);
    }
    if words.start_with("ALTER DATABASE") {
        return match words.is(3, "SET") {
            true => renamed(sql, &words, 2, at.database),
            false => skip(None),
        };
    }
    if words.start_with("ALTER ROLE") || words.start_with("ALTER USER") {
        let name = words.name(2).unwrap_or_default();
        let in_database = words.is(3, "IN") && words.is(4, "DATABASE");
        let sets = words.is(if in_database { 6 } else { 3 }, "SET");
        if sets {
            if !at.superuser || !(at.is_ours)(&name) {
                return skip(Some(format!("settings of role {name} left out: that role is not the copy's alone")));
            }
            return if in_database { renamed(sql, &words, 5, at.database) } else { within(sql, &words, at.database) };
        }
    }
    let action = decide(sql);
    if let Action::Become { .. } = action {
        return skip(Some(
            "who made what (SET SESSION AUTHORIZATION) left out: it belongs to one role on the copy".into(),
        ));
    }
    if at.superuser {
        return action;
    }
    let owner = words.is(0, "ALTER") && words.find(2, "OWNER").is_some_and(|owner| words.is(owner + 1, "TO"));
    if let Action::Role(_) = action {
        return skip(Some(LEFT_OUT.to_owned()));
    }
    if owner || words.is(0, "GRANT") || words.is(0, "REVOKE") || words.start_with("ALTER DEFAULT PRIVILEGES") {
        return skip(Some(LEFT_OUT.to_owned()));
    }
    if words.is(1, "EVENT") && words.is(2, "TRIGGER") {
        return skip(Some(format!("{}: left out, the user of the server may make no event triggers", headline(sql))));
    }
    if words.start_with("COMMENT ON EXTENSION")
        || words.start_with("COMMENT ON EVENT")
        || words.start_with("SECURITY LABEL")
    {
        return skip(None);
    }
    // What the server has from the beginning belongs to others there.
    if words.start_with("COMMENT ON SCHEMA") {
        return Action::Run { sql: sql.to_owned(), on_failure: OnFailure::Warn, warning: None };
    }
    action
}

/// Said once for all of them.
const LEFT_OUT: &str =
    "roles, owners and privileges are left out: the user of the server makes no roles, and everything is its";

/// The statement about the database under its name there.
fn renamed(sql: &str, words: &Words<'_>, index: usize, database: &str) -> Action {
    let Some(span) = words.span(index) else { return decide(sql) };
    decide(&format!("{}{}{}", &sql[..span.start], quote_identifier(database), &sql[span.end..]))
}

/// A role's setting, for the one database.
fn within(sql: &str, words: &Words<'_>, database: &str) -> Action {
    let Some(span) = words.span(2) else { return decide(sql) };
    decide(&format!("{} IN DATABASE {}{}", &sql[..span.end], quote_identifier(database), &sql[span.end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(sql: &str, superuser: bool) -> Option<String> {
        let ours = |name: &str| name == "ours";
        let at = Elsewhere { superuser, source_name: "shop", database: "seatrial_base_1", is_ours: &ours };
        match decide_elsewhere(sql, at) {
            Action::Run { sql, .. } => Some(sql),
            Action::Role(role) => Some(format!("role {}", role.name)),
            Action::Skip { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_reaches_beyond_the_one_database() {
        for superuser in [true, false] {
            for sql in [
                "GRANT CONNECT ON DATABASE shop TO app",
                "REVOKE ALL ON DATABASE shop FROM PUBLIC",
                "ALTER DATABASE shop OWNER TO app",
                "COMMENT ON DATABASE shop IS 'x'",
                "ALTER ROLE theirs SET work_mem = '1GB'",
                "ALTER ROLE theirs IN DATABASE shop SET work_mem = '1GB'",
                "SET SESSION AUTHORIZATION app",
            ] {
                assert_eq!(decided(sql, superuser), None, "{sql}");
            }
            let set = decided("ALTER DATABASE \"shop\" SET search_path TO 'a', 'b'", superuser);
            assert_eq!(set.as_deref(), Some("ALTER DATABASE \"seatrial_base_1\" SET search_path TO 'a', 'b'"));
        }
        assert_eq!(
            decided("ALTER ROLE ours SET work_mem TO '1GB'", true).as_deref(),
            Some("ALTER ROLE ours IN DATABASE \"seatrial_base_1\" SET work_mem TO '1GB'")
        );
        assert_eq!(
            decided("ALTER ROLE ours IN DATABASE shop SET work_mem TO '1GB'", true).as_deref(),
            Some("ALTER ROLE ours IN DATABASE \"seatrial_base_1\" SET work_mem TO '1GB'")
        );
    }

    #[test]
    fn who_is_no_superuser_makes_no_roles_and_gives_nothing_away() {
        for sql in [
            "ALTER FUNCTION public.f(a integer, b text, c text, d text, e text) OWNER TO app",
            "GRANT SELECT ON TABLE public.t TO app",
            "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO x",
            "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION public.f()",
            "CREATE ROLE app",
        ] {
            assert_eq!(decided(sql, false), None, "{sql}");
            assert!(decided(sql, true).is_some(), "{sql}");
        }
        for sql in ["CREATE TABLE public.owner (a int)", "ALTER TABLE public.t ADD PRIMARY KEY (a)"] {
            assert_eq!(decided(sql, false).as_deref(), Some(sql));
        }
    }
}
