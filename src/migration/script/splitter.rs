//! Cutting text into statements: all at once, or resumable for dumps fed line by line.

mod trigger;

use super::lexer::{Carry, Lexer, Open, Token, TokenKind};
use super::{Dialect, ScriptError, ScriptErrorKind, StatementKind, kind};
use std::ops::Range;
use trigger::Trigger;

/// The byte span of every statement, without its semicolon and without comments and whitespace around it.
///
/// Semicolons inside parentheses and inside `BEGIN ATOMIC … END` do not end a statement; empty statements vanish.
///
/// # Errors
/// Something begins and never ends, a psql command, `COPY … FROM STDIN`, or a zero byte.
pub fn split(text: &str) -> Result<Vec<Range<usize>>, ScriptError> {
    split_in(text, Dialect::PostgreSql)
}

/// The same in the SQL of an engine. SQLite's semicolons end a statement wherever they stand outside quotes and the body
/// of a trigger, by the rule of `sqlite3_complete`.
///
/// # Errors
/// As [`split`]; a command of the `sqlite3` shell.
pub fn split_in(text: &str, dialect: Dialect) -> Result<Vec<Range<usize>>, ScriptError> {
    if let Some(offset) = text.find('\0') {
        return Err(ScriptError { offset, kind: ScriptErrorKind::ZeroByte });
    }
    let mut spans = Vec::new();
    let mut grouping = Grouping::new(dialect);
    let mut current: Option<Range<usize>> = None;
    let mut lexer = Lexer::new_in(text, dialect);
    while let Some(token) = lexer.next() {
        if let Some(kind) = unterminated(lexer.open(), dialect) {
            return Err(ScriptError { offset: token.span.start, kind });
        }
        match grouping.see(&token, text) {
            Step::Trivia => {}
            Step::Part => {
                if let Some(kind) = command(&token, text, dialect, current.is_none()) {
                    return Err(ScriptError { offset: token.span.start, kind });
                }
                current.get_or_insert(token.span.clone()).end = token.span.end;
            }
            Step::End => {
                grouping = Grouping::new(dialect);
                spans.extend(complete(current.take(), text, dialect)?);
            }
        }
    }
    spans.extend(complete(current.take(), text, dialect)?);
    Ok(spans)
}

/// Refuses a statement whose rows would follow it in the text: what comes next would not be SQL.
fn complete(span: Option<Range<usize>>, text: &str, dialect: Dialect) -> Result<Option<Range<usize>>, ScriptError> {
    match span {
        Some(span) if dialect.is_sqlite() => Ok(Some(span)),
        Some(span) if kind(&text[span.clone()]) == (StatementKind::Copy { from_stdin: true }) => {
            Err(ScriptError { offset: span.start, kind: ScriptErrorKind::CopyFromStdin })
        }
        span => Ok(span),
    }
}

fn unterminated(open: &Open, dialect: Dialect) -> Option<ScriptErrorKind> {
    match open {
        Open::Nothing => None,
        // The end of the text ends it there.
        Open::Comment { .. } if dialect.is_sqlite() => None,
        Open::Quoted(end) => Some(ScriptErrorKind::UnterminatedQuote(*end)),
        Open::Comment { .. } => Some(ScriptErrorKind::UnterminatedComment),
        Open::String { .. } => Some(ScriptErrorKind::UnterminatedString),
        Open::Identifier => Some(ScriptErrorKind::UnterminatedIdentifier),
        Open::Dollar(delimiter) => Some(ScriptErrorKind::UnterminatedDollarQuote(delimiter.clone())),
    }
}

/// A backslash outside strings is never SQL, and neither is a dot at the beginning of a statement.
fn command(token: &Token, text: &str, dialect: Dialect, is_first: bool) -> Option<ScriptErrorKind> {
    let starts = |sign| token.kind == TokenKind::Punctuation && text[token.span.clone()].starts_with(sign);
    let written = || {
        let command = text[token.span.start..].split(char::is_whitespace).next().unwrap_or_default();
        command.chars().take(40).collect()
    };
    match dialect {
        Dialect::PostgreSql if starts('\\') => Some(ScriptErrorKind::MetaCommand(written())),
        Dialect::Sqlite if starts('.') && is_first => Some(ScriptErrorKind::ShellCommand(written())),
        _ => None,
    }
}

