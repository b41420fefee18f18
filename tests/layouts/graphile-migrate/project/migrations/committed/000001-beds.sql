--! Previous: -
--! Hash: sha1:cd62a8e9423d9321ca83810dfb006154d5751f44
--! Message: beds

DROP SCHEMA IF EXISTS garden CASCADE;
CREATE SCHEMA garden;
CREATE TABLE garden.beds (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    crop text NOT NULL,
    square_metres integer NOT NULL
);
