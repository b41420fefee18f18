DROP VIEW in_stock;
ALTER TABLE items RENAME TO products;
ALTER TABLE products RENAME COLUMN stock TO available;
ALTER TABLE products ALTER COLUMN available TYPE bigint, ALTER COLUMN title TYPE text, ALTER COLUMN weight SET DEFAULT 1;
DROP INDEX items_title_idx;
CREATE INDEX products_title_idx ON products (title, available);
ALTER SEQUENCE items_id_seq RENAME TO products_id_seq;
ALTER TABLE products RENAME CONSTRAINT items_pkey TO products_pkey;
CREATE VIEW in_stock AS SELECT id, title, available FROM products WHERE available > 0;
