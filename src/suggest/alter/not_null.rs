//! `SET NOT NULL`: proven by a constraint first, so that the rows are read while others write.

use super::constraint::{NOT_VALID, READS};
use super::{Action, Alter, Part};
use crate::snapshot::catalog::Constraint;
use crate::snapshot::object::TypeKind;
use crate::snapshot::plan::quote_identifier_if_needed;
use crate::suggest::names::free_name;
use std::ops::Range;

const PROVEN: &str = "takes the valid CHECK as proof and looks at no row";
const DONE: &str = "the column says the same now";

pub(super) fn write(alter: &Alter<'_, '_>, action: &Range<usize>) -> Option<Action> {
    let context = alter.context;
    if !context.has(action.start, &["ALTER"]) {
        return None;
    }
    let at = context.skip(action.start + 1, &["COLUMN"]);
    let name = context.identifier(at)?;
    if !context.has(at + 1, &["SET", "NOT", "NULL"]) || at + 4 != action.end {
        return None;
    }
    let mut part = Part { form: "SET NOT NULL after a valid CHECK", answers: READS, ..Part::default() };
    if context.before.version >= 180_000 {
        part.form = "NOT NULL … NOT VALID";
    }
    let proof = prove(alter, &name, context.words[at].text)?;
    part.begin.push(proof.begin);
    part.validate.push(proof.name);
    part.finish.extend(proof.finish);
    part.clean.extend(proof.clean);
    Some(Action::Becomes(Box::new(part)))
}

/// How it is proven that a column has no NULL.
pub(super) struct Proof {
    pub begin: (String, &'static str),
    /// The constraint to validate, as SQL spells it.
    pub name: String,
    pub finish: Option<(String, &'static str)>,
    pub clean: Option<(String, &'static str)>,
}

/// Proves it of one column, given as it is spelled too. None where no constraint does.
pub(super) fn prove(alter: &Alter<'_, '_>, column: &str, spelled: &str) -> Option<Proof> {
    let context = alter.context;
    let table = alter.table;
    context.column(table.oid, column)?;
    if context.before.version >= 180_000 {
        // The constraint itself is what makes it NOT NULL there.
        let of_column = |own: &Constraint| own.columns == [column.to_owned()];
        let known = context.before.constraints.values();
        if known.into_iter().any(|each| each.table == Some(table.oid) && each.kind == 'n' && of_column(each)) {
            return None;
        }
        let name = quote_identifier_if_needed(&context.added(table.oid, 'n', of_column)?.name);
        let begin = (format!("ADD CONSTRAINT {name} NOT NULL {spelled} NOT VALID"), NOT_VALID);
        return Some(Proof { begin, name, finish: None, clean: None });
    }
    // `IS NOT NULL` asks for every field of a row.
    if is_composite(alter, column) {
        return None;
    }
    let name = free_name(context, &table.name, Some(column), "not_null");
    let name = quote_identifier_if_needed(&name);
    Some(Proof {
        begin: (format!("ADD CONSTRAINT {name} CHECK ({spelled} IS NOT NULL) NOT VALID"), NOT_VALID),
        finish: Some((format!("ALTER COLUMN {spelled} SET NOT NULL"), PROVEN)),
        clean: Some((format!("DROP CONSTRAINT {name}"), DONE)),
        name,
    })
}

fn is_composite(alter: &Alter<'_, '_>, column: &str) -> bool {
    let catalog = alter.context.after;
    let number = alter.context.column(alter.table.oid, column).map(|column| column.number);
    let detail = number.and_then(|number| catalog.column_details.get(&(alter.table.oid, number)));
    // Of a type nothing is known about, it is not certain.
    let Some(detail) = detail else { return true };
    let row_type = catalog.relation_details.values().any(|other| other.row_type == detail.type_oid);
    let composite = |own: &crate::snapshot::object::Type| !matches!(own.kind, TypeKind::Enum(_) | TypeKind::Range);
    row_type || catalog.types.get(&detail.type_oid).is_some_and(composite)
}

#[cfg(test)]
mod tests {
    use crate::suggest::fixture::{Db, sql};

    const SCAN: &[&str] = &["lock/full-scan"];

    fn shop() -> Db {
        Db::default().table(1, "public", "orders").column(1, 1, "Note", "text")
    }

    #[test]
    fn a_check_proves_it_before_the_column_says_so() {
        let written = shop().found(
            "ALTER TABLE orders ALTER \"Note\" SET NOT NULL",
            &["lock/full-scan", "lock/no-timeout"],
            &[1],
        );
        assert_eq!(
            sql(&written),
            [
                "together: SET LOCAL lock_timeout = '5s'",
                "together: ALTER TABLE orders ADD CONSTRAINT \"orders_Note_not_null\" CHECK (\"Note\" IS NOT NULL) NOT VALID",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT \"orders_Note_not_null\"",
                "own: SET LOCAL lock_timeout = '5s'",
                "together: ALTER TABLE orders ALTER COLUMN \"Note\" SET NOT NULL",
                "together: ALTER TABLE orders DROP CONSTRAINT \"orders_Note_not_null\"",
            ]
        );
    }

    #[test]
    fn from_18_on_the_constraint_itself_is_added_under_the_name_it_gets() {
        let db = shop().version(180_000).new_constraint(9, 1, "orders_Note_not_null1", 'n', &["Note"]);
        let written = db.found("ALTER TABLE orders ALTER COLUMN \"Note\" SET NOT NULL", SCAN, &[1]);
        assert_eq!(
            sql(&written),
            [
                "together: ALTER TABLE orders ADD CONSTRAINT \"orders_Note_not_null1\" NOT NULL \"Note\" NOT VALID",
                "own: ALTER TABLE orders VALIDATE CONSTRAINT \"orders_Note_not_null1\"",
            ]
        );
    }

    #[test]
    fn a_name_that_is_taken_is_not_used_and_a_long_one_is_cut() {
        let db = shop().old_constraint(9, 1, "orders_Note_not_null", 'c', &["Note"]);
        let written = db.found("ALTER TABLE orders ALTER \"Note\" SET NOT NULL", SCAN, &[1]);
        assert!(sql(&written)[0].contains("\"orders_Note_not_null1\""));
        let long = "t".repeat(63);
        let db = Db::default().table(1, "public", &long).column(1, 1, "c", "text");
        let written = db.found(&format!("ALTER TABLE {long} ALTER c SET NOT NULL"), SCAN, &[1]);
        assert!(sql(&written)[0].contains(&format!("ADD CONSTRAINT {}_c_not_null CHECK", "t".repeat(52))));
    }

    #[test]
    fn no_check_proves_it_of_a_row() {
        let db = shop().column(1, 2, "point", "public.spot").type_of(1, 2, 77).composite(77);
        assert!(db.found("ALTER TABLE orders ALTER point SET NOT NULL", SCAN, &[1]).is_empty());
        assert!(shop().found("ALTER TABLE orders ALTER other SET NOT NULL", SCAN, &[1]).is_empty());
    }
}
