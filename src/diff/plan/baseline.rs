//! Which queries need no second run: the same plan at the same cost, over tables on which nothing was done, does the same
//! work. Most hot queries of most migrations are such, and the slow ones among them cost the most time to run.

use crate::snapshot::catalog::{Catalog, Constraint};
use crate::snapshot::object::{Address, Class};
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanNode, QueryPlan, RelationName};
use crate::snapshot::{Oid, Snapshot};
use crate::workload::HotQuery;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was captured before the run, and what the run did since.
#[derive(Debug)]
pub struct Baseline<'a> {
    captures: BTreeMap<&'a PlanKey, &'a PlanCapture>,
    worked_on: BTreeSet<RelationName>,
    functions: BTreeSet<&'a str>,
    /// Queries that reach functions of the database: these read what no plan shows.
    opaque: BTreeSet<&'a str>,
    /// Functions of the database are called by what does not look like a call: any query may reach one.
    hidden: bool,
}

/// Functions of the server that run queries, or read what is in no table.
const RUNNING: [&str; 16] = [
    "cursor_to_xml",
    "database_to_xml",
    "lo_export",
    "lo_get",
    "loread",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_rewrite",
    "ts_stat",
    "xmltable",
];

/// Catalogs whose entries call functions where a query has an operator or a cast: `pg_cast`, `pg_opclass`,
/// `pg_operator`. Their OIDs are the same on every server.
const CALLING: [Oid; 3] = [2605, 2616, 2617];

/// Whether operators, casts, or checks of domains call functions of this database.
fn has_hidden_calls(catalog: &Catalog) -> bool {
    let calling = |address: &Address| CALLING.iter().any(|class| address.class == Class::Other(*class));
    let of_domain = |constraint: &Constraint| constraint.table.is_none();
    !catalog.functions.is_empty() && (catalog.others.keys().any(calling) || catalog.constraints.values().any(of_domain))
}

impl<'a> Baseline<'a> {
    /// `worked_on`: tables whose rows or files the run changed, under the names they have now.
    pub fn new(before: &'a Snapshot, queries: &'a [HotQuery], worked_on: BTreeSet<RelationName>) -> Self {
        let own = before.catalog.functions.values().map(|function| function.name.as_str());
        let functions: BTreeSet<&str> = own.chain(RUNNING).collect();
        let views = views(&before.catalog);
        let opaque = queries.iter().filter(|query| reaches_one(&query.sql, &functions, &views));
        Self {
            captures: before.plans.iter().map(|capture| (&capture.key, capture)).collect(),
            worked_on,
            opaque: opaque.map(|query| query.name.as_str()).collect(),
            functions,
            hidden: has_hidden_calls(&before.catalog),
        }
    }

    /// How a capture ends whose plan is `plan`, if that is known without running it.
    pub fn known(&self, key: &PlanKey, plan: &QueryPlan) -> Option<Captured> {
        let before = &self.captures.get(key)?.captured;
        // What a read-only transaction refused once it refuses again.
        if matches!(before, Captured::Planned(_)) {
            return Some(Captured::Planned(plan.clone()));
        }
        let old = before.plan()?;
        // Memory a query may use shows in its settings, and not always in its cost.
        let same = includes(&old.root, &plan.root) && old.settings == plan.settings;
        let touched = plan.relations().iter().any(|relation| {
            // Every migration writes to the catalogs.
            self.worked_on.contains(relation) || relation.schema == "pg_catalog"
        });
        let hidden =
            self.hidden || self.opaque.contains(key.query.as_str()) || plan.nodes().iter().any(|node| self.calls(node));
        (same && !touched && !hidden).then(|| Captured::AsBefore(plan.clone()))
    }

    fn calls(&self, node: &PlanNode) -> bool {
        node.fields.values().filter_map(Value::as_str).any(|text| mentions(text, &self.functions))
    }
}

/// Whether the planner said the same of both, costs and row counts included. `measured` also has what its run added.
fn includes(measured: &PlanNode, planned: &PlanNode) -> bool {
    measured.node_type == planned.node_type
        && measured.children.len() == planned.children.len()
        && planned.fields.iter().all(|(name, value)| measured.fields.get(name) == Some(value))
        && measured.children.iter().zip(&planned.children).all(|(measured, planned)| includes(measured, planned))
}

/// Whether the text names the function, or a view that does, however deep.
pub fn reaches(catalog: &Catalog, sql: &str, function: &str) -> bool {
    reaches_one(sql, &BTreeSet::from([function]), &views(catalog))
}

/// Names and texts.
fn views(catalog: &Catalog) -> BTreeMap<&str, &str> {
    let details = catalog.relation_details.iter();
    details
        .filter_map(|(oid, detail)| Some((catalog.relations.get(oid)?.name.as_str(), detail.view.as_deref()?)))
        .collect()
}

