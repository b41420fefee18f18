//! What the statements of a migration do to rows, as far as their text tells.

use super::tokens::{Token, tokens};
use crate::snapshot::sqlite::same_name;

/// One statement that writes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    /// The table, as written.
    pub target: String,
    pub inserts: bool,
    pub updates: bool,
    pub deletes: bool,
    /// Columns an `UPDATE` assigns; none where it may be any.
    pub assigned: Option<Vec<String>>,
}

/// What a statement writes; empty where it changes no rows of a table it names.
pub(super) fn written(sql: &str) -> Option<Write> {
    let all = tokens(sql);
    let starts = |word: &str| all.first().is_some_and(|first| first.is(word));
    if !["INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"].iter().any(|word| starts(word)) {
        return None;
    }
    let verb =
        |token: &Token| token.depth == 0 && ["INSERT", "REPLACE", "UPDATE", "DELETE"].iter().any(|word| token.is(word));
    let at = all.iter().position(verb)?;
    let head = &all[at];
    let into = all[at..].iter().position(|token| token.depth == 0 && (token.is("INTO") || token.is("FROM")));
    let mut target_at = at + 1;
    if head.is("UPDATE") {
        if all.get(target_at)?.is("OR") {
            target_at += 2;
        }
    } else {
        target_at = at + into? + 1;
    }
    if all.get(target_at + 1).is_some_and(|token| token.is_mark(".")) {
        target_at += 2;
    }
    let target = all.get(target_at)?.name()?.to_owned();
    let replaces = head.is("REPLACE") || all[at..target_at].iter().any(|token| token.is("REPLACE"));
    let upserts = all.windows(2).any(|two| two[0].is("DO") && two[1].is("UPDATE"));
    Some(if head.is("DELETE") {
        Write { target, inserts: false, updates: false, deletes: true, assigned: None }
    } else if head.is("UPDATE") {
        let assigned = assigned(&all[target_at + 1..]);
        Write { target, inserts: false, updates: true, deletes: replaces, assigned }
    } else {
        Write { target, inserts: true, updates: replaces || upserts, deletes: replaces, assigned: None }
    })
}

