//! A server's log as text, whatever stands before each message (`log_line_prefix`).

/// One message and its `DETAIL`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Line it begins on, counted from 1.
    pub line: usize,
    /// The message, its lines joined as they were sent.
    pub message: String,
    /// `DETAIL`, empty where there is none.
    pub detail: String,
}

/// What opens a message or a part of one, in the server's English.
const OPENINGS: [&str; 14] = [
    "LOG:  ",
    "DETAIL:  ",
    "STATEMENT:  ",
    "HINT:  ",
    "CONTEXT:  ",
    "QUERY:  ",
    "LOCATION:  ",
    "ERROR:  ",
    "FATAL:  ",
    "PANIC:  ",
    "WARNING:  ",
    "NOTICE:  ",
    "INFO:  ",
    "DEBUG:  ",
];

/// Every `LOG` message. Lines that begin with a tab go on with what stands above them.
pub fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // Where the lines that follow belong.
    let mut part = Part::Other;
    for (index, line) in text.lines().enumerate() {
        if let Some(more) = line.strip_prefix('\t') {
            if let Some(entry) = entries.last_mut() {
                let to = match part {
                    Part::Message => &mut entry.message,
                    Part::Detail => &mut entry.detail,
                    Part::Other => continue,
                };
                to.push('\n');
                to.push_str(more);
            }
            continue;
        }
        part = match opening(line) {
            Some(("LOG:  ", message)) => {
                entries.push(Entry { line: index + 1, message: message.to_owned(), detail: String::new() });
                Part::Message
            }
            // It follows its message at once.
            Some(("DETAIL:  ", detail)) if matches!(part, Part::Message) => {
                if let Some(entry) = entries.last_mut() {
                    detail.clone_into(&mut entry.detail);
                }
                Part::Detail
            }
            _ => Part::Other,
        };
    }
    entries
}

enum Part {
    Message,
    Detail,
    Other,
}

/// The first opening in a line, and what follows it.
fn opening(line: &str) -> Option<(&'static str, &str)> {
    let places = OPENINGS.iter().filter_map(|opening| {
        let at = line.find(opening)?;
        let joined = line[..at].ends_with(|c: char| c.is_alphanumeric());
        (!joined).then(|| (at, *opening, &line[at + opening.len()..]))
    });
    places.min_by_key(|(at, _, _)| *at).map(|(_, opening, rest)| (opening, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_over_several_lines_and_have_their_details() {
        let log = "2026-01-01 UTC [7] app@shop LOG:  execute q: SELECT 1\n\t  FROM t\n\
                   2026-01-01 UTC [7] app@shop DETAIL:  parameters: $1 = 'a\n\tb'\n\
                   2026-01-01 UTC [7] ERROR:  DETAIL:  no\n\tnot this\n\
                   LOG:  statement: SELECT 'LOG:  x'\n";
        let found = entries(log);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].message, "execute q: SELECT 1\n  FROM t");
        assert_eq!(found[0].detail, "parameters: $1 = 'a\nb'");
        assert_eq!((found[1].line, found[1].message.as_str()), (7, "statement: SELECT 'LOG:  x'"));
    }
}
