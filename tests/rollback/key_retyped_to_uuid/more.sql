CREATE TABLE parent (id varchar(36) PRIMARY KEY, v int); CREATE TABLE child (id serial PRIMARY KEY, parent varchar(36) CONSTRAINT child_parent_fkey REFERENCES parent);
INSERT INTO parent SELECT md5(i::text)::uuid::text, i FROM generate_series(1, 20) i; INSERT INTO child (parent) SELECT id FROM parent;
