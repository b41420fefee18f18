-- verdict: exact
-- migration
ANALYZE;
