//! Partitions: `DETACH … CONCURRENTLY`, and `ATTACH` after a `CHECK` that says what the bound says.

use super::context::Context;
use super::names::{free_name, object_name};
use super::{Draft, SHORTER, StepTransaction, Written};
use crate::migration::script::StatementKind;
use crate::migration::script::words::words;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Relation, RelationKind};
use crate::snapshot::plan::quote_identifier_if_needed;

const DETACH: &str = "waits until nobody uses the partition, and keeps nobody waiting meanwhile";
const LEFT: &str = "takes away the copy of its bound that the concurrent form leaves on the table";
const BOUND: &str = "says of every row written from now on what the bound will say";
const VALIDATE: &str = "reads all rows while others read and write";
const ATTACH: &str = "takes the valid CHECK as proof and looks at no row";
const DONE: &str = "the bound says the same now";

/// A partitioned table by one plain column, and a table of its own beside it.
struct Pair<'a> {
    parent: &'a Relation,
    child: &'a Relation,
    child_spelled: &'a str,
    /// `RANGE` or `LIST`.
    strategy: &'a str,
    key: String,
    /// Where the child's name ends.
    end: usize,
}

fn pair<'a>(context: &Context<'a>, verb: &str) -> Option<Pair<'a>> {
    if !matches!(context.kind, StatementKind::AlterTable { .. }) || !context.has(0, &["ALTER", "TABLE"]) {
        return None;
    }
    let (name, at) = context.name(context.skip(2, &["IF", "EXISTS"]))?;
    if !context.has(at, &[verb, "PARTITION"]) {
        return None;
    }
    let (child_name, end) = context.name(at + 2)?;
    let (parent, child) = (context.relation(&name)?, context.plain_table(&child_name)?);
    let (strategy, key) = key_of(context.before, parent.oid)?;
    // A partition's own bound holds for its partitions as well.
    let topmost = parent.kind == RelationKind::PartitionedTable && !parent.is_partition;
    topmost.then_some(Pair { parent, child, child_spelled: context.text(at + 2..end)?, strategy, key, end })
}

/// How a table is partitioned: the word for it and its one column, unquoted. None for expressions, operator classes and
/// collations.
fn key_of(catalog: &Catalog, parent: Oid) -> Option<(&str, String)> {
    let key = catalog.relation_details.get(&parent)?.partition_key.as_deref()?;
    let all = words(key);
    let [strategy, open, column, close] = all.as_slice() else { return None };
    let plain = open.text == "(" && close.text == ")" && (strategy.is("RANGE") || strategy.is("LIST"));
    plain.then_some((strategy.text, column.name()?))
}

fn has_default(catalog: &Catalog, parent: Oid) -> bool {
    let partitions = catalog.relation_details.values().filter(|detail| detail.parents.first() == Some(&parent));
    partitions.into_iter().any(|detail| detail.partition_bound.as_deref() == Some("DEFAULT"))
}

pub(super) fn detach(context: &Context<'_>) -> Option<Written> {
    let pair = pair(context, "DETACH")?;
    let attached = context.before.relations.get(&pair.child.oid)?.parent == Some(pair.parent.oid);
    let refused = context.before.version < 140_000 || has_default(context.before, pair.parent.oid);
    if refused || !attached || pair.end != context.words.len() {
        return None;
    }
    // Named by the server as any other that is not: after the one column it is about.
    let name = object_name(&pair.child.name, Some(&pair.key), "check");
    let free = free_name(context, &pair.child.name, Some(&pair.key), "check");
    if name != free {
        return None;
    }
    let sql = format!("{} CONCURRENTLY", context.text(0..pair.end)?);
    let name = quote_identifier_if_needed(&name);
    let drop = format!("ALTER TABLE {} DROP CONSTRAINT {name}", pair.child_spelled);
    let drafts =
        vec![Draft::new(sql, StepTransaction::Outside, DETACH), Draft::blocking(drop, StepTransaction::Own, LEFT)];
    Some(Written::new("DETACH PARTITION CONCURRENTLY", &[&SHORTER[..], &["lock/no-timeout"]].concat(), drafts))
}

