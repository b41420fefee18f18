//! Dumps of every kind as sources: where they come from, what they hold, what they lack, and what stays of them.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use seatrial::copy::base::{Base, BaseOptions};
use seatrial::copy::fidelity::Grade;
use seatrial::copy::source::Source;
use seatrial::copy::state::{RunDir, StateDir};
use seatrial::engine::postgres::binaries::BinaryRequest;
use seatrial::engine::postgres::launch;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::progress::Activity;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Ran, names, project, seatrial, share_initdb, shared_state, state_folder};
use tempfile::TempDir;

/// Authors and their books, as pg_dump writes them.
const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.authors (id integer NOT NULL, name text);
CREATE TABLE public.\"Böoks\" (id integer NOT NULL, author integer, title text);
COPY public.authors (id, name) FROM stdin;
1\tMelville
2\tHemingway
\\.
COPY public.\"Böoks\" (id, author, title) FROM stdin;
1\t1\tMoby Dick
2\t2\tThe Old Man and the Sea
\\.
ALTER TABLE ONLY public.\"Böoks\"
    ADD CONSTRAINT \"Böoks_pkey\" PRIMARY KEY (id);
ALTER TABLE ONLY public.authors
    ADD CONSTRAINT authors_pkey PRIMARY KEY (id);
CREATE INDEX authors_name ON public.authors USING btree (name);
COMMENT ON INDEX public.authors_name IS 'by name';
CREATE INDEX books_title ON public.\"Böoks\" USING btree (lower(title));
ALTER TABLE ONLY public.\"Böoks\"
    ADD CONSTRAINT books_author FOREIGN KEY (author) REFERENCES public.authors(id);
--\n-- PostgreSQL database dump complete\n--\n";

struct Place {
    folder: TempDir,
    state: StateDir,
    run: RunDir,
    request: BinaryRequest,
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
        Self { folder, state, run, request: BinaryRequest::from_environment(None, None, None) }
    }

    async fn try_base(&self, text: &str, options: &BaseOptions, said: &mut Vec<String>) -> Result<Base, String> {
        let path = self.folder.path().join("dump.sql");
        std::fs::write(&path, text).unwrap();
        let source = Source::parse(path.to_str().unwrap()).map_err(|error| error.to_string())?;
        let mut say = |line: &str| said.push(line.to_owned());
        let activity = Activity::default();
        let obtained = Base::obtain(&self.state, &self.run, &self.request, &source, options, &activity, &mut say);
        obtained.await.map_err(|error| error.to_string().replace(&*path.to_string_lossy(), "dump.sql"))
    }

    async fn base(&self, text: &str) -> Base {
        self.try_base(text, &BaseOptions::default(), &mut Vec::new()).await.unwrap()
    }

    /// What a copy of a base answers: the first column of every row.
    async fn ask(&self, base: &Base, query: &str) -> Vec<String> {
        let server = base.copy(&self.run, Vec::new()).await.unwrap();
        let mut session = Session::connect(server.endpoint(), &base.record.database, SUPERUSER, "test").await.unwrap();
        let answer = session.query(query).await.unwrap();
        session.close().await;
        server.destroy().await.unwrap();
        answer.rows.into_iter().map(|row| row.into_iter().next().flatten().unwrap_or_default()).collect()
    }
}

fn all_of(lines: &[String], part: &str) -> Vec<String> {
    lines.iter().filter(|line| line.contains(part)).cloned().collect()
}

