//! Registered hot queries, and where they are imported from.

use crate::corpus;
use crate::random::Random;
use crate::run::fuzz;
use crate::sql::DIALECTS;
use crate::text::{SQL, Texts};
use seatrial::migration::SourceFile;
use seatrial::migration::recorded;
use seatrial::migration::script::{Dialect, split};
use seatrial::workload::import::{self, Import, csv, log, registry, view};
use seatrial::workload::source::sql_file;
use seatrial::workload::{HotQuery, naming};
use std::collections::BTreeSet;
use std::sync::Arc;

const HEADERS: &[&str] = &[
    "-- name: a\n",
    "-- name: Get-User :one\n",
    "/* name: b :many */\n",
    "/*\n * name: c\n * weight: 3\n */\n",
    "-- name: é\n",
    "-- name:\n",
    "-- NAME: x\n",
    "-- :name get-all :? :*\n",
    "-- :doc what\n",
    "/* @name GetAll */\n",
    "/*\n  @name Get\n  @param ids -> (...)\n*/\n",
    "-- @param a -> ((x, y)...)\n",
    "-- owner: me\n",
    "-- owner:\n",
    "-- weight: 3\n",
    "-- weight: 1e999\n",
    "-- weight: -1\n",
    "-- weight: NaN\n",
    "-- imported: weight = 3\n",
    "-- max_buffers: 18446744073709551616\n",
    "-- max_steps: 1_000\n",
    "-- must_use_index: a, \"b c\".d\n",
    "-- no_seq_scan_over: 1\n",
    "-- plan_ratio: 1\n",
    "-- plan_blocks: 2\n",
    "-- plan_steps: 3\n",
    "-- query_ms: 4\n",
    "-- role: web\n",
    "-- set: jit = off\n",
    "-- set: x\n",
    "-- search_path: a, b\n",
    "-- types: $1 = bigint, b = text[]\n",
    "-- params p: $1 = 1, $2 = 'x'\n",
    "-- params q: a = (1, 2), b = '{\"x\":1}'\n",
    "-- params p: a = 'é\n",
    "-- params : =\n",
    "-- params p: a = b = c,\n",
    "-- params p: a = now() - interval '1 day'\n",
    "-- expect: rows\n",
    "-- sql\n",
    "-- ower: x\n",
    "SELECT * FROM t WHERE a = :a AND b = @b;\n",
    "SELECT $1, $2;\n",
    "SELECT 1;\n",
    "SELECT :a",
];

fn hold(query: &HotQuery) {
    assert!(!query.name.is_empty() && query.name.len() < 1_000_000);
    assert!(query.file.text.is_char_boundary(query.offset) && query.offset < query.file.text.len());
    for set in &query.sets {
        assert_eq!(set.values.len(), query.parameters.len(), "values of {}", set.name);
    }
    assert!(query.types.is_empty() || query.types.len() == query.parameters.len());
    assert!(query.weight.is_finite() && query.weight >= 0.0, "{}", query.weight);
    let lines = query.file.text.split('\n').count();
    let line: usize = query.place().rsplit(':').next().unwrap().parse().unwrap();
    assert!((1..=lines).contains(&line));
    let _ = query.prepare("s");
}

fn registered(text: &str) {
    // The reader of files takes the mark away.
    let text = text.trim_start_matches('\u{feff}');
    let file = Arc::new(SourceFile { path: "q.sql".into(), name: "q.sql".to_owned(), text: text.to_owned() });
    for dialect in DIALECTS {
        match sql_file::read(&file, dialect) {
            Ok(queries) => {
                queries.iter().for_each(hold);
                let weights: Vec<(String, f64)> = queries.iter().map(|query| (query.name.clone(), 7.0)).collect();
                let entry = "-- name: added by a test\nSELECT 'added';\n".to_owned();
                let merged = registry::merge(text, &queries, &weights, std::slice::from_ref(&entry));
                assert!(merged.text.contains(&entry) && merged.text.len() < text.len() + 2_000);
                let same = registry::merge(text, &queries, &[], &[]);
                assert_eq!(same.text, text, "nothing to merge");
            }
            Err(error) => {
                let error = error.to_string();
                let line = error.strip_prefix("q.sql:").and_then(|rest| rest.split_once(": ")).expect("file and line");
                let number: usize = line.0.parse().expect("a line");
                assert!((1..=text.split('\n').count()).contains(&number), "{error}");
            }
        }
    }
}

#[test]
fn registry_headers() {
    let queries =
        corpus::texts(&["sample-data/queries", "sample-data/sqlite/queries", "tests/shop/queries"], ".sql", 20_000);
    let texts = Texts::new(&queries, 700, 1, &[HEADERS, HEADERS, SQL]);
    fuzz("registry_headers", 110, |random| texts.make(random), registered);
}

