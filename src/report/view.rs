//! What every format for people says in the same words: marks, orders, headlines. Nothing here is escaped yet.

use super::human;
use super::v1::{
    Applies, Blocks, Comparison, Fidelity, Finding, IndexChange, IndexChangeKind, Lock, Migration, Query, QueryVerdict,
    Report, Rollback, RollbackVerdict, Severity, Slower, SourceKind, Statement, Traffic, Undoable, Verdict,
};
use super::visible::{clip, visible};
pub use engine::{engine, lower_bounds, refusal, refusals_heading, speaker};
pub use queries::{changed_queries, query_cause, query_headline, query_label, self_test, statistics, unchanged};

mod engine;
pub mod paged;
pub mod places;
mod queries;
pub mod trials;

/// How a word should be taken. What is unknown has a mark of its own, so that it never looks like good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to do.
    Good,
    /// Look at it.
    Caution,
    /// Do not ship it like this.
    Bad,
    /// Not measured.
    Unknown,
}

impl Tone {
    /// One character for it.
    pub fn mark(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Caution => '!',
            Self::Bad => '✗',
            Self::Unknown => '?',
        }
    }
}

impl From<Verdict> for Tone {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Good,
            Verdict::Warn => Self::Caution,
            Verdict::Fail => Self::Bad,
        }
    }
}

impl From<Applies> for Tone {
    fn from(answer: Applies) -> Self {
        match answer {
            Applies::Yes => Self::Good,
            Applies::No => Self::Bad,
            Applies::Unknown => Self::Unknown,
        }
    }
}

impl From<Blocks> for Tone {
    fn from(answer: Blocks) -> Self {
        match answer {
            Blocks::No | Blocks::Briefly => Self::Good,
            Blocks::Yes => Self::Bad,
            Blocks::Unknown => Self::Unknown,
        }
    }
}

impl From<Slower> for Tone {
    fn from(answer: Slower) -> Self {
        match answer {
            Slower::No => Self::Good,
            Slower::Transient => Self::Caution,
            Slower::Yes => Self::Bad,
            Slower::Unknown => Self::Unknown,
        }
    }
}

impl From<Undoable> for Tone {
    fn from(answer: Undoable) -> Self {
        match answer {
            Undoable::Yes => Self::Good,
            Undoable::WithBackup => Self::Caution,
            Undoable::WithLoss | Undoable::No => Self::Bad,
            Undoable::Unknown => Self::Unknown,
        }
    }
}

impl From<Severity> for Tone {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Bad,
            Severity::Warning => Self::Caution,
            Severity::Info => Self::Good,
        }
    }
}

impl From<QueryVerdict> for Tone {
    fn from(verdict: QueryVerdict) -> Self {
        use QueryVerdict as Q;
        match verdict {
            Q::Unchanged | Q::Improved => Self::Good,
            Q::PlanChanged | Q::GrewWithTable | Q::Transient | Q::SlowerSamePlan | Q::Unstable => Self::Caution,
            Q::Regressed | Q::DidNotFinish | Q::Broken | Q::OverBudget => Self::Bad,
        }
    }
}

impl From<RollbackVerdict> for Tone {
    fn from(verdict: RollbackVerdict) -> Self {
        use RollbackVerdict as R;
        match verdict {
            R::Exact => Self::Good,
            R::ExactButColumnOrder | R::RestoredFromBackup => Self::Caution,
            R::RowsLost | R::Irreversible => Self::Bad,
            R::NotAttempted => Self::Unknown,
        }
    }
}

/// `with_backup` as people read it.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// One question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLine<'a> {
    /// `Applies?`
    pub question: &'static str,
    /// How to take it.
    pub tone: Tone,
    /// The verdict in words.
    pub word: String,
    /// One sentence.
    pub summary: &'a str,
}

