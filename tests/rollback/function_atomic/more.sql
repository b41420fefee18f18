CREATE FUNCTION newest() RETURNS bigint BEGIN ATOMIC SELECT max(id) FROM orders WHERE note <> ''; END;
CREATE VIEW newest_order AS SELECT newest() AS id;
