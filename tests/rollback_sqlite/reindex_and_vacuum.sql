-- verdict: exact
-- stepwise
-- migration
REINDEX;
VACUUM;
