//! `doctor`: what is there, what is missing, and how to get it. Changes nothing.

use super::copy::{ago, aligned, until};
use super::{Stop, exit, place, print};
use crate::cli::PlaceArgs;
use crate::copy::state::{LivingCopy, StateDir, StateError};
use crate::copy::{cached, room};
use crate::engine::postgres::binaries::{Binaries, BinaryRequest, how_to_get_tools};
use crate::engine::postgres::fetch::pins;
use crate::engine::postgres::launch::confine;
use crate::report::human;
use crate::report::visible::visible;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Bases that are listed by name; of the others there is only a number.
const BASES_LISTED: usize = 10;
/// Less free space than this is worth a word, in bytes.
const LITTLE_ROOM: u64 = 2 << 30;

/// Prints it. Exit 0 where `check` could run, else 4.
pub(super) fn doctor(args: &PlaceArgs) -> Result<u8, Stop> {
    let place = place(args)?;
    let state = StateDir::open(place.cache_dir.as_deref());
    let mut page = Page::default();
    let root = state.as_ref().ok().map(|state| state.root().to_path_buf());
    let request = BinaryRequest::from_environment(place.postgres_bin.as_ref().map(Into::into), None, root);
    page.servers(&request, state.as_ref().ok());
    match &state {
        Ok(state) => page.state(state)?,
        Err(error) => page.missing(error.to_string()),
    }
    page.confinement(&request)?;
    print(&page.text())?;
    Ok(if page.cannot_run { exit::COULD_NOT_REHEARSE } else { exit::CLEAN })
}

/// The page, part by part.
#[derive(Debug, Default)]
struct Page {
    parts: Vec<(String, Vec<String>)>,
    missing: Vec<String>,
    /// Without this, `check` does not run.
    cannot_run: bool,
}

impl Page {
    fn part(&mut self, title: &str, lines: Vec<String>) {
        self.parts.push((title.to_owned(), lines));
    }

    /// Something `check` cannot do without.
    fn missing(&mut self, what: String) {
        self.cannot_run = true;
        self.missing.push(what);
    }

    fn text(&self) -> String {
        let mut parts: Vec<(&str, &[String])> =
            self.parts.iter().map(|(title, lines)| (title.as_str(), lines.as_slice())).collect();
        let nothing = ["nothing that check needs".to_owned()];
        parts.push(("Missing", if self.missing.is_empty() { nothing.as_slice() } else { self.missing.as_slice() }));
        let text = parts.iter().map(|(title, lines)| {
            let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
            format!("{title}\n{lines}")
        });
        text.collect::<Vec<_>>().join("\n")
    }

    fn servers(&mut self, request: &BinaryRequest, state: Option<&StateDir>) {
        let found = Binaries::all_found(request);
        let chosen = Binaries::find(request);
        let rows: Vec<[String; 3]> = found
            .iter()
            .map(|server| {
                let fetched = state.is_some_and(|state| server.dir.starts_with(state.postgres()));
                let is_chosen = chosen.as_ref().is_ok_and(|chosen| chosen.dir == server.dir);
                let mut notes = vec![tools(server)];
                notes.extend(fetched.then(|| "fetched".to_owned()));
                notes.extend(is_chosen.then(|| "used unless a source needs another".to_owned()));
                [server.version.clone(), shown(&server.dir), notes.join("; ")]
            })
            .collect();
        self.part("PostgreSQL servers", if rows.is_empty() { vec!["none".to_owned()] } else { aligned(rows.iter()) });
        match chosen {
            Err(error) => self.missing(error.to_string()),
            // Rollbacks are written from what it prints.
            Ok(server) if server.pg_dump.is_none() => {
                self.missing(format!("pg_dump {} or newer: {}", server.major, how_to_get_tools(server.major)));
            }
            Ok(server) if server.pg_restore.is_none() => self.missing.push(format!(
                "pg_restore {} or newer, for dumps that are not plain SQL: {}",
                server.major,
                how_to_get_tools(server.major)
            )),
            Ok(_) => {}
        }
        let absent: Vec<String> = pins::majors()
            .into_iter()
            .filter(|major| !found.iter().any(|server| server.major == *major))
            .map(|major| major.to_string())
            .collect();
        if !absent.is_empty() {
            let line =
                format!("{}: `seatrial fetch-postgres MAJOR` brings one, if a source needs it", absent.join(", "));
            self.part("Servers that can be fetched", vec![line]);
        }
    }

