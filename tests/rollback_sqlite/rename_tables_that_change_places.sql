-- verdict: exact
-- migration
ALTER TABLE lines RENAME TO seat;
ALTER TABLE events RENAME TO lines;
ALTER TABLE seat RENAME TO events;
