//! What each pass needs of the server its copies are on, and which weaker ways are taken where something is lacking.

use crate::engine::postgres::abilities::{Abilities, Ability};
use crate::report::v1::PassName;

/// What a pass cannot do without: it does not run otherwise, and its answer is unknown.
pub(super) fn needs(pass: PassName) -> &'static [Ability] {
    match pass {
        // All there is to see can be seen by anybody, in weaker ways if need be.
        PassName::Measure | PassName::Attribute => &[],
        // What comes back is compared with every row of every catalog.
        PassName::Prove | PassName::Retry => &[Ability::CatalogRead],
        // Connections by the dozen, and times that others would be part of.
        PassName::Traffic | PassName::Queue => &[Ability::PrivateServer, Ability::ServerSettings],
    }
}

/// What safer forms need: they have to come to the same, by the same comparison.
pub(super) const SAFER: &[Ability] = &[Ability::CatalogRead];

/// What the measuring of writes needs: page images are off there.
pub(super) const WRITES: &[Ability] = &[Ability::ServerSettings];

/// Why something cannot be done with these abilities, if so.
pub(super) fn lacking(abilities: Abilities, needed: &[Ability]) -> Option<String> {
    abilities.missing(needed).map(|ability| format!("it cannot be done there: {}", ability.lacking()))
}

/// The weaker ways that are taken with these abilities, for people.
pub(super) fn weaker(abilities: Abilities) -> Vec<String> {
    let ways = [
        (
            Ability::StopsCommits,
            "locks of statements that commit by themselves (CONCURRENTLY and the like) are sampled",
        ),
        (Ability::PrivateServer, "bytes of WAL and times may include what others did on the server meanwhile"),
        (
            Ability::StatisticsTransplant,
            "columns that lost their statistics got a fresh sample, and changed plans were not tried under other samples",
        ),
        (
            Ability::EventTriggers,
            "event triggers of the source are missing on the copy, or fire for Seatrial's own sessions as well",
        ),
    ];
    let lacking = ways.into_iter().filter(|(ability, _)| !abilities.has(*ability));
    lacking.map(|(ability, way)| format!("{way}: {}", ability.lacking())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_its_own_lacks_nothing() {
        assert!(weaker(Abilities::PRIVATE).is_empty());
        for pass in [
            PassName::Measure,
            PassName::Prove,
            PassName::Attribute,
            PassName::Traffic,
            PassName::Queue,
            PassName::Retry,
        ] {
            assert_eq!(lacking(Abilities::PRIVATE, needs(pass)), None);
        }
    }

    #[test]
    fn what_an_ordinary_user_cannot_prove_is_not_proven() {
        let why = lacking(Abilities::ORDINARY, needs(PassName::Prove)).expect("it cannot");
        assert!(why.contains("pg_authid"), "{why}");
        assert_eq!(lacking(Abilities::SUPERUSER, needs(PassName::Prove)), None);
        assert!(lacking(Abilities::SUPERUSER, needs(PassName::Traffic)).is_some());
        assert!(weaker(Abilities::ORDINARY).len() > weaker(Abilities::SUPERUSER).len());
    }
}