/// The program, with this on its standard input.
fn piped(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that refuses may not read to the end.
    let sender = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    sender.join().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn check(project: &Path, state: &Path, source: &str) -> Command {
    std::fs::write(project.join("m.sql"), "ALTER TABLE public.authors ADD COLUMN born date;\n").unwrap();
    let mut command = seatrial(project, state);
    command.args(["check", "m.sql", "--passes", "measure", "--format", "json", "--source", source]);
    command
}

fn facts(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    ran.report()["source"].clone()
}

#[test]
fn a_dump_on_standard_input_is_used_like_a_file_and_gone_with_the_run() {
    let (project, state) = (project(), state_folder("sources-stdin"));
    let zstd = compress_to_vec(DUMP.as_bytes(), CompressionLevel::Fastest);
    let mut facts_of = Vec::new();
    for input in [DUMP.as_bytes(), zstd.as_slice()] {
        let source = facts(&piped(&mut check(project.path(), &state, "-"), input));
        assert_eq!((source["kind"].as_str(), source["rows"].as_u64()), (Some("dump"), Some(4)), "{source}");
        assert_eq!(source["fidelity"], "logical", "{source}");
        facts_of.push(source);
    }
    assert_eq!(facts_of[0], facts_of[1]);
    std::fs::write(project.path().join("dump.sql"), DUMP).unwrap();
    let ran = piped(&mut check(project.path(), &state, "dump.sql"), b"");
    assert!(!ran.stderr.contains("restoring"), "the same content is the same base:\n{}", ran.stderr);
    assert_eq!(names(&state.join("runs")), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_standard_input_is_said_of_standard_input() {
    let (project, state) = (project(), shared_state());
    let refused = |input: &[u8], said: &str| {
        let ran = piped(&mut check(project.path(), &state, "-"), input);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("stdin-1"), "{}", ran.stderr);
    };
    refused(b"", "standard input is empty (0 bytes)");
    refused(b"CREATE TABLE t (;\n", "standard input:1: CREATE TABLE t (;");
    refused(&DUMP.as_bytes()[..200], "standard input:");
    let zstd = compress_to_vec(DUMP.as_bytes(), CompressionLevel::Fastest);
    refused(&zstd[..zstd.len() - 9], "the zstd data is cut off");
    std::fs::write(
        project.path().join("seatrial.toml"),
        "source = \"-\"\nmigrations = \"m.sql\"\n[[database]]\nname = \"a\"\n[[database]]\nname = \"b\"\n",
    )
    .unwrap();
    let mut command = seatrial(project.path(), &state);
    let ran = piped(command.arg("check"), DUMP.as_bytes());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("standard input can be read once"), "{}", ran.stderr);
}

#[test]
fn who_is_interrupted_while_the_dump_arrives_does_not_wait_for_it() {
    let (project, state) = (project(), state_folder("sources-interrupted"));
    let mut child = check(project.path(), &state, "-").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.starts_with("receiving the dump from standard input"), "{line}");
    stdin.write_all(DUMP.as_bytes()).unwrap();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    // Standard input stays open: nobody may wait for its end.
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(&state.join("runs")), Vec::<String>::new());
    drop(stdin);
}

#[test]
fn a_base_whose_maker_was_killed_while_restoring_is_made_anew() {
    let (project, state) = (project(), state_folder("sources-killed"));
    if state.exists() {
        std::fs::remove_dir_all(&state).unwrap();
    }
    std::fs::write(project.path().join("dump.sql"), DUMP).unwrap();
    let mut child = check(project.path(), &state, "dump.sql").spawn().unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(progress.any(|line| line.unwrap().starts_with("restoring ")));
    let partial = |state: &Path| names(&state.join("bases")).into_iter().find(|name| name.ends_with(".partial"));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let left = partial(&state).expect("half a base");

    // The same dump, and so the same place in the cache.
    let ran = piped(&mut check(project.path(), &state, "dump.sql"), b"");
    assert_eq!(facts(&ran)["rows"], 4);
    assert!(ran.stderr.contains("removed a half-made base") && ran.stderr.contains(&left), "{}", ran.stderr);
    assert_eq!(partial(&state), None);
    std::fs::remove_dir_all(&state).unwrap();
}

