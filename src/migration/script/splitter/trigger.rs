//! Which semicolon ends a statement of SQLite's: the rule of its `sqlite3_complete`.
//!
//! Only `CREATE [TEMP] TRIGGER` holds semicolons. It ends at the one after an `END` that itself follows a semicolon, so
//! that the `END` of a `CASE` does not end it.

use super::TokenKind;

/// How far a statement's words go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Nothing yet.
    #[default]
    Start,
    /// After `EXPLAIN`, and whatever belongs to that.
    Explain,
    /// After `CREATE`, and after `TEMP` behind it.
    Create,
    /// Within a trigger.
    Body,
    /// After a semicolon within it.
    Semicolon,
    /// After an `END` that follows one.
    End,
    /// Any other statement.
    Other,
}

impl Trigger {
    /// Takes the next token that is neither whitespace nor a comment, and tells whether the statement ends with it.
    pub fn see(&mut self, kind: TokenKind, text: &str) -> bool {
        let is = |word: &str| kind == TokenKind::Word && text.eq_ignore_ascii_case(word);
        let is_semicolon = kind == TokenKind::Punctuation && text == ";";
        *self = match *self {
            Self::Body | Self::Semicolon if is_semicolon => Self::Semicolon,
            _ if is_semicolon => return true,
            Self::Start | Self::Explain if is("create") => Self::Create,
            Self::Start if is("explain") => Self::Explain,
            // QUERY PLAN
            Self::Explain if is("query") || is("plan") => Self::Explain,
            Self::Create if is("temp") || is("temporary") => Self::Create,
            Self::Create if is("trigger") => Self::Body,
            Self::Semicolon if is("end") => Self::End,
            Self::Body | Self::Semicolon | Self::End => Self::Body,
            Self::Start | Self::Explain | Self::Create | Self::Other => Self::Other,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use proptest::prelude::*;

    fn statements(text: &str) -> Vec<&str> {
        let spans = split_in(text, Dialect::Sqlite).expect("text that can be cut");
        spans.into_iter().map(|span| &text[span]).collect()
    }

    fn error(text: &str) -> (usize, ScriptErrorKind) {
        let error = split_in(text, Dialect::Sqlite).expect_err("text that cannot be cut");
        (error.offset, error.kind)
    }

    fn by_lines(text: &str) -> Result<Vec<LineStatement>, LineError> {
        let mut splitter = Splitter::new_in(Dialect::Sqlite);
        let mut found = Vec::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            found.extend(splitter.push(index + 1, line)?);
        }
        found.extend(splitter.finish()?);
        Ok(found)
    }

    /// The schema after these texts ran, each of which must be one whole statement.
    fn schema(texts: &[&str], whole: bool) -> Vec<String> {
        let connection = rusqlite::Connection::open_in_memory().expect("SQLite");
        for text in texts {
            if whole {
                let mut statement = connection.prepare(text).expect("one statement");
                statement.query([]).and_then(|mut rows| rows.next().map(drop)).expect("runs");
            } else {
                connection.execute_batch(text).expect("runs");
            }
        }
        let mut statement = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY rowid").expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("text")
    }

    #[test]
    fn triggers_stay_whole_and_case_does_not_end_them() {
        let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN\n\
            UPDATE a SET x = CASE WHEN x > 1 THEN 2 ELSE 3 END;\n  -- END;\n\
            INSERT INTO a VALUES (CASE 1 WHEN 1 THEN 2 END); END";
        let plain = "create trigger if not exists u delete on \"trigger\" begin select 1; end";
        assert_eq!(statements(&format!("{trigger};\n{plain} ;SELECT 2")), [trigger, plain, "SELECT 2"]);
        assert_eq!(
            statements(&format!("EXPLAIN QUERY PLAN {plain}; SELECT 1")),
            [format!("EXPLAIN QUERY PLAN {plain}").as_str(), "SELECT 1"]
        );
    }

    #[test]
    fn other_statements_end_at_the_first_semicolon() {
        assert_eq!(statements("BEGIN; SELECT 1; END; SELECT 2"), ["BEGIN", "SELECT 1", "END", "SELECT 2"]);
        assert_eq!(statements("CREATE TABLE trigger (a); SELECT 2"), ["CREATE TABLE trigger (a)", "SELECT 2"]);
        assert_eq!(statements("CREATE TABLE \"trigger\" (a);;"), ["CREATE TABLE \"trigger\" (a)"]);
        assert_eq!(statements("SELECT (1; 2)"), ["SELECT (1", "2)"], "a parenthesis keeps nothing together");
        assert_eq!(
            statements("SELECT [;], `;`, ';', \";\", x'' /* ; */ -- ;\n; SELECT 2 /* never; ends"),
            ["SELECT [;], `;`, ';', \";\", x''", "SELECT 2"]
        );
        assert_eq!(statements("\u{feff}SELECT $$;$$ -- no dollar quotes"), ["SELECT $$", "$$"]);
    }

    #[test]
    fn the_shells_dump_is_cut_as_it_stands() {
        let dump = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE a(x);\nINSERT INTO a VALUES(replace('b\\n','\\n',char(10)));\n\
            CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;\nCOMMIT;\n";
        let found = by_lines(dump).expect("a dump");
        let lines: Vec<usize> = found.iter().map(|each| each.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6]);
        assert_eq!(statements(dump), found.iter().map(|each| each.text.as_str()).collect::<Vec<_>>());
    }

