CREATE TABLE countries (code char(2) PRIMARY KEY, name text NOT NULL, pop integer);
INSERT INTO countries VALUES ('DE', 'Germany', 80), ('FR', 'France', 60);
