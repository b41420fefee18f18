//! Writing migrations anew: what is behind a change gets another number where it has to, and another hash.

use super::super::writing::{File, Piece, Replacement, verbatim};
use super::{CURRENT, HASH, MigrationFile, MigrationTree, NO_TRANSACTION, body, hash, header, parse_name};

/// The folder with other migrations in the place of some: `committed/`, and what is not committed yet.
///
/// # Errors
/// A part that `current/` has no place for.
pub(super) fn files(tree: &MigrationTree, replaced: &[Replacement]) -> Result<Vec<File>, String> {
    let mut chain = Chain::default();
    for (at, file) in tree.files.iter().enumerate() {
        let pieces = Replacement::of(replaced, at).map(Piece::one_by_one);
        if file.attribute(CURRENT).is_some() {
            current(file, pieces.as_deref(), &mut chain)?;
            continue;
        }
        match pieces {
            Some(pieces) => {
                for (number, piece) in pieces.iter().enumerate() {
                    chain.commit(file, &text(piece), (number, pieces.len()));
                }
            }
            None if chain.changed => chain.commit(file, body(file), (0, 1)),
            None => chain.keep(file),
        }
    }
    Ok(chain.files)
}

/// The last part of what is not committed stays so; what is before it is committed, as it would have to be.
fn current(file: &MigrationFile, pieces: Option<&[Piece]>, chain: &mut Chain) -> Result<(), String> {
    let path = &file.file().path;
    let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_split = own != "current.sql";
    let name = if is_split { format!("current/{own}") } else { own };
    let Some(pieces) = pieces else {
        chain.files.push(File { name, text: verbatim(file) });
        return Ok(());
    };
    for (number, piece) in pieces[..pieces.len() - 1].iter().enumerate() {
        chain.commit(file, &text(piece), (number, pieces.len()));
    }
    let last = &pieces[pieces.len() - 1];
    if is_split && !last.in_transaction() {
        return Err(format!("`--! {NO_TRANSACTION}` has no place in current/: the statements stand in the report"));
    }
    let (_, end) = header(&file.file().text);
    chain.files.push(File { name, text: format!("{}{}", &file.file().text[..end], text(last)) });
    Ok(())
}

fn text(piece: &Piece) -> String {
    let head = if piece.in_transaction() { String::new() } else { format!("--! {NO_TRANSACTION}\n") };
    format!("{head}{}", piece.text())
}

#[derive(Default)]
struct Chain {
    files: Vec<File>,
    /// Hash of the last one.
    previous: Option<String>,
    /// Number of the last one.
    last: u64,
    /// One before is another than it was.
    changed: bool,
}

impl Chain {
    /// Adds a committed file as it is.
    fn keep(&mut self, file: &MigrationFile) {
        let name = file.file().path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.previous = file.attribute(HASH).map(str::to_owned);
        self.last = file.version.parse().unwrap_or(self.last);
        self.files.push(File { name: format!("committed/{name}"), text: verbatim(file) });
    }

    /// Adds one that `commit` would make of `text`: part of so many of what was `file`.
    fn commit(&mut self, file: &MigrationFile, text: &str, (part, parts): (usize, usize)) {
        let own = file.file().path.file_name().unwrap_or_default().to_string_lossy();
        let slug = parse_name(&own).map_or("", |(_, slug)| slug);
        let slug = match (slug, parts) {
            (slug, 1) => slug.to_owned(),
            ("", _) => (part + 1).to_string(),
            (slug, _) => format!("{slug}-{}", part + 1),
        };
        let dash = if slug.is_empty() { "" } else { "-" };
        // What cannot be counted was no number that could come first.
        self.last = file.version.parse().map_or(self.last + 1, |own: u64| own.max(self.last + 1));
        let name = format!("committed/{:0width$}{dash}{slug}.sql", self.last, width = file.version.len());
        let of = if parts == 1 { String::new() } else { format!(" ({} of {parts})", part + 1) };
        let message = header(&file.file().text).0.get("Message").map(|said| format!("--! Message: {said}{of}\n"));
        let hash = hash(self.previous.as_deref(), text);
        let previous = self.previous.as_deref().unwrap_or("-");
        let message = message.unwrap_or_default();
        let text = format!("--! Previous: {previous}\n--! Hash: {hash}\n{message}\n{}\n", text.trim());
        self.files.push(File { name, text });
        (self.previous, self.changed) = (Some(hash), true);
    }
}
