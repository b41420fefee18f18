//! What each pass costs in copies, disk and time, and which passes still fit into what is left.

use super::{Rehearsal, RehearsalError};
use crate::config::Settings;
use crate::diff::catalog::CatalogChange;
use crate::migration::Migration;
use crate::progress::{Activity, Running, Word};
use crate::report::human;
use crate::report::v1::PassName;
use crate::rollback::prove::{DOWN_COPIES, MORE_COPIES, PREFIX_COPIES};
use crate::snapshot::Oid;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a server writes however little is changed: its first WAL files and temporary files, in bytes.
const LEAST_WAL: u64 = 32 << 20;
/// `max_wal_size` of copies: a checkpoint comes before there is much more, in bytes.
const MOST_WAL: u64 = 4 << 30;

/// Copies a pass makes one after another, and how often it runs the migration, at most and at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// At most.
    pub copies: u32,
    /// At least; the first one may be there already.
    pub least_copies: u32,
    /// How often the migration runs, at least.
    pub least_runs: u32,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// More than one migration is pending.
    pub several: bool,
    /// Some have a hand-written down script.
    pub downs: bool,
}

impl Load {
    /// Of what is pending.
    pub(crate) fn of(migrations: &[Migration]) -> Self {
        Self { several: migrations.len() > 1, downs: super::prove::have_downs(migrations) }
    }
}

/// What a pass needs; violators are counted on one more copy, of which the measured pass knows nothing.
pub(crate) fn needs(pass: PassName, load: Load) -> Needs {
    let mut needs = Needs { copies: 1, least_copies: 1, least_runs: 1 };
    if pass == PassName::Retry {
        // One for each point, and two for what they have to come to.
        return Needs { copies: super::retry::POINTS as u32 + 2, least_copies: 3, least_runs: 3 };
    }
    if pass != PassName::Prove {
        return needs;
    }
    // All migrations together, and each by itself.
    (needs.copies, needs.least_copies, needs.least_runs) = if load.several { (5, 2, 3) } else { (2, 1, 2) };
    needs.copies += MORE_COPIES + PREFIX_COPIES as u32;
    if load.downs {
        needs.copies += DOWN_COPIES;
        needs.least_copies += 1;
        needs.least_runs += 1;
    }
    needs
}

/// What counting violators needs.
pub(crate) const VIOLATORS: Needs = Needs { copies: 1, least_copies: 1, least_runs: 1 };

/// What writes pay: one copy before, one after.
pub(crate) const WRITES: Needs = Needs { copies: 2, least_copies: 2, least_runs: 1 };

/// Time, before and after in turns: the one step that has both its copies at the same time.
pub(crate) const TIMES: Needs = Needs { copies: 2, least_copies: 2, least_runs: 1 };

/// Safer forms: two copies for what they have to come to, and one for all of them. What does not hold at once is tried on
/// further ones.
pub(crate) const SAFER: Needs = Needs { copies: 3, least_copies: 3, least_runs: 3 };

/// What is measured beside the passes, by name: [`SAFER`], [`WRITES`], [`TIMES`].
pub(crate) fn on_request(settings: &Settings) -> Vec<(&'static str, u32)> {
    let writes = settings.measure_writes.then_some(("writes", WRITES.copies));
    let times = settings.measure_time.then_some(("time", TIMES.copies));
    let safer = settings.suggest.as_ref().map(|_| ("safer forms", SAFER.copies));
    safer.into_iter().chain(writes).chain(times).collect()
}

/// Limits of a run, and what its copies took so far.
#[derive(Debug)]
pub struct Budget {
    deadline: Option<Instant>,
    max_time: Option<Duration>,
    max_disk: Option<u64>,
    copy_bytes: u64,
    elsewhere: Option<u64>,
    cache: std::path::PathBuf,
    copied: Mutex<Vec<Duration>>,
}

impl Budget {
    /// For copies of so many bytes that stand below `cache`; the deadline is [`Budget::deadline`]'s.
    pub fn new(
        copy_bytes: u64,
        cache: &Path,
        limits: (Option<Duration>, Option<u64>),
        deadline: Option<Instant>,
    ) -> Self {
        let (max_time, max_disk) = limits;
        let (cache, copied) = (cache.to_owned(), Mutex::default());
        Self { deadline, max_time, max_disk, copy_bytes, elsewhere: None, cache, copied }
    }

