//! Reads the nodes of plans under names that mean the same before and after.

use super::fingerprint::Access;
use super::names::Names;
use crate::snapshot::plan::expression::{Renaming, conjuncts, normalise};
use crate::snapshot::plan::{PlanNode, QueryPlan, RelationName, quote_identifier_if_needed, sqlite, total};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Shape,
    Strict,
}

/// Fields of a node that belong to the tree's shape.
const SHAPE_FIELDS: [&str; 7] =
    ["Join Type", "Strategy", "Partial Mode", "Operation", "Parallel Aware", "Command", "Scan Direction"];

/// Fields with expressions, besides the conditions every access has.
pub(super) const KEY_FIELDS: [&str; 13] = [
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Sort Key",
    "Presorted Key",
    "Group Key",
    "One-Time Filter",
    "Cache Key",
    "Run Condition",
    "Function Call",
    "Table Function Call",
    "Conflict Filter",
    "Grouping Sets",
];

/// Something a plan reads under one alias, partitions folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    /// Alias without its number, and the number: the order in which the server hands out aliases.
    order: (String, u64),
    alias: String,
    before: Option<RelationName>,
}

/// Reads the nodes of one plan.
pub(super) struct Reader<'a> {
    pub names: &'a Names,
    pub renaming: Renaming,
    /// Aliases of partitions.
    partitions: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// Of one plan by itself: a relation counts under its name before the run, numbered if it is read more than once.
    pub(super) fn alone(plan: &QueryPlan, names: &'a Names) -> Self {
        let (mut reader, sources) = Self::read(plan, names);
        let mut by_relation: BTreeMap<&RelationName, Vec<&Source>> = BTreeMap::new();
        for source in &sources {
            if let Some(before) = &source.before {
                by_relation.entry(before).or_default().push(source);
            }
        }
        let mut canonical = BTreeMap::new();
        for (relation, sources) in by_relation {
            for (position, source) in sources.iter().enumerate() {
                let number = if sources.len() > 1 { format!(" #{}", position + 1) } else { String::new() };
                canonical.insert(source.alias.clone(), format!("{}{number}", relation.qualified()));
            }
        }
        reader.rename(&canonical);
        reader
    }

    /// Of two plans of one query: what is the same counts under its alias before.
    pub(super) fn pair(
        (old_plan, old_names): (&QueryPlan, &'a Names),
        (new_plan, new_names): (&QueryPlan, &'a Names),
    ) -> (Self, Self) {
        let (old, mut old_sources) = Self::read(old_plan, old_names);
        let (mut new, mut new_sources) = Self::read(new_plan, new_names);
        let mut canonical = BTreeMap::new();
        // The surest first: same relation and alias, same relation, same alias.
        let same: [fn(&Source, &Source) -> bool; 3] = [
            |one, other| one.before == other.before && one.alias == other.alias,
            |one, other| one.before.is_some() && one.before == other.before,
            |one, other| one.alias == other.alias,
        ];
        for same in same {
            new_sources.retain(|new| match old_sources.iter().find(|old| same(old, new)).cloned() {
                Some(old) => {
                    old_sources.remove(&old);
                    canonical.insert(new.alias.clone(), old.alias);
                    false
                }
                None => true,
            });
        }
        for new in new_sources {
            if canonical.values().any(|taken| *taken == new.alias)
                || old_sources.iter().any(|old| old.alias == new.alias)
            {
                canonical.insert(new.alias.clone(), format!("{} (new)", new.alias));
            }
        }
        new.rename(&canonical);
        (old, new)
    }

    fn read(plan: &QueryPlan, names: &'a Names) -> (Self, BTreeSet<Source>) {
        let scans: Vec<&PlanNode> = plan.nodes().into_iter().filter(|node| reads(node)).collect();
        let own: BTreeSet<&str> = scans.iter().filter_map(|node| node.alias()).collect();
        let mut folded = BTreeMap::new();
        fold_partitions(&plan.root, false, names, &own, &mut folded);
        let mut renaming = Renaming::default();
        let mut sources = BTreeSet::new();
        for scan in scans {
            let Some(alias) = scan.alias() else { continue };
            let counts_as = folded.get(alias).cloned().unwrap_or_else(|| alias.to_owned());
            let relation = scan.relation_name();
            if let Some(columns) = relation.as_ref().and_then(|relation| names.columns(relation)) {
                renaming.columns.insert(alias.to_owned(), columns.clone());
            }
            renaming.aliases.insert(alias.to_owned(), counts_as.clone());
            let before = relation.and_then(|relation| names.before(&relation).cloned());
            sources.insert(Source { order: numbered(&counts_as), alias: counts_as, before });
        }
        // Partitions that some catalog does not know, beside some it does: one alias is one source.
        let mut seen = BTreeSet::new();
        let mut sources: Vec<Source> = sources.into_iter().collect();
        sources.sort_by_key(|source| source.before.is_none());
        let sources = sources.into_iter().filter(|source| seen.insert(source.alias.clone())).collect();
        (Self { names, renaming, partitions: folded.into_keys().collect() }, sources)
    }

    fn rename(&mut self, canonical: &BTreeMap<String, String>) {
        for alias in self.renaming.aliases.values_mut() {
            if let Some(name) = canonical.get(alias) {
                alias.clone_from(name);
            }
        }
    }

    /// What a scan counts as; `None` for nodes that are no scans.
    pub(super) fn alias(&self, node: &PlanNode) -> Option<String> {
        let alias = node.alias().filter(|_| reads(node))?;
        Some(self.renaming.aliases.get(alias).cloned().unwrap_or_else(|| alias.to_owned()))
    }

    /// Whether the node scans one of several partitions.
    pub(super) fn is_partition(&self, node: &PlanNode) -> bool {
        reads(node) && node.alias().is_some_and(|alias| self.partitions.contains(alias))
    }

    pub(super) fn accesses(&self, plan: &QueryPlan) -> Vec<Access> {
        plan.nodes().into_iter().filter_map(|node| self.access(node)).collect()
    }

    fn access(&self, node: &PlanNode) -> Option<Access> {
        let alias = self.alias(node)?;
        let indexes = bitmap_indexes(node);
        let used = indexes.iter().filter_map(|index| index.index_name()).map(quote_identifier_if_needed);
        let used: Vec<String> = used.collect();
        let direction = if is_backward(node) { " Backward" } else { "" };
        let using = if used.is_empty() { String::new() } else { format!(" using {}", used.join(", ")) };
        let relation = node.relation_name();
        let before = relation.as_ref().map(|relation| self.names.before(relation).unwrap_or(relation).qualified());
        Some(Access {
            relation: relation.map(|relation| self.names.known_as(&relation).qualified()),
            relation_before: before,
            access: self.signature(node),
            title: sqlite_title(node).unwrap_or_else(|| format!("{}{direction}{using}", node.node_type)),
            indexes: indexes.iter().filter_map(|index| self.definition(node, index)).collect(),
            // A scan's children are its bitmaps, or subplans that are scans of their own.
            buffers: total(
                node.own_buffers()
                    .into_iter()
                    .chain(node.children.iter().filter(|child| is_bitmap_part(child)).filter_map(PlanNode::buffers)),
            ),
            alias,
        })
    }

    /// Kind of scan, index definitions, direction, conditions the index answers and those left over.
    fn signature(&self, node: &PlanNode) -> String {
        let mut text = node.node_type.clone();
        if is_backward(node) {
            text.push_str(" Backward");
        }
        let mut used: Vec<String> = bitmap_indexes(node)
            .into_iter()
            .filter_map(|index| {
                let definition = self.definition(node, index)?;
                Some(format!("{definition} [{}]", self.conditions(index, &["Index Cond", "Order By"])))
            })
            .collect();
        used.sort();
        let _infallible = write!(
            text,
            " using {} tid [{}] filter [{}]",
            used.join(" + "),
            self.conditions(node, &["TID Cond"]),
            self.conditions(node, &["Filter"])
        );
        if sqlite::is_covering(node) {
            text.push_str(" covering");
        }
        if let Some(path) = node.text(sqlite::ACCESS_PATH) {
            let _infallible = write!(text, " by {path} [{}]", self.conditions(node, &["Index Cond"]));
        }
        text
    }

    /// Definition of an index that a scan, or a bitmap below it, reads.
    pub(super) fn definition(&self, scan: &PlanNode, index: &PlanNode) -> Option<String> {
        let schema = scan.relation_name().map_or_else(String::new, |relation| relation.schema);
        Some(self.names.definition(&RelationName::new(&schema, index.index_name()?)))
    }

    fn conditions(&self, node: &PlanNode, fields: &[&str]) -> String {
        let lists = fields.iter().filter_map(|field| node.list(field));
        lists.flat_map(|expression| conjuncts(&expression, &self.renaming)).collect::<Vec<_>>().join("; ")
    }

    /// An expression for comparing it with one of the other plan. Which side of `=` is which follows from the order of
    /// a join, and says nothing by itself.
    pub(super) fn comparable(&self, field: &str, expression: &str) -> String {
        match field {
            "Hash Cond" | "Merge Cond" | "Join Filter" | "Index Cond" | "Filter" | "Recheck Cond" => {
                let mut parts: Vec<String> =
                    conjuncts(expression, &self.renaming).iter().map(|part| turned(part)).collect();
                parts.sort();
                parts.join("; ")
            }
            _ => normalise(expression, &self.renaming),
        }
    }

    /// One node of the tree by itself, at one level.
    pub(super) fn node(&self, node: &PlanNode, level: Level) -> String {
        let mut text = match self.alias(node) {
            Some(alias) => format!("{alias}: {}", self.signature(node)),
            None => node.node_type.clone(),
        };
        for field in SHAPE_FIELDS {
            if let Some(value) = node.fields.get(field) {
                let _infallible = write!(text, " {field}={value}");
            }
        }
        if let Some(name) = node.text("Subplan Name") {
            // Numbers of subplans shift when another one comes or goes.
            let kind: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
            let _infallible = write!(text, " {kind}");
        }
        if node.node_type == "ModifyTable"
            && let Some(relation) = node.relation_name()
        {
            let _infallible = write!(text, " {}", self.names.before(&relation).unwrap_or(&relation).qualified());
        }
        if level == Level::Strict {
            for field in KEY_FIELDS {
                if let Some(expression) = node.list(field) {
                    let _infallible = write!(text, " {field}={}", self.comparable(field, &expression));
                }
            }
        }
        text
    }

    pub(super) fn tree(&self, node: &PlanNode, parent: Option<&PlanNode>, level: Level) -> String {
        // Parts of a bitmap scan are in the scan's own signature.
        if parent.is_some() && is_bitmap_part(node) {
            return String::new();
        }
        let below: String = node.children.iter().map(|child| self.tree(child, Some(node), level)).collect();
        let place = node.text("Parent Relationship").unwrap_or_default();
        format!("({place} {}{below})", self.node(node, level))
    }
}

/// Kind of scan and what it goes through, of SQLite.
fn sqlite_title(node: &PlanNode) -> Option<String> {
    let kind = sqlite::kind(node)?;
    let way = node.index_name().map(quote_identifier_if_needed);
    let way = way.or_else(|| node.text(sqlite::ACCESS_PATH).map(str::to_owned));
    Some(way.map_or_else(|| kind.clone(), |way| format!("{kind} using {way}")))
}

/// `a = b` with its sides in one fixed order, where both are plain names.
fn turned(part: &str) -> String {
    let bare = part.strip_prefix('(').and_then(|part| part.strip_suffix(')')).unwrap_or(part);
    match bare.split_once(" = ") {
        Some((left, right)) if left > right && !bare.contains(['(', '?']) && !right.contains(" = ") => {
            format!("{right} = {left}")
        }
        _ => bare.to_owned(),
    }
}

/// `orders_12` as `orders` and 12.
fn numbered(alias: &str) -> (String, u64) {
    let parts = alias.rsplit_once('_').and_then(|(stem, number)| Some((stem, number.parse::<u64>().ok()?)));
    parts.map_or_else(|| (alias.to_owned(), 0), |(stem, number)| (stem.to_owned(), number))
}

fn is_backward(node: &PlanNode) -> bool {
    node.text("Scan Direction") == Some("Backward")
}

/// Whether the node reads something under an alias of its own. A ModifyTable names its target, which the scan below it
/// reads; a Subquery Scan reads nothing itself.
pub(super) fn reads(node: &PlanNode) -> bool {
    sqlite::is_access(node)
        || node.node_type.ends_with("Scan") && !is_bitmap_part(node) && node.node_type != "Subquery Scan"
}

/// `Bitmap Index Scan`, `BitmapAnd`, `BitmapOr`.
pub(super) fn is_bitmap_part(node: &PlanNode) -> bool {
    matches!(node.node_type.as_str(), "Bitmap Index Scan" | "BitmapAnd" | "BitmapOr")
}

/// The nodes that carry the indexes of a scan: itself, or those of its bitmaps.
pub(super) fn bitmap_indexes(node: &PlanNode) -> Vec<&PlanNode> {
    if node.index_name().is_some() {
        return vec![node];
    }
    node.children.iter().filter(|child| is_bitmap_part(child)).flat_map(bitmap_indexes).collect()
}

/// Whether the node puts the rows of several plans one after the other.
pub(super) fn is_append(node: &PlanNode) -> bool {
    matches!(node.node_type.as_str(), "Append" | "Merge Append")
}

/// Partitions are scanned below an Append under their parent's alias with a number. A table that a UNION reads twice
/// looks the same, but its alias is there without a number too.
fn fold_partitions(
    node: &PlanNode,
    below_append: bool,
    names: &Names,
    own: &BTreeSet<&str>,
    folded: &mut BTreeMap<String, String>,
) {
    if below_append
        && reads(node)
        && let Some(alias) = node.alias()
        && let Some((parent, number)) = alias.rsplit_once('_')
        && !number.is_empty()
        && number.bytes().all(|digit| digit.is_ascii_digit())
        && !own.contains(parent)
        && node.relation_name().and_then(|relation| names.inherits(&relation)) != Some(false)
    {
        folded.insert(alias.to_owned(), parent.to_owned());
    }
    for child in &node.children {
        fold_partitions(child, below_append || is_append(node), names, own, folded);
    }
}
