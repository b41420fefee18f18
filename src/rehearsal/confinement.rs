//! What holds migrations and hot queries to their copy, and what does not.

use super::Plan;
use crate::engine::postgres::launch::confine::{Confined, ability};
use crate::report::v1::Confinement;

/// What is in force for the copies of a run: `None` where their server is somebody else's, whose confinement nobody knows,
/// and there a role without special rights is one that could be made for the run.
pub(super) fn in_force(confined: Option<Confined>, makes_roles: bool) -> Vec<Confinement> {
    let Some(confined) = confined else {
        return makes_roles.then_some(Confinement::UnprivilegedRole).into_iter().collect();
    };
    // The settings and the roles of every copy; the other two as its server was started.
    let mut all = vec![Confinement::NoTcpListener];
    all.extend(confined.no_network.then_some(Confinement::NoOutboundNetwork));
    all.push(Confinement::UnprivilegedRole);
    all.extend(confined.files.then_some(Confinement::FilesystemLandlock));
    all
}

/// What this machine cannot do, and what the project allows besides.
pub(super) async fn notes(plan: &Plan<'_>) -> Vec<String> {
    let missing = match plan.base.is_private() {
        true => ability(&plan.base.binaries.postgres()).await.missing(),
        false => None,
    };
    let allowed = &plan.settings.extensions;
    let allowed = (!allowed.is_empty() && plan.base.is_private()).then(|| {
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
        let listed = |files, no_network| in_force(Some(Confined { files, no_network }), true);
        assert_eq!(listed(false, false), [Confinement::NoTcpListener, Confinement::UnprivilegedRole]);
        assert!(!listed(true, false).contains(&Confinement::NoOutboundNetwork));
        assert!(!listed(false, true).contains(&Confinement::FilesystemLandlock));
        assert_eq!(listed(true, true).len(), 4);
        assert_eq!(in_force(None, true), [Confinement::UnprivilegedRole]);
        assert_eq!(in_force(None, false), []);
    }
}
