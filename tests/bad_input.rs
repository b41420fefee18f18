//! Bad input: a message with the place and the next step, the right exit code, nothing on standard output.
#![allow(clippy::unwrap_used)]

mod support;

use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::Path;
use support::{project, repository, run, seatrial, shared_state};
use tempfile::TempDir;

const USAGE: i32 = 2;
const COULD_NOT_REHEARSE: i32 = 4;

/// What is right unless a test breaks it.
const SOURCE: &str = "CREATE TABLE books (id integer PRIMARY KEY, title text NOT NULL);
COPY books (id, title) FROM stdin;
1\tMoby Dick
2\tThe Old Man and the Sea
\\.
";
const MIGRATION: &str = "ALTER TABLE books ADD COLUMN year integer;\n";
const QUERY: &str = "-- name: FindBook :one\n-- params one: id = 1\nSELECT title FROM books WHERE id = :id;\n";

/// The arguments that rehearse it.
const CHECK: [&str; 6] = ["check", "migration.sql", "--source", "source.sql", "--queries", "queries.sql"];

struct Input {
    project: TempDir,
    args: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
}

impl Input {
    fn right() -> Self {
        let input = Self { project: project(), args: CHECK.map(str::to_owned).to_vec(), env: Vec::new() };
        input.file("source.sql", SOURCE).file("migration.sql", MIGRATION).file("queries.sql", QUERY)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.project.path().join(name)
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn folder(self, name: &str) -> Self {
        fs::create_dir_all(self.path(name)).unwrap();
        self
    }

    fn args(mut self, args: &[&str]) -> Self {
        self.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    fn and(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    fn source(mut self, source: &str) -> Self {
        let at = self.args.iter().position(|arg| arg == "source.sql").unwrap();
        self.args[at] = source.to_owned();
        self
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Runs it: refused with this code, and the message says all of this.
    #[track_caller]
    fn refused(self, code: i32, said: &[&str]) {
        let mut command = seatrial(self.project.path(), &shared_state());
        let ran = run(command.args(&self.args).envs(self.env.iter().copied()));
        let message = &ran.stderr;
        assert_eq!(ran.code, Some(code), "{message}");
        assert_eq!(ran.stdout, "", "nothing is printed where a report is expected");
        for part in said {
            assert!(message.contains(part), "the message does not say `{part}`:\n{message}");
        }
        assert!(!message.contains("panicked"), "{message}");
    }
}

#[test]
fn what_the_other_tests_break_is_right() {
    let input = Input::right();
    let ran = run(seatrial(input.project.path(), &shared_state()).args(&input.args));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
}

// Usage

#[test]
fn an_unknown_option_is_refused() {
    Input::right().and(&["--quereis", "x"]).refused(USAGE, &["--quereis", "--queries"]);
}

#[test]
fn a_missing_source_names_the_sources_there_are() {
    Input::right()
        .args(&["check", "migration.sql"])
        .refused(USAGE, &["--source", "postgres://", "sqlite:FILE", "empty"]);
}

#[test]
fn no_migrations_at_all_names_where_they_would_be() {
    Input::right().args(&["check", "--source", "source.sql"]).refused(USAGE, &["no migrations", "migrations"]);
}

#[test]
fn a_bad_duration_shows_a_good_one() {
    Input::right().and(&["--max-time", "soon"]).refused(USAGE, &["--max-time", "`soon`", "90s"]);
}

#[test]
fn a_bad_size_shows_a_good_one() {
    Input::right().and(&["--max-disk", "20 parsecs"]).refused(USAGE, &["--max-disk", "`20 parsecs`", "20GB"]);
}

#[test]
fn an_unknown_pass_names_those_there_are() {
    Input::right().and(&["--passes", "measure,prove,traffick"]).refused(USAGE, &["`traffick`", "measure", "prove"]);
}

#[test]
fn an_unknown_answer_names_those_there_are() {
    Input::right().and(&["--require", "applys"]).refused(USAGE, &["`applys`", "applies", "undoable"]);
}

#[test]
fn an_unknown_layout_names_those_there_are() {
    Input::right().and(&["--layout", "sqlxx"]).refused(USAGE, &["sqlxx", "sqlx", "plain"]);
}

#[test]
fn an_unknown_format_names_those_there_are() {
    Input::right().and(&["--format", "yaml"]).refused(USAGE, &["yaml", "json", "markdown"]);
}

#[test]
fn an_option_this_version_lacks_is_refused_rather_than_ignored() {
    Input::right().and(&["--base", "main"]).refused(USAGE, &["--base main: "]);
    Input::right().and(&["--engine", "oracle"]).refused(USAGE, &["`oracle` is not an engine", "postgresql, sqlite"]);
}

#[test]
fn a_version_that_is_not_pending_names_what_is() {
    Input::right().and(&["--to", "0099"]).refused(USAGE, &["0099", "migration.sql"]);
}

#[test]
fn a_folder_in_place_of_a_saved_report_says_what_to_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = seatrial(folder.path(), &shared_state());
    let ran = run(command.arg("report").arg("."));
    assert_eq!(ran.code, Some(USAGE), "{}", ran.stderr);
    assert!(ran.stderr.contains("name the report.json in it"), "{}", ran.stderr);
}

// Configuration

#[test]
fn an_unknown_key_in_the_configuration_shows_its_line() {
    Input::right()
        .file("seatrial.toml", "source = \"source.sql\"\nqueris = [\"queries.sql\"]\n")
        .refused(USAGE, &["seatrial.toml:2:1: unknown key `queris`: did you mean `queries`?", "| ^^^^^^\n"]);
}

#[test]
fn a_configuration_that_is_no_toml_shows_its_line() {
    Input::right()
        .file("seatrial.toml", "# ours\n\nsource = source.sql\n")
        .refused(USAGE, &["seatrial.toml:3:10: ", "3 | source = source.sql"]);
}

#[test]
fn a_bad_value_in_the_configuration_is_blamed_on_its_place_and_not_on_an_option() {
    Input::right()
        .file("seatrial.toml", "source = \"source.sql\"\nmax_time = \"soon\"\n")
        .refused(USAGE, &["seatrial.toml:2:12: `soon`", "90s"]);
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    Input::right().and(&["--config", "other.toml"]).refused(USAGE, &["other.toml"]);
}

// Migrations

#[test]
fn a_missing_migration_is_named() {
    Input::right().args(&["check", "0007_missing.sql", "--source", "source.sql"]).refused(USAGE, &["0007_missing.sql"]);
}

#[test]
fn an_empty_folder_of_migrations_is_named() {
    Input::right().folder("empty").args(&["check", "empty", "--source", "source.sql"]).refused(USAGE, &["empty"]);
}

#[test]
fn a_migration_that_is_not_text_is_named() {
    Input::right().file("migration.sql", b"ALTER TABLE books\xff\xfe;\n").refused(USAGE, &["migration.sql", "UTF-8"]);
}

#[test]
fn an_unterminated_string_in_a_migration_is_shown_where_it_begins() {
    Input::right()
        .file("migration.sql", "SELECT 1;\n\nUPDATE books SET title = 'never closed;\nSELECT 2;\n")
        .refused(USAGE, &["migration.sql:3"]);
}

#[test]
fn an_unterminated_comment_and_an_unterminated_body_are_shown_where_they_begin() {
    Input::right().file("migration.sql", "SELECT 1;\n/* never closed\n").refused(USAGE, &["migration.sql:2"]);
    Input::right().file("migration.sql", "SELECT 1;\nDO $body$ BEGIN END;\n").refused(USAGE, &["migration.sql:2"]);
}

#[test]
fn a_begin_that_is_never_committed_is_shown() {
    Input::right()
        .file("migration.sql", "-- two steps\nBEGIN;\nALTER TABLE books ADD COLUMN year integer;\n")
        .refused(USAGE, &["migration.sql:2", "BEGIN", "COMMIT"]);
}

#[test]
fn a_psql_command_in_a_migration_is_shown() {
    Input::right().file("migration.sql", "SELECT 1;\n\\i other.sql\n").refused(USAGE, &["migration.sql:2", "\\i"]);
}

#[test]
fn a_folder_without_history_is_refused_and_the_way_out_named() {
    Input::right()
        .file("migrations/20260101000000_first.sql", "CREATE TABLE first (id integer);\n")
        .args(&["check", "migrations", "--source", "source.sql"])
        .refused(USAGE, &["migrations", "--source empty"]);
}

// Hot queries

#[test]
fn a_missing_or_empty_path_of_hot_queries_is_named() {
    let with = |path| ["check", "migration.sql", "--source", "source.sql", "--queries", path];
    Input::right().args(&with("nowhere")).refused(USAGE, &["nowhere"]);
    Input::right().folder("nothing").args(&with("nothing")).refused(USAGE, &["nothing"]);
    Input::right()
        .file("blank.sql", "-- to be written\n")
        .args(&with("blank.sql"))
        .refused(USAGE, &["blank.sql", "-- name:"]);
}

#[test]
fn an_unnamed_query_is_shown_where_it_begins() {
    Input::right()
        .file("queries.sql", format!("{QUERY}\n-- which one?\nSELECT count(*) FROM books;\n"))
        .refused(USAGE, &["queries.sql:6", "-- name:"]);
}

#[test]
fn a_name_used_twice_is_shown_with_its_first_use() {
    Input::right()
        .file("queries.sql", format!("{QUERY}\n{QUERY}"))
        .refused(USAGE, &["queries.sql:7", "queries.sql:3", "FindBook"]);
}

#[test]
fn an_unknown_parameter_is_shown_with_those_the_query_has() {
    Input::right()
        .file(
            "queries.sql",
            "-- name: FindBook :one\n-- params one: ident = 1\nSELECT title FROM books WHERE id = :id;\n",
        )
        .refused(USAGE, &["queries.sql:2", "ident", "id"]);
}

#[test]
fn a_parameter_without_a_value_is_shown() {
    Input::right()
        .file(
            "queries.sql",
            "-- name: Find :one\n-- params one: a = 1\nSELECT title FROM books WHERE id IN (:a, :b);\n",
        )
        .refused(USAGE, &["queries.sql:2", "b"]);
}

#[test]
fn an_unterminated_query_is_shown_where_it_begins() {
    Input::right()
        .file("queries.sql", format!("{QUERY}\n-- name: Broken :one\nSELECT 'never closed FROM books;\n"))
        .refused(USAGE, &["queries.sql:6"]);
}

// Sources

#[test]
fn a_source_that_is_not_there_is_named() {
    Input::right().source("nowhere.sql").refused(USAGE, &["nowhere.sql", "postgres://"]);
}

#[test]
fn an_empty_source_is_named() {
    Input::right().file("source.sql", "").refused(USAGE, &["source.sql", "pg_dump"]);
    Input::right().source("").refused(USAGE, &["--source"]);
    Input::right().folder("dump").source("dump").refused(USAGE, &["dump"]);
}

#[test]
fn a_source_that_is_no_dump_is_named() {
    Input::right()
        .file("photo.dump", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        .source("photo.dump")
        .refused(USAGE, &["photo.dump", "pg_dump"]);
}

#[test]
fn a_source_of_another_engine_is_refused() {
    let sqlite = || Input::right().file("books.db", "SQLite format 3\0").source("books.db");
    sqlite().and(&["--engine", "postgresql"]).refused(USAGE, &["books.db is an SQLite database", "leave that out"]);
    Input::right().source("sqlite:nowhere.db").refused(USAGE, &["nowhere.db does not exist"]);
    Input::right()
        .source("postgres://h/d")
        .and(&["--engine", "sqlite"])
        .refused(USAGE, &["a URL is no SQLite database"]);
    Input::right().source("mysql://root:secret@db/books").refused(USAGE, &["mysql"]);
}

#[test]
fn what_is_not_there_on_sqlite_says_what_to_do_instead() {
    let lint = ["queries", "lint", "--queries", "queries.sql"];
    let sqlite =
        || Input::right().file("books.db", "SQLite format 3\0").file("books.sql", "CREATE TABLE books (id);\n");
    let source = ["--source", "sqlite:books.db"];
    sqlite().args(&lint).and(&source).refused(USAGE, &["(books.db) is SQLite's", "`seatrial check` plans"]);
    sqlite().args(&["copy", "create"]).and(&source).refused(USAGE, &["(books.db) is SQLite's", "`.backup`"]);
    // Nothing but the file says whose SQL a dump is.
    let said = || sqlite().file("seatrial.toml", "engine = \"sqlite\"\nsource = \"books.sql\"\n");
    said().args(&lint).refused(USAGE, &["books.sql) is SQLite's"]);
    said().args(&["copy", "create"]).refused(USAGE, &["books.sql) is SQLite's"]);
    let import = ["queries", "import", "queries.sql", "--into", "-"];
    let ran = run(seatrial(said().args(&import).project.path(), &shared_state()).args(import));
    assert!(ran.stdout.contains("FindBook") && ran.stderr.contains("the source is SQLite's"), "{}", ran.stderr);
}

#[test]
fn a_source_that_cannot_be_reached_hides_its_password() {
    let input = Input::right().source("postgres://app:hunter2@/books?host=/nonexistent");
    let ran = run(seatrial(input.project.path(), &shared_state()).args(&input.args));
    assert_eq!(ran.code, Some(COULD_NOT_REHEARSE), "{}", ran.stderr);
    assert!(ran.stderr.contains("/nonexistent") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_dump_of_a_newer_server_names_its_version_and_what_is_there() {
    let newer = format!("-- Dumped from database version 99.1\n-- Dumped by pg_dump version 99.1\n\n{SOURCE}");
    Input::right().file("source.sql", newer).refused(COULD_NOT_REHEARSE, &["source.sql", "99", "--postgres-bin"]);
}

#[test]
fn a_truncated_plain_dump_is_shown_where_it_breaks_off() {
    let cut = SOURCE.strip_suffix("\\.\n").unwrap();
    Input::right().file("source.sql", cut).refused(COULD_NOT_REHEARSE, &["source.sql:5", "line 2"]);
}

#[test]
fn a_row_that_does_not_fit_is_shown_with_its_line() {
    Input::right()
        .file("source.sql", SOURCE.replace("2\tThe", "two\tThe"))
        .refused(COULD_NOT_REHEARSE, &["source.sql:4", "integer"]);
}

#[test]
fn a_statement_the_server_refuses_is_shown_with_its_line() {
    Input::right()
        .file("source.sql", format!("{SOURCE}\nALTER TABLE boks ADD CHECK (id > 0);\n"))
        .refused(COULD_NOT_REHEARSE, &["source.sql:7", "boks"]);
}

#[test]
fn an_unterminated_statement_in_a_dump_is_shown_where_it_begins() {
    Input::right()
        .file("source.sql", format!("{SOURCE}\nINSERT INTO books VALUES (3, 'never closed);\n"))
        .refused(COULD_NOT_REHEARSE, &["source.sql:7"]);
}

#[test]
fn a_psql_command_in_a_dump_is_shown_with_its_line() {
    Input::right()
        .file("source.sql", format!("{SOURCE}\n\\! id\n"))
        .refused(COULD_NOT_REHEARSE, &["source.sql:7", "\\!"]);
}

#[test]
fn a_truncated_gzip_is_named() {
    let rows: String = (1..20_000u32).map(|n| format!("{n}\tbook {:x}\n", n.wrapping_mul(2_654_435_761))).collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(SOURCE.replace("1\tMoby Dick\n2\tThe Old Man and the Sea\n", &rows).as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let cut = |kept: usize| Input::right().file("source.sql.gz", &whole[..kept]).source("source.sql.gz");
    cut(whole.len() * 3 / 4).refused(COULD_NOT_REHEARSE, &["source.sql.gz"]);
    // So short that not even its kind can be told.
    cut(15).refused(USAGE, &["source.sql.gz", "gzip"]);
}

/// A dump in `pg_dump`'s own format, of two hundred books.
fn archive() -> Vec<u8> {
    fs::read(repository().join(Path::new("tests/bad_input/books.dump"))).unwrap()
}

#[test]
fn the_archive_the_other_tests_break_is_right() {
    let input = Input::right().file("books.dump", archive()).source("books.dump");
    let ran = run(seatrial(input.project.path(), &shared_state()).args(&input.args));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn a_truncated_archive_is_named() {
    let whole = archive();
    // Once in the rows, once in the table of contents.
    for kept in [whole.len() - 200, 700] {
        Input::right()
            .file("books.dump", &whole[..kept])
            .source("books.dump")
            .refused(COULD_NOT_REHEARSE, &["books.dump"]);
    }
}

#[test]
fn a_corrupt_archive_is_named() {
    let mut corrupt = archive();
    let rows = corrupt.len() - 2500;
    corrupt[rows..rows + 64].fill(0xff);
    Input::right().file("books.dump", corrupt).source("books.dump").refused(COULD_NOT_REHEARSE, &["books.dump"]);
}

#[test]
fn an_archive_of_a_newer_pg_dump_is_named() {
    let mut newer = archive();
    // `PGDMP`, then the version of the format.
    newer[6] = 99;
    Input::right().file("books.dump", newer).source("books.dump").refused(COULD_NOT_REHEARSE, &["books.dump"]);
}

// The machine

#[test]
fn no_postgresql_says_how_to_get_one() {
    Input::right().env("SEATRIAL_POSTGRES_BIN", "").refused(COULD_NOT_REHEARSE, &["PostgreSQL", "--postgres-bin"]);
}

#[test]
fn a_folder_without_a_server_is_named() {
    Input::right().folder("bin").and(&["--postgres-bin", "bin"]).refused(COULD_NOT_REHEARSE, &["bin"]);
}

#[test]
fn artefacts_that_cannot_be_written_are_refused_before_the_work() {
    Input::right().file("out", "a file").and(&["--out", "out"]).refused(USAGE, &["--out", "out"]);
}

// Saved reports

#[test]
fn a_saved_report_that_is_missing_or_no_report_is_named() {
    Input::right().args(&["report", "nowhere.json"]).refused(USAGE, &["nowhere.json"]);
    Input::right()
        .file("r.json", "{\"schema_version\": 1,\n oops")
        .args(&["report", "r.json"])
        .refused(USAGE, &["r.json", "line 2"]);
    Input::right()
        .file("r.json", "{\"schema_version\": 99}")
        .args(&["report", "r.json"])
        .refused(USAGE, &["r.json", "99"]);
}
