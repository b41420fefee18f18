CREATE TABLE lines (id int PRIMARY KEY, number serial, v text); GRANT USAGE ON SEQUENCE lines_number_seq TO reader;
INSERT INTO lines (id, v) SELECT i, i::text FROM generate_series(1, 20) i;
