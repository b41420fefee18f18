//! Indexes and constraints, which a dump has last: built side by side in several sessions. What fails there is sent once
//! more by itself, in the order of the text, so that messages and warnings are those of one session.

use super::{RestoreError, Restoring, connect};
use crate::copy::dump::{DumpReader, DumpStatement};
use crate::copy::policy::OnFailure;
use crate::copy::words::Words;
use crate::engine::ServerError;
use crate::engine::postgres::session::{Endpoint, Session, quote_literal};
use std::collections::{BTreeSet, VecDeque};
use tokio::task::JoinSet;

/// Sessions at most: each may take as much memory as one index build does.
const LANES: usize = 8;
/// Memory of all builds together, in megabytes.
const MEMORY: usize = 1024;

/// What may be built at the same time as others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An index, or a constraint that is one.
    Index,
    /// A foreign key: it needs the index it points to.
    ForeignKey,
}

/// One statement that can be sent beside others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Build {
    pub kind: Kind,
    /// The tables it locks, as written, and whether it must have them for itself.
    locks: Vec<(String, bool)>,
}

impl Build {
    /// `None` for what is not certain to stand on its own.
    pub(super) fn of(sql: &str) -> Option<Self> {
        if !["CREATE", "ALTER"].iter().any(|word| Words::new(sql, 1).is(0, word)) {
            return None;
        }
        let words = Words::new(sql, usize::MAX);
        let index = if words.is(1, "UNIQUE") { 2 } else { 1 };
        if words.is(0, "CREATE") && words.is(index, "INDEX") && !words.is(index + 1, "CONCURRENTLY") {
            let on = words.find(index + 1, "ON")?;
            let at = if words.is(on + 1, "ONLY") { on + 2 } else { on + 1 };
            return Some(Self { kind: Kind::Index, locks: vec![(table(&words, at)?.0, false)] });
        }
        if !words.start_with("ALTER TABLE") {
            return None;
        }
        let (altered, add) = table(&words, if words.is(2, "ONLY") { 3 } else { 2 })?;
        let alone = words.is(add, "ADD") && words.is(add + 1, "CONSTRAINT") && words.find(add, ",").is_none();
        let is = |keyword| words.is(add + 3, keyword);
        match () {
            () if !alone => None,
            () if is("PRIMARY") || is("UNIQUE") || is("EXCLUDE") => {
                Some(Self { kind: Kind::Index, locks: vec![(altered, true)] })
            }
            () if is("FOREIGN") => {
                let (referenced, _) = table(&words, words.find(add + 4, "REFERENCES")? + 1)?;
                Some(Self { kind: Kind::ForeignKey, locks: vec![(altered, true), (referenced, true)] })
            }
            () => None,
        }
    }

    fn goes_with(&self, other: &Self) -> bool {
        self.locks
            .iter()
            .all(|(table, alone)| other.locks.iter().all(|(taken, by_one)| table != taken || !(*alone || *by_one)))
    }
}

/// A name that may have a schema, and where the words go on.
fn table(words: &Words<'_>, mut at: usize) -> Option<(String, usize)> {
    let mut parts = vec![words.name(at)?];
    while words.text(at + 1) == "." {
        at += 2;
        parts.push(words.name(at)?);
    }
    Some((parts.join("."), at + 1))
}

/// The table that a foreign key points to, as the server's messages name it.
pub(super) fn referenced(sql: &str) -> Option<String> {
    let words = Words::new(sql, usize::MAX);
    let at = words.find(0, "REFERENCES")?;
    table(&words, at + 1).map(|(table, _)| table)
}

/// Statements that wait to be sent together.
#[derive(Debug, Default)]
pub(super) struct Group {
    jobs: Vec<(DumpStatement, String, Build)>,
    /// Comments on them.
    later: Vec<(DumpStatement, String)>,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether another one of this kind may join.
    pub(super) fn takes(&self, kind: Kind) -> bool {
        self.jobs.first().is_none_or(|(_, _, first)| first.kind == kind)
    }

    pub(super) fn push(&mut self, statement: DumpStatement, sql: String, build: Build) {
        self.jobs.push((statement, sql, build));
    }

    pub(super) fn push_comment(&mut self, statement: DumpStatement, sql: String) {
        self.later.push((statement, sql));
    }
}

/// A comment on an index or a constraint waits for nothing but that.
pub(super) fn is_comment(words: &Words<'_>) -> bool {
    words.start_with("COMMENT ON INDEX") || words.start_with("COMMENT ON CONSTRAINT")
}

impl Restoring {
    /// Sends what was gathered, and waits for all of it.
    pub(super) async fn finish_group(&mut self, reader: &DumpReader) -> Result<(), RestoreError> {
        let Group { jobs, later } = std::mem::take(&mut self.group);
        let left = if jobs.len() > 1 { self.side_by_side(&jobs).await? } else { (0..jobs.len()).collect() };
        for (at, (statement, sql, _)) in jobs.iter().enumerate() {
            if left.contains(&at) {
                self.send(reader, statement, sql.clone(), OnFailure::Fatal).await?;
            }
        }
        for (statement, sql) in later {
            self.send(reader, &statement, sql, OnFailure::Warn).await?;
        }
        Ok(())
    }

