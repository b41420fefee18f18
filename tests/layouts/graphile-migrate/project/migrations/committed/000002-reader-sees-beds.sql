--! Previous: sha1:cd62a8e9423d9321ca83810dfb006154d5751f44
--! Hash: sha1:2a4f5b9f0bdc171b63bfa740042897feabfe73f4
--! Message: reader sees beds

GRANT USAGE ON SCHEMA garden TO :GARDEN_READER;
GRANT SELECT ON garden.beds TO :GARDEN_READER;
