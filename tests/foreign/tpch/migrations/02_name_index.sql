-- expect: applies yes, blocks yes, slower no, undoable yes
-- find: lock/index-build
SET lock_timeout = '5s';
CREATE INDEX customer_name_idx ON customer (c_name);
