//! Do hand-written down scripts bring back what was there: `rollback/down-differs`, from their run alone.

use super::rollback::some;
use super::{Answer, Check, Finding, Kind, Severity, examples};
use crate::config::Thresholds;
use crate::migration::{Down, Migration};
use crate::rehearsal::Rehearsal;
use crate::report::human::plural;
use crate::report::v1::DownVerdict;
use crate::rollback::prove::DownProof;
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&DOWN_DIFFERS], find };

const DOWN_DIFFERS: Kind = Kind::new(
    "rollback/down-differs",
    Severity::Warning,
    Answer::Undoable,
    "
        The hand-written script that undoes the migration was run on a copy, in the runner's own mode, and does not lead back to
        where it began; or the server refused one of its statements, which the finding stands at. An empty script of a migration
        that changed something counts. What is left is in `differences`; `lines` has the statements that do what the script
        forgets, to add at its end (an index is made again the plain way, which waits for nothing but blocks writes). They were
        run, too: `with_lines` says what is back then. No statement brings back rows; what differs is in `rows`, by table.

        A column that only stands in another place of its table is told in the report (`exact_but_column_order`), and no finding.
        For example, this down script forgets the index and the default that went with the column:

        ```sql
        -- up
        ALTER TABLE orders DROP COLUMN priority;
        -- down
        ALTER TABLE orders ADD COLUMN priority integer;
        ```
    ",
)
.with(examples!("rollback/down-differs"));

/// Lines of SQL an advice holds; all of them are evidence.
const SHOWN: usize = 10;

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let proven = rehearsal.migrations.iter().zip(&rehearsal.downs);
    proven.filter_map(|(migration, proof)| finding(migration, migration.down.as_ref()?, proof.as_ref()?)).collect()
}

fn finding(migration: &Migration, down: &Down, proof: &DownProof) -> Option<Finding> {
    let begin = down.file.position(down.start).line;
    let differences = told(down, proof);
    let (line, message) = match proof.verdict() {
        DownVerdict::Exact | DownVerdict::ExactButColumnOrder | DownVerdict::NotRun => return None,
        DownVerdict::Fails => {
            (stopped(down, proof).unwrap_or(begin), format!("the down script does not run: {}", differences.first()?))
        }
        DownVerdict::RowsLost => {
            let rows: Vec<String> = proof.differing_rows().map(|(_, told)| told.to_owned()).collect();
            let rows = if rows.is_empty() { &differences } else { &rows };
            (begin, format!("the down script brings the schema back and not the rows: {}", some(rows)))
        }
        DownVerdict::Differs if down.statements.is_empty() => {
            (begin, format!("the down script is empty, and the migration is not undone: {}", some(&proof.in_short())))
        }
        DownVerdict::Differs => (
            begin,
            format!("the down script runs and does not bring back what was before: {}", some(&proof.in_short())),
        ),
    };
    let rows: Vec<&str> = proof.differing_rows().map(|(_, told)| told).collect();
    let objects = proof.differing_rows().map(|(table, _)| table.to_owned()).collect();
    let finding = Finding::measured(
        &DOWN_DIFFERS,
        migration.statements.first().map(|statement| statement.index),
        objects,
        message,
        advice(proof, &rows),
    );
    let with_lines = proof.with_lines().map(DownVerdict::name);
    let left = if with_lines.is_some() { proof.differences_with_lines() } else { Vec::new() };
    Some(finding.at(&down.file.name, line).with(json!({
        "verdict": proof.verdict().name(),
        "differences": differences,
        "lines": proof.lines(),
        "with_lines": with_lines,
        "differences_with_lines": left,
        "rows": rows,
    })))
}

/// What is not as before, with the statement it stopped at first of all.
pub(crate) fn told(down: &Down, proof: &DownProof) -> Vec<String> {
    let failed = proof.failure().map(|failure| {
        let at = |line: usize| format!(" at line {line}");
        format!("it fails{}: {}", stopped(down, proof).map_or_else(String::new, at), failure.error)
    });
    failed.into_iter().chain(proof.differences()).collect()
}

/// The line of the statement it stopped at.
fn stopped(down: &Down, proof: &DownProof) -> Option<usize> {
    let failed = proof.failure()?.statement;
    down.statements.iter().find(|statement| statement.index == failed).map(|statement| statement.start().line)
}

fn advice(proof: &DownProof, rows: &[&str]) -> String {
    let backup = "what prepare.sql saves before the migration and rollback.sql puts back";
    let text: Vec<&str> = proof.lines().iter().flat_map(|line| line.lines()).collect();
    let mut shown = text.iter().take(SHOWN).map(|line| format!("\n    {line}")).collect::<String>();
    if let Some(more) = text.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push_str(&format!("\n    … and {}, in the evidence", plural(more, "more line")));
    }
    let from = match proof.verdict() {
        DownVerdict::Fails => "mend that statement; from where it stops, these lines go on",
        _ => "add these lines at its end",
    };
    match proof.with_lines() {
        Some(DownVerdict::Exact | DownVerdict::ExactButColumnOrder) if !text.is_empty() => {
            format!("{from}; they were run, and with them everything is as before:{shown}")
        }
        Some(DownVerdict::RowsLost) if !text.is_empty() => {
            let rows = rows.join("; ");
            format!(
                "{from}; they were run, and with them the schema is as before. No statement brings back the rows ({rows}), only {backup}:{shown}"
            )
        }
        Some(_) if !text.is_empty() => format!(
            "{from}, and complete them by hand: they were run, and this is left: {}:{shown}",
            some(&proof.differences_with_lines())
        ),
        Some(_) => "undo by hand what is left and rehearse it: no statement is known for it".to_owned(),
        None => format!("no statement brings these rows back, only {backup}"),
    }
}
