ALTER TABLE networks DROP INDEX networks_name_key;
