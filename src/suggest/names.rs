//! Names for what a suggestion makes on the way, and the names the server would give.

use super::context::Context;

/// Bytes of a name that a server keeps (`NAMEDATALEN - 1`).
const KEPT: usize = 63;

/// A name as the server keeps it.
pub(super) fn kept(name: &str) -> &str {
    &name[..name.floor_char_boundary(KEPT)]
}

/// Two names and a label put together as `makeObjectName` of the server does: the longer of both names is cut until all
/// of it fits.
pub(super) fn object_name(first: &str, second: Option<&str>, label: &str) -> String {
    let mut lengths = (first.len(), second.map_or(0, str::len));
    let fixed = 1 + label.len() + usize::from(second.is_some());
    while lengths.0 + lengths.1 + fixed > KEPT {
        if lengths.0 > lengths.1 {
            lengths.0 -= 1;
        } else {
            lengths.1 -= 1;
        }
    }
    let first = &first[..first.floor_char_boundary(lengths.0)];
    match second {
        Some(second) => format!("{first}_{}_{label}", &second[..second.floor_char_boundary(lengths.1)]),
        None => format!("{first}_{label}"),
    }
}

/// The same with a number behind the label, the first that no constraint has.
pub(super) fn free_name(context: &Context<'_>, first: &str, second: Option<&str>, label: &str) -> String {
    let taken = |name: &String| {
        let constraints = context.before.constraints.values().chain(context.after.constraints.values());
        let relations = context.before.relations.values().chain(context.after.relations.values());
        constraints.into_iter().any(|each| each.name == *name) || relations.into_iter().any(|each| each.name == *name)
    };
    let numbered = (1..).map(|number: u32| object_name(first, second, &format!("{label}{number}")));
    let mut names = std::iter::once(object_name(first, second, label)).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_the_server_cuts_them() {
        assert_eq!(object_name("orders", Some("note"), "not_null"), "orders_note_not_null");
        assert_eq!(object_name("orders", None, "check"), "orders_check");
        let (table, column) = ("t".repeat(63), "c".repeat(20));
        assert_eq!(object_name(&table, Some(&column), "check"), format!("{}_{column}_check", "t".repeat(36)));
        let both = object_name(&table, Some(&"c".repeat(63)), "check");
        assert_eq!(both, format!("{}_{}_check", "t".repeat(28), "c".repeat(28)));
        let wide = object_name(&"ä".repeat(31), Some("c"), "not_null");
        assert_eq!(wide, format!("{}_c_not_null", "ä".repeat(26)), "no character is cut in two");
        assert_eq!(kept(&"ä".repeat(40)), "ä".repeat(31));
    }
}
