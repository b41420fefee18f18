//! The keeper itself: makes one copy, tells its address, and is there until the copy is to end.

use super::{KEEPER, Order, STAY, Told};
use crate::copy::base::Base;
use crate::copy::scratch::ScratchDatabase;
use crate::copy::state::{CopyRecord, RunDir, StateDir, StateError};
use crate::copy::url;
use crate::engine::postgres::session::quote_identifier;
use crate::progress::Activity;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{SignalKind, signal};

/// How often is told how far the copy is.
const TELL_AGAIN: Duration = Duration::from_millis(500);
/// How often is looked whether the copy is still wanted: whoever ends it waits that long.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Exit code of a keeper that had nothing to keep; nobody but a log sees it.
const NOTHING_KEPT: u8 = 4;

/// Keeps a copy, if this is the call for that. Before any argument parser, and before any thread.
pub fn run_if_keeper() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != KEEPER) {
        return None;
    }
    let kept = stand_alone().and_then(|stream| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(keep(stream))
    });
    Some(match kept {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOTHING_KEPT),
        Err(error) => {
            // Seen only where somebody calls it by hand.
            let _ = writeln!(io::stderr(), "seatrial: {KEEPER} is called by seatrial itself, not by hand: {error}");
            ExitCode::from(2)
        }
    })
}

/// Leaves the session, and whatever was inherited, of whoever started this process; returns the way to talk to them.
fn stand_alone() -> io::Result<StdStream> {
    let stream = StdStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // A stream in name only would be found out much later.
    stream.peer_addr()?;
    close_inherited(&stream)?;
    // Fails only for the leader of a group, which has left already.
    let _ = nix::unistd::setsid();
    nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_name(c"seatrial")?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// A descriptor that the caller of the command passed on would be held open as long as the copy lives: a lock of
/// theirs, or a pipe somebody reads to its end.
fn close_inherited(ours: &StdStream) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let open: Vec<i32> = std::fs::read_dir("/dev/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && *number != ours.as_raw_fd())
        .collect();
    for number in open {
        // The list itself was among them, and is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

struct Line {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Line {
    async fn tell(&mut self, told: &Told) -> io::Result<()> {
        let mut line = serde_json::to_vec(told)?;
        line.push(b'\n');
        self.writer.write_all(&line).await
    }
}

/// Whether there was a copy, and somebody who wanted it.
async fn keep(stream: StdStream) -> io::Result<bool> {
    let (reader, writer) = UnixStream::from_std(stream)?.into_split();
    let mut line = Line { lines: BufReader::new(reader).lines(), writer };
    let Some(order) = line.lines.next_line().await? else { return Ok(false) };
    let order: Order = serde_json::from_str(&order)?;
    let mut ends = Ends::listen()?;
    let activity = Activity::default();

    let made = {
        let mut making = pin!(make(&order, &activity));
        loop {
            tokio::select! {
                made = &mut making => break made,
                // Nobody says anything yet: a line is as wrong as the end of them. Dropped, what was begun goes.
                _ = line.lines.next_line() => return Ok(false),
                () = ends.signalled() => return Ok(false),
                () = tokio::time::sleep(TELL_AGAIN) => {
                    if let Some(counted) = activity.counted()
                        && let Some((done, of)) = counted.share()
                    {
                        line.tell(&Told::Copied { done, of: Some(of) }).await?;
                    }
                }
            }
        }
    };
    let mut kept = match made {
        Ok(kept) => kept,
        Err(told) => {
            line.tell(&told).await?;
            return Ok(false);
        }
    };
    let wanted = tokio::select! {
        wanted = present(&mut line, &kept) => wanted,
        () = ends.signalled() => false,
    };
    drop(line);
    if wanted {
        kept.until_it_ends(&mut ends).await;
    }
    // The folder goes with the run, this too; what cannot be removed is the next sweep's.
    let _ = kept.copy.destroy().await;
    drop(kept.run);
    Ok(wanted)
}

/// Tells the address, and hears whether the copy is to stay.
async fn present(line: &mut Line, kept: &Kept) -> bool {
    for note in &kept.copy.notes {
        if line.tell(&Told::Note(note.clone())).await.is_err() {
            return false;
        }
    }
    let ready = Told::Ready { id: kept.run.id().to_owned(), record: kept.record.clone() };
    if line.tell(&ready).await.is_err() {
        return false;
    }
    line.lines.next_line().await.is_ok_and(|answer| answer.as_deref() == Some(STAY))
}

struct Kept {
    copy: ScratchDatabase,
    record: CopyRecord,
    /// After the copy, which lies in it.
    run: RunDir,
}

impl Kept {
    /// Waits until somebody ends it, its time is over, its folder vanishes, or its server ends.
    async fn until_it_ends(&mut self, ends: &mut Ends) {
        // By the clock on the wall, which goes on while a machine sleeps.
        while self.run.is_wanted() && seconds(SystemTime::now()) < self.record.ends_at {
            tokio::select! {
                _ = self.copy.ended() => return,
                () = ends.signalled() => return,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

async fn make(order: &Order, activity: &Activity) -> Result<Kept, Told> {
    let state = StateDir::open(Some(&order.state)).map_err(|error| failed(&error))?;
    let run = RunDir::create(&state).map_err(|error| failed(&error))?;
    let base = Base::again(&state, &order.base, order.binaries(), activity).await.map_err(|error| failed(&error))?;
    let copy = ScratchDatabase::create(&base, &run, &order.roles()).await.map_err(|error| failed(&error))?;
    if let Some(path) = &order.search_path {
        set_search_path(&copy, path).await.map_err(|error| failed(&error))?;
    }
    let now = seconds(SystemTime::now());
    let record = CopyRecord {
        name: order.name.clone(),
        source: order.source.clone(),
        database: copy.target.database.clone(),
        role: copy.target.role.clone(),
        version: order.server_version.clone(),
        url: url::of_socket(&copy.target.role, &copy.target.database, &copy.target.endpoint),
        made_at: now,
        ends_at: now.saturating_add(order.seconds),
    };
    let record = run.announce(&state, record, order.name_was_asked_for).map_err(|error| match error {
        StateError::NameTaken { .. } => Told::NameTaken(error.to_string()),
        error => failed(&error),
    })?;
    Ok(Kept { copy, record, run })
}

fn failed(error: &dyn std::error::Error) -> Told {
    Told::Failed(error.to_string())
}

/// Sessions of the URL begin with the search path migrations would have.
async fn set_search_path(copy: &ScratchDatabase, path: &str) -> Result<(), crate::engine::ServerError> {
    let mut session = copy.superuser("search path").await?;
    session.execute(&format!("SET search_path TO {path}")).await?;
    let (role, database) = (quote_identifier(&copy.target.role), quote_identifier(&copy.target.database));
    // What is quoted and what is a list is the server's to say.
    session.execute(&format!("ALTER ROLE {role} IN DATABASE {database} SET search_path FROM CURRENT")).await?;
    session.close().await;
    Ok(())
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Signals that end a keeper in good order.
struct Ends {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Ends {
    fn listen() -> io::Result<Self> {
        let of = |kind| signal(kind);
        Ok(Self { signals: [of(SignalKind::terminate())?, of(SignalKind::interrupt())?, of(SignalKind::hangup())?] })
    }

    async fn signalled(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.signals;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
