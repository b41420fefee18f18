//! Writing changes anew: one that is cut becomes several lines of the plan, the last of which keeps its name, so that
//! whatever requires it still may.

use super::super::writing::{File, Piece, Replacement, verbatim};
use super::plan::{Change, Plan};
use super::{ID, MISSING, MigrationFile, MigrationTree, PROJECT};
use crate::migration::TransactionMode;
use crate::migration::script::{StatementKind, kind};

/// The plan and the scripts it names, in the folders Sqitch has for them by default.
///
/// # Errors
/// A change that cannot be cut.
pub(super) fn files(tree: &MigrationTree, replaced: &[Replacement]) -> Result<Vec<File>, String> {
    let listing = tree.listing.as_ref().ok_or("there is no plan")?;
    let plan = Plan::parse(listing).map_err(|error| error.to_string())?;
    let project = tree.attributes.get(PROJECT).map_or("", String::as_str);
    let mut lines: Vec<String> = listing.text.split_inclusive('\n').map(str::to_owned).collect();
    let mut files = Vec::new();
    for (at, file) in tree.files.iter().enumerate() {
        let name = file.file().path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(pieces) = Replacement::of(replaced, at) else {
            if file.attribute(MISSING).is_none() {
                files.push(File { name: format!("deploy/{name}"), text: verbatim(file) });
            }
            files.extend(revert(file, &name));
            continue;
        };
        let pieces: Vec<&Piece> = pieces.iter().filter(|piece| says_something(piece)).collect();
        let change = plan.changes.iter().find(|change| Some(change.id.as_str()) == file.attribute(ID));
        let change = change.ok_or_else(|| format!("{name} is not in the plan"))?;
        let again = plan.changes.iter().filter(|other| other.name == change.name).count() > 1;
        if pieces.len() > 1 {
            if again {
                let why = format!(
                    "{} is planned more than once, and is not cut: the statements stand in the report",
                    change.name
                );
                return Err(why);
            }
            let line = &mut lines[change.line - 1];
            *line = cut_line(line, change, pieces.len());
        }
        let (last, before) = pieces.split_last().ok_or_else(|| format!("nothing is left of {name}"))?;
        for (number, piece) in before.iter().enumerate() {
            let part = part(&change.name, number);
            files.push(File { name: format!("deploy/{part}.sql"), text: deploy(project, &part, piece) });
            if file.down.is_some() {
                let text = format!(
                    "-- Revert {project}:{part} from pg\n\n-- The script of {}, which runs first, undoes all of it.\n",
                    change.name
                );
                files.push(File { name: format!("revert/{part}.sql"), text });
            }
        }
        files.push(File { name: format!("deploy/{name}"), text: deploy(project, &change.name, last) });
        files.extend(revert(file, &name));
    }
    files.insert(0, File { name: "sqitch.plan".to_owned(), text: lines.concat() });
    Ok(files)
}

/// The script that undoes a change, as it is.
fn revert(file: &MigrationFile, name: &str) -> Option<File> {
    let down = file.down.as_ref()?;
    Some(File { name: format!("revert/{name}"), text: down.file.text.clone() })
}

/// Whether there is more in it than the beginning and the end of a transaction.
fn says_something(piece: &Piece) -> bool {
    piece.statements.iter().any(|sql| !matches!(kind(sql), StatementKind::Begin | StatementKind::Commit))
}

/// The name of a part that is not the last.
fn part(name: &str, number: usize) -> String {
    format!("{name}_{}", number + 1)
}

/// A script for psql, which commits each statement by itself unless told otherwise.
fn deploy(project: &str, name: &str, piece: &Piece) -> String {
    let body = piece.text();
    let body = match piece.transaction {
        TransactionMode::PerMigration | TransactionMode::AllPending => format!("BEGIN;\n\n{body}\nCOMMIT;\n"),
        TransactionMode::None | TransactionMode::Explicit => body,
    };
    format!("-- Deploy {project}:{name} to pg\n\n{body}")
}

/// The line of a change, with a line in front of it for each part that comes before: each requires the one before.
fn cut_line(line: &str, change: &Change, parts: usize) -> String {
    let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
    let (content, note) =
        line.trim_end().split_once('#').map_or((line.trim_end(), None), |(content, note)| (content, Some(note.trim())));
    let content = content.trim();
    let rest = content.trim_start_matches(['+', '-']).trim_start();
    let rest = rest.strip_prefix(change.name.as_str()).unwrap_or(rest).trim_start();
    let (requires, signed) = match rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((inside, after)) => (format!("[{}] ", inside.trim()), after.trim()),
        None => (String::new(), rest.trim()),
    };
    let lines = (0..parts).map(|number| {
        let name = if number + 1 == parts { change.name.clone() } else { part(&change.name, number) };
        let requires = match number {
            0 => requires.clone(),
            _ => format!("[{}] ", part(&change.name, number - 1)),
        };
        let note = note.map_or_else(String::new, |note| format!(" # {note} ({} of {parts})", number + 1));
        let end = if end.is_empty() && number + 1 < parts { "\n" } else { end };
        format!("{name} {requires}{signed}{note}{end}")
    });
    lines.collect()
}
