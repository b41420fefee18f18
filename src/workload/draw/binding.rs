//! What each parameter is compared with, from the conditions of a generic plan: there the server has resolved names,
//! inlined views and moved conditions to the tables they are about.
//!
//! Conditions are taken from EXPLAIN with `VERBOSE`, where every column has its table's alias and every operator its
//! own pair of parentheses.

use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::snapshot::plan::{PlanNode, QueryPlan, RelationName};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How a parameter is compared with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `=`, `<>`, `IS DISTINCT FROM`.
    Equal,
    /// `= ANY ($n)`: an array of values.
    Any,
    /// The column is more than the parameter: `>`, `>=`.
    Above,
    /// The column is less than the parameter: `<`, `<=`.
    Below,
    /// `LIKE`, `ILIKE`.
    Like,
}

/// A parameter and the column it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The number after the dollar sign.
    pub parameter: usize,
    /// How.
    pub comparison: Comparison,
    /// The table, or the partition.
    pub relation: RelationName,
    /// Unquoted.
    pub column: String,
    /// What the condition does to the column: text before and after it, as in `lower(` and `)`. Both are empty for the
    /// column itself.
    pub around: (String, String),
}

/// Every comparison of a parameter with exactly one column, each once, in order of parameters.
///
/// A number that is also a subplan's result, as PostgreSQL up to 16 shows them, stands for neither.
pub fn bindings(plan: &QueryPlan) -> Vec<Binding> {
    let nodes = plan.nodes();
    let aliases: BTreeMap<&str, RelationName> =
        nodes.iter().filter_map(|node| Some((node.alias()?, node.relation_name()?))).collect();
    let taken: BTreeSet<usize> = nodes.iter().flat_map(|node| returned(node)).collect();
    let mut found = BTreeSet::new();
    for condition in nodes.iter().flat_map(|node| conditions(node)) {
        for compared in comparisons(&condition) {
            if let Some(relation) = aliases.get(compared.alias.as_str())
                && !taken.contains(&compared.parameter)
            {
                found.insert(Binding {
                    parameter: compared.parameter,
                    comparison: compared.comparison,
                    relation: relation.clone(),
                    column: compared.column,
                    around: compared.around,
                });
            }
        }
    }
    found.into_iter().collect()
}

fn conditions(node: &PlanNode) -> Vec<String> {
    let fields = node.fields.keys().filter(|field| field.ends_with(" Cond") || field.ends_with("Filter"));
    fields.filter_map(|field| node.list(field)).collect()
}

/// Numbers in `InitPlan 1 (returns $0,$1)`.
fn returned(node: &PlanNode) -> Vec<usize> {
    let name = node.text("Subplan Name").unwrap_or_default();
    let Some((_, list)) = name.split_once("(returns ") else { return Vec::new() };
    list.split(['$', ',', ')']).filter_map(|number| number.parse().ok()).collect()
}

/// A comparison as a condition has it.
#[derive(Debug, PartialEq, Eq)]
struct Compared {
    parameter: usize,
    comparison: Comparison,
    alias: String,
    column: String,
    around: (String, String),
}

fn comparisons(condition: &str) -> Vec<Compared> {
    let mut tokens = tokens(condition).into_iter().peekable();
    let parts = group(&mut tokens);
    let mut found = Vec::new();
    walk(condition, &parts, &mut found);
    found
}

/// A token that means something, or what stands between brackets.
#[derive(Debug)]
struct Part {
    span: Range<usize>,
    kind: TokenKind,
    /// What a bracket encloses; `None` for a token.
    inner: Option<Vec<Part>>,
}

impl Part {
    fn is(&self, text: &str, what: &str) -> bool {
        self.inner.is_none() && &text[self.span.clone()] == what
    }
}

fn tokens(text: &str) -> Vec<(TokenKind, Range<usize>, char)> {
    let meaningful = Lexer::new(text).filter(|token| !token.kind.is_trivia());
    meaningful
        .map(|token| {
            let first = text[token.span.clone()].chars().next().unwrap_or_default();
            (token.kind, token.span, if token.kind == TokenKind::Punctuation { first } else { ' ' })
        })
        .collect()
}

