//! Names of EXPLAIN's fields: a thousand plans of a hundred nodes hold few different ones.

use std::borrow::Cow;

/// A field's name as EXPLAIN says it; those that are known take no memory of their own.
pub type FieldName = Cow<'static, str>;

/// Names before 17, and what they are called since.
const RENAMED: [(&str, &str); 2] =
    [("I/O Read Time", "Shared I/O Read Time"), ("I/O Write Time", "Shared I/O Write Time")];

/// What `EXPLAIN (ANALYZE, BUFFERS, VERBOSE)` of 13 to 18 says of a node, in order.
const KNOWN: [&str; 100] = [
    "Actual Loops",
    "Actual Rows",
    "Actual Startup Time",
    "Actual Total Time",
    "Alias",
    "Async Capable",
    "CTE Name",
    "Cache Evictions",
    "Cache Hits",
    "Cache Key",
    "Cache Misses",
    "Cache Mode",
    "Cache Overflows",
    "Command",
    "Conflict Arbiter Indexes",
    "Conflict Filter",
    "Conflict Resolution",
    "Custom Plan Provider",
    "Disabled",
    "Disk Usage",
    "Exact Heap Blocks",
    "Filter",
    "Full-sort Groups",
    "Function Call",
    "Function Name",
    "Group Key",
    "Grouping Sets",
    "Hash Batches",
    "Hash Buckets",
    "Hash Cond",
    "HashAgg Batches",
    "Heap Fetches",
    "Index Cond",
    "Index Name",
    "Index Searches",
    "Inner Unique",
    "Join Filter",
    "Join Type",
    "Local Dirtied Blocks",
    "Local Hit Blocks",
    "Local I/O Read Time",
    "Local I/O Write Time",
    "Local Read Blocks",
    "Local Written Blocks",
    "Lossy Heap Blocks",
    "Maximum Storage",
    "Merge Cond",
    "One-Time Filter",
    "Operation",
    "Order By",
    "Original Hash Batches",
    "Original Hash Buckets",
    "Parallel Aware",
    "Parent Relationship",
    "Partial Mode",
    "Peak Memory Usage",
    "Plan Rows",
    "Plan Width",
    "Planned Partitions",
    "Pre-sorted Groups",
    "Presorted Key",
    "Recheck Cond",
    "Relation Name",
    "Repeatable Seed",
    "Rows Removed by Filter",
    "Rows Removed by Index Recheck",
    "Rows Removed by Join Filter",
    "Run Condition",
    "Sampling Method",
    "Sampling Parameters",
    "Scan Direction",
    "Schema",
    "Shared Dirtied Blocks",
    "Shared Hit Blocks",
    "Shared I/O Read Time",
    "Shared I/O Write Time",
    "Shared Read Blocks",
    "Shared Written Blocks",
    "Single Copy",
    "Sort Key",
    "Sort Method",
    "Sort Space Type",
    "Sort Space Used",
    "Startup Cost",
    "Storage",
    "Strategy",
    "Subplan Name",
    "Subplans Removed",
    "TID Cond",
    "Temp I/O Read Time",
    "Temp I/O Write Time",
    "Temp Read Blocks",
    "Temp Written Blocks",
    "Total Cost",
    "WAL Bytes",
    "WAL FPI",
    "WAL Records",
    "Window",
    "Workers Launched",
    "Workers Planned",
];

/// The name a field has since 17.
pub(super) fn name(said: &str) -> FieldName {
    let current = RENAMED.iter().find(|(old, _)| *old == said).map_or(said, |(_, new)| new);
    match KNOWN.binary_search(&current) {
        Ok(at) => KNOWN[at].into(),
        Err(_) => current.to_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_and_any_other_is_kept() {
        assert!(KNOWN.is_sorted());
        for known in KNOWN {
            assert!(matches!(name(known), Cow::Borrowed(found) if found == known), "{known}");
        }
        for (old, new) in RENAMED {
            assert_eq!(name(old), new);
        }
        assert_eq!(name("A Field of Tomorrow"), "A Field of Tomorrow");
    }
}
