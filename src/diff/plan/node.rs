//! One node of a plan in words: what it is, what it tests, what it did.

use super::align::Line;
use super::reader::{KEY_FIELDS, Reader, bitmap_indexes, is_bitmap_part};
use crate::snapshot::plan::expression::mask;
use crate::snapshot::plan::{PlanNode, quote_identifier_if_needed, sqlite, total};
use serde_json::Value;
use std::fmt::Write as _;

/// What the node does, in EXPLAIN's words.
pub(super) fn label(line: &Line<'_>, reader: &Reader<'_>) -> String {
    let node = line.node();
    let mut text = match node.text("Subplan Name") {
        Some(name) => format!("{name}: "),
        None => String::new(),
    };
    text.push_str(&kind(node));
    let names = index_names(node, line.nodes.len() > 1, reader);
    if !names.is_empty() {
        let _infallible = write!(text, " using {}", names.join(", "));
    }
    if line.nodes.len() > 1 {
        let _infallible = write!(text, " on {} partitions", line.nodes.len());
        if let Some(table) = table(node, reader) {
            let _infallible = write!(text, " of {table}");
        }
        return text;
    }
    let name = node.relation().or_else(|| node.text("CTE Name").map(str::to_owned));
    match (name, node.alias()) {
        (Some(name), Some(alias)) if node.text("Relation Name") != Some(alias) && name != alias => {
            let _infallible = write!(text, " on {name} {alias}");
        }
        (Some(name), _) => {
            let _infallible = write!(text, " on {name}");
        }
        (None, Some(alias)) => {
            let _infallible = write!(text, " on {alias}");
        }
        (None, None) => {}
    }
    text
}

/// The table people know the node to read: of a partition the topmost parent, or its alias where that is unknown.
pub(super) fn table(node: &PlanNode, reader: &Reader<'_>) -> Option<String> {
    let relation = node.relation_name()?;
    match reader.names.before(&relation) {
        None if reader.is_partition(node) => reader.alias(node),
        _ => Some(reader.names.known_as(&relation).qualified()),
    }
}

/// The type of the node as EXPLAIN's text names it: `Parallel Seq Scan`, `Partial HashAggregate`, `Hash Left Join`.
pub(super) fn kind(node: &PlanNode) -> String {
    if let Some(kind) = sqlite::kind(node) {
        return if node.text("Join Type") == Some("Left") { format!("{kind} LEFT-JOIN") } else { kind };
    }
    let mut text = String::new();
    if node.fields.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        text.push_str("Parallel ");
    }
    if let Some(mode @ ("Partial" | "Finalize")) = node.text("Partial Mode") {
        let _infallible = write!(text, "{mode} ");
    }
    match (node.node_type.as_str(), node.text("Operation"), node.text("Join Type"), node.text("Strategy")) {
        ("ModifyTable", Some(operation), ..) => text.push_str(operation),
        ("Nested Loop", _, Some(join), _) if join != "Inner" => {
            let _infallible = write!(text, "Nested Loop {join} Join");
        }
        (kind, _, Some(join), _) if join != "Inner" => {
            let _infallible = write!(text, "{} {join} Join", kind.trim_end_matches(" Join"));
        }
        ("Aggregate", .., Some("Hashed")) => text.push_str("HashAggregate"),
        ("Aggregate", .., Some("Sorted")) => text.push_str("GroupAggregate"),
        ("Aggregate", .., Some("Mixed")) => text.push_str("MixedAggregate"),
        (kind, ..) => text.push_str(kind),
    }
    if node.text("Scan Direction") == Some("Backward") {
        text.push_str(" Backward");
    }
    if let Some(command) = node.text("Command") {
        let _infallible = write!(text, " {command}");
    }
    text
}

