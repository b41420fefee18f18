//! Absolute budgets of a query: what its plan and its work must never be, whatever they were before.

use crate::report::human::count;
use crate::snapshot::Snapshot;
use crate::snapshot::catalog::Relation;
use crate::snapshot::plan::{
    Captured, IndexUse, QueryPlan, RelationName, Unit, Work, quote_identifier_if_needed, sqlite,
};
use crate::workload::Gates;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A budget that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// One execution touched more blocks.
    MaxBuffers {
        /// `max_buffers`.
        limit: u64,
        /// Blocks touched.
        buffers: u64,
    },
    /// One execution took more VM steps.
    MaxSteps {
        /// `max_steps`.
        limit: u64,
        /// VM steps taken.
        steps: u64,
    },
    /// The plan does without the index.
    MustUseIndex {
        /// `must_use_index`, as registered.
        index: String,
        /// There is an index of this name.
        exists: bool,
    },
    /// A large table is read from end to end.
    NoSeqScanOver {
        /// `no_seq_scan_over`, in rows.
        limit: u64,
        /// The table, qualified.
        relation: String,
        /// Its rows, as the statistics count them.
        rows: u64,
        /// The engine's word for such a scan.
        scan: &'static str,
    },
}

impl Missed {
    /// The header's word for it.
    pub fn key(&self) -> &'static str {
        match self {
            Missed::MaxBuffers { .. } => "max_buffers",
            Missed::MaxSteps { .. } => "max_steps",
            Missed::MustUseIndex { .. } => "must_use_index",
            Missed::NoSeqScanOver { .. } => "no_seq_scan_over",
        }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missed::MaxBuffers { limit, buffers } => {
                write!(f, "{} blocks, max_buffers is {}", count(*buffers), count(*limit))
            }
            Missed::MaxSteps { limit, steps } => {
                write!(f, "{} VM steps, max_steps is {}", count(*steps), count(*limit))
            }
            Missed::MustUseIndex { index, exists: true } => {
                write!(f, "its plan does not use {index} (must_use_index)")
            }
            Missed::MustUseIndex { index, exists: false } => {
                write!(f, "there is no index {index}, which its plan must use (must_use_index)")
            }
            Missed::NoSeqScanOver { limit, relation, rows, scan } => {
                write!(f, "{scan} on {relation} with {} rows, no_seq_scan_over is {}", count(*rows), count(*limit))
            }
        }
    }
}

/// What the relations of one moment are, as far as gates ask.
#[derive(Debug)]
pub struct Ground<'a> {
    snapshot: &'a Snapshot,
    /// Made when somebody asks: few queries have a budget that names a relation, and there may be thousands of these.
    by_name: OnceCell<BTreeMap<RelationName, &'a Relation>>,
}

