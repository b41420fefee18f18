//! The HTML report in a headless Chromium: it says nothing to the console, asks nobody for anything, its filters, folds
//! and buttons work, it fits a phone, and what strangers wrote stays text. Needs Chromium.

mod support;

use seatrial::report::v1::Report;
use seatrial::report::visible::is_unprintable;
use seatrial::report::{Format, RenderOptions, render};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use support::browser::Browser;
use support::repository;

fn recording(name: &str) -> Value {
    let path = repository().join(format!("tests/recordings/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON")
}

fn page(report: &Value) -> String {
    let report = Report::from_json(&report.to_string()).expect("a report");
    render(&report, Format::Html, &RenderOptions::default())
}

/// A report with something of everything: trials, plans of many nodes, hidden characters in a script.
fn rich() -> Value {
    let mut report = recording("regressed");
    let plan = |name: &str| -> Value {
        let path = repository().join(format!("tests/plans/15/{name}.json"));
        let plans: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON");
        json!({ "Plan": plans[0]["Plan"] })
    };
    for (moment, name) in [("before", "nested_loop"), ("after", "hash_join"), ("after_settling", "hash_join")] {
        report["queries"][0][moment]["plan"] = plan(name);
    }
    report["stalls"] = json!([{
        "query": "checkout", "statement": 3, "longest_ms": 3100.0, "felt": {
            "pass": "traffic", "stalled": true, "usual_ms": 2.0, "relation": null, "calls": 80, "refused": { "0A000": 3 },
            "began_ms": 2000.0, "ended_ms": 5100.0, "step_ms": 1000.0, "timeline_ms": [2.0, 2.0, 3100.0, 2100.0, 1100.0, 2.0]
        }
    }]);
    report["rollback"]["scripts"]["prepare"] = "SELECT 'right\u{202e}left';\n".into();
    report
}

const SHOWN: &str = "[...document.querySelectorAll('.finding')].filter(card => card.checkVisibility()).length";

#[test]
fn filters_folds_keys_and_buttons_work_and_the_console_stays_empty() {
    let mut browser = Browser::start();
    let report = rich();
    browser.open(&page(&report));
    browser.size(1280, 900, "light");

    // Filters.
    let findings = report["findings"].as_array().expect("a list");
    let of = |severity: &str| findings.iter().filter(|finding| finding["severity"] == severity).count();
    assert_eq!(browser.eval(SHOWN), findings.len());
    browser.eval("document.querySelector('.toggle[data-level=error]').click()");
    assert_eq!(browser.eval(SHOWN), findings.len() - of("error"));
    assert!(of("error") > 0 && of("error") < findings.len());
    browser.eval("document.querySelector('.toggle[data-level=error]').click()");
    // A slash leads to the filter, and is not written into it.
    browser.press("/", "/");
    assert_eq!(browser.eval("document.activeElement.id"), "filter");
    assert_eq!(browser.eval("document.activeElement.value"), "");
    browser.call("Input.insertText", json!({ "text": "plan/regressed CUSTOMER_HISTORY" }));
    assert_eq!(browser.eval(SHOWN), 1);
    assert_eq!(
        browser.eval("document.getElementById('filtered').textContent"),
        format!("1 of {} findings shown", findings.len())
    );
    browser.call("Input.insertText", json!({ "text": " nothing of the kind" }));
    assert_eq!(browser.eval(SHOWN), 0);
    assert_eq!(browser.eval("document.getElementById('none-left').checkVisibility()"), true);
    browser.press("Escape", "");
    assert_eq!(browser.eval(SHOWN), findings.len());

    // Folds: changed nodes are open, unchanged ones are not; all can be opened and folded.
    assert_eq!(browser.eval("document.querySelectorAll('.node.other:not([open])').length"), 0);
    assert_eq!(browser.eval("document.querySelectorAll('.node.same[open]').length"), 0);
    let changed = browser.eval("document.querySelectorAll('.node.other').length");
    assert!(changed.as_u64().expect("a number") > 2, "{changed}");
    browser.eval("document.getElementById('unfold').click()");
    assert_eq!(browser.eval("document.querySelectorAll('details:not([open])').length"), 0);
    browser.eval("document.getElementById('fold').click()");
    assert_eq!(browser.eval("document.querySelectorAll('details[open]').length"), 0);
    // A link to something folded opens it, and a key opens it too.
    browser.eval("document.querySelector('a[href=\"#statement-3\"]').click(); new Promise(done => setTimeout(done))");
    assert_eq!(browser.eval("document.getElementById('statement-3').open"), true);
    browser.eval("document.querySelector('#statement-1 > summary').focus()");
    browser.press("Enter", "\r");
    assert_eq!(browser.eval("document.getElementById('statement-1').open"), true);

    // Buttons copy what they stand beside: a plan as other viewers take it, and a script to the byte.
    browser
        .call("Browser.grantPermissions", json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] }));
    browser.call("Page.bringToFront", json!({}));
    let copied = |browser: &mut Browser, button: &str| {
        let click = format!(
            "(async () => {{ const button = {button}; button.click(); \
             for (let turn = 0; turn < 1000 && button.textContent !== 'copied'; turn += 1) \
             await new Promise(done => setTimeout(done)); return navigator.clipboard.readText(); }})()"
        );
        browser.eval(&click).as_str().expect("a text").to_owned()
    };
    let plan = copied(&mut browser, "document.querySelector('#query-1 .json .copy')");
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(plan, json!([report["queries"][0]["before"]["plan"]]));
    for (at, name) in ["prepare", "rollback", "cleanup"].iter().enumerate() {
        let script = copied(&mut browser, &format!("document.querySelectorAll('#rollback > .script .copy')[{at}]"));
        assert_eq!(script, report["rollback"]["scripts"][name], "{name}");
    }
    let prepare = browser.eval("document.querySelector('#rollback > .script pre').textContent");
    assert_eq!(prepare, "SELECT 'right\\u{202e}left';\n", "what is seen holds nothing that turns text around");
    assert_eq!(browser.troubles(), Vec::<String>::new());
}

