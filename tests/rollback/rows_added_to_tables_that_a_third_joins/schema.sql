CREATE TABLE roles (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO roles (name) VALUES ('guest'), ('member');
CREATE TABLE permissions (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO permissions (name) VALUES ('list');
CREATE TABLE role_permissions (role_id integer REFERENCES roles, permission_id integer REFERENCES permissions, PRIMARY KEY (role_id, permission_id));
INSERT INTO role_permissions VALUES (1, 1), (2, 1);
