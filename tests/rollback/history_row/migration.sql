ALTER TABLE orders ADD COLUMN x int; INSERT INTO _sqlx_migrations (version, description) VALUES (7, 'x');
