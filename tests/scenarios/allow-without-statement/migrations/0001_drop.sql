-- seatrial: allow(plan/regressed) nobody asks for one customer any more
-- seatrial: allow(index/dropped-in-use) the same
DROP INDEX orders_customer_id_idx;
