//! Migrations with suggestions in place of the statements they are for, cut into the files that takes.

use super::{StepTransaction, Suggestion};
use crate::migration::script::{StatementKind, kind};
use crate::migration::{Migration, Statement, TransactionMode};
use std::collections::BTreeMap;

/// Migrations as they would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewritten {
    /// In the order they run, statements numbered anew. A migration that was cut stands here in several parts, each to be
    /// a file of its own.
    pub parts: Vec<Part>,
    /// By a statement's new number the old one of the statement whose suggestion it is part of.
    pub suggested: BTreeMap<usize, usize>,
}

/// A file of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Position of the migration it was.
    pub of: usize,
    /// As its runner has to run it.
    pub migration: Migration,
}

/// Puts every suggestion in its place.
pub fn rewrite(migrations: &[Migration], suggestions: &[Suggestion]) -> Rewritten {
    let mut writer = Writer { out: Rewritten { parts: Vec::new(), suggested: BTreeMap::new() }, next: 1 };
    for (of, migration) in migrations.iter().enumerate() {
        writer.migration(of, migration, suggestions);
    }
    writer.out
}

struct Writer {
    out: Rewritten,
    next: usize,
}

impl Writer {
    fn migration(&mut self, of: usize, migration: &Migration, suggestions: &[Suggestion]) {
        self.part(of, migration, migration.transaction);
        // Inside a block that the script opens itself.
        let mut block = false;
        for statement in &migration.statements {
            let Some(suggestion) = suggestions.iter().find(|each| each.statement == statement.index) else {
                match kind(statement.sql()) {
                    StatementKind::Begin => block = true,
                    StatementKind::Commit | StatementKind::Rollback => block = false,
                    _ => {}
                }
                self.push(statement, None, None);
                continue;
            };
            let splits = suggestion.steps.iter().any(|step| step.transaction != StepTransaction::Together);
            for (at, step) in suggestion.steps.iter().enumerate() {
                let mode = match step.transaction {
                    StepTransaction::Together => None,
                    StepTransaction::Own => Some(TransactionMode::PerMigration),
                    StepTransaction::Outside => Some(TransactionMode::None),
                };
                if let Some(mode) = mode {
                    // The first cut ends what the script has open.
                    if block && suggestion.steps[..at].iter().all(|step| step.transaction == StepTransaction::Together)
                    {
                        self.push(statement, Some("COMMIT"), None);
                    }
                    self.part(of, migration, mode);
                }
                self.push(statement, Some(&step.sql), Some(statement.index));
            }
            if splits {
                self.part(of, migration, migration.transaction);
                if block {
                    self.push(statement, Some("BEGIN"), None);
                }
            }
        }
        // What stands behind the last cut may be nothing.
        if self.out.parts.last().is_some_and(|part| part.migration.statements.is_empty() && part.of == of)
            && self.out.parts.iter().filter(|part| part.of == of).count() > 1
        {
            self.out.parts.pop();
        }
    }

    /// Begins a part, in the place of one that is empty so far.
    fn part(&mut self, of: usize, migration: &Migration, transaction: TransactionMode) {
        if self.out.parts.last().is_some_and(|part| part.of == of && part.migration.statements.is_empty()) {
            self.out.parts.pop();
        }
        let number = self.out.parts.iter().filter(|part| part.of == of).count();
        // One that is cut is several to its runner.
        let version =
            if number == 0 { migration.version.clone() } else { format!("{} ({})", migration.version, number + 1) };
        let migration =
            Migration { version, transaction, statements: Vec::new(), down: None, history: None, ..migration.clone() };
        self.out.parts.push(Part { of, migration });
    }

