//! What the application writes between migration and rollback is left alone. Every test rehearses with the built
//! program, then runs the scripts it wrote on another server, with writes in between.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::migration::script::split;
use seatrial::rollback::prove::run_script;
use serde_json::Value;
use support::place::{Place, ROLE};
use support::{project, run, seatrial, shared_state};

const SOURCE: &str = "CREATE TABLE public.accounts (id integer PRIMARY KEY, email text NOT NULL, level numeric(6,2), state text);
INSERT INTO public.accounts SELECT i, 'a' || i || '@example.test', i + 0.25, 'new' FROM generate_series(1, 20) AS i;
CREATE UNIQUE INDEX accounts_email ON public.accounts (lower(email)) WHERE level IS NOT NULL;
CREATE TABLE public.plans (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO public.plans (name) VALUES ('free');
CREATE TABLE public.subscriptions (account_id integer PRIMARY KEY REFERENCES public.accounts (id), plan_id integer REFERENCES public.plans (id));
";

/// A rehearsed migration, and a server on which it can be tried with its scripts.
struct Trial {
    place: Place,
    report: Value,
    migration: String,
}

/// Everything belongs to the role that migrates.
const OWNERS: &str = "DO $$ DECLARE one regclass; BEGIN FOR one IN SELECT oid FROM pg_class
    WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace
LOOP EXECUTE format('ALTER TABLE %s OWNER TO app', one); END LOOP; END $$;\n";

impl Trial {
    async fn of(migration: &str, verdict: &str) -> Self {
        Self::over("", migration, verdict).await
    }

    /// With more in the source than the tables above.
    async fn over(more: &str, migration: &str, verdict: &str) -> Self {
        let folder = project();
        let roles = format!("CREATE ROLE {ROLE} NOLOGIN;\nGRANT CREATE, USAGE ON SCHEMA public TO {ROLE};\n");
        std::fs::write(folder.path().join("source.sql"), format!("{roles}{SOURCE}{more}\n{OWNERS}")).unwrap();
        std::fs::write(folder.path().join("1_change.sql"), migration).unwrap();
        let mut command = seatrial(folder.path(), &shared_state());
        command.args(["check", "1_change.sql", "--source", "source.sql", "--format", "json", "--fail-on", "never"]);
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
        let report = ran.report();
        assert_eq!(report["rollback"]["verdict"], verdict, "{:#}", report["rollback"]);
        let place = Place::new().await;
        place.execute("postgres", SUPERUSER, "CREATE DATABASE shop OWNER app").await.unwrap();
        place.execute("shop", SUPERUSER, "GRANT CREATE, USAGE ON SCHEMA public TO app").await.unwrap();
        place.execute("shop", ROLE, SOURCE).await.unwrap();
        place.execute("shop", ROLE, more).await.unwrap();
        Self { place, report, migration: migration.to_owned() }
    }

    /// What a script or any other SQL does; the server's refusal if it does not.
    async fn send(&self, sql: &str) -> Result<(), String> {
        let mut session = self.place.session("shop", ROLE).await.unwrap();
        let outcome = run_script(&mut session, sql).await;
        session.close().await;
        outcome
    }

    async fn script(&self, name: &str) -> Result<(), String> {
        self.send(self.report["rollback"]["scripts"][name].as_str().unwrap()).await
    }

    async fn ask(&self, query: &str) -> String {
        let mut session = self.place.session("shop", ROLE).await.unwrap();
        let rows = session.query(query).await.unwrap_or_else(|error| panic!("{error}\n{query}"));
        session.close().await;
        rows.scalar().unwrap_or("nothing").to_owned()
    }

    /// Prepare, migrate, let the application write, roll back.
    async fn with_writes(&self, writes: &str) {
        self.script("prepare").await.unwrap();
        self.send(&self.migration).await.unwrap();
        self.send(writes).await.unwrap();
        self.script("rollback").await.unwrap();
    }
}

#[tokio::test]
async fn an_updated_row_that_was_changed_again_keeps_the_later_value() {
    let trial =
        Trial::of("UPDATE accounts SET state = 'old', level = level * 2 WHERE id <= 10;", "restored_from_backup").await;
    trial
        .with_writes(
            "UPDATE accounts SET state = 'blocked' WHERE id = 3; DELETE FROM accounts WHERE id = 4;
             UPDATE accounts SET email = 'changed@example.test' WHERE id = 5; UPDATE accounts SET state = 'paid' WHERE id = 15;",
        )
        .await;
    let now = "SELECT string_agg(id || state || level, ' ' ORDER BY id) FROM accounts WHERE id IN (2, 3, 4, 5, 15)";
    assert_eq!(trial.ask(now).await, "2new2.25 3blocked3.25 5new5.25 15paid15.25");
    let left = "SELECT string_agg(origin || ' ' || row_key || ' ' || why, '; ' ORDER BY row_key) FROM seatrial_backup.left_alone";
    assert_eq!(trial.ask(left).await, "public.accounts 3 changed since; public.accounts 4 deleted since");
    assert_eq!(trial.ask("SELECT count(*) FROM seatrial_backup.\"001_accounts\"").await, "10");
    trial.script("cleanup").await.unwrap();
}

#[tokio::test]
async fn a_deleted_row_comes_back_unless_somebody_wrote_it_again() {
    let trial = Trial::of("DELETE FROM accounts WHERE id > 15;", "restored_from_backup").await;
    trial
        .with_writes(
            "INSERT INTO accounts VALUES (16, 'again@example.test', 1, 'again'); DELETE FROM accounts WHERE id = 2;",
        )
        .await;
    assert_eq!(trial.ask("SELECT count(*) FROM accounts").await, "19");
    assert_eq!(trial.ask("SELECT state FROM accounts WHERE id = 16").await, "again");
    assert_eq!(trial.ask("SELECT state FROM accounts WHERE id = 17").await, "new");
    assert_eq!(trial.ask("SELECT why FROM seatrial_backup.left_alone").await, "written again since");
}

#[tokio::test]
async fn an_added_row_goes_unless_it_is_in_use() {
    let trial =
        Trial::of("INSERT INTO plans (name) VALUES ('team'), ('large'), ('huge');", "restored_from_backup").await;
    trial
        .with_writes(
            "INSERT INTO subscriptions SELECT 1, id FROM plans WHERE name = 'team';
             UPDATE plans SET name = 'enormous' WHERE name = 'huge'; INSERT INTO plans (name) VALUES ('own');",
        )
        .await;
    assert_eq!(trial.ask("SELECT string_agg(name, ' ' ORDER BY name) FROM plans").await, "enormous free own team");
    assert_eq!(
        trial.ask("SELECT string_agg(why, ', ' ORDER BY why) FROM seatrial_backup.left_alone").await,
        "changed or deleted since, referred to since"
    );
}

#[tokio::test]
async fn a_narrowed_value_that_was_changed_again_keeps_the_later_value() {
    let trial = Trial::of("ALTER TABLE accounts ALTER COLUMN level TYPE integer;", "restored_from_backup").await;
    trial.with_writes("UPDATE accounts SET level = 99 WHERE id = 3;").await;
    let now = "SELECT string_agg(level::text, ' ' ORDER BY id) FROM accounts WHERE id IN (2, 3, 4)";
    assert_eq!(trial.ask(now).await, "2.25 99.00 4.25");
    assert_eq!(trial.ask("SELECT row_key FROM seatrial_backup.left_alone").await, "3");
}

#[tokio::test]
async fn rows_of_production_are_saved_and_not_those_of_the_copy() {
    let trial = Trial::of("UPDATE accounts SET state = 'old' WHERE level > 15;", "restored_from_backup").await;
    trial.send("UPDATE accounts SET level = 50, state = 'own' WHERE id < 3").await.unwrap();
    trial.with_writes("SELECT 1").await;
    assert_eq!(trial.ask("SELECT count(*) FROM seatrial_backup.\"001_accounts\"").await, "8");
    assert_eq!(trial.ask("SELECT count(*) FROM accounts WHERE state = 'own'").await, "2");
    assert_eq!(trial.ask("SELECT count(*) FROM seatrial_backup.left_alone").await, "0");
}

#[tokio::test]
async fn scripts_refuse_out_of_turn() {
    let trial = Trial::of("ALTER TABLE accounts DROP COLUMN state;", "restored_from_backup").await;
    let early = trial.script("rollback").await.unwrap_err();
    assert!(early.contains("there is nothing to undo"), "{early}");
    trial.send(&trial.migration).await.unwrap();
    let late = trial.script("prepare").await.unwrap_err();
    assert!(late.contains("the migration has run already"), "{late}");
    // Without prepare.sql the column comes back empty.
    trial.script("rollback").await.unwrap();
    assert_eq!(trial.ask("SELECT count(state) FROM accounts").await, "0");
    trial.script("prepare").await.unwrap();
    let twice = trial.script("prepare").await.unwrap_err();
    assert!(twice.contains("was run before"), "{twice}");
    let again = trial.script("rollback").await.unwrap_err();
    assert!(again.contains("there is nothing to undo"), "{again}");
}

#[tokio::test]
async fn what_no_row_of_the_copy_was_taken_for_is_saved_in_production() {
    let trial = Trial::of(
        "UPDATE accounts SET state = 'none' WHERE state = ''; DELETE FROM accounts WHERE email = 'spam';",
        "exact",
    )
    .await;
    trial
        .send(
            "UPDATE accounts SET state = '' WHERE id = 7; UPDATE accounts SET email = 'spam' WHERE id = 8;
             ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_account_id_fkey;",
        )
        .await
        .unwrap();
    trial.with_writes("SELECT 1").await;
    assert_eq!(trial.ask("SELECT '<' || state || '>' FROM accounts WHERE id = 7").await, "<>");
    assert_eq!(trial.ask("SELECT state FROM accounts WHERE id = 8").await, "new");
}

#[tokio::test]
async fn a_sequence_that_another_took_the_place_of_gives_no_number_twice() {
    let trial = Trial::of(
        "ALTER TABLE plans ALTER id DROP DEFAULT; DROP SEQUENCE plans_id_seq;
         ALTER TABLE plans ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
         SELECT setval(pg_get_serial_sequence('plans', 'id'), (SELECT max(id) FROM plans));",
        "restored_from_backup",
    )
    .await;
    trial.with_writes("INSERT INTO plans (name) VALUES ('own'), ('other');").await;
    trial.send("INSERT INTO plans (name) VALUES ('next')").await.unwrap();
    assert_eq!(trial.ask("SELECT max(id) FROM plans").await, "4");
}

#[tokio::test]
async fn an_old_name_that_stands_for_something_new_is_never_undone_twice() {
    let trial = Trial::of(
        "ALTER TABLE accounts ADD COLUMN status text; UPDATE accounts SET status = upper(state);
         ALTER TABLE accounts DROP COLUMN state; ALTER TABLE accounts RENAME COLUMN status TO state;",
        "restored_from_backup",
    )
    .await;
    let early = trial.script("rollback").await.unwrap_err();
    assert!(early.contains("nothing was changed"), "{early}");
    trial.with_writes("SELECT 1").await;
    trial.script("cleanup").await.unwrap();
    let again = trial.script("rollback").await.unwrap_err();
    assert!(again.contains("nothing was changed"), "{again}");
    assert_eq!(trial.ask("SELECT count(*) FROM accounts WHERE state = 'new'").await, "20");
    let conditions = trial.report["rollback"]["conditions"].to_string();
    assert!(
        conditions.contains("what is written to public.accounts.state after the migration is lost"),
        "{conditions}"
    );
}

#[tokio::test]
async fn what_was_put_back_once_is_not_put_back_over_later_writes() {
    let trial = Trial::of("UPDATE accounts SET state = random()::text;", "restored_from_backup").await;
    trial.with_writes("SELECT 1").await;
    trial.send("UPDATE accounts SET state = 'later' WHERE id = 1").await.unwrap();
    let again = trial.script("rollback").await.unwrap_err();
    assert!(again.contains("was run before"), "{again}");
    assert_eq!(trial.ask("SELECT state FROM accounts WHERE id = 1").await, "later");
}

#[tokio::test]
async fn a_row_that_lost_its_place_is_left_alone_and_the_others_come_back() {
    let trial = Trial::of(
        "UPDATE accounts SET email = 'old-' || email WHERE id <= 5; DELETE FROM plans WHERE name = 'free';
         DELETE FROM subscriptions WHERE account_id > 18;",
        "restored_from_backup",
    )
    .await;
    trial.send("INSERT INTO subscriptions VALUES (18, NULL), (19, NULL), (20, NULL);").await.unwrap();
    trial
        .with_writes(
            "INSERT INTO accounts VALUES (30, 'A3@example.test', 1, 'own'); DELETE FROM accounts WHERE id = 19;
             INSERT INTO plans (name) VALUES ('free');",
        )
        .await;
    let now = "SELECT string_agg(email, ' ' ORDER BY id) FROM accounts WHERE id IN (2, 3, 4)";
    assert_eq!(trial.ask(now).await, "a2@example.test old-a3@example.test a4@example.test");
    let now = "SELECT string_agg(account_id::text, ' ' ORDER BY account_id) FROM subscriptions";
    assert_eq!(trial.ask(now).await, "18 20");
    assert_eq!(trial.ask("SELECT string_agg(id || name, ' ') FROM plans").await, "2free");
    let left = "SELECT string_agg(origin || ' ' || row_key, ', ' ORDER BY origin) FROM seatrial_backup.left_alone
                WHERE why = 'a value it had is taken, or what it refers to is gone'";
    assert_eq!(trial.ask(left).await, "public.accounts 3, public.plans 1, public.subscriptions 19");
}

#[tokio::test]
async fn rows_like_those_the_migration_added_are_never_taken_for_them() {
    let trial = Trial::of(
        "CREATE TABLE tokens (id uuid DEFAULT gen_random_uuid()); INSERT INTO accounts (id, email, state)
         SELECT 40 + (random() * 1000)::integer, 'bot@example.test', 'bot';
         INSERT INTO accounts (id, email, state) SELECT 2000 + (random() * 1000)::integer, 'job@example.test', 'bot';",
        "restored_from_backup",
    )
    .await;
    trial.send("INSERT INTO accounts VALUES (31, 'job@example.test', NULL, 'bot')").await.unwrap();
    trial
        .with_writes(
            "INSERT INTO accounts VALUES (32, 'bot@example.test', NULL, 'bot'), (33, 'app@example.test', NULL, 'bot')",
        )
        .await;
    let now = "SELECT string_agg(CASE WHEN id < 40 THEN id::text ELSE 'added' END, ' ' ORDER BY id) FROM accounts WHERE state = 'bot'";
    assert_eq!(trial.ask(now).await, "31 32 33 added");
    let left = "SELECT count(*) FROM seatrial_backup.left_alone WHERE why = 'others like it were written since'";
    assert_eq!(trial.ask(left).await, "1");
}

#[tokio::test]
async fn rows_that_refer_to_added_rows_go_with_them_and_those_of_others_stay() {
    let trial = Trial::of(
        "INSERT INTO plans (name) VALUES ('team'), ('solo');
         INSERT INTO subscriptions SELECT a.id, p.id FROM accounts AS a, plans AS p WHERE p.name = 'team' AND a.id <= 5;
         INSERT INTO subscriptions VALUES (6, (SELECT id FROM plans WHERE name = 'solo'));",
        "restored_from_backup",
    )
    .await;
    trial
        .with_writes(
            "INSERT INTO subscriptions SELECT 7, id FROM plans WHERE name = 'team';
             UPDATE subscriptions SET plan_id = 1 WHERE account_id = 2;",
        )
        .await;
    let now =
        "SELECT string_agg(account_id || name, ' ' ORDER BY account_id) FROM subscriptions JOIN plans ON id = plan_id";
    assert_eq!(trial.ask(now).await, "2free 7team");
    assert_eq!(trial.ask("SELECT string_agg(name, ' ' ORDER BY id) FROM plans").await, "free team");
    let left = "SELECT string_agg(origin || ' ' || why, ', ' ORDER BY origin) FROM seatrial_backup.left_alone";
    assert_eq!(trial.ask(left).await, "public.plans referred to since, public.subscriptions changed since");
}

#[tokio::test]
async fn what_refers_to_a_row_that_will_not_be_there_stops_the_rollback_before_it_begins() {
    let trial = Trial::of(
        "CREATE TABLE accounts_new (LIKE accounts INCLUDING ALL); INSERT INTO accounts_new SELECT * FROM accounts;
         ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_account_id_fkey; DROP TABLE accounts;
         ALTER TABLE accounts_new RENAME TO accounts; ALTER TABLE subscriptions
             ADD CONSTRAINT subscriptions_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id);",
        "restored_from_backup",
    )
    .await;
    trial.script("prepare").await.unwrap();
    trial.send(&trial.migration).await.unwrap();
    trial
        .send(
            "INSERT INTO accounts VALUES (51, 'own@example.test', 1, 'own'); INSERT INTO subscriptions VALUES (51, 1);",
        )
        .await
        .unwrap();
    let refused = trial.script("rollback").await.unwrap_err();
    assert!(refused.contains("not so for 1 rows; nothing was changed"), "{refused}");
    assert_eq!(trial.ask("SELECT count(*) FROM accounts").await, "21");
    trial.send("DELETE FROM subscriptions; DELETE FROM accounts WHERE id = 51").await.unwrap();
    trial.script("rollback").await.unwrap();
    assert_eq!(trial.ask("SELECT count(*) FROM accounts").await, "20");
}

