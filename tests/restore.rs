//! Sources restored into bases, on real servers.

mod support;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use seatrial::copy::base::{Base, BaseError, BaseOptions};
use seatrial::copy::kept::Kept;
use seatrial::copy::role::{RoleError, prepare_login, prepare_roles};
use seatrial::copy::scratch::Roles;
use seatrial::copy::source::Source;
use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::binaries::{Binaries, BinaryRequest};
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::launch::{self, Tool, run_tool};
use seatrial::engine::postgres::server::cluster::create_cluster;
use seatrial::engine::postgres::server::{SUPERUSER, Server, ServerMode};
use seatrial::engine::postgres::session::{Endpoint, Session};
use seatrial::progress::Activity;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::share_initdb;
use tempfile::TempDir;
use tokio::sync::OnceCell;

const SOURCE: &str = include_str!("restore/source.sql");

/// A state folder of the test's own, a run in it, and room for dumps.
struct Place {
    folder: TempDir,
    state: StateDir,
    run: RunDir,
    request: BinaryRequest,
}

impl Place {
    fn new() -> Self {
        launch::set_launcher(env!("CARGO_BIN_EXE_seatrial").into());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its owner may");
        let cache = folder.path().join("cache");
        share_initdb(&cache);
        let state = StateDir::open(Some(&cache)).expect("a state folder");
        let run = RunDir::create(&state).expect("a run");
        Self { folder, state, run, request: BinaryRequest::from_environment(None, None, None) }
    }

