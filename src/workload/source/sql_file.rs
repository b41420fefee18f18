//! Hot queries in `.sql` files with `-- name:` headers, as sqlc and aiosql write them.
//!
//! ```sql
//! -- name: orders-of-customer :many
//! -- owner: checkout
//! -- weight: 120
//! -- params typical: customer_id = 17
//! SELECT * FROM orders WHERE customer_id = :customer_id;
//! ```

use super::header::{self, Header, Line};
use super::spelling::nearest;
use super::{Reading, WorkloadError};
use crate::migration::SourceFile;
use crate::migration::script::lexer::{Lexer, Token, TokenKind};
use crate::migration::script::{Dialect, split_in};
use crate::workload::parameter::{assignments, rewrite_as};
use crate::workload::{HotQuery, ParameterSet};
use std::ops::Range;
use std::sync::Arc;

/// Reads every query of one file, in the order they stand.
///
/// # Errors
/// Anything that is not a named query with a header that can be understood; always with its line.
pub fn read(file: &Arc<SourceFile>, dialect: Dialect) -> Result<Vec<HotQuery>, WorkloadError> {
    let reading = read_each(file, dialect);
    match reading.refused.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(reading.queries),
    }
}

/// Reads what can be read: a query with a mistake keeps no other from being read.
pub(super) fn read_each(file: &Arc<SourceFile>, dialect: Dialect) -> Reading {
    let mut reading = Reading::default();
    let text = &file.text;
    let spans = match split_in(text, dialect) {
        Ok(spans) => spans,
        Err(error) => {
            reading.refused.push(WorkloadError::place(file, error.offset, error.to_string()));
            return reading;
        }
    };
    let comments: Vec<Token> = Lexer::new_in(text, dialect)
        .filter(|token| token.kind.is_trivia() && !text[token.span.clone()].trim().is_empty())
        .collect();
    let mut from = 0;
    let mut last_name: Option<String> = None;
    for span in &spans {
        match header_between(file, &comments, from..span.start) {
            Ok(Some(header)) => {
                last_name = Some(header.name.clone());
                match header.unplannable.clone() {
                    Some(reason) => reading.passed_over.push(WorkloadError::place(file, header.offset, reason)),
                    None => match query(file, span, header, dialect) {
                        Ok(query) => reading.queries.push(query),
                        Err(error) => reading.refused.push(error),
                    },
                }
            }
            Ok(None) => {
                let reason = match &last_name {
                    Some(name) => {
                        format!("a second statement below the name {name}: give it a `-- name:` of its own")
                    }
                    None => "a query without a name: write `-- name: get-users` above it".to_owned(),
                };
                reading.refused.push(WorkloadError::place(file, span.start, reason));
            }
            Err(error) => reading.refused.push(error),
        }
        from = span.end;
    }
    match header_between(file, &comments, from..text.len()) {
        Ok(Some(header)) => reading.refused.push(nameless(file, &header)),
        Ok(None) => {}
        Err(error) => reading.refused.push(error),
    }
    if reading.queries.is_empty() && reading.refused.is_empty() && reading.passed_over.is_empty() {
        let reason = "no queries here: write `-- name: get-users` and a statement below it";
        reading.refused.push(WorkloadError::place(file, 0, reason));
    }
    reading
}

fn nameless(file: &SourceFile, header: &Header) -> WorkloadError {
    WorkloadError::place(file, header.offset, format!("no statement below the name {}", header.name))
}

/// The header in the comments between two statements.
fn header_between(file: &SourceFile, comments: &[Token], gap: Range<usize>) -> Result<Option<Header>, WorkloadError> {
    let mut header: Option<Header> = None;
    let inside = comments.iter().filter(|comment| gap.start <= comment.span.start && comment.span.end <= gap.end);
    for (offset, text) in inside.flat_map(|comment| header::lines(&file.text, comment)) {
        let error = |reason: String| WorkloadError::place(file, offset, reason);
        match (header::line(text).map_err(error)?, &mut header) {
            (Line::Words, _) => {}
            (Line::Name(_) | Line::NameOf(..), Some(first)) => return Err(nameless(file, first)),
            (Line::NameOf(convention, value), None) => {
                header = Some(Header::of(convention, value, offset).map_err(error)?);
            }
            (Line::Expansion(text), Some(header)) => header.expand(text).map_err(error)?,
            (Line::Expansion(_), None) => {}
            (Line::Name(value), None) => header = Some(Header::named(value, offset).map_err(error)?),
            (Line::Entry { key, set, value }, Some(header)) => header.add(key, set, value, offset).map_err(error)?,
            (Line::Entry { key, .. }, None) => {
                return Err(error(format!("`{key}:` stands above the name it belongs to: move it below `-- name:`")));
            }
        }
    }
    Ok(header)
}

