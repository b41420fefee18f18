-- verdict: restored_from_backup
-- loses: main.lines 1
-- migration
INSERT INTO lines VALUES (1, 1, 50), (7, 7, 7) ON CONFLICT DO UPDATE SET amount = excluded.amount;
