//! How true a copy is to its source: a grade, and what was lost on the way. Decided where a base is made.

use serde::{Deserialize, Serialize};

/// How much of the source a base has; a lesser one comes first. No grade is better than what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// No rows.
    SchemaOnly,
    /// Some of the rows, or other values than in production.
    Subset,
    /// All rows; statistics were gathered anew.
    Logical,
    /// All rows, and the source's own statistics.
    LogicalWithStatistics,
    /// The same files.
    Physical,
}

impl Grade {
    /// The contract's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SchemaOnly => "schema_only",
            Self::Subset => "subset",
            Self::Logical => "logical",
            Self::LogicalWithStatistics => "logical_with_statistics",
            Self::Physical => "physical",
        }
    }

    /// What copies of this grade lack, a line for each loss.
    pub fn losses(self) -> &'static [&'static str] {
        const FILES: &str = "restored from a dump: bloat and physical row order of the original are gone";
        match self {
            Self::Physical => &[],
            Self::LogicalWithStatistics => {
                &[FILES, "the planner's statistics are the source's; sizes of tables and indexes are this copy's own"]
            }
            Self::Logical => {
                &[FILES, "the planner's statistics were gathered on this copy: the dump does not hold the source's"]
            }
            Self::Subset => &[
                FILES,
                "a subset, or changed values: row counts, durations, statistics and plans are not production's, and rows \
                 that break a migration may be missing",
            ],
            Self::SchemaOnly => {
                &["no rows: durations and plans say nothing about production, and no row can break a migration here"]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::v1::Fidelity;

    #[test]
    fn every_grade_has_its_name_in_the_report_and_says_what_is_lost() {
        let all = [Grade::SchemaOnly, Grade::Subset, Grade::Logical, Grade::LogicalWithStatistics, Grade::Physical];
        assert!(all.is_sorted());
        for grade in all {
            assert!(Fidelity::from_name(grade.name()).is_some(), "{}", grade.name());
            assert_eq!(grade.losses().is_empty(), grade == Grade::Physical, "{}", grade.name());
        }
        assert_eq!(all.len(), Fidelity::ALL.len());
    }
}
