//! SQL: tokens, statements, what they are, and parameters.

use crate::corpus;
use crate::run::fuzz;
use crate::text::{SQL, Texts};
use seatrial::migration::SourceFile;
use seatrial::migration::script::lexer::{Lexer, Token, TokenKind};
use seatrial::migration::script::{self, Dialect, LineError, LineStatement, Splitter, split_in};
use seatrial::workload::parameter::{self, rewrite_as};
use seatrial::workload::{draw, naming};

pub const DIALECTS: [Dialect; 2] = [Dialect::PostgreSql, Dialect::Sqlite];

pub fn texts() -> Texts {
    let folders = ["tests/scenarios", "tests/locks", "tests/layouts", "tests/rollback", "sample-data", "migrations"];
    Texts::new(&corpus::texts(&folders, ".sql", 20_000), 260, 3, &[SQL])
}

/// Tokens, each of which begins where the one before it ends.
pub fn lexed(text: &str, dialect: Dialect) -> Vec<Token> {
    let tokens: Vec<Token> = Lexer::new_in(text, dialect).collect();
    let mut end = 0;
    for token in &tokens {
        assert_eq!(token.span.start, end, "a gap between tokens, or an overlap");
        assert!(
            token.span.end > end && text.is_char_boundary(token.span.end),
            "a token of nothing, or half a character"
        );
        end = token.span.end;
    }
    assert_eq!(end, text.len(), "what stands at the end is in no token");
    tokens
}

fn by_lines(text: &str, dialect: Dialect) -> Result<Vec<LineStatement>, LineError> {
    let mut splitter = Splitter::new_in(dialect);
    let mut found = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        found.extend(splitter.push(index + 1, line)?);
    }
    found.extend(splitter.finish()?);
    Ok(found)
}

