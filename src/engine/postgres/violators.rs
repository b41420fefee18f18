//! Counts the rows that keep a statement from running: on another copy, just before that statement.

use super::apply::{Moment, Ran, Watch};
use super::session::{Session, quote_identifier};
use crate::engine::ServerError;
use crate::migration::script::lexer::{Lexer, TokenKind};

/// Rows that violate what a statement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violators {
    /// Qualified name of the table they are in.
    pub relation: String,
    /// How many of them.
    pub rows: u64,
    /// What is counted: `rows`, or `groups of duplicates`.
    pub what: &'static str,
    /// The query that counts them.
    pub query: String,
}

/// A watcher that counts when the failing statement's turn comes.
#[derive(Debug)]
pub struct Counter {
    /// Index of the failing statement.
    pub statement: usize,
    /// What the server said to it.
    pub error: ServerError,
    /// The result; `None` when this kind of failure has nothing to count.
    pub found: Option<Violators>,
}

impl Watch for Counter {
    const WRAPS: bool = true;

    async fn before(&mut self, session: &mut Session, at: Moment<'_>) -> Result<(), ServerError> {
        at.open(session).await?;
        if at.statement.index != self.statement || self.found.is_some() {
            return Ok(());
        }
        let Some((relation, what, query)) = self.question(session, at.statement.sql(), at.in_transaction).await? else {
            return Ok(());
        };
        // The script's own timeouts are not for this query; a failure of it must not end the transaction either.
        if at.in_transaction {
            session.execute("SAVEPOINT seatrial_count").await?;
        }
        let counted = session.query(&query).await;
        if at.in_transaction {
            session.execute("ROLLBACK TO SAVEPOINT seatrial_count").await?;
        }
        if let Ok(rows) = counted
            && let Some(rows) = rows.scalar().and_then(|count| count.parse().ok()).filter(|count| *count > 0)
        {
            self.found = Some(Violators { relation, rows, what, query });
        }
        Ok(())
    }

    async fn after(&mut self, _: &mut Session, _: Moment<'_>, _: Ran<'_>) -> Result<(), ServerError> {
        Ok(())
    }

    async fn transaction_ended(&mut self, _: &mut Session, _: bool) -> Result<(), ServerError> {
        Ok(())
    }
}

type Question = (String, &'static str, String);

impl Counter {
    async fn question(
        &self,
        session: &mut Session,
        sql: &str,
        in_transaction: bool,
    ) -> Result<Option<Question>, ServerError> {
        let error = &self.error;
        let (Some(schema), Some(table)) = (&error.schema, &error.table) else { return Ok(None) };
        let quoted = format!("{}.{}", quote_identifier(schema), quote_identifier(table));
        let relation = crate::snapshot::catalog::qualify(schema, table);
        let rows =
            |condition: &str| (relation.clone(), "rows", format!("SELECT count(*) FROM {quoted} WHERE {condition}"));
        Ok(match error.sqlstate.as_str() {
            "23502" => error.column.as_ref().map(|column| rows(&format!("{} IS NULL", quote_identifier(column)))),
            "23505" => error
                .detail
                .as_deref()
                .and_then(duplicate_key)
                .map(|key| (relation, "groups of duplicates", duplicates(&quoted, &key, sql))),
            "23514" | "23503" => {
                not_valid_condition(session, error, sql, in_transaction).await?.map(|condition| rows(&condition))
            }
            _ => None,
        })
    }
}

/// The key of `Key (a, lower(b))=(…) is duplicated.`: the server's own deparsed expressions.
fn duplicate_key(detail: &str) -> Option<String> {
    let start = detail.find('(')?;
    let end = detail.find(")=(")?;
    detail.get(start + 1..end).filter(|key| !key.is_empty()).map(str::to_owned)
}

/// Counts the keys that several rows have, as the statement compares them: NULLs are as many different values, unless it
/// says otherwise.
fn duplicates(table: &str, key: &str, sql: &str) -> String {
    let different = (!nulls_are_equal(sql)).then(|| format!("ROW({key}) IS NOT NULL"));
    let conditions: Vec<String> =
        predicate(sql).map(|predicate| format!("({predicate})")).into_iter().chain(different).collect();
    let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!("SELECT count(*) FROM (SELECT FROM {table}{condition} GROUP BY {key} HAVING count(*) > 1) AS duplicates")
}

/// Whether a unique index or constraint is made with `NULLS NOT DISTINCT`.
fn nulls_are_equal(sql: &str) -> bool {
    let words = Lexer::new(sql).filter(|token| token.kind == TokenKind::Word);
    let words: Vec<String> = words.map(|token| sql[token.span].to_ascii_uppercase()).collect();
    words.windows(3).any(|three| three == ["NULLS", "NOT", "DISTINCT"])
}

/// The predicate of a partial unique index: what follows the last WHERE outside parentheses, without a comment at its end.
fn predicate(sql: &str) -> Option<&str> {
    let mut depth = 0usize;
    let mut found = None;
    let mut end = 0;
    for token in Lexer::new(sql) {
        if matches!(token.kind, TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment) {
            continue;
        }
        end = token.span.end;
        let text = &sql[token.span.clone()];
        match text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.kind == TokenKind::Word && text.eq_ignore_ascii_case("where") => {
                found = Some(token.span.end);
            }
            _ => {}
        }
    }
    found.map(|start| sql[start..end].trim())
}

