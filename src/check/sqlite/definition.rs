//! What stands in the text of a `CREATE TABLE` alone: SQLite tells neither of `CHECK` nor of a column's `COLLATE`.

use super::words;
use crate::migration::script::sqlite::unquoted;
use crate::migration::script::words::Word;

/// What a table's text says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Definition {
    /// `COLLATE` of each column in order, in upper case; none where nothing is said.
    pub(super) collations: Vec<Option<String>>,
    /// Every `CHECK`, in the order of the text, with single spaces between its tokens.
    pub(super) checks: Vec<String>,
}

/// Reads a table's text. What was made by `CREATE TABLE … AS` has one as well: SQLite writes it.
pub(super) fn read(sql: &str) -> Definition {
    let all = words(sql);
    let mut definition = Definition::default();
    let Some(open) = all.iter().position(|word| word.text == "(" && word.depth == 0) else { return definition };
    let close = all[open..].iter().position(|word| word.text == ")" && word.depth == 0);
    let inside = &all[open + 1..close.map_or(all.len(), |close| open + close)];
    for item in inside.split(|word| word.text == "," && word.depth == 1) {
        let Some(first) = item.first() else { continue };
        let of_table = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|word| first.is(word));
        if !of_table {
            definition.collations.push(collation(item));
        }
        definition.checks.extend(checks(item));
    }
    definition
}

fn collation(item: &[Word<'_>]) -> Option<String> {
    let at = item.iter().position(|word| word.depth == 1 && word.is("COLLATE"))?;
    let name = item.get(at + 1)?;
    Some(unquoted(name.text).to_ascii_uppercase())
}

fn checks(item: &[Word<'_>]) -> Vec<String> {
    let starts = item.iter().enumerate().filter(|(_, word)| word.depth == 1 && word.is("CHECK"));
    let text = |(at, _): (usize, &Word<'_>)| {
        let rest = &item[at + 1..];
        let end = rest.iter().position(|word| word.text == ")" && word.depth == 1)?;
        let inner: Vec<&str> = rest.get(1..end)?.iter().map(|word| word.text).collect();
        Some(format!("CHECK ({})", inner.join(" ")))
    };
    starts.filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn checks_and_collations_are_found_behind_any_quoting() {
        let found = read(
            "CREATE TABLE [odd (name], with comma] (
                 id INTEGER PRIMARY KEY, -- CHECK (no)
                 \"a, b\" TEXT COLLATE NoCase CHECK (length(\"a, b\") IN (1, 2)),
                 [c, d] DECIMAL(10, 2) CONSTRAINT positive CHECK ([c, d] > 0) DEFAULT (1),
                 CHECK (id <> 7), CONSTRAINT one UNIQUE (\"a, b\")
             ) STRICT",
        );
        assert_eq!(found.collations, [None, Some("NOCASE".to_owned()), None]);
        let checks = ["CHECK (length ( \"a, b\" ) IN ( 1 , 2 ))", "CHECK ([c, d] > 0)", "CHECK (id <> 7)"];
        assert_eq!(found.checks, checks);
        assert_eq!(read("CREATE VIRTUAL TABLE x USING fts5"), super::Definition::default());
    }
}
