//! EXPLAIN of PostgreSQL 13 to 18 as `tests/plans/capture.sh` captured it: read alike, whatever the version calls it.
#![allow(clippy::unwrap_used)]

use seatrial::diff::plan::fingerprint::Fingerprints;
use seatrial::diff::plan::names::Names;
use seatrial::snapshot::plan::{PlanNode, QueryPlan};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const VERSIONS: [u32; 6] = [13, 14, 15, 16, 17, 18];

/// Statements of later versions only.
const SINCE: [(&str, u32); 2] = [("merge_into", 15), ("serialized", 17)];

/// Plans that are others in another version, or read as others, by what changed.
const PLANNED_ANEW: [(&str, &str); 5] = [
    ("memoize", "Memoize is there from 14 on"),
    ("tid_range", "Tid Range Scan is there from 14 on"),
    ("run_condition", "15 stops a window early, 17 and 18 leave out more of what that makes needless"),
    ("subplans", "17 writes (InitPlan 3).col1 where $2 stood, in a condition of a scan"),
    ("set_operation", "18 reads two inputs instead of one appended"),
];

/// The same plans, whose expressions another version words in another way.
const WORDED_ANEW: [(&str, &str); 2] =
    [("hash_join", "from 16 on a constant is no key of a group"), ("window", "18 prints the window's definition")];

/// Every fixture of one version, by statement.
fn fixtures(version: u32) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/plans/{version}"));
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn plan(version: u32, statement: &str) -> QueryPlan {
    QueryPlan::from_explain_json(&fixtures(version)[statement]).unwrap()
}

fn every(mut check: impl FnMut(u32, &str, &str, &QueryPlan)) {
    for version in VERSIONS {
        for (statement, text) in fixtures(version) {
            let plan =
                QueryPlan::from_explain_json(&text).unwrap_or_else(|error| panic!("{version}/{statement}: {error}"));
            check(version, &statement, &text, &plan);
        }
    }
}

fn node<'a>(plan: &'a QueryPlan, node_type: &str) -> &'a PlanNode {
    plan.nodes().into_iter().find(|node| node.node_type == node_type).unwrap_or_else(|| panic!("no {node_type}"))
}

#[test]
fn every_version_has_every_statement_it_knows() {
    let newest: BTreeSet<String> = fixtures(18).into_keys().collect();
    for version in VERSIONS {
        let unknown = |name: &&String| !SINCE.iter().any(|(statement, since)| statement == name && version < *since);
        let expected: Vec<&String> = newest.iter().filter(unknown).collect();
        assert_eq!(fixtures(version).keys().collect::<Vec<_>>(), expected, "{version}");
    }
}

#[test]
fn every_plan_has_its_numbers_and_reads_back_from_its_own_json() {
    every(|version, statement, text, plan| {
        let place = format!("{version}/{statement}");
        let nodes = plan.nodes();
        assert_eq!(nodes.len(), text.matches("\"Node Type\"").count(), "{place}");
        let ran = text.contains("\"Actual Rows\"");
        assert_eq!(plan.work().is_some(), ran, "{place}");
        for node in nodes {
            assert!(node.number("Total Cost").is_some() && node.number("Plan Rows").is_some(), "{place}: {node:?}");
            assert_eq!(node.actual_rows().is_some(), ran, "{place}: {node:?}");
            assert_eq!(node.actual_loops().is_some(), ran, "{place}: {node:?}");
            assert_eq!(node.buffers().is_some(), ran, "{place}: {node:?}");
        }
        assert_eq!(QueryPlan::from_explain_json(&plan.to_json().to_string()).unwrap(), *plan, "{place}");
    });
}

#[test]
fn averages_of_loops_keep_the_decimals_the_version_prints() {
    for version in VERSIONS {
        let plan = plan(version, "loop_average");
        let inner = plan.nodes().into_iter().find(|node| node.actual_loops() == Some(7.0)).unwrap().clone();
        // Six rows in seven loops.
        let printed = if version < 18 { 1.0 } else { 0.86 };
        assert_eq!(inner.actual_rows(), Some(printed), "{version}");
    }
}

