-- seatrial: allow(lock/table-rewrite) the shop is closed on Sundays
ALTER TABLE orders ADD COLUMN region text;
