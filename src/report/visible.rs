//! Names, SQL and messages are written by strangers. Nothing of them may move a cursor, hide text or turn it around.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal, browser or editor would act on a character instead of drawing it: controls, direction marks,
/// zero-width characters and tags.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{fffe}' | '\u{ffff}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}')
}

/// One line of text in which everything can be seen: line ends as `⏎`, tabs as spaces, other such characters as escapes.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push('⏎'),
            '\t' => out.push(' '),
            '\r' => out.push_str("\\r"),
            // Writing to a String cannot fail.
            other if is_unprintable(other) && (other as u32) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", other as u32);
            }
            other if is_unprintable(other) => {
                let _ = write!(out, "\\u{{{:x}}}", other as u32);
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// Several lines, each as [`visible`] shows it; a carriage return before a newline is part of the line end.
pub fn visible_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(visible)
}

/// How many columns a terminal needs for a text, for what [`visible`] returns.
pub fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(character: char) -> usize {
    unicode_width::UnicodeWidthChar::width(character).unwrap_or(0)
}

/// At most so many columns, the last one `…` if something was left out; marks without a width count after the fourth of a
/// column.
pub fn clip(text: &str, width: usize) -> Cow<'_, str> {
    let most = width.saturating_mul(4);
    if text.len() <= width || columns(text) <= width && text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 0;
    for character in text.chars().take(most) {
        used += char_columns(character);
        if used >= width {
            break;
        }
        out.push(character);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    Cow::Owned(out)
}

/// Lines of at most so many columns, broken at spaces; a word longer than a line is cut, behind a mark inside it if it has
/// one: names of files and objects are such words.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in unbroken(text) {
        let length = columns(&word);
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        let mut begin = line.len();
        for character in word.chars() {
            let wide = char_columns(character);
            while used + wide > width && used > 0 {
                let word = &line[begin..];
                let mark = word.rfind(['_', '-', '/']).or_else(|| word.rfind('.'));
                let mark = mark.map_or(line.len(), |at| begin + at + 1);
                let rest = line.split_off(mark);
                lines.push(std::mem::replace(&mut line, rest));
                used = columns(&line);
                begin = 0;
            }
            line.push(character);
            used += wide;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Words, with a number and its unit or noun kept as one: `2.3 s`, `statement 3`.
fn unbroken(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_end_matches(['.', ',', ';', ':', ')']);
        let unit = matches!(bare, "ms" | "s" | "min" | "h" | "B" | "kB" | "MB" | "GB" | "TB");
        let number = bare.starts_with(|character: char| character.is_ascii_digit());
        match words.last_mut() {
            Some(last) if unit && last.ends_with(|character: char| character.is_ascii_digit()) => {
                *last = format!("{last} {word}");
            }
            Some(last) if number && last == "statement" => *last = format!("{last} {word}"),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_acts_on_survives() {
        let hostile = "a\u{1b}[31mb\u{7}\u{9b}2J\r\n\tc\u{202e}d\u{200b}\u{7f}\0";
        let shown = visible(hostile);
        assert_eq!(shown, "a\\x1b[31mb\\x07\\x9b2J\\r⏎ c\\u{202e}d\\u{200b}\\x7f\\x00");
        assert!(!shown.chars().any(is_unprintable));
        assert!(matches!(visible("plain – naïve 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_never_exceed_the_width_and_lose_nothing() {
        let text = "one two  three-and-a-very-long-word 日本語の列 end";
        for width in 1..40 {
            let lines = wrap(text, width);
            // A wide character cannot be cut in half.
            assert!(lines.iter().all(|line| columns(line) <= width.max(2)), "{width}: {lines:?}");
            assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn a_name_longer_than_a_line_is_broken_behind_a_mark() {
        assert_eq!(wrap("002_drop_visit_index.sql", 23), ["002_drop_visit_", "index.sql"]);
        assert_eq!(
            wrap("see 004_measurement_index.sql here", 12),
            ["see", "004_", "measurement_", "index.sql", "here"]
        );
        assert_eq!(wrap("public.order", 8), ["public.", "order"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        assert_eq!(wrap("closed for 2.3 s, by statement 3", 12), ["closed for", "2.3 s, by", "statement 3"]);
    }

    #[test]
    fn clipping_says_so() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
        assert_eq!(clip("ab   cdefg", 5), "ab…");
        assert_eq!(columns(&clip("日本語日本語", 5)), 5);
    }
}
