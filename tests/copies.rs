//! Copies by hand: they outlive the command that made them, nobody else's run touches them, and they end in every way they
//! should. Needs a PostgreSQL server.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::traces::left_behind;
use support::{Ran, names, project, run, seatrial, share_initdb, state_folder};
use tempfile::TempDir;

/// A name that is hard to write down in a URL, in a shell and in SQL.
const DATABASE: &str = "Größe \"50\" %'/?&x";

struct Place {
    project: TempDir,
    state: PathBuf,
}

impl Place {
    /// With a state folder nobody else uses.
    fn new(name: &str) -> Self {
        let state = state_folder(&format!("copies-{name}"));
        if state.exists() {
            std::fs::remove_dir_all(&state).unwrap();
        }
        share_initdb(&state);
        Self { project: project(), state }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = seatrial(self.project.path(), &self.state);
        command.args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    /// Makes a copy of nothing, and returns its URL.
    #[track_caller]
    fn create(&self, args: &[&str]) -> String {
        let ran = self.run(&[&["copy", "create", "--source", "empty", "--database", DATABASE], args].concat());
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
        let [url] = ran.stdout.lines().collect::<Vec<_>>().try_into().expect("one line");
        assert!(url.starts_with("postgresql://"), "{url}");
        url.to_owned()
    }

    fn runs(&self) -> Vec<String> {
        names(&self.state.join("runs"))
    }

    /// Waits, without any limit but the test's own, until no copy lives.
    fn until_none_lives(&self) {
        while !self.run(&["copy", "list", "--urls"]).stdout.is_empty() {
            std::thread::yield_now();
        }
    }

    #[track_caller]
    fn assert_nothing_left(&self, when: &str) {
        let left = left_behind(&self.state);
        assert!(left.is_empty(), "{when}:\n{}", left.join("\n"));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // After a failure: no test's copy lives for eight hours.
        self.run(&["copy", "destroy", "--all"]);
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

/// The process that keeps the copy of a run, from the lock it holds.
fn keeper(state: &Path, id: &str) -> i32 {
    let signature = std::fs::read_to_string(state.join("runs").join(id).join("lock")).expect("a lock");
    signature.split(' ').nth(2).expect("a pid").parse().expect("a number")
}

/// What psql, and so every client that uses libpq, gets from a URL.
fn asked(url: &str, sql: &str) -> Result<String, String> {
    let binaries = Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a server");
    let psql = binaries.pg_dump.expect("client programs").path.with_file_name("psql");
    let output = Command::new(psql).args(["-XAtw", "-v", "ON_ERROR_STOP=1", "-c", sql, url]).output().expect("psql");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_copy_lives_on_its_own_until_it_is_told_to_end() {
    let place = Place::new("lives");
    let url = place.create(&["--role", "O'Brien @home", "--schema", "reports, \"My Schema\"", "--name", "look"]);
    let who = "SELECT current_user, current_database(), rolsuper, rolcreaterole, current_setting('search_path') \
               FROM pg_roles WHERE rolname = current_user";
    let expected = format!("O'Brien @home|{DATABASE}|f|f|reports, \"My Schema\"");
    assert_eq!(asked(&url, who), Ok(expected));
    asked(&url, "CREATE SCHEMA reports; CREATE TABLE t (id int)").expect("it may write");

    // It belongs to nobody's session, and knows nothing of the environment it was made in.
    let [id] = place.runs().try_into().expect("one run");
    let pid = keeper(&place.state, &id);
    let session = |pid: i32| nix::unistd::getsid(Some(Pid::from_raw(pid))).unwrap();
    assert_eq!(session(pid), Pid::from_raw(pid), "a session of its own");
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(environment.split('\0').filter(|text| !text.is_empty()).count() == 2, "{environment}");
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));

    // Whoever else starts, and sweeps, leaves it alone; and what it is called is taken.
    let again = place.run(&["copy", "create", "--source", "empty", "--name", "look"]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("a copy called look lives already"), "{}", again.stderr);
    std::fs::write(place.project.path().join("m.sql"), "CREATE TABLE x ();\n").unwrap();
    let check = place.run(&["check", "m.sql", "--source", "empty", "--passes", "measure"]);
    assert_eq!(check.code, Some(0), "{}\n{}", check.stdout, check.stderr);
    let clean = place.run(&["clean"]);
    assert!(clean.stdout.contains("left copy look, which lives"), "{}", clean.stdout);
    assert_eq!(asked(&url, "SELECT count(*) FROM reports.t"), Ok("0".into()));

    let list = place.run(&["copy", "list"]).stdout;
    for part in ["look", &id, DATABASE, "empty", &url] {
        assert!(list.contains(part), "{part}: {list}");
    }
    // A fast machine asks within the second in which it was made.
    assert!(list.contains("in 7 h 5") || list.contains("in 8 h"), "{list}");
    assert_eq!(place.run(&["copy", "list", "--urls"]).stdout, format!("{url}\n"));
    let doctor = place.run(&["doctor"]);
    assert!(doctor.code == Some(0) && doctor.stdout.contains("Copies by hand\n  look  of empty"), "{}", doctor.stdout);

    // Two names, one of them nobody's: none is ended.
    let wrong = place.run(&["copy", "destroy", "look", "other"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("called other: look"), "{}", wrong.stderr);
    assert!(asked(&url, "SELECT 1").is_ok());
    let ended = place.run(&["copy", "destroy", &id, "look"]);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("ended copy look ({id})\n")), "{}", ended.stderr);
    place.assert_nothing_left("right after destroy");
    assert!(asked(&url, "SELECT 1").is_err());
}

#[test]
fn a_copy_ends_with_its_time_its_keeper_and_its_folder() {
    let place = Place::new("ends");
    // Its time.
    place.create(&["--for", "1s", "--name", "short"]);
    place.until_none_lives();

    // Its keeper: the server dies with it, and the rest is swept as any dead run's.
    let url = place.create(&["--name", "killed"]);
    let id = place.runs().pop().expect("a run");
    kill(Pid::from_raw(keeper(&place.state, &id)), Signal::SIGKILL).unwrap();
    place.until_none_lives();
    let doctor = place.run(&["doctor"]);
    assert!(doctor.stdout.contains("left by dead runs  1 folder"), "counted: {}", doctor.stdout);
    assert!(place.state.join("runs").join(&id).exists(), "and not removed");
    let clean = place.run(&["clean"]);
    assert_eq!(clean.code, Some(0), "{}", clean.stderr);
    place.assert_nothing_left("after the sweep");
    assert!(asked(&url, "SELECT 1").is_err());

    // Its folder, whoever removes it; and its server, whoever ends that.
    place.create(&["--name", "removed"]);
    let folder = place.state.join("runs").join(place.runs().pop().expect("a run"));
    // Files come and go in it as long as its server lives.
    while folder.exists() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    while !left_behind(&place.state).is_empty() {
        std::thread::yield_now();
    }
    place.create(&["--name", "stopped"]);
    let data = place.state.join("runs").join(place.runs().pop().expect("a run")).join("copy-1");
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).expect("a running server");
    let postmaster: i32 = pid.lines().next().expect("a pid").parse().expect("a number");
    kill(Pid::from_raw(postmaster), Signal::SIGQUIT).unwrap();
    place.until_none_lives();
    let clean = place.run(&["clean", "--copies"]);
    assert_eq!(clean.code, Some(0), "{}", clean.stderr);
    place.assert_nothing_left("after all of them");
}

