CREATE TABLE accounts (id int PRIMARY KEY, state text);
INSERT INTO accounts SELECT i, 'new' FROM generate_series(1, 10) AS i;
CREATE FUNCTION retire(lowest int) RETURNS void LANGUAGE sql AS 'UPDATE accounts SET state = ''old'' WHERE id >= lowest';
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
