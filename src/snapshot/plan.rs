//! EXPLAIN's tree in EXPLAIN's own field names, and what one capture of it holds.

pub mod expression;
mod field;
mod json;
mod name;
pub mod sqlite;
mod work;

pub use field::FieldName;
pub use json::PlanError;
pub use name::{RelationName, quote_identifier_if_needed};
pub use work::{Steps, Unit, Work};

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whether a plan was made for given values or for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanMode {
    /// Planned with the values of a parameter set.
    Custom,
    /// `plan_cache_mode = force_generic_plan`.
    Generic,
}

/// Which query, with which values, planned how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanKey {
    /// [`crate::workload::HotQuery::name`].
    pub query: String,
    /// [`crate::workload::ParameterSet::name`]; empty for a generic plan or a query without parameters.
    pub parameter_set: String,
    /// How it was planned.
    pub mode: PlanMode,
}

/// One node of EXPLAIN's tree.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanNode {
    /// `Node Type`.
    pub node_type: String,
    /// Every other scalar or list field under EXPLAIN's own name (`Relation Name`, `Index Name`, `Total Cost`, …).
    pub fields: BTreeMap<FieldName, Value>,
    /// `Plans`, in order.
    pub children: Vec<PlanNode>,
}

/// A whole plan.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPlan {
    /// The top node.
    pub root: Arc<PlanNode>,
    /// `Settings`: planner settings that differ from the built-in defaults.
    pub settings: BTreeMap<String, String>,
}

/// How a capture ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Captured {
    /// Planned only (a write, or a query not run on purpose).
    Planned(QueryPlan),
    /// Planned, then run once warm.
    Measured(QueryPlan, Work),
    /// Planned, and not run: plan and cost are those of the capture before, and nothing it reads was changed since.
    AsBefore(QueryPlan),
    /// Planned; the run was cut off by the time limit.
    DidNotFinish(QueryPlan),
    /// The server refuses it.
    Failed {
        /// Five characters, or empty when the client failed.
        sqlstate: String,
        /// The server's message, without values.
        message: String,
    },
}

/// Lets captures of one state that equal those of another hold the same trees: a thousand queries are looked at four times.
pub fn share(captures: &mut [PlanCapture], with: &[PlanCapture]) {
    let known: BTreeMap<&PlanKey, &PlanCapture> = with.iter().map(|capture| (&capture.key, capture)).collect();
    for capture in captures {
        let plan = known.get(&capture.key).and_then(|known| known.captured.plan());
        if let (Some(plan), Some(own)) = (plan, capture.captured.plan_mut())
            && plan.root == own.root
        {
            own.root = Arc::clone(&plan.root);
        }
    }
}

impl Captured {
    fn plan_mut(&mut self) -> Option<&mut QueryPlan> {
        match self {
            Captured::Planned(plan)
            | Captured::Measured(plan, _)
            | Captured::AsBefore(plan)
            | Captured::DidNotFinish(plan) => Some(plan),
            Captured::Failed { .. } => None,
        }
    }

    /// The plan, unless the server refused the query.
    pub fn plan(&self) -> Option<&QueryPlan> {
        match self {
            Captured::Planned(plan)
            | Captured::Measured(plan, _)
            | Captured::AsBefore(plan)
            | Captured::DidNotFinish(plan) => Some(plan),
            Captured::Failed { .. } => None,
        }
    }

    /// What one warm execution did, where it was run to its end.
    pub fn work(&self) -> Option<Work> {
        match self {
            Captured::Measured(_, work) => Some(*work),
            _ => None,
        }
    }

    /// The same without values of user data.
    pub fn redacted(&self) -> Captured {
        match self {
            Captured::Planned(plan) => Captured::Planned(plan.redacted()),
            Captured::Measured(plan, work) => Captured::Measured(plan.redacted(), *work),
            Captured::AsBefore(plan) => Captured::AsBefore(plan.redacted()),
            Captured::DidNotFinish(plan) => Captured::DidNotFinish(plan.redacted()),
            failed @ Captured::Failed { .. } => failed.clone(),
        }
    }
}

/// One plan of one query at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanCapture {
    /// What was captured.
    pub key: PlanKey,
    /// How it ended.
    pub captured: Captured,
}

/// An index a plan reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexUse {
    /// The index: an index lives in its table's schema.
    pub index: RelationName,
    /// The table it is on.
    pub relation: RelationName,
}