fn reaches_one(sql: &str, functions: &BTreeSet<&str>, views: &BTreeMap<&str, &str>) -> bool {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut texts = vec![sql];
    while let Some(text) = texts.pop() {
        if mentions(text, functions) {
            return true;
        }
        let words = words(text);
        texts.extend(
            views.iter().filter(|(name, _)| named(text, &words, name) && seen.insert(name)).map(|(_, sql)| *sql),
        );
    }
    false
}

fn mentions(text: &str, names: &BTreeSet<&str>) -> bool {
    let words = words(text);
    // Either way the smaller set is looked up in the larger one.
    names.iter().any(|name| named(text, &words, name))
}

fn named(text: &str, words: &BTreeSet<String>, name: &str) -> bool {
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { words.contains(name) } else { text.contains(name) }
}

fn words(text: &str) -> BTreeSet<String> {
    let split = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    split.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::object::{Function, OtherObject};
    use crate::snapshot::plan::{PlanMode, Work};

    fn plan(text: &str) -> QueryPlan {
        QueryPlan::from_explain_json(text).expect("a plan")
    }

    const SCAN: &str = r#"[{"Plan": {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "orders",
        "Alias": "orders", "Total Cost": 10.0, "Plan Rows": 5}}]"#;

    fn key() -> PlanKey {
        PlanKey { query: "q".to_owned(), parameter_set: String::new(), mode: PlanMode::Custom }
    }

    fn baseline<'a>(capture: &'a PlanCapture, worked_on: &[&str]) -> Baseline<'a> {
        Baseline {
            captures: [(&capture.key, capture)].into(),
            worked_on: worked_on.iter().map(|name| RelationName::new("public", name)).collect(),
            functions: ["total_of"].into(),
            opaque: BTreeSet::new(),
            hidden: false,
        }
    }

    fn measured() -> PlanCapture {
        let run = SCAN.replace("\"Plan Rows\": 5", "\"Plan Rows\": 5, \"Actual Rows\": 4, \"Actual Loops\": 1");
        PlanCapture { key: key(), captured: Captured::Measured(plan(&run), Work::default()) }
    }

    #[test]
    fn the_same_plan_at_the_same_cost_over_untouched_tables_is_not_run_again() {
        let capture = measured();
        let known = |worked_on: &[&str], text: &str| baseline(&capture, worked_on).known(&key(), &plan(text));
        assert!(matches!(known(&["customers"], SCAN), Some(Captured::AsBefore(_))));
        assert_eq!(known(&["orders"], SCAN), None);
        assert_eq!(known(&[], &SCAN.replace("10.0", "10.01")), None);
        assert_eq!(known(&[], &SCAN.replace("Seq Scan", "Sample Scan")), None);
        assert_eq!(known(&[], &SCAN.replace("}}]", "}, \"Settings\": {\"work_mem\": \"64kB\"}}]")), None);
        let calling = SCAN.replace("\"Plan Rows\"", "\"Filter\": \"(total_of(id) > 5)\", \"Plan Rows\"");
        let run = PlanCapture { key: key(), captured: Captured::Measured(plan(&calling), Work::default()) };
        assert_eq!(baseline(&run, &[]).known(&key(), &plan(&calling)), None);
    }

    #[test]
    fn what_an_operator_may_call_is_run() {
        let capture = measured();
        let hidden = Baseline { hidden: true, ..baseline(&capture, &[]) };
        assert_eq!(hidden.known(&key(), &plan(SCAN)), None);
        let mut catalog = Catalog::default();
        assert!(!has_hidden_calls(&catalog));
        catalog.others.insert(Address::new(Class::Other(2617), 20_000), OtherObject::default());
        assert!(!has_hidden_calls(&catalog), "an operator over functions of the server's own");
        catalog.functions.insert(20_001, Function::default());
        assert!(has_hidden_calls(&catalog));
    }

    #[test]
    fn what_was_refused_as_a_write_is_not_tried_again() {
        let capture = PlanCapture { key: key(), captured: Captured::Planned(plan(SCAN)) };
        let other = SCAN.replace("10.0", "99.0");
        assert!(matches!(baseline(&capture, &["orders"]).known(&key(), &plan(&other)), Some(Captured::Planned(_))));
    }

    #[test]
    fn functions_are_found_behind_views() {
        let functions: BTreeSet<&str> = ["total_of", "Odd name"].into();
        let views: BTreeMap<&str, &str> =
            [("summary", "SELECT * FROM inner_view"), ("inner_view", "SELECT total_of(1)")].into();
        assert!(reaches_one("SELECT * FROM Summary", &functions, &views));
        assert!(reaches_one("SELECT \"Odd name\"(1)", &functions, &views));
        assert!(!reaches_one("SELECT total_offer FROM orders", &functions, &views));
    }
}