/// Adds the constraint NOT VALID, which reads no rows, and asks the server which condition a violator meets.
async fn not_valid_condition(
    session: &mut Session,
    error: &ServerError,
    sql: &str,
    in_transaction: bool,
) -> Result<Option<String>, ServerError> {
    let (Some(schema), Some(table), Some(constraint)) = (&error.schema, &error.table, &error.constraint) else {
        return Ok(None);
    };
    // Outside a transaction block the constraint would stay; the caller wraps whatever can be wrapped.
    if !in_transaction {
        return Ok(None);
    }
    let literal = super::session::quote_literal;
    // Only the unqualified name of unnest takes several arrays: the grammar knows it, no search path does.
    let definition = format!(
        "SELECT CASE k.contype \
           WHEN 'c' THEN 'NOT (' || pg_catalog.pg_get_expr(k.conbin, k.conrelid) || ')' \
           WHEN 'f' THEN (SELECT pg_catalog.string_agg(pg_catalog.format('%I IS NOT NULL', a.attname), ' AND ') \
                          FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) \
             || ' AND NOT EXISTS (SELECT FROM ' || k.confrelid::pg_catalog.regclass::text || ' referenced WHERE ' \
             || (SELECT pg_catalog.string_agg(pg_catalog.format('referenced.%I = %I.%I', r.attname, c.relname, a.attname), ' AND ') \
                 FROM unnest(k.conkey, k.confkey) AS pair(here, there) \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.here \
                 JOIN pg_catalog.pg_attribute r ON r.attrelid = k.confrelid AND r.attnum = pair.there) || ')' \
         END \
         FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {schema_name} AND c.relname = {table_name} AND k.conname = {name}",
        schema_name = literal(schema),
        table_name = literal(table),
        name = literal(constraint),
    );
    session.execute("SAVEPOINT seatrial_condition").await?;
    let validating = sql.to_ascii_lowercase().contains("validate constraint");
    // On a line of its own, as a comment may be the end of the statement.
    let added = if validating { Ok(0) } else { session.execute(&format!("{sql}\nNOT VALID")).await };
    let condition = match added {
        Ok(_) => session.query(&definition).await.ok().and_then(|rows| rows.scalar().map(str::to_owned)),
        // The statement takes no NOT VALID (several actions, an inline constraint, a row that was written).
        Err(_) => None,
    };
    session.execute("ROLLBACK TO SAVEPOINT seatrial_condition").await?;
    Ok(condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_duplicate_is_the_servers_own_expression_list() {
        assert_eq!(
            duplicate_key("Key (lower(email), org)=(x, 1) is duplicated."),
            Some("lower(email), org".to_owned())
        );
        assert_eq!(duplicate_key("Failing row contains (1)."), None);
    }

    #[test]
    fn the_predicate_of_a_partial_index_is_found_outside_parentheses() {
        assert_eq!(predicate("CREATE UNIQUE INDEX i ON t (lower(a)) WHERE b IS NULL"), Some("b IS NULL"));
        assert_eq!(predicate("CREATE UNIQUE INDEX i ON t (a) WHERE b > /* at */ 1 -- some"), Some("b > /* at */ 1"));
        assert_eq!(predicate("CREATE UNIQUE INDEX i ON t (a)"), None);
        assert_eq!(predicate("ALTER TABLE t ADD EXCLUDE (a WITH =) "), None);
    }
}
