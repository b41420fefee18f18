//! JSON made of other JSON: the same keys with the values of other documents, and with what is hard to take.

use crate::random::Random;
use serde_json::{Number, Value, json};
use std::collections::BTreeMap;

/// Values kept of one key.
const KEPT: usize = 60;
/// Longest of them, in bytes.
const LONGEST: usize = 3_000;

/// Names and messages of strangers. What begins with `<zq` must never be found as it is on a page.
pub const HOSTILE: &[&str] = &[
    "<zq onload=x>",
    "'\"><zq>",
    "]]><zq>&lt;",
    "--><zq>",
    "{{7*7}}",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{9b}2J",
    "\u{0}",
    "\u{7}\u{8}",
    "\r\n::error::x",
    "##[add-path]x",
    "%0A::set-env name=A::b",
    "a\nb\n\nc",
    "\u{202e}drow",
    "\u{200b}",
    "\u{feff}",
    "\u{2028}",
    "\u{fffe}\u{ffff}",
    "\u{e0001}",
    "😀😀",
    "日本語の列",
    "a\u{301}\u{301}\u{301}",
    "İ",
    "",
    " ",
    "\t",
    "`a```b`",
    "| a | b |",
    "[x](javascript:y)",
    "![x](http://y)",
    "@everyone #1",
    "*a* _b_ ~~c~~",
    "<!-- x",
    "</script><zq>",
    "\\",
    "\"",
    "'",
    "public.\"Odd \"\"name\"\"\"",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl",
    "../../../etc/passwd",
    "file:///x",
    "C:\\x\\y.sql",
    "a,b:c%.sql",
    "-- seatrial: allow(x)",
    "SELECT 1;\n-- c\nSELECT 'é';",
    "/* never ends",
    "$$ never ends",
    "E'\\'",
    "2026-13-45T99:99:99Z",
    "yesterday",
    "-0",
    "NaN",
];

/// Documents, and every value that stands under a key somewhere.
pub struct Trees {
    pub documents: Vec<Value>,
    by_key: BTreeMap<String, Vec<Value>>,
}

fn gather(value: &Value, by_key: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let all = by_key.entry(key.clone()).or_default();
                if all.len() < KEPT && !all.contains(value) && value.to_string().len() <= LONGEST {
                    all.push(value.clone());
                }
                gather(value, by_key);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, by_key)),
        _ => {}
    }
}

/// How many values there are in one, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(object) => object.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// Calls `change` with the value that comes so many values behind the first, and its key.
fn at(value: &mut Value, key: &str, place: &mut usize, change: &mut dyn FnMut(&mut Value, &str)) -> bool {
    if *place == 0 {
        change(value, key);
        return true;
    }
    *place -= 1;
    match value {
        Value::Object(object) => object.iter_mut().any(|(key, value)| at(value, key, place, change)),
        Value::Array(items) => items.iter_mut().any(|item| at(item, key, place, change)),
        _ => false,
    }
}

