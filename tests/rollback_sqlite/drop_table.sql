-- verdict: restored_from_backup
-- loses: main.lines 3
-- migration
DROP TABLE lines;
