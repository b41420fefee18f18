//! Privileges: what an `aclitem` says, and the statements that lead from one list of them to another.

use super::names::identifier;
use crate::engine::postgres::session::quote_literal;
use std::collections::{BTreeMap, BTreeSet};

/// Letters of `aclitem` with the privileges they stand for.
const PRIVILEGES: [(char, &str); 15] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('m', "MAINTAIN"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('c', "CONNECT"),
    ('T', "TEMPORARY"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// One grantee's privileges: letter, and whether with grant option.
type Held = BTreeSet<(char, bool)>;

/// One `aclitem`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AclItem {
    /// Unquoted; empty is `PUBLIC`.
    pub grantee: String,
    /// Letters, each with its grant option.
    pub privileges: Held,
    /// Unquoted.
    pub grantor: String,
}

/// Takes an `aclitem` apart; none for text that is not one.
pub(super) fn parse(item: &str) -> Option<AclItem> {
    let (grantee, rest) = role(item)?;
    let rest = rest.strip_prefix('=')?;
    let end = rest.find('/').unwrap_or(rest.len());
    let mut privileges = Held::new();
    let mut letters = rest[..end].chars().peekable();
    while let Some(letter) = letters.next() {
        let grantable = letters.next_if_eq(&'*').is_some();
        privileges.insert((letter, grantable));
    }
    let grantor = rest.get(end + 1..).and_then(role).map(|(grantor, _)| grantor).unwrap_or_default();
    Some(AclItem { grantee, privileges, grantor })
}

/// A role's name at the start of `text`, unquoted, and what follows.
fn role(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['=', '/']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return Some((name, &quoted[offset + 1..]));
        }
    }
    None
}

/// What a new object's owner and `PUBLIC` hold before anyone grants or revokes (`acldefault`).
pub(super) fn defaults(kind: &str, owner: &str, version: u32) -> Vec<AclItem> {
    let (owners, publics) = match kind {
        "TABLE" if version >= 170_000 => ("arwdDxtm", ""),
        "TABLE" => ("arwdDxt", ""),
        "SEQUENCE" => ("rwU", ""),
        "FUNCTION" | "PROCEDURE" | "ROUTINE" => ("X", "X"),
        "TYPE" | "DOMAIN" => ("U", "U"),
        "SCHEMA" => ("UC", ""),
        "FOREIGN SERVER" | "FOREIGN DATA WRAPPER" => ("U", ""),
        "LANGUAGE" => ("U", "U"),
        _ => ("", ""),
    };
    [(owner, owners), ("", publics)]
        .into_iter()
        .filter(|(_, letters)| !letters.is_empty())
        .map(|(grantee, letters)| AclItem {
            grantee: grantee.to_owned(),
            privileges: letters.chars().map(|letter| (letter, false)).collect(),
            grantor: owner.to_owned(),
        })
        .collect()
}

/// Parses a list; items that cannot be read are left out.
pub(super) fn parse_all(items: &[String]) -> Vec<AclItem> {
    items.iter().filter_map(|item| parse(item)).collect()
}

/// What follows `GRANT` and `REVOKE` around the privileges: `ON TABLE public.t`, or a column's.
pub(super) struct Target<'a> {
    /// `TABLE public.t`, `SCHEMA s`, `FUNCTION public.f(integer)`; for default privileges `TABLES`.
    pub object: String,
    /// The column the privileges are about.
    pub column: Option<&'a str>,
    /// Put before `GRANT` and `REVOKE`, such as `ALTER DEFAULT PRIVILEGES FOR ROLE app `.
    pub prefix: String,
    /// Owner of the object, who grants unless somebody passes on what they hold.
    pub owner: &'a str,
}

impl Target<'_> {
    fn revoke(&self, grantee: &str, cascade: &str) -> String {
        let column = self.column.map(|column| format!(" ({})", identifier(column))).unwrap_or_default();
        format!("{}REVOKE ALL{column} ON {} FROM {}{cascade};", self.prefix, self.object, grantee_name(grantee))
    }

    fn grants(&self, grantee: &str, held: &Held) -> Vec<String> {
        let mut found = Vec::new();
        for grantable in [false, true] {
            let names = privilege_names(held, grantable, self.column);
            if !names.is_empty() {
                let option = if grantable { " WITH GRANT OPTION" } else { "" };
                let grantee = grantee_name(grantee);
                found.push(format!("{}GRANT {names} ON {} TO {grantee}{option};", self.prefix, self.object));
            }
        }
        found
    }
}

/// Statements that lead from one list of privileges to another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub sql: Vec<String>,
    /// Grantees from whom everything is revoked on the way: on a table, what they hold on its columns goes as well.
    pub revoked: BTreeSet<String>,
}

/// Makes `current` into `wanted`. Where anyone but the owner granted something, everything is granted anew by whoever
/// did; elsewhere only what differs.
pub(super) fn changes(target: &Target<'_>, current: &[AclItem], wanted: &[AclItem]) -> Changes {
    let foreign = |item: &&AclItem| !item.grantor.is_empty() && item.grantor != target.owner;
    if current.iter().chain(wanted).any(|item| foreign(&item)) {
        return granted_anew(target, current, wanted);
    }
    let (current, wanted) = (by_grantee(current), by_grantee(wanted));
    let mut found = Changes::default();
    for (grantee, held) in &current {
        if wanted.get(grantee) != Some(held) {
            found.sql.push(target.revoke(grantee, ""));
            found.revoked.insert(grantee.clone());
        }
    }
    for (grantee, held) in &wanted {
        if current.get(grantee) != Some(held) {
            found.sql.extend(target.grants(grantee, held));
        }
    }
    found
}

