CREATE TYPE size AS ENUM ('s', 'l'); CREATE DOMAIN sold_size AS size NOT NULL DEFAULT 's' CHECK (VALUE <> 'l' OR true); CREATE TYPE parcel AS (s size, n int);
CREATE TABLE shirts (id int PRIMARY KEY, s sold_size, all_sizes size[], packed parcel); INSERT INTO shirts VALUES (1, 's', '{s,l}', '(l,3)');
CREATE FUNCTION larger(size, size DEFAULT 's') RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > $2'; ALTER TABLE shirts ADD CONSTRAINT c CHECK (all_sizes @> '{s}');