#[tokio::test]
async fn what_a_dump_lacks_makes_its_grade_and_is_told() {
    let place = Place::new();
    let base = place.base(DUMP).await;
    assert_eq!((base.record.grade, base.record.rows), (Grade::Logical, 4));
    assert!(base.record.warnings.is_empty(), "{:?}", base.record.warnings);
    let built = "SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f') \
                 UNION ALL SELECT obj_description('public.authors_name'::regclass) ORDER BY 1";
    assert_eq!(place.ask(&base, built).await, ["Böoks_pkey", "authors_pkey", "books_author", "by name"]);

    let schema: String =
        DUMP.lines().filter(|line| !line.starts_with(['1', '2'])).map(|line| format!("{line}\n")).collect();
    let base = place.base(&schema).await;
    assert_eq!(base.record.grade, Grade::SchemaOnly);
    assert!(base.record.lost.is_empty() && base.record.warnings.is_empty(), "{:?}", base.record);

    let base = place.base(&DUMP.replace("2\tHemingway\n", "")).await;
    assert_eq!(base.record.grade, Grade::Subset);
    let told = "foreign key books_author of public.\"Böoks\" does not hold, so it is NOT VALID here: rows it needs in \
                public.authors are missing";
    assert_eq!(all_of(&base.record.lost, "foreign key"), [told]);
    let valid = "SELECT convalidated::text FROM pg_constraint WHERE conname = 'books_author'";
    assert_eq!(place.ask(&base, valid).await, ["false"]);

    let base = place.base(&DUMP.replace("public.authors(id)", "elsewhere.authors(id)")).await;
    assert_eq!(base.record.grade, Grade::Subset);
    let told = "foreign key books_author of public.\"Böoks\" left out: elsewhere.authors is not in the dump";
    assert_eq!(all_of(&base.record.lost, "foreign key"), [told]);

    let (sections, _) = DUMP.split_once("ALTER TABLE").unwrap();
    let base = place.base(&format!("{sections}--\n-- PostgreSQL database dump complete\n--\n")).await;
    assert_eq!(base.record.grade, Grade::Logical);
    assert_eq!(all_of(&base.record.lost, "--section").len(), 1, "{:?}", base.record.lost);
}

#[tokio::test]
async fn what_fails_among_indexes_built_side_by_side_is_the_first_of_the_text_with_its_line() {
    let place = Place::new();
    let twice = DUMP.replace("2\t2\tThe Old", "1\t2\tThe Old");
    let error = place.try_base(&twice, &BaseOptions::default(), &mut Vec::new()).await.unwrap_err();
    assert!(
        error.starts_with("dump.sql:17: ALTER TABLE ONLY public.\"Böoks\" …: could not create unique index")
            && error.contains("Key (id)=(…) is duplicated"),
        "{error}"
    );
    let unknown = DUMP.replace("btree (name)", "btree (nobody)").replace("lower(title)", "lower(nothing)");
    let error = place.try_base(&unknown, &BaseOptions::default(), &mut Vec::new()).await.unwrap_err();
    assert!(error.starts_with("dump.sql:21: CREATE INDEX authors_name"), "{error}");
    assert_eq!(names(&place.state.bases()).iter().filter(|name| name.ends_with(".partial")).count(), 0);
    // What is not here is replaced, as one session would.
    let spaces = DUMP.replace("btree (name)", "btree (name) TABLESPACE fast");
    let base = place.base(&spaces).await;
    assert_eq!(base.record.warnings, ["tablespace fast replaced by the default one"]);
}