/// What a token does to the statement it stands in.
enum Step {
    /// Whitespace or a comment.
    Trivia,
    /// It belongs to the statement.
    Part,
    /// The semicolon that ends it.
    End,
}

/// Which semicolons end a statement and which belong to it.
#[derive(Debug, Default)]
struct Grouping {
    parentheses: usize,
    head: Head,
    /// Levels of `BEGIN ATOMIC` and the `CASE`s inside it.
    atomic: usize,
    previous: Previous,
    /// Where SQLite's triggers end; `None` for PostgreSQL's text.
    trigger: Option<Trigger>,
}

/// How far the statement's first words go towards `CREATE [OR REPLACE] FUNCTION | PROCEDURE`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Head {
    #[default]
    Nothing,
    Create,
    Or,
    Replace,
    Routine,
    Other,
}

/// What the last token was, as far as the next one's meaning hangs on it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Previous {
    #[default]
    Other,
    Begin,
    /// After `AS` or a dot every word is a name.
    Naming,
}

impl Grouping {
    fn new(dialect: Dialect) -> Self {
        Self { trigger: dialect.is_sqlite().then(Trigger::default), ..Self::default() }
    }

    fn see(&mut self, token: &Token, text: &str) -> Step {
        if token.kind.is_trivia() {
            return Step::Trivia;
        }
        if let Some(trigger) = &mut self.trigger {
            let ends = trigger.see(token.kind, &text[token.span.clone()]);
            return if ends { Step::End } else { Step::Part };
        }
        let text = &text[token.span.clone()];
        let mut previous = Previous::Other;
        match token.kind {
            TokenKind::Word => previous = self.see_word(text),
            TokenKind::Punctuation => match text {
                "(" | "[" => self.parentheses += 1,
                ")" | "]" => self.parentheses = self.parentheses.saturating_sub(1),
                "." => previous = Previous::Naming,
                ";" if self.parentheses == 0 && self.atomic == 0 => return Step::End,
                _ => {}
            },
            _ => {}
        }
        if token.kind != TokenKind::Word && self.head != Head::Routine {
            self.head = Head::Other;
        }
        self.previous = previous;
        Step::Part
    }

    fn see_word(&mut self, word: &str) -> Previous {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        if self.head != Head::Routine {
            self.head = match self.head {
                Head::Nothing if is("create") => Head::Create,
                Head::Create if is("or") => Head::Or,
                Head::Or if is("replace") => Head::Replace,
                Head::Create | Head::Replace if is("function") || is("procedure") => Head::Routine,
                _ => Head::Other,
            };
            return Previous::Other;
        }
        if self.previous != Previous::Naming {
            if self.atomic == 0 && self.previous == Previous::Begin && is("atomic") {
                self.atomic = 1;
            } else if self.atomic > 0 && is("case") {
                self.atomic += 1;
            } else if self.atomic > 0 && is("end") {
                self.atomic -= 1;
            }
        }
        if is("begin") {
            Previous::Begin
        } else if is("as") {
            Previous::Naming
        } else {
            Previous::Other
        }
    }
}

/// One statement that [`Splitter`] found complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatement {
    /// Without its semicolon and without comments and whitespace around it.
    pub text: String,
    /// 1-based line of its first byte, as given to [`Splitter::push`].
    pub line: usize,
}

/// What [`Splitter`] could not cut, with the 1-based line where it begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct LineError {
    /// 1-based line.
    pub line: usize,
    /// What is wrong there.
    pub kind: ScriptErrorKind,
}

