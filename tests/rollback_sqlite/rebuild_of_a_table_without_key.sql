-- verdict: exact
-- own schema
CREATE TABLE events (kind TEXT, payload);
INSERT INTO events VALUES ('a', 1), ('a', 1), ('b', x'00');
DELETE FROM events WHERE rowid = 2;
-- migration
CREATE TABLE e (kind TEXT NOT NULL DEFAULT '', payload, at);
INSERT INTO e (kind, payload) SELECT kind, payload FROM events;
DROP TABLE events;
ALTER TABLE e RENAME TO events;
