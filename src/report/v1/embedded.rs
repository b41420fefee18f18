//! What only an embedded engine tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What SQLite tells of one statement besides what every engine does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SqliteStatement {
    /// A transaction was open before it.
    pub in_transaction: bool,
    /// `PRAGMA foreign_keys` as it was in effect.
    pub foreign_keys: bool,
    /// Pages written when the transaction that ended with it was committed; 0 for all others.
    pub pages_written: u64,
    /// Instructions of the virtual machine.
    pub vm_steps: u64,
}
