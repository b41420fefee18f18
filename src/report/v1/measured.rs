//! What is measured only on request: what writes pay, and time.

use super::nullable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a hot query that writes pays; each side on a fresh copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Writes {
    /// Before the migration; null where it did not run.
    #[serde(deserialize_with = "nullable")]
    pub before: Option<Write>,
    /// After it, settled; null where it did not run.
    #[serde(deserialize_with = "nullable")]
    pub after: Option<Write>,
    /// Why it did not run on one side or on both; null when it did.
    #[serde(deserialize_with = "nullable")]
    pub reason: Option<String>,
}

/// One warm execution in a transaction that was rolled back, the cheapest of three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Write {
    /// Write-ahead log without page images; what AFTER triggers and foreign keys write is not in it.
    pub wal_bytes: u64,
    /// Its records.
    pub wal_records: u64,
    /// Index entries written: one in each index for every row inserted, and for every update that was not heap-only.
    pub index_entries: u64,
    /// `index_entries` is an upper bound: not every row gets an entry in a partial or BRIN index.
    pub at_most: bool,
    /// Rows inserted, updated and deleted, by triggers and foreign keys as well.
    pub rows: u64,
    /// Updates that wrote no index entry (heap-only tuples).
    pub hot_updates: u64,
    /// Blocks touched.
    pub buffers: u64,
    /// Tables whose rows changed.
    pub tables: Vec<String>,
}

/// The time of a hot query that changed, before and after in turns: advice, never a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Time {
    /// Before the migration.
    pub before_ms: Spread,
    /// After it, settled.
    pub after_ms: Spread,
    /// Runs on each side.
    pub runs: usize,
    /// Chance alone explains the difference.
    pub inside_the_noise: bool,
}

/// Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Half of the runs took less.
    pub median: f64,
    /// The quickest.
    pub min: f64,
    /// The slowest.
    pub max: f64,
}
