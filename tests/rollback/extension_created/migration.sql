CREATE EXTENSION pgcrypto; ALTER TABLE orders ADD COLUMN token text DEFAULT encode(gen_random_bytes(4), 'hex');
CREATE FUNCTION token() RETURNS text LANGUAGE sql AS $$ SELECT encode(public.gen_random_bytes(4), 'hex') $$;
