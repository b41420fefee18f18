//! `ADD FOREIGN KEY` and `ADD CHECK`: `NOT VALID` first, then validated.

use super::{Action, Alter, Part};
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::plan::quote_identifier_if_needed;
use std::collections::BTreeSet;
use std::ops::Range;

/// What is found while all rows are read under the lock of the statement.
pub(super) const READS: &[&str] = &["lock/full-scan", "lock/held-long", "lock/stall", "lock/queue-behind"];
/// What is said of a constraint that is there and was not checked.
pub(super) const NOT_VALID: &str = "holds for every row written from now on, without a look at those that are there";

/// A foreign key that is not validated yet; from 18 on of partitioned tables as well.
pub(super) fn may_be_unvalidated(alter: &Alter<'_, '_>) -> bool {
    alter.table.kind == RelationKind::Table || alter.context.before.version >= 180_000
}

pub(super) fn foreign_key(alter: &Alter<'_, '_>, action: &Range<usize>) -> Option<Action> {
    let context = alter.context;
    if !context.has(action.start, &["ADD"]) {
        return None;
    }
    let (spelled, at) = alter.constraint_name(action.start + 1)?;
    if !context.has(at, &["FOREIGN", "KEY"]) || !checks(alter, at..action.end) || !may_be_unvalidated(alter) {
        return None;
    }
    let (columns, _) = context.list(at + 2)?;
    let name = match spelled {
        Some(name) => name.to_owned(),
        None => added(alter, 'f', |own| own.columns == columns)?,
    };
    let part = unvalidated("ADD FOREIGN KEY … NOT VALID", &name, context.text(at..action.end)?);
    Some(Action::Becomes(Box::new(part)))
}

pub(super) fn check(alter: &Alter<'_, '_>, action: &Range<usize>) -> Option<Action> {
    let context = alter.context;
    if !context.has(action.start, &["ADD"]) {
        return None;
    }
    let (spelled, at) = alter.constraint_name(action.start + 1)?;
    if !context.has(at, &["CHECK"]) || !checks(alter, at..action.end) {
        return None;
    }
    let name = match spelled {
        Some(name) => name.to_owned(),
        None => {
            let named = alter.names(&(at..action.end));
            added(alter, 'c', |own| own.columns.iter().cloned().collect::<BTreeSet<_>>() == named)?
        }
    };
    let part = unvalidated("ADD CHECK … NOT VALID", &name, context.text(at..action.end)?);
    Some(Action::Becomes(Box::new(part)))
}

/// Whether a constraint looks at the rows that are there at all.
fn checks(alter: &Alter<'_, '_>, words: Range<usize>) -> bool {
    let outer: Vec<usize> = words.filter(|at| alter.context.words[*at].depth == 0).collect();
    !outer.iter().any(|at| alter.context.has(*at, &["NOT", "VALID"]) || alter.context.has(*at, &["NOT", "ENFORCED"]))
}

/// The name the server gave a constraint, as SQL spells it.
pub(super) fn added(
    alter: &Alter<'_, '_>,
    kind: char,
    fits: impl Fn(&crate::snapshot::catalog::Constraint) -> bool,
) -> Option<String> {
    let constraint = alter.context.added(alter.table.oid, kind, fits)?;
    Some(quote_identifier_if_needed(&constraint.name))
}

/// A constraint, given behind its name, that is validated later.
pub(super) fn unvalidated(form: &'static str, name: &str, definition: &str) -> Part {
    Part {
        form,
        answers: READS,
        begin: vec![(format!("ADD CONSTRAINT {name} {definition} NOT VALID"), NOT_VALID)],
        validate: vec![name.to_owned()],
        ..Part::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::snapshot::catalog::RelationKind;
    use crate::suggest::fixture::{Db, sql};

    const SCAN: &[&str] = &["lock/full-scan"];

    fn shop() -> Db {
        Db::default()
            .table(1, "App", "Orders")
            .column(1, 1, "customer", "bigint")
            .column(1, 2, "total", "integer")
            .new_constraint(9, 1, "Orders_customer_fkey", 'f', &["customer"])
            .new_constraint(10, 1, "Orders_total_check", 'c', &["total"])
    }

    #[test]
    fn a_foreign_key_is_added_in_its_own_words_and_validated_after() {
        for (named, name) in [("", "\"Orders_customer_fkey\""), ("CONSTRAINT \"größe\" ", "\"größe\"")] {
            let rest =
                "FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED";
            let plain = format!("ALTER TABLE \"App\".\"Orders\" ADD {named}{rest}");
            let written = shop().found(&plain, SCAN, &[1]);
            assert_eq!(
                sql(&written),
                [
                    format!("together: ALTER TABLE \"App\".\"Orders\" ADD CONSTRAINT {name} {rest} NOT VALID"),
                    format!("own: ALTER TABLE \"App\".\"Orders\" VALIDATE CONSTRAINT {name}"),
                ]
            );
        }
    }

    #[test]
    fn a_check_is_added_in_its_own_words_and_validated_after() {
        let written = shop().found("ALTER TABLE \"Orders\" ADD CHECK (total > 0 /* cents */) NO INHERIT", SCAN, &[1]);
        assert_eq!(
            sql(&written),
            [
                "together: ALTER TABLE \"Orders\" ADD CONSTRAINT \"Orders_total_check\" CHECK (total > 0 /* cents */) NO INHERIT NOT VALID",
                "own: ALTER TABLE \"Orders\" VALIDATE CONSTRAINT \"Orders_total_check\"",
            ]
        );
    }

    #[test]
    fn nothing_is_suggested_where_the_server_refuses_or_the_name_is_not_certain() {
        let key = "ALTER TABLE \"Orders\" ADD FOREIGN KEY (customer) REFERENCES customers";
        assert!(shop().kind(1, RelationKind::PartitionedTable).found(key, SCAN, &[1]).is_empty());
        let newer = shop().kind(1, RelationKind::PartitionedTable).version(180_000);
        assert_eq!(newer.found(key, SCAN, &[1]).len(), 1);
        let two = shop().new_constraint(11, 1, "Orders_customer_fkey1", 'f', &["customer"]);
        assert!(two.found(key, SCAN, &[1]).is_empty());
        let renamed = shop().later("ALTER TABLE \"Orders\" RENAME CONSTRAINT \"Orders_customer_fkey\" TO x");
        assert!(renamed.found(key, SCAN, &[1]).is_empty());
        assert!(shop().found("ALTER TABLE \"Orders\" ADD CHECK (total > 0) NOT VALID", SCAN, &[1]).is_empty());
        assert!(shop().found("ALTER TABLE orders ADD CHECK (total > 0)", SCAN, &[1]).is_empty(), "another table");
    }
}
