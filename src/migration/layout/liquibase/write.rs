//! Writing changesets anew: each file keeps what stands in it, but for the changesets that become others.

use super::super::writing::{File, Piece, Replacement, below, verbatim};
use super::changelog::{self, ChangeSet};
use super::{AUTHOR, ID, LINE, MigrationFile, MigrationTree};
use crate::migration::SourceFile;
use crate::migration::script::Dialect;

/// Attributes that say how a changeset is cut and run, which is decided anew.
const DECIDED: [&str; 3] = ["runintransaction", "splitstatements", "enddelimiter"];

/// The changelogs with other changesets in the place of some.
///
/// # Errors
/// A changeset with preconditions, which several cannot share.
pub(super) fn files(tree: &MigrationTree, replaced: &[Replacement]) -> Result<Vec<File>, String> {
    let mut files: Vec<File> = Vec::new();
    for file in &tree.files {
        let name = below(tree, file);
        if files.iter().any(|written| written.name == name) {
            continue;
        }
        let here: Vec<(&MigrationFile, &[Piece])> = replaced
            .iter()
            .map(|each| (&tree.files[each.at], each.pieces.as_slice()))
            .filter(|(other, _)| other.file().path == file.file().path)
            .collect();
        let text = if here.is_empty() { verbatim(file) } else { rewritten(file.file(), &here, tree.dialect())? };
        files.push(File { name, text });
    }
    Ok(files)
}

fn rewritten(source: &SourceFile, replaced: &[(&MigrationFile, &[Piece])], dialect: Dialect) -> Result<String, String> {
    let sets = changelog::parse(source, dialect).map_err(|error| error.to_string())?.change_sets;
    let lines: Vec<&str> = source.text.split_inclusive('\n').collect();
    let first = sets.first().map_or(lines.len(), |set| set.line - 1);
    let mut text = lines[..first].concat();
    for (at, set) in sets.iter().enumerate() {
        let until = sets.get(at + 1).map_or(lines.len(), |next| next.line - 1);
        let block = &lines[set.line - 1..until];
        let is_it = |file: &MigrationFile| file.attribute(LINE) == Some(set.line.to_string().as_str());
        match replaced.iter().find(|(file, _)| is_it(file)) {
            Some((file, pieces)) => text.push_str(&change_sets(source, set, file, block, &Piece::one_by_one(pieces))?),
            None => text.push_str(&block.concat()),
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    Ok(text)
}

fn change_sets(
    source: &SourceFile,
    set: &ChangeSet,
    file: &MigrationFile,
    block: &[&str],
    pieces: &[Piece],
) -> Result<String, String> {
    if set.has_preconditions && pieces.len() > 1 {
        return Err(format!(
            "{}:{}: what its preconditions say of one changeset they need not say of several: the statements stand in the report",
            source.name, set.line
        ));
    }
    let of_kind = |is_it: fn(&str) -> bool| -> String {
        block.iter().copied().filter(|line| changelog::comment(line).is_some_and(is_it)).collect()
    };
    // Those of everybody, wherever they stand.
    let properties = of_kind(|said| changelog::keyword(said, "property").is_some());
    let conditions = of_kind(|said| changelog::word(said, "precondition").is_some());
    let head =
        block.first().and_then(|line| changelog::keyword(changelog::comment(line)?, "changeset")).unwrap_or_default();
    let rest = changelog::identity(head).map_or("", |(_, _, rest)| rest);
    let kept: String = changelog::pairs(rest)
        .iter()
        .filter(|(name, ..)| !DECIDED.contains(&name.as_str()))
        .map(|(_, _, raw)| format!(" {raw}"))
        .collect();
    let attribute = |name: &str| file.attribute(name).unwrap_or_default();
    let undone: String = set.down.iter().map(|part| &source.text[part.clone()]).collect();
    let undone: Vec<&str> = undone.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let mut text = properties;
    for (number, piece) in pieces.iter().enumerate() {
        let id = match pieces.len() {
            1 => attribute(ID).to_owned(),
            _ => format!("{}-{}", attribute(ID), number + 1),
        };
        let mode = if piece.in_transaction() { "" } else { " runInTransaction:false" };
        // Liquibase cuts at every semicolon, those within dollar quotes included.
        let whole = if piece.statements.iter().any(|sql| sql.contains(';')) { " splitStatements:false" } else { "" };
        let name = format!("{}:{}", quoted(attribute(AUTHOR)), quoted(&id));
        text.push_str(&format!("--changeset {name}{kept}{mode}{whole}\n"));
        if !set.comment.is_empty() {
            text.push_str(&format!("--comment: {}\n", set.comment));
        }
        text.push_str(&conditions);
        text.push_str(&piece.text());
        // Undone from the last to the first: the last one's script undoes all of it.
        match (number + 1 == pieces.len(), undone.is_empty()) {
            (_, true) => {}
            (true, false) => undone.iter().for_each(|line| text.push_str(&format!("--rollback {line}\n"))),
            (false, false) => text.push_str("--rollback empty\n"),
        }
        text.push('\n');
    }
    Ok(text)
}

/// An author or an id, in double quotes where a space or a colon would end it.
fn quoted(name: &str) -> String {
    if name.contains(|each: char| each.is_whitespace() || each == ':') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}
