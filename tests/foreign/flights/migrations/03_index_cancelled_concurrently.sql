-- expect: applies yes, blocks no, slower no, undoable yes
-- find:
CREATE INDEX CONCURRENTLY flights_cancelled_idx ON flights (time_hour) WHERE dep_time IS NULL;
