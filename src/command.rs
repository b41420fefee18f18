//! What each command does, and with which exit code it ends.

mod bases;
mod check;
mod clean;
mod copy;
mod doctor;
mod explain;
mod fetch_postgres;
mod init;
mod queries;
mod suggest;

use crate::cli::{Cli, Command, PlaceArgs, ReportArgs, When};
use crate::config::Settings;
use crate::report::{self, Output, Shown, v1};
use anyhow::anyhow;
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Exit codes, as the contract has them.
pub mod exit {
    /// Nothing at or above `--fail-on`.
    pub const CLEAN: u8 = 0;
    /// Findings at or above it.
    pub const FINDINGS: u8 = 1;
    /// Wrong usage or configuration.
    pub const USAGE: u8 = 2;
    /// Nothing pending, with `--require-pending`.
    pub const NOTHING_PENDING: u8 = 3;
    /// Could not rehearse.
    pub const COULD_NOT_REHEARSE: u8 = 4;
    /// Budget spent before the required answers were known.
    pub const OUT_OF_TIME: u8 = 124;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;
    /// Terminated.
    pub const TERMINATED: u8 = 143;

    /// From the best to the worst, for several databases. A bug (101) and a signal end the run at once.
    const BY_BADNESS: [u8; 8] =
        [CLEAN, NOTHING_PENDING, FINDINGS, OUT_OF_TIME, USAGE, COULD_NOT_REHEARSE, INTERRUPTED, TERMINATED];

    /// The worse of two.
    pub fn worse(one: u8, other: u8) -> u8 {
        let badness = |code| BY_BADNESS.iter().position(|known| *known == code).unwrap_or(BY_BADNESS.len());
        if badness(other) > badness(one) { other } else { one }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_worse_of_two_does_not_depend_on_which_came_first() {
            assert_eq!(worse(FINDINGS, OUT_OF_TIME), OUT_OF_TIME);
            assert_eq!(worse(COULD_NOT_REHEARSE, FINDINGS), COULD_NOT_REHEARSE);
            assert_eq!(worse(USAGE, OUT_OF_TIME), USAGE);
            assert_eq!(worse(NOTHING_PENDING, CLEAN), NOTHING_PENDING);
            assert_eq!(worse(FINDINGS, NOTHING_PENDING), FINDINGS);
            assert_eq!(worse(COULD_NOT_REHEARSE, TERMINATED), TERMINATED);
        }
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Exit code.
    pub code: u8,
    /// For people, on stderr.
    pub error: anyhow::Error,
}

impl Stop {
    /// Wrong usage or configuration.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: exit::USAGE, error: error.into() }
    }

    /// Could not rehearse.
    pub fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self { code: exit::COULD_NOT_REHEARSE, error: error.into() }
    }

    /// The same, said of one of several databases.
    pub fn of(self, database: Option<&str>) -> Self {
        match database {
            Some(name) => Self { code: self.code, error: anyhow!("database {name}: {}", self.error) },
            None => self,
        }
    }

    /// Tells it on stderr.
    pub fn complain(&self) {
        // A closed stderr leaves the exit code to tell it.
        let _ = writeln!(anstream::stderr(), "error: {}", self.error);
    }
}

/// One thread, which waits for servers itself: what takes a processor's time is given to others where it arises.
fn runtime() -> Result<Runtime, Stop> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Stop::environment(anyhow!("cannot start the runtime: {error}")))
}

/// Parses the command line and does what it says.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Check(args) => check::check(&args, false),
        Command::Demo(args) => check::check(&args, true),
        Command::Init(args) => init::init(&args),
        Command::Queries(command) => queries::queries(&command),
        Command::Report(args) => render_saved(&args),
        Command::Explain { id } => explain::explain(id.as_deref()),
        Command::Copy(command) => copy::copy(&command),
        Command::FetchPostgres(args) => fetch_postgres::fetch_postgres(&args),
        Command::Doctor(place) => doctor::doctor(&place),
        Command::Clean(args) => clean::clean(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "seatrial", &mut script);
            print(&String::from_utf8_lossy(&script)).map(|()| exit::CLEAN)
        }
        Command::Man => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            match rendered {
                Ok(()) => print(&String::from_utf8_lossy(&page)).map(|()| exit::CLEAN),
                Err(error) => Err(Stop::environment(error)),
            }
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(stop) => {
            stop.complain();
            ExitCode::from(stop.code)
        }
    }
}

fn print(text: &str) -> Result<(), Stop> {
    report::write_stdout(text, When::Auto)
        .map_err(|error| Stop::environment(anyhow!("cannot write the output: {error}")))
}

/// `report FILE`.
fn render_saved(args: &ReportArgs) -> Result<u8, Stop> {
    let text = std::fs::read_to_string(&args.file).map_err(|error| {
        let hint = if args.file.is_dir() { ": name the report.json in it" } else { "" };
        Stop::usage(anyhow!("cannot read {}: {error}{hint}", args.file.display()))
    })?;
    let report =
        v1::Report::from_json(&text).map_err(|error| Stop::usage(anyhow!("{}: {error}", args.file.display())))?;
    let outputs = Output::parse_all(&args.format).map_err(Stop::usage)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).map_err(|error| Stop::usage(anyhow!("--out {}: {error}", folder.display())))?;
        report::write_artefacts(&report, folder).map_err(Stop::environment)?;
    }
    let out_dir = args.out.as_deref();
    let shown = Shown { color: args.color, verbose: args.verbose, quiet: false, out_dir, database: None, databases: 1 };
    report::emit(&report, &outputs, shown).map_err(Stop::environment)?;
    Ok(exit::CLEAN)
}

/// Where `check` has its servers and copies, by the options and the configuration file.
fn place(args: &PlaceArgs) -> Result<PlaceArgs, Stop> {
    let cwd = std::env::current_dir().map_err(|error| Stop::usage(anyhow!("no working directory: {error}")))?;
    Settings::place(args, &cwd).map_err(Stop::usage)
}
