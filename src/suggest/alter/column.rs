//! `ADD COLUMN`: constraints that look at all rows are added after it, and a default that differs from row to row is
//! filled in by batches that commit.

use super::constraint::{READS, added, may_be_unvalidated, unvalidated};
use super::not_null::prove;
use super::{Action, Alter, Part, key};
use crate::migration::script::lexer::TokenKind;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::object::TypeKind;
use crate::suggest::batches::{Update, batches};
use std::ops::Range;

const REWRITES: &[&str] =
    &["lock/table-rewrite", "lock/full-scan", "lock/index-build", "lock/held-long", "lock/stall", "lock/queue-behind"];
const ALONE: &str = "adds the column without a value, which writes no row";
const FROM_NOW: &str = "gives every row written from now on its value";
const FILL: &str = "gives the rows that are there their values, some thousand at a time, and commits after each";

/// A column as it is added.
struct Definition<'a> {
    name: String,
    spelled: &'a str,
    /// `ADD COLUMN name type`, without constraints.
    base: &'a str,
    clauses: Vec<Clause<'a>>,
}

/// One constraint of a column.
struct Clause<'a> {
    what: What,
    /// Behind `CONSTRAINT`, as it is spelled.
    name: Option<&'a str>,
    /// Without that.
    words: Range<usize>,
    /// With it.
    text: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    NotNull,
    Null,
    Default,
    Check,
    References,
    Unique,
}

pub(super) fn write(alter: &Alter<'_, '_>, action: &Range<usize>) -> Option<Action> {
    let definition = read(alter, action)?;
    let context = alter.context;
    let default = definition.clauses.iter().find(|clause| clause.what == What::Default);
    let differs = default.is_some_and(|clause| !is_constant(alter, &clause.words))
        && context.found.contains("lock/table-rewrite");
    let apart = |clause: &&Clause<'_>| matches!(clause.what, What::Check | What::References | What::Unique);
    if !differs && !definition.clauses.iter().any(|clause| apart(&clause)) {
        return Some(Action::Stays);
    }
    if context.has(action.start + 1, &["IF"]) || context.has(action.start + 2, &["IF"]) {
        return None;
    }
    let mut part = Part { form: "ADD COLUMN, its constraints apart", answers: READS, ..Part::default() };
    let mut action = definition.base.to_owned();
    for clause in definition.clauses.iter().filter(|clause| !apart(clause)) {
        let kept = !differs || clause.what == What::Null;
        if kept {
            action = format!("{action} {}", clause.text);
        }
    }
    part.begin.push((action, ALONE));
    if differs {
        fill(alter, &definition, default?, &mut part)?;
    }
    let mut keys = Vec::new();
    for clause in definition.clauses.iter().filter(apart) {
        let constraint = split(alter, &definition, clause)?;
        let (begins, validate) = (constraint.begin, constraint.validate);
        // What is added in the same moment cannot be checked against the values to come.
        part.late.extend(begins);
        part.validate.extend(validate);
        keys.extend(constraint.outside);
        part.finish.extend(constraint.finish);
        part.answers = REWRITES;
    }
    part.outside.extend(keys);
    Some(Action::Becomes(Box::new(part)))
}

/// The default first, then the values, then that there is one everywhere.
fn fill(alter: &Alter<'_, '_>, definition: &Definition<'_>, default: &Clause<'_>, part: &mut Part) -> Option<()> {
    let context = alter.context;
    let table = alter.table;
    let column = context.column(table.oid, &definition.name)?;
    let detail = context.after.column_details.get(&(table.oid, column.number))?;
    // A domain's own constraints are checked as the column comes, whatever its default; triggers and policies would meet
    // the UPDATE, which they do not in a rewrite.
    let domain =
        context.after.types.get(&detail.type_oid).is_some_and(|own| matches!(own.kind, TypeKind::Domain { .. }));
    let rows = context.after.relation_details.get(&table.oid)?;
    let touched = [context.before, context.after]
        .iter()
        .any(|catalog| catalog.triggers.values().chain(catalog.rules.values()).any(|own| own.table == table.oid));
    if domain || touched || rows.row_security || table.kind != RelationKind::Table || context.has_heirs(table.oid) {
        return None;
    }
    let spelled = definition.spelled;
    let body = context.text(default.words.clone())?;
    part.form = "ADD COLUMN, its default filled in by batches";
    part.answers = REWRITES;
    part.then.push((format!("ALTER COLUMN {spelled} SET {body}"), FROM_NOW));
    let update = Update {
        table: alter.spelled,
        target: alter.spelled,
        set: &format!("{spelled} = DEFAULT"),
        condition: &format!("{spelled} IS NULL"),
        ends: true,
    };
    part.outside.push((batches(context, table, &update)?, FILL));
    if definition.clauses.iter().any(|clause| clause.what == What::NotNull) {
        let proof = prove(alter, &definition.name, spelled)?;
        part.late.push(proof.begin);
        part.validate.push(proof.name);
        part.finish.extend(proof.finish);
        part.clean.extend(proof.clean);
    }
    Some(())
}

