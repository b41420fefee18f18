//! Saved reports: read, written again, and rendered in every format.

use crate::corpus;
use crate::json::{HOSTILE, Trees, written};
use crate::random::Random;
use crate::run::fuzz;
use crate::tags::tags;
use quick_xml::Reader;
use quick_xml::events::Event;
use seatrial::report::v1::Report;
use seatrial::report::visible::is_unprintable;
use seatrial::report::{Format, RenderOptions, render};
use serde_json::Value;
use std::collections::BTreeSet;

fn trees() -> Trees {
    let texts = corpus::texts(&["tests/recordings"], ".json", 1_000_000);
    Trees::new(texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect())
}

/// Small enough to be rendered often: of every list of the report only a few.
fn made(trees: &Trees, random: &mut Random) -> String {
    let mut value = random.pick(&trees.documents).clone();
    for (_, part) in value.as_object_mut().unwrap() {
        few(part, 3, random);
        if let Value::Array(items) = part {
            for (_, inner) in items.iter_mut().filter_map(Value::as_object_mut).flatten() {
                few(inner, 3, random);
            }
        }
    }
    let wild = random.once_in(5);
    let changes = 1 + random.below(if wild { 4 } else { 30 });
    trees.change(&mut value, changes, wild, random);
    written(&value, random)
}

fn few(value: &mut Value, most: usize, random: &mut Random) {
    if let Value::Array(items) = value {
        let start = random.below(items.len());
        let end = (start + random.below(most + 1)).min(items.len());
        *items = items[start..end].to_vec();
    }
}

fn options(text: &str) -> RenderOptions {
    let number = text.len();
    RenderOptions {
        width: [80, 100, 72, 20][number % 4],
        color: number.is_multiple_of(3),
        verbose: number % 5 < 2,
        quiet: number.is_multiple_of(7),
        out_dir: number.is_multiple_of(2).then(|| HOSTILE[number % HOSTILE.len()].to_owned()),
        byte_budget: [60_000, 2_000, 60_000, 0][number % 4],
        databases: 1 + number % 12,
    }
}

fn reads(text: &str) {
    let report = match Report::from_json(text) {
        Ok(report) => report,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = report.to_json_pretty();
    assert_eq!(written.chars().find(|each| *each != '\n' && is_unprintable(*each)), None);
    let again = Report::from_json(&written).unwrap_or_else(|error| panic!("what was written is not read: {error}"));
    assert_eq!(again, report, "written and read");
    assert_eq!(again.to_json_pretty(), written, "written twice");
}

#[test]
fn report_reading() {
    let trees = trees();
    fuzz("report_reading", 10, |random| made(&trees, random), reads);
}

/// The text of what a terminal shows, colours taken out.
fn without_colour(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let (code, after) = after.split_once('m').expect("a whole sequence");
        assert!(code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{code:?}");
        rest = after;
    }
    out + rest
}

fn shown(text: &str) {
    let Ok(report) = Report::from_json(text) else { return };
    let options = options(text);
    let terminal = render(&report, Format::Text, &options);
    let plain = if options.color { without_colour(&terminal) } else { terminal };
    let markdown = render(&report, Format::Markdown, &options);
    for shown in [&plain, &markdown] {
        assert_eq!(shown.chars().find(|each| *each != '\n' && is_unprintable(*each)), None, "a control character");
        assert!(shown.ends_with('\n'));
    }
}

#[test]
fn report_text() {
    let trees = trees();
    fuzz("report_text", 4, |random| made(&trees, random), shown);
}

fn page(text: &str) {
    let Ok(report) = Report::from_json(text) else { return };
    let html = render(&report, Format::Html, &options(text));
    assert!(!html.contains("<zq"), "something is not escaped");
    assert_eq!(
        html.chars().find(|each| !matches!(each, '\n' | '\t') && is_unprintable(*each)),
        None,
        "a control character"
    );
    let mut open = Vec::new();
    for tag in tags(&html) {
        for (attribute, value) in &tag.attributes {
            assert!(!attribute.starts_with("on") && *attribute != "style" && *attribute != "src", "{attribute}");
            assert!(*attribute != "href" || value.starts_with('#'), "a link to {value}");
        }
        match (tag.closes, tag.name) {
            (false, "meta" | "input" | "br") => {}
            (false, opened) => open.push(opened),
            (true, closed) => assert_eq!(open.pop(), Some(closed)),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn report_html() {
    let trees = trees();
    fuzz("report_html", 3, |random| made(&trees, random), page);
}

fn machines(text: &str) {
    let Ok(report) = Report::from_json(text) else { return };
    let options = options(text);
    for format in [Format::Sarif, Format::Junit, Format::Github, Format::Gitlab] {
        let text = render(&report, format, &options);
        assert_eq!(text.chars().find(|each| *each != '\n' && is_unprintable(*each)), None, "a control in {format:?}");
        match format {
            Format::Sarif => {
                let log: Value = serde_json::from_str(&text).expect("JSON");
                let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules").len();
                for result in log["runs"][0]["results"].as_array().expect("results") {
                    assert!((result["ruleIndex"].as_u64().expect("an index") as usize) < rules);
                }
            }
            Format::Gitlab => {
                let entries: Vec<Value> = serde_json::from_str(&text).expect("JSON");
                let all: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["fingerprint"].as_str()).collect();
                assert_eq!(all.len(), entries.len(), "two of the same fingerprint");
            }
            Format::Junit => {
                let mut reader = Reader::from_str(&text);
                reader.config_mut().check_end_names = true;
                let mut open = 0_usize;
                loop {
                    match reader.read_event().expect("XML") {
                        Event::Start(start) => {
                            open += 1;
                            start.attributes().for_each(|each| drop(each.expect("an attribute")));
                        }
                        Event::Empty(start) => start.attributes().for_each(|each| drop(each.expect("an attribute"))),
                        Event::End(_) => open -= 1,
                        Event::Eof => break,
                        _ => {}
                    }
                }
                assert_eq!(open, 0);
            }
            _ => {
                for line in text.lines() {
                    let known = ["::error ", "::warning ", "::notice "].iter().any(|command| line.starts_with(command));
                    assert!(known && !line.contains("##["), "{line}");
                }
            }
        }
    }
}

#[test]
fn report_machines() {
    let trees = trees();
    fuzz("report_machines", 4, |random| made(&trees, random), machines);
}
