-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
SET lock_timeout = '5s';
ALTER TABLE salaries ENABLE ROW LEVEL SECURITY;
CREATE POLICY salaries_public ON salaries FOR SELECT USING ("yearID" < 2016);