#[tokio::test]
async fn a_row_without_a_value_that_must_be_there_stops_the_rollback_before_it_begins() {
    let trial = Trial::of("ALTER TABLE accounts DROP COLUMN email", "restored_from_backup").await;
    trial.script("prepare").await.unwrap();
    trial.send(&trial.migration).await.unwrap();
    let count = trial.ask("SELECT count(*) FROM accounts").await;
    trial.send("INSERT INTO accounts VALUES (99, 1, 'own')").await.unwrap();
    let refused = trial.script("rollback").await.unwrap_err();
    assert!(refused.contains("not so for 1 rows; nothing was changed"), "{refused}");
    trial.send("DELETE FROM accounts WHERE id = 99").await.unwrap();
    trial.script("rollback").await.unwrap();
    assert_eq!(trial.ask("SELECT count(email) FROM accounts").await, count);
}

/// Values that no cast takes to the new type, and what migrations do about them first.
#[tokio::test]
async fn values_that_were_mended_before_they_were_converted_come_back() {
    let trial = Trial::over(
        "CREATE TABLE people (id integer PRIMARY KEY, age text, height integer);
         INSERT INTO people SELECT i, i::text, i FROM generate_series(1, 5) AS i;",
        "UPDATE people SET age = NULL WHERE age !~ '^[0-9]+$'; UPDATE people SET height = 32767 WHERE height > 32767;
         ALTER TABLE people ALTER COLUMN age TYPE integer USING age::integer, ALTER COLUMN height TYPE smallint;",
        "restored_from_backup",
    )
    .await;
    trial.send("INSERT INTO people VALUES (7, 'abc', 40000), (8, '8', 8);").await.unwrap();
    trial.with_writes("SELECT 1").await;
    let now = "SELECT string_agg(concat_ws(' ', id, age, height), ', ' ORDER BY id) FROM people WHERE id > 4";
    assert_eq!(trial.ask(now).await, "5 5 5, 7 abc 40000, 8 8 8");
}

