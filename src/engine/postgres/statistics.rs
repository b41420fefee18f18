//! Statistics of columns, kept as text over a migration so that a column whose type changed can be given those it had.
//!
//! `ALTER COLUMN … TYPE` takes a column's statistics away, and so does a table or column that is replaced by another of
//! the same name. Production gets new ones with the next ANALYZE, from about the same values. Sampling afresh would be
//! no fair comparison, since it changes estimates and plans by itself: so the old values are read into the new type.

mod again;

pub use again::put_back;

use super::session::{Row, Session, quote_identifier, quote_literal};
use super::settle::{PARENTS_OF_FOREIGN_TABLES, RepairMethod, list};
use crate::engine::ServerError;
use crate::snapshot::Oid;
use crate::snapshot::plan::RelationName;
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of slots in `pg_statistic` that are moved from type to type (`STATISTIC_KIND_*`): most common values with
/// their frequencies, histogram bounds, correlation with the table's order.
const MOST_COMMON: &str = "1";
const HISTOGRAM: &str = "2";
const CORRELATION: &str = "3";

/// Whether a row `d` of `pg_statistic_ext_data` tells anything. Servers before 14 have no statistics of expressions.
pub(super) const TELLS: &str = "(d.stxdndistinct IS NOT NULL OR d.stxddependencies IS NOT NULL OR d.stxdmcv IS NOT NULL \
                                 OR pg_catalog.to_jsonb(d) ->> 'stxdexpr' IS NOT NULL)";

/// Slots in a row of `pg_statistic`.
const SLOTS: usize = 5;

/// Something without statistics: a column of a table, or an index's expression or a statistics object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The table.
    pub relation: Oid,
    schema: String,
    name: String,
    number: i32,
    /// Name of the column; `None` for an index's expressions and for extended statistics.
    pub column: Option<String>,
}

impl Target {
    /// The table as reports name it.
    pub fn qualified(&self) -> String {
        RelationName::new(&self.schema, &self.name).qualified()
    }

    /// The table as SQL spells it.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote_identifier(&self.schema), quote_identifier(&self.name))
    }
}

/// Columns, expressions and statistics objects of `touched` tables for which the planner has nothing to go by. Columns
/// that are never sampled (`SET STATISTICS 0`, virtual ones) and parents of foreign tables are left out.
///
/// A role that may not read the catalog of statistics sees columns alone.
pub(super) async fn missing_statistics(
    session: &mut Session,
    touched: &BTreeSet<Oid>,
    readable: bool,
) -> Result<Vec<Target>, ServerError> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let oids = list(touched);
    let known = match readable {
        true => "SELECT FROM pg_catalog.pg_statistic s WHERE s.starelid = t.oid AND s.staattnum = a.attnum",
        false => {
            "SELECT FROM pg_catalog.pg_stats s \
             WHERE s.schemaname = t.nspname AND s.tablename = t.relname AND s.attname = a.attname"
        }
    };
    let others = match readable {
        true => &format!(
            "EXISTS (SELECT FROM pg_catalog.pg_index i \
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid \
                     WHERE i.indrelid = t.oid AND i.indkey[a.attnum - 1] = 0 \
                       AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic s \
                                       WHERE s.starelid = i.indexrelid AND s.staattnum = a.attnum)) \
             OR EXISTS (SELECT FROM pg_catalog.pg_statistic_ext e \
                        WHERE e.stxrelid = t.oid \
                          AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext_data d \
                                          WHERE d.stxoid = e.oid AND {TELLS}))"
        ),
        false => "false",
    };
    let missing = session
        .query(&format!(
            "WITH tables AS ( \
               SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.oid IN ({oids}) AND c.relkind IN ('r', 'm', 'p') AND c.oid NOT IN ({PARENTS_OF_FOREIGN_TABLES})) \
             SELECT t.oid, t.nspname, t.relname, a.attnum, a.attname FROM tables t \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE a.attstattarget IS DISTINCT FROM 0 AND a.attgenerated <> 'v' \
               AND NOT EXISTS ({known}) \
             UNION ALL \
             SELECT t.oid, t.nspname, t.relname, 0, NULL FROM tables t WHERE {others} \
             ORDER BY 1, 4"
        ))
        .await?;
    let target = |row: &Row| {
        Some(Target {
            relation: row.first()?.as_deref()?.parse().ok()?,
            schema: row.get(1)?.clone()?,
            name: row.get(2)?.clone()?,
            number: row.get(3)?.as_deref()?.parse().ok()?,
            column: row.get(4)?.clone(),
        })
    };
    Ok(missing.rows.iter().filter_map(target).collect())
}

