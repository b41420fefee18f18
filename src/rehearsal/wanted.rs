//! Which passes a run is asked for.

use crate::report::v1::PassName;

/// Passes asked for.
pub(super) struct Wanted {
    pub measure: bool,
    pub prove: bool,
    /// `None`: when a plan changed.
    pub attribute: Option<bool>,
    pub traffic: bool,
    pub queue: bool,
    pub retry: bool,
}

impl Wanted {
    pub(super) fn new(passes: &[String]) -> Self {
        let named = |name: &str| passes.iter().any(|pass| pass == name || pass == "all");
        if passes.is_empty() {
            return Self { measure: true, prove: true, attribute: None, traffic: false, queue: false, retry: false };
        }
        // Everything else compares with what the measured run saw.
        Self {
            measure: true,
            prove: named("prove"),
            attribute: Some(named("attribute")),
            traffic: named("traffic"),
            queue: named("queue"),
            retry: named("retry"),
        }
    }

    /// Every pass there is, in order, and whether it may be run.
    pub(super) fn each(&self) -> [(PassName, bool); 6] {
        let [traffic, queue, retry] = self.trials();
        [
            (PassName::Measure, self.measure),
            (PassName::Prove, self.prove),
            (PassName::Attribute, self.attribute != Some(false)),
            traffic,
            queue,
            retry,
        ]
    }

    /// Those of them that no answer needs.
    pub(super) fn trials(&self) -> [(PassName, bool); 3] {
        [(PassName::Traffic, self.traffic), (PassName::Queue, self.queue), (PassName::Retry, self.retry)]
    }
}
