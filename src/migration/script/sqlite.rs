//! What a statement of SQLite's does and to what, told from its words as the grammar (`parse.y`) has them.

use super::Dialect;
use super::lexer::TokenKind;
use super::words::{Word, words_in};
use std::fmt;

/// A name as a statement gives it, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SqliteName {
    /// `main`, `temp`, or the name of an attached database, where it is given.
    pub schema: Option<String>,
    /// The name itself, spelled as there.
    pub name: String,
}

impl SqliteName {
    /// Whether it means an object of this name: SQLite compares letters of ASCII without case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it names the temporary schema.
    pub fn is_temporary(&self) -> bool {
        self.schema.as_deref().is_some_and(|schema| schema.eq_ignore_ascii_case("temp"))
    }

    /// Whether it may lie in the database itself: neither in the temporary schema nor in an attached one.
    pub fn is_main(&self) -> bool {
        self.schema.as_deref().is_none_or(|schema| schema.eq_ignore_ascii_case("main"))
    }
}

impl fmt::Display for SqliteName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(formatter, "{schema}.{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// What one statement of SQLite's does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteStatement {
    /// `BEGIN [DEFERRED | IMMEDIATE | EXCLUSIVE]`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK` of the whole transaction.
    Rollback,
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackTo {
        /// The savepoint.
        name: String,
    },
    /// `SAVEPOINT`, which begins a transaction where none is open.
    Savepoint {
        /// The savepoint.
        name: String,
    },
    /// `RELEASE`, which commits where the savepoint began the transaction.
    Release {
        /// The savepoint.
        name: String,
    },
    /// `PRAGMA`.
    Pragma {
        /// In lower case.
        name: String,
        /// The value after `=` or in parentheses, as written without quotes; `None` where it only asks. Of some pragmas
        /// (`table_info`) it is an argument.
        value: Option<String>,
    },
    /// `VACUUM`, also `INTO` a file.
    Vacuum,
    /// `REINDEX`.
    Reindex,
    /// `ANALYZE`.
    Analyze,
    /// `CREATE TABLE`, also `AS SELECT`.
    CreateTable {
        /// `TEMP`, or in the temporary schema.
        temporary: bool,
        /// Its name.
        name: SqliteName,
    },
    /// `CREATE VIRTUAL TABLE`.
    CreateVirtualTable {
        /// Its name.
        name: SqliteName,
        /// The module behind `USING`, such as `fts5`.
        module: String,
    },
    /// `DROP TABLE`.
    DropTable {
        /// Its name.
        name: SqliteName,
    },
    /// `ALTER TABLE`.
    AlterTable {
        /// Its name before.
        table: SqliteName,
        /// What changes.
        action: SqliteAlteration,
    },
    /// `CREATE [UNIQUE] INDEX`.
    CreateIndex {
        /// No two rows may be alike.
        unique: bool,
        /// Its name.
        name: SqliteName,
        /// The table, which lies in the same schema.
        table: String,
    },
    /// `DROP INDEX`.
    DropIndex {
        /// Its name.
        name: SqliteName,
    },
    /// `CREATE TRIGGER`.
    CreateTrigger {
        /// `TEMP`, or in the temporary schema.
        temporary: bool,
        /// Its name.
        name: SqliteName,
        /// The table or view.
        table: SqliteName,
    },
    /// `DROP TRIGGER`.
    DropTrigger {
        /// Its name.
        name: SqliteName,
    },
    /// `CREATE VIEW`.
    CreateView {
        /// `TEMP`, or in the temporary schema.
        temporary: bool,
        /// Its name.
        name: SqliteName,
    },
    /// `DROP VIEW`.
    DropView {
        /// Its name.
        name: SqliteName,
    },
    /// `INSERT`, `REPLACE`, also behind `WITH`.
    Insert {
        /// Where to.
        table: SqliteName,
    },
    /// `UPDATE`, also behind `WITH`.
    Update {
        /// Which table.
        table: SqliteName,
    },
    /// `DELETE`, also behind `WITH`.
    Delete {
        /// Where from.
        table: SqliteName,
    },
    /// `SELECT`, `VALUES`, also behind `WITH`.
    Select,
    /// `EXPLAIN`, `EXPLAIN QUERY PLAN`: nothing of what follows is done.
    Explain,
    /// `ATTACH`.
    Attach,
    /// `DETACH`.
    Detach,
    /// Nothing that SQLite knows: its leading words in capitals, at most two.
    Other(String),
}

