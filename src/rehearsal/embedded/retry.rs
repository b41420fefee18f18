//! What a second run meets where the first one stopped half-way; each point is tried on a copy of its own.

use super::super::retry::{End, Met, Retry, Stopped, as_at_first, replace, rest, tried};
use super::Begun;
use crate::engine::ServerError;
use crate::engine::applied::Failure;
use crate::engine::sqlite::apply::{Target, Unwatched, apply};
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::engine::sqlite::digest::{self, Digest};
use crate::engine::sqlite::{schema, worker};
use crate::migration::Migration;
use crate::migration::script::again::safe_to_run_again;
use crate::migration::script::sqlite::parse_name;
use crate::rehearsal::{Rehearsal, RehearsalError};
use crate::snapshot::sqlite::same_name;
use std::collections::{BTreeMap, BTreeSet};

/// Tries every point.
pub(super) async fn retry(begun: &Begun<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let points = tried(rehearsal);
    let history = history(&rehearsal.migrations);
    let reference = match rehearsal.failure {
        None => Some(Reached::plain(begun, rehearsal, &history).await?),
        Some(_) => None,
    };
    for point in points {
        let retried = one(begun, rehearsal, point, reference.as_ref(), &history).await?;
        rehearsal.retries.push(retried);
    }
    Ok(())
}

async fn one(
    begun: &Begun<'_>,
    rehearsal: &Rehearsal,
    stopped: Stopped,
    reference: Option<&Reached>,
    history: &BTreeSet<String>,
) -> Result<Retry, RehearsalError> {
    let copy = begun.fresh().await?;
    let target = begun.target(&copy);
    let stop_after = matches!(stopped, Stopped::Behind(_)).then(|| stopped.statement());
    let first = run(&target, &rehearsal.migrations, stop_after).await?;
    if let Some(failure) = first.failure.filter(|failure| !as_at_first(rehearsal, failure)) {
        let code = failure.error.code();
        return Err(RehearsalError::NotAgain { statement: failure.statement, code });
    }
    let mut pending = rest(&rehearsal.migrations, first.migrations);
    let mut retry = Retry { stopped, met: Vec::new(), end: End::Stuck };
    loop {
        let applied = run(&target, &pending, None).await?;
        let Some(failure) = applied.failure else {
            let reached = match reference {
                Some(reference) => Reached::read(&target, history).await?.against(reference),
                None => End::Same,
            };
            retry.end = reached;
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

async fn run(
    target: &Target,
    migrations: &[Migration],
    stop_after: Option<usize>,
) -> Result<crate::engine::applied::Applied, RehearsalError> {
    let (target, migrations) = (target.clone(), migrations.to_vec());
    worker::run(move |stop| apply(&target, &migrations, stop_after, stop, &mut Unwatched).map_err(RehearsalError::from))
        .await
}

/// Names of the runner's own tables.
fn history(migrations: &[Migration]) -> BTreeSet<String> {
    let history = migrations.iter().filter_map(|migration| migration.history.as_ref());
    let named = history.flat_map(|history| history.others.iter().chain(std::iter::once(&history.table)));
    named.filter_map(|name| Some(parse_name(name)?.name)).collect()
}

/// Schema and rows a run came to, without the runner's own tables, which tell when they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reached {
    texts: BTreeMap<String, String>,
    rows: BTreeMap<String, Digest>,
    /// Tables in which two runs of the same leave other values: their rows are counted.
    by_chance: BTreeSet<String>,
}

impl Reached {
    /// What the migrations come to as they are. They run twice, so that what differs by chance is known.
    async fn plain(
        begun: &Begun<'_>,
        rehearsal: &Rehearsal,
        history: &BTreeSet<String>,
    ) -> Result<Self, RehearsalError> {
        let mut both = Vec::new();
        for _ in 0..2 {
            let copy = begun.fresh().await?;
            let target = begun.target(&copy);
            if let Some(failure) = run(&target, &rehearsal.migrations, None).await?.failure {
                let code = failure.error.code();
                return Err(RehearsalError::NotAgain { statement: failure.statement, code });
            }
            both.push(Self::read(&target, history).await?);
        }
        let (Some(second), Some(mut first)) = (both.pop(), both.pop()) else {
            return Err(RehearsalError::Server(ServerError::default()));
        };
        let other = |(table, rows): (&String, &Digest)| (second.rows.get(table) != Some(rows)).then(|| table.clone());
        first.by_chance = first.rows.iter().filter_map(other).collect();
        Ok(first)
    }

    async fn read(target: &Target, history: &BTreeSet<String>) -> Result<Self, RehearsalError> {
        let (path, history) = (target.path.clone(), history.clone());
        worker::run(move |stop: &Stop| {
            let connection = connection::open(&path, Purpose::Observer, stop)?;
            let schema = schema::read(&connection)?;
            let is_history = |name: &str| history.iter().any(|known| same_name(known, name));
            let rows = digest::of_all(&connection, &schema)?.into_iter().filter(|(name, _)| !is_history(name));
            let tables = schema.tables.values().map(|each| (&each.name, &each.sql));
            let views = schema.views.values().map(|each| (&each.name, &each.sql));
            let triggers = schema.triggers.values().map(|each| (&each.name, &each.sql));
            let indexes = schema.indexes.values().filter_map(|each| Some((&each.name, each.sql.as_ref()?)));
            let texts = tables.chain(views).chain(triggers).chain(indexes);
            let texts = texts.filter(|(name, _)| !is_history(name)).map(|(name, sql)| (name.clone(), sql.clone()));
            Ok(Self { texts: texts.collect(), rows: rows.collect(), by_chance: BTreeSet::new() })
        })
        .await
    }

    /// In what it differs from [`Reached::plain`]; the schema comes first.
    fn against(&self, plain: &Self) -> End {
        let same = |(table, rows): (&String, &Digest)| {
            plain.rows.get(table).is_some_and(|known| {
                if plain.by_chance.contains(table) { known.rows == rows.rows } else { known == rows }
            })
        };
        if self.texts != plain.texts {
            End::OtherSchema
        } else if self.rows.len() != plain.rows.len() || !self.rows.iter().all(same) {
            End::OtherRows
        } else {
            End::Same
        }
    }
}