/// One kind of statistics in a row of `pg_statistic`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    kind: String,
    operator: String,
    collation: String,
    numbers: Option<String>,
    values: Option<String>,
}

/// One row of `pg_statistic`, as text.
#[derive(Debug, Clone, PartialEq)]
struct ColumnStatistics {
    null_fraction: f64,
    distinct: String,
    slots: Vec<Slot>,
}

impl ColumnStatistics {
    fn slot(&self, kind: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.kind == kind)
    }

    fn values(&self, kind: &str) -> Option<&str> {
        self.slot(kind)?.values.as_deref()
    }

    /// How many distinct values there are, in a table of so many rows; `None` where that is not known.
    fn distinct_of(&self, rows: f64) -> Option<f64> {
        let distinct: f64 = self.distinct.parse().ok()?;
        // Negative: a share of the rows.
        let number = if distinct < 0.0 { -distinct * rows } else { distinct };
        (number > 0.0).then_some(number)
    }

    /// Statistics of elements and ranges have values of other types than the column's.
    fn is_movable(&self) -> bool {
        self.slots.iter().all(|slot| [MOST_COMMON, HISTOGRAM, CORRELATION].contains(&slot.kind.as_str()))
    }
}

/// Columns of `pg_statistic` from `offset` on: `stanullfrac, stadistinct`, then five slots.
const STATISTICS: &str = "s.stanullfrac, s.stadistinct, \
    s.stakind1, s.staop1, s.stacoll1, s.stanumbers1, s.stavalues1, \
    s.stakind2, s.staop2, s.stacoll2, s.stanumbers2, s.stavalues2, \
    s.stakind3, s.staop3, s.stacoll3, s.stanumbers3, s.stavalues3, \
    s.stakind4, s.staop4, s.stacoll4, s.stanumbers4, s.stavalues4, \
    s.stakind5, s.staop5, s.stacoll5, s.stanumbers5, s.stavalues5";

fn column_statistics(row: &[Option<String>]) -> Option<ColumnStatistics> {
    let slots = row.get(2..2 + 5 * SLOTS)?.chunks(5).filter_map(|slot| match slot {
        [Some(kind), Some(operator), Some(collation), numbers, values] if kind != "0" => Some(Slot {
            kind: kind.clone(),
            operator: operator.clone(),
            collation: collation.clone(),
            numbers: numbers.clone(),
            values: values.clone(),
        }),
        _ => None,
    });
    Some(ColumnStatistics {
        null_fraction: row.first()?.as_deref()?.parse().ok()?,
        distinct: row.get(1)?.clone()?,
        slots: slots.collect(),
    })
}

/// Statistics of all columns at one moment. Its values are user data.
#[derive(Debug, Default)]
pub struct SavedStatistics {
    by_number: BTreeMap<(Oid, i32, bool), ColumnStatistics>,
    /// For tables and columns that another one of the same name takes the place of.
    by_name: BTreeMap<(String, String, String), (Oid, i32)>,
    unreadable: Option<&'static str>,
}

