INSERT INTO part VALUES (100, '2024-05-05', 'new'), (101, '2025-05-05', 'new');
UPDATE part SET v = 'x' WHERE v = 'new' OR id = 3;
INSERT INTO logged (at, v) VALUES ('2024-06-21', 'v1'), ('2025-06-01', 'v1');
