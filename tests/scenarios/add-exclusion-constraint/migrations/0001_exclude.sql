ALTER TABLE payments ADD CONSTRAINT payments_once EXCLUDE USING btree (order_id WITH =);
