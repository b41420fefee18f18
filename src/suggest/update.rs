//! A large `UPDATE`: in batches that commit, where it does not matter how often it is run.

use super::batches::{Update, batches};
use super::context::Context;
use super::{Draft, StepTransaction, Written};
use crate::migration::script::StatementKind;
use crate::migration::script::lexer::TokenKind;
use crate::migration::script::words::Word;
use crate::snapshot::Oid;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::object::TypeKind;
use std::ops::Range;

const ANSWERS: [&str; 4] = ["lock/large-update", "lock/held-long", "lock/stall", "lock/queue-behind"];
const WHY: &str = "changes some thousand rows at a time and commits after each, so that nobody waits longer for a row than for one batch";

/// Functions whose result hangs on nothing but their arguments; any other may be called once for a statement, or write.
const PURE: [&str; 30] = [
    "abs",
    "btrim",
    "cast",
    "ceil",
    "char_length",
    "coalesce",
    "concat",
    "date_trunc",
    "floor",
    "gen_random_uuid",
    "greatest",
    "initcap",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "mod",
    "nullif",
    "numeric",
    "replace",
    "right",
    "round",
    "rtrim",
    "split_part",
    "substr",
    "trim",
    "upper",
];

/// Words that say a statement is more than new values for rows of one table, or hangs on the moment it runs.
const OTHER: [&str; 15] = [
    "FROM",
    "RETURNING",
    "SELECT",
    "CURRENT",
    "ONLY",
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIMESTAMP",
    "LOCALTIME",
    "DEFAULT",
    "CTID",
    "XMIN",
    "TABLEOID",
    "ANY",
];

pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    let words = &context.words;
    let other = |word: &Word<'_>| OTHER.iter().any(|keyword| word.is(keyword));
    let distinct = |at: usize| at > 0 && words[at].is("FROM") && words[at - 1].is("DISTINCT");
    if context.kind != StatementKind::Update || (0..words.len()).any(|at| other(&words[at]) && !distinct(at)) {
        return None;
    }
    let (name, end) = context.name(1)?;
    let table = context.relation(&name)?;
    let set = (end..words.len()).find(|at| words[*at].is("SET"))?;
    let alias = match context.text(end..set) {
        Some(_) if set == end + 1 || (set == end + 2 && words[end].is("AS")) => context.identifier(set - 1)?,
        None if set == end => name.name.clone(),
        _ => return None,
    };
    let place = (set..words.len()).find(|at| words[*at].depth == 0 && words[*at].is("WHERE"))?;
    let called = |at: usize| words[at].name().is_some() && context.sign(at + 1, "(");
    let pure = |at: usize| {
        PURE.iter().any(|known| words[at].is(known))
            || ["AND", "OR", "NOT", "IN", "VALUES"].iter().any(|known| words[at].is(known))
    };
    let calls_others = (set..words.len()).any(|at| called(at) && !pure(at));
    let assigned = assigned(context, set + 1..place)?;
    // Whoever looks at whole statements would see each batch.
    let whole = [context.before, context.after].iter().any(|catalog| {
        let triggers = catalog.triggers.values().filter(|own| own.table == table.oid);
        let rules = catalog.rules.values().filter(|own| own.table == table.oid);
        triggers
            .chain(rules)
            .any(|own| !own.definition.contains("FOR EACH ROW") || own.definition.contains("REFERENCING"))
    });
    if calls_others || whole || !matches!(table.kind, RelationKind::Table | RelationKind::PartitionedTable) {
        return None;
    }
    let condition = place + 1..words.len();
    let ends = ends(context, table.oid, &alias, &assigned, &condition)?;
    // The key the batches go by stays as it is.
    let mut keys = context.before.constraints.values().filter(|each| each.table == Some(table.oid) && each.kind == 'p');
    if keys.any(|key| assigned.iter().any(|(column, _)| key.columns.contains(column))) {
        return None;
    }
    let update = Update {
        table: context.text(1..end)?,
        target: context.text(1..set)?,
        set: context.text(set + 1..place)?,
        condition: context.text(condition)?,
        ends,
    };
    let draft = Draft::new(batches(context, table, &update)?, StepTransaction::Outside, WHY);
    Some(Written::new("UPDATE in batches", &ANSWERS, vec![draft]))
}