#[test]
fn it_fits_a_phone_and_a_desk_by_day_and_by_night_and_is_whole_without_script() {
    let mut browser = Browser::start();
    for name in ["regressed", "failed", "unknown", "clean", "hostile", "rich"] {
        let report = if name == "rich" { rich() } else { recording(name) };
        browser.open(&page(&report));
        // What is far below the window is laid out, too.
        browser
            .eval("for (const one of document.querySelectorAll('.finding')) one.style.contentVisibility = 'visible'");
        for (width, scheme) in [(1280, "light"), (390, "light"), (1280, "dark"), (390, "dark"), (320, "light")] {
            browser.size(width, 900, scheme);
            browser.eval("document.getElementById('unfold').click()");
            let wide = browser.eval("document.documentElement.scrollWidth").as_u64().expect("a number");
            assert!(wide <= u64::from(width), "{name} at {width}: {wide} wide");
            // Nothing sticks out of the box it stands in and is cut off there.
            let out = browser.eval(
                "[...document.querySelectorAll('p, h1, h2, h3, li, dd, pre, button, th, td, summary')]\
                 .filter(one => one.checkVisibility() && !one.closest('.sr') && !one.matches('.sr') && !one.closest('thead'))\
                 .filter(one => { const box = one.getBoundingClientRect(); return box.right > innerWidth + 1 || box.left < -1; })\
                 .map(one => one.outerHTML.slice(0, 200))",
            );
            assert_eq!(out, json!([]), "{name} at {width}");
            let (ground, ink) = (
                browser.eval("getComputedStyle(document.body).backgroundColor"),
                browser.eval("getComputedStyle(document.body).color"),
            );
            let light = |colour: &Value| {
                let text = colour.as_str().expect("a colour").to_owned();
                let parts = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
                parts.take(3).sum::<u32>() / 3
            };
            assert_eq!(light(&ground) > light(&ink), scheme == "light", "{name}: {ground} {ink}");
            assert!(light(&ground).abs_diff(light(&ink)) > 150, "{name}: {ground} {ink}");
        }
        assert_eq!(browser.troubles(), Vec::<String>::new(), "{name}");
    }

    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&page(&rich()));
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": false }));
    assert_eq!(browser.eval("document.documentElement.className"), "", "the script did not run");
    assert_eq!(browser.eval(SHOWN), recording("regressed")["findings"].as_array().expect("a list").len());
    let idle = "[...document.querySelectorAll('button, input')].filter(one => one.checkVisibility()).length";
    assert_eq!(browser.eval(idle), 0, "nothing is there that would do nothing");
    browser.eval("document.querySelector('#rollback > .script').open = true");
    assert_eq!(browser.eval("document.querySelector('#rollback > .script pre').checkVisibility()"), true);
}

#[test]
fn installing_chromium_asks_first_and_does_nothing_where_it_is() {
    let script = repository().join("scripts/install-chromium.sh");
    let there = Command::new(&script).stdin(Stdio::null()).output().expect("a shell");
    assert!(there.status.success() && there.stderr.is_empty(), "{there:?}");
    // A machine on which only the shell is found.
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink("/bin/bash", folder.path().join("bash")).expect("a link");
    let bare = Command::new("/bin/bash")
        .arg(&script)
        .env("PATH", folder.path())
        .env_remove("SEATRIAL_TEST_CHROMIUM")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert_eq!(bare.status.code(), Some(4), "{bare:?}");
    let told = String::from_utf8_lossy(&bare.stderr);
    assert!(told.contains("[y/N]") && told.contains("Nothing installed. Install Chromium yourself"), "{told}");
}

