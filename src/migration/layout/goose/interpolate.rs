//! What goose sends for a script: its statements with variables of the environment filled in.

use super::super::cut::Rendered;
use super::super::sections::lines;
use super::Annotation;
use crate::migration::layout::Script;
use crate::migration::{MigrationError, SourceFile};
use std::collections::BTreeMap;

/// Each statement of a script as goose sends it: without its own lines, line ends as they are on Unix.
///
/// # Errors
/// A variable without a value.
pub(super) fn chunks<'a>(
    script: &'a Script,
    values: &BTreeMap<String, String>,
) -> Result<Vec<Rendered<'a>>, MigrationError> {
    let text = &script.file.text;
    let mut chunks: Vec<Rendered<'_>> = script.parts.iter().map(|_| Rendered::new(&script.file)).collect();
    let mut substitutes = false;
    let mut part = 0;
    for (start, line) in lines(text) {
        if let Some(annotation) = Annotation::of(line) {
            if let Ok(Annotation::Substitute(on)) = annotation {
                substitutes = on;
            }
            continue;
        }
        while script.parts.get(part).is_some_and(|range| range.end <= start) {
            part += 1;
        }
        let (Some(range), Some(chunk)) = (script.parts.get(part), chunks.get_mut(part)) else { break };
        let (from, to) = (start.max(range.start), (start + line.len()).min(range.end));
        // Whatever lies between statements belongs to none.
        if start + line.len() < range.start {
            continue;
        }
        if substitutes {
            substitute(chunk, &script.file, from, to, values)?;
        } else {
            chunk.copy(from..to);
        }
        if to < range.end {
            // The line end, whichever it is.
            let ended = to + usize::from(text[to..].starts_with('\r'));
            chunk.copy(ended..ended + 1);
        }
    }
    Ok(chunks)
}

/// Copies a line with `$NAME`, `${NAME}` and `${NAME:-default}` filled in.
fn substitute(
    chunk: &mut Rendered<'_>,
    file: &SourceFile,
    from: usize,
    to: usize,
    values: &BTreeMap<String, String>,
) -> Result<(), MigrationError> {
    let text = &file.text;
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut at = from;
    let mut rest = from;
    while let Some(dollar) = text[rest..to].find('$').map(|found| rest + found) {
        let after = &text[dollar + 1..to];
        let escaped = dollar > at && text[..dollar].ends_with('\\');
        if escaped || after.starts_with('$') {
            let begin = dollar - usize::from(escaped);
            let end = dollar + if escaped { 1 } else { 2 };
            chunk.copy(at..begin);
            chunk.replace(begin..end, "$");
            (at, rest) = (end, end);
            continue;
        }
        let braced = after.strip_prefix('{');
        let inside = braced.unwrap_or(after);
        let name = &inside[..inside.find(|character| !is_part(character)).unwrap_or(inside.len())];
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            rest = dollar + 1;
            continue;
        }
        let (end, operator) = match braced {
            None => (dollar + 1 + name.len(), ""),
            Some(inside) => match inside.find('}') {
                Some(close) => (dollar + 2 + close + 1, &inside[name.len()..close]),
                None => {
                    rest = dollar + 1;
                    continue;
                }
            },
        };
        let given = values.get(name).filter(|value| !(value.is_empty() && operator.starts_with(":-")));
        let default = operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-'));
        let Some(value) = given.map(String::as_str).or(default) else {
            return Err(MigrationError::Placeholder {
                file: file.name.clone(),
                line: file.position(dollar).line,
                placeholder: text[dollar..end].to_owned(),
                advice: format!("goose takes it from its environment: give `{name}` a value under `placeholders`"),
            });
        };
        chunk.copy(at..dollar);
        chunk.replace(dollar..end, value);
        (at, rest) = (end, end);
    }
    chunk.copy(at..to);
    Ok(())
}
