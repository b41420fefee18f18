-- Verify tides:reading-unit on pg

BEGIN;

SELECT unit FROM readings WHERE false;

ROLLBACK;
