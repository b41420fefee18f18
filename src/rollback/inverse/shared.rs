//! What the migration changed outside its schema: roles, memberships, settings, the database itself.
//!
//! It needs the rights the migration had, and no more. A copy's database may bear another name than production's, so its
//! name is never written down.

use super::super::generate::Step;
use super::super::names::identifier;
use super::super::planner::Plan;
use super::super::privileges::{Target, changes, parse_all};
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::shared::{Membership, Role, Scope, Shared};
use std::collections::BTreeMap;

/// Settings whose value is a list of names, stored the way it is written (`GUC_LIST_QUOTE`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

pub(super) fn shared(plan: &mut Plan<'_>) -> Vec<Step> {
    let (before, after) = (&plan.before.shared, &plan.after.shared);
    let (mut steps, mut unmodelled) = (Vec::new(), Vec::new());
    surviving_roles(before, after, &mut steps, &mut unmodelled);
    memberships(before, after, &mut steps);
    settings(before, after, &mut steps);
    database(before, after, &mut steps);
    for (oid, role) in &after.roles {
        if !before.roles.contains_key(oid) {
            let sql = format!("DROP ROLE IF EXISTS {};", identifier(&role.name));
            steps.push(Step::new("A role the migration made. It must own nothing any more, in no database.", sql));
        }
    }
    plan.unmodelled.extend(unmodelled);
    steps
}

fn surviving_roles(before: &Shared, after: &Shared, steps: &mut Vec<Step>, unmodelled: &mut Vec<String>) {
    for (oid, old) in &before.roles {
        let Some(new) = after.roles.get(oid) else {
            unmodelled.push(format!("the role {} was dropped", identifier(&old.name)));
            continue;
        };
        let name = identifier(&old.name);
        if old.name != new.name {
            let sql = format!("ALTER ROLE {} RENAME TO {name};", identifier(&new.name));
            steps.push(Step::new(format!("The name of the role {name}."), sql));
        }
        attributes(&name, old, new, steps);
        if old.password != new.password {
            unmodelled.push(format!("the password of the role {name} was changed"));
        }
        if old.comment != new.comment {
            let text = old.comment.as_deref().map_or("NULL".to_owned(), quote_literal);
            steps.push(Step::new("Comments.", format!("COMMENT ON ROLE {name} IS {text};")));
        }
    }
}

fn attributes(name: &str, old: &Role, new: &Role, steps: &mut Vec<Step>) {
    let words: Vec<&str> = old.attributes.difference(&new.attributes).map(String::as_str).collect();
    if !words.is_empty() {
        let sql = format!("ALTER ROLE {name} {};", words.join(" "));
        steps.push(Step::new(format!("What the role {name} may do."), sql));
    }
}

fn memberships(before: &Shared, after: &Shared, steps: &mut Vec<Step>) {
    const WHY: &str = "Memberships.";
    // A role that was renamed bears its name of before by now, and one the migration made takes its own along.
    let renamed: BTreeMap<&str, &str> = after
        .roles
        .iter()
        .filter_map(|(oid, new)| Some((new.name.as_str(), before.roles.get(oid)?.name.as_str())))
        .collect();
    let made = |name: &str| after.roles.iter().any(|(oid, role)| role.name == name && !before.roles.contains_key(oid));
    let known = |name: &str| before.roles.values().any(|role| role.name == name) || name.starts_with("pg_");
    let now: Vec<Membership> = after
        .memberships
        .iter()
        .filter(|found| !made(&found.role) && !made(&found.member))
        .map(|found| {
            let named =
                |name: &String| renamed.get(name.as_str()).map_or_else(|| name.clone(), |name| (*name).to_owned());
            Membership {
                role: named(&found.role),
                member: named(&found.member),
                grantor: named(&found.grantor),
                options: found.options.clone(),
            }
        })
        .collect();
    let same = |one: &Membership, other: &Membership| {
        (&one.role, &one.member, &one.grantor) == (&other.role, &other.member, &other.grantor)
    };
    for found in &now {
        let (role, member) = (identifier(&found.role), identifier(&found.member));
        match before.memberships.iter().find(|old| same(old, found)) {
            None => steps.push(Step::new(WHY, format!("REVOKE {role} FROM {member};"))),
            Some(old) => {
                for ((word, wanted), (_, given)) in old.options.iter().zip(&found.options) {
                    if wanted != given {
                        let sql = if *wanted {
                            format!("GRANT {role} TO {member} WITH {word} OPTION;")
                        } else {
                            format!("REVOKE {word} OPTION FOR {role} FROM {member};")
                        };
                        steps.push(Step::new(WHY, sql));
                    }
                }
            }
        }
    }
    for old in &before.memberships {
        if known(&old.role) && known(&old.member) && !now.iter().any(|found| same(old, found)) {
            steps.push(Step::new(WHY, grant(old)));
        }
    }
}

