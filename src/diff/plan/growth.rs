//! How much larger relations became: work that grows with its table is no regression.

use crate::snapshot::Snapshot;
use crate::snapshot::plan::{PlanNode, QueryPlan, RelationName, sqlite};
use std::collections::BTreeMap;

/// Blocks after divided by blocks before, by the relation's name before; never below 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SizeGrowth {
    ratios: BTreeMap<RelationName, f64>,
    /// Rows before, and rows after divided by them: plans of SQLite say nothing of blocks.
    rows: BTreeMap<RelationName, (f64, f64)>,
}

impl SizeGrowth {
    /// Of every table and index that exists in both, by OID.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let mut growth = Self::default();
        for (oid, was) in &before.sizes {
            let (Some(now), Some(relation)) = (after.sizes.get(oid), before.catalog.relations.get(oid)) else {
                continue;
            };
            let name = RelationName::new(&relation.schema, &relation.name);
            if let (Some(was), Some(now)) = (was.rows, now.rows) {
                growth.set_rows(name.clone(), was, now);
            }
            growth.set(name, was.blocks, now.blocks);
        }
        growth
    }

    /// Notes the sizes of one relation, in blocks.
    pub fn set(&mut self, relation: RelationName, before: u64, after: u64) {
        // A table that shrank must not make unchanged work look worse.
        let ratio = (after as f64 / before.max(1) as f64).max(1.0);
        self.ratios.insert(relation, ratio);
    }

    /// Notes how many rows one relation has.
    pub fn set_rows(&mut self, relation: RelationName, before: f64, after: f64) {
        self.rows.insert(relation, (before.max(1.0), (after / before.max(1.0)).max(1.0)));
    }

    /// Growth of one relation; 1 when not known.
    pub fn of(&self, relation: &RelationName) -> f64 {
        self.ratios.get(relation).copied().unwrap_or(1.0)
    }

    /// By how much the plan's work is expected to have grown with its relations: each scan's own blocks weigh its
    /// relation. For a plan that was not run, the growth of the relation that grew most.
    pub fn factor(&self, plan: &QueryPlan) -> f64 {
        if plan.root.node_type == sqlite::ROOT {
            return self.by_rows(plan);
        }
        let mut most = 1.0_f64;
        let mut expected = 0.0;
        self.walk(&plan.root, None, &mut |own, ratio| {
            most = most.max(ratio);
            expected += own as f64 * ratio;
        });
        match plan.work() {
            Some(work) if expected > 0.0 => (expected / work.buffers.max(1) as f64).clamp(1.0, most),
            Some(_) => 1.0,
            None => most,
        }
    }

    /// By the rows of the tables that are read, each by how many it has: VM steps are counted for the whole execution
    /// alone. Where one row is looked up, more rows around it cost nothing.
    fn by_rows(&self, plan: &QueryPlan) -> f64 {
        let scans = plan.nodes().into_iter().filter(|node| sqlite::is_access(node) && !sqlite::finds_one_row(node));
        let sizes = scans.filter_map(|node| self.rows.get(&node.relation_name()?));
        let (mut rows, mut expected) = (0.0, 0.0);
        for (before, ratio) in sizes {
            rows += before;
            expected += before * ratio;
        }
        if rows > 0.0 { expected / rows } else { 1.0 }
    }

    fn walk(&self, node: &PlanNode, enclosing: Option<&RelationName>, visit: &mut impl FnMut(u64, f64)) {
        let own = node.relation_name();
        let relation = own.as_ref().or(enclosing);
        let index = node.index_name().and_then(|index| Some(RelationName::new(&relation?.schema, index)));
        let of_index = index.map_or(1.0, |index| self.of(&index));
        let ratio = match node.node_type.as_str() {
            "Index Only Scan" | "Bitmap Index Scan" => of_index,
            _ => own.as_ref().map_or(1.0, |table| self.of(table)).max(of_index),
        };
        visit(node.own_buffers().unwrap_or_default(), ratio);
        let below = if node.node_type.starts_with("Bitmap") { relation } else { None };
        for child in &node.children {
            self.walk(child, below, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> QueryPlan {
        QueryPlan::from_explain_json(text).expect("a plan")
    }

    fn growth(name: &str, before: u64, after: u64) -> SizeGrowth {
        let mut growth = SizeGrowth::default();
        growth.set(RelationName::new("public", name), before, after);
        growth
    }

    #[test]
    fn a_scan_of_everything_grows_with_its_table() {
        let plan = plan(include_str!("../../../tests/plans/15/seq_scan.json"));
        assert_eq!(growth("orders", 100, 300).factor(&plan), 3.0);
        assert_eq!(growth("customers", 100, 300).factor(&plan), 1.0);
    }

    #[test]
    fn each_scan_weighs_by_its_own_blocks() {
        let plan = plan(include_str!("../../../tests/plans/15/hash_join.json"));
        let large = growth("orders", 100, 200).factor(&plan);
        let small = growth("customers", 100, 200).factor(&plan);
        assert!(large > small && small > 1.0 && large < 2.0, "{large} {small}");
    }

    #[test]
    fn bitmap_indexes_grow_by_themselves() {
        let plan = plan(include_str!("../../../tests/plans/15/bitmap_or.json"));
        let index = growth("orders_customer_id_idx", 100, 200).factor(&plan);
        assert!(index > 1.0 && index < 1.1, "{index}");
    }

    #[test]
    fn a_table_that_shrank_expects_no_less_work() {
        let plan = plan(include_str!("../../../tests/plans/15/seq_scan.json"));
        assert_eq!(growth("orders", 300, 100).factor(&plan), 1.0);
    }
}
