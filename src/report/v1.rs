//! `report.json`, version 1: the types other programs rely on. Nothing inside the program is serialised but these.
//!
//! Every key is always written. A key whose value may be unknown is `null` then, and reading a report in which a known
//! key is missing is an error; keys this version does not know are passed over, because later ones may add some.

mod embedded;
mod measured;
mod query;
mod trials;
mod words;

pub use embedded::SqliteStatement;
pub use measured::*;
pub use query::{Cause, ColumnStatistics, PlanSummary, Query, SelfTest, Steps};
pub use trials::*;
pub use words::*;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The only `schema_version` these types stand for.
pub const SCHEMA_VERSION: u32 = 1;

/// `null` is `None`; a missing key stays an error, which a plain `Option` would hide.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// One whole rehearsal. Relations are schema-qualified and quoted only where SQL needs it; durations are milliseconds on
/// an idle copy without fsync, and so lower bounds for production.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Seatrial report, version 1")]
pub struct Report {
    /// Always 1; raised when a key is renamed or dropped.
    #[schemars(extend("const" = 1))]
    pub schema_version: u32,
    /// What wrote the report.
    pub tool: Tool,
    /// False when the run was interrupted or ran out of budget: what is missing then is unknown.
    pub complete: bool,
    /// When the run began: RFC 3339, in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub started_at: String,
    /// The whole run, in milliseconds.
    pub duration_ms: f64,
    /// The exit code of the command that wrote the report.
    pub exit_code: u8,
    /// The run in one word.
    pub verdict: Verdict,
    /// The four questions.
    pub answers: Answers,
    /// The server it ran on.
    pub engine: Engine,
    /// The data it ran on.
    pub source: Source,
    /// Every pass, run or not.
    pub passes: Vec<Pass>,
    /// How the migrations were read, and what their runner would say about them.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What was pending, in order.
    pub migrations: Vec<Migration>,
    /// Hot queries: one entry for each parameter set and plan mode.
    pub queries: Vec<Query>,
    /// Hot queries that were judged by less than others, and why.
    #[serde(default)]
    pub query_notes: Vec<String>,
    /// Columns whose statistics were lost or are new, and what was done about it; all others kept theirs.
    #[serde(default)]
    pub statistics: Vec<ColumnStatistics>,
    /// The state before, captured twice; null where that was not done.
    #[serde(default)]
    pub self_test: Option<SelfTest>,
    /// Every index that changed.
    pub indexes: Vec<IndexChange>,
    /// The longest call of each hot query beside the migration; empty unless asked for.
    pub stalls: Vec<Stall>,
    /// Tables a transaction was open on while the migration ran, and how long it waited; empty unless asked for.
    #[serde(default)]
    pub queued: Vec<Queued>,
    /// What ended the migration beside the hot queries, though it runs to its end alone.
    #[serde(default)]
    pub broken_off: Vec<BrokenOff>,
    /// Second runs after one that stopped half-way; empty unless asked for.
    #[serde(default)]
    pub retries: Vec<Retry>,
    /// The way back.
    pub rollback: Rollback,
    /// What deserves attention.
    pub findings: Vec<Finding>,
}

/// The program that wrote a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `seatrial`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The four answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answers {
    /// Does it run to the end on this data?
    pub applies: Answer<Applies>,
    /// Does it make an application wait?
    pub blocks: Answer<Blocks>,
    /// Does a hot query get slower?
    pub slower: Answer<Slower>,
    /// Can it be undone?
    pub undoable: Answer<Undoable>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{V}Answer")]
pub struct Answer<V> {
    /// In one word.
    pub verdict: V,
    /// In one sentence; says why when the answer is unknown.
    pub summary: String,
}

/// The server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Engine {
    /// Which database.
    pub name: EngineName,
    /// The server's version.
    pub version: String,
    /// Settings that bear on plans and timing.
    pub settings: BTreeMap<String, String>,
    /// The role migrations ran as.
    pub role: String,
    /// What held the migration's SQL in its copy.
    pub confinement: Vec<Confinement>,
}

/// The data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Where it came from.
    pub kind: SourceKind,
    /// Rows of all tables; null when the run ended before they were counted.
    #[serde(deserialize_with = "nullable")]
    pub rows: Option<u64>,
    /// Size of the restored database in bytes; null like `rows`.
    #[serde(deserialize_with = "nullable")]
    pub bytes: Option<u64>,
    /// When the data was taken from production (RFC 3339), where that is known.
    #[serde(deserialize_with = "nullable")]
    pub taken_at: Option<String>,
    /// How much of production it resembles.
    pub fidelity: Fidelity,
    /// What is known to differ from production.
    pub fidelity_notes: Vec<String>,
    /// What could not be restored, and was left out.
    pub restore_warnings: Vec<String>,
}

