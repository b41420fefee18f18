-- expect: applies yes, blocks yes, undoable yes
-- find: lock/table-rewrite
SET lock_timeout = '5s';
ALTER TABLE batting ADD COLUMN average numeric(4, 3) GENERATED ALWAYS AS (round("H"::numeric / nullif("AB", 0), 3)) STORED;
