CREATE TABLE items (id serial PRIMARY KEY, title varchar(40) NOT NULL, stock integer NOT NULL DEFAULT 0, weight numeric(6,2));
INSERT INTO items (title, stock, weight) SELECT 'item ' || i, i, i * 0.25 FROM generate_series(1, 40) i;
CREATE INDEX items_title_idx ON items (lower(title)) WHERE stock > 0;
COMMENT ON TABLE items IS 'what is sold';
CREATE VIEW in_stock AS SELECT id, title FROM items WHERE stock > 0;