/// What a stranger would write, were every name theirs.
const HOSTILE: &str = "x<script>window.pwned=1</script>\"><img src=x onerror=window.pwned=1>'><svg onload=window.pwned=1>\
    javascript:window.pwned=1 ]]></script></style></title></textarea></pre></details><!-- \u{202e}\u{1b}[2J\0\u{200b} \
    {{ 7*7 }} &lt;b&gt; https://evil.example/ ";
/// The same as a reader sees it.
const SEEN: &str = "x<script>window.pwned=1</script>\"><img src=x onerror=window.pwned=1>'><svg onload=window.pwned=1>\
    javascript:window.pwned=1 ]]></script></style></title></textarea></pre></details><!-- \\u{202e}\\x1b[2J\\x00\\u{200b} \
    {{ 7*7 }} &lt;b&gt; https://evil.example/";

/// Every text of a report replaced, but for closed words, without which it is none.
fn written_by_strangers(report: &Value, text: &str) -> Value {
    fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::String(_) => drop(found.insert(path.to_owned())),
            Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{path}[]"), found)),
            Value::Object(entries) => {
                entries.iter().for_each(|(key, item)| paths(item, &format!("{path}.{key}"), found))
            }
            _ => {}
        }
    }
    fn put(value: &mut Value, here: &str, (path, words): (&str, &str)) {
        match value {
            Value::String(text) if here == path => *text = words.to_owned(),
            Value::Array(items) => {
                items.iter_mut().for_each(|item| put(item, &format!("{here}[]"), (path, words)));
            }
            Value::Object(entries) => {
                entries.iter_mut().for_each(|(key, item)| put(item, &format!("{here}.{key}"), (path, words)))
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    paths(report, "", &mut found);
    let mut hostile = report.clone();
    let mut closed = 0;
    for path in &found {
        let mut tried = hostile.clone();
        put(&mut tried, "", (path, text));
        match Report::from_json(&tried.to_string()) {
            Ok(_) => hostile = tried,
            Err(_) => closed += 1,
        }
    }
    assert!(found.len() > 90 && closed < found.len() / 2, "{closed} of {} are closed words", found.len());
    for finding in hostile["findings"].as_array_mut().expect("a list") {
        finding["evidence"][text] = text.into();
    }
    hostile["engine"]["settings"][text] = text.into();
    hostile
}

#[test]
fn what_strangers_write_stays_text() {
    let mut browser = Browser::start();
    let mut everything = rich();
    everything["findings"][0]["suggestion"] = json!({
        "forms": ["a form"], "steps": [{ "sql": "SELECT 1", "transaction": "own", "why": "because" }]
    });
    everything["findings"][1]["suppressed_by"] = "a reason".into();
    everything["source"]["restore_warnings"] = json!(["something"]);
    everything["rollback"]["differences"] = json!(["something"]);
    everything["migrations"][0]["statements"][0]["outcome"] = "failed".into();
    everything["migrations"][0]["statements"][0]["error"] = "no".into();
    let hostile = page(&written_by_strangers(&everything, HOSTILE));
    // The same with as many words that are none of it.
    let plain = "harmless words ".repeat(HOSTILE.len() / 15);
    let count = "document.querySelectorAll('*').length";
    browser.open(&page(&written_by_strangers(&everything, &plain)));
    let elements = browser.eval(count);
    for html in [hostile, page(&recording("hostile"))] {
        browser.open(&html);
        browser.size(390, 900, "light");
        browser.eval("document.getElementById('unfold').click()");
        assert_eq!(browser.eval("typeof window.pwned"), "undefined");
        assert_eq!(browser.eval("document.querySelectorAll('script').length"), 1);
        let foreign = "document.querySelectorAll('img, iframe, object, embed, base, form, link, textarea, math, b, audio, video, \
                       a:not([href^=\"#\"]), use, image, foreignObject, animate, set').length";
        assert_eq!(browser.eval(foreign), 0);
        let attributes = "[...document.querySelectorAll('*')].flatMap(one => [...one.attributes]).map(each => each.name)\
                          .filter(name => name.startsWith('on') || name === 'style' || name === 'src' || name === 'srcdoc')";
        assert_eq!(browser.eval(attributes), json!([]));
        let text = browser.eval("document.body.textContent");
        let text = text.as_str().expect("a text");
        let hidden = text.chars().filter(|each| is_unprintable(*each) && !matches!(each, '\n' | '\t')).count();
        assert_eq!(hidden, 0);
        // Of everything that could have become markup nothing did, so that as many elements are there as without it.
        if text.contains("window.pwned=1") {
            let times = text.matches(SEEN).count();
            assert!(times > 80, "only {times} of them are seen whole");
            assert_eq!(browser.eval(count), elements);
        }
        assert_eq!(browser.troubles(), Vec::<String>::new());
    }
}
