ALTER TABLE codes ADD CONSTRAINT codes_code_key UNIQUE USING INDEX codes_code_idx;
ALTER TABLE codes ADD CONSTRAINT codes_pkey PRIMARY KEY USING INDEX codes_id_idx;
