//! Parameter sets for queries that have none, drawn from the copy's own statistics: what each parameter is compared
//! with ([`binding`]), values that stand for common, rare and extreme cases ([`candidate`]), and how values of several
//! parameters are put together ([`combine`]).
//!
//! A drawn value is user data. A set is therefore named by the kind of its values, never by a value.

pub mod binding;
pub mod candidate;
pub mod combine;
pub mod text;
pub mod written;

/// Most sets that are kept for one query.
pub const MOST_SETS: usize = 8;

/// A query for which nothing could be drawn, and why; it is planned without values only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undrawn {
    /// [`super::HotQuery::name`].
    pub query: String,
    /// For people, without values.
    pub reason: String,
}

/// How people refer to a parameter: `$1` or its name.
pub fn shown(parameter: &str) -> String {
    if parameter.bytes().all(|byte| byte.is_ascii_digit()) { format!("${parameter}") } else { parameter.to_owned() }
}
