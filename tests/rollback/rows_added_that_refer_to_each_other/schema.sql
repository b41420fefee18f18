CREATE TABLE roles (id serial PRIMARY KEY, name text NOT NULL UNIQUE, made timestamptz NOT NULL DEFAULT now());
INSERT INTO roles (name) VALUES ('guest');
CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, name text);
INSERT INTO users (email) SELECT 'u' || i FROM generate_series(1, 20) AS i;
CREATE TABLE users_roles (user_id bigint REFERENCES users, role_id integer REFERENCES roles, PRIMARY KEY (user_id, role_id));
INSERT INTO users_roles SELECT id, 1 FROM users;
CREATE TABLE posts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id bigint NOT NULL REFERENCES users, title text, made timestamptz DEFAULT now());
INSERT INTO posts (user_id, title) SELECT id, 'welcome' FROM users WHERE id < 5;
CREATE TABLE comments (id serial PRIMARY KEY, post_id uuid REFERENCES posts, body text);
