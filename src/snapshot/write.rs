//! What one execution of a query that writes did: counts, never values.

/// What happened to the rows of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableWrites {
    /// Qualified name; for a partition that of the topmost table.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated, heap-only ones included.
    pub updated: u64,
    /// Of these, updates that wrote no index entry (HOT).
    pub hot_updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Indexes that are kept up to date.
    pub indexes: u64,
    /// Some of them do not get an entry for every row: partial ones, and BRIN.
    pub selective: bool,
}

impl TableWrites {
    /// Entries for rows that need one in each index: inserts, and updates that were not HOT.
    fn index_entries(&self) -> u64 {
        (self.inserted + self.updated.saturating_sub(self.hot_updated)) * self.indexes
    }
}

/// One warm execution of a query that writes, taken back afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Write {
    /// Write-ahead log in bytes, page images left out; what AFTER triggers and foreign keys write is not in it.
    pub wal_bytes: u64,
    /// Its records.
    pub wal_records: u64,
    /// Blocks touched.
    pub buffers: u64,
    /// Tables whose rows changed, by triggers and foreign keys as well.
    pub tables: Vec<TableWrites>,
}

impl Write {
    /// Rows inserted, updated and deleted.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.inserted + table.updated + table.deleted).sum()
    }

    /// Updates that wrote no index entry.
    pub fn hot_updates(&self) -> u64 {
        self.tables.iter().map(|table| table.hot_updated).sum()
    }

    /// Index entries written: one in each index for every row inserted or moved.
    pub fn index_entries(&self) -> u64 {
        self.tables.iter().map(TableWrites::index_entries).sum()
    }

    /// Whether [`Write::index_entries`] is an upper bound.
    pub fn at_most(&self) -> bool {
        self.tables.iter().any(|table| table.selective && table.index_entries() > 0)
    }

    /// Names of the tables, each once, sorted.
    pub fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tables.iter().map(|table| table.table.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_and_updates_that_are_not_hot_write_one_entry_to_each_index() {
        let orders = TableWrites {
            table: "public.orders".to_owned(),
            inserted: 2,
            updated: 5,
            hot_updated: 4,
            deleted: 7,
            indexes: 3,
            selective: false,
        };
        let audit =
            TableWrites { table: "public.audit".to_owned(), inserted: 1, selective: true, ..Default::default() };
        let mut write = Write { tables: vec![orders, audit], ..Default::default() };
        assert_eq!((write.rows(), write.hot_updates(), write.index_entries()), (15, 4, 9));
        assert!(!write.at_most(), "a table without indexes bounds nothing");
        write.tables[1].indexes = 1;
        assert_eq!((write.index_entries(), write.at_most()), (10, true));
        assert_eq!(write.table_names(), ["public.audit", "public.orders"]);
    }
}