/// What an `ALTER TABLE` changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteAlteration {
    /// `RENAME TO`.
    RenameTable {
        /// The new name.
        to: String,
    },
    /// `RENAME [COLUMN] … TO`.
    RenameColumn {
        /// Its name before.
        from: String,
        /// The new name.
        to: String,
    },
    /// `ADD [COLUMN]`.
    AddColumn {
        /// Its name.
        name: String,
        /// What stands behind the name: type and constraints, as written.
        definition: String,
    },
    /// `DROP [COLUMN]`.
    DropColumn {
        /// Its name.
        name: String,
    },
    /// Forms of SQLite 3.53 and newer (`ADD CHECK`, `DROP CONSTRAINT`, `ALTER COLUMN`), and what none of them is.
    Other,
}

/// Tells what one statement is. Comments before it are skipped; a statement that SQLite would not understand is still
/// told by its first words.
pub fn kind(sql: &str) -> SqliteStatement {
    let all = words_in(sql, Dialect::Sqlite);
    let mut reader = Reader { all: &all, at: 0 };
    reader.statement(sql).unwrap_or_else(|| SqliteStatement::Other(leading(&all)))
}

/// The name that a token spells: without its quotes, or as it stands. A string counts where SQLite takes one for a name.
pub fn unquoted(token: &str) -> String {
    let inside = |quote: char| {
        let inside = token.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inside.replace(&format!("{quote}{quote}"), &quote.to_string()))
    };
    let bracketed = || Some(token.strip_prefix('[')?.strip_suffix(']')?.to_owned());
    ['"', '`', '\''].into_iter().find_map(inside).or_else(bracketed).unwrap_or_else(|| token.to_owned())
}

/// A possibly qualified name written as SQL: `main."My table"`.
pub fn parse_name(sql: &str) -> Option<SqliteName> {
    let all = words_in(sql, Dialect::Sqlite);
    let mut reader = Reader { all: &all, at: 0 };
    reader.name().filter(|_| reader.at == all.len())
}

fn leading(all: &[Word<'_>]) -> String {
    let words = all.iter().take_while(|word| word.kind == TokenKind::Word).take(2);
    words.map(|word| word.text.to_uppercase()).collect::<Vec<_>>().join(" ")
}

/// Goes through the words of a statement. Every method that returns an [`Option`] has `None` for what is no SQL of
/// SQLite's.
struct Reader<'a> {
    all: &'a [Word<'a>],
    at: usize,
}

