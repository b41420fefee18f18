INSERT INTO notes VALUES ('new');
INSERT INTO notes VALUES ('new');
UPDATE counters SET n = n + 1;
UPDATE counters SET n = n + 1;
INSERT INTO jobs (kind) VALUES ('reindex');
INSERT INTO jobs (kind) VALUES ('reindex');
