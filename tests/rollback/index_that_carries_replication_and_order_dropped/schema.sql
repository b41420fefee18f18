CREATE TABLE marked (id int NOT NULL, v text NOT NULL); INSERT INTO marked SELECT i, 'v' || i FROM generate_series(1, 20) i; CREATE UNIQUE INDEX marked_id ON marked (id); CREATE INDEX marked_v ON marked (v);
ALTER TABLE marked REPLICA IDENTITY USING INDEX marked_id; ALTER TABLE marked CLUSTER ON marked_v;
