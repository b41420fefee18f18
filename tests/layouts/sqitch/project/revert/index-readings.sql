-- Revert tides:index-readings from pg

DROP INDEX CONCURRENTLY readings_harbour_idx;