/// A constraint of the column as one of the table.
fn split(alter: &Alter<'_, '_>, definition: &Definition<'_>, clause: &Clause<'_>) -> Option<Part> {
    let context = alter.context;
    let columns = [definition.name.clone()];
    let name = |kind| match clause.name {
        Some(name) => Some(name.to_owned()),
        None => added(alter, kind, |own| own.columns == columns),
    };
    let text = context.text(clause.words.clone())?;
    match clause.what {
        What::Check => Some(unvalidated("", &name('c')?, text)),
        What::References if may_be_unvalidated(alter) => {
            let key = format!("FOREIGN KEY ({}) {text}", definition.spelled);
            Some(unvalidated("", &name('f')?, &key))
        }
        What::Unique => key::of(alter, clause.name, Some(definition.spelled), &clause.words),
        What::References | What::NotNull | What::Null | What::Default => None,
    }
}

/// Whether a default is the same for every row for certain: one literal, with or without its type.
fn is_constant(alter: &Alter<'_, '_>, words: &Range<usize>) -> bool {
    let body = &alter.context.words[words.start + 1..words.end];
    let literal = |kind| matches!(kind, TokenKind::String | TokenKind::DollarString | TokenKind::Number);
    let constant = ["NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP", "CURRENT_DATE", "LOCALTIMESTAMP", "CURRENT_USER"];
    let signed = body.first().is_some_and(|word| matches!(word.text, "-" | "+"));
    let Some(first) = body.get(usize::from(signed)) else { return false };
    let now = first.is("now") && body.get(1).is_some_and(|word| word.text == "(");
    let begins = literal(first.kind) || constant.iter().any(|keyword| first.is(keyword)) || now;
    // A cast of it, and nothing that is called or put together.
    let calls =
        body.windows(2).any(|pair| pair[0].kind == TokenKind::Word && pair[1].text == "(" && !pair[0].is("now"));
    let only = body.iter().skip(1).all(|word| {
        matches!(word.kind, TokenKind::Word | TokenKind::QuotedIdentifier | TokenKind::Number | TokenKind::Punctuation)
    });
    begins && only && (!calls || body.iter().any(|word| word.text == "::"))
}

/// Words a constraint of a column begins with.
fn starts(alter: &Alter<'_, '_>, at: usize) -> bool {
    let context = alter.context;
    let set = at > 0 && context.has(at - 1, &["SET"]);
    let keyword = ["CONSTRAINT", "CHECK", "REFERENCES", "UNIQUE", "PRIMARY", "GENERATED", "COLLATE"];
    context.words[at].depth == 0
        && (keyword.iter().any(|word| context.has(at, &[word]))
            || context.has(at, &["NOT", "NULL"])
            || context.has(at, &["NULL"]) && !set && !context.has(at - 1, &["NOT"])
            || context.has(at, &["DEFAULT"]) && !set)
}

/// A column's definition; none where it has a constraint that is not known here.
fn read<'a>(alter: &Alter<'_, 'a>, action: &Range<usize>) -> Option<Definition<'a>> {
    let context = alter.context;
    if !context.has(action.start, &["ADD"]) {
        return None;
    }
    let no_column = ["CONSTRAINT", "CHECK", "FOREIGN", "UNIQUE", "PRIMARY", "EXCLUDE", "NOT"];
    if no_column.iter().any(|word| context.has(action.start + 1, &[word])) {
        return None;
    }
    let column = context.skip(action.start + 1, &["COLUMN"]);
    let column = context.skip(column, &["IF", "NOT", "EXISTS"]);
    let name = context.identifier(column)?;
    let first = (column + 1..action.end).find(|at| starts(alter, *at)).unwrap_or(action.end);
    // A type of its own says how many values it holds, in parentheses; a collation of its own belongs to the type.
    let collated = context.has(first, &["COLLATE"]);
    let mut at = first;
    if collated {
        at = context.name(first + 1)?.1;
    }
    if first == column + 1 {
        return None;
    }
    let base = context.text(action.start..at)?;
    let mut clauses = Vec::new();
    while at < action.end {
        let (name, start) = alter.constraint_name(at)?;
        let what = what(alter, start)?;
        let body = if what == What::NotNull { start + 2 } else { start + 1 };
        // The expression of a default begins with anything, `NULL` too.
        let from = if what == What::Default { body + 1 } else { body };
        let end = (from..action.end).find(|next| starts(alter, *next)).unwrap_or(action.end);
        if end > action.end || from > action.end {
            return None;
        }
        let open = |word: &str| (body..end).any(|next| context.words[next].depth == 0 && context.has(next, &[word]));
        // `CASE` and `IS` may hold a NOT NULL of their own.
        if what == What::Default && (open("CASE") || open("IS")) {
            return None;
        }
        if matches!(what, What::NotNull | What::Null) && end != body {
            return None;
        }
        clauses.push(Clause { what, name, words: start..end, text: context.text(at..end)? });
        at = end;
    }
    let twice = |what: What| clauses.iter().filter(|clause| clause.what == what).count() > 1;
    if [What::Default, What::References, What::Unique, What::Check, What::NotNull].into_iter().any(twice) {
        return None;
    }
    Some(Definition { name, spelled: context.words[column].text, base, clauses })
}

