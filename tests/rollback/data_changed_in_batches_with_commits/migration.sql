-- no-transaction
DO $$ BEGIN FOR i IN 0..3 LOOP UPDATE big SET v = upper(w) WHERE id > i * 25 AND id <= (i + 1) * 25; COMMIT; END LOOP; END $$;
