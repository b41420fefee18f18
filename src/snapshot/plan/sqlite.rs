//! SQLite's `EXPLAIN QUERY PLAN` as a plan, and what its words mean. No other file knows them.
//!
//! Its lines name tables by their alias and give no columns of joins, no costs and no values. What is read here is the
//! text that `sqlite3WhereAddExplainText` writes, in the version that is compiled in.

mod resolve;

use super::{FieldName, PlanNode, QueryPlan, Steps, quote_identifier_if_needed};
use crate::snapshot::sqlite::Schema;
use crate::snapshot::sqlite::catalog::MAIN;
use resolve::Resolver;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Above all lines, as SQLite's shell shows them: loops inside loops stand one after the other.
pub const ROOT: &str = "QUERY PLAN";
const SEARCH: &str = "SEARCH";
const SCAN: &str = "SCAN";

/// The whole line, word for word.
pub const DETAIL: &str = "Detail";
/// What an access goes through that is no index of the schema.
pub const ACCESS_PATH: &str = "Access Path";
/// The index has every column that is asked for.
pub const COVERING: &str = "Covering";
/// What SQLite calls its instructions.
pub const VM_STEPS: &str = "VM Steps";

/// Ways to a row without an index of the schema, as the lines have them. Longer ones before those they begin with.
const PATHS: [&str; 4] =
    ["INTEGER PRIMARY KEY", "PRIMARY KEY", "AUTOMATIC PARTIAL COVERING INDEX", "AUTOMATIC COVERING INDEX"];

/// One line of `EXPLAIN QUERY PLAN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `id`.
    pub id: i64,
    /// `parent`: the line it stands under; 0 for none.
    pub parent: i64,
    /// `detail`.
    pub detail: String,
}

/// Whether the node reads something under an alias.
pub fn is_access(node: &PlanNode) -> bool {
    matches!(node.node_type.as_str(), SEARCH | SCAN)
}

/// Whether the node reads a table, or an index of it, from end to end.
pub fn is_full_scan(node: &PlanNode) -> bool {
    node.node_type == SCAN && node.text("Relation Name").is_some()
}

/// Whether SQLite makes an index for this one execution.
pub fn is_automatic_index(node: &PlanNode) -> bool {
    node.text(ACCESS_PATH).is_some_and(|path| path.starts_with("AUTOMATIC"))
}

/// Whether an access finds one row at the most.
pub fn finds_one_row(node: &PlanNode) -> bool {
    node.node_type == SEARCH
        && node.text(ACCESS_PATH) == Some("INTEGER PRIMARY KEY")
        && node.text("Index Cond").is_some_and(|condition| condition.ends_with("=?"))
}

/// What nodes of the same purpose count as, wherever they differ in a detail.
pub fn class(node_type: &str) -> Option<&'static str> {
    (node_type.starts_with("USE TEMP B-TREE") && node_type.ends_with("ORDER BY")).then_some("temp b-tree for order")
}

/// The node in words: a covering index is another way to the rows than the same index with the table behind it.
pub fn kind(node: &PlanNode) -> Option<String> {
    is_access(node).then(|| {
        let covering = if is_covering(node) { "covering " } else { "" };
        format!("{covering}{}", node.node_type)
    })
}

/// Whether the index alone answers.
pub fn is_covering(node: &PlanNode) -> bool {
    node.fields.get(COVERING).and_then(Value::as_bool) == Some(true)
}

/// The lines as a plan. `sql` is the query: it says which table an alias means.
pub fn plan(lines: &[Line], sql: &str, schema: &Schema) -> QueryPlan {
    let resolver = Resolver::of(sql, schema, lines);
    let root =
        PlanNode { node_type: ROOT.to_owned(), fields: BTreeMap::new(), children: below(lines, 0, &[], &resolver) };
    QueryPlan { root: root.into(), settings: BTreeMap::new() }
}

/// Adds what an execution counted.
pub fn measured(mut plan: QueryPlan, steps: &Steps) -> QueryPlan {
    for (name, number) in [
        (VM_STEPS, steps.vm),
        ("Full Scan Steps", steps.full_scan),
        ("Sorts", steps.sorts),
        ("Automatic Index Rows", steps.automatic_indexes),
    ] {
        Arc::make_mut(&mut plan.root).fields.insert(name.into(), number.into());
    }
    plan
}

fn below(lines: &[Line], parent: i64, inside: &[&str], resolver: &Resolver<'_>) -> Vec<PlanNode> {
    let mut nodes = Vec::new();
    // A line stands behind its parent: whatever ids there are, nothing goes round in circles.
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.parent == parent) {
        let mut inside = inside.to_vec();
        inside.extend(made(&line.detail));
        nodes.push(PlanNode {
            children: below(&lines[at + 1..], line.id, &inside, resolver),
            ..node(line, &inside, resolver)
        });
    }
    nodes
}

/// Name of the rows that are made below a line: of a view, a subquery or a CTE.
fn made(detail: &str) -> Option<&str> {
    detail.strip_prefix("CO-ROUTINE ").or_else(|| detail.strip_prefix("MATERIALIZE "))
}

