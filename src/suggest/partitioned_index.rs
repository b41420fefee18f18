//! `CREATE INDEX` on a partitioned table: on the parent alone, then on each partition `CONCURRENTLY`, then attached.

use super::context::Context;
use super::{Draft, SHORTER, StepTransaction, Written, index};
use crate::migration::script::StatementKind;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Index, RelationKind};

const BUILT: [&str; 2] = ["lock/index-build", "lock/full-scan"];
const ON_ONLY: &str = "makes the index of the partitioned table alone, which has no rows; it is not valid yet";
const ATTACH: &str = "makes it one index; it is valid once the last one is attached";

pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    if context.kind != (StatementKind::CreateIndex { concurrently: false }) || !context.builds_concurrently() {
        return None;
    }
    let word = context.words.iter().position(|word| word.is("INDEX"))?;
    let table = index::table(context, word)?;
    if table.kind != RelationKind::PartitionedTable || context.renamed_later() {
        return None;
    }
    let top = made_here(context, table.oid)?;
    let mut parts = Parts { context, alone: Vec::new(), built: Vec::new(), attached: Vec::new() };
    parts.below(top)?;
    if parts.built.is_empty() {
        return None;
    }
    let Parts { mut alone, built, attached, .. } = parts;
    alone.insert(0, context.definition(top, false)?);
    let mut drafts: Vec<Draft> =
        alone.into_iter().map(|sql| Draft::blocking(sql, StepTransaction::Together, ON_ONLY)).collect();
    drafts.extend(built.into_iter().map(|sql| Draft::new(sql, StepTransaction::Outside, index::WHY)));
    let attached = attached.into_iter().enumerate().map(|(step, sql)| {
        let transaction = if step == 0 { StepTransaction::Own } else { StepTransaction::Together };
        Draft::new(sql, transaction, ATTACH)
    });
    drafts.extend(attached);
    Some(Written::new("an index for each partition", &[&BUILT[..], &SHORTER[..]].concat(), drafts))
}

/// The one index on a partitioned table that this statement has made.
fn made_here<'a>(context: &Context<'a>, table: Oid) -> Option<&'a Index> {
    let of_table = context.after.indexes.values().filter(|index| index.table == table && index.constraint.is_none());
    let mut new =
        of_table.filter(|index| !context.before.indexes.contains_key(&index.oid) && is_top(context, index.oid));
    let named = named(context);
    let mut fitting = new.by_ref().filter(|index| {
        let name = context.after.relations.get(&index.oid).map(|relation| &relation.name);
        named.as_ref().is_none_or(|named| Some(named) == name)
    });
    let (index, None) = (fitting.next()?, fitting.next()) else { return None };
    index.valid.then_some(index)
}

fn is_top(context: &Context<'_>, index: Oid) -> bool {
    context.after.index_details.get(&index).is_some_and(|detail| detail.parent.is_none())
}

/// The name the statement gives it.
fn named(context: &Context<'_>) -> Option<String> {
    let word = context.words.iter().position(|word| word.is("INDEX"))?;
    let at = context.skip(word + 1, &["IF", "NOT", "EXISTS"]);
    if context.has(at, &["ON"]) { None } else { context.identifier(at) }
}

struct Parts<'c, 'a> {
    context: &'c Context<'a>,
    /// Indexes of partitioned partitions.
    alone: Vec<String>,
    built: Vec<String>,
    /// The innermost first.
    attached: Vec<String>,
}

impl Parts<'_, '_> {
    /// Everything below an index of a partitioned table. None where a partition has no index of it: a foreign table.
    fn below(&mut self, parent: &Index) -> Option<()> {
        let context = self.context;
        let partitions = context.after.relation_details.iter();
        let partitions = partitions.filter(|(_, detail)| detail.parents.first() == Some(&parent.table));
        for (partition, _) in partitions.filter(|(oid, _)| context.after.relations.contains_key(oid)) {
            let has_it = |detail: &crate::snapshot::catalog::IndexDetail| detail.parent == Some(parent.oid);
            let mut indexes = context.after.indexes.values().filter(|index| index.table == *partition);
            let index = indexes.find(|index| context.after.index_details.get(&index.oid).is_some_and(has_it))?;
            // What has come in the same run has no rows to speak of, but is not there yet for certain.
            if !context.before.relations.contains_key(partition) {
                return None;
            }
            let is_new = !context.before.indexes.contains_key(&index.oid);
            let relation = context.after.relations.get(&index.oid)?;
            if relation.kind == RelationKind::PartitionedIndex {
                if !is_new {
                    return None;
                }
                self.alone.push(context.definition(index, false)?);
                self.below(index)?;
            } else if is_new {
                self.built.push(context.definition(index, true)?);
            }
            let name = &context.after.relations.get(&parent.oid)?.qualified;
            self.attached.push(format!("ALTER INDEX {name} ATTACH PARTITION {}", relation.qualified));
        }
        Some(())
    }
}