/// The columns behind `SET`; none where they cannot be told.
fn assigned(rest: &[Token]) -> Option<Vec<String>> {
    let from = rest.iter().position(|token| token.depth == 0 && token.is("SET"))? + 1;
    let ends = |token: &Token| {
        token.depth == 0 && ["FROM", "WHERE", "RETURNING", "ORDER", "LIMIT"].iter().any(|word| token.is(word))
    };
    let to = rest[from..].iter().position(ends).map_or(rest.len(), |at| from + at);
    let (mut found, mut expects) = (Vec::new(), true);
    let list = &rest[from..to];
    for (at, token) in list.iter().enumerate() {
        if token.depth == 0 && token.is_mark(",") {
            expects = true;
        } else if expects {
            expects = false;
            if token.is_mark("(") {
                // (a, b) = (…)
                let inside = list[at + 1..].iter().take_while(|each| each.depth > 0);
                found.extend(inside.filter_map(|each| each.name().map(str::to_owned)));
            } else {
                found.push(token.name()?.to_owned());
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The tables a trigger's statements write to.
pub(super) fn targets(sql: &str) -> Vec<String> {
    let all = tokens(sql);
    let mut found = Vec::new();
    for (at, token) in all.iter().enumerate() {
        let next = match all.get(at + 1) {
            Some(next) if token.is("UPDATE") && next.is("OR") => at + 3,
            _ => at + 1,
        };
        let deletes = token.is("FROM") && at > 0 && all[at - 1].is("DELETE");
        if !(token.is("INTO") || token.is("UPDATE") || deletes) {
            continue;
        }
        let Some(name) = all.get(next).filter(|name| !(name.is("ON") || name.is("OF") || name.is("SET"))) else {
            continue;
        };
        found.extend(name.name().map(str::to_owned));
    }
    found
}

/// `DROP TABLE`: the table, as written.
pub(super) fn dropped(sql: &str) -> Option<String> {
    let all = tokens(sql);
    if !(all.first()?.is("DROP") && all.get(1)?.is("TABLE")) {
        return None;
    }
    let at = if all.get(2)?.is("IF") { 4 } else { 2 };
    last_name(all.get(at..)?)
}

/// `ALTER TABLE … RENAME TO …`: both names.
pub(super) fn renamed(sql: &str) -> Option<(String, String)> {
    let all = tokens(sql);
    if !(all.first()?.is("ALTER") && all.get(1)?.is("TABLE")) {
        return None;
    }
    let at = all.iter().position(|token| token.is("RENAME")).filter(|at| *at > 2)?;
    if !all.get(at + 1)?.is("TO") {
        return None;
    }
    Some((last_name(&all[2..at])?, all.get(at + 2)?.name()?.to_owned()))
}

fn last_name(all: &[Token]) -> Option<String> {
    all.iter().rev().find_map(Token::name).map(str::to_owned)
}

/// Whether a statement is this one word, with or without something behind it.
pub(super) fn begins(sql: &str, word: &str) -> bool {
    tokens(sql).first().is_some_and(|first| first.is(word))
}

/// A table that was copied into a new one: each column of the new one that was filled with a plain column of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    /// Old and new column, as written.
    pub columns: Vec<(String, String)>,
}

/// Reads how `table` was rebuilt: one plain `INSERT INTO … SELECT … FROM` that takes every row, and nothing else that
/// writes to it. `columns` are those of the old and of the new table that hold values of their own.
pub(super) fn copied(statements: &[String], table: &str, columns: (&[String], &[String])) -> Option<Copied> {
    // The names it has on its way: out of the way, or the one it is built under.
    let mut names = vec![table.to_owned()];
    for (from, to) in statements.iter().filter_map(|sql| renamed(sql)) {
        if same_name(&from, table) || same_name(&to, table) {
            names.extend([from, to]);
        }
    }
    let ours = |name: &str| names.iter().any(|each| same_name(each, name));
    let mut writes = statements.iter().filter(|sql| written(sql).is_some_and(|write| ours(&write.target)));
    let (only, None) = (writes.next()?, writes.next()) else { return None };
    let all = tokens(only);
    if !(all.first()?.is("INSERT") && all.get(1)?.is("INTO")) {
        return None;
    }
    let select = all.iter().position(|token| token.depth == 0 && token.is("SELECT"))?;
    let mut head = all.get(3..select)?;
    if head.first().is_some_and(|token| token.is_mark(".")) {
        head = head.get(2..)?;
    }
    let into: Vec<String> = if head.is_empty() {
        columns.1.to_vec()
    } else {
        head.iter().filter_map(|token| token.name().map(str::to_owned)).collect()
    };
    let from = select + all[select..].iter().position(|token| token.depth == 0 && token.is("FROM"))?;
    let mut source: Vec<&Token> = all[from + 1..].iter().filter(|token| !token.is_mark(";")).collect();
    if source.len() > 2 && source[1].is_mark(".") {
        source.drain(..2);
    }
    // A condition, a join, a limit: then rows may be missing, or more.
    if source.len() != 1 || !source[0].name().is_some_and(ours) {
        return None;
    }
    let list = &all[select + 1..from];
    // Rows that are alike become one; a function over all of them leaves one.
    if list.first()?.is("DISTINCT") || list.iter().any(|token| token.depth == 0 && token.is("SELECT")) {
        return None;
    }
    let items: Vec<&[Token]> = list.split(|token| token.depth == 0 && token.is_mark(",")).collect();
    let star = matches!(items.as_slice(), [[star]] if star.is_mark("*"));
    let items: Vec<Option<String>> = if star {
        columns.0.iter().cloned().map(Some).collect()
    } else {
        let plain = |item: &&[Token]| match item {
            [only] => only.name().map(str::to_owned),
            [table, dot, column] if dot.is_mark(".") && table.name().is_some_and(ours) => {
                column.name().map(str::to_owned)
            }
            _ => None,
        };
        items.iter().map(plain).collect()
    };
    if items.len() != into.len() {
        return None;
    }
    let pairs = items.into_iter().zip(into).filter_map(|(old, new)| Some((old?, new)));
    // A word such as NULL or CURRENT_TIMESTAMP is no column.
    let known = |old: &str| columns.0.iter().any(|column| same_name(column, old));
    Some(Copied { columns: pairs.filter(|(old, _)| known(old)).collect() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_told_from_the_text() {
        let told = |sql: &str| {
            let write = written(sql).unwrap();
            let kinds = [(write.inserts, 'i'), (write.updates, 'u'), (write.deletes, 'd')];
            let kinds: String = kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind).collect();
            (write.target, kinds, write.assigned.map(|columns| columns.join(",")))
        };
        let all =
            |kinds: &str, assigned: Option<&str>| ("T x".to_owned(), kinds.to_owned(), assigned.map(str::to_owned));
        assert_eq!(told("INSERT INTO \"T x\" VALUES (1)"), all("i", None));
        assert_eq!(told("insert or replace into main.[T x] select 1"), all("iud", None));
        assert_eq!(told("REPLACE INTO `T x` VALUES (1)"), all("iud", None));
        assert_eq!(told("INSERT INTO \"T x\" VALUES (1) ON CONFLICT DO UPDATE SET a = 1"), all("iu", None));
        assert_eq!(told("WITH c AS (SELECT 1) DELETE FROM \"T x\" WHERE a"), all("d", None));
        assert_eq!(told("UPDATE \"T x\" SET a = (b, 1), \"c\" = 2 WHERE d = 1"), all("u", Some("a,c")));
        assert_eq!(told("UPDATE OR REPLACE \"T x\" AS t SET (a, b) = (SELECT 1, 2)"), all("ud", Some("a,b")));
        for none in [
            "CREATE TABLE a (b)",
            "DROP TABLE a",
            "SELECT 1",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END",
            "",
        ] {
            assert_eq!(written(none), None, "{none}");
        }
        assert_eq!(dropped("DROP TABLE IF EXISTS main.\"a b\""), Some("a b".to_owned()));
        assert_eq!(renamed("ALTER TABLE main.a RENAME TO \"b c\""), Some(("a".to_owned(), "b c".to_owned())));
        assert_eq!(renamed("ALTER TABLE a RENAME COLUMN b TO c"), None);
    }

    fn rebuild(insert: &str) -> Option<Vec<(String, String)>> {
        let statements = ["CREATE TABLE new (a, b, c)", insert, "DROP TABLE old", "ALTER TABLE new RENAME TO old"]
            .map(str::to_owned);
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Some(copied(&statements, "old", (&names(&["a", "b"]), &names(&["a", "b", "c"])))?.columns)
    }

    #[test]
    fn a_plain_copy_is_told_from_one_that_changes_something() {
        let pairs = |list: &[(&str, &str)]| {
            Some(list.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect())
        };
        assert_eq!(rebuild("INSERT INTO new (a, b) SELECT a, b FROM old"), pairs(&[("a", "a"), ("b", "b")]));
        assert_eq!(rebuild("INSERT INTO new (c, b) SELECT old.a, lower(b) FROM old"), pairs(&[("a", "c")]));
        assert_eq!(rebuild("INSERT INTO \"new\" (a, b) SELECT * FROM main.old;"), pairs(&[("a", "a"), ("b", "b")]));
        assert_eq!(rebuild("INSERT INTO new SELECT a, b, NULL FROM old"), pairs(&[("a", "a"), ("b", "b")]));
        for other in [
            "INSERT INTO new (a, b) SELECT a, b FROM old WHERE a > 1",
            "INSERT INTO new (a, b) SELECT DISTINCT a, b FROM old LIMIT 1",
            "INSERT OR IGNORE INTO new (a, b) SELECT a, b FROM old",
            "INSERT INTO new (a, b) SELECT a, b FROM other",
            "INSERT INTO new (a, b) VALUES (1, 2)",
        ] {
            assert_eq!(rebuild(other), None, "{other}");
        }
        assert_eq!(rebuild("INSERT INTO new (a, b) SELECT DISTINCT a, b FROM old"), None);
    }
}
