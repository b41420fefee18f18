//! Statements in a form that may find its work done already.
//!
//! A migration that commits on its way can stop anywhere. Its rollback must then undo what there is, so each statement
//! either says `IF EXISTS`, `IF NOT EXISTS` or `OR REPLACE`, or asks first.

use crate::engine::postgres::session::quote_literal;
use crate::migration::script::lexer::TokenKind;
use crate::migration::script::split;
use crate::migration::script::words::{Word, words};

/// The same statements, each of them harmless where what it does is done.
pub(super) fn again(sql: &str) -> String {
    let Ok(spans) = split(sql) else { return sql.to_owned() };
    let mut out = String::new();
    let mut end = 0;
    for span in spans {
        out.push_str(&sql[end..span.start]);
        out.push_str(&statement(&sql[span.clone()]));
        end = span.end;
    }
    out.push_str(&sql[end..]);
    out
}

/// Words that may stand between `CREATE` or `DROP` and the name, longest first.
const KINDS: [&[&str]; 20] = [
    &["UNIQUE", "INDEX", "CONCURRENTLY"],
    &["INDEX", "CONCURRENTLY"],
    &["UNIQUE", "INDEX"],
    &["INDEX"],
    &["MATERIALIZED", "VIEW"],
    &["FOREIGN", "TABLE"],
    &["UNLOGGED", "TABLE"],
    &["TABLE"],
    &["SEQUENCE"],
    &["SCHEMA"],
    &["EXTENSION"],
    &["VIEW"],
    &["FUNCTION"],
    &["PROCEDURE"],
    &["RULE"],
    &["AGGREGATE"],
    &["TYPE"],
    &["DOMAIN"],
    &["STATISTICS"],
    &["COLLATION"],
];

