-- expect: applies no, blocks no, slower no, undoable yes
-- find: apply/failed, apply/violating-rows
-- Every flight is flown by a plane we know.
SET lock_timeout = '5s';
ALTER TABLE flights ADD CONSTRAINT flights_tailnum_fkey FOREIGN KEY (tailnum) REFERENCES planes;
