//! `clean`: leftovers of runs that died, and every cached base.

use super::copy::{end_all, until};
use super::{Stop, exit, place, print};
use crate::cli::CleanArgs;
use crate::copy::state::{LivingCopy, StateDir, sweep};

/// Removes them. Copies by hand that live are somebody's: they stay unless asked for.
pub(super) fn clean(args: &CleanArgs) -> Result<u8, Stop> {
    let place = place(&args.place)?;
    let state = StateDir::open(place.cache_dir.as_deref()).map_err(Stop::environment)?;
    let mut lines = sweep(&state).map_err(Stop::environment)?;
    let copies = state.living_copies().map_err(Stop::environment)?;
    if args.copies {
        lines.extend(end_all(&state, &copies.iter().collect::<Vec<_>>())?.lines().map(str::to_owned));
    }
    lines.extend(state.clear_caches().map_err(Stop::environment)?);
    if lines.is_empty() {
        lines.push("nothing to remove".to_owned());
    }
    if !args.copies {
        lines.extend(copies.iter().map(left));
    }
    print(&(lines.join("\n") + "\n"))?;
    Ok(exit::CLEAN)
}

fn left(copy: &LivingCopy) -> String {
    let (name, ends) = (&copy.record.name, until(copy.record.ends_at));
    format!("left copy {name}, which lives and ends {ends}: `seatrial copy destroy {name}`, or clean --copies")
}
