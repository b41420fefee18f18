CREATE TABLE one (id serial PRIMARY KEY, other int); CREATE TABLE two (id int, n bigserial); CREATE SEQUENCE free; INSERT INTO one (other) VALUES (1), (2); INSERT INTO two (id) VALUES (1);
