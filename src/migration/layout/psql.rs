//! Scripts that psql runs: variables, includes, and the few commands that do not change what is run.

use super::cut::{Cut, Rendered};
use super::tree::Script;
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::migration::source_file::read_text;
use crate::migration::{MigrationError, SourceFile};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// psql with the variables it was started with, in the folder it was started in.
#[derive(Debug)]
pub(super) struct Psql {
    variables: BTreeMap<String, String>,
    folder: PathBuf,
    /// Files being read, the outermost first.
    trail: Vec<PathBuf>,
}

/// Commands that print or measure and leave the database alone.
const HARMLESS: [&str; 9] = ["echo", "qecho", "warn", "timing", "pset", "x", "t", "a", "prompt"];

impl Psql {
    /// `folder` is where relative paths of `\i` begin.
    pub(super) fn new(variables: BTreeMap<String, String>, folder: &Path) -> Self {
        Self { variables, folder: folder.to_owned(), trail: Vec::new() }
    }

    /// The statements psql would send. What an include brings stands where the include stands.
    ///
    /// # Errors
    /// A variable without a value, a file that is not there, a command that is not reproduced here.
    pub(super) fn cut(mut self, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        let file = &script.file;
        let mut rendered = Rendered::new(file);
        self.trail.push(file.path.clone());
        for piece in self.pieces(&file.text, file, None)? {
            match piece {
                Piece::Same(span) => rendered.copy(span),
                Piece::Other(span, text) => rendered.replace(span, &text),
            }
        }
        rendered.cut()
    }

    /// What becomes of a text. `line` is where in `file` it is included, if it is.
    fn pieces(&mut self, text: &str, file: &SourceFile, line: Option<usize>) -> Result<Vec<Piece>, MigrationError> {
        let mut pieces = Vec::new();
        let (mut from, mut at, mut brackets) = (0, 0, 0usize);
        while at < text.len() {
            // A command ends with its line, whatever stands there: the lexer begins anew behind it.
            let base = at;
            let mut lexer = Lexer::new(&text[base..]).peekable();
            at = text.len();
            while let Some(token) = lexer.next() {
                let span = base + token.span.start..base + token.span.end;
                if token.kind != TokenKind::Punctuation {
                    continue;
                }
                let here = |offset: usize| line.unwrap_or_else(|| file.position(offset).line);
                match &text[span.clone()] {
                    "[" => brackets += 1,
                    "]" => brackets = brackets.saturating_sub(1),
                    ":" => {
                        let Some(next) = lexer.peek() else { continue };
                        let end = base + next.span.end;
                        let spelled = &text[span.end..end];
                        let name = match next.kind {
                            TokenKind::Word => spelled,
                            // One that does not end is told with the statement it stands in.
                            TokenKind::String | TokenKind::QuotedIdentifier => match between_quotes(spelled) {
                                Some(name) => name,
                                None => continue,
                            },
                            _ => continue,
                        };
                        let Some(value) = self.variables.get(name) else {
                            // `numbers[1:n]` is SQL.
                            if next.kind == TokenKind::Word && brackets > 0 {
                                continue;
                            }
                            return Err(MigrationError::Placeholder {
                                file: file.name.clone(),
                                line: here(span.start),
                                placeholder: format!(":{spelled}"),
                                advice: format!(
                                    "give {name} under `placeholders`, or to psql in the tool's configuration"
                                ),
                            });
                        };
                        let value = match next.kind {
                            TokenKind::String => super::literal(value),
                            TokenKind::QuotedIdentifier => super::quoted(value),
                            _ => value.clone(),
                        };
                        pieces.push(Piece::Same(from..span.start));
                        pieces.push(Piece::Other(span.start..end, value));
                        from = end;
                    }
                    other if other.starts_with('\\') => {
                        let end = text[span.start..].find(['\n', '\r']).map_or(text.len(), |end| span.start + end);
                        let content = self.command(&text[span.start + 1..end], file, here(span.start))?;
                        pieces.push(Piece::Same(from..span.start));
                        pieces.push(Piece::Other(span.start..end, content));
                        (from, at) = (end, end);
                        break;
                    }
                    _ => {}
                }
            }
        }
        pieces.push(Piece::Same(from..text.len()));
        Ok(pieces)
    }

