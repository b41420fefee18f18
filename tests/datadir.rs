//! Stopped data directories and base backups as sources, on real servers: what the copy keeps, what it loses, and that the
//! original is left alone.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, chown};
use seatrial::copy::base::{Base, BaseError, BaseOptions};
use seatrial::copy::source::Source;
use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::launch::{self, RunAs, RunningTool, Tool, run_tool, server_user, start_tool};
use seatrial::engine::postgres::server::cluster::create_cluster;
use seatrial::engine::postgres::session::{Endpoint, Session};
use seatrial::progress::Activity;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{copy_folder, project, run, seatrial, share_initdb};
use tempfile::TempDir;

const SOURCE: &str = include_str!("datadir/source.sql");
/// Compared on the original and on copies: what plans are made of.
const STATISTICS: &str = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT concat_ws(' ', oid, relfilenode, relpages, reltuples, relallvisible) AS line FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', starelid, staattnum, stadistinct, stavalues1::text, stanumbers1::text) FROM pg_statistic
    WHERE starelid >= 16384) AS lines";

const DENY_AT_LOGIN: &str = "
CREATE FUNCTION deny() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF session_user LIKE 'seatrial%' THEN RAISE EXCEPTION 'who is that?'; END IF;
END $$;
CREATE EVENT TRIGGER deny ON login EXECUTE FUNCTION deny();
ALTER EVENT TRIGGER deny ENABLE ALWAYS";

/// A state folder, a run, and a folder in which the user servers run as may make data directories.
struct Place {
    folder: TempDir,
    state: StateDir,
    run: RunDir,
    binaries: Binaries,
}

impl Place {
    fn new() -> Self {
        launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let cache = folder.path().join("cache");
        share_initdb(&cache);
        let state = StateDir::open(Some(&cache)).unwrap();
        let run = RunDir::create(&state).unwrap();
        let binaries =
            Binaries::find(&BinaryRequest::from_environment(None, None, None)).expect("a server to test with");
        Self { folder, state, run, binaries }
    }

    /// A folder of the user servers run as.
    fn server_folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        if let Some(user) = server_user().unwrap() {
            chown(&path, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid))).unwrap();
        }
        path
    }

    async fn obtain(&self, source: &Path, database: Option<&str>) -> Result<Base, BaseError> {
        let source = Source::parse(source.to_str().unwrap())?;
        let request = BinaryRequest { explicit: Some(self.binaries.dir.clone()), ..BinaryRequest::default() };
        let options = BaseOptions { database: database.map(str::to_owned), ..BaseOptions::default() };
        let activity = Activity::default();
        Base::obtain(&self.state, &self.run, &request, &source, &options, &activity, &mut |_| {}).await
    }

    async fn refusal(&self, source: &Path, database: Option<&str>) -> String {
        self.obtain(source, database).await.expect_err("refused").to_string()
    }

    /// A stopped cluster without anything in it.
    async fn plain_cluster(&self) -> PathBuf {
        let data_dir = self.run.fresh_path("source");
        create_cluster(&self.binaries, &self.state, &self.run, &data_dir, ()).await.unwrap();
        data_dir
    }
}

/// A server that is none of ours, as production runs one.
struct Production {
    tool: RunningTool,
    endpoint: Endpoint,
    data_dir: PathBuf,
}

impl Production {
    async fn init(place: &Place, data_dir: &Path) {
        let mut tool = Tool::new(place.binaries.initdb());
        let said =
            ["--no-sync", "--auth=trust", "--locale=C", "--encoding=UTF8", "--username=postgres", "--wal-segsize=32"];
        tool.args = said.map(Into::into).to_vec();
        tool.args.extend(["--pgdata".into(), data_dir.into()]);
        tool.run_as = RunAs::ServerUser;
        let output = run_tool(tool).await.unwrap();
        assert!(output.status.success(), "{}", output.stderr);
    }