fn granted_anew(target: &Target<'_>, current: &[AclItem], wanted: &[AclItem]) -> Changes {
    let by_both = |items: &[AclItem]| -> BTreeMap<(String, String), Held> {
        items.iter().map(|item| ((item.grantee.clone(), item.grantor.clone()), item.privileges.clone())).collect()
    };
    let mut found = Changes::default();
    if by_both(current) == by_both(wanted) {
        return found;
    }
    for item in current.iter().filter(|item| item.grantor == target.owner) {
        // What was passed on goes along.
        found.sql.push(target.revoke(&item.grantee, " CASCADE"));
        found.revoked.insert(item.grantee.clone());
    }
    let (mut ready, mut waiting): (Vec<&AclItem>, Vec<&AclItem>) =
        wanted.iter().partition(|item| item.grantor == target.owner);
    // Whoever passes something on must hold it.
    while !ready.is_empty() {
        let mut holders = BTreeSet::new();
        for item in ready {
            let grants = target.grants(&item.grantee, &item.privileges);
            match item.grantor == target.owner {
                true => found.sql.extend(grants),
                false => found.sql.push(as_grantor(&item.grantor, &grants)),
            }
            holders.insert(item.grantee.clone());
        }
        (ready, waiting) = waiting.into_iter().partition(|item| holders.contains(&item.grantor));
    }
    found
}

/// Grants in the name of somebody else; in one's own where one may not.
fn as_grantor(grantor: &str, grants: &[String]) -> String {
    let body = |indent: &str| grants.iter().map(|grant| format!("{indent}{grant}\n")).collect::<String>();
    format!(
        "DO $seatrial$\nDECLARE\n    was text := pg_catalog.current_setting('role');\nBEGIN\n    PERFORM \
         pg_catalog.set_config('role', {}, true);\n{}    PERFORM pg_catalog.set_config('role', was, true);\nEXCEPTION \
         WHEN insufficient_privilege THEN\n    RAISE WARNING 'not a member of %: what it granted is granted by % instead', \
         {}, current_user;\n{}END\n$seatrial$;",
        quote_literal(grantor),
        body("    "),
        quote_literal(grantor),
        body("    ")
    )
}

/// The same for comparing: privileges by grantee, grantors left out.
pub(super) fn by_grantee(items: &[AclItem]) -> BTreeMap<String, Held> {
    let mut grouped: BTreeMap<String, Held> = BTreeMap::new();
    for item in items {
        grouped.entry(item.grantee.clone()).or_default().extend(item.privileges.iter().copied());
    }
    for held in grouped.values_mut() {
        let grantable: Vec<char> = held.iter().filter(|(_, grantable)| *grantable).map(|(letter, _)| *letter).collect();
        held.retain(|(letter, is_grantable)| *is_grantable || !grantable.contains(letter));
    }
    grouped
}

fn privilege_names(held: &Held, grantable: bool, column: Option<&str>) -> String {
    let suffix = column.map(|column| format!(" ({})", identifier(column))).unwrap_or_default();
    let names: Vec<String> = PRIVILEGES
        .iter()
        .filter(|(letter, _)| held.contains(&(*letter, grantable)))
        .map(|(_, name)| format!("{name}{suffix}"))
        .collect();
    names.join(", ")
}

fn grantee_name(grantee: &str) -> String {
    if grantee.is_empty() { "PUBLIC".to_owned() } else { identifier(grantee) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Target<'static> {
        Target { object: "TABLE public.t".to_owned(), column: None, prefix: String::new(), owner: "app" }
    }

    #[test]
    fn an_aclitem_is_read_with_quotes_and_grant_options() {
        let item = parse("\"we\"\"ird\"=r*w/app").expect("an item");
        assert_eq!(item.grantee, "we\"ird");
        assert_eq!(item.grantor, "app");
        assert_eq!(item.privileges, Held::from([('r', true), ('w', false)]));
        assert_eq!(parse("=X/app").expect("public").grantee, "");
    }

    #[test]
    fn only_what_differs_is_revoked_and_granted() {
        let current = parse_all(&["app=arw/app".to_owned(), "reader=r/app".to_owned(), "gone=r/app".to_owned()]);
        let wanted = parse_all(&["app=arw/app".to_owned(), "reader=r*w/app".to_owned()]);
        assert_eq!(
            changes(&table(), &current, &wanted).sql,
            [
                "REVOKE ALL ON TABLE public.t FROM gone;",
                "REVOKE ALL ON TABLE public.t FROM reader;",
                "GRANT UPDATE ON TABLE public.t TO reader;",
                "GRANT SELECT ON TABLE public.t TO reader WITH GRANT OPTION;",
            ]
        );
    }

    #[test]
    fn the_order_of_items_does_not_matter() {
        let one = parse_all(&["a=r/app".to_owned(), "b=r/app".to_owned()]);
        let other = parse_all(&["b=r/app".to_owned(), "a=r/app".to_owned()]);
        assert_eq!(changes(&table(), &one, &other), Changes::default());
    }

    #[test]
    fn what_was_passed_on_is_granted_by_whoever_did() {
        let wanted = parse_all(&["a=r*/app".to_owned(), "b=r/a".to_owned()]);
        let found = changes(&table(), &[], &wanted).sql;
        assert_eq!(found[0], "GRANT SELECT ON TABLE public.t TO a WITH GRANT OPTION;");
        assert!(found[1].contains("set_config('role', 'a', true)") && found[1].contains("TO b;"), "{}", found[1]);
        assert_eq!(changes(&table(), &wanted, &wanted), Changes::default());
    }
}