    fn binaries(&self) -> Binaries {
        Binaries::find(&self.request).expect("a PostgreSQL server to test with")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    async fn obtain(&self, source: &str, options: &BaseOptions) -> Result<Base, BaseError> {
        let source = Source::parse(source)?;
        Base::obtain(&self.state, &self.run, &self.request, &source, options, &Activity::default(), &mut |_| {}).await
    }

    async fn base(&self, path: &Path) -> Base {
        self.obtain(path.to_str().expect("utf-8"), &BaseOptions::default()).await.expect("a base")
    }

    /// What restoring this SQL text fails with.
    async fn failure(&self, text: impl AsRef<[u8]>) -> String {
        let path = self.write("bad.sql", text);
        let failed = self.obtain(path.to_str().expect("utf-8"), &BaseOptions::default()).await;
        failed.expect_err("refused").to_string().replace(path.to_str().expect("utf-8"), "bad.sql")
    }

    async fn cluster(&self) -> Server {
        let (binaries, data_dir) = (self.binaries(), self.run.fresh_path("source"));
        create_cluster(&binaries, &self.state, &self.run, &data_dir, ()).await.expect("cluster");
        Server::start(&binaries, &data_dir, &self.run, &ServerMode::Measuring.into()).await.expect("a server")
    }
}

/// A server and, on it, the database to be copied.
async fn source_server(place: &Place) -> Server {
    let server = place.cluster().await;
    let mut session = connect(server.endpoint(), "postgres", SUPERUSER).await;
    for sql in [
        "CREATE ROLE app_owner; CREATE ROLE billing; CREATE ROLE reader; CREATE ROLE \"odd \"\"Rôle\"\"\" LOGIN PASSWORD 'p'",
        "CREATE DATABASE \"sh'op é\" TEMPLATE template0 OWNER app_owner LOCALE 'C.UTF-8'",
        "ALTER DATABASE \"sh'op é\" SET work_mem = '77MB'",
        "ALTER ROLE billing IN DATABASE \"sh'op é\" SET search_path = billing, public",
        "GRANT CONNECT ON DATABASE \"sh'op é\" TO reader; GRANT billing TO reader; ALTER ROLE reader SET work_mem = '9MB'",
    ] {
        session.execute(sql).await.expect(sql);
    }
    session.close().await;
    let mut session = connect(server.endpoint(), "sh'op é", SUPERUSER).await;
    // Bodies in standard SQL are new in 14.
    let lines = SOURCE.lines().filter(|line| place.binaries().major >= 14 || !line.contains("BEGIN ATOMIC"));
    session.execute(&lines.collect::<Vec<_>>().join("\n")).await.expect("the source");
    session.close().await;
    server
}

async fn connect(endpoint: &Endpoint, database: &str, role: &str) -> Session {
    Session::connect(endpoint, database, role, "test").await.expect("a session")
}

async fn tool(binaries: &Binaries, name: &str, endpoint: &Endpoint, args: &[&str]) -> String {
    let dump = binaries.pg_dump.as_ref().expect("pg_dump");
    // Its companions stand where it really is, which may be behind a link.
    let real = dump.path.canonicalize().expect("a path");
    let mut tool = Tool::new(real.with_file_name(name));
    tool.args = args.iter().map(Into::into).collect();
    tool.env = vec![
        ("PGHOST".into(), endpoint.socket_dir.clone().into()),
        ("PGPORT".into(), endpoint.port.to_string().into()),
        ("PGUSER".into(), SUPERUSER.into()),
    ];
    let output = run_tool(tool).await.expect("started");
    assert!(output.status.success(), "{}", output.stderr);
    String::from_utf8(output.stdout).expect("utf-8")
}

/// `pg_dump`'s text without its random keys.
async fn dump(binaries: &Binaries, endpoint: &Endpoint, database: &str) -> String {
    let text = tool(binaries, "pg_dump", endpoint, &["--create", database]).await;
    text.lines().filter(|line| !line.contains("restrict ")).map(|line| format!("{line}\n")).collect()
}

/// A folder of this process alone, since each test may be one; what dead ones left is removed.
fn own_folder() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("restore");
    std::fs::create_dir_all(&all).expect("a folder");
    for entry in std::fs::read_dir(&all).expect("a folder").flatten() {
        if !Path::new("/proc").join(entry.file_name()).exists() {
            // Another process may be faster.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let folder = all.join(std::process::id().to_string());
    std::fs::create_dir(&folder).expect("a folder");
    folder
}

/// Dumps of the source in every form, made once; and the text to compare with.
async fn dumps() -> &'static (PathBuf, String) {
    static DUMPS: OnceCell<(PathBuf, String)> = OnceCell::const_new();
    DUMPS
        .get_or_init(|| async {
            let place = Place::new();
            let server = source_server(&place).await;
            let folder = own_folder();
            for (name, format) in [("plain.sql", "p"), ("custom.dump", "c"), ("tar.tar", "t"), ("directory", "d")] {
                let file = format!("--file={}", folder.join(name).display());
                let format = format!("--format={format}");
                tool(&place.binaries(), "pg_dump", server.endpoint(), &["--create", &format, &file, "sh'op é"]).await;
            }
            let inserts = format!("--file={}", folder.join("inserts.sql").display());
            tool(&place.binaries(), "pg_dump", server.endpoint(), &["--create", "--inserts", &inserts, "sh'op é"])
                .await;
            let file = format!("--file={}", folder.join("all.sql").display());
            tool(&place.binaries(), "pg_dumpall", server.endpoint(), &[&file]).await;
            let text = std::fs::read(folder.join("plain.sql")).expect("read");
            std::fs::write(folder.join("plain.sql.gz"), gzipped(&text)).expect("written");
            let zstd = compress_to_vec(text.as_slice(), CompressionLevel::Fastest);
            std::fs::write(folder.join("plain.sql.zst"), zstd).expect("written");
            (folder, dump(&place.binaries(), server.endpoint(), "sh'op é").await)
        })
        .await
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("gzip");
    encoder.finish().expect("gzip")
}

/// Lines of one text that the other does not have.
fn only_in<'text>(one: &'text str, other: &str) -> Vec<&'text str> {
    let mut others: Vec<&str> = other.lines().collect();
    let mut only = Vec::new();
    for line in one.lines() {
        match others.iter().position(|known| *known == line) {
            Some(at) => drop(others.swap_remove(at)),
            None => only.push(line),
        }
    }
    only
}

