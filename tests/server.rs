//! Disposable servers, on a real PostgreSQL: the one `SEATRIAL_POSTGRES_BIN` names, else the newest found.

mod support;

use seatrial::copy::state::{BaseSlot, RunDir, StateDir, sweep};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch::process::start_time;
use seatrial::engine::postgres::launch::{self, RunAs, Tool, run_tool};
use seatrial::engine::postgres::server::cluster::{copy_data_dir, create_cluster};
use seatrial::engine::postgres::server::{ClusterError, SUPERUSER, Server, ServerMode, ServerOptions};
use seatrial::engine::postgres::session::Session;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::share_initdb;
use tempfile::TempDir;

/// A state folder of the test's own, and a run in it.
struct Place {
    folder: TempDir,
    state: StateDir,
    run: RunDir,
    binaries: Binaries,
}

impl Place {
    fn new() -> Self {
        Self::at("cache")
    }

    fn at(name: &str) -> Self {
        let folder = open_folder();
        let cache = folder.path().join(name);
        share_initdb(&cache);
        let state = StateDir::open(Some(&cache)).expect("a state folder");
        let run = RunDir::create(&state).expect("a run");
        Self { folder, state, run, binaries: binaries() }
    }

    async fn cluster(&self) -> PathBuf {
        let data_dir = self.run.fresh_path("data");
        create_cluster(&self.binaries, &self.state, &self.run, &data_dir, ()).await.expect("a cluster");
        data_dir
    }

    async fn start(&self, data_dir: &Path, mode: ServerMode) -> Server {
        Server::start(&self.binaries, data_dir, &self.run, &mode.into()).await.expect("a server")
    }
}

/// A folder that the user servers run as can pass through.
fn open_folder() -> TempDir {
    launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
    folder
}

fn binaries() -> Binaries {
    Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a PostgreSQL server to test with")
}

async fn connect(server: &Server) -> Session {
    Session::connect(server.endpoint(), "postgres", SUPERUSER, "test").await.expect("a session")
}

async fn value(server: &Server, sql: &str) -> String {
    let mut session = connect(server).await;
    let rows = session.query(sql).await.expect("an answer");
    session.close().await;
    rows.scalar().expect("one value").to_owned()
}

#[tokio::test]
async fn a_server_starts_answers_and_stops_to_be_copied() {
    let place = Place::new();
    let data_dir = place.cluster().await;
    let server = place.start(&data_dir, ServerMode::Loading).await;
    connect(&server).await.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.expect("made");
    assert_eq!(value(&server, "SHOW wal_level").await, "minimal");
    let running = copy_data_dir(&data_dir, &place.run.fresh_path("copy")).expect_err("it runs");
    assert!(running.to_string().contains("in use"), "{running}");
    let pid = server.pid();
    server.stop().await.expect("a clean shutdown");
    assert_eq!(start_time(pid), None);

    let copy = place.run.fresh_path("copy");
    copy_data_dir(&data_dir, &copy).expect("copied");
    let server = place.start(&copy, ServerMode::Measuring).await;
    assert_eq!(value(&server, "SELECT answer FROM kept").await, "42");
    server.destroy().await.expect("destroyed");
    assert!(!copy.exists() && data_dir.exists());
}

#[test]
fn a_base_nobody_waits_for_any_more_is_gone_once_its_files_have_stopped_coming() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = runtime.block_on(async {
        place.cluster().await;
        let slot = place.state.base("key", |folder: &Path| folder.is_dir().then_some(())).await.expect("a slot");
        let BaseSlot::Missing(partial) = slot else { panic!("nobody made it") };
        let folder = partial.path().to_owned();
        let data_dir = folder.join("data");
        let made = create_cluster(&place.binaries, &place.state, &place.run, &data_dir, partial.clone());
        let begun = async {
            while !data_dir.join("base").exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = begun => {}
            made = made => panic!("it was faster: {made:?}"),
        }
        folder
    });
    // As at the end of every command: what blocks is waited for.
    drop(runtime);
    assert!(!folder.exists(), "{:?}", std::fs::read_dir(&folder).map(Iterator::count));
}

