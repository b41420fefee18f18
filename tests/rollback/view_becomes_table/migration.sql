DROP VIEW v; CREATE TABLE v (id bigint, n int); INSERT INTO v VALUES (1, 2);