impl SavedStatistics {
    /// Reads them. A role that may not gets an empty value that says so.
    ///
    /// # Errors
    /// What the server says, but for missing rights.
    pub async fn read(session: &mut Session) -> Result<Self, ServerError> {
        let rows = session
            .query(&format!(
                "SELECT s.starelid, s.staattnum, s.stainherit, n.nspname, c.relname, a.attname, {STATISTICS} \
                 FROM pg_catalog.pg_statistic s \
                 JOIN pg_catalog.pg_class c ON c.oid = s.starelid AND c.relkind IN ('r', 'm', 'p') \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_t(oast|emp)' \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum"
            ))
            .await;
        let rows = match rows {
            Err(error) if error.sqlstate == "42501" => {
                let unreadable = Some("this role may not read and write pg_statistic");
                return Ok(Self { unreadable, ..Self::default() });
            }
            rows => rows?,
        };
        let mut saved = Self::default();
        for row in &rows.rows {
            let [Some(relation), Some(number), Some(inherited), Some(schema), Some(table), Some(column), rest @ ..] =
                row.as_slice()
            else {
                continue;
            };
            let (Ok(relation), Ok(number)) = (relation.parse(), number.parse()) else { continue };
            let Some(statistics) = column_statistics(rest) else { continue };
            saved.by_number.insert((relation, number, inherited == "t"), statistics);
            saved.by_name.insert((schema.clone(), table.clone(), column.clone()), (relation, number));
        }
        Ok(saved)
    }

    /// Why there are none.
    pub fn unreadable(&self) -> Option<&'static str> {
        self.unreadable
    }

    /// What the column had before: the same one, else the one whose name it has taken over.
    fn of(&self, target: &Target, inherited: bool) -> Option<&ColumnStatistics> {
        let column = target.column.clone()?;
        self.by_number.get(&(target.relation, target.number, inherited)).or_else(|| {
            let (relation, number) = self.by_name.get(&(target.schema.clone(), target.name.clone(), column))?;
            self.by_number.get(&(*relation, *number, inherited))
        })
    }
}

/// Replaces the fresh sample of a column by the statistics it had before, where they are still true of it.
pub(super) async fn transplant(
    session: &mut Session,
    target: &Target,
    saved: &SavedStatistics,
) -> Result<RepairMethod, ServerError> {
    if let Some(why) = saved.unreadable() {
        return Ok(RepairMethod::SampledInstead(why));
    }
    // Thousands of partitions may have a new column.
    if [false, true].iter().all(|inherited| saved.of(target, *inherited).is_none()) {
        return Ok(RepairMethod::Sampled);
    }
    let fresh = session
        .query(&format!(
            "SELECT s.stainherit, a.atttypid, pg_catalog.format_type(a.atttypid, NULL), c.reltuples, {STATISTICS} \
             FROM pg_catalog.pg_statistic s \
             JOIN pg_catalog.pg_class c ON c.oid = s.starelid \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum \
             WHERE s.starelid = {} AND s.staattnum = {}",
            target.relation, target.number
        ))
        .await?;
    let mut method = RepairMethod::Sampled;
    for row in &fresh.rows {
        let [Some(inherited), Some(type_oid), Some(type_name), Some(rows), rest @ ..] = row.as_slice() else {
            continue;
        };
        // -1 where the server does not know.
        let rows: f64 = rows.parse().unwrap_or(-1.0);
        let inherited = inherited == "t";
        let (Some(fresh), Some(old)) = (column_statistics(rest), saved.of(target, inherited)) else { continue };
        method = match moved(session, type_name, rows, old, &fresh).await {
            Ok(slots) => {
                put(session, target, inherited, type_oid, old, &slots).await?;
                RepairMethod::Transplanted
            }
            Err(Unmoved::Differs) => RepairMethod::Sampled,
            Err(Unmoved::Unmovable(why)) => RepairMethod::SampledInstead(why),
            // Its old values are none of its new type.
            Err(Unmoved::Server(error)) if is_about_values(&error) => RepairMethod::Sampled,
            Err(Unmoved::Server(error)) => return Err(error),
        };
    }
    Ok(method)
}