    /// Runs a command; what it puts in its place.
    fn command(&mut self, command: &str, file: &SourceFile, line: usize) -> Result<String, MigrationError> {
        let wrong = |reason: String| MigrationError::Content { file: file.name.clone(), line, reason };
        let (name, rest) = command.split_at(command.find(|each: char| !each.is_alphabetic()).unwrap_or(command.len()));
        if HARMLESS.contains(&name) {
            return Ok(String::new());
        }
        let words = self.words(rest).map_err(|what| wrong(format!("\\{name}: {what}")))?;
        match (name, words.as_slice()) {
            ("set", [variable, ..]) if variable == "AUTOCOMMIT" => {
                Err(wrong("\\set AUTOCOMMIT is not reproduced: write BEGIN and COMMIT".to_owned()))
            }
            ("set", [variable, values @ ..]) => {
                self.variables.insert(variable.clone(), values.concat());
                Ok(String::new())
            }
            ("unset", [variable]) => {
                self.variables.remove(variable);
                Ok(String::new())
            }
            ("i" | "include" | "ir" | "include_relative", [path]) => {
                let beside = self.trail.last().and_then(|path| path.parent()).unwrap_or(Path::new(""));
                let folder = if matches!(name, "i" | "include") { &self.folder } else { beside };
                let path = folder.join(path);
                if self.trail.contains(&path) {
                    return Err(wrong(format!("\\{name}: {} includes itself", path.display())));
                }
                let content = read_text(&path)?;
                let content = content.trim_start_matches('\u{feff}');
                self.trail.push(path);
                let pieces = self.pieces(content, file, Some(line))?;
                self.trail.pop();
                // A line end, so that a comment at its end does not swallow what follows.
                let text = pieces.into_iter().map(|piece| match piece {
                    Piece::Same(span) => content[span].to_owned(),
                    Piece::Other(_, text) => text,
                });
                Ok(text.chain(["\n".to_owned()]).collect())
            }
            _ => Err(wrong(format!("\\{name} is a command of psql that is not reproduced here: write SQL instead"))),
        }
    }

    /// A command's arguments as psql takes them apart: pieces in quotes and pieces without, up to a space, with
    /// variables filled in outside of quotes.
    ///
    /// # Errors
    /// What is not reproduced, or psql itself stops at.
    fn words(&self, text: &str) -> Result<Vec<String>, &'static str> {
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let mut word = String::new();
            while let Some(first) = rest.chars().next().filter(|first| !first.is_whitespace()) {
                let after = &rest[first.len_utf8()..];
                rest = match first {
                    '\'' => quoted(after, &mut word)?,
                    // Double quotes stay, and nothing is filled in between them.
                    '"' => {
                        let end = after.find('"').ok_or("a quote begins here and never ends")? + 2;
                        word.push_str(&rest[..end]);
                        &rest[end..]
                    }
                    ':' => match self.variable(after) {
                        Some((value, rest)) => {
                            word.push_str(&value);
                            rest
                        }
                        None => {
                            word.push(':');
                            after
                        }
                    },
                    '`' => return Err("a program in backquotes is not run here: write its output"),
                    '\\' => {
                        return Err("a backslash outside of quotes begins the next command: give it a line of its own");
                    }
                    other => {
                        word.push(other);
                        after
                    }
                };
            }
            words.push(word);
            rest = rest.trim_start();
        }
        Ok(words)
    }

    /// The value of the variable whose name `text` begins with, be it in quotes, and what follows. `None` where psql
    /// leaves the colon as it is.
    fn variable<'t>(&self, text: &'t str) -> Option<(String, &'t str)> {
        let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'));
        let inside = &text[quote.map_or(0, char::len_utf8)..];
        let length = inside.find(|each: char| !each.is_alphanumeric() && each != '_').unwrap_or(inside.len());
        let (name, rest) = inside.split_at(length);
        let value = self.variables.get(name)?;
        Some(match quote {
            Some(quote) => {
                let rest = rest.strip_prefix(quote)?;
                (if quote == '"' { super::quoted(value) } else { super::literal(value) }, rest)
            }
            None => (value.clone(), rest),
        })
    }
}

/// Adds what stands in single quotes to `word`: a quote is written twice, a backslash escapes. What follows them.
fn quoted<'t>(text: &'t str, word: &mut String) -> Result<&'t str, &'static str> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if text[at + 1..].starts_with('\'') => {
                word.push('\'');
                characters.next();
            }
            '\'' => return Ok(&text[at + 1..]),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => word.push('\n'),
                Some('t') => word.push('\t'),
                Some('r') => word.push('\r'),
                Some('b') => word.push('\u{8}'),
                Some('f') => word.push('\u{c}'),
                Some('0'..='7' | 'x') => {
                    return Err("a byte given by its number is not reproduced: write the character");
                }
                Some(other) => word.push(other),
                None => break,
            },
            other => word.push(other),
        }
    }
    Err("a quote begins here and never ends")
}

/// A stretch of a script.
enum Piece {
    /// As it stands.
    Same(Range<usize>),
    /// Something in its place.
    Other(Range<usize>, String),
}

