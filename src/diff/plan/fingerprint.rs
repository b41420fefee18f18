//! Fingerprints of plans at three levels: how tables are reached, the shape of the tree, everything but numbers.
//!
//! Costs, row counts, times, block counts, memory and worker counts are never part of them. Indexes stand for their
//! definitions, so that an equal index under another name is the same; partitions stand for their parent; tables and
//! columns for what they were called before the run.

use super::Seen;
use super::names::Names;
use super::reader::{Level, Reader};
use crate::snapshot::plan::QueryPlan;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Three hashes, 16 hexadecimal digits each, from coarse to fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprints {
    /// For each alias: kind of scan, index definition, direction, and which conditions the index answers.
    pub access: String,
    /// That, and the tree: join methods and order, sorts, aggregates, subplans, parallelism, partitions scanned.
    pub shape: String,
    /// That, and every expression without its values.
    pub strict: String,
}

impl Fingerprints {
    /// Of one plan, under what the names of its moment mean.
    pub fn of(plan: &QueryPlan, names: &Names) -> Self {
        let reader = Reader::alone(plan, names);
        let access: BTreeSet<String> = reader.accesses(plan).into_iter().map(|scan| scan.signature()).collect();
        Self {
            access: hash(&access.into_iter().collect::<Vec<_>>().join("\n")),
            shape: hash(&reader.tree(&plan.root, None, Level::Shape)),
            strict: hash(&reader.tree(&plan.root, None, Level::Strict)),
        }
    }
}

/// How one alias is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// What is read: an alias, a partition's parent's, or what it was called before the run.
    pub alias: String,
    /// The relation by its name of the moment, a partition's topmost parent, qualified; `None` for functions, CTEs and
    /// the like.
    pub relation: Option<String>,
    /// The same by its name before the run.
    pub relation_before: Option<String>,
    /// Kind of scan, index definitions, direction and conditions: equal exactly when the access is.
    pub access: String,
    /// Kind of scan and index names, for people.
    pub title: String,
    /// Definitions of the indexes it goes through, each once.
    pub indexes: BTreeSet<String>,
    /// Blocks of the scan itself and its bitmaps; 0 when not measured.
    pub buffers: u64,
}

impl Access {
    fn signature(&self) -> String {
        format!("{}: {}", self.alias, self.access)
    }
}

/// How each alias is reached; scans of several partitions are summed up under their parent's alias. A relation read
/// once is listed under its name before the run: a view in front of it changes the alias.
pub fn access_by_alias(plan: &QueryPlan, names: &Names) -> BTreeMap<String, Access> {
    summed(&Reader::alone(plan, names), plan)
}

/// The same for two plans of one query, equal keys for what is the same; `None` where the server refused one.
pub(super) fn accesses(before: Seen<'_>, after: Seen<'_>) -> Option<[BTreeMap<String, Access>; 2]> {
    let (old, new) = (before.captured().plan()?, after.captured().plan()?);
    let (old_reader, new_reader) = Reader::pair((old, before.names), (new, after.names));
    Some([summed(&old_reader, old), summed(&new_reader, new)])
}

fn summed(reader: &Reader<'_>, plan: &QueryPlan) -> BTreeMap<String, Access> {
    let mut by_alias: BTreeMap<String, Access> = BTreeMap::new();
    for scan in reader.accesses(plan) {
        match by_alias.get_mut(&scan.alias) {
            Some(known) => {
                known.buffers += scan.buffers;
                known.indexes.extend(scan.indexes);
                for (all, one) in [(&mut known.access, &scan.access), (&mut known.title, &scan.title)] {
                    if !all.split(" and ").any(|part| part == one) {
                        let _infallible = write!(all, " and {one}");
                    }
                }
            }
            None => {
                by_alias.insert(scan.alias.clone(), scan);
            }
        }
    }
    by_alias
}

pub(super) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::plan::RelationName;

    fn plan(text: &str) -> QueryPlan {
        QueryPlan::from_explain_json(text).expect("a plan")
    }

    fn of(text: &str) -> Fingerprints {
        Fingerprints::of(&plan(text), &Names::default())
    }

    const INDEX_SCAN: &str = include_str!("../../../tests/plans/15/index_scan.json");

    #[test]
    fn numbers_and_values_of_a_plan_do_not_matter() {
        let other = INDEX_SCAN.replace("777", "4321").replace("\"Total Cost\": 4", "\"Total Cost\": 9");
        assert_ne!(other, INDEX_SCAN);
        assert_eq!(of(&other), of(INDEX_SCAN));
        assert_eq!(of(INDEX_SCAN).access.len(), 16);
    }

    #[test]
    fn versions_of_the_server_do_not_matter_where_the_plan_is_the_same() {
        for (old, new) in [
            (INDEX_SCAN, include_str!("../../../tests/plans/18/index_scan.json")),
            (
                include_str!("../../../tests/plans/15/partitions.json"),
                include_str!("../../../tests/plans/18/partitions.json"),
            ),
        ] {
            assert_eq!(of(old), of(new));
        }
    }

    #[test]
    fn another_scan_is_another_access_and_another_join_is_another_shape() {
        assert_ne!(of(INDEX_SCAN).access, of(include_str!("../../../tests/plans/15/seq_scan.json")).access);
        let hash_join = include_str!("../../../tests/plans/15/hash_join.json");
        let merge_join = hash_join.replace("\"Hash Join\"", "\"Merge Join\"");
        assert_eq!(of(hash_join).access, of(&merge_join).access);
        assert_ne!(of(hash_join).shape, of(&merge_join).shape);
        let sorted = include_str!("../../../tests/plans/15/sort_spill.json");
        let other_key = sorted.replace("orders.note\", \"orders.total", "orders.total\", \"orders.note");
        assert_ne!(other_key, sorted);
        assert_eq!(of(sorted).shape, of(&other_key).shape);
        assert_ne!(of(sorted).strict, of(&other_key).strict);
    }

    #[test]
    fn an_equal_index_under_another_name_is_the_same() {
        let renamed = INDEX_SCAN.replace("orders_customer_id_idx", "new_idx");
        let definitions = |name: &str, keys: &str| {
            let mut definitions = Names::default();
            let sql = format!("CREATE INDEX _ ON public.orders USING btree ({keys})");
            definitions.insert_index(RelationName::new("public", name), &sql, false);
            definitions
        };
        let before = Fingerprints::of(&plan(INDEX_SCAN), &definitions("orders_customer_id_idx", "customer_id"));
        let same = Fingerprints::of(&plan(&renamed), &definitions("new_idx", "customer_id"));
        let other = Fingerprints::of(&plan(&renamed), &definitions("new_idx", "customer_id, created"));
        assert_eq!(before, same);
        assert_ne!(before.access, other.access);
    }

    #[test]
    fn partitions_are_one_access_of_their_parent() {
        let plan = plan(include_str!("../../../tests/plans/15/partitions.json"));
        let mut definitions = Names::default();
        for partition in ["events_2024", "events_2025"] {
            let sql = format!("CREATE INDEX _ ON public.{partition} USING btree (kind)");
            definitions.insert_index(RelationName::new("public", &format!("{partition}_kind_idx")), &sql, false);
        }
        let access = access_by_alias(&plan, &definitions);
        assert_eq!(access.keys().collect::<Vec<_>>(), ["events"]);
        assert!(!access["events"].access.contains(" and "), "{:?}", access["events"]);
        let append = plan.nodes().into_iter().find(|node| node.node_type == "Append").expect("an Append");
        assert_eq!(Some(access["events"].buffers), append.buffers());
    }
}
