CREATE TABLE orders (id integer PRIMARY KEY, status text, note text);
INSERT INTO orders SELECT i, 's', 'n' || i FROM generate_series(1, 9) AS i;
CREATE UNIQUE INDEX orders_status_note_idx ON orders (status, note);