/// Columns and the words of their new values: each a column by its name alone.
fn assigned(context: &Context<'_>, list: Range<usize>) -> Option<Vec<(String, Range<usize>)>> {
    let mut assigned = Vec::new();
    let mut at = list.start;
    while at < list.end {
        let column = context.identifier(at)?;
        if !context.sign(at + 1, "=") {
            return None;
        }
        let comma = |place: &usize| context.words[*place].depth == 0 && context.sign(*place, ",");
        let end = (at + 2..list.end).find(comma).unwrap_or(list.end);
        if end == at + 2 || assigned.iter().any(|(known, _)| *known == column) {
            return None;
        }
        assigned.push((column, at + 2..end));
        at = end + 1;
    }
    Some(assigned)
}

/// Whether the statement leaves a row it has changed alone when it runs again, as one of the conditions that are all
/// required says; and whether that is certain of every row. None where it would change a row twice.
fn ends(
    context: &Context<'_>,
    table: Oid,
    alias: &str,
    assigned: &[(String, Range<usize>)],
    condition: &Range<usize>,
) -> Option<bool> {
    let words = &context.words;
    let outer = |keyword: &str| condition.clone().any(|at| words[at].depth == 0 && words[at].is(keyword));
    if outer("OR") || outer("BETWEEN") || outer("CASE") {
        return None;
    }
    let mut required = Vec::new();
    let mut start = condition.start;
    for at in condition.clone().chain([condition.end]) {
        if at == condition.end || words[at].depth == 0 && words[at].is("AND") {
            required.push(start..at);
            start = at + 1;
        }
    }
    // A value made of what is changed would be another one the next time.
    let made_of = |value: &Range<usize>| {
        value.clone().any(|at| {
            let called = context.sign(at + 1, "(");
            !called && context.identifier(at).is_some_and(|name| assigned.iter().any(|(column, _)| *column == name))
        })
    };
    for one in required {
        let own = context.identifier(one.start)? == alias && context.sign(one.start + 1, ".");
        let at = if own { one.start + 2 } else { one.start };
        let Some((_, value)) = assigned.iter().find(|(column, _)| Some(column) == context.identifier(at).as_ref())
        else {
            continue;
        };
        let literal = |words: &Range<usize>| match context.words.get(words.clone()) {
            Some([only]) if matches!(only.kind, TokenKind::String | TokenKind::Number) => Some(only.text),
            _ => None,
        };
        let rest = at + 1..one.end;
        let is_null = context.has(rest.start, &["IS", "NULL"]) && rest.len() == 2;
        // A row whose new value is NULL is met again: then no value may be made of what the first time has changed.
        let certain = literal(value).is_some();
        let again = certain || assigned.iter().all(|(_, value)| !made_of(value));
        let null = context.text(value.clone()).is_some_and(|text| text.eq_ignore_ascii_case("null"));
        if is_null && again && !null {
            return Some(certain);
        }
        let compared = rest.start + 1..rest.end;
        if context.sign(rest.start, "=")
            && let (Some(old), Some(new)) = (literal(&compared), literal(value))
            && tells_apart(context, table, &words[at], old, new)
        {
            return Some(true);
        }
        let other = rest.start + 3..rest.end;
        if context.has(rest.start, &["IS", "DISTINCT", "FROM"])
            && !made_of(value)
            && !other.is_empty()
            && context.text(other.clone()) == context.text(value.clone())
        {
            return Some(true);
        }
    }
    None
}

/// Whether two literals are different values of a column for certain: of text as the server compares it byte by byte, or
/// labels of an enum.
fn tells_apart(context: &Context<'_>, table: Oid, column: &Word<'_>, old: &str, new: &str) -> bool {
    let Some(column) = column.name().and_then(|name| context.column_before(table, &name)) else { return false };
    let detail = context.before.column_details.get(&(table, column.number));
    let of_type = detail.and_then(|detail| context.before.types.get(&detail.type_oid));
    let is_enum = of_type.is_some_and(|own| matches!(own.kind, TypeKind::Enum(_)));
    let text = column.type_name == "text" || column.type_name.starts_with("character varying");
    let plain = |literal: &str| literal.starts_with('\'') && !literal.contains("''");
    old != new && plain(old) && plain(new) && (is_enum || text && column.collation.is_none())
}

