//! Whether a changed plan would have changed anyway: the same queries under fresh samples of their tables.

use super::{Ready, Rehearsal, RehearsalError, passes};
use crate::copy::scratch::ScratchDatabase;
use crate::diff::plan::fingerprint::Fingerprints;
use crate::diff::plan::names::Names;
use crate::diff::plan::verdict::Verdict;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::catalog;
use crate::engine::postgres::explain::CaptureOptions;
use crate::engine::postgres::session::Session;
use crate::engine::postgres::settle::resample;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::plan::{PlanCapture, PlanKey};
use crate::snapshot::{Oid, Snapshot};
use crate::workload::HotQuery;
use std::collections::BTreeSet;

/// How many samples are drawn. A plan that shows up in a fifth of all samples is seen in two runs of three.
const SAMPLES: usize = 5;

/// What is to be planned under fresh samples.
pub(super) struct Sampling {
    queries: Vec<HotQuery>,
}

impl Sampling {
    /// Queries with a plan that is another one once settled, or that does more work: rows that were changed have other
    /// statistics before long.
    pub(super) fn new(rehearsal: &Rehearsal) -> Self {
        let changed: BTreeSet<&str> = rehearsal
            .plans
            .iter()
            .filter(|change| change.diff.plan_changed() || change.diff.verdict.verdict == Verdict::SlowerSamePlan)
            .filter(|change| change.diff.settled.as_ref().is_some_and(|after| after.captured.plan().is_some()))
            .map(|change| change.diff.key.query.as_str())
            .collect();
        let queries = rehearsal.queries.iter().filter(|query| changed.contains(query.name.as_str()));
        Self { queries: queries.cloned().collect() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queries.is_empty()
    }

    /// The plans under each of several samples; those that are new are run as well. `known` is the same state as it was
    /// measured.
    pub(super) async fn run(
        &self,
        plan: &Ready<'_>,
        copy: &ScratchDatabase,
        superuser: &mut Session,
        known: Option<&Snapshot>,
    ) -> Result<Vec<Vec<PlanCapture>>, RehearsalError> {
        // Where statistics cannot be put back, every sample would stay.
        let may = superuser.abilities.has(Ability::StatisticsTransplant) && !self.is_idle();
        let Some(known) = known.filter(|_| may) else { return Ok(Vec::new()) };
        let mine: BTreeSet<&str> = self.queries.iter().map(|query| query.name.as_str()).collect();
        let plans = known.plans.iter().filter(|capture| mine.contains(capture.key.query.as_str()));
        let read: BTreeSet<_> =
            plans.clone().filter_map(|capture| capture.captured.plan()).flat_map(|plan| plan.relations()).collect();
        let oids =
            known.catalog.relations.values().filter(|relation| {
                read.iter().any(|read| read.schema == relation.schema && read.name == relation.name)
            });
        let oids: BTreeSet<Oid> = oids.map(|relation| relation.oid).collect();
        let here = named(&catalog::read(superuser).await?, &known.catalog, &oids);
        let names = Names::of(&known.catalog);
        let shape = |capture: &PlanCapture| {
            capture.captured.plan().map(|plan| (capture.key.clone(), Fingerprints::of(plan, &names).shape))
        };
        let mut seen: BTreeSet<(PlanKey, String)> = plans.filter_map(shape).collect();
        let run = passes::options(plan);
        let mut samples = Vec::new();
        resample(superuser, &here, SAMPLES, async || {
            let queries: Vec<&HotQuery> = self.queries.iter().collect();
            let only = CaptureOptions { run_reads: false, ..run };
            let mut sample = passes::capture(copy, &queries, &only, &plan.activity).await?;
            let new = sample.iter().filter(|capture| shape(capture).is_some_and(|shape| !seen.contains(&shape)));
            let new: BTreeSet<String> = new.map(|capture| capture.key.query.clone()).collect();
            let queries: Vec<&HotQuery> = self.queries.iter().filter(|query| new.contains(&query.name)).collect();
            for measured in passes::capture(copy, &queries, &run, &plan.activity).await? {
                if let Some(planned) = sample.iter_mut().find(|planned| planned.key == measured.key) {
                    seen.extend(shape(&measured));
                    *planned = measured;
                }
            }
            samples.push(sample);
            Ok::<(), RehearsalError>(())
        })
        .await?;
        Ok(samples)
    }
}

/// Relations of one catalog by their names in another: two copies give new relations other OIDs.
fn named(here: &Catalog, there: &Catalog, oids: &BTreeSet<Oid>) -> BTreeSet<Oid> {
    let names: BTreeSet<&str> =
        oids.iter().filter_map(|oid| there.relations.get(oid)).map(|relation| relation.qualified.as_str()).collect();
    let here = here.relations.values().filter(|relation| names.contains(relation.qualified.as_str()));
    here.map(|relation| relation.oid).collect()
}