    /// The same for copies that take no room here: of `bytes`, on a server of others.
    pub fn elsewhere(self, bytes: Option<u64>) -> Self {
        Self { elsewhere: bytes, ..self }
    }

    /// When the time is spent.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Notes what one copy took until its server answered.
    pub fn copied(&self, took: Duration) {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner).push(took);
    }

    /// How many copies there were.
    pub(crate) fn copies_made(&self) -> usize {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Time for one copy: measured, or before the first one by a rule of thumb.
    fn copy_time(&self) -> Duration {
        let copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        match copied.iter().min() {
            Some(quickest) => *quickest,
            // A few hundred MB a second and a server's start, as on an ordinary disk.
            None => Duration::from_millis(400) + Duration::from_secs_f64(self.copy_bytes as f64 / 400e6),
        }
    }

    /// Free bytes where copies stand; none where the file system does not tell.
    fn free(&self) -> Option<u64> {
        let disk = nix::sys::statvfs::statvfs(&self.cache).ok()?;
        Some(disk.blocks_available() * disk.fragment_size())
    }

    /// What is about to be used, for people: `up to 3 copies, one at a time (measure 1, prove 2), each 242 MB …`. The time
    /// is that of making a copy, which is the least of a run.
    /// Which migrations are pending is not known yet, so `load` is what they may be.
    pub(crate) fn estimate(&self, passes: &[PassName], load: Load, on_request: &[(&str, u32)]) -> String {
        let passes = passes.iter().map(|pass| (pass.name(), needs(*pass, load).copies));
        let all: Vec<(&str, u32)> = passes.chain(on_request.iter().copied()).collect();
        let each: Vec<String> = all.iter().map(|(name, copies)| format!("{name} {copies}")).collect();
        let copies: u32 = all.iter().map(|(_, copies)| copies).sum();
        let timed = all.iter().any(|(name, _)| *name == "time");
        let at_a_time = if timed { "one at a time and both for time" } else { "one at a time" };
        let made = match self.elsewhere {
            // How long another server takes, and how much room it has, is not known.
            Some(_) => "on another server".to_owned(),
            // To tenths of a second: it is no measurement.
            None => {
                format!("in about {}", human::duration((self.copy_time().as_secs_f64() * 10.0).ceil() * 100.0))
            }
        };
        let size = human::bytes(self.elsewhere.unwrap_or(self.copy_bytes));
        let mut text = match copies {
            1 => format!("1 copy ({}) of {size}, made {made}", each.join(", ")),
            more => format!("up to {more} copies, {at_a_time} ({}), each {size} and made {made}", each.join(", ")),
        };
        if let Some(free) = self.free().filter(|_| self.elsewhere.is_none()) {
            text.push_str(&format!("; {} are free", human::bytes(free)));
        }
        if let Some(limit) = self.max_disk {
            text.push_str(&format!("; --max-disk {}", human::bytes(limit)));
        }
        if let Some(limit) = self.max_time {
            text.push_str(&format!("; --max-time {}", human::duration(limit.as_secs_f64() * 1e3)));
        }
        text
    }

    /// Refuses a run whose first copy does not fit.
    pub(crate) fn room_for_the_first(&self) -> Result<(), RehearsalError> {
        self.too_large(&Room::new(self.copy_bytes, 0, None)).map_or(Ok(()), |why| Err(RehearsalError::NoRoom { why }))
    }

    /// Why a pass does not fit any more; `None` when it does, as far as can be told.
    pub(crate) fn in_the_way(&self, pass: PassName, rehearsal: &Rehearsal) -> Option<String> {
        let wal: u64 = rehearsal.observations.iter().map(|each| each.wal_bytes).sum();
        let backup = if pass == PassName::Prove { to_save(rehearsal) } else { 0 };
        let room = Room::new(self.copy_bytes, backup, Some(wal));
        let applied = rehearsal.migrations.get(..rehearsal.applied).unwrap_or_default();
        self.too_large(&room).or_else(|| self.too_long(needs(pass, Load::of(applied)), rehearsal))
    }

    /// Why what is measured on request does not fit any more. Both its copies may stand there at once.
    pub(crate) fn no_room_for(&self, needs: Needs, side_by_side: u64, rehearsal: &Rehearsal) -> Option<String> {
        let wal: u64 = rehearsal.observations.iter().map(|each| each.wal_bytes).sum();
        let room = Room::new(self.copy_bytes.saturating_mul(side_by_side), 0, Some(wal));
        self.too_large(&room).or_else(|| self.too_long(needs, rehearsal))
    }

    /// Why there is no time for this much work.
    pub(crate) fn too_long(&self, needs: Needs, rehearsal: &Rehearsal) -> Option<String> {
        let left = self.deadline?.saturating_duration_since(Instant::now());
        let once: f64 = rehearsal.observations.iter().map(|each| each.duration_ms).sum();
        let migrating = Duration::from_secs_f64(once / 1e3) * needs.least_runs;
        let least = self.copy_time() * needs.least_copies + migrating;
        (least > left).then(|| {
            let [least, left] = [least, left].map(|each| human::duration(each.as_secs_f64() * 1e3));
            format!("--max-time leaves {left}, and this takes {least} or more, by what was measured so far")
        })
    }

    fn too_large(&self, room: &Room) -> Option<String> {
        let needed = room.total();
        if let Some(limit) = self.max_disk.filter(|limit| needed > *limit) {
            return Some(format!("--max-disk {} is not enough: {room}", human::bytes(limit)));
        }
        let free = self.free().filter(|free| needed > *free)?;
        Some(format!("only {} are free in {}: {room}", human::bytes(free), self.cache.display()))
    }
}

