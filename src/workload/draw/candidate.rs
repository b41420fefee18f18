//! Values that stand for a column's ordinary and extreme cases, from its statistics.

use super::binding::Comparison;
use super::text::Count;

/// What `pg_stats` and the catalog know of a column. Values are text as the server writes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnStatistics {
    /// Most common values and the share of rows that has each, 0 to 1, commonest first.
    pub common: Vec<(String, f64)>,
    /// Bounds of equally filled buckets of what is not among the most common, in the column's order.
    pub histogram: Vec<String>,
    /// Whether it may be null.
    pub nullable: bool,
    /// A value no row has, where one is known.
    pub absent: Option<String>,
}

/// Values for the parameters of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which kind of value, without the value.
    pub kind: String,
    /// One for each parameter; `None` is NULL.
    pub values: Vec<Option<String>>,
}

impl Candidate {
    fn new(kind: impl Into<String>, values: impl IntoIterator<Item = String>) -> Self {
        Self { kind: kind.into(), values: values.into_iter().map(Some).collect() }
    }
}

/// Longest array that is drawn.
const LONGEST_ARRAY: usize = 1000;

impl ColumnStatistics {
    /// No statistics: nobody analysed the table, or it is empty.
    pub fn is_empty(&self) -> bool {
        self.common.is_empty() && self.histogram.is_empty()
    }

    /// Share of the commonest value; 0 where none is more common than others.
    pub fn skew(&self) -> f64 {
        self.common.first().map_or(0.0, |(_, share)| *share)
    }

    fn middle(&self) -> Option<&String> {
        self.histogram.get(self.histogram.len() / 2)
    }

    /// One common, one less so, one rare.
    fn typical(&self) -> Vec<(String, &String)> {
        let common = |at: usize| {
            let (value, share) = self.common.get(at)?;
            Some((format!("most common #{}, {}", at + 1, percent(*share)), value))
        };
        let last = self.common.len().saturating_sub(1);
        let mut values: Vec<_> = [0, last / 2].into_iter().filter_map(common).collect();
        match self.middle() {
            Some(value) => values.push((if self.common.is_empty() { "ordinary" } else { "rare" }.to_owned(), value)),
            None => values.extend(common(last)),
        }
        values.dedup();
        values
    }

    /// Candidates for one parameter, the commonest first; none if the statistics have nothing to say.
    pub fn candidates(&self, comparison: Comparison) -> Vec<Candidate> {
        let single = |(kind, value): (String, &String)| Candidate::new(kind, [value.clone()]);
        let mut candidates: Vec<Candidate> = match comparison {
            Comparison::Any => return self.arrays(),
            Comparison::Like => return self.patterns(),
            Comparison::Equal => self.typical().into_iter().map(single).collect(),
            Comparison::Above | Comparison::Below if self.histogram.len() < 3 => {
                self.typical().into_iter().map(single).collect()
            }
            Comparison::Above | Comparison::Below => self.one_sided(comparison == Comparison::Above),
        };
        if comparison == Comparison::Equal {
            candidates.extend(self.absent.clone().map(|value| Candidate::new("absent", [value])));
        }
        if self.nullable {
            candidates.push(Candidate { kind: "NULL".to_owned(), values: vec![None] });
        }
        candidates
    }

    /// A value for a parameter that is stored in the column: one that many rows have, or where each row has its own, one
    /// that none has.
    pub fn stored(&self) -> Vec<Candidate> {
        let common = self.common.first().map(|(value, _)| value);
        let value = common.or(self.absent.as_ref()).or_else(|| self.middle());
        match value {
            Some(value) => vec![Candidate::new("typical", [value.clone()])],
            None if self.nullable => vec![Candidate { kind: "NULL".to_owned(), values: vec![None] }],
            None => Vec::new(),
        }
    }

    /// Candidates for a lower and an upper bound, in this order.
    pub fn ranges(&self) -> Vec<Candidate> {
        let last = self.histogram.len().saturating_sub(1);
        if last < 2 {
            return Vec::new();
        }
        let range = |kind: &str, from: usize, to: usize| {
            Candidate::new(kind, [self.histogram[from].clone(), self.histogram[to].clone()])
        };
        let middle = last / 2;
        vec![
            range("wide range", last / 10, last - last / 10),
            range("narrow range", middle, middle + 1),
            range("empty range", middle + 1, middle),
        ]
    }

    fn one_sided(&self, above: bool) -> Vec<Candidate> {
        let last = self.histogram.len() - 1;
        let at = |low: usize| if above { last - low } else { low };
        let bound = |kind: &str, at: usize| Candidate::new(kind, [self.histogram[at].clone()]);
        vec![
            bound("most of the range", at(last - last / 20)),
            bound("half of the range", at(last / 2)),
            bound("little of the range", at(last / 20)),
        ]
    }

