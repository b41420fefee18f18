//! What a second run meets where the first one stopped half-way: a lost connection, a deploy that was ended, a statement
//! that failed. Each point is tried on a copy of its own.

use super::reached::{Differs, Reached};
use super::{Ready, Rehearsal, RehearsalError};
use crate::copy::scratch::ScratchDatabase;
use crate::diff::index::IndexChangeKind;
use crate::engine::ServerError;
use crate::engine::postgres::apply::{Failure, Unwatched, apply};
use crate::migration::script::again::safe_to_run_again;
use crate::migration::script::kind;
use crate::migration::{Migration, Statement};
use crate::report::human;

/// Points that are tried, the first ones: each is a copy and two runs.
pub(crate) const POINTS: usize = 10;

/// A second run.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Where the first one stopped.
    pub stopped: Stopped,
    /// What it failed at, and what each further run failed at with the statements before in other words; empty if it came
    /// as far as the first one would have.
    pub met: Vec<Met>,
    /// What the last run came to.
    pub end: End,
}

/// Where a run stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Once this statement was committed.
    Behind(usize),
    /// At this statement, which fails.
    At(usize),
}

impl Stopped {
    /// The statement.
    pub fn statement(self) -> usize {
        match self {
            Self::Behind(statement) | Self::At(statement) => statement,
        }
    }
}

/// A statement that does not run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// Which.
    pub statement: usize,
    /// What the server said.
    pub error: ServerError,
    /// Other words with which the next run was tried; empty where none are known.
    pub mend: Vec<String>,
}

/// What the last run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As far as a first run, and to the same schema.
    Same,
    /// To the end, and to another schema than a first run.
    OtherSchema,
    /// To the same schema, and to other rows.
    OtherRows,
    /// It failed, and no other words are known.
    Stuck,
}

/// Why a second run would show nothing.
pub(super) fn nothing_to_try(rehearsal: &Rehearsal) -> Option<&'static str> {
    points(rehearsal)
        .is_empty()
        .then_some("nothing is left half-way: each migration is applied as a whole or not at all")
}

/// Tries every point.
pub(super) async fn retry(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let points = tried(rehearsal);
    let reference = match rehearsal.failure {
        None => Some(Reached::plain(plan, rehearsal).await?),
        Some(_) => None,
    };
    for point in points {
        let copy = plan.copy().await?;
        let retried = one(plan, rehearsal, &copy, point, reference.as_ref()).await;
        copy.destroy().await?;
        rehearsal.retries.push(retried?);
    }
    Ok(())
}

/// The points that are tried; that some are not is noted.
pub(super) fn tried(rehearsal: &mut Rehearsal) -> Vec<Stopped> {
    let mut points = points(rehearsal);
    if points.len() > POINTS {
        let rest = human::plural(points.len() - POINTS, "commit");
        rehearsal
            .notes
            .push(format!("retry: stopped behind each of the first {POINTS} commits, not behind {rest} more"));
        points.truncate(POINTS);
    }
    points
}

/// Commits behind which a run can stop with part of a migration done, and the statement it fails at, if part of that
/// migration stays.
fn points(rehearsal: &Rehearsal) -> Vec<Stopped> {
    let lasting = |upto: usize| {
        let migrations = &rehearsal.migrations;
        let within = unit(migrations, at(migrations, upto)).iter().flat_map(|migration| &migration.statements);
        let mut done = within.filter(|each| each.index <= upto && rehearsal.committed.contains(&each.index));
        done.any(|each| !kind(each.sql()).leaves_nothing_behind())
    };
    let is_last = |statement: usize| {
        let migrations = &rehearsal.migrations;
        let last = unit(migrations, at(migrations, statement)).last().and_then(|migration| migration.statements.last());
        last.is_some_and(|last| last.index == statement)
    };
    let commits = rehearsal.commits.iter().copied().filter(|commit| !is_last(*commit) && lasting(*commit));
    let mut points: Vec<Stopped> = commits.map(Stopped::Behind).collect();
    let invalid = rehearsal.indexes.iter().any(|index| index.change.kind == IndexChangeKind::Invalid);
    if let Some(failure) = &rehearsal.failure
        && (invalid || lasting(failure.statement))
    {
        points.push(Stopped::At(failure.statement));
    }
    points
}

/// The migration a statement belongs to.
fn at(migrations: &[Migration], statement: usize) -> usize {
    let holds = |migration: &Migration| migration.statements.iter().any(|each| each.index == statement);
    migrations.iter().position(holds).unwrap_or_default()
}

/// All parts of the file that a runner notes down at once.
fn unit(migrations: &[Migration], at: usize) -> &[Migration] {
    let Some(version) = migrations.get(at).map(|migration| &migration.version) else { return &[] };
    let from = migrations[..at].iter().rposition(|each| each.version != *version).map_or(0, |other| other + 1);
    let to =
        migrations[at..].iter().position(|each| each.version != *version).map_or(migrations.len(), |next| at + next);
    &migrations[from..to]
}