    #[test]
    fn what_never_ends_and_commands_of_the_shell_are_refused_where_they_begin() {
        assert_eq!(error("SELECT 1;\nSELECT 'a;\n"), (17, ScriptErrorKind::UnterminatedString));
        assert_eq!(error("SELECT \"a"), (7, ScriptErrorKind::UnterminatedIdentifier));
        assert_eq!(error("SELECT `a"), (7, ScriptErrorKind::UnterminatedQuote('`')));
        assert_eq!(error("SELECT [a"), (7, ScriptErrorKind::UnterminatedQuote(']')));
        assert_eq!(error("SELECT 1;\n.mode csv\n"), (10, ScriptErrorKind::ShellCommand(".mode".into())));
        assert_eq!(error(".tables"), (0, ScriptErrorKind::ShellCommand(".tables".into())));
        assert_eq!(statements("SELECT a.\n.b"), ["SELECT a.\n.b"], "within a statement it is SQLite's to refuse");
        assert_eq!(statements("SELECT '\\i', \\x"), ["SELECT '\\i', \\x"], "a backslash is no command there");
        let message = by_lines("SELECT 1;\n.read x.sql\n").expect_err("a command").to_string();
        assert!(message.starts_with("line 2: .read is a command of the sqlite3 shell"), "{message}");
    }

    #[test]
    fn sqlite_itself_cuts_the_same() {
        let text = "CREATE TABLE a (x, \"e;\" , [f;] , `g;`); /* /* ; */ CREATE TABLE b (x);\n\
            CREATE TRIGGER t AFTER INSERT ON a WHEN new.x > 0 BEGIN INSERT INTO b VALUES (CASE WHEN 1 THEN ';' END); SELECT 1; END;\n\
            INSERT INTO a VALUES (';', x'00', 1, 2);\nSELECT count(*) FROM b -- ;\n; SELECT 3 /* open ;";
        assert_eq!(statements(text).len(), 6);
        let found = schema(&statements(text), true);
        assert_eq!(found.len(), 3);
        assert_eq!(found, schema(&[text], false));
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "a",
            "'it''s;'",
            "\"n;\"\"n\"",
            "`n;`",
            "[n;\"]",
            "/* c ; /* */",
            "-- c ;\nx",
            "x'00'",
            "?1",
            ":n",
            "$x",
            "CASE",
            "END",
            "BEGIN",
            "TRIGGER",
            "(",
            "->>",
            "1.5",
            "é",
            ".",
        ])
    }

    proptest! {
        #[test]
        fn line_by_line_finds_the_same(given in prop::collection::vec(prop::collection::vec(piece(), 0..7), 0..5),
            head in prop::sample::select(vec!["SELECT", "CREATE", "CREATE TRIGGER", "EXPLAIN CREATE TEMP TRIGGER"]),
            gap in prop::sample::select(vec![" ", "\n", "\r\n"])) {
            let given: Vec<String> = given.iter().map(|pieces| format!("{head}{gap}{}", pieces.join(gap))).collect();
            let text = given.join(" ;\n");
            let whole: Vec<&str> = statements(&text);
            let lines = by_lines(&text).expect("made of whole pieces");
            prop_assert_eq!(whole, lines.iter().map(|each| each.text.as_str()).collect::<Vec<_>>());
        }

        #[test]
        fn any_text_is_taken_without_a_panic(text in "\\PC*|[a-c.'\"`\\[\\]/*:;@(). \n\r-]{0,60}") {
            let _ = split_in(&text, Dialect::Sqlite);
            let _ = by_lines(&text);
        }
    }
}
