//! A dump's SQL text, item by item, in little memory: statements, the rows of `COPY … FROM stdin`, and where it asks
//! psql to connect. Nothing is ever passed to psql.

use crate::copy::text::TextStream;
use crate::copy::words::Words;
use crate::migration::script::{LineStatement, ScriptErrorKind, Splitter};
use std::collections::VecDeque;
use thiserror::Error;

/// One thing a dump says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A statement to send.
    Statement(DumpStatement),
    /// `COPY … FROM stdin`; its rows are next, by [`DumpReader::copy_chunk`].
    Copy(DumpStatement),
    /// `\connect`: what follows belongs to this database.
    Connect {
        /// 1-based line.
        line: usize,
        /// The database's name.
        database: String,
    },
}

/// A statement and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpStatement {
    /// 1-based line of its first byte.
    pub line: usize,
    /// Its text without the semicolon. In an encoding other than UTF-8 each byte stands as one character: see
    /// [`DumpReader::set_encoding`].
    pub sql: String,
    /// The dump's own heading above it, `TABLE public.orders`.
    pub entry: Option<String>,
}

/// Why a dump cannot be read on.
#[derive(Debug, Error)]
pub enum DumpError {
    /// The file, its compression, or `pg_restore` is at fault.
    #[error("{name}:{line}: cannot read on: {error}; make the dump anew")]
    Read {
        /// The text.
        name: String,
        /// 1-based line reached.
        line: usize,
        /// What happened.
        error: std::io::Error,
    },
    /// It ends too early.
    #[error("{name}:{line}: the dump is cut off {where_}: make it anew and let pg_dump finish")]
    Truncated {
        /// The text.
        name: String,
        /// 1-based line of what is unfinished.
        line: usize,
        /// What is unfinished.
        where_: String,
    },
    /// A psql command that cannot be followed without psql.
    #[error("{name}:{line}: psql command `{command}` is not run: remove it, or make the dump with pg_dump")]
    PsqlCommand {
        /// The text.
        name: String,
        /// 1-based line.
        line: usize,
        /// Its first word.
        command: String,
    },
    /// Text that is no SQL.
    #[error("{name}:{line}: {problem}")]
    Text {
        /// The text.
        name: String,
        /// 1-based line.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// What a dump's comments say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `Dumped from database version`.
    pub server_version: Option<String>,
    /// `PostgreSQL database cluster dump`.
    pub cluster: bool,
    open_dumps: usize,
}

/// Reads a dump.
#[derive(Debug)]
pub struct DumpReader {
    stream: TextStream,
    buffer: Vec<u8>,
    /// First byte of `buffer` not yet read.
    at: usize,
    /// 1-based number of the line that begins at `at`.
    line: usize,
    ended: bool,
    splitter: Splitter,
    ready: VecDeque<LineStatement>,
    entry: Option<String>,
    copying: Option<usize>,
    bytes_as_characters: bool,
    /// What its comments said so far.
    pub header: Header,
}

impl DumpReader {
    /// Before the first line.
    pub fn new(stream: TextStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            at: 0,
            line: 1,
            ended: false,
            splitter: Splitter::new(),
            ready: VecDeque::new(),
            entry: None,
            copying: None,
            bytes_as_characters: false,
            header: Header::default(),
        }
    }

    /// What the text is called in messages.
    pub fn name(&self) -> &str {
        &self.stream.name
    }

    /// The encoding of what follows, by the dump's own `SET client_encoding`. Text in another encoding than UTF-8
    /// is split byte by byte, each byte one character up to U+00FF, which [`encoded_bytes`] undoes.
    pub fn set_encoding(&mut self, encoding: &str) {
        self.bytes_as_characters = !is_utf8(encoding);
    }

    /// The next item, `None` at the end. Rows of a `COPY` nobody asked for are passed over.
    ///
    /// # Errors
    /// A damaged or cut-off dump, a psql command, or text that is no SQL; with the line.
    pub async fn next(&mut self) -> Result<Option<Item>, DumpError> {
        while self.copying.is_some() {
            self.copy_chunk().await?;
        }
        loop {
            if let Some(statement) = self.ready.pop_front() {
                return Ok(Some(self.item(statement)));
            }
            let Some(end) = self.line_end().await? else {
                return self.end().map(|last| last.map(|statement| self.item(statement)));
            };
            let number = self.line;
            let line = self.at..end;
            self.at = end;
            self.line += 1;
            if self.splitter.is_between_statements() {
                let bytes = self.buffer[line.clone()].trim_ascii();
                match bytes {
                    [] => continue,
                    [b'-', b'-', ..] => {
                        let comment = String::from_utf8_lossy(bytes).into_owned();
                        self.comment(&comment);
                        continue;
                    }
                    [b'\\', ..] => {
                        let command = String::from_utf8_lossy(bytes).into_owned();
                        match self.psql_command(number, &command)? {
                            Some(item) => return Ok(Some(item)),
                            None => continue,
                        }
                    }
                    _ => {}
                }
            }
            self.push(number, line)?;
        }
    }

