-- Verify tides:harbours on pg

BEGIN;

SELECT id, name FROM harbours WHERE false;

ROLLBACK;
