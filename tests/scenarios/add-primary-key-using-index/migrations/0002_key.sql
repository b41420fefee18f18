ALTER TABLE payments DROP CONSTRAINT payments_pkey, ADD PRIMARY KEY USING INDEX payments_key;
