//! How changed plans read: real pairs of plans, and some made for the purpose. Needs no server.

use seatrial::diff::plan::fingerprint::Fingerprints;
use seatrial::diff::plan::names::Names;
use seatrial::diff::plan::render::{Values, render_diff, render_story};
use seatrial::diff::plan::sentence::{Story, headline};
use seatrial::diff::plan::verdict::Lasts;
use seatrial::diff::plan::{Seen, changed_objects};
use seatrial::report::visible::{columns, is_unprintable};
use seatrial::snapshot::Oid;
use seatrial::snapshot::catalog::{Catalog, Column, Index, Relation, RelationKind};
use seatrial::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode, QueryPlan};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

const VERSIONS: [&str; 2] = ["15", "18"];

fn capture(plan: QueryPlan) -> PlanCapture {
    let key = PlanKey { query: "q".to_owned(), parameter_set: String::new(), mode: PlanMode::Custom };
    let captured = match plan.work() {
        Some(work) => Captured::Measured(plan, work),
        None => Captured::Planned(plan),
    };
    PlanCapture { key, captured }
}

/// Two plans and what their names mean.
struct Pair {
    before: PlanCapture,
    after: PlanCapture,
    names_before: Names,
    names_after: Names,
}

impl Pair {
    fn read(version: &str, name: &str) -> Self {
        let side = |side: &str| {
            let path =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/plans/pairs/{version}/{name}.{side}.json"));
            let text = std::fs::read_to_string(&path).expect("a captured plan");
            capture(QueryPlan::from_explain_json(&text).expect("a plan"))
        };
        let (before, after) = catalogs(name);
        Self {
            before: side("before"),
            after: side("after"),
            names_before: Names::of(&before),
            names_after: Names::after(&before, &after),
        }
    }

    fn made(before: &Value, after: &Value) -> Self {
        let plan = |root: &Value| {
            capture(QueryPlan::from_explain_json(&json!([{ "Plan": root }]).to_string()).expect("a plan"))
        };
        Self { before: plan(before), after: plan(after), names_before: Names::default(), names_after: Names::default() }
    }

    fn before(&self) -> Seen<'_> {
        Seen::new(&self.before, &self.names_before)
    }

    fn after(&self) -> Seen<'_> {
        Seen::new(&self.after, &self.names_after)
    }

    fn text(&self) -> String {
        render_diff(self.before(), self.after(), Values::Redacted)
    }

    fn fingerprints(&self) -> (Fingerprints, Fingerprints) {
        let of = |seen: Seen<'_>| seen.fingerprints().expect("a plan").into_owned();
        (of(self.before()), of(self.after()))
    }
}

fn relation(oid: Oid, name: &str, kind: RelationKind, parent: Option<Oid>) -> Relation {
    Relation { parent, is_partition: parent.is_some(), ..Relation::new(oid, "public", name, kind) }
}

fn add_table(catalog: &mut Catalog, oid: Oid, name: &str, names: &[&str]) {
    catalog.relations.insert(oid, relation(oid, name, RelationKind::Table, None));
    for (number, name) in (1..).zip(names) {
        let column = Column {
            number,
            name: (*name).to_owned(),
            type_name: "integer".to_owned(),
            not_null: false,
            default: None,
            identity: None,
            generated: None,
            collation: None,
        };
        catalog.columns.insert((oid, number), column);
    }
}

fn add_index(catalog: &mut Catalog, oid: Oid, table: Oid, name: &str, using: &str) {
    catalog.relations.insert(oid, relation(oid, name, RelationKind::Index, None));
    let index = Index {
        oid,
        table,
        definition: String::new(),
        shape: format!("CREATE INDEX _ ON public.t USING btree {using}"),
        keys: Vec::new(),
        key_count: 0,
        unique: false,
        primary: false,
        valid: true,
        constraint: None,
        predicate: None,
        method: "btree".to_owned(),
    };
    catalog.indexes.insert(oid, index);
}

