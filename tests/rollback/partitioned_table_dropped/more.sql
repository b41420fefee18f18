CREATE TABLE events (id bigserial, at date NOT NULL, v text, customer_id bigint REFERENCES customers, PRIMARY KEY (id, at), CHECK (id > 0)) PARTITION BY RANGE (at);
CREATE TABLE events_2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX events_at_idx ON events (at);
INSERT INTO events (at, v) SELECT date '2026-01-01' + i, 'v' || i FROM generate_series(0, 50) i;
