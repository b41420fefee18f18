//! Cutting scripts into the statements the runner sends, with what they say once placeholders are filled in.

use super::tree::Script;
use crate::migration::script::{self, Dialect, StatementKind};
use crate::migration::{MigrationError, SourceFile, Statement};
use std::ops::Range;
use std::sync::Arc;

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of the file's text.
    pub span: Range<usize>,
    /// What is sent where that is not what the file says.
    pub rendered: Option<String>,
    /// Whose SQL it is.
    pub dialect: Dialect,
}

impl Cut {
    /// What is sent.
    pub fn sql<'a>(&'a self, file: &'a SourceFile) -> &'a str {
        self.rendered.as_deref().unwrap_or(&file.text[self.span.clone()])
    }

    /// What it is, by its first words.
    pub fn kind(&self, file: &SourceFile) -> StatementKind {
        script::kind_in(self.sql(file), self.dialect)
    }
}

/// The statements of a script as the engine itself tells them apart.
///
/// # Errors
/// Text that cannot be cut, with file and line.
pub fn cut(script: &Script, dialect: Dialect) -> Result<Vec<Cut>, MigrationError> {
    let mut cuts = Vec::new();
    for part in &script.parts {
        let spans = script::split_in(&script.file.text[part.clone()], dialect).map_err(|mut error| {
            error.offset += part.start;
            MigrationError::in_script(&script.file, error)
        })?;
        let moved = spans.into_iter().map(|span| span.start + part.start..span.end + part.start);
        cuts.extend(moved.map(|span| Cut { span, rendered: None, dialect }));
    }
    Ok(cuts)
}

/// Numbers the statements of a script, from `first` on.
pub fn number(file: &Arc<SourceFile>, cuts: Vec<Cut>, first: usize) -> Vec<Statement> {
    let number = |(at, cut): (usize, Cut)| Statement {
        index: first + at,
        file: Arc::clone(file),
        span: cut.span,
        rendered: cut.rendered,
    };
    cuts.into_iter().enumerate().map(number).collect()
}

/// A script's text with values in the place of placeholders, and where in the file each byte came from.
#[derive(Debug)]
pub struct Rendered<'a> {
    file: &'a SourceFile,
    text: String,
    pieces: Vec<Piece>,
    dialect: Dialect,
}

/// A stretch of rendered text.
#[derive(Debug)]
struct Piece {
    /// Where it begins in the rendered text.
    at: usize,
    /// Bytes of the file it stands for.
    source: Range<usize>,
    /// As in the file, byte by byte.
    verbatim: bool,
}

impl<'a> Rendered<'a> {
    /// Nothing yet.
    pub fn new(file: &'a SourceFile) -> Self {
        Self { file, text: String::new(), pieces: Vec::new(), dialect: Dialect::default() }
    }

    /// Says whose SQL it is.
    pub fn in_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Adds bytes of the file as they are.
    pub fn copy(&mut self, source: Range<usize>) {
        let text = &self.file.text[source.clone()];
        self.pieces.push(Piece { at: self.text.len(), source, verbatim: true });
        self.text.push_str(text);
    }

    /// Adds `value` in the place of bytes of the file.
    pub fn replace(&mut self, source: Range<usize>, value: &str) {
        self.pieces.push(Piece { at: self.text.len(), source, verbatim: false });
        self.text.push_str(value);
    }

    /// Cuts the rendered text into statements, each with its place in the file.
    ///
    /// # Errors
    /// Text that cannot be cut, with file and line.
    pub fn cut(&self) -> Result<Vec<Cut>, MigrationError> {
        let spans = script::split_in(&self.text, self.dialect).map_err(|mut error| {
            error.offset = self.source(error.offset).start;
            MigrationError::in_script(self.file, error)
        })?;
        Ok(spans.into_iter().map(|span| self.place(span)).collect())
    }

    /// The rendered bytes as one statement, with their place in the file.
    pub fn place(&self, span: Range<usize>) -> Cut {
        let last = self.source(span.end.saturating_sub(1));
        let source = self.source(span.start).start..last.end;
        let text = &self.text[span];
        let rendered = (self.file.text.get(source.clone()) != Some(text)).then(|| text.to_owned());
        Cut { span: source, rendered, dialect: self.dialect }
    }

    /// The rendered text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Bytes of the file that one rendered byte stands for.
    fn source(&self, offset: usize) -> Range<usize> {
        let after = self.pieces.partition_point(|piece| piece.at <= offset);
        match after.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            Some(piece) if piece.verbatim => {
                let at = (piece.source.start + offset - piece.at).min(piece.source.end);
                at..(at + 1).min(self.file.text.len())
            }
            Some(piece) => piece.source.clone(),
            None => 0..0,
        }
    }
}

/// Fills in `${name}`-like placeholders of `parts`: `value` answers with what stands for a name.
///
/// # Errors
/// A placeholder `value` has no answer for, with file, line and what to do.
pub fn fill_in<'a>(
    script: &'a Script,
    part: &Range<usize>,
    (open, close): (&str, &str),
    mut value: impl FnMut(&str) -> Option<String>,
    missing: impl Fn(&str) -> String,
) -> Result<Rendered<'a>, MigrationError> {
    let mut rendered = Rendered::new(&script.file);
    let text = &script.file.text[..part.end];
    let mut at = part.start;
    while let Some(begin) = text[at..].find(open).map(|found| at + found) {
        let inside = begin + open.len();
        let Some(end) = text[inside..].find(close).map(|found| inside + found) else { break };
        let name = &text[inside..end];
        match value(name) {
            Some(value) => {
                rendered.copy(at..begin);
                rendered.replace(begin..end + close.len(), &value);
            }
            None => {
                return Err(MigrationError::Placeholder {
                    file: script.file.name.clone(),
                    line: script.file.position(begin).line,
                    placeholder: text[begin..end + close.len()].to_owned(),
                    advice: missing(name),
                });
            }
        }
        at = end + close.len();
    }
    rendered.copy(at..part.end);
    Ok(rendered)
}