#[tokio::test]
async fn rows_that_went_before_their_column_was_converted_come_back() {
    let trial = Trial::over(
        "CREATE TABLE people (id integer PRIMARY KEY, age text, gone boolean);
         INSERT INTO people SELECT i, i::text, false FROM generate_series(1, 5) AS i;",
        "DELETE FROM people WHERE gone; ALTER TABLE people ALTER COLUMN age TYPE integer USING age::integer;",
        "restored_from_backup",
    )
    .await;
    trial.send("INSERT INTO people VALUES (7, 'abc', true), (8, '08', false);").await.unwrap();
    trial.with_writes("SELECT 1").await;
    let now = "SELECT string_agg(concat_ws(' ', id, age), ', ' ORDER BY id) FROM people WHERE id > 4";
    assert_eq!(trial.ask(now).await, "5 5, 7 abc, 8 08");
}

#[tokio::test]
async fn what_is_truncated_along_is_saved_although_the_copy_has_nothing_of_it() {
    let trial = Trial::over(
        "CREATE TABLE invoices (id integer PRIMARY KEY, account_id integer REFERENCES accounts);
         CREATE TABLE payments (id integer PRIMARY KEY, invoice_id integer REFERENCES invoices ON DELETE SET NULL);",
        "TRUNCATE accounts CASCADE;",
        "restored_from_backup",
    )
    .await;
    trial
        .send("INSERT INTO invoices VALUES (1, 3), (2, NULL); INSERT INTO payments VALUES (1, 1), (2, NULL);")
        .await
        .unwrap();
    trial.with_writes("SELECT 1").await;
    let count =
        "SELECT concat_ws(' ', (SELECT count(*) FROM accounts), (SELECT string_agg(id::text, '') FROM invoices),
        (SELECT count(*) FROM payments WHERE invoice_id = 1), (SELECT count(*) FROM payments))";
    assert_eq!(trial.ask(count).await, "20 12 1 2");
}

