//! What may be done on the server a copy is on. Whoever measures asks for these, never for the kind of server.

/// One thing that not every server lets us do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// The observers are superusers, and the migration's role is another one.
    Superuser,
    /// The server is ours alone: nobody else works on it, and it ends with the copy.
    PrivateServer,
    /// A further copy takes about as long as copying files.
    CheapCopy,
    /// No autovacuum works on the copy but when told to.
    OwnAutovacuum,
    /// Statistics of columns can be taken out and put back (`pg_statistic`).
    StatisticsTransplant,
    /// Event triggers of the source are part of the copy, and keep still for the observers.
    EventTriggers,
    /// Every system catalog can be read, `pg_authid` and the like included.
    CatalogRead,
    /// Settings of the server can be chosen for each copy.
    ServerSettings,
    /// Files of the server can be read, its log for one.
    Files,
    /// Commits can be made to stand still, told by the titles of processes.
    StopsCommits,
}

impl Ability {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::Superuser,
        Self::PrivateServer,
        Self::CheapCopy,
        Self::OwnAutovacuum,
        Self::StatisticsTransplant,
        Self::EventTriggers,
        Self::CatalogRead,
        Self::ServerSettings,
        Self::Files,
        Self::StopsCommits,
    ];

    /// Why something cannot be done without it, as the end of a sentence.
    pub fn lacking(self) -> &'static str {
        match self {
            Self::Superuser => "the user it logs in as is no superuser there",
            Self::PrivateServer => {
                "the server of the copies is not its own: what others do there would be measured too"
            }
            Self::CheapCopy => "each copy costs as much as the first",
            Self::OwnAutovacuum => "autovacuum of that server may draw statistics anew at any time",
            Self::StatisticsTransplant => "the user it logs in as may not write pg_statistic",
            Self::EventTriggers => "the user it logs in as may not make event triggers",
            Self::CatalogRead => "the user it logs in as may not read every system catalog (pg_authid for one)",
            Self::ServerSettings => "settings of that server are not its own to change",
            Self::Files => "files of that server, its log for one, are out of reach",
            Self::StopsCommits => "commits cannot be made to stand still on a server of others",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities(u16);

impl Abilities {
    /// A server of this run's own.
    pub const PRIVATE: Self = Self::of(&Ability::ALL);

    /// A superuser on a server of others, where copies are made of a template.
    pub const SUPERUSER: Self = Self::of(&[
        Ability::Superuser,
        Ability::CheapCopy,
        Ability::StatisticsTransplant,
        Ability::EventTriggers,
        Ability::CatalogRead,
    ]);

    /// An ordinary user on a server of others, where copies are made of a template.
    pub const ORDINARY: Self = Self::of(&[Ability::CheapCopy]);

    /// These.
    pub const fn of(abilities: &[Ability]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < abilities.len() {
            bits |= abilities[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// All of these but one.
    pub const fn without(self, ability: Ability) -> Self {
        Self(self.0 & !ability.bit())
    }

    /// Whether this one is among them.
    pub const fn has(self, ability: Ability) -> bool {
        self.0 & ability.bit() != 0
    }

    /// The first of `needed` that is not among them.
    pub fn missing(self, needed: &[Ability]) -> Option<Ability> {
        needed.iter().copied().find(|ability| !self.has(*ability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        for ability in Ability::ALL {
            assert!(Abilities::PRIVATE.has(ability), "{ability:?}");
            assert!(Abilities::of(&[ability]).has(ability), "{ability:?}");
            assert!(!Abilities::PRIVATE.without(ability).has(ability), "{ability:?}");
            assert_eq!(Abilities::of(&[]).missing(&[ability]), Some(ability));
        }
        assert_eq!(Abilities::PRIVATE.missing(&Ability::ALL), None);
        assert!(!Abilities::SUPERUSER.has(Ability::PrivateServer) && !Abilities::ORDINARY.has(Ability::CatalogRead));
    }
}
