//! The parts of an index definition that decide what it can answer.

use crate::snapshot::catalog::Index;

/// Access method, keys with operator class, collation and order, included columns and predicate. Storage parameters
/// are left out: they change no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    method: String,
    keys: Vec<String>,
    included: Vec<String>,
    predicate: Option<String>,
    unique: bool,
}

impl Definition {
    /// From `pg_get_indexdef`.
    pub(super) fn parse(index: &Index) -> Self {
        let using = index.shape.split_once(" USING ").map_or("", |(_, using)| using);
        let keys = list(using);
        let included = using.split_once(" INCLUDE (").map(|(_, rest)| list(&format!("({rest}"))).unwrap_or_default();
        Self {
            method: index.method.clone(),
            keys: if keys.is_empty() { index.keys[..index.key_count.min(index.keys.len())].to_vec() } else { keys },
            included,
            predicate: index.predicate.clone(),
            unique: index.unique,
        }
    }

    /// Whether everything the other index finds, this one finds as well. Uniqueness is not asked for.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let prefix = match self.method.as_str() {
            // Only a B-tree is ordered by its first keys.
            "btree" => self.keys.starts_with(&other.keys),
            _ => self.keys == other.keys,
        };
        let has = |column: &String| self.included.contains(column) || self.keys.contains(column);
        self.method == other.method && prefix && self.predicate == other.predicate && other.included.iter().all(has)
    }
}

/// The items of the first parenthesised list, split at its own commas.
fn list(text: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let mut depth = 0_usize;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == '(' => {
                depth += 1;
                if depth == 1 {
                    continue;
                }
            }
            None if c == ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    items.push(item.trim().to_owned());
                    return items;
                }
            }
            None if c == ',' && depth == 1 => {
                items.push(item.trim().to_owned());
                item.clear();
                continue;
            }
            None => {}
        }
        if depth > 0 {
            item.push(c);
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn lists_are_split_at_their_own_commas() {
        assert_eq!(
            list("btree (a, lower((b)::text) text_pattern_ops, \"x,(y\" DESC, coalesce(c, 'a,)')) INCLUDE (d)"),
            ["a", "lower((b)::text) text_pattern_ops", "\"x,(y\" DESC", "coalesce(c, 'a,)')"]
        );
        assert!(list("").is_empty());
    }
}
