//! Where Liquibase cuts a changeset, and what it makes of contexts and labels.

use std::ops::Range;

/// Where statements end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// At `;`, and at `go` or `/` in front of a line.
    Usual,
    /// At this text; only in front of a line if `line`.
    Own {
        /// In lower case.
        text: String,
        /// `\n` stood before it.
        line: bool,
    },
}

impl Delimiter {
    /// As written after `endDelimiter:`; `None` if it is a regular expression that is not reproduced.
    pub(super) fn new(written: Option<&str>) -> Option<Self> {
        let Some(written) = written.filter(|written| !written.is_empty()) else { return Some(Self::Usual) };
        let (text, line) = written.strip_prefix("\\n").map_or((written, false), |text| (text, true));
        let text = text.strip_suffix('$').unwrap_or(text);
        // One character is compared as it is, everything else is a regular expression.
        let is_plain = text.chars().count() == 1 || !text.contains(['\\', '*', '+', '?', '(', '[', '|', '.', '^', '$']);
        (is_plain && !text.is_empty()).then(|| Self::Own { text: text.to_lowercase(), line })
    }
}

/// The stretches between delimiters. Dollar quotes mean nothing to Liquibase: it cuts within them too, but never between
/// a `BEGIN` and an `END`.
pub(super) fn split(text: &str, delimiter: &Delimiter) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut at, mut depth) = (0, 0, 0usize);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = delimiter_at(text, at, delimiter).filter(|_| depth == 0) {
            pieces.push(start..at);
            start = at + length;
            length
        } else if matches!(first, '\'' | '"') {
            quoted(rest, first)
        } else if first.is_alphanumeric() || first == '_' {
            let is_part = |each: char| each.is_alphanumeric() || each == '_';
            let length = rest.find(|each| !is_part(each)).unwrap_or(rest.len());
            let next = rest[length..].trim_start().to_lowercase();
            let is_name = ["transaction", "trans", "backup"].iter().any(|word| next.starts_with(word));
            if rest[..length].eq_ignore_ascii_case("begin") && !is_name {
                depth += 1;
            } else if rest[..length].eq_ignore_ascii_case("end") && !is_name {
                depth = depth.saturating_sub(1);
            }
            length
        } else {
            first.len_utf8()
        };
        at += length;
    }
    pieces.push(start..text.len());
    pieces.retain(|piece| !text[piece.clone()].trim().is_empty());
    pieces
}

/// How long the delimiter is that stands at a place, if one does.
fn delimiter_at(text: &str, at: usize, delimiter: &Delimiter) -> Option<usize> {
    let before = &text[..at];
    let in_front = before.trim_end_matches([' ', '\t']).is_empty() || before.ends_with('\n');
    let stands_alone = |length: usize| {
        !text[at + length..].starts_with(|each: char| each.is_alphanumeric() || each == '_')
            && !before.ends_with(|each: char| each.is_alphanumeric() || each == '_')
    };
    let starts = |word: &str| text[at..].get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    match delimiter {
        Delimiter::Usual if starts(";") => Some(1),
        Delimiter::Usual if in_front && starts("/") && !starts("/*") => Some(1),
        Delimiter::Usual if in_front && starts("go") && stands_alone(2) => Some(2),
        Delimiter::Usual => None,
        Delimiter::Own { text: own, line } => {
            let is_here = starts(own) && (!line || in_front) && (own == ";" || stands_alone(own.len()));
            is_here.then_some(own.len())
        }
    }
}

/// The length of a quoted stretch: a quote within it is doubled or has a backslash before it.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, each)) = characters.next() {
        if escaped {
            escaped = false;
        } else if each == '\\' {
            escaped = true;
        } else if each == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

