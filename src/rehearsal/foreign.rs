//! Foreign tables: no copy reaches another server or a file of the machine, by design. What touches one fails there and
//! says nothing about production. Pure.

use super::Rehearsal;
use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::Class;
use crate::snapshot::plan::Captured;
use crate::workload::HotQuery;
use std::collections::BTreeSet;

/// Something out of a copy's reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OutOfReach {
    /// Qualified names of the foreign tables; empty where only the error tells that another server was asked.
    pub tables: Vec<String>,
}

impl OutOfReach {
    /// `the foreign table public.rates`, `the foreign tables a and b`, `another server`.
    pub fn what(&self) -> String {
        match self.tables.as_slice() {
            [] => "another server".to_owned(),
            [one] => format!("the foreign table {one}"),
            some => format!("the foreign tables {}", crate::report::human::list(some)),
        }
    }
}

/// What the failing statement reached for in vain; `None` when it failed for a reason of its own, or did not fail.
pub(crate) fn failure(rehearsal: &Rehearsal) -> Option<OutOfReach> {
    let failure = rehearsal.failure.as_ref()?;
    let sql = rehearsal.sql(failure.statement).unwrap_or_default();
    let context = failure.error.context.as_deref().unwrap_or_default();
    out_of_reach(rehearsal, &failure.error.sqlstate, &failure.error.message, &[sql, context])
}

/// What a hot query reached for in vain, before the migration or after it.
pub(crate) fn query(rehearsal: &Rehearsal, query: &HotQuery) -> Option<OutOfReach> {
    let snapshots = [&rehearsal.before, &rehearsal.right_after, &rehearsal.settled];
    let captures = snapshots.into_iter().flatten().flat_map(|snapshot| &snapshot.plans);
    // Most queries fail nowhere, and names are longer to compare.
    let refused = captures.filter_map(|capture| match &capture.captured {
        Captured::Failed { sqlstate, message } => Some((&capture.key.query, sqlstate, message)),
        _ => None,
    });
    refused
        .filter(|(name, ..)| **name == query.name)
        .find_map(|(_, sqlstate, message)| out_of_reach(rehearsal, sqlstate, message, &[&query.sql]))
}

fn out_of_reach(rehearsal: &Rehearsal, sqlstate: &str, message: &str, texts: &[&str]) -> Option<OutOfReach> {
    let sign = Sign::of(sqlstate, message)?;
    let mut tables = BTreeSet::new();
    for snapshot in [&rehearsal.before, &rehearsal.right_after].into_iter().flatten() {
        tables.extend(foreign_tables(&snapshot.catalog, texts));
    }
    // A file that is missing may as well be the statement's own, as in COPY.
    let certain = sign == Sign::Server || !tables.is_empty();
    certain.then(|| OutOfReach { tables: tables.into_iter().collect() })
}

/// What an error says about where it comes from.
#[derive(Debug, PartialEq, Eq)]
enum Sign {
    /// Only reaching for another server ends like this.
    Server,
    /// A foreign table may, other things too.
    Perhaps,
}

impl Sign {
    fn of(sqlstate: &str, message: &str) -> Option<Self> {
        match sqlstate {
            // postgres_fdw and dblink refuse to go without a password, and copies have none.
            "2F003" | "HV000" | "HV00N" => Some(Sign::Server),
            state if state.starts_with("08") => Some(Sign::Server),
            "58P01" if message.starts_with("could not open file") => Some(Sign::Perhaps),
            "42704" if message.starts_with("user mapping not found") => Some(Sign::Perhaps),
            _ => None,
        }
    }
}

/// Foreign tables that texts name; where they name none, those behind what they name: partitions, views, functions,
/// triggers.
fn foreign_tables(catalog: &Catalog, texts: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    texts.iter().for_each(|text| collect_names(text, &mut names));
    let mut seen: BTreeSet<Oid> = BTreeSet::new();
    let mut read: BTreeSet<Oid> = BTreeSet::new();
    loop {
        let found: BTreeSet<String> = seen
            .iter()
            .chain(catalog.relations.values().filter(|each| names.contains(&each.name)).map(|each| &each.oid))
            .filter_map(|oid| catalog.relations.get(oid))
            .filter(|relation| relation.kind == RelationKind::ForeignTable)
            .map(|relation| relation.qualified.clone())
            .collect();
        if !found.is_empty() {
            return found;
        }
        let before = (seen.len(), read.len());
        seen.extend(catalog.relations.values().filter(|each| names.contains(&each.name)).map(|each| each.oid));
        let heirs = catalog.relations.values().filter(|each| each.parent.is_some_and(|parent| seen.contains(&parent)));
        let heirs: Vec<Oid> = heirs.map(|each| each.oid).collect();
        let behind: Vec<Oid> = catalog
            .dependencies
            .iter()
            .filter(|each| each.dependent.class == Class::Relation && each.referenced.class == Class::Relation)
            .filter(|each| seen.contains(&each.dependent.oid))
            .map(|each| each.referenced.oid)
            .collect();
        seen.extend(heirs);
        seen.extend(behind);
        for (oid, trigger) in catalog.triggers.iter().filter(|(_, trigger)| seen.contains(&trigger.table)) {
            if read.insert(*oid) {
                collect_names(&trigger.definition, &mut names);
            }
        }
        let called: Vec<Oid> =
            catalog.functions.iter().filter(|(_, each)| names.contains(&each.name)).map(|(oid, _)| *oid).collect();
        for oid in called {
            if read.insert(oid)
                && let Some(definition) = catalog.functions.get(&oid).and_then(|function| function.definition.as_ref())
            {
                collect_names(definition, &mut names);
            }
        }
        if before == (seen.len(), read.len()) {
            return BTreeSet::new();
        }
    }
}

