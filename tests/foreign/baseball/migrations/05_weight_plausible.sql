-- expect: applies no, blocks no, slower no, undoable yes
-- find: apply/failed, apply/violating-rows
SET lock_timeout = '5s';
ALTER TABLE people ADD CONSTRAINT people_weight_plausible CHECK (weight BETWEEN 90 AND 400);
