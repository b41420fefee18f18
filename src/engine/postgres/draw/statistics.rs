//! Statistics of one column, as the planner has them: of the whole table where it is partitioned.

use super::super::explain::set_local;
use super::super::session::{Rows, Session, quote_identifier, quote_literal};
use crate::engine::ServerError;
use crate::workload::HotQuery;
use crate::workload::draw::binding::Binding;
use crate::workload::draw::candidate::ColumnStatistics;
use std::collections::BTreeMap;

/// Every column that was asked for is read once.
#[derive(Default)]
pub(super) struct Statistics {
    /// By schema, table and column.
    columns: BTreeMap<(String, String, String), Option<Column>>,
}

/// A column's facts.
#[derive(Debug, Clone)]
struct Column {
    /// The partitioned table's, if it is a partition.
    relation: String,
    /// With its modifier, qualified.
    type_name: String,
    /// The type a domain is over.
    base: String,
    statistics: ColumnStatistics,
}

impl Statistics {
    /// What is known of the column a binding is about, through what the condition does to it. Nothing of a column that
    /// the catalog does not have.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub(super) async fn of(
        &mut self,
        superuser: &mut Session,
        session: &mut Session,
        query: &HotQuery,
        binding: &Binding,
    ) -> Result<ColumnStatistics, ServerError> {
        let key = (binding.relation.schema.clone(), binding.relation.name.clone(), binding.column.clone());
        let column = match self.columns.get(&key) {
            Some(known) => known.clone(),
            None => {
                let read = read(superuser, binding).await?;
                self.columns.insert(key, read.clone());
                read
            }
        };
        let Some(column) = column else { return Ok(ColumnStatistics::default()) };
        if binding.around.0.is_empty() && binding.around.1.is_empty() {
            return Ok(column.statistics);
        }
        through(session, query, binding, &column).await
    }
}

/// Asks in a transaction of its own, in which text means the same whatever the database or the role has set.
async fn ask(session: &mut Session, path: &str, sql: &str) -> Result<Rows, ServerError> {
    let settings = "SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1; \
                    SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; SET LOCAL statement_timeout = '30s'";
    session.execute(&format!("BEGIN TRANSACTION READ ONLY; {settings}; {path}")).await?;
    let answer = session.query(sql).await;
    session.execute("ROLLBACK").await?;
    answer
}

const CATALOG_ONLY: &str = "SET LOCAL search_path = pg_catalog";

async fn read(superuser: &mut Session, binding: &Binding) -> Result<Option<Column>, ServerError> {
    let (schema, table, column) = (
        quote_literal(&binding.relation.schema),
        quote_literal(&binding.relation.name),
        quote_literal(&binding.column),
    );
    // The root's statistics are what the planner estimates a partitioned table by.
    let facts = ask(
        superuser,
        CATALOG_ONLY,
        &format!(
            "WITH RECURSIVE target AS (
               SELECT a.*, rn.nspname AS root_schema, r.relname AS root_name FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
               JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace
               WHERE n.nspname = {schema} AND c.relname = {table} AND a.attname = {column} AND NOT a.attisdropped),
             base AS (
               SELECT t.* FROM pg_type t JOIN target ON t.oid = atttypid
               UNION ALL SELECT t.* FROM base b JOIN pg_type t ON t.oid = b.typbasetype)
             SELECT root_schema, root_name, attnotnull::text, format_type(atttypid, atttypmod),
               (SELECT CASE WHEN typtype = 'e' THEN 'enum' ELSE typname END FROM base WHERE typbasetype = 0) FROM target"
        ),
    )
    .await?;
    let Some([Some(root_schema), Some(root_name), Some(not_null), Some(type_name), Some(base)]) =
        facts.rows.first().map(Vec::as_slice)
    else {
        return Ok(None);
    };
    let chosen = format!(
        "(SELECT most_common_vals, most_common_freqs, histogram_bounds FROM pg_stats
          WHERE attname = {column} AND ((schemaname, tablename) = ({root_schema}, {root_name}) OR (schemaname, tablename) = ({schema}, {table}))
          ORDER BY (schemaname, tablename) = ({root_schema}, {root_name}) DESC, inherited DESC LIMIT 1) AS chosen",
        root_schema = quote_literal(root_schema),
        root_name = quote_literal(root_name),
    );
    let common = ask(
        superuser,
        CATALOG_ONLY,
        &format!(
            "SELECT value, share::text FROM {chosen},
             unnest(most_common_vals::text::text[], most_common_freqs) WITH ORDINALITY AS one (value, share, rank) ORDER BY rank"
        ),
    )
    .await?;
    let histogram = ask(
        superuser,
        CATALOG_ONLY,
        &format!(
            "SELECT value FROM {chosen}, unnest(histogram_bounds::text::text[]) WITH ORDINALITY AS one (value, rank) ORDER BY rank"
        ),
    )
    .await?;
    let statistics = ColumnStatistics {
        common: pairs(common),
        histogram: histogram.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect(),
        nullable: not_null != "true",
        absent: None,
    };
    let mut column = Column {
        relation: format!("{}.{}", quote_identifier(root_schema), quote_identifier(root_name)),
        type_name: type_name.clone(),
        base: base.clone(),
        statistics,
    };
    column.statistics.absent = absent(superuser, &column, &binding.column).await?;
    Ok(Some(column))
}