    fn arrays(&self) -> Vec<Candidate> {
        // Rare ones first: an array of one common value is what a comparison with it is.
        let known: Vec<&String> = self.histogram.iter().chain(self.common.iter().map(|(value, _)| value)).collect();
        let mut candidates = Vec::new();
        for length in [10, LONGEST_ARRAY.min(known.len()), 1] {
            if length == 0 || length > known.len() {
                continue;
            }
            // Spread over all of them.
            let elements = (0..length).map(|index| known[index * known.len() / length].as_str());
            let kind = format!("array of {length}");
            if candidates.iter().all(|candidate: &Candidate| candidate.kind != kind) {
                candidates.push(Candidate::new(kind, [array(elements)]));
            }
        }
        candidates.push(Candidate::new("empty array", [array([])]));
        candidates
    }

    fn patterns(&self) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (kind, value) in self.typical() {
            let start: String = value.chars().take(3).collect();
            candidates.push(Candidate::new(format!("begins like {kind}"), [format!("{}%", escaped(&start))]));
        }
        if let Some((kind, value)) = self.typical().first() {
            let middle: String = value.chars().skip(1).take(3).collect();
            candidates.push(Candidate::new(format!("contains a part of {kind}"), [format!("%{}%", escaped(&middle))]));
        }
        candidates
    }
}

/// Small and large counts. They are nobody's data, so they are told.
pub fn counts(count: Count) -> Vec<Candidate> {
    let (word, counts) = match count {
        Count::Limit => ("limit", [10, 1, 1000]),
        Count::Offset => ("offset", [0, 100, 10_000]),
    };
    counts.into_iter().map(|count| Candidate::new(format!("{word} {count}"), [count.to_string()])).collect()
}

/// A share as far as it says something: `12 %`, `0.4 %`; 100 % is all of them.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 99.0 && percent < 100.0 {
        "over 99 %".to_owned()
    } else if percent >= 1.0 {
        format!("{percent:.0} %")
    } else if percent >= 0.1 {
        format!("{percent:.1} %")
    } else {
        "under 0.1 %".to_owned()
    }
}

/// An array literal, every element quoted.
fn array<'a>(elements: impl IntoIterator<Item = &'a str>) -> String {
    let quote = |element: &str| format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\""));
    format!("{{{}}}", elements.into_iter().map(quote).collect::<Vec<_>>().join(","))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(common: &[(&str, f64)], histogram: &[&str]) -> ColumnStatistics {
        ColumnStatistics {
            common: common.iter().map(|(value, share)| ((*value).to_owned(), *share)).collect(),
            histogram: histogram.iter().map(|value| (*value).to_owned()).collect(),
            nullable: true,
            absent: Some("none".to_owned()),
        }
    }

    fn told(candidates: &[Candidate]) -> Vec<String> {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
        let line =
            |one: &Candidate| format!("{}: {}", one.kind, one.values.iter().map(show).collect::<Vec<_>>().join(" "));
        candidates.iter().map(line).collect()
    }

    #[test]
    fn an_equality_gets_common_rare_and_absent_values_and_null() {
        let skewed = statistics(&[("a", 0.5), ("b", 0.124), ("c", 0.004)], &["m", "n", "o"]);
        assert_eq!(
            told(&skewed.candidates(Comparison::Equal)),
            ["most common #1, 50 %: a", "most common #2, 12 %: b", "rare: n", "absent: none", "NULL: NULL"]
        );
        let few = statistics(&[("t", 0.9), ("f", 0.0004)], &[]);
        let few = told(&few.candidates(Comparison::Equal));
        assert_eq!(few[..2], ["most common #1, 90 %: t", "most common #2, under 0.1 %: f"]);
        let unique = told(&statistics(&[], &["1", "2", "3"]).candidates(Comparison::Equal));
        assert_eq!(unique[0], "ordinary: 2");
    }

    #[test]
    fn ranges_are_wide_narrow_and_empty() {
        let bounds: Vec<String> = (0..=100).map(|bound| bound.to_string()).collect();
        let column = ColumnStatistics { histogram: bounds, ..Default::default() };
        assert_eq!(told(&column.ranges()), ["wide range: 10 90", "narrow range: 50 51", "empty range: 51 50"]);
        assert_eq!(
            told(&column.candidates(Comparison::Above)),
            ["most of the range: 5", "half of the range: 50", "little of the range: 95"]
        );
        assert_eq!(told(&column.candidates(Comparison::Below))[0], "most of the range: 95");
    }

    #[test]
    fn arrays_hold_values_with_quotes_whole() {
        let column = statistics(&[("a\"b\\c", 0.5)], &["x,y"]);
        assert_eq!(
            told(&column.candidates(Comparison::Any)),
            ["array of 2: {\"x,y\",\"a\\\"b\\\\c\"}", "array of 1: {\"x,y\"}", "empty array: {}"]
        );
    }

    #[test]
    fn patterns_have_no_wildcard_of_the_values_own() {
        let column = statistics(&[("5%_off", 0.5)], &[]);
        assert_eq!(
            told(&column.candidates(Comparison::Like)),
            ["begins like most common #1, 50 %: 5\\%\\_%", "contains a part of most common #1, 50 %: %\\%\\_o%"]
        );
    }
}