fn what(alter: &Alter<'_, '_>, at: usize) -> Option<What> {
    let context = alter.context;
    let known: [(&[&str], What); 6] = [
        (&["NOT", "NULL"], What::NotNull),
        (&["NULL"], What::Null),
        (&["DEFAULT"], What::Default),
        (&["CHECK"], What::Check),
        (&["REFERENCES"], What::References),
        (&["UNIQUE"], What::Unique),
    ];
    known.iter().find(|(words, _)| context.has(at, words)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use crate::suggest::fixture::{Db, sql};

    const REWRITE: &[&str] = &["lock/table-rewrite"];
    const SCAN: &[&str] = &["lock/full-scan"];

    fn shop() -> Db {
        Db::default()
            .table(1, "public", "orders")
            .column(1, 1, "id", "bigint")
            .new_column(1, 2, "token", "uuid")
            .old_constraint(8, 1, "orders_pkey", 'p', &["id"])
            .new_constraint(9, 1, "orders_token_fkey", 'f', &["token"])
            .new_constraint(10, 1, "orders_token_check", 'c', &["token"])
            .new_constraint(11, 1, "orders_token_key", 'u', &["token"])
    }

    #[test]
    fn a_default_that_differs_from_row_to_row_is_filled_in_by_batches() {
        let plain = "ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()";
        let written = shop().found(plain, REWRITE, &[1]);
        let all = sql(&written);
        assert_eq!(all[0], "together: ALTER TABLE orders ADD COLUMN token uuid");
        assert_eq!(all[1], "together: ALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid()");
        assert!(all[2].starts_with("outside: DO $batches$"), "{all:?}");
        assert!(all[2].contains("UPDATE orders SET token = DEFAULT WHERE (token IS NULL) AND id BETWEEN"), "{all:?}");
        assert_eq!(
            all[3..],
            [
                "own: ALTER TABLE orders ADD CONSTRAINT orders_token_not_null CHECK (token IS NOT NULL) NOT VALID",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT orders_token_not_null",
                "own: ALTER TABLE orders ALTER COLUMN token SET NOT NULL",
                "together: ALTER TABLE orders DROP CONSTRAINT orders_token_not_null",
            ]
        );
    }

    #[test]
    fn constraints_of_a_new_column_are_taken_apart() {
        let plain = "ALTER TABLE orders ADD token uuid DEFAULT '0' NOT NULL CHECK (token <> '1') \
                     REFERENCES tokens (id) ON DELETE SET NULL UNIQUE";
        let written = shop().found(plain, SCAN, &[1]);
        assert_eq!(
            sql(&written),
            [
                "together: ALTER TABLE orders ADD token uuid DEFAULT '0' NOT NULL",
                "outside: CREATE UNIQUE INDEX CONCURRENTLY orders_token_key ON orders (token)",
                "own: ALTER TABLE orders ADD CONSTRAINT orders_token_check CHECK (token <> '1') NOT VALID, \
                 ADD CONSTRAINT orders_token_fkey FOREIGN KEY (token) REFERENCES tokens (id) ON DELETE SET NULL NOT VALID",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT orders_token_check",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT orders_token_fkey",
                "own: ALTER TABLE orders ADD CONSTRAINT orders_token_key UNIQUE USING INDEX orders_token_key",
            ]
        );
    }

    #[test]
    fn a_rewrite_for_another_reason_is_left_alone() {
        for plain in [
            "ALTER TABLE orders ADD token uuid GENERATED ALWAYS AS (x) STORED",
            "ALTER TABLE orders ADD token bigserial",
            "ALTER TABLE orders ADD token int GENERATED BY DEFAULT AS IDENTITY",
            "ALTER TABLE orders ADD token uuid DEFAULT '0'::uuid",
            "ALTER TABLE orders ADD COLUMN IF NOT EXISTS token uuid DEFAULT gen_random_uuid()",
            "ALTER TABLE orders ADD token uuid DEFAULT gen_random_uuid() PRIMARY KEY",
            "ALTER TABLE orders ADD token text DEFAULT CASE WHEN random() IS NOT NULL THEN 'a' END",
        ] {
            assert!(shop().found(plain, REWRITE, &[1]).is_empty(), "{plain}");
        }
        let plain = "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()";
        assert!(shop().trigger(1).found(plain, REWRITE, &[1]).is_empty(), "a trigger would fire");
        let domain = shop().type_of(1, 2, 77).domain(77);
        assert!(domain.found(plain, REWRITE, &[1]).is_empty(), "the domain is what rewrites it");
    }
}