fn number(random: &mut Random) -> Value {
    let all = [
        json!(0),
        json!(1),
        json!(-1),
        json!(2),
        json!(10),
        json!(4_294_967_296_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(1e-300),
        json!(1e308),
        json!(-1e308),
        json!(9_007_199_254_740_993_u64),
        json!(-0.0),
        json!(1_000_000_000),
        json!(f64::MIN_POSITIVE),
    ];
    random.pick(&all).clone()
}

fn string(old: &str, random: &mut Random) -> String {
    let hostile = *random.pick(HOSTILE);
    match random.below(5) {
        0 => format!("{old}{hostile}"),
        1 => format!("{hostile}{old}"),
        2 => {
            let middle = old.floor_char_boundary(random.below(old.len() + 1));
            format!("{}{hostile}{}", &old[..middle], &old[middle..])
        }
        3 if random.once_in(20) => hostile.repeat(2_000),
        _ => hostile.to_owned(),
    }
}

impl Trees {
    pub fn new(documents: Vec<Value>) -> Self {
        let mut by_key = BTreeMap::new();
        documents.iter().for_each(|document| gather(document, &mut by_key));
        Self { documents, by_key }
    }

    /// One of the documents, with a few changes. `wild` ones change what kind a value is, too.
    pub fn make(&self, random: &mut Random, wild: bool) -> Value {
        let mut value = random.pick(&self.documents).clone();
        let changes = 1 + random.below(12);
        self.change(&mut value, changes, wild, random);
        value
    }

    pub fn change(&self, value: &mut Value, changes: usize, wild: bool, random: &mut Random) {
        let all = count(value);
        for _ in 0..changes {
            let mut place = random.below(all);
            at(value, "", &mut place, &mut |value, key| self.once(value, key, wild, random));
        }
    }

    fn once(&self, value: &mut Value, key: &str, wild: bool, random: &mut Random) {
        let known = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
        if !known.is_empty() && random.once_in(3) {
            *value = random.pick(known).clone();
            return;
        }
        if wild && random.once_in(12) {
            *value = match random.below(8) {
                0 => Value::Null,
                1 => Value::Bool(random.once_in(2)),
                2 => number(random),
                3 => json!([]),
                4 => json!({}),
                5 => Value::String(string("", random)),
                6 => json!([value.take()]),
                _ => {
                    let depth = if random.once_in(4) { 110 } else { 20 };
                    (0..depth).fold(value.take(), |inner, _| json!({ "Node Type": "Append", "Plans": [inner] }))
                }
            };
            return;
        }
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::String(text) => *text = string(text, random),
            Value::Number(old) => {
                let new = number(random);
                // Whole numbers stay whole unless anything goes.
                if let (Value::Number(new), true) = (&new, wild || old.is_f64()) {
                    *old = new.clone();
                } else if old.is_u64() {
                    *old = Number::from(random.next() >> random.below(64));
                }
            }
            Value::Array(items) => {
                let at = random.below(items.len());
                match random.below(5) {
                    0 if !items.is_empty() => drop(items.remove(at)),
                    1 if !items.is_empty() => items.insert(at, items[at].clone()),
                    2 if !items.is_empty() => {
                        let other = random.below(items.len());
                        items.swap(at, other);
                    }
                    3 if !items.is_empty() && items[at].to_string().len() < 300 => {
                        let more = vec![items[at].clone(); 1 + random.below(30)];
                        items.extend(more);
                    }
                    _ if random.once_in(3) => items.clear(),
                    _ => {}
                }
            }
            Value::Object(object) => {
                let keys: Vec<String> = object.keys().cloned().collect();
                match random.below(4) {
                    0 if wild && !keys.is_empty() => drop(object.shift_remove(random.pick::<String>(&keys))),
                    1 if wild => {
                        object.insert(string("x", random), number(random));
                    }
                    2 if wild && !self.by_key.is_empty() => {
                        let place = random.below(self.by_key.len());
                        let (key, values) = self.by_key.iter().nth(place).unwrap();
                        object.insert(key.clone(), random.pick(values).clone());
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The text of a document, now and then not what a writer of JSON would write.
pub fn written(value: &Value, random: &mut Random) -> String {
    let mut text = value.to_string();
    if !random.once_in(10) {
        return text;
    }
    for _ in 0..=random.below(3) {
        let at = text.floor_char_boundary(random.below(text.len() + 1));
        let pieces = [
            "\\ud800",
            "\\udc00\\ud800",
            "1e999",
            "-",
            "\"",
            "{",
            "[",
            "]",
            "}",
            ",",
            ":",
            "null",
            "\n",
            "\u{feff}",
            "\\",
            "\\u0000",
            "\"schema_version\":2,",
            "\u{0}",
            "/*",
        ];
        match random.below(4) {
            0 => text.truncate(at),
            1 if at < text.len() => drop(text.remove(at)),
            2 if random.once_in(20) => {
                text.insert_str(at, &random.pick::<&str>(&["[", "{\"a\":", "\\u00"]).repeat(5_000))
            }
            _ => text.insert_str(at, random.pick::<&str>(&pieces)),
        }
    }
    text
}
