CREATE TYPE job_state AS ENUM ('new', 'done'); CREATE TABLE jobs (id int PRIMARY KEY, state job_state NOT NULL DEFAULT 'new', history job_state[]);
INSERT INTO jobs SELECT i, CASE WHEN i % 2 = 0 THEN 'new' ELSE 'done' END::job_state, ARRAY['new']::job_state[] FROM generate_series(1, 8) i;
CREATE INDEX jobs_new ON jobs (id) WHERE state = 'new'; CREATE VIEW open_jobs AS SELECT * FROM jobs WHERE state = 'new';
