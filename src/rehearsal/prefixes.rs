//! Where a run can be cut off with something committed. Pure.

use crate::migration::script::{StatementKind, kind};
use crate::migration::{HistoryWrite, Migration, TransactionMode};

/// Numbers of statements after which everything up to there is committed, the last one left out, and those that leave
/// nothing behind: a run that ends there is one that ended earlier, or has not begun.
pub(super) fn points(migrations: &[Migration]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut left = false;
    for migration in migrations {
        let mut open = false;
        left |= migration.history.as_ref().is_some_and(|history| !history.begun.is_empty());
        for (position, statement) in migration.statements.iter().enumerate() {
            let kind = kind(statement.sql());
            left |= !kind.leaves_nothing_behind();
            match kind {
                StatementKind::Begin => open = true,
                StatementKind::Commit | StatementKind::Rollback => open = false,
                _ => {}
            }
            let last = position + 1 == migration.statements.len();
            let committed = match migration.transaction {
                TransactionMode::None | TransactionMode::Explicit => !open,
                TransactionMode::PerMigration => last,
                TransactionMode::AllPending => false,
            };
            if committed && std::mem::take(&mut left) {
                found.push(statement.index);
            }
        }
    }
    found.pop();
    found
}

/// The migrations as they are when the run ends after this statement: the last one without what its runner notes down
/// once it is done.
pub(super) fn cut_off(migrations: &[Migration], statement: usize) -> Vec<Migration> {
    let mut found = Vec::new();
    for migration in migrations {
        let mut part = migration.clone();
        part.statements.retain(|each| each.index <= statement);
        if part.statements.len() < migration.statements.len() {
            part.history =
                part.history.map(|history| HistoryWrite { applied: Vec::new(), finished: Vec::new(), ..history });
            if !part.statements.is_empty() {
                found.push(part);
            }
            break;
        }
        found.push(part);
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::migration::{Connection, SourceFile, Statement};
    use std::path::PathBuf;
    use std::sync::Arc;

    fn migration(transaction: TransactionMode, first: usize, statements: &[&str]) -> Migration {
        let text = statements.join(";\n");
        let file = Arc::new(SourceFile { path: PathBuf::new(), name: "1.sql".to_owned(), text });
        let mut start = 0;
        let statements = statements.iter().enumerate().map(|(position, sql)| {
            let span = start..start + sql.len();
            start = span.end + 2;
            Statement { index: first + position, file: Arc::clone(&file), span, rendered: None }
        });
        Migration {
            version: "1".to_owned(),
            name: String::new(),
            layout: "plain",
            transaction,
            connection: Connection::default(),
            session: Vec::new(),
            statements: statements.collect(),
            down: None,
            history: Some(HistoryWrite {
                begun: vec!["INSERT INTO h VALUES (1)".to_owned()],
                applied: vec!["UPDATE h SET done = true".to_owned()],
                ..HistoryWrite::default()
            }),
        }
    }

    #[test]
    fn a_run_is_cut_off_only_where_something_is_committed() {
        let bare = migration(TransactionMode::None, 1, &["A", "B", "C"]);
        assert_eq!(points(std::slice::from_ref(&bare)), [1, 2]);
        let whole = migration(TransactionMode::PerMigration, 4, &["D", "E"]);
        assert_eq!(points(&[bare, whole]), [1, 2, 3]);
        let whole = migration(TransactionMode::PerMigration, 1, &["A", "B"]);
        assert!(points(&[whole]).is_empty());
        let own = migration(TransactionMode::Explicit, 1, &["BEGIN", "A", "COMMIT", "B", "C"]);
        assert_eq!(points(&[own]), [3, 4]);
    }

    #[test]
    fn settings_leave_nothing_to_undo() {
        let mut bare =
            migration(TransactionMode::None, 1, &["SET lock_timeout = '5s'", "A", "RESET lock_timeout", "B"]);
        bare.history = None;
        assert_eq!(points(std::slice::from_ref(&bare)), [2]);
        let mut one = migration(TransactionMode::None, 1, &["SET lock_timeout = '5s'", "A", "RESET lock_timeout"]);
        one.history = None;
        assert!(points(&[one]).is_empty());
    }

    #[test]
    fn what_is_cut_off_is_not_noted_as_done() {
        let all = [
            migration(TransactionMode::PerMigration, 1, &["A"]),
            migration(TransactionMode::None, 2, &["B", "C"]),
            migration(TransactionMode::None, 4, &["D"]),
        ];
        let part = cut_off(&all, 2);
        assert_eq!(part.len(), 2);
        assert_eq!(part[0].history.as_ref().unwrap().applied.len(), 1);
        assert_eq!(part[1].statements.len(), 1);
        let history = part[1].history.as_ref().unwrap();
        assert!(history.applied.is_empty() && history.begun.len() == 1);
    }
}