impl<'a> Ground<'a> {
    /// Of a snapshot.
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, by_name: OnceCell::new() }
    }

    fn relation(&self, name: &RelationName) -> Option<&'a Relation> {
        let by_name = self.by_name.get_or_init(|| {
            let named = |relation: &'a Relation| (RelationName::new(&relation.schema, &relation.name), relation);
            self.snapshot.catalog.relations.values().map(named).collect()
        });
        by_name.get(name).copied()
    }

    /// Rows of a relation, as the statistics count them.
    fn rows(&self, name: &RelationName) -> Option<u64> {
        let size = self.snapshot.sizes.get(&self.relation(name)?.oid)?;
        size.rows.map(|rows| rows.max(0.0) as u64)
    }

    /// Budgets that a capture of that moment misses. `work`: what one execution did, where that is known.
    pub fn missed(&self, gates: &Gates, captured: &Captured, work: Option<Work>) -> Vec<Missed> {
        let Some(plan) = captured.plan() else { return Vec::new() };
        let mut missed = Vec::new();
        let over = |limit: Option<u64>, unit: Unit| {
            let amount = work.filter(|work| work.unit() == unit)?.amount();
            limit.filter(|limit| amount > *limit).map(|limit| (limit, amount))
        };
        let blocks = over(gates.max_buffers, Unit::Blocks);
        missed.extend(blocks.map(|(limit, buffers)| Missed::MaxBuffers { limit, buffers }));
        let steps = over(gates.max_steps, Unit::VmSteps);
        missed.extend(steps.map(|(limit, steps)| Missed::MaxSteps { limit, steps }));
        let used = plan.indexes();
        let unused = gates.must_use_index.iter().filter(|index| !used.iter().any(|used| self.is(used, index)));
        missed.extend(unused.map(|index| Missed::MustUseIndex { index: index.clone(), exists: self.exists(index) }));
        missed.extend(gates.no_seq_scan_over.and_then(|limit| self.largest_scan(plan, limit)));
        missed
    }

    fn exists(&self, meant: &str) -> bool {
        let catalog = &self.snapshot.catalog;
        catalog
            .indexes
            .keys()
            .filter_map(|oid| catalog.relations.get(oid))
            .any(|relation| is_called(&RelationName::new(&relation.schema, &relation.name), meant))
    }

    /// Whether the index is the one that is meant, or a partition's part of it.
    fn is(&self, used: &IndexUse, meant: &str) -> bool {
        let named = |name: &RelationName| is_called(name, meant);
        if named(&used.index) {
            return true;
        }
        let mut next = self.relation(&used.index);
        while let Some(relation) = next {
            if named(&RelationName::new(&relation.schema, &relation.name)) {
                return true;
            }
            next = relation.parent.and_then(|parent| self.snapshot.catalog.relations.get(&parent));
        }
        false
    }

    fn largest_scan(&self, plan: &QueryPlan, limit: u64) -> Option<Missed> {
        // An index that is read from end to end is no shorter than its table.
        let scans = plan.nodes().into_iter().filter(|node| node.node_type == "Seq Scan" || sqlite::is_full_scan(node));
        let scanned: BTreeSet<RelationName> = scans.filter_map(|node| node.relation_name()).collect();
        // Partitions add up.
        let mut tables: BTreeMap<String, u64> = BTreeMap::new();
        for relation in &scanned {
            *tables.entry(self.root(relation)).or_default() += self.rows(relation).unwrap_or(0);
        }
        let largest = tables.into_iter().max_by_key(|(_, rows)| *rows).filter(|(_, rows)| *rows > limit);
        let scan = if plan.root.node_type == sqlite::ROOT { "SCAN" } else { "Seq Scan" };
        largest.map(|(relation, rows)| Missed::NoSeqScanOver { limit, relation, rows, scan })
    }

    /// The partitioned table a partition belongs to at the top, or the table itself.
    fn root(&self, name: &RelationName) -> String {
        let mut top = self.relation(name);
        while let Some(parent) = top.filter(|relation| relation.is_partition).and_then(|relation| relation.parent) {
            match self.snapshot.catalog.relations.get(&parent) {
                Some(parent) => top = Some(parent),
                None => break,
            }
        }
        top.map_or_else(|| name.qualified(), |relation| relation.qualified.clone())
    }
}

