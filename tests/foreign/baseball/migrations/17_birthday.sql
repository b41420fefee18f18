-- expect: applies yes, undoable yes
-- find: lock/large-update
-- Three numbers become a date, where all three are known.
SET lock_timeout = '5s';
ALTER TABLE people ADD COLUMN born date;
UPDATE people SET born = make_date("birthYear", "birthMonth", "birthDay")
WHERE "birthYear" IS NOT NULL AND "birthMonth" IS NOT NULL AND "birthDay" IS NOT NULL;