/// Disk one pass uses at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    copy: u64,
    backup: u64,
    wal: u64,
}

impl Room {
    /// `measured` is the WAL of the measured run: what is rewritten or built there is written to the tables as well, and
    /// stays there when its WAL goes.
    fn new(copy: u64, backup: u64, measured: Option<u64>) -> Self {
        let wal = measured.map_or_else(|| (copy / 4).min(MOST_WAL), |wal| wal.saturating_add(wal.min(MOST_WAL)));
        Self { copy, backup, wal: wal.max(LEAST_WAL) }
    }

    fn total(&self) -> u64 {
        self.copy.saturating_add(self.backup).saturating_add(self.wal)
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [copy, backup, wal, total] = [self.copy, self.backup, self.wal, self.total()].map(human::bytes);
        write!(f, "it needs {total}, {copy} for the copy, ")?;
        if self.backup > 0 {
            write!(f, "up to {backup} for the backup, ")?;
        }
        write!(f, "{wal} for WAL and what is rewritten")
    }
}

/// Upper bound of what `prepare.sql` saves: the tables whose rows are changed or dropped.
fn to_save(rehearsal: &Rehearsal) -> u64 {
    let Some(before) = &rehearsal.before else { return 0 };
    let mut tables: BTreeSet<Oid> = BTreeSet::new();
    for observation in &rehearsal.observations {
        let works = observation.changed.iter().chain(&observation.deleted);
        tables.extend(works.filter(|work| !work.created_in_run).map(|work| work.heap));
    }
    for change in &rehearsal.changes {
        match change {
            CatalogChange::RelationDropped { relation, .. }
            | CatalogChange::ColumnDropped { relation, .. }
            | CatalogChange::ColumnTypeChanged { relation, .. } => {
                tables.insert(*relation);
            }
            _ => {}
        }
    }
    // A partitioned table has its rows in its partitions.
    let under = |oid: Oid| {
        let mut line = std::iter::successors(Some(oid), |oid| {
            before.catalog.relations.get(oid).filter(|relation| relation.is_partition)?.parent
        });
        line.any(|oid| tables.contains(&oid))
    };
    before.sizes.iter().filter(|(oid, _)| under(**oid)).map(|(_, size)| size.table_bytes).sum()
}

/// Lists what did not come to its end and what never began, after the run was ended from outside.
pub fn close_passes(rehearsal: &mut Rehearsal, wanted: &[String], why: &str, out_of_budget: bool) {
    if let Some((name, since)) = rehearsal.under_way.take() {
        let reason = Some(why.to_owned());
        let duration_ms = since.elapsed().as_secs_f64() * 1e3;
        rehearsal.passes.push(super::Pass { name, ran: false, reason, crashed: false, out_of_budget, duration_ms });
    }
    let wanted = super::wanted::Wanted::new(wanted);
    for (name, wanted) in wanted.each() {
        if !rehearsal.passes.iter().any(|pass| pass.name == name) {
            super::schedule::skip(
                rehearsal,
                name,
                if wanted { why } else { super::schedule::NOT_ASKED_FOR },
                wanted && out_of_budget,
            );
        }
    }
}

