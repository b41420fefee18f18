--! Previous: sha1:2a4f5b9f0bdc171b63bfa740042897feabfe73f4
--! Hash: sha1:543435222efdc25380234928b4992aba42f54589
--! Message: index crop

--! no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS beds_crop_idx ON garden.beds (crop);
