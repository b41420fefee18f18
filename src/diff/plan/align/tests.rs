use super::*;
use crate::diff::plan::names::Names;
use crate::snapshot::plan::QueryPlan;
use proptest::prelude::*;
use serde_json::{Value, json};

fn plan(root: &Value) -> QueryPlan {
    QueryPlan::from_explain_json(&json!([{ "Plan": root }]).to_string()).expect("a plan")
}

fn scan(kind: &str, alias: &str) -> Value {
    json!({ "Node Type": kind, "Alias": alias, "Relation Name": alias })
}

fn above(kind: &str, children: &[Value]) -> Value {
    json!({ "Node Type": kind, "Plans": children })
}

/// Keys before and after of every row.
fn aligned(before: &Value, after: &Value) -> Vec<(Option<String>, Option<String>)> {
    let (before, after, names) = (plan(before), plan(after), Names::default());
    let (one, other) = Reader::pair((&before, &names), (&after, &names));
    let (old, new) = (lines(&before.root, &one), lines(&after.root, &other));
    let rows = rows(&old, &new, &Alignment::of(&old, &new));
    let key = |lines: &[Line<'_>], at: Option<usize>| at.map(|at| lines[at].key.clone());
    rows.iter().map(|row| (key(&old, row.before), key(&new, row.after))).collect()
}

fn both(key: &str) -> (Option<String>, Option<String>) {
    (Some(key.to_owned()), Some(key.to_owned()))
}

#[test]
fn a_join_done_otherwise_aligns_and_a_new_node_stands_alone() {
    let before = above("Nested Loop", &[scan("Seq Scan", "a"), scan("Index Scan", "b")]);
    let hashed = above("Hash", &[scan("Seq Scan", "b")]);
    let after = above("Sort", &[above("Hash Join", &[scan("Seq Scan", "a"), hashed])]);
    let sort = (None, Some("sort of a, b".to_owned()));
    assert_eq!(aligned(&before, &after), [sort, both("join of a, b"), both("scan of a"), both("scan of b")]);
}

#[test]
fn a_join_turned_round_matches_every_node() {
    let [a, b, c] = ["a", "b", "c"].map(|alias| scan("Seq Scan", alias));
    let before =
        above("Hash Join", &[above("Hash Join", &[a.clone(), b.clone()]), above("Hash", std::slice::from_ref(&c))]);
    let after = above("Nested Loop", &[c, above("Hash Join", &[b, above("Hash", &[a])])]);
    let keys = ["join of a, b, c", "scan of c", "join of a, b", "scan of b", "scan of a"];
    assert_eq!(aligned(&before, &after), keys.map(both));
}

#[test]
fn what_went_is_shown_where_it_was() {
    let [a, b] = ["a", "b"].map(|alias| scan("Seq Scan", alias));
    let join = |left: Value, right: Value| above("Nested Loop", &[left, right]);
    let before = above("Limit", &[above("Sort", &[join(a.clone(), above("Materialize", std::slice::from_ref(&b)))])]);
    let gone = |key: &str| (Some(key.to_owned()), None);
    let expected = [
        both("Limit of a, b"),
        gone("sort of a, b"),
        both("join of a, b"),
        both("scan of a"),
        gone("Materialize of b"),
        both("scan of b"),
    ];
    assert_eq!(aligned(&before, &above("Limit", &[join(a, b)])), expected);
}

#[test]
fn of_several_nodes_with_one_key_those_below_the_same_parent_belong_together() {
    let result = |values: i32| json!({ "Node Type": "Result", "One-Time Filter": format!("(f({values}) = g())") });
    let before = above("Append", &[above("Limit", &[result(1)]), result(2)]);
    let after = above("Append", &[result(2), above("Limit", &[result(1)])]);
    let (before, after, names) = (plan(&before), plan(&after), Names::default());
    let (one, other) = Reader::pair((&before, &names), (&after, &names));
    let (old, new) = (lines(&before.root, &one), lines(&after.root, &other));
    assert_eq!(Alignment::of(&old, &new).after, [Some(0), Some(2), Some(3), Some(1)]);
}

#[test]
fn partitions_reached_alike_share_a_line() {
    let partition = |kind: &str, number: u32| json!({ "Node Type": kind, "Alias": format!("e_{number}"), "Relation Name": format!("events_{number}") });
    let append = above("Append", &[partition("Seq Scan", 1), partition("Seq Scan", 2), partition("Index Scan", 3)]);
    let (whole, names) = (plan(&append), Names::default());
    let lines = lines(&whole.root, &Reader::alone(&whole, &names));
    assert_eq!(lines.iter().map(|line| line.nodes.len()).collect::<Vec<_>>(), [1, 2, 1]);
    assert_eq!((lines[0].below, children(&lines, 0).collect::<Vec<_>>()), (2, vec![1, 2]));
}

/// Plans over distinct aliases, as a planner might make them.
fn trees() -> impl Strategy<Value = Value> {
    tree_over((0..6_u8).map(|number| format!("t{number}")).collect())
}

fn tree_over(aliases: Vec<String>) -> BoxedStrategy<Value> {
    let wrapped = |inner: BoxedStrategy<Value>| {
        let kinds =
            prop::sample::subsequence(vec!["Limit", "Sort", "Materialize", "Aggregate", "Hash", "Gather"], 0..3);
        (inner, kinds).prop_map(|(inner, kinds)| kinds.iter().fold(inner, |below, kind| above(kind, &[below]))).boxed()
    };
    if let [alias] = aliases.as_slice() {
        let alias = alias.clone();
        let kind = prop::sample::select(vec!["Seq Scan", "Index Scan", "Bitmap Heap Scan"]);
        return wrapped(kind.prop_map(move |kind| scan(kind, &alias)).boxed());
    }
    let split =
        (1..aliases.len(), Just(aliases).prop_shuffle(), prop::sample::select(vec!["Nested Loop", "Hash Join"]));
    let joined = split.prop_flat_map(|(at, aliases, kind)| {
        let (left, right) = (tree_over(aliases[..at].to_vec()), tree_over(aliases[at..].to_vec()));
        (left, right).prop_map(move |(left, right)| above(kind, &[left, right]))
    });
    wrapped(joined.boxed())
}

/// The same plan with the inputs of every join swapped.
fn swapped(node: &Value) -> Value {
    let mut node = node.clone();
    if let Some(Value::Array(children)) = node.get_mut("Plans") {
        children.reverse();
        children.iter_mut().for_each(|child| *child = swapped(child));
    }
    node
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_node_of_both_plans_appears_once_and_matches_its_own_key(before in trees(), after in trees()) {
        let (before, after, names) = (plan(&before), plan(&after), Names::default());
        let (one, other) = Reader::pair((&before, &names), (&after, &names));
        let (old, new) = (lines(&before.root, &one), lines(&after.root, &other));
        let rows = rows(&old, &new, &Alignment::of(&old, &new));
        let mut seen: Vec<usize> = rows.iter().filter_map(|row| row.before).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..old.len()).collect::<Vec<_>>());
        // The plan after is shown in its own order.
        let shown: Vec<usize> = rows.iter().filter_map(|row| row.after).collect();
        prop_assert_eq!(shown, (0..new.len()).collect::<Vec<_>>());
        for row in &rows {
            if let (Some(old_line), Some(new_line)) = (row.before, row.after) {
                prop_assert_eq!(&old[old_line].key, &new[new_line].key);
            }
        }
        // Whatever has its key on both sides is matched.
        let unmatched = |keys: Vec<&String>| keys.into_iter().cloned().collect::<BTreeSet<_>>();
        let gone = unmatched(rows.iter().filter(|row| row.after.is_none()).filter_map(|row| row.before).map(|at| &old[at].key).collect());
        let came = unmatched(rows.iter().filter(|row| row.before.is_none()).filter_map(|row| row.after).map(|at| &new[at].key).collect());
        prop_assert!(gone.is_disjoint(&came), "{:?} {:?}", gone, came);
    }

    #[test]
    fn a_plan_matches_itself_wholly(tree in trees()) {
        let (plan, names) = (plan(&tree), Names::default());
        let (one, other) = Reader::pair((&plan, &names), (&plan, &names));
        let (old, new) = (lines(&plan.root, &one), lines(&plan.root, &other));
        let matched: Vec<Option<usize>> = (0..old.len()).map(Some).collect();
        prop_assert_eq!(Alignment::of(&old, &new).after, matched);
    }

    #[test]
    fn joins_turned_round_match_every_node(tree in trees()) {
        let rows = aligned(&tree, &swapped(&tree));
        prop_assert!(rows.iter().all(|(before, after)| before.is_some() && before == after), "{:?}", rows);
    }
}
