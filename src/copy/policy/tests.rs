use super::*;

fn run(sql: &str) -> (String, OnFailure, Option<String>) {
    match decide(sql) {
        Action::Run { sql, on_failure, warning } => (sql, on_failure, warning),
        other => panic!("{sql}: {other:?}"),
    }
}

fn skipped(sql: &str) -> Option<String> {
    match decide(sql) {
        Action::Skip { warning } => warning,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn what_tables_are_made_of_is_fatal_and_the_rest_is_not() {
    for sql in [
        "CREATE TABLE t ()",
        "CREATE UNIQUE INDEX i ON t (a)",
        "ALTER TABLE ONLY t ADD CONSTRAINT c CHECK (a > 0)",
        "ALTER TABLE t OWNER TO \"x\"",
        "CREATE VIEW v AS SELECT 1 AS comment",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE m AS ENUM ()",
        "SELECT pg_catalog.setval('s', 1)",
        "INSERT INTO t VALUES (1)",
        "CREATE EXTENSION IF NOT EXISTS postgis",
    ] {
        assert_eq!(run(sql), (sql.to_owned(), OnFailure::Fatal, None));
    }
    for sql in [
        "COMMENT ON EXTENSION x IS 'y'",
        "GRANT SELECT ON TABLE t TO a",
        "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b",
        "CREATE PUBLICATION p",
        "ALTER EVENT TRIGGER e OWNER TO a",
        "CREATE OR REPLACE PROCEDURAL LANGUAGE plpgsql",
        "SET transaction_timeout = 0",
        "ALTER DATABASE shop SET work_mem TO '77MB'",
        "ALTER ROLE a IN DATABASE shop SET search_path TO 'x'",
        "CREATE STATISTICS s ON a, b FROM t",
    ] {
        assert_eq!(run(sql), (sql.to_owned(), OnFailure::Warn, None));
    }
    let sql = "SET SESSION AUTHORIZATION 'new one'";
    assert_eq!(decide(sql), Action::Become { role: "new one".into(), sql: sql.into() });
    assert_eq!(run("SET SESSION AUTHORIZATION DEFAULT").1, OnFailure::Fatal);
    assert_eq!(run("SELECT pg_catalog.lo_unlink('1')").1, OnFailure::IgnoreMissing);
    for sql in ["DROP TABLE public.t", "ALTER TABLE IF EXISTS ONLY t DROP CONSTRAINT c", "CREATE SCHEMA public"] {
        assert_eq!(run(sql).1, OnFailure::IgnoreMissing);
    }
}

#[test]
fn what_has_no_place_on_a_copy_is_left_out_and_said() {
    assert_eq!(skipped("CREATE DATABASE shop"), None);
    assert_eq!(skipped("DROP ROLE IF EXISTS a"), None);
    let subscription = skipped("CREATE SUBSCRIPTION sub CONNECTION 'password=p' PUBLICATION x").expect("said");
    assert!(subscription.contains("subscription sub") && !subscription.contains("password"));
    assert_eq!(skipped("SET default_tablespace = fast").expect("said"), "tablespace fast replaced by the default one");
    assert!(skipped("SECURITY LABEL FOR anon ON COLUMN public.t.c IS 'MASKED'").expect("said").contains("public.t"));
    assert!(skipped("GRANT pg_execute_server_program TO app").expect("said").contains("programs"));
    assert!(skipped("ALTER ROLE a SET session_preload_libraries TO 'x'").expect("said").contains("role a"));
    assert_eq!(decide("SET client_encoding = 'LATIN1'"), Action::ClientEncoding("LATIN1".into()));
    assert_eq!(run("SET default_tablespace = ''").1, OnFailure::Warn);
}

#[test]
fn foreign_servers_lead_nowhere_and_carry_no_secret() {
    let (sql, _, warning) = run(
        "CREATE SERVER remote FOREIGN DATA WRAPPER postgres_fdw OPTIONS (\n    dbname 'x',\n    host 'prod',\n    \
         hostaddr '10.0.0.1',\n    sslkey 'k',\n    port '5432'\n)",
    );
    assert_eq!(
        sql,
        "CREATE SERVER remote FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'x', host '/nonexistent', port '5432')"
    );
    assert_eq!(warning.as_deref(), Some("foreign server remote made unreachable"));
    let (sql, ..) = run("CREATE SERVER r FOREIGN DATA WRAPPER postgres_fdw");
    assert_eq!(sql, "CREATE SERVER r FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nonexistent')");
    let (sql, ..) = run("CREATE SERVER f FOREIGN DATA WRAPPER file_fdw");
    assert_eq!(sql, "CREATE SERVER f FOREIGN DATA WRAPPER file_fdw");
    let (sql, _, warning) =
        run("CREATE USER MAPPING FOR app SERVER remote OPTIONS (\n    password 'secret',\n    \"user\" 'u'\n)");
    assert_eq!(sql, "CREATE USER MAPPING FOR app SERVER remote");
    assert_eq!(warning.as_deref(), Some("user mapping for app SERVER remote emptied"));
    let (sql, ..) = run("CREATE FOREIGN TABLE t (options int) SERVER f OPTIONS (program 'id', format 'csv')");
    assert_eq!(sql, "CREATE FOREIGN TABLE t (options int) SERVER f OPTIONS (filename '/nonexistent', format 'csv')");
}

#[test]
fn roles_keep_what_is_harmless() {
    let Action::Role(role) = decide(
        "ALTER ROLE \"odd \"\"r\" WITH SUPERUSER NOINHERIT CREATEROLE NOCREATEDB LOGIN NOREPLICATION BYPASSRLS \
         CONNECTION LIMIT -1 PASSWORD 'SCRAM-SHA-256$x' VALID UNTIL '2030-01-01'",
    ) else {
        panic!("a role")
    };
    assert_eq!(role.name, "odd \"r");
    assert_eq!((role.login, role.inherit), (Some(true), Some(false)));
    assert_eq!(role.left_out, ["SUPERUSER", "CREATEROLE", "BYPASSRLS", "PASSWORD"]);
    let Action::Role(role) = decide("CREATE USER a IN ROLE b, \"C\" ROLE d") else { panic!("a role") };
    assert_eq!(
        (role.login, role.member_of, role.members),
        (Some(true), vec!["b".into(), "C".into()], vec!["d".into()])
    );
    assert_eq!(run("GRANT a TO b WITH ADMIN OPTION GRANTED BY postgres").0, "GRANT a TO b WITH ADMIN OPTION");
    assert_eq!(run("GRANT a TO granted").0, "GRANT a TO granted");
}

#[test]
fn headlines_hold_no_rows() {
    assert_eq!(headline("INSERT INTO t (a) VALUES ('secret')"), "INSERT INTO t (a) VALUES …");
    assert_eq!(headline("CREATE INDEX i\n ON t (a)"), "CREATE INDEX i …");
    assert_eq!(headline("CREATE TABLE t ()"), "CREATE TABLE t ()");
}

#[test]
fn tablespaces_are_taken_out_of_statements() {
    assert_eq!(
        without_tablespace("CREATE INDEX i ON t (a) TABLESPACE \"fast disk\" WHERE b = ' TABLESPACE x'"),
        "CREATE INDEX i ON t (a) WHERE b = ' TABLESPACE x'"
    );
}

#[test]
fn a_databases_locale_is_taken_over_as_far_as_the_server_knows_it() {
    let sql = "CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu \
               LOCALE = 'en_US.UTF-8' ICU_LOCALE = 'en-US' TABLESPACE = fast";
    assert_eq!(
        locale_clauses(sql, 15),
        ["ENCODING = 'UTF8'", "LOCALE_PROVIDER = icu", "LOCALE = 'en_US.UTF-8'", "ICU_LOCALE = 'en-US'"]
    );
    assert_eq!(locale_clauses(sql, 14), ["ENCODING = 'UTF8'", "LOCALE = 'en_US.UTF-8'"]);
}