/// As much of the shop's schema as the pairs need, and what became of it.
fn catalogs(name: &str) -> (Catalog, Catalog) {
    let shop = |orders: &str, names: &[&str], indexes: &[(Oid, &str, &str)]| {
        let mut catalog = Catalog::default();
        add_table(&mut catalog, 1, orders, names);
        add_table(&mut catalog, 2, "customers", &["id", "email", "country"]);
        add_table(&mut catalog, 3, "small", &["id", "name"]);
        catalog.relations.insert(4, relation(4, "events", RelationKind::PartitionedTable, None));
        for (oid, year) in [(5, 2024), (6, 2025)] {
            catalog.relations.insert(oid, relation(oid, &format!("events_{year}"), RelationKind::Table, Some(4)));
        }
        add_index(&mut catalog, 10, 1, "orders_pkey", "(id)");
        add_index(&mut catalog, 11, 2, "customers_pkey", "(id)");
        for (oid, name, using) in indexes {
            add_index(&mut catalog, *oid, 1, name, using);
        }
        catalog
    };
    let names = ["id", "customer_id", "status", "total", "created", "note"];
    let (customer, created) =
        ((20, "orders_customer_id_idx", "(customer_id)"), (21, "orders_created_idx", "(created)"));
    let before = shop("orders", &names, &[customer, created]);
    let with = |index: (Oid, &'static str, &'static str)| shop("orders", &names, &[index]);
    let after = match name {
        "table_renamed_behind_a_view" => shop("purchases", &names, &[customer, created]),
        "column_renamed_behind_a_view" => {
            let names = ["id", "client_id", "status", "amount", "created", "note"];
            shop("purchases", &names, &[(20, "orders_customer_id_idx", "(client_id)"), created])
        }
        "index_renamed" => with((20, "by_client", "(customer_id)")),
        "index_used_otherwise" => with((30, "orders_customer_id_idx", "(customer_id, status)")),
        "type_changed_to_varchar" => {
            let varchar = "(status, customer_id) WHERE ((status)::text <> 'open'::text)";
            return (
                with((22, "by_status", "(status, customer_id) WHERE (status <> 'open'::text)")),
                with((22, "by_status", varchar)),
            );
        }
        _ => before.clone(),
    };
    (before, after)
}

/// All captured pairs.
const PAIRS: [&str; 17] = [
    "join_turned_round",
    "hash_join_becomes_nested_loop",
    "sort_added",
    "index_only_scan_lost",
    "bitmap_or_lost",
    "partitions_pruned",
    "parallel_added",
    "cte_and_subplans",
    "memoize_added",
    "union",
    "table_renamed_behind_a_view",
    "column_renamed_behind_a_view",
    "index_renamed",
    "index_used_otherwise",
    "type_changed_to_bigint",
    "type_changed_to_varchar",
    "cast_makes_the_index_useless",
];

fn page(version: &str) -> String {
    let mut page = String::new();
    for name in PAIRS {
        let _infallible = write!(page, "# {name}\n{}\n", Pair::read(version, name).text());
    }
    page
}

#[test]
fn real_pairs_read_well() {
    for version in VERSIONS {
        insta::assert_snapshot!(format!("pairs_{version}"), page(version));
    }
}

#[test]
fn renames_and_changes_of_type_alone_leave_every_fingerprint() {
    for version in VERSIONS {
        for name in [
            "table_renamed_behind_a_view",
            "column_renamed_behind_a_view",
            "index_renamed",
            "type_changed_to_bigint",
            "type_changed_to_varchar",
        ] {
            let pair = Pair::read(version, name);
            let (before, after) = pair.fingerprints();
            assert_eq!(before, after, "{name} on {version}\n{}", pair.text());
            assert!(changed_objects(pair.before(), pair.after()).is_empty(), "{name} on {version}");
        }
    }
}

#[test]
fn what_is_no_rename_is_another_access() {
    for version in VERSIONS {
        for name in ["index_used_otherwise", "cast_makes_the_index_useless", "index_only_scan_lost", "bitmap_or_lost"] {
            let (before, after) = Pair::read(version, name).fingerprints();
            assert_ne!(before.access, after.access, "{name} on {version}");
        }
        for name in ["join_turned_round", "hash_join_becomes_nested_loop", "parallel_added", "memoize_added"] {
            let (before, after) = Pair::read(version, name).fingerprints();
            assert_ne!(before.shape, after.shape, "{name} on {version}");
        }
    }
}

fn node(kind: &str, fields: Value, children: Vec<Value>) -> Value {
    let mut node = json!({
        "Node Type": kind, "Total Cost": 10, "Plan Rows": 10, "Actual Rows": 10, "Actual Loops": 1,
        "Shared Hit Blocks": 20, "Shared Read Blocks": 0, "Local Hit Blocks": 0, "Local Read Blocks": 0,
        "Temp Read Blocks": 0, "Temp Written Blocks": 0,
    });
    let object = node.as_object_mut().expect("an object");
    object.extend(fields.as_object().expect("fields").clone());
    if !children.is_empty() {
        object.insert("Plans".to_owned(), Value::Array(children));
    }
    node
}

