CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO customers VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 5) PRIMARY KEY,
    customer_id int REFERENCES customers ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    note text COLLATE "C" DEFAULT 'none', amount numeric(8,2) CHECK (amount >= 0) NO INHERIT,
    doubled numeric GENERATED ALWAYS AS (amount * 2) STORED) WITH (fillfactor = 80, toast.autovacuum_enabled = false);
CREATE INDEX orders_customer_idx ON orders (customer_id) INCLUDE (amount) WITH (fillfactor = 70);
CREATE UNIQUE INDEX orders_note ON orders (note, id); ALTER TABLE orders CLUSTER ON orders_customer_idx;
ALTER TABLE orders REPLICA IDENTITY FULL; ALTER TABLE orders ALTER note SET STATISTICS 300, ALTER note SET STORAGE EXTERNAL, ALTER customer_id SET (n_distinct = -0.5);
CREATE STATISTICS orders_stats (dependencies) ON customer_id, amount FROM orders;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE OF note ON orders FOR EACH ROW WHEN (NEW.note <> OLD.note) EXECUTE FUNCTION touch();
ALTER TABLE orders DISABLE TRIGGER touched;
CREATE RULE quiet AS ON DELETE TO orders WHERE OLD.id < 0 DO INSTEAD NOTHING;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON orders FOR SELECT TO reader USING (amount > 0);
GRANT SELECT ON orders TO reader; GRANT UPDATE (note) ON orders TO writer WITH GRANT OPTION;
COMMENT ON TABLE orders IS 'bought'; COMMENT ON COLUMN orders.note IS 'said'; COMMENT ON INDEX orders_note IS 'index';
COMMENT ON CONSTRAINT orders_amount_check ON orders IS 'check'; COMMENT ON TRIGGER touched ON orders IS 'trigger';
COMMENT ON RULE quiet ON orders IS 'rule'; COMMENT ON POLICY own ON orders IS 'policy'; COMMENT ON STATISTICS orders_stats IS 'statistics';
INSERT INTO orders (customer_id, note, amount) SELECT i % 3 + 1, 'n' || i, i FROM generate_series(1, 30) i;