    async fn start(place: &Place, data_dir: &Path) -> Self {
        let socket_dir = data_dir.parent().unwrap().to_owned();
        let mut tool = Tool::new(place.binaries.postgres());
        tool.args = vec!["-D".into(), data_dir.into(), "-k".into(), socket_dir.clone().into()];
        tool.run_as = RunAs::ServerUser;
        tool.directory = data_dir.to_owned();
        tool.death_signal = Signal::SIGQUIT;
        let tool = start_tool(tool).await.unwrap();
        let server = Self { tool, endpoint: Endpoint::private(&socket_dir, 5432), data_dir: data_dir.to_owned() };
        tokio::time::timeout(Duration::from_secs(60), async {
            while Session::connect(&server.endpoint, "postgres", "postgres", "test").await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("it starts");
        server
    }

    async fn connect(&self, database: &str) -> Session {
        Session::connect(&self.endpoint, database, "postgres", "test").await.unwrap()
    }

    /// Ends it with this signal, and waits until none of its processes is left.
    async fn end(self, signal: Signal) {
        let text = std::fs::read_to_string(self.data_dir.join("postmaster.pid")).unwrap();
        kill(Pid::from_raw(text.lines().next().unwrap().parse().unwrap()), signal).unwrap();
        self.tool.wait().await;
        let folder = self.data_dir.metadata().unwrap();
        let works_there = || {
            std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                let place = std::fs::metadata(entry.path().join("cwd"));
                place.is_ok_and(|place| (place.dev(), place.ino()) == (folder.dev(), folder.ino()))
            })
        };
        while works_there() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn value(session: &mut Session, sql: &str) -> String {
    let rows = session.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.scalar().unwrap_or_default().to_owned()
}

/// Names, modes, times and content of everything in a folder, links as links.
fn digest(folder: &Path) -> u64 {
    let mut hash = DefaultHasher::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let metadata = path.symlink_metadata().unwrap();
            (&path, metadata.mode(), metadata.uid(), metadata.mtime(), metadata.mtime_nsec()).hash(&mut hash);
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_symlink() {
                std::fs::read_link(&path).unwrap().hash(&mut hash);
            } else if metadata.is_file() {
                std::fs::read(&path).unwrap().hash(&mut hash);
            }
        }
    }
    hash.finish()
}

/// A folder with links as links, as `cp -a` copies one.
fn copy_with_links(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&path).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy_with_links(&path, &target);
        } else if kind.is_file() {
            std::fs::copy(&path, target).unwrap();
        }
    }
}

/// A base backup by the functions every tool for backups calls, with what the log holds until its end.
async fn back_up(server: &Production, to: &Path) {
    let mut session = server.connect("shop").await;
    let number: u32 = value(&mut session, "SHOW server_version_num").await.parse().unwrap();
    let (start, stop) = if number >= 150_000 {
        ("SELECT pg_backup_start('test', true)", "SELECT labelfile FROM pg_backup_stop(false)")
    } else {
        ("SELECT pg_start_backup('test', true, false)", "SELECT labelfile FROM pg_stop_backup(false, false)")
    };
    value(&mut session, start).await;
    copy_with_links(&server.data_dir, to);
    session.execute("INSERT INTO customers VALUES (0, 'meanwhile')").await.unwrap();
    let label = value(&mut session, stop).await;
    std::fs::write(to.join("backup_label"), label).unwrap();
    std::fs::remove_file(to.join("postmaster.pid")).unwrap();
    // The log as it is at the end.
    std::fs::remove_dir_all(to.join("pg_wal")).unwrap();
    copy_folder(&server.data_dir.join("pg_wal"), &to.join("pg_wal"));
}

