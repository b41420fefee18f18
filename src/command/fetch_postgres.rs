//! `fetch-postgres MAJOR`: a portable server, into the cache.

use super::check::Signals;
use super::{Stop, exit, place, print};
use crate::cli::FetchArgs;
use crate::copy::state::StateDir;
use crate::engine::postgres::binaries::BinaryRequest;
use crate::engine::postgres::fetch::{FetchError, fetch};
use crate::progress::{Activity, Progress};
use crate::rehearsal::budget;
use std::time::Instant;

/// Brings it, prints the folder of its programs.
pub(super) fn fetch_postgres(args: &FetchArgs) -> Result<u8, Stop> {
    let place = place(&args.place)?;
    let state = StateDir::open(place.cache_dir.as_deref()).map_err(Stop::environment)?;
    // Wherever a server has to come from: the client programs may come from elsewhere.
    let mut request = BinaryRequest::from_environment(None, None, Some(state.root().to_path_buf()));
    request.environment = None;
    let progress = Progress::new(args.quiet);
    let runtime = super::runtime()?;
    let fetched = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(Stop::environment)?;
        let started = Instant::now();
        let say = |text: &str| progress.say(text);
        let fetching = fetch(&state, &request, args.major, &args.archive, &say);
        let far = || budget::waiting_for("fetch:", started, &Activity::default());
        tokio::select! {
            fetched = progress.while_waiting(fetching, far) => fetched.map(Ok).map_err(stop),
            _ = signals.interrupt.recv() => Ok(Err(exit::INTERRUPTED)),
            _ = signals.terminate.recv() => Ok(Err(exit::TERMINATED)),
        }
    })?;
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(code) => return Ok(code),
    };
    let there = if fetched.was_there { "is there already" } else { "is there" };
    progress.say(&format!("PostgreSQL {} {there}", fetched.version));
    if let Some(missing) = &fetched.missing {
        progress.say(missing);
    }
    print(&format!("{}\n", fetched.bin.display()))?;
    Ok(exit::CLEAN)
}

fn stop(error: FetchError) -> Stop {
    match error {
        FetchError::Major { .. } | FetchError::NotPinned { .. } => Stop::usage(error),
        error => Stop::environment(error),
    }
}