#[tokio::test]
async fn two_servers_live_side_by_side() {
    let place = Place::new();
    let (one, two) = (place.cluster().await, place.cluster().await);
    let one = place.start(&one, ServerMode::Measuring).await;
    let two = place.start(&two, ServerMode::Measuring).await;
    for server in [&one, &two] {
        let said = value(server, "SHOW data_directory").await;
        assert_eq!(Path::new(&said), server.data_dir());
    }
    let run = place.run.path().to_owned();
    let pids = [one.pid(), two.pid()];
    drop(place.run);
    assert!(run.exists(), "the folder outlives its servers");
    drop((one, two));
    assert_eq!(pids.map(start_time), [None, None]);
    assert!(!run.exists());
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_no_obstacle() {
    let place = Place::at(&"x".repeat(150));
    let server = place.start(&place.cluster().await, ServerMode::Measuring).await;
    assert_eq!(value(&server, "SELECT 1").await, "1");
    let outside = server.endpoint().socket_dir.clone();
    assert!(!outside.starts_with(place.folder.path()));
    drop((server, place));
    assert!(!outside.exists());
}

#[tokio::test]
async fn nothing_of_the_server_is_root_s_or_open_to_others() {
    let place = Place::new();
    let server = place.start(&place.cluster().await, ServerMode::Measuring).await;
    let postmaster = std::fs::metadata(format!("/proc/{}", server.pid())).expect("it lives");
    assert_ne!(postmaster.uid(), 0);
    for private in [server.data_dir(), &server.endpoint().socket_dir] {
        let metadata = private.metadata().expect("it is there");
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (postmaster.uid(), 0o700), "{}", private.display());
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it lives");
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).expect("a line of groups");
    if nix::unistd::geteuid().is_root() {
        assert_eq!(groups.trim(), "", "root's groups are given up too");
    }
    let environment = std::fs::read_to_string(format!("/proc/{}/environ", server.pid())).expect("it lives");
    let names: Vec<&str> = environment.split_terminator('\0').filter_map(|pair| pair.split('=').next()).collect();
    for name in names {
        assert!(["PATH", "LANG", "LC_ALL", "TZ", "HOME"].contains(&name), "{name}");
    }
}