/// A header line that only PostgreSQL can follow.
fn refuse_foreign(header: &Header) -> Result<(), String> {
    let lines = [
        ("role", header.role.is_some(), "which has no roles"),
        ("search_path", header.search_path.is_some(), "which has no search path"),
        ("set", !header.settings.is_empty(), "which has no settings of that kind"),
        ("types", header.types.is_some(), "whose parameters have no types"),
    ];
    match lines.into_iter().find(|(_, given, _)| *given) {
        Some((key, _, why)) => Err(format!("`{key}:` means nothing to SQLite, {why}: take it out")),
        None => Ok(()),
    }
}

fn query(
    file: &Arc<SourceFile>,
    span: &Range<usize>,
    mut header: Header,
    dialect: Dialect,
) -> Result<HotQuery, WorkloadError> {
    if dialect.is_sqlite() {
        refuse_foreign(&header).map_err(|reason| WorkloadError::place(file, header.offset, reason))?;
    }
    header.dialect.sql = dialect;
    let (sql, parameters) = rewrite_as(&file.text[span.clone()], &header.dialect)
        .map_err(|error| WorkloadError::place(file, span.start + error.offset, error.to_string()))?;
    let sets = header.sets.iter().map(|(name, values, offset)| {
        let values = in_order(values, &parameters, dialect)
            .map_err(|reason| WorkloadError::place(file, *offset, format!("params {name}: {reason}")))?;
        Ok(ParameterSet { name: name.clone(), values, drawn: false })
    });
    let types = match &header.types {
        None => Vec::new(),
        Some((text, offset)) => types_in_order(text, &parameters)
            .map_err(|reason| WorkloadError::place(file, *offset, format!("types: {reason}")))?,
    };
    Ok(HotQuery {
        types,
        sets: sets.collect::<Result<_, WorkloadError>>()?,
        name: header.name,
        owner: header.owner,
        file: Arc::clone(file),
        offset: span.start,
        sql,
        parameters,
        weight: header.weight.unwrap_or(1.0),
        expect: header.expect,
        gates: header.gates,
        limits: header.limits,
        role: header.role,
        settings: header.settings,
        search_path: header.search_path,
    })
}

/// The type of each parameter, `unknown` for those that are not named.
fn types_in_order(text: &str, parameters: &[String]) -> Result<Vec<String>, String> {
    let types = given(text, parameters, Dialect::PostgreSql)?;
    if let Some(wrong) = types.iter().flatten().find(|name| !is_type(name)) {
        return Err(format!("`{wrong}` is no name of a type"));
    }
    Ok(types.into_iter().map(|name| name.unwrap_or_else(|| "unknown".to_owned())).collect())
}

/// Whether the text has the shape of a type's name: `bigint`, `text[]`, `numeric(10, 2)`, `app."Mood"`.
fn is_type(text: &str) -> bool {
    Lexer::new(text).all(|token| match token.kind {
        TokenKind::Word | TokenKind::QuotedIdentifier | TokenKind::Number | TokenKind::Whitespace => true,
        TokenKind::Punctuation => "()[].,".contains(&text[token.span]),
        _ => false,
    })
}

/// The values of a set, one for each parameter of the query.
fn in_order(text: &str, parameters: &[String], dialect: Dialect) -> Result<Vec<String>, String> {
    let values = given(text, parameters, dialect)?;
    let missing: Vec<String> =
        parameters.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| name.clone()).collect();
    if missing.is_empty() {
        Ok(values.into_iter().flatten().collect())
    } else {
        Err(format!("{} has no value: a set gives one to every parameter", list(&missing)))
    }
}

/// What is assigned to each parameter.
fn given(text: &str, parameters: &[String], dialect: Dialect) -> Result<Vec<Option<String>>, String> {
    let mut values: Vec<Option<String>> = vec![None; parameters.len()];
    for assignment in assignments(text, dialect)? {
        let Some(at) = parameters.iter().position(|name| *name == assignment.name) else {
            let spelled = spelled(&assignment.name);
            let meant = nearest(&assignment.name, parameters.iter().map(String::as_str));
            return Err(match (meant, parameters) {
                (Some(meant), _) => format!("the query has no parameter {spelled}: did you mean {meant}?"),
                (None, []) => format!("the query has no parameter {spelled}, nor any other: take the set out"),
                (None, _) => format!("the query has no parameter {spelled}, only {}", list(parameters)),
            });
        };
        if values[at].replace(assignment.value).is_some() {
            return Err(format!("{} is given twice", spelled(&assignment.name)));
        }
    }
    Ok(values)
}

