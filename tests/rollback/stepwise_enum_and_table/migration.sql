-- no-transaction
ALTER TYPE mood ADD VALUE 'calm';
CREATE TABLE logs (id serial PRIMARY KEY, mood mood);
CREATE VIEW moods AS SELECT mood FROM days;
DROP TABLE old_days;