/// Fields that name things or choose between fixed words: all other text may hold values from the query.
const NAME_FIELDS: [&str; 27] = [
    sqlite::ACCESS_PATH,
    "Alias",
    "CTE Name",
    "Cache Mode",
    "Command",
    "Conflict Arbiter Indexes",
    "Conflict Resolution",
    "Custom Plan Provider",
    sqlite::DETAIL,
    "Full-sort Groups",
    "Function Name",
    "Index Name",
    "Join Type",
    "Operation",
    "Parent Relationship",
    "Partial Mode",
    "Pre-sorted Groups",
    "Relation Name",
    "Sampling Method",
    "Scan Direction",
    "Schema",
    "Sort Method",
    "Sort Space Type",
    "Storage",
    "Strategy",
    "Subplan Name",
    "Tuplestore Name",
];

impl PlanNode {
    /// A text field under EXPLAIN's own name.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// A numeric field under EXPLAIN's own name.
    pub fn number(&self, field: &str) -> Option<f64> {
        self.fields.get(field)?.as_f64()
    }

    /// A text or list-of-text field as one string, items joined by `, `.
    pub fn list(&self, field: &str) -> Option<String> {
        match self.fields.get(field)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
            _ => None,
        }
    }

    /// `Schema` and `Relation Name`; the schema is empty when the plan was not `VERBOSE`.
    pub fn relation_name(&self) -> Option<RelationName> {
        let name = self.text("Relation Name")?;
        Some(RelationName::new(self.text("Schema").unwrap_or_default(), name))
    }

    /// The relation as SQL spells it: schema-qualified, quoted only where SQL needs it.
    pub fn relation(&self) -> Option<String> {
        self.relation_name().map(|name| name.qualified())
    }

    /// `Alias`.
    pub fn alias(&self) -> Option<&str> {
        self.text("Alias")
    }

    /// `Index Name`, unquoted and without schema.
    pub fn index_name(&self) -> Option<&str> {
        self.text("Index Name")
    }

    /// `Total Cost`, in the planner's units.
    pub fn total_cost(&self) -> f64 {
        self.number("Total Cost").unwrap_or_default()
    }

    /// `Plan Rows`, for one loop.
    pub fn plan_rows(&self) -> f64 {
        self.number("Plan Rows").unwrap_or_default()
    }

    /// `Actual Rows`, the average of all loops; `None` when only planned. Rounded to a whole number before 18.
    pub fn actual_rows(&self) -> Option<f64> {
        self.number("Actual Rows")
    }

    /// `Actual Loops`; `None` when only planned.
    pub fn actual_loops(&self) -> Option<f64> {
        self.number("Actual Loops")
    }

    /// Shared and local blocks hit and read by this node and those below it; `None` without `BUFFERS`.
    pub fn buffers(&self) -> Option<u64> {
        self.sum(&["Shared Hit Blocks", "Shared Read Blocks", "Local Hit Blocks", "Local Read Blocks"])
    }

    /// Temporary blocks read and written by this node and those below it; `None` without `BUFFERS`.
    pub fn temp_blocks(&self) -> Option<u64> {
        self.sum(&["Temp Read Blocks", "Temp Written Blocks"])
    }

    /// [`PlanNode::buffers`] without those of the children.
    pub fn own_buffers(&self) -> Option<u64> {
        let below = total(self.children.iter().filter_map(PlanNode::buffers));
        self.buffers().map(|all| all.saturating_sub(below))
    }

    /// This node and all below it, parents first.
    pub fn nodes(&self) -> Vec<&PlanNode> {
        let mut nodes = vec![self];
        for child in &self.children {
            nodes.extend(child.nodes());
        }
        nodes
    }

    fn sum(&self, fields: &[&str]) -> Option<u64> {
        let numbers: Option<Vec<u64>> = fields.iter().map(|field| self.fields.get(*field)?.as_u64()).collect();
        numbers.map(total)
    }

    fn collect_indexes(&self, enclosing: Option<&RelationName>, found: &mut Vec<IndexUse>) {
        let own = self.relation_name();
        let relation = own.as_ref().or(enclosing);
        if let (Some(index), Some(relation)) = (self.index_name(), relation) {
            found.push(IndexUse { index: RelationName::new(&relation.schema, index), relation: relation.clone() });
        }
        // A bitmap index scan names no table: it is the enclosing heap scan's.
        let below = if self.node_type.starts_with("Bitmap") { relation } else { None };
        for child in &self.children {
            child.collect_indexes(below, found);
        }
    }

    fn redacted(&self) -> PlanNode {
        let mask = |field: &str, value: &Value| match value {
            Value::String(text) if !NAME_FIELDS.contains(&field) => Value::String(expression::mask(text)),
            Value::Array(items) if !NAME_FIELDS.contains(&field) => Value::Array(items.iter().map(mask_item).collect()),
            other => other.clone(),
        };
        PlanNode {
            node_type: self.node_type.clone(),
            fields: self.fields.iter().map(|(field, value)| (field.clone(), mask(field, value))).collect(),
            children: self.children.iter().map(PlanNode::redacted).collect(),
        }
    }
}

