//! JSON with comments, trailing commas, single quotes and bare keys, as configuration files of JavaScript projects
//! have it, made JSON.

use serde_json::Value;

/// Reads JSON5, as far as configuration files use it: no hexadecimal numbers, no escaped line ends.
///
/// # Errors
/// What serde_json says about what is left.
pub(crate) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&plain(text.trim_start_matches('\u{feff}')))
}

/// The same text as JSON. Line ends stay, so that an error's line is the file's.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => {
                let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
                out.extend(rest[..length].chars().filter(|each| *each == '\n'));
                length
            }
            '"' | '\'' => string(rest, first, &mut out),
            ']' | '}' => {
                // A comma before the end of a list is none.
                let end = out.trim_end().len();
                if out[..end].ends_with(',') {
                    out.replace_range(end - 1..end, "");
                }
                out.push(first);
                1
            }
            _ if first.is_alphabetic() || matches!(first, '_' | '$') => {
                let is_part = |each: char| each.is_alphanumeric() || matches!(each, '_' | '$');
                let length = rest.find(|each| !is_part(each)).unwrap_or(rest.len());
                let is_key = rest[length..].trim_start().starts_with(':');
                let quote = if is_key { "\"" } else { "" };
                out.extend([quote, &rest[..length], quote]);
                length
            }
            _ if first.is_ascii_digit() => {
                let length = rest.find(|each: char| !each.is_alphanumeric() && each != '.').unwrap_or(rest.len());
                out.push_str(&rest[..length]);
                length
            }
            _ => {
                out.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// Adds the string that `text` begins with in double quotes; its length with its own quotes.
fn string(text: &str, quote: char, out: &mut String) -> usize {
    out.push('"');
    let mut escaped = false;
    for (at, each) in text.char_indices().skip(1) {
        match each {
            _ if escaped => {
                // JSON knows no escaped single quote.
                out.push_str(if each == '\'' { "" } else { "\\" });
                out.push(each);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if each == quote => {
                out.push('"');
                return at + 1;
            }
            '"' => out.push_str("\\\""),
            _ => out.push(each),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_json_does_not_know_is_taken_away() {
        let text = "/* a\n comment */ {\n  // another, with \"quotes\"\n  bare_key: 'it\\'s \"x\"',\n  \"n\": [1, 2.5e3, -3,], // url\n  \
                    u: \"http://x/*y*/\",\n  t: true, z: null,\n}\n";
        let value = parse(text).expect("readable");
        assert_eq!(
            value,
            json!({"bare_key": "it's \"x\"", "n": [1, 2500.0, -3], "u": "http://x/*y*/", "t": true, "z": null})
        );
    }

    #[test]
    fn what_is_wrong_stays_wrong_and_in_its_line() {
        let error = parse("{\n  /* two\n lines */\n  a: ,\n b: 1 }").expect_err("no value");
        assert_eq!(error.line(), 4);
        assert!(parse("{ 'open: 1 }").is_err());
    }
}