/// Names of the indexes it reads; for partitions their definitions, as each has a name of its own.
pub(super) fn index_names(node: &PlanNode, partitions: bool, reader: &Reader<'_>) -> Vec<String> {
    let name = |index: &PlanNode| {
        if partitions {
            reader.definition(node, index).map(|definition| mask(&definition))
        } else {
            index.index_name().map(quote_identifier_if_needed)
        }
    };
    let mut names: Vec<String> = bitmap_indexes(node).into_iter().filter_map(name).collect();
    if names.is_empty() {
        names.extend(node.text(sqlite::ACCESS_PATH).map(str::to_owned));
    }
    names
}

/// One condition or order: its name, the text to show and a form to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub name: &'static str,
    pub shown: String,
    pub comparable: String,
}

/// What it tests and orders by; `definitions` adds what its indexes are.
pub(super) fn conditions(line: &Line<'_>, reader: &Reader<'_>, definitions: bool) -> Vec<Condition> {
    const OWN: [&str; 3] = ["Order By", "TID Cond", "Filter"];
    let node = line.node();
    let indexes = bitmap_indexes(node);
    let of_indexes = indexes.iter().flat_map(|index| {
        let definition = reader.definition(node, index).filter(|_| definitions);
        let definition = definition.map(|definition| ("Index", mask(&definition)));
        let condition = index.list("Index Cond").map(|condition| ("Index Cond", condition));
        definition.into_iter().chain(condition)
    });
    // Ways of SQLite to a row without an index of the schema.
    let by_path = indexes.is_empty().then(|| node.list("Index Cond")).flatten();
    let of_indexes = of_indexes.chain(by_path.map(|condition| ("Index Cond", condition)));
    let own = OWN.iter().chain(&KEY_FIELDS).filter_map(|field| Some((*field, node.list(field)?)));
    let conditions = of_indexes.chain(own).map(|(name, shown)| {
        // A definition is in one form already.
        let comparable = if name == "Index" { shown.clone() } else { reader.comparable(name, &shown) };
        Condition { name, shown, comparable }
    });
    conditions.collect()
}

/// Blocks of the line itself, without those below it; of SQLite the VM steps of the whole execution, which are its root's.
pub(super) fn own_blocks(line: &Line<'_>) -> u64 {
    let bitmaps = |node: &PlanNode| {
        total(node.children.iter().filter(|child| is_bitmap_part(child)).filter_map(PlanNode::buffers))
    };
    let own = |node: &PlanNode| node.own_buffers().or_else(|| steps(node)).unwrap_or_default();
    total(line.nodes.iter().flat_map(|node| [own(node), bitmaps(node)]))
}

/// What SQLite counted.
pub(super) fn steps(node: &PlanNode) -> Option<u64> {
    node.fields.get(sqlite::VM_STEPS)?.as_u64()
}

/// What a node counts of one kind.
type Count = fn(&PlanNode) -> Option<u64>;

/// Rows and blocks, `before → after` where they differ.
pub(super) fn numbers(before: Option<&Line<'_>>, after: &Line<'_>) -> String {
    let mut text = String::new();
    let now = Rows::of(after);
    let was = before.map(Rows::of);
    let executed = now.measured && was.as_ref().is_none_or(|was| was.measured);
    // SQLite neither counts nor estimates rows.
    let told = after.nodes.iter().any(|node| node.number("Plan Rows").is_some() || node.actual_rows().is_some());
    let name = if executed { "rows" } else { "estimated rows" };
    let now_text = now.shown(executed);
    match was.filter(|was| !was.may_equal(&now, executed)) {
        _ if !told => {}
        Some(was) => {
            let _infallible = write!(text, "  {name}={} → {now_text}", was.shown(executed));
        }
        None => {
            let _infallible = write!(text, "  {name}={now_text}");
        }
    }
    if let Some(estimate) = now.misestimate(after.cut_short).filter(|_| executed && told) {
        let _infallible = write!(text, " (estimated {})", grouped(estimate));
    }
    let sum = |line: &Line<'_>, of: Count| {
        let blocks: Vec<u64> = line.nodes.iter().filter_map(|node| of(node)).collect();
        (!blocks.is_empty()).then(|| total(blocks))
    };
    let counted: [(&str, Count); 3] =
        [("blocks", PlanNode::buffers), ("temp", PlanNode::temp_blocks), ("VM steps", steps)];
    for (name, of) in counted {
        let was = before.map(|before| sum(before, of));
        match (was, sum(after, of)) {
            (Some(Some(0)) | None, Some(0)) if name == "temp" => {}
            (Some(Some(was)), Some(now)) if was != now => {
                let _infallible = write!(text, "  {name}={} → {}", grouped(was), grouped(now));
            }
            (_, Some(now)) => {
                let _infallible = write!(text, "  {name}={}", grouped(now));
            }
            _ => {}
        }
    }
    let fetches = |node: &PlanNode| node.number("Heap Fetches").map(|fetches| fetches as u64);
    // What an index alone cannot answer while the visibility map is behind.
    if let (Some(was), Some(now)) = (before.and_then(|before| sum(before, fetches)), sum(after, fetches))
        && was != now
    {
        let _infallible = write!(text, "  heap fetches={} → {}", grouped(was), grouped(now));
    }
    text
}

