DROP INDEX CONCURRENTLY crossings_harbour_idx;
