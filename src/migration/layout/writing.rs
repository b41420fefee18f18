//! What a layout is asked to write: migrations with other statements than before, in the folder they stand in.

use super::{MigrationFile, MigrationTree};
use crate::migration::TransactionMode;

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name; with `/` where a migration is a folder.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Statements that stand in one file, without semicolons at their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How the runner has to group them.
    pub transaction: TransactionMode,
    /// In the order they run.
    pub statements: Vec<String>,
}

/// A migration that gets other statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Place in [`MigrationTree::files`].
    pub at: usize,
    /// What takes its place, each to be a migration of its own; never empty.
    pub pieces: Vec<Piece>,
}

impl Replacement {
    /// The pieces a migration becomes, if it becomes others.
    pub fn of(replaced: &[Self], at: usize) -> Option<&[Piece]> {
        replaced.iter().find(|each| each.at == at).map(|each| each.pieces.as_slice())
    }
}

impl Piece {
    /// Whether the runner opens a transaction for it.
    pub fn in_transaction(&self) -> bool {
        self.transaction != TransactionMode::None
    }

    /// Every statement with a semicolon and a line end.
    pub fn text(&self) -> String {
        self.statements.iter().map(|sql| format!("{};\n", sql.trim_end())).collect()
    }

    /// Pieces of which those without a transaction hold one statement each.
    pub fn one_by_one(pieces: &[Self]) -> Vec<Self> {
        let each = |piece: &Self| match piece.transaction {
            TransactionMode::None => piece
                .statements
                .iter()
                .map(|sql| Self { transaction: TransactionMode::None, statements: vec![sql.clone()] })
                .collect(),
            _ => vec![piece.clone()],
        };
        pieces.iter().flat_map(each).collect()
    }
}

/// The file of a migration as it is, byte order mark included.
pub(crate) fn verbatim(file: &MigrationFile) -> String {
    let mark = if file.byte_order_mark { "\u{feff}" } else { "" };
    format!("{mark}{}", file.file().text)
}

/// A migration's path below the folder that was read, with `/`; its file's name where that is unknown.
pub(crate) fn below(tree: &MigrationTree, file: &MigrationFile) -> String {
    let path = &file.file().path;
    let inside = tree.directory.as_deref().and_then(|directory| path.strip_prefix(directory).ok());
    let name =
        inside.map_or_else(|| path.file_name().unwrap_or_default().to_string_lossy(), |path| path.to_string_lossy());
    name.replace('\\', "/")
}
