-- seatrial: allow(lock/table-rewrite) the shop is closed on Sundays
ALTER TABLE orders ADD COLUMN public_id uuid NOT NULL DEFAULT gen_random_uuid();

ALTER TABLE payments ADD COLUMN public_id uuid NOT NULL DEFAULT gen_random_uuid();