#[tokio::test]
async fn statistics_of_a_dump_are_the_copys_where_the_server_can_take_them_over() {
    let place = Place::new();
    let statistics = "SELECT * FROM pg_catalog.pg_restore_relation_stats(
	'version', '180004'::integer,
	'schemaname', 'public',
	'relname', 'Böoks',
	'relpages', '700'::integer,
	'reltuples', '70000'::real,
	'relallvisible', '350'::integer
);
SELECT * FROM pg_catalog.pg_restore_attribute_stats(
	'version', '180004'::integer,
	'schemaname', 'public',
	'relname', 'Böoks',
	'attname', 'author',
	'inherited', 'f'::boolean,
	'null_frac', '0.25'::real,
	'avg_width', '4'::integer,
	'n_distinct', '-0.5'::real
);
";
    let alone = place.try_base(statistics, &BaseOptions::default(), &mut Vec::new()).await.unwrap_err();
    assert!(alone.contains("holds no SQL statement"), "{alone}");
    let alone = format!("SET client_min_messages = warning;\n{statistics}");
    let alone = place.try_base(&alone, &BaseOptions::default(), &mut Vec::new()).await.unwrap_err();
    assert!(alone.contains("dump.sql holds statistics and no table"), "{alone}");
    let of_authors = statistics.replace("Böoks", "authors").replace("'author'", "'name'");
    let with = |some: &str| DUMP.replacen("ALTER TABLE", &format!("{some}ALTER TABLE"), 1);
    let base = place.base(&with(&format!("{statistics}{of_authors}"))).await;
    let record = &base.record;
    assert_eq!(record.rows, 4);
    if base.binaries.major < 18 {
        assert_eq!(record.grade, Grade::Logical);
        assert_eq!(all_of(&record.notes, "statistics were left out").len(), 1, "{:?}", record.notes);
        assert!(record.warnings.is_empty(), "{:?}", record.warnings);
        return;
    }
    assert_eq!(record.grade, Grade::LogicalWithStatistics, "{record:#?}");
    let kept = "SELECT concat_ws(' ', relpages, reltuples, relallvisible, null_frac, n_distinct) FROM pg_class \
                JOIN pg_stats ON tablename = relname AND attname = 'author' WHERE relname = 'Böoks'";
    assert_eq!(place.ask(&base, kept).await, ["700 70000 350 0.25 -0.5"]);
    let others = "SELECT attname::text FROM pg_stats WHERE tablename IN ('Böoks', 'books_title') ORDER BY 1";
    assert_eq!(place.ask(&base, others).await, ["author", "id", "lower", "title"], "what had none has some now");

    let base = place.base(&with(statistics)).await;
    assert_eq!(base.record.grade, Grade::Logical, "half of them are not all");
    assert_eq!(all_of(&base.record.notes, "no statistics of public.authors: gathered here").len(), 1);
}

#[tokio::test]
async fn a_new_base_makes_the_one_unused_for_longest_leave() {
    let place = Place::new();
    let options = BaseOptions { max_cache: 1, ..Default::default() };
    let first = place.base(DUMP).await;
    let mut said = Vec::new();
    let second = place.try_base(&format!("{DUMP}\n"), &options, &mut said).await.unwrap();
    assert!(all_of(&said, "removed ").is_empty() && first.data_dir().unwrap().is_dir(), "both are in use: {said:?}");
    drop(first);
    let third = place.try_base(&format!("{DUMP}\n\n"), &options, &mut said).await.unwrap();
    let removed = all_of(&said, "removed ");
    assert_eq!(removed.len(), 1, "{said:?}");
    assert!(removed[0].contains("unused for longest") && removed[0].ends_with("(--max-cache)"), "{removed:?}");
    assert!(second.data_dir().unwrap().is_dir() && third.data_dir().unwrap().is_dir());
}

#[test]
fn the_project_may_say_that_its_dump_is_a_subset() {
    let (project, state) = (project(), shared_state());
    std::fs::write(project.path().join("seatrial.toml"), "fidelity = \"subset\"\n").unwrap();
    let source = facts(&piped(&mut check(project.path(), &state, "-"), DUMP.as_bytes()));
    assert_eq!(source["fidelity"], "subset");
    let notes = source["fidelity_notes"].to_string();
    assert!(notes.contains("because the configuration says so") && notes.contains("row counts, durations"), "{notes}");
    assert!(!notes.contains("were gathered on this copy"), "{notes}");
    std::fs::write(project.path().join("seatrial.toml"), "fidelity = \"physical\"\n").unwrap();
    let ran = piped(&mut check(project.path(), &state, "-"), DUMP.as_bytes());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("subset"), "{}", ran.stderr);
}
