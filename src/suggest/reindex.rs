//! `REINDEX` of a table or an index: `CONCURRENTLY`.

use super::context::Context;
use super::{Draft, SHORTER, StepTransaction, Written};
use crate::migration::script::StatementKind;
use crate::snapshot::catalog::RelationKind;

const ANSWERS: [&str; 4] = ["lock/index-build", "lock/full-scan", "lock/table-rewrite", "lock/no-timeout"];
const WHY: &str = "builds each index anew beside the old one while reads and writes go on";

pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    let plain = StatementKind::Reindex { concurrently: false, many_tables: false };
    if context.kind != plain || !context.builds_concurrently() {
        return None;
    }
    // Behind options in parentheses, one of which would turn this on or off.
    let at = if context.sign(1, "(") { context.closing(1)? + 1 } else { 1 };
    if context.words[..at].iter().any(|word| word.is("CONCURRENTLY")) {
        return None;
    }
    let (name, end) = context.name(at + 1)?;
    let relation = context.relation(&name)?;
    let table = match relation.kind {
        RelationKind::Table | RelationKind::MaterializedView if context.has(at, &["TABLE"]) => relation.oid,
        RelationKind::Index if context.has(at, &["INDEX"]) => context.before.indexes.get(&relation.oid)?.table,
        _ => return None,
    };
    // Exclusion constraints cannot: such an index would be left as it is.
    let excludes = context.before.constraints.values().any(|each| each.table == Some(table) && each.kind == 'x');
    if excludes || end != context.words.len() {
        return None;
    }
    let sql = format!("{} CONCURRENTLY {}", context.text(0..at + 1)?, context.text(at + 1..end)?);
    let draft = Draft::new(sql, StepTransaction::Outside, WHY);
    Some(Written::new("REINDEX CONCURRENTLY", &[&ANSWERS[..], &SHORTER[..]].concat(), vec![draft]))
}

#[cfg(test)]
mod tests {
    use crate::suggest::fixture::{Db, sql};

    fn shop() -> Db {
        Db::default().table(1, "public", "orders").old_index(
            2,
            1,
            "orders_at_idx",
            "CREATE INDEX orders_at_idx ON public.orders USING btree (at)",
        )
    }

    #[test]
    fn an_index_and_those_of_a_table_are_built_anew_concurrently() {
        let build = &["lock/index-build"];
        let of_table = shop().found("reindex (verbose) table public.orders", build, &[1]);
        assert_eq!(sql(&of_table), ["outside: reindex (verbose) table CONCURRENTLY public.orders"]);
        let one = shop().found("REINDEX INDEX orders_at_idx", build, &[1, 2]);
        assert_eq!(sql(&one), ["outside: REINDEX INDEX CONCURRENTLY orders_at_idx"]);
    }

    #[test]
    fn many_tables_and_exclusion_constraints_are_left_alone() {
        let build = &["lock/index-build"];
        assert!(shop().found("REINDEX SCHEMA public", build, &[1]).is_empty());
        assert!(shop().found("REINDEX TABLE CONCURRENTLY orders", build, &[1]).is_empty());
        let excluding = shop().old_constraint(9, 1, "orders_excl", 'x', &["at"]);
        assert!(excluding.found("REINDEX TABLE orders", build, &[1]).is_empty());
    }
}