pub(super) fn attach(context: &Context<'_>) -> Option<Written> {
    let pair = pair(context, "ATTACH")?;
    let detail = context.after.relation_details.get(&pair.child.oid)?;
    let attached = context.after.relations.get(&pair.child.oid)?.parent == Some(pair.parent.oid);
    // The rows of a default partition are looked at as well, and foreign keys of the parent are checked.
    let keys = context.before.constraints.values().any(|each| each.table == Some(pair.parent.oid) && each.kind == 'f');
    if !attached || has_default(context.before, pair.parent.oid) || keys {
        return None;
    }
    let column = context.column_before(pair.child.oid, &pair.key)?;
    let spelled = quote_identifier_if_needed(&pair.key);
    let bound = bound(detail.partition_bound.as_deref()?, pair.strategy, &spelled, &column.type_name)?;
    let name = free_name(context, &pair.child.name, Some(&pair.key), "bound");
    let name = quote_identifier_if_needed(&name);
    let table = format!("ALTER TABLE {}", pair.child_spelled);
    let mut drafts = vec![Draft::blocking(
        format!("{table} ADD CONSTRAINT {name} CHECK ({bound}) NOT VALID"),
        StepTransaction::Together,
        BOUND,
    )];
    for index in indexes(context, &pair)? {
        drafts.push(Draft::new(index, StepTransaction::Outside, super::index::WHY));
    }
    drafts.push(Draft::new(format!("{table} VALIDATE CONSTRAINT {name}"), StepTransaction::Own, VALIDATE));
    let statement = context.text(0..context.words.len())?.to_owned();
    drafts.push(Draft::blocking(statement, StepTransaction::Own, ATTACH));
    drafts.push(Draft::blocking(format!("{table} DROP CONSTRAINT {name}"), StepTransaction::Together, DONE));
    let answers = [&SHORTER[..], &["lock/full-scan", "lock/index-build"]].concat();
    Some(Written::new("ATTACH PARTITION after a valid CHECK", &answers, drafts))
}

/// The indexes `ATTACH` would build: built before it. None where one of them is a constraint's.
fn indexes(context: &Context<'_>, pair: &Pair<'_>) -> Option<Vec<String>> {
    let of_child = context.after.indexes.values().filter(|index| index.table == pair.child.oid);
    let new: Vec<_> = of_child.filter(|index| !context.before.indexes.contains_key(&index.oid)).collect();
    if !new.is_empty() && (context.renamed_later() || !context.builds_concurrently()) {
        return None;
    }
    let plain = |index: &&crate::snapshot::catalog::Index| {
        let parent = context.after.index_details.get(&index.oid).and_then(|detail| detail.parent);
        index.constraint.is_none() && parent.is_some()
    };
    new.iter().map(|index| if plain(index) { context.definition(index, true) } else { None }).collect()
}

