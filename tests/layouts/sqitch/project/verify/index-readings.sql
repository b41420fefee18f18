-- Verify tides:index-readings on pg

SELECT 1 / (to_regclass('readings_harbour_idx') IS NOT NULL)::integer;
