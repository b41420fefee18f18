use super::super::super::compare::Differences;
use super::super::super::fingerprint::RowDifferences;
use super::*;

fn compared(others: &[&str], order: bool, rows: bool) -> RollbackProof {
    let schema = Differences {
        others: others.iter().map(|other| (*other).to_owned()).collect(),
        column_order: order.then(|| "TABLE public.t".to_owned()).into_iter().collect(),
    };
    let rows = RowDifferences {
        tables: rows.then(|| ("public.t".to_owned(), "public.t: 2 rows instead of 3".to_owned())).into_iter().collect(),
        ..RowDifferences::default()
    };
    RollbackProof {
        schema: Some(schema),
        catalog: Some(Differences::default()),
        rows: Some(rows),
        ..RollbackProof::default()
    }
}

fn alone(alone: RollbackProof) -> DownProof {
    DownProof { alone, ..DownProof::default() }
}

#[test]
fn the_verdict_names_the_gravest_thing_that_is_left() {
    assert_eq!(alone(compared(&[], false, false)).verdict(), DownVerdict::Exact);
    assert_eq!(alone(compared(&[], true, false)).verdict(), DownVerdict::ExactButColumnOrder);
    assert_eq!(alone(compared(&[], true, true)).verdict(), DownVerdict::RowsLost);
    assert_eq!(alone(compared(&["x"], true, true)).verdict(), DownVerdict::Differs);
    let failure = Some(DownFailure { statement: 1, error: String::new() });
    assert_eq!(DownProof { failure, ..alone(compared(&[], false, false)) }.verdict(), DownVerdict::Fails);
    assert_eq!(DownProof::not_run("x".to_owned()).verdict(), DownVerdict::NotRun);
    assert_eq!(DownProof::default().verdict(), DownVerdict::Differs, "nothing was compared");
}

#[test]
fn with_its_lines_a_script_is_judged_by_what_is_left_then() {
    let with =
        |completed: RollbackProof| DownProof { completed: Some(completed), ..alone(compared(&["x"], false, true)) };
    assert_eq!(alone(compared(&["x"], false, false)).with_lines(), None);
    assert_eq!(with(compared(&[], true, false)).with_lines(), Some(DownVerdict::ExactButColumnOrder));
    assert!(with(compared(&[], true, false)).is_back());
    let lost = with(compared(&[], false, true));
    assert_eq!(lost.with_lines(), Some(DownVerdict::RowsLost));
    assert!(!lost.is_back());
    let failures = vec!["the lines do not run".to_owned()];
    assert_eq!(
        with(RollbackProof { failures, ..compared(&["x"], false, false) }).with_lines(),
        Some(DownVerdict::Fails)
    );
    let unmodelled = vec!["a label".to_owned()];
    assert_eq!(
        with(RollbackProof { unmodelled, ..compared(&[], false, false) }).with_lines(),
        Some(DownVerdict::Differs)
    );
}

#[test]
fn in_short_nothing_is_said_twice() {
    let mut proof = compared(&["INDEX public.i: missing"], true, true);
    proof.catalog =
        Some(Differences { others: vec!["index public.i, definition: missing".to_owned()], ..Differences::default() });
    let told = ["INDEX public.i: missing", "public.t: 2 rows instead of 3"];
    assert_eq!(alone(proof).in_short(), told);
    // What no dump shows is told all the same.
    let mut unseen = compared(&[], false, false);
    unseen.catalog =
        Some(Differences { others: vec!["index public.i, state: invalid".to_owned()], ..Differences::default() });
    assert_eq!(alone(unseen).in_short(), ["index public.i, state: invalid"]);
}
