//! Text of strangers on its way into the page.

use super::super::read::escaped;
use super::super::visible::{clip, is_unprintable};
use askama::filters::Escaper;
use serde_json::Value;
use std::fmt::{self, Write};

/// Columns of one message or advice.
const PROSE: usize = 2_000;
/// Columns of one name, or of one answer's sentence.
const NAME: usize = 400;
/// Characters of one statement or script.
const CODE: usize = 40_000;

/// The escaper of every template: characters that are markup become references, and those a browser would act on
/// instead of drawing them (controls, direction marks, zero-width characters) become escapes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        let mut rest = string;
        while let Some(at) = rest.find(|character: char| reference(character).is_some() || is_hidden(character)) {
            dest.write_str(&rest[..at])?;
            let mut characters = rest[at..].chars();
            let Some(character) = characters.next() else { break };
            rest = characters.as_str();
            match (reference(character), character) {
                (Some(reference), _) => dest.write_str(reference)?,
                // Part of the line end.
                (None, '\r') if rest.starts_with('\n') => {}
                (None, '\r') => dest.write_str("\\r")?,
                (None, hidden) if (hidden as u32) < 0x100 => write!(dest, "\\x{:02x}", hidden as u32)?,
                (None, hidden) => write!(dest, "\\u{{{:x}}}", hidden as u32)?,
            }
        }
        dest.write_str(rest)
    }
}

/// Lines and tabs are kept: a page shows them as space, and SQL as what they are.
fn is_hidden(character: char) -> bool {
    is_unprintable(character) && !matches!(character, '\n' | '\t')
}

fn reference(character: char) -> Option<&'static str> {
    match character {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '"' => Some("&#34;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

/// A message, as long as anybody reads.
pub(super) fn prose(text: &str) -> String {
    clip(text.trim(), PROSE).into_owned()
}

/// A name, or a sentence that stands among others.
pub(super) fn name(text: &str) -> String {
    clip(text.trim(), NAME).into_owned()
}

/// SQL or anything else to be copied, with a button where it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// What is seen.
    pub shown: String,
    /// The same as JSON, where what is seen is not what it is: hidden characters are escapes there.
    pub exact: Option<String>,
    /// How many characters are not shown; what is not whole is not to be copied.
    pub missing: usize,
}

impl Block {
    /// At most [`CODE`] characters.
    pub fn of(text: &str) -> Self {
        let end = text.char_indices().nth(CODE).map_or(text.len(), |(at, _)| at);
        let exact = (end == text.len() && text.chars().any(is_hidden)).then(|| json(&Value::from(text)));
        Self { shown: text[..end].to_owned(), exact, missing: text[end..].chars().count() }
    }
}

/// JSON in one line, in which hidden characters are escapes.
fn json(value: &Value) -> String {
    escaped(&value.to_string())
}

/// JSON as the text of an element, ready for the page. Quotes are what it has most of, and need no reference there.
pub(super) fn json_text(value: &Value) -> String {
    json(value).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).expect("written");
        out
    }

    #[test]
    fn nothing_is_markup_and_nothing_is_hidden() {
        assert_eq!(shown("a<b>&\"'"), "a&lt;b&gt;&amp;&#34;&#39;");
        assert_eq!(shown("x\u{202e}y\u{1b}[2J\0\u{200b}"), "x\\u{202e}y\\x1b[2J\\x00\\u{200b}");
        assert_eq!(shown("one\r\ntwo\rthree\tfour"), "one\ntwo\\rthree\tfour");
        assert_eq!(shown("naïve 日本 ✓"), "naïve 日本 ✓");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn a_block_with_hidden_characters_knows_what_it_really_is() {
        assert_eq!(Block::of("SELECT 1;\n").exact, None);
        let hidden = Block::of("a\u{202e}\"b\u{e0041}\"\r\n");
        let exact = hidden.exact.expect("another text than is seen");
        assert_eq!(exact, "\"a\\u202e\\\"b\\udb40\\udc41\\\"\\r\\n\"");
        assert_eq!(serde_json::from_str::<String>(&exact).expect("JSON"), "a\u{202e}\"b\u{e0041}\"\r\n");
        let long = Block::of(&"é".repeat(CODE + 3));
        assert_eq!((long.missing, long.shown.chars().count(), long.exact), (3, CODE, None));
    }

    #[test]
    fn json_in_the_page_reads_back_as_it_was() {
        let value = serde_json::json!([{"Plan": {"Filter": "a < '&amp;' AND b > \"</pre>\u{202e}\""}}]);
        let text = json_text(&value);
        assert!(!text.contains('<') && !text.contains('\u{202e}'), "{text}");
        let back = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert_eq!(serde_json::from_str::<Value>(&back).expect("JSON"), value);
    }
}
