//! `ADD UNIQUE` and `ADD PRIMARY KEY`: the index first, beside the writes, then the constraint that takes it.

use super::not_null::prove;
use super::{Action, Alter, Part, constraint};
use crate::snapshot::catalog::RelationKind;
use crate::suggest::index;
use std::ops::Range;

const ANSWERS: &[&str] = &["lock/index-build", "lock/full-scan", "lock/held-long", "lock/stall", "lock/queue-behind"];
const TAKES: &str = "takes the finished index for its own and looks at no row";

pub(super) fn write(alter: &Alter<'_, '_>, action: &Range<usize>) -> Option<Action> {
    if !alter.context.has(action.start, &["ADD"]) {
        return None;
    }
    let (spelled, at) = alter.constraint_name(action.start + 1)?;
    let part = of(alter, spelled, None, &(at..action.end))?;
    Some(Action::Becomes(Box::new(part)))
}

/// A key from the words behind its name: of the columns it lists, or of the one it stands behind.
pub(super) fn of(
    alter: &Alter<'_, '_>,
    spelled: Option<&str>,
    column: Option<&str>,
    words: &Range<usize>,
) -> Option<Part> {
    let context = alter.context;
    let primary = context.has(words.start, &["PRIMARY", "KEY"]);
    if !primary && !context.has(words.start, &["UNIQUE"])
        || alter.table.kind != RelationKind::Table
        || !context.builds_concurrently()
    {
        return None;
    }
    let mut at = words.start + if primary { 2 } else { 1 };
    let mut rest = String::new();
    for nulls in [&["NULLS", "NOT", "DISTINCT"][..], &["NULLS", "DISTINCT"][..]] {
        if context.has(at, nulls) {
            rest = format!(" {}", nulls.join(" "));
            at += nulls.len();
        }
    }
    // What tells distinct values apart stands behind the columns of an index.
    let (columns, list) = match column {
        Some(column) => {
            let name = context.identifier(words_of(alter, column)?)?;
            (vec![name], format!("({column})"))
        }
        None => {
            let (columns, end) = context.list(at)?;
            let list = context.text(at..end)?.to_owned();
            at = end;
            (columns, list)
        }
    };
    let mut include = String::new();
    if context.has(at, &["INCLUDE"]) {
        let (_, end) = context.list(at + 1)?;
        include = format!(" {}", context.text(at..end)?);
        at = end;
    }
    let mut place = String::new();
    if context.has(at, &["WITH"]) {
        let end = context.closing(at + 1)? + 1;
        place = format!(" {}", context.text(at..end)?);
        at = end;
    }
    if context.has(at, &["USING", "INDEX", "TABLESPACE"]) {
        context.identifier(at + 3)?;
        place = format!("{place} TABLESPACE {}", context.words[at + 3].text);
        at += 4;
    }
    let when = if at < words.end { format!(" {}", context.text(at..words.end)?) } else { String::new() };
    let known = ["NOT", "DEFERRABLE", "INITIALLY", "DEFERRED", "IMMEDIATE"];
    if !context.words[at..words.end].iter().all(|word| known.iter().any(|keyword| word.is(keyword))) {
        return None;
    }
    let name = match spelled {
        Some(name) => name.to_owned(),
        None => {
            let kind = if primary { 'p' } else { 'u' };
            constraint::added(alter, kind, |own| own.columns == columns)?
        }
    };
    let index = format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {} {list}{include}{rest}{place}", alter.spelled);
    let form = if primary { "ADD PRIMARY KEY … USING INDEX" } else { "ADD UNIQUE … USING INDEX" };
    let mut part = Part { form, answers: ANSWERS, outside: vec![(index, index::WHY)], ..Part::default() };
    if primary {
        for column in &columns {
            let nullable = |own: &crate::snapshot::catalog::Column| !own.not_null;
            if !context.column_before(alter.table.oid, column).is_none_or(nullable) {
                continue;
            }
            let proof = prove(alter, column, &crate::snapshot::plan::quote_identifier_if_needed(column))?;
            part.begin.push(proof.begin);
            part.validate.push(proof.name);
            part.finish.extend(proof.finish);
            part.clean.extend(proof.clean);
        }
    }
    let keyword = if primary { "PRIMARY KEY" } else { "UNIQUE" };
    part.finish.push((format!("ADD CONSTRAINT {name} {keyword} USING INDEX {name}{when}"), TAKES));
    Some(part)
}