fn scan(table: &str, fields: Value) -> Value {
    let mut all = json!({ "Schema": "public", "Relation Name": table, "Alias": table });
    all.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    node("Seq Scan", all, Vec::new())
}

/// Twenty tables joined one after the other; the one in the middle is as given.
fn forty_nodes(middle: &Value) -> Value {
    let mut tree = scan("t01", json!({}));
    for number in 2..=20 {
        let table = if number == 10 { middle.clone() } else { scan(&format!("t{number:02}"), json!({})) };
        let hash = node("Hash", json!({}), vec![table]);
        let condition = format!("(t{number:02}.id = t01.t{number:02}_id)");
        tree = node("Hash Join", json!({ "Join Type": "Inner", "Hash Cond": condition }), vec![tree, hash]);
    }
    node("Limit", json!({}), vec![node("Sort", json!({ "Sort Key": ["t01.id"] }), vec![tree])])
}

#[test]
fn one_change_among_forty_nodes_is_found_at_once() {
    let before =
        scan("t10", json!({ "Node Type": "Index Scan", "Index Name": "t10_pkey", "Index Cond": "(t10.id = 5)" }));
    let after = scan("t10", json!({ "Filter": "(t10.id = 5)", "Shared Hit Blocks": 9020, "Plan Rows": 3000 }));
    insta::assert_snapshot!(Pair::made(&forty_nodes(&before), &forty_nodes(&after)).text());
}

#[test]
fn partitions_that_are_pruned_are_counted_and_not_listed() {
    let partition = |number: u32| {
        let name = format!("events_p{number:03}");
        let alias = format!("events_{number}");
        scan(&name, json!({ "Alias": alias, "Filter": format!("({alias}.kind = 'k7'::text)") }))
    };
    let append = |numbers: std::ops::RangeInclusive<u32>| {
        let blocks = 20 * numbers.clone().count();
        node("Append", json!({ "Shared Hit Blocks": blocks }), numbers.map(partition).collect())
    };
    let pair = Pair::made(&append(1..=200), &append(190..=200));
    insta::assert_snapshot!(pair.text());
    let (before, after) = pair.fingerprints();
    assert_eq!(before.access, after.access);
    assert_ne!(before.shape, after.shape);
}

#[test]
fn a_union_of_one_table_is_no_partitioning() {
    let part = |alias: &str, kind: &str| scan("orders", json!({ "Node Type": kind, "Alias": alias }));
    let before = node("Append", json!({}), vec![part("orders", "Seq Scan"), part("orders_1", "Seq Scan")]);
    let after = node("Append", json!({}), vec![part("orders", "Seq Scan"), part("orders_1", "Sample Scan")]);
    insta::assert_snapshot!(Pair::made(&before, &after).text());
}

#[test]
fn rows_of_loops_are_summed_and_what_was_rounded_says_so() {
    let inner = |fields: Value| {
        let mut all = json!({ "Parent Relationship": "Inner", "Actual Loops": 500, "Plan Rows": 1 });
        all.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        scan("customers", all)
    };
    let join =
        |kind: &str, inner: Value| node(kind, json!({ "Join Type": "Inner" }), vec![scan("orders", json!({})), inner]);
    let hashed = |inner: Value| node("Hash", json!({}), vec![inner]);
    // Before 18 the average of the loops is whole, since then it has two decimals.
    let old = join("Nested Loop", inner(json!({ "Actual Rows": 1, "Node Type": "Index Scan", "Index Name": "i" })));
    let new = join("Nested Loop", inner(json!({ "Actual Rows": 0.86 })));
    let once = join("Hash Join", hashed(scan("customers", json!({ "Actual Rows": 430, "Plan Rows": 2 }))));
    let never = join("Nested Loop", inner(json!({ "Actual Rows": 0, "Actual Loops": 0 })));
    insta::assert_snapshot!(
        [Pair::made(&old, &new).text(), Pair::made(&old, &once).text(), Pair::made(&old, &never).text()].join("\n")
    );
}

