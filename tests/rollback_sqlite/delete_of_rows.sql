-- verdict: restored_from_backup
-- loses: main.events 1
-- loses: main.lines 1
-- migration
DELETE FROM events WHERE kind = 'start';
DELETE FROM lines WHERE amount IS NULL;
