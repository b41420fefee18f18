//! What each migration must do to each query, by reasoning; not copied from what the program says.

/// Hot queries, as in `queries.sql`.
pub const QUERIES: [&str; 20] = [
    "OrderById",
    "OrdersOfCustomer",
    "CountOrdersOfCustomer",
    "CountOrdersOfCustomers",
    "OpenOrdersOfCustomer",
    "LargestOrderOfCustomer",
    "LatestOrdersOfCustomer",
    "LatestOrdersOfLargestCustomer",
    "CustomerWithOrders",
    "ItemsOfCustomer",
    "OrdersOfDay",
    "CountOrdersOfMonth",
    "PageOfOrders",
    "TotalsByCountry",
    "TotalsByStatus",
    "ItemsOfOrder",
    "SalesOfProduct",
    "CountItemsOfProducts",
    "AllItems",
    "CustomerByEmail",
];

/// Verdicts from best to worst.
const VERDICTS: [&str; 11] = [
    "improved",
    "unchanged",
    "plan_changed",
    "grew_with_table",
    "transient",
    "unstable",
    "slower_same_plan",
    "over_budget",
    "regressed",
    "did_not_finish",
    "broken",
];

/// Place of a verdict from best (0) to worst.
pub fn rank(verdict: &str) -> usize {
    VERDICTS.iter().position(|known| *known == verdict).unwrap_or_else(|| panic!("unknown verdict {verdict}"))
}

/// One kind of migration.
pub struct Migration {
    /// What it is.
    pub name: &'static str,
    /// Its files.
    pub scripts: Vec<&'static str>,
    /// Nothing it does may cost a query anything once settled.
    pub neutral: bool,
    /// Verdicts allowed for some queries; all others must stay `unchanged`.
    allowed: Vec<(&'static [&'static str], &'static [&'static str])>,
}

impl Migration {
    /// Verdicts allowed for one query.
    pub fn expected(&self, query: &str) -> &'static [&'static str] {
        let named = self.allowed.iter().find(|(queries, _)| queries.contains(&query));
        named.map_or(&["unchanged"], |(_, verdicts)| verdicts)
    }
}

/// Read only an index of orders over more than 100 pages of the table: until VACUUM they read the table too.
const INDEX_ONLY_ON_ORDERS: &[&str] = &["CountOrdersOfCustomers", "CountOrdersOfMonth"];
/// Read all of orders.
const ALL_OF_ORDERS: &[&str] = &["TotalsByCountry", "TotalsByStatus"];
/// Find the few orders of one customer by the index that is dropped. `LatestOrdersOfLargestCustomer` is not among them:
/// one order in 25 is found soonest by day.
const BY_CUSTOMER: &[&str] = &[
    "OrdersOfCustomer",
    "CountOrdersOfCustomer",
    "OpenOrdersOfCustomer",
    "LargestOrderOfCustomer",
    "LatestOrdersOfCustomer",
    "CustomerWithOrders",
    "ItemsOfCustomer",
];

const TRANSIENT: &[&str] = &["transient"];
const REGRESSED: &[&str] = &["regressed"];
const GREW: &[&str] = &["grew_with_table"];
/// More blocks by the size of the table, or within the tolerance.
const MAY_GROW: &[&str] = &["unchanged", "grew_with_table"];
/// A better index may be taken, and may save too little to tell.
const NO_WORSE: &[&str] = &["improved", "unchanged", "plan_changed"];
/// Without statistics the planner takes the customer for a large one, until they are back.
const UNTIL_STATISTICS: &[&str] = &["unchanged", "grew_with_table", "transient"];