/// The four answers in their order.
pub fn answers(report: &Report) -> [AnswerLine<'_>; 4] {
    let answers = &report.answers;
    let line = |question, tone, name: &str, summary| AnswerLine { question, tone, word: words(name), summary };
    let (applies, blocks, slower, undoable) = (&answers.applies, &answers.blocks, &answers.slower, &answers.undoable);
    [
        line("Applies?", applies.verdict.into(), applies.verdict.name(), &applies.summary),
        line("Blocks?", blocks.verdict.into(), blocks.verdict.name(), &blocks.summary),
        line("Slower?", slower.verdict.into(), slower.verdict.name(), &slower.summary),
        line("Undoable?", undoable.verdict.into(), undoable.verdict.name(), &undoable.summary),
    ]
}

/// What stands above the columns of the table of migrations, the first one left out.
pub const MIGRATION_COLUMNS: [&str; 4] = ["applies", "longest block", "slower", "undoable"];

/// One cell for each of [`MIGRATION_COLUMNS`].
pub fn migration_cells(migration: &Migration) -> [(Tone, String); 4] {
    let block = match (migration.blocks, longest_block(migration)) {
        (Blocks::Briefly | Blocks::Yes, Some(lock)) => {
            format!("{} {}", traffic(&lock.blocks, "+"), human::duration(lock.held_ms))
        }
        (answer, _) => words(answer.name()),
    };
    [
        (migration.applies.into(), words(migration.applies.name())),
        (migration.blocks.into(), block),
        (migration.slower.into(), words(migration.slower.name())),
        (migration.undoable.into(), words(migration.undoable.name())),
    ]
}

/// A migration's version and name, without saying the same twice.
pub fn migration_label(migration: &Migration) -> String {
    match (migration.version.as_str(), migration.name.as_str()) {
        (version, "") => version.to_owned(),
        ("", name) => name.to_owned(),
        (version, name) if version.replace(['_', '-'], " ").contains(&name.replace(['_', '-'], " ")) => {
            version.to_owned()
        }
        (version, name) => format!("{version} {name}"),
    }
}

/// The lock of a migration that made reads or writes wait the longest.
pub fn longest_block(migration: &Migration) -> Option<&Lock> {
    let locks =
        migration.statements.iter().flat_map(|statement| &statement.locks).filter(|lock| !lock.blocks.is_empty());
    locks.max_by(|left, right| left.held_ms.total_cmp(&right.held_ms).then(left.blocks.len().cmp(&right.blocks.len())))
}

/// `reads+writes`, `writes`.
pub fn traffic(blocks: &[Traffic], between: &str) -> String {
    blocks.iter().map(|traffic| traffic.name()).collect::<Vec<_>>().join(between)
}

/// A statement's locks that make an application wait, longest first; those held alike share a line:
/// `reads and writes on public.orders (12 partitions) wait up to 2.3 s (AccessExclusiveLock, exact)`.
pub fn lock_lines(statement: &Statement, all_names: bool) -> Vec<String> {
    let mut locks: Vec<&Lock> = statement.locks.iter().filter(|lock| !lock.blocks.is_empty()).collect();
    locks.sort_by(|left, right| right.held_ms.total_cmp(&left.held_ms));
    let mut lines: Vec<(String, Vec<String>, String)> = Vec::new();
    for lock in locks {
        let waited = match lock.waited_ms {
            waited if waited >= 1.0 => format!(", after waiting {} for it", human::duration(waited)),
            _ => String::new(),
        };
        let partitions = match lock.partitions {
            0 => String::new(),
            many => format!(" ({})", human::plural(usize::try_from(many).unwrap_or(usize::MAX), "partition")),
        };
        let what = traffic(&lock.blocks, " and ");
        let how = format!("{} ({}, {}{waited})", human::duration(lock.held_ms), lock.mode.name(), lock.observed.name());
        let name = format!("{}{partitions}", lock.relation);
        match lines.iter_mut().find(|(known_what, _, known_how)| *known_what == what && *known_how == how) {
            Some((_, names, _)) => names.push(name),
            None => lines.push((what, vec![name], how)),
        }
    }
    lines
        .into_iter()
        .map(|(what, mut names, how)| {
            let hidden = names.len().saturating_sub(if all_names { usize::MAX } else { LOCKED_NAMES });
            if hidden > 1 {
                names.truncate(LOCKED_NAMES);
                names.push(format!("{hidden} more"));
            }
            format!("{what} on {} wait at least {how}", human::list(&names))
        })
        .collect()
}