/// One pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pass {
    /// Which.
    pub name: PassName,
    /// Whether it ran to its end.
    pub ran: bool,
    /// Why it did not.
    #[serde(deserialize_with = "nullable")]
    pub reason: Option<String>,
    /// Its duration in milliseconds; 0 when it was not begun.
    pub duration_ms: f64,
}

/// One pending migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Migration {
    /// The runner's version, or the file name where there is none.
    pub version: String,
    /// The description part of its name.
    pub name: String,
    /// Whose files these are.
    pub layout: Layout,
    /// How its statements are grouped.
    pub transaction: TransactionMode,
    /// Does it run to the end on this data?
    pub applies: Applies,
    /// Does it make an application wait?
    pub blocks: Blocks,
    /// Does it make a hot query slower?
    pub slower: Slower,
    /// Can it be undone?
    pub undoable: Undoable,
    /// The way back of this migration by itself, where it was applied as a whole and the proof ran. Older reports have
    /// none.
    #[serde(default)]
    pub rollback: Option<MigrationRollback>,
    /// What its hand-written down script brings back, where it has one and the proof ran. Older reports have none.
    #[serde(default)]
    pub down: Option<MigrationDown>,
    /// In the order they run.
    pub statements: Vec<Statement>,
}

/// One statement and what was measured while it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    /// Counts from 1 over all pending statements in the order they run.
    pub index: usize,
    /// Relative to the git root, with `/`.
    pub file: String,
    /// 1-based line of its first byte.
    pub line: usize,
    /// 1-based line of its last byte.
    pub end_line: usize,
    /// Its text.
    pub sql: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The server's five characters, if it refused.
    #[serde(deserialize_with = "nullable")]
    pub sqlstate: Option<String>,
    /// SQLite's own name of its result code, if it refused; its `sqlstate` is null.
    #[serde(default)]
    pub code: Option<String>,
    /// The server's message, if it refused; values of user data are left out unless asked for.
    #[serde(deserialize_with = "nullable")]
    pub error: Option<String>,
    /// Wall time in milliseconds; 0 when it was not run.
    pub duration_ms: f64,
    /// Write-ahead log written while it ran.
    pub wal_bytes: u64,
    /// As its command tag says.
    pub rows_affected: u64,
    /// Dead row versions it left in tables: one for each row updated or deleted.
    #[serde(default)]
    pub dead_rows: u64,
    /// Bytes of temporary files there were at once, at the most; looked at from 50 ms on.
    #[serde(default)]
    pub temp_bytes: u64,
    /// How much larger the database was meanwhile than before it, at the most, in bytes, temporary files included;
    /// looked at from 50 ms on.
    #[serde(default)]
    pub peak_bytes: u64,
    /// Locks on user relations; partitions are grouped under their parent.
    pub locks: Vec<Lock>,
    /// Tables written anew as a whole.
    pub rewritten: Vec<String>,
    /// Tables read from end to end.
    pub scanned: Vec<Scan>,
    /// What only SQLite tells.
    #[serde(default)]
    pub sqlite: Option<SqliteStatement>,
}

/// One lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// What was locked.
    pub relation: String,
    /// How many of its partitions were locked in the same mode.
    pub partitions: u64,
    /// As in `pg_locks`.
    pub mode: LockMode,
    /// From the statement's start to the end of its transaction, in milliseconds: an upper bound on this copy.
    pub held_ms: f64,
    /// Time spent waiting for it, in milliseconds.
    pub waited_ms: f64,
    /// What has to wait for it.
    pub blocks: Vec<Traffic>,
    /// How it was seen.
    pub observed: Observed,
}

/// A table read from end to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// Which.
    pub relation: String,
    /// Its rows.
    pub rows: u64,
}

/// One index that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexChange {
    /// How.
    pub change: IndexChangeKind,
    /// Its name afterwards, or before if it was dropped.
    pub name: String,
    /// The table it is on.
    pub table: String,
    /// Null for a new one.
    #[serde(deserialize_with = "nullable")]
    pub definition_before: Option<String>,
    /// Null for a dropped one.
    #[serde(deserialize_with = "nullable")]
    pub definition_after: Option<String>,
    /// Null for a new one.
    #[serde(deserialize_with = "nullable")]
    pub bytes_before: Option<u64>,
    /// Null for a dropped one.
    #[serde(deserialize_with = "nullable")]
    pub bytes_after: Option<u64>,
    /// Hot queries whose plan used it before.
    pub used_by_before: Vec<String>,
    /// Hot queries whose plan uses it afterwards.
    pub used_by_after: Vec<String>,
    /// [`Statement::index`] of the statement that changed it; null when it could not be told.
    #[serde(deserialize_with = "nullable")]
    pub statement: Option<usize>,
}

