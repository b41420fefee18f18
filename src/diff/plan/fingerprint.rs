//! Fingerprints of plans at three levels: how tables are reached, the shape of the tree, everything but numbers.
//!
//! Costs, row counts, times, block counts, memory and worker counts are never part of them. Indexes stand for their
//! definitions, so that an equal index under another name is the same; partitions stand for their parent.

use crate::snapshot::catalog::Catalog;
use crate::snapshot::plan::expression::{conjuncts, normalise};
use crate::snapshot::plan::{PlanNode, QueryPlan, RelationName};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What index names mean at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexDefinitions {
    by_name: BTreeMap<RelationName, String>,
}

impl IndexDefinitions {
    /// Of every index in the catalog.
    pub fn of(catalog: &Catalog) -> Self {
        let mut definitions = Self::default();
        for (oid, index) in &catalog.indexes {
            if let Some(relation) = catalog.relations.get(oid) {
                definitions.insert(RelationName::new(&relation.schema, &relation.name), &index.shape, index.unique);
            }
        }
        definitions
    }

    /// These, and the other's where a name is not known here: for moments between two catalogs.
    pub fn or(&self, other: &Self) -> Self {
        let mut by_name = other.by_name.clone();
        by_name.extend(self.by_name.clone());
        Self { by_name }
    }

    /// Adds one index by the text of its `CREATE INDEX`.
    pub fn insert(&mut self, name: RelationName, create_index: &str, unique: bool) {
        // The table is left out: a scan says which one, and partitions' indexes are one.
        let using = create_index.split_once(" USING ").map_or(create_index, |(_, using)| using);
        self.by_name.insert(name, format!("{}{using}", if unique { "UNIQUE " } else { "" }));
    }

    /// The definition from the access method on; the name itself when the index is not known.
    pub fn definition(&self, index: &RelationName) -> String {
        self.by_name.get(index).cloned().unwrap_or_else(|| index.qualified())
    }
}

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
    /// Of one plan, under the index definitions of its moment.
    pub fn of(plan: &QueryPlan, indexes: &IndexDefinitions) -> Self {
        let reader = Reader::new(plan, indexes);
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
    /// The alias; a partition's parent's.
    pub alias: String,
    /// The relation, qualified; `None` for functions, CTEs and the like.
    pub relation: Option<String>,
    /// Kind of scan, index definitions, direction and conditions: equal exactly when the access is.
    pub access: String,
    /// Kind of scan and index names, for people.
    pub title: String,
    /// Blocks of the scan itself and its bitmaps; 0 when not measured.
    pub buffers: u64,
}

impl Access {
    fn signature(&self) -> String {
        format!("{}: {}", self.alias, self.access)
    }
}

