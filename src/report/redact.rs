//! Keeps values of user data out of everything that is written down: server messages, plans, conditions.
//!
//! A server quotes names and values alike, so what may stay is listed and all else goes.

use crate::engine::ServerError;
use serde_json::Value;

/// What stands where a value was.
pub const MASK: &str = "…";

/// The one place that decides whether a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redactor {
    /// Asked for with `--show-values`.
    pub show_values: bool,
}

/// Nouns the server puts before a quoted name, never before a value.
const NAMED: &[&str] = &[
    "aggregate",
    "attribute",
    "class",
    "collation",
    "column",
    "columns",
    "constraint",
    "conversion",
    "cursor",
    "database",
    "dictionary",
    "domain",
    "encoding",
    "extension",
    "family",
    "function",
    "group",
    "index",
    "language",
    "method",
    "object",
    "operator",
    "option",
    "parameter",
    "partition",
    "policy",
    "portal",
    "privilege",
    "procedure",
    "property",
    "publication",
    "relation",
    "role",
    "routine",
    "rule",
    "savepoint",
    "schema",
    "sequence",
    "server",
    "slot",
    "statement",
    "statistics",
    "subscription",
    "table",
    "tablespace",
    "template",
    "transform",
    "trigger",
    "type",
    "user",
    "variable",
    "view",
    "wrapper",
];

/// How a `DETAIL` of the form `Key (…)=(…)` ends after its values.
const KEY_TAILS: &[&str] = &[
    ") already exists",
    ") is duplicated",
    ") is not present in table ",
    ") is still referenced from table ",
    ") conflicts with existing key ",
    ") conflicts with key ",
];

/// Strings of EXPLAIN's JSON that name things or come from a fixed set. Every other string is taken for an expression.
const PLAN_NAMES: &[&str] = &[
    "Alias",
    "CTE Name",
    "Cache Mode",
    "Command",
    "Conflict Arbiter Indexes",
    "Conflict Resolution",
    "Constraint Name",
    "Custom Plan Provider",
    "Function Name",
    "Group Method",
    "Index Name",
    "Join Type",
    "Node Type",
    "Operation",
    "Parent Relationship",
    "Partial Mode",
    "Relation",
    "Relation Name",
    "Sampling Method",
    "Scan Direction",
    "Schema",
    "Settings",
    "Sort Method",
    "Sort Methods Used",
    "Sort Space Type",
    "Strategy",
    "Subplan Name",
    "Table Function Name",
    "Trigger Name",
    "Tuplestore Name",
];

/// Classes of errors that quote what a statement calls things.
fn is_about_names(sqlstate: &str) -> bool {
    sqlstate.starts_with("42") || sqlstate.starts_with("3F")
}

