//! What a migration changes outside its schema comes back too: roles, memberships, settings, the database itself. All
//! databases of a server share them, so each test has a server of its own and one database.

mod support;

use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::rollback::compare::{Differences, compare_catalogs};
use seatrial::rollback::generate::{Input, Scripts, Trust, generate};
use seatrial::rollback::net::{self, NetDifferences};
use seatrial::rollback::prove::run_script;
use seatrial::snapshot::catalog::Catalog;
use support::place::{Place, ROLE};

/// What the migration may do, and what there is before it.
const RIGHTS: &str = "ALTER ROLE app CREATEROLE; ALTER ROLE app SET work_mem = '5MB'; \
    ALTER ROLE app SET search_path = \"$user\", public; CREATE ROLE lender; GRANT lender TO app WITH ADMIN OPTION; \
    CREATE ROLE keeper NOLOGIN; GRANT keeper TO app WITH ADMIN OPTION; COMMENT ON DATABASE shop IS 'a shop, 100 % real'; \
    ALTER ROLE app IN DATABASE shop SET application_name = 'it''s 100 % \\'; \
    GRANT TEMPORARY ON DATABASE shop TO reader";

struct Outcome {
    scripts: Scripts,
    typed: Differences,
    net: NetDifferences,
}

/// Migrates and runs the rollback, both as the role that runs migrations, and compares.
async fn there_and_back(migration: &str) -> Outcome {
    let place = Place::new().await;
    let created = format!("CREATE DATABASE shop OWNER {ROLE}");
    place.execute("postgres", SUPERUSER, &created).await.expect("a database");
    place.execute("shop", SUPERUSER, RIGHTS).await.expect("rights");
    let table = "CREATE SCHEMA store; CREATE TABLE store.goods (a integer)";
    place.execute("shop", ROLE, table).await.expect("a table");
    let mut session = place.session("shop", SUPERUSER).await.expect("a session");
    let (before, net_before) = read(&mut session).await;
    let dump = place.dump("shop").await.expect("a dump");
    place.execute("shop", ROLE, migration).await.expect("the migration");
    let (after, net_after) = read(&mut session).await;
    assert_ne!(net::compare(&net_before, &net_after), NetDifferences::default(), "the migration changes something");
    let scripts = generate(&Input {
        before: &before,
        after: &after,
        dump_before: &dump,
        history: &[],
        changed: &[],
        statements: &[],
        title: "a test",
        backup_schema: catalog::BACKUP_SCHEMA,
        trust: &Trust { casts: true, ..Trust::default() },
        stepwise: false,
        origins: &[],
    });
    let mut role = place.session("shop", ROLE).await.expect("a session");
    let ran = run_script(&mut role, &scripts.rollback).await;
    assert_eq!(ran, Ok(()), "{}", scripts.rollback);
    role.close().await;
    let (back, net_back) = read(&mut session).await;
    session.close().await;
    let (typed, net) = (compare_catalogs(&before, &back), net::compare(&net_before, &net_back));
    Outcome { scripts, typed, net }
}

async fn read(session: &mut Session) -> (Catalog, seatrial::snapshot::net::Net) {
    let typed = catalog::read(session).await.expect("a catalog");
    (typed, catalog::net::read(session).await.expect("a net"))
}

impl Outcome {
    fn is_exact(&self) {
        let rollback = &self.scripts.rollback;
        assert_eq!(self.scripts.unmodelled, Vec::<String>::new(), "{rollback}");
        assert_eq!(self.typed, Differences::default(), "{rollback}");
        assert_eq!(self.net, NetDifferences::default(), "{rollback}");
    }
}

#[tokio::test]
async fn settings_of_roles_and_of_the_database_come_back() {
    there_and_back(
        "ALTER ROLE app SET work_mem = '9MB'; ALTER ROLE app SET search_path = store, public; \
         ALTER ROLE app RESET search_path; ALTER ROLE app SET search_path = store; \
         ALTER ROLE app IN DATABASE shop SET application_name = 'other'; \
         ALTER DATABASE shop SET statement_timeout = '8s'; ALTER DATABASE shop SET search_path = store, pg_catalog",
    )
    .await
    .is_exact();
}

#[tokio::test]
async fn roles_the_migration_made_go_again_with_what_they_were_given() {
    there_and_back(
        "CREATE ROLE newcomer LOGIN; COMMENT ON ROLE newcomer IS 'new'; GRANT lender TO newcomer; \
         ALTER ROLE newcomer SET work_mem = '9MB'; GRANT SELECT ON store.goods TO newcomer; \
         GRANT CONNECT ON DATABASE shop TO newcomer",
    )
    .await
    .is_exact();
}

#[tokio::test]
async fn memberships_come_and_go() {
    there_and_back("GRANT lender TO reader").await.is_exact();
    there_and_back("GRANT lender TO reader; GRANT keeper TO writer WITH ADMIN OPTION").await.is_exact();
}

#[tokio::test]
async fn the_database_gets_its_comment_privileges_and_limit_back() {
    there_and_back(
        "COMMENT ON DATABASE shop IS 'closed'; REVOKE TEMPORARY ON DATABASE shop FROM reader; \
         GRANT CREATE ON DATABASE shop TO writer; ALTER DATABASE shop CONNECTION LIMIT 9",
    )
    .await
    .is_exact();
}

#[tokio::test]
async fn what_a_role_may_do_comes_back_and_its_password_is_said_not_to() {
    // From version 16 on only who has a role with admin option may change it: the one made here.
    let outcome = there_and_back("ALTER ROLE keeper LOGIN CONNECTION LIMIT 3 PASSWORD 'x'").await;
    assert_eq!(outcome.scripts.unmodelled, ["the password of the role keeper was changed"]);
    assert_eq!(outcome.typed.others, ["role keeper, password: set instead of none"]);
    assert!(!outcome.scripts.rollback.contains("PASSWORD"), "{}", outcome.scripts.rollback);
}
