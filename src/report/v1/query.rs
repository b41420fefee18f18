//! Hot queries in a report, and what shows how far they can be trusted.

use super::{Lasts, PlanMode, QueryConfidence, QueryVerdict, StatisticsMethod, Time, Writes, nullable};
use crate::snapshot::plan::Unit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One hot query with one parameter set in one plan mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// The name it is registered under.
    pub name: String,
    /// Who owns it.
    #[serde(deserialize_with = "nullable")]
    pub owner: Option<String>,
    /// Where it is registered.
    pub file: String,
    /// 1-based line there.
    pub line: usize,
    /// How much it matters against the others.
    pub weight: f64,
    /// Name of the parameter set; empty for a generic plan or a query without parameters.
    pub parameter_set: String,
    /// What it was planned for.
    pub plan_mode: PlanMode,
    /// What became of it.
    pub verdict: QueryVerdict,
    /// What that rests on.
    pub confidence: QueryConfidence,
    /// Before the migration; null where not captured.
    #[serde(deserialize_with = "nullable")]
    pub before: Option<PlanSummary>,
    /// Right after it; null where not captured.
    #[serde(deserialize_with = "nullable")]
    pub after: Option<PlanSummary>,
    /// After VACUUM and ANALYZE of what changed; null where not captured.
    #[serde(deserialize_with = "nullable")]
    pub after_settling: Option<PlanSummary>,
    /// What changed its plan; empty lists where nothing did or it could not be told.
    pub cause: Cause,
    /// How long a transient state lasts; null for all others.
    #[serde(default)]
    pub lasts: Option<Lasts>,
    /// What the numbers do not say; null where they say all.
    #[serde(default)]
    pub note: Option<String>,
    /// Both plans in one text, line by line; empty when they are equal.
    pub plan_diff: String,
    /// What it pays where it writes; null unless that was asked for. Older reports have none.
    #[serde(default)]
    pub writes: Option<Writes>,
    /// The time it takes, where it changed; null unless that was asked for. Older reports have none.
    #[serde(default)]
    pub time: Option<Time>,
}

/// A column that had lost its statistics, or is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnStatistics {
    /// Its table.
    pub table: String,
    /// Its name.
    pub column: String,
    /// Where its statistics in the settled state come from.
    pub method: StatisticsMethod,
    /// Why nothing better was possible; null where it is the best there is.
    #[serde(deserialize_with = "nullable")]
    pub reason: Option<String>,
}

/// Two captures of the same state: what differs is not the migration's doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelfTest {
    /// Plans that were captured twice.
    pub captures: usize,
    /// Hot queries, with their parameter sets, that differed.
    pub differing: Vec<String>,
}

/// One capture of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// The planner's estimate for the whole plan, in its own unit; 0 for SQLite, which tells none.
    pub total_cost: f64,
    /// Blocks touched by running it; null when it was only planned.
    #[serde(deserialize_with = "nullable")]
    pub buffers: Option<u64>,
    /// Temporary blocks read and written; null when it was only planned.
    #[serde(deserialize_with = "nullable")]
    pub temp_blocks: Option<u64>,
    /// What SQLite counted; null for a server, and when it was only planned. Older reports have none.
    #[serde(default)]
    pub steps: Option<Steps>,
    /// Equal for plans of equal shape.
    pub fingerprint: String,
    /// EXPLAIN's own object.
    pub plan: Map<String, Value>,
}

/// SQLite's counters of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Steps {
    /// Instructions of the virtual machine.
    pub vm_steps: u64,
    /// Rows stepped over in scans of whole tables.
    pub full_scan_steps: u64,
    /// Sorts.
    pub sorts: u64,
    /// Rows put into indexes made for this one execution.
    pub automatic_indexes: u64,
}

impl PlanSummary {
    /// What one execution did, and what that is counted in; `None` when it was only planned.
    pub fn amount(&self) -> Option<(u64, Unit)> {
        let steps = self.steps.map(|steps| (steps.vm_steps, Unit::VmSteps));
        steps.or_else(|| self.buffers.map(|blocks| (blocks, Unit::Blocks)))
    }
}

/// What changed a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// [`Statement::index`] of the statements after which the plan was another.
    pub statements: Vec<usize>,
    /// What they changed.
    pub objects: Vec<String>,
}