fn group(tokens: &mut std::iter::Peekable<std::vec::IntoIter<(TokenKind, Range<usize>, char)>>) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some((kind, span, bracket)) = tokens.next_if(|(_, _, bracket)| !matches!(bracket, ')' | ']')) {
        if !matches!(bracket, '(' | '[') {
            parts.push(Part { span, kind, inner: None });
            continue;
        }
        let inner = group(tokens);
        let end = tokens.next().map_or(span.end, |(_, closing, _)| closing.end);
        parts.push(Part { span: span.start..end, kind, inner: Some(inner) });
    }
    parts
}

fn walk(text: &str, parts: &[Part], found: &mut Vec<Compared>) {
    for term in parts.split(|part| ["AND", "OR", "NOT"].iter().any(|word| part.is(text, word))) {
        if let Some(at) = term.iter().position(|part| part.kind == TokenKind::Operator) {
            let operator = &text[term[at].span.clone()];
            let (left, right) = (&term[..at], &term[at + 1..]);
            found.extend(compare(text, left, operator, right));
        } else if let Some(at) = term
            .windows(3)
            .position(|three| three[0].is(text, "IS") && three[1].is(text, "DISTINCT") && three[2].is(text, "FROM"))
        {
            found.extend(compare(text, &term[..at], "=", &term[at + 3..]));
        }
        for part in term {
            walk(text, part.inner.as_deref().unwrap_or_default(), found);
        }
    }
}

