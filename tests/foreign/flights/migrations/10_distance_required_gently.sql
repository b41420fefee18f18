-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
SET lock_timeout = '5s';
ALTER TABLE flights ADD CONSTRAINT flights_distance_present CHECK (distance IS NOT NULL) NOT VALID;
ALTER TABLE flights VALIDATE CONSTRAINT flights_distance_present;
ALTER TABLE flights ALTER COLUMN distance SET NOT NULL;
ALTER TABLE flights DROP CONSTRAINT flights_distance_present;
