CREATE TABLE logs (id int, at date, v text); INSERT INTO logs SELECT i, date '2026-01-01' + i, 'v' FROM generate_series(1, 30) i;
CREATE INDEX "Log, by day" ON logs (at) WITH (fillfactor = 90); CREATE INDEX logs_v ON logs (lower(v)); CREATE UNIQUE INDEX logs_id ON logs (id);
ALTER TABLE logs CLUSTER ON "Log, by day"; ALTER TABLE logs ALTER id SET NOT NULL; ALTER TABLE logs REPLICA IDENTITY USING INDEX logs_id;