/// `interrupted; a.sql:3 had run for 12 s`.
pub fn at_statement(why: &str, running: Option<&Running>) -> String {
    running.map_or_else(
        || why.to_owned(),
        |running| format!("{why}; {} had run for {}", running.place, so_far(running.since)),
    )
}

/// What a pass does now: `prove: 40 s so far; copied 1.2 GB of 3.1 GB`, `measure: a.sql:3, statement 2 of 12: 40 s so far;
/// 120 MB of WAL`.
pub(super) fn how_it_goes(pass: PassName, since: Instant, statements: usize, activity: &Activity) -> Word {
    let Some(running) = activity.running() else {
        return waiting_for(&format!("{}:", pass.name()), since, activity);
    };
    let detail = running.detail.map_or_else(String::new, |detail| format!("; {detail}"));
    let text = format!(
        "{}: {}, statement {} of {statements}: {} so far{detail}",
        pass.name(),
        running.place,
        running.statement,
        so_far(running.since)
    );
    Word { since: running.since, text, share: Some((running.statement.saturating_sub(1) as u64, statements as u64)) }
}

/// `base: 40 s so far; read 120 MB of 300 MB`.
pub fn waiting_for(what: &str, since: Instant, activity: &Activity) -> Word {
    let counted = activity.counted();
    let far = counted.as_ref().map_or_else(String::new, |counted| format!("; {}", counted.sentence()));
    let share = counted.and_then(|counted| counted.share());
    Word { since, text: format!("{what} {} so far{far}", so_far(since)), share }
}

fn so_far(since: Instant) -> String {
    human::duration(since.elapsed().as_secs_f64() * 1e3)
}

