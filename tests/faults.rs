//! What goes wrong around a run: servers that are killed, a disk that is full, connections that are used up, a cache that is
//! damaged. Each ends in a right result or in an error that says what to do, never in a verdict about the migration.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::runs::{Place, Running};
use support::{Ran, run, seatrial};

const COULD_NOT_REHEARSE: Option<i32> = Some(4);
const OUT_OF_BUDGET: Option<i32> = Some(124);

/// A migration of one statement that no transaction is around, and that takes longer than any test waits.
const ALONE: &str = "DO $$ BEGIN PERFORM pg_sleep(3600); END $$;\n";

/// The session that runs it, while it does; psql's that ask for it may not be gone yet.
const SLEEPING: &str = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' \
     AND application_name <> 'psql' LIMIT 1";

/// The folder of a run's sockets.
fn sockets(place: &Place) -> Option<PathBuf> {
    let runs = fs::read_dir(place.state.join("runs")).ok()?;
    runs.filter_map(|run| Some(run.ok()?.path().join("s"))).find(|folder| folder.is_dir())
}

/// Asks the server of the run under way; `None` while there is none that answers.
fn ask(place: &Place, sql: &str) -> Option<String> {
    let folder = sockets(place)?;
    let names = fs::read_dir(&folder).ok()?.filter_map(|name| name.ok()?.file_name().into_string().ok());
    let port = names.filter_map(|name| name.strip_prefix(".s.PGSQL.")?.parse::<u16>().ok()).max()?;
    let psql = Command::new("psql")
        .args(["-X", "-A", "-t", "-q", "-w", "-U", "seatrial_superuser", "-d", "seatrial", "-c", sql])
        .args(["-h", folder.to_str()?, "-p", &port.to_string()])
        .output()
        .expect("psql");
    let text = String::from_utf8(psql.stdout).ok()?.trim().to_owned();
    (psql.status.success() && !text.is_empty()).then_some(text)
}

/// The same, until there is an answer.
fn ask_until(place: &Place, running: &mut Running, sql: &str) -> String {
    loop {
        if let Some(answer) = ask(place, sql) {
            return answer;
        }
        assert!(running.child.try_wait().unwrap().is_none(), "the run is over, and nobody answered {sql}");
    }
}

fn kill_process(pid: &str) {
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
}

fn report(place: &Place) -> Value {
    let text = fs::read_to_string(place.project.path().join("out/report.json")).expect("a report");
    serde_json::from_str(&text).unwrap()
}

/// No word about the migration: nothing applied or failed, no finding but that nothing was measured.
#[track_caller]
fn assert_nothing_is_said(report: &Value) {
    for answer in ["applies", "blocks", "slower", "undoable"] {
        assert_eq!(report["answers"][answer]["verdict"], "unknown", "{answer}: {:#}", report["answers"]);
    }
    assert_eq!(report["migrations"][0]["applies"], "unknown");
    let ids: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| id.starts_with("config/")), "{ids:?}");
    assert_eq!(report["complete"], false);
}

#[test]
fn a_server_that_is_killed_is_no_failure_of_the_migration() {
    let place = Place::cold("killed-server");
    fs::write(place.project.path().join("alone.sql"), ALONE).unwrap();
    let another = "SELECT max(pid) FROM pg_stat_activity AS a WHERE backend_type = 'client backend' \
         AND application_name <> 'psql' AND query NOT LIKE '%pg_sleep(3600)%' \
         HAVING EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND application_name <> 'psql')";
    let postmaster = format!("SELECT pg_read_file('postmaster.pid', 0, 20) FROM ({SLEEPING}) AS sleeping");
    for (migration, whom) in [("endless.sql", SLEEPING), ("alone.sql", another), ("alone.sql", &postmaster)] {
        let mut running = place.start(migration, &["--passes", "measure", "--out", "out"]);
        let pid = ask_until(&place, &mut running, whom);
        kill_process(pid.lines().next().unwrap());
        let (code, said) = running.end();
        assert_eq!(code, COULD_NOT_REHEARSE, "{migration}, {whom}:\n{said}");
        assert!(said.contains("error: the copy's server "), "{said}");
        assert_nothing_is_said(&report(&place));
        place.assert_nothing_left("after the server was killed");
    }
}

