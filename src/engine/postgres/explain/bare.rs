//! SQL with everything quoted or commented blanked out: what is left is words and punctuation.

/// The text without strings, quoted names, dollar quotes and comments, each of them one space; `None` where one of them does
/// not end: it would take what follows the text along.
pub(super) fn bare_text(sql: &str) -> Option<String> {
    let mut bare = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        let quoted = match c {
            '\'' => Some(string_length(rest, '\'', matches!(previous, 'e' | 'E'))?),
            '"' => Some(string_length(rest, '"', false)?),
            '-' if rest.starts_with("--") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => Some(comment_length(rest)?),
            '$' if !is_word(previous) => match dollar_tag(rest) {
                Some(tag) => Some(2 * tag.len() + rest[tag.len()..].find(tag)?),
                None => None,
            },
            _ => None,
        };
        let length = quoted.unwrap_or(c.len_utf8());
        bare.push(if quoted.is_some() { ' ' } else { c });
        previous = if quoted.is_some() { ' ' } else { c };
        rest = &rest[length..];
    }
    Some(bare)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn string_length(rest: &str, quote: char, backslashes: bool) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && backslashes {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

fn comment_length(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// `$tag$`; `None` for a parameter such as `$1`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let tag_end = 1 + rest[1..].find('$')?;
    let name = &rest[1..tag_end];
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(|c| is_word(c) && c != '$') {
        return None;
    }
    Some(&rest[..=tag_end])
}

#[cfg(test)]
mod tests {
    use super::bare_text;

    #[test]
    fn only_words_and_punctuation_are_left() {
        for (sql, bare) in [
            ("a 'b;' c", "a   c"),
            ("a 'it''s;' c", "a   c"),
            (r"a E'b''c\';' d", "a E  d"),
            (r"a E'b\';' c", "a E  c"),
            (r"a 'b\' c", "a   c"),
            ("a \"b;\" c", "a   c"),
            ("a -- b;\nc", "a  \nc"),
            ("a /* b /* c */ ; */ d", "a   d"),
            ("$1 + $2", "$1 + $2"),
            ("a $x$ b; $y$ $x$ c", "a   c"),
            ("a $$;$$ c", "a   c"),
        ] {
            assert_eq!(bare_text(sql).as_deref(), Some(bare), "{sql}");
        }
        for open in ["a 'never closed;", r"a E'b\'", "a \"b", "a /* b /* c */", "a $x$ b $y$"] {
            assert_eq!(bare_text(open), None, "{open}");
        }
    }
}
