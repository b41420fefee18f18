//! Reading SQL text: tokens, statements with byte spans, and what kind of statement each one is.
//!
//! One lexer serves migrations, dumps and the parameters of hot queries. It follows the server's own scanner with
//! `standard_conforming_strings = on`, or SQLite's tokenizer where a [`Dialect`] says so. The server's word stays final: nothing here judges whether SQL is correct,
//! only where one statement ends and the next begins.

pub mod again;
mod dialect;
mod kind;
pub mod lexer;
mod mask;
mod splitter;
pub mod sqlite;
pub mod words;

pub use dialect::Dialect;
pub use kind::{StatementKind, kind, kind_in};
pub use mask::{mask_literals, mask_literals_in, normalise_whitespace, normalise_whitespace_in};
pub use splitter::{LineError, LineStatement, Splitter, split, split_in};

/// Text that cannot be cut into statements, with the byte where the trouble begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ScriptError {
    /// Byte offset into the text that was given.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ScriptErrorKind,
}

/// What keeps text from being cut into statements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptErrorKind {
    /// A string without its closing quote.
    #[error("a string begins here and never ends: add the closing '")]
    UnterminatedString,
    /// A quoted identifier without its closing quote.
    #[error("a quoted identifier begins here and never ends: add the closing \"")]
    UnterminatedIdentifier,
    /// A quoted identifier of SQLite's without its closing backtick or bracket.
    #[error("a quoted identifier begins here and never ends: add the closing {0}")]
    UnterminatedQuote(char),
    /// A block comment without its end; block comments nest.
    #[error("a comment begins here and never ends: every /* needs its own */")]
    UnterminatedComment,
    /// A dollar-quoted string without its closing tag, given with both dollar signs.
    #[error("a dollar-quoted string begins here and never ends: add the closing {0}")]
    UnterminatedDollarQuote(String),
    /// A backslash command of psql, given as written.
    #[error("{0} is a command of psql, which the server does not know: replace it by SQL or take it out")]
    MetaCommand(String),
    /// A dot command of the `sqlite3` shell, given as written.
    #[error(
        "{0} is a command of the sqlite3 shell, which SQLite itself does not know: replace it by SQL or take it out"
    )]
    ShellCommand(String),
    /// `COPY … FROM STDIN`, whose rows would follow in the text.
    #[error("COPY … FROM STDIN needs its rows sent apart from the SQL: write INSERT statements instead")]
    CopyFromStdin,
    /// A zero byte, which no SQL text may hold.
    #[error("a zero byte stands here: save the file as UTF-8 text")]
    ZeroByte,
}
