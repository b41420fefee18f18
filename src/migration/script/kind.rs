//! What kind of statement a text is, told from its leading words.

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
    /// Anything else: its leading words in capitals, at most three.
    Other(String),
}

/// Tells what `sql` (one statement) is. Comments and opening parentheses before it are skipped.
pub fn kind(sql: &str) -> StatementKind {
    StatementKind::Other(sql.to_uppercase())
}

impl StatementKind {
    /// Whether a statement that commits by itself may be put between `BEGIN` and `COMMIT` without changing its meaning.
    pub fn can_wrap(&self) -> bool {
        false
    }
}
