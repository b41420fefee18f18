-- Nobody filters orders by status at the counter any more.

DROP INDEX orders_status_placed_at_idx;
