CREATE TABLE target (id integer PRIMARY KEY);
INSERT INTO target SELECT generate_series(1, 9);
CREATE TABLE whole (k integer PRIMARY KEY, t integer CONSTRAINT known REFERENCES target (id), note text) PARTITION BY RANGE (k);
CREATE TABLE part PARTITION OF whole FOR VALUES FROM (1) TO (100);
CREATE INDEX notes ON whole (note);
INSERT INTO whole SELECT n, n, 'x' FROM generate_series(1, 9) AS n;
