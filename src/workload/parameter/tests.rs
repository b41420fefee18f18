use super::*;
use proptest::prelude::*;

const PG: script::Dialect = script::Dialect::PostgreSql;

fn rewritten(sql: &str) -> (String, Vec<String>) {
    rewrite(sql).expect("parameters that can be told")
}

fn named(sql: &str, expected: &str, names: &[&str]) {
    let (text, found) = rewritten(sql);
    assert_eq!(text, expected);
    assert_eq!(found, names, "{sql}");
}

#[test]
fn every_style_of_name_becomes_a_number() {
    named("SELECT :a, :b, :a::text", "SELECT $1, $2, $1::text", &["a", "b"]);
    named("a = @a AND b = @B", "a = $1 AND b = $2", &["a", "B"]);
    named("sqlc.arg(a), sqlc.narg('b') , SQLC.ARG( a )", "$1, $2 , $1", &["a", "b"]);
    named("pggen.arg('x') + @x", "$1 + $1", &["x"]);
    named("IN (sqlc.slice('ids'))", "IN ($1)", &["ids"]);
    named("SELECT sqlc.embed(orders), @id", "SELECT orders.*, $1", &["id"]);
    named("SELECT:a,1:b", "SELECT $1,1 $2", &["a", "b"]);
    named("ARRAY[:a, :b] LIMIT :n", "ARRAY[$1, $2] LIMIT $3", &["a", "b", "n"]);
}

#[test]
fn positions_name_themselves_even_when_some_are_unused() {
    named("SELECT $2, $1, $2", "SELECT $2, $1, $2", &["1", "2"]);
    named("SELECT $3", "SELECT $3", &["1", "2", "3"]);
}

#[test]
fn what_only_looks_like_a_parameter_stays() {
    for sql in [
        "SELECT ':a @b $1' /* :c */, $$ :d $$ -- :e",
        "SELECT x::int, f(a := 1, b => 2)",
        "SELECT x[1:2], x[a:b], x[f(1):n], x[1:n][a:b]",
        "SELECT a @> b, b <@ a, a @@ q, @ -1, @-1, x<->y, a ? 'k', a ?| b",
        "SELECT JSON_OBJECT('a':b, 'c': d)",
        "SELECT a$1$b, \":a\"",
        "SELECT '2024-01-01 10:20'::timestamp",
        "SELECT s.sqlc.arg FROM sqlc.args",
    ] {
        assert_eq!(rewritten(sql), (sql.to_owned(), vec![]));
    }
}

#[test]
fn brackets_hold_parameters_where_no_value_precedes_the_colon() {
    named("x[:n]", "x[$1]", &["n"]);
    named("x[:lo : :hi]", "x[$1 : $2]", &["lo", "hi"]);
    named("x[(:a)]", "x[($1)]", &["a"]);
    named("f(x[1:2], :a)", "f(x[1:2], $1)", &["a"]);
    named("JSON_OBJECT('k': :v)", "JSON_OBJECT('k': $1)", &["v"]);
}

#[test]
fn parameters_of_hugsql_may_have_hyphens_and_types() {
    let hugsql = Dialect { hugsql: true, ..Dialect::default() };
    let rewritten = |sql: &str| rewrite_as(sql, &hugsql);
    let (text, names) = rewritten("a = :user-id AND b IN (:v*:ids) AND c = :v:c::int").expect("values");
    assert_eq!(text, "a = $1 AND b IN ($2) AND c = $3::int");
    assert_eq!(names, ["user_id", "ids", "c"]);
    for (sql, found) in [
        ("SELECT * FROM :i:table", ":i:table"),
        ("SELECT :i*:columns FROM t", ":i*:columns"),
        ("SELECT 1 :sql:tail", ":sql:tail"),
        ("SELECT 1 :snip:tail", ":snip:tail"),
        ("INSERT INTO t VALUES :t*:rows", ":t*:rows"),
        ("SELECT 1 /*~ (when x) ~*/", "/*~ (when x) ~*/"),
    ] {
        assert_eq!(rewritten(sql).map_err(|error| error.kind), Err(ParameterErrorKind::Macro(found.into())), "{sql}");
    }
}