fn starts(words: &[Word<'_>], with: &[&str]) -> bool {
    words.len() >= with.len() && words.iter().zip(with).all(|(word, keyword)| word.is(keyword))
}

fn statement(sql: &str) -> String {
    let all = words(sql);
    let Some(first) = all.first() else { return sql.to_owned() };
    let rest = &all[1..];
    let kind = KINDS.iter().find(|kind| starts(rest, kind));
    if first.is("DROP") {
        return drop(sql, rest, kind.copied());
    }
    if first.is("CREATE") {
        return create(sql, rest, kind.copied());
    }
    if first.is("ALTER") && rest.first().is_some_and(|word| word.is("TABLE")) {
        return alter_table(sql, &all);
    }
    if first.is("ALTER")
        && rest.first().is_some_and(|word| word.is("TYPE"))
        && let Some((name, after)) = qualified(&rest[1..])
        && let Some(there) = part_of_type(&name, after)
    {
        return only_if(&there, sql);
    }
    if first.is("ALTER")
        && let Some(kind) = kind
        && let Some((name, after)) = qualified(&rest[kind.len()..])
        && after.first().is_some_and(|word| word.is("RENAME"))
        && after.get(1).is_some_and(|word| word.is("TO"))
    {
        let there = match kind {
            ["TYPE" | "DOMAIN"] => "to_regtype",
            ["INDEX"] | ["SEQUENCE"] | ["VIEW"] | ["MATERIALIZED", "VIEW"] => "to_regclass",
            _ => return sql.to_owned(),
        };
        return only_if(&format!("pg_catalog.{there}({}) IS NOT NULL", quote_literal(&name)), sql);
    }
    sql.to_owned()
}

/// Whether a type has the label or the attribute that an action renames.
fn part_of_type(name: &str, action: &[Word<'_>]) -> Option<String> {
    let regtype = format!("pg_catalog.to_regtype({})", quote_literal(name));
    match action {
        [rename, what, label, ..] if rename.is("RENAME") && what.is("VALUE") => Some(format!(
            "EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = {regtype} AND enumlabel = {})",
            label.text
        )),
        [rename, what, attribute, ..] if rename.is("RENAME") && what.is("ATTRIBUTE") => Some(format!(
            "EXISTS (SELECT FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_type ON typrelid = attrelid WHERE \
             pg_type.oid = {regtype} AND attname = {} AND NOT attisdropped)",
            quote_literal(&attribute.name()?)
        )),
        _ => None,
    }
}

fn drop(sql: &str, rest: &[Word<'_>], kind: Option<&[&str]>) -> String {
    let others = ["TRIGGER", "POLICY", "PUBLICATION", "SERVER", "CAST", "OPERATOR", "TRANSFORM", "CONVERSION"];
    let known = kind.map(<[&str]>::len).or_else(|| {
        let first = rest.first()?;
        (first.is("EVENT") || first.is("TEXT"))
            .then_some(0)
            .or_else(|| others.iter().any(|one| first.is(one)).then_some(1))
    });
    match known {
        Some(length) if length > 0 && rest.get(length).is_some_and(|word| !word.is("IF")) => {
            insert_after(sql, length + 1, "IF EXISTS")
        }
        _ => sql.to_owned(),
    }
}

fn create(sql: &str, rest: &[Word<'_>], kind: Option<&[&str]>) -> String {
    if let Some(kind) = kind {
        let next = &rest[kind.len()..];
        if next.first().is_some_and(|word| word.is("IF")) {
            return sql.to_owned();
        }
        return match kind {
            ["VIEW" | "FUNCTION" | "PROCEDURE" | "RULE" | "AGGREGATE"] => insert_after(sql, 1, "OR REPLACE"),
            ["TYPE" | "DOMAIN"] => match qualified(next) {
                Some((name, _)) => only_if(&format!("pg_catalog.to_regtype({}) IS NULL", quote_literal(&name)), sql),
                None => sql.to_owned(),
            },
            _ => insert_after(sql, kind.len() + 1, "IF NOT EXISTS"),
        };
    }
    // `CREATE [CONSTRAINT] TRIGGER name … ON table`, `CREATE POLICY name ON table`.
    let (catalog, table, name, offset) = match rest {
        [first, ..] if first.is("TRIGGER") => ("pg_trigger", "tgrelid", "tgname", 1),
        [first, second, ..] if first.is("CONSTRAINT") && second.is("TRIGGER") => ("pg_trigger", "tgrelid", "tgname", 2),
        [first, ..] if first.is("POLICY") => ("pg_policy", "polrelid", "polname", 1),
        _ => return sql.to_owned(),
    };
    let on = rest.iter().position(|word| word.depth == 0 && word.is("ON"));
    let found = on.and_then(|on| Some((rest.get(offset)?.name()?, qualified(&rest[on + 1..])?.0)));
    match found {
        Some((given, relation)) => only_if(
            &format!(
                "NOT EXISTS (SELECT FROM pg_catalog.{catalog} WHERE {table} = pg_catalog.to_regclass({}) AND {name} = {})",
                quote_literal(&relation),
                quote_literal(&given)
            ),
            sql,
        ),
        None => sql.to_owned(),
    }
}

/// `ALTER TABLE` with one action or several.
fn alter_table(sql: &str, all: &[Word<'_>]) -> String {
    let only = usize::from(all.get(2).is_some_and(|word| word.is("ONLY")));
    let Some((table, actions)) = qualified(&all[2 + only..]) else { return sql.to_owned() };
    let regclass = format!("pg_catalog.to_regclass({})", quote_literal(&table));
    let first = actions.first().map_or("", |word| word.text).to_uppercase();
    let named = |at: usize| actions.get(at).and_then(Word::name);
    if first == "ADD" && actions.get(1).is_some_and(|word| word.is("CONSTRAINT")) {
        let Some(name) = named(2) else { return sql.to_owned() };
        let there = format!(
            "EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = {regclass} AND conname = {})",
            quote_literal(&name)
        );
        return only_if(&format!("NOT {there}"), sql);
    }
    if let Some((attach, other)) = kinship(&first, actions) {
        let other = format!("pg_catalog.to_regclass({})", quote_literal(&other));
        let (parent, heir) = if first.ends_with("TACH") { (&regclass, &other) } else { (&other, &regclass) };
        let there =
            format!("EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = {parent} AND inhrelid = {heir})");
        return only_if(&if attach { format!("NOT {there}") } else { there }, sql);
    }
    if first == "RENAME" {
        let what = actions.get(1).map_or("", |word| word.text).to_uppercase();
        let condition = match what.as_str() {
            "TO" => format!("{regclass} IS NOT NULL"),
            "CONSTRAINT" => match named(2) {
                Some(name) => format!(
                    "EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = {regclass} AND conname = {})",
                    quote_literal(&name)
                ),
                None => return sql.to_owned(),
            },
            _ => match named(if what == "COLUMN" { 2 } else { 1 }) {
                Some(name) => format!(
                    "EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {regclass} AND attname = {} AND NOT attisdropped)",
                    quote_literal(&name)
                ),
                None => return sql.to_owned(),
            },
        };
        return only_if(&condition, sql);
    }
    let mut out = sql.to_owned();
    // From the last action to the first, so that places stay what they are.
    let begin = all.len() - actions.len();
    let mut heads: Vec<usize> = vec![begin];
    heads.extend((begin..all.len()).filter(|at| all[*at].depth == 0 && all[*at].text == ",").map(|at| at + 1));
    for head in heads.into_iter().rev() {
        let is = |offset: usize, keyword: &str| all.get(head + offset).is_some_and(|word| word.is(keyword));
        if is(0, "ADD") && is(1, "COLUMN") && !is(2, "IF") {
            out = insert_after(&out, head + 2, "IF NOT EXISTS");
        } else if is(0, "DROP") && (is(1, "COLUMN") || is(1, "CONSTRAINT")) && !is(2, "IF") {
            out = insert_after(&out, head + 2, "IF EXISTS");
        } else if is(0, "ALTER") && is(1, "COLUMN") && is(3, "DROP") && is(4, "IDENTITY") && !is(5, "IF") {
            out = insert_after(&out, head + 5, "IF EXISTS");
        }
    }
    out
}

/// `ATTACH PARTITION`, `DETACH PARTITION`, `INHERIT` and `NO INHERIT`: whether it ties, and the other table.
fn kinship(first: &str, actions: &[Word<'_>]) -> Option<(bool, String)> {
    let (attach, at) = match first {
        "ATTACH" => (true, 2),
        "DETACH" => (false, 2),
        "INHERIT" => (true, 1),
        "NO" if actions.get(1)?.is("INHERIT") => (false, 2),
        _ => return None,
    };
    Some((attach, qualified(actions.get(at..)?)?.0))
}

/// `schema.name` as the statement spells it, and what follows.
fn qualified<'a, 'w>(words: &'a [Word<'w>]) -> Option<(String, &'a [Word<'w>])> {
    let is_name = |word: &Word<'_>| matches!(word.kind, TokenKind::Word | TokenKind::QuotedIdentifier);
    let first = words.first().filter(|word| is_name(word))?;
    match (words.get(1), words.get(2)) {
        (Some(dot), Some(second)) if dot.text == "." && is_name(second) => {
            Some((format!("{}.{}", first.text, second.text), &words[3..]))
        }
        _ => Some((first.text.to_owned(), &words[1..])),
    }
}

/// Inserts words after the first `count` tokens that matter.
fn insert_after(sql: &str, count: usize, text: &str) -> String {
    use crate::migration::script::lexer::Lexer;
    let tokens = Lexer::new(sql).filter(|token| !token.kind.is_trivia());
    match tokens.take(count).last() {
        Some(token) => format!("{} {text}{}", &sql[..token.span.end], &sql[token.span.end..]),
        None => sql.to_owned(),
    }
}

/// The statement behind a question.
fn only_if(condition: &str, sql: &str) -> String {
    let body = sql.trim_end().trim_end_matches(';');
    format!("DO $seatrial$\nBEGIN\n    IF {condition} THEN\n        {body};\n    END IF;\nEND\n$seatrial$")
}

#[cfg(test)]
mod tests {
    use super::again;

    #[test]
    fn what_has_a_form_that_may_run_again_takes_it() {
        for (sql, expected) in [
            ("DROP INDEX public.i;", "DROP INDEX IF EXISTS public.i;"),
            ("DROP INDEX IF EXISTS public.i;", "DROP INDEX IF EXISTS public.i;"),
            ("DROP TRIGGER t ON public.a;", "DROP TRIGGER IF EXISTS t ON public.a;"),
            ("CREATE UNIQUE INDEX i ON public.a (x);", "CREATE UNIQUE INDEX IF NOT EXISTS i ON public.a (x);"),
            ("CREATE VIEW public.v AS SELECT 1;", "CREATE OR REPLACE VIEW public.v AS SELECT 1;"),
            (
                "ALTER TABLE public.a\n    DROP COLUMN x,\n    ADD COLUMN y numeric(10, 2);",
                "ALTER TABLE public.a\n    DROP COLUMN IF EXISTS x,\n    ADD COLUMN IF NOT EXISTS y numeric(10, 2);",
            ),
            ("ALTER TABLE public.a ALTER COLUMN x SET NOT NULL;", "ALTER TABLE public.a ALTER COLUMN x SET NOT NULL;"),
        ] {
            assert_eq!(again(sql), expected);
        }
    }

    #[test]
    fn what_has_no_such_form_asks_first() {
        for (sql, question) in [
            ("ALTER TABLE public.a ADD CONSTRAINT c CHECK (x > 0);", "conname = 'c'"),
            ("ALTER TABLE public.a RENAME TO b;", "IF pg_catalog.to_regclass('public.a') IS NOT NULL"),
            ("ALTER TABLE public.a RENAME COLUMN x TO y;", "attname = 'x'"),
            (
                "ALTER TABLE public.a ATTACH PARTITION public.b FOR VALUES IN (1);",
                "IF NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = pg_catalog.to_regclass('public.a') AND inhrelid = pg_catalog.to_regclass('public.b')) THEN",
            ),
            (
                "ALTER TABLE public.a NO INHERIT public.b;",
                "IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = pg_catalog.to_regclass('public.b') AND inhrelid = pg_catalog.to_regclass('public.a')) THEN",
            ),
            ("CREATE TYPE public.mood AS ENUM ('a');", "IF pg_catalog.to_regtype('public.mood') IS NULL"),
            ("CREATE POLICY p ON public.a USING (true);", "polname = 'p'"),
            (
                "ALTER TYPE public.mood RENAME VALUE 'it''s on' TO 'off';",
                "IF EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = pg_catalog.to_regtype('public.mood') AND enumlabel = 'it''s on') THEN",
            ),
            ("ALTER TYPE public.point3 RENAME ATTRIBUTE \"Z\" TO z;", "attname = 'Z' AND NOT attisdropped"),
        ] {
            let found = again(sql);
            assert!(found.contains(question) && found.contains(sql.trim_end_matches(';')), "{found}");
        }
    }

    #[test]
    fn comments_and_other_statements_stay_as_they_are() {
        let sql = "-- why\nCOMMENT ON TABLE public.a IS 'x';\nDROP TABLE public.b;\n";
        assert_eq!(again(sql), "-- why\nCOMMENT ON TABLE public.a IS 'x';\nDROP TABLE IF EXISTS public.b;\n");
    }
}