/// How each alias is reached; scans of several partitions are summed up under their parent's alias.
pub fn access_by_alias(plan: &QueryPlan, indexes: &IndexDefinitions) -> BTreeMap<String, Access> {
    let mut by_alias: BTreeMap<String, Access> = BTreeMap::new();
    for scan in Reader::new(plan, indexes).accesses(plan) {
        match by_alias.get_mut(&scan.alias) {
            Some(known) => {
                known.buffers += scan.buffers;
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

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Shape,
    Strict,
}

/// Fields of a node that belong to the tree's shape.
const SHAPE_FIELDS: [&str; 8] = [
    "Join Type",
    "Strategy",
    "Partial Mode",
    "Operation",
    "Parallel Aware",
    "Parent Relationship",
    "Command",
    "Scan Direction",
];

/// Fields with expressions, besides the conditions every access has.
const KEY_FIELDS: [&str; 13] = [
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Sort Key",
    "Presorted Key",
    "Group Key",
    "One-Time Filter",
    "Cache Key",
    "Run Condition",
    "Function Call",
    "Table Function Call",
    "Conflict Filter",
    "Grouping Sets",
];

/// Reads the nodes of one plan under its aliases and index definitions.
pub(super) struct Reader<'a> {
    indexes: &'a IndexDefinitions,
    /// Partitions' aliases, and the parent's they stand for.
    folded: BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(plan: &QueryPlan, indexes: &'a IndexDefinitions) -> Self {
        let mut folded = BTreeMap::new();
        fold_partitions(&plan.root, false, &mut folded);
        Self { indexes, folded }
    }

    /// The alias a scan counts under; `None` for nodes that are no scans.
    pub(super) fn alias(&self, node: &PlanNode) -> Option<String> {
        let alias = node.alias()?;
        // A ModifyTable names its target, which the scan below it reads; a Subquery Scan reads nothing itself.
        if !is_scan(node) || node.node_type == "Subquery Scan" {
            return None;
        }
        Some(self.folded.get(alias).cloned().unwrap_or_else(|| alias.to_owned()))
    }

    fn accesses(&self, plan: &QueryPlan) -> Vec<Access> {
        plan.nodes().into_iter().filter_map(|node| self.access(node)).collect()
    }

    fn access(&self, node: &PlanNode) -> Option<Access> {
        let alias = self.alias(node)?;
        let indexes = bitmap_indexes(node);
        let names: Vec<&str> = indexes.iter().filter_map(|index| index.index_name()).collect();
        let direction = if node.text("Scan Direction") == Some("Backward") { " Backward" } else { "" };
        let using = if names.is_empty() { String::new() } else { format!(" using {}", names.join(", ")) };
        Some(Access {
            relation: node.relation(),
            access: self.signature(node),
            title: format!("{}{direction}{using}", node.node_type),
            // A scan's children are its bitmaps, or subplans that are scans of their own.
            buffers: node.own_buffers().unwrap_or_default()
                + node.children.iter().filter(|child| is_bitmap_part(child)).filter_map(PlanNode::buffers).sum::<u64>(),
            alias,
        })
    }

    /// Kind of scan, index definitions, direction, conditions the index answers and those left over.
    fn signature(&self, node: &PlanNode) -> String {
        let mut text = node.node_type.clone();
        if node.text("Scan Direction") == Some("Backward") {
            text.push_str(" Backward");
        }
        let relation = node.relation_name();
        let mut used: Vec<String> = bitmap_indexes(node)
            .into_iter()
            .filter_map(|index| {
                let schema = relation.as_ref().map_or("", |relation| relation.schema.as_str());
                let definition = self.indexes.definition(&RelationName::new(schema, index.index_name()?));
                Some(format!("{definition} [{}]", self.conditions(index, &["Index Cond", "Order By"])))
            })
            .collect();
        used.sort();
        let _infallible = write!(
            text,
            " using {} tid [{}] filter [{}]",
            used.join(" + "),
            self.conditions(node, &["TID Cond"]),
            self.conditions(node, &["Filter"])
        );
        text
    }

    fn conditions(&self, node: &PlanNode, fields: &[&str]) -> String {
        let lists = fields.iter().filter_map(|field| node.list(field));
        lists.flat_map(|expression| conjuncts(&expression, &self.folded)).collect::<Vec<_>>().join("; ")
    }

    /// One node of the tree by itself, at one level.
    pub(super) fn node(&self, node: &PlanNode, level: Level) -> String {
        let mut text = match self.alias(node) {
            Some(alias) => format!("{alias}: {}", self.signature(node)),
            None => node.node_type.clone(),
        };
        for field in SHAPE_FIELDS {
            if let Some(value) = node.fields.get(field) {
                let _infallible = write!(text, " {field}={value}");
            }
        }
        if let Some(name) = node.text("Subplan Name") {
            // Numbers of subplans shift when another one comes or goes.
            let kind: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
            let _infallible = write!(text, " {kind}");
        }
        if node.node_type == "ModifyTable"
            && let Some(relation) = node.relation()
        {
            let _infallible = write!(text, " {relation}");
        }
        if level == Level::Strict {
            for field in KEY_FIELDS {
                if let Some(expression) = node.list(field) {
                    let _infallible = write!(text, " {field}={}", normalise(&expression, &self.folded));
                }
            }
        }
        text
    }

    fn tree(&self, node: &PlanNode, parent: Option<&PlanNode>, level: Level) -> String {
        // Parts of a bitmap scan are in the scan's own signature.
        if parent.is_some() && is_bitmap_part(node) {
            return String::new();
        }
        let below: String = node.children.iter().map(|child| self.tree(child, Some(node), level)).collect();
        format!("({}{below})", self.node(node, level))
    }
}

/// Whether the node reads something under an alias.
pub(super) fn is_scan(node: &PlanNode) -> bool {
    node.node_type.ends_with("Scan") && !is_bitmap_part(node)
}

/// `Bitmap Index Scan`, `BitmapAnd`, `BitmapOr`.
pub(super) fn is_bitmap_part(node: &PlanNode) -> bool {
    matches!(node.node_type.as_str(), "Bitmap Index Scan" | "BitmapAnd" | "BitmapOr")
}

/// The nodes that carry the indexes of a scan: itself, or those of its bitmaps.
pub(super) fn bitmap_indexes(node: &PlanNode) -> Vec<&PlanNode> {
    if node.index_name().is_some() {
        return vec![node];
    }
    node.children.iter().filter(|child| is_bitmap_part(child)).flat_map(bitmap_indexes).collect()
}

/// Partitions are scanned below an Append under their parent's alias with a number.
fn fold_partitions(node: &PlanNode, below_append: bool, folded: &mut BTreeMap<String, String>) {
    if below_append
        && is_scan(node)
        && let Some(alias) = node.alias()
        && let Some((parent, number)) = alias.rsplit_once('_')
        && !number.is_empty()
        && number.bytes().all(|digit| digit.is_ascii_digit())
    {
        folded.insert(alias.to_owned(), parent.to_owned());
    }
    let below = below_append || matches!(node.node_type.as_str(), "Append" | "Merge Append");
    for child in &node.children {
        fold_partitions(child, below, folded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> QueryPlan {
        QueryPlan::from_explain_json(text).expect("a plan")
    }

    fn of(text: &str) -> Fingerprints {
        Fingerprints::of(&plan(text), &IndexDefinitions::default())
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
            let mut definitions = IndexDefinitions::default();
            let sql = format!("CREATE INDEX _ ON public.orders USING btree ({keys})");
            definitions.insert(RelationName::new("public", name), &sql, false);
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
        let mut definitions = IndexDefinitions::default();
        for partition in ["events_2024", "events_2025"] {
            let sql = format!("CREATE INDEX _ ON public.{partition} USING btree (kind)");
            definitions.insert(RelationName::new("public", &format!("{partition}_kind_idx")), &sql, false);
        }
        let access = access_by_alias(&plan, &definitions);
        assert_eq!(access.keys().collect::<Vec<_>>(), ["events"]);
        assert!(!access["events"].access.contains(" and "), "{:?}", access["events"]);
        let append = plan.nodes().into_iter().find(|node| node.node_type == "Append").expect("an Append");
        assert_eq!(Some(access["events"].buffers), append.buffers());
    }
}
