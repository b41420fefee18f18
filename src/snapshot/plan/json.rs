//! `EXPLAIN (FORMAT JSON)` of PostgreSQL 13 to 18, in and out.

use super::{PlanNode, QueryPlan};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a text is not a plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Not JSON at all.
    #[error("EXPLAIN did not answer in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but not EXPLAIN's.
    #[error("EXPLAIN's answer has no {0}")]
    Missing(&'static str),
}

/// Fields that say nothing about the plan: target lists full of values, and per-process splits of the totals.
const DROPPED: [&str; 3] = ["Output", "Workers", "JIT"];

/// Names before 17, and what they are called since.
const RENAMED: [(&str, &str); 2] =
    [("I/O Read Time", "Shared I/O Read Time"), ("I/O Write Time", "Shared I/O Write Time")];

impl QueryPlan {
    /// Reads what `EXPLAIN (FORMAT JSON)` prints, as a server of any version from 13 on does.
    ///
    /// A statement that rules turned into several becomes one node `Several Plans` above them.
    ///
    /// # Errors
    /// The text is not JSON, or holds no plan.
    pub fn from_explain_json(text: &str) -> Result<Self, PlanError> {
        let answer: Value = serde_json::from_str(text)?;
        match &answer {
            Value::Array(items) => Self::from_explain_items(items.iter().map(|item| item.as_object())),
            single => Self::from_explain_items([single.as_object()]),
        }
    }

    /// Reads what [`QueryPlan::to_json`] wrote, as a report keeps it.
    ///
    /// # Errors
    /// The object holds no plan.
    pub fn from_saved(object: &Map<String, Value>) -> Result<Self, PlanError> {
        Self::from_explain_items([Some(object)])
    }

    fn from_explain_items<'a>(
        items: impl IntoIterator<Item = Option<&'a Map<String, Value>>>,
    ) -> Result<Self, PlanError> {
        let mut roots = Vec::new();
        let mut settings = BTreeMap::new();
        for item in items.into_iter().flatten() {
            // A rule may turn a statement into nothing or into NOTIFY: no plan there.
            if let Some(plan) = item.get("Plan") {
                roots.push(node(plan)?);
            }
            if let Some(Value::Object(given)) = item.get("Settings") {
                let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                settings.extend(given.iter().map(|(name, value)| (name.clone(), text(value))));
            }
        }
        let root = match roots.len() {
            0 => return Err(PlanError::Missing("Plan")),
            1 => roots.remove(0),
            _ => several(roots),
        };
        Ok(Self { root: root.into(), settings })
    }

    /// As `EXPLAIN (FORMAT JSON)` would print it, without the outer list; reads back as the same value.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("Plan".to_owned(), node_to_json(&self.root));
        if !self.settings.is_empty() {
            let settings = self.settings.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            object.insert("Settings".to_owned(), Value::Object(settings.collect()));
        }
        Value::Object(object)
    }
}

fn node(value: &Value) -> Result<PlanNode, PlanError> {
    let Value::Object(object) = value else { return Err(PlanError::Missing("plan node")) };
    let node_type = object.get("Node Type").and_then(Value::as_str).ok_or(PlanError::Missing("Node Type"))?;
    let children = match object.get("Plans") {
        Some(Value::Array(plans)) => plans.iter().map(node).collect::<Result<_, _>>()?,
        _ => Vec::new(),
    };
    let mut fields = defaults();
    for (name, value) in object {
        if name == "Node Type" || name == "Plans" || DROPPED.contains(&name.as_str()) {
            continue;
        }
        let current = RENAMED.iter().find(|(old, _)| old == name).map_or(name.as_str(), |(_, new)| new);
        fields.insert(current.to_owned(), value.clone());
    }
    Ok(PlanNode { node_type: node_type.to_owned(), fields, children })
}

/// What older servers leave out where newer ones print the default.
fn defaults() -> BTreeMap<String, Value> {
    ["Async Capable", "Disabled"].into_iter().map(|name| (name.to_owned(), Value::Bool(false))).collect()
}

fn several(children: Vec<PlanNode>) -> PlanNode {
    let total = children.iter().map(PlanNode::total_cost).sum::<f64>();
    let mut fields = defaults();
    if let Some(total) = Number::from_f64(total) {
        fields.insert("Total Cost".to_owned(), Value::Number(total));
    }
    PlanNode { node_type: "Several Plans".to_owned(), fields, children }
}

fn node_to_json(node: &PlanNode) -> Value {
    let mut object = Map::new();
    object.insert("Node Type".to_owned(), Value::from(node.node_type.as_str()));
    object.extend(node.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    if !node.children.is_empty() {
        object.insert("Plans".to_owned(), Value::Array(node.children.iter().map(node_to_json).collect()));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_from_its_own_json() {
        for text in [
            include_str!("../../../tests/plans/15/subplans.json"),
            include_str!("../../../tests/plans/18/subplans.json"),
            include_str!("../../../tests/plans/18/parallel.json"),
        ] {
            let plan = QueryPlan::from_explain_json(text).expect("a plan");
            assert_eq!(plan.settings.get("jit").map(String::as_str), Some("off"));
            let again = QueryPlan::from_explain_json(&plan.to_json().to_string()).expect("its own JSON");
            assert_eq!(plan, again);
        }
    }

    #[test]
    fn old_and_new_spellings_become_one() {
        let old = r#"[{"Plan": {"Node Type": "Seq Scan", "I/O Read Time": 1.5, "Actual Rows": 3}}]"#;
        let new = r#"[{"Plan": {"Node Type": "Seq Scan", "Shared I/O Read Time": 1.5, "Actual Rows": 3,
                       "Async Capable": false, "Disabled": false, "Workers": [{"Worker Number": 0}]}}]"#;
        let read = |text| QueryPlan::from_explain_json(text).expect("a plan");
        assert_eq!(read(old), read(new));
    }

    #[test]
    fn several_plans_of_one_statement_stand_under_one_node() {
        let text = r#"[{"Plan": {"Node Type": "ModifyTable", "Total Cost": 2.5}}, {"Plan": {"Node Type": "Result", "Total Cost": 1}}]"#;
        let plan = QueryPlan::from_explain_json(text).expect("a plan");
        assert_eq!(plan.root.total_cost(), 3.5);
        assert_eq!(plan.nodes().len(), 3);
    }

    #[test]
    fn what_is_no_plan_says_so() {
        let error = |text| QueryPlan::from_explain_json(text).expect_err("no plan").to_string();
        assert!(error("QUERY PLAN").starts_with("EXPLAIN did not answer in JSON"));
        assert_eq!(error("[]"), "EXPLAIN's answer has no Plan");
        assert_eq!(error(r#"[{"Plan": {"Total Cost": 1}}]"#), "EXPLAIN's answer has no Node Type");
    }
}