const LOGGED: &[&str] = &[
    "2026-01-01 00:00:00.000 UTC [7] app@shop LOG:  ",
    "LOG:  ",
    "ERROR:  ",
    "DETAIL:  ",
    "\n\t",
    "\n",
    "00000: ",
    "duration: 1.5 ms  ",
    "duration: ",
    " ms",
    "statement: ",
    "execute <unnamed>: ",
    "execute s/p: ",
    "execute fetch from s: ",
    "plan:\n",
    "Query Text: ",
    "Query Parameters: $1 = 'x'\n",
    "parameters: $1 = '5', $2 = NULL, $3 = 'a, $4 = ''b'''",
    "parameters: $1 = '",
    "Parameters: ",
    "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n",
    "{\"error_severity\": \"LOG\", \"message\": \"execute s: SELECT $1\", \"detail\": \"parameters: $1 = 'x'\"}\n",
    "{\"Query Text\": \"SELECT 1\"}",
    "\\ud800",
    "2026-01-01 00:00:00.000 UTC,\"app\",\"shop\",7,\"[local]\",6.7,1,\"SELECT\",2026-01-01 00:00:00 UTC,3/4,0,LOG,00000,",
    "2026-01-01 00:00:00.000 UTC,\"app\",\"shop\",7,\"[local]\",6.7,1,\"SELECT\",2026-01-01 00:00:00 UTC,3/4,0,LOG,00000,\"statement: SELECT \"\"a\"\"\",,,,,,,,,\"psql\",\"client backend\",,0\n",
    "2026-01-01 00:00:00.000 UTC,\"app\",\"shop\",7,\"[local]\",6.7,1,\"SELECT\",2026-01-01 00:00:00 UTC,3/4,0,ERROR,42P01,\"no\",,,,,,\"SELECT x\",,,\"psql\",\"client backend\",,0\n",
    ",",
    "\"",
    "\"\"",
    ",,,,,,,,\"psql\",\"client backend\",,0\n",
    "userid,queryid,query,calls,total_exec_time\n",
    "query,calls\n",
    "1,7,\"SELECT a FROM t WHERE c = $1\",10,5.5\n",
    "1,8,SELECT now() - interval $1,NaN,inf\n",
    "SELECT a FROM t WHERE b = $1",
    "SELECT $2, $1 FROM t",
    "select 'x', 5",
    "<insufficient privilege>",
];

/// One import: what was found can be written to a file and read from it.
fn imported(import: &Import) {
    let mut names = registry::Names::new(BTreeSet::new());
    for found in &import.found {
        assert!(!found.sql.is_empty() && found.parameters.len() <= 65_535, "{} parameters", found.parameters.len());
        let bare = import::without_constants(&found.sql);
        assert!(bare.len() <= found.sql.len() * 24);
        let _ = (import::lexical_identity(&found.sql), import::has_constants(&found.sql));
        let wanted = found.name.clone().unwrap_or_else(|| naming::name(&found.sql));
        let text = registry::entry(&names.free(&wanted), found, true);
        let file = Arc::new(SourceFile { path: "q.sql".into(), name: "q.sql".to_owned(), text });
        // What a file takes for parameters, commands or a header of its own is not what a server logs, or cannot be kept.
        let ends = split(&format!("{};", found.sql)) == Ok(std::iter::once(0..found.sql.len()).collect());
        // No server takes `$0` or more parameters than the protocol has numbers for.
        let beyond = found.sql.split('$').skip(1).any(|rest| {
            let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
            !digits.is_empty() && !digits.parse().is_ok_and(|number: u32| (1..=65_535).contains(&number))
        });
        let special =
            !ends || beyond || found.sql.contains(|c: char| ":@%{}\\".contains(c)) || found.sql.contains("/*+");
        if special || ["sqlc", "pggen"].iter().any(|each| found.sql.to_lowercase().contains(each)) {
            let _ = sql_file::read(&file, Dialect::PostgreSql);
            continue;
        }
        let queries =
            sql_file::read(&file, Dialect::PostgreSql).unwrap_or_else(|error| panic!("{error}\n{}", file.text));
        assert_eq!(queries.len(), 1, "{}", file.text);
        assert_eq!(queries[0].sql, found.sql, "written and read");
        let sets: Vec<&Vec<String>> = queries[0].sets.iter().map(|set| &set.values).collect();
        assert_eq!(sets, found.sets.iter().map(|(values, _)| values).collect::<Vec<_>>(), "sets, written and read");
    }
}

fn logged(text: &str) {
    if let Some(import) = log::read("a.log", text) {
        imported(&import);
    }
    if let Some(import) = view::read_csv("a.csv", text, 20) {
        imported(&import);
    }
    imported(&view::take("a view", vec![view::Row { query: text.to_owned(), calls: 2.0, ..view::Row::default() }], 5));
    let lines = text.split('\n').count();
    for (line, fields) in csv::records(text) {
        assert!((1..=lines).contains(&line) && !fields.is_empty());
    }
    for entry in import::text::entries(text) {
        assert!((1..=lines).contains(&entry.line));
        let _ = import::message::read(&entry.message, &entry.detail);
    }
    if let Some(values) = import::values::read(text) {
        assert!(values.iter().all(|value| !value.contains(['\n', '\r'])), "a value on several lines");
    }
    recorded::log::sent(text, "app");
}

/// A log, the view, or neither, with lines of SQL in it.
fn log(texts: &Texts, random: &mut Random) -> String {
    let head = match random.below(6) {
        0 => LOGGED[26 + random.below(2)],
        1 => LOGGED[23],
        2 => LOGGED[0],
        _ => "",
    };
    format!("{head}{}", texts.make(random))
}

#[test]
fn imports() {
    let queries = corpus::texts(&["sample-data/queries", "tests/shop/queries"], ".sql", 20_000);
    let texts = Texts::new(&queries, 400, 1, &[LOGGED, LOGGED, SQL]);
    fuzz("imports", 90, |random| log(&texts, random), logged);
}
