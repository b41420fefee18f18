-- expect: applies yes, blocks yes, slower no, undoable yes
-- find: lock/index-build
SET lock_timeout = '5s';
CREATE INDEX flights_cancelled_idx ON flights (time_hour) WHERE dep_time IS NULL;