/// A hot query that ran beside the migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stall {
    /// Its name.
    pub query: String,
    /// [`Statement::index`] of the statement it waited for; null when it could not be told.
    #[serde(deserialize_with = "nullable")]
    pub statement: Option<usize>,
    /// Its longest call in milliseconds, from when it was due.
    pub longest_ms: f64,
    /// More of it.
    #[serde(default)]
    pub felt: Option<Felt>,
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rollback {
    /// What running it showed.
    pub verdict: RollbackVerdict,
    /// Comparison by comparison. `exact` requires schema, catalog and rows to be equal.
    pub proof: Proof,
    /// What is not as before.
    pub differences: Vec<String>,
    /// What is lost when `prepare.sql` did not run before the migration.
    pub losses: Vec<Loss>,
    /// The rollback works while these hold.
    pub conditions: Vec<String>,
    /// What `prepare.sql` cost.
    pub backup: Backup,
    /// The three scripts.
    pub scripts: Scripts,
}

/// The way back of one migration, once those after it are undone. The whole's is [`Rollback`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MigrationRollback {
    /// What running it showed.
    pub verdict: RollbackVerdict,
    /// What is not as before this migration, or why it was not run.
    pub differences: Vec<String>,
    /// The rollback works while these hold.
    pub conditions: Vec<String>,
    /// What is lost when its `prepare.sql` did not run before it.
    pub losses: Vec<Loss>,
    /// The three scripts.
    pub scripts: Scripts,
}

/// What running a hand-written down script showed, once those after it are undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MigrationDown {
    /// What it brings back by itself.
    pub verdict: DownVerdict,
    /// The file it stands in.
    pub file: String,
    /// 1-based line where it begins.
    pub line: usize,
    /// What is not as before this migration, where it stopped first of all; or why it was not run.
    pub differences: Vec<String>,
    /// Statements that do what it forgets, right after it.
    pub lines: Vec<String>,
    /// What it and these lines bring back together, which was run, too; null where there are none.
    #[serde(deserialize_with = "nullable")]
    pub with_lines: Option<DownVerdict>,
}

/// The comparisons of the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The text of a schema dump, after rolling back.
    pub schema: Comparison,
    /// The system catalogs, after rolling back.
    pub catalog: Comparison,
    /// Row fingerprints and sequence positions, after rolling back.
    pub rows: Comparison,
    /// Plans of the hot queries, after rolling back.
    pub plans: Comparison,
    /// The result of migrating once more, against the first time.
    pub reapplied: Comparison,
}

/// Something lost without a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// A table, or a column as `schema.table.column`.
    pub object: String,
    /// How many rows held it.
    pub rows: u64,
}

impl Scripts {
    /// Those there are, with the names of their files.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("prepare.sql", &self.prepare), ("rollback.sql", &self.rollback), ("cleanup.sql", &self.cleanup)];
        all.into_iter().map(|(name, text)| (name, text.as_str())).filter(|(_, text)| !text.is_empty())
    }
}

/// What the backup cost on the copy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Backup {
    /// Its size; 0 when none is needed, null when it was not made.
    #[serde(deserialize_with = "nullable")]
    pub bytes: Option<u64>,
    /// Its duration in milliseconds; null when it was not made.
    #[serde(deserialize_with = "nullable")]
    pub duration_ms: Option<f64>,
}

/// The text of the three scripts; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scripts {
    /// Before the migration: saves what it destroys.
    pub prepare: String,
    /// Undoes the migration.
    pub rollback: String,
    /// When nobody will roll back any more: removes what was saved.
    pub cleanup: String,
}

