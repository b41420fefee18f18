//! What holds migrations and hot queries to their copy, and what does not.

use super::Plan;
use crate::engine::postgres::launch::confine::{Confined, ability};
use crate::report::v1::Confinement;

/// What is in force for the servers of a run.
pub(super) fn in_force(confined: Confined) -> Vec<Confinement> {
    // The settings and the roles of every copy; the other two as its server was started.
    let mut all = vec![Confinement::NoTcpListener];
    all.extend(confined.no_network.then_some(Confinement::NoOutboundNetwork));
    all.push(Confinement::UnprivilegedRole);
    all.extend(confined.files.then_some(Confinement::FilesystemLandlock));
    all
}

/// What this machine cannot do, and what the project allows besides.
pub(super) async fn notes(plan: &Plan<'_>) -> Vec<String> {
    let missing = ability(&plan.base.binaries.postgres()).await.missing();
    let allowed = &plan.settings.extensions;
    let allowed = (!allowed.is_empty()).then(|| {
        format!(
            "extensions = {allowed:?}: creating them is allowed as to a superuser, and what they can do with a server's \
             files and connections the migration can"
        )
    });
    missing.into_iter().chain(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_holds_is_listed() {
        let listed = |files, no_network| in_force(Confined { files, no_network });
        assert_eq!(listed(false, false), [Confinement::NoTcpListener, Confinement::UnprivilegedRole]);
        assert!(!listed(true, false).contains(&Confinement::NoOutboundNetwork));
        assert!(!listed(false, true).contains(&Confinement::FilesystemLandlock));
        assert_eq!(listed(true, true).len(), 4);
    }
}