#[tokio::test]
async fn measuring_settings_hold_and_the_directory_s_own_do_not() {
    let place = Place::new();
    let data_dir = place.cluster().await;
    let mut own = std::fs::OpenOptions::new().append(true).open(data_dir.join("postgresql.auto.conf")).expect("a file");
    writeln!(own, "work_mem = '77MB'\narchive_command = 'false'\nlisten_addresses = '*'").expect("written");
    let options = ServerOptions {
        mode: ServerMode::Measuring,
        settings: vec![("random_page_cost".into(), "1.1".into()), ("max_connections".into(), "150".into())],
    };
    let server = Server::start(&place.binaries, &data_dir, &place.run, &options).await.expect("a server");
    for (name, expected) in [
        ("work_mem", "4MB"),
        ("listen_addresses", ""),
        ("fsync", "off"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("wal_level", "replica"),
        // Before 15 only where the server reaches itself over the loopback.
        ("track_counts", "on"),
        ("autovacuum", "on"),
        ("autovacuum_naptime", "2147483s"),
        ("synchronize_seqscans", "off"),
        ("jit", "off"),
        ("max_locks_per_transaction", "256"),
        ("random_page_cost", "1.1"),
        ("max_connections", "150"),
        ("server_encoding", "UTF8"),
    ] {
        assert_eq!(value(&server, &format!("SHOW {name}")).await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_is_read_again_is_planned_once_and_sees_what_is_there_now() {
    let place = Place::new();
    let server = place.start(&place.cluster().await, ServerMode::Measuring).await;
    let mut session = connect(&server).await;
    let tables = "SELECT 6 / count(*) FROM pg_catalog.pg_class WHERE relname LIKE 'later%'";
    for _ in 0..2 {
        let refused = session.read(tables).await.expect_err("none is there yet");
        assert_eq!(refused.sqlstate, "22012", "{refused}");
    }
    for (made, expected) in [("later", "6"), ("later_on", "3"), ("later_still", "2")] {
        session.execute(&format!("CREATE TABLE {made} ()")).await.expect("a table");
        assert_eq!(session.read(tables).await.expect("read").scalar(), Some(expected), "{made}");
    }
    let prepared = "SELECT max(generic_plans + custom_plans) FROM pg_catalog.pg_prepared_statements";
    let prepared = if place.binaries.major >= 14 { prepared } else { "SELECT 3" };
    assert_eq!(session.query(prepared).await.expect("listed").scalar(), Some("3"));
}

#[tokio::test]
async fn time_limits_of_the_source_do_not_bind_the_tool_s_own_sessions() {
    let place = Place::new();
    let server = place.start(&place.cluster().await, ServerMode::Measuring).await;
    let mut limits = vec!["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
    limits.extend((place.binaries.major >= 14).then_some("idle_session_timeout"));
    limits.extend((place.binaries.major >= 17).then_some("transaction_timeout"));
    let mut session = connect(&server).await;
    for limit in &limits {
        session.execute(&format!("ALTER DATABASE postgres SET {limit} = '77s'")).await.expect("set");
    }
    let mut observer = Session::observer(server.endpoint(), "postgres", "test").await.expect("a session");
    for limit in limits {
        let shown = observer.query(&format!("SHOW {limit}")).await.expect("known");
        assert_eq!(shown.scalar(), Some("0"), "{limit}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_says_what_its_log_says() {
    let place = Place::new();
    let options =
        ServerOptions { mode: ServerMode::Measuring, settings: vec![("shared_buffers".into(), "many".into())] };
    let started = Server::start(&place.binaries, &place.cluster().await, &place.run, &options).await;
    let Err(error @ ClusterError::NotReady { .. }) = started else { panic!("it started: {started:?}") };
    let message = error.to_string();
    assert!(message.contains("shared_buffers") && message.contains(&place.binaries.version), "{message}");
}

#[tokio::test]
async fn tools_run_to_their_end_or_die_when_given_up() {
    let place = Place::new();
    let mut tool = Tool::new("/bin/sh".into());
    tool.args = ["-c", "id -u; cat; echo late >&2; exit 3"].map(Into::into).to_vec();
    tool.run_as = RunAs::ServerUser;
    let input = place.folder.path().join("input");
    std::fs::write(&input, "from a file").expect("written");
    tool.stdin = Some(std::fs::File::open(&input).expect("a file"));
    let output = run_tool(tool).await.expect("a shell");
    let stdout = String::from_utf8(output.stdout).expect("text");
    assert!(stdout.ends_with("\nfrom a file") && !stdout.starts_with("0\n"), "{stdout}");
    assert_eq!((output.status.code(), output.stderr.as_str()), (Some(3), "late\n"));

    let absent = run_tool(Tool::new("/nonexistent/pg_dump".into())).await.expect("the helper at least starts");
    assert_eq!(absent.status.code(), Some(127));
    assert!(absent.stderr.contains("/nonexistent/pg_dump"), "{}", absent.stderr);

    let mut endless = Tool::new("/bin/sh".into());
    endless.args = ["-c", "echo $$; exec sleep 1000"].map(Into::into).to_vec();
    let mut running = launch::start_tool(endless).await.expect("a shell");
    let mut line = String::new();
    BufReader::new(running.stdout.take().expect("a pipe")).read_line(&mut line).expect("its pid");
    drop(running);
    assert_eq!(start_time(line.trim().parse().expect("a pid")), None);
}

/// What a process that is killed does before: it says where it is, and goes on. Run only by the test below, in a
/// process of its own.
#[tokio::test]
#[ignore = "the victim of the test below"]
async fn victim() {
    let Some(cache) = std::env::var_os("SEATRIAL_TEST_VICTIM") else { return };
    launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
    let say = |line: String| writeln!(std::io::stdout(), "\n{line}").expect("somebody listens");
    let state = StateDir::open(Some(Path::new(&cache))).expect("a state folder");
    let run = RunDir::create(&state).expect("a run");
    say("run 0".into());
    let data_dir = run.fresh_path("data");
    create_cluster(&binaries(), &state, &run, &data_dir, ()).await.expect("a cluster");
    say("cluster 0".into());
    let server = Server::start(&binaries(), &data_dir, &run, &ServerMode::Measuring.into()).await.expect("a server");
    let busy = connect(&server).await.execute("CREATE TABLE t AS SELECT generate_series(1, 1000000)").await;
    busy.expect("made");
    say(format!("server {}", server.pid()));
    // Until it is killed.
    std::io::stdin().read_to_end(&mut Vec::new()).expect("standard input");
}

/// Runs the victim until it says that it has come to `stage`, and kills it; returns what it said with that.
fn kill_victim_at(stage: &str, cache: &Path) -> u32 {
    let mut victim = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env("SEATRIAL_TEST_VICTIM", cache)
        // What the user set for servers elsewhere is not for ours.
        .envs([("PGSSLMODE", "require"), ("PGHOST", "nowhere.invalid"), ("PGDATABASE", "theirs"), ("PGPORT", "1")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test again");
    let lines = BufReader::new(victim.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map(|line| line.expect("text"));
    let said = lines.find_map(|line| line.strip_prefix(stage)?.trim().parse().ok());
    victim.kill().expect("killed");
    victim.wait().expect("dead");
    said.expect("the stage is reached")
}

/// Processes that work in a folder.
fn working_in(folder: &Path) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
    processes.filter(|process| process.join("cwd").read_link().is_ok_and(|cwd| cwd.starts_with(folder))).collect()
}

#[test]
fn a_killed_process_leaves_no_server_and_the_next_sweep_nothing_at_all() {
    let folder = open_folder();
    let cache = folder.path().canonicalize().expect("its real name").join("cache");
    for stage in ["run", "cluster", "server"] {
        let pid = kill_victim_at(stage, &cache);
        if stage == "server" && cfg!(target_os = "linux") {
            let deadline = Instant::now() + Duration::from_secs(30);
            while start_time(pid).is_some() || !working_in(&cache).is_empty() {
                assert!(Instant::now() < deadline, "the server outlives its owner");
                std::thread::yield_now();
            }
        }
        let state = StateDir::open(Some(&cache)).expect("a state folder");
        let left = std::fs::read_dir(state.runs()).expect("a folder").count();
        assert_eq!(left, 1, "killed, it cannot have cleaned up");
        let done = sweep(&state).expect("swept");
        assert!(done.iter().all(|line| line.starts_with("removed")), "{done:?}");
        assert_eq!(std::fs::read_dir(state.runs()).expect("a folder").count(), 0, "killed at {stage}: {done:?}");
        assert_eq!(working_in(&cache), Vec::<PathBuf>::new());
    }
}
