//! What a migration tool does whose migrations are code: it is run against a copy, and what it sent is read from the log
//! of the copy's server. Every pass then runs those statements, after they were seen to come to the same as the tool.

use super::{Plan, Ready, Rehearsal, RehearsalError};
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::apply::{Applied, Unwatched, apply};
use crate::engine::postgres::command;
use crate::engine::postgres::launch::ToolOutput;
use crate::engine::postgres::schema_dump::schema_text;
use crate::engine::postgres::session::Session;
use crate::migration::recorded::{self, Circumstances, Command, Recorded};
use crate::observation::Observation;
use crate::report::human;
use crate::rollback::RollbackError;
use crate::rollback::compare::{Differences, compare_dumps};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why a command cannot be rehearsed. Nothing of it holds values of user data.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Its copy is on a server that keeps its log to itself.
    #[error("a command is rehearsed on a server of the run's own alone: {0}")]
    Elsewhere(&'static str),
    /// It failed without the server's having refused anything.
    #[error(
        "`{line}` ended with {status} before it had sent anything that the server refused; what it wrote stands above"
    )]
    Failed {
        /// The command.
        line: String,
        /// How it ended.
        status: String,
    },
    /// It was somewhere else.
    #[error(
        "`{line}` sent nothing to the copy: it has to connect with what is in {variables} (or to what PGHOST, PGPORT, \
         PGDATABASE and PGUSER name)"
    )]
    SentNothing {
        /// The command.
        line: String,
        /// The variables.
        variables: String,
    },
    /// Its statements alone are not what it does.
    #[error("what `{line}` does cannot be done again statement by statement: {why}")]
    NotAgain {
        /// The command.
        line: String,
        /// What is in the way.
        why: String,
    },
    /// The log of the copy's server.
    #[error(transparent)]
    Log(#[from] command::LogError),
}

/// Functions that may do something, by name: what only calls others cannot change anything.
const VOLATILE: &str = "SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v'";

/// Every table's rows.
const TABLES: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";

/// What a copy came to.
#[derive(Debug)]
struct State {
    schema: String,
    rows: BTreeMap<String, String>,
}

/// Runs the command and makes migrations of what it sent.
///
/// # Errors
/// See [`CommandError`], and whatever keeps copies from being made.
pub(super) async fn record(plan: &Plan<'_>, command: &Command) -> Result<Recorded, RehearsalError> {
    if !plan.base.is_private() {
        return Err(CommandError::Elsewhere(Ability::Files.lacking()).into());
    }
    plan.progress.say(&format!("running `{}` on this machine, against a copy", command.line));
    let copy = plan.bare_copy_with(&command::LOGGING).await?;
    let mut superuser = copy.superuser("recorded").await?;
    command::log_everything_of(&mut superuser, &copy.target).await?;
    let started = Instant::now();
    let ran = command::run(command, &copy.target)
        .await
        .map_err(|error| CommandError::NotAgain { line: command.line.clone(), why: error.to_string() })?;
    let data_dir = copy.data_dir().ok_or(CommandError::Elsewhere(Ability::Files.lacking()))?;
    let sent = command::sent(&mut superuser, data_dir, &copy.target.role).await.map_err(CommandError::Log)?;
    let time = human::duration(started.elapsed().as_secs_f64() * 1e3);
    plan.progress.say(&format!("`{}` ended after {time}: {}", command.line, ran.status));
    let volatile = superuser.query(VOLATILE).await?.rows.into_iter().flatten().flatten().collect();
    let refused = recorded::ends_refused(&sent, &volatile).filter(|_| !ran.status.success());
    if !ran.status.success() {
        plan.progress.say(&last_words(&ran));
        if refused.is_none() {
            let status = ran.status.to_string();
            return Err(CommandError::Failed { line: command.line.clone(), status }.into());
        }
    }
    if sent.is_empty() {
        let variables = command.variables.join(" or ");
        return Err(CommandError::SentNothing { line: command.line.clone(), variables }.into());
    }
    let left = state(plan, &copy, &mut superuser).await?;
    superuser.close().await;
    copy.destroy().await?;
    let files = files_below(&command.directory);
    let said = [String::from_utf8_lossy(&ran.stdout).as_ref(), ran.stderr.as_str()].concat();
    let last_named = recorded::last_named(&said);
    let known = Circumstances {
        failed: !ran.status.success(),
        volatile: &volatile,
        show_values: plan.settings.show_values,
        last_named: last_named.as_deref(),
        file_of: &|version| file_of(version, &files, &plan.settings.root),
    };
    let not_again = |why: String| CommandError::NotAgain { line: command.line.clone(), why };
    let recorded = recorded::assemble(&sent, &known).map_err(|error| not_again(error.to_string()))?;
    if let Some(why) = differs(plan, &recorded, &left, refused.as_deref()).await? {
        return Err(not_again(why).into());
    }
    Ok(recorded)
}

