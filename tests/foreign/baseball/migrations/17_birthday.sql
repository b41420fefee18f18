-- expect: applies yes, blocks briefly, slower transient, undoable with_loss
-- find: lock/large-update, plan/transient, rollback/rows-lost
-- Three numbers become a date, where all three are known; what the trigger writes down about it stays.
SET lock_timeout = '5s';
ALTER TABLE people ADD COLUMN born date;
UPDATE people SET born = make_date("birthYear", "birthMonth", "birthDay")
WHERE "birthYear" IS NOT NULL AND "birthMonth" IS NOT NULL AND "birthDay" IS NOT NULL;