    /// The next rows of the `COPY` that [`DumpReader::next`] returned last, whole lines or parts of one; `None` after
    /// the last.
    ///
    /// # Errors
    /// The dump ends within the rows, or cannot be read on.
    pub async fn copy_chunk(&mut self) -> Result<Option<Vec<u8>>, DumpError> {
        let Some(start) = self.copying else { return Ok(None) };
        loop {
            // Whole lines only, so that the end mark is never cut in two.
            let rest = &self.buffer[self.at..];
            let mut lines = 0;
            let mut taken = 0;
            let mut finished = None;
            while let Some(length) = newline(&rest[taken..]) {
                let line = &rest[taken..taken + length + 1];
                lines += 1;
                if matches!(line, b"\\.\n" | b"\\.\r\n") {
                    finished = Some(taken + length + 1);
                    break;
                }
                taken += length + 1;
            }
            if finished.is_none() && self.ended && rest[taken..] == *b"\\." {
                finished = Some(rest.len());
                lines += 1;
            }
            let chunk = rest[..taken].to_vec();
            self.line += lines;
            self.at += finished.unwrap_or(taken);
            if finished.is_some() {
                self.copying = None;
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
            if finished.is_some() {
                return Ok(None);
            }
            if !self.fill().await? {
                let where_ = format!("within the rows of the COPY that begins at line {start}");
                return Err(DumpError::Truncated { name: self.stream.name.clone(), line: self.line, where_ });
            }
        }
    }

    fn item(&mut self, statement: LineStatement) -> Item {
        let sql = statement.text;
        let copy = is_copy_from_stdin(&sql);
        let statement = DumpStatement { line: statement.line, sql, entry: self.entry.clone() };
        if copy {
            self.copying = Some(statement.line);
            return Item::Copy(statement);
        }
        Item::Statement(statement)
    }

    fn push(&mut self, number: usize, line: std::ops::Range<usize>) -> Result<(), DumpError> {
        let mut bytes = &self.buffer[line];
        if number == 1 {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        let text_error = |problem: String| DumpError::Text { name: self.stream.name.clone(), line: number, problem };
        let decoded: String;
        let text = if self.bytes_as_characters {
            decoded = bytes.iter().copied().map(char::from).collect();
            &decoded
        } else {
            std::str::from_utf8(bytes)
                .map_err(|_| text_error("the text is not UTF-8, and no SET client_encoding says what it is".into()))?
        };
        match self.splitter.push(number, text) {
            Ok(statements) => {
                self.ready.extend(statements);
                Ok(())
            }
            Err(error) => Err(match error.kind {
                ScriptErrorKind::MetaCommand(command) => self.refused(error.line, &command),
                kind => DumpError::Text { name: self.stream.name.clone(), line: error.line, problem: kind.to_string() },
            }),
        }
    }

    fn refused(&self, line: usize, command: &str) -> DumpError {
        let command = command.split_whitespace().next().unwrap_or(command).to_owned();
        DumpError::PsqlCommand { name: self.stream.name.clone(), line, command }
    }

    fn psql_command(&mut self, line: usize, command: &str) -> Result<Option<Item>, DumpError> {
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match word {
            "\\restrict" | "\\unrestrict" => Ok(None),
            // pg_dump writes this before it connects to a database with an unusual name.
            "\\encoding" if rest.trim() == "SQL_ASCII" => Ok(None),
            "\\encoding" if is_name(rest.trim()) => {
                let sql = format!("SET client_encoding = '{}'", rest.trim());
                Ok(Some(Item::Statement(DumpStatement { line, sql, entry: None })))
            }
            "\\connect" | "\\c" => match connect_target(rest) {
                Some(database) => Ok(Some(Item::Connect { line, database })),
                None => Err(self.refused(line, command)),
            },
            _ => Err(self.refused(line, command)),
        }
    }

    fn comment(&mut self, comment: &str) {
        let text = comment.trim_start_matches('-').trim();
        match text {
            "PostgreSQL database cluster dump" => {
                self.header.cluster = true;
                self.header.open_dumps += 1;
            }
            "PostgreSQL database dump" => self.header.open_dumps += 1,
            "PostgreSQL database dump complete" | "PostgreSQL database cluster dump complete" => {
                self.header.open_dumps = self.header.open_dumps.saturating_sub(1);
            }
            _ => {
                if let Some(version) = text.strip_prefix("Dumped from database version ") {
                    self.header.server_version = Some(version.to_owned());
                } else if let Some(entry) = toc_entry(text) {
                    self.entry = Some(entry);
                }
            }
        }
    }

    fn end(&mut self) -> Result<Option<LineStatement>, DumpError> {
        let truncated = |line, where_| DumpError::Truncated { name: self.stream.name.clone(), line, where_ };
        let last = std::mem::take(&mut self.splitter)
            .finish()
            .map_err(|error| truncated(error.line, format!("within a statement: {}", error.kind)))?;
        if let Some(statement) = &last
            && self.header.open_dumps > 0
        {
            return Err(truncated(statement.line, "within the statement that begins there".into()));
        }
        if last.is_none() && self.header.open_dumps > 0 {
            return Err(truncated(self.line, "before pg_dump's last line, `PostgreSQL database dump complete`".into()));
        }
        Ok(last)
    }

    /// End of the line that begins at `self.at`, its line feed included; the rest of the text for a last line without.
    async fn line_end(&mut self) -> Result<Option<usize>, DumpError> {
        let mut searched = 0;
        loop {
            if let Some(length) = newline(&self.buffer[self.at + searched..]) {
                return Ok(Some(self.at + searched + length + 1));
            }
            searched = self.buffer.len() - self.at;
            if !self.fill().await? {
                return Ok(Some(self.buffer.len()).filter(|end| *end > self.at));
            }
        }
    }

    async fn fill(&mut self) -> Result<bool, DumpError> {
        if self.ended {
            return Ok(false);
        }
        let chunk = self.stream.chunk().await.map_err(|error| DumpError::Read {
            name: self.stream.name.clone(),
            line: self.line,
            error,
        })?;
        self.buffer.drain(..self.at);
        self.at = 0;
        match chunk {
            Some(chunk) if self.buffer.is_empty() => self.buffer = chunk,
            Some(chunk) => self.buffer.extend_from_slice(&chunk),
            None => self.ended = true,
        }
        Ok(!self.ended)
    }
}

/// Whether PostgreSQL's name of an encoding means UTF-8.
pub fn is_utf8(encoding: &str) -> bool {
    let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
    plain.eq_ignore_ascii_case("utf8") || plain.eq_ignore_ascii_case("unicode")
}

/// The bytes of a statement read one byte a character.
pub fn encoded_bytes(sql: &str) -> Vec<u8> {
    sql.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}

fn newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

fn is_copy_from_stdin(sql: &str) -> bool {
    let words = Words::new(sql, 1);
    if !words.is(0, "COPY") {
        return false;
    }
    let words = Words::new(sql, usize::MAX);
    words.find(1, "FROM").is_some_and(|from| words.is(from + 1, "STDIN"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// `Name: orders; Type: TABLE; Schema: public; Owner: app` as `TABLE public.orders`.
fn toc_entry(comment: &str) -> Option<String> {
    let rest = ["Data for ", "Statistics for "].iter().find_map(|of| comment.strip_prefix(of)).unwrap_or(comment);
    let rest = rest.strip_prefix("Name: ")?;
    let (name, rest) = rest.split_once("; Type: ")?;
    let (kind, rest) = rest.split_once("; Schema: ")?;
    let schema = rest.split_once("; ").map_or(rest, |(schema, _)| schema);
    Some(if schema == "-" { format!("{kind} {name}") } else { format!("{kind} {schema}.{name}") })
}

/// The database of `\connect name`, `\connect "a name"` and pg_dump's `\connect -reuse-previous=on "dbname='a name'"`.
fn connect_target(arguments: &str) -> Option<String> {
    let arguments = arguments.trim();
    let arguments = arguments.strip_prefix("-reuse-previous=on").unwrap_or(arguments).trim();
    let words = Words::new(arguments, 2);
    let word = match arguments.strip_prefix('"') {
        Some(_) if words.len() == 1 => words.name(0)?,
        None if !arguments.is_empty() && !arguments.contains(char::is_whitespace) => arguments.to_owned(),
        _ => return None,
    };
    let Some(value) = word.strip_prefix("dbname=") else { return Some(word).filter(|word| word != "-") };
    let Some(quoted) = value.strip_prefix('\'') else { return Some(value.to_owned()) };
    let mut name = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '\\' => name.push(characters.next()?),
            '\'' => return Some(name),
            character => name.push(character),
        }
    }
}

#[cfg(test)]
mod tests;