/// Runs what was recorded on a copy of its own; how what it leaves differs from what the command left.
async fn differs(
    plan: &Plan<'_>,
    recorded: &Recorded,
    left: &State,
    refused: Option<&str>,
) -> Result<Option<String>, RehearsalError> {
    let ready = Ready { plan, setup: recorded.setup.clone(), earlier: Vec::new(), open_ms: BTreeMap::new() };
    let copy = ready.copy().await?;
    let Applied { failure, .. } = apply(&copy.target, &recorded.migrations, None, &mut Unwatched).await?;
    let mut superuser = copy.superuser("recorded").await?;
    let again = state(plan, &copy, &mut superuser).await?;
    superuser.close().await;
    copy.destroy().await?;
    match (failure, refused) {
        (Some(failure), Some(sqlstate)) if failure.error.sqlstate == sqlstate => {}
        (Some(failure), _) => return Ok(Some(plan.tellable(&recorded.migrations, failure))),
        (None, Some(sqlstate)) => {
            return Ok(Some(format!("the server refused its last statement (SQLSTATE {sqlstate}) and takes it now")));
        }
        (None, None) => {}
    }
    let Differences { others, column_order } = compare_dumps(&left.schema, &again.schema);
    if let Some(difference) = others.into_iter().chain(column_order).next() {
        return Ok(Some(format!("its statements alone leave another schema: {difference}")));
    }
    let rows = left.rows.iter().find(|(table, rows)| again.rows.get(*table) != Some(rows));
    Ok(rows.map(|(table, rows)| {
        let again = again.rows.get(table).map_or("0", String::as_str);
        format!("it leaves {rows} rows in {table}, and its statements alone {again}")
    }))
}

async fn state(plan: &Plan<'_>, copy: &ScratchDatabase, session: &mut Session) -> Result<State, RehearsalError> {
    let (endpoint, database) = (&copy.target.endpoint, &copy.target.database);
    let schema = schema_text(&plan.base.binaries, endpoint, database).await;
    let schema = schema.map_err(|error| RollbackError::Dump(error.to_string()))?;
    let mut rows = BTreeMap::new();
    for table in session.query(TABLES).await?.rows.into_iter().flatten().flatten() {
        let counted = session.query(&format!("SELECT pg_catalog.count(*) FROM ONLY {table}")).await?;
        rows.insert(table, counted.scalar().unwrap_or_default().to_owned());
    }
    Ok(State { schema, rows })
}

/// The end of what a command wrote, for whoever sits at the terminal.
fn last_words(ran: &ToolOutput) -> String {
    let lines: Vec<&str> = ran.stderr.trim().lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Files of a project that could be migrations in code.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    const ENDINGS: [&str; 9] = ["py", "rb", "exs", "ex", "ts", "js", "mjs", "php", "cs"];
    const PASSED_OVER: [&str; 5] = ["node_modules", "target", "venv", "vendor", "__pycache__"];
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A folder that cannot be read holds nothing that could be named.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && !name.starts_with('.') && !PASSED_OVER.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|each| ending == *each)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The one file whose name begins with or is the version, `app.name` being a file in a folder below `app`.
fn file_of(version: &str, files: &[PathBuf], root: &Path) -> Option<String> {
    let (app, bare) = version.split_once('.').map_or((None, version), |(app, bare)| (Some(app), bare));
    let mut fitting = files.iter().filter(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let below = app.is_none_or(|app| path.components().any(|part| part.as_os_str() == app));
        below && (stem == bare || stem.strip_prefix(bare).is_some_and(|rest| rest.starts_with(['_', '-'])))
            || path.file_name().is_some_and(|name| name == version)
    });
    let (first, second) = (fitting.next()?, fitting.next());
    let name = first.strip_prefix(root).unwrap_or(first).to_string_lossy().replace('\\', "/");
    second.is_none().then_some(name)
}

/// Locks are held until the transaction ends, and a program may take longer to come to that than its statements do.
pub(super) fn held_by_the_program(observations: &mut [Observation], open_ms: &BTreeMap<usize, f64>) {
    for observation in observations {
        let Some(open) = open_ms.get(&observation.statement) else { continue };
        for lock in observation.locks.iter_mut().filter(|lock| lock.taken_here) {
            lock.held_ms = lock.held_ms.max(*open);
        }
    }
}

/// What was recorded, for people.
pub(super) fn announce(command: &Command, rehearsal: &Rehearsal) -> String {
    let statements: usize = rehearsal.migrations.iter().map(|migration| migration.statements.len()).sum();
    let versions: BTreeSet<&str> = rehearsal.migrations.iter().map(|migration| migration.version.as_str()).collect();
    format!(
        "`{}` was run on this machine, outside of what confines the copy's server: it sent {} of {}, recorded from the \
         server's log and measured one by one",
        command.line,
        human::plural(statements, "statement"),
        human::plural(versions.len(), "migration"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_s_file_is_found_where_only_one_can_be_it() {
        let files: Vec<PathBuf> = [
            "/p/versions/a1_first.py",
            "/p/versions/a1b_other.py",
            "/p/shop/migrations/0001_initial.py",
            "/p/crew/migrations/0001_initial.py",
            "/p/db/20260101_add.rb",
            "/p/db/copy/20260101_add.rb",
        ]
        .map(PathBuf::from)
        .to_vec();
        let found = |version| file_of(version, &files, Path::new("/p"));
        assert_eq!(found("a1").as_deref(), Some("versions/a1_first.py"));
        assert_eq!(found("shop.0001_initial").as_deref(), Some("shop/migrations/0001_initial.py"));
        assert_eq!((found("20260101"), found("zz")), (None, None));
    }
}
