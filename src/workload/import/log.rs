//! A server's log in any of its three formats, counted.

use super::message::{self, Executed, Seen};
use super::text::{Entry, entries};
use super::{Found, Import, Refused, bare, csv, merge, parameters, unpreparable};
use serde_json::Value;
use std::collections::BTreeMap;

/// Columns of a csvlog: message and detail, and how many there are at least.
const MESSAGE: usize = 13;
const DETAIL: usize = 14;
const COLUMNS: usize = 23;

/// Reads a log; `name` is the file's, for people. `None` where the text is not a log of PostgreSQL.
pub fn read(name: &str, text: &str) -> Option<Import> {
    let first = text.trim_start();
    let entries = if first.starts_with('{') {
        json(text)
    } else {
        let records = if first.starts_with(|c: char| c.is_ascii_digit()) { csv::records(text) } else { Vec::new() };
        if records.first().is_some_and(|(_, fields)| fields.len() >= COLUMNS) { comma(records) } else { Vec::new() }
    };
    // Text may begin with as many commas.
    let entries = if entries.is_empty() { self::entries(text) } else { entries };
    if entries.is_empty() {
        return None;
    }
    Some(count(name, &entries))
}

fn json(text: &str) -> Vec<Entry> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let json: Value = serde_json::from_str(line).ok()?;
            let part = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
            let is_log = json["error_severity"].as_str() == Some("LOG");
            is_log.then(|| Entry { line: index + 1, message: part("message"), detail: part("detail") })
        })
        .collect()
}

fn comma(records: Vec<(usize, Vec<String>)>) -> Vec<Entry> {
    let logged = records.into_iter().filter(|(_, fields)| fields.len() >= COLUMNS && fields[11] == "LOG");
    logged
        .map(|(line, mut fields)| Entry {
            line,
            detail: std::mem::take(&mut fields[DETAIL]),
            message: std::mem::take(&mut fields[MESSAGE]),
        })
        .collect()
}

/// What was seen of one text.
#[derive(Default)]
struct Counted {
    line: usize,
    name: Option<String>,
    calls: BTreeMap<Seen, u64>,
    sets: Vec<(Vec<String>, u64)>,
}

fn count(file: &str, entries: &[Entry]) -> Import {
    let mut counted: BTreeMap<String, Counted> = BTreeMap::new();
    let mut refused: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for entry in entries {
        let Some(read) = message::read(&entry.message, &entry.detail) else { continue };
        let refusal = match read {
            Err(reason) => reason,
            Ok(Executed { sql, values, seen }) => {
                let (sql, name) = bare(&sql);
                match unpreparable(&sql) {
                    Some(reason) => reason,
                    None => {
                        let each = counted.entry(sql.clone()).or_default();
                        each.line = if each.line == 0 { entry.line } else { each.line };
                        each.name = each.name.take().or(name);
                        *each.calls.entry(seen).or_default() += 1;
                        let needed = parameters(&sql);
                        let whole = values.filter(|values| needed > 0 && values.len() == needed);
                        each.sets.extend(whole.map(|values| (values, 1)));
                        continue;
                    }
                }
            }
        };
        let (_, times) = refused.entry(refusal).or_insert((entry.line, 0));
        *times += 1;
    }
    let found = counted.into_iter().map(|(sql, each)| Found {
        place: format!("{file}:{}", each.line),
        name: each.name,
        owner: None,
        parameters: (1..=parameters(&sql)).map(|number| number.to_string()).collect(),
        sql,
        types: Vec::new(),
        // An execution that both log is one.
        calls: each.calls.values().copied().max().unwrap_or(1) as f64,
        sets: each.sets,
        identity: None,
        logged: true,
    });
    let mut refused: Vec<(String, usize, u64)> =
        refused.into_iter().map(|(reason, (line, times))| (reason, line, times)).collect();
    refused.sort_by_key(|(_, line, _)| *line);
    let refused = refused.into_iter().map(|(reason, line, times)| Refused {
        place: format!("{file}:{line}"),
        reason: if times > 1 { format!("{reason} ({times} times)") } else { reason },
    });
    Import { found: merge(found.collect(), |each| each.sql.clone()), refused: refused.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(import: &Import) {
        assert_eq!(import.found.len(), 1, "{import:?}");
        let found = &import.found[0];
        assert_eq!((found.sql.as_str(), found.calls), ("SELECT a\nFROM t WHERE b = $1", 3.0));
        assert_eq!(found.sets, [(vec!["'x, $2 = ''y'''".to_owned()], 2), (vec!["NULL".to_owned()], 1)]);
        assert!(import.refused[0].reason.starts_with("BEGIN is a utility statement"), "{import:?}");
    }

    const SQL: &str = "execute <unnamed>: SELECT a\nFROM t WHERE b = $1";
    const DETAILS: [&str; 3] =
        ["parameters: $1 = NULL", "Parameters: $1 = 'x, $2 = ''y'''", "parameters: $1 = 'x, $2 = ''y'''"];

    #[test]
    fn text_is_counted() {
        let mut log = "x LOG:  statement: BEGIN\n".to_owned();
        for detail in DETAILS {
            log.push_str(&format!("x LOG:  {}\nx DETAIL:  {detail}\n", SQL.replace('\n', "\n\t")));
        }
        let import = read("a.log", &log).expect("a log");
        checked(&import);
        assert_eq!(import.found[0].place, "a.log:2");
    }

    #[test]
    fn comma_separated_values_are_counted() {
        let line = |message: &str, detail: &str| {
            let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            format!(
                "2026-01-01 00:00:00.000 UTC,\"app\",\"shop\",7,\"[local]\",6.7,1,\"SELECT\",2026-01-01 00:00:00 UTC,3/4,0,LOG,00000,{},{},,,,,,,,\"psql\",\"client backend\",,0\n",
                quoted(message),
                quoted(detail)
            )
        };
        let mut log = line("statement: BEGIN", "");
        DETAILS.iter().for_each(|detail| log.push_str(&line(SQL, detail)));
        checked(&read("a.csv", &log).expect("a log"));
    }

    #[test]
    fn json_is_counted() {
        let line = |message: &str, detail: &str| {
            format!("{}\n", serde_json::json!({"error_severity": "LOG", "message": message, "detail": detail}))
        };
        let mut log = line("statement: BEGIN", "");
        DETAILS.iter().for_each(|detail| log.push_str(&line(SQL, detail)));
        checked(&read("a.json", &log).expect("a log"));
    }

    #[test]
    fn one_execution_that_two_settings_log_is_counted_once() {
        let log = "LOG:  duration: 1 ms  plan:\n\tQuery Text: SELECT 1\n\tResult  (cost=0.00..0.01 rows=1 width=4)\n\
                   LOG:  duration: 1 ms  statement: SELECT 1\n";
        assert_eq!(read("a.log", log).expect("a log").found[0].calls, 1.0);
    }

    #[test]
    fn other_text_is_no_log() {
        assert_eq!(read("a.txt", "Dear diary,\nnothing happened\n"), None);
        assert_eq!(read("a.txt", ""), None);
    }
}
