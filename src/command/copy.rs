//! `copy create`, `copy list` and `copy destroy`: copies to look around in by hand.

use super::bases::{Bases, Elsewhere, named_source, refuse_sqlite, roles, settings_for_a_copy};
use super::check::Signals;
use super::{Stop, exit, place, print};
use crate::cli::{CheckArgs, CopyCommand, CopyCreateArgs, CopyDestroyArgs, CopyListArgs, PlaceArgs};
use crate::config::{Settings, parse_duration};
use crate::copy::keeper::{Keeper, KeeperError, Order, check_name};
use crate::copy::provider::Provider;
use crate::copy::source::Source;
use crate::copy::state::{CopyRecord, LivingCopy, StateDir, sweep};
use crate::progress::{Activity, Progress};
use crate::rehearsal::budget;
use crate::report::human;
use crate::report::visible::{columns, visible};
use anyhow::anyhow;
use std::fmt::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Does what the command says.
pub(super) fn copy(command: &CopyCommand) -> Result<u8, Stop> {
    match command {
        CopyCommand::Create(args) => create(args),
        CopyCommand::List(args) => list(args),
        CopyCommand::Destroy(args) => destroy(args),
    }
}

fn create(args: &CopyCreateArgs) -> Result<u8, Stop> {
    let settings = settings_for_a_copy(&CheckArgs {
        source: args.source.clone(),
        role: args.role.clone(),
        schema: args.schema.clone(),
        database: args.database.clone(),
        max_age: args.max_age.clone(),
        refresh: args.refresh,
        place: args.place.clone(),
        ..CheckArgs::default()
    })?;
    let lifetime = parse_duration(&args.lifetime)
        .and_then(
            |time| if time.is_zero() { Err("a copy cannot live for no time at all".to_owned()) } else { Ok(time) },
        )
        .map_err(|message| Stop::usage(anyhow!("--for: {message}")))?;
    if let Some(name) = &args.name {
        check_name(name).map_err(|message| Stop::usage(anyhow!("--name: {message}")))?;
    }
    refuse_sqlite(
        &settings,
        "copy create",
        "copy its file, which may be in use meanwhile, with `.backup` of the sqlite3 shell, and look around in the copy",
    )?;
    let source = named_source(&settings, "")?;
    let progress = Progress::new(args.quiet);
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(Stop::environment)?;
        let activity = Activity::default();
        // Dropped, this part removes what it made.
        let begun = tokio::select! {
            begun = begin(&settings, &source, args.name.as_ref(), lifetime, progress, &activity) => begun?,
            code = signalled(&mut signals) => return Ok(code),
        };
        let Begun { mut keeper, .. } = begun;
        let started = Instant::now();
        let ready = keeper.until_ready(&activity, |note| progress.say(note));
        let far = || budget::waiting_for("copy:", started, &activity);
        let ready = tokio::select! {
            ready = progress.while_waiting(ready, far) => ready,
            code = signalled(&mut signals) => {
                keeper.give_up().await;
                return Ok(code);
            }
        };
        let (id, record) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                keeper.give_up().await;
                return Err(match error {
                    KeeperError::NameTaken(_) => Stop::usage(error),
                    error => Stop::environment(error),
                });
            }
        };
        if let Err(stop) = print(&format!("{}\n", record.url)) {
            keeper.give_up().await;
            return Err(stop);
        }
        keeper.stay().await.map_err(Stop::environment)?;
        progress.say(&introduction(&id, &record));
        Ok(exit::CLEAN)
    })
}

/// A keeper at work, and what must stay until its copy is made.
struct Begun {
    keeper: Keeper,
    _base: crate::copy::base::Base,
    _bases: Bases,
}

async fn begin(
    settings: &Settings,
    source: &Source,
    name: Option<&String>,
    lifetime: Duration,
    progress: Progress,
    activity: &Activity,
) -> Result<Begun, Stop> {
    let started = Instant::now();
    let not_here = || Stop::usage(anyhow!("copies by hand are on servers of their own: leave [copies] out for them"));
    if !matches!(settings.copies, Provider::Private) {
        return Err(not_here());
    }
    let bases = Bases::open(settings, progress, activity.clone(), Elsewhere::default())?;
    if let Some(name) = name {
        // Found out again by the keeper; here before anything takes its time.
        let living = bases.state.living_copies().map_err(Stop::environment)?;
        if living.iter().any(|copy| copy.is(name)) {
            return Err(Stop::usage(crate::copy::state::StateError::NameTaken { name: name.clone() }));
        }
    }
    let far = || budget::waiting_for("base:", started, activity);
    let base = progress.while_waiting(bases.obtain(Some(source)), far).await.map_err(Stop::environment)?;
    let roles = roles(settings, &base, std::iter::empty());
    let order = Order::new(&bases.state, &base, &roles, source.name(), name.cloned(), lifetime).ok_or_else(not_here)?;
    let keeper = Keeper::start(&order).await.map_err(Stop::environment)?;
    Ok(Begun { keeper, _base: base, _bases: bases })
}

async fn signalled(signals: &mut Signals) -> u8 {
    tokio::select! {
        _ = signals.interrupt.recv() => exit::INTERRUPTED,
        _ = signals.terminate.recv() => exit::TERMINATED,
    }
}

