//! Brings the copy to the state production settles into: VACUUM of touched tables, then statistics for whatever lost
//! its own.
//!
//! Statistics that are still there are frozen: sampling alone changes plans. A column whose type changed gets those it
//! had before, see [`super::statistics`]; only what is new is sampled.

use super::abilities::Ability;
use super::session::{Session, quote_identifier};
use super::statistics::{SavedStatistics, TELLS, Target, missing_statistics, transplant};
use crate::engine::ServerError;
use crate::snapshot::Oid;
use crate::snapshot::plan::RelationName;
use std::collections::BTreeSet;

/// Tables below which, at any depth, stands a foreign table: ANALYZE of such a parent samples its heirs, and no copy
/// reaches those.
pub const PARENTS_OF_FOREIGN_TABLES: &str = "
WITH RECURSIVE above(oid) AS (
    SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
    WHERE c.relkind = 'f'
    UNION SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN above a ON a.oid = h.inhrelid)
SELECT oid FROM above";

/// Tables in one statement.
const AT_ONCE: usize = 500;

/// How a column that lost its statistics got some again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepairMethod {
    /// It has those it had before, in its new type.
    Transplanted,
    /// It is new, or the migration made other values of its old ones: sampled, as the server would.
    Sampled,
    /// It had some before that may still be true, and they could not be put back: sampled, for this reason. Weaker, since
    /// sampling alone can change a plan.
    SampledInstead(&'static str),
}

/// A column that had lost its statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedColumn {
    /// Qualified name of its table.
    pub table: String,
    /// Name of the column, unquoted.
    pub column: String,
    /// How.
    pub method: RepairMethod,
}

/// VACUUM of `touched` tables (relations that are gone or store no rows are left out), and what it counted.
///
/// # Errors
/// What the server says.
pub async fn vacuum(session: &mut Session, touched: &BTreeSet<Oid>) -> Result<(), ServerError> {
    // VACUUM of a partitioned table is VACUUM of its partitions, which are here themselves. Many at once, as each
    // VACUUM reads all of pg_class at its end.
    for some in tables(session, touched, "c.relkind IN ('r', 'm')").await?.chunks(AT_ONCE) {
        session.execute(&format!("VACUUM {}", some.join(", "))).await?;
    }
    Ok(())
}

/// Tables, by qualified name, with how often autovacuum worked on each; nothing where it does so only when told to.
///
/// # Errors
/// What the server says.
pub async fn autovacuumed(session: &mut Session) -> Result<BTreeSet<(String, String)>, ServerError> {
    if session.abilities.has(Ability::OwnAutovacuum) {
        return Ok(BTreeSet::new());
    }
    let rows = session
        .query(
            "SELECT schemaname, relname, autovacuum_count + autoanalyze_count FROM pg_catalog.pg_stat_user_tables \
             WHERE autovacuum_count + autoanalyze_count > 0",
        )
        .await?;
    let counted = |row: Vec<Option<String>>| match row.as_slice() {
        [Some(schema), Some(name), Some(count)] => Some((RelationName::new(schema, name).qualified(), count.clone())),
        _ => None,
    };
    Ok(rows.rows.into_iter().filter_map(counted).collect())
}

/// Writes tables anew without the room that dead rows left, indexes included; statistics stay as they are.
///
/// # Errors
/// What the server says.
pub async fn compact(session: &mut Session, relations: &BTreeSet<Oid>) -> Result<(), ServerError> {
    for table in tables(session, relations, "c.relkind IN ('r', 'm')").await? {
        session.execute(&format!("VACUUM (FULL) {table}")).await?;
    }
    // What is visible to all is only known after another one.
    vacuum(session, relations).await
}

/// What in some tables has no statistics.
#[derive(Debug)]
pub struct Missing(Vec<Target>);

impl Missing {
    /// Of `touched` tables.
    ///
    /// # Errors
    /// What the server says.
    pub async fn of(
        session: &mut Session,
        touched: &BTreeSet<Oid>,
        saved: &SavedStatistics,
    ) -> Result<Self, ServerError> {
        Ok(Self(missing_statistics(session, touched, saved.unreadable().is_none()).await?))
    }

    /// Whether everything has some.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives it some again, and leaves all others and all row counts as they are.
    ///
    /// # Errors
    /// What the server says to ANALYZE.
    pub async fn repair(
        &self,
        session: &mut Session,
        saved: &SavedStatistics,
    ) -> Result<Vec<RepairedColumn>, ServerError> {
        let Self(missing) = self;
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let relations: BTreeSet<Oid> = missing.iter().map(|target| target.relation).collect();
        match saved.unreadable() {
            // Whoever may not read the catalog of statistics may not write it either.
            Some(_) => sample_columns(session, missing).await?,
            None => {
                let frozen = Frozen::park(session, &relations).await?;
                let sampled = sample(session, &relations).await;
                frozen.put_back(session).await?;
                sampled?;
            }
        }
        let mut repaired = Vec::new();
        for target in missing.iter().filter(|target| target.column.is_some()) {
            repaired.push(RepairedColumn {
                table: target.qualified(),
                column: target.column.clone().unwrap_or_default(),
                method: transplant(session, target, saved).await?,
            });
        }
        Ok(repaired)
    }
}