#[test]
fn a_copy_nobody_wants_any_more_is_not_made() {
    let place = Place::new("unwanted");
    // A shell's own descriptor reaches neither keeper nor server, or its reader would wait for eight hours.
    let shell = |script: &str| {
        let mut command = place.command(&[]);
        let program = command.get_program().to_owned();
        let environment: Vec<_> =
            command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(program).current_dir(place.project.path()).env_clear().envs(environment);
        command.stdin(Stdio::null());
        run(&mut command)
    };
    let ran = shell("\"$1\" copy create --source empty --name kept 7>&1 8>&2");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(place.run(&["copy", "destroy", "--all"]).code, Some(0));

    // An address that cannot be told is no use to anybody.
    let ran = shell("\"$1\" copy create --source empty >/dev/full");
    assert!(ran.code == Some(4) && ran.stderr.contains("cannot write"), "{:?} {}", ran.code, ran.stderr);
    place.assert_nothing_left("after the address could not be told");

    // Ctrl-C, at the first line and as late as a test can tell.
    for wanted_lines in [1, 0] {
        let database = format!("fresh{wanted_lines}");
        let mut child = place.command(&["copy", "create", "--source", "empty", "--database", &database]);
        let mut child = child.spawn().unwrap();
        let mut progress = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        for _ in 0..wanted_lines {
            progress.read_line(&mut line).unwrap();
        }
        let ended_first = child.try_wait().unwrap().is_some();
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
        progress.read_to_string(&mut line).unwrap();
        let code = child.wait().unwrap().code();
        // Before it listens for signals, one ends it as the system does.
        assert!(!ended_first && (code == Some(130) || (wanted_lines == 0 && code.is_none())), "{code:?} {line}");
        place.assert_nothing_left("after Ctrl-C");
    }

    for (args, told) in [
        (["--name", "../x"], "--name: `../x` is no name for a copy"),
        (["--name", "deadbeef"], "looks like the id of a copy"),
        (["--for", "0s"], "--for: a copy cannot live for no time at all"),
        (["--for", "soon"], "--for: `soon` is not a duration"),
        (["--source", "nowhere.dump"], "nowhere.dump does not exist"),
    ] {
        let ran = place.run(&[&["copy", "create"], args.as_slice()].concat());
        assert!(ran.code == Some(2) && ran.stdout.is_empty(), "{args:?}: {:?} {}", ran.code, ran.stderr);
        // Without a source of its own, that is what is missed first only where nothing else is wrong.
        assert!(ran.stderr.contains(told), "{args:?}: {}", ran.stderr);
    }
    let ran = place.run(&["copy", "create", "--source", "empty", "--role", "pg_monitor"]);
    assert!(ran.code == Some(4) && ran.stderr.contains("role pg_monitor cannot run"), "{:?} {}", ran.code, ran.stderr);
    place.assert_nothing_left("after what could not be made");
}
