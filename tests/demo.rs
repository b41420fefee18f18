//! The demo tells every story of the sample data, and nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use support::{Ran, copy_folder, names, project, repository, run, seatrial, state_folder};

/// A finding as both sides tell it: file, id, severity, line, objects, query.
type Told = (String, String, String, Option<u64>, Vec<String>, Option<String>);

fn told(file: &Value, finding: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut objects: Vec<String> = finding["objects"].as_array().unwrap().iter().map(text).collect();
    objects.sort();
    let query = finding["query"].as_str().map(str::to_owned);
    (text(file), text(&finding["id"]), text(&finding["severity"]), finding["line"].as_u64(), objects, query)
}

/// What a run of the demo has to say, by a file of expectations.
fn expected(folder: &str) -> Value {
    let path = repository().join(folder).join("expected.json");
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

#[test]
fn the_demo_tells_every_story_of_the_sample_data_and_nothing_else() {
    let mut command = seatrial(repository(), &state_folder("demo"));
    tells_every_story(
        &run(command.args(["demo", "--engine", "postgresql", "--format", "json"])),
        &expected("sample-data"),
    );
}

#[test]
fn without_a_server_the_demo_runs_on_sqlite_and_says_so() {
    let state = state_folder("demo-sqlite");
    // Hidden from where servers are looked for, and from PATH.
    let hidden = |command: &mut Command| run(command.env("PATH", "/nowhere").env("SEATRIAL_POSTGRES_BIN", ""));
    let ran = hidden(seatrial(repository(), &state).args(["demo", "--format", "json"]));
    assert!(
        ran.stderr.starts_with("on SQLite, which is compiled in: no PostgreSQL server was found"),
        "{}",
        ran.stderr
    );
    tells_every_story(&ran, &expected("sample-data/sqlite"));
    assert_eq!(ran.report()["engine"]["name"], "sqlite");
    let refused = hidden(seatrial(repository(), &state).args(["demo", "--engine", "postgresql"]));
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("PostgreSQL servers are switched off"), "{}", refused.stderr);
}

#[test]
fn with_a_server_the_demo_says_that_it_runs_on_it() {
    // Nothing of it is run: the configuration asks for what there is not.
    let project = project();
    copy_folder(&repository().join("sample-data"), &project.path().join("sample-data"));
    copy_folder(&repository().join("migrations"), &project.path().join("migrations"));
    let ran = run(seatrial(project.path(), &state_folder("demo")).args(["demo", "--to", "7"]));
    assert!(ran.stderr.starts_with("on PostgreSQL "), "{}", ran.stderr);
    assert!(ran.stderr.contains("`--engine sqlite` shows the same on SQLite"), "{}", ran.stderr);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

/// Every finding that is expected, and no other.
fn tells_every_story(ran: &Ran, expected: &Value) {
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
    for (data, migrations) in [("sample-data", "migrations"), ("sample-data/sqlite", "sample-data/sqlite/migrations")] {
        let expected = expected(data);
        let stories: Vec<&str> =
            expected["stories"].as_array().unwrap().iter().map(|story| story["file"].as_str().unwrap()).collect();
        let shop = std::fs::read_to_string(repository().join(data).join("shop.sql")).unwrap();
        let applied = |file: &str| shop.contains(file.split('_').next().unwrap());
        let pending: Vec<String> = names(&repository().join(migrations))
            .into_iter()
            .filter(|file| !applied(file))
            .map(|file| format!("{migrations}/{file}"))
            .collect();
        assert_eq!(stories, pending);
    }
}
