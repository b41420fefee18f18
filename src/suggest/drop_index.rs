//! `DROP INDEX`: `CONCURRENTLY`, one index at a time.

use super::context::Context;
use super::{Draft, SHORTER, StepTransaction, Written};
use crate::migration::script::StatementKind;
use crate::snapshot::catalog::RelationKind;

const WHY: &str = "waits until nobody uses the index, and keeps nobody waiting meanwhile";

pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    if context.kind != (StatementKind::DropIndex { concurrently: false }) {
        return None;
    }
    let mut at = context.skip(2, &["IF", "EXISTS"]);
    let if_exists = if at > 2 { "IF EXISTS " } else { "" };
    let mut drafts = Vec::new();
    loop {
        let (name, end) = context.name(at)?;
        let named = |relation: &&crate::snapshot::catalog::Relation| {
            relation.name == name.name && name.schema.as_ref().is_none_or(|schema| *schema == relation.schema)
        };
        let mut found = context.before.relations.values().filter(named);
        let locked =
            found.find(|relation| context.observation.locks.iter().any(|lock| lock.relation == relation.oid))?;
        // Only an index of a table of its own is dropped this way; one of a partition goes with that of its parent.
        let index = context.before.indexes.get(&locked.oid)?;
        let attached = context.before.index_details.get(&locked.oid).is_some_and(|detail| detail.parent.is_some());
        if locked.kind != RelationKind::Index || attached || index.constraint.is_some() || locked.persistence == 't' {
            return None;
        }
        let sql = format!("DROP INDEX CONCURRENTLY {if_exists}{}", context.text(at..end)?);
        drafts.push(Draft::new(sql, StepTransaction::Outside, WHY));
        at = end;
        if !context.sign(at, ",") {
            break;
        }
        at += 1;
    }
    // `CASCADE` would take what depends on it along, which the concurrent form refuses.
    if context.skip(at, &["RESTRICT"]) != context.words.len() {
        return None;
    }
    Some(Written::new("DROP INDEX CONCURRENTLY", &[&SHORTER[..], &["lock/no-timeout"]].concat(), drafts))
}

#[cfg(test)]
mod tests {
    use crate::suggest::fixture::{Db, sql};

    fn shop() -> Db {
        let definition = "CREATE INDEX a ON public.orders USING btree (status)";
        Db::default()
            .table(1, "public", "orders")
            .old_index(2, 1, "a", definition)
            .old_index(3, 1, "B \"c\"", definition)
    }

    #[test]
    fn each_index_is_dropped_by_itself() {
        let written =
            shop().found("DROP INDEX IF EXISTS a, public.\"B \"\"c\"\"\" RESTRICT", &["lock/no-timeout"], &[2, 3]);
        assert_eq!(
            sql(&written),
            [
                "outside: DROP INDEX CONCURRENTLY IF EXISTS a",
                "outside: DROP INDEX CONCURRENTLY IF EXISTS public.\"B \"\"c\"\"\"",
            ]
        );
        assert_eq!(written[0].answers, ["lock/no-timeout"]);
    }

    #[test]
    fn what_depends_on_an_index_keeps_it_from_being_dropped_this_way() {
        let held = &["lock/held-long"];
        assert!(shop().found("DROP INDEX a CASCADE", held, &[2]).is_empty());
        assert!(shop().found("DROP INDEX unknown", held, &[2]).is_empty());
        assert!(shop().found("DROP INDEX CONCURRENTLY a", held, &[2]).is_empty());
    }
}
