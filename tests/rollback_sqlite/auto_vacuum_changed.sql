-- verdict: exact
-- stepwise
-- migration
PRAGMA auto_vacuum = FULL;
VACUUM;