fn introduction(id: &str, record: &CopyRecord) -> String {
    format!(
        "copy {} ({id}) of {}: PostgreSQL {}, logged in as {}; it ends {}, or with `seatrial copy destroy {}`",
        record.name,
        record.source,
        record.version,
        record.role,
        until(record.ends_at),
        record.name
    )
}

fn list(args: &CopyListArgs) -> Result<u8, Stop> {
    let (_, copies) = living(&args.place)?;
    let text = match (args.urls, copies.is_empty()) {
        (true, _) => copies.iter().map(|copy| format!("{}\n", copy.record.url)).collect(),
        (false, true) => "no copies; `seatrial copy create` makes one\n".to_owned(),
        (false, false) => table_of(&copies),
    };
    print(&text)?;
    Ok(exit::CLEAN)
}

/// The copies that live, in the place the options name.
fn living(place_args: &PlaceArgs) -> Result<(StateDir, Vec<LivingCopy>), Stop> {
    let place = place(place_args)?;
    let state = StateDir::open(place.cache_dir.as_deref()).map_err(Stop::environment)?;
    let copies = state.living_copies().map_err(Stop::environment)?;
    Ok((state, copies))
}

fn table_of(copies: &[LivingCopy]) -> String {
    let head = ["name", "id", "database", "source", "made", "ends", "size"].map(str::to_owned);
    let rows = copies.iter().map(|copy| {
        let record = &copy.record;
        [
            record.name.clone(),
            copy.id.clone(),
            visible(&record.database).into_owned(),
            visible(&record.source).into_owned(),
            ago(record.made_at),
            until(record.ends_at),
            human::bytes(copy.bytes()),
        ]
    });
    let rows: Vec<[String; 7]> = rows.collect();
    let lines = aligned(std::iter::once(&head).chain(&rows));
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{line}");
        if let Some(copy) = index.checked_sub(1).and_then(|index| copies.get(index)) {
            let _ = writeln!(text, "  {}", copy.record.url);
        }
    }
    text
}

/// Rows as lines, every column as wide as its widest cell.
pub(super) fn aligned<'a, const N: usize>(rows: impl Iterator<Item = &'a [String; N]> + Clone) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows.clone() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = columns(cell).max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let missing = width.saturating_sub(columns(cell));
            format!("{cell}{}", " ".repeat(missing))
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.map(line).collect()
}

fn destroy(args: &CopyDestroyArgs) -> Result<u8, Stop> {
    let (state, copies) = living(&args.place)?;
    let mut chosen: Vec<&LivingCopy> = Vec::new();
    for name in &args.which {
        let found = copies.iter().find(|copy| copy.is(name)).ok_or_else(|| {
            let known: Vec<&str> = copies.iter().map(|copy| copy.record.name.as_str()).collect();
            let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            Stop::usage(anyhow!("no copy that lives is called {}: {known}", visible(name)))
        })?;
        if !chosen.contains(&found) {
            chosen.push(found);
        }
    }
    if args.all {
        chosen = copies.iter().collect();
    }
    let text = end_all(&state, &chosen)?;
    print(if text.is_empty() { "no copies to end\n" } else { &text })?;
    Ok(exit::CLEAN)
}

/// Ends copies, with a line for each; what their keepers left, if they were killed meanwhile, is swept.
pub(super) fn end_all(state: &StateDir, copies: &[&LivingCopy]) -> Result<String, Stop> {
    let mut text = String::new();
    for copy in copies {
        copy.end().map_err(Stop::environment)?;
        // Writing into a string cannot fail.
        let _ = writeln!(text, "ended copy {} ({})", copy.record.name, copy.id);
    }
    if copies.iter().any(|copy| copy.folder.exists()) {
        sweep(state).map_err(Stop::environment)?;
    }
    Ok(text)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `3 min ago`.
pub(super) fn ago(moment: u64) -> String {
    match now().saturating_sub(moment) {
        0 => "now".to_owned(),
        seconds => format!("{} ago", roughly(seconds)),
    }
}

/// `in 7 h 55 min`.
pub(super) fn until(moment: u64) -> String {
    match moment.saturating_sub(now()) {
        0 => "now".to_owned(),
        seconds => format!("in {}", roughly(seconds)),
    }
}

/// Days and hours, hours and minutes, minutes, seconds: nobody waits for the second of a day.
fn roughly(seconds: u64) -> String {
    let with = |large: u64, small: u64, names: [&str; 2]| match (seconds % large) / small {
        0 => format!("{} {}", seconds / large, names[0]),
        rest => format!("{} {} {rest} {}", seconds / large, names[0], names[1]),
    };
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", seconds / 60),
        5_400..172_800 => with(3_600, 60, ["h", "min"]),
        _ => with(86_400, 3_600, ["days", "h"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_rough_as_people_say_them() {
        for (seconds, text) in [
            (1, "1 s"),
            (600, "10 min"),
            (28_800, "8 h"),
            (28_740, "7 h 59 min"),
            (172_800, "2 days"),
            (180_000, "2 days 2 h"),
        ] {
            assert_eq!(roughly(seconds), text);
        }
        assert_eq!(until(0), "now");
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = [["name".to_owned(), "size".to_owned()], ["日本".to_owned(), "1 MB".to_owned()]];
        assert_eq!(aligned(rows.iter()), ["name  size", "日本  1 MB"]);
    }
}