/// A parameter's name as people write it: positional ones with their dollar sign.
pub(crate) fn spelled(name: &str) -> String {
    if name.starts_with(|character: char| character.is_ascii_digit()) { format!("${name}") } else { name.to_owned() }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| spelled(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Limits;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "q.sql".into(), name: "q.sql".into(), text: text.into() })
    }

    fn message(text: &str) -> String {
        read(&file(text), Dialect::PostgreSql).expect_err("a mistake").to_string()
    }

    #[test]
    fn a_whole_header_is_read() {
        let text = "-- Queries of the shop.\n\n\
            -- name: OrdersOfCustomer :many\n\
            -- owner: checkout\n\
            -- expect: rows\n\
            -- The customer's own page; note: it is cached.\n\
            -- weight: 120\n\
            -- max_buffers: 500\n\
            -- max_steps: 9000\n\
            -- must_use_index: orders_status_idx, sales.\"Odd idx\"\n\
            -- no_seq_scan_over: 10_000\n\
            -- plan_ratio: 3\n\
            -- plan_blocks: 20\n\
            -- plan_steps: 700\n\
            -- query_ms: 5000\n\
            -- role: web\n\
            -- set: work_mem = 8MB\n\
            -- set: jit = off\n\
            -- search_path: shop, public\n\
            -- params big_customer: customer_id = 1, status = 'paid, x'\n\
            -- params small: status=('new'), customer_id = 2::bigint\n\
            SELECT * FROM orders -- all of them\n\
            WHERE customer_id = :customer_id AND status = @status;\n\n\
            -- name: count-orders$\nSELECT count(*) FROM orders\n";
        let queries = read(&file(text), Dialect::PostgreSql).expect("queries");
        assert_eq!(queries.len(), 2);
        let query = &queries[0];
        assert_eq!(query.name, "OrdersOfCustomer");
        assert_eq!(query.sql, "SELECT * FROM orders -- all of them\nWHERE customer_id = $1 AND status = $2");
        assert_eq!(query.parameters, ["customer_id", "status"]);
        assert_eq!(
            query.sets[0],
            ParameterSet { name: "big_customer".into(), values: vec!["1".into(), "'paid, x'".into()], drawn: false }
        );
        assert_eq!(query.sets[1].values, ["2::bigint", "('new')"]);
        assert_eq!(query.owner.as_deref(), Some("checkout"));
        assert_eq!(query.expect.as_deref(), Some("rows"));
        assert_eq!((query.weight, query.gates.max_buffers, query.gates.max_steps), (120.0, Some(500), Some(9_000)));
        assert_eq!(query.gates.must_use_index, ["orders_status_idx", "sales.\"Odd idx\""]);
        assert_eq!(query.gates.no_seq_scan_over, Some(10_000));
        let limits =
            Limits { plan_ratio: Some(3.0), plan_blocks: Some(20), plan_steps: Some(700), query_ms: Some(5_000) };
        assert_eq!(query.limits, limits);
        assert_eq!(query.role.as_deref(), Some("web"));
        assert_eq!(query.settings, [("work_mem".into(), "8MB".into()), ("jit".into(), "off".into())]);
        assert_eq!(query.search_path.as_deref(), Some("shop, public"));
        assert_eq!(query.file.position(query.offset).line, 22);
        assert_eq!((queries[1].name.as_str(), queries[1].weight), ("count-orders", 1.0));
        assert!(queries[1].sets.is_empty());
    }

    #[test]
    fn line_ends_of_windows_and_block_comments_read_the_same() {
        let text = "/* name: a :one */\r\n-- owner: x\r\n-- params p: $1 = 'v'\r\nSELECT $1;\r\n";
        let queries = read(&file(text), Dialect::PostgreSql).expect("queries");
        assert_eq!((queries[0].name.as_str(), queries[0].owner.as_deref()), ("a", Some("x")));
        assert_eq!(queries[0].sets[0].values, ["'v'"]);
        let block = "/*\n * name: b\n * weight: 3\n */\nSELECT 1";
        assert_eq!(read(&file(block), Dialect::PostgreSql).expect("queries")[0].weight, 3.0);
    }

    #[test]
    fn every_statement_has_one_name_and_every_name_one_statement() {
        assert_eq!(message("\nSELECT 1"), "q.sql:2: a query without a name: write `-- name: get-users` above it");
        assert_eq!(
            message("-- name: a\nSELECT 1;\nSELECT 2;"),
            "q.sql:3: a second statement below the name a: give it a `-- name:` of its own"
        );
        assert_eq!(message("-- name: a\n-- name: b\nSELECT 1"), "q.sql:1: no statement below the name a");
        assert_eq!(message("-- name: a\nSELECT 1;\n-- name: b\n"), "q.sql:3: no statement below the name b");
        assert_eq!(
            message("-- owner: x\n-- name: a\nSELECT 1"),
            "q.sql:1: `owner:` stands above the name it belongs to: move it below `-- name:`"
        );
    }

    #[test]
    fn header_mistakes_name_their_own_line() {
        assert!(message("-- name: a\n-- ower: x\nSELECT 1").starts_with("q.sql:2: `ower:` is no header line"));
        assert!(message("-- nmae: a\nSELECT 1").contains("q.sql:1: `nmae:` is no header line: did you mean `name:`?"));
        assert!(message("-- name: a\n--\n-- weight: often\nSELECT 1").starts_with("q.sql:3: `often` is no weight"));
        assert!(message("-- name: a\n-- plan_ratio: 0.5\nSELECT 1").starts_with("q.sql:2: `0.5` is no ratio"));
        assert!(message("-- name: a\n-- must_use_index: a,,b\nSELECT 1").contains("is no list of indexes"));
        assert!(message("-- name: a\n-- no_seq_scan_over: many\nSELECT 1").contains("is no number of rows"));
        assert!(
            message("-- name: a\n-- owner: x\n-- owner: y\nSELECT 1").starts_with("q.sql:3: `owner:` is given twice")
        );
    }

    #[test]
    fn sets_give_every_parameter_once() {
        let with = |set: &str| message(&format!("-- name: a\n-- {set}\nSELECT :customer, :day"));
        let second = |text: &str| text.replace("params p: ", "q.sql:2: params p: ");
        for (set, expected) in [
            ("params p: customer = 1", "params p: day has no value: a set gives one to every parameter"),
            ("params p: custmer = 1, day = 2", "params p: the query has no parameter custmer: did you mean customer?"),
            ("params p: x = 1", "params p: the query has no parameter x, only customer, day"),
            ("params p: $1 = 1", "params p: the query has no parameter $1, only customer, day"),
            ("params p: customer = 1, customer = 2, day = 3", "params p: customer is given twice"),
            ("params p: customer = 'x", "params p: a quote is opened and never closed: a set stands on one line"),
        ] {
            assert_eq!(with(set), second(expected));
        }
        assert!(message("-- name: a\n-- params p: x = 1\nSELECT 1").ends_with("nor any other: take the set out"));
        assert!(
            message("-- name: a\n-- params p: x = 1\n-- params p: x = 2\nSELECT :x")
                .starts_with("q.sql:3: `params p:` is given twice")
        );
    }

    #[test]
    fn sql_that_cannot_be_read_names_its_line() {
        assert!(message("-- name: a\nSELECT 1,\n 'x").starts_with("q.sql:3: a string begins here"));
        assert!(message("-- name: a\nSELECT :a,\n $1").starts_with("q.sql:3: $1 stands in a query"));
        assert!(message("-- name: a\n\\set x 1\nSELECT :x").starts_with("q.sql:2: \\set is a command of psql"));
    }

    #[test]
    fn mistakes_in_block_comments_are_named_by_their_own_line() {
        assert!(message("/*\nname: get\nwieght: 3\n*/\nSELECT 1").starts_with("q.sql:3"));
        assert!(message("/* name: get\n * wieght: 3 */\nSELECT 1").starts_with("q.sql:2"));
        assert!(message("-- name: get\n-- wieght: 3\nSELECT 1").starts_with("q.sql:2"));
    }

    #[test]
    fn files_for_sqlite_are_read_in_its_spelling() {
        let read = |text: &str| read(&file(text), Dialect::Sqlite);
        let text = "-- name: OrderById :one\n-- params one: ?1 = 7, ?2 = x'00'\n\
            SELECT `a`, [b;] FROM \"orders\" WHERE id = ? AND c->>'$.d' = ? /* ; */;\n\
            -- name: by-day\n-- params p: day = date('now'), id = 1\nSELECT 1 WHERE $day > @id;\n\
            /* name: rest :exec */\nREPLACE INTO t VALUES (:a)";
        let queries = read(text).expect("queries");
        assert_eq!(queries[0].sql, "SELECT `a`, [b;] FROM \"orders\" WHERE id = $1 AND c->>'$.d' = $2");
        assert_eq!((queries[0].sets[0].values.join(" ")), "7 x'00'");
        assert_eq!(
            (queries[1].sql.as_str(), queries[1].parameters.join(" ")),
            ("SELECT 1 WHERE $1 > $2", "day id".to_owned())
        );
        assert_eq!(queries[1].sets[0].values, ["date('now')", "1"]);
        assert_eq!(queries[2].name, "rest");
        for (line, key) in [("role: web", "role"), ("set: jit = off", "set"), ("search_path: a", "search_path")] {
            let error = read(&format!("-- name: a\n-- {line}\nSELECT 1")).expect_err(key).to_string();
            assert!(error.starts_with(&format!("q.sql:1: `{key}:` means nothing to SQLite")), "{error}");
        }
        assert!(read("-- name: a\n.tables").expect_err("a command").to_string().contains("the sqlite3 shell"));
    }
}
