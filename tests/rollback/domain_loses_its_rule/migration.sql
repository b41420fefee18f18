ALTER TABLE users ALTER age TYPE integer, ALTER level TYPE integer;
DROP DOMAIN posint;
ALTER DOMAIN code DROP CONSTRAINT short;