/// Names in one line of locks, unless all are asked for.
const LOCKED_NAMES: usize = 3;

/// Tables named in one line of work: a table may have thousands of partitions.
const WORKED_NAMES: usize = 5;

/// From so many bytes on it is said how much of the disk a statement took, and from so many rows on how many dead ones it
/// left.
const MUCH_DISK: u64 = 1 << 30;
const MANY_DEAD_ROWS: u64 = 1_000_000;

/// Tables a statement wrote anew or read from end to end, and what it took and left, in a sentence each.
pub fn work_lines(statement: &Statement) -> Vec<String> {
    let some = |names: &[String]| {
        let mut shown: Vec<String> = names.iter().take(WORKED_NAMES).cloned().collect();
        if names.len() > WORKED_NAMES {
            shown.push(human::more(names.len() - WORKED_NAMES, "table"));
        }
        human::list(&shown)
    };
    let mut lines = Vec::new();
    if !statement.rewritten.is_empty() {
        lines.push(format!("wrote {} anew", some(&statement.rewritten)));
    }
    let scanned = statement.scanned.iter().filter(|scan| scan.rows > 0);
    let scanned: Vec<String> =
        scanned.map(|scan| format!("{} ({} rows)", scan.relation, human::count(scan.rows))).collect();
    if !scanned.is_empty() {
        lines.push(format!("read {} from end to end", some(&scanned)));
    }
    let mut took = Vec::new();
    if statement.peak_bytes >= MUCH_DISK {
        took.push(format!("took up to {} more of the disk", human::bytes(statement.peak_bytes)));
    }
    if statement.temp_bytes >= MUCH_DISK {
        took.push(format!("had up to {} of temporary files", human::bytes(statement.temp_bytes)));
    }
    if statement.dead_rows >= MANY_DEAD_ROWS {
        took.push(format!("left {} dead rows", human::count(statement.dead_rows)));
    }
    if !took.is_empty() {
        lines.push(human::list(&took));
    }
    lines
}

/// All statements of all migrations, in order.
pub fn statements(report: &Report) -> impl Iterator<Item = &Statement> + Clone {
    report.migrations.iter().flat_map(|migration| &migration.statements)
}

/// A statement by its index. They are counted through: a migration has it between its first and its last.
pub fn statement(report: &Report, index: usize) -> Option<&Statement> {
    let within = |migration: &&Migration| {
        let ends = migration.statements.first().zip(migration.statements.last());
        ends.is_some_and(|(first, last)| (first.index..=last.index).contains(&index))
    };
    let statements = &report.migrations.iter().find(within)?.statements;
    let counted = statements.get(index - statements[0].index).filter(|statement| statement.index == index);
    counted.or_else(|| statements.iter().find(|statement| statement.index == index))
}

/// The statement a finding stands in. A down script's finding names the statement it belongs to, and stands elsewhere.
pub fn statement_of<'r>(report: &'r Report, finding: &Finding) -> Option<&'r Statement> {
    let statement = statement(report, finding.statement?)?;
    let here = |line: usize| (statement.line..=statement.end_line).contains(&line);
    let same_file = finding.file.as_ref().is_none_or(|file| *file == statement.file);
    (same_file && finding.line.is_none_or(here)).then_some(statement)
}

