//! What servers say, on its way to people: nothing of it moves a cursor, and nothing is cut in half.

use crate::corpus;
use crate::run::fuzz;
use crate::text::{SQL, Texts};
use seatrial::engine::ServerError;
use seatrial::report::redact::Redactor;
use seatrial::report::{markdown, view, visible};
use seatrial::snapshot::plan::{expression, quote_identifier_if_needed};

const SAID: &[&str] = &[
    "duplicate key value violates unique constraint \"a_key\"",
    "Key (a, b)=(1, (x)) already exists.",
    "Failing row contains (1, null, é).",
    "column \"x\" of relation \"t\" does not exist",
    "invalid input syntax for type integer: \"abc\"",
    "relation «t» does not exist",
    "„x“",
    "»x«",
    "“",
    "”",
    "at or near \"",
    "LINE 1: ",
    "Key (",
    ")=(",
    ") is not present in table \"t\".",
    "value too long for type character varying(3)",
    "1e999",
    "-5",
    "cannot drop table a because other objects depend on it",
    "view v depends on table a\n",
    "\"\"\"",
    "((a = 1) AND (b = 'x'::text))",
    "ANY ('{1,2}'::integer[])",
    "(CASE WHEN (a > 5) THEN 'x' ELSE \"B\" END)",
    "(SubPlan 1)",
    "t.\"a b\"",
    "$1",
    "(hashed SubPlan 2)",
];

fn shown(text: &str) {
    let half = text.floor_char_boundary(text.len() / 2);
    let (sql, detail) = text.split_at(half);
    for show_values in [false, true] {
        let redactor = Redactor { show_values };
        let error = ServerError {
            sqlstate: ["23505", "42703", "P0001", "22P02", "2BP01"][text.len() % 5].to_owned(),
            message: text.to_owned(),
            detail: Some(detail.to_owned()),
            hint: Some(sql.to_owned()),
            position: Some(half),
            ..ServerError::default()
        };
        let _ =
            (redactor.server_error(&error, sql), redactor.detail(text), redactor.condition(text), error.to_string());
    }
    let redactor = Redactor::default();
    let masked = redactor.message(text, "");
    assert!(masked.len() <= text.len() * 4 + 8);
    let masked = expression::mask(text);
    assert_eq!(expression::mask(&masked), masked, "masked twice");
    let _ = expression::conjuncts(text, &expression::Renaming::default());
    let _ = quote_identifier_if_needed(text);
    let line = visible::visible(text);
    assert!(!line.chars().any(visible::is_unprintable), "{line:?}");
    for width in [1, 7, 40] {
        assert!(visible::columns(&visible::clip(&line, width)) <= width.max(1), "{width}");
        for each in visible::wrap(&line, width) {
            assert!(visible::columns(&each) <= width.max(2), "{width}: {each:?}");
        }
        let _ = view::sql_line(text, width);
    }
    for text in [markdown::text(text), markdown::code(text)] {
        assert!(!text.chars().any(visible::is_unprintable), "{text:?}");
    }
}

#[test]
fn messages() {
    let texts =
        Texts::new(&corpus::texts(&["tests/scenarios", "sample-data"], ".sql", 20_000), 160, 1, &[SAID, SAID, SQL]);
    fuzz("messages", 66, |random| texts.make(random), shown);
}
