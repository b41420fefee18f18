-- expect: applies yes, blocks yes, slower no, undoable with_backup
-- find: lock/table-rewrite, schema/client-breaking
-- The enumeration is replaced by one with words; nobody can tell from the words what a letter was.
BEGIN;
SET LOCAL lock_timeout = '5s';
CREATE TYPE hand_new AS ENUM ('left', 'right', 'both', 'switch');
ALTER TABLE people
    ALTER COLUMN bats TYPE hand_new USING (CASE bats WHEN 'L' THEN 'left' WHEN 'R' THEN 'right' WHEN 'B' THEN 'both' WHEN 'S' THEN 'switch' END)::hand_new,
    ALTER COLUMN throws TYPE hand_new USING (CASE throws WHEN 'L' THEN 'left' WHEN 'R' THEN 'right' WHEN 'B' THEN 'both' WHEN 'S' THEN 'switch' END)::hand_new;
DROP TYPE hand;
ALTER TYPE hand_new RENAME TO hand;
COMMIT;
