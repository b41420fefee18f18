//! What is known of a changed plan besides the two plans: who did it, how long it lasts, what ends it. Pure.

use super::{PlanChange, Rehearsal};
use crate::diff::plan::sentence::Story;
use crate::diff::plan::verdict::Lasts;
use crate::migration::Statement;
use crate::report::human;
use crate::snapshot::plan::sqlite;

/// Of one query with one parameter set.
pub(super) fn of(rehearsal: &Rehearsal, change: &PlanChange) -> Story {
    let statements = change.cause.statements.iter().filter_map(|statement| rehearsal.statement(*statement));
    let places = places(statements);
    let cause = (!places.is_empty()).then(|| match change.cause.objects.as_slice() {
        [] => human::list(&places),
        objects => format!("{} ({})", human::list(&places), objects.join(", ")),
    });
    Story { cause, lasts: change.diff.verdict.lasts, mend: mend(change).into_iter().collect() }
}

/// Where statements stand. Of several in one file the first names it.
fn places<'run>(statements: impl Iterator<Item = &'run Statement>) -> Vec<String> {
    let mut file = None;
    let place = |statement: &'run Statement| match file.replace(statement.file.name.as_str()) {
        Some(before) if before == statement.file.name => format!(":{}", statement.start().line),
        _ => statement.place(),
    };
    statements.map(place).collect()
}

/// The line of SQL that ends a state which passes by itself.
pub(crate) fn mend(change: &PlanChange) -> Option<String> {
    let lasts = change.diff.verdict.lasts?;
    let tables = tables(change);
    let plan = change.diff.before.captured.plan();
    if plan.is_some_and(|plan| plan.root.node_type == sqlite::ROOT) {
        // It takes one name, and has no VACUUM of a table.
        let each: Vec<String> = tables.iter().map(|table| format!("ANALYZE {table};")).collect();
        return Some(each.join(" "));
    }
    let tables = tables.join(", ");
    Some(match lasts {
        Lasts::UntilVacuum => format!("VACUUM {tables};"),
        // What needs statistics was rewritten most likely, and lost its visibility map as well.
        Lasts::UntilAnalyze => format!("VACUUM (ANALYZE) {tables};"),
    })
}

/// Tables among the causes that the query reads, else all it reads.
fn tables(change: &PlanChange) -> Vec<String> {
    let sides = [change.diff.right_after.as_ref(), Some(&change.diff.before)];
    let plan = sides.into_iter().flatten().find_map(|side| side.captured.plan());
    let read: Vec<String> =
        plan.map_or_else(Vec::new, |plan| plan.relations().iter().map(|relation| relation.qualified()).collect());
    let blamed: Vec<String> = read.iter().filter(|table| change.cause.objects.contains(table)).cloned().collect();
    if blamed.is_empty() { read } else { blamed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::SourceFile;
    use std::sync::Arc;

    #[test]
    fn a_file_is_named_once_for_statements_that_follow_each_other() {
        let file = |name: &str| {
            Arc::new(SourceFile { path: name.into(), name: name.to_owned(), text: "A;\nB;\nC;".to_owned() })
        };
        let statement = |file: &Arc<SourceFile>, index: usize| {
            let start = 3 * (index - 1);
            Statement { index, file: Arc::clone(file), span: start..start + 1, rendered: None }
        };
        let (one, other) = (file("1.sql"), file("2.sql"));
        let all = [statement(&one, 3), statement(&one, 1), statement(&other, 2), statement(&one, 2)];
        assert_eq!(places(all.iter()), ["1.sql:3", ":1", "2.sql:2", "1.sql:2"]);
    }
}