impl Reader<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.all.get(self.at).is_some_and(|word| word.is(keyword))
    }

    fn take(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        self.at += usize::from(found);
        found
    }

    fn take_all(&mut self, keywords: &[&str]) -> bool {
        let found = keywords
            .iter()
            .enumerate()
            .all(|(at, keyword)| self.all.get(self.at + at).is_some_and(|word| word.is(keyword)));
        self.at += if found { keywords.len() } else { 0 };
        found
    }

    /// One part of a name.
    fn part(&mut self) -> Option<String> {
        let word = self.all.get(self.at)?;
        let is_name = matches!(word.kind, TokenKind::Word | TokenKind::QuotedIdentifier | TokenKind::String);
        self.at += usize::from(is_name);
        is_name.then(|| unquoted(word.text))
    }

    fn name(&mut self) -> Option<SqliteName> {
        let first = self.part()?;
        if self.all.get(self.at).is_some_and(|word| word.text == ".") {
            self.at += 1;
            return Some(SqliteName { schema: Some(first), name: self.part()? });
        }
        Some(SqliteName { schema: None, name: first })
    }

    fn statement(&mut self, sql: &str) -> Option<SqliteStatement> {
        use SqliteStatement as S;
        let first = self.all.get(self.at)?;
        if first.kind != TokenKind::Word {
            return None;
        }
        self.at += 1;
        Some(match first.text.to_ascii_uppercase().as_str() {
            "BEGIN" => S::Begin,
            "COMMIT" | "END" => S::Commit,
            "ROLLBACK" => {
                if self.take("TRANSACTION") && !self.is("TO") {
                    self.part();
                }
                if !self.take("TO") {
                    return Some(S::Rollback);
                }
                S::RollbackTo { name: self.savepoint()? }
            }
            "SAVEPOINT" => S::Savepoint { name: self.part()? },
            "RELEASE" => S::Release { name: self.savepoint()? },
            "PRAGMA" => self.pragma(sql)?,
            "VACUUM" => S::Vacuum,
            "REINDEX" => S::Reindex,
            "ANALYZE" => S::Analyze,
            "ATTACH" => S::Attach,
            "DETACH" => S::Detach,
            "EXPLAIN" => S::Explain,
            "SELECT" | "VALUES" => S::Select,
            "CREATE" => self.create()?,
            "DROP" => self.drop()?,
            "ALTER" => self.alter(sql)?,
            "WITH" => {
                // What the names stand for is in parentheses.
                let verb = ["SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"];
                let is_verb = |word: &Word<'_>| word.depth == 0 && verb.iter().any(|verb| word.is(verb));
                self.at += self.all.get(self.at..)?.iter().position(is_verb)?;
                let verb = self.all.get(self.at)?.text.to_ascii_uppercase();
                self.at += 1;
                self.writes(&verb)?
            }
            verb => self.writes(verb)?,
        })
    }

    /// `[SAVEPOINT] name`; a savepoint may be called `savepoint`.
    fn savepoint(&mut self) -> Option<String> {
        if self.is("SAVEPOINT") && self.all.len() > self.at + 1 {
            self.at += 1;
        }
        self.part()
    }

    fn writes(&mut self, verb: &str) -> Option<SqliteStatement> {
        if matches!(verb, "INSERT" | "UPDATE") && self.take("OR") {
            self.at += 1;
        }
        match verb {
            "SELECT" | "VALUES" => Some(SqliteStatement::Select),
            "INSERT" | "REPLACE" => {
                self.take("INTO").then_some(())?;
                Some(SqliteStatement::Insert { table: self.name()? })
            }
            "UPDATE" => Some(SqliteStatement::Update { table: self.name()? }),
            "DELETE" => {
                self.take("FROM").then_some(())?;
                Some(SqliteStatement::Delete { table: self.name()? })
            }
            _ => None,
        }
    }

    fn pragma(&mut self, sql: &str) -> Option<SqliteStatement> {
        let name = self.name()?.name.to_ascii_lowercase();
        let mark = self.all.get(self.at).map(|word| word.text);
        let from = self.all.get(self.at + 1).map(|word| word.start);
        let value = match (mark, from) {
            (Some("="), Some(from)) => Some(&sql[from..]),
            (Some("("), Some(from)) => {
                let end = self.all.get(self.at..)?.iter().rfind(|word| word.text == ")").map(|word| word.start)?;
                Some(sql.get(from..end)?)
            }
            _ => None,
        };
        // A comment may stand behind it.
        let tidy = |value: &str| {
            let words = words_in(value, Dialect::Sqlite);
            let text: String = words.iter().filter(|word| word.text != ";").map(|word| word.text).collect();
            unquoted(&text)
        };
        Some(SqliteStatement::Pragma { name, value: value.map(tidy) })
    }

    fn create(&mut self) -> Option<SqliteStatement> {
        let temporary = self.take("TEMP") || self.take("TEMPORARY");
        let unique = self.take("UNIQUE");
        let is_virtual = self.take("VIRTUAL");
        let what = self.all.get(self.at)?.text.to_ascii_uppercase();
        self.at += 1;
        self.take_all(&["IF", "NOT", "EXISTS"]);
        let name = self.name()?;
        let temporary = temporary || name.is_temporary();
        match what.as_str() {
            "TABLE" if is_virtual => {
                self.take("USING").then_some(())?;
                Some(SqliteStatement::CreateVirtualTable { name, module: self.part()? })
            }
            "TABLE" => Some(SqliteStatement::CreateTable { temporary, name }),
            "VIEW" => Some(SqliteStatement::CreateView { temporary, name }),
            "INDEX" => {
                self.take("ON").then_some(())?;
                Some(SqliteStatement::CreateIndex { unique, name, table: self.part()? })
            }
            "TRIGGER" => {
                // INSTEAD OF UPDATE OF a, on: a column called so would be quoted.
                self.at += self.all.get(self.at..)?.iter().position(|word| word.is("ON"))? + 1;
                Some(SqliteStatement::CreateTrigger { temporary, name, table: self.name()? })
            }
            _ => None,
        }
    }

    fn drop(&mut self) -> Option<SqliteStatement> {
        let what = self.all.get(self.at)?.text.to_ascii_uppercase();
        self.at += 1;
        self.take_all(&["IF", "EXISTS"]);
        let name = self.name()?;
        match what.as_str() {
            "TABLE" => Some(SqliteStatement::DropTable { name }),
            "VIEW" => Some(SqliteStatement::DropView { name }),
            "INDEX" => Some(SqliteStatement::DropIndex { name }),
            "TRIGGER" => Some(SqliteStatement::DropTrigger { name }),
            _ => None,
        }
    }

    fn alter(&mut self, sql: &str) -> Option<SqliteStatement> {
        self.take("TABLE").then_some(())?;
        let table = self.name()?;
        let action = self.alteration(sql).unwrap_or(SqliteAlteration::Other);
        Some(SqliteStatement::AlterTable { table, action })
    }

    fn alteration(&mut self, sql: &str) -> Option<SqliteAlteration> {
        if self.take("RENAME") {
            if self.is("TO") && !self.all.get(self.at + 1).is_some_and(|word| word.is("TO")) {
                self.at += 1;
                return Some(SqliteAlteration::RenameTable { to: self.part()? });
            }
            self.column_keyword();
            let from = self.part()?;
            self.take("TO").then_some(())?;
            return Some(SqliteAlteration::RenameColumn { from, to: self.part()? });
        }
        if self.take("DROP") {
            if self.is("CONSTRAINT") {
                return None;
            }
            self.column_keyword();
            return Some(SqliteAlteration::DropColumn { name: self.part()? });
        }
        if self.take("ADD") {
            if self.is("CONSTRAINT") || self.is("CHECK") {
                return None;
            }
            self.column_keyword();
            let name = self.part()?;
            let definition = self.all.get(self.at).map_or("", |word| &sql[word.start..]);
            let definition = definition.trim().trim_end_matches(';').trim_end().to_owned();
            return Some(SqliteAlteration::AddColumn { name, definition });
        }
        None
    }

    /// `COLUMN`, which may be left out, and which may be a column's name.
    fn column_keyword(&mut self) {
        let is_name = self.all.get(self.at + 1).is_none_or(|next| next.is("TO") && !self.all_to(self.at + 2));
        if self.is("COLUMN") && !is_name {
            self.at += 1;
        }
    }

    fn all_to(&self, at: usize) -> bool {
        self.all.get(at).is_some_and(|word| word.is("TO"))
    }
}

#[cfg(test)]
#[path = "sqlite/tests.rs"]
mod tests;
