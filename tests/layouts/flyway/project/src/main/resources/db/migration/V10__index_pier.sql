CREATE INDEX CONCURRENTLY berths_pier_idx ON berths (pier);
