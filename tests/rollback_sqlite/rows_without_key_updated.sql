-- verdict: restored_from_backup
-- loses: main.events.payload 1
-- migration
UPDATE events SET payload = 'y' WHERE rowid = 2;
