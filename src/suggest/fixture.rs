//! Rehearsals for the tests of the forms: a schema before and after, and one statement that was measured.

use super::{StepTransaction, Suggestion, suggestions};
use crate::check::{Finding, KINDS};
use crate::migration::{Connection, Migration, SourceFile, Statement, TransactionMode};
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock};
use crate::rehearsal::Rehearsal;
use crate::report::redact::Redactor;
use crate::report::v1::Confidence;
use crate::snapshot::catalog::{
    Catalog, Column, ColumnDetail, Constraint, ConstraintDetail, Index, IndexDetail, Relation, RelationDetail,
    RelationKind,
};
use crate::snapshot::object::{TableObject, Type, TypeKind};
use crate::snapshot::{Oid, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A schema before and after a migration.
#[derive(Debug, Clone)]
pub(super) struct Db {
    before: Catalog,
    after: Catalog,
    transaction: TransactionMode,
    later: Vec<String>,
    rendered: bool,
}

impl Default for Db {
    fn default() -> Self {
        let catalog = Catalog { version: 150_018, ..Catalog::default() };
        Self {
            before: catalog.clone(),
            after: catalog,
            transaction: TransactionMode::PerMigration,
            later: Vec::new(),
            rendered: false,
        }
    }
}

/// Every step of all suggestions, with where it runs.
pub(super) fn sql(suggestions: &[Suggestion]) -> Vec<String> {
    let word = |transaction| match transaction {
        StepTransaction::Together => "together",
        StepTransaction::Own => "own",
        StepTransaction::Outside => "outside",
    };
    let steps = suggestions.iter().flat_map(|suggestion| &suggestion.steps);
    steps.map(|step| format!("{}: {}", word(step.transaction), step.sql)).collect()
}

impl Db {
    fn both(mut self, change: impl Fn(&mut Catalog)) -> Self {
        change(&mut self.before);
        change(&mut self.after);
        self
    }

    pub fn table(self, oid: Oid, schema: &str, name: &str) -> Self {
        self.both(|catalog| relation(catalog, oid, schema, name, RelationKind::Table))
    }

    pub fn column(self, table: Oid, number: i16, name: &str, type_name: &str) -> Self {
        self.both(|catalog| column(catalog, table, number, name, type_name))
    }

    pub fn new_column(mut self, table: Oid, number: i16, name: &str, type_name: &str) -> Self {
        column(&mut self.after, table, number, name, type_name);
        self
    }

    pub fn not_null(self, table: Oid, number: i16) -> Self {
        self.both(|catalog| {
            if let Some(column) = catalog.columns.get_mut(&(table, number)) {
                column.not_null = true;
            }
        })
    }

    pub fn type_of(self, table: Oid, number: i16, type_oid: Oid) -> Self {
        self.both(|catalog| {
            if let Some(detail) = catalog.column_details.get_mut(&(table, number)) {
                detail.type_oid = type_oid;
            }
        })
    }

    pub fn composite(self, oid: Oid) -> Self {
        self.of_type(oid, TypeKind::Composite(0))
    }

    pub fn domain(self, oid: Oid) -> Self {
        self.of_type(oid, TypeKind::Domain { base: "uuid".to_owned(), default: None, not_null: false })
    }

    fn of_type(self, oid: Oid, kind: TypeKind) -> Self {
        self.both(|catalog| {
            let own = Type {
                schema: "public".to_owned(),
                name: "own".to_owned(),
                qualified: "public.own".to_owned(),
                kind: kind.clone(),
                owner: String::new(),
                acl: Vec::new(),
                comment: None,
                raw: String::new(),
            };
            catalog.types.insert(oid, own);
        })
    }

    pub fn kind(self, oid: Oid, kind: RelationKind) -> Self {
        self.relation(oid, |relation, _| relation.kind = kind)
    }

    pub fn persistence(self, oid: Oid, persistence: char) -> Self {
        self.relation(oid, |relation, _| relation.persistence = persistence)
    }

    pub fn unpopulated(self, oid: Oid) -> Self {
        self.relation(oid, |_, detail| detail.populated = false)
    }

    pub fn partitioned_by(self, oid: Oid, key: &str) -> Self {
        self.relation(oid, |_, detail| detail.partition_key = Some(key.to_owned()))
    }

    pub fn heir(self, oid: Oid, parent: Oid) -> Self {
        self.relation(oid, |relation, detail| {
            relation.parent = Some(parent);
            detail.parents = vec![parent];
        })
    }

    pub fn partition(self, oid: Oid, parent: Oid, bound: &str) -> Self {
        self.relation(oid, partition(parent, bound))
    }

    pub fn attached_later(mut self, oid: Oid, parent: Oid, bound: &str) -> Self {
        change(&mut self.after, oid, &partition(parent, bound));
        self
    }

    fn relation(self, oid: Oid, with: impl Fn(&mut Relation, &mut RelationDetail)) -> Self {
        self.both(|catalog| change(catalog, oid, &with))
    }

    pub fn old_constraint(self, oid: Oid, table: Oid, name: &str, kind: char, columns: &[&str]) -> Self {
        self.both(|catalog| constraint(catalog, oid, table, name, kind, columns))
    }

    pub fn new_constraint(mut self, oid: Oid, table: Oid, name: &str, kind: char, columns: &[&str]) -> Self {
        constraint(&mut self.after, oid, table, name, kind, columns);
        self
    }

    pub fn old_index(self, oid: Oid, table: Oid, name: &str, definition: &str) -> Self {
        self.both(|catalog| index(catalog, oid, table, name, definition, None))
    }

    pub fn new_index(mut self, oid: Oid, table: Oid, name: &str, definition: &str, parent: Option<Oid>) -> Self {
        index(&mut self.after, oid, table, name, definition, parent);
        self
    }

    pub fn index_was_there(mut self, oid: Oid) -> Self {
        self.before.indexes.extend(self.after.indexes.get(&oid).cloned().map(|index| (oid, index)));
        self.before.relations.extend(self.after.relations.get(&oid).cloned().map(|relation| (oid, relation)));
        self
    }

    pub fn predicate(self, oid: Oid, predicate: &str) -> Self {
        self.both(|catalog| {
            if let Some(index) = catalog.indexes.get_mut(&oid) {
                index.predicate = Some(predicate.to_owned());
            }
        })
    }

    pub fn trigger(self, table: Oid) -> Self {
        self.both(|catalog| {
            let trigger = TableObject {
                table,
                name: "t".to_owned(),
                definition: "CREATE TRIGGER t AFTER UPDATE FOR EACH STATEMENT EXECUTE FUNCTION f()".to_owned(),
                raw: String::new(),
                enabled: 'O',
                comment: None,
                parent: None,
            };
            catalog.triggers.insert(900, trigger);
        })
    }

    pub fn version(self, version: u32) -> Self {
        self.both(|catalog| catalog.version = version)
    }

    pub fn transaction(self, transaction: TransactionMode) -> Self {
        Self { transaction, ..self }
    }

    /// Placeholders were filled in.
    pub fn rendered(self) -> Self {
        Self { rendered: true, ..self }
    }

    /// A statement behind the one that is measured.
    pub fn later(mut self, sql: &str) -> Self {
        self.later.push(sql.to_owned());
        self
    }

    /// What is suggested for a statement that took the strongest lock on these, and about which this was found.
    pub fn found(&self, sql: &str, ids: &[&str], locked: &[Oid]) -> Vec<Suggestion> {
        let all = std::iter::once(sql).chain(self.later.iter().map(String::as_str)).enumerate();
        let statement = |(at, sql): (usize, &str)| {
            let file = SourceFile { path: "1.sql".into(), name: "1.sql".to_owned(), text: sql.to_owned() };
            Statement {
                index: at + 1,
                file: Arc::new(file),
                span: 0..sql.len(),
                rendered: self.rendered.then(|| sql.to_owned()),
            }
        };
        let mut rehearsal = Rehearsal::new(Redactor { show_values: false }, Vec::new());
        rehearsal.migrations = vec![Migration {
            version: "1".to_owned(),
            name: String::new(),
            layout: "plain",
            transaction: self.transaction,
            connection: Connection::default(),
            session: Vec::new(),
            statements: all.map(statement).collect(),
            down: None,
            history: None,
        }];
        let snapshot =
            |catalog: &Catalog| Snapshot { catalog: catalog.clone().into(), sizes: BTreeMap::new(), plans: Vec::new() };
        (rehearsal.before, rehearsal.right_after) = (Some(snapshot(&self.before)), Some(snapshot(&self.after)));
        rehearsal.committed = vec![1];
        let lock = |oid: &Oid| ObservedLock {
            relation: *oid,
            name: self.before.relation_name(*oid),
            table: self.before.relation_name(*oid),
            partitions: 0,
            partitions_only: false,
            mode: LockMode::AccessExclusive,
            held_ms: 1.0,
            waited_ms: 0.0,
            exact: true,
            created_in_run: false,
            index: false,
            read_only: false,
            taken_here: true,
        };
        let locks = locked.iter().map(lock).collect();
        rehearsal.observations = vec![Observation { locks, ..Observation::of_nothing(1) }];
        let finding = |id: &&str| {
            let kind = KINDS.iter().find(|kind| kind.id == *id).expect("an id that exists");
            Finding {
                kind,
                severity: kind.severity,
                confidence: Confidence::Measured,
                message: String::new(),
                advice: String::new(),
                statement: Some(1),
                place: None,
                query: None,
                objects: Vec::new(),
                evidence: serde_json::Value::Null,
                suppressed_by: None,
            }
        };
        let findings: Vec<Finding> = ids.iter().map(finding).collect();
        suggestions(&rehearsal, &findings)
    }
}

fn partition(parent: Oid, bound: &str) -> impl Fn(&mut Relation, &mut RelationDetail) {
    move |relation, detail| {
        (relation.parent, relation.is_partition) = (Some(parent), true);
        (detail.parents, detail.partition_bound) = (vec![parent], Some(bound.to_owned()));
    }
}

fn change(catalog: &mut Catalog, oid: Oid, with: &impl Fn(&mut Relation, &mut RelationDetail)) {
    let relation = catalog.relations.get_mut(&oid).expect("a relation that is there");
    with(relation, catalog.relation_details.entry(oid).or_default());
}

fn relation(catalog: &mut Catalog, oid: Oid, schema: &str, name: &str, kind: RelationKind) {
    catalog.relations.insert(oid, Relation::new(oid, schema, name, kind));
    let detail = RelationDetail { populated: true, row_type: 100_000 + oid, ..RelationDetail::default() };
    catalog.relation_details.insert(oid, detail);
}

fn column(catalog: &mut Catalog, table: Oid, number: i16, name: &str, type_name: &str) {
    let column = Column {
        number,
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        collation: None,
    };
    catalog.columns.insert((table, number), column);
    catalog.column_details.insert((table, number), ColumnDetail { type_oid: 25, ..ColumnDetail::default() });
}

fn constraint(catalog: &mut Catalog, oid: Oid, table: Oid, name: &str, kind: char, columns: &[&str]) {
    let constraint = Constraint {
        oid,
        table: Some(table),
        name: name.to_owned(),
        kind,
        definition: String::new(),
        validated: true,
        references: None,
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        referenced_columns: Vec::new(),
        inherited: false,
    };
    catalog.constraints.insert(oid, constraint);
    catalog.constraint_details.insert(oid, ConstraintDetail::default());
}

fn index(catalog: &mut Catalog, oid: Oid, table: Oid, name: &str, definition: &str, parent: Option<Oid>) {
    let schema = catalog.relations.get(&table).map_or("public", |table| table.schema.as_str()).to_owned();
    let partitioned = definition.contains(" ON ONLY ");
    let kind = if partitioned { RelationKind::PartitionedIndex } else { RelationKind::Index };
    relation(catalog, oid, &schema, name, kind);
    let index = Index {
        oid,
        table,
        definition: definition.to_owned(),
        shape: String::new(),
        keys: Vec::new(),
        key_count: 1,
        unique: definition.starts_with("CREATE UNIQUE"),
        primary: false,
        valid: true,
        constraint: None,
        predicate: None,
        method: "btree".to_owned(),
    };
    catalog.indexes.insert(oid, index);
    catalog.index_details.insert(oid, IndexDetail { parent, ..IndexDetail::default() });
}
