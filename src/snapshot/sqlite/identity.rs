//! Which object is which, from statement to statement. SQLite keeps no number that outlives a rename or a rebuild:
//! objects are followed instead, so that the rest of the program can key them by number as it does everywhere.
//!
//! A table that was renamed is found by its root page. One that was rebuilt is another table for SQLite and the same for
//! everybody who uses it: see [`Identities::rebuilt`].

use super::{Schema, same_name};
use crate::snapshot::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A table or view.
    Relation,
    /// An index.
    Index,
    /// A trigger.
    Trigger,
}

type Key = (Kind, String);

fn key(kind: Kind, name: &str) -> Key {
    (kind, name.to_ascii_lowercase())
}

/// Numbers of all objects there are now.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    last: Oid,
    now: BTreeMap<Key, Oid>,
    /// Numbers of constraints, by table and what they say; never given again.
    constraints: BTreeMap<(Oid, String), Oid>,
    /// Numbers of columns by table and name in lower case, and the highest each table ever had.
    columns: BTreeMap<Oid, (BTreeMap<String, i16>, i16)>,
    /// What took the place of something that is gone: the number it has taken over, and its own while the run was on.
    places: BTreeMap<Oid, Oid>,
}

impl Identities {
    /// Numbers everything there is.
    pub fn of(schema: &Schema) -> Self {
        let mut identities = Self::default();
        identities.follow(&Schema::default(), schema);
        identities
    }

    /// Follows one statement, from the schema before it to the one after.
    pub fn follow(&mut self, before: &Schema, after: &Schema) {
        let was = std::mem::take(&mut self.now);
        for (kind, name, root_page) in objects(after) {
            let known = was.get(&key(kind, name)).copied().or_else(|| {
                // A statement that renames leaves the file where it is.
                let gone = |old: &str| !objects(after).any(|(other, new, _)| other == kind && same_name(new, old));
                let moved = |other: Kind, page: i64| other == kind && page == root_page && page != 0;
                let (_, old, _) = objects(before).find(|(other, old, page)| moved(*other, *page) && gone(old))?;
                was.get(&key(kind, old)).copied()
            });
            let oid = known.unwrap_or_else(|| self.fresh());
            self.now.insert(key(kind, name), oid);
        }
        for (name, columns) in columned(after) {
            let Some(oid) = self.relation(name) else { continue };
            let old = columned(before).find(|(old, _)| was.get(&key(Kind::Relation, old)) == Some(&oid));
            self.number_columns(oid, old.map(|(_, columns)| columns).as_deref(), &columns);
        }
    }

    /// The same at the end of a run, given the numbers at its beginning: what bears the name of an object that is gone
    /// takes its place, with its columns by name.
    pub fn rebuilt(&self, first: &Self) -> Self {
        let mut end = self.clone();
        let alive: BTreeSet<Oid> = self.now.values().copied().collect();
        for (key, oid) in &first.now {
            let Some(now) = self.now.get(key).copied().filter(|now| now != oid && !alive.contains(oid)) else {
                continue;
            };
            end.now.insert(key.clone(), *oid);
            end.places.insert(*oid, now);
            let Some((columns, highest)) = first.columns.get(oid) else { continue };
            let (mut numbers, mut highest) = (BTreeMap::new(), *highest);
            for name in self.columns.get(&now).into_iter().flat_map(|(names, _)| names.keys()) {
                let number = columns.get(name).copied().unwrap_or_else(|| {
                    highest += 1;
                    highest
                });
                numbers.insert(name.clone(), number);
            }
            end.columns.insert(*oid, (numbers, highest));
        }
        end
    }

    /// The number under which statements saw what has taken this one's place, where something has: see [`Self::rebuilt`].
    pub fn in_place_of(&self, oid: Oid) -> Option<Oid> {
        self.places.get(&oid).copied()
    }

    /// Number of a table or view, by its name in any case.
    pub fn relation(&self, name: &str) -> Option<Oid> {
        self.get(Kind::Relation, name)
    }

    /// Number of an object, by its name in any case.
    pub fn get(&self, kind: Kind, name: &str) -> Option<Oid> {
        self.now.get(&key(kind, name)).copied()
    }

    /// Number of a column, by its name in any case.
    pub fn column(&self, table: Oid, name: &str) -> Option<i16> {
        self.columns.get(&table)?.0.get(&name.to_ascii_lowercase()).copied()
    }

    /// Number of a constraint, by its table and what it says.
    pub fn constraint(&mut self, table: Oid, definition: &str) -> Oid {
        let key = (table, definition.to_owned());
        if let Some(known) = self.constraints.get(&key) {
            return *known;
        }
        let oid = self.fresh();
        self.constraints.insert(key, oid);
        oid
    }

    fn fresh(&mut self) -> Oid {
        self.last += 1;
        self.last
    }

