//! EXPLAIN's tree in EXPLAIN's own field names, and what one capture of it holds.

use std::collections::BTreeMap;

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
    pub fields: BTreeMap<String, serde_json::Value>,
    /// `Plans`, in order.
    pub children: Vec<PlanNode>,
}

/// A whole plan.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPlan {
    /// The top node.
    pub root: PlanNode,
    /// `Settings`: planner settings that differ from the built-in defaults.
    pub settings: BTreeMap<String, String>,
}

/// Work of one execution: deterministic, unlike time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Shared and local blocks hit and read by execution; planning left out.
    pub buffers: u64,
    /// Temporary blocks read and written.
    pub temp_blocks: u64,
}

/// How a capture ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Captured {
    /// Planned only (a write, or a query not run on purpose).
    Planned(QueryPlan),
    /// Planned, then run once warm.
    Measured(QueryPlan, Work),
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

/// One plan of one query at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanCapture {
    /// What was captured.
    pub key: PlanKey,
    /// How it ended.
    pub captured: Captured,
}
