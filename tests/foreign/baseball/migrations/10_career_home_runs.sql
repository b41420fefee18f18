-- expect: applies yes, blocks yes, slower transient, undoable with_loss
-- find: lock/held-long, lock/large-update, plan/transient, rollback/rows-lost
-- Kept by a trigger from now on; the trigger of people counts each backfilled row as a change.
BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE people ADD COLUMN home_runs integer NOT NULL DEFAULT 0;
CREATE FUNCTION batting_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE people SET home_runs = home_runs + coalesce(NEW."HR", 0) - CASE WHEN TG_OP = 'UPDATE' THEN coalesce(OLD."HR", 0) ELSE 0 END
    WHERE "playerID" = NEW."playerID";
    RETURN NULL;
END $$;
CREATE TRIGGER batting_counted AFTER INSERT OR UPDATE OF "HR" ON batting FOR EACH ROW EXECUTE FUNCTION batting_counted();
UPDATE people p SET home_runs = b.hr
FROM (SELECT "playerID", sum("HR") AS hr FROM batting GROUP BY "playerID") b
WHERE b."playerID" = p."playerID";
COMMIT;
