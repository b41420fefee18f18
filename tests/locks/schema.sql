-- The shop every statement of these files is run on. All of it belongs to the role that migrates.
CREATE SCHEMA attic;
GRANT ALL ON SCHEMA attic TO archivist;
CREATE TYPE mood AS ENUM ('calm', 'busy');
CREATE DOMAIN pieces AS int;
CREATE DOMAIN percentage AS int CHECK (VALUE BETWEEN 0 AND 100);

CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email varchar(80) NOT NULL,
    country text,
    note text
);
INSERT INTO customers (email, country) SELECT 'c' || g || '@example.org', 'country ' || g % 9 FROM generate_series(1, 200) g;

CREATE TABLE orders (
    id int PRIMARY KEY,
    customer_id bigint NOT NULL,
    code varchar(20) NOT NULL,
    status text NOT NULL,
    total numeric(10, 2) NOT NULL,
    discount int,
    placed timestamp NOT NULL,
    quantity int NOT NULL CONSTRAINT quantity_known CHECK (quantity > 0),
    region text
);
INSERT INTO orders SELECT g, 1 + g % 200, 'code ' || g, 'status ' || g % 4, g, 0, timestamp '2025-01-01' + g * interval '1 hour', 1 + g % 5
FROM generate_series(1, 400) g;
CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE INDEX orders_code_idx ON orders (code);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();

CREATE TABLE order_lines (order_id int NOT NULL, line int NOT NULL, quantity pieces NOT NULL);
INSERT INTO order_lines SELECT 1 + g % 400, g, 1 + g % 3 FROM generate_series(1, 800) g;

CREATE TABLE payments (
    id serial PRIMARY KEY,
    order_id int NOT NULL CONSTRAINT payments_order_id_fkey REFERENCES orders,
    share percentage
);
INSERT INTO payments (order_id, share) SELECT g, g % 100 FROM generate_series(1, 300) g;

CREATE TABLE bookings (room int NOT NULL, during tsrange NOT NULL, mood mood NOT NULL);
INSERT INTO bookings SELECT g, tsrange(timestamp '2025-01-01' + g * interval '1 day', timestamp '2025-01-02' + g * interval '1 day'), 'calm'
FROM generate_series(1, 100) g;

CREATE TABLE events (id int NOT NULL, day date NOT NULL, kind int) PARTITION BY RANGE (day);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO events SELECT g, date '2024-01-01' + g % 700, g % 5 FROM generate_series(1, 500) g;
CREATE TABLE events_2026 (id int NOT NULL, day date NOT NULL, kind int);
INSERT INTO events_2026 SELECT g, date '2026-01-01' + g % 300, g % 5 FROM generate_series(1, 150) g;

CREATE TABLE visits (id int NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE visits_other PARTITION OF visits DEFAULT;
INSERT INTO visits SELECT g, date '2025-01-01' + g % 300 FROM generate_series(1, 200) g;
INSERT INTO visits SELECT g, date '2020-01-01' + g % 300 FROM generate_series(1, 60) g;
CREATE TABLE visits_2026 (id int NOT NULL, day date NOT NULL);
INSERT INTO visits_2026 SELECT g, date '2026-01-01' + g % 300 FROM generate_series(1, 90) g;

CREATE TABLE people (id int, name text);
CREATE TABLE staff (id int, name text);
INSERT INTO staff SELECT g, 'name ' || g FROM generate_series(1, 50) g;

CREATE VIEW open_orders AS SELECT id, customer_id, total FROM orders WHERE status = 'status 1';
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE UNIQUE INDEX totals_customer_id_idx ON totals (customer_id);
CREATE SEQUENCE invoice_number;
CREATE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT amount * 1.2';