#[cfg(test)]
mod tests {
    use crate::suggest::fixture::{Db, sql};

    const LARGE: &[&str] = &["lock/large-update"];

    fn shop() -> Db {
        Db::default()
            .table(1, "public", "orders")
            .column(1, 1, "id", "bigint")
            .column(1, 2, "state", "text")
            .column(1, 4, "total", "numeric")
            .old_constraint(8, 1, "orders_pkey", 'p', &["id"])
    }

    #[test]
    fn an_update_that_may_run_twice_runs_in_batches_by_the_key() {
        for (plain, condition) in [
            (
                "UPDATE orders SET state = lower(note) WHERE state IS NULL AND total > 0",
                "(state IS NULL AND total > 0)",
            ),
            ("update orders AS o set state = 'b' where o.state = 'a'", "(o.state = 'a')"),
            ("UPDATE orders SET state = note WHERE state IS DISTINCT FROM note", "(state IS DISTINCT FROM note)"),
        ] {
            let written = shop().found(plain, LARGE, &[1]);
            let all = sql(&written);
            assert_eq!(all.len(), 1, "{plain}");
            assert!(all[0].starts_with("outside: DO $batches$\n#variable_conflict use_column"), "{all:?}");
            assert!(all[0].contains(&format!("WHERE {condition} AND id BETWEEN batch_from AND batch_to;")), "{all:?}");
        }
    }

    #[test]
    fn without_a_key_pages_are_gone_through_until_nothing_is_left() {
        let db = Db::default().table(1, "public", "o'Neill").column(1, 2, "state", "text");
        let written = db.found("UPDATE \"o'Neill\" SET state = 'new' WHERE state IS NULL", LARGE, &[1]);
        let all = sql(&written);
        assert!(all[0].contains("pg_relation_size('\"o''Neill\"'::regclass)"), "{all:?}");
        assert!(all[0].contains("EXIT WHEN batch_changed = 0;"), "{all:?}");
        let unsure = db.found("UPDATE \"o'Neill\" SET state = note WHERE state IS NULL", LARGE, &[1]);
        assert!(unsure.is_empty(), "a row whose note is NULL would be met again and again");
        let old = db.version(130_000).found("UPDATE \"o'Neill\" SET state = 'new' WHERE state IS NULL", LARGE, &[1]);
        assert!(old.is_empty(), "each batch would read all of the table");
    }

    #[test]
    fn whatever_runs_differently_a_second_time_is_left_alone() {
        for plain in [
            "UPDATE orders SET state = 'new'",
            "UPDATE orders SET total = total + 1 WHERE id > 5",
            "UPDATE orders SET state = state || 'x' WHERE state IS NULL OR id > 5",
            "UPDATE orders SET state = 'a' WHERE state = 'a'",
            "UPDATE orders SET total = '1.0' WHERE total = '1'",
            "UPDATE orders SET state = note, total = total + 1 WHERE state IS NULL",
            "UPDATE orders SET at = now() WHERE at IS NULL",
            "UPDATE orders SET state = f(id) WHERE state IS NULL",
            "UPDATE orders SET state = c.name FROM customers c WHERE state IS NULL",
            "UPDATE orders SET state = (SELECT max(name) FROM customers) WHERE state IS NULL",
            "UPDATE orders SET id = 5 WHERE id IS NULL",
            "UPDATE ONLY orders SET state = 'new' WHERE state IS NULL",
            "UPDATE orders SET (state, note) = ('a', 'b') WHERE state IS NULL",
            "UPDATE orders SET state = NULL WHERE state IS NULL",
            "UPDATE orders SET state = 'new' WHERE state IS NULL RETURNING id",
            "UPDATE orders SET state = '$batches$' WHERE state IS NULL",
        ] {
            assert!(shop().found(plain, LARGE, &[1]).is_empty(), "{plain}");
        }
        let plain = "UPDATE orders SET state = 'new' WHERE state IS NULL";
        assert!(shop().trigger(1).found(plain, LARGE, &[1]).is_empty());
        assert!(shop().column(1, 3, "batch_to", "text").found(plain, LARGE, &[1]).is_empty());
    }
}