fn compare(text: &str, left: &[Part], operator: &str, right: &[Part]) -> Vec<Compared> {
    let (comparison, turned) = match operator {
        "=" | "<>" => (Comparison::Equal, Some(Comparison::Equal)),
        ">" | ">=" => (Comparison::Above, Some(Comparison::Below)),
        "<" | "<=" => (Comparison::Below, Some(Comparison::Above)),
        "~~" | "~~*" | "!~~" | "!~~*" => (Comparison::Like, None),
        _ => return Vec::new(),
    };
    let bound = |parameter, comparison, parts: &[Part]| {
        let (alias, column, around) = column(text, parts)?;
        Some(Compared { parameter, comparison, alias, column, around })
    };
    if let [word, list, ..] = right
        && (word.is(text, "ANY") || word.is(text, "ALL"))
        && comparison == Comparison::Equal
    {
        let inner = list.inner.as_deref().unwrap_or_default();
        if let Some(number) = parameter(text, inner) {
            return bound(number, Comparison::Any, left).into_iter().collect();
        }
        // ARRAY[$1, $2], perhaps with a cast behind it: what IN ($1, $2) becomes.
        let [array, elements, ..] = inner else { return Vec::new() };
        if !array.is(text, "ARRAY") {
            return Vec::new();
        }
        let elements = elements.inner.as_deref().unwrap_or_default();
        let numbers = elements.split(|part| part.is(text, ",")).filter_map(|element| parameter(text, element));
        return numbers.filter_map(|number| bound(number, comparison, left)).collect();
    }
    if let Some(number) = parameter(text, right) {
        return bound(number, comparison, left).into_iter().collect();
    }
    match (parameter(text, left), turned) {
        (Some(number), Some(turned)) => bound(number, turned, right).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The number of `$1`, `($1)::text`, `lower($1)`: something that takes the column's own values as they are.
fn parameter(text: &str, parts: &[Part]) -> Option<usize> {
    let uncast = parts.split(|part| part.is(text, "::")).next()?;
    match uncast {
        [one] if one.kind == TokenKind::Parameter => text[one.span.clone()].strip_prefix('$')?.parse().ok(),
        [one] => parameter(text, one.inner.as_deref()?),
        [function, argument] if function.is(text, "lower") || function.is(text, "upper") => {
            parameter(text, argument.inner.as_deref()?)
        }
        _ => None,
    }
}

/// Alias and name of the only column, and what stands around it.
fn column(text: &str, parts: &[Part]) -> Option<(String, String, (String, String))> {
    let whole = parts.first()?.span.start..parts.last()?.span.end;
    let mut columns = Vec::new();
    let mut parameters = false;
    collect(text, parts, &mut columns, &mut parameters);
    let [(alias, column, span)] = columns.as_slice() else { return None };
    if parameters {
        return None;
    }
    let before = text[whole.start..span.start].to_owned();
    let after = text[span.end..whole.end].to_owned();
    Some((alias.clone(), column.clone(), (before, after)))
}

fn collect(text: &str, parts: &[Part], columns: &mut Vec<(String, String, Range<usize>)>, parameters: &mut bool) {
    let is_name =
        |part: &Part| part.inner.is_none() && matches!(part.kind, TokenKind::Word | TokenKind::QuotedIdentifier);
    let mut at = 0;
    while at < parts.len() {
        let part = &parts[at];
        *parameters |= part.kind == TokenKind::Parameter;
        let qualified = parts.get(at + 2).is_some_and(is_name) && parts[at + 1].is(text, ".") && is_name(part);
        // A name before parentheses is a function's, one behind a cast a type's.
        let called = parts.get(at + 3).is_some_and(|next| next.inner.is_some());
        let cast = at > 0 && parts[at - 1].is(text, "::");
        if qualified {
            if !called && !cast {
                let name = |part: &Part| unquoted(&text[part.span.clone()]);
                columns.push((name(part), name(&parts[at + 2]), part.span.start..parts[at + 2].span.end));
            }
            at += 3;
            continue;
        }
        collect(text, part.inner.as_deref().unwrap_or_default(), columns, parameters);
        at += 1;
    }
}

fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(condition: &str) -> Vec<String> {
        let show = |one: Compared| {
            let (before, after) = one.around;
            format!("${} {:?} {before}<{}|{}>{after}", one.parameter, one.comparison, one.alias, one.column)
        };
        comparisons(condition).into_iter().map(show).collect()
    }

    #[test]
    fn a_parameter_is_bound_to_the_column_on_the_other_side() {
        assert_eq!(told("(orders.customer_id = $1)"), ["$1 Equal <orders|customer_id>"]);
        assert_eq!(told("($2 < o.created)"), ["$2 Above <o|created>"]);
        assert_eq!(told("((o.a >= $1) AND (o.a < $2))"), ["$1 Above <o|a>", "$2 Below <o|a>"]);
        assert_eq!(told("(o.id = ANY ($1))"), ["$1 Any <o|id>"]);
        assert_eq!(told("(o.s = ANY (ARRAY[$1, ($2)::text, 'x'::text]))"), ["$1 Equal <o|s>", "$2 Equal <o|s>"]);
        assert_eq!(told("((o.name ~~ $1) OR ($1 IS NULL))"), ["$1 Like <o|name>"]);
        assert_eq!(told("(NOT (o.s IS DISTINCT FROM $3))"), ["$3 Equal <o|s>"]);
    }

    #[test]
    fn casts_and_functions_around_a_column_are_kept() {
        assert_eq!(told("((u.email)::text = $1)"), ["$1 Equal (<u|email>)::text"]);
        assert_eq!(told("(lower((u.email)::text) = lower($1))"), ["$1 Equal lower((<u|email>)::text)"]);
        assert_eq!(told("((t.data ->> 'k'::text) = $1)"), ["$1 Equal (<t|data> ->> 'k'::text)"]);
    }

    #[test]
    fn odd_names_are_read_as_they_are_quoted() {
        assert_eq!(told("(\"We\"\"ird (t)\".\"Überall = $9\" = $1)"), ["$1 Equal <We\"ird (t)|Überall = $9>"]);
        assert_eq!(told("(t.s = ') AND (t.x = $4'::text)"), [""; 0]);
    }

    #[test]
    fn what_cannot_be_told_is_bound_to_nothing() {
        for condition in [
            "(t.at > (now() - $1))",
            "((t.a + t.b) = $1)",
            "(t.tags @> $1)",
            "(ROW(t.a, t.b) < ROW($1, $2))",
            "($1 IS NULL)",
            "(t.a = ($1 + 1))",
            "(t.a = (",
            "",
        ] {
            assert_eq!(told(condition), [""; 0], "{condition}");
        }
    }
}