#[tokio::test]
async fn every_format_restores_what_was_dumped() {
    let (folder, original) = dumps().await;
    let mut first: Option<String> = None;
    for name in ["plain.sql", "plain.sql.gz", "plain.sql.zst", "custom.dump", "directory", "tar.tar", "inserts.sql"] {
        let place = Place::new();
        let base = place.base(&folder.join(name)).await;
        assert_eq!(base.record.database, "sh'op é", "{name}");
        assert!(base.record.warnings.iter().any(|warning| warning == "foreign server remote made unreachable"));
        assert!(base.record.warnings.iter().any(|warning| warning.contains("subscription sub left out")));
        // A newer pg_dump writes settings an older server does not know.
        let known = base.record.warnings.iter().filter(|warning| !warning.starts_with("setting ")).count();
        assert_eq!(known, 3, "{name}: {:#?}", base.record.warnings);
        assert!(base.record.rows >= 6004, "{name}: {}", base.record.rows);
        let server = base.copy(&place.run, Vec::new()).await.expect("a copy");
        let restored = dump(&base.binaries, server.endpoint(), "sh'op é").await;
        let gone = only_in(original, &restored);
        let new = only_in(&restored, original);
        for line in &gone {
            let known = [
                "seatrial_superuser",
                "prod.example.com",
                "user",
                "password",
                "OPTIONS",
                ");",
                "sub",
                "USER MAPPING",
                "--",
                "WITH",
            ];
            assert!(line.is_empty() || known.iter().any(|part| line.contains(part)), "{name} lost: {line}\n{gone:#?}");
        }
        for line in &new {
            let known = ["seatrial_owner", "/nonexistent", "CREATE USER MAPPING FOR app_owner SERVER remote;"];
            assert!(
                line.is_empty() || known.iter().any(|part| line.contains(part)),
                "{name} made up: {line}\n{new:#?}"
            );
        }
        assert!(!restored.contains("topsecret"));
        let first = first.get_or_insert_with(|| restored.clone());
        assert!(*first == restored, "{name} differs: {:#?}", only_in(&restored, first));
        server.destroy().await.expect("destroyed");
    }
}

#[tokio::test]
async fn migrations_may_change_every_owners_tables_and_nothing_outside() {
    let (folder, _) = dumps().await;
    let place = Place::new();
    let base = place.base(&folder.join("custom.dump")).await;
    let database = base.record.database.as_str();
    let server = base.copy(&place.run, Vec::new()).await.expect("a copy");
    let mut superuser = connect(server.endpoint(), database, SUPERUSER).await;
    let settled = superuser
        .query("SELECT count(*) FROM pg_stats WHERE tablename IN ('part', 'customers') AND attname = 'id'")
        .await
        .expect("statistics");
    assert_eq!(settled.scalar(), Some("2"), "the partitioned parent is analysed too");
    let visible = superuser.query("SELECT relallvisible > 0 FROM pg_class WHERE relname = 'customers'").await;
    assert_eq!(visible.expect("vacuumed").scalar(), Some("t"));
    let unowned = superuser.query("SELECT string_agg(relname, ' ') FROM pg_class WHERE relowner = 10 AND oid >= 16384 AND relkind IN ('r','v','p','S')");
    assert_eq!(unowned.await.expect("owners").scalar(), None);

    let owner = "seatrial_owner"; // of most tables
    for (requested, expected) in [(None, owner), (Some("app_owner"), "app_owner"), (Some("new \"one"), "new \"one")] {
        let server = base.copy(&place.run, Vec::new()).await.expect("a copy");
        let mut superuser = connect(server.endpoint(), database, SUPERUSER).await;
        let prepared = prepare_roles(&mut superuser, requested).await.expect("roles");
        assert_eq!(prepared.role, expected);
        let made = prepared.notes.iter().filter(|note| note.contains("is not in the source")).count();
        assert_eq!((made, prepared.notes.len()), (usize::from(expected.starts_with("new")), made));
        let requested = expected;
        let mut session = connect(server.endpoint(), database, requested).await;
        for sql in [
            "SET search_path = public",
            "CREATE TABLE fresh (id int)",
            "DROP TABLE fresh",
            "ALTER TABLE customers ADD COLUMN c int",
            "ALTER TABLE customers DROP COLUMN c",
            "CREATE TABLE billing.fresh ()",
            "DROP TABLE billing.fresh",
            "ALTER TABLE billing.invoices ADD COLUMN c int",
            "ALTER TABLE billing.invoices DROP COLUMN c",
            "ALTER TABLE \"odd \"\"Ta ble\"\" é\" ADD COLUMN c int",
            "ALTER TABLE \"odd \"\"Ta ble\"\" é\" DROP COLUMN c",
            "ALTER TABLE of_nobody ADD COLUMN c int",
            "ALTER TABLE of_nobody DROP COLUMN c",
            "CREATE SCHEMA fresh",
            "DROP SCHEMA fresh",
            "CREATE EXTENSION hstore",
            "DROP EXTENSION hstore",
        ] {
            session.execute(sql).await.unwrap_or_else(|error| panic!("{requested}: {sql}: {error}"));
        }
        for sql in [
            "COPY customers TO PROGRAM 'cat'",
            "COPY customers TO '/tmp/out'",
            "CREATE ROLE other",
            "CREATE DATABASE other",
            "ALTER SYSTEM SET work_mem = '1GB'",
            "SELECT pg_read_file('/etc/passwd')",
        ] {
            let error = session.execute(sql).await.expect_err(sql);
            assert_eq!(error.sqlstate, "42501", "{requested}: {sql}: {error}");
        }
        session.close().await;
        server.destroy().await.expect("destroyed");
    }
    prepare_login(&mut superuser, "reader").await.expect("a login");
    let mut reader = connect(server.endpoint(), database, "reader").await;
    assert_eq!(reader.query("SELECT count(id) FROM customers").await.expect("allowed").scalar(), Some("1000"));
    assert!(matches!(prepare_login(&mut superuser, "nobody here").await, Err(RoleError::Missing { .. })));
    assert!(matches!(prepare_roles(&mut superuser, Some(SUPERUSER)).await, Err(RoleError::Reserved { .. })));
    let settings =
        superuser.query("SELECT setconfig::text FROM pg_db_role_setting ORDER BY 1").await.expect("settings");
    let settings: Vec<_> = settings.rows.into_iter().flatten().flatten().collect();
    assert_eq!(settings, ["{\"search_path=billing, public\"}", "{work_mem=77MB}"]);
    let foreign = superuser.query("SELECT srvoptions::text || coalesce(umoptions::text, '') FROM pg_user_mappings JOIN pg_foreign_server s ON s.oid = srvid");
    assert_eq!(foreign.await.expect("server").scalar(), Some("{dbname=x,host=/nonexistent,port=5432}"));
    let read = "CREATE USER MAPPING FOR CURRENT_USER SERVER remote; SELECT * FROM far";
    let unreachable = superuser.query(read).await.expect_err("no way out");
    assert_eq!(unreachable.sqlstate, "08001", "{unreachable}");
}

