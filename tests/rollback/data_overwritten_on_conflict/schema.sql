CREATE TABLE countries (code text PRIMARY KEY, name text);
INSERT INTO countries VALUES ('DE', 'Germany'), ('FR', 'France');