impl Context<'_> {
    /// The statement that makes an index as it is at the end, with its tablespace.
    pub(super) fn definition(&self, index: &Index, concurrently: bool) -> Option<String> {
        let (head, rest) = index.definition.split_once(" INDEX ")?;
        let concurrently = if concurrently { "CONCURRENTLY " } else { "" };
        let sql = format!("{head} INDEX {concurrently}{rest}");
        let Some(tablespace) = &self.after.relation_details.get(&index.oid)?.tablespace else { return Some(sql) };
        let tablespace = format!(" TABLESPACE {}", crate::snapshot::plan::quote_identifier_if_needed(tablespace));
        let Some(predicate) = &index.predicate else { return Some(sql + &tablespace) };
        let place = [format!(" WHERE {predicate}"), format!(" WHERE ({predicate})")];
        let sql = place.iter().find_map(|place| Some((sql.strip_suffix(place.as_str())?, place)));
        sql.map(|(sql, place)| format!("{sql}{tablespace}{place}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::snapshot::catalog::RelationKind;
    use crate::suggest::fixture::{Db, sql};

    fn events() -> Db {
        Db::default()
            .table(1, "public", "events")
            .kind(1, RelationKind::PartitionedTable)
            .table(2, "public", "events_a")
            .partition(2, 1, "FOR VALUES IN ('a')")
            .table(3, "old", "events_b")
            .partition(3, 1, "FOR VALUES IN ('b')")
            .new_index(
                11,
                1,
                "events_at_idx",
                "CREATE INDEX events_at_idx ON ONLY public.events USING btree (at)",
                None,
            )
            .new_index(
                12,
                2,
                "events_a_at_idx",
                "CREATE INDEX events_a_at_idx ON public.events_a USING btree (at)",
                Some(11),
            )
            .new_index(
                13,
                3,
                "events_b_at_idx",
                "CREATE INDEX events_b_at_idx ON old.events_b USING btree (at)",
                Some(11),
            )
    }

    #[test]
    fn each_partition_gets_its_index_by_itself() {
        let written = events().found("CREATE INDEX ON events (at)", &["lock/index-build"], &[1]);
        assert_eq!(
            sql(&written),
            [
                "together: CREATE INDEX events_at_idx ON ONLY public.events USING btree (at)",
                "outside: CREATE INDEX CONCURRENTLY events_a_at_idx ON public.events_a USING btree (at)",
                "outside: CREATE INDEX CONCURRENTLY events_b_at_idx ON old.events_b USING btree (at)",
                "own: ALTER INDEX public.events_at_idx ATTACH PARTITION public.events_a_at_idx",
                "together: ALTER INDEX public.events_at_idx ATTACH PARTITION old.events_b_at_idx",
            ]
        );
    }

    #[test]
    fn an_index_a_partition_has_already_is_only_attached() {
        let written = events().index_was_there(13).found("CREATE INDEX ON events (at)", &["lock/index-build"], &[1]);
        let all = sql(&written);
        assert!(!all.iter().any(|step| step.contains("CONCURRENTLY events_b")), "{all:?}");
        assert!(all.iter().any(|step| step.contains("ATTACH PARTITION old.events_b_at_idx")), "{all:?}");
    }

    #[test]
    fn a_partition_without_the_index_or_a_name_that_changes_leaves_nothing_to_suggest() {
        let foreign = events().table(4, "public", "events_c").partition(4, 1, "FOR VALUES IN ('c')");
        assert!(foreign.found("CREATE INDEX ON events (at)", &["lock/index-build"], &[1]).is_empty());
        let renamed = events().later("ALTER INDEX events_at_idx RENAME TO x");
        assert!(renamed.found("CREATE INDEX ON events (at)", &["lock/index-build"], &[1]).is_empty());
    }
}
