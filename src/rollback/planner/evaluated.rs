//! Functions that run while rows and indexes are brought back.

use super::Plan;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::Class;

impl Plan<'_> {
    /// Whether functions people wrote stand behind rules, indexes, defaults or materialised views: those that do not say
    /// where they find what they name need the search path they were written for.
    pub(in crate::rollback) fn evaluates_functions(&self) -> bool {
        [self.before, self.after].into_iter().any(evaluates)
    }
}

fn evaluates(catalog: &Catalog) -> bool {
    catalog.dependencies.iter().any(|dependency| {
        let dependent = dependency.dependent;
        let behind = match dependent.class {
            Class::Constraint | Class::Default => true,
            // A view is asked by nobody here.
            Class::Relation => catalog.relations.get(&dependent.oid).is_some_and(|relation| {
                relation.kind != RelationKind::View && relation.kind != RelationKind::ForeignTable
            }),
            _ => false,
        };
        behind
            && dependency.referenced.class == Class::Function
            && catalog.functions.get(&dependency.referenced.oid).is_some_and(|function| {
                let says = function.definition.as_deref().unwrap_or_default();
                let finds = says.contains("\n SET search_path ");
                let compiled = says.contains("\n LANGUAGE c\n") || says.contains("\n LANGUAGE internal\n");
                !function.parsed_body && !finds && !compiled
            })
    })
}