    /// Returns which are left to be sent by themselves.
    async fn side_by_side(&mut self, jobs: &[(DumpStatement, String, Build)]) -> Result<BTreeSet<usize>, RestoreError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = cores.clamp(2, LANES).min(jobs.len());
        // Names and functions mean in each session what they mean in the dump's own.
        let set = "SELECT name, setting FROM pg_catalog.pg_settings WHERE source = 'session'";
        let mut settings = vec![format!("SET maintenance_work_mem = '{}MB'", (MEMORY / lanes).clamp(64, 256))];
        for row in self.session.query(set).await?.rows {
            if let [Some(name), Some(value)] = row.as_slice() {
                settings.push(format!(
                    "SELECT pg_catalog.set_config({}, {}, false)",
                    quote_literal(name),
                    quote_literal(value)
                ));
            }
        }
        let mut texts = Vec::with_capacity(jobs.len());
        for (_, sql, _) in jobs {
            texts.push(self.in_utf8(sql.clone()).await?);
        }
        let builds: Vec<&Build> = jobs.iter().map(|(_, _, build)| build).collect();
        run(&self.endpoint, &self.outcome.database, &settings.join("; "), &texts, &builds, lanes).await
    }
}

async fn run(
    endpoint: &Endpoint,
    database: &str,
    settings: &str,
    texts: &[String],
    builds: &[&Build],
    lanes: usize,
) -> Result<BTreeSet<usize>, RestoreError> {
    let mut idle = Vec::new();
    for _ in 0..lanes {
        let mut session = connect(endpoint, database).await?;
        session.execute(settings).await?;
        idle.push(session);
    }
    let mut waiting: VecDeque<usize> = (0..texts.len()).collect();
    let mut busy: Vec<usize> = Vec::new();
    let mut left = BTreeSet::new();
    // Dropped, it ends what is under way.
    let mut running: JoinSet<(usize, Session, Result<u64, ServerError>)> = JoinSet::new();
    loop {
        while let Some(mut session) = idle.pop() {
            let free = |job: &usize| busy.iter().all(|other| builds[*job].goes_with(builds[*other]));
            let Some(job) = waiting.iter().position(free).and_then(|at| waiting.remove(at)) else {
                idle.push(session);
                break;
            };
            busy.push(job);
            let sql = texts[job].clone();
            running.spawn(async move {
                let result = session.execute(&sql).await;
                (job, session, result)
            });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((job, session, result))) => {
                busy.retain(|other| *other != job);
                idle.push(session);
                if let Err(error) = result {
                    left.insert(job);
                    if !is_mended(&error) {
                        // The restore is about to end with this one: nothing else is worth its time.
                        left.extend(waiting.drain(..));
                    }
                }
            }
            Some(Err(ended)) => {
                let said = ServerError { message: format!("a session ended: {ended}"), ..Default::default() };
                return Err(said.into());
            }
        }
    }
    for session in idle {
        session.close().await;
    }
    Ok(left)
}

/// Whether sending it by itself may come to a good end: a tablespace that is not here, two that waited for each other, rows
/// that a foreign key does not find.
fn is_mended(error: &ServerError) -> bool {
    ["42704", "40P01", "23503", "42P01", "3F000"].contains(&error.sqlstate.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(sql: &str) -> Build {
        Build::of(sql).unwrap_or_else(|| panic!("{sql}"))
    }

    #[test]
    fn indexes_of_one_table_go_together_and_constraints_have_it_for_themselves() {
        let index = build("CREATE UNIQUE INDEX \"on\" ON ONLY public.\"O\"\"x\" USING btree (a) WHERE (b IS NULL)");
        let other = build("CREATE INDEX i ON public.\"O\"\"x\" USING gin (c)");
        let key = build("ALTER TABLE ONLY public.\"O\"\"x\"\n    ADD CONSTRAINT k PRIMARY KEY (a, b)");
        let elsewhere = build("ALTER TABLE public.other ADD CONSTRAINT u UNIQUE (a)");
        assert!(index.goes_with(&other) && other.goes_with(&index));
        assert!(!index.goes_with(&key) && !key.goes_with(&other) && !key.goes_with(&key));
        assert!(elsewhere.goes_with(&key) && key.goes_with(&elsewhere));
        assert!([&index, &other, &key, &elsewhere].iter().all(|each| each.kind == Kind::Index));
    }

    #[test]
    fn a_foreign_key_has_both_tables_for_itself() {
        let one = build("ALTER TABLE ONLY a.b ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES a.d(id) ON DELETE CASCADE");
        let two = build("ALTER TABLE ONLY a.e ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES a.d(id) DEFERRABLE");
        let three = build("ALTER TABLE ONLY a.e ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES a.e(id)");
        assert_eq!((one.kind, two.kind), (Kind::ForeignKey, Kind::ForeignKey));
        assert!(!one.goes_with(&two) && one.goes_with(&three) && !two.goes_with(&three));
        assert_eq!(referenced("ALTER TABLE x ADD FOREIGN KEY (a) REFERENCES \"S\".\"T\" (b)").as_deref(), Some("S.T"));
    }

    #[test]
    fn what_is_not_certain_to_stand_on_its_own_is_sent_alone() {
        for sql in [
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "CREATE TABLE t (a int)",
            "ALTER TABLE t ADD COLUMN a int",
            "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a), ADD CONSTRAINT v UNIQUE (b)",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)",
            "ALTER TABLE t CLUSTER ON i",
            "ALTER INDEX i ATTACH PARTITION j",
        ] {
            assert_eq!(Build::of(sql), None, "{sql}");
        }
    }
}
