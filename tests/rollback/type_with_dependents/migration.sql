DROP VIEW crate_names;
ALTER TABLE crates ALTER COLUMN name TYPE text;
CREATE VIEW crate_names AS SELECT id, name FROM crates WHERE name <> '';
