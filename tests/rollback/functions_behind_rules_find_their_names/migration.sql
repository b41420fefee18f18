ALTER TABLE t ALTER w TYPE integer USING w::integer;
UPDATE t SET v = upper(v) WHERE id < 3;