/// Rows of all loops together: as estimated, and as they were, where it was run.
pub(super) fn row_counts(line: &Line<'_>) -> (f64, Option<String>) {
    let rows = Rows::of(line);
    if rows.measured { (rows.estimated_for_loops, Some(rows.shown(true))) } else { (rows.estimated, None) }
}

/// Rows of all loops together.
struct Rows {
    measured: bool,
    never_run: bool,
    actual: f64,
    /// The server gives an average of the loops, rounded: this many rows more or less are possible.
    blur: f64,
    estimated: f64,
    /// What the estimate is of: the plan's rows for each loop.
    estimated_for_loops: f64,
}

impl Rows {
    fn of(line: &Line<'_>) -> Self {
        let mut rows =
            Self { measured: true, never_run: true, actual: 0.0, blur: 0.0, estimated: 0.0, estimated_for_loops: 0.0 };
        for node in &line.nodes {
            rows.estimated += node.plan_rows();
            match (node.actual_rows(), node.actual_loops()) {
                (Some(average), Some(loops)) => {
                    rows.never_run &= loops == 0.0;
                    rows.actual += average * loops;
                    rows.estimated_for_loops += node.plan_rows() * loops;
                    // Two decimals since 18, whole numbers before.
                    let decimal = node.fields.get("Actual Rows").is_some_and(Value::is_f64);
                    rows.blur += if loops > 1.0 { loops * if decimal { 0.005 } else { 0.5 } } else { 0.0 };
                }
                _ => rows.measured = false,
            }
        }
        rows
    }

    fn may_equal(&self, other: &Self, executed: bool) -> bool {
        if executed {
            self.never_run == other.never_run && (self.actual - other.actual).abs() <= (self.blur + other.blur).max(0.5)
        } else {
            self.estimated.round() == other.estimated.round()
        }
    }

    fn shown(&self, executed: bool) -> String {
        match (executed, self.never_run) {
            (false, _) => grouped(self.estimated.round() as u64),
            (true, true) => "never run".to_owned(),
            // An average rounded to nothing says how many there can have been at most.
            (true, false) if self.actual == 0.0 && self.blur >= 0.5 => format!("≤{}", grouped(self.blur as u64)),
            (true, false) => {
                let about = if self.blur >= 0.5 { "≈" } else { "" };
                format!("{about}{}", grouped(self.actual.round() as u64))
            }
        }
    }

    /// The estimate, where it is off by ten times or more.
    fn misestimate(&self, cut_short: bool) -> Option<u64> {
        let (estimated, actual) = (self.estimated_for_loops, self.actual);
        let (low, high) = ((actual - self.blur).max(1.0), (actual + self.blur).max(1.0));
        let too_low = estimated.max(1.0) * 10.0 <= low;
        let too_high = estimated >= high * 10.0 && !cut_short;
        (self.measured && !self.never_run && (too_low || too_high)).then_some(estimated.round() as u64)
    }
}

/// `17617` as `17,617`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
