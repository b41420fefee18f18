//! The demo tells every story of the sample data, and nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use support::{names, repository, run, seatrial, state_folder};

/// A finding as both sides tell it: file, id, severity, line, objects, query.
type Told = (String, String, String, Option<u64>, Vec<String>, Option<String>);

fn told(file: &Value, finding: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut objects: Vec<String> = finding["objects"].as_array().unwrap().iter().map(text).collect();
    objects.sort();
    let query = finding["query"].as_str().map(str::to_owned);
    (text(file), text(&finding["id"]), text(&finding["severity"]), finding["line"].as_u64(), objects, query)
}

#[test]
fn the_demo_tells_every_story_of_the_sample_data_and_nothing_else() {
    let expected = std::fs::read_to_string(repository().join("sample-data/expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let ran = run(seatrial(repository(), &state_folder("demo")).args(["demo", "--format", "json"]));
    let report = ran.report();

    let found: Vec<Told> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] != "info")
        .map(|finding| told(&finding["file"], finding))
        .collect();
    let stories = expected["stories"].as_array().unwrap();
    let wanted: Vec<Told> = stories
        .iter()
        .flat_map(|story| story["findings"].as_array().unwrap().iter().map(|finding| told(&story["file"], finding)))
        .collect();
    let found_set: BTreeSet<&Told> = found.iter().collect();
    let wanted_set: BTreeSet<&Told> = wanted.iter().collect();
    let missing: Vec<_> = wanted_set.difference(&found_set).collect();
    let extra: Vec<_> = found_set.difference(&wanted_set).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nnot expected: {extra:#?}");
    assert_eq!(found.len(), wanted.len(), "a finding is told twice");

    for (answer, verdict) in expected["answers"].as_object().unwrap() {
        assert_eq!(
            &report["answers"][answer]["verdict"], verdict,
            "{answer}: {}",
            report["answers"][answer]["summary"]
        );
    }
    assert_eq!(report["exit_code"], expected["exit_code"]);
    assert_eq!(ran.code.map(i64::from), expected["exit_code"].as_i64());
    assert_eq!(report["complete"], true);
}

#[test]
fn every_pending_file_of_the_demo_has_a_story() {
    let expected = std::fs::read_to_string(repository().join("sample-data/expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let stories: Vec<&str> =
        expected["stories"].as_array().unwrap().iter().map(|story| story["file"].as_str().unwrap()).collect();
    let shop = std::fs::read_to_string(repository().join("sample-data/shop.sql")).unwrap();
    let applied = |file: &str| shop.contains(file.split('_').next().unwrap());
    let pending: Vec<String> = names(&repository().join("migrations"))
        .into_iter()
        .filter(|file| !applied(file))
        .map(|file| format!("migrations/{file}"))
        .collect();
    assert_eq!(stories, pending);
}
