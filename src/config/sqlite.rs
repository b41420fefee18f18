//! `[sqlite]`: how applications open their database, which nothing in it says.

use super::Over;
use super::value::SqliteVersionText;
use schemars::JsonSchema;
use serde::Deserialize;

/// As it stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteKeys {
    /// Whether the connection that runs migrations enforces foreign keys (`PRAGMA foreign_keys`); some drivers turn it on.
    #[schemars(extend("default" = false))]
    pub foreign_keys: Option<bool>,
    /// The oldest version of SQLite that runs these migrations, such as 3.31; left out: nothing is known of it.
    pub version: Option<SqliteVersionText>,
    /// How long an application waits for the write lock before it gives up, in milliseconds (`busy_timeout`).
    #[schemars(extend("default" = 5000))]
    pub busy_timeout_ms: Option<u64>,
}

impl Over for SqliteKeys {
    fn over(self, below: Self) -> Self {
        Self {
            foreign_keys: self.foreign_keys.or(below.foreign_keys),
            version: self.version.or(below.version),
            busy_timeout_ms: self.busy_timeout_ms.or(below.busy_timeout_ms),
        }
    }
}

/// Resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sqlite {
    /// `PRAGMA foreign_keys` of the connection that runs migrations; `None` where nobody says.
    pub foreign_keys: Option<bool>,
    /// The oldest version that runs them.
    pub version: Option<(u32, u32, u32)>,
    /// `busy_timeout` of applications, in milliseconds.
    pub busy_timeout_ms: u64,
}

impl From<SqliteKeys> for Sqlite {
    fn from(keys: SqliteKeys) -> Self {
        Self {
            foreign_keys: keys.foreign_keys,
            version: keys.version.map(|version| version.0),
            busy_timeout_ms: keys.busy_timeout_ms.unwrap_or(5000),
        }
    }
}
