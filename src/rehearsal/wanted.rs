//! Which passes a run is asked for.

use crate::report::v1::PassName;

/// Passes asked for.
pub(super) struct Wanted {
    pub measure: bool,
    pub prove: bool,
    /// `None`: when a plan changed.
    pub attribute: Option<bool>,
}

impl Wanted {
    pub(super) fn new(passes: &[String]) -> Self {
        let named = |name: &str| passes.iter().any(|pass| pass == name || pass == "all");
        if passes.is_empty() {
            return Self { measure: true, prove: true, attribute: None };
        }
        // Everything else compares with what the measured run saw.
        Self { measure: true, prove: named("prove"), attribute: Some(named("attribute")) }
    }

    /// Every pass there is, in order, and whether it may be run.
    pub(super) fn each(&self) -> [(PassName, bool); 3] {
        [
            (PassName::Measure, self.measure),
            (PassName::Prove, self.prove),
            (PassName::Attribute, self.attribute != Some(false)),
        ]
    }
}