#[tokio::test]
async fn a_row_written_like_an_added_one_before_it_is_not_taken_for_it() {
    let trial = Trial::over(
        "CREATE TABLE jobs (id serial PRIMARY KEY, kind text, at timestamptz DEFAULT now());
         INSERT INTO jobs (kind) VALUES ('mail');",
        "INSERT INTO jobs (kind) VALUES ('reindex');",
        "restored_from_backup",
    )
    .await;
    trial.script("prepare").await.unwrap();
    trial.send("INSERT INTO jobs (kind) VALUES ('reindex')").await.unwrap();
    trial.send(&trial.migration).await.unwrap();
    trial.script("rollback").await.unwrap();
    assert_eq!(trial.ask("SELECT string_agg(id || kind, ' ' ORDER BY id) FROM jobs").await, "1mail 2reindex 3reindex");
    let left = "SELECT why FROM seatrial_backup.left_alone";
    assert_eq!(trial.ask(left).await, "others like it were written since");
}

#[tokio::test]
async fn what_is_saved_is_of_one_moment() {
    let trial = Trial::over(
        "CREATE TABLE carts (id integer PRIMARY KEY);
         CREATE TABLE items (id integer PRIMARY KEY, cart integer NOT NULL REFERENCES carts);
         INSERT INTO carts VALUES (1); INSERT INTO items VALUES (1, 1);",
        "DROP TABLE items; DROP TABLE carts;",
        "restored_from_backup",
    )
    .await;
    let prepare = trial.report["rollback"]["scripts"]["prepare"].as_str().unwrap();
    let mut session = trial.place.session("shop", ROLE).await.unwrap();
    let mut goes_on = false;
    for span in split(prepare).unwrap() {
        session.execute(&prepare[span.clone()]).await.unwrap();
        // The application goes on once the first of the tables is saved.
        if !goes_on && prepare[span].contains("CREATE TABLE seatrial_backup.\"001_") {
            trial.send("BEGIN; INSERT INTO carts VALUES (2); INSERT INTO items VALUES (2, 2); COMMIT").await.unwrap();
            goes_on = true;
        }
    }
    session.close().await;
    assert!(goes_on, "{prepare}");
    trial.send(&trial.migration).await.unwrap();
    trial.script("rollback").await.unwrap();
    let now = "SELECT string_agg(i.id || ' ' || c.id, ', ') FROM items AS i JOIN carts AS c ON c.id = i.cart";
    assert_eq!(trial.ask(now).await, "1 1");
    let valid = "SELECT bool_and(convalidated)::text FROM pg_constraint WHERE contype = 'f'";
    assert_eq!(trial.ask(valid).await, "true");
}