/// Why statistics stay where they are.
enum Unmoved {
    /// Its values are others now.
    Differs,
    /// There is no way.
    Unmovable(&'static str),
    Server(ServerError),
}

impl From<ServerError> for Unmoved {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

/// Values that cannot be read as the new type, or a type that has no order.
fn is_about_values(error: &ServerError) -> bool {
    matches!(error.sqlstate.get(..2), Some("22" | "23")) || matches!(error.sqlstate.as_str(), "42883" | "42804")
}

/// A most common value from this share of all rows on must be about as common in the other statistics: ANALYZE sees 150
/// of 30,000 sampled rows with it.
const COMMON: f64 = 0.005;
/// Shares of null values in two samples of the same rows differ by no more than this.
const SAME_SHARE: f64 = 0.01;
/// The share of values that must lie within the bounds of the other statistics.
const WITHIN: f64 = 0.9;

/// Correlations of two samples of the same rows differ by no more than this.
const SAME_ORDER: f64 = 0.1;

/// The old statistics in the new type, if a fresh sample agrees that the values are still the same: an expression in
/// `USING`, or rows that were filled in anew, make others of them.
async fn moved(
    session: &mut Session,
    type_name: &str,
    rows: f64,
    old: &ColumnStatistics,
    fresh: &ColumnStatistics,
) -> Result<Vec<Slot>, Unmoved> {
    if !old.is_movable() || !fresh.is_movable() {
        return Err(Unmoved::Unmovable("statistics of elements and ranges are not moved from type to type"));
    }
    let (was, now) = (old.distinct_of(rows), fresh.distinct_of(rows));
    let as_many = was.zip(now).is_none_or(|(was, now)| was <= 2.0 * now && now <= 2.0 * was);
    if (old.null_fraction - fresh.null_fraction).abs() > SAME_SHARE || !as_many {
        return Err(Unmoved::Differs);
    }
    let common = read_as(session, type_name, old.values(MOST_COMMON), false).await?;
    let known = read_as(session, type_name, fresh.values(MOST_COMMON), false).await?;
    // What is no more common than the average may be in one list and not in the other by chance.
    let average = was.zip(now).map_or(0.0, |(was, now)| 1.0 / was.min(now).max(1.0));
    let least = COMMON.max(3.0 * average);
    if !as_common(old, &common, fresh, &known, least) || !as_common(fresh, &known, old, &common, least) {
        return Err(Unmoved::Differs);
    }
    let bounds = read_as(session, type_name, old.values(HISTOGRAM), true).await?;
    if let Some(lt) = [HISTOGRAM, CORRELATION].iter().find_map(|kind| fresh.slot(kind)) {
        let within = overlap(session, type_name, old, fresh).await?;
        if within < WITHIN {
            return Err(Unmoved::Differs);
        }
        return slots(session, lt, old, fresh, &common, &bounds).await;
    }
    // A type without an order has most common values only.
    match (fresh.slot(MOST_COMMON), old.slot(MOST_COMMON)) {
        (Some(equal), Some(mine)) => Ok(vec![Slot {
            operator: equal.operator.clone(),
            collation: equal.collation.clone(),
            values: Some(common.text),
            ..mine.clone()
        }]),
        _ => Err(Unmoved::Unmovable("its new type has no order")),
    }
}

async fn slots(
    session: &mut Session,
    lt: &Slot,
    old: &ColumnStatistics,
    fresh: &ColumnStatistics,
    common: &Values,
    bounds: &Values,
) -> Result<Vec<Slot>, Unmoved> {
    let mut slots = Vec::new();
    if let Some(slot) = old.slot(MOST_COMMON) {
        let equal = match fresh.slot(MOST_COMMON) {
            Some(equal) => equal.operator.clone(),
            None => equality(session, &lt.operator).await?,
        };
        let values = Some(common.text.clone());
        slots.push(Slot { operator: equal, collation: lt.collation.clone(), values, ..slot.clone() });
    }
    if let Some(slot) = old.slot(HISTOGRAM) {
        let values = Some(bounds.text.clone());
        slots.push(Slot { operator: lt.operator.clone(), collation: lt.collation.clone(), values, ..slot.clone() });
    }
    // In another order of values or of rows, rows lie otherwise.
    let moved = match (correlation_of(old), correlation_of(fresh)) {
        (Some(was), Some(now)) => (was - now).abs() > SAME_ORDER,
        _ => true,
    };
    let correlation = if bounds.in_order && !moved { old } else { fresh }.slot(CORRELATION);
    if let Some(slot) = correlation {
        slots.push(Slot { operator: lt.operator.clone(), collation: lt.collation.clone(), ..slot.clone() });
    }
    Ok(slots)
}

fn correlation_of(statistics: &ColumnStatistics) -> Option<f64> {
    numbers(statistics.slot(CORRELATION)?.numbers.as_deref()?).first().copied()
}

/// Whether every value that is clearly common in some statistics is about as common in others.
fn as_common(some: &ColumnStatistics, values: &Values, others: &ColumnStatistics, known: &Values, least: f64) -> bool {
    let frequency = |statistics: &ColumnStatistics, at: usize| -> Option<f64> {
        numbers(statistics.slot(MOST_COMMON)?.numbers.as_deref()?).get(at).copied()
    };
    values.values.iter().enumerate().all(|(at, value)| {
        let Some(was) = frequency(some, at).filter(|was| *was >= least) else { return true };
        let now = known.values.iter().position(|known| known == value).and_then(|at| frequency(others, at));
        now.is_some_and(|now| was <= 2.0 * now && now <= 2.0 * was)
    })
}

/// The equality that belongs to an order.
async fn equality(session: &mut Session, lt: &str) -> Result<String, Unmoved> {
    let rows = session
        .query(&format!(
            "SELECT e.amopopr FROM pg_catalog.pg_amop l \
             JOIN pg_catalog.pg_amop e ON e.amopfamily = l.amopfamily AND e.amoplefttype = l.amoplefttype \
                  AND e.amoprighttype = l.amoprighttype AND e.amopstrategy = 3 \
             WHERE l.amopopr = {lt} AND l.amopstrategy = 1 AND l.amopmethod = 403 ORDER BY 1 LIMIT 1"
        ))
        .await?;
    rows.scalar().map(str::to_owned).ok_or(Unmoved::Unmovable("its new type has no equality"))
}

/// An array of the new type.
#[derive(Debug, Default)]
struct Values {
    /// As the server writes it.
    text: String,
    /// Each as the server writes it.
    values: Vec<String>,
    /// They were in order already.
    in_order: bool,
}

async fn read_as(
    session: &mut Session,
    type_name: &str,
    array: Option<&str>,
    sorted: bool,
) -> Result<Values, ServerError> {
    let Some(array) = array else { return Ok(Values { in_order: true, ..Values::default() }) };
    let array = quote_literal(array);
    let order = if sorted { "v" } else { "n" };
    let rows = session
        .query(&format!(
            "SELECT pg_catalog.array_agg(v ORDER BY {order}), pg_catalog.array_agg(n ORDER BY {order}) \
             FROM unnest({array}::{type_name}[]) WITH ORDINALITY AS u(v, n); \
             SELECT v::pg_catalog.text FROM unnest({array}::{type_name}[]) WITH ORDINALITY AS u(v, n) ORDER BY {order}"
        ))
        .await?;
    let (Some([Some(text), Some(order)]), rest) =
        (rows.rows.first().map(Vec::as_slice), rows.rows.get(1..).unwrap_or_default())
    else {
        return Ok(Values { in_order: true, ..Values::default() });
    };
    Ok(Values {
        text: text.clone(),
        values: rest.iter().filter_map(|row| row.first()?.clone()).collect(),
        in_order: numbers(order).is_sorted(),
    })
}

/// The smaller share of values that lie within the others' bounds.
async fn overlap(
    session: &mut Session,
    type_name: &str,
    old: &ColumnStatistics,
    fresh: &ColumnStatistics,
) -> Result<f64, ServerError> {
    let all = |statistics: &ColumnStatistics| {
        let some = [MOST_COMMON, HISTOGRAM].into_iter().filter_map(|kind| statistics.values(kind));
        let arrays: Vec<String> = some.map(|array| format!("{}::{type_name}[]", quote_literal(array))).collect();
        if arrays.is_empty() { format!("ARRAY[]::{type_name}[]") } else { arrays.join(" || ") }
    };
    let share = |some: &str, others: &str| {
        format!(
            "(SELECT coalesce(avg((s.v >= (SELECT o.v FROM {others} o ORDER BY o.v LIMIT 1) \
               AND s.v <= (SELECT o.v FROM {others} o ORDER BY o.v DESC LIMIT 1))::pg_catalog.int4), 1) FROM {some} s)"
        )
    };
    let rows = session
        .query(&format!(
            "WITH was AS (SELECT v FROM unnest({}) v), now AS (SELECT v FROM unnest({}) v) \
             SELECT least({}, {})",
            all(old),
            all(fresh),
            share("was", "now"),
            share("now", "was")
        ))
        .await?;
    Ok(rows.scalar().and_then(|share| share.parse().ok()).unwrap_or(0.0))
}

async fn put(
    session: &mut Session,
    target: &Target,
    inherited: bool,
    type_oid: &str,
    old: &ColumnStatistics,
    slots: &[Slot],
) -> Result<(), ServerError> {
    let mut set = vec![
        format!("stanullfrac = '{}'::pg_catalog.float4", old.null_fraction),
        format!("stadistinct = {}::pg_catalog.float4", quote_literal(&old.distinct)),
    ];
    for number in 1..=SLOTS {
        let slot = slots.get(number - 1);
        let or_null = |text: Option<String>| text.unwrap_or_else(|| "NULL".to_owned());
        let numbers = slot.and_then(|slot| slot.numbers.as_deref());
        let values = slot.and_then(|slot| slot.values.as_deref());
        set.push(format!("stakind{number} = {}", slot.map_or("0", |slot| &slot.kind)));
        set.push(format!("staop{number} = {}", slot.map_or("0", |slot| &slot.operator)));
        set.push(format!("stacoll{number} = {}", slot.map_or("0", |slot| &slot.collation)));
        set.push(format!(
            "stanumbers{number} = {}",
            or_null(numbers.map(|numbers| format!("{}::pg_catalog.float4[]", quote_literal(numbers))))
        ));
        // The only way to a value of type anyarray.
        let array = |values: &str| {
            format!("pg_catalog.array_in({}::pg_catalog.cstring, {type_oid}, -1)", quote_literal(values))
        };
        set.push(format!("stavalues{number} = {}", or_null(values.map(array))));
    }
    session
        .execute(&format!(
            "UPDATE pg_catalog.pg_statistic SET {} WHERE starelid = {} AND staattnum = {} AND stainherit = {inherited}",
            set.join(", "),
            target.relation,
            target.number
        ))
        .await?;
    Ok(())
}

/// Numbers of a one-dimensional array of numbers without nulls, as the server writes it.
fn numbers(array: &str) -> Vec<f64> {
    let inside = array.trim_start_matches('{').trim_end_matches('}');
    inside.split(',').filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_pg_statistic_is_read_slot_by_slot() {
        let text = |text: &str| Some(text.to_owned());
        let mut row = vec![text("0.25"), text("-1")];
        row.extend([text("2"), text("97"), text("0"), None, text("{1,5}")]);
        row.extend([text("3"), text("97"), text("0"), text("{0.5}"), None]);
        for _ in 0..3 {
            row.extend([text("0"), text("0"), text("0"), None, None]);
        }
        let read = column_statistics(&row).expect("a row");
        assert_eq!((read.null_fraction, read.distinct.as_str(), read.slots.len()), (0.25, "-1", 2));
        assert_eq!(read.values(HISTOGRAM), Some("{1,5}"));
        assert_eq!(read.slot(CORRELATION).and_then(|slot| slot.numbers.as_deref()), Some("{0.5}"));
        assert!(read.is_movable());
        row[2] = text("4");
        assert!(!column_statistics(&row).expect("a row").is_movable());
        assert_eq!(column_statistics(&row[..9]), None);
    }

    #[test]
    fn arrays_of_numbers_are_read_as_the_server_writes_them() {
        assert_eq!(numbers("{0.5,1e-05,3}"), [0.5, 1e-5, 3.0]);
        assert!(numbers("{}").is_empty());
    }
}
