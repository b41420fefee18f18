//! What a run works with, whatever the engine.

use super::budget::{Budget, Load};
use crate::config::Settings;
use crate::copy::state::RunDir;
use crate::engine::applied::Failure;
use crate::migration::git::Changed;
use crate::migration::layout::MigrationTree;
use crate::migration::{Migration, Statement};
use crate::progress::{Activity, Progress};
use crate::report::redact::Redactor;

/// What a run works with, whatever the engine.
pub struct Course<'run> {
    /// Resolved options.
    pub settings: &'run Settings,
    /// Migrations on disk, as each layout that could be theirs reads them; empty where a command is their tool.
    pub trees: Vec<MigrationTree>,
    /// What git says is new, if that was asked.
    pub changed: Option<Changed>,
    /// Where copies live.
    pub run: &'run RunDir,
    /// For people.
    pub progress: Progress,
    /// Limits of time and disk.
    pub budget: Budget,
    /// The statement that runs now, for whoever waits.
    pub activity: Activity,
}

impl Course<'_> {
    /// What may be pending, before that is known.
    pub(super) fn load(&self) -> Load {
        Load {
            several: !matches!(self.settings.migrations.as_slice(), [one] if one.is_file()),
            downs: self.trees.iter().flat_map(|tree| &tree.files).any(|file| file.down.is_some()),
        }
    }

    /// A migration's refusal as it may be told: without values of rows, unless they are asked for.
    pub(super) fn tellable(&self, migrations: &[Migration], failure: Failure) -> String {
        tellable(self.settings.show_values, migrations, failure)
    }
}

/// A migration's refusal as it may be told, for who works on another thread.
pub(super) fn tellable(show_values: bool, migrations: &[Migration], failure: Failure) -> String {
    let Failure { statement, error } = failure;
    let statements = migrations.iter().flat_map(|migration| &migration.statements);
    let sql = statements.into_iter().find(|each| each.index == statement).map_or("", Statement::sql);
    let message = Redactor { show_values }.error_message(&error, sql);
    format!("{message} ({})", error.code())
}
