//! For the person who is paged: which hot queries suffer and whose they are, what to do, and the way back.

use super::{Tone, changed_queries, query_headline, sql_line, statement, statements, words};
use crate::migration::script::words::{Word, words as tokens};
use crate::report::v1::{
    Applies, EngineName, Finding, IndexChange, IndexChangeKind, Query, QueryVerdict, Report, RollbackVerdict, Severity,
    Stall,
};
use crate::report::{each, human};
use std::collections::BTreeSet;

/// What stands above it.
pub const HEADING: &str = "If you are paged";

/// What somebody needs who did not write the migration and has to answer for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Paged<'r> {
    /// Hot queries that will suffer, worst first, each once; never empty.
    pub queries: Vec<Affected<'r>>,
    /// What to do before anything is taken back, in the order of the queries, nothing twice.
    pub steps: Vec<Step>,
    /// How to take it back.
    pub undo: Undo,
}

/// One hot query that will suffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Affected<'r> {
    /// How bad it is.
    pub tone: Tone,
    /// Its name.
    pub name: &'r str,
    /// Who owns it, if anybody is registered.
    pub owner: Option<&'r str>,
    /// What to expect, in a sentence: of the parameter set that suffers most.
    pub expected: String,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In a sentence.
    pub text: String,
    /// A statement that does it, where one is known.
    pub sql: Option<String>,
}

/// The way back in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// How good it is.
    pub tone: Tone,
    /// The command; `None` where no script was proven.
    pub command: Option<String>,
    /// What has to be known before it is run.
    pub text: String,
}

/// `None` where no hot query is known to suffer. `out_dir` is where the scripts are, as it should be shown.
pub fn paged<'r>(report: &'r Report, out_dir: Option<&str>) -> Option<Paged<'r>> {
    let mut queries: Vec<Affected<'r>> = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    for query in changed_queries(report).into_iter().filter(|query| suffers(query)) {
        if queries.iter().any(|known| known.name == query.name) {
            continue;
        }
        queries.push(Affected {
            tone: query.verdict.into(),
            name: &query.name,
            owner: query.owner.as_deref(),
            expected: expected(report, query),
        });
        add(&mut steps, remedies(report, query));
    }
    for stall in stalled(report) {
        let statement = stall.statement.map(|index| format!(" for statement {index}")).unwrap_or_default();
        let accepted = allowed(report, &stall.query, "lock/stall");
        let expected = format!("waits {}{statement}{accepted}", human::duration(stall.longest_ms));
        match queries.iter_mut().find(|known| known.name == stall.query) {
            Some(known) => known.expected.push_str(&format!("; {expected}")),
            None => {
                let owner = report.queries.iter().find(|query| query.name == stall.query);
                let owner = owner.and_then(|query| query.owner.as_deref());
                queries.push(Affected { tone: Tone::Bad, name: &stall.query, owner, expected });
            }
        }
        add(&mut steps, advice(report, &stall.query, "lock/stall"));
    }
    (!queries.is_empty()).then(|| Paged { queries, steps, undo: undo(report, out_dir) })
}

fn add(steps: &mut Vec<Step>, more: Vec<Step>) {
    for step in more {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
}

/// A query somebody may be woken for; what only changed its plan, or grew with its table, is none.
fn suffers(query: &Query) -> bool {
    use QueryVerdict as Q;
    match query.verdict {
        Q::Broken | Q::DidNotFinish | Q::Regressed | Q::OverBudget | Q::SlowerSamePlan | Q::Transient => true,
        Q::Unchanged | Q::Improved | Q::PlanChanged | Q::GrewWithTable | Q::Unstable => false,
    }
}

fn expected(report: &Report, worst: &Query) -> String {
    let same = report.queries.iter().filter(|query| query.name == worst.name && suffers(query)).count();
    let others = match same {
        0 | 1 => String::new(),
        sets => format!("; {} suffer", human::more(sets - 1, "parameter set")),
    };
    let others = if same == 2 { others.replace("suffer", "suffers") } else { others };
    format!("{}{others}{}", query_headline(worst), allowed(report, &worst.name, "plan/"))
}

/// The longest wait of each query that a finding is about.
fn stalled(report: &Report) -> Vec<&Stall> {
    let told = |stall: &&Stall| findings(report, &stall.query, "lock/stall").next().is_some();
    let mut stalls: Vec<&Stall> = report.stalls.iter().filter(told).collect();
    stalls.sort_by(|left, right| right.longest_ms.total_cmp(&left.longest_ms));
    let mut longest: Vec<&Stall> = Vec::new();
    for stall in stalls {
        if !longest.iter().any(|known| known.query == stall.query) {
            longest.push(stall);
        }
    }
    longest
}

/// Findings about a query, of a group or of one id.
fn findings<'r>(report: &'r Report, query: &str, id: &str) -> impl Iterator<Item = &'r Finding> {
    let about = move |finding: &&Finding| finding.id.starts_with(id) && finding.query.as_deref() == Some(query);
    report.findings.iter().filter(about)
}

