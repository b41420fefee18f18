//! Hot queries: what the application runs often enough that it must not get slower.

pub mod draw;
pub mod parameter;
pub mod source;

use crate::migration::SourceFile;
use std::sync::Arc;

/// A registered query.
#[derive(Debug, Clone, PartialEq)]
pub struct HotQuery {
    /// Unique name, from the `-- name:` header.
    pub name: String,
    /// Team or person to tell.
    pub owner: Option<String>,
    /// The file it stands in.
    pub file: Arc<SourceFile>,
    /// Byte offset of the statement in the file.
    pub offset: usize,
    /// The text with every parameter rewritten to `$n`, no terminating semicolon.
    pub sql: String,
    /// Name of each `$n`, in order; a positional parameter's name is its number.
    pub parameters: Vec<String>,
    /// Values to plan and run it with; when none are given they are drawn, where that is possible.
    pub sets: Vec<ParameterSet>,
    /// How often it runs compared with others (calls a minute); 1 when not given.
    pub weight: f64,
    /// What the caller expects, for people.
    pub expect: Option<String>,
    /// Budget: shared blocks touched by one execution.
    pub max_buffers: Option<u64>,
    /// Role it runs as instead of the migration's role.
    pub role: Option<String>,
    /// `SET` name and value (as written) before it runs.
    pub settings: Vec<(String, String)>,
    /// Search path it runs under, as written.
    pub search_path: Option<String>,
}

/// Values for every parameter of a query, as SQL literals in `$n` order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSet {
    /// The set's name; `` (empty) for a query without parameters.
    pub name: String,
    /// SQL expressions, one for each `$n`.
    pub values: Vec<String>,
    /// Drawn from the copy's statistics ([`draw`]), not given: its values are user data, and its name tells their kind.
    pub drawn: bool,
}