impl Redactor {
    /// A refusal as one text: message, then `DETAIL:` and `HINT:` on lines of their own. `sql` is the statement sent.
    pub fn server_error(&self, error: &ServerError, sql: &str) -> String {
        // P0: raised by a procedure, in its author's words with whatever values he put in.
        let raised = error.sqlstate.starts_with("P0") && !self.show_values;
        let part = |text: &str, detail: bool| match (raised, detail) {
            (true, _) => words_of(text, sql),
            (false, true) => self.detail(text),
            (false, false) => self.message(text, sql),
        };
        let mut out = part(&error.message, false);
        for (label, text) in [("DETAIL", &error.detail), ("HINT", &error.hint)] {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                out.push_str(&format!("\n{label}: {}", part(text, label == "DETAIL")));
            }
        }
        out
    }

    /// A refusal's primary message alone, by its SQLSTATE. `sql` is the statement sent.
    pub fn error_message(&self, error: &ServerError, sql: &str) -> String {
        // A name that does not exist and stands nowhere in the statement was made from a value; so may any name be that a
        // function or a DO block has put into SQL of its own.
        let missing = matches!(error.sqlstate.as_str(), "42P01" | "42704" | "42883" | "3F000" | "42703");
        let made_up = missing || (error.context.is_some() && is_about_names(&error.sqlstate));
        let known = |text: &str| -> bool {
            let sql = sql.to_lowercase();
            text.split('"')
                .skip(1)
                .step_by(2)
                .flat_map(|name| name.split('.'))
                .all(|part| sql.contains(&part.to_lowercase()))
        };
        if self.show_values {
            error.message.clone()
        } else if error.sqlstate.starts_with("P0") || (made_up && !known(&error.message)) {
            words_of(&error.message, sql)
        } else {
            self.message(&error.message, sql)
        }
    }

    /// A server's `DETAIL`, where its wording is known to be maskable: broken constraints and dependent objects. What is not
    /// supported names what depends as well, as long as the server says so itself: functions raise that with any words.
    pub fn error_detail(&self, error: &ServerError) -> Option<String> {
        let maskable = match error.sqlstate.as_str() {
            "0A000" => error.context.is_none(),
            "2BP01" => true,
            other => other.starts_with("23"),
        };
        error.detail.as_deref().filter(|_| maskable || self.show_values).map(|detail| self.detail(detail))
    }

    /// A server's primary message. Quoted names stay, other quotations go; what a syntax error points at stays when it
    /// stands in `sql`, the statement sent.
    pub fn message(&self, message: &str, sql: &str) -> String {
        if self.show_values {
            return message.to_owned();
        }
        let mut out = String::with_capacity(message.len());
        let mut rest = message;
        while let Some((open, close)) = next_quotation(rest) {
            let before = &rest[..open];
            let start = open + rest[open..].chars().next().map_or(0, char::len_utf8);
            let named = is_name(before, &rest[start..close], sql);
            // A value may hold quotation marks itself: all to the last one may be part of it.
            let close = if named { close } else { last_closing(rest, close) };
            out.push_str(&mask_number_after_value(before));
            out.push_str(&rest[open..start]);
            out.push_str(if named { &rest[start..close] } else { MASK });
            let end = close + rest[close..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[close..end]);
            rest = &rest[end..];
        }
        out.push_str(&mask_number_after_value(rest));
        out
    }

    /// A server's `DETAIL`: `Key (email)=(x@y) already exists.` becomes `Key (email)=(…) already exists.`
    pub fn detail(&self, detail: &str) -> String {
        if self.show_values {
            return detail.to_owned();
        }
        if let Some(values) = detail.find(")=(").filter(|_| detail.starts_with("Key (")) {
            let columns = &detail[..values + 3];
            // A value may hold such an ending too; the server's own is the last.
            let tail = KEY_TAILS.iter().filter_map(|tail| detail.rfind(tail)).filter(|at| *at >= values + 3).max();
            return match tail.map(|at| &detail[at..]) {
                Some(tail) if tail.starts_with(") conflicts") => {
                    let words = &tail[..tail.find('(').unwrap_or(tail.len())];
                    format!("{columns}{MASK}{words}{}{MASK}).", &columns["Key ".len()..])
                }
                Some(tail) => format!("{columns}{MASK}{tail}"),
                None => format!("{columns}{MASK})."),
            };
        }
        if let Some(values) = detail.find(") = (").filter(|_| detail.starts_with("Partition key of the failing row")) {
            return format!("{}{MASK}).", &detail[..values + 5]);
        }
        if let Some(row) = detail.find(" contains (") {
            return format!("{}{MASK}).", &detail[..row + " contains (".len()]);
        }
        self.message(detail, "")
    }

    /// A deparsed expression: `((status)::text = 'paid'::text)` becomes `((status)::text = '…'::text)`, numbers become
    /// `…`. Names, parameters and references to other parts of a plan stay.
    pub fn condition(&self, expression: &str) -> String {
        if self.show_values {
            return expression.to_owned();
        }
        let mut out = String::with_capacity(expression.len());
        let mut rest = expression;
        let mut word = "";
        while let Some(first) = rest.chars().next() {
            let (length, masked) = match first {
                '\'' => (string_length(rest, word.eq_ignore_ascii_case("e")), Some("'…'")),
                '"' => (rest[1..].find('"').map_or(rest.len(), |end| end + 2), None),
                '$' => (1 + run(&rest[1..], |character| character.is_ascii_digit()), None),
                _ if is_word(first) && !first.is_ascii_digit() => (run(rest, is_word), None),
                _ if starts_number(rest) => {
                    // `(SubPlan 1)`, `(InitPlan 2).col1`: numbers of plan nodes.
                    let of_plan = word.ends_with("Plan") || word == "CTE";
                    (number_length(rest), (!of_plan).then_some(MASK))
                }
                _ => (first.len_utf8(), None),
            };
            out.push_str(masked.unwrap_or(&rest[..length]));
            if !first.is_whitespace() {
                word = &rest[..length];
            }
            rest = &rest[length..];
        }
        out
    }

    /// EXPLAIN's own object, in place: every string that is not a name, at any depth.
    pub fn plan(&self, plan: &mut Value) {
        if self.show_values {
            return;
        }
        match plan {
            Value::Object(fields) => {
                for (key, value) in fields.iter_mut() {
                    if !PLAN_NAMES.contains(&key.as_str()) {
                        self.plan(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.plan(item)),
            Value::String(text) => *text = self.condition(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn is_word(character: char) -> bool {
    character == '_' || character == '$' || character.is_alphanumeric()
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character)).unwrap_or(text.len())
}

/// Bytes of a string constant, quotation marks included; all of an unterminated one.
fn string_length(text: &str, backslashes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if backslashes => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn starts_number(text: &str) -> bool {
    let mut characters = text.chars();
    match characters.next() {
        Some('.') => characters.next().is_some_and(|next| next.is_ascii_digit()),
        Some(first) => first.is_ascii_digit(),
        None => false,
    }
}

fn number_length(text: &str) -> usize {
    let mut length = run(text, |character| character.is_ascii_alphanumeric() || character == '.' || character == '_');
    if text[..length].ends_with(['e', 'E']) && text[length..].starts_with(['+', '-']) {
        length += 1 + run(&text[length + 1..], |character| character.is_ascii_digit());
    }
    length
}

/// Byte positions of the next opening and closing quotation mark.
fn next_quotation(text: &str) -> Option<(usize, usize)> {
    let open = text.find(['"', '«', '„'])?;
    let (mark, closing) = match text[open..].chars().next()? {
        '«' => ('«', '»'),
        '„' => ('„', '“'),
        mark => (mark, '"'),
    };
    let start = open + mark.len_utf8();
    // An unterminated quotation: all the rest of it goes.
    let close = text[start..].find(closing).map_or(text.len(), |close| start + close);
    Some((open, close))
}

/// The position of the last mark equal to the one at `close`.
fn last_closing(text: &str, close: usize) -> usize {
    let mark = text[close..].chars().next();
    mark.and_then(|mark| text.rfind(mark)).unwrap_or(close)
}

/// Whether a quotation names something: a noun for named things stands before it, or the statement says it too.
fn is_name(before: &str, quoted: &str, sql: &str) -> bool {
    let before = before.trim_end();
    // `"v" is not a table`: a name the statement spells out.
    if before.is_empty() || before.ends_with("at or near") {
        return sql.contains(quoted);
    }
    let word = before.rsplit(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    // `value for parameter "x": "secret"`: a colon after the noun, so the word before the quotation is empty.
    NAMED.contains(&word.to_ascii_lowercase().as_str())
}

/// `value 300 is out of range` becomes `value … is out of range`.
fn mask_number_after_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("value ") {
        let (before, after) = rest.split_at(at + "value ".len());
        out.push_str(before);
        let number = run(after, |character| character.is_ascii_digit() || matches!(character, '-' | '+' | '.'));
        if number > 0 {
            out.push_str(MASK);
        }
        rest = &after[number..];
    }
    out.push_str(rest);
    out
}

/// Only the words that stand in `sql` too; everything between them becomes one mask.
fn words_of(text: &str, sql: &str) -> String {
    let known: std::collections::BTreeSet<&str> =
        sql.split(|character: char| !is_word(character)).filter(|word| !word.is_empty()).collect();
    let mut out: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|character: char| !is_word(character));
        if !bare.is_empty() && known.contains(bare) && bare.chars().all(|character| !character.is_ascii_digit()) {
            out.push(word);
        } else if out.last() != Some(&MASK) {
            out.push(MASK);
        }
    }
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HIDING: Redactor = Redactor { show_values: false };

    #[test]
    fn what_a_script_raises_and_names_made_of_values_are_masked_by_their_sqlstate() {
        let redactor = Redactor { show_values: false };
        let error = |sqlstate: &str, message: &str| ServerError {
            sqlstate: sqlstate.to_owned(),
            message: message.to_owned(),
            detail: Some("line 1: secret4711".to_owned()),
            ..ServerError::default()
        };
        let raised = error("P0001", "bad secret4711");
        assert!(!redactor.error_message(&raised, "DO $$ RAISE 'bad %', x $$").contains("4711"));
        let made_up = error("42P01", "relation \"secret4711\" does not exist");
        assert!(!redactor.error_message(&made_up, "SELECT v::regclass FROM t").contains("4711"));
        let mut by_a_function = error("42P07", "relation \"secret4711\" already exists");
        assert!(
            redactor.error_message(&by_a_function, "CREATE INDEX ON t (a)").contains("4711"),
            "the server chose it"
        );
        by_a_function.context = Some("SQL statement \"CREATE TABLE secret4711 ()\"".to_owned());
        assert!(!redactor.error_message(&by_a_function, "DO $$ … $$").contains("4711"));
        let written = error("42P01", "relation \"orders\" does not exist");
        assert_eq!(redactor.error_message(&written, "DROP TABLE Orders"), "relation \"orders\" does not exist");
        assert_eq!(redactor.error_detail(&error("2200N", "invalid XML content")), None);
    }

    #[test]
    fn what_depends_is_told_where_the_server_says_it_and_no_function() {
        let dependent = |context: Option<&str>| ServerError {
            sqlstate: "0A000".to_owned(),
            detail: Some("rule _RETURN on view v depends on column \"c\"".to_owned()),
            context: context.map(str::to_owned),
            ..ServerError::default()
        };
        let told = Redactor::default().error_detail(&dependent(None));
        assert_eq!(told.as_deref(), Some("rule _RETURN on view v depends on column \"c\""));
        assert_eq!(Redactor::default().error_detail(&dependent(Some("PL/pgSQL function f() line 3 at RAISE"))), None);
    }

    #[test]
    fn values_in_details_go_and_columns_stay() {
        for (detail, expected) in [
            ("Key (email)=(x@y) already exists.", "Key (email)=(…) already exists."),
            (
                "Key (lower(email), a)=(x, ) already exists.) already exists.",
                "Key (lower(email), a)=(…) already exists.",
            ),
            (
                "Key (customer_id)=(42) is not present in table \"customers\".",
                "Key (customer_id)=(…) is not present in table \"customers\".",
            ),
            (
                "Key (id)=(7) is still referenced from table \"items\".",
                "Key (id)=(…) is still referenced from table \"items\".",
            ),
            ("Key (a, b)=(1, 2) is duplicated.", "Key (a, b)=(…) is duplicated."),
            (
                "Key (room, during)=(101, [1,5)) conflicts with existing key (room, during)=(101, [2,3)).",
                "Key (room, during)=(…) conflicts with existing key (room, during)=(…).",
            ),
            ("Key (a)=(something nobody foresaw", "Key (a)=(…)."),
            ("Failing row contains (1, Ann O'Hara, null).", "Failing row contains (…)."),
            (
                "Partition key of the failing row contains (at) = (2020-01-01).",
                "Partition key of the failing row contains (at) = (…).",
            ),
            ("Token \"ann@example.org\" is invalid.", "Token \"…\" is invalid."),
            ("view v depends on column note of table orders", "view v depends on column note of table orders"),
        ] {
            assert_eq!(HIDING.detail(detail), expected);
            assert_eq!(Redactor { show_values: true }.detail(detail), detail);
        }
    }

    #[test]
    fn values_in_messages_go_and_names_stay() {
        for (message, expected) in [
            ("invalid input syntax for type integer: \"abc\"", "invalid input syntax for type integer: \"…\""),
            (
                "invalid input syntax for type integer: \"a\" for type \"b\"",
                "invalid input syntax for type integer: \"…\"",
            ),
            ("invalid input value for enum order_status: \"lost\"", "invalid input value for enum order_status: \"…\""),
            ("value \"99999999999\" is out of range for type integer", "value \"…\" is out of range for type integer"),
            (
                "setval: value 0 is out of bounds for sequence \"s\" (1..10)",
                "setval: value … is out of bounds for sequence \"s\" (1..10)",
            ),
            ("invalid value for parameter \"work_mem\": \"secret\"", "invalid value for parameter \"work_mem\": \"…\""),
            (
                "duplicate key value violates unique constraint \"users_email_key\"",
                "duplicate key value violates unique constraint \"users_email_key\"",
            ),
            (
                "null value in column \"note\" of relation \"orders\" violates not-null constraint",
                "null value in column \"note\" of relation \"orders\" violates not-null constraint",
            ),
            (
                "insert or update on table \"a\" violates foreign key constraint \"b\"",
                "insert or update on table \"a\" violates foreign key constraint \"b\"",
            ),
            ("relation \"public.x\" does not exist", "relation \"public.x\" does not exist"),
            ("ung\u{fc}ltige Eingabe: „geheim“", "ung\u{fc}ltige Eingabe: „…“"),
            ("unterminated \"secret", "unterminated \"…"),
        ] {
            assert_eq!(HIDING.message(message, ""), expected);
            assert_eq!(Redactor { show_values: true }.message(message, ""), message);
        }
    }

    #[test]
    fn a_syntax_error_shows_only_what_the_statement_itself_says() {
        let message = "syntax error at or near \"TABEL\"";
        assert_eq!(HIDING.message(message, "ALTER TABEL x"), message);
        assert_eq!(HIDING.message(message, "DO $$ EXECUTE format(…) $$"), "syntax error at or near \"…\"");
        assert_eq!(HIDING.message("\"v\" is not a table", "ALTER TABLE v"), "\"v\" is not a table");
        assert_eq!(HIDING.message("\"v\" is not a table", ""), "\"…\" is not a table");
    }

    #[test]
    fn constants_in_conditions_go_and_names_stay() {
        for (condition, expected) in [
            ("((status)::text = 'paid'::text)", "((status)::text = '…'::text)"),
            ("(total_2 > 100)", "(total_2 > …)"),
            ("((a = 1.5e-3) AND (b = '-1'::integer) AND (c < .5))", "((a = …) AND (b = '…'::integer) AND (c < …))"),
            ("(customer_id = $1)", "(customer_id = $1)"),
            ("(name = 'O''Hara'::text)", "(name = '…'::text)"),
            ("(name = E'it\\'s'::text)", "(name = E'…'::text)"),
            ("(\"Weird 1 'name'\" = 'x')", "(\"Weird 1 'name'\" = '…')"),
            ("(id = (SubPlan 1))", "(id = (SubPlan 1))"),
            ("(id = (InitPlan 2).col1)", "(id = (InitPlan 2).col1)"),
            ("(status = ANY ('{new,paid}'::text[]))", "(status = ANY ('…'::text[]))"),
            ("created_at DESC", "created_at DESC"),
            ("(a = 'unterminated", "(a = '…'"),
            ("(größe > 3)", "(größe > …)"),
        ] {
            assert_eq!(HIDING.condition(condition), expected);
            assert_eq!(Redactor { show_values: true }.condition(condition), condition);
        }
    }

    #[test]
    fn a_plan_keeps_names_and_numbers_of_its_own() {
        let plan = json!({"Plan": {"Node Type": "Index Scan", "Index Name": "o'1", "Total Cost": 8.3,
            "Index Cond": "(customer_id = 4711)", "Output": ["id", "'x'::text"], "Some New Field": "'y'",
            "Plans": [{"Node Type": "Seq Scan", "Filter": "(email = 'a@b'::text)"}]}, "Settings": {"work_mem": "64MB"}});
        let mut redacted = plan.clone();
        HIDING.plan(&mut redacted);
        assert_eq!(
            redacted,
            json!({"Plan": {"Node Type": "Index Scan", "Index Name": "o'1", "Total Cost": 8.3,
                "Index Cond": "(customer_id = …)", "Output": ["id", "'…'::text"], "Some New Field": "'…'",
                "Plans": [{"Node Type": "Seq Scan", "Filter": "(email = '…'::text)"}]}, "Settings": {"work_mem": "64MB"}})
        );
        let mut shown = plan.clone();
        Redactor { show_values: true }.plan(&mut shown);
        assert_eq!(shown, plan);
    }

    #[test]
    fn a_refusal_is_told_with_detail_and_hint() {
        let error = ServerError {
            sqlstate: "23505".into(),
            message: "could not create unique index \"u\"".into(),
            detail: Some("Key (email)=(ann@example.org) is duplicated.".into()),
            hint: Some("See the manual.".into()),
            ..ServerError::default()
        };
        assert_eq!(
            HIDING.server_error(&error, "CREATE UNIQUE INDEX u ON t (email)"),
            "could not create unique index \"u\"\nDETAIL: Key (email)=(…) is duplicated.\nHINT: See the manual."
        );
    }

    #[test]
    fn what_a_procedure_raises_keeps_only_the_words_of_the_statement() {
        let error = ServerError {
            sqlstate: "P0001".into(),
            message: "bad customer ann@example.org born 1970".into(),
            ..ServerError::default()
        };
        let sql = "DO $$ BEGIN RAISE EXCEPTION 'bad customer % born %', mail, born; END $$";
        assert_eq!(HIDING.server_error(&error, sql), "bad customer … born …");
        assert_eq!(HIDING.server_error(&error, "INSERT INTO t DEFAULT VALUES"), "…");
    }
}