/// What a bound says of a column, as the server prints the bound.
fn bound(bound: &str, strategy: &str, column: &str, type_name: &str) -> Option<String> {
    let all = words(bound);
    let lists = |keyword: &str| {
        let at = all.iter().position(|word| word.is(keyword))?;
        let close = (at + 1..all.len()).find(|end| all[*end].depth == 0 && all[*end].text == ")")?;
        let inside = all.get(at + 2..close)?;
        let each = inside.split(|word| word.depth == 1 && word.text == ",");
        each.map(|value| match value {
            [one] => Some(one.text),
            _ => None,
        })
        .collect::<Option<Vec<&str>>>()
    };
    let literal = |value: &str| match value.strip_prefix('\'') {
        Some(_) => format!("{value}::{type_name}"),
        None => format!("'{value}'::{type_name}"),
    };
    let mut said = vec![format!("{column} IS NOT NULL")];
    if strategy == "LIST" {
        let values = lists("IN")?;
        let (nulls, others): (Vec<&str>, Vec<&str>) =
            values.into_iter().partition(|value| value.eq_ignore_ascii_case("null"));
        // A list with NULL in it says something else, which few bounds need.
        if !nulls.is_empty() || others.is_empty() {
            return None;
        }
        let others: Vec<String> = others.into_iter().map(literal).collect();
        said.push(format!("{column} IN ({})", others.join(", ")));
    } else {
        for (keyword, sign, open) in [("FROM", ">=", "MINVALUE"), ("TO", "<", "MAXVALUE")] {
            let values = lists(keyword)?;
            let [value] = values.as_slice() else { return None };
            if value.eq_ignore_ascii_case(open) {
                continue;
            }
            if value.eq_ignore_ascii_case("MINVALUE") || value.eq_ignore_ascii_case("MAXVALUE") {
                return None;
            }
            said.push(format!("{column} {sign} {}", literal(value)));
        }
    }
    Some(said.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::bound;
    use crate::snapshot::catalog::RelationKind;
    use crate::suggest::fixture::{Db, sql};

    fn events() -> Db {
        Db::default()
            .table(1, "public", "events")
            .kind(1, RelationKind::PartitionedTable)
            .partitioned_by(1, "RANGE (at)")
            .table(2, "public", "Old")
            .column(2, 1, "at", "date")
    }

    #[test]
    fn a_partition_is_detached_concurrently_and_as_bare_as_by_the_plain_form() {
        let db = events().partition(2, 1, "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')");
        let written = db.found("ALTER TABLE events DETACH PARTITION \"Old\"", &["lock/no-timeout"], &[1]);
        assert_eq!(
            sql(&written),
            [
                "outside: ALTER TABLE events DETACH PARTITION \"Old\" CONCURRENTLY",
                "own: SET LOCAL lock_timeout = '5s'",
                "together: ALTER TABLE \"Old\" DROP CONSTRAINT \"Old_at_check\"",
            ]
        );
    }

    #[test]
    fn where_the_server_refuses_to_detach_concurrently_only_a_limit_is_suggested() {
        let db = events().partition(2, 1, "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')");
        let default = db.clone().table(3, "public", "rest").partition(3, 1, "DEFAULT");
        let plain = "ALTER TABLE events DETACH PARTITION \"Old\"";
        assert!(default.found(plain, &["lock/held-long"], &[1]).is_empty());
        assert!(db.clone().version(130_000).found(plain, &["lock/held-long"], &[1]).is_empty());
        assert!(db.partitioned_by(1, "HASH (at)").found(plain, &["lock/held-long"], &[1]).is_empty());
    }

    #[test]
    fn a_check_says_what_the_bound_says_before_a_table_is_attached() {
        let db = events().attached_later(2, 1, "FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)");
        let plain = "ALTER TABLE events ATTACH PARTITION \"Old\" FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)";
        let written = db.found(plain, &["lock/full-scan"], &[1, 2]);
        assert_eq!(
            sql(&written),
            [
                "together: ALTER TABLE \"Old\" ADD CONSTRAINT \"Old_at_bound\" CHECK (at IS NOT NULL AND at >= '2024-01-01'::date) NOT VALID",
                "own: ALTER TABLE \"Old\" VALIDATE CONSTRAINT \"Old_at_bound\"",
                &format!("own: {plain}"),
                "together: ALTER TABLE \"Old\" DROP CONSTRAINT \"Old_at_bound\"",
            ]
        );
        let default = db.table(3, "public", "rest").partition(3, 1, "DEFAULT");
        assert!(default.found(plain, &["lock/full-scan"], &[1, 2]).is_empty(), "the default partition is read too");
    }

    #[test]
    fn bounds_are_read_as_the_server_prints_them() {
        let said = |text, strategy| bound(text, strategy, "k", "bigint");
        assert_eq!(
            said("FOR VALUES FROM ('-5') TO (100)", "RANGE").as_deref(),
            Some("k IS NOT NULL AND k >= '-5'::bigint AND k < '100'::bigint")
        );
        assert_eq!(
            said("FOR VALUES IN (1, 'b')", "LIST").as_deref(),
            Some("k IS NOT NULL AND k IN ('1'::bigint, 'b'::bigint)")
        );
        assert_eq!(said("FOR VALUES IN (1, NULL)", "LIST"), None);
        assert_eq!(said("FOR VALUES FROM (MAXVALUE) TO (MAXVALUE)", "RANGE"), None);
        assert_eq!(said("FOR VALUES FROM (1, 2) TO (3, 4)", "RANGE"), None);
        assert_eq!(said("DEFAULT", "RANGE"), None);
    }
}