/// Gives whatever lost its statistics in `touched` tables some again, see [`Missing::repair`].
///
/// # Errors
/// What the server says to ANALYZE.
pub async fn repair_statistics(
    session: &mut Session,
    touched: &BTreeSet<Oid>,
    saved: &SavedStatistics,
) -> Result<Vec<RepairedColumn>, ServerError> {
    Missing::of(session, touched, saved).await?.repair(session, saved).await
}

/// ANALYZE of whole tables. That of a partitioned table is that of its partitions, too: these are not sampled twice.
async fn sample(session: &mut Session, relations: &BTreeSet<Oid>) -> Result<(), ServerError> {
    let by_a_parent = format!(
        "WITH RECURSIVE below(oid) AS ( \
           SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class p ON p.oid = h.inhparent \
           WHERE p.relkind = 'p' AND p.oid IN ({}) AND p.oid NOT IN ({PARENTS_OF_FOREIGN_TABLES}) \
           UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN below b ON b.oid = h.inhparent) \
         SELECT oid FROM below",
        list(relations)
    );
    let mine = format!("c.relkind IN ('r', 'm', 'p') AND c.oid NOT IN ({by_a_parent})");
    for some in tables(session, relations, &mine).await?.chunks(AT_ONCE) {
        session.execute(&format!("ANALYZE {}", some.join(", "))).await?;
    }
    Ok(())
}

/// ANALYZE of single columns: the weaker way, without the rights to put other columns' statistics back.
async fn sample_columns(session: &mut Session, missing: &[Target]) -> Result<(), ServerError> {
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for target in missing {
        let Some(column) = &target.column else { continue };
        let column = quote_identifier(column);
        match tables.last_mut() {
            Some((table, columns)) if *table == target.sql() => columns.push(column),
            _ => tables.push((target.sql(), vec![column])),
        }
    }
    for (table, columns) in tables {
        session.execute(&format!("ANALYZE {table} ({})", columns.join(", "))).await?;
    }
    Ok(())
}

/// Draws `times` fresh samples of `relations`, one after another, and hands the session to `look` after each; in the end
/// all statistics and row counts are those from before.
///
/// # Errors
/// What the server says, or `look`.
pub async fn resample<E: From<ServerError>>(
    session: &mut Session,
    relations: &BTreeSet<Oid>,
    times: usize,
    mut look: impl AsyncFnMut() -> Result<(), E>,
) -> Result<(), E> {
    let frozen = Frozen::park(session, relations).await?;
    let mut result = Ok(());
    for _ in 0..times {
        result = match sample(session, relations).await {
            Ok(()) => look().await,
            Err(error) => Err(error.into()),
        };
        if result.is_err() {
            break;
        }
    }
    frozen.discard_samples(session).await?;
    frozen.put_back(session).await?;
    result
}

/// Statistics put out of ANALYZE's way, and the row counts it would replace by estimates.
struct Frozen {
    /// The tables, those below them, and the indexes of all.
    relations: String,
    /// `oid, reltuples` as a list of SQL values.
    counts: Vec<String>,
}

/// What is added to `staattnum` while statistics are out of the way: no column has such a number.
const PARKED: i32 = 20_000;

/// An OID for the rows of a statistics object `e` while they are out of the way: higher than any object of a copy has.
const OUT_OF_REACH: &str = "(e.oid::pg_catalog.int8 + 2147483648)::pg_catalog.oid";

/// Columns of `pg_statistic_ext_data` but the first, which differ by version.
const EXTENDED_COLUMNS: &str = "
SELECT pg_catalog.string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
WHERE a.attrelid = 'pg_catalog.pg_statistic_ext_data'::pg_catalog.regclass AND a.attnum > 1 AND NOT a.attisdropped";

/// `stxdinherit`, which servers before 15 do not have.
const INHERITED: &str = "(pg_catalog.to_jsonb(d) ->> 'stxdinherit')";

