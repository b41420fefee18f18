//! `REFRESH MATERIALIZED VIEW`: `CONCURRENTLY`, where a unique index tells its rows apart.

use super::context::Context;
use super::{Draft, SHORTER, StepTransaction, Written};
use crate::migration::script::StatementKind;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};

const ANSWERS: [&str; 4] = ["lock/table-rewrite", "lock/index-build", "lock/full-scan", "lock/no-timeout"];
const WHY: &str = "changes only the rows that differ; those who read the view go on reading the old ones meanwhile";

pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    if context.kind != (StatementKind::Refresh { concurrently: false }) || !context.has(1, &["MATERIALIZED", "VIEW"]) {
        return None;
    }
    let (name, end) = context.name(3)?;
    let view = context.relation(&name)?;
    let populated = context.before.relation_details.get(&view.oid)?.populated;
    // `WITH NO DATA` empties it.
    if view.kind != RelationKind::MaterializedView
        || !populated
        || context.skip(end, &["WITH", "DATA"]) != context.words.len()
        || !tells_rows_apart(context.before, context.after, view.oid)
    {
        return None;
    }
    let sql = format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {}", context.text(3..context.words.len())?);
    let draft = Draft::new(sql, StepTransaction::Together, WHY);
    let answers = [&ANSWERS[..], &SHORTER[..]].concat();
    Some(Written::new("REFRESH MATERIALIZED VIEW CONCURRENTLY", &answers, vec![draft]))
}

/// Whether a unique index on plain columns, of all rows, is there before and after.
fn tells_rows_apart(before: &Catalog, after: &Catalog, view: Oid) -> bool {
    before.indexes.values().any(|index| {
        let plain = before.index_details.get(&index.oid).is_some_and(|detail| !detail.has_expressions);
        index.table == view
            && index.unique
            && index.valid
            && index.predicate.is_none()
            && plain
            && after.indexes.contains_key(&index.oid)
    })
}

#[cfg(test)]
mod tests {
    use crate::snapshot::catalog::RelationKind;
    use crate::suggest::fixture::{Db, sql};

    fn view() -> Db {
        let definition = "CREATE UNIQUE INDEX sums_idx ON public.sums USING btree (day)";
        Db::default()
            .table(1, "public", "sums")
            .kind(1, RelationKind::MaterializedView)
            .old_index(2, 1, "sums_idx", definition)
    }

    #[test]
    fn a_view_whose_rows_can_be_told_apart_is_refreshed_concurrently() {
        let written = view().found("REFRESH MATERIALIZED VIEW sums WITH DATA", &["lock/table-rewrite"], &[1]);
        assert_eq!(sql(&written), ["together: REFRESH MATERIALIZED VIEW CONCURRENTLY sums WITH DATA"]);
    }

    #[test]
    fn without_such_an_index_or_without_rows_there_is_no_other_way() {
        let rewrite = &["lock/table-rewrite"];
        assert!(view().found("REFRESH MATERIALIZED VIEW sums WITH NO DATA", rewrite, &[1]).is_empty());
        let partial = view().predicate(2, "(day > 1)");
        assert!(partial.found("REFRESH MATERIALIZED VIEW sums", rewrite, &[1]).is_empty());
        let empty = view().unpopulated(1);
        assert!(empty.found("REFRESH MATERIALIZED VIEW sums", rewrite, &[1]).is_empty());
    }
}