    fn number_columns(&mut self, oid: Oid, before: Option<&[&str]>, after: &[&str]) {
        let (known, mut highest) = self.columns.remove(&oid).unwrap_or_default();
        let mut numbers = BTreeMap::new();
        for (at, column) in after.iter().enumerate() {
            let name = column.to_ascii_lowercase();
            // Renamed: another name at the same place of a table that has as many columns as before.
            let renamed = || {
                let before = before.filter(|before| before.len() == after.len())?;
                let old = before.get(at).filter(|old| !after.iter().any(|new| same_name(new, old)))?;
                known.get(&old.to_ascii_lowercase()).copied()
            };
            let number = known.get(&name).copied().or_else(renamed).unwrap_or_else(|| {
                highest += 1;
                highest
            });
            numbers.insert(name, number);
        }
        self.columns.insert(oid, (numbers, highest));
    }
}

/// Tables and views with the names of their columns, in order.
fn columned(schema: &Schema) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let tables = schema.tables.values().map(|table| {
        (table.name.as_str(), table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>())
    });
    let views =
        schema.views.values().map(|view| (view.name.as_str(), view.columns.iter().map(String::as_str).collect()));
    tables.chain(views)
}

/// Every object with a number: what it is, its name, its root page, 0 where it has none.
fn objects(schema: &Schema) -> impl Iterator<Item = (Kind, &str, i64)> {
    let tables = schema.tables.values().map(|table| (Kind::Relation, table.name.as_str(), table.root_page));
    let views = schema.views.values().map(|view| (Kind::Relation, view.name.as_str(), 0));
    let indexes = schema.indexes.values().map(|index| (Kind::Index, index.name.as_str(), index.root_page));
    let triggers = schema.triggers.values().map(|trigger| (Kind::Trigger, trigger.name.as_str(), 0));
    tables.chain(views).chain(indexes).chain(triggers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sqlite::schema::read;

    /// Numbers at the beginning and at the end of a run.
    fn run(setup: &str, statements: &[&str]) -> (Identities, Identities) {
        let connection = rusqlite::Connection::open_in_memory().expect("memory");
        connection.execute_batch(setup).expect("setup");
        let mut before = read(&connection).expect("read");
        let first = Identities::of(&before);
        let mut now = first.clone();
        for sql in statements {
            connection.execute_batch(sql).expect(sql);
            let after = read(&connection).expect("read");
            now.follow(&before, &after);
            before = after;
        }
        let end = now.rebuilt(&first);
        (first, end)
    }

    const SETUP: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, total INT); \
                         CREATE INDEX by_total ON orders (total); CREATE TABLE other (a UNIQUE)";

    #[test]
    fn a_rename_keeps_table_columns_and_indexes() {
        let (first, end) = run(
            SETUP,
            &["ALTER TABLE orders RENAME TO purchases", "ALTER TABLE purchases RENAME COLUMN note TO remark"],
        );
        let oid = first.relation("orders").expect("orders");
        assert_eq!(end.relation("Purchases"), Some(oid));
        assert_eq!(end.relation("orders"), None);
        assert_eq!(end.column(oid, "remark"), first.column(oid, "note"));
        assert_eq!(end.get(Kind::Index, "by_total"), first.get(Kind::Index, "by_total"));
        let (first, end) = run(SETUP, &["ALTER TABLE other RENAME TO others"]);
        let index = |identities: &Identities, name: &str| identities.get(Kind::Index, name);
        assert_eq!(index(&end, "sqlite_autoindex_others_1"), index(&first, "sqlite_autoindex_other_1"));
    }

    #[test]
    fn a_rebuilt_table_takes_the_place_of_the_old_one_either_way() {
        let there_and_back = [
            "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, total REAL, note TEXT, extra)",
            "INSERT INTO new_orders SELECT id, total, note, 1 FROM orders",
            "DROP TABLE orders",
            "ALTER TABLE new_orders RENAME TO orders",
        ];
        let out_of_the_way = [
            "ALTER TABLE orders RENAME TO old_orders",
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL, note TEXT, extra)",
            "INSERT INTO orders SELECT id, total, note, 1 FROM old_orders",
            "DROP TABLE old_orders",
        ];
        for statements in [there_and_back, out_of_the_way] {
            let (first, end) = run(SETUP, &statements);
            let oid = first.relation("orders").expect("orders");
            assert_eq!(end.relation("orders"), Some(oid));
            assert!(end.in_place_of(oid).is_some_and(|now| now != oid) && first.in_place_of(oid).is_none());
            for column in ["id", "total", "note"] {
                assert_eq!(end.column(oid, column), first.column(oid, column), "{column}");
            }
            assert_eq!(end.column(oid, "extra"), Some(4));
            assert_eq!(end.get(Kind::Index, "by_total"), None);
        }
    }

    #[test]
    fn columns_that_come_and_go_never_share_a_number() {
        let (first, end) =
            run(SETUP, &["ALTER TABLE orders DROP COLUMN note", "ALTER TABLE orders ADD COLUMN note TEXT"]);
        let oid = first.relation("orders").expect("orders");
        assert_ne!(end.column(oid, "note"), first.column(oid, "note"));
        // One statement that takes a column and one that gives it are two; a swap of names is no rename of both.
        assert_eq!(end.column(oid, "total"), first.column(oid, "total"));
    }
}
