//! Whose SQL a text is.

/// The language of an engine, as far as cutting and reading text depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// As the server's own scanner reads it.
    #[default]
    PostgreSql,
    /// As SQLite's tokenizer reads it.
    Sqlite,
}

impl Dialect {
    /// The engine's name, for people.
    pub fn engine(self) -> &'static str {
        match self {
            Self::PostgreSql => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }

    /// Whether it is SQLite's.
    pub fn is_sqlite(self) -> bool {
        self == Self::Sqlite
    }
}
