//! For the person who is paged: which hot queries suffer and whose they are, what to do, and the way back.

use super::{Tone, changed_queries, query_headline, words};
use crate::report::human;
use crate::report::v1::{
    Finding, IndexChange, IndexChangeKind, Query, QueryVerdict, Report, RollbackVerdict, Severity, Stall,
};

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
        let expected = format!("waits {}{statement}", human::duration(stall.longest_ms));
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
    format!("{}{others}", query_headline(worst))
}

/// The longest wait of each query that a finding is about.
fn stalled(report: &Report) -> Vec<&Stall> {
    let told = |stall: &&Stall| finding(report, &stall.query, "lock/stall").is_some();
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

fn finding<'r>(report: &'r Report, query: &str, id: &str) -> Option<&'r Finding> {
    report.findings.iter().find(|finding| finding.id == id && finding.query.as_deref() == Some(query))
}

fn advice(report: &Report, query: &str, id: &str) -> Vec<Step> {
    let advice = finding(report, query, id).map(|finding| finding.advice.clone()).filter(|text| !text.is_empty());
    advice.map(|text| Step { text, sql: None }).into_iter().collect()
}

/// An index that is gone can be there again without a rollback; for all else there is what its finding says.
fn remedies(report: &Report, query: &Query) -> Vec<Step> {
    let lost = report
        .indexes
        .iter()
        .filter(|index| index.change == IndexChangeKind::Dropped && index.used_by_before.contains(&query.name));
    // Where the query fails, it is not for want of an index.
    let lost = lost.filter(|_| query.verdict != QueryVerdict::Broken);
    let rebuilt: Vec<Step> = lost.filter_map(rebuild).collect();
    if !rebuilt.is_empty() {
        return rebuilt;
    }
    let about = report.findings.iter().find(|finding| {
        finding.query.as_deref() == Some(&query.name)
            && finding.id.starts_with("plan/")
            && finding.severity != Severity::Info
            && !finding.advice.is_empty()
    });
    about.map(|finding| Step { text: finding.advice.clone(), sql: None }).into_iter().collect()
}

/// The statement that builds a dropped index again without blocking writes. PostgreSQL has none for an index of a
/// partitioned table, whose definition says `ON ONLY`.
fn rebuild(index: &IndexChange) -> Option<Step> {
    let definition = index.definition_before.as_deref()?;
    let (before, after) = definition.split_once("INDEX ")?;
    let own = matches!(before, "CREATE " | "CREATE UNIQUE ") && !after.contains(" ON ONLY ");
    own.then(|| Step {
        text: format!("build {} again, which keeps nobody waiting", index.name),
        sql: Some(format!("{before}INDEX CONCURRENTLY {after};")),
    })
}

fn undo(report: &Report, out_dir: Option<&str>) -> Undo {
    let rollback = &report.rollback;
    let verdict = words(rollback.verdict.name());
    let command = psql("rollback.sql", out_dir);
    let prepared = if rollback.scripts.prepare.is_empty() { "" } else { ", if prepare.sql ran before the migration" };
    let because = rollback.differences.first().map(|first| format!(": {first}")).unwrap_or_default();
    use RollbackVerdict as R;
    let (command, text) = match rollback.verdict {
        R::NotAttempted => (None, format!("no way back was proven{because}")),
        _ if rollback.scripts.rollback.is_empty() => (None, format!("there is no script for the way back{because}")),
        R::Exact | R::ExactButColumnOrder | R::RestoredFromBackup => {
            (Some(command), format!("{verdict}, as running it on the copy showed{prepared}"))
        }
        R::RowsLost | R::Irreversible => (Some(command), format!("{verdict}{because}{prepared}")),
    };
    Undo { tone: rollback.verdict.into(), command, text }
}

/// How one of the scripts is run.
pub fn psql(script: &str, out_dir: Option<&str>) -> String {
    let path = match out_dir {
        Some(folder) => format!("{}/{script}", folder.trim_end_matches('/')),
        None => script.to_owned(),
    };
    format!("psql -X -v ON_ERROR_STOP=1 -f {} \"$DATABASE_URL\"", shell_word(&path))
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
        assert_eq!(psql("rollback.sql", None), "psql -X -v ON_ERROR_STOP=1 -f rollback.sql \"$DATABASE_URL\"");
        assert!(psql("rollback.sql", Some("my report/")).contains(" -f 'my report/rollback.sql' "));
        assert_eq!(shell_word("report/rollback.sql"), "report/rollback.sql");
        assert_eq!(shell_word("it's here/$(x)"), r"'it'\''s here/$(x)'");
    }

    #[test]
    fn an_index_is_built_again_without_blocking_where_that_can_be_done() {
        let index = |definition: &str| IndexChange {
            change: IndexChangeKind::Dropped,
            name: "public.i".to_owned(),
            table: "public.t".to_owned(),
            definition_before: Some(definition.to_owned()),
            definition_after: None,
            bytes_before: Some(8192),
            bytes_after: None,
            used_by_before: vec!["q".to_owned()],
            used_by_after: Vec::new(),
            statement: Some(1),
        };
        let sql = |definition: &str| rebuild(&index(definition)).and_then(|step| step.sql);
        assert_eq!(
            sql("CREATE UNIQUE INDEX i ON public.t USING btree (a)").as_deref(),
            Some("CREATE UNIQUE INDEX CONCURRENTLY i ON public.t USING btree (a);")
        );
        assert_eq!(sql("CREATE INDEX i ON ONLY public.t USING btree (a)"), None);
    }
}
