ALTER TABLE events_2026_04 ADD CONSTRAINT april CHECK (happened_at >= '2026-04-01' AND happened_at < '2026-05-01') NOT VALID;