#[tokio::test]
async fn a_directory_is_copied_as_it_is_and_left_alone() {
    let place = Place::new();
    let home = place.server_folder("production");
    let (data_dir, marker) = (home.join("data"), home.join("archived"));
    let fast = place.server_folder("fast");
    Production::init(&place, &data_dir).await;
    // The log on another disk, as it often is.
    std::fs::rename(data_dir.join("pg_wal"), home.join("wal")).unwrap();
    std::os::unix::fs::symlink("../wal", data_dir.join("pg_wal")).unwrap();
    let conf = data_dir.join("postgresql.conf");
    let settings = format!(
        "listen_addresses = ''\nfsync = off\nautovacuum = off\narchive_mode = on\narchive_command = 'touch {}'\n\
         max_prepared_transactions = 3\nwork_mem = 6MB\ncron.database_name = 'shop'\n",
        marker.display()
    );
    std::fs::write(&conf, std::fs::read_to_string(&conf).unwrap() + &settings).unwrap();

    let server = Production::start(&place, &data_dir).await;
    let mut session = server.connect("postgres").await;
    for statement in [
        "ALTER SYSTEM SET random_page_cost = 1.3",
        "SELECT pg_reload_conf()",
        &format!("CREATE TABLESPACE fast LOCATION '{}'", fast.display()),
        "CREATE DATABASE shop",
        "CREATE DATABASE \"sp'are\" CONNECTION LIMIT 0",
        "SELECT pg_create_physical_replication_slot('standby', true)",
    ] {
        session.execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    session.close().await;
    let mut session = server.connect("shop").await;
    session.execute(SOURCE).await.expect("made");
    if place.binaries.major >= 15 {
        session.execute("GRANT SET ON PARAMETER session_preload_libraries TO app").await.unwrap();
    }
    if place.binaries.major >= 17 {
        session.execute(DENY_AT_LOGIN).await.unwrap();
    }
    session.close().await;
    let mut spare = server.connect("sp'are").await;
    for statement in ["CREATE TABLE t ()", "BEGIN; INSERT INTO t DEFAULT VALUES; PREPARE TRANSACTION 'far'"] {
        spare.execute(statement).await.unwrap();
    }
    spare.close().await;
    let mut session = server.connect("shop").await;
    session.execute("BEGIN; UPDATE customers SET name = 'x' WHERE id = 1; PREPARE TRANSACTION 'it''s'").await.unwrap();
    let running = place.refusal(&data_dir, None).await;
    assert!(running.contains("a server runs on ") && running.contains("pg_basebackup"), "{running}");
    let backup = place.folder.path().join("backup");
    back_up(&server, &backup).await;
    let query =
        "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer WHERE o.status = 'late' ORDER BY c.name";
    let plan = value(&mut session, &format!("EXPLAIN (FORMAT JSON) {query}")).await;
    let statistics = value(&mut session, STATISTICS).await;
    session.close().await;
    server.end(Signal::SIGKILL).await;
    let crashed = place.folder.path().join("crashed");
    copy_with_links(&data_dir, &crashed);
    std::fs::remove_file(crashed.join("pg_wal")).unwrap();
    copy_folder(&home.join("wal"), &crashed.join("pg_wal"));

    let server = Production::start(&place, &data_dir).await;
    let mut session = server.connect("shop").await;
    value(&mut session, "SELECT count(*) FROM counted").await;
    assert_eq!(statistics, value(&mut session, STATISTICS).await, "recovery of the original changes nothing of it");
    for statement in [
        "INSERT INTO kept SELECT generate_series(1, 3)",
        "ALTER ROLE postgres IN DATABASE shop SET session_preload_libraries = 'no_such_library'",
        "ALTER DATABASE shop SET local_preload_libraries = 'no_such_library'",
    ] {
        session.execute(statement).await.unwrap();
    }
    session.close().await;
    server.end(Signal::SIGINT).await;
    if marker.exists() {
        std::fs::remove_file(&marker).unwrap();
    }
    let before = digest(place.folder.path().join("production").as_path()) ^ digest(&fast);

    // The built program.
    let project = project();
    std::fs::write(project.path().join("m.sql"), "ALTER TABLE orders ADD COLUMN note text;\n").unwrap();
    std::fs::write(project.path().join("q.sql"), format!("-- name: late\n{query};\n")).unwrap();
    let cache = place.folder.path().join("cache");
    let mut check = seatrial(project.path(), &cache);
    check.args(["check", "m.sql", "--queries", "q.sql", "--format", "json", "--passes", "measure,prove", "--source"]);
    check.arg(&data_dir).args(["--postgres-bin".as_ref(), place.binaries.dir.as_os_str()]);
    let several = run(&mut check);
    assert_eq!(several.code, Some(4), "{}", several.stderr);
    assert!(several.stderr.contains("give --database with one of shop, sp'are"), "{}", several.stderr);
    let ran = run(check.args(["--database", "shop"]));
    let report = ran.report();
    let source = &report["source"];
    assert_eq!(ran.code, Some(0), "{report:#}\n{}", ran.stderr);
    assert_eq!((source["kind"].as_str(), source["fidelity"].as_str()), (Some("data_directory"), Some("physical")));
    assert!(source["rows"].as_u64() > Some(25_000) && source["taken_at"].is_string(), "{source:#}");
    assert_eq!(report["answers"]["undoable"]["verdict"], "yes", "{:#}", report["rollback"]);
    let original: Value = serde_json::from_str(&plan).unwrap();
    let (original, copied) = (&original[0]["Plan"], &report["queries"][0]["before"]["plan"]);
    let cost = |plan: &Value| plan["Total Cost"].as_f64().or(plan["Plan"]["Total Cost"].as_f64()).unwrap();
    assert_eq!(cost(original), cost(copied), "{original:#}\n{copied:#}");
    assert_eq!(report["engine"]["settings"]["work_mem"], "6MB");
    assert_eq!(report["engine"]["settings"]["random_page_cost"], "1.3");
    let whole = report.to_string() + &ran.stderr;
    assert!(!whole.contains("secret-word"), "{whole}");
    assert_eq!(
        before,
        digest(place.folder.path().join("production").as_path()) ^ digest(&fast),
        "the original changed"
    );
    assert!(!marker.exists(), "the copy archived its log over the original's");

    // What became of it.
    let base = place.obtain(&data_dir, Some("shop")).await.expect("a base");
    assert!(base.reused, "the program's own");
    let warnings = base.record.warnings.join("\n");
    for part in [
        "role app: PASSWORD left out",
        "role boss: CREATEROLE, SUPERUSER left out",
        "role postgres: BYPASSRLS, CREATEDB, CREATEROLE, REPLICATION, SUPERUSER left out",
        "membership in pg_read_server_files left out",
        "subscription news left out",
        "foreign server far made unreachable",
        "user mapping for app SERVER far emptied",
        "session_preload_libraries of role postgres left out",
        "local_preload_libraries of database shop left out",
        "prepared transaction it's was rolled back",
    ] {
        assert!(warnings.contains(part), "{part}:\n{warnings}");
    }
    let copy = base.copy(&place.run, Vec::new()).await.expect("a copy");
    let mut session = Session::observer(copy.endpoint(), "shop", "test").await.unwrap();
    for (sql, expected) in [
        (STATISTICS, statistics.as_str()),
        ("SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper OR rolcreaterole", "seatrial_superuser"),
        ("SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL", "0"),
        ("SELECT string_agg(datname, ',') FROM pg_database", "shop"),
        ("SELECT count(*) FROM pg_subscription", "0"),
        ("SELECT count(*) FROM pg_replication_slots", "0"),
        ("SELECT count(*) FROM pg_prepared_xacts", "0"),
        ("SELECT pg_get_userbyid(datdba) FROM pg_database", "postgres"),
        ("SELECT tableowner FROM pg_tables WHERE tablename = 'customers'", "postgres"),
        ("SELECT tablespace FROM pg_indexes WHERE indexname = 'orders_customer'", "fast"),
        ("SELECT array_to_string(srvoptions, ',') FROM pg_foreign_server", "host=/nonexistent,dbname=shop"),
        (
            "SELECT pg_get_userbyid(defaclrole) || regexp_replace(defaclacl::text, '[a-zA-Z]{5,}/', '…/') FROM pg_default_acl",
            "postgres{postgres=…/postgres,app=r/postgres}",
        ),
        (
            "SELECT array_to_string(setconfig, ',') FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole \
          WHERE rolname = 'postgres' AND setdatabase = 0",
            "statement_timeout=77s",
        ),
        ("SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text ~ 'preload'", "0"),
        ("SELECT pg_has_role('app', 'pg_read_server_files', 'MEMBER')", "f"),
        ("SELECT pg_has_role('boss', 'postgres', 'MEMBER')", "t"),
        ("SELECT count(*) FROM pg_auth_members WHERE member = 10 OR roleid = 10", "0"),
        ("SELECT roleid::regrole FROM pg_auth_members WHERE member = 'postgres'::regrole", "\"Ödd \"\"role\\\""),
        ("SELECT evtenabled FROM pg_event_trigger WHERE evtname = 'watch'", "A"),
        ("SELECT count(*) FROM public.watched", "0"),
        ("SELECT count(*) FROM public.kept", "3"),
        ("SELECT count(*) FROM pg_largeobject_metadata", "1"),
    ] {
        assert_eq!(value(&mut session, sql).await, expected, "{sql}");
    }
    if place.binaries.major >= 15 {
        let granted = "SELECT has_parameter_privilege('app', 'session_preload_libraries', 'SET')";
        assert_eq!(value(&mut session, granted).await, "f");
    }
    if place.binaries.major >= 17 {
        assert!(warnings.contains("event trigger deny disabled: it fires at login"), "{warnings}");
    }
    let scans = "SELECT seq_scan > 0 FROM pg_stat_user_tables WHERE relname = 'counted'";
    assert_eq!(value(&mut session, scans).await, "t", "the server's counters came along");
    session.close().await;
    copy.destroy().await.unwrap();

    // A crash and a backup are recovered in the copy.
    for (source, customers, kept) in [(&crashed, "1001", "0"), (&backup, "1001", "0")] {
        let before = digest(source);
        let base = place.obtain(source, Some("shop")).await.expect("a base");
        let copy = base.copy(&place.run, Vec::new()).await.expect("a copy");
        let mut session = Session::observer(copy.endpoint(), "shop", "test").await.unwrap();
        assert_eq!(value(&mut session, STATISTICS).await, statistics);
        assert_eq!(value(&mut session, "SELECT count(*) FROM public.customers").await, customers);
        assert_eq!(value(&mut session, "SELECT count(*) FROM public.kept").await, kept);
        session.close().await;
        copy.destroy().await.unwrap();
        assert!(base.record.warnings.iter().any(|line| line.contains("unlogged table public.kept is empty")));
        assert_eq!(before, digest(source));
    }
    // Its log ends before the backup does.
    let (first, others) = log_files(&backup);
    for file in others {
        std::fs::remove_file(file).unwrap();
    }
    std::fs::write(&first, vec![0; 32 << 20]).unwrap();
    let torn = place.refusal(&backup, Some("shop")).await;
    assert!(torn.contains("lacks a part of its write-ahead log"), "{torn}");
    std::fs::remove_file(first).unwrap();
    let missing = place.refusal(&backup, Some("shop")).await;
    assert!(missing.contains("pg_wal/0000") && missing.contains("--wal-method=stream"), "{missing}");
    std::fs::remove_dir_all(&fast).unwrap();
    let lost = place.refusal(&crashed, Some("shop")).await;
    assert!(lost.contains("pg_tblspc/") && lost.contains("--tablespace-mapping"), "{lost}");
}

/// The first file of the log, and those after it.
fn log_files(data_dir: &Path) -> (PathBuf, Vec<PathBuf>) {
    let files = std::fs::read_dir(data_dir.join("pg_wal")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.file_name().unwrap().len() == 24).collect();
    let label = std::fs::read_to_string(data_dir.join("backup_label")).unwrap();
    files.retain(|path| path.is_file());
    let first = files.iter().position(|path| label.contains(path.file_name().unwrap().to_str().unwrap())).unwrap();
    (files.remove(first), files)
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_with_the_next_step() {
    let place = Place::new();
    let data_dir = place.plain_cluster().await;
    let refusals = async |change: &dyn Fn(&Path)| {
        let copy = place.folder.path().join("changed");
        copy_with_links(&data_dir, &copy);
        change(&copy);
        let said = place.refusal(&copy, None).await;
        std::fs::remove_dir_all(&copy).unwrap();
        said
    };
    let other = if place.binaries.major == 17 { 16 } else { 17 };
    let said = refusals(&|copy| std::fs::write(copy.join("PG_VERSION"), format!("{other}\n")).unwrap()).await;
    assert!(said.contains(&format!("seatrial fetch-postgres {other}")) && said.contains("--postgres-bin"), "{said}");
    let said = refusals(&|copy| std::fs::write(copy.join("PG_VERSION"), "9.6\n").unwrap()).await;
    assert!(said.contains("of PostgreSQL 9.6: 13 and newer"), "{said}");
    let said = refusals(&|copy| std::fs::write(copy.join("global/pg_control"), vec![0; 8192]).unwrap()).await;
    assert!(said.contains("pg_control is damaged"), "{said}");
    let said = refusals(&|copy| {
        std::fs::write(copy.join("backup_label"), "INCREMENTAL FROM LSN: 0/2000028\n").unwrap();
    })
    .await;
    assert!(said.contains("pg_combinebackup"), "{said}");
    let said = refusals(&|copy| std::fs::write(copy.join("tablespace_map"), "16400 /elsewhere\n").unwrap()).await;
    assert!(said.contains("names 16400"), "{said}");
    let said = refusals(&|copy| {
        std::fs::remove_dir_all(copy.join("pg_wal")).unwrap();
        std::fs::create_dir(copy.join("pg_wal")).unwrap();
    })
    .await;
    assert!(said.contains("lacks a part of its write-ahead log, pg_wal/0000"), "{said}");
    let said = refusals(&|copy| {
        // Another build's catalogs: bytes 12 to 16 of the control file, under a checksum a server notices first.
        let path = copy.join("global/pg_control");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[12] ^= 1;
        std::fs::write(path, bytes).unwrap();
    })
    .await;
    assert!(said.contains("does not read the data directory") || said.contains("another build"), "{said}");
    let said = place.refusal(&data_dir, Some("nowhere")).await;
    assert!(said.contains("holds no database nowhere: give --database with one of postgres"), "{said}");

    // A server runs on it, where nobody sees its process: it writes while the files are copied.
    let copy = place.folder.path().join("changed");
    copy_with_links(&data_dir, &copy);
    let source = Source::parse(copy.to_str().unwrap()).unwrap();
    let request = BinaryRequest { explicit: Some(place.binaries.dir.clone()), ..BinaryRequest::default() };
    let (options, activity) = (BaseOptions::default(), Activity::default());
    let mut write = |said: &str| {
        assert!(said.starts_with("copying "), "{said}");
        std::fs::write(copy.join("base/1/99999"), "a table").unwrap();
    };
    let obtained = Base::obtain(&place.state, &place.run, &request, &source, &options, &activity, &mut write).await;
    let said = obtained.expect_err("refused").to_string();
    assert!(said.contains("changed while it was copied") && said.contains("pg_basebackup"), "{said}");

    // A process of that number lives, and is no server there: a server would start, and so do we.
    std::fs::write(data_dir.join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
    let base = place.obtain(&data_dir, None).await.expect("a base");
    assert_eq!(base.record.database, "postgres");
}
