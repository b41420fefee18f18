//! Walks along the values of one row of text.

use crate::engine::ServerError;
use crate::engine::postgres::session::Row;
use std::str::FromStr;

/// Separates the elements of lists that queries return as one text: no name or expression holds it.
pub(super) const SEPARATOR: char = '\u{1f}';

/// Takes values from left to right.
pub(super) struct Cursor {
    values: std::vec::IntoIter<Option<String>>,
}

impl Cursor {
    pub(super) fn new(row: Row) -> Self {
        Self { values: row.into_iter() }
    }

    /// Text or null; null too when the row has ended.
    pub(super) fn optional(&mut self) -> Option<String> {
        self.values.next().flatten()
    }

    /// Text; null is empty.
    pub(super) fn text(&mut self) -> String {
        self.optional().unwrap_or_default()
    }

    /// A number that must be there.
    pub(super) fn number<T: FromStr>(&mut self) -> Result<T, ServerError> {
        let text = self.text();
        text.parse().map_err(|_| unexpected(&text))
    }

    /// A number or null.
    pub(super) fn optional_number<T: FromStr>(&mut self) -> Result<Option<T>, ServerError> {
        self.optional().map(|text| text.parse().map_err(|_| unexpected(&text))).transpose()
    }

    /// A boolean; null is false.
    pub(super) fn flag(&mut self) -> bool {
        self.optional().as_deref() == Some("t")
    }

    /// The first character, or none for empty and null.
    pub(super) fn optional_character(&mut self) -> Option<char> {
        self.optional().and_then(|text| text.chars().next())
    }

    /// The first character, or `fallback`.
    pub(super) fn character(&mut self, fallback: char) -> char {
        self.optional_character().unwrap_or(fallback)
    }

    /// A list joined with [`SEPARATOR`].
    pub(super) fn list(&mut self) -> Vec<String> {
        match self.optional() {
            Some(text) if !text.is_empty() => text.split(SEPARATOR).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// A list joined with [`SEPARATOR`], sorted.
    pub(super) fn sorted_list(&mut self) -> Vec<String> {
        let mut list = self.list();
        list.sort();
        list
    }

    /// A list of numbers joined with [`SEPARATOR`].
    pub(super) fn numbers<T: FromStr>(&mut self) -> Result<Vec<T>, ServerError> {
        self.list().iter().map(|text| text.parse().map_err(|_| unexpected(text))).collect()
    }
}

fn unexpected(text: &str) -> ServerError {
    ServerError {
        message: format!("the system catalogs returned {text:?} where a number was expected"),
        ..Default::default()
    }
}
