//! What else is done with statements of a dump that is restored into a server of others: what would reach beyond the one
//! database, or needs rights nobody has there, is left out. Pure.

use super::{Action, OnFailure, decide, headline};
use crate::copy::words::{WordKind, Words};
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
    if is_membership(&words) {
        let all_ours = |roles: Vec<String>| roles.iter().all(|role| (at.is_ours)(role));
        let mine = at.superuser && granted_roles(&words).is_some_and(all_ours);
        // Through a role that was there before, a migration would have that role's rights in every database.
        return match mine {
            true => decide(sql),
            false => skip(Some(format!("{}: left out, a role in it is not the copy's alone", headline(sql)))),
        };
    }
    let of_server = ["ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SYSTEM"].iter().any(|what| words.is(1, what))
        && !words.is(2, "MAPPING");
    let renames = words.is(3, "RENAME");
    if of_server && (words.is(0, "DROP") || renames) || words.start_with("ALTER SYSTEM") || words.is(1, "TABLESPACE") {
        return skip(Some(format!("{}: left out, it is about the whole server", headline(sql))));
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

/// `GRANT role TO role`, `REVOKE role FROM role`, and the old `ALTER GROUP role ADD USER role`.
fn is_membership(words: &Words<'_>) -> bool {
    let grants = (words.is(0, "GRANT") || words.is(0, "REVOKE")) && words.find(1, "ON").is_none();
    grants || words.start_with("ALTER GROUP") && (words.is(3, "ADD") || words.is(3, "DROP"))
}

/// The roles of a `GRANT role TO role`; `None` for the other forms, which dumps do not need, and where either side is empty.
fn granted_roles(words: &Words<'_>) -> Option<Vec<String>> {
    let to = words.find(1, "TO").filter(|_| words.is(0, "GRANT"))?;
    // No keyword is left out by its word: `admin` may be a role's name.
    let end = (to + 1..words.len()).find(|index| words.is(*index, "WITH") || words.is(*index, "GRANTED"));
    let names = |range: std::ops::Range<usize>| -> Vec<String> {
        let is_name = |index: &usize| matches!(words.kind(*index), Some(WordKind::Plain | WordKind::Quoted));
        range.filter(is_name).filter_map(|index| words.name(index)).collect()
    };
    let (roles, members) = (names(1..to), names(to + 1..end.unwrap_or(words.len())));
    (!roles.is_empty() && !members.is_empty()).then(|| [roles, members].concat())
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
                "DROP ROLE IF EXISTS theirs",
                "DROP DATABASE shop",
                "ALTER ROLE theirs RENAME TO ours",
                "ALTER SYSTEM SET work_mem = '1GB'",
                "CREATE TABLESPACE fast LOCATION '/fast'",
                "GRANT theirs TO ours",
                "GRANT ours, \"theirs\" TO ours WITH ADMIN OPTION",
                "GRANT pg_execute_server_program TO ours",
                "GRANT ours TO theirs WITH INHERIT TRUE GRANTED BY ours",
                "GRANT admin TO ours",
                "GRANT ours TO granted",
                "REVOKE theirs FROM ours",
                "ALTER GROUP theirs ADD USER ours",
            ] {
                assert_eq!(decided(sql, superuser), None, "{sql}");
            }
            let set = decided("ALTER DATABASE \"shop\" SET search_path TO 'a', 'b'", superuser);
            assert_eq!(set.as_deref(), Some("ALTER DATABASE \"seatrial_base_1\" SET search_path TO 'a', 'b'"));
        }
        assert!(decided("GRANT ours TO ours WITH ADMIN OPTION", true).is_some(), "ours may be each other's members");
        assert!(
            decided("GRANT SELECT ON TABLE public.t TO theirs", true).is_some(),
            "rights within the copy are its own"
        );
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