#[test]
fn a_plan_that_was_not_run_shows_estimates() {
    let unmeasured = |table: Value| {
        let mut update = json!({ "Node Type": "ModifyTable", "Operation": "Update", "Schema": "public",
            "Relation Name": "orders", "Alias": "orders", "Total Cost": 8.4, "Plan Rows": 0 });
        update["Plans"] = json!([table]);
        update
    };
    let before = json!({ "Node Type": "Index Scan", "Index Name": "orders_pkey", "Schema": "public", "Plan Rows": 1,
        "Relation Name": "orders", "Alias": "orders", "Index Cond": "(orders.id = 5)" });
    let after = json!({ "Node Type": "Seq Scan", "Schema": "public", "Relation Name": "orders", "Alias": "orders",
        "Plan Rows": 1, "Filter": "(orders.id = 5)" });
    let mut after = unmeasured(after);
    after["Total Cost"] = json!(5000.2);
    insta::assert_snapshot!(Pair::made(&unmeasured(before), &after).text());
}

#[test]
fn the_sentence_names_cause_duration_and_remedy() {
    let lost = Pair::read("15", "index_only_scan_lost");
    let told = |story: &Story| render_story(lost.before(), lost.after(), Values::Redacted, story);
    let cause = Some("migrations/3_x.sql:1 (drops public.orders_customer_id_idx)".to_owned());
    let mend = vec!["VACUUM public.orders;".to_owned()];
    let stories = [
        Story { cause: cause.clone(), ..Story::default() },
        Story { cause: None, lasts: Some(Lasts::UntilVacuum), mend: mend.clone() },
        Story {
            cause,
            lasts: Some(Lasts::UntilAnalyze),
            mend: [mend, vec!["ANALYZE public.orders;".to_owned()]].concat(),
        },
        Story { lasts: Some(Lasts::UntilAnalyze), ..Story::default() },
    ];
    let sentences: Vec<String> = stories.iter().map(|story| told(story).lines().take(1).collect()).collect();
    insta::assert_snapshot!(sentences.join("\n"));
    // Nothing but the first line depends on the story.
    assert_eq!(told(&stories[0]).split_once('\n').expect("a tree").1, lost.text().split_once('\n').expect("a tree").1);
}

#[test]
fn the_same_plan_with_more_work_names_the_table() {
    let scan = |blocks: u64| {
        scan("orders", json!({ "Node Type": "Index Only Scan", "Index Name": "i", "Shared Hit Blocks": blocks }))
    };
    let aggregate = |blocks: u64| {
        node("Aggregate", json!({ "Shared Hit Blocks": blocks, "Strategy": "Plain" }), vec![scan(blocks)])
    };
    insta::assert_snapshot!(Pair::made(&aggregate(64), &aggregate(17_617)).text());
}

#[test]
fn hostile_names_break_no_line_and_move_no_cursor() {
    let name = "x\n+ Seq Scan on public.innocent\r\u{1b}[2J\u{202e}\u{2028}```";
    let before = scan(name, json!({ "Alias": "a\nb", "Filter": format!("(\"a\nb\".\"{name}\" = 'x\ny'::text)") }));
    let after =
        scan(name, json!({ "Node Type": "Index Scan", "Index Name": name, "Alias": "a\nb", "Index Cond": "(1 = 2)" }));
    let pair = Pair::made(&node("Limit", json!({}), vec![before]), &node("Limit", json!({}), vec![after]));
    let story = Story { cause: Some(name.to_owned()), lasts: None, mend: vec![format!("VACUUM {name};")] };
    for values in [Values::Redacted, Values::Shown] {
        let text = render_story(pair.before(), pair.after(), values, &story);
        assert!(
            text.lines().skip(1).all(|line| line.starts_with(['-', '+', '~', ' ']) && columns(line) <= 160),
            "{text}"
        );
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(!text.chars().any(|character| is_unprintable(character) && character != '\n'), "{text:?}");
    }
    assert_eq!(headline(pair.before(), pair.after()).lines().count(), 1);
}

#[test]
fn no_line_is_wider_than_a_terminal_and_no_value_is_shown() {
    for version in VERSIONS {
        for name in PAIRS {
            let text = Pair::read(version, name).text();
            assert!(text.lines().skip(1).all(|line| columns(line) <= 160), "{text}");
            for value in ["'open'", "'de'", "'k7'", "2024-", "= 5", "{5,6,7}"] {
                assert!(!text.contains(value), "{value} in {text}");
            }
        }
    }
}
