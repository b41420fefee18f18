CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now()); INSERT INTO _sqlx_migrations VALUES (6, 'w');
