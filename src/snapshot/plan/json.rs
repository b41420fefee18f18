//! `EXPLAIN (FORMAT JSON)` of PostgreSQL 13 to 18, in and out.

use super::field::{self, FieldName};
use super::{PlanNode, QueryPlan};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// Why a text is not a plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Not JSON at all.
    #[error("EXPLAIN did not answer in JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// JSON, but not EXPLAIN's.
    #[error("EXPLAIN's answer is no plan: {0}")]
    Shape(#[source] serde_json::Error),
    /// EXPLAIN's, of nothing that has a plan.
    #[error("EXPLAIN's answer has no Plan")]
    None,
}

impl From<serde_json::Error> for PlanError {
    fn from(error: serde_json::Error) -> Self {
        if error.is_data() { Self::Shape(error) } else { Self::Json(error) }
    }
}

/// Fields that say nothing about the plan: target lists full of values, and per-process splits of the totals.
const DROPPED: [&str; 3] = ["Output", "Workers", "JIT"];

impl QueryPlan {
    /// Reads what `EXPLAIN (FORMAT JSON)` prints, as a server of any version from 13 on does.
    ///
    /// A statement that rules turned into several becomes one node `Several Plans` above them.
    ///
    /// # Errors
    /// The text is not JSON, or holds no plan.
    pub fn from_explain_json(text: &str) -> Result<Self, PlanError> {
        let items = match text.trim_start().starts_with('[') {
            true => serde_json::from_str(text)?,
            false => vec![serde_json::from_str(text)?],
        };
        Self::from_explain_items(items)
    }

    /// Reads what [`QueryPlan::to_json`] wrote, as a report keeps it.
    ///
    /// # Errors
    /// The object holds no plan.
    pub fn from_saved(object: &Map<String, Value>) -> Result<Self, PlanError> {
        Self::from_explain_items(vec![Item::deserialize(object)?])
    }

    fn from_explain_items(items: Vec<Item>) -> Result<Self, PlanError> {
        // A rule may turn a statement into nothing or into NOTIFY: no plan there.
        let mut roots = Vec::new();
        let mut settings = BTreeMap::new();
        for item in items {
            roots.extend(item.plan);
            if let Some(Value::Object(given)) = item.settings {
                let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                settings.extend(given.into_iter().map(|(name, value)| (name, text(value))));
            }
        }
        let root = match roots.len() {
            0 => return Err(PlanError::None),
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

/// What EXPLAIN says of one statement.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "Plan")]
    plan: Option<PlanNode>,
    #[serde(rename = "Settings")]
    settings: Option<Value>,
}

impl<'de> Deserialize<'de> for PlanNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NodeVisitor)
    }
}

/// Reads a node as it comes: target lists are never kept, however long they are.
struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = PlanNode;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a plan node")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<PlanNode, A::Error> {
        let (mut node_type, mut fields, mut children) = (None, defaults(), Vec::new());
        while let Some(key) = object.next_key()? {
            match key {
                Key::NodeType => node_type = Some(object.next_value()?),
                Key::Plans => children = object.next_value::<Option<Vec<PlanNode>>>()?.unwrap_or_default(),
                Key::Dropped => {
                    object.next_value::<IgnoredAny>()?;
                }
                Key::Field(name) => {
                    fields.insert(name, object.next_value()?);
                }
            }
        }
        let node_type = node_type.ok_or_else(|| serde::de::Error::missing_field("Node Type"))?;
        Ok(PlanNode { node_type, fields, children })
    }
}

/// What a field of a node is to us.
enum Key {
    NodeType,
    Plans,
    Dropped,
    Field(FieldName),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Key, E> {
        Ok(match name {
            "Node Type" => Key::NodeType,
            "Plans" => Key::Plans,
            dropped if DROPPED.contains(&dropped) => Key::Dropped,
            _ => Key::Field(field::name(name)),
        })
    }
}

/// What older servers leave out where newer ones print the default.
fn defaults() -> BTreeMap<FieldName, Value> {
    ["Async Capable", "Disabled"].into_iter().map(|name| (name.into(), Value::Bool(false))).collect()
}

fn several(children: Vec<PlanNode>) -> PlanNode {
    // With two decimals, as EXPLAIN has them: a sum has more, not all of which are read back.
    let total = (children.iter().map(PlanNode::total_cost).sum::<f64>() * 100.0).round() / 100.0;
    let mut fields = defaults();
    if let Some(total) = Number::from_f64(total) {
        fields.insert("Total Cost".into(), Value::Number(total));
    }
    PlanNode { node_type: "Several Plans".to_owned(), fields, children }
}

fn node_to_json(node: &PlanNode) -> Value {
    let mut object = Map::new();
    object.insert("Node Type".to_owned(), Value::from(node.node_type.as_str()));
    object.extend(node.fields.iter().map(|(name, value)| (name.clone().into_owned(), value.clone())));
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
        let shapeless = error(r#"[{"Plan": {"Total Cost": 1}}]"#);
        assert!(shapeless.starts_with("EXPLAIN's answer is no plan: missing field `Node Type`"), "{shapeless}");
    }
}
