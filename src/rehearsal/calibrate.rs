//! Asking the source how it plans the hot queries, before anything is changed on the copy.

use super::{IndexEntry, Ready, Rehearsal};
use crate::copy::origin;
use crate::diff::index::IndexChangeKind;
use crate::diff::plan::calibration::Calibration;
use crate::report::v1::Fidelity;
use std::collections::BTreeSet;

/// Compares the copy's plans from before with the source's own, where the source is a server and may be asked. A source
/// that cannot be asked now is a note, and nothing else.
pub(super) async fn calibrate(plan: &Ready<'_>, rehearsal: &mut Rehearsal) {
    let (Some(url), Some(before)) = (&plan.origin, &rehearsal.before) else { return };
    if rehearsal.queries.is_empty() || !plan.settings.calibrate {
        return;
    }
    plan.progress.say(&format!("asking {url} how it plans the hot queries (EXPLAIN, read-only)"));
    let notes = match origin::plans(url, &rehearsal.queries, plan.settings.schema.as_deref()).await {
        Ok(plans) => {
            let calibration = Calibration::between(before, &plans);
            let notes = calibration.notes();
            rehearsal.calibration = calibration;
            notes
        }
        Err(error) => vec![format!("not calibrated: {error}")],
    };
    if let Some(source) = &mut rehearsal.source {
        source.fidelity_notes.extend(notes);
    }
}

impl Rehearsal {
    /// Queries that only the source's own plans answer through this index, which the migration takes away.
    pub fn users_at_the_source(&self, index: &IndexEntry) -> Option<&BTreeSet<String>> {
        let change = &index.change;
        let gone = matches!(change.kind, IndexChangeKind::Dropped | IndexChangeKind::Redefined);
        let missed = gone && !change.table_dropped && change.replaced_by.is_none() && change.used_by_before.is_empty();
        let name = change.name_before.as_ref().unwrap_or(&change.name);
        self.calibration.used_there.get(name).filter(|_| missed)
    }
}

/// Why every plan of this copy is a prediction: its statistics are not those of the database it stands for.
pub(super) fn of_the_source(rehearsal: &Rehearsal) -> Option<&'static str> {
    match rehearsal.source.as_ref()?.fidelity {
        Fidelity::Subset => Some("the source has a part of the rows only"),
        Fidelity::Physical | Fidelity::LogicalWithStatistics | Fidelity::Logical | Fidelity::SchemaOnly => None,
    }
}