/// Every name in a text, what stands in its strings included: bodies of functions and of DO are strings.
fn collect_names(text: &str, names: &mut BTreeSet<String>) {
    for token in Lexer::new(text) {
        let written = &text[token.span];
        let inner = match token.kind {
            TokenKind::Word => {
                names.insert(written.to_lowercase());
                continue;
            }
            TokenKind::QuotedIdentifier => {
                let name = written.trim_start_matches(['U', 'u', '&']).trim_matches('"');
                names.insert(name.replace("\"\"", "\""));
                name
            }
            TokenKind::String => written.trim_start_matches(|c| c != '\'').trim_matches('\''),
            TokenKind::DollarString => {
                let tag = written.get(1..).and_then(|rest| rest.find('$')).map_or(0, |end| end + 2);
                written.get(tag..written.len().saturating_sub(tag)).unwrap_or_default()
            }
            _ => continue,
        };
        // Shorter than what surrounds it, so this ends.
        if inner.len() < text.len() {
            collect_names(inner, names);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::snapshot::catalog::Relation;
    use crate::snapshot::object::{Address, Dependency, Function, TableObject};

    fn relation(oid: Oid, name: &str, kind: RelationKind, parent: Option<Oid>) -> Relation {
        Relation { parent, is_partition: parent.is_some(), ..Relation::new(oid, "public", name, kind) }
    }

    /// `orders` is partitioned with one part elsewhere, `quotes` a view of `rates`, and writing to `events` fires a
    /// function that reads it.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        for each in [
            relation(1, "rates", RelationKind::ForeignTable, None),
            relation(2, "orders", RelationKind::PartitionedTable, None),
            relation(3, "Old Orders", RelationKind::ForeignTable, Some(2)),
            relation(4, "quotes", RelationKind::View, None),
            relation(5, "events", RelationKind::Table, None),
            relation(6, "users", RelationKind::Table, None),
        ] {
            catalog.relations.insert(each.oid, each);
        }
        catalog.dependencies.push(Dependency {
            dependent: Address::relation(4),
            referenced: Address::relation(1),
            kind: 'n',
        });
        catalog.functions.insert(
            7,
            Function {
                schema: "public".to_owned(),
                name: "price".to_owned(),
                identity: String::new(),
                arguments: String::new(),
                kind: 'f',
                definition: Some("CREATE FUNCTION public.price() AS $f$ SELECT max(rate) FROM rates $f$".to_owned()),
                owner: String::new(),
                acl: Vec::new(),
                comment: None,
                raw: String::new(),
                signature: Default::default(),
                parsed_body: false,
            },
        );
        catalog.triggers.insert(
            8,
            TableObject {
                table: 5,
                name: "priced".to_owned(),
                definition: "CREATE TRIGGER priced BEFORE INSERT ON public.events EXECUTE FUNCTION price()".to_owned(),
                raw: String::new(),
                enabled: 'O',
                comment: None,
                parent: None,
            },
        );
        catalog
    }

    #[test]
    fn a_foreign_table_is_found_by_name_or_behind_what_is_named() {
        for (sql, found) in [
            ("SELECT * FROM rates", "public.rates"),
            ("UPDATE RATES SET rate = 1", "public.rates"),
            ("SELECT count(*) FROM orders", "public.\"Old Orders\""),
            ("SELECT * FROM \"Old Orders\"", "public.\"Old Orders\""),
            ("SELECT * FROM quotes", "public.rates"),
            ("DO $$ BEGIN EXECUTE 'DELETE FROM rates'; END $$", "public.rates"),
            ("SELECT price()", "public.rates"),
            ("INSERT INTO events VALUES (1)", "public.rates"),
        ] {
            assert_eq!(foreign_tables(&catalog(), &[sql]).into_iter().collect::<Vec<_>>(), [found], "{sql}");
        }
        assert!(foreign_tables(&catalog(), &["SELECT * FROM users -- rates"]).is_empty());
    }

    #[test]
    fn what_the_server_says_tells_reaching_out_from_failing() {
        assert_eq!(Sign::of("2F003", "password is required"), Some(Sign::Server));
        assert_eq!(Sign::of("08001", "could not connect to server \"far\""), Some(Sign::Server));
        let missing = "could not open file \"/nonexistent\" for reading: No such file or directory";
        assert_eq!(Sign::of("58P01", missing), Some(Sign::Perhaps));
        assert_eq!(Sign::of("58P01", "could not access file \"$libdir/x\": No such file or directory"), None);
        assert_eq!(Sign::of("23505", "duplicate key"), None);
        assert_eq!(Sign::of("HV00D", "invalid option \"x\""), None);
    }

    #[test]
    fn a_missing_file_of_a_statement_of_its_own_is_its_own_failure() {
        let mut rehearsal = Rehearsal::new(crate::report::redact::Redactor { show_values: false }, Vec::new());
        rehearsal.before =
            Some(crate::snapshot::Snapshot { catalog: catalog().into(), sizes: Default::default(), plans: Vec::new() });
        let missing = "could not open file \"/data/x.csv\" for reading: No such file or directory";
        assert_eq!(out_of_reach(&rehearsal, "58P01", missing, &["COPY users FROM '/data/x.csv'"]), None);
        let found = out_of_reach(&rehearsal, "58P01", missing, &["TABLE rates"]).unwrap();
        assert_eq!(found.what(), "the foreign table public.rates");
        let unnamed = out_of_reach(&rehearsal, "08001", "could not establish connection", &["SELECT dblink('x')"]);
        assert_eq!(unnamed.unwrap().what(), "another server");
    }
}