fn node(line: &Line, inside: &[&str], resolver: &Resolver<'_>) -> PlanNode {
    let detail = line.detail.as_str();
    let mut fields: BTreeMap<FieldName, Value> = BTreeMap::from([(DETAIL.into(), Value::from(detail))]);
    let verb =
        [SEARCH, SCAN].into_iter().find(|verb| detail.strip_prefix(verb).is_some_and(|rest| rest.starts_with(' ')));
    let Some(verb) = verb.filter(|_| !detail.trim_end_matches('S').ends_with("CONSTANT ROW")) else {
        if detail.contains("SUBQUERY ") && !detail.starts_with("LEFT-MOST") {
            fields.insert("Parent Relationship".into(), Value::from("SubPlan"));
        }
        return PlanNode { node_type: without_number(detail), fields, children: Vec::new() };
    };
    let access = Access::read(&detail[verb.len() + 1..], resolver.schema);
    let (alias, relation) = resolver.resolve(&access, inside);
    let mut set = |name: &'static str, value: Value| fields.insert(name.into(), value);
    let qualifier = quote_identifier_if_needed(&alias);
    if let Some(condition) = access.condition {
        set("Index Cond", Value::from(qualified(condition, &qualifier)));
    }
    set("Alias", Value::from(alias));
    if let Some(relation) = relation {
        set("Relation Name", Value::from(relation));
        set("Schema", Value::from(MAIN));
    }
    match access.path {
        Path::Index(name) => {
            set("Index Name", Value::from(name));
        }
        Path::Other(path) => {
            set(ACCESS_PATH, Value::from(path));
        }
        Path::Rows => {}
    }
    if access.covering {
        set(COVERING, Value::from(true));
    }
    if access.left_join {
        set("Join Type", Value::from("Left"));
    }
    PlanNode { node_type: verb.to_owned(), fields, children: Vec::new() }
}

/// Numbers of subqueries depend on what else was planned.
fn without_number(detail: &str) -> String {
    let (text, number) = detail.rsplit_once(' ').unwrap_or((detail, ""));
    if text.ends_with("SUBQUERY") && number.bytes().all(|digit| digit.is_ascii_digit()) {
        return text.to_owned();
    }
    match detail.split_once("(subquery-") {
        Some((before, behind)) => {
            let behind = behind.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}(subquery{behind}")
        }
        None => detail.to_owned(),
    }
}

/// How an access goes to its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path<'a> {
    /// Through the table itself, from end to end.
    Rows,
    /// Through an index of the schema.
    Index(&'a str),
    /// Through something else.
    Other(&'a str),
}

/// A line that reads something, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Access<'a> {
    /// The alias, or the name where it has none.
    item: &'a str,
    path: Path<'a>,
    covering: bool,
    /// What stands in parentheses.
    condition: Option<&'a str>,
    left_join: bool,
}

impl<'a> Access<'a> {
    /// Names are not quoted in it, whatever they are.
    fn read(text: &'a str, schema: &Schema) -> Self {
        let (text, left_join) = text.strip_suffix(" LEFT-JOIN").map_or((text, false), |text| (text, true));
        let none = Access { item: text, path: Path::Rows, covering: false, condition: None, left_join };
        let mut access = text
            .match_indices(" USING ")
            .find_map(|(at, using)| {
                let (path, covering, rest) = path(&text[at + using.len()..], schema)?;
                let condition = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
                Some(Access { item: &text[..at], path, covering, condition, left_join })
            })
            .or_else(|| {
                let at = text.find(" VIRTUAL TABLE INDEX ")?;
                Some(Access { item: &text[..at], path: Path::Other(&text[at + 1..]), ..none })
            })
            .unwrap_or(none);
        access.item = access.item.strip_suffix(" EXISTS").unwrap_or(access.item);
        access
    }
}

/// What stands behind `USING`: the way, whether it covers, and the rest of the line.
fn path<'a>(text: &'a str, schema: &Schema) -> Option<(Path<'a>, bool, &'a str)> {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(" (");
    for known in PATHS {
        if let Some(rest) = text.strip_prefix(known).filter(|rest| ends(rest)) {
            return Some((Path::Other(&text[..known.len()]), false, rest));
        }
    }
    let (name, covering) = match text.strip_prefix("COVERING INDEX ") {
        Some(name) => (name, true),
        None => (text.strip_prefix("INDEX ")?, false),
    };
    // An index may have a name with parentheses in it: the longest there is.
    let known = schema.indexes.keys().filter(|known| name.strip_prefix(known.as_str()).is_some_and(ends));
    let length = known.map(String::len).max().or_else(|| name.find(" (")).unwrap_or(name.len());
    Some((Path::Index(&name[..length]), covering, &name[length..]))
}

/// `customer_id=? AND status>?` with the alias in front of each column, so that a renamed one is known again.
fn qualified(condition: &str, alias: &str) -> String {
    let column = |name: &str| {
        format!("{alias}.{}", if name == "<expr>" { name.to_owned() } else { quote_identifier_if_needed(name) })
    };
    let term = |term: &str| -> String {
        if let Some(name) = term.strip_prefix("ANY(").and_then(|rest| rest.strip_suffix(')')) {
            return format!("ANY({})", column(name));
        }
        let Some(at) = term.rfind(['=', '<', '>']) else { return term.to_owned() };
        let (names, rest) = term.split_at(at);
        match names.strip_prefix('(').and_then(|names| names.strip_suffix(')')) {
            Some(names) => format!("({}){rest}", names.split(',').map(column).collect::<Vec<_>>().join(",")),
            None => format!("{}{rest}", column(names)),
        }
    };
    condition.split(" AND ").map(term).collect::<Vec<_>>().join(" AND ")
}
