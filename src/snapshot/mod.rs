//! The database at one moment: catalog, plans, sizes. Pure values from here on.

pub mod by_table;
pub mod catalog;
pub mod net;
pub mod object;
pub mod plan;
pub mod shared;
pub mod sqlite;
pub mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

/// PostgreSQL's object identifier.
pub type Oid = u32;

/// Size and row count of one relation with storage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelationSize {
    /// Bytes of the main fork.
    pub bytes: u64,
    /// Bytes of the main fork and of the values stored out of line (`pg_table_size`).
    pub table_bytes: u64,
    /// Blocks of the main fork (8 KiB each unless the server was built otherwise).
    pub blocks: u64,
    /// `pg_class.reltuples`; `None` while the server does not know.
    pub rows: Option<f64>,
    /// `pg_class.relallvisible`.
    pub all_visible: u64,
}

/// Everything read at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The schema. Moments between which nothing changed it have one together: it may be of thousands of partitions.
    pub catalog: Arc<catalog::Catalog>,
    /// Sizes by relation.
    pub sizes: BTreeMap<Oid, RelationSize>,
    /// Every hot query with every parameter set, in registry order.
    pub plans: Vec<plan::PlanCapture>,
}