#[test]
fn a_server_that_is_killed_under_the_proof_leaves_that_answer_unknown() {
    let place = Place::cold("killed-proof");
    fs::write(place.project.path().join("add.sql"), "ALTER TABLE orders ADD COLUMN region text;\n").unwrap();
    let mut running = place.start("add.sql", &["--passes", "measure,prove", "--out", "out"]);
    running.until("prove");
    let postmaster = ask_until(&place, &mut running, "SELECT pg_read_file('postmaster.pid', 0, 20)");
    kill_process(postmaster.lines().next().unwrap());
    let (code, said) = running.end();
    let report = report(&place);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(report["answers"]["applies"]["verdict"], "yes");
    assert_eq!(report["answers"]["undoable"]["verdict"], "unknown", "{:#}", report["answers"]);
    assert_eq!(report["passes"][1]["ran"], false, "{}", report["passes"]);
    let ids: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"config/not-measured") && !ids.iter().any(|id| id.starts_with("rollback/")), "{ids:?}");
    place.assert_nothing_left("after the server was killed");
}

/// A file system in memory, of one size; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(name: &str, megabytes: u32) -> Self {
        let folder = support::state_folder(name);
        fs::create_dir_all(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=711"), "seatrial-test"])
            .arg(&folder)
            .status()
            .expect("mount");
        assert!(
            mounted.success(),
            "a small disk cannot be mounted: this test needs root, or a container with SYS_ADMIN"
        );
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_full_disk_is_no_failure_of_the_migration_wherever_it_fills_up() {
    let mut place = Place::cold("full");
    let disk = SmallDisk::new("full-disk", 200);
    let own = std::mem::replace(&mut place.state, disk.0.clone());
    let grow = "CREATE TABLE big AS SELECT g, repeat('x', 500) AS filler FROM generate_series(1, 4000000) AS g;\n";
    fs::write(place.project.path().join("grow.sql"), grow).unwrap();
    let args = ["--passes", "measure", "--out", "out"];
    let ran = run(place.check("grow.sql").args(args));
    // Whoever watches the disk may see it fill up, or the server may meet its end first.
    assert_eq!(ran.code, OUT_OF_BUDGET, "{}\n{}", ran.stdout, ran.stderr);
    let report = report(&place);
    let why = report["answers"]["applies"]["summary"].as_str().unwrap();
    assert!(why.contains("the budget of disk is spent"), "{why}");
    assert_nothing_is_said(&report);
    place.assert_nothing_left("after the disk was full");
    let ran = run(place.check("quick.sql").args(["--passes", "measure"]));
    assert_ne!(ran.code, COULD_NOT_REHEARSE, "what was full is free again: {}", ran.stderr);
    // Full before there is a base: whatever else is on the disk leaves no room.
    fs::write(place.project.path().join("source.sql"), "CREATE TABLE other (id int);\n").unwrap();
    let filler = fs::File::create(disk.0.join("filler")).unwrap();
    let free = nix::sys::statvfs::statvfs(&disk.0).unwrap();
    let free = free.blocks_available() * free.fragment_size();
    nix::fcntl::posix_fallocate(&filler, 0, i64::try_from(free - (6 << 20)).unwrap()).unwrap();
    let ran = run(place.check("quick.sql").args(["--passes", "measure"]));
    assert_eq!(ran.code, COULD_NOT_REHEARSE, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("is full") && ran.stderr.contains("--cache-dir on a bigger disk"), "{}", ran.stderr);
    place.assert_nothing_left("after there was no room for a base");
    place.state = own;
}

#[test]
fn connections_that_are_used_up_are_no_failure_of_the_migration() {
    let place = Place::cold("connections");
    let mut running = place.start("endless.sql", &["--passes", "measure", "--out", "out"]);
    ask_until(&place, &mut running, SLEEPING);
    let folder = sockets(&place).unwrap();
    let port = fs::read_dir(&folder)
        .unwrap()
        .find_map(|name| name.unwrap().file_name().to_str()?.strip_prefix(".s.PGSQL.")?.parse::<u16>().ok());
    let socket = folder.join(format!(".s.PGSQL.{}", port.unwrap()));
    // Whoever connects and says nothing has a process of the server, and a place, for a minute.
    let silent: Vec<_> = (0..200).map_while(|_| std::os::unix::net::UnixStream::connect(&socket).ok()).collect();
    assert!(silent.len() > 100, "more than there are places: {}", silent.len());
    running.signal(Signal::SIGINT);
    let (code, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    assert_nothing_is_said(&report(&place));
    place.assert_nothing_left("after the connections were used up");
}

/// Something small, whose base is made in no time.
fn small(name: &str) -> Place {
    let place = Place::new(name);
    let rows = (1..=2000).map(|id| format!("{id}\tbook {id}\n")).collect::<String>();
    let source = format!("CREATE TABLE books (id integer, title text);\nCOPY books FROM stdin;\n{rows}\\.\n");
    fs::write(place.project.path().join("source.sql"), source).unwrap();
    fs::write(place.project.path().join("add.sql"), "ALTER TABLE books ADD COLUMN year integer;\n").unwrap();
    place
}

fn rehearse(place: &Place) -> Ran {
    let mut command = seatrial(place.project.path(), &place.state);
    run(command.args(["check", "add.sql", "--source", "source.sql", "--passes", "measure", "--format", "json"]))
}

fn largest(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort_by_key(|path| path.metadata().unwrap().len());
    files.pop().unwrap()
}

#[test]
fn a_damaged_cache_is_noticed_and_made_anew() {
    let place = small("damaged");
    let first = rehearse(&place);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let cut = |path: &Path, to: u64| fs::File::options().write(true).open(path).unwrap().set_len(to).unwrap();
    let database = |data: &Path| {
        let folders = fs::read_dir(data.join("base")).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).max().unwrap()
    };
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let damages: [Damage; 3] = [
        ("a record cut short", &|base| cut(&base.join("base.json"), 20)),
        ("a table cut short", &|base| cut(&largest(&database(&base.join("data"))), 8192)),
        ("one byte turned over in a table", &|base| {
            let path = largest(&database(&base.join("data")));
            // Times are kept in seconds; a change in the second it was made in is a test's alone.
            let file = fs::File::options().read(true).write(true).open(path).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, 8000).unwrap();
            file.write_all_at(&[!byte[0]], 8000).unwrap();
            file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let bases = fs::read_dir(place.state.join("bases")).unwrap().map(|entry| entry.unwrap().path());
        let base = bases.into_iter().find(|path| path.join("base.json").is_file()).expect("a base");
        damage(&base);
        let ran = rehearse(&place);
        assert_eq!(ran.code, Some(0), "{what}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("the cached copy of the source is damaged: making it anew"),
            "{what}: {}",
            ran.stderr
        );
        assert_eq!(ran.report()["source"]["rows"], 2000, "{what}");
        assert_eq!(ran.report()["answers"]["applies"]["verdict"], "yes", "{what}");
    }
    assert!(!rehearse(&place).stderr.contains("damaged"), "a whole one is used");
    place.assert_nothing_left("after all that");
}

#[test]
fn two_runs_that_want_the_same_base_at_once_come_to_the_same() {
    let place = small("contended");
    let results = std::thread::scope(|scope| {
        let runs = [(), ()].map(|()| scope.spawn(|| rehearse(&place)));
        runs.map(|run| run.join().unwrap())
    });
    let made = results.iter().filter(|ran| ran.stderr.contains("restoring ")).count();
    assert_eq!(made, 1, "one makes it, both use it:\n{}\n{}", results[0].stderr, results[1].stderr);
    for ran in &results {
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let report = ran.report();
        let verdicts = [&report["verdict"], &report["answers"]["applies"]["verdict"]];
        assert_eq!(verdicts, ["warn", "yes"], "{:#}", report["findings"]);
    }
    place.assert_nothing_left("after both");
}
