//! Which statement a step of the rollback undoes, by the names both speak of.

use super::generate::Step;
use crate::migration::script::lexer::TokenKind;
use crate::migration::script::words::{Word, words};
use std::collections::BTreeSet;

/// A statement of the migration, as the comments of a script name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Counts from 1 over all pending statements.
    index: usize,
    /// `file:line`.
    place: String,
    /// Names in its text, as the server folds them.
    names: BTreeSet<String>,
}

impl Origin {
    /// Reads a statement that stands at `place`.
    pub fn new(index: usize, place: String, sql: &str) -> Self {
        let all = words(sql);
        Self { index, place, names: all.iter().filter_map(Word::name).collect() }
    }
}

/// More than so many with equal claims tell nothing.
const MOST: usize = 3;

/// A line for the comment above a step; empty where no statement, or too many, may be meant.
pub(super) fn line(origins: &[Origin], step: &Step) -> String {
    let named = names(step);
    let Some(first) = named.first() else { return String::new() };
    // What follows the name in `CREATE` and `DROP` says what it is made of.
    let telling = if ["CREATE", "DROP"].iter().any(|word| step.sql.starts_with(word)) { 1 } else { 2 };
    let claim = |origin: &Origin| named.iter().take(telling).filter(|name| origin.names.contains(*name)).count();
    let best = origins.iter().map(claim).max().unwrap_or(0);
    // One that names the table alone says little about a column that another one names.
    let own = origins.iter().filter(|origin| claim(origin) == best && (origin.names.contains(first) || best == 2));
    let found: Vec<String> = own.map(|origin| format!("{} ({})", origin.index, origin.place)).collect();
    match found.as_slice() {
        [] => String::new(),
        [one] if best > 0 => format!("Undoes statement {one}."),
        several if best > 0 && several.len() <= MOST => format!("Undoes statements {}.", several.join(", ")),
        _ => String::new(),
    }
}

/// Names a step begins with, schemas left out: the object, and where that is a table the part of it that is meant.
/// Keywords of these scripts and of dumps are in capitals.
fn names(step: &Step) -> Vec<String> {
    let generated = step.sql.starts_with("DO $seatrial$");
    let text = if generated { &step.why } else { &step.sql };
    let all = words(text);
    let mut found = Vec::new();
    for (at, word) in all.iter().enumerate() {
        let lower = word.kind == TokenKind::QuotedIdentifier
            || (word.kind == TokenKind::Word && !word.text.starts_with(|letter: char| letter.is_ascii_uppercase()));
        let schema = all.get(at + 1).is_some_and(|next| next.text == ".");
        // In a sentence only what is qualified is a name.
        let in_words = generated && !(at > 0 && all[at - 1].text == ".");
        if word.text == ";" && !generated {
            break;
        }
        if lower && !in_words && (generated || !schema) {
            found.extend(word.name());
        }
    }
    found.truncate(3);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Vec<Origin> {
        [
            "ALTER TABLE orders ADD COLUMN total numeric",
            "ALTER TABLE orders DROP COLUMN note",
            "CREATE INDEX orders_total_idx ON orders (total)",
            "ALTER TABLE orders RENAME TO purchases",
        ]
        .iter()
        .enumerate()
        .map(|(index, sql)| Origin::new(index + 1, format!("1_a.sql:{}", index + 1), sql))
        .collect()
    }

    #[test]
    fn the_statement_that_names_the_object_is_the_one() {
        for (sql, expected) in [
            ("DROP INDEX public.orders_total_idx;", "Undoes statement 3 (1_a.sql:3)."),
            ("ALTER TABLE public.orders ADD COLUMN note text;", "Undoes statement 2 (1_a.sql:2)."),
            ("ALTER TABLE public.purchases RENAME TO orders;", "Undoes statement 4 (1_a.sql:4)."),
            ("ALTER TABLE public.orders DROP COLUMN total;", "Undoes statements 1 (1_a.sql:1), 3 (1_a.sql:3)."),
        ] {
            assert_eq!(line(&origins(), &Step::new("", sql)), expected, "{sql}");
        }
    }

    #[test]
    fn a_table_that_every_statement_names_tells_nothing() {
        assert_eq!(line(&origins(), &Step::new("", "ALTER TABLE public.orders OWNER TO app;")), "");
        assert_eq!(line(&origins(), &Step::new("", "DROP VIEW public.other;")), "");
    }

    #[test]
    fn saved_values_are_told_by_the_sentence_above_them() {
        let step = Step::new("The saved values of public.orders.note.", "DO $seatrial$ … $seatrial$;");
        assert_eq!(line(&origins(), &step), "Undoes statement 2 (1_a.sql:2).");
    }
}