/// Cuts text of any size into statements, one line at a time. Each byte is looked at once.
///
/// `COPY … FROM stdin` is an ordinary statement here: the caller sees it complete (`kind` tells) and keeps the rows
/// that follow to itself instead of pushing them.
#[derive(Debug, Default)]
pub struct Splitter {
    carry: Carry,
    grouping: Grouping,
    /// The statement so far, from its first byte.
    buffer: String,
    /// End of its last token that is not a comment or whitespace.
    end: usize,
    /// Where it begins; `None` between statements.
    line: Option<usize>,
    /// Where what is open began.
    open_line: usize,
}

impl Splitter {
    /// Before the first line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Before the first line of text in the SQL of an engine.
    pub fn new_in(dialect: Dialect) -> Self {
        Self { carry: Carry::begin(dialect), grouping: Grouping::new(dialect), ..Self::default() }
    }

    /// Takes the next line, its line ending included, and returns the statements that end in it.
    ///
    /// `number` is the line's 1-based number in the caller's file: lines kept back do not disturb the count.
    ///
    /// # Errors
    /// A psql command, or one of the `sqlite3` shell; look for those with [`Splitter::is_between_statements`] before
    /// pushing.
    pub fn push(&mut self, number: usize, line: &str) -> Result<Vec<LineStatement>, LineError> {
        let dialect = self.carry.dialect();
        let mut complete = Vec::new();
        let carry = std::mem::replace(&mut self.carry, Carry::begin(dialect));
        let mut lexer = Lexer::resume(line, carry);
        // The line's first byte that belongs to the current statement.
        let mut from = 0;
        while let Some(token) = lexer.next() {
            if !token.continued && *lexer.open() != Open::Nothing {
                self.open_line = number;
            }
            match self.grouping.see(&token, line) {
                Step::Trivia => {}
                Step::Part => {
                    if let Some(kind) = command(&token, line, dialect, self.line.is_none()) {
                        return Err(LineError { line: number, kind });
                    }
                    if self.line.is_none() {
                        self.line = Some(number);
                        from = token.span.start;
                    }
                    self.end = self.buffer.len() + token.span.end - from;
                }
                Step::End => {
                    if self.line.is_some() {
                        self.buffer.push_str(&line[from..token.span.start]);
                    }
                    complete.extend(self.take());
                }
            }
        }
        if self.line.is_some() {
            self.buffer.push_str(&line[from..]);
        }
        self.carry = lexer.into_carry();
        Ok(complete)
    }

    /// True when nothing is open: no statement has begun and no comment is unfinished.
    pub fn is_between_statements(&self) -> bool {
        self.line.is_none() && *self.carry.open() == Open::Nothing
    }

    /// The end of the text: a last statement without a semicolon, if there is one.
    ///
    /// # Errors
    /// Something begins and never ends.
    pub fn finish(mut self) -> Result<Option<LineStatement>, LineError> {
        match unterminated(self.carry.open(), self.carry.dialect()) {
            Some(kind) => Err(LineError { line: self.open_line, kind }),
            None => Ok(self.take()),
        }
    }

