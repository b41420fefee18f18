//! What an older SQLite does not understand yet. The copy runs the newest; applications bring their own.

use super::{Answer, Check, Finding, Kind, Rehearsal, Severity, Thresholds, examples, spells, words};
use crate::migration::script::words::Word;
use serde_json::json;

/// What this file finds.
pub(in crate::check) const CHECK: Check = Check { kinds: &[&OLDER_VERSION], find };

const OLDER_VERSION: Kind = Kind::new(
    "sqlite/older-version",
    Severity::Warning,
    Answer::Applies,
    "
        A statement uses what came to SQLite after the oldest version that runs these migrations, as `version` in `[sqlite]` of
        `seatrial.toml` names it. The copy runs a newer one, so it ran here and fails there. Nothing is said where no version is
        named. The versions are those of SQLite's own release notes.
    ",
)
.with(examples!("sqlite/older-version"));

/// The version something came with: the last two numbers, after 3.
type Since = (u32, u32);

/// A form of a statement.
struct Form {
    /// For people.
    what: &'static str,
    since: Since,
    is_in: fn(&[Word<'_>]) -> bool,
}

/// Forms by the version they came with. Source: SQLite's release notes ("History Of SQLite Releases").
const FORMS: &[Form] = &[
    Form { what: "ALTER TABLE … ALTER COLUMN", since: (53, 0), is_in: |all| alters(all, &["ALTER"]) },
    Form { what: "ALTER TABLE … ADD CONSTRAINT or CHECK", since: (53, 0), is_in: adds_constraint },
    Form { what: "ALTER TABLE … DROP CONSTRAINT", since: (53, 0), is_in: |all| alters(all, &["DROP", "CONSTRAINT"]) },
    Form { what: "ALTER TABLE … DROP COLUMN", since: (35, 0), is_in: drops_column },
    Form { what: "ALTER TABLE … RENAME COLUMN", since: (25, 0), is_in: renames_column },
    Form { what: "STRICT tables", since: (37, 0), is_in: strict },
    Form { what: "RETURNING", since: (35, 0), is_in: |all| written(all) && at_top(all, &["RETURNING"]) },
    Form { what: "MATERIALIZED", since: (35, 0), is_in: |all| anywhere(all, &["AS", "MATERIALIZED"]) },
    Form { what: "NOT MATERIALIZED", since: (35, 0), is_in: |all| anywhere(all, &["AS", "NOT", "MATERIALIZED"]) },
    Form { what: "UPDATE … FROM", since: (33, 0), is_in: updates_from },
    Form { what: "generated columns", since: (31, 0), is_in: generated },
    Form { what: "NULLS FIRST", since: (30, 0), is_in: |all| anywhere(all, &["NULLS", "FIRST"]) },
    Form { what: "NULLS LAST", since: (30, 0), is_in: |all| anywhere(all, &["NULLS", "LAST"]) },
    Form { what: "VACUUM INTO", since: (27, 0), is_in: |all| starts(all, "VACUUM") && anywhere(all, &["INTO"]) },
    Form {
        what: "window functions",
        since: (25, 0),
        is_in: |all| opens(all, "OVER") || anywhere(all, &["OVER"]) && anywhere(all, &["WINDOW"]),
    },
    Form { what: "UPSERT (ON CONFLICT … DO)", since: (24, 0), is_in: upserts },
    Form { what: "RIGHT JOIN", since: (39, 0), is_in: |all| joins(all, "RIGHT") },
    Form { what: "FULL JOIN", since: (39, 0), is_in: |all| joins(all, "FULL") },
    Form { what: "IS DISTINCT FROM", since: (39, 0), is_in: |all| anywhere(all, &["DISTINCT", "FROM"]) },
    Form {
        what: "the operators -> and ->>",
        since: (38, 0),
        is_in: |all| all.iter().any(|word| matches!(word.text, "->" | "->>")),
    },
];

/// Functions by the version they came with, likewise.
const FUNCTIONS: &[(&[&str], Since)] = &[
    (&["iif"], (32, 0)),
    (
        &[
            "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "cos", "cosh", "degrees",
            "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi", "pow", "power", "radians", "sin", "sinh",
            "sqrt", "tan", "tanh", "trunc",
        ],
        (35, 0),
    ),
    // Before that they were there only where somebody had compiled them in.
    (
        &[
            "json",
            "json_array",
            "json_array_length",
            "json_extract",
            "json_insert",
            "json_object",
            "json_patch",
            "json_remove",
            "json_replace",
            "json_set",
            "json_type",
            "json_valid",
            "json_quote",
            "json_group_array",
            "json_group_object",
            "json_each",
            "json_tree",
            "format",
            "unixepoch",
        ],
        (38, 0),
    ),
    (&["unhex"], (41, 0)),
    (&["octet_length", "timediff"], (43, 0)),
    (&["concat", "concat_ws", "string_agg"], (44, 0)),
    (
        &[
            "jsonb",
            "jsonb_array",
            "jsonb_extract",
            "jsonb_insert",
            "jsonb_object",
            "jsonb_patch",
            "jsonb_remove",
            "jsonb_replace",
            "jsonb_set",
            "jsonb_group_array",
            "jsonb_group_object",
        ],
        (45, 0),
    ),
    (&["json_pretty"], (46, 0)),
    (&["unistr", "unistr_quote"], (50, 0)),
];

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(oldest) = rehearsal.embedded.as_ref().and_then(|facts| facts.oldest_version) else { return Vec::new() };
    let mut told: Vec<String> = Vec::new();
    let mut findings = Vec::new();
    for observation in &rehearsal.observations {
        let Some(sql) = rehearsal.sql(observation.statement) else { continue };
        for (what, (minor, patch)) in used(sql) {
            if oldest >= (3, minor, patch) || told.contains(&what) {
                continue;
            }
            let (first, second, third) = oldest;
            findings.push(
                Finding::measured(
                    &OLDER_VERSION,
                    Some(observation.statement),
                    Vec::new(),
                    format!("uses {what}, which SQLite has since 3.{minor}.{patch}; the oldest version that runs this is {first}.{second}.{third}"),
                    "write it so that the oldest version understands it, or raise `version` in `[sqlite]` once nobody runs that one"
                        .to_owned(),
                )
                .with(json!({ "what": what, "since": format!("3.{minor}.{patch}"), "oldest": format!("{first}.{second}.{third}") })),
            );
            told.push(what);
        }
    }
    findings
}

/// What a statement uses, with the version that brought it.
fn used(sql: &str) -> Vec<(String, Since)> {
    let all = words(sql);
    let forms = FORMS.iter().filter(|form| (form.is_in)(&all)).map(|form| (form.what.to_owned(), form.since));
    let called = all.windows(2).filter(|pair| pair[1].text == "(").filter_map(|pair| {
        let mut known = FUNCTIONS.iter().flat_map(|(names, since)| names.iter().map(move |name| (name, since)));
        let (name, since) = known.find(|(name, _)| spells(&pair[0], name))?;
        Some((format!("{name}()"), *since))
    });
    // A table or a column list may bear the name of a function: `INSERT INTO log (…)`.
    let named = |name: &str| {
        all.windows(3).any(|three| {
            let place = ["INTO", "TABLE", "ON", "REFERENCES", "EXISTS", "INDEX"].iter().any(|word| three[0].is(word));
            place && three[2].text == "(" && spells(&three[1], name.trim_end_matches("()"))
        })
    };
    let mut found: Vec<(String, Since)> = forms.chain(called).filter(|(what, _)| !named(what)).collect();
    found.dedup();
    found
}

fn starts(all: &[Word<'_>], keyword: &str) -> bool {
    all.first().is_some_and(|first| first.is(keyword))
}

fn anywhere(all: &[Word<'_>], keywords: &[&str]) -> bool {
    all.windows(keywords.len()).any(|words| words.iter().zip(keywords).all(|(word, keyword)| word.is(keyword)))
}

fn at_top(all: &[Word<'_>], keywords: &[&str]) -> bool {
    let top: Vec<Word<'_>> = all.iter().filter(|word| word.depth == 0).cloned().collect();
    anywhere(&top, keywords)
}

/// `OVER (…)`.
fn opens(all: &[Word<'_>], keyword: &str) -> bool {
    all.windows(2).any(|pair| pair[0].is(keyword) && pair[1].text == "(")
}

fn written(all: &[Word<'_>]) -> bool {
    ["INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"].iter().any(|keyword| starts(all, keyword))
}

/// The words behind the table's name in `ALTER TABLE`.
fn action<'a, 'w>(all: &'a [Word<'w>]) -> &'a [Word<'w>] {
    let is_alter = matches!(all, [first, second, ..] if first.is("ALTER") && second.is("TABLE"));
    let verb = |word: &Word<'_>| ["ADD", "DROP", "ALTER", "RENAME"].iter().any(|verb| word.is(verb));
    let at = all.iter().skip(3).position(verb).filter(|_| is_alter);
    at.map_or(&[], |at| &all[at + 3..])
}

fn alters(all: &[Word<'_>], keywords: &[&str]) -> bool {
    let action = action(all);
    action.len() >= keywords.len() && action.iter().zip(keywords).all(|(word, keyword)| word.is(keyword))
}

fn adds_constraint(all: &[Word<'_>]) -> bool {
    alters(all, &["ADD", "CONSTRAINT"])
        || matches!(action(all), [add, check, open, ..] if add.is("ADD") && check.is("CHECK") && open.text == "(")
}

fn drops_column(all: &[Word<'_>]) -> bool {
    alters(all, &["DROP"]) && !alters(all, &["DROP", "CONSTRAINT"])
}

fn renames_column(all: &[Word<'_>]) -> bool {
    alters(all, &["RENAME"]) && !alters(all, &["RENAME", "TO"])
}

/// `) STRICT`, `) WITHOUT ROWID, STRICT`.
fn strict(all: &[Word<'_>]) -> bool {
    let close = all.iter().rposition(|word| word.text == ")" && word.depth == 0);
    starts(all, "CREATE")
        && anywhere(all, &["TABLE"])
        && close.is_some_and(|close| all[close + 1..].iter().any(|word| word.is("STRICT")))
}

fn updates_from(all: &[Word<'_>]) -> bool {
    starts(all, "UPDATE") && at_top(all, &["FROM"])
}

/// `AS (` in a column's definition, with or without `GENERATED ALWAYS`.
fn generated(all: &[Word<'_>]) -> bool {
    let defines = starts(all, "CREATE") && anywhere(all, &["TABLE"]) && !anywhere(all, &["TRIGGER"]);
    let depth = if defines { 1 } else { 0 };
    let defines = defines || alters(all, &["ADD"]);
    let of_column = |pair: &[Word<'_>]| pair[0].is("AS") && pair[0].depth == depth && pair[1].text == "(";
    defines && all.windows(2).any(of_column)
}

fn upserts(all: &[Word<'_>]) -> bool {
    let at = all.windows(2).position(|pair| pair[0].is("ON") && pair[1].is("CONFLICT"));
    written(all) && at.is_some_and(|at| all[at..].iter().any(|word| word.is("DO")))
}

/// `RIGHT JOIN`, `FULL OUTER JOIN`.
fn joins(all: &[Word<'_>], side: &str) -> bool {
    anywhere(all, &[side, "JOIN"]) || anywhere(all, &[side, "OUTER", "JOIN"])
}

#[cfg(test)]
mod tests {
    use super::used;

    #[test]
    fn forms_are_told_by_their_words_and_not_by_names_that_look_like_them() {
        let told = |sql: &str| used(sql).into_iter().map(|(what, _)| what).collect::<Vec<_>>();
        for (sql, what) in [
            ("ALTER TABLE o DROP COLUMN note", "ALTER TABLE … DROP COLUMN"),
            ("ALTER TABLE main.o DROP note", "ALTER TABLE … DROP COLUMN"),
            ("ALTER TABLE \"o\" RENAME note TO remark", "ALTER TABLE … RENAME COLUMN"),
            ("ALTER TABLE o ALTER COLUMN a SET NOT NULL", "ALTER TABLE … ALTER COLUMN"),
            ("ALTER TABLE o ADD CONSTRAINT c CHECK (a > 0)", "ALTER TABLE … ADD CONSTRAINT or CHECK"),
            ("ALTER TABLE o DROP CONSTRAINT c", "ALTER TABLE … DROP CONSTRAINT"),
            ("CREATE TABLE t (a INT) WITHOUT ROWID, STRICT", "STRICT tables"),
            ("CREATE TABLE t (a INT, b INT AS (a * 2))", "generated columns"),
            ("ALTER TABLE t ADD COLUMN b INT GENERATED ALWAYS AS (a)", "generated columns"),
            ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING", "UPSERT (ON CONFLICT … DO)"),
            ("DELETE FROM t RETURNING a", "RETURNING"),
            ("UPDATE t SET a = u.a FROM u WHERE t.b = u.b", "UPDATE … FROM"),
            ("VACUUM INTO 'x'", "VACUUM INTO"),
            ("SELECT rank() OVER (ORDER BY a) FROM t", "window functions"),
            ("UPDATE t SET a = sqrt(b)", "sqrt()"),
            ("UPDATE t SET a = json_extract(b, '$.c')", "json_extract()"),
            ("UPDATE t SET a = b ->> 'c'", "the operators -> and ->>"),
        ] {
            assert_eq!(told(sql), [what], "{sql}");
        }
        for sql in [
            "ALTER TABLE o RENAME TO p",
            "ALTER TABLE o ADD COLUMN \"drop\" TEXT DEFAULT ('DROP COLUMN')",
            "CREATE TABLE strict (a INT, returning TEXT)",
            "INSERT INTO log (a) VALUES ('RETURNING')",
            "UPDATE t SET a = (SELECT b FROM u)",
            "CREATE TABLE t AS SELECT a AS b FROM u",
            "CREATE VIEW v AS SELECT a FROM t -- RETURNING",
            "INSERT OR REPLACE INTO t VALUES (1)",
            "VACUUM",
        ] {
            assert_eq!(told(sql), Vec::<String>::new(), "{sql}");
        }
    }
}