    fn state(&mut self, state: &StateDir) -> Result<(), Stop> {
        let mut rows = vec![["folder", &shown(state.root())].map(str::to_owned)];
        match state.user() {
            Some(user) => rows.push(["servers run as".into(), format!("{}, since this is root", user.name)]),
            None => rows.push(["servers run as".into(), "you".into()]),
        }
        match room::look(state) {
            Ok(room) => {
                let kind = room.kind.map_or_else(String::new, |kind| format!(" ({kind})"));
                rows.push([
                    "free space".into(),
                    format!("{} of {}{kind}", human::bytes(room.free), human::bytes(room.total)),
                ]);
                let shared = match room.shares_blocks {
                    Some(true) => "share blocks with their base: they take room only for what changes",
                    Some(false) => "are whole: this file system cannot share blocks (XFS and btrfs can)",
                    None => "are whole, unless the file system shares blocks by itself",
                };
                rows.push(["copies".into(), shared.into()]);
                if room.free < LITTLE_ROOM {
                    self.missing.push(format!(
                        "room: {} is little for copies; free some (seatrial clean), or keep them elsewhere with --cache-dir DIR",
                        human::bytes(room.free)
                    ));
                }
            }
            Err(error) => rows.push(["free space".into(), format!("unknown: {error}")]),
        }
        let failed = |error: StateError| Stop::environment(error);
        let leftovers = state.leftovers().map_err(failed)?;
        rows.push([
            "left by dead runs".into(),
            match leftovers {
                0 => "nothing".to_owned(),
                some => format!(
                    "{}; the next start of check, or `seatrial clean`, removes it",
                    human::plural(some, "folder")
                ),
            },
        ]);
        self.part("State", aligned(rows.iter()));

        let bases = cached::bases(state).map_err(failed)?;
        let bytes = bases.iter().map(|base| base.bytes).sum();
        let title = format!("Cache: {}, {}", human::plural(bases.len(), "base"), human::bytes(bytes));
        let listed: Vec<[String; 4]> = bases
            .iter()
            .take(BASES_LISTED)
            .map(|base| {
                let source = base.record.source.as_deref().unwrap_or("a source of an earlier version");
                let used = base.last_use.and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
                let used = used.map_or_else(|| "unknown".to_owned(), |moment| ago(moment.as_secs()));
                let database = format!("database {}", visible(&base.record.database));
                [visible(source).into_owned(), database, human::bytes(base.bytes), format!("used {used}")]
            })
            .collect();
        let mut lines = aligned(listed.iter());
        if bases.len() > BASES_LISTED {
            lines.push(format!("and {}", human::more(bases.len() - BASES_LISTED, "base")));
        }
        self.part(&title, lines);

        let copies = state.living_copies().map_err(failed)?;
        let lines: Vec<[String; 3]> = copies.iter().map(copy_row).collect();
        if !lines.is_empty() {
            self.part("Copies by hand", aligned(lines.iter()));
        }
        Ok(())
    }

    /// What holds servers and roles in on this machine.
    fn confinement(&mut self, request: &BinaryRequest) -> Result<(), Stop> {
        let kernel = match Binaries::find(request) {
            Ok(server) => held_to(&server)?,
            // That there is none is told above.
            Err(_) => "needs a server to be tried with".to_owned(),
        };
        let rows = [
            ["network", "servers listen on a unix socket in a closed folder alone"],
            ["role", "migrations and hot queries run without rights over roles, files and programs"],
            ["kernel", &kernel],
        ];
        self.part("Confinement", aligned(rows.map(|row| row.map(str::to_owned)).iter()));
        Ok(())
    }
}

/// What servers of this build are held to on this machine: tried, not guessed.
fn held_to(server: &Binaries) -> Result<String, Stop> {
    let runtime = super::runtime()?;
    let ability = runtime.block_on(confine::ability(&server.postgres()));
    Ok(ability
        .missing()
        .unwrap_or_else(|| "servers are kept to their own files (Landlock) and from every network".to_owned()))
}

fn copy_row(copy: &LivingCopy) -> [String; 3] {
    let record = &copy.record;
    [record.name.clone(), format!("of {}", visible(&record.source)), format!("ends {}", until(record.ends_at))]
}

fn tools(server: &Binaries) -> String {
    match &server.pg_dump {
        None => "no pg_dump of its major or newer".to_owned(),
        Some(tool) if tool.path.parent() == Some(server.dir.as_path()) => format!("pg_dump {} beside it", tool.major),
        Some(tool) => format!("pg_dump {} in {}", tool.major, shown(tool.path.parent().unwrap_or(&tool.path))),
    }
}

fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy()).into_owned()
}
