-- seatrial: allow(lock/table-rewrites) the shop is closed on Sundays
ALTER TABLE orders ADD COLUMN public_id uuid NOT NULL DEFAULT gen_random_uuid();
