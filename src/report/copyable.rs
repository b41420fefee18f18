//! SQL and commands that are copied from a terminal: lines are broken where that changes nothing, and nowhere else.

use super::visible::{columns, visible};

/// Lines of SQL of at most `width` columns, where spaces outside of quotes allow it. A comment goes on as a comment.
pub(super) fn sql(text: &str, width: usize) -> Vec<String> {
    broken(text, width, Language::Sql)
}

/// Lines of a command, all but the last with a backslash at the end.
pub(super) fn shell(text: &str, width: usize) -> Vec<String> {
    broken(text, width, Language::Shell)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Sql,
    Shell,
}

/// What a character stands in.
#[derive(Clone, PartialEq, Eq)]
enum Within {
    Nothing,
    /// Until this character.
    Quotes(char),
    /// Until this tag: `$tag$`.
    Dollars(String),
    /// Until the end of the line.
    Comment,
}

fn broken(text: &str, width: usize, language: Language) -> Vec<String> {
    let (more, again) = match language {
        Language::Sql => ("", ""),
        Language::Shell => (" \\", "  "),
    };
    let mut lines = Vec::new();
    let mut within = Within::Nothing;
    for line in text.lines() {
        if within == Within::Comment {
            within = Within::Nothing;
        }
        let mut current = String::new();
        for (piece, state) in pieces(line, &mut within, language) {
            let piece = visible(piece);
            let full = !current.trim().is_empty() && columns(&current) + 1 + columns(&piece) + more.len() > width;
            if full {
                lines.push(format!("{current}{more}"));
                current = if state == Within::Comment { format!("-- {piece}") } else { format!("{again}{piece}") };
            } else {
                if !current.is_empty() {
                    current.push(' ');
                }
                current.push_str(&piece);
            }
        }
        lines.push(current);
    }
    lines
}

/// A line cut at each space where it may be broken, and what the space in front of each piece stands in.
fn pieces<'t>(line: &'t str, within: &mut Within, language: Language) -> Vec<(&'t str, Within)> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let (mut found, mut start, mut before) = (Vec::new(), 0, within.clone());
    let mut at = 0;
    while let Some(letter) = line[at..].chars().next() {
        let rest = &line[at..];
        let mut next = at + letter.len_utf8();
        match within {
            Within::Quotes(end) if letter == *end => *within = Within::Nothing,
            Within::Dollars(tag) if rest.starts_with(tag.as_str()) => {
                next = at + tag.len();
                *within = Within::Nothing;
            }
            Within::Nothing | Within::Comment if letter == ' ' && at >= indent => {
                found.push((&line[start..at], before.clone()));
                (start, before) = (next, within.clone());
            }
            Within::Nothing if matches!(letter, '\'' | '"') => *within = Within::Quotes(letter),
            Within::Nothing if language == Language::Sql && rest.starts_with("--") => *within = Within::Comment,
            Within::Nothing if language == Language::Sql && letter == '$' => {
                if let Some(tag) = dollar_tag(rest) {
                    next = at + tag.len();
                    *within = Within::Dollars(tag.to_owned());
                }
            }
            _ => {}
        }
        at = next;
    }
    found.push((&line[start..], before));
    found
}

/// `$tag$` at the beginning of a text.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 1;
    let tag = &text[1..end];
    let name = tag.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (name && !tag.starts_with(|first: char| first.is_ascii_digit())).then(|| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_is_broken_at_spaces_that_mean_nothing_and_is_the_same_when_joined() {
        let text =
            "CREATE INDEX i ON t (a) WHERE note <> 'two  spaces, and -- no comment' AND \"odd  name\" > $x$ a  b $x$;";
        let lines = sql(text, 30);
        assert!(lines.len() > 3, "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().any(|line| line.contains("'two  spaces, and -- no comment'")), "{lines:?}");
        assert_eq!(sql("    SELECT  1", 80), ["    SELECT  1"], "what fits stays");
        assert_eq!(sql("SELECT 'a\n  b  c'", 4), ["SELECT", "'a", "  b  c'"], "a quote goes on over lines");
    }

    #[test]
    fn a_comment_goes_on_as_one() {
        assert_eq!(
            sql("-- in a transaction of its own\nSELECT 1;", 18),
            ["-- in a", "-- transaction of", "-- its own", "SELECT 1;"]
        );
    }

    #[test]
    fn a_command_is_one_command_wherever_it_is_broken() {
        let command = "psql -X -f 'a folder  of mine/rollback.sql' \"${DATABASE_URL:?}\"";
        assert_eq!(shell(command, 80), [command]);
        assert_eq!(
            shell(command, 40),
            ["psql -X -f \\", "  'a folder  of mine/rollback.sql' \\", "  \"${DATABASE_URL:?}\""]
        );
    }
}