/// Something that deserves attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable: `group/name`.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it rests on.
    pub confidence: Confidence,
    /// What was seen.
    pub message: String,
    /// What to do instead.
    pub advice: String,
    /// Relative to the git root, with `/`; null when it belongs to no file.
    #[serde(deserialize_with = "nullable")]
    pub file: Option<String>,
    /// 1-based.
    #[serde(deserialize_with = "nullable")]
    pub line: Option<usize>,
    /// 1-based, inclusive.
    #[serde(deserialize_with = "nullable")]
    pub end_line: Option<usize>,
    /// 1-based, in characters.
    #[serde(deserialize_with = "nullable")]
    pub column: Option<usize>,
    /// [`Statement::index`].
    #[serde(deserialize_with = "nullable")]
    pub statement: Option<usize>,
    /// Name of the hot query concerned.
    #[serde(deserialize_with = "nullable")]
    pub query: Option<String>,
    /// Relations, columns and the like it is about.
    pub objects: Vec<String>,
    /// What was measured; its keys depend on the id.
    pub evidence: Map<String, Value>,
    /// Equal for the same finding in another run: see [`Finding::fingerprint`].
    pub fingerprint: String,
    /// The reason given where it is allowed; null when it counts.
    #[serde(deserialize_with = "nullable")]
    pub suppressed_by: Option<String>,
    /// Statements that reach the same without what was found, rehearsed; null where there are none, or none was asked for.
    #[serde(default)]
    pub suggestion: Option<Suggestion>,
}

impl Finding {
    /// 32 hexadecimal digits that stay the same when lines move and numbers change: made from file, id, objects in any
    /// order, and hot query alone.
    pub fn fingerprint(file: Option<&str>, id: &str, objects: &[String], query: Option<&str>) -> String {
        let mut objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        objects.sort_unstable();
        objects.dedup();
        let mut digest = Sha256::new();
        let mut feed = |text: &str| {
            // The length first: otherwise neighbouring parts could be cut elsewhere and give the same bytes.
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        feed(file.unwrap_or_default());
        feed(id);
        feed(query.unwrap_or_default());
        objects.into_iter().for_each(feed);
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether it counts: nobody allowed it.
    pub fn counts(&self) -> bool {
        self.suppressed_by.is_none()
    }
}

impl Verdict {
    /// `fail` for any unsuppressed error, else `warn` for any unsuppressed warning, else `pass`.
    pub fn of(findings: &[Finding]) -> Self {
        match findings.iter().filter(|finding| finding.counts()).map(|finding| finding.severity).min() {
            Some(Severity::Error) => Self::Fail,
            Some(Severity::Warning) => Self::Warn,
            Some(Severity::Info) | None => Self::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, suppressed: bool) -> Finding {
        Finding {
            id: "lock/held-long".into(),
            severity,
            confidence: Confidence::Measured,
            message: String::new(),
            advice: String::new(),
            file: None,
            line: None,
            end_line: None,
            column: None,
            statement: None,
            query: None,
            objects: vec![],
            evidence: Map::new(),
            fingerprint: String::new(),
            suppressed_by: suppressed.then(|| "known".into()),
            suggestion: None,
        }
    }

    #[test]
    fn the_worst_finding_that_counts_decides_the_verdict() {
        use Severity::{Error, Info, Warning};
        assert_eq!(Verdict::of(&[]), Verdict::Pass);
        assert_eq!(Verdict::of(&[finding(Info, false)]), Verdict::Pass);
        assert_eq!(Verdict::of(&[finding(Info, false), finding(Warning, false)]), Verdict::Warn);
        assert_eq!(Verdict::of(&[finding(Warning, false), finding(Error, false)]), Verdict::Fail);
        assert_eq!(Verdict::of(&[finding(Error, true), finding(Warning, false)]), Verdict::Warn);
        assert_eq!(Verdict::of(&[finding(Error, true), finding(Warning, true)]), Verdict::Pass);
    }

    #[test]
    fn a_fingerprint_depends_on_file_id_objects_and_query_alone() {
        let objects = ["public.a".to_owned(), "public.b".to_owned()];
        let turned = ["public.b".to_owned(), "public.a".to_owned(), "public.a".to_owned()];
        let base = Finding::fingerprint(Some("m/1.sql"), "lock/held-long", &objects, None);
        assert_eq!(base.len(), 32);
        assert!(base.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(base, Finding::fingerprint(Some("m/1.sql"), "lock/held-long", &turned, None));
        for other in [
            Finding::fingerprint(Some("m/2.sql"), "lock/held-long", &objects, None),
            Finding::fingerprint(Some("m/1.sql"), "lock/stall", &objects, None),
            Finding::fingerprint(Some("m/1.sql"), "lock/held-long", &objects[..1], None),
            Finding::fingerprint(Some("m/1.sql"), "lock/held-long", &["public.apublic.b".to_owned()], None),
            Finding::fingerprint(Some("m/1.sql"), "lock/held-long", &objects, Some("q")),
        ] {
            assert_ne!(base, other);
        }
    }
}