fn pairs(rows: Rows) -> Vec<(String, f64)> {
    let pair = |row: Vec<Option<String>>| match row.as_slice() {
        [Some(value), Some(share), ..] => Some((value.clone(), share.parse().ok()?)),
        _ => None,
    };
    rows.rows.into_iter().filter_map(pair).collect()
}

/// The statistics' values as an SQL expression for an array of text.
fn known(statistics: &ColumnStatistics) -> String {
    let values = statistics.common.iter().map(|(value, _)| value).chain(&statistics.histogram);
    format!("ARRAY[{}]::text[]", values.map(|value| quote_literal(value)).collect::<Vec<_>>().join(", "))
}

/// A value beyond all that the statistics know, if the table really has no row with it.
async fn absent(superuser: &mut Session, column: &Column, name: &str) -> Result<Option<String>, ServerError> {
    let (known, type_name) = (known(&column.statistics), &column.type_name);
    let made = match column.base.as_str() {
        "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => {
            format!("SELECT (coalesce(max(trunc(v::numeric)), 0) + 1)::text FROM unnest({known}) v")
        }
        "date" | "timestamp" | "timestamptz" => format!(
            "SELECT (coalesce(max(v::{type_name}), '2000-01-01') + interval '100 years')::{type_name}::text FROM unnest({known}) v"
        ),
        "text" | "varchar" | "bpchar" => "SELECT 'no such value'".to_owned(),
        "uuid" => "SELECT md5('no such value')::uuid::text".to_owned(),
        "enum" => format!(
            "SELECT enumlabel FROM pg_enum JOIN pg_attribute ON atttypid = enumtypid
             WHERE attrelid = {}::regclass AND attname = {} AND enumlabel <> ALL ({known}) ORDER BY enumsortorder LIMIT 1",
            quote_literal(&column.relation),
            quote_literal(name)
        ),
        _ => return Ok(None),
    };
    let Some(value) = granted(ask(superuser, CATALOG_ONLY, &made).await)? else { return Ok(None) };
    let (value, relation, name) = (quote_literal(&value), &column.relation, quote_identifier(name));
    let checked = format!("SELECT {value}::text WHERE NOT EXISTS (SELECT FROM {relation} WHERE {name} = {value})");
    granted(ask(superuser, CATALOG_ONLY, &checked).await)
}

/// A value that cannot be made, out of a type's range for one, or that it takes too long to look for, is none; a server
/// that is gone is an error.
fn granted(answer: Result<Rows, ServerError>) -> Result<Option<String>, ServerError> {
    match answer {
        Ok(rows) => Ok(rows.scalar().map(str::to_owned)),
        Err(error) if error.sqlstate == "57014" => Ok(None),
        Err(error) if ["22", "23", "42"].iter().any(|class| error.sqlstate.starts_with(class)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The statistics' values as the condition sees them, computed as the query's role under its search path.
///
/// Values that become equal stay apart, so shares are what each value has by itself. Order is kept: where the condition
/// does not keep it, ranges are no ranges, and their plans are as good as those of any other values.
async fn through(
    session: &mut Session,
    query: &HotQuery,
    binding: &Binding,
    column: &Column,
) -> Result<ColumnStatistics, ServerError> {
    let path = query.search_path.as_ref().map_or_else(|| "SELECT".to_owned(), |path| set_local("search_path", path));
    let ((before, after), type_name) = (&binding.around, &column.type_name);
    let (values, common) = (known(&column.statistics), column.statistics.common.len());
    let computed = format!(
        "SELECT ({before}(one.v)::{type_name}{after})::text FROM unnest({values}) WITH ORDINALITY AS one (v, rank) ORDER BY rank"
    );
    let rows = match ask(session, &path, &computed).await {
        Ok(rows) => rows.rows,
        // A function that not every value suits, or that the role may not call here.
        Err(error) if !error.sqlstate.is_empty() && !error.sqlstate.starts_with("57P") => {
            return Ok(ColumnStatistics::default());
        }
        Err(error) => return Err(error),
    };
    let values: Vec<Option<String>> = rows.into_iter().map(|row| row.into_iter().next().flatten()).collect();
    let shares = column.statistics.common.iter().map(|(_, share)| *share);
    Ok(ColumnStatistics {
        common: values.iter().zip(shares).filter_map(|(value, share)| Some((value.clone()?, share))).collect(),
        histogram: values.iter().skip(common).flatten().cloned().collect(),
        nullable: column.statistics.nullable,
        // What is absent from the column may be there once it went through a function.
        absent: None,
    })
}