#[tokio::test]
async fn one_database_of_a_cluster_dump_is_chosen_by_name() {
    let (folder, _) = dumps().await;
    let place = Place::new();
    let all = folder.join("all.sql");
    let path = all.to_str().expect("utf-8");
    let error = place.obtain(path, &BaseOptions::default()).await.expect_err("which?").to_string();
    assert!(error.contains("give --database with one of postgres, sh'op é"), "{error}");
    let wanted = |name: &str| BaseOptions { database: Some(name.into()), ..Default::default() };
    let error = place.obtain(path, &wanted("shop")).await.expect_err("no such").to_string();
    assert!(error.contains("holds no database shop"), "{error}");
    let base = place.obtain(path, &wanted("sh'op é")).await.expect("a base");
    assert_eq!(base.record.database, "sh'op é");
    let left_out = "role odd \"Rôle\": PASSWORD left out";
    assert!(base.record.warnings.iter().any(|warning| warning == left_out), "{:#?}", base.record.warnings);
    let server = base.copy(&place.run, Vec::new()).await.expect("a copy");
    let mut session = connect(server.endpoint(), "sh'op é", SUPERUSER).await;
    let found = session
        .query(
            "SELECT (SELECT count(*) FROM customers), pg_has_role('reader', 'billing', 'MEMBER'), \
             (SELECT rolconfig::text FROM pg_roles WHERE rolname = 'reader'), \
             (SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'odd \"Rôle\"')",
        )
        .await
        .expect("found");
    let row: Vec<_> = found.rows[0].iter().map(|value| value.as_deref().unwrap_or("null")).collect();
    assert_eq!(row, ["1000", "t", "{work_mem=9MB}", "t"]);
}

