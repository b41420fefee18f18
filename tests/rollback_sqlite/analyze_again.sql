-- verdict: restored_from_backup
-- own schema
CREATE TABLE events (kind TEXT, payload);
CREATE INDEX by_kind ON events (kind);
INSERT INTO events VALUES ('a', 1), ('b', 2);
ANALYZE;
-- migration
INSERT INTO events VALUES ('more', 1), ('more', 2);
ANALYZE;
