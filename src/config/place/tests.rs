use crate::config::parse;
use crate::migration::SourceFile;

/// What a file of this text is refused with.
fn refused(text: &str) -> String {
    let file = SourceFile { path: "seatrial.toml".into(), name: "seatrial.toml".to_owned(), text: text.to_owned() };
    parse(&file).unwrap_err().to_string()
}

/// The same for several files.
fn all(texts: &[&str]) -> String {
    texts.iter().map(|text| refused(text)).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn an_unknown_key_is_shown_with_the_one_that_was_meant() {
    insta::assert_snapshot!(all(&[
        "source = \"x.sql\"\nqueris = [\"q\"]\n",
        "[thresholds]\nplan-ratio = 2\n",
        "[thresholds]\ncolour = 2\n",
        "[[database]]\nname = \"a\"\ncache_dir = \"x\"\n",
        "[production]\nsettings.work_men = \"1MB\"\n",
        "[production.settings]\nsearch_path = \"x\"\n",
    ]), @r#"
    seatrial.toml:2:1: unknown key `queris`: did you mean `queries`?
     2 | queris = ["q"]
       | ^^^^^^

    seatrial.toml:2:1: unknown key `plan-ratio`: did you mean `plan_ratio`?
     2 | plan-ratio = 2
       | ^^^^^^^^^^

    seatrial.toml:2:1: unknown key `colour`; known are rows, bytes, hot_tables, held_ms, lock_wait_ms, update_rows, tables, key_share, plan_ratio, plan_blocks, plan_blocks_per_minute, plan_steps, plan_steps_per_minute, stall_ms, transaction_ms and query_ms
     2 | colour = 2
       | ^^^^^^

    seatrial.toml:3:1: unknown key `cache_dir`; known are name, database, migrations, source, fidelity, queries, command, command_variable, command_url, layout, pattern, history_table, transaction, out_of_order, placeholders, role, schema, extensions, postgres_bin, passes, measure_writes, measure_time, calibrate, max_time, max_disk, max_age, max_cache, fail_on, require, require_pending, thresholds, severity, copies, engine, sqlite and production
     3 | cache_dir = "x"
       | ^^^^^^^^^

    seatrial.toml:2:10: unknown key `work_men`: did you mean `work_mem`?
     2 | settings.work_men = "1MB"
       |          ^^^^^^^^

    seatrial.toml:2:1: unknown key `search_path`; docs/configuration.md lists those that are known
     2 | search_path = "x"
       | ^^^^^^^^^^^
    "#);
}

#[test]
fn a_wrong_type_is_shown_with_the_right_one() {
    insta::assert_snapshot!(all(&[
        "queries = \"queries\"\n",
        "queries = [\"a\", 3]\n",
        "source = 3\n",
        "thresholds = 3\n",
        "thresholds = { rows = -1 }\n",
        "thresholds.rows = \"many\"\n",
        "require_pending = \"yes\"\n",
        "database = 3\n",
        "fail_on = true\n",
        "[placeholders]\nschema = 3\n",
    ]), @r#"
    seatrial.toml:1:11: expected an array, found a string
     1 | queries = "queries"
       |           ^^^^^^^^^

    seatrial.toml:1:17: expected a string, found 3
     1 | queries = ["a", 3]
       |                 ^

    seatrial.toml:1:10: expected a string, found 3
     1 | source = 3
       |          ^

    seatrial.toml:1:14: expected a table, found 3
     1 | thresholds = 3
       |              ^

    seatrial.toml:1:23: expected a whole number, 0 or more, found -1
     1 | thresholds = { rows = -1 }
       |                       ^^

    seatrial.toml:1:19: expected a whole number, 0 or more, found a string
     1 | thresholds.rows = "many"
       |                   ^^^^^^

    seatrial.toml:1:19: expected true or false, found a string
     1 | require_pending = "yes"
       |                   ^^^^^

    seatrial.toml:1:12: expected a string, or [[database]] entries, found 3
     1 | database = 3
       |            ^

    seatrial.toml:1:11: expected a string, found a boolean
     1 | fail_on = true
       |           ^^^^

    seatrial.toml:2:10: expected a string, found 3
     2 | schema = 3
       |          ^
    "#);
}

#[test]
fn a_word_that_is_not_known_is_shown_with_those_that_are() {
    insta::assert_snapshot!(all(&[
        "fail_on = \"warnings\"\n",
        "passes = [\"measure\", \"traffick\"]\n",
        "[severity]\n\"lock/fullscan\" = \"off\"\n",
        "severity.\"lock/stall\" = \"of\"\n",
        "require = [\"applys\"]\n",
        "layout = \"goos\"\n",
        "transaction = \"explicit\"\n",
        "format = [\"json=report.json\", \"yaml\"]\n",
    ]), @r#"
    seatrial.toml:1:11: `warnings` is not known here: did you mean `warning`? Known are error, warning and never
     1 | fail_on = "warnings"
       |           ^^^^^^^^^^

    seatrial.toml:1:22: `traffick` is not known here: did you mean `traffic`? Known are measure, prove, attribute, traffic, queue, retry and all
     1 | passes = ["measure", "traffick"]
       |                      ^^^^^^^^^^

    seatrial.toml:2:1: `lock/fullscan` is not known here: did you mean `lock/full-scan`?
     2 | "lock/fullscan" = "off"
       | ^^^^^^^^^^^^^^^

    seatrial.toml:1:25: `of` is not known here: did you mean `off`? Known are error, warning, info and off
     1 | severity."lock/stall" = "of"
       |                         ^^^^

    seatrial.toml:1:12: `applys` is not known here: did you mean `applies`? Known are applies, blocks, slower and undoable
     1 | require = ["applys"]
       |            ^^^^^^^^

    seatrial.toml:1:10: `goos` is not known here: did you mean `goose`? Known are sqlx, diesel, refinery, flyway, liquibase, golang_migrate, goose, dbmate, atlas, prisma, drizzle, sqitch, node_pg_migrate, supabase, graphile_migrate, tern and plain
     1 | layout = "goos"
       |          ^^^^^^

    seatrial.toml:1:15: `explicit` is not known here; known are per_migration, none and all_pending
     1 | transaction = "explicit"
       |               ^^^^^^^^^^

    seatrial.toml:1:31: there is no format "yaml"; available are text, json, markdown, html, sarif, junit, github and gitlab
     1 | format = ["json=report.json", "yaml"]
       |                               ^^^^^^
    "#);
}

#[test]
fn a_value_that_makes_no_sense_is_shown_with_one_that_does() {
    insta::assert_snapshot!(all(&[
        "max_time = \"soon\"\n",
        "max_time = 90\n",
        "max_time = \"99999999999999d\"\n",
        "max_disk = \"20 parsecs\"\n",
        "role = \"\"\n",
        "thresholds.plan_ratio = 0.5\n",
        "thresholds.held_ms = nan\n",
        "format = [\"json=\"]\n",
        "[production]\nversion = \"newest\"\n",
        "[production.settings]\nwork_mem = \"lots\"\n",
        "[production.role_settings.app]\njit = 3\n",
        "[production.sizes]\norders = 3\n",
        "[production.sizes]\nshop.orders = -3\n",
    ]), @r#"
    seatrial.toml:1:12: `soon` is not a duration; write a whole number and s, m, h or d, such as 90s
     1 | max_time = "soon"
       |            ^^^^^^

    seatrial.toml:1:12: expected a string with a duration, such as "90s", found 90
     1 | max_time = 90
       |            ^^

    seatrial.toml:1:12: `99999999999999d` is longer than ten years
     1 | max_time = "99999999999999d"
       |            ^^^^^^^^^^^^^^^^^

    seatrial.toml:1:12: `20 parsecs` is not a size; write a whole number and kB, MB, GB or TB, such as 20GB
     1 | max_disk = "20 parsecs"
       |            ^^^^^^^^^^^^

    seatrial.toml:1:8: an empty string says nothing: leave the key out
     1 | role = ""
       |        ^^

    seatrial.toml:1:25: expected a number, 1 or more, found 0.5
     1 | thresholds.plan_ratio = 0.5
       |                         ^^^

    seatrial.toml:1:22: expected a number, 0 or more, found NaN
     1 | thresholds.held_ms = nan
       |                      ^^^

    seatrial.toml:1:11: `json=` names no file: write json=FILE
     1 | format = ["json="]
       |           ^^^^^^^

    seatrial.toml:2:11: `newest` is not a version of a server; write it as in "16" or "16.4"
     2 | version = "newest"
       |           ^^^^^^^^

    seatrial.toml:2:12: expected a whole number, or one with B, kB, MB, GB or TB, such as "64MB", found "lots"
     2 | work_mem = "lots"
       |            ^^^^^^

    seatrial.toml:2:7: expected true, false, "on" or "off", found "3"
     2 | jit = 3
       |       ^

    seatrial.toml:2:10: `orders` is no table: write its schema too, as in "public.orders", or `database_bytes`
     2 | orders = 3
       |          ^

    seatrial.toml:2:15: expected a whole number, 0 or more, found -3
     2 | shop.orders = -3
       |               ^^
    "#);
}

#[test]
fn what_stands_twice_is_shown_where_it_stands_again() {
    insta::assert_snapshot!(all(&[
        "source = \"a\"\nrole = \"r\"\nsource = \"b\"\n",
        "[thresholds]\nrows = 1\n[thresholds]\n",
        "[[database]]\nname = \"a\"\n[[database]]\nname = \"A\"\n",
    ]), @r#"
    seatrial.toml:3:1: the key `source` stands twice in this table: keep one
     3 | source = "b"
       | ^^^^^^

    seatrial.toml:3:2: the key `thresholds` stands twice in this table: keep one
     3 | [thresholds]
       |  ^^^^^^^^^^

    seatrial.toml:4:8: the name `A` is taken by the entry at line 2: rename one of them
     4 | name = "A"
       |        ^^^
    "#);
}

#[test]
fn databases_need_names_that_are_folders() {
    insta::assert_snapshot!(all(&[
        "[[database]]\nrole = \"app\"\n",
        "[[database]]\nname = \"../x\"\n",
        "database = []\n",
    ]), @r#"
    seatrial.toml:1:1: the key `name` is missing here
     1 | [[database]]
       | ^^^^^^^^^^^^

    seatrial.toml:2:8: `../x` cannot be the name of a folder; use letters, digits, `_`, `-` and `.`, at most 64 of them
     2 | name = "../x"
       |        ^^^^^^

    seatrial.toml:1:12: no databases: write a [[database]] entry for each, or leave the key out
     1 | database = []
       |            ^^
    "#);
}

#[test]
fn text_that_is_no_toml_is_shown_where_it_stops_being_it() {
    insta::assert_snapshot!(all(&[
        "# ours\n\nsource = source.sql\n",
        "source = \"a\n",
        "source =",
        "[thresholds\n",
        "queries = [\"a\"\n\n\n",
    ]), @r#"
    seatrial.toml:3:10: string values must be quoted, expected literal string
     3 | source = source.sql
       |          ^^^^^^^^^^

    seatrial.toml:1:12: invalid basic string, expected `"`
     1 | source = "a
       |            ^

    seatrial.toml:1:9: string values must be quoted, expected literal string
     1 | source =
       |         ^

    seatrial.toml:1:12: unclosed table, expected `]`
     1 | [thresholds
       |            ^

    seatrial.toml:1:15: unclosed array, expected `]`
     1 | queries = ["a"
       |               ^
    "#);
}

#[test]
fn nothing_but_the_line_itself_is_shown_and_no_password_of_it() {
    let text = "source = \"postgres://app:hunter2@db/shop\"\nrole = 3\n# hunter3\n";
    assert!(!refused(text).contains("hunter"), "{}", refused(text));
    insta::assert_snapshot!(all(&[
        "source = \"postgres://app:hunter2@db/shop\" 3\n",
        "passes = [\"postgres://db/shop?user=a&password=hunter2\"]\n",
        "passes = [\"\"\"measure\nhunter2\"\"\"]\n",
        "[placeholders]\napi_token = hunter2\n",
    ]), @r#"
    seatrial.toml:1:43: unexpected key or value, expected newline, `#`
     1 | source = "postgres://app:***@db/shop" 3
       |                                       ^

    seatrial.toml:1:11: `postgres://db/shop?user=a&password=***` is not known here; known are measure, prove, attribute, traffic, queue, retry and all
     1 | passes = ["postgres://db/shop?user=a&password=***"]
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    seatrial.toml:1:11: `measure` is not known here; known are measure, prove, attribute, traffic, queue, retry and all
     1 | passes = ["""measure
       |           ^^^^^^^^^^

    seatrial.toml:2:13: string values must be quoted, expected literal string
     2 | api_token = ***
       |             ^^^
    "#);
    for text in ["role = [\"postgres://a:hunter2@x\"", "source = \"postgres://a:hunter2@x"] {
        assert!(!refused(text).contains("hunter2"), "{}", refused(text));
    }
}

#[test]
fn long_lines_are_cut_around_the_place_and_controls_are_not_printed() {
    let long = format!("queries = [{}3]\n", "\"queries/of/somebody.sql\", ".repeat(9));
    insta::assert_snapshot!(refused(&long), @r#"
    seatrial.toml:1:255: expected a string, found 3
     1 | ries/of/somebody.sql", "queries/of/somebody.sql", 3]
       |                                                   ^
    "#);
    insta::assert_snapshot!(all(&[
        "role\t= 3 # \u{202e}turned\n",
    ]), @"
    seatrial.toml:1:8: expected a string, found 3
     1 | role = 3 # �turned
       |        ^
    ");
}
