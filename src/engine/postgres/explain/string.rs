//! Several queries in one string: while the server goes on to the next, nobody has to be woken.

use super::super::session::Session;
use super::{CaptureOptions, expression, plannable};
use crate::engine::ServerError;
use crate::workload::HotQuery;

/// Queries that are asked about at once: enough that what a round trip takes is little beside them.
pub(super) const QUERIES_AT_ONCE: usize = 16;

/// What is asked about one query, and how many values answer it. Each EXPLAIN answers with one.
pub(super) struct Part {
    pub(super) script: String,
    pub(super) values: usize,
}

/// What the server said to a part: every value of it, or those before it refused something.
pub(super) type Said = Vec<Option<String>>;

/// Whether a query runs under nothing of its own, and its text and values end where they should: whatever follows them in a
/// string is ours.
pub(super) fn fits(query: &HotQuery, options: &CaptureOptions<'_>) -> bool {
    let alone = !query.settings.is_empty()
        || query.search_path.is_some()
        || query.limits.query_ms.is_some()
        || (query.role.is_some() && options.assume_roles);
    // Where `standard_conforming_strings` is off, a backslash hides the quote that ends a string.
    let plain = |text: &str| !text.contains('\\');
    let mut values = query.sets.iter().flat_map(|set| &set.values);
    !alone
        && plain(&query.sql)
        && plannable(&query.sql).is_ok()
        && values.all(|value| plain(value) && expression(value).is_ok())
}

/// Sends the parts as one string, which ends with the first thing that is refused. What was said to each part, in order,
/// as far as the server came: only the last one may lack values.
pub(super) async fn ask<'p>(
    session: &mut Session,
    parts: impl Iterator<Item = &'p Part> + Clone,
) -> (Vec<Said>, Result<(), ServerError>) {
    let scripts: Vec<&str> = parts.clone().map(|part| part.script.as_str()).collect();
    // A comment at the end of a query's text must not swallow what follows.
    let (rows, refused) = session.query_as_far_as_it_goes(&scripts.join("\n; ")).await;
    let mut values = rows.rows.into_iter().map(|row| row.into_iter().next().flatten()).peekable();
    let mut said: Vec<Said> = Vec::new();
    for part in parts {
        if values.peek().is_none() {
            break;
        }
        said.push(values.by_ref().take(part.values).collect());
    }
    (said, refused)
}
