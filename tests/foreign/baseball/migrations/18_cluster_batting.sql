-- expect: applies yes, blocks yes, undoable yes
-- find: lock/table-rewrite
SET lock_timeout = '5s';
CLUSTER batting USING batting_pkey;
