-- expect: applies no, blocks briefly, slower no, undoable yes
-- find: apply/failed, apply/violating-rows
-- One report an hour, except where clocks are put back.
SET lock_timeout = '5s';
ALTER TABLE weather ADD CONSTRAINT weather_hour_key UNIQUE (origin, year, month, day, hour);
