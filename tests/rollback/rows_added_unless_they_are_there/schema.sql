CREATE TABLE countries (code text PRIMARY KEY, name text UNIQUE, pop integer);
INSERT INTO countries VALUES ('DE', 'Germany', 80), ('FR', 'France', 60);
CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, name text);
INSERT INTO users (email) VALUES ('bot1'), ('ann');