fn line(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

fn splits(text: &str, dialect: Dialect) {
    lexed(text, dialect);
    let file = SourceFile { path: "a.sql".into(), name: "a.sql".into(), text: text.to_owned() };
    let whole = split_in(text, dialect);
    // Only a whole text is looked through for zero bytes first.
    let lines = (!text.contains('\0')).then(|| by_lines(text, dialect));
    match (&whole, lines.unwrap_or(Ok(Vec::new()))) {
        (Err(_), Ok(_)) if text.contains('\0') => {}
        // Whoever reads line by line takes the rows himself.
        (Err(whole), _) if whole.kind == script::ScriptErrorKind::CopyFromStdin => {}
        (Ok(spans), Ok(found)) => {
            let expected: Vec<LineStatement> = spans
                .iter()
                .map(|span| LineStatement { text: text[span.clone()].to_owned(), line: line(text, span.start) })
                .collect();
            assert_eq!(found, expected, "line by line");
        }
        (Err(whole), Err(by_line)) => {
            assert_eq!((by_line.line, &by_line.kind), (line(text, whole.offset), &whole.kind))
        }
        (whole, lines) => panic!("{whole:?}, and line by line {lines:?}"),
    }
    let Ok(spans) = whole else { return };
    let mut end = 0;
    let gap_is_empty = |gap: &str| {
        let is_nothing = |token: &Token| token.kind.is_trivia() || &gap[token.span.clone()] == ";";
        assert!(lexed(gap, dialect).iter().all(is_nothing), "between statements stands {gap:?}");
    };
    for span in &spans {
        assert!(span.start >= end && span.end > span.start, "statements overlap, or one is empty");
        gap_is_empty(&text[end..span.start]);
        end = span.end;
        let statement = &text[span.clone()];
        let whole = 0..statement.len();
        assert_eq!(split_in(statement, dialect).as_deref(), Ok(std::slice::from_ref(&whole)), "alone: {statement:?}");
        let at = file.position(span.start);
        assert_eq!(at.line, line(text, span.start));
        assert!(text.split('\n').nth(at.line - 1).unwrap().chars().count() + 1 >= at.column);
    }
    gap_is_empty(&text[end..]);
    let statements: Vec<&str> = spans.into_iter().map(|span| &text[span]).collect();
    let joined = statements.join(";\n");
    let again = split_in(&joined, dialect).expect("statements, joined");
    let again: Vec<&str> = again.into_iter().map(|span| &joined[span]).collect();
    assert_eq!(again, statements, "split, joined and split");
}

#[test]
fn splitter_postgresql() {
    let texts = texts();
    fuzz("splitter_postgresql", 210, |random| texts.make(random), |text| splits(text, Dialect::PostgreSql));
}

#[test]
fn splitter_sqlite() {
    let texts = texts();
    fuzz("splitter_sqlite", 196, |random| texts.make(random), |text| splits(text, Dialect::Sqlite));
}

/// What is asked about one statement.
fn asked(sql: &str) {
    for dialect in DIALECTS {
        for word in script::words::words_in(sql, dialect) {
            let _ = word.name();
        }
        let kind = script::kind_in(sql, dialect);
        let _ = (kind.can_wrap(), kind.is_transaction_control(), kind.leaves_nothing_behind());
        let masked = script::mask_literals_in(sql, dialect);
        assert_eq!(script::mask_literals_in(&masked, dialect), masked, "masked twice");
        let spaced = script::normalise_whitespace_in(sql, dialect);
        assert_eq!(words(&spaced, dialect), words_without_comments(sql, dialect), "{spaced}");
        assert_eq!(script::normalise_whitespace_in(&spaced, dialect), spaced, "spaced twice");
        let _ = seatrial::workload::has_plan_in(sql, dialect);
        let name = naming::name_in(sql, dialect);
        assert!(!name.is_empty() && name.len() < 800, "{name:?}");
    }
    script::sqlite::kind(sql);
    script::sqlite::parse_name(sql);
    for sqlstate in ["42P07", "42703", "42710", ""] {
        if let Some(statements) = script::again::safe_to_run_again(sql, sqlstate) {
            assert!(statements.iter().all(|each| !each.trim().is_empty()));
        }
    }
    draw::text::counts(sql);
    draw::written::written(sql);
}

#[test]
fn statements() {
    let texts = texts();
    fuzz("statements", 100, |random| texts.make(random), asked);
}

/// What a rewrite must not touch.
fn literal(text: &str, dialect: Dialect) -> Vec<&str> {
    let kept = |kind| {
        use TokenKind::{BlockComment, DollarString, LineComment, QuotedIdentifier, String};
        matches!(kind, String | DollarString | QuotedIdentifier | LineComment | BlockComment)
    };
    Lexer::new_in(text, dialect).filter(|token| kept(token.kind)).map(|token| &text[token.span]).collect()
}

/// Everything but spaces and parameters.
fn words(text: &str, dialect: Dialect) -> Vec<&str> {
    let kept = |kind| !matches!(kind, TokenKind::Whitespace | TokenKind::Parameter);
    Lexer::new_in(text, dialect).filter(|token| kept(token.kind)).map(|token| &text[token.span]).collect()
}

fn words_without_comments(text: &str, dialect: Dialect) -> Vec<&str> {
    let kept = |kind: TokenKind| !kind.is_trivia() && kind != TokenKind::Parameter;
    Lexer::new_in(text, dialect).filter(|token| kept(token.kind)).map(|token| &text[token.span]).collect()
}

fn rewrites(sql: &str) {
    for tokens in DIALECTS {
        let dialect = parameter::Dialect::of(tokens);
        let Ok((output, names)) = rewrite_as(sql, &dialect) else { continue };
        // From here on it is SQL with PostgreSQL's parameters.
        for token in Lexer::new_in(&output, tokens).filter(|token| token.kind == TokenKind::Parameter) {
            let number: usize = output[token.span][1..].parse().expect("a number");
            assert!((1..=names.len()).contains(&number), "${number} of {}", names.len());
        }
        let calls = ["sqlc", "pggen"].iter().any(|library| sql.to_ascii_lowercase().contains(library));
        // `sqlc.embed(t) % s` is a remainder, and its `t.* % s` is none.
        if !calls {
            let again = rewrite_as(&output, &dialect).expect("what was rewritten");
            assert_eq!(again.0, output, "rewritten twice");
            assert_eq!(again.1.len(), names.len());
            assert_eq!(literal(&output, tokens), literal(sql, tokens), "quoted texts and comments");
            let mut given = words(sql, tokens).into_iter();
            for word in words(&output, tokens) {
                assert!(given.any(|each| each == word), "{word} is not in the query, or elsewhere");
            }
        }
        if names.is_empty() && !calls {
            assert_eq!(output, sql, "nothing to rewrite");
        }
    }
    let hugsql = parameter::Dialect { hugsql: true, ..parameter::Dialect::default() };
    let _ = rewrite_as(sql, &hugsql);
    let expansions = ["(...)", "(a, b!)", "((a, b)...)"].into_iter().zip(["name", "a", "v"]);
    let expansions = expansions.filter_map(|(text, name)| Some((name.to_owned(), parameter::Expansion::parse(text)?)));
    let pgtyped =
        parameter::Dialect { pgtyped: true, expansions: expansions.collect(), ..parameter::Dialect::default() };
    let _ = rewrite_as(sql, &pgtyped);
    parameter::Expansion::parse(sql);
}

#[test]
fn parameters() {
    let words =
        &[":a", "@b", ":a", "$1", "$2", "?", "SELECT ", "WHERE x = ", " AND ", "[1:", "]", "%(n)s", "sqlc.arg(x)"];
    let queries = corpus::texts(&["sample-data", "tests/shop", "tests/scenarios"], ".sql", 20_000);
    let texts = Texts::new(&queries, 260, 1, &[words, SQL]);
    fuzz("parameters", 180, |random| texts.make(random), rewrites);
}