#[test]
fn parameters_of_pgtyped_stand_for_lists_and_rows() {
    let expansions = [("ages", "(...)"), ("users", "((name, age!)...)"), ("user", "(name, age)")];
    let expansions = expansions.map(|(name, shape)| (name.to_owned(), Expansion::parse(shape).expect(shape)));
    let pgtyped = Dialect { pgtyped: true, expansions: expansions.into(), ..Dialect::default() };
    let (text, names) = rewrite_as("age IN :ages AND id = :id! AND x = :id", &pgtyped).expect("a list");
    assert_eq!((text.as_str(), names), ("age IN ($1) AND id = $2 AND x = $2", vec!["ages".into(), "id".into()]));
    let (text, names) = rewrite_as("INSERT INTO u VALUES :users RETURNING id", &pgtyped).expect("rows");
    assert_eq!(text, "INSERT INTO u VALUES ($1, $2) RETURNING id");
    assert_eq!(names, ["users_name", "users_age"]);
    assert_eq!(rewrite_as("VALUES :user", &pgtyped).expect("a row").0, "VALUES ($1, $2)");
    for shape in ["", "...", "()", "(a b)", "((a)..."] {
        assert_eq!(Expansion::parse(shape), None, "{shape}");
    }
}

#[test]
fn parameters_of_psycopg_are_named_or_refused() {
    named("a = %(a)s AND b % 2 = 1 AND c = (%(c)s)", "a = $1 AND b % 2 = 1 AND c = ($2)", &["a", "c"]);
    assert_eq!(rewrite("a = %s").map_err(|error| error.kind), Err(ParameterErrorKind::Nameless));
    assert_eq!(rewrite("a %s"), Ok(("a %s".to_owned(), vec![])));
}

#[test]
fn what_is_sql_only_later_is_refused() {
    for (sql, found) in [("SELECT {{ column }}", "{{…}}"), ("SELECT sqlc.future('x')", "sqlc.future(…)")] {
        assert_eq!(rewrite(sql).map_err(|error| error.kind), Err(ParameterErrorKind::Macro(found.into())), "{sql}");
    }
}

#[test]
fn names_and_numbers_do_not_mix() {
    let error = rewrite("SELECT :a, $1").expect_err("mixed");
    assert_eq!(error.offset, 11);
    assert_eq!(error.kind, ParameterErrorKind::Mixed { found: "$1".into(), earlier: ":a".into() });
    let error = rewrite("SELECT $2, sqlc.arg(x)").expect_err("mixed");
    assert_eq!(error.offset, 11);
    assert_eq!(error.kind, ParameterErrorKind::Mixed { found: "sqlc.arg(x)".into(), earlier: "$2".into() });
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    for (sql, offset, kind) in [
        ("SELECT $0", 7, ParameterErrorKind::Number("$0".into())),
        ("SELECT $99999999999999999999", 7, ParameterErrorKind::Number("$99999999999999999999".into())),
        ("a sqlc.arg()", 2, ParameterErrorKind::Function("sqlc.arg".into())),
        ("a sqlc.arg", 2, ParameterErrorKind::Function("sqlc.arg".into())),
        ("a sqlc.arg(a, b)", 2, ParameterErrorKind::Function("sqlc.arg".into())),
        ("= :'x'", 2, ParameterErrorKind::Interpolation(":'x'".into())),
    ] {
        assert_eq!(rewrite(sql), Err(ParameterError { offset, kind }), "{sql}");
    }
}

#[test]
fn sets_are_cut_at_commas_outside_quotes_and_parentheses() {
    let found = assignments("id = 1, s='paid, x' ,\t$2 = ARRAY[1,2]::int[], t = (now() - interval '1 day'), n=-1", PG)
        .expect("a set");
    let found: Vec<(&str, &str)> =
        found.iter().map(|assignment| (assignment.name.as_str(), assignment.value.as_str())).collect();
    assert_eq!(
        found,
        [("id", "1"), ("s", "'paid, x'"), ("2", "ARRAY[1,2]::int[]"), ("t", "(now() - interval '1 day')"), ("n", "-1")]
    );
}

#[test]
fn sets_that_are_no_sets_are_refused() {
    for text in ["", "id", "id =", "= 1", "id = 1,", "id = 'a", "id = (1", "id = 1)", "id = 1; x = 2", "id = $2"] {
        assert!(assignments(text, PG).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_taken_without_a_panic(text in "\\PC*|[a-c:@$1.()'\\[\\] =,]{0,60}") {
        let _ = assignments(&text, PG);
        if let Ok((rewritten, names)) = rewrite(&text) {
            // What was rewritten has no names left: it only has numbers, as many as were counted.
            let (again, numbers) = rewrite(&rewritten).expect("only numbers are left");
            prop_assert_eq!(again, rewritten);
            prop_assert_eq!(numbers.len(), names.len());
        }
    }
}