/// Whether an expression of names, `and`, `or`, commas and `!` holds for a set of names; no expression holds always. `None`
/// for parentheses, which are not reproduced.
pub(super) fn holds(expression: &str, names: &[String]) -> Option<bool> {
    let expression = expression.to_lowercase();
    if expression.contains(['(', ')']) {
        return None;
    }
    let is_true = |term: &str| {
        let term = term.trim();
        let negated = term.strip_prefix('!').or_else(|| term.strip_prefix("not "));
        let name = negated.unwrap_or(term).trim();
        names.iter().any(|each| each.eq_ignore_ascii_case(name)) != negated.is_some()
    };
    let all = |part: &str| part.split(" and ").all(is_true);
    Some(expression.trim().is_empty() || expression.split(',').any(|part| part.split(" or ").any(all)))
}

/// Names separated by commas.
pub(super) fn names(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces<'a>(text: &'a str, delimiter: Option<&str>) -> Vec<&'a str> {
        let delimiter = Delimiter::new(delimiter).expect("reproduced");
        split(text, &delimiter).into_iter().map(|piece| text[piece].trim()).collect()
    }

    /// What Liquibase 4.28 makes of these.
    #[test]
    fn statements_are_cut_as_liquibase_cuts_them() {
        assert_eq!(
            pieces("CREATE FUNCTION f() AS $$ BEGIN RETURN 1; END; $$ LANGUAGE plpgsql; SELECT 2;", None),
            ["CREATE FUNCTION f() AS $$ BEGIN RETURN 1; END", "$$ LANGUAGE plpgsql", "SELECT 2"]
        );
        assert_eq!(pieces("DO $$ BEGIN NULL; END $$;\nSELECT 2;", None), ["DO $$ BEGIN NULL; END $$", "SELECT 2"]);
        assert_eq!(pieces("AS $x$ SELECT 1; SELECT ';'; $x$", None), ["AS $x$ SELECT 1", "SELECT ';'", "$x$"]);
        assert_eq!(pieces("BEGIN; SELECT 1; COMMIT; SELECT 3;", None), ["BEGIN; SELECT 1; COMMIT; SELECT 3;"]);
        assert_eq!(pieces("SELECT 'a;b', \"c;d\", E'it\\'s; x'; SELECT 2;", None).len(), 2);
        assert_eq!(pieces("SELECT 'a''; b'; SELECT 2 -- a; b\n; /* x; y */ SELECT 3;;", None).len(), 3);
        assert_eq!(pieces("SELECT 1\nGO\nSELECT 2\n/\nSELECT 3 / 2", None), ["SELECT 1", "SELECT 2", "SELECT 3 / 2"]);
        assert_eq!(pieces("SELECT case when true then 1 end; SELECT 2;", None).len(), 2);
    }

    #[test]
    fn own_delimiters_take_the_place_of_the_usual_ones() {
        assert_eq!(pieces("SELECT 1/2\n/\nSELECT 2; SELECT 3\n/", Some("/")), ["SELECT 1/2", "SELECT 2; SELECT 3"]);
        assert_eq!(pieces("SELECT 1 @@ SELECT 2; @@", Some("@@")), ["SELECT 1", "SELECT 2;"]);
        assert_eq!(pieces("SELECT 1\nGO\nSELECT 2 go", Some("\\nGO")), ["SELECT 1", "SELECT 2 go"]);
        assert_eq!(pieces("SELECT 1\ngo\nSELECT 2\nGO\n", Some("GO")), ["SELECT 1", "SELECT 2"]);
        assert_eq!(Delimiter::new(Some("\\n/$")), Some(Delimiter::Own { text: "/".to_owned(), line: true }));
        assert_eq!(Delimiter::new(Some("\\n\\s*go")), None);
    }

    #[test]
    fn expressions_hold_for_sets_of_names() {
        let names = names("test, Prod");
        let holds = |expression| holds(expression, &names);
        assert_eq!(holds(""), Some(true));
        assert_eq!(holds("PROD and !dev"), Some(true));
        assert_eq!(holds("dev, prod"), Some(true));
        assert_eq!(holds("not test or dev"), Some(false));
        assert_eq!(holds("(a or b) and c"), None);
    }
}