/// Where a column's name stands that is given as it is spelled.
fn words_of(alter: &Alter<'_, '_>, spelled: &str) -> Option<usize> {
    alter.context.words.iter().position(|word| word.text == spelled && word.name().is_some())
}

#[cfg(test)]
mod tests {
    use crate::snapshot::catalog::RelationKind;
    use crate::suggest::fixture::{Db, sql};

    const BUILD: &[&str] = &["lock/index-build"];

    fn shop() -> Db {
        Db::default()
            .table(1, "public", "orders")
            .column(1, 1, "id", "bigint")
            .column(1, 2, "code", "text")
            .new_constraint(9, 1, "orders_code_id_key", 'u', &["code", "id"])
    }

    #[test]
    fn a_unique_constraint_takes_an_index_that_was_built_beside_the_writes() {
        let plain = "ALTER TABLE orders ADD UNIQUE NULLS NOT DISTINCT (code, id) INCLUDE (total) WITH (fillfactor = 70) \
                     USING INDEX TABLESPACE fast DEFERRABLE INITIALLY DEFERRED";
        let written = shop().found(plain, BUILD, &[1]);
        assert_eq!(
            sql(&written),
            [
                "outside: CREATE UNIQUE INDEX CONCURRENTLY orders_code_id_key ON orders (code, id) INCLUDE (total) \
                 NULLS NOT DISTINCT WITH (fillfactor = 70) TABLESPACE fast",
                "own: ALTER TABLE orders ADD CONSTRAINT orders_code_id_key UNIQUE USING INDEX orders_code_id_key DEFERRABLE INITIALLY DEFERRED",
            ]
        );
    }

    #[test]
    fn a_primary_key_is_proven_to_have_no_null_first() {
        let written =
            shop().not_null(1, 1).found("ALTER TABLE orders ADD CONSTRAINT pk PRIMARY KEY (id, code)", BUILD, &[1]);
        assert_eq!(
            sql(&written),
            [
                "together: ALTER TABLE orders ADD CONSTRAINT orders_code_not_null CHECK (code IS NOT NULL) NOT VALID",
                "outside: CREATE UNIQUE INDEX CONCURRENTLY pk ON orders (id, code)",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT orders_code_not_null",
                "own: ALTER TABLE orders ALTER COLUMN code SET NOT NULL",
                "together: ALTER TABLE orders ADD CONSTRAINT pk PRIMARY KEY USING INDEX pk",
                "together: ALTER TABLE orders DROP CONSTRAINT orders_code_not_null",
            ]
        );
    }

    #[test]
    fn an_index_that_is_there_and_a_partitioned_table_are_left_alone() {
        assert!(shop().found("ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX u", BUILD, &[1]).is_empty());
        let partitioned = shop().kind(1, RelationKind::PartitionedTable);
        assert!(partitioned.found("ALTER TABLE orders ADD UNIQUE (code, id)", BUILD, &[1]).is_empty());
        assert!(shop().found("ALTER TABLE orders ADD UNIQUE (id)", BUILD, &[1]).is_empty(), "no such constraint came");
        assert!(shop().found("ALTER TABLE orders ADD UNIQUE (id, at WITHOUT OVERLAPS)", BUILD, &[1]).is_empty());
        let both = "ALTER TABLE orders ADD UNIQUE (code, id), ADD FOREIGN KEY (id) REFERENCES orders (code)";
        assert!(shop().found(both, BUILD, &[1]).is_empty(), "one action needs the other");
    }
}