#[tokio::test]
async fn a_base_is_made_once_and_again_when_damaged() {
    let place = Place::new();
    let path = place.write("app.sql", "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
    let base = place.base(&path).await;
    assert!(!base.reused);
    assert_eq!((base.record.database.as_str(), base.record.rows), ("seatrial", 1));
    assert!(place.base(&path).await.reused);
    let version = base.data_dir().expect("in the cache").join("PG_VERSION");
    std::fs::remove_file(&version).expect("damaged");
    let again = place.base(&path).await;
    assert!(!again.reused && version.is_file());
    std::fs::write(&path, "CREATE TABLE t (a int);\n").expect("changed");
    let changed = place.base(&path).await;
    assert!(!changed.reused && changed.record.rows == 0);
    let options = BaseOptions::default();
    let (one, two) = tokio::join!(place.obtain("empty", &options), place.obtain("empty", &options));
    let (one, two) = (one.expect("a base"), two.expect("a base"));
    assert!(one.reused != two.reused, "made by one, used by both");
    assert_eq!(one.record.warnings.len() + one.record.notes.len(), 0);
}

#[tokio::test]
async fn a_locale_this_machine_lacks_gives_way_to_one_it_has_and_that_is_said() {
    let place = Place::new();
    let create = "CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'xx_YY.UTF-8';";
    let path = place.write("shop.sql", format!("{create}\n\\connect shop\nCREATE TABLE t (a int);\n"));
    let base = place.base(&path).await;
    assert_eq!(base.record.database, "shop");
    let [warning] = base.record.warnings.as_slice() else { panic!("{:?}", base.record.warnings) };
    // Since 17 the server says which locale it is about.
    assert!(warning.starts_with("the source's locale is not on this machine (invalid "), "{warning}");
    assert!(warning.contains(r#"locale name: "xx_YY.UTF-8""#), "{warning}");
    assert!(warning.contains("ENCODING = 'UTF8', LOCALE = 'C"), "{warning}");
    assert!(warning.ends_with(" taken instead, text sorts differently"), "{warning}");
}

#[tokio::test]
async fn a_dump_that_is_replaced_while_it_is_read_makes_no_base() {
    let place = Place::new();
    let first = "CREATE TABLE t (a int);\n";
    let path = place.write("app.sql", first);
    let source = Source::parse(path.to_str().expect("utf-8")).expect("a source");
    let mut replace = |line: &str| {
        assert!(line.starts_with("restoring "), "{line}");
        place.write("app.sql", "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
    };
    let options = BaseOptions::default();
    let made =
        Base::obtain(&place.state, &place.run, &place.request, &source, &options, &Activity::default(), &mut replace)
            .await;
    let error = made.expect_err("two contents").to_string();
    assert!(error.contains("app.sql changed while it was being restored"), "{error}");
    place.write("app.sql", first);
    let base = place.base(&path).await;
    assert_eq!((base.reused, base.record.rows), (false, 0), "the first content has no base of the second");
}

#[tokio::test]
async fn what_cannot_be_restored_says_where_and_what_next() {
    let place = Place::new();
    let rows = "CREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n1\n2\n1\n\\.\n";
    let cases = [
        (
            format!("{rows}\nCREATE UNIQUE INDEX u\n  ON t (a);\n"),
            "bad.sql:8: CREATE UNIQUE INDEX u …: could not create unique index \"u\": Key (a)=(…) is duplicated. (SQLSTATE 23505)",
        ),
        (
            rows.replace("\n2\n", "\nsecret\n"),
            "bad.sql:4: COPY t (a) FROM stdin: invalid input syntax for type integer: … (SQLSTATE 22P02)",
        ),
        ("SELECT 1;\nCREATE TABEL t ();\n".into(), "bad.sql:2: CREATE TABEL t (): syntax error at or near \"TABEL\""),
        (
            "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES ('secret');\n".into(),
            "bad.sql:3: INSERT INTO t VALUES …: invalid input syntax",
        ),
        (rows.replace("\\.\n", ""), "bad.sql:6: the dump is cut off within the rows of the COPY that begins at line 2"),
        ("--\n-- PostgreSQL database dump\n--\nCREATE TABLE t ();\n".into(), "cut off before pg_dump's last line"),
        ("SELECT 'never closed;\n".into(), "bad.sql:1: the dump is cut off within a statement"),
        ("SELECT 1;\n\\! id\n".into(), "bad.sql:2: psql command `\\!` is not run"),
        ("-- nothing\n".into(), "holds no SQL statement"),
        (
            "CREATE EXTENSION IF NOT EXISTS postgis;\nCREATE EXTENSION vectorish;\nCREATE TABLE t ();\n".into(),
            "extensions this PostgreSQL",
        ),
        (
            "\\connect one\nCREATE TABLE t ();\n\\connect two\nCREATE TABLE u ();\n".into(),
            "bad.sql:3: connects to a second database, two, after one: give --database with one of them",
        ),
        ("-- Dumped from database version 99.1\nCREATE TABLE t ();\n".into(), "was made from PostgreSQL 99.1"),
        (
            "CREATE COLLATION c (provider = libc, locale = 'xx_YY.nowhere');\nCREATE TABLE t ();\n".into(),
            "needs collations this PostgreSQL does not have",
        ),
    ];
    for (text, expected) in cases {
        let said = place.failure(&text).await;
        assert!(said.contains(expected), "{text}\n{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let noise: String = (0..50_000).map(|n| format!("-- {}\n", n * 7919 % 10_007)).collect();
    let whole = gzipped(format!("{noise}CREATE TABLE t ();\n").as_bytes());
    let said = place.failure(&whole[..whole.len() / 2]).await;
    assert!(said.contains("cannot read on"), "{said}");
    let (folder, _) = dumps().await;
    let archive = std::fs::read(folder.join("custom.dump")).expect("read");
    let said = place.failure(&archive[..archive.len() - 2000]).await;
    assert!(said.contains("pg_restore cannot read"), "{said}");
}

#[tokio::test]
async fn what_a_copy_does_without_is_left_out_and_listed() {
    let place = Place::new();
    let path = place.write(
        "app.sql",
        "SET transaction_timeout_of_tomorrow = 0;\nSET default_tablespace = fast;\n\
         SET client_encoding = 'LATIN1';\nBEGIN;\nCREATE TABLE t (a text) TABLESPACE fast;\n\
         ALTER TABLE t OWNER TO \"new r\u{f4}le\";\nCOMMENT ON TABLE no_such IS 'x';\nCOMMIT;\n\
         SECURITY LABEL FOR anon ON COLUMN t.a IS 'MASKED';\nDROP TABLE public.gone;\nCREATE SCHEMA public;\n\
         CREATE EXTENSION pg_cron_of_nobody;\n"
            .replace("CREATE EXTENSION pg_cron_of_nobody;\n", "CREATE EXTENSION pg_cron;\nCOPY cron.job (a) FROM stdin;\n1\n\\.\n")
            .chars()
            .map(|character| u8::try_from(u32::from(character)).expect("latin 1"))
            .chain(*b"INSERT INTO t VALUES ('caf\xe9');\nCOPY t (a) FROM stdin;\nna\xefve\n\\.\nGRANT pg_write_server_files TO app;\n")
            .collect::<Vec<u8>>(),
    );
    let base = place.base(&path).await;
    let warnings = base.record.warnings.join("\n");
    for expected in [
        "setting transaction_timeout_of_tomorrow left out: this server does not know it",
        "tablespace fast replaced by the default one",
        "line 7: COMMENT ON TABLE no_such IS 'x': relation \"no_such\" does not exist",
        "security label on COLUMN t.a left out",
        "extension pg_cron left out",
        "line 13: rows left out",
        "membership in pg_write_server_files left out",
    ] {
        assert!(warnings.contains(expected), "{expected}\n{warnings}");
    }
    assert_eq!(base.record.warnings.len(), 7, "{warnings}");
    assert_eq!(base.record.created_roles, ["new rôle"]);
    let server = base.copy(&place.run, Vec::new()).await.expect("a copy");
    let mut session = connect(server.endpoint(), "seatrial", SUPERUSER).await;
    let found = session.query("SELECT string_agg(a, ' ' ORDER BY a) || ' ' || getdatabaseencoding() FROM t").await;
    assert_eq!(found.expect("rows").scalar(), Some("café naïve LATIN1"));
}

#[tokio::test]
async fn objects_made_as_their_owner_leave_no_superuser_behind() {
    let place = Place::new();
    let path = place.write(
        "app.sql",
        "SET SESSION AUTHORIZATION 'a maker';\nCREATE SCHEMA s;\nCREATE TABLE s.t (a int);\n\
         RESET SESSION AUTHORIZATION;\nDROP TABLE IF EXISTS public.t;\nSELECT pg_catalog.lo_unlink('12345');\n\
         ALTER ROLE \"a maker\" WITH SUPERUSER CREATEROLE;\n",
    );
    let base = place.base(&path).await;
    assert_eq!(base.record.warnings, ["role a maker: CREATEROLE, SUPERUSER left out"]);
    let server = base.copy(&place.run, Vec::new()).await.expect("a copy");
    let mut session = connect(server.endpoint(), &base.record.database, SUPERUSER).await;
    let found = session
        .query("SELECT rolname, rolsuper, rolcreaterole FROM pg_class c JOIN pg_roles r ON r.oid = relowner WHERE relname = 't'")
        .await
        .expect("found");
    let row: Vec<_> = found.rows[0].iter().flatten().map(String::as_str).collect();
    assert_eq!(row, ["a maker", "f", "f"]);
}

#[tokio::test]
async fn what_libpq_keeps_in_the_caller_s_home_is_found() {
    let place = Place::new();
    let server = place.cluster().await;
    let (socket, port) = (server.endpoint().socket_dir.display(), server.endpoint().port);
    place.write(".pg_service.conf", format!("[shop]\nhost={socket}\nport={port}\nuser={SUPERUSER}\n"));
    place.write("migration.sql", "SELECT 1;\n");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_seatrial"))
        .args(["check", "migration.sql", "--source", "postgresql:///postgres?service=shop", "--passes", "measure"])
        .current_dir(place.folder.path())
        .env("HOME", place.folder.path())
        .env_remove("PGSERVICEFILE")
        .env("SEATRIAL_CACHE_DIR", place.state.root())
        .output()
        .expect("the built program starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_running_server_is_read_and_left_as_it_is() {
    let place = Place::new();
    let server = source_server(&place).await;
    let binaries = place.binaries();
    let before = dump(&binaries, server.endpoint(), "sh'op é").await;
    let endpoint = server.endpoint();
    let url = format!(
        "postgres://{SUPERUSER}:s3cret@/sh'op%20%C3%A9?host={}&port={}",
        endpoint.socket_dir.display(),
        endpoint.port
    );
    let source = Source::parse(&url).expect("a source");
    let mut told = Vec::new();
    let mut progress = |line: &str| told.push(line.to_owned());
    let options = BaseOptions::default();
    let base =
        Base::obtain(&place.state, &place.run, &place.request, &source, &options, &Activity::default(), &mut progress)
            .await;
    let base = base.expect("a base");
    assert_eq!(
        told[0],
        format!("dumping database sh'op é on {}:{}, read-only", endpoint.socket_dir.display(), endpoint.port)
    );
    assert_eq!(base.record.database, "sh'op é");
    assert!(base.taken_at.is_some() && !told.join("\n").contains("s3cret"));
    assert_eq!(dump(&binaries, server.endpoint(), "sh'op é").await, before, "the source is as it was");
    server.destroy().await.expect("destroyed");
    let again = place.obtain(&url, &options).await.expect("not dumped again");
    assert!(again.reused && again.taken_at == base.taken_at);
    let refresh = BaseOptions { refresh: true, ..options };
    let error = place.obtain(&url, &refresh).await.expect_err("gone").to_string();
    assert!(error.starts_with("cannot dump database sh'op é on") && !error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn copies_of_a_base_answer_alike_and_are_asked_for_their_schema_once() {
    let place = Place::new();
    let text = "CREATE TABLE orders (id serial PRIMARY KEY, note text DEFAULT 'none' NOT NULL, CHECK (note <> ''));\n\
                INSERT INTO orders (note) SELECT 'n' || g FROM generate_series(1, 500) g;\n\
                CREATE INDEX ON orders (lower(note)); CREATE VIEW noted AS SELECT note FROM orders;\n\
                CREATE TABLE parts (day int) PARTITION BY RANGE (day);\n\
                CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (2);\n\
                COMMENT ON TABLE orders IS 'Bestellungen';\n";
    let base = place.base(&place.write("shop.sql", text)).await;
    let (kept, database) = (base.kept(&Roles::default()), base.record.database.clone());
    let read = async |session: &mut Session, kept: &Kept| {
        let schema = catalog::read_kept(session, kept).await.expect("the schema");
        (schema, catalog::read_sizes_kept(session, kept).await.expect("the sizes"))
    };
    let mut answers = Vec::new();
    for _ in 0..2 {
        let server = base.copy(&place.run, Vec::new()).await.expect("a copy");
        let mut session = connect(server.endpoint(), &database, SUPERUSER).await;
        answers.push(read(&mut session, &Kept::nothing()).await);
        answers.push(read(&mut session, &kept).await);
        session.execute("ALTER TABLE orders ADD COLUMN more int; INSERT INTO orders SELECT").await.expect("a change");
        answers.push(read(&mut session, &kept).await);
        let changed = read(&mut session, &Kept::nothing()).await;
        assert_ne!(changed, answers[0], "the change is none");
        session.close().await;
    }
    let first = &answers[0];
    assert!(first.0.relations.len() > 5 && first.1.len() > 3, "{} and {}", first.0.relations.len(), first.1.len());
    assert!(answers.iter().all(|answer| answer == first), "all of an untouched copy");
}