/// Whether a budget may be what an answer is unknown for: the pass that gives it was cut off or left out by one.
pub fn may_have_cost(rehearsal: &Rehearsal, answer: &str) -> bool {
    let pass = if answer == "undoable" { PassName::Prove } else { PassName::Measure };
    let cut = |pass: PassName| rehearsal.passes.iter().any(|each| each.name == pass && each.out_of_budget);
    // Without hot queries nobody would have known what gets slower, however long it took.
    let could_be_known = answer != "slower" || !rehearsal.queries.is_empty();
    could_be_known && (cut(pass) || cut(PassName::Measure))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::observation::Observation;
    use crate::report::redact::Redactor;

    const MB: u64 = 1 << 20;

    fn budget(copy_bytes: u64, max_disk: Option<u64>, left: Option<Duration>) -> Budget {
        Budget {
            deadline: left.map(|left| Instant::now() + left),
            max_time: left,
            max_disk,
            copy_bytes,
            elsewhere: None,
            cache: std::env::temp_dir(),
            copied: Mutex::default(),
        }
    }

    fn measured(duration_ms: f64, wal_bytes: u64) -> Rehearsal {
        let mut rehearsal = Rehearsal::new(Redactor { show_values: false }, Vec::new());
        rehearsal.observations.push(Observation { duration_ms, wal_bytes, ..Observation::of_nothing(1) });
        rehearsal
    }

    #[test]
    fn the_estimate_names_copies_size_time_and_limits() {
        let all = [PassName::Measure, PassName::Prove, PassName::Attribute];
        let text =
            budget(242 * MB, Some(20 << 30), Some(Duration::from_secs(600))).estimate(&all, Load::default(), &[]);
        let beginning =
            "up to 10 copies, one at a time (measure 1, prove 8, attribute 1), each 242 MB and made in about 1.1 s; ";
        assert!(text.starts_with(beginning), "{text}");
        assert!(text.ends_with("; --max-disk 20 GB; --max-time 10 min"), "{text}");
        let several_pending = Load { several: true, ..Load::default() };
        let several = budget(242 * MB, None, None).estimate(&all, several_pending, &[]);
        assert!(
            several.starts_with("up to 13 copies, one at a time (measure 1, prove 11, attribute 1), "),
            "{several}"
        );
        let with_downs = budget(242 * MB, None, None).estimate(&all, Load { downs: true, ..Load::default() }, &[]);
        let beginning = "up to 12 copies, one at a time (measure 1, prove 10, attribute 1), ";
        assert!(with_downs.starts_with(beginning), "{with_downs}");
        let one = budget(24 * MB, None, None).estimate(&[PassName::Measure], several_pending, &[]);
        assert!(one.starts_with("1 copy (measure 1) of 24 MB, made in about 0.5 s"), "{one}");
        let asked =
            budget(24 * MB, None, None).estimate(&[PassName::Measure], several_pending, &[("writes", 2), ("time", 2)]);
        let beginning = "up to 5 copies, one at a time and both for time (measure 1, writes 2, time 2), each 24 MB";
        assert!(asked.starts_with(beginning), "{asked}");
        let elsewhere =
            budget(0, None, None).elsewhere(Some(24 * MB)).estimate(&[PassName::Measure], several_pending, &[]);
        assert_eq!(elsewhere, "1 copy (measure 1) of 24 MB, made on another server");
    }

    #[test]
    fn a_first_copy_that_does_not_fit_is_refused_with_the_numbers() {
        assert!(budget(100 * MB, Some(132 * MB), None).room_for_the_first().is_ok());
        let refused = budget(100 * MB, Some(131 * MB), None).room_for_the_first().unwrap_err().to_string();
        let numbers = "--max-disk 131 MB is not enough: it needs 132 MB, 100 MB for the copy, 32 MB for WAL";
        assert!(refused.contains(numbers), "{refused}");
        let refused = budget(u64::MAX / 2, None, None).room_for_the_first().unwrap_err().to_string();
        assert!(refused.contains("are free in"), "{refused}");
    }

    #[test]
    fn what_was_written_once_is_counted_for_the_next_pass() {
        let tight = budget(100 * MB, Some(160 * MB), None);
        assert_eq!(tight.in_the_way(PassName::Prove, &measured(1.0, 16 * MB)), None);
        let why = tight.in_the_way(PassName::Prove, &measured(1.0, 50 * MB)).unwrap();
        assert!(why.contains("100 MB for WAL and what is rewritten"), "{why}");
        // WAL is cut off at 4 GB; what was written anew stays.
        let large = budget(100 * MB, Some(20 << 30), None);
        let why = large.in_the_way(PassName::Prove, &measured(1.0, 17 << 30)).unwrap();
        assert!(why.contains("21 GB for WAL and what is rewritten"), "{why}");
    }

    #[test]
    fn a_pass_that_evidently_takes_longer_than_what_is_left_is_left_out() {
        let hour = budget(MB, None, Some(Duration::from_secs(3600)));
        assert_eq!(hour.in_the_way(PassName::Prove, &measured(1_700_000.0, 0)), None);
        let why = hour.in_the_way(PassName::Prove, &measured(1_900_000.0, 0)).unwrap();
        assert!(why.contains("this takes 63 min 20 s or more"), "{why}");
        assert_eq!(hour.in_the_way(PassName::Attribute, &measured(1_900_000.0, 0)), None, "it migrates once");
        assert_eq!(budget(MB, None, None).in_the_way(PassName::Prove, &measured(1e12, 0)), None, "no limit");
    }

    #[test]
    fn two_copies_side_by_side_need_twice_the_room() {
        let tight = budget(100 * MB, Some(200 * MB), None);
        assert_eq!(tight.no_room_for(WRITES, 1, &measured(1.0, MB)), None);
        let why = tight.no_room_for(TIMES, 2, &measured(1.0, MB)).unwrap();
        assert!(why.contains("it needs 232 MB, 200 MB for the copy"), "{why}");
    }

    #[test]
    fn passes_that_never_began_are_listed_with_the_reason() {
        let mut rehearsal = measured(1.0, 0);
        rehearsal.under_way = Some((PassName::Measure, Instant::now()));
        close_passes(&mut rehearsal, &["measure".to_owned(), "prove".to_owned()], "interrupted", false);
        let told: Vec<_> =
            rehearsal.passes.iter().map(|pass| (pass.name.name(), pass.reason.as_deref().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("measure", "interrupted"),
                ("prove", "interrupted"),
                ("attribute", "not asked for (--passes)"),
                ("traffic", "not asked for (--passes)"),
                ("queue", "not asked for (--passes)"),
                ("retry", "not asked for (--passes)"),
            ]
        );
    }
}
