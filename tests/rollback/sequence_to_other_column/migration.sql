ALTER SEQUENCE customers_id_seq OWNED BY NONE; ALTER TABLE customers ADD COLUMN nr bigint; ALTER SEQUENCE customers_id_seq OWNED BY customers.nr;
