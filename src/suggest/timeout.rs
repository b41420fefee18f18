//! A limit to how long a lock is waited for, in front of what takes one.

use super::context::Context;
use super::{Draft, Step, StepTransaction, Written};

/// What is found where there is none.
pub(super) const NO_TIMEOUT: &str = "lock/no-timeout";

const WHY: &str =
    "gives up after five seconds instead of keeping everybody who comes later waiting behind it: run it again then";
const RESET: &str = "what follows waits for others without keeping them waiting: it needs no limit";
const OWN_WORDS: &str = "as it was";

/// The limit of one transaction.
pub const LIMIT_LOCAL: &str = "SET LOCAL lock_timeout = '5s'";
/// The limit of what commits by itself.
pub const LIMIT: &str = "SET lock_timeout = '5s'";
/// No limit any more.
pub const NO_LIMIT: &str = "RESET lock_timeout";

/// The statement as it is.
pub(super) fn write(context: &Context<'_>) -> Option<Written> {
    if !context.found.contains(NO_TIMEOUT) {
        return None;
    }
    let sql = context.text(0..context.words.len())?.to_owned();
    let draft = Draft::blocking(sql, StepTransaction::Together, OWN_WORDS);
    Some(Written::new("SET lock_timeout", &[NO_TIMEOUT], vec![draft]))
}

/// Puts a limit in front of every step that keeps others waiting, once for each transaction, if the migration has none.
pub(super) fn limit(context: &Context<'_>, drafts: Vec<Draft>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut limited = false;
    // Where each statement commits by itself a setting is the session's, and stays.
    let local = context.in_transaction();
    for (at, Draft { step, blocks }) in drafts.into_iter().enumerate() {
        if local && step.transaction != StepTransaction::Together {
            limited = false;
        }
        if context.unlimited && blocks && !limited {
            let transaction = match step.transaction {
                StepTransaction::Own if at > 0 => StepTransaction::Own,
                _ => StepTransaction::Together,
            };
            let sql = if local { LIMIT_LOCAL } else { LIMIT };
            steps.push(Step { sql: sql.to_owned(), transaction, why: WHY });
            steps.push(Step { transaction: StepTransaction::Together, ..step });
            limited = true;
            continue;
        }
        if limited && !local && step.transaction == StepTransaction::Outside {
            steps.push(Step { sql: NO_LIMIT.to_owned(), transaction: StepTransaction::Together, why: RESET });
            limited = false;
        }
        steps.push(step);
    }
    steps
}

#[cfg(test)]
mod tests {
    use crate::migration::TransactionMode;
    use crate::suggest::fixture::{Db, sql};

    fn shop() -> Db {
        Db::default().table(1, "public", "orders")
    }

    #[test]
    fn a_statement_nothing_else_is_known_for_gets_a_limit_in_front() {
        let plain = "ALTER TABLE orders ADD COLUMN note text;";
        let written = shop().found(plain, &["lock/no-timeout"], &[1]);
        let expected = ["together: SET LOCAL lock_timeout = '5s'", "together: ALTER TABLE orders ADD COLUMN note text"];
        assert_eq!(sql(&written), expected);
        assert_eq!(
            (written[0].forms.as_slice(), written[0].answers.as_slice()),
            (&["SET lock_timeout"][..], &["lock/no-timeout".to_owned()][..])
        );
        let alone = shop().transaction(TransactionMode::None).found(plain, &["lock/no-timeout"], &[1]);
        assert_eq!(sql(&alone)[0], "together: SET lock_timeout = '5s'");
    }

    #[test]
    fn what_has_a_limit_gets_no_other() {
        assert!(shop().found("ALTER TABLE orders ADD COLUMN note text", &["lock/table-rewrite"], &[1]).is_empty());
    }
}