#[test]
fn times_of_input_and_output_have_one_name() {
    for version in VERSIONS {
        let plan = plan(version, "timed_spill");
        let root = &plan.root;
        assert!(root.number("Shared I/O Read Time").is_some(), "{version}: {root:?}");
        assert!(root.number("Shared I/O Write Time").is_some(), "{version}: {root:?}");
        assert!(!root.fields.contains_key("I/O Read Time"), "{version}");
        assert_eq!(root.number("Temp I/O Read Time").is_some(), version >= 15, "{version}");
        assert!(root.temp_blocks().unwrap() > 100, "{version}");
    }
}

#[test]
fn what_newer_versions_add_is_read_and_its_default_is_there_for_older_ones() {
    for version in VERSIONS {
        let off = plan(version, "switched_off");
        let scan = node(&off, "Seq Scan");
        assert_eq!(scan.fields["Disabled"], Value::Bool(version >= 18), "{version}");
        assert_eq!(scan.fields["Async Capable"], Value::Bool(false), "{version}");
        let scan = plan(version, "index_scan");
        let searches = scan.nodes().into_iter().find_map(|node| node.number("Index Searches"));
        assert_eq!(searches, (version >= 18).then_some(1.0), "{version}");
    }
    assert!(plan(17, "serialized").work().is_some_and(|work| work.buffers > 0));
    assert!(node(&plan(15, "run_condition"), "WindowAgg").list("Run Condition").is_some());
}

/// One access is one access in any version; so is a tree, where the planner has not learnt another.
#[test]
fn one_plan_has_one_fingerprint_in_every_version() {
    let indexes = Names::default();
    let mut differences = Vec::new();
    for statement in fixtures(13).into_keys() {
        if PLANNED_ANEW.iter().any(|(anew, _)| *anew == statement) {
            continue;
        }
        let of = |version| Fingerprints::of(&plan(version, &statement), &indexes);
        // 13 calls the rows to write a member of ModifyTable, later versions its outer plan.
        let since = if statement.starts_with("write_") { 14 } else { 13 };
        let first = of(since);
        let worded_anew = WORDED_ANEW.iter().any(|(anew, _)| *anew == statement);
        for version in VERSIONS.into_iter().filter(|version| *version > since) {
            let other = of(version);
            let same = first.access == other.access && first.shape == other.shape;
            if !same || (first.strict != other.strict && !worded_anew) {
                differences.push(format!("{statement} on {since} and {version}: {first:?} {other:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn work_never_is_part_of_a_fingerprint_and_unknown_fields_never_break() {
    let indexes = Names::default();
    every(|version, statement, text, plan| {
        let mut answer: Value = serde_json::from_str(text).unwrap();
        answer[0]["Of A Later Version"] = Value::from(5);
        add_to_nodes(&mut answer[0]["Plan"]);
        let other = QueryPlan::from_explain_json(&answer.to_string()).unwrap();
        assert_eq!(Fingerprints::of(plan, &indexes), Fingerprints::of(&other, &indexes), "{version}/{statement}");
        assert_eq!(plan.work().is_some(), other.work().is_some(), "{version}/{statement}");
    });
}

/// Other numbers, and a number, an object and a list that no version has.
fn add_to_nodes(node: &mut Value) {
    for field in ["Total Cost", "Plan Rows", "Actual Rows", "Shared Hit Blocks", "Heap Fetches", "Index Searches"] {
        if !node[field].is_null() {
            node[field] = Value::from(4711);
        }
    }
    node["Zeta Count"] = Value::from(7);
    node["Zeta Detail"] = serde_json::json!({ "deep": [1, { "er": null }] });
    node["Zeta List"] = serde_json::json!([[1], []]);
    if let Some(children) = node["Plans"].as_array_mut() {
        children.iter_mut().for_each(add_to_nodes);
    }
}

#[test]
fn a_redacted_plan_of_any_version_holds_no_value() {
    let mut held = 0;
    every(|version, statement, _, plan| {
        let values = ["planted", "918273", "it''s", "2024-03-05", "2025-11-28", "'de'", "'k7'", "199000"];
        let whole = plan.to_json().to_string();
        held += values.iter().filter(|value| whole.contains(**value)).count();
        let shown = plan.redacted().to_json().to_string();
        for value in values {
            assert!(!shown.contains(value), "{version}/{statement} shows {value}: {shown}");
        }
        assert_eq!(plan.redacted().redacted(), plan.redacted(), "{version}/{statement}");
        let indexes = Names::default();
        assert_eq!(Fingerprints::of(plan, &indexes).access, Fingerprints::of(&plan.redacted(), &indexes).access);
    });
    assert!(held > 60, "only {held} values to hide");
}
