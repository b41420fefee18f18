ALTER TABLE payments ADD COLUMN remark text;
ALTER TABLE payments ADD COLUMN payer_id bigint REFERENCES customers;
