//! The closed enumerations of `report.json`, spelled as it spells them.

use crate::observation::lock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A closed enumeration: each variant is written exactly as the text beside it, and no other text is read.
macro_rules! closed {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the contract's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Their spellings in `report.json`, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($text,)+];

            /// The spelling in `report.json`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// From the spelling in `report.json`; `None` for any other text.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

closed! {
    /// The whole run in one word; it does not depend on `--fail-on`.
    Verdict {
        /// No unsuppressed error or warning.
        Pass = "pass",
        /// An unsuppressed warning, no unsuppressed error.
        Warn = "warn",
        /// An unsuppressed error.
        Fail = "fail",
    }
}

closed! {
    /// Does it run to the end on this data?
    Applies {
        /// It ran to the end.
        Yes = "yes",
        /// The server refused a statement.
        No = "no",
        /// Not measured.
        Unknown = "unknown",
    }
}

closed! {
    /// Does it make reads or writes of an application wait?
    Blocks {
        /// Nothing an application does has to wait.
        No = "no",
        /// Only for a time below the thresholds.
        Briefly = "briefly",
        /// Longer than the thresholds.
        Yes = "yes",
        /// Not measured.
        Unknown = "unknown",
    }
}

closed! {
    /// Does a hot query get slower?
    Slower {
        /// No registered hot query does more work than before.
        No = "no",
        /// Only until the next VACUUM or ANALYZE.
        Transient = "transient",
        /// A hot query does more work, or does not run any more.
        Yes = "yes",
        /// Not measured, or no hot queries.
        Unknown = "unknown",
    }
}

closed! {
    /// Does the generated rollback bring schema and data back?
    Undoable {
        /// Without any preparation.
        Yes = "yes",
        /// If `prepare.sql` ran before the migration.
        WithBackup = "with_backup",
        /// The schema comes back, some data does not.
        WithLoss = "with_loss",
        /// It does not.
        No = "no",
        /// Not measured.
        Unknown = "unknown",
    }
}

closed! {
    /// Which database.
    EngineName {
        /// PostgreSQL.
        Postgresql = "postgresql",
        /// SQLite.
        Sqlite = "sqlite",
    }
}

closed! {
    /// What kept the migration's SQL from reaching anything but its copy.
    Confinement {
        /// The server listens on a private socket only.
        NoTcpListener = "no_tcp_listener",
        /// The server cannot open connections to other machines.
        NoOutboundNetwork = "no_outbound_network",
        /// Migrations and hot queries ran as a role without superuser rights.
        UnprivilegedRole = "unprivileged_role",
        /// The server can open only its own files.
        FilesystemLandlock = "filesystem_landlock",
    }
}

closed! {
    /// Where the data came from.
    SourceKind {
        /// A dump file or folder.
        Dump = "dump",
        /// A live server, dumped read-only.
        Url = "url",
        /// A server's data directory.
        DataDirectory = "data_directory",
        /// A template database.
        Template = "template",
        /// A clone service.
        Clone = "clone",
        /// An SQLite file.
        Sqlite = "sqlite",
        /// Nothing: all migrations run on an empty database.
        Empty = "empty",
    }
}

closed! {
    /// How much of production the copy resembles.
    Fidelity {
        /// The same files: bloat, correlation and statistics included.
        Physical = "physical",
        /// The same rows, and production's statistics.
        LogicalWithStatistics = "logical_with_statistics",
        /// The same rows, statistics gathered anew.
        Logical = "logical",
        /// Some of the rows.
        Subset = "subset",
        /// No rows.
        SchemaOnly = "schema_only",
    }
}

closed! {
    /// A stage of the rehearsal, each on a copy of its own.
    PassName {
        /// Apply with one observation a statement, plans before and after.
        Measure = "measure",
        /// Run the rollback and compare.
        Prove = "prove",
        /// Find the statement that changed a plan.
        Attribute = "attribute",
        /// Run hot queries during the migration.
        Traffic = "traffic",
        /// Let the migration wait behind a busy session.
        Queue = "queue",
        /// Stop it in the middle and run it again.
        Retry = "retry",
    }
}

closed! {
    /// The transaction a step of a suggestion runs in.
    StepTransaction {
        /// That of whatever stands before it.
        Together = "together",
        /// One that begins with it.
        Own = "own",
        /// None: it commits by itself.
        Outside = "outside",
    }
}

closed! {
    /// Where a run stopped half-way.
    StoppedAt {
        /// Once the statement was committed.
        Behind = "behind",
        /// At the statement, which fails.
        At = "at",
    }
}

closed! {
    /// What the last of the runs after a stopped one came to.
    RetryEnd {
        /// As far as a first run, and to the same schema.
        Same = "same",
        /// To the end, and to another schema than a first run.
        OtherSchema = "other_schema",
        /// To the same schema, and to other rows.
        OtherRows = "other_rows",
        /// It failed, and no other words are known.
        Stuck = "stuck",
    }
}

closed! {
    /// A migration tool's way of laying out files; `--layout` takes the same names.
    Layout {
        /// sqlx-cli.
        Sqlx = "sqlx",
        /// Diesel.
        Diesel = "diesel",
        /// refinery.
        Refinery = "refinery",
        /// Flyway.
        Flyway = "flyway",
        /// Liquibase.
        Liquibase = "liquibase",
        /// golang-migrate.
        GolangMigrate = "golang_migrate",
        /// goose.
        Goose = "goose",
        /// dbmate.
        Dbmate = "dbmate",
        /// Atlas.
        Atlas = "atlas",
        /// Prisma.
        Prisma = "prisma",
        /// Drizzle.
        Drizzle = "drizzle",
        /// Sqitch.
        Sqitch = "sqitch",
        /// node-pg-migrate.
        NodePgMigrate = "node_pg_migrate",
        /// Supabase.
        Supabase = "supabase",
        /// graphile-migrate.
        GraphileMigrate = "graphile_migrate",
        /// tern.
        Tern = "tern",
        /// SQL files without a tool.
        Plain = "plain",
        /// What a tool sent whose migrations are code.
        Command = "command",
    }
}

closed! {
    /// How the runner groups a migration's statements.
    TransactionMode {
        /// One transaction for each migration.
        PerMigration = "per_migration",
        /// Each statement commits by itself.
        None = "none",
        /// One transaction for everything pending.
        AllPending = "all_pending",
        /// The script carries its own `BEGIN` and `COMMIT`.
        Explicit = "explicit",
    }
}

closed! {
    /// How a statement ended.
    Outcome {
        /// It ran.
        Ok = "ok",
        /// The server refused it.
        Failed = "failed",
        /// An earlier one failed, or the run was stopped.
        NotRun = "not_run",
    }
}

closed! {
    /// A table-level lock mode, weakest first, spelled as in `pg_locks`; then SQLite's.
    LockMode {
        /// `SELECT`.
        AccessShare = "AccessShareLock",
        /// `SELECT … FOR UPDATE/SHARE`.
        RowShare = "RowShareLock",
        /// `INSERT`, `UPDATE`, `DELETE`, `MERGE`.
        RowExclusive = "RowExclusiveLock",
        /// `VACUUM`, `ANALYZE`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
        ShareUpdateExclusive = "ShareUpdateExclusiveLock",
        /// `CREATE INDEX`.
        Share = "ShareLock",
        /// `CREATE TRIGGER`, `ADD FOREIGN KEY`.
        ShareRowExclusive = "ShareRowExclusiveLock",
        /// `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
        Exclusive = "ExclusiveLock",
        /// Most forms of `ALTER TABLE`, `DROP`, `TRUNCATE`.
        AccessExclusive = "AccessExclusiveLock",
        /// SQLite, on the whole database: whoever writes.
        Reserved = "RESERVED",
        /// SQLite, on the whole database: whoever writes to the file itself.
        FileExclusive = "EXCLUSIVE",
    }
}

impl From<lock::LockMode> for LockMode {
    fn from(mode: lock::LockMode) -> Self {
        match mode {
            lock::LockMode::AccessShare => Self::AccessShare,
            lock::LockMode::RowShare => Self::RowShare,
            lock::LockMode::RowExclusive => Self::RowExclusive,
            lock::LockMode::ShareUpdateExclusive => Self::ShareUpdateExclusive,
            lock::LockMode::Share => Self::Share,
            lock::LockMode::ShareRowExclusive => Self::ShareRowExclusive,
            lock::LockMode::Exclusive => Self::Exclusive,
            lock::LockMode::AccessExclusive => Self::AccessExclusive,
            lock::LockMode::Reserved => Self::Reserved,
            lock::LockMode::FileExclusive => Self::FileExclusive,
        }
    }
}

closed! {
    /// What an application does that has to wait.
    Traffic {
        /// `SELECT`.
        Reads = "reads",
        /// `INSERT`, `UPDATE`, `DELETE`, `MERGE`.
        Writes = "writes",
    }
}

closed! {
    /// How a lock was seen.
    Observed {
        /// Read by the transaction that held it.
        Exact = "exact",
        /// Seen by a second session looking every few milliseconds.
        Sampled = "sampled",
    }
}

closed! {
    /// What a query was planned for.
    PlanMode {
        /// The values of its parameter set.
        Custom = "custom",
        /// Any values.
        Generic = "generic",
    }
}

closed! {
    /// What became of a hot query.
    QueryVerdict {
        /// Same plan, same work.
        Unchanged = "unchanged",
        /// Less work than before.
        Improved = "improved",
        /// Another plan, about the same work.
        PlanChanged = "plan_changed",
        /// Same plan, more work because its tables grew.
        GrewWithTable = "grew_with_table",
        /// More work only until the next VACUUM or ANALYZE.
        Transient = "transient",
        /// Same plan, more work.
        SlowerSamePlan = "slower_same_plan",
        /// Another plan and more work.
        Regressed = "regressed",
        /// It had several plans before already.
        Unstable = "unstable",
        /// Cut off by the time limit afterwards, not before.
        DidNotFinish = "did_not_finish",
        /// The server refuses it afterwards.
        Broken = "broken",
        /// Beyond the budget it is registered with.
        OverBudget = "over_budget",
    }
}

closed! {
    /// What a query's verdict rests on, strongest first.
    QueryConfidence {
        /// Work counted while it ran.
        Measured = "measured",
        /// Plans compared; it was not run.
        Planned = "planned",
        /// Derived from the change.
        Predicted = "predicted",
    }
}

closed! {
    /// How long a worse state lasts that passes by itself.
    Lasts {
        /// VACUUM ends it.
        UntilVacuum = "until_vacuum",
        /// VACUUM alone does not: statistics are missing.
        UntilAnalyze = "until_analyze",
    }
}

closed! {
    /// Where the statistics of a column come from that had lost its own.
    StatisticsMethod {
        /// Those from before, in the new type.
        Transplanted = "transplanted",
        /// A sample: it is new, or has other values.
        Sampled = "sampled",
        /// A sample, though those from before may still be true.
        SampledInstead = "sampled_instead",
    }
}

closed! {
    /// What happened to an index.
    IndexChangeKind {
        /// New.
        Created = "created",
        /// Gone.
        Dropped = "dropped",
        /// Same index, new name.
        Renamed = "renamed",
        /// Same name, new definition.
        Redefined = "redefined",
        /// Same definition, new file.
        Rebuilt = "rebuilt",
        /// Left behind unusable.
        Invalid = "invalid",
    }
}

closed! {
    /// What running the rollback showed.
    RollbackVerdict {
        /// Schema, catalog and rows are equal to before.
        Exact = "exact",
        /// The same but for the order of columns.
        ExactButColumnOrder = "exact_but_column_order",
        /// Equal, with rows brought back from the backup `prepare.sql` made.
        RestoredFromBackup = "restored_from_backup",
        /// The schema is equal, some rows are not.
        RowsLost = "rows_lost",
        /// It does not bring the schema back; or what it brings back is planned otherwise, or migrates to something else.
        Irreversible = "irreversible",
        /// Not generated, or not run.
        NotAttempted = "not_attempted",
    }
}

closed! {
    /// What running a hand-written down script showed.
    DownVerdict {
        /// Schema, catalog and rows are equal to before.
        Exact = "exact",
        /// The same but for the order of columns.
        ExactButColumnOrder = "exact_but_column_order",
        /// The schema is equal, some rows are not.
        RowsLost = "rows_lost",
        /// It runs and does not bring the schema back.
        Differs = "differs",
        /// The server refuses one of its statements.
        Fails = "fails",
        /// Not run.
        NotRun = "not_run",
    }
}

closed! {
    /// One comparison of the proof.
    Comparison {
        /// No difference.
        Equal = "equal",
        /// At least one difference.
        Differs = "differs",
        /// Not compared.
        NotRun = "not_run",
    }
}

closed! {
    /// How much a finding matters, worst first.
    Severity {
        /// Do not ship it like this.
        Error = "error",
        /// Look at it before shipping.
        Warning = "warning",
        /// Good to know.
        Info = "info",
    }
}

closed! {
    /// What a finding rests on, strongest first.
    Confidence {
        /// It happened on the copy.
        Measured = "measured",
        /// It follows from what happened on the copy.
        Predicted = "predicted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn lock_modes_keep_the_spelling_of_pg_locks() {
        for (mode, name) in lock::LOCK_MODES {
            assert_eq!(LockMode::from(mode).name(), name);
        }
        assert_eq!(LockMode::ALL.len(), lock::LOCK_MODES.len());
    }

    #[test]
    fn every_name_is_what_is_written() {
        for layout in Layout::ALL {
            assert_eq!(serde_json::to_value(layout).expect("written"), Value::from(layout.name()));
            assert_eq!(Layout::from_name(layout.name()), Some(*layout));
        }
        assert_eq!(Layout::from_name("Plain"), None);
    }
}