/// The 17 kinds.
pub fn migrations() -> Vec<Migration> {
    let neutral = |name, script| Migration { name, scripts: vec![script], neutral: true, allowed: Vec::new() };
    let other = |name, script, allowed| Migration { name, scripts: vec![script], neutral: false, allowed };
    vec![
        neutral("nothing", "SELECT 1;"),
        neutral("ANALYZE", "ANALYZE orders, items, customers;"),
        neutral("ADD COLUMN, nullable", "ALTER TABLE orders ADD COLUMN memo text;"),
        neutral("ADD COLUMN, constant default", "ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';"),
        neutral(
            "CHECK NOT VALID, VALIDATE",
            "ALTER TABLE orders ADD CONSTRAINT total_known CHECK (total >= 0) NOT VALID;\n\
             ALTER TABLE orders VALIDATE CONSTRAINT total_known;",
        ),
        neutral("SET NOT NULL", "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;"),
        // The column is read: its statistics are lost, its conditions get a cast, and neither costs a block.
        neutral("text to varchar", "ALTER TABLE orders ALTER COLUMN status TYPE varchar;"),
        neutral("CREATE INDEX, unrelated", "CREATE INDEX orders_note_idx ON orders (note);"),
        neutral("CREATE INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY items_price_idx ON items (price);"),
        neutral("REINDEX TABLE", "REINDEX TABLE orders;"),
        // The new table has no visibility map until the next VACUUM.
        Migration { allowed: vec![(INDEX_ONLY_ON_ORDERS, TRANSIENT)], ..neutral("VACUUM FULL", "VACUUM FULL orders;") },
        // 16 bytes more a row, a seventh of the table, for ever; and no visibility map.
        other(
            "ADD COLUMN, volatile default",
            "ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();",
            vec![
                (INDEX_ONLY_ON_ORDERS, TRANSIENT),
                (ALL_OF_ORDERS, GREW),
                (&["PageOfOrders", "OrdersOfDay", "LatestOrdersOfLargestCustomer"], MAY_GROW),
            ],
        ),
        // 8 bytes more a row, with alignment.
        other(
            "payload integer to bigint",
            "ALTER TABLE items ALTER COLUMN qty TYPE bigint;",
            vec![(&["CountItemsOfProducts"], TRANSIENT), (&["AllItems"], GREW), (&["SalesOfProduct"], MAY_GROW)],
        ),
        other(
            "indexed integer to bigint",
            "ALTER TABLE orders ALTER COLUMN customer_id TYPE bigint;",
            vec![
                (INDEX_ONLY_ON_ORDERS, TRANSIENT),
                (BY_CUSTOMER, UNTIL_STATISTICS),
                (&["LatestOrdersOfLargestCustomer"], UNTIL_STATISTICS),
                (ALL_OF_ORDERS, UNTIL_STATISTICS),
                (&["PageOfOrders", "OrdersOfDay"], MAY_GROW),
            ],
        ),
        // The table grows by the rows written again. Rows no longer lie in the order of their numbers: a page of orders
        // goes back and forth between old rows and new ones, far more than the table grew.
        other(
            "UPDATE of 30 % of the rows",
            "UPDATE orders SET note = note || '!' WHERE id % 10 < 3;",
            vec![
                (INDEX_ONLY_ON_ORDERS, TRANSIENT),
                (ALL_OF_ORDERS, GREW),
                (&["PageOfOrders"], &["slower_same_plan", "regressed"]),
                (&["OrdersOfDay", "LatestOrdersOfLargestCustomer"], MAY_GROW),
            ],
        ),
        other(
            "DROP INDEX, used",
            "DROP INDEX orders_customer_id_idx;",
            vec![(BY_CUSTOMER, REGRESSED), (&["CountOrdersOfCustomers"], REGRESSED)],
        ),
        other(
            "CREATE INDEX, useful",
            "CREATE INDEX orders_customer_id_created_idx ON orders (customer_id, created);",
            vec![
                (&["LatestOrdersOfLargestCustomer"], &["improved"]),
                (BY_CUSTOMER, NO_WORSE),
                (&["CountOrdersOfCustomers"], NO_WORSE),
            ],
        ),
    ]
}