/// Whether the name is the one that is meant: bare or qualified, quoted or not.
fn is_called(name: &RelationName, meant: &str) -> bool {
    name.name == meant || quote_identifier_if_needed(&name.name) == meant || name.qualified() == meant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::RelationSize;
    use crate::snapshot::catalog::{Catalog, RelationKind};
    use crate::snapshot::plan::Work;
    use std::sync::Arc;

    /// `orders` with 5,000 rows and its partition's index `part_idx` below `orders_idx`.
    fn snapshot() -> Snapshot {
        let relation = |oid: u32, name: &str, parent: Option<u32>| Relation {
            parent,
            is_partition: parent.is_some(),
            ..Relation::new(oid, "public", name, RelationKind::Index)
        };
        let mut catalog = Catalog::default();
        for relation in
            [relation(1, "orders_idx", None), relation(2, "part_idx", Some(1)), relation(3, "Odd idx", None)]
        {
            catalog.relations.insert(relation.oid, relation);
        }
        catalog.relations.insert(9, Relation::new(9, "public", "orders", RelationKind::Table));
        Snapshot { catalog: Arc::new(catalog), sizes: [(9, rows(5_000.0))].into(), plans: Vec::new() }
    }

    fn rows(rows: f64) -> RelationSize {
        RelationSize { bytes: 0, table_bytes: 0, blocks: 0, rows: Some(rows), all_visible: 0 }
    }

    fn plan(node: &str) -> Captured {
        let text =
            format!(r#"[{{"Plan": {{"Schema": "public", "Relation Name": "orders", "Alias": "orders", {node}}}}}]"#);
        Captured::Measured(QueryPlan::from_explain_json(&text).expect("a plan"), Work::default())
    }

    fn keys(gates: Gates, captured: &Captured, buffers: Option<u64>) -> Vec<&'static str> {
        let work = buffers.map(|buffers| Work::blocks(buffers, 0));
        Ground::of(&snapshot()).missed(&gates, captured, work).iter().map(Missed::key).collect()
    }

    #[test]
    fn each_gate_fires_above_its_limit_and_not_at_it() {
        let scan = plan(r#""Node Type": "Seq Scan""#);
        let gates = |max_buffers, no_seq_scan_over| Gates { max_buffers, no_seq_scan_over, ..Gates::default() };
        assert_eq!(keys(gates(Some(100), None), &scan, Some(101)), ["max_buffers"]);
        assert!(keys(gates(Some(100), None), &scan, Some(100)).is_empty());
        assert!(keys(gates(Some(100), None), &scan, None).is_empty());
        assert_eq!(keys(gates(None, Some(4_999)), &scan, None), ["no_seq_scan_over"]);
        assert!(keys(gates(None, Some(5_000)), &scan, None).is_empty());
        let index = plan(r#""Node Type": "Index Scan", "Index Name": "part_idx""#);
        assert!(keys(gates(None, Some(1)), &index, None).is_empty());
    }

    #[test]
    fn an_index_is_known_by_its_names_and_by_its_parts() {
        let index = |name: &str| plan(&format!(r#""Node Type": "Index Scan", "Index Name": "{name}""#));
        let must = |name: &str| Gates { must_use_index: vec![name.to_owned()], ..Gates::default() };
        for (used, meant) in [
            ("part_idx", "part_idx"),
            ("part_idx", "public.part_idx"),
            ("part_idx", "orders_idx"),
            ("part_idx", "public.orders_idx"),
            ("Odd idx", "Odd idx"),
            ("Odd idx", "\"Odd idx\""),
            ("Odd idx", "public.\"Odd idx\""),
        ] {
            assert!(keys(must(meant), &index(used), None).is_empty(), "{used} {meant}");
        }
        for meant in ["orders_id", "sales.part_idx", "Odd idx"] {
            assert_eq!(keys(must(meant), &index("part_idx"), None), ["must_use_index"], "{meant}");
        }
    }

    #[test]
    fn partitions_add_up_and_an_index_that_is_not_there_is_told() {
        let mut snapshot = snapshot();
        let part = Relation { oid: 4, name: "other_part".to_owned(), ..snapshot.catalog.relations[&2].clone() };
        Arc::make_mut(&mut snapshot.catalog).relations.insert(4, part);
        snapshot.sizes = [(2, rows(3_000.0)), (4, rows(2_000.0))].into();
        let ground = Ground::of(&snapshot);
        let scan =
            |name: &str| format!(r#"{{"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "{name}"}}"#);
        let text = format!(
            r#"[{{"Plan": {{"Node Type": "Append", "Plans": [{}, {}]}}}}]"#,
            scan("part_idx"),
            scan("other_part")
        );
        let both = Captured::Measured(QueryPlan::from_explain_json(&text).expect("a plan"), Work::default());
        let over = |limit| Gates { no_seq_scan_over: Some(limit), ..Gates::default() };
        let missed = ground.missed(&over(4_999), &both, None);
        let relation = "public.orders_idx".to_owned();
        assert_eq!(missed, [Missed::NoSeqScanOver { limit: 4_999, relation, rows: 5_000, scan: "Seq Scan" }]);
        assert!(ground.missed(&over(5_000), &both, None).is_empty());
        let gates = Gates { must_use_index: vec!["gone_idx".to_owned()], ..Gates::default() };
        let told = ground.missed(&gates, &both, None)[0].to_string();
        assert_eq!(told, "there is no index gone_idx, which its plan must use (must_use_index)");
    }
}