/// The beginning of a statement in one line, comment lines and extra spaces left out.
pub fn sql_line(sql: &str, characters: usize) -> String {
    let lines = sql.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    let mut out = String::new();
    // Space for many escapes: what is cut here is never seen.
    let mut room = characters * 4;
    for word in lines.flat_map(str::split_whitespace) {
        if room == 0 {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        let taken: String = word.chars().take(room).collect();
        room = room.saturating_sub(taken.chars().count() + 1);
        out.push_str(&taken);
    }
    out
}

/// Findings that count, worst first, in the order of their statements; notes only if asked for.
pub fn findings(report: &Report, with_info: bool) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.counts() && (with_info || finding.severity != Severity::Info))
        .collect();
    findings.sort_by_key(|finding| (finding.severity, finding.statement.unwrap_or(usize::MAX)));
    findings
}

/// Where a finding is: `file:line`.
pub fn location(finding: &Finding) -> Option<String> {
    match (&finding.file, finding.line) {
        (Some(file), Some(line)) => Some(format!("{file}:{line}")),
        (Some(file), None) => Some(file.clone()),
        (None, _) => None,
    }
}

/// `3 errors, 2 warnings`, `none`; notes are not counted here.
pub fn tally(report: &Report) -> String {
    let number = |severity| report.findings.iter().filter(|f| f.counts() && f.severity == severity).count();
    match (number(Severity::Error), number(Severity::Warning)) {
        (0, 0) => "none".to_owned(),
        (errors, 0) => human::plural(errors, "error"),
        (0, warnings) => human::plural(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", human::plural(errors, "error"), human::plural(warnings, "warning")),
    }
}

/// What is not listed among the findings: `1 allowed, 2 notes`.
pub fn folded(report: &Report, with_info: bool) -> Option<String> {
    let allowed = report.findings.iter().filter(|finding| !finding.counts()).count();
    let notes = report.findings.iter().filter(|f| f.counts() && f.severity == Severity::Info).count();
    let mut parts = Vec::new();
    if allowed > 0 {
        parts.push(format!("{} allowed", human::count(allowed as u64)));
    }
    if notes > 0 && !with_info {
        parts.push(human::plural(notes, "note"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `4 migrations rehearsed on a dump with PostgreSQL 15.18 in 74 s`.
pub fn rehearsed(report: &Report) -> String {
    let pending = match report.migrations.len() {
        0 if report.complete => "nothing pending".to_owned(),
        0 => "nothing rehearsed".to_owned(),
        number => format!("{} rehearsed", human::plural(number, "migration")),
    };
    let (on, time) = (source(report.source.kind), human::duration(report.duration_ms));
    let engine = format!("{} {}", engine(report), report.engine.version);
    format!("{pending} on {on} with {} in {time}", engine.trim_end())
}

fn source(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Dump => "a dump",
        SourceKind::Url => "a fresh dump of a server",
        SourceKind::DataDirectory => "a copy of a data directory",
        SourceKind::Template => "a template database",
        SourceKind::Clone => "a clone",
        SourceKind::Sqlite => "a copy of an SQLite file",
        SourceKind::Empty => "an empty database",
    }
}

/// `statement 3, ALTER TABLE payments …`.
pub fn statement_label(report: &Report, index: usize) -> String {
    match statement(report, index).map(|statement| sql_line(&statement.sql, LABEL_SQL)) {
        Some(sql) if !sql.is_empty() => format!("statement {index}, {}", clip(&visible(&sql), LABEL_SQL)),
        _ => format!("statement {index}"),
    }
}

/// Characters of SQL beside a statement's number.
const LABEL_SQL: usize = 80;

/// `migrations/1_x.sql:12`.
pub fn statement_place(statement: &Statement) -> String {
    format!("{}:{}", statement.file, statement.line)
}

/// `dropped public.orders_customer_id_idx on public.orders, 21 MB, by statement 1`.
pub fn index_headline(index: &IndexChange) -> String {
    let size = match (index.bytes_before, index.bytes_after) {
        (Some(before), Some(after)) if before != after => {
            format!(", {} instead of {}", human::bytes(after), human::bytes(before))
        }
        (_, Some(bytes)) | (Some(bytes), None) => format!(", {}", human::bytes(bytes)),
        (None, None) => String::new(),
    };
    let cause = index.statement.map(|index| format!(", by statement {index}")).unwrap_or_default();
    format!("{} {} on {}{size}{cause}", index.change.name(), index.name, index.table)
}

/// Definitions worth reading, each with `-` (gone), `+` (new) or a space (as before).
pub fn index_definitions(index: &IndexChange) -> Vec<(char, &str)> {
    match (index.definition_before.as_deref(), index.definition_after.as_deref()) {
        (Some(before), Some(after)) if before != after => vec![('-', before), ('+', after)],
        (_, Some(after)) if index.change == IndexChangeKind::Created => vec![('+', after)],
        (_, Some(same)) => vec![(' ', same)],
        (Some(before), None) => vec![('-', before)],
        (None, None) => vec![],
    }
}

/// Which hot queries used it, and which do now.
pub fn index_usage(index: &IndexChange) -> String {
    let names = |names: &[String]| if names.is_empty() { "no hot query".to_owned() } else { human::list(names) };
    let (before, after) = (names(&index.used_by_before), names(&index.used_by_after));
    match index.change {
        IndexChangeKind::Created => format!("used by {after}"),
        IndexChangeKind::Dropped => format!("was used by {before}"),
        _ if before == after => format!("used by {after}, as before"),
        _ => format!("was used by {before}, now by {after}"),
    }
}

/// Tone of an index change: bad where no query can use it, or where queries miss it; unknown where none are registered
/// that could.
pub fn index_tone(report: &Report, index: &IndexChange) -> Tone {
    let missed = |finding: &Finding| {
        finding.id == "index/dropped-in-use"
            && finding.severity != Severity::Info
            && finding.objects.contains(&index.name)
    };
    let suffers = |query: &Query| index.used_by_before.contains(&query.name) && Tone::from(query.verdict) == Tone::Bad;
    let dropped = index.change == IndexChangeKind::Dropped;
    match () {
        () if index.change == IndexChangeKind::Invalid || report.findings.iter().any(missed) => Tone::Bad,
        () if dropped && report.queries.iter().any(suffers) => Tone::Bad,
        () if dropped && report.queries.is_empty() => Tone::Unknown,
        () => Tone::Good,
    }
}

/// `schema, catalog and rows equal to before; plans not compared; migrating again gave the same`.
pub fn proof_sentence(rollback: &Rollback) -> String {
    let proof = &rollback.proof;
    let parts = [("schema", proof.schema), ("catalog", proof.catalog), ("rows", proof.rows), ("plans", proof.plans)];
    if parts.iter().all(|(_, comparison)| *comparison == Comparison::NotRun) && proof.reapplied == Comparison::NotRun {
        let ran = rollback.verdict != RollbackVerdict::NotAttempted;
        return if ran { "it was run and failed" } else { "it was not run" }.to_owned();
    }
    let mut sentences = Vec::new();
    for (wanted, words) in [
        (Comparison::Equal, "equal to before"),
        (Comparison::Differs, "not as before"),
        (Comparison::NotRun, "not compared"),
    ] {
        let names: Vec<&str> = parts.iter().filter(|(_, found)| *found == wanted).map(|(name, _)| *name).collect();
        if !names.is_empty() {
            sentences.push(format!("{} {words}", human::list(&names)));
        }
    }
    sentences.push(match proof.reapplied {
        Comparison::Equal => "migrating again gave the same".to_owned(),
        Comparison::Differs => "migrating again gave something else".to_owned(),
        Comparison::NotRun => "not migrated again".to_owned(),
    });
    sentences.join("; ")
}

/// What is lost, and whether a backup saves it.
pub fn loss_sentences(report: &Report) -> Vec<String> {
    let lost = if backup_sentence(report).is_some() { "lost without that backup" } else { "lost" };
    let losses = report.rollback.losses.iter();
    losses.map(|loss| format!("{lost}: {} in {} rows", loss.object, human::count(loss.rows))).collect()
}

/// What `prepare.sql` saved, if anything.
pub fn backup_sentence(report: &Report) -> Option<String> {
    let backup = &report.rollback.backup;
    let bytes = backup.bytes.filter(|bytes| *bytes > 0)?;
    let time = backup.duration_ms.map(|ms| format!(" in {}", human::duration(ms))).unwrap_or_default();
    Some(format!("prepare.sql, run before the migration, saves {}{time}", human::bytes(bytes)))
}

/// What has to be known to trust the report: pairs of a name and a sentence.
pub fn assumptions(report: &Report) -> Vec<(&'static str, String)> {
    let (engine_facts, data) = (&report.engine, &report.source);
    let role = if engine_facts.role.is_empty() { String::new() } else { format!(" as role {}", engine_facts.role) };
    let mut out = vec![(engine::label(report), format!("{} {}{role}", engine(report), engine_facts.version))];
    if !engine_facts.settings.is_empty() {
        let settings = engine_facts.settings.iter().map(|(name, value)| format!("{name} = {value}"));
        out.push(("Settings", settings.collect::<Vec<_>>().join(", ")));
    }
    out.extend(
        report.notes.iter().enumerate().map(|(at, note)| (if at == 0 { "Migrations" } else { "" }, note.clone())),
    );
    let mut facts = vec![words(data.kind.name())];
    // Of a source that was not restored nothing is known but its kind; it has rows all the same.
    if data.rows.is_some() || data.bytes.is_some() || data.fidelity != Fidelity::SchemaOnly {
        facts.push(fidelity(data.fidelity).to_owned());
    }
    facts.extend(data.rows.map(|rows| format!("{} rows", human::count(rows))));
    facts.extend(data.bytes.map(human::bytes));
    facts.extend(data.taken_at.as_ref().map(|at| format!("taken {at}")));
    out.push(("Data", facts.join(", ")));
    out.extend(data.fidelity_notes.iter().map(|note| ("", note.clone())));
    let labelled = report.query_notes.iter().enumerate();
    out.extend(labelled.map(|(at, note)| (if at == 0 { "Hot queries" } else { "" }, note.clone())));
    out.extend(statistics(report).map(|told| ("Statistics", told)));
    out.extend(self_test(report).map(|told| ("Self-test", told)));
    let confinement: Vec<String> = engine_facts.confinement.iter().map(|part| words(part.name())).collect();
    let confined = if confinement.is_empty() { "none".to_owned() } else { confinement.join(", ") };
    out.push(("Confined by", confined));
    let ran: Vec<String> = report
        .passes
        .iter()
        .filter(|pass| pass.ran)
        .map(|pass| format!("{} in {}", pass.name.name(), human::duration(pass.duration_ms)))
        .collect();
    out.push(("Passes", if ran.is_empty() { "none ran to its end".to_owned() } else { ran.join(", ") }));
    let mut skipped: Vec<(&str, Vec<&str>)> = Vec::new();
    for pass in report.passes.iter().filter(|pass| !pass.ran) {
        let reason = pass.reason.as_deref().unwrap_or("no reason given");
        match skipped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(pass.name.name()),
            None => skipped.push((reason, vec![pass.name.name()])),
        }
    }
    out.extend(skipped.into_iter().map(|(reason, names)| ("Not run", format!("{}: {reason}", human::list(&names)))));
    out.push(("Durations", format!("lower bounds: {}", lower_bounds(report))));
    out
}

fn fidelity(fidelity: Fidelity) -> &'static str {
    match fidelity {
        Fidelity::Physical => "the same files as production",
        Fidelity::LogicalWithStatistics => "all rows, with production's statistics",
        Fidelity::Logical => "all rows, statistics gathered anew",
        Fidelity::Subset => "some of the rows, or changed ones",
        Fidelity::SchemaOnly => "no rows",
    }
}
