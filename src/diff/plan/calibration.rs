//! Whether the source plans the hot queries as the copy did before anything was changed: where it does not, what happens
//! on the copy is a prediction for it. Pure.

use super::fingerprint::{Fingerprints, access_by_alias};
use super::names::Names;
use crate::snapshot::Snapshot;
use crate::snapshot::plan::{IndexUse, PlanCapture, PlanKey, QueryPlan};
use std::collections::{BTreeMap, BTreeSet};

/// What asking the source showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calibration {
    /// Plans that both sides have, and that are the same.
    pub same: usize,
    /// Plans that differ, with what is different.
    pub differing: BTreeMap<PlanKey, String>,
    /// Plans the copy has and the source refused to make.
    pub refused: usize,
    /// Queries by the indexes the source's plans of them go through and the copy's do not; qualified names.
    pub used_there: BTreeMap<String, BTreeSet<String>>,
}

impl Calibration {
    /// Compares the plans a copy made before anything was changed with those of its source. Costs do not count: a restored
    /// copy is denser than its original.
    pub fn between(before: &Snapshot, there: &[PlanCapture]) -> Self {
        let names = Names::of(&before.catalog);
        let there: BTreeMap<&PlanKey, &PlanCapture> = there.iter().map(|capture| (&capture.key, capture)).collect();
        let mut calibration = Self::default();
        for capture in &before.plans {
            let Some(here) = capture.captured.plan() else { continue };
            let Some(there) = there.get(&capture.key).and_then(|capture| capture.captured.plan()) else {
                calibration.refused += 1;
                continue;
            };
            if Fingerprints::of(here, &names).shape == Fingerprints::of(there, &names).shape {
                calibration.same += 1;
            } else {
                calibration.differing.insert(capture.key.clone(), difference(here, there, &names));
                let used: BTreeSet<IndexUse> = here.indexes().into_iter().collect();
                for only_there in there.indexes().into_iter().filter(|index| !used.contains(index)) {
                    let queries = calibration.used_there.entry(only_there.index.qualified()).or_default();
                    queries.insert(capture.key.query.clone());
                }
            }
        }
        calibration
    }

    /// For people, one line each.
    pub fn notes(&self) -> Vec<String> {
        let compared = self.same + self.differing.len();
        let plans = |number: usize| if number == 1 { "1 plan".to_owned() } else { format!("{number} plans") };
        let mut notes = Vec::new();
        match (compared, self.differing.len()) {
            (0, _) => {}
            (all, 0) => notes.push(format!("calibrated: the source makes the same {} of hot queries", plans(all))),
            (all, some) => notes.push(format!(
                "calibrated: of {} of hot queries the source makes {some} in another way: what is said of {} is a \
                 prediction",
                plans(all),
                if some == 1 { "it" } else { "them" }
            )),
        }
        if self.refused > 0 {
            notes.push(format!("calibrated: the source refused to make {} of hot queries", plans(self.refused)));
        }
        notes
    }
}

/// The first table that is reached in another way, or that only the tree differs.
fn difference(here: &QueryPlan, there: &QueryPlan, names: &Names) -> String {
    let (here, there) = (access_by_alias(here, names), access_by_alias(there, names));
    let other = there.iter().find_map(|(alias, there)| {
        let here = here.get(alias)?;
        let table = there.relation.as_deref().unwrap_or(alias);
        (here.access != there.access)
            .then(|| format!("the source reads {table} by {}, the copy by {}", there.title, here.title))
    });
    other.unwrap_or_else(|| "the source joins or sorts its rows in another way than the copy".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::plan::{Captured, PlanMode};

    fn capture(query: &str, plan: Option<&str>) -> PlanCapture {
        let captured = match plan {
            Some(text) => Captured::Planned(QueryPlan::from_explain_json(text).expect("a plan")),
            None => Captured::Failed { sqlstate: "42501".to_owned(), message: "permission denied".to_owned() },
        };
        let key = PlanKey { query: query.to_owned(), parameter_set: String::new(), mode: PlanMode::Custom };
        PlanCapture { key, captured }
    }

    const INDEX_SCAN: &str = include_str!("../../../tests/plans/15/index_scan.json");
    const SEQ_SCAN: &str = include_str!("../../../tests/plans/15/seq_scan.json");
    const HASH_JOIN: &str = include_str!("../../../tests/plans/15/hash_join.json");

    #[test]
    fn what_differs_is_told_and_costs_do_not_count() {
        let cheaper = INDEX_SCAN.replace("\"Total Cost\": 4", "\"Total Cost\": 9");
        assert_ne!(cheaper, INDEX_SCAN);
        let merge_join = HASH_JOIN.replace("\"Hash Join\"", "\"Merge Join\"");
        let before = Snapshot {
            catalog: Default::default(),
            sizes: BTreeMap::new(),
            plans: vec![
                capture("same", Some(INDEX_SCAN)),
                capture("scan", Some(INDEX_SCAN)),
                capture("join", Some(HASH_JOIN)),
                capture("closed", Some(INDEX_SCAN)),
                capture("broken here", None),
            ],
        };
        let there = [
            capture("same", Some(&cheaper)),
            capture("scan", Some(SEQ_SCAN)),
            capture("join", Some(&merge_join)),
            capture("closed", None),
            capture("broken here", Some(INDEX_SCAN)),
        ];
        let calibration = Calibration::between(&before, &there);
        assert_eq!((calibration.same, calibration.refused), (1, 1));
        let told: Vec<String> =
            calibration.differing.iter().map(|(key, why)| format!("{}: {why}", key.query)).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0], "join: the source joins or sorts its rows in another way than the copy");
        assert!(
            told[1].starts_with("scan: the source reads public.orders by Seq Scan, the copy by Bitmap"),
            "{told:?}"
        );
        assert_eq!(calibration.used_there, BTreeMap::new(), "a scan of the table goes through none");
        let back = Calibration::between(
            &Snapshot { plans: vec![capture("scan", Some(SEQ_SCAN))], ..before.clone() },
            &[capture("scan", Some(INDEX_SCAN))],
        );
        let used: Vec<&String> = back.used_there.keys().collect();
        assert_eq!(used, ["public.orders_customer_id_idx"]);
        let notes = calibration.notes();
        assert!(notes[0].contains("of 3 plans of hot queries the source makes 2 in another way"), "{notes:?}");
        assert!(notes[1].contains("refused to make 1 plan"), "{notes:?}");
        assert_eq!(Calibration::default().notes(), Vec::<String>::new());
    }
}