    /// Adds a statement, in other words if there are any; `suggested`: old number of the one it is suggested for.
    fn push(&mut self, statement: &Statement, words: Option<&str>, suggested: Option<usize>) {
        let index = self.next;
        self.next += 1;
        let rendered = words.map(str::to_owned).or_else(|| statement.rendered.clone());
        if let Some(part) = self.out.parts.last_mut() {
            part.migration.statements.push(Statement { index, rendered, ..statement.clone() });
        }
        if let Some(old) = suggested {
            self.out.suggested.insert(index, old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::{Connection, SourceFile};
    use crate::suggest::Step;
    use std::sync::Arc;

    fn migration(transaction: TransactionMode, statements: &[&str]) -> Migration {
        let text = statements.join(";\n");
        let file = Arc::new(SourceFile { path: "1.sql".into(), name: "1.sql".to_owned(), text: text.clone() });
        let mut from = 0;
        let statements = statements.iter().enumerate().map(|(at, sql)| {
            let span = from..from + sql.len();
            from = span.end + 2;
            Statement { index: at + 1, file: file.clone(), span, rendered: None }
        });
        Migration {
            version: "1".to_owned(),
            name: "m".to_owned(),
            layout: "plain",
            transaction,
            connection: Connection::default(),
            session: Vec::new(),
            statements: statements.collect(),
            down: None,
            history: None,
        }
    }

    fn step(sql: &str, transaction: StepTransaction) -> Step {
        Step { sql: sql.to_owned(), transaction, why: "" }
    }

    fn suggestion(statement: usize, steps: Vec<Step>) -> Suggestion {
        Suggestion { statement, forms: vec!["f"], answers: Vec::new(), steps }
    }

    fn shown(rewritten: &Rewritten) -> Vec<(TransactionMode, Vec<String>)> {
        let sql = |part: &Part| part.migration.statements.iter().map(|each| each.sql().to_owned()).collect();
        rewritten.parts.iter().map(|part| (part.migration.transaction, sql(part))).collect()
    }

    #[test]
    fn a_file_in_one_transaction_is_cut_where_a_step_needs_another() {
        use StepTransaction::{Outside, Own, Together};
        let migrations = [migration(TransactionMode::PerMigration, &["A", "B", "C"])];
        let steps = vec![step("B1", Together), step("B2", Own), step("B3", Together), step("B4", Outside)];
        let rewritten = rewrite(&migrations, &[suggestion(2, steps)]);
        assert_eq!(
            shown(&rewritten),
            [
                (TransactionMode::PerMigration, vec!["A".to_owned(), "B1".to_owned()]),
                (TransactionMode::PerMigration, vec!["B2".to_owned(), "B3".to_owned()]),
                (TransactionMode::None, vec!["B4".to_owned()]),
                (TransactionMode::PerMigration, vec!["C".to_owned()]),
            ]
        );
        assert_eq!(rewritten.suggested, BTreeMap::from([(2, 2), (3, 2), (4, 2), (5, 2)]));
        let versions: Vec<&str> = rewritten.parts.iter().map(|part| part.migration.version.as_str()).collect();
        assert_eq!(versions, ["1", "1 (2)", "1 (3)", "1 (4)"]);
    }

    #[test]
    fn no_part_is_empty_and_what_stays_together_is_not_cut() {
        use StepTransaction::{Outside, Together};
        let mut migrations =
            [migration(TransactionMode::PerMigration, &["A"]), migration(TransactionMode::None, &["B"])];
        migrations[1].statements[0].index = 2;
        let outside = rewrite(&migrations, &[suggestion(1, vec![step("A1", Outside)])]);
        assert_eq!(
            shown(&outside),
            [(TransactionMode::None, vec!["A1".to_owned()]), (TransactionMode::None, vec!["B".to_owned()])]
        );
        let together = rewrite(&migrations, &[suggestion(1, vec![step("A0", Together), step("A1", Together)])]);
        assert_eq!(together.parts.len(), 2);
        assert_eq!(shown(&rewrite(&migrations, &[]))[0].1, ["A"]);
    }

    #[test]
    fn a_block_that_a_script_opens_is_ended_before_a_cut_and_opened_again() {
        use StepTransaction::Outside;
        let migrations = [migration(TransactionMode::None, &["BEGIN", "A", "B", "COMMIT"])];
        let rewritten = rewrite(&migrations, &[suggestion(2, vec![step("A1", Outside)])]);
        let told: Vec<Vec<String>> = shown(&rewritten).into_iter().map(|(_, sql)| sql).collect();
        assert_eq!(told, [vec!["BEGIN", "COMMIT"], vec!["A1"], vec!["BEGIN", "B", "COMMIT"]]);
    }
}
