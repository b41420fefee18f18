CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, created timestamptz NOT NULL, state text NOT NULL DEFAULT 'new');
INSERT INTO users (email, created) SELECT 'u' || i, '2020-01-01' FROM generate_series(1, 20) AS i;
CREATE TABLE tokens (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, made timestamptz DEFAULT now());
INSERT INTO tokens (name) VALUES ('x'), ('y');
CREATE TABLE audit (at timestamptz, what text, who text DEFAULT current_user);
INSERT INTO audit VALUES ('2020-01-01', 'migrated'), ('2020-01-02', 'other');
