CREATE SEQUENCE numbers INCREMENT BY 3; CREATE FUNCTION next_code(prefix text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT $1 || nextval(''public.numbers'')';
CREATE DOMAIN percent AS numeric(5,2) DEFAULT 50 CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE things (id int PRIMARY KEY DEFAULT nextval('numbers'), code text DEFAULT next_code('t'), share percent, at timestamptz DEFAULT CURRENT_TIMESTAMP, n int DEFAULT 1);
INSERT INTO things (id) VALUES (1000);
CREATE VIEW entry AS SELECT id, n FROM things; ALTER VIEW entry ALTER n SET DEFAULT 7;
