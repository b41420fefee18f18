CREATE INDEX CONCURRENTLY events_2026_01_kind_idx ON events_2026_01 (kind);
CREATE INDEX CONCURRENTLY events_2026_02_kind_idx ON events_2026_02 (kind);
CREATE INDEX CONCURRENTLY events_2026_03_kind_idx ON events_2026_03 (kind);
