-- The order overview of the back office moved to the search service, so nobody
-- filters by status here any more. The index only costs us on every insert.

DROP INDEX shop.orders_status_placed_at_idx;