/// Items of `Grouping Sets` are lists and objects themselves.
fn mask_item(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(expression::mask(text)),
        Value::Array(items) => Value::Array(items.iter().map(mask_item).collect()),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(name, item)| (name.clone(), mask_item(item))).collect())
        }
        other => other.clone(),
    }
}

/// A sum that stops at the highest number: a saved report may hold any.
pub(crate) fn total(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

impl QueryPlan {
    /// Every node, parents first.
    pub fn nodes(&self) -> Vec<&PlanNode> {
        self.root.nodes()
    }

    /// Every table, partition, materialized view and foreign table the plan reads or writes.
    pub fn relations(&self) -> BTreeSet<RelationName> {
        self.nodes().into_iter().filter_map(PlanNode::relation_name).collect()
    }

    /// Every index the plan reads, each once, in the order of the tree.
    pub fn indexes(&self) -> Vec<IndexUse> {
        let mut found = Vec::new();
        self.root.collect_indexes(None, &mut found);
        let mut seen = BTreeSet::new();
        found.retain(|used| seen.insert(used.clone()));
        found
    }

    /// What the execution did; `None` when the plan was not made with `ANALYZE, BUFFERS`.
    pub fn work(&self) -> Option<Work> {
        self.root.actual_loops()?;
        Some(Work::blocks(self.root.buffers()?, self.root.temp_blocks()?))
    }

    /// A copy in which every literal of every expression is `?`: fit for artefacts.
    pub fn redacted(&self) -> QueryPlan {
        QueryPlan { root: Arc::new(self.root.redacted()), settings: self.settings.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> QueryPlan {
        QueryPlan::from_explain_json(text).expect("a plan")
    }

    #[test]
    fn bitmap_scans_name_their_indexes_with_the_table_of_the_heap_scan() {
        let plan = plan(include_str!("../../tests/plans/15/bitmap_or.json"));
        let orders = RelationName::new("public", "orders");
        let indexes: Vec<_> = plan.indexes().into_iter().map(|used| (used.index.name, used.relation)).collect();
        assert_eq!(
            indexes,
            [("orders_customer_id_idx".to_owned(), orders.clone()), ("orders_created_idx".to_owned(), orders)]
        );
    }

    #[test]
    fn relations_are_qualified_and_quoted_only_where_needed() {
        let odd = plan(include_str!("../../tests/plans/15/odd_names.json"));
        let scan = odd.nodes().into_iter().find(|node| node.relation_name().is_some()).expect("a scan");
        assert_eq!(scan.relation().as_deref(), Some("public.\"Odd Names\""));
        let plain = plan(include_str!("../../tests/plans/18/seq_scan.json"));
        assert_eq!(plain.root.relation().as_deref(), Some("public.orders"));
        assert_eq!(plain.root.alias(), Some("o"));
    }

    #[test]
    fn work_counts_execution_and_leaves_planning_out() {
        let measured = plan(include_str!("../../tests/plans/15/seq_scan.json"));
        let work = measured.work().expect("measured");
        let hit = measured.root.number("Shared Hit Blocks").expect("hit");
        let read = measured.root.number("Shared Read Blocks").expect("read");
        assert_eq!(work.buffers as f64, hit + read);
        assert!(work.buffers > 0);
        let spill = plan(include_str!("../../tests/plans/18/sort_spill.json")).work().expect("measured");
        assert!(spill.temp_blocks > 100, "{spill:?}");
        assert_eq!(plan(include_str!("../../tests/plans/15/write_update.json")).work(), None);
    }

    #[test]
    fn actual_rows_are_read_whole_and_decimal() {
        for text in
            [include_str!("../../tests/plans/15/subplans.json"), include_str!("../../tests/plans/18/subplans.json")]
        {
            assert_eq!(plan(text).root.actual_rows(), Some(500.0));
        }
    }

    #[test]
    fn a_redacted_plan_holds_no_literal_of_the_query() {
        for text in [
            include_str!("../../tests/plans/15/index_scan.json"),
            include_str!("../../tests/plans/18/partitions.json"),
            include_str!("../../tests/plans/15/subplans.json"),
            include_str!("../../tests/plans/18/nested_loop.json"),
        ] {
            let whole = plan(text);
            assert_ne!(whole, whole.redacted());
            let shown = whole.redacted().to_json().to_string();
            for value in ["777", "open", "'k7'", "199000", "2025-11-28"] {
                assert!(!shown.contains(value), "{value} in {shown}");
            }
        }
    }
}
