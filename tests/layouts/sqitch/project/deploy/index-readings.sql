-- Deploy tides:index-readings to pg
-- requires: readings@v1.0
-- conflicts: weather:old-index

CREATE INDEX CONCURRENTLY readings_harbour_idx ON readings (harbour, taken_at);
