SET lock_timeout = 0;
ALTER TABLE events DETACH PARTITION events_2026_01;
