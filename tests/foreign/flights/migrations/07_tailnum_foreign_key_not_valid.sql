-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
SET lock_timeout = '5s';
ALTER TABLE flights ADD CONSTRAINT flights_tailnum_fkey FOREIGN KEY (tailnum) REFERENCES planes NOT VALID;