#[tokio::test]
async fn an_added_row_stays_while_rows_of_its_own_table_refer_to_it() {
    for action in ["ON DELETE CASCADE", ""] {
        let trial = Trial::over(
            &format!(
                "CREATE TABLE categories (id integer PRIMARY KEY, parent integer REFERENCES categories {action});"
            ),
            "INSERT INTO categories VALUES (100, NULL), (101, 100), (102, 101), (103, 100);
             INSERT INTO categories VALUES (104, 103), (105, 105);",
            "restored_from_backup",
        )
        .await;
        trial.with_writes("INSERT INTO categories VALUES (200, 101);").await;
        assert_eq!(trial.ask("SELECT string_agg(id::text, ' ' ORDER BY id) FROM categories").await, "100 101 200");
        let left = "SELECT string_agg(row_key || ' ' || why, ', ' ORDER BY row_key) FROM seatrial_backup.left_alone";
        assert_eq!(trial.ask(left).await, "100 referred to since, 101 referred to since");
    }
}

#[tokio::test]
async fn rows_changed_through_a_view_are_saved_although_the_copy_has_none() {
    let trial = Trial::over(
        "CREATE VIEW active AS SELECT id, state FROM accounts WHERE id < 100;",
        "UPDATE active SET state = 'none' WHERE state = 'legacy';",
        "exact",
    )
    .await;
    trial.send("UPDATE accounts SET state = 'legacy' WHERE id = 7").await.unwrap();
    trial.with_writes("SELECT 1").await;
    assert_eq!(trial.ask("SELECT state FROM accounts WHERE id = 7").await, "legacy");
}
