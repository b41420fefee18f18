//! Nothing outlives a run: not after `kill -9` at any moment, not after a signal, and no run harms another.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use support::runs::Place;
use support::traces::left_behind;
use support::{names, run, seatrial};

fn clean_run(place: &Place) {
    let ran = run(&mut place.check("quick.sql"));
    assert_eq!(ran.code, Some(1), "the run after the killed ones works as ever:\n{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn after_kill_9_at_ten_moments_the_next_run_leaves_nothing_of_the_others() {
    let place = Place::cold("killed");
    // The first ones die while the cluster and the base are made, the others later: after each line of progress in
    // turn, then from the first line again.
    let (mut moments, mut lines) = (0, 1);
    while moments < 10 {
        let mut running = place.start("quick.sql", &[]);
        let reached = (0..lines).all(|_| running.line().is_some());
        if !reached {
            lines = 1;
            running.end();
            continue;
        }
        running.signal(Signal::SIGKILL);
        running.end();
        moments += 1;
        lines += 1;
    }
    clean_run(&place);
    place.assert_nothing_left("after the next run");
}

#[test]
fn a_server_dies_with_the_run_that_was_killed_in_the_middle_of_a_statement() {
    let place = Place::new("statement");
    let mut running = place.start("endless.sql", &[]);
    running.until("measure");
    running.signal(Signal::SIGKILL);
    running.end();
    clean_run(&place);
    place.assert_nothing_left("after the next run");
}

#[test]
fn a_socket_outside_a_state_folder_with_a_long_path_goes_too() {
    // Longer than the path of a socket may be.
    let place = Place::new(&["long"; 24].join("-"));
    let mut running = place.start("endless.sql", &[]);
    running.until("measure");
    let runs = names(&place.state.join("runs"));
    let outside: Vec<PathBuf> = runs.iter().map(|run| PathBuf::from(format!("/tmp/seatrial-{run}"))).collect();
    assert!(outside.iter().any(|folder| folder.is_dir()), "where are the sockets of {runs:?}?");
    running.signal(Signal::SIGKILL);
    running.end();
    clean_run(&place);
    place.assert_nothing_left("after the next run");
    assert!(!outside.iter().any(|folder| folder.exists()), "a folder of sockets is left");
}

#[test]
fn clean_removes_what_a_killed_run_left() {
    let place = Place::cold("clean");
    let mut running = place.start("endless.sql", &[]);
    running.until("measure");
    running.signal(Signal::SIGKILL);
    running.end();
    let ran = run(seatrial(place.project.path(), &place.state).arg("clean"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    place.assert_nothing_left("after `clean`");
}

#[track_caller]
fn stopped_by(signal: Signal, name: &str, code: i32) {
    let name_of_signal = name;
    let place = Place::new(name);
    let mut running = place.start("endless.sql", &["--out", "out"]);
    running.until("measure: endless.sql:2, statement 2 of 2:");
    running.signal(signal);
    let (ended, said) = running.end();
    assert_eq!(ended, Some(code), "{said}");
    place.assert_nothing_left("right after the signal");
    let report = std::fs::read_to_string(place.project.path().join("out/report.json")).expect("a partial report");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["complete"], false);
    assert_eq!(report["exit_code"], code);
    for answer in ["applies", "blocks", "slower", "undoable"] {
        assert_eq!(report["answers"][answer]["verdict"], "unknown", "{answer} was not measured to its end");
    }
    assert_eq!(report["migrations"][0]["applies"], "unknown", "one of two statements is not the migration");
    // What ran until then is told.
    let statements = &report["migrations"][0]["statements"];
    assert_eq!([&statements[0]["outcome"], &statements[1]["outcome"]], ["ok", "not_run"]);
    assert_eq!(statements[0]["locks"][0]["relation"], "public.orders");
    assert_eq!(statements[0]["locks"][0]["mode"], "AccessExclusiveLock");
    let passes: Vec<(&str, bool, &str)> = report["passes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pass| (pass["name"].as_str().unwrap(), pass["ran"] == true, pass["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        passes.iter().map(|(name, ran, _)| (*name, *ran)).collect::<Vec<_>>(),
        ["measure", "prove", "attribute", "traffic", "queue", "retry"].map(|pass| (pass, false))
    );
    let (wanted, others) = passes.split_at(3);
    for (name, _, reason) in wanted {
        assert!(reason.starts_with(&format!("{name_of_signal}; endless.sql:2 had run for ")), "{name}: {reason}");
    }
    assert!(others.iter().all(|(.., reason)| *reason == "not asked for (--passes)"), "{others:?}");
    let markdown = std::fs::read_to_string(place.project.path().join("out/report.md")).expect("all artefacts");
    assert!(markdown.contains("unknown"), "{markdown}");
}

#[test]
fn an_interrupted_run_cleans_up_and_writes_a_partial_report() {
    stopped_by(Signal::SIGINT, "interrupted", 130);
}

#[test]
fn a_terminated_run_cleans_up_and_writes_a_partial_report() {
    stopped_by(Signal::SIGTERM, "terminated", 143);
}

#[test]
fn a_signal_while_the_base_is_made_leaves_no_half_made_base() {
    let place = Place::cold("restoring");
    let mut running = place.start("quick.sql", &[]);
    running.until("restoring");
    running.signal(Signal::SIGINT);
    let (code, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    place.assert_nothing_left("right after the signal");
    clean_run(&place);
    place.assert_nothing_left("after the next run");
}

#[test]
fn a_spent_budget_ends_the_run_and_leaves_nothing() {
    let place = Place::new("budget");
    // The base is there, so that the budget is spent in the statement that never ends.
    clean_run(&place);
    let ran = run(place.check("endless.sql").args(["--max-time", "8s", "--format", "json"]));
    assert_eq!(ran.code, Some(124), "{}", ran.stderr);
    let report = ran.report();
    assert_eq!(report["answers"]["applies"]["verdict"], "unknown");
    assert_eq!(report["migrations"][0]["statements"][0]["outcome"], "ok", "what ran until then is told");
    let reason = report["passes"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("the budget of time (--max-time) is spent; endless.sql:2 had run for "), "{reason}");
    assert_eq!([&report["passes"][1]["ran"], &report["passes"][2]["ran"]], [false, false], "{}", report["passes"]);
    place.assert_nothing_left("after the budget was spent");
}

#[test]
fn a_signal_while_a_copy_is_made_leaves_nothing_of_it() {
    let place = Place::new("copying");
    clean_run(&place);
    // The copy begins right after this line, beside the task that hears signals.
    let mut running = place.start("quick.sql", &[]);
    running.until("up to");
    running.signal(Signal::SIGINT);
    let (code, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    place.assert_nothing_left("right after the signal");
}

#[test]
fn two_runs_at_once_leave_each_other_alone() {
    let place = Place::new("together");
    let mut other = place.start("endless.sql", &[]);
    other.until("measure");
    clean_run(&place);
    assert!(other.child.try_wait().unwrap().is_none(), "the first run goes on while the second comes and goes");
    // The tests above look for these, so they must be what is seen of a live run.
    let alive = left_behind(&place.state);
    for kind in ["process", "socket", "folder"] {
        assert!(alive.iter().any(|left| left.starts_with(kind)), "no {kind} of the first run: {alive:?}");
    }
    other.signal(Signal::SIGINT);
    let (code, said) = other.end();
    assert_eq!(code, Some(130), "{said}");
    place.assert_nothing_left("after both");
}

#[test]
fn the_source_is_the_same_before_and_after() {
    let place = Place::new("source");
    let source = place.project.path().join("source.sql");
    let before = (std::fs::read(&source).unwrap(), Path::new(&source).metadata().unwrap().modified().unwrap());
    clean_run(&place);
    assert_eq!(before, (std::fs::read(&source).unwrap(), source.metadata().unwrap().modified().unwrap()));
}
