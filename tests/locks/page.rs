//! `docs/locks.md` from the table.

use super::table::{Case, Theme};
use seatrial::observation::lock::{LOCK_MODES, LockMode};
use std::fmt::Write as _;

const HEAD: &str = "# What statements lock

Measured, never guessed: each statement ran on a small shop as the measured run does it, and this page is made of what was
seen (`tests/locks/` has all of it, locks on indexes and weaker ones too). Where PostgreSQL's versions differ, each has its
line. Locks are held until the transaction ends. A lock that makes *reads* or *writes* wait does so from the moment it is
asked for: a statement that has to wait for it keeps everybody waiting who comes after.

What is let go before a statement's transaction ends is not here: VACUUM cuts off the empty end of a file under a brief
ACCESS EXCLUSIVE lock, and a block of code that takes back what it did has let go its locks.

| column | says |
|---|---|
| strongest lock | the strongest one on something that was there before, and on what; others that make somebody wait |
| waits | what an application does that waits meanwhile |
| work | what is read from end to end, written anew or built under it: the time it takes grows with the table |
";

/// The page.
pub fn render(themes: &[Theme]) -> String {
    let mut page = HEAD.to_owned();
    for theme in themes {
        write!(
            page,
            "\n## {}\n\n| | statement | strongest lock | waits | work |\n|---|---|---|---|---|\n",
            theme.title
        )
        .expect("text");
        for case in &theme.cases {
            row(&mut page, case);
        }
    }
    page
}

fn row(page: &mut String, case: &Case) {
    let groups = case.groups();
    let alone = groups.len() == 1;
    for (at, (versions, facts)) in groups.iter().enumerate() {
        let (title, statement) = if at == 0 { (case.title.as_str(), code(&case.sql)) } else { ("", String::new()) };
        let on = if alone { String::new() } else { format!("on {versions}: ") };
        let on = if alone && case.since > 0 { format!("from {} on: ", case.since) } else { on };
        let (lock, waits, work) = cells(facts);
        writeln!(page, "| {title} | {statement} | {on}{lock} | {waits} | {work} |").expect("text");
    }
}

fn code(sql: &str) -> String {
    let one_line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("`{}`", one_line.trim_end_matches(';').replace('|', "\\|"))
}

/// A lock as a fact names it: mode and relation.
fn lock(fact: &str) -> Option<(LockMode, &str)> {
    let (mode, on) = fact.strip_prefix("lock ")?.split_once(' ')?;
    Some((LockMode::from_pg_locks(mode)?, on))
}

/// `AccessExclusiveLock` as the documentation spells it.
fn spelled(mode: LockMode) -> String {
    let mut words = String::new();
    for letter in mode.name().trim_end_matches("Lock").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_uppercase());
    }
    words
}

fn cells(facts: &[String]) -> (String, &'static str, String) {
    if let Some(state) = facts.iter().find_map(|fact| fact.strip_prefix("fails ")) {
        return (format!("refused ({state})"), "", String::new());
    }
    let locks: Vec<(LockMode, &str)> = facts.iter().filter_map(|fact| lock(fact)).collect();
    let strongest = locks.iter().map(|(mode, _)| *mode).max();
    // All that make somebody wait, strongest first; where none does, the strongest.
    let (mut told, mut named) = (Vec::new(), Vec::<&str>::new());
    for (mode, _) in LOCK_MODES.into_iter().rev() {
        let held = locks.iter().filter(|(held, _)| *held == mode).map(|(_, on)| short(on));
        // Each relation once, with its strongest lock; its indexes and sequences go without saying.
        let on: Vec<&str> = held.filter(|on| !named.iter().any(|named| is_part_of(on, named))).collect();
        let on: Vec<&str> = on
            .iter()
            .filter(|each| !on.iter().any(|other| other != *each && is_part_of(each, other)))
            .copied()
            .collect();
        named.extend(&on);
        if !on.is_empty() && (Some(mode) == strongest || !mode.blocks().is_empty()) {
            told.push(format!("{} on {}", spelled(mode), on.join(", ")));
        }
    }
    let waits = match strongest.map(LockMode::blocks).unwrap_or_default().as_slice() {
        [] => "nothing",
        ["writes"] => "writes",
        _ => "reads and writes",
    };
    let rest = facts.iter().filter(|fact| lock(fact).is_none());
    let work: Vec<String> = rest.map(|fact| fact.replace("public.", "")).collect();
    (if told.is_empty() { "none".to_owned() } else { told.join("; ") }, waits, work.join(", "))
}

/// `orders_code_idx` and `orders` itself of `orders`, whatever is said of its partitions.
fn is_part_of(on: &str, table: &str) -> bool {
    let name = |text: &str| text.split([',', ' ']).next().unwrap_or_default().to_owned();
    // Partitions and their parent are locked each in its own way.
    let alone = |text: &str| text.ends_with("alone");
    let (on_name, table_name) = (name(on), name(table));
    let itself = on_name == table_name && alone(on) == alone(table);
    itself
        || on_name.strip_prefix(&table_name).is_some_and(|rest| rest.starts_with('_') && rest.matches('_').count() > 1)
        || on_name == format!("{table_name}_pkey")
}

fn short(on: &str) -> &str {
    on.strip_prefix("public.").unwrap_or(on)
}
