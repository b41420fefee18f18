//! Progress for people, on stderr: a line for each thing begun, and one now and then about what takes long.

use crate::report::human;
use crate::report::visible::{visible, visible_lines};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::Write;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The bar at the end of the terminal; it hides itself where stderr is none. There is one stderr.
static BAR: LazyLock<ProgressBar> = LazyLock::new(ProgressBar::no_length);

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
            // A closed stderr is no reason to stop rehearsing.
            let _ = BAR.suspend(|| writeln!(anstream::stderr(), "{}", shown(text)));
        }
    }

    /// Waits for `work`, and says from time to time how it goes: as a bar on a terminal, else as lines that come more
    /// and more rarely the longer one thing takes.
    pub async fn while_waiting<T>(&self, work: impl Future<Output = T>, how: impl Fn() -> Word) -> T {
        let mut work = pin!(work);
        if self.quiet {
            return work.await;
        }
        let in_place = !BAR.is_hidden();
        let mut turns = Turns::new(in_place);
        // Whatever ends the wait: who is interrupted reads a report next.
        let _cleared = Cleared;
        loop {
            tokio::select! {
                result = &mut work => return result,
                () = tokio::time::sleep(if in_place { DRAW } else { LOOK }) => {
                    let word = how();
                    match turns.is_due(word.since.elapsed(), word.since) {
                        true if in_place => draw(&word),
                        true => self.say(&word.text),
                        false => {}
                    }
                }
            }
        }
    }
}

/// No bar is left once this is dropped.
struct Cleared;

impl Drop for Cleared {
    fn drop(&mut self) {
        BAR.finish_and_clear();
    }
}

fn draw(word: &Word) {
    let template = if word.share.is_some() { "{bar:20} {wide_msg}" } else { "{spinner} {wide_msg}" };
    // The templates are ours, and a bar without its shape is still a bar.
    if let Ok(style) = ProgressStyle::with_template(template) {
        BAR.set_style(style.progress_chars("━╸─").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
    }
    if BAR.is_finished() {
        BAR.reset();
    }
    if let Some((done, of)) = word.share {
        BAR.set_length(of);
        BAR.set_position(done.min(of));
    }
    BAR.set_message(visible(&word.text).into_owned());
    BAR.tick();
}

/// Names of files and words of servers are strangers': none of them may act on a terminal.
fn shown(text: &str) -> String {
    visible_lines(text).collect::<Vec<_>>().join("\n")
}

/// Between two looks at how it goes.
const LOOK: Duration = Duration::from_secs(1);
/// Between two pictures of the bar.
const DRAW: Duration = Duration::from_millis(200);

/// What to say about the thing that is done now.
#[derive(Debug, Clone)]
pub struct Word {
    /// When it began, which also tells it from the one before.
    pub since: Instant,
    /// One line.
    pub text: String,
    /// How much is done of how much, where that can be counted.
    pub share: Option<(u64, u64)>,
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

    /// After five seconds, and then each time twice as late; a bar piles up nothing, so it
    /// moves at every look.
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

/// What is done now, told by whoever does it and read by whoever reports.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    running: Arc<Mutex<Option<Running>>>,
    counted: Arc<Mutex<Option<Arc<Counted>>>>,
}

/// Something that is done piece by piece.
#[derive(Debug)]
pub struct Counted {
    /// `read`, `copied`, `planned`.
    pub done_what: &'static str,
    /// What the numbers are.
    pub unit: Unit,
    /// How much there is to do; unknown where it is `None`.
    pub of: Option<u64>,
    done: AtomicU64,
}

/// What numbers of something counted are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things of this name, in the singular.
    Things(&'static str),
}

impl Counted {
    /// How much is done, of how much.
    pub fn share(&self) -> Option<(u64, u64)> {
        self.of.map(|of| (self.done.load(Ordering::Relaxed), of))
    }

    /// `copied 1.2 GB of 3.1 GB`, `planned 12 of 50 queries`.
    pub fn sentence(&self) -> String {
        let done = self.done.load(Ordering::Relaxed);
        let things = |count: u64, one| human::plural(usize::try_from(count).unwrap_or(usize::MAX), one);
        let amount = match (self.unit, self.of) {
            (Unit::Bytes, Some(of)) => format!("{} of {}", human::bytes(done), human::bytes(of)),
            (Unit::Bytes, None) => human::bytes(done),
            (Unit::Things(one), Some(of)) => format!("{} of {}", human::count(done), things(of, one)),
            (Unit::Things(one), None) => things(done, one),
        };
        format!("{} {amount}", self.done_what)
    }
}

/// Counts until it is dropped.
#[derive(Debug)]
pub struct Counter {
    counted: Arc<Counted>,
    slot: Arc<Mutex<Option<Arc<Counted>>>>,
}

impl Counter {
    /// So much more is done.
    pub fn add(&self, more: u64) {
        self.counted.done.fetch_add(more, Ordering::Relaxed);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|counted| Arc::ptr_eq(counted, &self.counted)) {
            *slot = None;
        }
    }
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

    /// Something begins that is done piece by piece; what was counted before is told no more.
    pub fn count(&self, done_what: &'static str, unit: Unit, of: Option<u64>) -> Counter {
        let counted = Arc::new(Counted { done_what, unit, of, done: AtomicU64::new(0) });
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&counted));
        Counter { counted, slot: Arc::clone(&self.counted) }
    }

    /// What is counted now, if anything is.
    pub fn counted(&self) -> Option<Arc<Counted>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    fn what_is_counted_is_told_until_it_is_over() {
        let activity = Activity::default();
        let copied = activity.count("copied", Unit::Bytes, Some(3 << 30));
        copied.add(1 << 30);
        let told = activity.counted().map(|counted| (counted.sentence(), counted.share()));
        assert_eq!(told, Some(("copied 1.0 GB of 3.0 GB".to_owned(), Some((1 << 30, 3 << 30)))));
        let planned = activity.count("planned", Unit::Things("query"), Some(50));
        planned.add(12);
        drop(copied);
        let told = activity.counted().map(|counted| counted.sentence());
        assert_eq!(told.as_deref(), Some("planned 12 of 50 queries"), "the one before does not take it away");
        drop(planned);
        assert!(activity.counted().is_none());
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
