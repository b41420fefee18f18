CREATE TABLE t (id integer PRIMARY KEY);
SELECT lo_create(4711);