/// What a runner begins with when it is started again: the file that is not noted down yet.
pub(super) fn rest(migrations: &[Migration], applied: usize) -> Vec<Migration> {
    let version = migrations.get(applied).map(|next| &next.version);
    let done = migrations[..applied].iter().rposition(|each| Some(&each.version) != version);
    migrations[done.map_or(0, |done| done + 1)..].to_vec()
}

async fn one(
    plan: &Ready<'_>,
    rehearsal: &Rehearsal,
    copy: &ScratchDatabase,
    stopped: Stopped,
    reference: Option<&Reached>,
) -> Result<Retry, RehearsalError> {
    let stop_after = matches!(stopped, Stopped::Behind(_)).then(|| stopped.statement());
    let mut pending = run(copy, &rehearsal.migrations, stop_after, rehearsal).await?;
    let mut retry = Retry { stopped, met: Vec::new(), end: End::Stuck };
    loop {
        let applied = apply(&copy.target, &pending, None, &mut Unwatched).await?;
        let Some(failure) = applied.failure else {
            retry.end = match reference {
                Some(reference) => match Reached::read(plan, copy, rehearsal).await?.differs(reference) {
                    Some(Differs::Schema) => End::OtherSchema,
                    Some(Differs::Rows) => End::OtherRows,
                    None => End::Same,
                },
                None => End::Same,
            };
            return Ok(retry);
        };
        if as_at_first(rehearsal, &failure) {
            retry.end = End::Same;
            return Ok(retry);
        }
        pending = rest(&pending, applied.migrations);
        let mended = retry.met.iter().any(|met| met.statement == failure.statement);
        let sql = rehearsal.sql(failure.statement).unwrap_or_default();
        let mend = safe_to_run_again(sql, &failure.error.sqlstate).filter(|_| !mended).unwrap_or_default();
        let Failure { statement, error } = failure;
        retry.met.push(Met { statement, error, mend: mend.clone() });
        if mend.is_empty() {
            return Ok(retry);
        }
        replace(&mut pending, statement, &mend);
    }
}

/// Whether it is what ends a first run, too.
pub(super) fn as_at_first(rehearsal: &Rehearsal, failure: &Failure) -> bool {
    let first = rehearsal.failure.as_ref();
    first.is_some_and(|first| first.statement == failure.statement && first.error.sqlstate == failure.error.sqlstate)
}

/// Runs as far as that, and returns what a runner begins with when it is started again.
async fn run(
    copy: &ScratchDatabase,
    migrations: &[Migration],
    stop_after: Option<usize>,
    rehearsal: &Rehearsal,
) -> Result<Vec<Migration>, RehearsalError> {
    let applied = apply(&copy.target, migrations, stop_after, &mut Unwatched).await?;
    if let Some(failure) = &applied.failure
        && !as_at_first(rehearsal, failure)
    {
        return Err(RehearsalError::NotAgain { statement: failure.statement, code: failure.error.code() });
    }
    Ok(rest(migrations, applied.migrations))
}

/// The statement in other words.
pub(super) fn replace(migrations: &mut [Migration], statement: usize, sql: &[String]) {
    for migration in migrations {
        if let Some(at) = migration.statements.iter().position(|each| each.index == statement) {
            let written = &migration.statements[at];
            let instead: Vec<Statement> =
                sql.iter().map(|sql| Statement { rendered: Some(sql.clone()), ..written.clone() }).collect();
            migration.statements.splice(at..=at, instead);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::{Connection, SourceFile, TransactionMode};
    use std::sync::Arc;

    /// One statement each.
    fn migrations(versions: &[&str]) -> Vec<Migration> {
        let file = Arc::new(SourceFile { path: "a.sql".into(), name: "a.sql".to_owned(), text: "A".to_owned() });
        let one = |(at, version): (usize, &&str)| Migration {
            version: (*version).to_owned(),
            name: String::new(),
            layout: "plain",
            transaction: TransactionMode::None,
            connection: Connection::default(),
            session: Vec::new(),
            statements: vec![Statement { index: at + 1, file: file.clone(), span: 0..1, rendered: None }],
            down: None,
            history: None,
        };
        versions.iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_runner_begins_anew_with_the_whole_file_that_is_not_noted_down() {
        let all = migrations(&["1", "2", "2", "3"]);
        let left = |applied| rest(&all, applied).iter().map(|each| each.version.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!([left(0), left(1), left(2), left(3), left(4)], ["1 2 2 3", "2 2 3", "2 2 3", "3", ""]);
        assert_eq!(unit(&all, 2).len(), 2);
    }

    #[test]
    fn a_statement_may_become_two() {
        let mut all = migrations(&["1", "2"]);
        replace(&mut all, 2, &["DROP".to_owned(), "CREATE".to_owned()]);
        let sql: Vec<&str> = all[1].statements.iter().map(Statement::sql).collect();
        assert_eq!((sql, all[1].statements[1].index), (vec!["DROP", "CREATE"], 2));
        assert_eq!(all[0].statements[0].sql(), "A");
    }
}
