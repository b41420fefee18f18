use super::*;
use crate::engine::ServerError;
use crate::engine::postgres::apply::Failure;
use crate::migration::{Connection, SourceFile};
use crate::observation::Observation;
use crate::rehearsal::Pass;
use crate::report::redact::Redactor;
use crate::rollback::generate::Scripts;
use std::sync::Arc;

/// Three migrations, the first and the last with one statement each, the one between with none. `ran` are the
/// statements that did, the last of them in vain if `fails`; of a proof there are scripts nobody ran.
fn rehearsal(ran: &[usize], fails: bool, applied: usize) -> Rehearsal {
    let mut rehearsal = Rehearsal::new(Redactor { show_values: false }, Vec::new());
    let text = "SELECT 1".to_owned();
    let file = Arc::new(SourceFile { path: "1.sql".into(), name: "1.sql".to_owned(), text });
    let statement = |index| Statement { index, file: Arc::clone(&file), span: 0..8, rendered: None };
    for statements in [vec![statement(1)], Vec::new(), vec![statement(2)]] {
        rehearsal.migrations.push(Migration {
            version: String::new(),
            name: String::new(),
            layout: "plain",
            transaction: TransactionMode::AllPending,
            connection: Connection::default(),
            session: Vec::new(),
            statements,
            down: None,
            history: None,
        });
    }
    rehearsal.observations = ran.iter().map(|statement| Observation::of_nothing(*statement)).collect();
    rehearsal.applied = applied;
    if applied > 0 {
        rehearsal.committed = ran.to_vec();
    }
    if fails {
        let statement = *ran.last().unwrap();
        rehearsal.failure = Some(Failure { statement, error: ServerError::default() });
    }
    rehearsal.passes.push(Pass {
        name: v1::PassName::Measure,
        ran: true,
        reason: None,
        crashed: false,
        out_of_budget: false,
        duration_ms: 1.0,
    });
    let reason = "it is tested alone".to_owned();
    rehearsal.rollback = Some(Rollback::not_attempted(Scripts::default(), reason));
    rehearsal
}

fn applies(rehearsal: &Rehearsal) -> Vec<Applies> {
    report(rehearsal, &[]).migrations.iter().map(|migration| migration.applies).collect()
}

#[test]
fn a_migration_without_statements_is_known_to_apply_only_once_it_was_reached() {
    use Applies::{No, Unknown, Yes};
    assert_eq!(applies(&rehearsal(&[1], true, 0)), [No, Unknown, Unknown]);
    assert_eq!(applies(&rehearsal(&[1, 2], true, 2)), [Yes, Yes, No]);
    assert_eq!(applies(&rehearsal(&[1, 2], false, 3)), [Yes, Yes, Yes]);
    let mut unmeasured = rehearsal(&[], false, 0);
    unmeasured.passes.clear();
    assert_eq!(applies(&unmeasured), [Unknown, Unknown, Unknown]);
}

#[test]
fn those_taken_back_with_another_are_counted_and_nobody_knows_their_way_back() {
    let mut taken_back = rehearsal(&[1, 2], true, 0);
    taken_back.rollback = Some(Rollback::proven_for_tests());
    let report = report(&taken_back, &[]);
    assert!(
        report.answers.applies.summary.ends_with("and that takes back 2 migrations of the same transaction"),
        "{}",
        report.answers.applies.summary
    );
    use Undoable::{Unknown, Yes};
    let undoable: Vec<Undoable> = report.migrations.iter().map(|migration| migration.undoable).collect();
    assert_eq!(undoable, [Unknown, Unknown, Yes], "of the one that failed nothing is left");
}

#[test]
fn without_scripts_of_its_own_no_migration_takes_the_verdict_of_all() {
    let mut broken_off = rehearsal(&[1, 2], false, 3);
    broken_off.rollback = Some(Rollback::proven_for_tests());
    let report = report(&broken_off, &[]);
    assert_eq!(report.answers.undoable.verdict, Undoable::Yes);
    assert!(report.migrations.iter().all(|migration| migration.undoable == Undoable::Unknown));
}

#[test]
fn of_a_single_migration_that_fails_only_the_place_is_told() {
    let mut single = rehearsal(&[1], true, 0);
    single.migrations.truncate(1);
    assert_eq!(report(&single, &[]).answers.applies.summary, "the migration stops at 1.sql:1");
}

#[test]
fn a_file_of_a_common_name_is_told_with_its_folder() {
    assert_eq!(telling_name("prisma/migrations/2026_views/migration.sql"), "2026_views/migration.sql");
    assert_eq!(telling_name("2026_views/up.sql"), "2026_views/up.sql");
    assert_eq!(telling_name("migrations/0001_views.sql"), "0001_views.sql");
    assert_eq!(telling_name("migration.sql"), "migration.sql");
}
