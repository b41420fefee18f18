//! What kind of statement a text is, told from its leading words.

use super::Dialect;
use super::lexer::{Lexer, TokenKind};
use super::sqlite::{self, SqliteStatement};

/// What a statement does, as far as running and observing it must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`, `PREPARE TRANSACTION`, `COMMIT PREPARED`.
    Commit,
    /// `ROLLBACK`, `ABORT`, `ROLLBACK PREPARED`.
    Rollback,
    /// `ROLLBACK TO SAVEPOINT`.
    RollbackTo,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE SAVEPOINT`.
    Release,
    /// An anonymous code block.
    Do,
    /// A procedure, which may commit.
    Call,
    /// `LOCK TABLE`.
    Lock,
    /// `DECLARE … CURSOR`.
    Declare,
    /// `FETCH`, `MOVE`.
    Fetch,
    /// `CLOSE`.
    Close,
    /// `SET LOCAL`, `SET TRANSACTION`, `SET CONSTRAINTS`: nothing outside a transaction.
    SetLocal,
    /// `SET` for the session.
    Set,
    /// `RESET`.
    Reset,
    /// `SELECT`, also in parentheses.
    Select,
    /// `WITH …`, whatever follows.
    With,
    /// `VALUES`.
    Values,
    /// `TABLE name`.
    Table,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `COPY`.
    Copy {
        /// The rows follow in the text.
        from_stdin: bool,
    },
    /// `TRUNCATE`.
    Truncate,
    /// `CREATE [UNIQUE] INDEX`.
    CreateIndex {
        /// Outside any transaction.
        concurrently: bool,
    },
    /// `DROP INDEX`.
    DropIndex {
        /// Outside any transaction.
        concurrently: bool,
    },
    /// `REINDEX`.
    Reindex {
        /// Outside any transaction.
        concurrently: bool,
        /// `SCHEMA`, `DATABASE` or `SYSTEM`: also outside any transaction.
        many_tables: bool,
    },
    /// `REFRESH MATERIALIZED VIEW`.
    Refresh {
        /// Legal inside a transaction, unlike the other forms.
        concurrently: bool,
    },
    /// `VACUUM`.
    Vacuum,
    /// `ANALYZE`.
    Analyze,
    /// `ALTER TABLE`, also of a foreign one.
    AlterTable {
        /// `DETACH PARTITION … CONCURRENTLY`: outside any transaction.
        detach_concurrently: bool,
    },
    /// `ALTER TYPE`.
    AlterType {
        /// `ADD VALUE`: the new value cannot be used before commit.
        add_value: bool,
    },
    /// What the server refuses inside a transaction: `CREATE` or `DROP DATABASE` or `TABLESPACE`, `ALTER SYSTEM`,
    /// subscriptions, `DISCARD ALL`, `CLUSTER` of everything. Its leading words in capitals.
    OutsideTransaction(String),
    /// `EXPLAIN`.
    Explain,
    /// Anything else: its leading words in capitals, at most two.
    Other(String),
}

/// Tells what `sql` (one statement) is in the SQL of an engine. Of SQLite's statements only what PostgreSQL has as well is
/// told apart; [`sqlite::kind`] says all of it.
pub fn kind_in(sql: &str, dialect: Dialect) -> StatementKind {
    match dialect {
        Dialect::PostgreSql => kind(sql),
        Dialect::Sqlite => of_sqlite(sql),
    }
}

fn of_sqlite(sql: &str) -> StatementKind {
    match sqlite::kind(sql) {
        SqliteStatement::Begin => StatementKind::Begin,
        SqliteStatement::Commit => StatementKind::Commit,
        SqliteStatement::Rollback => StatementKind::Rollback,
        SqliteStatement::RollbackTo { .. } => StatementKind::RollbackTo,
        SqliteStatement::Savepoint { .. } => StatementKind::Savepoint,
        SqliteStatement::Release { .. } => StatementKind::Release,
        SqliteStatement::Vacuum => StatementKind::Vacuum,
        SqliteStatement::Reindex => StatementKind::Reindex { concurrently: false, many_tables: false },
        SqliteStatement::Analyze => StatementKind::Analyze,
        SqliteStatement::AlterTable { .. } => StatementKind::AlterTable { detach_concurrently: false },
        SqliteStatement::CreateIndex { .. } => StatementKind::CreateIndex { concurrently: false },
        SqliteStatement::DropIndex { .. } => StatementKind::DropIndex { concurrently: false },
        SqliteStatement::Insert { .. } => StatementKind::Insert,
        SqliteStatement::Update { .. } => StatementKind::Update,
        SqliteStatement::Delete { .. } => StatementKind::Delete,
        SqliteStatement::Select => StatementKind::Select,
        SqliteStatement::Explain => StatementKind::Explain,
        SqliteStatement::Pragma { .. } => StatementKind::Other("PRAGMA".to_owned()),
        SqliteStatement::Detach => StatementKind::Other("DETACH".to_owned()),
        SqliteStatement::Attach => StatementKind::Other("ATTACH".to_owned()),
        SqliteStatement::CreateTable { .. } | SqliteStatement::CreateVirtualTable { .. } => {
            StatementKind::Other("CREATE TABLE".to_owned())
        }
        SqliteStatement::DropTable { .. } => StatementKind::Other("DROP TABLE".to_owned()),
        SqliteStatement::CreateTrigger { .. } => StatementKind::Other("CREATE TRIGGER".to_owned()),
        SqliteStatement::DropTrigger { .. } => StatementKind::Other("DROP TRIGGER".to_owned()),
        SqliteStatement::CreateView { .. } => StatementKind::Other("CREATE VIEW".to_owned()),
        SqliteStatement::DropView { .. } => StatementKind::Other("DROP VIEW".to_owned()),
        SqliteStatement::Other(leading) => StatementKind::Other(leading),
    }
}

/// Tells what `sql` (one statement) is. Comments and opening parentheses before it are skipped.
pub fn kind(sql: &str) -> StatementKind {
    let words = Words::of(sql);
    let at = |index: usize| words.all.get(index).map_or("", String::as_str);
    match at(0) {
        "BEGIN" => StatementKind::Begin,
        "START" if at(1) == "TRANSACTION" => StatementKind::Begin,
        "COMMIT" | "END" => StatementKind::Commit,
        "PREPARE" if at(1) == "TRANSACTION" => StatementKind::Commit,
        "ROLLBACK" | "ABORT" => {
            let skipped = usize::from(matches!(at(1), "WORK" | "TRANSACTION"));
            if at(1 + skipped) == "TO" { StatementKind::RollbackTo } else { StatementKind::Rollback }
        }
        "SAVEPOINT" => StatementKind::Savepoint,
        "RELEASE" => StatementKind::Release,
        "DO" => StatementKind::Do,
        "CALL" => StatementKind::Call,
        "LOCK" => StatementKind::Lock,
        "DECLARE" => StatementKind::Declare,
        "FETCH" | "MOVE" => StatementKind::Fetch,
        "CLOSE" => StatementKind::Close,
        "SET" if matches!(at(1), "LOCAL" | "TRANSACTION" | "CONSTRAINTS") => StatementKind::SetLocal,
        "SET" => StatementKind::Set,
        "RESET" => StatementKind::Reset,
        "SELECT" => StatementKind::Select,
        "WITH" => StatementKind::With,
        "VALUES" => StatementKind::Values,
        "TABLE" => StatementKind::Table,
        "INSERT" => StatementKind::Insert,
        "UPDATE" => StatementKind::Update,
        "DELETE" => StatementKind::Delete,
        "MERGE" => StatementKind::Merge,
        "COPY" => StatementKind::Copy { from_stdin: words.follow("FROM", "STDIN") },
        "TRUNCATE" => StatementKind::Truncate,
        "REINDEX" => StatementKind::Reindex {
            concurrently: at(2) == "CONCURRENTLY" || words.option("CONCURRENTLY"),
            many_tables: matches!(at(1), "SCHEMA" | "DATABASE" | "SYSTEM"),
        },
        "REFRESH" => StatementKind::Refresh { concurrently: at(3) == "CONCURRENTLY" },
        "VACUUM" => StatementKind::Vacuum,
        "ANALYZE" | "ANALYSE" => StatementKind::Analyze,
        "EXPLAIN" => StatementKind::Explain,
        "CREATE" if at(1) == "INDEX" => StatementKind::CreateIndex { concurrently: at(2) == "CONCURRENTLY" },
        "CREATE" if at(1) == "UNIQUE" && at(2) == "INDEX" => {
            StatementKind::CreateIndex { concurrently: at(3) == "CONCURRENTLY" }
        }
        "DROP" if at(1) == "INDEX" => StatementKind::DropIndex { concurrently: at(2) == "CONCURRENTLY" },
        "ALTER" if at(1) == "TABLE" || at(1) == "FOREIGN" && at(2) == "TABLE" => StatementKind::AlterTable {
            detach_concurrently: words.follow("DETACH", "PARTITION")
                && words.all.last().is_some_and(|last| last == "CONCURRENTLY"),
        },
        "ALTER" if at(1) == "TYPE" => StatementKind::AlterType { add_value: words.follow("ADD", "VALUE") },
        _ if words.is_outside_transaction() => StatementKind::OutsideTransaction(words.leading()),
        _ => StatementKind::Other(words.leading()),
    }
}

/// Whatever tells statements apart stands within so many words; an INSERT may go on for megabytes.
const TELLING: usize = 64;

/// The first words of a statement, in capitals.
struct Words {
    /// Outside parentheses; what is not a word (a quoted name, an operator) is an empty string.
    all: Vec<String>,
    /// The tokens of the first parentheses after the first word.
    options: Vec<String>,
}

impl Words {
    fn of(sql: &str) -> Self {
        let mut words = Self { all: Vec::new(), options: Vec::new() };
        let (mut depth, mut groups) = (0_usize, 0_usize);
        for token in Lexer::new(sql).filter(|token| !token.kind.is_trivia()) {
            if words.all.len() >= TELLING {
                break;
            }
            let text = &sql[token.span];
            match text {
                "(" if words.all.is_empty() => {}
                "(" => {
                    groups += usize::from(depth == 0);
                    depth += 1;
                }
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0 && token.kind == TokenKind::Word => words.all.push(text.to_uppercase()),
                _ if depth == 0 => words.all.push(String::new()),
                _ if groups == 1 && words.options.len() < TELLING => words.options.push(text.to_uppercase()),
                _ => {}
            }
        }
        words
    }

    fn follow(&self, first: &str, second: &str) -> bool {
        self.all.windows(2).any(|pair| pair[0] == first && pair[1] == second)
    }

    /// Whether an option in parentheses is there and not turned off.
    fn option(&self, name: &str) -> bool {
        self.options.iter().position(|option| option == name).is_some_and(|at| {
            !matches!(self.options.get(at + 1).map(String::as_str), Some("FALSE" | "OFF" | "0" | "'FALSE'" | "'OFF'"))
        })
    }

    fn is_outside_transaction(&self) -> bool {
        let at = |index: usize| self.all.get(index).map_or("", String::as_str);
        match (at(0), at(1)) {
            ("CREATE" | "DROP", "DATABASE" | "TABLESPACE" | "SUBSCRIPTION") => true,
            ("ALTER", "SYSTEM" | "SUBSCRIPTION") | ("DISCARD", "ALL") | ("REPACK", _) => true,
            ("ALTER", "DATABASE") => self.follow("SET", "TABLESPACE"),
            ("CLUSTER", name) => name.is_empty() && self.all.len() == 1 || name == "VERBOSE" && self.all.len() == 2,
            _ => false,
        }
    }

    /// The first two words, `OR REPLACE` left out.
    fn leading(&self) -> String {
        let words = self.all.iter().take_while(|word| !word.is_empty());
        let words: Vec<&str> = words.map(String::as_str).filter(|word| *word != "OR" && *word != "REPLACE").collect();
        words[..words.len().min(2)].join(" ")
    }
}

impl StatementKind {
    /// Whether nothing of what it does by itself outlives the session: settings, cursors, locks, and what opens and ends
    /// transactions.
    pub fn leaves_nothing_behind(&self) -> bool {
        matches!(
            self,
            Self::Begin
                | Self::Close
                | Self::Commit
                | Self::Declare
                | Self::Fetch
                | Self::Lock
                | Self::Release
                | Self::Reset
                | Self::Rollback
                | Self::RollbackTo
                | Self::Savepoint
                | Self::Set
                | Self::SetLocal
        )
    }

    /// Whether a statement that commits by itself may be put between `BEGIN` and `COMMIT` without changing its meaning.
    ///
    /// The server may still refuse (25001 and 2D000): then it must run bare.
    pub fn can_wrap(&self) -> bool {
        match self {
            Self::Begin
            | Self::Commit
            | Self::Rollback
            | Self::RollbackTo
            | Self::Savepoint
            | Self::Release
            | Self::Do
            | Self::Call
            | Self::Lock
            | Self::Declare
            | Self::Fetch
            | Self::Close
            | Self::SetLocal
            | Self::Vacuum
            | Self::OutsideTransaction(_) => false,
            Self::CreateIndex { concurrently } | Self::DropIndex { concurrently } => !concurrently,
            Self::Reindex { concurrently, many_tables } => !concurrently && !many_tables,
            Self::AlterTable { detach_concurrently } => !detach_concurrently,
            Self::Set
            | Self::Reset
            | Self::Select
            | Self::With
            | Self::Values
            | Self::Table
            | Self::Insert
            | Self::Update
            | Self::Delete
            | Self::Merge
            | Self::Copy { .. }
            | Self::Truncate
            | Self::Refresh { .. }
            | Self::Analyze
            | Self::AlterType { .. }
            | Self::Explain
            | Self::Other(_) => true,
        }
    }

    /// `BEGIN`, `COMMIT` or `ROLLBACK` in any spelling: it begins or ends a transaction.
    pub fn is_transaction_control(&self) -> bool {
        matches!(self, Self::Begin | Self::Commit | Self::Rollback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_words_tell_the_kind() {
        use StatementKind as K;
        for (sql, expected) in [
            ("begin isolation level serializable", K::Begin),
            ("START TRANSACTION", K::Begin),
            ("/* c */ end", K::Commit),
            ("PREPARE TRANSACTION 'x'", K::Commit),
            ("PREPARE q AS SELECT 1", K::Other("PREPARE Q".into())),
            ("ROLLBACK WORK TO SAVEPOINT a", K::RollbackTo),
            ("ROLLBACK", K::Rollback),
            ("SET LOCAL lock_timeout = '1s'", K::SetLocal),
            ("SET lock_timeout = '1s'", K::Set),
            ("((select 1) union select 2)", K::Select),
            (
                "-- why
with x as (select 1) delete from t",
                K::With,
            ),
            ("copy t (a, b) from STDIN with (format csv)", K::Copy { from_stdin: true }),
            ("COPY t FROM '/x'", K::Copy { from_stdin: false }),
            ("COPY (SELECT 1 FROM stdin) TO stdout", K::Copy { from_stdin: false }),
            ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", K::CreateIndex { concurrently: true }),
            ("create index on t (concurrently)", K::CreateIndex { concurrently: false }),
            ("DROP INDEX \"concurrently\"", K::DropIndex { concurrently: false }),
            ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", K::Reindex { concurrently: true, many_tables: false }),
            ("REINDEX (CONCURRENTLY off) TABLE t", K::Reindex { concurrently: false, many_tables: false }),
            ("REINDEX DATABASE CONCURRENTLY d", K::Reindex { concurrently: true, many_tables: true }),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", K::Refresh { concurrently: true }),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", K::AlterTable { detach_concurrently: true }),
            ("ALTER TABLE t DETACH PARTITION p FINALIZE", K::AlterTable { detach_concurrently: false }),
            ("ALTER TYPE s.mood ADD VALUE 'x'", K::AlterType { add_value: true }),
            ("ALTER TYPE c ADD ATTRIBUTE value int", K::AlterType { add_value: false }),
            ("ALTER DATABASE d SET work_mem = '1MB'", K::Other("ALTER DATABASE".into())),
            ("ALTER DATABASE d SET TABLESPACE x", K::OutsideTransaction("ALTER DATABASE".into())),
            ("CLUSTER", K::OutsideTransaction("CLUSTER".into())),
            ("CLUSTER t USING i", K::Other("CLUSTER T".into())),
            ("CREATE OR REPLACE FUNCTION f() RETURNS int", K::Other("CREATE FUNCTION".into())),
            ("", K::Other(String::new())),
        ] {
            assert_eq!(kind(sql), expected, "{sql}");
        }
    }

    #[test]
    fn only_what_keeps_its_meaning_is_wrapped() {
        for sql in [
            "DO $$ BEGIN COMMIT; END $$",
            "CALL p()",
            "LOCK TABLE t",
            "SAVEPOINT a",
            "RELEASE a",
            "ROLLBACK TO a",
            "DECLARE c CURSOR FOR SELECT 1",
            "SET LOCAL work_mem = '1MB'",
            "SET CONSTRAINTS ALL DEFERRED",
            "COMMIT AND CHAIN",
            "VACUUM t",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "DROP INDEX CONCURRENTLY i",
            "REINDEX SCHEMA s",
            "REINDEX INDEX CONCURRENTLY i",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "CREATE DATABASE d",
            "DROP TABLESPACE x",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
            "DISCARD ALL",
        ] {
            assert!(!kind(sql).can_wrap(), "{sql} must run bare");
        }
        for sql in [
            "ALTER TABLE t ADD COLUMN a int",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "SET search_path = app",
            "UPDATE t SET a = 1",
            "CREATE TABLE t ()",
            "ALTER TYPE mood ADD VALUE 'x'",
            "TRUNCATE t",
            "REINDEX TABLE t",
        ] {
            assert!(kind(sql).can_wrap(), "{sql} can be wrapped");
        }
    }
}
