CREATE TABLE countries (code char(2) PRIMARY KEY, name text NOT NULL);
INSERT INTO countries VALUES ('DE', 'Germany'), ('FR', 'France');
CREATE TABLE units (id serial PRIMARY KEY, name text NOT NULL);
INSERT INTO units (name) VALUES ('m'), ('s');
