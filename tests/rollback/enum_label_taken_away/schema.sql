CREATE TYPE s AS ENUM ('a','b','c'); CREATE TABLE t (id integer PRIMARY KEY, v s NOT NULL DEFAULT 'a', CHECK (v <> 'c')); CREATE INDEX i ON t (v) WHERE v = 'a'; INSERT INTO t VALUES (1,'a'),(2,'b');
