-- Verify tides:readings on pg

BEGIN;

SELECT harbour, taken_at, centimetres FROM readings WHERE false;

ROLLBACK;
