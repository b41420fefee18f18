CREATE INDEX CONCURRENTLY crossings_harbour_idx ON crossings (harbour);
