//! Progress for people, on stderr: a line for each thing begun, and one now and then about what takes long.

use crate::report::visible::{clip, visible, visible_lines};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A line that will be drawn over stands on the terminal. There is one stderr.
static DRAWN: AtomicBool = AtomicBool::new(false);

/// Where progress goes.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    quiet: bool,
}

impl Progress {
    /// Says nothing when `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// One line.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            let over = if DRAWN.swap(false, Ordering::Relaxed) { ERASE } else { "" };
            // A closed stderr is no reason to stop rehearsing.
            let _ = writeln!(anstream::stderr(), "{over}{}", shown(text));
        }
    }

    /// Waits for `work`, and says from time to time how it goes: in place on a terminal, else as lines that come more
    /// and more rarely the longer one thing takes.
    pub async fn while_waiting<T>(&self, work: impl Future<Output = T>, how: impl Fn() -> Word) -> T {
        let mut work = pin!(work);
        if self.quiet {
            return work.await;
        }
        let in_place = std::io::stderr().is_terminal();
        let mut turns = Turns::new(in_place);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                () = tokio::time::sleep(LOOK) => {
                    let word = how();
                    if turns.is_due(word.since.elapsed(), word.since) {
                        self.tell(&word.text, in_place);
                    }
                }
            }
        };
        if DRAWN.swap(false, Ordering::Relaxed) {
            let _ = write!(std::io::stderr(), "{ERASE}");
        }
        result
    }

    fn tell(&self, text: &str, in_place: bool) {
        if !in_place {
            return self.say(text);
        }
        let text = visible(text);
        let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
        DRAWN.store(true, Ordering::Relaxed);
        let _ = write!(std::io::stderr(), "{ERASE}{}", clip(&text, width));
        let _ = std::io::stderr().flush();
    }
}

/// Names of files and words of servers are strangers': none of them may act on a terminal.
fn shown(text: &str) -> String {
    visible_lines(text).collect::<Vec<_>>().join("\n")
}

/// To the first column, and everything there away.
const ERASE: &str = "\r\u{1b}[2K";

/// Between two looks at how it goes.
const LOOK: Duration = Duration::from_secs(1);

/// What to say about the thing that is done now.
#[derive(Debug, Clone)]
pub struct Word {
    /// When it began, which also tells it from the one before.
    pub since: Instant,
    /// One line.
    pub text: String,
}

/// When it is time for another line about the same thing.
#[derive(Debug)]
struct Turns {
    in_place: bool,
    /// When each thing is due, by its beginning: a pass is told of again between its statements.
    next: BTreeMap<Instant, Duration>,
}

impl Turns {
    fn new(in_place: bool) -> Self {
        Self { in_place, next: BTreeMap::new() }
    }

    /// After five seconds, and then each time twice as late; in place nothing piles up, so there at every look.
    fn is_due(&mut self, elapsed: Duration, about: Instant) -> bool {
        let first = Duration::from_secs(if self.in_place { 2 } else { 5 });
        let next = self.next.entry(about).or_insert(first);
        let due = elapsed >= *next;
        if due && !self.in_place {
            *next = (elapsed * 2).min(elapsed + Duration::from_secs(300));
        }
        due
    }
}

/// The statement that runs now, told by whoever runs it and read by whoever reports.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    running: Arc<Mutex<Option<Running>>>,
}

/// A statement under way.
#[derive(Debug, Clone)]
pub struct Running {
    /// [`crate::migration::Statement::index`].
    pub statement: usize,
    /// `file:line`.
    pub place: String,
    /// When it was sent.
    pub since: Instant,
    /// How far it is, as far as the server tells.
    pub detail: Option<String>,
}

impl Activity {
    /// A statement begins.
    pub fn begin(&self, statement: usize, place: String) {
        self.set(Some(Running { statement, place, since: Instant::now(), detail: None }));
    }

    /// It is over.
    pub fn end(&self) {
        self.set(None);
    }

    /// How far the statement is; nothing when none runs any more.
    pub fn set_detail(&self, detail: Option<String>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_mut() {
            running.detail = detail;
        }
    }

    /// What runs, if anything does.
    pub fn running(&self) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, running: Option<Running>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_wrote_stays_text() {
        assert_eq!(shown("layout plain: \u{1b}[2J1.sql\nsecond line"), "layout plain: \\x1b[2J1.sql\nsecond line");
    }

    #[test]
    fn lines_come_more_and_more_rarely_for_each_thing_and_a_drawn_one_keeps_moving() {
        let (first, second) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let told = |turns: &mut Turns, about| -> Vec<u64> {
            (1..100).filter(|seconds| turns.is_due(Duration::from_secs(*seconds), about)).collect()
        };
        let mut lines = Turns::new(false);
        assert_eq!(told(&mut lines, first), [5, 10, 20, 40, 80]);
        assert_eq!(told(&mut lines, second), [5, 10, 20, 40, 80], "the next one begins anew");
        assert!(!lines.is_due(Duration::from_secs(100), first), "the one before, seen again, does not");
        assert_eq!(told(&mut Turns::new(true), first).len(), 98);
    }

    #[test]
    fn a_detail_belongs_to_the_statement_it_was_seen_of() {
        let activity = Activity::default();
        activity.set_detail(Some("late".to_owned()));
        assert!(activity.running().is_none());
        activity.begin(2, "a.sql:3".to_owned());
        activity.set_detail(Some("1 of 2 blocks".to_owned()));
        let running = activity.running().map(|running| (running.statement, running.detail));
        assert_eq!(running, Some((2, Some("1 of 2 blocks".to_owned()))));
        activity.end();
        assert!(activity.running().is_none());
    }
}