    fn take(&mut self) -> Option<LineStatement> {
        self.grouping = Grouping::new(self.carry.dialect());
        let line = self.line.take()?;
        self.buffer.truncate(self.end);
        Some(LineStatement { text: std::mem::take(&mut self.buffer), line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statements(text: &str) -> Vec<&str> {
        split(text).expect("text that can be cut").into_iter().map(|span| &text[span]).collect()
    }

    fn error(text: &str) -> (usize, ScriptErrorKind) {
        let error = split(text).expect_err("text that cannot be cut");
        (error.offset, error.kind)
    }

    fn by_lines(text: &str) -> Result<Vec<LineStatement>, LineError> {
        let mut splitter = Splitter::new();
        let mut found = Vec::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            found.extend(splitter.push(index + 1, line)?);
        }
        found.extend(splitter.finish()?);
        Ok(found)
    }

    #[test]
    fn spans_leave_out_semicolons_comments_and_whitespace_around() {
        let text = "-- first\nSELECT 1 /* in */ + 2 -- after\n;\n;; /* gap */ SELECT ';';SELECT 3 -- end";
        assert_eq!(statements(text), ["SELECT 1 /* in */ + 2", "SELECT ';'", "SELECT 3"]);
        assert!(statements(" -- nothing\n ; /* ; */ ;").is_empty());
    }

    #[test]
    fn semicolons_in_parentheses_and_quotes_do_not_split() {
        for whole in [
            "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); DELETE FROM b;)",
            "DO $$ BEGIN PERFORM 1; END $$",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $fn$ BEGIN x := $$;$$; END; $fn$",
            "SELECT E'\\';', \";\", 'it''s;' /* ; /* ; */ */ + 1",
        ] {
            assert_eq!(statements(&format!("{whole};\nSELECT 1")), [whole, "SELECT 1"]);
        }
    }

    #[test]
    fn begin_atomic_bodies_stay_whole() {
        let function = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC\n\
            INSERT INTO t VALUES (CASE a WHEN 1 THEN CASE WHEN true THEN 2 END ELSE 3 END);\n\
            SELECT t.end, 1 AS case FROM t; SELECT CASE a WHEN 1 THEN 2 END; END";
        let procedure = "create procedure p() begin /* c */ atomic delete from t; end";
        let text = format!("{function};\n{procedure};SELECT 2");
        assert_eq!(statements(&text), [function, procedure, "SELECT 2"]);
    }

    #[test]
    fn begin_elsewhere_is_only_a_word() {
        assert_eq!(statements("BEGIN; SELECT 1; END; SELECT 2"), ["BEGIN", "SELECT 1", "END", "SELECT 2"]);
        assert_eq!(
            statements("CREATE TABLE function (begin int, atomic int); SELECT 2"),
            ["CREATE TABLE function (begin int, atomic int)", "SELECT 2"]
        );
    }

    #[test]
    fn what_never_ends_is_named_where_it_begins() {
        assert_eq!(error("SELECT 1;\nSELECT 'a;\n"), (17, ScriptErrorKind::UnterminatedString));
        assert_eq!(error("SELECT \"a"), (7, ScriptErrorKind::UnterminatedIdentifier));
        assert_eq!(error("/* /* */"), (0, ScriptErrorKind::UnterminatedComment));
        assert_eq!(error("DO $a$ $b$"), (3, ScriptErrorKind::UnterminatedDollarQuote("$a$".into())));
    }

    #[test]
    fn psql_commands_and_inline_rows_are_refused() {
        assert_eq!(error("SELECT 1;\n\\i other.sql\n"), (10, ScriptErrorKind::MetaCommand("\\i".into())));
        assert_eq!(error("SELECT 1 \\gexec"), (9, ScriptErrorKind::MetaCommand("\\gexec".into())));
        assert_eq!(error("SELECT 1;\nCOPY t FROM stdin;\n1\tit's\n\\.\n"), (10, ScriptErrorKind::CopyFromStdin));
        assert_eq!(error("S\0"), (1, ScriptErrorKind::ZeroByte));
        assert_eq!(statements("SELECT '\\i';"), ["SELECT '\\i'"]);
    }

    #[test]
    fn lines_are_counted_by_the_caller() {
        let mut splitter = Splitter::new();
        assert!(splitter.is_between_statements());
        assert_eq!(splitter.push(1, "-- PostgreSQL database dump\n"), Ok(vec![]));
        assert!(splitter.is_between_statements());
        assert_eq!(splitter.push(2, "COPY public.t (a)\n"), Ok(vec![]));
        assert!(!splitter.is_between_statements());
        let copy = LineStatement { text: "COPY public.t (a)\n FROM stdin".into(), line: 2 };
        assert_eq!(kind(&copy.text), StatementKind::Copy { from_stdin: true });
        assert_eq!(splitter.push(3, " FROM stdin;\n"), Ok(vec![copy]));
        assert!(splitter.is_between_statements());
        let both = splitter.push(9000, "SELECT 1; SELECT 2; SELECT\n").expect("SQL");
        assert_eq!(both.iter().map(|found| found.text.as_str()).collect::<Vec<_>>(), ["SELECT 1", "SELECT 2"]);
        assert_eq!(splitter.finish().expect("nothing open"), Some(LineStatement { text: "SELECT".into(), line: 9000 }));
    }

    #[test]
    fn the_end_of_a_dump_cut_short_names_the_line_where_it_broke_off() {
        let cut = "SELECT 1;\nCREATE FUNCTION f() AS $_$\nBEGIN\n";
        let error = by_lines(cut).expect_err("cut short");
        assert_eq!(error, LineError { line: 2, kind: ScriptErrorKind::UnterminatedDollarQuote("$_$".into()) });
        let comment = by_lines("/* a\nb\n").expect_err("cut short");
        assert_eq!(comment, LineError { line: 1, kind: ScriptErrorKind::UnterminatedComment });
    }

    /// Pieces that stand for themselves inside a statement.
    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "SELECT",
            "x",
            "'a;b'",
            "E'\\';\n'",
            "\"q;\"\"\"",
            "$$;\n'$$",
            "$t$ $$ ; $t$",
            "(a;\nb)",
            "1.5e3",
            "$1",
            "/* ; /* ' */ \n*/",
            "-- ; '\n",
            "a$b$c",
            "é",
            "::",
            "@>",
            "-",
            "CASE",
            "end",
            "begin",
        ])
    }

    fn statement() -> impl Strategy<Value = String> {
        (prop::collection::vec(piece(), 0..8), prop::sample::select(vec![" ", "\n", "\r\n"])).prop_map(
            |(pieces, gap)| {
                // A first and a last word, so that a comment at either end stays inside.
                let mut whole = vec!["WITH"];
                whole.extend(pieces);
                whole.push("z");
                whole.join(gap)
            },
        )
    }

    proptest! {
        #[test]
        fn joining_and_splitting_gives_the_statements_back(
            given in prop::collection::vec(statement(), 0..6),
            between in prop::sample::select(vec![";", ";\n", " ; -- c\n", ";;\n/* ; */", "\r\n;\r\n"]),
        ) {
            let text = given.join(between);
            prop_assert_eq!(statements(&text), given);
        }

        #[test]
        fn line_by_line_finds_the_same(given in prop::collection::vec(statement(), 0..6), between in "[ ;\n]{0,3};[ \n]{0,2}") {
            let text = given.join(&between);
            let spans = split(&text).expect("made of whole pieces");
            let expected: Vec<LineStatement> = spans
                .into_iter()
                .map(|span| LineStatement {
                    line: text[..span.start].matches('\n').count() + 1,
                    text: text[span].to_owned(),
                })
                .collect();
            prop_assert_eq!(by_lines(&text).expect("made of whole pieces"), expected);
        }

        #[test]
        fn line_by_line_agrees_on_arbitrary_text(text in "[a-cEe$'\"\\\\/*:;@(). \n\r-]{0,60}") {
            let whole = split(&text);
            let lines = by_lines(&text);
            match (whole, lines) {
                (Ok(spans), Ok(found)) => {
                    let spans: Vec<&str> = spans.into_iter().map(|span| &text[span]).collect();
                    let found: Vec<&str> = found.iter().map(|statement| statement.text.as_str()).collect();
                    prop_assert_eq!(spans, found);
                }
                (Err(whole), Err(line)) => {
                    prop_assert_eq!(line.line, text[..whole.offset].matches('\n').count() + 1);
                    prop_assert_eq!(line.kind, whole.kind);
                }
                (whole, lines) => prop_assert!(false, "{whole:?} but {lines:?}"),
            }
        }

        #[test]
        fn any_text_is_taken_without_a_panic(text in "\\PC*") {
            let _ = split(&text);
            let _ = by_lines(&text);
        }
    }
}
