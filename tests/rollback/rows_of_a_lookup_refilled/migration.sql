TRUNCATE countries;
INSERT INTO countries VALUES ('DE', 'Deutschland'), ('AT', 'Austria');
DELETE FROM units;
INSERT INTO units (name) VALUES ('kg'), ('m');
