-- verdict: restored_from_backup
-- migration
INSERT INTO customers (email) VALUES ('new@x');
INSERT INTO lines VALUES (9, 9, 9);