fn grant(membership: &Membership) -> String {
    let options: Vec<String> = match &membership.options[..] {
        [(_, admin)] => admin.then(|| "ADMIN OPTION".to_owned()).into_iter().collect(),
        all => all.iter().map(|(word, given)| format!("{word} {given}")).collect(),
    };
    let with = if options.is_empty() { String::new() } else { format!(" WITH {}", options.join(", ")) };
    format!("GRANT {} TO {}{with};", identifier(&membership.role), identifier(&membership.member))
}

fn settings(before: &Shared, after: &Shared, steps: &mut Vec<Step>) {
    // Settings of a role that was renamed are found under the name it has by now.
    let renamed: BTreeMap<&str, &str> = after
        .roles
        .iter()
        .filter_map(|(oid, new)| Some((new.name.as_str(), before.roles.get(oid)?.name.as_str())))
        .collect();
    let is_new =
        |name: &str| after.roles.iter().any(|(oid, role)| role.name == name && !before.roles.contains_key(oid));
    let mut now: BTreeMap<Scope, &BTreeMap<String, String>> = BTreeMap::new();
    for (scope, values) in &after.settings {
        let role = scope.role.as_deref();
        if role.is_some_and(is_new) {
            continue;
        }
        let role = role.map(|name| renamed.get(name).map_or_else(|| name.to_owned(), |name| (*name).to_owned()));
        now.insert(Scope { role, in_database: scope.in_database }, values);
    }
    let nothing = BTreeMap::new();
    let mut set = |scope: &Scope, what: &str| {
        steps.push(Step::new("Settings of roles and of the database.", alter(scope, what)));
    };
    for (scope, new) in &now {
        let old = before.settings.get(scope).unwrap_or(&nothing);
        for name in new.keys().filter(|name| !old.contains_key(*name)) {
            set(scope, &format!("RESET {}", setting_name(name)));
        }
    }
    for (scope, old) in &before.settings {
        let new = now.get(scope).copied().unwrap_or(&nothing);
        for (name, value) in old.iter().filter(|(name, value)| new.get(*name) != Some(value)) {
            let value = if LISTS.contains(&name.as_str()) { value.clone() } else { quote_literal(value) };
            set(scope, &format!("SET {} TO {value}", setting_name(name)));
        }
    }
}

/// `work_mem`, `auto_explain.log_format`.
fn setting_name(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

/// `ALTER ROLE` or `ALTER DATABASE`, whichever the setting is for.
fn alter(scope: &Scope, what: &str) -> String {
    let role = scope.role.as_deref().map(identifier);
    match (role, scope.in_database) {
        (Some(role), false) => format!("ALTER ROLE {role} {what};"),
        (None, false) => format!("ALTER ROLE ALL {what};"),
        (Some(role), true) => in_database(&format!("ALTER ROLE {role} IN DATABASE"), what),
        (None, true) => in_database("ALTER DATABASE", what),
    }
}

/// A statement that names the database it runs in between these two.
fn in_database(start: &str, rest: &str) -> String {
    let text = format!("{} %I {}", start.replace('%', "%%"), rest.replace('%', "%%"));
    let body = format!("BEGIN EXECUTE format({}, current_database()); END", quote_literal(&text));
    let mut tag = "do".to_owned();
    while body.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    format!("DO ${tag}$ {body} ${tag}$;")
}

fn database(before: &Shared, after: &Shared, steps: &mut Vec<Step>) {
    let (old, new) = (&before.database, &after.database);
    let mut push = |why: &str, sql: String| steps.push(Step::new(why, sql));
    if old.connection_limit != new.connection_limit {
        push(
            "How many may connect to the database.",
            in_database("ALTER DATABASE", &format!("CONNECTION LIMIT {}", old.connection_limit)),
        );
    }
    if old.comment != new.comment {
        let text = old.comment.as_deref().map_or("NULL".to_owned(), quote_literal);
        push("Comments.", in_database("COMMENT ON DATABASE", &format!("IS {text}")));
    }
    if old.acl != new.acl {
        let (object, prefix) = ("DATABASE \0".to_owned(), String::new());
        let target = Target { object, column: None, prefix, owner: &new.owner };
        for sql in changes(&target, &parse_all(&new.acl), &parse_all(&old.acl)).sql {
            push(
                "Privileges.",
                match sql.trim_end_matches(';').split_once(" \0 ") {
                    Some((start, rest)) => in_database(start, rest),
                    // Whoever granted it is made to grant again.
                    None => sql,
                },
            );
        }
    }
    if old.owner != new.owner {
        push("Owners.", in_database("ALTER DATABASE", &format!("OWNER TO {}", identifier(&old.owner))));
    }
}
