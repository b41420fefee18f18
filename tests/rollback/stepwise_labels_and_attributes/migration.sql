-- no-transaction
ALTER TABLE people ADD COLUMN since date;
ALTER TYPE mood RENAME VALUE 'happy' TO 'glad';
ALTER TYPE mood ADD VALUE 'tired';
ALTER TYPE size RENAME ATTRIBUTE height TO depth;
CREATE VIEW tired AS SELECT * FROM people WHERE mood::text = 'tired';