impl Frozen {
    async fn park(session: &mut Session, relations: &BTreeSet<Oid>) -> Result<Self, ServerError> {
        let oids = list(relations);
        let all = session
            .query(&format!(
                "WITH RECURSIVE tables(oid) AS ( \
                   SELECT unnest(ARRAY[{oids}]::pg_catalog.oid[]) \
                   UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN tables t ON t.oid = h.inhparent), \
                 relations(oid) AS ( \
                   SELECT oid FROM tables \
                   UNION SELECT i.indexrelid FROM pg_catalog.pg_index i JOIN tables t ON t.oid = i.indrelid) \
                 SELECT c.oid, c.reltuples FROM pg_catalog.pg_class c JOIN relations USING (oid) \
                 WHERE c.relkind IN ('r', 'm', 'p', 'i', 'I') ORDER BY 1"
            ))
            .await?;
        let mut oids = Vec::new();
        let mut counts = Vec::new();
        for row in all.rows {
            let [Some(oid), Some(rows)] = row.as_slice() else { continue };
            counts.push(format!("({oid}::pg_catalog.oid, '{rows}'::pg_catalog.float4)"));
            oids.push(oid.clone());
        }
        // A list must not be empty; no relation has this OID.
        let relations = if oids.is_empty() { "0".to_owned() } else { oids.join(",") };
        session
            .execute(&format!(
                "UPDATE pg_catalog.pg_statistic SET staattnum = staattnum + {PARKED} \
                 WHERE starelid IN ({relations}) AND staattnum < {PARKED}"
            ))
            .await?;
        // ANALYZE of 13 and 14 wants to find the rows of extended statistics where they are, so these are copied. The catalog
        // alone may hold statistics of expressions: no other table can have a column of their type.
        let columns = session.query(EXTENDED_COLUMNS).await?;
        let columns = columns.scalar().unwrap_or_default();
        session
            .execute(&format!(
                "INSERT INTO pg_catalog.pg_statistic_ext_data (stxoid, {columns}) \
                 SELECT {OUT_OF_REACH}, {columns} FROM pg_catalog.pg_statistic_ext_data d \
                 JOIN pg_catalog.pg_statistic_ext e ON e.oid = d.stxoid \
                 WHERE e.stxrelid IN ({relations}) AND {TELLS}"
            ))
            .await?;
        Ok(Self { relations, counts })
    }

    /// Takes samples away, where there was something before and where there was not.
    async fn discard_samples(&self, session: &mut Session) -> Result<(), ServerError> {
        let relations = &self.relations;
        session
            .execute(&format!(
                "DELETE FROM pg_catalog.pg_statistic WHERE starelid IN ({relations}) AND staattnum < {PARKED}"
            ))
            .await?;
        Ok(())
    }

    /// Puts back what was there, over the samples; what was not there keeps its sample.
    async fn put_back(self, session: &mut Session) -> Result<(), ServerError> {
        let relations = &self.relations;
        session
            .execute(&format!(
                "BEGIN; \
                 DELETE FROM pg_catalog.pg_statistic AS fresh USING pg_catalog.pg_statistic AS parked \
                 WHERE fresh.starelid IN ({relations}) AND fresh.staattnum < {PARKED} \
                   AND parked.starelid = fresh.starelid AND parked.stainherit = fresh.stainherit \
                   AND parked.staattnum = fresh.staattnum + {PARKED}; \
                 UPDATE pg_catalog.pg_statistic SET staattnum = staattnum - {PARKED} \
                 WHERE starelid IN ({relations}) AND staattnum >= {PARKED}; \
                 COMMIT"
            ))
            .await?;
        for some in self.counts.chunks(AT_ONCE) {
            session
                .execute(&format!(
                    "UPDATE pg_catalog.pg_class AS c SET reltuples = counted.rows \
                     FROM (VALUES {}) AS counted(oid, rows) \
                     WHERE c.oid = counted.oid AND c.reltuples <> counted.rows AND counted.rows >= 0",
                    some.join(", ")
                ))
                .await?;
        }
        session
            .execute(&format!(
                "BEGIN; \
                 DELETE FROM pg_catalog.pg_statistic_ext_data AS d \
                 USING pg_catalog.pg_statistic_ext AS e, pg_catalog.pg_statistic_ext_data AS p \
                 WHERE e.stxrelid IN ({relations}) AND d.stxoid = e.oid AND p.stxoid = {OUT_OF_REACH} \
                   AND {INHERITED} IS NOT DISTINCT FROM {inherited}; \
                 UPDATE pg_catalog.pg_statistic_ext_data AS d SET stxoid = e.oid FROM pg_catalog.pg_statistic_ext AS e \
                 WHERE e.stxrelid IN ({relations}) AND d.stxoid = {OUT_OF_REACH}; \
                 COMMIT",
                inherited = INHERITED.replace("(d)", "(p)")
            ))
            .await?;
        Ok(())
    }
}

/// Names of those relations `c` of which `which` holds, as SQL spells them; parents of foreign tables are left out.
async fn tables(session: &mut Session, oids: &BTreeSet<Oid>, which: &str) -> Result<Vec<String>, ServerError> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let names = session
        .query(&format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid IN ({}) AND {which} AND c.oid NOT IN ({PARENTS_OF_FOREIGN_TABLES}) \
             ORDER BY c.oid",
            list(oids)
        ))
        .await?;
    let name = |row: &Vec<Option<String>>| match row.as_slice() {
        [Some(schema), Some(name)] => Some(format!("{}.{}", quote_identifier(schema), quote_identifier(name))),
        _ => None,
    };
    Ok(names.rows.iter().filter_map(name).collect())
}

pub(super) fn list(oids: &BTreeSet<Oid>) -> String {
    oids.iter().map(Oid::to_string).collect::<Vec<_>>().join(",")
}