fn between_quotes(spelled: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| spelled.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;
    use std::sync::Arc;

    fn cut(text: &str, more: &[(&str, &str)]) -> Result<Vec<(usize, String)>, String> {
        let folder = folder(&[&[("s/a.sql", text)], more].concat());
        let file = SourceFile::read(&folder.path().join("s/a.sql"), folder.path()).expect("readable");
        let script = Script::whole(Arc::new(file));
        let variables = [("name", "it's"), ("n", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let cuts = Psql::new(variables.into(), folder.path()).cut(&script).map_err(|error| error.to_string())?;
        let told = |cut: &Cut| (script.file.position(cut.span.start).line, cut.sql(&script.file).to_owned());
        Ok(cuts.iter().map(told).collect())
    }

    #[test]
    fn a_variable_whose_quote_does_not_end_is_told_with_its_statement() {
        for open in ["SELECT :\"", "SELECT :'", "SELECT :\"é", "SELECT :'name"] {
            let said = cut(open, &[]).expect_err("it does not end");
            assert!(said.contains("s/a.sql:1"), "{said}");
        }
    }

    #[test]
    fn variables_are_filled_in_outside_strings_and_comments() {
        let sql = "SELECT :'name', :\"name\", ':n', :n::int, a[1:b] -- :x\n;\\set t o_ther\nSELECT :t; SELECT $$:x$$";
        let sent = cut(sql, &[]).expect("runs");
        let texts: Vec<(usize, &str)> = sent.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(
            texts,
            [(1, "SELECT 'it''s', \"it's\", ':n', 3::int, a[1:b]"), (3, "SELECT o_ther"), (3, "SELECT $$:x$$")]
        );
        let error = cut("SELECT 1;\nSELECT :'gone'", &[]).expect_err("no value");
        assert!(error.starts_with("s/a.sql:2: :'gone' has no value: give gone under"), "{error}");
    }

    #[test]
    fn includes_bring_statements_to_their_line() {
        let more = [("s/b.sql", "CREATE TABLE b (x int); -- done"), ("c.sql", "\\ir s/b.sql\nSELECT :n;")];
        let sent = cut("BEGIN;\n\\i c.sql\n\\echo 'it''s done'\nCOMMIT;", &more).expect("runs");
        let texts: Vec<(usize, &str)> = sent.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(texts, [(1, "BEGIN"), (2, "CREATE TABLE b (x int)"), (2, "SELECT 3"), (4, "COMMIT")]);
        assert!(cut("\\i gone.sql", &[]).expect_err("missing").contains("gone.sql: cannot be read"));
        assert!(cut("\\ir a.sql", &[]).expect_err("itself").contains("includes itself"));
    }

    #[test]
    fn commands_that_run_something_are_refused() {
        for command in
            ["\\copy t from x", "SELECT 1 \\gexec", "\\! ls", "\\connect other", "\\set AUTOCOMMIT off", "\\if :n"]
        {
            assert!(cut(command, &[]).expect_err("not reproduced").starts_with("s/a.sql:1: \\"), "{command}");
        }
    }

    #[test]
    fn values_of_set_are_read_as_psql_reads_them() {
        let sent = |set: &str, use_of: &str| {
            let cuts = cut(&format!("\\set x {set}\nSELECT {use_of};"), &[]).map_err(|error| error.to_string())?;
            Ok::<String, String>(cuts[0].1.clone())
        };
        assert_eq!(sent("'it''s'", ":'x'").as_deref(), Ok("SELECT 'it''s'"));
        assert_eq!(sent("'a b' c", ":'x'").as_deref(), Ok("SELECT 'a bc'"));
        assert_eq!(sent("a'b c'd", ":'x'").as_deref(), Ok("SELECT 'ab cd'"));
        assert_eq!(sent("'a\\tb\\\\'", ":'x'").as_deref(), Ok("SELECT 'a\tb\\'"));
        assert_eq!(sent(":'name'", ":x").as_deref(), Ok("SELECT 'it''s'"));
        assert_eq!(sent(":\"name\"", ":x").as_deref(), Ok("SELECT \"it's\""));
        assert_eq!(sent(":n:n", ":x").as_deref(), Ok("SELECT 33"));
        assert_eq!(sent("a:gone", ":'x'").as_deref(), Ok("SELECT 'a:gone'"));
        assert_eq!(sent("a::n", ":'x'").as_deref(), Ok("SELECT 'a:3'"));
        assert_eq!(sent("\"A :n\"", ":x").as_deref(), Ok("SELECT \"A :n\""));
        for odd in ["`date`", "'open", "\"open", "a`date`"] {
            let error = sent(odd, ":x").expect_err(odd);
            assert!(error.starts_with("s/a.sql:1: \\set"), "{error}");
        }
    }
}
