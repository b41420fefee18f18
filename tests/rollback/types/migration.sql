ALTER DOMAIN positive DROP CONSTRAINT positive_check;
ALTER DOMAIN positive SET DEFAULT 1; ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000);
ALTER TYPE pair ADD ATTRIBUTE c int;
ALTER TYPE pair RENAME ATTRIBUTE a TO first;
DROP TYPE unused; DROP DOMAIN unused_domain;
CREATE TYPE made AS (x int); CREATE TYPE span AS RANGE (subtype = int);
CREATE DOMAIN shorter AS text CHECK (length(VALUE) < 10);
