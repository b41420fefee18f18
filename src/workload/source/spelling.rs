//! Near misses: words that were surely meant to be another.

/// The word among `known` that `word` misspells; `None` when it is one of them or far from all.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase().replace('-', "_");
    let mut nearest: Option<(usize, &str)> = None;
    for candidate in known {
        if candidate == word {
            return None;
        }
        let distance = distance(&folded, &candidate.to_lowercase());
        let is_near = match candidate.chars().count() {
            // Short words are near to many others: only a letter too many or too few counts.
            0..=3 => distance == 0 || distance == 1 && folded.chars().count() != candidate.chars().count(),
            4..=5 => distance <= 1,
            _ => distance <= 2,
        };
        if is_near && nearest.is_none_or(|(least, _)| distance < least) {
            nearest = Some((distance, candidate));
        }
    }
    nearest.map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, replace or swap with their neighbour.
fn distance(first: &str, second: &str) -> usize {
    let (first, second): (Vec<char>, Vec<char>) = (first.chars().collect(), second.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=second.len()).collect()];
    for i in 1..=first.len() {
        let mut row = vec![i];
        for j in 1..=second.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(first[i - 1] != second[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && first[i - 1] == second[j - 2] && first[i - 2] == second[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[first.len()][second.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["name", "set", "owner", "expect", "params", "max_buffers"];
        for (word, meant) in [
            ("ower", "owner"),
            ("Owner", "owner"),
            ("nmae", "name"),
            ("sets", "set"),
            ("expected", "expect"),
            ("max-buffers", "max_buffers"),
            ("param", "params"),
        ] {
            assert_eq!(nearest(word, known), Some(meant), "{word}");
        }
        for word in ["owner", "note", "see", "get", "other", "returns", "todo", ""] {
            assert_eq!(nearest(word, known), None, "{word}");
        }
    }
}
