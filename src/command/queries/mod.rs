//! `queries list`, `queries import` and `queries lint`.

mod ground;
mod import;
mod lint;
mod list;

use super::bases::settings_for_a_copy;
use super::check::Signals;
use super::{Stop, exit};
use crate::cli::{CheckArgs, GroundArgs, QueriesCommand, RegisteredArgs};
use crate::config::Settings;
use crate::workload::source::{Loaded, load_each};
use anyhow::anyhow;
use std::future::Future;

/// Does what the command says.
pub(super) fn queries(command: &QueriesCommand) -> Result<u8, Stop> {
    match command {
        QueriesCommand::List(args) => list::list(args),
        QueriesCommand::Import(args) => import::import(args),
        QueriesCommand::Lint(args) => lint::lint(args),
    }
}

/// The project's settings under the options of these commands.
fn settings(registered: &RegisteredArgs, ground: &GroundArgs) -> Result<Settings, Stop> {
    let args = CheckArgs {
        queries: registered.queries.clone(),
        database: registered.database.clone(),
        place: registered.place.clone(),
        source: ground.source.clone(),
        role: ground.role.clone(),
        schema: ground.schema.clone(),
        ..CheckArgs::default()
    };
    settings_for_a_copy(&args)
}

/// What is registered, leniently read.
fn registered(settings: &Settings) -> Result<Loaded, Stop> {
    if settings.queries.is_empty() {
        return Err(Stop::usage(anyhow!(
            "no hot queries are registered: name a file or folder with --queries, or as `queries` in seatrial.toml"
        )));
    }
    load_each(&settings.queries, &settings.root, settings.layout_options.dialect).map_err(Stop::usage)
}

/// Runs `work` to its end, or until a signal: dropped, it removes what it made.
fn run(work: impl Future<Output = Result<u8, Stop>>) -> Result<u8, Stop> {
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(Stop::environment)?;
        tokio::select! {
            result = work => result,
            _ = signals.interrupt.recv() => Ok(exit::INTERRUPTED),
            _ = signals.terminate.recv() => Ok(exit::TERMINATED),
        }
    })
}