/// ` (allowed: at night)`, where somebody accepted all that was found about a query.
fn allowed(report: &Report, query: &str, id: &str) -> String {
    let reasons: Option<Vec<&str>> =
        findings(report, query, id).map(|finding| finding.suppressed_by.as_deref()).collect();
    let first = reasons.and_then(|reasons| reasons.first().copied());
    first.map(|reason| format!(" (allowed: {reason})")).unwrap_or_default()
}

fn advice(report: &Report, query: &str, id: &str) -> Vec<Step> {
    let advice =
        findings(report, query, id).next().map(|finding| finding.advice.clone()).filter(|text| !text.is_empty());
    advice.map(|text| Step { text, sql: None }).into_iter().collect()
}

/// An index that is gone can be there again without a rollback; for all else there is what its finding says.
fn remedies(report: &Report, query: &Query) -> Vec<Step> {
    let lost = report
        .indexes
        .iter()
        .filter(|index| index.change == IndexChangeKind::Dropped && index.used_by_before.contains(&query.name));
    // Where the query fails, or waits for VACUUM, it is not for want of an index.
    let other = matches!(query.verdict, QueryVerdict::Broken | QueryVerdict::Transient);
    let rebuilt: Vec<Step> = lost.filter(|_| !other).filter_map(|index| rebuild(report, index)).collect();
    if !rebuilt.is_empty() {
        return rebuilt;
    }
    let about = findings(report, &query.name, "plan/")
        .find(|finding| finding.severity != Severity::Info && !finding.advice.is_empty());
    about.map(|finding| Step { text: finding.advice.clone(), sql: None }).into_iter().collect()
}

/// The statement that builds an index again without blocking writes. Only one that was dropped as an index: what went with
/// its constraint, its column or its table is more than an index. PostgreSQL has no such statement for an index of a
/// partitioned table, whose definition says `ON ONLY`.
fn rebuild(report: &Report, index: &IndexChange) -> Option<Step> {
    if names_what_changed(report, index) {
        return None;
    }
    let dropped = sql_line(&statement(report, index.statement?)?.sql, "DROP INDEX".len()).to_ascii_uppercase();
    let definition = index.definition_before.as_deref()?;
    let (before, after) = definition.split_once("INDEX ")?;
    let own = matches!(before, "CREATE " | "CREATE UNIQUE ") && !after.contains(" ON ONLY ");
    (own && dropped.starts_with("DROP INDEX")).then(|| Step {
        text: format!(
            "build {} again, which keeps {} waiting; rollback.sql makes it itself, so drop it again before you run that",
            index.name,
            match report.engine.name {
                EngineName::Postgresql => "nobody",
                EngineName::Sqlite => "whoever writes",
            }
        ),
        sql: Some(match report.engine.name {
            EngineName::Postgresql => format!("{before}INDEX CONCURRENTLY {after};"),
            EngineName::Sqlite => format!("{definition};"),
        }),
    })
}

/// Whether another statement renames something of its table, or alters a column its definition names: the definition is the
/// one from before.
fn names_what_changed(report: &Report, index: &IndexChange) -> bool {
    let names = |sql: &str| -> BTreeSet<String> { tokens(sql).iter().filter_map(Word::name).collect() };
    let Some(table) = tokens(&index.table).last().and_then(Word::name) else { return true };
    let definition = index.definition_before.as_deref().unwrap_or_default();
    let columns = names(definition.split_once(" USING ").map_or(definition, |(_, columns)| columns));
    let others = statements(report).filter(|other| Some(other.index) != index.statement);
    others.map(|other| names(&other.sql)).any(|other| {
        let alters = other.contains("alter") && other.contains(&table);
        alters && (other.contains("rename") || !columns.is_disjoint(&other))
    })
}

fn undo(report: &Report, out_dir: Option<&str>) -> Undo {
    let rollback = &report.rollback;
    let verdict = words(rollback.verdict.name());
    let because = rollback.differences.first().map(|first| format!(": {first}")).unwrap_or_default();
    let prepared =
        if does_something(&rollback.scripts.prepare) { ", if prepare.sql ran before the migration" } else { "" };
    let proven = format!("{verdict}, as running it on the copy showed{prepared}{}", extent(report));
    let (works, mut text) = match rollback.verdict {
        RollbackVerdict::NotAttempted => (false, format!("no way back was proven{because}")),
        _ if rollback.scripts.rollback.is_empty() => (false, format!("there is no script for the way back{because}")),
        // Nobody should run at night what is known to fail.
        RollbackVerdict::Irreversible => (false, format!("rollback.sql does not bring the state back{because}")),
        RollbackVerdict::RowsLost => (true, format!("not all rows come back{because}{}", extent(report))),
        RollbackVerdict::Exact | RollbackVerdict::ExactButColumnOrder | RollbackVerdict::RestoredFromBackup => {
            (true, proven)
        }
    };
    if works && out_dir.is_none() {
        text.push_str("; rollback.sql stands in report.json, and --out DIR writes it");
    }
    Undo {
        tone: rollback.verdict.into(),
        command: works.then(|| running(report.engine.name, "rollback.sql", out_dir)),
        text,
    }
}

