//! The scripts of each migration by itself: where they are written, and what is said about them.

use super::human;
use super::v1::{DownVerdict, MigrationDown, MigrationRollback, Report, RollbackVerdict};
use super::view;

/// The way back of one migration, with the folder its scripts are written to.
pub struct Single<'r> {
    /// Below `--out`, with `/`.
    pub folder: String,
    /// The migration's version.
    pub version: &'r str,
    /// What is known.
    pub rollback: &'r MigrationRollback,
}

impl Single<'_> {
    /// Whether its scripts were run: others are not written as files.
    pub fn was_run(&self) -> bool {
        self.rollback.verdict != RollbackVerdict::NotAttempted
    }
}

/// One for each migration with a way back of its own; none where one migration is all there is, since its scripts are the
/// report's.
pub fn singles(report: &Report) -> Vec<Single<'_>> {
    if report.migrations.len() < 2 {
        return Vec::new();
    }
    let mut found: Vec<Single<'_>> = Vec::new();
    for migration in &report.migrations {
        let Some(rollback) = &migration.rollback else { continue };
        let mut folder = format!("rollback/{}", file_name(&migration.version));
        if found.iter().any(|known| known.folder == folder) {
            folder = format!("{folder}-{}", found.len() + 1);
        }
        found.push(Single { folder, version: &migration.version, rollback });
    }
    found
}

/// A version as the name of a folder: it may be a path, or anything else.
fn file_name(version: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    let name: String = version.chars().take(100).map(|letter| if plain(letter) { letter } else { '_' }).collect();
    if name.starts_with('.') || name.is_empty() { format!("_{name}") } else { name }
}

/// Where the scripts of each are.
pub fn place(report: &Report, out_dir: Option<&str>) -> Option<String> {
    let singles = singles(report);
    if !singles.iter().any(Single::was_run) {
        return None;
    }
    let place = match out_dir {
        Some(folder) => format!("in {}/rollback/VERSION", folder.trim_end_matches('/')),
        None => "in report.json; --out DIR writes them to DIR/rollback/VERSION".to_owned(),
    };
    Some(format!("scripts for each migration by itself, last one first: {place}"))
}

/// Those that do not come back as they were, or were not run, each with the first thing to know.
pub fn sentences(report: &Report) -> Vec<String> {
    singles(report)
        .iter()
        .filter(|single| {
            use RollbackVerdict::{Irreversible, NotAttempted, RowsLost};
            matches!(single.rollback.verdict, Irreversible | NotAttempted | RowsLost)
        })
        .map(|single| {
            let differences = &single.rollback.differences;
            let first = match (differences.first(), differences.len()) {
                (Some(first), 1) => format!(": {first}"),
                (Some(first), many) => format!(": {first}; and {} more", human::count(many as u64 - 1)),
                (None, _) => String::new(),
            };
            let verdict = view::words(single.rollback.verdict.name());
            format!("{} by itself: {verdict}{first}", single.version)
        })
        .collect()
}

/// What each hand-written down script brings back, the first migration first.
pub fn downs(report: &Report) -> Vec<String> {
    report.migrations.iter().filter_map(|migration| migration.down.as_ref()).map(down_sentence).collect()
}

fn down_sentence(down: &MigrationDown) -> String {
    let first = down.differences.first().map(String::as_str).unwrap_or_default();
    let more = match down.differences.len() {
        0 | 1 => String::new(),
        many => format!("; and {} more", human::count(many as u64 - 1)),
    };
    let with_lines = match down.with_lines {
        Some(DownVerdict::Exact | DownVerdict::ExactButColumnOrder) => {
            format!("; with {} in report.json it does", human::plural(down.lines.len(), "statement"))
        }
        _ => String::new(),
    };
    let told = match down.verdict {
        DownVerdict::Exact => "brings everything back".to_owned(),
        DownVerdict::ExactButColumnOrder => format!("brings everything back; {first}{more}"),
        DownVerdict::RowsLost => format!("brings the schema back and not the rows: {first}{more}"),
        DownVerdict::Differs => format!("does not bring everything back: {first}{more}{with_lines}"),
        DownVerdict::Fails => format!("{first}{more}{with_lines}"),
        DownVerdict::NotRun => format!("was not run: {first}"),
    };
    format!("down script {}: {told}", down.file)
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_version_never_leaves_the_folder_it_is_written_to() {
        assert_eq!(file_name("20260604093000"), "20260604093000");
        assert_eq!(file_name("../../etc/passwd"), "_.._.._etc_passwd");
        assert_eq!(file_name("1 näme\u{202e}.sql"), "1_n_me_.sql");
        assert_eq!(file_name(""), "_");
    }
}
