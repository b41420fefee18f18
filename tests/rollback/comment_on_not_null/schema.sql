CREATE TABLE t (id integer CONSTRAINT needed NOT NULL, note text);
INSERT INTO t VALUES (1, 'b');
DO $$ BEGIN
    -- A constraint of its own only from version 18 on.
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'needed') THEN
        COMMENT ON CONSTRAINT needed ON t IS 'every row has one';
    END IF;
END $$;
