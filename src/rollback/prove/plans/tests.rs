use super::*;
use crate::snapshot::catalog::{Relation, RelationKind};
use crate::snapshot::plan::{QueryPlan, RelationName};

const INDEX_SCAN: &str = include_str!("../../../../tests/plans/15/index_scan.json");
const SEQ_SCAN: &str = include_str!("../../../../tests/plans/15/seq_scan.json");

fn captured(text: &str) -> Captured {
    Captured::Planned(QueryPlan::from_explain_json(text).expect("a plan"))
}

fn failed() -> Captured {
    Captured::Failed { sqlstate: "42703".to_owned(), message: String::new() }
}

fn capture(query: &str, captured: Captured) -> PlanCapture {
    let key = PlanKey { query: query.to_owned(), parameter_set: String::new(), mode: PlanMode::Custom };
    PlanCapture { key, captured }
}

fn compared(before: Captured, after: Captured) -> Vec<String> {
    let names = (Names::default(), Names::default());
    let found = differing(&[capture("q", before)], &[capture("q", after)], &names);
    found.into_values().map(|difference| difference.told).collect()
}

#[test]
fn numbers_and_a_refusal_that_stays_make_no_difference() {
    let other = INDEX_SCAN.replace("777", "4321").replace("\"Total Cost\": 4", "\"Total Cost\": 9");
    assert_eq!(compared(captured(INDEX_SCAN), captured(&other)), [""; 0]);
    assert_eq!(compared(failed(), failed()), [""; 0]);
}

#[test]
fn another_scan_and_a_refusal_are_told() {
    let told = compared(captured(INDEX_SCAN), captured(SEQ_SCAN));
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("the plan of q: ") && told[0].contains("Seq Scan instead of Bitmap Heap Scan using "),
        "{told:?}"
    );
    assert_eq!(compared(captured(INDEX_SCAN), failed()), ["the plan of q: the server refuses it (SQLSTATE 42703)"]);
    let names = (Names::default(), Names::default());
    let gone = differing(&[capture("q", captured(INDEX_SCAN))], &[], &names);
    assert_eq!(gone.values().next().map(|each| each.told.as_str()), Some("the plan of q: there is none"));
}

#[test]
fn a_plan_that_costs_no_more_is_known_as_such() {
    let names = (Names::default(), Names::default());
    let cheaper = |before: &str, after: &str| {
        let found = differing(&[capture("q", captured(before))], &[capture("q", captured(after))], &names);
        found.into_values().next().map(|each| each.cheaper)
    };
    assert_eq!((cheaper(SEQ_SCAN, INDEX_SCAN), cheaper(INDEX_SCAN, SEQ_SCAN)), (Some(true), Some(false)));
}

#[test]
fn an_index_is_told_by_what_it_indexes() {
    let named = |keys: &str| {
        let mut names = Names::default();
        let name = RelationName::new("public", "orders_customer_id_idx");
        names.insert_index(name, &format!("CREATE INDEX _ ON public.orders USING btree ({keys})"), false);
        names
    };
    let (before, after) = ([capture("q", captured(INDEX_SCAN))], [capture("q", captured(INDEX_SCAN))]);
    assert!(differing(&before, &after, &(named("customer_id"), named("customer_id"))).is_empty());
    assert_eq!(differing(&before, &after, &(named("customer_id"), named("customer_id DESC"))).len(), 1);
}

#[test]
fn a_set_and_a_generic_plan_are_named() {
    let key = |set: &str, mode| PlanKey { query: "q".to_owned(), parameter_set: set.to_owned(), mode };
    assert_eq!(label(&key("", PlanMode::Generic)), "q (generic)");
    assert_eq!(label(&key("busy", PlanMode::Custom)), "q (busy)");
    assert_eq!(label(&key("", PlanMode::Custom)), "q");
}

#[test]
fn only_tables_with_other_rows_or_files_are_vacuumed() {
    let relation = |oid: Oid, name: &str, filenode: Oid| Relation {
        filenode,
        ..Relation::new(oid, "public", name, RelationKind::Table)
    };
    let catalog = |relations: &[(Oid, &str, Oid)]| Catalog {
        relations: relations.iter().map(|(oid, name, file)| (*oid, relation(*oid, name, *file))).collect(),
        ..Catalog::default()
    };
    let before =
        catalog(&[(1, "locked", 11), (2, "written", 12), (3, "converted", 13), (4, "dropped", 14), (5, "other", 15)]);
    let back =
        catalog(&[(1, "locked", 11), (2, "written", 12), (3, "converted", 23), (7, "dropped", 27), (5, "other", 25)]);
    let (touched, written) = (BTreeSet::from([1, 2, 3, 7]), BTreeSet::from(["public.written".to_owned()]));
    let found = rewritten(&touched, &written, (&before, &back), &BTreeSet::new());
    assert_eq!(found, BTreeSet::from([2, 3, 7]));

    let found = rewritten(&touched, &BTreeSet::new(), (&before, &back), &BTreeSet::from([1]));
    assert_eq!(found, BTreeSet::from([1, 3, 7]));
}