/// Whether a script has more than comments.
fn does_something(script: &str) -> bool {
    script.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with("--"))
}

/// The script takes back whatever was applied, which is more than what hurts where there are several migrations.
fn extent(report: &Report) -> String {
    let applied = report.migrations.iter().filter(|migration| migration.applies == Applies::Yes).count();
    if applied < 2 {
        return String::new();
    }
    let singles = if each::singles(report).iter().any(each::Single::was_run) {
        "; rollback/VERSION has one for each, last one first, if its own prepare.sql ran before"
    } else {
        ""
    };
    format!("; it takes back all {applied} migrations{singles}")
}

/// How one of the scripts is run; a variable that is not set ends the command instead of choosing a database.
pub fn running(engine: EngineName, script: &str, out_dir: Option<&str>) -> String {
    let path = match out_dir {
        Some(folder) => format!("{}/{script}", folder.trim_end_matches('/')),
        None => script.to_owned(),
    };
    match engine {
        EngineName::Postgresql => {
            format!("psql -X -v ON_ERROR_STOP=1 -f {} \"${{DATABASE_URL:?}}\"", shell_word(&path))
        }
        EngineName::Sqlite => format!("sqlite3 -bail \"${{DATABASE_FILE:?}}\" < {}", shell_word(&path)),
    }
}

/// A path or a name as a shell takes it for one word.
pub fn shell_word(path: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+=:@%,".contains(letter);
    if path.chars().all(plain) && !path.starts_with('-') {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_and_no_option() {
        let on = |engine, folder| running(engine, "rollback.sql", folder);
        assert_eq!(
            on(EngineName::Postgresql, None),
            "psql -X -v ON_ERROR_STOP=1 -f rollback.sql \"${DATABASE_URL:?}\""
        );
        assert!(on(EngineName::Postgresql, Some("my report/")).contains(" -f 'my report/rollback.sql' "));
        assert_eq!(
            on(EngineName::Sqlite, Some("my report/")),
            "sqlite3 -bail \"${DATABASE_FILE:?}\" < 'my report/rollback.sql'"
        );
        assert_eq!(shell_word("report/rollback.sql"), "report/rollback.sql");
        assert_eq!(shell_word("it's here/$(x)"), r"'it'\''s here/$(x)'");
    }

    #[test]
    fn an_index_is_built_again_without_blocking_where_it_was_no_more_than_an_index() {
        let mut report = Report::from_json(include_str!("../../../tests/recordings/regressed.json")).expect("a report");
        let built = |report: &Report, definition: &str| {
            let index = IndexChange { definition_before: Some(definition.to_owned()), ..report.indexes[0].clone() };
            rebuild(report, &index).and_then(|step| step.sql)
        };
        let unique = "CREATE UNIQUE INDEX i ON public.t USING btree (a)";
        assert_eq!(
            built(&report, unique).as_deref(),
            Some("CREATE UNIQUE INDEX CONCURRENTLY i ON public.t USING btree (a);")
        );
        assert_eq!(built(&report, "CREATE INDEX i ON ONLY public.t USING btree (a)"), None);
        for sql in ["ALTER TABLE t DROP CONSTRAINT i", "ALTER TABLE t DROP COLUMN a", "DROP TABLE t"] {
            report.migrations[0].statements[0].sql = sql.to_owned();
            assert_eq!(built(&report, unique), None, "{sql}");
        }
        report.migrations[0].statements[0].sql = "-- gone\n  drop  index i".to_owned();
        assert!(built(&report, unique).is_some());

        // Of that table another statement drops the column note.
        report.indexes[0].table = "public.orders".to_owned();
        assert!(built(&report, "CREATE INDEX i ON public.orders USING btree (customer_id)").is_some());
        assert_eq!(built(&report, "CREATE INDEX i ON public.orders USING btree (note)"), None);
        report.migrations[3].statements[0].sql = "ALTER TABLE public.orders RENAME COLUMN state TO status".to_owned();
        assert_eq!(built(&report, "CREATE INDEX i ON public.orders USING btree (customer_id)"), None);
    }

    #[test]
    fn a_script_that_only_explains_itself_has_nothing_to_wait_for() {
        assert!(!does_something("-- This script does nothing.\n\n  -- Nothing is lost.\n"));
        assert!(does_something("-- Saves.\nBEGIN;\n"));
    }
}
